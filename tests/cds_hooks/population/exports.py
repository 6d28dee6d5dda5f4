"""Bulk exports for tests, made of the labelled and the example patients."""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from prodrome.cds_hooks.population.export import open_export
from prodrome.cds_hooks.population.plan import RunPlan
from prodrome.cds_hooks.testers import example_patients
from prodrome.fhir_mappers import KINDS
from prodrome.rules.guideline import load_guideline

TODAY = date(2026, 6, 15)
LABELLED = Path(__file__).parents[2] / "vignettes" / "requests"

Resource = dict[str, Any]


@dataclass(frozen=True)
class Charted:
    """A patient with the whole chart, and the kinds of resource that its source could not have."""

    id: str
    resources: tuple[Resource, ...]
    absent: frozenset[str] = frozenset()


def labelled() -> list[Charted]:
    """The labelled patients, each with ids of its own."""
    charts = []
    for file in sorted(LABELLED.glob("*.json")):
        patient = json.loads(file.read_text(encoding="utf-8"))
        request = patient["request_by_kind"]
        bundles = [value for value in request["prefetch"].values() if value]
        resources = [
            entry["resource"]
            for bundle in bundles
            for entry in (bundle["entry"] if bundle["resourceType"] == "Bundle" else [{"resource": bundle}])
        ]
        id_ = request["context"]["patientId"]
        charts.append(_renamed(Charted(id_, tuple(resources), frozenset(patient.get("absent", ()))), patient["id"]))
    return charts


def healthy(count: int) -> list[Charted]:
    """Patients without migraine, each with a condition that is none."""
    return [
        Charted(
            f"healthy-{number}",
            (
                {"resourceType": "Patient", "id": f"healthy-{number}", "birthDate": "1990-01-01"},
                {
                    "resourceType": "Condition",
                    "id": f"healthy-{number}-asthma",
                    "subject": {"reference": f"Patient/healthy-{number}"},
                    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J45.20"}]},
                },
            ),
        )
        for number in range(count)
    ]


def examples() -> list[Charted]:
    """The example patients of the product."""
    guideline = load_guideline()
    return [
        Charted(one.patient_id, tuple(example_patients.resources(one, guideline, TODAY)))
        for one in example_patients.examples()
    ]


def medicines_apart(chart: Charted) -> Charted:
    """The chart with each medicine as a resource of its own, which its rows refer to."""
    apart: list[Resource] = []
    for one in chart.resources:
        if "medicationCodeableConcept" in one:
            name = f"of-{one['id']}"
            apart.append({"resourceType": "Medication", "id": name, "code": one["medicationCodeableConcept"]})
            rest = {key: value for key, value in one.items() if key != "medicationCodeableConcept"}
            apart.append({**rest, "medicationReference": {"reference": f"Medication/{name}"}})
        else:
            apart.append(one)
    return Charted(chart.id, tuple(apart), chart.absent)


def _renamed(chart: Charted, prefix: str) -> Charted:
    """The chart with ``prefix`` before every id, so that patients of several sources do not meet."""
    named = {
        f"{one['resourceType']}/{one['id']}": f"{one['resourceType']}/{prefix}-{one['id']}" for one in chart.resources
    }

    def rename(value: object) -> object:
        if isinstance(value, dict):
            return {key: rename(part) for key, part in value.items()}
        if isinstance(value, list):
            return [rename(part) for part in value]
        return named.get(value, value) if isinstance(value, str) else value

    resources = [{**rename(one), "id": f"{prefix}-{one['id']}"} for one in chart.resources]  # type: ignore[dict-item]
    return Charted(f"{prefix}-{chart.id}", tuple(resources), chart.absent)


def write_export(
    folder: Path, charts: Iterable[Charted], *, manifest: bool = True, zipped: bool = False, a_file: int = 1_000_000
) -> Path:
    """A bulk export of these patients: a file per kind, cut after ``a_file`` rows, and a manifest of all kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    by_kind: dict[str, list[bytes]] = {}
    for chart in charts:
        for resource in chart.resources:
            by_kind.setdefault(resource["resourceType"], []).append(orjson.dumps(resource) + b"\n")
    outputs = []
    for kind, rows in by_kind.items():
        for number, start in enumerate(range(0, len(rows), a_file), 1):
            name = f"{number}.{kind}.ndjson{'.gz' if zipped else ''}"
            part = rows[start : start + a_file]
            content = b"".join(part)
            (folder / name).write_bytes(gzip.compress(content) if zipped else content)
            outputs.append({"type": kind, "url": f"https://ehr.example/bulk/{name}", "count": len(part)})
    if manifest:
        asked = f"https://ehr.example/fhir/Group/1/$export?_type={','.join(KINDS)}"
        write_manifest(folder, {"request": asked, "output": outputs, "error": []})
    return folder


def with_line(export: Path, file: str, line: bytes) -> None:
    """Add a line to a file of an export."""
    with (export / file).open("ab") as stream:
        stream.write(line + b"\n")


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps({"transactionTime": "2026-06-15T00:00:00Z", **content}))


def plan(export: Path | str, out: Path, **more: Any) -> RunPlan:
    """A run over an export as a test wants it."""
    asked = {
        "guideline": load_guideline(),
        "today": TODAY,
        "locale": "US",
        "engine": "reference",
        "every_patient": False,
    }
    return RunPlan(export=open_export(export), out=out, **{**asked, "workers": 1, **more})
