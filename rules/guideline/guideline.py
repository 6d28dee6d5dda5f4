"""The guideline as data: drugs, contraindications, code sets, parameters and sources, read from one folder.

Everything clinical lives in the folder (``rules/migraine/``), written to be read in a diff; here it is checked as a
whole and answers look-ups. A mistake in a file is a :class:`GuidelineError` that names the file, the entry, what was
expected and what came.
"""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar, cast

from prodrome.rules.engine.reading import FactTypes, load_rulebook
from prodrome.rules.engine.rulebook import Rulebook
from prodrome.rules.engine.strict_yaml import YamlEntry, meant, read_file
from prodrome.rules.fact_types import (
    FACT_TYPES,
    HOOK_NAMES,
    KINDS,
    AcuteClassId,
    BodyId,
    ContraindicationId,
    DrugClassId,
    DrugId,
    EhfClassId,
)
from prodrome.rules.guideline.eligibility import EligibilityTable, read_eligibility, site_sources
from prodrome.rules.guideline.named import NumericParameter, check_named
from prodrome.rules.guideline.ndc import product_spellings
from prodrome.rules.guideline.readers import (
    Known,
    frozen,
    overridden,
    read_acute_classes,
    read_classes,
    read_codes,
    read_contraindications,
    read_dose_limits,
    read_drugs,
    read_evidence_order,
    read_locales,
    read_options,
    read_parameters,
    read_sources,
)
from prodrome.rules.guideline.site import Site, mapped_drugs, mapped_sets
from prodrome.rules.guideline.tables import (
    read_allergy_codes,
    read_code_rows,
    read_combinations,
    read_expressions,
    read_more_code_rows,
    read_names,
    read_ndc_products,
    read_ndc_sets,
    read_products,
    read_words,
)
from prodrome.rules.guideline.types import (
    LOCAL_FORMS,
    NDC,
    RXNORM,
    SNOMED,
    AcuteClass,
    AcuteMembers,
    CodeSet,
    Contraindication,
    DoseLimit,
    Drug,
    EhfClass,
    EvidenceOrder,
    GuidelineError,
    Locale,
    Option,
    Parameter,
    ParameterValue,
    Product,
    Showing,
    Source,
)

GUIDELINE_FOLDER = Path(__file__).parent.parent / "migraine"


@dataclass(frozen=True)
class NarrowClass:
    """A class of preventives (with its class of the EHF consensus) or of acute drugs, with its drugs that are options.

    ``only_chronic``: they are given for chronic migraine alone; ``key`` is its use and its id.
    """

    use: Literal["preventive", "acute"]
    id: str
    members: tuple[Drug, ...]
    ids: tuple[str, ...]
    key: tuple[str, str]
    ehf_class: str = ""
    only_chronic: bool = False

    @classmethod
    def of(
        cls,
        use: Literal["preventive", "acute"],
        id_: str,
        members: tuple[Drug, ...],
        ehf_class: str = "",
        *,
        only_chronic: bool = False,
    ) -> "NarrowClass":
        """A class of these drugs."""
        return cls(use, id_, members, tuple(drug.id for drug in members), (use, id_), ehf_class, only_chronic)


@dataclass(frozen=True)
class Guideline:
    """The guideline of one folder, checked. Look-ups are pure; nothing in it changes after loading."""

    drugs: Mapping[str, Drug]
    classes: Mapping[str, EhfClass]
    drug_classes: Mapping[str, str]
    acute_classes: Mapping[str, AcuteClass]
    classes_of_single_drugs: frozenset[str]
    allergy_classes: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Option]
    dose_limits: tuple[DoseLimit, ...]
    evidence_order: EvidenceOrder
    classes_not_together: frozenset[str]
    eligibility: EligibilityTable
    contraindications: Mapping[str, Contraindication]
    code_sets: Mapping[str, CodeSet]
    co_medication_words: Mapping[str, tuple[str, ...]]
    systems: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    sources: Mapping[str, Source]
    locales: Mapping[str, Locale]
    statements: Mapping[str, str]
    names: Mapping[str, str]
    combination_names: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    other_ingredients: frozenset[str]
    names_beside_dose: frozenset[str]
    versions: Mapping[str, str]
    folder: Path
    site: Site
    _index: "_CodeIndex" = field(repr=False)
    _products: Callable[[str], Mapping[str, tuple[str, ...]]] = field(repr=False)
    _combinations: Callable[[str], Mapping[str, tuple[str, ...]]] = field(repr=False)
    _allergies: Callable[[], Mapping[str, str]] = field(repr=False)

    def __reduce__(self) -> tuple[Callable[[Path, Site], "Guideline"], tuple[Path, Site]]:
        """As it travels to other processes: as what it is made of."""
        return _of_site, (self.folder, self.site)

    @functools.cached_property
    def rulebook(self) -> Rulebook:
        """The rules, with the parameters in force in their conditions. Raises rules.engine.rulebook.RulebookError."""
        return self._rulebook(self.folder / "rulebook.yaml")

    def with_rulebook(self, text: str) -> "Guideline":
        """The guideline with the rules of a text in place of those in its folder.

        Raises rules.engine.rulebook.RulebookError.
        """
        changed = replace(self)
        vars(changed)["rulebook"] = self._rulebook(text)  # where the property keeps what it read
        return changed

    def _rulebook(self, source: Path | str) -> Rulebook:
        return load_rulebook(
            source,
            parameters={name: p.value for name, p in self.parameters.items() if not isinstance(p.value, Mapping)},
            fact_types=self._fact_types(),
            sources=self.sources,
            kinds=KINDS,
            hooks=HOOK_NAMES,
        )

    def _fact_types(self) -> FactTypes:
        """The measured fact types, with the names that this guideline gives."""
        names: Mapping[object, tuple[str, ...]] = {
            DrugId: tuple(self.drugs),
            EhfClassId: tuple(self.classes),
            DrugClassId: (*self.drug_classes, *self.acute_classes),
            AcuteClassId: tuple(self.acute_classes),
            BodyId: tuple(self.eligibility.bodies),
            ContraindicationId: (*self.contraindications, "allergy"),
        }
        return {fact: {field: names.get(of, of) for field, of in schema.items()} for fact, schema in FACT_TYPES.items()}

    def value(self, name: str) -> ParameterValue:
        """The value in force of a parameter. Raises GuidelineError for an unknown name."""
        if name not in self.parameters:
            raise GuidelineError(f"no parameter {name!r}{meant(name, self.parameters)}")
        return self.parameters[name].value

    def number(self, name: NumericParameter) -> float:
        """The value in force of a numeric parameter."""
        return cast(float, self.parameters[name].value)

    def locale(self, id_: str) -> Locale:
        """A place the guideline knows. Raises GuidelineError for any other."""
        if id_ not in self.locales:
            raise GuidelineError(f"locale should be one of {', '.join(self.locales)}, found {id_!r}")
        return self.locales[id_]

    def unavailable_classes(self, locale: str) -> frozenset[str]:
        """The EHF classes without a drug in a locale."""
        by_locale = self.value("locale_unavailable")
        return frozenset(by_locale.get(locale, ()) if isinstance(by_locale, Mapping) else ())

    def drugs_in(self, locale: str) -> frozenset[str]:
        """The drugs (ids) that can be had in a locale, and whose class can, where they prevent."""
        found = self._drugs_in.get(locale)
        if found is None:
            gone = self.unavailable_classes(locale)
            found = self._drugs_in[locale] = frozenset(
                drug.id
                for drug in self.drugs.values()
                if locale not in drug.unavailable_in and not (drug.preventive and drug.preventive.ehf_class in gone)
            )
        return found

    @functools.cached_property
    def _drugs_in(self) -> dict[str, frozenset[str]]:
        return {}

    @functools.cached_property
    def counting_members(self) -> Mapping[str, tuple[Drug, ...]]:
        """The drugs that count towards each EHF class."""
        return {
            id_: tuple(d for d in self.drugs.values() if (use := d.preventive) and use.counts and use.ehf_class == id_)
            for id_ in self.classes
        }

    @functools.cached_property
    def acute_members(self) -> Mapping[str, tuple[Drug, ...]]:
        """The drugs of each class of acute drugs."""
        classes = dict.fromkeys(drug.acute.drug_class for drug in self.drugs.values() if drug.acute)
        return {id_: tuple(d for d in self.drugs.values() if d.acute and d.acute.drug_class == id_) for id_ in classes}

    @functools.cached_property
    def narrow_members(self) -> Mapping[str, tuple[Drug, ...]]:
        """The drugs of each narrow class of preventives that count, and are no other drug in another form."""
        own = [drug for drug in self.drugs.values() if (use := drug.preventive) and use.counts and not drug.counts_as]
        return {
            id_: tuple(drug for drug in own if drug.preventive and drug.preventive.drug_class == id_)
            for id_ in self.drug_classes
        }

    @functools.cached_property
    def showing(self) -> Showing:
        """What shows the contraindications."""
        return Showing.of(self.contraindications)

    @functools.cached_property
    def drugs_listing(self) -> Mapping[str, tuple[Drug, ...]]:
        """The drugs that list a contraindication, by its id."""
        found: dict[str, list[Drug]] = {}
        for drug in self.drugs.values():
            for id_ in drug.contraindications:
                found.setdefault(id_, []).append(drug)
        return {id_: tuple(drugs) for id_, drugs in found.items()}

    @functools.cached_property
    def drugs_holding(self) -> Mapping[str, tuple[Drug, ...]]:
        """The products that hold a drug, itself among them, by its id."""
        return {id_: tuple(drug for drug in self.drugs.values() if drug.holds(id_)) for id_ in self.drugs}

    @functools.cached_property
    def suggested_members(self) -> Mapping[str, tuple[Drug, ...]]:
        """Of each class of acute drugs, those that may be suggested, and are no other drug in another form."""
        return {
            id_: tuple(d for d in members if d.acute and d.acute.suggest and not d.counts_as)
            for id_, members in self.acute_members.items()
        }

    def acute_members_in(self, locale: str) -> Mapping[str, AcuteMembers]:
        """The drugs of each class of acute drugs that can be had in a locale."""
        found = self._acute_members_in.get(locale)
        if found is None:
            found = self._acute_members_in[locale] = {
                id_: AcuteMembers(
                    available=frozenset(drug.id for drug in members if locale not in drug.unavailable_in),
                    next=frozenset(d.id for d in self.suggested_members[id_] if locale not in d.unavailable_in),
                    suggests=any(
                        drug.acute and drug.acute.suggest for drug in members if locale not in drug.unavailable_in
                    ),
                )
                for id_, members in self.acute_members.items()
            }
        return found

    @functools.cached_property
    def _acute_members_in(self) -> dict[str, Mapping[str, AcuteMembers]]:
        return {}

    @functools.cached_property
    def narrow_classes(self) -> tuple[NarrowClass, ...]:
        """Every class of which a drug can be an option, the preventives first."""
        found = []
        for id_, preventives in self.narrow_members.items():
            ehf_class = next((drug.preventive.ehf_class for drug in preventives if drug.preventive), "")
            if preventives:
                only_chronic = self.classes[ehf_class].only_if == "chronic_migraine"
                found.append(NarrowClass.of("preventive", id_, preventives, ehf_class, only_chronic=only_chronic))
        for id_, suggested in self.suggested_members.items():
            acutes = tuple(drug for drug in suggested if drug.acute and not drug.acute.emergency)
            if acutes:
                found.append(NarrowClass.of("acute", id_, acutes))
        return tuple(found)

    @functools.cached_property
    def shared_contraindications(self) -> Mapping[str, frozenset[str]]:
        """Of each class of acute drugs, the contraindications that all its drugs list."""
        return {
            id_: frozenset.intersection(*(frozenset(drug.contraindications) for drug in members))
            for id_, members in self.acute_members.items()
        }

    def sets_of(self, system: str, code: str) -> frozenset[str]:
        """The names of all code sets that ``code`` of ``system`` (URL or alias) is in."""
        return self._index.sets_of(system, code)

    def drug_of(self, system: str, code: str) -> str | None:
        """The id of the drug that lists ``code`` of ``system`` (URL or alias) in drugs.yaml."""
        return self._index.drug_of(system, code)

    def product(self, code: str, system: str = RXNORM) -> Product | None:
        """What the tables of products say about a code of RxNorm, SNOMED CT or the NDC, the last in any spelling.

        It may be of an ingredient, product, component, brand or pack; ``None`` for codes of no table.
        """
        rows = self._products(system)
        row = _of_ndc(rows, code) if system == NDC else rows.get(code)
        if row is None:
            return None
        drug, strength, per_ml, route, form = row
        return Product(
            drug=drug,
            strength=float(strength) if strength else None,
            per_ml=float(per_ml) if per_ml else None,
            route=route or None,
            systemic=form not in LOCAL_FORMS,
        )

    def combined(self, code: str, system: str = RXNORM) -> tuple[str, ...]:
        """The drugs that a code's combination holds: all of one that is no drug of ours, else what is in it besides."""
        return self._combinations(system).get(code, ())

    def allergy_to(self, code: str) -> str | None:
        """The drug, or class of drugs, that a SNOMED CT code of an allergy is about."""
        return self._allergies().get(code)

    def with_parameters(self, overrides: Mapping[str, object]) -> "Guideline":
        """The guideline with a site's parameter values, each marked ``overridden``, in place of its own.

        Raises GuidelineError naming the parameter where it is unknown, of the wrong kind or out of range.
        """
        return self.for_site(replace(self.site, parameters=overrides))

    def with_codes(self, table: Path) -> "Guideline":
        """The guideline with a site's own table of codes read beside its own (``prodrome codes expand`` writes one).

        Raises GuidelineError naming the table and the row where a set or system is unknown.
        """
        return self.for_site(replace(self.site, more_codes=table))

    def expressions(self) -> Mapping[str, str]:
        """The expression (SNOMED CT ECL) by which a terminology server knows more codes of a set, by set."""
        return read_expressions(self.folder)

    @property
    def diary(self) -> str:
        """The address of the code system that the headache diary is kept in."""
        return self.site.diary

    def canonical(self, kind: str, name: str) -> str:
        """The address of something of ours: that of the rules' code system is ``canonical("CodeSystem", "rules")``."""
        return f"{self.site.canonical_base.rstrip('/')}/{kind}/{name}"

    def for_site(self, site: Site) -> "Guideline":
        """The guideline as a site uses it. Raises GuidelineError for what the site names and is not there."""
        return self if site == self.site else _assemble(self.folder, site)

    def mapped_drug(self, system: str, code: str) -> str | None:
        """The drug that the site's own map gives a code."""
        return self._index.site_drugs.get((system, code))


def load_guideline(folder: Path | None = None) -> Guideline:
    """The guideline in ``folder`` (default: migraine), read once and kept. Raises GuidelineError."""
    return _load(folder or GUIDELINE_FOLDER)


@functools.lru_cache(maxsize=8)
def _load(folder: Path) -> Guideline:
    return _assemble(folder, Site())


def _of_site(folder: Path, site: Site) -> Guideline:
    return load_guideline(folder).for_site(site)


def _assemble(folder: Path, site: Site) -> Guideline:
    names = (
        "sources",
        "locales",
        "parameters",
        "codes",
        "contraindications",
        "drugs",
        "dose_limits",
        "evidence_order",
        "eligibility",
    )
    file = {name: read_file(folder / f"{name}.yaml", GuidelineError) for name in names}
    statements, sources = read_sources(file["sources"])
    locales = read_locales(file["locales"])
    code_rows = read_code_rows(folder, licensed=site.licensed)
    if site.more_codes:
        code_rows += read_more_code_rows(site.more_codes)
    systems, code_sets, words = read_codes(file["codes"], code_rows, licensed=site.licensed)
    classes, drug_classes = read_classes(file["drugs"])
    acute_classes = read_acute_classes(file["drugs"])
    parameters = overridden(read_parameters(file["parameters"], sources, classes), site.parameters, classes)
    values = {name: parameter.value for name, parameter in parameters.items()}
    for entry in file.values():
        entry.values = values
    known = Known(sources, locales, code_sets, words, classes, drug_classes, acute_classes)
    contraindications = read_contraindications(file["contraindications"], known)
    known = replace(known, contraindications=contraindications)
    drugs = read_drugs(file["drugs"], known)
    known = replace(known, drugs=drugs)
    options = read_options(file["drugs"], known)
    limits, not_together = read_dose_limits(file["dose_limits"], known)
    order = read_evidence_order(file["evidence_order"], known)
    single_drugs = file["drugs"].texts("classes_of_single_drugs", known=drug_classes)
    own = read_file(site.eligibility, GuidelineError) if site.eligibility else None
    eligibility = read_eligibility(file["eligibility"], known, own)
    allergic = file["drugs"].entry("allergy_classes")
    more_classes = {to: known.members(allergic, to, allergic.texts(to)) for to in map(str, allergic.data)}
    sources |= site_sources(own) if own else {}
    for entry in file.values():
        entry.done()
    _check_their_drugs(file["contraindications"], contraindications, drugs)
    named = read_names(folder, tuple(drugs))
    for id_, entry in file["drugs"].named("drugs").items():
        entry.all_known("besides", drugs[id_].besides, named.others)
    phrases = read_words(folder)
    addresses = {name: urls[0] for name, urls in systems.items()}
    there: dict[str, Collection[str]] = {
        "parameter": parameters,
        "code set": code_sets,
        "contraindication": contraindications,
        "drug": drugs,
        "drug class": drug_classes,
        "acute class": acute_classes,
        "class": classes,
        "meaning": phrases,
        "group of other drugs": words,
        "locale": locales,
    }
    check_named(there, parameters, addresses)
    return Guideline(
        drugs=frozen(drugs),
        classes=frozen(classes),
        drug_classes=frozen(drug_classes),
        acute_classes=frozen(acute_classes),
        classes_of_single_drugs=frozenset(single_drugs),
        allergy_classes=frozen({**known.narrow, **more_classes}),
        options=frozen(options),
        dose_limits=limits,
        evidence_order=order,
        classes_not_together=frozenset(not_together),
        eligibility=eligibility,
        contraindications=frozen(contraindications),
        code_sets=frozen(code_sets),
        co_medication_words=frozen(words),
        systems=frozen(addresses),
        parameters=frozen(parameters),
        sources=frozen(sources),
        locales=frozen(locales),
        statements=frozen(statements),
        names=named.drugs,
        combination_names=named.holds,
        words=phrases,
        other_ingredients=named.others,
        names_beside_dose=named.beside_dose,
        versions=frozen({entry.where: entry.text("version") for entry in file.values()}),
        folder=folder,
        site=site,
        _index=_CodeIndex(code_sets, drugs, systems, site, functools.partial(read_ndc_sets, folder, tuple(code_sets))),
        _products=functools.partial(_products_of, folder, tuple(drugs), site.licensed),
        _combinations=functools.partial(_combinations_of, folder, tuple(drugs), site.licensed),
        _allergies=functools.partial(read_allergy_codes, folder, licensed=site.licensed),
    )


def _check_their_drugs(
    file: YamlEntry, contraindications: Mapping[str, Contraindication], drugs: Collection[str]
) -> None:
    """Raise GuidelineError for a drug that a contraindication names and nobody knows: drugs are read after these."""
    for id_, entry in file.named("contraindications").items():
        said = contraindications[id_]
        for name, named in (
            ("by_drug", said.by_drug),
            ("shown_by", said.shown_by),
            ("for_migraine", said.for_migraine),
            ("exempt_up_to", said.exempt_up_to),
        ):
            entry.all_known(name, named, drugs)
        for strengths in said.by_locale.values():
            entry.all_known("by_locale", strengths, drugs)


def _products_of(folder: Path, drugs: tuple[str, ...], licensed: bool, system: str) -> Mapping[str, tuple[str, ...]]:
    if system == NDC:
        return read_ndc_products(folder, drugs)
    table = _PRODUCT_TABLES.get(system)
    return read_products(folder, drugs, table) if table and (licensed or system != SNOMED) else {}


def _combinations_of(
    folder: Path, drugs: tuple[str, ...], licensed: bool, system: str
) -> Mapping[str, tuple[str, ...]]:
    table = _COMBINATION_TABLES.get(system)
    return read_combinations(folder, drugs, table) if table and (licensed or system != SNOMED) else {}


_Row = TypeVar("_Row")


def _of_ndc(rows: Mapping[str, _Row], code: str) -> _Row | None:
    return next((rows[spelling] for spelling in product_spellings(code) if spelling in rows), None)


_PRODUCT_TABLES = {RXNORM: "products.csv", SNOMED: "products_snomed.csv"}
_COMBINATION_TABLES = {RXNORM: "combinations.csv", SNOMED: "combinations_snomed.csv"}


class _CodeIndex:
    """From a code to its sets and its drug, with one dictionary look-up for codes seen before."""

    def __init__(
        self,
        code_sets: Mapping[str, CodeSet],
        drugs: Mapping[str, Drug],
        systems: Mapping[str, tuple[str, ...]],
        site: Site,
        ndc_sets: Callable[[], Mapping[str, frozenset[str]]],
    ) -> None:
        self._ndc_sets = ndc_sets
        self.site_drugs = mapped_drugs(site, drugs)
        self._site_sets = mapped_sets(site, code_sets)
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
        self._drugs |= self.site_drugs

    def sets_of(self, system: str, code: str) -> frozenset[str]:
        if self._site_sets and (mapped := self._site_sets.get((system, code))) is not None:
            return mapped
        if system == NDC:
            return _of_ndc(self._ndc_sets(), code) or frozenset()
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
