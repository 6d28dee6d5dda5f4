"""What may have followed a hospital visit."""

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from prodrome.rules.episodes import Episode, decisive, may_follow
from prodrome.rules.facts import FollowUp, Indication, When

DAYS = st.dates(date(2026, 5, 28), date(2026, 6, 3))
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=13))])
INSTANTS = st.datetimes(datetime(2026, 5, 28), datetime(2026, 6, 3), timezones=ZONES)
WHENS = st.one_of(
    DAYS.map(lambda day: When(day, day)),
    DAYS.map(lambda day: When(day.replace(day=1), day.replace(day=28))),
    INSTANTS.map(lambda instant: When(instant.date(), instant.date(), instant)),
)
FOLLOW_UPS = st.builds(FollowUp, st.sampled_from(["contact", "referral"]), st.none() | WHENS)
EPISODES = WHENS.map(lambda start: Episode(start, start, False, Indication.MIGRAINE, ()))


@given(st.lists(FOLLOW_UPS, max_size=8), EPISODES)
def test_the_decisive_follow_ups_tell_whether_any_may_have_followed(some: list[FollowUp], episode: Episode) -> None:
    few = decisive(some)
    assert any(may_follow(each, episode) for each in few) == any(may_follow(each, episode) for each in some)
    assert set(few) <= set(some)
    assert len(few) <= 4
