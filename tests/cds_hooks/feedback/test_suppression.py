"""From the card to its silence: what a user overrode stays away, and safety never does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Client, ask, client_of, rules_in, service

PATIENTS = Path(__file__).parent.parent.parent / "vignettes" / "requests"
SITE = {"secret": "a secret of the tests", "override_days": 30}


@pytest.fixture
def client() -> Iterator[Client]:
    with client_of(service(**SITE)) as client:
        yield client


def patient(rule: str, user: str = "Practitioner/dr-1") -> dict[str, Any]:
    """A labelled patient who gets a card of *rule*."""
    for file in sorted(PATIENTS.glob("*.json")):
        found: dict[str, Any] = json.loads(file.read_text())
        if rule in found["expected"]["cards"]:
            found["request_by_kind"]["context"]["userId"] = user
            return found
    raise LookupError(rule)


def override(client: Client, shown: dict[str, Any], service: str, rule: str) -> None:
    now = datetime.now(UTC).isoformat()
    uuids = [card["uuid"] for card in shown["cards"] if card["source"]["topic"]["code"] == rule]
    entries = [{"card": uuid, "outcome": "overridden", "outcomeTimestamp": now} for uuid in uuids]
    answer = client.post(f"/cds-services/{service}/feedback", json={"feedback": entries})
    assert (answer.status_code, answer.data) == (200, b"")


def shown(client: Client, who: dict[str, Any]) -> dict[str, Any]:
    answer = ask(client, who)
    assert answer.status_code == 200
    return dict(answer.get_json())


def service_of(who: dict[str, Any]) -> str:
    return f"prodrome-{who['request_by_kind']['hook']}"


@pytest.mark.parametrize("rule", ["REF-01", "NPH-01", "PRV-02", "ACU-01"])
def test_a_card_that_was_overridden_stays_away_and_the_others_remain(client: Client, rule: str) -> None:
    who = patient(rule)
    before = shown(client, who)
    override(client, before, service_of(who), rule)
    assert rules_in(shown(client, who)) == [one for one in rules_in(before) if one != rule]


def test_another_user_still_sees_it(client: Client) -> None:
    override(client, shown(client, patient("REF-01")), "prodrome-patient-view", "REF-01")
    assert "REF-01" in rules_in(shown(client, patient("REF-01", "Practitioner/dr-2")))


def test_a_contraindication_comes_back_however_often_it_was_overridden(client: Client) -> None:
    who = patient("SAF-01")
    for _ in range(3):
        found = shown(client, who)
        assert "SAF-01" in rules_in(found)
        override(client, found, service_of(who), "SAF-01")


def test_without_days_everything_comes_back() -> None:
    with client_of(service()) as client:
        who = patient("REF-01")
        override(client, shown(client, who), "prodrome-patient-view", "REF-01")
        assert "REF-01" in rules_in(shown(client, who))


def test_an_answer_comes_though_the_store_is_broken() -> None:
    app = service(**SITE)
    store = app.extensions["prodrome"].store
    with store.database.writing(durable=True) as connection:
        connection.exec_driver_sql("DROP TABLE feedback")
        connection.exec_driver_sql("DROP TABLE shown_card")
    with client_of(app) as client:
        who = patient("REF-01")
        assert rules_in(shown(client, who)) == sorted(who["expected"]["cards"])
    store.database.close()  # nobody looks for it any more, nor tells of it while other tests run
