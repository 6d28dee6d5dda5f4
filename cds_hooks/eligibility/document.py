"""The summary for prior authorisation as a FHIR R4 document: a Bundle whose first entry is its Composition.

Every resource is made anew of what was read, points back to where that is recorded, and is validated with
fhir.resources. The same history gives the same bytes.
"""

from collections.abc import Iterable
from hashlib import sha256
from html import escape
from typing import Any
from uuid import UUID

import orjson

from prodrome.cds_hooks.eligibility.history import Course, Diagnosis, DiaryMonth, History
from prodrome.cds_hooks.eligibility.summary import SAID_BY, TITLE, course_lines, month_lines
from prodrome.fhir_mappers import DAY_COUNTS
from prodrome.rules.guideline import Guideline

Json = dict[str, Any]

EMPTY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "unavailable"}],
    "text": "Nothing is recorded",
}
CLINICAL = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}],
}
SEXES = ("male", "female", "other", "unknown")


def as_document(found: History, guideline: Guideline) -> Json:
    """The document, validated. Raises ``pydantic.ValidationError`` should it not be one."""
    from fhir.resources.R4B.bundle import Bundle  # heavy, and no call needs it

    made = _Document(found, guideline).bundle()
    Bundle.model_validate_json(orjson.dumps(made))
    return made


class _Document:
    """Collects the resources of one document under addresses that depend on nothing but the history."""

    def __init__(self, found: History, guideline: Guideline) -> None:
        self.found, self.guideline = found, guideline
        self.identifiers = guideline.canonical("NamingSystem", "prior-authorisation")
        self.seed = repr(found)
        self.entries: list[Json] = []
        self.subject = self.add(
            {
                "resourceType": "Patient",
                "identifier": [{"system": f"{self.identifiers}/patient", "value": found.patient_id}],
                **({"birthDate": found.birth} if found.birth else {}),
                **({"gender": found.sex} if found.sex in SEXES else {}),
            }
        )
        self.author = self.add(
            {"resourceType": "Device", "deviceName": [{"name": "Prodrome", "type": "model-name"}], "status": "active"}
        )

    def add(self, resource: Json) -> Json:
        """Adds a resource; returns the reference to it."""
        url = f"urn:uuid:{self.uuid(str(len(self.entries)))}"
        self.entries.append({"fullUrl": url, "resource": resource})
        return {"reference": url}

    def uuid(self, name: str) -> str:
        return str(UUID(bytes=sha256(f"{self.seed}\0{name}".encode("utf-8", "surrogatepass")).digest()[:16], version=4))

    def bundle(self) -> Json:
        composition = self.composition()
        return {
            "resourceType": "Bundle",
            "identifier": {"system": self.identifiers, "value": self.uuid("bundle")},
            "type": "document",
            "timestamp": f"{self.found.today}T00:00:00Z",
            "entry": [{"fullUrl": f"urn:uuid:{self.uuid('composition')}", "resource": composition}, *self.entries],
        }

    def composition(self) -> Json:
        found = self.found
        sections = [
            self.section("Diagnosis", [_words(one) for one in found.diagnoses], map(self.condition, found.diagnoses)),
            self.section("Preventive treatment", _courses(found.preventives), map(self.statement, found.preventives)),
            self.section("Acute treatment", _courses(found.acutes), map(self.statement, found.acutes)),
            self.section(
                "Attacks treated",
                [f"{drug}: {relieved} of {treated} relieved" for drug, treated, relieved, _ in found.attacks],
                (),
            ),
            self.section(
                "Headache days a month",
                month_lines(found),
                [one for month in found.months for one in self.observations(month)],
            ),
            self.section("Conditions and drugs that rule others out", [_words(one) for one in found.ruled_out], ()),
            self.section("Not recorded", list(found.not_recorded), ()),
        ]
        return {
            "resourceType": "Composition",
            "status": "final",
            "type": {"text": TITLE},
            "subject": self.subject,
            "date": str(found.today),
            "author": [self.author],
            "title": f"{TITLE}{f': {found.ordered}' if found.ordered else ''}",
            "text": _narrative([SAID_BY]),
            "section": sections,
        }

    def section(self, title: str, lines: list[str], entries: Iterable[Json]) -> Json:
        listed = list(entries)
        made: Json = {"title": title, "text": _narrative(lines or ["Nothing is recorded."])}
        if listed:
            made["entry"] = listed
        elif not lines:
            made["emptyReason"] = EMPTY
        return made

    def condition(self, one: Diagnosis) -> Json:
        made: Json = {
            "resourceType": "Condition",
            "clinicalStatus": CLINICAL,
            "code": {"text": one.words},
            "subject": self.subject,
        }
        if one.since:
            made["onsetDateTime"] = one.since
        return self.add({**made, **_recorded(one.recorded)})

    def statement(self, course: Course) -> Json:
        trial = course.trial
        made: Json = {
            "resourceType": "MedicationStatement",
            "status": "active" if trial.running else "stopped",
            "medicationCodeableConcept": self.medication(course),
            "subject": self.subject,
        }
        if not trial.running:
            made["statusReason"] = [{"text": "; ".join((course.ended, *course.doubts))}]
        period = {"start": course.start} if course.start else {}
        period |= {"end": course.end} if course.end and not trial.running else {}
        if period:
            made["effectivePeriod"] = period
        made["dosage"] = [{"text": "; ".join(line.strip() for line in course_lines(course)[:-1])}]
        return self.add({**made, **_recorded(course.recorded)})

    def medication(self, course: Course) -> Json:
        codes = self.guideline.drugs[course.drug_id].codes
        coding = [
            {"system": self.guideline.systems[system], "code": code}
            for system in ("rxnorm", "atc")
            for code in codes[system][:1]
        ]
        return {**({"coding": coding} if coding else {}), "text": course.drug}

    def observations(self, month: DiaryMonth) -> list[Json]:
        made = []
        for code, field in DAY_COUNTS.items():
            days = getattr(month, field)
            if days is not None:
                observation: Json = {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {
                        "coding": [
                            {
                                "system": self.guideline.diary,
                                "code": code,
                                "display": code.replace("-", " ").capitalize(),
                            }
                        ]
                    },
                    "subject": self.subject,
                    "effectiveDateTime": f"{month.month:%Y-%m}",
                    "valueQuantity": {
                        "value": days,
                        "unit": "days",
                        "system": "http://unitsofmeasure.org",
                        "code": "d",
                    },
                }
                made.append(self.add({**observation, **_recorded(month.recorded)}))
        return made


def _words(one: Diagnosis) -> str:
    return f"{one.words}{f', since {one.since}' if one.since else ''}"


def _courses(courses: Iterable[Course]) -> list[str]:
    return ["; ".join(line.strip() for line in course_lines(course)) for course in courses]


def _recorded(refs: tuple[str, ...]) -> Json:
    """Where it is recorded, as a note: the chart's resources are not part of the document."""
    return {"note": [{"text": f"Recorded in {', '.join(refs)}"}]} if refs else {}


def _narrative(lines: Iterable[str]) -> Json:
    """Text as FHIR wants it: XHTML, whatever a chart wrote escaped."""
    items = "".join(f"<li>{escape(_visible(line))}</li>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
