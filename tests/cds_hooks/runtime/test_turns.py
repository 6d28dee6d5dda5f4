"""Who computes, and in which order."""

import threading
import time

from prodrome.cds_hooks.runtime import Turn, waiting


def test_turns_are_handed_on_in_the_order_they_were_asked_for() -> None:
    turn, order, threads = Turn(), [], []

    def work(number: int) -> None:
        with turn:
            order.append(number)

    with turn:
        for number in range(10):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(turn._waiting) <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert order == list(range(10))


def test_who_waits_lets_others_compute_and_takes_the_turn_again() -> None:
    turn, other = Turn(), threading.Event()

    def work() -> None:
        with turn:
            other.set()

    with turn:
        thread = threading.Thread(target=work)
        thread.start()
        assert not other.wait(0.02)
        with waiting():
            assert other.wait(5)
        assert turn._held
    thread.join(5)
    assert not turn._held


def test_a_turn_is_given_back_after_a_failure() -> None:
    turn = Turn()
    try:
        with turn, waiting():
            raise KeyError
    except KeyError:
        pass
    with turn:
        assert turn._held


def test_waiting_without_a_turn_is_nothing() -> None:
    with waiting():
        pass
