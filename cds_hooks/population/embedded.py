"""A run on one machine: plain files and processes. What is done stays done: a run that was stopped goes on.

Each task writes one file, whole, under a name that it only gets when it is finished. The order of the output is that
of the patients' ids, so neither the number of workers nor a stop changes a byte of it.
"""

import heapq
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Changes, ExportError, Line, Task
from prodrome.cds_hooks.population.plan import (
    Judges,
    RunOutcome,
    RunPlan,
    RunProgress,
    SaidRow,
    conclude,
    newest_rows,
    partition_of,
    referred,
)
from prodrome.cds_hooks.population.steps import BadLine, Sieve, place, shared

CHARTS = "charts"
MERGED = 256
"""How many partitions are merged at once: each is an open file."""

T = TypeVar("T")


def run(plan: RunPlan, progress: RunProgress) -> RunOutcome:
    """Sieve, place and judge; the judged partitions are then in ``plan.work / "judged"``, to be gathered.

    Raises :class:`ExportError` where the output folder holds another run, or more rows than allowed cannot be placed.
    """
    _begin(plan)
    tasks = exports.tasks(plan.export)
    changed = exports.changes(plan.export)
    outcome = RunOutcome()
    bad: dict[tuple[str, int], BadLine] = {}
    candidates: set[str] = set()
    with _pool(plan, changed) as pool:
        for _, found in _each(pool, plan, "sieved", tasks, _sieve_task, progress):
            candidates.update(found["candidates"])
            outcome.patients += found["patients"]
            bad |= {(one[0], one[1]): BadLine(*one) for one in found["bad"]}
    candidates -= changed.deleted_patients()
    outcome.candidates = len(candidates)
    seen: list[dict[str, int]] = [{} for _ in plan.export.parts]
    wanted: set[str] = set()
    with _pool(plan, (None if plan.every_patient else frozenset(candidates), changed)) as pool:
        for task, found in _each(pool, plan, "placed", tasks, _place_task, progress):
            wanted.update(found["refers_to"])
            bad |= {(one[0], one[1]): BadLine(*one) for one in found["bad"]}
            for kind, count in found["seen"].items():
                seen[task.part][kind] = seen[task.part].get(kind, 0) + count
    conclude(plan, outcome, bad, seen)
    with _pool(plan, (outcome, frozenset(wanted))) as pool:
        if wanted:
            for _ in _each(pool, plan, "shared", tasks, _shared_task, progress):
                pass
        for _ in _each(pool, plan, "judged", range(plan.partitions), _judge_task, progress):
            pass
    return outcome


def judged(plan: RunPlan) -> Iterator[SaidRow]:
    """Every row of every partition by patient: the number of its guideline, its table, the row.

    Partitions are sorted and are merged, a few hundred at a time: no more than a line of each is in memory.
    """
    files = [plan.work / "judged" / f"{number:05}" for number in range(plan.partitions)]
    while len(files) > MERGED:
        groups = [files[start : start + MERGED] for start in range(0, len(files), MERGED)]
        depth = files[0].parent.name + "+"
        (plan.work / depth).mkdir(exist_ok=True)
        files = [_merged(group, plan.work / depth / f"{number:05}") for number, group in enumerate(groups)]
    for _, line in heapq.merge(*(_by_patient(file) for file in files), key=itemgetter(0)):
        number, table, row = orjson.loads(line)
        yield number, table, row


def _merged(files: Sequence[Path], into: Path) -> Path:
    with into.open("wb") as stream:
        for _, line in heapq.merge(*(_by_patient(file) for file in files), key=itemgetter(0)):
            stream.write(line)
    return into


def _by_patient(file: Path) -> Iterator[tuple[str, bytes]]:
    with file.open("rb") as stream:
        for line in stream:
            yield orjson.loads(line)[2]["patient"], line


# --- Tasks: each runs in a worker process, which got the plan and the step's state when it was made -------------------

_PLAN: RunPlan
_STATE: Any


def _pool(plan: RunPlan, state: Any = None) -> ProcessPoolExecutor:
    plan.guideline.rulebook  # noqa: B018  loaded before the workers are made, which share it
    return ProcessPoolExecutor(
        plan.workers, mp_context=multiprocessing.get_context("fork"), initializer=_enter, initargs=(plan, state)
    )


def _enter(plan: RunPlan, state: Any) -> None:
    global _PLAN, _STATE
    _PLAN, _STATE = plan, state


def _each(
    pool: ProcessPoolExecutor,
    plan: RunPlan,
    step: str,
    tasks: Sequence[T],
    work: Callable[[int, T], object],
    progress: RunProgress,
) -> Iterator[tuple[T, dict[str, Any]]]:
    """Each task of a step and what it found, done now or by an earlier run, in the order of the tasks."""
    folder = plan.work / step
    folder.mkdir(exist_ok=True)
    weights = [task.bytes if isinstance(task, Task) else 1 for task in tasks]
    waiting = {
        pool.submit(work, number, task): number
        for number, task in enumerate(tasks)
        if not (folder / f"{number:05}.json").exists()
    }
    done = sum(weights) - sum(weights[number] for number in waiting.values())
    progress(step, done, sum(weights))
    for future in as_completed(waiting):
        future.result()
        done += weights[waiting[future]]
        progress(step, done, sum(weights))
    for number, task in enumerate(tasks):
        yield task, orjson.loads((folder / f"{number:05}.json").read_bytes())


def _lines(task: Task) -> Iterator[Line]:
    return chain.from_iterable(exports.lines(_PLAN.export.folder, piece) for piece in task.pieces)


def _sieve_task(number: int, task: Task) -> None:
    changed: Changes = _STATE
    found = Sieve(_PLAN.guideline, _PLAN.orders, changed)(_lines(task), task.part)
    content = {
        "candidates": sorted(found.candidates),
        "patients": found.patients,
        "bad": [list(one) for one in found.bad],
    }
    _finish("sieved", number, content)


def _place_task(number: int, task: Task) -> None:
    candidates, changed = _STATE
    placed = place(_lines(task), candidates, task.part, changed)
    sections: dict[int, list[bytes]] = {}
    refers_to: dict[str, None] = {}
    for row in placed.rows:
        if row.kind in _PLAN.excluded:
            continue
        head = orjson.dumps([row.patient, task.part])
        sections.setdefault(partition_of(row.patient, _PLAN.partitions), []).append(
            head + b"\t" + row.raw.strip() + b"\n"
        )
        refers_to |= dict.fromkeys(row.refers_to)
    content = {"refers_to": sorted(refers_to), "seen": placed.seen, "bad": [list(one) for one in placed.bad]}
    _finish("placed", number, content, sections)


def _shared_task(number: int, task: Task) -> None:
    wanted: frozenset[str] = _STATE[1]
    rows = [orjson.dumps([key, task.part]) + b"\t" + raw.strip() + b"\n" for key, raw in shared(_lines(task), wanted)]
    _finish("shared", number, {}, {0: rows})


def _judge_task(number: int, _: int) -> None:
    outcome, wanted = _STATE
    common = {key: raw for key, _, raw in _section(_PLAN.work / "shared", 0)} if wanted else {}
    charts: dict[str, list[tuple[int, bytes]]] = {}
    for patient, part, raw in _section(_PLAN.work / "placed", number):
        charts.setdefault(patient, []).append((part, raw))
    judges = Judges(_PLAN, outcome, common)
    with _writing(_PLAN.work / "judged" / f"{number:05}") as stream:
        for patient in sorted(charts):
            stream.writelines(orjson.dumps(said) + b"\n" for said in judges.patient(patient, charts.pop(patient)))
    _finish("judged", number, {})


def _section(folder: Path, partition: int) -> Iterator[tuple[str, int, bytes]]:
    """What the tasks of a step wrote for a partition: patient or key, part of the export, row."""
    for index in sorted(folder.glob("*.json")):
        place_of = orjson.loads(index.read_bytes())["sections"].get(str(partition))
        if place_of is None:
            continue
        with index.with_suffix(".rows").open("rb") as stream:
            stream.seek(place_of[0])
            for line in stream.read(place_of[1]).split(b"\n")[:-1]:  # rows may hold other ends of lines as spaces
                head, _, raw = line.partition(b"\t")
                patient, part = orjson.loads(head)
                yield patient, part, raw


def _finish(
    step: str, number: int, content: dict[str, Any], sections: Mapping[int, Sequence[bytes]] | None = None
) -> None:
    """Write what a task found: rows first, then the index, which says that the task is done."""
    folder = _PLAN.work / step
    if sections is not None:
        index, offset = {}, 0
        with _writing(folder / f"{number:05}.rows") as stream:
            for partition in sorted(sections):
                length = sum(map(len, sections[partition]))
                stream.writelines(sections[partition])
                index[str(partition)] = (offset, length)
                offset += length
        content = content | {"sections": index}
    _write(folder / f"{number:05}.json", orjson.dumps(content))


def _write(path: Path, content: bytes) -> None:
    with _writing(path) as stream:
        stream.write(content)


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    with unfinished.open("wb") as stream:
        yield stream
    unfinished.replace(path)


def _begin(plan: RunPlan) -> None:
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


def clear(plan: RunPlan) -> None:
    """Remove what only a run that was stopped would need; the charts are kept where that is asked for."""
    if plan.charts:
        (plan.out / CHARTS).mkdir(exist_ok=True)
        for step in ("placed", "shared"):
            if (plan.work / step).exists():
                (plan.work / step).rename(plan.out / CHARTS / step)
    shutil.rmtree(plan.work)


def chart(out: Path, patient: str, partitions: int) -> list[dict[str, Any]]:
    """The rows that a patient was judged by, of results that kept the charts; none for a patient who was not."""
    placed = _section(out / CHARTS / "placed", partition_of(patient, partitions))
    rows = newest_rows([(part, raw) for one, part, raw in placed if one == patient])
    common = {key: raw for key, _, raw in _section(out / CHARTS / "shared", 0)}
    return rows + [orjson.loads(common[key]) for key in referred(rows, common)]
