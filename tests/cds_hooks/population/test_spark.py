"""On Spark a population gets the bytes that plain processes give it. ``make test-spark`` installs what this needs."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prodrome.cds_hooks.population import ExportError, Spark, judge_population
from prodrome.rules.guideline import Site, load_guideline
from tests.cds_hooks.population.exports import (
    examples,
    healthy,
    labelled,
    medicines_apart,
    plan,
    with_line,
    write_export,
)
from tests.serving import free_port

pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed: make test-spark")

pytestmark = [  # the client of Spark leaves its sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHARTS = [chart for chart in [*labelled(), *examples(), *healthy(9)] if not chart.absent]
TABLES = ("findings", "unjudged", "errors", "eligibility")


def written(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for table in TABLES for file in sorted(out.glob(f"{table}.*"))}


def test_local_processes_of_spark_write_the_same_bytes(tmp_path: Path) -> None:
    """With a line that is cut, medicines in files of their own, and what a site set."""
    export = write_export(tmp_path / "in", map(medicines_apart, CHARTS), a_file=40)
    with_line(export, "1.Condition.ndjson", b'{"resourceType":"Condition","subject":{"reference":"Patient/heal')
    guideline = load_guideline().for_site(Site(parameters={"resistant_min_classes": 1}))
    asked = {"other": guideline, "excluded": frozenset({"Appointment"})}
    plain = judge_population(plan(export, tmp_path / "plain", **asked))
    spark = judge_population(plan(export, tmp_path / "spark", **asked), engine=Spark("local[2]"))
    assert written(tmp_path / "spark") == written(tmp_path / "plain")
    assert written(tmp_path / "spark" / "other") == written(tmp_path / "plain" / "other")
    assert written(tmp_path / "spark" / "other") != written(tmp_path / "spark")
    assert spark.counts == plain.counts
    assert spark.counts["errors"] == 1
    assert spark.counts["withFindings"] > 10


@pytest.mark.slow
def test_everybody_and_orders_too(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS, a_file=40)
    asked = {"every_patient": True, "orders": True}
    plain = judge_population(plan(export, tmp_path / "plain", **asked))
    spark = judge_population(plan(export, tmp_path / "spark", **asked), engine=Spark("local[2]"))
    assert written(tmp_path / "spark") == written(tmp_path / "plain")
    assert spark.counts == plain.counts


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS[:3])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="expected a new folder"):
        judge_population(plan(export, tmp_path / "out"), engine=Spark("local[1]"))


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """A master and workers of their own, each a process; the address of the master."""
    home = Path(pyspark.__file__).parent
    port, out = free_port(), (folder / "cluster.log").open("wb")
    of_spark = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    master = f"spark://127.0.0.1:{port}"

    def start(class_: str, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{class_}", "--host", "127.0.0.1"]
        return subprocess.Popen([*command, *arguments], stdout=out, stderr=out, env=os.environ | of_spark)

    processes = [start("master.Master", "--port", str(port), "--webui-port", str(free_port()))]
    try:
        for number in range(workers):
            place = (
                "--cores",
                "1",
                "--memory",
                "1g",
                "--webui-port",
                str(free_port()),
                "--work-dir",
                str(folder / f"{number}"),
            )
            processes.append(start("worker.Worker", *place, master))
        until = time.monotonic() + 120
        while (folder / "cluster.log").read_bytes().count(b"Registering worker") < workers:
            assert time.monotonic() < until, "the workers did not come up"
            time.sleep(0.5)
        yield master
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
        out.close()


@pytest.mark.slow
def test_a_cluster_of_two_workers_writes_the_same_bytes(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS, a_file=40)
    judge_population(plan(export, tmp_path / "plain"))
    with cluster(tmp_path, 2) as master:
        judge_population(plan(export, tmp_path / "spark"), engine=Spark(master))
    assert written(tmp_path / "spark") == written(tmp_path / "plain")
