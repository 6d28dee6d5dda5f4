"""The diary, attack records, acute medication days and measurements."""

import pytest

from prodrome.rules.facts import Completeness
from tests.fhir_mappers.build import (
    DIARY,
    ICD10CM,
    LOINC,
    PROPRANOLOL,
    SNOMED,
    SUMATRIPTAN,
    Json,
    as_needed,
    attack_response,
    component,
    concept,
    diary,
    facts,
    observation,
    period,
    quantity,
    request,
    statement,
)


def months(*rows: Json) -> dict[str, tuple[float | None, float | None, float | None]]:
    return {
        f"{month.month:%Y-%m}": (month.debilitating, month.headache, month.migraine)
        for month in facts(*rows).headache_months
    }


def test_each_code_of_the_diary_is_its_own_count() -> None:
    rows = [diary("debilitating-headache-days", 9), diary("headache-days", 14), diary("migraine-days", 11)]
    assert months(*rows) == {"2026-05": (9, 14, 11)}


def test_days_may_be_a_quantity_in_days() -> None:
    for unit in ("d", "day", "days", "Tage", "jours", "dagen", "{days}"):
        assert months(diary(days=None, valueQuantity=quantity(9.0, unit))) == {"2026-05": (9, None, None)}


MONTHS = [
    ("2026-05-01", "2026-05-31", True),
    ("2026-05-01T00:00:00+02:00", "2026-05-31T23:59:59+02:00", True),
    ("2026-05", "2026-05", True),
    ("2024-02-01", "2024-02-29", True),
    ("2026-05-01", "2026-05-30", False),
    ("2026-05-02", "2026-05-31", False),
    ("2026-04-01", "2026-05-31", False),
    ("2026-05-01", "2026-06-01", True),
    ("2026", "2026-01-31", False),
]


@pytest.mark.parametrize(("start", "end", "is_month"), MONTHS)
def test_only_one_calendar_month_as_written_says_something(start: str, end: str, is_month: bool) -> None:
    read = facts(diary(start=start, end=end))
    assert bool(read.headache_months) is is_month
    assert not read.skipped


def test_a_date_instead_of_a_period_says_nothing() -> None:
    assert not months(diary(effectivePeriod=None, effectiveDateTime="2026-05-31"))


@pytest.mark.parametrize("value", [-1, 32, 9.5, "9", True, 10**400])
def test_an_impossible_count_is_unreadable(value: object) -> None:
    read = facts(diary(days=value))
    assert not read.headache_months
    assert read.completeness["Observation"] is Completeness.INCOMPLETE


def test_a_quantity_in_another_unit_is_unreadable() -> None:
    assert facts(diary(days=None, valueQuantity=quantity(9, "wk"))).skipped


def test_no_value_is_no_count() -> None:
    read = facts(diary(days=None, dataAbsentReason=concept(text="unknown")))
    assert not read.headache_months
    assert not read.skipped


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "entered-in-error", "unknown", None])
def test_only_valid_rows_count(status: str | None) -> None:
    assert not months(diary(status=status))


def test_the_row_issued_last_stands_else_the_one_updated_last_else_the_lower() -> None:
    early = diary(days=5, issued="2026-06-01T00:00:00Z")
    late = diary(days=9, issued="2026-06-02T00:00:00Z")
    updated = diary(days=7, meta={"lastUpdated": "2026-06-03T00:00:00Z"})
    assert months(early, late)["2026-05"][0] == months(late, early)["2026-05"][0] == 9
    assert months(early, late, updated)["2026-05"][0] == 7
    assert months(diary(days=9), diary(days=5))["2026-05"][0] == 5
    assert months(diary(days=4), early)["2026-05"][0] == 5


def test_issued_compares_as_an_instant() -> None:
    evening = diary(days=5, issued="2026-06-01T23:00:00-05:00")
    morning = diary(days=9, issued="2026-06-02T01:00:00+02:00")
    assert months(evening, morning)["2026-05"][0] == 5


def test_days_of_three_months_are_a_third_in_each_month_before() -> None:
    midas = observation(LOINC, "65380-8", effectiveDateTime="2026-06-10", valueInteger=30)
    assert months(midas) == {"2026-03": (None, 10, None), "2026-04": (None, 10, None), "2026-05": (None, 10, None)}


def test_a_diary_row_beats_the_days_of_three_months() -> None:
    midas = observation(LOINC, "65380-8", effectiveDateTime="2026-06-10", valueInteger=30)
    assert months(midas, diary("headache-days", 4))["2026-05"] == (None, 4, None)
    assert months(midas, diary("debilitating-headache-days", 4))["2026-05"] == (4, 10, None)


def test_more_than_the_days_of_three_months_is_unreadable() -> None:
    assert facts(observation(LOINC, "65380-8", effectiveDateTime="2026-06-10", valueInteger=93)).skipped


# --- Acute medication days ------------------------------------------------------------------------------------------


def acute_days(**classes: int) -> Json:
    parts = [component(DIARY, name.replace("_", "-"), valueInteger=days) for name, days in classes.items()]
    return diary("acute-medication-days", None, component=parts)


def test_acute_medication_days_are_counted_by_class() -> None:
    (month,) = facts(acute_days(triptan=10, simple_analgesic=3)).acute_use_months
    assert (str(month.month), dict(month.days)) == ("2026-05-01", {"triptan": 10, "simple-analgesic": 3})


def test_of_two_rows_for_a_month_each_class_stands_by_itself() -> None:
    early = acute_days(triptan=12, opioid=2) | {"issued": "2026-06-01T00:00:00Z"}
    late = acute_days(triptan=8) | {"issued": "2026-06-02T00:00:00Z"}
    (month,) = facts(early, late).acute_use_months
    assert dict(month.days) == {"triptan": 8, "opioid": 2}


def test_one_impossible_class_makes_the_row_unreadable() -> None:
    read = facts(acute_days(triptan=10, opioid=40))
    assert not read.acute_use_months
    assert read.skipped


# --- Attack records -------------------------------------------------------------------------------------------------


def test_an_attack_record_is_of_the_drug_it_refers_to() -> None:
    drug = statement(SUMATRIPTAN, id="s1", status="active", end=None, dosage=[as_needed(100)])
    for name in ("partOf", "focus"):
        (record,) = facts(
            drug, attack_response(5, 1, **{name: [{"reference": "MedicationStatement/s1"}]})
        ).attack_records
        assert (record.drug, record.treated, record.relieved, record.single_dose) == ("sumatriptan", 5, 1, 100)
        assert record.indication == "migraine"


def test_an_attack_record_may_refer_to_a_request() -> None:
    drug = request(SUMATRIPTAN, id="s1", dosageInstruction=[as_needed(50)])
    (record,) = facts(drug, attack_response(4, 0, focus=[{"reference": "MedicationRequest/s1"}])).attack_records
    assert record.single_dose == 50


def test_an_attack_record_of_no_known_acute_drug_says_nothing() -> None:
    assert not facts(attack_response(4, 0)).attack_records
    preventive = statement(PROPRANOLOL, id="s1")
    assert not facts(preventive, attack_response(4, 0, focus=[{"reference": "MedicationStatement/s1"}])).attack_records
    assert not facts(attack_response(4, 0, focus=[{"reference": "MedicationStatement/gone"}])).attack_records


def test_an_attack_record_without_both_counts_says_nothing() -> None:
    drug = statement(SUMATRIPTAN, id="s1")
    focus = [{"reference": "MedicationStatement/s1"}]
    assert not facts(drug, attack_response(4, None, focus=focus)).attack_records
    assert not facts(drug, attack_response(None, 2, focus=focus)).attack_records


def test_more_attacks_relieved_than_treated_is_unreadable() -> None:
    read = facts(
        statement(SUMATRIPTAN, id="s1"), attack_response(4, 5, focus=[{"reference": "MedicationStatement/s1"}])
    )
    assert not read.attack_records
    assert read.skipped


# --- Measurements ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "pregnant"),
    [
        (concept(SNOMED, "77386006"), True),
        (concept(LOINC, "LA15173-0"), True),
        (concept(SNOMED, "60001007"), False),
        (concept(LOINC, "LA4489-6"), None),  # unknown
        (concept(SNOMED, "261665006"), None),
        (concept(LOINC, "LA33-6"), None),  # a yes, which no table knows, is no "not pregnant"
        ({"text": "pregnant"}, None),
    ],
)
def test_pregnancy_is_what_the_code_says(value: Json, pregnant: bool | None) -> None:
    row = observation(LOINC, "82810-3", effectiveDateTime="2026-05-01", valueCodeableConcept=value)
    assert [reading.pregnant for reading in facts(row).readings] == ([] if pregnant is None else [pregnant])


def pressure(systolic: object, diastolic: object, unit: str = "mm[Hg]") -> Json:
    parts = [
        component(LOINC, code, valueQuantity=quantity(value, unit))
        for code, value in (("8480-6", systolic), ("8462-4", diastolic))
        if value is not None
    ]
    return observation(LOINC, "85354-9", effectiveDateTime="2026-05-01T08:00:00Z", component=parts)


def test_blood_pressure_has_two_components_of_which_one_may_be_missing() -> None:
    (both,) = facts(pressure(165, 95)).readings
    assert (both.kind, both.systolic, both.diastolic, str(both.when)) == ("blood_pressure", 165, 95, "2026-05-01")
    (one,) = facts(pressure(None, 101)).readings
    assert (one.systolic, one.diastolic) == (None, 101)
    assert not facts(pressure(None, None)).readings


def test_blood_pressure_in_another_unit_is_unreadable() -> None:
    assert facts(pressure(22, 13, "kPa")).skipped


def test_heart_rate_is_per_minute() -> None:
    row = observation(LOINC, "8867-4", effectivePeriod=period("2026-05-01", None), valueQuantity=quantity(48, "/min"))
    (reading,) = facts(row).readings
    assert (reading.kind, reading.rate) == ("heart_rate", 48)


def test_a_measurement_without_effective_was_made_when_issued() -> None:
    row = observation(LOINC, "8867-4", issued="2026-05-02T10:00:00Z", valueQuantity=quantity(48, "/min"))
    assert str(facts(row).readings[0].when) == "2026-05-02"


def test_other_observations_are_passed_over_whatever_is_in_them() -> None:
    read = facts(observation(LOINC, "2345-7", effectiveDateTime=5, valueQuantity="much"))
    assert not read.skipped
    assert read.read == {"Observation": 1}
    assert not facts(observation(ICD10CM, "debilitating-headache-days", valueInteger=5)).headache_months


MONTH_ENDS = [
    ("2026-06-01", True),
    ("2026-06-01T00:00:00Z", True),
    ("2026-06-01T00:00:00.000+02:00", True),
    ("2026-06-01T00:00", True),
    ("2026-05-31T23:59:59Z", True),
    ("2026-06-01T00:00:01Z", False),
    ("2026-06-01T10:00:00Z", False),
    ("2026-06-01T10:00:00", False),
    ("2026-06-02", False),
    ("2026-06", False),
]


@pytest.mark.parametrize(("end", "is_month"), MONTH_ENDS)
def test_the_first_of_the_next_month_ends_a_month_where_it_says_no_time(end: str, is_month: bool) -> None:
    assert [str(month.month) for month in facts(diary(end=end)).headache_months] == ["2026-05-01"] * is_month


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
def test_a_bound_is_no_count_of_days(comparator: str) -> None:
    read = facts(diary(valueInteger=None, valueQuantity=quantity(8, "d") | {"comparator": comparator}))
    assert not read.headache_months
    assert read.skipped[0].why == "comparator: a bound, not a value"


def test_a_pressure_above_a_bound_is_at_least_that_high_and_no_other_bound_is_a_reading() -> None:
    def read(code: str, unit: str, comparator: str) -> list[float | None]:
        value = quantity(180, unit) | {"comparator": comparator}
        found = facts(observation(LOINC, code, effectiveDateTime="2026-06-01", valueQuantity=value))
        return [reading.systolic or reading.rate for reading in found.readings]

    assert read("8480-6", "mm[Hg]", ">=") == read("8480-6", "mm[Hg]", ">") == [180]
    assert read("8480-6", "mm[Hg]", "<") == read("8867-4", "/min", "<") == read("8867-4", "/min", ">") == []


@pytest.mark.parametrize("value", [0, -1])
def test_nothing_that_was_measured_is_no_reading(value: int) -> None:
    read = facts(observation(LOINC, "8867-4", effectiveDateTime="2026-06-01", valueQuantity=quantity(value, "/min")))
    assert not read.readings
    assert read.skipped


def test_an_answer_about_pregnancy_that_no_table_knows_is_told() -> None:
    row = observation(LOINC, "82810-3", effectiveDateTime="2026-05-01", valueCodeableConcept=concept(LOINC, "LA33-6"))
    assert [(each.kind, each.what) for each in facts(row).not_understood] == [("Observation", "pregnancy status")]
