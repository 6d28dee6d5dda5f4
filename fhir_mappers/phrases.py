"""Finding phrases in short clinical texts: whole words in any language, not after a word that denies them."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple

from prodrome.rules import per_guideline
from prodrome.rules.guideline import Guideline

REACH = 3  # words before a phrase in which a negation denies it
NEGATION = "negation"  # of words.csv
_QUALIFIED = ("invasi", "pharmac")  # "non-invasive stimulation" is stimulation all the same
ONE_OR_A_THOUSAND = r"[1-9]\d{0,2}\.\d{3}"
"""A pattern of "1.000": a thousand in half of Europe, and one elsewhere."""
BEGINS = "*"  # behind a phrase of one word: every word that begins so
SHORT = 100  # characters of a text that is remembered: the name of a thing, not what somebody wrote of a patient
MOST_REMEMBERED = 4000

_CLAUSES = re.compile(r"[.,;:!?()\n]|\b(?:but|aber|mais|pero|ma|maar)\b")
_WORDS = re.compile(r"[^\W_]+(?:'[a-z]+)?")
_ELIDED = re.compile(r"\b(?:l|d|qu|un|all|dall|dell|nell|sull)'(?=\w)")  # "l'emicrania", "pas d'effet"
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i", "\u2019": "'"})
UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")  # scripts that write words without spaces
_DENIED_BEHIND = re.compile(r"[のはが]?(?:なし|無し|ない|無い|否定)")


def fold(text: str) -> str:
    """A text as words are compared: lower case, without accents; other scripts stay as they are."""
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(letter for letter in composed if not "\u0300" <= letter <= "\u036f")
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


class Phrases(NamedTuple):
    """Phrases and the names of their lists, by first word or two; of each phrase one word is among the ``hints``.

    ``beginnings`` are those of words, ``unspaced`` phrases of scripts without spaces. What short texts hold is kept in
    ``remembered``: the same few come in most charts.
    """

    by_words: Mapping[tuple[str, ...], tuple[tuple[tuple[str, ...], str], ...]]
    hints: frozenset[str]
    negations: frozenset[tuple[str, ...]]
    beginnings: tuple[tuple[str, str], ...]
    unspaced: tuple[tuple[str, str], ...]
    remembered: dict[str, frozenset[str]]


def phrases(named: Mapping[str, Iterable[str]], negations: Iterable[str] = ()) -> Phrases:
    """Make phrase lists ready for :func:`found_in`."""
    by_words: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = {}
    longest: set[str] = set()
    beginnings: list[tuple[str, str]] = []
    unspaced: list[tuple[str, str]] = []
    for name, texts in named.items():
        for text in texts:
            if text.endswith(BEGINS):
                beginnings.append((fold(text.removesuffix(BEGINS)), name))
            elif UNSPACED.search(text):
                unspaced.append((fold(text), name))
            else:
                words = _words(fold(text))
                by_words.setdefault(words[:2], []).append((words, name))
                longest.add(max(words, key=len))
    return Phrases(
        {words: tuple(entries) for words, entries in by_words.items()},
        frozenset(longest),
        frozenset(_words(fold(text)) for text in negations),
        tuple(beginnings),
        tuple(unspaced),
        {},
    )


def phrases_of(prefix: str) -> Callable[[Guideline], Phrases]:
    """What makes the phrases of ``words.csv`` whose lists are named so ready, once for a guideline."""

    @per_guideline
    def of(guideline: Guideline) -> Phrases:
        named = {name: texts for name, texts in guideline.words.items() if name.startswith(prefix) and name != NEGATION}
        return phrases(named, guideline.words[NEGATION])

    return of


def unelided(text: str) -> str:
    """A folded text with the articles apart that stand before a vowel: "l'aspirine"."""
    return _ELIDED.sub(" ", text) if "'" in text else text


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(unelided(text)))


def found_in(text: str, wanted: Phrases) -> frozenset[str]:
    """The names of the lists of which a phrase stands in ``text`` undenied.

    A negation denies a phrase when it stands up to three words before it in the same clause, unless it is itself part
    of a phrase ("not effective, side effects" names both). Of phrases that share words the longest stands.
    """
    if len(text) > SHORT:
        return _found_in(text, wanted)
    found = wanted.remembered.get(text)
    if found is None:
        if len(wanted.remembered) >= MOST_REMEMBERED:
            wanted.remembered.clear()
        found = wanted.remembered[text] = _found_in(text, wanted)
    return found


def _found_in(text: str, wanted: Phrases) -> frozenset[str]:
    text = fold(text)
    names: set[str] = set()
    if wanted.unspaced and UNSPACED.search(text):
        names |= _unspaced_in(text, wanted)
    words = _words(text)
    if not wanted.hints.isdisjoint(words) or _begins(text, wanted):
        for clause in _CLAUSES.split(text):
            names |= _in_clause(_words(clause), wanted)
    return frozenset(names)


def _begins(text: str, wanted: Phrases) -> bool:
    return any(beginning in text for beginning, _ in wanted.beginnings)


def _unspaced_in(text: str, wanted: Phrases) -> set[str]:
    found = ((text.find(phrase), phrase, name) for phrase, name in wanted.unspaced)
    return {name for at, phrase, name in found if at >= 0 and not _DENIED_BEHIND.match(text, at + len(phrase))}


def _in_clause(words: tuple[str, ...], wanted: Phrases) -> set[str]:
    matches: list[tuple[int, int, str]] = []
    for at, (first, second) in enumerate(zip(words, [*words[1:], ""], strict=False)):
        for begun in ((first,), (first, second)):
            for phrase, name in wanted.by_words.get(begun, ()):
                if words[at : at + len(phrase)] == phrase:
                    matches.append((at, at + len(phrase), name))
        matches += [(at, at + 1, name) for beginning, name in wanted.beginnings if first.startswith(beginning)]
    matches = [match for match in matches if not _denies_another(words, match, matches, wanted.negations)]
    ends: dict[int, int] = {}  # where the longest phrase of each start ends, in order of the starts
    for start, end, _ in matches:
        ends[start] = max(end, ends.get(start, 0))
    before = dict(zip(ends, accumulate(ends.values(), max, initial=0), strict=False))
    own = {at for start, end, _ in matches for at in range(start, end)}
    return {
        name
        for start, end, name in matches
        if before[start] < end == ends[start] and not _is_denied(words, start, own, wanted.negations)
    }


def _denies_another(
    words: tuple[str, ...],
    match: tuple[int, int, str],
    matches: list[tuple[int, int, str]],
    negations: frozenset[tuple[str, ...]],
) -> bool:
    """Whether a phrase is the denial of another that goes on: "pas d'effet" in "pas d'effet indésirable"."""
    start, end, _ = match
    return words[start : start + 1] in negations and any(start < other < end < to for other, to, _ in matches)


def _is_denied(words: tuple[str, ...], start: int, own: set[int], negations: frozenset[tuple[str, ...]]) -> bool:
    """Whether a negation, which is no part of a phrase, stands up to three words before a place."""
    return any(
        at not in own
        and (words[at : at + 1] in negations or words[at : at + 2] in negations)
        and not words[at + 1].startswith(_QUALIFIED)
        for at in range(max(0, start - REACH), start)
    )
