"""What each measured fact and each of its fields means, in the words of the documentation.

A field that several facts share is explained once, under ``SHARED``.
"""

from collections.abc import Mapping

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

MEANINGS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "hook": ("The moment in the clinician's work at which the EHR asked.", {"name": "the hook"}),
    "patient": (
        "The patient. A birth date that leaves 18 open counts as under 18.",
        {"age": "in years", "age_known": "false where the record has no birth date"},
    ),
    "diagnosis": ("An active diagnosis, by code only.", {"name": "the code set of codes.yaml it is in"}),
    "other_use": ("The patient has another active condition that the drug is given for.", {}),
    "trial": (
        "One course of one drug, its dose steps joined and its double records merged.",
        {
            "indication_coded": "false where only text names the indication",
            "dose_coded": "false where the dose was read from text",
            "class_available": "whether its class has a drug in the locale",
            "barred": "the patient has a lasting absolute contraindication to it",
            "reason": "why it ended, or ongoing",
            "reason_coded": "false where only text says why",
            "conflicting": "the record gives a failure and something that is none as reasons",
            "nonadherent": "not taken as directed is recorded beside the reason",
            "suspected": "the reason is one of a request that only suspects intolerance or allergy",
            "administrations_assumed": "doses given were derived from the dates, not recorded",
            "adequate": "long enough at a high enough dose, as drugs.yaml says for the drug",
            "full_dose": "for acute drugs: taken at the full single dose",
            "stopped_days_ago_least": "the fewest days since its end that the record allows",
            "stopped_days_ago_most": "the most days since its end that the record allows",
        },
    ),
    "later_success": (
        "After this trial a counting drug of the same class was a success.",
        {"by": "the trial that was"},
    ),
    "drug_use": ("How long ago a drug may have been taken last, for anything; 0 while it runs.", {}),
    "allergy": ("An active allergy or intolerance to a drug.", {"cgrp": "the drug acts against CGRP"}),
    "preventive_class": (
        "An EHF class, as it stands for this patient.",
        {
            "id": "the class",
            "required": "asked for by the definition of refractory migraine, and available in the locale",
            "open_members": "counting drugs of it that the patient has no lasting absolute contraindication to",
        },
    ),
    "acute_class": (
        "A class of acute drugs, as it stands for this patient.",
        {
            "id": "the class",
            "untried_members": "drugs of it that are available, untried and not contraindicated",
            "barred": "every drug of it that is available has an absolute contraindication",
            "suggested": "cards may suggest some drug of it",
        },
    ),
    "class_bar": ("An active contraindication that every drug of an acute class lists as absolute.", {}),
    "attacks": (
        "Attacks treated with a drug at its full dose for migraine; the rows of one drug add up.",
        {
            "treated": "attacks treated",
            "relieved_share": "attacks relieved, of every acute_attacks_required treated (6 of 8 is 3)",
        },
    ),
    "attack_record": ("There is a record of treated attacks for the drug, at any dose.", {}),
    "single_dose": (
        "A known single dose of an acute drug, ordered or taken now.",
        {"percent_of_full": "in percent of the full single dose of its route"},
    ),
    "dose_exception": (
        "Something about the patient for which a lower dose is right.",
        {"because": "what it is"},
    ),
    "month": (
        "A complete calendar month of the headache diary.",
        {
            "debilitating": "days with debilitating headache",
            "headache": "days with headache",
            "migraine": "days with migraine",
        },
    ),
    "acute_use": (
        "Days on which drugs of one overuse class were taken, in a month.",
        {"overuse_class": "the class", "days": "days of intake"},
    ),
    "acute_use_together": (
        "Days on which any acute drug was taken, in a month.",
        {
            "classes": "how many classes were taken",
            "days": "the total as recorded, or the sum over the classes: the most it can be",
            "least_days": "the fewest it can be",
        },
    ),
    "episode": (
        "Hospital visits whose stays touch are one episode; one stay for migraine makes it one for migraine.",
        {"reason": "what it was for", "running": "the stay goes on", "start": "its first day"},
    ),
    "follow_up_after": (
        "Specialist care that may have come after an episode began.",
        {"kind": "a contact, a referral, or an appointment ahead"},
    ),
    "follow_up": ("Specialist care.", {"kind": "a contact, a referral, or an appointment ahead"}),
    "non_drug": (
        "A non-drug treatment, done or ordered, for migraine or for no stated reason.",
        {"kind": "acupuncture, biofeedback, cbt, relaxation or neurostimulation"},
    ),
    "order": (
        "An order in hand of a systemic form.",
        {
            "has_profile": "drugs.yaml has a side-effect profile for it",
            "lists_contraindications": "drugs.yaml lists contraindications for it",
            "only_for_headache": "used for headache of whatever kind, and nothing else",
            "overuse_class": "its class in the definition of medication overuse",
        },
    ),
    "eligibility_limit": (
        "Something that a body of the site asks for before the ordered drug is given (eligibility.yaml).",
        {
            "body": "who asks",
            "kind": "what kind of body it is",
            "asks": "for failures, for days, or for a type of migraine",
        },
    ),
    "order_contraindication": (
        "The ordered drug lists a contraindication that is active.",
        {
            "strength": "how strong it is for this drug",
            "for_migraine": "whether it counts in an order for migraine only",
        },
    ),
    "new_contraindication": (
        "What is being written into the chart speaks against some drugs, as nothing did before.",
        {},
    ),
    "running_contraindication": (
        "A drug that runs lists a contraindication that is active only since that entry.",
        {"strength": "how strong it is for this drug"},
    ),
    "above_limit": (
        "The order goes beyond a limit of dose_limits.yaml, at once or in a day.",
        {"for_migraine": "the limit is for migraine only"},
    ),
    "not_together": (
        "Another order in hand must not be taken within a day of this one.",
        {"other": "the drug of the other order"},
    ),
}


def meaning_of(fact: str, field: str) -> str:
    """What a field of a measured fact means. Raises ``KeyError`` for one that nobody explained."""
    own = MEANINGS[fact][1]
    return own[field] if field in own else SHARED_FIELDS[field]
