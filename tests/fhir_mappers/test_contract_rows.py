"""The contract on whose data counts, which rows do, and what makes a row unreadable: one row per line of it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from prodrome.rules.facts import Facts
from tests.fhir_mappers.build import (
    INEFFECTIVE,
    LOCAL,
    ME,
    MIGRAINE,
    PROPRANOLOL,
    RXNORM,
    SNOMED,
    Json,
    administration,
    concept,
    condition,
    diary,
    dose,
    encounter,
    facts,
    period,
    procedure,
    request,
    resource,
    statement,
)
from tests.fhir_mappers.contract import (
    Ask,
    Row,
    allergies,
    both,
    complete,
    dates,
    doses,
    drugs,
    follow_ups,
    given,
    problems,
    skipped,
    states,
    stops,
    visits,
)

OTHER = {"reference": "Patient/somebody-else"}
ASTHMA = concept(SNOMED, "195967001")
NEUROLOGY = concept(SNOMED, "394591006")
REFERRAL = concept(SNOMED, "308474002")
PENICILLIN = concept(RXNORM, "7258")


def appointment(**more: Any) -> Json:
    return resource(
        "Appointment",
        **{"subject": None, "status": "booked", "start": "2026-07-01T09:00:00Z", "specialty": [NEUROLOGY]}
        | {"participant": [{"actor": {"reference": f"Patient/{ME}"}}]}
        | more,
    )


def referral(**more: Any) -> Json:
    return resource(
        "ServiceRequest", **{"status": "active", "intent": "order", "code": REFERRAL, "authoredOn": "2026-05-20"} | more
    )


def allergy(**more: Any) -> Json:
    return resource(
        "AllergyIntolerance", **{"subject": None, "patient": {"reference": f"Patient/{ME}"}, "code": PENICILLIN} | more
    )


def dispense(**more: Any) -> Json:
    supply = {"value": 90, "unit": "days", "code": "d"}
    return resource(
        "MedicationDispense",
        **{
            "status": "completed",
            "medicationCodeableConcept": PROPRANOLOL,
            "whenHandedOver": "2026-05-01",
            "daysSupply": supply,
            "dosageInstruction": [dose()],
        }
        | more,
    )


OLD_STOP_TYPE = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.1"


def stop_type(code: str, system: str = SNOMED) -> list[Json]:
    url = "http://nictiz.nl/fhir/StructureDefinition/ext-StopType"
    return [{"url": url, "valueCodeableConcept": concept(system, code)}]


UNKNOWN_MODIFIER = [{"url": "https://example.org/modifier", "valueBoolean": True}]

WHOSE: list[Row] = [
    ("a statement of another", (statement(subject=OTHER),), both(drugs, complete("MedicationStatement")), ([], True)),
    ("a request of another", (request(subject=OTHER),), both(drugs, complete("MedicationRequest")), ([], True)),
    ("a dispensing of another", (dispense(subject=OTHER),), drugs, []),
    ("an administration of another", (administration(subject=OTHER),), drugs, []),
    ("a problem of another", (condition(ASTHMA, subject=OTHER),), both(problems, complete("Condition")), ([], True)),
    ("an allergy of another", (allergy(patient=OTHER),), both(allergies, complete("AllergyIntolerance")), ([], True)),
    ("a visit of another", (encounter(subject=OTHER),), both(visits, complete("Encounter")), ([], True)),
    ("an appointment of another", (appointment(participant=[{"actor": OTHER}]),), follow_ups, []),
    ("a referral of another", (referral(subject=OTHER),), follow_ups, []),
    (
        "the family's history",
        (resource("FamilyMemberHistory", condition=[{"code": ASTHMA}], patient={"reference": f"Patient/{ME}"}),),
        problems,
        [],
    ),
]

STATEMENT_STATUS = {
    **dict.fromkeys(("active", "completed", "stopped", "unknown"), 1),
    **dict.fromkeys(("entered-in-error", "draft", "intended", "not-taken", "on-hold"), 0),
}
REQUEST_STATUS = {
    **dict.fromkeys(("active", "completed", "stopped", "unknown", "ended"), 1),
    **dict.fromkeys(("entered-in-error", "draft", "cancelled", "on-hold"), 0),
}
DONE_STATUS = {
    **dict.fromkeys(("completed", "in-progress"), 1),
    **dict.fromkeys(
        ("preparation", "cancelled", "on-hold", "entered-in-error", "stopped", "declined", "unknown", "not-done"), 0
    ),
}
OBSERVATION_STATUS = {
    **dict.fromkeys(("final", "amended", "corrected"), 1),
    **dict.fromkeys(("registered", "preliminary", "cancelled", "entered-in-error", "unknown"), 0),
}
ENCOUNTER_STATUS = {
    **dict.fromkeys(
        ("in-progress", "finished", "arrived", "triaged", "onleave", "unknown", "completed", "discharged"), 1
    ),
    **dict.fromkeys(("planned", "cancelled", "entered-in-error"), 0),
}
APPOINTMENT_STATUS = {
    **dict.fromkeys(("booked", "arrived", "checked-in", "fulfilled"), 1),
    **dict.fromkeys(("proposed", "pending", "waitlist", "noshow", "cancelled", "entered-in-error"), 0),
}
ORDER_STATUS = {
    **dict.fromkeys(("active", "completed"), 1),
    **dict.fromkeys(("draft", "revoked", "on-hold", "entered-in-error"), 0),
}
TOXIN = resource("Procedure", code=concept("http://www.ama-assn.org/go/cpt", "64615"), performedDateTime="2026-01-01")


def counting(
    kind: str, statuses: dict[str, int], make: Callable[[str], Json], ask: Callable[[Facts], Sequence[object]]
) -> list[tuple[str, Json, Callable[[Facts], Sequence[object]], int]]:
    return [(f"{kind} {status}", make(status), ask, count) for status, count in statuses.items()]


COUNTED = [
    *counting("MedicationStatement", STATEMENT_STATUS, lambda status: statement(status=status), drugs),
    *counting("MedicationRequest", REQUEST_STATUS, lambda status: request(status=status), drugs),
    *counting("MedicationDispense", DONE_STATUS, lambda status: dispense(status=status), drugs),
    *counting("MedicationAdministration", DONE_STATUS, lambda status: administration(status=status), given),
    *counting("Procedure", DONE_STATUS, lambda status: TOXIN | {"status": status}, given),
    *counting(
        "Observation", OBSERVATION_STATUS, lambda status: diary(status=status), lambda read: read.headache_months
    ),
    *counting("Encounter", ENCOUNTER_STATUS, lambda status: encounter(status=status), visits),
    *counting("Appointment", APPOINTMENT_STATUS, lambda status: appointment(status=status), follow_ups),
    *counting("ServiceRequest", ORDER_STATUS, lambda status: referral(status=status), follow_ups),
]


@pytest.mark.parametrize(("name", "rows", "ask", "right"), WHOSE, ids=[row[0] for row in WHOSE])
def test_only_what_is_of_our_patient_is_read(name: str, rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    assert ask(facts(*rows)) == right, name


@pytest.mark.parametrize(("row", "ask", "count"), [each[1:] for each in COUNTED], ids=[each[0] for each in COUNTED])
def test_a_row_counts_by_its_status(row: Json, ask: Callable[[Facts], Sequence[object]], count: int) -> None:
    read = facts(row)
    assert (len(ask(read)), read.skipped) == (count, ())


def clinical(system: str | None, code: str | None, text: str | None = None) -> Json:
    return concept(system, code, text)


CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"

HOLDS: list[tuple[str, Json, bool]] = [
    ("active", {"clinicalStatus": concept(CLINICAL, "active")}, True),
    ("recurrence", {"clinicalStatus": concept(CLINICAL, "recurrence")}, True),
    ("relapse", {"clinicalStatus": concept(CLINICAL, "relapse")}, True),
    ("inactive", {"clinicalStatus": concept(CLINICAL, "inactive")}, False),
    ("remission", {"clinicalStatus": concept(CLINICAL, "remission")}, False),
    ("resolved", {"clinicalStatus": concept(CLINICAL, "resolved")}, False),
    ("no status", {"clinicalStatus": None}, True),
    ("no status, abated", {"clinicalStatus": None, "abatementDateTime": "2020-01-01"}, False),
    ("no status, to abate", {"clinicalStatus": None, "abatementDateTime": "2027-01-01"}, True),
    ("SNOMED CT active", {"clinicalStatus": concept(SNOMED, "55561003", display="Active")}, True),
    ("SNOMED CT resolved", {"clinicalStatus": concept(SNOMED, "413322009", display="Problem resolved")}, False),
    ("SNOMED CT inactive", {"clinicalStatus": concept(SNOMED, "73425007", display="Inactive")}, False),
    ("SNOMED CT alive and well", {"clinicalStatus": concept(SNOMED, "81323004")}, True),
    ("active in text", {"clinicalStatus": concept(text="Active")}, True),
    ("resolved in text", {"clinicalStatus": concept(text="Resolved")}, False),
    ("inactive in text", {"clinicalStatus": concept(text="Inactive")}, False),
    ("resolved as a local display", {"clinicalStatus": concept(LOCAL, "R", display="Resolved")}, False),
    (
        "active as a local display",
        {"clinicalStatus": concept(LOCAL, "A", display="Active"), "abatementString": "x"},
        True,
    ),
    ("a text that says nothing", {"clinicalStatus": concept(text="see note")}, True),
    ("STU3", {"clinicalStatus": "resolved"}, False),
    ("the address of STU3", {"clinicalStatus": concept("http://hl7.org/fhir/condition-clinical", "resolved")}, False),
    ("confirmed", {"verificationStatus": concept(VERIFICATION, "confirmed")}, True),
    ("unconfirmed", {"verificationStatus": concept(VERIFICATION, "unconfirmed")}, True),
    ("refuted", {"verificationStatus": concept(VERIFICATION, "refuted")}, False),
    ("entered in error", {"verificationStatus": concept(VERIFICATION, "entered-in-error")}, False),
    ("a differential", {"verificationStatus": concept(VERIFICATION, "differential")}, False),
    ("refuted in text", {"verificationStatus": concept(text="Refuted")}, False),
    ("SNOMED CT known absent", {"verificationStatus": concept(SNOMED, "410516002", display="Known absent")}, False),
    ("STU3 refuted", {"verificationStatus": "refuted"}, False),
    ("refuted in capitals", {"verificationStatus": concept(VERIFICATION, "REFUTED")}, False),
    ("resolved in capitals", {"clinicalStatus": concept(CLINICAL, "RESOLVED")}, False),
    ("STU3 resolved in capitals", {"clinicalStatus": "Resolved"}, False),
]


@pytest.mark.parametrize(("status", "holds"), [each[1:] for each in HOLDS], ids=[each[0] for each in HOLDS])
def test_a_problem_holds_as_its_status_says(status: Json, holds: bool) -> None:
    assert problems(facts(condition(ASTHMA, **status))) == (["asthma"] if holds else [])


ALLERGY_HOLDS: list[tuple[str, Json, bool]] = [
    ("active", {"clinicalStatus": concept(ALLERGY_CLINICAL, "active")}, True),
    ("no status", {}, True),
    ("inactive", {"clinicalStatus": concept(ALLERGY_CLINICAL, "inactive")}, False),
    ("resolved", {"clinicalStatus": concept(ALLERGY_CLINICAL, "resolved")}, False),
    ("resolved in text", {"clinicalStatus": concept(text="Resolved")}, False),
    ("SNOMED CT inactive", {"clinicalStatus": concept(SNOMED, "73425007")}, False),
    ("a local inactive", {"clinicalStatus": concept(LOCAL, "I", display="Inactive")}, False),
    ("STU3 inactive", {"clinicalStatus": "inactive"}, False),
    ("refuted", {"verificationStatus": concept(VERIFICATION, "refuted")}, False),
    ("entered in error", {"verificationStatus": concept(VERIFICATION, "entered-in-error")}, False),
    ("refuted in text", {"verificationStatus": concept(text="refuted")}, False),
    ("unconfirmed", {"verificationStatus": concept(VERIFICATION, "unconfirmed")}, True),
]


@pytest.mark.parametrize(
    ("status", "holds"), [each[1:] for each in ALLERGY_HOLDS], ids=[each[0] for each in ALLERGY_HOLDS]
)
def test_an_allergy_holds_as_its_status_says(status: Json, holds: bool) -> None:
    assert allergies(facts(allergy(**status))) == (["naproxen"] if holds else [])


INTENTS: list[Row] = [
    ("an order", (request(intent="order"),), drugs, ["propranolol"]),
    ("an instance of an order", (request(intent="instance-order"),), drugs, ["propranolol"]),
    ("a proposal", (request(intent="proposal"),), drugs, []),
    ("a plan", (request(intent="plan"),), drugs, []),
    ("a plan that reports", (request(intent="plan", reportedBoolean=True),), drugs, ["propranolol"]),
    ("a plan reported by", (request(intent="plan", reportedReference={"display": "her son"}),), drugs, ["propranolol"]),
    ("a plan that does not report", (request(intent="plan", reportedBoolean=False),), drugs, []),
    ("not to give", (request(doNotPerform=True),), drugs, []),
    ("R5, a plan that reports", (request(intent="plan", reported=True),), drugs, ["propranolol"]),
    ("a referral proposed", (referral(intent="proposal"),), follow_ups, []),
    ("a referral planned", (referral(intent="plan"),), follow_ups, []),
    ("a referral optional", (referral(intent="option"),), follow_ups, []),
    ("a referral not to make", (referral(doNotPerform=True),), follow_ups, []),
    ("a filler order", (referral(intent="filler-order"),), follow_ups, ["referral"]),
    ("an appointment ahead", (appointment(),), follow_ups, ["appointment"]),
    ("one on this day", (appointment(start="2026-06-15T23:00:00Z"),), follow_ups, ["appointment"]),
    ("one that is past", (appointment(start="2026-06-14T09:00:00Z"),), follow_ups, []),
    ("one that was kept", (appointment(status="fulfilled", start="2026-06-01T09:00:00Z"),), follow_ups, ["contact"]),
    ("running with an end in the past", (statement(status="active", end="2025-06-01"),), states, ["ended"]),
    ("running with an end ahead", (statement(status="active", end="2027-06-01"),), states, ["running"]),
    (
        "a prescription running with an end in the past",
        (
            request(
                dosageInstruction=[
                    dose(boundsPeriod=period("2025-01-01", "2025-03-01"), frequency=1, period=1, periodUnit="d")
                ]
            ),
        ),
        states,
        ["ended"],
    ),
    ("STU3 not taken", (statement(status="active", end=None, taken="n"),), drugs, []),
    ("STU3 taken", (statement(status="active", end=None, taken="y"),), states, ["running"]),
]


@pytest.mark.parametrize(("name", "rows", "ask", "right"), INTENTS, ids=[row[0] for row in INTENTS])
def test_an_order_counts_by_its_intent_and_its_time(name: str, rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    assert ask(facts(*rows)) == right, name


def within(element: str, row: Json) -> Json:
    """The row with a modifier that nobody knows in one of its elements (``a.b.c``)."""
    made = dict(row)
    at = made
    for name in element.split("."):
        inner = at[name]
        inner = [dict(inner[0])] if isinstance(inner, list) else dict(inner)
        at[name] = inner
        at = inner[0] if isinstance(inner, list) else inner
    at["modifierExtension"] = UNKNOWN_MODIFIER
    return made


BOTH_PRESSURES = resource(
    "Observation",
    status="final",
    code=concept("http://loinc.org", "85354-9"),
    component=[{"code": concept("http://loinc.org", "8480-6"), "valueQuantity": {"value": 120, "unit": "mmHg"}}],
)
BY_REFERENCE = statement(
    None,
    medicationReference={"reference": "#m"},
    contained=[{"resourceType": "Medication", "id": "m", "ingredient": [{"itemCodeableConcept": PROPRANOLOL}]}],
)
MODIFIED = {
    "MedicationStatement": statement() | {"modifierExtension": UNKNOWN_MODIFIER},
    "MedicationStatement.dosage": within("dosage", statement()),
    "MedicationStatement.dosage.timing": within("dosage.timing", statement()),
    "MedicationStatement.contained": within("contained", BY_REFERENCE),
    "MedicationStatement.contained.ingredient": within("contained.ingredient", BY_REFERENCE),
    "MedicationRequest": request() | {"modifierExtension": UNKNOWN_MODIFIER},
    "MedicationRequest.dosageInstruction": within("dosageInstruction", request()),
    "MedicationRequest.dispenseRequest": within(
        "dispenseRequest", request(dispenseRequest={"numberOfRepeatsAllowed": 1})
    ),
    "MedicationDispense": dispense() | {"modifierExtension": UNKNOWN_MODIFIER},
    "MedicationDispense.dosageInstruction": within("dosageInstruction", dispense()),
    "MedicationAdministration": administration() | {"modifierExtension": UNKNOWN_MODIFIER},
    "MedicationAdministration.dosage": within("dosage", administration()),
    "Procedure": TOXIN | {"status": "completed", "modifierExtension": UNKNOWN_MODIFIER},
    "Condition": condition() | {"modifierExtension": UNKNOWN_MODIFIER},
    "AllergyIntolerance": allergy() | {"modifierExtension": UNKNOWN_MODIFIER},
    "AllergyIntolerance.reaction": within("reaction", allergy(code=None, reaction=[{"substance": PENICILLIN}])),
    "Observation": diary() | {"modifierExtension": UNKNOWN_MODIFIER},
    "Observation.component": within("component", BOTH_PRESSURES),
    "Encounter": encounter() | {"modifierExtension": UNKNOWN_MODIFIER},
    "Encounter.diagnosis": within("diagnosis", encounter(why=None, diagnosis=[{"condition": {"display": "Migraine"}}])),
    "Encounter.participant": within("participant", encounter("AMB", participant=[{"individual": {"display": "Dr A"}}])),
    "Encounter.location": within("location", encounter("AMB", location=[{"location": {"display": "Neurology"}}])),
    "Appointment": appointment() | {"modifierExtension": UNKNOWN_MODIFIER},
    "Appointment.participant": within("participant", appointment()),
    "ServiceRequest": referral() | {"modifierExtension": UNKNOWN_MODIFIER},
    "DeviceUseStatement": resource("DeviceUseStatement", status="active", modifierExtension=UNKNOWN_MODIFIER),
    "DeviceRequest": resource("DeviceRequest", status="active", intent="order", modifierExtension=UNKNOWN_MODIFIER),
    "Patient": {"resourceType": "Patient", "id": ME, "birthDate": "1980-01-01", "modifierExtension": UNKNOWN_MODIFIER},
}


@pytest.mark.parametrize("element", MODIFIED)
def test_a_modifier_that_nobody_here_knows_makes_its_row_unreadable(element: str) -> None:
    row = MODIFIED[element]
    read = facts(row)
    kind = element.partition(".")[0]
    assert (skipped(read), complete(kind)(read)) == ([kind], False)


@pytest.mark.parametrize("element", MODIFIED)
def test_a_modifier_that_is_empty_changes_nothing(element: str) -> None:
    def emptied(value: object) -> object:
        if isinstance(value, dict):
            return {name: [] if name == "modifierExtension" else emptied(each) for name, each in value.items()}
        return [emptied(each) for each in value] if isinstance(value, list) else value

    assert skipped(facts(emptied(MODIFIED[element]))) == []


KNOWN_MODIFIERS: list[Row] = [
    ("stopped", (request(modifierExtension=stop_type("410546004")),), states, ["ended"]),
    ("stopped, in the older codes", (request(modifierExtension=stop_type("2", OLD_STOP_TYPE)),), states, ["ended"]),
    ("cancelled", (request(modifierExtension=stop_type("89925002")),), both(states, skipped), ([], [])),
    ("suspended, in the older codes", (request(modifierExtension=stop_type("1", OLD_STOP_TYPE)),), states, []),
    ("an older code of another system", (request(modifierExtension=stop_type("2")),), skipped, ["MedicationRequest"]),
    ("suspended", (request(modifierExtension=stop_type("113381000146106")),), drugs, []),
    ("suspended, of old", (request(modifierExtension=stop_type("385655000")),), drugs, []),
    (
        "a statement stopped",
        (statement(status="active", end=None, modifierExtension=stop_type("410546004")),),
        states,
        ["ended"],
    ),
    ("a statement suspended", (statement(modifierExtension=stop_type("385655000")),), drugs, []),
]


@pytest.mark.parametrize(("name", "rows", "ask", "right"), KNOWN_MODIFIERS, ids=[row[0] for row in KNOWN_MODIFIERS])
def test_a_stop_type_of_the_netherlands_is_read(name: str, rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    assert ask(facts(*rows)) == right, name


ABSURD = {
    "a dose of 1e16 mg": statement(dosage=[dose(1e16)]),
    "a dose of 1e-9 mg": statement(dosage=[dose(1e-9)]),
    "a dose of a billion tablets": statement(concept(text="Propranolol 40 mg"), dosage=[dose(1e9, "tablet")]),
    "a period of 0.01 months": statement(dosage=[dose(frequency=1, period=0.01, periodUnit="mo")]),
    "a thousand times a second": statement(dosage=[dose(frequency=1000, period=1, periodUnit="s")]),
    "the year 9999": statement(start="9999-01-01", end=None),
    "a date that is none": statement(start="2025-02-30", end=None),
    "a date in words": statement(start="last spring", end=None),
    "a day that no calendar has": condition(onsetDateTime="2025-13-01"),
    "a birth in no year": {"resourceType": "Patient", "id": ME, "birthDate": "0000-01-01"},
    "a visit in the year 9999": encounter(period=period("9999-12-31", None)),
    "more days than a month has": diary(days=32),
    "days below nothing": diary(days=-1),
    "half a day": diary(days=2.5),
    "a number as words": statement(dosage=[{"doseAndRate": [{"doseQuantity": {"value": "eighty", "unit": "mg"}}]}]),
    "a length of a million years": request(dosageInstruction=[dose(boundsDuration={"value": 1e6, "code": "a"})]),
    "a supply of a million days": dispense(daysSupply={"value": 1e6, "code": "d"}),
    "a wrong type": statement(medicationCodeableConcept="propranolol"),
    "a status that is a number": statement(status=3),
    "two values where one may be": statement(effectivePeriod=[period("2025-01-01", None), period("2025-02-01", None)]),
}


@pytest.mark.parametrize("name", ABSURD)
def test_what_is_absurd_makes_its_row_unreadable_and_no_other(name: str) -> None:
    row = ABSURD[name]
    read = facts(row, statement(concept(RXNORM, "6918")), condition(ASTHMA))
    assert (skipped(read), drugs(read), "asthma" in problems(read)) == ([row["resourceType"]], ["metoprolol"], True)


TOLERATED: list[Row] = [
    ("the concept as a list of one", (statement(medicationCodeableConcept=[PROPRANOLOL]),), drugs, ["propranolol"]),
    (
        "the period as a list of one",
        (statement(effectivePeriod=[period("2025-01-01", "2025-02-01")]),),
        dates,
        [("2025-01-01", "2025-02-01")],
    ),
    ("the status as a list of one", (statement(status=["stopped"]),), drugs, ["propranolol"]),
    ("dosage as an object", (statement(dosage=dose()),), doses, [80]),
    ("a reason as an object", (statement(statusReason=concept(SNOMED, INEFFECTIVE)),), stops, ["inefficacy"]),
    ("codings as an object", (condition({"coding": {"system": SNOMED, "code": "195967001"}}),), problems, ["asthma"]),
    ("a reason of a visit as an object", (encounter(reasonCode=MIGRAINE),), visits, ["migraine"]),
]


@pytest.mark.parametrize(("name", "rows", "ask", "right"), TOLERATED, ids=[row[0] for row in TOLERATED])
def test_one_or_a_list_of_one_is_the_same(name: str, rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    assert ask(facts(*rows)) == right, name


ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("Condition", condition(concept(ABSENT, "no-problem-info"))),
        ("MedicationStatement", statement(concept(ABSENT, "no-medication-info"), status="unknown")),
        ("AllergyIntolerance", allergy(code=concept(ABSENT, "no-allergy-info", display="No information"))),
        ("Procedure", procedure(concept(ABSENT, "no-procedure-info"))),
    ],
)
def test_a_row_that_says_that_nothing_is_known_leaves_its_kind_incomplete(kind: str, row: Json) -> None:
    read = facts(row)
    assert skipped(read) == [kind]
    assert not complete(kind)(read)


@pytest.mark.parametrize(
    "row", [condition(concept(ABSENT, "no-known-problems")), allergy(code=concept(ABSENT, "no-known-allergies"))]
)
def test_a_row_that_says_that_there_is_nothing_is_read(row: Json) -> None:
    read = facts(row)
    assert not read.skipped
    assert complete(row["resourceType"])(read)
