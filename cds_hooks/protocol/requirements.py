"""The requirements of CDS Hooks on a service and on what it is sent, as ``requirements.csv`` numbers them."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "requirements.csv"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One numbered requirement. *level* is a word of RFC 2119; *origin*: literal in the specification, or derived."""

    id: str
    level: str
    origin: str
    text: str

    @property
    def binding(self) -> bool:
        """Whether it is a MUST or a MUST NOT."""
        return self.level.startswith("MUST")


@cache
def requirements() -> tuple[Requirement, ...]:
    """Every requirement, in order."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return tuple(Requirement(*row) for row in list(csv.reader(file))[1:])
