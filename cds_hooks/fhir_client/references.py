"""The resources that others refer to and that did not come with them: fetched in one round, one search per kind."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prodrome.cds_hooks.fhir_client.searching import Fetched
from prodrome.fhir_mappers import KINDS, REFERRED_TO, bare_id, kind_of
from prodrome.rules import Completeness

MAX_IDS = 500
IDS_PER_SEARCH = 100

_REFERENCE = re.compile(r"(?:(.+)/)?([A-Za-z]+)/([A-Za-z0-9.-]{1,256})(?:/_history/[^/]+)?\Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Resources to fetch by kind and id, and the kinds of resource that refer to each kind."""

    ids: Mapping[str, tuple[str, ...]]
    referring: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was fetched for references.

    ``value`` is a Bundle whose entries are all included resources: it says nothing about how complete a kind is.
    ``problems`` names the kinds whose references could not be followed because the server failed, and how it failed.
    """

    value: Mapping[str, Any] = field(repr=False)
    problems: Mapping[str, str]
    fetched: Mapping[str, Fetched]


def wanted(resources: Iterable[object], *, base: str | None) -> Wanted:
    """The Medications, Conditions and PractitionerRoles that *resources* refer to and that are not among them."""
    here: set[tuple[str, str]] = set()
    refers: list[tuple[str, str, str]] = []
    for resource in resources:
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            continue
        kind = resource["resourceType"]
        here.add((kind, bare_id(resource.get("id")) or ""))
        contained = resource.get("contained")
        inside = {(kind_of(each), bare_id(each.get("id"))) for each in _objects(contained)}
        for element in KINDS[kind].refers if kind in KINDS else ():
            named = _references(resource.get(element), base)
            refers += [(kind, target, bare) for target, bare in named if (target, bare) not in inside]
    ids: dict[str, dict[str, None]] = defaultdict(dict)
    referring: dict[str, set[str]] = defaultdict(set)
    for kind, target, bare in refers:
        if (target, bare) not in here:
            ids[target][bare] = None
            referring[target].add(kind)
    return Wanted(
        {target: tuple(found) for target, found in ids.items()},
        {target: frozenset(kinds) for target, kinds in referring.items()},
    )


def plan(asked: Wanted) -> dict[str, tuple[str, str]]:
    """One search per kind and hundred ids, up to a limit."""
    return {
        f"{kind} {start}": (kind, f"{kind}?_id={','.join(ids[start : min(start + IDS_PER_SEARCH, MAX_IDS)])}")
        for kind, ids in asked.ids.items()
        for start in range(0, min(len(ids), MAX_IDS), IDS_PER_SEARCH)
    }


def resolved(asked: Wanted, fetched: Mapping[str, Fetched]) -> Resolved:
    """The fetched resources as includes, and the kinds that had to go without because the server failed.

    An id the server does not have is a dangling reference, not a failure.
    """
    entries: list[dict[str, Any]] = []
    problems: dict[str, str] = {}
    for kind, ids in asked.ids.items():
        if len(ids) > MAX_IDS:
            problems.update(dict.fromkeys(asked.referring[kind], "has more references than are followed"))
    for answer in fetched.values():
        bundle = answer.value if isinstance(answer.value, dict) else {}
        for entry in bundle.get("entry", ()):
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                entries.append({"resource": entry["resource"], "search": {"mode": "include"}})
        if answer.state is not Completeness.COMPLETE:
            problems.update(dict.fromkeys(asked.referring[answer.kind], answer.problem or ""))
    return Resolved({"resourceType": "Bundle", "type": "collection", "entry": entries}, problems, fetched)


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    return (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict))


def _references(value: object, base: str | None) -> Iterator[tuple[str, str]]:
    """The targets named in an element, at any depth of it: R5 nests them."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            stack += [child for child in item.values() if isinstance(child, dict | list)]
            text = item.get("reference")
            match = _REFERENCE.match(text) if isinstance(text, str) else None
            if match and match[2] in REFERRED_TO and match[1] in (None, base):
                yield match[2], match[3]
