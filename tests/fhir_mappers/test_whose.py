"""Whose resources they are, how they refer to each other, and what becomes of those that cannot be read."""

from typing import Any

import pytest

from prodrome.fhir_mappers import BundleEntry, Record, read_facts
from prodrome.rules.facts import Completeness, Facts, Indication
from prodrome.rules.guideline.guideline import load_guideline
from tests.fhir_mappers.build import (
    COMPLETE,
    ME,
    MIGRAINE,
    SUMATRIPTAN,
    TODAY,
    Json,
    condition,
    diary,
    encounter,
    facts,
    request,
    resource,
    statement,
)

OURS = [f"Patient/{ME}", ME, f"https://ehr.example.org/fhir/Patient/{ME}", f"Patient/{ME}/_history/3", "#p"]


@pytest.mark.parametrize("reference", OURS)
def test_our_patient_is_recognised_however_the_reference_is_written(reference: str) -> None:
    assert facts(condition(subject={"reference": reference})).conditions


def test_a_row_without_subject_is_read() -> None:
    assert facts(condition(subject=None)).conditions
    assert facts(condition(subject={"display": "Somebody"})).conditions


@pytest.mark.parametrize("reference", ["Patient/other", "https://ehr.example.org/fhir/Patient/other", f"Group/{ME}"])
def test_a_row_of_another_patient_is_ignored_and_its_kind_stays_complete(reference: str) -> None:
    read = facts(condition(subject={"reference": reference}))
    assert not read.conditions
    assert not read.skipped
    assert read.completeness["Condition"] is Completeness.COMPLETE
    assert read.read == {"Condition": 0}


@pytest.mark.parametrize("patient_id", [ME, f"Patient/{ME}"])
def test_the_patient_id_may_come_with_its_type(patient_id: str) -> None:
    assert facts(condition(), patient_id=patient_id).conditions


def test_without_a_patient_id_the_only_patient_is_meant() -> None:
    patient = {"resourceType": "Patient", "id": ME, "birthDate": "1990"}
    other = condition(subject={"reference": "Patient/other"})
    read = facts(patient, condition(), other, patient_id=None)
    assert len(read.conditions) == 1
    assert str(read.patient and read.patient.birth) == "1990"


SPELLINGS = [
    ME,
    f"Patient/{ME}",
    f"https://ehr.example.org/fhir/Patient/{ME}",
    f"Patient/{ME}/_history/3",
    f"urn:uuid:{ME}",
]


@pytest.mark.parametrize("written", SPELLINGS)
@pytest.mark.parametrize("asked", SPELLINGS)
def test_the_id_of_the_patient_is_one_however_it_is_written(written: str, asked: str) -> None:
    patient = {"resourceType": "Patient", "id": written, "birthDate": "1990-02-03"}
    read = facts(patient, condition(), patient_id=asked)
    assert read.patient
    assert read.patient.refs == (f"Patient/{ME}",)
    assert len(read.conditions) == 1


@pytest.mark.parametrize("written", ["Patient/other", "https://ehr.example.org/fhir/Patient/other", "urn:uuid:other"])
def test_another_patient_stays_another_however_the_id_is_written(written: str) -> None:
    assert facts({"resourceType": "Patient", "id": written, "birthDate": "1990-02-03"}).patient is None


def test_a_contained_patient_named_without_its_sign_is_not_taken_for_ours() -> None:
    other = {"resourceType": "Patient", "id": "other"}
    assert not facts(condition(subject={"reference": "Patient/other"}, contained=[other])).conditions


def test_a_subject_is_found_by_an_address_that_is_no_fhir_address() -> None:
    patient = BundleEntry({"resourceType": "Patient", "id": ME}, "https://ehr.example.org/persons/77")
    mine = BundleEntry(condition(subject={"reference": "https://ehr.example.org/persons/77"}))
    assert len(_entries(patient, mine).conditions) == 1


@pytest.mark.parametrize("id_", ["same", "Condition/same", "https://ehr.example.org/fhir/Condition/same/_history/1"])
def test_one_type_and_id_counts_once_however_it_is_written(id_: str) -> None:
    assert len(facts(condition(id="same"), condition(id=id_)).conditions) == 1


def test_a_row_without_an_id_has_the_one_of_its_address() -> None:
    entry = BundleEntry(condition(id=None), "https://ehr.example.org/fhir/Condition/c7")
    assert _entries(entry).conditions[0].refs == ("Condition/c7",)


def test_an_id_that_two_kinds_have_names_neither_by_itself() -> None:
    reference: Json = {"medicationCodeableConcept": None, "medicationReference": {"reference": "m1"}}
    medication, problem = resource("Medication", id="m1", code=SUMATRIPTAN), condition(id="m1")
    assert len(facts(request(**reference), medication).trials) == 1
    assert [each.kind for each in facts(request(**reference), problem, medication).skipped] == ["MedicationRequest"]


@pytest.mark.parametrize(
    ("said", "deceased"),
    [
        ({"deceasedBoolean": True}, True),
        ({"deceasedBoolean": False}, False),
        ({"deceasedDateTime": "2025"}, True),
        ({"deceasedDateTime": "2025-03-01T10:00:00Z"}, True),
        ({}, False),
    ],
)
def test_a_patient_may_be_recorded_as_deceased(said: Json, deceased: bool) -> None:
    read = facts({"resourceType": "Patient", "id": ME, "birthDate": "1990", **said})
    assert read.patient
    assert read.patient.deceased is deceased


def test_of_two_patients_ours_counts() -> None:
    ours = {"resourceType": "Patient", "id": ME, "birthDate": "1990-02-03"}
    other = {"resourceType": "Patient", "id": "a", "birthDate": "2020-01-01"}
    read = facts(other, ours)
    assert read.patient
    assert str(read.patient.birth) == "1990-02-03"


def test_a_urn_subject_is_resolved_in_its_bundle() -> None:
    urn = "urn:uuid:6b7f1c0e-0000-4000-8000-000000000001"
    patient = BundleEntry({"resourceType": "Patient", "id": ME}, urn)
    stranger = BundleEntry({"resourceType": "Patient", "id": "other"}, urn.replace("1", "2"))
    mine = BundleEntry(condition(subject={"reference": urn}), "urn:uuid:c")
    theirs = BundleEntry(condition(subject={"reference": urn.replace("1", "2")}), "urn:uuid:d")
    read = _entries(patient, stranger, mine, theirs)
    assert len(read.conditions) == 1
    assert not read.skipped


def test_a_urn_subject_that_leads_nowhere_is_disclosed() -> None:
    read = _entries(BundleEntry(condition(subject={"reference": "urn:uuid:nobody"}), None))
    assert not read.conditions
    assert [skipped.kind for skipped in read.skipped] == ["Condition"]
    assert read.completeness["Condition"] is Completeness.INCOMPLETE


def _entries(*entries: BundleEntry) -> Facts:
    by_kind: dict[str, list[object]] = {}
    for entry in entries:
        assert isinstance(entry.resource, dict)
        by_kind.setdefault(entry.resource["resourceType"], []).append(entry)
    return read_facts(Record(ME, by_kind, COMPLETE), load_guideline(), TODAY)


def test_one_type_and_id_counts_once() -> None:
    twice = statement(id="same")
    assert len(facts(twice, dict(twice)).trials) == 1
    read = facts(diary(id="same", days=9), diary(id="same", days=9))
    assert read.read["Observation"] == 1


def test_of_two_versions_the_one_updated_last_counts() -> None:
    old = condition(id="same", meta={"lastUpdated": "2024-01-01T00:00:00Z"})
    new = condition(id="same", status="resolved", meta={"lastUpdated": "2025-01-01T00:00:00Z"})
    assert not facts(old, new).conditions
    assert not facts(new, old).conditions


def test_family_history_is_not_the_patients() -> None:
    family = resource("FamilyMemberHistory", condition=[{"code": MIGRAINE}], status="completed")
    read = facts(family)
    assert not read.conditions
    assert "FamilyMemberHistory" not in read.completeness


UNREADABLE: list[tuple[str, object, str]] = [
    ("a number for a resource", 5, "Observation"),
    ("text for a date", statement(effectivePeriod={"start": "soon"}), "MedicationStatement"),
    ("a number for a date", statement(effectivePeriod={"start": 2024}), "MedicationStatement"),
    ("no such day", statement(effectivePeriod={"start": "2025-02-30"}), "MedicationStatement"),
    ("a list for a period", statement(effectivePeriod=[{}, {}]), "MedicationStatement"),
    (
        "text for a dose",
        statement(dosage=[{"doseAndRate": [{"doseQuantity": {"value": "80", "unit": "mg"}}]}]),
        "MedicationStatement",
    ),
    (
        "not a number for a dose",
        statement(dosage=[{"doseAndRate": [{"doseQuantity": {"value": float("nan")}}]}]),
        "MedicationStatement",
    ),
    (
        "a number for a code",
        condition({"coding": [{"system": "http://snomed.info/sct", "code": 37796009}]}),
        "Condition",
    ),
    ("a number for a status", statement(status=5), "MedicationStatement"),
    ("text for a subject", condition(subject=[1]), "Condition"),
    (
        "a Medication that did not come",
        statement(medicationCodeableConcept=None, medicationReference={"reference": "Medication/9"}),
        "MedicationStatement",
    ),
]


@pytest.mark.parametrize(("row", "kind"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_an_unreadable_row_is_disclosed_and_the_others_count(row: object, kind: str) -> None:
    good: list[dict[str, Any]] = [statement(SUMATRIPTAN), condition(), diary()]
    read = facts(row, *good)
    assert [skipped.kind for skipped in read.skipped] == [kind]
    assert read.completeness[kind] is Completeness.INCOMPLETE
    assert len(read.trials) == len(read.conditions) == len(read.headache_months) == 1


def test_what_is_disclosed_names_the_element_and_not_its_content() -> None:
    read = facts(statement(id="x1", effectivePeriod={"start": "Mrs Secret"}))
    (skipped,) = read.skipped
    assert skipped.id == "x1"
    assert "start" in skipped.why
    assert "Secret" not in skipped.why


def test_a_missing_kind_stays_missing_though_a_row_of_it_was_unreadable() -> None:
    read = facts(condition({"coding": 5}), completeness={})
    assert read.skipped
    assert read.completeness["Condition"] is Completeness.MISSING


def test_a_list_of_one_is_read_where_the_standard_has_one_value() -> None:
    row = statement()
    for name in ("medicationCodeableConcept", "effectivePeriod", "status", "subject"):
        row[name] = [row[name]]
    assert len(facts(row).trials) == 1


def test_an_object_is_read_where_the_standard_has_a_list() -> None:
    row = request(status="stopped")
    row["reasonCode"], row["dosageInstruction"] = row["reasonCode"][0], row["dosageInstruction"][0]
    (trial,) = facts(row).trials
    assert trial.steps[0].amount == 80
    assert trial.indication == "migraine"


def test_an_address_that_belongs_to_another_resource_confuses_nothing() -> None:
    wrong = BundleEntry(diary(), "https://ehr.example.org/fhir/Condition/c1")
    read = _entries(wrong, BundleEntry(condition(id="c1"), None))
    assert len(read.conditions) == len(read.headache_months) == 1


def test_what_is_another_patients_explains_no_visit_of_ours() -> None:
    reason: Json = {"reasonReference": [{"reference": "Condition/c"}]}
    theirs = condition(id="c", subject={"reference": "Patient/pat-2"})
    (visit,) = facts(encounter(why=None, **reason), theirs).hospital_visits
    assert visit.reason is Indication.UNSTATED
    (visit,) = facts(encounter(why=None, **reason), condition(id="c")).hospital_visits
    assert visit.reason is Indication.MIGRAINE
