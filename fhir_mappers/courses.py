"""Rows of MedicationStatement and MedicationRequest: what each says about one course of one medicine."""

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

from prodrome.fhir_mappers.chart import SUSPENDED, Chart, stop_type
from prodrome.fhir_mappers.codes import read_concepts
from prodrome.fhir_mappers.dates import Period, read_period, read_when, so_far
from prodrome.fhir_mappers.dispenses import DaysByDrug, days_told, is_told, supply
from prodrome.fhir_mappers.doses import ALTERNATE_DAYS, LONGEST_COURSE, Dosing, days_in, later, read_bounds, read_dosing
from prodrome.fhir_mappers.elements import (
    MODIFIER,
    JsonObject,
    Unreadable,
    read_count,
    read_flag,
    read_object,
    read_objects,
    read_text,
)
from prodrome.fhir_mappers.indications import Reason, coded_reason, read_reason
from prodrome.fhir_mappers.medications import Lexicon, Recognition, lexicon_of
from prodrome.fhir_mappers.named_medicines import CONCEPT, Medicine
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.fhir_mappers.stop_reasons import NO_REASON, read_stop
from prodrome.rules import Indication, Stop, StopReason, When, per_guideline
from prodrome.rules.guideline import Guideline

PREVENTIVE, ACUTE = "preventive", "acute"

RUNNING, STOPPED, ENDED, BY_PERIOD = "running", "stopped", "ended", "by period"

STATEMENT = {"active": RUNNING, "completed": ENDED, "stopped": STOPPED, "unknown": BY_PERIOD, None: BY_PERIOD}
REQUEST = {**STATEMENT, "ended": ENDED}
NO_DRUG = "is in no table"

NOT_ORDERED = frozenset({"proposal", "plan"})  # intents


class Course(NamedTuple):
    """One row of one recognised medicine. ``stopped``: somebody ended it, rather than that it ran out.

    ``ordered``: the row is a prescription or what was dispensed for one, not a statement of what is taken.
    ``antiplatelet``: it is aspirin at the dose that keeps blood from clotting, which is for no headache and no course
    of the aspirin that is.
    """

    ref: str
    medicine: Medicine
    use: str
    start: When | None
    end: When | None
    running: bool
    stopped: bool
    dosing: Dosing
    reason: Reason
    stop: Stop
    ordered: bool = False
    antiplatelet: bool = False


class CourseRow(NamedTuple):
    """A row that counts, of a medicine or a group that the tables have. ``start`` is known of whatever has one."""

    ref: str
    said: Recognition
    running: bool
    course: Course | None
    start: When | None


_Said = tuple[str | None, Recognition | None]  # what state a row is in (``None``: it makes no trial), and its medicine


def read_courses(chart: Chart, lexicon: Lexicon) -> list[CourseRow]:
    """Every medication row that counts and whose medicine the tables have."""
    rows: list[CourseRow] = []
    statements, requests = _statements(chart.guideline), _requests(chart.guideline)
    chart.each("MedicationStatement", partial(_read_statement, chart, lexicon, statements, rows))
    chart.each("MedicationRequest", partial(_read_request, chart, lexicon, requests, rows))
    if "MedicationDispense" in chart.rows:
        told = days_told((_name(row), _days(row.course)) for row in rows if row.course)
        chart.each("MedicationDispense", partial(_read_dispense, chart, lexicon, rows, told))
    agreed = [(kind, *row) for kind in _PERIODS for row in chart.rows.get(kind, ()) if MODIFIER in row[1]]
    return _ended(chart, lexicon, rows, agreed) if agreed else rows


class _Ends:
    """When agreements end a treatment, or a drug: of two that may, the first after what they end began."""

    def __init__(self) -> None:
        self._by_start: dict[When | None, When] = {}
        self._days: list[date] = []
        self._ends: dict[date, When] = {}

    def add(self, start: When | None, end: When) -> None:
        self._by_start.setdefault(start, end)
        if end.last not in self._ends:
            insort(self._days, end.last)
            self._ends[end.last] = end

    def of(self, start: When) -> When | None:
        """The end of what began then; an agreement repeats the start of what it ends, if it says one."""
        place = bisect_right(self._days, start.last)
        return self._by_start.get(start) or (self._ends[self._days[place]] if place < len(self._days) else None)


def _ended(
    chart: Chart, lexicon: Lexicon, rows: list[CourseRow], agreed: list[tuple[str, str, JsonObject]]
) -> list[CourseRow]:
    """The rows, of which those that run until a Dutch agreement ended them end when it says.

    It stops or suspends a treatment as a row of its own; the agreement that it ends stays as it was made, active and
    open. Both may have the identifier of the treatment; else they are of one drug.
    """
    ends: dict[tuple[str, bool], _Ends] = {}  # of a treatment, or of a drug by those with and without one
    for kind, _, resource in agreed:
        try:
            if not stop_type(resource):
                continue
            start, end, _ = _PERIODS[kind](resource)
            drug, treatment = _drug(lexicon.read(chart, resource)), _treatment(resource)
        except Unreadable:
            continue  # disclosed when its row was read
        if when := end or start:
            for key in ((treatment, True), (drug, True)) if treatment else ((drug, False),):
                ends.setdefault(key, _Ends()).add(start, when)
    refs = {ref for _, ref, _ in agreed}
    resources = {ref: resource for kind in _PERIODS for ref, resource in chart.rows.get(kind, ())}
    return [
        _ended_by(row, _treatment(resources.get(row.ref, {})), ends, chart.today)
        if row.running and row.ref not in refs
        else row
        for row in rows
    ]


def _ended_by(row: CourseRow, treatment: str | None, ends: dict[tuple[str, bool], _Ends], today: date) -> CourseRow:
    drug = _drug(row.said)
    keys = ((treatment or drug, True), (drug, False))
    found = [end for key in keys if row.start and key in ends and (end := ends[key].of(row.start))]
    if not found:
        return row
    end = min(found, key=lambda end: end.last)
    running = end.last >= today
    course = row.course._replace(end=None if running else end, running=running) if row.course else None
    return row._replace(running=running, course=course)


def _drug(said: Recognition) -> str:
    """What two rows of one medicine have in common."""
    return said.medicine.drug.id if said.medicine else said.named.label.lower()


_TREATMENT = ("ext-PharmaceuticalTreatment.Identifier", "zib-Medication-MedicationTreatment")  # new and old


def _treatment(resource: JsonObject) -> str | None:
    """The identifier of the treatment that a Dutch agreement is part of."""
    try:
        for extension in read_objects(resource, "extension"):
            if str(extension.get("url")).endswith(_TREATMENT):
                return read_text(read_object(extension, "valueIdentifier") or {}, "value")
    except Unreadable:
        pass  # an odd one identifies nothing
    return None


def _is_known(chart: Chart, kind: str, ref: str, said: Recognition) -> bool:
    """Whether the tables have the medicine of a row; of any other nothing more is read."""
    _, medicine, groups, written = said
    if medicine or groups:
        return True
    chart.puzzled(kind, "drug", NO_DRUG, ref, written)
    return False


def _add(chart: Chart, rows: list[CourseRow], row: CourseRow, kind: str) -> None:
    rows.append(row)
    chart.understood(kind, "drug")


def _read_statement(
    chart: Chart,
    lexicon: Lexicon,
    statements: ElementMemory[_Said],
    rows: list[CourseRow],
    ref: str,
    resource: JsonObject,
) -> None:
    state, said = _state_and_medicine(chart, lexicon, statements, statement_state, resource)
    if state and said and _is_known(chart, "MedicationStatement", ref, said):
        row = _row(chart, "MedicationStatement", ref, resource, said, state, _statement_period(resource))
        _add(chart, rows, row, "MedicationStatement")


def _read_request(
    chart: Chart,
    lexicon: Lexicon,
    requests: ElementMemory[_Said],
    rows: list[CourseRow],
    ref: str,
    resource: JsonObject,
) -> None:
    state, said = _state_and_medicine(chart, lexicon, requests, request_state, resource)
    if not state or not said or (ref in chart.ordered and not _began(_request_period(resource).start, chart.today)):
        return
    if _is_known(chart, "MedicationRequest", ref, said):
        row = _row(chart, "MedicationRequest", ref, resource, said, state, _request_period(resource))
        _add(chart, rows, row, "MedicationRequest")


_SAID_ELSEWHERE = frozenset({MODIFIER, "medicationReference", "medication", "reportedReference"})
"""Elements that say, with others, what state a row is in or what its medicine is, and that are not remembered."""


def _state_and_medicine(
    chart: Chart,
    lexicon: Lexicon,
    remembered: ElementMemory[_Said],
    state_of: Callable[[JsonObject], str | None],
    resource: JsonObject,
) -> _Said:
    if _SAID_ELSEWHERE.isdisjoint(resource):
        return remembered.of(resource)
    state = state_of(resource)
    return state, lexicon.read(chart, resource) if state else None


@per_guideline
def _statements(guideline: Guideline) -> ElementMemory[_Said]:
    names = ("status", "taken", "wasNotTaken", "adherence", CONCEPT)
    return ElementMemory(partial(_said, statement_state, lexicon_of(guideline)), *names)


@per_guideline
def _requests(guideline: Guideline) -> ElementMemory[_Said]:
    names = ("status", "intent", "doNotPerform", "reportedBoolean", "reported", CONCEPT)
    return ElementMemory(partial(_said, request_state, lexicon_of(guideline)), *names)


def _said(state_of: Callable[[JsonObject], str | None], lexicon: Lexicon, row: JsonObject) -> _Said:
    state = state_of(row)
    return state, lexicon.of_concept(row) if state else None


def _read_dispense(
    chart: Chart,
    lexicon: Lexicon,
    rows: list[CourseRow],
    told: DaysByDrug,
    ref: str,
    resource: JsonObject,
) -> None:
    lasting = supply(resource)
    if lasting is None:
        return
    start, end = lasting
    state = RUNNING if end and end.last >= chart.today else ENDED
    said = lexicon.read(chart, resource)
    if not _is_known(chart, "MedicationDispense", ref, said):
        return
    row = _row(chart, "MedicationDispense", ref, resource, said, state, _Dates(start, end, is_open=False))
    if row.course is None or not is_told(told, _name(row), (start.first, (end or start).last)):
        _add(chart, rows, row, "MedicationDispense")


def _name(row: CourseRow) -> str:
    return row.course.medicine.drug.id if row.course else ""


def _days(course: Course | None) -> tuple[date, date]:
    """The first and the last day that a course may be on; one without a start tells nothing of before its end."""
    assert course is not None
    start, end = course.start, course.end
    first = start.first if start else (end.first if end else date.min)
    return first, end.last if end else (date.max if course.running else start.last if start else date.max)


def statement_state(resource: JsonObject) -> str | None:
    """Whether a MedicationStatement runs, ended or goes by its period; ``None`` where it makes no trial."""
    status = read_text(resource, "status")
    agreed = stop_type(resource)
    if agreed == SUSPENDED or read_text(resource, "taken") == "n" or read_flag(resource, "wasNotTaken"):  # STU3, DSTU2
        return None
    if agreed and STATEMENT.get(status):
        return STOPPED
    if status != "recorded":
        return STATEMENT.get(status)
    adherence = read_object(resource, "adherence")  # R5
    code = read_object(adherence, "code") if adherence else None
    if code is None:
        return BY_PERIOD
    for each in read_objects(code, "coding"):
        said = read_text(each, "code") or ""
        if said.startswith("taking"):
            return RUNNING
        if said == "not-taking" or said.startswith("stopped"):
            return STOPPED
        if said.startswith("on-hold"):
            return None
    return BY_PERIOD


def request_state(resource: JsonObject) -> str | None:
    """Whether a MedicationRequest runs or ended; ``None`` where it makes no trial."""
    not_ordered = read_text(resource, "intent") in NOT_ORDERED and not _is_reported(resource)
    agreed = stop_type(resource)
    if not_ordered or agreed == SUSPENDED or read_flag(resource, "doNotPerform"):
        return None
    state = REQUEST.get(read_text(resource, "status"))
    return STOPPED if state and agreed else state


def _is_reported(resource: JsonObject) -> bool:
    """Whether a request of intent plan says what the patient takes: US Core's way to say so."""
    return read_text(resource, "intent") == "plan" and (
        resource.get("reportedBoolean") is True
        or resource.get("reported") is True
        or type(resource.get("reportedReference")) is dict
    )


def _began(start: When | None, today: date) -> bool:
    """Whether the row of an order in hand surely began before today: then it is history, else the order itself."""
    return start is not None and start.last < today


class _Dates(NamedTuple):
    """When a course was. ``is_open``: an unknown status without an end goes on."""

    start: When | None
    end: When | None
    is_open: bool


def _statement_period(resource: JsonObject) -> _Dates:
    start, end = _lasting(resource, "effectivePeriod")
    if start or end:
        return _Dates(start, end, is_open=end is None)
    asserted = read_when(resource, "effectiveDateTime") or read_when(resource, "dateAsserted")
    return _Dates(asserted, None, is_open=False)


def _request_period(resource: JsonObject) -> _Dates:
    """When a prescription was for: as its timing, else its period of use, its validity or its supply says."""
    authored = read_when(resource, "authoredOn")
    start, end = read_bounds(read_objects(resource, "dosageInstruction"), authored)
    dispense = read_object(resource, "dispenseRequest")
    if not (start or end):
        start, end = _period_of_use(resource)
    if dispense and not (start or end):
        start, end = read_period(dispense, "validityPeriod")
    if start or end:
        return _Dates(start or (authored if end else None), end, is_open=end is None)
    if authored and dispense and read_text(resource, "status") not in ("active", "unknown", None):
        end = _supplied_until(authored, dispense)
    return _Dates(authored, end, is_open=False)


_PERIOD_OF_USE = ("ext-TimeInterval.Period", "zib-Medication-PeriodOfUse")  # of the Netherlands, new and old


def _period_of_use(resource: JsonObject) -> Period:
    """From when until when a Dutch agreement says that the drug is used: it stays active for ever."""
    extensions = read_objects(resource, "extension")
    for extension in extensions:
        if str(extension.get("url")).endswith(_PERIOD_OF_USE):
            return _lasting(extension, "valuePeriod", extensions)
    return None, None


_DURATION = ("ext-TimeInterval.Duration", "zib-MedicationUse-Duration")  # of the Netherlands, new and old


def _lasting(parent: JsonObject, name: str, beside: Sequence[JsonObject] = ()) -> Period:
    """A Period; a Dutch one that says no end may say in an extension, in it or ``beside`` it, how long it is."""
    start, end = read_period(parent, name)
    if start and not end:
        for extension in (*read_objects(read_object(parent, name) or {}, "extension"), *beside):
            if str(extension.get("url")).endswith(_DURATION):
                days = days_in(read_object(extension, "valueDuration"))
                return start, later(start, days, days) if days else None
    return start, end


_PERIODS: dict[str, Callable[[JsonObject], _Dates]] = {
    "MedicationStatement": _statement_period,
    "MedicationRequest": _request_period,
}


def _supplied_until(authored: When, dispense: JsonObject) -> When | None:
    """The end of what a prescription supplies: its supply, so often as it may be dispensed."""
    days = days_in(read_object(dispense, "expectedSupplyDuration"))
    repeats = read_count(dispense, "numberOfRepeatsAllowed") or 0
    if days is None or days * (1 + repeats) > LONGEST_COURSE:
        return None
    return later(authored, days * (1 + repeats), days * (1 + repeats))


def _row(
    chart: Chart,
    kind: str,
    ref: str,
    resource: JsonObject,
    said: Recognition,
    state: str,
    dates: _Dates,
) -> CourseRow:
    running = _is_running(state, dates, chart.today)
    course = _course(chart, kind, ref, resource, said.medicine, state, dates, running) if said.medicine else None
    return CourseRow(ref, said, running, course, dates.start)


def _course(
    chart: Chart,
    kind: str,
    ref: str,
    resource: JsonObject,
    medicine: Medicine,
    state: str,
    dates: _Dates,
    running: bool,
) -> Course | None:
    is_stated = kind == "MedicationStatement"
    entries = read_objects(resource, "dosage" if is_stated else "dosageInstruction")
    dosing = read_dosing(entries, medicine, chart.guideline)
    use = use_of(medicine, dosing)
    if use is None or not (medicine.systemic and dosing.systemic):
        return None
    tell_dose(chart, kind, ref, entries, dosing, medicine, use)
    said, stop, reason = _whys(chart.guideline).of(resource)
    if "reasonReference" in resource or "reason" in resource:
        reason = read_reason(chart, resource)
    antiplatelet = _is_antiplatelet(chart.guideline, medicine, dosing)
    if running:
        stop = Stop(nonadherent=True) if stop.nonadherent or _is_not_as_directed(resource) else NO_REASON
    elif said and stop.reason is StopReason.UNKNOWN:
        chart.puzzled(kind, "stop reason", "is not known", ref, stop.display)
    elif said:
        chart.understood(kind, "stop reason")
    return Course(
        ref=ref,
        medicine=medicine,
        use=use,
        start=dates.start,
        end=None if running else so_far(dates.end, chart.today),
        running=running,
        stopped=not running and (state == STOPPED or stop.reason is not StopReason.UNKNOWN),
        dosing=dosing,
        reason=_ANTIPLATELET if antiplatelet else reason,
        stop=stop,
        ordered=not is_stated,
        antiplatelet=antiplatelet,
    )


def tell_dose(
    chart: Chart,
    kind: str,
    ref: str,
    entries: Sequence[JsonObject],
    dosing: Dosing,
    medicine: Medicine,
    use: str,
) -> None:
    """Say whether the dose that a course or order of this use is measured by could be read, where there is one."""
    if not entries:
        return
    preventive = medicine.drug.preventive
    by_day = use == PREVENTIVE and preventive is not None and preventive.per != "administration"
    if (dosing.per_day if by_day else dosing.single or dosing.per_day) is not None:
        chart.understood(kind, "dose")
    else:
        texts = (entry.get(name) for entry in entries for name in ("text", "patientInstruction"))
        said = "; ".join(text for text in texts if type(text) is str)
        chart.puzzled(kind, "dose", "could not be read", ref, said or "no text")


def _is_not_as_directed(resource: JsonObject) -> bool:
    """Whether a statement (R5) says that the drug is taken otherwise than directed."""
    code = read_object(read_object(resource, "adherence") or {}, "code")
    return code is not None and any(
        read_text(each, "code") == "taking-not-as-directed" for each in read_objects(code, "coding")
    )


class _Why(NamedTuple):
    """Why a row ended, whether it says so at all, and what its medicine was for, as far as its own elements say."""

    is_said: bool
    stop: Stop
    reason: Reason


@per_guideline
def _whys(guideline: Guideline) -> ElementMemory[_Why]:
    return ElementMemory(partial(_why, guideline), "statusReason", "adherence", "reasonNotTaken", "reasonCode")


def _why(guideline: Guideline, resource: JsonObject) -> _Why:
    adherence = read_object(resource, "adherence")  # R5
    reasons = read_concepts(adherence, "reason") if adherence else []
    reasons += read_concepts(resource, "reasonNotTaken")  # STU3
    reasons = read_concepts(resource, "statusReason") + reasons
    return _Why(bool(reasons), read_stop(reasons, guideline), coded_reason(guideline, resource))


def _is_running(state: str, dates: _Dates, today: date) -> bool:
    """A running status with an end in the past has ended; an unknown one goes by its period."""
    if state == RUNNING or (state == BY_PERIOD and dates.end):
        return dates.end is None or dates.end.last >= today
    return state == BY_PERIOD and dates.is_open


def use_of(medicine: Medicine, dosing: Dosing) -> str | None:
    """Preventive or acute: what the drug is for, and for a drug that is both how it is taken."""
    drug = medicine.drug
    if drug.preventive and drug.acute:
        often = dosing.times_per_day or 0
        return PREVENTIVE if often >= ALTERNATE_DAYS and not dosing.as_needed else ACUTE
    if drug.preventive:
        return PREVENTIVE
    return ACUTE if drug.acute else None


def _is_antiplatelet(guideline: Guideline, medicine: Medicine, dosing: Dosing) -> bool:
    """Whether aspirin is taken at the dose that keeps blood from clotting rather than against pain."""
    if medicine.drug.id != "aspirin" or dosing.single is None:
        return False
    return dosing.single <= guideline.number("aspirin_antiplatelet_max_mg")


_ANTIPLATELET = Reason(Indication.OTHER)
