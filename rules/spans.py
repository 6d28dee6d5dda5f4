"""Lengths and distances between dates that may be partial: intervals over every day they may mean; and months back."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from prodrome.rules.facts import HeadacheMonth, When


@dataclass(frozen=True)
class Span:
    """A number of days that partial dates leave open: at least ``least``, at most ``most``."""

    least: float
    most: float

    def __add__(self, other: "Span") -> "Span":
        return Span(self.least + other.least, self.most + other.most)


NONE = Span(0, 0)
UNKNOWN = Span(0, math.inf)


def length(start: When | None, end: When | None) -> Span:
    """``end - start`` in days (2024-01-01 to 2024-02-26 is 56); a period with one end has no known length."""
    if start is None or end is None:
        return UNKNOWN
    return Span(max(0, (end.first - start.last).days), max(0, (end.last - start.first).days))


def days_ago(when: When, today: date) -> Span:
    """How many days before ``today`` (negative: ahead)."""
    return Span((today - when.last).days, (today - when.first).days)


def fewest_days_ago(when: When | None, today: date) -> float:
    """The fewest days ago it may have been; undated may be today."""
    return days_ago(when, today).least if when else 0


def years(birth: date, today: date) -> int:
    """Completed years."""
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def months_ago(month: date, today: date) -> int:
    """1 for the calendar month before the month of ``today``."""
    return (today.year - month.year) * 12 + today.month - month.month


def month_back(back: int, today: date) -> date:
    """The first day of the calendar month so many before the month of ``today``."""
    years, months = divmod(today.year * 12 + today.month - 1 - back, 12)
    return date(years, months + 1, 1)


def last_months(recorded: Iterable[HeadacheMonth], count: int, today: date) -> tuple[HeadacheMonth, ...]:
    """The last complete calendar months, the oldest first, recorded or not."""
    found = {months_ago(month.month, today): month for month in recorded}
    return tuple([found.get(back) or HeadacheMonth(month_back(back, today)) for back in range(count, 0, -1)])


def may_be_at_or_after(when: When, start: When) -> bool:
    """Whether ``when`` may lie at or after ``start``: instants where both have one, else the dates as written."""
    if when.instant and start.instant:
        return when.instant >= start.instant
    return when.last >= start.first
