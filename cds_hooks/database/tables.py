"""The tables. None of them holds an identifier of a patient or user, a token or anything from a chart."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TableClause,
    Text,
    TypeDecorator,
    UniqueConstraint,
    column,
    table,
)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC (SQLite keeps no offset)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; naive for SQLite, which knows no time zones."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, always aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def bare(whole: Table) -> TableClause:
    """A table whose values go to the database as they are: many rows, made ready by who has them, cost half as much."""
    return table(whole.name, *(column(one.name) for one in whole.columns))


metadata = MetaData()

shown_card = Table(
    "shown_card",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("rulebook_version", String(32), nullable=False),
    Column("indicator", String(16), nullable=False),
    Column("service", String(128), nullable=False),
    Column("hook_instance", Text, nullable=False),
    Column("issuer", Text),
    Column("suggestions", JSON, nullable=False),
    Column("shown_at", Instant, nullable=False),
    # Keyed hash of caller, user, patient and finding; empty where the card is never to be suppressed.
    Column("finding", String(64)),
    Index("shown_card_by_finding", "finding"),
    Index("shown_card_by_time", "shown_at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("card", String(36), ForeignKey("shown_card.uuid", ondelete="CASCADE"), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("outcome_at", Instant, nullable=False),
    Column("suggestions", JSON, nullable=False),
    Column("reason_system", Text),
    Column("reason_code", Text),
    Column("reason_display", Text),
    Column("commented", Boolean, nullable=False),
    Column("comment", Text),
    Column("received_at", Instant, nullable=False),
    # Hash of what was said, so that the same feedback sent again is one row.
    Column("digest", String(64), nullable=False),
    UniqueConstraint("card", "digest", name="feedback_said_once"),
)

seen_token = Table(
    "seen_token",
    metadata,
    Column("token", String(64), primary_key=True),  # hash of iss and jti
    Column("expires", BigInteger, nullable=False),  # seconds since 1970
    Index("seen_token_by_expiry", "expires"),
)
