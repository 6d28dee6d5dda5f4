"""Encounters: hospital visits and what they were for, and contacts with a specialist."""

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import ACT_CODE, NOTHING, SYSTEMS, Concept, concept, read_concepts, sets_of
from prodrome.fhir_mappers.dates import Period, read_period
from prodrome.fhir_mappers.elements import (
    JsonObject,
    read_number,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from prodrome.fhir_mappers.indications import concept_and_reference, condition_concept, of_codes
from prodrome.fhir_mappers.specialists import code_sets, is_specialist
from prodrome.rules import FollowUp, HospitalVisit, Indication

RUNNING = frozenset({"in-progress", "arrived", "triaged", "onleave"})
COUNTED = RUNNING | {"finished", "unknown", "completed", "discharged", None}
HOSPITAL, AMBULATORY, EMERGENCY = "hospital_class", "ambulatory_class", "emergency"  # code sets
PRINCIPAL_USES = frozenset({"CC", "DD", "billing"})  # chief complaint, discharge, billing


def read_encounters(chart: Chart) -> tuple[list[HospitalVisit], list[FollowUp]]:
    """Emergency and inpatient visits, and ambulatory contacts with a specialist."""
    visits: list[HospitalVisit] = []
    contacts: list[FollowUp] = []
    wanted = code_sets(chart.guideline)

    def read(ref: str, resource: JsonObject) -> None:
        status = read_text(resource, "status")
        if status not in COUNTED:
            return
        classes = _classes(chart, resource)
        types = read_concepts(resource, "type")
        emergency = any(EMERGENCY in sets_of(chart.guideline, said.codes) for said in types)
        refs = (ref,) if ref else ()
        if HOSPITAL in classes or emergency:
            start, end = _period(resource)
            running = status in RUNNING and (end is None or end.last >= chart.today)
            reason = _reason(chart, resource)
            visits.append(HospitalVisit(start, None if running else end, running, reason, refs))
        elif AMBULATORY in classes and is_specialist(_specialties(chart, resource, types), chart.guideline, wanted):
            contacts.append(FollowUp("contact", _period(resource)[0], refs))

    chart.each("Encounter", read)
    return visits, contacts


def _classes(chart: Chart, resource: JsonObject) -> frozenset[str]:
    """The code sets of the encounter's class: a Coding [R5: concepts]; one without a system is of the standard's."""
    names: frozenset[str] = frozenset()
    for value in read_objects(resource, "class"):
        for each in read_objects(value, "coding") if "coding" in value else (value,):
            system = read_text(each, "system") or ACT_CODE
            if SYSTEMS.get(system) == ACT_CODE and (code := read_text(each, "code")):
                names |= chart.guideline.sets_of(ACT_CODE, code)
    return names


def _period(resource: JsonObject) -> Period:
    return read_period(resource, "period" if "period" in resource else "actualPeriod")


def _specialties(chart: Chart, resource: JsonObject, types: list[Concept]) -> list[Concept]:
    said = [*types, *service_types(resource)]
    for participant in read_objects(resource, "participant"):
        who = read_object(participant, "individual") or read_object(participant, "actor")
        role = chart.resolve(read_reference(who), resource)
        if role and role.get("resourceType") == "PractitionerRole":
            said += read_concepts(role, "specialty") + read_concepts(role, "code")
    return said


def service_types(resource: JsonObject) -> list[Concept]:
    """``serviceType``: concepts [R5: concepts or references, of which the concepts]."""
    pairs = [concept_and_reference(value) for value in read_objects(resource, "serviceType")]
    return [said for said, _ in pairs if said]


def _reason(chart: Chart, resource: JsonObject) -> Indication:
    """What a visit was for, by code: its first reason, else its principal diagnosis. A reason in text says nothing."""
    first = _first_reason(chart, resource)
    if first is not None:
        return of_codes(first, chart.guideline)
    diagnoses = (of_codes(said, chart.guideline) for said in _principal_diagnoses(chart, resource))
    return min(diagnoses, key=_STRENGTH.index, default=Indication.UNSTATED)


_STRENGTH = (Indication.MIGRAINE, Indication.HEADACHE, Indication.OTHER, Indication.UNSTATED)


def _first_reason(chart: Chart, resource: JsonObject) -> Concept | None:
    for value in read_objects(resource, "reasonCode")[:1]:
        return concept(value)
    for value in read_objects(resource, "reasonReference")[:1]:
        return condition_concept(chart, value, resource)
    for reason in read_objects(resource, "reason")[:1]:  # R5
        for value in read_objects(reason, "value")[:1]:
            return _of_reference(chart, value, resource)
    return None


def _of_reference(chart: Chart, value: JsonObject, within: JsonObject) -> Concept | None:
    said, reference = concept_and_reference(value)
    if said is None and reference is not None:
        return condition_concept(chart, reference, within)
    return said


def _principal_diagnoses(chart: Chart, resource: JsonObject) -> list[Concept]:
    """The diagnoses of rank 1, else those without rank that are chief complaint, discharge or billing diagnosis."""
    first, unranked = [], []
    for diagnosis in read_objects(resource, "diagnosis"):
        rank = read_number(diagnosis, "rank")
        uses = {
            read_text(each, "code") for use in read_objects(diagnosis, "use") for each in read_objects(use, "coding")
        }
        if rank == 1:
            first.append((bool(uses & PRINCIPAL_USES), diagnosis))
        elif rank is None and uses & PRINCIPAL_USES:
            unranked.append(diagnosis)
    if any(principal for principal, _ in first):
        first = [each for each in first if each[0]]
    chosen = [diagnosis for _, diagnosis in first] or unranked
    return [
        said
        for diagnosis in chosen
        for value in read_objects(diagnosis, "condition")
        if (said := _of_reference(chart, value, resource) or NOTHING).codes
    ]
