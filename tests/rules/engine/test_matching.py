"""What a condition takes, and what the reference matcher answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prodrome.rules.engine.matching as matching
from prodrome.rules.engine.matching import (
    Comparison,
    CompiledLayer,
    Fact,
    Join,
    Joined,
    LimitError,
    Pattern,
    ReferenceMatcher,
    passes,
    passes_join,
)
from tests.rules.engine.worlds import by_type, fact, numbered


def matches(facts: list[Fact], *when: Pattern) -> set[tuple[str, ...]]:
    """The ids of the facts each match took, for one rule."""
    layer = CompiledLayer("layer", (("rule", when),))
    found = ReferenceMatcher().match(layer, by_type(numbered(facts)))
    assert {rule for rule, _ in found} <= {"rule"}
    return {ids for _, ids in found}


def test_a_condition_without_tests_takes_every_fact_of_its_type() -> None:
    facts = [fact("trial", drug="a"), fact("order", id="1"), fact("trial", drug="a")]
    assert matches(facts, Pattern("trial", "t")) == {("f1",), ("f3",)}


@pytest.mark.parametrize(
    ("op", "passing"),
    [("=", [5]), ("!=", [4, 6]), ("<", [4]), ("<=", [4, 5]), (">", [6]), (">=", [5, 6])],
)
def test_a_number_is_compared_with_a_literal(op: str, passing: list[int]) -> None:
    pattern = Pattern("trial", "t", (Comparison("days", op, 5),))
    assert [days for days in (4, 5, 6) if passes(pattern, fact("trial", days=days))] == passing


@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">=", "present"])
def test_an_unknown_field_passes_no_test_but_absent(op: str) -> None:
    assert not passes(Pattern("trial", "t", (Comparison("days", op, 5),)), fact("trial", drug="a"))
    assert passes(Pattern("trial", "t", (Comparison("days", "absent"),)), fact("trial", drug="a"))


def test_a_known_field_is_present_and_not_absent() -> None:
    for known in (fact("trial", days=0), fact("trial", days=-1.5)):
        assert passes(Pattern("trial", "t", (Comparison("days", "present"),)), known)
        assert not passes(Pattern("trial", "t", (Comparison("days", "absent"),)), known)


def test_every_test_has_to_pass() -> None:
    pattern = Pattern("trial", "t", (Comparison("drug", "=", "a"), Comparison("days", ">", 5)))
    assert passes(pattern, fact("trial", drug="a", days=6))
    assert not passes(pattern, fact("trial", drug="b", days=6))
    assert not passes(pattern, fact("trial", drug="a", days=5))


def test_one_of_takes_any_of_its_values_and_nothing_unknown() -> None:
    pattern = Pattern("trial", "t", one_of=(("drug", frozenset({"a", "b"})),))
    assert matches([fact("trial", drug=drug) for drug in "abc"] + [fact("trial", days=1)], pattern) == {
        ("f1",),
        ("f2",),
    }


def test_conditions_join_on_equal_text() -> None:
    facts = [fact("trial", drug="a"), fact("order", drug="a"), fact("order", drug="b"), fact("order", id="a")]
    when = Pattern("trial", "t"), Pattern("order", "o", joins=(Join("drug", "t", "drug"),))
    assert matches(facts, *when) == {("f1", "f2")}


def test_a_join_on_difference_needs_both_fields_known() -> None:
    facts = [fact("trial", drug="a"), fact("trial", days=1), fact("order", drug="b"), fact("order", id="b")]
    when = Pattern("trial", "t"), Pattern("order", "o", joins=(Join("drug", "t", "drug", "!="),))
    assert matches(facts, *when) == {("f1", "f3")}


def test_a_fact_takes_one_place_in_a_match() -> None:
    when = Pattern("trial", "t"), Pattern("trial", "u", joins=(Join("drug", "t", "drug"),))
    assert matches([fact("trial", drug="a")], *when) == set()
    assert matches([fact("trial", drug="a"), fact("trial", drug="a")], *when) == {("f1", "f2"), ("f2", "f1")}


def test_ids_stand_in_the_order_of_the_conditions() -> None:
    when = Pattern("trial", "t"), Pattern("order", "o"), Pattern("allergy", "a")
    facts = [fact("order", id="1"), fact("allergy", drug="a"), fact("trial", drug="a")]
    assert matches(facts, *when) == {("f3", "f1", "f2")}


def test_a_layer_knows_which_fields_its_conditions_read() -> None:
    when = (
        Pattern("trial", "t", (Comparison("days", ">", 5),), one_of=(("reason", frozenset({"a"})),)),
        Pattern("order", "o", joins=(Join("drug", "t", "drug"),)),
        Pattern("allergy", "a"),
    )
    assert CompiledLayer("layer", (("rule", when),)).reads == {
        "trial": {"days", "reason", "drug"},
        "order": {"drug"},
        "allergy": set(),
    }


def test_more_matches_than_a_layer_may_have_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_MATCHES", 5)
    facts = [fact("trial", drug="secret") for _ in range(3)]
    assert len(matches(facts[:2], Pattern("trial", "t"), Pattern("trial", "u"))) == 2
    with pytest.raises(LimitError, match="trial has more than 5 matches") as caught:
        matches(facts, Pattern("trial", "t"), Pattern("trial", "u"))
    assert "secret" not in str(caught.value)


@given(st.lists(st.tuples(*[st.sampled_from([None, "a", "b"])] * 2), max_size=6), st.sampled_from([None, "a", "b"]))
def test_looking_up_what_a_join_compares_finds_what_asking_every_fact_finds(
    values: list[tuple[str | None, str | None]], other: str | None
) -> None:
    facts = [
        Fact(f"f{number}", "x", {name: value for name, value in zip("kl", each, strict=True) if value is not None})
        for number, each in enumerate(values, 1)
    ]
    taken = {"t": Fact("f0", "y", {"k": other} if other is not None else {})}
    for ops in ("=", "!="), ("=", "="), ("!=", "!="):
        joins = tuple(Join(name, "t", "k", op) for name, op in zip("kl", ops, strict=True))
        pattern = Pattern("x", "x", joins=joins)
        expected = [fact for fact in facts if all(passes_join(join, fact, taken) for join in joins)]
        assert list(Joined(pattern, facts).with_(taken)) == expected
