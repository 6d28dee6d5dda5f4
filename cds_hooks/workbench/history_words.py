"""What the picture of a history says of a trial, a month or a day."""

from datetime import date

from prodrome.cds_hooks.workbench.picture import ENDING_BY_REASON, ENDINGS_IN_WORDS, TrialEnding
from prodrome.rules import HeadacheMonth, Indication, StopReason, Trial, When
from prodrome.rules.guideline import Drug, PreventiveUse


def when_it_began(trial: Trial) -> tuple[date, date]:
    """When a trial began, for ordering: the first and the last day it may mean."""
    start = trial.start or trial.end
    return (start.first, start.last) if start else (date.min, date.min)


def ending_of(trial: Trial) -> TrialEnding:
    """How a trial ended, as the picture tells it."""
    return TrialEnding.ONGOING if trial.running else ENDING_BY_REASON.get(trial.stop.reason, TrialEnding.OTHER)


def label_of(drug: Drug, trial: Trial) -> str:
    """The drug, and the highest dose it was taken at."""
    amounts = [step.amount for step in trial.steps if step.amount is not None]
    amount = max(amounts) if amounts else trial.single_dose
    if amount is None:
        return drug.name
    unit = drug.preventive.unit if drug.preventive and trial.use == "preventive" else "mg"
    return f"{drug.name} {amount:g} {unit}"


def dose_in_words(amount: float | None, use: PreventiveUse | None) -> str:
    """A dose a day, or each time it is given."""
    if amount is None:
        return "dose not recorded"
    return f"{amount:g} {use.unit} per {use.per}" if use else f"{amount:g} mg per day"


def period_in_words(trial: Trial) -> str:
    """From when until when a trial went."""
    if trial.running:
        return f"since {day_in_words(trial.start)}"
    return f"{day_in_words(trial.start)} to {day_in_words(trial.end)}"


def day_in_words(when: When | None) -> str:
    """A day as the chart has it."""
    return str(when) if when else "no date recorded"


def why_it_ended(trial: Trial) -> str:
    """Why a trial ended, and what is doubtful about that."""
    if trial.running:
        return "ongoing"
    stop = trial.stop
    words = (
        ENDINGS_IN_WORDS[ENDING_BY_REASON[stop.reason]] if stop.reason in ENDING_BY_REASON else "reason not recorded"
    )
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


def indication_in_words(indication: Indication) -> str:
    """What something was for."""
    return {
        Indication.MIGRAINE: "migraine",
        Indication.HEADACHE: "headache",
        Indication.OTHER: "something else",
        Indication.UNSTATED: "not said",
    }[indication]


def counts_in_words(month: HeadacheMonth) -> str:
    """What was counted in a month."""
    counted = (
        ("debilitating headache", month.debilitating),
        ("headache", month.headache),
        ("migraine", month.migraine),
    )
    return ", ".join(f"{days:g} {name} days" for name, days in counted if days is not None) or "nothing counted"


def capital(text: str) -> str:
    """The text with a capital in front."""
    return text[:1].upper() + text[1:]
