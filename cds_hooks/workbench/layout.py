"""Where things stand in the picture of a history: its measures, the axis of time, and rows of bars that keep clear.

Units are SVG user units.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from prodrome.cds_hooks.workbench.picture import Tick

LEFT = 196.0
PER_YEAR = 145.0
LEAST_WIDTH, MOST_WIDTH = 520.0, 894.0
"""Of the time axis: few years are drawn so that they fit beside the cards, many as large as they can be read."""
MARGIN = 30.0
LEAST_COUNTED = 8.9
"""Width of a column from which its number stands over it."""
TOP = 30.0
ROW = 40.0
BAR_TOP, BAR_HEIGHT = 16.0, 14.0
LANE_GAP = 10.0
MARK_ROW = 30.0
MONTHS_HEIGHT = 96.0
CHARACTER = 7.0
"""Width of a character of a label; a little more than the font needs."""
CLEAR = 5.0
"""Between the end of a label and the line of today."""
STUB = 26.0
"""Drawn length of an end that the chart does not date."""
GLYPH = 18.0
"""Room for the sign at the end of a bar."""
MOST_DAYS = 31.0
LONGEST_YEARS = 40


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of time: the days it goes from and to, and where it ends at the right."""

    first: date
    last: date
    right: float

    @classmethod
    def over(cls, days: Iterable[date], today: date) -> "Scale":
        """From the first day there is, but a year at least, to a little after the last."""
        oldest = date(max(1, today.year - LONGEST_YEARS), 1, 1)
        within = [day for day in days if oldest <= day <= date(today.year + 2, 12, 31)]
        first = min([*within, today - timedelta(days=365)])
        last = max([*within, today])
        margin = timedelta(days=max(10, (last - first).days // 40))
        width = (last - first).days / 365 * PER_YEAR
        return cls(first - margin, last + margin, LEFT + min(max(LEAST_WIDTH, width), MOST_WIDTH))

    def x(self, day: date) -> float:
        """Where a day stands."""
        share = (min(max(day, self.first), self.last) - self.first).days / (self.last - self.first).days
        return round(LEFT + share * (self.right - LEFT), 1)

    def ticks(self) -> Iterator[Tick]:
        """The dates along the axis: as many as can be read."""
        years = self.last.year - self.first.year
        months = (1,) if years > 5 else (1, 7) if years > 2 else (1, 4, 7, 10)
        every = 1 if years <= 16 else 5
        for year in range(self.first.year, self.last.year + 1):
            for month in months:
                day = date(year, month, 1)
                if self.first <= day <= self.last and year % every == 0:
                    yield Tick(self.x(day), str(year) if month == 1 else f"{day:%b}", month == 1)


class Rows:
    """The rows of a lane: a bar goes to the first row in which it, its label and its sign are alone."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def place(self, start: float, end: float) -> int:
        """The number of the row for a bar from *start* to *end*."""
        for number, taken in enumerate(self.ends):
            if start >= taken + 8:
                self.ends[number] = end
                return number
        self.ends.append(end)
        return len(self.ends) - 1


def days_high(days: float) -> float:
    """The height of a column of so many days."""
    return min(max(days, 0.0), MOST_DAYS) / MOST_DAYS * (MONTHS_HEIGHT - 8)


def next_month(month: date) -> date:
    """The first of the next month; of the last month there is, its last day."""
    if (month.year, month.month) == (date.max.year, date.max.month):
        return date.max
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def days_later(day: date, days: int) -> date:
    """So many days later, or the last day there is."""
    return day + timedelta(days=days) if days < (date.max - day).days else date.max
