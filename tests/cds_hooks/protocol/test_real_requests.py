"""Request bodies from public repositories, none of them written for this service: each gets a specified answer."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.protocol.checks import response_faults
from prodrome.cds_hooks.protocol.hooks import DEPRECATED
from tests.serving import Client, client_of, service

BODIES = Path(__file__).parents[4] / "shared" / "data" / "cds-hooks-requests"
FILES = sorted(file for file in BODIES.glob("*.json") if file.name != "INDEX.json")

pytestmark = pytest.mark.skipif(not FILES, reason="the request bodies of ../shared/data are not here")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service(today="2026-06-15")) as client:
        yield client


def addresses(client: Client, body: Any) -> list[str]:
    """The service of the body's hook; every service where there is none."""
    services = {s["hook"]: s["id"] for s in client.get("/cds-services").get_json()["services"]}
    hook = body.get("hook") if isinstance(body, dict) else None
    hook = DEPRECATED.get(hook, (hook,))[0] if isinstance(hook, str) else None
    return [services[hook]] if hook in services else list(services.values())


@pytest.mark.requirement("GEN-08", "GEN-09", "RSP-09")
def test_every_body_gets_a_specified_answer(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    tally: Counter[str] = Counter()
    for file in FILES:
        raw = file.read_bytes()
        for address in addresses(client, json.loads(raw)):
            answer = client.post(f"/cds-services/{address}", data=raw, content_type="application/json")
            document = answer.get_json()
            if answer.status_code == 200:
                assert response_faults(document) == [], file.name
                unjudged = document["extension"]["org.prodrome.judgement"].get("missing")
                tally["200, and what is missing is named" if unjudged else "200"] += 1
            else:
                assert 400 <= answer.status_code < 500, (file.name, answer.status_code)
                (issue,) = document["issue"]
                where = f" at {issue['expression'][0]}" if "expression" in issue else ""
                tally[f"{answer.status_code} {issue['code']}{where}"] += 1
    with capsys.disabled():
        print(f"\n{len(FILES)} real bodies, {tally.total()} answers:")
        for what, count in tally.most_common():
            print(f"  {count:4} {what}")
    assert sum(count for what, count in tally.items() if what.startswith("200")) > tally.total() / 2
