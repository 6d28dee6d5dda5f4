"""The contract on the order in hand and on what is complete: one row per line of it."""

from typing import Any

import pytest

from prodrome.fhir_mappers import collect
from prodrome.fhir_mappers.collecting import BundleEntry
from prodrome.rules.facts import Completeness
from tests.fhir_mappers.build import Json, bundle, condition, facts, request, rxnorm, statement
from tests.fhir_mappers.contract import drugs, ordered

URN = "urn:uuid:4b1c8f66-3d1d-4b0c-9a5e-6f0f3f2b7d11"
MEDICATION: Json = {"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")}


def referring(reference: str, **more: Any) -> Json:
    return request(None, medicationReference={"reference": reference}, dosageInstruction=[], **more)


PLAIN = request(id="o1", dosageInstruction=[])
ORDERED: dict[str, tuple[object, ...]] = {
    "a resource": (PLAIN,),
    "an entry": ({"resource": PLAIN},),
    "an entry with its address": (BundleEntry(PLAIN, "https://ehr.example.org/fhir/MedicationRequest/o1"),),
    "a urn among the orders": (referring(URN), BundleEntry(MEDICATION, URN)),
    "an address among the orders": (
        referring("https://ehr.example.org/Medication/m1"),
        BundleEntry(MEDICATION, "https://ehr.example.org/Medication/m1"),
    ),
    "an id among the orders": (referring("Medication/m1"), MEDICATION),
    "contained": (referring("#m1", contained=[MEDICATION]),),
    "contained, without a sign": (referring("Medication/m1", contained=[MEDICATION]),),
    "any status": (request(status="active", id="o1", dosageInstruction=[]),),
    "no status": (request(status=None, id="o1", dosageInstruction=[]),),
}


@pytest.mark.parametrize("name", ORDERED)
def test_an_order_is_read_in_every_form(name: str) -> None:
    assert ordered(facts(orders=ORDERED[name])) == [("propranolol", None)]


@pytest.mark.parametrize("status", ["stopped", "completed", "ended", "cancelled", "entered-in-error"])
def test_an_order_that_is_being_ended_gets_no_card(status: str) -> None:
    assert ordered(facts(orders=(request(status=status),))) == []


def test_two_orders_with_one_id_are_two_orders() -> None:
    one, other = request(id="o1", dosageInstruction=[]), request(rxnorm("6918"), id="o1", dosageInstruction=[])
    assert ordered(facts(orders=(one, other))) == [("propranolol", None), ("metoprolol", None)]


@pytest.mark.parametrize(
    ("authored", "history"), [("2025-01-01", ["propranolol"]), ("2026-06-15", []), ("2026-07-01", [])]
)
def test_the_orders_own_row_is_history_where_it_began_before_today(authored: str, history: list[str]) -> None:
    row = request(id="o1", authoredOn=authored)
    read = facts(row, orders=(row,))
    assert (drugs(read), len(read.orders)) == (history, 1)


def test_none_selected_none_judged_and_an_unknown_selection_is_said() -> None:
    read = facts(orders=(PLAIN,), selections=())
    assert (ordered(read), [each.what for each in read.not_understood]) == ([], ["selection"])
    assert not facts(selections=()).not_understood
    read = facts(orders=(PLAIN,), selections=("MedicationRequest/o9",))
    assert (ordered(read), [each.what for each in read.not_understood]) == ([], ["selection"])


def outcome(severity: str) -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}


ROW = condition(id="c1")
NEXT = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
INCLUDED = {"resource": statement(id="s1"), "search": {"mode": "include"}}
STATES: dict[str, tuple[object, Completeness]] = {
    "null": (None, Completeness.COMPLETE),
    "an empty Bundle": (bundle(), Completeness.COMPLETE),
    "a Bundle": (bundle(ROW), Completeness.COMPLETE),
    "a Bundle that goes on": (bundle(ROW, link=NEXT), Completeness.INCOMPLETE),
    "a total that is met": (bundle(ROW, total=1), Completeness.COMPLETE),
    "a total that is not met": (bundle(ROW, total=2), Completeness.INCOMPLETE),
    "a total that counts what is included": (
        {"resourceType": "Bundle", "total": 2, "entry": [{"resource": ROW}, INCLUDED]},
        Completeness.COMPLETE,
    ),
    "a total that counts an outcome": (
        {
            "resourceType": "Bundle",
            "total": 2,
            "entry": [{"resource": ROW}, {"resource": outcome("information"), "search": {"mode": "outcome"}}],
        },
        Completeness.COMPLETE,
    ),
    "a warning inside": (bundle(ROW, outcome("warning")), Completeness.COMPLETE),
    "information inside": (bundle(ROW, outcome("information")), Completeness.COMPLETE),
    "an error inside": (bundle(ROW, outcome("error")), Completeness.INCOMPLETE),
    "something fatal inside": (bundle(ROW, outcome("fatal")), Completeness.INCOMPLETE),
    "an OperationOutcome": (outcome("error"), Completeness.MISSING),
    "an OperationOutcome that only informs": (outcome("information"), Completeness.MISSING),
    "an object that is no FHIR": ({}, Completeness.MISSING),
    "text": ("none", Completeness.MISSING),
    "one resource": (ROW, Completeness.COMPLETE),
    "a list": ([ROW], Completeness.COMPLETE),
    "an empty list, which is as good as nothing": ([], Completeness.MISSING),
    "a Bundle in a Bundle": (bundle(bundle(ROW)), Completeness.COMPLETE),
    "a Bundle in a Bundle that goes on": (bundle(bundle(ROW, link=NEXT)), Completeness.INCOMPLETE),
}


@pytest.mark.parametrize("name", STATES)
def test_a_kind_is_as_complete_as_what_came_says(name: str) -> None:
    value, state = STATES[name]
    assert collect([("Condition", value)])[1] == {"Condition": state}


def test_an_unreadable_row_makes_its_kind_incomplete_and_a_row_of_another_does_not() -> None:
    broken = condition(id="c2") | {"code": "asthma"}
    another = condition(id="c3", subject={"reference": "Patient/somebody-else"})
    assert facts(ROW, broken).completeness["Condition"] is Completeness.INCOMPLETE
    assert facts(ROW, another).completeness["Condition"] is Completeness.COMPLETE


def test_one_type_and_id_counts_once_wherever_it_came() -> None:
    twice = [("Condition", bundle(ROW)), ("Encounter", bundle(ROW))]
    assert len(facts(*(entry.resource for rows in collect(twice)[0].values() for entry in rows)).conditions) == 1
