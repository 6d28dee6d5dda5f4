"""ACU-01, ACU-02 and MOH-01: full doses, classes that stay open, and overuse."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from prodrome.rules.facts import (
    Allergy,
    CoMedication,
    Condition,
    Indication,
    Patient,
    Stop,
    StopReason,
    Trial,
)
from tests.rules.patients import MIGRAINE, acute_use, attacks, on, order, patient, rules_of, unjudged_of


def said(facts: object, hook: str = "order-select") -> set[str]:
    return rules_of(facts, hook)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drug", "dose", "route", "speaks"),
    [
        ("sumatriptan", 25, None, True),
        ("sumatriptan", 50, None, False),
        ("sumatriptan", 20, None, False),
        ("sumatriptan", 20, "oral", True),
        ("sumatriptan", 5, "nasal", True),
        ("sumatriptan", 10, "nasal", False),
        ("sumatriptan", 2, "subcutaneous", True),
        ("sumatriptan", 3, "subcutaneous", False),
        ("sumatriptan", 25, "rectal", False),
        ("sumatriptan", None, None, False),
        ("rizatriptan", 5, None, True),
        ("eletriptan", 20, None, False),
        ("zolmitriptan", 2.5, None, False),
        ("zolmitriptan", 1.25, None, True),
        ("ubrogepant", 25, None, True),
        ("lasmiditan", 25, None, True),
        ("dihydroergotamine", 0.25, "nasal", False),
        ("ibuprofen", 200, None, True),
        ("acetaminophen", 500, None, True),
        ("aspirin", 325, None, False),
        ("aspirin", 500, None, True),
        ("asa_apap_caffeine", 250, None, False),
        ("sumatriptan_naproxen", 10, None, False),
        ("metoclopramide", 5, None, False),
    ],
)
def test_a_single_dose_below_the_full_one(drug: str, dose: float | None, route: str | None, speaks: bool) -> None:
    facts = patient(orders=(order(drug, "acute", single_dose=dose, route=route),))
    assert ("ACU-01" in said(facts)) is speaks
    assert ("ACU-01" in said(facts, "order-sign")) is speaks


def test_analgesics_are_for_migraine_only_where_the_order_says_so() -> None:
    unstated = order("ibuprofen", "acute", single_dose=200, indication=Indication.UNSTATED)
    assert "ACU-01" not in said(patient(orders=(unstated,)))
    headache = order("ibuprofen", "acute", single_dose=200, indication=Indication.HEADACHE)
    assert "ACU-01" in said(patient(orders=(headache,)))
    assert "ACU-01" not in said(patient(conditions=(), orders=(headache,)))


def test_the_orders_own_migraine_indication_is_enough_without_a_problem_list_entry() -> None:
    assert "ACU-01" in said(patient(conditions=(), orders=(order("sumatriptan", "acute", single_dose=25),)))
    unstated = order("sumatriptan", "acute", single_dose=25, indication=Indication.UNSTATED)
    assert "ACU-01" not in said(patient(conditions=(), orders=(unstated,)))
    assert "ACU-01" in said(patient(orders=(unstated,)))
    cluster = order("sumatriptan", "acute", single_dose=25, indication=Indication.OTHER)
    assert "ACU-01" not in said(patient(orders=(cluster,)))


def test_children_are_left_alone() -> None:
    facts = patient(patient=Patient(on("2012-01-01")), orders=(order("sumatriptan", "acute", single_dose=25),))
    assert said(facts) == set()


def test_a_dose_exception_that_applies_silences() -> None:
    def with_(drug: str, dose: float, **facts: Any) -> set[str]:
        return said(patient(orders=(order(drug, "acute", single_dose=dose),), **facts))

    propranolol = Trial("propranolol", "preventive", running=True, indication=Indication.OTHER, refs=("X/1",))
    assert "ACU-01" in with_("rizatriptan", 5)
    assert "ACU-01" not in with_("rizatriptan", 5, trials=(propranolol,))
    liver = (MIGRAINE, Condition(frozenset({"liver_disease"}), refs=("C/l",)))
    assert "ACU-01" not in with_("zolmitriptan", 1.25, conditions=liver)
    kidney = (MIGRAINE, Condition(frozenset({"ckd_severe"}), refs=("C/k",)))
    assert "ACU-01" not in with_("almotriptan", 6.25, conditions=kidney)
    assert "ACU-01" in with_("zolmitriptan", 1.25, conditions=kidney)
    inhibitor = (CoMedication("strong_cyp3a4_inhibitor", refs=("X/2",)),)
    assert "ACU-01" not in with_("almotriptan", 6.25, co_medications=inhibitor)


@pytest.mark.parametrize(
    "missing", ["MedicationStatement", "MedicationRequest", "MedicationAdministration", "Condition"]
)
def test_exceptions_cannot_be_excluded_over_incomplete_data(missing: str) -> None:
    facts = patient(orders=(order("almotriptan", "acute", single_dose=6.25),), missing=[missing])
    assert "ACU-01" not in said(facts)
    assert "ACU-01" in unjudged_of(facts, "order-select")


@pytest.mark.parametrize(("drug", "dose"), [("sumatriptan", 25), ("naproxen", 250), ("ubrogepant", 25)])
def test_a_dose_that_no_other_drug_makes_right_needs_no_medications(drug: str, dose: float) -> None:
    ordered = (order(drug, "acute", single_dose=dose),)
    unseen = ["MedicationStatement", "MedicationRequest", "MedicationAdministration"]
    assert "ACU-01" in said(patient(orders=ordered, missing=unseen))
    assert "ACU-01" not in said(patient(orders=ordered, missing=["Condition"]))


def taken(drug: str, dose: float, **more: object) -> Trial:
    return Trial(drug, "acute", running=True, single_dose=dose, refs=(f"MedicationStatement/{drug}",), **more)  # type: ignore[arg-type]


def test_a_low_dose_taken_now_is_said_when_the_chart_opens_and_not_over_an_order() -> None:
    facts = patient(trials=(taken("sumatriptan", 25),))
    assert said(facts, "patient-view") == {"ACU-01"}
    assert said(facts, "order-select") == set()
    other = patient(trials=(taken("sumatriptan", 25, indication=Indication.OTHER),))
    assert said(other, "patient-view") == set()
    stopped = patient(trials=(Trial("sumatriptan", "acute", single_dose=25, refs=("X/1",)),))
    assert said(stopped, "patient-view") == set()


def test_one_failed_acute_drug_leaves_its_class_open() -> None:
    assert said(patient(attack_records=(attacks("sumatriptan", 5, 1, 100),)), "patient-view") == {"ACU-02"}
    assert said(patient(attack_records=(attacks("ubrogepant", 5, 1, 100),)), "patient-view") == {"ACU-02"}
    assert said(patient(attack_records=(attacks("ibuprofen", 5, 1, 600),)), "patient-view") == {"ACU-02"}
    assert said(patient(attack_records=(attacks("acetaminophen", 5, 1, 1000),)), "patient-view") == set()
    assert said(patient(attack_records=(attacks("lasmiditan", 5, 1, 100),)), "patient-view") == set()


def test_a_class_is_not_offered_where_it_is_contraindicated_or_being_ordered() -> None:
    facts: dict[str, Any] = {"attack_records": (attacks("sumatriptan", 5, 1, 100),)}
    heart = (MIGRAINE, Condition(frozenset({"cad_ihd"}), refs=("C/1",)))
    assert said(patient(conditions=heart, **facts), "patient-view") == set()
    assert "ACU-02" in said(patient(orders=(order("ibuprofen", "acute", single_dose=600),), **facts))
    assert "ACU-02" not in said(patient(orders=(order("rizatriptan", "acute", single_dose=10),), **facts))


def test_a_class_whose_members_were_all_tried_is_not_offered() -> None:
    tried = tuple(
        Trial(drug, "acute", stop=Stop(StopReason.UNKNOWN), refs=(f"X/{drug}",))
        for drug in ("rimegepant", "zavegepant")
    )
    facts = patient(attack_records=(attacks("ubrogepant", 5, 1, 100),), trials=tried)
    assert said(facts, "patient-view") == set()


def test_untried_needs_complete_medications() -> None:
    facts = patient(attack_records=(attacks("sumatriptan", 5, 1, 100),), missing=["MedicationRequest"])
    assert said(facts, "patient-view") == set()
    assert unjudged_of(facts) == {"ACU-02"}


def test_an_nsaid_allergy_closes_the_nsaids() -> None:
    facts = patient(
        attack_records=(attacks("ibuprofen", 5, 1, 600),), allergies=(Allergy("naproxen", "allergy", True, ("A/1",)),)
    )
    assert said(facts, "patient-view") == set()


@pytest.mark.parametrize(
    ("rows", "speaks"),
    [
        (({"triptan": 10}, {"triptan": 12}, {"triptan": 10}), True),
        (({"triptan": 10}, {"triptan": 9}, {"triptan": 10}), False),
        (({"simple-analgesic": 15},) * 3, True),
        (({"simple-analgesic": 14},) * 3, False),
        (({"triptan": 5, "simple-analgesic": 5},) * 3, True),
        (({"triptan": 9, "simple-analgesic": 0},) * 3, False),
        (({"triptan": 5, "opioid": 4},) * 3, False),
        (({"triptan": 10}, {"opioid": 10}, {"ergot": 10}), True),
        (({"combination-analgesic": 10},) * 3, True),
        (({"triptan": 10}, None, {"triptan": 10}, {"triptan": 10}), False),
        (({"triptan": 10}, {}, {"triptan": 10}), False),
    ],
)
def test_overuse_is_three_months_at_the_threshold(rows: tuple[Mapping[str, float] | None, ...], speaks: bool) -> None:
    facts = patient(acute_use_months=acute_use(*rows))
    assert ("MOH-01" in said(facts, "patient-view")) is speaks
    assert ("MOH-01" in said(facts, "order-select")) is speaks


@pytest.mark.parametrize(("total", "speaks"), [(10, True), (9, False), (18, True), (None, True), (3, False)])
def test_days_of_intake_replace_the_sum_of_the_classes(total: float | None, speaks: bool) -> None:
    rows = acute_use(*({"triptan": 9, "simple-analgesic": 9},) * 3)
    facts = patient(acute_use_months=tuple(replace(row, total=total) for row in rows))
    assert ("MOH-01" in said(facts, "patient-view")) is speaks


def test_overuse_needs_an_adult_with_migraine() -> None:
    rows = acute_use(*({"triptan": 12},) * 3)
    assert said(patient(conditions=(), acute_use_months=rows), "patient-view") == set()
    assert said(patient(patient=Patient(on("2015")), acute_use_months=rows), "patient-view") == set()
