"""Active conditions, by the code sets they belong to. Text alone never makes a diagnosis."""

from datetime import date
from functools import partial

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DIAGNOSIS_SYSTEMS
from prodrome.fhir_mappers.codes import Concept, read_concept, sets_of, status_codes
from prodrome.fhir_mappers.dates import read_period, read_when
from prodrome.fhir_mappers.elements import JsonObject
from prodrome.rules import UNKNOWN_CODE, Condition, When

ACTIVE = frozenset({"active", "recurrence", "relapse"})
OVER = frozenset({"inactive", "remission", "resolved", "refuted"})
NOT_SO = frozenset({"refuted", "entered-in-error", "differential"})


NO_CODE = "has no code of a known system"


def read_conditions(chart: Chart) -> list[Condition]:
    """The active conditions that are in any code set."""
    conditions: list[Condition] = []
    chart.each("Condition", partial(_read, chart, conditions))
    return conditions


def _read(chart: Chart, conditions: list[Condition], ref: str, resource: JsonObject) -> None:
    said = read_concept(resource, "code")
    names = sets_of(chart.guideline, said.codes) if said.codes else None
    if not is_active(resource, chart):
        return
    if not names:
        chart.puzzled("Condition", "problem", UNKNOWN_CODE if _is_coded(said) else NO_CODE, ref, said.written)
    else:
        chart.understood("Condition", "problem")
        refs = (ref,) if ref else ()
        recorded = read_when(resource, "recordedDate")
        onset = _onset(resource) or recorded
        conditions.append(Condition(frozenset(names), onset, recorded, said.label, refs))


def _is_coded(said: Concept) -> bool:
    """Whether a diagnosis has a code of a system we know."""
    return any(system in DIAGNOSIS_SYSTEMS for system, _ in said.codes)


def is_active(resource: JsonObject, chart: Chart) -> bool:
    """Whether a Condition holds now: by its status, or without one by the absence of a past abatement."""
    if not status_codes(resource, "verificationStatus", chart.guideline).isdisjoint(NOT_SO):
        return False
    status = status_codes(resource, "clinicalStatus", chart.guideline)
    if status & (ACTIVE | OVER):
        return not status.isdisjoint(ACTIVE)
    return not _has_abated(resource, chart.today)


def _has_abated(resource: JsonObject, today: date) -> bool:
    when = read_when(resource, "abatementDateTime") or read_period(resource, "abatementPeriod")[1]
    if when:
        return when.first < today  # a partial date that may be past is
    return any(name in resource for name in ("abatementAge", "abatementRange", "abatementString")) or (
        resource.get("abatementBoolean") is True
    )


def _onset(resource: JsonObject) -> When | None:
    return read_when(resource, "onsetDateTime") or read_period(resource, "onsetPeriod")[0]
