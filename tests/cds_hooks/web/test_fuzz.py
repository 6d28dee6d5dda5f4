"""Requests that are almost right: whatever is wrong in them, the answer is one the specification knows."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from prodrome.cds_hooks.protocol.checks import response_faults
from tests.serving import Client, client_of, discovered, filled, service

PATIENTS = sorted((Path(__file__).parents[2] / "vignettes" / "requests").glob("*.json"))

CLIENT: list[Client] = []
BODIES: list[tuple[str, dict[str, Any]]] = []


@pytest.fixture(scope="module", autouse=True)
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        for file in PATIENTS:
            request = json.loads(file.read_text())["request_by_kind"]
            listed = discovered(client, request["hook"])
            body = {**request, "prefetch": filled(listed["prefetch"], request["prefetch"])}
            BODIES.append((f"/cds-services/{listed['id']}", body))
        CLIENT.append(client)
        yield client
        CLIENT.clear()
        BODIES.clear()


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as a container and a key in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from holders(inner)


TEXTS = ("", " ", "x" * 5000, "Patient/", "\u0000", "\U0001f600", "2024-13-45")
SHAPES: tuple[Any, ...] = (
    [],
    [None],
    {},
    [[[]]],
    {"resourceType": "Bundle"},
    {"resourceType": 5},
    {"reference": {}},
    {"entry": {}},
)
ODD = st.sampled_from([None, True, 0, -1, 1.5, 10**30, *TEXTS, *SHAPES])


@given(data=st.data())
def test_a_request_with_odd_values_anywhere_gets_a_specified_answer(data: st.DataObject) -> None:
    address, body = data.draw(st.sampled_from(range(len(PATIENTS))).map(lambda index: BODIES[index]))
    body = copy.deepcopy(body)
    for _ in range(data.draw(st.integers(1, 4))):
        places = list(holders(body))
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        if isinstance(container, dict) and data.draw(st.booleans()):
            container[key] = copy.deepcopy(data.draw(ODD))
        else:
            del container[key]
    answer = CLIENT[0].post(address, json=body)
    document = answer.get_json()
    if answer.status_code == 200:
        assert response_faults(document) == []
    else:
        assert answer.status_code in (400, 403, 412), document
        assert document["resourceType"] == "OperationOutcome"


REQUESTS = st.fixed_dictionaries(
    {
        "hook": st.sampled_from(["patient-view", "order-select", "order-sign"]) | st.text(max_size=5),
        "hookInstance": st.text(max_size=40),
        "context": st.dictionaries(st.sampled_from(["userId", "patientId", "selections", "draftOrders"]), ODD),
    },
    optional={
        "prefetch": st.dictionaries(st.sampled_from(["patient", "conditions", "encounters", "other"]), ODD),
        "fhirServer": ODD,
        "fhirAuthorization": ODD,
        "extension": ODD,
    },
)


@given(body=REQUESTS, hook=st.sampled_from(["patient-view", "order-sign", "encounter-discharge"]))
def test_a_request_of_the_described_shape_gets_a_described_answer(body: dict[str, Any], hook: str) -> None:
    description = CLIENT[0].get("/openapi.json").get_json()
    answer = CLIENT[0].post(f"/cds-services/prodrome-{hook}", json=body)
    responses = description["paths"]["/cds-services/{id}"]["post"]["responses"]
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": description["components"]}).validate(answer.get_json())
    assert answer.status_code < 500
