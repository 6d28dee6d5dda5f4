"""Databases that fail while the service works: calls go on, nothing acknowledged is lost."""

import contextlib
import multiprocessing
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event, select, text

from prodrome.cds_hooks.database import Database, DatabaseAway, WriteBehind, feedback, shown_card
from prodrome.cds_hooks.database.connecting import PROBE_SECONDS
from prodrome.cds_hooks.feedback import MAX_ENTRIES, Showing, Shown, Store, StoreUnavailable, read_feedback
from prodrome.cds_hooks.settings import Settings, SettingsError
from tests import postgresql
from tests.databases import eventually
from tests.serving import Answer, Client, client_of, rules_in, service

EXAMPLE = Path(__file__).parents[2] / "examples" / "order-sign-contraindicated.json"
SERVICE = "/cds-services/prodrome-order-sign"


@dataclass
class Site:
    """A running service, its store, and the fault that its database can have."""

    client: Client
    store: Store
    fault: Callable[[], AbstractContextManager[None]]

    def show(self) -> str:
        """Ask for a card; its id."""
        request = {**orjson.loads(EXAMPLE.read_bytes()), "hookInstance": str(uuid.uuid4())}
        answer = self.client.post(SERVICE, json=request)
        assert answer.status_code == 200
        assert rules_in(answer.get_json())
        card: str = answer.get_json()["cards"][0]["uuid"]
        return card

    def answer(self, *cards: str, **more: object) -> Answer:
        said = {"outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z", **more}
        return self.client.post(f"{SERVICE}/feedback", json={"feedback": [{"card": card, **said} for card in cards]})

    def kept(self) -> set[str]:
        with self.store.database.reading() as connection:
            return set(connection.execute(select(feedback.c.card)).scalars())

    def noted(self) -> list[str]:
        """The cards shown that the database knows, in the order in which they were written."""
        order = "rowid" if self.store.database.engine.dialect.name == "sqlite" else "ctid"
        with self.store.database.reading() as connection:
            return list(connection.exec_driver_sql(f"SELECT uuid FROM shown_card ORDER BY {order}").scalars())


@contextlib.contextmanager
def stopped(server: postgresql.Server) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def each_connection_begins_with(database: Database, pragma: str) -> Iterator[None]:
    def limit(connection: Any, _: object) -> None:
        connection.execute(pragma)

    event.listen(database.engine, "connect", limit)
    database.engine.dispose()
    yield
    event.remove(database.engine, "connect", limit)
    database.engine.dispose()


@pytest.fixture(
    params=["PostgreSQL stopped", "PostgreSQL frozen", "SQLite locked", "SQLite read-only", "SQLite on a full disk"]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        file = tmp_path / "prodrome.db"
        if request.param.startswith("PostgreSQL"):
            if postgresql.programs() is None:
                pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
            server = stack.enter_context(postgresql.server())
            app = service(database_url=f"{server.address}/postgres")
        else:
            app = service(database_url=f"sqlite:///{file}")
        store: Store = app.extensions["prodrome"].store
        faults: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "PostgreSQL stopped": lambda: stopped(server),
            "PostgreSQL frozen": lambda: server.frozen(),
            "SQLite locked": lambda: locked(file),
            "SQLite read-only": lambda: each_connection_begins_with(store.database, "PRAGMA query_only = ON"),
            # No less than the file has: what needs a further page finds the disk full.
            "SQLite on a full disk": lambda: each_connection_begins_with(store.database, "PRAGMA max_page_count = 1"),
        }
        stack.callback(store.close)
        client = stack.enter_context(client_of(app))
        yield Site(client, store, faults[request.param])


@pytest.mark.withstands("database away", "card shown meanwhile")
def test_calls_go_on_and_what_could_not_be_noted_is_noted_when_the_database_is_back(site: Site) -> None:
    before = site.show()
    assert site.answer(before).status_code == 200
    site.store.flush()
    with site.fault():
        meanwhile = []
        for _ in range(150):  # more than fits on the pages that are there
            began = time.monotonic()
            meanwhile.append(site.show())
            assert time.monotonic() - began < 5
        answer = site.answer(*meanwhile, overrideReason={"reason": {"code": "c" * 200, "system": "s" * 200}})
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
    eventually(lambda: not site.store.database.away)
    eventually(lambda: site.noted()[1:] == meanwhile)
    answer = site.answer(*meanwhile)
    assert (answer.status_code, answer.data) == (200, b"")
    assert site.kept() == {before, *meanwhile}


@pytest.mark.withstands("database away")
def test_an_acknowledged_answer_outlives_the_fault(site: Site) -> None:
    acknowledged = set()
    for _ in range(5):
        card = site.show()
        if site.answer(card).status_code == 200:
            acknowledged.add(card)
    with site.fault():
        for _ in range(3):
            card = site.show()
            if site.answer(card).status_code == 200:
                acknowledged.add(card)
    eventually(lambda: not site.store.database.away)
    assert len(acknowledged) >= 5
    assert acknowledged <= site.kept()


# --- rows that wait -------------------------------------------------------------------------------------------------


VISIT = Showing("prodrome-patient-view", "instance", "1.0.0")


def uuids(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(shown_card.c.uuid).order_by(shown_card.c.uuid)).scalars())


@pytest.mark.withstands("database away")
def test_so_many_rows_wait_and_no_more(database_url: str) -> None:
    database = Database(database_url)
    taken: list[int] = []

    def write(connection: Any, rows: Any) -> None:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
        taken.extend(row["n"] for row in rows)

    queue = WriteBehind(database, write, capacity=10)
    with database._state:
        database._away = True
    for n in range(25):
        queue.add([{"n": n}])
    assert database._back()
    queue.flush()
    assert taken == list(range(15, 25))
    queue.close()
    database.close()


def test_a_card_that_the_database_does_not_take_keeps_back_no_other() -> None:
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgresql.running() as address:
        store = Store(Settings(database_url=f"{address}/postgres"))
        store.remember(
            VISIT, [Shown("a", "REF-01", "info"), Shown("b" * 40, "REF-01", "info")]
        )  # too long for its column
        store.remember(VISIT, [Shown("c", "REF-01", "info")])
        store.flush()
        assert uuids(store.database) == ["a", "c"]
        store.close()


@pytest.mark.withstands("normal stop")
def test_a_service_that_is_told_to_stop_writes_the_cards_that_wait(tmp_path: Path) -> None:
    file = tmp_path / "prodrome.db"
    program = f"""
from prodrome.cds_hooks.feedback import Showing, Shown, Store
from prodrome.cds_hooks.settings import Settings
store = Store(Settings(database_url="sqlite:///{file}"))
store.remember(Showing("prodrome-patient-view", "instance", "1.0.0"), [Shown("a", "REF-01", "info")])
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert uuids(Database(f"sqlite:///{file}")) == ["a"]


@pytest.mark.withstands("card shown meanwhile")
def test_a_card_that_another_process_still_writes_is_known(shared_database_url: str) -> None:
    here, there = (Store(Settings(database_url=shared_database_url)) for _ in range(2))
    here.remember(VISIT, [Shown("a", "REF-01", "info")])
    entry = {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
    assert there.record(read_feedback({"feedback": [entry]})).unknown == ()
    here.close()
    there.close()


@pytest.mark.withstands("card shown meanwhile")
def test_a_card_of_a_process_for_which_the_database_is_away_is_not_said_to_be_unknown(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where one process of a service gets no connection any more: its cards are to be asked about again."""
    store = Store(Settings(database_url=shared_database_url))
    entry = {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
    said = read_feedback({"feedback": [entry]})
    assert store.record(said).unknown == (0,)

    def away(**_: bool) -> AbstractContextManager[Any]:
        raise sqlite3.OperationalError

    def show() -> None:
        monkeypatch.setattr(store.database, "_transaction", away)
        store.remember(VISIT, [Shown("a", "REF-01", "info")])
        with pytest.raises(StoreUnavailable):
            store.flush()
        shown.set()
        asked.wait(10)
        monkeypatch.undo()
        eventually(lambda: not store.unwritten)
        store.close()

    processes = multiprocessing.get_context("fork")
    shown, asked = processes.Event(), processes.Event()
    other = processes.Process(target=show)
    other.start()
    try:
        assert shown.wait(10)
        with pytest.raises(StoreUnavailable):
            store.record(said)
        asked.set()
        other.join(10)
        assert other.exitcode == 0
        assert store.record(said).unknown == ()
    finally:
        other.kill()
    store.close()


# --- large batches --------------------------------------------------------------------------------------------------


@pytest.mark.withstands("large feedback")
def test_a_batch_over_the_bound_is_refused_whole(tmp_path: Path) -> None:
    app = service(database_url=f"sqlite:///{tmp_path / 'prodrome.db'}")
    store: Store = app.extensions["prodrome"].store
    store.remember(VISIT, [Shown("a", "REF-01", "info")])
    with client_of(app) as client:
        said = {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
        for count in (MAX_ENTRIES + 1, 87_000):
            answer = client.post(f"{SERVICE}/feedback", json={"feedback": [said] * count})
            assert answer.status_code == 413
        with store.database.reading() as connection:
            assert connection.execute(select(feedback.c.card)).all() == []
        assert client.post(f"{SERVICE}/feedback", json={"feedback": [said] * MAX_ENTRIES}).status_code == 200
    store.close()


@pytest.mark.withstands("large feedback")
def test_a_batch_is_written_in_parts_so_that_others_write_between(database_url: str) -> None:
    store = Store(Settings(database_url=database_url))
    cards = [f"c{number}" for number in range(1000)]
    store.remember(VISIT, [Shown(card, "REF-01", "info") for card in cards])
    store.flush()
    sizes: list[int] = []
    commits: list[object] = []
    event.listen(store.database.engine, "commit", commits.append)

    @event.listens_for(store.database.engine, "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        if statement.startswith("INSERT INTO feedback"):
            sizes.append(len(parameters) if many else 1)

    said = {"outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
    assert store.record(read_feedback({"feedback": [{"card": card, **said} for card in cards]})).taken == 1000
    assert max(sizes) <= 200
    assert len(commits) >= 5
    store.close()


@pytest.mark.withstands("stored text")
def test_what_is_kept_of_a_call_and_of_a_reason_is_bounded(database_url: str) -> None:
    store = Store(Settings(database_url=database_url))
    instance = "Mrs Example, 1980-01-01 " * 10_000
    store.remember(Showing("prodrome-patient-view", instance, "1.0.0"), [Shown("a", "REF-01", "info")])
    reason = {"code": "done", "system": "https://example.org", "display": "d" * 4000}
    said = {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
    assert store.record(read_feedback({"feedback": [{**said, "overrideReason": {"reason": reason}}]})).taken == 1
    with store.database.reading() as connection:
        (kept,) = connection.execute(select(shown_card.c.hook_instance)).scalars()
        (display,) = connection.execute(select(feedback.c.reason_display)).scalars()
    assert len(kept) == 64
    assert "Example" not in kept
    assert len(display) == 200
    store.close()


def test_nothing_is_acknowledged_into_a_file_that_was_taken_away(tmp_path: Path) -> None:
    """What is written to it is gone with it, though SQLite writes on; and none is made where it may be put back."""
    file, elsewhere = tmp_path / "prodrome.db", tmp_path / "elsewhere.db"
    database = Database(f"sqlite:///{file}")
    with database.writing(durable=True):
        pass
    file.rename(elsewhere)
    with pytest.raises(DatabaseAway), database.writing(durable=True):
        pass
    time.sleep(3 * PROBE_SECONDS)
    assert database.away
    assert not file.exists()
    elsewhere.rename(file)
    eventually(lambda: not database.away)
    with database.writing(durable=True):
        pass
    file.write_bytes(file.read_bytes())
    with database.writing(durable=True):  # the same file, however its bytes changed
        pass
    database.close()


def test_a_schema_of_a_newer_version_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'prodrome.db'}"
    database = Database(url)
    with database.writing(durable=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(SettingsError, match="found '9999' of a newer version: take the schema back"):
        Database(url)


def test_database_files_are_for_their_user_only(tmp_path: Path) -> None:
    file = tmp_path / "prodrome.db"
    file.touch(mode=0o644)
    store = Store(Settings(database_url=f"sqlite:///{file}"))
    store.remember(VISIT, [Shown("a", "REF-01", "info")])
    store.flush()
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "prodrome.db": "0o600",
        "prodrome.db-wal": "0o600",
        "prodrome.db-shm": "0o600",
    }
    store.close()


@pytest.mark.parametrize("content", [None, "no database, but somebody's text"], ids=["folder", "text"])
def test_what_is_no_database_keeps_its_mode(tmp_path: Path, content: str | None) -> None:
    """An address may be mistyped, and name what others need."""
    place = tmp_path / "place"
    place.mkdir() if content is None else place.write_text(content * 100)
    mode = 0o755 if content is None else 0o644
    place.chmod(mode)
    with pytest.raises(SettingsError):
        Database(f"sqlite:///{place}")
    assert place.stat().st_mode & 0o777 == mode
