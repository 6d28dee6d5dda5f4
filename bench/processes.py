"""The processes of this machine, as Linux tells of them."""

import os
from pathlib import Path
from typing import NamedTuple

_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """The process that started it, and the CPU time it took so far, in seconds."""

    parent: int
    cpu: float


def processes() -> dict[int, Process]:
    """Every process there is, by its number, in the order of the numbers."""
    found: dict[int, Process] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        found[int(file.parent.name)] = Process(int(fields[1]), (int(fields[11]) + int(fields[12])) * _TICK)
    return dict(sorted(found.items()))
