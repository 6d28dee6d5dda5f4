"""Connections to the database: SQLite (a file or memory) or PostgreSQL by address.

Two ways to write. *Durable*: on disk before the call returns, for what a caller is told was kept. *Quick*: safe from
the death of this process but not from a power cut, for what is written beside the answer.

A database that fails is *away*: everybody is told so at once, with :class:`DatabaseAway`, and nobody waits, until a
thread that tries again finds that it can be written.
"""

import contextlib
import mmap
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Insert,
    MetaData,
    PrimaryKeyConstraint,
    QueuePool,
    String,
    Table,
    TableClause,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from prodrome.cds_hooks.database.tables import Instant, metadata
from prodrome.cds_hooks.logs import alarm, failure, log
from prodrome.cds_hooks.runtime import waiting
from prodrome.cds_hooks.settings import SettingsError
from prodrome.rules import ProdromeError

MIGRATIONS = Path(__file__).parent / "migrations"
_WAIT_SECONDS = 2
"""Longest wait for a lock, a connection or a statement."""
UNHURRIED_SECONDS = 300
"""Longest wait of who said that it may take its time."""
PROBE_SECONDS = 0.2
"""How often a database that is away is tried."""
LONGEST_PROBE_SECONDS = 2.0
"""How seldom at last, where it fails as soon as it is back."""
_FLAPPING_SECONDS = 10.0
_LATELY_SECONDS = 2 * LONGEST_PROBE_SECONDS
"""So long after it was last found away, what waited meanwhile may not be written yet."""
_ADVISORY_LOCK = 5_297_361
_OPENED = "file"
"""Under which a connection of SQLite has the file that it opened, and which that was."""
_MIGRATING = threading.Lock()  # alembic keeps its context in its module


class DatabaseAway(ProdromeError):
    """The database cannot be asked now; of the transaction nothing is known to be kept."""


class Database:
    """Connections to the database at *url*, its schema brought up to date when it is opened.

    Raises :class:`SettingsError` where it cannot be opened, and later :class:`DatabaseAway`.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.in_memory = _in_memory(url)
        """Whether what is kept ends with this process, and no other process sees it."""
        dialect = self.engine.dialect
        self._instant = Instant().dialect_impl(dialect).bind_processor(dialect)
        self._state = threading.Lock()
        # Writers of one process queue here: among those that wait for SQLite's own lock some are never served.
        self._writers = threading.Lock() if dialect.name == "sqlite" else contextlib.nullcontext()
        self._away = False
        self._pause = PROBE_SECONDS
        self._back_at = float("-inf")
        self._when_back: list[Callable[[], object]] = []
        self._last_away = memoryview(mmap.mmap(-1, 8)).cast("d")  # of all processes that are forked from this one
        self._last_away[0] = float("-inf")
        self.close = weakref.finalize(self, self.engine.dispose)
        if not self.in_memory:
            _leave_connections_to_the_parent(self.engine)
        try:
            with self._transaction(durable=True) as connection:
                if self.engine.dialect.name == "postgresql":  # workers that start together migrate one after the other
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                _migrate(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            raise SettingsError([f"database_url: the database cannot be opened ({type(error).__name__})"]) from error
        file = Path(str(self.engine.url.database))
        self._file = file if self.engine.dialect.name == "sqlite" and file.exists() else None
        if self._file is not None:
            _keep_for_this_user_only(self._file)

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, undone by an exception in it."""
        with waiting(), self._writers, self._told_when_away(), self._transaction(durable=durable) as connection:
            yield connection

    @contextmanager
    def reading(self, *, unhurried: bool = False) -> Iterator[Connection]:
        """One transaction that only reads, and waits for no writer. *unhurried*: it may take its time."""
        with waiting(), self._told_when_away(), self._transaction(reading=True, unhurried=unhurried) as connection:
            yield connection

    def instant(self, value: datetime) -> object:
        """A time as the columns of this database take it, for a row of a :func:`bare` table."""
        return self._instant(value) if self._instant else value

    def insert_once(self, table: Table | TableClause) -> Insert:
        """An insert that leaves out rows whose key is there; of two transactions with one key exactly one inserts."""
        if self.engine.dialect.name == "postgresql":  # each is heavy, and one of them is never needed
            from sqlalchemy.dialects import postgresql

            return postgresql.insert(table).on_conflict_do_nothing()
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table).on_conflict_do_nothing()

    @property
    def away(self) -> bool:
        """Whether the database failed and was not found well since."""
        return self._away

    @property
    def lately_away(self) -> bool:
        """Whether the database is away, or was a moment ago, for this process or for one forked from the same."""
        return time.monotonic() - self._last_away[0] < _LATELY_SECONDS

    def when_back(self, call: Callable[[], object]) -> None:
        """Have *call* called whenever the database was away and is back."""
        self._when_back.append(call)

    @contextmanager
    def _transaction(self, **options: bool) -> Iterator[Connection]:
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def _told_when_away(self) -> Iterator[None]:
        if self._away:
            raise DatabaseAway
        try:
            yield
        except (DataError, IntegrityError):  # the fault of what was to be written
            raise
        except (SQLAlchemyError, sqlite3.Error) as error:  # the driver's own where a transaction cannot begin
            self._lost(error)
            raise DatabaseAway from error

    def _lost(self, error: BaseException) -> None:
        with self._state:
            if self._away:
                return
            self._away = True
            now = self._last_away[0] = time.monotonic()
            flapping = now - self._back_at < _FLAPPING_SECONDS
            self._pause = min(2 * self._pause, LONGEST_PROBE_SECONDS) if flapping else PROBE_SECONDS
        alarm("the database is away", **failure(error))
        watch = threading.Thread(target=_watch, args=(weakref.ref(self), self._pause), daemon=True)
        watch.start()

    def _back(self) -> bool:
        self._last_away[0] = time.monotonic()
        if self._file is not None and not self._file.exists():  # never made anew, where one may be put back
            return False
        try:
            # It must be possible to write: a full disk, too, lets a transaction begin.
            with self._transaction(durable=True) as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        except (SQLAlchemyError, sqlite3.Error):
            return False
        with self._state:
            self._away = False
            self._back_at = time.monotonic()
        log("the database is back")
        for call in self._when_back:
            call()
        return True


def _watch(reference: "weakref.ref[Database]", pause: float) -> None:
    """Try a database that is away again and again, until it is back or given up."""
    while True:
        time.sleep(pause)
        database = reference()
        if database is None or not database.close.alive or database._back():
            return
        del database


def _leave_connections_to_the_parent(engine: Engine) -> None:
    """A process that is forked must not speak on connections of the one it came from."""
    known = weakref.ref(engine)

    def forget() -> None:
        here = known()
        if here is not None:
            here.dispose(close=False)

    os.register_at_fork(after_in_child=forget)


def _in_memory(address: str) -> bool:
    url = make_url(address)
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _engine(address: str) -> Engine:
    url = make_url(address)
    if url.get_backend_name() == "postgresql":
        limits = f"-c statement_timeout={_WAIT_SECONDS * 1000} -c lock_timeout={_WAIT_SECONDS * 1000}"
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_timeout=_WAIT_SECONDS,
            connect_args={
                "connect_timeout": _WAIT_SECONDS,
                "tcp_user_timeout": _WAIT_SECONDS * 1000,
                "options": limits,
            },
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", _connect_postgresql)
        event.listen(engine, "begin", _begin_postgresql)
        return engine
    memory = _in_memory(address)
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if memory else {}  # memory lives in one connection
    if not memory:
        _make_for_this_user_only(Path(str(url.database)))
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_timeout=_WAIT_SECONDS,
        connect_args={"check_same_thread": False, "timeout": _WAIT_SECONDS},
        hide_parameters=True,
        **pool,
    )
    event.listen(engine, "connect", partial(_connect_sqlite, None if memory else Path(str(url.database))))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_for_this_user_only(file: Path) -> None:
    """Make a database that nobody else can read, where there is none."""
    with contextlib.suppress(OSError):  # whatever stands in the way is told when the database is opened
        # Never opened where it is there: closing it would end the locks that this process holds on it.
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _keep_for_this_user_only(file: Path) -> None:
    """Let nobody else read a database, nor its side files. Only of what was found to be one: it may be a folder."""
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        with contextlib.suppress(OSError):
            path.chmod(0o600)


def _identity(file: Path) -> tuple[int, int] | None:
    """Which file is in its place; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect_sqlite(file: Path | None, connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_OPENED] = (file, _identity(file)) if file else None
    connection.isolation_level = None  # transactions are begun below, not by the driver
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    driver: Any = connection.connection.driver_connection
    opened = None if options.get("reading") else connection.info[_OPENED]
    if opened and _identity(opened[0]) != opened[1]:
        connection.engine.dispose()  # what is written to a file that was taken away is gone with it
        raise sqlite3.OperationalError("the file of the database was taken away")
    driver.execute(f"PRAGMA synchronous={'FULL' if options.get('durable') else 'NORMAL'}")
    driver.execute("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")


def _connect_postgresql(_: object, __: object, args: Any, more: Any) -> Any:
    from prodrome.cds_hooks.database.impatient import ImpatientConnection  # the driver is there only where it is wanted

    connection = ImpatientConnection.connect(*args, **more)
    connection.longest_wait = _WAIT_SECONDS
    return connection


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    driver: Any = connection.connection.driver_connection
    driver.longest_wait = _WAIT_SECONDS
    if options.get("unhurried"):
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {UNHURRIED_SECONDS * 1000}")
        driver.longest_wait = UNHURRIED_SECONDS
    if not options.get("durable"):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


_REVISIONS = frozenset(file.stem.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
NEWEST = max(_REVISIONS)
"""The revision that the migrations lead to."""


_REVISION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where the migrations note how far they came."""


def _migrate(connection: Connection) -> None:
    there = frozenset(inspect(connection).get_table_names())
    if there.isdisjoint((_REVISION.name, *metadata.tables)):  # new: made as it is now, and said to be up to date
        metadata.create_all(connection, checkfirst=False)
        _REVISION.create(connection)
        connection.execute(_REVISION.insert(), {"version_num": NEWEST})
        return
    noted = connection.scalars(select(_REVISION.c.version_num)).all() if _REVISION.name in there else ()
    if noted == [NEWEST]:
        return
    if unknown := sorted(set(noted) - _REVISIONS):
        raise SettingsError(
            [
                f"database_url: expected a schema up to {NEWEST}, found {unknown[0][:40]!r} of a newer version:"
                " take the schema back with that version, or restore the backup made before the upgrade"
            ]
        )
    from alembic import command  # heavy, and few starts have anything to migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _MIGRATING:
        command.upgrade(config, "head")
