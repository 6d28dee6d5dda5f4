"""How much of a chart was understood: what a tester is shown, and what an answer says without repeating the chart."""

from collections import Counter
from typing import Any, NamedTuple

from prodrome.rules import Facts


class Share(NamedTuple):
    """Of the elements of one sort in a kind of resource (``what``: drug, dose, problem...), how many could be told."""

    kind: str
    what: str
    told: int
    of: int


def shares(facts: Facts) -> tuple[Share, ...]:
    """The share of each kind that was understood: first the rows that could be read at all, then what is in them."""
    skipped = Counter(row.kind for row in facts.skipped)
    rows = {kind: (read, read + skipped[kind]) for kind, read in facts.read.items()}
    puzzles = Counter((each.kind, each.what) for each in facts.not_understood)
    found = [Share(kind, _ROWS, *counts) for kind, counts in rows.items()]
    for key in {**facts.understood, **puzzles}:
        told = facts.understood.get(key, 0)
        found.append(Share(*key, told, told + puzzles[key]))
    return tuple(sorted(found, key=lambda share: (share.kind, share.what != _ROWS, share.what)))


_ROWS = "rows"


def counted(facts: Facts) -> list[dict[str, Any]]:
    """What was there and not understood, counted by kind, element and reason: never a value."""
    counts: dict[tuple[str, str, str], int] = {}
    for each in facts.not_understood:
        key = (each.kind, each.what, each.why)
        counts[key] = counts.get(key, 0) + 1
    return [
        {"kind": kind, "what": what, "why": why, "count": count} for (kind, what, why), count in sorted(counts.items())
    ]
