"""Whom the pages are about: what stands on top of every page of a case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prodrome.cds_hooks.workbench.cases import Case
from prodrome.fhir_mappers import BundleEntry
from prodrome.rules import years

SEXES = {"female": "female", "male": "male", "other": "other sex", "unknown": "sex unknown"}
LONGEST = 120


@dataclass(frozen=True, slots=True)
class Banner:
    """A patient as a chart names one.

    ``record`` is the number of the record, empty where there is none. ``age`` (years on the day judged) and ``sex``
    are words, also where unknown.
    """

    id: str
    record: str
    name: str
    age: str
    sex: str
    deceased: bool


def banner(case: Case) -> Banner:
    """The banner of a case, from its Patient resource as far as that came."""
    consultation = case.consultation
    patient = _patient(case)
    return Banner(
        consultation.request.patient_id[:LONGEST],
        _record_number(patient)[:LONGEST],
        name_of(patient)[:LONGEST],
        _age(case),
        SEXES.get(str(patient.get("gender")), "sex not recorded"),
        bool(patient.get("deceasedBoolean") or patient.get("deceasedDateTime")),
    )


def _age(case: Case) -> str:
    """In whole years on the day judged; both where a birth date is a year or a month only."""
    patient = case.consultation.facts.patient
    if patient is None or patient.birth is None:
        return "age unknown"
    youngest, oldest = years(patient.birth.last, case.today), years(patient.birth.first, case.today)
    return f"{youngest} years" if youngest == oldest else f"{youngest} or {oldest} years"


def _patient(case: Case) -> Mapping[str, Any]:
    for entry in case.consultation.record.resources.get("Patient", ()):
        if isinstance(entry, BundleEntry) and isinstance(entry.resource, dict):
            return entry.resource
    return {}


def name_of(patient: Mapping[str, Any]) -> str:
    """The official name, else the first; empty where none can be read."""
    names = patient.get("name")
    rows = [name for name in names if isinstance(name, dict)] if isinstance(names, list) else []
    row = next((name for name in rows if name.get("use") == "official"), rows[0] if rows else {})
    given = row.get("given")
    parts = [str(part) for part in given if isinstance(part, str)] if isinstance(given, list) else []
    family = row.get("family")
    whole = " ".join([*parts, family] if isinstance(family, str) else parts)
    return whole or str(row.get("text") or "")


def _record_number(patient: Mapping[str, Any]) -> str:
    """The identifier that is used, else the first."""
    identifiers = patient.get("identifier")
    rows = [one for one in identifiers if isinstance(one, dict)] if isinstance(identifiers, list) else []
    row = next((one for one in rows if one.get("use") == "usual"), rows[0] if rows else {})
    value = row.get("value")
    return value if isinstance(value, str) else ""
