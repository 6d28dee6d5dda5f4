"""What the tests of the contract ask of a chart: short questions, so that each row is one line of the contract."""

from collections.abc import Callable

from prodrome.rules.facts import Completeness, Facts, StopReason, Trial
from tests.fhir_mappers.build import Json

Ask = Callable[[Facts], object]
Row = tuple[str, tuple[Json, ...], Ask, object]


def drugs(read: Facts) -> list[str]:
    """The drugs of all trials, with ``?`` where only text names them."""
    return sorted(trial.drug + ("" if trial.coded else "?") for trial in read.trials)


def states(read: Facts) -> list[str]:
    """Of each trial, whether it runs."""
    return ["running" if trial.running else "ended" for trial in read.trials]


def dates(read: Facts) -> list[tuple[str | None, str | None]]:
    """The first day of each trial's start, and of its end."""

    def day(trial: Trial, name: str) -> str | None:
        when = getattr(trial, name)
        return str(when.first) if when else None

    return [(day(trial, "start"), day(trial, "end")) for trial in read.trials]


def doses(read: Facts) -> list[float | None]:
    """The dose of each step of all trials: a day, or an administration of what is injected."""
    return [step.amount for trial in read.trials for step in trial.steps]


def singles(read: Facts) -> list[float | None]:
    """The single dose of each trial."""
    return [trial.single_dose for trial in read.trials]


def uses(read: Facts) -> list[str]:
    """What each trial is for: preventive or acute."""
    return [trial.use for trial in read.trials]


def stops(read: Facts) -> list[str]:
    """Why each trial ended, with ``?`` where only text says so."""
    return [trial.stop.reason.value + ("?" if is_by_text(trial) else "") for trial in read.trials]


def is_by_text(trial: Trial) -> bool:
    """Whether a reason is known, and only from text."""
    return trial.stop.reason is not StopReason.UNKNOWN and not trial.stop.coded


def indications(read: Facts) -> list[str]:
    """What each trial was for."""
    return [trial.indication.value for trial in read.trials]


def given(read: Facts) -> list[int]:
    """How many doses or cycles each trial counts."""
    return [len(trial.administrations) for trial in read.trials]


def ordered(read: Facts) -> list[tuple[str, float | None]]:
    """The orders in hand, by drug (``?``: by text) and single dose."""
    return [(order.drug + ("" if order.coded else "?"), order.single_dose) for order in read.orders if order.systemic]


def problems(read: Facts) -> list[str]:
    """The code sets of all active conditions, each once."""
    return sorted({name for condition in read.conditions for name in condition.names})


def allergies(read: Facts) -> list[str]:
    """What somebody is allergic to, with ``?`` where only text says so."""
    return sorted(allergy.drug + ("" if allergy.coded else "?") for allergy in read.allergies)


def visits(read: Facts) -> list[str]:
    """The reason of each hospital visit."""
    return [visit.reason.value for visit in read.hospital_visits]


def follow_ups(read: Facts) -> list[str]:
    """The kind of each specialist contact."""
    return [follow_up.kind for follow_up in read.follow_ups]


def readings(read: Facts) -> list[tuple[object, ...]]:
    """Each measurement by what it is of."""
    return [
        tuple(
            value for value in (each.kind, each.systolic, each.diastolic, each.rate, each.pregnant) if value is not None
        )
        for each in read.readings
    ]


def skipped(read: Facts) -> list[str]:
    """The kinds of the rows that could not be read."""
    return [row.kind for row in read.skipped]


def complete(kind: str) -> Ask:
    """Whether a kind is complete."""
    return lambda read: read.completeness[kind] is Completeness.COMPLETE


def both(*asks: Ask) -> Ask:
    """Several questions at once."""
    return lambda read: tuple(ask(read) for ask in asks)
