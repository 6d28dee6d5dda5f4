"""Finding phrases in short clinical texts: whole words, not after a word that denies them."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

NEGATIONS = frozenset({"no", "not", "without", "denies"})
REACH = 3  # words before a phrase in which a negation denies it

_CLAUSES = re.compile(r"[.,;:!?()\n]|\bbut\b")
_WORDS = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


class Phrases(NamedTuple):
    """Phrase lists by name, split into words; ``hint`` matches every text that any of them could be in."""

    named: Mapping[str, tuple[tuple[str, ...], ...]]
    hint: re.Pattern[str]


def phrases(named: Mapping[str, Iterable[str]]) -> Phrases:
    """Make phrase lists ready for :func:`found_in`."""
    split = {name: tuple(tuple(_WORDS.findall(text.lower())) for text in texts) for name, texts in named.items()}
    longest = {max(phrase, key=len) for lists in split.values() for phrase in lists}
    return Phrases(split, re.compile("|".join(sorted(map(re.escape, longest)))))


def found_in(text: str, wanted: Phrases) -> set[str]:
    """The names of the lists of which a phrase stands in ``text`` undenied.

    A negation denies a phrase when it stands up to three words before it in the same clause, unless it is itself part
    of a phrase ("not effective, side effects" names both).
    """
    text = text.lower()
    names: set[str] = set()
    if wanted.hint.search(text):
        for clause in _CLAUSES.split(text):
            names |= _in_clause(_WORDS.findall(clause), wanted.named)
    return names


def _in_clause(words: list[str], wanted: Mapping[str, tuple[tuple[str, ...], ...]]) -> set[str]:
    matches: list[tuple[int, int, str]] = []
    for name, lists in wanted.items():
        for phrase in lists:
            length = len(phrase)
            for at in range(len(words) - length + 1):
                if words[at] == phrase[0] and tuple(words[at : at + length]) == phrase:
                    matches.append((at, at + length, name))
    own = {at for start, end, _ in matches for at in range(start, end)}
    return {
        name
        for start, _, name in matches
        if not any(words[at] in NEGATIONS and at not in own for at in range(max(0, start - REACH), start))
    }
