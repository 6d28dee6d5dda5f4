"""The words a rulebook may use: measured fact types with their fields, and the kinds of resource behind each."""

from collections.abc import Mapping
from dataclasses import dataclass
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
Strength = Literal["absolute", "relative", "caution"]
STRENGTHS: tuple[Strength, ...] = get_args(Strength)
"""How strongly a contraindication speaks against a drug, the strongest first."""
FOLLOW_UPS = ("contact", "referral", "appointment")
OveruseClass = Literal["triptan", "ergot", "opioid", "combination-analgesic", "simple-analgesic"]
OVERUSE_CLASSES: tuple[OveruseClass, ...] = get_args(OveruseClass)
"""The classes of ICHD-3 8.2, as the headache diary counts their days."""
BodyKind = Literal["label", "appraisal", "payer", "referral", "guideline"]
BODY_KINDS: tuple[BodyKind, ...] = get_args(BodyKind)
"""What kinds of body ask for something before a drug is given, in the order in which their rows are told."""
EligibilityAsk = Literal["failures", "days", "type"]
ELIGIBILITY_ASKS: tuple[EligibilityAsk, ...] = get_args(EligibilityAsk)
EXCEPTIONS_BY_DRUGS = ("propranolol", "strong_cyp3a4_inhibitor")
"""The dose exceptions that another drug makes, taken now; the others are conditions."""
EXCEPTIONS = (
    "hepatic_impairment",
    "renal_impairment",
    "hepatic_or_renal_impairment",
    "propranolol",
    "strong_cyp3a4_inhibitor",
)

HookName = Literal[
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
]
HOOK_NAMES: tuple[HookName, ...] = get_args(HookName)
"""The CDS Hooks hooks a rule may speak at."""

MEDICATION = ("MedicationStatement", "MedicationRequest", "MedicationAdministration")
"""The kinds of resource that say what a patient takes or took."""

SHARED_FIELDS: Mapping[str, str] = {
    "drug": "the id of the drug in drugs.yaml; a combination counts as its main ingredient",
    "ehf_class": "its class by the EHF consensus of 2022 (E1 to E8)",
    "drug_class": "its narrower class of preventives, or its class of acute drugs",
    "statement_class": "the class for which a failed preventive speaks; antiseizure drugs speak for themselves alone",
    "acute_class": "its class of acute drugs",
    "counts": "whether it counts towards resistant and refractory migraine (drugs.yaml)",
    "suggested": "whether cards may suggest it",
    "coded": "recognised by a code; false where only text names it",
    "only_for_migraine": "used for nothing else",
    "only_in_chronic": "asked for in chronic migraine only",
    "indication": "what the record says it is for",
    "month": "the calendar month, as 2026-05",
    "months_ago": "how many complete months ago: 1 is the month before this one",
    "days_ago": "the fewest days ago that the record allows",
    "days_ago_least": "the fewest days ago that the record allows",
    "days_ago_most": "the most days ago that the record allows",
    "use": "taken to prevent attacks, or to treat one",
    "contraindication": "the id in contraindications.yaml, or allergy",
    "order": "the order in hand",
    "trial": "which trial, for joins",
    "subject": "the order, or the trial of a running drug, whose dose it is",
    "episode": "which hospital episode, for joins",
}
"""What a field means that several facts share."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its kind, or the texts it can have, and what it means where :data:`SHARED_FIELDS` does not say it."""

    kind: type | tuple[str, ...]
    means: str = ""


@dataclass(frozen=True, slots=True)
class FactType:
    """A type of measured fact: what it says, the kinds of resource it is read from, and its fields."""

    means: str
    read_from: tuple[str, ...]
    fields: Mapping[str, Field]


_FACTS: Mapping[str, FactType] = {
    "hook": FactType(
        "The moment in the clinician's work at which the EHR asked.",
        read_from=(),
        fields={
            "name": Field(HOOK_NAMES, "the hook"),
        },
    ),
    "patient": FactType(
        "The patient. A birth date that leaves 18 open counts as under 18.",
        read_from=("Patient",),
        fields={
            "age": Field(float, "in years"),
            "age_known": Field(bool, "false where the record has no birth date"),
        },
    ),
    "diagnosis": FactType(
        "An active diagnosis, by code only.",
        read_from=("Condition",),
        fields={
            "name": Field(DIAGNOSES, "the code set of codes.yaml it is in"),
        },
    ),
    "other_use": FactType(
        "The patient has another active condition that the drug is given for.",
        read_from=("Condition",),
        fields={
            "drug": Field(DrugId),
        },
    ),
    "trial": FactType(
        "One course of one drug, its dose steps joined and its double records merged.",
        read_from=(
            "MedicationStatement",
            "MedicationRequest",
            "MedicationDispense",
            "MedicationAdministration",
            "Procedure",
            "Condition",
        ),
        fields={
            "trial": Field(str),
            "drug": Field(DrugId),
            "use": Field(USES),
            "ehf_class": Field(EhfClassId),
            "drug_class": Field(DrugClassId),
            "statement_class": Field(str),
            "counts": Field(bool),
            "suggested": Field(bool),
            "coded": Field(bool),
            "indication": Field(INDICATIONS),
            "indication_coded": Field(bool, "false where only text names the indication"),
            "dose_coded": Field(bool, "false where the dose was read from text"),
            "only_for_migraine": Field(bool),
            "only_in_chronic": Field(bool),
            "class_available": Field(bool, "whether its class has a drug in the locale"),
            "barred": Field(bool, "the patient has a lasting absolute contraindication to it"),
            "reason": Field(REASONS, "why it ended, or ongoing"),
            "reason_coded": Field(bool, "false where only text says why"),
            "conflicting": Field(bool, "the record gives a failure and something that is none as reasons"),
            "nonadherent": Field(bool, "not taken as directed is recorded beside the reason"),
            "suspected": Field(bool, "the reason is one of a request that only suspects intolerance or allergy"),
            "administrations_assumed": Field(bool, "doses given were derived from the dates, not recorded"),
            "adequate": Field(VERDICTS, "long enough at a high enough dose, as drugs.yaml says for the drug"),
            "full_dose": Field(VERDICTS, "for acute drugs: taken at the full single dose"),
            "stopped_days_ago_least": Field(float, "the fewest days since its end that the record allows"),
            "stopped_days_ago_most": Field(float, "the most days since its end that the record allows"),
        },
    ),
    "later_success": FactType(
        "After this trial a counting drug of the same class was a success.",
        read_from=MEDICATION,
        fields={
            "trial": Field(str),
            "by": Field(str, "the trial that was"),
        },
    ),
    "drug_use": FactType(
        "How long ago a drug may have been taken last, for anything; 0 while it runs.",
        read_from=("MedicationStatement", "MedicationRequest", "MedicationDispense", "MedicationAdministration"),
        fields={
            "drug": Field(DrugId),
            "days_ago": Field(float),
        },
    ),
    "allergy": FactType(
        "An active allergy or intolerance to a drug.",
        read_from=("AllergyIntolerance",),
        fields={
            "drug": Field(DrugId),
            "ehf_class": Field(EhfClassId),
            "drug_class": Field(DrugClassId),
            "statement_class": Field(str),
            "acute_class": Field(AcuteClassId),
            "suggested": Field(bool),
            "counts": Field(bool),
            "coded": Field(bool),
            "cgrp": Field(bool, "the drug acts against CGRP"),
        },
    ),
    "preventive_class": FactType(
        "An EHF class, as it stands for this patient.",
        read_from=("Condition",),
        fields={
            "id": Field(EhfClassId, "the class"),
            "required": Field(bool, "asked for by the definition of refractory migraine, and available in the locale"),
            "only_in_chronic": Field(bool),
            "open_members": Field(
                float, "counting drugs of it that the patient has no lasting absolute contraindication to"
            ),
        },
    ),
    "acute_class": FactType(
        "A class of acute drugs, as it stands for this patient.",
        read_from=("MedicationStatement", "MedicationRequest", "AllergyIntolerance", "Condition"),
        fields={
            "id": Field(AcuteClassId, "the class"),
            "untried_members": Field(float, "drugs of it that are available, untried and not contraindicated"),
            "barred": Field(bool, "every drug of it that is available has an absolute contraindication"),
            "suggested": Field(bool, "cards may suggest some drug of it"),
        },
    ),
    "class_bar": FactType(
        "An active contraindication that every drug of an acute class lists as absolute.",
        read_from=("Condition", "Observation"),
        fields={
            "acute_class": Field(AcuteClassId),
            "contraindication": Field(ContraindicationId),
        },
    ),
    "attacks": FactType(
        "Attacks treated with a drug at its full dose for migraine; the rows of one drug add up.",
        read_from=("Observation", "MedicationStatement", "MedicationRequest"),
        fields={
            "drug": Field(DrugId),
            "acute_class": Field(AcuteClassId),
            "suggested": Field(bool),
            "treated": Field(float, "attacks treated"),
            "relieved_share": Field(float, "attacks relieved, of every acute_attacks_required treated (6 of 8 is 3)"),
        },
    ),
    "attack_record": FactType(
        "There is a record of treated attacks for the drug, at any dose.",
        read_from=("Observation", "MedicationStatement", "MedicationRequest"),
        fields={
            "drug": Field(DrugId),
        },
    ),
    "single_dose": FactType(
        "A known single dose of an acute drug, ordered or taken now.",
        read_from=("MedicationStatement", "MedicationRequest"),
        fields={
            "subject": Field(str),
            "drug": Field(DrugId),
            "acute_class": Field(AcuteClassId),
            "percent_of_full": Field(float, "in percent of the full single dose of its route"),
            "reads_drugs": Field(bool, "whether another drug taken now can make a lower dose right"),
        },
    ),
    "dose_exception": FactType(
        "Something about the patient for which a lower dose is right.",
        read_from=("Condition", "MedicationStatement", "MedicationRequest"),
        fields={
            "subject": Field(str),
            "drug": Field(DrugId),
            "because": Field(EXCEPTIONS, "what it is"),
        },
    ),
    "month": FactType(
        "A complete calendar month of the headache diary.",
        read_from=("Observation",),
        fields={
            "month": Field(str),
            "months_ago": Field(float),
            "debilitating": Field(float, "days with debilitating headache"),
            "headache": Field(float, "days with headache"),
            "migraine": Field(float, "days with migraine"),
        },
    ),
    "acute_use": FactType(
        "Days on which drugs of one overuse class were taken, in a month.",
        read_from=("Observation",),
        fields={
            "month": Field(str),
            "months_ago": Field(float),
            "overuse_class": Field(OVERUSE_CLASSES, "the class"),
            "days": Field(float, "days of intake"),
        },
    ),
    "acute_use_together": FactType(
        "Days on which any acute drug was taken, in a month.",
        read_from=("Observation",),
        fields={
            "month": Field(str),
            "months_ago": Field(float),
            "classes": Field(float, "how many classes were taken"),
            "days": Field(float, "the total as recorded, or the sum over the classes: the most it can be"),
            "least_days": Field(float, "the fewest it can be"),
        },
    ),
    "episode": FactType(
        "Hospital visits whose stays touch are one episode; one stay for migraine makes it one for migraine.",
        read_from=("Encounter",),
        fields={
            "episode": Field(str),
            "reason": Field(INDICATIONS, "what it was for"),
            "running": Field(bool, "the stay goes on"),
            "start": Field(str, "its first day"),
            "days_ago_least": Field(float),
            "days_ago_most": Field(float),
        },
    ),
    "follow_up_after": FactType(
        "Specialist care that may have come after an episode began.",
        read_from=("Encounter", "ServiceRequest", "Appointment"),
        fields={
            "episode": Field(str),
            "kind": Field(FOLLOW_UPS, "a contact, a referral, or an appointment ahead"),
        },
    ),
    "follow_up": FactType(
        "Specialist care.",
        read_from=("Encounter", "ServiceRequest", "Appointment"),
        fields={
            "kind": Field(FOLLOW_UPS, "a contact, a referral, or an appointment ahead"),
            "days_ago": Field(float),
        },
    ),
    "non_drug": FactType(
        "A non-drug treatment, done or ordered, for migraine or for no stated reason.",
        read_from=("Procedure", "ServiceRequest", "DeviceUseStatement", "DeviceRequest"),
        fields={
            "kind": Field(str, "acupuncture, biofeedback, cbt, relaxation or neurostimulation"),
            "days_ago": Field(float),
        },
    ),
    "order": FactType(
        "An order in hand of a systemic form.",
        read_from=(),
        fields={
            "order": Field(str),
            "drug": Field(DrugId),
            "use": Field(USES),
            "statement_class": Field(str),
            "acute_class": Field(AcuteClassId),
            "overuse_class": Field(OVERUSE_CLASSES, "its class in the definition of medication overuse"),
            "suggested": Field(bool),
            "indication": Field(INDICATIONS),
            "only_for_migraine": Field(bool),
            "only_for_headache": Field(bool, "used for headache of whatever kind, and nothing else"),
            "has_profile": Field(bool, "drugs.yaml has a side-effect profile for it"),
            "lists_contraindications": Field(bool, "drugs.yaml lists contraindications for it"),
        },
    ),
    "eligibility_limit": FactType(
        "Something that a body of the site asks for before the ordered drug is given (eligibility.yaml).",
        read_from=(
            "Condition",
            "MedicationStatement",
            "MedicationRequest",
            "MedicationAdministration",
            "AllergyIntolerance",
            "Observation",
        ),
        fields={
            "order": Field(str),
            "drug": Field(DrugId),
            "body": Field(BodyId, "who asks"),
            "kind": Field(BODY_KINDS, "what kind of body it is"),
            "asks": Field(ELIGIBILITY_ASKS, "for failures, for days, or for a type of migraine"),
        },
    ),
    "order_contraindication": FactType(
        "The ordered drug lists a contraindication that is active.",
        read_from=(
            "Condition",
            "AllergyIntolerance",
            "Observation",
            "MedicationStatement",
            "MedicationRequest",
            "MedicationDispense",
        ),
        fields={
            "order": Field(str),
            "drug": Field(DrugId),
            "contraindication": Field(ContraindicationId),
            "strength": Field(STRENGTHS, "how strong it is for this drug"),
            "for_migraine": Field(bool, "whether it counts in an order for migraine only"),
        },
    ),
    "new_contraindication": FactType(
        "What is being written into the chart speaks against some drugs, as nothing did before.",
        read_from=("Condition", "AllergyIntolerance", "Observation"),
        fields={
            "contraindication": Field(ContraindicationId),
        },
    ),
    "running_contraindication": FactType(
        "A drug that runs lists a contraindication that is active only since that entry.",
        read_from=(
            "Condition",
            "AllergyIntolerance",
            "Observation",
            "MedicationStatement",
            "MedicationRequest",
            "MedicationDispense",
        ),
        fields={
            "trial": Field(str),
            "drug": Field(DrugId),
            "contraindication": Field(ContraindicationId),
            "strength": Field(STRENGTHS, "how strong it is for this drug"),
        },
    ),
    "above_limit": FactType(
        "The order goes beyond a limit of dose_limits.yaml: at once, a day, a week, in doses a day or in days.",
        read_from=("Condition", "MedicationStatement", "MedicationRequest", "MedicationDispense"),
        fields={
            "order": Field(str),
            "drug": Field(DrugId),
            "for_migraine": Field(bool, "the limit is for migraine only"),
        },
    ),
    "not_together": FactType(
        "Another order in hand must not be taken within a day of this one.",
        read_from=(),
        fields={
            "order": Field(str),
            "drug": Field(DrugId),
            "other": Field(DrugId, "the drug of the other order"),
        },
    ),
}

FACT_TYPES: Mapping[str, Mapping[str, type | tuple[str, ...]]] = {
    fact: {name: field.kind for name, field in of.fields.items()} for fact, of in _FACTS.items()
}
"""The fact types a rule may read: the kind of each field, or the texts it can have. Anything else in a rulebook is an
error at load."""
READ_FROM: Mapping[str, tuple[str, ...]] = {fact: of.read_from for fact, of in _FACTS.items()}
"""The kinds of resource each fact type is read from: what a hook's prefetch has to ask for."""
MEANINGS: Mapping[str, str] = {fact: of.means for fact, of in _FACTS.items()}
"""What each fact type says, in words."""
KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind for kinds in READ_FROM.values() for kind in kinds))
"""The kinds of resource a rule may need complete."""


def meaning_of(fact: str, field: str) -> str:
    """What a field of a measured fact means. Raises ``KeyError`` for one that nobody explained."""
    return _FACTS[fact].fields[field].means or SHARED_FIELDS[field]
