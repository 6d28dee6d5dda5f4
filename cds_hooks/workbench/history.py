"""The history of a patient as one picture: what the SVG of the page draws, worked out from the facts.

Time runs from left to right. Each drug class has a lane, in which every trial is a bar with its dose steps; below are
hospital visits, specialist care, and headache days per month with the threshold. Everything drawn names an
:class:`HistoryEntry`: the words, and the FHIR references it was read from. Units of all coordinates are SVG user units.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from prodrome.rules import (
    Facts,
    FollowUp,
    HeadacheMonth,
    HospitalVisit,
    Indication,
    Refs,
    Step,
    StopReason,
    Trial,
    When,
    adequacy,
)
from prodrome.rules.guideline import Drug, Guideline, PreventiveUse

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
STUB = 26.0
"""Drawn length of an end that the chart does not date."""
GLYPH = 18.0
"""Room for the sign at the end of a bar."""
MOST_DAYS = 31.0
LONGEST_YEARS = 40


class TrialEnding(StrEnum):
    """How a trial ended, as the picture tells by colour and shape."""

    INEFFICACY = "inefficacy"
    INTOLERANCE = "intolerance"
    CONTRAINDICATED = "contraindicated"
    ONGOING = "ongoing"
    SUCCEEDED = "succeeded"
    OTHER = "other"


_ENDINGS: dict[TrialEnding, str] = {
    TrialEnding.INEFFICACY: "no efficacy",
    TrialEnding.INTOLERANCE: "not tolerated",
    TrialEnding.CONTRAINDICATED: "contraindicated",
    TrialEnding.ONGOING: "ongoing",
    TrialEnding.SUCCEEDED: "ended after success",
    TrialEnding.OTHER: "other or unknown reason",
}

LENGTHS = {
    "yes": "length of an adequate trial, reached",
    "no": "length of an adequate trial, not reached",
    "unknown": "length of an adequate trial, cannot be told",
}
MARKS = {
    "hospital": "hospital visit for migraine",
    "hospital-other": "hospital visit for another reason",
    "contact": "specialist seen",
    "referral": "referral",
    "appointment": "appointment ahead",
}

_BY_REASON = {
    StopReason.INEFFICACY: TrialEnding.INEFFICACY,
    StopReason.INTOLERANCE: TrialEnding.INTOLERANCE,
    StopReason.CONTRAINDICATED: TrialEnding.CONTRAINDICATED,
    StopReason.SUCCEEDED: TrialEnding.SUCCEEDED,
}


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing the picture shows, in words: a heading, labelled lines, and where in the chart it stands."""

    id: str
    group: str
    heading: str
    lines: tuple[tuple[str, str], ...]
    refs: Refs

    @property
    def sentence(self) -> str:
        """All of it on one line, for a tooltip and for screen readers."""
        said = "; ".join(f"{label}: {text}" for label, text in self.lines)
        return f"{self.heading}. {said}. Read from {', '.join(self.refs) or 'no resource with an id'}."


@dataclass(frozen=True, slots=True)
class Part:
    """A dose step inside a bar. ``share`` is its height; ``known`` is False where the dose is not."""

    x: float
    width: float
    y: float
    height: float
    known: bool
    label: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one bar: ``x`` and ``width``."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Adequate:
    """The length an adequate trial has, drawn under the bar. ``met`` is yes, no or unknown."""

    x: float
    width: float
    y: float
    met: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One trial. ``uncertain`` are the ends that the chart dates only roughly or not at all."""

    entry: HistoryEntry
    drug: str
    ending: TrialEnding
    label: str
    label_x: float
    anchor: str
    y: float
    x: float
    width: float
    parts: tuple[Part, ...]
    uncertain: tuple[Stretch, ...]
    given: tuple[float, ...]
    adequate: Adequate | None
    sign_x: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The trials of one drug class."""

    name: str
    y: float
    height: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A visit or a contact. ``width`` is more than 0 for a stay; ``kind`` decides the shape."""

    entry: HistoryEntry
    kind: str
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class MarkLane:
    """A lane of single events, named at its left."""

    name: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of day count in one month. ``attested``: debilitating days, which alone decide.

    ``label`` is the number, where the column is wide enough and no other column of the month stands before it.
    """

    title: str
    label: str
    x: float
    width: float
    y: float
    height: float
    attested: bool


@dataclass(frozen=True, slots=True)
class Year:
    """The months of one calendar year: one stop for the keyboard."""

    entry: HistoryEntry
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A date on the axis; ``strong`` where a year begins."""

    x: float
    label: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Months:
    """The headache diary: columns, the threshold line, and the scale at the left."""

    y: float
    height: float
    years: tuple[Year, ...]
    threshold: float
    threshold_y: float
    scale: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Legend:
    """The signs that a picture uses, each with its words; the others need no explanation."""

    endings: tuple[tuple[TrialEnding, str], ...]
    lengths: tuple[tuple[str, str], ...]
    marks: tuple[tuple[str, str], ...]
    uncertain: bool
    attested: bool
    proxy: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the template draws, and everything that was read, in words."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    today_x: float
    today: date
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    mark_lanes: tuple[MarkLane, ...]
    months: Months | None
    entries: tuple[HistoryEntry, ...]
    summary: str

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.lanes or self.mark_lanes or self.months)

    @property
    def groups(self) -> dict[str, list[HistoryEntry]]:
        """The entries by what they are, in the order drawn."""
        found: dict[str, list[HistoryEntry]] = {}
        for entry in self.entries:
            found.setdefault(entry.group, []).append(entry)
        return found

    @property
    def legend(self) -> Legend:
        """What the picture uses of its signs."""
        bars = [bar for lane in self.lanes for bar in lane.bars]
        endings = {bar.ending for bar in bars}
        lengths = {bar.adequate.met for bar in bars if bar.adequate}
        marks = {mark.kind for lane in self.mark_lanes for mark in lane.marks}
        columns = [column for year in self.months.years for column in year.columns] if self.months else []
        return Legend(
            endings=tuple((ending, words) for ending, words in _ENDINGS.items() if ending in endings),
            lengths=tuple((met, words) for met, words in LENGTHS.items() if met in lengths),
            marks=tuple((kind, words) for kind, words in MARKS.items() if kind in marks),
            uncertain=any(bar.uncertain for bar in bars),
            attested=any(column.attested for column in columns),
            proxy=any(not column.attested for column in columns),
        )

    @property
    def drugs(self) -> dict[str, str]:
        """The drugs drawn, by name, and the entry in which each was read last."""
        return {bar.drug: bar.entry.id for lane in self.lanes for bar in lane.bars}


def draw(facts: Facts, guideline: Guideline, today: date) -> Picture:
    """The picture of a patient's history as of ``today``."""
    return _Drawing(facts, guideline, today).picture()


@dataclass
class _Drawing:
    facts: Facts
    guideline: Guideline
    today: date
    entries: list[HistoryEntry] = field(default_factory=list)

    def picture(self) -> Picture:
        self.scale = _Scale.over(self._days(), self.today)
        lanes = list(self._lanes(TOP))
        y = lanes[-1].y + lanes[-1].height + LANE_GAP if lanes else TOP
        mark_lanes = list(self._mark_lanes(y))
        y += MARK_ROW * len(mark_lanes) + (LANE_GAP if mark_lanes else 0)
        months = self._months(y) if self.facts.headache_months else None
        bottom = y + MONTHS_HEIGHT if months else y
        self._unseen()
        return Picture(
            width=self.scale.right + MARGIN,
            height=round(bottom + 26, 1),
            left=LEFT,
            right=self.scale.right,
            top=TOP,
            bottom=bottom,
            today_x=self.scale.x(self.today),
            today=self.today,
            ticks=tuple(self.scale.ticks()),
            lanes=tuple(lanes),
            mark_lanes=tuple(mark_lanes),
            months=months,
            entries=tuple(self.entries),
            summary=self._summary(lanes),
        )

    def _summary(self, lanes: Sequence[Lane]) -> str:
        facts = self.facts
        counts = (
            (len(facts.trials), "trial", "trials"),
            (len(lanes), "drug class", "drug classes"),
            (len(facts.headache_months), "month of headache diary", "months of headache diary"),
            (len(facts.hospital_visits), "hospital visit", "hospital visits"),
            (
                len(facts.follow_ups),
                "specialist contact, referral or appointment",
                "contacts, referrals or appointments",
            ),
        )
        said = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
        return f"{', '.join(said)}." if said else "No trials, diary, visits or contacts were read."

    def _days(self) -> Iterator[date]:
        for trial in self.facts.trials:
            yield from (day for when in (trial.start, trial.end) if when for day in (when.first, when.last))
        for visit in self.facts.hospital_visits:
            yield from (when.first for when in (visit.start, visit.end) if when)
        yield from (care.when.first for care in self.facts.follow_ups if care.when)
        yield from (month.month for month in self.facts.headache_months)

    def _entry(self, group: str, heading: str, lines: Iterable[tuple[str, str]], refs: Refs) -> HistoryEntry:
        entry = HistoryEntry(f"read-{len(self.entries) + 1}", group, heading, tuple(lines), refs)
        self.entries.append(entry)
        return entry

    # Trials

    def _lanes(self, y: float) -> Iterator[Lane]:
        by_class: dict[str, list[Trial]] = {}
        for trial in self.facts.trials:
            by_class.setdefault(self._class(trial), []).append(trial)
        for name in sorted(by_class, key=self._place):
            rows = _Rows()
            bars = [self._bar(trial, rows, y) for trial in sorted(by_class[name], key=_when)]
            height = ROW * len(rows.ends)
            yield Lane(name, y, height, tuple(bars))
            y += height + LANE_GAP

    def _class(self, trial: Trial) -> str:
        drug = self.guideline.drugs[trial.drug]
        if trial.use == "preventive" and drug.preventive:
            return _capital(self.guideline.classes[drug.preventive.ehf_class].name)
        return _capital(self.guideline.acute_classes[drug.acute.drug_class].plural) if drug.acute else "Other drugs"

    def _place(self, name: str) -> int:
        names = [_capital(one.name) for one in self.guideline.classes.values()]
        names += [_capital(one.plural) for one in self.guideline.acute_classes.values()]
        return names.index(name) if name in names else len(names)

    def _bar(self, trial: Trial, rows: "_Rows", lane_y: float) -> Bar:
        drug = self.guideline.drugs[trial.drug]
        x, end, uncertain = self._ends(trial)
        label = _label(drug, trial)
        right = self.scale.right
        label_x, anchor = (x, "start") if x + len(label) * CHARACTER < right else (right, "end")
        left = min(x, right - len(label) * CHARACTER)
        y = lane_y + ROW * rows.place(left, max(end + GLYPH, left + len(label) * CHARACTER))
        use = drug.preventive if trial.use == "preventive" else None
        met = self._is_adequate(trial, use) if use else None
        dates = [one.when for one in trial.administrations if one.when]
        return Bar(
            entry=self._trial_entry(trial, drug, use, met),
            drug=drug.name,
            ending=_ending(trial),
            label=label,
            label_x=label_x,
            anchor=anchor,
            y=y,
            x=x,
            width=round(end - x, 1),
            parts=tuple(self._parts(trial, use, x, end, y + BAR_TOP)),
            uncertain=tuple(uncertain),
            given=tuple(self.scale.x(when.first) for when in dates),
            adequate=self._adequate(trial, use, met, y + BAR_TOP + BAR_HEIGHT + 4),
            sign_x=end + GLYPH / 2,
        )

    def _is_adequate(self, trial: Trial, use: PreventiveUse) -> str:
        grace = self.guideline.number("administered_grace_days")
        return adequacy(trial, use, chronic=self._chronic(), grace_days=grace)[0]

    def _chronic(self) -> bool:
        return any("chronic_migraine" in condition.names for condition in self.facts.conditions)

    def _ends(self, trial: Trial) -> tuple[float, float, list[Stretch]]:
        """Where a bar starts and ends, and which stretches of it are uncertain."""
        start, end = trial.start, trial.end
        last_day = self.today if trial.running else end.last if end else None
        known_end = self.scale.x(last_day) if last_day else None
        known_start = self.scale.x(start.first) if start else None
        if known_start is None and known_end is None:
            return LEFT, LEFT + 2 * STUB, [Stretch(LEFT, 2 * STUB)]
        if known_start is None:
            assert known_end is not None
            x = max(LEFT, known_end - STUB)
            return x, known_end, [Stretch(x, known_end - x)]
        uncertain = []
        if start and start.first != start.last:
            uncertain.append(self._stretch(start.first, start.last))
        if known_end is None:
            known_end = min(self.scale.right, known_start + STUB)
            uncertain.append(Stretch(known_start, known_end - known_start))
        elif end and not trial.running and end.first != end.last:
            uncertain.append(self._stretch(end.first, end.last))
        return known_start, max(known_end, known_start + 3), uncertain

    def _stretch(self, first: date, last: date) -> Stretch:
        x = self.scale.x(first)
        return Stretch(x, max(2.0, self.scale.x(last) - x))

    def _parts(self, trial: Trial, use: PreventiveUse | None, x: float, end: float, y: float) -> Iterator[Part]:
        """The dose steps: as high as the dose is, beside the target or the highest one taken."""
        steps = trial.steps or (Step(trial.start, trial.end, trial.single_dose),)
        amounts = [step.amount for step in steps if step.amount is not None]
        highest = max([*amounts, (use.target if use and use.target else 0.0)], default=0.0)
        for number, step in enumerate(steps):
            left = self.scale.x(step.start.first) if step.start else x
            last = number == len(steps) - 1
            right = end if last or step.end is None else self.scale.x(step.end.last)
            left, right = max(x, left), min(end, right)
            share = 1.0 if step.amount is None or not highest else max(0.3, step.amount / highest)
            height = round(BAR_HEIGHT * share, 1)
            text = f"{step.amount:g}" if step.amount is not None and len(steps) > 1 else ""
            fits = len(text) * CHARACTER < right - left and height > 9
            if right > left:
                yield Part(
                    left,
                    round(right - left, 1),
                    round(y + BAR_HEIGHT - height, 1),
                    height,
                    step.amount is not None,
                    text if fits else "",
                )

    def _adequate(self, trial: Trial, use: PreventiveUse | None, met: str | None, y: float) -> Adequate | None:
        """From the first day at a sufficient dose to the day on which the trial is long enough."""
        if use is None or met is None:
            return None
        least = use.min_adequate_chronic if self._chronic() and use.min_adequate_chronic else use.min_adequate
        begun = [
            step.start.last
            for step in trial.steps
            if step.start and step.amount is not None and least is not None and step.amount >= least
        ]
        if not begun:
            return None
        first = min(begun)
        x = self.scale.x(first)
        return Adequate(x, max(2.0, self.scale.x(_later(first, use.min_days)) - x), y, met)

    def _trial_entry(self, trial: Trial, drug: Drug, use: PreventiveUse | None, met: str | None) -> HistoryEntry:
        lines = [("When", _period(trial))]
        doses = [(step, _dose(step.amount, use)) for step in trial.steps]
        if len(doses) == 1:
            lines.append(("Dose", doses[0][1]))
        elif doses:
            lines.append(("Doses", ", then ".join(f"{dose} from {_day(step.start)}" for step, dose in doses)))
        if trial.single_dose is not None and trial.use == "acute":
            lines.append(("Single dose", f"{trial.single_dose:g} mg{f' {trial.route}' if trial.route else ''}"))
        if trial.administrations:
            dates = ", ".join(_day(one.when) for one in trial.administrations)
            lines.append(("Given", f"{len(trial.administrations)} times: {dates}"))
        lines.append(("Ended", _why_ended(trial)))
        if use:
            at_least = f"{use.min_adequate:g} {use.unit} per {use.per}" if use.min_adequate else "any dose"
            needs = f"{at_least} for {use.min_days} days"
            words = {"yes": "reached", "no": "not reached"}.get(met or "", "cannot be told")
            lines.append(("Adequate trial", f"{needs}: {words}"))
        lines.append(("For", _indication(trial.indication)))
        if not trial.coded:
            lines.append(("Note", "the drug was recognised by its name in text"))
        return self._entry("Trials", f"{drug.name} ({self._class(trial)})", lines, trial.refs)

    # Visits

    def _mark_lanes(self, y: float) -> Iterator[MarkLane]:
        facts = self.facts
        if facts.hospital_visits:
            yield MarkLane("Hospital visits", y, tuple(self._visit(visit, y) for visit in facts.hospital_visits))
            y += MARK_ROW
        if facts.follow_ups:
            yield MarkLane("Specialist care", y, tuple(self._care(care, y) for care in facts.follow_ups))

    def _visit(self, visit: HospitalVisit, y: float) -> Mark:
        x = self.scale.x(visit.start.first) if visit.start else LEFT
        end = self.today if visit.running else visit.end.last if visit.end else None
        migraine = visit.reason in (Indication.MIGRAINE, Indication.HEADACHE)
        until = "still there" if visit.running else f"until {_day(visit.end)}"
        entry = self._entry(
            "Visits and contacts",
            "Hospital visit",
            [("When", f"from {_day(visit.start)}, {until}"), ("For", _indication(visit.reason))],
            visit.refs,
        )
        width = max(0.0, self.scale.x(end) - x) if end else 0.0
        return Mark(entry, "hospital" if migraine else "hospital-other", x, y + MARK_ROW / 2, round(width, 1))

    def _care(self, care: FollowUp, y: float) -> Mark:
        heading = {"contact": "Specialist contact", "referral": "Referral", "appointment": "Appointment ahead"}
        entry = self._entry(
            "Visits and contacts", heading.get(care.kind, care.kind), [("When", _day(care.when))], care.refs
        )
        x = self.scale.x(care.when.first) if care.when else self.scale.x(self.today)
        return Mark(entry, care.kind, x, y + MARK_ROW / 2, 0.0)

    # Months

    def _months(self, y: float) -> Months:
        threshold = self.guideline.number("min_debilitating_days")
        floor = y + MONTHS_HEIGHT
        by_year: dict[int, list[HeadacheMonth]] = {}
        for month in sorted(self.facts.headache_months, key=lambda month: month.month):
            by_year.setdefault(month.month.year, []).append(month)
        years = []
        for year, months in by_year.items():
            lines = [(f"{month.month:%B}", _counts(month)) for month in months]
            refs = tuple(dict.fromkeys(ref for month in months for ref in month.refs))
            entry = self._entry("Headache days per month", str(year), lines, refs)
            years.append(Year(entry, tuple(column for month in months for column in self._columns(month, floor))))
        scale = tuple((round(floor - _days_high(days), 1), f"{days:g}") for days in (0.0, 15.0, 30.0))
        return Months(y, MONTHS_HEIGHT, tuple(years), threshold, round(floor - _days_high(threshold), 1), scale)

    def _columns(self, month: HeadacheMonth, floor: float) -> Iterator[Column]:
        x = self.scale.x(month.month)
        width = max(1.5, (self.scale.x(_next_month(month.month)) - x) * 0.78)
        title = f"{month.month:%B %Y}: {_counts(month)}"
        proxy = month.headache if month.headache is not None else month.migraine
        for days, attested in ((proxy, False), (month.debilitating, True)):
            if days is not None:
                height = round(max(1.0, _days_high(days)), 1)
                decides = attested or month.debilitating is None
                label = f"{days:g}" if decides and width >= LEAST_COUNTED else ""
                yield Column(title, label, x, round(width, 1), round(floor - height, 1), height, attested)

    # What is read but not drawn

    def _unseen(self) -> None:
        facts, drugs = self.facts, self.guideline.drugs
        for condition in facts.conditions:
            sets = [self.guideline.code_sets[name] for name in sorted(condition.names)]
            names = "; ".join(dict.fromkeys(code_set.title for code_set in sets))
            lines = [("Counts as", names or "nothing the rules look at"), ("Since", _day(condition.onset))]
            self._entry("Conditions", condition.display or "Condition", lines, condition.refs)
        for allergy in facts.allergies:
            kind = allergy.kind or "type not said"
            name = drugs[allergy.drug].name if allergy.drug in drugs else "NSAIDs"
            self._entry("Allergies", name, [("Kind", kind)], allergy.refs)
        for record in facts.attack_records:
            said = f"{record.relieved} of {record.treated} attacks relieved"
            dose = f"{record.single_dose:g} mg" if record.single_dose is not None else "not recorded"
            lines = [("Response", said), ("Single dose", dose)]
            self._entry("Attack records", drugs[record.drug].name, lines, record.refs)
        for use in facts.acute_use_months:
            lines = [(name.replace("-", " "), f"{days:g} days") for name, days in sorted(use.days.items())]
            self._entry("Acute medication days", f"{use.month:%B %Y}", lines or [("All classes", "0 days")], use.refs)
        for reading in facts.readings:
            self._entry("Measurements", reading.kind.replace("_", " "), [("When", _day(reading.when))], reading.refs)
        for treatment in facts.non_drug_treatments:
            lines = [("When", _day(treatment.when)), ("For", _indication(treatment.indication))]
            self._entry("Non-drug treatment", treatment.kind.replace("_", " "), lines, treatment.refs)


@dataclass(frozen=True, slots=True)
class _Scale:
    first: date
    last: date
    right: float

    @classmethod
    def over(cls, days: Iterable[date], today: date) -> "_Scale":
        """From the first day there is, but a year at least, to a little after the last."""
        oldest = date(max(1, today.year - LONGEST_YEARS), 1, 1)
        within = [day for day in days if oldest <= day <= date(today.year + 2, 12, 31)]
        first = min([*within, today - timedelta(days=365)])
        last = max([*within, today])
        margin = timedelta(days=max(10, (last - first).days // 40))
        width = (last - first).days / 365 * PER_YEAR
        return cls(first - margin, last + margin, LEFT + min(max(LEAST_WIDTH, width), MOST_WIDTH))

    def x(self, day: date) -> float:
        share = (min(max(day, self.first), self.last) - self.first).days / (self.last - self.first).days
        return round(LEFT + share * (self.right - LEFT), 1)

    def ticks(self) -> Iterator[Tick]:
        years = self.last.year - self.first.year
        months = (1,) if years > 5 else (1, 7) if years > 2 else (1, 4, 7, 10)
        every = 1 if years <= 16 else 5
        for year in range(self.first.year, self.last.year + 1):
            for month in months:
                day = date(year, month, 1)
                if self.first <= day <= self.last and year % every == 0:
                    yield Tick(self.x(day), str(year) if month == 1 else f"{day:%b}", month == 1)


class _Rows:
    """The rows of a lane: a bar goes to the first row in which it, its label and its sign are alone."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def place(self, start: float, end: float) -> int:
        for number, taken in enumerate(self.ends):
            if start >= taken + 8:
                self.ends[number] = end
                return number
        self.ends.append(end)
        return len(self.ends) - 1


def _when(trial: Trial) -> tuple[date, date]:
    start = trial.start or trial.end
    return (start.first, start.last) if start else (date.min, date.min)


def _ending(trial: Trial) -> TrialEnding:
    return TrialEnding.ONGOING if trial.running else _BY_REASON.get(trial.stop.reason, TrialEnding.OTHER)


def _label(drug: Drug, trial: Trial) -> str:
    """The drug, and the highest dose it was taken at."""
    amounts = [step.amount for step in trial.steps if step.amount is not None]
    amount = max(amounts) if amounts else trial.single_dose
    if amount is None:
        return drug.name
    unit = drug.preventive.unit if drug.preventive and trial.use == "preventive" else "mg"
    return f"{drug.name} {amount:g} {unit}"


def _dose(amount: float | None, use: PreventiveUse | None) -> str:
    if amount is None:
        return "dose not recorded"
    return f"{amount:g} {use.unit} per {use.per}" if use else f"{amount:g} mg per day"


def _period(trial: Trial) -> str:
    if trial.running:
        return f"since {_day(trial.start)}"
    return f"{_day(trial.start)} to {_day(trial.end)}"


def _day(when: When | None) -> str:
    return str(when) if when else "no date recorded"


def _why_ended(trial: Trial) -> str:
    if trial.running:
        return "ongoing"
    stop = trial.stop
    words = _ENDINGS[_BY_REASON[stop.reason]] if stop.reason in _BY_REASON else "reason not recorded"
    if stop.reason is StopReason.OTHER:
        words = "another reason"
    doubts = []
    if stop.reason is not StopReason.UNKNOWN and not stop.coded:
        doubts.append("from text")
    if stop.conflicting:
        doubts.append("reasons conflict")
    if stop.nonadherent:
        doubts.append("not taken as prescribed")
    return f"{words} ({', '.join(doubts)})" if doubts else words


def _indication(indication: Indication) -> str:
    return {
        Indication.MIGRAINE: "migraine",
        Indication.HEADACHE: "headache",
        Indication.OTHER: "something else",
        Indication.UNSTATED: "not said",
    }[indication]


def _counts(month: HeadacheMonth) -> str:
    counted = (
        ("debilitating headache", month.debilitating),
        ("headache", month.headache),
        ("migraine", month.migraine),
    )
    return ", ".join(f"{days:g} {name} days" for name, days in counted if days is not None) or "nothing counted"


def _days_high(days: float) -> float:
    return min(max(days, 0.0), MOST_DAYS) / MOST_DAYS * (MONTHS_HEIGHT - 8)


def _next_month(month: date) -> date:
    """The first of the next month; of the last month there is, its last day."""
    if (month.year, month.month) == (date.max.year, date.max.month):
        return date.max
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _later(day: date, days: int) -> date:
    """So many days later, or the last day there is."""
    return day + timedelta(days=days) if days < (date.max - day).days else date.max


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
