"""Calls that take turns to compute: who waits for the database holds up nobody, and nobody waits for ever."""

import threading

from prodrome.cds_hooks.feedback import Showing, Shown, Store, read_feedback
from prodrome.cds_hooks.runtime import Turn
from prodrome.cds_hooks.settings import Settings

VISIT = Showing("prodrome-patient-view", "instance", "1.0.0")
SAID = {"outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}


def test_many_calls_with_one_turn_all_come_to_an_end(database_url: str) -> None:
    store, turn = Store(Settings(database_url=database_url)), Turn()
    kept: list[int] = []

    def call(thread: int) -> None:
        for number in range(20):
            with turn:
                card = f"{thread}-{number}"
                store.remember(VISIT, [Shown(card, "REF-01", "info")])
                kept.append(store.record(read_feedback({"feedback": [{"card": card, **SAID}]})).taken)

    threads = [threading.Thread(target=call, args=(thread,), daemon=True) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert kept == [1] * 160
    store.close()
