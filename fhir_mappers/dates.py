"""Dates as FHIR writes them, partial ones included, as :class:`prodrome.rules.facts.When`.

A date keeps the calendar day *as written*, in its own offset; the instant is kept beside it where there is one.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from prodrome.fhir_mappers.elements import Unreadable, read_object, read_text
from prodrome.fhir_mappers.remembering import Memory
from prodrome.rules import When

LATEST = 2199  # the last year that a chart can tell of
_LONGEST = 40  # characters; a FHIR instant with nine digits of a second has 35

Period = tuple[When | None, When | None]
_NOTHING: Period = (None, None)


def parse_when(text: str) -> When:
    """A FHIR ``date``, ``dateTime`` or ``instant``. Raises ValueError for anything else."""
    if len(text) == 4 and text.isdigit() and text.isascii():
        year = int(text)
        return When(date(year, 1, 1), date(year, 12, 31))
    if len(text) == 7:
        first = date.fromisoformat(text + "-01")
        return When(first, last_of_month(first))
    if text[4:5] != "-" or text[7:8] != "-":
        raise ValueError("not a date")
    day = date.fromisoformat(text[:10])
    if len(text) == 10:
        return When(day, day)
    if text[10] not in "T ":
        raise ValueError("not a date")
    return When(day, day, _instant(text))


def _instant(text: str) -> datetime | None:
    """The point in time, ``None`` where the clock part does not say one (no offset, a leap second)."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def last_of_month(day: date) -> date:
    """The last day of the month of ``day``."""
    if day.month == 12:
        return day.replace(day=31)
    return day.replace(month=day.month + 1, day=1) - timedelta(days=1)


def months_before(day: date, count: int) -> list[date]:
    """The first days of the ``count`` calendar months before the month of ``day``, the nearest first."""
    months = []
    number = day.year * 12 + day.month - 1
    for back in range(1, count + 1):
        year, month = divmod(number - back, 12)
        if year >= 1:
            months.append(date(year, month + 1, 1))
    return months


def so_far(when: When | None, today: date) -> When | None:
    """What a date may mean of something that has been: no day ahead, unless it names one."""
    return When(when.first, today) if when and when.first <= today < when.last else when


def read_when(parent: Mapping[str, Any], name: str) -> When | None:
    """A date element, ``None`` where absent or blank. Raises Unreadable for what is no date that a chart can hold."""
    text = parent.get(name)
    if text is None:
        return None
    if type(text) is not str:
        text = read_text(parent, name) or ""
    when = _WHENS[text] if len(text) <= _LONGEST else _when(text)
    if isinstance(when, str):
        raise Unreadable(f"{name}: {when}")
    return when


def _when(text: str) -> When | str | None:
    """What a date element says, or what is wrong with it."""
    text = text.strip()
    if not text:
        return None
    if len(text) > _LONGEST:
        return _NO_DATE
    try:
        when = parse_when(text)
    except ValueError:
        return _NO_DATE
    return when if when.first.year <= LATEST else "a year that no chart can tell of"


_NO_DATE = "not a date"
_WHENS = Memory(_when)


def read_period(parent: Mapping[str, Any], name: str) -> Period:
    """Start and end of a Period. One that ends before it starts says nothing."""
    period = read_object(parent, name) if name in parent else None
    if period is None:
        return _NOTHING
    start, end = read_when(period, "start"), read_when(period, "end")
    if start and end and is_before(end, start):
        return _NOTHING
    return start, end


def is_before(one: When, other: When) -> bool:
    """Whether ``one`` is surely before ``other``: by the instants where both have one, else by the days."""
    if one.instant and other.instant:
        return one.instant < other.instant
    return one.last < other.first


def read_moment(resource: Mapping[str, Any], *stems: str) -> When | None:
    """When something was, from ``<stem>DateTime``, ``<stem>Instant`` or ``<stem>Period`` (its end, else start)."""
    for stem in stems:
        for suffix in ("DateTime", "Instant"):
            if when := read_when(resource, stem + suffix):
                return when
        start, end = read_period(resource, stem + "Period")
        if start or end:
            return end or start
    return None
