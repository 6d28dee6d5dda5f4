"""Active conditions, by the code sets they belong to. Text alone never makes a diagnosis."""

from datetime import date
from functools import partial
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DIAGNOSIS_SYSTEMS
from prodrome.fhir_mappers.codes import read_concept, sets_of, status_codes
from prodrome.fhir_mappers.dates import read_period, read_when
from prodrome.fhir_mappers.elements import JsonObject
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.rules import UNKNOWN_CODE, Condition, When, per_guideline
from prodrome.rules.guideline import Guideline

ACTIVE = frozenset({"active", "recurrence", "relapse"})
OVER = frozenset({"inactive", "remission", "resolved", "refuted"})
NOT_SO = frozenset({"refuted", "entered-in-error", "differential"})


NO_CODE = "has no code of a known system"


class _Problem(NamedTuple):
    """What the coded elements of a Condition say: its code sets, whether it holds (``None``: not said), its words.

    ``coded``: it has a code of a system we know.
    """

    names: frozenset[str]
    active: bool | None
    coded: bool
    label: str
    written: str


def read_conditions(chart: Chart) -> list[Condition]:
    """The active conditions that are in any code set."""
    conditions: list[Condition] = []
    chart.each("Condition", partial(_read, chart, _problems(chart.guideline), conditions))
    return conditions


def _read(
    chart: Chart, problems: ElementMemory[_Problem], conditions: list[Condition], ref: str, resource: JsonObject
) -> None:
    said = problems.of(resource)
    if said.active is False or (said.active is None and _has_abated(resource, chart.today)):
        return
    if not said.names:
        chart.puzzled("Condition", "problem", UNKNOWN_CODE if said.coded else NO_CODE, ref, said.written)
        return
    chart.understood("Condition", "problem")
    recorded = read_when(resource, "recordedDate")
    onset = _onset(resource) or recorded
    conditions.append(Condition(said.names, onset, recorded, said.label, (ref,) if ref else ()))


@per_guideline
def _problems(guideline: Guideline) -> ElementMemory[_Problem]:
    return ElementMemory(partial(_problem, guideline), "code", "verificationStatus", "clinicalStatus")


def _problem(guideline: Guideline, condition: JsonObject) -> _Problem:
    said = read_concept(condition, "code")
    return _Problem(
        sets_of(guideline, said.codes),
        _is_active(condition, guideline),
        any(system in DIAGNOSIS_SYSTEMS for system, _ in said.codes),
        said.label,
        said.written,
    )


def _is_active(condition: JsonObject, guideline: Guideline) -> bool | None:
    """Whether a Condition holds now, by its status; ``None`` where it does not say."""
    if not status_codes(condition, "verificationStatus", guideline).isdisjoint(NOT_SO):
        return False
    status = status_codes(condition, "clinicalStatus", guideline)
    return not status.isdisjoint(ACTIVE) if status & (ACTIVE | OVER) else None


def _has_abated(resource: JsonObject, today: date) -> bool:
    when = read_when(resource, "abatementDateTime") or read_period(resource, "abatementPeriod")[1]
    if when:
        return when.first < today  # a partial date that may be past is
    return any(name in resource for name in ("abatementAge", "abatementRange", "abatementString")) or (
        resource.get("abatementBoolean") is True
    )


def _onset(resource: JsonObject) -> When | None:
    return read_when(resource, "onsetDateTime") or read_period(resource, "onsetPeriod")[0]
