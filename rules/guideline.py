"""The guideline as data: drugs, contraindications, code sets, parameters and sources, read from one folder.

Everything clinical lives in the folder (``rules/migraine/``), written to be read in a diff; this module gives it
types, checks it strictly and answers look-ups. A mistake in a file is a :class:`GuidelineError` that names the
file, the entry, what was expected and what came.
"""

import csv
import difflib
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml

from rules.rulebook import Rulebook, load_rulebook
from rules.vocabulary import FACT_TYPES, HOOKS, KINDS

FOLDER = Path(__file__).parent / "migraine"

ROUTES = ("oral", "subcutaneous", "nasal", "intramuscular", "intravenous", "rectal")
STRENGTHS = ("absolute", "relative", "caution", "not_evaluated")
ACUTE_CLASSES = (
    "triptan",
    "ditan",
    "gepant",
    "ergot",
    "nsaid",
    "simple_analgesic",
    "combination",
    "antiemetic",
    "opioid",
)
OVERUSE_CLASSES = ("triptan", "ergot", "opioid", "combination-analgesic", "simple-analgesic")
EXCEPTIONS = (
    "hepatic_impairment",
    "renal_impairment",
    "hepatic_or_renal_impairment",
    "propranolol",
    "strong_cyp3a4_inhibitor",
)
NOT_SYSTEMIC = ("topical", "ophthalmic", "otic", "implant", "cosmetic")

K = TypeVar("K")
V = TypeVar("V")
ParameterValue = int | float | bool | str | Mapping[str, tuple[str, ...]]


class GuidelineError(ValueError):
    """The guideline's data is wrong: says in which file and entry, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Source:
    """A publication. ``read`` says how much of it was read for this guideline (full, table, abstract, nothing...)."""

    id: str
    citation: str
    url: str | None
    read: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold or an open choice, with its unit and source. ``overridden`` marks a value set by the site."""

    name: str
    value: ParameterValue
    kind: str  # integer | number | yes_no | choice | classes_by_locale
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
    onset_weeks: str
    judge_weeks: int


@dataclass(frozen=True, slots=True)
class PreventiveUse:
    """A drug as a preventive: its classes, and what an adequate trial of it is.

    Doses are in ``unit`` per ``per``: a day for drugs taken by mouth, one administration for injected and infused
    ones. ``min_days`` counts days at or above ``min_adequate``; ``interval_days`` is the distance between
    administrations that a month's or a quarter's dose is meant for.
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


@dataclass(frozen=True, slots=True)
class AcuteDose:
    """Doses of an acute drug by one route, in mg. ``min_full``: the lowest single dose that is a full dose."""

    route: str
    min_full: float | None
    usual: float | None
    max_24h: float | None
    repeat_hours: float | None


@dataclass(frozen=True, slots=True)
class DoseException:
    """A condition (``when``) under which a lower single dose, ``min_full`` mg, is the full dose."""

    when: str
    min_full: float


@dataclass(frozen=True, slots=True)
class AcuteUse:
    """A drug as attack treatment. ``overuse_class`` is its ICHD-3 8.2 class; ``suggest`` False: never proposed."""

    drug_class: str
    overuse_class: str | None
    doses: tuple[AcuteDose, ...]
    exceptions: tuple[DoseException, ...]
    suggest: bool
    sources: tuple[str, ...]
    not_evaluated: tuple[str, ...] = ()

    def dose(self, route: str) -> AcuteDose | None:
        """The doses by ``route``; ``None`` where the table has none."""
        return next((dose for dose in self.doses if dose.route == route), None)


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug: how it is recognised, what it is used for, and who should not have it.

    ``codes`` maps ``rxnorm``, ``atc`` and ``snomed`` to codes. ``counts_as``: a trial of it is a trial of that drug.
    ``also_given_for`` names the code set of its other indications. ``procedural``: given with procedures and
    infusions only, recognised but not judged.
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
    note: str = ""

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
class Option:
    """A treatment that is no drug class: ``kind`` is combination, procedure, device or non_drug.

    ``code_set`` names the code set that shows it was used, ``drugs`` what is given for it; ``avoid`` says who should
    not have it.
    """

    id: str
    kind: str
    name: str
    avoid: str | None
    code_set: str | None
    drugs: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contraindication:
    """A reason not to give a drug that lists it, how strong it is, and what in a chart shows it.

    ``by_drug`` holds strengths that differ for single drugs. ``counts_for_class``: an absolute one can make a class
    contraindicated. ``within_days``: it holds only that long after onset. ``absolute_when`` names the measurement
    that lifts it from relative to absolute.
    """

    id: str
    label: str
    strength: str
    counts_for_class: bool
    by_drug: Mapping[str, str]
    code_set: str | None
    co_medication: str | None
    within_days: int | None
    absolute_when: str | None
    note: str
    source: str

    def strength_for(self, drug: str) -> str:
        """How strong it is for ``drug`` (an id of drugs.yaml) before any measurement."""
        return self.by_drug.get(drug, self.strength)


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A named set of codes. Keys of the three maps are system URLs and their OID aliases.

    ``prefixes`` (ICD, ATC) match every code that starts with one of them, except those that start with one of
    ``without``; dots do not matter. ``exact`` (all other systems) matches the code itself.
    """

    name: str
    title: str
    exact: Mapping[str, frozenset[str]]
    prefixes: Mapping[str, tuple[str, ...]]
    without: Mapping[str, tuple[str, ...]]

    def contains(self, system: str, code: str) -> bool:
        """Whether ``code`` of ``system`` (URL or alias) is in the set."""
        codes = self.exact.get(system)
        if codes is not None and code in codes:
            return True
        prefixes = self.prefixes.get(system)
        if not prefixes:
            return False
        plain = _plain(code)
        return plain.startswith(prefixes) and not plain.startswith(self.without.get(system, ()) or "\0")


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


@dataclass(frozen=True)
class Guideline:
    """The guideline of one folder, checked. Look-ups are pure; nothing in it changes after loading."""

    drugs: Mapping[str, Drug]
    classes: Mapping[str, EhfClass]
    drug_classes: Mapping[str, str]
    options: Mapping[str, Option]
    contraindications: Mapping[str, Contraindication]
    code_sets: Mapping[str, CodeSet]
    co_medication_words: Mapping[str, tuple[str, ...]]
    systems: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    sources: Mapping[str, Source]
    statements: Mapping[str, str]
    names: Mapping[str, str]
    other_ingredients: frozenset[str]
    versions: Mapping[str, str]
    folder: Path
    _counting: Mapping[str, str] = field(repr=False)  # drug -> yes/no parameter that decides whether it counts
    _index: "_CodeIndex" = field(repr=False)
    _products: Callable[[], Mapping[str, tuple[str, ...]]] = field(repr=False)

    def value(self, name: str) -> ParameterValue:
        """The value in force of a parameter. Raises GuidelineError for an unknown name."""
        try:
            return self.parameters[name].value
        except KeyError:
            raise GuidelineError(f"no parameter {name!r}{_meant(name, self.parameters)}") from None

    def number(self, name: str) -> float:
        """The value in force of a numeric parameter."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise GuidelineError(f"parameter {name!r} is not a number")
        return value

    def unavailable_classes(self, locale: str) -> frozenset[str]:
        """The EHF classes without a drug in a locale."""
        by_locale = self.value("locale_unavailable")
        return frozenset(by_locale.get(locale, ()) if isinstance(by_locale, Mapping) else ())

    @functools.cached_property
    def rulebook(self) -> Rulebook:
        """The rules of the same folder with this guideline's parameters. Raises rules.rulebook.RulebookError."""
        return load_rulebook(
            self.folder / "rulebook.yaml",
            parameters={n: p.value for n, p in self.parameters.items() if not isinstance(p.value, Mapping)},
            fact_types=FACT_TYPES,
            sources=self.sources,
            kinds=KINDS,
            hooks=HOOKS,
        )

    @functools.cached_property
    def counting_members(self) -> Mapping[str, tuple[Drug, ...]]:
        """The drugs that count towards each EHF class."""
        return {
            id_: tuple(
                d for d in self.drugs.values() if d.preventive and d.preventive.counts and d.preventive.ehf_class == id_
            )
            for id_ in self.classes
        }

    @functools.cached_property
    def acute_members(self) -> Mapping[str, tuple[Drug, ...]]:
        """The drugs of each class of acute drugs."""
        members: dict[str, tuple[Drug, ...]] = {}
        for drug in self.drugs.values():
            if drug.acute:
                members[drug.acute.drug_class] = (*members.get(drug.acute.drug_class, ()), drug)
        return members

    def sets_of(self, system: str, code: str) -> frozenset[str]:
        """The names of all code sets that ``code`` of ``system`` (URL or alias) is in."""
        return self._index.sets_of(system, code)

    def drug_of(self, system: str, code: str) -> str | None:
        """The id of the drug that lists ``code`` of ``system`` (URL or alias) in drugs.yaml."""
        return self._index.drug_of(system, code)

    def product(self, rxcui: str) -> Product | None:
        """What the shipped RxNorm table says about a code (ingredient, product, component, brand or pack)."""
        row = self._products().get(rxcui)
        if row is None:
            return None
        drug, strength, per_ml, route, form = row
        return Product(
            drug=drug,
            strength=float(strength) if strength else None,
            per_ml=float(per_ml) if per_ml else None,
            route=route or None,
            systemic=form not in NOT_SYSTEMIC,
        )

    def with_parameters(self, overrides: Mapping[str, object]) -> "Guideline":
        """This guideline with a site's parameter values, each marked ``overridden``.

        Raises GuidelineError naming the parameter where it is unknown, of the wrong kind or out of range.
        """
        parameters = dict(self.parameters)
        for name, value in overrides.items():
            if name not in parameters:
                raise GuidelineError(f"no parameter {name!r}{_meant(name, parameters)}")
            known = parameters[name]
            checked = _parameter_value(known, value, f"parameter {name}", self.classes)
            parameters[name] = replace(known, value=checked, overridden=True)
        return replace(
            self, parameters=_frozen(parameters), drugs=_frozen(_with_counting(self.drugs, self._counting, parameters))
        )


def load_guideline(folder: Path | None = None) -> Guideline:
    """The guideline in ``folder`` (default: migraine), read once and kept. Raises GuidelineError."""
    return _load(folder or FOLDER)


# --- Reading one file: every field named, typed and accounted for ---------------------------------------------------


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which a key given twice is an error, not a silent overwrite."""


def _mapping_without_doubles(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    mapping = {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }
    if len(mapping) != len(node.value):
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        double = next(key for key in keys if keys.count(key) > 1)
        raise GuidelineError(f"line {node.start_mark.line + 1}: {double!r} is given twice")
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_doubles)

_MISSING: Any = object()


class _Entry:
    """One mapping of a file, read field by field. Fields that nobody asked for are errors at :meth:`done`."""

    def __init__(self, where: str, data: object) -> None:
        if not isinstance(data, dict):
            raise GuidelineError(f"{where}: expected fields, found {_shown(data)}")
        self.where = where
        self.data: dict[object, object] = data
        self.asked: set[str] = set()

    def _get(self, key: str, default: Any) -> Any:
        self.asked.add(key)
        if key in self.data:
            return self.data[key]
        if default is _MISSING:
            raise GuidelineError(f"{self.where}: {key} is missing{_meant(key, map(str, self.data))}")
        return default

    def wrong(self, key: str, expected: str) -> GuidelineError:
        return GuidelineError(f"{self.where}: {key} should be {expected}, found {_shown(self.data.get(key))}")

    def text(self, key: str, default: Any = _MISSING) -> Any:
        value = self._get(key, default)
        if value is not default and (not isinstance(value, str) or not value.strip()):
            raise self.wrong(key, "text")
        return value

    def one_of(self, key: str, known: Iterable[str], default: Any = _MISSING) -> Any:
        value = self.text(key, default)
        if value is not default:
            self._known(key, value, known)
        return value

    def number(self, key: str, default: Any = _MISSING) -> Any:
        value = self._get(key, default)
        if value is not default and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise self.wrong(key, "a number, 0 or more")
        return value

    def integer(self, key: str, default: Any = _MISSING) -> Any:
        value = self.number(key, default)
        if value is not default and not isinstance(value, int):
            raise self.wrong(key, "a whole number")
        return value

    def flag(self, key: str, default: Any = _MISSING) -> Any:
        value = self._get(key, default)
        if value is not default and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def texts(self, key: str, default: Any = _MISSING, known: Iterable[str] | None = None) -> tuple[str, ...]:
        value = self._get(key, default)
        if value is not default and (not isinstance(value, list) or not all(isinstance(x, str) and x for x in value)):
            raise self.wrong(key, "a list of texts")
        if len(set(value)) != len(value):
            raise self.wrong(key, "a list without repetitions")
        if known is not None:
            for item in value:
                self._known(key, item, known)
        return tuple(value)

    def entry(self, key: str, default: Any = _MISSING) -> Any:
        value = self._get(key, default)
        return default if value is default else _Entry(f"{self.where}, {key}", value)

    def entries(self, key: str, default: Any = _MISSING) -> list["_Entry"]:
        value = self._get(key, default)
        if value is not default and not isinstance(value, list):
            raise self.wrong(key, "a list")
        return [_Entry(f"{self.where}, {key} {number}", item) for number, item in enumerate(value, 1)]

    def named(self, key: str) -> dict[str, "_Entry"]:
        """A mapping from id to fields."""
        value = self._get(key, _MISSING)
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong(key, "ids with their fields")
        return {name: _Entry(f"{self.where}: {name}", fields) for name, fields in value.items()}

    def text_map(self, key: str, default: Any = _MISSING) -> dict[str, str]:
        value = self._get(key, default)
        if not isinstance(value, dict) or not all(
            isinstance(k, str) and isinstance(v, str) and v for k, v in value.items()
        ):
            raise self.wrong(key, "names with texts")
        return dict(value)

    def _known(self, key: str, value: str, known: Iterable[str]) -> None:
        known = list(known)
        if value not in known:
            raise GuidelineError(f"{self.where}: {key} names {value!r}, which is unknown{_meant(value, known)}")

    def done(self) -> None:
        for key in self.data:
            if key not in self.asked:
                raise GuidelineError(f"{self.where}: unknown field {key!r}{_meant(str(key), self.asked)}")


def _read(folder: Path, name: str) -> _Entry:
    path = folder / name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise GuidelineError(f"{name}: cannot be read ({error.strerror})") from error
    try:
        data = yaml.load(text, _Loader)
    except GuidelineError as error:
        raise GuidelineError(f"{name}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise GuidelineError(f"{name}: not valid YAML{line}: {getattr(error, 'problem', error)}") from None
    entry = _Entry(name, data)
    if not re.fullmatch(r"\d+\.\d+\.\d+", entry.text("version")):
        raise entry.wrong("version", 'a version in quotes such as "1.0.0"')
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", entry.text("date")):
        raise entry.wrong("date", 'a date in quotes such as "2026-01-31"')
    return entry


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, [str(item) for item in known], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


def _plain(code: str) -> str:
    return code.replace(".", "").upper()


# --- The files ------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _load(folder: Path) -> Guideline:
    files = {
        name: _read(folder, f"{name}.yaml") for name in ("sources", "parameters", "codes", "contraindications", "drugs")
    }
    statements, sources = _read_sources(files["sources"])
    systems, code_sets, words = _read_codes(files["codes"])
    classes, drug_classes = _read_classes(files["drugs"])
    parameters = _read_parameters(files["parameters"], sources, classes)
    contraindications = _read_contraindications(files["contraindications"], sources, code_sets, words)
    drugs, counting = _read_drugs(
        files["drugs"], sources, parameters, code_sets, contraindications, classes, drug_classes
    )
    options = _read_options(files["drugs"], sources, code_sets, drugs)
    for entry in files.values():
        entry.done()
    for contraindication in contraindications.values():
        for name in contraindication.by_drug:
            if name not in drugs:
                raise GuidelineError(
                    f"contraindications.yaml: {contraindication.id}: by_drug names {name!r}, which is unknown"
                    f"{_meant(name, drugs)}"
                )
    names, other_ingredients = _read_names(folder, drugs)
    return Guideline(
        drugs=_frozen(_with_counting(drugs, counting, parameters)),
        classes=_frozen(classes),
        drug_classes=_frozen(drug_classes),
        options=_frozen(options),
        contraindications=_frozen(contraindications),
        code_sets=_frozen(code_sets),
        co_medication_words=_frozen(words),
        systems=_frozen({name: urls[0] for name, urls in systems.items()}),
        parameters=_frozen(parameters),
        sources=_frozen(sources),
        statements=_frozen(statements),
        names=_frozen(names),
        other_ingredients=other_ingredients,
        versions=_frozen({f"{name}.yaml": str(entry.data["version"]) for name, entry in files.items()}),
        folder=folder,
        _counting=_frozen(counting),
        _index=_CodeIndex(code_sets, drugs, systems),
        _products=functools.partial(_read_products, folder, tuple(drugs)),
    )


def _read_sources(file: _Entry) -> tuple[dict[str, str], dict[str, Source]]:
    sources = {}
    for id_, entry in file.named("sources").items():
        sources[id_] = Source(
            id=id_,
            citation=entry.text("citation"),
            url=entry.text("url", None),
            read=entry.text("read"),
            note=entry.text("note", ""),
        )
        entry.done()
    return file.text_map("statements"), sources


def _read_parameters(
    file: _Entry, sources: Mapping[str, Source], classes: Mapping[str, EhfClass]
) -> dict[str, Parameter]:
    parameters = {}
    for name, entry in file.named("parameters").items():
        kind = entry.one_of("kind", ("integer", "number", "yes_no", "choice", "classes_by_locale"))
        numeric = kind in ("integer", "number")
        limits = entry.entry("range") if numeric else None
        parameter = Parameter(
            name=name,
            value=False,
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
        value = entry._get("value", _MISSING)
        parameters[name] = replace(parameter, value=_parameter_value(parameter, value, entry.where, classes))
        entry.done()
    return parameters


def _parameter_value(
    parameter: Parameter, value: object, where: str, classes: Mapping[str, EhfClass]
) -> ParameterValue:
    """``value`` if it fits the parameter's kind and range. Raises GuidelineError."""

    def wrong(expected: str) -> GuidelineError:
        return GuidelineError(f"{where}: value should be {expected}, found {_shown(value)}")

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
        for locale, names in value.items():
            if not isinstance(locale, str) or not isinstance(names, list | tuple) or not set(names) <= set(classes):
                raise wrong("locales with lists of classes out of " + ", ".join(classes))
        return _frozen({locale: tuple(names) for locale, names in value.items()})
    whole = parameter.kind == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise wrong("a whole number" if whole else "a number")
    minimum, maximum = parameter.minimum or 0, parameter.maximum or 0
    if not minimum <= value <= maximum:
        raise wrong(f"from {minimum:g} to {maximum:g} ({parameter.unit})")
    return value


def _read_codes(file: _Entry) -> tuple[dict[str, tuple[str, ...]], dict[str, CodeSet], dict[str, tuple[str, ...]]]:
    systems: dict[str, tuple[str, ...]] = {}
    by_prefix = set()
    for name, entry in file.named("systems").items():
        systems[name] = (entry.text("url"), *entry.texts("aliases", ()))
        if entry.one_of("match", ("exact", "prefix")) == "prefix":
            by_prefix.add(name)
        entry.done()
    code_sets = {}
    for name, entry in file.named("sets").items():
        exact: dict[str, frozenset[str]] = {}
        prefixes: dict[str, tuple[str, ...]] = {}
        without: dict[str, tuple[str, ...]] = {}
        excluded = entry.entry("without", None)
        for system, urls in systems.items():
            if system not in entry.data:
                continue
            if system in by_prefix:
                codes = tuple(_plain(code) for code in entry.texts(system))
                prefixes |= dict.fromkeys(urls, codes)
                if excluded and system in excluded.data:
                    without |= dict.fromkeys(urls, tuple(_plain(code) for code in excluded.texts(system)))
            else:
                exact |= dict.fromkeys(urls, frozenset(entry.text_map(system)))
        if excluded:
            excluded.done()
        code_sets[name] = CodeSet(name, entry.text("title"), _frozen(exact), _frozen(prefixes), _frozen(without))
        if not exact and not prefixes:
            raise GuidelineError(f"{entry.where}: has no codes; systems are {', '.join(systems)}")
        entry.asked |= set(systems)
        entry.done()
    group_words = file.entry("co_medication_words")
    words = {str(group): group_words.texts(str(group)) for group in group_words.data}
    return systems, code_sets, words


def _read_contraindications(
    file: _Entry,
    sources: Mapping[str, Source],
    code_sets: Mapping[str, CodeSet],
    words: Mapping[str, tuple[str, ...]],
) -> dict[str, Contraindication]:
    contraindications = {}
    for id_, entry in file.named("contraindications").items():
        by_drug = entry.text_map("by_drug", {})
        for strength in by_drug.values():
            entry._known("by_drug", strength, STRENGTHS)
        contraindications[id_] = Contraindication(
            id=id_,
            label=entry.text("label"),
            strength=entry.one_of("strength", STRENGTHS),
            counts_for_class=entry.flag("counts_for_class"),
            by_drug=_frozen(by_drug),
            code_set=entry.one_of("code_set", code_sets, id_ if id_ in code_sets else None),
            co_medication=entry.one_of("co_medication", words, None),
            within_days=entry.integer("within_days", None),
            absolute_when=entry.text("absolute_when", None),
            note=entry.text("note", ""),
            source=entry.one_of("source", sources),
        )
        entry.done()
    return contraindications


def _read_classes(file: _Entry) -> tuple[dict[str, EhfClass], dict[str, str]]:
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


def _read_drugs(
    file: _Entry,
    sources: Mapping[str, Source],
    parameters: Mapping[str, Parameter],
    code_sets: Mapping[str, CodeSet],
    contraindications: Mapping[str, Contraindication],
    classes: Mapping[str, EhfClass],
    drug_classes: Mapping[str, str],
) -> tuple[dict[str, Drug], dict[str, str]]:
    profiles = {id_: _side_effects(entry) for id_, entry in file.named("side_effects").items()}
    entries = file.named("drugs")
    drugs: dict[str, Drug] = {}
    counting: dict[str, str] = {}
    owner: dict[tuple[str, str], str] = {}
    for id_, entry in entries.items():
        codes = entry.entry("codes")
        by_system = {system: codes.texts(system) for system in ("rxnorm", "atc", "snomed") if system in codes.data}
        codes.asked |= {"rxnorm", "atc", "snomed"}
        codes.done()
        for system, of_system in by_system.items():
            for code in of_system:
                other = owner.setdefault((system, code), id_)
                if other != id_:
                    raise GuidelineError(f"{entry.where}: {system} {code} already belongs to {other}")
        preventive = entry.entry("preventive", None)
        acute = entry.entry("acute", None)
        if preventive:
            counts = preventive._get("counts", _MISSING)
            if isinstance(counts, str):
                preventive._known("counts", counts.removeprefix("$"), parameters)
                counting[id_] = counts.removeprefix("$")
            elif not isinstance(counts, bool):
                raise preventive.wrong("counts", "true, false or a $parameter")
        drugs[id_] = Drug(
            id=id_,
            name=entry.text("name"),
            codes=_frozen(by_system),
            preventive=_preventive(preventive, sources, profiles, classes, drug_classes) if preventive else None,
            acute=_acute(acute, sources) if acute else None,
            only_for_migraine=entry.flag("only_for_migraine", False),
            counts_as=entry.one_of("counts_as", entries, None),
            also_given_for=entry.one_of("also_given_for", code_sets, None),
            unavailable_in=entry.texts("unavailable_in", ()),
            contraindications=entry.texts("contraindications", (), known=contraindications),
            cautions=entry.texts("cautions", (), known=contraindications),
            sources=_sources_of(preventive, acute),
            procedural=entry.flag("procedural", False),
            note=entry.text("note", ""),
        )
        entry.done()
        if not (preventive or acute or drugs[id_].procedural):
            raise GuidelineError(f"{entry.where}: needs preventive, acute or procedural")
    return drugs, counting


def _sources_of(*uses: _Entry | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for use in uses if use for source in use.texts("sources", ())))


def _side_effects(entry: _Entry) -> SideEffects:
    profile = SideEffects(
        common=entry.texts("common"),
        usually_lessen=entry.texts("usually_lessen"),
        stop_and_call=entry.texts("stop_and_call"),
        onset_weeks=entry.text("onset_weeks"),
        judge_weeks=entry.integer("judge_weeks"),
    )
    entry.done()
    return profile


def _preventive(
    entry: _Entry,
    sources: Mapping[str, Source],
    profiles: Mapping[str, SideEffects],
    classes: Mapping[str, EhfClass],
    drug_classes: Mapping[str, str],
) -> PreventiveUse:
    dose, trial = entry.entry("dose"), entry.entry("trial")
    quarterly = trial.entry("quarterly", None)
    profile = entry.one_of("side_effects", profiles, None)
    use = PreventiveUse(
        ehf_class=entry.one_of("ehf_class", classes),
        drug_class=entry.one_of("drug_class", drug_classes),
        counts=entry.data["counts"] is True,
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
        sources=entry.texts("sources", (), known=sources),
    )
    if (use.min_adequate or 0) > (use.target or use.min_adequate or 0) or (use.target or 0) > (use.maximum or 1e9):
        raise entry.wrong("dose", "ordered: min_adequate <= target <= maximum")
    if (use.per == "administration") != (use.interval_days is not None and use.min_administrations > 0):
        raise entry.wrong(
            "trial", "with interval_days and min_administrations where, and only where, doses are per administration"
        )
    for part in (dose, trial, quarterly, entry):
        if part:
            part.done()
    return use


def _acute(entry: _Entry, sources: Mapping[str, Source]) -> AcuteUse:
    doses = []
    for dose in entry.entries("doses", ()):
        doses.append(
            AcuteDose(
                route=dose.one_of("route", ROUTES),
                min_full=dose.number("min_full", None),
                usual=dose.number("usual", None),
                max_24h=dose.number("max_24h", None),
                repeat_hours=dose.number("repeat_hours", None),
            )
        )
        dose.done()
    exceptions = []
    for exception in entry.entries("exceptions", ()):
        exceptions.append(DoseException(exception.one_of("when", EXCEPTIONS), exception.number("min_full")))
        exception.done()
    use = AcuteUse(
        drug_class=entry.one_of("drug_class", ACUTE_CLASSES),
        overuse_class=entry.one_of("overuse_class", OVERUSE_CLASSES, None),
        doses=tuple(doses),
        exceptions=tuple(exceptions),
        suggest=entry.flag("suggest"),
        sources=entry.texts("sources", (), known=sources),
        not_evaluated=entry.texts("not_evaluated", ()),
    )
    entry.done()
    if len({dose.route for dose in doses}) != len(doses):
        raise entry.wrong("doses", "one entry per route")
    return use


def _read_options(
    file: _Entry, sources: Mapping[str, Source], code_sets: Mapping[str, CodeSet], drugs: Mapping[str, Drug]
) -> dict[str, Option]:
    options = {}
    for id_, entry in file.named("options").items():
        options[id_] = Option(
            id=id_,
            kind=entry.one_of("kind", ("combination", "procedure", "device", "non_drug")),
            name=entry.text("name"),
            avoid=entry.text("avoid", None),
            code_set=entry.one_of("code_set", code_sets, None),
            drugs=entry.texts("drugs", (), known=drugs),
            sources=entry.texts("sources", known=sources),
        )
        entry.done()
    return options


def _with_counting(
    drugs: Mapping[str, Drug], counting: Mapping[str, str], parameters: Mapping[str, Parameter]
) -> dict[str, Drug]:
    """The drugs, with those whose counting is an open choice set to what the parameters say."""
    decided = dict(drugs)
    for id_, parameter in counting.items():
        drug = drugs[id_]
        if drug.preventive:
            use = replace(drug.preventive, counts=parameters[parameter].value is True)
            decided[id_] = replace(drug, preventive=use)
    return decided


# --- The tables -----------------------------------------------------------------------------------------------------


def _rows(folder: Path, name: str, columns: int) -> Iterable[list[str]]:
    """The rows of a CSV table below its header; lines that start with # are comments."""
    try:
        with (folder / name).open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row and not row[0].startswith("#")]
    except OSError as error:
        raise GuidelineError(f"{name}: cannot be read ({error.strerror})") from error
    for row in rows:
        if len(row) != columns:
            raise GuidelineError(f"{name}: {row[0]}: expected {columns} columns, found {len(row)}")
    return rows[1:]


def _read_names(folder: Path, drugs: Mapping[str, Drug]) -> tuple[dict[str, str], frozenset[str]]:
    names: dict[str, str] = {}
    others = set()
    for word, drug, kind in _rows(folder, "names.csv", 3):
        if drug and drug not in drugs:
            raise GuidelineError(f"names.csv: {word}: drug {drug!r} is unknown{_meant(drug, drugs)}")
        if word != word.lower() or word in names or word in others:
            raise GuidelineError(f"names.csv: {word}: should be in lower case and given once")
        if kind == "other":
            others.add(word)
        elif kind in ("ingredient", "brand"):
            names[word] = drug
        else:
            raise GuidelineError(f"names.csv: {word}: kind should be ingredient, brand or other, found {kind!r}")
    return names, frozenset(others)


@functools.lru_cache(maxsize=8)
def _read_products(folder: Path, drugs: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """rxcui -> (drug, strength, per_ml, route, form), read at the first look-up and kept."""
    known = {"", *drugs}
    products = {}
    for rxcui, *row in _rows(folder, "products.csv", 6):
        if row[0] not in known or rxcui in products:
            raise GuidelineError(f"products.csv: {rxcui}: drug {row[0]!r} is unknown, or the code is given twice")
        products[rxcui] = tuple(row)
    return products


class _CodeIndex:
    """From a code to its sets and its drug, with one dictionary look-up for codes seen before."""

    def __init__(
        self, code_sets: Mapping[str, CodeSet], drugs: Mapping[str, Drug], systems: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._code_sets = tuple(code_sets.values())
        self._prefixed = {system for code_set in self._code_sets for system in code_set.prefixes}
        self._seen: dict[tuple[str, str], frozenset[str]] = {}
        exact: dict[tuple[str, str], set[str]] = {}
        for code_set in self._code_sets:
            for system, codes in code_set.exact.items():
                for code in codes:
                    exact.setdefault((system, code), set()).add(code_set.name)
        self._exact = {key: frozenset(names) for key, names in exact.items()}
        self._drugs = {
            (url, code): drug.id
            for drug in drugs.values()
            for system, codes in drug.codes.items()
            for url in systems[system]
            for code in codes
        }

    def sets_of(self, system: str, code: str) -> frozenset[str]:
        if system not in self._prefixed:
            return self._exact.get((system, code), frozenset())
        key = (system, code)
        found = self._seen.get(key)
        if found is None:
            found = frozenset(code_set.name for code_set in self._code_sets if code_set.contains(system, code))
            if len(self._seen) >= 10_000:  # charts decide what is looked up: keep the memory bounded
                self._seen.clear()
            self._seen[key] = found
        return found

    def drug_of(self, system: str, code: str) -> str | None:
        return self._drugs.get((system, code))
