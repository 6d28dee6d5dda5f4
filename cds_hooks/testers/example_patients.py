"""The example patients of ``example_patients.yaml`` as FHIR R4 resources on a given day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from prodrome.cds_hooks.protocol import HOOKS
from prodrome.cds_hooks.testers.entries import draft_allergy, draft_problem, status
from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.orders import dosage, medication
from prodrome.fhir_mappers import ACT_CODE, ACUTE_DAYS, ATTACKS, RELIEVED, TREATED
from prodrome.rules import OVERUSE_CLASSES, month_back
from prodrome.rules.engine import YamlEntry, read_entry
from prodrome.rules.guideline import Drug, Guideline

FILE = Path(__file__).parent / "example_patients.yaml"
EXAMPLE_PREFIX = "prodrome-"
RECORD_NUMBERS = "https://prodrome.example/medical-record-number"
GENDERS = ("female", "male")

_SYSTEMS = ("icd10cm", "snomed")
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
# Says to every system that the record is of no living person.
_TEST_DATA = {"system": f"{_TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One call about an example patient: its hook, the order in hand if any, and the rules that answer.

    ``entry`` is what the hook says is being written into the chart: a code of the file, or the drug of an allergy.
    """

    hook: str
    cards: tuple[str, ...]
    order: str | None = None
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """A code that the timelines name: its system by our short name, and what it is called."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who an example patient is said to be: of the same ``age`` and ``birthday`` (``MM-DD``) on any day."""

    given: str
    family: str
    age: int
    birthday: str
    record: int
    gender: str

    def birth_date(self, today: date) -> str:
        """The birth date that makes them so old *today*."""
        had_this_year = self.birthday <= f"{today:%m-%d}"
        return f"{today.year - self.age - (not had_this_year)}-{self.birthday}"


@dataclass(frozen=True, slots=True)
class Example:
    """An example patient: its id on the server, what it shows, its asks and its timeline."""

    patient_id: str
    title: str
    person: Person
    photo: str
    asks: tuple[Ask, ...]
    timeline: Mapping[str, Any]
    codes: Mapping[str, Code]

    @property
    def encounter_id(self) -> str | None:
        """The encounter that runs, or else the last that was recorded."""
        visits = self.timeline.get("visits", ())
        return f"{self.patient_id}-visit-{len(visits)}" if visits else None

    def problem_in(self, ask: Ask) -> str | None:
        """The problem that an ask says is being written into the chart, as ``system|code``."""
        code = self.codes.get(ask.entry or "")
        return f"{code.system}|{code.code}" if code else None


_EVENTS: Mapping[str, tuple[str, ...]] = {
    "conditions": ("of", "from"),
    "medications": ("drug", "dose", "from", "to", "ended", "treated", "relieved", "given"),
    "visits": ("class", "from", "for", "specialty", "running"),
    "appointments": ("specialty", "at"),
    "referrals": ("of", "at"),
    "procedures": ("of", "at"),
}
"""What a timeline may hold beside the diary, and what may be said of each. A text alone is what it is ``of``."""
_CODED = ("of", "ended", "for", "specialty")


@cache
def examples() -> tuple[Example, ...]:
    """Every example patient, in the order of the file."""
    return read_examples(FILE)


def read_examples(path: Path) -> tuple[Example, ...]:
    """The example patients of a file, read strictly. Raises :class:`TesterError`."""
    file = read_entry(path, TesterError)
    codes = {name: _code(entry) for name, entry in file.named("codes").items()}
    photo = file.text("photo")
    patients = tuple(_example(entry, codes, photo) for entry in file.entries("patients"))
    file.done()
    return patients


def _code(entry: YamlEntry) -> Code:
    code = Code(entry.one_of("system", _SYSTEMS), entry.text("code"), entry.text("display"))
    entry.done()
    return code


def _person(entry: YamlEntry) -> Person:
    person = Person(
        entry.text("given"),
        entry.text("family"),
        entry.integer("age"),
        entry.text("birthday"),
        entry.integer("record"),
        entry.one_of("gender", GENDERS, "female"),
    )
    entry.done()
    return person


def _example(entry: YamlEntry, codes: Mapping[str, Code], photo: str) -> Example:
    for kind, known in _EVENTS.items():
        for item in entry.get(kind, ()):
            event = YamlEntry(f"{entry.where}, {kind}", {"of": item} if isinstance(item, str) else item, TesterError)
            for name in known:
                event.one_of(name, codes, None) if name in _CODED else event.get(name, None)
            event.done()
    entry.get("diary", None)
    asks = tuple(_ask(ask) for ask in entry.entries("asks"))
    patient_id, person = EXAMPLE_PREFIX + entry.text("id"), _person(entry.entry("person"))
    example = Example(patient_id, entry.text("title"), person, photo, asks, entry.data, codes)
    entry.done()
    return example


def _ask(entry: YamlEntry) -> Ask:
    ask = Ask(entry.one_of("hook", HOOKS), entry.texts("cards"), entry.text("order", None), entry.text("entry", None))
    entry.done()
    return ask


def resources(example: Example, guideline: Guideline, today: date) -> list[Resource]:
    """The patient's whole chart on *today*, the Patient first, every resource with an id of its own."""
    chart = _Chart(example, guideline, today)
    made = [chart.patient()]
    for kind, build in (
        ("conditions", chart.condition),
        ("medications", chart.medication),
        ("diary", chart.diary),
        ("visits", chart.visit),
        ("appointments", chart.appointment),
        ("referrals", chart.referral),
        ("procedures", chart.procedure),
    ):
        items = example.timeline.get(kind, ())
        for number, item in enumerate(items.items() if isinstance(items, Mapping) else items, start=1):
            made += build(number, item)
    for resource in made:
        resource["meta"] = {"security": [_TEST_DATA]}
    return made


def entry_of(ask: Ask, example: Example, guideline: Guideline) -> Resource | None:
    """The problem or the allergy that an ask says is being written into the chart."""
    if ask.entry is None:
        return None
    if problem := example.problem_in(ask):
        return draft_problem(problem, example.patient_id, guideline)
    return draft_allergy(ask.entry, example.patient_id, guideline)


@dataclass(frozen=True, slots=True)
class _Chart:
    example: Example
    guideline: Guideline
    today: date

    def patient(self) -> Resource:
        person = self.example.person
        record_number = {
            "use": "usual",
            "type": {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": "MR"}]},
            "system": RECORD_NUMBERS,
            "value": str(person.record),
        }
        return {
            "resourceType": "Patient",
            "id": self.example.patient_id,
            "identifier": [record_number],
            "active": True,
            # No family is called so: nobody takes the record for one of a living person.
            "name": [{"use": "official", "family": f"{person.family}-Example", "given": [person.given]}],
            "gender": person.gender,
            "birthDate": person.birth_date(self.today),
            "photo": [{"contentType": "image/png", "data": self.example.photo, "title": "A drawing of nobody"}],
        }

    def condition(self, number: int, item: str | Mapping[str, Any]) -> list[Resource]:
        of, ago = (item, 3000) if isinstance(item, str) else (item["of"], item["from"])
        return [
            {
                **self.about("Condition", f"condition-{number}"),
                "clinicalStatus": status("clinical", "active"),
                "verificationStatus": status("ver-status", "confirmed"),
                "code": self.concept(of),
                "onsetDateTime": self.on(ago),
            }
        ]

    def medication(self, number: int, item: Mapping[str, Any]) -> list[Resource]:
        drug = self.guideline.drugs[item["drug"]]
        statement: Resource = {
            **self.about("MedicationStatement", f"medication-{number}"),
            "status": ("stopped" if "ended" in item else "completed") if "to" in item else "active",
            "medicationCodeableConcept": medication(drug),
            "reasonCode": [self.concept("migraine")],
            "dosage": [dosage(drug, item["dose"], preventive="from" in item)],
        }
        if "from" in item:
            ends = {"end": self.on(item["to"])} if "to" in item else {}
            statement["effectivePeriod"] = {"start": self.on(item["from"]), **ends}
        if "ended" in item:
            statement["statusReason"] = [self.concept(item["ended"])]
        made = [statement]
        if "treated" in item:
            made.append(self.attacks(number, item, statement))
        made += [
            self.dose_given(number, count, drug, item["dose"], ago)
            for count, ago in enumerate(item.get("given", ()), 1)
        ]
        return made

    def attacks(self, number: int, item: Mapping[str, Any], statement: Resource) -> Resource:
        counts = {TREATED: item["treated"], RELIEVED: item["relieved"]}
        return {
            **self.about("Observation", f"attacks-{number}"),
            "status": "final",
            "code": self.diary_code(ATTACKS),
            "partOf": [{"reference": f"MedicationStatement/{statement['id']}"}],
            "effectiveDateTime": self.on(20),
            "component": [{"code": self.diary_code(code), "valueInteger": count} for code, count in counts.items()],
        }

    def dose_given(self, number: int, count: int, drug: Drug, dose: float, ago: int) -> Resource:
        return {
            **self.about("MedicationAdministration", f"medication-{number}-dose-{count}"),
            "status": "completed",
            "medicationCodeableConcept": medication(drug),
            "effectiveDateTime": self.on(ago),
            "dosage": {"dose": dosage(drug, dose, preventive=True)["doseAndRate"][0]["doseQuantity"]},
        }

    def diary(self, _: int, item: tuple[str, Sequence[int]]) -> list[Resource]:
        """Rows of the months before this one, the last number for the last month."""
        code, numbers = item
        rows = []
        for back, days in enumerate(reversed(numbers), start=1):
            first, last = self.month(back)
            row: Resource = {
                **self.about("Observation", f"{code}-{back}"),
                "status": "final",
                "code": self.diary_code(ACUTE_DAYS if code in OVERUSE_CLASSES else code),
                "effectivePeriod": {"start": first.isoformat(), "end": last.isoformat()},
            }
            if code in OVERUSE_CLASSES:
                row["component"] = [
                    {"code": self.diary_code(each), "valueInteger": days if each == code else 0}
                    for each in OVERUSE_CLASSES
                ]
            else:
                row["valueInteger"] = days
            rows.append(row)
        return rows

    def visit(self, number: int, item: Mapping[str, Any]) -> list[Resource]:
        running = item.get("running", False)
        visit: Resource = {
            **self.about("Encounter", f"visit-{number}"),
            "status": "in-progress" if running else "finished",
            "class": {"system": ACT_CODE, "code": item["class"]},
            "period": {"start": self.on(item["from"]), **({} if running else {"end": self.on(item["from"])})},
        }
        if "for" in item:
            visit["reasonCode"] = [self.concept(item["for"])]
        if "specialty" in item:
            visit["serviceType"] = self.concept(item["specialty"])
        return [visit]

    def appointment(self, number: int, item: Mapping[str, Any]) -> list[Resource]:
        resource = self.about("Appointment", f"appointment-{number}")
        patient = resource.pop("subject")
        return [
            {
                **resource,
                "status": "booked",
                "specialty": [self.concept(item["specialty"])],
                "start": f"{self.on(item['at'])}T09:00:00Z",
                "end": f"{self.on(item['at'])}T09:30:00Z",
                "participant": [{"actor": patient, "status": "accepted"}],
            }
        ]

    def referral(self, number: int, item: Mapping[str, Any]) -> list[Resource]:
        return [
            {
                **self.about("ServiceRequest", f"referral-{number}"),
                "status": "active",
                "intent": "order",
                "code": self.concept(item["of"]),
                "authoredOn": self.on(item["at"]),
            }
        ]

    def procedure(self, number: int, item: Mapping[str, Any]) -> list[Resource]:
        return [
            {
                **self.about("Procedure", f"procedure-{number}"),
                "status": "completed",
                "code": self.concept(item["of"]),
                "performedDateTime": self.on(item["at"]),
            }
        ]

    def about(self, kind: str, name: str) -> Resource:
        patient = self.example.patient_id
        return {"resourceType": kind, "id": f"{patient}-{name}", "subject": {"reference": f"Patient/{patient}"}}

    def diary_code(self, code: str) -> Resource:
        return {"coding": [{"system": self.guideline.diary, "code": code}]}

    def concept(self, name: str) -> Resource:
        code = self.example.codes[name]
        coding = {"system": self.guideline.systems[code.system], "code": code.code, "display": code.display}
        return {"coding": [coding], "text": code.display}

    def on(self, days_ago: int) -> str:
        return (self.today - timedelta(days=days_ago)).isoformat()

    def month(self, back: int) -> tuple[date, date]:
        """First and last day of the calendar month that is *back* months before this one."""
        return month_back(back, self.today), month_back(back - 1, self.today) - timedelta(days=1)


def transaction(made: Sequence[Resource]) -> Resource:
    """A Bundle that puts every resource under its own id: doing it twice changes nothing."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": item, "request": {"method": "PUT", "url": f"{item['resourceType']}/{item['id']}"}}
            for item in made
        ],
    }


def in_parts(made: Sequence[Example], size: int = 10) -> Iterator[Sequence[Example]]:
    """The examples in lots that a server takes at once."""
    for start in range(0, len(made), size):
        yield made[start : start + size]
