"""Sentences of the contract that stand between two rules, two locales or two readings, each tried on a patient."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from prodrome.rules.facts import AcuteUseMonth, Condition, DraftOrder, Facts, Indication, Patient, Stop, StopReason
from tests.rules.patients import (
    MIGRAINE,
    acute_use,
    emergency,
    judged,
    months,
    on,
    order,
    patient,
    rules_of,
    running,
    stopped,
)


def has(*names: str) -> tuple[Condition, ...]:
    return (MIGRAINE, Condition(frozenset(names), refs=(f"Condition/{names[0]}",)))


def person(age: int, sex: str | None = None) -> Patient:
    return Patient(on(f"{2026 - age}-06-15"), sex, ("Patient/p",))


def preventive(drug: str, **more: Any) -> DraftOrder:
    return order(drug, "preventive", **more)


def acute(drug: str, **more: Any) -> DraftOrder:
    return order(drug, "acute", **more)


def ordered(*drafts: DraftOrder, **more: Any) -> Facts:
    return patient(orders=drafts, **more)


def used(*rows: Mapping[str, float], total: float | None = None) -> Facts:
    found: tuple[AcuteUseMonth, ...] = acute_use(*rows)
    return patient(acute_use_months=tuple(replace(month, total=total) for month in found))


BESIDE = replace(
    ordered(acute("sumatriptan")), orders_beside=(replace(acute("rizatriptan"), place=5, ref="MedicationRequest/x"),)
)
FAILED = (stopped("propranolol"),)

ORDERED: Mapping[str, tuple[Facts, set[str]]] = {
    "an uncertain failure says nothing of its class": (
        ordered(preventive("metoprolol"), trials=(stopped("propranolol", coded=False),)),
        {"PRV-02"},
    ),
    "what to expect is told beside a failed class": (
        ordered(preventive("metoprolol"), trials=FAILED),
        {"PRV-01", "PRV-02"},
    ),
    "antiseizure drugs speak each for itself": (
        ordered(preventive("valproate"), trials=(stopped("topiramate"),), patient=person(38, "male")),
        {"PRV-02"},
    ),
    "an ACE inhibitor leaves the ARBs open": (
        ordered(preventive("candesartan"), trials=(stopped("lisinopril"),)),
        {"PRV-02"},
    ),
    "an antibody leaves the gepants open": (
        ordered(preventive("atogepant"), trials=(stopped("erenumab"),)),
        {"PRV-02", "ELG-01"},
    ),
    "a critical contraindication silences the rest": (
        ordered(preventive("metoprolol"), trials=FAILED, conditions=has("asthma")),
        {"SAF-01"},
    ),
    "a warning silences nothing": (
        ordered(preventive("metoprolol"), trials=FAILED, conditions=has("raynaud")),
        {"SAF-01", "PRV-01", "PRV-02"},
    ),
    "eligibility goes on beside a warning": (
        ordered(preventive("erenumab"), conditions=has("cad_ihd")),
        {"SAF-01", "ELG-01", "PRV-02"},
    ),
    "no eligibility of what runs already": (ordered(preventive("erenumab"), trials=(running("erenumab"),)), set()),
    "a guideline alone opens no eligibility": (ordered(preventive("propranolol")), {"PRV-02"}),
    "eligibility of an acute gepant": (ordered(acute("ubrogepant")), {"ELG-01"}),
    "no eligibility of a child": (ordered(preventive("erenumab"), patient=person(16)), set()),
    "no eligibility for cluster headache": (
        ordered(preventive("galcanezumab", indication=Indication.OTHER)),
        set(),
    ),
    "two triptans, one of them not selected": (BESIDE, {"SAF-02"}),
    "two triptans that are contraindicated anyhow": (
        ordered(acute("sumatriptan"), acute("rizatriptan"), conditions=has("cad_ihd")),
        {"SAF-01"},
    ),
    "an opioid for a child": (ordered(acute("oxycodone"), patient=person(16)), set()),
    "an opioid whose order alone names migraine": (ordered(acute("oxycodone"), conditions=()), {"ACU-03"}),
}


@pytest.mark.parametrize(("facts", "rules"), ORDERED.values(), ids=ORDERED)
def test_an_order(facts: Facts, rules: set[str]) -> None:
    assert rules_of(facts, "order-sign") == rules


OVERUSE: Mapping[str, tuple[Facts, bool]] = {
    "triptans at ten": (used(*[{"triptan": 10}] * 3), True),
    "triptans at nine": (used(*[{"triptan": 9}] * 3), False),
    "analgesics at fourteen": (used(*[{"simple-analgesic": 14}] * 3), False),
    "analgesics at fifteen": (used(*[{"simple-analgesic": 15}] * 3), True),
    "two classes that sum to ten": (used(*[{"triptan": 5, "simple-analgesic": 5}] * 3), True),
    "two classes that sum to nine": (used(*[{"triptan": 5, "simple-analgesic": 4}] * 3), False),
    "on the same nine days": (used(*[{"triptan": 9, "simple-analgesic": 9}] * 3, total=9), False),
    "on ten days together": (used(*[{"triptan": 9, "simple-analgesic": 9}] * 3, total=10), True),
    "another class each month": (used({"triptan": 10}, {"opioid": 10}, {"ergot": 10}), True),
    "a month that says nothing": (used({"triptan": 10}, {"triptan": 10}), False),
}


@pytest.mark.parametrize(("facts", "speaks"), OVERUSE.values(), ids=OVERUSE)
def test_overuse(facts: Facts, speaks: bool) -> None:
    assert rules_of(facts) == ({"MOH-01"} if speaks else set())


@pytest.mark.parametrize(
    ("drug", "locale", "who", "rules"),
    [
        ("valproate", "UK", person(54, "male"), {"SAF-01", "PRV-02"}),
        ("valproate", "UK", person(55, "male"), {"PRV-02"}),
        ("valproate", "EU", person(30, "male"), {"PRV-02"}),
        ("valproate", "US", person(30, "female"), {"SAF-01", "PRV-02"}),
        ("valproate", "UK", person(60, "female"), {"PRV-02"}),
        ("topiramate", "US", person(36, "female"), {"PRV-02"}),
        ("topiramate", "UK", person(36, "female"), {"SAF-01", "PRV-02"}),
        ("topiramate", "EU", person(36, "female"), {"PRV-02"}),
    ],
)
def test_what_a_locale_changes_for_whom(drug: str, locale: str, who: Patient, rules: set[str]) -> None:
    assert rules_of(ordered(preventive(drug), patient=who), "order-sign", locale=locale) == rules


def test_what_cannot_be_had_in_the_us_must_have_failed_in_the_uk() -> None:
    trials = tuple(map(stopped, ("propranolol", "topiramate", "amitriptyline", "candesartan", "atogepant")))
    facts = patient(trials=trials, headache_months=months(*[10] * 6))
    assert {"DTT-01", "DTT-02"} & rules_of(facts) == {"DTT-02"}
    assert {"DTT-01", "DTT-02"} & rules_of(facts, locale="UK") == {"DTT-01"}


UNEXPLAINED = tuple(stopped(drug, StopReason.UNKNOWN) for drug in ("propranolol", "topiramate", "amitriptyline"))
ASKS_THE_AGE: Mapping[str, tuple[Facts, str]] = {
    "ACU-01": (ordered(acute("sumatriptan", single_dose=25)), "order-sign"),
    "ACU-03": (ordered(acute("oxycodone")), "order-sign"),
    "SAF-02": (ordered(acute("sumatriptan", single_dose=200)), "order-sign"),
    "PRV-05": (
        patient(trials=(running("propranolol"),), headache_months=months(7, 7, start="migraine")),
        "patient-view",
    ),
    "DOC-01": (patient(trials=UNEXPLAINED), "patient-view"),
}


@pytest.mark.parametrize("rule", ASKS_THE_AGE)
@pytest.mark.parametrize(
    ("born", "speaks", "says"), [("1988", True, False), ("2008", False, False), (None, False, True)]
)
def test_an_age_that_nobody_knows_is_not_that_of_a_child(rule: str, born: str | None, speaks: bool, says: bool) -> None:
    facts, hook = ASKS_THE_AGE[rule]
    facts = replace(facts, patient=Patient(on(born) if born else None, refs=("Patient/p",)))
    assert (rule in rules_of(facts, hook)) is speaks
    missing = {unjudged.rule.id: unjudged.missing for unjudged in judged(facts, hook).unjudged}
    assert missing == ({rule: ("Patient",)} if says else {})


def test_nothing_is_said_of_who_is_recorded_as_deceased() -> None:
    gone = replace(person(38), deceased=True)
    assert rules_of(patient(patient=gone, hospital_visits=(emergency(10),))) == set()


def test_headache_days_judge_a_preventive_only_where_the_site_says_so() -> None:
    facts = patient(trials=(running("propranolol"),), headache_months=months(7, 7, start="headache"))
    assert rules_of(facts) == set()
    assert rules_of(facts, parameters={"accept_proxy_days": True}) == {"PRV-05"}


def test_a_preventive_that_is_not_taken_as_directed_is_not_called_insufficient() -> None:
    trials = (running("propranolol", stop=Stop(nonadherent=True)),)
    assert rules_of(patient(trials=trials, headache_months=months(7, 7, start="migraine"))) == set()
