"""Feedback over HTTP: what is answered, and what is kept by then."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from werkzeug.test import TestResponse

from prodrome.cds_hooks.callers.caller import Caller
from prodrome.cds_hooks.database.tables import feedback
from prodrome.cds_hooks.feedback import Showing, Shown, Store
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app
from tests.cds_hooks.tokens import BASE, ISS, Client, settings

SERVICE = "prodrome-patient-view"
PATH = f"/cds-services/{SERVICE}/feedback"
AT = "2026-06-15T10:00:00Z"
OVERRIDDEN = {"card": "c1", "outcome": "overridden", "outcomeTimestamp": AT}
ACCEPTED = {"card": "c1", "outcome": "accepted", "outcomeTimestamp": AT, "acceptedSuggestions": [{"id": "s1"}]}


class Site:
    def __init__(self, settings: Settings, issuer: str | None = None) -> None:
        self.app = create_app(settings)
        self.client: FlaskClient = self.app.test_client()
        self.store: Store = self.app.extensions["prodrome"].store
        visit = Showing(SERVICE, "instance", "1.0.0", "Practitioner/1", "p1", Caller(issuer))
        cards = [Shown(f"c{number}", "REF-01", "info", ("s1",), "REF-01") for number in range(1, 4)]
        self.store.remember(visit, cards)

    def post(self, *entries: object, **more: Any) -> TestResponse:
        return self.client.post(more.pop("path", PATH), json={"feedback": list(entries)}, **more)

    def kept(self) -> int:
        with self.store.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(feedback)).scalar_one()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site(Settings())
    yield site
    site.store.database.close()


def members(answer: TestResponse) -> list[str]:
    assert answer.json is not None
    assert answer.json["resourceType"] == "OperationOutcome"
    return [issue["expression"][0] for issue in answer.json["issue"]]


@pytest.mark.requirement("FB-01", "FB-02", "FB-17")
def test_feedback_that_is_kept_is_answered_with_200_and_nothing_more(site: Site) -> None:
    answer = site.post(OVERRIDDEN)
    assert (answer.status_code, answer.data) == (200, b"")
    assert site.kept() == 1


@pytest.mark.requirement("FB-11", "FB-12")
def test_batches_and_repeats_are_answered_alike(site: Site) -> None:
    for _ in range(2):
        answer = site.post(ACCEPTED, {**OVERRIDDEN, "card": "c2"}, {**OVERRIDDEN, "card": "c3"}, ACCEPTED)
        assert (answer.status_code, answer.data) == (200, b"")
    assert site.kept() == 3


@pytest.mark.requirement("FB-17")
def test_unknown_cards_are_named_and_the_rest_is_kept(site: Site) -> None:
    answer = site.post({**OVERRIDDEN, "card": "unknown"}, OVERRIDDEN, {**OVERRIDDEN, "card": "c9"})
    assert answer.status_code == 200
    assert members(answer) == ["feedback[0]", "feedback[2]"]
    assert {issue["code"] for issue in answer.json["issue"]} == {"not-found"}  # type: ignore[index]
    assert site.kept() == 1


@pytest.mark.requirement("FB-17")
def test_suggestions_that_the_card_did_not_offer_are_named_and_the_entry_is_kept(site: Site) -> None:
    other = {**ACCEPTED, "acceptedSuggestions": [{"id": "s1"}, {"id": "of another card"}]}
    answer = site.post(ACCEPTED, other, {**other, "card": "unknown"})
    assert answer.status_code == 200
    assert members(answer) == ["feedback[2]", "feedback[1].acceptedSuggestions"]
    assert site.kept() == 2


@pytest.mark.requirement("FB-17")
def test_a_batch_of_unknown_cards_is_answered_alike_and_keeps_nothing(site: Site) -> None:
    answer = site.post({**OVERRIDDEN, "card": "unknown"})
    assert answer.status_code == 200
    assert members(answer) == ["feedback[0]"]
    assert site.kept() == 0


@pytest.mark.requirement("FB-17")
def test_a_batch_with_a_fault_is_refused_whole_and_every_fault_is_named(site: Site) -> None:
    answer = site.post(OVERRIDDEN, {"card": "c2"}, {**ACCEPTED, "acceptedSuggestions": []})
    assert answer.status_code == 400
    expected = ["feedback[1].outcome", "feedback[1].outcomeTimestamp", "feedback[2].acceptedSuggestions"]
    assert members(answer) == expected
    assert site.kept() == 0


def test_of_many_faults_the_first_are_named(site: Site) -> None:
    answer = site.post(*[{}] * 500)
    assert answer.status_code == 400
    assert len(answer.data) < 20_000


@pytest.mark.requirement("FB-03", "GEN-10")
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b'{"feedback": NaN}', b"[" * 5000, b"\xff", b"{}"])
def test_a_body_that_is_no_feedback_is_refused(site: Site, body: bytes) -> None:
    answer = site.client.post(PATH, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["resourceType"] == "OperationOutcome"


@pytest.mark.requirement("GEN-11", "FB-02", "FB-20")
def test_wrong_ways_to_send_feedback_are_named(site: Site) -> None:
    body = orjson.dumps({"feedback": [OVERRIDDEN]})
    assert site.client.post(PATH, data=body, content_type="text/plain").status_code == 415
    assert site.client.post(PATH, data=body, content_type="application/json; charset=utf-8").status_code == 200
    assert site.client.get(PATH).status_code == 405
    assert site.client.post("/cds-services/unknown/feedback", json={}).status_code == 404


def test_feedback_that_is_too_large_is_refused() -> None:
    site = Site(Settings(max_body_bytes=1024))
    assert site.post(*[OVERRIDDEN] * 50).status_code == 413
    assert site.kept() == 0


def test_feedback_that_cannot_be_kept_is_not_acknowledged(site: Site) -> None:
    with site.store.database.writing(durable=True) as connection:
        connection.execute(text("DROP TABLE feedback"))
    answer = site.post(OVERRIDDEN)
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["issue"][0]["code"] == "transient"


@pytest.mark.requirement("FB-15", "SEC-04")
def test_feedback_asks_for_the_same_token_as_calls() -> None:
    site = Site(settings(), ISS)
    client = Client(now=time.time())
    assert site.post(OVERRIDDEN).status_code == 401
    for audience in (BASE + PATH, f"{BASE}/cds-services/{SERVICE}"):
        assert site.post(OVERRIDDEN, headers={"Authorization": client.bearer(audience)}).status_code == 200
    wrong = client.bearer(f"{BASE}/cds-services/prodrome-order-sign")
    assert site.post(OVERRIDDEN, headers={"Authorization": wrong}).status_code == 401
    assert site.kept() == 1


@pytest.mark.requirement("FB-19")
def test_what_a_user_wrote_is_in_no_log_line_and_no_answer(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("prodrome"), "propagate", True)
    with caplog.at_level(logging.DEBUG):
        answers = [
            site.post({**OVERRIDDEN, "overrideReason": {"userComment": "Mrs Secret"}}),
            site.post({**OVERRIDDEN, "card": "Mrs Secret"}),
            site.post({**OVERRIDDEN, "outcome": "Mrs Secret", "overrideReason": {"reason": "Mrs Secret"}}),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert not any(b"Secret" in answer.data for answer in answers)
    assert not any("Secret" in str(record.__dict__) for record in caplog.records)
