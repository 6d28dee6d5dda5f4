"""A timer that lets old things go on time, even when nobody looks at them again."""

import threading
from collections.abc import Callable


class Forgetting:
    """Calls *drop_old* under *lock* every so many seconds, for as long as it says that something is left."""

    def __init__(self, seconds: float, lock: threading.Lock, drop_old: Callable[[], bool]) -> None:
        self._seconds, self._lock, self._drop_old = seconds, lock, drop_old
        self._timer: threading.Timer | None = None

    def later(self) -> None:
        """Have it called, where it is not about to be. The caller holds the lock."""
        if self._timer is None:
            self._timer = threading.Timer(self._seconds, self._wake)
            self._timer.daemon = True
            self._timer.start()

    def _wake(self) -> None:
        with self._lock:
            self._timer = None
            if self._drop_old():
                self.later()
