"""Findings as CDS Hooks cards: one template per rule, escaped, short, each with its trace and its suggestions.

A template's first line is the card's summary, the rest its detail. ``templates/cards/cards.yaml`` says which
suggestions and override reasons go with a rule.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from jinja2 import Environment, Template

from prodrome.cds_hooks.cards import suggestions
from prodrome.cds_hooks.cards.finding_words import View
from prodrome.cds_hooks.cards.markdown import Trusted, environment, fitted, plain, tidy
from prodrome.cds_hooks.cards.options_words import Options
from prodrome.cds_hooks.cards.patient_words import KIND_WORDS, Sheet
from prodrome.cds_hooks.cards.suggestions import Asked, Offer
from prodrome.cds_hooks.cards.trace import EXTENSION, trace
from prodrome.cds_hooks.protocol import HookRequest
from prodrome.rules import SEVERITY, Facts, Finding, Judgement, Unjudged
from prodrome.rules.engine import Rule
from prodrome.rules.guideline import Guideline, Source

FOLDER = Path(__file__).parents[2] / "templates" / "cards"

RULES_SYSTEM = "https://example.org/prodrome/CodeSystem/rules"
OVERRIDES_SYSTEM = "https://example.org/prodrome/CodeSystem/override-reasons"
INCOMPLETE = "INCOMPLETE"
INCOMPLETE_TITLE = "Could not judge for want of data"
PRODUCT = "Prodrome"

MAX_OVERRIDE_REASONS = 6

Json = dict[str, Any]


class CardsError(ValueError):
    """cards.yaml or a template cannot be used: says which entry and why."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What goes with the cards of a rule: kinds of suggestion, and override reasons as codings."""

    suggest: tuple[str, ...]
    override: tuple[Mapping[str, str], ...]


def shown(judgement: Judgement) -> tuple[Finding, ...]:
    """The findings that have a card at the judgement's hook, the most urgent first, else in the rulebook's order."""
    found = (finding for finding in judgement.findings if judgement.hook in finding.rule.hooks)
    return tuple(sorted(found, key=lambda finding: SEVERITY.index(finding.indicator)))


def key(finding: Finding, facts: Facts) -> str:
    """What the finding is about, the same the next time it is found: a rule, the ordered drug, the hospital visit.

    Overrides are remembered under it. It holds no id and no text of the chart.
    """
    order = facts.order(finding.order)
    starts = {str(fact.fields["start"]) for fact in finding.facts if fact.type == "episode"}
    return " ".join([finding.rule.id, *([order.drug] if order else ()), *sorted(starts)])


def build(
    judgement: Judgement,
    facts: Facts,
    request: HookRequest,
    *,
    dialect: str = "generic",
    suppressed: Collection[str] = (),
) -> list[Json]:
    """The cards of an answer: critical, warning, info; last, at most one card on what could not be judged.

    ``dialect`` is the client's: ``epic`` gets one action per suggestion and ``any`` as selection behaviour.
    Findings whose :func:`key` is in ``suppressed`` are left out. The same request on the same day gives the same bytes.
    """
    sheet = Sheet(judgement, facts)
    maker = _Maker(sheet, request, dialect)
    named = ((finding, key(finding, facts)) for finding in shown(judgement))
    cards = [maker.card(finding, name) for finding, name in named if name not in suppressed]
    missing = _missing(judgement)
    if missing and INCOMPLETE not in suppressed:
        cards.append(maker.incomplete(missing))
    return cards


def _missing(judgement: Judgement) -> tuple[Unjudged, ...]:
    return tuple(
        unjudged for unjudged in judgement.unjudged if unjudged.reportable and judgement.hook in unjudged.rule.hooks
    )


class _Maker:
    """Makes the cards of one answer."""

    def __init__(self, sheet: Sheet, request: HookRequest, dialect: str) -> None:
        self.sheet = sheet
        self.options = Options(sheet)
        self.judgement = sheet.judgement
        self.request = request
        self.dialect = dialect

    def card(self, finding: Finding, name: str) -> Json:
        rule, guideline = finding.rule, self.judgement.guideline
        sources = tuple(guideline.sources[id_] for id_ in rule.sources)
        view = View(finding, self.sheet, self.options)
        summary, detail = _parts(_template(rule.id).render(view=view, sheet=self.sheet, sources=sources))
        uuid = self._uuid(rule.id, finding.order or "")
        asked = Asked(finding, self.sheet, self.options, self.request, self.dialect)
        manner = manners()[rule.id] if rule.id in manners() else manners()[""]
        offers = [offer for kind in manner.suggest for offer in suggestions.offers(kind, asked)]
        return {
            "uuid": uuid,
            "summary": summary,
            "detail": detail,
            "indicator": finding.indicator,
            "source": _source(rule.id, rule.title, sources),
            **self._suggestions(uuid, offers),
            "overrideReasons": [dict(reason) for reason in manner.override],
            **_links(sources),
            "extension": {EXTENSION: trace(self.judgement, [rule], finding.facts, name)},
        }

    def incomplete(self, unjudged: tuple[Unjudged, ...]) -> Json:
        rules: dict[str, Rule] = {one.rule.id: one.rule for one in unjudged}
        kinds = tuple(dict.fromkeys(kind for one in unjudged for kind in one.missing))
        orders = {order.name: order.drug for order in self.sheet.facts.orders}
        context = {
            "rules": tuple((Trusted(id_), Trusted(rule.title)) for id_, rule in rules.items()),
            "drugs": self.sheet.names(orders[one.order] for one in unjudged if one.order in orders),
            "kinds": tuple(Trusted(KIND_WORDS[kind]) for kind in kinds),
        }
        summary, detail = _parts(_template(INCOMPLETE).render(context))
        said = trace(self.judgement, rules.values(), (), INCOMPLETE) | {"missing": list(kinds)}
        return {
            "uuid": self._uuid(INCOMPLETE, ""),
            "summary": summary,
            "detail": detail,
            "indicator": "info",
            "source": _source(INCOMPLETE, INCOMPLETE_TITLE, ()),
            "overrideReasons": [dict(reason) for reason in manners()[INCOMPLETE].override],
            "extension": {EXTENSION: said},
        }

    def _suggestions(self, card: str, offers: list[Offer]) -> Json:
        if not offers:
            return {}
        exclusive = self.dialect != "epic" and len(offers) > 1 and any(offer.alone for offer in offers)
        return {
            "suggestions": [
                {"label": offer.label, "uuid": _uuid(card, str(place)), "actions": list(offer.actions)}
                for place, offer in enumerate(offers)
            ],
            "selectionBehavior": "at-most-one" if exclusive else "any",
        }

    def _uuid(self, rule: str, order: str) -> str:
        request = self.request
        return _uuid(request.hook_instance, request.hook, request.patient_id, str(self.sheet.today), rule, order)


def _uuid(*parts: str) -> str:
    """A UUID in version 4's form that depends on nothing but its parts: a repeated request gets the same card."""
    return str(UUID(bytes=sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:16], version=4))


def _parts(text: str) -> tuple[str, str]:
    """A rendered template as summary and detail."""
    summary, _, detail = text.strip().partition("\n")
    return fitted(summary), tidy(detail)


def cited(sources: Iterable[Source]) -> Trusted:
    """Sources with their links, for the end of a detail."""
    named = (f"[{one.citation}]({one.url})" if one.url else one.citation for one in sources)
    return Trusted("Source: " + "; ".join(named))


def _source(code: str, title: str, sources: tuple[Source, ...]) -> Json:
    primary = next((source for source in sources if source.url), None)
    said = {"label": primary.citation, "url": primary.url} if primary else {"label": PRODUCT}
    return {**said, "topic": {"system": RULES_SYSTEM, "code": code, "display": title}}


def _links(sources: tuple[Source, ...]) -> Json:
    links = [
        {"label": plain(source.citation), "url": source.url, "type": "absolute"} for source in sources if source.url
    ]
    return {"links": links} if links else {}


@cache
def _environment() -> Environment:
    found = environment(FOLDER)
    found.filters["cited"] = cited
    found.globals["parts"] = found.get_template("_parts.md.j2").module  # imported once, not by each card
    return found


@cache
def _template(rule: str) -> Template:
    return _environment().get_template(f"{rule}.md.j2")


@cache
def manners() -> Mapping[str, Manner]:
    """What cards.yaml says, by rule; under "" what holds for a rule it does not name. Raises :class:`CardsError`."""
    said = yaml.safe_load((FOLDER / "cards.yaml").read_text(encoding="utf-8"))
    displays = said["override_reasons"]

    def manner(rule: str, entry: Mapping[str, Any]) -> Manner:
        unknown = entry.keys() - {"override", "suggest"}
        codes, kinds = entry.get("override", said["default"]), entry.get("suggest", [])
        unknown |= {*codes} - displays.keys() | {*kinds} - suggestions.KINDS.keys()
        if unknown or not 0 < len(codes) <= MAX_OVERRIDE_REASONS:
            raise CardsError(f"cards.yaml: {rule or 'default'}: {', '.join(sorted(unknown)) or 'too many reasons'}")
        reasons = [{"system": OVERRIDES_SYSTEM, "code": code, "display": displays[code]} for code in codes]
        return Manner(tuple(kinds), tuple(reasons))

    return {rule: manner(rule, entry) for rule, entry in {"": {}, **said["cards"]}.items()}


def check(guideline: Guideline) -> None:
    """Compile every template and read cards.yaml, so that a mistake is an error at start and not a missing card.

    Raises :class:`CardsError` and ``jinja2.TemplateError``.
    """
    cards = [rule.id for rule in guideline.rulebook.rules.values() if rule.card]
    for rule in [*cards, INCOMPLETE]:
        if not (FOLDER / f"{rule}.md.j2").exists():
            raise CardsError(f"templates/cards/{rule}.md.j2: there is no template for the rule")
        _template(rule)
    _check_named(manners(), cards)


def _check_named(named: Iterable[str], cards: Collection[str]) -> None:
    for rule in named:
        if rule not in cards and rule not in ("", INCOMPLETE):
            raise CardsError(f"cards.yaml: {rule}: there is no such rule")
