"""A FHIR server that turns on who exports from it: each attack ends in one line, and nobody else is asked."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.fhir_client import Failure, NotAllowed, bulk_data
from prodrome.cds_hooks.fhir_client.bulk_data import STATE
from tests.cds_hooks.fhir_client.test_bulk_data import Handler, Server, exported

Turn = Callable[[Handler], bool]
"""Answers a request, or leaves it to the server as it is."""


@pytest.fixture
def other() -> Iterator[tuple[str, list[str]]]:
    """Another server of this machine, which nobody listed, and what it was asked."""
    asked: list[str] = []

    class Asked(Handler):
        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            asked.append(f"{self.command} {self.path}")
            super().answer(status, body, **headers)

        def do_GET(self) -> None:
            self.answer(200, b"{}")

        do_DELETE = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Asked) as http:
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}", asked
        http.shutdown()


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Turn], Server]]:
    """A server whose export is as any other but for one turn."""
    monkeypatch.setattr(bulk_data, "TRIES", 2)
    running: list[ThreadingHTTPServer] = []

    def start(turn: Turn) -> Server:
        class Turned(Handler):
            def do_GET(self) -> None:
                if not turn(self):
                    super().do_GET()

        http = ThreadingHTTPServer(("127.0.0.1", 0), Turned)
        http.daemon_threads = True
        here = Server(frozenset(), f"http://127.0.0.1:{http.server_address[1]}")
        http.here = here  # type: ignore[attr-defined]
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        running.append(http)
        return here

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


def begins_at(where: str) -> Turn:
    def turn(handler: Handler) -> bool:
        if "$export" not in handler.path:
            return False
        handler.answer(202, Content_Location=where)
        return True

    return turn


def at(path: str, body: bytes, **headers: str) -> Turn:
    def turn(handler: Handler) -> bool:
        if not handler.path.startswith(path):
            return False
        handler.answer(200, body, **headers)
        return True

    return turn


def missing(path: str) -> Turn:
    def turn(handler: Handler) -> bool:
        if handler.path == path:
            handler.answer(404)
        return handler.path == path

    return turn


def cut(path: str) -> Turn:
    def turn(handler: Handler) -> bool:
        if not handler.path.startswith(path):
            return False
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        handler.close_connection = True
        return True

    return turn


def lists(**changed: Any) -> Turn:
    """A manifest whose first file is described otherwise."""

    def turn(handler: Handler) -> bool:
        if not handler.path.startswith("/status"):
            return False
        manifest = handler.server.here.manifest()
        manifest["output"][0] |= changed
        handler.answer(200, json.dumps(manifest).encode())
        return True

    return turn


@pytest.mark.withstands("confused deputy")
@pytest.mark.parametrize("way", ["status", "file"])
def test_no_address_of_a_server_leads_to_one_that_the_site_did_not_list(
    way: str, hostile: Callable[[Turn], Server], other: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = other
    here = hostile(begins_at(f"{url}/status") if way == "status" else lists(url=f"{url}/files/1"))
    with pytest.raises(NotAllowed, match="not on the list"):
        exported(here, tmp_path / "out")
    assert asked == []


@pytest.mark.withstands("confused deputy")
@pytest.mark.parametrize("way", ["status", "file"])
@pytest.mark.parametrize(
    "url",
    ["http://[", "file:///etc/passwd", "http://127.0.0.1:99999/", "http://u:p@{here}/files/1", "/" + "y" * 70_000],
)
def test_an_address_that_cannot_be_read_is_told(
    url: str, way: str, hostile: Callable[[Turn], Server], tmp_path: Path
) -> None:
    def turn(handler: Handler) -> bool:
        host = handler.server.here.url.removeprefix("http://")
        said = url.replace("{here}", host)
        return (begins_at(said) if way == "status" else lists(url=said))(handler)

    with pytest.raises((Failure, NotAllowed), match=r"cannot be read|not on the list|cannot be reached|refuses|begin"):
        exported(hostile(turn), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.Patient.ndjson"))


BOMB = gzip.compress(b'{"output":[' + b" " * 100_000_000)
DEEP = b'{"output":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
TURNS: dict[str, tuple[Turn, str]] = {
    "a file that is not there": (missing("/files/1"), "refuses a step of the export"),
    "a kind that walks the file system": (lists(type="../../x"), "a manifest that cannot be read"),
    "files that are none": (at("/status", b'{"output":["x"]}'), "a manifest that cannot be read"),
    "a time with a command for the terminal": (
        at("/status", json.dumps({"output": [], "transactionTime": "\x1b[2J"}).encode()),
        "a manifest that cannot be read",
    ),
    "a manifest that unpacks to 100 MB": (at("/status", BOMB, Content_Encoding="gzip"), "more than can be taken"),
    "a manifest nested without end": (at("/status", DEEP), "not valid JSON"),
    "a manifest that is cut off": (cut("/status"), "broke off"),
    "a file that does not unpack": (at("/files/1", b"x" * 20, Content_Encoding="gzip"), "broke off a file"),
    "pages in a circle": (
        at("/Medication", b'{"resourceType":"Bundle","link":[{"relation":"next","url":"?_id=d1"}]}'),
        "repeats its pages",
    ),
}


@pytest.mark.withstands("FHIR server fails")
@pytest.mark.parametrize("name", TURNS)
def test_a_hostile_answer_ends_the_export_in_one_sentence(
    name: str, hostile: Callable[[Turn], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_data, "MOST_BYTES", 10_000_000)
    turn, said = TURNS[name]
    with pytest.raises(Failure, match=said):
        exported(hostile(turn), tmp_path / "out")
    assert not list(tmp_path.glob("*.ndjson"))


@pytest.mark.withstands("FHIR server fails")
def test_rows_without_an_end_or_that_are_no_objects_are_counted_and_left(
    hostile: Callable[[Turn], Server], tmp_path: Path
) -> None:
    body = b"[1]\n5\n" + b"x" * 3_000_000
    done = exported(hostile(at("/files/1", body)), tmp_path / "out")
    assert (tmp_path / "out" / "1.Patient.ndjson").read_bytes() == body
    assert any("promises 40 rows" in note for note in done.notes)


@pytest.mark.parametrize("state", ["", "[]", "{}", "5", '{"request":5}', "[" * 100_000])
def test_the_beginning_of_an_export_that_is_none_is_told(
    state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / STATE).write_text(state)
    assert main(["export", "http://127.0.0.1:9/fhir", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "is not as an export that was begun leaves it" in told
    assert "Traceback" not in told
