"""Why a rule fired, was silenced, could not be judged or did not fire, in words."""

from typing import Any

import pytest
from hypothesis import given, settings

from prodrome.rules.engine.evaluation import evaluate
from prodrome.rules.engine.explain import Explanation, Obstacle, Verdict, condition_in_words, why
from prodrome.rules.engine.matching import Comparison, Fact, Join, Pattern
from prodrome.rules.engine.rulebook import Rulebook
from tests.rules.engine.worlds import card, cases, fact, facts, layer, rulebook, rulebooks, step

RULE = step(
    "clear",
    [
        {"fact": "trial", "as": "t", "days": ">= $min_days", "drug": ["a", "b"]},
        {"fact": "order", "as": "o", "drug": "$t.drug", "dose": "> 1"},
    ],
    {"fact": "cleared", "drug": "$t.drug"},
    unless=[{"fact": "allergy", "drug": "$t.drug"}],
    absence_needs=["Condition"],
)


IF_ACCEPTED: dict[str, Any] = {"if": "$accept"}


def explain(*given_facts: Fact, complete: bool = True, **change: Any) -> Explanation:
    book = rulebook(layer("one", RULE | change))
    outcome = evaluate(book, given_facts, {"Condition": "complete"} if complete else {}, engine="reference")
    (explanation,) = why(book, outcome)
    return explanation


def stop(*given_facts: Fact) -> Obstacle:
    explanation = explain(*given_facts)
    assert explanation.verdict is Verdict.NOT_FIRED
    assert explanation.stop is not None
    return explanation.stop


TRIAL, ORDER = fact("trial", drug="a", days=60), fact("order", id="1", drug="a", dose=2)


def test_a_rule_that_fired_shows_what_it_rests_on() -> None:
    explanation = explain(TRIAL, ORDER)
    assert explanation.verdict is Verdict.FIRED
    (fired,) = explanation.fired
    assert {alias: one.type for alias, one in fired.bindings.items()} == {"t": "trial", "o": "order"}
    assert explanation.stop is None


def test_a_silenced_rule_shows_the_fact_that_silenced_it() -> None:
    explanation = explain(TRIAL, ORDER, fact("allergy", drug="a"))
    assert explanation.verdict is Verdict.BLOCKED
    assert explanation.blocked[0].by.type == "allergy"


def test_a_rule_that_could_not_be_judged_shows_what_is_missing() -> None:
    explanation = explain(TRIAL, ORDER, complete=False)
    assert explanation.verdict is Verdict.UNJUDGED
    assert explanation.unjudged[0].missing == ("Condition",)


def test_a_rule_that_fired_once_has_fired_and_still_shows_the_rest() -> None:
    explanation = explain(
        TRIAL,
        ORDER,
        fact("trial", drug="b", days=60),
        fact("order", id="2", drug="b", dose=2),
        fact("allergy", drug="b"),
    )
    assert explanation.verdict is Verdict.FIRED
    assert (len(explanation.fired), len(explanation.blocked)) == (1, 1)


def test_a_rule_that_is_switched_off_says_so() -> None:
    assert explain(TRIAL, ORDER, **IF_ACCEPTED).verdict is Verdict.OFF


def test_with_no_fact_of_the_type_nothing_came_near() -> None:
    assert stop() == Obstacle(0, "trial t with days at least 56 ($min_days), drug a or b", {}, None, ())


def test_the_fact_that_failed_least_came_nearest() -> None:
    found = stop(fact("trial", drug="c", days=1), fact("trial", drug="a", days=55), fact("trial", drug="c"))
    assert (found.index, found.failed) == (0, ("days",))
    assert found.near is not None
    assert found.near.fields == {"drug": "a", "days": 55}


def test_an_unknown_field_is_a_failed_one() -> None:
    assert stop(fact("trial", drug="a")).failed == ("days",)


def test_the_match_that_came_furthest_is_told() -> None:
    found = stop(TRIAL, fact("order", id="1", drug="b", dose=1), fact("order", id="2", drug="b", dose=2))
    assert found.index == 1
    assert found.condition == "order o with dose above 1, drug the same as drug of t"
    assert found.taken["t"].fields["drug"] == "a"
    assert found.near is not None
    assert (found.near.fields["id"], found.failed) == ("2", ("drug",))


def test_a_fact_already_taken_does_not_come_near() -> None:
    book = rulebook(layer("one", card("AB-01", [{"fact": "trial", "as": "t"}, {"fact": "trial", "as": "u"}])))
    (explanation,) = why(book, evaluate(book, [TRIAL], {}, engine="reference"))
    assert explanation.stop is not None
    assert (explanation.stop.index, explanation.stop.near) == (1, None)


@settings(max_examples=cases(60, 300, 5_000))
@given(rulebooks(), facts())
def test_every_rule_has_one_verdict_in_the_order_of_the_rulebook(book: Rulebook, some: list[Fact]) -> None:
    outcome = evaluate(book, some, {"Condition": "complete"}, engine="reference")
    explanations = why(book, outcome)
    assert [explanation.rule.id for explanation in explanations] == list(book.rules)
    fired = {verdict.rule for verdict in outcome.fired}
    for explanation in explanations:
        assert (explanation.verdict is Verdict.FIRED) == (explanation.rule.id in fired)
        assert (explanation.stop is None) == (explanation.verdict is not Verdict.NOT_FIRED)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (Pattern("trial", "t"), "trial t"),
        (Pattern("acute_use", "acute_use"), "acute use"),
        (Pattern("trial", ""), "trial"),
        (
            Pattern("trial", "t", (Comparison("days", ">=", 56, "min_days"),)),
            "trial t with days at least 56 ($min_days)",
        ),
        (Pattern("trial", "t", (Comparison("days", "<", 0.5),)), "trial t with days below 0.5"),
        (
            Pattern("trial", "t", (Comparison("days", "<=", 5), Comparison("x", ">", 1))),
            "trial t with days at most 5, x above 1",
        ),
        (Pattern("trial", "t", (Comparison("drug_class", "!=", "a"),)), "trial t with drug class not a"),
        (Pattern("trial", "t", (Comparison("coded", "=", True),)), "trial t with coded true"),
        (
            Pattern("trial", "t", (Comparison("days", "present"), Comparison("drug", "absent"))),
            "trial t with days known, drug not known",
        ),
        (Pattern("trial", "t", one_of=(("drug", frozenset({"b", "a"})),)), "trial t with drug a or b"),
        (Pattern("order", "o", joins=(Join("drug", "t", "id", "!="),)), "order o with drug other than id of t"),
    ],
)
def test_a_condition_reads_as_words(pattern: Pattern, words: str) -> None:
    assert condition_in_words(pattern) == words
