"""A request is told which requirement it breaks, and what becomes of it."""

import copy
import json
from typing import Any

import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol.refusals import Invalid
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking
from prodrome.cds_hooks.workbench.checking import check_request
from tests.serving import TODAY

ENVIRONMENT = Environment.of(Settings(today=TODAY))
GOOD = asking.example_request(
    next(one for one in asking.named_examples() if one.name == "triptan" and one.ask.hook == "order-select"),
    ENVIRONMENT,
)


def faults(document: dict[str, Any]) -> set[tuple[str, str]]:
    found = check_request(json.dumps(document), ENVIRONMENT).faults
    return {(one.fault.requirement, one.fault.path) for one in found}


def broken(**members: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    for path, value in members.items():
        *parents, last = path.split("__")
        place = document
        for step in parents:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return document


def test_a_request_in_order_has_no_fault_and_is_answered() -> None:
    report = check_request(json.dumps(GOOD), ENVIRONMENT)
    assert report.faults == ()
    assert report.refused is None
    assert report.consultation is not None
    assert [card["source"]["topic"]["code"] for card in report.consultation.response["cards"]] == ["ACU-01"]


@pytest.mark.parametrize(
    ("members", "requirement", "path"),
    [
        ({"hook": None}, "REQ-02", "$.hook"),
        ({"hook": "medication-prescribe"}, "REQ-02", "$.hook"),
        ({"hookInstance": None}, "REQ-03", "$.hookInstance"),
        ({"hookInstance": "17"}, "REQ-04", "$.hookInstance"),
        ({"context": []}, "REQ-10", "$.context"),
        ({"context__selections": None}, "REQ-10", "$.context.selections"),
        ({"context__selections": ["MedicationRequest/other"]}, "REQ-10", "$.context.selections[0]"),
        ({"context__selections": 5}, "REQ-10", "$.context.selections"),
        ({"context__selections": {"reference": "MedicationRequest/draft-1"}}, "REQ-10", "$.context.selections"),
        ({"context__selections": [{"reference": "MedicationRequest/draft-1"}]}, "REQ-10", "$.context.selections[0]"),
        ({"context__selections": [["MedicationRequest/draft-1"], 5, None]}, "REQ-10", "$.context.selections[2]"),
        ({"context__userId": "dr-1"}, "REQ-14", "$.context.userId"),
        ({"context__userId": "Patient/1"}, "REQ-14", "$.context.userId"),
        ({"context__patientId": "Patient/1"}, "REQ-15", "$.context.patientId"),
        ({"context__draftOrders": []}, "REQ-10", "$.context.draftOrders"),
        ({"context__draftOrders": {"type": "collection", "entry": [{}]}}, "REQ-18", "$.context.draftOrders"),
        ({"fhirAuthorization": {"access_token": "x"}}, "REQ-06", "$.fhirServer"),
        ({"fhirAuthorization": {"access_token": "x"}}, "FRA-05", "$.fhirAuthorization.expires_in"),
        ({"fhirServer": "http://ehr.example.org"}, "REQ-07", "$.fhirServer"),
        ({"prefetch": [1]}, "REQ-11", "$.prefetch"),
        ({"prefetch__patient": {"resourceType": "Patient", "id": "other"}}, "REQ-19", "$.prefetch[key 1]"),
        ({"extension": {}}, "GEN-05", "$.extension"),
    ],
)
def test_each_fault_names_the_requirement_and_the_place(members: dict[str, Any], requirement: str, path: str) -> None:
    assert (requirement, path) in faults(broken(**members))


@pytest.mark.parametrize("more", ["/", "/_history/2", "#name"])
def test_a_patient_is_the_same_however_the_reference_is_written(more: str) -> None:
    document = copy.deepcopy(GOOD)
    subject = document["context"]["draftOrders"]["entry"][0]["resource"]["subject"]
    subject["reference"] = f"https://ehr.example.org/fhir/{subject['reference']}{more}"
    assert not [fault for fault in faults(document) if fault[0] == "REQ-19"]
    subject["reference"] = f"Patient/other{more}"
    assert [fault for fault in faults(document) if fault[0] == "REQ-19"]


def test_what_is_no_json_is_said_to_be_none() -> None:
    report = check_request("{", ENVIRONMENT)
    assert report.refused is not None
    assert isinstance(report.refused, Invalid)
    assert [one.fault.requirement for one in report.faults] == ["REQ-01"]


def test_what_the_service_forgives_is_still_a_fault_and_still_answered() -> None:
    report = check_request(json.dumps(broken(context__patientId="Patient/prodrome-triptan")), ENVIRONMENT)
    assert {one.fault.requirement for one in report.faults} == {"REQ-15"}
    assert report.consultation is not None
    assert any("context.patientId with a type" in note for note in report.consultation.notes)


def test_no_fault_repeats_a_value_of_the_request() -> None:
    secret = "zzsecretzz"
    document = broken(
        hook=secret, hookInstance=secret, context__userId=secret, context__encounterId=f"Encounter/{secret}"
    )
    document["prefetch"][secret] = {"resourceType": "Observation", "note": None}
    assert secret not in " ".join(map(str, check_request(json.dumps(document), ENVIRONMENT).faults))


def test_a_fault_tells_its_line_and_column_and_what_the_requirement_says() -> None:
    text = json.dumps(broken(context__userId="dr-1"), indent=2)
    (found,) = [one for one in check_request(text, ENVIRONMENT).faults if one.fault.requirement == "REQ-14"]
    assert found.place is not None
    line = text.splitlines()[found.place.line - 1]
    assert line[found.place.column - 1 :].startswith('"dr-1"')
    assert found.requirement is not None
    assert "userId" in found.requirement.text


@pytest.mark.parametrize(
    ("given", "meant", "path"),
    [
        ({"hookInstanse": "x"}, "hookInstance", "$.hookInstanse"),
        ({"context": {"patientID": "p"}}, "patientId", "$.context.patientID"),
        ({"prefetch": {"conditons": None}}, "conditions", "$.prefetch[key 1]"),
        ({"hook": "patient-veiw"}, "patient-view", "$.hook"),
    ],
)
def test_a_misspelt_name_is_told_with_the_one_that_was_meant(given: dict[str, Any], meant: str, path: str) -> None:
    found = check_request(json.dumps(given), ENVIRONMENT).faults
    assert any(one.fault.path == path and f"did you mean {meant!r}?" in one.fault.text for one in found)


def test_faults_of_fhir_stand_beside_those_of_cds_hooks() -> None:
    document = broken()
    patient = next(value for value in document["prefetch"].values() if value and value["resourceType"] == "Patient")
    patient["birthDate"] = "never-a-day"
    patient["no_such_member"] = 1
    told = {one.fault.path.rpartition(".")[2]: one for one in check_request(json.dumps(document), ENVIRONMENT).faults}
    assert {"birthDate", "no_such_member"} <= told.keys()
    assert told["birthDate"].fault.requirement == "FHIR"
    assert told["birthDate"].place is not None
    assert "never-a-day" not in "".join(one.fault.text for one in told.values())


def test_a_resource_that_r5_alone_has_so_is_right() -> None:
    document = broken()
    whose = {"reference": "Patient/prodrome-triptan"}
    used = {"device": {"reference": {"reference": "Device/d"}}, "patient": whose, "status": "active"}
    document["prefetch"]["more"] = {"resourceType": "DeviceUsage", "id": "d1", **used}
    assert check_request(json.dumps(document), ENVIRONMENT).faults == ()
