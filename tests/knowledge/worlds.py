"""Random worlds of the guideline's own facts, each drawn backwards from a rule so that the rule has a chance to hold.

A rule's conditions are taken one by one: for a measured fact one that passes them is made up, for a concluded one a
rule that concludes it is drawn the same way. Numbers lie on a rule's thresholds and beside them. Other facts are added
at random, and kinds of resource are incomplete now and then.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from prodrome.rules.engine import TALLY, UNJUDGED, Comparison, Fact, FieldOf, Pattern, Rule, Rulebook, Tally, Value
from prodrome.rules.engine.evaluation import Outcome, evaluate
from prodrome.rules.engine.matching import passes
from prodrome.rules.fact_types import KINDS

Fields = dict[str, Value]
Wanted = dict[str, list["Comparison | frozenset[Value]"]]
"""What each field must be: tests it passes, and sets it is in."""

MOST_TRIES = 300
_DEEPEST = 12
_MOST_COUNTED = 8


class DeadEnd(Exception):
    """No value fits: draw again."""


@dataclass(frozen=True)
class World:
    """Measured facts, and how complete each kind of resource is. ``aim`` is the rule it was drawn for."""

    aim: str
    facts: tuple[Fact, ...]
    completeness: Mapping[str, str]

    def judged(self, rulebook: Rulebook) -> Outcome:
        """What the reference matcher concludes."""
        return evaluate(rulebook, self.facts, self.completeness, engine="reference")


def draw(rulebook: Rulebook, random: Random, aim: str, *, lacking: bool = False, noise: int = 3) -> World:
    """A world in which a rule holds; with *lacking*, one in which it would, had all its data come.

    Where other facts silence it, it is drawn again, a number of times; the last one is given then.
    """
    rule = rulebook.rules[aim]
    world = World(aim, (), {})
    for _ in range(MOST_TRIES):
        drawing = _Drawing(rulebook, random)
        try:
            drawing.rule(rule, {}, 0)
        except DeadEnd:
            continue
        if lacking:
            drawing.lacking.add(random.choice(rule.absence_needs))
        for _ in range(random.randint(0, noise)):
            drawing.measured(random.choice(sorted(rulebook.measured)), {}, ())
        world = World(aim, tuple(drawing.facts), drawing.completeness())
        outcome = world.judged(rulebook)
        if any(one.rule == aim for one in (outcome.unjudged if lacking else outcome.fired)):
            return world
    return world


def draw_silenced(rulebook: Rulebook, random: Random, aim: str, silencer: Pattern) -> World:
    """A world in which a rule's conditions hold, and one of its ``unless`` may, too."""
    rule = rulebook.rules[aim]
    for _ in range(MOST_TRIES):
        drawing = _Drawing(rulebook, random)
        try:
            taken = drawing.rule(rule, {}, 0)
            wanted = _tests_of(silencer)
            for join in silencer.joins:
                wanted.setdefault(join.field, []).append(
                    Comparison(join.field, join.op, taken[join.alias][join.other_field])
                )
            drawing.fact(silencer, wanted, (), 0)
        except DeadEnd:
            continue
        return World(aim, tuple(drawing.facts), drawing.completeness())
    return World(aim, (), {})


class _Drawing:
    def __init__(self, rulebook: Rulebook, random: Random) -> None:
        self.rulebook = rulebook
        self.random = random
        self.facts: list[Fact] = []
        self.lacking: set[str] = set()
        self.values = _values(rulebook)
        self.never = random.random() < 0.7
        self.liked: dict[tuple[str, str], Value] = {}  # doubts come of many fields: most worlds are of one mind

    def completeness(self) -> dict[str, str]:
        others = () if self.never else [kind for kind in KINDS if self.random.random() < 0.2]
        lacking = self.lacking | set(others)
        return {
            kind: self.random.choice(("incomplete", "missing")) if kind in lacking else "complete" for kind in KINDS
        }

    def rule(self, rule: Rule, more: Mapping[str, Wanted], depth: int) -> Mapping[str, Fields]:
        """Facts for all conditions of a rule, by alias; *more* is what is asked of them besides."""
        if depth > _DEEPEST:
            raise DeadEnd
        wanted = _wanted(rule, more)
        known = _known(rule)
        taken: dict[str, Fields] = {}
        for pattern in rule.when:
            asked = {name: list(tests) for name, tests in wanted[pattern.alias].items()}
            for join in pattern.joins:
                value = taken[join.alias].get(join.other_field)
                if value is None:
                    raise DeadEnd
                asked.setdefault(join.field, []).append(Comparison(join.field, join.op, value))
            taken[pattern.alias] = self.fact(pattern, asked, known[pattern.alias], depth)
        return taken

    def fact(self, pattern: Pattern, wanted: Wanted, known: Collection[str], depth: int) -> Fields:
        if pattern.fact in self.rulebook.measured:
            same = [
                dict(fact.fields)
                for fact in self.facts
                if fact.type == pattern.fact
                and all(name in fact.fields for name in known)
                and all(_fits(fact.fields.get(name), tests) for name, tests in wanted.items())
            ]
            if same and self.random.random() < 0.5:
                return self.random.choice(same)
            return self.measured(pattern.fact, wanted, known)
        if pattern.fact == TALLY:
            return self.tally(wanted, depth)
        makers = [rule for rule in self.rulebook.rules.values() if rule.enabled and _makes(rule, pattern.fact, wanted)]
        if not makers:
            raise DeadEnd
        maker = self.random.choice(makers)
        if pattern.fact == UNJUDGED:
            self.lacking.add(self.random.choice(maker.absence_needs))
            then: Mapping[str, Value | FieldOf] = {"rule": maker.reported_as} | (
                {"about": maker.about} if maker.about else {}
            )
        else:
            then = maker.then.fields
        more: dict[str, Wanted] = {}
        for name, tests in wanted.items():
            term = then.get(name)
            if isinstance(term, FieldOf):
                more.setdefault(term.alias, {}).setdefault(term.field, []).extend(_renamed(tests, term.field))
        taken = self.rule(maker, more, depth + 1)
        made: Fields = {}
        for name, term in then.items():
            value = taken[term.alias].get(term.field) if isinstance(term, FieldOf) else term
            if value is not None:
                made[name] = value
        return made

    def tally(self, wanted: Wanted, depth: int) -> Fields:
        counts = [number for number in range(_MOST_COUNTED) if _fits(number, wanted.get("count", []))]
        tallies = [tally for tally in self.tallies() if _fits(tally.name, wanted.get("name", []))]
        if not counts or not tallies:
            raise DeadEnd
        tally = self.random.choice(tallies)
        count = self.random.choice(counts[:2] if self.random.random() < 0.8 else counts)
        seen: list[Value] = []
        for _ in range(count):
            asked = _tests_of(tally.of)
            asked.setdefault(tally.distinct, []).extend(Comparison(tally.distinct, "!=", value) for value in seen)
            seen.append(self.fact(tally.of, asked, (tally.distinct,), depth + 1)[tally.distinct])
        return {"name": tally.name, "count": count}

    def tallies(self) -> Iterable[Tally]:
        return (tally for layer in self.rulebook.layers for tally in layer.tallies)

    def measured(self, fact: str, wanted: Wanted, known: Collection[str]) -> Fields:
        fields: Fields = {}
        for name in self.rulebook.fact_types[fact]:
            tests = wanted.get(name, [])
            values = [value for value in self.values[fact, name] if _fits(value, tests)]
            if _fits(None, tests) and name not in known and (not values or self.random.random() < 0.08):
                continue
            if not values:
                raise DeadEnd
            liked = self.liked.setdefault((fact, name), self.random.choice(values))
            keeps = isinstance(liked, bool) and liked in values and self.random.random() < 0.85
            fields[name] = liked if keeps else self.random.choice(values)
        self.facts.append(Fact(f"f{len(self.facts) + 1}", fact, fields, (f"Basic/{len(self.facts) + 1}",)))
        return fields


def _values(rulebook: Rulebook) -> Mapping[tuple[str, str], list[Value]]:
    """The values worth trying for each field of a measured fact."""
    found: dict[tuple[str, str], dict[Value, None]] = {}
    for fact in sorted(rulebook.measured):
        for name, kind in rulebook.fact_types[fact].items():
            values: Iterable[Value]
            if kind is bool:
                values = (True, False)
            elif kind is float:
                values = (0, 1, 2)
            else:
                known = rulebook.known_values.get((fact, name))
                values = sorted(map(str, known)) if known else [f"one-{number}" for number in range(1, 9)]
            found[fact, name] = dict.fromkeys(values)
    for pattern in _patterns(rulebook):
        for test in pattern.tests:
            values = found.get((pattern.fact, test.field), {})
            if isinstance(test.value, bool) or not isinstance(test.value, int | float) or not isinstance(values, dict):
                continue
            for value in (test.value - 1, test.value, test.value + 1):
                values[value] = None
    return {key: list(values) for key, values in found.items()}


def _patterns(rulebook: Rulebook) -> Iterable[Pattern]:
    for rule in rulebook.rules.values():
        yield from (*rule.when, *rule.unless)
    for layer in rulebook.layers:
        yield from (tally.of for tally in layer.tallies)


def _tests_of(pattern: Pattern) -> Wanted:
    wanted: Wanted = {}
    for test in pattern.tests:
        wanted.setdefault(test.field, []).append(test)
    for name, values in pattern.one_of:
        wanted.setdefault(name, []).append(values)
    return wanted


def _wanted(rule: Rule, more: Mapping[str, Wanted]) -> Mapping[str, Wanted]:
    """What is asked of the fact of each condition, that of joined fields of both."""
    wanted = {pattern.alias: _tests_of(pattern) for pattern in rule.when}
    for alias, asked in more.items():
        for name, tests in asked.items():
            wanted[alias].setdefault(name, []).extend(tests)
    for _ in rule.when:
        for pattern in rule.when:
            for join in pattern.joins:
                if join.op != "=":
                    continue
                here = wanted[pattern.alias].setdefault(join.field, [])
                there = wanted[join.alias].setdefault(join.other_field, [])
                both = [*here, *_renamed(there, join.field)]
                wanted[pattern.alias][join.field] = _once(both)
                wanted[join.alias][join.other_field] = _once(_renamed(both, join.other_field))
    return wanted


def _once(tests: Iterable[Comparison | frozenset[Value]]) -> list[Comparison | frozenset[Value]]:
    return list(dict.fromkeys(tests))


def _renamed(tests: Iterable[Comparison | frozenset[Value]], name: str) -> list[Comparison | frozenset[Value]]:
    return [Comparison(name, test.op, test.value) if isinstance(test, Comparison) else test for test in tests]


def _known(rule: Rule) -> Mapping[str, set[str]]:
    """The fields of each condition's fact that others are joined with, or that the conclusion tells."""
    known: dict[str, set[str]] = {pattern.alias: set() for pattern in rule.when}
    for pattern in (*rule.when, *rule.unless):
        for join in pattern.joins:
            known[join.alias].add(join.other_field)
    for term in rule.then.fields.values():
        if isinstance(term, FieldOf):
            known[term.alias].add(term.field)
    return known


def _fits(value: Value | None, tests: Iterable[Comparison | frozenset[Value]]) -> bool:
    for test in tests:
        if isinstance(test, frozenset):
            if value not in test:
                return False
        elif not passes(Pattern("any", "any", (test,)), Fact("", "any", {} if value is None else {test.field: value})):
            return False
    return True


def _makes(rule: Rule, fact: str, wanted: Wanted) -> bool:
    """Whether a rule can conclude such a fact."""
    if fact == UNJUDGED:
        return bool(rule.absence_needs) and _fits(rule.reported_as, wanted.get("rule", []))
    if rule.then.fact != fact:
        return False
    return all(
        isinstance(term, FieldOf) or _fits(term, tests)
        for name, tests in wanted.items()
        for term in [rule.then.fields.get(name)]
    )
