"""Nothing raises, whatever comes in; and the order in which things come changes nothing."""

import copy
from dataclasses import fields
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prodrome.fhir_mappers import KINDS
from prodrome.rules.facts import Facts
from tests.fhir_mappers.build import (
    ANY_TOXIN,
    BOTOX,
    CPT,
    DIARY,
    ERENUMAB,
    LOINC,
    SNOMED,
    SUMATRIPTAN,
    administration,
    as_needed,
    component,
    concept,
    condition,
    diary,
    dose,
    encounter,
    facts,
    observation,
    period,
    procedure,
    quantity,
    request,
    resource,
    rxnorm,
    statement,
)

NEUROLOGY = concept(SNOMED, "394591006")
WHOLE_CHART: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "pat-1", "gender": "female", "birthDate": "1990-01-01"},
    resource("Medication", id="m1", code=rxnorm("8787"), form=concept(text="tablet")),
    statement(why=concept(SNOMED, "395007004"), meta={"lastUpdated": "2025-07-01T00:00:00Z"}),
    statement(start="2025-06-10", end="2025-09-01", why={"text": "side effects"}, dosage=[dose(40, sequence=1)]),
    statement(
        status="recorded",
        medicationCodeableConcept=None,
        medication={"reference": {"reference": "Medication/m1"}},
        adherence={"code": concept(text="x"), "reason": concept(SNOMED, "395009001")},
        reason=[{"concept": concept(text="migraine")}],
    ),
    statement(SUMATRIPTAN, id="s1", status="active", end=None, dosage=[as_needed(50)]),
    request(status="stopped", dispenseRequest={"validityPeriod": period("2025-01-01", "2025-02-01")}),
    request(ERENUMAB, dosageInstruction=[dose(70, "mg", frequency=1, period=28, periodUnit="d")]),
    administration(on="2025-03-01"),
    administration(ANY_TOXIN, on="2025-03-01"),
    statement(BOTOX),
    procedure(concept(CPT, "64615"), on="2025-03-01"),
    procedure(concept(SNOMED, "44868003")),
    condition(onsetPeriod=period("2015", None), verificationStatus=concept(text="confirmed")),
    condition(abatementDateTime="2020"),
    encounter(participant=[{"individual": {"reference": "PractitionerRole/p"}}], type=[concept(text="visit")]),
    encounter("AMB", serviceType=NEUROLOGY, diagnosis=[{"condition": {"reference": "Condition/1"}, "rank": 1}]),
    {"resourceType": "PractitionerRole", "id": "p", "specialty": [NEUROLOGY]},
    diary(),
    diary("acute-medication-days", None, component=[component(DIARY, "triptan", valueInteger=4)]),
    observation(
        DIARY,
        "attack-response",
        focus=[{"reference": "MedicationStatement/s1"}],
        component=[
            component(DIARY, "attacks-treated", valueInteger=4),
            component(DIARY, "attacks-relieved", valueInteger=1),
        ],
    ),
    observation(LOINC, "65380-8", effectiveDateTime="2026-06-01", valueInteger=20),
    observation(LOINC, "82810-3", effectiveDateTime="2026-06-01", valueCodeableConcept=concept(LOINC, "LA15173-0")),
    observation(
        LOINC, "85354-9", component=[component(LOINC, "8480-6", valueQuantity=quantity(150, "mm[Hg]"))], issued="2026"
    ),
    observation(LOINC, "8867-4", valueQuantity=quantity(70, "/min")),
    resource("AllergyIntolerance", code=rxnorm("8787"), type="allergy"),
    resource("ServiceRequest", status="active", intent="order", code=concept(SNOMED, "308474002"), authoredOn="2026"),
    resource("DeviceRequest", status="active", intent="order", codeCodeableConcept={"text": "vagus stimulator"}),
    resource("DeviceUseStatement", status="active", device={"display": "vagus nerve stimulator"}),
    resource("Appointment", status="booked", start="2026-07-01T00:00:00Z", specialty=[NEUROLOGY]),
]

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, -1, 5, 10**400, 1.5, float("nan"), float("inf")),
        *("", " ", "x", "2024-13-45", "9999-12-31", "0001", "x" * 5000),
        *([], {}, [None], [5], [[]], [{}], [{}, {}]),
        *({"coding": 5}, {"reference": 5}, {"reference": "#x"}, {"reference": "urn:uuid:x"}),
        *({"start": "9999", "end": "0001"}, {"coding": [{"system": "x", "code": 1}]}),
    ]
)
ANYTHING = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "text", "code", "system", "reference", "value", "unit", "start", "end", "id", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, each in inside for deeper in _paths(each, (*path, key)))]


PLACES = [(index, path) for index, row in enumerate(WHOLE_CHART) for path in _paths(row) if path]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=6))
def test_a_chart_with_anything_in_any_place_is_read(faults: list[tuple[tuple[int, tuple[Any, ...]], Any]]) -> None:
    chart = copy.deepcopy(WHOLE_CHART)
    for (index, path), odd in faults:
        _put(chart[index], path, odd)
    read = facts(*chart, orders=tuple(chart))
    assert isinstance(read, Facts)
    assert all("x" * 50 not in skipped.why for skipped in read.skipped)


def _put(row: Any, path: tuple[Any, ...], odd: Any) -> None:
    for key in path[:-1]:
        if not isinstance(row, dict | list) or (isinstance(row, dict) and key not in row):
            return
        if isinstance(row, list) and (not isinstance(key, int) or key >= len(row)):
            return
        row = row[key]
    if isinstance(row, dict) or (isinstance(row, list) and isinstance(path[-1], int) and path[-1] < len(row)):
        row[path[-1]] = odd


ELEMENTS = ("id", "status", "code", "subject", "effectivePeriod", "class", "period", "dosage", "component", "type")
ROWS = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(sorted(KINDS))}, optional=dict.fromkeys(ELEMENTS, ANYTHING)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ANYTHING | ROWS, max_size=5))
def test_any_json_is_read(values: list[object]) -> None:
    assert isinstance(facts(*values, orders=tuple(values)), Facts)


def test_deep_nesting_is_read() -> None:
    deep: Any = {}
    for _ in range(50_000):
        deep = {"extension": [deep]}
    read = facts(condition(extension=[deep]), statement(dosage=[deep]))
    assert read.conditions
    assert read.trials


def test_the_whole_chart_is_read() -> None:
    read = facts(*WHOLE_CHART)
    assert read.skipped == ()
    elsewhere = {"skipped", "not_understood", "orders", "orders_beside", "declared", "co_medications", "site_codes"}
    assert {field.name for field in fields(read) if not getattr(read, field.name)} <= elsewhere


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shuffling_the_resources_changes_no_fact(random: Random) -> None:
    shuffled = list(WHOLE_CHART)
    random.shuffle(shuffled)
    assert facts(*shuffled) == facts(*WHOLE_CHART)
