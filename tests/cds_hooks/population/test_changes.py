"""Exports of what changed since an earlier one are merged with it: the newest version counts, deleted rows are gone."""

import json
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.population import judge_population, open_export
from prodrome.cds_hooks.population.plan import RunPlan
from prodrome.fhir_mappers import KINDS
from prodrome.rules.guideline import load_guideline
from tests.cds_hooks.population.exports import TODAY, Charted, examples, healthy, labelled, write_export, write_manifest

CHARTS = [chart for chart in [*labelled(), *examples(), *healthy(2)] if not chart.absent]
TABLES = ("findings", "unjudged", "eligibility")


def results(out: Path, *folders: Path, every_patient: bool = False) -> dict[str, Any]:
    asked = {"locale": "US", "engine": "reference", "every_patient": every_patient, "workers": 1}
    plan = RunPlan(export=open_export(*folders), out=out, guideline=load_guideline(), today=TODAY, **asked)  # type: ignore[arg-type]
    done = judge_population(plan)
    return {table: (out / f"{table}.ndjson").read_bytes() for table in TABLES} | {
        "patients": done.counts["patients"],
        "completeness": done.manifest["completeness"],
    }


def since(folder: Path, charts: list[Charted], deleted: list[str] = (), time: str = "2026-06-16T00:00:00Z") -> Path:  # type: ignore[assignment]
    """An export of changes after the first, with what was deleted."""
    write_export(folder, charts)
    content = json.loads((folder / "manifest.json").read_text())
    content["transactionTime"] = time
    if deleted:
        entries = [{"request": {"method": "DELETE", "url": key}} for key in deleted]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        (folder / "deleted").mkdir()
        (folder / "deleted" / "1.ndjson").write_text(json.dumps(bundle) + "\n")
        content["deleted"] = [{"type": "Bundle", "url": "https://ehr.example/bulk/1.ndjson"}]
    write_manifest(folder, content)
    return folder


def dated(chart: Charted, day: str) -> Charted:
    return Charted(chart.id, tuple({**one, "meta": {"lastUpdated": f"{day}T12:00:00Z"}} for one in chart.resources))


def without(chart: Charted, kind: str) -> Charted:
    return Charted(chart.id, tuple(one for one in chart.resources if one["resourceType"] != kind))


def keys(chart: Charted, kind: str) -> list[str]:
    return [f"{kind}/{one['id']}" for one in chart.resources if one["resourceType"] == kind]


def test_what_was_exported_in_two_parts_is_judged_as_one(tmp_path: Path) -> None:
    whole = results(tmp_path / "one", write_export(tmp_path / "whole", CHARTS))
    base = write_export(tmp_path / "base", [without(chart, "Encounter") for chart in CHARTS])
    later = since(
        tmp_path / "later",
        [
            Charted(chart.id, tuple(one for one in chart.resources if one["resourceType"] == "Encounter"))
            for chart in CHARTS
        ],
    )
    assert results(tmp_path / "two", base, later) == whole


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_version_counts_in_whatever_order_folders_are_named(tmp_path: Path, order: tuple[int, int]) -> None:
    new = [dated(chart, "2026-06-10") for chart in CHARTS]
    whole = results(tmp_path / "one", write_export(tmp_path / "whole", new))
    spoilt = [
        Charted(
            chart.id,
            tuple(
                {**one, "code": {"text": "?"}} if one["resourceType"] == "Condition" else one for one in chart.resources
            ),
        )
        for chart in CHARTS
    ]
    folders = [
        write_export(tmp_path / "base", [dated(chart, "2026-06-01") for chart in spoilt]),
        since(tmp_path / "later", new),
    ]
    assert results(tmp_path / "two", *(folders[number] for number in order)) == whole


def test_a_row_that_was_deleted_is_gone(tmp_path: Path) -> None:
    chart = next(chart for chart in CHARTS if keys(chart, "Encounter"))
    others = [one for one in CHARTS if one is not chart]
    whole = results(tmp_path / "one", write_export(tmp_path / "whole", [*others, without(chart, "Encounter")]))
    later = since(tmp_path / "later", healthy(1), keys(chart, "Encounter"))
    assert results(tmp_path / "two", write_export(tmp_path / "base", CHARTS), later) == whole


def test_a_patient_who_was_deleted_is_on_no_list(tmp_path: Path) -> None:
    base = write_export(tmp_path / "base", CHARTS)
    later = since(tmp_path / "later", healthy(1), [f"Patient/{CHARTS[0].id}"])
    told = results(tmp_path / "out", base, later)
    assert told["patients"] == len(CHARTS) - 1
    assert not any(CHARTS[0].id.encode() in told[table] for table in TABLES)


def test_a_patient_who_was_deleted_is_on_no_list_where_everybody_is_judged(tmp_path: Path) -> None:
    """What is left of the chart is nobody's."""
    base = write_export(tmp_path / "base", CHARTS)
    later = since(tmp_path / "later", healthy(1), [f"Patient/{CHARTS[0].id}"])
    told = results(tmp_path / "out", base, later, every_patient=True)
    assert not any(CHARTS[0].id.encode() in told[table] for table in TABLES)


@pytest.mark.parametrize("every_patient", [False, True])
def test_a_patient_who_was_deleted_and_came_again_is_judged(tmp_path: Path, every_patient: bool) -> None:
    whole = results(tmp_path / "one", write_export(tmp_path / "whole", CHARTS), every_patient=every_patient)
    chart = CHARTS[0]
    gone = [f"{one['resourceType']}/{one['id']}" for one in chart.resources]
    base = write_export(tmp_path / "base", CHARTS)
    later = since(tmp_path / "later", [], gone)
    again = since(tmp_path / "again", [chart], time="2026-06-17T00:00:00Z")
    assert results(tmp_path / "two", base, later, again, every_patient=every_patient) == whole


def test_an_export_below_another_is_found(tmp_path: Path) -> None:
    base = write_export(tmp_path / "base", CHARTS[:3])
    since(base / "since", CHARTS[3:6])
    export = open_export(base)
    assert len(export.parts) == 2
    assert results(tmp_path / "two", base)["patients"] == 6


def test_a_kind_that_the_changes_do_not_answer_for_is_not_complete(tmp_path: Path) -> None:
    base, later = write_export(tmp_path / "base", CHARTS), since(tmp_path / "later", healthy(1))
    content = json.loads((later / "manifest.json").read_text())
    kinds = ",".join(kind for kind in KINDS if kind != "Encounter")
    write_manifest(later, {**content, "request": f"https://ehr.example/fhir/$export?_type={kinds}"})
    assert results(tmp_path / "out", base, later)["completeness"]["Encounter"] == "incomplete"
