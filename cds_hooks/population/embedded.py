"""A run on one machine: plain files and processes. What is done stays done: a run that was stopped goes on.

Each task writes one file, whole, under a name that it only gets when it is finished. The order of the output is that
of the patients' ids, so neither the number of workers nor a stop changes a byte of it.
"""

import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Export, ExportError, Piece
from prodrome.cds_hooks.population.steps import BadLine, Judge, Line, place, shared, sieve
from prodrome.fhir_mappers import worse
from prodrome.rules import Completeness
from prodrome.rules.guideline import Guideline

PARTITION_BYTES = 24 * 1024 * 1024
"""About how much of an export one partition holds; a worker has one in memory at a time."""

SURVIVING = 0.1
"""The share of an export that a sieve may leave, for the number of partitions."""

Progress = Callable[[str, int, int], None]
"""Told of each piece of work done: the step, and how much of how much (bytes, or partitions)."""


@dataclass(frozen=True)
class Plan:
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

    @property
    def work(self) -> Path:
        """Where a run keeps what it needs to go on."""
        return self.out / "work"

    @property
    def partitions(self) -> int:
        """Into how many parts the patients are split, so that one fits into memory."""
        share = 1.0 if self.every_patient else SURVIVING
        return max(1, min(4096, round(self.export.bytes * share / PARTITION_BYTES) + 1))

    def fingerprint(self) -> dict[str, Any]:
        """What must be the same for a stopped run to go on."""
        files = hashlib.sha256(json.dumps(sorted(self.export.files.items())).encode()).hexdigest()
        parameters = {name: str(one.value) for name, one in self.guideline.parameters.items() if one.overridden}
        return {
            "files": files,
            "today": self.today.isoformat(),
            "locale": self.locale,
            "engine": self.engine,
            "rulebook": self.guideline.rulebook.version,
            "parameters": parameters,
            "site": hashlib.sha256(repr(self.guideline.site).encode()).hexdigest(),
            "allow_unplaced": self.allow_unplaced,
            "every_patient": self.every_patient,
        }


@dataclass
class Outcome:
    """What a run came to: counts, and the rows that could not be read (file, line, why; never content)."""

    patients: int = 0
    candidates: int = 0
    seen: dict[str, int] | None = None
    completeness: dict[str, Completeness] | None = None
    bad: tuple[BadLine, ...] = ()
    unplaced: int = 0


def run(plan: Plan, progress: Progress = lambda *_: None) -> Outcome:
    """Sieve, place and judge; the judged partitions are then in ``plan.work / "judged"``, to be gathered.

    Raises :class:`ExportError` where the output folder holds another run, or more rows than allowed cannot be placed.
    """
    _begin(plan)
    pieces = exports.tasks(plan.export)
    outcome = Outcome(seen={})
    with _pool(plan) as pool:
        bad: dict[tuple[str, int], BadLine] = {}
        candidates: set[str] = set()
        for found in _each(pool, plan, "sieved", pieces, _sieve_task, progress):
            candidates |= set(found["candidates"])
            outcome.patients += found["patients"]
            bad |= {(one[0], one[1]): BadLine(*one) for one in found["bad"]}
    outcome.candidates = len(candidates)
    _write(plan.work / "candidates.json", orjson.dumps(sorted(candidates)))
    with _pool(plan, None if plan.every_patient else frozenset(candidates)) as pool:
        wanted: set[str] = set()
        assert outcome.seen is not None
        for found in _each(pool, plan, "placed", pieces, _place_task, progress):
            wanted |= set(found["refers_to"])
            bad |= {(one[0], one[1]): BadLine(*one) for one in found["bad"]}
            for kind, count in found["seen"].items():
                outcome.seen[kind] = outcome.seen.get(kind, 0) + count
    outcome.bad = tuple(bad[key] for key in sorted(bad))
    _write(plan.work / "shared.json", orjson.dumps(sorted(wanted)))
    outcome.completeness = _completeness(plan, outcome)
    incomplete: dict[str, list[str]] = {}
    for one in outcome.bad:
        if one.patient:
            incomplete.setdefault(one.patient, []).extend([one.kind] if one.kind else [])
    state = (outcome.completeness, incomplete, frozenset(wanted))
    with _pool(plan, state) as pool:
        if wanted:
            for _ in _each(pool, plan, "shared", pieces, _shared_task, progress):
                pass
        list(_each(pool, plan, "judged", range(plan.partitions), _judge_task, progress))
    return outcome


def judged(plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of every partition, (table, row), by patient."""
    files = [plan.work / "judged" / f"{number:05}" for number in range(plan.partitions)]
    rows = sorted(itertools.chain.from_iterable(_judged_rows(file) for file in files), key=lambda row: row[0])
    for _, table, row in rows:
        yield table, row


def _judged_rows(file: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    with file.open("rb") as stream:
        for line in stream:
            table, row = orjson.loads(line)
            yield row["patient"], table, row


def _completeness(plan: Plan, outcome: Outcome) -> dict[str, Completeness]:
    assert outcome.seen is not None
    states = plan.export.completeness(outcome.seen)
    unplaced = [one for one in outcome.bad if one.patient is None]
    outcome.unplaced = len(unplaced)
    if len(unplaced) > plan.allow_unplaced:
        for one in unplaced:
            for kind in [one.kind] if one.kind else list(states):
                if kind in states:
                    states[kind] = worse(states[kind], Completeness.INCOMPLETE)
    return states


# --- Tasks: each runs in a worker process, which got the plan and the step's state when it was made -------------------

_PLAN: Plan
_STATE: Any


def _pool(plan: Plan, state: Any = None) -> ProcessPoolExecutor:
    plan.guideline.rulebook  # noqa: B018  loaded before the workers are made, which share it
    return ProcessPoolExecutor(
        plan.workers, mp_context=multiprocessing.get_context("fork"), initializer=_enter, initargs=(plan, state)
    )


def _enter(plan: Plan, state: Any) -> None:
    global _PLAN, _STATE
    _PLAN, _STATE = plan, state


def _each(
    pool: ProcessPoolExecutor,
    plan: Plan,
    step: str,
    tasks: Iterable[Any],
    work: Callable[[int, Any], dict[str, Any]],
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """What each task of a step found, done now or by an earlier run, in the order of the tasks."""
    folder = plan.work / step
    folder.mkdir(exist_ok=True)
    numbered = list(enumerate(tasks))
    weights = [sum(piece.end - piece.start for piece in task) if isinstance(task, tuple) else 1 for _, task in numbered]
    waiting = {
        pool.submit(work, number, task): number
        for number, task in numbered
        if not (folder / f"{number:05}.json").exists()
    }
    done = sum(weights) - sum(weights[number] for number in waiting.values())
    progress(step, done, sum(weights))
    for future in as_completed(waiting):
        future.result()
        done += weights[waiting[future]]
        progress(step, done, sum(weights))
    for number, _ in numbered:
        yield orjson.loads((folder / f"{number:05}.json").read_bytes())


def _lines(task: Sequence[Piece]) -> Iterator[Line]:
    for piece in task:
        for offset, raw in exports.lines(_PLAN.export.folder, piece):
            yield Line(piece.file, offset, raw)


def _sieve_task(number: int, task: Sequence[Piece]) -> dict[str, Any]:
    found = sieve(_lines(task), _PLAN.guideline)
    content = {
        "candidates": sorted(found.candidates),
        "patients": found.patients,
        "bad": [list(one) for one in found.bad],
    }
    return _finish("sieved", number, content)


def _place_task(number: int, task: Sequence[Piece]) -> dict[str, Any]:
    placed = place(_lines(task), _STATE)
    sections: dict[int, list[bytes]] = {}
    refers_to: dict[str, None] = {}
    for row in placed.rows:
        head = orjson.dumps([row.patient, row.kind])
        sections.setdefault(_partition(row.patient), []).append(head + b"\t" + row.raw.strip() + b"\n")
        refers_to |= dict.fromkeys(row.refers_to)
    content = {"refers_to": sorted(refers_to), "seen": placed.seen, "bad": [list(one) for one in placed.bad]}
    return _finish("placed", number, content, sections)


def _shared_task(number: int, task: Sequence[Piece]) -> dict[str, Any]:
    wanted: frozenset[str] = _STATE[2]
    rows = [orjson.dumps([key, ""]) + b"\t" + raw.strip() + b"\n" for key, raw in shared(_lines(task), wanted)]
    return _finish("shared", number, {}, {0: rows})


def _judge_task(number: int, _: int) -> dict[str, Any]:
    completeness, incomplete, wanted = _STATE
    common = dict(_section("shared", 0)) if wanted else {}
    charts: dict[str, list[bytes]] = {}
    for patient, raw in _section("placed", number):
        charts.setdefault(patient, []).append(raw)
    judge = Judge(_PLAN.guideline, _PLAN.today, _PLAN.locale, _PLAN.engine, completeness)
    lines: list[bytes] = []
    for patient in sorted(charts):
        rows = [orjson.loads(raw) for raw in charts.pop(patient)]
        rows += [orjson.loads(common[key]) for key in _referred(rows, common)]
        for table, row in judge.patient(patient, rows, incomplete.get(patient, ())):
            lines.append(orjson.dumps([table, row]) + b"\n")
    _write(_PLAN.work / "judged" / f"{number:05}", b"".join(lines))
    return _finish("judged", number, {})


def _referred(rows: Sequence[Mapping[str, Any]], common: Mapping[str, bytes]) -> list[str]:
    text = orjson.dumps(rows).decode() if common else ""
    return [key for key in common if f'{key}"' in text or f"{key}/_history" in text]


def _partition(patient: str) -> int:
    return zlib.crc32(patient.encode()) % _PLAN.partitions


def _section(step: str, partition: int) -> Iterator[tuple[str, bytes]]:
    """The (patient or key, row) pairs that the tasks of a step wrote for a partition."""
    for index in sorted((_PLAN.work / step).glob("*.json")):
        place_of = orjson.loads(index.read_bytes())["sections"].get(str(partition))
        if place_of is None:
            continue
        with index.with_suffix(".rows").open("rb") as stream:
            stream.seek(place_of[0])
            for line in stream.read(place_of[1]).splitlines():
                head, _, raw = line.partition(b"\t")
                yield orjson.loads(head)[0], raw


def _finish(
    step: str, number: int, content: dict[str, Any], sections: Mapping[int, Sequence[bytes]] | None = None
) -> dict[str, Any]:
    """Write what a task found: rows first, then the index, which says that the task is done."""
    folder = _PLAN.work / step
    if sections is not None:
        index, offset, parts = {}, 0, []
        for partition in sorted(sections):
            part = b"".join(sections[partition])
            index[str(partition)] = (offset, len(part))
            offset += len(part)
            parts.append(part)
        _write(folder / f"{number:05}.rows", b"".join(parts))
        content = content | {"sections": index}
    _write(folder / f"{number:05}.json", orjson.dumps(content))
    return content


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _begin(plan: Plan) -> None:
    """Make the work folder, or go on with the one that a run of the same kind left."""
    mark = plan.work / "run.json"
    mine = plan.fingerprint()
    if mark.exists():
        theirs = json.loads(mark.read_bytes())
        if theirs != mine:
            differing = ", ".join(sorted(name for name in mine if mine[name] != theirs.get(name)))
            raise ExportError(
                f"{plan.out} holds an unfinished run over something else (other {differing}): "
                "expected an empty folder, or the same run to go on with."
            )
        for unfinished in plan.work.rglob("*.unfinished"):
            unfinished.unlink()
        return
    if plan.out.exists() and any(plan.out.iterdir()):
        raise ExportError(f"{plan.out} is not empty: expected a new folder, or one with a run that was stopped.")
    plan.work.mkdir(parents=True)
    _write(mark, json.dumps(mine).encode())


def clear(plan: Plan) -> None:
    """Remove what only a run that was stopped would need."""
    shutil.rmtree(plan.work)
