"""What comes over the wire, read tolerantly: request bodies of CDS Hooks 1.0 to the 3.0 ballot.

Required members are required; everything optional may be absent, null or empty alike (the null and empty rules of
the specification bind the sender). Forms seen in the wild are read: ``Patient/`` before a patient id, members of
pre-1.0 requests (``user``, ``patient``), hooks that were since renamed, ids of any length, a ``hookInstance`` that is
no UUID. Whatever is not known is ignored. A fault is a :class:`Refused` that names the member.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import orjson

from prodrome.cds_hooks.protocol.hooks import DEPRECATED, HOOKS, Hook
from prodrome.cds_hooks.protocol.refusals import Forbidden, Invalid, Missing, NothingToJudge, Refused
from prodrome.fhir_mappers import load_json

MAX_DEPTH = 64
_BENEATH = reduce(lambda within, _: (within,), range(254 - MAX_DEPTH), object())
"""What stands for a document, beneath so many lists that of the 254 levels orjson writes it has 64 of its own left."""

_SAID_ONCE = frozenset(
    (
        *("hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization", "access_token", "feedback"),
        *("patientId", "userId", "encounterId", "draftOrders", "selections", "medications"),
        *("resourceType", "id", "patient", "subject", "reference"),
    )
)
_TYPE_AND_ID = re.compile(r"[A-Za-z]+/\S+\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class FhirAuthorization:
    """Access to the client's FHIR server for this one call: used, then forgotten. It prints without its token."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    subject: str
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One call of one service.

    ``hook`` is the hook as we serve it (a deprecated one under its successor's name). ``prefetch`` keeps the
    difference between a key with ``null`` (there are none) and no key (not known). ``orders`` are the entries of
    the order Bundle, unchecked, ``order_urls`` the ``fullUrl`` of each; ``selections`` is ``None`` where the hook
    selects none of them. ``declared`` is what the hook says is being written into the chart. ``leniencies`` tells
    what was accepted although no version of the specification has it so; it holds member names only.
    """

    hook: str
    hook_instance: str
    patient_id: str
    user_id: str | None = None
    encounter_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)
    orders: tuple[object, ...] = field(default=(), repr=False)
    order_urls: tuple[str | None, ...] = field(default=(), repr=False)
    declared: tuple[object, ...] = field(default=(), repr=False)
    selections: tuple[str, ...] | None = None
    prefetch: Mapping[str, object] = field(default_factory=dict, repr=False)
    fhir_server: str | None = None
    authorization: FhirAuthorization | None = None
    extension: Mapping[str, Any] = field(default_factory=dict, repr=False)
    leniencies: tuple[str, ...] = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def stripped(self) -> bool:
        """Whether the client withheld everything but the ids, as Epic does for an endpoint it does not know."""
        return bool(HOOKS[self.hook].orders) and not self.orders and not self.prefetch and self.fhir_server is None


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in *body*; :class:`Invalid` for anything else, and for nesting beyond 64 levels.

    Of duplicate members JSON parsers take the last. That is accepted in general, but not for the members that decide
    whose chart, which orders and which server, nor for what lies directly in the request, its context or its prefetch.
    """
    if not body.strip():
        raise Invalid("The body is empty; expected a JSON object.")
    try:
        document = load_json(body)
    except orjson.JSONDecodeError as error:
        if not _is_utf8(body):
            raise Invalid("The body is not valid JSON: it is not UTF-8.") from None
        raise Invalid(f"The body is not valid JSON (line {error.lineno}, column {error.colno}).") from None
    if not isinstance(document, dict):
        raise Invalid("The body is not a JSON object.")
    try:
        members = orjson.dumps(_BENEATH, default=lambda _: document).count(b":")
    except orjson.JSONEncodeError:
        raise Invalid(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    # A member that was dropped took at least one colon with it, and those inside strings are the same in both unless
    # one is written as an escape.
    if body.count(b":") != members or (b"\\" in body and rb"\u003" in body):
        _refuse_duplicates(body)
    return document


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Object(dict[str, Any]):
    """A JSON object that knows which of its members were given more than once."""

    doubled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "_Object":
        read = cls(pairs)
        if len(read) < len(pairs):
            read.doubled = frozenset(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            _refuse(read.doubled & _SAID_ONCE)
        return read


def _refuse_duplicates(body: bytes) -> None:
    document = json.loads(body.removeprefix(b"\xef\xbb\xbf"), object_pairs_hook=_Object.of)
    for whole in (document, document.get("context"), document.get("prefetch"), document.get("fhirAuthorization")):
        if isinstance(whole, _Object):
            _refuse(whole.doubled)


def _refuse(doubled: frozenset[str]) -> None:
    if doubled:
        known = min(doubled & _SAID_ONCE, default=None)
        text = f"The member {known}" if known else "A member"
        raise Invalid(f"{text} is given twice in one object.", member=known)


def read_request(document: Mapping[str, Any], hooks: frozenset[str], *, body: bytes = b"") -> HookRequest:
    """The request in *document* for a service of *hooks*; :class:`Refused` names the member at fault."""
    leniencies: list[str] = []
    hook, orders_member = _hook(document, hooks, leniencies)
    instance = _required_text(document, "hookInstance")
    if not _UUID.fullmatch(instance):
        leniencies.append("hookInstance that is no UUID")
    context = document.get("context")
    if not isinstance(context, dict):
        raise _must_be("context", "an object", context)
    patient_id = _patient_id(document, context, leniencies)
    user_id = _text(context, "userId", "context.userId")
    for old in ("user", "userId"):
        if user_id is None and isinstance(document.get(old) or context.get(old), str):
            user_id = document.get(old) or context.get(old)
            leniencies.append(f"{old} outside context.userId")
    if user_id is not None and not _TYPE_AND_ID.match(user_id):
        leniencies.append("context.userId without a type")
    authorization = _authorization(document, patient_id, leniencies)
    encounter = _text(context, "encounterId", "context.encounterId")
    encounter_id = _bare(encounter, "Encounter")
    if encounter_id != encounter:
        leniencies.append("context.encounterId with a type")
    orders = _orders(context, orders_member, leniencies)
    leniencies += [
        f"context.{name} for context.{member}"
        for member in hook.required
        if not context.get(member) and (name := _name_in_dialect(context, member))
    ]
    request = HookRequest(
        hook=hook.name,
        hook_instance=instance,
        patient_id=patient_id,
        user_id=user_id,
        encounter_id=encounter_id,
        context=context,
        orders=tuple(order for order, _ in orders),
        order_urls=tuple(url for _, url in orders),
        declared=_declared(context, hook, leniencies),
        selections=_selections(context, hook, leniencies),
        prefetch=_object(document, "prefetch"),
        fhir_server=_fhir_server(document, authorization),
        authorization=authorization,
        extension=_object(document, "extension", lenient=True),
        leniencies=tuple(dict.fromkeys(leniencies)),
        body=body,
    )
    _require(hook, orders_member, request)
    return request


def _hook(document: Mapping[str, Any], hooks: frozenset[str], leniencies: list[str]) -> tuple[Hook, str | None]:
    name = _required_text(document, "hook")
    successor, member = DEPRECATED.get(name, (name, None))
    if successor not in hooks:
        expected = " or ".join(sorted(hooks))
        raise Invalid(f"This service answers the hook {expected}, not the one in the request.", member="hook")
    if successor != name:
        leniencies.append("a deprecated hook")
    hook = HOOKS[successor]
    context = document.get("context")
    if member and isinstance(context, dict) and hook.orders in context:
        member = None
    return hook, member or hook.orders


def _patient_id(document: Mapping[str, Any], context: Mapping[str, Any], leniencies: list[str]) -> str:
    given = _text(context, "patientId", "context.patientId")
    if given is None and isinstance(document.get("patient"), str):
        given = document["patient"]
        leniencies.append("patient outside context.patientId")
    patient_id = _bare(given, "Patient")
    if not patient_id:
        raise Missing("context.patientId is missing.", member="context.patientId")
    if patient_id != given:
        leniencies.append("context.patientId with a type")
    return patient_id


def _bare(reference: str | None, kind: str) -> str | None:
    """The logical id in ``id``, ``Kind/id``, ``https://host/Kind/id`` and each of them with ``/_history/n``."""
    if reference is None or "/" not in reference:
        return reference
    return reference.partition("/_history/")[0].rpartition(f"{kind}/")[2] or None


def _authorization(document: Mapping[str, Any], patient_id: str, leniencies: list[str]) -> FhirAuthorization | None:
    """Access to the FHIR server, or none where what came cannot be used: no guidance is withheld for that.

    A token comes with no other members in the wild; only what it needs to be used is asked for.
    """
    given = document.get("fhirAuthorization")
    if given is None or given == {}:
        return None
    if not isinstance(given, dict):
        leniencies.append("fhirAuthorization that is no object, as if there were none")
        return None
    patient = _bare(_text_or_none(given, "patient"), "Patient")
    if patient and patient != patient_id:
        here = "fhirAuthorization.patient"
        raise Forbidden(f"{here} is another patient than context.patientId.", member=here)
    token, token_type = _text_or_none(given, "access_token"), _text_or_none(given, "token_type")
    if token is None:
        leniencies.append("fhirAuthorization without a usable access_token, as if there were none")
        return None
    if (token_type or "Bearer").lower() != "bearer":
        leniencies.append("fhirAuthorization of another token_type than Bearer, as if there were none")
        return None
    seconds = _seconds(given.get("expires_in"))
    lacking = [name for name in ("token_type", "scope", "subject") if _text_or_none(given, name) is None]
    lacking += ["expires_in"] if seconds is None else []
    leniencies += [f"fhirAuthorization without a usable {name}" for name in lacking]
    return FhirAuthorization(
        access_token=token,
        expires_in=UNSAID_SECONDS if seconds is None else seconds,
        scope=_text_or_none(given, "scope") or "",
        subject=_text_or_none(given, "subject") or "",
        patient=patient,
    )


UNSAID_SECONDS = 60
"""How long a token is held to last that does not say so: longer than any call."""


def _seconds(expires_in: object) -> int | None:
    if isinstance(expires_in, str) and expires_in.isdecimal() and len(expires_in) < 12:
        return int(expires_in)
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and abs(expires_in) < 10**12:
        return int(expires_in)
    return None


def _text_or_none(document: Mapping[str, Any], member: str) -> str | None:
    value = document.get(member)
    return value.strip() or None if isinstance(value, str) else None


def _fhir_server(document: Mapping[str, Any], authorization: FhirAuthorization | None) -> str | None:
    server = _text(document, "fhirServer", "fhirServer")
    if authorization and server is None:
        raise Missing("fhirServer is missing: fhirAuthorization is of no use without it.", member="fhirServer")
    return server.rstrip("/") if server else None


MAX_NESTING = 4
"""Bundles and wrappings inside one another, among the orders in hand."""


def _orders(context: Mapping[str, Any], member: str | None, leniencies: list[str]) -> list[tuple[object, str | None]]:
    """Every resource among the orders in hand with its ``fullUrl``, out of whatever it is wrapped in."""
    value = context.get(member) if member else None
    if value is None:
        return []
    if not isinstance(value, dict | list):
        raise _must_be(f"context.{member}", "a Bundle", value)
    if not _is_plain_bundle(value):
        leniencies.append(f"context.{member} that is no plain Bundle of orders")
    return list(_unwrapped(value, None, 0))


def _is_plain_bundle(value: object) -> bool:
    """Whether it is a Bundle with one resource in each entry, and no Bundle among these."""
    entries = value.get("entry") or [] if isinstance(value, dict) and value.get("resourceType") == "Bundle" else None
    return isinstance(entries, list) and all(
        isinstance(entry, dict)
        and isinstance(resource := entry.get("resource"), dict)
        and isinstance(resource.get("resourceType"), str)
        and resource["resourceType"] != "Bundle"
        for entry in entries
    )


def _declared(context: Mapping[str, Any], hook: Hook, leniencies: list[str]) -> tuple[object, ...]:
    """The resources that are being written into the chart: one, one under ``resource``, or those of a Bundle."""
    if hook.declares is None:
        return ()
    member, kind = hook.declares
    value = context.get(member) or _dialect(context, member)
    if value is not None and not isinstance(value, dict | list):
        raise _must_be(f"context.{member}", "a resource or a Bundle", value)
    if value and not _is_plain_bundle(value) and not (isinstance(value, dict) and value.get("resourceType") == kind):
        leniencies.append(f"context.{member} that is no plain Bundle or resource")
    return tuple(resource for resource, _ in _unwrapped(value, None, 0))


def _unwrapped(value: object, url: str | None, depth: int) -> Iterator[tuple[object, str | None]]:
    if value is None or value == {}:
        return
    inner: object = None
    if depth <= MAX_NESTING:
        if isinstance(value, list):
            inner = value
        elif isinstance(value, dict) and ("entry" in value or value.get("resourceType") == "Bundle"):
            inner = value.get("entry") or []
        elif isinstance(value, dict) and "resource" in value:
            said = value.get("fullUrl")
            yield from _unwrapped(value["resource"], said if isinstance(said, str) else None, depth + 1)
            return
    if inner is None:
        yield value, url
    for item in inner if isinstance(inner, list) else [] if inner is None else [inner]:
        yield from _unwrapped(item, None, depth + 1)


def _selections(context: Mapping[str, Any], hook: Hook, leniencies: list[str]) -> tuple[str, ...] | None:
    """The selected orders as the client names them: ids, references, or objects that hold one."""
    if not hook.selects:
        return None
    value = context.get("selections")
    if value is None:
        return None
    if isinstance(value, str | dict):
        leniencies.append("context.selections that is no list")
        value = [value]
    if not isinstance(value, list):
        raise _must_be("context.selections", "a list of Type/id", value)
    selected: list[str] = []
    for item in _flat(value):
        named = _selected(item)
        if isinstance(item, dict) and named:
            leniencies.append("context.selections with an object for a reference")
        if named:
            selected += named
        elif item is not None and item != "":
            leniencies.append("context.selections with an item that names nothing")
    return tuple(selected)


def _flat(items: list[Any]) -> Iterator[object]:
    """The items of a list, those of lists in it included."""
    for item in items:
        yield from item if item and isinstance(item, list) else (item,)


def _selected(item: object) -> list[str]:
    if isinstance(item, str):
        return [name.removeprefix("#") for name in item.replace(",", " ").split()]
    if not isinstance(item, dict):
        return []
    if isinstance(item.get("reference"), str):
        return _selected(item["reference"])
    for wrapping in ("resource", "value"):
        if isinstance(item.get(wrapping), dict | str):
            return _selected(item[wrapping])
    kind, id_ = item.get("resourceType"), item.get("id")
    if not isinstance(id_, str):
        return []
    return [f"{kind}/{id_}" if isinstance(kind, str) and "/" not in id_ else id_]


def _require(hook: Hook, orders_member: str | None, request: HookRequest) -> None:
    """The members the hook's definition requires; a deprecated hook never knew ``selections``."""
    deprecated = orders_member != hook.orders
    if request.stripped and not request.context.get(orders_member or ""):
        raise NothingToJudge(
            "The request came without orders, prefetch and FHIR server: its sender probably does not have this "
            "address among the registered endpoints of the client.",
        )
    for member in hook.required:
        if member == "userId":
            given: object = request.user_id
        elif member == "selections":
            given = deprecated or request.selections is not None
        elif member == hook.orders:
            given = isinstance(request.context.get(orders_member or ""), dict | list)
        else:
            given = request.context.get(member) or _dialect(request.context, member)
        if member != "patientId" and not given:
            raise Missing(f"context.{member} is missing.", member=f"context.{member}")


_DIALECTS = {
    "dispatchedOrders": ("dispatched-orders", "order"),
    "fulfillmentTasks": ("fulfillment-tasks", "task"),
    "allergyIntolerance": ("allergyIntolerances",),
}


def _dialect(context: Mapping[str, Any], member: str) -> object:
    """The same member as earlier ballots and the published examples of order-dispatch name it."""
    name = _name_in_dialect(context, member)
    return context[name] if name else None


def _name_in_dialect(context: Mapping[str, Any], member: str) -> str | None:
    return next((name for name in _DIALECTS.get(member, ()) if context.get(name)), None)


def _object(document: Mapping[str, Any], member: str, *, lenient: bool = False) -> Mapping[str, Any]:
    value = document.get(member)
    if isinstance(value, dict):
        return value
    if lenient or _is_empty(value):
        return {}
    raise _must_be(member, "an object", value)


def _text(document: Mapping[str, Any], member: str, path: str) -> str | None:
    value = document.get(member)
    if isinstance(value, str):
        return value.strip() or None
    if _is_empty(value):
        return None
    raise _must_be(path, "a string", value)


def _is_empty(value: object) -> bool:
    """Whether nothing stands there: null, or an empty text, list or object (GEN-09)."""
    return value in (None, [], {}) or (isinstance(value, str) and not value.strip())


def _required_text(document: Mapping[str, Any], member: str) -> str:
    value = _text(document, member, member)
    if value is None:
        raise Missing(f"{member} is missing.", member=member)
    return value


_JSON_TYPES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


def _must_be(path: str, expected: str, came: object) -> Refused:
    if came is None:
        return Missing(f"{path} is missing.", member=path)
    return Invalid(f"{path} must be {expected}, not {_JSON_TYPES.get(type(came), 'null')}.", member=path)
