"""The units that doses are written in, by code (UCUM) and by the words of charts; all in lower case."""

from collections.abc import Mapping
from types import MappingProxyType

MILLIGRAMS: Mapping[str, float] = MappingProxyType(
    {
        "mg": 1.0,
        "milligram": 1.0,
        "milligrams": 1.0,
        "g": 1000.0,
        "ug": 0.001,
        "mcg": 0.001,
        "\N{MICRO SIGN}g": 0.001,
        "\N{GREEK SMALL LETTER MU}g": 0.001,
    }
)
"""Milligrams in one of each unit of mass."""

TOXIN_UNITS = frozenset({"u", "unt", "[u]", "[iu]", "iu", "unit", "units", "unit(s)", "[arb'u]", "[usp'u]"})
"""What a unit of botulinum toxin is called."""
