"""What a rule may ask of the facts, and a matcher that answers it plainly.

A layer's rules are flat conjunctions: each condition (:class:`Pattern`) takes one fact of one type, tests its fields
against literals and joins its text fields with those of facts taken by earlier conditions. A match is a rule id with
the ids of the facts it took, in the order of its conditions. A fact takes at most one place in a match: two
conditions on ``trial`` speak of two trials.

An unknown field satisfies nothing but ``absent``.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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


fact_of: Callable[[tuple[str, str, Mapping[str, Value], tuple[str, ...], tuple[str, ...], str | None]], Fact]
fact_of = functools.partial(tuple.__new__, Fact)
"""A fact of all that it holds, in order. There are hundreds a call, and ``Fact(...)`` costs four times as much."""

FACT_IDS = tuple([f"f{number}" for number in range(1, MAX_FACTS + 1)])
"""What facts are called, in their order."""

Facts = Sequence[Fact]
FactsByType = Mapping[str, Facts]
Bindings = Mapping[str, Fact]
"""Which fact each condition took, by alias, in the order of the conditions."""
Matched = Sequence[tuple[str, Sequence[Bindings]]]
"""The rules that matched, in their order, each with what its matches took, in the order of the facts."""


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


OneOf = tuple[str, frozenset[Value]]
"""A field and the values it may have."""


@dataclass(frozen=True)
class Pattern:
    """One condition: a fact of type ``fact`` that passes every test, join and ``one_of``.

    ``passing`` picks, from facts of that type, those that pass what is asked of them alone: tests and ``one_of``.
    ``equal`` are the joins that compare with ``=``, ``other`` the others.
    """

    fact: str
    alias: str
    tests: tuple[Comparison, ...] = ()
    joins: tuple[Join, ...] = ()
    one_of: tuple[OneOf, ...] = ()
    passing: Callable[[Facts], Facts] = field(init=False, repr=False, compare=False)
    equal: tuple[Join, ...] = field(init=False, repr=False, compare=False)
    other: tuple[Join, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "equal", tuple(join for join in self.joins if join.op == "="))
        object.__setattr__(self, "other", tuple(join for join in self.joins if join.op != "="))
        object.__setattr__(self, "passing", _picker(self.tests, self.one_of))

    def wanted(self) -> tuple[OneOf, ...]:
        """The fields that have to have one of some values, and those values: one, for a test for equality."""
        return (*[(test.field, frozenset({test.value})) for test in self.tests if test.op == "="], *self.one_of)


Rules = Sequence[tuple[str, tuple[Pattern, ...]]]
"""Rules by id, with their conditions in order."""

MOST_MET = 1_000
"""Sets of types of facts that are remembered, each with what may match it; then they are forgotten together."""


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """The conditions of the rules of one layer, or of several, ready for a matcher: (rule id, conditions in order)."""

    name: str
    rules: Rules
    layers: int = 1
    reads: Mapping[str, frozenset[str]] = field(init=False)  # fact type -> fields some condition reads
    kinds: tuple[frozenset[str], ...] = field(init=False)  # per rule, the fact types of its conditions
    kept: dict[object, Any] = field(init=False, repr=False)  # what a matcher made of it, by the matcher
    _met: dict[frozenset[str], Rules] = field(init=False, repr=False)  # types of facts, and the rules they may match

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
        object.__setattr__(self, "_met", {})

    def followed_by(self, other: "CompiledLayer") -> "CompiledLayer":
        """Both together."""
        return CompiledLayer(f"{self.name}; {other.name}", (*self.rules, *other.rules), self.layers + other.layers)

    def possible(self, facts: FactsByType) -> Rules:
        """The rules that may match: for each of their conditions there are facts of its type."""
        there = frozenset(facts)
        found = self._met.get(there)
        if found is None:
            if len(self._met) >= MOST_MET:
                self._met.clear()
            found = [rule for rule, kinds in zip(self.rules, self.kinds, strict=True) if kinds <= there]
            self._met[there] = found
        return found


class Matcher(Protocol):
    """Finds every match of a layer's rules. Two matchers give the same set or one of them is wrong."""

    def match(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[Match]:
        """Every match, each once: the rule and the ids of the facts it rests on. Raises :class:`LimitError`."""


_KNOWN = "fact.fields.get({name})"
_TESTS = {
    "=": f"{_KNOWN} == {{value}}",
    **{op: f"None is not {_KNOWN} {op} {{value}}" for op in ("!=", "<", "<=", ">", ">=")},
    "present": f"{_KNOWN} is not None",
    "absent": f"{_KNOWN} is None",
    "one of": f"{_KNOWN} in {{value}}",
}
"""How each test is asked of a fact; a chain of comparisons looks its field up once."""
_PICKER = """
def picker(facts):
    found = []
    for fact in facts:
        if {}:
            found.append(fact)
    return found
"""


@functools.lru_cache(maxsize=10_000)
def _picker(tests: tuple[Comparison, ...], one_of: tuple[OneOf, ...]) -> Callable[[Facts], Facts]:
    """What picks the facts that pass: one function of Python, since most of judging is asking this.

    Nothing that a rulebook says stands in its text: fields and values are bound to names in it.
    """
    asked: list[tuple[str, str, object]] = [(test.op, test.field, test.value) for test in tests]
    asked += [("one of", name, values) for name, values in one_of]
    if not asked:
        return _all
    bound: dict[str, Any] = {}
    parts = []
    for number, (op, name, value) in enumerate(asked):
        bound |= {f"f{number}": name, f"v{number}": value}
        parts.append(_TESTS[op].format(name=f"f{number}", value=f"v{number}"))
    exec(_PICKER.format(" and ".join(parts)), bound)
    picker: Callable[[Facts], Facts] = bound["picker"]
    return picker


def _all(facts: Facts) -> Facts:
    return facts


def passes(pattern: Pattern, fact: Fact) -> bool:
    """Whether one fact of the condition's type does."""
    return bool(pattern.passing((fact,)))


def passes_join(join: Join, fact: Fact, taken: Bindings) -> bool:
    """Whether a fact agrees with the facts taken so far in one join."""
    mine, other = fact.fields.get(join.field), taken[join.alias].fields.get(join.other_field)
    return mine is not None and other is not None and (mine == other) == (join.op == "=")


class Joined:
    """The facts a condition may take, looked up by what its ``=`` joins compare, so that cost grows with matches."""

    def __init__(self, pattern: Pattern, candidates: Facts) -> None:
        self._candidates = candidates
        self._equal, self._other = pattern.equal, pattern.other
        self._found: dict[tuple[Value | None, ...], list[Fact]] = {}
        for fact in candidates if self._equal else ():
            known = fact.fields.get
            self._found.setdefault(tuple([known(join.field) for join in self._equal]), []).append(fact)

    def with_(self, taken: Bindings) -> Facts:
        """Those that agree with the facts taken so far in every join, in the order given."""
        found = self._candidates
        if self._equal:
            known = tuple([taken[join.alias].fields.get(join.other_field) for join in self._equal])
            if None in known:  # what is unknown equals nothing, itself included
                return ()
            found = self._found.get(known, ())
        for join in self._other:
            found = [fact for fact in found if passes_join(join, fact, taken)]
        return found


def extend(pattern: Pattern, partial: Sequence[Bindings], candidates: Facts) -> list[Bindings]:
    """Every partial match with one more fact that the condition takes, of those that pass what it asks of one alone."""
    alias, joined = pattern.alias, Joined(pattern, candidates) if pattern.joins else None
    longer: list[Bindings] = []
    for taken in partial:
        others = taken.values()
        for fact in joined.with_(taken) if joined else candidates:
            if fact not in others:
                longer.append({**taken, alias: fact})
        if len(longer) > MAX_MATCHES:
            raise LimitError(f"a condition on {pattern.fact} has more than {MAX_MATCHES} matches")
    return longer


class ReferenceMatcher:
    """Nested loops, condition by condition: the answer that every other matcher has to give."""

    def match(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[Match]:
        """Every match, by trying all combinations. Raises ``LimitError`` beyond ``MAX_MATCHES``."""
        return frozenset(by_ids(self.matched(layer, facts)))

    def matched(self, layer: CompiledLayer, facts: FactsByType) -> Matched:
        """The same by rule, with the facts themselves."""
        matched: list[tuple[str, Sequence[Bindings]]] = []
        count = 0
        for rule_id, when in layer.possible(facts):
            candidates: list[Facts] = []
            for pattern in when:
                passing = pattern.passing(facts[pattern.fact])
                if not passing:
                    break
                candidates.append(passing)
            else:
                alias = when[0].alias
                partial: list[Bindings] = [{alias: fact} for fact in candidates[0]]
                for pattern, passing in zip(when[1:], candidates[1:], strict=True):
                    partial = extend(pattern, partial, passing)
                if partial:
                    matched.append((rule_id, partial))
                    count += len(partial)
        if count > MAX_MATCHES:
            raise LimitError(f"layer {layer.name} has more than {MAX_MATCHES} matches")
        return matched


def by_ids(matched: Matched) -> list[Match]:
    """Each match by the ids of its facts."""
    return [(rule_id, tuple([fact.id for fact in taken.values()])) for rule_id, found in matched for taken in found]
