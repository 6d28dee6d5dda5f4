"""Values are changed where they stand, and nowhere else."""

import copy
from typing import Any

import pytest

from prodrome.cds_hooks.workbench.editing import BadEdit, changed, editable, edited, parameter_fields, parameter_values
from prodrome.rules.guideline.guideline import load_guideline

GUIDELINE = load_guideline()
STATEMENT = "/prefetch/medicationStatements/entry/0/resource"
DOCUMENT: dict[str, Any] = {
    "hook": "order-sign",
    "context": {
        "patientId": "p",
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "MedicationRequest",
                        "id": "d",
                        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 25, "unit": "mg"}}]}],
                    }
                }
            ],
        },
    },
    "prefetch": {
        "medicationStatements": {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "MedicationStatement",
                        "id": "m",
                        "status": "active",
                        "medicationCodeableConcept": {"text": "propranolol"},
                        "effectivePeriod": {"start": "2026-01-01"},
                        "dosage": [{"doseAndRate": [{"doseQuantity": {"value": 40, "unit": "mg"}}]}],
                    }
                }
            ],
        },
        "headacheDiary": {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "Observation", "id": "o", "valueInteger": 9}}],
        },
    },
}


def fields() -> dict[str, Any]:
    return {f.name: f for rows in editable(DOCUMENT, GUIDELINE).values() for row in rows for f in row.fields}


def test_dates_doses_counts_reasons_and_the_order_in_hand_are_offered() -> None:
    offered = {name.removeprefix(STATEMENT): field.value for name, field in fields().items()}
    assert offered["/effectivePeriod/start"] == "2026-01-01"
    assert offered["/effectivePeriod/end"] == ""
    assert offered["/dosage/0/doseAndRate/0/doseQuantity/value"] == "40"
    assert offered["/statusReason"] == ""
    assert offered["/prefetch/headacheDiary/entry/0/resource/valueInteger"] == "9"
    order = "/context/draftOrders/entry/0/resource/dosageInstruction/0/doseAndRate/0/doseQuantity/value"
    assert offered[order] == "25"


def test_an_edit_changes_that_value_only_and_leaves_the_request_as_it_was() -> None:
    before = copy.deepcopy(DOCUMENT)
    after = edited(DOCUMENT, {f"{STATEMENT}/effectivePeriod/end": "2026-03"}, GUIDELINE)
    assert before == DOCUMENT
    changed_ = after["prefetch"]["medicationStatements"]["entry"][0]["resource"]
    assert changed_.pop("effectivePeriod") == {"start": "2026-01-01", "end": "2026-03"}
    original = dict(DOCUMENT["prefetch"]["medicationStatements"]["entry"][0]["resource"])
    del original["effectivePeriod"]
    assert changed_ == original


def test_a_reason_is_written_as_a_code_the_guideline_knows() -> None:
    after = edited(DOCUMENT, {f"{STATEMENT}/statusReason": "inefficacy"}, GUIDELINE)
    (reason,) = after["prefetch"]["medicationStatements"]["entry"][0]["resource"]["statusReason"]
    (coding,) = reason["coding"]
    assert "stop_reason.inefficacy" in GUIDELINE.sets_of(coding["system"], coding["code"])
    again = editable(after, GUIDELINE)["Medicines"][0]
    assert next(field.value for field in again.fields if field.kind == "reason") == "inefficacy"


def test_an_emptied_value_is_taken_out() -> None:
    after = edited(DOCUMENT, {f"{STATEMENT}/effectivePeriod/start": ""}, GUIDELINE)
    assert after["prefetch"]["medicationStatements"]["entry"][0]["resource"]["effectivePeriod"] == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{STATEMENT}/effectivePeriod/end", "next week"),
        (f"{STATEMENT}/dosage/0/doseAndRate/0/doseQuantity/value", "a lot"),
        (f"{STATEMENT}/statusReason", "boredom"),
        (f"{STATEMENT}/status", "stopped"),
        ("/context/patientId", "another"),
    ],
)
def test_what_cannot_stand_there_or_is_not_offered_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadEdit):
        edited(DOCUMENT, {name: value}, GUIDELINE)


def test_only_values_that_differ_count_as_changes() -> None:
    sent = {name: field.value for name, field in fields().items()} | {f"{STATEMENT}/effectivePeriod/start": "2025"}
    assert changed(fields(), sent | {"token": "x"}) == {f"{STATEMENT}/effectivePeriod/start": "2025"}


def test_parameters_are_offered_with_their_values_and_taken_back_by_kind() -> None:
    offered = {field.name: field for field in parameter_fields(GUIDELINE)}
    assert offered["min_age"].value == "18"
    assert offered["accept_proxy_days"].value == "no"
    values = parameter_values(GUIDELINE, {"min_age": "16", "accept_proxy_days": "yes"})
    assert values == {"min_age": 16, "accept_proxy_days": True}
    with pytest.raises(BadEdit):
        parameter_values(GUIDELINE, {"min_age": "old"})
