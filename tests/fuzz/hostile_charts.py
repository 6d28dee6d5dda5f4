"""Charts that a hostile FHIR server answers with, each known by its number: none may end a call in a 5xx.

A chart is that of the structural fuzzer of the same number, spoilt some more where only a server could spoil it: in
links, totals, statuses and header fields. Run as it is: ``python -m tests.fuzz.hostile_charts --count 100000``.
"""

import argparse
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import httpx
import orjson

from prodrome.cds_hooks import fhir_client
from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import exchange, searching
from prodrome.cds_hooks.protocol import Refused
from prodrome.cds_hooks.protocol.requests import parse, read_request
from prodrome.cds_hooks.settings import FhirServer, Settings
from prodrome.rules.engine import LimitError
from tests.cds_hooks.fhir_client.fake import BASE, FHIR, Chunks
from tests.fuzz import structural
from tests.serving import TODAY

ADDRESSES = (
    *("", "/", "?", "?page=2", "//", "\\", "x", "../Patient", "a b", "\u2028", "\x00", "http://[", "x" * 70_000),
    *(f"{BASE}/Encounter?page=2", f"{BASE}/Encounter?x={'y' * 70_000}", f"{BASE}/../admin", f"{BASE}#x", BASE),
    *("https://evil.example.org/fhir/Encounter", "http://[/Patient/pat-1", "http://x:99999/", "urn:uuid:x"),
)
STATUSES = (*[200] * 12, 204, 206, 302, 401, 404, 410, 429, 500, 503)
FIELDS: tuple[Mapping[str, str], ...] = (
    *[{}] * 6,
    *({"Content-Type": "x"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}),
    *({"Retry-After": text} for text in ("9" * 400, "-1", "nan", "Mon, 1 Jan 99999999999999999999 00:00:00 GMT")),
)
SITE = Settings(today=TODAY, engine="reference", deadline_seconds=60, fhir_servers=(FhirServer(url=BASE, open=True),))
ENVIRONMENT = Environment.of(SITE.model_copy(update={"host": "0.0.0.0", "open_to_everyone": True}))
MOST_ASKED = 200


def failure(number: int) -> str | None:
    """What the call of this number fails with, where it would be a 5xx, or what it did that it must not."""
    random = Random(number)
    hook, body = structural.body(number)
    said = orjson.loads(body)
    chart = _answers(random, hook, said.get("prefetch"))
    said |= {"prefetch": {}, "fhirServer": BASE}
    statuses = {kind: random.choice(STATUSES) for kind in chart}
    asked: list[str] = []
    odd: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        kind = request.url.path.removeprefix("/fhir/").partition("/")[0]
        content = orjson.dumps(chart.get(kind), option=orjson.OPT_NON_STR_KEYS)
        fields = {**FHIR, **random.choice(FIELDS)}
        return httpx.Response(statuses.get(kind, 404), headers=fields, stream=Chunks(content))

    client = fhir_client.Client(lambda _: httpx.MockTransport(answer))
    try:
        with (
            patch.object(fhir_client, "_CLIENT", client),
            patch.object(exchange, "_PAUSE_SECONDS", 0.0),
            patch.object(searching, "alarm", lambda event, **fields: odd.append(f"{event}: {fields}")),
        ):
            data = orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS)
            orjson.dumps(consult(read_request(parse(data), frozenset({hook}), body=data), ENVIRONMENT).response)
    except (Refused, LimitError):
        pass
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} at {Path(last.filename).name}:{last.lineno}"
    finally:
        client.close()
    odd += [f"{url[:80]} was asked" for url in asked if not url.startswith((f"{BASE}/", f"{BASE}?")) and url != BASE]
    odd += [f"{len(asked)} questions"] if len(asked) > MOST_ASKED else []
    return "; ".join(odd) or None


def _answers(random: Random, hook: str, prefetch: object) -> dict[str, Any]:
    """What the server has of each kind."""
    service = next(service for service in ENVIRONMENT.services().values() if service.hook.name == hook)
    kinds = {query.key: query.kind for query in service.queries}
    chart = (
        {kinds.get(key, "Medication"): value for key, value in prefetch.items()} if isinstance(prefetch, dict) else {}
    )
    for kind, answer in chart.items():
        places = list(structural.places(answer))
        if places and random.random() < 0.5:
            holder, key = random.choice(places)
            holder[key] = random.choice(ADDRESSES)
        if isinstance(answer, dict) and random.random() < 0.4:
            link = {"relation": "next", "url": random.choice((*ADDRESSES, *structural.SHAPES))}
            answer["link"] = random.choice(([link], [link, link], link, *structural.SHAPES))
        if isinstance(answer, dict) and random.random() < 0.3:
            answer["total"] = random.choice((*structural.NUMBERS, *structural.SHAPES))
        if random.random() < 0.05:
            chart[kind] = random.choice((*structural.SHAPES, *structural.NUMBERS))
    return chart


def failures(first: int, count: int) -> list[tuple[int, str]]:
    """The calls of a range that fail, and how."""
    return [(number, said) for number in range(first, first + count) if (said := failure(number)) is not None]


def main() -> int:
    """Make the calls of a range; 1 where one fails."""
    said = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile_charts", description=__doc__)
    said.add_argument("--first", type=int, default=0, help="the number of the first call (0)")
    said.add_argument("--count", type=int, default=2_000, help="how many (2,000)")
    asked = said.parse_args()
    bad = failures(asked.first, asked.count)
    for number, text in bad:
        print(number, text)
    print(f"{asked.count} calls, {len(bad)} of them would fail.")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
