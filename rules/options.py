"""Which drugs a patient could have: available, not ruled out, not yet tried. Decided here for rules and cards alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prodrome.rules.contraindications import ABSOLUTE, RELATIVE, Active, contraindications_of
from prodrome.rules.fact_types import Strength
from prodrome.rules.facts import AttackRecord, Facts, Indication, Refs, Trial
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import Contraindication, Drug


@dataclass(frozen=True)
class Against:
    """What speaks against a drug, and how strongly: a contraindication, or ``None`` for an allergy or intolerance.

    ``in_product``: the allergy is to a product with it.
    """

    contraindication: Contraindication | None
    strength: Strength
    refs: Refs
    in_product: bool = False

    @property
    def id(self) -> str:
        """The id of the contraindication, or ``allergy``."""
        return self.contraindication.id if self.contraindication else "allergy"


class DrugOptions:
    """The drugs of a guideline for one patient in one locale, weighed once.

    ``active`` are the contraindications that hold today. ``here`` are the drugs (ids) that can be had, as can their
    class where they prevent; ``in_attacks`` those that attacks of migraine were treated with; ``tried`` those that were
    taken for migraine at all, by the drug they count as; ``doubtful`` those that anything may speak against.
    """

    def __init__(self, facts: Facts, guideline: Guideline, active: Mapping[str, Active], locale: str) -> None:
        self.facts = facts
        self.guideline = guideline
        self.active = active
        self.locale = locale
        self.here = guideline.drugs_in(locale)
        self.in_attacks = frozenset([r.drug for r in facts.attack_records if self.is_for_migraine(r)])
        taken = [self.base(trial.drug) for trial in facts.trials if self.is_for_migraine(trial)]
        self.tried = frozenset([*taken, *map(self.base, self.in_attacks)])
        self._against = {drug.id: self._weighed(drug) for drug in self._doubtful()}
        self.doubtful = frozenset(self._against)
        self.ruled_out = frozenset([id_ for id_, found in self._against.items() if any(map(_is_absolute, found))])
        self.spent = self.tried | self.ruled_out

    def base(self, drug_id: str) -> str:
        """The drug a product counts as a trial of: sumatriptan with naproxen is sumatriptan."""
        return self.guideline.drugs[drug_id].counts_as or drug_id

    def against(self, drug: Drug, product: tuple[str, ...] = ()) -> tuple[Against, ...]:
        """Every contraindication, allergy and intolerance that speaks against a drug now, in a product of several."""
        found = self._against.get(drug.id, ())
        return self._weighed(drug, product) if found and len(product) > 1 else found

    def barred(self, drug: Drug) -> bool:
        """Whether the drug has an absolute contraindication now; an active allergy to it is one."""
        return drug.id in self.ruled_out

    def _doubtful(self) -> Iterable[Drug]:
        """The drugs that anything may speak against."""
        listing = self.guideline.drugs_listing
        found = [drug for id_ in self.active for drug in listing.get(id_, ())]
        holding = self.guideline.drugs_holding
        found += [drug for allergy in self.facts.allergies for drug in holding.get(allergy.drug, ())]
        return {drug.id: drug for drug in found}.values()

    def _weighed(self, drug: Drug, product: tuple[str, ...] = ()) -> tuple[Against, ...]:
        found = [
            Against(one.contraindication, one.strength(drug.id), one.refs)
            for one in contraindications_of(drug, self.active)
        ]
        for allergy in self.facts.allergies:
            if drug.holds(allergy.drug):
                whole = all(drug.holds(one) or one in product for one in allergy.within)
                strength = ABSOLUTE if whole and allergy.kind == "allergy" else RELATIVE
                found.append(Against(None, strength, allergy.refs, not whole))
        return tuple(found)

    def is_for_migraine(self, fact: Trial | AttackRecord) -> bool:
        """Whether a drug was taken for migraine: it says so, or it is used for nothing else."""
        if fact.indication is Indication.UNSTATED:
            return self.guideline.drugs[fact.drug].only_for_migraine
        return fact.indication in (Indication.MIGRAINE, Indication.HEADACHE)

    def untried(self, acute_class: str) -> tuple[Drug, ...]:
        """The drugs of an acute class that may be suggested, were not tried, and that nothing rules out."""
        here = self.guideline.acute_members_in(self.locale).get(acute_class)
        left = here.next - self.spent if here else ()
        return tuple([drug for drug in self.guideline.suggested_members.get(acute_class, ()) if drug.id in left])


def _is_absolute(against: Against) -> bool:
    return against.strength == ABSOLUTE
