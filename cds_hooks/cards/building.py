"""Findings as CDS Hooks cards: one template per rule, escaped, short, each with its trace and its suggestions.

A template's first line is the card's summary, the rest its detail. ``templates/cards/cards.yaml`` says which
suggestions and override reasons go with a rule.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from jinja2 import Environment
from jinja2.environment import TemplateModule

from prodrome.cds_hooks.cards import suggestions
from prodrome.cds_hooks.cards.eligibility_words import EligibilityWords
from prodrome.cds_hooks.cards.finding_words import Answer, Kind, ParameterName, RuleId, View
from prodrome.cds_hooks.cards.markdown import CardTemplate, Trusted, environment, fitted, one_line, tidy
from prodrome.cds_hooks.cards.options_words import Options
from prodrome.cds_hooks.cards.order_words import Order
from prodrome.cds_hooks.cards.patient_words import Sheet
from prodrome.cds_hooks.cards.shown_words import SHOWN
from prodrome.cds_hooks.cards.spelling import spelt
from prodrome.cds_hooks.cards.suggestions import Asked, Offer, Version, spoken
from prodrome.cds_hooks.cards.template_check import CardsError, check_templates, macros_in
from prodrome.cds_hooks.cards.trace import EXTENSION, MOST_FACTS, trace
from prodrome.cds_hooks.protocol import KIND_WORDS, HookRequest
from prodrome.rules import SEVERITY, Facts, Finding, Judgement, Unjudged, per_guideline, rows
from prodrome.rules.engine import Fact, Rule, Rulebook, YamlEntry, meant, read_entry
from prodrome.rules.guideline import Guideline, Source

TEMPLATES_FOLDER = Path(__file__).parents[2] / "templates" / "cards"

RULES, OVERRIDE_REASONS = "rules", "override-reasons"
"""The names of the code systems of topics and of override reasons."""
INCOMPLETE = "INCOMPLETE"
INCOMPLETE_TITLE = "Could not judge for want of data"
PRODUCT = "Prodrome"
PARTS = "_parts.md.j2"
"""The macros that templates share, as ``parts``."""

MAX_OVERRIDE_REASONS = 6

LONGEST_TOGETHER = 2500
"""Characters of detail that the cards of one chart hold together, where they call the migraine difficult to treat."""

MOST_FACTS_TOGETHER = 1500
"""Facts the traces of all cards tell of, which keeps an answer below 2 MB."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manner:
    """What goes with the cards of a rule: kinds of suggestion, and override reasons, each a code and how it is shown.

    ``difficult``: it calls the migraine difficult to treat; ``counts_classes``: by the classes of the definition.
    ``cites``: what of an order the sources are about (``drug``, ``limit``), "" for those of the rule.
    """

    suggest: tuple[str, ...]
    override: tuple[tuple[str, str], ...]
    difficult: bool = False
    counts_classes: bool = False
    cites: str = ""


@dataclass(frozen=True)
class NotJudged:
    """A rule that could not be judged: in words what it is about, and the drugs of the orders it is about."""

    id: Trusted
    title: Trusted
    words: Trusted
    drugs: tuple[Trusted, ...]


@dataclass(frozen=True)
class Incomplete:
    """What the template of the card on what could not be judged may name."""

    rules: tuple[NotJudged, ...]
    kinds: tuple[Trusted, ...]
    unknown_codes: bool


def findings_shown(judgement: Judgement) -> tuple[Finding, ...]:
    """The findings that have a card at the judgement's hook, the most urgent first, else in the rulebook's order."""
    found = [finding for finding in judgement.findings if judgement.hook in finding.rule.hooks]
    return tuple(sorted(found, key=lambda finding: SEVERITY.index(finding.indicator)))


def key(finding: Finding, facts: Facts) -> str:
    """What the finding is about, the same the next time it is found: a rule, the ordered drug, the hospital visit.

    Overrides are remembered under it. It holds no id and no text of the chart.
    """
    said = [finding.rule.id]
    if finding.order:
        order = facts.order(finding.order)
        said.append(order.drug if order else finding.order)  # the drug that runs, where the card is not about an order
    if rows.HospitalEpisode.fact in [pattern.fact for pattern in finding.rule.when]:
        episodes = [fact for fact in finding.facts if fact.type == rows.HospitalEpisode.fact]
        said += sorted({rows.read(rows.HospitalEpisode, fact).start for fact in episodes})
    return " ".join(said)


def build(
    judgement: Judgement,
    facts: Facts,
    request: HookRequest,
    *,
    dialect: str = "generic",
    suppressed: Collection[str] = (),
    in_time: Callable[[], None] = lambda: None,
) -> list[Json]:
    """The cards of an answer: critical, warning, info; last, at most one card on what could not be judged.

    ``dialect`` is the client's: ``epic`` gets one action per suggestion and ``any`` as selection behaviour.
    Findings whose :func:`key` is in ``suppressed`` are left out. ``in_time`` is called before each card; what it raises
    ends the building. The same request on the same day gives the same bytes.
    """
    named = [(finding, key(finding, facts)) for finding in findings_shown(judgement)]
    said = [(finding, name) for finding, name in named if name not in suppressed]
    missing = () if INCOMPLETE in suppressed else _missing(judgement)
    if not said and not missing:
        return []
    answer = _answer([finding.rule.id for finding, _ in said])
    maker = _Maker(Sheet(judgement, facts), request, dialect, answer)
    most_facts = min(MOST_FACTS, MOST_FACTS_TOGETHER // max(1, len(said)))
    cards = []
    for finding, name in said:
        in_time()
        cards.append(maker.card(finding, name, most_facts))
    in_time()
    if missing:
        cards.append(maker.incomplete(missing))
    if answer.first_difficult and sum(len(card["detail"]) for card in cards) >= LONGEST_TOGETHER:
        for card, (finding, _) in zip(cards, said, strict=False):
            card["detail"] = maker.text(finding, brief=True)[1]
    return cards


def _answer(said: list[str]) -> Answer:
    named = manners()
    difficult = [rule for rule in said if rule in named and named[rule].difficult]
    counts = any(named[rule].counts_classes for rule in difficult)
    return Answer(tuple(said), difficult[0] if difficult else None, counts)


def _missing(judgement: Judgement) -> tuple[Unjudged, ...]:
    return tuple([one for one in judgement.unjudged if one.reportable and judgement.hook in one.rule.hooks])


class _Maker:
    """Makes the cards of one answer."""

    def __init__(self, sheet: Sheet, request: HookRequest, dialect: str, answer: Answer) -> None:
        self.sheet = sheet
        self.options = Options(sheet)
        self.judgement = sheet.judgement
        self.request = request
        self.dialect = dialect
        self.answer = answer
        self._seed = "\0".join((request.hook_instance, request.hook, request.patient_id, str(sheet.today)))

    def text(self, finding: Finding, *, brief: bool = False) -> tuple[str, str]:
        """The summary and the detail of a finding."""
        return self._parts(_template(finding.rule.id).rendered(self._context(finding, brief=brief)))

    def card(self, finding: Finding, name: str, most_facts: int) -> Json:
        rule = finding.rule
        form = _forms(self.sheet.guideline)[rule.id]
        context = self._context(finding)
        summary, detail = self._parts(_template(rule.id).rendered(context))
        source, links = self._cited(rule, form, context)
        uuid = _uuid(self._seed, rule.id, finding.order or "")
        card: Json = {
            "uuid": uuid,
            "summary": summary,
            "detail": detail,
            "indicator": finding.indicator,
            "source": source,
        }
        if form.manner.suggest:
            card |= self._suggestions(uuid, self._offers(form.manner, finding))
        card["overrideReasons"] = form.reasons
        if links:
            card["links"] = links
        card["extension"] = {EXTENSION: self._why([rule], finding.facts, name, most_facts)}
        return card

    def _cited(self, rule: Rule, form: "_Form", context: Json) -> "_Cited":
        """The rule's sources; of a rule about many drugs, those that speak of the one ordered."""
        guideline = self.sheet.guideline
        if isinstance(context.get("eligibility"), EligibilityWords):  # each of its rows has sources of its own
            return _cited(form.topic, context["eligibility"].sources)
        cites, order = form.manner.cites, context["order"]
        if order is None or not cites:
            return form.cited
        own = order.drug_sources if cites == "drug" else order.limit_sources
        ids = tuple(id_ for id_ in rule.sources if id_ in own) or own or rule.sources
        return _cited(form.topic, [guideline.sources[id_] for id_ in ids])

    def _why(self, rules: Iterable[Rule], facts: Iterable[Fact], name: str, most_facts: int) -> Json:
        site_codes = self.sheet.facts.site_codes
        return trace(self.judgement, rules, facts, name, most_facts=most_facts, site_codes=site_codes)

    def _context(self, finding: Finding, *, brief: bool = False) -> Json:
        """What the template of a finding may name: :func:`names_of` says so beforehand."""
        view = View(finding, self.sheet, self.options, self.answer, brief=brief)
        draft = self.sheet.facts.order(finding.order)
        order = Order(draft, view) if draft else None
        context: Json = {"view": view, "sheet": self.sheet, "order": order, "parts": _shared()}
        assert finding.rule.card is not None
        for name, alias in finding.rule.card.shows.items():
            row = row_of(name)
            context[name] = SHOWN[name](tuple([rows.read(row, fact) for fact in finding.taken(alias)]), view, order)
        return context

    def incomplete(self, unjudged: tuple[Unjudged, ...]) -> Json:
        rules: dict[str, Rule] = {one.rule.id: one.rule for one in unjudged}
        kinds = tuple(dict.fromkeys(kind for one in unjudged for kind in one.missing))
        orders = {order.name: order.drug for order in self.sheet.facts.orders}
        context = Incomplete(
            rules=tuple(
                NotJudged(
                    id=Trusted(rule.id),
                    title=Trusted(rule.title),
                    words=Trusted(rule.incomplete_card),
                    drugs=self.sheet.names(
                        orders[one.order] for one in unjudged if one.rule is rule and one.order in orders
                    ),
                )
                for rule in rules.values()
            ),
            kinds=tuple(Trusted(KIND_WORDS[kind]) for kind in kinds),
            unknown_codes=all(one.unknown_codes for one in unjudged),
        )
        summary, detail = self._parts(_template(INCOMPLETE).rendered(vars(context)))
        said = self._why(rules.values(), (), INCOMPLETE, MOST_FACTS) | {"missing": list(kinds)}
        form = _forms(self.sheet.guideline)[INCOMPLETE]
        return {
            "uuid": _uuid(self._seed, INCOMPLETE, ""),
            "summary": summary,
            "detail": detail,
            "indicator": "info",
            "source": form.cited.source,
            "overrideReasons": form.reasons,
            "extension": {EXTENSION: said},
        }

    def _parts(self, text: str) -> tuple[str, str]:
        """A rendered template as summary and detail, as the place spells."""
        spelling = self.judgement.guideline.locales[self.judgement.locale].spelling
        summary, _, detail = spelt(text.strip(), spelling).partition("\n")
        return fitted(summary), tidy(detail)

    def _offers(self, manner: Manner, finding: Finding) -> list[Offer]:
        asked = Asked(finding, self.sheet, self.options, self.request, self.dialect, self._version)
        return [offer for kind in manner.suggest for offer in suggestions.offers(kind, asked)]

    @cached_property
    def _version(self) -> Version:
        return spoken(self.request)

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


def _uuid(*parts: str) -> str:
    """A UUID in version 4's form that depends on nothing but its parts: a repeated request gets the same card."""
    said = sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    variant = "89ab"[int(said[16], 16) % 4]
    return f"{said[:8]}-{said[8:12]}-4{said[13:16]}-{variant}{said[17:20]}-{said[20:32]}"


class _Cited(NamedTuple):
    """The sources of a card: the first, with what the card is about, and the others. A card cites each once."""

    source: Json
    links: list[Json]


class _Form(NamedTuple):
    """What all cards of a rule have, whoever the patient is; ``cited`` are the rule's own sources."""

    manner: Manner
    topic: Json
    cited: _Cited
    reasons: list[Json]


@per_guideline
def _forms(guideline: Guideline) -> Mapping[str, _Form]:
    """By rule, those without a card left out; under INCOMPLETE that of the card on what could not be judged."""
    named = {rule.id: (rule.title, rule.sources) for rule in guideline.rulebook.rules.values() if rule.card}
    named[INCOMPLETE] = INCOMPLETE_TITLE, ()
    return {id_: _form(guideline, id_, title, sources) for id_, (title, sources) in named.items()}


def _form(guideline: Guideline, id_: str, title: str, sources: Iterable[str]) -> _Form:
    manner = manners()[id_] if id_ in manners() else manners()[""]
    topic = {"system": guideline.canonical("CodeSystem", RULES), "code": id_, "display": title}
    system = guideline.canonical("CodeSystem", OVERRIDE_REASONS)
    reasons = [{"system": system, "code": code, "display": display} for code, display in manner.override]
    return _Form(manner, topic, _cited(topic, [guideline.sources[one] for one in sources]), reasons)


def _cited(topic: Json, sources: Iterable[Source]) -> _Cited:
    known = [source for source in sources if source.url]
    primary = {"label": known[0].citation, "url": known[0].url} if known else {"label": PRODUCT}
    links = [{"label": one_line(source.citation), "url": source.url, "type": "absolute"} for source in known[1:]]
    return _Cited({**primary, "topic": topic}, links)


@cache
def _environment(folder: Path) -> Environment:
    return environment(folder)


@cache
def _shared() -> TemplateModule:
    """The macros that templates share."""
    return _environment(TEMPLATES_FOLDER).get_template(PARTS).module


@cache
def _template(rule: str) -> CardTemplate:
    return CardTemplate(_environment(TEMPLATES_FOLDER), f"{rule}.md.j2")


def load_templates(guideline: Guideline) -> None:
    """Compile every template now, so that no call waits for one."""
    for rule in guideline.rulebook.rules.values():
        if rule.card:
            _template(rule.id)
    _template(INCOMPLETE)


@cache
def manners() -> Mapping[str, Manner]:
    """What cards.yaml says, by rule; under "" what holds for a rule it does not name. Raises :class:`CardsError`."""
    file = read_entry(TEMPLATES_FOLDER / "cards.yaml", CardsError)
    displays = file.text_map("override_reasons")
    default = file.texts("default", known=displays)
    named = {rule: _manner(entry, displays, default) for rule, entry in file.named("cards").items()}
    file.done()
    return {"": Manner((), _reasons(default, displays)), **named}


def override_reasons() -> Mapping[str, str]:
    """Every reason to override a card, by its code, as it is shown."""
    return dict(sorted({reason for manner in manners().values() for reason in manner.override}))


def suggested(rule: str) -> tuple[str, ...]:
    """The kinds of suggestion that go with the cards of a rule."""
    named = manners()
    return named.get(rule, named[""]).suggest


def _manner(entry: YamlEntry, displays: Mapping[str, str], default: tuple[str, ...]) -> Manner:
    codes = entry.texts("override", default, known=displays)
    if not 0 < len(codes) <= MAX_OVERRIDE_REASONS:
        raise entry.wrong("override", f"1 to {MAX_OVERRIDE_REASONS} reasons")
    manner = Manner(
        entry.texts("suggest", (), known=suggestions.SUGGESTIONS),
        _reasons(codes, displays),
        difficult=entry.flag("difficult", False),
        counts_classes=entry.flag("counts_classes", False),
        cites=entry.one_of("cites", ("drug", "limit"), ""),
    )
    entry.done()
    return manner


def _reasons(codes: Iterable[str], displays: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((code, displays[code]) for code in codes)


def check_cards(guideline: Guideline, folder: Path = TEMPLATES_FOLDER) -> None:
    """Compare rulebook, templates and cards.yaml, so that a mistake is an error at start and not a missing card.

    *folder* holds the templates.

    Raises :class:`CardsError` and ``RulebookError``.
    """
    rows.check_rows(guideline.rulebook)
    cards = {rule.id: rule for rule in guideline.rulebook.rules.values() if rule.card}
    templates = {f"{rule.id}.md.j2": names_of(rule, guideline.rulebook) for rule in cards.values()}
    templates[f"{INCOMPLETE}.md.j2"] = get_type_hints(Incomplete)
    for name in templates:
        if not (folder / name).exists():
            raise CardsError(f"templates/cards/{name}: there is no template for the rule")
    numbers = [name for name, one in guideline.parameters.items() if one.kind in ("integer", "number")]
    words = {ParameterName: numbers, Kind: KIND_WORDS, RuleId: cards}
    written = _environment(folder)
    check_templates(written, templates, {"parts": macros_in(written, PARTS)}, words)
    _check_named(manners(), cards)


def names_of(rule: Rule, rulebook: Rulebook) -> dict[str, Any]:
    """What the template of a rule may name, with the types; what its card shows is compared with the rulebook.

    Raises :class:`CardsError`.
    """
    assert rule.card is not None
    names: dict[str, Any] = {"view": View, "sheet": Sheet}
    types = {pattern.alias: pattern.fact for pattern in rule.when}
    about = rule.card.about
    if about and _always_known(rulebook, types[about.alias], about.field):
        names["order"] = Order
    for name, alias in rule.card.shows.items():
        where = f"rulebook.yaml: rule {rule.id}: card: shows: {name}"
        if name not in SHOWN:
            raise CardsError(f"{where}: cards cannot show this{meant(name, SHOWN)}")
        hints, row = get_type_hints(SHOWN[name]), row_of(name)
        if types[alias] != row.fact:
            raise CardsError(f"{where}: expected a condition on {row.fact!r}, and {alias!r} is on {types[alias]!r}")
        if hints["order"] is Order and "order" not in names:
            raise CardsError(f"{where}: expected a card about an order ('about')")
        names[name] = hints["return"]
    return names


@cache
def row_of(name: str) -> type[rows.Row]:
    """The facts that what a card shows under a name is made of."""
    found: type[rows.Row] = get_args(get_type_hints(SHOWN[name])["found"])[0]
    return found


def _always_known(rulebook: Rulebook, fact: str, field: str) -> bool:
    """Whether every rule that concludes such a fact says this of it."""
    return all(field in rule.then.fields for rule in rulebook.rules.values() if rule.then.fact == fact)


def _check_named(named: Iterable[str], cards: Collection[str]) -> None:
    for rule in named:
        if rule not in cards and rule not in ("", INCOMPLETE):
            raise CardsError(f"cards.yaml: {rule}: there is no such rule{meant(rule, cards)}")
