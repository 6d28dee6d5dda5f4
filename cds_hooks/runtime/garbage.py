"""The garbage collector of a process that computes: nearly all that a call or a task makes is free of circles."""

import gc

YOUNG_OBJECTS = 100_000
"""How many may be made before a collection looks for circles: one heavy chart has 20,000."""


def collect_seldom() -> None:
    """Leave alone what is there by now, which stays for good, and look seldom among what comes."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    gc.enable()
