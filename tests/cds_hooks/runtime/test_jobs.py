"""Jobs handed to threads."""

import threading
import time
from collections import Counter

from prodrome.cds_hooks.runtime import Jobs


def test_jobs_that_nobody_waits_for_are_taken_in_the_order_they_came() -> None:
    jobs: Jobs[int] = Jobs()
    for number in range(5):
        jobs.put(number)
    assert [jobs.take() for _ in range(5)] == [0, 1, 2, 3, 4]


def test_the_thread_that_waits_least_long_gets_the_next_job() -> None:
    jobs: Jobs[str] = Jobs()
    took: list[tuple[str, str]] = []
    threads = [
        threading.Thread(target=lambda: took.append((threading.current_thread().name, jobs.take()))) for _ in "ab"
    ]
    for thread, name in zip(threads, "ab", strict=True):
        thread.name = name
        thread.start()
        while len(jobs._idle) < "ab".index(name) + 1:
            time.sleep(0.001)
    for thread, job in zip(reversed(threads), ("first", "second"), strict=True):
        jobs.put(job)
        thread.join(5)
    assert took == [("b", "first"), ("a", "second")]


def test_every_job_is_done_once_whoever_brings_it() -> None:
    jobs: Jobs[int | None] = Jobs()
    done: list[int] = []

    def work() -> None:
        while (job := jobs.take()) is not None:
            done.append(job)

    def bring(first: int) -> None:
        for number in range(first, first + 500):
            jobs.put(number)

    workers = [threading.Thread(target=work) for _ in range(4)]
    bringing = [threading.Thread(target=bring, args=(1000 * number,)) for number in range(3)]
    for thread in (*workers, *bringing):
        thread.start()
    for thread in bringing:
        thread.join(10)
    for _ in workers:
        jobs.put(None)
    for thread in workers:
        thread.join(10)
    assert Counter(done) == Counter(number + 1000 * part for part in range(3) for number in range(500))
