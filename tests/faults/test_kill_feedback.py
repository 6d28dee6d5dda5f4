"""Nothing that was acknowledged is lost when the service is killed at any moment.

The service runs as a process of its own, feedback is sent to it from several threads, and the process is killed
(SIGKILL) at a random moment, again and again over one database. At the end everything that was answered with 200 must
be there.
"""

import http.client
import multiprocessing
import random
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from prodrome.cds_hooks.database import Database
from prodrome.cds_hooks.database.tables import feedback
from prodrome.cds_hooks.feedback import Shown, Store, Visit
from prodrome.cds_hooks.settings import Settings
from tests import postgresql

SENDERS = 4
LONGEST_LIFE = 0.25
"""Seconds of load before the kill, at most."""
PATH = "/cds-services/prodrome-patient-view/feedback"


class _Site:
    """What the feedback routes need of a service."""

    def __init__(self, store: Store) -> None:
        self.store: Store | None = store

    def services(self) -> tuple[str, ...]:
        return ("prodrome-patient-view",)


def _serve(url: str, ready: Connection) -> None:
    from flask import Flask

    from prodrome.cds_hooks.callers.tokens import Authenticator
    from prodrome.cds_hooks.web.feedback import blueprint
    from prodrome.cds_hooks.web.front import Front
    from prodrome.cds_hooks.web.server import Server
    from prodrome.cds_hooks.web.workers import listen

    settings = Settings(database_url=url)
    app = Flask(__name__)
    app.register_blueprint(blueprint(_Site(Store(settings)), Authenticator(settings)))
    front = Front(app, max_body_bytes=1_000_000, max_waiting=SENDERS, patience_seconds=10)
    with listen("127.0.0.1", 0) as listener:
        ready.send(listener.getsockname()[1])
        Server(front, grace_seconds=1).run(sockets=[listener])


class _Sender(threading.Thread):
    """Sends feedback about one card after another until the service is gone; notes what was acknowledged."""

    def __init__(self, port: int, cards: list[str], acknowledged: set[str]) -> None:
        super().__init__()
        self.port, self.cards, self.acknowledged = port, cards, acknowledged

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            while self.cards:
                batch = [self.cards.pop() for _ in range(min(3, len(self.cards)))]
                said = {"outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
                body = orjson.dumps({"feedback": [{"card": card, **said} for card in batch]})
                connection.request("POST", PATH, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                if answer.status == 200 and not answer.read():
                    self.acknowledged.update(batch)
        except (OSError, http.client.HTTPException):
            return  # killed: what was on its way is not acknowledged
        finally:
            connection.close()


def _killed_again_and_again(url: str, times: int) -> tuple[set[str], set[str]]:
    """What was acknowledged, and what is kept."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["prodrome.cds_hooks.web.server", "prodrome.cds_hooks.web.feedback", "alembic.command"]
    )
    randomness = random.Random(1)
    acknowledged: set[str] = set()
    database = Database(url)
    store = Store(Settings(), database)
    for round_ in range(times):
        cards = [f"{round_}-{number}" for number in range(600)]
        visit = Visit("prodrome-patient-view", str(round_), "1.0.0")
        store.remember(visit, [Shown(card, "REF-01", "info") for card in cards])
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(url, theirs), daemon=True)
        process.start()
        theirs.close()
        port = ours.recv()
        ours.close()
        senders = [_Sender(port, cards[start::SENDERS], acknowledged) for start in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(randomness.uniform(0.01, LONGEST_LIFE))
        process.kill()
        process.join()
        for sender in senders:
            sender.join()
        process.close()
    with database.reading() as connection:
        kept = set(connection.execute(select(feedback.c.card)).scalars())
    database.close()
    return acknowledged, kept


def _lost_nothing(url: str, times: int) -> None:
    acknowledged, kept = _killed_again_and_again(url, times)
    print(f"\n{times} kills: {len(acknowledged)} acknowledged, {len(kept)} kept, {len(acknowledged - kept)} lost")
    assert len({card.split("-")[0] for card in acknowledged}) > times // 2, "the service was hardly ever at work"
    assert acknowledged <= kept


@pytest.mark.slow
@pytest.mark.withstands("killed")
def test_a_service_killed_fifty_times_loses_no_acknowledged_feedback_on_sqlite(tmp_path: Path) -> None:
    _lost_nothing(f"sqlite:///{tmp_path / 'prodrome.db'}", times=50)


@pytest.mark.slow
@pytest.mark.withstands("killed")
def test_a_service_killed_again_and_again_loses_no_acknowledged_feedback_on_postgresql() -> None:
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgresql.running() as address:
        _lost_nothing(f"{address}/postgres", times=20)
