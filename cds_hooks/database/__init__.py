"""The one database: cards shown, feedback to them, tokens seen. SQLite (a file or memory) or PostgreSQL by address.

Two ways to write. *Durable*: on disk before the call returns, for what a caller is told was kept. *Quick*: safe from
the death of this process but not from a power cut, for what is written while a clinician waits.
"""

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from prodrome.cds_hooks.database.tables import feedback, seen_token, shown_card
from prodrome.cds_hooks.logs import alarm, failure
from prodrome.cds_hooks.settings import SettingsError

__all__ = ["Database", "feedback", "seen_token", "shown_card"]

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 2
"""Longest wait for a lock, a connection or a statement."""
REST_SECONDS = 5.0
"""After a failure the calls of clinicians do without the database for so long."""
_ADVISORY_LOCK = 5_297_361
_MIGRATING = threading.Lock()  # alembic keeps its context in its module


class Database:
    """Connections to the database at *url*, its schema brought up to date when it is opened.

    Raises :class:`SettingsError` where it cannot be opened, and later :class:`sqlalchemy.exc.SQLAlchemyError`.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.close = weakref.finalize(self, self.engine.dispose)
        self._rests_until = 0.0
        try:
            with self.writing(durable=True) as connection:
                if self.engine.dialect.name == "postgresql":  # workers that start together migrate one after the other
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                _migrate(connection)
        except SQLAlchemyError as error:
            self.close()
            raise SettingsError([f"database_url: the database cannot be opened ({type(error).__name__})"]) from error

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, undone by an exception in it."""
        with self.engine.connect().execution_options(durable=durable) as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self, *, unhurried: bool = False) -> Iterator[Connection]:
        """One transaction that only reads, and waits for no writer. *unhurried*: it may take its time."""
        options = {"reading": True, "unhurried": unhurried}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @property
    def resting(self) -> bool:
        """Whether the database failed a moment ago, so that nobody should wait for it now."""
        return time.monotonic() < self._rests_until

    @contextmanager
    def spared(self, event_name: str) -> Iterator[None]:
        """Let a failure of the database pass, with an alarm: for work that no clinician should wait or fail for."""
        try:
            yield
        except SQLAlchemyError as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            alarm(event_name, **failure(error))


def _engine(address: str) -> Engine:
    url = make_url(address)
    if url.get_backend_name() == "postgresql":
        limits = f"-c statement_timeout={WAIT_SECONDS * 1000} -c lock_timeout={WAIT_SECONDS * 1000}"
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_timeout=WAIT_SECONDS,
            connect_args={"connect_timeout": WAIT_SECONDS, "options": limits},
            hide_parameters=True,
        )
        event.listen(engine, "begin", _begin_postgresql)
        return engine
    memory = url.database in (None, "", ":memory:")
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if memory else {}  # memory lives in one connection
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_timeout=WAIT_SECONDS,
        connect_args={"check_same_thread": False, "timeout": WAIT_SECONDS},
        hide_parameters=True,
        **pool,
    )
    event.listen(engine, "connect", _connect_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _connect_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA synchronous={'FULL' if options.get('durable') else 'NORMAL'}")
    driver.execute("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("unhurried"):
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    if not options.get("durable"):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _MIGRATING:
        command.upgrade(config, "head")
