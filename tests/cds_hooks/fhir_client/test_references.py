"""What a resource refers to is fetched where the prefetch did not bring it."""

import time
from typing import Any

import httpx
import pytest

from prodrome.cds_hooks.fhir_client import Resolved, references, resolve_references
from tests.cds_hooks.fhir_client.fake import BASE, FakeServer, bundle, client_of, hook_request, site

AMITRIPTYLINE = {"resourceType": "Medication", "id": "m1", "code": {"text": "amitriptyline"}}


def request_for(reference: str, bare: str = "r") -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "id": bare, "medicationReference": {"reference": reference}}


def follow(server: FakeServer, *resources: object) -> Resolved:
    with client_of(server) as client:
        return resolve_references(resources, hook_request(), site(), time.monotonic() + 2, client=client)


@pytest.mark.requirement("PFD-16")
@pytest.mark.parametrize("reference", ["Medication/m1", f"{BASE}/Medication/m1", "Medication/m1/_history/2"])
def test_a_referenced_medication_is_fetched(reference: str) -> None:
    resolved = follow(FakeServer({"Medication": [bundle(AMITRIPTYLINE)]}), request_for(reference))
    assert resolved.value["entry"] == [{"resource": AMITRIPTYLINE, "search": {"mode": "include"}}]
    assert resolved.problems == {}


@pytest.mark.parametrize(
    "reference", ["#m1", "urn:uuid:1", "https://other.example/fhir/Medication/m1", "Group/m1", "m1"]
)
def test_what_is_contained_or_elsewhere_is_not_asked_for(reference: str) -> None:
    server = FakeServer({})
    follow(server, request_for(reference))
    assert not server.asked


@pytest.mark.parametrize("inside", ["m1", "#m1", "Medication/m1"])
def test_a_contained_medication_is_not_asked_for_although_it_is_named_without_its_sign(inside: str) -> None:
    server = FakeServer({})
    contained = {"resourceType": "Medication", "id": inside.removeprefix("#")}
    follow(server, {**request_for("Medication/m1"), "contained": [contained]})
    assert not server.asked


@pytest.mark.parametrize("written", ["Medication/m1", f"{BASE}/Medication/m1/_history/2", "urn:uuid:m1"])
def test_what_is_at_hand_under_an_id_in_any_spelling_is_not_asked_for(written: str) -> None:
    server = FakeServer({})
    follow(server, request_for("Medication/m1"), {"resourceType": "Medication", "id": written})
    assert not server.asked


def test_what_is_at_hand_is_not_asked_for() -> None:
    server = FakeServer({})
    follow(server, request_for("Medication/m1"), AMITRIPTYLINE)
    assert not server.asked


def test_one_search_per_kind_fetches_all_of_them() -> None:
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "participant": [{"individual": {"reference": "PractitionerRole/p"}}],
        "diagnosis": [{"condition": {"reference": "Condition/c1"}}],
        "reason": [{"value": [{"reference": {"reference": "Condition/c2"}}]}],
    }
    server = FakeServer({"Medication": [bundle()], "Condition": [bundle()], "PractitionerRole": [bundle()]})
    follow(server, request_for("Medication/m1"), request_for("Medication/m2"), request_for("Medication/m1"), encounter)
    queries = {request.url.path.rpartition("/")[2]: dict(request.url.params)["_id"] for request in server.asked}
    assert {kind: set(ids.split(",")) for kind, ids in queries.items()} == {
        "Medication": {"m1", "m2"},
        "Condition": {"c1", "c2"},
        "PractitionerRole": {"p"},
    }


def test_who_wrote_an_order_is_nobodys_business() -> None:
    server = FakeServer({})
    follow(server, {**request_for("#m"), "requester": {"reference": "PractitionerRole/p"}})
    assert not server.asked


def test_a_failure_is_laid_at_the_kinds_that_refer() -> None:
    resolved = follow(FakeServer({"Medication": [httpx.Response(403)]}), request_for("Medication/m1"))
    assert resolved.problems == {"MedicationRequest": "does not allow this to be read (403)"}


def test_a_dangling_reference_is_no_failure() -> None:
    assert follow(FakeServer({"Medication": [bundle()]}), request_for("Medication/m1")).problems == {}


def test_more_references_than_the_limit_are_said() -> None:
    server = FakeServer({"Medication": [bundle()], "Medication/_search": [bundle()]})
    many = [request_for(f"Medication/m{n}") for n in range(references.MAX_IDS + 1)]
    assert follow(server, *many).problems == {"MedicationRequest": "has more references than are followed"}
    assert len(server.asked) == 5


NESTED = {"resourceType": "Encounter", "participant": [[[{"reference": 1}]]]}


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, {"resourceType": 1}, request_for("x" * 9999), NESTED])
def test_odd_resources_are_passed_over(odd: object) -> None:
    assert follow(FakeServer({}), odd).value["entry"] == []
