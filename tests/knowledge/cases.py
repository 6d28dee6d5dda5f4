"""What the exported rules are run on, and what this program says of it: real charts, and random worlds."""

import copy
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

from prodrome.cds_hooks.consultation import Consultation, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.knowledge import fact_observations, facts_bundle
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers import examples
from prodrome.rules.engine import FINDING, UNJUDGED, Fact, Rulebook
from prodrome.rules.guideline import load_guideline
from tests.knowledge.worlds import World, draw
from tests.serving import TODAY, filled
from tests.vignettes.example_requests import request
from tests.vignettes.shapes import as_medication_requests, as_r5

ROOT = Path(__file__).parents[2]
GUIDELINE = load_guideline()
SEED = 20260615
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
WORLDS = 2000 if LONG else 200


@dataclass(frozen=True)
class Compared:
    """Facts as a Bundle, and the answer of this program. ``cards`` are rules with their indicators, for charts."""

    name: str
    bundle: dict[str, Any]
    findings: frozenset[str]
    unjudged: frozenset[str]
    fired: frozenset[str]
    hook: str = ""
    cards: frozenset[tuple[str, str]] = frozenset()


def rows(fields: Iterator[Mapping[str, object]] | list[Mapping[str, object]]) -> frozenset[str]:
    """What facts say, as something to compare."""
    return frozenset(json.dumps(dict(one), sort_keys=True) for one in fields)


def charts() -> Iterator[Compared]:
    """The labelled patients, the examples, and the example patients of a sandbox in every call they show."""
    environment = Environment.of(Settings(today=TODAY, engine="reference"))
    for file in sorted((ROOT / "tests" / "vignettes" / "requests").glob("*.json")):
        patient = json.loads(file.read_text())
        yield _judged(file.stem, patient, environment)
        if LONG:
            yield _judged(f"{file.stem} as R5", as_r5(patient), environment)
            yield _judged(f"{file.stem} as requests", as_medication_requests(patient), environment)
    for file in sorted((ROOT / "examples").glob("*.json")):
        body = file.read_bytes()
        hooks = frozenset(service.hook.name for service in environment.services().values())
        yield _compared(file.stem, consult(read_request(parse(body), hooks, body=body), environment))
    for example in examples():
        for ask in example.asks:
            name = f"{example.patient_id} {ask.hook} {ask.order or ask.entry or ''}".strip()
            yield _judged(name, request(example, ask, TODAY), environment)


def reshaped(number: int) -> Iterator[Compared]:
    """Random charts made of the labelled patients and the examples, in the shapes that charts come in.

    Each has rows left out and fields of rows, half of them the rows of another patient besides, some no row of a kind;
    as R4, as R5, or with requests in place of statements.
    """
    random = Random(SEED)
    environment = Environment.of(Settings(today=TODAY, engine="reference"))
    files = sorted((ROOT / "tests" / "vignettes" / "requests").glob("*.json"))
    base = [json.loads(file.read_text()) for file in files]
    base += [request(example, ask, TODAY) for example in examples() for ask in example.asks]
    for place in range(number):
        patient = _reshaped(random, random.choice(base), random.choice(base))
        yield _judged(f"reshaped chart {place}", patient, environment)


_LEFT_OUT = ("dosage", "reason", "reasonCode", "statusReason", "effectivePeriod", "period", "onsetDateTime", "code")


def _reshaped(random: Random, patient: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A patient in another shape, with other rows."""
    shape = random.choice((dict, as_r5, _as_requests))
    made = shape(copy.deepcopy(patient))
    asked, more = made["request_by_kind"], shape(copy.deepcopy(other))["request_by_kind"]
    id_, other_id = (one["context"]["patientId"] for one in (asked, more))
    his = json.dumps(more["prefetch"]).replace(f"Patient/{other_id}", f"Patient/{id_}")
    others = json.loads(his) if random.random() < 0.5 else {}
    rarely = random.choice((0, 0.1, 0.3))
    for kind, bundle in asked["prefetch"].items():
        if kind == "Patient" or not bundle:
            continue
        rows = [*bundle.get("entry", ()), *(others.get(kind) or {}).get("entry", ())]
        bundle["entry"] = [entry for entry in rows if random.random() >= rarely]
        bundle.pop("total", None)
        for entry in bundle["entry"]:
            if random.random() < rarely:
                entry["resource"].pop(random.choice(_LEFT_OUT), None)
    if random.random() < 0.2:
        made["absent"] = [random.choice(sorted(asked["prefetch"].keys() - {"Patient"}))]
    return made


def _as_requests(patient: dict[str, Any]) -> dict[str, Any]:
    return (
        as_medication_requests(patient) if "MedicationStatement" in patient["request_by_kind"]["prefetch"] else patient
    )


def worlds(rulebook: Rulebook, number: int = WORLDS) -> Iterator[World]:
    """Random worlds: for each enabled rule in turn one in which it holds, and one in which its data are lacking."""
    random = Random(SEED)
    enabled = [rule for rule in rulebook.rules.values() if rule.enabled]
    aims = [(rule.id, False) for rule in enabled] + [(rule.id, True) for rule in enabled if rule.absence_needs]
    for aim, lacking in islice(cycle(aims), number):
        yield draw(rulebook, random, aim, lacking=lacking)


def of_world(name: str, world: World, rulebook: Rulebook) -> Compared:
    """A world as the exported rules are run on it."""
    outcome = world.judged(rulebook)
    observations = fact_observations(world.facts, world.completeness, patient_id="one", guideline=GUIDELINE)
    resources = [{"resourceType": "Patient", "id": "one"}, *observations]
    return Compared(
        name,
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]},
        rows(_fields(outcome.facts, FINDING)),
        rows(_fields(outcome.facts, UNJUDGED)),
        frozenset(one.rule for one in outcome.fired),
    )


def _fields(facts: tuple[Fact, ...], kind: str) -> Iterator[Mapping[str, object]]:
    return (fact.fields for fact in facts if fact.type == kind)


def _judged(name: str, patient: Mapping[str, Any], environment: Environment) -> Compared:
    asked = patient["request_by_kind"]
    queries = environment.service_for(asked["hook"]).queries
    prefetch = filled({one.key: one.template for one in queries}, asked["prefetch"], tuple(patient.get("absent", ())))
    body = json.dumps({**asked, "prefetch": prefetch}).encode()
    return _compared(name, consult(read_request(parse(body), frozenset({asked["hook"]}), body=body), environment))


def _compared(name: str, consultation: Consultation) -> Compared:
    judgement = consultation.judgement
    cards = consultation.response["cards"]
    return Compared(
        name,
        facts_bundle(judgement, consultation.request.patient_id),
        rows([fact.fields for fact in judgement.of_type(FINDING)]),
        rows([fact.fields for fact in judgement.of_type(UNJUDGED)]),
        frozenset(one.rule for one in judgement.outcome.fired),
        consultation.request.hook,
        frozenset((card["source"]["topic"]["code"], card["indicator"]) for card in cards),
    )
