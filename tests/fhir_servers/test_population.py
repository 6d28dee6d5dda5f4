"""A real server takes the results of a population, and gives its own bulk export to be judged."""

import json
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.fhir_client.bulk_data import Ask, export
from prodrome.cds_hooks.population import judge_population, measures
from prodrome.cds_hooks.settings import FhirServer, Settings
from tests.cds_hooks.population.exports import Charted, examples, healthy, plan, write_export
from tests.fhir_servers import chart

CHARTS = [*examples()[:4], *healthy(1)]
TABLES = ("findings", "unjudged")


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def loaded(hapi: str) -> str:
    for one in CHARTS:
        chart.load(hapi, one.resources)
    return hapi


def test_a_server_takes_the_results(loaded: str, tmp_path: Path) -> None:
    judge_population(plan(write_export(tmp_path / "in", CHARTS), tmp_path / "out"), also=[measures.write])
    names = ("DetectedIssue", "Group", "MeasureReport", "MeasureReport.individual")
    resources = [row for name in names for row in rows(tmp_path / "out" / "fhir" / f"{name}.ndjson")]
    assert {row["resourceType"] for row in resources} == {"DetectedIssue", "Group", "MeasureReport"}
    chart.load(loaded, resources)


@pytest.mark.slow
def test_the_servers_own_bulk_export_gets_the_same_answers(loaded: str, tmp_path: Path) -> None:
    group = {
        "resourceType": "Group",
        "id": "population",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{one.id}"}} for one in CHARTS],
    }
    chart.load(loaded, [group])
    kinds = tuple(sorted({row["resourceType"] for one in CHARTS for row in one.resources}))
    settings = Settings(fhir_servers=(FhirServer(url=loaded, open=True),))
    done = export(Ask(server=loaded, kinds=kinds, group="population"), settings, tmp_path / "in", pause=0.5)
    assert done.rows["Patient"] == len(CHARTS)
    judge_population(plan(tmp_path / "in", tmp_path / "out"))
    judge_population(plan(_as_asked(tmp_path / "mine", CHARTS, kinds), tmp_path / "expected"))
    for table in TABLES:
        told = {json.dumps(row, sort_keys=True) for row in rows(tmp_path / "out" / f"{table}.ndjson")}
        assert told == {json.dumps(row, sort_keys=True) for row in rows(tmp_path / "expected" / f"{table}.ndjson")}


def _as_asked(folder: Path, charts: list[Charted], kinds: tuple[str, ...]) -> Path:
    """The same charts as an export that was asked for the same kinds."""
    write_export(folder, charts)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["request"] = f"https://ehr.example/$export?_type={','.join(kinds)}"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
