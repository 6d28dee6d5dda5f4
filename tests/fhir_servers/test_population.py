"""A real server takes the results of a population."""

import json
from pathlib import Path
from typing import Any

from prodrome.cds_hooks.population import judge_population, measures
from tests.cds_hooks.population.exports import examples, healthy, plan, write_export
from tests.fhir_servers import chart

CHARTS = [*examples()[:4], *healthy(1)]


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_server_takes_the_results(hapi: str, tmp_path: Path) -> None:
    for one in CHARTS:
        chart.load(hapi, one.resources)
    judge_population(plan(write_export(tmp_path / "in", CHARTS), tmp_path / "out"), also=[measures.write])
    names = ("DetectedIssue", "Group", "MeasureReport", "MeasureReport.individual")
    resources = [row for name in names for row in rows(tmp_path / "out" / "fhir" / f"{name}.ndjson")]
    assert {row["resourceType"] for row in resources} == {"DetectedIssue", "Group", "MeasureReport"}
    chart.load(hapi, resources)
