"""The one clock. Nothing below the wire asks for the date: it is passed in."""

from collections.abc import Callable
from datetime import date

Clock = Callable[[], date]


def clock(today: date | None = None) -> Clock:
    """The date of each call: *today* where it is given (replays, tests), else the machine's own."""
    return date.today if today is None else lambda: today
