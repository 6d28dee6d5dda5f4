"""Prefetch values, in every shape seen, become resources by kind and how complete each kind is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers import collect, is_answer
from prodrome.rules.facts import Completeness
from tests.fhir_mappers.build import bundle, condition, facts, statement

COMPLETE, INCOMPLETE, MISSING = Completeness.COMPLETE, Completeness.INCOMPLETE, Completeness.MISSING


def outcome(severity: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}


NEXT = [{"relation": "self", "url": "https://a"}, {"relation": "next", "url": "https://b"}]
ONE = condition()

SHAPES: list[tuple[str, object, Completeness, int]] = [
    ("null", None, COMPLETE, 0),
    ("a Bundle", bundle(ONE), COMPLETE, 1),
    ("an empty Bundle", bundle(), COMPLETE, 0),
    ("a Bundle without entry", {"resourceType": "Bundle", "total": 0}, COMPLETE, 0),
    ("one entry where a list belongs", {"resourceType": "Bundle", "entry": {"resource": ONE}}, COMPLETE, 1),
    ("a Bundle with its total", bundle(ONE, total=1), COMPLETE, 1),
    ("a Bundle that goes on", bundle(ONE, link=NEXT, total=2), INCOMPLETE, 1),
    ("a Bundle that was cut without saying so", bundle(ONE, total=2), INCOMPLETE, 1),
    ("a total written as a decimal", bundle(ONE, total=2.0), INCOMPLETE, 1),
    ("a total written as text", bundle(ONE, total="2"), INCOMPLETE, 1),
    ("the total of a Bundle written as text", bundle(ONE, total="1"), COMPLETE, 1),
    ("a total that is none", bundle(ONE, total="many"), COMPLETE, 1),
    ("a Bundle that goes on in capitals", bundle(ONE, link=[{"relation": "Next"}]), INCOMPLETE, 1),
    ("a Bundle that goes on in a list", bundle(ONE, link=[{"relation": ["next"]}]), INCOMPLETE, 1),
    ("a Bundle that goes on by one link", bundle(ONE, link={"relation": "next"}), INCOMPLETE, 1),
    ("a warning inside", bundle(ONE, outcome("warning")), COMPLETE, 1),
    ("information inside", bundle(ONE, outcome("information")), COMPLETE, 1),
    ("an error inside", bundle(ONE, outcome("error")), INCOMPLETE, 1),
    ("a fatal error inside", bundle(ONE, outcome("fatal")), INCOMPLETE, 1),
    ("an outcome without issues inside", bundle(ONE, {"resourceType": "OperationOutcome"}), INCOMPLETE, 1),
    ("an OperationOutcome", outcome("error"), MISSING, 0),
    ("an OperationOutcome that only warns", outcome("warning"), MISSING, 0),
    ("a Bundle of another kind", bundle(statement()), INCOMPLETE, 0),
    ("a Bundle of another kind in a Bundle", bundle(bundle(statement(), total=1)), INCOMPLETE, 0),
    ("another kind where nothing matched", bundle(statement(), total=0), COMPLETE, 0),
    ("one resource", ONE, COMPLETE, 1),
    ("another resource", statement(), MISSING, 0),
    ("the old wrapping", {"response": {"status": "200 OK"}, "resource": bundle(ONE)}, COMPLETE, 1),
    ("the old wrapping of nothing", {"response": {"status": "200 OK"}, "resource": None}, COMPLETE, 0),
    ("the old wrapping, refused", {"response": {"status": "404 Not Found"}, "resource": None}, MISSING, 0),
    ("entries without wrapper", {"resourceType": "Bundle", "entry": [ONE]}, COMPLETE, 1),
    ("a list of resources", [ONE], COMPLETE, 1),
    ("an entry without resource", {"resourceType": "Bundle", "entry": [{"fullUrl": "https://a"}]}, INCOMPLETE, 0),
    ("an entry that is none", {"resourceType": "Bundle", "entry": [7]}, INCOMPLETE, 0),
    ("a Bundle in a Bundle", bundle(bundle(ONE)), COMPLETE, 1),
    ("a number", 5, MISSING, 0),
    ("text", "Condition/1", MISSING, 0),
    ("an empty object", {}, MISSING, 0),
]


@pytest.mark.parametrize(("value", "state", "count"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES])
def test_a_value_says_how_complete_its_kind_is(value: object, state: Completeness, count: int) -> None:
    found, completeness = collect([("Condition", value)])
    assert completeness == {"Condition": state}
    assert len(found.get("Condition", [])) == count


def test_a_kind_nobody_asked_for_is_missing() -> None:
    _, completeness = collect([("Condition", None)])
    assert facts(completeness=completeness).completeness["Encounter"] is MISSING


def test_of_two_answers_for_a_kind_the_worse_stands() -> None:
    parts = [("Condition", bundle(ONE)), ("Condition", outcome("error")), ("Condition", None)]
    found, completeness = collect(parts)
    assert completeness == {"Condition": MISSING}
    assert len(found["Condition"]) == 1


def test_included_resources_do_not_make_their_kind_complete_nor_count_for_the_total() -> None:
    medication = {"resourceType": "Medication", "id": "m1"}
    answer = bundle(statement(), total=1)
    answer["entry"].append({"resource": medication, "search": {"mode": "include"}})
    found, completeness = collect([("MedicationStatement", answer)])
    assert completeness == {"MedicationStatement": COMPLETE}
    assert [entry.resource for entry in found["Medication"]] == [medication]


def test_an_included_row_of_the_same_kind_does_not_make_up_the_total() -> None:
    answer = bundle(condition(), total=3)
    answer["entry"].append({"resource": condition(), "search": {"mode": "include"}})
    assert collect([("Condition", answer)])[1] == {"Condition": INCOMPLETE}


INCLUDED = {"resource": {"resourceType": "Medication", "id": "m1"}, "search": {"mode": "include"}}
WARNED = {"resource": outcome("warning"), "search": {"mode": "outcome"}}


@pytest.mark.parametrize(
    ("beside", "total", "state"),
    [
        ([INCLUDED], 2, COMPLETE),
        ([WARNED], 2, COMPLETE),
        ([INCLUDED, WARNED], 3, COMPLETE),
        ([INCLUDED, INCLUDED, WARNED], 3, COMPLETE),
        ([INCLUDED], 1, COMPLETE),
        ([INCLUDED], 3, INCOMPLETE),
        ([INCLUDED, INCLUDED], 2, INCOMPLETE),
        ([], 2, INCOMPLETE),
    ],
)
def test_a_total_that_counts_what_is_beside_the_matches_is_no_sign_of_missing_rows(
    beside: list[Any], total: int, state: Completeness
) -> None:
    answer = bundle(statement(), total=total)
    answer["entry"] += beside
    assert collect([("MedicationStatement", answer)])[1]["MedicationStatement"] is state


@pytest.mark.parametrize(
    "value", [{}, [], 5, "none", {"foo": 1}, [1], statement(), {"resource": {}}, {"resource": statement()}, True]
)
def test_what_is_no_answer_is_as_if_it_had_not_come(value: object) -> None:
    assert not is_answer("Condition", value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [ONE],
        ONE,
        bundle(),
        {"resourceType": "Bundle"},
        outcome("error"),
        {"resource": ONE},
        {"response": {"status": "404"}, "resource": None},
    ],
)
def test_rows_or_none_or_a_reason_for_none_are_an_answer(value: object) -> None:
    assert is_answer("Condition", value)


def test_one_value_under_two_keys_of_a_kind_is_as_complete_as_it_is() -> None:
    value = bundle(ONE, total=1)
    assert collect([("Condition", value), ("Condition", value)])[1] == {"Condition": COMPLETE}


def test_device_usage_is_the_device_use_statement_of_r5() -> None:
    found, completeness = collect([("DeviceUsage", bundle({"resourceType": "DeviceUsage", "id": "d"}))])
    assert completeness == {"DeviceUseStatement": COMPLETE}
    assert list(found) == ["DeviceUseStatement"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "link", "total", "issue", "response", "relation", "severity", "x"]
            ),
            inner | st.sampled_from(["Bundle", "Condition", "OperationOutcome", "next", "error"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_collected(value: object) -> None:
    _, completeness = collect([("Condition", value)])
    assert completeness["Condition"] in (COMPLETE, INCOMPLETE, MISSING)
