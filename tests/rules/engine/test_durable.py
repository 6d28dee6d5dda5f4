"""The durable-rules matcher in service: threads, memory, and errors that leave nothing behind."""

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import prodrome.rules.engine.matching as matching
from prodrome.rules.engine.evaluation import Outcome, evaluate
from prodrome.rules.engine.matching import CompiledLayer, Join, LimitError, Pattern
from prodrome.rules.engine.rulebook import Rulebook
from tests.rules.engine.worlds import PROFILE, by_type, card, fact, layer, needs_durable, numbered, rulebook, step

durable = pytest.importorskip(
    "prodrome.rules.engine.durable", reason="durable-rules does not import on this Python", exc_type=ImportError
)
pytestmark = needs_durable

PAIRS = CompiledLayer(
    "pairs", (("pair", (Pattern("trial", "t"), Pattern("order", "o", joins=(Join("drug", "t", "drug"),)))),)
)


def test_a_layer_that_reads_none_of_the_facts_matches_nothing() -> None:
    assert durable.DurableMatcher().match(PAIRS, by_type(numbered([fact("allergy", drug="a")]))) == frozenset()
    assert durable.DurableMatcher().match(PAIRS, {}) == frozenset()
    assert durable.DurableMatcher().match(CompiledLayer("empty", ()), {}) == frozenset()


def test_the_ids_of_facts_are_given_back_as_they_came() -> None:
    facts = numbered([fact("allergy", drug="a"), fact("order", drug="a"), fact("trial", drug="a")])
    assert durable.DurableMatcher().match(PAIRS, by_type(facts)) == {("pair", ("f3", "f2"))}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the library is given, but for what opens a session."""
    texts: list[str] = []
    give = durable.engine.assert_fact

    def assert_fact(handle: int, text: str) -> object:
        if text != durable._OPEN:
            texts.append(text)
        return give(handle, text)

    monkeypatch.setattr(durable.engine, "assert_fact", assert_fact)
    return texts


def test_facts_that_read_alike_are_sent_once_and_each_is_matched(sent: list[str]) -> None:
    orders = [fact("order", drug="a", id=str(number)) for number in range(3)]
    facts = by_type(numbered([*orders, fact("order", drug="b"), fact("trial", drug="a"), fact("trial", drug="a")]))
    both = {("pair", (trial, order)) for trial in ("f5", "f6") for order in ("f1", "f2", "f3")}
    assert durable.DurableMatcher().match(PAIRS, facts) == both
    assert len(sent) == 3  # orders of a and b, trials of a


def test_each_fact_is_sent_of_a_type_that_a_rule_takes_two_of(sent: list[str]) -> None:
    same = Join("drug", "t", "drug")
    twice = CompiledLayer("twice", (("two", (Pattern("trial", "t"), Pattern("trial", "u", joins=(same,)))),))
    facts = by_type(numbered([fact("trial", drug="a"), fact("trial", drug="a")]))
    assert durable.DurableMatcher().match(twice, facts) == {("two", ("f1", "f2")), ("two", ("f2", "f1"))}
    assert len(sent) == 2


def test_rules_that_ask_for_the_same_are_one_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    completed: list[int] = []
    complete = durable.engine.complete_and_start_action

    def completing(handle: int, state: int) -> object:
        completed.append(state)
        return complete(handle, state)

    monkeypatch.setattr(durable.engine, "complete_and_start_action", completing)
    (_, when), *_ = PAIRS.rules
    same = CompiledLayer("same", (("pair", when), ("again", when), ("trial", when[:1]), ("taken", when[:1])))
    facts = by_type(numbered([fact("trial", drug="a"), fact("order", drug="a")]))
    both = {(rule, ("f1", "f2")) for rule in ("pair", "again")} | {(rule, ("f1",)) for rule in ("trial", "taken")}
    assert durable.DurableMatcher().match(same, facts) == both
    assert len(completed) == 3  # what opens the session, and one match of each two


def test_too_many_facts_or_matches_are_an_error_and_the_next_evaluation_is_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matcher = durable.DurableMatcher()
    few = by_type(numbered([fact("trial", drug="a"), fact("order", drug="a")]))
    many = by_type(numbered([fact("trial", drug="a"), *[fact("order", drug="a")] * 9]))
    with monkeypatch.context() as patch:
        patch.setattr(durable, "MAX_MATCHES", 5)
        for _ in range(3):
            with pytest.raises(LimitError, match="layer pairs has more than 5 matches"):
                matcher.match(PAIRS, many)
    with monkeypatch.context() as patch:
        patch.setattr(durable, "MAX_FACTS", 5)
        with pytest.raises(LimitError, match="at most 5"):
            matcher.match(PAIRS, many)
    assert len(matcher.match(PAIRS, few)) == 1
    assert matching.MAX_FACTS > 5


def test_a_fact_that_cannot_be_sent_leaves_nothing_behind() -> None:
    matcher = durable.DurableMatcher()
    layer_of_days = CompiledLayer(
        "days", (("rule", (Pattern("trial", "t", (matching.Comparison("days", ">", 0),)), Pattern("order", "o"))),)
    )
    good = [fact("trial", days=1), fact("order", id="1")]
    for bad in (float("nan"), float("inf"), 1e15, 10**400):
        with pytest.raises(matching.EngineError):
            matcher.match(layer_of_days, by_type(numbered([*good, fact("trial", days=bad)])))
        assert len(matcher.match(layer_of_days, by_type(numbered(good)))) == 1


def test_a_layer_is_compiled_as_often_as_it_is_matched_at_once_and_goes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    together = threading.Barrier(3, timeout=30)
    deleted: list[int] = []
    engine = durable.engine
    create, delete = engine.create_ruleset, engine.delete_ruleset

    def compiled(*given: object) -> int:
        together.wait()  # until each of the threads found none that is free
        made.append(create(*given))
        return made[-1]

    def gone(handle: int) -> None:
        deleted.append(handle)
        delete(handle)

    monkeypatch.setattr(engine, "create_ruleset", compiled)
    monkeypatch.setattr(engine, "delete_ruleset", gone)
    matcher = durable.DurableMatcher()
    layers = [CompiledLayer("own", PAIRS.rules)]
    facts = by_type(numbered([fact("trial", drug="a"), fact("order", drug="a")]))

    def work() -> None:
        assert len(matcher.match(layers[0], facts)) == 1
        assert len(matcher.match(layers[0], facts)) == 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    gc.collect()
    assert len(set(made)) == 3
    assert deleted == []
    layers.clear()
    gc.collect()
    assert set(deleted) == set(made)


CARDS = card("AB-01", [{"fact": "failed", "as": "f"}, {"fact": "tally", "name": "failures", "count": ">= 2"}])
SMALL = [
    layer(
        "one",
        step(
            "failed",
            [{"fact": "trial", "as": "t", "days": ">= $min_days"}, {"fact": "order", "drug": "$t.drug"}],
            {"fact": "failed", "drug": "$t.drug", "id": "$t.id"},
            unless=[{"fact": "allergy", "drug": "$t.drug"}],
        ),
        tallies=[{"name": "failures", "distinct": "drug", "of": {"fact": "failed"}}],
    ),
    layer("two", CARDS),
]


def patient(name: str, size: int) -> list[matching.Fact]:
    """A patient whose every text says whose it is."""
    found = []
    for number in range(size):
        drug = f"{name}-{number}"
        found += [fact("trial", drug=drug, id=drug, days=60), fact("order", drug=drug, id=drug)]
    return [*found, fact("allergy", drug=f"{name}-0")]


def owners(outcome: Outcome) -> set[str]:
    texts = [v for one in outcome.facts for k, v in one.fields.items() if isinstance(v, str) and k in ("drug", "id")]
    return {text.split("-")[0] for text in texts}


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads change places as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hurried")
def test_eight_threads_with_different_patients_see_only_their_own() -> None:
    book = rulebook(*SMALL)
    wrong: list[str] = []
    start = threading.Barrier(8)

    def work(name: str) -> None:
        start.wait()
        for round_ in range(150):
            size = 2 + round_ % 5
            outcome = evaluate(book, patient(name, size), {}, engine="checked")
            fired = sum(fired.rule == "failed" for fired in outcome.fired)
            if owners(outcome) != {name} or fired != size - 1 or len(outcome.blocked) != 1:
                wrong.append(f"{name}: {owners(outcome)}, {fired} of {size - 1}")

    threads = [threading.Thread(target=work, args=(f"p{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def resident_kb() -> int:
    """The resident memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")


def evaluate_many(book: Rulebook, times: int) -> None:
    facts = patient("p", 2)
    for _ in range(times):
        assert len(evaluate(book, facts, {}, engine="checked").fired) == 1


@needs_proc
def test_memory_is_flat_over_five_thousand_evaluations() -> None:
    book = rulebook(*SMALL)
    evaluate_many(book, 1_000)
    before = resident_kb()
    evaluate_many(book, 5_000)
    assert resident_kb() - before < 2_000


@needs_proc
@pytest.mark.slow
@pytest.mark.skipif(PROFILE == "default", reason="the full run does it: HYPOTHESIS_PROFILE=ci")
def test_memory_is_flat_over_a_hundred_thousand_evaluations() -> None:
    book = rulebook(*SMALL)
    evaluate_many(book, 5_000)
    before = resident_kb()
    evaluate_many(book, 100_000)
    assert resident_kb() - before < 4_000


@needs_proc
def test_memory_is_flat_over_rulebooks_that_come_and_go() -> None:
    facts = patient("p", 2)

    def come_and_go(times: int) -> None:
        for _ in range(times):
            evaluate(rulebook(*SMALL), facts, {}, engine="checked")
        gc.collect()

    come_and_go(30)
    before = resident_kb()
    come_and_go(150)
    assert resident_kb() - before < 6_000
