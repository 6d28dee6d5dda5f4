"""Small patients as dated facts, for tests of the rules. Today is 2026-06-15 and the locale the US."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta

from prodrome.rules.fact_types import KINDS
from prodrome.rules.facts import (
    AcuteUseMonth,
    AttackRecord,
    Completeness,
    Condition,
    DraftOrder,
    Facts,
    FollowUp,
    HeadacheMonth,
    HospitalVisit,
    Indication,
    Patient,
    Step,
    Stop,
    StopReason,
    Trial,
    When,
)
from prodrome.rules.guideline.guideline import load_guideline
from prodrome.rules.judge import Judgement, judge
from prodrome.rules.spans import month_back

TODAY = date(2026, 6, 15)
COMPLETE = dict.fromkeys(KINDS, Completeness.COMPLETE)
MIGRAINE = Condition(frozenset({"migraine"}), refs=("Condition/migraine",))
CHRONIC = Condition(frozenset({"migraine", "chronic_migraine"}), refs=("Condition/chronic",))
ADULT = Patient(birth=When(date(1988, 1, 15), date(1988, 1, 15)), refs=("Patient/p",))


def on(text: str) -> When:
    """A date as a chart writes it: ``2024``, ``2024-03`` or ``2024-03-01``."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 1:
        return When(date(parts[0], 1, 1), date(parts[0], 12, 31))
    if len(parts) == 2:
        following = date(parts[0] + parts[1] // 12, parts[1] % 12 + 1, 1)
        return When(date(parts[0], parts[1], 1), following - timedelta(days=1))
    return When(date(*parts), date(*parts))


def ago(days: int) -> When:
    """So many days before today."""
    return When(TODAY - timedelta(days=days), TODAY - timedelta(days=days))


def stopped(
    drug: str,
    reason: StopReason = StopReason.INEFFICACY,
    *,
    dose: float | None = None,
    start: str = "2025-01-01",
    end: str = "2025-06-01",
    indication: Indication = Indication.MIGRAINE,
    **more: object,
) -> Trial:
    """A finished preventive course, coded throughout."""
    amount = dose if dose is not None else load_guideline().drugs[drug].preventive.target  # type: ignore[union-attr]
    stop = more.pop("stop", Stop(reason, coded=True))
    step = Step(on(start), on(end), amount)
    return Trial(
        drug,
        "preventive",
        start=on(start),
        end=on(end),
        steps=(step,),
        indication=indication,
        stop=stop,  # type: ignore[arg-type]
        refs=(f"MedicationStatement/{drug}",),
        **more,  # type: ignore[arg-type]
    )


def running(drug: str, *, dose: float | None = None, since: str = "2025-06-01", **more: object) -> Trial:
    """A preventive taken now, for migraine."""
    amount = dose if dose is not None else load_guideline().drugs[drug].preventive.target  # type: ignore[union-attr]
    ref = f"MedicationStatement/{drug}"
    step = Step(on(since), None, amount)
    more.setdefault("indication", Indication.MIGRAINE)
    return Trial(drug, "preventive", running=True, start=on(since), steps=(step,), refs=(ref,), **more)  # type: ignore[arg-type]


THREE_FAILED = (stopped("propranolol"), stopped("topiramate", StopReason.INTOLERANCE), stopped("amitriptyline"))


def months(*days: float | None, start: str = "debilitating") -> tuple[HeadacheMonth, ...]:
    """Days of the last months, the latest first; ``None`` leaves a month out."""
    found = []
    for back, count in enumerate(days, 1):
        if count is not None:
            month = month_back(back, TODAY)
            found.append(HeadacheMonth(month, **{start: count}, refs=(f"Observation/{month:%Y-%m}",)))
    return tuple(found)


def acute_use(*rows: Mapping[str, float] | None) -> tuple[AcuteUseMonth, ...]:
    """Days of acute medication in the last months, the latest first."""
    found = []
    for back, row in enumerate(rows, 1):
        if row is not None:
            found.append(AcuteUseMonth(month_back(back, TODAY), dict(row), (f"Observation/use-{back}",)))
    return tuple(found)


def order(drug: str, use: str, **more: object) -> DraftOrder:
    more.setdefault("indication", Indication.MIGRAINE)
    return DraftOrder(0, f"MedicationRequest/{drug}", drug, use, **more)  # type: ignore[arg-type]


def emergency(days_ago: int, *, reason: Indication = Indication.MIGRAINE) -> HospitalVisit:
    return HospitalVisit(ago(days_ago), ago(days_ago), reason=reason, refs=(f"Encounter/er-{days_ago}",))


def contact(days_ago: int, kind: str = "contact") -> FollowUp:
    return FollowUp(kind, ago(days_ago), (f"Encounter/neuro-{days_ago}",))


def patient(*, conditions: Iterable[Condition] = (MIGRAINE,), missing: Iterable[str] = (), **facts: object) -> Facts:
    """An adult with migraine over complete data, but for the kinds named ``missing``."""
    facts.setdefault("patient", ADULT)
    orders: Iterable[DraftOrder] = facts.get("orders", ())  # type: ignore[assignment]
    facts["orders"] = tuple(replace(order, place=place) for place, order in enumerate(orders))
    completeness = COMPLETE | dict.fromkeys(missing, Completeness.MISSING)
    return Facts(conditions=tuple(conditions), completeness=completeness, **facts)  # type: ignore[arg-type]


def judged(facts: Facts, hook: str = "patient-view", **more: object) -> Judgement:
    parameters = more.pop("parameters", {})
    guideline = load_guideline().with_parameters(parameters) if parameters else load_guideline()  # type: ignore[arg-type]
    guideline = more.pop("guideline", guideline)  # type: ignore[assignment]
    return judge(facts, guideline, TODAY, hook=hook, **more)  # type: ignore[arg-type]


def rules_of(facts: Facts, hook: str = "patient-view", **more: object) -> set[str]:
    """The ids of the rules that hold."""
    return {finding.rule.id for finding in judged(facts, hook, **more).findings}


def unjudged_of(facts: Facts, hook: str = "patient-view") -> set[str]:
    """The ids of the rules that could not be judged for want of data."""
    return {unjudged.rule.id for unjudged in judged(facts, hook).unjudged}


DTT = patient(trials=THREE_FAILED, headache_months=months(10, 9, 11))
"""Resistant migraine: three classes, three months."""
HEAVY = months(10, 9, 11)
SIX_FAILED = (
    *THREE_FAILED,
    stopped("candesartan"),
    stopped("atogepant", StopReason.INTOLERANCE),
    stopped("onabotulinumtoxina", StopReason.INTOLERANCE),
)
SIX_HEAVY = months(17, 15, 14, 16, 15, 14)
REFRACTORY = patient(conditions=(CHRONIC,), trials=SIX_FAILED, headache_months=SIX_HEAVY)
"""Refractory migraine: six classes, six months of chronic migraine."""


def attacks(drug: str, treated: int, relieved: int, dose: float | None, **more: object) -> AttackRecord:
    """A record of migraine attacks treated with a drug, and how many of them it relieved."""
    more = {"indication": Indication.MIGRAINE, "refs": (f"Observation/{drug}",), **more}
    return AttackRecord(drug, treated, relieved, dose, **more)  # type: ignore[arg-type]
