"""Prefetch templates are filled from the context of the call."""

from datetime import date
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.fhir_client import resolve

TODAY = date(2026, 6, 15)
CONTEXT: dict[str, Any] = {
    "patientId": "1288992",
    "userId": "Practitioner/abc",
    "encounterId": None,
    "draftOrders": {"entry": []},
}


@pytest.mark.requirement("PFT-02", "PFT-04")
@pytest.mark.parametrize(
    ("template", "resolved"),
    [
        ("Patient/{{context.patientId}}", "Patient/1288992"),
        ("Encounter?patient={{ context.patientId }}", "Encounter?patient=1288992"),
        ("Encounter?patient={{context.patientId}}&x={{context.patientId}}", "Encounter?patient=1288992&x=1288992"),
        ("Condition?code=a|b", "Condition?code=a|b"),
    ],
)
def test_a_context_token_is_replaced_by_its_value(template: str, resolved: str) -> None:
    assert resolve(template, CONTEXT, TODAY) == resolved


@pytest.mark.requirement("PFT-06", "PFT-07")
def test_user_tokens_resolve_for_a_user_of_their_type() -> None:
    assert resolve("{{context.userId}}", CONTEXT, TODAY) == "Practitioner/abc"
    assert resolve("Practitioner/{{userPractitionerId}}", CONTEXT, TODAY) == "Practitioner/abc"


@pytest.mark.requirement("PFT-08")
@pytest.mark.parametrize(
    "template",
    [
        "PractitionerRole?_id={{userPractitionerRoleId}}",
        "Encounter/{{context.encounterId}}",
        "Encounter/{{context.unheardOf}}",
        "MedicationRequest?_id={{context.draftOrders}}",
        "Patient/{{context.draftOrders.entry.resource}}",
        "Patient/{{patientId}}",
        "Patient/{{context.patientId",
    ],
)
def test_a_template_with_a_token_that_has_no_value_is_not_resolved(template: str) -> None:
    assert resolve(template, CONTEXT, TODAY) is None


@pytest.mark.parametrize(
    ("token", "day"),
    [("today()", "2026-06-15"), ("today() - 90 days", "2026-03-17"), ("today()+1 days", "2026-06-16")],
)
def test_relative_dates_of_the_ballot_count_from_the_given_day(token: str, day: str) -> None:
    assert resolve(f"Encounter?date=ge{{{{{token}}}}}", CONTEXT, TODAY) == f"Encounter?date=ge{day}"


@pytest.mark.parametrize("value", ["..", "a/../../b", ".", "", "a//b"])
def test_a_value_that_would_leave_the_server_is_refused_in_a_path(value: str) -> None:
    assert resolve("Patient/{{context.patientId}}", {"patientId": value}, TODAY) is None


def test_a_value_stays_one_value_in_a_search() -> None:
    assert resolve("E?patient={{context.p}}", {"p": "1,2&x=3|4"}, TODAY) == r"E?patient=1%5C%2C2%26x%3D3%5C%7C4"


@given(st.text(min_size=1))
def test_no_value_adds_a_parameter_or_a_path(value: str) -> None:
    query = resolve("Encounter?patient={{context.p}}", {"p": value}, TODAY)
    assert query is not None
    assert not set("&=?#{} ") & set(query.removeprefix("Encounter?patient="))
    path = resolve("Patient/{{context.p}}", {"p": value}, TODAY)
    assert path is None or ("?" not in path and ".." not in unquote(path).split("/"))
