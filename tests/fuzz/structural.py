"""Requests that are whole but for a few odd elements, each known by its number: none may end in a 5xx.

``python -m tests.fuzz.structural --count 1000000`` answers so many, from number ``--first`` on, in ``--processes``
processes, and prints the number and the failure of each that ends in 5xx. A number that ever did is kept in
``seeds.txt`` and tried with the suite.
"""

import argparse
import copy
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import orjson

from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import Refused
from prodrome.cds_hooks.protocol.requests import parse, read_request
from prodrome.cds_hooks.settings import Settings
from prodrome.rules.engine import LimitError
from tests.fhir_mappers.build import ICD10CM, as_needed, bundle, concept, condition, dose, request, rxnorm
from tests.fhir_mappers.test_any_json import WHOLE_CHART
from tests.serving import TODAY

SEEDS = Path(__file__).with_name("seeds.txt")
BATCH = 2_000

HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start", "encounter-discharge")
ORDERS = [
    request(rxnorm("37418", "sumatriptan"), id="o1", status="draft", dosageInstruction=[as_needed(25)]),
    request(rxnorm("38404", "topiramate"), id="o2", status="draft", dosageInstruction=[dose(50)]),
    request(rxnorm("8787", "propranolol 40 mg tablet"), id="o3", status="draft", dosageInstruction=[dose(1, "tablet")]),
]
CHART = [
    *WHOLE_CHART,
    condition(concept(ICD10CM, "I25.10"), id="heart"),
    condition(concept(ICD10CM, "J45.909"), id="asthma"),
]

ALLERGIES = [row for row in CHART if row["resourceType"] == "AllergyIntolerance"]

NUMBERS = (0, -1, 1, 7, 1e16, 1e300, -1e300, 1e308, 5e-324, 1e-9, 0.01, 2**63, 2**31, 10**15 - 1, 10**15, 999999999)
TEXTS = (
    *("", " ", "x", "\u0000", "\ud7ff", "\U0001f600", "x" * 3000, "9" * 400 + " mg", "1e400", "propranolol 1e9 mg"),
    *("0001-01-01", "9999-12-31", "9999-12", "0001", "2024-13-45", "2026-06-15T25:61:00Z", "2024-02-29T23:59:60+14:00"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-06-15", "2026", "Patient/", "Patient/pat-1"),
    *("urn:uuid:x", "#", "#m1", "Medication/m1", "/", "//", "a/b/c/_history/1", "mo", "a", "s", "wk", "d", "mg", "g"),
    *("ug", "tablet", "mL", "active", "stopped", "completed", "draft", "unknown", "entered-in-error", "<script>"),
    "take " + "9" * 400 + " tablets every 0 days",
    "0 mg / 0 mL",
)
SHAPES: tuple[Any, ...] = (
    *(None, True, False, [], {}, [None], [[]], [{}], {"value": {}}, {"reference": {}}, {"coding": {}}),
    *({"coding": [None]}, {"start": "9999-12-31"}, {"end": "0001-01-01"}, {"start": "2026", "end": "2020"}),
    *({"resourceType": "Bundle", "entry": {}}, {"resourceType": 5}, {"value": 1e308, "unit": "mg"}, {"entry": [5]}),
)
ELEMENTS = (
    *("id", "status", "code", "subject", "meta", "period", "dosage", "component", "value", "unit", "reference", "text"),
    *("effectivePeriod", "effectiveDateTime", "issued", "authoredOn", "contained", "extension", "modifierExtension"),
    *("doseAndRate", "timing", "repeat", "frequency", "periodUnit", "boundsPeriod", "boundsDuration", "valueInteger"),
)


def body(number: int) -> tuple[str, bytes]:
    """The hook and the body of the request of this number."""
    random = Random(number)
    hook = random.choice(HOOKS)
    rows = copy.deepcopy(random.sample(CHART, random.randint(3, 12)) + CHART[:1])
    orders = copy.deepcopy(random.sample(ORDERS, random.randint(1, 3)))
    by_kind: dict[str, list[Any]] = {}
    for row in rows:
        by_kind.setdefault(row["resourceType"], []).append(row)
    patients = by_kind.pop("Patient", [None])
    queries = next(s for s in ENVIRONMENT.services().values() if s.hook.name == hook).queries
    prefetch: dict[str, Any] = {q.key: bundle(*by_kind.get(q.kind, ())) for q in queries if q.kind != "Patient"}
    prefetch["patient"] = patients[0]
    if random.random() < 0.2:
        prefetch["other"] = bundle(*copy.deepcopy(rows))
    context: dict[str, Any] = {"userId": "Practitioner/dr-1", "patientId": "pat-1", "encounterId": "e"}
    if hook.startswith("order"):
        context |= {"draftOrders": bundle(*orders), "selections": ["MedicationRequest/o1", "MedicationRequest/o2"]}
    hook, context = _later(Random(f"later {number}"), hook, context, orders)
    said = {"hook": hook, "hookInstance": str(number), "context": context, "prefetch": prefetch}
    for _ in range(random.randint(1, 5)):
        _spoil(random, said)
    return hook, orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS)


def _later(random: Random, hook: str, context: dict[str, Any], orders: list[Any]) -> tuple[str, dict[str, Any]]:
    """One of the hooks that came later, now and then; the other numbers name the requests they always named."""
    if random.random() < 0.8:
        return hook, context
    hook, member, resources = random.choice(
        (
            ("medication-refill", "medications", orders),
            ("problem-list-item-create", "conditions", [row for row in CHART if row["resourceType"] == "Condition"]),
            ("allergyintolerance-create", "allergyIntolerance", [CHART[-1], *ALLERGIES]),
        )
    )
    return hook, context | {member: copy.deepcopy(random.choice((bundle(*resources), resources, resources[0])))}


def _spoil(random: Random, said: dict[str, Any]) -> None:
    """Change one place, deep ones as often as others."""
    part = random.choice(("context", "prefetch", "prefetch", "prefetch"))
    found = list(places(said[part] if isinstance(said[part], dict) else said))
    if not found:
        return
    holder, key = random.choice(found)
    random.choice(CHANGES)(random, holder, key, found)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as a container and a key in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from places(inner)


Change = Callable[[Random, Any, Any, list[tuple[Any, Any]]], None]


def _odd(random: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    kind = random.random()
    now = holder[key]
    if isinstance(now, int | float) and kind < 0.7:
        holder[key] = random.choice(NUMBERS)
    elif isinstance(now, str) and kind < 0.7:
        holder[key] = random.choice(TEXTS)
    else:
        holder[key] = copy.deepcopy(random.choice((*NUMBERS, *TEXTS, *SHAPES)))


def _gone(random: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    del holder[key]


def _wrapped(random: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    holder[key] = [holder[key]] if random.random() < 0.5 else {"resource": holder[key]}


def _moved(random: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    other, place = random.choice(places)
    holder[key] = copy.deepcopy(other[place])


def _doubled(random: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    if isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = [copy.deepcopy(holder[key]) for _ in range(random.choice((2, 3, 30)))]


def _added(random: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    if isinstance(holder, dict):
        holder[random.choice(ELEMENTS)] = copy.deepcopy(random.choice((*NUMBERS, *TEXTS, *SHAPES)))


CHANGES: tuple[Change, ...] = (_odd, _odd, _odd, _gone, _wrapped, _moved, _doubled, _added)

# Not on loopback: there, a request may name any FHIR server of this machine, and the fuzzer would call it.
ENVIRONMENT = Environment.of(
    Settings(today=TODAY, host="0.0.0.0", open_to_everyone=True, engine="reference", deadline_seconds=60)
)


def failure(number: int) -> str | None:
    """What the request of this number fails with, where it would be a 5xx."""
    hook, data = body(number)
    try:
        asked = read_request(parse(data), frozenset({hook}), body=data)
        orjson.dumps(consult(asked, ENVIRONMENT).response)
    except (Refused, LimitError):
        pass
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} at {Path(last.filename).name}:{last.lineno}"
    return None


def failures(first: int, count: int) -> list[tuple[int, str]]:
    """The requests of a range that fail, and how."""
    return [(number, said) for number in range(first, first + count) if (said := failure(number)) is not None]


def main() -> int:
    """Answer a range of requests; 1 where one fails."""
    said = argparse.ArgumentParser(prog="python -m tests.fuzz.structural", description=__doc__)
    said.add_argument("--first", type=int, default=0, help="the number of the first request (0)")
    said.add_argument("--count", type=int, default=20_000, help="how many (20,000)")
    said.add_argument("--processes", type=int, default=2, help="side by side (2)")
    asked = said.parse_args()
    starts = range(asked.first, asked.first + asked.count, BATCH)
    found = 0
    with ProcessPoolExecutor(asked.processes) as pool:
        counts = [min(BATCH, asked.first + asked.count - start) for start in starts]
        for bad in pool.map(failures, starts, counts):
            found += len(bad)
            for number, text in bad:
                print(number, text, flush=True)
    print(f"{asked.count} requests, {found} of them would end in 5xx.")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
