"""Requests to measure with: one patient with migraine, and as much of a chart around it as asked for.

The resources carry what records send of them beside what rules read: profiles, further codings and their displays,
who wrote it and at which visit. They are as large as resources of real records.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count, cycle, islice
from typing import Any

TODAY = date(2026, 6, 15)
PATIENT = "bench-1"
INSTANCE = "5b5b6a0f-2a58-4c3e-9d5c-0d4f1f7f3a10"
SIZES = {"small": 21, "typical": 71, "heavy": 281}
"""Resources per request."""

Resource = dict[str, Any]

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
DIARY = "https://example.org/prodrome/CodeSystem/headache-diary"

EHR = "https://ehr.example.org/fhir"
CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

_PROFILES = {
    "Condition": "condition-problems-health-concerns",
    "Encounter": "encounter",
    "MedicationRequest": "medicationrequest",
    "MedicationStatement": "medicationstatement",
    "Observation": "observation-lab",
}
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
_OTHER_CONDITIONS = (
    ("E11.9", "Type 2 diabetes mellitus without complications"),
    ("E78.5", "Hyperlipidemia, unspecified"),
    ("J30.9", "Allergic rhinitis, unspecified"),
)
_OTHER_OBSERVATIONS = (
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", 97, "mg/dL", (65, 99)),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.9, "g/dL", (12, 16)),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", 0.8, "mg/dL", (0.5, 1.1)),
)


def request(resources: int) -> dict[str, Any]:
    """A patient-view request with that many resources in its prefetch: what rules read first, then everyday ones."""
    chosen = islice(chart(), resources)
    prefetch: dict[str, Any] = {key: [] for key in _KEYS.values()}
    for resource in chosen:
        prefetch[_KEYS[resource["resourceType"]]].append(resource)
    (prefetch["patient"],) = prefetch["patient"]
    bundles = {key: _bundle(found) for key, found in prefetch.items() if isinstance(found, list)}
    others = ("measurements", "medicationAdministrations", "serviceRequests", "appointments")
    return {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "context": {"userId": "Practitioner/bench", "patientId": PATIENT},
        "prefetch": prefetch | bundles | dict.fromkeys((*others, "deviceUseStatements", "deviceRequests")),
    }


def _bundle(resources: list[Resource]) -> dict[str, Any] | None:
    if not resources:
        return None
    entries = [
        {
            "fullUrl": f"{EHR}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def chart() -> Iterator[Resource]:
    """The rows of the chart, without end: what rules read first, then everyday ones."""
    number = count(1)

    def row(kind: str, **elements: Any) -> Resource:
        return {
            "resourceType": kind,
            "id": f"bench-{next(number)}",
            "meta": {
                "versionId": "3",
                "lastUpdated": "2026-06-01T08:00:00.000+00:00",
                "profile": [CORE + _PROFILES[kind]],
            },
            "subject": {"reference": f"Patient/{PATIENT}"},
            **elements,
        }

    yield _patient()
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


def _patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "meta": {"versionId": "7", "lastUpdated": "2026-06-01T08:00:00.000+00:00", "profile": [f"{CORE}patient"]},
        "identifier": [
            {
                "use": "usual",
                "type": _concept(f"{TERMINOLOGY}/v2-0203", "MR", "Medical Record Number"),
                "system": f"{EHR}/identifiers/mrn",
                "value": "0010-bench",
            }
        ],
        "active": True,
        "name": [{"use": "official", "family": "Bench", "given": ["Patient", "B"]}],
        "telecom": [
            {"system": "phone", "value": "555-0100", "use": "home"},
            {"system": "email", "value": "patient@example.org"},
        ],
        "gender": "female",
        "birthDate": "1984-03-02",
        "address": [{"use": "home", "line": ["1 Example Street"], "city": "Boston", "state": "MA", "country": "US"}],
        "communication": [{"language": _concept("urn:ietf:bcp:47", "en-US", "English (United States)")}],
        "generalPractitioner": [_practitioner()],
    }


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{TERMINOLOGY}/{system}", "code": code}]}


def _medication(code: str, display: str) -> dict[str, Any]:
    """A drug with the coding of the record's own dictionary beside the standard one."""
    concept = _concept(RXNORM, code, display)
    concept["coding"].append({"system": f"{EHR}/medications", "code": f"70{code}", "display": display})
    return concept


def _practitioner() -> dict[str, str]:
    return {"reference": "Practitioner/bench", "display": "Doctor Bench, MD"}


def _visit(turn: int = 0) -> dict[str, Any]:
    return {"reference": f"Encounter/bench-visit-{turn}"}


def _condition(code: str, display: str) -> Resource:
    return {
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "category": [_status("condition-category", "problem-list-item")],
        "code": _concept(ICD10CM, code, display),
        "encounter": _visit(),
        "onsetDateTime": "2015-03-01",
        "recordedDate": "2015-03-02",
        "recorder": _practitioner(),
    }


def _diary(months_ago: int, days: int) -> Resource:
    first = date(TODAY.year, TODAY.month - months_ago, 1)
    last = date(TODAY.year, TODAY.month - months_ago + 1, 1) - timedelta(1)
    return {
        "status": "final",
        "category": [_status("observation-category", "survey")],
        "code": _concept(DIARY, "debilitating-headache-days", "Debilitating headache days"),
        "effectivePeriod": {"start": first.isoformat(), "end": last.isoformat()},
        "issued": f"{last}T20:00:00.000Z",
        "valueInteger": days,
    }


def _dosage(dose: float) -> list[dict[str, Any]]:
    quantity = {"value": dose, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    return [
        {
            "text": f"Take {dose} mg by mouth once a day.",
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "asNeededBoolean": False,
            "route": _concept(SNOMED, "26643006", "Oral route"),
            "doseAndRate": [{"doseQuantity": quantity}],
        }
    ]


def _statement(code: str, name: str, dose: float, start: date, end: date | None, reason: str | None) -> Resource:
    stopped = {"statusReason": [_concept(SNOMED, reason, "Medication stopped")]} if reason else {}
    return {
        "status": "stopped" if reason else "active",
        **stopped,
        "category": _status("medication-statement-category", "community"),
        "medicationCodeableConcept": _medication(code, name),
        "context": _visit(),
        "effectivePeriod": {"start": start.isoformat(), **({"end": end.isoformat()} if end else {})},
        "dateAsserted": "2026-05-04",
        "reasonCode": [_concept(ICD10CM, "G43.709", "Chronic migraine without aura")],
        "dosage": _dosage(dose),
    }


def _other_request(turn: int) -> tuple[str, Resource]:
    code, name, dose = _OTHER_DRUGS[turn % len(_OTHER_DRUGS)]
    authored = TODAY - timedelta(30 * turn % 3000)
    return "MedicationRequest", {
        "status": "active",
        "intent": "order",
        "category": [_status("medicationrequest-category", "community")],
        "reportedBoolean": False,
        "medicationCodeableConcept": _medication(code, f"{name} {dose} mg tablet"),
        "encounter": _visit(turn),
        "authoredOn": f"{authored}T09:12:00Z",
        "requester": _practitioner(),
        "dosageInstruction": _dosage(dose),
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 3,
            "quantity": {"value": 30, "unit": "tablet"},
        },
    }


def _other_encounter(turn: int) -> tuple[str, Resource]:
    day = (TODAY - timedelta(7 * turn % 390)).isoformat()
    period = {"start": f"{day}T08:00:00Z", "end": f"{day}T08:20:00Z"}
    return "Encounter", {
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "type": [_concept(SNOMED, "185349003", "Encounter for check up")],
        "participant": [{"individual": _practitioner()}],
        "period": period,
        "location": [{"location": {"reference": "Location/bench", "display": "Example Family Medicine"}}],
    }


def _other_observation(turn: int) -> tuple[str, Resource]:
    code, name, value, unit, (low, high) = _OTHER_OBSERVATIONS[turn % len(_OTHER_OBSERVATIONS)]
    day = TODAY - timedelta(11 * turn % 700)

    return "Observation", {
        "status": "final",
        "category": [_status("observation-category", "laboratory")],
        "code": _concept(LOINC, code, name),
        "encounter": _visit(turn),
        "effectiveDateTime": f"{day}T07:30:00Z",
        "issued": f"{day}T11:05:00.000Z",
        "performer": [_practitioner()],
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        "interpretation": [_status("v3-ObservationInterpretation", "N")],
        "referenceRange": [{"text": f"{low} - {high} {unit}"}],
    }


def _other_condition(turn: int) -> tuple[str, Resource]:
    return "Condition", _condition(*_OTHER_CONDITIONS[turn % len(_OTHER_CONDITIONS)])
