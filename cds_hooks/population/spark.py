"""A run on Apache Spark, for an export that one machine is too small for: the extra ``spark``, the only use of pyspark.

The steps are those of :mod:`prodrome.cds_hooks.population.steps`; only rows that concern a candidate are shuffled. The
export lies where every worker finds it under the same path, and every worker has this package. What a run did before
it was stopped is not kept: it begins anew.
"""

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, groupby
from typing import Any, NamedTuple

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Changes, Export, ExportError, Line, Task
from prodrome.cds_hooks.population.plan import (
    Judges,
    RunOutcome,
    RunPlan,
    RunProgress,
    SaidRow,
    conclude,
    partition_of,
)
from prodrome.cds_hooks.population.steps import BadLine, Placed, Sieve, Sieved, place, shared

Key = tuple[str, int, int]
"""A row of a chart: the patient, the task that read it, its number there. Rows are judged in this order, as read."""

Shuffled = tuple[Key, tuple[int, bytes]]
"""A row on its way to the partition of its patient, with the part of the export it came in."""


class PlacedTask(NamedTuple):
    """What placing one task came to."""

    number: int
    part: int
    placed: Placed


class Spark:
    """Runs plans on the cluster at ``master``; ``local[2]``: two processes here. Raises ExportError without pyspark."""

    def __init__(self, master: str) -> None:
        try:
            sql: Any = importlib.import_module("pyspark.sql")
        except ImportError:
            raise ExportError("--with spark needs the extra: pip install 'prodrome-cds[spark]'.") from None
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        self._session = (
            sql.SparkSession.builder.master(master)
            .appName("prodrome population")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        self._context: Any = self._session.sparkContext
        self._said: Any = None

    def run(self, plan: RunPlan, progress: RunProgress) -> RunOutcome:
        """Sieve, place and judge: what is judged stays on the cluster until it is gathered."""
        if plan.charts:
            raise ExportError("--charts keeps the charts on one machine: it does not go with --with spark.")
        if plan.out.exists() and any(plan.out.iterdir()):
            raise ExportError(f"{plan.out} is not empty: expected a new folder.")
        tasks = list(enumerate(exports.tasks(plan.export)))
        each: Any = self._context.parallelize(tasks, len(tasks))
        changed = exports.changes(plan.export)
        shipped = self._context.broadcast(plan)
        outcome = RunOutcome()
        bad: dict[tuple[str, int], BadLine] = {}
        candidates: set[str] = set()
        size = plan.export.bytes

        progress("sieved", 0, size)
        for sieved in each.map(partial(_sieve, shipped, changed)).collect():
            candidates |= sieved.candidates
            outcome.patients += sieved.patients
            bad |= {(one.file, one.offset): one for one in sieved.bad}
        candidates -= changed.deleted_patients()
        outcome.candidates = len(candidates)
        progress("sieved", size, size)

        progress("placed", 0, size)
        kept = self._context.broadcast(None if plan.every_patient else frozenset(candidates))
        placed = each.map(partial(_place, shipped, kept, changed)).persist(_disk())
        seen: list[dict[str, int]] = [{} for _ in plan.export.parts]
        wanted: set[str] = set()
        for part, counts, unread, refers_to in placed.map(_head).collect():
            wanted |= refers_to
            bad |= {(one.file, one.offset): one for one in unread}
            for kind, count in counts.items():
                seen[part][kind] = seen[part].get(kind, 0) + count
        conclude(plan, outcome, bad, seen)
        common = dict(each.flatMap(partial(_shared, plan.export, frozenset(wanted))).collect()) if wanted else {}
        progress("placed", size, size)

        progress("judged", 0, plan.partitions)
        rows = placed.flatMap(partial(_rows, plan.excluded)).repartitionAndSortWithinPartitions(
            plan.partitions, partial(_partition, plan.partitions)
        )
        judged = rows.mapPartitions(partial(_judge, shipped, self._context.broadcast((outcome, common))))
        self._said = judged.sortByKey().persist(_disk())
        self._said.count()
        placed.unpersist()
        progress("judged", plan.partitions, plan.partitions)
        return outcome

    def judged(self, plan: RunPlan) -> Iterator[SaidRow]:
        """What was said, by patient, a partition of it in memory at a time."""
        for _, line in self._said.toLocalIterator():
            number, table, row = orjson.loads(line)
            yield number, table, row

    def clear(self, plan: RunPlan) -> None:
        """Leave the cluster."""
        self._session.stop()


def _disk() -> Any:
    return importlib.import_module("pyspark").StorageLevel.DISK_ONLY


# --- What the workers do ----------------------------------------------------------------------------------------------


def _lines(export: Export, task: Task) -> Iterator[Line]:
    return chain.from_iterable(exports.lines(export.folder, piece) for piece in task.pieces)


def _sieve(shipped: Any, changed: Changes, numbered: tuple[int, Task]) -> Sieved:
    plan: RunPlan = shipped.value
    task = numbered[1]
    return Sieve(plan.guideline, plan.orders, changed)(_lines(plan.export, task), task.part)


def _place(shipped: Any, kept: Any, changed: Changes, numbered: tuple[int, Task]) -> PlacedTask:
    plan: RunPlan = shipped.value
    number, task = numbered
    return PlacedTask(number, task.part, place(_lines(plan.export, task), kept.value, task.part, changed))


def _head(one: PlacedTask) -> tuple[int, Mapping[str, int], list[BadLine], set[str]]:
    refers_to = {key for row in one.placed.rows for key in row.refers_to}
    return one.part, one.placed.seen, one.placed.bad, refers_to


def _rows(excluded: frozenset[str], one: PlacedTask) -> Iterator[Shuffled]:
    for number, row in enumerate(one.placed.rows):
        if row.kind not in excluded:
            yield (row.patient, one.number, number), (one.part, row.raw)


def _shared(export: Export, wanted: frozenset[str], numbered: tuple[int, Task]) -> Iterator[tuple[str, bytes]]:
    return shared(_lines(export, numbered[1]), wanted)


def _partition(partitions: int, key: Key) -> int:
    return partition_of(key[0], partitions)


def _judge(shipped: Any, state: Any, rows: Iterable[Shuffled]) -> Iterator[tuple[tuple[str, int], bytes]]:
    """The charts of one partition, judged: what is said, each under its patient and its number there."""
    outcome, common = state.value
    judges = Judges(shipped.value, outcome, common)
    before = ""
    for patient, chart in groupby(rows, key=lambda row: row[0][0]):
        if patient < before:
            raise ExportError("the cluster does not keep the order inside a partition: its answers cannot be trusted.")
        before = patient
        for number, said in enumerate(judges.patient(patient, [row for _, row in chart])):
            yield (patient, number), orjson.dumps(said)
