"""How a resource names its medicine, references and ingredients followed, and what one is once it is recognised."""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DRUG_SYSTEMS, locate, plain_code
from prodrome.fhir_mappers.codes import NOTHING, Code, Concept, concept, in_words, read_concept
from prodrome.fhir_mappers.elements import (
    JsonObject,
    Unreadable,
    read_number,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from prodrome.rules import MILLIGRAMS, TOXIN_UNITS
from prodrome.rules.guideline import Drug


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


class Ingredient(NamedTuple):
    """One ingredient of a Medication, and mg (or units) of it in one tablet, puff or syringe, or in one mL."""

    concept: Concept
    strength: float | None = None
    per_ml: float | None = None


class Mixture:
    """The active ingredients of a Medication, and what was made of them: once, for many rows may refer to it."""

    def __init__(self, ingredients: tuple[Ingredient, ...]) -> None:
        self.ingredients = ingredients
        self.medicine: tuple[bool, Medicine | None] | None = None
        self.groups: frozenset[str] | None = None


CONCEPT = "medicationCodeableConcept"


class NamedMedicine(NamedTuple):
    """How a resource names its medicine, before any recognition: its concept, and the form and contents of it.

    These may be of a Medication that many rows share; ``beside`` is what a row says itself beside its reference.
    """

    concept: Concept
    form: Concept = NOTHING
    mixture: Mixture | None = None
    beside: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What a reader of the chart sees."""
        return self._whole.label

    @property
    def written(self) -> str:
        """The label with the codes behind it."""
        return self._whole.written

    @property
    def _whole(self) -> Concept:
        return self.concept._replace(texts=self.concept.texts + self.beside) if self.beside else self.concept


def read_named(chart: Chart, resource: JsonObject) -> NamedMedicine:
    """The medicine element of a statement, request or administration (R4 and R5), references followed.

    Raises Unreadable where a reference leads nowhere and nothing else names the medicine.
    """
    own = read_concept(resource, CONCEPT)
    reference = read_object(resource, "medicationReference")
    if own is NOTHING and reference is None and (medication := read_object(resource, "medication")) is not None:  # R5
        own, reference = read_concept(medication, "concept"), read_object(medication, "reference")
    if reference is None:
        return NamedMedicine(in_words(own))
    display = read_text(reference, "display")
    said = (*own.texts, *((display,) if display else ()))
    key = read_reference(reference)
    target = chart.resolve(key, resource)
    if target is None:
        codes = _identified(reference)
        if key and not said and not codes and not own.codes:
            raise Unreadable("medication: the Medication it refers to did not come")
        return NamedMedicine(Concept(own.codes + codes, said, own.displays + ("",) * len(codes)))
    contained = resource.get("contained")  # a contained one may refer to its neighbours
    is_own = any(target is each for each in (contained if type(contained) is list else [contained]))
    named = _medication(chart, target, resource) if is_own else chart.once(_medication, target)
    if own.codes:  # both are allowed: a code of the house beside the Medication that says what it is
        codes, texts, displays = named.concept
        named = named._replace(concept=Concept(own.codes + codes, texts, own.displays + displays))
    return named._replace(beside=said) if said and said[0] not in named.concept.texts else named


def _medication(chart: Chart, medication: JsonObject, within: JsonObject | None = None) -> NamedMedicine:
    form = read_concept(medication, "form" if "form" in medication else "doseForm")  # R5
    ingredients = _ingredients(chart, medication, within or medication, _DEPTH, count(1))
    code = _code_of(medication)
    if ingredients and code == NOTHING and all(each.concept == NOTHING for each in ingredients):
        raise Unreadable("ingredient: the Medication it refers to did not come")
    return NamedMedicine(code, form, Mixture(ingredients) if ingredients else None)


def _code_of(medication: JsonObject) -> Concept:
    """What a Medication is: by its code and its identifiers, which are its name too where no words are."""
    code = read_concept(medication, "code")
    if codes := _identified(medication, local=not (code.texts or any(code.displays))):
        code = code._replace(codes=(*code.codes, *codes), displays=(*code.displays, *("" for _ in codes)))
    return in_words(code)


def _identified(parent: JsonObject, *, local: bool = False) -> tuple[Code, ...]:
    """The product codes that stand as identifiers: a pharmacy's NDC is the number of its product.

    ``local``: those of systems that our tables do not read, too.
    """
    identifiers = parent.get("identifier")
    found: list[Code] = []
    for each in identifiers if type(identifiers) is list else [identifiers]:
        system, value = (each.get("system"), each.get("value")) if type(each) is dict else (None, None)
        if not type(system) is type(value) is str:
            continue
        located = locate(system)
        if located.system in DRUG_SYSTEMS or (local and not located.known):
            found.append((located.system, plain_code(located.system, value)))
    return tuple(found)


_DEPTH = 3  # Medications inside Medications that are followed


MOST_INGREDIENTS = 100  # of one medicine, Medications inside it included: a multivitamin has some forty


def _ingredients(
    chart: Chart, medication: JsonObject, within: JsonObject, depth: int, number: Iterator[int]
) -> tuple[Ingredient, ...]:
    """The active ingredients of a Medication, those that are Medications themselves by what they hold.

    ``number`` counts them. Raises Unreadable where they are too many.
    """
    found: list[Ingredient] = []
    for each in read_objects(medication, "ingredient"):
        if next(number) > MOST_INGREDIENTS:
            raise Unreadable(f"ingredient: more than {MOST_INGREDIENTS}")
        if each.get("isActive") is False:
            continue
        item = read_object(each, "itemCodeableConcept")
        reference = read_object(each, "itemReference")
        if item is None and reference is None and (r5 := read_object(each, "item")) is not None:
            item, reference = read_object(r5, "concept"), read_object(r5, "reference")
        strength, per_ml = _ingredient_strength(each)
        said = concept(item)
        if reference is not None:
            target = chart.resolve(read_reference(reference), within)
            if target is None:
                target = chart.resolve(read_reference(reference), medication)
            display = read_text(reference, "display")
            texts = said.texts + ((display,) if display else ())
            if target is not None and depth:
                known = read_concept(target, "code")
                if not known.codes and not known.texts:
                    inner = _ingredients(chart, target, within, depth - 1, number)
                    if inner:
                        found += inner
                        continue
                known = _code_of(target)
                said = Concept(said.codes + known.codes, texts + known.texts, said.displays + known.displays)
            else:
                said = said._replace(texts=texts)
        found.append(Ingredient(said, strength, per_ml))
    return tuple(found)


_STRENGTH_RATIOS = ("strength", "strengthRatio", "amount")  # R4, R5, STU3


def _ingredient_strength(ingredient: JsonObject) -> tuple[float | None, float | None]:
    """Strength per piece and per mL: a ratio of a mass or units to pieces or a volume [R5: a quantity too]."""
    ratio = next((found for name in _STRENGTH_RATIOS if (found := read_object(ingredient, name))), None)
    over = None
    if ratio is not None:
        amount, over = read_object(ratio, "numerator"), read_object(ratio, "denominator")
    else:
        amount = read_object(ingredient, "strengthQuantity")
    value, unit = _measure(amount)
    if value is None or (unit not in MILLIGRAMS and unit not in TOXIN_UNITS):
        return None, None
    value *= MILLIGRAMS.get(unit, 1.0)
    count, per = _measure(over)
    if count is not None and per in ("ml", "milliliter"):
        return (value, value / count) if count > 1 else (None, value / count)
    return value / (count or 1.0), None


def _measure(quantity: JsonObject | None) -> tuple[float | None, str]:
    """A positive number and its unit in lower case, by code else by word."""
    value = read_number(quantity, "value") if quantity else None
    if quantity is None or value is None or value <= 0:
        return None, ""
    said = [read_text(quantity, name) for name in ("code", "unit")]
    units = [each.strip().lower() for each in said if each]
    return value, next((unit for unit in units if unit in MILLIGRAMS), units[0] if units else "")
