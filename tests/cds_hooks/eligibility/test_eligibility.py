"""Eligibility as JSON and as a table, and the treatment history as text and as a FHIR document."""

import json
from dataclasses import replace
from html import escape
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from prodrome.cds_hooks.eligibility import as_json, as_table, asked_for, told
from prodrome.cds_hooks.eligibility.document import as_document
from prodrome.cds_hooks.eligibility.history import history
from prodrome.cds_hooks.eligibility.summary import as_text
from prodrome.rules import Condition, Facts, Indication, Judgement, StopReason, judge
from prodrome.rules.guideline import load_guideline
from tests.rules.patients import (
    ADULT,
    COMPLETE,
    MIGRAINE,
    THREE_FAILED,
    TODAY,
    months,
    on,
    order,
    patient,
    running,
    stopped,
)
from tests.rules.test_eligibility import PATIENTS

Json = dict[str, Any]

RESISTANT = Facts(
    patient=ADULT,
    conditions=(replace(MIGRAINE, display="Migraine without aura", onset=on("2015-03")),),
    trials=(*THREE_FAILED, running("candesartan", since="2026-05-16")),
    headache_months=months(10, 9, 11),
    orders=(order("erenumab", "preventive"),),
    completeness=COMPLETE,
)
ASTHMA = Condition(frozenset({"asthma"}), display="Asthma", refs=("Condition/asthma",))


def judged(facts: Facts, locale: str = "US") -> Judgement:
    return judge(facts, load_guideline(), TODAY, locale=locale, hook="order-sign", engine="reference")


def text(facts: Facts) -> str:
    return as_text(history(facts, judged(facts), "pat-1"))


def document(facts: Facts) -> Json:
    return as_document(history(facts, judged(facts), "pat-1"), load_guideline())


def by_kind(bundle: Json, kind: str) -> list[Json]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_json_holds_every_class_and_body_with_what_shows_it() -> None:
    found = as_json(RESISTANT, judged(RESISTANT))
    states = {(one["use"], one["class"]): one["state"] for one in found["classes"]}
    assert states["preventive", "beta_blockers"] == "failed"
    assert states["preventive", "arb"] == "in use"
    assert states["preventive", "botulinum_toxin"] == "not for this migraine"
    answers = {one["row"]: one["answer"] for one in found["bodies"]}
    assert answers["E62"] == "met"
    (failures,) = [
        one for row in found["bodies"] if row["row"] == "E62" for one in row["criteria"] if one["kind"] == "failures"
    ]
    assert failures["references"] == [f"MedicationStatement/{trial.drug}" for trial in THREE_FAILED]
    assert {one["drug"]: one["how"] for one in failures["failed"]} == {
        "propranolol": "lack of efficacy",
        "topiramate": "lack of tolerability",
        "amitriptyline": "lack of efficacy",
    }
    assert "moreReferences" not in failures
    assert found == json.loads(json.dumps(found))


def test_json_names_the_first_of_thousands_of_rows_and_counts_the_others() -> None:
    one, *others = THREE_FAILED
    many = replace(one, refs=tuple(f"MedicationRequest/{number}" for number in range(4_000)))
    facts = replace(RESISTANT, trials=(many, *others))
    found = as_json(facts, judged(facts))
    (failed,) = [failed for each in found["classes"] if each["class"] == "beta_blockers" for failed in each["failed"]]
    assert failed["references"][0] == "MedicationRequest/0"
    assert len(failed["references"]) + failed["moreReferences"] == 4_000
    assert len(json.dumps(found)) < 200_000


def test_the_table_says_the_same_in_lines_that_fit() -> None:
    told = as_table(RESISTANT, judged(RESISTANT))
    assert "beta blocker             failed" in told
    assert "Western Health Advantage (payer, United States, an example; E62): met" in told
    assert max(map(len, told.splitlines())) <= 110


@pytest.mark.parametrize(("more", "locale", "_drug", "_use", "answers"), PATIENTS.values(), ids=PATIENTS)
def test_the_table_the_json_and_what_a_page_shows_are_alike(
    more: dict[str, Any], locale: str, _drug: str, _use: str, answers: dict[str, str]
) -> None:
    facts = patient(**more)
    judgement = judged(facts, locale)
    found, shown = as_json(facts, judgement), told(facts, judgement)
    table = " ".join(as_table(facts, judgement).split())
    for row, (answer, words) in zip(found["bodies"], shown.rows, strict=True):
        assert (row["row"], row["answer"]) == (answer.row.id, answer.answer)
        assert words.answer == answer.answer
        assert f"; {row['row']}): {row['answer']}" in table
    for one, (state, class_words) in zip(found["classes"], shown.classes, strict=True):
        assert (one["class"], one["state"], one.get("why", "")) == (state.id, state.state, class_words.why)
        assert f"{one['name']} {one['state']}" in table
    assert answers.keys() <= {row["row"] for row in found["bodies"]}


@pytest.mark.parametrize(
    ("extension", "asked"),
    [
        ({"org.prodrome.eligibility": True}, True),
        ({"org.prodrome.eligibility": False}, False),
        ({"org.prodrome.eligibility": "yes"}, False),
        ({}, False),
    ],
)
def test_a_request_asks_for_it_by_its_extension(extension: Json, asked: bool) -> None:
    assert asked_for(extension) is asked


def test_the_summary_tells_what_a_payer_asks() -> None:
    said = text(RESISTANT)
    assert "Patient: pat-1, born 1988-01-15" in said
    assert "Asked for: erenumab" in said
    assert "- Migraine without aura, since 2015-03 [Condition/migraine]" in said
    assert "- propranolol (beta blocker), 160 mg a day, 2025-01-01 to 2025-06-01: 151 days" in said
    assert "stopped as ineffective [MedicationStatement/propranolol]" in said
    assert "stopped for side effects [MedicationStatement/topiramate]" in said
    assert "- candesartan (ARB), 16 mg a day, 2026-05-16 to taken now: 30 days" in said
    assert "- 2026-05: 10 debilitating days [Observation/2026-05]" in said
    assert "- 2026-01: not recorded" in said
    assert "Not recorded\n- headache days of 2025-12, 2026-01, 2026-02" in said


def test_days_at_the_target_dose_are_told_apart_from_the_others() -> None:
    facts = replace(RESISTANT, trials=(stopped("propranolol", dose=80),))
    said = text(facts)
    assert "at the target dose or above: 0 days" in said
    assert "at a sufficient dose or above: 151 days" in said


def test_what_is_not_recorded_is_said_and_not_guessed() -> None:
    vague = replace(
        stopped("topiramate", StopReason.UNKNOWN), start=None, end=None, steps=(), refs=("MedicationStatement/x",)
    )
    said = text(Facts(patient=ADULT, trials=(vague,), completeness=COMPLETE))
    assert "- topiramate (antiseizure drug), dose not recorded, start not recorded to end not recorded" in said
    assert "- a diagnosis of migraine" in said
    assert "- topiramate: dose, start, end, why it was stopped" in said
    nothing = text(Facts(patient=ADULT, conditions=(MIGRAINE,)))
    assert "- any preventive taken for migraine" in nothing
    assert "- the medication list: did not arrive completely, so there may be more" in nothing


def test_what_rules_drugs_out_is_told() -> None:
    said = text(replace(RESISTANT, conditions=(MIGRAINE, ASTHMA)))
    assert "Conditions and drugs that rule others out\n- " in said
    assert "[Condition/asthma]" in said
    assert "rule others out" not in text(RESISTANT)


def test_a_course_for_something_else_is_no_part_of_it() -> None:
    other = stopped("metoprolol", indication=Indication.OTHER)
    assert "metoprolol" not in text(replace(RESISTANT, trials=(other,)))


def test_the_document_is_a_valid_bundle_that_begins_with_its_composition() -> None:
    made = document(RESISTANT)
    assert made["type"] == "document"
    assert made["entry"][0]["resource"]["resourceType"] == "Composition"
    for entry in made["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])
    urls = {entry["fullUrl"] for entry in made["entry"]}
    assert len(urls) == len(made["entry"])
    references = json.dumps(made).split('"reference": "')[1:]
    assert {reference.partition('"')[0] for reference in references} <= urls
    assert [one["medicationCodeableConcept"]["text"] for one in by_kind(made, "MedicationStatement")] == [
        "amitriptyline",
        "propranolol",
        "topiramate",
        "candesartan",
    ]
    assert by_kind(made, "Patient")[0]["birthDate"] == "1988-01-15"
    assert len(by_kind(made, "Observation")) == 3
    (composition,) = by_kind(made, "Composition")
    assert composition["title"] == "Treatment history for prior authorisation: erenumab"
    assert [section["title"] for section in composition["section"]][-1] == "Not recorded"


def test_the_same_history_gives_the_same_document() -> None:
    assert document(RESISTANT) == document(RESISTANT)


def test_a_chart_s_own_words_stay_words() -> None:
    evil = "<script>alert(1)</script> & co\x00"
    made = document(replace(RESISTANT, conditions=(replace(MIGRAINE, display=evil),)))
    (composition,) = by_kind(made, "Composition")
    assert "<script>" not in composition["section"][0]["text"]["div"]
    assert escape("<script>") in composition["section"][0]["text"]["div"]


DATES = st.sampled_from(["2024", "2024-03", "2024-03-01", "2025-02-28"])


@settings(max_examples=40)
@given(st.sampled_from(sorted(StopReason)), DATES, DATES, st.sampled_from([None, 0.5, 80.0, 160.0]))
def test_every_course_can_be_told_and_gives_a_valid_document(
    reason: StopReason, start: str, end: str, dose: float | None
) -> None:
    course = stopped("propranolol", reason, dose=dose, start=start, end=end)
    facts = Facts(patient=ADULT, conditions=(MIGRAINE,), trials=(course,), completeness=COMPLETE)
    assert "propranolol (beta blocker)" in text(facts)
    assert document(facts)["entry"][0]["resource"]["status"] == "final"
