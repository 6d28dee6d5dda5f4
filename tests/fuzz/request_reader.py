"""Bytes, guided by coverage, through everything that reads a request: an answer or a refusal, and nothing else.

``python -m tests.fuzz.request_reader FOLDER [libFuzzer options]`` starts from the labelled patients, keeps what reaches
new code in FOLDER and ends at the first finding (exit status other than 0), whose input it leaves in ``findings/``.
Given that input in FOLDER's place, it runs that one alone.
"""

import json
import random
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import atheris
import orjson

with atheris.instrument_imports(
    include=["prodrome.cds_hooks.protocol.requests", "prodrome.cds_hooks.consultation", "prodrome.fhir_mappers"]
):
    from prodrome.cds_hooks.consultation import consult
    from prodrome.cds_hooks.environment import Environment
    from prodrome.cds_hooks.protocol.checks import response_faults
    from prodrome.cds_hooks.protocol.refusals import Refused
    from prodrome.cds_hooks.protocol.requests import parse, read_request

from prodrome.cds_hooks.protocol.services import Service
from prodrome.cds_hooks.settings import Settings
from prodrome.rules.engine.matching import LimitError
from tests.serving import TODAY, filled

HERE = Path(__file__).parent
FINDINGS = HERE / "findings"
MAX_BYTES = 65_536
SLOWEST_SECONDS = 30

# Not on loopback: there, a request may name any FHIR server of this machine, and the fuzzer would call it.
ENVIRONMENT = Environment.of(Settings(today=TODAY, host="0.0.0.0", open_to_everyone=True))
SERVICES: Mapping[str, Service] = {service.hook.name: service for service in ENVIRONMENT.services().values()}

TEXTS = ("", " ", "\u0000", "\U0001f600", "x" * 5000, "Patient/", "2024-13-45", "0000", "9999-12-31T23:59:60+14:00")
NUMBERS = (0, -1, 0.5, 1e-300, 1e300, 2**63)
SHAPES = (b"null", b"true", b"[]", b"{}", b"[null]", b"[[]]", b'{"resourceType":"Bundle","entry":{}}', b'{"value":{}}')
ODD = (*(orjson.dumps(value) for value in (*TEXTS, *NUMBERS)), *SHAPES)


def seeds() -> Iterator[bytes]:
    """The requests of the examples, and those of the labelled patients as a client sends them."""
    for file in sorted((HERE.parents[1] / "examples").glob("*.json")):
        yield file.read_bytes()
    for file in sorted((HERE.parent / "vignettes" / "requests").glob("*.json")):
        request = json.loads(file.read_text())["request_by_kind"]
        templates = {query.key: query.template for query in SERVICES[request["hook"]].queries}
        yield orjson.dumps({**request, "prefetch": filled(templates, request["prefetch"])})


def read(data: bytes) -> None:
    """Answer *data* as the service does. What this raises is a finding."""
    try:
        request = read_request(parse(data), frozenset(SERVICES), body=data)
        response = consult(request, ENVIRONMENT).response
    except (Refused, LimitError):
        return
    faults = response_faults(orjson.loads(orjson.dumps(response)))
    if faults:
        raise AssertionError(f"the answer breaks the specification: {faults[0]}")


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mostly other JSON, so that the mappers are reached and not the parser alone; now and then other bytes."""
    chance = random.Random(seed)
    changed = other_json(data, chance) if chance.random() < 0.9 else None
    return changed if changed and len(changed) <= max_size else atheris.Mutate(data, max_size)


def other_json(data: bytes, chance: random.Random) -> bytes | None:
    """*data* with up to four of its values changed; None where it is no JSON, or the outcome cannot be written."""
    try:
        document = orjson.loads(data)
        for _ in range(chance.randint(1, 4)):
            change(document, chance)
        return orjson.dumps(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def change(document: Any, chance: random.Random) -> None:
    """One value of *document* away, odd, another's, or mutated in itself."""
    places = list(holders(document))
    if not places:
        return
    container, key = chance.choice(places)
    kind = chance.choice(("remove", "odd", "copy", "itself"))
    if kind == "remove":
        del container[key]
    elif kind == "odd":
        container[key] = orjson.loads(chance.choice(ODD))
    elif kind == "copy":
        other, there = chance.choice(places)
        container[key] = orjson.loads(orjson.dumps(other[there]))
    elif isinstance(container[key], str):
        container[key] = atheris.Mutate(container[key].encode(), 200).decode(errors="replace")
    elif isinstance(container[key], int | float):
        container[key] = chance.choice((-1, 0.001, 10, 1e6)) * container[key]
    elif isinstance(container[key], list):
        container[key] = container[key] * 2


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as a container and a key in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from holders(inner)


def main(arguments: list[str]) -> None:
    FINDINGS.mkdir(exist_ok=True)
    if arguments and (folder := Path(arguments[0])).is_dir():
        for number, seed in enumerate(seeds()):
            (folder / f"seed-{number:02}").write_bytes(seed)
    limits = [f"-max_len={MAX_BYTES}", f"-timeout={SLOWEST_SECONDS}", f"-artifact_prefix={FINDINGS}/"]
    atheris.Setup([sys.argv[0], *limits, *arguments], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
