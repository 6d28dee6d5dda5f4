"""What something was for: ``reasonCode``, ``reasonReference`` and their R5 form, as an indication."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.code_systems import DIAGNOSIS_SYSTEMS
from prodrome.fhir_mappers.codes import NOTHING, Concept, concept, read_concept, read_concepts, sets_of, status_codes
from prodrome.fhir_mappers.collecting import kind_of
from prodrome.fhir_mappers.conditions import NOT_SO
from prodrome.fhir_mappers.elements import JsonObject, read_object, read_objects, read_reference, read_text
from prodrome.fhir_mappers.phrases import found_in, phrases_of
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.rules import Indication, per_guideline
from prodrome.rules.guideline import STOP_REASON, Guideline

MIGRAINE, HEADACHE = "migraine", "headache"  # code sets

STRENGTH = {Indication.MIGRAINE: 0, Indication.HEADACHE: 1, Indication.OTHER: 2, Indication.UNSTATED: 3}
_named_in_text = phrases_of("diagnosis.migraine")


class Reason(NamedTuple):
    """An indication and whether a code (or text alone) names it."""

    indication: Indication = Indication.UNSTATED
    coded: bool = True


UNSTATED = Reason()


def of_codes(said: Concept, guideline: Guideline) -> Indication:
    """The indication that a concept's diagnosis codes name; UNSTATED where it has none."""
    named = Indication.UNSTATED
    for system, code in said.codes:
        names = guideline.sets_of(system, code)
        if names or system in DIAGNOSIS_SYSTEMS:
            if MIGRAINE in names:
                return Indication.MIGRAINE
            if HEADACHE in names:
                named = Indication.HEADACHE
            elif named is Indication.UNSTATED:
                named = Indication.OTHER
    return named


def of_concept(said: Concept, guideline: Guideline) -> Reason:
    """The indication a concept names: by diagnosis code, else by the word migraine in its text."""
    coded = of_codes(said, guideline)
    if coded is not Indication.UNSTATED or not said.texts:
        return Reason(coded)
    named = any(of_words(text, guideline) is Indication.MIGRAINE for text in said.texts)
    return Reason(Indication.MIGRAINE if named else Indication.OTHER, coded=False)


def of_words(text: str, guideline: Guideline) -> Indication:
    """The indication that words name: migraine, or another."""
    return Indication.MIGRAINE if found_in(text, _named_in_text(guideline)) else Indication.OTHER


def strongest(reasons: Sequence[Reason]) -> Reason:
    """What several reasons name together: migraine, alone or among others; codes before text."""
    return reasons[0] if len(reasons) == 1 else min(reasons, key=_rank, default=UNSTATED)


def _rank(reason: Reason) -> tuple[int, bool]:
    return STRENGTH[reason.indication], not reason.coded


def read_reason(chart: Chart, resource: JsonObject) -> Reason:
    """The indication of a statement, request, administration, procedure or device use. Raises Unreadable."""
    if "reasonReference" not in resource and "reason" not in resource:  # by far the most
        return _reasons(chart.guideline).of(resource) if "reasonCode" in resource else UNSTATED
    concepts = _stated(chart.guideline, resource)
    references = list(read_objects(resource, "reasonReference"))
    for reason in read_objects(resource, "reason"):  # R5: each a concept or a reference
        said, reference = concept_and_reference(reason)
        concepts += [said] if said else []
        references += [reference] if reference else []
    reasons = [of_concept(said, chart.guideline) for said in concepts]
    reasons += [reason for reason in (_referred(chart, each, resource) for each in references) if reason]
    return strongest(reasons)


@per_guideline
def _reasons(guideline: Guideline) -> ElementMemory[Reason]:
    return ElementMemory(partial(coded_reason, guideline), "reasonCode")


def coded_reason(guideline: Guideline, resource: JsonObject) -> Reason:
    """The indication that ``reasonCode`` names. Raises Unreadable."""
    return strongest([of_concept(said, guideline) for said in _stated(guideline, resource)])


def _stated(guideline: Guideline, resource: JsonObject) -> list[Concept]:
    """The concepts of ``reasonCode`` but for those that say why a drug was changed or stopped: no drug is for that."""
    return [said for said in read_concepts(resource, "reasonCode") if not _is_of_change(said, guideline)]


def _is_of_change(said: Concept, guideline: Guideline) -> bool:
    names = sets_of(guideline, said.codes)
    return bool(names) and all(name.startswith(STOP_REASON) for name in names)


def _referred(chart: Chart, reference: JsonObject, within: JsonObject) -> Reason | None:
    """What the Condition of a Reference names, or the Reference's own words for it."""
    target = chart.resolve(read_reference(reference), within)
    if target is not None:
        return chart.once(_of_condition, target) if kind_of(target) == "Condition" else None
    said = condition_concept(chart, reference, within)
    return of_concept(said, chart.guideline) if said else None


def _of_condition(chart: Chart, condition: JsonObject) -> Reason:
    return of_concept(chart.once(_code, condition), chart.guideline)


def _code(chart: Chart, resource: JsonObject) -> Concept:
    """What a Condition is of; one that does not hold (refuted, a mistake) names nothing."""
    if status_codes(resource, "verificationStatus", chart.guideline).isdisjoint(NOT_SO):
        return read_concept(resource, "code")
    return NOTHING


def concept_and_reference(value: Mapping[str, Any]) -> tuple[Concept | None, JsonObject | None]:
    """The two halves of an R5 CodeableReference; a plain CodeableConcept is read as its first half."""
    if "concept" in value or "reference" in value:
        said = read_object(value, "concept")
        reference = value.get("reference")
        if type(reference) is str:  # a plain Reference
            return (concept(said) if said else None), dict(value)
        return (concept(said) if said else None), read_object(value, "reference")
    if "display" in value:  # a plain Reference without an address
        return None, dict(value)
    return concept(dict(value)), None


def condition_concept(chart: Chart, reference: JsonObject, within: JsonObject) -> Concept | None:
    """The code of the Condition a Reference names; its display alone where the Condition did not come."""
    target = chart.resolve(read_reference(reference), within)
    if target is not None:
        return chart.once(_code, target) if kind_of(target) == "Condition" else None
    key = read_reference(reference)
    if key is not None and "/" in key and not key.startswith("Condition/"):
        return None
    display = read_text(reference, "display")
    return Concept((), (display,), ()) if display else None
