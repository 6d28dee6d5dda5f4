"""The orders in hand, and co-medication."""

from typing import Any

import pytest

from prodrome.fhir_mappers import BundleEntry
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


def draft(drug: Json = SUMATRIPTAN, **more: Any) -> Json:
    return request(drug, **{"status": "draft", "id": "draft-1", "dosageInstruction": [as_needed(25)], **more})


def test_an_order_says_drug_dose_route_and_reason() -> None:
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


@pytest.mark.parametrize("needed", [{"asNeededBoolean": True}, {"asNeededCodeableConcept": {"text": "migraine"}}])
def test_what_is_taken_as_needed_has_no_scheduled_amount_of_a_day(needed: Json) -> None:
    every_two_hours = dose(50, frequency=1, period=2, periodUnit="h")
    scheduled, as_it_comes = (
        facts(orders=(draft(dosageInstruction=[every_two_hours | more]),)).orders[0] for more in ({}, needed)
    )
    assert (scheduled.single_dose, scheduled.per_day) == (50, 600)
    assert (as_it_comes.single_dose, as_it_comes.per_day) == (50, None)


def test_entries_of_a_bundle_and_bare_resources_are_read_alike() -> None:
    wrapped = bundle(draft())["entry"]
    assert facts(orders=tuple(wrapped)).orders == facts(orders=(draft(),)).orders


@pytest.mark.parametrize("status", ["draft", "active", "on-hold", None])
def test_an_order_may_have_any_status(status: str | None) -> None:
    assert facts(orders=(draft(status=status),)).orders


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "stopped", "completed", "ended"])
def test_an_order_that_is_being_ended_is_none(status: str) -> None:
    assert not facts(orders=(draft(status=status),)).orders


def test_an_order_not_to_give_is_none() -> None:
    assert not facts(orders=(draft(doNotPerform=True),)).orders


def test_an_order_for_another_patient_is_ignored() -> None:
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
def test_only_selected_orders_are_in_hand(selections: tuple[str, ...] | None, refs: list[str]) -> None:
    orders = (draft(id="a"), draft(PROPRANOLOL, id="b"))
    assert [order.ref for order in facts(orders=orders, selections=selections).orders] == refs


def test_a_medication_may_be_an_entry_among_the_orders() -> None:
    medication = resource("Medication", id="m1", code=SUMATRIPTAN)
    order = draft(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"})
    assert facts(orders=(order, medication)).orders[0].drug == "sumatriptan"


def test_an_order_with_only_a_display_is_recognised_at_low_certainty() -> None:
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


def running_since(day: str | None, id_: str = "x") -> Json:
    return draft(status="active", id=id_, authoredOn=day)


@pytest.mark.parametrize("day", ["2026-06-15", "2026-06-20", None, "2026-06", "2026"])
def test_the_order_in_hand_is_not_a_trial(day: str | None) -> None:
    signed = running_since(day)
    assert facts(signed, orders=(signed,)).trials == ()
    assert len(facts(signed).trials) == 1


@pytest.mark.parametrize("day", ["2026-06-14", "2025-01-01", "2026-05", "2025"])
@pytest.mark.parametrize("id_", ["x", "MedicationRequest/x", "https://ehr.example.org/fhir/MedicationRequest/x"])
def test_a_row_with_an_orders_id_is_history_where_it_began_before_today(day: str, id_: str) -> None:
    read = facts(running_since(day, id_), orders=(running_since("2026-06-15"),))
    assert [trial.running for trial in read.trials] == [True]
    assert len(read.orders) == 1


def test_an_unselected_order_is_no_trial_either() -> None:
    signed = running_since(None)
    assert facts(signed, orders=(signed, draft(PROPRANOLOL, id="b")), selections=("b",)).trials == ()


def test_an_eye_drop_is_ordered_for_the_eye() -> None:
    order = draft(rxnorm("10600"), dosageInstruction=[dose(1, "drop") | {"route": concept(text="ophthalmic")}])
    assert [order.systemic for order in facts(orders=(order,)).orders] == [False]


def test_low_dose_aspirin_is_an_order_with_its_dose() -> None:
    (order,) = facts(orders=(draft(rxnorm("1191"), dosageInstruction=[dose(81)]),)).orders
    assert order.single_dose == 81


def test_rimegepant_every_other_day_is_a_preventive_order() -> None:
    dosage = dose(75, "mg", frequency=1, period=2, periodUnit="d")
    assert facts(orders=(draft(RIMEGEPANT, dosageInstruction=[dosage]),)).orders[0].use == "preventive"
    assert facts(orders=(draft(RIMEGEPANT),)).orders[0].use == "acute"


def test_unspecific_toxin_is_an_order_only_for_migraine() -> None:
    assert facts(orders=(draft(ANY_TOXIN, reasonCode=[MIGRAINE]),)).orders
    assert not facts(orders=(draft(ANY_TOXIN, reasonCode=None),)).orders


def test_other_orders_are_passed_over() -> None:
    scan = resource("ServiceRequest", status="draft", intent="order", code={"text": "MRI"})
    read = facts(orders=(scan, draft(rxnorm("7980")), None, {}))
    assert not read.orders
    assert not read.skipped


@pytest.mark.parametrize(
    "entry",
    [
        5,
        "x",
        [],
        draft() | {"resourceType": "MedicationOrder"},
        draft() | {"resourceType": "Sonnet"},
        {"id": "x", "status": "draft"},
        resource("OperationOutcome"),
    ],
)
def test_an_entry_that_is_no_order_we_know_is_said(entry: object) -> None:
    read = facts(orders=(entry, draft(id="y")))
    assert [order.ref for order in read.orders] == ["MedicationRequest/y"]
    (skipped,) = read.skipped
    assert skipped.why.startswith("draft order, ")
    assert skipped.kind in ("MedicationRequest", "MedicationOrder", "an entry")


BY_URN = BundleEntry(draft(id=None), "urn:uuid:6b7f1c0e-0000-4000-8000-000000000001")
BY_ADDRESS = BundleEntry(draft(id=None), "https://ehr.example.org/fhir/MedicationRequest/x")


@pytest.mark.parametrize(
    ("order", "selection"),
    [
        (BY_URN, "urn:uuid:6b7f1c0e-0000-4000-8000-000000000001"),
        (BY_URN, "MedicationRequest/6b7f1c0e-0000-4000-8000-000000000001"),
        (BY_ADDRESS, "MedicationRequest/x"),
        (BY_ADDRESS, "x"),
        (draft(id="x"), "https://ehr.example.org/fhir/MedicationRequest/x"),
        (draft(id="x"), "MedicationRequest/x/_history/2"),
        (draft(id="x"), "urn:uuid:x"),
        (draft(id="MedicationRequest/x"), "MedicationRequest/x"),
    ],
)
def test_a_selection_names_an_order_in_any_spelling(order: object, selection: str) -> None:
    read = facts(orders=(order, draft(PROPRANOLOL, id="other")), selections=(selection,))
    assert [order.drug for order in read.orders] == ["sumatriptan"]
    assert not read.not_understood


@pytest.mark.parametrize("selection", ["MedicationRequest/gone", "gone", "urn:uuid:gone", "ServiceRequest/x"])
def test_a_selection_that_names_no_order_is_said(selection: str) -> None:
    read = facts(orders=(draft(id="x"),), selections=(selection,))
    assert not read.orders
    assert [(each.what, each.why, each.value) for each in read.not_understood] == [
        ("selection", "names no order in hand", selection)
    ]


@pytest.mark.parametrize(
    "reference", ["other", "Group/1", "patient/other", "https://ehr.example.org/fhir/Patient/other"]
)
def test_an_order_for_another_is_not_in_hand_and_said(reference: str) -> None:
    read = facts(orders=(draft(id="x", subject={"reference": reference}),))
    assert not read.orders
    assert [(each.what, each.why, each.value) for each in read.not_understood] == [
        ("subject", "is another patient", "")
    ]


def test_an_order_that_is_not_understood_is_counted_once_where_others_are_selected() -> None:
    unknown = draft(id="y", medicationCodeableConcept={"text": "nobody's drug"})
    read = facts(orders=(draft(id="x"), unknown), selections=("x",))
    assert [each.what for each in read.not_understood] == ["ordered drug"]


def test_a_selection_of_another_kind_of_order_is_understood() -> None:
    scan = resource("ServiceRequest", id="s", status="draft", intent="order")
    read = facts(orders=(scan, draft(id="x")), selections=("ServiceRequest/s",))
    assert not read.orders
    assert not read.not_understood


@pytest.mark.parametrize(
    ("reference", "medication"),
    [
        ("urn:uuid:m", BundleEntry(resource("Medication", code=SUMATRIPTAN), "urn:uuid:m")),
        ("urn:uuid:m", BundleEntry(resource("Medication", id="m", code=SUMATRIPTAN))),
        (
            "https://x.org/fhir/Medication/m",
            BundleEntry(resource("Medication", id=None, code=SUMATRIPTAN), "https://x.org/fhir/Medication/m"),
        ),
        (
            "Medication/m",
            BundleEntry(resource("Medication", id=None, code=SUMATRIPTAN), "https://x.org/fhir/Medication/m"),
        ),
        ("m", BundleEntry(resource("Medication", id="m", code=SUMATRIPTAN))),
        ("Medication/m", BundleEntry(resource("Medication", id="Medication/m", code=SUMATRIPTAN))),
    ],
)
def test_references_among_orders_resolve_as_in_any_bundle(reference: str, medication: BundleEntry) -> None:
    order = draft(medicationCodeableConcept=None, medicationReference={"reference": reference})
    assert [each.drug for each in facts(orders=(order, medication)).orders] == ["sumatriptan"]


@pytest.mark.parametrize(
    ("reference", "inside"),
    [("#m", "m"), ("#m", "#m"), ("Medication/m", "m"), ("m", "m"), ("m", "#m"), ("Medication/m", "Medication/m")],
)
def test_a_contained_medication_is_found_with_and_without_its_sign(reference: str, inside: str) -> None:
    contained = {"resourceType": "Medication", "id": inside, "code": SUMATRIPTAN}
    reference_to: Json = {"medicationCodeableConcept": None, "medicationReference": {"reference": reference}}
    assert [each.drug for each in facts(orders=(draft(contained=[contained], **reference_to),)).orders] == [
        "sumatriptan"
    ]
    assert [each.drug for each in facts(request(contained=[contained], **reference_to)).trials] == ["sumatriptan"]


def test_a_medication_of_the_record_goes_before_a_contained_one_without_its_sign() -> None:
    contained = {"resourceType": "Medication", "id": "m", "code": PROPRANOLOL}
    order = draft(
        medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"}, contained=[contained]
    )
    assert facts(resource("Medication", id="m", code=SUMATRIPTAN), orders=(order,)).orders[0].drug == "sumatriptan"


def test_an_unreadable_order_is_disclosed_and_the_others_judged() -> None:
    broken = draft(id="bad", dosageInstruction=[{"doseAndRate": 5}])
    read = facts(orders=(broken, draft()))
    assert [order.ref for order in read.orders] == ["MedicationRequest/draft-1"]
    assert [(skipped.kind, skipped.id) for skipped in read.skipped] == [("MedicationRequest", "bad")]


# --- Co-medication --------------------------------------------------------------------------------------------------


def groups(*rows: Json) -> set[str]:
    return {found.group for found in facts(*rows).co_medications}


def taking(drug: Json, **more: Any) -> Json:
    return statement(drug, **{"status": "active", "end": None, "reasonCode": None, "dosage": None, **more})


def test_a_co_medication_is_known_by_code_display_or_text() -> None:
    assert "maoi" in groups(taking(concept(ATC, "N06AF03")))
    assert "maoi" in groups(taking(concept(ATC, "N06AG02")))
    for maoi in (rxnorm("30121"), rxnorm("312347"), concept(ATC, "J01XX08"), concept(text="Nardil 15 mg")):
        assert groups(taking(maoi)) == {"maoi", "mao_a_inhibitor"}
    for strong in (rxnorm("197517"), concept(ATC, "J01FA09"), concept(ATC, "J02AC02"), concept(ATC, "V03AX03")):
        assert "strong_cyp3a4_inhibitor" in groups(taking(strong))
    assert groups(taking(rxnorm("0", display="phenelzine 15 MG Oral Tablet"))) == {"maoi", "mao_a_inhibitor"}
    assert groups(taking(concept(text="Clarithromycin 500 mg"))) == {"strong_cyp3a4_inhibitor", "oatp1b3_inhibitor"}
    assert groups(taking(concept(text="nirmatrelvir / ritonavir"))) == {"strong_cyp3a4_inhibitor", "oatp_inhibitor"}
    assert groups(taking(concept(text="St. John's wort 300 mg"))) == {"strong_cyp3a4_inducer"}
    assert groups(taking(concept(ATC, "N03AF01"))) == {"strong_cyp3a4_inducer"}
    assert groups(taking(concept("http://hl7.org/fhir/sid/ndc", "0071-0350-24"))) == {"maoi", "mao_a_inhibitor"}


def test_a_co_medication_may_be_a_running_request() -> None:
    assert groups(request(concept(text="ketoconazole 200 mg tablet"))) == {"strong_cyp3a4_inhibitor"}


@pytest.mark.parametrize("status", ["completed", "stopped", "not-taken", "on-hold", "entered-in-error"])
def test_a_drug_not_taken_now_is_no_co_medication(status: str) -> None:
    assert not groups(taking(concept(text="clarithromycin"), status=status))


def test_a_course_that_is_over_is_no_co_medication() -> None:
    assert not groups(
        taking(concept(text="clarithromycin"), effectivePeriod={"start": "2026-05-01", "end": "2026-05-08"})
    )


def test_a_shampoo_is_no_co_medication() -> None:
    assert not groups(taking(concept(text="ketoconazole 2% shampoo")))


def test_orders_are_no_co_medication() -> None:
    assert not facts(orders=(draft(concept(text="clarithromycin")),)).co_medications
