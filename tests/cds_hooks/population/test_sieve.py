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
from prodrome.cds_hooks.population.export import Line
from prodrome.cds_hooks.population.steps import Judge, Sieve, place
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


def as_lines(resources: Iterable[object]) -> list[Line]:
    return [("f", number, json.dumps(one).encode() + b"\n") for number, one in enumerate(resources)]


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
    placed = [json.loads(row.raw) for row in place(as_lines(chart), frozenset(found)).rows]
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
    [row] = place([("f", 0, raw.encode() + b"\n")], frozenset({id_})).rows
    assert row.patient == id_
    assert not place([("f", 0, raw.encode() + b"\n")], frozenset({"other"})).rows


def test_an_id_that_is_cut_off_names_no_patient() -> None:
    cut = b'{"resourceType":"Condition","subject":{"reference":"Patient/ab'
    [whole] = Sieve(GUIDELINE)([("f", 0, cut + b'c"}\n')]).bad
    [half] = Sieve(GUIDELINE)([("f", 0, cut + b"\n")]).bad
    assert whole.patient == "abc"
    assert half.patient is None
