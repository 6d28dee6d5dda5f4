"""Each token is good for one call: those seen are remembered, by hash, until they expire (SEC-16).

They are kept in the database, so that a second worker or a restarted one refuses them too, and in this process, so
that a token is refused here even while the database fails.
"""

import threading
import time
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from prodrome.cds_hooks.database import Database, seen_token

_SWEEP_SECONDS = 60.0


class SeenTokens:
    """The tokens seen, all over the site where *database* is given, else in this process."""

    def __init__(self, database: Database | None = None, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._here: dict[str, float] = {}
        self._next_sweep = clock() + _SWEEP_SECONDS

    def first_time(self, issuer: str, jti: str, expires: float) -> bool:
        """Whether this token was never seen before; from now on it was. ``expires``: seconds since 1970."""
        token = sha256(f"{len(issuer)}:{issuer}{jti}".encode()).hexdigest()
        now = self._clock()
        with self._lock:
            sweep = now >= self._next_sweep
            if sweep:
                self._here = {seen: until for seen, until in self._here.items() if until >= now}
                self._next_sweep = now + _SWEEP_SECONDS
            if token in self._here:
                return False
            self._here[token] = expires
        return self._first_time_anywhere(token, expires, now, sweep)

    def _first_time_anywhere(self, token: str, expires: float, now: float, sweep: bool) -> bool:
        database = self._database
        if database is None or database.resting:
            return True
        row = {"token": token, "expires": int(expires) + 1}
        dialect = postgresql if database.engine.dialect.name == "postgresql" else sqlite
        first = True
        with database.spared("tokens seen elsewhere are not known"), database.writing(durable=False) as connection:
            if sweep:
                connection.execute(delete(seen_token).where(seen_token.c.expires < int(now)))
            # ON CONFLICT waits for another transaction with the same token: of two workers exactly one is first.
            first = connection.execute(dialect.insert(seen_token).values(row).on_conflict_do_nothing()).rowcount == 1
        return first
