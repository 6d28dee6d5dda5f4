"""Finding phrases in short clinical texts: whole words in any language, not after a word that denies them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple

NEGATIONS = frozenset({"no", "not", "without", "denies"})
REACH = 3  # words before a phrase in which a negation denies it

_CLAUSES = re.compile(r"[.,;:!?()\n]|\b(?:but|aber|mais|pero|ma|maar)\b")
_WORDS = re.compile(r"[^\W_]+(?:'[a-z]+)?")
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i", "\u2019": "'"})


def fold(text: str) -> str:
    """A text as words are compared: lower case, without accents; other scripts stay as they are."""
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(letter for letter in composed if not "\u0300" <= letter <= "\u036f")
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


class Phrases(NamedTuple):
    """Phrases and the names of their lists, by first word or two; of each phrase one word is among the ``hints``."""

    by_words: Mapping[tuple[str, ...], tuple[tuple[tuple[str, ...], str], ...]]
    hints: frozenset[str]
    negations: frozenset[str]


def phrases(named: Mapping[str, Iterable[str]], negations: Iterable[str] = NEGATIONS) -> Phrases:
    """Make phrase lists ready for :func:`found_in`."""
    by_words: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = {}
    longest: set[str] = set()
    for name, texts in named.items():
        for text in texts:
            words = tuple(_WORDS.findall(fold(text)))
            by_words.setdefault(words[:2], []).append((words, name))
            longest.add(max(words, key=len))
    return Phrases(
        {words: tuple(entries) for words, entries in by_words.items()},
        frozenset(longest),
        frozenset(fold(word) for word in negations),
    )


def found_in(text: str, wanted: Phrases) -> set[str]:
    """The names of the lists of which a phrase stands in ``text`` undenied.

    A negation denies a phrase when it stands up to three words before it in the same clause, unless it is itself part
    of a phrase ("not effective, side effects" names both). Of phrases that share words the longest stands.
    """
    text = fold(text)
    names: set[str] = set()
    if not wanted.hints.isdisjoint(_WORDS.findall(text)):
        for clause in _CLAUSES.split(text):
            names |= _in_clause(_WORDS.findall(clause), wanted)
    return names


def _in_clause(words: list[str], wanted: Phrases) -> set[str]:
    matches: list[tuple[int, int, str]] = []
    for at, (first, second) in enumerate(zip(words, [*words[1:], ""], strict=False)):
        for begun in ((first,), (first, second)):
            for phrase, name in wanted.by_words.get(begun, ()):
                if tuple(words[at : at + len(phrase)]) == phrase:
                    matches.append((at, at + len(phrase), name))
    ends: dict[int, int] = {}  # where the longest phrase of each start ends, in order of the starts
    for start, end, _ in matches:
        ends[start] = max(end, ends.get(start, 0))
    before = dict(zip(ends, accumulate(ends.values(), max, initial=0), strict=False))
    own = {at for start, end, _ in matches for at in range(start, end)}
    return {
        name
        for start, end, name in matches
        if not any(words[at] in wanted.negations and at not in own for at in range(max(0, start - REACH), start))
        and before[start] < end == ends[start]
    }
