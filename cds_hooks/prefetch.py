"""What a call is about: the prefetch that came, completed from the FHIR server where one is given.

Of each kind of resource it is known afterwards whether all of it is there, part of it or nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import count, zip_longest
from typing import Any, NamedTuple
from urllib.parse import urljoin

from prodrome.cds_hooks.fhir_client import Fetched, FetchProgress, Resolved, complete, resolve, resolve_references
from prodrome.cds_hooks.protocol import HOOKS, HookRequest, NothingToJudge, Service
from prodrome.cds_hooks.runtime import waiting
from prodrome.cds_hooks.settings import Settings
from prodrome.fhir_mappers import (
    SHARED_KINDS,
    BundleEntry,
    Record,
    bare_id,
    collect,
    is_answer,
    kind_of,
    next_links,
    reference_key,
    worse,
)
from prodrome.rules import INCOMPLETE, MISSING


@dataclass(frozen=True)
class Gathered:
    """The record of a call, and the orders in hand that are its patient's.

    ``notes`` say what was set aside, ``problems`` what failed by kind, ``fetched`` which queries were fetched.
    """

    record: Record
    orders: tuple[object, ...]
    notes: tuple[str, ...]
    problems: Mapping[str, str]
    fetched: tuple[str, ...]


def gather(
    request: HookRequest,
    service: Service,
    settings: Settings,
    today: date,
    *,
    deadline: float,
    issuer: str | None = None,
    progress: FetchProgress | None = None,
) -> Gathered:
    """Bring together what came and what can be fetched, and say of each kind how much of it there is.

    *deadline* is an instant of ``time.monotonic``: what was not fetched by then is missing. *issuer* is the client
    that calls, *progress* is told of each answer of the FHIR server. Raises :class:`Refused` where nothing came.
    """
    server = None if request.fhir_server is None else _Server(request, settings, deadline, issuer, progress)
    came, foreign, set_aside = _prefetched(request, service, settings.prefetch_keys)
    orders, other_orders = _own(request)
    lenient = tuple(f"The request was read leniently: {what}." for what in request.leniencies)
    fetched = {} if server is None else server.completing(came, service, today)
    problems = {answer.kind: answer.problem for answer in fetched.values() if answer.problem}
    lacking = {kind for key, kind in service.kind_of.items() if key not in came}
    parts = [(kind, came[key]) for key, kind in service.kind_of.items() if key in came]
    short = lacking | problems.keys()
    resources, completeness = collect([*parts, *(part for part in foreign if part[0] in short.union(SHARED_KINDS))])
    for kind in SHARED_KINDS:  # whoever refers to them says whether they are lacking
        completeness.pop(kind, None)
    for kind in lacking:
        # A kind is whole only when every key that asks for it was answered, and under a name we know.
        there = resources.get(kind) or any(asked == kind for asked, _ in parts)
        completeness[kind] = INCOMPLETE if there else MISSING
    if all(completeness.get(kind, MISSING) is MISSING for kind in service.kinds):
        raise NothingToJudge(" ".join([_nothing(problems), *lenient, *set_aside]))
    if server is not None:
        referred = server.for_references(*resources.values(), orders)
        for kind, rows in collect([("Medication", referred.value)])[0].items():
            resources.setdefault(kind, []).extend(rows)
        for kind, problem in referred.problems.items():
            problems.setdefault(kind, problem)
            completeness[kind] = worse(completeness.get(kind, MISSING), INCOMPLETE)
    declared, others = _declare(request, resources)
    record = Record(
        patient_id=request.patient_id,
        resources=resources,
        completeness=completeness,
        orders=orders,
        selections=request.selections,
        declared=declared,
    )
    return Gathered(
        record,
        tuple(order.resource for order in orders),
        (*lenient, *set_aside, *other_orders, *others),
        problems,
        tuple(fetched),
    )


@dataclass(frozen=True)
class _Server:
    """The FHIR server of one request, asked until one deadline for everything the call still needs."""

    request: HookRequest
    settings: Settings
    deadline: float
    issuer: str | None
    progress: FetchProgress | None

    def completing(self, came: dict[str, object], service: Service, today: date) -> Mapping[str, Fetched]:
        """Add to what came what is fetched: queries that were not answered, and further pages of those that were."""
        request = self.request
        context = {**request.context, "patientId": request.patient_id, "userId": request.user_id}
        plan = {
            query.key: (query.kind, resolved)
            for query in service.queries
            if query.key not in came and (resolved := resolve(query.template, context, today))
        }
        further = {
            key: (service.kind_of[key], link)
            for key, value in came.items()
            if (link := _next(value, request.fhir_server))
        }
        if not plan and not further:
            return {}
        with waiting():
            fetched = complete(
                plan | further, request, self.settings, self.deadline, issuer=self.issuer, progress=self.progress
            )
        for key, answer in fetched.items():
            if key in further:
                came[key] = _joined(came[key], answer)
            elif answer.state is not MISSING:
                came[key] = answer.value
        return fetched

    def for_references(self, *rows: Iterable[BundleEntry]) -> Resolved:
        """What these rows refer to and does not stand among them."""
        resources = [entry.resource for entries in rows for entry in entries]
        with waiting():
            return resolve_references(
                resources, self.request, self.settings, self.deadline, issuer=self.issuer, progress=self.progress
            )


def _next(value: object, base: str | None) -> str | None:
    """The address of the next page of a Bundle; a relative one is below the FHIR server's."""
    for link in next_links(value) if isinstance(value, dict) else ():
        url = link.get("url")
        if isinstance(url, str) and base is not None:
            try:
                return urljoin(f"{base}/", url)
            except ValueError:
                return f"{base}#"  # no address, and refused as one, so that the Bundle stays incomplete
    return None


def _joined(first: Any, rest: Fetched) -> object:
    """A Bundle of the first page and the others; as incomplete as before where they did not come."""
    pages = rest.value
    if not isinstance(pages, dict) or pages.get("resourceType") != "Bundle":
        return first
    entries = [entry for page in (first, pages) if isinstance(page.get("entry"), list) for entry in page["entry"]]
    return {**first, "entry": entries, "link": pages.get("link", [])}  # the total of the first page is that of all


_SET_ASIDE = "A prefetched Patient is not the patient of the context and was set aside."


class _Prefetched(NamedTuple):
    came: dict[str, object]  # our key -> value
    foreign: list[tuple[str, object]]  # (kind, value) under names nobody told us
    notes: tuple[str, ...]


def _prefetched(request: HookRequest, service: Service, site_keys: Mapping[str, str]) -> _Prefetched:
    """What the client prefetched: under our keys (or the site's names for them), and under other names.

    Values under names nobody told us are used where they are of a kind that is lacking, but never taken for all of it.
    """
    ours = service.kind_of
    came: dict[str, object] = {}
    foreign: list[tuple[str, object]] = []
    another = False
    unreadable: list[str] = []
    wrapped: list[str] = []
    for key, value in request.prefetch.items():
        name = key if key in ours else site_keys.get(key, key)
        if name in ours and value is None:
            came[name] = None
            continue
        known = name in ours and is_answer(ours[name], value)
        if not known or ours[name] == "Patient":
            own, others = _patients_in(value, request.patient_id)
            another = another or others
            if others and not own:
                continue
        if not known:
            foreign += [(kind, value) for kind in sorted(_kinds_in(value) & service.kinds.union(SHARED_KINDS))]
            unreadable += [name] if name in ours else []
        else:
            came[name] = value
            if not _is_resource(value):
                wrapped.append(name)
    notes = [f"The prefetch value of {name} could not be read and was taken as absent." for name in unreadable]
    if wrapped:
        notes.append(
            f"The request was read leniently: no resource but what holds some, in prefetch: {', '.join(wrapped)}."
        )
    return _Prefetched(came, foreign, (*notes, _SET_ASIDE) if another else tuple(notes))


def _is_resource(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def _kinds_in(value: object) -> frozenset[str]:
    return frozenset(resource["resourceType"] for resource in _resources_in(value))


def _resources_in(value: object) -> Iterator[dict[str, Any]]:
    """The resources in a prefetch value, whatever it is wrapped in."""
    if isinstance(value, list):
        value = {"entry": value}
    if not isinstance(value, dict):
        return
    if isinstance(value.get("resource"), dict) and "resourceType" not in value:
        yield from _resources_in(value["resource"])
    elif isinstance(value.get("entry"), list):
        for entry in _objects(value["entry"]):
            yield from _resources_in(entry.get("resource", entry))
    elif isinstance(value.get("resourceType"), str):
        yield value


def _objects(values: Iterable[object]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))


def _patients_in(value: object, patient_id: str) -> tuple[bool, bool]:
    """Whether a prefetch value holds a Patient who may be ours, and whether it holds others."""
    ids = {bare_id(each.get("id")) for each in _resources_in(value) if each["resourceType"] == "Patient"}
    return not ids.isdisjoint({None, patient_id}), not ids <= {None, patient_id}


def _own(request: HookRequest) -> tuple[tuple[BundleEntry, ...], tuple[str, ...]]:
    """The orders in hand without those that name another patient (wrong-patient safety), and what to say of these."""
    orders = [BundleEntry(order, url) for order, url in zip_longest(request.orders, request.order_urls)]
    own = tuple(order for order in orders if not _names_another(order.resource, request.patient_id))
    if len(own) == len(orders):
        return own, ()
    return own, (f"{len(orders) - len(own)} of the orders in hand name another patient and were set aside.",)


_CODED = ("clinicalStatus", "verificationStatus")
"""Elements that earlier releases and the published examples write as one word."""


def _declare(request: HookRequest, resources: dict[str, list[BundleEntry]]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Put what is being written into the chart in the place of its rows of the same id, or beside them.

    Two new entries of one id, or of none, are two. Returns the references of these resources, and what to say of the
    others.
    """
    declares = HOOKS[request.hook].declares
    if declares is None:
        return frozenset(), ()
    _, kind = declares
    of_kind = [each for each in request.declared if isinstance(each, dict) and kind_of(each, kind) == kind]
    own = [each for each in of_kind if not _names_another(each, request.patient_id)]
    ids = [bare_id(resource.get("id")) for resource in own]
    new = {id_ for id_ in ids if id_}
    there = [(_id_of(row.resource), row) for row in resources.get(kind, ())]
    taken = new | {id_ for id_, _ in there if id_}
    unused = (name for number in count(1) if (name := f"new-{number}") not in taken)
    rows = resources[kind] = [row for id_, row in there if id_ not in new]
    references = set()
    for resource, said in zip(own, ids, strict=True):
        id_ = said if said and f"{kind}/{said}" not in references else next(unused)
        words = {name: {"coding": [{"code": resource[name]}]} for name in _CODED if isinstance(resource.get(name), str)}
        rows.append(BundleEntry({**resource, **words, "resourceType": kind, "id": id_}))
        references.add(f"{kind}/{id_}")
    others, unread = len(of_kind) - len(own), len(request.declared) - len(of_kind)
    notes = (
        f"{others} of the new entries name another patient and were set aside." if others else "",
        f"{unread} of the new entries are no {kind} and were not read." if unread else "",
    )
    return frozenset(references), tuple(filter(None, notes))


def _id_of(resource: object) -> str | None:
    return bare_id(resource.get("id")) if isinstance(resource, dict) else None


def _names_another(order: object, patient_id: str) -> bool:
    if not isinstance(order, dict):
        return False
    subject = order.get("subject") or order.get("patient")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    kind, _, id_ = reference_key(reference).rpartition("/") if isinstance(reference, str) else ("", "", "")
    return kind == "Patient" and id_ != patient_id


def _nothing(problems: Mapping[str, str]) -> str:
    text = "None of the data this service needs came with the request, and none could be fetched"
    if problems:
        said = set(problems.values())
        if len(said) == 1:
            return f"{text}: the FHIR server {said.pop()}."
        return f"{text}: " + "; ".join(f"{kind} {problem}" for kind, problem in sorted(problems.items())) + "."
    return f"{text}: it names no FHIR server."
