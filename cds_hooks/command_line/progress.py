"""How long work comes along: a bar with an estimate of the time left on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Telling:
    """Tells on standard error how a step comes along; where that is no terminal, a line for each tenth."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:8}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._step = ""
        self._began = 0.0
        self._told = -1

    def __enter__(self) -> "Telling":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, step: str, done: int, of: int) -> None:
        """So much of a step is done, of so much."""
        if step != self._step:
            self._step, self._began, self._told = step, time.monotonic(), -1
            self._task = self._bar.add_task(step, total=of)
        if not self._bar.disable:
            assert self._task is not None
            self._bar.update(self._task, completed=done, total=of)
            return
        share = done / of if of else 1.0
        if int(share * 10) == self._told:
            return
        self._told = int(share * 10)
        spent = time.monotonic() - self._began
        left = f", about {spent / share - spent:.0f} s left" if 0 < share < 1 else ""
        print(f"{step:8} {share:4.0%}{left}", file=sys.stderr, flush=True)
