"""The guideline's files, each read into the types of ``rules.guideline.types``. Every error is a GuidelineError."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar, get_args

from prodrome.rules.engine.strict_yaml import YamlEntry, excerpt, meant
from prodrome.rules.fact_types import EXCEPTIONS, OVERUSE_CLASSES
from prodrome.rules.guideline.tables import CodeRow
from prodrome.rules.guideline.types import (
    ROUTES,
    WRITTEN_STRENGTHS,
    AcuteClass,
    AcuteDose,
    AcuteUse,
    AdequateBeside,
    CodeSet,
    Comorbidity,
    Contraindication,
    DoseException,
    DoseLimit,
    Drug,
    EhfClass,
    EvidenceOrder,
    First,
    GuidelineError,
    Locale,
    Option,
    Parameter,
    ParameterKind,
    ParameterValue,
    PreventiveUse,
    Ranking,
    Regimen,
    SideEffects,
    Source,
    Titration,
    Who,
    without_dots,
)

K = TypeVar("K")
V = TypeVar("V")


def frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """A read-only copy."""
    return MappingProxyType(dict(mapping))


@dataclass(frozen=True)
class Known:
    """What an entry may name, by id: of each kind what was read before it. ``groups`` are those of other drugs."""

    sources: Mapping[str, Source]
    locales: Mapping[str, Locale]
    code_sets: Mapping[str, CodeSet]
    groups: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, EhfClass]
    drug_classes: Mapping[str, str]
    acute_classes: Mapping[str, AcuteClass]
    contraindications: Mapping[str, Contraindication] = field(default_factory=dict)
    drugs: Mapping[str, Drug] = field(default_factory=dict)

    def members(self, entry: YamlEntry, key: str, ids: tuple[str, ...]) -> tuple[str, ...]:
        """The drugs behind ids of drugs and classes."""
        found: dict[str, None] = {}
        for id_ in ids:
            entry.known(key, id_, [*self.drugs, *self.narrow])
            found |= dict.fromkeys(self.narrow.get(id_) or (id_,))
        return tuple(found)

    @cached_property
    def narrow(self) -> dict[str, tuple[str, ...]]:
        """The drugs of each narrow class of preventives and each acute class."""
        found: dict[str, list[str]] = {}
        for drug in self.drugs.values():
            if drug.preventive:
                found.setdefault(drug.preventive.drug_class, []).append(drug.id)
            if drug.acute:
                found.setdefault(drug.acute.drug_class, []).append(drug.id)
        return {id_: tuple(drugs) for id_, drugs in found.items()}


def read_sources(file: YamlEntry) -> tuple[dict[str, str], dict[str, Source]]:
    """``sources.yaml``: its statements, and the publications by id."""
    sources = {}
    for id_, entry in file.named("sources").items():
        sources[id_] = read_source(id_, entry)
    return file.text_map("statements"), sources


def read_source(id_: str, entry: YamlEntry) -> Source:
    """One publication that something rests on."""
    source = Source(
        id=id_,
        citation=entry.text("citation"),
        url=entry.text("url", None),
        read=entry.text("read"),
        note=entry.text("note", ""),
        read_on=entry.text("read_on", None),
    )
    entry.done()
    return source


def read_locales(file: YamlEntry) -> dict[str, Locale]:
    """``locales.yaml``: countries whose practice differs, by id."""
    locales = {}
    for id_, entry in file.named("locales").items():
        locales[id_] = Locale(id_, entry.text("name"), entry.one_of("spelling", ("american", "british")))
        entry.done()
    return locales


def read_parameters(file: YamlEntry, sources: Mapping[str, Source], classes: Collection[str]) -> dict[str, Parameter]:
    """``parameters.yaml``: every number or choice that a site may change, by name."""
    parameters = {}
    for name, entry in file.named("parameters").items():
        kind = entry.one_of("kind", get_args(ParameterKind))
        numeric = kind in ("integer", "number")
        limits = entry.entry("range") if numeric else None
        parameter = Parameter(
            name=name,
            value=entry.get("value"),
            kind=kind,
            unit=entry.text("unit"),
            decides=entry.text("decides"),
            sources=entry.texts("sources", known=sources),
            minimum=limits.number("from") if limits else None,
            maximum=limits.number("to") if limits else None,
            choices=entry.texts("choices") if kind == "choice" else (),
        )
        if limits:
            limits.done()
        if not parameter.sources:
            raise entry.wrong("sources", "at least one source")
        parameters[name] = replace(parameter, value=_parameter_value(parameter, parameter.value, entry.where, classes))
        entry.done()
    return parameters


def overridden(
    parameters: Mapping[str, Parameter], overrides: Mapping[str, object], classes: Collection[str]
) -> dict[str, Parameter]:
    """The parameters with a site's values, checked and marked."""
    changed = dict(parameters)
    for name, value in overrides.items():
        if name not in parameters:
            raise GuidelineError(f"no parameter {name!r}{meant(name, parameters)}")
        checked = _parameter_value(parameters[name], value, f"parameter {name}", classes)
        changed[name] = replace(parameters[name], value=checked, overridden=True)
    return changed


def _parameter_value(parameter: Parameter, value: object, where: str, classes: Collection[str]) -> ParameterValue:
    """``value`` if it fits the parameter's kind and range. Raises GuidelineError."""

    def wrong(expected: str) -> GuidelineError:
        return GuidelineError(f"{where}: value should be {expected}, found {excerpt(value)}")

    if parameter.kind == "yes_no":
        if not isinstance(value, bool):
            raise wrong("true or false")
        return value
    if parameter.kind == "choice":
        if not isinstance(value, str) or value not in parameter.choices:
            raise wrong("one of " + ", ".join(parameter.choices))
        return value
    if parameter.kind == "classes_by_locale":
        if not isinstance(value, Mapping):
            raise wrong("locales with lists of classes")
        for names in value.values():
            if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n in classes for n in names):
                raise wrong("locales with lists of classes out of " + ", ".join(classes))
        return frozen({locale: tuple(names) for locale, names in value.items()})
    whole = parameter.kind == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise wrong("a whole number" if whole else "a number")
    minimum, maximum = parameter.minimum or 0, parameter.maximum or 0
    if not minimum <= value <= maximum:
        raise wrong(f"from {minimum:g} to {maximum:g} ({parameter.unit})")
    return value


def read_codes(
    file: YamlEntry, more: Sequence[CodeRow], *, licensed: bool
) -> tuple[dict[str, tuple[str, ...]], dict[str, CodeSet], dict[str, tuple[str, ...]]]:
    """The systems with all their addresses, the code sets with the rows of the tables, and words by group."""
    systems: dict[str, tuple[str, ...]] = {}
    by_prefix = set()
    for name, entry in file.named("systems").items():
        systems[name] = (entry.text("url"), *entry.texts("aliases", ()))
        if entry.one_of("match", ("exact", "prefix")) == "prefix":
            by_prefix.add(name)
        entry.done()
    entries = file.named("sets")
    tables: dict[str, dict[str, set[str]]] = {name: {} for name in entries}
    for row in more:
        if row.set not in tables or row.system not in systems:
            raise GuidelineError(f"{row.table}: {row.system} {row.code}: set {row.set!r} or its system is unknown")
        tables[row.set].setdefault(row.system, set()).add(row.code)
    code_sets: dict[str, CodeSet] = {}
    included: dict[str, tuple[str, ...]] = {}
    for name, entry in entries.items():
        exact: dict[str, frozenset[str]] = {}
        prefixes: dict[str, tuple[str, ...]] = {}
        without: dict[str, tuple[str, ...]] = {}
        patterns: dict[str, re.Pattern[str]] = {}
        excluded = entry.entry("without", None)
        for system, urls in systems.items():
            listed = tables[name].get(system, set())
            if entry.get(system, None) is None and not listed:
                continue
            if system in by_prefix:
                if listed:  # of a site's table: an expansion names each code of a classification
                    exact |= dict.fromkeys(urls, frozenset(listed) | {without_dots(code) for code in listed})
                codes = [without_dots(code) for code in entry.texts(system, ())]
                prefixes |= dict.fromkeys(urls, tuple(code for code in codes if "_" not in code))
                if wild := [re.escape(code).replace("_", ".") for code in codes if "_" in code]:
                    patterns |= dict.fromkeys(urls, re.compile("|".join(wild)))
                if excluded:
                    without |= dict.fromkeys(urls, tuple(without_dots(code) for code in excluded.texts(system, ())))
            else:
                exact |= dict.fromkeys(urls, frozenset({*entry.text_map(system, {}), *listed}))
        title = entry.text("title")
        included[name] = entry.texts("includes", (), known=entries)
        for part in (excluded, entry):
            if part:
                part.done()
        code_sets[name] = CodeSet(name, title, frozen(exact), frozen(prefixes), frozen(without), frozen(patterns))
    for name, others in included.items():
        code_sets[name] = _joined(code_sets[name], [code_sets[other] for other in others])
    for name, code_set in code_sets.items():
        if licensed and not (code_set.exact or code_set.prefixes):  # some sets are in the licensed table only
            raise GuidelineError(f"{entries[name].where}: has no codes; systems are {', '.join(systems)}")
    group_words = file.entry("co_medication_words")
    words = {str(group): group_words.texts(str(group)) for group in group_words.data}
    return systems, code_sets, words


def _joined(code_set: CodeSet, others: Sequence[CodeSet]) -> CodeSet:
    """A set with the exact codes of others; classifications are listed in the set itself."""
    exact = dict(code_set.exact)
    for other in others:
        for system, codes in other.exact.items():
            exact[system] = exact.get(system, frozenset()) | codes
    return replace(code_set, exact=frozen(exact))


def read_contraindications(file: YamlEntry, known: Known) -> dict[str, Contraindication]:
    """``contraindications.yaml``, by id."""
    contraindications = {}
    ids = file.named("contraindications")
    for id_, entry in ids.items():
        by_drug = entry.text_map("by_drug", {})
        for strength in by_drug.values():
            entry.known("by_drug", strength, WRITTEN_STRENGTHS)
        contraindications[id_] = Contraindication(
            id=id_,
            label=entry.text("label"),
            strength=entry.one_of("strength", WRITTEN_STRENGTHS),
            counts_for_class=entry.flag("counts_for_class"),
            by_drug=frozen(by_drug),
            code_set=entry.one_of("code_set", known.code_sets, id_ if id_ in known.code_sets else None),
            co_medications=entry.texts("co_medications", (), known=known.groups),
            within_days=entry.integer("within_days", None),
            absolute_when=entry.text("absolute_when", None),
            note=entry.text("note", ""),
            source=entry.one_of("source", known.sources),
            by_locale=_strengths_by_locale(entry, known.locales),
            only_in=entry.texts("only_in", (), known=known.locales),
            undated_holds=entry.flag("undated_holds", False),
            who=_who(entry),
            excluded_by=entry.texts("excluded_by", (), known=known.code_sets),
            superseded_by=entry.one_of("superseded_by", ids, None),
            shown_by=entry.texts("shown_by", ()),
            beside=entry.one_of("beside", known.code_sets, None),
            for_migraine=entry.texts("for_migraine", ()),
            exempt_up_to=_exempt(entry.entry("exempt_up_to", None)),
        )
        entry.done()
    return contraindications


def _strengths_by_locale(entry: YamlEntry, locales: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    by_locale = entry.entry("by_locale", None)
    if by_locale is None:
        return frozen({})
    found = {}
    for locale in by_locale.data:
        by_locale.known("locale", str(locale), locales)
        found[str(locale)] = frozen(by_locale.text_map(str(locale)))
        for strength in found[str(locale)].values():
            by_locale.known(str(locale), strength, WRITTEN_STRENGTHS)
    by_locale.done()
    return frozen(found)


def _exempt(entry: YamlEntry | None) -> Mapping[str, float]:
    if entry is None:
        return frozen({})
    doses: dict[str, float] = {str(drug): entry.number(str(drug)) for drug in entry.data}
    entry.done()
    return frozen(doses)


def _who(entry: YamlEntry) -> Who | None:
    said = entry.entry("who", None)
    if said is None:
        return None
    who = Who(said.one_of("sex", ("female", "male"), None), said.number("from_age", 0), said.number("until_age"))
    said.done()
    return who


def read_classes(file: YamlEntry) -> tuple[dict[str, EhfClass], dict[str, str]]:
    """``drugs.yaml``: the classes that a definition counts, and the narrow drug classes in words."""
    classes = {}
    for id_, entry in file.named("classes").items():
        classes[id_] = EhfClass(
            id=id_,
            name=entry.text("name"),
            only_if=entry.one_of("only_if", ("chronic_migraine",), None),
            required=entry.flag("required"),
        )
        entry.done()
    return classes, file.text_map("drug_classes")


def read_acute_classes(file: YamlEntry) -> dict[str, AcuteClass]:
    """``drugs.yaml``: the classes of acute drugs, by id."""
    classes = {}
    for id_, entry in file.named("acute_classes").items():
        classes[id_] = AcuteClass(id_, entry.text("name"), entry.text("plural"))
        entry.done()
    return classes


def read_drugs(file: YamlEntry, known: Known) -> dict[str, Drug]:
    """``drugs.yaml``: the drugs, by id."""
    profiles = {id_: _side_effects(entry) for id_, entry in file.named("side_effects").items()}
    entries = file.named("drugs")
    drugs: dict[str, Drug] = {}
    owner: dict[tuple[str, str], str] = {}
    for id_, entry in entries.items():
        codes = entry.entry("codes")
        by_system = {system: codes.texts(system, ()) for system in ("rxnorm", "atc", "snomed")}
        codes.done()
        for system, of_system in by_system.items():
            for code in of_system:
                other = owner.setdefault((system, code), id_)
                if other != id_:
                    raise GuidelineError(f"{entry.where}: {system} {code} already belongs to {other}")
        preventive = entry.entry("preventive", None)
        acute = entry.entry("acute", None)
        drugs[id_] = Drug(
            id=id_,
            name=entry.text("name"),
            codes=frozen(by_system),
            preventive=_preventive(preventive, known, profiles) if preventive else None,
            acute=_acute(acute, known) if acute else None,
            only_for_migraine=entry.flag("only_for_migraine", False),
            counts_as=entry.one_of("counts_as", entries, None),
            contains=entry.texts("contains", (), known=entries),
            besides=entry.texts("besides", ()),
            also_given_for=entry.one_of("also_given_for", known.code_sets, None),
            unavailable_in=entry.texts("unavailable_in", (), known=known.locales),
            contraindications=entry.texts("contraindications", (), known=known.contraindications),
            cautions=entry.texts("cautions", (), known=known.contraindications),
            sources=_sources_of(preventive, acute),
            procedural=entry.flag("procedural", False),
            only_for_headache=entry.flag("only_for_headache", False),
            note=entry.text("note", ""),
        )
        entry.done()
        if not (preventive or acute or drugs[id_].procedural):
            raise GuidelineError(f"{entry.where}: needs preventive, acute or procedural")
    return drugs


def _sources_of(*uses: YamlEntry | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for use in uses if use for source in use.texts("sources", ())))


def _side_effects(entry: YamlEntry) -> SideEffects:
    profile = SideEffects(
        common=entry.texts("common"),
        usually_lessen=entry.texts("usually_lessen"),
        stop_and_call=entry.texts("stop_and_call"),
        onset_weeks=entry.text("onset_weeks", None),
        judge_weeks=entry.integer("judge_weeks"),
    )
    entry.done()
    return profile


def _preventive(entry: YamlEntry, known: Known, profiles: Mapping[str, SideEffects]) -> PreventiveUse:
    dose, trial = entry.entry("dose"), entry.entry("trial")
    quarterly = trial.entry("quarterly", None)
    profile = entry.one_of("side_effects", profiles, None)
    use = PreventiveUse(
        ehf_class=entry.one_of("ehf_class", known.classes),
        drug_class=entry.one_of("drug_class", known.drug_classes),
        counts=entry.flag("counts"),
        unit=dose.one_of("unit", ("mg", "units")),
        per=dose.one_of("per", ("day", "administration")),
        min_adequate=dose.number("min_adequate", None),
        min_adequate_chronic=dose.number("min_adequate_chronic", None),
        target=dose.number("target", None),
        maximum=dose.number("maximum", None),
        min_days=trial.integer("min_days"),
        min_administrations=trial.integer("min_administrations", 0),
        interval_days=trial.integer("interval_days", None),
        quarterly_amount=quarterly.number("amount") if quarterly else None,
        quarterly_min_days=quarterly.integer("min_days") if quarterly else None,
        quarterly_min_administrations=quarterly.integer("min_administrations") if quarterly else None,
        side_effects=profiles[profile] if profile else None,
        sources=entry.texts("sources", (), known=known.sources),
        washout_months=entry.integer("washout_months", None),
        regimens=tuple(_regimen(one) for one in entry.entries("regimens", ())),
        titration=_titration(entry.entry("titration", None)),
        adequate_beside=tuple(_adequate_beside(one, known.groups) for one in entry.entries("adequate_beside", ())),
    )
    _rising(dose, "min_adequate", "min_adequate_chronic", "target", "maximum")
    _positive(trial, "min_days", "interval_days")
    if quarterly:
        _positive(quarterly, "amount", "min_days", "min_administrations")
    if (use.per == "administration") != (use.interval_days is not None and use.min_administrations > 0):
        raise entry.wrong(
            "trial", "with interval_days and min_administrations where, and only where, doses are per administration"
        )
    for part in (dose, trial, quarterly, entry):
        if part:
            part.done()
    return use


def _positive(entry: YamlEntry, *names: str) -> None:
    """Raises where one of the amounts is given as 0: no dose, no day and no limit of anything is so little."""
    for name in names:
        if entry.number(name, None) == 0:
            raise entry.wrong(name, "above 0")


def _rising(entry: YamlEntry, *names: str) -> None:
    """Raises unless those of the amounts that are given are above 0, and none is below one before it."""
    _positive(entry, *names)
    before, least = "", 0.0
    for name in names:
        amount = entry.number(name, None)
        if amount is not None:
            if amount < least:
                raise entry.wrong(name, f"{before} ({least:g}) or more")
            before, least = name, amount


def _adequate_beside(entry: YamlEntry, groups: Collection[str]) -> AdequateBeside:
    beside = AdequateBeside(entry.one_of("group", groups), entry.number("min_adequate"))
    _positive(entry, "min_adequate")
    entry.done()
    return beside


def _regimen(entry: YamlEntry) -> Regimen:
    regimen = Regimen(
        says=entry.text("says"),
        chronic=entry.text("chronic", None),
        from_amount=entry.number("from", 0),
        judge_weeks=entry.integer("judge_weeks", None),
    )
    entry.done()
    return regimen


def _titration(entry: YamlEntry | None) -> Titration | None:
    if entry is None:
        return None
    titration = Titration(entry.number("start"), entry.text("says"), entry.integer("weeks", None))
    _positive(entry, "start")
    entry.done()
    return titration


def _acute(entry: YamlEntry, known: Known) -> AcuteUse:
    doses = []
    for dose in entry.entries("doses", ()):
        doses.append(
            AcuteDose(
                route=dose.one_of("route", ROUTES),
                min_full=dose.number("min_full", None),
                usual=dose.number("usual", None),
                max_24h=dose.number("max_24h", None),
                max_24h_in=dose.texts("max_24h_in", (), known=known.locales),
                repeat_hours=dose.number("repeat_hours", None),
            )
        )
        _rising(dose, "min_full", "usual", "max_24h")
        _positive(dose, "repeat_hours")
        dose.done()
    exceptions = []
    for exception in entry.entries("exceptions", ()):
        exceptions.append(DoseException(exception.one_of("when", EXCEPTIONS), exception.number("min_full")))
        _positive(exception, "min_full")
        exception.done()
    use = AcuteUse(
        drug_class=entry.one_of("drug_class", known.acute_classes),
        overuse_class=entry.one_of("overuse_class", OVERUSE_CLASSES, None),
        doses=tuple(doses),
        exceptions=tuple(exceptions),
        suggest=entry.flag("suggest"),
        sources=entry.texts("sources", (), known=known.sources),
        not_evaluated=entry.texts("not_evaluated", ()),
        emergency=entry.flag("emergency", False),
    )
    entry.done()
    if len({dose.route for dose in doses}) != len(doses):
        raise entry.wrong("doses", "one entry per route")
    return use


def read_dose_limits(file: YamlEntry, known: Known) -> tuple[tuple[DoseLimit, ...], tuple[str, ...]]:
    """The limits, and the acute classes of which no two drugs may be given together."""
    limits = []
    for entry in file.entries("limits"):
        limits.append(
            DoseLimit(
                drug=entry.one_of("drug", known.drugs),
                where=entry.texts("where", known=known.locales),
                route=entry.one_of("route", ROUTES, None),
                brand=entry.text("brand", None),
                single=entry.number("single", None),
                daily=entry.number("daily", None),
                weekly=entry.number("weekly", None),
                doses=entry.integer("doses", None),
                days=entry.integer("days", None),
                with_drug=entry.one_of("with_drug", known.drugs, None),
                with_group=entry.one_of("with_group", known.groups, None),
                conditions=entry.texts("conditions", (), known=known.code_sets),
                for_migraine=entry.flag("for_migraine", False),
                source=entry.one_of("source", known.sources),
            )
        )
        one = limits[-1]
        if (one.single, one.daily, one.weekly, one.doses, one.days) == (None,) * 5:
            raise entry.wrong("single", "given, or daily, weekly, doses or days")
        _rising(entry, "single", "daily", "weekly")
        _positive(entry, "doses", "days")
        entry.done()
    together = file.entry("not_together")
    classes = together.texts("classes", known={drug.acute.drug_class for drug in known.drugs.values() if drug.acute})
    together.one_of("source", known.sources)
    together.done()
    return tuple(limits), classes


def read_evidence_order(file: YamlEntry, known: Known) -> EvidenceOrder:
    """Which drugs come first. Every locale has a body, and no body ranks a drug twice."""
    bodies = {}
    named = file.named("bodies")
    for locale in known.locales:
        if locale not in named:
            raise GuidelineError(f"{file.where}: bodies: {locale} is missing")
    for locale, entry in named.items():
        entry.known("locale", locale, known.locales)
        bodies[locale] = Ranking(
            name=entry.text("name"),
            source=entry.one_of("source", known.sources),
            episodic=_ranks(entry, "episodic", known.drugs),
            chronic=_ranks(entry, "chronic", known.drugs),
        )
        entry.done()
    comorbidities = []
    for code_set, entry in file.named("comorbidities").items():
        entry.known("comorbidities", code_set, known.code_sets)
        prefer, avoid = entry.texts("prefer", (), known=known.drugs), entry.texts("avoid", (), known=known.drugs)
        comorbidities.append(Comorbidity(code_set, prefer, avoid, entry.one_of("source", known.sources)))
        entry.done()
    return EvidenceOrder(
        frozen(bodies),
        tuple(comorbidities),
        _firsts(file.entry("pregnancy"), known),
        _firsts(file.entry("breastfeeding"), known),
    )


def _ranks(entry: YamlEntry, name: str, drugs: Mapping[str, Drug]) -> tuple[tuple[str, ...], ...]:
    ranks = entry.get(name)
    if not isinstance(ranks, list) or not all(isinstance(rank, list) for rank in ranks):
        raise entry.wrong(name, "a list of lists of drugs")
    seen: set[str] = set()
    for drug in (drug for rank in ranks for drug in rank):
        entry.known(name, drug, drugs)
        if drug in seen:
            raise entry.wrong(name, f"each drug once, and {drug} once")
        seen.add(drug)
    return tuple(tuple(rank) for rank in ranks)


def _firsts(entry: YamlEntry, known: Known) -> tuple[First, ...]:
    firsts = []
    for first in entry.entries("first"):
        firsts.append(First(first.one_of("drug", known.drugs), first.text("only", None)))
        first.done()
    entry.one_of("source", known.sources)
    entry.done()
    return tuple(firsts)


def read_options(file: YamlEntry, known: Known) -> dict[str, Option]:
    """``drugs.yaml``: what is left beside single drugs, by id."""
    options = {}
    for id_, entry in file.named("options").items():
        options[id_] = Option(
            id=id_,
            kind=entry.one_of("kind", ("combination", "procedure", "device", "non_drug")),
            name=entry.text("name"),
            avoid=entry.text("avoid", None),
            code_set=entry.one_of("code_set", known.code_sets, None),
            drugs=entry.texts("drugs", (), known=known.drugs),
            joins=entry.texts("joins", (), known=known.acute_classes),
            sources=entry.texts("sources", known=known.sources),
        )
        entry.done()
    return options
