"""A server that keeps failing is left alone for a while."""

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Opens after ``limit`` calls in a row that got no answer at all; after ``seconds`` one call may try again.

    Times are seconds of one monotonic clock, passed in.
    """

    limit: int = 3
    seconds: float = 30.0
    failures: int = 0
    retry_at: float | None = None

    def waits(self, now: float) -> float:
        """Seconds for which the server is still left alone; 0 lets this call through, as the only one for a while."""
        if self.retry_at is None:
            return 0.0
        if now < self.retry_at:
            return self.retry_at - now
        self.retry_at = now + self.seconds
        return 0.0

    def record(self, answered: bool, now: float) -> None:
        """The outcome of a call that was let through."""
        if answered:
            self.failures, self.retry_at = 0, None
            return
        self.failures += 1
        if self.failures >= self.limit:
            self.retry_at = now + self.seconds
