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
    known = _american()
    # Few of them stand in one text: to look for all at once, letter by letter, costs more than the rest of a card.
    for british in filter(text.lower().__contains__, known):
        pattern, american = known[british]
        text = pattern.sub(partial(_as_written, american), text)
    return text


@cache
def _american() -> dict[str, tuple[re.Pattern[str], str]]:
    """How each is found, and what stands for it; "angioedema" is spelt alike everywhere."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    return {
        row["british"]: (
            re.compile(rf"{re.escape(row['british'])}(?<!angioedema)", re.IGNORECASE | re.ASCII),
            row["american"],
        )
        for row in rows
    }


def _as_written(american: str, found: re.Match[str]) -> str:
    return american.capitalize() if found[0][0].isupper() else american
