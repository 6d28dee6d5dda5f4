"""One document for the clinician who reviews the guideline: every rule, source, choice and card, with boxes to answer.

It is made of the guideline, the example patients and the labelled patients that are handed in, so that the same of them
give the same document on a day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from prodrome.cds_hooks.cards import asks_in_words
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.workbench import asking, reading
from prodrome.cds_hooks.workbench.labelled import LabelledAnswer, LabelledPatient, answered
from prodrome.cds_hooks.workbench.rendering import pages
from prodrome.rules.engine import Rule
from prodrome.rules.guideline import EligibilityRow, Guideline, Parameter, Source

CHOICE = "CHOICE"
"""The source of what no publication fixes."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An example patient with one call about it, and the card of the rule, where it gets one."""

    title: str
    hook: str
    order: str
    card: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RuleSheet:
    """A rule in words, with all that a reviewer needs to judge it."""

    rule: Rule
    statements: tuple[str, ...]
    conditions: tuple[str, ...]
    unless: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    sources: tuple[Source, ...]
    speaks: tuple[Labelled, ...]
    silent: tuple[Labelled, ...]
    labelled: tuple[str, ...]
    labelled_silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BodySheet:
    """A row of the table of eligibility in words."""

    row: EligibilityRow
    drugs: tuple[str, ...]
    asks: tuple[str, ...]
    sources: tuple[Source, ...]


def review(environment: Environment, patients: Sequence[LabelledPatient] = ()) -> str:
    """The document, as HTML that needs nothing else and prints; *patients* are asked about, each on its own day."""
    guideline, today = environment.guideline, environment.clock()
    rules = list(guideline.rulebook.rules.values())
    examples = _answers(environment, today)
    labelled = answered(patients, environment)
    return (
        pages()
        .get_template("review.html.j2")
        .render(
            today=today,
            locale=environment.settings.locale,
            rulebook=guideline.rulebook,
            versions=guideline.versions,
            rules=[_sheet(rule, guideline, examples, labelled) for rule in rules if rule.card],
            steps=[_sheet(rule, guideline, (), ()) for rule in rules if not rule.card],
            labelled=labelled,
            differ=[one for one in labelled if one.missing or one.surplus],
            choices=[one for one in guideline.parameters.values() if CHOICE in one.sources],
            other_parameters=[one for one in guideline.parameters.values() if CHOICE not in one.sources],
            drugs=[drug for drug in guideline.drugs.values() if drug.note],
            bodies=[_body(row, guideline) for row in guideline.eligibility.rows],
            sources=list(guideline.sources.values()),
            parameter_in_words=reading.parameter_in_words,
        )
    )


def _answers(environment: Environment, today: date) -> Sequence[tuple[asking.NamedAsk, dict[str, dict[str, Any]]]]:
    """Every call about an example patient with its cards by rule, as of today and kept nowhere."""
    quiet = asking.on_day(environment, today, remember=False)
    found = []
    for named in asking.named_examples():
        response = asking.answer(asking.example_request(named, quiet), quiet).response
        found.append((named, {reading.card_rule(card): card for card in response["cards"]}))
    return found


def _sheet(
    rule: Rule,
    guideline: Guideline,
    examples: Sequence[tuple[asking.NamedAsk, dict[str, dict[str, Any]]]],
    labelled: Sequence[LabelledAnswer],
) -> RuleSheet:
    asked = [one for one in labelled if one.hook in rule.hooks]
    found = [
        Labelled(
            named.title,
            named.ask.hook,
            (named.ask.order or named.ask.entry or "").replace(":", " "),
            cards.get(rule.id),
        )
        for named, cards in examples
        if named.ask.hook in rule.hooks
    ]
    return RuleSheet(
        rule=rule,
        statements=tuple(guideline.statements[id_] for id_ in rule.statements if id_ in guideline.statements),
        conditions=reading.conditions_in_words(rule, guideline),
        unless=reading.unless_in_words(rule, guideline),
        parameters=reading.parameters_of(rule, guideline),
        sources=reading.sources_of(rule, guideline),
        speaks=tuple(_each_card_once(one for one in found if one.card)),
        silent=tuple(one for one in found if not one.card),
        labelled=tuple(one.patient.id for one in asked if rule.id in one.patient.expected),
        labelled_silent=tuple(one.patient.id for one in asked if rule.id not in one.patient.expected),
    )


def _each_card_once(labelled: Iterator[Labelled]) -> Iterator[Labelled]:
    """All labelled patients, the words of a card that an earlier one got left out."""
    seen: set[str] = set()
    for one in labelled:
        text = one.card["summary"] + one.card["detail"] if one.card else ""
        yield Labelled(one.title, one.hook, one.order, None if text in seen else one.card)
        seen.add(text)


def _body(row: EligibilityRow, guideline: Guideline) -> BodySheet:
    return BodySheet(
        row,
        tuple(guideline.drugs[id_].name for id_ in row.drugs),
        asks_in_words(row, guideline),
        tuple(guideline.sources[id_] for id_ in row.sources),
    )
