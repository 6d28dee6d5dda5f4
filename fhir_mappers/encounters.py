"""Encounters: hospital visits and what they were for, and contacts with a specialist."""

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import ACT_CODE
from prodrome.fhir_mappers.codes import NOTHING, Code, Concept, coding, concept, read_concepts, sets_of
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
from prodrome.fhir_mappers.phrases import found_in, phrases
from prodrome.fhir_mappers.specialists import code_sets, is_specialist
from prodrome.rules import FollowUp, HospitalVisit, Indication

RUNNING = frozenset({"in-progress", "arrived", "triaged", "onleave"})
COUNTED = RUNNING | {"finished", "unknown", "completed", "discharged", None}
HOSPITAL, AMBULATORY, EMERGENCY = "hospital_class", "ambulatory_class", "emergency"  # code sets
_CLASSES = frozenset({HOSPITAL, AMBULATORY, EMERGENCY})
# Words that name the class of a visit where no code does.
VISIT_WORDS = phrases(
    {
        EMERGENCY: (
            "emergency", "er visit", "ed visit", "a&e", "accident and emergency", "notfall", "notaufnahme", "urgences",
            "urgencias", "spoedeisende hulp", "seh", "pronto soccorso", "akutmottagning", "akuttmottak",
        ),
        HOSPITAL: (
            "inpatient", "hospitalization", "hospitalisation", "hospital admission", "stationär", "hospitalisé",
            "hospitalización", "ricovero", "klinische opname", "observation",
        ),
        AMBULATORY: (
            "ambulatory", "outpatient", "office visit", "appointment", "telehealth", "telemedicine", "virtual",
            "video visit", "ambulant", "consultation externe", "ambulatorio", "poliklinisch",
        ),
    }
)  # fmt: skip
PRINCIPAL_USES = frozenset({"CC", "DD", "billing", "treatment-diagnosis", "chief-complaint", "discharge-diagnosis"})
"""Uses of a diagnosis that make it the visit's own: chief complaint, discharge, billing, treatment."""


def read_encounters(chart: Chart) -> tuple[list[HospitalVisit], list[FollowUp]]:
    """Emergency and inpatient visits, and ambulatory contacts with a specialist."""
    visits: list[HospitalVisit] = []
    contacts: list[FollowUp] = []
    wanted = code_sets(chart.guideline)

    def read(ref: str, resource: JsonObject) -> None:
        status = read_text(resource, "status")
        if status not in COUNTED:
            return
        types = read_concepts(resource, "type")
        services = service_types(resource)
        classes = _classes(chart, resource, [*types, *services])
        refs = (ref,) if ref else ()
        if HOSPITAL in classes or EMERGENCY in classes:
            start, end = _period(resource)
            running = status in RUNNING and (end is None or end.last >= chart.today)
            reason = _reason(chart, resource)
            visits.append(HospitalVisit(start, None if running else end, running, reason, refs))
        elif AMBULATORY in classes and is_specialist(
            _specialties(chart, resource, [*types, *services]), chart.guideline, wanted
        ):
            contacts.append(FollowUp("contact", _period(resource)[0], refs))

    chart.each("Encounter", read)
    return visits, contacts


def _classes(chart: Chart, resource: JsonObject, kinds: list[Concept]) -> frozenset[str]:
    """The code sets of the encounter's class: by code, else by the words of its display, else by its type.

    A class is a Coding [R5: concepts]; one without a system is of the standard's. An emergency type counts beside
    whatever the class says; other types and services speak only where the class says nothing.
    """
    codes: list[Code] = []
    words: list[str] = []
    for value in read_objects(resource, "class"):
        said = concept(value) if "coding" in value else coding({"system": ACT_CODE, **value})
        codes += said.codes
        words += [*said.texts, *said.displays]
    by_type = frozenset().union(*(sets_of(chart.guideline, said.codes) for said in kinds)) & _CLASSES
    by_code = frozenset(sets_of(chart.guideline, tuple(codes))) & _CLASSES
    names = by_code or frozenset().union(*(found_in(text, VISIT_WORDS) for text in words)) or by_type
    if not names:
        texts = [text for said in kinds for text in said.texts]
        names = frozenset().union(*(found_in(text, VISIT_WORDS) for text in texts))
    return names | (by_type & {EMERGENCY})


def _period(resource: JsonObject) -> Period:
    return read_period(resource, "period" if "period" in resource else "actualPeriod")


def _specialties(chart: Chart, resource: JsonObject, types: list[Concept]) -> list[Concept]:
    said = [*types]
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
