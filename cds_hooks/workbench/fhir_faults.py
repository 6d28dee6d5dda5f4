"""What the resources of a request break of FHIR itself, as the models of ``fhir.resources`` read them.

A resource is right where R4B (as R4) or R5 takes it. No text repeats a value of the resource.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from prodrome.cds_hooks.protocol import Fault

REQUIREMENT = "FHIR"
MOST_FAULTS = 50
MOST_RESOURCES = 300
"""Resources of one request that are read strictly: it takes a millisecond or more for each."""

_RELEASES = (("R4", "fhir.resources.R4B"), ("R5", "fhir.resources"))


def fhir_faults(document: Mapping[str, Any]) -> list[Fault]:
    """The faults of the resources in the context and the prefetch of a request, with the path of each."""
    found: list[Fault] = []
    for number, (path, resource) in enumerate(_resources(document)):
        if number >= MOST_RESOURCES or len(found) >= MOST_FAULTS:
            found.append(Fault("$", REQUIREMENT, f"only the first {number} resources were read strictly"))
            break
        found += _faults(path, resource)
    return found


def _resources(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("context", "prefetch"):
        values = document.get(part)
        for number, (key, value) in enumerate(values.items() if isinstance(values, dict) else (), start=1):
            path = f"$.{part}.{key}" if part == "context" else f"$.{part}[key {number}]"
            yield from _within(path, value)


def _within(path: str, value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resource, or where it is a Bundle those in it."""
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        return
    if value["resourceType"] != "Bundle":
        yield path, value
        return
    entries = value.get("entry")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield from _within(f"{path}.entry[{index}].resource", entry.get("resource"))


def _faults(path: str, resource: Mapping[str, Any]) -> list[Fault]:
    told: list[Fault] = []
    for release, package in _RELEASES:
        found = list(_of_release(path, resource, release, package))
        if not found:
            return []
        told = told or found
    return told


def _of_release(path: str, resource: Mapping[str, Any], release: str, package: str) -> Iterator[Fault]:
    kind = str(resource["resourceType"])
    try:
        model = import_module(package).get_fhir_model_class(kind)
    except (LookupError, ValueError):
        yield Fault(f"{path}.resourceType", REQUIREMENT, f"is no kind of resource of {release}")
        return
    try:
        model.model_validate(resource)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in each["loc"])
            yield Fault(f"{path}{where}", REQUIREMENT, f"{each['msg'][:1].lower()}{each['msg'][1:]} ({release})")
    except (ValueError, TypeError) as error:  # the models raise these, too, for values they cannot turn
        yield Fault(path, REQUIREMENT, f"cannot be read as {release} ({type(error).__name__})")
