"""Each token is good for one call: those used are remembered, by hash, until they expire (SEC-16).

They are kept in the database, on disk before the call goes on, so that another worker, or this one after a restart,
refuses them too. A token that cannot be looked up there is not accepted.
"""

import itertools
import time
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import delete, select

from prodrome.cds_hooks.database import Database, seen_token

_SWEEP_EVERY = 50
_SWEPT = 200  # more than come between two sweeps, so that expired tokens never pile up, and few enough to wait for


class UsedTokens:
    """The tokens used, all over the site."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._calls = itertools.count(1)

    def first_use(self, issuer: str, jti: str, expires: float) -> bool:
        """Whether this token was never used before; from now on it was. ``expires``: seconds since 1970.

        Raises :class:`prodrome.cds_hooks.database.DatabaseAway` where that cannot be said.
        """
        token = sha256(f"{len(issuer)}:{issuer}{jti}".encode()).hexdigest()
        insert = self._database.insert_once(seen_token).values(token=token, expires=int(expires) + 1)
        with self._database.writing(durable=True) as connection:
            # A conflict waits for another transaction with the same token: of two workers exactly one is first. The
            # row that comes back says which, on every database; not every driver counts rows.
            first = connection.execute(insert.returning(seen_token.c.token)).first() is not None
            if next(self._calls) % _SWEEP_EVERY == 0:
                old = select(seen_token.c.token).where(seen_token.c.expires < int(self._clock())).limit(_SWEPT)
                connection.execute(delete(seen_token).where(seen_token.c.token.in_(old)))
        return first
