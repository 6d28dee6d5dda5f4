"""What a rulebook is: layers of rules, each with its conditions and what it concludes.

``rulebook.yaml`` holds them as data (:mod:`rules.engine.reading` reads it). A rule's conditions (``when``) are flat
facts with tests on their fields, none of its ``unless`` may hold, and it concludes one fact. A layer reads what was
measured and what *earlier* layers concluded, so nothing inside a layer depends on order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from prodrome.rules.engine.matching import CompiledLayer, Pattern, Value
from prodrome.rules.errors import ConfigurationError

FINDING, UNJUDGED, TALLY = "finding", "unjudged", "tally"
"""Fact types the engine itself concludes: a card to make, a rule nobody could judge, a count."""

Indicator = Literal["info", "warning", "critical"]
INDICATORS: tuple[Indicator, ...] = get_args(Indicator)


class RulebookError(ConfigurationError):
    """The rulebook cannot be meant as it is written. The text names the file, the rule and what is wrong."""


@dataclass(frozen=True, slots=True)
class FieldOf:
    """The value of a field of the fact that a condition took: ``$alias.field``."""

    alias: str
    field: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The fact a rule concludes. A field whose source is not known is left out.

    ``taken`` are the fields whose value another fact has: name, alias, and the name there.
    """

    fact: str
    fields: Mapping[str, Value | FieldOf]
    taken: tuple[tuple[str, str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        taken = [(name, of.alias, of.field) for name, of in self.fields.items() if isinstance(of, FieldOf)]
        object.__setattr__(self, "taken", tuple(taken))


@dataclass(frozen=True, slots=True)
class Card:
    """How loud a card is, and the field that names the order it speaks about (``None``: the patient).

    The indicator may be read from a matched fact: a contraindication is critical or a warning. ``shows`` names what
    the card tells of: under each name, the alias of the condition that took those facts. A ``safety`` card is shown
    again however often it was overridden.
    """

    indicator: Indicator | FieldOf
    about: FieldOf | None = None
    shows: Mapping[str, str] = field(default_factory=dict)
    safety: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. A card rule (``DTT-01``) concludes a finding; a step (``failed-for-efficacy``) any other fact.

    ``absence_needs`` are the kinds of resource that must be complete before *nothing was found* means anything;
    where one is not, the rule is unjudged, reported as ``concludes_absence_for`` (or itself) about ``about``.
    ``incomplete_card`` says in words what could not be judged then; without it nothing is said.
    ``parameters`` names the guideline parameters it reads. A rule whose ``if`` parameter is off is not ``enabled``.
    """

    id: str
    layer: str
    title: str
    why: str
    statements: tuple[str, ...]
    sources: tuple[str, ...]
    hooks: tuple[str, ...]
    when: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]
    absence_needs: tuple[str, ...]
    concludes_absence_for: str | None
    then: Conclusion
    about: FieldOf | None
    card: Card | None
    incomplete_card: str
    parameters: tuple[str, ...]
    enabled: bool

    @property
    def reported_as(self) -> str:
        """The rule whose judgement is missing when this one cannot be judged."""
        return self.concludes_absence_for or self.id


@dataclass(frozen=True, slots=True)
class Tally:
    """How many distinct known values of a field the matching facts have, counted after a layer's rules (0 included)."""

    name: str
    distinct: str
    of: Pattern


@dataclass(frozen=True, slots=True)
class Layer:
    """Rules that are judged together. ``compiled`` holds the conditions of the enabled ones."""

    name: str
    rules: tuple[Rule, ...]
    tallies: tuple[Tally, ...]
    compiled: CompiledLayer


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A rulebook with its parameters resolved.

    ``fact_types`` are all types with their fields, measured and concluded; ``measured`` names the measured ones.
    ``known_values`` are the values that a field of a fact type can have, where they are known.
    ``safety_rules`` are those whose cards are shown again however often they were overridden.
    ``stretches`` hold the conditions of all layers, in as few pieces as a matcher can take at once. A rule reads only
    what earlier layers concluded, so what matches when all layers are judged is what matched in its own.
    """

    version: str
    date: str
    not_evaluated: tuple[str, ...]
    layers: tuple[Layer, ...]
    fact_types: Mapping[str, Mapping[str, type]]
    measured: frozenset[str]
    stretches: tuple[CompiledLayer, ...]
    known_values: Mapping[tuple[str, str], frozenset[Value]] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(init=False)
    safety_rules: frozenset[str] = field(init=False)
    concluding: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False)
    """The rules that conclude a fact of a type."""

    def __post_init__(self) -> None:
        rules = {rule.id: rule for layer in self.layers for rule in layer.rules}
        object.__setattr__(self, "rules", rules)
        safety = frozenset(rule.id for rule in rules.values() if rule.card and rule.card.safety)
        object.__setattr__(self, "safety_rules", safety)
        concluding: dict[str, tuple[Rule, ...]] = {}
        for rule in rules.values():
            concluding[rule.then.fact] = (*concluding.get(rule.then.fact, ()), rule)
        object.__setattr__(self, "concluding", concluding)

    def rests_on(self, rule_id: str) -> frozenset[str]:
        """The measured fact types a rule reads, itself or through what earlier rules and tallies concluded."""
        seen: set[str] = set()
        todo = list(_reads(self.rules[rule_id]))
        while todo:
            pattern = todo.pop()
            if pattern.fact in self.measured:
                seen.add(pattern.fact)
                continue
            for producer in _producers(self, pattern):
                if producer not in seen:
                    seen.add(producer)
                    todo.extend(_read_by(self, producer))
        return frozenset(seen & self.measured)

    def absence_kinds(self, rule_id: str) -> frozenset[str]:
        """The kinds of resource whose completeness a rule asks for, itself or through earlier rules."""
        seen = {f"rule {rule_id}"}
        todo = [f"rule {rule_id}"]
        while todo:
            for pattern in _read_by(self, todo.pop()):
                fresh = set(_producers(self, pattern)) - seen
                seen |= fresh
                todo.extend(fresh)
        names = [name.removeprefix("rule ") for name in seen if name.startswith("rule ")]
        return frozenset(kind for name in names for kind in self.rules[name].absence_needs)


def _reads(rule: Rule) -> tuple[Pattern, ...]:
    return rule.when + rule.unless


def _read_by(rulebook: Rulebook, producer: str) -> tuple[Pattern, ...]:
    what, name = producer.split(" ", 1)
    if what == "rule":
        return _reads(rulebook.rules[name])
    return tuple(tally.of for layer in rulebook.layers for tally in layer.tallies if tally.name == name)


def _producers(rulebook: Rulebook, pattern: Pattern) -> Iterator[str]:
    """``rule <id>`` and ``tally <name>`` of everything that concludes a fact the pattern may take."""
    wanted = discriminated(pattern)
    if pattern.fact == UNJUDGED:
        for rule in rulebook.rules.values():
            if rule.absence_needs and (wanted is None or rule.reported_as in wanted):
                yield f"rule {rule.id}"
    for rule in rulebook.concluding.get(pattern.fact, ()):
        if wanted is None or rule.id in wanted:
            yield f"rule {rule.id}"
    if pattern.fact == TALLY:
        yield from (f"tally {name}" for name in sorted(map(str, wanted or ())))


DISCRIMINATOR = {FINDING: "rule", UNJUDGED: "rule", TALLY: "name"}
"""The field that says which finding, unjudged rule or tally a fact is."""


def discriminated(pattern: Pattern) -> frozenset[Value] | None:
    """Which rules' findings (or which tally) a pattern asks for; ``None`` where it takes any."""
    name = DISCRIMINATOR.get(pattern.fact)
    for test in pattern.tests:
        if test.field == name and test.op == "=":
            return frozenset({test.value})
    return next((values for field_name, values in pattern.one_of if field_name == name), None)
