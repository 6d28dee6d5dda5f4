"""A patient with difficult-to-treat migraine gets a short answer: each labelled chart does, and the worst ones."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from prodrome.rules import Facts
from tests.cds_hooks.cards.test_building import answer, codes
from tests.golden.test_golden import CALLS
from tests.rules.patients import DTT, HEAVY, REFRACTORY, acute_use, attacks, emergency, patient, stopped
from tests.serving import Client, ask, client_of, service

TOGETHER, MEAN, EACH = 2500, 2000, {"PRV-04": 1600}
DIFFICULT = {"DTT-01", "DTT-02", "DTT-04"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def test_the_cards_of_labelled_patients_are_short(client: Client) -> None:
    together = []
    for name, call in CALLS.items():
        cards = ask(client, call).get_json()["cards"]
        for card in cards:
            rule = card["source"]["topic"]["code"]
            assert len(card["detail"]) < EACH.get(rule, 1200), (name, rule)
        if DIFFICULT.intersection(codes(cards)) and "PRV-04" in codes(cards):
            together.append(sum(len(card["detail"]) for card in cards))
            assert together[-1] < TOGETHER, name
    assert len(together) > 8
    assert sum(together) / len(together) < MEAN


OVERUSE = acute_use({"triptan": 12}, {"triptan": 11}, {"triptan": 14})
EVERYTHING = replace(
    REFRACTORY,
    hospital_visits=(emergency(20),),
    acute_use_months=OVERUSE,
    attack_records=(attacks("sumatriptan", 6, 1, 100), attacks("rizatriptan", 5, 1, 10)),
)
MANY_COURSES = patient(
    trials=tuple(stopped(drug) for drug in ("propranolol", "topiramate", "amitriptyline") for _ in range(9)),
    headache_months=HEAVY,
)


@pytest.mark.parametrize("facts", [EVERYTHING, MANY_COURSES, DTT], ids=["everything", "many courses", "resistant"])
def test_however_much_a_chart_holds_its_cards_stay_short(facts: Facts) -> None:
    cards = answer(facts)
    assert sum(len(card["detail"]) for card in cards) < TOGETHER, codes(cards)
    for card in cards:
        assert len(card["detail"]) < EACH.get(card["source"]["topic"]["code"], 1200)


def test_the_red_flags_stand_once_in_the_first_card() -> None:
    cards = answer(EVERYTHING)
    flagged = [card["source"]["topic"]["code"] for card in cards if "thunderclap" in card["detail"]]
    assert flagged == [next(code for code in codes(cards) if code.startswith("DTT-"))]


def test_a_card_cites_each_source_once() -> None:
    for card in answer(EVERYTHING):
        cited = [card["source"]["label"], *(link["label"] for link in card.get("links", ()))]
        assert len(cited) == len(set(cited))
        assert not any(label in card["detail"] for label in cited if label != "Prodrome")


def test_the_options_and_the_non_drug_treatments_do_not_repeat_each_other() -> None:
    detail = {card["source"]["topic"]["code"]: card["detail"] for card in answer(DTT)}
    assert "vagus nerve" in detail["NPH-01"]
    assert "vagus nerve" not in detail["PRV-04"]
    assert "acupuncture" not in detail["PRV-04"]
