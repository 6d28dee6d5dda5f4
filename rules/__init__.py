"""What the chart says as dated facts, what the guideline concludes from them, and why. No FHIR, no HTTP, no clock.

The rooms inside: :mod:`prodrome.rules.engine` matches rules, :mod:`prodrome.rules.guideline` is what they are about.
"""

from prodrome.rules import facts, rows
from prodrome.rules.contraindications import ABSOLUTE, Active, contraindications_of, is_lastingly_barred
from prodrome.rules.dose_limits import Broken, Excess, broken_limits, highest_single_dose, most_allowed
from prodrome.rules.doses import ExceptionalDose, adequacy, at_full_dose, days_at, dose_exceptions, full_dose
from prodrome.rules.eligibility import (
    ClassState,
    Criterion,
    Eligibility,
    Failed,
    RowAnswer,
    State,
    answers_for,
    class_states,
    eligibility,
)
from prodrome.rules.errors import ConfigurationError, ProdromeError
from prodrome.rules.evidence import Place, Preference, preference
from prodrome.rules.fact_types import (
    HOOK_NAMES,
    MEANINGS,
    MEDICATION,
    OVERUSE_CLASSES,
    READ_FROM,
    STRENGTHS,
    HookName,
    Strength,
    meaning_of,
)
from prodrome.rules.facts import *  # noqa: F403  every fact is public, a new one too
from prodrome.rules.flat_facts import trial_name
from prodrome.rules.judge import SEVERITY, Finding, Judgement, Unjudged, judge
from prodrome.rules.necessity import against_the_sieve
from prodrome.rules.options import DrugOptions
from prodrome.rules.per_guideline import make_all, per_guideline
from prodrome.rules.spans import Span, last_months, length, month_back, months_ago, years
from prodrome.rules.titration import Judging
from prodrome.rules.units import MILLIGRAMS, TOXIN_UNITS

__all__ = [
    "ABSOLUTE",
    "HOOK_NAMES",
    "MEANINGS",
    "MEDICATION",
    "MILLIGRAMS",
    "OVERUSE_CLASSES",
    "READ_FROM",
    "SEVERITY",
    "STRENGTHS",
    "TOXIN_UNITS",
    "Active",
    "Broken",
    "ClassState",
    "ConfigurationError",
    "Criterion",
    "DrugOptions",
    "Eligibility",
    "ExceptionalDose",
    "Excess",
    "Failed",
    "Finding",
    "HookName",
    "Judgement",
    "Judging",
    "Place",
    "Preference",
    "ProdromeError",
    "RowAnswer",
    "Span",
    "State",
    "Strength",
    "Unjudged",
    "adequacy",
    "against_the_sieve",
    "answers_for",
    "at_full_dose",
    "broken_limits",
    "class_states",
    "contraindications_of",
    "days_at",
    "dose_exceptions",
    "eligibility",
    "full_dose",
    "highest_single_dose",
    "is_lastingly_barred",
    "judge",
    "last_months",
    "length",
    "make_all",
    "meaning_of",
    "month_back",
    "months_ago",
    "most_allowed",
    "per_guideline",
    "preference",
    "rows",
    "trial_name",
    "years",
]
__all__ += facts.__all__
