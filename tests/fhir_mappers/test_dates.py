"""Dates as written: partial ones stand for every day they may mean."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers.dates import is_before, months_before, parse_when, read_period
from prodrome.rules.facts import When
from tests.fhir_mappers.build import facts, request, rxnorm, statement


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2023-12", date(2023, 12, 1), date(2023, 12, 31)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("2024-03-10T23:30:00-05:00", date(2024, 3, 10), date(2024, 3, 10)),
        ("2024-03-10T00:30:00+13:00", date(2024, 3, 10), date(2024, 3, 10)),
        ("2024-03-10T23:59:60Z", date(2024, 3, 10), date(2024, 3, 10)),
        ("2024-03-10T10:00", date(2024, 3, 10), date(2024, 3, 10)),
    ],
)
def test_a_date_is_the_calendar_date_as_written(text: str, first: date, last: date) -> None:
    when = parse_when(text)
    assert (when.first, when.last) == (first, last)


def test_a_full_timestamp_keeps_its_instant() -> None:
    assert parse_when("2024-03-10T23:30:00-05:00").instant == datetime(2024, 3, 11, 4, 30, tzinfo=UTC)
    assert parse_when("2024-03-10T23:30:00.123456789Z").instant is not None
    assert parse_when("2024-03-10T10:00:00").instant is None  # without an offset nobody knows when


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "24-01-01",
        "2024-13",
        "2023-02-29",
        "20240101",
        "2024-W10-1",
        "2024-1-1",
        "0000",
        "\u0662\u0660\u0662\u0664",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_when(text)


@given(st.dates())
def test_every_date_reads_back(day: date) -> None:
    assert parse_when(day.isoformat()) == When(day, day)
    assert parse_when(f"{day:%Y-%m}".zfill(7)).first == day.replace(day=1)


def test_two_full_timestamps_compare_as_instants() -> None:
    early, late = parse_when("2024-03-10T23:30:00+00:00"), parse_when("2024-03-10T20:00:00-05:00")
    assert is_before(early, late)
    assert not is_before(late, early)


def test_a_partial_date_is_before_another_only_when_every_day_is() -> None:
    assert is_before(parse_when("2024-02"), parse_when("2024-03-01"))
    assert not is_before(parse_when("2024-03"), parse_when("2024-03-31"))


def test_a_period_that_ends_before_it_starts_says_nothing() -> None:
    assert read_period({"p": {"start": "2024-03-02", "end": "2024-03-01"}}, "p") == (None, None)
    assert read_period({"p": {"start": "2024-03", "end": "2024-03-01"}}, "p") != (None, None)


@pytest.mark.parametrize("text", ["9999-12-31", "9999", "2200-01", "9999-12-31T23:59:59Z"])
def test_a_year_that_no_chart_can_tell_of_makes_its_row_unreadable(text: str) -> None:
    for row in (statement(end=text), statement(start=text, end=None), request(authoredOn=text)):
        read = facts(row, statement(rxnorm("38404")))
        assert [trial.drug for trial in read.trials] == ["topiramate"]
        assert [each.id for each in read.skipped] == [row["id"]]


@given(st.dates(date(2, 1, 1)), st.integers(1, 24))
def test_months_before_are_complete_months_in_order(day: date, count: int) -> None:
    months = months_before(day, count)
    assert all(month.day == 1 and month < day.replace(day=1) for month in months)
    assert months == sorted(months, reverse=True)
    assert len(set(months)) == len(months)
