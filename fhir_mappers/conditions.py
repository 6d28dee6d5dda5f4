"""Active conditions, by the code sets they belong to. Text alone never makes a diagnosis."""

from datetime import date

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DIAGNOSIS_SYSTEMS
from prodrome.fhir_mappers.codes import Concept, read_concept, sets_of, status_codes
from prodrome.fhir_mappers.dates import read_period, read_when
from prodrome.fhir_mappers.elements import JsonObject, read_object, read_text
from prodrome.rules import UNKNOWN_CODE, Condition, When

ACTIVE = frozenset({"active", "recurrence", "relapse"})
OVER = frozenset({"inactive", "remission", "resolved", "refuted"})
NOT_SO = frozenset({"refuted", "entered-in-error", "differential"})


NO_CODE = "has no code of a known system"


def read_conditions(chart: Chart) -> list[Condition]:
    """The active conditions that are in any code set."""
    conditions: list[Condition] = []

    def read(ref: str, resource: JsonObject) -> None:
        said = read_concept(resource, "code")
        names = sets_of(chart.guideline, said.codes) if said.codes else None
        if not is_active(resource, chart.today):
            return
        if not names:
            chart.puzzled("Condition", "problem", UNKNOWN_CODE if _is_coded(said) else NO_CODE, ref, said.written)
        else:
            chart.understood("Condition", "problem")
            refs = (ref,) if ref else ()
            recorded = read_when(resource, "recordedDate")
            onset = _onset(resource) or recorded
            conditions.append(Condition(frozenset(names), onset, recorded, said.label, refs))

    chart.each("Condition", read)
    return conditions


def _is_coded(said: Concept) -> bool:
    """Whether a diagnosis has a code of a system we know."""
    return any(system in DIAGNOSIS_SYSTEMS for system, _ in said.codes)


def is_active(resource: JsonObject, today: date) -> bool:
    """Whether a Condition holds now: by its status, or without one by the absence of a past abatement."""
    if not status_codes(resource, "verificationStatus").isdisjoint(NOT_SO):
        return False
    status = _clinical_status(resource)
    if status & (ACTIVE | OVER):
        return not status.isdisjoint(ACTIVE)
    return not _has_abated(resource, today)


def _clinical_status(resource: JsonObject) -> frozenset[str]:
    """The clinical status by code of any system, else by its text; what names none says nothing."""
    codes = status_codes(resource, "clinicalStatus")
    if codes & (ACTIVE | OVER) or type(resource.get("clinicalStatus")) is str:
        return codes
    value = read_object(resource, "clinicalStatus")
    text = read_text(value, "text") if value else None
    return frozenset({text.strip().lower()} if text else ())


def _has_abated(resource: JsonObject, today: date) -> bool:
    when = read_when(resource, "abatementDateTime") or read_period(resource, "abatementPeriod")[1]
    if when:
        return when.first < today  # a partial date that may be past is
    return any(name in resource for name in ("abatementAge", "abatementRange", "abatementString")) or (
        resource.get("abatementBoolean") is True
    )


def _onset(resource: JsonObject) -> When | None:
    return read_when(resource, "onsetDateTime") or read_period(resource, "onsetPeriod")[0]
