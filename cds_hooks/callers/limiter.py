"""How much one caller may ask."""

import threading
import time
from collections.abc import Callable

from prodrome.cds_hooks.protocol import TooMany

MAX_CALLERS = 10_000


class Limiter:
    """A bucket per caller that fills steadily: *per_minute* calls, in bursts up to as many. 0: no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # caller -> calls left, as of when

    def spend(self, caller: str) -> None:
        """Count one call of *caller*. Raises :class:`TooMany`."""
        if not self._per_minute:
            return
        with self._lock:
            now = self._clock()
            left = self._left(caller, now)
            if left < 1:
                raise TooMany("Too many calls.", retry_after=self._seconds_to_one(left))
            if len(self._buckets) >= MAX_CALLERS:
                self._buckets = {known: was for known, was in self._buckets.items() if not self._full(known, now)}
            self._buckets[caller] = (left - 1, now)

    def _seconds_to_one(self, left: float) -> int:
        return max(1, round((1 - left) * 60 / self._per_minute + 0.5))

    def _left(self, caller: str, now: float) -> float:
        left, since = self._buckets.get(caller, (float(self._per_minute), now))
        return min(float(self._per_minute), left + (now - since) * self._per_minute / 60)

    def _full(self, caller: str, now: float) -> bool:
        return self._left(caller, now) >= self._per_minute
