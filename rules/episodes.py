"""Hospital episodes: visits whose stays touch are one, and what may have followed them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from prodrome.rules.facts import FollowUp, HospitalVisit, Indication, Refs, When
from prodrome.rules.spans import may_be_at_or_after


@dataclass(frozen=True)
class Episode:
    """One stay or several that touch. ``reckoned_from`` is its end, or its start while it runs."""

    start: When
    reckoned_from: When
    running: bool
    reason: Indication
    refs: Refs


def episodes(visits: Iterable[HospitalVisit], gap_days: float) -> list[Episode]:
    """Join dated visits with a gap of at most ``gap_days``; one stay for migraine makes the whole for migraine."""
    groups: list[list[HospitalVisit]] = []
    reach: date | None = None
    for visit in sorted((v for v in visits if v.start), key=_order):
        assert visit.start is not None
        # A stay that was never closed must not swallow every later visit: it reaches no further than its start.
        end = (visit.end or visit.start).last
        if reach is not None and (visit.start.first - reach).days <= gap_days:
            groups[-1].append(visit)
            reach = max(reach, end)
        else:
            groups.append([visit])
            reach = end
    return [_episode(group) for group in groups]


def may_follow(follow_up: FollowUp, episode: Episode) -> bool:
    """Whether specialist care may have come after the episode's start; an undated referral may, as may one ahead."""
    if follow_up.kind == "appointment" or follow_up.when is None:
        return True
    return may_be_at_or_after(follow_up.when, episode.start)


def decisive(follow_ups: Iterable[FollowUp]) -> tuple[FollowUp, ...]:
    """Those few of which one may follow an episode where any does: undated ones, and the latest however compared."""
    whenever: list[FollowUp] = []
    timed: list[FollowUp] = []
    dated: list[FollowUp] = []
    for each in follow_ups:
        if each.kind == "appointment" or each.when is None:
            whenever.append(each)
        else:
            (timed if each.when.instant else dated).append(each)
    found = whenever[:1]
    for some, key in ((dated, _day), (timed, _day), (timed, _moment)):
        if some:
            found.append(max(some, key=key))
    return tuple(found)


def _day(follow_up: FollowUp) -> tuple[date, Refs]:
    return follow_up.when.last if follow_up.when else date.min, follow_up.refs


def _moment(follow_up: FollowUp) -> tuple[float, Refs]:
    instant = follow_up.when.instant if follow_up.when else None
    return instant.timestamp() if instant else 0.0, follow_up.refs


def _order(visit: HospitalVisit) -> tuple[date, float, Refs]:
    assert visit.start is not None
    return visit.start.first, visit.start.instant.timestamp() if visit.start.instant else 0.0, visit.refs


def _episode(stays: list[HospitalVisit]) -> Episode:
    starts = [stay.start for stay in stays if stay.start]
    start = starts[0]
    running = any(stay.running for stay in stays)
    ends = [stay.end or stay.start for stay in stays]
    reckoned_from = start if running else max((end for end in ends if end), key=lambda when: (when.last, when.first))
    reasons = {stay.reason for stay in stays}
    reason = next((r for r in (Indication.MIGRAINE, Indication.HEADACHE) if r in reasons), Indication.OTHER)
    return Episode(start, reckoned_from, running, reason, tuple(ref for stay in stays for ref in stay.refs))
