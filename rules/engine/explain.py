"""Why each rule fired, was silenced, could not be judged, or did not fire: worked out on demand from an outcome."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from prodrome.rules.engine.evaluation import Blocked, Fired, Outcome, UnjudgedRule
from prodrome.rules.engine.matching import (
    Bindings,
    Comparison,
    Fact,
    FactsByType,
    Join,
    Pattern,
    Value,
    extend,
    passes,
    passes_join,
)
from prodrome.rules.engine.rulebook import Rule, Rulebook


class Verdict(StrEnum):
    """What became of a rule. A rule that fired for one order and not for another has FIRED."""

    FIRED = "fired"
    UNJUDGED = "could not judge"
    BLOCKED = "silenced"
    NOT_FIRED = "did not fire"
    OFF = "switched off"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a rule did not fire: the first of its conditions that nothing satisfied.

    ``index`` is its place in ``when`` (from 0), ``taken`` what the conditions before it took in the match that came
    furthest. ``near`` is the fact of the right type that failed the fewest tests, and ``failed`` the fields it failed
    on; no ``near`` means that there was no such fact at all.
    """

    index: int
    condition: str
    taken: Bindings
    near: Fact | None
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict on one rule, with everything it rests on."""

    rule: Rule
    verdict: Verdict
    fired: tuple[Fired, ...] = ()
    unjudged: tuple[UnjudgedRule, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    stop: Obstacle | None = None


def why(rulebook: Rulebook, outcome: Outcome) -> tuple[Explanation, ...]:
    """An explanation of every rule, in the order of the rulebook."""
    facts = outcome.by_type
    fired, unjudged, blocked = _by_rule(outcome.fired), _by_rule(outcome.unjudged), _by_rule(outcome.blocked)
    return tuple(
        _explain(rule, facts, fired.get(rule.id, ()), unjudged.get(rule.id, ()), blocked.get(rule.id, ()))
        for rule in rulebook.rules.values()
    )


def _explain(
    rule: Rule,
    facts: FactsByType,
    fired: Sequence[Fired],
    unjudged: Sequence[UnjudgedRule],
    blocked: Sequence[Blocked],
) -> Explanation:
    if not rule.enabled:
        return Explanation(rule, Verdict.OFF)
    if fired or unjudged or blocked:
        verdict = Verdict.FIRED if fired else Verdict.UNJUDGED if unjudged else Verdict.BLOCKED
        return Explanation(rule, verdict, tuple(fired), tuple(unjudged), tuple(blocked))
    return Explanation(rule, Verdict.NOT_FIRED, stop=_stop(rule, facts))


_V = TypeVar("_V", Fired, UnjudgedRule, Blocked)


def _by_rule(verdicts: Iterable[_V]) -> Mapping[str, list[_V]]:
    found: dict[str, list[_V]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.rule, []).append(verdict)
    return found


def _stop(rule: Rule, facts: FactsByType) -> Obstacle:
    """Where the conditions gave out. A layer reads only what was there before it, so all facts may be asked now."""
    partial: list[Bindings] = [{}]
    for index, pattern in enumerate(rule.when):
        longer = extend(pattern, partial, pattern.passing(facts.get(pattern.fact, ())))
        if not longer:
            return _nearest(index, pattern, partial, facts.get(pattern.fact, ()))
        partial = longer
    raise AssertionError(f"rule {rule.id} matched and has no verdict")


def _nearest(index: int, pattern: Pattern, partial: Sequence[Bindings], facts: Sequence[Fact]) -> Obstacle:
    tried = [
        (_failed(pattern, fact, taken), taken, fact)
        for taken in partial
        for fact in facts
        if fact.id not in [other.id for other in taken.values()]
    ]
    words = condition_in_words(pattern)
    if not tried:
        return Obstacle(index, words, partial[0], None, ())
    failed, taken, near = min(tried, key=lambda one: len(one[0]))
    return Obstacle(index, words, taken, near, failed)


def _failed(pattern: Pattern, fact: Fact, taken: Bindings) -> tuple[str, ...]:
    fields = [test.field for test in pattern.tests if not passes(Pattern(pattern.fact, pattern.alias, (test,)), fact)]
    fields += [n for n, values in pattern.one_of if fact.fields.get(n) not in values]
    fields += [join.field for join in pattern.joins if not passes_join(join, fact, taken)]
    return tuple(dict.fromkeys(fields))


_WORDS = {"=": "", "!=": "not ", "<": "below ", "<=": "at most ", ">": "above ", ">=": "at least "}


def condition_in_words(pattern: Pattern) -> str:
    """A condition as a clinician reads it: ``trial t with reason inefficacy, days at least 56 ($min_days)``."""
    name = pattern.fact.replace("_", " ")
    if pattern.alias not in ("", pattern.fact):
        name += f" {pattern.alias}"
    parts = [_test(test) for test in pattern.tests]
    parts += [f"{_field(n)} {' or '.join(sorted(map(_value, values)))}" for n, values in pattern.one_of]
    parts += [_join(join) for join in pattern.joins]
    return f"{name} with {', '.join(parts)}" if parts else name


def _test(test: Comparison) -> str:
    if test.op in ("present", "absent"):
        return f"{_field(test.field)} {'known' if test.op == 'present' else 'not known'}"
    origin = f" (${test.parameter})" if test.parameter else ""
    return f"{_field(test.field)} {_WORDS[test.op]}{_value(test.value)}{origin}"


def _join(join: Join) -> str:
    relation = "the same as" if join.op == "=" else "other than"
    return f"{_field(join.field)} {relation} {_field(join.other_field)} of {join.alias}"


def _field(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
