"""Data that nobody here wrote passes through: whole synthetic patients, HL7's examples, bodies of real requests.

The data lies beside the repository, not in it; without it these tests are skipped.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prodrome.fhir_mappers import KINDS, Record, Share, collect, read_facts, shares
from prodrome.fhir_mappers.codes import concept
from prodrome.fhir_mappers.medications import lexicon_of
from prodrome.fhir_mappers.named_medicines import NamedMedicine
from prodrome.rules import judge
from prodrome.rules.facts import Completeness, Facts
from prodrome.rules.guideline.guideline import load_guideline

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the collection of public FHIR data is not beside the repository"
)


def read(resources: list[object], today: date, patient_id: str | None = None) -> Facts:
    by_kind, _ = collect([("", {"resourceType": "Bundle", "entry": [{"resource": each} for each in resources]})])
    return read_facts(Record(patient_id, by_kind), load_guideline(), today)


def tell(name: str, charts: list[Facts], capsys: pytest.CaptureFixture[str]) -> None:
    """Print how many rows of each kind were read and skipped."""
    rows = sum((Counter(chart.read) for chart in charts), Counter())
    skipped = Counter(skipped.kind for chart in charts for skipped in chart.skipped)
    with capsys.disabled():
        print(f"\n{name}: {len(charts)} charts, {sum(rows.values())} rows read, {sum(skipped.values())} skipped")
        print("  read", dict(sorted(rows.items())))
        print("  skipped", dict(sorted(skipped.items())))


def test_whole_synthetic_patients(capsys: pytest.CaptureFixture[str]) -> None:
    charts = []
    for file in sorted((DATA / "synthea-r4").glob("*.json.gz")):
        bundle = json.loads(gzip.decompress(file.read_bytes()))
        by_kind, _ = collect([("Patient", bundle)])
        charts.append(read_facts(Record(None, by_kind), load_guideline(), date(2021, 4, 1)))
    tell("Synthea", charts, capsys)
    assert len(charts) == 80
    assert not any(chart.skipped for chart in charts)
    assert all(chart.patient and chart.patient.birth for chart in charts)
    with_migraine = [chart for chart in charts if any("migraine" in found.names for found in chart.conditions)]
    assert with_migraine
    assert any(visit.reason == "migraine" for chart in with_migraine for visit in chart.hospital_visits)
    assert any(chart.trials for chart in charts)


def test_the_silence_on_every_synthetic_patient_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in a chart was understood or is said; a silent chart says which it was, and what did not come.

    And it is quiet: fewer than three cards on opening ten charts.
    """
    whole = dict.fromkeys(KINDS, Completeness.COMPLETE)
    today = date(2021, 4, 1)
    silent: Counter[str] = Counter()
    cards = 0
    for file in sorted((DATA / "synthea-r4").glob("*.json.gz")):
        by_kind, _ = collect([("Patient", json.loads(gzip.decompress(file.read_bytes())))])
        chart = read_facts(Record(None, by_kind, whole), load_guideline(), today)
        found = {(share.kind, share.what): share for share in shares(chart)}
        for kind, what in (("MedicationRequest", "drug"), ("Encounter", "class")):  # all rows of these count
            assert found.get((kind, what), Share(kind, what, 0, 0)).of == chart.read.get(kind, 0)
        for share in found.values():
            puzzles = [each for each in chart.not_understood if (each.kind, each.what) == (share.kind, share.what)]
            assert share.what == "rows" or share.of - share.told == len(puzzles)
        findings = judge(chart, load_guideline(), today, hook="patient-view").findings
        cards += len(findings)
        if findings:
            continue
        if chart.patient and chart.patient.deceased:
            silent["deceased"] += 1
        elif not any("migraine" in condition.names for condition in chart.conditions):
            silent["no migraine"] += 1
        else:
            assert not chart.headache_months, "no diary came, without which no definition can hold"
            silent["migraine without a diary"] += 1
    with capsys.disabled():
        print(f"\nSynthea, silent: {dict(sorted(silent.items()))}; {cards} cards on opening 80 charts")
    assert sum(silent.values()) > 0
    assert cards < 0.3 * 80


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
@pytest.mark.parametrize("kind", ["MedicationStatement", "MedicationRequest", "Encounter"])
def test_the_official_examples(release: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((DATA / "hl7-examples" / release / kind).glob("*.json"))
    assert files
    charts = [read([json.loads(file.read_text())], date(2026, 6, 15)) for file in files]
    tell(f"HL7 {release} {kind}", charts, capsys)
    assert sum(chart.read.get(kind, 0) for chart in charts) + sum(len(chart.skipped) for chart in charts) >= len(files)


def test_every_other_example_of_the_kinds_read(capsys: pytest.CaptureFixture[str]) -> None:
    charts = []
    for folder in ("hl7-examples", "ips-2.0.0", "us-core-examples"):
        for file in sorted((DATA / folder).rglob("*.json")):
            charts.append(read([json.loads(file.read_text())], date(2026, 6, 15)))
    tell("all examples", charts, capsys)
    assert charts


def _resources(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("resourceType"), str) and value["resourceType"] != "Bundle":
            yield value
        for each in value.values():
            yield from _resources(each)
    elif isinstance(value, list):
        for each in value:
            yield from _resources(each)


def test_bodies_of_real_requests(capsys: pytest.CaptureFixture[str]) -> None:
    files = [file for file in sorted((DATA / "cds-hooks-requests").glob("*.json")) if file.name != "INDEX.json"]
    charts = []
    for file in files:
        body = json.loads(file.read_text())
        resources: list[object] = list(_resources(body))
        charts.append(read(resources, date(2026, 6, 15)))
        prefetch = body.get("prefetch") if isinstance(body, dict) else None
        context = body.get("context") if isinstance(body, dict) else None
        if isinstance(prefetch, dict):
            by_kind, completeness = collect(prefetch.items())
            patient = context.get("patientId") if isinstance(context, dict) else None
            record = Record(patient if isinstance(patient, str) else None, by_kind, completeness, tuple(resources))
            charts.append(read_facts(record, load_guideline(), date(2026, 6, 15)))
    tell("CDS Hooks bodies", charts, capsys)
    assert len(charts) >= len(files) > 100


def test_rows_that_name_a_drug_of_the_guideline_are_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    """Named by a word of the row's own texts; combinations and what is put on skin or eye are others' rows."""
    guideline = load_guideline()
    lexicon = lexicon_of(guideline)
    ingredients = {name: drug for name, drug in guideline.names.items() if drug == name.replace(" ", "_")}
    named: Counter[str] = Counter()
    recognised: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for file in sorted([*DATA.rglob("*.json"), *DATA.rglob("*.json.gz")]):
        content = file.read_bytes()
        try:
            body = json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)
        except ValueError:
            continue
        source = file.relative_to(DATA).parts[0]
        for row in _medicines(body):
            said = " ".join(sorted(set(_words(row))))
            drugs = {ingredients[word] for word in re.findall(r"[a-z]+", said.lower()) if word in ingredients}
            if len(drugs) != 1 or re.search(r"/ [a-z]|[a-z] and [a-z]|cream|gel|ophth|topical|patch", said.lower()):
                continue
            named[source] += 1
            medicine = lexicon.recognise(NamedMedicine(concept(row)))
            if medicine is not None and medicine.drug.id in drugs:
                recognised[source] += 1
            else:
                missed[said[:100]] += 1
    with capsys.disabled():
        print(
            "\nrows of one drug recognised:", {each: f"{recognised[each]} of {named[each]}" for each in sorted(named)}
        )
        print("  missed:", missed.most_common(8))
    assert sum(recognised.values()) >= 0.95 * sum(named.values()) > 0


def _medicines(value: object) -> Iterator[dict[str, Any]]:
    """Every ``medicationCodeableConcept``, and every code of a Medication."""
    if isinstance(value, dict):
        code = value.get("code") if value.get("resourceType") == "Medication" else None
        for made in (value.get("medicationCodeableConcept"), code):
            if isinstance(made, dict):
                yield made
        for each in value.values():
            yield from _medicines(each)
    elif isinstance(value, list):
        for each in value:
            yield from _medicines(each)


def _words(row: dict[str, Any]) -> Iterator[str]:
    codings = row.get("coding")
    displays = [each.get("display") for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
    yield from (each for each in (row.get("text"), *displays) if isinstance(each, str))
