"""Small FHIR resources for tests: one function per kind, everything but the point of the test left at a default."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

from prodrome.fhir_mappers import KINDS, Record, read_facts
from prodrome.rules.facts import Completeness, Facts
from prodrome.rules.guideline.guideline import load_guideline

TODAY = date(2026, 6, 15)
ME = "pat-1"

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
CPT = "http://www.ama-assn.org/go/cpt"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
REQUEST_REASON = "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason"
DIARY = "https://example.org/prodrome/CodeSystem/headache-diary"
LOCAL = "https://hospital.example.org/codes"

INEFFECTIVE = "395007004"
SIDE_EFFECT = "395009001"

Json = dict[str, Any]
COMPLETE = dict.fromkeys(KINDS, Completeness.COMPLETE)


def facts(
    *resources: object,
    orders: tuple[object, ...] = (),
    selections: tuple[str, ...] | None = None,
    completeness: Mapping[str, Completeness] = COMPLETE,
    patient_id: str | None = ME,
    today: date = TODAY,
) -> Facts:
    """What a record of these resources says, every kind complete unless told otherwise."""
    by_kind: dict[str, list[object]] = defaultdict(list)
    for resource in resources:
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        by_kind[kind if isinstance(kind, str) else "Observation"].append(resource)
    record = Record(patient_id, by_kind, completeness, orders, selections)
    return read_facts(record, load_guideline(), today)


_numbers = iter(range(1, 10**9))


def resource(kind: str, **elements: Any) -> Json:
    """A resource of our patient with an id of its own; elements given as None are left out."""
    made = {"resourceType": kind, "id": f"r{next(_numbers):04}", "subject": {"reference": f"Patient/{ME}"}} | elements
    return {name: value for name, value in made.items() if value is not None}


def concept(
    system: str | None = None, code: str | None = None, text: str | None = None, display: str | None = None
) -> Json:
    coding = {"system": system, "code": code, "display": display}
    made: Json = {}
    if code or display:
        made["coding"] = [{name: value for name, value in coding.items() if value is not None}]
    if text is not None:
        made["text"] = text
    return made


def rxnorm(code: str, display: str | None = None) -> Json:
    return concept(RXNORM, code, display=display)


PROPRANOLOL = rxnorm("8787", "propranolol")
SUMATRIPTAN = rxnorm("37418", "sumatriptan")
ERENUMAB = rxnorm("2045613", "erenumab")
BOTOX = rxnorm("860189")
ANY_TOXIN = rxnorm("1712")
RIMEGEPANT = rxnorm("2282307")
MIGRAINE = concept(ICD10CM, "G43.009")


def dose(value: float = 80, unit: str = "mg", **timing: Any) -> Json:
    """One Dosage: by default so many mg once a day."""
    repeat = timing or {"frequency": 1, "period": 1, "periodUnit": "d"}
    return {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}}]}


def as_needed(value: float, unit: str = "mg", **more: Any) -> Json:
    return {"asNeededBoolean": True, "doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}}]} | more


def period(start: str | None, end: str | None) -> Json:
    return {name: value for name, value in (("start", start), ("end", end)) if value}


def statement(
    drug: Json | None = PROPRANOLOL,
    status: object = "stopped",
    start: str | None = "2025-01-01",
    end: str | None = "2025-06-01",
    why: Json | None = None,
    **elements: Any,
) -> Json:
    """A MedicationStatement: propranolol 80 mg a day for migraine, stopped, unless told otherwise."""
    return resource(
        "MedicationStatement",
        **{
            "status": status,
            "medicationCodeableConcept": drug,
            "effectivePeriod": period(start, end) or None,
            "statusReason": [why] if why else None,
            "reasonCode": [MIGRAINE],
            "dosage": [dose()],
        }
        | elements,
    )


def request(drug: Json | None = PROPRANOLOL, status: str | None = "active", **elements: Any) -> Json:
    """A MedicationRequest: propranolol 80 mg a day for migraine."""
    return resource(
        "MedicationRequest",
        **{
            "status": status,
            "intent": "order",
            "medicationCodeableConcept": drug,
            "authoredOn": "2025-01-01",
            "reasonCode": [MIGRAINE],
            "dosageInstruction": [dose()],
        }
        | elements,
    )


def administration(
    drug: Json = ERENUMAB, on: str | None = "2025-01-01", amount: float | None = 70, **more: Any
) -> Json:
    return resource(
        "MedicationAdministration",
        **{
            "status": "completed",
            "medicationCodeableConcept": drug,
            "effectiveDateTime": on,
            "dosage": {"dose": {"value": amount, "unit": "mg"}} if amount else None,
        }
        | more,
    )


def procedure(code: Json, on: str | None = "2025-01-01", **more: Any) -> Json:
    return resource("Procedure", **{"status": "completed", "code": code, "performedDateTime": on} | more)


def condition(code: Json = MIGRAINE, status: str | None = "active", **more: Any) -> Json:
    clinical = concept("http://terminology.hl7.org/CodeSystem/condition-clinical", status) if status else None
    return resource("Condition", **{"clinicalStatus": clinical, "code": code} | more)


def encounter(class_: str | None = "EMER", why: Json | None = MIGRAINE, status: str = "finished", **more: Any) -> Json:
    return resource(
        "Encounter",
        **{
            "status": status,
            "class": {"system": ACT_CODE, "code": class_} if class_ else None,
            "period": period("2026-05-01T08:00:00Z", "2026-05-01T12:00:00Z"),
            "reasonCode": [why] if why else None,
        }
        | more,
    )


def observation(system: str, code: str, **more: Any) -> Json:
    return resource("Observation", **{"status": "final", "code": concept(system, code)} | more)


def diary(
    code: str = "debilitating-headache-days",
    days: object = 9,
    start: str = "2026-05-01",
    end: str = "2026-05-31",
    **more: Any,
) -> Json:
    return observation(DIARY, code, **{"effectivePeriod": period(start, end), "valueInteger": days} | more)


def quantity(value: object, unit: str) -> Json:
    return {"value": value, "unit": unit}


def component(system: str, code: str, **value: Any) -> Json:
    return {"code": concept(system, code)} | value


def bundle(*resources: object, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]} | more


def attack_response(treated: object, relieved: object, **more: Any) -> Json:
    """How many attacks were treated, and how many of them relieved; ``None`` leaves a number out."""
    counts = (("attacks-treated", treated), ("attacks-relieved", relieved))
    parts = [component(DIARY, name, valueInteger=count) for name, count in counts if count is not None]
    return observation(DIARY, "attack-response", **{"component": parts} | more)
