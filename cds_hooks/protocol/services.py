"""The services discovery lists: one per hook a rule speaks at, with the prefetch its rules need and no more.

Which kinds of resource a hook needs follows from the rulebook: the rules that speak there, the facts they read,
the steps that conclude those facts, and the kinds named for conclusions from absence. Templates are legal in 2.0.1:
relative reads and searches with ``{{context.patientId}}`` as their only token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from types import MappingProxyType

from prodrome.cds_hooks.protocol.hooks import HOOKS, Hook
from prodrome.fhir_mappers import KINDS, Kind, Search
from prodrome.rules import READ_FROM
from prodrome.rules.engine import Rule, Rulebook
from prodrome.rules.guideline import Guideline

PATIENT = "{{context.patientId}}"
SPECIFICATION = "2.0.1"
GRACE_DAYS = 35
"""Added to the longest look-back, so that a month's worth of clock or paging differences cannot change an answer."""

KIND_WORDS: Mapping[str, str] = MappingProxyType({kind.name: kind.words for kind in KINDS.values() if kind.searches})
"""The kinds of resource that are asked for, as a clinician would call them."""


@dataclass(frozen=True, slots=True)
class Query:
    """One prefetch key: the kind of resource it asks for, and the template."""

    key: str
    kind: str
    template: str


@dataclass(frozen=True)
class Service:
    """One CDS service: its hook and what it wants prefetched."""

    id: str
    hook: Hook
    title: str
    description: str
    rules: tuple[str, ...]
    queries: tuple[Query, ...]

    @cached_property
    def kind_of(self) -> Mapping[str, str]:
        """The kind of resource that each prefetch key asks for."""
        return {query.key: query.kind for query in self.queries}

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of resource its prefetch asks for."""
        return frozenset(self.kind_of.values())

    def discovery(self) -> dict[str, object]:
        """The service as discovery lists it."""
        return {
            "hook": self.hook.name,
            "hookVersion": self.hook.version,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": (
                "Works from prefetch alone. What is not prefetched is read from the FHIR server of the request, "
                "where the site allows it."
            ),
            "version": SPECIFICATION,
            "prefetch": {query.key: query.template for query in self.queries},
        }


def services(guideline: Guideline, today: date) -> Mapping[str, Service]:
    """The services by id, in the order of the hook library. *today* bounds searches by date."""
    rules = guideline.rulebook.rules.values()
    listed = []
    for hook in HOOKS.values():
        speaking = [rule for rule in rules if hook.name in rule.hooks and rule.enabled]
        if speaking:
            listed.append(_service(guideline, hook, speaking, today))
    return MappingProxyType({service.id: service for service in listed})


def _service(guideline: Guideline, hook: Hook, speaking: list[Rule], today: date) -> Service:
    needed = {KINDS["Patient"].searches[0].key}.union(*(_needs(guideline.rulebook, rule) for rule in speaking))
    titles = "; ".join(f"{rule.title} ({rule.id})" for rule in speaking)
    return Service(
        id=f"prodrome-{hook.name}",
        hook=hook,
        title=f"Difficult-to-treat migraine, {hook.title}",
        description=f"Called when {hook.when}. Can answer with: {titles}.",
        rules=tuple(rule.id for rule in speaking),
        queries=tuple(
            Query(search.key, kind.name, _template(kind, search, guideline, today))
            for kind in KINDS.values()
            for search in kind.searches
            if search.key in needed
        ),
    )


def _needs(rulebook: Rulebook, rule: Rule) -> set[str]:
    """The prefetch a rule reads, itself, through earlier rules, and through the step that finds nothing for it."""
    needed: set[str] = set()
    for step in (rule, *(other for other in rulebook.rules.values() if other.concludes_absence_for == rule.id)):
        for kind in rulebook.absence_kinds(step.id):
            needed |= {search.key for search in KINDS[kind].searches}
        for fact in rulebook.rests_on(step.id):
            needed |= {search.key for kind in READ_FROM.get(fact, ()) for search in _searches(KINDS[kind], fact)}
    return needed


def _searches(kind: Kind, fact: str) -> tuple[Search, ...]:
    """What to ask of a kind for a fact."""
    own = tuple(search for search in kind.searches if fact in search.facts)
    return own or tuple(search for search in kind.searches if not search.facts)


def _template(kind: Kind, search: Search, guideline: Guideline, today: date) -> str:
    if kind.name == "Patient":
        return f"Patient/{PATIENT}"
    template = f"{kind.name}?patient={PATIENT}"
    if search.codes:
        template += "&code=" + ",".join(f"{system}|{code}" for system, code in search.codes(guideline))
    if search.since:
        days = max(guideline.number(name) for name in search.since)
        template += f"&date=ge{today - timedelta(days=int(days) + GRACE_DAYS)}"
    if search.include:
        template += f"&_include={kind.name}:{search.include}"
    return template
