"""Which classes a patient may have, and what each body's criteria come to: every boundary from both sides.

Ten patients are checked body by body at the end. Today is 2026-06-15.
"""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.rules.eligibility import Answer, ClassState, Criterion, answers_for, eligibility
from prodrome.rules.facts import (
    Administration,
    Allergy,
    AttackRecord,
    Completeness,
    Condition,
    Facts,
    HeadacheMonth,
    Indication,
    Patient,
    Step,
    Stop,
    StopReason,
    Trial,
    When,
)
from prodrome.rules.guideline.guideline import Guideline, load_guideline
from prodrome.rules.guideline.site import Site
from prodrome.rules.judge import judge
from tests.rules.patients import (
    ADULT,
    CHRONIC,
    COMPLETE,
    MIGRAINE,
    THREE_FAILED,
    TODAY,
    attacks,
    months,
    on,
    running,
    stopped,
)

ASTHMA = Condition(frozenset({"asthma"}), refs=("Condition/asthma",))
PREGNANT = Condition(frozenset({"pregnancy"}), onset=on("2026-03-01"), refs=("Condition/pregnancy",))
INTOLERANCE, UNKNOWN, OTHER = StopReason.INTOLERANCE, StopReason.UNKNOWN, StopReason.OTHER


def patient(**more: object) -> Facts:
    base = Facts(patient=ADULT, conditions=(MIGRAINE,), completeness=COMPLETE)
    return replace(base, **more)  # type: ignore[arg-type]


def without(*kinds: str) -> dict[str, Completeness]:
    return COMPLETE | dict.fromkeys(kinds, Completeness.MISSING)


def bodies(tmp: Guideline, *ids: str) -> Guideline:
    """The guideline of a site that looks at these bodies."""
    return replace(tmp, eligibility=replace(tmp.eligibility, site=ids))


def answer(
    facts: Facts, row: str, *, locale: str = "US", guideline: Guideline | None = None
) -> tuple[Answer, dict[str, Criterion]]:
    """What a row comes to, and its criteria by kind."""
    guideline = guideline or load_guideline()
    body = next(one.body.id for one in guideline.eligibility.rows if one.id == row)
    guideline = bodies(guideline, body)
    judgement = judge(facts, guideline, TODAY, locale=locale, engine="reference")
    (found,) = [one for one in eligibility(facts, judgement).rows if one.row.id == row]
    return found.answer, {criterion.kind: criterion for criterion in found.criteria}


def said(facts: Facts, row: str, kind: str, **more: str) -> Answer:
    return answer(facts, row, **more)[1][kind].answer  # type: ignore[arg-type]


def classes(facts: Facts, locale: str = "US") -> dict[str, ClassState]:
    judgement = judge(facts, load_guideline(), TODAY, locale=locale, engine="reference")
    return {f"{one.use} {one.id}": one for one in eligibility(facts, judgement).classes}


# --- Age and type of migraine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("birth", "answered"),
    [
        (When(date(2008, 6, 15), date(2008, 6, 15)), "met"),
        (When(date(2008, 6, 16), date(2008, 6, 16)), "not met"),
        (When(date(2008, 1, 1), date(2008, 12, 31)), "not recorded"),
        (None, "not recorded"),
    ],
)
def test_age_is_counted_by_every_day_the_birth_date_may_mean(birth: When | None, answered: str) -> None:
    assert said(patient(patient=Patient(birth=birth)), "E80", "age") == answered


@pytest.mark.parametrize(
    ("conditions", "kinds", "episodic", "chronic"),
    [
        ((MIGRAINE,), (), "met", "not met"),
        ((CHRONIC,), (), "not met", "met"),
        ((MIGRAINE,), ("Condition",), "not recorded", "not recorded"),
        ((CHRONIC,), ("Condition",), "not met", "met"),
        ((), (), "not recorded", "not met"),
    ],
)
def test_chronic_migraine_is_a_diagnosis(
    conditions: tuple[Condition, ...], kinds: tuple[str, ...], episodic: str, chronic: str
) -> None:
    facts = patient(conditions=conditions, completeness=without(*kinds), headache_months=months(25, 25, 25))
    assert said(facts, "E84", "type") == episodic
    assert said(facts, "E36", "type", locale="UK") == chronic


# --- Days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "answered"),
    [
        ((4, 4, 4), "met"),
        ((3, 4, 5), "met"),
        ((4, 4, 3), "not met"),
        ((0, 0, 0), "not met"),
        ((6, 6, None), "met"),
        ((6, 5, None), "not recorded"),
        ((None, None, None), "not recorded"),
    ],
)
def test_the_mean_of_three_months_decides_whatever_a_missing_one_held(
    days: tuple[float | None, ...], answered: str
) -> None:
    assert said(patient(headache_months=months(*days, start="migraine")), "E34", "days", locale="UK") == answered


@pytest.mark.parametrize(
    ("month", "answered"),
    [
        ({"migraine": 4}, "met"),
        ({"debilitating": 4}, "met"),
        ({"debilitating": 3}, "not met"),
        ({"headache": 20}, "not recorded"),
        ({"headache": 3}, "not met"),
        ({"migraine": 3, "debilitating": 9}, "not met"),
    ],
)
def test_which_days_stand_for_migraine_days(month: dict[str, Any], answered: str) -> None:
    rows = tuple(HeadacheMonth(date(2026, number, 1), **month) for number in (3, 4, 5))
    assert said(patient(headache_months=rows), "E34", "days", locale="UK") == answered


@pytest.mark.parametrize(
    ("headache", "answered"),
    [(4, "met"), (3, "not met"), (14, "met"), (15, "not met")],
)
def test_days_from_and_below(headache: int, answered: str) -> None:
    rows = months(*(headache,) * 3, start="headache")
    assert said(patient(headache_months=rows), "E65", "days") == answered


@pytest.mark.parametrize(
    ("migraine", "headache", "answered"),
    [(8, 20, "met"), (7, 14, "met"), (7, 15, "not recorded"), (3, 3, "not met"), (4, 4, "met")],
)
def test_one_of_several_alternatives_is_enough(migraine: int, headache: int, answered: str) -> None:
    rows = tuple(HeadacheMonth(date(2026, n, 1), migraine=migraine, headache=headache) for n in (3, 4, 5))
    assert said(patient(headache_months=rows), "E60", "days") == answered


def test_attacks_are_counted_by_no_chart() -> None:
    assert (
        said(patient(headache_months=months(9, 9, 9, start="migraine")), "E35", "days", locale="UK") == "not recorded"
    )


def test_a_body_may_ask_for_six_months() -> None:
    def rows(*migraine: int) -> tuple[HeadacheMonth, ...]:
        return tuple(replace(m, headache=20) for m in months(*migraine, start="migraine"))

    facts = patient(conditions=(CHRONIC,), headache_months=rows(8, 8, 8, 8, 8, 8))
    assert said(facts, "E47", "days") == "met"
    assert said(replace(facts, headache_months=rows(8, 8, 8, 8, 8, 7)), "E47", "days") == "not met"
    assert said(replace(facts, headache_months=rows(8, 8, 8)), "E47", "days") == "not recorded"


@given(st.lists(st.integers(0, 31), min_size=3, max_size=3), st.integers(0, 2))
def test_a_month_more_on_record_never_turns_met_into_not_met_or_back(days: list[int], left_out: int) -> None:
    whole = said(patient(headache_months=months(*days, start="migraine")), "E34", "days", locale="UK")
    partial: list[float | None] = [*days]
    partial[left_out] = None
    assert said(patient(headache_months=months(*partial, start="migraine")), "E34", "days", locale="UK") in (
        whole,
        "not recorded",
    )


# --- Failures ---------------------------------------------------------------------------------------------------------

CARDIAC = (stopped("propranolol"), stopped("metoprolol", start="2024-01-01", end="2024-06-01"))


@pytest.mark.parametrize(
    ("row", "locale", "trials", "answered"),
    [
        ("E34", "UK", THREE_FAILED, "met"),
        ("E34", "UK", THREE_FAILED[:2], "not met"),
        ("E34", "UK", (*CARDIAC, THREE_FAILED[1]), "met"),  # NICE counts drugs
        ("E60", "US", CARDIAC, "not met"),  # UnitedHealthcare counts classes
        ("E60", "US", (CARDIAC[0], THREE_FAILED[1]), "met"),
        ("E62", "US", CARDIAC, "met"),
        ("E05", "US", (stopped("topiramate"),), "not met"),  # of the first step only
        ("E05", "US", (stopped("amitriptyline"),), "met"),
        ("E06", "US", (stopped("amitriptyline"), stopped("propranolol")), "not met"),
        ("E06", "US", (stopped("amitriptyline"), stopped("erenumab", INTOLERANCE)), "met"),
        ("E41", "UK", (*THREE_FAILED, stopped("candesartan")), "met"),
        ("E41", "UK", THREE_FAILED, "not met"),
    ],
)
def test_drugs_and_classes_are_different_counts(
    row: str, locale: str, trials: tuple[Trial, ...], answered: str
) -> None:
    assert said(patient(trials=trials), row, "failures", locale=locale) == answered


@pytest.mark.parametrize(
    ("row", "days", "answered"),
    [
        ("E60", 60, "met"),
        ("E60", 59, "not met"),
        ("E64", 30, "met"),
        ("E64", 29, "not met"),
        ("E50", 90, "met"),
        ("E50", 89, "not met"),
        ("E34", 56, "not met"),  # two of three, by the guideline's own length
        ("E05", 56, "met"),
        ("E05", 55, "not met"),
    ],
)
def test_a_trial_is_as_long_as_the_body_asks(row: str, days: int, answered: str) -> None:
    end = date.fromordinal(date(2025, 1, 1).toordinal() + days).isoformat()
    trials = tuple(stopped(drug, end=end) for drug in ("propranolol", "amitriptyline"))
    assert said(patient(trials=trials), row, "failures") == answered


def test_only_days_at_a_sufficient_dose_count_where_the_body_says_so() -> None:
    low = tuple(stopped(drug, dose=10) for drug in ("propranolol", "topiramate"))
    assert said(patient(trials=low), "E50", "failures") == "not met"
    assert said(patient(trials=low), "E60", "failures") == "met"


@pytest.mark.parametrize(
    ("second", "answered"),
    [
        (stopped("topiramate", INTOLERANCE, start="2025-01-01", end="2025-01-03"), "met"),
        (stopped("topiramate", OTHER), "not met"),
        (stopped("topiramate", StopReason.SUCCEEDED), "not met"),
        (stopped("topiramate", StopReason.CONTRAINDICATED), "not met"),
        (stopped("topiramate", UNKNOWN), "not recorded"),
        (stopped("topiramate", stop=Stop(StopReason.INEFFICACY, coded=False)), "not recorded"),
        (stopped("topiramate", stop=Stop(StopReason.INEFFICACY, coded=True, nonadherent=True)), "not recorded"),
        (stopped("topiramate", indication=Indication.OTHER), "not met"),
        (stopped("topiramate", indication=Indication.UNSTATED), "not recorded"),
        (running("topiramate"), "not met"),
        (replace(stopped("topiramate"), end=None, steps=(Step(on("2025-01-01"), None, 100),)), "not recorded"),
    ],
)
def test_what_a_second_failure_is(second: Trial, answered: str) -> None:
    assert said(patient(trials=(stopped("propranolol"), second)), "E62", "failures") == answered


def test_over_incomplete_medications_nobody_says_that_too_few_failed() -> None:
    facts = patient(completeness=without("MedicationRequest"))
    found = answer(facts, "E64")[1]["failures"]
    assert (found.answer, found.missing) == ("not recorded", ("MedicationRequest",))
    enough = replace(facts, trials=THREE_FAILED)
    assert said(enough, "E64", "failures") == "met"


@pytest.mark.parametrize(
    ("row", "answered"),
    [("E60", "met"), ("E64", "not met"), ("E65", "not met"), ("E62", "met")],
)
def test_a_contraindication_counts_where_the_body_says_so(row: str, answered: str) -> None:
    """Asthma rules out every beta blocker: that is one class, and one drug, not six."""
    facts = patient(conditions=(MIGRAINE, ASTHMA), trials=(stopped("topiramate"),))
    assert said(facts, row, "failures") == answered


def test_one_condition_is_no_three_failed_drugs() -> None:
    found = answer(patient(conditions=(CHRONIC, ASTHMA)), "E36", locale="UK")[1]["failures"]
    assert (found.answer, found.counted) == ("not met", 1)


def test_what_passes_is_no_lasting_contraindication() -> None:
    facts = patient(conditions=(MIGRAINE, PREGNANT), trials=(stopped("propranolol"),))
    assert said(facts, "E62", "failures") == "not met"


def test_an_allergy_to_a_drug_that_was_taken_is_a_failure() -> None:
    allergy = Allergy("topiramate", "allergy", refs=("AllergyIntolerance/a",))
    trials = (stopped("propranolol"), stopped("topiramate", UNKNOWN))
    assert said(patient(trials=trials, allergies=(allergy,)), "E64", "failures") == "met"
    assert said(patient(trials=trials[:1], allergies=(allergy,)), "E64", "failures") == "not recorded"


TWO_TRIPTANS = (attacks("sumatriptan", 4, 1, 100, route="oral"), attacks("rizatriptan", 4, 2, 10, route="oral"))


@pytest.mark.parametrize(
    ("row", "locale", "records", "answered"),
    [
        ("E37", "UK", TWO_TRIPTANS, "met"),
        ("E37", "UK", TWO_TRIPTANS[:1], "not met"),
        ("E71", "US", TWO_TRIPTANS, "met"),
        ("E71", "US", TWO_TRIPTANS[:1], "not recorded"),  # some plans ask for one, others for two
        ("E71", "US", (), "not met"),
        ("E70-acute", "US", (attacks("ibuprofen", 4, 0, 400, route="oral"),), "met"),
    ],
)
def test_triptans_that_failed(row: str, locale: str, records: tuple[AttackRecord, ...], answered: str) -> None:
    assert said(patient(attack_records=records), row, "failures", locale=locale) == answered


def test_without_triptans_an_nsaid_and_paracetamol_must_have_failed() -> None:
    others = (attacks("ibuprofen", 4, 0, 400, route="oral"), attacks("acetaminophen", 4, 1, 1000, route="oral"))
    heart = Condition(frozenset({"cad_ihd"}), refs=("Condition/heart",))
    barred = patient(conditions=(MIGRAINE, heart), attack_records=others)
    assert said(barred, "E37", "failures", locale="UK") == "met"
    assert said(replace(barred, attack_records=others[:1]), "E37", "failures", locale="UK") == "not met"
    assert said(patient(attack_records=others), "E37", "failures", locale="UK") == "not met"
    one_not_tolerated = Trial(
        "sumatriptan", "acute", end=on("2025-01-01"), indication=Indication.MIGRAINE, stop=Stop(INTOLERANCE, coded=True)
    )
    facts = patient(attack_records=others, trials=(one_not_tolerated,))
    assert said(facts, "E37", "failures", locale="UK") == "not recorded"


# --- What stands beside, what excludes, what no chart says ----------------------------------------------------------


def test_another_drug_against_cgrp_must_not_run_beside() -> None:
    assert said(patient(trials=(running("galcanezumab"),)), "E60", "beside") == "not met"
    assert said(patient(trials=(running("erenumab"),)), "E60", "beside") == "met"  # it is the drug itself
    assert said(patient(), "E60", "beside") == "met"
    assert said(patient(completeness=without("MedicationStatement")), "E60", "beside") == "not recorded"


def test_a_gepant_for_attacks_is_no_other_preventive_but_a_second_drug_against_cgrp() -> None:
    def taken(drug: str, use: str) -> Facts:
        return patient(trials=(Trial(drug, use, running=True, start=on("2026-01-01"), indication=Indication.MIGRAINE),))

    assert said(taken("rimegepant", "acute"), "E60", "beside") == "met"
    assert said(taken("rimegepant", "preventive"), "E60", "beside") == "not met"
    assert said(taken("ubrogepant", "acute"), "E60", "beside") == "met"
    assert said(taken("rimegepant", "acute"), "E63", "beside") == "not met"
    assert said(taken("ubrogepant", "acute"), "E63", "beside") == "not met"


def test_a_condition_that_excludes() -> None:
    stroke = Condition(frozenset({"stroke_tia"}), refs=("Condition/stroke",))
    assert said(patient(conditions=(MIGRAINE, stroke)), "E45", "conditions") == "not met"
    assert said(patient(), "E45", "conditions") == "met"
    assert said(patient(completeness=without("Condition")), "E45", "conditions") == "not recorded"


def test_what_no_chart_says_is_not_recorded_and_named() -> None:
    facts = patient(trials=THREE_FAILED, headache_months=months(9, 9, 9))
    found, criteria = answer(facts, "E46")
    assert (found, criteria["other"].said) == ("not recorded", "a neurologist or neuropsychiatrist starts it")


def test_a_row_without_criteria_is_met() -> None:
    assert answer(patient(), "E03") == ("met", {})


# --- Classes ----------------------------------------------------------------------------------------------------------

BRIEF = stopped("topiramate", end="2025-01-20")
COUNTED = {
    "nothing tried": ({}, "US", {"preventive beta_blockers": "open", "acute triptan": "open"}),
    "failed": ({"trials": THREE_FAILED[:1]}, "US", {"preventive beta_blockers": "failed"}),
    "not tolerated": ({"trials": THREE_FAILED[1:2]}, "US", {"preventive antiseizure": "failed"}),
    "perhaps failed": (
        {"trials": (stopped("propranolol", stop=Stop(StopReason.INEFFICACY, coded=False)),)},
        "US",
        {"preventive beta_blockers": "open"},
    ),
    "a later success": (
        {
            "trials": (
                *THREE_FAILED[:1],
                stopped("metoprolol", StopReason.SUCCEEDED, start="2025-07-01", end="2026-01-01"),
            )
        },
        "US",
        {"preventive beta_blockers": "open"},
    ),
    "too briefly": ({"trials": (BRIEF,)}, "US", {"preventive antiseizure": "tried too briefly"}),
    "too briefly, and failed": (
        {"trials": (BRIEF, stopped("valproate"))},
        "US",
        {"preventive antiseizure": "failed"},
    ),
    "in use": ({"trials": (running("erenumab"),)}, "US", {"preventive cgrp_mab": "in use"}),
    "ruled out": ({"conditions": (MIGRAINE, ASTHMA)}, "US", {"preventive beta_blockers": "ruled out"}),
    "pregnant": ({"conditions": (MIGRAINE, PREGNANT)}, "US", {"preventive arb": "ruled out"}),
    "not here": ({}, "US", {"preventive calcium_channel_blockers": "not available"}),
    "here": ({}, "EU", {"preventive calcium_channel_blockers": "open"}),
    "not here, and failed elsewhere": (
        {"trials": (stopped("flunarizine"),)},
        "US",
        {"preventive calcium_channel_blockers": "failed"},
    ),
    "episodic": ({}, "US", {"preventive botulinum_toxin": "not for this migraine"}),
    "chronic": ({"conditions": (CHRONIC,)}, "US", {"preventive botulinum_toxin": "open"}),
    "one triptan failed": ({"attack_records": TWO_TRIPTANS[:1]}, "US", {"acute triptan": "open"}),
    "two triptans failed": ({"attack_records": TWO_TRIPTANS}, "US", {"acute triptan": "failed"}),
    "no triptan with a sick heart": (
        {"conditions": (MIGRAINE, Condition(frozenset({"cad_ihd"})))},
        "US",
        {"acute triptan": "ruled out"},
    ),
    "medications unseen": (
        {"completeness": without("MedicationStatement")},
        "US",
        {"preventive beta_blockers": "not recorded", "preventive calcium_channel_blockers": "not available"},
    ),
    "problems unseen": (
        {"completeness": without("Condition"), "trials": THREE_FAILED[:1]},
        "US",
        {
            "preventive beta_blockers": "failed",
            "preventive arb": "not recorded",
            "preventive botulinum_toxin": "not recorded",
        },
    ),
}


@pytest.mark.parametrize(("more", "locale", "states"), COUNTED.values(), ids=COUNTED)
def test_what_becomes_of_a_class(more: dict[str, object], locale: str, states: dict[str, str]) -> None:
    found = classes(patient(**more), locale)
    assert {name: found[name].state for name in states} == states


def test_every_class_is_answered_and_no_opioid_is_one() -> None:
    found = classes(patient())
    assert [name for name in found if name.startswith("acute")] == [
        "acute gepant",
        "acute triptan",
        "acute ditan",
        "acute ergot",
        "acute simple_analgesic",
        "acute nsaid",
        "acute combination",
        "acute antiemetic",
    ]
    assert sum(name.startswith("preventive") for name in found) == 9  # all but those that never count


def test_a_class_says_what_shows_its_state() -> None:
    found = classes(patient(conditions=(MIGRAINE, ASTHMA), trials=THREE_FAILED))
    barred, failed = found["preventive beta_blockers"], found["preventive antidepressants"]
    assert (failed.state, failed.refs, failed.trials) == (
        "failed",
        ("MedicationStatement/amitriptyline",),
        ("trial-2",),
    )
    assert barred.state == "failed"
    assert "asthma" in barred.contraindications
    assert barred.left == ()


# --- Labelled patients, body by body ----------------------------------------------------------------------------------

HEAVY = months(10, 9, 11)
GIVEN = tuple(Administration(on(day), 140) for day in ("2025-01-01", "2025-01-29", "2025-02-26", "2025-03-26"))
FAILED_ERENUMAB = replace(stopped("erenumab", dose=140, start="2025-01-01", end="2025-05-01"), administrations=GIVEN)
EIGHT = tuple(HeadacheMonth(date(2026, n, 1), migraine=8, headache=15) for n in (3, 4, 5))
PATIENTS: dict[str, tuple[dict[str, object], str, str, str, dict[str, str]]] = {
    "resistant, US, erenumab": (
        {"trials": THREE_FAILED, "headache_months": HEAVY},
        "US",
        "erenumab",
        "preventive",
        {"E80": "met", "E60": "met", "E62": "met", "E64": "not recorded", "E03": "met", "E05": "met"},
    ),
    "resistant, UK, erenumab": (
        {"trials": THREE_FAILED, "headache_months": HEAVY},
        "UK",
        "erenumab",
        "preventive",
        {"E30": "met", "E38": "not met"},
    ),
    "chronic, UK, botulinum toxin": (
        {"trials": THREE_FAILED, "headache_months": EIGHT, "conditions": (CHRONIC,)},
        "UK",
        "onabotulinumtoxina",
        "preventive",
        {"E36": "not recorded"},  # whether overuse is managed, no chart says
    ),
    "episodic, UK, botulinum toxin": (
        {"trials": THREE_FAILED, "headache_months": HEAVY},
        "UK",
        "onabotulinumtoxina",
        "preventive",
        {"E36": "not met"},
    ),
    "chronic, US, botulinum toxin": (
        {"headache_months": EIGHT, "conditions": (CHRONIC,)},
        "US",
        "onabotulinumtoxina",
        "preventive",
        {"E87": "not recorded"},  # how long headaches last, no chart says
    ),
    "episodic, US, botulinum toxin": (
        {"headache_months": HEAVY},
        "US",
        "onabotulinumtoxina",
        "preventive",
        {"E87": "not met"},
    ),
    "nothing tried, US, galcanezumab": (
        {"headache_months": HEAVY},
        "US",
        "galcanezumab",
        "preventive",
        {"E82": "met", "E64": "not met", "E03": "met", "E05": "not met"},
    ),
    "chronic, US, rimegepant to prevent": (
        {"trials": THREE_FAILED, "headache_months": EIGHT, "conditions": (CHRONIC,)},
        "US",
        "rimegepant",
        "preventive",
        {"E84": "not met", "E64": "not recorded", "E65": "not met", "E03": "met", "E05": "not met"},
    ),
    "two triptans failed, UK, rimegepant": (
        {"attack_records": TWO_TRIPTANS},
        "UK",
        "rimegepant",
        "acute",
        {"E37": "met", "E40": "not recorded"},
    ),
    "one triptan failed, US, ubrogepant": (
        {"attack_records": TWO_TRIPTANS[:1]},
        "US",
        "ubrogepant",
        "acute",
        {"E85": "met", "E71": "not recorded"},
    ),
    "asthma and one class, UK and EU, fremanezumab": (
        {"trials": THREE_FAILED[1:2], "conditions": (MIGRAINE, ASTHMA), "headache_months": months(4, 4, 4)},
        "EU",
        "fremanezumab",
        "preventive",
        {"E88": "met", "E07": "met"},
    ),
    "an antibody failed, another runs, US, eptinezumab": (
        {"trials": (FAILED_ERENUMAB, stopped("propranolol"), running("galcanezumab")), "headache_months": HEAVY},
        "US",
        "eptinezumab",
        "preventive",
        {"E82": "met", "E63": "not met", "E64": "not met", "E03": "met", "E05": "met"},
    ),
}


@pytest.mark.parametrize(("more", "locale", "drug", "use", "expected"), PATIENTS.values(), ids=PATIENTS)
def test_labelled_patients_body_by_body(
    more: dict[str, object], locale: str, drug: str, use: str, expected: dict[str, str]
) -> None:
    facts = patient(**more)
    judgement = judge(facts, load_guideline(), TODAY, locale=locale, engine="reference")
    found = answers_for(facts, judgement, drug, use)
    assert {one.row.id: one.answer for one in found} == expected
    kinds = [one.row.body.kind for one in found]
    assert kinds == sorted(kinds, key=["label", "appraisal", "payer", "referral", "guideline"].index)


def test_what_shows_an_answer_is_named() -> None:
    _, criteria = answer(patient(trials=THREE_FAILED, headache_months=HEAVY), "E30", locale="UK")
    assert criteria["failures"].refs == tuple(f"MedicationStatement/{trial.drug}" for trial in THREE_FAILED)
    assert [month.debilitating for month in criteria["days"].months] == [11, 9, 10]
    assert criteria["days"].refs == ("Observation/2026-03", "Observation/2026-04", "Observation/2026-05")


def test_a_site_s_bodies_are_answered(tmp_path: object) -> None:
    assert Site().eligibility is None
    facts = patient(trials=THREE_FAILED)
    guideline = bodies(load_guideline(), "bc")
    found = eligibility(facts, judge(facts, guideline, TODAY, engine="reference"))
    assert [(one.row.id, one.answer) for one in found.rows] == [("E50", "met")]
