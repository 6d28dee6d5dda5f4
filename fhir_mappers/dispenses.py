"""Dispensings: evidence that a drug was taken while its supply lasted, where no other row has the drug at that time."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from operator import itemgetter

from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.doses import LONGEST_COURSE, days_in, later
from prodrome.fhir_mappers.elements import JsonObject, Unreadable, read_object, read_text
from prodrome.rules import When

_COUNTED = frozenset({"completed", "in-progress"})
Days = tuple[date, date]
DaysByDrug = Mapping[str, Sequence[Days]]


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


def days_told(rows: Iterable[tuple[str, Days]]) -> DaysByDrug:
    """The days on which some rows have each drug."""
    by_drug: dict[str, list[Days]] = defaultdict(list)  # apart from each other, in order of time
    for drug, days in sorted(rows):
        known = by_drug[drug]
        if known and days[0] <= known[-1][1]:
            known[-1] = known[-1][0], max(known[-1][1], days[1])
        else:
            known.append(days)
    return by_drug


def is_told(told: DaysByDrug, drug: str, days: Days) -> bool:
    """Whether a drug was had on any of these days."""
    apart = told.get(drug, ())
    place = bisect_left(apart, days[0], key=itemgetter(1))
    return place < len(apart) and apart[place][0] <= days[1]
