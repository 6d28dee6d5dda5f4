"""One patient's flat facts as FHIR R4 Observations, which the exported rules can be run on.

A fact's ``code`` is its type, its components are its fields, ``derivedFrom`` (for Observations) and ``focus`` (for all
other kinds) name the resources it was read from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prodrome.cds_hooks.knowledge.cql import COMPLETENESS
from prodrome.rules import Completeness
from prodrome.rules.engine import Fact

Resource = dict[str, Any]


def fact_observations(
    facts: Iterator[Fact] | tuple[Fact, ...],
    completeness: Mapping[str, Completeness],
    *,
    patient_id: str,
    base: str,
    measured: frozenset[str],
) -> list[Resource]:
    """The measured facts among ``facts``, then how complete each kind of resource was, in their order.

    *base* is the canonical address the code systems stand under.
    """
    rows: list[tuple[str, Mapping[str, object], tuple[str, ...]]] = [
        (fact.type, fact.fields, fact.refs) for fact in facts if fact.rule is None and fact.type in measured
    ]
    rows += [(COMPLETENESS, {"kind": kind, "state": state.value}, ()) for kind, state in completeness.items()]
    return [
        _observation(number, kind, fields, refs, patient_id, base.rstrip("/"))
        for number, (kind, fields, refs) in enumerate(rows, 1)
    ]


def _observation(
    number: int, kind: str, fields: Mapping[str, object], refs: tuple[str, ...], patient_id: str, base: str
) -> Resource:
    observed = [{"reference": ref} for ref in refs if ref.startswith("Observation/")]
    others = [{"reference": ref} for ref in refs if not ref.startswith("Observation/")]
    made: Resource = {
        "resourceType": "Observation",
        "id": f"fact-{number}",
        "status": "final",
        "code": {"coding": [{"system": f"{base}/CodeSystem/facts", "code": kind}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "component": [
            {
                "code": {"coding": [{"system": f"{base}/CodeSystem/fact-fields", "code": name}]},
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
