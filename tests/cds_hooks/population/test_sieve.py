"""The sieve lets nobody through its meshes whom a rule would speak for."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodrome.cds_hooks.population import judge_population
from prodrome.cds_hooks.population.export import Batch
from prodrome.cds_hooks.population.judging import Judge
from prodrome.cds_hooks.population.steps import Place, Sieve
from prodrome.fhir_mappers import KINDS, whose
from prodrome.rules import Completeness
from prodrome.rules.engine.matching import Comparison, Pattern
from prodrome.rules.engine.rulebook import Rulebook
from prodrome.rules.guideline import Guideline, load_guideline
from prodrome.rules.guideline.site import Site
from tests.cds_hooks.population.exports import TODAY, Charted, examples, healthy, labelled, plan, write_export

GUIDELINE = load_guideline()
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
CHARTS = [*labelled(), *examples(), *healthy(3)]
ROWS = [resource for chart in CHARTS for resource in chart.resources if resource["resourceType"] != "Patient"]
COMPLETE = dict.fromkeys(KINDS, Completeness.COMPLETE)


def condition(code: object, patient: str = "p", **more: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Condition", "id": "c", "subject": subject, "code": {"coding": [code]}, **more}


def as_lines(resources: Iterable[object]) -> list[Batch]:
    return lines_of(*map(compact, resources))


def compact(row: object) -> bytes:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


def lines_of(*raw: bytes) -> list[Batch]:
    return [Batch("f", 0, list(raw))]


def candidates(*resources: object, guideline: Guideline = GUIDELINE, orders: bool = False) -> set[str]:
    return Sieve(guideline, orders)(as_lines(resources)).candidates


@pytest.mark.parametrize("code", ["G43.709", "g43.709", "G43709", "g43709"])
@pytest.mark.parametrize("system", [ICD, "urn:oid:2.16.840.1.113883.6.90"])
def test_a_code_is_read_as_the_mappers_read_it(code: str, system: str) -> None:
    assert candidates(condition({"system": system, "code": code})) == {"p"}


def test_a_code_of_the_site_counts() -> None:
    local = ("https://ehr.example/codes", "MIG")
    site = GUIDELINE.for_site(Site(codes={"condition": {local: "migraine"}}))
    row = condition({"system": local[0], "code": local[1]})
    assert candidates(row) == set()
    assert candidates(row, guideline=site) == {"p"}


def test_an_order_counts_only_where_orders_are_judged() -> None:
    sumatriptan = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "37418"}
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"coding": [sumatriptan]},
    }
    unknown = {**order, "medicationCodeableConcept": {"coding": [{**sumatriptan, "code": "0"}]}}
    assert candidates(order) == set()
    assert candidates(order, orders=True) == {"p"}
    assert candidates({**order, "status": "stopped"}, orders=True) == set()
    assert candidates(unknown, orders=True) == set()


def told(rows: list[dict[str, Any]], patient: str, *, orders: bool) -> list[object]:
    judge = Judge(GUIDELINE, TODAY, "US", "reference", COMPLETE, orders=orders)
    return [one for one in judge.patient(patient, rows) if one[0] in ("findings", "unjudged")]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), orders=st.booleans())
def test_whom_the_sieve_leaves_out_has_nothing_to_be_told(data: st.DataObject, orders: bool) -> None:
    """Charts of random rows of all patients: sieved and placed they say what they say whole."""
    chosen = data.draw(st.lists(st.sampled_from(ROWS), max_size=25, unique_by=lambda row: row["id"]))
    chart: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p", "birthDate": "1980-02-03", "gender": "female"}
    ]
    chart += [
        {**row, **{name: {"reference": "Patient/p"} for name in ("subject", "patient") if name in row}}
        for row in chosen
        if row["resourceType"] != "Appointment"
    ]
    found = candidates(*chart, orders=orders)
    placed = [json.loads(row.raw) for row in Place(GUIDELINE, frozenset(found))(as_lines(chart)).rows]
    assert found <= {"p"}
    assert all(whose(row) == ("p",) for row in placed)
    whole = told(chart, "p", orders=orders)
    assert (told(placed, "p", orders=orders) if found else []) == whole


def with_rule_for_adults(book: Rulebook) -> Rulebook:
    like = book.rules["NPH-01"]
    then = replace(like.then, fields={**like.then.fields, "rule": "SITE-01"})
    adults = (Pattern("patient", "p", (Comparison("age", ">=", 18),)),)
    *layers, last = book.layers
    rule = replace(like, id="SITE-01", when=adults, unless=(), absence_needs=(), then=then)
    return replace(book, layers=(*layers, replace(last, rules=(*last.rules, rule))))


def test_a_rule_that_may_speak_without_migraine_turns_the_sieve_off_and_the_run_says_so(tmp_path: Path) -> None:
    charts: list[Charted] = healthy(2)
    book = with_rule_for_adults(GUIDELINE.rulebook)
    site = replace(GUIDELINE)  # a copy that is pickled would be the one guideline there is
    site.__dict__["rulebook"] = book
    run = plan(write_export(tmp_path / "in", charts), tmp_path / "out")
    done = judge_population(replace(run, guideline=site))
    assert done.against_sieve == ("SITE-01",)
    assert done.manifest["sieve"] == "off"
    assert done.manifest["againstSieve"] == ["SITE-01"]
    assert done.counts["judged"] == len(charts)


@pytest.mark.parametrize("id_", ["a", "a_b", "a-1.2", "A" * 64, "ä"])
@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_a_row_is_placed_whatever_the_id_of_its_patient(id_: str, slash: str) -> None:
    raw = json.dumps(condition({"system": ICD, "code": "G43.709"}, id_), ensure_ascii=False).replace("/", slash)
    [row] = Place(GUIDELINE, frozenset({id_}))(lines_of(raw.encode())).rows
    assert row.patient == id_
    assert not Place(GUIDELINE, frozenset({"other"}))(lines_of(raw.encode())).rows


DIABETES = condition({"system": ICD, "code": "E11.9"})
PLACED_FOR_P: dict[str, bytes] = {
    "plain": compact(DIABETES),
    "another patient elsewhere in it": compact({**DIABETES, "asserter": {"reference": "Patient/other"}}),
    "another patient before it": compact({"asserter": {"reference": "Patient/other"}, **DIABETES}),
    "a bare id beside another patient": compact(
        {"recorder": {"reference": "Patient/other"}, **DIABETES, "subject": {"reference": "p"}}
    ),
    "an address": compact({**DIABETES, "subject": {"reference": "https://ehr.example/fhir/Patient/p"}}),
    "a version": compact({**DIABETES, "subject": {"reference": "Patient/p/_history/2"}}),
    "an escape": compact(DIABETES).replace(b"Patient/p", b"Patient/\\u0070"),
    "a contained resource of another": compact(
        {
            "resourceType": "Condition",
            "contained": [{"resourceType": "Observation", "subject": {"reference": "Patient/other"}}],
            **DIABETES,
        }
    ),
    "a text that looks like another's": compact(
        {"resourceType": "Condition", "text": {"div": '"subject":{"reference":"Patient/other"}'}, **DIABETES}
    ),
    "the kind at the end": compact({"subject": DIABETES["subject"], "resourceType": "Condition"}),
    "a contained medicine before the kind": compact(
        {
            "contained": [{"resourceType": "Medication", "id": "m"}],
            "resourceType": "MedicationRequest",
            "subject": {"reference": "Patient/p"},
        }
    ),
    "a patient by another element": compact(
        {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p"}}
    ),
    "a participant": compact({"resourceType": "Appointment", "participant": [{"actor": {"reference": "Patient/p"}}]}),
    "spaces and a carriage return": json.dumps(DIABETES, indent=1).replace("\n", " ").encode() + b" \r",
}


@pytest.mark.parametrize("line", PLACED_FOR_P.values(), ids=PLACED_FOR_P)
def test_a_row_is_placed_however_it_names_its_patient(line: bytes) -> None:
    others = [compact({**DIABETES, "subject": {"reference": "Patient/other"}})] * 2
    placed = Place(GUIDELINE, frozenset({"p"}))(lines_of(*others, line, *others))
    assert [(row.patient, row.raw) for row in placed.rows] == [("p", line)]
    assert not placed.bad


def test_rows_that_are_cut_are_told_whosever_they_are() -> None:
    cut = compact({**DIABETES, "subject": {"reference": "Patient/other"}})[:-8]
    [bad] = Place(GUIDELINE, frozenset({"p"}))(lines_of(compact(DIABETES), cut)).bad
    assert (bad.patient, bad.kind, bad.offset) == ("other", "Condition", len(compact(DIABETES)) + 1)


def test_observations_are_placed_where_the_prefetch_asks_for_them() -> None:
    def observed(code: str) -> bytes:
        coding = {"system": "http://loinc.org", "code": code}
        row = {"resourceType": "Observation", "subject": {"reference": "Patient/p"}, "code": {"coding": [coding]}}
        return compact(row)

    placed = Place(GUIDELINE, None)(lines_of(observed("8867-4"), observed("718-7"))).rows
    assert [row.raw for row in placed] == [observed("8867-4")]


def test_every_row_is_counted_under_the_name_of_its_kind_in_r4() -> None:
    medicine = {"contained": [{"resourceType": "Medication"}], "resourceType": "MedicationRequest"}
    lines = lines_of(compact({"resourceType": "DeviceUsage"}), compact(medicine), b"", b" \r", compact(DIABETES), b"?")
    assert Sieve(GUIDELINE)(lines).seen == {"DeviceUseStatement": 1, "MedicationRequest": 1, "Condition": 1, "": 1}


def test_an_id_that_is_cut_off_names_no_patient() -> None:
    cut = b'{"resourceType":"Condition","subject":{"reference":"Patient/ab'
    [whole] = Sieve(GUIDELINE)(lines_of(cut + b'c"}')).bad
    [half] = Sieve(GUIDELINE)(lines_of(cut)).bad
    assert whole.patient == "abc"
    assert half.patient is None
