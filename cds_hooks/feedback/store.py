"""What became of the cards: those shown, and what users answered.

A card is known by its uuid. Users and patients are known by keyed hashes only, and only where a site set a secret.
"""

import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Insert, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from prodrome.cds_hooks.callers import ANYONE, Caller
from prodrome.cds_hooks.database import Database, feedback, shown_card
from prodrome.cds_hooks.feedback.reading import Entry
from prodrome.cds_hooks.logs import alarm, failure
from prodrome.cds_hooks.settings import Settings

SAFETY_RULES = frozenset({"SAF-01"})
"""Rules whose cards are shown again however often they were overridden."""

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Visit:
    """One call: who looked at which patient. ``user`` and ``patient`` are used to make hashes, and not kept."""

    service: str
    hook_instance: str
    rulebook_version: str
    user: str | None = None
    patient: str | None = None
    caller: Caller = ANYONE


@dataclass(frozen=True, slots=True)
class Shown:
    """A card about to be shown. ``finding`` says what it is about: the same text for the same finding next time."""

    uuid: str
    rule: str
    indicator: str
    suggestions: tuple[str, ...] = ()
    finding: str | None = None

    @classmethod
    def of(cls, card: Mapping[str, Any], finding: str | None = None) -> "Shown":
        """From a card as it goes out; its rule is its ``source.topic.code``."""
        suggestions = tuple(suggestion["uuid"] for suggestion in card.get("suggestions", ()))
        return cls(card["uuid"], card["source"]["topic"]["code"], card["indicator"], suggestions, finding)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: how many entries are kept, and the positions of those about cards not known."""

    taken: int
    unknown: tuple[int, ...] = ()


class StoreUnavailable(Exception):
    """The database cannot keep feedback now; nothing of the batch was kept."""


class Store:
    """The feedback kept in a database.

    ``remember`` and ``suppressed`` serve a clinician who waits: they never raise, and do without the database where
    it fails. ``record`` answers a client that will send again: it raises :class:`StoreUnavailable`.
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
        self._prune_again = now()
        self._prune_daily()

    def remember(self, visit: Visit, cards: Sequence[Shown]) -> None:
        """Note the cards of an answer, so that feedback to them is known. Called before the answer is sent."""
        if not cards or self.database.resting:
            return
        self._prune_daily()
        now = self._now()
        rows = [
            {
                "uuid": card.uuid,
                "rule": card.rule,
                "rulebook_version": visit.rulebook_version,
                "indicator": card.indicator,
                "service": visit.service,
                "hook_instance": visit.hook_instance.replace("\0", ""),
                "issuer": visit.caller.issuer,
                "suggestions": list(card.suggestions),
                "shown_at": now,
                "finding": self._hash_unless_safety(visit, card),
            }
            for card in cards
        ]
        with self.database.spared("cards shown are not remembered"), self.database.writing(durable=False) as connection:
            connection.execute(self._insert_once(shown_card), rows)

    def suppressed(self, visit: Visit, findings: Collection[str]) -> frozenset[str]:
        """Those findings that this user overrode for this patient within the days the site set."""
        if not findings or not self._override_days or self.database.resting:
            return frozenset()
        hashes = {self._hash(visit, finding): finding for finding in findings}
        hashes.pop(None, None)
        since = self._now() - timedelta(days=self._override_days)
        query = (
            select(shown_card.c.finding)
            .join(feedback, feedback.c.card == shown_card.c.uuid)
            .where(
                shown_card.c.finding.in_(list(hashes)),
                feedback.c.outcome == "overridden",
                feedback.c.outcome_at > since,
            )
        )
        found: set[str] = set()
        with self.database.spared("overrides are not known"), self.database.reading() as connection:
            found = {hashes[finding] for (finding,) in connection.execute(query)}
        return frozenset(found)

    def record(self, entries: Sequence[Entry], caller: Caller = ANYONE) -> Receipt:
        """Keep a batch, all of it on disk before this returns. The same entry again changes nothing.

        A card not shown, or shown to another issuer, is not known. Raises StoreUnavailable.
        """
        now = self._now()
        with self._answering("feedback cannot be kept"), self.database.writing(durable=True) as connection:
            known: dict[str, list[str]] = {}
            cards = sorted({entry.card for entry in entries})
            for start in range(0, len(cards), _CHUNK):
                query = select(shown_card.c.uuid, shown_card.c.suggestions, shown_card.c.issuer).where(
                    shown_card.c.uuid.in_(cards[start : start + _CHUNK])
                )
                for uuid, suggestions, issuer in connection.execute(query):
                    if issuer == caller.issuer:
                        known[uuid] = suggestions
            rows = [self._row(entry, known[entry.card], now) for entry in entries if entry.card in known]
            if rows:
                connection.execute(self._insert_once(feedback), rows)
        unknown = tuple(index for index, entry in enumerate(entries) if entry.card not in known)
        return Receipt(len(rows), unknown)

    def _prune_daily(self) -> None:
        """Forget cards, with their feedback, that were shown longer ago than the site keeps them."""
        now = self._now()
        if now < self._prune_again:
            return
        self._prune_again = now + timedelta(days=1)
        before = now - timedelta(days=self._keep_days)
        with self.database.spared("old cards are not removed"), self.database.writing(durable=False) as connection:
            connection.execute(delete(shown_card).where(shown_card.c.shown_at < before))

    def _row(self, entry: Entry, offered: Collection[str], now: datetime) -> dict[str, object]:
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

    def _hash_unless_safety(self, visit: Visit, card: Shown) -> str | None:
        if card.finding is None or card.rule in SAFETY_RULES or card.indicator == "critical":
            return None
        return self._hash(visit, card.finding)

    def _hash(self, visit: Visit, finding: str) -> str | None:
        if self._secret is None or not visit.user or not visit.patient:
            return None
        said = [visit.caller.issuer, visit.caller.tenant, visit.user, visit.patient, finding]
        return hmac.digest(self._secret, orjson.dumps(said), "sha256").hex()

    def _insert_once(self, table: Table) -> Insert:
        if self.database.engine.dialect.name == "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing()
        return sqlite.insert(table).on_conflict_do_nothing()

    @contextmanager
    def _answering(self, event_name: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            alarm(event_name, **failure(error))
            raise StoreUnavailable from None
