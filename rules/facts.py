"""What a chart says about one patient, as plain dated facts.

The mappers make these from FHIR; everything after them knows no FHIR. A fact is frozen, small and carries
``refs``: the FHIR references (``Type/id``) it was read from. ``None`` always means "the chart does not say".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "COMPLETE",
    "INCOMPLETE",
    "MISSING",
    "UNKNOWN_CODE",
    "AcuteUseMonth",
    "Administration",
    "Allergy",
    "AttackRecord",
    "CoMedication",
    "Completeness",
    "Condition",
    "DraftOrder",
    "Facts",
    "FollowUp",
    "HeadacheMonth",
    "HospitalVisit",
    "Indication",
    "NonDrugTreatment",
    "NotUnderstood",
    "Patient",
    "Reading",
    "Refs",
    "SiteCode",
    "Skipped",
    "Step",
    "Stop",
    "StopReason",
    "Trial",
    "When",
]

Refs = tuple[str, ...]


@dataclass(frozen=True)
class When:
    """A point in time as the chart wrote it: every day it may mean, and the instant where the chart gave one.

    ``2024-03`` is first=2024-03-01, last=2024-03-31, of what is over no later than today. A full timestamp has
    first == last, the calendar date as written in its own offset, and ``instant`` (aware).
    """

    first: date
    last: date
    instant: datetime | None = None

    def __str__(self) -> str:
        if self.first == self.last:
            return self.first.isoformat()
        month = f"{self.first:%Y-%m}"
        return month if month == f"{self.last:%Y-%m}" else month[:4]


class Completeness(StrEnum):
    """How much of one kind of resource reached us. Only COMPLETE allows a conclusion from absence."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    MISSING = "missing"


# Before Python 3.12 a member is looked for in its enum at length, which loops over kinds would pay for each.
COMPLETE, INCOMPLETE, MISSING = Completeness.COMPLETE, Completeness.INCOMPLETE, Completeness.MISSING


class Indication(StrEnum):
    """What a trial or an order says it is for. HEADACHE is plain headache (R51, 25064002)."""

    MIGRAINE = "migraine"
    HEADACHE = "headache"
    OTHER = "other"
    UNSTATED = "unstated"


class StopReason(StrEnum):
    """Why a trial ended, as recorded."""

    INEFFICACY = "inefficacy"
    INTOLERANCE = "intolerance"
    CONTRAINDICATED = "contraindicated"
    SUCCEEDED = "succeeded"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Patient:
    """Whom the chart is about. ``deceased``: recorded as dead, and then nothing is judged."""

    birth: When | None = None
    sex: str | None = None
    refs: Refs = ()
    deceased: bool = False


@dataclass(frozen=True)
class Condition:
    """An active condition. ``names`` are the code sets of ``codes.yaml`` it is in (``migraine``, ``asthma``...).

    ``onset`` is when it began (when it was recorded, where the chart does not say); ``recorded`` when it was entered.
    """

    names: frozenset[str]
    onset: When | None = None
    recorded: When | None = None
    display: str = ""
    refs: Refs = ()


@dataclass(frozen=True)
class Reading:
    """A measurement: ``kind`` is ``blood_pressure`` (mmHg), ``heart_rate`` (per minute) or ``pregnancy``."""

    kind: str
    when: When | None
    systolic: float | None = None
    diastolic: float | None = None
    rate: float | None = None
    pregnant: bool | None = None
    refs: Refs = ()


@dataclass(frozen=True)
class Step:
    """A part of a trial at one dose. ``amount`` is per day, or per administration for injected drugs, in mg or units.

    ``at_most`` is given where prescriptions of several strengths ran at once: the dose lay between ``amount``, the
    highest of them, and ``at_most``, their sum.

    ``start``/``end`` are ``None`` where the chart does not say (or the drug is running). Steps of one trial are in
    order and do not overlap; on days recorded twice the lower known dose stands.
    """

    start: When | None
    end: When | None
    amount: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Administration:
    """One dose or cycle that was given. ``amount`` in mg or units."""

    when: When | None
    amount: float | None = None
    refs: Refs = ()


@dataclass(frozen=True)
class Stop:
    """The recorded reason of a trial's end. ``suspected``: the request reason was only ``sintol`` or ``salg``."""

    reason: StopReason = StopReason.UNKNOWN
    coded: bool = False
    conflicting: bool = False
    nonadherent: bool = False
    suspected: bool = False
    display: str = ""


@dataclass(frozen=True)
class Trial:
    """One course of one drug, its dose steps joined and its double records merged.

    ``drug`` is an id of ``drugs.yaml``; ``use`` is ``preventive`` or ``acute``; ``coded`` is False where the drug was
    recognised by text only. ``start``/``end`` span all steps; a running trial has no end. ``single_dose`` (mg) and
    ``route`` matter for acute drugs. ``interval_days`` is the recorded distance between administrations.
    ``not_done`` says that an administration was recorded as not done. ``indication_coded`` is False where only text
    names the indication, ``dose_coded`` where only text says the dose or how often. ``possible`` are its rows and
    those of courses that may be one with it, where partial dates leave open how long it was: no longer than these.
    """

    drug: str
    use: str
    coded: bool = True
    running: bool = False
    start: When | None = None
    end: When | None = None
    steps: tuple[Step, ...] = ()
    possible: tuple[Step, ...] = ()
    single_dose: float | None = None
    route: str | None = None
    interval_days: float | None = None
    administrations: tuple[Administration, ...] = ()
    not_done: bool = False
    indication: Indication = Indication.UNSTATED
    indication_coded: bool = True
    dose_coded: bool = True
    stop: Stop = Stop()
    refs: Refs = ()


@dataclass(frozen=True)
class AttackRecord:
    """How many attacks were treated with an acute drug and how many of them were relieved, at which dose."""

    drug: str
    treated: int
    relieved: int
    single_dose: float | None = None
    route: str | None = None
    indication: Indication = Indication.UNSTATED
    refs: Refs = ()


@dataclass(frozen=True)
class Allergy:
    """An active allergy or intolerance to a drug. ``kind`` is ``allergy``, ``intolerance`` or ``None`` (untyped).

    Where it names NSAIDs as a class, ``drug`` is ``nsaid``. An allergy to a product of several drugs is one to each of
    them; ``within`` are all of that product, for which of them it is meant nobody can say.
    """

    drug: str
    kind: str | None = None
    coded: bool = True
    refs: Refs = ()
    within: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether it is an allergy, to this drug and not to a product with it."""
        return self.kind == "allergy" and not self.within


@dataclass(frozen=True)
class CoMedication:
    """A drug the patient takes now that matters for others: a group of ``codes.yaml`` (``maoi``...)."""

    group: str
    display: str = ""
    refs: Refs = ()


@dataclass(frozen=True)
class HeadacheMonth:
    """Days per calendar month. ``debilitating`` is attested; the others are proxies."""

    month: date  # its first day
    debilitating: float | None = None
    headache: float | None = None
    migraine: float | None = None
    refs: Refs = ()


@dataclass(frozen=True)
class AcuteUseMonth:
    """Days of acute medication in a calendar month, by overuse class. A class absent from the row is 0.

    ``total`` is the number of days with any of them, where it is recorded: days with two classes count once in it.
    """

    month: date  # its first day
    days: Mapping[str, float] = field(default_factory=dict)
    refs: Refs = ()
    total: float | None = None


@dataclass(frozen=True)
class HospitalVisit:
    """An emergency or inpatient stay. ``reason`` is its first-listed reason as an indication."""

    start: When | None
    end: When | None
    running: bool = False
    reason: Indication = Indication.UNSTATED
    refs: Refs = ()


@dataclass(frozen=True)
class FollowUp:
    """Specialist care: ``kind`` is ``contact``, ``referral`` or ``appointment`` (ahead)."""

    kind: str
    when: When | None = None
    refs: Refs = ()


@dataclass(frozen=True)
class NonDrugTreatment:
    """Acupuncture, biofeedback, CBT, relaxation or neurostimulation, done or ordered."""

    kind: str
    when: When | None = None
    indication: Indication = Indication.UNSTATED
    refs: Refs = ()


@dataclass(frozen=True)
class DraftOrder:
    """One order in hand. ``place`` is where it stands among the orders, and what tells it from the others.

    ``ref`` is its ``Type/id``, which two orders may share; ``use`` as in :class:`Trial`. ``systemic`` is False for eye
    drops, gels and the like. ``days``: how long it is to be taken on end, where the order says so. ``parts``: other
    drugs of the tables that the product holds. ``listed`` is False for a combination that is no drug of the tables:
    ``drug`` is then one of its parts, and nothing but what speaks against the parts is known of it.
    """

    place: int
    ref: str
    drug: str
    use: str
    coded: bool = True
    systemic: bool = True
    per_day: float | None = None
    single_dose: float | None = None
    route: str | None = None
    indication: Indication = Indication.UNSTATED
    display: str = ""
    days: float | None = None
    parts: tuple[str, ...] = ()
    listed: bool = True

    @property
    def drugs(self) -> tuple[str, ...]:
        """The drug, and what else of the tables the product holds."""
        return (self.drug, *self.parts)

    @property
    def name(self) -> str:
        """How the flat facts call it."""
        return f"order-{self.place}"


@dataclass(frozen=True)
class Skipped:
    """A resource that could not be read. It says where and why, never what was in it."""

    kind: str
    id: str
    why: str


UNKNOWN_CODE = "has no code that is in a table"
"""Why a problem was not understood whose codes are all of known systems, and in no table of ours."""


class NotUnderstood(NamedTuple):
    """Something that is in the chart and that no fact could be made of: a drug in no table, a dose, a reason.

    ``kind`` is the kind of resource, ``what`` the element in words, ``why`` the reason in words. ``value`` is what
    stands there, for the eyes of a tester alone: never for an answer or a log. A chart may have hundreds.
    """

    kind: str
    what: str
    why: str
    ref: str = ""
    value: str = ""

    def __repr__(self) -> str:
        """All but the value."""
        return f"NotUnderstood(kind={self.kind!r}, what={self.what!r}, why={self.why!r}, ref={self.ref!r})"


@dataclass(frozen=True, order=True)
class SiteCode:
    """A code of the site's own map that a chart holds: the row it stands in, its kind, and what it means here."""

    ref: str
    kind: str
    system: str
    code: str
    means: str


@dataclass(frozen=True)
class Facts:
    """Everything the chart says about one patient, and how complete each kind of resource was.

    ``understood`` counts the elements a fact could be made of, by (kind, what); the others are ``not_understood``.
    """

    patient: Patient | None = None
    conditions: tuple[Condition, ...] = ()
    readings: tuple[Reading, ...] = ()
    trials: tuple[Trial, ...] = ()
    attack_records: tuple[AttackRecord, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    co_medications: tuple[CoMedication, ...] = ()
    headache_months: tuple[HeadacheMonth, ...] = ()
    acute_use_months: tuple[AcuteUseMonth, ...] = ()
    hospital_visits: tuple[HospitalVisit, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    non_drug_treatments: tuple[NonDrugTreatment, ...] = ()
    orders: tuple[DraftOrder, ...] = ()
    declared: frozenset[str] = frozenset()  # references of the rows that are being written into the chart
    orders_beside: tuple[DraftOrder, ...] = ()  # in hand, and not selected
    completeness: Mapping[str, Completeness] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    read: Mapping[str, int] = field(default_factory=dict)
    understood: Mapping[tuple[str, str], int] = field(default_factory=dict)
    not_understood: tuple[NotUnderstood, ...] = ()
    site_codes: tuple[SiteCode, ...] = ()

    def order(self, name: str | None) -> DraftOrder | None:
        """The order in hand of that name."""
        for order in self.orders:
            if order.name == name:
                return order
        return None
