"""The FHIR server as a weapon: what it, or the client's links to it, may make the service ask, and at what cost."""

import threading
import time
from datetime import date
from typing import Any

import httpx
import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Client, complete
from prodrome.cds_hooks.fhir_client import client as client_module
from prodrome.cds_hooks.prefetch import gather
from prodrome.cds_hooks.protocol import Refused
from prodrome.cds_hooks.protocol.requests import HookRequest
from prodrome.cds_hooks.settings import FhirServer, Settings
from prodrome.rules import Completeness
from tests.cds_hooks.fhir_client.fake import (
    BASE,
    FHIR,
    Answer,
    FakeServer,
    bundle,
    client_of,
    encounters,
    fetch,
    hook_request,
    site,
)
from tests.cds_hooks.fhir_client.test_backend_services import registered, token

OUTSIDE = [
    f"{BASE}/../admin",
    f"{BASE}/..;/admin",
    f"{BASE}/..%2fadmin",
    f"{BASE}/..%5cadmin",
    f"{BASE}/%2e%2e/admin",
    f"{BASE}/.%2e/admin",
    f"{BASE}/..%252fadmin",
    f"{BASE}/Encounter;x=1/../../admin",
    f"{BASE}/Encounter%3b",
    f"{BASE}//admin",
    f"{BASE}\\..\\admin",
    f"{BASE}/Encounter#/../admin",
    "https://ehr.example.org:8443/fhir/Encounter",
    "https://ehr.example.org:0/fhir/Encounter",
    "https://ehr.example.org/fhirs/Encounter",
    "https://ehr.example.org/admin",
    "http://ehr.example.org/fhir/Encounter",
    "https://user@ehr.example.org/fhir/Encounter",
    "https://ehr.example.org@evil.example.org/fhir",
    "https://evil.example.org/fhir/Encounter",
    "//evil.example.org/fhir/Encounter",
]
LONG = "&x=" + "y" * 2000


@pytest.mark.withstands("confused deputy")
@pytest.mark.parametrize("more", ["", "?page=2", f"?page=2{LONG}"])
@pytest.mark.parametrize("url", OUTSIDE)
def test_no_link_of_a_server_leads_out_of_its_base(url: str, more: str) -> None:
    page = bundle(*encounters("a"), link=[{"relation": "next", "url": url + more}])
    server = FakeServer({"Encounter": [page], "Encounter/_search": [page]})
    fetched = fetch(server, settings=site(prefer_post=bool(more)))
    assert fetched.state is Completeness.INCOMPLETE
    asked = [(request.url.host, request.url.path.partition("/_search")[0]) for request in server.asked]
    assert asked == [("ehr.example.org", "/fhir/Encounter")]


def gathered(url: str, monkeypatch: pytest.MonkeyPatch, settings: Settings, request: HookRequest) -> FakeServer:
    """A call whose client sent the first page of a Bundle and a link to the next."""
    server = FakeServer({"token": [token()], "Encounter": [bundle(*encounters("b"))], "admin": [bundle()]})
    environment = Environment.of(settings.model_copy(update={"today": date(2026, 6, 15)}))
    service = environment.service_for("patient-view")
    first = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": url}], "entry": []}
    whole = {query.key: None for query in service.queries} | {"encounters": first}
    asked = HookRequest(
        "patient-view",
        "i",
        "1",
        prefetch=whole,
        fhir_server=request.fhir_server,
        authorization=request.authorization,
    )
    with client_of(server) as client:
        monkeypatch.setattr("prodrome.cds_hooks.fhir_client._CLIENT", client)
        try:
            gather(asked, service, environment.settings, date(2026, 6, 15), deadline=time.monotonic() + 2)
        except Refused as refused:
            raise AssertionError from refused
    return server


@pytest.mark.withstands("confused deputy")
@pytest.mark.parametrize(
    "url",
    [
        *OUTSIDE,
        "../admin",
        "../admin?x=1",
        "../admin?x=1" + LONG,
        "/admin",
        "..;/admin",
        "..%2fadmin",
        "Encounter/../../admin",
        "?",
        "//[",
    ],
)
def test_no_link_of_a_client_leads_out_of_the_base(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = gathered(url, monkeypatch, site(), hook_request())
    assert all(request.url.host == "ehr.example.org" for request in server.asked)
    assert all(request.url.path.startswith("/fhir/") for request in server.asked)
    assert "admin" not in " ".join(server.paths())


@pytest.mark.withstands("confused deputy")
@pytest.mark.parametrize("url", ["Encounter?page=2", f"{BASE}/Encounter?page=2"])
def test_a_clients_link_is_followed_with_its_own_token_and_never_with_ours(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = gathered(url, monkeypatch, registered(token_url=f"{BASE}/token"), hook_request("theirs"))
    assert [request.headers["Authorization"] for request in own.asked] == ["Bearer theirs"]
    assert own.asked[0].url == f"{BASE}/Encounter?page=2"
    without = gathered(url, monkeypatch, registered(token_url=f"{BASE}/token"), hook_request(None))
    assert "Encounter" not in without.paths()


@pytest.mark.withstands("server addresses")
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://ehr.example.org/token",
        "http://localhost/token",
        "http://127.0.0.1:8080/token",
        "https://localhost/token",
        "https://127.0.0.1/token",
        "https://[::1]/token",
        "https://user@ehr.example.org/token",
        "https://ehr.example.org/a/../token",
        "https://ehr.example.org/token#x",
        "ftp://ehr.example.org/token",
        "https://",
        "",
        None,
        {},
    ],
)
def test_a_token_endpoint_passes_the_gates_of_any_address(endpoint: object) -> None:
    found = httpx.Response(200, json={"token_endpoint": endpoint})
    server = FakeServer({".well-known/smart-configuration": [found], "token": [token()]})
    fetched = fetch(server, settings=registered(), request=hook_request(None))
    assert fetched.problem == "does not say where access tokens are given out"
    assert server.paths() == [".well-known/smart-configuration"]


@pytest.mark.withstands("session in use")
def test_no_session_is_closed_under_a_call_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_SERVERS", 2)
    closed: list[Any] = []

    class Transport(httpx.AsyncBaseTransport):
        def __init__(self, base: str, server: FakeServer) -> None:
            self.base, self.server = base, server

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert self not in closed
            return await self.server._answer(request)

        async def aclose(self) -> None:
            closed.append(self)

    bases = [f"{BASE}/{number}" for number in range(8)]
    answers: dict[str, list[Answer]] = {f"{number}/Encounter": [bundle(*encounters("a"))] for number in range(8)}
    slow, quick = FakeServer(dict(answers), delay=0.3), FakeServer(dict(answers))
    settings = Settings(fhir_servers=tuple(FhirServer(url=base) for base in bases))
    client = Client(lambda target: Transport(target.base, slow if target.base == bases[0] else quick))
    results: list[Completeness] = []

    def call(base: str) -> None:
        request = hook_request(server=base)
        plan = {"it": ("Encounter", "Encounter?patient=1")}
        results.append(complete(plan, request, settings, time.monotonic() + 5, client=client)["it"].state)

    try:
        first = threading.Thread(target=call, args=(bases[0],))
        first.start()
        time.sleep(0.1)
        for base in bases[1:]:
            call(base)
        first.join()
        call(bases[0])
    finally:
        client.close()
    assert results == [Completeness.COMPLETE] * 9
    assert bases[0] in [transport.base for transport in closed]


@pytest.mark.withstands("empty members")
@pytest.mark.parametrize("entries", [b"{}", b"[]", b"null", b'{"resource":{}}', b'{"link":[]}'])
def test_millions_of_empty_members_cost_little(entries: bytes) -> None:
    body = b'{"resourceType":"Bundle","entry":[' + b",".join([entries] * (8_000_000 // (len(entries) + 1))) + b"]}"
    server = FakeServer({"Encounter": [httpx.Response(200, content=body, headers=FHIR)]})
    began = time.process_time()
    fetched = fetch(server, seconds=10)
    assert time.process_time() - began < 4
    assert fetched.problem == "has more than can be taken" or fetched.problem == "sends more than can be taken"
