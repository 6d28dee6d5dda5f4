"""Folders that somebody else wrote: names, links, manifests and lines that are not as an export has them."""

import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prodrome.cds_hooks.population import ExportError, export, judge_population, open_export
from prodrome.cds_hooks.population.export import Piece, batches, lines, tasks
from prodrome.cds_hooks.population.folders import LocalFolder
from prodrome.cds_hooks.population.steps import Place
from prodrome.rules.guideline import load_guideline
from tests.cds_hooks.population.exports import labelled, plan, write_export

CHARTS = labelled()[:3]


def manifest(**content: object) -> Callable[[Path], object]:
    return lambda folder: (folder / "manifest.json").write_text(json.dumps({"output": [], **content}))


def named(name: bytes) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        with open(os.fsencode(folder) + b"/" + name, "wb") as stream:
            stream.write(b"{}\n")

    return make


@pytest.mark.withstands("hostile folders")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (manifest(deleted=[{"url": "http://["}]), "expected addresses"),
        (manifest(error=[{"url": "http://["}]), "expected addresses"),
        (manifest(request="http://["), "expected addresses"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 100_000), "found no JSON"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "found no JSON"),
        (named(b"\xff.ndjson"), "names that can be printed"),
        (named(b"a\x1b[2J.ndjson"), "names that can be printed"),
    ],
)
def test_what_is_no_export_is_told(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    write_export(tmp_path, CHARTS, manifest=False)
    make(tmp_path)
    with pytest.raises(ExportError, match=said) as told:
        open_export(tmp_path)
    assert str(told.value).isprintable()


@pytest.mark.withstands("hostile folders")
def test_links_pipes_devices_and_addresses_lead_to_no_file(tmp_path: Path) -> None:
    """A manifest names files of the folder alone; what is no plain file is not opened."""
    folder = write_export(tmp_path / "in", CHARTS, manifest=False)
    whole = open_export(folder).files
    outside = tmp_path / "outside.ndjson"
    outside.write_text("{}\n")
    os.mkfifo(folder / "pipe.ndjson")
    (folder / "zero.ndjson").symlink_to("/dev/zero")
    (folder / "circle").symlink_to(folder)
    (folder / "itself.ndjson").symlink_to(folder / "itself.ndjson")
    (folder / "nowhere.ndjson").symlink_to(tmp_path / "nowhere")
    (folder / "folder.ndjson").mkdir()
    manifest(
        output=[{"type": "Patient", "url": f"../{outside.name}"}],
        error=[{"url": str(outside)}],
        deleted=[{"url": ".."}],
    )(folder)
    assert open_export(folder).files == whole


@pytest.mark.withstands("hostile folders")
@pytest.mark.parametrize("zipped", [False, True])
def test_a_line_without_end_is_held_in_part_and_those_after_it_are_read(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LONGEST_LINE", 10_000)
    monkeypatch.setattr(export, "BEGINNING", 100)
    patient = b'{"resourceType":"Patient","id":"p1"}\n'
    giant = b'{"resourceType":"Condition","subject":{"reference":"Patient/p1"},"x":"' + b"x" * 3_000_000 + b'"}\n'
    content = patient + giant + patient.replace(b"p1", b"p2")
    file = "1.ndjson.gz" if zipped else "1.ndjson"
    (tmp_path / file).write_bytes(gzip.compress(content) if zipped else content)
    pieces = [piece for task in tasks(open_export(tmp_path), 400_000) for piece in task.pieces]
    found = [line for piece in pieces for line in lines(LocalFolder(tmp_path), piece)]
    assert [(offset, len(raw)) for _, offset, raw in found] == [
        (0, len(patient) - 1),
        (len(patient), 100),
        (len(patient) + len(giant), len(patient) - 1),
    ]
    placed = Place(load_guideline(), None)(batch for piece in pieces for batch in batches(LocalFolder(tmp_path), piece))
    assert [row.patient for row in placed.rows] == ["p1", "p2"]
    assert [(bad.kind, bad.patient) for bad in placed.bad] == [("Condition", "p1")]


@pytest.mark.withstands("hostile folders")
def test_the_rest_of_a_long_line_is_not_read_by_every_piece_of_it(tmp_path: Path) -> None:
    (tmp_path / "1.ndjson").write_bytes(b"x" * 20_000_000)
    read: list[int] = []

    class Endless(io.BytesIO):
        def readline(self, most: int | None = -1) -> bytes:
            read.append(most or 0)
            return b"x" * (most or 0)

    export._skip_line(Endless(), 1_000_000)
    assert sum(read) <= 3 * (1 << 20)
    assert list(lines(LocalFolder(tmp_path), Piece("1.ndjson", 1_000_000, 2_000_000))) == []


@pytest.mark.withstands("hostile folders")
@pytest.mark.parametrize("space", [b"\r", b"\t", b" \r \t"])
def test_any_white_space_within_a_row_is_none_between_rows(space: bytes, tmp_path: Path) -> None:
    judge_population(plan(write_export(tmp_path / "in", CHARTS), tmp_path / "one"))
    for file in (tmp_path / "in").glob("*.ndjson"):
        rows = [json.loads(line) for line in file.read_bytes().splitlines()]
        spaced = [json.dumps(row, separators=(f",{space.decode()}", ":")).encode() for row in rows]
        file.write_bytes(b"".join(row + b"\r\n" for row in spaced))
    done = judge_population(plan(tmp_path / "in", tmp_path / "two"))
    assert done.counts["errors"] == 0
    assert (tmp_path / "one" / "findings.ndjson").read_bytes() == (tmp_path / "two" / "findings.ndjson").read_bytes()
