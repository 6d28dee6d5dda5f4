"""A population gets the answers that each of its patients gets online, whatever stops or disturbs the run."""

import codecs
import errno
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client.bulk_data import STATE
from prodrome.cds_hooks.population import ExportError, judge_population, of_the_others
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.settings import Settings
from prodrome.rules.engine import engine_in_force
from prodrome.rules.guideline import load_guideline
from tests.cds_hooks.population.exports import (
    TODAY,
    Charted,
    examples,
    healthy,
    labelled,
    medicines_apart,
    plan,
    with_line,
    write_export,
    write_manifest,
)
from tests.faults.test_workers import until
from tests.serving import filled

ROOT = Path(__file__).parents[3]
Engine = Literal["checked", "durable", "reference"]
CHARTS = [chart for chart in [*labelled(), *examples(), *healthy(9)] if not chart.absent]


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / f"{table}.ndjson").read_text(encoding="utf-8").splitlines()]


def online(charts: list[Charted], engine: Engine) -> tuple[set[str], set[str]]:
    """The findings with what they rest on, and the could-not-judges, of each patient at patient-view."""
    environment = Environment.of(Settings(today=TODAY, engine=engine))
    service = environment.service_for("patient-view")
    findings, unjudged = set(), set()
    for chart in charts:
        by_kind = {
            kind: {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}
            for kind in service.kinds
            if (found := [one for one in chart.resources if one["resourceType"] == kind])
        }
        by_kind["Patient"] = next(one for one in chart.resources if one["resourceType"] == "Patient")
        body = {
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"userId": "Practitioner/1", "patientId": chart.id},
            "prefetch": filled({query.key: query.template for query in service.queries}, by_kind),
        }
        answered = consult(read_request(parse(json.dumps(body).encode()), frozenset({"patient-view"})), environment)
        for finding in answered.judgement.findings:
            if "patient-view" in finding.rule.hooks:
                findings.add(str((chart.id, finding.rule.id, finding.indicator, list(finding.refs))))
        for one in answered.judgement.unjudged:
            if "patient-view" in one.rule.hooks:
                unjudged.add(str((chart.id, one.rule.id, list(one.missing))))
    return findings, unjudged


@pytest.mark.parametrize("engine", ["reference", "checked", "durable"])
def test_every_base_patient_gets_the_online_answer(tmp_path: Path, engine: Engine) -> None:
    if engine_in_force(engine) != engine:
        pytest.skip("durable-rules cannot be used with this Python: the reference matcher serves alone")
    judge_population(plan(write_export(tmp_path / "in", CHARTS), tmp_path / "out", engine=engine))
    findings, unjudged = online(CHARTS, engine)
    told = rows(tmp_path / "out", "findings")
    assert {str((r["patient"], r["rule"], r["indicator"], r["references"])) for r in told} == findings
    assert {str((r["patient"], r["rule"], r["missing"])) for r in rows(tmp_path / "out", "unjudged")} == unjudged
    assert len(findings) > 40


def test_sieved_and_unsieved_runs_say_the_same(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    sieved = judge_population(plan(export, tmp_path / "sieved"))
    whole = judge_population(plan(export, tmp_path / "whole", every_patient=True))
    for table in ("findings", "unjudged"):
        assert (tmp_path / "sieved" / f"{table}.ndjson").read_bytes() == (
            tmp_path / "whole" / f"{table}.ndjson"
        ).read_bytes()
    assert sieved.counts["judged"] < whole.counts["judged"] == sieved.counts["patients"] == len(CHARTS)


@pytest.mark.parametrize("shape", [{"zipped": True}, {"a_file": 3}], ids=str)
def test_the_shape_of_the_export_changes_no_finding(tmp_path: Path, shape: dict[str, Any]) -> None:
    judge_population(plan(write_export(tmp_path / "plain", CHARTS), tmp_path / "one"))
    judge_population(plan(write_export(tmp_path / "other", CHARTS, **shape), tmp_path / "two", workers=2))
    assert (tmp_path / "one" / "findings.ndjson").read_bytes() == (tmp_path / "two" / "findings.ndjson").read_bytes()


@pytest.mark.parametrize("every_patient", [False, True])
def test_the_names_of_the_files_change_no_finding(tmp_path: Path, every_patient: bool) -> None:
    """Neither where one says what it does not hold: candidates that only it names are found all the same."""
    asked = {"every_patient": every_patient, "orders": True}
    judge_population(plan(write_export(tmp_path / "plain", CHARTS), tmp_path / "one", **asked))
    other = write_export(tmp_path / "other", CHARTS)
    conditions, visits = other / "1.Condition.ndjson", other / "1.Encounter.ndjson"
    first, *rest = conditions.read_bytes().splitlines(keepends=True)
    conditions.write_bytes(first)
    with (other / "1.Observation.ndjson").open("ab") as stream:
        stream.writelines(rest)
    visits.rename(other / "1.Goal.ndjson")
    judge_population(plan(other, tmp_path / "two", **asked))
    for table in ("findings", "unjudged", "eligibility"):
        assert rows(tmp_path / "one", table) == rows(tmp_path / "two", table)
    assert json.loads((tmp_path / "one" / "counts.json").read_bytes()) == json.loads(
        (tmp_path / "two" / "counts.json").read_bytes()
    )


@pytest.mark.parametrize(
    "name", ["2.Encounter", "2.Encounter.txt", "2.ENCOUNTER.NDJSON", "2.Encounter.NDJSON.GZ", "2.gz"]
)
def test_a_file_of_rows_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    """Left out, it would make the others of its kind pass for all there is."""
    judge_population(plan(write_export(tmp_path / "plain", CHARTS, manifest=False), tmp_path / "one"))
    other = write_export(tmp_path / "other", CHARTS, manifest=False)
    visits = other / "1.Encounter.ndjson"
    first, *rest = visits.read_bytes().splitlines(keepends=True)
    visits.write_bytes(first)
    content = b"".join(rest)
    (other / name).write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    judge_population(plan(other, tmp_path / "two"))
    for table in ("findings", "unjudged", "eligibility"):
        assert rows(tmp_path / "one", table) == rows(tmp_path / "two", table)


def test_files_that_hold_no_rows_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = write_export(tmp_path / "in", CHARTS[:2])
    (export / "README").write_text("Of our patients\n")
    (export / "Encounter.zip").write_bytes(b"PK\x03\x04")
    (export / "_SUCCESS").write_bytes(b"")
    assert main(["population", str(export), "--out", str(tmp_path / "out"), "--today", str(TODAY)]) == 0
    assert "Not read, as they are no NDJSON: Encounter.zip, README.\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "manifest.json").read_bytes())["unread"] == ["Encounter.zip", "README"]


def test_a_patient_given_again_is_one_patient(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    once = judge_population(plan(export, tmp_path / "one")).counts
    assert once["patients"] == len(CHARTS)
    for file in export.glob("*.ndjson"):
        file.write_bytes(file.read_bytes() * 2)
    (export / "again.Patient.ndjson").write_bytes((export / "1.Patient.ndjson").read_bytes())
    twice = judge_population(plan(export, tmp_path / "two")).counts
    for told in ("patients", "judged", "withFindings", "rules", "eligibility"):
        assert twice[told] == once[told]


def test_an_export_that_was_not_finished_is_none(tmp_path: Path) -> None:
    """What of it did not come yet would pass for what is not there."""
    export = write_export(tmp_path / "in", CHARTS[:2], manifest=False)
    (export / STATE).write_text("{}")
    with pytest.raises(ExportError, match="was not finished: run `prodrome export` again"):
        plan(export, tmp_path / "out")
    write_export(tmp_path / "in", CHARTS[:2])  # stopped after all had come
    assert judge_population(plan(export, tmp_path / "out")).counts["patients"] == 2


def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = write_export(tmp_path / "in", CHARTS[:2], manifest=False)
    closed = write_export(export / "closed", CHARTS[2:4], manifest=False)
    look = os.scandir

    def refusing(folder: str) -> object:
        if Path(folder) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return look(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PermissionError, match="closed"):
        plan(export, tmp_path / "out")


def test_results_do_not_go_into_the_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = write_export(tmp_path / "in", CHARTS[:2])
    assert main(["population", str(export), "--out", str(export / "out")]) == 2
    assert f"--out: expected a folder that is not in {export}, of which all is read" in capsys.readouterr().err
    assert not (export / "out").exists()


SPELLINGS: dict[str, Callable[[str], object]] = {
    "bare id": lambda id_: {"reference": id_},
    "urn": lambda id_: {"reference": f"urn:uuid:{id_}"},
    "absolute": lambda id_: {"reference": f"https://ehr.example/fhir/Patient/{id_}"},
    "with a version": lambda id_: {"reference": f"Patient/{id_}/_history/3"},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_patient_is_found_in_every_spelling_of_the_subject(tmp_path: Path, spelling: str) -> None:
    changed = [
        Charted(
            chart.id,
            tuple(
                {**one, "subject": SPELLINGS[spelling](chart.id)} if "subject" in one else one
                for one in chart.resources
            ),
        )
        for chart in CHARTS
    ]
    judge_population(plan(write_export(tmp_path / "plain", CHARTS), tmp_path / "one"))
    judge_population(plan(write_export(tmp_path / "other", changed), tmp_path / "two"))
    assert (tmp_path / "one" / "findings.ndjson").read_bytes() == (tmp_path / "two" / "findings.ndjson").read_bytes()


def test_escaped_slashes_hide_no_patient(tmp_path: Path) -> None:
    judge_population(plan(write_export(tmp_path / "in", CHARTS), tmp_path / "one"))
    for file in (tmp_path / "in").glob("*.ndjson"):
        file.write_bytes(file.read_bytes().replace(b"/", rb"\/"))
    judge_population(plan(tmp_path / "in", tmp_path / "two"))
    assert (tmp_path / "one" / "findings.ndjson").read_bytes() == (tmp_path / "two" / "findings.ndjson").read_bytes()


def test_a_cut_line_is_counted_and_leaves_its_kind_incomplete_for_its_patient(tmp_path: Path) -> None:
    chart = next(chart for chart in CHARTS if chart.id.startswith("P01"))
    export = write_export(tmp_path / "in", CHARTS)
    with_line(
        export,
        "1.Encounter.ndjson",
        f'{{"resourceType":"Encounter","subject":{{"reference":"Patient/{chart.id}"'.encode(),
    )
    done = judge_population(plan(export, tmp_path / "out"))
    [error] = [row for row in rows(tmp_path / "out", "errors") if row.get("file")]
    assert error["file"] == "1.Encounter.ndjson"
    assert error["line"] == len((export / "1.Encounter.ndjson").read_bytes().splitlines())
    assert error["patient"] == chart.id
    assert "resourceType" not in error["why"]
    assert done.counts["unplaced"] == 0
    unjudged = {(row["patient"], row["rule"]) for row in rows(tmp_path / "out", "unjudged")}
    assert (chart.id, "REF-01") in unjudged
    assert {patient for patient, rule in unjudged if rule == "REF-01"} == {chart.id}


def test_a_cut_line_of_nobody_leaves_its_kind_incomplete_for_everyone_unless_that_is_allowed(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    with_line(export, "1.Encounter.ndjson", b'{"resourceType":"Encounter","sub')
    done = judge_population(plan(export, tmp_path / "out"))
    assert done.counts["unplaced"] == 1
    assert done.manifest["completeness"]["Encounter"] == "incomplete"
    assert done.counts["rules"]["REF-01"]["notEvaluable"] > 1
    allowed = judge_population(plan(export, tmp_path / "allowed", allow_unplaced=1))
    assert allowed.manifest["completeness"]["Encounter"] == "complete"
    assert allowed.counts["unplaced"] == 1


def test_a_cut_diagnosis_does_not_hide_its_patient(tmp_path: Path) -> None:
    healthy = Charted("healthy", ({"resourceType": "Patient", "id": "healthy", "birthDate": "1990-01-01"},))
    export = write_export(tmp_path / "in", [*CHARTS, healthy])
    with_line(
        export,
        "1.Condition.ndjson",
        b'{"resourceType":"Condition","subject":{"reference":"Patient/healthy"},"code":{"cod',
    )
    before = judge_population(plan(write_export(tmp_path / "whole", [*CHARTS, healthy]), tmp_path / "one"))
    after = judge_population(plan(export, tmp_path / "two"))
    assert after.counts["judged"] == before.counts["judged"] + 1


def test_a_kind_that_was_not_exported_is_missing_and_one_without_rows_is_empty(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    manifest = json.loads((export / "manifest.json").read_text())
    write_manifest(
        export,
        {
            **manifest,
            "request": manifest["request"].replace(",Appointment", ""),
            "output": [one for one in manifest["output"] if one["type"] != "Appointment"],
        },
    )
    (export / "1.Appointment.ndjson").unlink(missing_ok=True)
    done = judge_population(plan(export, tmp_path / "out"))
    assert done.manifest["completeness"]["Appointment"] == "missing"
    assert done.manifest["completeness"]["DeviceRequest"] == "complete"
    assert "Appointment" in done.counts["rules"]["REF-01"]["missing"]


def test_without_a_manifest_a_kind_without_rows_is_missing(tmp_path: Path) -> None:
    done = judge_population(plan(write_export(tmp_path / "in", CHARTS, manifest=False), tmp_path / "out"))
    assert done.manifest["completeness"]["Condition"] == "complete"
    assert done.manifest["completeness"]["DeviceRequest"] == "missing"


def test_a_kind_of_r5_answers_for_that_of_r4(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS[:1])
    (export / "1.DeviceUsage.ndjson").write_text(
        json.dumps({"resourceType": "DeviceUsage", "patient": {"reference": f"Patient/{CHARTS[0].id}"}}) + "\n"
    )
    output = {"type": "DeviceUsage", "url": "https://ehr.example/bulk/1.DeviceUsage.ndjson", "count": 1}
    write_manifest(export, {"output": [output]})
    done = judge_population(plan(export, tmp_path / "out"))
    assert done.manifest["completeness"]["DeviceUseStatement"] == "complete"
    assert done.counts["rows"]["DeviceUseStatement"] == 1


def test_medicines_that_rows_refer_to_reach_the_patients_who_take_them(tmp_path: Path) -> None:
    """As an export has them: in files of their own, named by no patient."""
    taking = [chart for chart in CHARTS if any("medicationCodeableConcept" in one for one in chart.resources)]
    apart = list(map(medicines_apart, taking))
    assert sum(one["resourceType"] == "Medication" for chart in apart for one in chart.resources) > 20
    told = []
    for name, charts in (("within", taking), ("apart", apart)):
        run = plan(write_export(tmp_path / name, charts), tmp_path / f"{name} out", workers=2)
        judge_population(run)
        told.append((tmp_path / f"{name} out" / "findings.ndjson").read_bytes())
    assert told[0] == told[1] != b""


def test_a_short_count_makes_a_kind_incomplete(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    manifest = json.loads((export / "manifest.json").read_text())
    for one in manifest["output"]:
        one["count"] += one["type"] == "Encounter"
    write_manifest(export, manifest)
    done = judge_population(plan(export, tmp_path / "out"))
    assert done.manifest["completeness"]["Encounter"] == "incomplete"


def without_counts(export: Path, **members: object) -> None:
    """Let the manifest not say how many rows a file has, which it need not (Bulk Data Access, 2.5)."""
    manifest = json.loads((export / "manifest.json").read_text())
    outputs = [{"type": one["type"], "url": one["url"]} for one in manifest["output"]]
    write_manifest(export, {**manifest, "output": outputs, **members})


def test_a_file_that_the_manifest_names_and_that_is_not_there_makes_its_kind_incomplete(tmp_path: Path) -> None:
    """A referral in the file that was lost would have silenced REF-01: its absence is no conclusion."""
    export = write_export(tmp_path / "in", CHARTS, a_file=40)
    without_counts(export)
    whole = judge_population(plan(export, tmp_path / "whole"))
    assert set(whole.manifest["completeness"].values()) == {"complete"}
    (export / "1.ServiceRequest.ndjson").unlink()
    (export / "2.Condition.ndjson").unlink()
    done = judge_population(plan(export, tmp_path / "out"))
    assert done.manifest["completeness"]["ServiceRequest"] == "missing"
    assert done.manifest["completeness"]["Condition"] == "incomplete"
    assert done.counts["rules"]["REF-01"]["gap"] == 0
    assert done.counts["rules"]["REF-01"]["notEvaluable"] > 0


def test_files_that_were_named_otherwise_are_those_of_the_manifest_while_each_kind_came(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    without_counts(export)
    for number, file in enumerate(sorted(export.glob("*.ndjson"))):
        file.rename(export / f"part-{number}.ndjson")
    done = judge_population(plan(export, tmp_path / "out"))
    assert set(done.manifest["completeness"].values()) == {"complete"}
    (export / "part-0.ndjson").unlink()
    assert judge_population(plan(export, tmp_path / "less")).manifest["completeness"]["Appointment"] == "incomplete"


def test_an_error_of_the_export_that_is_not_there_to_be_read_leaves_nothing_complete(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS[:3])
    lost = {"error": [{"type": "OperationOutcome", "url": "https://ehr.example/bulk/errors.ndjson"}]}
    without_counts(export, **lost)
    done = judge_population(plan(export, tmp_path / "out"))
    assert "complete" not in done.manifest["completeness"].values()


def test_what_is_said_of_those_who_were_not_judged_is_no_conclusion_from_what_did_not_come(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    done = judge_population(plan(export, tmp_path / "whole"))
    assert of_the_others(done.manifest).startswith("The others have no diagnosis of migraine")
    everybody = judge_population(plan(export, tmp_path / "everybody", every_patient=True))
    assert of_the_others(everybody.manifest) == ""
    with_line(export, "1.Condition.ndjson", b'{"resourceType":"Condition","sub')
    cut = of_the_others(judge_population(plan(export, tmp_path / "cut")).manifest)
    assert "there may be some, as not all of Condition came" in cut


def test_a_run_does_not_go_on_with_other_files_of_the_guideline(tmp_path: Path) -> None:
    """Half of the patients would be judged by the one, half by the other."""
    table = tmp_path / "codes.csv"
    table.write_text("set,system,code,display\nasthma,snomed,195967001,Asthma\n")
    export = write_export(tmp_path / "in", CHARTS[:3])
    begun = plan(export, tmp_path / "out", guideline=load_guideline().with_codes(table))
    begun.work.mkdir(parents=True)
    (begun.work / "run.json").write_text(json.dumps(begun.fingerprint()))
    table.write_text("set,system,code,display\nasthma,snomed,195967001,Bronchial asthma\n")
    with pytest.raises(ExportError, match="other guideline"):
        judge_population(begun)


def test_a_run_that_was_stopped_before_it_noted_what_it_does_begins_anew(tmp_path: Path) -> None:
    begun = plan(write_export(tmp_path / "in", CHARTS[:3]), tmp_path / "out")
    begun.work.mkdir(parents=True)
    (begun.work / "run.json.1.unfinished").write_text("{")
    assert judge_population(begun).counts["patients"] == 3


def running(export: Path, out: Path) -> "subprocess.Popen[str]":
    """The command, when its workers judge."""
    asked = [sys.executable, "-c", "import sys; from prodrome.cds_hooks.command_line.cli import main; sys.exit(main())"]
    asked += ["population", str(export), "--out", str(out), "--every-patient", "--workers", "2"]
    process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=out.parent)
    until(lambda: (out / "work" / "judged").exists() and len(children(process.pid)) == 2)
    return process


def children(process: int) -> list[int]:
    listed = subprocess.run(["ps", "--ppid", str(process), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_workers_of_a_run_that_is_killed_end_with_it(tmp_path: Path, how: signal.Signals) -> None:
    process = running(write_export(tmp_path / "in", healthy(4000)), tmp_path / "out")
    process.send_signal(how)
    process.communicate(timeout=20)  # which waits until nobody holds the ends of its output any more
    assert process.returncode == -how


def test_a_run_whose_worker_is_killed_says_so_in_one_sentence(tmp_path: Path) -> None:
    process = running(write_export(tmp_path / "in", healthy(4000)), tmp_path / "out")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "A process of the run was ended from outside" in said
    assert "Traceback" not in said


def test_a_full_folder_is_refused(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS[:3])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="not empty"):
        judge_population(plan(export, tmp_path / "out"))


def test_a_run_does_not_go_on_with_another_day(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS[:3])
    begun = plan(export, tmp_path / "out")
    begun.work.mkdir(parents=True)
    (begun.work / "run.json").write_text(json.dumps({**begun.fingerprint(), "today": str(date(2020, 1, 1))}))
    with pytest.raises(ExportError, match="other today"):
        judge_population(begun)


@pytest.mark.parametrize("content", [None, "", "empty folder"])
def test_what_is_no_export_is_said(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "in"
    if content == "":
        folder.write_text("")
    elif content:
        folder.mkdir()
    with pytest.raises(ExportError, match="expected"):
        plan(folder, tmp_path / "out")


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    export = write_export(tmp_path / "in", CHARTS, a_file=40)
    kills = os.environ.get("KILLS", "3")
    asked = [sys.executable, "-m", "tests.cds_hooks.population.killing", str(export), str(tmp_path), kills]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60 + 60 * int(kills), check=False)
    assert told.returncode == 0, told.stderr
    assert len(told.stdout.splitlines()) == int(kills)


def test_a_byte_order_mark_costs_no_row(tmp_path: Path) -> None:
    export, marked = write_export(tmp_path / "in", CHARTS), write_export(tmp_path / "marked", CHARTS)
    for file in marked.glob("*.ndjson"):
        file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    with_line(export, "1.Encounter.ndjson", b'{"resourceType":"Encounter"')
    with_line(marked, "1.Encounter.ndjson", b'{"resourceType":"Encounter"')
    one, other = judge_population(plan(export, tmp_path / "one")), judge_population(plan(marked, tmp_path / "other"))
    assert other.counts == one.counts
    assert rows(tmp_path / "other", "errors") == rows(tmp_path / "one", "errors")


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("cut", [4, 8, 200])
def test_a_cut_archive_leaves_its_kind_incomplete_for_everyone(tmp_path: Path, cut: int, manifest: bool) -> None:
    export = write_export(tmp_path / "in", CHARTS, zipped=True, manifest=manifest)
    file = export / "1.Encounter.ndjson.gz"
    content = gzip.decompress(file.read_bytes())
    file.write_bytes(file.read_bytes()[:-cut])
    done = judge_population(plan(export, tmp_path / "out"))
    assert done.manifest["completeness"]["Encounter"] == "incomplete"
    assert done.manifest["completeness"]["Condition"] == "complete"
    assert done.counts["rules"]["REF-01"]["notEvaluable"] > 1
    error = [row for row in rows(tmp_path / "out", "errors") if row.get("file")][-1]
    assert (error["file"], error["resource"], error["patient"]) == (file.name, "Encounter", None)
    assert 1 <= error["line"] <= len(content.splitlines()) + 1


@pytest.mark.parametrize("content", [b"no archive", b"\x1f\x8b", b"\x1f\x8b\x08\x00" + b"\x00" * 6 + b"\xff" * 9])
def test_what_is_no_archive_may_have_held_anything(tmp_path: Path, content: bytes) -> None:
    export = write_export(tmp_path / "in", CHARTS, zipped=True)
    (export / "2.Encounter.ndjson.gz").write_bytes(content)
    done = judge_population(plan(export, tmp_path / "out"))
    assert set(done.manifest["completeness"].values()) == {"incomplete"}
    [error] = [row for row in rows(tmp_path / "out", "errors") if row.get("file")]
    assert (error["file"], error["line"], error["resource"]) == ("2.Encounter.ndjson.gz", 1, None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("1.ndjson.gz", gzip.compress(b'{"resourceType":"Bundle","entry":[]}\n', mtime=0)[:-8]),
        ("1.ndjson", b'{"resourceType":"Bundle","entry":[{"requ'),
    ],
)
def test_deletions_that_cannot_be_read_end_the_run(tmp_path: Path, name: str, content: bytes) -> None:
    export = write_export(tmp_path / "in", CHARTS)
    (export / "deleted").mkdir()
    (export / "deleted" / name).write_bytes(content)
    with pytest.raises(ExportError, match="what it says was deleted is not known"):
        judge_population(plan(export, tmp_path / "out"))


def test_a_row_of_a_patient_that_does_not_say_its_kind_may_be_of_any(tmp_path: Path) -> None:
    chart = next(chart for chart in CHARTS if chart.id.startswith("P01"))
    whole = judge_population(plan(write_export(tmp_path / "whole", CHARTS), tmp_path / "one"))
    export = write_export(tmp_path / "in", CHARTS)
    with_line(export, "1.Encounter.ndjson", f'"subject":{{"reference":"Patient/{chart.id}"}}}}'.encode())
    done = judge_population(plan(export, tmp_path / "two"))
    assert done.counts["unplaced"] == whole.counts["unplaced"]
    before, after = (
        {row["rule"] for row in rows(tmp_path / out, "unjudged") if row["patient"] == chart.id}
        for out in ("one", "two")
    )
    assert after > before
