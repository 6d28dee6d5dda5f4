"""What a person tries on a case: values in the chart, rows left out or added, parameters, the hook, order and day.

A case has the changes that are tried and those they are compared with, none at first. Nothing is written anywhere.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.workbench import asking, editing
from prodrome.cds_hooks.workbench.cases import Changes
from prodrome.cds_hooks.workbench.editing import BadEdit, Editable, Field
from prodrome.rules.guideline import Guideline

Resource = dict[str, Any]


def chart_with(document: Mapping[str, Any], added: Iterable[Resource], environment: Environment) -> dict[str, Any]:
    """A request with more rows in its prefetch, each in the Bundle of its kind, at the end. Raises :class:`BadEdit`."""
    found: dict[str, Any] = dict(document)
    service = environment.service_for(str(document.get("hook")))
    for resource in added:
        prefetch = dict(found.get("prefetch") or {})
        key = next((query.key for query in service.queries if query.kind == resource["resourceType"]), None)
        if key is None:
            raise BadEdit(f"The service of {service.hook.name} asks for no {resource['resourceType']}.")
        bundle = _bundle(prefetch, key)
        entries = [*(bundle.get("entry") or ()), {"resource": resource, "search": {"mode": "match"}}]
        prefetch[key] = {**bundle, "entry": entries, **_total(bundle, 1)}
        found["prefetch"] = prefetch
    return found


def _bundle(prefetch: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What rows are added to. What did not come does not come whole by a row that is added. Raises :class:`BadEdit`."""
    value = prefetch.get(key)
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if value is None or kind == "OperationOutcome":
        came = key in prefetch and value is None
        return {"resourceType": "Bundle", "type": "searchset", "entry": [] if came else [asking.CUT]}
    if isinstance(value, dict) and kind == "Bundle" and isinstance(value.get("entry") or [], list):
        return value
    raise BadEdit(f"What came as {key} is no Bundle: no row can be added to it.")


def _total(bundle: Mapping[str, Any], more: int) -> dict[str, int]:
    total = bundle.get("total")
    return {"total": total + more} if isinstance(total, int) else {}


def chart_without(document: Mapping[str, Any], pointers: Iterable[str]) -> dict[str, Any]:
    """A request without some of the rows of its prefetch, by JSON pointer."""
    found = copy.deepcopy(dict(document))
    places = sorted((_place(pointer) for pointer in pointers), key=lambda place: place[1], reverse=True)
    for key, index in places:
        bundle = found["prefetch"][key]
        del bundle["entry"][index]
        bundle |= _total(bundle, -1)
    return found


def _place(pointer: str) -> tuple[str, int]:
    """The key and the index of ``/prefetch/<key>/entry/<index>/resource``. Raises :class:`BadEdit`."""
    steps = editing.steps_of(pointer)
    if len(steps) != 5 or steps[0] != "prefetch" or steps[2] != "entry" or not steps[3].isdecimal():
        raise BadEdit("There is no such row in this request.")
    return steps[1], int(steps[3])


def rows_of(document: Mapping[str, Any], changes: Changes, environment: Environment) -> dict[str, list[Editable]]:
    """The rows of a chart with those that were added, by group, with what can be changed in them."""
    return editing.editable(chart_with(document, changes.added, environment), environment.guideline)


def read_changes(
    form: Mapping[str, str],
    without: Iterable[str],
    groups: Mapping[str, list[Editable]],
    added: tuple[Resource, ...],
    guideline: Guideline,
) -> Changes:
    """What a form says of the rows that were offered, and of everything else."""
    rows = [row for each in groups.values() for row in each]
    fields = {one.name: one for row in rows for one in row.fields}
    parameters = {name.removeprefix("parameter:"): v for name, v in form.items() if name.startswith("parameter:")}
    removable = {row.pointer for row in rows if row.removable}
    return Changes(
        edits=editing.changed(fields, form),
        parameters=editing.changed({one.name: one for one in editing.parameter_fields(guideline)}, parameters),
        without=frozenset(without) & removable,
        added=added,
        hook=form.get("asked:hook", "").strip(),
        order=form.get("asked:order", "").strip(),
        day=form.get("asked:day", "").strip(),
    )


def tried(
    document: Mapping[str, Any], changes: Changes, today: date, guideline: Guideline, environment: Environment
) -> Consultation:
    """The answer with the changes; its cards are not noted as shown.

    *guideline* is the one in force, *today* the day of the case. Raises :class:`BadEdit`, ``Refused`` and
    ``GuidelineError``.
    """
    if changes.parameters:
        values = {**environment.settings.parameters, **editing.parameter_values(guideline, changes.parameters)}
        guideline = environment.guideline.with_parameters(values)
    day = editing.read_day(changes.day) if changes.day else today
    quiet = asking.on_day(environment, day, remember=False, guideline=guideline)
    chart = editing.edited(chart_with(document, changes.added, quiet), changes.edits, guideline)
    chart = chart_without(chart, changes.without)
    return asking.answer(asking.with_choices(chart, quiet, changes.hook or None, changes.order or None), quiet)


def in_words(changes: Changes, groups: Mapping[str, list[Editable]], guideline: Guideline) -> list[str]:
    """Each change in a few words, for the head of a column."""
    rows = [row for each in groups.values() for row in each]
    where = {one.name: (row.title, one) for row in rows for one in row.fields}
    parameters = {one.name: one for one in editing.parameter_fields(guideline)}
    said = [f"on {changes.day}"] if changes.day else []
    said += [f"at {changes.hook}"] if changes.hook else []
    said += [f"with an order for {changes.order}"] if changes.order else []
    said += [_differs(parameters[name].label, parameters[name], value) for name, value in changes.parameters.items()]
    said += [
        _differs(f"{where[name][0]}, {where[name][1].label.lower()}", where[name][1], value)
        for name, value in changes.edits.items()
        if name in where
    ]
    said += [f"without {row.title}" for row in rows if row.pointer in changes.without]
    added = {f"{one['resourceType']}/{one['id']}" for one in changes.added}
    said += [f"with {row.title}" for row in rows if row.ref in added and row.pointer not in changes.without]
    return said


def _differs(label: str, one: Field, value: str) -> str:
    choices = dict(one.choices)
    before, after = choices.get(one.value, one.value), choices.get(value, value)
    return f"{label} {before or 'none'} → {after or 'none'}"


def with_added(changes: Changes, resource: Resource) -> Changes:
    """The changes with one more row."""
    return replace(changes, added=(*changes.added, resource))
