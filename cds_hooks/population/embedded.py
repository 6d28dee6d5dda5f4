"""A run on one machine: plain files and processes. What is done stays done: a run that was stopped goes on.

Each task writes one file, whole, under a name that it only gets when it is finished. The order of the output is that
of the patients' ids, so neither the number of workers nor a stop changes a byte of it.
"""

import heapq
import json
import multiprocessing
import os
import shutil
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Task
from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.plan import (
    Judges,
    RunOutcome,
    RunPlan,
    RunProgress,
    SaidRow,
    newest_rows,
    partition_of,
    referred_to,
)
from prodrome.cds_hooks.population.reading import Reading
from prodrome.cds_hooks.population.steps import BadLine, Sieve, Sieved, placing, shared
from prodrome.cds_hooks.runtime import collect_seldom

CHARTS = "charts"
MERGED = 256
"""How many partitions are merged at once: each is an open file."""

T = TypeVar("T")


def run(plan: RunPlan, progress: RunProgress) -> RunOutcome:
    """Sieve, place and judge; the judged partitions are then in ``plan.work / "judged"``, to be gathered.

    Raises :class:`ExportError` where the output folder holds another run, or more rows than allowed cannot be placed.
    """
    _begin(plan)
    reading = Reading(plan)
    with _pool(plan, reading.sieve) as pool:
        for number, found in _each(pool, plan, "sieved", reading.first, _sieve_task, progress):
            reading.add(number, _as_sieved(found))
    placed, common = _Sections(plan.partitions), _Sections(plan.partitions)
    wanted: dict[str, tuple[int, ...]] = {}
    for place, sieve, tasks in reading.rounds():
        with _pool(plan, (place, sieve, frozenset(reading.first))) as pool:
            for number, found in _each(pool, plan, "placed", tasks, _place_task, progress):
                placed.add(number, found["sections"])
                if sieve and number not in reading.first:
                    reading.add(number, _as_sieved(_found(plan, "sieved", number)))
                reading.add_bad(BadLine(*one) for one in found["bad"])
                for key, partitions in found["refers_to"].items():
                    wanted[key] = tuple({*wanted.get(key, ()), *partitions})
    with _pool(plan, wanted) as pool:
        with_shared = reading.with_shared() if wanted else {}
        for number, found in _each(pool, plan, "shared", with_shared, _shared_task, progress):
            common.add(number, found["sections"])
    outcome = reading.outcome()
    with _pool(plan, (outcome, placed, common), _enter_judging) as pool:
        partitions = dict.fromkeys(range(plan.partitions))
        for _ in _each(pool, plan, "judged", partitions, _judge_task, progress):
            pass
    return outcome


class _Sections:
    """Where the rows of each partition stand: the task that wrote them, and from where on how many bytes.

    An export of a million patients has millions of sections: they are kept as plain numbers.
    """

    def __init__(self, partitions: int) -> None:
        self._of = [array("Q") for _ in range(partitions)]

    def add(self, task: int, sections: Mapping[str, tuple[int, int]]) -> None:
        """Note what a task wrote."""
        for partition, (start, length) in sections.items():
            self._of[int(partition)].extend((task, start, length))

    def of(self, partition: int) -> Iterator[tuple[int, int, int]]:
        """The sections of a partition."""
        numbers = iter(self._of[partition])
        return zip(numbers, numbers, numbers, strict=True)


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


def _enter(plan: RunPlan, state: Any) -> None:
    global _PLAN, _STATE
    _PLAN, _STATE = plan, state
    collect_seldom()
    threading.Thread(target=_end_with_the_run, daemon=True).start()


def _end_with_the_run() -> None:
    """End this process when the run is gone: one that was killed tells its workers nothing, and they wait for ever."""
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        os._exit(1)


def _enter_judging(plan: RunPlan, state: tuple[RunOutcome, _Sections, _Sections]) -> None:
    outcome, placed, common = state
    _enter(plan, (Judges(plan, outcome), placed, common))


def _pool(plan: RunPlan, state: Any, enter: Callable[[RunPlan, Any], None] = _enter) -> ProcessPoolExecutor:
    plan.guideline.rulebook  # noqa: B018  loaded before the workers are made, which share it
    if plan.export.folder.forkable:
        context: BaseContext = multiprocessing.get_context("fork")
    else:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["prodrome.cds_hooks.population.preloaded"])
    return ProcessPoolExecutor(plan.workers, mp_context=context, initializer=enter, initargs=(plan, state))


def _each(
    pool: ProcessPoolExecutor,
    plan: RunPlan,
    step: str,
    tasks: Mapping[int, T],
    work: Callable[[int, T], object],
    progress: RunProgress,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each task of a step and what it found, done now or by an earlier run, in the order of the tasks."""
    folder = plan.work / step
    folder.mkdir(exist_ok=True)
    weights = {number: task.bytes if isinstance(task, Task) else 1 for number, task in tasks.items()}
    waiting = {
        pool.submit(work, number, task): number
        for number, task in tasks.items()
        if not (folder / f"{number:05}.json").exists()
    }
    whole = sum(weights.values())
    done = whole - sum(weights[number] for number in waiting.values())
    progress(step, done, whole)
    for future in as_completed(waiting):
        try:
            future.result()
        except BrokenProcessPool:
            raise ExportError(
                "A process of the run was ended from outside, as where memory runs out. What is done stays done: the"
                " same command goes on, and needs less memory with fewer --workers."
            ) from None
        done += weights[waiting[future]]
        progress(step, done, whole)
    for number in tasks:
        yield number, _found(plan, step, number)


def _found(plan: RunPlan, step: str, number: int) -> dict[str, Any]:
    """What a task of a step found."""
    content: dict[str, Any] = orjson.loads((plan.work / step / f"{number:05}.json").read_bytes())
    return content


def _sieve_task(number: int, task: Task) -> None:
    sieve: Sieve = _STATE
    _finish_sieved(number, sieve(exports.task_batches(_PLAN.export, task), task.part))


def _finish_sieved(number: int, found: Sieved) -> None:
    content = {
        "candidates": sorted(found.candidates),
        "patients": sorted(found.patients),
        "seen": found.seen,
        "bad": [list(one) for one in found.bad],
    }
    _finish("sieved", number, content)


def _as_sieved(content: Mapping[str, Any]) -> Sieved:
    """What the sieve found in a task, read again."""
    bad = [BadLine(*one) for one in content["bad"]]
    return Sieved(set(content["candidates"]), set(content["patients"]), content["seen"], bad)


def _place_task(number: int, task: Task) -> None:
    place, sieve, sieved = _STATE
    batches = exports.task_batches(_PLAN.export, task)
    placed, found = placing(place, None if number in sieved else sieve, batches, task.part)
    if found:
        _finish_sieved(number, found)
    partitions = _PLAN.partitions
    sections: dict[int, list[bytes]] = {}
    refers: dict[str, set[int]] = {}
    for row in placed.rows:
        partition = partition_of(row.patient, partitions)
        sections.setdefault(partition, []).append(_headed(row.patient, task.part, row.raw))
        for key in row.refers_to:
            refers.setdefault(key, set()).add(partition)
    content = {
        "refers_to": {key: sorted(partitions) for key, partitions in sorted(refers.items())},
        "bad": [list(one) for one in placed.bad],
    }
    _finish("placed", number, content, sections)


def _shared_task(number: int, task: Task) -> None:
    wanted: Mapping[str, tuple[int, ...]] = _STATE
    sections: dict[int, list[bytes]] = {}
    for key, raw in shared(exports.task_batches(_PLAN.export, task)):
        for partition in wanted.get(key, ()):
            sections.setdefault(partition, []).append(_headed(key, task.part, raw))
    _finish("shared", number, {}, sections)


def _judge_task(number: int, _: None) -> None:
    judges, placed, shared_rows = _STATE
    common = {key: raw for key, _, raw in _rows(_PLAN.work / "shared", shared_rows.of(number))}
    charts: dict[str, list[tuple[int, bytes]]] = {}
    for patient, part, raw in _rows(_PLAN.work / "placed", placed.of(number)):
        charts.setdefault(patient, []).append((part, raw))
    with _writing(_PLAN.work / "judged" / f"{number:05}") as stream:
        for patient in sorted(charts):
            stream.writelines(
                orjson.dumps(said) + b"\n" for said in judges.patient(patient, charts.pop(patient), common)
            )
    _finish("judged", number, {})


def _headed(whose: str, part: int, raw: bytes) -> bytes:
    """A row as it is written: whose it is (or its key), the part of the export, the row."""
    return orjson.dumps([whose, part]) + b"\t" + raw.strip() + b"\n"


def _rows(folder: Path, sections: Iterable[tuple[int, int, int]]) -> Iterator[tuple[str, int, bytes]]:
    """The rows of these sections of what a step wrote, as they were headed."""
    heads: dict[bytes, tuple[str, int]] = {}
    for task, start, length in sections:
        with (folder / f"{task:05}.rows").open("rb") as stream:
            stream.seek(start)
            for line in stream.read(length).split(b"\n")[:-1]:  # rows may hold other ends of lines as spaces
                head, _, raw = line.partition(b"\t")
                known = heads.get(head)
                if known is None:
                    known = heads[head] = tuple(orjson.loads(head))
                yield *known, raw


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
    if plan.out.exists() and set(plan.out.iterdir()) - {plan.work}:
        raise ExportError(f"{plan.out} is not empty: expected a new folder, or one with a run that was stopped.")
    plan.work.mkdir(parents=True, exist_ok=True)  # without a mark it is of a run that was stopped before it began
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
    partition = partition_of(patient, partitions)
    kept = _kept(out / CHARTS / "placed", partition)
    resources, raws = newest_rows([(part, raw) for one, part, raw in kept if one == patient])
    return resources + referred_to(raws, {key: raw for key, _, raw in _kept(out / CHARTS / "shared", partition)})


def _kept(folder: Path, partition: int) -> Iterator[tuple[str, int, bytes]]:
    """The rows of a partition, looked up in what each task wrote down."""
    for index in sorted(folder.glob("*.json")):
        section = orjson.loads(index.read_bytes())["sections"].get(str(partition))
        if section is not None:
            yield from _rows(folder, [(int(index.stem), *section)])
