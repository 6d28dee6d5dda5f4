"""The names in the guideline's files that Python reads by name.

They are compared with the files when these are read: a name changed on one side only is an error at start, and no
answer that silently becomes another. ``tests/rules/guideline/test_named.py`` holds that every such name stands here.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

from prodrome.rules.engine.strict_yaml import meant
from prodrome.rules.facts import StopReason
from prodrome.rules.guideline.types import ATC, ICD10CM, RXNORM, SNOMED, STOP_REASON, GuidelineError, Parameter

NumericParameter = Literal[
    "acute_attacks_required",
    "acute_unresponsive_triptans",
    "administered_grace_days",
    "aspirin_antiplatelet_max_mg",
    "blood_pressure_lookback_days",
    "course_gap_days",
    "ed_followup_window_days",
    "episode_gap_days",
    "heart_rate_lookback_days",
    "insufficient_months",
    "min_debilitating_days",
    "moh_months",
    "pregnancy_max_days",
    "renewal_gap_days",
    "resistant_months",
    "severe_bradycardia_rate",
    "specialist_lookback_days",
    "sumatriptan_nonoral_max_mg",
    "uncontrolled_diastolic",
    "uncontrolled_systolic",
]
OtherParameter = Literal["locale_unavailable", "neurology_is_specialist", "pain_management_is_specialist"]
CodeSetName = Literal[
    "acupuncture",
    "ambulatory_class",
    "biofeedback",
    "cbt",
    "chemodenervation",
    "chronic_migraine",
    "ckd_severe",
    "consultation",
    "emergency",
    "esrd",
    "generic_botulinum_toxin",
    "headache",
    "hospital_class",
    "lactation",
    "liver_disease",
    "liver_severe",
    "local_use",
    "migraine",
    "nervous_disease_in_pregnancy",
    "neurology",
    "neurology_referral",
    "neurostimulation",
    "nsaid_hypersensitivity",
    "other_specialty",
    "pain_management",
    "pain_management_referral",
    "pregnancy",
    "pregnancy_20_weeks",
    "reading.blood_pressure",
    "reading.diastolic",
    "reading.heart_rate",
    "reading.not_pregnant",
    "reading.pregnancy",
    "reading.pregnant",
    "reading.systolic",
    "relaxation",
    "stop_reason.nonadherence",
    "stop_reason.suspected",
    "strong_cyp3a4_inhibitor",
]
ContraindicationName = Literal[
    "childbearing_potential",
    "lactation",
    "nsaid_hypersensitivity",
    "pregnancy",
    "pregnancy_20w",
    "strong_cyp3a4_inhibitor",
    "uncontrolled_hypertension",
]
DrugName = Literal[
    "aspirin",
    "butalbital",
    "propranolol",
    "sumatriptan",
]
DrugClassName = Literal["botulinum_toxin", "cgrp_mab"]
AcuteClassName = Literal["gepant", "nsaid", "triptan"]
EhfClassName = Literal["E5"]
WordsName = Literal[
    "diagnosis.migraine",
    "negation",
    "referral",
    "specialist.headache",
    "specialist.neurology",
    "treatment.acupuncture",
    "treatment.biofeedback",
    "treatment.cbt",
    "treatment.neurostimulation",
    "treatment.relaxation",
    "visit.ambulatory",
    "visit.emergency",
    "visit.hospital",
]
CoMedicationName = Literal["strong_cyp3a4_inhibitor"]
LocaleName = Literal["US"]

_NAMED: tuple[tuple[str, str, Any], ...] = (
    ("parameters.yaml", "parameter", NumericParameter),
    ("parameters.yaml", "parameter", OtherParameter),
    ("codes.yaml", "code set", CodeSetName),
    ("contraindications.yaml", "contraindication", ContraindicationName),
    ("drugs.yaml", "drug", DrugName),
    ("drugs.yaml", "drug class", DrugClassName),
    ("drugs.yaml", "acute class", AcuteClassName),
    ("drugs.yaml", "class", EhfClassName),
    ("words.csv", "meaning", WordsName),
    ("codes.yaml", "group of other drugs", CoMedicationName),
    ("locales.yaml", "locale", LocaleName),
)

_SYSTEMS: Mapping[str, str] = {"atc": ATC, "icd10cm": ICD10CM, "rxnorm": RXNORM, "snomed": SNOMED}


def check_named(
    known: Mapping[str, Collection[str]], parameters: Mapping[str, Parameter], systems: Mapping[str, str]
) -> None:
    """Compare what Python names with what there is (``known``, by what it is called). Raises GuidelineError."""
    for file, what, names in _NAMED:
        for name in get_args(names):
            if name not in known[what]:
                raise _missing(file, what, name, known[what])
    for name in get_args(NumericParameter):
        if parameters[name].kind not in ("integer", "number"):
            kind = parameters[name].kind
            raise GuidelineError(f"parameters.yaml: {name}: kind should be integer or number, found {kind!r}")
    for name, address in _SYSTEMS.items():
        if systems.get(name) != address:
            raise GuidelineError(f"codes.yaml: {name}: url should be {address!r}, found {systems.get(name)!r}")
    for reason in StopReason:
        if STOP_REASON + reason not in known["code set"]:
            raise _missing("codes.yaml", "code set", STOP_REASON + reason, known["code set"])


def _missing(file: str, what: str, name: str, known: Collection[str]) -> GuidelineError:
    return GuidelineError(f"{file}: there is no {what} {name!r}, which the program reads{meant(name, known)}")
