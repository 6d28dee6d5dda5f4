"""What became of the cards: those shown, and what users answered.

A card is known by its uuid. Users and patients are known by keyed hashes only, and only where a site set a secret.
"""

import atexit
import hmac
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select

from prodrome.cds_hooks.callers import ANYONE, Caller
from prodrome.cds_hooks.database import Database, DatabaseAway, WriteBehind, bare, feedback, shown_card
from prodrome.cds_hooks.feedback.reading import FeedbackEntry
from prodrome.cds_hooks.logs import alarm
from prodrome.cds_hooks.runtime import waiting
from prodrome.cds_hooks.settings import Settings
from prodrome.rules import ProdromeError

_PART = 200
"""Most entries or old cards in one transaction: no batch keeps others from writing for long."""
_LOOK_AGAIN_SECONDS = (0.1, 0.2, 0.3)
"""Pauses before a card is said to be unknown: another process may not have written yet that it showed it."""
_MOST_LOOKING_AGAIN = 2
_CLOCK_SET_BACK = timedelta(days=1)
"""What is said to have been overridden later than that from now was noted by a clock that ran ahead."""


@dataclass(frozen=True, slots=True)
class Showing:
    """One call: who looked at which patient. ``user`` and ``patient`` are used to make hashes, and not kept."""

    service: str
    hook_instance: str
    rulebook_version: str
    user: str | None = None
    patient: str | None = None
    caller: Caller = ANYONE


@dataclass(frozen=True, slots=True)
class Shown:
    """A card about to be shown. ``finding`` says what it is about: the same text for the same finding next time.

    A card of a ``safety`` rule is shown again however often it was overridden.
    """

    uuid: str
    rule: str
    indicator: str
    suggestions: tuple[str, ...] = ()
    finding: str | None = None
    safety: bool = False

    @classmethod
    def of(cls, card: Mapping[str, Any], finding: str | None = None, *, safety: bool = False) -> "Shown":
        """From a card as it goes out; its rule is its ``source.topic.code``."""
        suggestions = tuple([suggestion["uuid"] for suggestion in card.get("suggestions", ())])
        return cls(card["uuid"], card["source"]["topic"]["code"], card["indicator"], suggestions, finding, safety)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: how many entries are kept, and the positions of those about cards not known.

    ``unoffered`` are the positions of kept ones that name a suggestion which their card did not offer.
    """

    taken: int
    unknown: tuple[int, ...] = ()
    unoffered: tuple[int, ...] = ()


_OVERRIDDEN = (
    select(shown_card.c.finding)
    .join(feedback, feedback.c.card == shown_card.c.uuid)
    .where(
        shown_card.c.finding.in_(bindparam("findings", expanding=True)),
        feedback.c.outcome == "overridden",
        feedback.c.outcome_at > bindparam("since"),
        feedback.c.outcome_at <= bindparam("until"),
    )
)


class StoreUnavailable(ProdromeError):
    """The database cannot keep feedback now; nothing of the batch was kept."""


class Store:
    """The feedback kept in a database.

    ``remember`` and ``suppressed`` serve a clinician who waits: they never raise, and do without the database while it
    is away; the cards shown are written behind the answer, and wait while the database is away. ``record`` answers a
    client that will send again: it raises :class:`StoreUnavailable`. :meth:`close` before a stop.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.database = database or Database(settings.database_url)
        self._secret = settings.secret.get_secret_value().encode() if settings.secret else None
        self._override_days = settings.override_days
        self._keep_days = settings.keep_days
        self._keep_comments = settings.keep_comments
        self._now = now
        self._insert = self.database.insert_once(bare(shown_card))
        self._shown = WriteBehind(self.database, self._note, self._forget_daily)
        self._looking_again = threading.Semaphore(_MOST_LOOKING_AGAIN)
        self._forget_again = now()
        atexit.register(_close, weakref.ref(self._shown))

    def remember(self, visit: Showing, cards: Sequence[Shown]) -> None:
        """Note the cards of an answer, so that feedback to them is known. They are written soon."""
        if not cards:
            return
        now = self.database.instant(self._now())
        instance = _instance(visit.hook_instance)
        self._shown.add(
            [
                {
                    "uuid": card.uuid,
                    "rule": card.rule,
                    "rulebook_version": visit.rulebook_version,
                    "indicator": card.indicator,
                    "service": visit.service,
                    "hook_instance": instance,
                    "issuer": visit.caller.issuer,
                    "suggestions": orjson.dumps(card.suggestions).decode(),
                    "shown_at": now,
                    "finding": self._hash_unless_safety(visit, card),
                }
                for card in cards
            ]
        )

    @property
    def unwritten(self) -> int:
        """How many cards shown wait to be written."""
        return self._shown.waiting

    def flush(self) -> None:
        """Write the cards that wait to be written. Raises :class:`StoreUnavailable`: then they wait on."""
        try:
            self._shown.flush()
        except DatabaseAway:
            raise StoreUnavailable from None

    def close(self) -> None:
        """Write what waits and let go of the database."""
        _close(weakref.ref(self._shown))
        self.database.close()

    def may_suppress(self, visit: Showing) -> bool:
        """Whether the site has overrides remembered, and the call says whose they would be."""
        return bool(self._override_days and self._secret is not None and visit.user and visit.patient)

    def suppressed(self, visit: Showing, findings: Collection[str]) -> frozenset[str]:
        """Those findings that this user overrode for this patient within the days the site set."""
        if not findings or not self.may_suppress(visit):
            return frozenset()
        hashes = {self._hash(visit, finding): finding for finding in findings}
        now = self._now()
        since, until = now - timedelta(days=self._override_days), now + _CLOCK_SET_BACK
        wanted = {"findings": list(hashes), "since": since, "until": until}
        try:
            with self.database.reading() as connection:
                return frozenset(hashes[finding] for (finding,) in connection.execute(_OVERRIDDEN, wanted))
        except DatabaseAway:
            return frozenset()

    def record(self, entries: Sequence[FeedbackEntry], caller: Caller = ANYONE) -> Receipt:
        """Keep a batch, all of it on disk before this returns. The same entry again changes nothing.

        A card not shown, or shown to another issuer, is not known. Raises StoreUnavailable: then part of the batch may
        be kept, and the whole of it is to be sent again.
        """
        try:
            self._shown.flush()
            unoffered: list[int] = []
            unknown = self._keep(range(len(entries)), entries, caller, unoffered)
            if unknown and not self.database.in_memory:
                unknown = self._look_again(unknown, entries, caller, unoffered)
        except DatabaseAway:
            raise StoreUnavailable from None
        return Receipt(len(entries) - len(unknown), tuple(unknown), tuple(sorted(unoffered)))

    def _look_again(
        self, unknown: Sequence[int], entries: Sequence[FeedbackEntry], caller: Caller, unoffered: list[int]
    ) -> Sequence[int]:
        if not self._looking_again.acquire(blocking=False):
            raise StoreUnavailable
        try:
            for pause in _LOOK_AGAIN_SECONDS:
                with waiting():
                    time.sleep(pause)
                unknown = self._keep(unknown, entries, caller, unoffered)
                if not unknown:
                    break
        finally:
            self._looking_again.release()
        if unknown and self.database.lately_away:  # and another process may not have written yet what it showed
            raise StoreUnavailable
        return unknown

    def _keep(
        self, wanted: Sequence[int], entries: Sequence[FeedbackEntry], caller: Caller, unoffered: list[int]
    ) -> Sequence[int]:
        """Keep the *wanted* of the entries, part by part; the positions of those whose card is not known.

        Adds to *unoffered* the positions of those that name a suggestion which their card did not offer.
        """
        unknown: list[int] = []
        now = self._now()
        for start in range(0, len(wanted), _PART):
            part = wanted[start : start + _PART]
            with self.database.writing(durable=True) as connection:
                known = dict(_offered(connection, {entries[index].card for index in part}, caller))
                rows = [self._row(entry, known[entry.card], now) for i in part if (entry := entries[i]).card in known]
                if rows:
                    connection.execute(self.database.insert_once(feedback), rows)
            unknown += [index for index in part if entries[index].card not in known]
            named = ((index, entries[index]) for index in part if entries[index].card in known)
            unoffered += [index for index, entry in named if not set(entry.suggestions).issubset(known[entry.card])]
        return unknown

    def _note(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(self._insert, list(rows))

    def _forget_daily(self) -> None:
        """Forget cards, with their feedback, that were shown longer ago than the site keeps them."""
        now = self._now()
        if self._forget_again - timedelta(days=1) <= now < self._forget_again:  # earlier: the clock was set back
            return
        old = select(shown_card.c.uuid).where(shown_card.c.shown_at < now - timedelta(days=self._keep_days))
        gone = _PART
        while gone == _PART:
            with self.database.writing(durable=False) as connection:
                cards = connection.execute(old.limit(_PART)).scalars().all()
                connection.execute(delete(shown_card).where(shown_card.c.uuid.in_(cards)))
            gone = len(cards)
        self._forget_again = now + timedelta(days=1)

    def _row(self, entry: FeedbackEntry, offered: Collection[str], now: datetime) -> dict[str, object]:
        return {
            "card": entry.card,
            "outcome": entry.outcome,
            # A client's clock that runs ahead must not suppress a card for longer than the site said.
            "outcome_at": min(entry.at, now),
            "suggestions": [suggestion for suggestion in entry.suggestions if suggestion in offered],
            "reason_system": entry.reason_system,
            "reason_code": entry.reason_code,
            "reason_display": entry.reason_display,
            "commented": entry.comment is not None,
            "comment": entry.comment if self._keep_comments else None,
            "received_at": now,
            "digest": entry.digest,
        }

    def _hash_unless_safety(self, visit: Showing, card: Shown) -> str | None:
        if card.finding is None or card.safety or card.indicator == "critical":
            return None
        return self._hash(visit, card.finding)

    def _hash(self, visit: Showing, finding: str) -> str | None:
        if self._secret is None or not visit.user or not visit.patient:
            return None
        said = [visit.caller.issuer, visit.caller.tenant, visit.user, visit.patient, finding]
        return hmac.digest(self._secret, orjson.dumps(said), "sha256").hex()


def _offered(connection: Connection, cards: Collection[str], caller: Caller) -> Iterator[tuple[str, list[str]]]:
    """Those of *cards* that were shown to this caller, with the suggestions that each offered."""
    query = select(shown_card.c.uuid, shown_card.c.suggestions, shown_card.c.issuer).where(shown_card.c.uuid.in_(cards))
    for card, suggestions, issuer in connection.execute(query):
        if issuer == caller.issuer:
            yield card, suggestions


def _instance(said: str) -> str:
    """The id of a call as it is kept: a UUID as such, anything else that a client may have written as its hash."""
    try:
        return str(uuid.UUID(said))
    except ValueError:
        return sha256(said.encode(errors="replace")).hexdigest()


def _close(reference: "weakref.ref[WriteBehind]") -> None:
    shown = reference()
    try:
        if shown is not None:
            shown.close()
    except DatabaseAway:
        alarm("cards shown are not remembered: the database is away at the end")
