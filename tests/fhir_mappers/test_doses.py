"""How much and how often; what is not said is unknown."""

from typing import Any

import pytest

from prodrome.rules.facts import Trial
from tests.fhir_mappers.build import (
    BOTOX,
    ERENUMAB,
    PROPRANOLOL,
    RXNORM,
    SNOMED,
    SUMATRIPTAN,
    Json,
    as_needed,
    concept,
    dose,
    facts,
    period,
    request,
    rxnorm,
    statement,
)


def trial(*dosage: Json, medication: Json = PROPRANOLOL) -> Trial:
    (found,) = facts(statement(medication, dosage=list(dosage))).trials
    return found


def per_day(*dosage: Json, medication: Json = PROPRANOLOL) -> float | None:
    return trial(*dosage, medication=medication).steps[0].amount


@pytest.mark.parametrize(
    ("quantity", "mg"),
    [
        ({"value": 80, "unit": "mg"}, 80),
        ({"value": 80, "code": "mg", "system": "http://unitsofmeasure.org"}, 80),
        ({"value": 0.08, "unit": "g"}, 80),
        ({"value": 80000, "unit": "ug"}, 80),
        ({"value": 80000, "unit": "mcg"}, 80),
        ({"value": 80, "unit": "MG"}, 80),
        ({"value": 2, "unit": "tablet"}, None),  # of unknown strength
        ({"value": 80, "unit": "mg/kg"}, None),
        ({"value": 80, "unit": "mL"}, None),
        ({"value": 80, "unit": "U"}, None),
        ({"value": 80}, None),
        ({"value": 80, "unit": "mg", "comparator": "<"}, None),
        ({"value": 0, "unit": "mg"}, None),
        ({"unit": "mg"}, None),
    ],
)
def test_a_quantity_in_mass_is_milligrams(quantity: Json, mg: float | None) -> None:
    once = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    assert per_day(once | {"doseAndRate": [{"doseQuantity": quantity}]}) == mg
    assert per_day(once | {"doseQuantity": quantity}) == mg  # the shape before R4


@pytest.mark.parametrize("unit", ["tablet", "tablets", "tablet(s)", "{tbl}", "{tablet}", "TAB", "tab", "1", "capsule"])
def test_a_count_is_multiplied_by_the_strength_the_text_says(unit: str) -> None:
    medication = concept(RXNORM, "8787", text="propranolol 40 MG Oral Tablet")
    assert per_day(dose(2, unit), medication=medication) == 80


def test_a_count_is_multiplied_by_the_strength_of_the_product() -> None:
    fifty = rxnorm("313161")  # sumatriptan 50 MG Oral Tablet
    assert facts(statement(fifty, dosage=[as_needed(2, "tablet")])).trials[0].single_dose == 100


def test_two_strengths_in_a_text_leave_the_dose_unknown() -> None:
    medication = concept(RXNORM, "8787", text="propranolol 40 mg tablet (or 80 mg)")
    assert per_day(dose(1, "tablet"), medication=medication) is None


def test_a_volume_is_multiplied_by_the_concentration() -> None:
    medication = concept(RXNORM, "8787", text="propranolol 4 mg/mL oral solution")
    assert per_day(dose(10, "mL"), medication=medication) == 40
    half = concept(RXNORM, "37418", text="sumatriptan 6 mg/0.5 mL injection")
    assert facts(statement(half, dosage=[as_needed(0.5, "mL")])).trials[0].single_dose == 6


@pytest.mark.parametrize(
    ("repeat", "times"),
    [
        ({"frequency": 1, "period": 1, "periodUnit": "d"}, 1),
        ({"frequency": 2, "period": 1, "periodUnit": "d"}, 2),
        ({"frequency": 2, "frequencyMax": 4, "period": 1, "periodUnit": "d"}, 2),
        ({"frequency": 1, "period": 12, "periodUnit": "h"}, 2),
        ({"frequency": 1, "period": 8, "periodUnit": "h"}, 3),
        ({"frequency": 1, "period": 2, "periodUnit": "d"}, 0.5),
        ({"period": 1, "periodUnit": "d"}, 1),
        ({"frequency": 7, "period": 1, "periodUnit": "wk"}, 1),
        ({"timeOfDay": ["08:00:00", "20:00:00"]}, 2),
        ({"when": ["MORN", "EVE"]}, 2),
        ({"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}, 1),
        ({"dayOfWeek": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}, 1),
        ({"frequency": 1}, None),
        ({"count": 1}, None),
        ({"frequency": 1, "period": 0, "periodUnit": "d"}, None),
        ({"frequency": 1, "period": 1, "periodUnit": "fortnight"}, None),
    ],
)
def test_timing_makes_a_dose_per_day(repeat: Json, times: float | None) -> None:
    assert per_day(dose(40, "mg", **repeat)) == (None if times is None else pytest.approx(40 * times))


@pytest.mark.parametrize(
    ("code", "times"),
    [
        *(
            ("QD", 1),
            ("BID", 2),
            ("TID", 3),
            ("QID", 4),
            ("QOD", 0.5),
            ("AM", 1),
            ("BED", 1),
            ("Q8H", 3),
            ("XYZ", None),
        ),
        *(("BD", 2), ("TDS", 3), ("NOCTE", 1)),  # words of Britain, sent as codes
        *(("QN", 1), ("TID&HS", 4)),  # of Taiwan's health insurance
    ],
)
def test_a_timing_code_makes_a_dose_per_day(code: str, times: float | None) -> None:
    coded = {
        "timing": {"code": {"coding": [{"code": code}]}},
        "doseAndRate": [{"doseQuantity": {"value": 40, "unit": "mg"}}],
    }
    assert per_day(coded) == (None if times is None else 40 * times)


def test_without_timing_or_quantity_the_dose_per_day_is_unknown() -> None:
    assert per_day({"doseAndRate": [{"doseQuantity": {"value": 80, "unit": "mg"}}]}) is None
    assert per_day({"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}) is None
    assert per_day() is None


def test_of_several_quantities_the_ordered_one_stands_then_the_calculated() -> None:
    def rate(value: float, kind: str) -> Json:
        type_ = concept("http://terminology.hl7.org/CodeSystem/dose-rate-type", kind)
        return {"type": type_, "doseQuantity": {"value": value, "unit": "mg"}}

    timing = dose()["timing"]
    assert (
        per_day({"timing": timing, "doseAndRate": [rate(1, "admin-amount"), rate(2, "calculated"), rate(3, "ordered")]})
        == 3
    )
    assert per_day({"timing": timing, "doseAndRate": [rate(1, "admin-amount"), rate(2, "calculated")]}) == 2
    assert per_day({"timing": timing, "doseAndRate": [rate(1, "admin-amount"), rate(2, "other")]}) == 1


def test_of_a_range_the_low_end_stands() -> None:
    wide = {"doseRange": {"low": {"value": 40, "unit": "mg"}, "high": {"value": 160, "unit": "mg"}}}
    assert per_day({"timing": dose()["timing"], "doseAndRate": [wide]}) == 40


def test_several_entries_add_up() -> None:
    assert per_day(dose(20, "mg", when=["MORN"]), dose(40, "mg", when=["EVE"])) == 60
    assert per_day(dose(20) | {"sequence": 1}, dose(40) | {"sequence": 1}) == 60


def test_an_entry_of_nothing_says_when_it_is_not_taken_and_no_more() -> None:
    def four(*counts: float) -> list[Json]:
        entries = zip(counts, ("08:00:00", "12:00:00", "18:00:00", "22:00:00"), strict=True)
        scheme = "-".join(f"{count:g}" for count in counts)
        return [
            dose(count, "Tablette", frequency=1, period=1, periodUnit="d", timeOfDay=[at]) | {"text": scheme}
            for count, at in entries
        ]

    assert per_day(*four(1, 0, 0, 2), medication=TABLET) == 120
    assert per_day(*four(1, 0, 1, 0), medication=TABLET) == 80
    assert per_day(*four(0, 0, 0, 0), medication=TABLET) is None


def test_an_unknown_part_leaves_the_sum_unknown() -> None:
    assert per_day(dose(20), as_needed(10)) is None


def test_a_sequence_orders_the_entries_and_the_last_stands() -> None:
    assert per_day(dose(160) | {"sequence": 2}, dose(40) | {"sequence": 1}) == 160


def test_an_injected_drug_has_an_amount_per_administration_and_an_interval() -> None:
    for repeat, days in (
        ({"frequency": 1, "period": 4, "periodUnit": "wk"}, 28),
        ({"frequency": 1, "period": 28, "periodUnit": "d"}, 28),
        ({"frequency": 1, "period": 1, "periodUnit": "mo"}, 30),
        ({"frequency": 1, "period": 3, "periodUnit": "mo"}, 91),
        ({"frequency": 1, "period": 12, "periodUnit": "wk"}, 84),
    ):
        found = trial(dose(70, "mg", **repeat), medication=ERENUMAB)
        assert (found.steps[0].amount, found.interval_days) == (70, days)


def test_two_injections_on_the_same_day_are_one_dose() -> None:
    monthly = {"frequency": 1, "period": 28, "periodUnit": "d"}
    assert trial(dose(70, "mg", **monthly), dose(70, "mg", **monthly), medication=ERENUMAB).steps[0].amount == 140


def test_a_loading_dose_is_not_the_dose() -> None:
    monthly = dose(120, "mg", frequency=1, period=1, periodUnit="mo")
    loading = dose(240, "mg", count=1)
    assert trial(loading, monthly, medication=rxnorm("2058846")).steps[0].amount == 120


@pytest.mark.parametrize("unit", ["U", "units", "[U]", "[iU]", "unit(s)", "IU"])
def test_botulinum_toxin_is_counted_in_units(unit: str) -> None:
    assert trial(dose(155, unit, frequency=1, period=12, periodUnit="wk"), medication=BOTOX).steps[0].amount == 155


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (concept(SNOMED, "26643006"), "oral"),
        (concept(SNOMED, "34206005"), "subcutaneous"),
        (concept(SNOMED, "47625008"), "intravenous"),
        (concept(SNOMED, "78421000"), "intramuscular"),
        (concept(text="By mouth"), "oral"),
        (concept(text="Intranasal"), "nasal"),
        (concept(text="Subcutaneous"), "subcutaneous"),
        (None, None),
    ],
)
def test_the_route_is_the_dosages(route: Json | None, name: str | None) -> None:
    dosage = as_needed(6) | ({"route": route} if route else {})
    assert facts(statement(SUMATRIPTAN, dosage=[dosage])).trials[0].route == name


def test_a_single_dose_is_one_administration() -> None:
    assert facts(statement(SUMATRIPTAN, dosage=[as_needed(50)])).trials[0].single_dose == 50
    twice = dose(25, "mg", frequency=2, period=1, periodUnit="d")
    assert facts(statement(SUMATRIPTAN, dosage=[twice])).trials[0].single_dose == 25


def test_requests_and_statements_say_doses_alike() -> None:
    dosage = [dose(40, "mg", frequency=2, period=1, periodUnit="d")]
    asked = facts(request(status="stopped", dosageInstruction=dosage)).trials[0]
    assert asked.steps[0].amount == trial(*dosage).steps[0].amount == 80


# --- Words and codes of other systems --------------------------------------------------------------------------------


def written(text: str, **more: Any) -> Json:
    return {"text": text} | more


TABLET = rxnorm("856519", "propranolol 40 MG Oral Tablet")


@pytest.mark.parametrize(
    ("entry", "amount"),
    [
        (written("TAKE 1 TABLET BY MOUTH TWICE A DAY"), 80),
        (written("1-0-1"), 80),
        (written("40 mg zur Nacht"), 40),
        (written("Take 1-2 tablets daily"), None),
        (written("Take as directed"), None),
        ({"patientInstruction": "Take 2 tablets by mouth daily"}, 80),
        (written("Twice daily", doseAndRate=[{"doseQuantity": {"value": 1, "unit": "TAB"}}]), 80),
    ],
)
def test_words_say_what_the_elements_leave_open(entry: Json, amount: float | None) -> None:
    trial = facts(statement(TABLET, dosage=[entry])).trials[0]
    assert trial.steps[0].amount == amount
    assert trial.dose_coded is (amount is None)


@pytest.mark.parametrize(
    "code", [{"text": "Daily"}, {"coding": [{"system": "urn:x", "code": "1", "display": "Once a day"}]}]
)
def test_a_local_timing_code_is_read_by_its_words(code: Json) -> None:
    entry = {"timing": {"code": code}, "doseAndRate": [{"doseQuantity": {"value": 2, "unit": "tab"}}]}
    trial = facts(statement(TABLET, dosage=[entry])).trials[0]
    assert (trial.steps[0].amount, trial.dose_coded) == (80, True)


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": 1},
        {"value": 1, "unit": "Comprimé", "system": "http://standardterms.edqm.eu", "code": "15054000"},
        {"value": 1, "unit": "Gélule ou capsule molle", "system": "http://standardterms.edqm.eu", "code": "15012000"},
        {"value": 1, "unit": "Tablette", "system": "http://snomed.info/sct", "code": "732936001"},
        {"value": 1, "code": "TAB"},
        {"value": 1, "unit": "stuk"},
        {"value": 1, "unit": "Kapsel"},
        {"value": 0.04, "unit": "g"},
    ],
)
def test_pieces_are_counted_by_code_word_or_bare_number(quantity: Json) -> None:
    daily = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    entry = {"timing": daily, "doseAndRate": [{"doseQuantity": quantity}]}
    assert facts(statement(TABLET, dosage=[entry])).trials[0].steps[0].amount == 40


def test_doses_at_different_times_of_one_day_add_up_in_sequence_too() -> None:
    morning = dose(100, frequency=1, period=1, periodUnit="d", when=["MORN"]) | {"sequence": 1}
    evening = dose(50, frequency=1, period=1, periodUnit="d", when=["EVE"]) | {"sequence": 2}
    assert per_day(morning, evening) == 150


def bounded(value: float, start: str, end: str) -> Json:
    return dose(value, frequency=1, period=1, periodUnit="d", boundsPeriod=period(start, end))


TITRATED = [
    bounded(25, "2025-01-01", "2025-01-08"),
    bounded(50, "2025-01-08", "2025-01-15"),
    bounded(75, "2025-01-15", "2025-06-01"),
]


@pytest.mark.parametrize("entries", [TITRATED, TITRATED[::-1], [each | {"sequence": 1} for each in TITRATED][:1]])
def test_doses_of_days_that_do_not_overlap_are_not_taken_together(entries: list[Json]) -> None:
    (trial,) = facts(statement(dosage=entries)).trials
    assert trial.steps[0].amount == (75 if len(entries) > 1 else 25)


def test_doses_of_the_same_days_add_up() -> None:
    both = [bounded(25, "2025-01-01", "2025-06-01"), bounded(50, "2025-01-01", "2025-06-01")]
    assert facts(statement(dosage=both)).trials[0].steps[0].amount == 75


@pytest.mark.parametrize(
    ("text", "amount"), [("1-0-1", 80), ("TAKE 1 TABLET BY MOUTH EVERY DAY", 40), ("as your doctor said", None)]
)
def test_the_words_of_a_timing_are_read_like_those_of_the_dosage(text: str, amount: float | None) -> None:
    (trial,) = facts(statement({"text": "Propranolol 40 mg"}, dosage=[{"timing": {"code": {"text": text}}}])).trials
    assert trial.steps[0].amount == amount
