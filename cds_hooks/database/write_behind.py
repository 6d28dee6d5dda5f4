"""Rows that are written soon, in groups: for what nobody should wait for."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from prodrome.cds_hooks.database.connecting import Database, DatabaseAway
from prodrome.cds_hooks.logs import alarm, failure
from prodrome.cds_hooks.runtime import waiting

TableRow = Mapping[str, Any]

_LINGER_SECONDS = 0.25
"""How long a group gathers before it is written."""
GROUP = 500
"""Most rows in one transaction: a few hundredths of a second, in which others cannot write."""
CAPACITY = 10_000
"""Most rows that wait while the database is away; then the oldest are given up, with an alarm."""


class WriteBehind:
    """A bounded queue of rows before *database*, emptied in order by one thread that ends when it is empty.

    *write* puts a group into the database; *after* is called between groups, for what is done now and then. While the
    database is away the rows wait. What still waits when the process ends is lost: :meth:`close` before a stop.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[TableRow]], object],
        after: Callable[[], object] = lambda: None,
        capacity: int = CAPACITY,
    ) -> None:
        self._database = database
        self._write = write
        self._after = after
        self._capacity = capacity
        self._rows: deque[TableRow] = deque()
        self._state = threading.Lock()
        self._writing = threading.Lock()
        self._running = False
        self._thread: threading.Thread | None = None
        database.when_back(self._start)

    @property
    def waiting(self) -> int:
        """How many rows are not written yet."""
        return len(self._rows)

    def add(self, rows: Sequence[TableRow]) -> None:
        """Have *rows* written soon. Never waits and never fails."""
        with self._state:
            self._rows.extend(rows)
            given_up = self._trim()
        if given_up:
            alarm("cards shown are not remembered: too many wait", cards=given_up)
        self._start()

    def flush(self) -> None:
        """Write everything that waits, before this returns. Raises :class:`DatabaseAway`: then it waits on."""
        with waiting(), self._writing:
            while group := self._next_group():
                try:
                    with self._database.writing(durable=False) as connection:
                        self._write(connection, group)
                except (DataError, IntegrityError):
                    self._write_singly(group)
                except DatabaseAway:
                    with self._state:
                        self._rows.extendleft(reversed(group))
                        self._trim()
                    raise

    def close(self) -> None:
        """Flush, and wait for what is under way. Raises :class:`DatabaseAway`: what waits is lost."""
        try:
            self.flush()
        finally:
            if self._thread is not None:
                self._thread.join()

    def _next_group(self) -> list[TableRow]:
        with self._state:
            return [self._rows.popleft() for _ in range(min(GROUP, len(self._rows)))]

    def _write_singly(self, group: list[TableRow]) -> None:
        """One row that the database does not take must not keep back the others."""
        for number, row in enumerate(group):
            try:
                with self._database.writing(durable=False) as connection:
                    self._write(connection, [row])
            except (DataError, IntegrityError) as error:
                alarm("a card shown cannot be remembered", **failure(error))
            except DatabaseAway:
                with self._state:
                    self._rows.extendleft(reversed(group[number:]))
                    self._trim()
                raise

    def _trim(self) -> int:
        over = max(0, len(self._rows) - self._capacity)
        for _ in itertools.repeat(None, over):
            self._rows.popleft()
        return over

    def _start(self) -> None:
        with self._state:
            if self._running or not self._rows or self._database.away:
                return
            self._running = True
            self._thread = threading.Thread(target=self._run, daemon=True, name="write behind")
            self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(_LINGER_SECONDS)
            try:
                self.flush()
                self._after()
            except DatabaseAway:
                pass  # told by the database; its return starts this again
            except Exception as error:
                alarm("cards shown are not remembered", **failure(error))
            with self._state:
                if not self._rows or self._database.away:
                    self._running = False
                    return
