"""One judged patient as cards speak of them: guideline names, doses, dates and evidence in words.

Everything here is worked out when a template asks for it, and once. Nothing here decides anything: what holds was
judged by the rules.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple

from prodrome.cds_hooks.cards.markdown import Trusted, written
from prodrome.cds_hooks.protocol import KIND_WORDS
from prodrome.rules import (
    ABSOLUTE,
    STRENGTHS,
    Active,
    Allergy,
    Broken,
    CoMedication,
    Completeness,
    Condition,
    DraftOrder,
    Facts,
    Judgement,
    Reading,
    Span,
    Strength,
    Trial,
    broken_limits,
    last_months,
    rows,
    trial_name,
)
from prodrome.rules.guideline import Drug, Guideline

MOST_EVIDENCE = 8
"""Entries of the chart that one reason shows."""

EXCEPTION_WORDS: Mapping[str, str] = {
    "hepatic_impairment": "hepatic impairment",
    "renal_impairment": "renal impairment",
    "hepatic_or_renal_impairment": "hepatic or renal impairment",
    "propranolol": "propranolol",
    "strong_cyp3a4_inhibitor": "strong CYP3A4 inhibitors",
}


Heavy = Literal["attested", "proxy", ""]


class Month(NamedTuple):
    """A calendar month of the headache diary. Days are ``None`` where none are recorded.

    ``heavy`` is ``attested`` or ``proxy`` where the month reaches the threshold of debilitating days, else "".
    """

    name: Trusted
    debilitating: float | None
    headache: float | None
    migraine: float | None
    heavy: Heavy

    @property
    def days(self) -> float | None:
        """Its debilitating days, or those that may stand for them."""
        if self.debilitating is not None:
            return self.debilitating
        return self.migraine if self.headache is None else self.headache

    @property
    def told(self) -> Trusted:
        """Its days in words."""
        if self.days is None:
            return Trusted(f"{self.name}: not recorded")
        kind = " migraine days" if self.headache is None else " headache days"
        return Trusted(f"{self.name}: {written(self.days)}{'' if self.debilitating is not None else kind}")

    def told_by(self, kind: str) -> Trusted:
        """Its days of one kind in words: ``migraine days``, ``debilitating days`` or ``headache days``."""
        found = {"migraine": self.migraine, "debilitating": self.debilitating, "headache": self.headache}
        days = found[kind.removesuffix(" days")]
        return Trusted(f"{self.name}: {'not recorded' if days is None else f'{written(days)} {kind}'}")


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a drug should not be given: the guideline's words for it, and the references of what shows it."""

    label: Trusted
    level: Strength
    refs: tuple[str, ...]


_Evidence = Trial | Condition | Reading | Allergy | CoMedication


class Sheet:
    """What the templates may ask about the patient."""

    def __init__(self, judgement: Judgement, facts: Facts) -> None:
        self.judgement = judgement
        self.facts = facts
        self.guideline: Guideline = judgement.guideline
        self.today: date = judgement.today
        self.options = judgement.options
        self._reasons: dict[str, tuple[WhyNot, ...]] = {}
        self._why: dict[tuple[str, Strength, tuple[str, ...]], WhyNot] = {}
        self._months: dict[float, tuple[Month, ...]] = {}

    # Flat facts

    @cached_property
    def chronic(self) -> bool:
        """Whether the patient has chronic migraine."""
        return "chronic_migraine" in [diagnosis.name for diagnosis in self.judgement.rows(rows.Diagnosis)]

    # Drugs

    def drug(self, id_: str) -> Drug:
        """The drug of the guideline with this id. Raises KeyError."""
        return self.guideline.drugs[id_]

    def name(self, id_: str) -> Trusted:
        """What the guideline calls a drug."""
        return Trusted(self.guideline.drugs[id_].name)

    def names(self, ids: Iterable[str]) -> tuple[Trusted, ...]:
        """What the guideline calls each of these drugs, none twice."""
        drugs = self.guideline.drugs
        return tuple([Trusted(drugs[id_].name) for id_ in dict.fromkeys(ids)])

    def base(self, id_: str) -> str:
        """The drug a product counts as a trial of."""
        return self.options.base(id_)

    def class_name(self, drug: Drug) -> Trusted:
        """The narrow class of a drug: the one that "need not be tried further", or the class of an acute drug."""
        if drug.preventive:
            return Trusted(self.guideline.drug_classes[drug.preventive.drug_class])
        return self.acute_class(drug.acute.drug_class) if drug.acute else Trusted()

    def acute_class(self, id_: str) -> Trusted:
        """A class of acute drugs in words."""
        return Trusted(self.guideline.acute_classes[id_].name)

    # Reasons not to give a drug

    @property
    def active(self) -> Mapping[str, Active]:
        """The contraindications that hold now, by id."""
        return self.judgement.active

    def reasons(self, drug: Drug, product: tuple[str, ...] = ()) -> tuple[WhyNot, ...]:
        """Every active reason against a drug, in a product of several, the strongest first.

        Contraindications, allergies and cautions.
        """
        if len(product) > 1:
            return self._reasons_against(drug, product)
        known = self._reasons.get(drug.id)
        if known is None:
            known = self._reasons[drug.id] = self._reasons_against(drug)
        return known

    def _reasons_against(self, drug: Drug, product: tuple[str, ...] = ()) -> tuple[WhyNot, ...]:
        found = []
        for one in self.options.against(drug, product):
            kind = "allergy" if one.strength == ABSOLUTE else "intolerance"
            allergy = "allergy or intolerance to a product with it" if one.in_product else f"{kind} to it"
            label = one.contraindication.label if one.contraindication else allergy
            found.append(self._why_not(label, one.strength, one.refs))
        for active in [self.active[id_] for id_ in drug.cautions if id_ in self.active]:
            found.append(self._why_not(active.contraindication.label, "caution", active.refs))
        return tuple(sorted(found, key=lambda reason: STRENGTHS.index(reason.level)) if len(found) > 1 else found)

    def _why_not(self, label: str, level: Strength, refs: tuple[str, ...]) -> WhyNot:
        """A reason in words: one that holds against many drugs is put so once."""
        known = self._why.get((label, level, refs))
        if known is None:
            known = self._why[label, level, refs] = WhyNot(Trusted(label), level, refs)
        return known

    def barred(self, drug: Drug) -> tuple[Trusted, ...]:
        """The absolute reasons against a drug, in words."""
        return tuple([reason.label for reason in self.reasons(drug) if reason.level == ABSOLUTE])

    @property
    def expecting_or_nursing(self) -> bool:
        """Pregnant or breastfeeding: a drug that lists neither is not thereby known to be safe."""
        return self.expecting or "lactation" in self.active

    @property
    def expecting(self) -> bool:
        """Pregnant."""
        return not self.active.keys().isdisjoint(("pregnancy", "pregnancy_20w"))

    @cached_property
    def failed_drugs(self) -> frozenset[str]:
        """The drugs that failed, or may have."""
        failed = {failure.drug for failure in self.judgement.rows(rows.PreventiveFailure)}
        return frozenset(failed | {failure.drug for failure in self.judgement.rows(rows.AcuteFailure)})

    def not_evaluated(self, drug: Drug) -> tuple[Trusted, ...]:
        """What the drug lists and no chart can show: the hour of another dose."""
        known = self.guideline.contraindications
        listed_ids = (*drug.contraindications, *drug.cautions)
        return tuple(Trusted(known[id_].label) for id_ in listed_ids if known[id_].strength == "not_evaluated")

    def broken(self, order: DraftOrder) -> tuple[Broken, ...]:
        """The limits of dose that an order goes beyond."""
        return broken_limits(self.facts, self.guideline, order, self.judgement.locale)

    # Evidence

    def evidence(self, refs: Sequence[str]) -> tuple[Trusted, ...]:
        """The chart's own words and dates behind FHIR references."""
        known = self._behind
        found = tuple(dict.fromkeys([self._evidence(known[ref]) for ref in refs if ref in known]))
        more = len(found) - MOST_EVIDENCE
        return found if more <= 0 else (*found[:MOST_EVIDENCE], Trusted(f"{more} more"))

    @cached_property
    def _behind(self) -> Mapping[str, _Evidence]:
        """The dated facts that may be evidence, by their references."""
        facts: tuple[_Evidence, ...] = (
            *[trial for trial in self.facts.trials if trial.running],
            *self.facts.conditions,
            *self.facts.readings,
            *self.facts.allergies,
            *self.facts.co_medications,
        )
        return {ref: fact for fact in facts for ref in fact.refs}

    def _evidence(self, fact: _Evidence) -> Trusted:
        return Trusted(f"{self.name(fact.drug)}, taken now") if isinstance(fact, Trial) else evidence_words(fact)

    # Trials and months

    def trial(self, name: str) -> Trial:
        """The dated trial behind a flat one."""
        return self.facts.trials[self._places[name]]

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {trial_name(index): index for index in range(len(self.facts.trials))}

    @cached_property
    def migraine_trials(self) -> tuple[str, ...]:
        """The names of the trials that were, or may have been, for migraine, in the order of the chart."""
        meant = {purpose.trial for purpose in self.judgement.rows(rows.Purpose)}
        return tuple([name for name in self._places if name in meant])

    def is_trial(self, name: str) -> bool:
        """Whether a flat fact's trial is one of the chart; else an allergy stands for it."""
        return name in self._places

    @property
    def running(self) -> tuple[Trusted, ...]:
        """The migraine drugs taken now."""
        trials = [self.trial(name) for name in self.migraine_trials]
        return self.names([trial.drug for trial in trials if trial.running])

    def months(self, count: float) -> tuple[Month, ...]:
        """The last calendar months, the oldest first, recorded or not."""
        if count not in self._months:
            self._months[count] = self._last_months(int(count))
        return self._months[count]

    def _last_months(self, count: int) -> tuple[Month, ...]:
        heavy: dict[str, Heavy] = {month.month: month.by for month in self.judgement.rows(rows.HeavyMonth)}
        found = []
        for row in last_months(self.facts.headache_months, count, self.today):
            name = row.month.isoformat()[: len("2026-11")]
            found.append(Month(Trusted(name), row.debilitating, row.headache, row.migraine, heavy.get(name, "")))
        return tuple(found)

    # What did not come

    def unseen(self, *kinds: str) -> tuple[Trusted, ...]:
        """Those of the kinds of resource that are not complete, in plain words."""
        complete = self.facts.completeness
        return tuple(
            [
                Trusted(KIND_WORDS[kind])
                for kind in kinds
                if complete.get(kind, Completeness.MISSING) is not Completeness.COMPLETE
            ]
        )


def evidence_words(fact: Condition | Reading | Allergy | CoMedication) -> Trusted:
    """A dated fact as evidence: what it is, the chart's words for it, and since when."""
    if isinstance(fact, Condition):
        what = written(fact.display) or Trusted("problem list entry")
        return Trusted(f"{what}, since {fact.onset}") if fact.onset else what
    if isinstance(fact, Reading):
        return _reading_words(fact)
    if isinstance(fact, Allergy):
        return Trusted(f"{fact.kind or 'allergy or intolerance'} on record")
    return Trusted(f"{written(fact.display) or 'medication'}, taken now")


def _reading_words(reading: Reading) -> Trusted:
    if reading.kind == "blood_pressure":
        systolic = "?" if reading.systolic is None else number(reading.systolic)
        diastolic = "?" if reading.diastolic is None else number(reading.diastolic)
        what = f"blood pressure {systolic}/{diastolic}"
    elif reading.kind == "heart_rate":
        what = "heart rate" if reading.rate is None else f"heart rate {number(reading.rate)}"
    else:
        what = "pregnancy status"
    return Trusted(f"{what} on {reading.when}" if reading.when else what)


def number(value: float) -> Trusted:
    """A number as people write it: 160, 37.5."""
    return Trusted(f"{float(value):.10g}")


def dates(trial: Trial) -> Trusted:
    """When a drug was taken, as far as the chart says."""
    if trial.start and trial.end:
        return Trusted(f"{trial.start} to {trial.end}")
    if trial.start:
        return Trusted(f"since {trial.start}" if trial.running else f"from {trial.start}, end not recorded")
    return Trusted(f"until {trial.end}" if trial.end else "dates not recorded")


def days(span: Span) -> Trusted:
    """A number of days, as exactly as the dates allow."""
    if span.most == float("inf"):
        return Trusted("a number of days not known")
    if span.least == span.most:
        return Trusted(f"{span.least:g} days")
    return Trusted(f"{span.least:g} to {span.most:g} days")


def amount(value: float, unit: str, per: str) -> Trusted:
    """A preventive dose: ``160 mg a day``, ``155 units each``."""
    return Trusted(f"{number(value)} {unit} {'a day' if per == 'day' else 'each time'}")
