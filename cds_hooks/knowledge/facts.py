"""One patient's flat facts as FHIR R4 Observations, which the exported rules can be run on.

A fact's ``code`` is its type, its components are its fields, ``derivedFrom`` (for Observations) and ``focus`` (for all
other kinds) name the resources it was read from.
"""

from collections.abc import Iterable, Mapping

from prodrome.cds_hooks.knowledge.canonical import Resource
from prodrome.cds_hooks.knowledge.cql import COMPLETENESS
from prodrome.cds_hooks.knowledge.structures import profile_id
from prodrome.cds_hooks.knowledge.terminology import FACT_FIELDS, FACTS
from prodrome.rules import Completeness, Judgement
from prodrome.rules.engine import Fact
from prodrome.rules.guideline import Guideline


def facts_bundle(judgement: Judgement, patient_id: str) -> Resource:
    """The patient, by id alone, and all facts that the rules judge: a Bundle that a CQL engine can be run on."""
    facts = fact_observations(
        (fact for fact in judgement.facts if fact.type in judgement.rulebook.measured),
        judgement.completeness,
        patient_id=patient_id,
        guideline=judgement.guideline,
    )
    resources = [{"resourceType": "Patient", "id": patient_id}, *facts]
    canonical = judgement.guideline.canonical
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": canonical(one["resourceType"], one["id"]), "resource": one} for one in resources],
    }


def fact_observations(
    facts: Iterable[Fact], completeness: Mapping[str, str], *, patient_id: str, guideline: Guideline
) -> list[Resource]:
    """Measured facts, then how complete each kind of resource was, in their order."""
    rows: list[tuple[str, Mapping[str, object], tuple[str, ...]]] = [
        (fact.type, fact.fields, fact.refs) for fact in facts
    ]
    rows += [
        (COMPLETENESS, {"kind": kind, "state": str(Completeness(state))}, ()) for kind, state in completeness.items()
    ]
    return [
        _observation(number, kind, fields, refs, patient_id, guideline)
        for number, (kind, fields, refs) in enumerate(rows, 1)
    ]


def _observation(
    number: int, kind: str, fields: Mapping[str, object], refs: tuple[str, ...], patient_id: str, guideline: Guideline
) -> Resource:
    observed = [{"reference": ref} for ref in refs if ref.startswith("Observation/")]
    others = [{"reference": ref} for ref in refs if not ref.startswith("Observation/")]
    made: Resource = {
        "resourceType": "Observation",
        "id": f"fact-{number}",
        "meta": {"profile": [guideline.canonical("StructureDefinition", profile_id(kind))]},
        "status": "final",
        "code": {"coding": [{"system": guideline.canonical("CodeSystem", FACTS), "code": kind}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "component": [
            {
                "code": {"coding": [{"system": guideline.canonical("CodeSystem", FACT_FIELDS), "code": name}]},
                **_value(value),
            }
            for name, value in fields.items()
        ],
    }
    if others:
        made["focus"] = others
    if observed:
        made["derivedFrom"] = observed
    if not made["component"]:
        del made["component"]
    return made


def _value(value: object) -> Resource:
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, str):
        return {"valueString": value}
    return {"valueQuantity": {"value": value}}
