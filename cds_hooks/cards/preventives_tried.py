"""The ledger of preventives: class, drug, outcome and dates, and which classes that uses up."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from prodrome.cds_hooks.cards.markdown import Trusted
from prodrome.cds_hooks.cards.patient_words import Sheet, amount, dates
from prodrome.rules import Span, StopReason, Trial, days_at, is_lastingly_barred, rows
from prodrome.rules.guideline import PreventiveUse

ClassStatus = Literal["failed", "contraindicated", "perhaps failed"]
MOST_COURSES = 2
"""Courses of one class that a card names."""
_STATUSES: tuple[ClassStatus, ...] = ("failed", "contraindicated", "perhaps failed")
"""What becomes of a class that is used up; the first that holds is told."""

TRIAL_ENDINGS: Mapping[StopReason, str] = {
    StopReason.INEFFICACY: "ineffective",
    StopReason.INTOLERANCE: "side effects",
    StopReason.CONTRAINDICATED: "contraindicated",
    StopReason.SUCCEEDED: "had worked",
    StopReason.OTHER: "another reason",
    StopReason.UNKNOWN: "reason not recorded",
}


class TriedCourse(NamedTuple):
    """One course of a preventive for migraine. ``doubts`` say why a failure is not certain."""

    drug: Trusted
    drug_id: str
    outcome: Trusted
    dose: Trusted
    dates: Trusted
    doubts: tuple[Trusted, ...] = ()

    @property
    def told(self) -> Trusted:
        """What was taken, when, and how it ended."""
        return Trusted(f"{', '.join(filter(None, (self.drug, self.dose, self.dates)))}: {self.outcome}")


class ClassRow(NamedTuple):
    """A class of the guideline: ``failed``, ``contraindicated`` or ``perhaps failed``, and what shows it.

    ``more``: how many courses show it beside those named.
    """

    name: Trusted
    status: ClassStatus
    courses: tuple[TriedCourse, ...]
    reasons: tuple[Trusted, ...] = ()
    more: int = 0

    @property
    def courses_told(self) -> tuple[Trusted, ...]:
        """Each course in words."""
        return tuple([course.told for course in self.courses])


def course(sheet: Sheet, name: str) -> TriedCourse:
    """The course behind the flat fact ``name`` (a trial)."""
    trial = sheet.trial(name)
    use = sheet.drug(trial.drug).preventive
    doubts = dict.fromkeys([doubt.because for doubt in sheet.judgement.rows(rows.Doubt) if doubt.trial == name])
    return TriedCourse(
        drug=sheet.name(trial.drug),
        drug_id=trial.drug,
        outcome=Trusted("taken now" if trial.running else TRIAL_ENDINGS[trial.stop.reason]),
        dose=dose(trial, use) if use else Trusted(),
        dates=dates(trial),
        doubts=tuple([Trusted(doubt) for doubt in doubts]),
    )


def failed_course(sheet: Sheet, name: str, drug_id: str) -> TriedCourse:
    """The course behind a failure: a trial, or an allergy that stands for one."""
    if sheet.is_trial(name):
        return course(sheet, name)
    refs = [
        ref
        for allergy in sheet.facts.allergies
        if not allergy.within and allergy.drug in sheet.guideline.drugs and sheet.base(allergy.drug) == drug_id
        for ref in allergy.refs
    ]
    outcome = sheet.evidence(refs) or (Trusted("allergy or intolerance on record"),)
    return TriedCourse(sheet.name(drug_id), drug_id, outcome[0], Trusted(), Trusted())


def dose(trial: Trial, use: PreventiveUse) -> Trusted:
    """The dose of a course, or its lowest and highest."""
    known = [step.amount for step in trial.steps if step.amount is not None]
    if trial.administrations:
        known += [given.amount for given in trial.administrations if given.amount is not None]
    if not known:
        return Trusted("dose not recorded")
    least, most = min(known), max(known)
    highest = amount(most, use.unit, use.per)
    return highest if least == most else Trusted(f"{least:g} to {highest}")


def enough(sheet: Sheet, trial: Trial, use: PreventiveUse) -> tuple[float | None, Span]:
    """The least adequate dose for this patient, and the days spent at or above it."""
    least = use.min_adequate
    if use.min_adequate_chronic is not None and sheet.chronic:
        least = use.min_adequate_chronic
    return least, days_at(trial.steps, least)


def used_up(sheet: Sheet) -> tuple[ClassRow, ...]:
    """The classes that failed, are contraindicated, or may have failed, in the guideline's order."""
    judgement = sheet.judgement
    used = [(class_.id, class_.how) for class_ in judgement.rows(rows.UsedUpClass)]
    failed: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
    for failure in judgement.rows(rows.PreventiveFailure):
        if failure.counts:
            failed.setdefault((failure.ehf_class, failure.certainty), {})[failure.trial, failure.drug] = None
    found = []
    for id_, class_ in sheet.guideline.classes.items():
        status = next((status for status in _STATUSES if (id_, status) in used), None)
        if status == "contraindicated":
            found.append(ClassRow(Trusted(class_.name), status, (), _lasting(sheet, id_)))
        elif status:
            named = [*failed.get((id_, "high" if status == "failed" else "low"), ())]
            courses = tuple([failed_course(sheet, trial, drug) for trial, drug in named[:MOST_COURSES]])
            found.append(ClassRow(Trusted(class_.name), status, courses, more=len(named) - len(courses)))
    return tuple(found)


def _lasting(sheet: Sheet, id_: str) -> tuple[Trusted, ...]:
    """What rules a class out for good."""
    members = [drug for drug in sheet.guideline.counting_members[id_] if drug.id in sheet.options.here]
    labels = [
        active.contraindication.label
        for drug in members
        for active in sheet.active.values()
        if active.contraindication.id in drug.contraindications
        and is_lastingly_barred(drug, {active.contraindication.id: active})
    ]
    return tuple(Trusted(label) for label in dict.fromkeys(labels))
