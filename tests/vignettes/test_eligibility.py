"""Orders of drugs that somebody asks something for: one patient a line, who gets ELG-01 and who does not.

Today is 2026-06-15.
"""

from typing import Any

import pytest

from tests.fhir_mappers.build import (
    BOTOX,
    ERENUMAB,
    ICD10CM,
    INEFFECTIVE,
    RIMEGEPANT,
    SNOMED,
    SUMATRIPTAN,
    concept,
    condition,
    dose,
    rxnorm,
    statement,
)
from tests.vignettes.test_charts import ADULT, answered, draft, propranolol, topiramate

Json = dict[str, Any]

ATOGEPANT, GALCANEZUMAB, UBROGEPANT, LASMIDITAN = (rxnorm(c) for c in ("2571813", "2058887", "2268216", "2256930"))
AMITRIPTYLINE, CANDESARTAN = rxnorm("704"), rxnorm("214354")
MONTHLY: dict[str, Any] = {"frequency": 1, "period": 28, "periodUnit": "d"}
CLUSTER = concept(ICD10CM, "G44.009")


def runs(drug: Json, amount: float, **timing: Any) -> Json:
    return statement(drug, "active", "2026-01-01", None, dosage=[dose(amount, **timing)])


def to_prevent(drug: Json, amount: float, **more: Any) -> Json:
    return draft(drug, dosageInstruction=[dose(amount)], **more)


ORDERS = {
    "an antibody": ([], draft(ERENUMAB), "US", True),
    "an antibody in the UK": ([], draft(ERENUMAB), "UK", True),
    "an antibody in the EU, where no funder is named": ([], draft(ERENUMAB), "EU", False),
    "another antibody": ([], draft(GALCANEZUMAB), "US", True),
    "a gepant to prevent": ([], to_prevent(ATOGEPANT, 60), "US", True),
    "a gepant to prevent in the UK": ([], to_prevent(ATOGEPANT, 60), "UK", True),
    "a gepant for attacks": ([], draft(UBROGEPANT, 100), "US", True),
    "a gepant for attacks in the UK, where NICE did not appraise it": ([], draft(UBROGEPANT, 100), "UK", False),
    "rimegepant for attacks": ([], draft(RIMEGEPANT, 75), "UK", True),
    "botulinum toxin in the UK": ([], draft(BOTOX, 155, "unit"), "UK", True),
    "botulinum toxin in the US, whose label is for chronic migraine": ([], draft(BOTOX, 155, "unit"), "US", True),
    "a beta blocker": ([], to_prevent(rxnorm("8787"), 80), "US", False),
    "topiramate, of which guidelines alone speak": ([], to_prevent(rxnorm("38404"), 100), "US", False),
    "candesartan in the UK": ([], to_prevent(CANDESARTAN, 16), "UK", False),
    "amitriptyline": ([], to_prevent(AMITRIPTYLINE, 25), "US", False),
    "a triptan": ([], draft(SUMATRIPTAN, 100), "US", False),
    "lasmiditan, whose label limits no type": ([], draft(LASMIDITAN, 100), "US", False),
    "after enough failures": ([propranolol(), topiramate()], draft(ERENUMAB), "US", True),
    "running already": ([runs(ERENUMAB, 140, **MONTHLY)], draft(ERENUMAB), "US", False),
    "stopped last year": (
        [statement(ERENUMAB, "stopped", "2025-01-01", "2025-02-01", dosage=[dose(140, **MONTHLY)])],
        draft(ERENUMAB),
        "US",
        True,
    ),
    "another antibody running": ([runs(GALCANEZUMAB, 120, **MONTHLY)], draft(ERENUMAB), "US", True),
    "for cluster headache": ([], draft(GALCANEZUMAB, reasonCode=[CLUSTER]), "US", False),
    "for no stated reason": ([], draft(ERENUMAB, reasonCode=None), "US", True),
}


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize(("chart", "order", "locale", "speaks"), ORDERS.values(), ids=ORDERS)
def test_an_order_somebody_asks_something_for(
    chart: list[Json], order: Json, locale: str, speaks: bool, hook: str
) -> None:
    rules = answered([condition(), *chart], hook, orders=[order], locale=locale)
    assert ("ELG-01" in rules) == speaks


@pytest.mark.parametrize(("birth", "speaks"), [("2008-06-15", True), ("2008-06-16", False)])
def test_only_adults(birth: str, speaks: bool) -> None:
    rules = answered([condition()], "order-sign", orders=[draft(ERENUMAB)], patient=ADULT | {"birthDate": birth})
    assert ("ELG-01" in rules) == speaks


@pytest.mark.parametrize("hook", ["patient-view", "encounter-start", "encounter-discharge"])
def test_only_for_orders(hook: str) -> None:
    assert "ELG-01" not in answered([condition(), propranolol()], hook)


def test_not_for_a_patient_without_migraine_where_the_order_says_nothing() -> None:
    assert "ELG-01" not in answered([], "order-sign", orders=[draft(ERENUMAB, reasonCode=None)])
    assert "ELG-01" in answered([], "order-sign", orders=[draft(ERENUMAB)])


def test_not_where_the_order_is_contraindicated() -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": f"Patient/{ADULT['id']}"},
        "type": "allergy",
        "code": ERENUMAB,
    }
    assert answered([condition(), allergy], "order-sign", orders=[draft(ERENUMAB)]) == {"SAF-01"}


def test_over_missing_medications_it_still_speaks() -> None:
    assert "ELG-01" in answered(
        [condition()], "order-sign", orders=[draft(ERENUMAB)], missing=["MedicationStatement", "MedicationRequest"]
    )


def test_a_trial_in_text_leaves_the_criterion_open() -> None:
    in_text = statement(concept(text="Topiramate 100 mg"), why=concept(SNOMED, INEFFECTIVE), dosage=[dose(100)])
    assert "ELG-01" in answered([condition(), in_text], "order-sign", orders=[draft(ERENUMAB)])
