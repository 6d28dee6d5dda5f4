"""Discovery follows from the rulebook: one service per hook a rule speaks at, asking for what its rules read."""

from datetime import date, timedelta
from typing import Any

import pytest

from prodrome.cds_hooks.protocol.checks import discovery_faults
from prodrome.cds_hooks.protocol.hooks import HOOKS
from prodrome.cds_hooks.protocol.services import Service, services
from prodrome.rules.fact_types import HOOK_NAMES
from prodrome.rules.guideline.guideline import load_guideline

TODAY = date(2026, 6, 15)
GUIDELINE = load_guideline()
SERVICES = services(GUIDELINE, TODAY)
EACH = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


def prefetch(service: Service) -> dict[str, str]:
    found: Any = service.discovery()["prefetch"]
    return dict(found)


@pytest.mark.requirement("DISC-05", "DISC-06", "DISC-07", "DISC-08", "DISC-09", "DISC-10", "DISC-11", "DISC-12")
def test_discovery_keeps_every_rule_of_the_specification() -> None:
    assert discovery_faults({"services": [service.discovery() for service in SERVICES.values()]}) == []


@pytest.mark.requirement("DISC-18", "STALE-02")
def test_there_is_one_service_per_hook_a_rule_speaks_at_with_an_id_of_its_own() -> None:
    spoken = {hook for rule in GUIDELINE.rulebook.rules.values() for hook in rule.hooks}
    assert [service.hook.name for service in SERVICES.values()] == [name for name in HOOKS if name in spoken]
    assert list(SERVICES) == [f"prodrome-{service.hook.name}" for service in SERVICES.values()]


def test_every_hook_that_a_rule_may_speak_at_is_defined() -> None:
    assert set(HOOKS) == set(HOOK_NAMES)


@pytest.mark.requirement("DISC-13", "DISC-14", "DISC-15")
@EACH
def test_a_service_says_its_versions(service: Service) -> None:
    said = service.discovery()
    assert (said["version"], said["hookVersion"]) == ("2.0.1", HOOKS[service.hook.name].version)


@pytest.mark.requirement("PFT-01", "PFT-02", "PFT-03", "PFT-04", "PFT-05", "PFT-20", "DISC-20")
@EACH
def test_the_patient_id_is_the_only_token(service: Service) -> None:
    for template in prefetch(service).values():
        assert template.count("{{") == template.count("{{context.patientId}}") == 1


@pytest.mark.requirement("PFT-09", "PFT-10", "PFT-11", "PFT-12", "PFT-13", "PFT-14", "PFT-21")
@EACH
def test_searches_use_what_every_server_knows(service: Service) -> None:
    for key, template in prefetch(service).items():
        kind, _, query = template.partition("?")
        if not query:
            assert (key, kind) == ("patient", "Patient/{{context.patientId}}")
            continue
        names = [part.partition("=")[0] for part in query.split("&")]
        assert names[0] == "patient"
        assert set(names) <= {"patient", "code", "date", "_include"}
        assert ("code" in names) == (kind == "Observation")
        assert all(part.startswith("date=ge") for part in query.split("&") if part.startswith("date"))


@pytest.mark.requirement("PFT-23", "FRA-11")
def test_a_hook_asks_for_no_more_than_its_rules_read() -> None:
    assert SERVICES["prodrome-encounter-discharge"].kinds == {
        "Patient",
        "Condition",
        "Encounter",
        "Appointment",
        "ServiceRequest",
    }
    for hook in ("order-select", "order-sign"):
        assert not SERVICES[f"prodrome-{hook}"].kinds & {"Encounter", "Appointment", "DeviceUseStatement"}


@EACH
def test_a_hook_asks_for_every_kind_whose_absence_its_rules_conclude_from(service: Service) -> None:
    rulebook = GUIDELINE.rulebook
    for rule in rulebook.rules.values():
        if service.hook.name in rule.hooks:
            assert set(rule.absence_needs) <= service.kinds


def test_dates_bound_visits_but_never_what_counts_without_a_date() -> None:
    asked = prefetch(SERVICES["prodrome-patient-view"])
    assert f"date=ge{TODAY - timedelta(days=400)}" in asked["encounters"]
    assert f"date=ge{TODAY - timedelta(days=400)}" in asked["appointments"]
    for key in ("serviceRequests", "procedures", "conditions", "medicationStatements", "headacheDiary"):
        assert "date=" not in asked[key]


def test_a_longer_look_back_of_the_site_reaches_the_templates() -> None:
    longer = GUIDELINE.with_parameters({"specialist_lookback_days": 1000})
    asked = prefetch(services(longer, TODAY)["prodrome-patient-view"])
    assert f"date=ge{TODAY - timedelta(days=1035)}" in asked["encounters"]


def test_medicines_come_along_with_what_refers_to_them() -> None:
    asked = prefetch(SERVICES["prodrome-order-sign"])
    assert asked["medicationRequests"].endswith("&_include=MedicationRequest:medication")
    assert asked["medicationStatements"].endswith("&_include=MedicationStatement:medication")
