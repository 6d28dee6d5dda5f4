"""The words of the rules as FHIR R4 terminology: code systems of our own, and a value set for each code set.

A value set is given with its expansion where its codes can be listed. Those of ICD and ATC are prefixes: which codes
begin so only a terminology server that holds the classification can say, and it is asked by a regular expression.
"""

from collections.abc import Iterator, Mapping

from prodrome.cds_hooks.cards import INCOMPLETE, INCOMPLETE_TITLE, OVERRIDE_REASONS, RULES, override_reasons
from prodrome.cds_hooks.knowledge.canonical import Resource, canonical, id_of, machine_name
from prodrome.cds_hooks.knowledge.cql import COMPLETENESS, COMPLETENESS_FIELDS, speaking
from prodrome.rules import MEANINGS, meaning_of
from prodrome.rules.guideline import ATC, SNOMED, CodeSet, Guideline

FACTS, FACT_FIELDS = "facts", "fact-fields"
"""The ids of the code systems of facts."""

_CATEGORY = 3
"""Characters of an ICD code before its dot."""

_COPYRIGHTS = {
    SNOMED: (
        "SNOMED CT content is copyright of IHTSDO, trading as SNOMED International. Codes outside the Global Patient"
        " Set need an affiliate licence outside its member countries."
    ),
    "http://loinc.org": "LOINC is copyright of Regenstrief Institute, Inc., available at no cost under its licence.",
    "http://www.ama-assn.org/go/cpt": "CPT is copyright of the American Medical Association; use may need a licence.",
}
_COMPLETENESS: tuple[str, Mapping[str, str]] = (
    "Whether all of a kind of resource was read; absence is concluded over complete kinds only.",
    {"kind": "the kind of resource", "state": "complete, incomplete or missing"},
)


def fact_types(guideline: Guideline) -> Mapping[str, tuple[str, Mapping[str, type], Mapping[str, str]]]:
    """The facts that the rules are run on: what each is, its fields, and what each field means."""
    book = guideline.rulebook
    found: dict[str, tuple[str, Mapping[str, type], Mapping[str, str]]] = {}
    for name in sorted(book.measured):
        fields = book.fact_types[name]
        found[name] = MEANINGS[name], fields, {field: meaning_of(name, field) for field in fields}
    means, meanings = _COMPLETENESS
    return found | {COMPLETENESS: (means, COMPLETENESS_FIELDS, meanings)}


def code_systems(guideline: Guideline) -> Iterator[Resource]:
    """The rules that have a card, reasons to override one, the types of facts, and their fields."""
    rules = {rule.id: (rule.title, f"{rule.why}.") for rule in speaking(guideline.rulebook)}
    rules[INCOMPLETE] = INCOMPLETE_TITLE, "Something was not found, and may be where data are missing."
    types = fact_types(guideline)
    meanings: dict[str, dict[str, None]] = {}
    for _, _, fields in types.values():
        for field, meaning in fields.items():
            meanings.setdefault(field, {})[meaning] = None
    for id_, title, concepts in (
        (RULES, "Rules that have a card", rules),
        (
            OVERRIDE_REASONS,
            "Reasons to override a card",
            {code: (said, said) for code, said in override_reasons().items()},
        ),
        (FACTS, "Types of facts that the rules read", {name: (_said(name), one[0]) for name, one in types.items()}),
        (
            FACT_FIELDS,
            "Fields of those facts",
            {field: (_said(field), "; ".join(said)) for field, said in sorted(meanings.items())},
        ),
    ):
        made = canonical(
            "CodeSystem", id_, guideline, name=machine_name(f"Prodrome {id_}"), title=title, description=title
        )
        listed = [
            {"code": code, "display": display, "definition": definition}
            for code, (display, definition) in concepts.items()
        ]
        system = f"{made['url']}"
        yield made | {
            "caseSensitive": True,
            "valueSet": guideline.canonical("ValueSet", id_),
            "content": "complete",
            "count": len(listed),
            "concept": listed,
        }
        yield canonical(
            "ValueSet", id_, guideline, name=machine_name(f"Prodrome all {id_}"), title=title, description=title
        ) | {
            "compose": {"include": [{"system": system}]},
            "expansion": _expansion(guideline, [(system, one["code"]) for one in listed]),
        }


def value_sets(guideline: Guideline) -> Iterator[Resource]:
    """A value set for each code set of the guideline as it is in force, in the order of codes.yaml."""
    systems = guideline.systems.values()
    for code_set in guideline.code_sets.values():
        yield _value_set(code_set, [system for system in systems if _knows(code_set, system)], guideline)


def is_expanded(value_set: Resource) -> bool:
    """Whether all its codes are listed."""
    return "expansion" in value_set


def _knows(code_set: CodeSet, system: str) -> bool:
    return bool(code_set.exact.get(system) or code_set.prefixes.get(system) or code_set.patterns.get(system))


def _value_set(code_set: CodeSet, systems: list[str], guideline: Guideline) -> Resource:
    made = canonical(
        "ValueSet",
        id_of(code_set.name),
        guideline,
        name=machine_name(f"Prodrome {code_set.name}"),
        title=code_set.title,
        description=f"The code set {code_set.name} of the guideline.",
    )
    owners = [_COPYRIGHTS[system] for system in systems if system in _COPYRIGHTS]
    if owners:
        made["copyright"] = " ".join(owners)
    listed = [(system, code) for system in systems for code in sorted(code_set.exact.get(system, ()))]
    include: list[Resource] = []
    exclude: list[Resource] = []
    for system in systems:
        if codes := sorted(code_set.exact.get(system, ())):
            include.append({"system": system, "concept": [{"code": code} for code in codes]})
        if begins := [*code_set.prefixes.get(system, ()), *_wild(code_set, system)]:
            include.append({"system": system, "filter": [_beginning_with(begins, system)]})
            if without := code_set.without.get(system):
                exclude.append({"system": system, "filter": [_beginning_with(list(without), system)]})
    if include:
        made["compose"] = {"include": include} | ({"exclude": exclude} if exclude else {})
    if not any(code_set.prefixes.get(system) or code_set.patterns.get(system) for system in systems):
        made["expansion"] = _expansion(guideline, listed)
    else:
        made["purpose"] = "Needs a terminology server: it holds all codes that begin in a certain way."
    return made


def _wild(code_set: CodeSet, system: str) -> list[str]:
    """The prefixes in which any character may stand somewhere, with a dot there."""
    pattern = code_set.patterns.get(system)
    return pattern.pattern.split("|") if pattern else []


def _beginning_with(prefixes: list[str], system: str) -> Resource:
    """The filter that takes codes by how they begin, whether or not an ICD code is written with its dot."""
    said = [one if system == ATC or len(one) < _CATEGORY else _dotted(one) for one in prefixes]
    return {"property": "code", "op": "regex", "value": f"({'|'.join(said)}).*"}


def _dotted(prefix: str) -> str:
    return f"{prefix[:_CATEGORY]}\\.?{prefix[_CATEGORY:]}"


def _expansion(guideline: Guideline, codes: list[tuple[str, str]]) -> Resource:
    return {
        "timestamp": guideline.rulebook.date,
        "total": len(codes),
        "contains": [{"system": system, "code": code} for system, code in codes],
    }


def _said(name: str) -> str:
    return name.replace("_", " ")
