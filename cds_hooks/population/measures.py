"""Results as FHIR R4, after Da Vinci Data Exchange for Quality Measures.

A ``DetectedIssue`` for each gap, a ``Group`` for each outreach list, and a ``MeasureReport`` for each rule: one for all
patients, and one for each patient with a gap or who could not be judged.
The files are NDJSON, as a bulk import takes them. Patients are named by reference only.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import orjson

from prodrome.cds_hooks.cards import RULES
from prodrome.cds_hooks.population.results import COUNTS, MANIFEST
from prodrome.rules.guideline import Guideline

Resource = dict[str, Any]
POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
SEVERITY = {"critical": "high", "warning": "moderate", "info": "low"}
Result = Literal["gap", "met", "notEvaluable"]


def write(out: Path, guideline: Guideline) -> None:
    """Write ``out / "fhir"`` from the tables of a result."""
    folder = out / "fhir"
    folder.mkdir(exist_ok=True)
    counts = json.loads((out / COUNTS).read_bytes())
    day = json.loads((out / MANIFEST).read_bytes())["today"]
    members: dict[str, list[str]] = {}
    with ExitStack() as open_files:
        writers = {
            name: open_files.enter_context((folder / f"{name}.ndjson").open("wb"))
            for name in ("DetectedIssue", "Group", "MeasureReport", "MeasureReport.individual")
        }

        def put(name: str, resource: Resource) -> None:
            writers[name].write(orjson.dumps(resource) + b"\n")

        for number, row in enumerate(_rows(out / "findings.ndjson")):
            put("DetectedIssue", detected_issue(row, number, day, guideline))
            listed = members.setdefault(row["rule"], [])
            if not listed or listed[-1] != row["patient"]:
                listed.append(row["patient"])
        for rule in sorted(members):
            put("Group", group(rule, members[rule], guideline))
        for rule, of_rule in counts["rules"].items():
            put("MeasureReport", summary_report(rule, of_rule, day, guideline))
        tables: tuple[tuple[str, Result], ...] = (("findings", "gap"), ("unjudged", "notEvaluable"))
        for table, result in tables:
            for (patient, rule), rows in groupby(_rows(out / f"{table}.ndjson"), key=_patient_and_rule):
                put("MeasureReport.individual", individual_report(patient, rule, result, day, rows, guideline))


def detected_issue(row: Mapping[str, Any], number: int, day: str, guideline: Guideline) -> Resource:
    """A gap of one patient: the rule, how grave it is, and the resources that show it."""
    resource: Resource = {
        "resourceType": "DetectedIssue",
        "id": f"issue-{number}",
        "status": "final",
        "code": rule_concept(row["rule"], guideline),
        "severity": SEVERITY[row["indicator"]],
        "patient": {"reference": f"Patient/{row['patient']}"},
        "identifiedDateTime": day,
    }
    shown = [*([row["order"]] if row.get("order") else []), *row["references"]]
    if shown:
        resource["implicated"] = [{"reference": reference} for reference in dict.fromkeys(shown)]
    return resource


def rule_concept(rule: str, guideline: Guideline) -> dict[str, Any]:
    """A rule as a code."""
    return {
        "coding": [{"system": guideline.canonical("CodeSystem", RULES), "code": rule}],
        "text": title(rule, guideline),
    }


def title(rule: str, guideline: Guideline) -> str:
    """What a rule is called; one that is no longer there by its id."""
    known = guideline.rulebook.rules.get(rule)
    return known.title if known and known.title else rule


def group(rule: str, patients: list[str], guideline: Guideline) -> Resource:
    """The outreach list of a rule."""
    return {
        "resourceType": "Group",
        "id": f"outreach-{rule.lower()}",
        "type": "person",
        "actual": True,
        "code": rule_concept(rule, guideline),
        "name": title(rule, guideline),
        "quantity": len(patients),
        "member": [{"entity": {"reference": f"Patient/{patient}"}} for patient in patients],
    }


def summary_report(rule: str, counts: Mapping[str, Any], day: str, guideline: Guideline) -> Resource:
    """How many patients a rule could be judged for, and met. Who could not be judged is excluded from the denominator.

    The numerator are those for whom what the rule asks for was found; the others of the denominator are its gaps.
    """
    whole = counts["denominator"] + counts["notEvaluable"]
    populations = {
        "initial-population": whole,
        "denominator": whole,
        "denominator-exclusion": counts["notEvaluable"],
        "numerator": counts["met"],
    }
    report = _report(f"summary-{rule.lower()}", "summary", rule, day, guideline)
    of_rule: Resource = {"population": [_population(name, count) for name, count in populations.items()]}
    if counts["denominator"]:
        of_rule["measureScore"] = {"value": round(counts["met"] / counts["denominator"], 4)}
    return {**report, "group": [of_rule]}


def individual_report(
    patient: str, rule: str, result: Result, day: str, rows: Iterator[Mapping[str, Any]], guideline: Guideline
) -> Resource:
    """What a rule came to for one patient, with the resources that show it or the kinds that are missing."""
    populations = {
        "initial-population": 1,
        "denominator": 1,
        "denominator-exclusion": int(result == "notEvaluable"),
        "numerator": int(result == "met"),
    }
    report = _report(f"{rule.lower()}-{patient}"[:64], "individual", rule, day, guideline)
    report["subject"] = {"reference": f"Patient/{patient}"}
    report["group"] = [{"population": [_population(name, count) for name, count in populations.items()]}]
    shown = dict.fromkeys(reference for row in rows for reference in row.get("references", ()))
    if shown:
        report["evaluatedResource"] = [{"reference": reference} for reference in shown]
    return report


def _report(id_: str, type_: str, rule: str, day: str, guideline: Guideline) -> Resource:
    return {
        "resourceType": "MeasureReport",
        "id": id_,
        "status": "complete",
        "type": type_,
        "measure": guideline.canonical("Measure", rule),
        "date": day,
        "period": {"start": day, "end": day},
    }


def _population(name: str, count: int) -> dict[str, Any]:
    return {"code": {"coding": [{"system": POPULATION, "code": name}]}, "count": count}


def _patient_and_rule(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["patient"], row["rule"]


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as stream:
        yield from map(orjson.loads, stream)
