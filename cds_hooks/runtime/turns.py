"""One call computes at a time in a process; whoever waits for another machine lets the others go on.

Two threads that compute in one interpreter only get in each other's way, and in that of the thread that reads the
sockets. With turns, a call is as fast under load as alone, and what waits, waits in the order it came.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class Turn:
    """A turn to compute, handed on in the order it was asked for; a lock of the library goes to whoever comes by.

    ``with turn`` holds it. Where a thread takes it and what was computed is sent by another, that one gives it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._since = 0.0
        self.held_seconds = 0.0
        """How long it was held so far, all calls together."""
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        _MINE.turn = None
        self.give()

    @contextmanager
    def given_away(self) -> Iterator[None]:
        """Let others have it for a while."""
        _MINE.turn = None
        self.give()
        try:
            yield
        finally:
            self.take()

    def take(self) -> None:
        """Wait for it, and have it until it is given."""
        _MINE.turn = self
        with self._lock:
            if not self._held:
                self._held = True
                self._since = time.perf_counter()
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()
        self._since = time.perf_counter()

    def give(self) -> None:
        """Hand it on."""
        self.held_seconds += time.perf_counter() - self._since
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


_MINE = threading.local()


def waiting() -> AbstractContextManager[None]:
    """Give this thread's turn away while it waits for an answer, and take it again; nothing where it holds none."""
    turn: Turn | None = getattr(_MINE, "turn", None)
    return nullcontext() if turn is None else turn.given_away()
