"""A call goes to the process that has least to do: two fronts that know of each other, each with an application."""

import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.callers import Caller
from prodrome.cds_hooks.runtime import waiting
from prodrome.cds_hooks.web.front import Front, Verify
from prodrome.cds_hooks.web.siblings import Place, Siblings
from prodrome.cds_hooks.web.wsgi import CHECKED
from tests.cds_hooks.web.test_front import Application, ask, listening, until

CALL = "/cds-services/x"
MOST = 10_000_000
AWAY = 255


@dataclass
class Two:
    """Two processes of a service, as far as they know; the second closes the connection of no client."""

    siblings: Siblings
    apps: tuple[Application, Application]
    ports: tuple[int, int]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def ask(self, process: int, body: bytes, path: str = CALL) -> "Future[httpx.Response]":
        return self.pool.submit(ask, self.ports[process], body, path)

    def busy(self, process: int) -> "Future[httpx.Response]":
        """Have a process compute until its application is open."""
        app = self.apps[process]
        app.open.clear()
        asked = len(app.asked)
        answer = self.ask(process, b"first")
        until(lambda: len(app.asked) > asked)
        return answer


@contextmanager
def front(app: Application, place: Place, verify: Verify | None = None) -> Iterator[int]:
    said: dict[str, Any] = {"max_body_bytes": MOST, "max_waiting": 8, "patience_seconds": 5, "verify": verify}
    with listening(Front(app, place, **said)) as port:
        try:
            yield port
        finally:
            app.open.set()


@pytest.fixture
def two() -> Iterator[Two]:
    siblings, apps = Siblings(2), (Application(), Application())
    with front(apps[0], Place(siblings, 0)) as first, front(apps[1], Place(siblings, 1)) as second:
        until(lambda: list(siblings.in_hand) == [0, 0])
        two = Two(siblings, apps, (first, second))
        yield two
        for app in apps:
            app.open.set()
        two.pool.shutdown()
    siblings.close()


@pytest.mark.parametrize("size", [0, 1000, MOST])
def test_a_call_that_would_wait_is_answered_by_the_process_that_has_nothing_to_do(two: Two, size: int) -> None:
    waits = two.busy(0)
    body = b"y" * size
    answer = two.ask(0, body).result(10)
    assert (answer.status_code, answer.content) == (200, body)
    assert two.apps[1].asked == [(CALL, body)]
    assert not waits.done()
    two.apps[0].open.set()
    assert waits.result(10).content == b"first"


def test_who_has_nothing_to_do_answers_itself(two: Two) -> None:
    for number in (0, 1, 0):
        assert two.ask(number, b"x").result(10).status_code == 200
    assert [len(app.asked) for app in two.apps] == [2, 1]


def test_where_all_compute_a_call_waits_where_it_came(two: Two) -> None:
    first = [two.busy(0), two.busy(1)]
    second = two.ask(0, b"second")
    until(lambda: list(two.siblings.in_hand) == [2, 1])
    for app in two.apps:
        app.open.set()
    assert [answer.result(10).status_code for answer in (*first, second)] == [200] * 3
    assert [body for _, body in two.apps[0].asked] == [b"first", b"second"]


def test_pages_are_answered_by_the_process_that_was_asked(two: Two) -> None:
    waits = two.busy(0)
    page = two.ask(0, b"", "/patients")
    until(lambda: two.siblings.in_hand[0] == 2)
    two.apps[0].open.set()
    assert [waits.result(10).status_code, page.result(10).status_code] == [200, 200]
    assert two.apps[1].asked == []


def test_who_calls_is_handed_over_where_the_token_was_checked_before_the_body_was_read() -> None:
    siblings, called_by = Siblings(2), []
    caller = Caller("https://ehr.example", "ward")

    class Asks(Application):
        def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            called_by.append(environ[CHECKED])
            with waiting():  # as for a FHIR server: tokens are checked meanwhile
                return super().__call__(environ, start)

    apps = Asks(), Asks()
    verified: list[str] = []

    def verify(token: str | None, path: str) -> Caller:
        verified.append(path)
        return caller

    body = b"x" * 200_000
    with (
        ThreadPoolExecutor(2) as pool,
        front(apps[0], Place(siblings, 0), verify) as port,
        front(apps[1], Place(siblings, 1), verify),
    ):
        until(lambda: list(siblings.in_hand) == [0, 0])
        apps[0].open.clear()
        first = pool.submit(ask, port, body, CALL)
        until(lambda: len(apps[0].asked) == 1)
        second = pool.submit(ask, port, body, CALL)
        assert second.result(10).content == body
        assert not first.done()
        apps[0].open.set()
        assert [answer.result(10).status_code for answer in (first, second)] == [200, 200]
    assert (called_by, verified) == ([caller] * 2, [CALL] * 2)
    siblings.close()


def test_a_failure_of_the_other_process_is_told_as_ones_own(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Any:
        raise KeyError("secret")

    two.busy(0)
    monkeypatch.setattr(Application, "__call__", fails)
    answer = two.ask(0, b"x").result(10)
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_what_was_handed_over_is_answered_before_a_process_ends() -> None:
    siblings, apps = Siblings(2), (Application(), Application())
    with ThreadPoolExecutor(4) as pool, front(apps[0], Place(siblings, 0)) as port:
        with front(apps[1], Place(siblings, 1)):
            until(lambda: list(siblings.in_hand) == [0, 0])
            apps[0].open.clear()
            apps[1].open.clear()
            pool.submit(ask, port, b"first", CALL)
            until(lambda: len(apps[0].asked) == 1)
            handed = pool.submit(ask, port, b"handed", CALL)
            until(lambda: len(apps[1].asked) == 1)
            threading.Timer(0.3, apps[1].open.set).start()
            # and here the second is told to end
        assert siblings.in_hand[1] == AWAY
        assert handed.result(10).content == b"handed"
        later = pool.submit(ask, port, b"later", CALL)
        until(lambda: siblings.in_hand[0] == 2)
        apps[0].open.set()
        assert later.result(10).content == b"later"
    siblings.close()


@pytest.mark.parametrize("said", [b"", pickle.dumps("an answer")[:-4]])
def test_a_call_lost_with_the_process_that_had_it_may_be_asked_again(said: bytes) -> None:
    siblings, app = Siblings(2), Application()
    with ThreadPoolExecutor(2) as pool, front(app, Place(siblings, 0)) as port:
        app.open.clear()
        pool.submit(ask, port, b"first", CALL)
        until(lambda: len(app.asked) == 1)
        siblings.in_hand[1] = 0
        lost = pool.submit(ask, port, b"lost", CALL)
        door = siblings.doors[1][0]
        door.setblocking(True)
        for line in socket.recv_fds(door, 8, 1)[1]:
            os.write(line, said)
            os.close(line)
        answer = lost.result(10)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        siblings.gone(1)
        later = pool.submit(ask, port, b"later", CALL)
        until(lambda: siblings.in_hand[0] == 2)
        app.open.set()
        assert later.result(10).status_code == 200
    siblings.close()


@given(st.lists(st.integers(0, 40) | st.just(AWAY), min_size=1, max_size=8), st.data())
def test_a_call_goes_to_one_with_the_fewest_where_that_makes_it_wait_less(counts: list[int], data: Any) -> None:
    mine = data.draw(st.integers(0, len(counts) - 1))
    siblings = Siblings(len(counts))
    try:
        siblings.in_hand[:] = bytes(counts)
        in_hand = data.draw(st.integers(0, 40)) if counts[mine] == AWAY else counts[mine]
        place = Place(siblings, mine).freer(in_hand)
        if place is None:
            assert in_hand == 0 or min(counts) > 0
            assert in_hand <= min(counts) + 1
        else:
            assert place != mine
            assert counts[place] == min(counts) < in_hand
    finally:
        siblings.close()
