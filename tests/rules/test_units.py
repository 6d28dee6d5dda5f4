"""One table of units: what a card writes as a dose, a chart is read by."""

import pytest

from prodrome.rules import MILLIGRAMS, TOXIN_UNITS
from tests.fhir_mappers.build import PROPRANOLOL, facts, statement


@pytest.mark.parametrize("unit", sorted(MILLIGRAMS))
def test_a_dose_in_any_unit_of_mass_is_read_in_milligrams(unit: str) -> None:
    dose = {
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": {"value": 80 / MILLIGRAMS[unit], "unit": unit.upper()}}],
    }
    (trial,) = facts(statement(PROPRANOLOL, dosage=[dose])).trials
    assert [step.amount for step in trial.steps] == [pytest.approx(80)]


def test_units_are_written_in_lower_case_and_are_of_one_sort() -> None:
    assert [unit for unit in (*MILLIGRAMS, *TOXIN_UNITS) if unit != unit.lower()] == []
    assert TOXIN_UNITS.isdisjoint(MILLIGRAMS)
