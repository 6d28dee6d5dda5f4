"""What a population costs: CPU time of the whole process tree, memory and disk, over a made population.

``python -m bench.population`` makes bulk exports of charts of 248 resources, 6 % of them with migraine, and prints what
judging them takes beside what it may take. With ``--charts FOLDER`` the charts are those of Synthea Bundles
(``*.json.gz``), else made ones. What a CPU second is worth changes with what else runs: below the table stands what
parsing each row alone takes meanwhile. The exit status is 1 where a limit is not kept.
"""

import argparse
import gzip
import importlib.util
import os
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from bench.charts import PATIENT, TODAY, chart
from bench.processes import processes
from prodrome.cds_hooks.population import RunPlan, Spark, embedded, judge_population, open_export
from prodrome.fhir_mappers import KINDS
from prodrome.rules.engine import engine_in_force
from prodrome.rules.guideline import load_guideline

RESOURCES = 248
MIGRAINE = 0.06
MARK = b"@patient@"
SIEVED, JUDGED = 1200, 300  # patients a second and core
GROWTH, MEMORY, DISK = 0.15, 256, 0.10
SPARK = 2.0  # CPU milliseconds for each further patient
ROOT = Path(__file__).parents[1]
TESTS = "tests/cds_hooks/population/test_running.py"

Rows = dict[str, list[bytes]]
"""The rows of a chart by kind, with a mark where the id of the patient stands."""


@dataclass(frozen=True)
class Took:
    """What a run took: CPU seconds of all processes, MB of the largest one, MB of temporary files at most."""

    cpu: float
    memory: float
    disk: float
    patients: int
    judged: int


def made(migraine: bool) -> Rows:
    """A chart of our own making; without migraine, a diagnosis of something else stands in its place."""
    resources = list(islice(chart(), RESOURCES))
    if not migraine:
        resources = [orjson.loads(orjson.dumps(one).replace(b"G43.709", b"J45.909")) for one in resources]
    return _rows(resources, PATIENT)


def synthea(folder: Path) -> Iterator[tuple[bool, Rows]]:
    """Charts of Bundles, cut to the usual number of resources: whether they name migraine, and their rows."""
    for file in sorted(folder.glob("*.json.gz")):
        bundle = orjson.loads(gzip.decompress(file.read_bytes()))
        resources = [entry["resource"] for entry in bundle["entry"]]
        patient = next(one for one in resources if one["resourceType"] == "Patient")
        read = [one for one in resources if one["resourceType"] in KINDS and one is not patient]
        others = [one for one in resources if one["resourceType"] not in KINDS]
        chosen = [patient, *read, *others][:RESOURCES]
        rows = _rows(chosen, patient["id"])
        names = any(b"igraine" in raw for kind in ("Condition", "Encounter") for raw in rows.get(kind, ()))
        yield names, rows


def _rows(resources: Sequence[dict[str, Any]], id_: str) -> Rows:
    rows: Rows = {}
    for number, one in enumerate(resources):
        named = {**one, "id": id_ if one["resourceType"] == "Patient" else f"{id_}-{number}"}
        raw = orjson.dumps(named).replace(f"urn:uuid:{id_}".encode(), f"Patient/{id_}".encode())
        rows.setdefault(one["resourceType"], []).append(raw.replace(id_.encode(), MARK) + b"\n")
    return rows


def write(folder: Path, patients: int, charts: Sequence[tuple[bool, Rows]]) -> Path:
    """A bulk export of that many patients, in no order, a file per kind, with a manifest."""
    folder.mkdir(parents=True)
    with_migraine = [rows for names, rows in charts if names]
    without = [rows for names, rows in charts if not names]
    numbers = list(range(patients))
    random.Random(1).shuffle(numbers)
    every = round(1 / MIGRAINE)
    kinds = sorted({kind for _, rows in charts for kind in rows})
    with ExitStack() as opened:
        files = {kind: opened.enter_context((folder / f"1.{kind}.ndjson").open("wb")) for kind in kinds}
        for number in numbers:
            pool = without if number % every else with_migraine
            for kind, rows in pool[number // every % len(pool)].items():
                files[kind].writelines(raw.replace(MARK, b"p%08d" % number) for raw in rows)
    outputs = [{"type": kind, "url": f"https://ehr.example/1.{kind}.ndjson"} for kind in kinds]
    manifest = {"transactionTime": "2026-06-15T00:00:00Z", "request": "https://ehr.example/$export", "output": outputs}
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return folder


def run(export: Path, out: Path, *, every_patient: bool, today: date, spark: bool = False) -> Took:
    """Judge an export in a process of its own, and what that took."""
    read, wrote = os.pipe()
    child = os.fork()
    if child == 0:
        plan = RunPlan(
            export=open_export(export),
            out=out,
            guideline=load_guideline(),
            today=today,
            locale="US",
            engine="checked",
            every_patient=every_patient,
            workers=2,
        )
        done = judge_population(plan, engine=Spark("local[2]") if spark else embedded)
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        os.write(wrote, orjson.dumps([peak / 1024, done.counts["patients"], done.counts["judged"]]))
        os._exit(0)
    os.close(wrote)
    before = _cpu()
    disk, family = _Disk(out / "work"), _Family(child)
    with _watched(disk, family):
        _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit("the run failed")
    memory, patients, judged = orjson.loads(os.read(read, 1000))
    os.close(read)
    cpu = family.cpu() if spark else _cpu() - before  # Spark does not wait for its workers
    return Took(cpu, memory, disk.most / 2**20, patients, judged)


def parsing(export: Path, patients: int) -> float:
    """Patients a second and core where each row is parsed and nothing else is done."""
    began = time.process_time()
    for file in sorted(export.glob("*.ndjson")):
        with file.open("rb") as rows:
            for row in rows:
                orjson.loads(row)
    return patients / (time.process_time() - began)


def passing(*asked: str, **environment: str) -> int:
    """How many of these tests pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked]
    told = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"(\d+) passed", told)
    return int(found.group(1)) if found and " failed" not in told else 0


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Disk:
    """The largest a folder gets."""

    def __init__(self, folder: Path) -> None:
        self.most = 0
        self._folder = folder

    def look(self) -> None:
        size = 0
        for path in self._folder.rglob("*"):
            try:
                size += path.stat().st_size
            except OSError:
                continue  # it was renamed in between
        self.most = max(self.most, size)


class _Family:
    """What a process and all those that descend from it have taken of the processors, as far as they were seen."""

    def __init__(self, process: int) -> None:
        self._seconds = {process: 0.0}

    def look(self) -> None:
        for number, one in processes().items():
            if number in self._seconds or one.parent in self._seconds:
                self._seconds[number] = one.cpu

    def cpu(self) -> float:
        """In seconds."""
        return sum(self._seconds.values())


@contextmanager
def _watched(*watches: _Disk | _Family) -> Iterator[None]:
    """Have these look, twice a second."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            for watch in watches:
                watch.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


Limit = tuple[str, float, float, bool]
"""A row of the table: what, measured, limit, and whether the limit is the least."""


def main() -> int:
    """Make, judge and measure."""
    arguments = argparse.ArgumentParser(prog="python -m bench.population", description=__doc__)
    arguments.add_argument("--charts", type=Path, metavar="FOLDER", help="Synthea Bundles, *.json.gz")
    arguments.add_argument("--patients", type=int, default=10_000, help="of the smaller population (10000)")
    arguments.add_argument("--larger", type=int, default=50_000, help="of the larger one (50000); 0: only the smaller")
    arguments.add_argument("--every", type=int, default=1_000, help="of the one that is judged whole (1000)")
    arguments.add_argument(
        "--spark", type=int, default=2_000, help="of the smaller one on Spark, where it is there (2000)"
    )
    arguments.add_argument("--kills", type=int, default=20, help="how often a run is killed (20)")
    arguments.add_argument("--costs-alone", action="store_true", help="leave out kills, parity and Spark")
    asked = arguments.parse_args()
    charts = list(synthea(asked.charts)) if asked.charts else [(True, made(True)), (False, made(False))]
    today = date(2021, 4, 1) if asked.charts else TODAY
    scratch = Path(tempfile.mkdtemp(prefix="prodrome-population-"))
    limits: list[Limit] = []
    try:
        sizes = (asked.patients, asked.larger) if asked.larger else (asked.patients,)
        limits += _sieved(scratch, charts, sizes, today)
        export = write(scratch / "in", asked.every, charts)
        one = run(export, scratch / "out", every_patient=True, today=today)
        limits.append((f"{asked.every} all judged, patients/s/core", one.patients / one.cpu, JUDGED, True))
        limits.append((f"{asked.every} all judged, MB a worker", one.memory, MEMORY, False))
        parsed = parsing(export, asked.every)
        if not asked.costs_alone:
            limits += _on_spark(scratch, charts, asked.spark, today)
            killed = passing(TESTS, "-k", "killed", KILLS=str(asked.kills))
            limits.append(("runs killed that end with the same bytes", killed * asked.kills, asked.kills, True))
            engines = 3 if engine_in_force("durable") == "durable" else 1
            same = passing(TESTS, "-k", "online_answer")
            limits.append(("engines that answer as online", same, engines, True))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"\n{'what':45}{'measured':>10}  {'limit':>9}")
    kept = True
    for what, measured, limit, least in limits:
        good = measured >= limit if least else measured <= limit
        kept &= good
        word = "at least" if least else "at most"
        print(f"{what:45}{measured:10.4g}  {word} {limit:g}{'' if good else '  NOT KEPT'}")
    print(f"\nParsing each row, and nothing else: {parsed:.0f} patients/s/core.")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{platform.python_version()}, {'Synthea' if asked.charts else 'made'} charts, {time.strftime('%Y-%m-%d')}"
    )
    return int(not kept)


def _sieved(scratch: Path, charts: Sequence[tuple[bool, Rows]], sizes: Sequence[int], today: date) -> Iterator[Limit]:
    each = []
    for patients in sizes:
        export = write(scratch / "in", patients, charts)
        size = open_export(export).bytes / 2**20
        one = run(export, scratch / "out", every_patient=False, today=today)
        each.append(one.cpu / one.patients)
        name = f"{patients} sieved ({size:.0f} MB, {one.judged} judged)"
        print(f"{name}: {one.cpu:.1f} CPU s, {one.memory:.0f} MB a worker, {one.disk:.0f} MB of temporary files")
        yield f"{patients} sieved, patients/s/core", one.patients / one.cpu, SIEVED, True
        yield f"{patients} sieved, MB a worker", one.memory, MEMORY, False
        yield f"{patients} sieved, temporary files / export", one.disk / size, DISK, False
        shutil.rmtree(scratch / "in")
        shutil.rmtree(scratch / "out")
    if len(each) > 1:
        yield "CPU a patient, larger against smaller", each[1] / each[0] - 1, GROWTH, False


def _on_spark(scratch: Path, charts: Sequence[tuple[bool, Rows]], patients: int, today: date) -> Iterator[Limit]:
    """What each further patient costs, beside what starting costs: two populations, the one three times the other."""
    if importlib.util.find_spec("pyspark") is None:
        print("Spark is not installed: `make test-spark` installs it.")
        return
    took = []
    for name, count in (("fewer", patients), ("more", 3 * patients)):
        export = write(scratch / f"{name}-in", count, charts)
        took.append(run(export, scratch / f"{name}-out", every_patient=False, today=today, spark=True))
    print(f"{patients} on Spark: {took[0].cpu:.1f} CPU s, {3 * patients}: {took[1].cpu:.1f} CPU s")
    yield "Spark, CPU ms a further patient", 1000 * (took[1].cpu - took[0].cpu) / (2 * patients), SPARK, False


if __name__ == "__main__":
    sys.exit(main())
