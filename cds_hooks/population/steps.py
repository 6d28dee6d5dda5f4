"""The steps of a run that read an export, the same on every engine: sieve and place.

*Sieve* reads every Condition and Encounter and names the candidates. *Place* keeps the rows that concern a candidate.
What follows, the judging of each, stands in :mod:`prodrome.cds_hooks.population.judging`.

A row that cannot be read never stops a run: it makes its kind incomplete, for its patient where the patient can still
be read from it, for everyone otherwise.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from prodrome.cds_hooks.population.export import Batch, Changes, Task, r4_name
from prodrome.fhir_mappers import (
    DIAGNOSING,
    KINDS,
    SHARED_KINDS,
    MigraineCodes,
    Orders,
    is_asked_for,
    kind_of,
    whose,
)
from prodrome.rules.guideline import Guideline

ORDER = "MedicationRequest"

_KIND = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_LEADING = re.compile(rb'\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')
_PATIENT = re.compile(rb'Patient\\?/([^"\\/\s]{1,256})(?=["\\/])')  # an id that the line holds to its end
_SUBJECT = b'"subject":{"reference":"Patient/'
_SHARED = re.compile(rb"(%s)\\?/([A-Za-z0-9\-.]{1,64})" % "|".join(SHARED_KINDS).encode())
_SHARED_NAMES = tuple(f"{kind}/".encode() for kind in SHARED_KINDS)
_NAMED = re.compile(r"[A-Z][A-Za-z]+")
_SLASH, _BACKSLASH, _END = b"/\\}"  # as numbers: bytes that are looked for in bytes take ten times as long
_CODE = re.compile(rb'"code"\s*:\s*"([^"]*)"')
_CHARTED = frozenset(KINDS) - frozenset(SHARED_KINDS)
PLACED_KINDS = _CHARTED | {""}
"""The kinds of the lines that charts are made of. One that does not say its kind may be broken."""
NO_CHANGES = Changes()


class BadLine(NamedTuple):
    """A line that could not be read: where, the kind it seems to be of, whose it seems to be, and why."""

    file: str
    offset: int
    kind: str | None
    patient: str | None
    why: str


@dataclass
class Sieved:
    """What the sieve found in some lines; ``patients`` are numbers that stand for them, ``seen`` counts by kind."""

    candidates: set[str] = field(default_factory=set)
    patients: set[int] = field(default_factory=set)
    seen: dict[str, int] = field(default_factory=dict)
    bad: list[BadLine] = field(default_factory=list)


class ExportRow(NamedTuple):
    """A row that concerns a candidate, still bytes, with the shared resources it refers to."""

    patient: str
    raw: bytes
    refers_to: tuple[str, ...]


@dataclass
class Placed:
    """What was kept of some lines."""

    rows: list[ExportRow] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


class _Run(NamedTuple):
    """Lines of one kind that follow one another, by their numbers; ``leads``: they begin with their kind."""

    kind: str
    leads: bool
    start: int
    stop: int


Step = Callable[[Batch, Sequence[_Run]], None]
"""What is done with a batch and the runs in it."""


def read(batches: Iterable[Batch], *steps: Step) -> None:
    """Take these steps with lines that are read once."""
    for batch in batches:
        runs = tuple(_runs(batch.lines))
        for step in steps:
            step(batch, runs)


@dataclass(frozen=True)
class Sieve:
    """Which patients may get a finding: those with a code of migraine and, for ``orders``, those with an order of ours.

    ``changed`` says which rows a later export replaced or deleted.
    """

    guideline: Guideline
    orders: bool = False
    changed: Changes = NO_CHANGES

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of resource that it parses."""
        return (*DIAGNOSING, "Patient", ORDER) if self.orders else (*DIAGNOSING, "Patient")

    def expects(self, task: Task) -> bool:
        """Whether candidates are to be expected in a task: by the names of its files, which nothing rests on."""
        names = [_NAMED.findall(piece.file.rpartition("/")[2]) for piece in task.pieces]
        return not all(named and set(named).isdisjoint(self.kinds) for named in names)

    def __call__(self, batches: Iterable[Batch], part: int = 0) -> Sieved:
        """The candidates among these lines, and which patients there are."""
        found = Sieved()
        read(batches, self.into(found, part))
        return found

    def into(self, found: Sieved, part: int) -> Step:
        """What adds the candidates of a batch, and counts its rows."""
        codes = MigraineCodes(self.guideline)
        orders = Orders(self.guideline) if self.orders else None
        kinds = self.kinds
        unsure = {*kinds, None} - {"Patient"}
        words = [f'"{kind}"'.encode() for kind in kinds]

        def is_candidate(resource: dict[str, Any]) -> bool:
            kind = kind_of(resource)
            return (kind in DIAGNOSING and codes.among(resource)) or (
                orders is not None and kind == ORDER and orders.may_be_judged(resource)
            )

        def step(batch: Batch, runs: Sequence[_Run]) -> None:
            bad: list[int] = []
            for run in runs:
                found.seen[run.kind] = found.seen.get(run.kind, 0) + run.stop - run.start
                lines = batch.lines[run.start : run.stop]
                if run.leads and run.kind not in kinds:
                    bad += [
                        number for number, raw in enumerate(lines, run.start) if raw[-1] != _END and not _whole(raw)
                    ]
                    continue
                if not run.leads and _whole(lines[0]) and not any(lines[0].find(word) >= 0 for word in words):
                    continue
                doubtful = _may_name(codes, lines) if run.leads and run.kind in DIAGNOSING else range(len(lines))
                for number, raw in enumerate(lines):
                    resource = _parsed(raw)
                    if resource is None:
                        bad.append(run.start + number)
                    elif number in doubtful and not (self.changed and self.changed.supersede(resource, part)):
                        if kind_of(resource) == "Patient":
                            found.patients.add(_number_of(resource.get("id"), raw))
                        if is_candidate(resource):
                            found.candidates.update(whose(resource))
            unread = list(_set_aside(batch, bad))
            found.bad += unread
            found.candidates.update(one.patient for one in unread if one.patient and one.kind in unsure)

        return step


def _number_of(id_: object, raw: bytes) -> int:
    """A number of 8 bytes for a patient, by whom one that comes again is known; without an id, for the row."""
    named = id_.encode("utf-8", "surrogatepass") if isinstance(id_, str) else raw
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest())


def _may_name(codes: MigraineCodes, lines: Sequence[bytes]) -> Collection[int]:
    """The numbers of the lines in which a code may be one of migraine, whatever its system, or is escaped."""
    together = b"\n".join(lines)
    named = [b'"%b"' % code for code in set(_CODE.findall(together)) if codes.may_name(code)]
    if _BACKSLASH not in together and not named:
        return ()
    found = {number for number, raw in enumerate(lines) if _BACKSLASH in raw}
    for code in named:
        found.update(number for number, raw in enumerate(lines) if raw.find(code) >= 0)
    return found


@dataclass(frozen=True)
class Place:
    """Keeps the rows of the candidates (of everybody, for ``None``), each once for every candidate it concerns.

    A row is left that a later export replaced or deleted, that the prefetch does not ask for, or of an excluded kind.
    """

    guideline: Guideline
    candidates: frozenset[str] | None
    changed: Changes = NO_CHANGES
    excluded: frozenset[str] = frozenset()

    def __call__(self, batches: Iterable[Batch], part: int = 0) -> Placed:
        """What is kept of these lines."""
        placed = Placed()
        read(batches, self.into(placed, part))
        return placed

    def into(self, placed: Placed, part: int) -> Step:
        """What adds what is kept of a batch."""
        candidates, gone = self.candidates, self.changed.deleted_patients
        wanted = None if candidates is None else frozenset(id_.encode() for id_ in candidates)

        def step(batch: Batch, runs: Sequence[_Run]) -> None:
            bad: list[int] = []
            for run in runs:
                if run.leads and run.kind not in _CHARTED:
                    continue
                lines = batch.lines[run.start : run.stop]
                for number in range(len(lines)) if wanted is None else _to_be_read(lines, wanted):
                    raw = lines[number]
                    resource = _parsed(raw)
                    if resource is None:
                        bad.append(run.start + number)
                    elif self._is_charted(resource, part):
                        for patient in whose(resource):
                            if (candidates is None or patient in candidates) and patient not in gone:
                                placed.rows.append(ExportRow(patient, raw, refers_to(raw)))
            placed.bad += _set_aside(batch, bad)

        return step

    def _is_charted(self, resource: dict[str, Any], part: int) -> bool:
        kind = kind_of(resource)
        return (
            kind in _CHARTED
            and kind not in self.excluded
            and is_asked_for(resource, self.guideline)
            and not (self.changed and self.changed.supersede(resource, part))
        )


def placing(place: Place, sieve: Sieve | None, batches: Iterable[Batch], part: int) -> tuple[Placed, Sieved | None]:
    """Place lines and, given a sieve, sieve them as they are read: what is kept, and what the sieve found."""
    placed, found = Placed(), Sieved() if sieve else None
    steps = [place.into(placed, part)]
    if sieve and found:
        steps.append(sieve.into(found, part))
    read(batches, *steps)
    return placed, found


def refers_to(raw: bytes) -> tuple[str, ...]:
    """The resources that are nobody's own and that a row may refer to, as ``Type/id``."""
    for name in _SHARED_NAMES:
        if raw.find(name) >= 0:
            break
    else:
        if _BACKSLASH not in raw:
            return ()  # by far the most
    return tuple(dict.fromkeys(f"{kind.decode()}/{id_.decode()}" for kind, id_ in _SHARED.findall(raw)))


def shared(batches: Iterable[Batch]) -> Iterator[tuple[str, bytes]]:
    """The Medications and PractitionerRoles among these lines, by ``Type/id``."""
    for batch in batches:
        for run in _runs(batch.lines):
            for raw in batch.lines[run.start : run.stop] if run.kind in SHARED_KINDS else ():
                resource = _parsed(raw)  # of one that cannot be read the rows that need it say that it did not come
                if resource:
                    yield f"{run.kind}/{resource.get('id')}", raw


def _runs(lines: Sequence[bytes]) -> Iterator[_Run]:
    """All lines but blank ones, in their order. Nearly always a file holds one kind, which each line begins with."""
    start = 0
    while start < len(lines):
        leading = _LEADING.match(lines[start])
        if leading:
            head = leading.group()
            others = (number for number in range(start + 1, len(lines)) if not lines[number].startswith(head))
            stop = next(others, len(lines))
            yield _Run(r4_name(leading.group(1).decode()), True, start, stop)
        else:
            stop = start + 1
            if lines[start].strip():
                yield _Run(_kind_anywhere(lines[start]), False, start, stop)
        start = stop


def _kind_anywhere(raw: bytes) -> str:
    """The kind of a line that does not begin with it; ``""`` where it has none. Contained resources have kinds, too."""
    kinds = _KIND.findall(raw)
    if len(kinds) > 1:
        return kind_of(_parsed(raw))
    return r4_name(kinds[0].decode()) if kinds else ""


def _to_be_read(lines: Sequence[bytes], wanted: Container[bytes]) -> list[int]:
    """The numbers of all lines but whole ones whose subject is seen, unread, to be none of these patients.

    What is looked for cannot stand in a text, where quotes are escaped, nor within a row that charts are made of, but
    in a contained resource.
    """
    length = len(_SUBJECT)
    return [
        number
        for number, raw in enumerate(lines)
        if (start := raw.find(_SUBJECT) + length) < length
        or (id_ := raw[start : raw.find(b'"', start)]) in wanted
        or _SLASH in id_
        or _BACKSLASH in id_
        or raw[-1] != _END
        or raw.find(b'"contained"', 0, start) >= 0
    ]


def _whole(raw: bytes) -> bool:
    trimmed = raw.strip()
    return trimmed.startswith(b"{") and trimmed.endswith(b"}")


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """The object in a line; nothing where there is none."""
    try:
        resource = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return resource if isinstance(resource, dict) else None


def _set_aside(batch: Batch, numbers: Collection[int]) -> Iterator[BadLine]:
    """What the lines of these numbers still say of themselves."""
    wrong = frozenset(numbers)
    for number, (offset, raw) in enumerate(zip(batch.offsets(), batch.lines, strict=False) if wrong else ()):
        if number in wrong:
            kind, patients = _KIND.search(raw), set(_PATIENT.findall(raw))
            yield BadLine(
                file=batch.file,
                offset=offset,
                kind=r4_name(kind.group(1).decode()) if kind else None,
                patient=patients.pop().decode() if len(patients) == 1 else None,
                why="not a whole JSON object",
            )
