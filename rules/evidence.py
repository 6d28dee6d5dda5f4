"""Which preventive comes first for a patient: by the body of the locale, beside what else the patient has.

An order, not an answer: what is contraindicated, failed or not to be had is left out elsewhere.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from prodrome.rules.facts import Facts
from prodrome.rules.guideline.guideline import Guideline


def preference(
    facts: Facts, guideline: Guideline, locale: str, *, chronic: bool
) -> Callable[[str], tuple[bool, bool, int]]:
    """A sorting key for drugs, the most fitting first.

    What a comorbidity speaks against comes last, what one speaks for first; among equals the recommendation of the
    locale's body for episodic or chronic migraine decides. Drugs it does not rank follow those it does.
    """
    order = guideline.evidence_order
    body = order.bodies[locale]
    ranks = body.chronic if chronic else body.episodic
    rank = {drug: place for place, drugs in enumerate(ranks) for drug in drugs}
    present = frozenset(name for condition in facts.conditions for name in condition.names)
    beside = [comorbidity for comorbidity in order.comorbidities if comorbidity.code_set in present]
    preferred = frozenset(drug for comorbidity in beside for drug in comorbidity.prefer)
    avoided = frozenset(drug for comorbidity in beside for drug in comorbidity.avoid)

    return partial(_place, avoided, preferred, rank, len(ranks))


def _place(
    avoided: Collection[str], preferred: Collection[str], rank: Mapping[str, int], last: int, drug: str
) -> tuple[bool, bool, int]:
    return drug in avoided, drug not in preferred or drug in avoided, rank.get(drug, last)
