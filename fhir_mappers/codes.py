"""CodeableConcepts read as codes and as the words that stand in for codes that say nothing.

A code that a table knows is judged by the code alone. The display of any other code counts as text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from prodrome.fhir_mappers.code_systems import locate, plain_code
from prodrome.fhir_mappers.elements import JsonObject, Unreadable, read_object, read_objects, read_text
from prodrome.fhir_mappers.phrases import found_in, phrases_of
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.rules import per_guideline
from prodrome.rules.guideline import Guideline

LONGEST_TEXT = 2000  # characters of one text that are looked at
MOST_CODINGS = 50  # of one concept: records that translate into every dictionary they have send some forty

Code = tuple[str, str]  # system, code


class Concept(NamedTuple):
    """A CodeableConcept as read: its codes, its words, and how the chart words its codes.

    ``displays`` stand beside ``codes``, one for one. The display of a system that our tables do not read is among
    ``texts`` instead; that of a code which the tables of its system do not have is added by :func:`with_unknown`.
    """

    codes: tuple[Code, ...]
    texts: tuple[str, ...]
    displays: tuple[str, ...]

    @property
    def label(self) -> str:
        """What a reader of the chart sees."""
        return next((text for text in (*self.texts, *self.displays) if text), "")

    @property
    def written(self) -> str:
        """The label with the codes behind it, for whoever looks for what to map."""
        codes = ", ".join(f"{system}|{code}" for system, code in self.codes[:MOST_WRITTEN])
        return f"{self.label} [{codes}]".strip() if codes else self.label


MOST_WRITTEN = 3
# A row of the International Patient Summary that stands for a list nobody has: "no-problem-info". It is no empty list.
_NO_INFORMATION = re.compile(r"/absent-unknown[^|]*\|no-[a-z]+-info$")
NOTHING = Concept((), (), ())


def concept(value: JsonObject | None) -> Concept:
    """Read a CodeableConcept. Raises Unreadable for wrong types in it."""
    return NOTHING if value is None else _CONCEPTS(value)


def _concept(value: JsonObject) -> Concept:
    text = read_text(value, "text")
    return _of_codings(read_objects(value, "coding"), (text[:LONGEST_TEXT],) if text else ())


_CONCEPTS = ElementMemory(_concept)


def coding(value: JsonObject) -> Concept:
    """Read a single Coding as a Concept. Raises Unreadable for wrong types in it."""
    return _CODINGS(value)


def _coding(value: JsonObject) -> Concept:
    return _of_codings((value,), ())


_CODINGS = ElementMemory(_coding)


def _of_codings(codings: Sequence[JsonObject], texts: tuple[str, ...]) -> Concept:
    codes: list[Code] = []
    words = list(texts)
    displays: list[str] = []
    if len(codings) > MOST_CODINGS:
        raise Unreadable(f"coding: more than {MOST_CODINGS}")
    for value in codings:
        system, code, display = value.get("system"), value.get("code"), value.get("display")
        if not (type(system) is type(code) is type(display) is str):
            system, code, display = read_text(value, "system"), read_text(value, "code"), read_text(value, "display")
        said = display[:LONGEST_TEXT] if display else ""
        located = locate(system) if system else None
        if located is not None and code:
            if not located.known and _NO_INFORMATION.search(f"{system}|{code}"):
                raise Unreadable("coding: says that nothing is known")
            codes.append((located.system, plain_code(located.system, code)))
            displays.append(said if located.known else "")
        if said and (located is None or not located.known or not code):
            words.append(said)
    return Concept(tuple(codes), tuple(words), tuple(displays))


def in_words(said: Concept) -> Concept:
    """The concept with its codes of local systems as its words, where it has no others: some charts code by name."""
    if not said.codes or said.texts or any(said.displays):
        return said
    return said._replace(texts=tuple(code for system, code in said.codes if not locate(system).known))


def with_unknown(said: Concept, known: Callable[[str, str], object]) -> Concept:
    """The concept with the displays of the codes that are not ``known(system, code)`` counted as text; see in_words."""
    said = in_words(said)
    unknown = [display for code, display in zip(said.codes, said.displays, strict=True) if display and not known(*code)]
    return said._replace(texts=(*said.texts, *unknown)) if unknown else said


def read_concept(parent: Mapping[str, Any], name: str) -> Concept:
    """The CodeableConcept ``name`` of a resource. Raises Unreadable."""
    return concept(read_object(parent, name)) if name in parent else NOTHING


def read_concepts(parent: Mapping[str, Any], name: str) -> list[Concept]:
    """The CodeableConcepts of a list element. Raises Unreadable."""
    return [concept(item) for item in read_objects(parent, name)]


# SNOMED CT, as C-CDA has the status of a problem and FHIR maps that of a condition.
_STATUS = {
    **dict.fromkeys(("55561003", "90734009", "7087005"), "active"),  # active, chronic, intermittent
    **dict.fromkeys(("246455001", "255227004"), "recurrence"),
    "263855007": "relapse",
    "73425007": "inactive",
    "277022003": "remission",
    "413322009": "resolved",
    **dict.fromkeys(("410516002", "410594000"), "refuted"),  # known absent, definitely not present
    "723510000": "entered-in-error",
}


_STATUSES = frozenset((*_STATUS.values(), "unconfirmed", "confirmed", "provisional", "differential"))
_STATUS_WORD = "status."  # of the phrases that name a status where no code does
_status_words = phrases_of(_STATUS_WORD)


def status_codes(parent: Mapping[str, Any], name: str, guideline: Guideline) -> frozenset[str]:
    """The bare codes of a status given as CodeableConcept (or, before R4, as a code), those of SNOMED CT as FHIR's.

    Where none of them is one of FHIR's, the words of the status speak.
    """
    return _statuses(guideline)({name: parent[name]}) if name in parent else _NO_STATUS


_NO_STATUS: frozenset[str] = frozenset()


@per_guideline
def _statuses(guideline: Guideline) -> ElementMemory[frozenset[str]]:
    return ElementMemory(partial(_status_of, guideline))


def _status_of(guideline: Guideline, status: JsonObject) -> frozenset[str]:
    """The codes of the only element of *status*."""
    ((name, value),) = status.items()
    if type(value) is str:
        text = read_text(status, name)
        return frozenset({text.lower()} if text else ())
    value = read_object(status, name)
    if value is None:
        return _NO_STATUS
    codings = read_objects(value, "coding")
    codes = (read_text(item, "code") for item in codings)
    found = frozenset(_STATUS.get(code, code.lower()) for code in codes if code)
    if not found.isdisjoint(_STATUSES):
        return found
    texts = [read_text(value, "text"), *(read_text(item, "display") for item in codings)]
    wanted = _status_words(guideline)
    said = (name for text in texts if text for name in found_in(text[:LONGEST_TEXT], wanted))
    return found.union(name.removeprefix(_STATUS_WORD) for name in said)


def sets_of(guideline: Guideline, codes: tuple[Code, ...]) -> frozenset[str]:
    """The names of all code sets that any of the codes is in."""
    if not codes:
        return NO_SETS
    if len(codes) == 1:
        return guideline.sets_of(*codes[0])
    return frozenset(name for system, code in codes for name in guideline.sets_of(system, code))


NO_SETS: frozenset[str] = frozenset()
