"""Cards as a place spells them: they are written in British spelling, and respelt by a table for American."""

import csv
import re
from functools import cache, partial
from pathlib import Path

TABLE = Path(__file__).parents[2] / "templates" / "cards" / "american.csv"


def spelt(text: str, spelling: str) -> str:
    """A card's text in a locale's ``spelling``, ``american`` or ``british``."""
    if spelling == "british":
        return text
    known, lower = _american(), text.lower()
    # Few of them stand in one text: to look for all at once, letter by letter, costs more than the rest of a card.
    for sign in filter(lower.__contains__, known):
        for british in filter(lower.__contains__, known[sign]):
            pattern, american = known[sign][british]
            text = pattern.sub(partial(_as_written, american), text)
    return text


_SIGNS = ("ae", "oe", "our", "ell")
"""What several of the words hold: where it does not stand, none of them does."""


@cache
def _american() -> dict[str, dict[str, tuple[re.Pattern[str], str]]]:
    """How each is found, and what stands for it, by its sign; "angioedema" is spelt alike everywhere."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    found: dict[str, dict[str, tuple[re.Pattern[str], str]]] = {}
    for row in rows:
        british = row["british"]
        pattern = re.compile(rf"{re.escape(british)}(?<!angioedema)", re.IGNORECASE | re.ASCII)
        sign = next((sign for sign in _SIGNS if sign in british), british)
        found.setdefault(sign, {})[british] = pattern, row["american"]
    return found


def _as_written(american: str, found: re.Match[str]) -> str:
    return american.capitalize() if found[0][0].isupper() else american
