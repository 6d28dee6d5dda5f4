"""No caller asks more than its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.callers.limiter import MAX_CALLERS, Limiter
from prodrome.cds_hooks.protocol.refusals import TooMany


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def allowed(limiter: Limiter, caller: str = "a") -> bool:
    try:
        limiter.spend(caller)
    except TooMany:
        return False
    return True


def test_a_burst_is_allowed_and_then_a_steady_pace() -> None:
    clock = Clock()
    limiter = Limiter(60, clock)
    assert [allowed(limiter) for _ in range(61)] == [True] * 60 + [False]
    clock.now += 1
    assert [allowed(limiter) for _ in range(2)] == [True, False]
    clock.now += 3600
    assert [allowed(limiter) for _ in range(61)] == [True] * 60 + [False]


def test_callers_do_not_share() -> None:
    limiter = Limiter(1, Clock())
    assert [allowed(limiter, caller) for caller in "aab"] == [True, False, True]


def test_zero_is_no_limit() -> None:
    limiter = Limiter(0, Clock())
    assert all(allowed(limiter) for _ in range(1000))


def test_a_caller_is_told_when_to_come_back() -> None:
    clock = Clock()
    limiter = Limiter(6, clock)
    for _ in range(6):
        limiter.spend("a")
    with pytest.raises(TooMany) as caught:
        limiter.spend("a")
    assert caught.value.retry_after is not None
    clock.now += caught.value.retry_after
    assert allowed(limiter)


@given(st.integers(1, 100), st.lists(st.floats(0, 120), max_size=300))
def test_no_minute_ever_has_more_than_a_burst_and_a_minutes_worth(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    limiter = Limiter(per_minute, clock)
    answered = []
    for pause in pauses:
        clock.now += pause
        if allowed(limiter):
            answered.append(clock.now)
    for end in answered:
        assert sum(end - 60 <= moment <= end for moment in answered) <= 2 * per_minute + 1


def test_the_memory_of_callers_is_bounded() -> None:
    clock = Clock()
    limiter = Limiter(60, clock)
    for number in range(MAX_CALLERS * 2):
        clock.now += 1
        limiter.spend(f"caller-{number}")
    assert len(limiter._buckets) <= MAX_CALLERS + 1
