"""The words a rulebook may use: measured fact types with their fields, and the kinds of resource behind each."""

from collections.abc import Mapping
from typing import Literal, get_args

from prodrome.rules.facts import Indication, StopReason


class DrugId(str):
    """The id of a drug: a field's values are the names that the guideline gives. So are the other types here."""


class EhfClassId(str):
    """A preventive class of the EHF consensus."""


class DrugClassId(str):
    """A narrow class of preventives, or a class of acute drugs."""


class AcuteClassId(str):
    """A class of acute drugs."""


class ContraindicationId(str):
    """A contraindication, or ``allergy``."""


class BodyId(str):
    """Who asks for something before a drug is given (eligibility.yaml)."""


DIAGNOSES = ("migraine", "chronic_migraine")
USES = ("preventive", "acute")
INDICATIONS = tuple(Indication)
ONGOING = "ongoing"
REASONS = (*StopReason, ONGOING)
VERDICTS = ("yes", "no", "unknown")
STRENGTHS = ("absolute", "relative", "caution")
FOLLOW_UPS = ("contact", "referral", "appointment")
OveruseClass = Literal["triptan", "ergot", "opioid", "combination-analgesic", "simple-analgesic"]
OVERUSE_CLASSES: tuple[OveruseClass, ...] = get_args(OveruseClass)
"""The classes of ICHD-3 8.2, as the headache diary counts their days."""
BODY_KINDS = ("guideline", "appraisal", "payer", "referral", "label")
ELIGIBILITY_ASKS = ("failures", "days", "type")
EXCEPTIONS = (
    "hepatic_impairment",
    "renal_impairment",
    "hepatic_or_renal_impairment",
    "propranolol",
    "strong_cyp3a4_inhibitor",
)

HOOK_NAMES: tuple[str, ...] = (
    "patient-view",
    "order-select",
    "order-sign",
    "order-dispatch",
    "encounter-start",
    "encounter-discharge",
    "appointment-book",
    "medication-refill",
    "problem-list-item-create",
    "allergyintolerance-create",
)
"""The CDS Hooks hooks a rule may speak at."""

FACT_TYPES: Mapping[str, Mapping[str, type | tuple[str, ...]]] = {
    "hook": {"name": HOOK_NAMES},
    "patient": {"age": float, "age_known": bool},
    "diagnosis": {"name": DIAGNOSES},
    "other_use": {"drug": DrugId},
    "trial": {
        "trial": str,
        "drug": DrugId,
        "use": USES,
        "ehf_class": EhfClassId,
        "drug_class": DrugClassId,
        "statement_class": str,
        "counts": bool,
        "suggested": bool,
        "coded": bool,
        "indication": INDICATIONS,
        "indication_coded": bool,
        "dose_coded": bool,
        "only_for_migraine": bool,
        "only_in_chronic": bool,
        "class_available": bool,
        "barred": bool,
        "reason": REASONS,
        "reason_coded": bool,
        "conflicting": bool,
        "nonadherent": bool,
        "suspected": bool,
        "administrations_assumed": bool,
        "adequate": VERDICTS,
        "full_dose": VERDICTS,
        "stopped_days_ago_least": float,
        "stopped_days_ago_most": float,
    },
    "later_success": {"trial": str, "by": str},
    "drug_use": {"drug": DrugId, "days_ago": float},
    "allergy": {
        "drug": DrugId,
        "ehf_class": EhfClassId,
        "drug_class": DrugClassId,
        "statement_class": str,
        "acute_class": AcuteClassId,
        "suggested": bool,
        "counts": bool,
        "coded": bool,
        "cgrp": bool,
    },
    "preventive_class": {
        "id": EhfClassId,
        "required": bool,
        "only_in_chronic": bool,
        "open_members": float,
    },
    "acute_class": {"id": AcuteClassId, "untried_members": float, "barred": bool, "suggested": bool},
    "class_bar": {"acute_class": AcuteClassId, "contraindication": ContraindicationId},
    "attacks": {
        "drug": DrugId,
        "acute_class": AcuteClassId,
        "suggested": bool,
        "treated": float,
        "relieved_share": float,
    },
    "attack_record": {"drug": DrugId},
    "single_dose": {"subject": str, "drug": DrugId, "acute_class": AcuteClassId, "percent_of_full": float},
    "dose_exception": {"subject": str, "drug": DrugId, "because": EXCEPTIONS},
    "month": {"month": str, "months_ago": float, "debilitating": float, "headache": float, "migraine": float},
    "acute_use": {"month": str, "months_ago": float, "overuse_class": OVERUSE_CLASSES, "days": float},
    "acute_use_together": {"month": str, "months_ago": float, "classes": float, "days": float, "least_days": float},
    "episode": {
        "episode": str,
        "reason": INDICATIONS,
        "running": bool,
        "start": str,
        "days_ago_least": float,
        "days_ago_most": float,
    },
    "follow_up_after": {"episode": str, "kind": FOLLOW_UPS},
    "follow_up": {"kind": FOLLOW_UPS, "days_ago": float},
    "non_drug": {"kind": str, "days_ago": float},
    "order": {
        "order": str,
        "drug": DrugId,
        "use": USES,
        "statement_class": str,
        "acute_class": AcuteClassId,
        "overuse_class": OVERUSE_CLASSES,
        "suggested": bool,
        "indication": INDICATIONS,
        "only_for_migraine": bool,
        "only_for_headache": bool,
        "has_profile": bool,
        "lists_contraindications": bool,
    },
    "eligibility_limit": {"order": str, "drug": DrugId, "body": BodyId, "kind": BODY_KINDS, "asks": ELIGIBILITY_ASKS},
    "order_contraindication": {
        "order": str,
        "drug": DrugId,
        "contraindication": ContraindicationId,
        "strength": STRENGTHS,
        "for_migraine": bool,
    },
    "new_contraindication": {"contraindication": ContraindicationId},
    "running_contraindication": {
        "trial": str,
        "drug": DrugId,
        "contraindication": ContraindicationId,
        "strength": STRENGTHS,
    },
    "above_limit": {"order": str, "drug": DrugId, "for_migraine": bool},
    "not_together": {"order": str, "drug": DrugId, "other": DrugId},
}
"""The fact types a rule may read: the kind of each field, or the texts it can have. Anything else in a rulebook is an
error at load."""

MEDICATION = ("MedicationStatement", "MedicationRequest", "MedicationAdministration")
"""The kinds of resource that say what a patient takes or took."""

READ_FROM: Mapping[str, tuple[str, ...]] = {
    "hook": (),
    "patient": ("Patient",),
    "diagnosis": ("Condition",),
    "other_use": ("Condition",),
    "trial": (
        "MedicationStatement",
        "MedicationRequest",
        "MedicationDispense",
        "MedicationAdministration",
        "Procedure",
        "Condition",
    ),
    "later_success": MEDICATION,
    "drug_use": ("MedicationStatement", "MedicationRequest", "MedicationDispense", "MedicationAdministration"),
    "allergy": ("AllergyIntolerance",),
    "preventive_class": ("Condition",),
    "acute_class": ("MedicationStatement", "MedicationRequest", "AllergyIntolerance", "Condition"),
    "class_bar": ("Condition", "Observation"),
    "attacks": ("Observation", "MedicationStatement", "MedicationRequest"),
    "attack_record": ("Observation", "MedicationStatement", "MedicationRequest"),
    "single_dose": ("MedicationStatement", "MedicationRequest"),
    "dose_exception": ("Condition", "MedicationStatement", "MedicationRequest"),
    "month": ("Observation",),
    "acute_use": ("Observation",),
    "acute_use_together": ("Observation",),
    "episode": ("Encounter",),
    "follow_up_after": ("Encounter", "Appointment", "ServiceRequest"),
    "follow_up": ("Encounter", "Appointment", "ServiceRequest"),
    "non_drug": ("Procedure", "ServiceRequest", "DeviceUseStatement", "DeviceRequest"),
    "order": (),
    "eligibility_limit": (
        "Condition",
        "MedicationStatement",
        "MedicationRequest",
        "MedicationAdministration",
        "AllergyIntolerance",
        "Observation",
    ),
    "order_contraindication": (
        "Condition",
        "AllergyIntolerance",
        "Observation",
        "MedicationStatement",
        "MedicationRequest",
    ),
    "new_contraindication": ("Condition", "AllergyIntolerance", "Observation"),
    "running_contraindication": (
        "Condition",
        "AllergyIntolerance",
        "Observation",
        "MedicationStatement",
        "MedicationRequest",
    ),
    "above_limit": ("Condition", "MedicationStatement", "MedicationRequest"),
    "not_together": (),
}
"""The kinds of resource each fact type is read from: what a hook's prefetch has to ask for."""

KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind for kinds in READ_FROM.values() for kind in kinds))
"""The kinds of resource a rule may need complete."""
