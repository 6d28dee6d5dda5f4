"""The report: per rule, what users did with its cards."""

import csv
import io
from argparse import ArgumentParser
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from prodrome.cds_hooks.command_line import feedback as command
from prodrome.cds_hooks.database import Database
from prodrome.cds_hooks.feedback import Showing, Shown, Store
from prodrome.cds_hooks.feedback.reading import FeedbackEntry
from prodrome.cds_hooks.feedback.report import (
    OverrideReason,
    RuleReport,
    as_csv,
    as_table,
    feedback_report,
    report_as_json,
)
from prodrome.cds_hooks.settings import Settings

DAY = datetime(2026, 6, 15, 23, 30, tzinfo=UTC)
VISIT = Showing("prodrome-patient-view", "instance", "1.0.0")


def shown(store: Store, rule: str, *uuids: str) -> None:
    store.remember(VISIT, [Shown(uuid, rule, "info", ("s1",)) for uuid in uuids])


def overridden(card: str, code: str | None = None, minute: int = 0, **more: str) -> FeedbackEntry:
    return FeedbackEntry(card, "overridden", DAY + timedelta(minutes=minute), reason_code=code, **more)  # type: ignore[arg-type]


def accepted(card: str, minute: int = 0) -> FeedbackEntry:
    return FeedbackEntry(card, "accepted", DAY + timedelta(minutes=minute), ("s1",))


@pytest.fixture
def store(database_url: str) -> Store:
    now = [DAY]
    store = Store(Settings(database_url=database_url), now=lambda: now[0])
    shown(store, "REF-01", "r1", "r2", "r3", "r4")
    now[0] = DAY + timedelta(days=2)
    shown(store, "NPH-01", "n1")
    shown(store, "REF-01", "r5")
    return store


def test_nothing_shown_is_nothing_to_tell(database_url: str) -> None:
    database = Database(database_url)
    assert feedback_report(database) == []
    assert as_table([]) == "No cards were shown in this time."
    assert report_as_json([]) == "[]"


@pytest.mark.requirement("FB-13")
def test_each_rule_is_counted_by_card_and_no_answer_is_no_rejection(store: Store) -> None:
    store.record(
        [
            accepted("r1"),
            accepted("r1", minute=1),  # one card, however many of its suggestions
            overridden("r2", "done", reason_display="Already done"),
            overridden("r3", "done"),
            overridden("r4"),
        ]
    )
    nonpharmacological, referral = feedback_report(store.database)
    assert nonpharmacological == RuleReport("NPH-01", 1, 0, 0, date(2026, 6, 17), date(2026, 6, 17), ())
    reasons = (OverrideReason(None, "done", "Already done", 2), OverrideReason(None, None, None, 1))
    assert referral == RuleReport("REF-01", 5, 1, 3, date(2026, 6, 15), date(2026, 6, 17), reasons)
    assert (referral.unanswered, nonpharmacological.unanswered) == (1, 1)


def test_the_last_answer_to_a_card_counts(store: Store) -> None:
    store.record([accepted("r1", minute=5), overridden("r1", "done", minute=3), overridden("r2"), accepted("r2", 1)])
    referral = feedback_report(store.database)[1]
    assert (referral.accepted, referral.overridden) == (2, 0)


def test_a_report_may_be_of_some_days(store: Store) -> None:
    store.record([overridden("r1"), overridden("r5")])
    first, last = date(2026, 6, 15), date(2026, 6, 17)
    assert [(rule.rule, rule.shown, rule.overridden) for rule in feedback_report(store.database, until=first)] == [
        ("REF-01", 4, 1)
    ]
    assert [(rule.rule, rule.shown, rule.overridden) for rule in feedback_report(store.database, since=last)] == [
        ("NPH-01", 1, 0),
        ("REF-01", 1, 1),
    ]
    assert feedback_report(store.database, since=date(2026, 6, 16), until=date(2026, 6, 16)) == []


def test_the_report_is_written_as_json_csv_and_table(store: Store) -> None:
    store.record([overridden("r2", "done", reason_display="Already done"), accepted("r1")])
    rules = feedback_report(store.database)
    assert orjson.loads(report_as_json(rules))[1] == {
        "rule": "REF-01",
        "shown": 5,
        "accepted": 1,
        "overridden": 1,
        "unanswered": 3,
        "first_shown": "2026-06-15",
        "last_shown": "2026-06-17",
        "reasons": [{"system": None, "code": "done", "display": "Already done", "count": 1}],
    }
    assert list(csv.DictReader(io.StringIO(as_csv(rules))))[1]["reasons"] == "Already done: 1"
    table = as_table(rules).splitlines()
    assert table[0].split() == ["rule", "shown", "accepted", "overridden", "unanswered", "from", "to"]
    assert table[2].split() == ["REF-01", "5", "1", "1", "3", "2026-06-15", "2026-06-17"]
    assert table[3].strip() == "Already done: 1"


def test_a_reason_that_a_client_made_up_is_neither_a_formula_nor_a_control_sequence(store: Store) -> None:
    store.record([overridden("r2", "x", reason_display='=HYPERLINK("https://evil.example.org")\x1b[2J')])
    rules = feedback_report(store.database)
    assert list(csv.DictReader(io.StringIO(as_csv(rules))))[1]["reasons"].startswith("'=HYPERLINK")
    assert "\x1b" not in as_csv(rules) + as_table(rules) + report_as_json(rules)


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_the_command_prints_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRODROME_DATABASE_URL", f"sqlite:///{tmp_path / 'prodrome.db'}")
    store = Store(Settings(database_url=f"sqlite:///{tmp_path / 'prodrome.db'}"), now=lambda: DAY)
    shown(store, "REF-01", "r1")
    store.flush()
    assert run() == 0
    assert "REF-01" in capsys.readouterr().out
    assert run("--json", "--since", "2026-06-15") == 0
    assert orjson.loads(capsys.readouterr().out)[0]["shown"] == 1
    assert run("--csv", "--until", "2026-06-14") == 0
    assert capsys.readouterr().out == as_csv([])


def test_the_command_says_where_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run() == 1
    assert "database_url" in capsys.readouterr().err
