"""Trials: the rows of one drug and use joined into courses, with their dose steps, endings and administrations.

A course recorded twice is one trial, and so are courses that follow each other closely. A row with one known date
has no length of its own: it joins the course its date lies in, or stands alone; a prescription without an end lasts
at least until the next one, where that is a renewal.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, timedelta
from heapq import heappop, heappush
from itertools import accumulate, islice, pairwise
from typing import NamedTuple

from prodrome.fhir_mappers.administrations import Given
from prodrome.fhir_mappers.chart import unique
from prodrome.fhir_mappers.courses import PREVENTIVE, Course
from prodrome.fhir_mappers.indications import Reason, strongest
from prodrome.fhir_mappers.medications import TOXIN_CLASS
from prodrome.fhir_mappers.stop_reasons import merge_stops
from prodrome.rules import Administration, Indication, Step, Stop, StopReason, Trial, When
from prodrome.rules.guideline import Drug, Guideline

OPEN = date.max  # where a running course ends


class _Span(NamedTuple):
    """A course with the days it surely covers: from the latest start to the earliest end it may mean."""

    lo: date
    hi: date
    course: Course

    @property
    def first(self) -> date:
        """The earliest day it may have begun on."""
        assert self.course.start is not None
        return self.course.start.first

    @property
    def last(self) -> date:
        """The latest day it may have ended on."""
        return self.course.end.last if self.course.end else OPEN

    @property
    def least_end(self) -> date:
        """The earliest day it may have ended on: no course ends before it starts."""
        return max(self.hi, self.first)

    @property
    def dates(self) -> tuple[When | None, When | None]:
        return self.course.start, self.course.end


def build_trials(courses: Iterable[Course], given: list[Given], guideline: Guideline) -> list[Trial]:
    """All trials of a record, in a fixed order, administrations attached."""
    gap = int(guideline.number("course_gap_days"))
    renewal = int(guideline.number("renewal_gap_days"))
    procedures = _Points({each.when for each in given if each.is_procedure and not each.not_done})
    by_drug: dict[tuple[str, str, bool], list[Course]] = defaultdict(list)
    for course in courses:
        if not course.medicine.unspecific or _is_for_migraine(course, procedures):
            by_drug[course.medicine.drug.id, course.use, course.antiplatelet].append(course)
    by_given: dict[str, list[Given]] = defaultdict(list)
    for each in given:
        by_given[each.drug.id].append(each)
    trials: list[Trial] = []
    for (id_, use, _), of_drug in sorted(by_drug.items(), key=lambda item: item[0]):
        drug = guideline.drugs[id_]
        joined = merge_courses(of_drug, gap, renewal)
        if use == PREVENTIVE and id_ in by_given:
            joined = attach(drug, joined, by_given.pop(id_), gap)
        trials += joined
    for id_, of_drug_given in sorted(by_given.items()):
        trials += attach(guideline.drugs[id_], [], of_drug_given, gap)
    return trials


def merge_courses(courses: list[Course], gap: int, renewal: int) -> list[Trial]:
    """Join the courses of one drug and use.

    ``gap``: most days between an end and the next start within a trial. ``renewal``: most days between a prescription
    that says no end and the one that renews it.
    """
    if len(courses) == 1:
        return [_trial([], courses)]
    courses, renewals = _renewed(courses, renewal)
    spans, partial = [], []
    for course in courses:
        if course.start and (course.end or course.running):
            spans.append(_Span(course.start.last, course.end.first if course.end else OPEN, course))
        else:
            partial.append(course)
    if renewals:
        spans.sort(key=lambda span: span.lo)
        hosts = _Hosts(spans)
        waiting, partial = partial, []
        for course in waiting:
            if course.start in renewals and _is_open(course) and hosts.first(course) is None:
                day = course.start.last  # the last of its chain, taken until who knows
                spans.append(_Span(day, day + timedelta(days=1), course))
            else:
                partial.append(course)
    groups = _chain(spans, gap)
    alone = _host(partial, groups)
    besides = _besides(groups, gap)
    trials = [_trial(group, guests, beside) for (group, guests), beside in zip(groups, besides, strict=True)]
    return trials + [_trial([], same) for same in alone]


def _renewed(courses: list[Course], most: int) -> tuple[list[Course], set[When]]:
    """The courses, prescriptions without an end ending where the next one begins; and when those began.

    ``most`` days lie between the two. One that failed, or was no longer needed, is not renewed: what follows is new.
    """
    if not any(map(_is_open, courses)):
        return courses, set()
    prescribed = {course.start for course in courses if course.ordered and course.start}
    starts = sorted(prescribed, key=lambda start: (start.first, start.last))
    firsts = [start.first for start in starts]
    renewals: set[When] = set()
    found = []
    for course in courses:
        if course.start and _is_open(course) and course.stop.reason in _RENEWED_ANYWAY:
            place = bisect_right(firsts, course.start.last)
            if place < len(starts) and (starts[place].last - course.start.first).days <= most:
                renewals.add(starts[place])
                course = course._replace(end=starts[place])
        found.append(course)
    return found, renewals


_RENEWED_ANYWAY = frozenset({StopReason.UNKNOWN, StopReason.OTHER})


def _is_open(course: Course) -> bool:
    """Whether a prescription that does not run says no end."""
    return course.ordered and not course.running and course.end is None


_Group = tuple[list[_Span], list[Course]]


def _chain(spans: list[_Span], gap: int) -> list[_Group]:
    """Courses that overlap or follow each other within the gap, each group in order of time."""
    groups: list[_Group] = []
    until = date.min
    reach = timedelta(days=gap)
    for span in sorted(spans, key=lambda span: (span.lo, span.hi, span.course.ref)):
        if groups and (span.lo - until <= reach or span.dates == groups[-1][0][-1].dates):
            groups[-1][0].append(span)
            until = max(until, span.least_end)
        else:
            groups.append(([span], []))
            until = span.least_end
    return groups


def _besides(groups: list[_Group], gap: int) -> list[tuple[Step, ...]]:
    """For each group the steps of others that may be one with it: partial dates leave open how far apart they are."""
    besides: list[tuple[Step, ...]] = [()] * len(groups)
    if len(groups) < 2:
        return besides
    extents = sorted(
        (min(span.first for span in spans), max(span.last for span in spans), at)
        for at, (spans, _) in enumerate(groups)
    )
    clusters: list[list[int]] = []
    until = date.min
    reach = timedelta(days=gap)
    for first, last, at in extents:
        if clusters and first - until <= reach:
            clusters[-1].append(at)
            until = max(until, last)
        else:
            clusters.append([at])
            until = last
    for cluster in clusters:
        for at in cluster:
            others = (span.course for other in cluster if other != at for span in groups[other][0])
            near = tuple(map(_step, islice(others, _MANY)))
            besides[at] = near if len(near) < _MANY else (_ANY,)
    return besides


_MANY = 30  # courses of one drug with dates so coarse: nobody knows how long each was
_ANY = Step(None, None, None)


def _host(partial: list[Course], groups: list[_Group]) -> list[list[Course]]:
    """Put courses with one known date into the group it lies in; return the others, equal ones together."""
    if not partial:
        return []
    alone: dict[tuple[When | None, When | None, bool, str], list[Course]] = {}
    group_of = [group for group in groups for _ in group[0]]
    hosts = _Hosts([span for group in groups for span in group[0]])
    for course in sorted(partial, key=lambda course: course.ref):
        host = hosts.first(course)
        if host is not None:
            group_of[host][1].append(course)
        else:
            dated = course.start or course.end or course.running
            key = (course.start, course.end, course.running, "" if dated else course.ref)
            alone.setdefault(key, []).append(course)
    return list(alone.values())


class _Hosts:
    """Spans in order of time, and in which of them the one known date of a course surely lies.

    A date does not lie in a span on its far boundary; a course that only runs lies in one that runs.
    """

    def __init__(self, spans: list[_Span]) -> None:
        self._starts = [span.lo for span in spans]
        self._reach = list(accumulate((span.hi for span in spans), max))
        self._running = next((place for place, span in enumerate(spans) if span.course.running), None)

    def before(self, course: Course) -> int:
        """How many spans, from the first, begin early enough to hold the course."""
        if course.start:
            return bisect_right(self._starts, course.start.first)
        return bisect_left(self._starts, course.end.first) if course.end else len(self._starts)

    def reaches(self, course: Course, until: date) -> bool:
        """Whether a span that ends on this day ends late enough to hold the course."""
        if course.start:
            return course.start.last < until
        return course.end.last <= until if course.end else until == OPEN

    def first(self, course: Course) -> int | None:
        """The place of the first span that holds the course."""
        if course.start:
            place = bisect_right(self._reach, course.start.last)
        elif course.end:
            place = bisect_left(self._reach, course.end.last)
        else:
            return self._running if course.running else None
        return place if place < self.before(course) else None


def _trial(spans: list[_Span], guests: list[Course], beside: tuple[Step, ...] = ()) -> Trial:
    """One trial of a group: its dated courses in order of time and those with one known date.

    Where there is no dated one, the guests have the same one date, or none. ``beside`` are steps that may be of it.
    """
    courses = [span.course for span in spans] + guests
    in_turn = len(courses) == 1 or (not guests and _are_in_turn(spans))
    deciding = [courses[-1]] if in_turn else _deciding(spans, guests)
    stopped = [course for course in deciding if course.stopped]
    running = not stopped and any(course.running for course in deciding)
    end = None if running else _end(deciding, stopped)
    first = spans[0].course if spans else courses[0]
    reason = strongest([course.reason for course in courses])
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
        steps=tuple(map(_step, courses)) if in_turn else _steps(spans, guests, end),
        possible=() if running else _possible(spans, in_turn, beside),
        single_dose=min(doses, default=None),
        route=next((route for route in routes if route), None),
        interval_days=max(intervals, default=None),
        indication=reason.indication,
        indication_coded=reason.coded,
        dose_coded=not any(course.dosing.from_text for course in courses),
        stop=Stop(nonadherent=any(course.stop.nonadherent for course in deciding))
        if running
        else merge_stops([course.stop for course in deciding if not course.running]),
        refs=unique([course.ref for course in courses]),
    )


def _possible(spans: list[_Span], in_turn: bool, beside: tuple[Step, ...]) -> tuple[Step, ...]:
    """What a trial lasted at most, where its steps do not show it: those of courses in turn do."""
    if not beside and (in_turn or all(span.first == span.lo and span.last == span.hi for span in spans)):
        return ()
    return (*dict.fromkeys(_step(span.course) for span in spans), *beside)


def _are_in_turn(spans: list[_Span]) -> bool:
    """Whether courses follow each other without a day that two of them share: the last says how it ended."""
    return all(span.lo < span.hi for span in spans) and all(
        one.hi < after.lo and one.last < after.hi for one, after in pairwise(spans)
    )


def _deciding(spans: list[_Span], guests: list[Course]) -> list[Course]:
    """The courses that say how a trial ended: those that share days with the one that ended last, or may have."""
    if not spans:
        return guests
    until = max(span.least_end for span in spans)
    last = [span for span in spans if span.least_end == until]
    since = min(span.lo for span in last)
    dates = {span.dates for span in last}
    deciding = [
        span.course for span in spans if span.last >= until or span.hi > max(span.lo, since) or span.dates in dates
    ]
    if not guests:
        return deciding
    hosts = _Hosts(last)
    return deciding + [guest for guest in guests if hosts.first(guest) is not None]


def _end(deciding: list[Course], stopped: list[Course]) -> When | None:
    """When a trial that does not run ended: where a stop contradicts a running row, the stop says when."""
    telling = stopped if any(course.running for course in deciding) else deciding
    ends = [course.end for course in telling if course.end]
    if len(ends) < 2:
        return ends[0] if ends else None
    last = max(ends, key=lambda end: (end.first, end.last))
    until = max(end.last for end in ends)
    return When(last.first, until) if last.last < until else last


class _Dose(NamedTuple):
    """A dose and the days it stands for; ``None`` where the chart does not say or the course runs."""

    lo: date
    hi: date
    start: When | None
    end: When | None
    amount: float | None
    ordered: bool


def _amount(course: Course) -> float | None:
    preventive = course.medicine.drug.preventive
    if preventive and preventive.per == "administration":
        return course.dosing.single
    return course.dosing.per_day


def _steps(spans: list[_Span], guests: list[Course], end: When | None) -> tuple[Step, ...]:
    """Dose steps in order, without overlap: on days recorded twice the lower known dose stands."""
    if not spans:
        return (_step_of(guests),)
    doses = sorted(_doses(spans, guests, end), key=lambda dose: dose.lo)
    boundaries = _boundaries(doses)
    steps: list[tuple[date, date, _Amount]] = []
    active: list[tuple[date, float, bool]] = []  # until when, how much and whether prescribed, the first to end first
    amounts: dict[bool, dict[float, int]] = {True: defaultdict(int), False: defaultdict(int)}  # by whether prescribed
    begun, until = 0, date.min
    for lo, hi in pairwise(sorted(boundaries)):
        while begun < len(doses) and doses[begun].lo <= lo:
            dose = doses[begun]
            until = max(until, dose.hi)
            if dose.amount is not None:
                heappush(active, (dose.hi, dose.amount, dose.ordered))
                amounts[dose.ordered][dose.amount] += 1
            begun += 1
        while active and active[0][0] <= lo:
            _, amount, ordered = heappop(active)
            amounts[ordered][amount] -= 1
            if not amounts[ordered][amount]:
                del amounts[ordered][amount]
        if until <= lo:
            continue
        taken = _taken(amounts[True], amounts[False])
        is_tail = boundaries[hi] is None and hi != OPEN  # its end is unknown, that of the step before it is not
        if steps and steps[-1][1:] == (lo, taken) and not is_tail:
            steps[-1] = (steps[-1][0], hi, taken)
        else:
            steps.append((lo, hi, taken))
    if not steps:  # dates so partial, or so short, that no day is sure
        same: dict[tuple[When | None, When | None], list[Course]] = {}
        for span in spans:
            same.setdefault(span.dates, []).append(span.course)
        return tuple(dict.fromkeys(map(_step_of, same.values())))
    return tuple(Step(boundaries[lo], boundaries[hi], least, most) for lo, hi, (least, most) in steps)


_Amount = tuple[float | None, float | None]  # at least, and at most where it is more


def _taken(prescribed: Collection[float], stated: Collection[float]) -> _Amount:
    """What was taken on days that several rows tell of.

    Beside a statement the lower dose stands; prescriptions of different strengths lie between the highest and their
    sum.
    """
    if stated or len(prescribed) < 2:
        return min((*prescribed, *stated), default=None), None
    return max(prescribed), round(sum(prescribed), 6)


def _step(course: Course) -> Step:
    """The step that one course makes."""
    return Step(course.start, course.end, _amount(course))


def _step_of(courses: list[Course]) -> Step:
    """The step that courses of the same dates make."""
    known = [(course.ordered, amount) for course in courses if (amount := _amount(course)) is not None]
    prescribed = {amount for ordered, amount in known if ordered}
    stated = {amount for ordered, amount in known if not ordered}
    return Step(courses[0].start, courses[0].end, *_taken(prescribed, stated))


def _doses(spans: list[_Span], guests: list[Course], end: When | None) -> list[_Dose]:
    until = end.first if end else OPEN
    doses: list[_Dose] = []
    latest: list[_Dose | None] = []  # up to each dose, the one that ends last of those that were not cut
    first_cut: int | None = None
    for lo, hi, course in spans:
        before = latest[-1] if latest else None
        if course.running and until < hi:
            dose = _Dose(lo, until, course.start, end, _amount(course), course.ordered)
            first_cut = len(doses) if first_cut is None else first_cut
            latest.append(before)
        else:
            dose = _Dose(lo, hi, course.start, course.end, _amount(course), course.ordered)
            latest.append(dose if before is None or hi > before.hi else before)
        doses.append(dose)
    if not guests:
        return doses
    hosts = _Hosts(spans)
    for course in guests:  # one known date: the dose stands for the rest of the course it lies in
        place = hosts.first(course)
        assert place is not None
        begun = hosts.before(course)
        ends = latest[begun - 1]
        holding = [ends] if ends and hosts.reaches(course, ends.hi) else []
        if first_cut is not None and first_cut < begun:
            holding.append(doses[first_cut])
        first, last = doses[place], max(holding, key=lambda dose: dose.hi)
        dose = _Dose(first.lo, last.hi, first.start, last.end, _amount(course), course.ordered)
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


def _is_for_migraine(course: Course, procedures: "_Points") -> bool:
    """Whether an unspecific toxin counts: for migraine, or with the migraine procedure within its dates."""
    return course.reason.indication is Indication.MIGRAINE or procedures.any_within(course.start, course.end)


class _Points:
    """Points in time, of which it is asked whether one lies between two dates (see :func:`_covers`)."""

    def __init__(self, points: Collection[When | None]) -> None:
        dated = sorted((point for point in points if point), key=lambda point: point.last)
        self._any = bool(points)
        self._lasts = [point.last for point in dated]
        self._earliest_from = list(accumulate((point.first for point in reversed(dated)), min))[::-1]

    def any_within(self, start: When | None, end: When | None) -> bool:
        if start is None and end is None:
            return self._any
        place = bisect_left(self._lasts, start.first) if start else 0
        return place < len(self._lasts) and (end is None or self._earliest_from[place] <= end.last)


def _covers(start: When | None, end: When | None, when: When | None) -> bool:
    """Whether a point in time lies between two dates; an unknown date bounds nothing."""
    if when is None:
        return start is None and end is None
    return (start is None or start.first <= when.last) and (end is None or when.first <= end.last)


def attach(drug: Drug, trials: list[Trial], given: list[Given], gap: int) -> list[Trial]:
    """Put each administration into the trial it lies in; the others make trials of their own."""
    of_trial: dict[int, list[Given]] = defaultdict(list)
    rest: list[Given] = []
    homes = _Homes(trials, range(len(trials)))
    of_procedures = _Homes(
        trials, [index for index, trial in enumerate(trials) if trial.indication is not Indication.OTHER]
    )
    for each in given:
        home = (of_procedures if each.is_procedure else homes).of(each.when)
        if home is not None:
            of_trial[home].append(each)
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


class _Homes:
    """Some of the trials, and which of them an administration lies in: of several the one that began last."""

    def __init__(self, trials: list[Trial], some: Iterable[int]) -> None:
        self._trials = trials
        self._order = sorted(some, key=lambda index: (_latest(trials[index].start), -index))
        dates = [(trials[index].start, trials[index].end) for index in self._order]
        self._reach = list(accumulate((end.last if end else OPEN for _, end in dates), max))
        begins = (start.first if start else date.min for start, _ in reversed(dates))
        self._begin = list(accumulate(begins, min))[::-1]  # this one, or any after it
        self._undated = next((index for index in reversed(self._order) if _covers(*_dates(trials[index]), None)), None)

    def of(self, when: When | None) -> int | None:
        """The index of the trial."""
        if when is None:
            return self._undated
        for place in range(bisect_right(self._begin, when.last) - 1, -1, -1):
            if when.first > self._reach[place]:
                return None  # this one and all before it ended earlier
            if _covers(*_dates(self._trials[self._order[place]]), when):
                return self._order[place]
        return None


def _dates(trial: Trial) -> tuple[When | None, When | None]:
    return trial.start, trial.end


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
        steps=(Step(start, end, min(amounts, default=None)),),
        refs=refs,
    )
    return _with_given(trial, given, drug)
