"""What is left to try, the most fitting first: classes neither tried nor contraindicated nor unavailable, and the rest.

What becomes of a class is decided by the rules (:func:`prodrome.rules.class_states`); here it gets words and an order.

Opioids and butalbital are never an option (``suggest: false`` in drugs.yaml).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Literal, get_args

from prodrome.cds_hooks.cards.markdown import Trusted, joined
from prodrome.cds_hooks.cards.patient_words import Sheet
from prodrome.rules import (
    ABSOLUTE,
    ClassState,
    Facts,
    Place,
    Preference,
    State,
    class_states,
    per_guideline,
    preference,
    rows,
)
from prodrome.rules.guideline import Drug, Guideline, Option

MOST_NAMED = 3
"""Drugs of a class that are named before the rest is counted."""


@dataclass(frozen=True, slots=True)
class Member:
    """A drug of a class; ``barred`` are the reasons that rule it out, ``cautions`` those that do not."""

    drug: Drug
    name: Trusted
    barred: tuple[Trusted, ...] = ()
    cautions: tuple[Trusted, ...] = ()


@dataclass(frozen=True, slots=True)
class Members:
    """The drugs of a class: those left in words, those ruled out, why, and what calls for care with the ones left."""

    all: tuple[Member, ...]
    left: Trusted
    barred: tuple[Member, ...]
    reasons: tuple[Trusted, ...]
    cautions: tuple[Trusted, ...]

    @property
    def barred_told(self) -> tuple[Trusted, ...]:
        """The drugs ruled out, each with why."""
        return tuple([Trusted(f"{member.name} ({joined(member.barred)})") for member in self.barred])

    @classmethod
    def of(cls, members: Iterable[Member]) -> "Members":
        """The members of a class, those that are left, and what bars or cautions against the others."""
        members = tuple(members)
        left = [member for member in members if not member.barred]
        return cls(
            all=members,
            left=_named([member.name for member in left]),
            barred=tuple([member for member in members if member.barred]),
            reasons=tuple(dict.fromkeys([reason for member in members for reason in member.barred])),
            cautions=tuple(dict.fromkeys([caution for member in left for caution in member.cautions])),
        )


def _named(names: list[Trusted]) -> Trusted:
    """``a, b or c``; of a long list the first ones, and how many more."""
    if len(names) > MOST_NAMED:
        names = [*names[: MOST_NAMED - 1], Trusted(f"{len(names) - MOST_NAMED + 1} more")]
    return joined(names, "or")


Status = Literal["open", "in use", "tried", "tried too briefly", "not for this migraine", "barred"]
"""What a class is as an option."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A class, with what it is and its drugs."""

    id: str
    name: Trusted
    status: Status
    members: Members


class Options:
    """What is left for one patient, worked out once."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._shelf = _shelves(sheet.guideline)[sheet.judgement.locale]

    @property
    def _preference(self) -> Preference:
        sheet = self.sheet
        return preference(sheet.facts, sheet.guideline, sheet.judgement.locale, chronic=sheet.chronic)

    @cached_property
    def preventives(self) -> tuple[Choice, ...]:
        """The narrow classes of preventives that have a counting drug available here."""
        preference = self._preference
        moved = preference.avoided | preference.preferred
        concerned = moved | self._against
        found = []
        for class_ in self._shelf.preventives[self.sheet.chronic]:
            if concerned.isdisjoint(class_.reasons):
                found.append((class_.place, class_.choices[self._status(class_.id)]))
                continue
            choice = self._choice(class_ if moved.isdisjoint(class_.reasons) else class_.ordered(preference))
            members = choice.members
            first = next((one for one in members.all if not one.barred), members.all[0])
            found.append((preference.place(first.drug.id), choice))
        found.sort(key=itemgetter(0))
        return tuple([choice for _, choice in found])

    @cached_property
    def acutes(self) -> tuple[Choice, ...]:
        """The classes of acute drugs that have a drug to suggest available here."""
        return tuple([self._choice(class_) for class_ in self._shelf.acutes])

    @cached_property
    def _states(self) -> Mapping[str, ClassState]:
        return {state.id: state for state in class_states(self.sheet.facts, self.sheet.judgement)}

    @property
    def emergency(self) -> tuple[Trusted, ...]:
        """The acute drugs for an emergency department that nothing rules out."""
        ruled_out = self.sheet.options.ruled_out
        return tuple([name for id_, name in self._shelf.emergency if id_ not in ruled_out])

    def others(self, kind: str) -> tuple[Trusted, ...]:
        """Combinations, procedures, devices or non-drug treatments that are not on record, nor ruled out, in words.

        A combination goes with either of the acute classes that it joins.
        """
        done, drugs = self._on_record
        return tuple(
            [
                name
                for option, name in self._shelf.others.get(kind, ())
                if option.code_set not in done
                and drugs.isdisjoint(option.drugs)
                and not (option.joins and self._acutes_gone.intersection(option.joins))
            ]
        )

    @cached_property
    def _acutes_gone(self) -> frozenset[str]:
        """The acute classes of which nothing is left."""
        return frozenset([choice.id for choice in self.acutes if not choice.members.left])

    @cached_property
    def _on_record(self) -> tuple[frozenset[str], frozenset[str]]:
        """Kinds of treatment without drugs, and drugs, that were tried or are used."""
        facts = self.sheet.facts
        done = frozenset([treatment.kind for treatment in facts.non_drug_treatments])
        return done, frozenset([trial.drug for trial in facts.trials])

    def replacements(self, count: int) -> tuple[Drug, ...]:
        """Drugs to order instead, the most fitting first: one of each EHF class that is still open.

        None that SAF-01 would warn of, and no second drug against CGRP beside one that runs. None in pregnancy and
        while breastfeeding, which the tables do not cover drug by drug. A drug that is harmful in pregnancy is for the
        clinician to think of, unless the patient is recorded as male.
        """
        if self.sheet.expecting_or_nursing:
            return ()
        spent = {
            used_up.id for used_up in self.sheet.judgement.rows(rows.UsedUpClass) if used_up.how != "perhaps failed"
        }
        running = {trial.drug for trial in self.sheet.facts.trials if trial.running}
        spent |= {use.ehf_class for drug in running if (use := self.sheet.drug(drug).preventive)}
        fitting = [
            member.drug
            for choice in self.preventives
            if choice.status == "open"
            for member in choice.members.all
            if self._may_be_offered(member.drug)
        ]
        found: dict[str, Drug] = {}
        place = self._preference.place
        for drug in sorted(fitting, key=lambda drug: place(drug.id)):
            if drug.preventive and drug.preventive.ehf_class not in spent:
                found.setdefault(drug.preventive.ehf_class, drug)
        return tuple(found.values())[:count]

    def _may_be_offered(self, drug: Drug) -> bool:
        patient = self.sheet.facts.patient
        male = patient is not None and patient.sex == "male"
        if not male and "childbearing_potential" in drug.contraindications:
            return False
        return all(reason.level == "caution" for reason in self.sheet.reasons(drug))

    def _choice(self, class_: "_Class") -> Choice:
        choice = class_.choices[self._status(class_.id)]
        if self._against.isdisjoint(class_.reasons):
            return choice
        members = Members.of([self._weighed(one) for one in class_.members.all])
        return Choice(choice.id, choice.name, choice.status, members)

    def _status(self, class_: str) -> Status:
        """The state of a class as a list of options has it: what was tried is no option, however it ended."""
        state = self._states[class_]
        return _STATUSES.get(state.state) or ("tried" if state.tried else "open")

    def _weighed(self, member: Member) -> Member:
        reasons = self.sheet.reasons(member.drug)
        cautions = tuple([reason.label for reason in reasons if reason.level != ABSOLUTE])
        return Member(member.drug, member.name, self.sheet.barred(member.drug), cautions)

    @cached_property
    def _against(self) -> frozenset[str]:
        """What may speak against a drug: contraindications that hold, and the drugs the patient does not tolerate."""
        return frozenset([*self.sheet.active, *(allergy.drug for allergy in self.sheet.facts.allergies)])


_STATUSES: Mapping[State, Status] = {
    "in use": "in use",
    "not for this migraine": "not for this migraine",
    "tried too briefly": "tried too briefly",
    "ruled out": "barred",
    "failed": "tried",
}
"""What a class in some states is; in the others it is tried or open."""


@dataclass(frozen=True, slots=True)
class _Class:
    """A class as the guideline has it; ``reasons``: ids of all that may speak against one of its drugs.

    ``choices`` are what it is for patients against whom none of them speaks, ``place`` that of its first drug then.
    """

    id: str
    members: Members
    reasons: frozenset[str]
    choices: Mapping[Status, Choice]
    place: Place

    @classmethod
    def of(cls, id_: str, name: Trusted, members: Members, reasons: frozenset[str], place: Place) -> "_Class":
        """The class in each status."""
        choices = {status: Choice(id_, name, status, members) for status in get_args(Status)}
        return cls(id_, members, reasons, choices, place)

    def ordered(self, preference: Preference) -> "_Class":
        """The class with its drugs in the order of preference."""
        places = sorted((preference.place(member.drug.id), at) for at, member in enumerate(self.members.all))
        members = Members.of(self.members.all[at] for _, at in places)
        return _Class.of(self.id, self.choices["open"].name, members, self.reasons, places[0][0])


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The classes a locale has, with the drugs in them.

    Those of preventives are in the order of the locale's body, for episodic (False) and for chronic migraine (True).
    """

    preventives: Mapping[bool, tuple[_Class, ...]]
    acutes: tuple[_Class, ...]
    emergency: tuple[tuple[str, Trusted], ...]
    others: Mapping[str, tuple[tuple[Option, Trusted], ...]]
    """Combinations, procedures, devices and non-drug treatments, by kind, each in words with who should avoid it."""


@per_guideline
def _shelves(guideline: Guideline) -> Mapping[str, _Shelf]:
    """What every locale has."""
    return {locale: _shelf(guideline, locale) for locale in guideline.locales}


def _shelf(guideline: Guideline, locale: str) -> _Shelf:
    here = [drug for drug in guideline.drugs.values() if drug.id in guideline.drugs_in(locale)]
    preventives = []
    for id_, name in guideline.drug_classes.items():
        drugs = [d for d in here if d.preventive and d.preventive.drug_class == id_ and d.preventive.counts]
        preventives.append(_class(id_, name, drugs))
    preventives = [class_ for class_ in preventives if class_.members.all]
    ranked = {chronic: preference(Facts(), guideline, locale, chronic=chronic) for chronic in (False, True)}
    acute = [drug for drug in here if drug.acute and drug.acute.suggest]
    acutes = [
        _class(id_, one.name, [d for d in acute if d.acute and d.acute.drug_class == id_ and not d.acute.emergency])
        for id_, one in guideline.acute_classes.items()
    ]
    return _Shelf(
        {chronic: tuple(class_.ordered(rank) for class_ in preventives) for chronic, rank in ranked.items()},
        tuple(c for c in acutes if c.members.all),
        tuple((drug.id, Trusted(drug.name)) for drug in acute if drug.acute and drug.acute.emergency),
        {
            one.kind: tuple((o, _option(o)) for o in guideline.options.values() if o.kind == one.kind)
            for one in guideline.options.values()
        },
    )


def _option(option: Option) -> Trusted:
    return Trusted(f"{option.name} (not with {option.avoid})" if option.avoid else option.name)


def _class(id_: str, name: str, drugs: Iterable[Drug]) -> _Class:
    """A class of drugs, without products that count as another drug."""
    drugs = [drug for drug in drugs if not drug.counts_as]
    members = Members.of(Member(drug, Trusted(drug.name)) for drug in drugs)
    reasons = frozenset(
        reason for drug in drugs for reason in (drug.id, *drug.contains, *drug.contraindications, *drug.cautions)
    )
    return _Class.of(id_, Trusted(name), members, reasons, _UNRANKED)


_UNRANKED: Place = (False, True, 0)
