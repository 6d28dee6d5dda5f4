"""A run that is killed at random moments, each time begun anew and then run to its end: a process of its own.

``python -m tests.cds_hooks.population.killing EXPORT FOLDER KILLS`` prints how far each run had come, and fails where a
run that went on wrote other bytes than one that nobody stopped.
"""

import contextlib
import io
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from prodrome.cds_hooks.command_line.cli import main
from tests.cds_hooks.population.exports import TODAY

STEPS = ("sieved", "placed", "shared", "judged")


def start(export: Path, out: Path) -> int:
    """A run in a process group of its own."""
    process = os.fork()
    if process == 0:
        os.setsid()
        asked = ["population", str(export), "--out", str(out), "--today", TODAY.isoformat(), "--workers", "2"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            status = main([*asked, "--engine", "reference"])
        os._exit(status)
    return process


def contents(out: Path) -> dict[str, bytes]:
    """Every file of a result."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def come_to(out: Path) -> str:
    """How far a run has come: the tasks of each step that are done."""
    done = {step: len(list((out / "work" / step).glob("*.json"))) for step in STEPS}
    return "ended" if (out / "counts.json").exists() else ", ".join(f"{count} {step}" for step, count in done.items())


def kill(export: Path, folder: Path, kills: int) -> None:
    """Kill as often, at moments spread over the time that a run takes."""
    began = time.monotonic()
    assert os.waitpid(start(export, folder / "whole"), 0)[1] == 0
    took = time.monotonic() - began
    whole, chance = contents(folder / "whole"), random.Random(7)
    for number in range(kills):
        out = folder / f"killed-{number}"
        process = start(export, out)
        time.sleep((number + chance.random()) / kills * took)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        print(f"{number + 1:2}: {come_to(out)}", flush=True)
        if not (out / "counts.json").exists():
            assert os.waitpid(start(export, out), 0)[1] == 0
        assert contents(out) == whole
        shutil.rmtree(out)


if __name__ == "__main__":
    kill(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
