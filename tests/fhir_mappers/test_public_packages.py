"""The example packages of public FHIR guides, as the npm registry has them: none fails, and what they name is known.

Each is skipped where npm or the registry does not answer; nothing of them is kept. Examples that are in no registry are
tried from a folder, each folder in it a source: ``FHIR_EXAMPLES=FOLDER make test-examples``.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prodrome.fhir_mappers import KINDS, Record, collect, read_facts
from prodrome.fhir_mappers.codes import concept
from prodrome.fhir_mappers.medications import lexicon_of
from prodrome.fhir_mappers.named_medicines import NamedMedicine
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


FOLDER = Path(os.environ.get("FHIR_EXAMPLES", "."))
SOURCES = sorted(each for each in FOLDER.iterdir() if each.is_dir()) if "FHIR_EXAMPLES" in os.environ else []


@pytest.mark.slow
@pytest.mark.parametrize("resources", PACKAGES, indirect=True)
def test_every_example_of_a_public_package_is_read(
    resources: list[dict[str, Any]], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        assert _read(request.node.callspec.params["resources"], resources)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_every_example_in_a_folder_is_read(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        assert _read(source.name, list(_in_folder(source)))


def _read(name: str, resources: list[dict[str, Any]]) -> bool:
    """Read each resource as a record of its own and print what came of them; whether enough of the drugs are known."""
    rows: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for resource in resources:
        by_kind, _ = collect([("", resource)])
        read = read_facts(Record(None, by_kind), load_guideline(), date(2026, 6, 15))
        rows.update(read.read)
        skipped.update(row.kind for row in read.skipped)
    named, missed = _recognised(resources)
    print(f"\n{name}: {len(resources)} files, {rows.total()} rows read, skipped {dict(skipped)}")
    print(f"  one drug, recognised: {named - len(missed)} of {named}; not: {missed[:5]}")
    return bool(rows) and len(missed) <= 0.05 * named


def _in_folder(folder: Path) -> Iterator[dict[str, Any]]:
    """The resources of a folder of the kinds that are read; files that are no FHIR are passed over."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.suffix == ".json":
                resource = json.loads(path.read_text(encoding="utf-8-sig"))
            elif path.suffix == ".xml":
                resource = _of_xml(ET.parse(path).getroot())
            else:
                continue
        except (ValueError, ET.ParseError):
            continue
        if isinstance(resource, dict) and resource.get("resourceType") in (*KINDS, "DeviceUsage", "Bundle"):
            yield resource


FHIR = "{http://hl7.org/fhir}"
_NUMBERS = re.compile(r"value(?:Integer|Decimal)?|frequency|period|duration|rank|sequence|total|numberOfRepeatsAllowed")


def _of_xml(resource: ET.Element) -> dict[str, Any]:
    """A resource of FHIR's XML as its JSON, but for lists of one: those stay what they hold."""
    return {"resourceType": resource.tag.removeprefix(FHIR)} | _members(resource)


def _members(element: ET.Element) -> dict[str, Any]:
    made: dict[str, Any] = dict(element.attrib)
    for child in element:
        name = child.tag.removeprefix(FHIR)
        if not child.tag.startswith(FHIR) or (child.find(f"{FHIR}status") is not None and name == "text"):
            continue  # XHTML, the narrative
        value: Any = _members(child)
        if name in ("contained", "resource"):
            value = next((_of_xml(inner) for inner in child), value)
        elif value.keys() == {"value"} and not len(child):
            value = value["value"] if element.tag == f"{FHIR}identifier" else _primitive(name, value["value"])
        made[name] = [*(made[name] if isinstance(made[name], list) else [made[name]]), value] if name in made else value
    return made


def _primitive(name: str, text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBERS.fullmatch(name) and re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        return float(text) if "." in text else int(text)
    return text


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
    """Every ``medicationCodeableConcept``, R5's concepts of a medication, and each Medication's code or ingredient."""
    if isinstance(value, dict):
        medication = value.get("medication")
        said = [
            value.get("medicationCodeableConcept"),
            medication.get("concept") if isinstance(medication, dict) else 0,
        ]
        if value.get("resourceType") == "Medication":
            ingredients = value.get("ingredient")
            only = ingredients[0] if isinstance(ingredients, list) and len(ingredients) == 1 else ingredients
            said += [value.get("code"), only.get("itemCodeableConcept") if isinstance(only, dict) else None]
        yield from (each for each in said if isinstance(each, dict))
        for each in value.values():
            yield from _concepts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _concepts(each)
