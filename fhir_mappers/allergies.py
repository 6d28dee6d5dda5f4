"""Active allergies and intolerances to the drugs of the tables, by code or text."""

import re
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import Concept, read_concept, sets_of, status_codes, with_unknown
from prodrome.fhir_mappers.elements import JsonObject, read_object, read_objects, read_text
from prodrome.fhir_mappers.medications import Lexicon, lexicon_of
from prodrome.fhir_mappers.named_medicines import NamedMedicine
from prodrome.fhir_mappers.phrases import fold, found_in, phrases_of, unelided
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.rules import Allergy, per_guideline
from prodrome.rules.guideline import ATC, SNOMED, Guideline

_ALLERGY_TYPES = frozenset({"allergy", "intolerance"})
_NOT_SO = frozenset({"refuted", "entered-in-error"})
OVER = frozenset({"inactive", "resolved", "refuted"})
_NSAID = "nsaid"
NSAID_CODES = "nsaid_hypersensitivity"  # code set: a hypersensitivity to the whole class
CLASS = "class."  # of the phrases that name a class of drugs


_Drugs = frozenset[tuple[str, tuple[str, ...]]]  # each with all drugs of the product that was named, where it is in one
_Named = tuple[tuple[bool, str, tuple[str, ...]], ...]  # the same, with whether a code names it
_OTHERS = ("",)  # of a product: what the tables do not know


class _Substance(NamedTuple):
    """What the coded elements of an allergy say: the drugs it names, and whether its words deny it.

    ``holds`` is False for one that is over, or never was.
    """

    holds: bool
    drugs: _Named = ()
    denied: bool = False
    written: str = ""


def read_allergies(chart: Chart, lexicon: Lexicon) -> list[Allergy]:
    """Allergies to single drugs, to each drug of a class, and to NSAIDs as a class."""
    allergies: list[Allergy] = []
    chart.each("AllergyIntolerance", partial(_read, chart, lexicon, _substances(chart.guideline), allergies))
    return allergies


def _read(
    chart: Chart,
    lexicon: Lexicon,
    substances: ElementMemory[_Substance],
    allergies: list[Allergy],
    ref: str,
    resource: JsonObject,
) -> None:
    said = substances.of(resource)
    if not said.holds:
        return
    found, words = said.drugs, [said.written]
    if not found and not said.denied:
        concepts = [read_concept(each, "substance") for each in read_objects(resource, "reaction")]
        found = _named_by(concepts, lexicon)
        words += [concept.written for concept in concepts]
    if found:
        refs = (ref,) if ref else ()
        allergies.extend(Allergy(drug, _type(resource), coded, refs, within) for coded, drug, within in found)
        chart.understood("AllergyIntolerance", "substance")
    else:
        chart.puzzled("AllergyIntolerance", "substance", "is in no table", ref, "; ".join(filter(None, words)))


@per_guideline
def _substances(guideline: Guideline) -> ElementMemory[_Substance]:
    names = ("clinicalStatus", "status", "verificationStatus", "code", "substance")
    return ElementMemory(partial(_substance, guideline), *names)


def _substance(guideline: Guideline, allergy: JsonObject) -> _Substance:
    status = status_codes(allergy, "clinicalStatus" if "clinicalStatus" in allergy else "status", guideline)  # DSTU2
    verified = status_codes(allergy, "verificationStatus", guideline)
    if not status.isdisjoint(OVER | _NOT_SO) or not verified.isdisjoint(_NOT_SO):
        return _Substance(holds=False)
    said = read_concept(allergy, "code" if "code" in allergy else "substance")  # DSTU2
    return _Substance(True, _named_by([said], lexicon_of(guideline)), _denies(said), said.written)


def _named_by(concepts: Iterable[Concept], lexicon: Lexicon) -> _Named:
    """The drugs that some concepts name, and whether a code does."""
    meant = [_meant(said, lexicon) for said in concepts]
    return tuple((coded, drug, within) for coded, drugs in meant for drug, within in sorted(drugs))


# "No known allergy to NSAIDs", in several languages; that somebody cannot tolerate a drug is no denial.
_NO_ALLERGY = re.compile(
    r"\b(?:no|not|denies|without|kein\w*|nicht|geen|niet|aucune?|pas|sans|ningun\w*|sin|niega|nessun\w*|nega|non|sem|"
    r"nao|nega|ingen|inga|ikke|inte|ei|brak|zadn\w*)(?: [^\W_]+){0,3}? (?:al+erg|hypersens|ipersens|hipersens|uberempf|"
    r"overgevoel|overfols|overfols|uczul|yliherk)\w*"
)
_LIST = re.compile(r"[,;]")
_BRACKETS = re.compile(r"[(\[][^)\]]*")
_BUT = re.compile(r"\b(?:but|except|aber|ausser|sauf|mais|salvo|pero|tranne|behalve|maar)\b")


def _denies(said: Concept) -> bool:
    """Whether the words of an allergy say that there is none."""
    texts = [unelided(fold(text)) for text in (*said.texts, *said.displays)]
    return any(_NO_ALLERGY.search(text) and not _BUT.search(text) for text in texts)


def _meant(said: Concept, lexicon: Lexicon) -> tuple[bool, _Drugs]:
    """Whether a code says to what somebody is allergic, and to which drugs (or to NSAIDs)."""
    guideline = lexicon.guideline
    if NSAID_CODES in sets_of(guideline, said.codes):
        return True, _alone({_NSAID})
    named = {to for system, code in said.codes if system == SNOMED and (to := guideline.allergy_to(code))}
    if named:
        return True, _alone(frozenset().union(*(_members(guideline, to) for to in named)))
    if grouped := frozenset(drug for code in said.codes for drug in _of_atc_group(guideline, *code)):
        return True, _alone(grouped)
    if _denies(said):
        return False, frozenset()
    medicine = lexicon.recognise(NamedMedicine(said))
    if medicine and medicine.coded:
        return True, _held(said, lexicon)
    texts = with_unknown(said, guideline.sets_of).texts
    return False, frozenset().union(*(_worded(text, lexicon) for text in texts)) or _held(said, lexicon)


def _alone(drugs: Iterable[str]) -> _Drugs:
    return frozenset((drug, ()) for drug in drugs)


def _held(said: Concept, lexicon: Lexicon) -> _Drugs:
    """The drug that a concept names, and what a product holds of the tables' drugs, each within it."""
    named = NamedMedicine(said)
    medicine = lexicon.recognise(named)
    parts = [drug.id for drug in lexicon.parts(named)] if medicine is None or medicine.drug.is_last_resort else []
    if medicine is None:
        whole = tuple(parts) if len(parts) > 1 else (*parts, *_OTHERS)
        return frozenset((part, whole) for part in parts)
    drug = medicine.drug
    inner = {*parts, *drug.contains, drug.counts_as or drug.id} - {drug.id}
    return frozenset({(drug.id, ()), *((part, (drug.id,)) for part in inner)})


def _worded(text: str, lexicon: Lexicon) -> _Drugs:
    """The drugs of a text: of a class that it names, and those it names themselves.

    A class in brackets beside a drug says what the drug is: "Ibuprofen (NSAID)".
    """
    text = _BUT.split(fold(text))[0]
    named = _named_in(text, lexicon)
    classes = found_in(_BRACKETS.sub(" ", text) if named else text, _class_names(lexicon.guideline))
    return named.union(*(_alone(_members(lexicon.guideline, to.removeprefix(CLASS))) for to in classes))


def _named_in(text: str, lexicon: Lexicon) -> _Drugs:
    """The drug or product that a text names, or each of several that it lists."""
    whole = Concept((), (text,), ())
    if lexicon.recognise(NamedMedicine(whole)):
        return _held(whole, lexicon)
    return frozenset().union(*(_held(Concept((), (name,), ()), lexicon) for name in _LIST.split(text)))


_ATC_GROUP = re.compile(r"C07|[A-Z]\d\d[A-Z]{1,2}")  # of three characters one alone is a class: beta blockers
_ATC_NSAIDS = "M01A"


def _of_atc_group(guideline: Guideline, system: str, code: str) -> Iterable[str]:
    """The drugs of a group of ATC (C07AA: some beta blockers), or NSAIDs as a class."""
    if system != ATC or not _ATC_GROUP.fullmatch(code):
        return ()
    if code == _ATC_NSAIDS:
        return (_NSAID,)
    drugs = guideline.drugs.values()
    return [drug.id for drug in drugs if any(one.startswith(code) for one in drug.codes.get("atc", ()))]


_class_names = phrases_of(CLASS)


def _members(guideline: Guideline, to: str) -> frozenset[str]:
    """The drugs that an allergy to a drug or to a class speaks against; NSAIDs stay one."""
    if to == _NSAID or to in guideline.drugs:
        return frozenset({to})
    return frozenset(guideline.allergy_classes.get(to, ()))


def _type(resource: JsonObject) -> str | None:
    if type(resource.get("type")) is dict:  # R5
        codings = read_objects(read_object(resource, "type") or {}, "coding")
        said = [read_text(each, "code") for each in codings]
    else:
        said = [read_text(resource, "type")]
    return next((each for each in said if each in _ALLERGY_TYPES), None)
