"""The same patient said otherwise: in the shapes of R5, or with MedicationRequests in place of statements."""

import copy
import json
from collections.abc import Callable
from typing import Any

Resource = dict[str, Any]

ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"


def as_r5(patient: dict[str, Any]) -> dict[str, Any]:
    """Every resource in the shape R5 gives it."""
    return _each(patient, lambda resource: _R5.get(resource["resourceType"], _same)(copy.deepcopy(resource)))


def as_medication_requests(patient: dict[str, Any]) -> dict[str, Any]:
    """Every MedicationStatement as the MedicationRequest that led to it, and what referred to it likewise."""
    changed = json.loads(
        json.dumps(_each(patient, _as_request)).replace('"MedicationStatement/', '"MedicationRequest/')
    )
    by_kind = changed["request_by_kind"]["prefetch"]
    statements, requests = by_kind.pop("MedicationStatement"), by_kind.get("MedicationRequest") or {}
    by_kind["MedicationRequest"] = {
        **statements,
        "total": len(statements.get("entry", [])) + len(requests.get("entry", [])),
        "entry": statements.get("entry", []) + requests.get("entry", []),
    }
    return dict(changed)


def _each(patient: dict[str, Any], change: Callable[[Resource], Resource]) -> dict[str, Any]:
    patient = copy.deepcopy(patient)
    request = patient["request_by_kind"]
    bundles = [*request["prefetch"].values(), request["context"].get("draftOrders")]
    for bundle in filter(None, bundles):
        for entry in bundle.get("entry", ()):
            entry["resource"] = change(entry["resource"])
    return patient


def _same(resource: Resource) -> Resource:
    return resource


def _as_request(resource: Resource) -> Resource:
    if resource["resourceType"] == "Observation" and "partOf" in resource:
        resource["focus"] = resource.pop("partOf")
    if resource["resourceType"] != "MedicationStatement":
        return resource
    period = resource.pop("effectivePeriod", None)
    request = {**resource, "resourceType": "MedicationRequest", "intent": "order"}
    dosage = request.pop("dosage", None)
    if dosage:
        request["dosageInstruction"] = dosage
    if "statusReason" in request:
        request["statusReason"] = request["statusReason"][0]
    if period and dosage and "timing" in dosage[0]:
        dosage[0]["timing"].setdefault("repeat", {})["boundsPeriod"] = period
    elif period:
        request["dispenseRequest"] = {"validityPeriod": period}
    return request


def _medicine(resource: Resource) -> Resource:
    if "medicationCodeableConcept" in resource:
        resource["medication"] = {"concept": resource.pop("medicationCodeableConcept")}
    if "medicationReference" in resource:
        resource["medication"] = {"reference": resource.pop("medicationReference")}
    return _reasons(resource)


def _reasons(resource: Resource) -> Resource:
    reasons = [{"concept": concept} for concept in resource.pop("reasonCode", ())]
    reasons += [{"reference": reference} for reference in resource.pop("reasonReference", ())]
    if reasons:
        resource["reason"] = reasons
    return resource


def _statement(resource: Resource) -> Resource:
    adherence: Resource = {
        "code": {"coding": [{"system": ADHERENCE, "code": "taking" if resource["status"] == "active" else "stopped"}]}
    }
    if "statusReason" in resource:
        adherence["reason"] = resource.pop("statusReason")[0]
    resource |= {"status": "recorded", "adherence": adherence}
    return _medicine(resource)


def _administration(resource: Resource) -> Resource:
    for name in ("DateTime", "Period"):
        if f"effective{name}" in resource:
            resource[f"occurence{name}"] = resource.pop(f"effective{name}")
    return _medicine(resource)


def _procedure(resource: Resource) -> Resource:
    for name in ("DateTime", "Period"):
        if f"performed{name}" in resource:
            resource[f"occurrence{name}"] = resource.pop(f"performed{name}")
    return _reasons(resource)


def _encounter(resource: Resource) -> Resource:
    resource["class"] = [{"coding": [resource["class"]]}]
    resource["actualPeriod"] = resource.pop("period")
    if resource["status"] == "finished":
        resource["status"] = "completed"
    if "serviceType" in resource:
        resource["serviceType"] = [{"concept": resource["serviceType"]}]
    reasons = [{"value": [{"concept": concept}]} for concept in resource.pop("reasonCode", ())]
    if reasons:
        resource["reason"] = reasons
    return resource


def _appointment(resource: Resource) -> Resource:
    if "serviceType" in resource:
        resource["serviceType"] = [{"concept": concept} for concept in resource["serviceType"]]
    return resource


def _service_request(resource: Resource) -> Resource:
    if "code" in resource:
        resource["code"] = {"concept": resource["code"]}
    return _reasons(resource)


_R5: dict[str, Callable[[Resource], Resource]] = {
    "MedicationStatement": _statement,
    "MedicationRequest": _medicine,
    "MedicationAdministration": _administration,
    "Procedure": _procedure,
    "Encounter": _encounter,
    "Appointment": _appointment,
    "ServiceRequest": _service_request,
}
