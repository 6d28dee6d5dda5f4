"""The published description is a valid one, and every answer keeps to it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from prodrome.cds_hooks.web.statuses import STATUSES
from tests.serving import Client, ask, client_of, service

PATIENTS = sorted((Path(__file__).parents[2] / "vignettes" / "requests").glob("*.json"))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def described(client: Client) -> dict[str, Any]:
    return dict(client.get("/openapi.json").get_json())


def keeps(description: dict[str, Any], name: str, document: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    Draft202012Validator(schema).validate(document)


def test_the_description_is_valid(client: Client) -> None:
    validate(described(client))


def test_discovery_keeps_to_it(client: Client) -> None:
    keeps(described(client), "Discovery", client.get("/cds-services").get_json())


@pytest.mark.parametrize("file", PATIENTS, ids=lambda file: file.stem)
def test_requests_and_answers_keep_to_it(client: Client, file: Path) -> None:
    patient = json.loads(file.read_text())
    description = described(client)
    answer = ask(client, patient)
    keeps(description, "Response", answer.get_json())
    keeps(description, "Request", patient["request_by_kind"])


def test_each_refusal_of_a_call_is_described(client: Client) -> None:
    responses = described(client)["paths"]["/cds-services/{id}"]["post"]["responses"]
    assert set(responses) >= {str(status) for status in STATUSES.values()}


def test_refusals_keep_to_it(client: Client) -> None:
    answer = client.post("/cds-services/prodrome-patient-view", json={})
    keeps(described(client), "OperationOutcome", answer.get_json())
