"""Feedback as clients send it: what is read, and what is refused with every fault named."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.feedback.reading import MOST_FAULTS, FeedbackEntry, Malformed, read_feedback

AT = "2026-06-15T10:00:00Z"
INSTANT = datetime(2026, 6, 15, 10, tzinfo=UTC)


def entry(**said: Any) -> dict[str, Any]:
    whole = {"card": "c1", "outcome": "overridden", "outcomeTimestamp": AT, **said}
    return {name: value for name, value in whole.items() if value is not ...}


def read(**said: Any) -> FeedbackEntry:
    (found,) = read_feedback({"feedback": [entry(**said)]})
    return found


def faults(document: dict[str, Any]) -> list[str]:
    with pytest.raises(Malformed) as caught:
        read_feedback(document)
    return [member for member, _ in caught.value.faults]


@pytest.mark.requirement("FB-05", "FB-07")
def test_an_accepted_card_names_its_suggestions() -> None:
    found = read(outcome="accepted", acceptedSuggestions=[{"id": "s1"}, {"id": "s2"}])
    assert found == FeedbackEntry("c1", "accepted", INSTANT, ("s1", "s2"))


@pytest.mark.requirement("FB-07")
@pytest.mark.parametrize("suggestions", [..., None, [], {}, "s1"])
def test_an_accepted_card_without_suggestions_is_no_feedback(suggestions: object) -> None:
    assert faults({"feedback": [entry(outcome="accepted", acceptedSuggestions=suggestions)]}) == [
        "feedback[0].acceptedSuggestions"
    ]


def test_a_suggestion_that_is_named_again_is_accepted_once() -> None:
    found = read(outcome="accepted", acceptedSuggestions=[{"id": "s1"}, {"id": "s2"}, {"id": "s1"}])
    assert found.suggestions == ("s1", "s2")


def test_faults_are_found_so_far_and_no_further() -> None:
    suggestions = [1] * 300_000
    spread = [entry(outcome="accepted", acceptedSuggestions=suggestions[:1_000])] * 300
    for batch in ([entry(outcome="accepted", acceptedSuggestions=suggestions)], spread):
        assert len(faults({"feedback": batch})) == MOST_FAULTS


@pytest.mark.requirement("FB-07")
@pytest.mark.parametrize("suggestion", [None, "s1", {}, {"id": ""}, {"id": 7}])
def test_an_accepted_suggestion_has_an_id(suggestion: object) -> None:
    (member,) = faults({"feedback": [entry(outcome="accepted", acceptedSuggestions=[suggestion])]})
    assert member.startswith("feedback[0].acceptedSuggestions[0]")


ID = "6a3c7f3e-1f5e-4b6e-9d55-0f1f6d1f7a10"


@pytest.mark.parametrize("written", [ID, ID.upper(), f"urn:uuid:{ID}", f"URN:UUID:{ID.upper()}", f" {ID}\n"])
def test_a_uuid_is_the_same_however_it_is_written(written: str) -> None:
    found = read(card=written, outcome="accepted", acceptedSuggestions=[{"id": written}, {"id": ID}])
    assert (found.card, found.suggestions) == (ID, (ID,))


@pytest.mark.parametrize("written", ["C1", f"{ID}0", ID[:-1], f"x{ID}", "urn:uuid:c1"])
def test_an_id_that_is_no_uuid_is_taken_as_it_is(written: str) -> None:
    assert read(card=written).card == written


@pytest.mark.parametrize("offset", ["+24:00", "-00:60", "+99:99"])
def test_an_offset_that_no_clock_has_is_no_timestamp(offset: str) -> None:
    assert faults({"feedback": [entry(outcomeTimestamp=f"2026-06-15T10:00:00{offset}")]}) == [
        "feedback[0].outcomeTimestamp"
    ]


@pytest.mark.requirement("FB-14")
@pytest.mark.parametrize("reason", [..., None, {}])
def test_a_card_may_be_overridden_without_a_reason(reason: object) -> None:
    assert read(overrideReason=reason) == FeedbackEntry("c1", "overridden", INSTANT)


@pytest.mark.requirement("FB-08", "FB-09", "FB-10", "OVR-05")
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"reason": {"code": "x", "system": "s", "display": "d"}}, ("s", "x", "d", None)),
        ({"reason": {"code": "x", "system": "s"}}, ("s", "x", None, None)),
        ({"reason": {"code": "x"}}, (None, "x", None, None)),
        ({"reason": {"code": "x", "system": None, "display": ""}}, (None, "x", None, None)),
        ({"userComment": "tried"}, (None, None, None, "tried")),
        ({"reason": {"code": "x"}, "userComment": "tried"}, (None, "x", None, "tried")),
        ({"code": "x", "system": "s"}, ("s", "x", None, None)),  # the 1.1 draft
        ({"code": "x", "system": "s", "userComment": "tried"}, ("s", "x", None, "tried")),
        ({"coding": [{"code": "x", "system": "s"}]}, ("s", "x", None, None)),
        ({"reason": [{"code": "x", "system": "s"}]}, ("s", "x", None, None)),
        ({"reason": {"coding": [{"code": "x", "system": "s"}], "text": "d"}}, ("s", "x", None, None)),
        ([{"code": "x", "system": "s"}], ("s", "x", None, None)),
    ],
)
def test_a_reason_is_a_coding_or_a_comment_or_both(override: object, expected: tuple[str | None, ...]) -> None:
    found = read(overrideReason=override)
    assert (found.reason_system, found.reason_code, found.reason_display, found.comment) == expected


def test_a_reason_beside_its_place_is_kept() -> None:
    assert read(reason={"code": "x", "system": "s"}).reason_code == "x"
    assert read(overrideReason=None, reason=[{"code": "x"}]).reason_code == "x"


@pytest.mark.parametrize("override", [{"key": "r11"}, {"id": "r11", "system": "s"}, {"display": "no"}, {"reasons": []}])
def test_a_reason_that_stands_nowhere_we_know_is_not_lost_in_silence(override: object) -> None:
    assert faults({"feedback": [entry(overrideReason=override)]}) == ["feedback[0].overrideReason.reason"]


@pytest.mark.requirement("FB-18")
def test_epic_says_reasons_in_the_plural_and_gives_more_in_an_extension() -> None:
    found = read(
        card="not-a-uuid-194-" + "9" * 180,
        overrideReasons={"reason": {"code": "done", "system": "urn:site"}, "userComment": "seen"},
        extension={"com.epic.cdshooks.feedback.overrideReason.code": "7"},
    )
    assert (found.reason_system, found.reason_code, found.comment) == ("urn:site", "done", "seen")
    assert read(overrideReasons=[{"reason": {"code": "done"}}]).reason_code == "done"


@pytest.mark.requirement("FB-18", "EXT-03")
def test_where_epic_names_no_coding_its_own_reason_is_kept() -> None:
    prefix = "com.epic.cdshooks.feedback.overrideReason."
    found = read(extension={f"{prefix}code": "7", f"{prefix}display": "Not indicated", "other": {"x": 1}})
    assert (found.reason_code, found.reason_display) == ("7", "Not indicated")
    assert read(extension={"com.example.other": "x"}).reason_code is None
    assert read(extension=["odd"]).reason_code is None


@pytest.mark.requirement("FB-06")
@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("1985-04-12T23:20:50.52Z", datetime(1985, 4, 12, 23, 20, 50, 520_000, UTC)),
        ("2026-06-15t10:00:00z", INSTANT),
        ("2026-06-15T12:00:00+02:00", INSTANT),
        ("2026-06-15T05:30:00-04:30", INSTANT),
        ("2026-06-15T10:00:00.123456789012Z", INSTANT.replace(microsecond=123_456)),
        ("2026-06-15T10:00:00.1Z", INSTANT.replace(microsecond=100_000)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_every_form_of_rfc_3339(written: str, instant: datetime) -> None:
    assert read(outcomeTimestamp=written).at == instant


@pytest.mark.requirement("FB-06")
@pytest.mark.parametrize(
    "written",
    [
        *(..., None, "", 1_781_500_000, "yesterday", "2026-06-15", "2026-06-15T10:00:00", "2026-02-30T10:00:00Z"),
        *("2026-06-15T25:00:00Z", "2026-06-15T10:00:75Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_a_time_that_is_missing_or_impossible_is_named(written: object) -> None:
    assert faults({"feedback": [entry(outcomeTimestamp=written)]}) == ["feedback[0].outcomeTimestamp"]


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)))
def test_every_time_that_python_writes_is_read(instant: datetime) -> None:
    offset = instant.utcoffset()
    if offset is None or offset.total_seconds() % 60:  # RFC 3339 has no seconds in an offset
        instant = instant.astimezone(UTC)
    written = instant.isoformat()
    assert read(outcomeTimestamp=written).at == datetime.fromisoformat(written)


@pytest.mark.requirement("FB-03")
@pytest.mark.parametrize("document", [{}, {"feedback": None}, {"feedback": {}}, {"feedback": "x"}])
def test_the_body_has_a_list_of_feedback(document: dict[str, Any]) -> None:
    assert faults(document) == ["feedback"]


@pytest.mark.requirement("FB-04")
@pytest.mark.parametrize("card", [..., None, "", 7, ["c1"], "c" * 5000, "c\0"])
def test_an_entry_names_its_card(card: object) -> None:
    assert faults({"feedback": [entry(card=card)]}) == ["feedback[0].card"]


@pytest.mark.requirement("FB-05")
@pytest.mark.parametrize("outcome", [..., None, "ignored", "ACCEPTED", "", 1, ["accepted"]])
def test_an_outcome_is_accepted_or_overridden(outcome: object) -> None:
    assert faults({"feedback": [entry(outcome=outcome)]}) == ["feedback[0].outcome"]


@pytest.mark.parametrize(
    ("override", "member"),
    [
        ("x", ""),
        (["a", "b"], ""),
        ({"reason": "x"}, ".reason"),
        ({"reason": {"system": "s"}}, ".reason.code"),
        ({"reason": {"code": 7}}, ".reason.code"),
        ({"userComment": {"x": 1}}, ".userComment"),
    ],
)
def test_a_reason_of_the_wrong_kind_is_named(override: object, member: str) -> None:
    assert f"feedback[0].overrideReason{member}" in faults({"feedback": [entry(overrideReason=override)]})


def test_every_fault_of_a_batch_is_named_by_position() -> None:
    batch = [entry(), "odd", entry(card=...), entry(outcome="x", outcomeTimestamp="y")]
    expected = ["feedback[1]", "feedback[2].card", "feedback[3].outcome", "feedback[3].outcomeTimestamp"]
    assert faults({"feedback": batch}) == expected


@pytest.mark.requirement("GEN-08", "EXT-03")
def test_what_is_not_known_is_ignored() -> None:
    assert read(extension={"x": 1}, somethingNew=[1, 2]) == read()
    assert read_feedback({"feedback": [], "extension": {}, "more": 1}) == []


@pytest.mark.requirement("FB-12")
def test_the_same_feedback_has_the_same_digest_whatever_its_order_or_offset() -> None:
    accepted = [{"id": "s1"}, {"id": "s2"}]
    first = read(outcome="accepted", acceptedSuggestions=accepted)
    again = read(outcome="accepted", acceptedSuggestions=accepted[::-1], outcomeTimestamp="2026-06-15T12:00:00+02:00")
    later = read(outcome="accepted", acceptedSuggestions=accepted, outcomeTimestamp="2026-06-15T10:00:01Z")
    assert first.digest == again.digest != later.digest


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = (
    "card",
    "outcome",
    "outcomeTimestamp",
    "acceptedSuggestions",
    "overrideReason",
    "overrideReasons",
    "extension",
)
_ODD = st.fixed_dictionaries({}, optional={name: _JSON | st.just(entry().get(name, "accepted")) for name in _MEMBERS})


@given(st.lists(_ODD | _JSON, max_size=3))
def test_any_json_is_read_or_refused_and_nothing_else(batch: list[Any]) -> None:
    found: list[FeedbackEntry] | None = None
    with contextlib.suppress(Malformed):
        found = read_feedback({"feedback": batch})
    assert found is None or len(found) == len(batch)
