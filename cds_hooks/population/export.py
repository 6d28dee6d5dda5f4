"""A bulk export on disk: its files, cut into tasks of even size, and how complete it says each kind of resource is.

Bulk Data Access 2.0, "Complete status": the manifest lists one file of one kind per output, what failed and what was
deleted. Without a manifest every kind that has a row counts as exported, and all others as missing.
Exports of what changed since an earlier one are merged with it: of each resource the newest version counts.
"""

import codecs
import gzip
import json
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

import orjson

from prodrome.cds_hooks.population.cloud import StoredFolder
from prodrome.cds_hooks.population.folders import ExportError, Folder, local
from prodrome.fhir_mappers import KINDS, R4_NAMES
from prodrome.rules import Completeness

SUFFIXES = (".ndjson", ".jsonl", ".json", ".gz")
MANIFEST, BEGUN = "manifest.json", ".export.json"
"""What a whole export has, and what `prodrome export` leaves beside the files of one that it has not finished."""
TASK_BYTES = 32 * 1024 * 1024
"""What one task reads. Smaller: less memory; larger: less to write down."""
LONGEST_LINE = 64 * 1024 * 1024
"""A line longer than this is no row: of it only the beginning is kept, to say of what kind it seems to be."""
BEGINNING = 64 * 1024
BATCH_BYTES = 256 * 1024
"""What is read at once: as much as the caches of a processor hold."""
_LEADING = re.compile(rb'\{\s*"resourceType"\s*:\s*"[A-Za-z]+"')
_BROKEN_ARCHIVE = (gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of whole lines: those of ``file`` (a path inside the export) that begin in ``start`` to ``end``."""

    file: str
    start: int
    end: int


def whole(file: str) -> Piece:
    """All of a file."""
    return Piece(file, 0, sys.maxsize)


@dataclass(frozen=True, slots=True)
class Part:
    """One export: a whole one, or what changed since the one before it.

    ``asked`` are the kinds its manifest answers for (``None``: there is no manifest), ``counts`` how many rows of each
    it promises, ``deleted`` its files of what is gone, ``time`` the instant it shows (``transactionTime``).
    """

    files: frozenset[str]
    asked: frozenset[str] | None = None
    failed: frozenset[str] = frozenset()
    counts: Mapping[str, int] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    time: str = ""

    def state(self, kind: str, seen: int) -> Completeness:
        """How complete a kind came, given how many rows of it were ``seen``."""
        if kind in self.failed:
            return Completeness.INCOMPLETE if seen else Completeness.MISSING
        if not (bool(seen) if self.asked is None else kind in self.asked):
            return Completeness.INCOMPLETE if seen else Completeness.MISSING
        return Completeness.INCOMPLETE if seen < self.counts.get(kind, 0) else Completeness.COMPLETE


@dataclass(frozen=True, slots=True)
class Export:
    """NDJSON files below ``folder``: an export, and after it, by their time, those of what changed since."""

    folder: Folder
    files: Mapping[str, int]  # path inside the folder -> bytes
    parts: tuple[Part, ...]
    unread: tuple[str, ...] = ()
    """Files that are none of rows by their names, nor by how they begin."""

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(self.files.values())

    def completeness(self, seen: Sequence[Mapping[str, int]]) -> dict[str, Completeness]:
        """The state of every kind, given how many rows of each were ``seen`` in each part."""
        states = {}
        for kind in KINDS:
            found = {part.state(kind, rows.get(kind, 0)) for part, rows in zip(self.parts, seen, strict=True)}
            states[kind] = found.pop() if len(found) == 1 else Completeness.INCOMPLETE
        return states


def open_export(*places: Path | str) -> Export:
    """Read what there is in these folders and below, or at one address. Raises :class:`ExportError`.

    A folder with a manifest is an export of its own, with all files below it; all others are one together.
    """
    folder = _folder([str(place) for place in places])
    found = folder.sizes()
    for name in found:
        if not name.isprintable():  # half characters stand for bytes that are no UTF-8
            raise ExportError(f"expected files with names that can be printed, found {name!a}.")
        if Path(name).name == BEGUN and str(Path(name).with_name(MANIFEST)) not in found:
            raise ExportError(f"{folder}: {name} is of an export that was not finished: run `prodrome export` again.")
    others = {name: size for name, size in found.items() if Path(name).name not in (MANIFEST, BEGUN)}
    files = {name: size for name, size in others.items() if _holds_rows(folder, name)}
    manifests = {str(Path(name).parent): _manifest(folder, name) for name in found if Path(name).name == MANIFEST}
    by_home: dict[str | None, list[str]] = {}
    for name in files:
        by_home.setdefault(_home(name, manifests), []).append(name)
    made = [
        _part(folder, manifests.get(home or "", {}), by_home.get(home, []))
        for home in dict.fromkeys((*by_home, *manifests))
    ]
    parts = tuple(sorted(made, key=lambda part: (_instant(part.time), sorted(part.files))))
    rows = {name: size for name, size in files.items() if any(name in part.files for part in parts)}
    if not rows:
        raise ExportError(f"{folder}: expected NDJSON files ({', '.join(SUFFIXES)}), found none.")
    unread = (
        name for name, size in others.items() if size and name not in files and not Path(name).name.startswith(".")
    )
    return Export(folder, rows, parts, tuple(sorted(unread)))


def _holds_rows(folder: Folder, name: str) -> bool:
    """Whether a file is one of rows: by its name or, whatever that is, because it begins as a row does."""
    if name.lower().endswith(SUFFIXES):
        return True
    with folder.open(name) as stream:
        return stream.read(BEGINNING).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _folder(places: Sequence[str]) -> Folder:
    if not any("://" in place for place in places):
        return local(*map(Path, places))
    if len(places) > 1:
        raise ExportError(f"expected folders of this machine, or one address; found {len(places)}, with addresses.")
    return StoredFolder(places[0])


def _home(name: str, manifests: Mapping[str, object]) -> str | None:
    """The nearest folder above a file that has a manifest."""
    return next((str(folder) for folder in Path(name).parents if str(folder) in manifests), None)


def _part(folder: Folder, manifest: Mapping[str, Any], names: Sequence[str]) -> Part:
    deleted = {Path(_split(_text(item, "url")).path).name for item in _objects(manifest, "deleted")}
    errors = {Path(_split(_text(item, "url")).path).name for item in _objects(manifest, "error")}
    untold = errors and not any(Path(name).name in errors or Path(name).parent.name == "error" for name in names)
    outcomes = {name for name in names if Path(name).name in errors or Path(name).parent.name == "error"}
    gone = {name for name in names if Path(name).name in deleted or Path(name).parent.name == "deleted"}
    outputs = _objects(manifest, "output")
    asked = None
    if manifest:
        query = parse_qs(_split(_text(manifest, "request")).query)
        named = {kind for value in query.get("_type", ()) for kind in value.split(",")}
        asked = frozenset(map(r4_name, named | {_text(item, "type") for item in outputs}))
        if not named and "request" in manifest:  # everything was asked for
            asked = frozenset(KINDS)
    return Part(
        files=frozenset(names) - outcomes - gone,
        asked=asked,
        failed=frozenset(KINDS) if untold else frozenset((*_failed(folder, outcomes), *_lost(outputs, names))),
        counts=_counts(outputs),
        deleted=tuple(sorted(gone)),
        time=_text(manifest, "transactionTime"),
    )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ExportError(f"{MANIFEST}: expected addresses, found {url[:80]!r}.") from None


def r4_name(kind: str) -> str:
    """A kind of resource as R4 calls it: the exports of R5 servers have kinds under other names."""
    return R4_NAMES.get(kind, kind)


Instant = tuple[float, int]
"""When a row was last updated, in seconds (0 where it does not say), and the part that has it."""


def _instant(text: object) -> float:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() if moment else 0.0


def updated(resource: Mapping[str, Any], part: int) -> Instant:
    """How new a row is: by ``meta.lastUpdated``, then by the part it came in; undated it is as new as its part."""
    meta = resource.get("meta")
    said = _instant(meta.get("lastUpdated")) if isinstance(meta, dict) else 0.0
    return said or (math.inf if part else 0.0), part


@dataclass(frozen=True)
class Changes:
    """What exports after the first say of rows before them: the newest version of each, and what was deleted."""

    newest: Mapping[str, Instant] = field(default_factory=dict)  # "Type/id" -> its newest version
    deleted: Mapping[str, int] = field(default_factory=dict)  # "Type/id" -> the last part that says it is gone

    def __bool__(self) -> bool:
        return bool(self.newest or self.deleted)

    @cached_property
    def deleted_patients(self) -> frozenset[str]:
        """The ids of the patients who are gone, and did not come again since."""
        return frozenset(
            key.removeprefix("Patient/")
            for key, part in self.deleted.items()
            if key.startswith("Patient/") and self.newest.get(key, (0.0, 0))[1] < part
        )

    def supersede(self, resource: Mapping[str, Any], part: int) -> bool:
        """Whether a row of a part is no more: a later part has a newer one, or says that it was deleted."""
        key = f"{resource.get('resourceType')}/{resource.get('id')}"
        return part < self.deleted.get(key, 0) or updated(resource, part) < self.newest.get(key, (0.0, 0))


def changes(export: Export) -> Changes:
    """Read what the later parts change. It is held in memory: some 200 bytes for each row that changed."""
    newest: dict[str, Instant] = {}
    deleted: dict[str, int] = {}
    for number, part in enumerate(export.parts):
        for file in sorted(part.files) if number else ():
            for _, _, line in lines(export.folder, whole(file)):
                resource = _loaded(line)
                key = f"{resource.get('resourceType')}/{resource.get('id')}"
                newest[key] = max(newest.get(key, (0.0, 0)), updated(resource, number))
        for file in part.deleted:
            for _, _, line in lines(export.folder, whole(file)):
                bundle = _loaded(line)
                if not bundle:
                    raise ExportError(f"{file}: a line cannot be read, and what it says was deleted is not known.")
                for entry in _objects(bundle, "entry"):
                    asked = entry.get("request")
                    if isinstance(asked, dict) and asked.get("method") == "DELETE":
                        deleted["/".join(_text(asked, "url").split("/")[-2:])] = number
    return Changes(newest, deleted)


def _loaded(line: bytes) -> dict[str, Any]:
    """The object in a line; an empty one for what is none, which the steps report."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Task:
    """Pieces of one part that are read together."""

    part: int
    pieces: tuple[Piece, ...]

    @property
    def bytes(self) -> int:
        """How much there is to read."""
        return sum(piece.end - piece.start for piece in self.pieces)


def tasks(export: Export, task_bytes: int = TASK_BYTES) -> tuple[Task, ...]:
    """The export cut into tasks of about ``task_bytes``, the same each time: large files cut, small ones together."""
    made: list[Task] = []
    for number, part in enumerate(export.parts):
        together: list[Piece] = []
        held = 0
        for file in sorted(part.files):
            size = export.files[file]
            step = size if _is_zipped(file) else task_bytes
            for start in range(0, size, max(step, 1)):
                together.append(Piece(file, start, min(size, start + step)))
                held += together[-1].end - start
                if held >= task_bytes:
                    made.append(Task(number, tuple(together)))
                    together, held = [], 0
        if together:
            made.append(Task(number, tuple(together)))
    return tuple(made)


class Batch(NamedTuple):
    """Lines that follow one another in a file, without their ends; the first begins at the byte ``offset``."""

    file: str
    offset: int
    lines: list[bytes]

    def offsets(self) -> Iterator[int]:
        """Where each line begins."""
        return accumulate((len(line) + 1 for line in self.lines), initial=self.offset)


REST = b"{"
"""A line that no row is, in place of all that a broken archive no longer holds: of any kind, and of anybody."""


def batches(folder: Folder, piece: Piece) -> Iterator[Batch]:
    """The lines that begin in a piece, some at a time; after those of a broken archive a line in place of the rest."""
    if _is_zipped(piece.file):
        yield from _unzipped(folder, piece.file)
        return
    with folder.open(piece.file) as stream:
        start = piece.start
        if start:
            stream.seek(start - 1)
            start += _skip_line(stream, piece.end - start + 1) - 1  # which another piece has, or just its end
        yield from _batched(piece.file, stream, start, piece.end)


def _unzipped(folder: Folder, file: str) -> Iterator[Batch]:
    """The lines of an archive. What is lost of it is of the kind that its lines begin with, where that is one."""
    offset, heads = 0, set[bytes]()
    with folder.open(file) as stream, _Archive(stream) as archive:
        for batch in _batched(file, archive, 0, sys.maxsize):
            *_, offset = batch.offsets()
            for line in (batch.lines[0], batch.lines[-1]):
                head = _LEADING.match(line)
                heads.add(head.group() if head else REST)
            yield batch
        if archive.broken:
            yield Batch(file, offset, [heads.pop() if len(heads) == 1 else REST])


class _Archive(gzip.GzipFile):
    """An archive that ends where it breaks."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self.broken = False

    def read(self, size: int | None = -1) -> bytes:
        return self._read(super().read1, -1 if size is None else size)  # all there is before it breaks

    def readline(self, size: int | None = -1) -> bytes:
        return self._read(super().readline, -1 if size is None else size)

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except _BROKEN_ARCHIVE:
            self.broken = True
            return b""


def task_batches(export: Export, task: Task) -> Iterator[Batch]:
    """The lines of a task, some at a time."""
    return chain.from_iterable(batches(export.folder, piece) for piece in task.pieces)


def _is_zipped(file: str) -> bool:
    return file.lower().endswith(".gz")


def _batched(file: str, stream: BinaryIO | _Archive, offset: int, end: int) -> Iterator[Batch]:
    while offset < end:
        content = stream.read(min(BATCH_BYTES, end - offset))
        if not content:
            return
        lines, skipped = content.split(b"\n"), 0
        last = lines.pop()
        if last:
            last += stream.readline(LONGEST_LINE)
            ends = last.endswith(b"\n")
            if not ends and len(last) >= LONGEST_LINE:
                last, skipped = last[:BEGINNING], len(last) - BEGINNING + _skip_line(stream)
            lines.append(last[:-1] if ends else last)
            skipped += ends - 1
        if not offset and lines and lines[0].startswith(codecs.BOM_UTF8):
            lines[0], offset = lines[0].removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
        yield Batch(file, offset, lines)
        offset += sum(map(len, lines)) + len(lines) + skipped


Line = tuple[str, int, bytes]
"""A line of an export: its file, the byte offset where it begins, its bytes without their end."""


def lines(folder: Folder, piece: Piece) -> Iterator[Line]:
    """The non-empty lines that begin in a piece."""
    for batch in batches(folder, piece):
        for offset, line in zip(batch.offsets(), batch.lines, strict=False):
            if line and not line.isspace():
                yield batch.file, offset, line


def _skip_line(stream: BinaryIO | _Archive, most: int | None = None) -> int:
    """Read to the end of a line, or a little more than *most* bytes of it; how many they were."""
    skipped = 0
    while part := stream.readline(1 << 20):
        skipped += len(part)
        if part.endswith(b"\n") or (most is not None and skipped > most):
            break
    return skipped


def line_number(folder: Folder, file: str, offset: int) -> int:
    """The number, from 1, of the line that begins at a byte offset."""
    number = 1
    with folder.open(file) as content, _Archive(content) if _is_zipped(file) else nullcontext(content) as stream:
        while offset > 0 and (block := stream.read(min(offset, 1 << 20))):
            number += block.count(b"\n")
            offset -= len(block)
    return number


def _manifest(folder: Folder, file: str) -> dict[str, Any]:
    name = file if str(folder) == "." else f"{folder}/{file}"
    try:
        with folder.open(file) as stream:
            content = json.loads(stream.read())
    except (ValueError, RecursionError):
        raise ExportError(f"{name}: expected the manifest of a bulk export, found no JSON.") from None
    if not isinstance(content, dict) or not isinstance(content.get("output"), list):
        raise ExportError(f"{name}: expected the manifest of a bulk export, with `output`.")
    return content


def _counts(outputs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many rows of each kind the manifest promises at least: one in a file of which it does not say."""
    counts: dict[str, int] = {}
    for item in outputs:
        kind, count = r4_name(_text(item, "type")), item.get("count")
        counts[kind] = counts.get(kind, 0) + (count if isinstance(count, int) else 1)
    return counts


def _lost(outputs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """The kinds of which a file is not there, while others are under the names that the manifest gives them.

    Where it counts the rows they tell by themselves; where no file has its name all were named otherwise.
    """
    there = {Path(name).name.removesuffix(".gz") for name in names}
    named = [(item, Path(_split(_text(item, "url")).path).name.removesuffix(".gz")) for item in outputs]
    if any(name in there for _, name in named):
        for item, name in named:
            if name not in there and not isinstance(item.get("count"), int):
                yield r4_name(_text(item, "type"))


def _objects(parent: Mapping[str, Any], name: str) -> Sequence[dict[str, Any]]:
    values = parent.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""


def _failed(folder: Folder, outcomes: set[str]) -> Iterator[str]:
    """The kinds that OperationOutcomes of the export name as failed; all, where one does not say which."""
    for file in sorted(outcomes):
        for _, _, line in lines(folder, whole(file)):
            text = line.decode("utf-8", "replace")
            if '"severity":"information"' in text.replace(" ", "") or '"severity":"warning"' in text.replace(" ", ""):
                continue
            named = [kind for kind, one in KINDS.items() if kind in text or (one.r5 and one.r5 in text)]
            yield from named or KINDS
