"""What is made of a guideline once, and kept while the guideline is in use."""

from collections.abc import Callable
from typing import TypeVar

from prodrome.rules.guideline.guideline import Guideline

Made = TypeVar("Made")

_KEPT = 8  # guidelines; more are in use only while parameters are tried out


_made_of: list[Callable[[Guideline], object]] = []


def make_all(guideline: Guideline) -> None:
    """Make now what is made of a guideline when first needed, so that no call waits for it."""
    for make in _made_of:
        make(guideline)


def per_guideline(make: Callable[[Guideline], Made]) -> Callable[[Guideline], Made]:
    """Call ``make`` once for each guideline."""
    made: dict[int, tuple[Guideline, Made]] = {}

    def kept(guideline: Guideline) -> Made:
        known = made.get(id(guideline))
        if known is None or known[0] is not guideline:
            if len(made) >= _KEPT:
                made.clear()
            known = made[id(guideline)] = guideline, make(guideline)
        return known[1]

    _made_of.append(kept)
    return kept
