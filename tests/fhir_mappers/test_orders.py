"""The orders in hand, and co-medication."""

import pytest

from tests.fhir_mappers.build import (
    ANY_TOXIN,
    ATC,
    MIGRAINE,
    PROPRANOLOL,
    RIMEGEPANT,
    SNOMED,
    SUMATRIPTAN,
    Json,
    as_needed,
    bundle,
    concept,
    dose,
    facts,
    request,
    resource,
    rxnorm,
    statement,
)


def draft(drug: Json = SUMATRIPTAN, **more: object) -> Json:
    return request(drug, **{"status": "draft", "id": "draft-1", "dosageInstruction": [as_needed(25)]} | more)


def test_an_order_says_drug_dose_route_and_reason():
    dosage = as_needed(25, route=concept(SNOMED, "26643006"))
    (order,) = facts(orders=(draft(dosageInstruction=[dosage]),)).orders
    assert (order.ref, order.drug, order.use, order.coded) == (
        "MedicationRequest/draft-1",
        "sumatriptan",
        "acute",
        True,
    )
    assert (order.single_dose, order.per_day, order.route) == (25, None, "oral")
    assert order.indication == "migraine"
    assert order.display == "sumatriptan"


def test_entries_of_a_bundle_and_bare_resources_are_read_alike():
    wrapped = bundle(draft())["entry"]
    assert facts(orders=tuple(wrapped)).orders == facts(orders=(draft(),)).orders


@pytest.mark.parametrize("status", ["draft", "active", "on-hold", None])
def test_an_order_may_have_any_status(status: str | None):
    assert facts(orders=(draft(status=status),)).orders


@pytest.mark.parametrize("more", [{"status": "entered-in-error"}, {"status": "cancelled"}, {"doNotPerform": True}])
def test_a_withdrawn_order_is_none(more: Json):
    assert not facts(orders=(draft(**more),)).orders


def test_an_order_for_another_patient_is_ignored():
    assert not facts(orders=(draft(subject={"reference": "Patient/other"}),)).orders
    assert facts(orders=(draft(subject=None),)).orders


@pytest.mark.parametrize(
    ("selections", "refs"),
    [
        (None, ["MedicationRequest/a", "MedicationRequest/b"]),
        (("MedicationRequest/a",), ["MedicationRequest/a"]),
        (("b",), ["MedicationRequest/b"]),
        (("a", "MedicationRequest/b"), ["MedicationRequest/a", "MedicationRequest/b"]),
        ((), []),
        (("ServiceRequest/a",), []),
    ],
)
def test_only_selected_orders_are_in_hand(selections: tuple[str, ...] | None, refs: list[str]):
    orders = (draft(id="a"), draft(PROPRANOLOL, id="b"))
    assert [order.ref for order in facts(orders=orders, selections=selections).orders] == refs


def test_a_medication_may_be_an_entry_among_the_orders():
    medication = resource("Medication", id="m1", code=SUMATRIPTAN)
    order = draft(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"})
    assert facts(orders=(order, medication)).orders[0].drug == "sumatriptan"


def test_an_order_with_only_a_display_is_recognised_at_low_certainty():
    reference = {"reference": "Medication/gone", "display": "Sumatriptan 50 mg tablet"}
    order = draft(
        medicationCodeableConcept=None, medicationReference=reference, dosageInstruction=[as_needed(1, "tablet")]
    )
    (found,) = facts(orders=(order,)).orders
    assert (found.drug, found.coded, found.single_dose, found.display) == (
        "sumatriptan",
        False,
        50,
        "Sumatriptan 50 mg tablet",
    )


def test_the_order_in_hand_is_not_a_trial():
    signed = draft(status="active", id="x")
    assert facts(signed, orders=(signed,)).trials == ()
    assert len(facts(signed).trials) == 1


def test_an_unselected_order_is_no_trial_either():
    signed = draft(status="active", id="x")
    assert facts(signed, orders=(signed, draft(PROPRANOLOL, id="b")), selections=("b",)).trials == ()


def test_an_eye_drop_is_ordered_for_the_eye():
    order = draft(rxnorm("10600"), dosageInstruction=[dose(1, "drop") | {"route": concept(text="ophthalmic")}])
    assert [order.systemic for order in facts(orders=(order,)).orders] == [False]


def test_low_dose_aspirin_is_an_order_with_its_dose():
    (order,) = facts(orders=(draft(rxnorm("1191"), dosageInstruction=[dose(81)]),)).orders
    assert order.single_dose == 81


def test_rimegepant_every_other_day_is_a_preventive_order():
    dosage = dose(75, "mg", frequency=1, period=2, periodUnit="d")
    assert facts(orders=(draft(RIMEGEPANT, dosageInstruction=[dosage]),)).orders[0].use == "preventive"
    assert facts(orders=(draft(RIMEGEPANT),)).orders[0].use == "acute"


def test_unspecific_toxin_is_an_order_only_for_migraine():
    assert facts(orders=(draft(ANY_TOXIN, reasonCode=[MIGRAINE]),)).orders
    assert not facts(orders=(draft(ANY_TOXIN, reasonCode=None),)).orders


def test_other_orders_are_passed_over():
    scan = resource("ServiceRequest", status="draft", intent="order", code={"text": "MRI"})
    assert not facts(orders=(scan, draft(rxnorm("7980")), 5, None, "x", {})).orders


def test_an_unreadable_order_is_disclosed_and_the_others_judged():
    broken = draft(id="bad", dosageInstruction=[{"doseAndRate": 5}])
    read = facts(orders=(broken, draft()))
    assert [order.ref for order in read.orders] == ["MedicationRequest/draft-1"]
    assert [(skipped.kind, skipped.id) for skipped in read.skipped] == [("MedicationRequest", "bad")]


# --- Co-medication --------------------------------------------------------------------------------------------------


def groups(*rows: Json) -> set[str]:
    return {found.group for found in facts(*rows).co_medications}


def taking(drug: Json, **more: object) -> Json:
    return statement(drug, **{"status": "active", "end": None, "reasonCode": None, "dosage": None} | more)


def test_a_co_medication_is_known_by_code_display_or_text():
    assert "maoi" in groups(taking(concept(ATC, "N06AF03")))
    assert "maoi" in groups(taking(concept(ATC, "N06AG02")))
    assert groups(taking(rxnorm("0", display="phenelzine 15 MG Oral Tablet"))) == {"maoi", "mao_a_inhibitor"}
    assert groups(taking(concept(text="Clarithromycin 500 mg"))) == {"strong_cyp3a4_inhibitor"}
    assert groups(taking(concept(text="nirmatrelvir / ritonavir"))) == {"strong_cyp3a4_inhibitor"}


def test_a_co_medication_may_be_a_running_request():
    assert groups(request(concept(text="ketoconazole 200 mg tablet"))) == {"strong_cyp3a4_inhibitor"}


@pytest.mark.parametrize("status", ["completed", "stopped", "not-taken", "on-hold", "entered-in-error"])
def test_a_drug_not_taken_now_is_no_co_medication(status: str):
    assert not groups(taking(concept(text="clarithromycin"), status=status))


def test_a_course_that_is_over_is_no_co_medication():
    assert not groups(
        taking(concept(text="clarithromycin"), effectivePeriod={"start": "2026-05-01", "end": "2026-05-08"})
    )


def test_a_shampoo_is_no_co_medication():
    assert not groups(taking(concept(text="ketoconazole 2% shampoo")))


def test_orders_are_no_co_medication():
    assert not facts(orders=(draft(concept(text="clarithromycin")),)).co_medications
