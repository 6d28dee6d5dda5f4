"""Headache diary, attack records, acute medication days, and the measurements contraindications ask for."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart, seconds, unique
from prodrome.fhir_mappers.codes import Code, read_concept, sets_of
from prodrome.fhir_mappers.courses import ACUTE, use_of
from prodrome.fhir_mappers.dates import last_of_month, months_before, read_moment, read_period, read_when
from prodrome.fhir_mappers.doses import read_dosing, unit_of_time
from prodrome.fhir_mappers.elements import (
    JsonObject,
    Unreadable,
    read_count,
    read_number,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from prodrome.fhir_mappers.indications import read_reason
from prodrome.fhir_mappers.medications import Lexicon
from prodrome.fhir_mappers.observation_codes import (
    ACUTE_DAYS,
    ANY_ACUTE,
    ATTACKS,
    DAY_COUNTS,
    DIASTOLIC,
    HEART_RATE,
    MEASUREMENTS,
    PANEL,
    PREGNANCY,
    RELIEVED,
    SYSTOLIC,
    THREE_MONTHS,
    TREATED,
    diary_codes,
)
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.rules import OVERUSE_CLASSES, AcuteUseMonth, AttackRecord, HeadacheMonth, Reading, When, per_guideline
from prodrome.rules.guideline import Guideline

VALID = frozenset({"final", "amended", "corrected"})
AT_LEAST = frozenset({">", ">="})  # comparators: a pressure above 180 is as high as one of 180
MMHG = frozenset({"mm[Hg]", "mmHg", "mm Hg", "mm(Hg)", "millimeter of mercury"})
_LONGEST_THREE_MONTHS = 92  # days
# Code sets of the answers to a pregnancy status.
PREGNANT, NOT_PREGNANT = "reading.pregnant", "reading.not_pregnant"


class _Count(NamedTuple):
    """A count of days and which of several stands: the one issued last, else the lower."""

    value: float
    stamp: float
    ref: str

    @property
    def rank(self) -> tuple[float, float, str]:
        return self.stamp, -self.value, self.ref


class Observed(NamedTuple):
    """What the observations of a record say."""

    headache_months: list[HeadacheMonth]
    acute_use_months: list[AcuteUseMonth]
    attack_records: list[AttackRecord]
    readings: list[Reading]


def read_observations(chart: Chart, lexicon: Lexicon) -> Observed:
    """Read every Observation by its code; all other codes are passed over."""
    if "Observation" not in chart.rows:
        return Observed([], [], [], [])
    reader = _Reader(chart, lexicon)
    chart.each("Observation", reader.read)
    reader.pair_pressures()
    return Observed(reader.headache_months(), reader.acute_use_months(), reader.attack_records, reader.readings)


@per_guideline
def _measured_by(guideline: Guideline) -> Mapping[Code, str]:
    """What each code of a measurement measures, as the name of its set."""
    return {
        (system, code): name
        for name in MEASUREMENTS
        for system, codes in guideline.code_sets[name].exact.items()
        for code in codes
    }


@per_guideline
def _wanted(guideline: Guideline) -> frozenset[str]:
    """Every code, of whatever system, that an Observation of interest may have."""
    return frozenset(code for _, code in (*diary_codes(guideline), *_measured_by(guideline)))


def is_of_interest(resource: JsonObject, guideline: Guideline) -> bool:
    """Whether an Observation may be one that is read, by its codes."""
    return _may_matter(resource.get("code"), _wanted(guideline))


def _may_matter(code: object, wanted: frozenset[str]) -> bool:
    """A quick look that passes over the many observations of other codes, without reading them."""
    codings = code.get("coding") if type(code) is dict else ()
    if type(codings) is not list:
        return True
    return any(type(each) is not dict or str(each.get("code")) in wanted for each in codings)


class _Reader:
    def __init__(self, chart: Chart, lexicon: Lexicon) -> None:
        self.chart = chart
        self.lexicon = lexicon
        self.days: dict[tuple[date, str], list[_Count]] = defaultdict(list)
        self.estimates: dict[date, list[_Count]] = defaultdict(list)
        self.acute_days: dict[date, dict[str, list[_Count]]] = defaultdict(dict)
        self.attack_records: list[AttackRecord] = []
        self.readings: list[Reading] = []
        self.measured = _measured_by(chart.guideline)
        self.alone: dict[When, list[tuple[str, float, str]]] = defaultdict(list)
        self.wanted = _wanted(chart.guideline)
        self.diary_system = chart.guideline.diary
        self.by_code = _by_code(chart.guideline)

    def read(self, ref: str, resource: JsonObject) -> None:
        if not _may_matter(resource.get("code"), self.wanted) or read_text(resource, "status") not in VALID:
            return
        for code in read_concept(resource, "code").codes:
            if read := self.by_code.get(code) or _BY_SET.get(self.measured.get(code, "")):
                read(self, ref, resource)
                return

    # --- The diary ---------------------------------------------------------------------------------------------------

    def diary(self, field: str, ref: str, resource: JsonObject) -> None:
        month = _CALENDAR_MONTHS.of(resource)
        if month and (value := _days(resource, last_of_month(month).day)) is not None:
            count = _Count(value, _issued(resource), ref)
            self.days[month, field].append(count)

    def three_months(self, ref: str, resource: JsonObject) -> None:
        when = read_moment(resource, "effective")
        value = _days(resource, _LONGEST_THREE_MONTHS)
        if value is None or when is None or (when.first.year, when.first.month) != (when.last.year, when.last.month):
            return
        count = _Count(value / 3, _issued(resource), ref)
        for month in months_before(when.first, 3):
            self.estimates[month].append(count)

    def headache_months(self) -> list[HeadacheMonth]:
        """The calendar months with any count, in order. A diary row beats an estimate."""
        chosen: dict[date, dict[str, _Count]] = defaultdict(dict)
        for month, counts in self.estimates.items():
            chosen[month]["headache"] = _standing(counts)
        for (month, field), counts in self.days.items():
            chosen[month][field] = _standing(counts)
        return [
            HeadacheMonth(
                month=month,
                **{field: count.value for field, count in fields.items()},
                refs=unique(count.ref for count in fields.values()),
            )
            for month, fields in sorted(chosen.items())
        ]

    def acute_medication_days(self, ref: str, resource: JsonObject) -> None:
        month = _CALENDAR_MONTHS.of(resource)
        if month is None:
            return
        stamp = _issued(resource)
        counts = {}
        for component in read_objects(resource, "component"):
            value = _days(component, last_of_month(month).day)
            for system, code in read_concept(component, "code").codes:
                if system == self.diary_system and (code in OVERUSE_CLASSES or code == ANY_ACUTE) and value is not None:
                    counts[code] = _Count(value, stamp, ref)
        row = self.acute_days[month]
        for overuse_class, count in counts.items():
            row.setdefault(overuse_class, []).append(count)

    def acute_use_months(self) -> list[AcuteUseMonth]:
        """The calendar months with a row of acute medication days, in order."""
        months = []
        for month, row in sorted(self.acute_days.items()):
            standing = {overuse_class: _standing(counts) for overuse_class, counts in sorted(row.items())}
            days = {overuse_class: count.value for overuse_class, count in standing.items()}
            total = days.pop(ANY_ACUTE, None)
            months.append(AcuteUseMonth(month, days, unique(count.ref for count in standing.values()), total))
        return months

    def attack_response(self, ref: str, resource: JsonObject) -> None:
        counts: dict[str, int] = {}
        for component in read_objects(resource, "component"):
            value = read_count(component, "valueInteger")
            for system, code in read_concept(component, "code").codes:
                if system == self.diary_system and value is not None:
                    counts[code] = value
        treated, relieved = counts.get(TREATED), counts.get(RELIEVED)
        if treated is None or relieved is None:
            return
        if relieved > treated:
            raise Unreadable("component: more attacks relieved than treated")
        for name in ("partOf", "focus"):
            for reference in read_objects(resource, name):
                record = self._attacks_with(reference, resource, ref, treated, relieved)
                if record:
                    self.attack_records.append(record)
                    return

    def _attacks_with(
        self, reference: JsonObject, within: JsonObject, ref: str, treated: int, relieved: int
    ) -> AttackRecord | None:
        """The record of attacks treated with the drug of a statement or request."""
        key = read_reference(reference)
        row = self.chart.resolve(key, within)
        dosage = _DOSAGES.get(str(row.get("resourceType"))) if row else None
        if row is None or dosage is None or read_text(row, "status") == "entered-in-error":
            return None
        medicine = self.lexicon.read(self.chart, row).medicine
        if medicine is None or not medicine.systemic:
            return None
        dosing = read_dosing(read_objects(row, dosage), medicine, self.chart.guideline)
        if use_of(medicine, dosing) != ACUTE:
            return None
        return AttackRecord(
            drug=medicine.drug.id,
            treated=treated,
            relieved=relieved,
            single_dose=dosing.single,
            route=dosing.route or medicine.route,
            indication=read_reason(self.chart, row).indication,
            refs=unique([ref, key or ""]),
        )

    # --- Measurements ------------------------------------------------------------------------------------------------

    def pregnancy(self, ref: str, resource: JsonObject) -> None:
        said = read_concept(resource, "valueCodeableConcept")
        names = sets_of(self.chart.guideline, said.codes)
        pregnant: bool | None = None
        if PREGNANT in names:
            pregnant = True
        elif NOT_PREGNANT in names:
            pregnant = False
        if pregnant is not None:
            self.readings.append(Reading("pregnancy", _measured(resource), pregnant=pregnant, refs=unique([ref])))
            self.chart.understood("Observation", "pregnancy status")
        elif said.written:
            self.chart.puzzled("Observation", "pregnancy status", "is not known", ref, said.written)

    def blood_pressure(self, ref: str, resource: JsonObject) -> None:
        values: dict[str, float] = {}
        for component in read_objects(resource, "component"):
            names = sets_of(self.chart.guideline, read_concept(component, "code").codes)
            for name in names & {SYSTOLIC, DIASTOLIC}:
                if (value := _quantity(component, MMHG, AT_LEAST)) is not None:
                    values[name] = value
        self._add_pressure(values, _measured(resource), ref)

    def pressure_alone(self, name: str, ref: str, resource: JsonObject) -> None:
        value, when = _quantity(resource, MMHG, AT_LEAST), _measured(resource)
        if value is not None and when is not None:
            self.alone[when].append((name, value, ref))
        elif value is not None:
            self._add_pressure({name: value}, None, ref)

    def pair_pressures(self) -> None:
        """Make one reading of a systolic and a diastolic row of the same moment, else of the same day."""
        by_day: dict[tuple[date, date], list[tuple[When, dict[str, float], list[str]]]] = defaultdict(list)
        for when, rows in self.alone.items():
            values: dict[str, float] = {}
            for name, value, _ in sorted(rows):
                values.setdefault(name, value)
            by_day[when.first, when.last].append((when, values, [ref for _, _, ref in rows]))
        for moments in by_day.values():
            halves = [moment for moment in moments if len(moment[1]) == 1]
            names = {name for _, values, _ in halves for name in values}
            if len(halves) == 2 and len(names) == 2:
                (when, one, refs), (_, other, more) = halves
                moments = [moment for moment in moments if len(moment[1]) == 2] + [(when, one | other, refs + more)]
            for when, values, refs in moments:
                self._add_pressure(values, when, *refs)

    def _add_pressure(self, values: Mapping[str, float], when: When | None, *refs: str) -> None:
        if values:
            systolic, diastolic = values.get(SYSTOLIC), values.get(DIASTOLIC)
            self.readings.append(
                Reading("blood_pressure", when, systolic=systolic, diastolic=diastolic, refs=unique(refs))
            )

    def heart_rate(self, ref: str, resource: JsonObject) -> None:
        rate = _quantity(resource, None)
        if rate is not None:
            self.readings.append(Reading("heart_rate", _measured(resource), rate=rate, refs=unique([ref])))


_Read = Callable[[_Reader, str, JsonObject], None]


def _day_count(field: str) -> _Read:
    return lambda reader, ref, resource: reader.diary(field, ref, resource)


def _pressure(name: str) -> _Read:
    return lambda reader, ref, resource: reader.pressure_alone(name, ref, resource)


@per_guideline
def _by_code(guideline: Guideline) -> Mapping[Code, _Read]:
    """What reads a row of the diary, by its code in the site's code system of one."""
    return {
        **{(guideline.diary, code): _day_count(field) for code, field in DAY_COUNTS.items()},
        (guideline.diary, ACUTE_DAYS): _Reader.acute_medication_days,
        (guideline.diary, ATTACKS): _Reader.attack_response,
        THREE_MONTHS: _Reader.three_months,
    }


_BY_SET: Mapping[str, _Read] = {
    PREGNANCY: _Reader.pregnancy,
    PANEL: _Reader.blood_pressure,
    SYSTOLIC: _pressure(SYSTOLIC),
    DIASTOLIC: _pressure(DIASTOLIC),
    HEART_RATE: _Reader.heart_rate,
}
"""What reads a measurement, by the name of its set of codes."""

_DOSAGES = {"MedicationStatement": "dosage", "MedicationRequest": "dosageInstruction"}


def _standing(counts: list[_Count]) -> _Count:
    return counts[0] if len(counts) == 1 else max(counts, key=lambda count: count.rank)


def _issued(resource: JsonObject) -> float:
    when = read_when(resource, "issued") or read_when(read_object(resource, "meta") or {}, "lastUpdated")
    return seconds(when)


def _measured(resource: JsonObject) -> When | None:
    return read_moment(resource, "effective") or read_when(resource, "issued")


def _calendar_month(resource: JsonObject) -> date | None:
    """The first day of the calendar month that ``effectivePeriod`` is, as written; else ``None``.

    The first of the next month, without a time or at midnight, is where the month ends too.
    """
    start, end = read_period(resource, "effectivePeriod")
    if start is None or end is None:
        return None
    first = start.first
    last = last_of_month(first)
    begins = first.day == 1 and start.last in (first, last)
    ends = end.last == last and end.first in (first, last)
    if not ends and end.first == end.last == last + timedelta(days=1):
        written = read_text(read_object(resource, "effectivePeriod") or {}, "end") or ""
        ends = _MIDNIGHT.fullmatch(written.strip()[10:]) is not None
    return first if begins and ends else None


_CALENDAR_MONTHS = ElementMemory(_calendar_month, "effectivePeriod")
_MIDNIGHT = re.compile(r"(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]\d\d:\d\d)?)?")


def _days(parent: JsonObject, most: int) -> float | None:
    """A whole number of days up to ``most``, from ``valueInteger`` or a ``valueQuantity`` in days."""
    value = read_count(parent, "valueInteger")
    if value is None:
        quantity = read_object(parent, "valueQuantity")
        if quantity is None:
            return None
        if "d" not in (unit_of_time(read_text(quantity, name) or "") for name in ("code", "unit")):
            raise Unreadable("valueQuantity: not in days")
        _refuse_bound(quantity)
        value = read_count(quantity, "value")
    if value is not None and value > most:
        raise Unreadable("value: more days than there are")
    return None if value is None else float(value)


def _quantity(parent: JsonObject, units: frozenset[str] | None, bounds: frozenset[str] = frozenset()) -> float | None:
    """A measured value; ``bounds`` are the comparators with which the value is read as it stands."""
    quantity = read_object(parent, "valueQuantity")
    if quantity is None:
        return None
    said = {read_text(quantity, "code"), read_text(quantity, "unit")} - {None}
    if units is not None and said and said.isdisjoint(units):
        raise Unreadable("valueQuantity: not in the unit of the measurement")
    _refuse_bound(quantity, bounds)
    value = read_number(quantity, "value")
    if value is not None and value <= 0:
        raise Unreadable("value: nothing that was measured")
    return value


def _refuse_bound(quantity: JsonObject, allowed: frozenset[str] = frozenset()) -> None:
    """Raise Unreadable where a value is only a bound: "< 8" is not 8."""
    comparator = read_text(quantity, "comparator")
    if comparator is not None and comparator not in allowed:
        raise Unreadable("comparator: a bound, not a value")
