"""A run on Apache Spark, for an export that one machine is too small for: the extra ``spark``, the only use of pyspark.

The steps are those of :mod:`prodrome.cds_hooks.population.steps`; only rows that concern a candidate are shuffled. The
export lies where every worker finds it under the same path, and every worker has this package. What a run did before
it was stopped is not kept: it begins anew.
"""

import importlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Changes, Export, Task
from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.plan import (
    Judges,
    RunOutcome,
    RunPlan,
    RunProgress,
    SaidRow,
    conclude,
    partition_of,
)
from prodrome.cds_hooks.population.steps import PLACED_KINDS, BadLine, Place, Placed, Sieve, Sieved, shared
from prodrome.fhir_mappers import SHARED_KINDS

Key = tuple[int, str, int, int]
"""A row on its way to a partition: which, whose (``""``: nobody's own), the task that read it, its number there.

Rows are sorted by it: those that are nobody's own come first, those of a chart in the order in which they were read.
"""

Shuffled = tuple[Key, tuple[int, bytes]]
"""A row on its way, with the part of the export it came in."""


NOBODY = ""


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
            .config("spark.ui.showConsoleProgress", "false")
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
        tasks = list(enumerate(exports.tasks(plan.export, plan.task_bytes)))
        changed = exports.changes(plan.export)
        shipped = self._context.broadcast(plan)
        outcome = RunOutcome()
        bad: dict[tuple[str, int], BadLine] = {}
        candidates: set[str] = set()
        seen = tuple(Counter[str]() for _ in plan.export.parts)
        with_rows: list[tuple[int, Task]] = []
        with_shared: list[tuple[int, Task]] = []
        size = plan.export.bytes

        progress("sieved", 0, size)
        each = self._context.parallelize(tasks, len(tasks)).map(partial(_sieve, shipped, changed))
        for (number, task), sieved in zip(tasks, each.collect(), strict=True):
            candidates |= sieved.candidates
            outcome.patients += sieved.patients
            bad |= {(one.file, one.offset): one for one in sieved.bad}
            seen[task.part].update(sieved.seen)
            with_rows += [(number, task)] if sieved.seen.keys() & PLACED_KINDS else []
            with_shared += [(number, task)] if sieved.seen.keys() & set(SHARED_KINDS) else []
        candidates -= changed.deleted_patients()
        outcome.candidates = len(candidates)
        progress("sieved", size, size)

        progress("placed", 0, size)
        place = Place(plan.guideline, None if plan.every_patient else frozenset(candidates), changed, plan.excluded)
        placed = self._context.parallelize(with_rows, max(1, len(with_rows)))
        placed = placed.map(partial(_place, plan.export, self._context.broadcast(place))).persist(_disk())
        for unread in placed.map(_bad).collect():
            bad |= {(one.file, one.offset): one for one in unread}
        conclude(plan, outcome, bad, seen)
        rows = placed.flatMap(partial(_rows, plan.partitions))
        if with_shared:
            wanted = placed.flatMap(partial(_wanted, plan.partitions)).distinct(plan.partitions)
            common = self._context.parallelize(with_shared, len(with_shared)).flatMap(partial(_shared, plan.export))
            rows = rows.union(common.join(wanted, plan.partitions).map(_addressed))
        progress("placed", size, size)

        progress("judged", 0, plan.partitions)
        rows = rows.repartitionAndSortWithinPartitions(plan.partitions, _partition)
        judged = rows.mapPartitions(partial(_judge, shipped, self._context.broadcast(outcome)))
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


def _sieve(shipped: Any, changed: Changes, numbered: tuple[int, Task]) -> Sieved:
    plan: RunPlan = shipped.value
    task = numbered[1]
    return Sieve(plan.guideline, plan.orders, changed)(exports.task_batches(plan.export, task), task.part)


def _place(export: Export, place: Any, numbered: tuple[int, Task]) -> PlacedTask:
    number, task = numbered
    return PlacedTask(number, task.part, place.value(exports.task_batches(export, task), task.part))


def _bad(one: PlacedTask) -> list[BadLine]:
    return one.placed.bad


def _rows(partitions: int, one: PlacedTask) -> Iterator[Shuffled]:
    for number, row in enumerate(one.placed.rows):
        yield (partition_of(row.patient, partitions), row.patient, one.number, number), (one.part, row.raw)


def _wanted(partitions: int, one: PlacedTask) -> Iterator[tuple[str, int]]:
    """What rows refer to that is nobody's own, and the partition that wants it."""
    for row in one.placed.rows:
        yield from ((key, partition_of(row.patient, partitions)) for key in row.refers_to)


def _shared(export: Export, numbered: tuple[int, Task]) -> Iterator[tuple[str, tuple[int, int, bytes]]]:
    """What is nobody's own, by its key: the task that read it, its number there, the row."""
    for number, (key, raw) in enumerate(shared(exports.task_batches(export, numbered[1]))):
        yield key, (numbered[0], number, raw)


def _addressed(joined: tuple[str, tuple[tuple[int, int, bytes], int]]) -> Shuffled:
    """What is nobody's own, on its way to a partition that wants it."""
    key, ((task, number, raw), partition) = joined
    return (partition, NOBODY, task, number), (0, key.encode() + b"\t" + raw)


def _partition(key: Key) -> int:
    return key[0]


def _judge(shipped: Any, state: Any, rows: Iterable[Shuffled]) -> Iterator[tuple[tuple[str, int], bytes]]:
    """The charts of one partition, judged: what is said, each under its patient and its number there."""
    common: dict[str, bytes] = {}
    judges = Judges(shipped.value, state.value)
    before = ""
    for whose, chart in groupby(rows, key=lambda row: row[0][1]):
        if whose < before:
            raise ExportError("the cluster does not keep the order inside a partition: its answers cannot be trusted.")
        before = whose
        if whose == NOBODY:
            for _, (_, keyed) in chart:
                key, _, raw = keyed.partition(b"\t")
                common[key.decode()] = raw
            continue
        for number, said in enumerate(judges.patient(whose, [row for _, row in chart], common)):
            yield (whose, number), orjson.dumps(said)
