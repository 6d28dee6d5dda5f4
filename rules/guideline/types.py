"""The types of the guideline's content: drugs, classes, contraindications, code sets, parameters, sources."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from prodrome.rules.errors import ConfigurationError
from prodrome.rules.fact_types import STRENGTHS

ROUTES = ("oral", "subcutaneous", "nasal", "intramuscular", "intravenous", "rectal")
WRITTEN_STRENGTHS = (*STRENGTHS, "not_evaluated")
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
NDC = "http://hl7.org/fhir/sid/ndc"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"

STOP_REASON = "stop_reason."
"""How the names of the code sets begin that say why a course ended."""

LOCAL_FORMS = ("topical", "ophthalmic", "otic", "implant", "cosmetic")


class GuidelineError(ConfigurationError):
    """The guideline's data is wrong: says in which file and entry, what was expected and what came."""


ParameterKind = Literal["integer", "number", "yes_no", "choice", "classes_by_locale"]
ParameterValue = int | float | bool | str | Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Source:
    """A publication. ``read`` says how much of it was read for this guideline (full, table, abstract, nothing...).

    ``read_on`` is the day, where it was written down.
    """

    id: str
    citation: str
    url: str | None
    read: str
    note: str = ""
    read_on: str | None = None


@dataclass(frozen=True, slots=True)
class Locale:
    """A place the guideline knows. ``spelling`` is ``american`` or ``british``."""

    id: str
    name: str
    spelling: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold or an open choice, with its unit and source. ``overridden`` marks a value set by the site."""

    name: str
    value: ParameterValue
    kind: ParameterKind
    unit: str
    decides: str
    sources: tuple[str, ...]
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    overridden: bool = False


@dataclass(frozen=True, slots=True)
class SideEffects:
    """What to tell a patient who starts a preventive. ``judge_weeks``: when to judge benefit, at target dose."""

    common: tuple[str, ...]
    usually_lessen: tuple[str, ...]
    stop_and_call: tuple[str, ...]
    onset_weeks: str | None
    judge_weeks: int


@dataclass(frozen=True, slots=True)
class Regimen:
    """How a preventive is given, in words: for orders of at least ``from_amount``, and in ``chronic`` migraine.

    ``judge_weeks`` stands where it is not that of the drug's side effects.
    """

    says: str
    chronic: str | None
    from_amount: float
    judge_weeks: int | None


@dataclass(frozen=True, slots=True)
class Titration:
    """The dose a day that a preventive starts with, in words how it rises, and the weeks from there to its target."""

    start: float
    says: str
    weeks: int | None


@dataclass(frozen=True, slots=True)
class AdequateBeside:
    """The smallest adequate dose of a preventive beside a running drug of a group, which raises its level."""

    group: str
    min_adequate: float


@dataclass(frozen=True, slots=True)
class PreventiveUse:
    """A drug as a preventive: its classes, and what an adequate trial of it is.

    Doses are in ``unit`` per ``per``: a day for drugs taken by mouth, one administration for injected and infused
    ones. ``min_days`` counts days at or above ``min_adequate``; ``interval_days`` is the distance between
    administrations that a month's or a quarter's dose is meant for. ``washout_months``: how long before conception
    it is stopped.
    """

    ehf_class: str
    drug_class: str
    counts: bool
    unit: str
    per: str
    min_adequate: float | None
    min_adequate_chronic: float | None
    target: float | None
    maximum: float | None
    min_days: int
    min_administrations: int
    interval_days: int | None
    quarterly_amount: float | None
    quarterly_min_days: int | None
    quarterly_min_administrations: int | None
    side_effects: SideEffects | None
    sources: tuple[str, ...]
    washout_months: int | None = None
    regimens: tuple[Regimen, ...] = ()
    titration: Titration | None = None
    adequate_beside: tuple[AdequateBeside, ...] = ()

    def regimen(self, amount: float | None) -> Regimen | None:
        """The regimen that an order of so much at once belongs to."""
        fitting = [regimen for regimen in self.regimens if regimen.from_amount <= (amount or 0)]
        return fitting[-1] if fitting else None


@dataclass(frozen=True, slots=True)
class AcuteDose:
    """Doses of an acute drug by one route, in mg. ``min_full``: the lowest single dose that is a full dose.

    ``max_24h_in`` are the locales in which ``max_24h`` is the most; all, where it is empty.
    """

    route: str
    min_full: float | None
    usual: float | None
    max_24h: float | None
    max_24h_in: tuple[str, ...]
    repeat_hours: float | None


@dataclass(frozen=True, slots=True)
class DoseException:
    """A condition (``when``) under which a lower single dose, ``min_full`` mg, is the full dose."""

    when: str
    min_full: float


@dataclass(frozen=True, slots=True)
class AcuteUse:
    """A drug as attack treatment.

    ``overuse_class`` is its ICHD-3 8.2 class; ``suggest`` False: never proposed; ``emergency``: given in an emergency
    department.
    """

    drug_class: str
    overuse_class: str | None
    doses: tuple[AcuteDose, ...]
    exceptions: tuple[DoseException, ...]
    suggest: bool
    sources: tuple[str, ...]
    not_evaluated: tuple[str, ...] = ()
    emergency: bool = False

    def dose(self, route: str) -> AcuteDose | None:
        """The doses by ``route``; ``None`` where the table has none."""
        return next((dose for dose in self.doses if dose.route == route), None)


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug: how it is recognised, what it is used for, and who should not have it.

    ``codes`` maps ``rxnorm``, ``atc`` and ``snomed`` to codes. ``counts_as``: a trial of it is a trial of that drug;
    ``contains`` are other drugs in it, ``besides`` its ingredients that are no drugs. ``also_given_for`` names the code
    set of its other indications. ``procedural``: given with procedures and infusions only, recognised but not judged.
    """

    id: str
    name: str
    codes: Mapping[str, tuple[str, ...]]
    preventive: PreventiveUse | None
    acute: AcuteUse | None
    only_for_migraine: bool
    counts_as: str | None
    also_given_for: str | None
    unavailable_in: tuple[str, ...]
    contraindications: tuple[str, ...]
    cautions: tuple[str, ...]
    sources: tuple[str, ...]
    procedural: bool = False
    only_for_headache: bool = False
    contains: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    note: str = ""

    def holds(self, drug: str) -> bool:
        """Whether it is ``drug``, or a product with it: sumatriptan with naproxen holds both."""
        return drug in (self.id, self.counts_as, *self.contains)

    @property
    def ingredients(self) -> frozenset[str]:
        """What a product of several ingredients is made of, by id or name; of any other drug nothing."""
        held = [name for name in (self.counts_as, *self.contains) if name] or [self.id]
        return frozenset((*held, *self.besides)) if self.contains or self.besides else frozenset()

    @property
    def is_last_resort(self) -> bool:
        """Whether it is an opioid or butalbital: recognised for attacks, never proposed."""
        return self.acute is not None and not self.acute.suggest

    @property
    def targets_cgrp(self) -> bool:
        """Whether it is an antibody or a gepant, which nobody takes but for migraine."""
        preventive = self.preventive is not None and self.preventive.ehf_class == "E5"
        return preventive or (self.acute is not None and self.acute.drug_class == "gepant")


@dataclass(frozen=True, slots=True)
class EhfClass:
    """A preventive class of the EHF consensus. ``required``: whether refractory migraine needs it exhausted."""

    id: str
    name: str
    only_if: str | None
    required: bool


@dataclass(frozen=True, slots=True)
class AcuteClass:
    """A class of acute drugs: what one of them is called, and several."""

    id: str
    name: str
    plural: str


@dataclass(frozen=True, slots=True)
class DoseLimit:
    """The most of ``drug`` in the locales of ``where``.

    At once (``single``), in 24 hours (``daily``) and in 7 days (``weekly``) in its unit; how many ``doses`` in 24
    hours, and how many ``days`` on end. It holds for ``route`` (any, where ``None``), for the product that ``brand``
    names, beside the running ``with_drug`` or a running drug of ``with_group``, and with an active condition of any
    of the code sets ``conditions``. ``for_migraine``: for other uses it says nothing.
    """

    drug: str
    where: tuple[str, ...]
    route: str | None
    brand: str | None
    single: float | None
    daily: float | None
    weekly: float | None
    doses: int | None
    days: int | None
    with_drug: str | None
    with_group: str | None
    conditions: tuple[str, ...]
    for_migraine: bool
    source: str


@dataclass(frozen=True, slots=True)
class Option:
    """A treatment that is no drug class: ``kind`` is combination, procedure, device or non_drug.

    ``code_set`` names the code set that shows it was used, ``drugs`` what is given for it, ``joins`` the acute classes
    that it combines; ``avoid`` says who should not have it.
    """

    id: str
    kind: str
    name: str
    avoid: str | None
    code_set: str | None
    drugs: tuple[str, ...]
    joins: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The preventives as a body of a locale ranks them, the strongest recommendation first, and where it is read."""

    name: str
    source: str
    episodic: tuple[tuple[str, ...], ...]
    chronic: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Comorbidity:
    """What an active condition (a code set) speaks for and against among the preventives."""

    code_set: str
    prefer: tuple[str, ...]
    avoid: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class First:
    """A drug that may be used first, and under which condition."""

    drug: str
    only: str | None


@dataclass(frozen=True, slots=True)
class EvidenceOrder:
    """Which drugs come first: by locale, beside other conditions, in pregnancy and while breastfeeding."""

    bodies: Mapping[str, Ranking]
    comorbidities: tuple[Comorbidity, ...]
    pregnancy: tuple[First, ...]
    breastfeeding: tuple[First, ...]


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a contraindication concerns: of a sex, where one is named, and from one age (years) to another, included."""

    sex: str | None
    from_age: float
    until_age: float


@dataclass(frozen=True, slots=True)
class Contraindication:
    """A reason not to give a drug that lists it, how strong it is, and what in a chart shows it.

    ``by_drug`` holds strengths that differ for single drugs, ``by_locale`` those that differ in a locale besides.
    ``counts_for_class``: an absolute one can make a class contraindicated. ``within_days``: it holds only that long
    after onset; one without a date holds where ``undated_holds``. ``absolute_when`` names the measurement that lifts
    it from relative to absolute. Besides a condition of ``code_set``, a drug taken now shows it: one of the groups
    ``co_medications``, or one of ``shown_by`` among the guideline's own. A condition of ``beside`` must hold too. For
    the drugs ``for_migraine`` it counts in orders for migraine only. ``who`` is whom it concerns by sex and age; the
    code sets of ``excluded_by`` and the contraindication ``superseded_by`` end it. ``only_in``: the locales it is
    known in, all where empty. ``exempt_up_to``: single doses (mg) of drugs up to which an order is left alone.
    """

    id: str
    label: str
    strength: str
    counts_for_class: bool
    by_drug: Mapping[str, str]
    code_set: str | None
    co_medications: tuple[str, ...]
    within_days: int | None
    absolute_when: str | None
    note: str
    source: str
    by_locale: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    only_in: tuple[str, ...] = ()
    undated_holds: bool = False
    who: Who | None = None
    excluded_by: tuple[str, ...] = ()
    superseded_by: str | None = None
    shown_by: tuple[str, ...] = ()
    beside: str | None = None
    for_migraine: tuple[str, ...] = ()
    exempt_up_to: Mapping[str, float] = field(default_factory=dict)

    def strength_for(self, drug: str, locale: str = "") -> str:
        """How strong it is for ``drug`` (an id of drugs.yaml) in a locale, before any measurement."""
        return self.by_locale.get(locale, {}).get(drug) or self.by_drug.get(drug, self.strength)


@dataclass(frozen=True, slots=True)
class AcuteMembers:
    """The drugs (ids) of an acute class that can be had in a locale, and those of them that cards may name as the next.

    ``suggests``: whether any may be suggested, be it as another drug in another form.
    """

    available: frozenset[str]
    next: frozenset[str]
    suggests: bool


@dataclass(frozen=True, slots=True)
class Showing:
    """Contraindications (ids) by what shows them: a code set, a group of other drugs, a drug; sex and age alone.

    ``places`` are theirs in the guideline.
    """

    by_condition: Mapping[str, frozenset[str]]
    by_co_medication: Mapping[str, frozenset[str]]
    by_drug: Mapping[str, frozenset[str]]
    by_who: frozenset[str]
    places: Mapping[str, int]

    @classmethod
    def of(cls, contraindications: Mapping[str, Contraindication]) -> "Showing":
        """The same, looked up the other way round."""
        said = contraindications.items()
        return cls(
            _turned({id_: (one.code_set or id_,) for id_, one in said}),
            _turned({id_: one.co_medications for id_, one in said}),
            _turned({id_: one.shown_by for id_, one in said}),
            frozenset(id_ for id_, one in said if one.who),
            {id_: place for place, id_ in enumerate(contraindications)},
        )


def _turned(named: Mapping[str, tuple[str, ...]]) -> Mapping[str, frozenset[str]]:
    names = dict.fromkeys(name for some in named.values() for name in some)
    return {name: frozenset(id_ for id_, some in named.items() if name in some) for name in names}


def without_dots(code: str) -> str:
    """An ICD or ATC code as it is compared: without dots, in capitals."""
    return code.replace(".", "").upper()


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A named set of codes. Keys of the three maps are system URLs and their OID aliases.

    ``prefixes`` (ICD, ATC) match every code that starts with one of them, except those that start with one of
    ``without``; dots do not matter. ``patterns`` are those prefixes in which a ``_`` stands for any character.
    ``exact`` (all other systems) matches the code itself.
    """

    name: str
    title: str
    exact: Mapping[str, frozenset[str]]
    prefixes: Mapping[str, tuple[str, ...]]
    without: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def contains(self, system: str, code: str) -> bool:
        """Whether ``code`` of ``system`` (URL or alias) is in the set."""
        codes = self.exact.get(system)
        if codes is not None and code in codes:
            return True
        prefixes = self.prefixes.get(system)
        if not prefixes:
            return False
        bare = without_dots(code)
        pattern = self.patterns.get(system)
        found = bare.startswith(prefixes) or (pattern is not None and pattern.match(bare) is not None)
        return found and not bare.startswith(self.without.get(system, ()))


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the RxNorm table.

    ``drug`` is ``""`` for a product that is known and none of ours (an unlisted combination, an eye drop). Where
    ``strength`` is known it is the amount (mg or units) in one countable unit: a tablet, a puff, a syringe;
    ``per_ml`` is the concentration. ``route`` is one of ``ROUTES``, or ``injection`` where RxNorm does not say which.
    """

    drug: str
    strength: float | None
    per_ml: float | None
    route: str | None
    systemic: bool
