"""A run on Apache Spark, for an export that one machine is too small for: the extra ``spark``, the only use of pyspark.

The steps are those of :mod:`prodrome.cds_hooks.population.steps`; only rows that concern a candidate are shuffled. The
export lies where every worker finds it under the same path, and every worker has this package. What a run did before
it was stopped is not kept: it begins anew.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Export, Task
from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.plan import (
    Judges,
    RunOutcome,
    RunPlan,
    RunProgress,
    SaidRow,
    partition_of,
)
from prodrome.cds_hooks.population.reading import Reading
from prodrome.cds_hooks.population.steps import BadLine, Placed, Sieved, placing, shared

Key = tuple[int, str, int, int]
"""A row on its way to a partition: which, whose (``""``: nobody's own), the task that read it, its number there.

Rows are sorted by it: those that are nobody's own come first, those of a chart in the order in which they were read.
"""

Shuffled = tuple[Key, tuple[int, bytes]]
"""A row on its way, with the part of the export it came in."""


NOBODY = ""
OF_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Java only carries bytes here: to compile it thoroughly costs more than it saves. A site's own options come after."""


class PlacedTask(NamedTuple):
    """What placing one task came to."""

    number: int
    part: int
    placed: Placed
    sieved: Sieved | None


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
            .config("spark.driver.defaultJavaOptions", OF_JAVA)
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
        shipped = self._context.broadcast(plan)
        size = plan.export.bytes
        reading = Reading(plan)
        progress("sieved", 0, size)
        sieve = self._context.broadcast(reading.sieve)
        for number, sieved in self._each(list(reading.first.items()), partial(_sieve, plan.export, sieve)).collect():
            reading.add(number, sieved)
        progress("sieved", size, size)

        progress("placed", 0, size)
        rounds = []
        for place, sieving, tasks in reading.rounds():
            state = self._context.broadcast((place, sieving, frozenset(reading.first)))
            placed = self._each(list(tasks.items()), partial(_place, plan.export, state)).persist(_disk())
            for number, sieved, bad in placed.map(_found).collect():
                if sieved:
                    reading.add(number, sieved)
                reading.add_bad(bad)
            rounds.append(placed)
        outcome = reading.outcome()
        placed = self._context.union(rounds)
        rows = placed.flatMap(partial(_rows, plan.partitions))
        if with_shared := list(reading.with_shared().items()):
            wanted = placed.flatMap(partial(_wanted, plan.partitions)).distinct(plan.partitions)
            common = self._each(with_shared, partial(_shared, plan.export)).flatMap(iter)
            rows = rows.union(common.join(wanted, plan.partitions).map(_addressed))
        progress("placed", size, size)

        progress("judged", 0, plan.partitions)
        rows = rows.repartitionAndSortWithinPartitions(plan.partitions, _partition)
        judged = rows.mapPartitions(partial(_judge, shipped, self._context.broadcast(outcome))).persist(_disk())
        self._said = judged.sortByKey().persist(_disk())  # which looks at what it sorts twice beforehand
        self._said.count()
        judged.unpersist()
        for placed in rounds:
            placed.unpersist()
        progress("judged", plan.partitions, plan.partitions)
        return outcome

    def _each(self, tasks: list[tuple[int, Task]], work: Callable[[tuple[int, Task]], object]) -> Any:
        """What is made of each task."""
        return self._context.parallelize(tasks, max(1, len(tasks))).map(work)

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


def _sieve(export: Export, sieve: Any, numbered: tuple[int, Task]) -> tuple[int, Sieved]:
    number, task = numbered
    return number, sieve.value(exports.task_batches(export, task), task.part)


def _place(export: Export, state: Any, numbered: tuple[int, Task]) -> PlacedTask:
    number, task = numbered
    place, sieve, sieved = state.value
    placed, found = placing(place, None if number in sieved else sieve, exports.task_batches(export, task), task.part)
    return PlacedTask(number, task.part, placed, found)


def _found(one: PlacedTask) -> tuple[int, Sieved | None, list[BadLine]]:
    return one.number, one.sieved, one.placed.bad


def _rows(partitions: int, one: PlacedTask) -> Iterator[Shuffled]:
    for number, row in enumerate(one.placed.rows):
        yield (partition_of(row.patient, partitions), row.patient, one.number, number), (one.part, row.raw)


def _wanted(partitions: int, one: PlacedTask) -> Iterator[tuple[str, int]]:
    """What rows refer to that is nobody's own, and the partition that wants it."""
    for row in one.placed.rows:
        yield from ((key, partition_of(row.patient, partitions)) for key in row.refers_to)


def _shared(export: Export, numbered: tuple[int, Task]) -> list[tuple[str, tuple[int, int, bytes]]]:
    """What is nobody's own, by its key: the task that read it, its number there, the row."""
    found = enumerate(shared(exports.task_batches(export, numbered[1])))
    return [(key, (numbered[0], number, raw)) for number, (key, raw) in found]


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
