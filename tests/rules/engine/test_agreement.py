"""The two matchers give one answer, and no order of facts changes it."""

from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prodrome.rules.engine.evaluation as engine_module
import prodrome.rules.engine.reading as reading
from prodrome.rules.engine.evaluation import Blocked, EngineDisagreement, Fired, Outcome, UnjudgedRule, evaluate
from prodrome.rules.engine.matching import CompiledLayer, Fact, FactsByType, Match, ReferenceMatcher, Value
from prodrome.rules.engine.rulebook import Rulebook
from prodrome.rules.guideline.guideline import load_guideline
from tests.rules.engine.worlds import (
    KINDS,
    by_type,
    card,
    cases,
    compiled_layers,
    fact,
    facts,
    layer,
    needs_durable,
    rulebook,
    rulebooks,
    some_facts,
    step,
)

ENGINES = [pytest.param("reference"), pytest.param("durable", marks=needs_durable)]
SOME_COMPLETE = st.sampled_from([{}, {KINDS[0]: "complete"}, dict.fromkeys(KINDS, "complete")])


def said(outcome: Outcome) -> list[object]:
    """Everything an outcome says, to the last id."""
    verdicts: list[Fired | Blocked | UnjudgedRule] = [*outcome.fired, *outcome.unjudged, *outcome.blocked]
    return [outcome.facts, [(v.rule, [(alias, f.id) for alias, f in v.bindings.items()]) for v in verdicts]]


@needs_durable
@settings(max_examples=cases(140, 2_900, 50_000))
@given(compiled_layers(), facts(), st.integers(0, 2**32))
def test_both_matchers_find_the_same_matches(compiled: CompiledLayer, drawn: list[Fact], seed: int) -> None:
    from prodrome.rules.engine.durable import DurableMatcher

    durable, reference, random = DurableMatcher(), ReferenceMatcher(), Random(seed)
    for given_facts in (drawn, some_facts(random), some_facts(random)):
        found = by_type(given_facts)
        assert durable.match(compiled, found) == reference.match(compiled, found)


@needs_durable
@settings(max_examples=cases(40, 700, 15_000))
@given(rulebooks(), facts(), SOME_COMPLETE, st.randoms(use_true_random=False))
def test_random_rulebooks_agree_in_any_order_of_facts(
    book: Rulebook, given_facts: list[Fact], completeness: Mapping[str, str], random: Random
) -> None:
    expected = said(evaluate(book, given_facts, completeness, engine="reference"))
    shuffled = random.sample(given_facts, len(given_facts))
    assert said(evaluate(book, shuffled, completeness, engine="checked")) == expected
    assert said(evaluate(book, shuffled, completeness, engine="durable")) == expected


def literals(book: Rulebook) -> dict[tuple[str, str], list[Value]]:
    """The values a rulebook compares each field of each type with."""
    found: dict[tuple[str, str], set[Value]] = {}
    for rule in book.rules.values():
        for pattern in rule.when + rule.unless:
            for test in pattern.tests:
                if test.op not in ("present", "absent"):
                    found.setdefault((pattern.fact, test.field), set()).add(test.value)
            for name, values in pattern.one_of:
                found.setdefault((pattern.fact, name), set()).update(values)
    return {key: sorted(values, key=repr) for key, values in found.items()}


def random_facts(book: Rulebook, values: Mapping[tuple[str, str], Sequence[Value]], random: Random) -> list[Fact]:
    """Facts of the rulebook's own types, near the values it compares with."""
    found = []
    for number in range(random.randrange(50)):
        kind = random.choice(sorted(book.measured))
        fields: dict[str, Value] = {}
        for name, of in book.fact_types[kind].items():
            compared = values.get((kind, name), ())
            if random.random() < 0.1:
                continue
            if of is bool:
                fields[name] = random.random() < 0.5
            elif of is str:
                fields[name] = (
                    str(random.choice(compared)) if compared and random.random() < 0.8 else random.choice("ab")
                )
            else:
                near = random.choice([-1, 0, 0, 0.5, 1])
                fields[name] = float(random.choice(compared)) + near if compared else random.randrange(3)
        found.append(Fact("f0", kind, fields, (f"Basic/{number}",)))
    return found


@needs_durable
@settings(max_examples=cases(40, 600, 20_000))
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_shipped_rulebook_gives_one_answer_to_any_facts_in_any_order(random: Random, complete: bool) -> None:
    book = load_guideline().rulebook
    given_facts = random_facts(book, literals(book), random)
    completeness = dict.fromkeys(("Condition", "Encounter", "Observation"), "complete") if complete else {}
    expected = said(evaluate(book, given_facts, completeness, engine="reference"))
    shuffled = random.sample(given_facts, len(given_facts))
    assert said(evaluate(book, shuffled, completeness)) == expected


def test_the_layers_are_put_together_as_far_as_a_matcher_can_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(number: int) -> dict[str, object]:
        tried = {"fact": "trial", "days": f"> {number}"}
        return layer(f"layer {number}", step(f"step-{number}", [tried], {"fact": f"made_{number}"}))

    layers = [one(number) for number in range(7)]
    assert [stretch.layers for stretch in rulebook(*layers).stretches] == [7]
    monkeypatch.setattr(reading, "MAX_PATTERNS_PER_TYPE", 3)
    book = rulebook(*layers, layer("last", card("AB-01", [{"fact": "made_1"}, {"fact": "made_6"}])))
    assert [stretch.layers for stretch in book.stretches] == [3, 3, 2]
    assert [rule for stretch in book.stretches for rule, _ in stretch.rules] == list(book.rules)
    outcome = evaluate(book, [fact("trial", days=6.5)], {})
    assert [fired.rule for fired in outcome.fired] == list(book.rules)


class Forgetful:
    """A matcher that loses one rule's matches."""

    def match(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[Match]:
        return frozenset(match for match in ReferenceMatcher().match(layer, facts) if match[0] != "AB-01")


def test_a_disagreement_stops_the_evaluation_and_names_no_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_DURABLE", Forgetful())
    rules = [card(name, [{"fact": "order", "as": "o"}]) for name in ("AB-01", "AB-02")]
    book = rulebook(layer("the cards", *rules))
    with pytest.raises(EngineDisagreement) as caught:
        evaluate(book, [fact("order", id="secret-1", drug="secret-2")], {}, engine="checked")
    assert caught.value.layer == "the cards"
    assert caught.value.rules == ("AB-01",)
    assert "secret" not in str(caught.value)


@needs_durable
def test_a_disagreement_is_told_of_the_first_layer_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_REFERENCE", Forgetful())
    first = layer("first", card("AB-01", [{"fact": "order"}]), step("ordered", [{"fact": "order"}], {"fact": "made"}))
    then = {"fact": "finding", "rule": "AB-01"}
    book = rulebook(first, layer("second", card("AB-02", [then]), card("AB-03", [{"fact": "made"}])))
    with pytest.raises(EngineDisagreement) as caught:
        evaluate(book, [fact("order", id="1")], {}, engine="checked")
    assert (caught.value.layer, caught.value.rules) == ("first", ("AB-01",))


def test_a_disagreement_is_not_noticed_where_only_one_matcher_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_DURABLE", Forgetful())
    book = rulebook(layer("the cards", card("AB-01", [{"fact": "order", "as": "o"}])))
    assert evaluate(book, [fact("order", id="1")], {}, engine="reference").fired
    assert not evaluate(book, [fact("order", id="1")], {}, engine="durable").fired


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_says_that_it_answered(engine: str) -> None:
    assert evaluate(rulebook(layer("empty")), [], {}, engine=engine).engine == engine
