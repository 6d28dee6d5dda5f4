"""What a run does and comes to, and what every engine does alike: how complete each kind is, one patient's chart."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Export, updated
from prodrome.cds_hooks.population.judging import Judge
from prodrome.cds_hooks.population.steps import BadLine, refers_to
from prodrome.fhir_mappers import KINDS
from prodrome.rules import Completeness
from prodrome.rules.guideline import Guideline

PARTITION_BYTES = 24 * 1024 * 1024
"""About how much of an export one partition holds; a worker has one in memory at a time."""

SURVIVING = 0.1
"""The share of an export that a sieve may leave, for the number of partitions."""

RunProgress = Callable[[str, int, int], None]
"""Told of each piece of work done: the step, and how much of how much (bytes, or partitions)."""

SaidRow = tuple[int, str, dict[str, Any]]
"""The number of a guideline of the plan, a table of the results, and a row of it."""


@dataclass(frozen=True)
class RunPlan:
    """What a run does, and over what."""

    export: Export
    out: Path
    guideline: Guideline
    today: date
    locale: str
    engine: str
    every_patient: bool
    allow_unplaced: int = 0
    workers: int = 1
    orders: bool = False
    other: Guideline | None = None
    excluded: frozenset[str] = frozenset()
    charts: bool = False

    @property
    def guidelines(self) -> tuple[Guideline, ...]:
        """The guideline, and after it the one with other parameters that is judged in the same pass."""
        return (self.guideline,) if self.other is None else (self.guideline, self.other)

    @property
    def work(self) -> Path:
        """Where a run keeps what it needs to go on."""
        return self.out / "work"

    @property
    def partitions(self) -> int:
        """Into how many parts the patients are split, so that one fits into memory."""
        share = 1.0 if self.every_patient else SURVIVING
        return max(1, min(4096, round(self.export.bytes * share / PARTITION_BYTES) + 1))

    @property
    def task_bytes(self) -> int:
        """How much of the export one task reads: more of a large one that is sieved, for fewer files."""
        least = exports.TASK_BYTES
        return least if self.every_patient else min(8 * least, max(least, self.export.bytes // 1000))

    def fingerprint(self) -> dict[str, Any]:
        """What must be the same for a stopped run to go on."""
        files = hashlib.sha256(json.dumps(sorted(self.export.files.items())).encode()).hexdigest()
        return {
            "files": files,
            "today": self.today.isoformat(),
            "locale": self.locale,
            "engine": self.engine,
            "rulebook": self.guideline.rulebook.version,
            "parameters": overridden(self.guideline),
            "otherParameters": overridden(self.other) if self.other else None,
            "orders": "active" if self.orders else "none",
            "excluded": sorted(self.excluded),
            "codes": hashlib.sha256(repr(replace(self.guideline.site, parameters={})).encode()).hexdigest(),
            "guideline": _content(self.guideline),
            "allow_unplaced": self.allow_unplaced,
            "every_patient": self.every_patient,
        }


def _content(guideline: Guideline) -> str:
    """A hash of the files that a guideline is read from, and of those that the site has beside it."""
    own = [file for file in (guideline.site.more_codes, guideline.site.eligibility) if file]
    content = hashlib.sha256()
    for file in (*sorted(one for one in guideline.folder.rglob("*") if one.is_file()), *own):
        content.update(hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()


def overridden(guideline: Guideline) -> dict[str, str]:
    """The parameters that are set otherwise than the guideline has them."""
    return {name: str(one.value) for name, one in guideline.parameters.items() if one.overridden}


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to: counts, and the rows that could not be read (file, line, why; never content)."""

    patients: int = 0
    candidates: int = 0
    seen: Mapping[str, int] = field(default_factory=dict)
    completeness: Mapping[str, Completeness] = field(default_factory=dict)
    bad: tuple[BadLine, ...] = ()
    unplaced: int = 0

    def incomplete(self) -> dict[str, list[str]]:
        """The kinds of which a row of a patient could not be read, by patient; all, where it does not say its kind."""
        kinds: dict[str, list[str]] = {}
        for one in self.bad:
            if one.patient:
                kinds.setdefault(one.patient, []).extend([one.kind] if one.kind else KINDS)
        return kinds


def newest_rows(rows: Sequence[tuple[int, bytes]]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The rows of a chart, of each resource the newest version (an export may hold several): read, and as they came.

    *rows* are bytes, with the part of the export they came in. Of versions as new as each other the last row counts.
    """
    resources: list[dict[str, Any]] = [orjson.loads(raw) for _, raw in rows]
    newest: dict[tuple[object, ...], int] = {}
    for number, resource in enumerate(resources):
        id_ = resource.get("id")
        key = (resource.get("resourceType"), id_) if isinstance(id_, str) else (number,)
        known = newest.setdefault(key, number)
        if known != number and updated(resource, rows[number][0]) >= updated(resources[known], rows[known][0]):
            newest[key] = number
    return [resources[number] for number in newest.values()], [rows[number][1] for number in newest.values()]


def referred_to(rows: Iterable[bytes], common: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Those of the ``common`` resources, which are nobody's own, that the rows of a chart refer to."""
    keys = dict.fromkeys(key for raw in rows for key in refers_to(raw)) if common else ()
    return [orjson.loads(common[key]) for key in keys if key in common]


class Judges:
    """Judges the charts of a plan, one patient after another: one judge for each guideline."""

    def __init__(self, plan: RunPlan, outcome: RunOutcome) -> None:
        self._incomplete = outcome.incomplete()
        self._judges = [
            Judge(guideline, plan.today, plan.locale, plan.engine, outcome.completeness, orders=plan.orders)
            for guideline in plan.guidelines
        ]

    def patient(self, id_: str, rows: Sequence[tuple[int, bytes]], common: Mapping[str, bytes]) -> Iterator[SaidRow]:
        """All that is said of a patient, given the rows, with the part each came in, and what they may refer to."""
        resources, raws = newest_rows(rows)
        chart = resources + referred_to(raws, common)
        for number, judge in enumerate(self._judges):
            for table, row in judge.patient(id_, chart, self._incomplete.get(id_, ())):
                yield number, table, row


def partition_of(patient: str, partitions: int) -> int:
    """The partition that holds a patient, the same on every machine."""
    return zlib.crc32(patient.encode()) % partitions
