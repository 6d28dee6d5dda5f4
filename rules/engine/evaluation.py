"""Judge a rulebook over measured facts, layer by layer.

The matchers answer only *which facts satisfy the conditions*. Everything that rests on absence is done once, here:
``unless``, completeness, conclusions and tallies. By default both matchers answer and are compared
(``engine="checked"``), one layer by layer, the other all layers at once; a difference raises
:class:`EngineDisagreement` and nothing is concluded.

The outcome depends on what the facts say, not on the order they came in: facts are put in the order of their
content and numbered ``f1``, ``f2``... anew.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from prodrome.rules.engine.matching import (
    FACT_IDS,
    MAX_FACTS,
    Bindings,
    CompiledLayer,
    EngineError,
    Fact,
    FactsByType,
    Joined,
    LimitError,
    Match,
    Matched,
    Matcher,
    Pattern,
    ReferenceMatcher,
    Value,
    by_ids,
    fact_of,
)
from prodrome.rules.engine.rulebook import TALLY, UNJUDGED, Conclusion, FieldOf, Rule, Rulebook, Tally

ENGINES = ("checked", "durable", "reference")
COMPLETE = "complete"


class EngineDisagreement(EngineError):
    """The two matchers gave different answers. Names the layer and the rules, never what a fact says."""

    def __init__(self, layer: str, rules: Iterable[str]) -> None:
        self.layer = layer
        self.rules = tuple(sorted(set(rules)))
        super().__init__(f"the matchers disagree in layer {layer} on {', '.join(self.rules)}")


class FactError(EngineError):
    """A fact that the rulebook's fact types do not allow. Names type and field, never the value."""


class Fired(NamedTuple):
    """A rule held for these facts, and what it concluded (several may conclude the same fact)."""

    rule: str
    bindings: Bindings
    conclusion: Fact


_fired_of: Callable[[tuple[str, Bindings, Fact]], Fired] = functools.partial(tuple.__new__, Fired)


class Blocked(NamedTuple):
    """A rule's conditions held, and ``by`` is the fact of its ``unless`` that silenced it."""

    rule: str
    bindings: Bindings
    by: Fact


class UnjudgedRule(NamedTuple):
    """A rule's conditions held and nothing silenced it, but these kinds of resource are not complete."""

    rule: str
    bindings: Bindings
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """Everything that follows from the facts. ``facts`` are the measured ones, then the concluded, ``f1``..``fn``."""

    facts: tuple[Fact, ...]
    fired: tuple[Fired, ...]
    blocked: tuple[Blocked, ...]
    unjudged: tuple[UnjudgedRule, ...]
    engine: str
    by_type: FactsByType = field(repr=False)


def engine_in_force(engine: str = "checked") -> str:
    """The engine that will answer: the one asked for, or ``reference`` where durable-rules cannot be used."""
    if engine not in ENGINES:
        raise ValueError(f"engine is one of {', '.join(ENGINES)}, not {engine!r}")
    return engine if _DURABLE is not None else "reference"


def evaluate(
    rulebook: Rulebook,
    measured: Sequence[Fact],
    completeness: Mapping[str, str],
    *,
    ordered: FactsByType | None = None,
    engine: str = "checked",
    in_time: Callable[[], None] = lambda: None,
) -> Outcome:
    """Judge every enabled rule. ``in_time`` is called before each layer; what it raises ends the evaluation.

    ``ordered`` are further facts, of types that are not among those ``measured``, as :func:`in_order` gave them.
    ``completeness`` says of each kind of resource whether it is ``complete``; a kind not in it is missing.
    Raises :class:`EngineDisagreement`, :class:`FactError` or :class:`LimitError`.
    """
    engine = engine_in_force(engine)
    state = _State(in_order(rulebook, measured, ordered or {}))
    matcher = _DURABLE if engine == "durable" and _DURABLE is not None else _REFERENCE
    matches: set[Match] = set()
    for layer in rulebook.layers:
        in_time()
        if isinstance(matcher, ReferenceMatcher):
            matched = matcher.matched(layer.compiled, state.by_type)
        else:
            matched = _by_rule(layer.compiled, matcher.match(layer.compiled, state.by_type), state.facts)
        if matched:
            matches.update(by_ids(matched))
            _conclude(state, rulebook, matched, completeness)
        if layer.tallies:
            ids = state.ids_of_next(len(layer.tallies))
            state.add([_count(state, tally, id_) for tally, id_ in zip(layer.tallies, ids, strict=True)])
    if engine == "checked" and _DURABLE is not None:
        _check(_DURABLE, rulebook, state.by_type, matches, in_time)
    return Outcome(
        tuple(state.facts), tuple(state.fired), tuple(state.blocked), tuple(state.unjudged), engine, state.by_type
    )


def _by_rule(layer: CompiledLayer, matches: Iterable[Match], facts: Sequence[Fact]) -> Matched:
    """What a matcher found that says it in ids alone."""
    found: dict[str, list[list[int]]] = {}
    for rule_id, ids in matches:
        found.setdefault(rule_id, []).append([int(fact_id[1:]) for fact_id in ids])
    return [
        (
            rule_id,
            [{one.alias: facts[n - 1] for one, n in zip(when, each, strict=True)} for each in sorted(found[rule_id])],
        )
        for rule_id, when in layer.rules
        if rule_id in found
    ]


def _check(
    matcher: Matcher, rulebook: Rulebook, facts: FactsByType, expected: set[Match], in_time: Callable[[], None]
) -> None:
    """Raise :class:`EngineDisagreement` where another matcher finds other matches, for the first layer with any.

    It is asked once, over the facts of all layers: a rule reads only what earlier layers concluded. Had the first
    matcher been wrong in any layer, the matches of that layer differ whatever it concluded from them later.
    """
    found: frozenset[Match] = frozenset()
    for stretch in rulebook.stretches:
        in_time()
        found |= matcher.match(stretch, facts)
    if found != expected:
        differing = {rule for rule, _ in found.symmetric_difference(expected)}
        layer = next(layer for layer in rulebook.layers if any(rule.id in differing for rule in layer.rules))
        raise EngineDisagreement(layer.name, (rule.id for rule in layer.rules if rule.id in differing))


def in_order(rulebook: Rulebook, measured: Sequence[Fact], ordered: FactsByType) -> dict[str, list[Fact]]:
    """The facts by type, checked, in the order of their content, and numbered so. ``ordered`` went through it before.

    Raises :class:`FactError` or :class:`LimitError`.
    """
    if (count := len(measured) + sum(map(len, ordered.values()))) > MAX_FACTS:
        raise LimitError(f"{count} facts; at most {MAX_FACTS}")
    found: dict[str, list[Fact]] = {}
    for fact in measured:
        found.setdefault(fact.type, []).append(_plain(rulebook, fact))
    for same in found.values():
        if len(same) > 1:
            same.sort(key=_content)
    ids = iter(FACT_IDS)
    return {
        kind: [fact_of((id_, kind, fact.fields, fact.refs, (), None)) for fact, id_ in zip(same, ids, strict=False)]
        for kind, same in sorted({**found, **ordered}.items())
    }


def _content(fact: Fact) -> tuple[bytes, tuple[str, ...]]:
    return orjson.dumps(fact.fields, option=orjson.OPT_SORT_KEYS), fact.refs


def _plain(rulebook: Rulebook, fact: Fact) -> Fact:
    """The fact with its known fields alone, checked against its type; whole numbers are integers."""
    schema = rulebook.fact_types.get(fact.type)
    if schema is None or fact.type not in rulebook.measured:
        raise FactError(f"no measured fact type {fact.type!r}")
    changed = False
    for name, value in fact.fields.items():
        kind: type = type(value)
        if kind is int or kind is float:
            if not -1e15 < value < 1e15:  # type: ignore[operator]
                raise FactError(f"{fact.type}.{name} is not a number that can be compared")
            if kind is float and value.is_integer():  # type: ignore[union-attr]
                changed = True
            kind = float
        elif not value and kind is str:
            changed = True
        if schema.get(name) is not kind:
            raise FactError(f"{fact.type}.{name} is {'of another kind' if name in schema else 'unknown'}")
    if not changed:
        return fact
    fields = {name: _whole(value) for name, value in fact.fields.items() if value != ""}
    return fact_of((fact.id, fact.type, fields, fact.refs, (), None))


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _State:
    """The facts and verdicts of one evaluation as they grow."""

    def __init__(self, measured: dict[str, list[Fact]]) -> None:
        self.facts = [fact for facts in measured.values() for fact in facts]
        self.by_type = measured
        self.fired: list[Fired] = []
        self.blocked: list[Blocked] = []
        self.unjudged: list[UnjudgedRule] = []

    def ids_of_next(self, count: int) -> Sequence[str]:
        """What so many more facts are called. Raises :class:`LimitError` where there may not be so many."""
        there = len(self.facts)
        if there + count > MAX_FACTS:
            raise LimitError(f"{there + count} facts; at most {MAX_FACTS}")
        return FACT_IDS[there : there + count]

    def add(self, facts: Sequence[Fact]) -> None:
        self.facts += facts
        for fact in facts:
            of_type = self.by_type.get(fact.type)
            if of_type is None:
                self.by_type[fact.type] = [fact]
            else:
                of_type.append(fact)


def _conclude(state: _State, rulebook: Rulebook, matched: Matched, completeness: Mapping[str, str]) -> None:
    """Conclude what the matches of one layer mean.

    What conclusions say is what they are: equal ones are one fact, at the place of the first, with all their grounds.
    """
    places: dict[tuple[Value | None, ...], int] = {}
    concluded: list[tuple[str, str, dict[str, Value], list[Fact]]] = []
    held: list[tuple[str, Bindings, int]] = []
    for rule_id, found in matched:
        rule = rulebook.rules[rule_id]
        unless = _there(rule.unless, state.by_type) if rule.unless else ()
        missing: tuple[str, ...] = ()
        if rule.absence_needs:
            missing = tuple([kind for kind in rule.absence_needs if completeness.get(kind) != COMPLETE])
        then = _left_open(rule) if missing else rule.then
        kind, names = then.fact, rulebook.fact_types[then.fact]
        for taken in found:
            if unless:
                silencer = _silencer(unless, taken)
                if silencer is not None:
                    state.blocked.append(Blocked(rule_id, taken, silencer))
                    continue
            fields: dict[str, Any] = dict(then.fields)
            for name, alias, there in then.taken:
                value = taken[alias].fields.get(there)
                if value is None:
                    del fields[name]
                else:
                    fields[name] = value
            # A field is of one kind in all facts of a type: no two values are equal that do not say the same.
            key = (kind, *map(fields.get, names))
            place = places.get(key)
            if place is None:
                place = places[key] = len(concluded)
                concluded.append((kind, rule_id, fields, [*taken.values()]))
            else:
                concluded[place][3].extend(taken.values())
            if missing:
                state.unjudged.append(UnjudgedRule(rule_id, taken, missing))
            else:
                held.append((rule_id, taken, place))
    made = [
        _derived(id_, kind, fields, grounds, rule_id)
        for id_, (kind, rule_id, fields, grounds) in zip(state.ids_of_next(len(concluded)), concluded, strict=True)
    ]
    state.fired += map(_fired_of, [(rule_id, taken, made[place]) for rule_id, taken, place in held])
    state.add(made)


def _left_open(rule: Rule) -> Conclusion:
    fields: dict[str, Value | FieldOf] = {"rule": rule.reported_as}
    return Conclusion(UNJUDGED, fields | {"about": rule.about} if rule.about else fields)


def _there(unless: Iterable[Pattern], facts: FactsByType) -> list[Joined]:
    """What can silence a rule: the conditions that some fact passes."""
    found = [(one, one.passing(facts[one.fact])) for one in unless if one.fact in facts]
    return [Joined(one, passing) for one, passing in found if passing]


def _silencer(unless: Iterable[Joined], taken: Bindings) -> Fact | None:
    for joined in unless:
        for fact in joined.with_(taken):
            return fact
    return None


def _derived(id_: str, kind: str, fields: Mapping[str, Value], grounds: Sequence[Fact], rule_id: str | None) -> Fact:
    """A fact that rests on others, some of which may be named more than once."""
    ids: tuple[str, ...] = (grounds[0].id,)
    refs = grounds[0].refs
    if len(grounds) > 1:
        ids = tuple(dict.fromkeys([fact.id for fact in grounds]))
        refs = tuple(dict.fromkeys([ref for fact in grounds for ref in fact.refs]))
    elif len(refs) > 1:
        refs = tuple(dict.fromkeys(refs))
    return fact_of((id_, kind, fields, refs, ids, rule_id))


def _count(state: _State, tally: Tally, id_: str) -> Fact:
    found = state.by_type.get(tally.of.fact)
    counted = [fact for fact in tally.of.passing(found) if tally.distinct in fact.fields] if found else ()
    if not counted:
        return fact_of((id_, TALLY, {"name": tally.name, "count": 0}, (), (), None))
    values = {fact.fields[tally.distinct] for fact in counted}
    return _derived(id_, TALLY, {"name": tally.name, "count": len(values)}, counted, None)


def _load_durable() -> Matcher | None:
    """The durable-rules matcher, or ``None``: version 2.0.28 does not import on Python 3.13 and later."""
    if sys.version_info >= (3, 13):
        return None
    try:
        from prodrome.rules.engine.durable import DurableMatcher
    except ImportError:
        return None
    return DurableMatcher()


_REFERENCE: Matcher = ReferenceMatcher()
_DURABLE: Matcher | None = _load_durable()
