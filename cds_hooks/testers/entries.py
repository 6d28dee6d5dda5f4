"""What a hook says is being written into a chart, from a few words: a problem, or an allergy to a drug."""

from typing import Any

from prodrome.cds_hooks.testers.orders import drug_named, medication
from prodrome.rules.guideline import Guideline

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
ENTRY_ID = "entry-1"


def draft_problem(text: str, patient_id: str, guideline: Guideline) -> dict[str, Any]:
    """The ``Condition`` that *text* names: ``system|code``, the system by address or our short name; or only words."""
    system, bar, code = text.strip().rpartition("|")
    system = guideline.systems.get(system, system)
    return {
        "resourceType": "Condition",
        "id": ENTRY_ID,
        "clinicalStatus": status("clinical", "active"),
        "verificationStatus": status("ver-status", "confirmed"),
        "subject": {"reference": f"Patient/{patient_id}"},
        "code": {"coding": [{"system": system, "code": code}]} if bar else {"text": code},
    }


def draft_allergy(name: str, patient_id: str, guideline: Guideline) -> dict[str, Any]:
    """The ``AllergyIntolerance`` to the drug that *name* means; raises :class:`BadOrder` for one of no table."""
    return {
        "resourceType": "AllergyIntolerance",
        "id": ENTRY_ID,
        "type": "allergy",
        "patient": {"reference": f"Patient/{patient_id}"},
        "code": medication(drug_named(name, guideline)),
    }


def status(of: str, code: str) -> dict[str, Any]:
    """A status of a Condition: *of* is ``clinical`` or ``ver-status``."""
    return {"coding": [{"system": f"{_TERMINOLOGY}/condition-{of}", "code": code}]}
