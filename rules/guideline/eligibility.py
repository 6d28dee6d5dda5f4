"""Who may have which drug: the criteria of guidelines, funders, payers and labels, read from ``eligibility.yaml``.

A site's file has the same form; its bodies, lists and rows stand beside the shipped ones, and it says whose rows are
looked at. Every error is a :class:`GuidelineError` that names the file and the row.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from prodrome.rules.engine.strict_yaml import YamlEntry
from prodrome.rules.fact_types import BODY_KINDS, BodyKind, EligibilityAsk
from prodrome.rules.guideline.readers import Known, read_source
from prodrome.rules.guideline.types import GuidelineError, Source

Use = Literal["preventive", "acute"]
MigraineType = Literal["episodic", "chronic"]
Reason = Literal["efficacy", "tolerability", "contraindication"]
DaysOf = Literal["migraine", "headache", "attacks"]

MONTHS = 3
"""Calendar months of which a body that names none asks the mean."""


@dataclass(frozen=True, slots=True)
class Body:
    """Who asks. ``example``: one plan among many, shown to show what plans ask."""

    id: str
    name: str
    kind: BodyKind
    place: str
    example: bool = False


@dataclass(frozen=True, slots=True)
class Days:
    """Days (or attacks) a month: ``least`` or more, more than ``above``, fewer than ``below``."""

    of: DaysOf
    least: float | None = None
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True)
class DaysAsked:
    """All of it: a type of migraine, numbers of days, and something that no chart says (``said``)."""

    days: tuple[Days, ...] = ()
    type: MigraineType | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class FailuresAsked:
    """At least so many drugs or groups of ``groups`` failed, for one of ``reasons``, after ``least_days``.

    ``least_days`` is ``None`` where the body gives no length: then that of the drug counts. ``at_dose``: only days at a
    sufficient dose count. ``some`` is what some plans are content with. ``ruled_out`` is an acute class that must
    besides be contraindicated or not tolerated.
    """

    least: int
    groups: Mapping[str, tuple[str, ...]]
    by_group: bool
    reasons: tuple[str, ...]
    least_days: float | None = None
    at_dose: bool = False
    some: int | None = None
    ruled_out: str | None = None


@dataclass(frozen=True, slots=True)
class EligibilityRow:
    """What a body asks for before one of ``drugs`` (ids) is given for one of ``uses``.

    ``days`` and ``failed`` are alternatives, one of which must hold; ``months``: of how many the mean is asked.
    ``migraine`` is ``None`` for either type; ``age_min`` in years. ``not_with`` are ids of drugs and classes.
    ``read``: in the source's own words, or in a page about it.
    """

    id: str
    body: Body
    uses: tuple[str, ...]
    drugs: tuple[str, ...]
    migraine: MigraineType | None
    age_min: float | None
    days: tuple[DaysAsked, ...]
    months: int
    failed: tuple[FailuresAsked, ...]
    not_with: tuple[str, ...]
    without: tuple[str, ...]
    asks: tuple[str, ...]
    date: str
    dose: str
    position: str
    strength: str
    judge: str
    goes_on: str
    note: str
    sources: tuple[str, ...]
    read: Literal["yes", "excerpt"]

    @property
    def limits(self) -> tuple[EligibilityAsk, ...]:
        """What it asks of the patient's history and migraine."""
        asked: tuple[tuple[EligibilityAsk, object], ...] = (
            ("failures", self.failed),
            ("days", self.days),
            ("type", self.migraine),
        )
        return tuple(name for name, something in asked if something)


@dataclass(frozen=True)
class EligibilityTable:
    """Every row, and the bodies whose rows are looked at, by locale; ``site``: those a site names, wherever it is."""

    bodies: Mapping[str, Body]
    rows: tuple[EligibilityRow, ...]
    by_locale: Mapping[str, tuple[str, ...]]
    site: tuple[str, ...] | None = None

    def bodies_in(self, locale: str) -> tuple[Body, ...]:
        """The bodies that are looked at in a locale, in the order in which they are named."""
        ids = self.site if self.site is not None else self.by_locale.get(locale, ())
        return tuple(self.bodies[id_] for id_ in ids)

    def rows_in(self, locale: str, drug: str | None = None, use: str | None = None) -> tuple[EligibilityRow, ...]:
        """Their rows, body by body; for a drug and a use where these are given."""
        return tuple(
            row
            for body in self.bodies_in(locale)
            for row in self.rows
            if row.body.id == body.id and (drug is None or drug in row.drugs) and (use is None or use in row.uses)
        )


def read_eligibility(file: YamlEntry, known: Known, site_file: YamlEntry | None = None) -> EligibilityTable:
    """The shipped table, with what a site's file adds. Raises GuidelineError."""
    bodies, lists = _bodies(file, {}), _lists(file, known, {})
    rows = _rows(file, known, bodies, lists, ())
    here = file.entry("eligibility_bodies")
    by_locale = {locale: here.texts(locale, known=bodies) for locale in map(str, here.data)}
    here.all_known("locale", by_locale, known.locales)
    if site_file is None:
        return EligibilityTable(MappingProxyType(bodies), rows, MappingProxyType(by_locale))
    own_sources = site_sources(site_file)
    for id_ in own_sources:
        if id_ in known.sources:
            raise GuidelineError(f"{site_file.where}: sources: {id_} is taken; choose another id")
    known = replace(known, sources={**known.sources, **own_sources})
    bodies |= _bodies(site_file, bodies)
    lists |= _lists(site_file, known, lists)
    rows += _rows(site_file, known, bodies, lists, rows)
    site = site_file.texts("eligibility_bodies", known=bodies)
    if not site:
        raise site_file.wrong("eligibility_bodies", "at least one body")
    site_file.done()
    return EligibilityTable(MappingProxyType(bodies), rows, MappingProxyType(by_locale), site)


def site_sources(file: YamlEntry) -> dict[str, Source]:
    """The sources that a site's file brings for its own rows."""
    return {id_: read_source(id_, entry) for id_, entry in _named(file, "sources").items()}


def _named(file: YamlEntry, key: str) -> dict[str, YamlEntry]:
    return file.named(key) if file.get(key, None) is not None else {}


def _bodies(file: YamlEntry, taken: Collection[str]) -> dict[str, Body]:
    bodies = {}
    for id_, entry in _named(file, "bodies").items():
        if id_ in taken:
            raise GuidelineError(f"{entry.where}: this body is shipped; choose another id")
        bodies[id_] = Body(
            id=id_,
            name=entry.text("name"),
            kind=entry.one_of("kind", BODY_KINDS),
            place=entry.text("place"),
            example=entry.flag("example", False),
        )
        entry.done()
    return bodies


Lists = Mapping[str, Mapping[str, tuple[str, ...]]]


def _lists(file: YamlEntry, known: Known, taken: Collection[str]) -> dict[str, Mapping[str, tuple[str, ...]]]:
    lists: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for id_, entry in _named(file, "lists").items():
        if id_ in taken:
            raise GuidelineError(f"{entry.where}: this list is shipped; choose another id")
        groups = {str(group): known.members(entry, str(group), entry.texts(str(group))) for group in entry.data}
        if not groups or not all(groups.values()):
            raise GuidelineError(f"{entry.where}: expected groups of drugs")
        lists[id_] = MappingProxyType(groups)
        entry.done()
    return lists


def _rows(
    file: YamlEntry, known: Known, bodies: Mapping[str, Body], lists: Lists, before: tuple[EligibilityRow, ...]
) -> tuple[EligibilityRow, ...]:
    found: list[EligibilityRow] = []
    taken = {row.id for row in before}
    for entry in file.entries("rows", ()):
        id_ = entry.text("id")
        entry.where = f"{file.where}: {id_}"
        if id_ in taken:
            raise entry.wrong("id", "one that no other row has")
        taken.add(id_)
        found.append(_row(entry, id_, known, bodies, lists))
        entry.done()
    return tuple(found)


def _row(entry: YamlEntry, id_: str, known: Known, bodies: Mapping[str, Body], lists: Lists) -> EligibilityRow:
    uses = entry.texts("uses", known=get_args(Use))
    row = EligibilityRow(
        id=id_,
        body=bodies[entry.one_of("body", bodies)],
        uses=uses,
        drugs=known.members(entry, "drugs", entry.texts("drugs")),
        migraine=entry.one_of("migraine", get_args(MigraineType), None),
        age_min=entry.number("age_min", None),
        days=tuple(map(_days_asked, entry.entries("days", ()))),
        months=entry.integer("months", MONTHS),
        failed=tuple(_failures_asked(one, known, lists) for one in entry.entries("failed", ())),
        not_with=entry.texts("not_with", (), known=[*known.drugs, *known.narrow]),
        without=entry.texts("without", (), known=known.code_sets),
        asks=entry.texts("asks", ()),
        date=entry.text("date", ""),
        dose=entry.text("dose", ""),
        position=entry.text("position", ""),
        strength=entry.text("strength", ""),
        judge=entry.text("judge", ""),
        goes_on=entry.text("goes_on", ""),
        note=entry.text("note", ""),
        sources=entry.texts("sources", known=known.sources),
        read=entry.one_of("read", ("yes", "excerpt")),
    )
    if row.date and not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", row.date):
        raise entry.wrong("date", 'a date in quotes such as "2026", "2026-01" or "2026-01-31"')
    if not 1 <= row.months <= 12:
        raise entry.wrong("months", "from 1 to 12")
    for drug in row.drugs:
        if not any(getattr(known.drugs[drug], use) for use in uses):
            raise GuidelineError(f"{entry.where}: drugs: {drug} is not for {' or '.join(uses)} treatment")
    for key in ("uses", "drugs", "sources"):
        if not getattr(row, key):
            raise entry.wrong(key, "at least one")
    return row


def _days_asked(entry: YamlEntry) -> DaysAsked:
    asked = DaysAsked(
        days=tuple(_each_days(entry)),
        type=entry.one_of("type", get_args(MigraineType), None),
        said=entry.text("said", ""),
    )
    if not (asked.days or asked.type or asked.said):
        raise GuidelineError(f"{entry.where}: expected migraine, headache, attacks, type or said")
    entry.done()
    return asked


def _each_days(entry: YamlEntry) -> Iterator[Days]:
    for of in get_args(DaysOf):
        numbers = entry.entry(of, None)
        if numbers is None:
            continue
        days = Days(of, numbers.number("least", None), numbers.number("above", None), numbers.number("below", None))
        if days.least is None and days.above is None and days.below is None:
            raise GuidelineError(f"{numbers.where}: expected least, above or below")
        numbers.done()
        yield days


def _failures_asked(entry: YamlEntry, known: Known, lists: Lists) -> FailuresAsked:
    reasons = entry.texts("reasons", ("efficacy", "tolerability"), known=get_args(Reason))
    asked = FailuresAsked(
        least=entry.integer("least"),
        groups=lists[entry.one_of("of", lists)],
        by_group=entry.one_of("count", ("drugs", "groups")) == "groups",
        reasons=reasons,
        least_days=entry.number("least_days", None),
        at_dose=entry.flag("at_dose", False),
        some=entry.integer("some", None),
        ruled_out=entry.one_of("ruled_out", known.narrow, None),
    )
    if not 1 <= asked.least <= sum(map(len, asked.groups.values())):
        raise entry.wrong("least", "from 1 to as many as the list holds")
    if asked.some is not None and not 0 < asked.some < asked.least:
        raise entry.wrong("some", "below least")
    if not reasons:
        raise entry.wrong("reasons", "at least one")
    entry.done()
    return asked
