"""An expanded ValueSet of a site, as rows of a table of codes that is read beside ours."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from prodrome.cds_hooks.knowledge.canonical import id_of
from prodrome.cds_hooks.knowledge.cql import KnowledgeError
from prodrome.rules.engine import meant
from prodrome.rules.guideline import Guideline

UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
_LONGEST = 60


class CodeRow(NamedTuple):
    """A code of a set, as the tables of codes have it."""

    set: str
    system: str
    code: str
    meaning: str


def rows_of(value_set: object, guideline: Guideline, name: str | None = None) -> list[CodeRow]:
    """The codes of an expanded ValueSet (FHIR R4), of the code set *name* or of the one it is called after.

    Raises :class:`KnowledgeError` for what is no ValueSet, for an expansion that is not there or not whole, and for a
    code set or system that is unknown.
    """
    if not isinstance(value_set, dict) or value_set.get("resourceType") != "ValueSet":
        raise KnowledgeError("expected a FHIR ValueSet")
    expansion = value_set.get("expansion")
    if not isinstance(expansion, dict):
        raise KnowledgeError("expected an expanded ValueSet: a terminology server expands it ($expand)")
    named = name or _named(value_set, guideline)
    if named not in guideline.code_sets:
        raise KnowledgeError(f"there is no code set {named[:_LONGEST]!r}{meant(named, guideline.code_sets)}")
    listed = list(_contained(expansion.get("contains")))
    total = expansion.get("total")
    unclosed = any(
        one.get("url") == UNCLOSED and one.get("valueBoolean") for one in _objects(expansion.get("extension"))
    )
    if unclosed or (isinstance(total, int) and total > len(listed)):
        found = f"{len(listed)} of {total}" if isinstance(total, int) else f"{len(listed)}"
        raise KnowledgeError(f"expected the whole expansion; found {found} codes, and more were left out")
    systems = {url: system for system, url in guideline.systems.items()}
    rows = []
    for one in listed:
        system, code = one.get("system"), one.get("code")
        if not isinstance(system, str) or not isinstance(code, str):
            raise KnowledgeError("expected a system and a code of each concept of the expansion")
        if system not in systems:
            raise KnowledgeError(f"no code set has codes of {system[:_LONGEST]}{meant(system, systems)}")
        display = one.get("display")
        meaning = " ".join(display.split()) if isinstance(display, str) else ""
        rows.append(CodeRow(named, systems[system], code, meaning))
    return list(dict.fromkeys(rows))


def _named(value_set: dict[str, Any], guideline: Guideline) -> str:
    """The code set that a ValueSet of our own export is of."""
    ids = {id_of(one): one for one in guideline.code_sets}
    said = str(value_set.get("id") or str(value_set.get("url") or "").rpartition("/")[2])
    if said not in ids:
        raise KnowledgeError(
            f"of which code set are the codes of {said[:_LONGEST]!r}? --set names it{meant(said, ids)}"
        )
    return ids[said]


def _contained(contains: object) -> Iterator[dict[str, Any]]:
    """The concepts of an expansion, those below others too, without those that only group others.

    Raises :class:`KnowledgeError` for what is no list of concepts: it would pass for an empty expansion.
    """
    if contains is not None and not (isinstance(contains, list) and all(isinstance(one, dict) for one in contains)):
        raise KnowledgeError("expected a list of concepts in `contains` of the expansion")
    for one in _objects(contains):
        if not one.get("abstract") and "code" in one:
            yield one
        yield from _contained(one.get("contains"))


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
