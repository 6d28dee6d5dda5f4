"""One odd element costs its row, which is disclosed, and never the chart; a row counts once, wherever it came from."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prodrome.fhir_mappers import collect
from tests.fhir_mappers.build import (
    ERENUMAB,
    ICD10CM,
    LOINC,
    MIGRAINE,
    PROPRANOLOL,
    SUMATRIPTAN,
    as_needed,
    attack_response,
    bundle,
    component,
    concept,
    condition,
    diary,
    dose,
    facts,
    observation,
    quantity,
    request,
    rxnorm,
    statement,
)
from tests.serving import Client, client_of, discovered, filled, service

Json = dict[str, Any]

HEART = condition(concept(ICD10CM, "I25.10"), id="heart")
ORDER = request(SUMATRIPTAN, id="o", status="draft", dosageInstruction=[as_needed(25)])
HUGE = "9" * 400


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def ask(client: Client, *rows: Json, orders: tuple[Json, ...] = (ORDER,), **more: Any) -> Json:
    listed = discovered(client, "order-sign")
    by_kind: dict[str, list[Json]] = {}
    for row in (condition(MIGRAINE, id="m"), HEART, *rows):
        by_kind.setdefault(row["resourceType"], []).append(row)
    chart: Json = {kind: bundle(*found) for kind, found in by_kind.items()}
    chart["Patient"] = {"resourceType": "Patient", "id": "pat-1", "birthDate": "1970-01-01"}
    body = {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/dr-1", "patientId": "pat-1", "draftOrders": bundle(*orders)},
        "prefetch": filled(listed["prefetch"], chart) | more,
    }
    answer = client.post(f"/cds-services/{listed['id']}", json=body)
    assert answer.status_code == 200, answer.data
    found: Json = answer.get_json()
    return found


def taken(text: str | None = None, /, **elements: Any) -> Json:
    return statement(rxnorm("8787", text) | ({"text": text} if text else {}), id="odd", dosage=[elements])


def every(**repeat: Any) -> Json:
    return taken(timing={"repeat": repeat}, doseAndRate=[{"doseQuantity": quantity(40, "mg")}])


def attacks(treated: float, relieved: float) -> Json:
    return attack_response(treated, relieved, id="odd", focus=[{"reference": "MedicationStatement/s"}])


AMOUNTS = [1e16, 1e300, 1e308, 10**15, 2**63, 5e-324, 1e-12, 100_001]
PERIODS = [
    {"frequency": 1, "period": 0.01, "periodUnit": "mo"},
    {"frequency": 1, "period": 5e-324, "periodUnit": "mo"},
    {"frequency": 1, "period": 5e-324, "periodUnit": "d"},
    {"frequency": 1, "period": 1e308, "periodUnit": "mo"},
    {"frequency": 1, "period": 1e9, "periodUnit": "a"},
    {"frequency": 1e300, "period": 1, "periodUnit": "d"},
    {"frequency": 1001, "period": 1, "periodUnit": "d"},
    {"frequency": 1, "period": 11, "periodUnit": "a"},
]
ODD: dict[str, Json] = {
    **{f"a dose of {amount} mg": taken(**dose(amount)) for amount in AMOUNTS},
    **{f"timing {number}": every(**repeat) for number, repeat in enumerate(PERIODS)},
    "a strength of 400 digits": taken(f"propranolol {HUGE} mg tablet", **dose(1, "tablet")),
    "a strength in no volume to speak of": taken("propranolol 40 mg / 0.000000000001 mL", **dose(1, "mL")),
    "an antibody of 1e300 mg": statement(ERENUMAB, id="odd", dosage=[dose(1e300, "mg", frequency=1, period=28)]),
    "1e300 attacks": attacks(1e300, 0),
    "2**60 attacks": attacks(2**60, 2**60),
    "a diary row issued on no date": diary(id="odd", issued="yesterday"),
    "days of 1e300": diary(id="odd", valueInteger=None, valueQuantity=quantity(1e300, "d")),
    "acute days issued on no date": diary("acute-medication-days", None, id="odd", issued="x"),
    "three months issued on no date": observation(
        LOINC, "65380-8", id="odd", effectiveDateTime="2026-06-01", valueInteger=20, issued="no date"
    ),
    "a pressure of 1e300": observation(
        LOINC,
        "85354-9",
        id="odd",
        effectiveDateTime="2026-06-01",
        component=[component(LOINC, "8480-6", valueQuantity=quantity(1e300, "mm[Hg]"))],
    ),
    "a heart rate of 1e300": observation(
        LOINC, "8867-4", id="odd", effectiveDateTime="2026-06-01", valueQuantity=quantity(1e300, "/min")
    ),
    "a supply of 1e9 years": request(
        PROPRANOLOL, id="odd", dispenseRequest={"expectedSupplyDuration": quantity(1e9, "a")}, status="completed"
    ),
}


@pytest.mark.withstands("odd elements")
@pytest.mark.parametrize("row", ODD.values(), ids=ODD)
def test_an_odd_element_costs_its_row_and_not_the_chart(client: Client, row: Json) -> None:
    said = ask(client, statement(SUMATRIPTAN, id="s", status="active", end=None, dosage=[as_needed(50)]), row)
    assert "SAF-01" in {card["source"]["topic"]["code"] for card in said["cards"]}
    skipped = said["extension"]["org.prodrome.judgement"]["skipped"]
    assert [one["resource"] for one in skipped] == [f"{row['resourceType']}/odd"]
    assert HUGE not in str(skipped)


ODD_ORDERS: dict[str, Callable[[Json], None]] = {
    "an id that is an object": lambda order: order.update(id={}),
    "a dose of 1e300": lambda order: order.update(dosageInstruction=[dose(1e300)]),
    "an authoredOn of its own": lambda order: order.update(authoredOn={"value": 5}),
    "a strength of 400 digits": lambda order: order.update(
        medicationCodeableConcept=rxnorm("37418", f"sumatriptan {HUGE} mg"), dosageInstruction=[dose(1, "tablet")]
    ),
}


@pytest.mark.withstands("odd elements")
@pytest.mark.parametrize("spoil", ODD_ORDERS.values(), ids=ODD_ORDERS)
def test_an_odd_order_leaves_the_others_judged(client: Client, spoil: Callable[[Json], None]) -> None:
    odd = copy.deepcopy(ORDER) | {"id": "odd"}
    spoil(odd)
    codes = [card["source"]["topic"]["code"] for card in ask(client, orders=(ORDER, odd))["cards"]]
    assert "SAF-01" in codes


@pytest.mark.withstands("rows twice")
def test_a_row_counts_once_whichever_keys_it_comes_under(client: Client) -> None:
    rows = [
        statement(PROPRANOLOL, why={"text": "side effects"}),
        diary(),
        condition(concept(ICD10CM, "J45.909")),
    ]
    nameless = [{name: value for name, value in row.items() if name != "id"} for row in rows]
    for given in (rows, nameless):
        once = ask(client, *given)
        assert ask(client, *given, other=bundle(*copy.deepcopy(given)), another=bundle(*copy.deepcopy(given))) == once


@pytest.mark.withstands("rows twice")
def test_two_attacks_without_an_id_in_a_bundle_of_many_kinds_are_two(client: Client) -> None:
    nameless = {name: value for name, value in attacks(1, 0).items() if name != "id"}
    mixed = bundle(nameless, copy.deepcopy(nameless), condition(), diary())
    parts = [(kind, mixed) for kind in ("Observation", "Condition", "Encounter")] + [("Observation", bundle(nameless))]
    resources, _ = collect(parts)
    assert sum(entry.resource == nameless for entry in resources["Observation"]) == 2
    assert len(resources["Condition"]) == 1
    assert facts(*[entry.resource for entry in resources["Condition"]]).conditions
