"""What the pages work on: one request with its answer, in memory, for the browser that brought it, for a short time.

Nothing here is written to disk or to a log. A case is found only with its own unguessable key and the cookie of the
browser that opened it; it is dropped when it was not looked at for a while, when room is needed, or on request.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.workbench.forgetting import Forgetting

IDLE_SECONDS = 30 * 60.0
MOST_CASES = 100
MOST_BYTES = 30_000_000
"""Of request bodies, all cases together. What is made of one takes several times its size."""


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """What the user did with a card: the feedback as it was sent, and what accepting would write to the chart."""

    outcome: str
    feedback: Mapping[str, Any]
    kept: bool
    changes: tuple["Change", ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One action of an accepted suggestion: the resource before and after, line by line; None where a side has none."""

    description: str
    type: str
    resource: str
    rows: tuple[tuple[str | None, str | None], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """``edits`` and ``parameters`` by name, ``without`` the JSON pointers left out, ``added`` the rows put in.

    ``hook``, ``order`` and ``day`` are empty where they are as they came.
    """

    edits: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    added: tuple[dict[str, Any], ...] = ()
    hook: str = ""
    order: str = ""
    day: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is changed."""
        return self != Changes()


@dataclass
class Case:
    """One request, the day it is judged on, and the answer.

    ``source`` says in words where it came from; ``changes`` are what the user tries, ``beside`` what it is compared
    with, nothing at first.
    """

    title: str
    today: date
    document: dict[str, Any]
    consultation: Consultation
    size: int
    source: str
    permalink: str | None = None
    changes: Changes = field(default_factory=Changes)
    beside: Changes = field(default_factory=Changes)
    answers: dict[str, CardAnswer] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(18))


class Cases:
    """The cases of all browsers, bounded in time and size."""

    def __init__(
        self,
        *,
        idle_seconds: float = IDLE_SECONDS,
        most_cases: int = MOST_CASES,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle, self._most_cases, self._most_bytes, self._clock = idle_seconds, most_cases, most_bytes, clock
        self._lock = threading.Lock()
        self._cases: dict[tuple[str, str], Case] = {}  # (owner, key) -> case, the one looked at last at the end
        self._looked_at: dict[tuple[str, str], float] = {}
        self._forgetting = Forgetting(idle_seconds, self._lock, self._drop_old)

    def add(self, owner: str, case: Case) -> None:
        """Keep a case for the browser *owner*; the longest unused go where there is no room."""
        with self._lock:
            self._cases[owner, case.key] = case
            self._looked_at[owner, case.key] = self._clock()
            self._drop_old()
            while len(self._cases) > 1 and (
                len(self._cases) > self._most_cases or sum(c.size for c in self._cases.values()) > self._most_bytes
            ):
                self._drop(next(iter(self._cases)))
            if self._cases:
                self._forgetting.later()

    def get(self, owner: str, key: str) -> Case | None:
        """The case, or None where it is gone or another browser's."""
        with self._lock:
            self._drop_old()
            case = self._cases.pop((owner, key), None)
            if case is not None:
                self._cases[owner, key] = case
                self._looked_at[owner, key] = self._clock()
            return case

    def forget(self, owner: str, key: str) -> None:
        """Drop one case of an owner; nothing where there is none."""
        with self._lock:
            self._drop((owner, key))

    def __len__(self) -> int:
        with self._lock:
            self._drop_old()
            return len(self._cases)

    def _drop(self, which: tuple[str, str]) -> None:
        self._cases.pop(which, None)
        self._looked_at.pop(which, None)

    def _drop_old(self) -> bool:
        before = self._clock() - self._idle
        for which in [which for which, when in self._looked_at.items() if when <= before]:
            self._drop(which)
        return bool(self._cases)
