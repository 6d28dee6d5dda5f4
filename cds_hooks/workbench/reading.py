"""What the pages say about a judgement: each rule's verdict with its grounds, and how two judgements differ."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.workbench.editing import parameter_words
from prodrome.rules import Judgement
from prodrome.rules.engine import (
    FINDING,
    TALLY,
    Bindings,
    Explanation,
    Fact,
    Pattern,
    Rule,
    Rulebook,
    Test,
    Verdict,
    condition_in_words,
    why,
)
from prodrome.rules.guideline import Guideline, Parameter, Source

_DEEPEST = 6
DEEPEST_STEPS = 3
MOST_GROUNDS = 40
MOST_ALTERNATIVES = 2

_VERDICTS: Mapping[Verdict, str] = {
    Verdict.FIRED: "fired",
    Verdict.UNJUDGED: "unjudged",
    Verdict.BLOCKED: "silenced",
    Verdict.NOT_FIRED: "not-fired",
    Verdict.OFF: "off",
}
"""Each verdict's name in the style sheet."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A fact with the facts it was concluded from. ``rule`` concluded it; none: it was read from the chart."""

    words: str
    refs: tuple[str, ...]
    rule: str | None
    basis: tuple["Ground", ...]


@dataclass(frozen=True, slots=True)
class RuleStep:
    """A rule that could have concluded the fact another one lacked, and what stopped it in turn."""

    rule: str
    verdict: str
    stop: "RuleCondition | None"


@dataclass(frozen=True, slots=True)
class RuleCondition:
    """A condition in words and whether it held: yes, no, or unasked because one before it failed.

    ``near`` is the fact that nearly met it, and ``failed`` the fields it failed on. Where there was none, ``steps``
    are the rules that could have concluded one.
    """

    words: str
    held: str
    near: Ground | None = None
    failed: tuple[str, ...] = ()
    steps: tuple[RuleStep, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """One way in which a rule held, or would have held: the facts, and what came between."""

    grounds: tuple[Ground, ...]
    silenced_by: Ground | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleReading:
    """One rule on the page that asks why."""

    rule: Rule
    verdict: str
    style: str
    elsewhere: bool
    conditions: tuple[RuleCondition, ...]
    unless: tuple[str, ...]
    matches: tuple[RuleMatch, ...]
    parameters: tuple[Parameter, ...]
    sources: tuple[Source, ...]
    short: str


def readings(consultation: Consultation) -> list[RuleReading]:
    """Every rule, in the order of the rulebook."""
    explained = _Explained(consultation)
    return [explained.reading(one) for one in explained.all.values()]


class _Explained:
    def __init__(self, consultation: Consultation) -> None:
        self.consultation = consultation
        judgement = consultation.judgement
        self.all = {one.rule.id: one for one in why(judgement.rulebook, judgement.outcome)}
        self.facts = {fact.id: fact for fact in judgement.facts}

    def reading(self, explanation: Explanation) -> RuleReading:
        rule, guideline = explanation.rule, self.consultation.judgement.guideline
        return RuleReading(
            rule=rule,
            verdict=explanation.verdict.value,
            style=_VERDICTS[explanation.verdict],
            elsewhere=bool(rule.hooks) and self.consultation.request.hook not in rule.hooks,
            conditions=tuple(self.conditions(explanation)),
            unless=unless_in_words(rule),
            matches=tuple(_matches(explanation, self.facts)),
            parameters=parameters_of(rule, guideline),
            sources=sources_of(rule, guideline),
            short=_short(explanation, self.consultation.judgement.rulebook),
        )

    def conditions(self, explanation: Explanation) -> Iterator[RuleCondition]:
        stop = explanation.stop
        for index, words in enumerate(conditions_in_words(explanation.rule)):
            if stop is not None and index == stop.index:
                yield self.stopped(explanation, DEEPEST_STEPS)
            else:
                yield RuleCondition(words, "unasked" if stop is not None and index > stop.index else "yes")

    def stopped(self, explanation: Explanation, depth: int) -> RuleCondition:
        """The condition at which a rule stopped; where no fact of the kind was there, why there was none."""
        stop, rule = explanation.stop, explanation.rule
        assert stop is not None
        near = ground(stop.near, self.facts) if stop.near else None
        pattern = rule.when[stop.index]
        producers = [] if near or not depth else concluding(self.consultation.judgement.rulebook, pattern.fact)
        return RuleCondition(
            conditions_in_words(rule)[stop.index],
            "no",
            near,
            tuple(name.replace("_", " ") for name in stop.failed),
            tuple(self.step(producer, depth - 1) for producer in producers),
        )

    def step(self, rule: Rule, depth: int) -> RuleStep:
        explanation = self.all[rule.id]
        stop = self.stopped(explanation, depth) if explanation.stop else None
        return RuleStep(rule.id, explanation.verdict.value, stop)


def concluding(rulebook: Rulebook, fact: str) -> list[Rule]:
    """The steps that conclude facts of a type."""
    return [rule for rule in rulebook.rules.values() if rule.then.fact == fact and not rule.card]


def conditions_in_words(rule: Rule) -> tuple[str, ...]:
    """What a rule needs; a condition has a name only where another one speaks of it."""
    spoken_of = {join.alias for pattern in (*rule.when, *rule.unless) for join in pattern.joins}
    return tuple(_in_words(pattern, spoken_of) for pattern in rule.when)


def unless_in_words(rule: Rule) -> tuple[str, ...]:
    """What silences a rule."""
    return tuple(_in_words(pattern, set()) for pattern in rule.unless)


def _in_words(pattern: Pattern, spoken_of: set[str]) -> str:
    counts = [test for test in pattern.tests if test.field == "count"]
    names = [test for test in pattern.tests if test.field == "name" and test.op == "="]
    if pattern.fact == TALLY and len(counts) == len(names) == 1 and not pattern.joins:
        return f"number of {value_in_words(names[0].value).replace('_', ' ')}: {_number_in_words(counts[0])}"
    return condition_in_words(pattern if pattern.alias in spoken_of else replace(pattern, alias=""))


def _number_in_words(test: Test) -> str:
    return condition_in_words(Pattern("count", "", (test,))).removeprefix("count with count ")


def _matches(explanation: Explanation, facts: Mapping[str, Fact]) -> Iterator[RuleMatch]:
    for fired in explanation.fired:
        yield RuleMatch(_grounds(fired.bindings, facts))
    for unjudged in explanation.unjudged:
        yield RuleMatch(_grounds(unjudged.bindings, facts), missing=unjudged.missing)
    for blocked in explanation.blocked:
        yield RuleMatch(_grounds(blocked.bindings, facts), silenced_by=ground(blocked.by, facts))


def _grounds(bindings: Bindings, facts: Mapping[str, Fact]) -> tuple[Ground, ...]:
    return tuple(ground(fact, facts) for fact in bindings.values())


def ground(fact: Fact, facts: Mapping[str, Fact], depth: int = _DEEPEST) -> Ground:
    """A fact with what it rests on, as deep as a page bears."""
    basis = fact.basis[:MOST_GROUNDS] if depth else ()
    return Ground(
        fact_in_words(fact),
        fact.refs,
        fact.rule,
        tuple(ground(facts[id_], facts, depth - 1) for id_ in basis if id_ in facts),
    )


def _short(explanation: Explanation, rulebook: Rulebook) -> str:
    """One line: the first thing that stopped a rule, or what is missing."""
    if explanation.verdict is Verdict.UNJUDGED:
        missing = dict.fromkeys(kind for unjudged in explanation.unjudged for kind in unjudged.missing)
        return f"not complete: {', '.join(missing)}"
    if explanation.verdict is Verdict.BLOCKED:
        by = explanation.blocked[0].by
        return f"{by.fields['rule']} speaks instead" if by.type == FINDING else f"because of {fact_in_words(by)}"
    stop = explanation.stop
    if stop is None:
        return ""
    shown = concluding(rulebook, explanation.rule.when[stop.index].fact)
    if stop.near is None and shown:
        return f"nothing shows this: {_alternatives(shown)}"
    return f"needs {conditions_in_words(explanation.rule)[stop.index]}{_instead(stop.near, stop.failed)}"


def _instead(near: Fact | None, failed: Iterable[str]) -> str:
    """What there is in place of what was needed: a count, or the fields in which the nearest fact differs."""
    if near is None or "name" in failed:
        return ""
    if near.type == TALLY:
        return f"; there are {near.fields['count']}"
    differing = [
        f"{name.replace('_', ' ')} {value_in_words(near.fields[name])}" for name in failed if name in near.fields
    ]
    return f"; there is one with {', '.join(differing)}" if differing else ""


def _alternatives(rules: Iterable[Rule]) -> str:
    """What would have shown a fact, in the rulebook's own words for the steps that conclude it."""
    words = list(dict.fromkeys(rule.why for rule in rules))
    more = len(words) - MOST_ALTERNATIVES
    return "; or: ".join(words[:MOST_ALTERNATIVES]) + (f"; or {more} more" if more > 0 else "")


def fact_in_words(fact: Fact) -> str:
    """A flat fact on one line."""
    if fact.type == TALLY:
        return f"number of {str(fact.fields['name']).replace('_', ' ')}: {fact.fields['count']}"
    fields = ", ".join(f"{name.replace('_', ' ')} {value_in_words(value)}" for name, value in fact.fields.items())
    name = fact.type.replace("_", " ")
    return f"{name}: {fields}" if fields else name


def value_in_words(value: object) -> str:
    """A fact's value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def parameters_of(rule: Rule, guideline: Guideline) -> tuple[Parameter, ...]:
    """The parameters a rule reads, with their values in force."""
    return tuple(guideline.parameters[name] for name in rule.parameters)


def sources_of(rule: Rule, guideline: Guideline) -> tuple[Source, ...]:
    """The publications a rule rests on."""
    return tuple(guideline.sources[name] for name in rule.sources)


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one card: new, gone, changed or the same."""

    rule: str
    change: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A rule whose verdict is another than before, and why now."""

    rule: str
    title: str
    before: str
    after: str
    short: str


def card_rule(card: Mapping[str, Any]) -> str:
    """The id of the rule that a card of an answer comes from."""
    return str(card["source"]["topic"]["code"])


def differences(before: Consultation, after: Consultation) -> list[Difference]:
    """The cards of two answers side by side: by rule, and within a rule in their order."""
    old, new = _by_rule(before.response["cards"]), _by_rule(after.response["cards"])
    found = []
    for key in dict.fromkeys([*new, *old]):
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            change = "new" if was is None else "gone"
        else:
            same = all(was.get(part) == now.get(part) for part in ("summary", "detail", "indicator"))
            change = "same" if same else "changed"
        found.append(
            Difference(key[0], change, was["summary"] if was else "", now["summary"] if now else ""),
        )
    return found


def _by_rule(cards: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for card in cards:
        rule = card_rule(card)
        found[rule, sum(known == rule for known, _ in found)] = card
    return found


def turns(before: Judgement, after: Judgement) -> list[VerdictChange]:
    """The rules with cards whose verdict differs."""
    was = {one.rule.id: one for one in why(before.rulebook, before.outcome)}
    found = []
    for one in why(after.rulebook, after.outcome):
        if one.rule.card and one.verdict is not was[one.rule.id].verdict:
            old = was[one.rule.id].verdict.value
            found.append(
                VerdictChange(one.rule.id, one.rule.title, old, one.verdict.value, _short(one, after.rulebook))
            )
    return found


def parameter_in_words(parameter: Parameter) -> str:
    """A parameter's value with its unit."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{parameter_words(parameter.value)}{unit}"
