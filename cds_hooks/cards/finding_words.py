"""One finding as its card's template sees it, in words. Templates loop and choose; they compute nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from prodrome.cds_hooks.cards import preventives_tried
from prodrome.cds_hooks.cards.markdown import Trusted
from prodrome.cds_hooks.cards.options_words import Choice, Options
from prodrome.cds_hooks.cards.patient_words import (
    ACUTE_CLASSES,
    EXCEPTIONS,
    MEDICATION,
    Month,
    Reason,
    Sheet,
    amount,
    days,
    number,
)
from prodrome.rules import (
    ABSOLUTE,
    AttackRecord,
    DoseException,
    DraftOrder,
    Finding,
    at_full_dose,
    dose_exceptions,
    full_dose,
    length,
)
from prodrome.rules.engine import Fact
from prodrome.rules.guideline import Drug, SideEffects


@dataclass(frozen=True, slots=True)
class AcuteFailure:
    """An acute drug that failed. Attacks are ``None`` where it was not tolerated."""

    drug: Trusted
    by: Trusted
    doses: tuple[Trusted, ...] = ()
    treated: float | None = None
    relieved: float | None = None


@dataclass(frozen=True, slots=True)
class SingleDose:
    """A single dose beside the full one by its route, in mg; ``None`` where the guideline gives no number."""

    drug: Trusted
    dose: float
    full: float
    usual: float | None
    max_24h: float | None
    repeat_hours: float | None
    exceptions: tuple[Trusted, ...]
    not_evaluated: tuple[Trusted, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What to expect of a preventive. ``judge_on`` counts from today."""

    common: tuple[Trusted, ...]
    usually_lessen: tuple[Trusted, ...]
    stop_and_call: tuple[Trusted, ...]
    onset_weeks: Trusted
    judge_weeks: int
    judge_on: date
    target: Trusted | None


@dataclass(frozen=True, slots=True)
class Brief:
    """A trial too short or too low to count: what was done, and what it takes."""

    course: preventives_tried.Course
    enough: Trusted
    needed: Trusted


@dataclass(frozen=True, slots=True)
class OpenClass:
    """An acute class of which a drug failed, and what of it is left: drugs with routes, other routes of that drug."""

    name: Trusted
    failed: tuple[Trusted, ...]
    untried: tuple[Trusted, ...]
    other_routes: tuple[Trusted, ...]


@dataclass(frozen=True, slots=True)
class Classes:
    """What became of the preventive or acute classes: those open, those ruled out, names of those tried too briefly."""

    open: tuple[Choice, ...]
    barred: tuple[Choice, ...]
    brief: tuple[Trusted, ...]

    @classmethod
    def of(cls, choices: Iterable[Choice]) -> "Classes":
        by_status: dict[str, list[Choice]] = {}
        for choice in choices:
            by_status.setdefault(choice.status, []).append(choice)
        brief = by_status.get("tried too briefly", ())
        return cls(
            open=tuple(by_status.get("open", ())),
            barred=tuple(by_status.get("barred", ())),
            brief=tuple(choice.name for choice in brief),
        )


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
        return self.least != self.days


class View:
    """What a template may ask about its finding; ``sheet`` answers for the patient."""

    def __init__(self, finding: Finding, sheet: Sheet, options: Options) -> None:
        self.finding = finding
        self.sheet = sheet
        self.options = options

    def taken(self, alias: str) -> tuple[Fact, ...]:
        """The facts one condition of the rule took, each once."""
        facts = [match.bindings[alias] for match in self.finding.matches if alias in match.bindings]
        return tuple({fact.id: fact for fact in facts}.values())

    def parameter(self, name: str) -> float:
        return self.sheet.parameter(name)

    @property
    def indicator(self) -> str:
        return self.finding.indicator

    @property
    def today(self) -> date:
        return self.sheet.today

    def unseen(self, *kinds: str) -> tuple[Trusted, ...]:
        return self.sheet.unseen(*kinds)

    @property
    def unseen_medication(self) -> tuple[Trusted, ...]:
        return self.sheet.unseen(*MEDICATION)

    # The order in hand

    @cached_property
    def order(self) -> DraftOrder | None:
        return self.sheet.facts.order(self.finding.order)

    @property
    def ordered(self) -> Drug:
        """The ordered drug. Only for cards about an order."""
        assert self.order is not None
        return self.sheet.drug(self.order.drug)

    @property
    def drug(self) -> Trusted:
        return Trusted(self.ordered.name)

    @property
    def drug_class(self) -> Trusted:
        return self.sheet.class_name(self.ordered)

    @property
    def is_antibody(self) -> bool:
        use = self.ordered.preventive
        return use is not None and use.drug_class == "cgrp_mab"

    # Difficult-to-treat migraine

    @cached_property
    def used_up(self) -> tuple[preventives_tried.ClassRow, ...]:
        return preventives_tried.used_up(self.sheet)

    @cached_property
    def exhausted(self) -> tuple[preventives_tried.ClassRow, ...]:
        return tuple(row for row in self.used_up if row.status != "perhaps failed")

    @cached_property
    def uncertain(self) -> tuple[preventives_tried.ClassRow, ...]:
        return tuple(row for row in self.used_up if row.status == "perhaps failed")

    def months(self, parameter: str) -> tuple[Month, ...]:
        return self.sheet.months(self.parameter(parameter))

    @property
    def least_days(self) -> float:
        """The fewest debilitating days of a month that the definition of resistant migraine looks at."""
        heavy = [month for month in self.months("resistant_months") if month.heavy]
        return min(
            (next((n for n in (m.debilitating, m.headache, m.migraine) if n is not None), 0.0) for m in heavy),
            default=0.0,
        )

    @cached_property
    def failed_triptans(self) -> int:
        return self.sheet.tally("failed_triptans")

    @cached_property
    def triptan_bars(self) -> tuple[Trusted, ...]:
        """What rules out every triptan."""
        known = self.sheet.guideline.contraindications
        ids = (str(fact.fields["contraindication"]) for fact in self.sheet.flat("triptan_ineligible"))
        return tuple(Trusted(known[id_].label) for id_ in dict.fromkeys(ids))

    @cached_property
    def triptan_clause(self) -> str:
        """``met``, ``unmet`` or ``unknown``: whether debilitating days came despite two triptans. Reported only."""
        if self.triptan_bars or self.failed_triptans >= self.parameter("acute_unresponsive_triptans"):
            return "met"
        taken = [self.sheet.drug(self.sheet.trial(name).drug).acute for name in self.sheet.migraine_trials]
        taken += [self.sheet.drug(record.drug).acute for record in self.sheet.facts.attack_records]
        known = any(acute and acute.drug_class == "triptan" for acute in taken)
        return "unmet" if known and not self.unseen_medication else "unknown"

    @cached_property
    def acute_failures(self) -> tuple[AcuteFailure, ...]:
        found: dict[str, AcuteFailure] = {}
        attacks = {str(fact.fields["drug"]): fact for fact in self.sheet.flat("attacks")}
        for fact in self.sheet.flat("acute_failure"):
            id_, by = str(fact.fields["drug"]), Trusted(fact.fields["by"])
            if by == "lack of efficacy" and id_ in attacks:
                found[id_] = self._in_attacks(id_, by)
            else:
                found.setdefault(id_, AcuteFailure(self.sheet.name(id_), by))
        return tuple(found[id_] for id_ in sorted(found))

    def _in_attacks(self, id_: str, by: Trusted) -> AcuteFailure:
        exceptions = dose_exceptions(self.sheet.facts, self.sheet.drug(id_))
        rows = [record for record in self.sheet.facts.attack_records if self._counts(record, id_, exceptions)]
        doses = dict.fromkeys(number(row.single_dose) for row in rows if row.single_dose is not None)
        treated, relieved = sum(row.treated for row in rows), sum(row.relieved for row in rows)
        return AcuteFailure(self.sheet.name(id_), by, tuple(doses), treated, relieved)

    def _counts(self, record: AttackRecord, id_: str, exceptions: Iterable[DoseException]) -> bool:
        sheet = self.sheet
        full = at_full_dose(sheet.guideline, sheet.drug(id_), record.single_dose, record.route, exceptions)
        return sheet.base(record.drug) == id_ and full == "yes" and record.drug in self.options.in_attacks

    # Options

    @cached_property
    def preventives(self) -> Classes:
        return Classes.of(self.options.preventives)

    @cached_property
    def acutes(self) -> Classes:
        return Classes.of(self.options.acutes)

    @property
    def open_preventives(self) -> tuple[Trusted, ...]:
        return tuple(choice.name for choice in self.preventives.open)

    @property
    def open_acutes(self) -> tuple[Trusted, ...]:
        return tuple(choice.name for choice in self.acutes.open)

    def others(self, kind: str) -> tuple[tuple[Trusted, Trusted | None], ...]:
        """Combinations, procedures, devices or non-drug treatments left, by who should avoid them."""
        found: dict[str | None, list[Trusted]] = {}
        for option in self.options.others(kind):
            found.setdefault(option.avoid, []).append(Trusted(option.name))
        return tuple((Trusted("; ".join(names)), Trusted(avoid) if avoid else None) for avoid, names in found.items())

    # Preventives

    @cached_property
    def prior(self) -> tuple[preventives_tried.Course, ...]:
        """The failures in the ordered drug's class."""
        named = dict.fromkeys((str(fact.fields["trial"]), str(fact.fields["drug"])) for fact in self.taken("f"))
        return tuple(preventives_tried.failed_course(self.sheet, trial, drug) for trial, drug in named)

    @property
    def speaks_alone(self) -> bool:
        """Whether a failure in the ordered drug's class speaks for that drug only."""
        use = self.ordered.preventive
        return use is not None and use.drug_class in self.sheet.guideline.classes_of_single_drugs

    @property
    def same_again(self) -> bool:
        return self.sheet.base(self.ordered.id) in {fact.fields["drug"] for fact in self.taken("f")}

    @property
    def only_tolerability(self) -> bool:
        return {fact.fields["by"] for fact in self.taken("f")} == {"lack of tolerability"}

    @property
    def washout_months(self) -> int | None:
        """How long before conception the ordered drug is stopped; ``None`` where no label says, and for men."""
        patient, use = self.sheet.facts.patient, self.ordered.preventive
        return use.washout_months if use and not (patient and patient.sex == "male") else None

    @cached_property
    def profile(self) -> Profile:
        use = self.ordered.preventive
        assert use is not None
        effects = use.side_effects
        assert isinstance(effects, SideEffects)
        return Profile(
            common=_trusted(effects.common),
            usually_lessen=_trusted(effects.usually_lessen),
            stop_and_call=_trusted(effects.stop_and_call),
            onset_weeks=Trusted(effects.onset_weeks),
            judge_weeks=effects.judge_weeks,
            judge_on=self.today + timedelta(weeks=effects.judge_weeks),
            target=amount(use.target, use.unit, use.per) if use.target else None,
        )

    @cached_property
    def brief_trials(self) -> tuple[Brief, ...]:
        """Trials too short or too low, the latest stop first."""
        flat = sorted(self.taken("t"), key=lambda fact: float(fact.fields["stopped_days_ago_least"]))
        return tuple(self._brief(str(fact.fields["trial"])) for fact in flat)

    def _brief(self, name: str) -> Brief:
        trial = self.sheet.trial(name)
        use = self.sheet.drug(trial.drug).preventive
        assert use is not None
        least, at_least = preventives_tried.enough(self.sheet, trial, use)
        dose = f" at {amount(least, use.unit, use.per)} or more" if least is not None else ""
        if use.per == "day":
            return Brief(
                preventives_tried.course(self.sheet, name), days(at_least), Trusted(f"{use.min_days} days{dose}")
            )
        given = len(trial.administrations)
        done = Trusted(f"{given} given over {days(length(trial.start, trial.end))}" if given else days(at_least))
        needed = f"{use.min_administrations} administrations{dose}, over {use.min_days} days"
        return Brief(preventives_tried.course(self.sheet, name), done, Trusted(needed))

    # Acute drugs

    @cached_property
    def low_doses(self) -> tuple[SingleDose, ...]:
        """The doses below the full one: of the order, or of every drug taken now."""
        found: dict[Trusted, SingleDose] = {}
        for fact in self.taken("d"):
            said = self.order or self.sheet.trial(str(fact.fields["subject"]))
            low = self._single_dose(self.sheet.drug(said.drug), said.single_dose, said.route)
            if low:
                found.setdefault(low.drug, low)
        return tuple(found.values())

    def _single_dose(self, drug: Drug, dose: float | None, route: str | None) -> SingleDose | None:
        full = full_dose(self.sheet.guideline, drug, dose, route) if dose is not None else None
        if drug.acute is None or dose is None or full is None:
            return None
        row = drug.acute.dose(route or "oral")
        return SingleDose(
            drug=self.sheet.name(drug.id),
            dose=dose,
            full=full,
            usual=row.usual if row else None,
            max_24h=row.max_24h if row else None,
            repeat_hours=row.repeat_hours if row else None,
            exceptions=tuple(dict.fromkeys(Trusted(EXCEPTIONS[one.when]) for one in drug.acute.exceptions)),
            not_evaluated=_trusted(drug.acute.not_evaluated),
        )

    @cached_property
    def setbacks(self) -> tuple[OpenClass, ...]:
        failed: dict[str, list[str]] = {}
        for fact in self.taken("s"):
            failed.setdefault(str(fact.fields["acute_class"]), []).append(str(fact.fields["drug"]))
        return tuple(self._open_class(class_, drugs) for class_, drugs in failed.items())

    def _open_class(self, class_: str, failed: list[str]) -> OpenClass:
        return OpenClass(
            name=Trusted(ACUTE_CLASSES[class_]),
            failed=self.sheet.names(failed),
            untried=tuple(
                Trusted(f"{drug.name} ({', '.join(_routes(drug))})") for drug in self.options.untried(class_)
            ),
            other_routes=tuple(self._other_routes(failed)),
        )

    def _other_routes(self, failed: Iterable[str]) -> Iterable[Trusted]:
        taken = [(trial.drug, trial.route) for trial in self.sheet.facts.trials]
        taken += [(record.drug, record.route) for record in self.sheet.facts.attack_records]
        for id_ in dict.fromkeys(failed):
            tried = {route or "oral" for drug, route in taken if self.sheet.base(drug) == id_}
            left = [route for route in _routes(self.sheet.drug(id_)) if route not in tried]
            if left:
                yield Trusted(f"{self.sheet.name(id_)} ({', '.join(left)})")

    @property
    def overuse(self) -> tuple[Overuse, ...]:
        """Each class used in the last months, and their days together where there is more than one."""
        months = range(int(self.parameter("moh_months")), 0, -1)
        rows: dict[str, dict[int, tuple[float, float]]] = {}
        for fact in self.sheet.flat("acute_use"):
            by_month = rows.setdefault(str(fact.fields["overuse_class"]), {})
            by_month[int(fact.fields["months_ago"])] = (float(fact.fields["days"]), float(fact.fields["days"]))
        if len(rows) > 1:
            rows["all together"] = {
                int(fact.fields["months_ago"]): (float(fact.fields["days"]), float(fact.fields["least_days"]))
                for fact in self.sheet.flat("acute_use_together")
            }
        found = []
        for name, row in rows.items():
            if any(month in row for month in months):
                bounds = [row.get(month, (0.0, 0.0)) for month in months]
                days, least = tuple(most for most, _ in bounds), tuple(least for _, least in bounds)
                found.append(Overuse(Trusted(name.replace("-", " ")), days, least))
        return tuple(found)

    @cached_property
    def overused(self) -> Overuse:
        """The class whose overuse the card names: one that reached its threshold each month, else all together."""
        counted: dict[str, set[str]] = {}
        for fact in self.sheet.flat("overuse_month"):
            counted.setdefault(str(fact.fields["overuse_class"]), set()).add(str(fact.fields["month"]))
        each = [name for name, months in counted.items() if len(months) >= self.parameter("moh_months")]
        single = next((name for name in each if name != "several classes"), None)
        rows = {row.name: row for row in self.overuse}
        if single:
            return rows[Trusted(single.replace("-", " "))]
        together = rows.get(Trusted("all together")) or next(iter(rows.values()))
        return Overuse(Trusted("acute medication"), together.days, together.least)

    # Visits

    @property
    def visits(self) -> tuple[tuple[Trusted, bool], ...]:
        """The hospital episodes: start, and whether the stay goes on; the latest first."""
        episodes = sorted(self.taken("e"), key=lambda fact: float(fact.fields["days_ago_least"]))
        return tuple((Trusted(fact.fields["start"]), fact.fields["running"] is True) for fact in episodes)

    # Safety

    @cached_property
    def dangers(self) -> tuple[Reason, ...]:
        """What speaks against the order, the strongest first."""
        return tuple(reason for reason in self.sheet.reasons(self.ordered) if reason.level != "caution")

    @property
    def main_dangers(self) -> tuple[Trusted, ...]:
        """The reasons that set the card's indicator."""
        wanted = ABSOLUTE if self.indicator == "critical" else "relative"
        return tuple(dict.fromkeys(reason.label for reason in self.dangers if reason.level == wanted))

    @cached_property
    def cautions(self) -> tuple[Reason, ...]:
        return tuple(reason for reason in self.sheet.reasons(self.ordered) if reason.level == "caution")

    @property
    def not_evaluated(self) -> tuple[Trusted, ...]:
        return self.sheet.not_evaluated(self.ordered)

    @property
    def open_instead(self) -> tuple[Trusted, ...]:
        """The classes still open for what the order is for; none in pregnancy, which the tables do not cover."""
        assert self.order is not None
        if self.sheet.expecting_or_nursing:
            return ()
        return self.open_acutes if self.order.use == "acute" else self.open_preventives


def _routes(drug: Drug) -> tuple[str, ...]:
    return tuple(dose.route for dose in drug.acute.doses) if drug.acute else ()


def _trusted(texts: Iterable[str]) -> tuple[Trusted, ...]:
    return tuple(Trusted(text) for text in texts)
