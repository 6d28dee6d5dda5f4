"""The labelled patients give exactly the cards they are labelled with: as they are, as R5, and as requests.

Each file of ``requests/`` is one patient on one day, with the prefetch by kind of resource.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prodrome.rules.engine.evaluation import engine_in_force
from tests.serving import Client, ask, client_of, rules_in, service
from tests.vignettes.shapes import as_medication_requests, as_r5

PATIENTS = [json.loads(file.read_text()) for file in sorted((Path(__file__).parent / "requests").glob("*.json"))]
EACH = pytest.mark.parametrize("patient", PATIENTS, ids=[patient["id"] for patient in PATIENTS])


@pytest.fixture(scope="module", params=["checked", "durable", "reference"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    if engine_in_force(request.param) != request.param:
        pytest.skip("durable-rules cannot be used with this Python: the reference matcher serves alone")
    with client_of(service(engine=request.param)) as client:
        yield client


def said(client: Client, patient: dict[str, Any]) -> list[str]:
    answer = ask(client, patient)
    assert answer.status_code == 200, answer.get_json()
    return rules_in(answer.get_json())


@EACH
def test_a_patient_gets_the_cards_on_the_label(client: Client, patient: dict[str, Any]) -> None:
    assert said(client, patient) == sorted(patient["expected"]["cards"])


@pytest.mark.requirement("REQ-17")
@EACH
def test_the_same_patient_in_r5_gets_the_same_cards(client: Client, patient: dict[str, Any]) -> None:
    assert said(client, as_r5(patient)) == sorted(patient["expected"]["cards"])


@EACH
def test_the_same_patient_with_requests_for_statements_gets_the_same_cards(
    client: Client, patient: dict[str, Any]
) -> None:
    assert said(client, as_medication_requests(patient)) == sorted(patient["expected"]["cards"])
