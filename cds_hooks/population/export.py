"""A bulk export on disk: its files, cut into tasks of even size, and how complete it says each kind of resource is.

Bulk Data Access 2.0, "Complete status": the manifest lists one file of one kind per output, what failed and what was
deleted. Without a manifest every kind that has a row counts as exported, and all others as missing.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

from prodrome.fhir_mappers import KINDS
from prodrome.rules import Completeness, ProdromeError

SUFFIXES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".json.gz", ".json")
MANIFEST = "manifest.json"
TASK_BYTES = 64 * 1024 * 1024


class ExportError(ProdromeError):
    """The folder is no export that can be read. The text says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of whole lines: those of ``file`` (a path inside the export) that begin in ``start`` to ``end``."""

    file: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Export:
    """A folder of NDJSON files. ``asked`` are the kinds the manifest answers for, ``counts`` how many rows of each."""

    folder: Path
    files: Mapping[str, int]  # path inside the folder -> bytes
    asked: frozenset[str] | None
    failed: frozenset[str]
    counts: Mapping[str, int]
    deleted: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(self.files.values())

    def completeness(self, seen: Mapping[str, int]) -> dict[str, Completeness]:
        """The state of every kind, given how many rows of each were ``seen``."""
        states = {}
        for kind in KINDS:
            answered = bool(seen.get(kind)) if self.asked is None else kind in self.asked
            state = Completeness.COMPLETE if answered else Completeness.MISSING
            if state is Completeness.MISSING and seen.get(kind):
                state = Completeness.INCOMPLETE
            if seen.get(kind, 0) < self.counts.get(kind, 0):
                state = Completeness.INCOMPLETE
            if kind in self.failed:
                state = Completeness.INCOMPLETE if seen.get(kind) else Completeness.MISSING
            states[kind] = state
        return states


def open_export(folder: Path) -> Export:
    """Read what there is in a folder. Raises :class:`ExportError`."""
    if not folder.is_dir():
        raise ExportError(f"{folder}: expected a folder with the NDJSON files of a bulk export, found no folder.")
    manifest = _manifest(folder / MANIFEST)
    deleted = {Path(urlsplit(_text(item, "url")).path).name for item in _objects(manifest, "deleted")}
    errors = {Path(urlsplit(_text(item, "url")).path).name for item in _objects(manifest, "error")}
    files = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.endswith(SUFFIXES) and path.name != MANIFEST
    }
    outcomes = {name for name in files if Path(name).name in errors or Path(name).parts[0] == "error"}
    gone = {name for name in files if Path(name).name in deleted or Path(name).parts[0] == "deleted"}
    rows = {name: size for name, size in files.items() if name not in outcomes | gone}
    if not rows:
        raise ExportError(f"{folder}: expected NDJSON files ({', '.join(SUFFIXES[:3])}), found none.")
    outputs = _objects(manifest, "output")
    asked = None
    if manifest:
        query = parse_qs(urlsplit(_text(manifest, "request")).query)
        named = {kind for value in query.get("_type", ()) for kind in value.split(",")}
        asked = frozenset(named | {_text(item, "type") for item in outputs} if named or outputs else ())
        if not named and "request" in manifest:  # everything was asked for
            asked = frozenset(KINDS)
    return Export(
        folder=folder,
        files=rows,
        asked=asked,
        failed=frozenset(_failed(folder, outcomes)),
        counts=_counts(outputs),
        deleted=tuple(sorted(gone)),
    )


def tasks(export: Export, task_bytes: int = TASK_BYTES) -> tuple[tuple[Piece, ...], ...]:
    """The export cut into tasks of about ``task_bytes``, the same each time: large files cut, small ones together."""
    made: list[tuple[Piece, ...]] = []
    together: list[Piece] = []
    held = 0
    for file, size in export.files.items():
        step = size if file.endswith(".gz") else task_bytes
        for start in range(0, size, max(step, 1)):
            piece = Piece(file, start, min(size, start + step))
            together.append(piece)
            held += piece.end - piece.start
            if held >= task_bytes:
                made.append(tuple(together))
                together, held = [], 0
    return (*made, tuple(together)) if together else tuple(made)


def lines(folder: Path, piece: Piece) -> Iterator[tuple[int, bytes]]:
    """The non-empty lines that begin in a piece, each with its byte offset. Raises ExportError for a broken archive."""
    path = folder / piece.file
    if piece.file.endswith(".gz"):
        try:
            with gzip.open(path, "rb") as stream:
                yield from _numbered(cast(BinaryIO, stream), 0, None)
        except (OSError, EOFError) as error:
            raise ExportError(f"{piece.file}: the archive is broken ({type(error).__name__}).") from None
        return
    with path.open("rb") as stream:
        start = piece.start
        if start:
            stream.seek(start - 1)
            start += len(stream.readline()) - 1  # the line before, which another piece has, or just its end
        yield from _numbered(stream, start, piece.end)


def _numbered(stream: BinaryIO, offset: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    for line in stream:
        if end is not None and offset >= end:
            return
        if not line.isspace():
            yield offset, line
        offset += len(line)


def line_number(folder: Path, file: str, offset: int) -> int:
    """The number, from 1, of the line that begins at a byte offset."""
    opener = gzip.open if file.endswith(".gz") else open
    number = 1
    with opener(folder / file, "rb") as stream:
        while offset > 0 and (block := stream.read(min(offset, 1 << 20))):
            number += block.count(b"\n")
            offset -= len(block)
    return number


def _manifest(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        raise ExportError(f"{path}: expected the manifest of a bulk export, found no JSON.") from None
    if not isinstance(content, dict) or not isinstance(content.get("output"), list):
        raise ExportError(f"{path}: expected the manifest of a bulk export, with `output`.")
    return content


def _counts(outputs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many rows of each kind the manifest promises, where it says so of all its files."""
    counts: dict[str, int] = {}
    silent = {_text(item, "type") for item in outputs if not isinstance(item.get("count"), int)}
    for item in outputs:
        kind = _text(item, "type")
        if kind not in silent:
            counts[kind] = counts.get(kind, 0) + int(item["count"])
    return counts


def _objects(parent: Mapping[str, Any], name: str) -> Sequence[dict[str, Any]]:
    values = parent.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""


def _failed(folder: Path, outcomes: set[str]) -> Iterator[str]:
    """The kinds that OperationOutcomes of the export name as failed; all, where one does not say which."""
    for file in sorted(outcomes):
        size = (folder / file).stat().st_size
        for _, line in lines(folder, Piece(file, 0, size)):
            text = line.decode("utf-8", "replace")
            if '"severity":"information"' in text.replace(" ", "") or '"severity":"warning"' in text.replace(" ", ""):
                continue
            named = [kind for kind in KINDS if kind in text]
            yield from named or KINDS
