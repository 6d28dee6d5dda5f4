"""The client against real FHIR servers, each with ways of its own."""

import os
import time
from collections.abc import Iterable

import httpx
import pytest

from prodrome.cds_hooks.fhir_client import Client, Fetched, Resolved
from prodrome.cds_hooks.protocol.requests import FhirAuthorization, HookRequest
from prodrome.cds_hooks.settings import FhirServer, Settings
from prodrome.rules.facts import Completeness
from tests.fhir_servers import servers
from tests.fhir_servers.chart import load, small_chart
from tests.fhir_servers.proxy import proxy

OPEN = Settings()
TOKEN = FhirAuthorization("t0k3n", 300, "patient/*.read", "prodrome")


def about(url: str, patient: str, authorization: FhirAuthorization | None = None) -> HookRequest:
    return HookRequest("patient-view", "i", patient, fhir_server=url, authorization=authorization)


def get(client: Client, url: str, patient: str, query: str, settings: Settings = OPEN) -> Fetched:
    plan = {"it": (query.partition("?")[0].partition("/")[0], query)}
    return client.complete(plan, about(url, patient), settings, time.monotonic() + 20)["it"]


@pytest.fixture(scope="session")
def patient(server: str) -> str:
    load(server, small_chart("twelve"))
    return "twelve"


def test_a_search_comes_whole(client: Client, server: str, patient: str) -> None:
    fetched = get(client, server, patient, f"Encounter?patient={patient}")
    assert (fetched.state, fetched.count, fetched.problem) == (Completeness.COMPLETE, 12, None)


def test_a_patient_is_read(client: Client, server: str, patient: str) -> None:
    fetched = get(client, server, patient, f"Patient/{patient}")
    assert fetched.state is Completeness.COMPLETE


def test_a_search_that_finds_nothing_is_complete(client: Client, server: str, patient: str) -> None:
    fetched = get(client, server, patient, f"Appointment?patient={patient}")
    assert (fetched.state, fetched.count) == (Completeness.COMPLETE, 0)


def test_a_patient_who_is_not_there_is_missing(client: Client, server: str) -> None:
    fetched = get(client, server, "nobody", "Patient/nobody")
    assert (fetched.state, fetched.problem) == (Completeness.MISSING, "does not have this (404)")


def test_an_included_medication_comes_along_and_does_not_count(client: Client, server: str, patient: str) -> None:
    query = f"MedicationRequest?patient={patient}&_include=MedicationRequest:medication"
    fetched = get(client, server, patient, query)
    assert isinstance(fetched.value, dict)
    kinds = sorted(entry["resource"]["resourceType"] for entry in fetched.value["entry"])
    assert (kinds, fetched.count, fetched.state) == (["Medication", "MedicationRequest"], 1, Completeness.COMPLETE)


def test_a_search_by_post_finds_the_same(client: Client, server: str, patient: str) -> None:
    settings = Settings(fhir_servers=(FhirServer(url=server, open=True, prefer_post=True),))
    fetched = get(client, server, patient, f"Encounter?patient={patient}", settings)
    assert (fetched.state, fetched.count) == (Completeness.COMPLETE, 12)


def follow(client: Client, server: str, patient: str, resources: Iterable[object]) -> Resolved:
    return client.resolve_references(resources, about(server, patient), OPEN, time.monotonic() + 20)


def test_a_referenced_medication_is_found(client: Client, server: str, patient: str) -> None:
    request = next(item for item in small_chart(patient) if item["resourceType"] == "MedicationRequest")
    resolved = follow(client, server, patient, [request])
    assert [entry["resource"]["id"] for entry in resolved.value["entry"]] == [f"{patient}-m"]
    assert resolved.problems == {}


def test_pages_of_ten_with_opaque_links_are_followed(client: Client, hapi: str) -> None:
    load(hapi, small_chart("paged", encounters=25))
    fetched = get(client, hapi, "paged", "Encounter?patient=paged&_count=10")
    assert (fetched.state, fetched.count) == (Completeness.COMPLETE, 25)


def test_an_answer_cut_without_a_next_link_is_incomplete(client: Client, medplum: str) -> None:
    load(medplum, small_chart("cut"))
    fetched = get(client, medplum, "cut", "Encounter?patient=cut&_count=5")
    assert (fetched.state, fetched.count) == (Completeness.INCOMPLETE, 5)
    assert fetched.problem == "sends less than it says there is"


def test_a_deleted_patient_is_missing(client: Client, server: str) -> None:
    load(server, [{"resourceType": "Patient", "id": "gone"}])
    assert httpx.delete(f"{server}/Patient/gone").is_success
    fetched = get(client, server, "gone", "Patient/gone")
    assert fetched.state is Completeness.MISSING
    assert fetched.problem in ("does not have this (404)", "does not have this any more (410)")


def test_a_refused_parameter_is_missing_and_an_ignored_one_is_no_harm(client: Client, hapi: str) -> None:
    fetched = get(client, hapi, "twelve", "Encounter?patient=twelve&unheard-of=1")
    assert (fetched.state, fetched.problem) == (Completeness.MISSING, "refuses the query (400)")


def test_the_token_goes_with_every_request_and_only_to_its_server(client: Client, hapi: str) -> None:
    load(hapi, small_chart("guarded", encounters=25))
    with proxy(hapi, token=TOKEN.access_token) as smart:
        settings = Settings(fhir_servers=(FhirServer(url=smart.url),))
        plan = {
            "patient": ("Patient", "Patient/guarded"),
            "encounters": ("Encounter", "Encounter?patient=guarded&_count=10"),
        }
        request = about(smart.url, "guarded", TOKEN)
        fetched = client.complete(plan, request, settings, time.monotonic() + 20)
        assert {answer.state for answer in fetched.values()} == {Completeness.COMPLETE}
        assert len(smart.seen) == 4
        assert {seen.authorization for seen in smart.seen} == {"Bearer t0k3n"}
        assert all(str(seen.accept).startswith("application/fhir+json") for seen in smart.seen)
        smart.seen.clear()
        without = client.complete(plan, about(smart.url, "guarded"), settings, time.monotonic() + 20)
        assert {answer.state for answer in without.values()} == {Completeness.MISSING}
        assert smart.seen == []


@pytest.mark.skipif(not os.environ.get("FHIR_R5"), reason="HAPI takes a minute to start with R5: FHIR_R5=1 to run it")
def test_an_r5_server_is_asked_in_its_own_words(client: Client) -> None:
    url = servers.shared("hapi-r5")
    usage = {
        "resourceType": "DeviceUsage",
        "id": "u1",
        "status": "active",
        "patient": {"reference": "Patient/five"},
        "device": {"concept": {"text": "vagus nerve stimulator"}},
    }
    load(url, [{"resourceType": "Patient", "id": "five"}, usage])
    fetched = get(client, url, "five", "DeviceUseStatement?patient=five")
    assert (fetched.state, fetched.count) == (Completeness.COMPLETE, 1)
