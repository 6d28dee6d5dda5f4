"""What `consult --understood` says of whole synthetic patients with migraine: nothing of a chart stays unexplained.

The patients lie beside the repository, not in it; without them this is skipped.
"""

import gzip
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.fhir_mappers import KINDS, Record, collect, read_facts
from prodrome.fhir_mappers.collecting import BundleEntry
from prodrome.rules.guideline import load_guideline
from tests.serving import service

PATIENTS = Path(__file__).parents[4] / "shared" / "data" / "synthea-r4"
TODAY = date(2021, 4, 1)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PATIENTS.is_dir(), reason="the synthetic patients are not beside the repository"),
]


def with_migraine() -> list[dict[str, list[BundleEntry]]]:
    """The resources by kind of every patient with a diagnosis of migraine."""
    found = []
    for file in sorted(PATIENTS.glob("*.json.gz")):
        by_kind, _ = collect([("Patient", json.loads(gzip.decompress(file.read_bytes())))])
        conditions = read_facts(Record(None, by_kind), load_guideline(), TODAY).conditions
        if any("migraine" in condition.names for condition in conditions):
            found.append(by_kind)
    return found


def request_of(by_kind: dict[str, list[BundleEntry]], prefetch: dict[str, str]) -> dict[str, Any]:
    """A patient-view request that brings the whole chart."""
    patient = by_kind["Patient"][0].resource
    assert isinstance(patient, dict)
    brought: dict[str, Any] = {}
    for key, query in prefetch.items():
        kind = re.split(r"[?/]", query)[0]
        rows = [{"resource": entry.resource} for entry in by_kind.get(kind, ())]
        brought[key] = patient if kind == "Patient" else {"resourceType": "Bundle", "type": "searchset", "entry": rows}
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/d1", "patientId": patient["id"]},
        "prefetch": brought,
    }


def test_every_silent_patient_with_migraine_is_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    services = service().test_client().get("/cds-services").get_json()["services"]
    prefetch = next(each["prefetch"] for each in services if each["hook"] == "patient-view")
    patients = with_migraine()
    assert len(patients) > 10
    for by_kind in patients:
        path = tmp_path / "request.json"
        path.write_text(json.dumps(request_of(by_kind, prefetch)))
        assert main(("consult", str(path), "--today", str(TODAY), "--understood")) == 0
        table = capsys.readouterr().out
        shares = re.findall(r"^(\w+) +([a-z ]+?) +(\d+) of (\d+)$", table, re.MULTILINE)
        assert {kind for kind, what, *_ in shares if what == "rows"} == by_kind.keys() & {*KINDS}
        for kind, what, told, of in shares:
            if what != "rows":
                said = re.findall(rf"^  {kind}/\S+: (?:the )?{what} ", table, re.MULTILINE)
                assert len(said) == int(of) - int(told), (kind, what)
