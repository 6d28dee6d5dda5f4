"""The example packages of public FHIR guides, as the npm registry has them: none fails, and what they name is known.

Each is skipped where npm or the registry does not answer; nothing of them is kept.
"""

import json
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prodrome.fhir_mappers import KINDS, Record, collect, read_facts
from prodrome.fhir_mappers.codes import concept
from prodrome.fhir_mappers.medications import NamedMedicine, lexicon_of
from prodrome.rules.guideline import load_guideline

PACKAGES = (
    "hl7.fhir.r4.examples@4.0.1",
    "hl7.fhir.r5.examples@5.0.0",
    "hl7.fhir.us.mcode@4.0.0",
    "hl7.fhir.uv.ips@2.0.0",
    "hl7.fhir.au.base@6.0.0",
)
SECONDS = 60


@pytest.fixture
def resources(request: pytest.FixtureRequest, tmp_path: Path) -> list[dict[str, Any]]:
    """The resources of one package of the kinds that are read."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here")
    command = [npm, "pack", "--silent", request.param]
    try:
        packed = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the registry sent no {request.param} in {SECONDS} seconds")
    archives = list(tmp_path.glob("*.tgz"))
    if packed.returncode or not archives:
        pytest.skip(f"the registry does not have {request.param}")
    return list(_examples(archives[0]))


def _examples(archive: Path) -> Iterator[dict[str, Any]]:
    with tarfile.open(archive) as files:
        for member in files:
            stream = files.extractfile(member) if member.name.endswith(".json") else None
            if stream is None:
                continue
            resource = json.load(stream)
            if isinstance(resource, dict) and resource.get("resourceType") in (*KINDS, "DeviceUsage", "Bundle"):
                yield resource


@pytest.mark.slow
@pytest.mark.parametrize("resources", PACKAGES, indirect=True)
def test_every_example_of_a_public_package_is_read(
    resources: list[dict[str, Any]], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for resource in resources:
        by_kind, _ = collect([("", resource)])
        read = read_facts(Record(None, by_kind), load_guideline(), date(2026, 6, 15))
        rows.update(read.read)
        skipped.update(row.kind for row in read.skipped)
    named, missed = _recognised(resources)
    with capsys.disabled():
        print(f"\n{request.node.callspec.params['resources']}: {len(resources)} files, {rows.total()} rows read")
        print(f"  skipped {dict(skipped)}; one drug, recognised: {named - len(missed)} of {named}; not: {missed[:5]}")
    assert rows
    assert len(missed) <= 0.05 * named


def _recognised(resources: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """How many medicines are named by one drug of the guideline, and those of them that are not recognised."""
    guideline = load_guideline()
    lexicon = lexicon_of(guideline)
    ingredients = {name for name, drug in guideline.names.items() if drug == name.replace(" ", "_")}
    named = 0
    missed = []
    for value in _concepts(resources):
        codings = [each for each in value.get("coding") or () if isinstance(each, dict)]
        said = " ".join(str(text).lower() for text in (value.get("text"), *(each.get("display") for each in codings)))
        drugs = ingredients.intersection(re.findall(r"[a-z]+", said))
        if len(drugs) != 1 or re.search(r"/ ?[a-z]|\+|\band\b|cream|gel\b|ophth|topical|patch", said):
            continue
        named += 1
        medicine = lexicon.recognise(NamedMedicine(concept(value)))
        if medicine is None or medicine.drug.id.replace("_", " ") not in drugs:
            missed.append(said[:80])
    return named, missed


def _concepts(value: object) -> Iterator[dict[str, Any]]:
    """Every ``medicationCodeableConcept``, R5's concepts of a medication, and every code of a Medication."""
    if isinstance(value, dict):
        medication = value.get("medication")
        said = [
            value.get("medicationCodeableConcept"),
            medication.get("concept") if isinstance(medication, dict) else 0,
        ]
        said += [value.get("code")] if value.get("resourceType") == "Medication" else []
        yield from (each for each in said if isinstance(each, dict))
        for each in value.values():
            yield from _concepts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _concepts(each)
