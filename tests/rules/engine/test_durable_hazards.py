"""What durable-rules 2.0.28 is known to get wrong, and that none of it can reach an evaluation.

Each test names one fault of the library (its ``none()``, its reads past a buffer, its hashes, its limits, its
threads) and shows that the driver, or the check of a rulebook at load, stands between.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodrome.rules.engine.evaluation import evaluate
from prodrome.rules.engine.matching import (
    MAX_FACTS,
    Comparison,
    CompiledLayer,
    Fact,
    Join,
    Match,
    Pattern,
    ReferenceMatcher,
    Value,
)
from prodrome.rules.engine.reading import (
    MAX_CONDITIONS,
    MAX_PATTERNS_PER_TYPE,
    MAX_RULES_PER_LAYER,
    MAX_TESTS,
)
from prodrome.rules.engine.rulebook import RulebookError
from tests.rules.engine.worlds import (
    NUMBERS,
    TEXTS,
    by_type,
    cases,
    compiled_layers,
    fact,
    facts,
    layer,
    needs_durable,
    numbered,
    rulebook,
    step,
)

durable = pytest.importorskip(
    "prodrome.rules.engine.durable", reason="durable-rules does not import on this Python", exc_type=ImportError
)
pytestmark = needs_durable


class Wire:
    """Everything that passes between the driver and the library, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Sequence[Any]]] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> "Wire":
        for name in dir(durable.engine):
            function = getattr(durable.engine, name)
            if callable(function) and not name.startswith("_") and not isinstance(function, type):
                monkeypatch.setattr(durable.engine, name, self._recorder(name, function))
        return self

    def _recorder(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def record(*given_arguments: Any) -> Any:
            self.calls.append((name, given_arguments))
            return function(*given_arguments)

        return record

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def texts(self, name: str) -> list[str]:
        """The last argument of every call of one function."""
        return [arguments[-1] for called, arguments in self.calls if called == name]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire().watch(monkeypatch)


def one_rule(*when: Pattern) -> CompiledLayer:
    return CompiledLayer("layer", (("rule", when),))


def both(compiled: CompiledLayer, given_facts: Sequence[Fact]) -> frozenset[Match]:
    """What durable-rules finds, having checked that it is what the reference finds."""
    found = by_type(numbered(given_facts))
    matches: frozenset[Match] = durable.DurableMatcher().match(compiled, found)
    assert matches == ReferenceMatcher().match(compiled, found)
    return matches


def operators_in(definition: object) -> set[str]:
    """Every key of a ruleset's definition that is an instruction and no name of ours."""
    if isinstance(definition, dict):
        inner = {key for value in definition.values() for key in operators_in(value)}
        return inner | {key for key in definition if not re.fullmatch(r"[artmpnbhk]\d*|open|all", key)}
    if isinstance(definition, list):
        return {key for value in definition for key in operators_in(value)}
    return set()


# none(): a blocker that comes late does not cancel, or cancels an unrelated rule, depending on the letter of an alias


@settings(max_examples=cases(60, 300, 5_000))
@given(compiled_layers())
def test_no_ruleset_uses_more_than_conjunctions_and_comparisons(compiled: CompiledLayer) -> None:
    wire = Wire()
    with pytest.MonkeyPatch.context() as patch:
        wire.watch(patch)
        durable.DurableMatcher().match(compiled, {})
    (definition,) = wire.texts("create_ruleset")
    parsed = json.loads(definition)
    assert operators_in(parsed) <= {"$and", "$neq", "$lt", "$lte", "$gt", "$gte", "count"}
    assert all(rule["count"] == 1 for rule in parsed.values())


@pytest.mark.parametrize("alias", [*"abcdefghijklmnopqrstuvwxyz", "trial", "m", "s"])
def test_a_blocker_silences_its_rule_and_no_other_whatever_the_alias_and_the_order(alias: str) -> None:
    when = [{"fact": "trial", "as": alias}]
    book = rulebook(
        layer(
            "one",
            step("blocked", when, {"fact": "made", "by": "blocked"}, unless=[{"fact": "allergy"}]),
            step("plain", when, {"fact": "made", "by": "plain"}),
        )
    )
    trial, allergy = fact("trial", drug="a"), fact("allergy", drug="b")
    for order in ([trial, allergy], [allergy, trial]):
        assert [fired.rule for fired in evaluate(book, order, {}, engine="durable").fired] == ["plain"]
    assert [fired.rule for fired in evaluate(book, [trial], {}, engine="durable").fired] == ["blocked", "plain"]


# A false last comparison reads past a buffer


@settings(max_examples=cases(60, 300, 5_000))
@given(compiled_layers())
def test_every_condition_with_joins_ends_in_one_that_is_always_true(compiled: CompiledLayer) -> None:
    wire = Wire()
    with pytest.MonkeyPatch.context() as patch:
        wire.watch(patch)
        durable.DurableMatcher().match(compiled, {})
    for rule in json.loads(wire.texts("create_ruleset")[0]).values():
        for condition in (expression for place in rule["all"] for expression in place.values()):
            tests = condition.get("$and", [condition])
            assert all("$and" not in test for test in tests)  # flat: a nested one loses its joins
            compared = [value for test in tests for value in test.get("$neq", test).values()]
            with_alias = [value for value in compared if isinstance(value, dict) and value.keys() & {"a0", "a1", "a2"}]
            assert not with_alias or tests[-1]["k"] in ({"a0": "k"}, {"a1": "k"})


def test_a_false_last_join_is_no_match_and_no_crash() -> None:
    when = Pattern("trial", "t"), Pattern("order", "o", joins=(Join("drug", "t", "drug", "!="),))
    given_facts = [fact("trial", drug="same"), fact("order", drug="same")]
    for _ in range(300):
        assert both(one_rule(*when), given_facts) == frozenset()


# A join whose field is missing: an error for one test, a silent non-match for several, ignored for an unknown alias


@pytest.mark.parametrize("op", ["=", "!="])
@pytest.mark.parametrize("tests", [(), (Comparison("days", ">", 0),)])
def test_a_join_with_an_unknown_field_on_either_side_matches_nothing(op: str, tests: tuple[Comparison, ...]) -> None:
    when = Pattern("trial", "t"), Pattern("trial", "u", tests, (Join("drug", "t", "drug", op),))
    unknown, a, b = fact("trial", days=1), fact("trial", drug="a", days=1), fact("trial", drug="b", days=1)
    for order in ([unknown, a, b], [a, unknown, b], [a, b, unknown], [unknown, unknown, a]):
        not_known = {f"f{number}" for number, one in enumerate(order, 1) if one is unknown}
        assert all(not_known.isdisjoint(ids) for _, ids in both(one_rule(*when), order))


def test_a_join_with_a_condition_that_comes_later_is_refused_at_load() -> None:
    when = [{"fact": "trial", "as": "t", "drug": "$o.drug"}, {"fact": "order", "as": "o"}]
    with pytest.raises(RulebookError, match="unknown alias 'o'"):
        rulebook(layer("one", step("forward", when, {"fact": "made"})))


# Null equals null, missing is neither equal nor unequal; a nested or unknown key is ignored


SENT = re.compile(r'\{("[a-z]+\d*":("[a-z0-9]+"|-?\d+(\.\d+)?),?)+\}')


@settings(max_examples=cases(60, 500, 10_000))
@given(compiled_layers(), facts(), st.text())
def test_nothing_but_tokens_and_plain_numbers_is_ever_sent(
    compiled: CompiledLayer, some: list[Fact], text: str
) -> None:
    wire = Wire()
    some = [*some, fact("trial", drug=text, id=text, reason=text), fact("order", id=text, drug=text)]
    with pytest.MonkeyPatch.context() as patch:
        wire.watch(patch)
        durable.DurableMatcher().match(compiled, by_type(numbered(some)))
    for sent in wire.texts("assert_fact"):
        assert SENT.fullmatch(sent)
        assert None not in json.loads(sent).values()


def test_an_unknown_field_is_not_sent(wire: Wire) -> None:
    both(
        one_rule(Pattern("trial", "t", (Comparison("days", ">", 5), Comparison("drug", "!=", "a")))),
        [fact("trial", drug="b")],
    )
    opening, sent = map(json.loads, wire.texts("assert_fact"))
    assert opening["t"] == "open"
    assert [name for name in sent if name[0] == "n"] == []


# 1e-05 and 1e16 are errors, in a batch silent ones; NaN is null; beyond 2**63 all are equal


@given(st.floats(min_value=-9.9e14, max_value=9.9e14))
def test_every_number_is_sent_exactly_and_without_an_exponent(value: float) -> None:
    text = durable.decimal(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?", text)
    assert float(text) == value


@given(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
def test_numbers_compare_as_numbers(value: float, literal: float, op: str) -> None:
    both(one_rule(Pattern("trial", "t", (Comparison("days", op, literal),))), [fact("trial", days=value)])


def test_a_whole_number_is_the_same_with_and_without_a_point() -> None:
    given_facts = [fact("trial", days=1), fact("trial", days=1.0)]
    for literal in (1, 1.0):
        assert len(both(one_rule(Pattern("trial", "t", (Comparison("days", "=", literal),))), given_facts)) == 2


# Text and numbers are compared as text of unknown length; true joins "true", 1 joins "1"


@pytest.mark.parametrize(("value", "other"), [(1, "1"), (True, "true"), ("10", 10), (10, True)])
def test_values_of_different_kinds_are_different(value: Value, other: Value) -> None:
    pattern = Pattern("trial", "t", (Comparison("drug", "=", other),))
    assert (
        durable.DurableMatcher().match(one_rule(pattern), by_type(numbered([fact("trial", drug=value)]))) == frozenset()
    )


@given(st.sampled_from(TEXTS) | st.text(min_size=1), st.sampled_from(TEXTS) | st.text(min_size=1))
def test_texts_are_equal_when_they_are_the_same_text(one: str, other: str) -> None:
    equal = one_rule(Pattern("trial", "t"), Pattern("order", "o", joins=(Join("drug", "t", "drug"),)))
    assert len(both(equal, [fact("trial", drug=one), fact("order", drug=other)])) == (one == other)
    literal = one_rule(Pattern("trial", "t", (Comparison("drug", "=", one),)))
    assert len(both(literal, [fact("trial", drug=other)])) == (one == other)


@pytest.mark.parametrize("length", [65_535, 65_536, 131_072, 20_000_000])
def test_long_texts_are_not_cut(length: int) -> None:
    equal = one_rule(Pattern("trial", "t"), Pattern("order", "o", joins=(Join("drug", "t", "drug"),)))
    one, other = "a" * length, "b" * length
    assert both(equal, [fact("trial", drug=one), fact("order", drug=other)]) == frozenset()
    assert len(both(equal, [fact("trial", drug=one), fact("order", drug="a" * length)])) == 1


# A join on id crashes, and sid chooses the session


def test_fields_called_id_and_sid_are_fields_like_others() -> None:
    when = Pattern("trial", "t"), Pattern("allergy", "a", joins=(Join("sid", "t", "id"),))
    given_facts = [fact("trial", id="x"), fact("allergy", sid="x"), fact("allergy", sid="y")]
    for _ in range(50):
        assert both(one_rule(*when), given_facts) == {("rule", ("f1", "f2"))}


@settings(max_examples=cases(60, 300, 5_000))
@given(compiled_layers())
def test_no_condition_names_the_library_s_own_keys(compiled: CompiledLayer) -> None:
    wire = Wire()
    with pytest.MonkeyPatch.context() as patch:
        wire.watch(patch)
        durable.DurableMatcher().match(compiled, {})
    assert '"id"' not in wire.texts("create_ruleset")[0]
    assert '"sid"' not in wire.texts("create_ruleset")[0]


# Sessions, facts and properties are found by 32-bit hashes


def fnv1a(text: str) -> int:
    """The library's hash of a name."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def test_no_two_names_the_driver_uses_share_a_hash() -> None:
    identities = [f"f{durable._FIRST + number}" for number in range(MAX_FACTS)] + ["f0", "sid-s", "$pulse"]
    assert len(set(map(fnv1a, identities))) == len(identities)
    fields = [f"{kind}{number}" for kind in "pnbht" for number in range(durable.MAX_FIELDS)]
    properties = [*fields, "id", "sid", "t", "k", "$s"]
    assert len(set(map(fnv1a, properties))) == len(properties)


def test_a_layer_that_reads_more_fields_or_types_than_that_is_refused() -> None:
    tests = tuple(Comparison(f"field_{number}", "present") for number in range(durable.MAX_FIELDS + 1))
    with pytest.raises(durable.LimitError, match="reads 201 fields"):
        durable.DurableMatcher().match(one_rule(Pattern("trial", "t", tests)), {})
    types = CompiledLayer("layer", tuple((f"rule {n}", (Pattern(f"type {n}", "t"),)) for n in range(201)))
    with pytest.raises(durable.LimitError, match="reads 201 types of facts"):
        durable._Ruleset(types)


def test_patients_whose_ids_collide_in_the_library_do_not_meet() -> None:
    one, other = "patient-0267786", "patient-1126240"
    assert fnv1a(one) == fnv1a(other)
    matcher = durable.DurableMatcher()
    pair = one_rule(Pattern("trial", "t"), Pattern("order", "o"))
    for _ in range(20):
        assert matcher.match(pair, by_type(numbered([fact("trial", id=one)]))) == frozenset()
        assert matcher.match(pair, by_type(numbered([fact("order", id=other)]))) == frozenset()
    joined = one_rule(Pattern("trial", "t"), Pattern("order", "o", joins=(Join("id", "t", "id"),)))
    assert both(joined, [fact("trial", id=one), fact("order", id=other)]) == frozenset()


def test_facts_that_say_the_same_are_still_two(wire: Wire) -> None:
    pattern = Pattern("trial", "t", (Comparison("days", ">=", 1),))
    assert len(both(one_rule(pattern), [fact("trial", days=1), fact("trial", days=1), fact("trial", days=1.0)])) == 3
    assert {json.loads(sent)["sid"] for sent in wire.texts("assert_fact")} == {"s"}


# Deleting a session in which no action ran crashes; more than 1,024 sessions are out of memory


def test_a_session_is_deleted_after_an_action_ran_and_always(wire: Wire) -> None:
    both(one_rule(Pattern("trial", "t", (Comparison("days", ">", 5),))), [fact("trial", days=1)])
    names = [name for name in wire.names() if "ruleset" not in name]
    assert names[:3] == ["assert_fact", "start_action_for_state", "complete_and_start_action"]
    assert names.count("delete_state") == 1
    assert names[-1] == "delete_state"


def test_more_sessions_than_the_library_holds_are_no_trouble() -> None:
    matcher = durable.DurableMatcher()
    pair = one_rule(Pattern("trial", "t"), Pattern("order", "o"))
    matching_facts = by_type(numbered([fact("trial", drug="a"), fact("order", id="1")]))
    bad = by_type(numbered([fact("trial", drug="a"), fact("order", id="1")] * 80))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "MAX_MATCHES", 1)
        for number in range(2_100):
            if number % 50 == 0:
                with pytest.raises(durable.LimitError):
                    matcher.match(pair, bad)
            assert len(matcher.match(pair, matching_facts)) == 1


# Limits: 64 patterns alive for one fact, 256 rules with one first pattern, 16 conditions


def test_as_many_conditions_on_one_type_as_a_layer_may_have_all_match() -> None:
    rules = tuple(
        (
            f"rule-{number}",
            (
                Pattern("trial", "t"),
                Pattern("trial", "u", (Comparison("days", ">", -number),), (Join("drug", "t", "drug"),)),
            ),
        )
        for number in range(MAX_PATTERNS_PER_TYPE - 1)
    )
    matches = both(CompiledLayer("full", rules), [fact("trial", drug="a", days=1)] * 3)
    assert len(matches) == 6 * len(rules)


def test_as_many_rules_with_one_first_condition_as_a_layer_may_have_all_match() -> None:
    rules = tuple(
        (f"rule-{number}", (Pattern("trial", "t"), Pattern("order", "o"))) for number in range(MAX_RULES_PER_LAYER)
    )
    assert len(both(CompiledLayer("full", rules), [fact("trial", drug="a"), fact("order", id="1")])) == len(rules)


def test_as_many_conditions_and_tests_as_a_rule_may_have_match() -> None:
    tests = tuple(Comparison("days", ">", -number) for number in range(1, MAX_TESTS))
    when = [Pattern("trial", "c0", tests)]
    when += [Pattern("trial", f"c{n}", tests, (Join("drug", f"c{n - 1}", "id"),)) for n in range(1, MAX_CONDITIONS)]
    given_facts = [fact("trial", drug=str(number - 1), id=str(number), days=1) for number in range(MAX_CONDITIONS)]
    assert len(both(one_rule(*when), given_facts)) == 1


def test_as_many_joins_as_a_condition_may_have_match() -> None:
    fields = [f"field_{number}" for number in range(MAX_TESTS)]
    when = Pattern("trial", "t"), Pattern("order", "o", joins=tuple(Join(name, "t", name) for name in fields))
    same: dict[str, Any] = dict.fromkeys(fields, "a")
    given_facts = [fact("trial", **same), fact("order", **same), fact("order", **same | {fields[-1]: "b"})]
    assert both(one_rule(*when), given_facts) == {("rule", ("f1", "f2"))}


def test_a_layer_beyond_these_limits_is_refused_at_load() -> None:
    def steps(count: int, **first: Any) -> list[dict[str, Any]]:
        then = {"fact": "made"}
        return [step(f"step-{number}", [{"fact": "trial", "days": number} | first], then) for number in range(count)]

    with pytest.raises(RulebookError, match="61 different conditions on 'trial'; at most 60"):
        rulebook(layer("one", *steps(MAX_PATTERNS_PER_TYPE + 1)))
    with pytest.raises(RulebookError, match="62 different conditions on 'trial'; at most 60"):
        rulebook(layer("one", *steps(31, drug=["a", "b"])))
    with pytest.raises(RulebookError, match="241 rules"):
        rulebook(layer("one", *steps(MAX_RULES_PER_LAYER + 1, days=1)))
    with pytest.raises(RulebookError, match="1 to 14 conditions, not 15"):
        rulebook(layer("one", step("long", [{"fact": "trial"}] * (MAX_CONDITIONS + 1), {"fact": "made"})))


# Timers, and rule actions in other threads


def test_no_thread_is_started_and_no_documented_interface_is_loaded() -> None:
    script = """
import sys, threading
from prodrome.rules.engine.durable import DurableMatcher
from prodrome.rules.engine.matching import CompiledLayer, Fact, Pattern
layer = CompiledLayer("layer", (("rule", (Pattern("trial", "t"),)),))
assert DurableMatcher().match(layer, {"trial": [Fact("f1", "trial", {"drug": "a"})]}) == {("rule", ("f1",))}
assert threading.active_count() == 1, threading.enumerate()
assert not [name for name in sys.modules if name == "durable" or name.startswith("durable.")]
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr


def test_no_timer_event_or_state_is_ever_asked_for(wire: Wire) -> None:
    before = threading.active_count()
    both(one_rule(Pattern("trial", "t"), Pattern("order", "o")), [fact("trial", drug="a"), fact("order", id="1")])
    assert threading.active_count() == before
    assert set(wire.names()) <= {
        "create_ruleset",
        "assert_fact",
        "start_action_for_state",
        "complete_and_start_action",
        "delete_state",
        "delete_ruleset",
    }
