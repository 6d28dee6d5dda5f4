"""What if: every part of a chart, every threshold and the moment can be other ones, beside the chart as it came."""

import copy
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import adding, asking, changes
from prodrome.cds_hooks.workbench.cases import Changes
from prodrome.cds_hooks.workbench.editing import BadEdit
from tests.cds_hooks.workbench.test_pages import opened, post
from tests.serving import TODAY, rules_in, service

ENVIRONMENT = Environment.of(Settings(today=TODAY))


def request_of(name: str, number: int = 1) -> dict[str, Any]:
    named = next(one for one in asking.named_examples() if (one.name, one.number) == (name, number))
    return asking.example_request(named, ENVIRONMENT)


def cards(document: dict[str, Any], asked: Changes) -> list[str]:
    found = changes.tried(document, asked, TODAY, ENVIRONMENT.guideline, ENVIRONMENT)
    return rules_in(found.response)


def added(form: dict[str, str], number: int = 1) -> dict[str, Any]:
    return adding.added(form, "prodrome-x", number, ENVIRONMENT.guideline, TODAY)


def pointer(document: dict[str, Any], words: str) -> str:
    rows = [row for each in changes.rows_of(document, Changes(), ENVIRONMENT).values() for row in each]
    return next(row.pointer for row in rows if words in row.title or words in row.ref)


@pytest.mark.parametrize(
    ("example", "rows", "gained"),
    [
        (
            "seven-days",
            [{"kind": "month", "month": "2026-02", "days": "12"}],
            set(),  # a month more does not make up for one of seven days
        ),
        (
            "possible",
            [{"kind": "month", "month": f"2026-0{month}", "days": "9"} for month in (3, 4, 5)],
            {"DTT-01"},
        ),
        (
            "asthma",
            [],
            {"DTT-01"},
        ),
        (
            "no-overuse",
            [{"kind": "visit", "visit": "emergency", "start": "2026-06-01"}],
            {"ED-01"},
        ),
        (
            "no-overuse",
            [
                {"kind": "visit", "visit": "emergency", "start": "2026-06-01"},
                {"kind": "visit", "visit": "neurology", "start": "2026-06-05"},
            ],
            set(),
        ),
        (
            "no-overuse",
            [{"kind": "course", "drug": "propranolol", "dose": "40", "start": "2025-06-01", "end": "2025-12-01",
              "reason": "inefficacy"}],
            {"PRV-03"},
        ),
    ],
)  # fmt: skip
def test_rows_that_are_added_count_as_if_the_record_held_them(
    example: str, rows: list[dict[str, str]], gained: set[str]
) -> None:
    made = tuple(added(row, number) for number, row in enumerate(rows, start=1))
    document = request_of(example)
    for row in made:
        row["subject"] = {"reference": f"Patient/{document['context']['patientId']}"}
    assert gained <= set(cards(document, Changes(added=made)))
    if not gained:
        assert set(cards(document, Changes(added=made))) <= set(cards(document, Changes()))


@pytest.mark.parametrize(
    ("row", "order"),
    [
        ({"kind": "condition", "condition": "cad_ihd", "start": "2025-01-01"}, "sumatriptan 50 mg"),
        ({"kind": "allergy", "drug": "sumatriptan"}, "sumatriptan 50 mg"),
    ],
)
def test_a_condition_or_an_allergy_that_is_added_speaks_against_an_order(row: dict[str, str], order: str) -> None:
    document = request_of("triptan", 2)
    made = added(row)
    whose = {"reference": f"Patient/{document['context']['patientId']}"}
    made["patient" if row["kind"] == "allergy" else "subject"] = whose
    assert cards(document, Changes()) == []
    assert cards(document, Changes(added=(made,), order=order)) == ["SAF-01"]


def test_a_row_that_is_left_out_is_as_if_it_had_never_come() -> None:
    document = request_of("resistant")
    before = copy.deepcopy(document)
    without = Changes(without=frozenset({pointer(document, "propranolol")}))
    assert "DTT-01" in cards(document, Changes())
    assert "DTT-01" not in cards(document, without)
    assert document == before


def test_the_hook_the_order_and_the_day_can_be_others() -> None:
    document = request_of("resistant")
    assert "SAF-01" in cards(request_of("asthma"), Changes(hook="order-sign", order="propranolol 80 mg"))
    assert "DTT-01" not in cards(document, Changes(day="2026-12-01"))  # the months lie too far back
    with pytest.raises(BadEdit, match="expected a date"):
        cards(document, Changes(day="soon"))


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "cake"},
        {"kind": "course", "drug": "gold", "start": "2026-01-01"},
        {"kind": "course", "drug": "topiramate", "start": "2026-13-01"},
        {"kind": "course", "drug": "topiramate", "start": "2026-01-01", "dose": "much"},
        {"kind": "course", "drug": "topiramate", "start": "2026-01-01", "reason": "boredom"},
        {"kind": "month", "month": "2026-13", "days": "3"},
        {"kind": "month", "month": "2026-03", "days": "-1"},
        {"kind": "visit", "visit": "holiday", "start": "2026-01-01"},
        {"kind": "condition", "condition": "happiness"},
        {"kind": "allergy", "drug": ""},
    ],
    ids=lambda form: "-".join(form.values()),
)
def test_what_cannot_be_added_says_what_was_expected(form: dict[str, str]) -> None:
    with pytest.raises(BadEdit, match="expected"):
        added(form)


@pytest.mark.parametrize("condition", [name for name, _ in adding.condition_choices(ENVIRONMENT.guideline)])
def test_every_condition_offered_is_read_as_itself(condition: str) -> None:
    row = added({"kind": "condition", "condition": condition})
    (coding,) = row["code"]["coding"]
    assert condition in ENVIRONMENT.guideline.sets_of(coding["system"], coding["code"])


def test_what_is_added_is_valid_fhir() -> None:
    from fhir.resources.R4B import get_fhir_model_class

    for form in (
        {"kind": "course", "drug": "erenumab", "dose": "70", "start": "2026-01-01"},
        {"kind": "month", "month": "2026-02", "days": "9"},
        {"kind": "visit", "visit": "inpatient", "start": "2026-01-01"},
        {"kind": "condition", "condition": "asthma"},
        {"kind": "allergy", "drug": "topiramate"},
    ):
        row = added(form)
        get_fhir_model_class(row["resourceType"]).model_validate(row)


# The page


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


def outcome(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition('id="outcome"')[2].partition("</aside>")[0]).split())


def test_two_sets_of_parameters_stand_side_by_side(client: FlaskClient) -> None:
    case = opened(client, "seven-days")
    post(client, f"{case}/what-if", **{"parameter:min_debilitating_days": "7"})
    post(client, f"{case}/compare")
    post(client, f"{case}/what-if", **{"parameter:min_debilitating_days": "12"})
    said = outcome(client.get(f"{case}/what-if").text)
    assert "Kept to compare with" in said
    assert "min debilitating days 8 → 7" in said
    assert "min debilitating days 8 → 12" in said
    assert re.search(r"gone DTT-01 .*no card", said)
    post(client, f"{case}/compare", **{"with": "chart"})
    assert "Kept to compare with" not in outcome(client.get(f"{case}/what-if").text)


def test_a_row_that_was_added_can_be_changed_and_left_out_again(client: FlaskClient) -> None:
    case = opened(client, "no-overuse")
    answer = post(client, f"{case}/add", kind="visit", visit="emergency", start="2026-06-01")
    assert answer.status_code == 303
    page = client.get(f"{case}/what-if").text
    assert "ED-01" in outcome(page)
    field = re.search(r'name="(/prefetch/[^"]+/resource/period/start)" value="2026-06-01"', page)
    assert field
    post(client, f"{case}/what-if", **{field[1]: "2026-01-01", field[1].replace("start", "end"): "2026-01-01"})
    assert "No card on either side" in outcome(client.get(f"{case}/what-if").text)
    post(client, f"{case}/what-if", without=field[1].removesuffix("/period/start"))
    page = client.get(f"{case}/what-if").text
    assert "ED-01" not in outcome(page)
    assert "without" in outcome(page)


def test_what_cannot_be_added_or_tried_keeps_the_page_and_says_why(client: FlaskClient) -> None:
    case = opened(client, "seven-days")
    for path, form in (
        ("add", {"kind": "course", "drug": "gold", "start": "2026-01-01"}),
        ("what-if", {"asked:hook": "order-sign"}),
        ("what-if", {"asked:day": "tomorrow"}),
    ):
        answer = post(client, f"{case}/{path}", **form)
        assert answer.status_code == 400
        assert 'class="problem"' in answer.text


def test_units_stand_beside_the_numbers(client: FlaskClient) -> None:
    page = client.get(f"{opened(client, 'refractory')}/what-if").text
    assert re.search(r'>Dose <span class="unit">mg</span>', page)
    assert re.search(r'>Value <span class="unit">days</span>', page)
    assert re.search(r'>min age <span class="unit">years</span>', page)


DID_NOT_COME: dict[str, Any] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}


@pytest.mark.parametrize(
    ("came", "state"), [("absent", "incomplete"), (DID_NOT_COME, "incomplete"), (None, "complete")]
)
def test_an_added_row_makes_nothing_whole_that_did_not_come(came: Any, state: str) -> None:
    document = request_of("resistant")
    del document["prefetch"]["conditions"]
    if came != "absent":
        document["prefetch"]["conditions"] = came
    row = added({"kind": "condition", "condition": "asthma"})
    found = changes.tried(document, Changes(added=(row,)), TODAY, ENVIRONMENT.guideline, ENVIRONMENT)
    assert found.record.completeness["Condition"] == state


@pytest.mark.parametrize(
    "came", [1, [1], "x", {}, {"resourceType": "Bundle", "entry": 5}, {"resourceType": "Condition"}]
)
def test_no_row_is_added_to_what_is_no_bundle(came: Any) -> None:
    document = request_of("resistant")
    document["prefetch"]["conditions"] = came
    with pytest.raises(BadEdit, match="What came as conditions is no Bundle"):
        changes.chart_with(document, [added({"kind": "condition", "condition": "asthma"})], ENVIRONMENT)


def test_a_row_is_added_to_a_request_of_an_old_hook() -> None:
    document = request_of("triptan")
    context = {**document["context"], "orders": document["context"]["draftOrders"]}
    old = {**document, "hook": "order-review", "context": {k: v for k, v in context.items() if k != "draftOrders"}}
    row = added({"kind": "condition", "condition": "asthma"})
    with_row = changes.chart_with(old, [row], ENVIRONMENT)
    assert row in [entry["resource"] for entry in with_row["prefetch"]["conditions"]["entry"]]
