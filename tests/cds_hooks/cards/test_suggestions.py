"""What cards offer: valid drafts for the right patient, and orders changed in nothing but the dose."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.medicationrequest import MedicationRequest as MedicationRequestR5
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.servicerequest import ServiceRequest as ServiceRequestR5
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.cards import building
from prodrome.cds_hooks.cards.suggestions import at_dose, spoken
from prodrome.cds_hooks.protocol.requests import HookRequest
from prodrome.rules.facts import Condition, DraftOrder, Facts, Patient
from tests.rules.patients import DTT, MIGRAINE, THREE_FAILED, emergency, judged, on, order, patient, stopped

Json = dict[str, Any]

ASTHMA = Condition(frozenset({"asthma"}), refs=("Condition/asthma",))
MODELS: dict[tuple[str, bool], Any] = {
    ("MedicationRequest", False): MedicationRequest,
    ("MedicationRequest", True): MedicationRequestR5,
    ("ServiceRequest", False): ServiceRequest,
    ("ServiceRequest", True): ServiceRequestR5,
}


def draft(fact: DraftOrder, quantity: Json | None = None, *, r5: bool = False, **more: Any) -> Json:
    """The order in hand as a client sends it."""
    concept = {"text": fact.drug}
    dosage = {"doseAndRate": [{"doseQuantity": quantity or {"value": 25, "unit": "mg"}}]}
    return {
        "resourceType": "MedicationRequest",
        "id": fact.ref.split("/")[1],
        "extension": [{"url": "https://ehr.example.org/origin", "valueString": "kept"}],
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        **({"medication": {"concept": concept}} if r5 else {"medicationCodeableConcept": concept}),
        "dosageInstruction": [dosage],
        **more,
    }


def suggestions(
    rule: str,
    facts: Facts,
    hook: str = "patient-view",
    *,
    dialect: str = "generic",
    orders: tuple[object, ...] | None = None,
    **call: Any,
) -> tuple[list[Json], str | None]:
    """The suggestions of one rule's card, and its selection behaviour."""
    if orders is None:
        orders = tuple(draft(fact) for fact in facts.orders)
    request = HookRequest(hook=hook, hook_instance="i", patient_id="p", orders=orders, **call)
    built = building.build(judged(facts, hook), facts, request, dialect=dialect)
    card = next(card for card in built if card["source"]["topic"]["code"] == rule)
    return card.get("suggestions", []), card.get("selectionBehavior")


def created(rule: str, facts: Facts, hook: str = "patient-view", **call: Any) -> list[Json]:
    """The new resources of a card, each checked by the standard's own model."""
    offered, _ = suggestions(rule, facts, hook, **call)
    resources = [a["resource"] for s in offered for a in s["actions"] if a["type"] == "create"]
    assert resources
    for resource in resources:
        r5 = "medication" in resource or "concept" in resource.get("code", {})
        MODELS[resource["resourceType"], r5].model_validate(resource)
    return resources


ED = patient(hospital_visits=(emergency(20),))
CLASS_FAILED = patient(trials=(stopped("propranolol"),), orders=(order("metoprolol", "preventive"),))
LOW_DOSE = patient(orders=(order("sumatriptan", "acute", single_dose=25.0),))
NEW = patient(orders=(order("candesartan", "preventive"),))
UNSAFE = patient(conditions=(MIGRAINE, ASTHMA), orders=(order("propranolol", "preventive"),))


# New resources


@pytest.mark.requirement("SUG-11", "SUG-18")
@pytest.mark.parametrize(
    ("rule", "facts", "hook"),
    [
        ("REF-01", DTT, "patient-view"),
        ("ED-01", ED, "encounter-discharge"),
        ("NPH-01", DTT, "patient-view"),
        ("DTT-03", patient(trials=THREE_FAILED), "patient-view"),
        ("PRV-01", CLASS_FAILED, "order-select"),
        ("PRV-02", NEW, "order-select"),
    ],
)
def test_new_resources_are_valid_drafts_for_this_patient_and_encounter(rule: str, facts: Facts, hook: str) -> None:
    for resource in created(rule, facts, hook, encounter_id="enc", user_id="PractitionerRole/r"):
        assert (resource["status"], resource["intent"]) == ("draft", "order")
        assert resource["subject"] == {"reference": "Patient/p"}
        assert resource["encounter"] == {"reference": "Encounter/enc"}
        assert resource["requester"] == {"reference": "PractitionerRole/r"}
        assert resource["authoredOn"] == "2026-06-15"
        assert "id" not in resource


def test_a_user_who_is_no_practitioner_is_not_the_requester() -> None:
    for user in ("Patient/p", "RelatedPerson/x", None, "someone"):
        assert "requester" not in created("REF-01", DTT, user_id=user)[0]
        assert "encounter" not in created("REF-01", DTT, user_id=user)[0]


@pytest.mark.parametrize(("rule", "facts"), [("REF-01", DTT), ("ED-01", ED)])
def test_a_referral_goes_to_neurology_for_the_recorded_migraine(rule: str, facts: Facts) -> None:
    resource = created(rule, facts)[0]
    assert resource["code"]["coding"][0]["code"] == "183521007"
    assert resource["reasonReference"] == [{"reference": "Condition/migraine"}]


def test_a_diary_and_non_drug_treatment_are_asked_for_in_words_not_in_guessed_codes() -> None:
    for rule, facts in (("DTT-03", patient(trials=THREE_FAILED)), ("NPH-01", DTT)):
        assert "coding" not in created(rule, facts)[0]["code"]


def test_the_follow_up_is_on_the_date_to_judge() -> None:
    resource = created("PRV-02", NEW, "order-sign")[0]
    assert resource["occurrenceDateTime"] == "2026-08-10"
    assert resource["code"]["coding"][0]["code"] == "390906007"


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_client_that_speaks_r5_gets_r5(hook: str) -> None:
    drafts = tuple(draft(fact, r5=True) for fact in CLASS_FAILED.orders)
    orders = created("PRV-01", CLASS_FAILED, hook, orders=drafts)
    assert all("concept" in resource["medication"] for resource in orders)
    follow_up = created("PRV-02", CLASS_FAILED, hook, orders=drafts)[0]
    assert "concept" in follow_up["code"]
    assert "reasonCode" not in follow_up


@pytest.mark.parametrize(
    ("resource", "r5"),
    [
        ({"resourceType": "MedicationStatement", "medication": {"concept": {}}}, True),
        ({"resourceType": "MedicationStatement", "medicationCodeableConcept": {}}, False),
        ({"resourceType": "Encounter", "class": [{}]}, True),
        ({"resourceType": "Encounter", "class": {}}, False),
        ({"resourceType": "Condition"}, False),
    ],
)
def test_the_version_is_told_by_the_clients_own_resources(resource: Json, r5: bool) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": resource}]}
    request = HookRequest("patient-view", "i", "p", prefetch={"a": None, "b": [], "c": {"entry": None}, "d": bundle})
    assert (spoken(request) == "R5") is r5


# Another class instead


def test_another_class_is_offered_in_place_of_the_order() -> None:
    offered, behaviour = suggestions("PRV-01", CLASS_FAILED, "order-select")
    assert behaviour == "at-most-one"
    assert 1 < len(offered) <= 3
    for suggestion in offered:
        create, remove = suggestion["actions"]  # a client that applies the first only leaves the patient with a drug
        assert create["type"] == "create"
        assert (remove["type"], remove["resourceId"]) == ("delete", "MedicationRequest/metoprolol")
        assert create["resource"]["medicationCodeableConcept"]["coding"][0]["system"].endswith("rxnorm")


@pytest.mark.requirement("SUG-17")
def test_epic_gets_one_action_per_suggestion_and_any() -> None:
    offered, behaviour = suggestions("PRV-01", CLASS_FAILED, "order-select", dialect="epic")
    assert behaviour == "any"
    assert {len(suggestion["actions"]) for suggestion in offered} == {1}
    assert {action["type"] for suggestion in offered for action in suggestion["actions"]} == {"create"}


def test_no_starting_dose_is_invented() -> None:
    for resource in created("PRV-01", CLASS_FAILED, "order-select"):
        for dosage in resource["dosageInstruction"]:
            assert dosage.keys() == {"text"}
            assert dosage["text"].startswith("Starting dose to be set; target ")


def offered_drugs(facts: Facts) -> set[str]:
    return {r["medicationCodeableConcept"]["text"] for r in created("PRV-01", facts, "order-select")}


def test_what_something_speaks_against_is_not_offered() -> None:
    assert "candesartan" in offered_drugs(CLASS_FAILED)
    angioedema = Condition(frozenset({"angioedema_history"}), refs=("Condition/a",))
    facts = patient(
        conditions=(MIGRAINE, angioedema), trials=(stopped("propranolol"),), orders=(order("metoprolol", "preventive"),)
    )
    assert offered_drugs(facts).isdisjoint({"lisinopril", "candesartan"})


def test_one_drug_of_each_open_class_is_offered_by_the_evidence_of_the_locale() -> None:
    assert [r["medicationCodeableConcept"]["text"] for r in created("PRV-01", CLASS_FAILED, "order-select")] == [
        "candesartan",
        "erenumab",
        "amitriptyline",
    ]


def test_what_else_the_patient_has_moves_a_drug_up_or_down() -> None:
    depressed = Condition(frozenset({"depression"}), refs=("Condition/d",))
    facts = replace(CLASS_FAILED, conditions=(MIGRAINE, depressed))
    first = created("PRV-01", facts, "order-select")[0]
    assert first["medicationCodeableConcept"]["text"] == "amitriptyline"
    obese = Condition(frozenset({"obesity"}), refs=("Condition/o",))
    facts = replace(CLASS_FAILED, conditions=(MIGRAINE, obese))
    assert [r["medicationCodeableConcept"]["text"] for r in created("PRV-01", facts, "order-select")][-1] in (
        "nortriptyline",
        "venlafaxine",
    )


def test_no_second_drug_against_cgrp_is_offered_beside_one_that_runs() -> None:
    running_antibody = replace(stopped("erenumab"), running=True, end=None)
    facts = replace(CLASS_FAILED, trials=(*CLASS_FAILED.trials, running_antibody))
    assert offered_drugs(facts).isdisjoint({"erenumab", "fremanezumab", "atogepant", "rimegepant"})


def test_what_harms_in_pregnancy_is_offered_to_men_only() -> None:
    tried = tuple(stopped(drug) for drug in ("propranolol", "lisinopril", "candesartan", "amitriptyline"))
    for sex, offered in (("male", True), ("female", False), (None, False)):
        person = Patient(birth=on("1988-01-15"), sex=sex, refs=("Patient/p",))
        facts = patient(patient=person, trials=tried, orders=(order("metoprolol", "preventive"),))
        assert ("topiramate" in offered_drugs(facts)) is offered


# Removing an order


@pytest.mark.requirement("SUG-14", "SUG-15", "SUG-16")
def test_a_contraindicated_order_can_be_removed() -> None:
    offered, behaviour = suggestions("SAF-01", UNSAFE, "order-sign")
    assert behaviour == "any"
    assert [action for s in offered for action in s["actions"]] == [
        {
            "type": "delete",
            "description": "Remove the order for propranolol",
            "resourceId": "MedicationRequest/propranolol",
        }
    ]


def test_only_what_is_among_the_drafts_is_touched() -> None:
    assert suggestions("SAF-01", UNSAFE, "order-sign", orders=()) == ([], None)
    assert suggestions("PRV-01", CLASS_FAILED, "order-select", orders=("junk", None, {})) == ([], None)
    assert suggestions("ACU-01", LOW_DOSE, "order-sign", orders=()) == ([], None)


# The same order at the full dose


@pytest.mark.requirement("SUG-12", "SUG-13", "GEN-12")
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_the_full_dose_comes_as_the_entire_order_with_only_that_change(hook: str) -> None:
    before = draft(LOW_DOSE.orders[0], {"value": 25.0, "unit": "mg"}, dispenseRequest={"quantity": {"value": 9.50}})
    untouched = deepcopy(before)
    offered, _ = suggestions("ACU-01", LOW_DOSE, hook, orders=(before,))
    after = offered[0]["actions"][0]["resource"]
    assert offered[0]["actions"][0]["type"] == "update"
    assert before == untouched
    assert after["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] == {"value": 50, "unit": "mg"}
    after["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 25.0
    assert after == untouched


@pytest.mark.parametrize(
    ("fact", "locale", "label"),
    [
        (order("sumatriptan", "acute", single_dose=200), "US", "Change to 100 mg"),
        (order("sumatriptan", "acute", single_dose=100, per_day=300), "US", None),
        (order("almotriptan", "acute", single_dose=12.5, per_day=37.5), "US", None),
        (order("rizatriptan", "acute", single_dose=10, per_day=40), "US", None),
        (order("zolmitriptan", "acute", single_dose=10, per_day=10), "US", "Change to 5 mg"),
        (order("atogepant", "preventive", single_dose=120, per_day=120), "US", "Change to 60 mg"),
        (order("topiramate", "preventive", single_dose=150, per_day=300), "UK", "Change to 100 mg"),
        (order("metoprolol", "preventive", single_dose=100, per_day=300), "UK", None),
        (order("onabotulinumtoxina", "preventive", single_dose=200), "US", "Change to 195 units"),
        (order("lasmiditan", "acute", single_dose=100, per_day=200), "US", None),
    ],
    ids=lambda value: value.drug if isinstance(value, DraftOrder) else None,
)
def test_the_highest_dose_allowed_is_one_that_can_be_taken(fact: DraftOrder, locale: str, label: str | None) -> None:
    facts = patient(orders=(fact,))
    unit = "units" if fact.drug == "onabotulinumtoxina" else "mg"
    orders = (draft(fact, {"value": fact.single_dose, "unit": unit}),)
    request = HookRequest(hook="order-sign", hook_instance="i", patient_id="p", orders=orders)
    built = building.build(judged(facts, "order-sign", locale=locale), facts, request, dialect="generic")
    card = next(card for card in built if card["source"]["topic"]["code"] == "SAF-02")
    assert [each["label"] for each in card.get("suggestions", ())] == ([label] if label else [])


def test_epic_carries_out_no_updates_so_none_is_offered() -> None:
    assert suggestions("ACU-01", LOW_DOSE, "order-sign", dialect="epic") == ([], None)


@pytest.mark.parametrize("odd", [{"reasonCode": []}, {"note": [{"text": ""}]}, {"encounter": None}])
def test_an_order_that_holds_something_empty_is_not_returned(odd: Json) -> None:
    before = draft(LOW_DOSE.orders[0], {"value": 25.0, "unit": "mg"}, **odd)
    assert suggestions("ACU-01", LOW_DOSE, "order-sign", orders=(before,)) == ([], None)


def dosed(quantity: Json, **dosage: Any) -> Json:
    return {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": quantity}], **dosage}]}


def dose_of(changed: Json | None) -> object:
    assert changed is not None
    return changed["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"]


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ({"value": 25, "unit": "mg"}, 50),
        ({"value": 0.025, "unit": "g", "code": "g"}, 0.05),
        ({"value": 25000, "unit": "microgram", "code": "ug"}, 50000),
        ({"value": 1, "unit": "tablet"}, 2),
        ({"value": 0.5, "unit": "TAB"}, 1),
        ({"value": 1}, 2),
    ],
)
def test_a_mass_changes_in_its_unit_and_tablets_change_in_number(quantity: Json, value: float) -> None:
    assert dose_of(at_dose(dosed(quantity), 25, 50)) == value


def test_an_order_that_was_read_as_another_dose_is_left_to_the_clinician() -> None:
    assert at_dose(dosed({"value": 100, "unit": "mg"}), 25, 50) is None


def test_tablets_that_do_not_make_up_the_dose_are_left_to_the_clinician() -> None:
    assert at_dose(dosed({"value": 1, "unit": "tablet"}), 40, 50) is None


@pytest.mark.parametrize("text", ["25 mg at onset", "Take 1 tablet (25.0 mg)", "0,025 g"])
def test_an_order_whose_text_names_the_dose_is_left_to_the_clinician(text: str) -> None:
    assert at_dose(dosed({"value": 0.025, "code": "g"}, text=text), 25, 50) is None
    assert at_dose(dosed({"value": 0.025, "code": "g"}, patientInstruction=text), 25, 50) is None


def test_a_text_about_something_else_is_kept() -> None:
    changed = at_dose(dosed({"value": 25, "unit": "mg"}, text="at onset, again after 2 hours"), 25, 50)
    assert dose_of(changed) == 50


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"dosageInstruction": None},
        {"dosageInstruction": [{"text": "as needed"}]},
        {"dosageInstruction": [*dosed({"value": 25})["dosageInstruction"], *dosed({"value": 50})["dosageInstruction"]]},
        {"dosageInstruction": [{"doseAndRate": [{"doseRange": {"low": {"value": 25}}}]}]},
        dosed({"value": "25", "unit": "mg"}),
        dosed({"value": 0, "unit": "mg"}),
        dosed({"value": True}),
        dosed({"unit": "mg"}),
    ],
)
def test_a_dose_that_stands_in_no_one_place_is_left_to_the_clinician(order: Json) -> None:
    assert at_dose(order, 25, 50) is None


def test_objects_where_the_standard_has_lists_are_changed_where_they_stand() -> None:
    epic = {"dosageInstruction": {"doseAndRate": {"doseQuantity": {"value": 25, "unit": "mg"}}}}
    changed = at_dose(epic, 25, 50)
    assert changed == {"dosageInstruction": {"doseAndRate": {"doseQuantity": {"value": 50, "unit": "mg"}}}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "note", "extension", "timing", "contained"]), JSON))
def test_whatever_else_an_order_holds_is_kept(rest: Json) -> None:
    before = {**rest, **dosed({"value": 25, "unit": "mg", "extension": [rest]}, timing=rest)}
    changed = at_dose(before, 25, 50)
    assert dose_of(changed) == 50
    assert changed is not None
    changed["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 25
    assert changed == before


@given(JSON)
def test_no_order_however_odd_raises(odd: object) -> None:
    at_dose({"dosageInstruction": odd}, 25, 50)
    at_dose({"dosageInstruction": [{"doseAndRate": odd}]}, 25, 50)
    at_dose({"dosageInstruction": [{"doseAndRate": [{"doseQuantity": odd}]}]}, 25, 50)
    at_dose(dosed({"value": 25, "unit": odd, "code": odd}, text=odd), 25, 50)
