"""Which medicine a resource names: by code, else by the words of its text.

A code of the tables makes it certain; text names it at low certainty. What the tables know to be something else
(a combination that is not listed, an eye drop, a cosmetic product) is not recognised, whatever else is said.
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DRUG_SYSTEMS
from prodrome.fhir_mappers.codes import Concept, in_words, read_concept, sets_of, with_unknown
from prodrome.fhir_mappers.elements import JsonObject, Unreadable
from prodrome.fhir_mappers.named_medicines import CONCEPT, Ingredient, Medicine, Mixture, NamedMedicine, read_named
from prodrome.fhir_mappers.phrases import ONE_OR_A_THOUSAND, UNSPACED, fold, unelided
from prodrome.fhir_mappers.remembering import ElementMemory, Memory
from prodrome.fhir_mappers.words import MAKERS, NEUTRAL, SALTS, SOUNDS_LIKE_A_DRUG, is_local, words
from prodrome.rules import MILLIGRAMS, per_guideline
from prodrome.rules.guideline import ATC, NDC, RXNORM, SNOMED, Drug, Guideline

_JOINS = words("/ + - & and with plus und mit et avec y con e en met")
_TOKEN = re.compile(r"[^\W_]+(?:[.'][^\W_]+)*|(?<=\S)-(?=\S)|[/+&]")
_COMPOUND = "配合"  # Japanese: a product of several ingredients
_STRENGTH = re.compile(
    r"([1-9]\d{0,2}(?:(?:,\d{3})+| 000)(?:\.\d+)?|\d+[.,]?\d*)\s?"
    r"(mg|mill?igram\w*|mi[ck]rogram\w*|mcg|ug|μg|g|units?|iu|unt)(?![a-z0-9])"
    r"(\s?/\s?(\d+[.,]?\d*)?\s?ml(?![a-z]))?"
)
_UNSURE = re.compile(ONE_OR_A_THOUSAND)
# "5 mg/12.5 mg": two ingredients, whatever is named.
_TWO_STRENGTHS = re.compile(r"\d\s?(?:mg|mcg|g)\s?/\s?\d+(?:[.,]\d+)?\s?(?:mg|mcg|g)(?![a-z])")
_LATIN = re.compile(r"([a-z]{6,})(?:um|i)")  # "propranololum", "metoprololi": the ending of an international name

# "metoprololsuccinaat", "propranololhydrochlorid"
_SALT = re.compile(rf"([a-z]{{6,}}?)(?:{'|'.join(sorted(SALTS, key=len, reverse=True))})")

_SALT_ENDINGS = tuple(SALTS)
_ENDINGS = ("um", "i", *_SALT_ENDINGS)  # of both

# "gél": a capsule in French. Without its accent it is a gel, and what a gel holds is said in percent or for a gram.
_CAPSULE = re.compile(r"\bgél\b", re.IGNORECASE)
_OF_A_GEL = re.compile(r"%|/\s*g\b")

TOXIN_CLASS = "botulinum_toxin"
TOXIN_PRODUCT = re.compile(r"\b(?:botox|onabotulinum\w*)\b")
LOCAL_USE = "local_use"  # code set: drugs by ATC that act where they are put
GENERIC_TOXIN = "generic_botulinum_toxin"  # code set: any toxin of type A, cosmetic and dystonia products among them

# An ingredient that is no drug, of combinations that are one: its other names, and its codes.
_CAFFEINE = words("coffeine coffein koffein koffeine cafeine cafeina caffeina kofein kofeina")
_CAFFEINE_CODES = frozenset({(RXNORM, "1886"), (SNOMED, "255641001"), (ATC, "N06BC01")})
_COMBINED_ANYHOW = "butalbital"


class Recognition(NamedTuple):
    """How a resource names its medicine, which of the tables' that is (``None``: none), and its groups.

    The groups are those of co-medications (``maoi``...); ``written`` is what the chart says, for whoever maps it.
    """

    named: NamedMedicine
    medicine: Medicine | None
    groups: frozenset[str]
    written: str


_Strengths = tuple[frozenset[float], frozenset[float]]  # per piece and per mL, in mg or units


class _Told(NamedTuple):
    """What several texts name: drugs (``""`` for what is none of ours), and whether one says that it acts locally."""

    drugs: frozenset[str]
    local: bool


class Lexicon:
    """The guideline's names of drugs, arranged for looking them up in a text.

    What it finds in a text it remembers for the charts to come.
    """

    def __init__(self, guideline: Guideline) -> None:
        self.guideline = guideline
        self.names: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        self.unspaced: list[tuple[str, tuple[str, ...]]] = []  # names in scripts without spaces, longest first
        for name, drug in guideline.names.items():
            drugs = (drug, *guideline.combination_names.get(name, ()))
            if UNSPACED.search(name):
                self.unspaced.append((name, drugs))
            elif tokens := tuple(_TOKEN.findall(fold(name))):
                self.names.setdefault(tokens[0], []).append((tokens, drugs))
        for candidates in self.names.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        self.unspaced.sort(key=lambda entry: -len(entry[0]))
        self.beside_dose = frozenset(tuple(_TOKEN.findall(fold(name))) for name in guideline.names_beside_dose)
        mixed = {drug.id: drug.ingredients for drug in guideline.drugs.values() if drug.ingredients}
        self.combinations = {parts: id_ for id_, made_of in mixed.items() for parts in (made_of, made_of | {id_})}
        self.besides = frozenset(word for drug in guideline.drugs.values() for word in drug.besides)
        self.other_ingredients = frozenset(fold(word) for word in guideline.other_ingredients)
        self.groups: dict[str, set[str]] = {}
        for group, members in guideline.co_medication_words.items():
            for word in members:
                self.groups.setdefault(fold(word), set()).add(group)
        self._not_ours = frozenset({LOCAL_USE, *guideline.co_medication_words})
        self._recognised = Memory(self._recognise)
        self._read = ElementMemory(self._recognise_concept)
        self._said = Memory(self._with_unknown)
        self._coded = Memory(self._by_code)
        self._told = Memory(self._in_texts)
        self._strengths_of = Memory(self._strengths_in_texts)
        self._groups_of = Memory(self._groups)
        self._drug_in = Memory(self._in_text)
        self._words_in = Memory(_tokens)

    def read(self, chart: Chart, resource: JsonObject) -> Recognition:
        """The medicine of a statement, request, dispensing or administration. Raises Unreadable, as read_named."""
        said = resource.get(CONCEPT)
        if type(said) is dict and "medicationReference" not in resource:
            return self._read(said)
        return self._recognition(read_named(chart, resource))

    def of_concept(self, resource: JsonObject) -> Recognition:
        """The medicine of a resource that names it by its own concept, if at all. Raises Unreadable."""
        return self._recognition(NamedMedicine(in_words(read_concept(resource, CONCEPT))))

    def _recognise_concept(self, said: JsonObject) -> Recognition:
        return self.of_concept({CONCEPT: said})

    def _recognition(self, named: NamedMedicine) -> Recognition:
        return Recognition(named, self.recognise(named), self.co_medications(named), named.written)

    def recognise(self, named: NamedMedicine) -> Medicine | None:
        """The medicine a concept names, ``None`` where it is none of the tables'.

        A code decides, the most specific first; else the ingredients of its Medication by code; else the words.
        """
        if named.mixture is not None or named.beside:  # of a shared Medication, by what is remembered of its parts
            return self._recognise(named)
        return self._recognised[named]

    def _recognise(self, named: NamedMedicine) -> Medicine | None:
        said = self._said[named.concept]
        known, medicine = self._coded[said] if said.codes else (False, None)
        if not known and named.mixture is not None:
            known, medicine = self._mixed(named.mixture)
        told, beside = self._told[said.texts], self._told[named.beside]
        if not known:
            medicine = self._only_drug(told.drugs | beside.drugs)
        if medicine is None:
            return None
        if medicine.drug.preventive and medicine.drug.preventive.drug_class == TOXIN_CLASS:
            medicine = medicine._replace(unspecific=self._says_no_product(said, named.beside))
        strength, per_ml = self._strength(named)
        route, local = self._form(named)
        return medicine._replace(
            label=named.label or said.label or medicine.drug.name,
            strength=medicine.strength if medicine.strength is not None else strength,
            per_ml=medicine.per_ml if medicine.per_ml is not None else per_ml,
            route=medicine.route or route,
            systemic=medicine.systemic and not local and self.is_systemic(named),
        )

    def parts(self, named: NamedMedicine) -> tuple[Drug, ...]:
        """What a combination holds of the drugs that something may speak against, those that are never proposed first.

        By its codes, else by the ingredients of its Medication, else by its words. Nothing of what acts only where it
        is put; of a butalbital product what it holds besides.
        """
        if self._form(named)[1] or not self.is_systemic(named):
            return ()
        said = self._said[named.concept]
        held = self._held_by_code(said)
        if held is None and named.mixture is not None:
            held = self._drugs_of(named.mixture.ingredients)[0] or None
        if held is None:
            held = {drug for text in (*said.texts, *named.beside) for drug in self._named_in(text)[0]}
        found = [drug for drug in self.guideline.drugs.values() if drug.id in held and drug.id != _COMBINED_ANYHOW]
        last_resort = [drug for drug in found if drug.is_last_resort]
        return (*last_resort, *[drug for drug in found if drug.contraindications and not drug.is_last_resort])

    def _held_by_code(self, said: Concept) -> Collection[str] | None:
        """The drugs that codes say a medicine holds; ``None`` where the tables know none of them."""
        by_system: dict[str, set[str]] = {}
        besides: set[str] = set()
        for system, code in said.codes:
            product = self.guideline.product(code, system)
            if product is not None and not (product.drug or system == NDC):  # the table of the NDC names no parts
                return self.guideline.combined(code, system) if product.systemic else ()
            if drug := product.drug if product else self.guideline.drug_of(system, code):
                by_system.setdefault(system, set()).add(drug)
                besides.update(self.guideline.combined(code, system))
        everything = set().union(*by_system.values())
        if not everything:
            return None
        return besides | (everything if everything in by_system.values() else set())

    def _with_unknown(self, said: Concept) -> Concept:
        return with_unknown(said, self._knows) if said.codes else said

    def is_systemic(self, named: NamedMedicine) -> bool:
        """Whether no word by which a medicine and its form are described says that it is not for the whole body."""
        said, form = self._said[named.concept], named.form
        return not any(self._told[texts].local for texts in (said.texts, named.beside, form.texts, form.displays))

    def _says_local(self, text: str) -> bool:
        if not _OF_A_GEL.search(text):
            text = _CAPSULE.sub("gelule", text)
        return is_local(fold(text), self._words_in[text])

    def _strength(self, named: NamedMedicine) -> tuple[float | None, float | None]:
        """Strength per countable unit and per mL, in mg or units: of the only ingredient, else as the texts agree.

        A product is named by the strength of its base: an ingredient that is a salt weighs more.
        """
        mixture, said = named.mixture, named.concept
        only = mixture.ingredients[0] if mixture is not None and len(mixture.ingredients) == 1 else None
        of_ingredient = (only.strength, only.per_ml) if only else (None, None)
        if only and of_ingredient != (None, None) and not _is_salt(only.concept):
            return of_ingredient
        singles, per_ml = zip(
            *[self._strengths_of[texts] for texts in (said.texts, said.displays, named.beside)], strict=True
        )
        worded = _only(frozenset().union(*singles)), _only(frozenset().union(*per_ml))
        return of_ingredient if worded == (None, None) else worded

    def _form(self, named: NamedMedicine) -> tuple[str | None, bool]:
        """The route that the form of a Medication is for, by code, and whether it acts only where it is put."""
        routes = {
            name.removeprefix("route.")
            for name in sets_of(self.guideline, named.form.codes)
            if name.startswith("route.")
        }
        local = bool(routes & {"topical", "ophthalmic"}) and not routes - {"topical", "ophthalmic"}
        return (routes.pop() if len(routes) == 1 and not local else None), local

    def _knows(self, system: str, code: str) -> bool:
        """Whether the tables know a code, as a drug of ours or as something else."""
        if system not in DRUG_SYSTEMS:
            return bool(self.guideline.drug_of(system, code))
        if self.guideline.product(code, system) or self.guideline.drug_of(system, code):
            return True
        return not self.guideline.sets_of(system, code).isdisjoint(self._not_ours)

    def _by_code(self, said: Concept) -> tuple[bool, Medicine | None]:
        """By its codes: a product decides over an ingredient; several ingredients are a combination.

        The first of the two is whether the tables know any of the codes, as ours or as something else.
        """
        found: list[tuple[bool, str, Medicine]] = []
        unknown: list[tuple[str, str, str]] = []
        for (system, code), display in zip(said.codes, said.displays, strict=True):
            if mapped := self.guideline.mapped_drug(system, code):
                return True, Medicine(self.guideline.drugs[mapped], True)
            product = self.guideline.product(code, system)
            if product is not None:
                drug = self.guideline.drugs.get(product.drug)
                if drug is None:
                    return True, None
                medicine = Medicine(drug, True, product.strength, product.per_ml, product.route, product.systemic)
                is_product = product.strength is not None or product.per_ml is not None or drug.counts_as is not None
                found.append((is_product, system, medicine))
            elif drug_id := self.guideline.drug_of(system, code):
                found.append((False, system, Medicine(self.guideline.drugs[drug_id], True)))
            elif system in DRUG_SYSTEMS:
                if LOCAL_USE in self.guideline.sets_of(system, code):
                    return True, None
                unknown.append((system, code, display))
        if not found:
            return False, None
        products = [medicine for is_product, _, medicine in found if is_product]
        if products:
            return True, products[0] if len({medicine.drug.id for medicine in products}) == 1 else None
        return True, self._of_ingredients([(system, medicine) for _, system, medicine in found], unknown)

    def _of_ingredients(
        self, found: list[tuple[str, Medicine]], unknown: list[tuple[str, str, str]]
    ) -> Medicine | None:
        """What codes of ingredients make together. Codes of different systems that disagree make nothing."""
        drugs = {medicine.drug.id for _, medicine in found}
        besides = [self._beside(Concept(((system, code),), (), (display,))) for system, code, display in unknown]
        strange = any(
            beside is None and self._is_another(system, display, drugs, found)
            for (system, _, display), beside in zip(unknown, besides, strict=True)
        )
        beside = set(filter(None, besides))
        if len(drugs) == 1 and not strange and not beside:
            return found[0][1]
        by_system: dict[str, set[str]] = {}
        for system, medicine in found:
            by_system.setdefault(system, set()).add(medicine.drug.id)
        if drugs not in by_system.values():
            return None
        combined = self._combined(drugs, beside, strange)
        return Medicine(self.guideline.drugs[combined], True) if combined else None

    def _is_another(self, system: str, display: str, drugs: set[str], found: list[tuple[str, Medicine]]) -> bool:
        """Whether a code of no table, beside those of ingredients, is one more ingredient.

        The RxNorm table has every product of our drugs, so that what it has not is none of them.
        """
        named = self._drug_in[display] if display else None
        if named in drugs:
            return False
        around = set(_TOKEN.findall(fold(display)))
        if named is not None or not around.isdisjoint(self.other_ingredients):
            return True
        return system == RXNORM and any(system == RXNORM for system, _ in found)

    def _mixed(self, mixture: Mixture) -> tuple[bool, Medicine | None]:
        if mixture.medicine is None:
            mixture.medicine = self._by_ingredients(mixture.ingredients)
        return mixture.medicine

    def _by_ingredients(self, ingredients: tuple[Ingredient, ...]) -> tuple[bool, Medicine | None]:
        """By the ingredients of a Medication, several of which are a combination; known where all are."""
        drugs, coded, strange, beside = self._drugs_of(ingredients)
        if not drugs:
            return False, None
        combined = self._combined(drugs, beside, strange)
        return True, Medicine(self.guideline.drugs[combined], coded) if combined else None

    def _drugs_of(self, ingredients: tuple[Ingredient, ...]) -> tuple[set[str], bool, bool, set[str]]:
        """The drugs among ingredients, whether each is told by a code, whether one is in no table, and what is beside.

        Beside drugs: an ingredient that is none, of a combination that is one.
        """
        drugs: set[str] = set()
        besides: set[str] = set()
        coded = True
        strange = False
        for ingredient in ingredients:
            _, medicine = self._by_code(ingredient.concept) if ingredient.concept.codes else (False, None)
            if medicine is None:
                medicine = self._by_text(with_unknown(ingredient.concept, self._knows).texts)
                coded = coded and medicine is None
            if medicine is not None:
                drugs.add(medicine.drug.id)
            elif beside := self._beside(ingredient.concept):
                besides.add(beside)
            else:
                strange = True
        return drugs, coded, strange, besides

    def _beside(self, said: Concept) -> str | None:
        """What an ingredient is that is no drug of ours, but part of a combination that is one."""
        if not _CAFFEINE_CODES.isdisjoint(said.codes):
            return "caffeine"
        return next(
            (name for text in (*said.texts, *said.displays) for name in self._besides(self._words_in[text])), None
        )

    def _besides(self, tokens: Iterable[str]) -> set[str]:
        """Those of some words that name what is no drug of ours, but part of a combination that is one."""
        return {"caffeine" if token in _CAFFEINE else token for token in tokens} & self.besides

    def _by_text(self, texts: tuple[str, ...]) -> Medicine | None:
        return self._only_drug(self._told[texts].drugs)

    def _only_drug(self, drugs: frozenset[str]) -> Medicine | None:
        if len(drugs) != 1 or "" in drugs:
            return None
        return Medicine(self.guideline.drugs[next(iter(drugs))], False)

    def _in_texts(self, texts: tuple[str, ...]) -> "_Told":
        drugs = {self._drug_in[text] for text in texts}
        return _Told(frozenset(drug for drug in drugs if drug is not None), any(map(self._says_local, texts)))

    def _strengths_in_texts(self, texts: tuple[str, ...]) -> "_Strengths":
        found = [_strengths(text) for text in texts]
        return frozenset().union(*(single for single, _ in found)), frozenset().union(*(ml for _, ml in found))

    def _in_text(self, text: str) -> str | None:
        """The drug a text names: its id, ``""`` for what is none of ours, ``None`` for nothing known."""
        found, tokens, strange = self._named_in(text)
        if not found:
            return None
        if "" in found:
            return ""
        return self._combined(found, tokens, strange)

    def _combined(self, found: set[str], tokens: Iterable[str], strange: bool) -> str:
        """The drug that several names in one text make together, ``""`` where it is a combination we do not list."""
        if _COMBINED_ANYHOW in found:
            return _COMBINED_ANYHOW
        parts = found | self._besides(tokens)
        if combination := self.combinations.get(frozenset(parts)):
            return combination
        return "" if len(found) > 1 or strange or parts != found else next(iter(found))

    def _named_in(self, text: str) -> tuple[set[str], list[str], bool]:
        """Every drug a text names, its words, and whether it names one more that is in no table."""
        text = unelided(fold(text))
        found: set[str] = set()
        if self.unspaced and UNSPACED.search(text):
            found, text = self._unspaced_in(text)
        tokens = _TOKEN.findall(text)
        strange = _TWO_STRENGTHS.search(text) is not None or _COMPOUND in text
        index = 0
        while index < len(tokens):
            length, drugs = self._name_at(tokens, index)
            if not drugs:
                strange = strange or tokens[index] in self.other_ingredients
                index += 1
                continue
            found.update(drugs)
            strange = strange or self._is_joined(tokens, index, index + length)
            index += length
        return found, tokens, strange

    def _unspaced_in(self, text: str) -> tuple[set[str], str]:
        """The drugs named in a script without spaces, and the text without their names."""
        found: set[str] = set()
        for name, drugs in self.unspaced:
            if name in text:
                found.update(drugs)
                text = text.replace(name, " ")
        return found, text

    def _name_at(self, tokens: list[str], index: int) -> tuple[int, tuple[str, ...]]:
        """How many tokens the name at a place has, and its drugs; none where there is no name."""
        token = tokens[index]
        if token not in self.names and (base := self._without_ending(token)):
            token = base
            tokens = [*tokens[:index], token, *tokens[index + 1 :]]
        for name, drugs in self.names.get(token, ()):
            end = index + len(name)
            if tuple(tokens[index:end]) == name and (
                name not in self.beside_dose or any(token[0].isdigit() for token in tokens[end : end + 2])
            ):
                return len(name), drugs
        return 1, ()

    def _without_ending(self, token: str) -> str | None:
        """A name without its Latin ending, or without the salt that some languages write in one word with it."""
        if not token.endswith(_ENDINGS):
            return None
        bases = (match[1] for ending in (_LATIN, _SALT) if (match := ending.fullmatch(token)))
        return next((name for base in bases for name in (base, f"{base}e") if name in self.names), None)

    def _is_joined(self, tokens: list[str], start: int, end: int) -> bool:
        """Whether a name stands in a combination with a word that is neither a listed drug nor salt, form or dose."""
        before = start - 1
        after = end
        while after < len(tokens) and _is_neutral(tokens[after]):
            after += 1
        partners = []
        if after + 1 < len(tokens) and tokens[after] in _JOINS:
            partners.append((tokens[after], after + 1))
        if before > 0 and tokens[before] in _JOINS:
            partners.append((tokens[before], before - 1))
        return any(
            not _is_neutral(tokens[at])
            and not self._name_at(tokens, at)[1]
            and not (join == "-" and self._is_maker(tokens[at]))
            for join, at in partners
        )

    def _is_maker(self, word: str) -> bool:
        """Whether a word that a hyphen joins to a drug's name is its maker's, not another drug's."""
        return word in MAKERS or not (word in self.other_ingredients or SOUNDS_LIKE_A_DRUG.search(word))

    def _says_no_product(self, said: Concept, beside: tuple[str, ...]) -> bool:
        for system, code in said.codes:
            generic = GENERIC_TOXIN in self.guideline.sets_of(system, code)
            if not generic and (self.guideline.drug_of(system, code) or self.guideline.product(code, system)):
                return False
        return not any(_names_toxin_product(text) for text in (*said.texts, *said.displays, *beside))

    def co_medications(self, named: NamedMedicine) -> frozenset[str]:
        """The co-medication groups (``maoi``...) a medicine belongs to, by code, display, text or ingredient."""
        groups = self._groups_of[named.concept]
        if named.mixture is not None:
            groups |= self._groups_in(named.mixture)
        return groups | self._groups_of[Concept((), named.beside, ())] if named.beside else groups

    def _groups_in(self, mixture: Mixture) -> frozenset[str]:
        if mixture.groups is None:
            of_each = [self._groups_of[ingredient.concept] for ingredient in mixture.ingredients]
            mixture.groups = NO_GROUPS.union(*of_each)
        return mixture.groups

    def _groups(self, said: Concept) -> frozenset[str]:
        groups: set[str] = set()
        for system, code in said.codes:
            if system in DRUG_SYSTEMS:
                groups |= self.guideline.sets_of(system, code).intersection(self.guideline.co_medication_words)
        for text in {*said.texts, *said.displays}:
            for word in self._words_in[text]:
                groups |= self.groups.get(word, NO_GROUPS)
        return frozenset(groups)


NO_GROUPS: frozenset[str] = frozenset()


def _is_salt(said: Concept) -> bool:
    return any(fold(text).endswith(_SALT_ENDINGS) for text in (*said.texts, *said.displays))


def _is_neutral(token: str) -> bool:
    return token in NEUTRAL or token[0].isdigit()


def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(unelided(fold(text))))


def _names_toxin_product(text: str) -> bool:
    return TOXIN_PRODUCT.search(text.lower()) is not None


def _only(values: frozenset[float]) -> float | None:
    return next(iter(values)) if len(values) == 1 else None


MOST_STRENGTH = 1e7  # mg or units in a piece or a mL


def _strengths(text: str) -> _Strengths:
    """Strengths per countable unit and per mL, in mg or units, that a text names."""
    single: set[float] = set()
    per_ml: set[float] = set()
    for amount, unit, per, said in _STRENGTH.findall(fold(text)):
        if _UNSURE.fullmatch(amount):
            continue
        value, volume = _number(amount) * _milligrams(unit), _number(said or "0")
        if not per:
            single.add(value)
        elif not said:
            per_ml.add(value)
        elif volume:
            single.add(value)
            per_ml.add(value / volume)
    if any(not 0 <= value <= MOST_STRENGTH for value in single | per_ml):
        raise Unreadable("strength: beyond what medicine knows")
    return frozenset(single), frozenset(per_ml)


def _milligrams(unit: str) -> float:
    return MILLIGRAMS["ug"] if unit.startswith(("microgram", "mikrogram")) else MILLIGRAMS.get(unit, 1.0)


def _number(text: str) -> float:
    text = text.replace(" ", "")
    head, comma, tail = text.rpartition(",")
    if comma and len(tail.partition(".")[0]) == 3 and text[0] != "0":
        return float(text.replace(",", ""))
    return float(f"{head}.{tail or 0}") if comma else float(text)


@per_guideline
def lexicon_of(guideline: Guideline) -> Lexicon:
    """The lexicon of a guideline."""
    return Lexicon(guideline)
