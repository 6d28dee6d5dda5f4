"""The guideline as data, read and checked: rulebook, parameters, drugs, contraindications, code sets and sources."""

from prodrome.rules.guideline.editions import (
    Change,
    Difference,
    Edition,
    compare_editions,
    edition_in_force,
    edition_of,
    read_edition,
)
from prodrome.rules.guideline.eligibility import Days, DaysAsked, EligibilityRow, EligibilityTable, FailuresAsked
from prodrome.rules.guideline.guideline import Guideline, load_guideline
from prodrome.rules.guideline.named import NumericParameter
from prodrome.rules.guideline.ndc import package_digits
from prodrome.rules.guideline.site import CANONICAL_BASE, DIARY, Site
from prodrome.rules.guideline.types import (
    ATC,
    ICD10CM,
    NDC,
    RXNORM,
    SNOMED,
    CodeSet,
    Contraindication,
    DoseLimit,
    Drug,
    GuidelineError,
    Option,
    Parameter,
    ParameterValue,
    PreventiveUse,
    SideEffects,
    Source,
)

__all__ = [
    "ATC",
    "CANONICAL_BASE",
    "DIARY",
    "ICD10CM",
    "NDC",
    "RXNORM",
    "SNOMED",
    "Change",
    "CodeSet",
    "Contraindication",
    "Days",
    "DaysAsked",
    "Difference",
    "DoseLimit",
    "Drug",
    "Edition",
    "EligibilityRow",
    "EligibilityTable",
    "FailuresAsked",
    "Guideline",
    "GuidelineError",
    "NumericParameter",
    "Option",
    "Parameter",
    "ParameterValue",
    "PreventiveUse",
    "SideEffects",
    "Site",
    "Source",
    "compare_editions",
    "edition_in_force",
    "edition_of",
    "load_guideline",
    "package_digits",
    "read_edition",
]
