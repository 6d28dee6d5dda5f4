"""Real processes: nothing that a caller sent is in what they write, and metrics have labels of closed lists only."""

import contextlib
import socket
from http import HTTPStatus
from pathlib import Path

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from prodrome.cds_hooks.protocol import HOOKS
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app
from prodrome.cds_hooks.web.metrics import _SECONDS
from prodrome.fhir_mappers import KINDS
from prodrome.rules import SEVERITY
from prodrome.rules.guideline import load_guideline
from tests.faults.test_workers import EXAMPLE, JSON, PATH, serving

MARK = "MARKER7"
POST = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SENT = (
    f"GET /{MARK} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    f"GET /health?{MARK} HTTP/1.1\r\nHost: {MARK}\r\n\r\n",
    f"GET http://{MARK}/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    f"GET http://{MARK}:99999/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    f"{MARK} /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    f"CONNECT {MARK}:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    f"GET /health {MARK}\r\n\r\n",
    f"{MARK}\r\n\r\n",
    f"\x16\x03\x01{MARK}\0\0\r\n\r\n",
    f"GET /cds-services/{MARK} HTTP/1.1\r\nHost: localhost\r\n{MARK}: {MARK}\r\nX: \0{MARK}\r\n\r\n",
    f"GET /cds-services HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {MARK}\r\nIf-Modified-Since: {MARK}\r\n\r\n",
    f"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: {MARK}\r\n\r\n",
    f"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Key: {MARK}\r\nSec-WebSocket-Version: 13\r\n\r\n",
    f"{POST}Content-Length: {MARK}\r\n\r\n",
    f"{POST}Transfer-Encoding: {MARK}\r\n\r\n",
    f"{POST}Transfer-Encoding: chunked\r\n\r\n{MARK}\r\n\r\n",
    f"{POST}Transfer-Encoding: chunked\r\n\r\n2;{MARK}\r\n{{}}\r\n0\r\n{MARK}: {MARK}\r\n\r\n",
    f"{POST}Content-Length: 9\r\nExpect: {MARK}\r\n\r\n\"{MARK}\"",
    f"{POST}Content-Length: 9\r\nContent-Encoding: {MARK}\r\n\r\n\"{MARK}\"",
    f"{POST}Content-Length: 100\r\n\r\n{MARK}",
    f"{POST}Authorization: Bearer {MARK}.{MARK}.{MARK}\r\nContent-Length: 9\r\n\r\n\"{MARK}\"",
    f"{POST}traceparent: 00-{MARK}\r\ntracestate: {MARK}={MARK}\r\nbaggage: {MARK}\r\nContent-Length: 2\r\n\r\n{{}}",
    f"GET /{MARK * 20_000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
)  # fmt: skip


def send(port: int, data: bytes) -> None:
    """Send bytes and read what comes for a moment."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection:
        connection.sendall(data)
        while connection.recv(65536):
            pass


def charts() -> list[bytes]:
    """Requests whose chart names what it holds by a marker."""
    asked = orjson.loads(EXAMPLE)
    odd = {"resourceType": MARK, "id": MARK, "subject": {"reference": f"Patient/{MARK}"}}
    unreadable = {"resourceType": "Condition", "id": MARK, "code": {MARK: 5, "coding": MARK}}
    entries = [{"resource": row} for row in (odd, unreadable)]
    bundles = [{"resourceType": "Bundle", "entry": entries}, {MARK: MARK}, MARK]
    prefetches = [{**asked["prefetch"], key: bundle} for key in (*asked["prefetch"], MARK) for bundle in bundles]
    servers = [{**asked, "fhirServer": f"http://{MARK}.example.org", "prefetch": None}]
    return [orjson.dumps(one) for one in [*({**asked, "prefetch": each} for each in prefetches), *servers]]


def closed_lists() -> dict[str, set[str]]:
    """What each label of the metrics may be."""
    routes = {str(rule) for rule in create_app(Settings()).extensions["prodrome.whole"]().url_map.iter_rules()}
    return {
        "service": {f"prodrome-{hook}" for hook in HOOKS} | routes | {"other"},
        "status": {str(status.value) for status in HTTPStatus},
        "stage": {"whole", "parse", "gather", "read", "judge", "cards"},
        "rule": {*load_guideline().rulebook.rules, "INCOMPLETE"},
        "indicator": set(SEVERITY),
        "kind": {*KINDS, "other"},
        "outcome": {"answered", "failed"},
        "reason": {"unreadable", "not an object", "draft order, not an object"},
        "le": {*map(str, _SECONDS), "+Inf"},
    }


@pytest.mark.withstands("log injection")
def test_no_marker_is_in_what_processes_write_and_every_label_is_of_a_closed_list(tmp_path: Path) -> None:
    closed = closed_lists()
    with serving(tmp_path) as service:
        for text in SENT:
            send(service.port, text.encode("latin-1"))
        address = f"http://127.0.0.1:{service.port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=20) as client:
            statuses = {client.post(PATH, content=body, headers=JSON).status_code for body in charts()}
            metrics = client.get("/metrics").text
    assert 200 in statuses
    assert max(statuses) < 500
    labels = [label for family in text_string_to_metric_families(metrics) for one in family.samples
              for label in one.labels.items()]  # fmt: skip
    assert {name for name, _ in labels} >= {"service", "status", "stage", "kind", "reason"}
    assert [(name, value) for name, value in labels if value not in closed[name]] == []
    written = (tmp_path / "errors").read_text(encoding="utf-8")
    assert MARK.lower() not in written.lower()
    assert len([orjson.loads(line) for line in written.splitlines()]) > len(statuses)
    for file in tmp_path.iterdir():
        assert MARK.encode() not in file.read_bytes(), file.name
