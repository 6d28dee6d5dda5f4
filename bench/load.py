"""Many calls at once: ``python -m bench.load``. Throughput, times and memory with one and with two workers.

First as many calls as the service can answer, from a few clients that ask one after the other; then calls at a steady
share of that rate, whoever is waiting. The clients share the machine with the service, whose figures are the lower.
"""

import argparse
import http.client
import itertools
import os
import platform
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.service import Service, serving

CLIENTS = 8


@dataclass
class Heard:
    """What the clients saw: seconds of each answer, and how many had which status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def at(self, share: float) -> float:
        """The time, in milliseconds, within which this share was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def ask(service: Service, path: str, body: bytes, *, seconds: float, rate: float | None = None) -> Heard:
    """Ask for *seconds*: as fast as answers come, or *rate* calls a second, timed from when each was due."""
    heard, lock, ends = Heard(), threading.Lock(), time.perf_counter() + seconds
    turns = itertools.count()
    began = time.perf_counter()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        while True:
            due = time.perf_counter() if rate is None else began + next(turns) / rate
            if due >= ends:
                break
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            with lock:
                heard.seconds.append(time.perf_counter() - due)
                heard.statuses[answer.status] += 1
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(CLIENTS if rate is None else 4 * CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return heard


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=10, help="of calls as fast as answers come (10)")
    arguments.add_argument("--steady", type=float, default=10, help="seconds of calls at a share of that rate (10)")
    arguments.add_argument("--share", type=float, default=0.8, help="of that rate (0.8)")
    arguments.add_argument("--request", default="typical", choices=("small", "typical", "heavy"))
    asked = arguments.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {asked.request} calls")
    steady_titles = (f"at {asked.share:.0%}: p50", "p99", "other than 200", "own MB")
    titles = ("workers", "calls/s", "CPU ms", "p50 ms", "p99 ms", *steady_titles)
    print("{:>7} {:>8} {:>7} {:>7} {:>7} {:>13} {:>7} {:>15} {:>15}".format(*titles))
    rates = []
    for workers in (1, 2):
        with serving(workers) as service:
            path, body = service.asked(asked.request)
            ask(service, path, body, seconds=2)
            cpu = service.cpu_ms()
            most = ask(service, path, body, seconds=asked.seconds)
            cpu = (service.cpu_ms() - cpu) / len(most.seconds)
            rates.append(most.statuses[200] / asked.seconds)
            steady = ask(service, path, body, seconds=asked.steady, rate=asked.share * rates[-1])
            memory = " + ".join(f"{own:.0f}" for own in service.own_mb())
        others = most.statuses.total() + steady.statuses.total() - most.statuses[200] - steady.statuses[200]
        print(
            f"{workers:7} {rates[-1]:8.0f} {cpu:7.2f} {most.at(0.5):7.1f} {most.at(0.99):7.1f} "
            f"{steady.at(0.5):13.1f} {steady.at(0.99):7.1f} {others:15} {memory:>15}"
        )
    print(f"Two workers answer {rates[1] / rates[0]:.2f} times as much as one.")


if __name__ == "__main__":
    main()
