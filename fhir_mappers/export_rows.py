"""Single rows of an export, before a chart is made of them: whose a row is, whether it may name migraine, when it was.

Each answer errs on the side of keeping a row: what :func:`read_facts` would use is never lost here.
"""

import json
from collections.abc import Iterator
from datetime import date

from prodrome.fhir_mappers.chart import Chart, Record
from prodrome.fhir_mappers.code_systems import plain_code
from prodrome.fhir_mappers.codes import coding
from prodrome.fhir_mappers.collecting import kind_of
from prodrome.fhir_mappers.dates import read_period, read_when
from prodrome.fhir_mappers.elements import JsonObject, Unreadable
from prodrome.fhir_mappers.medications import lexicon_of
from prodrome.fhir_mappers.named_medicines import read_named
from prodrome.fhir_mappers.observations import is_of_interest
from prodrome.rules.guideline import Guideline

DIAGNOSING = ("Condition", "Encounter")
"""The kinds of resource that can say a patient has migraine, or was seen for it."""

RUNNING = ("active", None)
NO_ORDER = ("proposal", "plan", "option")


def whose(resource: JsonObject) -> tuple[str, ...]:
    """The ids of the patients a row is about, in every spelling of a reference; none where it does not say."""
    if kind_of(resource) == "Patient":
        return _ids(resource.get("id"))
    subject = resource.get("subject") or resource.get("patient")
    if subject is not None:
        return _ids(subject)
    participants = resource.get("participant")
    actors = [
        one.get("actor")
        for one in (participants if isinstance(participants, list) else [participants])
        if isinstance(one, dict)
    ]
    return tuple(dict.fromkeys(id_ for actor in actors for id_ in _ids(actor) if _names_a_patient(actor)))


def _names_a_patient(actor: object) -> bool:
    reference = actor.get("reference") if isinstance(actor, dict) else None
    return isinstance(reference, str) and ("Patient/" in reference or reference.startswith("urn:"))


def _ids(value: object) -> tuple[str, ...]:
    """The id in a reference, a typed or absolute one, with or without a version; of an ``identifier`` query none."""
    if isinstance(value, dict):
        value = value.get("reference") or value.get("id")
    if not isinstance(value, str) or "?" in value:
        return ()
    bare = value.partition("/_history/")[0].removeprefix("urn:uuid:")
    kind, _, id_ = bare.rpartition("/")
    if kind and not kind.endswith("Patient"):
        return ()
    return (id_,) if id_ else ()


class MigraineCodes:
    """Whether a row holds any code that reads as migraine, wherever in it the code stands."""

    def __init__(self, guideline: Guideline, code_set: str = "migraine") -> None:
        self._guideline = guideline
        self._code_set = code_set
        self._seen: dict[tuple[str, str], bool] = {}
        self._by_code: dict[bytes, bool] = {}
        named = guideline.code_sets[code_set]
        mapped = (system for codes in guideline.site.codes.values() for system, _ in codes)
        self._systems = frozenset((*named.exact, *named.prefixes, *mapped))

    def may_name(self, code: bytes) -> bool:
        """Whether a code may be in the set, whatever its system: the bytes between the quotes, without escapes."""
        found = self._by_code.get(code)
        if found is None:
            found = self._in_any_system(code.decode("utf-8", "replace"))
            if len(self._by_code) < 100_000:
                self._by_code[code] = found
        return found

    def _in_any_system(self, code: str) -> bool:
        spelled = {plain_code(system, code) for system in self._systems}
        return any(
            self._code_set in self._guideline.sets_of(system, one) for system in self._systems for one in spelled
        )

    def among(self, resource: JsonObject) -> bool:
        """Whether any coding of the row, contained resources included, is in the code set."""
        return any(self._names_it(value) for value in _codings(resource))

    def _names_it(self, value: JsonObject) -> bool:
        system, code = value.get("system"), value.get("code")
        if not isinstance(code, str):
            return False
        key = (system if isinstance(system, str) else "", code)
        found = self._seen.get(key)
        if found is None:
            try:
                codes = coding({"system": key[0], "code": code}).codes if key[0] else ()
            except Unreadable:
                codes = ()
            found = any(self._code_set in self._guideline.sets_of(*one) for one in codes)
            if len(self._seen) < 100_000:  # exports decide what is looked up: keep the memory bounded
                self._seen[key] = found
        return found


def _codings(value: object) -> Iterator[JsonObject]:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if "code" in one and "system" in one:
                yield one
            todo.extend(part for part in one.values() if isinstance(part, dict | list))
        elif isinstance(one, list):
            todo.extend(part for part in one if isinstance(part, dict | list))


class Orders:
    """Which orders of an export may be judged as if they were in hand: active ones of drugs that the guideline knows.

    What cannot be told from the row alone, where it refers to its medicine, may be.
    """

    def __init__(self, guideline: Guideline) -> None:
        self._chart = Chart(Record(), guideline, date.min)
        self._lexicon = lexicon_of(guideline)
        self._seen: dict[str, bool] = {}

    def may_be_judged(self, resource: JsonObject) -> bool:
        """Whether a MedicationRequest is an order that runs, of a drug that is, or may be, one of the guideline's."""
        if resource.get("status") not in RUNNING or resource.get("intent") in NO_ORDER:
            return False
        concept = resource.get("medicationCodeableConcept")
        if concept is None:
            return True
        key = json.dumps(concept, sort_keys=True)
        found = self._seen.get(key)
        if found is None:
            found = self._is_ours(resource)
            if len(self._seen) < 100_000:
                self._seen[key] = found
        return found

    def _is_ours(self, resource: JsonObject) -> bool:
        try:
            return self._lexicon.recognise(read_named(self._chart, resource)) is not None
        except Unreadable:
            return True  # the mappers say what is wrong with it


def is_asked_for(resource: JsonObject, guideline: Guideline) -> bool:
    """Whether a search as the prefetch makes it may find a row: observations are asked for by their codes."""
    return resource.get("resourceType") != "Observation" or is_of_interest(resource, guideline)


def is_since(resource: JsonObject, since: date) -> bool:
    """Whether a row is from ``since`` or later, as a search by date would find it; undated and odd rows are kept."""
    try:
        for name in ("period", "actualPeriod", "effectivePeriod"):
            if name in resource:
                end = read_period(resource, name)[1]
                return end is None or end.last >= since
        for name in ("effectiveDateTime", "effectiveInstant", "end", "start"):
            when = read_when(resource, name)
            if when is not None:
                return when.last >= since
    except Unreadable:
        return True
    return True
