"""CPU time per call beside a bare Flask route that parses and echoes the same body, all in one process and one run.

Rounds are interleaved, so that a slow moment of the machine meets every contender alike, and what is compared are
medians, which a slow moment does not move. The exit status is 1 where a typical request, answered by both matchers,
costs more than twice its echo.
"""

import argparse
import gc
import logging
import os
import platform
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import orjson
from flask import Flask, Response, jsonify
from flask import request as asked

from bench import hostile
from bench.charts import INSTANCE, SIZES, TODAY, request
from bench.service import REQUESTS, filled
from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.logs import LOGGER
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.runtime import collect_seldom
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app

LIMIT = 2.0
STAGES = ("parse", "gather", "read", "judge", "cards")
PATH = "/cds-services/prodrome-patient-view"


def echo() -> Flask:
    """A bare Flask route."""
    app = Flask("echo")

    @app.post("/<path:_>")
    def same(_: str) -> Response:
        return jsonify(asked.get_json())

    return app


def caller(app: Flask, path: str) -> Callable[[bytes], None]:
    """A call with a body, its answer checked."""
    client = app.test_client()

    def call(body: bytes) -> None:
        answer = client.post(path, data=body, content_type="application/json")
        assert answer.status_code == 200, answer.data

    return call


def bodies(app: Flask) -> Iterator[tuple[str, str, bytes]]:
    """Name, path and body of what is measured: the requests of the folder, and larger charts made here."""
    services = app.test_client().get("/cds-services").get_json()["services"]
    for file in sorted(REQUESTS.glob("*.json"), key=lambda file: file.stat().st_size):
        document = orjson.loads(file.read_bytes())["request_by_kind"]
        service = next(service for service in services if service["hook"] == document["hook"])
        body = orjson.dumps({**document, "prefetch": filled(document, service)})
        yield file.stem, f"/cds-services/{service['id']}", body
    for size, resources in SIZES.items():
        yield f"{size}, made", PATH, orjson.dumps(request(resources))


def stages(app: Flask, path: str, body: bytes, rounds: int) -> dict[str, float]:
    """The median milliseconds of each stage of a call."""
    environment: Environment = app.extensions["prodrome"]
    service = environment.services()[path.rpartition("/")[2]]
    took: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(rounds):
        began = time.perf_counter()
        asked_for = read_request(parse(body), frozenset({service.hook.name}), body=body)
        took["parse"].append(time.perf_counter() - began)
        for stage, seconds in consult(asked_for, environment).seconds.items():
            took[stage].append(seconds)
    return {stage: statistics.median(seconds) * 1000 for stage, seconds in took.items()}


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
    """Measure, print the table; 1 where the median call costs more than ``LIMIT`` times the bare route."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=300, help="calls of each contender (300)")
    arguments.add_argument("what", nargs="?", choices=("typical", "hostile"), default="typical", help="which bodies")
    said = arguments.parse_args()
    rounds = said.rounds
    LOGGER.addHandler(logging.NullHandler())
    LOGGER.propagate = False
    if said.what == "hostile":
        return hostile.main()
    apps = {"echo": echo()} | {
        engine: create_app(Settings(today=TODAY, engine=engine)) for engine in ("reference", "checked")
    }
    gc.collect()
    collect_seldom()  # as each process of the server does
    slow = False
    titles = ("request", "KiB", "answered by", "CPU ms", "p50 ms", "p99 ms", "x echo")
    print("{:15} {:>5}  {:11} {:>7} {:>7} {:>7} {:>7}".format(*titles))
    for size, path, body in bodies(apps["checked"]):
        times = measure({name: caller(app, path) for name, app in apps.items()}, body, rounds)
        base = statistics.median(times["echo"][0])
        for name, (cpus, wall) in times.items():
            cpu = statistics.median(cpus)
            ratio = cpu / base
            p50, p99 = statistics.median(wall), statistics.quantiles(wall, n=100)[98]
            print(f"{size:15} {len(body) / 1024:5.0f}  {name:11} {cpu:7.2f} {p50:7.2f} {p99:7.2f} {ratio:7.2f}")
            slow |= (size, name) == ("typical", "checked") and ratio > LIMIT
    print()
    print("{:15} {}".format("stages, ms", " ".join(f"{stage:>8}" for stage in STAGES)))
    for size, path, body in bodies(apps["checked"]):
        took = stages(apps["checked"], path, body, rounds)
        print(f"{size:15} " + " ".join(f"{took[stage]:8.2f}" for stage in STAGES))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if slow:
        print(f"A typical request costs more than {LIMIT:g} times its echo.")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
