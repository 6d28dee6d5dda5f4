"""CPU time per call beside a bare Flask route that parses and echoes the same body, all in one process and one run.

Rounds are interleaved, so that a slow moment of the machine meets every contender alike, and what is compared are
medians, which a slow moment does not move. The exit status is 1 where a typical request, answered by both matchers,
costs more than three times its echo.
"""

import argparse
import logging
import statistics
import sys
import time
import uuid
from collections.abc import Callable

import orjson
from flask import Flask, jsonify
from flask import request as asked

from bench.charts import INSTANCE, SIZES, TODAY, request
from prodrome.cds_hooks.logs import LOGGER
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app

LIMIT = 3.0
PATH = "/cds-services/prodrome-patient-view"


def echo() -> Flask:
    """A bare Flask route."""
    app = Flask("echo")

    @app.post(PATH)
    def same() -> object:
        return jsonify(asked.get_json())

    return app


def caller(app: Flask) -> Callable[[bytes], None]:
    """A call with a body, its answer checked."""
    client = app.test_client()

    def call(body: bytes) -> None:
        answer = client.post(PATH, data=body, content_type="application/json")
        assert answer.status_code == 200, answer.data

    return call


def measure(
    calls: dict[str, Callable[[bytes], None]], body: bytes, rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """CPU and wall milliseconds of each call, by contender, the first calls left out. Each is a call of its own."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    for round_ in range(rounds + 20):
        for name, call in calls.items():
            fresh = body.replace(INSTANCE.encode(), str(uuid.uuid4()).encode())
            cpu, wall = time.process_time(), time.perf_counter()
            call(fresh)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if round_ >= 20:
                times[name][0].append(cpu * 1000)
                times[name][1].append(wall * 1000)
    return times


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=300, help="calls of each contender (300)")
    rounds = arguments.parse_args().rounds
    LOGGER.addHandler(logging.NullHandler())
    LOGGER.propagate = False
    apps = {"echo": echo()} | {
        engine: create_app(Settings(today=TODAY, engine=engine)) for engine in ("reference", "checked")
    }
    slow = False
    titles = ("request", "resources", "KiB", "answered by", "CPU ms", "p50 ms", "p99 ms", "x echo")
    print("{:8} {:>9} {:>5}  {:11} {:>7} {:>7} {:>7} {:>7}".format(*titles))
    for size, resources in SIZES.items():
        body = orjson.dumps(request(resources))
        times = measure({name: caller(app) for name, app in apps.items()}, body, rounds)
        base = statistics.median(times["echo"][0])
        for name, (cpus, wall) in times.items():
            cpu = statistics.median(cpus)
            ratio = cpu / base
            p50, p99 = statistics.median(wall), statistics.quantiles(wall, n=100)[98]
            print(
                f"{size:8} {resources:9} {len(body) / 1024:5.0f}  {name:11} {cpu:7.2f} "
                f"{p50:7.2f} {p99:7.2f} {ratio:7.2f}"
            )
            slow |= (size, name) == ("typical", "checked") and ratio > LIMIT
    if slow:
        print(f"A typical request costs more than {LIMIT:g} times its echo.")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
