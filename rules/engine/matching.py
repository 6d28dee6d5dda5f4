"""What a rule may ask of the facts, and a matcher that answers it plainly.

A layer's rules are flat conjunctions: each condition (:class:`Pattern`) takes one fact of one type, tests its fields
against literals and joins its text fields with those of facts taken by earlier conditions. A match is a rule id with
the ids of the facts it took, in the order of its conditions. A fact takes at most one place in a match: two
conditions on ``trial`` speak of two trials.

An unknown field satisfies nothing but ``absent``.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from prodrome.rules.errors import ProdromeError

Value = str | int | float | bool
Match = tuple[str, tuple[str, ...]]

MAX_FACTS = 4_000
"""Facts one evaluation may hold."""

MAX_MATCHES = 10_000
"""Matches one layer may have, partial ones included."""


class EngineError(ProdromeError):
    """The rules cannot be evaluated over these facts. Its text never holds what a fact says."""


class LimitError(EngineError):
    """More facts or matches than an evaluation may hold."""


class Fact(NamedTuple):
    """One flat fact: measured from the chart, or concluded by ``rule`` from the facts whose ids are ``basis``.

    ``fields`` holds what is known, and nothing else: no ``None``, no empty text.
    ``refs`` are the FHIR references (``Type/id``) it rests on.
    """

    id: str
    type: str
    fields: Mapping[str, Value]
    refs: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    rule: str | None = None


FactsByType = Mapping[str, Sequence[Fact]]
Bindings = Mapping[str, Fact]
"""Which fact each condition took, by alias, in the order of the conditions."""


@dataclass(frozen=True)
class Comparison:
    """A field compared with a literal. ``op`` is ``= != < <= > >=``, or ``present``/``absent`` (no value).

    ``parameter`` names the guideline parameter the literal came from.
    """

    field: str
    op: str
    value: Value = ""
    parameter: str | None = None


@dataclass(frozen=True)
class Join:
    """A text field compared (``=`` or ``!=``) with a text field of the fact an earlier condition took."""

    field: str
    alias: str
    other_field: str
    op: str = "="


@dataclass(frozen=True)
class Pattern:
    """One condition: a fact of type ``fact`` that passes every test, join and ``one_of`` (field, values)."""

    fact: str
    alias: str
    tests: tuple[Comparison, ...] = ()
    joins: tuple[Join, ...] = ()
    one_of: tuple[tuple[str, frozenset[Value]], ...] = ()


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """The conditions of the rules of one layer, or of several, ready for a matcher: (rule id, conditions in order)."""

    name: str
    rules: tuple[tuple[str, tuple[Pattern, ...]], ...]
    layers: int = 1
    reads: Mapping[str, frozenset[str]] = field(init=False)  # fact type -> fields some condition reads
    kinds: tuple[frozenset[str], ...] = field(init=False)  # per rule, the fact types of its conditions
    kept: dict[object, Any] = field(init=False, repr=False)  # what a matcher made of it, by the matcher

    def __post_init__(self) -> None:
        reads: defaultdict[str, set[str]] = defaultdict(set)
        for _, when in self.rules:
            types = {pattern.alias: pattern.fact for pattern in when}
            for pattern in when:
                reads[pattern.fact].update(test.field for test in pattern.tests)
                reads[pattern.fact].update(name for name, _ in pattern.one_of)
                for join in pattern.joins:
                    reads[pattern.fact].add(join.field)
                    reads[types[join.alias]].add(join.other_field)
        object.__setattr__(self, "reads", {kind: frozenset(names) for kind, names in reads.items()})
        kinds = tuple(frozenset(pattern.fact for pattern in when) for _, when in self.rules)
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "kept", {})

    def followed_by(self, other: "CompiledLayer") -> "CompiledLayer":
        """Both together."""
        return CompiledLayer(f"{self.name}; {other.name}", self.rules + other.rules, self.layers + other.layers)

    def possible(self, facts: FactsByType) -> list[tuple[str, tuple[Pattern, ...]]]:
        """The rules that may match: for each of their conditions there are facts of its type."""
        there = frozenset(facts)
        return [rule for rule, kinds in zip(self.rules, self.kinds, strict=True) if kinds <= there]


class Matcher(Protocol):
    """Finds every match of a layer's rules. Two matchers give the same set or one of them is wrong."""

    def match(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[Match]:
        """Every match, each once: the rule and the ids of the facts it rests on. Raises :class:`LimitError`."""


_COMPARE: Mapping[str, Callable[[Value, Value], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "present": lambda known, _: True,
}


def passing(pattern: Pattern, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Those facts of the condition's type that pass what it asks of them alone: its tests and ``one_of``."""
    for test in pattern.tests:
        if not facts:
            return ()
        name, value = test.field, test.value
        if test.op == "=":  # by far the most
            facts = [fact for fact in facts if fact.fields.get(name) == value]
        elif test.op == "absent":
            facts = [fact for fact in facts if fact.fields.get(name) is None]
        else:
            holds = _COMPARE[test.op]
            facts = [fact for fact in facts if (known := fact.fields.get(name)) is not None and holds(known, value)]
    for name, values in pattern.one_of:
        facts = [fact for fact in facts if fact.fields.get(name) in values]
    return facts


def passes(pattern: Pattern, fact: Fact) -> bool:
    """Whether one fact of the condition's type does."""
    return bool(passing(pattern, (fact,)))


def passes_join(join: Join, fact: Fact, taken: Bindings) -> bool:
    """Whether a fact agrees with the facts taken so far in one join."""
    mine, other = fact.fields.get(join.field), taken[join.alias].fields.get(join.other_field)
    return mine is not None and other is not None and (mine == other) == (join.op == "=")


def is_joined(pattern: Pattern, fact: Fact, taken: Bindings) -> bool:
    """Whether a fact agrees with the facts taken so far in every join of a condition."""
    return not pattern.joins or all(passes_join(join, fact, taken) for join in pattern.joins)


def by_type(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Facts by type, in the order given."""
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.type, []).append(fact)
    return found


class Joined:
    """The facts a condition may take, looked up by what its ``=`` joins compare, so that cost grows with matches."""

    def __init__(self, pattern: Pattern, facts: Sequence[Fact]) -> None:
        self._pattern = pattern
        self._equal = tuple([join for join in pattern.joins if join.op == "="]) if pattern.joins else ()
        self._found: dict[tuple[Value | None, ...], Sequence[Fact]] = {}
        candidates = passing(pattern, facts)
        if not self._equal:  # by far the most
            if candidates:
                self._found[()] = candidates
            return
        found: dict[tuple[Value | None, ...], list[Fact]] = {}
        for fact in candidates:
            found.setdefault(tuple([fact.fields.get(join.field) for join in self._equal]), []).append(fact)
        self._found.update(found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def with_(self, taken: Bindings) -> Iterable[Fact]:
        """Those that agree with the facts taken so far in every join, in the order given."""
        if not self._pattern.joins:
            return self._found.get((), ())
        known = tuple([taken[join.alias].fields.get(join.other_field) for join in self._equal])
        return (fact for fact in self._found.get(known, ()) if is_joined(self._pattern, fact, taken))


def extend(pattern: Pattern, partial: Sequence[Bindings], facts: Sequence[Fact]) -> list[Bindings]:
    """Every partial match with one more fact that the condition takes."""
    candidates = Joined(pattern, facts)
    longer: list[Bindings] = []
    for taken in partial if candidates else ():
        ids = [other.id for other in taken.values()]
        for fact in candidates.with_(taken):
            if fact.id not in ids:
                longer.append({**taken, pattern.alias: fact})
        if len(longer) > MAX_MATCHES:
            raise LimitError(f"a condition on {pattern.fact} has more than {MAX_MATCHES} matches")
    return longer


class ReferenceMatcher:
    """Nested loops, condition by condition: the answer that every other matcher has to give."""

    def match(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[Match]:
        """Every match, by trying all combinations. Raises ``LimitError`` beyond ``MAX_MATCHES``."""
        matches: set[Match] = set()
        for rule_id, when in layer.possible(facts):
            first = passing(when[0], facts[when[0].fact])
            if len(when) == 1:
                matches.update([(rule_id, (fact.id,)) for fact in first])
                continue
            partial: list[Bindings] = [{when[0].alias: fact} for fact in first]
            for pattern in when[1:]:
                if not partial:
                    break
                partial = extend(pattern, partial, facts[pattern.fact])
            matches.update([(rule_id, tuple([fact.id for fact in taken.values()])) for taken in partial])
        if len(matches) > MAX_MATCHES:
            raise LimitError(f"layer {layer.name} has more than {MAX_MATCHES} matches")
        return frozenset(matches)
