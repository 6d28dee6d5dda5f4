"""Each rule's card: what it says, how urgently, and that it stays short, whole and harmless."""

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from prodrome.cds_hooks.cards import building
from prodrome.cds_hooks.cards.template_check import CardsError
from prodrome.cds_hooks.cards.trace import EXTENSION
from prodrome.cds_hooks.protocol.checks import response_faults
from prodrome.cds_hooks.protocol.requests import HookRequest
from prodrome.rules.facts import (
    Allergy,
    AttackRecord,
    CoMedication,
    Completeness,
    Condition,
    DraftOrder,
    Facts,
    NonDrugTreatment,
    Reading,
    Stop,
    StopReason,
    Trial,
)
from prodrome.rules.guideline.guideline import load_guideline
from prodrome.rules.judge import judge
from tests.rules.patients import (
    DTT,
    HEAVY,
    MIGRAINE,
    REFRACTORY,
    THREE_FAILED,
    TODAY,
    acute_use,
    ago,
    attacks,
    emergency,
    judged,
    months,
    on,
    order,
    patient,
    running,
    stopped,
)

Json = dict[str, Any]

ASTHMA = Condition(frozenset({"asthma"}), onset=on("2015-03"), display="Asthma", refs=("Condition/asthma",))
KIDNEY = Condition(frozenset({"kidney_stones"}), display="Kidney stone", refs=("Condition/stone",))
HEART = Condition(frozenset({"cad_ihd"}), display="Angina", refs=("Condition/heart",))


def draft(fact: DraftOrder, dose: float = 25) -> Json:
    """The order in hand as a client sends it."""
    kind, id_ = fact.ref.split("/")
    quantity = {"value": dose, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    return {
        "resourceType": kind,
        "id": id_,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": fact.drug},
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": quantity}]}],
    }


def request(facts: Facts, hook: str, **more: Any) -> HookRequest:
    more.setdefault("orders", tuple(draft(fact, fact.single_dose or 25) for fact in facts.orders))
    more.setdefault("user_id", "Practitioner/dr")
    return HookRequest(hook=hook, hook_instance="instance", patient_id="p", encounter_id="e", **more)


def answer(facts: Facts, hook: str = "patient-view", *, dialect: str = "generic", **more: Any) -> list[Json]:
    """All cards for a patient, checked against every requirement on what goes out."""
    built = building.build(judged(facts, hook, **more), facts, request(facts, hook), dialect=dialect)
    drafts = {fact.ref for fact in facts.orders}
    assert response_faults({"cards": built}, drafts=drafts) == []
    return built


def codes(built: Iterable[Json]) -> list[str]:
    return [card["source"]["topic"]["code"] for card in built]


def card(rule: str, facts: Facts, hook: str = "patient-view", **more: Any) -> Json:
    built = answer(facts, hook, **more)
    assert codes(built).count(rule) == 1, codes(built)
    return next(card for card in built if card["source"]["topic"]["code"] == rule)


def taking(drug: str, dose: float) -> Trial:
    refs = (f"MedicationStatement/{drug}",)
    return Trial(drug, "acute", running=True, start=on("2025-01"), single_dose=dose, refs=refs)


# DTT: difficult-to-treat migraine


def test_resistant_says_how_many_classes_and_days() -> None:
    said = card("DTT-01", DTT)
    assert said["summary"] == (
        "Meets criteria for resistant migraine: 3 preventive classes failed or ruled out, "
        "9+ debilitating days a month for 3 months"
    )
    assert said["indicator"] == "info"


def test_resistant_lists_class_drug_outcome_and_dates() -> None:
    detail = card("DTT-01", DTT)["detail"]
    dates = "2025-01-01 to 2025-06-01"
    assert f"- **beta blockers**: propranolol, 160 mg a day, {dates}: ineffective" in detail
    assert f"- **antiseizure drugs**: topiramate, 100 mg a day, {dates}: side effects" in detail
    assert "2026-03: 11, 2026-04: 9, 2026-05: 10" in detail


def test_a_contraindicated_class_is_named_with_its_condition_and_never_called_failed() -> None:
    trials = (THREE_FAILED[1], THREE_FAILED[2])
    detail = card("DTT-01", patient(conditions=(MIGRAINE, ASTHMA), trials=trials, headache_months=HEAVY))["detail"]
    line = next(line for line in detail.splitlines() if "beta blockers" in line)
    assert line == "- **beta blockers**: ruled out (Asthma), which is not a failure"


def test_days_by_proxy_are_said_to_be() -> None:
    facts = patient(trials=THREE_FAILED, headache_months=months(10, 9, 11, start="headache"))
    detail = card("DTT-01", facts, parameters={"accept_proxy_days": True})["detail"]
    assert "**by proxy** in 2026-03, 2026-04, 2026-05" in detail
    assert "by proxy" not in card("DTT-01", DTT)["detail"]


def test_a_preventive_that_does_not_control_is_told_by_the_days_that_show_it() -> None:
    told = [replace(month, migraine=9.0, debilitating=3.0, headache=20.0) for month in months(1, 1)]
    built = card("PRV-05", patient(trials=(running("propranolol"),), headache_months=tuple(told)))
    assert "more than 6 migraine days a month" in built["summary"]
    assert "**Days**: 2026-04: 9 migraine days, 2026-05: 9 migraine days" in built["detail"]

    built = card("PRV-05", patient(trials=(running("propranolol"),), headache_months=months(8, 7)))
    assert "more than 6 debilitating days a month" in built["summary"]
    assert "**Days**: 2026-04: 7 debilitating days, 2026-05: 8 debilitating days" in built["detail"]


def test_a_preventive_judged_by_headache_days_is_said_to_be_judged_by_proxy() -> None:
    told = (*months(7, start="migraine"), months(9, 9, start="headache")[1])
    facts = patient(trials=(running("propranolol"),), headache_months=told)
    built = card("PRV-05", facts, parameters={"accept_proxy_days": True})
    assert "more than 6 days a month" in built["summary"]
    assert "**Days**: 2026-04: 9 headache days, 2026-05: 7 migraine days" in built["detail"]
    assert "**by proxy**" in built["detail"]


@pytest.mark.parametrize("facts", [DTT, REFRACTORY, patient(trials=THREE_FAILED)], ids=["DTT-01", "DTT-02", "DTT-03"])
def test_the_red_flags_are_listed(facts: Facts) -> None:
    detail = answer(facts)[0]["detail"]
    for flag in (
        "thunderclap",
        "neurological deficit",
        "cancer",
        "immune",
        "posture",
        "pregnancy",
        "after 65 (elsewhere 50)",
    ):
        assert flag in detail


@pytest.mark.parametrize(
    ("records", "conditions", "clause"),
    [
        ((), (), "not known"),
        ((attacks("sumatriptan", 6, 1, 100),), (), "not met, 1 failed"),
        ((attacks("sumatriptan", 6, 1, 100), attacks("rizatriptan", 4, 2, 10)), (), "met, 2 failed"),
        ((), (HEART,), "met, triptans are contraindicated (Ischemic heart disease)"),
    ],
)
def test_the_triptan_clause_is_reported_and_does_not_gate(
    records: tuple[AttackRecord, ...], conditions: tuple[Condition, ...], clause: str
) -> None:
    facts = replace(DTT, attack_records=records, conditions=(MIGRAINE, *conditions))
    said = next(said for said in answer(facts) if said["source"]["topic"]["code"] == "DTT-01")
    assert f"- Two failed triptans (reported only): {clause}\n" in said["detail"] + "\n"


def test_data_that_did_not_come_are_said() -> None:
    detail = card("DTT-01", replace(DTT, completeness={**DTT.completeness, "Condition": Completeness.INCOMPLETE}))[
        "detail"
    ]
    assert "**Could not check**: the problem list did not arrive completely" in detail


def test_refractory_is_a_warning_and_asks_to_recheck() -> None:
    said = card("DTT-02", REFRACTORY)
    assert said["indicator"] == "warning"
    assert said["summary"].startswith("Meets criteria for refractory migraine: all 6 available preventive classes")
    for word in ("diagnosis", "overuse", "adherence", "coexisting"):
        assert word in said["detail"]


def test_possible_names_the_missing_months() -> None:
    said = card("DTT-03", patient(trials=THREE_FAILED, headache_months=months(10, None, 11)))
    assert said["summary"].endswith("headache days are not recorded for 2026-04")
    assert "nothing recorded for 2026-04" in said["detail"]


def test_possible_says_that_days_are_a_proxy_only() -> None:
    said = card("DTT-03", patient(trials=THREE_FAILED, headache_months=months(10, 9, 11, start="migraine")))
    assert "whether it was debilitating is not recorded" in said["summary"]
    assert "2026-05: 10 migraine days" in said["detail"]


def test_possible_names_the_uncertain_trials_and_their_doubts() -> None:
    uncertain = stopped("amitriptyline", stop=Stop(StopReason.INEFFICACY, coded=False))
    said = card("DTT-03", patient(trials=(*THREE_FAILED[:2], uncertain), headache_months=HEAVY))
    assert "uncertain: antidepressants" in said["summary"]
    assert "amitriptyline" in said["detail"]
    assert "why it was stopped is recorded in text only" in said["detail"]


def test_possible_by_an_allergy_says_so() -> None:
    allergy = Allergy("candesartan", "allergy", refs=("AllergyIntolerance/c",))
    detail = card("DTT-03", patient(trials=THREE_FAILED[:2], allergies=(allergy,), headache_months=HEAVY))["detail"]
    assert "candesartan: allergy on record (known as an allergy" in detail


def test_uncontrolled_attacks_are_counted_by_drug() -> None:
    records = (attacks("sumatriptan", 6, 1, 100), attacks("rizatriptan", 5, 2, 10))
    said = card("DTT-04", patient(attack_records=records))
    assert said["summary"] == "Acute treatment is not controlling attacks: rizatriptan, sumatriptan failed"
    assert "- **sumatriptan** 100 mg: 1 of 6 attacks relieved" in said["detail"]


# PRV: preventives


def test_another_drug_of_a_failed_class() -> None:
    facts = patient(trials=(stopped("propranolol"),), orders=(order("metoprolol", "preventive"),))
    said = card("PRV-01", facts, "order-select")
    assert said["summary"] == (
        "metoprolol: another beta blocker (propranolol) already failed. Others in this class need not be tried"
    )
    assert "CGRP antibody, gepant" not in said["summary"]
    assert "**Classes still open**: ARB, CGRP antibody" in said["detail"]


def test_the_same_drug_again_already_failed() -> None:
    facts = patient(trials=(stopped("propranolol"),), orders=(order("propranolol", "preventive"),))
    assert card("PRV-01", facts, "order-sign")["summary"].startswith("propranolol already failed")


def test_a_side_effect_may_belong_to_the_drug_only() -> None:
    trial = stopped("propranolol", StopReason.INTOLERANCE)
    facts = patient(trials=(trial,), orders=(order("metoprolol", "preventive"),))
    assert "may still be reasonable" in card("PRV-01", facts, "order-select")["detail"]
    inefficacy = replace(facts, trials=(stopped("propranolol"),))
    assert "may still be reasonable" not in card("PRV-01", inefficacy, "order-select")["detail"]


def test_switching_antibodies_is_an_option_with_little_evidence() -> None:
    facts = patient(trials=(stopped("erenumab"),), orders=(order("fremanezumab", "preventive"),))
    assert "Changing from one CGRP antibody to another is an option" in card("PRV-01", facts, "order-select")["detail"]


def test_two_prior_failures_make_one_card() -> None:
    facts = patient(trials=(stopped("propranolol"), stopped("atenolol")), orders=(order("metoprolol", "preventive"),))
    assert "(atenolol, propranolol) already failed" in card("PRV-01", facts, "order-select")["summary"]


def test_a_new_preventive_comes_with_what_to_expect_and_when_to_judge() -> None:
    said = card("PRV-02", patient(orders=(order("topiramate", "preventive"),)), "order-select")
    assert said["summary"].startswith("Starting topiramate")
    assert "8 weeks at target dose" in said["summary"]
    for word in (
        "**Common**",
        "**Usually ease**",
        "**Stop and call**",
        "100 mg a day",
        "25 mg at night",
        "2026-07-06",
        "2026-08-31",
    ):
        assert word in said["detail"]


def test_a_brief_trial_is_measured_against_what_it_takes() -> None:
    facts = patient(trials=(stopped("propranolol", start="2025-05-01", end="2025-05-20"),))
    said = card("PRV-03", facts)
    assert said["summary"] == (
        "propranolol was stopped as ineffective after 19 days at a sufficient dose, of 56 needed: "
        "too short to count as failed"
    )
    assert "At a sufficient dose: 19 days. Needed: 56 days at 80 mg a day or more" in said["detail"]


def test_a_dose_too_low_is_named_with_both_numbers() -> None:
    low = replace(stopped("propranolol", start="2025-05-01", end="2025-12-01"), steps=())
    low = replace(low, steps=(replace(stopped("propranolol").steps[0], amount=40, start=low.start, end=low.end),))
    assert card("PRV-03", patient(trials=(low,)))["summary"] == (
        "propranolol was stopped as ineffective at 40 mg a day, of 80 mg a day needed: dose too low to count as failed"
    )


@pytest.mark.parametrize(
    ("drug", "fields", "regimen", "reached", "judged_on"),
    [  # today is 2026-06-15
        ("topiramate", {"per_day": 25.0}, "25 mg more each week", "2026-07-06", "2026-08-31"),
        ("topiramate", {"per_day": 50.0}, "25 mg more each week", "2026-06-29", "2026-08-24"),
        ("topiramate", {"per_day": 100.0}, "100 mg a day", "2026-06-15", "2026-08-10"),
        ("valproate", {}, "200 mg more every 2 weeks", "2026-08-10", "2026-10-05"),
        ("amitriptyline", {"per_day": 10.0}, "10 mg more", "2026-07-13", "2026-09-07"),
        ("erenumab", {"single_dose": 70.0}, "70 mg or 140 mg once a month", "", "2026-09-07"),
        ("fremanezumab", {"single_dose": 225.0}, "225 mg once a month", "", "2026-09-07"),
        ("fremanezumab", {"single_dose": 675.0}, "675 mg every 3 months", "", "2026-11-30"),
        ("galcanezumab", {"single_dose": 240.0}, "240 mg first, then 120 mg once a month", "", "2026-09-07"),
        ("eptinezumab", {"single_dose": 100.0}, "every 12 weeks", "", "2026-11-30"),
        ("atogepant", {"per_day": 10.0}, "10, 30 or 60 mg once a day", "", "2026-09-07"),
        ("rimegepant", {}, "75 mg every other day", "", "2026-09-07"),
    ],
)
def test_a_new_preventive_is_told_as_ordered_with_the_day_to_judge(
    drug: str, fields: dict[str, float], regimen: str, reached: str, judged_on: str
) -> None:
    facts = patient(orders=(replace(order(drug, "preventive"), **fields),))  # type: ignore[arg-type]
    said = card("PRV-02", facts, "order-select")
    assert regimen in said["detail"]
    assert reached in said["detail"]
    assert f", on {judged_on}" in said["summary"]
    assert said["suggestions"][0]["label"] == f"Plan follow-up on {judged_on}"


def test_two_preventives_against_cgrp_at_once_are_named() -> None:
    antibody = replace(stopped("erenumab"), running=True, end=None)
    facts = patient(trials=(antibody,), orders=(order("atogepant", "preventive"),))
    assert "**Two drugs against CGRP at once**: erenumab too" in card("PRV-02", facts, "order-select")["detail"]
    assert "at once" not in card("PRV-02", replace(facts, trials=()), "order-select")["detail"]


@pytest.mark.parametrize(
    ("drug", "use", "cited", "not_cited"),
    [("propranolol", "preventive", "Table 4", "Table 3"), ("sumatriptan", "acute", "Table 3", "Table 4")],
)
def test_the_table_of_the_ordered_drug_is_cited_and_no_other(drug: str, use: str, cited: str, not_cited: str) -> None:
    ill = ASTHMA if use == "preventive" else HEART
    said = card("SAF-01", patient(conditions=(MIGRAINE, ill), orders=(order(drug, use),)), "order-sign")
    assert cited in said["source"]["label"]
    assert not_cited not in str([said["source"], said.get("links")])


def test_the_latest_brief_trial_is_named_and_others_follow() -> None:
    earlier = stopped("propranolol", start="2025-03-01", end="2025-03-20")
    later = stopped("erenumab", start="2025-08-01", end="2025-08-20")
    said = card("PRV-03", patient(trials=(earlier, later)))
    assert said["summary"].startswith("erenumab ")
    assert said["detail"].index("erenumab") < said["detail"].index("propranolol")


def test_remaining_options_leave_out_what_was_tried() -> None:
    detail = card("PRV-04", DTT)["detail"]
    for tried in ("propranolol", "topiramate", "amitriptyline"):
        assert tried not in detail
    for left in ("candesartan", "erenumab", "triptan", "nerve block", "see their card"):
        assert left in detail


def test_no_option_is_an_opioid_or_butalbital_or_not_to_be_had_here() -> None:
    detail = card("PRV-04", DTT)["detail"].lower()
    for never in ("opioid", "codeine", "tramadol", "butalbital", "butorphanol", "flunarizine", "domperidone"):
        assert never not in detail


def test_what_is_contraindicated_is_said_to_be_ruled_out_with_its_reason() -> None:
    facts = replace(DTT, conditions=(MIGRAINE, HEART))
    detail = card("PRV-04", facts)["detail"]
    assert "- Ruled out: triptan (Ischemic heart disease)" in detail
    assert "~~" not in detail
    assert "triptan with an NSAID" not in detail


def test_a_drug_barred_in_an_open_class_is_named_with_its_reason() -> None:
    liver = Condition(frozenset({"liver_disease"}), refs=("Condition/liver",))
    trials = (stopped("propranolol"), stopped("candesartan"), stopped("amitriptyline"))
    facts = patient(conditions=(MIGRAINE, liver), trials=trials, headache_months=HEAVY)
    detail = card("PRV-04", facts)["detail"]
    assert "- antiseizure drug: topiramate; not valproate (divalproex) (Liver disease)" in detail


def test_a_class_in_use_or_tried_too_briefly_is_not_an_open_one() -> None:
    running = replace(stopped("erenumab"), running=True, end=None)
    brief = stopped("candesartan", start="2025-05-01", end="2025-05-10")
    detail = card("PRV-04", replace(DTT, trials=(*DTT.trials, running, brief)))["detail"]
    assert "CGRP antibody" not in detail
    assert "- Tried, but too short or too low: ARB" in detail


def test_over_incomplete_data_the_list_is_said_to_be_unchecked() -> None:
    said = card("PRV-04", replace(DTT, completeness={**DTT.completeness, "MedicationRequest": Completeness.INCOMPLETE}))
    assert "(could not be checked)" in said["summary"]
    assert "**This list could not be checked**: prescriptions did not arrive completely" in said["detail"]


def test_a_non_drug_treatment_on_record_is_no_option() -> None:
    done = NonDrugTreatment("acupuncture", ago(10), refs=("Procedure/a",))
    detail = card("PRV-04", replace(DTT, non_drug_treatments=(done,)))["detail"]
    assert "acupuncture" not in detail
    assert "biofeedback" in detail
    assert "vagus nerve" in detail


# REF, ED, NPH, MOH


def test_referral_says_what_the_specialist_checks() -> None:
    said = card("REF-01", DTT)
    assert said["summary"].startswith("Difficult-to-treat migraine: refer to a headache specialist")
    for item in ("red flags", "overuse", "sleep apnoea", "mood", "blood pressure", "hormones", "pregnancy"):
        assert item in said["detail"]


def test_a_hospital_visit_is_dated() -> None:
    said = card("ED-01", patient(hospital_visits=(emergency(20),)))
    assert said["indicator"] == "warning"
    assert said["summary"].startswith("Hospital visit for migraine on 2026-05-26: no specialist follow-up found")


def test_non_drug_treatment_says_why_it_is_left_out_and_how_sure_it_is() -> None:
    detail = card("NPH-01", DTT)["detail"]
    assert "few trials" in detail
    assert "low strength of evidence" in detail


def test_overuse_names_the_class_and_its_days() -> None:
    said = card("MOH-01", patient(acute_use_months=acute_use({"triptan": 12}, {"triptan": 11}, {"triptan": 14})))
    assert said["summary"].startswith("Triptan used on 11+ days a month for 3 months")
    assert "- triptan: 14, 11, 12" in said["detail"]
    assert "treat both" in said["detail"]


def test_overuse_of_several_classes_counts_them_together() -> None:
    use = acute_use({"triptan": 6, "opioid": 5}, {"triptan": 9, "opioid": 2}, {"triptan": 8, "ergot": 3})
    said = card("MOH-01", patient(acute_use_months=use))
    assert said["summary"].startswith("Acute medication used on up to 11 days a month")
    assert "- all together: 8 to 11, 9 to 11, 6 to 11" in said["detail"]


# ACU, SAF


def test_a_low_dose_is_shown_beside_the_full_one() -> None:
    facts = patient(orders=(order("sumatriptan", "acute", single_dose=25.0),))
    said = card("ACU-01", facts, "order-select")
    assert said["summary"].startswith("sumatriptan 25 mg is below the full acute dose (50 mg)")
    assert "at most 200 mg in 24 hours" in said["detail"]
    assert "hepatic impairment" in said["detail"]


KIDNEY_DISEASE = Condition(frozenset({"ckd"}), display="CKD stage 3", refs=("Condition/ckd",))
FLUCONAZOLE = CoMedication("moderate_cyp3a4_inhibitor", refs=("MedicationStatement/fluconazole",))


@pytest.mark.parametrize(
    ("drug", "dose", "facts", "locale", "told"),
    [
        ("naratriptan", 1.0, {}, "US", "full single dose 2.5 mg, at most 5 mg in 24 hours, again after 4 hours"),
        ("naratriptan", 1.0, {"conditions": (MIGRAINE, KIDNEY_DISEASE)}, "US", "at most 2.5 mg in 24 hours\n"),
        ("ubrogepant", 25.0, {}, "US", "usually 100 mg, at most 200 mg in 24 hours"),
        ("ubrogepant", 25.0, {"co_medications": (FLUCONAZOLE,)}, "US", "dose 50 mg, at most 50 mg in 24 hours\n"),
        ("frovatriptan", 1.0, {}, "US", "at most 7.5 mg in 24 hours"),
        ("frovatriptan", 1.0, {}, "UK", "at most 5 mg in 24 hours"),
        ("rizatriptan", 5.0, {}, "US", "at most 30 mg in 24 hours"),
        ("rizatriptan", 5.0, {}, "UK", "full single dose 10 mg, again after 2 hours"),
        ("rizatriptan", 5.0, {}, "EU", "full single dose 10 mg, again after 2 hours"),
    ],
)
def test_a_full_dose_stands_beside_the_most_that_this_patient_may_take_here(
    drug: str, dose: float, facts: dict[str, Any], locale: str, told: str
) -> None:
    orders = (order(drug, "acute", single_dose=dose),)
    said = card("ACU-01", patient(orders=orders, **facts), "order-select", locale=locale)
    assert told in said["detail"]


def test_at_patient_view_all_low_doses_are_one_card_without_suggestion() -> None:
    said = card("ACU-01", patient(trials=(taking("sumatriptan", 25), taking("eletriptan", 10))))
    assert said["summary"].startswith("eletriptan, sumatriptan: taken below the full acute dose")
    assert "suggestions" not in said


def test_one_failed_triptan_leaves_others_and_other_routes() -> None:
    said = card("ACU-02", patient(attack_records=(attacks("sumatriptan", 6, 1, 100),)))
    assert said["summary"].startswith("sumatriptan failed, but another triptan may work")
    assert "rizatriptan (oral)" in said["detail"]
    assert "sumatriptan (subcutaneous, nasal)" in said["detail"]


def test_a_contraindicated_order_is_critical_with_its_evidence() -> None:
    facts = patient(conditions=(MIGRAINE, ASTHMA), orders=(order("propranolol", "preventive"),))
    said = card("SAF-01", facts, "order-sign")
    assert (said["indicator"], said["summary"]) == ("critical", "propranolol is contraindicated: Asthma")
    assert "- **Contraindicated**: Asthma (Asthma, since 2015-03)" in said["detail"]


def test_a_relative_contraindication_is_a_warning() -> None:
    slow = Condition(frozenset({"bradycardia_severe"}), display="Bradycardia", refs=("Condition/slow",))
    facts = patient(conditions=(MIGRAINE, slow), orders=(order("propranolol", "preventive"),))
    said = card("SAF-01", facts, "order-sign")
    assert (said["indicator"], said["summary"]) == ("warning", "propranolol: use with caution: Severe bradycardia")


def test_cautions_and_what_no_chart_holds_are_details() -> None:
    depression = Condition(frozenset({"depression"}), display="Depression", refs=("Condition/d",))
    facts = patient(conditions=(MIGRAINE, ASTHMA, depression), orders=(order("propranolol", "preventive"),))
    said = card("SAF-01", facts, "order-sign")
    assert "Depression" not in said["summary"]
    assert "- Caution: Depression" in said["detail"]
    triptan = patient(conditions=(MIGRAINE, HEART), orders=(order("sumatriptan", "acute"),))
    assert "Ergot or another triptan within 24 hours" in card("SAF-01", triptan, "order-sign")["detail"]


def test_an_allergy_to_the_drug_is_named() -> None:
    allergy = Allergy("topiramate", "allergy", refs=("AllergyIntolerance/t",))
    facts = patient(allergies=(allergy,), orders=(order("topiramate", "preventive"),))
    assert card("SAF-01", facts, "order-sign")["summary"] == "topiramate is contraindicated: allergy to it"


def test_blood_pressure_readings_are_evidence() -> None:
    readings = tuple(Reading("blood_pressure", ago(days), 170, 105, refs=(f"Observation/{days}",)) for days in (3, 10))
    facts = patient(readings=readings, orders=(order("sumatriptan", "acute"),))
    assert "blood pressure 170/105 on 2026-06-12" in card("SAF-01", facts, "order-sign")["detail"]


# INCOMPLETE


def test_what_could_not_be_judged_is_one_quiet_card_that_names_it() -> None:
    facts = patient(hospital_visits=(emergency(20),), missing=("Appointment", "ServiceRequest"))
    built = answer(facts)
    assert codes(built) == ["INCOMPLETE"]
    said = built[0]
    assert said["indicator"] == "info"
    assert said["summary"] == (
        "Could not judge follow-up after a hospital visit: referrals, appointments did not arrive completely"
    )
    trace = said["extension"][EXTENSION]
    assert [rule["id"] for rule in trace["rules"]] == ["ED-01"]
    assert trace["missing"] == ["ServiceRequest", "Appointment"]


def test_an_order_that_could_not_be_checked_is_named() -> None:
    facts = patient(orders=(order("sumatriptan", "acute"),), missing=("Condition",))
    said = card("INCOMPLETE", facts, "order-sign")
    assert said["summary"].startswith("Could not judge contraindications of sumatriptan: the problem list")


def test_a_rule_that_does_not_speak_at_this_hook_leaves_no_gap_to_report() -> None:
    facts = patient(hospital_visits=(emergency(20),), missing=("Appointment",))
    assert codes(answer(facts, "order-select")) == []


# All of them


@pytest.mark.requirement("RSP-13")
def test_urgent_cards_come_first_then_the_order_of_the_rulebook() -> None:
    facts = patient(
        conditions=(MIGRAINE, ASTHMA),
        trials=(stopped("candesartan"),),
        orders=(order("propranolol", "preventive"), order("telmisartan", "preventive")),
    )
    built = answer(facts, "order-sign")
    assert [(c["indicator"], c["source"]["topic"]["code"]) for c in built] == [
        ("critical", "SAF-01"),
        ("info", "PRV-01"),
        ("info", "PRV-02"),
    ]


def test_a_finding_about_an_order_names_the_order_it_speaks_about() -> None:
    facts = patient(orders=(order("topiramate", "preventive"), order("propranolol", "preventive")))
    summaries = sorted(card["summary"].split(":")[0] for card in answer(facts, "order-select"))
    assert summaries == ["Starting propranolol", "Starting topiramate"]


EVERYTHING = [
    (DTT, "patient-view"),
    (REFRACTORY, "encounter-start"),
    (patient(trials=THREE_FAILED), "patient-view"),
    (patient(attack_records=(attacks("sumatriptan", 6, 1, 100), attacks("rizatriptan", 5, 2, 10))), "patient-view"),
    (patient(trials=(stopped("propranolol"),), orders=(order("metoprolol", "preventive"),)), "order-select"),
    (patient(trials=(stopped("propranolol", start="2025-05-01", end="2025-05-20"),)), "patient-view"),
    (patient(hospital_visits=(emergency(20),)), "encounter-discharge"),
    (patient(hospital_visits=(emergency(20),), missing=("Appointment",)), "patient-view"),
    (patient(orders=(order("sumatriptan", "acute", single_dose=25.0),)), "order-sign"),
    (patient(attack_records=(attacks("sumatriptan", 6, 1, 100),)), "patient-view"),
    (patient(acute_use_months=acute_use({"triptan": 12}, {"triptan": 11}, {"triptan": 14})), "patient-view"),
    (patient(conditions=(MIGRAINE, ASTHMA), orders=(order("propranolol", "preventive"),)), "order-sign"),
    (patient(conditions=(MIGRAINE, KIDNEY), orders=(order("topiramate", "preventive"),)), "order-sign"),
    (patient(orders=(order("sumatriptan", "acute", single_dose=200.0),)), "order-sign"),
    (patient(orders=(order("oxycodone", "acute"),)), "order-sign"),
    (patient(trials=THREE_FAILED, orders=(order("erenumab", "preventive"),)), "order-sign"),
    (
        patient(
            conditions=(MIGRAINE, ASTHMA), trials=(running("propranolol"),), declared=frozenset({"Condition/asthma"})
        ),
        "problem-list-item-create",
    ),
    (patient(trials=(running("propranolol"),), headache_months=months(9, 9, start="migraine")), "patient-view"),
    (patient(trials=(*THREE_FAILED[:2], stopped("amitriptyline", StopReason.UNKNOWN))), "patient-view"),
]


def test_every_rule_has_a_card_among_these_patients() -> None:
    rules = {rule.id for rule in load_guideline().rulebook.rules.values() if rule.card} | {"INCOMPLETE"}
    assert {code for facts, hook in EVERYTHING for code in codes(answer(facts, hook))} == rules


@pytest.mark.requirement("GEN-04", "GEN-05", "GEN-06", "CARD-05", "CARD-06", "CARD-08", "SRC-07", "OVR-02", "OVR-04")
@pytest.mark.parametrize("dialect", ["generic", "epic"])
@pytest.mark.parametrize(("facts", "hook"), EVERYTHING)
def test_every_card_keeps_the_requirements_and_is_short(facts: Facts, hook: str, dialect: str) -> None:
    for card in answer(facts, hook, dialect=dialect):
        assert len(card["detail"]) <= 2000
        assert 0 < len(card["overrideReasons"]) <= 6
        assert not re.search(r"\n{3,}|[ \t]$", card["detail"], re.MULTILINE)
        assert "{{" not in card["detail"]
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(card["detail"])
        avoided = {"html_block", "html_inline", "table_open", "image", "heading_open", "fence", "code_block"}
        assert not {inner.type for token in tokens for inner in (token, *(token.children or ()))} & avoided


@pytest.mark.parametrize(("facts", "hook"), EVERYTHING)
def test_the_same_request_on_the_same_day_gives_the_same_bytes(facts: Facts, hook: str) -> None:
    assert orjson.dumps(answer(facts, hook)) == orjson.dumps(answer(facts, hook))


def test_every_card_has_its_own_id() -> None:
    ids = [card["uuid"] for facts, hook in EVERYTHING for card in answer(facts, hook)]
    offered = [card.get("suggestions", ()) for facts, hook in EVERYTHING for card in answer(facts, hook)]
    ids += [suggestion["uuid"] for suggestions in offered for suggestion in suggestions]
    assert all(id_[14] == "4" for id_ in ids)
    of_one_answer = [card["uuid"] for card in answer(DTT)]
    assert len(set(of_one_answer)) == len(of_one_answer)


def test_an_overridden_finding_is_left_out() -> None:
    judgement = judged(DTT)
    keys = {building.key(finding, DTT) for finding in building.findings_shown(judgement)}
    assert keys == {"DTT-01", "PRV-04", "NPH-01", "REF-01"}
    built = building.build(judgement, DTT, request(DTT, "patient-view"), suppressed={"REF-01"})
    assert codes(built) == ["DTT-01", "PRV-04", "NPH-01"]


def test_a_finding_is_known_again_by_drug_and_visit_and_by_nothing_of_the_chart() -> None:
    def keys(facts: Facts, hook: str) -> list[str]:
        return [building.key(finding, facts) for finding in building.findings_shown(judged(facts, hook))]

    assert keys(patient(hospital_visits=(emergency(20),)), "patient-view") == ["ED-01 2026-05-26"]
    ordered = patient(conditions=(MIGRAINE, ASTHMA), orders=(order("propranolol", "preventive"),))
    assert keys(ordered, "order-sign") == ["SAF-01 propranolol"]


def test_templates_and_their_table_are_checked_at_start() -> None:
    building.check_cards(load_guideline())
    with pytest.raises(CardsError, match="no template"):
        building.check_cards(load_guideline(), building.TEMPLATES_FOLDER.parent)


# Injection: hostile text in every text field of every fact

HOSTILE = "<script>x</script> [l](https://evil.example) ![i](https://evil.example/i) | `c` **b** ~~s~~\n# h \u202e"


def hostile(value: Any, *, at: str = "") -> Any:
    """The fact with hostile text in every field that a chart's free text reaches."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: hostile(getattr(value, f.name), at=f.name) for f in fields(value)}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(hostile(item, at=at) for item in value)
    return HOSTILE if isinstance(value, str) and at == "display" else value


@pytest.mark.requirement("CARD-07")
@pytest.mark.parametrize(("facts", "hook"), EVERYTHING)
def test_hostile_chart_text_does_nothing(facts: Facts, hook: str) -> None:
    conditions = tuple(replace(condition, display="x") for condition in facts.conditions)
    medication = (CoMedication("maoi", "x", ("MedicationStatement/m",)),)
    before = replace(facts, conditions=conditions, co_medications=medication)
    after = hostile(before)
    said = orjson.dumps(answer(after, hook)).decode()
    assert "<script" not in said
    assert "](https://evil" not in said
    for card in answer(after, hook):
        rendered = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(card["detail"])
        assert not re.search(r"<(script|img|h1|table|code)|evil\.example", rendered)
        assert "evil.example" not in card["summary"]


# Summaries under any guideline


@given(data=st.data(), name=st.text(alphabet="abcdefgh -", min_size=30, max_size=90))
def test_a_summary_keeps_the_drug_however_long_names_are(data: st.DataObject, name: str) -> None:
    name = "d" + " ".join(name.split()) + "x"
    facts, hook = data.draw(st.sampled_from([pair for pair in EVERYTHING if pair[0].orders]))
    judgement = judged(facts, hook)
    guideline = judgement.guideline
    ordered = facts.orders[0].drug
    drugs = {**guideline.drugs, ordered: replace(guideline.drugs[ordered], name=name)}
    judgement = replace(judgement, guideline=replace(guideline, drugs=drugs))
    for card in building.build(judgement, facts, request(facts, hook)):
        assert len(card["summary"].encode("utf-16-le")) // 2 <= 139
        assert name in card["summary"] or len(name) > 80


# Pregnancy: the tables do not cover it drug by drug

PREGNANT = Condition(frozenset({"pregnancy"}), display="Pregnant", refs=("Condition/pregnant",))


def test_in_pregnancy_no_class_is_offered_instead() -> None:
    facts = patient(conditions=(MIGRAINE, PREGNANT), orders=(order("topiramate", "preventive"),))
    said = card("SAF-01", facts, "order-sign")
    assert "topiramate is contraindicated: Pregnancy" in said["summary"]
    assert "still open" not in said["detail"]
    failed = patient(
        conditions=(MIGRAINE, PREGNANT), trials=(stopped("propranolol"),), orders=(order("metoprolol", "preventive"),)
    )
    said = card("PRV-01", failed, "order-sign")
    assert "still open" not in said["detail"]
    assert "suggestions" not in said


def test_in_pregnancy_the_options_say_what_may_be_used_first_and_then_what_may_not() -> None:
    said = card("PRV-04", replace(DTT, conditions=(MIGRAINE, PREGNANT)))
    assert said["summary"].startswith("Options in pregnancy: acetaminophen (paracetamol), ibuprofen, sumatriptan")
    first, _, barred = said["detail"].partition("**Not**")
    assert "- ibuprofen: before 20 weeks" in first
    assert "propranolol" not in first, "it failed"
    assert "CGRP antibody" in barred
    assert "ARB" in barred
    assert "little is known" in barred


def test_an_option_to_be_used_with_care_says_why() -> None:
    copd = Condition(frozenset({"copd"}), display="COPD", refs=("Condition/copd",))
    trials = (stopped("candesartan"), stopped("topiramate"), stopped("amitriptyline"))
    detail = card("PRV-04", patient(conditions=(MIGRAINE, copd), trials=trials, headache_months=HEAVY))["detail"]
    assert "; caution: COPD" in detail


@pytest.mark.parametrize("locale", ["US", "UK"])  # in the EU nobody pays by criteria unless the site says who
def test_what_has_to_be_shown_for_a_drug_is_short(locale: str) -> None:
    guideline = load_guideline()
    asked = {(drug, use) for row in guideline.eligibility.rows for drug in row.drugs for use in row.uses}
    shown = 0
    for drug, use in sorted(asked):
        facts = patient(trials=THREE_FAILED[:2], headache_months=months(9, 3), orders=(order(drug, use),))
        judgement = judge(facts, guideline, TODAY, locale=locale, hook="order-sign", engine="reference")
        for card in building.build(judgement, facts, request(facts, "order-sign")):
            if card["source"]["topic"]["code"] == "ELG-01":
                shown += 1
                assert len(card["detail"]) < 1200, drug
                assert len(card["summary"]) < 140
    assert shown
