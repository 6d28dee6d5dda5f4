"""The durable-rules matcher: a driver of our own over the C library, kept to the part of it that is sound.

The library's documented interface (``durable.lang``, ``Host``) runs timer threads, swallows errors and can crash or
answer wrongly. Here a layer (or layers together) is compiled into one ruleset, and each match is a short session:

- a condition is a flat conjunction of type, literal tests and text joins; one with joins ends in a join that is always
  true, because the library reads past its buffer when the last one is false;
- types, fields, literals and texts travel as short tokens, numbers as plain decimals, each kind under a name of its
  own: nothing a chart says reaches the library as text, so there is nothing to escape, to cut or to mistake for
  another kind;
- an unknown field is not sent at all: no nulls, no empty text; a condition asks for a mark that the fields it joins
  with, and those that later conditions join with, are known, because a join with an unknown field is an error;
- what a layer reads of a fact is the fact: those that read alike travel as one where no rule takes two of their type;
- of large layers, rules that cannot match are left out, those that take every fact of a type, and facts that pass no
  condition;
- the session's name is constant, facts are numbered, and nothing joins on either;
- a first rule fires before anything else, because a session in which no action ever ran cannot be deleted safely;
- a ruleset serves one thread at a time, and the session is deleted whatever happens: facts cannot be taken back from
  it, because the library then reads past the end of a match of several facts.
"""

import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import durable_rules_engine as engine
import orjson

from prodrome.rules.engine.matching import (
    MAX_FACTS,
    MAX_MATCHES,
    CompiledLayer,
    EngineError,
    FactsByType,
    LimitError,
    Match,
    Pattern,
    Value,
)
from prodrome.rules.engine.narrowing import Narrowing

MAX_FIELDS = 200
"""Fields one layer may read, and types of facts. Up to here no two tokens share a hash in the library (tested)."""

_SESSION = "s"
_OPEN = f'{{"id":"f0","sid":"{_SESSION}","t":"open"}}'
_TRUE = "k"  # what the always-true join compares, and the value of the mark of a known field
_STORED, _NOT_READ = 0, 1
_FIRST, _DIGITS = 1000, 4  # MAX_FACTS fit
"""Facts are numbered from here, in so many digits: a match is read by where their numbers stand in its text."""
_ID = '"id":"f'
"""What they stand behind, in the order of the conditions. No token reads like this."""
_OPERATORS = {"!=": "$neq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


class DurableError(EngineError):
    """The C library answered what it cannot answer to a sound session."""


class DurableMatcher:
    """Matches with durable-rules. One instance serves any number of threads; no two use one ruleset at a time.

    A layer is compiled as often as it is matched at once. What was compiled before a fork serves both processes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def match(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[Match]:
        """Every match, from a ruleset that no other thread has in hand."""
        with self._lock:
            layer, facts = self._kept(layer).narrowing.of(layer, facts)
            free = self._kept(layer).free
            ruleset = free.pop() if free else None
        if ruleset is None:
            ruleset = _Ruleset(layer)
        try:
            return ruleset.match(facts)
        finally:
            free.append(ruleset)

    def _kept(self, layer: CompiledLayer) -> "_Kept":
        kept: _Kept | None = layer.kept.get(self)
        if kept is None:
            kept = layer.kept[self] = _Kept(Narrowing(), [])
        return kept


class _Kept(NamedTuple):
    """What is made of a layer, and goes with it: layers of rules that can match, and rulesets nobody has in hand."""

    narrowing: Narrowing
    free: "list[_Ruleset]"


def decimal(value: float) -> str:
    """A number as the library reads it: plain decimal digits, never an exponent; whole numbers without a point.

    Raises :class:`EngineError` for what it cannot compare exactly (NaN, infinity, 1e15 and beyond).
    """
    if not -1e15 < value < 1e15:
        raise EngineError("a number that cannot be compared")
    if type(value) is int:
        return str(value)
    if value == int(value):
        return str(int(value))
    text = repr(value)
    return f"{value:.340f}".rstrip("0") if "e" in text else text


def _choices(when: Sequence[Pattern]) -> Iterator[tuple[tuple[tuple[str, Value], ...], ...]]:
    """Every way to pick one value for each list of values: per condition, the (field, value) it tests."""
    per_condition = [
        tuple(product(*([(name, value) for value in sorted(values, key=repr)] for name, values in pattern.one_of)))
        for pattern in when
    ]
    return product(*per_condition)


def _known(when: Sequence[Pattern]) -> dict[str, set[str]]:
    """Per alias, the fields that have to be known: those a condition asks for, and both ends of every join."""
    known = {pattern.alias: {test.field for test in pattern.tests if test.op == "present"} for pattern in when}
    for pattern in when:
        for join in pattern.joins:
            known[pattern.alias].add(join.field)
            known[join.alias].add(join.other_field)
    return known


class _Sent(NamedTuple):
    """How a field is sent: under a name for each kind of value, and what says that it is known.

    The mark is for conditions that ask only that.
    """

    name: str
    text: str
    true: str
    false: str
    number: str
    mark: str

    @classmethod
    def of(cls, name: str, index: int, marked: bool) -> "_Sent":
        mark = f',"h{index}":"{_TRUE}"' if marked else ""
        return cls(
            name, f',"p{index}":"', f',"b{index}":"true"{mark}', f',"b{index}":"false"{mark}', f',"n{index}":', mark
        )


class _Kind(NamedTuple):
    """How facts of one type are sent.

    ``alike``: facts of which the layer reads the same are one to it, since no rule takes two of the type.
    """

    type: str
    head: str
    fields: tuple[_Sent, ...]
    alike: bool


class _Ruleset:
    """One layer, compiled, for one thread at a time."""

    def __init__(self, layer: CompiledLayer) -> None:
        fields = {name: index for index, name in enumerate(sorted({n for ns in layer.reads.values() for n in ns}))}
        if len(fields) > MAX_FIELDS:
            raise LimitError(f"layer {layer.name} reads {len(fields)} fields; at most {MAX_FIELDS}")
        if len(layer.reads) > MAX_FIELDS:
            raise LimitError(f"layer {layer.name} reads {len(layer.reads)} types of facts; at most {MAX_FIELDS}")
        self._name = layer.name
        self._most = MAX_MATCHES * layer.layers
        self._fields = fields
        self._types = {kind: f"t{index}" for index, kind in enumerate(sorted(layer.reads))}
        self._literals: dict[str, str] = {}
        self._rules: dict[str, list[str]] = {}  # how a match begins -> rules, which ask for the same
        alike: dict[tuple[Pattern, ...], list[str]] = {}
        marked: dict[str, set[str]] = {kind: set() for kind in layer.reads}
        taken_twice: set[str] = set()
        definition: dict[str, object] = {"open": {"all": [{"m": {"t": "open"}}], "count": 1}}
        for rule_id, when in layer.rules:
            alike.setdefault(when, []).append(rule_id)
        for when, rule_ids in alike.items():
            aliases = {pattern.alias: f"a{index}" for index, pattern in enumerate(when)}
            known = _known(when)
            kinds = [pattern.fact for pattern in when]
            taken_twice.update(kind for kind in kinds if kinds.count(kind) > 1)
            for pattern in when:
                marked[pattern.fact] |= known[pattern.alias]
            for choice in _choices(when):
                name = f"r{len(self._rules)}"
                self._rules[f'{{"{name}":{{"a0":{{'] = rule_ids
                conditions = [
                    {aliases[pattern.alias]: self._condition(pattern, chosen, known[pattern.alias], aliases)}
                    for pattern, chosen in zip(when, choice, strict=True)
                ]
                definition[name] = {"all": conditions, "count": 1}
        self._kinds = [
            _Kind(
                kind,
                f'","sid":"{_SESSION}","{token}":"{_TRUE}","{_TRUE}":"{_TRUE}"',
                tuple([_Sent.of(name, fields[name], name in marked[kind]) for name in sorted(layer.reads[kind])]),
                kind not in taken_twice,
            )
            for kind, token in self._types.items()
        ]
        self._handle = engine.create_ruleset("layer", orjson.dumps(definition).decode())
        weakref.finalize(self, engine.delete_ruleset, self._handle).atexit = False

    def _condition(
        self,
        pattern: Pattern,
        chosen: Sequence[tuple[str, Value]],
        known: Iterable[str],
        aliases: Mapping[str, str],
    ) -> dict[str, object]:
        tests: list[dict[str, object]] = [{self._types[pattern.fact]: _TRUE}]
        tests.extend(self._comparison(name, "=", value) for name, value in chosen)
        tests.extend({f"h{self._fields[name]}": _TRUE} for name in sorted(known))
        tests.extend(self._comparison(t.field, t.op, t.value) for t in pattern.tests if t.op != "present")
        for join in pattern.joins:
            other = {aliases[join.alias]: f"p{self._fields[join.other_field]}"}
            comparison: dict[str, object] = {f"p{self._fields[join.field]}": other}
            tests.append(comparison if join.op == "=" else {"$neq": comparison})
        if pattern.joins:
            tests.append({_TRUE: {aliases[pattern.joins[0].alias]: _TRUE}})
        return tests[0] if len(tests) == 1 else {"$and": tests}

    def _comparison(self, name: str, op: str, value: Value) -> dict[str, object]:
        index = self._fields[name]
        comparison: dict[str, object]
        if isinstance(value, bool):
            comparison = {f"b{index}": "true" if value else "false"}
        elif isinstance(value, str):
            comparison = {f"p{index}": self._literals.setdefault(value, f"l{len(self._literals)}")}
        else:
            comparison = {f"n{index}": orjson.Fragment(decimal(value))}
        return comparison if op == "=" else {_OPERATORS[op]: comparison}

    def _render(self, facts: FactsByType) -> tuple[list[str], list[list[str]]]:
        """What the library gets, without a number, and the facts (ids) that it stands for.

        That is what this layer reads of the facts, and of those that are alike one.
        """
        tokens = dict(self._literals)
        texts: list[str] = []
        ids: list[list[str]] = []
        told: dict[str, list[str]] = {}
        for kind, head, fields, alike in self._kinds:
            for fact in facts.get(kind, ()):
                given = fact.fields
                text = head
                for name, words, true, false, number, mark in fields:
                    value = given.get(name)
                    if value is None:
                        continue
                    if value is True:
                        text += true
                    elif value is False:
                        text += false
                    elif isinstance(value, str):
                        token = tokens.get(value)
                        if token is None:
                            token = tokens[value] = f"x{len(tokens)}"
                        text += f'{words}{token}"{mark}'
                    else:
                        text += f"{number}{decimal(value)}{mark}"
                same = told.get(text) if alike else None
                if same is None:
                    told[text] = same = []
                    texts.append(text)
                    ids.append(same)
                same.append(fact.id)
        return texts, ids

    def match(self, facts: FactsByType) -> frozenset[Match]:
        texts, ids = self._render(facts)
        if not texts:
            return frozenset()
        if (count := sum(map(len, ids))) > MAX_FACTS:
            raise LimitError(f"{count} facts; at most {MAX_FACTS}")
        handle = self._handle
        code, state = engine.assert_fact(handle, _OPEN)
        opened = engine.start_action_for_state(handle, state)
        if code != _STORED or opened is None:
            raise DurableError(f"layer {self._name}: the session did not open")
        try:
            engine.complete_and_start_action(handle, state)
            for number, text in enumerate(texts, _FIRST):
                code, _ = engine.assert_fact(handle, f'{{"id":"f{number}{text}}}')
                if code not in (_STORED, _NOT_READ):
                    raise DurableError(f"layer {self._name}: a fact was taken for another")
            first = engine.start_action_for_state(handle, state)
            return self._fired(ids, state, first[1] if first else None)
        finally:
            engine.delete_state(handle, _SESSION)

    def _fired(self, ids: Sequence[Sequence[str]], state: int, message: str | None) -> frozenset[Match]:
        found: list[Match] = []
        while message is not None:
            begin, *taken = message.split(_ID)
            rule_ids = self._rules[begin]
            if len(taken) == 1:  # by far the most
                for fact_id in ids[int(taken[0][:_DIGITS]) - _FIRST]:
                    for rule_id in rule_ids:
                        found.append((rule_id, (fact_id,)))
            else:
                alike = [ids[int(each[:_DIGITS]) - _FIRST] for each in taken]
                if len(found) + len(rule_ids) * prod(map(len, alike)) > self._most:
                    raise self._too_many()
                for each in product(*alike):
                    for rule_id in rule_ids:
                        found.append((rule_id, each))
            if len(found) > self._most:
                raise self._too_many()
            message = engine.complete_and_start_action(self._handle, state)
        return frozenset(found)

    def _too_many(self) -> LimitError:
        return LimitError(f"layer {self._name} has more than {self._most} matches")
