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
from prodrome.cds_hooks.population import export, plan
from prodrome.rules.guideline import load_guideline
from tests.cds_hooks.population.exports import TODAY

STEPS = ("sieved", "placed", "shared", "judged")
export.TASK_BYTES, plan.PARTITION_BYTES = 20_000, 3_000  # many tasks, although there is little to do


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


def done(out: Path) -> dict[str, int]:
    """How far a run has come: the tasks of each step that are done."""
    return {step: len(list((out / "work" / step).glob("*.json"))) for step in STEPS}


def ended(process: int) -> int | None:
    """The status of a process that has ended; a moment is waited for it."""
    time.sleep(0.001)
    found, status = os.waitpid(process, os.WNOHANG)
    return status if found else None


def kill(export: Path, folder: Path, kills: int) -> None:
    """Kill as often, at moments spread over what a run does, its beginning and its end among them."""
    load_guideline().rulebook  # noqa: B018  what every run would load anew
    process, tasks = start(export, folder / "whole"), 0
    while (status := ended(process)) is None:
        tasks = max(tasks, sum(done(folder / "whole").values()))
    assert status == 0
    whole, chance = contents(folder / "whole"), random.Random(7)
    for number in range(kills):
        out = folder / f"killed-{number}"
        after = round((number + chance.random()) / kills * tasks)
        process, status = start(export, out), None
        while sum(done(out).values()) < after and (status := ended(process)) is None:
            pass
        if status is None:
            time.sleep(chance.random() * 0.02)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
        print(f"{number + 1:2}: {'ended' if (out / 'counts.json').exists() else done(out)}", flush=True)
        if not (out / "counts.json").exists():
            assert os.waitpid(start(export, out), 0)[1] == 0
        assert contents(out) == whole
        shutil.rmtree(out)


if __name__ == "__main__":
    kill(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
