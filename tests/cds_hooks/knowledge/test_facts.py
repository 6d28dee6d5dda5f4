"""A chart's facts as Observations: what each says, what it was read from, and the profile it follows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.knowledge import fact_observations, facts_bundle, knowledge
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.settings import Settings
from prodrome.rules import Completeness
from prodrome.rules.engine import Fact
from prodrome.rules.guideline import load_guideline
from tests.serving import TODAY

BASE = "https://example.org/prodrome"
GUIDELINE = load_guideline()
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.json"))


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Environment.of(Settings(today=TODAY, engine="reference"))


@pytest.fixture(scope="module")
def profiles(environment: Environment) -> dict[str, dict[str, Any]]:
    resources = knowledge(environment.guideline).resources
    return {one["url"]: one for one in resources if one["resourceType"] == "StructureDefinition"}


def test_a_fact_is_an_observation_that_names_what_it_was_read_from() -> None:
    fact = Fact("f1", "month", {"month": "2026-05", "debilitating": 9.0}, ("Observation/d1", "Condition/c1"))
    observed, complete = fact_observations(
        [fact], {"Condition": Completeness.COMPLETE}, patient_id="p", guideline=GUIDELINE
    )
    assert observed["code"]["coding"] == [{"system": f"{BASE}/CodeSystem/facts", "code": "month"}]
    assert observed["derivedFrom"] == [{"reference": "Observation/d1"}]
    assert observed["focus"] == [{"reference": "Condition/c1"}]
    assert {"valueString": "2026-05"}.items() <= observed["component"][0].items()
    assert observed["component"][1]["valueQuantity"] == {"value": 9.0}
    assert [part.get("valueString") for part in complete["component"]] == ["Condition", "complete"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_facts_of_a_chart_follow_their_profiles(
    file: Path, environment: Environment, profiles: dict[str, dict[str, Any]]
) -> None:
    hooks = frozenset(service.hook.name for service in environment.services().values())
    body = file.read_bytes()
    consultation = consult(read_request(parse(body), hooks, body=body), environment)
    patient = consultation.request.patient_id
    bundle = facts_bundle(consultation.judgement, patient)
    Bundle.model_validate(bundle)
    first, *facts = [entry["resource"] for entry in bundle["entry"]]
    assert (first["resourceType"], first["id"]) == ("Patient", patient)
    measured = [fact for fact in consultation.judgement.facts if fact.rule is None and fact.type != "tally"]
    assert len(facts) == len(measured) + len(consultation.judgement.completeness)
    for fact in facts:
        assert fact["subject"] == {"reference": f"Patient/{patient}"}
        (profile,) = fact["meta"]["profile"]
        assert list(_broken(fact, profiles[profile]["differential"]["element"])) == []


def _broken(fact: dict[str, Any], elements: list[dict[str, Any]]) -> Iterator[str]:
    """What of a fact its profile does not allow."""
    by_id = {element["id"]: element for element in elements}
    if fact["code"] != by_id["Observation.code"]["patternCodeableConcept"]:
        yield "code"
    seen = []
    for component in fact.get("component", []):
        field = component["code"]["coding"][0]["code"]
        seen.append(field)
        slice_ = f"Observation.component:{field}"
        if component["code"] != by_id[f"{slice_}.code"]["patternCodeableConcept"]:
            yield field
        (kind,) = [one["code"] for one in by_id[f"{slice_}.value[x]"]["type"]]
        if f"value{kind[0].upper()}{kind[1:]}" not in component:
            yield field
    if len(seen) != len(set(seen)):
        yield "a field stands twice"
