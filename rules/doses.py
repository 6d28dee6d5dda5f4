"""Doses beside the guideline's table: was a single dose a full one, was a preventive trial long and high enough."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from prodrome.rules.facts import CoMedication, Condition, Facts, Refs, Step, Trial, When
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import Drug, PreventiveUse
from prodrome.rules.spans import NONE, Span, length

YES, NO, UNKNOWN = "yes", "no", "unknown"

_MISSED_INTERVALS = 1.5  # between the last administration on record and the stop: one was not recorded
_IMPAIRMENTS = {"hepatic": ("liver_disease", "liver_severe"), "renal": ("ckd_severe", "esrd")}


def full_dose(guideline: Guideline, drug: Drug, single_dose: float, route: str | None) -> float | None:
    """The smallest full single dose (mg) of an acute drug by its route; ``None`` where there is none to compare with.

    A route that is not said is oral, but a sumatriptan dose too small for a tablet belongs to another route, and a
    small dose of aspirin is antiplatelet.
    """
    if drug.acute is None:
        return None
    if drug.id == "aspirin" and single_dose <= guideline.number("aspirin_antiplatelet_max_mg"):
        return None
    if route is None:
        if drug.id == "sumatriptan" and single_dose <= guideline.number("sumatriptan_nonoral_max_mg"):
            return None
        route = "oral"
    dose = drug.acute.dose(route)
    return dose.min_full if dose else None


ExceptionalDose = tuple[str, float, Refs]
"""Why a smaller dose is the full one, that dose in mg, and what in the chart shows it."""


def dose_exceptions(facts: Facts, drug: Drug) -> list[ExceptionalDose]:
    """The dose exceptions of a drug that apply to the patient."""
    found: list[ExceptionalDose] = []
    for exception in drug.acute.exceptions if drug.acute else ():
        evidence: Sequence[Trial | CoMedication | Condition]
        if exception.when == "propranolol":
            evidence = [trial for trial in facts.trials if trial.running and trial.drug == "propranolol"]
        elif exception.when == "strong_cyp3a4_inhibitor":
            evidence = [one for one in facts.co_medications if one.group == exception.when]
        else:
            wanted = {name for organ, names in _IMPAIRMENTS.items() if organ in exception.when for name in names}
            evidence = [condition for condition in facts.conditions if condition.names & wanted]
        if evidence:
            found.append((exception.when, exception.min_full, tuple(ref for fact in evidence for ref in fact.refs)))
    return found


def at_full_dose(
    guideline: Guideline,
    drug: Drug,
    single_dose: float | None,
    route: str | None,
    exceptions: Iterable[ExceptionalDose],
) -> str:
    """Whether a single dose is a full one: "yes", "no" or "unknown". ``exceptions``: those that apply to it."""
    full = full_dose(guideline, drug, single_dose, route) if single_dose is not None else None
    if single_dose is None or full is None:
        return UNKNOWN
    smallest = min([full, *(dose for _, dose, _ in exceptions)])
    return YES if single_dose >= smallest else NO


def adequacy(trial: Trial, use: PreventiveUse, *, chronic: bool, grace_days: float) -> tuple[str, bool]:
    """Whether a preventive trial was long enough at a sufficient dose: ("yes" | "no" | "unknown", assumed).

    "no" needs the shortfall to be certain for every day the dates may mean. ``assumed`` says that the recorded
    administrations stop short of the course, so that the others were derived from its dates. ``grace_days``: once
    the doses are given, a course that is shorter by so many days is long enough.
    """
    least_amount = _least_amount(use, chronic=chronic)
    at_target = days_at_target(trial, least_amount)
    if use.per == "day":
        return _verdict((at_target, use.min_days)), False
    quarterly = _is_quarterly(trial, use)
    min_days = ((quarterly and use.quarterly_min_days) or use.min_days) - grace_days
    min_given = (quarterly and use.quarterly_min_administrations) or use.min_administrations
    interval = float(trial.interval_days or (84 if quarterly else use.interval_days) or 28)
    given = trial.administrations
    if given:
        recorded = _verdict(*_given(trial, least_amount, min_days, min_given))
        if recorded == YES or trial.not_done or not _recorded_in_part(trial, least_amount, interval):
            return recorded, False
    derived = Span(_administrations_in(at_target.least, interval), _administrations_in(at_target.most, interval))
    return _verdict((at_target, min_days), (derived, min_given)), bool(given)


def _given(
    trial: Trial, least_amount: float | None, min_days: float, min_given: float
) -> tuple[tuple[Span, float], tuple[Span, float]]:
    """What the records show: days from the first sufficient administration to the stop, and how many there were."""
    usual = next((step.amount for step in trial.steps if step.amount is not None), None)
    amounts = [(one, one.amount if one.amount is not None else usual) for one in trial.administrations]
    unknown = [one for one, amount in amounts if amount is None or least_amount is None]
    enough = [
        one for one, amount in amounts if amount is not None and least_amount is not None and amount >= least_amount
    ]
    dated = [one.when for one in (*enough, *unknown) if one.when]
    first = min(dated, key=lambda when: (when.first, when.last), default=trial.start)
    counted = Span(len(enough), len(enough) + len(unknown))
    return (length(first, trial.end), min_days), (counted, min_given)


def _recorded_in_part(trial: Trial, least_amount: float | None, interval: float) -> bool:
    """Whether the course went on after what was recorded of it: one dose, or the last long before the stop.

    Doses recorded as too small speak for themselves.
    """
    amounts = [one.amount for one in trial.administrations if one.amount is not None]
    if least_amount is not None and any(amount < least_amount for amount in amounts):
        return False
    if len(trial.administrations) == 1:
        return length(trial.start, trial.end).most > interval
    dated = [one.when for one in trial.administrations if one.when]
    if not dated or trial.end is None:
        return False
    last = max(dated, key=lambda when: (when.last, when.first))
    return length(last, trial.end).most > _MISSED_INTERVALS * interval


def adequacy_now(
    trial: Trial, use: PreventiveUse, today: date, *, chronic: bool, grace_days: float
) -> tuple[str, bool]:
    """:func:`adequacy` of a running trial as if it ended today; not adequate where the dose taken now is too low."""
    least_amount = _least_amount(use, chronic=chronic)
    now = trial.steps[-1] if trial.steps else None
    if now and least_amount is not None and now.amount is not None and (now.at_most or now.amount) < least_amount:
        return NO, False
    day = When(today, today)
    if use.per == "day":
        return _verdict((days_at(trial.steps, least_amount, until=day), use.min_days)), False
    steps = tuple(replace(step, end=day) if step.end is None else step for step in trial.steps)
    return adequacy(replace(trial, end=day, steps=steps), use, chronic=chronic, grace_days=grace_days)


def lowered(use: PreventiveUse, taken: Iterable[CoMedication]) -> PreventiveUse:
    """The use as it is beside the drugs taken now: some raise the level of it, so that a smaller dose is adequate."""
    if not use.adequate_beside:
        return use
    groups = {one.group for one in taken}
    least = min((one.min_adequate for one in use.adequate_beside if one.group in groups), default=None)
    if least is None:
        return use
    doses = [None if dose is None else min(dose, least) for dose in (use.min_adequate, use.min_adequate_chronic)]
    return replace(use, min_adequate=doses[0], min_adequate_chronic=doses[1])


def _least_amount(use: PreventiveUse, *, chronic: bool) -> float | None:
    if chronic and use.min_adequate_chronic is not None:
        return use.min_adequate_chronic
    return use.min_adequate


def days_at_target(trial: Trial, least_amount: float | None) -> Span:
    """Days of a trial at or above an amount, rows among them that only may be of it."""
    sure = days_at(trial.steps, least_amount)
    if not trial.possible:
        return sure
    return Span(sure.least, max(sure.most, _most_days(trial.possible, least_amount)))


def _most_days(steps: Iterable[Step], least_amount: float | None) -> float:
    """The most days on which one of some steps, that may overlap, was at or above an amount."""
    total = 0.0
    until = date.min
    enough = (step for step in steps if days_at((step,), least_amount).most)
    for step in sorted(enough, key=lambda step: step.start.first if step.start else date.min):
        if step.start is None or step.end is None:
            return math.inf
        total += max(0, (step.end.last - max(step.start.first, until)).days)
        until = max(until, step.end.last)
    return total


def days_at(steps: Iterable[Step], least_amount: float | None, *, until: When | None = None) -> Span:
    """Days in steps at or above an amount. Where dose or dates are unknown the interval is wide.

    ``until`` is where a step ends that has no end.
    """
    total = NONE
    for step in steps:
        span = length(step.start, step.end or until)
        if step.amount is None or least_amount is None:
            total += Span(0, span.most)
        elif step.amount >= least_amount:
            total += span
        elif step.at_most is not None and step.at_most >= least_amount:
            total += Span(0, span.most)
    return total


def _is_quarterly(trial: Trial, use: PreventiveUse) -> bool:
    if use.quarterly_amount is None:
        return False  # eptinezumab and botulinum toxin are quarterly by their own numbers
    given = [one.amount for one in trial.administrations] + [step.amount for step in trial.steps]
    amounts = [amount for amount in given if amount is not None]
    return bool(amounts) and min(amounts) >= use.quarterly_amount and (trial.interval_days or 84) >= 84


def _verdict(*needs: tuple[Span, float]) -> str:
    if any(span.most < needed for span, needed in needs):
        return NO
    return YES if all(span.least >= needed for span, needed in needs) else UNKNOWN


def _administrations_in(days: float, interval: float) -> float:
    if days <= 0:
        return 0.0
    return math.inf if math.isinf(days) else float(days // interval + 1)
