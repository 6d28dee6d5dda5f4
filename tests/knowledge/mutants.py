"""Rulebooks with one thing changed, and worlds that tell them from the rulebook as it is."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random

from prodrome.rules.engine import Comparison, Pattern, Rule, Rulebook
from prodrome.rules.engine.evaluation import Outcome
from prodrome.rules.engine.matching import CompiledLayer
from tests.knowledge.worlds import World, draw, draw_silenced

_SWAPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "=": "!=", "!=": "="}
TRIES = 40


def telling_worlds(rulebook: Rulebook, rules: Iterable[Rule], seed: int) -> Iterator[World]:
    """For each of these rules worlds that tell its mutants from it, where such are found; each world once."""
    random = Random(seed)
    for rule in rules:
        kept: list[World] = []
        for mutant in mutants(rule):
            changed = _with(rulebook, mutant)
            if any(_differ(world, rulebook, changed) for world in kept):
                continue
            for number in range(TRIES):
                which = rulebook if number % 2 else changed
                if rule.unless and number % 4 > 1:
                    world = draw_silenced(which, random, rule.id, random.choice(rule.unless))
                else:
                    world = draw(which, random, rule.id, noise=1)
                if _differ(world, rulebook, changed):
                    kept.append(world)
                    break
        yield from kept


def mutants(rule: Rule) -> Iterator[Rule]:
    """The rule with one operator, one number by one, or one ``unless`` changed."""
    for place, pattern in enumerate(rule.when):
        for changed in _patterns(pattern):
            yield replace(rule, when=(*rule.when[:place], changed, *rule.when[place + 1 :]))
    for place, pattern in enumerate(rule.unless):
        without = (*rule.unless[:place], *rule.unless[place + 1 :])
        yield replace(rule, unless=without)
        for changed in _patterns(pattern):
            yield replace(rule, unless=(*rule.unless[:place], changed, *rule.unless[place + 1 :]))


def _patterns(pattern: Pattern) -> Iterator[Pattern]:
    for place, test in enumerate(pattern.tests):
        for changed in _tests(test):
            yield replace(pattern, tests=(*pattern.tests[:place], changed, *pattern.tests[place + 1 :]))
    for place, join in enumerate(pattern.joins):
        other = replace(join, op=_SWAPPED[join.op])
        yield replace(pattern, joins=(*pattern.joins[:place], other, *pattern.joins[place + 1 :]))


def _tests(test: Comparison) -> Iterator[Comparison]:
    if test.op in _SWAPPED:
        yield replace(test, op=_SWAPPED[test.op])
    if isinstance(test.value, int | float) and not isinstance(test.value, bool) and test.op in _SWAPPED:
        yield replace(test, value=test.value + 1)
        yield replace(test, value=test.value - 1)


def _with(rulebook: Rulebook, rule: Rule) -> Rulebook:
    """The rulebook with one rule in place of that of the same id."""
    layers = []
    for layer in rulebook.layers:
        rules = tuple(rule if one.id == rule.id else one for one in layer.rules)
        compiled = CompiledLayer(layer.name, tuple((one.id, one.when) for one in rules if one.enabled))
        layers.append(replace(layer, rules=rules, compiled=compiled))
    return replace(rulebook, layers=tuple(layers))


def _differ(world: World, one: Rulebook, other: Rulebook) -> bool:
    return _said(world.judged(one)) != _said(world.judged(other))


def _said(outcome: Outcome) -> object:
    return (
        {(fact.type, *sorted(fact.fields.items())) for fact in outcome.facts if fact.type in ("finding", "unjudged")},
        {one.rule for one in outcome.fired},
    )
