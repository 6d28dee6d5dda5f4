"""From measured facts to findings: unless, completeness, conclusions, tallies, order and limits."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings

import prodrome.rules.engine.evaluation as engine_module
from prodrome.rules.engine.evaluation import (
    ENGINES,
    Blocked,
    FactError,
    Fired,
    Outcome,
    UnjudgedRule,
    engine_in_force,
    evaluate,
)
from prodrome.rules.engine.matching import MAX_FACTS, Fact, LimitError
from prodrome.rules.engine.rulebook import Rulebook
from tests.rules.engine.worlds import card, cases, fact, facts, layer, needs_durable, rulebook, rulebooks, step

COMPLETE = {"Condition": "complete", "Encounter": "complete"}

Evaluate = Callable[..., Outcome]


@pytest.fixture(params=["reference", pytest.param("durable", marks=needs_durable), pytest.param("checked")])
def judge(request: pytest.FixtureRequest) -> Evaluate:
    """``evaluate`` with each engine in turn."""

    def run(book: Rulebook, *given_facts: Fact, completeness: Mapping[str, str] = COMPLETE) -> Outcome:
        return evaluate(book, given_facts, completeness, engine=request.param)

    return run


def said(outcome: Outcome, kind: str) -> list[Mapping[str, object]]:
    return [one.fields for one in outcome.facts if one.type == kind]


ANY_TRIAL = step("seen", [{"fact": "trial", "as": "t"}], {"fact": "drug_seen", "drug": "$t.drug", "days": "$t.days"})


def test_a_rule_concludes_from_the_facts_it_took(judge: Evaluate) -> None:
    outcome = judge(rulebook(layer("one", ANY_TRIAL)), fact("trial", drug="a", days=3, refs=("Basic/1",)))
    trial, seen = outcome.facts
    assert seen.fields == {"drug": "a", "days": 3}
    assert (seen.rule, seen.basis, seen.refs) == ("seen", (trial.id,), ("Basic/1",))
    assert [(fired.rule, dict(fired.bindings), fired.conclusion) for fired in outcome.fired] == [
        ("seen", {"t": trial}, seen)
    ]


def test_a_field_that_is_not_known_is_left_out_of_the_conclusion(judge: Evaluate) -> None:
    outcome = judge(rulebook(layer("one", ANY_TRIAL)), fact("trial", days=3))
    assert said(outcome, "drug_seen") == [{"days": 3}]


def test_equal_conclusions_are_one_fact_with_all_its_grounds(judge: Evaluate) -> None:
    twice = [fact("trial", drug="a", days=3, id=name, refs=(f"Basic/{name}", "Basic/0")) for name in "xy"]
    outcome = judge(rulebook(layer("one", ANY_TRIAL)), *twice)
    assert len(outcome.fired) == 2
    (seen,) = [one for one in outcome.facts if one.type == "drug_seen"]
    assert seen.basis == ("f1", "f2")
    assert seen.refs == ("Basic/x", "Basic/0", "Basic/y")
    assert all(fired.conclusion == seen for fired in outcome.fired)


def test_whole_and_other_numbers_are_one_value(judge: Evaluate) -> None:
    outcome = judge(
        rulebook(layer("one", ANY_TRIAL)), fact("trial", drug="a", days=3), fact("trial", drug="a", days=3.0)
    )
    assert said(outcome, "drug_seen") == [{"drug": "a", "days": 3}]


def test_a_later_layer_reads_what_an_earlier_one_concluded(judge: Evaluate) -> None:
    book = rulebook(
        layer("one", ANY_TRIAL),
        layer("two", step("again", [{"fact": "drug_seen", "as": "s"}], {"fact": "echo", "drug": "$s.drug"})),
    )
    outcome = judge(book, fact("trial", drug="a"))
    assert said(outcome, "echo") == [{"drug": "a"}]
    assert outcome.facts[2].basis == ("f2",)


UNLESS = step(
    "clear",
    [{"fact": "trial", "as": "t"}],
    {"fact": "cleared", "drug": "$t.drug"},
    unless=[{"fact": "allergy", "drug": "$t.drug"}, {"fact": "order", "id": "stop"}],
    absence_needs=["Condition", "Encounter"],
)


def test_unless_silences_the_matches_it_speaks_of(judge: Evaluate) -> None:
    outcome = judge(
        rulebook(layer("one", UNLESS)), fact("trial", drug="a"), fact("trial", drug="b"), fact("allergy", drug="b")
    )
    assert said(outcome, "cleared") == [{"drug": "a"}]
    (blocked,) = outcome.blocked
    assert (blocked.rule, blocked.bindings["t"].fields["drug"], blocked.by.type) == ("clear", "b", "allergy")


def test_each_unless_is_enough(judge: Evaluate) -> None:
    outcome = judge(rulebook(layer("one", UNLESS)), fact("trial", drug="a"), fact("order", id="stop"))
    assert not outcome.fired
    assert outcome.blocked[0].by.type == "order"


def test_an_unless_that_joins_on_an_unknown_field_silences_nothing(judge: Evaluate) -> None:
    outcome = judge(rulebook(layer("one", UNLESS)), fact("trial", days=1), fact("allergy", drug="a"))
    assert len(outcome.fired) == 1


def test_unless_may_speak_of_the_very_fact_a_condition_took(judge: Evaluate) -> None:
    rule = step(
        "known",
        [{"fact": "trial", "as": "t"}],
        {"fact": "known", "drug": "$t.drug"},
        unless=[{"fact": "trial", "drug": "$t.drug", "days": "absent"}],
    )
    outcome = judge(rulebook(layer("one", rule)), fact("trial", drug="a"), fact("trial", drug="b", days=1))
    assert said(outcome, "known") == [{"drug": "b"}]


@pytest.mark.parametrize("state", ["incomplete", "missing", None])
def test_nothing_found_in_a_kind_that_is_not_complete_is_no_conclusion(judge: Evaluate, state: str | None) -> None:
    completeness = {"Condition": "complete"} | ({"Encounter": state} if state else {})
    outcome = judge(rulebook(layer("one", UNLESS)), fact("trial", drug="a"), completeness=completeness)
    assert not outcome.fired
    (unjudged,) = outcome.unjudged
    assert (unjudged.rule, unjudged.missing) == ("clear", ("Encounter",))
    assert said(outcome, "unjudged") == [{"rule": "clear"}]


def test_what_was_found_silences_whether_the_kind_is_complete_or_not(judge: Evaluate) -> None:
    outcome = judge(rulebook(layer("one", UNLESS)), fact("trial", drug="a"), fact("allergy", drug="a"), completeness={})
    assert not outcome.unjudged
    assert len(outcome.blocked) == 1


def test_an_unjudged_step_is_reported_as_the_rule_it_concludes_absence_for(judge: Evaluate) -> None:
    waiting = step(
        "nothing-found",
        [{"fact": "order", "as": "o"}],
        {"fact": "harmless", "order": "$o.id"},
        unless=[{"fact": "allergy", "drug": "$o.drug"}],
        absence_needs=["Condition"],
        concludes_absence_for="AB-01",
        about="$o.id",
    )
    after = step("after", [{"fact": "unjudged", "as": "u", "rule": "AB-01"}], {"fact": "waited", "order": "$u.about"})
    speaks = card("AB-01", [{"fact": "order", "as": "o", "id": "never"}])
    book = rulebook(layer("one", waiting), layer("two", after), layer("three", speaks))
    outcome = judge(book, fact("order", id="o1", drug="a"), completeness={})
    assert said(outcome, "unjudged") == [{"rule": "AB-01", "about": "o1"}]
    assert said(outcome, "waited") == [{"order": "o1"}]
    assert book.rules["nothing-found"].reported_as == "AB-01"


def test_a_card_rule_concludes_one_finding_for_each_order(judge: Evaluate) -> None:
    rule = card("AB-01", [{"fact": "order", "as": "o"}, {"fact": "trial", "as": "t", "drug": "$o.drug"}])
    rule["card"] = {"indicator": "warning", "about": "$o.id"}
    outcome = judge(
        rulebook(layer("one", rule)),
        *(fact("order", id=name, drug="a") for name in ("o1", "o2")),
        *(fact("trial", drug="a", days=days) for days in (1, 2)),
    )
    assert said(outcome, "finding") == [{"rule": "AB-01", "order": "o1"}, {"rule": "AB-01", "order": "o2"}]
    assert len(outcome.fired) == 4


def test_a_card_rule_about_the_patient_concludes_one_finding(judge: Evaluate) -> None:
    rule = card("AB-01", [{"fact": "trial", "as": "t"}])
    outcome = judge(rulebook(layer("one", rule)), fact("trial", drug="a"), fact("trial", drug="b"))
    assert said(outcome, "finding") == [{"rule": "AB-01"}]


TALLIES = [
    {"name": "drugs", "distinct": "drug", "of": {"fact": "drug_seen"}},
    {"name": "long", "distinct": "drug", "of": {"fact": "trial", "days": ">= $min_days"}},
]


def counts(outcome: Outcome) -> dict[object, object]:
    return {one["name"]: one["count"] for one in said(outcome, "tally")}


def test_a_tally_counts_distinct_known_values_after_its_layer(judge: Evaluate) -> None:
    book = rulebook(layer("one", ANY_TRIAL, tallies=TALLIES))
    outcome = judge(
        book,
        fact("trial", drug="a", days=1),
        fact("trial", drug="a", days=60),
        fact("trial", drug="b", days=56),
        fact("trial", days=90),
    )
    assert counts(outcome) == {"drugs": 2, "long": 2}


def test_a_tally_of_nothing_is_a_fact_that_says_so(judge: Evaluate) -> None:
    none = card("AB-01", [{"fact": "tally", "name": "drugs", "count": 0}])
    outcome = judge(rulebook(layer("one", ANY_TRIAL, tallies=TALLIES), layer("two", none)))
    assert counts(outcome) == {"drugs": 0, "long": 0}
    assert said(outcome, "finding") == [{"rule": "AB-01"}]


def test_a_rule_that_is_switched_off_concludes_nothing(judge: Evaluate) -> None:
    book = rulebook(layer("one", ANY_TRIAL | {"if": "$accept"}))
    assert not judge(book, fact("trial", drug="a")).fired
    book = rulebook(layer("one", ANY_TRIAL | {"if": "$accept"}), accept=True)
    assert judge(book, fact("trial", drug="a")).fired


def test_empty_text_is_unknown(judge: Evaluate) -> None:
    outcome = judge(rulebook(layer("one", ANY_TRIAL)), fact("trial", drug="", days=1))
    assert outcome.facts[0].fields == {"days": 1}
    assert said(outcome, "drug_seen") == [{"days": 1}]


@pytest.mark.parametrize(
    ("given_fact", "problem"),
    [
        (fact("headache", days=1), "no measured fact type 'headache'"),
        (fact("finding", rule="AB-01"), "no measured fact type 'finding'"),
        (fact("trial", weight=1), "trial.weight is unknown"),
        (fact("trial", drug=1), "trial.drug is of another kind"),
        (fact("trial", days="secret"), "trial.days is of another kind"),
        (fact("trial", days=True), "trial.days is of another kind"),
        (fact("trial", coded=1), "trial.coded is of another kind"),
        (fact("trial", days=float("nan")), "trial.days is not a number that can be compared"),
        (fact("trial", days=float("inf")), "trial.days is not a number that can be compared"),
        (fact("trial", days=10**15), "trial.days is not a number that can be compared"),
        (fact("trial", days=-1e300), "trial.days is not a number that can be compared"),
    ],
)
def test_a_fact_that_its_type_does_not_allow_is_an_error_that_names_no_value(
    judge: Evaluate, given_fact: Fact, problem: str
) -> None:
    with pytest.raises(FactError) as caught:
        judge(rulebook(layer("one", ANY_TRIAL)), given_fact)
    assert str(caught.value) == problem


def test_more_facts_than_an_evaluation_may_hold_are_an_error(judge: Evaluate) -> None:
    book = rulebook(layer("one", ANY_TRIAL))
    with pytest.raises(LimitError, match=f"at most {MAX_FACTS}"):
        judge(book, *[fact("order", id="1")] * (MAX_FACTS + 1))
    with pytest.raises(LimitError, match=f"at most {MAX_FACTS}"):
        judge(book, *[fact("trial", drug=str(number)) for number in range(MAX_FACTS // 2 + 1)])


@settings(max_examples=cases(40, 300, 5_000))
@given(rulebooks(), facts())
def test_an_outcome_is_numbered_and_ordered_by_content(book: Rulebook, some: list[Fact]) -> None:
    outcome = evaluate(book, some, COMPLETE, engine="reference")
    assert [one.id for one in outcome.facts] == [f"f{number}" for number in range(1, len(outcome.facts) + 1)]
    number = {one.id: place for place, one in enumerate(outcome.facts)}
    for one in outcome.facts:
        assert all(number[ground] < number[one.id] for ground in one.basis)
    assert evaluate(book, some[::-1], COMPLETE, engine="reference") == outcome


@settings(max_examples=cases(40, 300, 5_000))
@given(rulebooks(), facts())
def test_every_match_is_fired_silenced_or_unjudged_and_never_two_of_them(book: Rulebook, some: list[Fact]) -> None:
    outcome = evaluate(book, some, {"Condition": "complete"}, engine="reference")
    verdicts: list[Fired | Blocked | UnjudgedRule] = [*outcome.fired, *outcome.blocked, *outcome.unjudged]
    keys = [(verdict.rule, tuple(one.id for one in verdict.bindings.values())) for verdict in verdicts]
    assert len(set(keys)) == len(keys)


def test_the_engine_in_force_is_the_one_asked_for_or_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_DURABLE", None)
    assert [engine_in_force(engine) for engine in ENGINES] == ["reference"] * 3
    assert evaluate(rulebook(layer("one")), [], {}).engine == "reference"


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(ValueError, match="one of checked, durable, reference"):
        engine_in_force("drools")
