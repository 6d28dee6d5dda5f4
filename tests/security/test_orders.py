"""No card about an order is filled from another, however the orders are named."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from tests.fhir_mappers.build import ICD10CM, MIGRAINE, as_needed, bundle, concept, condition, dose, request, rxnorm
from tests.serving import Client, client_of, discovered, filled, service

Json = dict[str, Any]

SUMATRIPTAN = rxnorm("37418", "sumatriptan")
TOPIRAMATE = rxnorm("38404", "topiramate")
PROPRANOLOL = rxnorm("8787", "propranolol")
HEART_DISEASE = condition(concept(ICD10CM, "I25.10"), id="heart")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def order(drug: Json, id_: str | None, **more: Any) -> Json:
    made = request(drug, status="draft", intent="order", **{"dosageInstruction": [dose(50)]} | more)
    del made["id"]
    return made | ({"id": id_} if id_ is not None else {})


def cards(client: Client, *orders: object, **context: Any) -> list[Json]:
    prefetch = discovered(client, "order-sign")["prefetch"]
    chart = {
        "Patient": {"resourceType": "Patient", "id": "pat-1", "gender": "male", "birthDate": "1970-01-01"},
        "Condition": bundle(condition(MIGRAINE, id="migraine"), HEART_DISEASE),
    }
    body = {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/dr-1",
            "patientId": "pat-1",
            "draftOrders": bundle(*orders),
            **context,
        },
        "prefetch": filled(prefetch, chart),
    }
    answer = client.post("/cds-services/prodrome-order-sign", json=body)
    assert answer.status_code == 200, answer.data
    found: list[Json] = answer.get_json()["cards"]
    return found


NAMES = {"one id": ("o", "o"), "no id": (None, None), "an id and none": ("o", None), "two ids": ("o1", "o2")}


@pytest.mark.withstands("orders of one id")
@pytest.mark.parametrize("ids", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("turned", [False, True])
def test_the_danger_names_the_drug_it_is_of(client: Client, ids: tuple[str | None, str | None], turned: bool) -> None:
    orders = [order(TOPIRAMATE, ids[0]), order(SUMATRIPTAN, ids[1], dosageInstruction=[as_needed(50)])]
    found = cards(client, *(orders[::-1] if turned else orders))
    (danger,) = (card for card in found if card["indicator"] == "critical")
    assert "sumatriptan" in danger["summary"].lower()
    assert "ischemic heart disease" in danger["detail"].lower()
    assert "topiramate" not in str(danger.get("suggestions", "")).lower()
    (expect,) = (card for card in found if card["source"]["topic"]["code"] == "PRV-02")
    assert "topiramate" in expect["summary"].lower()


@pytest.mark.parametrize("ids", [*permutations(("a", "a", "b")), (None, "a", "a")])
def test_a_suggestion_acts_on_its_own_order_or_on_none(client: Client, ids: tuple[str | None, ...]) -> None:
    drugs = (SUMATRIPTAN, TOPIRAMATE, PROPRANOLOL)
    found = cards(client, *(order(drug, id_) for drug, id_ in zip(drugs, ids, strict=True)))
    named = {id_ for id_ in ids if id_ is not None and ids.count(id_) == 1}
    for card in found:
        for action in (a for s in card.get("suggestions", ()) for a in s["actions"] if a["type"] == "delete"):
            id_ = action["resourceId"].removeprefix("MedicationRequest/")
            assert id_ in named
            drug = drugs[ids.index(id_)]["coding"][0]["display"]
            assert drug in card["summary"].lower()


def test_each_of_two_orders_for_one_drug_is_judged_by_its_own_dose(client: Client) -> None:
    low, full = (order(SUMATRIPTAN, "same", dosageInstruction=[as_needed(amount)]) for amount in (25, 100))
    for orders in ((low, full), (full, low)):
        found = [card for card in cards(client, *orders) if card["source"]["topic"]["code"] == "ACU-01"]
        assert len(found) == 1
        assert "25 mg" in found[0]["summary"] + found[0]["detail"]
        assert "suggestions" not in found[0]


def test_an_order_that_came_twice_counts_once(client: Client) -> None:
    twice = order(SUMATRIPTAN, "o")
    assert cards(client, twice, dict(reversed(twice.items()))) == cards(client, twice)


@pytest.mark.parametrize("id_", [{}, [], 5, True, {"value": "o"}])
def test_an_order_with_an_odd_id_stands_beside_the_others(client: Client, id_: object) -> None:
    low = order(SUMATRIPTAN, "o", dosageInstruction=[as_needed(25)])
    odd = order(TOPIRAMATE, None) | {"id": id_}
    found = {card["source"]["topic"]["code"] for card in cards(client, low, odd)}
    assert {"SAF-01", "PRV-02"} <= found
