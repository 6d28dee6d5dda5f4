"""The history of a patient as one picture: what the SVG of the page draws, worked out from the facts.

Time runs from left to right. Each drug class has a lane, in which every trial is a bar with its dose steps; below are
hospital visits, specialist care, and headache days per month with the threshold. Everything drawn names an
:class:`HistoryEntry`: the words, and the FHIR references it was read from. Units of all coordinates are SVG user units.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from prodrome.cds_hooks.workbench.history_words import (
    capital,
    counts_in_words,
    day_in_words,
    dose_in_words,
    ending_of,
    indication_in_words,
    label_of,
    period_in_words,
    when_it_began,
    why_it_ended,
)
from prodrome.cds_hooks.workbench.layout import (
    BAR_HEIGHT,
    BAR_TOP,
    CHARACTER,
    CLEAR,
    GLYPH,
    LANE_GAP,
    LEAST_COUNTED,
    LEFT,
    MARGIN,
    MARK_ROW,
    MONTHS_HEIGHT,
    ROW,
    STUB,
    TOP,
    Rows,
    Scale,
    days_high,
    days_later,
    next_month,
)
from prodrome.cds_hooks.workbench.picture import (
    Adequate,
    Bar,
    Column,
    HistoryEntry,
    Lane,
    Mark,
    MarkLane,
    Months,
    Part,
    Picture,
    Stretch,
    Year,
)
from prodrome.rules import (
    Facts,
    FollowUp,
    HeadacheMonth,
    HospitalVisit,
    Indication,
    Refs,
    Step,
    Trial,
    adequacy,
)
from prodrome.rules.guideline import Drug, Guideline, PreventiveUse


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
        self.scale = Scale.over(self._days(), self.today)
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
            rows = Rows()
            bars = [self._bar(trial, rows, y) for trial in sorted(by_class[name], key=when_it_began)]
            height = ROW * len(rows.ends)
            yield Lane(name, y, height, tuple(bars))
            y += height + LANE_GAP

    def _class(self, trial: Trial) -> str:
        drug = self.guideline.drugs[trial.drug]
        if trial.use == "preventive" and drug.preventive:
            return capital(self.guideline.classes[drug.preventive.ehf_class].name)
        return capital(self.guideline.acute_classes[drug.acute.drug_class].plural) if drug.acute else "Other drugs"

    def _place(self, name: str) -> int:
        names = [capital(one.name) for one in self.guideline.classes.values()]
        names += [capital(one.plural) for one in self.guideline.acute_classes.values()]
        return names.index(name) if name in names else len(names)

    def _bar(self, trial: Trial, rows: Rows, lane_y: float) -> Bar:
        drug = self.guideline.drugs[trial.drug]
        x, end, uncertain = self._ends(trial)
        label = label_of(drug, trial)
        wide = len(label) * CHARACTER
        label_x, anchor = self._label_place(x, wide)
        left = min(x, label_x if anchor == "start" else label_x - wide)
        y = lane_y + ROW * rows.place(left, max(end + GLYPH, left + wide))
        use = drug.preventive if trial.use == "preventive" else None
        met = self._is_adequate(trial, use) if use else None
        dates = [one.when for one in trial.administrations if one.when]
        return Bar(
            entry=self._trial_entry(trial, drug, use, met),
            drug=drug.name,
            ending=ending_of(trial),
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

    def _label_place(self, x: float, wide: float) -> tuple[float, str]:
        """Where the label of a bar that begins at *x* stands, so that the line of today does not strike it."""
        today = self.scale.x(self.today)
        fits = x + wide < today - CLEAR if x < today else x + wide < self.scale.right
        room = today - CLEAR - wide >= LEFT
        return (x, "start") if fits or not room else (round(today - CLEAR, 1), "end")

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
        return Adequate(x, max(2.0, self.scale.x(days_later(first, use.min_days)) - x), y, met)

    def _trial_entry(self, trial: Trial, drug: Drug, use: PreventiveUse | None, met: str | None) -> HistoryEntry:
        lines = [("When", period_in_words(trial))]
        doses = [(step, dose_in_words(step.amount, use)) for step in trial.steps]
        if len(doses) == 1:
            lines.append(("Dose", doses[0][1]))
        elif doses:
            lines.append(("Doses", ", then ".join(f"{dose} from {day_in_words(step.start)}" for step, dose in doses)))
        if trial.single_dose is not None and trial.use == "acute":
            lines.append(("Single dose", f"{trial.single_dose:g} mg{f' {trial.route}' if trial.route else ''}"))
        if trial.administrations:
            dates = ", ".join(day_in_words(one.when) for one in trial.administrations)
            lines.append(("Given", f"{len(trial.administrations)} times: {dates}"))
        lines.append(("Ended", why_it_ended(trial)))
        if use:
            at_least = f"{use.min_adequate:g} {use.unit} per {use.per}" if use.min_adequate else "any dose"
            needs = f"{at_least} for {use.min_days} days"
            words = {"yes": "reached", "no": "not reached"}.get(met or "", "cannot be told")
            lines.append(("Adequate trial", f"{needs}: {words}"))
        lines.append(("For", indication_in_words(trial.indication)))
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
        until = "still there" if visit.running else f"until {day_in_words(visit.end)}"
        entry = self._entry(
            "Visits and contacts",
            "Hospital visit",
            [("When", f"from {day_in_words(visit.start)}, {until}"), ("For", indication_in_words(visit.reason))],
            visit.refs,
        )
        width = max(0.0, self.scale.x(end) - x) if end else 0.0
        return Mark(entry, "hospital" if migraine else "hospital-other", x, y + MARK_ROW / 2, round(width, 1))

    def _care(self, care: FollowUp, y: float) -> Mark:
        heading = {"contact": "Specialist contact", "referral": "Referral", "appointment": "Appointment ahead"}
        entry = self._entry(
            "Visits and contacts", heading.get(care.kind, care.kind), [("When", day_in_words(care.when))], care.refs
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
            lines = [(f"{month.month:%B}", counts_in_words(month)) for month in months]
            refs = tuple(dict.fromkeys(ref for month in months for ref in month.refs))
            entry = self._entry("Headache days per month", str(year), lines, refs)
            years.append(Year(entry, tuple(column for month in months for column in self._columns(month, floor))))
        scale = tuple((round(floor - days_high(days), 1), f"{days:g}") for days in (0.0, 15.0, 30.0))
        return Months(y, MONTHS_HEIGHT, tuple(years), threshold, round(floor - days_high(threshold), 1), scale)

    def _columns(self, month: HeadacheMonth, floor: float) -> Iterator[Column]:
        x = self.scale.x(month.month)
        width = max(1.5, (self.scale.x(next_month(month.month)) - x) * 0.78)
        title = f"{month.month:%B %Y}: {counts_in_words(month)}"
        proxy = month.headache if month.headache is not None else month.migraine
        for days, attested in ((proxy, False), (month.debilitating, True)):
            if days is not None:
                height = round(max(1.0, days_high(days)), 1)
                decides = attested or month.debilitating is None
                label = f"{days:g}" if decides and width >= LEAST_COUNTED else ""
                yield Column(title, label, x, round(width, 1), round(floor - height, 1), height, attested)

    # What is read but not drawn

    def _unseen(self) -> None:
        facts, drugs = self.facts, self.guideline.drugs
        for condition in facts.conditions:
            sets = [self.guideline.code_sets[name] for name in sorted(condition.names)]
            names = "; ".join(dict.fromkeys(code_set.title for code_set in sets))
            lines = [("Counts as", names or "nothing the rules look at"), ("Since", day_in_words(condition.onset))]
            self._entry("Conditions", condition.display or "Condition", lines, condition.refs)
        for allergy in facts.allergies:
            kind = allergy.kind or "type not said"
            name = drugs[allergy.drug].name if allergy.drug in drugs else "NSAIDs"
            told = f"{name}, in a product" if allergy.within else name
            self._entry("Allergies", told, [("Kind", kind)], allergy.refs)
        for record in facts.attack_records:
            said = f"{record.relieved} of {record.treated} attacks relieved"
            dose = f"{record.single_dose:g} mg" if record.single_dose is not None else "not recorded"
            lines = [("Response", said), ("Single dose", dose)]
            self._entry("Attack records", drugs[record.drug].name, lines, record.refs)
        for use in facts.acute_use_months:
            lines = [(name.replace("-", " "), f"{days:g} days") for name, days in sorted(use.days.items())]
            self._entry("Acute medication days", f"{use.month:%B %Y}", lines or [("All classes", "0 days")], use.refs)
        for reading in facts.readings:
            self._entry(
                "Measurements", reading.kind.replace("_", " "), [("When", day_in_words(reading.when))], reading.refs
            )
        for treatment in facts.non_drug_treatments:
            lines = [("When", day_in_words(treatment.when)), ("For", indication_in_words(treatment.indication))]
            self._entry("Non-drug treatment", treatment.kind.replace("_", " "), lines, treatment.refs)
