"""What a person may change in a request to see what follows: dates, doses, day counts and reasons, in place."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from prodrome.cds_hooks.testers import TesterError
from prodrome.rules import StopReason
from prodrome.rules.guideline import SNOMED, Guideline, Parameter, ParameterValue

DATE, NUMBER, REASON, CHOICE, YES_NO = "date", "number", "reason", "choice", "yes_no"

REASON_CHOICES = {
    "": "none recorded",
    StopReason.INEFFICACY.value: "not effective",
    StopReason.INTOLERANCE.value: "not tolerated",
    StopReason.CONTRAINDICATED.value: "contraindicated",
    StopReason.SUCCEEDED.value: "aim achieved",
    StopReason.OTHER.value: "another reason",
}
AS_RECORDED = "as recorded"

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T[0-9:.]+(Z|[+-]\d\d:\d\d))?)?)?\Z")


class BadEdit(TesterError):
    """A value that cannot stand where it was written; the text says what is expected."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value that can be changed. ``name`` is its JSON pointer in the request, or the parameter's name.

    ``unit`` is that of a number, as it stands beside it.
    """

    name: str
    label: str
    kind: str
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Editable:
    """One resource of the request with the values in it that can be changed.

    ``pointer`` leads to it; ``removable``: the chart may be tried without it.
    """

    group: str
    title: str
    ref: str
    fields: tuple[Field, ...]
    pointer: str
    removable: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands in a kind of resource. ``*`` is every item of a list; ``addable``: may be put there."""

    label: str
    path: tuple[str, ...]
    kind: str
    addable: bool = False


def _place(label: str, path: str, kind: str, addable: bool = False) -> _Place:
    return _Place(label, tuple(path.split(".")), kind, addable)


_STATEMENT = (
    _place("Start", "effectivePeriod.start", DATE, addable=True),
    _place("End", "effectivePeriod.end", DATE, addable=True),
    _place("Date", "effectiveDateTime", DATE),
    _place("Dose", "dosage.*.doseAndRate.*.doseQuantity.value", NUMBER),
    _place("Dose", "dosage.*.doseQuantity.value", NUMBER),
)
_PERIOD = "dosageInstruction.*.timing.repeat.boundsPeriod"
_REQUEST = (
    _place("Written", "authoredOn", DATE),
    _place("Start", f"{_PERIOD}.start", DATE),
    _place("End", f"{_PERIOD}.end", DATE, addable=True),
    _place("Valid from", "dispenseRequest.validityPeriod.start", DATE),
    _place("Valid to", "dispenseRequest.validityPeriod.end", DATE, addable=True),
    _place("Dose", "dosageInstruction.*.doseAndRate.*.doseQuantity.value", NUMBER),
)
_PLACES: Mapping[str, tuple[_Place, ...]] = {
    "Patient": (_place("Born", "birthDate", DATE),),
    "Condition": (_place("Since", "onsetDateTime", DATE), _place("Until", "abatementDateTime", DATE)),
    "MedicationStatement": _STATEMENT,
    "MedicationRequest": _REQUEST,
    "MedicationAdministration": (
        _place("Given", "effectiveDateTime", DATE),
        _place("Given", "occurenceDateTime", DATE),
        _place("Dose", "dosage.dose.value", NUMBER),
    ),
    "Observation": (
        _place("From", "effectivePeriod.start", DATE),
        _place("To", "effectivePeriod.end", DATE),
        _place("Date", "effectiveDateTime", DATE),
        _place("Value", "valueInteger", NUMBER),
        _place("Value", "valueQuantity.value", NUMBER),
        _place("Value", "component.*.valueInteger", NUMBER),
        _place("Value", "component.*.valueQuantity.value", NUMBER),
    ),
    "Encounter": (
        _place("From", "period.start", DATE),
        _place("To", "period.end", DATE, addable=True),
        _place("From", "actualPeriod.start", DATE),
        _place("To", "actualPeriod.end", DATE, addable=True),
    ),
    "Appointment": (_place("Start", "start", DATE),),
    "ServiceRequest": (_place("Written", "authoredOn", DATE),),
    "Procedure": (
        _place("Done", "performedDateTime", DATE),
        _place("Done", "occurrenceDateTime", DATE),
        _place("From", "performedPeriod.start", DATE),
        _place("To", "performedPeriod.end", DATE),
    ),
}
_GROUPS = {
    "MedicationStatement": "Medicines",
    "MedicationRequest": "Medicines",
    "MedicationAdministration": "Doses given",
    "Observation": "Diary and measurements",
    "Encounter": "Visits and follow-up",
    "Appointment": "Visits and follow-up",
    "ServiceRequest": "Visits and follow-up",
    "Procedure": "Procedures",
    "Condition": "Conditions",
    "AllergyIntolerance": "Allergies",
    "Patient": "Patient",
}
IN_HAND = "Order in hand"


def editable(document: Mapping[str, Any], guideline: Guideline) -> dict[str, list[Editable]]:
    """The resources of a request by group, with the values in them that can be changed."""
    found: dict[str, list[Editable]] = {IN_HAND: [], **{group: [] for group in dict.fromkeys(_GROUPS.values())}}
    for pointer, resource in _resources(document):
        kind = str(resource.get("resourceType"))
        fields = tuple(_fields(pointer, resource, kind, guideline))
        removable = pointer.startswith("/prefetch/") and "/entry/" in pointer
        group = IN_HAND if pointer.startswith("/context/") else _GROUPS.get(kind)
        if group and (fields or removable):
            ref = f"{kind}/{resource.get('id', '?')}"
            found[group].append(Editable(group, _title(resource), ref, fields, pointer, removable))
    return {group: rows for group, rows in found.items() if rows}


def edited(document: Mapping[str, Any], edits: Mapping[str, str], guideline: Guideline) -> dict[str, Any]:
    """The request with values replaced, by JSON pointer; only those that :func:`editable` offers.

    Raises :class:`BadEdit`.
    """
    offered = {
        field.name: field for rows in editable(document, guideline).values() for row in rows for field in row.fields
    }
    result: dict[str, Any] = copy.deepcopy(dict(document))
    for name, value in edits.items():
        if name not in offered:
            raise BadEdit("There is no such value in this request.")
        _set(result, name, _read(offered[name], value.strip(), guideline))
    return result


def changed(fields: Mapping[str, Field], given: Mapping[str, str]) -> dict[str, str]:
    """Of the values a form sent, those that differ from what is there."""
    return {
        name: value.strip()
        for name, value in given.items()
        if name in fields and value.strip() != fields[name].value and value != AS_RECORDED
    }


def parameter_fields(guideline: Guideline) -> list[Field]:
    """The parameters of the guideline that are one value."""
    return [
        Field(
            parameter.name,
            parameter.name.replace("_", " "),
            _KINDS[parameter.kind],
            parameter_words(parameter.value),
            _choices(parameter),
            parameter.decides,
            parameter.unit,
        )
        for parameter in guideline.parameters.values()
        if parameter.kind in _KINDS
    ]


_KINDS = {"integer": NUMBER, "number": NUMBER, "yes_no": YES_NO, "choice": CHOICE}


def _choices(parameter: Parameter) -> tuple[tuple[str, str], ...]:
    if parameter.kind == "yes_no":
        return (("yes", "yes"), ("no", "no"))
    return tuple((choice, choice) for choice in parameter.choices)


def parameter_values(guideline: Guideline, given: Mapping[str, str]) -> dict[str, object]:
    """Parameter values as the guideline takes them, from what a form sent. Raises :class:`BadEdit`."""
    values: dict[str, object] = {}
    for name, text in given.items():
        parameter = guideline.parameters[name]
        if parameter.kind == "yes_no":
            values[name] = text == "yes"
        elif parameter.kind in ("integer", "number"):
            values[name] = _number(text, name.replace("_", " "))
        else:
            values[name] = text
    return values


def parameter_words(value: ParameterValue) -> str:
    """A parameter's value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {', '.join(items) or 'none'}" for key, items in value.items()) or "none"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _resources(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every resource in the context and the prefetch, with its JSON pointer."""
    for part in ("context", "prefetch"):
        values = document.get(part)
        for key, value in values.items() if isinstance(values, dict) else ():
            pointer = f"/{part}/{_escaped(key)}"
            if not isinstance(value, dict):
                continue
            if value.get("resourceType") == "Bundle" or "entry" in value:
                entries = value.get("entry")
                for index, entry in enumerate(entries if isinstance(entries, list) else ()):
                    if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                        yield f"{pointer}/entry/{index}/resource", entry["resource"]
            elif "resourceType" in value:
                yield pointer, value


def _fields(pointer: str, resource: dict[str, Any], kind: str, guideline: Guideline) -> Iterator[Field]:
    for place in _PLACES.get(kind, ()):
        for path, value in _found(resource, place.path, place.addable):
            label = place.label
            if place.path[0] == "component":
                label = _title(resource["component"][int(path[1])])
            name = pointer + "".join(f"/{_escaped(step)}" for step in path)
            text = "" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
            yield Field(name, label, place.kind, text, unit=_unit(resource, kind, path))
    if kind in ("MedicationStatement", "MedicationRequest") and not pointer.startswith("/context/"):
        yield _reason(pointer, resource, guideline)


def _unit(resource: Mapping[str, Any], kind: str, path: tuple[str, ...]) -> str:
    """The unit beside a number; of a count in the diary, days."""
    if path[-1] == "valueInteger":
        return "days" if kind == "Observation" and len(path) == 1 else ""
    parent: Any = resource
    for step in path[:-1]:
        parent = parent[int(step) if isinstance(parent, list) else step]
    unit = parent.get("unit") if isinstance(parent, dict) and path[-1] == "value" else None
    return unit if isinstance(unit, str) and len(unit) < 20 else ""


def _reason(pointer: str, resource: dict[str, Any], guideline: Guideline) -> Field:
    path = "adherence/reason" if "adherence" in resource else "statusReason"
    recorded = resource.get("statusReason")
    if isinstance(resource.get("adherence"), dict):
        recorded = resource["adherence"].get("reason")
    concept = recorded[0] if isinstance(recorded, list) and recorded else recorded
    choices = tuple(REASON_CHOICES.items())
    value = ""
    if isinstance(concept, dict):
        value = _known_reason(concept, guideline) or AS_RECORDED
        if value == AS_RECORDED:
            choices = ((AS_RECORDED, f"as recorded: {_title({'code': concept})}"), *choices)
    return Field(f"{pointer}/{path}", "Why it ended", REASON, value, choices)


def _known_reason(concept: Mapping[str, Any], guideline: Guideline) -> str | None:
    for coding in _codings(concept):
        names = guideline.sets_of(str(coding.get("system")), str(coding.get("code")))
        for reason in REASON_CHOICES:
            if reason and f"stop_reason.{reason}" in names:
                return reason
    return None


def _codings(concept: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The codings of a concept as it came: what is no coding is passed over."""
    codings = concept.get("coding")
    return [coding for coding in codings if isinstance(coding, dict)] if isinstance(codings, list) else []


def _found(value: Any, path: tuple[str, ...], addable: bool) -> Iterator[tuple[tuple[str, ...], Any]]:
    step, rest = path[0], path[1:]
    if step == "*":
        for index, item in enumerate(value if isinstance(value, list) else ()):
            for inner, leaf in _found(item, rest, addable):
                yield (str(index), *inner), leaf
    elif isinstance(value, dict):
        if rest:
            for inner, leaf in _found(value.get(step), rest, addable):
                yield (step, *inner), leaf
        elif isinstance(value.get(step), str | int | float) or (addable and step not in value):
            yield (step,), value.get(step)


def _title(resource: Mapping[str, Any]) -> str:
    """What the resource is about, as its own texts say it."""
    for name in ("medicationCodeableConcept", "medication", "code", "serviceType", "type"):
        value = resource.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, dict):
            value = value["concept"] if isinstance(value.get("concept"), dict) else value
            codings = _codings(value)
            texts = [value.get("text"), *(c.get("display") for c in codings), *(c.get("code") for c in codings)]
            text = next((text for text in texts if isinstance(text, str) and text), None)
            if text:
                return text
    return str(resource.get("resourceType", "entry"))


def _read(field: Field, text: str, guideline: Guideline) -> object:
    """The JSON value a text stands for; None takes the value away."""
    if field.kind == REASON:
        return reason_concept(text, guideline) if text else None
    if not text:
        return None
    if field.kind == NUMBER:
        return _number(text, field.label)
    if not _DATE.match(text):
        raise BadEdit(f"{field.label}: expected a date as in 2026-03-14, 2026-03 or 2026.")
    return text


def _number(text: str, label: str) -> int | float:
    if not re.match(r"-?\d{1,9}(\.\d{1,6})?\Z", text):
        raise BadEdit(f"{label}: expected a number.")
    number = float(text)
    return int(number) if number.is_integer() else number


def read_day(text: str) -> date:
    """A day that a person wrote. Raises :class:`BadEdit`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadEdit("Day to judge by: expected a date as in 2026-03-14.") from None


def reason_concept(reason: str, guideline: Guideline) -> dict[str, Any]:
    """The first SNOMED CT code the guideline takes for a reason."""
    if reason not in REASON_CHOICES:
        raise BadEdit("Why it ended: expected one of the reasons offered.")
    code = min(guideline.code_sets[f"stop_reason.{reason}"].exact[SNOMED])
    return {"coding": [{"system": SNOMED, "code": code, "display": REASON_CHOICES[reason]}]}


def _set(document: dict[str, Any], pointer: str, value: object) -> None:
    steps = steps_of(pointer)
    parent: Any = document
    for step in steps[:-1]:
        parent = parent[int(step) if isinstance(parent, list) else step]
    last = steps[-1]
    if value is None:
        parent.pop(last, None)
    elif last == "statusReason" and isinstance(parent, dict) and parent.get("resourceType") == "MedicationStatement":
        parent[last] = [value]
    else:
        parent[last] = value


def steps_of(pointer: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901): names of members and indices of items."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
