"""What else the specification asks of a service, over HTTP."""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.charts import request as chart
from prodrome.cds_hooks.protocol.hooks import HOOKS
from tests.serving import Client, client_of, discovered, filled, rules_in, service

PATIENTS = Path(__file__).parents[1] / "vignettes" / "requests"
ADDRESS = "/cds-services/prodrome-patient-view"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def body(client: Client, id_: str, absent: tuple[str, ...] = ()) -> dict[str, Any]:
    request = json.loads((PATIENTS / f"{id_}.json").read_text())["request_by_kind"]
    templates = discovered(client, request["hook"])["prefetch"]
    return {**request, "prefetch": filled(templates, request["prefetch"], absent)}


@pytest.mark.requirement("DISC-04")
def test_a_rulebook_that_speaks_at_no_hook_gives_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prodrome.cds_hooks.environment.services", lambda *_: {})
    with client_of(service()) as silent:
        answer = silent.get("/cds-services")
    assert (answer.status_code, answer.get_json()) == (200, {"services": []})


@pytest.mark.requirement("DISC-16", "HOOK-02", "HOOK-04")
def test_hooks_are_those_of_the_catalogue_each_in_one_version(client: Client) -> None:
    listed = client.get("/cds-services").get_json()["services"]
    hooks = [one["hook"] for one in listed]
    assert len(hooks) == len(set(hooks))
    assert set(hooks) <= set(HOOKS)
    assert all("." not in hook for hook in hooks)
    assert all(one["version"].split(".")[0] >= "2" for one in listed)


@pytest.mark.requirement("REQ-20")
def test_a_typical_call_takes_less_than_half_a_second(client: Client) -> None:
    asked = chart(71)
    client.post(ADDRESS, json=asked)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        assert client.post(ADDRESS, json=asked).status_code == 200
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.5


@contextmanager
def hanging() -> Iterator[str]:
    """A FHIR server that accepts a request and never answers it."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            over.wait(10)

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fhir"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.requirement("REQ-21", "PFD-11", "PFD-13")
def test_the_deadline_is_kept_and_what_did_not_come_is_said() -> None:
    with hanging() as url, client_of(service(deadline_seconds=1.0)) as client:
        asked = {**body(client, "P10", ("ServiceRequest",)), "fhirServer": url}
        asked["fhirAuthorization"] = {
            "access_token": "token",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
            "subject": "client",
        }
        began = time.perf_counter()
        answer = client.post(ADDRESS, json=asked)
        assert time.perf_counter() - began < 2.0
        assert rules_in(answer.get_json()) == ["INCOMPLETE"]
        nothing = client.post(ADDRESS, json={**asked, "prefetch": {}})
        assert nothing.status_code == 412


@pytest.mark.requirement("REQ-07", "REQ-08", "FRA-11", "FRA-12")
@pytest.mark.parametrize("url", ["http://ehr.example.org/fhir", "https://not-listed.example.org/fhir", "gopher://x"])
def test_a_fhir_server_the_site_did_not_list_is_not_called(client: Client, url: str) -> None:
    asked = {**body(client, "P10", ("ServiceRequest",)), "fhirServer": url}
    answer = client.post(ADDRESS, json=asked)
    assert rules_in(answer.get_json()) == ["INCOMPLETE"]
    assert answer.get_json()["extension"]["org.prodrome.judgement"]["problems"]


@pytest.mark.requirement("REQ-10", "REQ-14")
def test_the_context_is_checked_for_the_hook(client: Client) -> None:
    asked = body(client, "P10")
    for wrong in ({}, {"patientId": "p"}, {"userId": "Practitioner/1"}, {"userId": 1, "patientId": "p"}):
        assert client.post(ADDRESS, json={**asked, "context": wrong}).status_code == 400
    lenient = client.post(ADDRESS, json={**asked, "context": {**asked["context"], "userId": "dr-1"}})
    assert any("userId" in note for note in lenient.get_json()["extension"]["org.prodrome.judgement"]["notes"])


@pytest.mark.requirement("PFD-09", "PFD-02")
def test_a_client_of_1_0_that_leaves_out_what_failed_is_understood(client: Client) -> None:
    asked = body(client, "P10", ("Appointment",))
    assert rules_in(client.post(ADDRESS, json=asked).get_json()) == ["INCOMPLETE"]


@pytest.mark.requirement("REQ-17")
def test_orders_of_an_unsupported_version_are_set_aside_not_misread(client: Client) -> None:
    asked = body(client, "P12")
    (entry,) = asked["context"]["draftOrders"]["entry"]
    entry["resource"] = {
        "resourceType": "MedicationOrder",
        "id": "draft-1",
        "status": "draft",
        "medicationCodeableConcept": entry["resource"]["medicationCodeableConcept"],
    }
    answer = client.post("/cds-services/prodrome-order-select", json=asked)
    assert (answer.status_code, rules_in(answer.get_json())) == (200, [])


@pytest.mark.requirement("RSP-12", "SEC-02")
def test_answers_are_not_kept_by_anyone(client: Client) -> None:
    for answer in (client.post(ADDRESS, json=body(client, "P10")), client.post(ADDRESS, json={})):
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        answer.data.decode("utf-8")
