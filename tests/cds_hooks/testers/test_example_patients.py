"""The example patients show what they say, on any day. With a FHIR server between: ``tests/fhir_servers``."""

import base64
from datetime import date
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.example_patients import (
    FILE,
    Ask,
    Example,
    entry_of,
    examples,
    read_examples,
    resources,
)
from prodrome.cds_hooks.testers.orders import BadOrder, draft_order
from prodrome.fhir_mappers import BundleEntry, Record, read_facts
from prodrome.fhir_mappers.collecting import collect
from prodrome.rules import years
from prodrome.rules.fact_types import KINDS
from prodrome.rules.guideline.guideline import load_guideline
from prodrome.rules.judge import judge
from tests.serving import ask as post
from tests.serving import rules_in, service
from tests.vignettes.example_requests import by_kind, request

ASKS = [(example, ask) for example in examples() for ask in example.asks]
EACH = pytest.mark.parametrize(
    ("example", "ask"),
    ASKS,
    ids=[f"{example.patient_id} {ask.hook} {ask.order or ask.entry or ''}" for example, ask in ASKS],
)
GUIDELINE = load_guideline()
TODAY = date(2026, 6, 15)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service(today=TODAY).test_client()


@EACH
def test_an_example_shows_the_cards_it_names(client: FlaskClient, example: Example, ask: Ask) -> None:
    answer = post(client, request(example, ask, TODAY))
    assert rules_in(answer.get_json()) == sorted(ask.cards)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ended: ineffective", "endde: ineffective", "unknown field 'endde'; did you mean 'ended'?"),
        ("ended: ineffective", "ended: inefective", "ended names 'inefective', which is unknown; did you mean"),
        ("conditions: [migraine]", "conditions: [migrane]", "of names 'migrane', which is unknown; did you mean 'migr"),
        ("hook: patient-view", "hook: patient-veiw", "hook names 'patient-veiw', which is unknown; did you mean"),
        ("    diary:", "    dairy:", "unknown field 'dairy'; did you mean 'diary'?"),
        ("system: icd10cm", "system: icd10", "system names 'icd10', which is unknown; did you mean 'icd10cm'?"),
    ],
)
def test_a_slip_in_the_file_is_told(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / FILE.name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TesterError) as told:
        read_examples(tmp_path / FILE.name)
    assert str(told.value).startswith(FILE.name)
    assert says in str(told.value)


@settings(max_examples=10)
@given(today=st.dates(date(2024, 1, 1), date(2040, 1, 1)))
def test_an_example_shows_the_same_on_any_day(today: date) -> None:
    for example, ask in ASKS:
        found = by_kind(example, today)
        kinds, completeness = collect([(kind, found.get(kind)) for kind in KINDS])
        order = draft_order(ask.order, example.patient_id, GUIDELINE, today) if ask.order else None
        declared = frozenset[str]()
        if entry := entry_of(ask, example, GUIDELINE):
            kinds = {**kinds, entry["resourceType"]: [*kinds.get(entry["resourceType"], ()), BundleEntry(entry)]}
            declared = frozenset({f"{entry['resourceType']}/{entry['id']}"})
        record = Record(example.patient_id, kinds, completeness, (order,) if order else (), declared=declared)
        judgement = judge(read_facts(record, GUIDELINE, today), GUIDELINE, today, hook=ask.hook, engine="reference")
        said = sorted(finding.rule.id for finding in judgement.findings if ask.hook in finding.rule.hooks)
        assert said == sorted(ask.cards), (example.patient_id, ask.hook)


def test_every_rule_that_makes_a_card_has_an_example() -> None:
    shown = {rule for _, ask in ASKS for rule in ask.cards}
    assert shown == {rule.id for rule in GUIDELINE.rulebook.rules.values() if rule.card is not None}


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.patient_id)
def test_an_example_is_clearly_fictional_and_whole(example: Example) -> None:
    made = resources(example, GUIDELINE, TODAY)
    names = [f"{item['resourceType']}/{item['id']}" for item in made]
    assert len(names) == len(set(names))
    assert all(len(item["id"]) <= 64 and item["id"].startswith("prodrome-") for item in made)
    assert {coding["code"] for item in made for coding in item["meta"]["security"]} == {"HTEST"}
    assert made[0]["name"][0]["family"].endswith("-Example")


def test_example_patients_can_be_told_apart_as_patients_can() -> None:
    patients = [resources(example, GUIDELINE, TODAY)[0] for example in examples()]
    for told in (
        [(one["name"][0]["family"], *one["name"][0]["given"]) for one in patients],
        [one["identifier"][0]["value"] for one in patients],
        [one["birthDate"] for one in patients],
    ):
        assert len(told) == len(set(told))
    assert {one["gender"] for one in patients} == {"female", "male"}
    picture = base64.b64decode(patients[0]["photo"][0]["data"], validate=True)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 1000


@given(today=st.dates(date(2024, 1, 1), date(2040, 1, 1)))
def test_a_person_keeps_age_and_birthday_on_any_day(today: date) -> None:
    for example in examples():
        born = date.fromisoformat(resources(example, GUIDELINE, today)[0]["birthDate"])
        assert years(born, today) == example.person.age
        assert f"{born:%m-%d}" == example.person.birthday


def test_example_resources_are_valid_fhir() -> None:
    from fhir.resources.R4B import get_fhir_model_class

    for example in examples():
        for item in resources(example, GUIDELINE, TODAY):
            get_fhir_model_class(item["resourceType"]).model_validate(item)


@pytest.mark.parametrize(
    ("text", "code", "amount", "unit"),
    [
        ("sumatriptan:25mg", "37418", 25, "mg"),
        ("Sumatriptan : 25 MG", "37418", 25, "mg"),
        ("Imitrex:6mg:subcutaneous", "37418", 6, "mg"),
        ("rimegepant:37.5", "2282307", 37.5, "mg"),
        ("onabotulinumtoxinA:155units", "860189", 155, "[U]"),
    ],
)
def test_an_order_is_read_from_a_few_words(text: str, code: str, amount: float, unit: str) -> None:
    order = draft_order(text, "p", GUIDELINE, TODAY)
    quantity = order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    assert order["medicationCodeableConcept"]["coding"][0]["code"] == code
    assert (quantity["value"], quantity["code"]) == (amount, unit)


@pytest.mark.parametrize("text", ["", "sumatriptan:much", "asprin:500mg", "sumatriptan:6mg:ear", ":5mg"])
def test_an_order_that_cannot_be_read_says_what_was_expected(text: str) -> None:
    with pytest.raises(BadOrder, match="expected"):
        draft_order(text, "p", GUIDELINE, TODAY)


def test_an_order_without_a_dose_has_none() -> None:
    assert "dosageInstruction" not in draft_order("sumatriptan", "p", GUIDELINE, TODAY)
