"""Nothing that a caller chose is in logs, database or metrics: markers in every field, header and path."""

import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from prodrome.cds_hooks.database import feedback, seen_token, shown_card
from tests.logged import logged
from tests.serving import client_of, service

EXAMPLE = Path(__file__).parents[2] / "examples" / "order-sign-contraindicated.json"
SERVICE = "/cds-services/prodrome-order-sign"
MARK = "MARKER7"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with logged() as stream:
        yield stream


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each text of a document is, and each object (``None`` behind it: a member is added there)."""
    if isinstance(value, dict):
        yield (*here, None)
        for name, one in value.items():
            yield from paths(one, (*here, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from paths(one, (*here, index))
    elif isinstance(value, str):
        yield here


def marked(path: tuple[Any, ...]) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(EXAMPLE.read_bytes())
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    if path[-1] is None:
        place[MARK] = {MARK: MARK}
    else:
        place[path[-1]] = MARK
    return document


@pytest.mark.withstands("log injection", "stored text")
def test_no_marker_of_a_request_is_in_logs_database_or_metrics(lines: io.StringIO, tmp_path: Path) -> None:
    app = service(database_url=f"sqlite:///{tmp_path / 'prodrome.db'}")
    store = app.extensions["prodrome"].store
    with client_of(app) as client:
        cards = []
        for path in paths(orjson.loads(EXAMPLE.read_bytes())):
            answer = client.post(SERVICE, json=marked(path))
            assert answer.status_code < 500
            if answer.status_code == 200:
                cards += [card["uuid"] for card in answer.get_json()["cards"]]
        for method, address in ((MARK, "/cds-services"), ("GET", f"/{MARK}"), ("POST", f"/cds-services/{MARK}")):
            client.open(address, method=method)
        client.post(f"/cds-services/{MARK}/feedback", json={"feedback": []})
        client.post(f"{SERVICE}?{MARK}={MARK}", data=MARK.encode(), headers={"X-Request-ID": MARK, MARK: MARK})
        for name in ("User-Agent", "Referer", "Accept", "Content-Type", "Authorization", "Cookie", "Origin"):
            client.post(SERVICE, json={}, headers={name: MARK})
        said = {"outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
        reason = {"reason": None, "userComment": MARK}
        for more, status in (({MARK: MARK}, 400), ({}, 200)):  # what names no reason that we know is refused
            odd = {"card": cards[0], **said, MARK: MARK, "overrideReason": reason | more}
            assert client.post(f"{SERVICE}/feedback", json={"feedback": [odd]}).status_code == status
        client.post(f"{SERVICE}/feedback", json={"feedback": [{**said, "card": MARK}]})
        metrics = client.get("/metrics").data.decode()
    store.flush()
    with store.database.reading() as connection:
        kept = [tuple(row) for table in (shown_card, feedback, seen_token) for row in connection.execute(select(table))]
    store.close()
    assert cards
    assert kept
    for line in lines.getvalue().splitlines():
        assert {"time", "level", "event"} <= orjson.loads(line).keys()
        assert MARK.lower() not in line.lower()
    assert MARK not in str(kept)
    assert MARK not in metrics


@pytest.mark.withstands("log injection")
def test_what_a_library_says_is_a_line_without_its_words(lines: io.StringIO) -> None:
    logging.getLogger("some.library").error("%s broke", MARK)
    try:
        raise ValueError(MARK)
    except ValueError:
        logging.getLogger("some.library").exception("broke")
    logging.getLogger("py.warnings").warning(MARK)

    def fail() -> None:
        raise ValueError(MARK)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    said = [orjson.loads(line) for line in lines.getvalue().splitlines()]
    assert len(said) == 4
    assert said[3]["event"] == "a thread died"
    assert MARK not in lines.getvalue()
