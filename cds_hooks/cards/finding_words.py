"""One finding as its card's template sees it, in words. Templates loop and choose; they compute nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, NewType, cast

from prodrome.cds_hooks.cards import preventives_tried
from prodrome.cds_hooks.cards.markdown import Trusted, joined, separated
from prodrome.cds_hooks.cards.options_words import Choice, Options
from prodrome.cds_hooks.cards.patient_words import (
    Month,
    Sheet,
    number,
)
from prodrome.rules import MEDICATION, AttackRecord, ExceptionalDose, Finding, at_full_dose, dose_exceptions, rows
from prodrome.rules.engine import Indicator
from prodrome.rules.guideline import NumericParameter


@dataclass(frozen=True, slots=True)
class FailedAcute:
    """An acute drug that failed. Attacks are ``None`` where it was not tolerated."""

    drug: Trusted
    by: Trusted
    doses: tuple[Trusted, ...] = ()
    treated: float | None = None
    relieved: float | None = None


@dataclass(frozen=True, slots=True)
class Classes:
    """What became of the preventive or acute classes: those open, those ruled out, names of those tried too briefly."""

    open: tuple[Choice, ...]
    barred: tuple[Choice, ...]
    brief: tuple[Trusted, ...]

    @classmethod
    def of(cls, choices: Iterable[Choice]) -> "Classes":
        """The choices sorted by whether they are open, barred or tried too briefly."""
        open_: list[Choice] = []
        barred: list[Choice] = []
        brief: list[Trusted] = []
        for choice in choices:
            if choice.status == "open":
                open_.append(choice)
            elif choice.status == "barred":
                barred.append(choice)
            elif choice.status == "tried too briefly":
                brief.append(choice.name)
        return cls(tuple(open_), tuple(barred), tuple(brief))

    @property
    def barred_told(self) -> tuple[Trusted, ...]:
        """The classes ruled out, each with why."""
        return tuple([Trusted(f"{choice.name} ({joined(choice.members.reasons)})") for choice in self.barred])


def _with_barred(choice: Choice) -> Trusted:
    barred = [f"{member.name}: {joined(member.barred)}" for member in choice.members.barred]
    return Trusted(f"{choice.name} (not {', '.join(barred)})")


@dataclass(frozen=True, slots=True)
class Firsts:
    """What may be used first in pregnancy or while breastfeeding, and what may not; classes where all of them may not.

    ``advice`` says of each drug under which condition.
    """

    title: Trusted
    drugs: tuple[Trusted, ...]
    advice: tuple[Trusted, ...]
    barred_preventives: tuple[Trusted, ...]
    barred_acutes: tuple[Trusted, ...]

    @classmethod
    def of(cls, options: Options) -> "Firsts":
        """What holds for the patient of these options."""
        sheet = options.sheet
        order = sheet.guideline.evidence_order
        listed = order.pregnancy if sheet.expecting else order.breastfeeding
        known = [one for one in listed if not sheet.barred(sheet.drug(one.drug)) and one.drug not in sheet.failed_drugs]
        return cls(
            title=Trusted("Options in pregnancy" if sheet.expecting else "Options while breastfeeding"),
            drugs=sheet.names(one.drug for one in known),
            advice=tuple(
                Trusted(f"{sheet.name(one.drug)}: {one.only}" if one.only else sheet.name(one.drug)) for one in known
            ),
            barred_preventives=tuple(_barred(options.preventives, sheet, {one.drug for one in known})),
            barred_acutes=tuple(_barred(options.acutes, sheet, {one.drug for one in known})),
        )


def _barred(choices: Iterable[Choice], sheet: Sheet, firsts: set[str]) -> Iterator[Trusted]:
    """The drugs but the first ones that something speaks against, by class where that is so for the whole class."""
    for choice in choices:
        out = [member for member in choice.members.all if member.drug.id not in firsts and sheet.reasons(member.drug)]
        if len(out) == len(choice.members.all):
            yield choice.name
        elif out:
            yield from (member.name for member in out)


@dataclass(frozen=True, slots=True)
class Overuse:
    """Days of a class of acute drugs in the last months, the oldest first.

    ``least`` differs from ``days`` where only the days of each class are known, which may have been the same days.
    """

    name: Trusted
    days: tuple[float, ...]
    least: tuple[float, ...]

    @property
    def up_to(self) -> bool:
        """Whether ``days`` are at most so many, as the same days may be counted under two classes."""
        return self.least != self.days


ParameterName = NewType("ParameterName", str)
"""The name of a parameter that is a number, as a template writes it."""
Kind = NewType("Kind", str)
"""A kind of FHIR resource, as a template writes it."""
RuleId = NewType("RuleId", str)
"""The id of a rule that has a card, as a template writes it."""
OptionKind = Literal["combination", "procedure", "device", "non_drug"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The rules that have a card in the answer, in its order; the first that calls the migraine difficult to treat.

    ``counts_classes``: whether one of them counts the classes of the definition.
    """

    rules: tuple[str, ...]
    first_difficult: str | None
    counts_classes: bool


class View:
    """What a template may ask about its finding; ``sheet`` answers for the patient."""

    def __init__(self, finding: Finding, sheet: Sheet, options: Options, answer: Answer, *, brief: bool) -> None:
        self.finding = finding
        self.sheet = sheet
        self.options = options
        self.answer = answer
        self._brief = brief

    @property
    def brief(self) -> bool:
        """Whether the card leaves out what can be missed, because it is one of many."""
        return self._brief

    # The cards beside this one

    def is_beside(self, rule: RuleId) -> bool:
        """Whether the answer holds a card of the rule."""
        return rule in self.answer.rules

    @property
    def first_difficult(self) -> bool:
        """Whether this is the first card of the answer that calls the migraine difficult to treat."""
        return self.finding.rule.id == self.answer.first_difficult

    @property
    def beside_the_definition(self) -> bool:
        """Whether a card of the answer counts the classes of the definition."""
        return self.answer.counts_classes

    @property
    def at_discharge(self) -> bool:
        """Whether the patient is being discharged."""
        return self.sheet.judgement.hook == "encounter-discharge"

    def parameter(self, name: ParameterName) -> float:
        """The value in force of a parameter that is a number."""
        return cast(float, self.sheet.guideline.value(name))

    def _number(self, name: NumericParameter) -> float:
        return self.sheet.guideline.number(name)

    def _last(self, parameter: NumericParameter) -> tuple[Month, ...]:
        return self.sheet.months(self._number(parameter))

    def _rows(self, row: type[rows.R]) -> tuple[rows.R, ...]:
        return self.sheet.judgement.rows(row)

    @property
    def indicator(self) -> Indicator:
        """How urgent the card is."""
        return self.finding.indicator

    @property
    def today(self) -> date:
        """The day of the judgement."""
        return self.sheet.today

    def unseen(self, *kinds: Kind) -> tuple[Trusted, ...]:
        """Those kinds of resource that are not complete, in words."""
        return self.sheet.unseen(*kinds)

    @property
    def unseen_medication(self) -> tuple[Trusted, ...]:
        """Those kinds of resource that speak of medication and are not complete, in words."""
        return self.sheet.unseen(*MEDICATION)

    @property
    def uncontrolled_months(self) -> tuple[rows.UncontrolledMonth, ...]:
        """The recent months with more days than control leaves, the oldest first."""
        return tuple(sorted(self._rows(rows.UncontrolledMonth), key=lambda row: row.month))

    @property
    def insufficient_months(self) -> tuple[Month, ...]:
        """The months that the definition of insufficient control looks at, the oldest first."""
        return self._last("insufficient_months")

    @property
    def resistant_months(self) -> tuple[Month, ...]:
        """The months that the definition of resistant migraine looks at, the oldest first."""
        return self._last("resistant_months")

    # Difficult-to-treat migraine

    @cached_property
    def used_up(self) -> tuple[preventives_tried.ClassRow, ...]:
        """The classes of preventives that failed, are contraindicated, or may have failed."""
        return preventives_tried.used_up(self.sheet)

    @property
    def exhausted(self) -> tuple[preventives_tried.ClassRow, ...]:
        """Those classes that are used up for certain."""
        return tuple([row for row in self.used_up if row.status != "perhaps failed"])

    @property
    def uncertain(self) -> tuple[preventives_tried.ClassRow, ...]:
        """Those classes whose failure is uncertain."""
        return tuple([row for row in self.used_up if row.status == "perhaps failed"])

    def told(self, months: tuple[Month, ...]) -> Trusted:
        """The days of each month."""
        return separated([month.told for month in months], ", ")

    @property
    def uncontrolled_days(self) -> Trusted:
        """The days of each recent month that control does not leave, by the kind that shows it."""
        by = {row.month: row.by for row in self.uncontrolled_months}
        return separated([month.told_by(by[month.name]) for month in self.insufficient_months], ", ")

    @property
    def uncontrolled_by(self) -> tuple[Trusted, ...]:
        """The kinds of days that show it: migraine days, or what stands for them."""
        return tuple(dict.fromkeys([Trusted(row.by) for row in self.uncontrolled_months]))

    def by_proxy(self, months: tuple[Month, ...]) -> tuple[Trusted, ...]:
        """The months that are heavy by headache or migraine days alone."""
        return tuple([month.name for month in months if month.heavy == "proxy"])

    def unrecorded(self, months: tuple[Month, ...]) -> tuple[Month, ...]:
        """The months not known to be heavy of which neither headache nor migraine days are recorded."""
        light = [month for month in months if not month.heavy]
        return tuple([month for month in light if month.headache is None and month.migraine is None])

    def recorded(self, months: tuple[Month, ...]) -> tuple[Month, ...]:
        """The months not known to be heavy of which they are: headache days first, then migraine days alone."""
        light = [month for month in months if not month.heavy]
        by_headache = [month for month in light if month.headache is not None]
        return (*by_headache, *[month for month in light if month.headache is None and month.migraine is not None])

    def months(self, parameter: ParameterName) -> tuple[Month, ...]:
        """As many months as a parameter says, the oldest first."""
        return self.sheet.months(self.parameter(parameter))

    @property
    def least_days(self) -> float:
        """The fewest debilitating days of a month that the definition of resistant migraine looks at."""
        heavy = [month for month in self._last("resistant_months") if month.heavy]
        return min([month.days or 0.0 for month in heavy], default=0.0)

    @property
    def failed_triptans(self) -> int:
        """How many triptans failed."""
        return self.sheet.judgement.count("failed_triptans")

    @cached_property
    def triptan_bars(self) -> tuple[Trusted, ...]:
        """What rules out every triptan."""
        known = self.sheet.guideline.contraindications
        ids = dict.fromkeys([bar.contraindication for bar in self._rows(rows.TriptanIneligible)])
        return tuple([Trusted(known[id_].label) for id_ in ids])

    @cached_property
    def triptan_clause(self) -> Literal["met", "unmet", "unknown"]:
        """``met``, ``unmet`` or ``unknown``: whether debilitating days came despite two triptans. Reported only."""
        if self.triptan_bars or self.failed_triptans >= self._number("acute_unresponsive_triptans"):
            return "met"
        taken = [self.sheet.drug(self.sheet.trial(name).drug).acute for name in self.sheet.migraine_trials]
        taken += [self.sheet.drug(record.drug).acute for record in self.sheet.facts.attack_records]
        known = any(acute and acute.drug_class == "triptan" for acute in taken)
        return "unmet" if known and not self.unseen_medication else "unknown"

    @cached_property
    def acute_failures(self) -> tuple[FailedAcute, ...]:
        """The acute drugs that failed, by id, each with how; in how many attacks is told where it is known."""
        found: dict[str, FailedAcute] = {}
        attacks = {row.drug for row in self._rows(rows.Attacks)}
        for failure in self._rows(rows.AcuteFailure):
            id_, by = failure.drug, Trusted(failure.by)
            if failure.by == "lack of efficacy" and id_ in attacks:
                found[id_] = self._in_attacks(id_, by)
            else:
                found.setdefault(id_, FailedAcute(self.sheet.name(id_), by))
        return tuple(found[id_] for id_ in sorted(found))

    def _in_attacks(self, id_: str, by: Trusted) -> FailedAcute:
        exceptions = dose_exceptions(self.sheet.facts, self.sheet.drug(id_))
        records = [record for record in self.sheet.facts.attack_records if self._counts(record, id_, exceptions)]
        doses = dict.fromkeys(number(record.single_dose) for record in records if record.single_dose is not None)
        treated, relieved = sum(record.treated for record in records), sum(record.relieved for record in records)
        return FailedAcute(self.sheet.name(id_), by, tuple(doses), treated, relieved)

    def _counts(self, record: AttackRecord, id_: str, exceptions: Iterable[ExceptionalDose]) -> bool:
        sheet = self.sheet
        full = at_full_dose(sheet.guideline, sheet.drug(id_), record.single_dose, record.route, exceptions)
        return sheet.base(record.drug) == id_ and full == "yes" and record.drug in sheet.options.in_attacks

    # Options

    @cached_property
    def preventives(self) -> Classes:
        """The classes of preventives, by whether they are still open."""
        return Classes.of(self.options.preventives)

    @cached_property
    def acutes(self) -> Classes:
        """The classes of acute drugs, by whether they are still open."""
        return Classes.of(self.options.acutes)

    @property
    def open_preventives(self) -> tuple[Trusted, ...]:
        """The names of the preventive classes still open."""
        return tuple([choice.name for choice in self.preventives.open])

    @property
    def open_classes(self) -> tuple[Trusted, ...]:
        """The names of the classes still open, none twice."""
        return tuple(dict.fromkeys(self.open_preventives + self.open_acutes))

    @property
    def attacks(self) -> tuple[Trusted, ...]:
        """The acute classes still open, each with the drugs of it that are ruled out."""
        return tuple(
            [choice.name if not choice.members.barred else _with_barred(choice) for choice in self.acutes.open]
        )

    @property
    def open_acutes(self) -> tuple[Trusted, ...]:
        """The names of the acute classes still open."""
        return tuple([choice.name for choice in self.acutes.open])

    def others(self, kind: OptionKind) -> tuple[Trusted, ...]:
        """Combinations, procedures, devices or non-drug treatments left, with who should avoid them."""
        return self.options.others(kind)

    @property
    def ordered_by(self) -> Trusted:
        """The body whose recommendations order the preventives, and for which migraine."""
        body = self.sheet.guideline.evidence_order.bodies[self.sheet.judgement.locale]
        return Trusted(f"{body.name} for {'chronic' if self.sheet.chronic else 'episodic'} migraine")

    @cached_property
    def emergency_drugs(self) -> Trusted:
        """What an emergency department may give."""
        return joined(self.options.emergency, "or")

    @property
    def firsts(self) -> Firsts:
        """What may be used first in pregnancy or while breastfeeding."""
        return Firsts.of(self.options)

    # Overuse

    @property
    def must_taper(self) -> bool:
        """Whether opioids, or combinations that may hold butalbital, are among what was used."""
        return any(use.overuse_class in ("opioid", "combination-analgesic") for use in self._rows(rows.AcuteDays))

    @property
    def overuse(self) -> tuple[Overuse, ...]:
        """Each class used in the last months, and their days together where there is more than one."""
        months = range(int(self._number("moh_months")), 0, -1)
        used: dict[str, dict[int, tuple[float, float]]] = {}
        for use in self._rows(rows.AcuteDays):
            used.setdefault(use.overuse_class, {})[int(use.months_ago)] = (float(use.days), float(use.days))
        if len(used) > 1:
            used["all together"] = {
                int(use.months_ago): (float(use.days), float(use.least_days))
                for use in self._rows(rows.AcuteUseTogether)
            }
        found = []
        for name, row in used.items():
            if any(month in row for month in months):
                bounds = [row.get(month, (0.0, 0.0)) for month in months]
                days, least = tuple(most for most, _ in bounds), tuple(least for _, least in bounds)
                found.append(Overuse(Trusted(name.replace("-", " ")), days, least))
        return tuple(found)

    @cached_property
    def overused(self) -> Overuse:
        """The class whose overuse the card names: one that reached its threshold each month, else all together."""
        counted: dict[str, set[str]] = {}
        for overuse in self._rows(rows.OveruseMonth):
            counted.setdefault(overuse.overuse_class, set()).add(overuse.month)
        each = [name for name, months in counted.items() if len(months) >= self._number("moh_months")]
        single = next((name for name in each if name != rows.SEVERAL_CLASSES), None)
        listed = {row.name: row for row in self.overuse}
        if single:
            return listed[Trusted(single.replace("-", " "))]
        together = listed.get(Trusted("all together")) or next(iter(listed.values()))
        return Overuse(Trusted("acute medication"), together.days, together.least)
