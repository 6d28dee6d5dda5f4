"""The FHIR server as a weapon: what it, or the client's links to it, may make the service ask, and at what cost."""

import gzip
import threading
import time
from datetime import date
from typing import Any

import httpx
import orjson
import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Client, complete, searching
from prodrome.cds_hooks.fhir_client import client as client_module
from prodrome.cds_hooks.fhir_client.transport import CheckedTransport
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


@pytest.mark.withstands("server addresses")
@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5",
        "192.168.1.1",
        "100.64.0.1",
        "[fd00::1]",
        "[::ffff:10.0.0.5]",
        "169.254.169.254",
        "2130706433",
        "0.0.0.0",
    ],
)
def test_a_fhir_server_cannot_send_the_service_inside_by_naming_its_token_endpoint(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site did not list these addresses: that the FHIR server names one does not make it listed."""
    found = httpx.Response(200, json={"token_endpoint": f"https://{host}/token"})
    server = FakeServer({".well-known/smart-configuration": [found]})
    reached: list[str] = []

    async def connect(_: object, request: httpx.Request) -> httpx.Response:
        reached.append(str(request.url))
        raise httpx.ConnectError("")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", connect)
    client = Client(lambda target: server.transport(target) if target.base == BASE else CheckedTransport(target))
    try:
        plan = {"it": ("Encounter", "Encounter?patient=1")}
        fetched = complete(plan, hook_request(None), registered(), time.monotonic() + 5, client=client)["it"]
    finally:
        client.close()
    assert reached == []
    assert "leads to an address it may not have" in str(fetched.problem)


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


def packed(*parts: bytes) -> httpx.Response:
    headers = {**FHIR, "Content-Encoding": "gzip"}
    return httpx.Response(200, content=b"".join(parts), headers=headers)


EMPTY = gzip.compress(b'{"resourceType":"Bundle","entry":[]}')


@pytest.mark.withstands("FHIR server fails")
@pytest.mark.parametrize(
    "after", [b"x", b"\0" * 30_000_000, EMPTY, EMPTY * 100_000], ids=["x", "30 MB", "again", "often"]
)
def test_what_follows_compressed_data_is_refused_and_costs_nothing(after: bytes) -> None:
    began = time.process_time()
    fetched = fetch(FakeServer({"Encounter": [packed(EMPTY, after)]}), seconds=20)
    assert time.process_time() - began < 3
    assert fetched.problem == "sends an answer that is damaged"


def encounter(**members: object) -> httpx.Response:
    return bundle({**encounters("a")[0], **members})


ODD: dict[str, httpx.Response] = {
    "a subject whose address cannot be read": encounter(subject={"reference": "http://[/Patient/1"}),
    "a link that is too long": bundle(link=[{"relation": "next", "url": f"{BASE}/Encounter?x={'y' * 70_000}"}]),
    "a link with a path that is too long": bundle(link=[{"relation": "next", "url": f"{BASE}/{'y' * 70_000}"}]),
    "a wait of 400 digits": httpx.Response(503, headers={"Retry-After": "9" * 400}),
    "a wait until no year": httpx.Response(
        503, headers={"Retry-After": "Mon, 1 Jan 99999999999999999999 00:00:00 GMT"}
    ),
    "an id that is a list": encounter(id=["a"]),
    "a row nested without end": encounter(extension=orjson.loads("[" * 500 + "]" * 500)),
}


@pytest.mark.withstands("FHIR server fails")
@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_costs_its_kind_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "alarm", pytest.fail)  # nothing unforeseen
    server = FakeServer({"Encounter": [ODD[name]], "Condition": [bundle()]})
    with client_of(server) as client:
        plan = {kind: (kind, f"{kind}?patient=1") for kind in ("Encounter", "Condition")}
        fetched = complete(plan, hook_request(), site(), time.monotonic() + 1, client=client)
    assert fetched["Condition"].state is Completeness.COMPLETE
    assert fetched["Encounter"].problem is None or "could not" not in fetched["Encounter"].problem


@pytest.mark.withstands("FHIR server fails")
@pytest.mark.parametrize("participant", [5, True, "x", {"actor": {"reference": "http://[::/Patient/1"}}, [5], None])
def test_an_odd_participant_is_nobody(participant: object) -> None:
    appointment = {"resourceType": "Appointment", "id": "a", "participant": participant}
    fetched = fetch({"Appointment": [bundle(appointment)]}, "Appointment?patient=1")
    assert fetched.state is Completeness.COMPLETE


@pytest.mark.withstands("FHIR server fails")
def test_a_mistake_of_ours_in_reading_one_kind_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(searching, "alarm", lambda event, **_: told.append(event))
    monkeypatch.setattr(searching, "_of_another", lambda *_: 1 / 0)
    server = FakeServer({"Encounter": [bundle(*encounters("a"))], "Condition": [bundle()]})
    with client_of(server) as client:
        plan = {kind: (kind, f"{kind}?patient=1") for kind in ("Encounter", "Condition")}
        fetched = complete(plan, hook_request(), site(), time.monotonic() + 5, client=client)
    assert fetched["Encounter"].problem == "sends an answer that cannot be read"
    assert fetched["Encounter"].state is not Completeness.COMPLETE
    assert fetched["Condition"].state is Completeness.COMPLETE
    assert told == ["an answer of a FHIR server could not be read"]


@pytest.mark.withstands("log injection")
@pytest.mark.parametrize(
    "code", ["Jane Doe, 1980", "<script>alert(1)</script>", "x\n{}", "", 5, None, ["exception"], {}]
)
def test_no_text_of_a_server_poses_as_the_kind_of_an_issue(code: object) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
    fetched = fetch({"Encounter": [httpx.Response(200, json=outcome, headers=FHIR)]})
    assert fetched.problem == "reports a problem (unknown)"


@pytest.mark.withstands("FHIR server fails")
def test_a_patients_id_that_is_too_long_to_ask_for_is_told() -> None:
    fetched = fetch({}, f"Encounter?patient={'x' * 70_000}")
    assert fetched.problem == "has no address for this that can be asked"
