"""Which contraindications hold for the patient now, and how strong each is for a drug.

Strengths, time limits and thresholds come from ``contraindications.yaml`` and ``parameters.yaml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, cast

from prodrome.rules.fact_types import Strength
from prodrome.rules.facts import Condition, Facts, Reading, Refs, When
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import Contraindication, Drug, Who
from prodrome.rules.spans import days_ago, years

ABSOLUTE: Literal["absolute"] = "absolute"
RELATIVE: Literal["relative"] = "relative"
_NSAID = "nsaid"
_PREGNANT = frozenset({"pregnancy", "pregnancy_20w"})


@dataclass(frozen=True)
class Active:
    """A contraindication that holds. ``grade`` is its strength where the patient's own data settle it, else ""."""

    contraindication: Contraindication
    grade: str
    refs: Refs
    locale: str

    def strength(self, drug_id: str) -> Strength:
        """How strong it is for one drug."""
        said = self.contraindication
        here = said.by_locale.get(self.locale, {}).get(drug_id) or said.by_drug.get(drug_id)
        return cast(Strength, here or self.grade or said.strength)  # what is not evaluated is never active


def active_contraindications(facts: Facts, guideline: Guideline, today: date, locale: str) -> dict[str, Active]:
    """Every contraindication that holds today in a locale, by id."""
    found: dict[str, Active] = {}
    names = frozenset([name for condition in facts.conditions for name in condition.names])
    for contraindication in _possible(facts, guideline, names):
        if (
            contraindication.strength == "not_evaluated"
            or (contraindication.only_in and locale not in contraindication.only_in)
            or (contraindication.beside and contraindication.beside not in names)
        ):
            continue
        grade, evidence = _evidence(contraindication, facts, guideline, today)
        if evidence:
            refs = tuple(dict.fromkeys(ref for fact in evidence for ref in fact.refs))
            found[contraindication.id] = Active(contraindication, grade, refs, locale)
    return {id_: active for id_, active in found.items() if active.contraindication.superseded_by not in found}


def _possible(facts: Facts, guideline: Guideline, names: frozenset[str]) -> Sequence[Contraindication]:
    """Those that something in the chart may show, in the order of the guideline."""
    showing = guideline.showing
    found = {*showing.by_who}
    # What more may show them than a problem of their code set or a drug of their group.
    measured = {reading.kind for reading in facts.readings}
    if "pregnancy" in names or "pregnancy" in measured:
        found |= _PREGNANT
    if "blood_pressure" in measured:
        found.add("uncontrolled_hypertension")
    if facts.allergies:
        found.add("nsaid_hypersensitivity")
    for name in names:
        found.update(showing.by_condition.get(name, ()))
    for medication in facts.co_medications:
        found.update(showing.by_co_medication.get(medication.group, ()))
    for trial in facts.trials:
        if trial.running:
            found.update(showing.by_drug.get(trial.drug, ()))
    places = showing.places
    return [guideline.contraindications[id_] for id_ in sorted(found.intersection(places), key=places.__getitem__)]


def contraindications_of(drug: Drug, active: Mapping[str, Active]) -> list[Active]:
    """The active contraindications that a drug lists."""
    return [active[id_] for id_ in drug.contraindications if id_ in active] if active else []


def is_lastingly_barred(drug: Drug, active: Mapping[str, Active]) -> bool:
    """Whether a lasting condition rules the drug out: absolute, and of the kind that counts for its class."""
    return any(
        a.strength(drug.id) == ABSOLUTE and a.contraindication.counts_for_class
        for a in contraindications_of(drug, active)
    )


class _Evidence(Protocol):
    @property
    def refs(self) -> Refs: ...


def _evidence(
    contraindication: Contraindication, facts: Facts, guideline: Guideline, today: date
) -> tuple[str, Sequence[_Evidence]]:
    """The grade and the facts that show a contraindication; no facts, no contraindication."""
    if contraindication.id in _PREGNANT:
        return _pregnancy(contraindication, facts, guideline, today)
    if contraindication.who:
        return "", _concerned(contraindication, contraindication.who, facts, today)
    grade = ""
    evidence: list[_Evidence] = [*_conditions(contraindication, facts, today)]
    if contraindication.co_medications:
        evidence += [one for one in facts.co_medications if one.group in contraindication.co_medications]
    if contraindication.shown_by:
        evidence += [trial for trial in facts.trials if trial.running and trial.drug in contraindication.shown_by]
    if contraindication.id == "uncontrolled_hypertension":
        evidence += _high_pressure(facts, guideline, today)
    if contraindication.id == "nsaid_hypersensitivity":
        allergies = [a for a in facts.allergies if a.drug == _NSAID or is_nsaid(guideline.drugs.get(a.drug))]
        if not evidence:
            grade = ABSOLUTE if any(a.is_certain for a in allergies) else RELATIVE
        evidence += allergies
    if contraindication.absolute_when == "heart_rate_below_50":
        grade = ABSOLUTE if _slow_heart(facts, guideline, today) else RELATIVE
    return grade, evidence


def is_nsaid(drug: Drug | None) -> bool:
    """Whether it is a non-steroidal anti-inflammatory drug for attacks."""
    return drug is not None and drug.acute is not None and drug.acute.drug_class == _NSAID


def _conditions(contraindication: Contraindication, facts: Facts, today: date) -> list[Condition]:
    name = contraindication.code_set or contraindication.id
    return [
        condition
        for condition in facts.conditions
        if name in condition.names and _still_holds(contraindication, condition, today)
    ]


def _still_holds(contraindication: Contraindication, condition: Condition, today: date) -> bool:
    if condition.onset is None and contraindication.undated_holds:
        return True
    return _within(condition.onset, contraindication.within_days, today)


def _concerned(contraindication: Contraindication, who: Who, facts: Facts, today: date) -> Sequence[_Evidence]:
    """The patient, where sex and age are those of the contraindication and nothing on record excludes it."""
    patient = facts.patient
    if patient is None or patient.birth is None or (who.sex and patient.sex != who.sex):
        return ()
    oldest, youngest = years(patient.birth.first, today), years(patient.birth.last, today)
    excluded = any(condition.names.intersection(contraindication.excluded_by) for condition in facts.conditions)
    return () if excluded or not who.from_age <= youngest <= oldest <= who.until_age else (patient,)


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


def _pregnancy(
    contraindication: Contraindication, facts: Facts, guideline: Guideline, today: date
) -> tuple[str, Sequence[_Evidence]]:
    """Pregnant by an active condition or the latest status, the newer of the two.

    A condition that began more than ``pregnancy_max_days`` ago is over; an undated one is taken at its word.
    """
    limit = guideline.number("pregnancy_max_days")
    status = _latest(_recent(facts, "pregnancy", limit, today))
    conditions = [
        condition
        for condition in facts.conditions
        if "pregnancy" in condition.names
        and (condition.onset is None or days_ago(condition.onset, today).least <= limit)
    ]
    evidence: list[_Evidence] = [c for c in conditions if not _is_outdated(c, status)]
    if status and status.pregnant:
        evidence.append(status)
    if contraindication.absolute_when != "pregnancy_20_weeks":
        return "", evidence
    late = any("pregnancy_20_weeks" in c.names for c in conditions if not _is_outdated(c, status))
    return (ABSOLUTE if late else RELATIVE), evidence


def _is_outdated(condition: Condition, status: Reading | None) -> bool:
    """Whether a later status says "not pregnant"; an undated condition stays, for nothing says it is the older one."""
    if status is None or status.when is None or status.pregnant is not False:
        return False
    said = condition.recorded or condition.onset
    return said is not None and said.last <= status.when.last


def _high_pressure(facts: Facts, guideline: Guideline, today: date) -> list[Reading]:
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
    return high if len(high) == 2 else []


def _slow_heart(facts: Facts, guideline: Guideline, today: date) -> bool:
    latest = _latest(_recent(facts, "heart_rate", guideline.number("heart_rate_lookback_days"), today))
    return latest is not None and latest.rate is not None and latest.rate < guideline.number("severe_bradycardia_rate")
