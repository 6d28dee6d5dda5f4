"""Which medicine a resource names: by code, else by the words of its text.

A code of the tables makes it certain; text names it at low certainty. What the tables know to be something else
(a combination that is not listed, an eye drop, a cosmetic product) is not recognised, whatever else is said.
"""

import re
from copy import copy
from functools import cache
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DRUG_SYSTEMS, RXNORM
from prodrome.fhir_mappers.codes import NOTHING, Concept, concept, read_concept
from prodrome.fhir_mappers.elements import (
    JsonObject,
    Unreadable,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from prodrome.fhir_mappers.per_guideline import per_guideline
from prodrome.fhir_mappers.words import NEUTRAL, NOT_SYSTEMIC
from prodrome.rules.guideline import Drug, Guideline

_JOINS = frozenset({"/", "+", "-", "&", "and", "with", "plus"})
_TOKEN = re.compile(r"[a-z0-9]+(?:[.'][a-z0-9]+)*|(?<=\S)-(?=\S)|[/+&]")
_STRENGTH = re.compile(
    r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+[.,]?\d*)\s?(mg|mcg|ug|µg|g|units?|iu|unt)(?![a-z0-9])"
    r"(\s?/\s?(\d+\.?\d*)?\s?ml(?![a-z]))?"
)
_IN_MG = {"mg": 1.0, "g": 1000.0, "mcg": 0.001, "ug": 0.001, "µg": 0.001}  # units of botulinum toxin stay as they are

TOXIN_CLASS = "botulinum_toxin"
TOXIN_PRODUCT = re.compile(r"\b(?:botox|onabotulinum\w*)\b")
GENERIC_TOXIN = "generic_botulinum_toxin"  # code set: any toxin of type A, cosmetic and dystonia products among them

# Ingredients that make up a listed combination, together with which other words of the text.
_COMBINATIONS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"sumatriptan", "naproxen"}), "sumatriptan_naproxen"),
    (frozenset({"aspirin", "acetaminophen", "caffeine"}), "asa_apap_caffeine"),
    (frozenset({"ergotamine", "caffeine"}), "ergotamine"),
)
_COMBINED_ANYHOW = "butalbital"


class Medicine(NamedTuple):
    """A recognised medicine. ``strength`` is mg (or units) in one tablet, puff or syringe; ``per_ml`` in one mL.

    ``unspecific`` marks a botulinum toxin of which nobody says that it is onabotulinumtoxinA. ``label`` is how the
    chart words it.
    """

    drug: Drug
    coded: bool
    strength: float | None = None
    per_ml: float | None = None
    route: str | None = None
    systemic: bool = True
    unspecific: bool = False
    label: str = ""


class Named(NamedTuple):
    """How a resource names its medicine, before any recognition: its concept and the form of its Medication."""

    concept: Concept
    form: Concept = NOTHING


def read_named(chart: Chart, resource: JsonObject) -> Named:
    """The medicine element of a statement, request or administration (R4 and R5), references followed.

    Raises Unreadable where a reference leads nowhere and nothing else names the medicine.
    """
    own = read_object(resource, "medicationCodeableConcept")
    if own is not None:
        return Named(concept(own))
    reference = read_object(resource, "medicationReference")
    if reference is None:
        medication = read_object(resource, "medication")  # R5
        if medication is None:
            return Named(NOTHING)
        if "concept" in medication:
            return Named(read_concept(medication, "concept"))
        reference = read_object(medication, "reference")
        if reference is None:
            return Named(NOTHING)
    display = read_text(reference, "display")
    said = (display,) if display else ()
    key = read_reference(reference)
    target = chart.resolve(key, resource)
    if target is None:
        if key and not said:
            raise Unreadable("medication: the Medication it refers to did not come")
        return Named(Concept((), said, ()))
    named = chart.once(_medication, target)
    if not said or said[0] in named.concept.texts:
        return named
    return named._replace(concept=named.concept._replace(texts=named.concept.texts + said))


def _medication(_: Chart, medication: JsonObject) -> Named:
    return Named(_medication_concept(medication), read_concept(medication, "form"))


def _medication_concept(medication: JsonObject) -> Concept:
    """The code of a Medication, else that of its only ingredient."""
    code = read_concept(medication, "code")
    if code.codes or code.texts:
        return code
    ingredients = read_objects(medication, "ingredient")
    if len(ingredients) != 1:
        return code
    item = read_object(ingredients[0], "itemCodeableConcept")
    if item is None:
        item = read_object(read_object(ingredients[0], "item") or {}, "concept")
    return concept(item)


class Lexicon:
    """The guideline's names of drugs, arranged for looking them up in a text.

    What it finds in a text it remembers, for many rows share one text: each chart is read with a copy
    (:meth:`for_one_chart`), which is dropped with it.
    """

    def __init__(self, guideline: Guideline) -> None:
        self.guideline = guideline
        self.names: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name, drug in guideline.names.items():
            tokens = tuple(_TOKEN.findall(name.lower()))
            if tokens:
                self.names.setdefault(tokens[0], []).append((tokens, drug))
        for candidates in self.names.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        self.other_ingredients = frozenset(word.lower() for word in guideline.other_ingredients)
        self.groups: dict[str, set[str]] = {}
        for group, words in guideline.co_medication_words.items():
            for word in words:
                self.groups.setdefault(word.lower(), set()).add(group)
        self._remember()

    def for_one_chart(self) -> "Lexicon":
        """The same names, with nothing remembered."""
        own = copy(self)
        own._remember()
        return own

    def _remember(self) -> None:
        self._drug_in = cache(self._in_text)
        self._words_in = cache(_tokens)
        self._strengths_in = cache(_strengths)
        self._is_toxin_product = cache(_names_toxin_product)

    def recognise(self, named: Named) -> Medicine | None:
        """The medicine a concept names, ``None`` where it is none of the tables'."""
        said = named.concept
        known, medicine = self._by_code(said) if said.codes else (False, None)
        if not known:
            medicine = self._by_text(said)
        if medicine is None:
            return None
        if medicine.drug.preventive and medicine.drug.preventive.drug_class == TOXIN_CLASS:
            medicine = medicine._replace(unspecific=self._is_unspecific(said))
        strength, per_ml = self._strength(said)
        return medicine._replace(
            label=said.label or medicine.drug.name,
            strength=medicine.strength if medicine.strength is not None else strength,
            per_ml=medicine.per_ml if medicine.per_ml is not None else per_ml,
            systemic=medicine.systemic and self.is_systemic(named),
        )

    def is_systemic(self, named: Named) -> bool:
        """Whether no word by which a medicine and its form are described says that it is not for the whole body."""
        said, form = named
        texts = said.texts + (form.texts + form.displays if form is not NOTHING else ())
        return all(NOT_SYSTEMIC.isdisjoint(self._words_in(text)) for text in texts)

    def _strength(self, said: Concept) -> tuple[float | None, float | None]:
        """Strength per countable unit and per mL, in mg or units, that the texts agree on."""
        found = [self._strengths_in(text) for text in (*said.texts, *said.displays)]
        single, per_ml = (set().union(*each) for each in zip(*found, strict=True)) if found else (set(), set())
        return _only(single), _only(per_ml)

    def _by_code(self, said: Concept) -> tuple[bool, Medicine | None]:
        """By its codes: a product decides over an ingredient; codes that disagree name nothing.

        The first of the two is whether the tables know any of the codes, as ours or as something else.
        """
        found: list[tuple[bool, Medicine]] = []
        for system, code in said.codes:
            if system not in DRUG_SYSTEMS:
                continue
            product = self.guideline.product(code) if system == RXNORM else None
            if product is not None:
                drug = self.guideline.drugs.get(product.drug)
                if drug is None:
                    return True, None
                medicine = Medicine(drug, True, product.strength, product.per_ml, product.route, product.systemic)
                is_product = product.strength is not None or product.per_ml is not None or drug.counts_as is not None
                found.append((is_product, medicine))
            elif drug_id := self.guideline.drug_of(system, code):
                found.append((False, Medicine(self.guideline.drugs[drug_id], True)))
        if not found:
            return False, None
        if len(found) > 1:
            if len({medicine.drug.id for _, medicine in found}) > 1:
                found = [each for each in found if each[0]] or found
            if len({medicine.drug.id for _, medicine in found}) > 1:
                return True, None
            found.sort(key=lambda each: not each[0])
        return True, found[0][1]

    def _by_text(self, said: Concept) -> Medicine | None:
        drugs = {self._drug_in(text) for text in set(said.texts)} - {None}
        if len(drugs) != 1 or "" in drugs:
            return None
        return Medicine(self.guideline.drugs[str(drugs.pop())], False)

    def _in_text(self, text: str) -> str | None:
        """The drug a text names: its id, ``""`` for what is none of ours, ``None`` for nothing known."""
        tokens = _TOKEN.findall(text.lower())
        found: set[str] = set()
        strange = False
        index = 0
        while index < len(tokens):
            length, drug = self._name_at(tokens, index)
            if drug is None:
                strange = strange or tokens[index] in self.other_ingredients
                index += 1
                continue
            found.add(drug)
            strange = strange or self._is_joined(tokens, index, index + length)
            index += length
        if not found:
            return None
        if "" in found:
            return ""
        return _combined(found, tokens, strange)

    def _name_at(self, tokens: list[str], index: int) -> tuple[int, str | None]:
        for name, drug in self.names.get(tokens[index], ()):
            if tuple(tokens[index : index + len(name)]) == name:
                return len(name), drug
        return 1, None

    def _is_joined(self, tokens: list[str], start: int, end: int) -> bool:
        """Whether a name stands in a combination with a word that is neither a listed drug nor salt, form or dose."""
        before = start - 1
        after = end
        while after < len(tokens) and _is_neutral(tokens[after]):
            after += 1
        partners = []
        if after + 1 < len(tokens) and tokens[after] in _JOINS:
            partners.append(after + 1)
        if before > 0 and tokens[before] in _JOINS:
            partners.append(before - 1)
        return any(not _is_neutral(tokens[at]) and self._name_at(tokens, at)[1] is None for at in partners)

    def _is_unspecific(self, said: Concept) -> bool:
        for system, code in said.codes:
            generic = GENERIC_TOXIN in self.guideline.sets_of(system, code)
            if not generic and (self.guideline.drug_of(system, code) or self.guideline.product(code)):
                return False
        return not any(self._is_toxin_product(text) for text in said.texts + said.displays)

    def co_medications(self, said: Concept) -> set[str]:
        """The co-medication groups (``maoi``...) a medicine belongs to, by code, display or text."""
        groups: set[str] = set()
        for system, code in said.codes:
            if system in DRUG_SYSTEMS:
                groups |= self.guideline.sets_of(system, code) & self.guideline.co_medication_words.keys()
        for text in {*said.texts, *said.displays}:
            for word in self._words_in(text):
                groups |= self.groups.get(word, NO_GROUPS)
        return groups


NO_GROUPS: frozenset[str] = frozenset()


def _is_neutral(token: str) -> bool:
    return token in NEUTRAL or token[0].isdigit()


def _combined(found: set[str], tokens: list[str], strange: bool) -> str:
    """The drug that several names in one text make together, ``""`` where it is a combination we do not list."""
    if _COMBINED_ANYHOW in found:
        return _COMBINED_ANYHOW
    parts = found | {"caffeine"} if "caffeine" in tokens else found
    for ingredients, combination in _COMBINATIONS:
        if parts in (ingredients, ingredients | {combination}):
            return combination
    if len(found) > 1 or strange or "caffeine" in parts:
        return ""
    return next(iter(found))


def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text.lower()))


def _names_toxin_product(text: str) -> bool:
    return TOXIN_PRODUCT.search(text.lower()) is not None


def _only(values: set[float]) -> float | None:
    return values.pop() if len(values) == 1 else None


def _strengths(text: str) -> tuple[frozenset[float], frozenset[float]]:
    """Strengths per countable unit and per mL, in mg or units, that a text names."""
    single: set[float] = set()
    per_ml: set[float] = set()
    for amount, unit, per, volume in _STRENGTH.findall(text.lower()):
        value = _number(amount) * _IN_MG.get(unit, 1.0)
        if not per:
            single.add(value)
        elif not volume:
            per_ml.add(value)
        elif float(volume):
            single.add(value)
            per_ml.add(value / float(volume))
    return frozenset(single), frozenset(per_ml)


def _number(text: str) -> float:
    head, comma, tail = text.rpartition(",")
    if comma and len(tail.partition(".")[0]) == 3:
        return float(text.replace(",", ""))
    return float(f"{head}.{tail or 0}") if comma else float(text)


@per_guideline
def lexicon_of(guideline: Guideline) -> Lexicon:
    """The lexicon of a guideline."""
    return Lexicon(guideline)
