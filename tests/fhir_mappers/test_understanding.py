"""What is in a chart and was not understood is counted, named and never lost in silence."""

import json
import re
from collections.abc import Callable

import pytest

from prodrome.fhir_mappers import counted, shares
from prodrome.rules import Facts
from tests.fhir_mappers.build import (
    ICD10CM,
    LOCAL,
    MIGRAINE,
    PROPRANOLOL,
    SUMATRIPTAN,
    Json,
    as_needed,
    concept,
    condition,
    dose,
    facts,
    request,
    resource,
    rxnorm,
    statement,
)

SECRET = "Mrs Secret"


def dispense(*instructions: Json) -> Json:
    days = {"whenHandedOver": "2026-06-01", "daysSupply": {"value": 30, "unit": "days"}}
    drug = {"medicationCodeableConcept": PROPRANOLOL, "dosageInstruction": list(instructions)}
    return resource("MedicationDispense", status="completed", **days, **drug)


def puzzles(read: Facts) -> list[tuple[str, str]]:
    return [(each.kind, each.what) for each in read.not_understood]


@pytest.mark.parametrize(
    "drug", [concept(LOCAL, "x", display=SECRET), concept(text=SECRET), rxnorm("99999999", SECRET), {}]
)
@pytest.mark.parametrize("make", [statement, request])
def test_a_drug_in_no_table_is_said(drug: Json, make: Callable[[Json], Json]) -> None:
    (puzzle,) = facts(make(drug)).not_understood
    assert (puzzle.what, puzzle.why) == ("drug", "is in no table")
    assert puzzle.value.startswith(SECRET if drug else "")
    assert [f"|{coding['code']}]" for coding in drug.get("coding", ())] == re.findall(r"\|\w+\]", puzzle.value)


@pytest.mark.parametrize(
    "odd",
    [
        request(rxnorm("99999999"), authoredOn="one day", dosageInstruction=[{"timing": "daily"}]),
        statement(rxnorm("99999999"), effectivePeriod={"start": 5}),
    ],
    ids=lambda row: row["resourceType"],
)
def test_of_a_drug_in_no_table_nothing_odd_counts(odd: Json) -> None:
    read = facts(odd)
    assert puzzles(read) == [(odd["resourceType"], "drug")]
    assert not read.skipped


def test_a_drug_that_matters_for_others_is_understood() -> None:
    read = facts(statement(rxnorm("8123", "phenelzine"), status="active", end=None))
    assert not [puzzle for puzzle in read.not_understood if puzzle.what == "drug"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (concept(ICD10CM, "L40.0", display=SECRET), "has no code that is in a table"),
        (concept(LOCAL, "x", display=SECRET), "has no code of a known system"),
        (concept(text=SECRET), "has no code of a known system"),
    ],
)
def test_a_problem_in_no_table_is_said(code: Json, why: str) -> None:
    (puzzle,) = facts(condition(code=code)).not_understood
    assert (puzzle.kind, puzzle.what, puzzle.why) == ("Condition", "problem", why)
    assert puzzle.value.startswith(SECRET)


def test_a_problem_that_is_over_is_no_puzzle() -> None:
    assert not facts(condition(code=concept(text="x"), status="resolved")).not_understood


@pytest.mark.parametrize(
    ("row", "is_told"),
    [
        (statement(dosage=[dose(80)]), True),
        (statement(dosage=[{"text": "one morning when the moon is full"}]), False),
        (statement(dosage=[dose(80, "furlong")]), False),
        (statement(SUMATRIPTAN, dosage=[as_needed(50)]), True),
        (request(SUMATRIPTAN, dosageInstruction=[{"text": "as the mood takes you"}]), False),
        (dispense(dose(80)), True),
        (dispense({"text": "as the mood takes you"}), False),
    ],
)
def test_a_dose_that_could_not_be_read_is_said(row: Json, is_told: bool) -> None:
    read = facts(row)
    assert ((row["resourceType"], "dose") in puzzles(read)) is not is_told
    assert ((row["resourceType"], "dose") in read.understood) is is_told


def test_a_row_without_any_dosage_is_no_puzzle() -> None:
    assert not facts(statement(dosage=None)).not_understood


@pytest.mark.parametrize(
    ("why", "is_told"),
    [
        (concept(text="it did not work"), True),
        (concept(text="the stars were against it"), False),
        (concept(LOCAL, "17", display="other"), False),
    ],
)
def test_a_reason_that_could_not_be_read_is_said(why: Json, is_told: bool) -> None:
    read = facts(statement(why=why))
    assert (("MedicationStatement", "stop reason") in puzzles(read)) is not is_told


@pytest.mark.parametrize("class_", [{"system": LOCAL, "code": "77", "display": "Blue ward"}, None, {"code": "ZZ"}])
def test_a_visit_of_unknown_class_is_said(class_: Json | None) -> None:
    visit = resource("Encounter", status="finished", period={"start": "2026-01-01"}, **{"class": class_})
    assert puzzles(facts(visit)) == [("Encounter", "class")]


def test_an_allergy_to_what_no_table_has_is_said() -> None:
    row = resource("AllergyIntolerance", code=concept(text="peanut"), patient=None)
    assert puzzles(facts(row)) == [("AllergyIntolerance", "substance")]


def test_what_is_said_in_an_answer_counts_and_holds_no_value() -> None:
    read = facts(statement(concept(text=SECRET)), statement(concept(text=SECRET)), condition(code=concept(text=SECRET)))
    said = counted(read)
    assert {"kind": "MedicationStatement", "what": "drug", "why": "is in no table", "count": 2} in said
    assert SECRET not in json.dumps(said)
    assert SECRET not in repr(read.not_understood)


def test_the_shares_of_each_kind() -> None:
    broken = statement(effectivePeriod={"start": "soon"})
    read = facts(statement(), statement(concept(text="x")), broken, condition(code=MIGRAINE), request(PROPRANOLOL))
    found = {(share.kind, share.what): (share.told, share.of) for share in shares(read)}
    assert found["MedicationStatement", "rows"] == (2, 3)
    assert found["MedicationStatement", "drug"] == (1, 2)
    assert found["Condition", "problem"] == (1, 1)
    assert found["MedicationRequest", "dose"] == (1, 1)


def test_an_ordered_dose_that_could_not_be_read_is_said() -> None:
    def order(**dosage: object) -> Json:
        return request(SUMATRIPTAN, "draft", id="o1", dosageInstruction=[{"text": SECRET} | dosage])

    assert puzzles(facts(orders=(order(),))) == [("MedicationRequest", "dose")]
    quantity = [{"doseQuantity": {"value": 50, "unit": "mg"}}]
    assert not puzzles(facts(orders=(order(doseAndRate=quantity, asNeededBoolean=True),)))
    assert not puzzles(facts(orders=(order() | {"dosageInstruction": []},)))


def test_what_orders_say_is_counted_once_selected_or_not() -> None:
    orders = tuple(request(concept(text=SECRET), "draft", id=f"o{number}") for number in range(3))
    (count,) = counted(facts(orders=orders, selections=("MedicationRequest/o1",)))
    assert (count["what"], count["count"]) == ("ordered drug", 3)
