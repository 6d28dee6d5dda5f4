"""Which contraindications hold for the patient now, and how strong each is for a drug.

Strengths, time limits and thresholds come from ``contraindications.yaml`` and ``parameters.yaml``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from rules.facts import Condition, Facts, Reading, Refs, When
from rules.guideline import Contraindication, Drug, Guideline
from rules.spans import days_ago

ABSOLUTE, RELATIVE = "absolute", "relative"


@dataclass(frozen=True, slots=True)
class Active:
    """A contraindication that holds. ``grade`` is its strength where the patient's own data settle it, else ""."""

    contraindication: Contraindication
    grade: str
    refs: Refs

    def strength(self, drug_id: str) -> str:
        """``absolute``, ``relative`` or ``caution`` for one drug."""
        return self.contraindication.by_drug.get(drug_id) or self.grade or self.contraindication.strength


def active_contraindications(facts: Facts, guideline: Guideline, today: date) -> dict[str, Active]:
    """Every contraindication that holds today, by id."""
    found: dict[str, Active] = {}
    for id_, contraindication in guideline.contraindications.items():
        if contraindication.strength == "not_evaluated":
            continue
        grade, refs = _evidence(contraindication, facts, guideline, today)
        if refs:
            found[id_] = Active(contraindication, grade, tuple(dict.fromkeys(refs)))
    return found


def listed(drug: Drug, active: Mapping[str, Active]) -> list[Active]:
    """The active contraindications that a drug lists."""
    return [active[id_] for id_ in drug.contraindications if id_ in active] if active else []


def is_lastingly_barred(drug: Drug, active: Mapping[str, Active]) -> bool:
    """Whether a lasting condition rules the drug out: absolute, and of the kind that counts for its class."""
    return any(a.strength(drug.id) == ABSOLUTE and a.contraindication.counts_for_class for a in listed(drug, active))


def _evidence(contraindication: Contraindication, facts: Facts, guideline: Guideline, today: date) -> tuple[str, Refs]:
    if contraindication.id in ("pregnancy", "pregnancy_20w"):
        return _pregnancy(contraindication, facts, guideline, today)
    grade, refs = "", _refs(_conditions(contraindication, facts, today))
    if contraindication.co_medication:
        refs += _refs([m for m in facts.co_medications if m.group == contraindication.co_medication])
    if contraindication.id == "uncontrolled_hypertension":
        refs += _high_pressure(facts, guideline, today)
    if contraindication.id == "nsaid_hypersensitivity":
        allergies = [a for a in facts.allergies if is_nsaid(guideline.drugs.get(a.drug))]
        if not refs:
            grade = ABSOLUTE if any(a.kind == "allergy" for a in allergies) else RELATIVE
        refs += _refs(allergies)
    if contraindication.absolute_when == "heart_rate_below_50":
        grade = ABSOLUTE if _slow_heart(facts, guideline, today) else RELATIVE
    return grade, refs


def is_nsaid(drug: Drug | None) -> bool:
    return drug is not None and drug.acute is not None and drug.acute.drug_class == "nsaid"


class _HasRefs(Protocol):
    @property
    def refs(self) -> Refs: ...


def _refs(facts: Iterable[_HasRefs]) -> Refs:
    return tuple(ref for fact in facts for ref in fact.refs)


def _conditions(contraindication: Contraindication, facts: Facts, today: date) -> list[Condition]:
    name = contraindication.code_set or contraindication.id
    return [
        condition
        for condition in facts.conditions
        if name in condition.names and _within(condition.onset, contraindication.within_days, today)
    ]


def _within(when: When | None, days: float | None, today: date) -> bool:
    """Whether it surely happened within so many days; a limit needs a date."""
    if days is None:
        return True
    return when is not None and days_ago(when, today).most <= days


def _latest(readings: list[Reading]) -> Reading | None:
    dated = [reading for reading in readings if reading.when]
    return max(dated, key=lambda r: _moment(r.when), default=None)


def _moment(when: When | None) -> tuple[date, float]:
    assert when is not None
    return when.last, when.instant.timestamp() if when.instant else 0.0


def _recent(facts: Facts, kind: str, days: float, today: date) -> list[Reading]:
    return [r for r in facts.readings if r.kind == kind and r.when and 0 <= days_ago(r.when, today).most <= days]


def _pregnancy(contraindication: Contraindication, facts: Facts, guideline: Guideline, today: date) -> tuple[str, Refs]:
    """Pregnant by an active condition or the latest status, the newer of the two; after 300 days either is over."""
    limit = guideline.number("pregnancy_max_days")
    status = _latest(_recent(facts, "pregnancy", limit, today))
    conditions = [
        condition
        for condition in facts.conditions
        if "pregnancy" in condition.names and (condition.onset is None or _within(condition.onset, limit, today))
    ]
    if status and status.pregnant is False and status.when:
        # An undated condition stays: nothing says that it is the older one.
        conditions = [c for c in conditions if c.onset is None or c.onset.last > status.when.last]
    refs = _refs(conditions)
    if status and status.pregnant:
        refs += status.refs
    if contraindication.absolute_when != "pregnancy_20_weeks":
        return "", refs
    late = any("pregnancy_20_weeks" in condition.names for condition in conditions)
    return (ABSOLUTE if late else RELATIVE), refs


def _high_pressure(facts: Facts, guideline: Guideline, today: date) -> Refs:
    """The latest reading of each of the last two days that have one, when both are high."""
    systolic, diastolic = guideline.number("uncontrolled_systolic"), guideline.number("uncontrolled_diastolic")
    by_day: dict[date, list[Reading]] = {}
    for reading in _recent(facts, "blood_pressure", guideline.number("blood_pressure_lookback_days"), today):
        if reading.when and (reading.systolic is not None or reading.diastolic is not None):
            by_day.setdefault(reading.when.last, []).append(reading)
    last = [_latest(by_day[day]) for day in sorted(by_day)[-2:]]
    high = [
        reading
        for reading in last
        if reading and ((reading.systolic or 0) >= systolic or (reading.diastolic or 0) >= diastolic)
    ]
    return _refs(high) if len(high) == 2 else ()


def _slow_heart(facts: Facts, guideline: Guideline, today: date) -> bool:
    latest = _latest(_recent(facts, "heart_rate", guideline.number("heart_rate_lookback_days"), today))
    return latest is not None and latest.rate is not None and latest.rate < guideline.number("severe_bradycardia_rate")
