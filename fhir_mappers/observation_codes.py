"""The codes of the Observations that are read: the headache diary's, and those of measurements.

No standard has codes for the diary: a site says in which code system it keeps them (``diary_system``).
"""

from collections.abc import Iterator, Mapping

from prodrome.fhir_mappers.code_systems import LOINC
from prodrome.fhir_mappers.codes import Code
from prodrome.rules.guideline import Guideline

DAY_COUNTS: Mapping[str, str] = {
    "debilitating-headache-days": "debilitating",
    "headache-days": "headache",
    "migraine-days": "migraine",
}
"""Rows that count the days of one calendar month, and the field of a ``HeadacheMonth`` that each is."""

ACUTE_DAYS = "acute-medication-days"
"""A row with the days of each overuse class as its components; :data:`ANY_ACUTE` are those with any."""
ANY_ACUTE = "any"

ATTACKS = "attack-response"
"""A row with how many attacks were treated with a drug, and how many of them were relieved, as its components."""
TREATED, RELIEVED = "attacks-treated", "attacks-relieved"

THREE_MONTHS: Code = (LOINC, "65380-8")
"""Headache days in the last three months, as MIDAS asks for them."""

PANEL, SYSTOLIC, DIASTOLIC = "reading.blood_pressure", "reading.systolic", "reading.diastolic"
HEART_RATE, PREGNANCY = "reading.heart_rate", "reading.pregnancy"
MEASUREMENTS = (PANEL, SYSTOLIC, DIASTOLIC, HEART_RATE, PREGNANCY)
"""Code sets of what is measured."""


def diary_codes(guideline: Guideline) -> Iterator[Code]:
    """The codes of the diary's rows."""
    yield from ((guideline.diary, code) for code in (*DAY_COUNTS, ACUTE_DAYS, ATTACKS))
    yield THREE_MONTHS


def measurement_codes(guideline: Guideline) -> Iterator[Code]:
    """The LOINC codes of measurements, in order: servers know them by no others."""
    codes = {code for name in MEASUREMENTS for code in guideline.code_sets[name].exact[LOINC]}
    yield from ((LOINC, code) for code in sorted(codes))
