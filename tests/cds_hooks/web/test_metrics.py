"""What ``/metrics``, ``/health`` and ``/ready`` tell."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram

from prodrome.cds_hooks.database import DatabaseAway
from prodrome.cds_hooks.web.metrics import _SECONDS, _Times
from tests.cds_hooks import tokens
from tests.serving import Client, client_of, service

EXAMPLE = orjson.loads((Path(__file__).parents[3] / "examples" / "order-sign-contraindicated.json").read_bytes())
MARK = "zqxmark"


@pytest.fixture
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def numbers(client: Client) -> dict[str, float]:
    """What /metrics says, by name and labels."""
    text = client.get("/metrics").data.decode()
    return {name: float(value) for name, value in re.findall(r"^(prodrome_[^ ]+) (\S+)$", text, re.MULTILINE)}


def test_calls_stages_and_cards_are_counted(client: Client) -> None:
    cards = client.post("/cds-services/prodrome-order-sign", json=EXAMPLE).get_json()["cards"]
    client.post("/cds-services/prodrome-order-sign", json={})
    told = numbers(client)
    assert told['prodrome_calls_total{service="prodrome-order-sign",status="200"}'] == 1
    assert told['prodrome_calls_total{service="prodrome-order-sign",status="400"}'] == 1
    for stage in ("gather", "read", "judge", "cards"):
        assert told[f'prodrome_stage_seconds_count{{stage="{stage}"}}'] == 1
    assert told['prodrome_stage_seconds_count{stage="whole"}'] >= 2
    assert sum(value for name, value in told.items() if name.startswith("prodrome_cards_total")) == len(cards) > 0
    assert told["prodrome_database_up"] == 1
    assert told["prodrome_calls_in_hand"] == 1


@given(st.lists(st.one_of(st.sampled_from(_SECONDS), st.floats(0, 100))))
def test_times_written_together_are_as_if_told_one_by_one(seconds: list[float]) -> None:
    together, singly = (Histogram("seconds", "", buckets=_SECONDS, registry=None) for _ in range(2))
    times = _Times()
    for took in seconds:
        times.add(took)
        singly.observe(took)
    times.write(together)
    assert samples(together) == {name: pytest.approx(value) for name, value in samples(singly).items()}


def samples(histogram: Histogram) -> dict[str, float]:
    (family,) = histogram.collect()
    return {f"{one.name}{one.labels}": one.value for one in family.samples if not one.name.endswith("_created")}


def marked(value: Any) -> Any:
    """The same with the mark in every text."""
    if isinstance(value, dict):
        return {name: marked(inner) for name, inner in value.items()} | {MARK: MARK}
    if isinstance(value, list):
        return [marked(inner) for inner in value]
    return f"{value}{MARK}" if isinstance(value, str) else value


def test_nothing_that_a_caller_says_becomes_a_label(client: Client) -> None:
    headers = {"X-Any": MARK, "User-Agent": MARK, "Authorization": MARK}
    for path in (f"/{MARK}", f"/cds-services/{MARK}", f"/cds-services/{MARK}/feedback", f"/workbench/{MARK}"):
        client.get(path, headers=headers)
        client.post(path, json=marked(EXAMPLE), headers=headers)
    odd = {**EXAMPLE, "prefetch": marked(EXAMPLE["prefetch"])}
    client.post("/cds-services/prodrome-order-sign", json=odd, headers=headers)
    orders = {**EXAMPLE["context"], "draftOrders": {"entry": [{"resource": {"resourceType": MARK}}]}}
    client.post("/cds-services/prodrome-order-sign", json={**EXAMPLE, "context": orders}, headers=headers)
    assert MARK not in client.get("/metrics").data.decode()


def test_a_site_may_leave_the_numbers_out() -> None:
    with client_of(service(metrics=False)) as client:
        assert client.get("/metrics").status_code == 404


def test_a_service_whose_database_is_away_is_alive_and_ready_unless_tokens_are_needed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'prodrome.db'}"
    open_app = service(database_url=url)
    closed = tokens.settings(database_url=url)
    for app, status in ((open_app, 200), (service(**closed.model_dump(exclude_unset=True)), 503)):
        with client_of(app) as client:
            assert client.get("/ready").status_code == 200
            database = app.extensions["prodrome"].store.database
            database._away = True
            with pytest.raises(DatabaseAway), database.reading():
                pass
            assert client.get("/ready").status_code == status
            assert client.get("/ready").get_json()["database"] == "away"
            assert client.get("/health").status_code == 200
            assert numbers(client)["prodrome_database_up"] == 0
