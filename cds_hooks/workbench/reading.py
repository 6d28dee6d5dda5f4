"""What the pages say about a judgement: each rule's verdict with its grounds, and how two judgements differ."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_hooks.consultation import Consultation
from cds_hooks.workbench.editing import written
from rules.explain import Explanation, Verdict, condition_in_words, why
from rules.guideline import Guideline, Parameter, Source
from rules.judge import Judgement
from rules.matching import Bindings, Fact
from rules.rulebook import Rule

DEEPEST = 6
MOST_GROUNDS = 40

VERDICTS: Mapping[Verdict, str] = {
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
class Condition:
    """A condition in words and whether it held: yes, no, or unasked because one before it failed."""

    words: str
    held: str
    near: str = ""
    failed: tuple[str, ...] = ()
    near_refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One way in which a rule held, or would have held: the facts, and what came between."""

    grounds: tuple[Ground, ...]
    silenced_by: Ground | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One rule on the page that asks why."""

    rule: Rule
    verdict: str
    style: str
    elsewhere: bool
    conditions: tuple[Condition, ...]
    unless: tuple[str, ...]
    matches: tuple[Match, ...]
    parameters: tuple[Parameter, ...]
    sources: tuple[Source, ...]
    short: str


def readings(consultation: Consultation) -> list[Reading]:
    """Every rule, in the order of the rulebook."""
    judgement = consultation.judgement
    return [_reading(one, consultation) for one in why(judgement.rulebook, judgement.outcome)]


def _reading(explanation: Explanation, consultation: Consultation) -> Reading:
    judgement, rule = consultation.judgement, explanation.rule
    facts = {fact.id: fact for fact in judgement.facts}
    conditions = tuple(_conditions(explanation))
    return Reading(
        rule=rule,
        verdict=explanation.verdict.value,
        style=VERDICTS[explanation.verdict],
        elsewhere=bool(rule.hooks) and consultation.request.hook not in rule.hooks,
        conditions=conditions,
        unless=tuple(condition_in_words(pattern) for pattern in rule.unless),
        matches=tuple(_matches(explanation, facts)),
        parameters=parameters_of(rule, judgement.guideline),
        sources=sources_of(rule, judgement.guideline),
        short=_short(explanation),
    )


def _conditions(explanation: Explanation) -> Iterator[Condition]:
    stop = explanation.stop
    for index, pattern in enumerate(explanation.rule.when):
        words = condition_in_words(pattern)
        if stop is None:
            yield Condition(words, "yes")
        elif index == stop.index:
            near = fact_in_words(stop.near) if stop.near else ""
            failed = tuple(name.replace("_", " ") for name in stop.failed)
            yield Condition(words, "no", near, failed, stop.near.refs if stop.near else ())
        else:
            yield Condition(words, "yes" if index < stop.index else "unasked")


def _matches(explanation: Explanation, facts: Mapping[str, Fact]) -> Iterator[Match]:
    for fired in explanation.fired:
        yield Match(_grounds(fired.bindings, facts))
    for unjudged in explanation.unjudged:
        yield Match(_grounds(unjudged.bindings, facts), missing=unjudged.missing)
    for blocked in explanation.blocked:
        yield Match(_grounds(blocked.bindings, facts), silenced_by=ground(blocked.by, facts))


def _grounds(bindings: Bindings, facts: Mapping[str, Fact]) -> tuple[Ground, ...]:
    return tuple(ground(fact, facts) for fact in bindings.values())


def ground(fact: Fact, facts: Mapping[str, Fact], depth: int = DEEPEST) -> Ground:
    """A fact with what it rests on, as deep as a page bears."""
    basis = fact.basis[:MOST_GROUNDS] if depth else ()
    return Ground(
        fact_in_words(fact),
        fact.refs,
        fact.rule,
        tuple(ground(facts[id_], facts, depth - 1) for id_ in basis if id_ in facts),
    )


def _short(explanation: Explanation) -> str:
    """One line: the first thing that stopped a rule, or what is missing."""
    if explanation.verdict is Verdict.UNJUDGED:
        missing = dict.fromkeys(kind for unjudged in explanation.unjudged for kind in unjudged.missing)
        return f"not complete: {', '.join(missing)}"
    if explanation.verdict is Verdict.BLOCKED:
        return f"because of {fact_in_words(explanation.blocked[0].by)}"
    return f"needs {explanation.stop.condition}" if explanation.stop else ""


def fact_in_words(fact: Fact) -> str:
    """A flat fact on one line."""
    fields = ", ".join(f"{name.replace('_', ' ')} {value_in_words(value)}" for name, value in fact.fields.items())
    name = fact.type.replace("_", " ")
    return f"{name}: {fields}" if fields else name


def value_in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def parameters_of(rule: Rule, guideline: Guideline) -> tuple[Parameter, ...]:
    return tuple(guideline.parameters[name] for name in rule.parameters)


def sources_of(rule: Rule, guideline: Guideline) -> tuple[Source, ...]:
    return tuple(guideline.sources[name] for name in rule.sources)


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one card: new, gone, changed or the same."""

    rule: str
    change: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A rule whose verdict is another than before, and why now."""

    rule: str
    title: str
    before: str
    after: str
    short: str


def card_rule(card: Mapping[str, Any]) -> str:
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


def turns(before: Judgement, after: Judgement) -> list[Turn]:
    """The rules with cards whose verdict differs."""
    was = {one.rule.id: one for one in why(before.rulebook, before.outcome)}
    found = []
    for one in why(after.rulebook, after.outcome):
        if one.rule.card and one.verdict is not was[one.rule.id].verdict:
            old = was[one.rule.id].verdict.value
            found.append(Turn(one.rule.id, one.rule.title, old, one.verdict.value, _short(one)))
    return found


def parameter_in_words(parameter: Parameter) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{written(parameter.value)}{unit}"
