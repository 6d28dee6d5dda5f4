"""What a request breaks of CDS Hooks, read strictly, and what the service does with it all the same.

The service reads tolerantly; a developer of an EHR wants to know the rest. Each fault names the JSON path and the
requirement (``docs/conformance.md``). No text repeats a value of the request.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prodrome.cds_hooks.consultation import Consultation, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import (
    DEPRECATED,
    HOOKS,
    Fault,
    Hook,
    Refused,
    Requirement,
    parse,
    read_request,
    requirements,
)
from prodrome.cds_hooks.workbench.fhir_faults import fhir_faults
from prodrome.cds_hooks.workbench.json_places import Place, Places
from prodrome.fhir_mappers import bare_id
from prodrome.rules.engine import meant, nearest

USERS: Mapping[str, frozenset[str]] = {
    "patient-view": frozenset({"Practitioner", "PractitionerRole", "Patient", "RelatedPerson"}),
    "appointment-book": frozenset({"Practitioner", "PractitionerRole", "Patient", "RelatedPerson"}),
}
"""The types of user a hook allows; the others are for practitioners."""

PRACTITIONERS = frozenset({"Practitioner", "PractitionerRole"})
AUTHORIZATION = (("access_token", "FRA-03"), ("token_type", "FRA-04"), ("scope", "FRA-06"), ("subject", "FRA-07"))
MEMBERS: Mapping[str, str] = {
    "hook": "REQ-02",
    "hookInstance": "REQ-03",
    "context": "REQ-10",
    "prefetch": "REQ-11",
    "fhirServer": "REQ-06",
    "fhirAuthorization": "REQ-09",
    "extension": "GEN-08",
    "user": "REQ-10",
    "patient": "REQ-10",
}
"""The members a request may have, each with what asks for it."""
MOST_FAULTS = 100

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_REFERENCE = re.compile(r"[A-Za-z]+/\S+\Z")


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault with where it stands in the text, and the requirement it breaks in its own words.

    ``requirement`` is None for what breaks FHIR itself.
    """

    fault: Fault
    place: Place | None
    requirement: Requirement | None


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a request, and what became of it: an answer, or the reason why there is none."""

    faults: tuple[PlacedFault, ...]
    consultation: Consultation | None
    refused: Refused | None


def check_request(text: str, environment: Environment) -> Report:
    """Read a request strictly for its faults, then have it answered as the service would.

    Raises ``EngineError``.
    """
    text = text.removeprefix("\ufeff")
    body = text.encode()
    try:
        document = parse(body)
    except Refused as refused:
        return Report(tuple(_placed([Fault("$", "REQ-01", refused.text)], None)), None, refused)
    served = frozenset(_served(environment))
    keys = [query.key for service in environment.services().values() for query in service.queries]
    found = [*misspelt(document, keys), *request_faults(document, served)][:MOST_FAULTS]
    faults = tuple(_placed([*found, *fhir_faults(document)], Places(text)))
    try:
        request = read_request(document, served, body=body)
        return Report(faults, consult(request, environment), None)
    except Refused as refused:
        return Report(faults, None, refused)


def _placed(faults: Iterable[Fault], places: Places | None) -> Iterator[PlacedFault]:
    by_id = {requirement.id: requirement for requirement in requirements()}
    for fault in faults:
        yield PlacedFault(fault, places.of(fault.path) if places else None, by_id.get(fault.requirement))


def misspelt(document: Mapping[str, Any], keys: Iterable[str]) -> Iterator[Fault]:
    """Members that are not known but nearly are. *keys*: those of every service's prefetch."""
    for name, known in _close(document, MEMBERS):
        yield Fault(_at("$", name, document), MEMBERS[known], f"is not known{meant(name, (known,))}")
    called = document.get("hook")
    hook = HOOKS.get(called) if isinstance(called, str) else None
    context, prefetch = document.get("context"), document.get("prefetch")
    if isinstance(context, dict):
        members = {"userId", "patientId", "encounterId", "selections", *(hook.required if hook else ())}
        members |= {hook.orders} if hook and hook.orders else {"draftOrders"}
        for each, known in _close(context, members):
            yield Fault(_at("$.context", each, context), "REQ-10", f"is not known{meant(each, (known,))}")
    if isinstance(prefetch, dict):
        for each, known in _close(prefetch, set(keys)):
            path = f"$.prefetch[key {list(prefetch).index(each) + 1}]"
            yield Fault(path, "REQ-11", f"is no key of this service{meant(each, (known,))}")


def _close(members: Mapping[str, Any], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Members that are none of *known* but close to one of these that is not there, with that one."""
    known = set(known)
    absent = sorted(known - members.keys())
    for name in members:
        close = nearest(name, absent, alike=0.75) if name not in known else None
        if close:
            yield name, close


def _at(path: str, name: str, members: Mapping[str, Any]) -> str:
    shown = re.match(r"[A-Za-z_][A-Za-z0-9_]{0,60}\Z", name)
    return f"{path}.{name}" if shown else f"{path}[member {list(members).index(name) + 1}]"


def _served(environment: Environment) -> Iterator[str]:
    return (service.hook.name for service in environment.services().values())


def request_faults(document: Mapping[str, Any], served: frozenset[str]) -> Iterator[Fault]:
    """Everything in a request that the specification does not have so. *served*: the hooks that have a service."""
    name = document.get("hook")
    hook = HOOKS.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or not name.strip():
        yield Fault("$.hook", "REQ-02", "must be text that names the hook")
    elif name in DEPRECATED:
        yield Fault("$.hook", "REQ-02", f"is a hook of old; {DEPRECATED[name][0]} took its place")
    elif name not in served:
        yield Fault("$.hook", "REQ-02", f"is no hook this service answers{meant(name, served)}")
    instance = document.get("hookInstance")
    if not isinstance(instance, str) or not instance.strip():
        yield Fault("$.hookInstance", "REQ-03", "must be text that names this call")
    elif not _UUID.match(instance):
        yield Fault("$.hookInstance", "REQ-04", "must be a UUID (8-4-4-4-12 hexadecimal digits)")
    context = document.get("context")
    if isinstance(context, dict):
        yield from _context(context, hook)
    else:
        yield Fault("$.context", "REQ-10", "must be an object")
    yield from _access(document, context if isinstance(context, dict) else {})
    yield from _prefetch(document, context if isinstance(context, dict) else {})
    for member in ("user", "patient"):
        if member in document:
            yield Fault(f"$.{member}", "REQ-10", f"belongs into the context, as {member}Id")
    yield from _empty({k: v for k, v in document.items() if k != "prefetch"}, "$")


def _context(context: Mapping[str, Any], hook: Hook | None) -> Iterator[Fault]:
    required = hook.required if hook else ("patientId",)
    for member in required:
        if context.get(member) in (None, "", [], {}):
            yield Fault(f"$.context.{member}", "REQ-10", f"is required by {hook.name if hook else 'every hook'}")
    user = context.get("userId")
    if user:
        allowed = USERS.get(hook.name, PRACTITIONERS) if hook else USERS["patient-view"]
        if not isinstance(user, str) or not _REFERENCE.match(user):
            yield Fault("$.context.userId", "REQ-14", "must be Type/id")
        elif user.partition("/")[0] not in allowed:
            yield Fault("$.context.userId", "REQ-14", f"must be one of {', '.join(sorted(allowed))}")
    for member in ("patientId", "encounterId"):
        value = context.get(member)
        if value and (not isinstance(value, str) or "/" in value):
            yield Fault(f"$.context.{member}", "REQ-15", "must be the bare id, without type or address")
    if hook and hook.orders and context.get(hook.orders):
        yield from _orders(context, hook)


def _orders(context: Mapping[str, Any], hook: Hook) -> Iterator[Fault]:
    path = f"$.context.{hook.orders}"
    bundle = context.get(str(hook.orders))
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        yield Fault(path, "REQ-18", "must be a FHIR Bundle")
        return
    if bundle.get("type") not in ("collection", None):
        yield Fault(f"{path}.type", "REQ-18", "should be collection")
    held: set[str] = set()
    entries = bundle.get("entry")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        here = f"{path}.entry[{index}].resource"
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            yield Fault(here, "GEN-02", "must be a FHIR resource")
            continue
        if not resource.get("id"):
            yield Fault(f"{here}.id", "SUG-16", "is missing: no suggestion can be made about this order")
        held.add(f"{resource['resourceType']}/{resource.get('id')}")
        subject = resource.get("subject")
        reference = subject.get("reference") if isinstance(subject, dict) else None
        if isinstance(reference, str) and "/" in reference and bare_id(reference) != bare_id(context.get("patientId")):
            yield Fault(f"{here}.subject", "REQ-19", "is another patient than the context's")
    selections = context.get("selections") if hook.selects else None
    if selections is not None and not isinstance(selections, list):
        yield Fault("$.context.selections", "REQ-10", "must be a list of Type/id")
        return
    for index, selection in enumerate(selections or ()):
        if not isinstance(selection, str):
            yield Fault(f"$.context.selections[{index}]", "REQ-10", "must be Type/id")
        elif selection not in held:
            yield Fault(f"$.context.selections[{index}]", "REQ-10", "is none of the orders in hand")


def _access(document: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Fault]:
    server, access = document.get("fhirServer"), document.get("fhirAuthorization")
    if access and not server:
        yield Fault("$.fhirServer", "REQ-06", "is required where there is a fhirAuthorization")
    if server is not None and not (isinstance(server, str) and server.startswith(("https://", "http://"))):
        yield Fault("$.fhirServer", "REQ-06", "must be an address")
    elif isinstance(server, str) and server.startswith("http://"):
        yield Fault("$.fhirServer", "REQ-07", "must be https where data of patients travel")
    if access is None:
        return
    if not isinstance(access, dict):
        yield Fault("$.fhirAuthorization", "REQ-09", "must be an object")
        return
    for member, requirement in AUTHORIZATION:
        if not isinstance(access.get(member), str) or not access[member].strip():
            yield Fault(f"$.fhirAuthorization.{member}", requirement, "must be text")
    if isinstance(access.get("token_type"), str) and access["token_type"] != "Bearer":
        yield Fault("$.fhirAuthorization.token_type", "FRA-04", "must be Bearer")
    expires = access.get("expires_in")
    if isinstance(expires, bool) or not isinstance(expires, int):
        yield Fault("$.fhirAuthorization.expires_in", "FRA-05", "must be a whole number of seconds")
    if access.get("patient") and bare_id(access["patient"]) != bare_id(context.get("patientId")):
        yield Fault("$.fhirAuthorization.patient", "FRA-08", "is another patient than the context's")


def _prefetch(document: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Fault]:
    prefetch = document.get("prefetch")
    if prefetch is None:
        return
    if not isinstance(prefetch, dict):
        yield Fault("$.prefetch", "REQ-11", "must be an object")
        return
    patient_id = bare_id(context.get("patientId"))
    for number, value in enumerate(prefetch.values(), start=1):
        path = f"$.prefetch[key {number}]"
        if value is None:
            continue
        if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
            yield Fault(path, "REQ-11", "must be a FHIR resource or null")
        elif value["resourceType"] == "Patient" and bare_id(value.get("id")) not in (None, patient_id):
            yield Fault(path, "REQ-19", "is another patient than the context's")
        elif value["resourceType"] == "OperationOutcome":
            yield Fault(path, "PFD-06", "says that this data could not be prefetched")
        else:
            yield from _empty(value, path)


def _empty(value: object, path: str) -> Iterator[Fault]:
    """Members that are null or empty: the sender leaves them out."""
    if isinstance(value, dict):
        for number, (name, inner) in enumerate(value.items(), start=1):
            shown = name if re.match(r"[A-Za-z_][A-Za-z0-9_]{0,60}\Z", name) else f"[member {number}]"
            if inner is None:
                yield Fault(f"{path}.{shown}", "GEN-04", "is null")
            elif isinstance(inner, str | list | dict) and not inner and not (path.endswith("]") and name == "entry"):
                yield Fault(f"{path}.{shown}", "GEN-05", "is empty")
            else:
                yield from _empty(inner, f"{path}.{shown}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empty(inner, f"{path}[{index}]")
