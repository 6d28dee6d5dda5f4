"""Code systems by URL, and CodeableConcepts read as the codes we know and the words that stand in for the others.

A code of a known system is judged by the code alone. The display of any other system counts as text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from prodrome.fhir_mappers.elements import JsonObject, read_object, read_objects, read_text
from prodrome.rules.guideline import Guideline

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
LOINC = "http://loinc.org"
CPT = "http://www.ama-assn.org/go/cpt"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DIARY = "https://example.org/prodrome/CodeSystem/headache-diary"  # a site that has its own renames it here

DRUG_SYSTEMS = frozenset({RXNORM, ATC, SNOMED})
DIAGNOSIS_SYSTEMS = frozenset({ICD10CM, ICD10, SNOMED})

_OTHER_KNOWN = (
    "http://nucc.org/provider-taxonomy",
    "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason",
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "http://terminology.hl7.org/CodeSystem/condition-ver-status",
)
SYSTEMS: Mapping[str, str] = {
    **{url: url for url in (RXNORM, ATC, SNOMED, ICD10CM, ICD10, LOINC, CPT, ACT_CODE, DIARY, *_OTHER_KNOWN)},
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
}
"""Every system we know, by each of its addresses."""

WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
LONGEST_TEXT = 2000  # characters of one text that are looked at

Code = tuple[str, str]  # system, code


class Concept(NamedTuple):
    """A CodeableConcept as read: codes of known systems, the words of all else, and how the chart words it."""

    codes: tuple[Code, ...]
    texts: tuple[str, ...]
    displays: tuple[str, ...]

    @property
    def label(self) -> str:
        """What a reader of the chart sees."""
        return (self.texts or self.displays or ("",))[0]


NOTHING = Concept((), (), ())


def concept(value: JsonObject | None) -> Concept:
    """Read a CodeableConcept. Raises Unreadable for wrong types in it."""
    if value is None:
        return NOTHING
    text = read_text(value, "text")
    return _concept(read_objects(value, "coding"), (text[:LONGEST_TEXT],) if text else ())


def coding(value: JsonObject) -> Concept:
    """Read a single Coding as a Concept. Raises Unreadable for wrong types in it."""
    return _concept((value,), ())


def _concept(codings: Sequence[JsonObject], texts: tuple[str, ...]) -> Concept:
    codes: tuple[Code, ...] = ()
    displays: tuple[str, ...] = ()
    for value in codings:
        system, code, display = value.get("system"), value.get("code"), value.get("display")
        if not (type(system) is type(code) is type(display) is str):
            system, code, display = read_text(value, "system"), read_text(value, "code"), read_text(value, "display")
        known = SYSTEMS.get(system) if system else None
        if known is None:
            texts += (display[:LONGEST_TEXT],) if display else ()
            continue
        if code:
            codes += ((known, code),)
        if display:
            displays += (display[:LONGEST_TEXT],)
    return Concept(codes, texts, displays)


def read_concept(parent: Mapping[str, Any], name: str) -> Concept:
    """The CodeableConcept ``name`` of a resource. Raises Unreadable."""
    return concept(read_object(parent, name)) if name in parent else NOTHING


def read_concepts(parent: Mapping[str, Any], name: str) -> list[Concept]:
    """The CodeableConcepts of a list element. Raises Unreadable."""
    return [concept(item) for item in read_objects(parent, name)]


def status_codes(parent: Mapping[str, Any], name: str) -> frozenset[str]:
    """The bare codes of a status given as CodeableConcept (or, before R4, as a code)."""
    if type(parent.get(name)) is str:
        text = read_text(parent, name)
        return frozenset({text} if text else ())
    value = read_object(parent, name)
    if value is None:
        return frozenset()
    codes = (read_text(item, "code") for item in read_objects(value, "coding"))
    return frozenset(code for code in codes if code)


def sets_of(guideline: Guideline, codes: tuple[Code, ...]) -> frozenset[str]:
    """The names of all code sets that any of the codes is in."""
    if not codes:
        return NO_SETS
    if len(codes) == 1:
        return guideline.sets_of(*codes[0])
    return frozenset(name for system, code in codes for name in guideline.sets_of(system, code))


NO_SETS: frozenset[str] = frozenset()


def words_of(texts: tuple[str, ...]) -> set[str]:
    """The lower-case words of some texts."""
    return {word for text in texts for word in WORD.findall(text.lower())}
