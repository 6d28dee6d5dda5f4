"""Every card can be asked why."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from prodrome.cds_hooks.cards import building
from prodrome.cds_hooks.cards.trace import EXTENSION
from prodrome.cds_hooks.protocol.requests import HookRequest
from prodrome.rules.facts import Facts, SiteCode
from prodrome.rules.guideline import load_guideline
from prodrome.rules.guideline.site import Site
from tests.rules.patients import DTT, emergency, judged, order, patient, stopped

Json = dict[str, Any]


def trace(rule: str, facts: Facts, hook: str = "patient-view", **more: Any) -> Json:
    request = HookRequest(hook=hook, hook_instance="i", patient_id="p")
    built = building.build(judged(facts, hook, **more), facts, request)
    card = next(card for card in built if card["source"]["topic"]["code"] == rule)
    said: Json = card["extension"][EXTENSION]
    return said


def test_it_names_rule_rulebook_day_and_engine() -> None:
    said = trace("DTT-01", DTT, engine="reference")
    assert said["rules"] == [{"id": "DTT-01", "title": "Resistant migraine"}]
    assert (said["date"], said["locale"], said["engine"]) == ("2026-06-15", "US", "reference")
    assert said["rulebook"]


def test_it_follows_conclusions_down_to_what_was_measured() -> None:
    said = trace("DTT-01", DTT)
    known = {fact["id"] for fact in said["facts"]}
    assert {basis for fact in said["facts"] for basis in fact.get("basis", ())} <= known
    assert {"trial", "month", "diagnosis", "patient"} <= {fact["type"] for fact in said["facts"]}
    assert "class-failed" in said["steps"]


def test_it_holds_the_fhir_references() -> None:
    references = trace("DTT-01", DTT)["references"]
    assert {"MedicationStatement/propranolol", "Observation/2026-05", "Condition/migraine", "Patient/p"} <= set(
        references
    )


def test_a_rule_that_rests_on_another_finding_stops_there() -> None:
    said = trace("REF-01", DTT)
    assert ("finding", "DTT-01") in [
        (fact["type"], fact["fields"].get("rule")) for fact in said["facts"] if "fields" in fact
    ]
    assert "trial" not in {fact["type"] for fact in said["facts"]}


def test_parameters_are_those_of_the_rule_and_of_the_steps_it_rests_on() -> None:
    parameters = {one["name"]: one for one in trace("DTT-01", DTT)["parameters"]}
    assert parameters["resistant_min_classes"]["value"] == 3
    assert parameters["min_debilitating_days"]["unit"] == "days per calendar month"
    assert not any(one.get("overridden") for one in parameters.values())


def test_a_value_the_site_changed_is_marked() -> None:
    said = trace("DTT-01", DTT, parameters={"min_debilitating_days": 9})
    changed = [one for one in said["parameters"] if one.get("overridden")]
    assert [(one["name"], one["value"]) for one in changed] == [("min_debilitating_days", 9)]


def test_sources_come_with_their_links() -> None:
    sources = trace("DTT-01", DTT)["sources"]
    assert sources[0]["id"] == "EHF2020"
    assert all(source["url"].startswith("https://") for source in sources)


@pytest.mark.parametrize(
    ("rule", "facts", "hook"),
    [
        ("DTT-01", DTT, "patient-view"),
        ("ED-01", patient(hospital_visits=(emergency(20),)), "patient-view"),
        ("PRV-01", patient(trials=(stopped("propranolol"),), orders=(order("atenolol", "preventive"),)), "order-sign"),
        ("INCOMPLETE", patient(hospital_visits=(emergency(20),), missing=("Appointment",)), "patient-view"),
    ],
)
def test_it_is_json_and_says_nothing_empty(rule: str, facts: Facts, hook: str) -> None:
    def walk(value: object) -> None:
        assert value is not None
        assert value not in ("", [], {})
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    said = trace(rule, facts, hook)
    walk(said)
    assert orjson.loads(orjson.dumps(said)) == said


def test_what_is_missing_is_named_by_kind() -> None:
    facts = patient(hospital_visits=(emergency(20),), missing=("Appointment",))
    assert trace("INCOMPLETE", facts)["missing"] == ["Appointment"]


def test_it_names_the_map_of_a_site_and_the_rows_in_which_its_codes_stand() -> None:
    assert "site_codes" not in trace("DTT-01", DTT)
    code = ("urn:oid:1.2.3", "4711")
    site = load_guideline().for_site(Site(codes={"drug": {code: "propranolol", ("urn:oid:1.2.3", "9"): "topiramate"}}))
    assert trace("DTT-01", DTT, guideline=site)["site_codes"] == {"known": 2}
    held = SiteCode("MedicationStatement/propranolol", "drug", *code, "propranolol")
    assert trace("DTT-01", replace(DTT, site_codes=(held,)), guideline=site)["site_codes"] == {
        "known": 2,
        "used": [
            {
                "kind": "drug",
                "code": "urn:oid:1.2.3|4711",
                "means": "propranolol",
                "refs": ["MedicationStatement/propranolol"],
            }
        ],
    }
