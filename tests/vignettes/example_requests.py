"""The example patients as requests, with their prefetch by kind of resource."""

from collections import defaultdict
from datetime import date
from typing import Any

from prodrome.cds_hooks.protocol import HOOKS
from prodrome.cds_hooks.testers.example_patients import Ask, Example, entry_of, resources
from prodrome.cds_hooks.testers.orders import draft_order
from prodrome.rules.guideline.guideline import load_guideline

GUIDELINE = load_guideline()


def by_kind(example: Example, today: date) -> dict[str, Any]:
    """The patient's chart on a day: a Bundle for each kind of resource, and the Patient."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for resource in resources(example, GUIDELINE, today):
        found[resource["resourceType"]].append({"resource": resource})
    bundles: dict[str, Any] = {kind: {"resourceType": "Bundle", "entry": rows} for kind, rows in found.items()}
    return {**bundles, "Patient": found["Patient"][0]["resource"]}


def request(example: Example, ask: Ask, today: date) -> dict[str, Any]:
    """One call about an example patient, in the shape of the labelled patients."""
    context: dict[str, Any] = {"patientId": example.patient_id, "userId": "Practitioner/x"}
    if ask.hook.startswith("encounter-"):
        context["encounterId"] = example.encounter_id or "none"
    if ask.order:
        order = draft_order(ask.order, example.patient_id, GUIDELINE, today)
        context[HOOKS[ask.hook].orders or "draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": order}]}
        context["selections"] = [f"MedicationRequest/{order['id']}"]
    if entry := entry_of(ask, example, GUIDELINE):
        declares = HOOKS[ask.hook].declares
        assert declares is not None
        context[declares[0]] = entry
    instance = "00000000-0000-4000-8000-000000000000"
    asked = {"hook": ask.hook, "hookInstance": instance, "context": context, "prefetch": by_kind(example, today)}
    return {"request_by_kind": asked}
