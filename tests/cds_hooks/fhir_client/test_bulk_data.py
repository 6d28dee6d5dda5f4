"""A bulk export from servers that are busy, forgetful, cut off in the middle, or count wrongly."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.fhir_client import Failure
from prodrome.cds_hooks.fhir_client.bulk_data import MANIFEST, STATE, Ask, Exported, export, transaction_time
from prodrome.cds_hooks.population import open_export
from prodrome.cds_hooks.settings import FhirServer, Settings
from tests.serving import free_port

PATIENTS = [{"resourceType": "Patient", "id": f"p{number}"} for number in range(40)]
ORDERS = [
    {
        "resourceType": "MedicationRequest",
        "id": f"m{number}",
        "medicationReference": {"reference": f"Medication/d{number}"},
    }
    for number in range(3)
]
KINDS = ("Patient", "MedicationRequest", "Medication")


def ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@dataclass
class Server:
    """A FHIR server with one bulk export, and what is wrong with it. ``seen`` counts the requests by path."""

    faults: frozenset[str] = frozenset()
    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    files: dict[str, bytes] = field(
        default_factory=lambda: {
            "/files/1": ndjson(PATIENTS),
            "/files/2": ndjson(ORDERS),
            "/files/gone": ndjson([{"resourceType": "Bundle", "type": "transaction"}]),
            "/files/oops": ndjson([{"resourceType": "OperationOutcome", "issue": []}]),
        }
    )
    release: threading.Event = field(default_factory=threading.Event)

    def manifest(self) -> dict[str, Any]:
        def item(kind: str, path: str, count: int) -> dict[str, Any]:
            return {"type": kind, "url": self.url + path, "count": count}

        return {
            "transactionTime": "2026-06-15T00:00:00Z",
            "request": self.asked[0][1] if self.asked else "",
            "requiresAccessToken": "open files" not in self.faults,
            "output": [
                item("Patient", "/files/1", 41 if "short count" in self.faults else 40),
                item("MedicationRequest", "/files/2", 3),
            ],
            "deleted": [item("Bundle", "/files/gone", 1)],
            "error": [item("OperationOutcome", "/files/oops", 1)],
        }


class Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        self.server.here.seen["deleted"] += 1
        self.answer(202)

    def do_GET(self) -> None:
        here: Server = self.server.here
        parts = urlsplit(self.path)
        here.seen[parts.path] += 1
        times = here.seen[parts.path]
        here.asked.append((parts.path, here.url + self.path, dict(self.headers)))
        if "busy" in here.faults and times <= 2:
            return self.answer(429 if times == 1 else 503, Retry_After="0")
        if parts.path.endswith("/$export"):
            if "no filters" in here.faults and "_typeFilter" in parts.query:
                return self.answer(400)
            if "own kinds" in here.faults and "Medication" in parse_qs(parts.query)["_type"][0].split(","):
                return self.answer(400)
            return self.answer(202, Content_Location=here.url + "/status/1")
        if parts.path == "/status/1":
            if "forgotten" in here.faults:
                return self.answer(404)
            if times <= 2:
                return self.answer(202, Retry_After="0", X_Progress="half")
            return self.answer(200, json.dumps(here.manifest()).encode(), Content_Type="application/json")
        if parts.path in here.files:
            return self.file(here, here.files[parts.path], times)
        if parts.path == "/Medication":
            ids = parse_qs(parts.query)["_id"][0].split(",")
            entries = [{"resource": {"resourceType": "Medication", "id": id_}} for id_ in ids if id_ != "d2"]
            return self.answer(200, json.dumps({"resourceType": "Bundle", "entry": entries}).encode())
        return self.answer(404)

    def file(self, here: Server, body: bytes, times: int) -> None:
        begin = 0
        held = self.headers.get("Range")
        if held and "no ranges" not in here.faults and self.headers.get("If-Range") == '"v1"':
            begin = int(held.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        if "cut" in here.faults and times == 1:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(body[begin:])


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[ThreadingHTTPServer] = []

    def start(*faults: str) -> Server:
        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.daemon_threads = True
        here = Server(frozenset(faults), f"http://127.0.0.1:{http.server_address[1]}")
        http.here = here  # type: ignore[attr-defined]
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        running.append(http)
        return here

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


def exported(here: Server, out: Path, **more: Any) -> Exported:
    settings = Settings(fhir_servers=(FhirServer(url=here.url, open=True),))
    asked = {"kinds": KINDS, "filters": ("Observation?code=1",), **more}
    return export(Ask(server=here.url, **asked), settings, out, token="secret", pause=0.01)


@pytest.mark.parametrize(
    "faults", [(), ("busy",), ("cut",), ("cut", "no ranges"), ("no filters",), ("busy", "cut")], ids=str
)
def test_all_of_the_export_comes_whatever_happens_on_the_way(
    serve: Callable[..., Server], tmp_path: Path, faults: tuple[str, ...]
) -> None:
    here = serve(*faults)
    done = exported(here, tmp_path / "out")
    assert (tmp_path / "out" / "1.Patient.ndjson").read_bytes() == here.files["/files/1"]
    assert (tmp_path / "out" / "1.MedicationRequest.ndjson").read_bytes() == here.files["/files/2"]
    assert done.rows == {"Patient": 40, "MedicationRequest": 3, "Medication": 2}
    assert (tmp_path / "out" / "deleted" / "1.Bundle.ndjson").exists()
    assert (tmp_path / "out" / "error" / "1.OperationOutcome.ndjson").exists()
    assert not list((tmp_path / "out").glob("*.part"))
    assert not (tmp_path / "out" / STATE).exists()
    assert here.seen["deleted"] == 1
    read = open_export(tmp_path / "out")
    assert {"1.Patient.ndjson", "1.MedicationRequest.ndjson", "referred.Medication.ndjson"} == set(read.files)


@pytest.mark.parametrize(("fault", "why"), [("busy", "answers 429"), ("cut", "broke off a file")])
def test_whoever_waits_is_told_for_what(serve: Callable[..., Server], tmp_path: Path, fault: str, why: str) -> None:
    url = serve(fault).url
    assert f"the server {why}; asked again in 0 s" in told_while_exporting(url, tmp_path / "out")


def test_whoever_named_a_server_that_is_not_there_learns_it_at_once(tmp_path: Path) -> None:
    told = told_while_exporting(f"http://127.0.0.1:{free_port()}", tmp_path / "out")
    assert told[0] == "the server cannot be reached; asked again in 0 s"
    assert told[-1] == "cannot be reached"


def told_while_exporting(url: str, out: Path) -> list[str]:
    told: list[str] = []
    settings = Settings(fhir_servers=(FhirServer(url=url, open=True),))
    try:
        export(Ask(server=url, kinds=KINDS), settings, out, token="secret", pause=0.01, progress=told.append)
    except Failure as failure:
        told.append(failure.text)
    return told


def test_a_cut_file_goes_on_where_it_was_left(serve: Callable[..., Server], tmp_path: Path) -> None:
    here = serve("cut")
    exported(here, tmp_path / "out")
    ranges = [headers["Range"] for path, _, headers in here.asked if "Range" in headers]
    assert f"bytes={len(here.files['/files/1']) // 2}-" in ranges


def test_the_kick_off_asks_for_what_is_read_at_its_level(serve: Callable[..., Server], tmp_path: Path) -> None:
    here = serve()
    exported(here, tmp_path / "out", group="g1", since="2026-01-01T00:00:00Z")
    path, url, headers = here.asked[0]
    query = parse_qs(urlsplit(url).query)
    assert path == "/Group/g1/$export"
    assert query == {
        "_type": [",".join(KINDS)],
        "_since": ["2026-01-01T00:00:00Z"],
        "_typeFilter": ["Observation?code=1"],
    }
    assert headers["Prefer"] == "respond-async"
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("faults", [("own kinds",), ("own kinds", "no filters")], ids="+".join)
def test_kinds_that_are_no_patients_own_are_fetched_where_the_server_does_not_export_them(
    faults: tuple[str, ...], serve: Callable[..., Server], tmp_path: Path
) -> None:
    done = exported(serve(*faults), tmp_path / "out")
    assert done.rows["Medication"] == 2
    assert any("_typeFilter" in note for note in done.notes) == ("no filters" in faults)


def test_what_rows_refer_to_and_the_export_left_out_is_fetched(serve: Callable[..., Server], tmp_path: Path) -> None:
    done = exported(serve(), tmp_path / "out")
    rows = (tmp_path / "out" / "referred.Medication.ndjson").read_text().splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["d0", "d1"]
    assert done.notes == ["Medication: 1 are referred to and could not be had."]


def test_a_file_with_fewer_rows_than_promised_is_had_again_and_then_told(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    here = serve("short count")
    done = exported(here, tmp_path / "out")
    assert here.seen["/files/1"] == 2
    assert any("promises 41 rows, 40 came" in note for note in done.notes)


def test_the_token_goes_to_files_only_where_they_need_it(serve: Callable[..., Server], tmp_path: Path) -> None:
    here = serve("open files")
    exported(here, tmp_path / "out")
    assert not any("Authorization" in headers for path, _, headers in here.asked if path.startswith("/files/"))


def test_a_stopped_client_goes_on_with_the_export_it_began(serve: Callable[..., Server], tmp_path: Path) -> None:
    here = serve()
    out = tmp_path / "out"
    out.mkdir()
    request = Ask(here.url, KINDS, ("Observation?code=1",)).url()
    (out / STATE).write_text(json.dumps({"request": request, "status": f"{here.url}/status/1"}))
    (out / "1.Patient.ndjson").write_bytes(here.files["/files/1"])
    exported(here, out)
    assert not here.seen["/$export"]
    assert not here.seen["/files/1"]
    assert (out / MANIFEST).exists()


def test_an_export_that_the_server_forgot_is_begun_again_by_the_next_run(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    with pytest.raises(Failure, match="run again"):
        exported(serve("forgotten"), tmp_path / "out")
    exported(serve(), tmp_path / "out")


def test_a_folder_with_something_else_begun_is_refused(serve: Callable[..., Server], tmp_path: Path) -> None:
    here = serve()
    (tmp_path / STATE).write_text(json.dumps({"request": "https://other.example/$export", "status": here.url}))
    with pytest.raises(Failure, match="something else"):
        exported(here, tmp_path)
    assert not here.asked


def test_a_whole_export_is_not_written_over(serve: Callable[..., Server], tmp_path: Path) -> None:
    exported(serve(), tmp_path)
    with pytest.raises(Failure, match="whole export"):
        exported(serve(), tmp_path)


def test_the_command_exports_what_the_rules_read_and_later_what_changed(
    serve: Callable[..., Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = serve()
    assert main(["export", here.url, "--out", str(tmp_path / "out")]) == 0
    assert "Patient                           40 rows" in capsys.readouterr().out
    query = parse_qs(urlsplit(here.asked[0][1]).query)
    assert here.asked[0][0] == "/Patient/$export"
    assert {"Condition", "Encounter", "Observation"} <= set(query["_type"][0].split(","))
    assert any(one.startswith("Observation?code=") for one in query["_typeFilter"])
    assert not any(one.startswith(("Condition?", "Patient?")) for one in query["_typeFilter"])
    assert transaction_time(tmp_path / "out") == "2026-06-15T00:00:00Z"
    here.asked.clear()
    assert main(["export", here.url, "--out", str(tmp_path / "out"), "--since", "auto"]) == 0
    assert parse_qs(urlsplit(here.asked[0][1]).query)["_since"] == ["2026-06-15T00:00:00Z"]
    assert len(open_export(tmp_path / "out").parts) == 2


@pytest.mark.parametrize(
    "more", [["--since", "yesterday"], ["--since", "auto"], ["--group", "a/b"]], ids=["instant", "no export", "group"]
)
def test_a_mistake_is_told(more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "http://127.0.0.1:9", "--out", str(tmp_path), *more]) == 2
    assert "expected" in capsys.readouterr().err
