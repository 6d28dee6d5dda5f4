"""Requests to measure with: one patient with migraine, and as much of a chart around it as asked for."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count, cycle, islice
from typing import Any

TODAY = date(2026, 6, 15)
PATIENT = "bench-1"
SIZES = {"small": 21, "typical": 71, "heavy": 281}
"""Resources per request."""

Resource = dict[str, Any]

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
DIARY = "https://example.org/prodrome/CodeSystem/headache-diary"

_KEYS = {
    "Patient": "patient",
    "Condition": "conditions",
    "MedicationStatement": "medicationStatements",
    "MedicationRequest": "medicationRequests",
    "AllergyIntolerance": "allergyIntolerances",
    "Encounter": "encounters",
    "Observation": "headacheDiary",
    "Procedure": "procedures",
}
_TRIALS = (
    ("8787", "propranolol", 160, "395007004"),
    ("38404", "topiramate", 100, "395009001"),
    ("704", "amitriptyline", 50, "395007004"),
    ("39786", "venlafaxine", 150, "395009001"),
)
_OTHER_DRUGS = (
    ("6809", "metformin", 500),
    ("36567", "simvastatin", 20),
    ("10582", "levothyroxine", 0.1),
    ("17767", "amlodipine", 5),
    ("7646", "omeprazole", 20),
)
_OTHER_CONDITIONS = (("E11.9", "Type 2 diabetes"), ("E78.5", "Hyperlipidaemia"), ("J30.9", "Allergic rhinitis"))
_OTHER_OBSERVATIONS = (("2345-7", "Glucose", 5.4), ("718-7", "Haemoglobin", 13.9), ("2160-0", "Creatinine", 0.8))


def request(resources: int) -> dict[str, Any]:
    """A patient-view request with that many resources in its prefetch: what rules read first, then everyday ones."""
    chosen = islice(_chart(), resources)
    prefetch: dict[str, Any] = {key: [] for key in _KEYS.values()}
    for resource in chosen:
        prefetch[_KEYS[resource["resourceType"]]].append(resource)
    (prefetch["patient"],) = prefetch["patient"]
    bundles = {key: _bundle(found) for key, found in prefetch.items() if isinstance(found, list)}
    others = ("measurements", "medicationAdministrations", "serviceRequests", "appointments")
    return {
        "hook": "patient-view",
        "hookInstance": "5b5b6a0f-2a58-4c3e-9d5c-0d4f1f7f3a10",
        "context": {"userId": "Practitioner/bench", "patientId": PATIENT},
        "prefetch": prefetch | bundles | dict.fromkeys((*others, "deviceUseStatements", "deviceRequests")),
    }


def _bundle(resources: list[Resource]) -> dict[str, Any] | None:
    if not resources:
        return None
    entries = [
        {
            "fullUrl": f"https://ehr.example.org/fhir/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _chart() -> Iterator[Resource]:
    number = count(1)

    def row(kind: str, **elements: Any) -> Resource:
        return {
            "resourceType": kind,
            "id": f"bench-{next(number)}",
            "meta": {"versionId": "1", "lastUpdated": "2026-06-01T08:00:00.000+00:00"},
            "subject": {"reference": f"Patient/{PATIENT}", "display": "Bench, Patient"},
            **elements,
        }

    yield {
        "resourceType": "Patient",
        "id": PATIENT,
        "name": [{"family": "Bench", "given": ["Patient"]}],
        "gender": "female",
        "birthDate": "1984-03-02",
    }
    yield row("Condition", **_condition("G43.709", "Chronic migraine without aura"))
    for months_ago, days in ((1, 12), (2, 10), (3, 9)):
        yield row("Observation", **_diary(months_ago, days))
    start = date(2023, 1, 10)
    for code, name, dose, reason in _TRIALS:
        yield row("MedicationStatement", **_statement(code, name, dose, start, start + timedelta(120), reason))
        start += timedelta(150)
    yield row("MedicationStatement", **_statement("37418", "sumatriptan", 50, date(2025, 1, 1), None, None))
    everyday = cycle((_other_request, _other_encounter, _other_observation, _other_request, _other_condition))
    for turn in count():
        kind, elements = next(everyday)(turn)
        yield row(kind, **elements)


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _condition(code: str, display: str) -> Resource:
    base = "http://terminology.hl7.org/CodeSystem/condition"
    return {
        "clinicalStatus": {"coding": [{"system": f"{base}-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{base}-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{base}-category", "code": "problem-list-item"}]}],
        "code": _concept(ICD10CM, code, display),
        "onsetDateTime": "2015-03-01",
    }


def _diary(months_ago: int, days: int) -> Resource:
    first = date(TODAY.year, TODAY.month - months_ago, 1)
    last = date(TODAY.year, TODAY.month - months_ago + 1, 1) - timedelta(1)
    return {
        "status": "final",
        "code": {"coding": [{"system": DIARY, "code": "debilitating-headache-days"}]},
        "effectivePeriod": {"start": first.isoformat(), "end": last.isoformat()},
        "valueInteger": days,
    }


def _dosage(dose: float) -> list[dict[str, Any]]:
    quantity = {"value": dose, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    return [
        {
            "text": f"{dose} mg once a day",
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "route": _concept(SNOMED, "26643006", "Oral route"),
            "doseAndRate": [{"doseQuantity": quantity}],
        }
    ]


def _statement(code: str, name: str, dose: float, start: date, end: date | None, reason: str | None) -> Resource:
    stopped = {"statusReason": [_concept(SNOMED, reason, "Medication stopped")]} if reason else {}
    return {
        "status": "stopped" if reason else "active",
        **stopped,
        "medicationCodeableConcept": _concept(RXNORM, code, name),
        "effectivePeriod": {"start": start.isoformat(), **({"end": end.isoformat()} if end else {})},
        "reasonCode": [_concept(ICD10CM, "G43.709", "Chronic migraine without aura")],
        "dosage": _dosage(dose),
    }


def _other_request(turn: int) -> tuple[str, Resource]:
    code, name, dose = _OTHER_DRUGS[turn % len(_OTHER_DRUGS)]
    authored = TODAY - timedelta(30 * turn % 3000)
    return "MedicationRequest", {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": _concept(RXNORM, code, name),
        "authoredOn": authored.isoformat(),
        "requester": {"reference": "Practitioner/bench"},
        "dosageInstruction": _dosage(dose),
        "dispenseRequest": {"numberOfRepeatsAllowed": 3, "quantity": {"value": 30, "unit": "tablet"}},
    }


def _other_encounter(turn: int) -> tuple[str, Resource]:
    day = (TODAY - timedelta(7 * turn % 390)).isoformat()
    return "Encounter", {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "type": [_concept(SNOMED, "185349003", "Encounter for check up")],
        "period": {"start": f"{day}T08:00:00Z", "end": f"{day}T08:20:00Z"},
        "participant": [{"individual": {"reference": "Practitioner/bench", "display": "Dr Bench"}}],
    }


def _other_observation(turn: int) -> tuple[str, Resource]:
    code, name, value = _OTHER_OBSERVATIONS[turn % len(_OTHER_OBSERVATIONS)]
    return "Observation", {
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category"}]}],
        "code": _concept(LOINC, code, name),
        "effectiveDateTime": (TODAY - timedelta(11 * turn % 700)).isoformat(),
        "valueQuantity": {"value": value, "unit": "mmol/L"},
    }


def _other_condition(turn: int) -> tuple[str, Resource]:
    return "Condition", _condition(*_OTHER_CONDITIONS[turn % len(_OTHER_CONDITIONS)])
