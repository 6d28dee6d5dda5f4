"""Encounters: hospital visits and what they were for, and contacts with a specialist."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import ACT_CODE, DIAGNOSIS_SYSTEMS
from prodrome.fhir_mappers.codes import (
    LONGEST_TEXT,
    NOTHING,
    Code,
    Concept,
    coding,
    concept,
    read_concept,
    read_concepts,
    sets_of,
    status_codes,
    with_unknown,
)
from prodrome.fhir_mappers.conditions import NOT_SO
from prodrome.fhir_mappers.dates import Period, read_period, so_far
from prodrome.fhir_mappers.elements import (
    JsonObject,
    read_number,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from prodrome.fhir_mappers.indications import STRENGTH, concept_and_reference, condition_concept, of_codes, of_words
from prodrome.fhir_mappers.phrases import found_in, phrases_of
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.fhir_mappers.specialists import code_sets, is_specialist, is_specialist_visit, names_specialist
from prodrome.rules import FollowUp, HospitalVisit, Indication, per_guideline
from prodrome.rules.guideline import Guideline

RUNNING = frozenset({"in-progress", "arrived", "triaged", "onleave", "on-hold"})  # R5 says on-hold for onleave
_COUNTED = RUNNING | {"finished", "unknown", "completed", "discharged", None}
HOSPITAL, AMBULATORY, EMERGENCY = "hospital_class", "ambulatory_class", "emergency"  # code sets
IN_PREGNANCY = "nervous_disease_in_pregnancy"  # code set
_CLASSES = frozenset({HOSPITAL, AMBULATORY, EMERGENCY})
_VISIT = "visit."  # of the phrases that name the class of a visit where no code does
_OF_WORDS = {"emergency": EMERGENCY, "hospital": HOSPITAL, "ambulatory": AMBULATORY}
_visit_words = phrases_of(_VISIT)
PRINCIPAL_USES = frozenset(
    {
        *("CC", "DD", "billing", "chief-complaint", "discharge-diagnosis"),
        "final",  # R5
        *("treatment-diagnosis", "hospital-main-diagnosis", "principle-DRG"),  # Germany's
    }
)
"""Uses of a diagnosis that make it the visit's own: chief complaint, discharge, billing, treatment."""


class _Kind(NamedTuple):
    """What the coded elements of a visit say: whether it counts, and goes on; its classes, whose care, its words."""

    counts: bool
    goes_on: bool = False
    classes: frozenset[str] = frozenset()
    is_specialist: bool = False
    words: str = ""


def read_encounters(chart: Chart) -> tuple[list[HospitalVisit], list[FollowUp]]:
    """Emergency and inpatient visits, and ambulatory contacts with a specialist."""
    visits: list[HospitalVisit] = []
    contacts: list[FollowUp] = []
    chart.each("Encounter", partial(_read, chart, _kinds(chart.guideline), _RecordedAt(chart), visits, contacts))
    return visits, contacts


def _read(
    chart: Chart,
    kinds: ElementMemory[_Kind],
    recorded_at: "_RecordedAt",
    visits: list[HospitalVisit],
    contacts: list[FollowUp],
    ref: str,
    resource: JsonObject,
) -> None:
    counts, goes_on, classes, is_specialist, words = kinds.of(resource)
    if not counts:
        return
    if not classes:
        classes = _worded(who_and_where(chart, resource)[1], chart.guideline) & {EMERGENCY}
    if classes:
        chart.understood("Encounter", "class")
    else:
        chart.puzzled("Encounter", "class", "is of no known class", ref, words)
    if HOSPITAL in classes or EMERGENCY in classes:
        start, end = _period(resource)
        running = goes_on and (end is None or end.last >= chart.today)
        reason = _reason(chart, resource, recorded_at.visit(ref))
        if reason is Indication.UNSTATED and any(_leads_nowhere(chart, each, resource) for each in _referred(resource)):
            chart.puzzled("Encounter", "reason", "is of a Condition that did not come", ref, "")
        if start or end:
            chart.understood("Encounter", "period")
        else:
            chart.puzzled("Encounter", "period", "says no day", ref, "")
        start, end = so_far(start or end, chart.today), None if running else so_far(end, chart.today)
        visits.append(HospitalVisit(start, end, running, reason, (ref,) if ref else ()))
    elif AMBULATORY in classes and (is_specialist or is_with_specialist(chart, resource)):
        start, end = _period(resource)
        contacts.append(FollowUp("contact", start or end, (ref,) if ref else ()))


def _class_words(resource: JsonObject) -> str:
    """What the class of a visit says, for a tester."""
    if type(resource.get("class")) is str:
        return str(resource["class"])[:LONGEST_TEXT]
    codings = [coding(each) for value in read_objects(resource, "class") for each in _codings(value)]
    codes = [code for said in codings for _, code in said.codes]
    return "; ".join([*codes, *(text for said in codings for text in (*said.texts, *said.displays))]) or "no class"


def _codings(value: JsonObject) -> Sequence[JsonObject]:
    return read_objects(value, "coding") if "coding" in value else (value,)


class _RecordedAt:
    """The Conditions that name a visit as theirs, looked for when the first one asks."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._found: dict[str, list[JsonObject]] | None = None

    def visit(self, ref: str) -> list[JsonObject]:
        """Those of one visit."""
        if self._found is None:
            self._found = {}
            self._chart.each("Condition", partial(_read_visit_of, self._chart, self._found))
        return self._found.get(ref, [])


def _read_visit_of(chart: Chart, found: dict[str, list[JsonObject]], ref: str, resource: JsonObject) -> None:
    name = "encounter" if "encounter" in resource else "context"  # STU3
    visit = read_reference(read_object(resource, name)) if name in resource else None
    if visit and status_codes(resource, "verificationStatus", chart.guideline).isdisjoint(NOT_SO):
        target = chart.resolve(visit, resource)
        key = f"Encounter/{target['id']}" if target and type(target.get("id")) is str else visit
        found.setdefault(key, []).append(resource)


@per_guideline
def _kinds(guideline: Guideline) -> ElementMemory[_Kind]:
    return ElementMemory(partial(_kind, guideline), "status", "type", "serviceType", "class")


def _kind(guideline: Guideline, visit: JsonObject) -> _Kind:
    """What kind of visit it is: by the code of its class, else by the words of its display, else by its type.

    ``class`` is a Coding [R5: a list of concepts]; one without a system is of the standard's. An emergency type counts
    beside whatever the class says; other types, services and then places speak only where the class says nothing.
    """
    status = read_text(visit, "status")
    if status not in _COUNTED:
        return _Kind(counts=False)
    kinds = [*read_concepts(visit, "type"), *service_types(visit)]
    codes: list[Code] = []
    words: list[str] = []
    if type(visit.get("class")) is str:  # DSTU2
        words.append(visit["class"])
    for value in () if words else read_objects(visit, "class"):
        said = concept(value) if "coding" in value else coding({"system": ACT_CODE, **value})
        codes += said.codes
        words += [*said.texts, *said.displays, *(code for _, code in said.codes)]  # a code may be a word
    by_type = frozenset().union(*(sets_of(guideline, said.codes) for said in kinds)) & _CLASSES
    names = sets_of(guideline, tuple(codes)) & _CLASSES or _worded(words, guideline) or by_type
    if not names:
        unknown = (with_unknown(said, guideline.sets_of) for said in kinds)
        names = _worded((text for said in unknown for text in said.texts), guideline)
    classes = names | (by_type & {EMERGENCY})
    return _Kind(True, status in RUNNING, classes, is_specialist_visit(kinds, guideline), _class_words(visit))


def _worded(texts: Iterable[str], guideline: Guideline) -> frozenset[str]:
    """The code sets of the classes that words name."""
    wanted = _visit_words(guideline)
    return frozenset(_OF_WORDS[name.removeprefix(_VISIT)] for text in texts for name in found_in(text, wanted))


def _period(resource: JsonObject) -> Period:
    return read_period(resource, "period" if "period" in resource else "actualPeriod")


class Followed(NamedTuple):
    """A Reference that leads to a resource, or has words of its own."""

    reference: JsonObject
    key: str
    target: JsonObject | None


_NAMED = ("Location", "HealthcareService", "Organization")  # by one text
_TELLING = frozenset({"PractitionerRole", *_NAMED})  # who or where somebody is
_PEOPLE = ("Patient", "RelatedPerson", "Device")  # whose names say nothing of a place


def who_and_where(chart: Chart, resource: JsonObject) -> tuple[list[Followed], list[str]]:
    """Who takes part in an Encounter or Appointment, and how it words where it is.

    The words are those of its locations, roles and services, by display and name.
    """
    # By far the most lead nowhere that says more than the reference itself does.
    leading = "contained" in resource or not chart.kinds.isdisjoint(_TELLING)
    people: list[Followed] = []
    for each in read_objects(resource, "participant"):
        who = read_object(each, "individual") or read_object(each, "actor")
        if who and (leading or "display" in who):
            people += _follow(chart, who, resource)
    where: list[Followed] = []
    for each in read_objects(resource, "location"):
        place = read_object(each, "location")
        if place and (leading or "display" in place):
            where += _follow(chart, place, resource)
    provider = read_object(resource, "serviceProvider")
    if provider and (leading or "display" in provider):
        where += _follow(chart, provider, resource)
    return people, _words_of(where, people) if where or people else []


def _follow(chart: Chart, reference: JsonObject, within: JsonObject) -> list[Followed]:
    key = read_reference(reference) or ""
    target = chart.resolve(key, within)
    return [Followed(reference, key, target)] if target is not None or "display" in reference else []


def _words_of(where: list[Followed], people: list[Followed]) -> list[str]:
    said: dict[str | None, None] = {}
    for place, (reference, key, target) in enumerate([*where, *people]):
        kind = str(target.get("resourceType")) if target else read_text(reference, "type") or key.partition("/")[0]
        if place < len(where) or kind not in _PEOPLE:
            said[read_text(reference, "display")] = None
            said[read_text(target, "name") if target and kind in _NAMED else None] = None
    return [text[:LONGEST_TEXT] for text in said if text]


def is_with_specialist(chart: Chart, resource: JsonObject) -> bool:
    """Whether one takes part in an Encounter or Appointment, or its place is one of headache care."""
    people, said = who_and_where(chart, resource)
    for _, _, role in people:
        if role and role.get("resourceType") == "PractitionerRole" and chart.once(_is_of_specialist, role):
            return True
    return bool(said) and any(names_specialist(text, chart.guideline) for text in said)


def _is_of_specialist(chart: Chart, role: JsonObject) -> bool:
    said = read_concepts(role, "specialty") + read_concepts(role, "code")
    return is_specialist(said, chart.guideline, code_sets(chart.guideline))


def service_types(resource: JsonObject) -> list[Concept]:
    """``serviceType``: concepts [R5: concepts or references, of which the concepts]."""
    pairs = [concept_and_reference(value) for value in read_objects(resource, "serviceType")]
    return [said for said, _ in pairs if said]


def _reason(chart: Chart, resource: JsonObject, own: list[JsonObject]) -> Indication:
    """What a visit was for: its first coded reason, else its principal diagnosis, else the problem recorded at it.

    ``own`` are the Conditions that name this visit. A reason only in words, or only in local codes, is passed over;
    where nothing else says why, words that name migraine count as much as a code of headache.
    """
    reasons = _concepts(chart, _reasons(resource), resource)
    coded = [said for said in reasons if any(system in DIAGNOSIS_SYSTEMS for system, _ in said.codes)]
    if coded:
        return _first_named(coded, chart)
    principal = _concepts(chart, _diagnosed(_principal_diagnoses(resource)), resource)
    worded = [said for said in principal if not said.codes]
    diagnoses = [of_codes(said, chart.guideline) for said in principal if said.codes]
    if not diagnoses:
        diagnoses = [of_codes(said, chart.guideline) for said in _recorded_at(own)]
    if diagnoses:
        return min(diagnoses, key=STRENGTH.__getitem__)
    texts = (text for said in (*reasons, *worded) for text in said.texts)
    named = any(of_words(text, chart.guideline) is Indication.MIGRAINE for text in texts)
    return Indication.HEADACHE if named else Indication.UNSTATED


def _first_named(coded: list[Concept], chart: Chart) -> Indication:
    """The first reason; migraine in pregnancy is coded as two, the nervous disease in pregnancy first."""
    if len(coded) > 1 and IN_PREGNANCY in sets_of(chart.guideline, coded[0].codes):
        second = of_codes(coded[1], chart.guideline)
        if second is Indication.MIGRAINE:
            return second
    return of_codes(coded[0], chart.guideline)


def _recorded_at(own: list[JsonObject]) -> list[Concept]:
    """The problems recorded at a visit, those of category encounter-diagnosis before all others."""
    at_visit = [
        condition
        for condition in own
        if any(code == "encounter-diagnosis" for said in read_concepts(condition, "category") for _, code in said.codes)
    ]
    return [read_concept(condition, "code") for condition in at_visit or own]


_Said = tuple[Concept | None, JsonObject | None]  # a reason in codes or words, or a Reference to what it is


def _reasons(resource: JsonObject) -> Iterator[_Said]:
    """What a visit says that it was for, beside its diagnoses."""
    for value in read_objects(resource, "reasonCode"):
        yield concept(value), None
    for name in ("reasonReference", "indication"):  # DSTU2
        for value in read_objects(resource, name):
            yield None, value
    for reason in read_objects(resource, "reason"):
        if "coding" in reason or "text" in reason:  # before R4
            yield concept(reason), None
        else:  # R5
            yield from map(concept_and_reference, read_objects(reason, "value"))


def _diagnosed(diagnoses: Sequence[JsonObject]) -> Iterator[_Said]:
    """What the diagnoses of a visit are: of R4 a reference each, of R5 concepts or references."""
    for diagnosis in diagnoses:
        yield from map(concept_and_reference, read_objects(diagnosis, "condition"))


def _concepts(chart: Chart, said: Iterable[_Said], within: JsonObject) -> list[Concept]:
    """The concepts among some reasons, and those of the Conditions that they refer to."""
    found = [
        words if words is not None or reference is None else condition_concept(chart, reference, within)
        for words, reference in said
    ]
    return [each for each in found if each is not None and each is not NOTHING]


def _referred(resource: JsonObject) -> Iterator[JsonObject]:
    """The References by which a visit says what it was for."""
    for _, reference in (*_reasons(resource), *_diagnosed(read_objects(resource, "diagnosis"))):
        if reference is not None:
            yield reference


def _leads_nowhere(chart: Chart, reference: JsonObject, within: JsonObject) -> bool:
    key = read_reference(reference) or ""
    return key.startswith(("Condition/", "urn:", "#")) and chart.resolve(key, within) is None


def _principal_diagnoses(resource: JsonObject) -> list[JsonObject]:
    """The diagnoses of rank 1, else those without rank that are chief complaint, discharge or billing diagnosis."""
    first, unranked = [], []
    diagnoses = read_objects(resource, "diagnosis")
    for diagnosis in diagnoses:
        rank = read_number(diagnosis, "rank")
        use = "use" if "use" in diagnosis else "role"  # STU3
        uses = {
            read_text(each, "code") for said in read_objects(diagnosis, use) for each in read_objects(said, "coding")
        }
        if rank == 1:
            first.append((bool(uses & PRINCIPAL_USES), diagnosis))
        elif rank is None and (uses & PRINCIPAL_USES or (len(diagnoses) == 1 and not uses)):
            unranked.append(diagnosis)
    if any(principal for principal, _ in first):
        first = [each for each in first if each[0]]
    return [diagnosis for _, diagnosis in first] or unranked
