"""Cards as a place spells them: they are written in British spelling, and respelt by a table for American."""

import csv
import re
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parents[2] / "templates" / "cards" / "american.csv"


def spelt(text: str, spelling: str) -> str:
    """A card's text in a locale's ``spelling``, ``american`` or ``british``."""
    if spelling == "british":
        return text
    pattern, american = _american()
    return pattern.sub(lambda found: _as_written(found[0], american[found[0].lower()]), text)


@cache
def _american() -> tuple[re.Pattern[str], dict[str, str]]:
    """What is looked for, and what stands for it; "angioedema" is spelt alike everywhere."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    american = {row["british"]: row["american"] for row in rows}
    return re.compile(rf"(?<!angi)(?:{'|'.join(map(re.escape, american))})", re.IGNORECASE), american


def _as_written(found: str, american: str) -> str:
    return american.capitalize() if found[0].isupper() else american
