"""Whatever the FHIR server does, the answer comes in time, is no 5xx, and concludes nothing from what did not come.

A real server stands behind a proxy that breaks every request in one way. The patient of each row would get REF-01,
NPH-01 and PRV-04 with a whole chart. The table of what happened is printed with the tests (``pytest -rP``).
"""

import functools
import gzip
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.testers.loading import load
from prodrome.rules.fact_types import KINDS
from prodrome.rules.guideline.guideline import load_guideline
from tests.faults.certificates import Authority
from tests.fhir_servers import servers
from tests.fhir_servers.proxy import Exchange, Fault, proxy
from tests.serving import service

TODAY = date(2026, 6, 15)
DEADLINE = 4.0
PATIENT = "prodrome-resistant"
WHOLE = ["DTT-01", "NPH-01", "PRV-04", "REF-01"]
MEDICATIONS = frozenset({"MedicationStatement", "MedicationRequest", "MedicationAdministration"})
VISITS = frozenset({"Encounter", "Appointment", "ServiceRequest"})
FROM_ABSENCE = {
    "REF-01": VISITS,
    "ED-01": VISITS,
    "NPH-01": frozenset({"Procedure", "ServiceRequest", "DeviceUseStatement"}),
    "PRV-02": MEDICATIONS,
    "PRV-03": MEDICATIONS,
    "ACU-01": MEDICATIONS | {"Condition"},
    "ACU-02": MEDICATIONS,
}
"""Rules that conclude something from there being no such resource."""


def body(resource: object) -> bytes:
    return json.dumps(resource).encode()


ERROR = body({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]})


def kind_of(exchange: Exchange) -> str:
    return exchange.path.rpartition("/fhir")[2].lstrip("/").partition("?")[0].partition("/")[0]


def next_page(url: str, *entries: object) -> bytes:
    link = [{"relation": "next", "url": url}]
    return body({"resourceType": "Bundle", "type": "searchset", "link": link, "entry": list(entries)})


# --- The ways to break an answer ----------------------------------------------------------------------------------


def resets(exchange: Exchange) -> None:
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()
    exchange.close_connection = True


def half_closes(exchange: Exchange) -> None:
    exchange.connection.shutdown(socket.SHUT_WR)
    exchange.close_connection = True


def delays(seconds: float) -> Fault:
    def fault(exchange: Exchange) -> None:
        if not exchange.proxy.ended.wait(seconds):
            exchange.send(*exchange.forwarded())

    return fault


def drips(exchange: Exchange) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Type", "application/fhir+json")
    exchange.send_header("Content-Length", "100000")
    exchange.end_headers()
    while not exchange.proxy.ended.wait(0.2):
        exchange.wfile.write(b" ")
        exchange.wfile.flush()


def refuses(status: int, **headers: Any) -> Fault:
    return lambda exchange: exchange.send(status, ERROR, **headers)


def truncates(exchange: Exchange) -> None:
    _, answer = exchange.forwarded()
    exchange.send(200, answer[: len(answer) // 2], length=len(answer))


def breaks_json(exchange: Exchange) -> None:
    _, answer = exchange.forwarded()
    exchange.send(200, answer[: len(answer) // 2])


@functools.cache
def many(kind: str, count: int) -> bytes:
    entries = ",".join(f'{{"resource":{{"resourceType":"{kind}","id":"x{n}"}}}}' for n in range(count))
    return f'{{"resourceType":"Bundle","total":{count},"entry":[{entries}]}}'.encode()


def says(content: bytes, **how: Any) -> Fault:
    return lambda exchange: exchange.send(200, content, **how)


def goes_on(exchange: Exchange) -> None:
    """Each page has one entry and one page more."""
    status, answer = exchange.forwarded()
    if "?" not in exchange.path:
        exchange.send(status, answer)
        return
    number = int(exchange.path.rpartition("page=")[2]) + 1 if "page=" in exchange.path else 1
    entry = {"resource": {"resourceType": kind_of(exchange), "id": f"x{number}"}}
    exchange.send(200, next_page(f"{exchange.proxy.url}/{kind_of(exchange)}?page={number}", entry))


def circles(exchange: Exchange) -> None:
    exchange.send(200, next_page(f"{exchange.proxy.url}{exchange.path.rpartition('/fhir')[2]}"))


def continues_elsewhere(exchange: Exchange) -> None:
    exchange.send(200, next_page("http://127.0.0.1:9/fhir/Encounter?page=2"))


def is_another_patients(exchange: Exchange) -> None:
    kind = kind_of(exchange)
    stranger = {"reference": "Patient/somebody-else"}
    if kind == "Patient":
        exchange.send(200, body({"resourceType": "Patient", "id": "somebody-else", "birthDate": "1980-01-01"}))
        return
    resource: dict[str, Any] = {
        "resourceType": kind,
        "id": "s1",
        "status": "finished",
        "subject": stranger,
        "patient": stranger,
    }
    if kind == "Appointment":
        resource = {"resourceType": kind, "id": "s1", "status": "booked", "participant": [{"actor": stranger}]}
    exchange.send(200, body({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}))


def counts_more_than_it_sends(exchange: Exchange) -> None:
    status, answer = exchange.forwarded()
    document = json.loads(answer)
    if document["resourceType"] == "Bundle":
        document.update(total=1000, link=[])
    exchange.send(status, body(document))


def reports_an_error_inside(exchange: Exchange) -> None:
    status, answer = exchange.forwarded()
    document = json.loads(answer)
    if document["resourceType"] == "Bundle":
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
        document["entry"] = [*document.get("entry", []), {"resource": outcome, "search": {"mode": "outcome"}}]
    exchange.send(status, body(document))


def sends_50_000(exchange: Exchange) -> None:
    kind = kind_of(exchange)
    if kind == "Patient":
        exchange.send(*exchange.forwarded())
        return
    exchange.send(200, many(kind, 50_000))


def fails_for(kind: str) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.send(*((403, b"{}") if kind_of(exchange) == kind else exchange.forwarded()))

    return fault


BOMB = gzip.compress(b'{"resourceType":"Bundle","entry":[' + b" " * 60_000_000 + b"]}")
DEEP = b'{"resourceType":"Bundle","entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LOG_IN = b"<html><body>Please log in</body></html>"

FAULTS: dict[str, Fault] = {
    "connection reset": resets,
    "connection half closed": half_closes,
    "200 ms late": delays(0.2),
    "30 s late": delays(30),
    "a byte now and then": drips,
    "401": refuses(401),
    "403": refuses(403),
    "404": refuses(404),
    "410": refuses(410),
    "429, again in 1 s": refuses(429, Retry_After="1"),
    "429, again in 60 s": refuses(429, Retry_After="60"),
    "500": refuses(500),
    "503": refuses(503),
    "cut off": truncates,
    "half the JSON": breaks_json,
    "not JSON": says(b"{]"),
    "not UTF-8": says(b'{"resourceType":"B\xff\xfe"}'),
    "nested without end": says(DEEP),
    "a log-in page": says(LOG_IN, kind="text/html"),
    "a log-in page called JSON": says(LOG_IN),
    "nothing": says(b""),
    "null": says(b"null"),
    "an OperationOutcome with 200": says(ERROR),
    "a gzip bomb": says(BOMB, Content_Encoding="gzip"),
    "gzip that is none": says(b"{}", Content_Encoding="gzip"),
    "pages without end": goes_on,
    "pages in a circle": circles,
    "a page elsewhere": continues_elsewhere,
    "redirected elsewhere": refuses(302, Location="http://127.0.0.1:9/fhir"),
    "another patient's chart": is_another_patients,
    "a total larger than what came": counts_more_than_it_sends,
    "an error among the matches": reports_an_error_inside,
    "50,000 entries": sends_50_000,
    "Encounter refused": fails_for("Encounter"),
    "ServiceRequest refused": fails_for("ServiceRequest"),
    "Appointment refused": fails_for("Appointment"),
    "MedicationStatement refused": fails_for("MedicationStatement"),
    "Condition refused": fails_for("Condition"),
    "Observation refused": fails_for("Observation"),
    "Patient refused": fails_for("Patient"),
}
HARMLESS = {"200 ms late"}
ONE_KIND = {name: name.partition(" ")[0] for name in FAULTS if name.endswith(" refused")}


@dataclass(frozen=True)
class Row:
    """What came of one fault."""

    status: int
    cards: list[str]
    seconds: float
    told: str


@pytest.fixture(scope="session")
def chart() -> str:
    url = servers.shared("hapi")
    load(url, load_guideline(), TODAY)
    return url


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service(today=TODAY, deadline_seconds=DEADLINE).test_client()


@pytest.fixture(scope="module")
def table() -> Iterator[Callable[[str, Row], None]]:
    """Takes rows; prints them all at the end."""
    rows: dict[str, Row] = {}
    yield rows.__setitem__
    print()
    print(f"{'fault':36} {'answer':6} {'time':>6}  {'cards':34} told")
    for fault, row in rows.items():
        cards = ", ".join(row.cards) or "-"
        print(f"{fault:36} {row.status:6} {row.seconds:4.1f} s  {cards:34} {summary(row.told)}")


def summary(told: str) -> str:
    """What was told, with the kinds of resource it befell counted."""
    problems: dict[str, int] = {}
    for problem in re.findall(rf"(?:{'|'.join(KINDS)}) ([^;\"]+)", told):
        problems[problem.rstrip(".")] = problems.get(problem.rstrip("."), 0) + 1
    return "; ".join(f"{count} x {problem}" for problem, count in problems.items()) or told


def ask(client: FlaskClient, url: str, patient: str = PATIENT) -> Row:
    """One call at patient-view with nothing prefetched."""
    context = {"patientId": patient, "userId": "Practitioner/x"}
    request = {"hook": "patient-view", "hookInstance": "i", "fhirServer": url, "context": context}
    begun = time.monotonic()
    answer = client.post("/cds-services/prodrome-patient-view", json=request)
    seconds = time.monotonic() - begun
    document = answer.get_json()
    if answer.status_code != 200:
        return Row(answer.status_code, [], seconds, document["issue"][0]["details"]["text"])
    cards = sorted(card["source"]["topic"]["code"] for card in document["cards"])
    return Row(answer.status_code, cards, seconds, "; ".join(problems_in(document)))


def problems_in(document: Any) -> list[str]:
    """What the answer says went wrong, from the judgement's extension."""
    return [problem for said in document["extension"].values() for problem in said.get("problems", ())]


def holds(row: Row, missing: str | None = None) -> None:
    """What is promised for every fault; *missing* is the one kind that did not come, if it was one."""
    too_much = {rule for rule, kinds in FROM_ABSENCE.items() if missing is None or missing in kinds}
    assert row.status in (200, 412)
    assert row.seconds < DEADLINE
    assert not too_much & set(row.cards)
    assert row.told
    assert PATIENT not in row.told


@pytest.mark.requirement("PFD-11", "PFD-13", "REQ-21", "FRA-14")
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.withstands("FHIR server fails")
def test_a_fault_is_told_in_time_and_concludes_nothing(
    name: str, chart: str, client: FlaskClient, table: Callable[[str, Row], None]
) -> None:
    with proxy(chart) as between:
        between.fault = FAULTS[name]
        row = ask(client, between.url)
    table(name, row)
    if name in HARMLESS:
        assert row.cards == WHOLE
        return
    holds(row, ONE_KIND.get(name))
    if name in ONE_KIND:
        assert row.status == 200
        assert ONE_KIND[name] in row.told


@pytest.mark.requirement("SEC-01")
@pytest.mark.parametrize(
    ("name", "host", "how"),
    [
        ("an expired certificate", "localhost", {"days": -1}),
        ("a self-signed certificate", "localhost", {"signed": False}),
        ("another server's certificate", "other.example", {}),
    ],
)
def test_a_certificate_that_cannot_be_trusted_ends_the_connection(
    name: str,
    host: str,
    how: dict[str, Any],
    chart: str,
    client: FlaskClient,
    table: Callable[[str, Row], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with proxy(chart, tls=authority.server(host, **how)) as between:
        row = ask(client, between.url.replace("127.0.0.1", "localhost"))
        assert between.seen == []
    table(name, row)
    holds(row)
    assert "certificate" in row.told


def test_a_certificate_of_an_authority_the_site_trusts_is_accepted(
    chart: str, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with proxy(chart, tls=authority.server("localhost")) as between:
        row = ask(client, between.url.replace("127.0.0.1", "localhost"))
    assert row.cards == WHOLE


def test_plain_text_where_tls_was_expected_is_told(
    chart: str, client: FlaskClient, table: Callable[[str, Row], None]
) -> None:
    with proxy(chart) as between:
        row = ask(client, between.url.replace("http:", "https:"))
    table("no TLS where it was expected", row)
    holds(row)


def test_a_server_that_is_not_there_is_told_at_once(client: FlaskClient, table: Callable[[str, Row], None]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        row = ask(client, f"http://127.0.0.1:{unused.getsockname()[1]}/fhir")
    table("connection refused", row)
    holds(row)
    assert row.seconds < 1


@pytest.mark.requirement("REQ-08")
@pytest.mark.parametrize(
    "address", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "::ffff:169.254.169.254", "fd00:ec2::254"]
)
@pytest.mark.withstands("server addresses")
def test_a_name_that_leads_inside_is_not_followed(
    address: str, table: Callable[[str, Row], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allow-list names a public server, and its name is made to mean an address of the inside."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", (address, 443))])
    server = "https://ehr.example.org/fhir"
    row = ask(service(today=TODAY, fhir_servers=[{"url": server, "open": True}]).test_client(), server)
    table(f"the name means {address}", row)
    holds(row)
    assert "leads to an address it may not have" in row.told
    assert row.seconds < 1


def test_a_name_is_looked_up_once_and_cannot_change_its_meaning(chart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    asked: list[object] = []

    def rebinding(host: object, *more: Any, **named: Any) -> Any:
        if host != "localhost":
            return real(host, *more, **named)  # type: ignore[arg-type]
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    client = service(today=TODAY, deadline_seconds=20).test_client()
    with proxy(chart) as between:
        url = between.url.replace("127.0.0.1", "localhost")
        rows = [ask(client, url), ask(client, url)]
    assert [row.cards for row in rows] == [WHOLE, WHOLE], rows
    assert len(asked) == 1


@pytest.mark.withstands("FHIR server fails")
def test_a_server_that_fails_again_and_again_is_left_alone_for_a_while(
    chart: str, table: Callable[[str, Row], None]
) -> None:
    client = service(today=TODAY, deadline_seconds=1).test_client()
    with proxy(chart) as between:
        between.fault = resets
        rows = [ask(client, between.url) for _ in range(4)]
        reached = len(between.seen)
        rows.append(ask(client, between.url))
        assert len(between.seen) == reached
    table("failing for the fifth time", rows[-1])
    holds(rows[-1])
    assert "left alone" in rows[-1].told
    assert rows[-1].seconds < 0.5
