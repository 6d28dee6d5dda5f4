"""How a fact looks as an Observation: a profile of FHIR R4 for each type of facts."""

from collections.abc import Iterator, Mapping

from prodrome.cds_hooks.knowledge.canonical import FHIR_VERSION, Resource, canonical, id_of, machine_name
from prodrome.cds_hooks.knowledge.terminology import FACT_FIELDS, FACTS, fact_types
from prodrome.rules.guideline import Guideline

_FHIR_TYPES: Mapping[type, str] = {str: "string", float: "Quantity", bool: "boolean"}


def fact_profiles(guideline: Guideline) -> Iterator[Resource]:
    """A profile on Observation for each type of facts: its code, and a component for each field it may have."""
    for fact, (means, fields, meanings) in fact_types(guideline).items():
        made = canonical(
            "StructureDefinition",
            profile_id(fact),
            guideline,
            name=machine_name(f"Prodrome fact {fact}"),
            title=f"Fact: {fact.replace('_', ' ')}",
            description=means,
        )
        yield made | {
            "fhirVersion": FHIR_VERSION,
            "kind": "resource",
            "abstract": False,
            "type": "Observation",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
            "derivation": "constraint",
            "differential": {"element": list(_elements(fact, fields, meanings, guideline))},
        }


def profile_id(fact: str) -> str:
    """The id of the profile of a type of facts."""
    return f"fact-{id_of(fact)}"


def _elements(
    fact: str, fields: Mapping[str, type], meanings: Mapping[str, str], guideline: Guideline
) -> Iterator[Resource]:
    types, names = (guideline.canonical("CodeSystem", one) for one in (FACTS, FACT_FIELDS))
    yield {"id": "Observation", "path": "Observation"}
    yield {
        "id": "Observation.code",
        "path": "Observation.code",
        "patternCodeableConcept": {"coding": [{"system": types, "code": fact}]},
    }
    if not fields:
        yield {"id": "Observation.component", "path": "Observation.component", "max": "0"}
        return
    yield {
        "id": "Observation.component",
        "path": "Observation.component",
        "slicing": {"discriminator": [{"type": "pattern", "path": "code"}], "rules": "closed"},
    }
    for field, kind in fields.items():
        slice_ = f"Observation.component:{field}"
        yield {
            "id": slice_,
            "path": "Observation.component",
            "sliceName": field,
            "short": meanings[field],
            "max": "1",
        }
        yield {
            "id": f"{slice_}.code",
            "path": "Observation.component.code",
            "patternCodeableConcept": {"coding": [{"system": names, "code": field}]},
        }
        yield {
            "id": f"{slice_}.value[x]",
            "path": "Observation.component.value[x]",
            "min": 1,
            "type": [{"code": _FHIR_TYPES[kind]}],
        }
