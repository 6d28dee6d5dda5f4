"""Whom a page is about stands on it, as the chart says it and as of the day judged."""

from datetime import date
from typing import Any

import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking
from prodrome.cds_hooks.workbench.patients import Banner, banner

TODAY = date(2026, 6, 15)


def seen(patient: dict[str, Any] | None) -> Banner:
    environment = Environment.of(Settings(today=TODAY))
    chart = [] if patient is None else [{"resourceType": "Patient", "id": "p-1", **patient}]
    document = asking.request_document(environment.service_for("patient-view"), "p-1", chart, environment)
    return banner(asking.opened("A pasted request", "pasted", document, environment))


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        (
            {"name": [{"family": "Ng", "given": ["Ada", "May"]}], "birthDate": "1986-06-15", "gender": "female"},
            ("Ada May Ng", "40 years", "female"),
        ),
        ({"name": [{"text": "Ada Ng"}], "birthDate": "1986-06-16"}, ("Ada Ng", "39 years", "sex not recorded")),
        ({"birthDate": "1986", "gender": "unknown"}, ("", "39 or 40 years", "sex unknown")),
        (
            {"name": [{"use": "nickname", "text": "A"}, {"use": "official", "family": "Ng"}], "gender": "other"},
            ("Ng", "age unknown", "other sex"),
        ),
        ({"name": "Ng", "gender": ["x"]}, ("", "age unknown", "sex not recorded")),
        (None, ("", "age unknown", "sex not recorded")),
    ],
)
def test_the_banner_says_what_the_chart_says(patient: dict[str, Any] | None, expected: tuple[str, str, str]) -> None:
    found = seen(patient)
    assert (found.name, found.age, found.sex) == expected
    assert found.id == "p-1"
