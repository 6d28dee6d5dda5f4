"""Small charts, put into a real FHIR server by one transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

import httpx


def load(url: str, resources: Iterable[Mapping[str, Any]]) -> None:
    """PUT every resource under its own id, all or nothing."""
    entries = [
        {"resource": item, "request": {"method": "PUT", "url": f"{item['resourceType']}/{item['id']}"}}
        for item in resources
    ]
    answer = httpx.post(url, json={"resourceType": "Bundle", "type": "transaction", "entry": entries}, timeout=60)
    assert answer.status_code == 200, answer.text


def small_chart(patient: str, *, encounters: int = 12) -> list[dict[str, Any]]:
    """A patient with that many encounters and one request that names its medicine by reference."""
    subject = {"reference": f"Patient/{patient}"}
    visits = [
        {
            "resourceType": "Encounter",
            "id": f"{patient}-e{number}",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": subject,
            "period": {"start": f"2026-05-{number + 1:02}", "end": f"2026-05-{number + 1:02}"},
        }
        for number in range(encounters)
    ]
    medicine = {"resourceType": "Medication", "id": f"{patient}-m", "code": {"text": "amitriptyline"}}
    request = {
        "resourceType": "MedicationRequest",
        "id": f"{patient}-r",
        "status": "active",
        "intent": "order",
        "subject": subject,
        "medicationReference": {"reference": f"Medication/{patient}-m"},
    }
    return [{"resourceType": "Patient", "id": patient, "birthDate": "1988-01-01"}, *visits, medicine, request]
