"""The flat facts that are read outside the rulebook, as types: what cards tell of, and what options are made of.

A type names its fact type, the fields it reads with their kinds, and in a ``Literal`` the values it knows. The rulebook
may be edited without a look at the code: :func:`check_rows` compares the two when the service starts, so that nothing
is looked for under a name that nobody gives.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from prodrome.rules.engine.matching import Fact
from prodrome.rules.engine.rulebook import Rulebook, RulebookError
from prodrome.rules.engine.strict_yaml import meant
from prodrome.rules.fact_types import OveruseClass

Ending = Literal["lack of efficacy", "lack of tolerability"]
TallyName = Literal["failed_triptans"]
"""The counts that are read outside the rulebook."""

SEVERAL_CLASSES: Literal["several classes"] = "several classes"


@dataclass(frozen=True, slots=True)
class Row:
    """A flat fact of one type. A field that may be unknown has a default; ``refs`` are the fact's references."""

    fact: ClassVar[str]


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Diagnosis(Row):
    """A problem the patient has, by the name of its code set."""

    fact: ClassVar = "diagnosis"
    name: str
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purpose(Row):
    """A trial that was, or may have been, for migraine."""

    fact: ClassVar = "purpose"
    trial: str


@dataclass(frozen=True, slots=True)
class Doubt(Row):
    """Why the failure of a trial is not certain, in words."""

    fact: ClassVar = "doubt"
    trial: str
    because: str


@dataclass(frozen=True, slots=True)
class PreventiveFailure(Row):
    """A preventive that failed. ``trial`` names no trial where an allergy stands for one."""

    fact: ClassVar = "failure"
    trial: str
    drug: str
    ehf_class: str
    drug_class: str
    counts: bool
    by: Ending
    certainty: Literal["high", "low"]


@dataclass(frozen=True, slots=True)
class Inadequate(Row):
    """A trial too short or too low to count."""

    fact: ClassVar = "inadequate"
    trial: str


@dataclass(frozen=True, slots=True)
class UsedUpClass(Row):
    """A class of preventives that is used up, or may be."""

    fact: ClassVar = "candidate"
    id: str
    how: Literal["failed", "contraindicated", "perhaps failed"]


@dataclass(frozen=True, slots=True)
class HeavyMonth(Row):
    """A month that reaches the threshold of debilitating days."""

    fact: ClassVar = "heavy_month"
    month: str
    by: Literal["attested", "proxy"]


@dataclass(frozen=True, slots=True)
class Attacks(Row):
    """An acute drug whose outcome in attacks is recorded."""

    fact: ClassVar = "attacks"
    drug: str


@dataclass(frozen=True, slots=True)
class AcuteFailure(Row):
    """An acute drug that failed, and how."""

    fact: ClassVar = "acute_failure"
    drug: str
    by: Ending


@dataclass(frozen=True, slots=True)
class WeakFailure(Row):
    """An acute drug that was stopped as ineffective at full dose, without a record of attacks."""

    fact: ClassVar = "weak_failure"
    drug: str


@dataclass(frozen=True, slots=True)
class Criteria(Row):
    """A body that asks for something before the ordered drug is given."""

    fact: ClassVar = "criteria"
    order: str
    body: str


@dataclass(frozen=True, slots=True)
class AcuteSetback(Row):
    """An acute drug that failed, at least once."""

    fact: ClassVar = "acute_setback"
    drug: str
    acute_class: str


@dataclass(frozen=True, slots=True)
class TriptanIneligible(Row):
    """A contraindication that rules out every triptan."""

    fact: ClassVar = "triptan_ineligible"
    contraindication: str


@dataclass(frozen=True, slots=True)
class AcuteDays(Row):
    """Days of one overuse class in a calendar month."""

    fact: ClassVar = "acute_use"
    months_ago: float
    overuse_class: OveruseClass
    days: float


@dataclass(frozen=True, slots=True)
class AcuteUseTogether(Row):
    """Days of all acute medication in a calendar month: at most, and at least."""

    fact: ClassVar = "acute_use_together"
    months_ago: float
    days: float
    least_days: float


@dataclass(frozen=True, slots=True)
class OveruseMonth(Row):
    """A month of overuse of a class, or of :data:`SEVERAL_CLASSES`."""

    fact: ClassVar = "overuse_month"
    month: str
    overuse_class: OveruseClass | Literal["several classes"]


@dataclass(frozen=True, slots=True)
class LowDose(Row):
    """A single dose below the full one, of an order or of a trial (``subject``)."""

    fact: ClassVar = "low_dose"
    subject: str


@dataclass(frozen=True, slots=True)
class StoppedTrial(Row):
    """A preventive that was stopped, at least so many days ago."""

    fact: ClassVar = "trial"
    trial: str
    stopped_days_ago_least: float


@dataclass(frozen=True, slots=True)
class RunningTrial(Row):
    """A preventive taken now."""

    fact: ClassVar = "trial"
    trial: str


@dataclass(frozen=True, slots=True)
class UncontrolledMonth(Row):
    """A month with too many days, and of which kind they are."""

    fact: ClassVar = "uncontrolled_month"
    month: str
    by: Literal["migraine days", "debilitating days", "headache days"]


@dataclass(frozen=True, slots=True)
class Unexplained(Row):
    """A trial that ended for no recorded reason."""

    fact: ClassVar = "unexplained"
    trial: str


@dataclass(frozen=True, slots=True)
class RunningDanger(Row):
    """A drug that runs, and what speaks against it now: a contraindication, or ``allergy``."""

    fact: ClassVar = "running_danger"
    trial: str
    drug: str
    contraindication: str


@dataclass(frozen=True, slots=True)
class NotTogether(Row):
    """Another order in hand that must not be taken within a day of this one."""

    fact: ClassVar = "not_together"
    order: str
    other: str


@dataclass(frozen=True, slots=True)
class HospitalEpisode(Row):
    """A hospital visit."""

    fact: ClassVar = "episode"
    start: str
    running: bool
    days_ago_least: float


ROWS: tuple[type[Row], ...] = (
    Diagnosis,
    Purpose,
    Doubt,
    PreventiveFailure,
    Inadequate,
    UsedUpClass,
    HeavyMonth,
    Attacks,
    AcuteFailure,
    WeakFailure,
    Criteria,
    AcuteSetback,
    TriptanIneligible,
    AcuteDays,
    AcuteUseTogether,
    OveruseMonth,
    LowDose,
    StoppedTrial,
    RunningTrial,
    UncontrolledMonth,
    Unexplained,
    NotTogether,
    RunningDanger,
    HospitalEpisode,
)

REFS = "refs"


def read(row: type[R], fact: Fact) -> R:
    """A flat fact as one of :data:`ROWS`."""
    given: Mapping[str, Any] = fact.fields
    names = _ALWAYS_KNOWN.get(row)
    if names is not None:
        return row(*[given[name] for name in names])
    said = {name: given[name] for name in _NAMES[row] if name in given}
    if row in _WITH_REFS:
        said[REFS] = fact.refs
    return row(**said)


_NAMES: Mapping[type[Row], tuple[str, ...]] = {
    row: tuple(field.name for field in fields(row) if field.name != REFS) for row in ROWS
}
_ALWAYS_KNOWN: Mapping[type[Row], tuple[str, ...]] = {
    row: _NAMES[row] for row in ROWS if all(f.default is MISSING and f.name != REFS for f in fields(row))
}
_WITH_REFS = frozenset(row for row in ROWS if any(field.name == REFS for field in fields(row)))


def check_rows(rulebook: Rulebook) -> None:
    """Compare what is read here with what the rulebook has. Raises :class:`RulebookError`."""
    for row in ROWS:
        _check_row(row, rulebook)
    counted = {tally.name for layer in rulebook.layers for tally in layer.tallies}
    for name in get_args(TallyName):
        if name not in counted:
            raise RulebookError(f"rulebook.yaml: there is no tally {name!r}, which cards read{meant(name, counted)}")


def _check_row(row: type[Row], rulebook: Rulebook) -> None:
    schema = rulebook.fact_types.get(row.fact)
    if schema is None:
        raise RulebookError(
            f"rulebook.yaml: no rule concludes {row.fact!r}, which cards read{meant(row.fact, rulebook.fact_types)}"
        )
    hints = get_type_hints(row)
    for field in fields(row):
        if field.name == REFS:
            continue
        where = f"rulebook.yaml: {row.fact!r}"
        if field.name not in schema:
            raise RulebookError(f"{where} has no field {field.name!r}, which cards read{meant(field.name, schema)}")
        kind, values = _kind(hints[field.name])
        if schema[field.name] is not kind:
            raise RulebookError(f"{where}: {field.name} should be {kind.__name__}, not {schema[field.name].__name__}")
        for rule in rulebook.rules.values():
            if (
                rule.then.fact == row.fact
                and field.name not in rule.then.fields
                and not _may_be_unknown(hints[field.name])
            ):
                raise RulebookError(f"rulebook.yaml: rule {rule.id}: then: {field.name!r} is missing, which cards read")
        known = rulebook.known_values.get((row.fact, field.name))
        if values and known is None:
            raise RulebookError(f"{where}: {field.name} should be one of {', '.join(values)}, and may be anything")
        for value in sorted(map(str, (known or frozenset()) - set(values))) if values else ():
            raise RulebookError(f"{where}: {field.name} is {value!r}, which cards do not know{meant(value, values)}")


def _may_be_unknown(hint: Any) -> bool:
    return NoneType in get_args(hint)


def _kind(hint: Any) -> tuple[type, tuple[str, ...]]:
    """The kind of field a type hint stands for, and the values it names."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    values = tuple(value for part in parts if get_origin(part) is Literal for value in get_args(part))
    (kind,) = {str if get_origin(part) is Literal else part for part in parts if part is not NoneType}
    return kind, values
