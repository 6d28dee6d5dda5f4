"""One document for the clinician who reviews the guideline: every rule, source, choice and card, with boxes to answer.

It is made of the guideline and the example patients alone, so that the same guideline gives the same document on a day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from prodrome.cds_hooks.cards import asks_in_words
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.workbench import asking, reading
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


@dataclass(frozen=True, slots=True)
class BodySheet:
    """A row of the table of eligibility in words."""

    row: EligibilityRow
    drugs: tuple[str, ...]
    asks: tuple[str, ...]
    sources: tuple[Source, ...]


def review(environment: Environment) -> str:
    """The document, as HTML that needs nothing else and prints."""
    guideline, today = environment.guideline, environment.clock()
    rules = list(guideline.rulebook.rules.values())
    answered = _answers(environment, today)
    return (
        pages()
        .get_template("review.html.j2")
        .render(
            today=today,
            locale=environment.settings.locale,
            rulebook=guideline.rulebook,
            versions=guideline.versions,
            rules=[_sheet(rule, guideline, answered) for rule in rules if rule.card],
            steps=[_sheet(rule, guideline, ()) for rule in rules if not rule.card],
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
    rule: Rule, guideline: Guideline, answered: Sequence[tuple[asking.NamedAsk, dict[str, dict[str, Any]]]]
) -> RuleSheet:
    labelled = [
        Labelled(
            named.title,
            named.ask.hook,
            (named.ask.order or named.ask.entry or "").replace(":", " "),
            cards.get(rule.id),
        )
        for named, cards in answered
        if named.ask.hook in rule.hooks
    ]
    return RuleSheet(
        rule=rule,
        statements=tuple(guideline.statements[id_] for id_ in rule.statements if id_ in guideline.statements),
        conditions=reading.conditions_in_words(rule, guideline),
        unless=reading.unless_in_words(rule, guideline),
        parameters=reading.parameters_of(rule, guideline),
        sources=reading.sources_of(rule, guideline),
        speaks=tuple(_each_card_once(one for one in labelled if one.card)),
        silent=tuple(one for one in labelled if not one.card),
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
