"""Connections to PostgreSQL that wait for no answer longer than they may.

A server that is stopped, or a machine that is frozen, breaks no connection: its kernel goes on to say that it is there.
The limits that the server itself keeps do not hold then.
"""

from collections.abc import Generator
from typing import Any, TypeVar

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

T = TypeVar("T")
OVER_SECONDS = 1.0
"""The server's own limit is to be met first: it leaves the connection whole."""


class ImpatientConnection(Connection[Any]):
    """A connection that is closed where its server does not answer within ``longest_wait`` seconds."""

    longest_wait: float | None = None

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **more: Any) -> T:
        """What the driver waits with. Raises ``OperationalError``."""
        if self.longest_wait is not None:
            more.setdefault("timeout", self.longest_wait + OVER_SECONDS)
        try:
            return super().wait(gen, *args, **more)
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # the answer may still come: not to the next
                self.pgconn.finish()
            raise
