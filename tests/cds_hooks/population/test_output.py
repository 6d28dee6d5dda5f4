"""What a run writes beside its tables: orders, eligibility, another set of parameters, FHIR, and comparisons."""

import csv
import errno
import importlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from prodrome.cds_hooks.command_line import population
from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.population import RunPlan, compare, judge_population, measures, parquet
from prodrome.cds_hooks.population.results import TABLES
from prodrome.rules.guideline import load_guideline
from tests.cds_hooks.population.exports import TODAY, Charted, examples, healthy, labelled, plan, write_export

CHARTS = [chart for chart in [*labelled(), *examples(), *healthy(2)] if not chart.absent]
GUIDELINE = load_guideline()


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("export") / "in", CHARTS)


@pytest.fixture(scope="module")
def run(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with orders, and beside them those under another threshold, all as FHIR too."""
    out = tmp_path_factory.mktemp("results") / "out"
    strict = GUIDELINE.with_parameters({"resistant_min_classes": 4})
    judge_population(plan(export, out, orders=True, other=strict), other_out=out / "other", also=[measures.write])
    return out


def test_an_active_prescription_is_judged_as_if_it_were_signed(tmp_path: Path) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-06-01",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "37418"}]
        },
    }
    heart = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I25.2"}]},
    }
    chart = Charted("p", ({"resourceType": "Patient", "id": "p", "birthDate": "1960-01-01"}, order, heart))
    export = write_export(tmp_path / "in", [chart, *healthy(1)])
    without = judge_population(plan(export, tmp_path / "without"))
    done = judge_population(plan(export, tmp_path / "with", orders=True))
    assert without.counts["judged"] == 0
    assert done.counts["judged"] == 1
    told = [row for row in rows(tmp_path / "with" / "findings.ndjson") if row.get("order")]
    assert {row["order"] for row in told} == {"MedicationRequest/m"}
    assert any("Condition/c" in row["references"] for row in told)


def test_every_patient_with_migraine_has_a_state_of_every_class(run: Path) -> None:
    told = rows(run / "eligibility.ndjson")
    by_patient: dict[str, list[tuple[str, str]]] = {}
    for row in told:
        by_patient.setdefault(row["patient"], []).append((row["use"], row["class"]))
    assert len({tuple(classes) for classes in by_patient.values()}) == 1
    counts = json.loads((run / "counts.json").read_text())["eligibility"]
    assert {sum(states.values()) for states in counts.values()} == {len(by_patient)}


def test_two_sets_of_parameters_in_one_pass_say_what_two_runs_say(run: Path, export: Path, tmp_path: Path) -> None:
    alone = plan(export, tmp_path / "alone", orders=True)
    judge_population(replace(alone, guideline=GUIDELINE.with_parameters({"resistant_min_classes": 4})))
    for table in ("findings", "unjudged", "eligibility"):
        assert (run / "other" / f"{table}.ndjson").read_bytes() == (tmp_path / "alone" / f"{table}.ndjson").read_bytes()


def test_what_another_threshold_changes_is_told_with_its_reason(run: Path) -> None:
    changes = list(compare(run, run / "other", GUIDELINE.rulebook))
    lost = [one for one in changes if one.before == "finding" and one.after != "finding"]
    assert lost
    assert all(one.why == ("parameter resistant_min_classes: as the guideline has it to 4",) for one in changes)
    here = {(row["patient"], row["rule"], row.get("order", "")) for row in rows(run / "findings.ndjson")}
    there = {(row["patient"], row["rule"], row.get("order", "")) for row in rows(run / "other" / "findings.ndjson")}
    assert {(one.patient, one.rule, one.order) for one in lost} == here - there
    assert not list(compare(run, run, GUIDELINE.rulebook))


def test_other_data_are_the_reason_where_only_they_differ(run: Path, tmp_path: Path) -> None:
    fewer = write_export(tmp_path / "in", CHARTS[2:])
    judge_population(plan(fewer, tmp_path / "out", orders=True))
    changes = list(compare(run, tmp_path / "out", GUIDELINE.rulebook))
    assert {one.patient for one in changes} <= {chart.id for chart in CHARTS[:2]}
    assert all("data: other files" in one.why for one in changes)


def test_the_results_are_valid_fhir(run: Path) -> None:
    for name in ("DetectedIssue", "Group", "MeasureReport", "MeasureReport.individual"):
        found = rows(run / "fhir" / f"{name}.ndjson")
        assert found
        for resource in found:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        assert len({one["id"] for one in found}) == len(found)


def test_the_fhir_results_say_what_the_tables_say(run: Path) -> None:
    findings = rows(run / "findings.ndjson")
    issues = rows(run / "fhir" / "DetectedIssue.ndjson")
    assert [one["patient"]["reference"] for one in issues] == [f"Patient/{row['patient']}" for row in findings]
    for group in rows(run / "fhir" / "Group.ndjson"):
        rule = group["code"]["coding"][0]["code"]
        patients = {f"Patient/{row['patient']}" for row in findings if row["rule"] == rule}
        assert {member["entity"]["reference"] for member in group["member"]} == patients
        assert group["quantity"] == len(patients)
    counts = json.loads((run / "counts.json").read_text())["rules"]
    for report in rows(run / "fhir" / "MeasureReport.ndjson"):
        of_rule = counts[report["measure"].rpartition("/")[2]]
        numbers = {one["code"]["coding"][0]["code"]: one["count"] for one in report["group"][0]["population"]}
        assert numbers["numerator"] == of_rule["met"]
        assert numbers["denominator"] - numbers["denominator-exclusion"] - numbers["numerator"] == of_rule["gap"]


def test_what_was_not_understood_is_counted_without_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = next(one for one in CHARTS if one.id.startswith("P01"))
    puzzle = {
        "resourceType": "MedicationStatement",
        "id": "puzzle",
        "status": "active",
        "subject": {"reference": f"Patient/{chart.id}"},
        "medicationCodeableConcept": {"text": "Zzyzxol"},
    }
    export = write_export(tmp_path / "in", [Charted(chart.id, (*chart.resources, puzzle)), *healthy(1)])
    asked = ["--today", TODAY.isoformat(), "--workers", "1", "--engine", "reference"]
    assert main(["population", str(export), "--out", str(tmp_path / "out"), *asked]) == 0
    [row] = [one for one in rows(tmp_path / "out" / "not_understood.ndjson") if one["kind"] == "MedicationStatement"]
    assert (row["patient"], row["what"], row["count"]) == (chart.id, "drug", 1)
    counts = json.loads((tmp_path / "out" / "counts.json").read_text())["notUnderstood"]
    assert {"kind": "MedicationStatement", "what": "drug", "why": row["why"], "count": 1} in counts
    assert f"1  MedicationStatement: drug ({row['why']})" in capsys.readouterr().out
    assert not any(b"Zzyzxol" in file.read_bytes() for file in (tmp_path / "out").iterdir())


def test_an_excluded_kind_is_missing(export: Path, tmp_path: Path) -> None:
    done = judge_population(plan(export, tmp_path / "out", excluded=frozenset({"Encounter"})))
    assert done.manifest["completeness"]["Encounter"] == "missing"


def test_the_tables_are_parquet_too(run: Path, tmp_path: Path) -> None:
    tables: Any = importlib.import_module("pyarrow.parquet")
    for table in TABLES:
        (tmp_path / f"{table}.ndjson").write_bytes((run / f"{table}.ndjson").read_bytes())
    parquet.write(tmp_path, GUIDELINE)
    found = tables.read_table(tmp_path / "findings.parquet").to_pylist()
    assert [(row["patient"], row["rule"], row["references"]) for row in found] == [
        (row["patient"], row["rule"], row["references"]) for row in rows(run / "findings.ndjson")
    ]


def test_the_command_judges_two_sets_and_compares_them(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "strict.toml"
    file.write_text("[parameters]\nresistant_min_classes = 4\n")
    out = tmp_path / "out"
    asked = ["--today", TODAY.isoformat(), "--workers", "1", "--engine", "reference", "--parameters", str(file)]
    assert main(["population", str(export), "--out", str(out), *asked, "--format", "fhir"]) == 0
    assert "with findings" in capsys.readouterr().out
    assert main(["population", "compare", str(out), str(out / "other"), "--out", str(tmp_path / "changes")]) == 0
    said = capsys.readouterr().out
    assert "DTT-01" in said
    with (tmp_path / "changes" / "changes.csv").open(encoding="utf-8") as stream:
        assert {row["rule"] for row in csv.DictReader(stream)} >= {"DTT-01"}


@pytest.mark.parametrize(
    "asked",
    [
        ["compare", "here"],
        ["compare", "nowhere", "nowhere"],
        ["nowhere"],
        ["nowhere", "--out", "x", "--parameters", "missing.toml"],
        ["nowhere", "--out", "x", "--master", "local[2]"],
    ],
)
def test_a_mistake_is_told_in_one_line(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["population", *asked]) == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["--workers", "0"], ["--workers", "x"], ["--allow-unplaced", "-1"]])
def test_a_number_that_means_nothing_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["population", "nowhere", "--out", "x", *asked])
    assert ended.value.code == 2
    assert f"expected a whole number from {'1' if '--workers' in asked else '0'} on" in capsys.readouterr().err


def test_a_full_disk_is_told_with_the_folder_and_what_to_do(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(population, "judge_population", full)
    assert main(["population", str(export), "--out", str(tmp_path / "out")]) == 2
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith(f"{tmp_path / 'out'}: No space left on device; what is done stays done, and the same command goes on")
    )


def test_a_plan_has_one_guideline_or_two(export: Path, tmp_path: Path) -> None:
    made: RunPlan = plan(export, tmp_path)
    assert len(made.guidelines) == 1
    assert len(replace(made, other=GUIDELINE).guidelines) == 2
