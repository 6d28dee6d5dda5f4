"""Patients of a FHIR server by name or identifier, so that nobody has to know an id."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import complete
from prodrome.cds_hooks.protocol import Invalid, parse, read_request
from prodrome.cds_hooks.workbench import asking
from prodrome.cds_hooks.workbench.patients import SEXES, name_of

MOST_PATIENTS = 50
SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Row:
    """A patient as a list shows one."""

    id: str
    name: str
    birth_date: str
    sex: str
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundPatients:
    """What a server found; ``problem`` says what was wrong with the answer, ``more`` that there are others."""

    patients: tuple[Row, ...]
    more: bool
    problem: str = ""


def find_patients(url: str, words: str, token: str | None, environment: Environment) -> FoundPatients:
    """The patients whose name or identifier a server finds. Raises :class:`Invalid` for what cannot be asked."""
    if not url or not words:
        raise Invalid("Address of the FHIR server and a name or an identifier are both needed.", member="server")
    environment = asking.allowing(environment, url, token)
    document = asking.server_request("patient-view", url, "unknown", token, None, None, environment)
    asked = read_request(parse(orjson.dumps(document)), frozenset({"patient-view"}))
    by = "identifier" if any(sign.isdigit() for sign in words) else "name"
    plan = {"found": ("Patient", f"Patient?{by}={quote(words, safe='|')}&_count={MOST_PATIENTS}")}
    fetched = complete(plan, asked, environment.settings, time.monotonic() + SECONDS)["found"]
    bundle: Any = fetched.value
    entries = bundle.get("entry", ()) if isinstance(bundle, dict) else ()
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    patients = [one for one in resources if isinstance(one, dict) and one.get("resourceType") == "Patient"]
    rows = sorted((_row(one) for one in patients if isinstance(one.get("id"), str)), key=lambda row: row.name)
    problem = f"The FHIR server {fetched.problem}." if fetched.problem else ""
    return FoundPatients(tuple(rows[:MOST_PATIENTS]), len(rows) > MOST_PATIENTS, problem)


def _row(patient: dict[str, Any]) -> Row:
    identifiers = patient.get("identifier")
    values = [one.get("value") for one in identifiers if isinstance(one, dict)] if isinstance(identifiers, list) else []
    return Row(
        patient["id"],
        name_of(patient)[:120] or "No name",
        str(patient.get("birthDate") or "unknown")[:10],
        SEXES.get(str(patient.get("gender")), "not recorded"),
        tuple(str(value)[:60] for value in values if isinstance(value, str))[:3],
    )
