"""What a population costs: CPU time of the whole process tree, memory and disk, over a made population.

``python -m bench.population`` makes bulk exports of charts of 248 resources, 6 % of them with migraine, and prints what
judging them takes beside what it may take. With ``--charts FOLDER`` the charts are those of Synthea Bundles
(``*.json.gz``), else made ones. The exit status is 1 where a limit is not kept.
"""

import argparse
import gzip
import os
import platform
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from bench.charts import PATIENT, TODAY, chart
from prodrome.cds_hooks.population import RunPlan, judge_population, open_export
from prodrome.fhir_mappers import KINDS
from prodrome.rules.guideline import load_guideline

RESOURCES = 248
MIGRAINE = 0.06
MARK = b"@patient@"
SIEVED, JUDGED = 1200, 300  # patients a second and core
GROWTH, MEMORY, DISK = 0.15, 256, 0.10

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


def run(export: Path, out: Path, *, every_patient: bool, today: date) -> Took:
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
        done = judge_population(plan)
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        os.write(wrote, orjson.dumps([peak / 1024, done.counts["patients"], done.counts["judged"]]))
        os._exit(0)
    os.close(wrote)
    before = _cpu()
    disk = _Watch(out / "work")
    _, status = os.waitpid(child, 0)
    disk.stop()
    if status:
        raise SystemExit("the run failed")
    memory, patients, judged = orjson.loads(os.read(read, 1000))
    os.close(read)
    return Took(_cpu() - before, memory, disk.most / 2**20, patients, judged)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Watch:
    """The largest a folder gets."""

    def __init__(self, folder: Path) -> None:
        self.most = 0
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.5):
            size = 0
            for path in self._folder.rglob("*"):
                try:
                    size += path.stat().st_size
                except OSError:
                    continue  # it was renamed in between
            self.most = max(self.most, size)

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


def main() -> int:
    """Make, judge and measure."""
    arguments = argparse.ArgumentParser(prog="python -m bench.population", description=__doc__)
    arguments.add_argument("--charts", type=Path, metavar="FOLDER", help="Synthea Bundles, *.json.gz")
    arguments.add_argument("--patients", type=int, default=10_000, help="of the smaller population (10000)")
    arguments.add_argument("--larger", type=int, default=50_000, help="of the larger one (50000); 0: only the smaller")
    arguments.add_argument("--every", type=int, default=1_000, help="of the one that is judged whole (1000)")
    asked = arguments.parse_args()
    charts = list(synthea(asked.charts)) if asked.charts else [(True, made(True)), (False, made(False))]
    today = date(2021, 4, 1) if asked.charts else TODAY
    scratch = Path(tempfile.mkdtemp(prefix="prodrome-population-"))
    limits: list[tuple[str, float, float, bool]] = []
    try:
        took: dict[int, Took] = {}
        for patients in (asked.patients, asked.larger) if asked.larger else (asked.patients,):
            export = write(scratch / "in", patients, charts)
            size = open_export(export).bytes / 2**20
            took[patients] = one = run(export, scratch / "out", every_patient=False, today=today)
            name = f"{patients} sieved ({size:.0f} MB, {one.judged} judged)"
            print(f"{name}: {one.cpu:.1f} CPU s, {one.memory:.0f} MB a worker, {one.disk:.0f} MB of temporary files")
            limits.append((f"{patients} sieved, patients/s/core", one.patients / one.cpu, SIEVED, True))
            limits.append((f"{patients} sieved, MB a worker", one.memory, MEMORY, False))
            limits.append((f"{patients} sieved, temporary files / export", one.disk / size, DISK, False))
            shutil.rmtree(scratch / "in")
            shutil.rmtree(scratch / "out")
        if asked.larger:
            each = {patients: one.cpu / one.patients for patients, one in took.items()}
            grown = each[asked.larger] / each[asked.patients] - 1
            limits.append(("CPU a patient, larger against smaller", grown, GROWTH, False))
        export = write(scratch / "in", asked.every, charts)
        one = run(export, scratch / "out", every_patient=True, today=today)
        limits.append((f"{asked.every} all judged, patients/s/core", one.patients / one.cpu, JUDGED, True))
        limits.append((f"{asked.every} all judged, MB a worker", one.memory, MEMORY, False))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"\n{'what':45}{'measured':>10}  {'limit':>9}")
    kept = True
    for what, measured, limit, least in limits:
        good = measured >= limit if least else measured <= limit
        kept &= good
        word = "at least" if least else "at most"
        print(f"{what:45}{measured:10.4g}  {word} {limit:g}{'' if good else '  NOT KEPT'}")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{'Synthea' if asked.charts else 'made'} charts, {time.strftime('%Y-%m-%d')}"
    )
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
