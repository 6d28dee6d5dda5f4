"""One call from request to answer: what HTTP, the command line and the workbench all do.

The prefetch that came is completed from the FHIR server where one is given, read as a record of dated facts, judged,
and answered in cards. Nothing is kept between calls but what feedback needs.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from prodrome.cds_hooks import cards
from prodrome.cds_hooks.callers import ANYONE, Caller
from prodrome.cds_hooks.clock import Clock, clock
from prodrome.cds_hooks.feedback import SAFETY_RULES, Shown, Store, Visit
from prodrome.cds_hooks.fhir_client import Fetched, Progress, Resolved, complete, resolve, resolve_references
from prodrome.cds_hooks.protocol import HookRequest, Refused, Service, services, with_numbers_as_written
from prodrome.cds_hooks.settings import Settings
from prodrome.fhir_mappers import Record, collect, read_facts, worse
from prodrome.rules import Completeness, Facts, Judgement, judge
from prodrome.rules.guideline import Guideline, load_guideline

EXTENSION = "org.prodrome.judgement"
"""The key of the response's extension: what could not be judged, and what was set aside."""

JUDGING_SECONDS = 0.25
"""Kept back from the deadline for reading, judging and answering."""


@dataclass(frozen=True)
class Environment:
    """What every call shares: settings, the guideline with the site's parameters, the clock and the feedback store."""

    settings: Settings
    guideline: Guideline
    clock: Clock
    store: Store | None = None
    _services: dict[date, Mapping[str, Service]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, settings: Settings, *, store: Store | None = None) -> "Environment":
        """The environment these settings describe. Raises ``GuidelineError`` for a parameter that does not fit."""
        guideline = load_guideline()
        if settings.parameters:
            guideline = guideline.with_parameters(settings.parameters)
        cards.check(guideline)
        return cls(settings, guideline, clock(settings.today), store)

    def services(self) -> Mapping[str, Service]:
        """The services of this day."""
        today = self.clock()
        with self._lock:
            if today not in self._services:
                self._services.clear()
                self._services[today] = services(self.guideline, today)
            return self._services[today]

    def service_for(self, hook: str) -> Service:
        """The service of a hook; :class:`Refused` where no rule speaks at it."""
        for service in self.services().values():
            if service.hook.name == hook:
                return service
        raise Refused(404, "No service answers this hook.", member="hook")


@dataclass(frozen=True)
class Consultation:
    """One answered call: the response body, and everything it rests on."""

    response: dict[str, Any]
    request: HookRequest
    judgement: Judgement
    facts: Facts
    record: Record
    notes: tuple[str, ...]
    problems: Mapping[str, str]
    fetched: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """The kinds of resource that did not come, or not whole."""
        return sorted(kind for kind, state in self.record.completeness.items() if state is not Completeness.COMPLETE)


def consult(
    request: HookRequest,
    environment: Environment,
    *,
    caller: Caller = ANYONE,
    progress: Progress | None = None,
) -> Consultation:
    """Answer one request.

    *caller* is the client, for the feedback store; *progress* is told of each answer of the FHIR server.
    Raises :class:`Refused` (412 where no kind of data could be had) and ``EngineError``.
    """
    today = environment.clock()
    service = environment.service_for(request.hook)
    deadline = time.monotonic() + environment.settings.deadline_seconds - JUDGING_SECONDS
    server = _Server(request, environment.settings, deadline, caller.issuer, progress)
    gathered = _gather(request, service, environment, today, server)
    request = replace(request, orders=tuple(gathered.record.orders))  # those that are this patient's
    facts = read_facts(gathered.record, environment.guideline, today)
    judgement = judge(
        facts,
        environment.guideline,
        today,
        locale=environment.settings.locale,
        hook=request.hook,
        engine=environment.settings.engine,
    )
    visit = Visit(
        service=service.id,
        hook_instance=request.hook_instance,
        rulebook_version=judgement.rulebook.version,
        user=request.user_id,
        patient=request.patient_id,
        caller=caller,
    )
    answered = _cards(judgement, facts, request, environment, visit, gathered.notes)
    response: dict[str, Any] = {
        "cards": with_numbers_as_written(answered, request),
        "extension": {EXTENSION: _extension(service, judgement, facts, gathered)},
    }
    return Consultation(
        response=response,
        request=request,
        judgement=judgement,
        facts=facts,
        record=gathered.record,
        notes=tuple(gathered.notes),
        problems=gathered.problems,
        fetched=gathered.fetched,
    )


def _cards(
    judgement: Judgement,
    facts: Facts,
    request: HookRequest,
    environment: Environment,
    visit: Visit,
    notes: list[str],
) -> list[dict[str, Any]]:
    """The cards, without the findings this user overrode for this patient lately; those shown are remembered."""
    store, dialect = environment.store, environment.settings.dialect
    if store is None:
        return cards.build(judgement, facts, request, dialect=dialect)
    candidates = {
        cards.key(finding, facts)
        for finding in cards.shown(judgement)
        if finding.rule.id not in SAFETY_RULES and finding.indicator != "critical"
    }
    overridden = store.suppressed(visit, candidates)
    if overridden:
        notes.append(f"{len(overridden)} findings are not shown: this user overrode them for this patient lately.")
    answered = cards.build(judgement, facts, request, dialect=dialect, suppressed=overridden)
    store.remember(visit, [Shown.of(card, card["extension"][cards.EXTENSION].get("finding")) for card in answered])
    return answered


@dataclass
class _Gathered:
    record: Record
    notes: list[str]
    problems: dict[str, str]
    fetched: tuple[str, ...]


def _gather(request: HookRequest, service: Service, environment: Environment, today: date, ask: "_Server") -> _Gathered:
    """Bring together what came and what can be fetched, and say of each kind how much of it there is."""
    notes = [f"The request was read leniently: {what}." for what in request.leniencies]
    came, foreign = _prefetched(request, service, environment.settings.prefetch_keys, notes)
    context = {**request.context, "patientId": request.patient_id, "userId": request.user_id}
    plan = {
        query.key: (query.kind, resolved)
        for query in service.queries
        if query.key not in came and (resolved := resolve(query.template, context, today))
    }
    further = {key: (service.kind_of(key), link) for key, value in came.items() if (link := _next(value))}
    fetched = ask.for_queries(plan | further)
    for key, answer in fetched.items():
        if key in further:
            came[key] = _joined(came[key], answer)
        elif answer.state is not Completeness.MISSING:
            came[key] = answer.value
    problems = {answer.kind: answer.problem for answer in fetched.values() if answer.problem}
    lacking = {query.kind for query in service.queries if query.key not in came}
    parts = [(query.kind, came[query.key]) for query in service.queries if query.key in came]
    short = lacking | problems.keys()
    resources, completeness = collect([*parts, *(part for part in foreign if part[0] in short)])
    for kind in lacking:
        # A kind is whole only when every key that asks for it was answered, and under a name we know.
        there = resources.get(kind) or any(asked == kind for asked, _ in parts)
        completeness[kind] = Completeness.INCOMPLETE if there else Completeness.MISSING
    if all(completeness.get(kind, Completeness.MISSING) is Completeness.MISSING for kind in service.kinds):
        raise Refused(412, " ".join([_nothing(problems), *notes]))
    orders = _own(request.orders, request.patient_id, notes)
    referred = ask.for_references([*(entry.resource for rows in resources.values() for entry in rows), *orders])
    if referred is not None:
        for kind, rows in collect([("Medication", referred.value)])[0].items():
            resources.setdefault(kind, []).extend(rows)
        for kind, problem in referred.problems.items():
            problems.setdefault(kind, problem)
            completeness[kind] = worse(completeness.get(kind, Completeness.MISSING), Completeness.INCOMPLETE)
    record = Record(
        patient_id=request.patient_id,
        resources=resources,
        completeness=completeness,
        orders=orders,
        selections=request.selections,
    )
    return _Gathered(record, notes, problems, tuple(fetched))


@dataclass(frozen=True)
class _Server:
    """The FHIR server of one request, asked until one deadline for everything the call still needs."""

    request: HookRequest
    settings: Settings
    deadline: float
    issuer: str | None
    progress: Progress | None

    def for_queries(self, plan: Mapping[str, tuple[str, str]]) -> Mapping[str, Fetched]:
        if not plan or self.request.fhir_server is None:
            return {}
        return complete(plan, self.request, self.settings, self.deadline, issuer=self.issuer, progress=self.progress)

    def for_references(self, resources: list[object]) -> Resolved | None:
        if self.request.fhir_server is None:
            return None
        return resolve_references(
            resources, self.request, self.settings, self.deadline, issuer=self.issuer, progress=self.progress
        )


def _next(value: object) -> str | None:
    """The link to the next page of a Bundle."""
    links = value.get("link") if isinstance(value, dict) else None
    for link in _objects(links if isinstance(links, list) else ()):
        if link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None


def _joined(first: Any, rest: Fetched) -> object:
    """A Bundle of the first page and the others; as incomplete as before where they did not come."""
    pages = rest.value
    if not isinstance(pages, dict) or pages.get("resourceType") != "Bundle":
        return first
    entries = [entry for page in (first, pages) if isinstance(page.get("entry"), list) for entry in page["entry"]]
    return {**first, "entry": entries, "link": pages.get("link", [])}


_SET_ASIDE = "The prefetched Patient is not the patient of the context and was set aside."


def _prefetched(
    request: HookRequest, service: Service, site_keys: Mapping[str, str], notes: list[str]
) -> tuple[dict[str, object], list[tuple[str, object]]]:
    """What the client prefetched: under our keys (or the site's names for them), and under other names.

    Values under names nobody told us are used where they are of a kind that is lacking, but never taken for all of it.
    """
    ours = {query.key: query.kind for query in service.queries}
    came: dict[str, object] = {}
    foreign: list[tuple[str, object]] = []
    for key, value in request.prefetch.items():
        name = key if key in ours else site_keys.get(key, key)
        if name not in ours:
            foreign += [(kind, value) for kind in sorted(_kinds_in(value) & service.kinds)]
        elif ours[name] == "Patient" and _is_another_patient(value, request.patient_id):
            notes.append(_SET_ASIDE)
        else:
            came[name] = value
    own = [part for part in foreign if not _is_another_patient(part[1], request.patient_id)]
    if len(own) < len(foreign):
        notes.append(_SET_ASIDE)
    return came, own


def _kinds_in(value: object) -> frozenset[str]:
    """The kinds of resource in a prefetch value, whatever it is wrapped in."""
    if not isinstance(value, dict):
        return frozenset()
    if isinstance(value.get("resource"), dict) and "resourceType" not in value:
        return _kinds_in(value["resource"])
    if isinstance(value.get("entry"), list):
        return frozenset().union(*(_kinds_in(entry.get("resource", entry)) for entry in _objects(value["entry"])))
    kind = value.get("resourceType")
    return frozenset({kind}) if isinstance(kind, str) else frozenset()


def _objects(values: Iterable[object]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))


def _is_another_patient(value: object, patient_id: str) -> bool:
    resource = value.get("resource", value) if isinstance(value, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
        return False
    return resource.get("id") not in (None, patient_id)


def _own(orders: tuple[object, ...], patient_id: str, notes: list[str]) -> tuple[object, ...]:
    """The orders in hand without those that name another patient (wrong-patient safety)."""
    own = tuple(order for order in orders if not _names_another(order, patient_id))
    if len(own) < len(orders):
        notes.append(f"{len(orders) - len(own)} of the orders in hand name another patient and were set aside.")
    return own


def _names_another(order: object, patient_id: str) -> bool:
    if not isinstance(order, dict):
        return False
    subject = order.get("subject") or order.get("patient")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str) or "Patient/" not in reference:
        return False
    return reference.partition("/_history/")[0].rpartition("Patient/")[2] != patient_id


def _nothing(problems: Mapping[str, str]) -> str:
    text = "None of the data this service needs came with the request, and none could be fetched"
    if problems:
        return f"{text}: " + "; ".join(f"{kind} {problem}" for kind, problem in sorted(problems.items())) + "."
    return f"{text}: it names no FHIR server."


def _extension(service: Service, judgement: Judgement, facts: Facts, gathered: _Gathered) -> dict[str, Any]:
    """What a tester wants to know beside the cards: what was not judged and why, what was set aside."""
    said: dict[str, Any] = {
        "rulebook": judgement.rulebook.version,
        "engine": judgement.engine,
        "unjudged": [
            {"rule": unjudged.rule.id, "missing": list(unjudged.missing)}
            for unjudged in judgement.unjudged
            if unjudged.rule.reported_as in service.rules
        ],
        "missing": _in_state(service, gathered.record, Completeness.MISSING),
        "incomplete": _in_state(service, gathered.record, Completeness.INCOMPLETE),
        "problems": [f"{kind} {problem}" for kind, problem in sorted(gathered.problems.items())],
        "skipped": [{"resource": f"{row.kind}/{row.id}", "why": row.why} for row in facts.skipped],
        "notes": gathered.notes,
    }
    return {name: value for name, value in said.items() if value}


def _in_state(service: Service, record: Record, state: Completeness) -> list[str]:
    completeness = record.completeness
    return sorted(kind for kind in service.kinds if completeness.get(kind, Completeness.MISSING) is state)
