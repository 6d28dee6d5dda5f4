"""What the pages say about a judgement: each rule's verdict with its grounds, and how two judgements differ."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.workbench.clinical_words import (
    condition_in_words,
    counted_in_words,
    fact_in_words,
    fields_in_words,
    needed,
)
from prodrome.cds_hooks.workbench.editing import parameter_words
from prodrome.cds_hooks.workbench.history import draw
from prodrome.cds_hooks.workbench.picture import HistoryEntry
from prodrome.rules import Judgement
from prodrome.rules.engine import (
    FINDING,
    TALLY,
    Bindings,
    Explanation,
    Fact,
    Rule,
    Rulebook,
    Verdict,
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
    """A fact with the facts it was concluded from. ``rule`` concluded it; none: it was read from the chart.

    ``chart`` is what stands there, with its dates.
    """

    words: str
    chart: tuple[str, ...]
    refs: tuple[str, ...]
    rule: str | None
    basis: tuple["Ground", ...]


@dataclass(frozen=True, slots=True)
class RuleStep:
    """A rule that could have concluded the fact another one lacked, and what stopped it in turn."""

    rule: str
    why: str
    verdict: str
    stop: "RuleCondition | None"


@dataclass(frozen=True, slots=True)
class RuleCondition:
    """A condition in words and whether it held: yes, no, or unasked because one before it failed.

    ``near`` is the fact that nearly met it, and ``differs`` what it says otherwise. Where there was none, ``steps``
    are the rules that could have concluded one.
    """

    words: str
    held: str
    near: Ground | None = None
    differs: str = ""
    steps: tuple[RuleStep, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """One way in which a rule held, or would have held: the facts, and what came between."""

    grounds: tuple[Ground, ...]
    silenced_by: Ground | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleReading:
    """One rule on the page that asks why. ``parameters`` are its own, ``behind`` those of the steps before it."""

    rule: Rule
    verdict: str
    style: str
    elsewhere: bool
    conditions: tuple[RuleCondition, ...]
    unless: tuple[str, ...]
    matches: tuple[RuleMatch, ...]
    parameters: tuple[Parameter, ...]
    behind: tuple[Parameter, ...]
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
        self.guideline = judgement.guideline
        self.all = {one.rule.id: one for one in why(judgement.rulebook, judgement.outcome)}
        self.facts = {fact.id: fact for fact in judgement.facts}
        self.chart = _by_reference(draw(consultation.facts, judgement.guideline, judgement.today).entries)

    def reading(self, explanation: Explanation) -> RuleReading:
        rule, guideline = explanation.rule, self.guideline
        return RuleReading(
            rule=rule,
            verdict=explanation.verdict.value,
            style=_VERDICTS[explanation.verdict],
            elsewhere=bool(rule.hooks) and self.consultation.request.hook not in rule.hooks,
            conditions=tuple(self.conditions(explanation)),
            unless=unless_in_words(rule, guideline),
            matches=tuple(self.matches(explanation)),
            parameters=parameters_of(rule, guideline),
            behind=parameters_behind(rule, guideline),
            sources=sources_of(rule, guideline),
            short=_short(explanation, guideline),
        )

    def conditions(self, explanation: Explanation) -> Iterator[RuleCondition]:
        stop = explanation.stop
        for index, words in enumerate(conditions_in_words(explanation.rule, self.guideline)):
            if stop is not None and index == stop.index:
                yield self.stopped(explanation, DEEPEST_STEPS)
            else:
                yield RuleCondition(words, "unasked" if stop is not None and index > stop.index else "yes")

    def stopped(self, explanation: Explanation, depth: int) -> RuleCondition:
        """The condition at which a rule stopped; where no fact of the kind was there, why there was none."""
        stop, rule = explanation.stop, explanation.rule
        assert stop is not None
        near = self.ground(stop.near) if stop.near else None
        pattern = rule.when[stop.index]
        producers = [] if near or not depth else concluding(self.guideline.rulebook, pattern.fact)
        return RuleCondition(
            conditions_in_words(rule, self.guideline)[stop.index],
            "no",
            near,
            fields_in_words(stop.near, stop.failed, self.guideline)
            if stop.near and not needed(pattern, self.guideline)
            else "",
            tuple(self.step(producer, depth - 1) for producer in producers),
        )

    def step(self, rule: Rule, depth: int) -> RuleStep:
        explanation = self.all[rule.id]
        stop = self.stopped(explanation, depth) if explanation.stop else None
        return RuleStep(rule.id, rule.why, explanation.verdict.value, stop)

    def matches(self, explanation: Explanation) -> Iterator[RuleMatch]:
        """The ways in which a rule held, or would have."""
        for fired in explanation.fired:
            yield RuleMatch(self.grounds(fired.bindings))
        for unjudged in explanation.unjudged:
            yield RuleMatch(self.grounds(unjudged.bindings), missing=unjudged.missing)
        for blocked in explanation.blocked:
            yield RuleMatch(self.grounds(blocked.bindings), silenced_by=self.ground(blocked.by))

    def grounds(self, bindings: Bindings) -> tuple[Ground, ...]:
        """The facts a match took."""
        return tuple(self.ground(fact) for fact in bindings.values())

    def ground(self, fact: Fact, depth: int = _DEEPEST) -> Ground:
        """A fact with what it rests on, as deep as a page bears."""
        basis = fact.basis[:MOST_GROUNDS] if depth else ()
        read = () if fact.basis else [said for ref in fact.refs for said in self.chart.get(ref, ())]
        return Ground(
            fact_in_words(fact, self.guideline),
            tuple(dict.fromkeys(read)),
            fact.refs,
            fact.rule,
            tuple(self.ground(self.facts[id_], depth - 1) for id_ in basis if id_ in self.facts),
        )


_DATED = frozenset({"Trials", "Visits and contacts", "Conditions", "Non-drug treatment", "Attack records"})
_SAID = frozenset({"When", "Since", "Dose", "Doses", "Single dose", "Response"})


def _by_reference(entries: Iterable[HistoryEntry]) -> dict[str, list[str]]:
    """What the chart says, by the rows it says it in: when, how much, and with what response."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry.group in _DATED:
            said = "; ".join(text for label, text in entry.lines if label in _SAID)
            for ref in entry.refs:
                found.setdefault(ref, []).append(f"{entry.heading}: {said}" if said else entry.heading)
    return found


def concluding(rulebook: Rulebook, fact: str) -> list[Rule]:
    """The steps that conclude facts of a type."""
    return [rule for rule in rulebook.rules.values() if rule.then.fact == fact and not rule.card]


def conditions_in_words(rule: Rule, guideline: Guideline) -> tuple[str, ...]:
    """What a rule needs."""
    return tuple(condition_in_words(pattern, guideline) for pattern in rule.when)


def unless_in_words(rule: Rule, guideline: Guideline) -> tuple[str, ...]:
    """What silences a rule."""
    return tuple(condition_in_words(pattern, guideline) for pattern in rule.unless)


def _short(explanation: Explanation, guideline: Guideline) -> str:
    """One line: the first thing that stopped a rule, or what is missing."""
    rulebook = guideline.rulebook
    if explanation.verdict is Verdict.UNJUDGED:
        missing = dict.fromkeys(kind for unjudged in explanation.unjudged for kind in unjudged.missing)
        return f"not complete: {', '.join(missing)}"
    if explanation.verdict is Verdict.BLOCKED:
        by = explanation.blocked[0].by
        return f"{by.fields['rule']} speaks instead" if by.type == FINDING else fact_in_words(by, guideline)
    stop = explanation.stop
    if stop is None:
        return ""
    pattern = explanation.rule.when[stop.index]
    counted = needed(pattern, guideline)
    if counted and stop.near is not None and "name" not in stop.failed:
        there = counted_in_words(str(stop.near.fields["name"]), stop.near.fields["count"], guideline)
        return f"{there}; needs {counted[0]}"
    shown = concluding(rulebook, pattern.fact)
    if stop.near is None and shown:
        return f"needs {condition_in_words(pattern, guideline)}: {_alternatives(shown)}"
    return f"needs {condition_in_words(pattern, guideline)}{_instead(stop.near, stop.failed, guideline)}"


def _instead(near: Fact | None, failed: Iterable[str], guideline: Guideline) -> str:
    """What there is in place of what was needed, and in what it differs."""
    if near is None or near.type == TALLY:
        return ""
    differs = fields_in_words(near, failed, guideline)
    return f"; there is {fact_in_words(near, guideline)}{f', {differs}' if differs else ''}"


def _alternatives(rules: Iterable[Rule]) -> str:
    """What would have shown a fact, in the rulebook's own words for the steps that conclude it."""
    words = list(dict.fromkeys(rule.why for rule in rules))
    more = len(words) - MOST_ALTERNATIVES
    return "; or: ".join(words[:MOST_ALTERNATIVES]) + (f"; or {more} more" if more > 0 else "")


def parameters_of(rule: Rule, guideline: Guideline) -> tuple[Parameter, ...]:
    """The parameters a rule reads, with their values in force."""
    return tuple(guideline.parameters[name] for name in rule.parameters)


def parameters_behind(rule: Rule, guideline: Guideline) -> tuple[Parameter, ...]:
    """The parameters that decide before a rule is asked: those of the steps and counts that lead to its facts."""
    rulebook = guideline.rulebook
    tallies = {tally.name: tally.of for layer in rulebook.layers for tally in layer.tallies}
    names: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [(*rule.when, *rule.unless)]
    while waiting:
        for pattern in waiting.pop():
            counted = next((str(test.value) for test in pattern.tests if test.field == "name"), None)
            if pattern.fact == TALLY and counted in tallies and counted not in seen:
                seen.add(counted)
                names |= {test.parameter: None for test in tallies[counted].tests if test.parameter}
                waiting.append((tallies[counted],))
            for step in concluding(rulebook, pattern.fact):
                if step.id not in seen:
                    seen.add(step.id)
                    names |= dict.fromkeys(step.parameters)
                    waiting.append((*step.when, *step.unless))
    return tuple(guideline.parameters[name] for name in names if name not in rule.parameters)


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
                VerdictChange(one.rule.id, one.rule.title, old, one.verdict.value, _short(one, after.guideline))
            )
    return found


def parameter_in_words(parameter: Parameter) -> str:
    """A parameter's value; a number with its unit."""
    counted = isinstance(parameter.value, int | float) and not isinstance(parameter.value, bool)
    unit = f" {parameter.unit}" if parameter.unit and counted else ""
    return f"{parameter_words(parameter.value)}{unit}"
