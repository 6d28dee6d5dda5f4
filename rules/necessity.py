"""What a patient must have for any rule to speak: the proof that lets a population be sieved before it is judged.

The rulebook is read with every condition taken as satisfiable, unless it asks for a fact that the patient is known to
lack; ``unless`` is ignored, so a rule that may hold is never overlooked. What cannot speak here cannot speak for any
such patient, nor be left unjudged, since a rule is unjudged only where its conditions hold.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from prodrome.rules.engine.matching import Fact, Pattern, passes
from prodrome.rules.engine.rulebook import FINDING, TALLY, UNJUDGED, Rulebook, discriminated
from prodrome.rules.fact_types import HookName


@dataclass(frozen=True, slots=True)
class Lack:
    """Measured facts that a patient is known not to have: of type ``fact``, those whose ``field`` is ``value``.

    Without a field: all facts of the type.
    """

    fact: str
    field: str | None = None
    value: str = ""

    def rules_out(self, pattern: Pattern) -> bool:
        """Whether every fact the condition could take is one of those that are lacking."""
        if pattern.fact != self.fact:
            return False
        if self.field is None:
            return True
        asked = [{test.value} for test in pattern.tests if test.field == self.field and test.op == "="]
        asked += [set(values) for name, values in pattern.one_of if name == self.field]
        return any(values <= {self.value} for values in asked)


MIGRAINE = (Lack("order"), Lack("diagnosis", "name", "migraine"), Lack("episode", "reason", "migraine"))
"""Neither an order in hand, nor a diagnosis of migraine, nor a hospital visit for it."""

SIEVED_HOOKS: tuple[HookName, ...] = ("patient-view", "encounter-start", "encounter-discharge")
"""The hooks at which a patient is judged without an order."""


def may_speak(rulebook: Rulebook, hook: str, lacking: Iterable[Lack]) -> tuple[str, ...]:
    """The rules with a card at ``hook`` that may hold, or may be left unjudged, for a patient who lacks these facts."""
    lacks = tuple(lacking)
    holding: set[str] = set()
    growing = True
    while growing:
        fresh = {
            rule.id
            for rule in rulebook.rules.values()
            if rule.enabled
            and rule.id not in holding
            and all(_satisfiable(rulebook, pattern, hook, lacks, holding) for pattern in rule.when)
        }
        holding |= fresh
        growing = bool(fresh)
    speaking = {rulebook.rules[id_].reported_as for id_ in holding}
    return tuple(id_ for id_, rule in rulebook.rules.items() if rule.card and hook in rule.hooks and id_ in speaking)


def against_the_sieve(rulebook: Rulebook, lacking: Iterable[Lack] = MIGRAINE) -> tuple[str, ...]:
    """The rules that forbid the sieve, since they may speak for a patient who lacks all this. None: it holds."""
    lacks = tuple(lacking)
    return tuple(dict.fromkeys(id_ for hook in SIEVED_HOOKS for id_ in may_speak(rulebook, hook, lacks)))


def _satisfiable(
    rulebook: Rulebook, pattern: Pattern, hook: str, lacks: tuple[Lack, ...], holding: Collection[str]
) -> bool:
    if pattern.fact == "hook":
        return passes(pattern, Fact("f0", "hook", {"name": hook}))
    if pattern.fact in rulebook.measured:
        return not any(lack.rules_out(pattern) for lack in lacks)
    if pattern.fact == TALLY:
        return _countable(rulebook, pattern, hook, lacks, holding)
    wanted = discriminated(pattern)
    for rule_id in holding:
        rule = rulebook.rules[rule_id]
        if pattern.fact == UNJUDGED:
            if rule.absence_needs and (wanted is None or rule.reported_as in wanted):
                return True
        elif rule.then.fact == pattern.fact and (pattern.fact != FINDING or wanted is None or rule.id in wanted):
            return True
    return False


def _countable(
    rulebook: Rulebook, pattern: Pattern, hook: str, lacks: tuple[Lack, ...], holding: Collection[str]
) -> bool:
    """A tally is always there: it counts 0 where nothing can be counted, and anything where something can."""
    wanted = discriminated(pattern)
    for layer in rulebook.layers:
        for tally in layer.tallies:
            if wanted is not None and tally.name not in wanted:
                continue
            if _satisfiable(rulebook, tally.of, hook, lacks, holding):
                return True
            if passes(pattern, Fact("f0", TALLY, {"name": tally.name, "count": 0})):
                return True
    return False
