"""Dispensings: evidence that a drug was taken while its supply lasted, where no other row has the drug at that time."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from operator import itemgetter

from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.doses import LONGEST_COURSE, days_in, later
from prodrome.fhir_mappers.elements import JsonObject, Unreadable, read_object, read_text
from prodrome.rules import When

_COUNTED = frozenset({"completed", "in-progress"})
Days = tuple[date, date]


def supply(resource: JsonObject) -> tuple[When, When | None] | None:
    """When a dispensed drug was handed over, and until when it lasts; ``None`` where the row does not count.

    Raises Unreadable for a supply beyond a century.
    """
    if read_text(resource, "status") not in _COUNTED:
        return None
    start = read_when(resource, "whenHandedOver") or read_when(resource, "whenPrepared")
    if start is None:
        return None
    amount = read_object(resource, "daysSupply")
    days = days_in({"code": "d", **amount}) if amount else None
    if days is not None and days > LONGEST_COURSE:
        raise Unreadable("daysSupply: more than a century")
    return start, later(start, days, days) if days else None


def told_elsewhere(rows: Iterable[tuple[str, Days]]) -> Callable[[str, Days], bool]:
    """Whether one of some rows, by drug and days, has a drug on any of the days of another."""
    by_drug: dict[str, list[Days]] = defaultdict(list)  # apart from each other, in order of time
    for drug, days in sorted(rows):
        known = by_drug[drug]
        if known and days[0] <= known[-1][1]:
            known[-1] = known[-1][0], max(known[-1][1], days[1])
        else:
            known.append(days)

    def told(drug: str, days: Days) -> bool:
        apart = by_drug.get(drug, [])
        place = bisect_left(apart, days[0], key=itemgetter(1))
        return place < len(apart) and apart[place][0] <= days[1]

    return told
