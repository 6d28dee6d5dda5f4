"""R4 and R5 say the same in other shapes: the facts are equal."""

from typing import Any

import pytest

from prodrome.rules.facts import Facts
from tests.fhir_mappers.build import (
    ACT_CODE,
    ERENUMAB,
    ME,
    MIGRAINE,
    PROPRANOLOL,
    SNOMED,
    Json,
    administration,
    concept,
    condition,
    dose,
    facts,
    period,
    request,
    resource,
    statement,
)

ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
INEFFECTIVE = concept(SNOMED, "395007004")
NEUROLOGY = concept(SNOMED, "394591006")


def equal(r4: Json, r5: Json) -> Facts:
    """The facts both give, where they are equal."""
    one, other = facts(r4 | {"id": "x"}), facts(r5 | {"id": "x"})
    assert one == other
    assert not one.skipped
    return one


def test_statements() -> None:
    common: Json = {"effectivePeriod": period("2025-01-01", "2025-06-01"), "dosage": [dose()]}
    r4 = {
        "status": "stopped",
        "medicationCodeableConcept": PROPRANOLOL,
        "statusReason": [INEFFECTIVE],
        "reasonCode": [MIGRAINE],
    }
    r5: Json = {
        "status": "recorded",
        "medication": {"concept": PROPRANOLOL},
        "adherence": {"code": concept(ADHERENCE, "stopped"), "reason": INEFFECTIVE},
        "reason": [{"concept": MIGRAINE}],
    }
    assert equal(
        resource("MedicationStatement", **common, **r4), resource("MedicationStatement", **common, **r5)
    ).trials


def test_requests() -> None:
    r4 = request()
    r5 = request(
        medicationCodeableConcept=None,
        medication={"concept": PROPRANOLOL},
        reasonCode=None,
        reason=[{"concept": MIGRAINE}],
    )
    assert equal(r4, r5).trials


def test_administrations() -> None:
    r5 = administration(
        medicationCodeableConcept=None,
        medication={"concept": ERENUMAB},
        effectiveDateTime=None,
        occurenceDateTime="2025-01-01",
    )
    assert equal(administration(), r5).trials


def test_encounters() -> None:
    when = period("2026-05-01T08:00:00Z", "2026-05-01T12:00:00Z")
    r4: dict[str, Any] = {"status": "finished", "class": {"system": ACT_CODE, "code": "EMER"}, "period": when}
    r5: dict[str, Any] = {"status": "completed", "class": [concept(ACT_CODE, "EMER")], "actualPeriod": when}
    said = equal(
        resource("Encounter", **r4, reasonCode=[MIGRAINE]),
        resource("Encounter", **r5, reason=[{"value": [{"concept": MIGRAINE}]}]),
    )
    assert said.hospital_visits[0].reason == "migraine"


EMERGENCY: dict[str, Any] = {
    "status": "finished",
    "class": {"system": "http://hl7.org/fhir/v3/ActCode", "code": "EMER"},
    "period": period("2026-05-01T08:00:00Z", "2026-05-01T12:00:00Z"),
}
OLD_VISITS: dict[str, tuple[Json, ...]] = {
    "STU3 reason": (resource("Encounter", **EMERGENCY, reason=[MIGRAINE]),),
    "DSTU2 indication": (
        resource("Encounter", **EMERGENCY, indication=[{"reference": "Condition/c1"}]),
        condition(MIGRAINE, id="c1"),
    ),
    "STU3 role of a diagnosis": (
        resource(
            "Encounter",
            **EMERGENCY,
            diagnosis=[
                {
                    "condition": {"reference": "Condition/c1"},
                    "role": concept("http://hl7.org/fhir/diagnosis-role", "DD"),
                }
            ],
        ),
        condition(MIGRAINE, id="c1"),
    ),
    "STU3 context of a problem": (
        resource("Encounter", **EMERGENCY, id="e1"),
        condition(MIGRAINE, context={"reference": "Encounter/e1"}),
    ),
}


@pytest.mark.parametrize("rows", OLD_VISITS.values(), ids=OLD_VISITS)
def test_a_visit_before_r4_says_what_it_was_for(rows: tuple[Json, ...]) -> None:
    assert [visit.reason for visit in facts(condition(MIGRAINE), *rows).hospital_visits] == ["migraine"]


def test_an_allergy_of_dstu2_is_of_its_substance_and_status() -> None:
    def read(**elements: Any) -> list[str]:
        row = resource("AllergyIntolerance", subject=None, patient={"reference": f"Patient/{ME}"}, **elements)
        return [allergy.drug for allergy in facts(row).allergies]

    assert read(substance=PROPRANOLOL, status="active") == ["propranolol"]
    assert read(substance=PROPRANOLOL, status="confirmed") == ["propranolol"]
    for status in ("refuted", "resolved", "inactive", "entered-in-error"):
        assert read(substance=PROPRANOLOL, status=status) == [], status


def test_a_statement_before_r4_says_whether_and_why_not_taken() -> None:
    assert facts(statement(status="active", end=None, wasNotTaken=True)).trials == ()
    assert facts(statement(status="active", end=None, wasNotTaken=False)).trials
    stopped = facts(statement(reasonNotTaken=[INEFFECTIVE])).trials[0].stop
    assert (stopped.reason, stopped.coded) == ("inefficacy", True)


def test_procedures() -> None:
    code = concept(SNOMED, "44868003")
    r4 = resource("Procedure", status="completed", code=code, performedDateTime="2026-01-05", reasonCode=[MIGRAINE])
    r5 = resource(
        "Procedure", status="completed", code=code, occurrenceDateTime="2026-01-05", reason=[{"concept": MIGRAINE}]
    )
    assert equal(r4, r5).non_drug_treatments


def test_service_requests() -> None:
    common: dict[str, Any] = {"status": "active", "intent": "order", "authoredOn": "2026-01-05"}
    code = concept(SNOMED, "308474002")
    assert equal(
        resource("ServiceRequest", **common, code=code), resource("ServiceRequest", **common, code={"concept": code})
    ).follow_ups


def test_appointments() -> None:
    common: dict[str, Any] = {"status": "booked", "start": "2026-07-05T08:00:00Z"}
    assert equal(
        resource("Appointment", **common, serviceType=[NEUROLOGY]),
        resource("Appointment", **common, serviceType=[{"concept": NEUROLOGY}]),
    ).follow_ups


def test_devices() -> None:
    text = {"text": "Vagus nerve stimulator"}
    r4 = resource("DeviceUseStatement", status="active", device={"display": text["text"]}, timingDateTime="2026-01-05")
    r5 = resource("DeviceUsage", status="active", device={"concept": text}, timingDateTime="2026-01-05")
    one, other = facts(r4 | {"id": "x"}), facts(r5 | {"id": "x"})
    assert one.non_drug_treatments == other.non_drug_treatments != ()
