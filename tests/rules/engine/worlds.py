"""A small world of fact types, and Hypothesis strategies for rules and facts in it.

Values are few, so that conditions meet facts often, and awkward, so that two matchers have something to differ on.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st

from prodrome.rules.engine.evaluation import engine_in_force
from prodrome.rules.engine.matching import Comparison, CompiledLayer, Fact, Join, Pattern, Value
from prodrome.rules.engine.reading import load_rulebook
from prodrome.rules.engine.rulebook import Rulebook

FACT_TYPES: Mapping[str, Mapping[str, type]] = {
    "trial": {"drug": str, "reason": str, "id": str, "days": float, "coded": bool},
    "allergy": {"drug": str, "sid": str, "days": float, "coded": bool},
    "order": {"id": str, "drug": str, "dose": float},
}
PARAMETERS: dict[str, Any] = {"min_days": 56, "accept": False, "ok": True, "wanted": ["a", "b"], "word": "a"}
SOURCES = ("EHF2020",)
KINDS = ("Condition", "Encounter")
HOOKS = ("patient-view", "order-select")

needs_durable = pytest.mark.skipif(
    engine_in_force("durable") != "durable", reason="durable-rules does not import on this Python"
)

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")


def cases(default: int, ci: int, long: int) -> int:
    """How many cases a test tries under the Hypothesis profile in force."""
    return {"ci": ci, "long": long}.get(PROFILE, default)


def rulebook(*layers: Mapping[str, Any], **parameters: Any) -> Rulebook:
    """A rulebook in this world, from layers as data."""
    text = json.dumps({"version": "1.0.0", "date": "2026-11-22", "layers": list(layers)})
    return load_rulebook(
        text,
        parameters=PARAMETERS | parameters,
        fact_types=FACT_TYPES,
        sources=SOURCES,
        kinds=KINDS,
        hooks=HOOKS,
    )


def step(rule_id: str, when: Sequence[Mapping[str, Any]], then: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A step as it stands in a rulebook."""
    return {"id": rule_id, "why": "because", "when": list(when), "then": dict(then)} | more


def card(rule_id: str, when: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A card rule as it stands in a rulebook."""
    entry = {"id": rule_id, "title": "A card", "why": "because", "statements": ["S1"], "sources": ["EHF2020"]}
    return entry | {"hooks": ["patient-view"], "when": list(when), "card": {"indicator": "info"}} | more


def layer(name: str, *rules: Mapping[str, Any], tallies: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A layer as it stands in a rulebook."""
    return {"name": name, "rules": list(rules), "tallies": list(tallies)}


def fact(kind: str, *, refs: tuple[str, ...] = (), **fields: Value) -> Fact:
    """A measured fact. Its id is of no account: evaluation numbers facts anew."""
    return Fact("f0", kind, fields, refs)


def numbered(facts: Sequence[Fact]) -> list[Fact]:
    """The same facts with ids of their own, as a matcher needs them."""
    return [Fact(f"f{place}", one.type, one.fields, one.refs) for place, one in enumerate(facts, 1)]


def by_type(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Facts by type, in the order given."""
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.type, []).append(fact)
    return found


TEXTS = ("a", "b", "ab", "ab c", "1", "true", "null", "é", 'a "quoted" \\ text', "line\nend", "nul\0l", "k", "l0", "x0")
NUMBERS = (0, 1, 1.5, -1, -0.25, 56, 57, 1e-5, 1e-9, 0.1 + 0.2, 0.3, 3e14, 999_999_999_999_999)
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")

_texts = st.sampled_from(TEXTS[:4]) | st.sampled_from(TEXTS)
_numbers = st.sampled_from(NUMBERS)
_values: Mapping[type, st.SearchStrategy[Value]] = {str: _texts, float: _numbers, bool: st.booleans()}
_types = st.sampled_from(sorted(FACT_TYPES))


@st.composite
def facts(draw: st.DrawFn, most: int = 9) -> list[Fact]:
    """Facts with any of their fields unknown."""
    found = []
    for place in range(draw(st.integers(0, most))):
        kind = draw(_types)
        unknown = draw(st.integers(0, 3))  # three times in four nothing is missing
        fields = {name: draw(_values[of]) for name, of in FACT_TYPES[kind].items()}
        if unknown == 0:
            del fields[draw(st.sampled_from(sorted(fields)))]
        found.append(Fact(f"f{place + 1}", kind, fields, (f"Basic/{place}",)))
    return found


def some_facts(random: Random, most: int = 12) -> list[Fact]:
    """Facts like those of :func:`facts`, drawn at a fraction of the cost."""
    pools: Mapping[type, Sequence[Value]] = {str: (*TEXTS[:4] * 4, *TEXTS), float: NUMBERS, bool: (True, False)}
    found = []
    for place in range(random.randint(0, most)):
        kind = random.choice(sorted(FACT_TYPES))
        fields = {name: random.choice(pools[of]) for name, of in FACT_TYPES[kind].items() if random.random() > 0.08}
        found.append(Fact(f"f{place + 1}", kind, fields, (f"Basic/{place}",)))
    return found


@st.composite
def patterns(draw: st.DrawFn, place: int, earlier: Mapping[str, str]) -> Pattern:
    """One condition, joined or not with the conditions before it (alias -> type)."""
    kind = draw(_types)
    tests, joins, one_of = [], [], []
    for name in draw(st.lists(st.sampled_from(sorted(FACT_TYPES[kind])), max_size=2, unique=True)):
        of = FACT_TYPES[kind][name]
        how = draw(st.integers(0, 5))
        if how == 0:
            tests.append(Comparison(name, "present"))
        elif how == 1:
            one_of.append((name, draw(st.frozensets(_values[of], min_size=1, max_size=3))))
        else:
            tests.append(
                Comparison(name, draw(st.sampled_from(OPERATORS if of is float else OPERATORS[:2])), draw(_values[of]))
            )
    for alias in sorted(earlier):
        if draw(st.integers(0, 2)):
            mine = draw(st.sampled_from(_text_fields(kind)))
            other = draw(st.sampled_from(_text_fields(earlier[alias])))
            joins.append(Join(mine, alias, other, draw(st.sampled_from(("=", "=", "!=")))))
    return Pattern(kind, f"c{place}", tuple(tests), tuple(joins), tuple(one_of))


def _text_fields(kind: str) -> list[str]:
    return [name for name, of in FACT_TYPES[kind].items() if of is str]


@st.composite
def compiled_layers(draw: st.DrawFn) -> CompiledLayer:
    """A layer of a few rules with one to three conditions each."""
    rules = []
    for number in range(draw(st.integers(1, 3))):
        when: list[Pattern] = []
        for place in range(draw(st.integers(1, 3))):
            when.append(draw(patterns(place, {pattern.alias: pattern.fact for pattern in when})))
        rules.append((f"rule-{number}", tuple(when)))
    return CompiledLayer("random", tuple(rules))


@st.composite
def conditions(draw: st.DrawFn, readable: Mapping[str, Sequence[str]], aliases: Sequence[str]) -> dict[str, Any]:
    """A condition as it stands in a rulebook, on a type of ``readable`` (type -> text fields)."""
    kind = draw(st.sampled_from(sorted(readable)))
    entry: dict[str, Any] = {"fact": kind}
    for name in draw(st.lists(st.sampled_from(sorted(readable[kind])), max_size=2, unique=True)):
        how = draw(st.integers(0, 4))
        word = draw(st.sampled_from(TEXTS[:4]))
        choices: list[Any] = [word, f"!= {word}", ["a", "b"], "present", "$wanted"]
        entry[name] = choices[how]
        if draw(st.booleans()) and aliases:
            entry[name] = f"{draw(st.sampled_from(('', '!= ')))}${draw(st.sampled_from(aliases))}"
    if kind == "trial" and draw(st.booleans()):
        entry["days"] = draw(st.sampled_from((">= $min_days", "< 1", 1, "!= 0")))
    return entry


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    """Two layers of steps and one of cards, with unless, absence and tallies."""
    readable: dict[str, Sequence[str]] = {kind: _text_fields(kind) for kind in FACT_TYPES}
    layers = []
    for depth in range(2):
        rules = []
        for number in range(draw(st.integers(1, 3))):
            when = []
            known: list[str] = []
            for place in range(draw(st.integers(1, 2))):
                entry = draw(conditions(readable, known))
                when.append(entry | {"as": f"c{place}"})
                known += [f"c{place}.{name}" for name in readable[entry["fact"]]]
            rule = step(
                f"step-{depth}-{number}",
                when,
                {"fact": f"made_{depth}", "word": f"${draw(st.sampled_from(known))}", "kind": "x"},
            )
            if draw(st.booleans()):
                rule["unless"] = [draw(conditions(readable, known))]
            if draw(st.booleans()):
                rule["absence_needs"] = [draw(st.sampled_from(KINDS))]
            rules.append(rule)
        layers.append(
            layer(
                f"layer {depth}",
                *rules,
                tallies=[{"name": f"count_{depth}", "distinct": "word", "of": {"fact": f"made_{depth}"}}],
            )
        )
        readable |= {f"made_{depth}": ["word"]}
    many = card("AB-01", [{"fact": "tally", "name": "count_0", "count": ">= 2"}])
    each = card("AB-02", [draw(conditions(readable, [])) | {"as": "c"}, {"fact": "order", "as": "o"}])
    each["card"] = {"indicator": "info", "about": "$o.id"}
    return rulebook(*layers, layer("cards", many, each))
