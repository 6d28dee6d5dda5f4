"""What a person may add to a chart to see what follows, as the FHIR R4 resources a record would hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from prodrome.cds_hooks.testers import BadOrder, dosage, draft_allergy, drug_named, medication, status
from prodrome.cds_hooks.workbench.editing import BadEdit, reason_concept
from prodrome.fhir_mappers import ACT_CODE
from prodrome.rules.guideline import SNOMED, Drug, Guideline

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """A kind of visit: what it is called, its class (v3-ActCode), and the code sets it is told by."""

    words: str
    act_code: str
    reason: str = ""
    specialty: str = ""


VISITS: Mapping[str, Visit] = {
    "emergency": Visit("Emergency room, for migraine", "EMER", reason="migraine"),
    "inpatient": Visit("In hospital, for migraine", "IMP", reason="migraine"),
    "neurology": Visit("Outpatient, neurology", "AMB", specialty="neurology"),
}
KINDS = ("course", "month", "visit", "condition", "allergy")

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def condition_choices(guideline: Guideline) -> list[tuple[str, str]]:
    """The conditions that can be added: migraine, and what the tables of contraindications look for."""
    looked_for = {one.code_set for one in guideline.contraindications.values() if one.code_set}
    names = ["migraine", "chronic_migraine", *sorted(looked_for)]
    return [(name, guideline.code_sets[name].title) for name in names if _code(name, guideline) is not None]


def added(form: Mapping[str, str], patient_id: str, number: int, guideline: Guideline, today: date) -> Resource:
    """The resource that a form describes, with the id ``added-`` and its number. Raises :class:`BadEdit`."""
    made = {
        "course": _course,
        "month": _month,
        "visit": _visit,
        "condition": _condition,
        "allergy": _allergy,
    }.get(form.get("kind", ""))
    if made is None:
        raise BadEdit(f"What to add: expected one of {', '.join(KINDS)}.")
    resource = made({name: value.strip() for name, value in form.items()}, guideline, today)
    owner = "patient" if resource["resourceType"] == "AllergyIntolerance" else "subject"
    return {**resource, "id": f"added-{number}", owner: {"reference": f"Patient/{patient_id}"}}


def _course(form: Mapping[str, str], guideline: Guideline, today: date) -> Resource:
    drug = _drug(form.get("drug", ""), guideline)
    preventive = drug.preventive is not None
    resource: Resource = {
        "resourceType": "MedicationStatement",
        "status": "completed" if form.get("end") else "active",
        "medicationCodeableConcept": medication(drug),
        "reasonCode": [_concept("migraine", guideline)],
        "effectivePeriod": {"start": _day(form, "start", "Start")},
    }
    if form.get("end"):
        resource["effectivePeriod"]["end"] = _day(form, "end", "End")
    if form.get("dose"):
        resource["dosage"] = [dosage(drug, _number(form["dose"], "Dose"), preventive=preventive)]
    if form.get("reason"):
        resource["status"] = "stopped"
        resource["statusReason"] = [reason_concept(form["reason"], guideline)]
    return resource


def _month(form: Mapping[str, str], guideline: Guideline, today: date) -> Resource:
    match = re.match(r"(\d{4})-(\d\d)\Z", form.get("month", ""))
    if not match or not 1 <= int(match[2]) <= 12 or not 1 <= int(match[1]) <= 9998:
        raise BadEdit("Month: expected a month as in 2026-03.")
    first = date(int(match[1]), int(match[2]), 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": guideline.diary, "code": "debilitating-headache-days"}]},
        "effectivePeriod": {"start": first.isoformat(), "end": last.isoformat()},
        "valueInteger": int(_number(form.get("days", ""), "Days")),
    }


def _visit(form: Mapping[str, str], guideline: Guideline, today: date) -> Resource:
    visit = VISITS.get(form.get("visit", ""))
    if visit is None:
        raise BadEdit(f"Visit: expected one of {', '.join(VISITS)}.")
    day = _day(form, "start", "Date")
    resource: Resource = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": ACT_CODE, "code": visit.act_code},
        "period": {"start": day, "end": day},
    }
    if visit.reason:
        resource["reasonCode"] = [_concept(visit.reason, guideline)]
    if visit.specialty:
        resource["serviceType"] = _concept(visit.specialty, guideline)
    return resource


def _condition(form: Mapping[str, str], guideline: Guideline, today: date) -> Resource:
    name = form.get("condition", "")
    if name not in dict(condition_choices(guideline)):
        raise BadEdit("Condition: expected one of those offered.")
    since = _day(form, "start", "Since") if form.get("start") else (today - timedelta(days=365)).isoformat()
    return {
        "resourceType": "Condition",
        "clinicalStatus": status("clinical", "active"),
        "verificationStatus": status("ver-status", "confirmed"),
        "code": _concept(name, guideline),
        "onsetDateTime": since,
        "recordedDate": since,
    }


def _allergy(form: Mapping[str, str], guideline: Guideline, today: date) -> Resource:
    drug = _drug(form.get("drug", ""), guideline)
    return draft_allergy(drug.name, "", guideline)


def _drug(name: str, guideline: Guideline) -> Drug:
    try:
        return drug_named(name, guideline)
    except BadOrder as error:
        raise BadEdit(f"Drug: {error}.") from None


def _day(form: Mapping[str, str], name: str, label: str) -> str:
    text = form.get(name, "")
    try:
        if _DATE.match(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise BadEdit(f"{label}: expected a date as in 2026-03-14.")


def _number(text: str, label: str) -> float:
    if not re.match(r"\d{1,6}(\.\d{1,3})?\Z", text):
        raise BadEdit(f"{label}: expected a number.")
    return float(text)


def _concept(name: str, guideline: Guideline) -> Resource:
    code = _code(name, guideline)
    if code is None:
        raise BadEdit(f"There is no code for {name.replace('_', ' ')}.")
    title = guideline.code_sets[name].title
    return {"coding": [{"system": code[0], "code": code[1], "display": title}], "text": title}


def _code(name: str, guideline: Guideline) -> tuple[str, str] | None:
    """A code of a set: of SNOMED CT where it has one, else of the first system."""
    code_set = guideline.code_sets.get(name)
    if code_set is None:
        return None
    for system in (SNOMED, *code_set.exact):
        if code_set.exact.get(system):
            return system, min(code_set.exact[system])
    for system, prefixes in code_set.prefixes.items():
        if prefixes:
            return system, min(prefixes)
    return None
