"""Which drugs a patient could have: available, not ruled out, not yet tried. Decided here for rules and cards alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from prodrome.rules.contraindications import ABSOLUTE, RELATIVE, Active, Strength, contraindications_of
from prodrome.rules.facts import AttackRecord, Facts, Indication, Refs, Trial
from prodrome.rules.guideline.guideline import Contraindication, Drug, Guideline


@dataclass(frozen=True)
class Against:
    """What speaks against a drug, and how strongly: a contraindication, or ``None`` for an allergy or intolerance."""

    contraindication: Contraindication | None
    strength: Strength
    refs: Refs


@dataclass(frozen=True)
class DrugOptions:
    """The drugs of a guideline for one patient in one locale. ``active`` are the contraindications that hold today."""

    facts: Facts
    guideline: Guideline
    active: Mapping[str, Active]
    locale: str

    def base(self, drug_id: str) -> str:
        """The drug a product counts as a trial of: sumatriptan with naproxen is sumatriptan."""
        return self.guideline.drugs[drug_id].counts_as or drug_id

    def available(self, drug: Drug) -> bool:
        """Whether the drug can be had in the locale."""
        return self.locale not in drug.unavailable_in

    def against(self, drug: Drug) -> tuple[Against, ...]:
        """Every contraindication, allergy and intolerance that speaks against a drug now."""
        found = [
            Against(one.contraindication, one.strength(drug.id), one.refs)
            for one in contraindications_of(drug, self.active)
        ]
        for allergy in self.facts.allergies:
            if drug.holds(allergy.drug):
                found.append(Against(None, ABSOLUTE if allergy.kind == "allergy" else RELATIVE, allergy.refs))
        return tuple(found)

    def barred(self, drug: Drug) -> bool:
        """Whether the drug has an absolute contraindication now; an active allergy to it is one."""
        return drug.id in self._barred

    @cached_property
    def _barred(self) -> frozenset[str]:
        """The drugs that something speaks against absolutely: of those that anything can speak against."""
        listing = self.guideline.drugs_listing
        doubtful = [drug for id_ in self.active for drug in listing.get(id_, ())]
        if self.facts.allergies:
            named = {allergy.drug for allergy in self.facts.allergies}
            doubtful += [drug for drug in self.guideline.drugs.values() if any(map(drug.holds, named))]
        return frozenset([drug.id for drug in doubtful if any(one.strength == ABSOLUTE for one in self.against(drug))])

    def is_for_migraine(self, fact: Trial | AttackRecord) -> bool:
        """Whether a drug was taken for migraine: it says so, or it is used for nothing else."""
        if fact.indication is Indication.UNSTATED:
            return self.guideline.drugs[fact.drug].only_for_migraine
        return fact.indication in (Indication.MIGRAINE, Indication.HEADACHE)

    @cached_property
    def in_attacks(self) -> frozenset[str]:
        """The drugs that attacks of migraine were treated with."""
        return frozenset(record.drug for record in self.facts.attack_records if self.is_for_migraine(record))

    @cached_property
    def tried(self) -> frozenset[str]:
        """The drugs that were taken for migraine, as attack treatment or to prevent it."""
        taken = {self.base(trial.drug) for trial in self.facts.trials if self.is_for_migraine(trial)}
        return frozenset(taken | {self.base(drug) for drug in self.in_attacks})

    def untried(self, acute_class: str) -> tuple[Drug, ...]:
        """The drugs of an acute class that may be suggested, were not tried, and that nothing rules out."""
        tried = self.tried
        return tuple(
            [
                drug
                for drug in self.guideline.suggested_members.get(acute_class, ())
                if self.available(drug) and drug.id not in tried and not self.barred(drug)
            ]
        )
