"""The three steps of a run, the same on every engine: sieve, place, judge.

*Sieve* reads every Condition and Encounter and names the candidates. *Place* keeps the rows that concern a candidate.
*Judge* makes a chart of one patient's rows and asks the rulebook, as a call at ``patient-view`` would.

A row that cannot be read never stops a run: it makes its kind incomplete, for its patient where the patient can still
be read from it, for everyone otherwise.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

import orjson

from prodrome.cds_hooks.population.export import Changes, Line
from prodrome.cds_hooks.protocol import services
from prodrome.fhir_mappers import (
    DIAGNOSING,
    KINDS,
    R4_NAMES,
    SHARED_KINDS,
    MigraineCodes,
    Orders,
    Record,
    is_since,
    kind_of,
    read_facts,
    whose,
)
from prodrome.rules import Completeness, Facts, HookName, Judgement, eligibility, judge
from prodrome.rules.engine import EngineError
from prodrome.rules.guideline import Guideline

HOOK: HookName = "patient-view"
ORDER_HOOK: HookName = "order-sign"
ORDER = "MedicationRequest"

_KIND = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_PATIENT = re.compile(rb'Patient\\?/([^"\\/\s]{1,256})(?=["\\/])')  # an id that the line holds to its end
_SHARED = re.compile(rb"(%s)\\?/([A-Za-z0-9\-.]{1,64})" % "|".join(SHARED_KINDS).encode())
_LEADING = re.compile(rb'\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')
_SHARED_KINDS = frozenset(kind.encode() for kind in SHARED_KINDS)
_READ = frozenset(kind.encode() for kind in (*KINDS, *R4_NAMES))
_PASS = frozenset(kind.encode() for kind in (*DIAGNOSING, "Patient"))
_SAYING = frozenset(kind.encode() for kind in DIAGNOSING)
_CODE = re.compile(rb'"code"\s*:\s*"([^"]*)"')
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
    """What the sieve found in some lines."""

    candidates: set[str] = field(default_factory=set)
    patients: int = 0
    bad: list[BadLine] = field(default_factory=list)


class ExportRow(NamedTuple):
    """A row that concerns a candidate, still bytes, with the shared resources it refers to."""

    patient: str
    kind: str
    raw: bytes
    refers_to: tuple[str, ...]


@dataclass
class Placed:
    """What was kept of some lines; ``seen`` counts all their rows by kind."""

    rows: list[ExportRow] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    bad: list[BadLine] = field(default_factory=list)


@dataclass(frozen=True)
class Sieve:
    """Which patients may get a finding: those with a code of migraine and, for ``orders``, those with an order of ours.

    ``changed`` says which rows a later export replaced or deleted.
    """

    guideline: Guideline
    orders: bool = False
    changed: Changes = NO_CHANGES

    def __call__(self, lines: Iterable[Line], part: int = 0) -> Sieved:
        """The candidates among these lines, and how many patients there are."""
        names_migraine = MigraineCodes(self.guideline)
        orders = Orders(self.guideline) if self.orders else None
        passing = _PASS | {ORDER.encode()} if orders else _PASS
        words = tuple(f'"{kind.decode()}"'.encode() for kind in passing)
        harmless: set[bytes] = set()
        found = Sieved()
        for line in lines:
            raw = line[2]
            leading = _LEADING.match(raw)
            kind_said = leading.group(1) if leading else b""
            if leading and kind_said not in passing and raw.endswith(b"}\n"):
                continue
            if not _whole(raw):
                _set_aside(line, found.bad)
                continue
            if not leading and not any(word in raw for word in words):
                continue
            resource = _parsed(line, found.bad)
            if kind_said in _SAYING and b"\\" not in raw:
                codes = _CODE.findall(raw)
                if harmless.issuperset(codes):
                    continue
                if not any(map(names_migraine.may_name, codes)):
                    harmless.update(codes)
                    continue
            kind = kind_of(resource) if resource else ""
            if resource is None or (self.changed and self.changed.supersede(resource, part)):
                continue
            if kind == "Patient":
                found.patients += 1
            elif (kind in DIAGNOSING and names_migraine.among(resource)) or (
                orders and kind == ORDER and orders.may_be_judged(resource)
            ):
                found.candidates.update(whose(resource))
        doubtful = (*DIAGNOSING, None, ORDER) if orders else (*DIAGNOSING, None)
        found.candidates.update(bad.patient for bad in found.bad if bad.patient and bad.kind in doubtful)
        return found


def place(
    lines: Iterable[Line], candidates: frozenset[str] | None, part: int = 0, changed: Changes = NO_CHANGES
) -> Placed:
    """The rows of the candidates (of everybody, for ``None``), each once for every candidate it concerns.

    A row that a later export replaced or deleted is counted, and left.
    """
    placed = Placed()
    wanted = None if candidates is None else frozenset(id_.encode() for id_ in candidates)
    counts: dict[bytes, int] = {}
    for line in lines:
        raw = line[2]
        leading = _LEADING.match(raw)
        kind = leading.group(1) if leading else _kind_anywhere(raw)
        counts[kind] = counts.get(kind, 0) + 1
        if (leading and kind not in _READ) or kind in _SHARED_KINDS:
            continue
        if not (raw.endswith(b"}\n") and raw.startswith(b"{")) and not _whole(raw):
            _set_aside(line, placed.bad)
            continue
        if wanted is not None and kind != b"Patient":
            start = raw.find(b"Patient/") + 8
            end = raw.find(b'"', start)
            named = raw[start:end]
            plain = start > 7 and b"/" not in named and b"\\" not in named
            if plain and named not in wanted and raw.find(b"Patient", end) < 0:
                continue
            first = _PATIENT.search(raw, raw.find(b"Patient/") if b"Patient/" in raw else 0)
            if (
                first
                and first.group(1) not in wanted
                and (raw.find(b"Patient", first.end()) < 0 or wanted.isdisjoint(_PATIENT.findall(raw)))
            ):
                continue
        resource = _parsed(line, placed.bad)
        if resource is None or kind_of(resource) not in KINDS:
            continue
        if changed and changed.supersede(resource, part):
            continue
        refers_to = tuple(dict.fromkeys(f"{type_.decode()}/{id_.decode()}" for type_, id_ in _SHARED.findall(raw)))
        for patient in whose(resource):
            if candidates is None or patient in candidates:
                placed.rows.append(ExportRow(patient, kind_of(resource), raw, refers_to))
    placed.seen.update((kind.decode(), count) for kind, count in counts.items())
    return placed


def shared(lines: Iterable[Line], wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """The Medications and PractitionerRoles among these lines that rows refer to, by ``Type/id``."""
    for _, _, raw in lines:
        found = _KIND.search(raw)
        if found is None or found.group(1).decode() not in SHARED_KINDS:
            continue
        try:
            resource = orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue  # the rows that need it say that it did not come
        key = f"{resource.get('resourceType')}/{resource.get('id')}" if isinstance(resource, dict) else ""
        if key in wanted:
            yield key, raw


Said = tuple[str, dict[str, Any]]
"""A table of the results (findings, unjudged, errors, eligibility, judged) and one of its rows."""


class Judge:
    """Judges one patient after another, by one guideline on one day."""

    def __init__(
        self,
        guideline: Guideline,
        today: date,
        locale: str,
        engine: str,
        completeness: Mapping[str, Completeness],
        *,
        orders: bool = False,
    ) -> None:
        self._guideline = guideline
        self._today = today
        self._locale = locale
        self._engine = engine
        self._completeness = completeness
        self._orders = Orders(guideline) if orders else None
        self._since = dict(_windows(guideline, today))

    def patient(self, id_: str, rows: Sequence[Mapping[str, Any]], incomplete: Iterable[str] = ()) -> Iterator[Said]:
        """What is to be said of one patient, whose kinds ``incomplete`` did not come whole."""
        resources: dict[str, list[Mapping[str, Any]]] = {}
        for resource in rows:
            kind = kind_of(resource)
            if kind not in self._since or is_since(dict(resource), self._since[kind]):
                resources.setdefault(kind, []).append(resource)
        completeness = dict(self._completeness)
        for kind in incomplete:
            if completeness.get(kind) is Completeness.COMPLETE:
                completeness[kind] = Completeness.INCOMPLETE
        record = Record(patient_id=id_, resources=resources, completeness=completeness)
        try:
            yield from self._as_it_is(id_, record)
            if self._orders:
                for resource in resources.get(ORDER, ()):
                    if self._orders.may_be_judged(dict(resource)):
                        yield from self._in_hand(id_, record, resource)
        except EngineError as error:
            yield "errors", {"patient": id_, "why": f"{type(error).__name__}: {error}"}

    def _as_it_is(self, id_: str, record: Record) -> Iterator[Said]:
        facts = read_facts(record, self._guideline, self._today)
        judgement = self._judged(facts, HOOK)
        for skipped in facts.skipped:
            yield "errors", {"patient": id_, "resource": f"{skipped.kind}/{skipped.id}", "why": skipped.why}
        yield from said(id_, judgement)
        if any("migraine" in condition.names for condition in facts.conditions):
            for one in eligibility(facts, judgement).classes:
                row = {"class": one.id, "use": one.use, "state": one.state, "left": list(one.left)}
                yield "eligibility", {"patient": id_, **row, "missing": list(one.missing), "references": list(one.refs)}

    def _in_hand(self, id_: str, record: Record, order: Mapping[str, Any]) -> Iterator[Said]:
        """What an order that runs would be told if it were signed today: it is no longer in the chart, but in hand."""
        others = {**record.resources, ORDER: [one for one in record.resources[ORDER] if one is not order]}
        facts = read_facts(replace(record, resources=others, orders=(order,)), self._guideline, self._today)
        if facts.orders:
            judgement = self._judged(facts, ORDER_HOOK)
            yield from said(id_, judgement, ORDER_HOOK, f"{ORDER}/{order.get('id')}")

    def _judged(self, facts: Facts, hook: str) -> Judgement:
        return judge(facts, self._guideline, self._today, locale=self._locale, hook=hook, engine=self._engine)


def said(patient_id: str, judgement: Judgement, hook: str = HOOK, order: str = "") -> Iterator[Said]:
    """The findings and could-not-judges of a patient as rows, and what every rule came to.

    Where ``order`` (a reference) is in hand: of this order only.
    """
    about = {"order": order} if order else {}
    for finding in judgement.findings:
        if hook in finding.rule.hooks and (finding.order or not order):
            why = {"indicator": finding.indicator, "references": list(finding.refs)}
            yield "findings", {"patient": patient_id, "rule": finding.rule.id, **why, **about}
    for one in judgement.unjudged:
        if hook in one.rule.hooks and (one.order or not order):
            yield "unjudged", {"patient": patient_id, "rule": one.rule.id, "missing": list(one.missing), **about}
    if order:
        return
    open_ = {finding.rule.id for finding in judgement.findings} | {one.rule.id for one in judgement.unjudged}
    met = {blocked.rule for blocked in judgement.outcome.blocked} - open_
    rules = judgement.rulebook.rules
    yield "judged", {"patient": patient_id, "met": sorted(id_ for id_ in met if rules[id_].card)}


def _windows(guideline: Guideline, today: date) -> Iterator[tuple[str, date]]:
    """From when on each kind of resource is asked for at the hook, where the prefetch bounds it as a whole."""
    service = next(one for one in services(guideline, today).values() if one.hook.name == HOOK)
    keys = [query.kind for query in service.queries]
    for query in service.queries:
        bound = re.search(r"[?&]date=ge(\d{4}-\d\d-\d\d)", query.template)
        if bound and keys.count(query.kind) == 1:
            yield query.kind, date.fromisoformat(bound.group(1))


def _kind_anywhere(raw: bytes) -> bytes:
    found = _KIND.search(raw)
    return found.group(1) if found else b""


def _whole(raw: bytes) -> bool:
    if raw.endswith(b"}\n") and raw.startswith(b"{"):
        return True
    trimmed = raw.strip()
    return trimmed.startswith(b"{") and trimmed.endswith(b"}")


def _parsed(line: Line, bad: list[BadLine]) -> dict[str, Any] | None:
    try:
        resource = orjson.loads(line[2])
    except orjson.JSONDecodeError:
        _set_aside(line, bad)
        return None
    if not isinstance(resource, dict):
        _set_aside(line, bad)
        return None
    return resource


def _set_aside(line: Line, bad: list[BadLine]) -> None:
    file, offset, raw = line
    kind, patients = _KIND.search(raw), set(_PATIENT.findall(raw))
    bad.append(
        BadLine(
            file=file,
            offset=offset,
            kind=kind.group(1).decode() if kind else None,
            patient=patients.pop().decode() if len(patients) == 1 else None,
            why="not a whole JSON object",
        )
    )
