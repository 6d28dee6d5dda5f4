"""What is left to try: classes and treatments neither tried nor contraindicated nor unavailable.

Opioids and butalbital are never an option (``suggest: false`` in drugs.yaml).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cds_hooks.markdown import Trusted
from cds_hooks.sheet import Sheet
from rules.facts import Indication
from rules.guideline import Drug, Option


@dataclass(frozen=True, slots=True)
class Member:
    """A drug of a class; ``barred`` are the reasons that rule it out."""

    drug: Drug
    name: Trusted
    barred: tuple[Trusted, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A class: ``open``, ``in use``, ``tried``, ``tried too briefly``, ``not for this migraine`` or ``barred``."""

    id: str
    name: Trusted
    status: str
    members: tuple[Member, ...]

    @property
    def open(self) -> tuple[Trusted, ...]:
        return tuple(member.name for member in self.members if not member.barred)

    @property
    def barred(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.barred)

    @property
    def reasons(self) -> tuple[Trusted, ...]:
        return tuple(dict.fromkeys(reason for member in self.members for reason in member.barred))


def preventive_classes(sheet: Sheet) -> tuple[Choice, ...]:
    """The narrow classes of preventives that have a counting drug available here."""
    trials = [sheet.trial(name) for name in sheet.migraine_trials]
    courses = [(sheet.drug(trial.drug).preventive, trial) for trial in trials if trial.use == "preventive"]
    running = {use.drug_class for use, trial in courses if use and trial.running}
    tried = {use.drug_class for use, _ in courses if use}
    tried |= {str(fact.fields["drug_class"]) for fact in sheet.flat("failure")}
    brief = _only_briefly(sheet, {use.drug_class for use, _ in courses if use})
    chronic = bool(sheet.flat("diagnosis", name="chronic_migraine"))
    found = []
    for id_, name in sheet.guideline.drug_classes.items():
        drugs = [
            drug
            for drug in sheet.guideline.drugs.values()
            if drug.preventive
            and drug.preventive.drug_class == id_
            and drug.preventive.counts
            and sheet.available(drug)
        ]
        only_chronic = any(
            sheet.guideline.classes[drug.preventive.ehf_class].only_if == "chronic_migraine"
            for drug in drugs
            if drug.preventive
        )
        if drugs:
            status = _status(id_, running, tried, brief)
            if status == "open" and only_chronic and not chronic:
                status = "not for this migraine"
            found.append(_choice(sheet, id_, Trusted(name), status, drugs))
    return tuple(found)


def acute_classes(sheet: Sheet) -> tuple[Choice, ...]:
    """The classes of acute drugs."""
    taken = [sheet.trial(name) for name in sheet.migraine_trials]
    acute = [trial for trial in taken if trial.use == "acute"]
    running = set(_acute_class_ids(sheet, (trial.drug for trial in acute if trial.running)))
    tried = set(_acute_class_ids(sheet, (*(trial.drug for trial in acute), *in_attacks(sheet))))
    found = []
    for id_, drugs in sheet.guideline.acute_members.items():
        members = [drug for drug in drugs if drug.acute and drug.acute.suggest and sheet.available(drug)]
        if members:
            found.append(_choice(sheet, id_, sheet.acute_class(id_), _status(id_, running, tried, set()), members))
    return tuple(found)


def untried(sheet: Sheet, acute_class: str) -> tuple[Drug, ...]:
    """The drugs of an acute class that were not taken for migraine and that nothing rules out."""
    taken = {sheet.base(sheet.trial(name).drug) for name in sheet.migraine_trials}
    taken |= {sheet.base(drug) for drug in in_attacks(sheet)}
    return tuple(
        drug
        for drug in sheet.guideline.acute_members[acute_class]
        if drug.id not in taken
        and not drug.counts_as
        and drug.acute
        and drug.acute.suggest
        and sheet.available(drug)
        and not sheet.barred(drug)
    )


def other_treatments(sheet: Sheet, kind: str) -> tuple[Option, ...]:
    """Combinations, procedures, devices or non-drug treatments that are not on record, nor ruled out.

    A combination is named after the acute classes it joins (``triptan_nsaid``); it goes with either of them.
    """
    done = {treatment.kind for treatment in sheet.facts.non_drug_treatments}
    drugs = {trial.drug for trial in sheet.facts.trials}
    ruled_out = {choice.id for choice in acute_classes(sheet) if all(member.barred for member in choice.members)}
    return tuple(
        option
        for option in sheet.guideline.options.values()
        if option.kind == kind
        and not (kind == "device" and "neurostimulation" in done)
        and option.code_set not in done
        and not drugs.intersection(option.drugs)
        and not (kind == "combination" and ruled_out.intersection(option.id.split("_")))
    )


def replacements(sheet: Sheet, count: int) -> tuple[Drug, ...]:
    """Drugs to order instead: the first of each open preventive class that no active reason speaks against.

    A drug that is harmful in pregnancy is for the clinician to think of, unless the patient is recorded as male.
    """
    male = sheet.facts.patient is not None and sheet.facts.patient.sex == "male"
    found = []
    for choice in preventive_classes(sheet):
        if choice.status == "open":
            fitting = (
                member.drug
                for member in choice.members
                if not sheet.reasons(member.drug) and (male or "childbearing_potential" not in member.drug.cautions)
            )
            found += [drug for drug in [next(fitting, None)] if drug]
    return tuple(found[:count])


def in_attacks(sheet: Sheet) -> Iterable[str]:
    """The drugs that attacks of migraine were treated with."""
    for record in sheet.facts.attack_records:
        unstated = record.indication is Indication.UNSTATED
        if sheet.drug(record.drug).only_for_migraine if unstated else record.indication is not Indication.OTHER:
            yield record.drug


def _only_briefly(sheet: Sheet, classes: Iterable[str]) -> set[str]:
    """Classes of which every course was too short or too low."""
    brief = {str(fact.fields["trial"]) for fact in sheet.flat("inadequate")}
    long_enough = set()
    for name in sheet.migraine_trials:
        use = sheet.drug(sheet.trial(name).drug).preventive
        if use and name not in brief and sheet.trial(name).use == "preventive":
            long_enough.add(use.drug_class)
    return set(classes) - long_enough


def _status(id_: str, running: set[str], tried: set[str], brief: set[str]) -> str:
    if id_ in running:
        return "in use"
    if id_ in brief:
        return "tried too briefly"
    return "tried" if id_ in tried else "open"


def _choice(sheet: Sheet, id_: str, name: Trusted, status: str, drugs: Iterable[Drug]) -> Choice:
    members = tuple(Member(drug, sheet.name(drug.id), sheet.barred(drug)) for drug in drugs if not drug.counts_as)
    if status == "open" and all(member.barred for member in members):
        status = "barred"
    return Choice(id_, name, status, members)


def _acute_class_ids(sheet: Sheet, drugs: Iterable[str]) -> Iterable[str]:
    for id_ in drugs:
        acute = sheet.drug(id_).acute
        if acute:
            yield acute.drug_class
