"""Which preventive comes first for a patient: by the body of the locale, beside what else the patient has.

An order, not an answer: what is contraindicated, failed or not to be had is left out elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prodrome.rules.facts import Facts
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.per_guideline import per_guideline

Place = tuple[bool, bool, int]
"""Where a drug stands: whether a comorbidity speaks against it, whether none speaks for it, and its rank."""


@dataclass(frozen=True)
class Preference:
    """The order of drugs for one patient. ``preferred`` and ``avoided`` are what comorbidities speak for and against.

    ``rank`` is the recommendation of the locale's body, ``last`` that of drugs it does not rank.
    """

    preferred: frozenset[str]
    avoided: frozenset[str]
    rank: Mapping[str, int]
    last: int

    def place(self, drug: str) -> Place:
        """A sorting key, the most fitting first."""
        avoided = drug in self.avoided
        return avoided, avoided or drug not in self.preferred, self.rank.get(drug, self.last)


def preference(facts: Facts, guideline: Guideline, locale: str, *, chronic: bool) -> Preference:
    """What to prefer for a patient.

    What a comorbidity speaks against comes last, what one speaks for first; among equals the recommendation of the
    locale's body for episodic or chronic migraine decides. Drugs it does not rank follow those it does.
    """
    plain = _plain(guideline)[locale, chronic]
    present = {name for condition in facts.conditions for name in condition.names}
    beside = [one for one in guideline.evidence_order.comorbidities if one.code_set in present]
    if not beside:
        return plain
    return Preference(
        preferred=frozenset([drug for comorbidity in beside for drug in comorbidity.prefer]),
        avoided=frozenset([drug for comorbidity in beside for drug in comorbidity.avoid]),
        rank=plain.rank,
        last=plain.last,
    )


@per_guideline
def _plain(guideline: Guideline) -> Mapping[tuple[str, bool], Preference]:
    """What the body of each locale prefers for episodic (False) and for chronic migraine (True)."""
    found = {}
    for locale, body in guideline.evidence_order.bodies.items():
        for chronic, ranks in ((False, body.episodic), (True, body.chronic)):
            rank = {drug: place for place, drugs in enumerate(ranks) for drug in drugs}
            found[locale, chronic] = Preference(frozenset(), frozenset(), rank, len(ranks))
    return found
