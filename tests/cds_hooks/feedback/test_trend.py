"""Feedback over time: whole weeks, every card once, by its last answer."""

from datetime import UTC, date, datetime, timedelta

import pytest

from prodrome.cds_hooks.database import Database
from prodrome.cds_hooks.feedback import Showing, Shown, Store
from prodrome.cds_hooks.feedback.reading import FeedbackEntry
from prodrome.cds_hooks.feedback.trend import Week, weekly
from prodrome.cds_hooks.settings import Settings

MONDAY = datetime(2026, 6, 15, 0, 0, tzinfo=UTC)
VISIT = Showing("prodrome-patient-view", "instance", "1.0.0")


def at(days: int, hours: int = 0) -> datetime:
    return MONDAY + timedelta(days=days, hours=hours)


@pytest.fixture
def store(database_url: str) -> Store:
    now = [MONDAY]
    store = Store(Settings(database_url=database_url), now=lambda: now[0])
    for when, rule, uuid in (
        (at(-1, 23), "REF-01", "before"),
        (at(0), "REF-01", "first"),
        (at(6, 23), "DTT-01", "last"),
        (at(21), "REF-01", "later"),
    ):
        now[0] = when
        store.remember(VISIT, [Shown(uuid, rule, "info", ("s1",))])
    store.record(
        [
            FeedbackEntry("first", "overridden", at(1)),
            FeedbackEntry("first", "accepted", at(2), ("s1",)),
            FeedbackEntry("last", "overridden", at(7)),
        ]
    )
    store.flush()
    return store


def test_nothing_shown_is_no_week(database_url: str) -> None:
    assert weekly(Database(database_url)) == []


def test_a_week_begins_on_monday_and_quiet_weeks_are_there_too(store: Store) -> None:
    assert weekly(store.database) == [
        Week(date(2026, 6, 8), 1, 0, 0),
        Week(date(2026, 6, 15), 2, 1, 1),
        Week(date(2026, 6, 22), 0, 0, 0),
        Week(date(2026, 6, 29), 0, 0, 0),
        Week(date(2026, 7, 6), 1, 0, 0),
    ]


def test_days_and_a_rule_narrow_it(store: Store) -> None:
    only = weekly(store.database, since=date(2026, 6, 15), until=date(2026, 6, 21))
    assert only == [Week(date(2026, 6, 15), 2, 1, 1)]
    assert [week.shown for week in weekly(store.database, rule="DTT-01")] == [1]
    assert weekly(store.database, rule="DTT-02") == []
