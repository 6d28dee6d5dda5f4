"""Prefetch values and search results, as they come, to resources by kind and how complete each kind is.

A value is what stands under a prefetch key: a Bundle, one resource, ``null``, an OperationOutcome, or one of the
wrappings seen in the wild.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prodrome.fhir_mappers.elements import bare_id, content
from prodrome.fhir_mappers.kinds import R4_NAMES
from prodrome.rules import COMPLETE, INCOMPLETE, MISSING, Completeness

HARMLESS = frozenset({"warning", "information", "success"})
_DEEPEST = 4  # wrappings and Bundles inside one another

_WORSE = {COMPLETE: 0, INCOMPLETE: 1, MISSING: 2}


class BundleEntry(NamedTuple):
    """A resource (unchecked JSON) and the ``fullUrl`` of the Bundle entry it came in."""

    resource: Any
    full_url: str | None = None


def kind_of(resource: object, otherwise: str = "") -> str:
    """The kind of a resource under its R4 name; ``otherwise`` where it does not say."""
    kind = resource.get("resourceType") if type(resource) is dict else None
    return R4_NAMES.get(kind, kind) if type(kind) is str else otherwise


def collect(parts: Iterable[tuple[str, object]]) -> tuple[dict[str, list[BundleEntry]], dict[str, Completeness]]:
    """Sort (kind asked for, value) pairs into resources by kind and the completeness of each kind asked for.

    ``null`` is complete and empty; an OperationOutcome, or what is no FHIR at all, is missing; a Bundle that goes on,
    lacks some of its total, reports an error inside or holds other kinds alone is incomplete. A kind asked for twice is
    as complete as the worse answer. Resources of other kinds (included ones, say) are kept, but say nothing of their
    kind's completeness.
    """
    found: dict[str, list[list[BundleEntry]]] = {}  # by kind, the rows of each value
    completeness: dict[str, Completeness] = {}
    read: dict[int, tuple[str, Completeness]] = {}
    for asked, value in parts:
        kind = R4_NAMES.get(asked, asked)
        if value is None:
            state = COMPLETE
        elif id(value) in read:  # one value may be asked for several kinds, or under several keys
            first, said = read[id(value)]
            state = said if first == kind else INCOMPLETE
        else:
            came: dict[str, list[BundleEntry]] = {}
            state = _collect_value(kind, value, came, 0)
            read[id(value)] = kind, state
            for own, rows in came.items():
                if rows:
                    found.setdefault(own, []).append(rows)
        completeness[kind] = worse(completeness[kind], state) if kind in completeness else state
    return {kind: values[0] if len(values) == 1 else _together(values) for kind, values in found.items()}, completeness


_Nameless = tuple[str | None, bytes]  # fullUrl and content of a row without an id


def _together(values: list[list[BundleEntry]]) -> list[BundleEntry]:
    """The rows of a kind out of several values. One without an id counts once however many values it comes in.

    Equal rows of one value are as many rows as there are of them; those with an id are told apart by it, later.
    """
    found: list[BundleEntry] = []
    counted: dict[_Nameless, int] = {}
    for rows in values:
        here: dict[_Nameless, int] = {}
        for row in rows:
            if not bare_id(row.resource.get("id")) and (same := content(row.resource)) is not None:
                name = row.full_url, same
                here[name] = number = here.get(name, 0) + 1
                if number <= counted.get(name, 0):
                    continue
                counted[name] = number
            found.append(row)
    return found


def is_answer(kind: str, value: object) -> bool:
    """Whether a value answers a question for *kind* at all: with rows, with none, or with a reason for having none.

    What is no FHIR, or one resource of another kind, answers nothing: it is as if it had not come.
    """
    if value is None:
        return True
    if not isinstance(value, dict):
        return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    type_ = value.get("resourceType")
    if isinstance(type_, str):
        return type_ in ("Bundle", "OperationOutcome") or kind_of(value) == R4_NAMES.get(kind, kind)
    if "response" in value and not _succeeded(value["response"]):
        return True
    return "resource" in value and is_answer(kind, value["resource"])


def worse(one: Completeness, other: Completeness) -> Completeness:
    """The less complete of two states."""
    return one if _WORSE[one] >= _WORSE[other] else other


def _collect_value(kind: str, value: object, found: dict[str, list[BundleEntry]], depth: int) -> Completeness:
    if value is None:
        return COMPLETE
    if isinstance(value, list):  # a Bundle's entries without the Bundle
        value = {"resourceType": "Bundle", "entry": value} if value else None
    if not isinstance(value, dict) or depth > _DEEPEST:
        return MISSING
    type_ = value.get("resourceType")
    if type_ == "Bundle":
        return _collect_bundle(kind, value, found, depth)
    if type_ == "OperationOutcome":
        return MISSING
    if not isinstance(type_, str):
        if "resource" in value and _succeeded(value.get("response")):
            return _collect_value(kind, value["resource"], found, depth + 1)
        return MISSING
    own = kind_of(value)
    found.setdefault(own, []).append(BundleEntry(value))
    return COMPLETE if own == kind else MISSING


def _collect_bundle(
    kind: str, bundle: dict[str, object], found: dict[str, list[BundleEntry]], depth: int
) -> Completeness:
    state = INCOMPLETE if _goes_on(bundle) else COMPLETE
    said = bundle.get("entry")
    entries: list[Any] = said if isinstance(said, list) else [] if said is None else [said]
    asked_for = found.setdefault(kind, [])
    inner = 0
    for entry in entries:
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is not dict and (resource := _resource_of(entry)) is None:
            state = INCOMPLETE
            continue
        rows = asked_for
        if resource.get("resourceType") != kind:
            own = kind_of(resource, kind)
            if own == "OperationOutcome":
                if not is_harmless(resource):
                    state = INCOMPLETE
                continue
            if own == "Bundle":
                inner += 1
                state = worse(state, _collect_value(kind, resource, found, depth + 1))
                continue
            rows = found.setdefault(own, [])
        full_url = entry.get("fullUrl")
        rows.append(BundleEntry(resource, full_url if type(full_url) is str else None))
    total = total_of(bundle)
    # Nothing comes along where nothing matched: rows of other kinds alone answer another question.
    if total != 0 and not asked_for and any(found.values()):
        state = worse(state, INCOMPLETE)
    # A total of all entries is that of the matches and of what came with them, however many of each there are.
    if total is not None and total != len(entries) - inner and lacks_some(total, *_counted(kind, entries)):
        state = worse(state, INCOMPLETE)
    return state


def _resource_of(entry: Any) -> dict[str, Any] | None:
    """The resource of a Bundle entry, which some send without the entry around it."""
    if type(entry) is not dict:
        return None
    resource = entry.get("resource")
    if resource is None and "resource" not in entry and type(entry.get("resourceType")) is str:
        return entry
    return resource if type(resource) is dict else None


def _counted(kind: str, entries: list[Any]) -> tuple[int, int, int]:
    """How many entries of a Bundle are matches, how many came with them, and how many are outcomes."""
    matches = included = outcomes = 0
    for entry in entries:
        resource = _resource_of(entry)
        if resource is None:
            continue
        own = kind_of(resource, kind)
        search = entry.get("search")
        if own == "OperationOutcome":
            outcomes += 1
        elif own == kind and (type(search) is not dict or search.get("mode") in (None, "match")):
            matches += 1
        elif own != "Bundle":
            included += 1
    return matches, included, outcomes


def lacks_some(total: int, matches: int, included: int, outcomes: int) -> bool:
    """Whether a Bundle with no page to follow holds less than its ``total``.

    ``total`` counts matches (R4, "Search: Bundle.total"); servers are known to count included and outcome entries too.
    """
    too_many = (matches + included, matches + outcomes, matches + included + outcomes)
    return total > matches and total not in too_many


def _goes_on(bundle: dict[str, object]) -> bool:
    return "link" in bundle and any(True for _ in next_links(bundle))


def next_links(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The links of a Bundle to its next page; letters of either case say so (RFC 8288, 2.1.1)."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else [links]:
        if isinstance(link, dict) and _relation(link) == "next":
            yield link


def _relation(link: Mapping[str, Any]) -> str:
    said = link.get("relation")
    one = said[0] if isinstance(said, list) and len(said) == 1 else said
    return one.lower() if isinstance(one, str) else ""


def total_of(bundle: Mapping[str, Any]) -> int | None:
    """How many matches a Bundle says there are, which some write as ``3.0`` or ``"3"``."""
    said = bundle.get("total")
    if said is None or isinstance(said, int):
        return said
    if isinstance(said, float):
        return int(said) if said.is_integer() else None
    return int(said) if isinstance(said, str) and said.isdecimal() and len(said) < 10 else None


def is_harmless(outcome: dict[str, object]) -> bool:
    """Whether an OperationOutcome only warns or informs."""
    issues = outcome.get("issue")
    issues = issues if isinstance(issues, list) else [issues]
    return bool(issues) and all(isinstance(issue, dict) and str(issue.get("severity")) in HARMLESS for issue in issues)


def _succeeded(response: object) -> bool:
    """Whether the ``response`` of an old ``{response, resource}`` wrapping is a success; absent is."""
    status = response.get("status") if isinstance(response, dict) else None
    return status is None or str(status)[:80].strip().startswith("2")
