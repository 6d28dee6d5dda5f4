"""The whole judgement of one patient on one day: facts in, findings out, every one with what it rests on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from prodrome.rules.contraindications import Active, active_contraindications
from prodrome.rules.engine.evaluation import Fired, Outcome, evaluate
from prodrome.rules.engine.matching import Fact
from prodrome.rules.engine.rulebook import TALLY, FieldOf, Indicator, Rule, Rulebook
from prodrome.rules.fact_types import KINDS
from prodrome.rules.facts import COMPLETE, MISSING, UNKNOWN_CODE, Completeness, Facts, Refs
from prodrome.rules.flat_facts import measure
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import Parameter
from prodrome.rules.options import DrugOptions
from prodrome.rules.rows import R, TallyName, read

SEVERITY: tuple[Indicator, ...] = ("critical", "warning", "info")
"""Indicators, the loudest first."""


@dataclass(frozen=True)
class Finding:
    """A rule that holds, for the patient or for one order (its name). ``matches`` are all the ways in which it does."""

    rule: Rule
    order: str | None
    indicator: Indicator
    matches: tuple[Fired, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The flat facts its conditions matched, each once."""
        return tuple({f.id: f for match in self.matches for f in match.bindings.values()}.values())

    def taken(self, alias: str) -> tuple[Fact, ...]:
        """The facts one condition of the rule took, each once."""
        return tuple({fact.id: fact for fact in (match.bindings[alias] for match in self.matches)}.values())

    @property
    def refs(self) -> Refs:
        """The FHIR references those facts were read from."""
        return tuple(dict.fromkeys(ref for fact in self.facts for ref in fact.refs))


@dataclass(frozen=True)
class Unjudged:
    """A rule that would hold if the kinds of resource in ``missing`` had come complete and shown nothing.

    ``unknown_codes``: they came complete, but hold codes that no table of ours has.
    """

    rule: Rule
    order: str | None
    missing: tuple[str, ...]
    reportable: bool
    unknown_codes: bool = False


@dataclass(frozen=True)
class Judgement:
    """What the guideline concludes. All rules are judged; which findings are shown depends on the hook.

    ``options`` are the drugs, with what speaks against them today; ``completeness`` is what absence was concluded over,
    by kind of resource.
    """

    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    outcome: Outcome
    options: DrugOptions
    completeness: Mapping[str, Completeness]
    rulebook: Rulebook
    guideline: Guideline
    today: date
    locale: str
    engine: str
    hook: str | None
    _rows: dict[type, tuple[Any, ...]] = field(init=False, repr=False, default_factory=dict)

    @property
    def active(self) -> Mapping[str, Active]:
        """The contraindications that hold today, by id."""
        return self.options.active

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Every fact, measured or concluded, in the order in which they were made."""
        return self.outcome.facts

    def of_type(self, type_: str) -> Sequence[Fact]:
        """Every flat fact of a type, measured or concluded."""
        return self.outcome.by_type.get(type_, ())

    def rows(self, row: type[R]) -> tuple[R, ...]:
        """Every flat fact that a type of :mod:`prodrome.rules.rows` reads."""
        found: tuple[R, ...] | None = self._rows.get(row)
        if found is None:
            facts = self.outcome.by_type.get(row.fact)
            found = self._rows[row] = tuple([read(row, fact) for fact in facts]) if facts else ()
        return found

    def with_rows(self, row: type[R]) -> Iterator[tuple[Fact, R]]:
        """Those facts, each with what the type reads."""
        return zip(self.of_type(row.fact), self.rows(row), strict=True)

    def count(self, name: TallyName) -> int:
        """A count that the rulebook made."""
        return next(int(fact.fields["count"]) for fact in self.of_type(TALLY) if fact.fields["name"] == name)

    def holds(self, rule_id: str) -> bool:
        """Whether a rule has a finding."""
        return any(finding.rule.id == rule_id for finding in self.findings)

    def parameters(self, rule: Rule) -> Mapping[str, Parameter]:
        """The parameters a rule read, with their values in force."""
        return {name: self.guideline.parameters[name] for name in rule.parameters}


def judge(
    facts: Facts,
    guideline: Guideline,
    today: date,
    *,
    locale: str = "US",
    hook: str | None = None,
    engine: str = "checked",
    unknown_codes: str = "ignore",
    in_time: Callable[[], None] = lambda: None,
) -> Judgement:
    """Judge one patient. Raises ``EngineDisagreement`` when the two matchers differ: no card then.

    *unknown_codes*: with ``say``, an active problem in a code that no table has leaves open whether an ordered drug is
    contraindicated. *in_time* is called again and again meanwhile; what it raises ends the judging.
    """
    rulebook = guideline.rulebook
    options = DrugOptions(facts, guideline, active_contraindications(facts, guideline, today, locale), locale)
    measured, shared = measure(options, today, hook=hook, in_time=in_time)
    completeness = {kind: facts.completeness.get(kind, MISSING) for kind in KINDS}
    age_known = facts.patient is not None and facts.patient.birth is not None  # which is what rules need of Patient
    completeness["Patient"] = COMPLETE if age_known else MISSING
    outcome = evaluate(rulebook, measured, completeness, ordered=shared, engine=engine, in_time=in_time)
    return Judgement(
        findings=_findings(rulebook, outcome),
        unjudged=_unjudged(rulebook, outcome) + (_doubted(facts, rulebook, outcome) if unknown_codes == "say" else ()),
        outcome=outcome,
        options=options,
        completeness=completeness,
        rulebook=rulebook,
        guideline=guideline,
        today=today,
        locale=locale,
        engine=engine,
        hook=hook,
    )


def _findings(rulebook: Rulebook, outcome: Outcome) -> tuple[Finding, ...]:
    """One finding per rule and order, in the order of the rulebook, which is that in which rules fire."""
    matches: dict[str, dict[str | None, list[Fired]]] = {}
    for fired in outcome.fired:
        rule = rulebook.rules[fired.rule]
        if rule.card:
            matches.setdefault(rule.id, {}).setdefault(_about(rule, fired.bindings), []).append(fired)
    return tuple(
        [
            Finding(rulebook.rules[rule_id], order, _loudest(rulebook.rules[rule_id], found), tuple(found))
            for rule_id, by_order in matches.items()
            for order, found in sorted(by_order.items(), key=lambda item: (len(item[0] or ""), item[0] or ""))
        ]
    )


def _loudest(rule: Rule, matches: list[Fired]) -> Indicator:
    assert rule.card is not None
    indicator = rule.card.indicator
    if isinstance(indicator, str):
        return indicator
    said = {match.bindings[indicator.alias].fields[indicator.field] for match in matches}
    return next(loud for loud in SEVERITY if loud in said)


def _unjudged(rulebook: Rulebook, outcome: Outcome) -> tuple[Unjudged, ...]:
    found: dict[tuple[str, str | None], set[str]] = {}
    for unjudged in outcome.unjudged:
        rule = rulebook.rules[unjudged.rule]
        if rule.card or rule.concludes_absence_for:
            key = (rule.reported_as, _about(rule, unjudged.bindings))
            found.setdefault(key, set()).update(unjudged.missing)
    if not found:
        return ()
    spoke = {(fired.rule, _about(rulebook.rules[fired.rule], fired.bindings)) for fired in outcome.fired}
    return tuple(
        Unjudged(
            rulebook.rules[rule_id],
            order,
            tuple(kind for kind in KINDS if kind in missing),
            bool(rulebook.rules[rule_id].incomplete_card),
        )
        for (rule_id, order), missing in found.items()
        if (rule_id, order) not in spoke
    )


def _doubted(facts: Facts, rulebook: Rulebook, outcome: Outcome) -> tuple[Unjudged, ...]:
    """The orders whose drug nothing was found against, where a problem in an unknown code may speak against it."""
    if not any(puzzle.why == UNKNOWN_CODE for puzzle in facts.not_understood):
        return ()
    silent: dict[tuple[str, str | None], None] = {}
    for fired in outcome.fired:
        rule = rulebook.rules[fired.rule]
        danger = rulebook.rules.get(rule.concludes_absence_for or "")
        if danger is not None and danger.card is not None and danger.card.safety:
            silent[danger.id, _about(rule, fired.bindings)] = None
    return tuple(
        Unjudged(rulebook.rules[id_], about, ("Condition",), bool(rulebook.rules[id_].incomplete_card), True)
        for id_, about in silent
    )


def _about(rule: Rule, bindings: Mapping[str, Fact]) -> str | None:
    if not isinstance(rule.about, FieldOf):
        return None
    order = bindings[rule.about.alias].fields.get(rule.about.field)
    return None if order is None else str(order)
