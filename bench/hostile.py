"""Bodies made to cost: what reading, judging and answering them takes, in CPU time, memory and bytes of answer.

Each shape is built at several sizes and answered in a process of its own. A shape passes where CPU time stays below
1 s for each megabyte of body (0.5 s for a smaller one), memory grows by at most 300 MB, and the answer holds at most
2 MB; whether the chart is judged or refused (413, 503) is shown beside it. The exit status is 1 where a limit is
broken.
"""

import os
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
from flask import Flask

from bench.charts import DIARY, ICD10CM, INSTANCE, LOINC, PATIENT, RXNORM, SNOMED, TODAY
from prodrome.cds_hooks.protocol import HOOKS, services
from prodrome.cds_hooks.runtime import collect_seldom
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app
from prodrome.rules.guideline import load_guideline

SIZES = (100_000, 1_000_000, 10_000_000)
"""Bytes of a body."""
SECONDS_PER_MB = 1.0
SECONDS_AT_LEAST = 0.5
MEMORY_MB = 300
ANSWER_BYTES = 2_000_000
GIVE_UP = 10
"""A call that takes so many times the CPU it may is ended."""

Json = dict[str, Any]
Rows = dict[str, list[Any]]

MANY = 50  # codings of one concept: as many as are read
MIGRAINE = "G43.709"
EMERGENCY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
REFERRAL = "183521007"


class Shape(NamedTuple):
    """A kind of body: its hook, and a function from a number to rows by prefetch key.

    What lies in the context stands under ``orders``, ``written`` and ``selected``.
    """

    rows: Callable[[int], Rows]
    hook: str = "patient-view"
    foreign: bool = False  # all rows in one Bundle, under a key nobody asked for


def _row(kind: str, **elements: Any) -> Json:
    return {"resourceType": kind, "subject": {"reference": f"Patient/{PATIENT}"}, **elements}


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _numbered(n: int, make: Callable[[int], Json]) -> list[Json]:
    return [make(number) | {"id": f"r{number}"} for number in range(n)]


def _request(number: int, **more: Any) -> Json:
    return _row("MedicationRequest", **{"status": "stopped", "intent": "order"} | more)


def _propranolol(number: int, **more: Any) -> Json:
    return _request(number, medicationCodeableConcept=_coded(RXNORM, "8787"), **more)


def _condition(number: int, code: str = "J45.909") -> Json:
    return _row("Condition", clinicalStatus=_coded(CLINICAL, "active"), code=_coded(ICD10CM, code))


def _day(number: int) -> str:
    return f"{1950 + number // 336 % 76:04}-{1 + number // 28 % 12:02}-{1 + number % 28:02}"


def codings(n: int) -> Rows:
    """One concept of many codings."""
    concept = {"coding": [{"system": ICD10CM, "code": f"J{number}", "display": "x"} for number in range(n)]}
    return {"conditions": [_row("Condition", id="r", code=concept)]}


def displays(n: int) -> Rows:
    """One concept of many codings of systems nobody knows."""
    concept = {"coding": [{"system": "x", "display": f"migraine without aura {number}"} for number in range(n)]}
    return {"medicationStatements": [_row("MedicationStatement", id="r", status="active", reasonCode=[concept])]}


def references_to_one_concept(n: int) -> Rows:
    """Many references to one large concept."""
    concept = {"coding": [{"system": ICD10CM, "code": f"J{number}", "display": "x"} for number in range(min(n, MANY))]}
    rows = _numbered(n, lambda number: _propranolol(number, reasonReference=[{"reference": "Condition/big"}]))
    return {"conditions": [_row("Condition", id="big", code=concept)], "medicationRequests": rows}


def references_in_one_row(n: int) -> Rows:
    """Many references of one row to one large concept."""
    concept = {"coding": [{"system": ICD10CM, "code": f"J{number}", "display": "x"} for number in range(min(n, MANY))]}
    row = _propranolol(0, id="r", reasonReference=[{"reference": "Condition/big"}] * n)
    return {"conditions": [_row("Condition", id="big", code=concept)], "medicationRequests": [row]}


def rows_of_one_medication(n: int) -> Rows:
    """Medicines that share one large Medication, each with words of its own."""
    texts = [{"system": "x", "display": f"propranolol {number} mg tablet"} for number in range(min(n, MANY))]
    medication = {"resourceType": "Medication", "id": "big", "code": {"coding": texts}}
    rows = _numbered(
        n, lambda number: _request(number, medicationReference={"reference": "Medication/big", "display": f"x{number}"})
    )
    return {"medicationRequests": rows, "foreign": [medication]}


def rows_of_one_mixture(n: int) -> Rows:
    """Medicines that share one Medication of many ingredients, each of many codings."""
    many = {"coding": [{"system": RXNORM, "code": f"{number}", "display": "x"} for number in range(min(n, MANY))]}
    mixed = [{"itemCodeableConcept": many} for _ in range(min(n, MANY))]
    medication = {"resourceType": "Medication", "id": "big", "ingredient": mixed}
    rows = _numbered(n, lambda number: _request(number, medicationReference={"reference": "Medication/big"}))
    return {"medicationRequests": rows, "foreign": [medication]}


def rows_of_one_long_mixture(n: int) -> Rows:
    """Medicines that share one Medication of more ingredients than anything has."""
    mixed = [{"itemCodeableConcept": _coded(RXNORM, "8787")} for _ in range(n)]
    medication = {"resourceType": "Medication", "id": "big", "ingredient": mixed}
    rows = _numbered(n, lambda number: _request(number, medicationReference={"reference": "Medication/big"}))
    return {"medicationRequests": rows, "foreign": [medication]}


def mixtures_of_mixtures(n: int) -> Rows:
    """Medications of which each names the next as its every ingredient."""

    def medication(number: int) -> Json:
        inner = {"itemReference": {"reference": f"Medication/m{number + 1}"}}
        return {"resourceType": "Medication", "id": f"m{number}", "ingredient": [inner] * n}

    last = {"resourceType": "Medication", "id": "m3", "code": _coded(RXNORM, "8787")}
    row = _request(0, id="r", medicationReference={"reference": "Medication/m0"})
    return {"medicationRequests": [row], "foreign": [*map(medication, range(3)), last]}


def dispensings_times_courses(n: int) -> Rows:
    """Courses of one drug far apart, and dispensings of it between them."""

    def course(number: int) -> Json:
        period = {"start": _day(number * 2), "end": _day(number * 2)}
        return _propranolol(number, dispenseRequest={"validityPeriod": period})

    def dispensing(number: int) -> Json:
        return _row("MedicationDispense", status="completed", whenHandedOver=_day(number * 2 + 1),
                    medicationCodeableConcept=_coded(RXNORM, "8787"))  # fmt: skip

    return {"medicationRequests": _numbered(n, course), "medicationDispenses": _numbered(n, dispensing)}


def strengths_times_doses(n: int) -> Rows:
    """A medicine of many strengths, taken in many doses."""
    concept = {"text": "propranolol", "coding": [{"display": f"propranolol {each} mg"} for each in range(min(n, MANY))]}
    dose = {"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}]}
    row = _request(0, id="r", medicationCodeableConcept=concept, dosageInstruction=[dose] * n)
    return {"medicationRequests": [row]}


def doses_in_sequence(n: int) -> Rows:
    """A medicine taken in one dose after the other."""

    def dose(number: int) -> Json:
        said = {"doseAndRate": [{"doseQuantity": {"value": 1 + number % 9, "unit": "mg"}}]}
        return {"sequence": number, "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}} | said

    return {"medicationRequests": [_propranolol(0, id="r", dosageInstruction=[dose(number) for number in range(n)])]}


def contained_times_references(n: int) -> Rows:
    """A row with many contained resources and as many references to them."""
    contained = [{"resourceType": "Condition", "id": f"c{number}"} for number in range(n)]
    references = [{"reference": f"#c{number}"} for number in range(n)]
    return {"medicationRequests": [_propranolol(0, id="r", contained=contained, reasonReference=references)]}


def nested_courses(n: int) -> Rows:
    """Courses of one drug, each within the one before."""

    def row(number: int) -> Json:
        period = {"start": _day(number), "end": _day(2 * n - number)}
        return _propranolol(number, dispenseRequest={"validityPeriod": period})

    return {"medicationRequests": _numbered(n, row)}


def overlapping_courses(n: int) -> Rows:
    """Courses of one drug, each beginning before the one before it ended."""

    def row(number: int) -> Json:
        dose = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": number % 7 + 1, "unit": "mg"}}]}  # fmt: skip
        period = {"start": _day(number), "end": _day(number + 900)}
        return _propranolol(number, dispenseRequest={"validityPeriod": period}, dosageInstruction=[dose])

    return {"medicationRequests": _numbered(n, row)}


def apart_courses(n: int) -> Rows:
    """Courses of many drugs far apart, and rows of one date that may lie in any of them."""
    codes = [drug.codes["rxnorm"][0] for drug in load_guideline().drugs.values() if drug.codes.get("rxnorm")]

    def row(number: int) -> Json:
        concept = _coded(RXNORM, codes[number % len(codes)])
        start = _day(number * 37)
        if number % 2:
            return _request(number, medicationCodeableConcept=concept, authoredOn=start, status="completed")
        period = {"start": start, "end": start}
        return _request(number, medicationCodeableConcept=concept, dispenseRequest={"validityPeriod": period})

    return {"medicationRequests": _numbered(n, row)}


def failed_trials(n: int) -> Rows:
    """Failed trials of one drug, as many as there are months, and an allergy for each."""

    def row(number: int) -> Json:
        period = {"start": _day(number * 90), "end": _day(number * 90 + 20)}
        stopped, meant = [_coded(SNOMED, "395009001")], [_coded(ICD10CM, MIGRAINE)]
        return _propranolol(number, dispenseRequest={"validityPeriod": period}, statusReason=stopped, reasonCode=meant)

    allergies = _numbered(n, lambda number: _row("AllergyIntolerance", code=_coded(RXNORM, "8787"), type="allergy"))
    return {"medicationRequests": _numbered(n, row), "allergyIntolerances": allergies}


def administrations_times_trials(n: int) -> Rows:
    """Injections and courses of one antibody."""
    concept = _coded(RXNORM, "2045613")

    def course(number: int) -> Json:
        period = {"start": _day(number * 90), "end": _day(number * 90 + 20)}
        return _request(number, medicationCodeableConcept=concept, dispenseRequest={"validityPeriod": period})

    def given(number: int) -> Json:
        return _row("MedicationAdministration", status="completed", medicationCodeableConcept=concept,
                    effectiveDateTime=_day(number * 90 + 5))  # fmt: skip

    return {"medicationRequests": _numbered(n, course), "medicationAdministrations": _numbered(n, given)}


def toxins_times_procedures(n: int) -> Rows:
    """Courses of botulinum toxin that say nothing of what for, and procedures that might."""

    def course(number: int) -> Json:
        period = {"start": _day(number * 2), "end": _day(number * 2 + 90)}
        toxin = _coded(RXNORM, "1712")
        return _row("MedicationStatement", status="stopped", medicationCodeableConcept=toxin, effectivePeriod=period)

    def procedure(number: int) -> Json:
        injected = _coded("http://www.ama-assn.org/go/cpt", "64615")
        return _row("Procedure", status="completed", code=injected, performedDateTime=_day(number))

    return {"medicationStatements": _numbered(n, course), "procedures": _numbered(n, procedure)}


def toxins_for_others_times_procedures(n: int) -> Rows:
    """Undated courses of botulinum toxin for something else, and procedures that none of them takes."""
    toxin = {"medicationCodeableConcept": _coded(RXNORM, "1712"), "reasonCode": [_coded(ICD10CM, "G24.3")]}

    def course(number: int) -> Json:
        period = ({"start": _day(number * 40)}, {"end": _day(number * 40)}, {})[number % 3]
        return _row("MedicationStatement", status="stopped", effectivePeriod=period, **toxin)

    return {**toxins_times_procedures(n), "medicationStatements": _numbered(n, course)}


def visits_times_referrals(n: int) -> Rows:
    """Hospital visits and referrals, each after many of the others."""

    def visit(number: int) -> Json:
        period = {"start": _day(number * 5), "end": _day(number * 5)}
        return _row("Encounter", **{"class": EMERGENCY}, status="finished", period=period,
                    reasonCode=[_coded(ICD10CM, MIGRAINE)])  # fmt: skip

    def referral(number: int) -> Json:
        return _row("ServiceRequest", status="active", intent="order", code=_coded(SNOMED, REFERRAL),
                    authoredOn=_day(number * 5))  # fmt: skip

    return {"encounters": _numbered(n, visit), "serviceRequests": _numbered(n, referral)}


def _order(number: int) -> Json:
    return _request(number, medicationCodeableConcept=_coded(RXNORM, "8787")) | {"status": "draft"}


def orders(n: int) -> Rows:
    """Many orders."""
    return {"orders": _numbered(n, _order)}


def orders_of_long_ids(n: int) -> Rows:
    """Few orders, the ids of which hold the most of the body."""
    return {"orders": [_order(number) | {"id": f"{number}-" + "x" * n} for number in range(10)]}


def long_order(n: int) -> Rows:
    """An order above its limit, to be sent back changed, that holds the most of the body."""
    dose = {"asNeededBoolean": True, "doseAndRate": [{"doseQuantity": {"value": 300, "unit": "mg"}}]}
    order = _request(0, status="draft", medicationCodeableConcept=_coded(RXNORM, "37418"), dosageInstruction=[dose])
    return {"orders": [order | {"id": "o", "note": [{"text": "x" * n}]}]}


def nothing_ordered(n: int) -> Rows:
    """Orders that are none."""
    return {"orders": [f"{number}" for number in range(n)]}


def selections(n: int) -> Rows:
    """Selections in a form that no version of the specification has."""
    return {"orders": [_order(0) | {"id": "o"}], "selected": [{"id": "o"}, 1, []] * n}


def orders_times_allergies(n: int) -> Rows:
    """Orders of a drug and allergies to it."""
    allergies = _numbered(n, lambda number: _row("AllergyIntolerance", code=_coded(RXNORM, "8787"), type="allergy"))
    return {"orders": _numbered(n, _order), "allergyIntolerances": allergies}


def orders_times_conditions(n: int) -> Rows:
    """Orders of a drug and conditions that speak against it."""
    return {"orders": _numbered(n, _order), "conditions": _numbered(n, _condition)}


def one_order_many_conditions(n: int) -> Rows:
    """One order, and conditions that speak against it."""
    return {"orders": _numbered(1, _order), "conditions": _numbered(n, _condition)}


def problems_being_written(n: int) -> Rows:
    """Problems that are being added, and as many that are there."""
    there = [_condition(number) | {"id": f"there-{number}"} for number in range(n)]
    return {"written": _numbered(n, _condition), "conditions": there}


def allergies_being_written(n: int) -> Rows:
    """Allergies that are being added, and as many that are there."""
    allergy = _row("AllergyIntolerance", code=_coded(RXNORM, "8787"), type="allergy")
    there = [allergy | {"id": f"there-{number}"} for number in range(n)]
    return {"written": _numbered(n, lambda _: allergy), "allergyIntolerances": there}


def foreign_bundle(n: int) -> Rows:
    """Rows of thirteen kinds in one Bundle under a key nobody asked for."""
    kinds = ("Condition", "MedicationStatement", "MedicationRequest", "MedicationAdministration", "Encounter",
             "Observation", "AllergyIntolerance", "Procedure", "ServiceRequest", "DeviceRequest",
             "DeviceUseStatement", "Appointment", "Patient")  # fmt: skip
    return {"foreign": [_row(kinds[number % len(kinds)], id=f"r{number}") for number in range(n)]}


def long_phrases(n: int) -> Rows:
    """Reasons of many words, each the beginning of a phrase."""
    text = "no did not lack of could not " * 60

    def row(number: int) -> Json:
        return _propranolol(number, statusReason=[{"text": f"{number} {text} side effects"}])

    return {"medicationRequests": _numbered(max(1, n // 10), row)}


def long_names(n: int) -> Rows:
    """Medicines named by many names."""
    text = "sumatriptan and naproxen / botulinum toxin type " * 40

    def row(number: int) -> Json:
        return _request(number, medicationCodeableConcept={"text": f"{number} {text}"})

    return {"medicationRequests": _numbered(max(1, n // 10), row)}


def diary(n: int) -> Rows:
    """Counts of one month, again and again."""

    def row(number: int) -> Json:
        return _row("Observation", status="final", code=_coded(DIARY, "debilitating-headache-days"),
                    effectivePeriod={"start": "2026-05-01", "end": "2026-05-31"}, valueInteger=number % 28)  # fmt: skip

    return {"headacheDiary": _numbered(n, row)}


def months(n: int) -> Rows:
    """A diary of centuries."""

    def row(number: int) -> Json:
        year, month = divmod(number, 12)
        month_ = f"{year % 2026 + 1:04}-{month + 1:02}"
        return _row("Observation", status="final", code=_coded(DIARY, "debilitating-headache-days"),
                    effectivePeriod={"start": month_, "end": month_}, valueInteger=20)  # fmt: skip

    return {"headacheDiary": _numbered(n, row)}


def pressures(n: int) -> Rows:
    """Readings of blood pressure."""

    def row(number: int) -> Json:
        part = {"code": _coded(LOINC, "8480-6"), "valueQuantity": {"value": 190, "unit": "mmHg"}}
        return _row("Observation", status="final", code=_coded(LOINC, "85354-9"), component=[part],
                    effectiveDateTime="2026-06-01")  # fmt: skip

    return {"measurements": _numbered(n, row), "orders": _numbered(1, _order)}


def unreadable(n: int) -> Rows:
    """Rows that cannot be read."""
    return {"conditions": _numbered(n, lambda number: _row("Condition", code=5))}


def bare(n: int) -> Rows:
    """Rows that say nothing, as short as a row can be."""
    return {"conditions": _numbered(n, lambda number: {"resourceType": "Condition"})}


def appointments(n: int) -> Rows:
    """An appointment of many participants."""
    actors = [{"actor": {"reference": f"Patient/x{number}"}} for number in range(n)]
    big = {"resourceType": "Appointment", "id": "big", "status": "booked", "participant": actors}
    return {"appointments": [big]}


def empty_members(n: int) -> Rows:
    """Lists of nothing."""
    nothing: list[Any] = [None] * (10 * n)
    rows = [_row("Condition", id="r", code={"coding": nothing}), _propranolol(0, id="r", dosageInstruction=nothing)]
    return {"conditions": rows[:1], "medicationRequests": rows[1:]}


SHAPES: Mapping[str, Shape] = {
    "codings": Shape(codings),
    "codings of unknown systems": Shape(displays),
    "references to one concept": Shape(references_to_one_concept),
    "references in one row": Shape(references_in_one_row),
    "rows of one Medication": Shape(rows_of_one_medication),
    "rows of one mixture": Shape(rows_of_one_mixture),
    "rows of one long mixture": Shape(rows_of_one_long_mixture),
    "mixtures of mixtures": Shape(mixtures_of_mixtures),
    "dispensings x courses": Shape(dispensings_times_courses),
    "strengths x doses": Shape(strengths_times_doses),
    "doses in sequence": Shape(doses_in_sequence),
    "contained x references": Shape(contained_times_references),
    "nested courses": Shape(nested_courses),
    "overlapping courses": Shape(overlapping_courses),
    "courses apart": Shape(apart_courses),
    "failed trials x allergies": Shape(failed_trials),
    "administrations x trials": Shape(administrations_times_trials),
    "toxins x procedures": Shape(toxins_times_procedures),
    "toxins for others x procedures": Shape(toxins_for_others_times_procedures),
    "visits x referrals": Shape(visits_times_referrals, "encounter-discharge"),
    "orders": Shape(orders, "order-sign"),
    "orders of long ids": Shape(orders_of_long_ids, "order-sign"),
    "long order": Shape(long_order, "order-sign"),
    "nothing ordered": Shape(nothing_ordered, "order-sign"),
    "selections": Shape(selections, "order-select"),
    "orders x allergies": Shape(orders_times_allergies, "order-sign"),
    "orders x conditions": Shape(orders_times_conditions, "order-sign"),
    "one order x conditions": Shape(one_order_many_conditions, "order-sign"),
    "problems being written": Shape(problems_being_written, "problem-list-item-create"),
    "allergies being written": Shape(allergies_being_written, "allergyintolerance-create"),
    "foreign Bundle": Shape(foreign_bundle, foreign=True),
    "long phrases": Shape(long_phrases),
    "long names": Shape(long_names),
    "one month": Shape(diary),
    "many months": Shape(months),
    "pressures": Shape(pressures, "order-sign"),
    "unreadable rows": Shape(unreadable),
    "bare rows": Shape(bare),
    "participants": Shape(appointments),
    "empty members": Shape(empty_members),
}


def body(shape: Shape, size: int) -> bytes:
    """A request of this shape, of about so many bytes."""
    sample = 200
    each = len(_body(shape, 2 * sample)) - len(_body(shape, sample))
    return _body(shape, max(1, sample * size // each))


def _body(shape: Shape, n: int) -> bytes:
    rows = shape.rows(n)
    drafts, written, selected = (rows.pop(name, []) for name in ("orders", "written", "selected"))
    prefetch: Json = {key: _bundle(found) for key, found in rows.items()}
    patient = {"resourceType": "Patient", "id": PATIENT, "gender": "female", "birthDate": "1984-03-02"}
    if not shape.foreign:
        rows.setdefault("conditions", []).append(_condition(0, MIGRAINE) | {"id": "migraine"})
        prefetch["conditions"] = _bundle(rows["conditions"])
        empty = dict.fromkeys(_keys(shape.hook))
        prefetch = empty | prefetch
    context: Json = {"userId": "Practitioner/bench", "patientId": PATIENT, "encounterId": "e"}
    if HOOKS[shape.hook].orders:
        context |= {"draftOrders": _bundle(drafts), "selections": selected}
    if declares := HOOKS[shape.hook].declares:
        context[declares[0]] = _bundle(written)
    asked = {"hook": shape.hook, "hookInstance": INSTANCE, "context": context}
    return orjson.dumps(asked | {"prefetch": prefetch | {"patient": patient}})


def _keys(hook: str) -> list[str]:
    return [q.key for s in services(load_guideline(), TODAY).values() if s.hook.name == hook for q in s.queries]


def _bundle(rows: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": row} for row in rows]}


class Cost(NamedTuple):
    """What one call took. ``status`` is None where it was ended."""

    size: int
    status: int | None
    seconds: float
    memory_mb: float
    answer: int

    @property
    def allowed(self) -> float:
        """The CPU time, in seconds, that a body of this size may take."""
        return max(SECONDS_AT_LEAST, SECONDS_PER_MB * self.size / 1_000_000)

    @property
    def kept(self) -> bool:
        """Whether every limit was kept."""
        return (
            self.status in (200, 413, 503)
            and self.seconds <= self.allowed
            and self.memory_mb <= MEMORY_MB
            and self.answer <= ANSWER_BYTES
        )


def ask(app: Flask, shape: Shape, request: bytes) -> tuple[int, int]:
    """The status and the size of the answer."""
    path = f"/cds-services/prodrome-{shape.hook}"
    answer = app.test_client().post(path, data=request, content_type="application/json")
    return answer.status_code, len(answer.data)


def measure(app: Flask, shape: Shape, size: int) -> Cost:
    """Answer one such request in a process of its own."""
    request = body(shape, size)
    came, said = os.pipe()
    child = os.fork()
    if child == 0:
        limit = int(GIVE_UP * max(SECONDS_AT_LEAST, SECONDS_PER_MB * size / 1_000_000)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        collect_seldom()  # as each process of the server does
        before, began = _peak(), time.process_time()
        status, answered = ask(app, shape, request)
        took = time.process_time() - began
        os.write(said, orjson.dumps([status, took, _peak() - before, answered]))
        os._exit(0)
    os.close(said)
    with os.fdopen(came, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        return Cost(len(request), None, float("inf"), float("nan"), 0)
    return Cost(len(request), *orjson.loads(told))


def _peak() -> float:
    """The most memory this process held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def service() -> Flask:
    """The service measured: it takes bodies of any size, and the time it needs on a busy machine."""
    return create_app(Settings(today=TODAY, max_body_bytes=2 * max(SIZES), deadline_seconds=60))


def main() -> int:
    """Measure and print; 1 where a limit was broken."""
    app = service()
    for shape in SHAPES.values():  # what is made once is made before
        ask(app, shape, body(shape, 10_000))
    titles = ("shape", "MB", "status", "CPU s", "allowed", "s per MB", "MB more", "answer KB")
    print("{:28} {:>6} {:>6} {:>7} {:>7} {:>8} {:>8} {:>9}".format(*titles))
    broken = 0
    for name, shape in SHAPES.items():
        for size in SIZES:
            cost = measure(app, shape, size)
            per_mb = cost.seconds * 1_000_000 / cost.size
            print(
                f"{name:28} {cost.size / 1_000_000:6.1f} {cost.status or 'ended':>6} {cost.seconds:7.2f} "
                f"{cost.allowed:7.2f} {per_mb:8.2f} {cost.memory_mb:8.0f} {cost.answer / 1000:9.1f}"
                f"{'' if cost.kept else '  BROKEN'}",
                flush=True,
            )
            broken += not cost.kept
    print(f"{broken} limits broken." if broken else "Every limit was kept.")
    return int(broken > 0)
