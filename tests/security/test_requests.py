"""Attacks in the request itself: other servers, bombs, headers, cross-origin calls, feedback to foreign cards."""

import copy
import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from prodrome.cds_hooks.settings import Issuer
from tests.cds_hooks.tokens import BASE, EC_384, ISS, jwk
from tests.cds_hooks.tokens import Client as Signer
from tests.logged import logged
from tests.security.conftest import Row
from tests.serving import Client, client_of, service

PATIENTS = Path(__file__).parent.parent / "vignettes" / "requests"
VIEW = "/cds-services/prodrome-patient-view"
ALLOWED = "https://ehr.example.org/fhir"


def request(**more: Any) -> dict[str, Any]:
    whole = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/dr-1", "patientId": "pat-1"},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "pat-1", "birthDate": "1988-01-15"}},
    }
    return {**whole, **more}


TOKEN = "the-access-token-of-the-chart"


def authorization(**more: Any) -> dict[str, Any]:
    said = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "user/*.read", "subject": "x"}
    return {**said, **more}


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every host name looked up and every address connected to while an attack ran, but for the service itself."""
    places: list[str] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def looked_up(host: Any, port: Any, *more: Any, **also: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            places.append(f"{host}:{port}")
            raise OSError("no network in this test")
        return look_up(host, port, *more, **also)

    def connected(self: socket.socket, address: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            places.append(str(address))
            raise OSError("no network in this test")
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    return places


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """An open service on this machine that may ask one FHIR server."""
    with client_of(service(fhir_servers=[ALLOWED], max_body_bytes=2_000_000)) as client:
        yield client


ELSEWHERE = [
    "http://169.254.169.254/latest/meta-data",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://[::ffff:169.254.169.254]/",
    "http://metadata.google.internal/computeMetadata/v1",
    "http://2852039166/latest",
    "http://0xa9fea9fe/latest",
    "http://10.0.0.1/fhir",
    "http://192.168.0.1:8080/fhir",
    "http://0.0.0.0/fhir",
    "https://evil.example.org/fhir",
    "https://ehr.example.org.evil.example.org/fhir",
    "https://ehr.example.org@evil.example.org/fhir",
    "https://evil.example.org#@ehr.example.org/fhir",
    "https://evil.example.org\\@ehr.example.org/fhir",
    "https://ehr.example.org/fhirs",
    "https://ehr.example.org/fhir/../admin",
    "https://ehr.example.org/fhir/%2e%2e/admin",
    "https://ehr.example.org/fhir?x=",
    "https://ehr.example.org:8443/fhir",
    "http://ehr.example.org/fhir",
    "https://EHR.example.org.:443/fhirx",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://ehr.example.org/fhir",
    "javascript:alert(1)",
    "//evil.example.org/fhir",
    "https://ehr.example.org\r\nHost: evil.example.org/fhir",
    "https://evil.example.org\t/fhir",
    "https://\u0435\u0445r.example.org/fhir",
    "",
    " ",
    "x" * 100_000,
]


@pytest.mark.requirement("REQ-07", "REQ-08", "SEC-20")
@pytest.mark.parametrize("server", ELSEWHERE, ids=lambda server: server[:48])
@pytest.mark.withstands("server addresses")
def test_a_request_cannot_send_the_service_to_another_server(
    client: Client, server: str, reached: list[str], row: Row
) -> None:
    answer = client.post(VIEW, json=request(fhirServer=server, fhirAuthorization=authorization()))
    assert reached == []
    assert answer.status_code in (200, 400)
    assert TOKEN.encode() not in answer.data
    row("fhirServer", repr(server[:60]), f"{answer.status_code}, nothing asked")


@pytest.mark.requirement("PFD-12")
@pytest.mark.withstands("confused deputy")
def test_a_page_link_cannot_send_the_service_to_another_server(client: Client, reached: list[str], row: Row) -> None:
    link = {"relation": "next", "url": "https://evil.example.org/fhir?page=2"}
    page = {"resourceType": "Bundle", "type": "searchset", "link": [link], "entry": []}
    said = request(fhirServer=ALLOWED, fhirAuthorization=authorization())
    said["prefetch"] |= dict.fromkeys(("conditions", "medicationStatements", "encounters"), page)
    answer = client.post(VIEW, json=said)
    assert answer.status_code == 200
    assert not any("evil" in place for place in reached)
    row("next link", "another host", "200, not followed")


@pytest.mark.requirement("REQ-08")
def test_references_in_the_chart_cannot_send_the_service_elsewhere(
    client: Client, reached: list[str], row: Row
) -> None:
    statement = {
        "resourceType": "MedicationStatement",
        "id": "1",
        "status": "active",
        "subject": {"reference": "Patient/pat-1"},
        "medicationReference": {"reference": "http://169.254.169.254/Medication/1"},
    }
    said = request(fhirServer=ALLOWED, fhirAuthorization=authorization())
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": statement}]}
    said["prefetch"]["medicationStatements"] = bundle
    assert client.post(VIEW, json=said).status_code == 200
    assert not any("169.254" in place for place in reached)
    row("reference", "metadata address in a chart", "200, not followed")


@pytest.mark.requirement("FRA-07", "FRA-08")
@pytest.mark.parametrize(
    "said",
    [
        {"patient": "pat-2"},
        {"access_token": "x\r\nX-Evil: 1"},
        {"access_token": 7},
        {"access_token": {"x": 1}},
        {"token_type": "MAC"},
        {"expires_in": -1},
        {"scope": None},
    ],
    ids=str,
)
def test_odd_access_tokens_are_refused_or_not_used(
    client: Client, said: dict[str, Any], reached: list[str], row: Row
) -> None:
    answer = client.post(VIEW, json=request(fhirServer="http://10.0.0.1/fhir", fhirAuthorization=authorization(**said)))
    assert answer.status_code in (200, 400, 403)
    assert reached == []
    row("fhirAuthorization", str(said), str(answer.status_code))


BOMBS: dict[str, tuple[bytes, int]] = {
    "nested 500,000 deep (lists)": (b"[" * 500_000, 400),
    "nested 200,000 deep (objects)": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, 400),
    "nested 65 deep in the prefetch": (
        orjson.dumps(request()).replace(b'"prefetch":{', b'"prefetch":{"x":' + b"[" * 65 + b"]" * 65 + b","),
        400,
    ),
    "a body of 3 MB where 2 are allowed": (b'{"x":"' + b"x" * 3_000_000 + b'"}', 413),
    "a number of a million digits": (b'{"hook":' + b"9" * 1_000_000 + b"}", 400),
    "a million empty objects": (b'{"hook":[' + b"{}," * 600_000 + b"{}]}", 400),
    "lone surrogate": (b'{"hook":"\\ud800"}', 400),
    "NaN": (b'{"hook": NaN}', 400),
    "two patients said": (orjson.dumps(request()).replace(b'"patientId"', b'"patientId":"other","patientId"'), 400),
    "not UTF-8": (b'{"hook":"\xff"}', 400),
    "UTF-16": ('{"hook":"patient-view"}'.encode("utf-16"), 400),
    "XML with an external entity": (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        400,
    ),
}


@pytest.mark.requirement("GEN-10")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(client: Client, name: str, row: Row) -> None:
    body, status = BOMBS[name]
    began = time.monotonic()
    answer = client.post(VIEW, data=body, content_type="application/json")
    took = time.monotonic() - began
    assert answer.status_code == status
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert took < 5
    row("body", name, str(status))


@pytest.mark.requirement("GEN-11")
@pytest.mark.withstands("compressed bodies")
def test_a_compressed_body_is_not_unpacked(client: Client, row: Row) -> None:
    body = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Encoding": "gzip"}
    answer = client.post(VIEW, data=body, content_type="application/json", headers=headers)
    assert answer.status_code == 415
    row("body", "gzip bomb", "415")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nSet-Cookie: x=1", "\u2028X-Evil: 1", "%0d%0aX-Evil:%201"])
def test_nothing_of_a_request_becomes_a_header(client: Client, value: str, row: Row) -> None:
    answer = client.post(VIEW, json=request(hookInstance=value))
    found = client.get("/cds-services/" + value.replace("\r", "%0d").replace("\n", "%0a"))
    for one in (answer, found):
        assert one.status_code < 500
        assert not any(name.lower() in ("x-evil", "set-cookie") for name in one.headers)
        assert not any("evil" in content.lower() for content in one.headers.values())
    row("headers", repr(value), "none set")


@pytest.mark.withstands("log injection")
def test_nothing_of_a_request_becomes_a_log_line_of_its_own(client: Client, row: Row) -> None:
    with logged() as stream:
        forged = '{"event": "answered", "status": 200}'
        client.post(VIEW, json=request(hook=f"x\n{forged}", hookInstance=f"x\n{forged}"))
        client.get(f"/cds-services/x%0a{forged}")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    row("log", "line breaks in hook, hookInstance and path", "no line of its own")


@pytest.mark.requirement("CORS-04")
@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:9", "http://localhost"])
@pytest.mark.withstands("foreign pages")
def test_a_page_elsewhere_cannot_read_an_open_service(client: Client, origin: str, row: Row) -> None:
    asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answers = [
        client.open(VIEW, method="OPTIONS", headers=asking),
        client.post(VIEW, json=request(), headers={"Origin": origin}),
    ]
    assert not any(name.lower().startswith("access-control") for one in answers for name in one.headers)
    row("origin", origin, "may not read")


@pytest.mark.withstands("foreign pages")
def test_a_form_of_another_page_cannot_post(client: Client, row: Row) -> None:
    for form in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert client.post(VIEW, data=orjson.dumps(request()), content_type=form).status_code == 415
    row("origin", "a form posted by another page", "415")


@pytest.mark.withstands("foreign pages")
def test_a_page_that_renamed_this_machine_cannot_read(client: Client, row: Row) -> None:
    assert client.get("/cds-services", headers={"Host": "evil.example.org"}).status_code == 400
    row("origin", "DNS rebinding to this machine", "400")


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "/static/..%2f..%2fsettings.py", "/.env", "/.git/config"]
)
def test_no_path_leads_to_a_file(client: Client, path: str, row: Row) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404, 405)
    row("path", path, str(answer.status_code))


# --- feedback -------------------------------------------------------------------------------------------------------


def feedback_of(card: object) -> dict[str, Any]:
    return {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}]}


@pytest.mark.requirement("FB-17")
@pytest.mark.parametrize(
    "card", ["' OR '1'='1", "c1'; DROP TABLE feedback;--", "%", "*", "../1", "\u0000x", "x" * 10_000]
)
def test_a_made_up_card_id_finds_nothing(client: Client, card: str, row: Row) -> None:
    answer = client.post(f"{VIEW}/feedback", json=feedback_of(card))
    assert answer.status_code in (200, 400)
    assert len(answer.get_json()["issue"]) == 1
    row("feedback", repr(card[:40]), f"{answer.status_code}, not kept")


@pytest.mark.requirement("FB-04", "SEC-30")
def test_feedback_to_the_card_of_another_client_is_as_if_it_were_unknown(row: Row) -> None:
    key = jwk(EC_384, "ec")
    issuers = [Issuer(iss=iss, jwks={"keys": [key]}) for iss in (ISS, "https://other.example.org")]
    patient = json.loads((PATIENTS / "P01.json").read_text())["request_by_kind"]
    with client_of(service(host="0.0.0.0", base_url=BASE, issuers=issuers)) as client:
        services = client.get("/cds-services").get_json()["services"]
        keys = next(one["prefetch"] for one in services if one["hook"] == "patient-view")
        by_kind = patient["prefetch"]
        body = {
            **patient,
            "prefetch": {key: by_kind.get(query.split("?")[0].split("/")[0]) for key, query in keys.items()},
        }

        def bearer(iss: str, path: str) -> dict[str, str]:
            return {"Authorization": Signer(now=time.time(), iss=iss).bearer(BASE + path)}

        cards = client.post(VIEW, json=body, headers=bearer(ISS, VIEW)).get_json()["cards"]
        said = feedback_of(cards[0]["uuid"])
        path = f"{VIEW}/feedback"
        theirs = client.post(path, json=said, headers=bearer("https://other.example.org", path))
        unknown = client.post(path, json=feedback_of("unknown"), headers=bearer("https://other.example.org", path))
        ours = client.post(path, json=said, headers=bearer(ISS, path))
    assert theirs.get_json()["issue"] == unknown.get_json()["issue"]
    assert (ours.status_code, ours.data) == (200, b"")
    row("feedback", "card of another client", "200, not kept, as if unknown")


# --- what is used and forgotten -------------------------------------------------------------------------------------


class _Chart(BaseHTTPRequestHandler):
    """A FHIR server that has nothing, fails now and then, and notes the tokens it was shown."""

    seen: list[str] = []  # noqa: RUF012  (one list for all requests is what is wanted)

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        failing = "Encounter" in self.path
        body = b'{"resourceType":"Bundle","type":"searchset","total":0}'
        if "Patient/" in self.path:
            body = b'{"resourceType":"Patient","id":"pat-1","birthDate":"1988-01-15"}'
        self.send_response(500 if failing else 200)
        self.send_header("Content-Type", "application/fhir+json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.requirement("FRA-08", "FRA-09", "FRA-10", "SEC-02", "SEC-30", "RSP-08")
def test_the_access_token_and_the_patient_are_used_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], row: Row
) -> None:
    """Neither logs at any level, the answer's errors nor the database hold the token or who the patient is."""
    chart = ThreadingHTTPServer(("127.0.0.1", 0), _Chart)
    threading.Thread(target=chart.serve_forever, daemon=True).start()
    site = {
        "database_url": f"sqlite:///{tmp_path / 'prodrome.db'}",
        "secret": "a secret of the tests",
        "override_days": 9,
    }
    patient = json.loads((PATIENTS / "P01.json").read_text())["request_by_kind"]
    try:
        with logged(logging.DEBUG) as stream, caplog.at_level(logging.DEBUG), client_of(service(**site)) as client:
            logging.root.addHandler(caplog.handler)  # what is logged by libraries, too
            server = f"http://127.0.0.1:{chart.server_port}/fhir"
            asked = request(fhirServer=server, fhirAuthorization=authorization(), prefetch={})
            answers = [client.post(VIEW, json=asked)]
            services = client.get("/cds-services").get_json()["services"]
            keys = next(one["prefetch"] for one in services if one["hook"] == "patient-view")
            by_kind = patient["prefetch"]
            whole = copy.deepcopy(patient) | {"fhirServer": server, "fhirAuthorization": authorization()}
            whole["prefetch"] = {key: by_kind.get(query.split("?")[0].split("/")[0]) for key, query in keys.items()}
            answers.append(client.post(VIEW, json=whole))
            for card in answers[1].get_json()["cards"]:
                said = feedback_of(card["uuid"])
                said["feedback"][0]["overrideReason"] = {"userComment": f"{TOKEN} pat-p01"}
                answers.append(client.post(f"{VIEW}/feedback", json=said))
            broken = [b'{"fhirAuthorization": "' + TOKEN.encode() + b'"', orjson.dumps({**asked, "context": TOKEN})]
            answers += [client.post(VIEW, data=body, content_type="application/json") for body in broken]
    finally:
        chart.shutdown()
        chart.server_close()
    assert f"Bearer {TOKEN}" in _Chart.seen, "the token was used"
    assert len(answers) > 5
    captured = capfd.readouterr()
    told = (
        stream.getvalue() + captured.out + captured.err + "\n".join(str(record.__dict__) for record in caplog.records)
    )
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"REF-01" in kept
    for secret in (TOKEN, "pat-p01", "pat-1", "dr-1", "1988-01-15", "a secret of the tests"):
        assert secret not in told, secret
        assert secret.encode() not in kept, secret
    assert not any(TOKEN.encode() in answer.data for answer in answers)
    row("fhirAuthorization", "looked for in logs, database and answers", "nowhere")
