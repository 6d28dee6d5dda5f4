"""Jobs that come one by one, and the few threads that do them."""

import threading
from collections import deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Jobs(Generic[Job]):
    """Hands each job to the thread that came last for one, whose memory is still at hand; none of the others stirs.

    Jobs for which no thread waits are taken in the order they came. A queue of the library wakes another thread beside
    the one that gets the job.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._idle: list[_Seat[Job]] = []

    def put(self, job: Job) -> None:
        """Have a job done."""
        with self._lock:
            if not self._idle:
                self._waiting.append(job)
                return
            seat = self._idle.pop()
        seat.job = job
        seat.bell.release()

    def take(self) -> Job:
        """The next job for this thread, which waits for it."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            seat: _Seat[Job] = _Seat()
            self._idle.append(seat)
        seat.bell.acquire()
        return seat.job


class _Seat(Generic[Job]):
    """Where a thread waits."""

    job: Job

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
