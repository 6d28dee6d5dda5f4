"""A layer and facts cut down to what can match: a session of durable-rules costs as much as it holds of both."""

import operator
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from prodrome.rules.engine.matching import (
    MOST_MET,
    Comparison,
    CompiledLayer,
    Fact,
    FactsByType,
    OneOf,
    Pattern,
    Rules,
    Value,
)

FEW_RULES = 20
"""A layer of so many is always taken as a whole, and all facts."""
OFTEN = 8
"""How often facts that the same rules may match have to come before a layer is made for them: to compile one costs as
much."""
MOST_NARROWED = 32
"""Layers made so; a compiled one takes about 0.5 MB."""


def _is_not_in(value: Any, values: Any) -> bool:
    return value not in values


def _never(value: Any, _: Any) -> bool:
    return False


def _always(value: Any, _: Any) -> bool:
    return True


_FAILS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.ne,
    "one of": _is_not_in,
    "!=": operator.eq,
    "<": operator.ge,
    "<=": operator.gt,
    ">": operator.le,
    ">=": operator.lt,
    "present": _never,
    "absent": _always,
}
"""When a known value fails a test. What cannot be compared does not fail: durable-rules decides it."""

_Test = tuple[str, Callable[[Any, Any], bool], Any]
_Asked = tuple[_Test, ...]
"""What a condition asks of a fact alone: fields, when a value fails, and what with."""
_Conditions = list[tuple[int, _Asked]]
"""Conditions on facts of one type, each once and with a number."""


class _Kind(NamedTuple):
    """What to ask of facts of one type, by the value of the field that most conditions want to have one of some values.

    ``all_pass``: some condition asks nothing of a fact alone.
    """

    type: str
    field: str
    by_value: dict[Value | None, _Conditions]
    of_others: _Conditions
    all_pass: bool


class _Plan(NamedTuple):
    """What to ask where there are facts of some types, and the rules, each with the numbers of its conditions.

    ``whole``: the types of which all facts pass all conditions; ``passed``: the conditions that ask nothing.
    """

    kinds: list[_Kind]
    whole: list[str]
    passed: frozenset[int]
    rules: list[tuple[str, frozenset[int]]]


def _plan(rules: Rules) -> _Plan:
    numbers: dict[tuple[str, tuple[Comparison, ...], tuple[OneOf, ...]], int] = {}
    by_kind: dict[str, dict[int, Pattern]] = {}
    numbered: list[tuple[str, frozenset[int]]] = []
    for rule_id, when in rules:
        mine = []
        for one in when:
            mine.append(numbers.setdefault((one.fact, one.tests, one.one_of), len(numbers)))
            by_kind.setdefault(one.fact, {})[mine[-1]] = one
        numbered.append((rule_id, frozenset(mine)))
    passed = frozenset([number for (_, tests, one_of), number in numbers.items() if not tests and not one_of])
    kinds = [_kind(kind, patterns, passed) for kind, patterns in by_kind.items() if not passed.issuperset(patterns)]
    return _Plan(kinds, [kind for kind in by_kind if passed.issuperset(by_kind[kind])], passed, numbered)


def _kind(kind: str, patterns: dict[int, Pattern], passed: frozenset[int]) -> _Kind:
    wanted = {number: dict(pattern.wanted()) for number, pattern in patterns.items() if number not in passed}
    names = [name for each in wanted.values() for name in each]
    field = max(sorted({*names}), key=names.count, default="")
    asking = [(number, each.get(field), _asked(patterns[number], field)) for number, each in wanted.items()]
    values = frozenset().union(*[of for _, of, _ in asking if of is not None])
    return _Kind(
        kind,
        field,
        {value: [(number, asked) for number, of, asked in asking if of is None or value in of] for value in values},
        [(number, asked) for number, of, asked in asking if of is None],
        not passed.isdisjoint(patterns),
    )


def _asked(pattern: Pattern, field: str) -> _Asked:
    """What else it asks than a value of the field by which conditions are found, if it does so once."""
    asked: list[_Test] = [(name, _is_not_in, values) for name, values in pattern.one_of]
    asked += [(test.field, _FAILS[test.op], test.value) for test in pattern.tests]
    wants = [name for name, _ in pattern.wanted()].count(field) == 1
    return tuple([one for one in asked if not (wants and one[0] == field and one[1] in (operator.ne, _is_not_in))])


class Narrowing:
    """Of one layer, those made for rules that may match again and again. One thread at a time uses it.

    Most rules cannot match for want of any fact that passes what a condition asks of a fact alone, and many facts pass
    no condition. Here is asked what the reference asks too, but by other means: the two stay independent.
    """

    def __init__(self) -> None:
        self._plans: dict[frozenset[str], _Plan] = {}  # by the types of which there are facts
        self._made: OrderedDict[frozenset[str], CompiledLayer] = OrderedDict()  # the one used longest ago first
        self._met: dict[frozenset[str], int] = {}

    def of(self, layer: CompiledLayer, facts: FactsByType) -> tuple[CompiledLayer, FactsByType]:
        """The smallest layer there is that has every rule that may match these facts, and the facts they may match."""
        if len(layer.rules) <= FEW_RULES:
            return layer, facts
        rules, facts = _possible(self._plan(layer, facts), facts)
        return self._narrowed(layer, rules), facts

    def _plan(self, layer: CompiledLayer, facts: FactsByType) -> _Plan:
        there = frozenset(facts)
        plan = self._plans.get(there)
        if plan is None:
            if len(self._plans) >= MOST_MET:
                self._plans.clear()
            plan = self._plans[there] = _plan(layer.possible(facts))
        return plan

    def _narrowed(self, layer: CompiledLayer, rules: frozenset[str]) -> CompiledLayer:
        if rules in self._made:
            self._made.move_to_end(rules)
            return self._made[rules]
        met = self._met[rules] = self._met.get(rules, 0) + 1
        if met > OFTEN:
            del self._met[rules]
            return self._make(layer, rules)
        if len(self._met) > MOST_MET:
            self._met.clear()
        wider = [made for made in self._made if rules <= made]
        return self._made[min(wider, key=len)] if wider else layer

    def _make(self, layer: CompiledLayer, rules: frozenset[str]) -> CompiledLayer:
        kept = tuple([rule for rule in layer.rules if rule[0] in rules])
        made = self._made[rules] = CompiledLayer(layer.name, kept, layer.layers)
        if len(self._made) > MOST_NARROWED:
            self._made.popitem(last=False)
        return made


def _possible(plan: _Plan, facts: FactsByType) -> tuple[frozenset[str], FactsByType]:
    """The rules (ids) of which each condition is passed by some fact, and the facts that pass any condition."""
    kept: dict[str, Sequence[Fact]] = {kind: facts[kind] for kind in plan.whole}
    passed = {*plan.passed}
    for kind, field, by_value, of_others, all_pass in plan.kinds:
        found = []
        for fact in facts[kind]:
            known = fact.fields.get
            passes = all_pass
            for number, asked in by_value.get(known(field), of_others):
                for name, fails, value in asked:
                    mine = known(name)
                    if fails is not _always if mine is None else fails(mine, value):
                        break
                else:
                    passed.add(number)
                    passes = True
            if passes:
                found.append(fact)
        if found:
            kept[kind] = found
    return frozenset([rule_id for rule_id, numbers in plan.rules if numbers <= passed]), kept
