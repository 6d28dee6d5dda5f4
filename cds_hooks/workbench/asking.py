"""Requests made from what a person chose on the page, and their answers."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import orjson

from prodrome.cds_hooks import testers
from prodrome.cds_hooks.consultation import Consultation, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import HOOKS, Invalid, NotFound, Service, parse, read_request
from prodrome.cds_hooks.settings import YEARS
from prodrome.cds_hooks.testers import (
    DRAFT_ID,
    EXAMPLE_PREFIX,
    Ask,
    BadOrder,
    Example,
    TesterError,
    draft_order,
    entry_of,
    examples,
    resources,
)
from prodrome.cds_hooks.workbench.cases import Case
from prodrome.fhir_mappers import BundleEntry
from prodrome.rules import Completeness
from prodrome.rules.guideline import Guideline

_USER = "Practitioner/workbench"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NamedAsk:
    """One ask about an example patient, under the name it has in addresses."""

    name: str
    number: int
    example: Example
    ask: Ask

    @property
    def title(self) -> str:
        """What the example shows, in one line."""
        return self.example.title


def named_examples() -> tuple[NamedAsk, ...]:
    """Every ask of every example patient."""
    return tuple(
        NamedAsk(example.patient_id.removeprefix(EXAMPLE_PREFIX), number, example, ask)
        for example in examples()
        for number, ask in enumerate(example.asks, start=1)
    )


def named_example(name: str, number: str) -> NamedAsk | None:
    """The ask of that name and number, ``None`` where there is none."""
    return next((one for one in named_examples() if (one.name, str(one.number)) == (name, number)), None)


def on_day(environment: Environment, today: date, *, remember: bool, guideline: Guideline | None = None) -> Environment:
    """The environment as of a day. Without *remember* the cards are not noted as shown.

    Raises :class:`Invalid` for a day that the calendar has too little before or after to judge by.
    """
    if today.year not in YEARS:
        raise Invalid(f"The day should be one of the years {YEARS[0]} to {YEARS[-1]}.", member="day")
    return replace(
        environment,
        clock=lambda: today,
        store=environment.store if remember else None,
        guideline=guideline or environment.guideline,
    )


def answer(document: Document, environment: Environment) -> Consultation:
    """The answer to a request, the way HTTP gives it. Raises :class:`Refused` and ``EngineError``."""
    body = orjson.dumps(document)
    hooks = frozenset(service.hook.name for service in environment.services().values())
    return consult(read_request(parse(body), hooks, body=body), environment)


def opened(title: str, source: str, document: Document, environment: Environment, permalink: str | None = None) -> Case:
    """A case: the request as it came under a new ``hookInstance``, answered, its cards noted as shown.

    Raises :class:`NotFound` where the FHIR server has no such patient: silence would pass for an answer.
    """
    document = {**document, "hookInstance": str(uuid.uuid4())}
    consultation = answer(document, environment)
    if consultation.request.fhir_server:
        if consultation.patient_is_unknown:
            raise NotFound("There is no patient of this id on the FHIR server.", member="patient")
        document = as_fetched(document, consultation, environment)
    size = len(orjson.dumps(document))
    return Case(title, environment.clock(), document, _without_token(consultation), size, source, permalink)


def _without_token(consultation: Consultation) -> Consultation:
    """The consultation without the access to the FHIR server, which was for this one call."""
    request = replace(consultation.request, authorization=None, body=b"")
    return replace(consultation, request=request)


def example_request(
    named: NamedAsk, environment: Environment, *, hook: str | None = None, order: str | None = None
) -> Document:
    """The request of an example; *hook* and *order* replace its own."""
    today = environment.clock()
    chart = resources(named.example, environment.guideline, today)
    service = environment.service_for(hook or named.ask.hook)
    own_order = named.ask.order if service.hook.orders else None
    return request_document(
        service,
        named.example.patient_id,
        chart,
        environment,
        encounter_id=named.example.encounter_id,
        order=order or own_order,
        entry=entry_of(named.ask, named.example, environment.guideline),
    )


def request_document(
    service: Service,
    patient_id: str,
    chart: Iterable[Mapping[str, Any]],
    environment: Environment,
    *,
    encounter_id: str | None = None,
    order: str | None = None,
    entry: Mapping[str, Any] | None = None,
) -> Document:
    """A request with a chart as its prefetch; *entry* is what is being written into it."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for resource in chart:
        by_kind.setdefault(resource["resourceType"], []).append(resource)
    document: Document = {
        "hook": service.hook.name,
        "hookInstance": str(uuid.uuid4()),
        "context": _context(service, patient_id, encounter_id, order, environment, entry),
        "prefetch": prefetch(service, by_kind),
    }
    return document


def population_request(
    patient_id: str,
    chart: Iterable[Mapping[str, Any]],
    completeness: Mapping[str, str],
    environment: Environment,
) -> Document:
    """A request at patient-view with the chart of a population's run, as complete as its kinds came."""
    service = environment.service_for("patient-view")
    document = request_document(service, patient_id, chart, environment)
    _say_what_is_lacking(document["prefetch"], service, completeness)
    return document


def server_request(
    hook: str, url: str, patient_id: str, token: str | None, order: str | None, encounter: str | None, env: Environment
) -> Document:
    """A request without prefetch: all is to be fetched."""
    context = _context(env.service_for(hook), patient_id, encounter, order, env)
    return testers.server_request(hook, url.rstrip("/"), context, token)


def allowing(environment: Environment, url: str, token: str | None) -> Environment:
    """The environment with this FHIR server allowed, where only this machine's users can ask for it.

    Elsewhere the site's list stands. Raises :class:`Refused` for what is no address of a FHIR server.
    """
    settings = environment.settings
    if not (settings.loopback and settings.open):
        return environment
    try:
        return replace(environment, settings=testers.allowing(settings, url.rstrip("/"), token))
    except TesterError as error:
        raise Invalid(f"Address of the FHIR server: {error}.", member="server") from None


def with_choices(document: Document, environment: Environment, hook: str | None, order: str | None) -> Document:
    """A pasted request with another hook or order in hand, where the user chose one."""
    if not hook and not order:
        return document
    context = dict(document["context"]) if isinstance(document.get("context"), dict) else {}
    chosen = {**document, "context": context}
    if hook:
        chosen["hook"] = hook
    if order:
        service = environment.service_for(str(chosen.get("hook")))
        patient_id = str(context.get("patientId", ""))
        context.update(_context(service, patient_id, None, order, environment) | context)
        context.update(_order_members(service, order, patient_id, environment))
    return chosen


def _context(
    service: Service,
    patient_id: str,
    encounter_id: str | None,
    order: str | None,
    environment: Environment,
    entry: Mapping[str, Any] | None = None,
) -> Document:
    context: Document = {"userId": _USER, "patientId": patient_id}
    if encounter_id or "encounterId" in service.hook.required:
        context["encounterId"] = encounter_id or "none"
    if service.hook.orders:
        if not order:
            raise Invalid("Choose a drug: this hook is about an order in hand.", member="order")
        context |= _order_members(service, order, patient_id, environment)
    if service.hook.declares:
        member, kind = service.hook.declares
        if entry is None or entry["resourceType"] != kind:
            raise Invalid(
                f"The hook {service.hook.name} is about a new {kind}: paste a request, or open an example with one.",
            )
        context[member] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": entry}]}
    return context


def _order_members(service: Service, order: str, patient_id: str, environment: Environment) -> Document:
    if not service.hook.orders:
        raise Invalid(f"The hook {service.hook.name} knows no order: choose order-select or order-sign.")
    try:
        draft = draft_order(spelled(order), patient_id, environment.guideline, environment.clock())
    except BadOrder as error:
        raise Invalid(f"Order: {error}.", member="order") from None
    members: Document = {
        service.hook.orders: {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]}
    }
    if service.hook.selects:
        members["selections"] = [f"MedicationRequest/{DRAFT_ID}"]
    return members


def spelled(order: str) -> str:
    """``sumatriptan 6 mg subcutaneous``, as the list offers it, in the form ``sumatriptan:6mg:subcutaneous``."""
    if ":" in order:
        return order
    words = order.split()
    number = next((i for i, word in enumerate(words) if i and word[0].isdigit()), len(words))
    rest = words[number:]
    route = rest.pop() if len(rest) > 1 and rest[-1].isalpha() and rest[-1] not in ("mg", "unit", "units") else None
    parts = [" ".join(words[:number]), "".join(rest), *([route] if route else [])]
    return ":".join(part for part in parts if part)


def order_choices(guideline: Guideline) -> list[str]:
    """Drugs with the doses the guideline speaks of, for the searchable list."""
    found: list[str] = []
    for drug in sorted(guideline.drugs.values(), key=lambda drug: drug.name):
        if drug.procedural:
            continue
        name = drug.name if drug.name.lower() in guideline.names else drug.id.replace("_", " ")
        if drug.preventive:
            use = drug.preventive
            amounts = sorted({amount for amount in (use.min_adequate, use.target) if amount})
            found += [f"{name} {amount:g} {use.unit}" for amount in amounts] or [name]
        for dose in drug.acute.doses if drug.acute else ():
            full = dose.min_full
            amounts = sorted({amount for amount in (full / 2 if full else None, full, dose.usual) if amount})
            route = "" if dose.route == "oral" else f" {dose.route}"
            found += [f"{name} {amount:g} mg{route}" for amount in amounts]
    return list(dict.fromkeys(found))


def hooks_served(environment: Environment) -> list[str]:
    """The hooks a service answers, in the order of the library."""
    served = {service.hook.name for service in environment.services().values()}
    return [name for name in HOOKS if name in served]


def prefetch(service: Service, by_kind: Mapping[str, Iterable[Mapping[str, Any]]]) -> Document:
    """Resources by kind under the keys of a service; a kind asked for by several keys goes whole under the first."""
    placed: set[str] = set()
    found: Document = {}
    for query in service.queries:
        rows = [] if query.kind in placed else list(by_kind.get(query.kind, ()))
        placed.add(query.kind)
        if query.kind == "Patient":
            found[query.key] = rows[0] if rows else None
        else:
            found[query.key] = _bundle(rows)
    others = [row for kind, rows in by_kind.items() if kind not in placed for row in rows]
    first = next((key for key, value in found.items() if value and value.get("resourceType") == "Bundle"), None)
    if others and first:
        found[first]["entry"] = [*found[first].get("entry", []), *_entries(others, "include")]
    return found


def _bundle(rows: Iterable[Mapping[str, Any]]) -> Document:
    entries = _entries(rows, "match")
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _entries(rows: Iterable[Mapping[str, Any]], mode: str) -> list[Document]:
    return [{"resource": row, "search": {"mode": mode}} for row in rows]


CUT = {
    "resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "incomplete"}]},
    "search": {"mode": "outcome"},
}


def as_fetched(document: Document, consultation: Consultation, environment: Environment) -> Document:
    """The request as a client would have sent it that had prefetched what was fetched: no server, no token."""
    service = environment.service_for(consultation.request.hook)
    record = consultation.record
    by_kind = {
        kind: [
            entry.resource for entry in entries if isinstance(entry, BundleEntry) and isinstance(entry.resource, dict)
        ]
        for kind, entries in record.resources.items()
    }
    filled = prefetch(service, by_kind)
    _say_what_is_lacking(filled, service, record.completeness)
    kept = {name: value for name, value in document.items() if name not in ("fhirServer", "fhirAuthorization")}
    return {**kept, "prefetch": filled}


def _say_what_is_lacking(filled: Document, service: Service, completeness: Mapping[str, str]) -> None:
    """In a prefetch, what did not come whole says so, and what did not come at all is left out: null would be none."""
    for query in service.queries:
        state = completeness.get(query.kind, Completeness.MISSING)
        if state == Completeness.MISSING:
            del filled[query.key]
        elif state == Completeness.INCOMPLETE and isinstance(filled[query.key], dict):
            filled[query.key].get("entry", []).append(CUT)
