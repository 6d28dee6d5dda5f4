"""What a rule's card says it shows (``card: {shows: {name: alias}}``), in words.

Each function of :data:`SHOWN` makes what a template knows under that name, of the facts that the condition took. The
type of its first argument says which facts those are; a function that asks for the order belongs to cards about one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prodrome.cds_hooks.cards import preventives_tried
from prodrome.cds_hooks.cards.eligibility_words import EligibilityWords
from prodrome.cds_hooks.cards.finding_words import View
from prodrome.cds_hooks.cards.markdown import Trusted
from prodrome.cds_hooks.cards.order_words import Order
from prodrome.cds_hooks.cards.patient_words import EXCEPTION_WORDS, Sheet, amount, days
from prodrome.cds_hooks.protocol import KIND_WORDS
from prodrome.rules import When, full_dose, length, most_allowed, rows
from prodrome.rules.guideline import Drug


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures in the ordered drug's class. ``same_again``: the ordered drug is one of them."""

    courses: tuple[preventives_tried.TriedCourse, ...]
    same_again: bool
    only_tolerability: bool


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
class Brief:
    """A trial too short or too low to count: what was done and what it takes, in short (``flaw``) and at length."""

    course: preventives_tried.TriedCourse
    days: Trusted
    too_low: bool
    flaw: Trusted
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
class HospitalStay:
    """A hospital visit, and whether the stay goes on."""

    start: Trusted
    running: bool


@dataclass(frozen=True, slots=True)
class Uncontrolled:
    """A running preventive: its dose, since when it runs and how long that is."""

    drug: Trusted
    dose: Trusted
    since: Trusted
    days: Trusted


@dataclass(frozen=True, slots=True)
class RunningDrug:
    """A drug that runs: since when, where that is recorded, and what speaks against it."""

    drug: Trusted
    since: Trusted
    where: tuple[Trusted, ...]
    reasons: tuple[Trusted, ...]


def failures(found: tuple[rows.PreventiveFailure, ...], view: View, order: Order) -> Failures:
    """The failures in the ordered drug's class."""
    named = dict.fromkeys((failure.trial, failure.drug) for failure in found)
    return Failures(
        courses=tuple(preventives_tried.failed_course(view.sheet, trial, drug) for trial, drug in named),
        same_again=view.sheet.base(order.ordered.id) in {failure.drug for failure in found},
        only_tolerability={failure.by for failure in found} == {"lack of tolerability"},
    )


def brief_trials(found: tuple[rows.StoppedTrial, ...], view: View, order: Order | None) -> tuple[Brief, ...]:
    """Trials too short or too low, the latest stop first."""
    latest_first = sorted(found, key=lambda trial: trial.stopped_days_ago_least)
    return tuple(_brief(view.sheet, trial.trial) for trial in latest_first)


def low_doses(found: tuple[rows.LowDose, ...], view: View, order: Order | None) -> tuple[SingleDose, ...]:
    """The doses below the full one: of the order, or of every drug taken now."""
    doses: dict[Trusted, SingleDose] = {}
    for low_dose in found:
        said = order.draft if order else view.sheet.trial(low_dose.subject)
        display = order.draft.display if order else ""
        low = _single_dose(view.sheet, view.sheet.drug(said.drug), said.single_dose, said.route, display)
        if low:
            doses.setdefault(low.drug, low)
    return tuple(doses.values())


def setbacks(found: tuple[rows.AcuteSetback, ...], view: View, order: Order | None) -> tuple[OpenClass, ...]:
    """The acute classes of which a drug failed."""
    failed: dict[str, list[str]] = {}
    for setback in found:
        failed.setdefault(setback.acute_class, []).append(setback.drug)
    return tuple(_open_class(view, class_, drugs) for class_, drugs in failed.items())


def visits(found: tuple[rows.HospitalEpisode, ...], view: View, order: Order | None) -> tuple[HospitalStay, ...]:
    """The hospital episodes, the latest first."""
    episodes = sorted(found, key=lambda episode: episode.days_ago_least)
    return tuple(HospitalStay(Trusted(episode.start), episode.running) for episode in episodes)


def uncontrolled(found: tuple[rows.RunningTrial, ...], view: View, order: Order | None) -> tuple[Uncontrolled, ...]:
    """The running preventives that leave too many days."""
    return tuple(_uncontrolled(view.sheet, trial.trial) for trial in found)


def unexplained(
    found: tuple[rows.Unexplained, ...], view: View, order: Order | None
) -> tuple[preventives_tried.TriedCourse, ...]:
    """The preventives that ended for no recorded reason."""
    return tuple(preventives_tried.course(view.sheet, trial.trial) for trial in found)


def running_drugs(found: tuple[rows.RunningDanger, ...], view: View, order: Order | None) -> tuple[RunningDrug, ...]:
    """Courses of a drug that runs, and what speaks against it now."""
    sheet = view.sheet
    trials = {danger.trial: sheet.trial(danger.trial) for danger in found}
    reasons = tuple(
        dict.fromkeys(
            reason.label
            for drug in dict.fromkeys(danger.drug for danger in found)
            for reason in sheet.reasons(sheet.drug(drug))
            if reason.level != "caution"
        )
    )
    return tuple(
        RunningDrug(
            drug=sheet.name(trial.drug),
            since=Trusted(str(trial.start)) if trial.start else Trusted(),
            where=tuple(dict.fromkeys(Trusted(KIND_WORDS[ref.partition("/")[0]]) for ref in trial.refs)),
            reasons=reasons,
        )
        for trial in trials.values()
    )


def eligibility(found: tuple[rows.Criteria, ...], view: View, order: Order) -> EligibilityWords:
    """What the bodies of the site ask for before the ordered drug is given."""
    return EligibilityWords(view.sheet, order.ordered.id, order.draft.use)


SHOWN: Mapping[str, Callable[[Any, View, Any], object]] = {
    "failures": failures,
    "brief_trials": brief_trials,
    "low_doses": low_doses,
    "setbacks": setbacks,
    "visits": visits,
    "uncontrolled": uncontrolled,
    "unexplained": unexplained,
    "running_drugs": running_drugs,
    "eligibility": eligibility,
}


def _uncontrolled(sheet: Sheet, name: str) -> Uncontrolled:
    trial = sheet.trial(name)
    use = sheet.drug(trial.drug).preventive
    assert use is not None
    now = next((step.amount for step in reversed(trial.steps) if step.amount is not None), None)
    day = When(sheet.today, sheet.today)
    return Uncontrolled(
        drug=sheet.name(trial.drug),
        dose=amount(now, use.unit, use.per) if now is not None else Trusted("dose not recorded"),
        since=Trusted(str(trial.start)),
        days=days(length(trial.start, day)),
    )


def _brief(sheet: Sheet, name: str) -> Brief:
    trial = sheet.trial(name)
    use = sheet.drug(trial.drug).preventive
    assert use is not None
    least, at_least = preventives_tried.enough(sheet, trial, use)
    done, taken = preventives_tried.course(sheet, name), days(length(trial.start, trial.end))
    doses = [*(step.amount for step in trial.steps), *(given.amount for given in trial.administrations)]
    amounts = [one for one in doses if one is not None]
    dose = f" at {amount(least, use.unit, use.per)} or more" if least is not None else ""
    given = len(trial.administrations)
    too_low = least is not None and bool(amounts) and max(amounts) < least
    if too_low and least is not None:
        flaw = f"at {amount(max(amounts), use.unit, use.per)}, of {amount(least, use.unit, use.per)} needed"
    elif use.per != "day" and 0 < given < use.min_administrations:
        flaw = f"after {given} of {use.min_administrations} doses needed"
    else:
        flaw = f"after {days(at_least)} at a sufficient dose, of {use.min_days} needed"
    if use.per == "day":
        return Brief(done, taken, too_low, Trusted(flaw), days(at_least), Trusted(f"{use.min_days} days{dose}"))
    told = Trusted(f"{given} given over {taken}" if given else days(at_least))
    needed = f"{use.min_administrations} administrations{dose}, over {use.min_days} days"
    return Brief(done, taken, too_low, Trusted(flaw), told, Trusted(needed))


def _single_dose(sheet: Sheet, drug: Drug, dose: float | None, route: str | None, display: str) -> SingleDose | None:
    """A dose below the full one; beside it no more than the patient may take, at once and in 24 hours."""
    full = full_dose(sheet.guideline, drug, dose, route) if dose is not None else None
    if drug.acute is None or dose is None or full is None:
        return None
    row = drug.acute.dose(route or "oral")
    locale = sheet.judgement.locale
    single, daily = most_allowed(sheet.facts, sheet.guideline, drug.id, route, display, locale)
    usual = row.usual if row and row.usual and full < row.usual <= (single or row.usual) else None
    told = row.max_24h if row and locale in (row.max_24h_in or (locale,)) else None
    most = min([number for number in (told, daily) if number is not None], default=None)
    return SingleDose(
        drug=sheet.name(drug.id),
        dose=dose,
        full=full,
        usual=usual,
        max_24h=most if most is not None and most >= full else None,
        repeat_hours=row.repeat_hours if row and (most is None or most >= 2 * full) else None,
        exceptions=tuple(dict.fromkeys(Trusted(EXCEPTION_WORDS[one.when]) for one in drug.acute.exceptions)),
        not_evaluated=tuple(Trusted(what) for what in drug.acute.not_evaluated),
    )


def _open_class(view: View, class_: str, failed: list[str]) -> OpenClass:
    return OpenClass(
        name=view.sheet.acute_class(class_),
        failed=view.sheet.names(failed),
        untried=tuple(
            Trusted(f"{drug.name} ({', '.join(_routes(drug))})") for drug in view.sheet.options.untried(class_)
        ),
        other_routes=tuple(_other_routes(view.sheet, failed)),
    )


def _other_routes(sheet: Sheet, failed: Iterable[str]) -> Iterable[Trusted]:
    taken = [(trial.drug, trial.route) for trial in sheet.facts.trials]
    taken += [(record.drug, record.route) for record in sheet.facts.attack_records]
    for id_ in dict.fromkeys(failed):
        tried = {route or "oral" for drug, route in taken if sheet.base(drug) == id_}
        left = [route for route in _routes(sheet.drug(id_)) if route not in tried]
        if left:
            yield Trusted(f"{sheet.name(id_)} ({', '.join(left)})")


def _routes(drug: Drug) -> tuple[str, ...]:
    return tuple(dose.route for dose in drug.acute.doses) if drug.acute else ()
