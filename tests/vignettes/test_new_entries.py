"""A problem or an allergy is written into the chart of a patient who takes something: one patient a line.

The calls go over HTTP, in every form in which the hooks were published and seen. Today is 2026-06-15.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fhir_mappers.build import (
    ICD10CM,
    ME,
    SNOMED,
    SUMATRIPTAN,
    concept,
    condition,
    dose,
    resource,
    rxnorm,
    statement,
)
from tests.serving import Client, ask, client_of, rules_in, service
from tests.vignettes.test_charts import ADULT, allergic, heavy, propranolol, taken, without

Json = dict[str, Any]

PROBLEM, ALLERGY = "problem-list-item-create", "allergyintolerance-create"
PROPRANOLOL, IBUPROFEN = rxnorm("8787"), rxnorm("5640")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def said(
    client: Client, hook: str, context: Json, chart: list[Json], *, absent: tuple[str, ...] = (), patient: Json = ADULT
) -> Json:
    """The answer to a call about a chart that is whole, but for the kinds that are absent."""
    rows: dict[str, list[Json]] = defaultdict(list)
    for each in chart:
        rows[each["resourceType"]].append({"resource": each})
    prefetch: Json = {kind: {"resourceType": "Bundle", "entry": entries} for kind, entries in rows.items()}
    request = {
        "hook": hook,
        "hookInstance": "00000000-0000-4000-8000-000000000000",
        "context": {"patientId": ME, "userId": "Practitioner/x"} | context,
        "prefetch": prefetch | {"Patient": patient},
    }
    answer = ask(client, {"request_by_kind": request, "absent": absent})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()  # type: ignore[no-any-return]


def bundle(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "entry": [{"resource": each} for each in resources]}


def takes(drug: Json, amount: float = 80, **more: Any) -> Json:
    return statement(drug, "active", "2025-06-01", None, **{"dosage": [dose(amount)]} | more)


def problem(code: str, **more: Any) -> Json:
    return condition(concept(ICD10CM, code), **more)


ON = takes(PROPRANOLOL)
DISPENSED = resource(
    "MedicationDispense",
    status="completed",
    medicationCodeableConcept=PROPRANOLOL,
    whenHandedOver="2026-06-01",
    daysSupply={"value": 30},
)
STOPPED = statement(PROPRANOLOL, "stopped", "2025-01-01", "2025-06-01", dosage=[dose(80)])
DROPS = takes(concept(text="timolol 0.5 % eye drops"), dosage=None)
ASPIRIN = takes(rxnorm("1191"), 81, reasonCode=None)
CHILD = ADULT | {"birthDate": "2014-01-15"}

PROBLEMS = {
    "asthma on a beta blocker": ([ON], problem("J45.909"), "critical"),
    "whatever it is taken for": (
        [takes(PROPRANOLOL, reasonCode=[concept(ICD10CM, "I10")])],
        problem("J45.909"),
        "critical",
    ),
    "for no stated reason": ([takes(PROPRANOLOL, reasonCode=None)], problem("J45.909"), "critical"),
    "no longer taken": ([STOPPED], problem("J45.909"), None),
    "nothing taken": ([], problem("J45.909"), None),
    "as eye drops": ([DROPS], problem("J45.909"), None),
    "known already": ([ON, problem("J45.20")], problem("J45.909"), None),
    "known once, over now": ([ON, problem("J45.20", status="resolved")], problem("J45.909"), "critical"),
    "without a status": ([ON], problem("J45.909", status=None), "critical"),
    "refuted": (
        [ON],
        problem("J45.909", verificationStatus={"coding": [{"code": "refuted"}]}),
        None,
    ),
    "resolved as it is written": ([ON], problem("J45.909", status="resolved"), None),
    "another problem": ([ON], problem("M54.5"), None),
    "a caution only": ([ON], problem("J44.9"), None),
    "coronary disease on a triptan": ([taken(SUMATRIPTAN, 100)], problem("I25.10"), "critical"),
    "coronary disease on an antibody": (
        [
            statement(
                rxnorm("2045613"),
                "active",
                "2026-01-01",
                None,
                dosage=[dose(140, frequency=1, period=28, periodUnit="d")],
            )
        ],
        problem("I25.10"),
        "warning",
    ),
    "kidney stones on topiramate": ([takes(rxnorm("38404"), 100)], problem("N20.0"), "warning"),
    "pregnancy on topiramate": (
        [takes(rxnorm("38404"), 100)],
        problem("Z34.90", onsetDateTime="2026-05-01"),
        "critical",
    ),
    "a pregnancy that is over": ([takes(rxnorm("38404"), 100)], problem("Z34.90", onsetDateTime="2025-05-01"), None),
    "weeks of a pregnancy known, as an NSAID must be avoided": (
        [taken(IBUPROFEN, 400), problem("Z34.90")],
        problem("Z3A.24"),
        "critical",
    ),
    "a pregnancy known, told again": ([taken(IBUPROFEN, 400), problem("Z34.90")], problem("O09.90"), None),
    "an ulcer on aspirin for the heart": ([ASPIRIN], problem("K25.9"), "critical"),
    "pregnancy on 81 mg of aspirin": ([ASPIRIN], problem("Z34.90"), None),
    "asthma on what was dispensed": ([DISPENSED], problem("J45.909"), "critical"),
    "asthma after what was dispensed": ([DISPENSED | {"daysSupply": {"value": 7}}], problem("J45.909"), None),
    "asthma by SNOMED CT": ([ON], condition(concept(SNOMED, "195967001")), "critical"),
}


@pytest.mark.parametrize(("chart", "entry", "indicator"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_new_problem(client: Client, chart: list[Json], entry: Json, indicator: str | None) -> None:
    entry = {**entry, "id": "entry"}
    cards = said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), *chart])["cards"]
    assert [(card["source"]["topic"]["code"], card["indicator"]) for card in cards] == (
        [("SAF-03", indicator)] if indicator else []
    )
    assert not any("suggestions" in card for card in cards), "nothing is stopped by a button"


@pytest.mark.withstands("orders of one id")
@pytest.mark.parametrize("id_", [{"id": "entry"}, {}], ids=["one id", "no id"])
@pytest.mark.parametrize("codes", [("J45.909", "M54.5"), ("M54.5", "J45.909")])
def test_two_new_problems_of_one_id_are_two(client: Client, codes: tuple[str, str], id_: Json) -> None:
    entries = [{**{k: v for k, v in problem(code).items() if k != "id"}, **id_} for code in codes]
    cards = said(client, PROBLEM, {"conditions": bundle(*entries)}, [condition(), ON])["cards"]
    assert [card["source"]["topic"]["code"] for card in cards] == ["SAF-03"]


@pytest.mark.withstands("orders of one id")
def test_no_id_of_a_row_makes_a_new_problem_take_its_place(client: Client) -> None:
    entry = {name: value for name, value in problem("J45.909").items() if name != "id"}
    known = [problem("J45.20", id=f"new-{number}") for number in range(3)]
    assert said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), ON, *known])["cards"] == []


ALLERGIES = {
    "to what is taken": ([ON], allergic(PROPRANOLOL), "critical"),
    "an intolerance": ([ON], allergic(PROPRANOLOL, "intolerance"), "warning"),
    "untyped": ([ON], allergic(PROPRANOLOL, None), "warning"),
    "in text": ([ON], allergic({"text": "Propranolol"}), "critical"),
    "to something else": ([ON], allergic(SUMATRIPTAN), None),
    "to peanuts": ([ON], allergic({"text": "Peanuts"}), None),
    "to another NSAID": ([taken(IBUPROFEN, 600)], allergic({"text": "Aspirin"}), "critical"),
    "to NSAIDs as a class": ([taken(IBUPROFEN, 600)], allergic({"text": "NSAIDs"}), "critical"),
    "to sumatriptan, in its combination": (
        [taken(rxnorm("849450"), 1, unit="tablet")],
        allergic(SUMATRIPTAN),
        "critical",
    ),
    "to aspirin for the heart": ([ASPIRIN], allergic(rxnorm("1191")), "critical"),
    "known already": ([ON, allergic(PROPRANOLOL) | {"id": "old"}], allergic(PROPRANOLOL), None),
    "known as an allergy, now called an intolerance": (
        [ON, allergic(PROPRANOLOL) | {"id": "old"}],
        allergic(PROPRANOLOL, "intolerance"),
        None,
    ),
    "known as an intolerance": (
        [ON, allergic(PROPRANOLOL, "intolerance") | {"id": "old"}],
        allergic(PROPRANOLOL),
        "critical",
    ),
    "to another NSAID, of which an intolerance was known": (
        [taken(IBUPROFEN, 600), allergic(rxnorm("7258"), "intolerance") | {"id": "old"}],
        allergic({"text": "Aspirin"}),
        "critical",
    ),
    "to one NSAID, where all were known": (
        [taken(IBUPROFEN, 600), allergic({"text": "NSAIDs"}) | {"id": "old"}],
        allergic(rxnorm("7258")),
        None,
    ),
    "no longer taken": ([STOPPED], allergic(PROPRANOLOL), None),
    "inactive": ([ON], allergic(PROPRANOLOL) | {"clinicalStatus": {"coding": [{"code": "inactive"}]}}, None),
}


@pytest.mark.parametrize(("chart", "entry", "indicator"), ALLERGIES.values(), ids=ALLERGIES)
def test_a_new_allergy(client: Client, chart: list[Json], entry: Json, indicator: str | None) -> None:
    entry = {**entry, "id": "entry"}
    cards = said(client, ALLERGY, {"allergyIntolerance": entry}, [condition(), *chart])["cards"]
    assert [(card["source"]["topic"]["code"], card["indicator"]) for card in cards] == (
        [("SAF-03", indicator)] if indicator else []
    )


def test_a_card_for_each_drug_says_since_when_it_runs_and_where_that_is(client: Client) -> None:
    chart = [condition(), ON, takes(rxnorm("6918"), 100)]
    cards = said(client, PROBLEM, {"conditions": bundle({**problem("J45.909"), "id": "entry"})}, chart)["cards"]
    assert [card["summary"] for card in cards] == [
        "metoprolol is taken now and contraindicated: Asthma",
        "propranolol is taken now and contraindicated: Asthma",
    ]
    assert all("since 2025-06-01, in the medication list" in card["detail"] for card in cards)
    assert len({card["uuid"] for card in cards}) == 2


@pytest.mark.requirement("HOOK-13")
def test_an_allergy_is_read_in_every_published_form(client: Client) -> None:
    entry = {**allergic(PROPRANOLOL), "id": "entry"}
    for context in (
        {"allergyIntolerance": entry},
        {"allergyIntolerance": {"resource": entry}},
        {"allergyIntolerance": bundle(entry)},
        {"allergyIntolerances": bundle(entry)},
        {"allergyIntolerance": {**entry, "clinicalStatus": "active", "verificationStatus": "confirmed"}},
        {"allergyIntolerance": without(entry, "id")},
    ):
        assert rules_in(said(client, ALLERGY, context, [condition(), ON])) == ["SAF-03"], context


@pytest.mark.requirement("HOOK-05")
def test_a_problem_is_read_as_the_published_example_writes_it(client: Client) -> None:
    entry = {**problem("J45.909"), "id": "entry", "category": "problem-list-item", "assertedDate": "2026-06-15"}
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), ON])) == ["SAF-03"]


def test_a_row_that_is_written_already_is_the_one_of_the_context(client: Client) -> None:
    entry = {**problem("J45.909"), "id": "entry"}
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), ON, entry])) == ["SAF-03"]
    older = {**entry, "clinicalStatus": {"coding": [{"code": "resolved"}]}}
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), ON, older])) == ["SAF-03"]


def test_an_entry_for_another_patient_is_set_aside_and_said(client: Client) -> None:
    entry = {**problem("J45.909"), "id": "entry", "subject": {"reference": "Patient/other"}}
    answer = said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), ON])
    assert rules_in(answer) == []
    assert "1 of the new entries name another patient" in str(answer["extension"])


def test_only_safety_speaks_at_these_hooks_at_any_age_and_without_migraine(client: Client) -> None:
    entry = {**problem("J45.909"), "id": "entry"}
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, [ON], patient=CHILD)) == ["SAF-03"]
    resistant = [condition(), *heavy(), propranolol()]
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, resistant)) == []


def test_over_incomplete_medications_it_is_said_that_it_could_not_be_judged(client: Client) -> None:
    entry = {**problem("J45.909"), "id": "entry"}
    missing = ("MedicationRequest",)
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, [condition()], absent=missing)) == [
        "INCOMPLETE"
    ]
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(entry)}, [condition(), ON], absent=missing)) == [
        "SAF-03"
    ]
    other = {**problem("M54.5"), "id": "entry"}
    assert rules_in(said(client, PROBLEM, {"conditions": bundle(other)}, [condition()], absent=missing)) == []


@pytest.mark.requirement("HOOK-05")
def test_the_entry_is_required(client: Client) -> None:
    for hook, member in ((PROBLEM, "conditions"), (ALLERGY, "allergyIntolerance")):
        request = {
            "hook": hook,
            "hookInstance": "00000000-0000-4000-8000-000000000000",
            "context": {"patientId": ME, "userId": "Practitioner/x"},
            "prefetch": {"Patient": ADULT},
        }
        answer = client.post(f"/cds-services/prodrome-{hook}", json=request)
        assert answer.status_code == 400
        assert f"context.{member}" in str(answer.get_json())
