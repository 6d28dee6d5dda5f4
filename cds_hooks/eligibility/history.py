"""The treatment history as a payer asks for it: what was taken, when, at which dose, how it ended, where that stands.

Nothing here goes beyond the chart: what is not recorded is said to be so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from prodrome.cds_hooks.cards import Sheet, days_in_words
from prodrome.cds_hooks.protocol import KIND_WORDS
from prodrome.rules import (
    ABSOLUTE,
    MEDICATION,
    Completeness,
    Condition,
    Facts,
    Indication,
    Judgement,
    Refs,
    StopReason,
    Trial,
    When,
    contraindications_of,
    days_at,
    last_months,
    length,
    rows,
)

MONTHS = 6
"""Calendar months of the diary that a summary tells of."""

ENDED: Mapping[StopReason, str] = {
    StopReason.INEFFICACY: "stopped as ineffective",
    StopReason.INTOLERANCE: "stopped for side effects",
    StopReason.CONTRAINDICATED: "stopped as contraindicated",
    StopReason.SUCCEEDED: "stopped because it had worked",
    StopReason.OTHER: "stopped for another reason",
    StopReason.UNKNOWN: "stopped, reason not recorded",
}

_READ = ("Condition", *MEDICATION, "Observation", "AllergyIntolerance")
"""The kinds of resource a summary is drawn from."""


@dataclass(frozen=True, slots=True)
class Course:
    """One course of one drug for migraine. Texts are words for people; ``trial`` is what they were made of.

    ``at_target`` and ``at_sufficient`` are days at or above the target dose and the least sufficient one, ``None``
    where the guideline has no such dose.
    """

    drug: str
    drug_id: str
    drug_class: str
    use: str
    dose: str
    start: str
    end: str
    days: str
    at_target: str | None
    at_sufficient: str | None
    ended: str
    doubts: tuple[str, ...]
    recorded: Refs
    not_recorded: tuple[str, ...]
    trial: Trial


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A diagnosis of migraine as the chart words it, or what rules a drug out."""

    words: str
    since: str
    recorded: Refs


@dataclass(frozen=True, slots=True)
class DiaryMonth:
    """Days of a calendar month; ``None``: not recorded."""

    month: date
    headache: float | None
    migraine: float | None
    debilitating: float | None
    recorded: Refs


@dataclass(frozen=True, slots=True)
class History:
    """Everything a summary for prior authorisation tells. ``ordered`` is the drug in hand, where there is one."""

    today: date
    patient_id: str
    birth: str
    sex: str
    ordered: str
    diagnoses: tuple[Diagnosis, ...]
    preventives: tuple[Course, ...]
    acutes: tuple[Course, ...]
    attacks: tuple[tuple[str, int, int, Refs], ...]
    months: tuple[DiaryMonth, ...]
    ruled_out: tuple[Diagnosis, ...]
    not_recorded: tuple[str, ...]


def history(facts: Facts, judgement: Judgement, patient_id: str) -> History:
    """What the chart says of one patient's treatment of migraine, on the judgement's day."""
    sheet = Sheet(judgement, facts)
    patient, order = facts.patient, next((order for order in facts.orders if order.listed), None)
    drugs = judgement.guideline.drugs.values()
    courses = [_course(sheet, name) for name in sheet.migraine_trials]
    courses.sort(key=lambda course: (course.trial.start.first if course.trial.start else date.max, course.drug))
    found = History(
        today=judgement.today,
        patient_id=patient_id,
        birth=str(patient.birth) if patient and patient.birth else "",
        sex=(patient.sex or "") if patient else "",
        ordered=judgement.guideline.drugs[order.drug].name if order else "",
        diagnoses=tuple(_diagnosis(one) for one in facts.conditions if "migraine" in one.names),
        preventives=tuple(course for course in courses if course.use == "preventive"),
        acutes=tuple(course for course in courses if course.use == "acute"),
        attacks=tuple(_attacks(sheet)),
        months=_months(facts, judgement.today),
        ruled_out=tuple(
            Diagnosis(active.contraindication.label, "", active.refs)
            for active in judgement.active.values()
            if any(
                one is active and one.strength(drug.id) == ABSOLUTE
                for drug in drugs
                for one in contraindications_of(drug, judgement.active)
            )
        ),
        not_recorded=(),
    )
    return replace(found, not_recorded=tuple(_not_recorded(found, facts)))


def _diagnosis(condition: Condition) -> Diagnosis:
    return Diagnosis(condition.display or "migraine", str(condition.onset) if condition.onset else "", condition.refs)


def _course(sheet: Sheet, name: str) -> Course:
    trial = sheet.trial(name)
    drug = sheet.drug(trial.drug)
    use = drug.preventive if trial.use == "preventive" else None
    today = When(sheet.today, sheet.today)
    steps = tuple(replace(step, end=today) if trial.running and step.end is None else step for step in trial.steps)
    whole = length(trial.start, today if trial.running else trial.end)
    amounts = [one for one in (*(s.amount for s in trial.steps), *(g.amount for g in trial.administrations)) if one]
    doubts = {row.because: None for row in sheet.judgement.rows(rows.Doubt) if row.trial == name}
    unit = f"{use.unit} {'a day' if use.per == 'day' else 'each time'}" if use else "mg a dose"
    if trial.use == "acute" and trial.single_dose is not None:
        amounts = [trial.single_dose]
    dose = f"{min(amounts):g} to {max(amounts):g} {unit}" if amounts and min(amounts) < max(amounts) else ""
    dose = dose or (f"{amounts[0]:g} {unit}" if amounts else "")
    if trial.administrations:
        dose = f"{dose or 'dose not recorded'}, {len(trial.administrations)} given"
    lacking = [
        *(["dose"] if not amounts else []),
        *(["start"] if trial.start is None else []),
        *(["end"] if trial.end is None and not trial.running else []),
        *(["why it was stopped"] if not trial.running and trial.stop.reason.value == "unknown" else []),
        *(["what it was for"] if trial.indication is Indication.UNSTATED and not drug.only_for_migraine else []),
    ]
    return Course(
        drug=drug.name,
        drug_id=drug.id,
        drug_class=_class_of(sheet, trial),
        use=trial.use,
        dose=dose,
        start=str(trial.start) if trial.start else "",
        end="taken now" if trial.running else str(trial.end) if trial.end else "",
        days=days_in_words(whole),
        at_target=days_in_words(days_at(steps, use.target)) if use and use.target else None,
        at_sufficient=days_in_words(days_at(steps, use.min_adequate)) if use and use.min_adequate else None,
        ended="taken now" if trial.running else ENDED[trial.stop.reason],
        doubts=tuple(doubts),
        recorded=trial.refs,
        not_recorded=tuple(lacking),
        trial=trial,
    )


def _class_of(sheet: Sheet, trial: Trial) -> str:
    drug = sheet.drug(trial.drug)
    if trial.use == "preventive" and drug.preventive:
        return sheet.guideline.drug_classes[drug.preventive.drug_class]
    return sheet.guideline.acute_classes[drug.acute.drug_class].name if drug.acute else ""


def _attacks(sheet: Sheet) -> Iterator[tuple[str, int, int, Refs]]:
    """Attacks treated and relieved by drug, as recorded."""
    for record in sheet.facts.attack_records:
        if sheet.options.is_for_migraine(record):
            dose = f" {record.single_dose:g} mg" if record.single_dose is not None else ""
            yield f"{sheet.guideline.drugs[record.drug].name}{dose}", record.treated, record.relieved, record.refs


def _months(facts: Facts, today: date) -> tuple[DiaryMonth, ...]:
    return tuple(
        DiaryMonth(row.month, row.headache, row.migraine, row.debilitating, row.refs)
        for row in last_months(facts.headache_months, MONTHS, today)
    )


def _not_recorded(found: History, facts: Facts) -> Iterator[str]:
    """What a payer will ask and the chart does not say, a line each."""
    if not found.diagnoses:
        yield "a diagnosis of migraine"
    if not found.preventives:
        yield "any preventive taken for migraine"
    for course in (*found.preventives, *found.acutes):
        if course.not_recorded:
            yield f"{course.drug}: {', '.join(course.not_recorded)}"
    missing = [f"{month.month:%Y-%m}" for month in found.months if not month.recorded]
    if missing:
        yield f"headache days of {', '.join(missing)}"
    for kind in _READ:
        if facts.completeness.get(kind, Completeness.MISSING) is not Completeness.COMPLETE:
            yield f"{KIND_WORDS[kind]}: did not arrive completely, so there may be more"
