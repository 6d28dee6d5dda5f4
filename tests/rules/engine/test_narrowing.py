"""A layer cut down to what can match gives the matches of the whole."""

import gc
import sys

import pytest
from hypothesis import given, settings

from prodrome.rules.engine.matching import (
    Comparison,
    CompiledLayer,
    Fact,
    FactsByType,
    Match,
    Pattern,
    ReferenceMatcher,
    Value,
)
from prodrome.rules.engine.narrowing import FEW_RULES, MOST_NARROWED, OFTEN, Narrowing
from tests.rules.engine.worlds import by_type, cases, compiled_layers, numbered
from tests.rules.engine.worlds import facts as some_facts

RULES = 2 * FEW_RULES


def layer(rules: int = RULES) -> CompiledLayer:
    """Rule n asks for a fact of type n and one of type n + 1."""
    return CompiledLayer(
        "many",
        tuple(
            (f"rule {n}", (Pattern(f"t{n}", "one", (Comparison("drug", "=", "a"),)), Pattern(f"t{n + 1}", "other")))
            for n in range(rules)
        ),
    )


def facts(*types: int) -> FactsByType:
    return {f"t{n}": [Fact(f"f{n}", f"t{n}", {"drug": "a"})] for n in types}


def matches(of: CompiledLayer, found: FactsByType) -> frozenset[Match]:
    return ReferenceMatcher().match(of, found)


def often(narrowing: Narrowing, of: CompiledLayer, found: FactsByType) -> CompiledLayer:
    for _ in range(OFTEN):
        assert narrowing.of(of, found)[0] is of
    return narrowing.of(of, found)[0]


def test_types_that_come_often_get_a_layer_of_the_rules_that_can_match() -> None:
    whole, narrowing = layer(), Narrowing()
    narrowed = often(narrowing, whole, facts(1, 2, 3, 7))
    assert [rule for rule, _ in narrowed.rules] == ["rule 1", "rule 2"]
    assert narrowed.layers == whole.layers
    assert matches(narrowed, facts(1, 2, 3, 7)) == matches(whole, facts(1, 2, 3, 7)) != frozenset()
    assert narrowing.of(whole, facts(1, 2, 3, 7))[0] is narrowed


def test_other_types_with_the_same_rules_share_it() -> None:
    whole, narrowing = layer(), Narrowing()
    assert often(narrowing, whole, facts(1, 2, 9)) is narrowing.of(whole, facts(1, 2, 11))[0]


def test_a_value_that_no_fact_has_leaves_its_rules_out() -> None:
    whole, narrowing = layer(), Narrowing()
    found = {**facts(2, 3), "t1": [Fact("f1", "t1", {"drug": "b"}), Fact("f9", "t1", {})]}
    narrowed = often(narrowing, whole, found)
    assert [rule for rule, _ in narrowed.rules] == ["rule 2"]
    assert matches(narrowed, found) == matches(whole, found) != frozenset()


@pytest.mark.parametrize(
    ("op", "kept"),
    [
        ("=", [3]),
        ("!=", [2, 4]),
        ("<", [2]),
        ("<=", [2, 3]),
        (">", [4]),
        (">=", [3, 4]),
        ("present", [2, 3, 4]),
        ("absent", [None]),
        ("one of", [3, 4]),
    ],
)
def test_a_fact_that_passes_no_condition_is_left_out(op: str, kept: list[int | None]) -> None:
    a = Comparison("drug", "=", "a")
    one_of = ("days", frozenset({3, 4, 5}))
    asking = (
        Pattern("t", "one", (a,), (), (one_of,))
        if op == "one of"
        else Pattern("t", "one", (a, Comparison("days", op, 3)))
    )
    alone = Pattern("t", "one", (a, Comparison("reason", "present")))  # so that facts are found by their drug
    whole = CompiledLayer("many", (("rule", (asking,)), ("alone", (alone,)), *layer().rules))
    fields: list[dict[str, Value]] = [{"drug": "a", "days": 2}, {"drug": "a", "days": 3}, {"drug": "a", "days": 4}]
    fields += [{"drug": "a"}, {"drug": "b", "days": 3}]
    _, found = Narrowing().of(whole, {"t": [Fact(f"f{n}", "t", some) for n, some in enumerate(fields)], **facts(9)})
    assert {kind: [fact.fields.get("days") for fact in some] for kind, some in found.items()} == {"t": kept}


@settings(max_examples=cases(60, 150, 10_000))
@given(compiled_layers(), some_facts())
def test_what_is_left_out_never_matched(some: CompiledLayer, given_facts: list[Fact]) -> None:
    whole, found = CompiledLayer("many", (*some.rules, *layer().rules)), by_type(numbered(given_facts))
    narrowing, expected = Narrowing(), matches(whole, found)
    first, *_, last = [narrowing.of(whole, found) for _ in range(OFTEN + 1)]
    for narrowed, kept in (first, last):
        assert matches(narrowed, kept) == expected


def test_until_then_the_smallest_layer_serves_that_has_its_rules() -> None:
    whole, narrowing = layer(), Narrowing()
    often(narrowing, whole, facts(1, 2, 3, 4))
    narrowed, _ = narrowing.of(whole, facts(1, 2))
    assert [rule for rule, _ in narrowed.rules] == ["rule 1", "rule 2", "rule 3"]
    assert matches(narrowed, facts(1, 2)) == matches(whole, facts(1, 2)) != frozenset()


def test_a_layer_of_few_rules_stays_whole() -> None:
    few, narrowing = layer(FEW_RULES), Narrowing()
    assert all(narrowing.of(few, facts(1, 2)) == (few, facts(1, 2)) for _ in range(3 * OFTEN))


def test_what_was_not_asked_for_lately_is_let_go() -> None:
    whole, narrowing = layer(), Narrowing()
    first = often(narrowing, whole, facts(0, 1))
    for n in range(1, MOST_NARROWED + 1):
        often(narrowing, whole, facts(n, n + 1))
    gc.collect()
    assert sys.getrefcount(first) == 2  # ours, and that of the question
    assert [rule for rule, _ in often(narrowing, whole, facts(0, 1)).rules] == ["rule 0"]


def test_durable_rules_matches_with_a_narrowed_layer_what_it_matched_before() -> None:
    durable = pytest.importorskip("prodrome.rules.engine.durable")
    whole, matcher = layer(), durable.DurableMatcher()
    for found in (facts(1, 2, 3, 7), facts(4, 5), facts(9)):
        assert {matcher.match(whole, found) for _ in range(2 * OFTEN)} == {matches(whole, found)}
