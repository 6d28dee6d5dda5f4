"""A real server exports in bulk, and what comes is judged as the charts that were put into it."""

import json
from pathlib import Path

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.fhir_client import bulk_data
from prodrome.cds_hooks.population import judge_population
from tests.cds_hooks.population.exports import TODAY, examples, healthy, plan, write_export
from tests.fhir_servers import chart

CHARTS = [*examples()[:3], *healthy(1)]
IDS = {one.id for one in CHARTS}


def said(out: Path) -> list[tuple[object, ...]]:
    rows = [json.loads(line) for line in (out / "findings.ndjson").read_text(encoding="utf-8").splitlines()]
    return [(row["patient"], row["rule"], row["references"]) for row in rows if row["patient"] in IDS]


def test_what_a_server_exports_is_judged_as_what_was_put_into_it(
    hapi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in CHARTS:
        chart.load(hapi, one.resources)
    monkeypatch.setattr(bulk_data, "LONGEST_PAUSE", 2)  # this server asks for two minutes between two looks
    monkeypatch.setenv("PRODROME_TODAY", TODAY.isoformat())
    assert main(["export", hapi, "--out", str(tmp_path / "in")]) == 0
    judge_population(plan(tmp_path / "in", tmp_path / "exported"))
    judge_population(plan(write_export(tmp_path / "own", CHARTS), tmp_path / "put"))
    assert said(tmp_path / "exported") == said(tmp_path / "put")
    assert len(said(tmp_path / "put")) > 3
