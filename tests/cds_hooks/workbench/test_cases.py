"""What a page works on outlives neither its time nor its room, and belongs to one browser."""

import time
from datetime import date

from prodrome.cds_hooks.workbench.cases import Case, Cases


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def case(size: int = 10) -> Case:
    return Case("a title", date(2026, 6, 15), {}, None, size, "pasted")  # type: ignore[arg-type]


def test_a_case_is_found_by_the_browser_that_opened_it_and_no_other() -> None:
    cases, one = Cases(), case()
    cases.add("me", one)
    assert cases.get("me", one.key) is one
    assert cases.get("somebody else", one.key) is None


def test_keys_cannot_be_guessed() -> None:
    keys = {case().key for _ in range(200)}
    assert len(keys) == 200
    assert min(map(len, keys)) >= 24


def test_a_case_nobody_looks_at_is_dropped_in_time() -> None:
    clock = Clock()
    cases, one = Cases(idle_seconds=60, clock=clock), case()
    cases.add("me", one)
    clock.now = 59
    assert cases.get("me", one.key) is one
    clock.now = 118
    assert cases.get("me", one.key) is one
    clock.now = 179
    assert cases.get("me", one.key) is None
    assert len(cases) == 0


def test_it_is_dropped_even_when_nobody_asks_again() -> None:
    cases = Cases(idle_seconds=0.05)
    cases.add("me", case())
    gone_by = time.monotonic() + 5
    while cases._cases and time.monotonic() < gone_by:
        time.sleep(0.02)
    assert not cases._cases


def test_old_cases_go_when_room_is_needed_the_longest_unused_first() -> None:
    cases, first, second, third = Cases(most_bytes=25), case(), case(), case()
    cases.add("me", first)
    cases.add("me", second)
    cases.get("me", first.key)
    cases.add("me", third)
    assert cases.get("me", second.key) is None
    assert cases.get("me", first.key) is first
    assert cases.get("me", third.key) is third


def test_the_number_of_cases_is_bounded() -> None:
    cases = Cases(most_cases=3)
    for _ in range(10):
        cases.add("me", case())
    assert len(cases) == 3


def test_a_case_is_forgotten_on_request() -> None:
    cases, one = Cases(), case()
    cases.add("me", one)
    cases.forget("me", one.key)
    assert cases.get("me", one.key) is None
