"""Trials: the rows of one drug and use joined into courses, with their dose steps, endings and administrations.

A course recorded twice is one trial, and so are courses that follow each other closely. A row with one known date
has no length of its own: it joins the course its date lies in, or stands alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from prodrome.fhir_mappers.administrations import Given
from prodrome.fhir_mappers.chart import unique
from prodrome.fhir_mappers.courses import PREVENTIVE, Course
from prodrome.fhir_mappers.indications import Reason, strongest
from prodrome.fhir_mappers.medications import TOXIN_CLASS
from prodrome.fhir_mappers.stop_reasons import merge_stops
from prodrome.rules import Administration, Indication, Step, Stop, Trial, When
from prodrome.rules.guideline import Drug, Guideline

OPEN = date.max  # where a running course ends


class _Span(NamedTuple):
    """A course with the days it surely covers: from the latest start to the earliest end it may mean."""

    lo: date
    hi: date
    course: Course

    @property
    def dates(self) -> tuple[When | None, When | None]:
        return self.course.start, self.course.end


def build_trials(courses: Iterable[Course], given: list[Given], guideline: Guideline) -> list[Trial]:
    """All trials of a record, in a fixed order, administrations attached."""
    gap = int(guideline.number("course_gap_days"))
    by_drug: dict[tuple[str, str], list[Course]] = defaultdict(list)
    for course in courses:
        if not course.medicine.unspecific or _is_for_migraine(course, given):
            by_drug[course.medicine.drug.id, course.use].append(course)
    by_given: dict[str, list[Given]] = defaultdict(list)
    for each in given:
        by_given[each.drug.id].append(each)
    trials: list[Trial] = []
    for (id_, use), of_drug in sorted(by_drug.items(), key=lambda item: item[0]):
        drug = guideline.drugs[id_]
        joined = merge_courses(of_drug, gap)
        if use == PREVENTIVE and id_ in by_given:
            joined = attach(drug, joined, by_given.pop(id_), gap)
        trials += joined
    for id_, of_drug_given in sorted(by_given.items()):
        trials += attach(guideline.drugs[id_], [], of_drug_given, gap)
    return trials


def merge_courses(courses: list[Course], gap: int) -> list[Trial]:
    """Join the courses of one drug and use. ``gap``: most days between an end and the next start within a trial."""
    if len(courses) == 1:
        return [_trial([], courses)]
    spans, partial = [], []
    for course in courses:
        if course.start and (course.end or course.running):
            spans.append(_Span(course.start.last, course.end.first if course.end else OPEN, course))
        else:
            partial.append(course)
    groups = _chain(spans, gap)
    alone = _host(partial, groups)
    return [_trial(group, guests) for group, guests in groups] + [_trial([], same) for same in alone]


_Group = tuple[list[_Span], list[Course]]


def _chain(spans: list[_Span], gap: int) -> list[_Group]:
    """Courses that overlap or follow each other within the gap, each group in order of time."""
    groups: list[_Group] = []
    until = date.min
    reach = timedelta(days=gap)
    for span in sorted(spans, key=lambda span: (span.lo, span.hi, span.course.ref)):
        if groups and (span.lo - until <= reach or span.dates == groups[-1][0][-1].dates):
            groups[-1][0].append(span)
            until = max(until, span.hi)
        else:
            groups.append(([span], []))
            until = span.hi
    return groups


def _host(partial: list[Course], groups: list[_Group]) -> list[list[Course]]:
    """Put courses with one known date into the group it lies in; return the others, equal ones together."""
    alone: dict[tuple[When | None, When | None, bool, str], list[Course]] = {}
    for course in sorted(partial, key=lambda course: course.ref):
        group = next((group for group in groups if any(_lies_in(course, span) for span in group[0])), None)
        if group:
            group[1].append(course)
        else:
            dated = course.start or course.end or course.running
            key = (course.start, course.end, course.running, "" if dated else course.ref)
            alone.setdefault(key, []).append(course)
    return list(alone.values())


def _lies_in(course: Course, span: _Span) -> bool:
    """Whether the one known date of a course surely lies in a span, and not on its far boundary."""
    if course.start:
        return span.lo <= course.start.first and course.start.last < span.hi
    if course.end:
        return span.lo < course.end.first and course.end.last <= span.hi
    return course.running and span.course.running


def _trial(spans: list[_Span], guests: list[Course]) -> Trial:
    """One trial of a group: its dated courses in order of time and those with one known date.

    Where there is no dated one, the guests have the same one date, or none.
    """
    courses = [span.course for span in spans] + guests
    deciding = courses if len(courses) == 1 else _deciding(spans, guests)
    stopped = [course for course in deciding if course.stopped]
    running = not stopped and any(course.running for course in deciding)
    end = None if running else _end(deciding, stopped)
    first = spans[0].course if spans else courses[0]
    reason = strongest(course.reason for course in courses)
    doses = [course.dosing.single for course in deciding if course.dosing.single is not None]
    intervals = [course.dosing.interval_days for course in deciding if course.dosing.interval_days is not None]
    routes = [course.dosing.route or course.medicine.route for course in deciding]
    return Trial(
        drug=first.medicine.drug.id,
        use=first.use,
        coded=any(course.medicine.coded for course in courses),
        running=running,
        start=first.start,
        end=end,
        steps=_steps(spans, guests, end),
        single_dose=min(doses, default=None),
        route=next((route for route in routes if route), None),
        interval_days=max(intervals, default=None),
        indication=reason.indication,
        indication_coded=reason.coded,
        stop=Stop() if running else merge_stops([course.stop for course in deciding if not course.running]),
        refs=unique(course.ref for course in courses),
    )


def _deciding(spans: list[_Span], guests: list[Course]) -> list[Course]:
    """The courses that say how a trial ended: those that share days with the one that ended last."""
    if not spans:
        return guests
    until = max(span.hi for span in spans)
    last = [span for span in spans if span.hi == until]
    deciding = [span.course for span in spans if any(span is each or _is_same_course(span, each) for each in last)]
    return deciding + [guest for guest in guests if any(_lies_in(guest, span) for span in last)]


def _is_same_course(one: _Span, other: _Span) -> bool:
    """Whether two courses share more than a boundary day."""
    return min(one.hi, other.hi) > max(one.lo, other.lo) or one.dates == other.dates


def _end(deciding: list[Course], stopped: list[Course]) -> When | None:
    """When a trial that does not run ended: where a stop contradicts a running row, the stop says when."""
    telling = stopped if any(course.running for course in deciding) else deciding
    ends = [course.end for course in telling if course.end]
    return max(ends, key=lambda end: (end.first, end.last), default=None)


class _Dose(NamedTuple):
    """A dose and the days it stands for; ``None`` where the chart does not say or the course runs."""

    lo: date
    hi: date
    start: When | None
    end: When | None
    amount: float | None
    ref: str


def _amount(course: Course) -> float | None:
    preventive = course.medicine.drug.preventive
    if preventive and preventive.per == "administration":
        return course.dosing.single
    return course.dosing.per_day


def _steps(spans: list[_Span], guests: list[Course], end: When | None) -> tuple[Step, ...]:
    """Dose steps in order, without overlap: on days recorded twice the lower known dose stands."""
    if not spans:
        return (_step_of(guests),)
    if len(spans) == 1 and not guests:
        return (_step_of([spans[0].course]),)
    doses = _doses(spans, guests, end)
    boundaries = _boundaries(doses)
    cuts = sorted(boundaries)
    steps: list[tuple[date, date, float | None, list[str]]] = []
    for lo, hi in pairwise(cuts):
        covering = [dose for dose in doses if dose.lo <= lo and dose.hi >= hi]
        if not covering:
            continue
        amounts = [dose.amount for dose in covering if dose.amount is not None]
        amount = min(amounts, default=None)
        covered_by = [dose.ref for dose in covering]
        if steps and steps[-1][1] == lo and steps[-1][2] == amount:
            steps[-1] = (steps[-1][0], hi, amount, steps[-1][3] + covered_by)
        else:
            steps.append((lo, hi, amount, covered_by))
    if not steps:  # dates so partial, or so short, that no day is sure
        return tuple(
            dict.fromkeys(_step_of([other.course for other in spans if other.dates == span.dates]) for span in spans)
        )
    return tuple(Step(boundaries[lo], boundaries[hi], amount, unique(told)) for lo, hi, amount, told in steps)


def _step_of(courses: list[Course]) -> Step:
    """The step that courses of the same dates make."""
    amounts = [amount for amount in map(_amount, courses) if amount is not None]
    refs = unique(course.ref for course in courses)
    return Step(courses[0].start, courses[0].end, min(amounts, default=None), refs)


def _doses(spans: list[_Span], guests: list[Course], end: When | None) -> list[_Dose]:
    until = end.first if end else OPEN
    doses = []
    for lo, hi, course in spans:
        cut = course.running and until < hi
        doses.append(
            _Dose(lo, until if cut else hi, course.start, end if cut else course.end, _amount(course), course.ref)
        )
    for course in guests:  # one known date: the dose stands for the rest of the course it lies in
        hosts = [dose for dose, span in zip(doses, spans, strict=False) if _lies_in(course, span)]
        first, last = min(hosts, key=lambda dose: dose.lo), max(hosts, key=lambda dose: dose.hi)
        dose = _Dose(first.lo, last.hi, first.start, last.end, _amount(course), course.ref)
        if course.start:
            dose = dose._replace(lo=course.start.first, start=course.start)
        elif course.end:
            dose = dose._replace(hi=course.end.last, end=course.end)
        doses.append(dose)
    return doses


def _boundaries(doses: list[_Dose]) -> dict[date, When | None]:
    """What the chart wrote for each day a dose begins or ends on; a full date before a partial one."""
    written: dict[date, When | None] = {}
    for dose in doses:
        for day, when in ((dose.lo, dose.start), (dose.hi, dose.end)):
            known = written.get(day)
            if known is None or (when is not None and when.first == when.last and known.first != known.last):
                written[day] = when
    return written


# --- Administrations ------------------------------------------------------------------------------------------------


def _is_for_migraine(course: Course, given: list[Given]) -> bool:
    """Whether an unspecific toxin counts: for migraine, or with the migraine procedure within its dates."""
    if course.reason.indication is Indication.MIGRAINE:
        return True
    return any(
        each.is_procedure and not each.not_done and _covers(course.start, course.end, each.when) for each in given
    )


def _covers(start: When | None, end: When | None, when: When | None) -> bool:
    """Whether a point in time lies between two dates; an unknown date bounds nothing."""
    if when is None:
        return start is None and end is None
    return (start is None or start.first <= when.last) and (end is None or when.first <= end.last)


def attach(drug: Drug, trials: list[Trial], given: list[Given], gap: int) -> list[Trial]:
    """Put each administration into the trial it lies in; the others make trials of their own."""
    of_trial: dict[int, list[Given]] = defaultdict(list)
    rest: list[Given] = []
    for each in given:
        homes = [index for index, trial in enumerate(trials) if _takes(trial, each)]
        if homes:
            of_trial[max(homes, key=lambda index: _latest(trials[index].start))].append(each)
        elif not each.not_done:
            rest.append(each)
    attached = [
        _with_given(trial, of_trial[index], drug) if index in of_trial else trial for index, trial in enumerate(trials)
    ]
    days = {each.when for each in rest if each.is_procedure}
    rest = [
        each
        for each in rest
        if not each.unspecific or each.reason.indication is Indication.MIGRAINE or each.when in days
    ]
    return attached + [_own_trial(drug, course) for course in _courses_of(drug, rest, gap)]


def _latest(when: When | None) -> date:
    return when.last if when else date.min


def _takes(trial: Trial, given: Given) -> bool:
    if given.is_procedure and trial.indication is Indication.OTHER:
        return False
    return _covers(trial.start, trial.end, given.when)


def _with_given(trial: Trial, given: list[Given], drug: Drug) -> Trial:
    done = [each for each in given if not each.not_done]
    reason = strongest(
        [Reason(trial.indication, trial.indication_coded), *(each.reason for each in done), *_by_procedure(drug, done)]
    )
    return replace(
        trial,
        administrations=_administrations(done),
        not_done=len(done) < len(given),
        indication=reason.indication,
        indication_coded=reason.coded,
        coded=trial.coded or any(each.coded for each in done),
        refs=unique([*trial.refs, *(each.ref for each in given)]),
    )


def _by_procedure(drug: Drug, given: list[Given]) -> list[Reason]:
    """The migraine procedure says what its toxin was for."""
    is_toxin = drug.preventive is not None and drug.preventive.drug_class == TOXIN_CLASS
    return [Reason(Indication.MIGRAINE)] if is_toxin and any(each.is_procedure for each in given) else []


def _administrations(given: list[Given]) -> tuple[Administration, ...]:
    """Doses or cycles in order of time; what was given on one day is one."""
    by_day: dict[object, list[Given]] = defaultdict(list)
    for each in sorted(given, key=lambda each: (_latest(each.when), each.ref)):
        by_day[(each.when.first, each.when.last) if each.when else each.ref].append(each)
    return tuple(
        Administration(
            when=same[0].when,
            amount=max((each.amount for each in same if each.amount is not None), default=None),
            refs=unique(each.ref for each in same),
        )
        for same in by_day.values()
    )


def _courses_of(drug: Drug, given: list[Given], gap: int) -> list[list[Given]]:
    """Administrations without a trial, apart where more than an interval and the gap lie between."""
    interval = drug.preventive.interval_days if drug.preventive else None
    reach = timedelta(days=(interval or 0) + gap)
    courses: list[list[Given]] = []
    for each in sorted(given, key=lambda each: (_latest(each.when), each.ref)):
        before = courses[-1][-1].when if courses else None
        if before and each.when and each.when.last - before.first <= reach:
            courses[-1].append(each)
        else:
            courses.append([each])
    return courses


def _own_trial(drug: Drug, given: list[Given]) -> Trial:
    start, end = given[0].when, given[-1].when
    amounts = [each.amount for each in given if each.amount is not None]
    refs = unique(each.ref for each in given)
    trial = Trial(
        drug=drug.id,
        use=PREVENTIVE,
        coded=any(each.coded for each in given),
        start=start,
        end=end,
        steps=(Step(start, end, min(amounts, default=None), refs),),
        refs=refs,
    )
    return _with_given(trial, given, drug)
