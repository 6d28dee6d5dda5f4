"""The store, on each database: what is kept, what is not, what is known of users and patients."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from prodrome.cds_hooks.callers.caller import Caller
from prodrome.cds_hooks.database import Database, connecting
from prodrome.cds_hooks.database.tables import feedback, metadata, shown_card
from prodrome.cds_hooks.feedback import Receipt, Showing, Shown, Store, StoreUnavailable
from prodrome.cds_hooks.feedback.reading import FeedbackEntry
from prodrome.cds_hooks.settings import Settings, SettingsError
from tests.databases import eventually

NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)
VISIT = Showing("prodrome-patient-view", "instance-1", "1.0.0", "Practitioner/dr-1", "patient-1")
CARD = Shown("c1", "REF-01", "info", ("s1", "s2"), "REF-01")
SITE = Settings(secret="a secret of the tests", override_days=30)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(database_url: str, clock: Clock) -> Iterator[Callable[..., Store]]:
    opened: list[Store] = []

    def open_(**said: Any) -> Store:
        site = Settings(**{**SITE.model_dump(exclude_unset=True), "database_url": database_url, **said})
        opened.append(Store(site, now=clock))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()


def overridden(card: str = "c1", at: datetime = NOW, **more: Any) -> FeedbackEntry:
    return FeedbackEntry(card, "overridden", at, **more)


def accepted(card: str = "c1", at: datetime = NOW, suggestions: tuple[str, ...] = ("s1",)) -> FeedbackEntry:
    return FeedbackEntry(card, "accepted", at, suggestions)


def rows(store: Store) -> list[Any]:
    store.flush()
    with store.database.reading() as connection:
        return list(connection.execute(select(feedback).order_by(feedback.c.id)))


def everything(store: Store) -> str:
    """All that the database holds, as text."""
    store.flush()
    with store.database.reading() as connection:
        return "\n".join(
            str(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(select(table))
        )


@pytest.mark.requirement("FB-04", "FB-11")
def test_feedback_is_tied_to_the_card_that_was_shown(store: Store) -> None:
    store.remember(VISIT, [CARD, replace(CARD, uuid="c2")])
    store.remember(replace(VISIT, hook_instance="instance-2"), [replace(CARD, uuid="c3")])
    receipt = store.record([accepted("c1"), overridden("c2", reason_code="done"), overridden("c3")])
    assert receipt == Receipt(3)
    assert [(row.card, row.outcome, row.reason_code) for row in rows(store)] == [
        ("c1", "accepted", None),
        ("c2", "overridden", "done"),
        ("c3", "overridden", None),
    ]


@pytest.mark.requirement("FB-17")
def test_feedback_to_a_card_that_was_never_shown_is_not_kept_and_said_so(store: Store) -> None:
    store.remember(VISIT, [CARD])
    assert store.record([overridden("x"), accepted("c1"), overridden("y" * 200)]) == Receipt(1, (0, 2))
    assert len(rows(store)) == 1


def test_the_same_cards_shown_again_are_remembered_once(store: Store) -> None:
    store.remember(VISIT, [CARD])
    store.remember(VISIT, [CARD])
    store.flush()
    with store.database.engine.connect() as connection:
        assert connection.execute(select(shown_card.c.uuid)).all() == [("c1",)]


def test_feedback_to_a_card_shown_to_another_client_is_not_kept(store: Store) -> None:
    north, south = Caller("https://north.example.org"), Caller("https://south.example.org")
    store.remember(replace(VISIT, caller=north), [CARD])
    assert store.record([overridden()], south) == Receipt(0, (0,))
    assert store.record([overridden()]) == Receipt(0, (0,))
    assert store.record([overridden()], north) == Receipt(1)


@pytest.mark.requirement("FB-12")
def test_the_same_feedback_again_changes_nothing(store: Store) -> None:
    store.remember(VISIT, [CARD])
    for _ in range(3):
        assert store.record([accepted(), accepted()]) == Receipt(2)
    assert len(rows(store)) == 1


@pytest.mark.requirement("FB-12")
def test_a_card_may_be_answered_again_later_and_otherwise(store: Store) -> None:
    store.remember(VISIT, [CARD])
    store.record([overridden()])
    store.record([accepted(at=NOW + timedelta(minutes=1))])
    store.record([accepted(at=NOW + timedelta(minutes=1), suggestions=("s2",))])
    assert [row.outcome for row in rows(store)] == ["overridden", "accepted", "accepted"]


def test_only_suggestions_of_the_card_are_kept_with_it(store: Store) -> None:
    store.remember(VISIT, [CARD])
    assert store.record([accepted(suggestions=("s2", "of another card"))]) == Receipt(1, unoffered=(0,))
    assert rows(store)[0].suggestions == ["s2"]


def test_a_batch_may_be_large(store: Store) -> None:
    cards = [replace(CARD, uuid=f"c{number}") for number in range(1200)]
    store.remember(VISIT, cards)
    assert store.record([overridden(card.uuid) for card in cards]) == Receipt(1200)


def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert store.record([]) == Receipt(0)


def test_times_are_kept_as_instants(store: Store) -> None:
    store.remember(VISIT, [CARD])
    at = datetime.fromisoformat("2026-06-15T11:30:00.250000+02:00")
    store.record([overridden(at=at)])
    assert rows(store)[0].outcome_at == at
    assert rows(store)[0].received_at == NOW


def test_a_store_that_is_opened_again_knows_its_cards(open_store: Callable[..., Store], database_url: str) -> None:
    if database_url == "sqlite://":
        pytest.skip("memory ends with its store")
    first = open_store()
    first.remember(VISIT, [CARD])
    first.close()
    assert open_store().record([overridden()]) == Receipt(1)


@pytest.mark.requirement("FB-19", "SEC-30")
def test_no_user_patient_or_comment_is_in_the_database(store: Store) -> None:
    store.remember(VISIT, [CARD])
    store.suppressed(VISIT, [CARD.finding or ""])
    store.record([overridden(reason_code="done", comment="Mrs Example had chest pain")])
    kept = everything(store)
    assert "done" in kept
    assert not any(secret in kept for secret in ("dr-1", "patient-1", "Example", "chest", "a secret of the tests"))
    assert rows(store)[0].commented


def test_a_site_may_keep_comments(open_store: Callable[..., Store]) -> None:
    store = open_store(keep_comments=True)
    store.remember(VISIT, [CARD])
    store.record([overridden(comment="seen elsewhere")])
    assert rows(store)[0].comment == "seen elsewhere"


# --- suppression ----------------------------------------------------------------------------------------------------


def shown_and_overridden(store: Store, card: Shown = CARD, visit: Showing = VISIT, at: datetime = NOW) -> None:
    store.remember(visit, [card])
    assert store.record([overridden(card.uuid, at)], visit.caller) == Receipt(1)


def test_an_overridden_finding_stays_away_from_that_user_and_patient(store: Store) -> None:
    shown_and_overridden(store)
    assert store.suppressed(VISIT, ["REF-01", "NPH-01"]) == {"REF-01"}


@pytest.mark.parametrize(
    "other",
    [
        replace(VISIT, user="Practitioner/dr-2"),
        replace(VISIT, patient="patient-2"),
        replace(VISIT, caller=Caller("https://north.example.org")),
        replace(VISIT, user=None),
        replace(VISIT, patient=None),
    ],
    ids=["another user", "another patient", "another client", "no user", "no patient"],
)
def test_an_overridden_finding_comes_to_everybody_else(store: Store, other: Showing) -> None:
    shown_and_overridden(store)
    assert store.suppressed(other, ["REF-01"]) == frozenset()


def test_another_hook_does_not_bring_the_finding_back(store: Store) -> None:
    shown_and_overridden(store)
    later = replace(VISIT, service="prodrome-encounter-start", hook_instance="instance-2", rulebook_version="1.0.1")
    assert store.suppressed(later, ["REF-01"]) == {"REF-01"}


def test_a_finding_comes_back_after_the_days_the_site_set(store: Store, clock: Clock) -> None:
    shown_and_overridden(store)
    clock.now = NOW + timedelta(days=30, seconds=-1)
    assert store.suppressed(VISIT, ["REF-01"]) == {"REF-01"}
    clock.now = NOW + timedelta(days=30)
    assert store.suppressed(VISIT, ["REF-01"]) == frozenset()


def test_a_clock_that_runs_ahead_at_the_client_does_not_lengthen_the_days(store: Store, clock: Clock) -> None:
    shown_and_overridden(store, at=NOW + timedelta(days=3650))
    clock.now = NOW + timedelta(days=31)
    assert store.suppressed(VISIT, ["REF-01"]) == frozenset()


@pytest.mark.parametrize(("back", "suppressed"), [(timedelta(hours=1), True), (timedelta(days=365), False)])
def test_a_clock_set_back_lengthens_the_days_by_one_at_most(
    store: Store, clock: Clock, back: timedelta, suppressed: bool
) -> None:
    shown_and_overridden(store)
    clock.now = NOW - back
    assert store.suppressed(VISIT, ["REF-01"]) == ({"REF-01"} if suppressed else set())


@pytest.mark.parametrize("said", [{"override_days": 0}, {"override_days": 0, "secret": None}])
def test_nothing_is_suppressed_where_the_site_turned_it_off(open_store: Callable[..., Store], said: Any) -> None:
    store = open_store(**said)
    shown_and_overridden(store)
    assert store.suppressed(VISIT, ["REF-01"]) == frozenset()


@pytest.mark.parametrize(
    "card",
    [
        Shown("c1", "SAF-01", "warning", (), "SAF-01|order", safety=True),
        Shown("c1", "SAF-01", "critical", (), "SAF-01|order"),
        Shown("c1", "MOH-01", "critical", (), "SAF-01|order"),
    ],
)
def test_a_safety_card_is_never_suppressed(store: Store, card: Shown) -> None:
    shown_and_overridden(store, card)
    assert store.suppressed(VISIT, ["SAF-01|order"]) == frozenset()


@pytest.mark.requirement("FB-13")
def test_a_card_that_was_accepted_or_ignored_is_not_suppressed(store: Store) -> None:
    store.remember(VISIT, [CARD, Shown("c2", "NPH-01", "info", (), "NPH-01")])
    store.record([accepted()])
    assert store.suppressed(VISIT, ["REF-01", "NPH-01"]) == frozenset()


def test_another_secret_knows_nobody(open_store: Callable[..., Store], database_url: str) -> None:
    if database_url == "sqlite://":
        pytest.skip("memory ends with its store")
    shown_and_overridden(open_store())
    assert open_store(secret="another secret of the tests").suppressed(VISIT, ["REF-01"]) == frozenset()


# --- keeping and failing --------------------------------------------------------------------------------------------


def test_old_cards_are_forgotten_with_their_feedback(store: Store, clock: Clock) -> None:
    shown_and_overridden(store)
    clock.now = NOW + timedelta(days=730)
    store.remember(VISIT, [replace(CARD, uuid="young")])
    assert len(rows(store)) == 1
    clock.now = NOW + timedelta(days=731)
    store.remember(VISIT, [replace(CARD, uuid="younger")])

    def cards() -> set[str]:
        with store.database.reading() as connection:
            return set(connection.execute(select(shown_card.c.uuid)).scalars())

    eventually(lambda: cards() == {"young", "younger"})
    assert rows(store) == []


def broken(store: Store) -> None:
    with store.database.writing(durable=True) as connection:
        connection.execute(text("DROP TABLE feedback"))
        connection.execute(text("DROP TABLE shown_card"))


def test_a_broken_store_does_not_stop_an_answer(store: Store) -> None:
    broken(store)
    assert store.suppressed(VISIT, ["REF-01"]) == frozenset()
    store.remember(VISIT, [CARD])


def test_a_broken_store_does_not_acknowledge_feedback(store: Store) -> None:
    broken(store)
    with pytest.raises(StoreUnavailable):
        store.record([overridden()])


def test_a_batch_is_kept_whole_or_not_at_all(store: Store) -> None:
    store.remember(VISIT, [CARD])

    def disk_full(_: object) -> None:
        raise OperationalError("COMMIT", {}, OSError("no space left"))

    event.listen(store.database.engine, "commit", disk_full)
    with pytest.raises(StoreUnavailable):
        store.record([accepted(), overridden()])
    event.remove(store.database.engine, "commit", disk_full)
    eventually(lambda: not store.database.away)
    assert rows(store) == []
    assert store.record([accepted(), overridden()]) == Receipt(2)


def test_a_database_that_cannot_be_opened_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="database_url: the database cannot be opened"):
        Database(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")


def test_many_threads_write_at_once_and_nothing_is_lost(store: Store) -> None:
    problems: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(10):
                card = replace(CARD, uuid=f"c{thread}-{number}")
                store.remember(VISIT, [card])
                assert store.record([overridden(card.uuid)]) == Receipt(1)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(rows(store)) == 40


def test_workers_that_start_together_find_one_schema(database_url: str) -> None:
    if database_url == "sqlite://":
        pytest.skip("memory belongs to one process")
    program = [
        sys.executable,
        "-c",
        "import sys; from prodrome.cds_hooks.database import Database; Database(sys.argv[1])",
    ]
    workers = [subprocess.Popen([*program, database_url]) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]


def without_tables(database_url: str) -> None:
    """Leave nothing in the database but the note that no migration was done."""
    database = Database(database_url)
    with database.writing(durable=True) as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DELETE FROM alembic_version")
    database.close()


def test_the_migrations_make_the_tables_that_a_new_database_gets(database_url: str) -> None:
    if database_url == "sqlite://":
        pytest.skip("memory is made anew")
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    without_tables(database_url)
    database = Database(database_url)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_database_that_is_new_or_up_to_date_is_opened_without_a_look_at_the_migrations(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_url == "sqlite://":
        pytest.skip("memory is made anew")
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(connecting.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == connecting.NEWEST
    asked: list[object] = []
    upgrade = command.upgrade

    def upgraded(config: Config, revision: str) -> None:
        asked.append(revision)
        upgrade(config, revision)

    monkeypatch.setattr(command, "upgrade", upgraded)
    for times in (0, 0):
        Database(database_url).close()
        assert len(asked) == times
    without_tables(database_url)
    for times in (1, 1):
        Database(database_url).close()
        assert len(asked) == times


@pytest.fixture(scope="module")
def shared_store() -> Iterator[Store]:
    store = Store(SITE, now=lambda: NOW)
    yield store
    store.close()


_EXAMPLE = itertools.count()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["accepted", "overridden"]), st.integers(0, 3))))
def test_in_whatever_order_and_batches_feedback_comes_the_same_is_kept(
    shared_store: Store, said: list[tuple[str, str, int]]
) -> None:
    expected = sorted({(card, outcome, NOW - timedelta(minutes=minute)) for card, outcome, minute in said})
    for split in (False, True):
        prefix = f"{next(_EXAMPLE)}-"
        shared_store.remember(VISIT, [replace(CARD, uuid=prefix + card) for card in "abc"])
        entries = [
            FeedbackEntry(prefix + card, outcome, NOW - timedelta(minutes=minute)) for card, outcome, minute in said
        ]
        for batch in [[entry] for entry in reversed(entries)] if split else [entries]:
            assert shared_store.record(batch) == Receipt(len(batch))
        kept = [row for row in rows(shared_store) if row.card.startswith(prefix)]
        assert sorted((row.card.removeprefix(prefix), row.outcome, row.outcome_at) for row in kept) == expected
