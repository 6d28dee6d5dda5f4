"""The services discovery lists: one per hook a rule speaks at, with the prefetch its rules need and no more.

Which kinds of resource a hook needs follows from the rulebook: the rules that speak there, the facts they read,
the steps that conclude those facts, and the kinds named for conclusions from absence. Templates are legal in 2.0.1:
relative reads and searches with ``{{context.patientId}}`` as their only token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from prodrome.cds_hooks.protocol.hooks import HOOKS, Hook
from prodrome.rules import READ_FROM
from prodrome.rules.engine import Rule, Rulebook
from prodrome.rules.guideline import Guideline

PATIENT = "{{context.patientId}}"
SPECIFICATION = "2.0.1"
GRACE_DAYS = 35
"""Added to the longest look-back, so that a month's worth of clock or paging differences cannot change an answer."""

_DIARY_FACTS = frozenset({"month", "acute_use", "acute_use_together", "attacks", "attack_record", "eligibility_limit"})
_DIARY_CODES = (
    "debilitating-headache-days",
    "headache-days",
    "migraine-days",
    "acute-medication-days",
    "attack-response",
)
_LOINC = "http://loinc.org"
_HEADACHE_DAYS = "65380-8"
_MEASURED = ("blood_pressure", "systolic", "diastolic", "heart_rate", "pregnancy")  # sets of codes.yaml


@dataclass(frozen=True, slots=True)
class Query:
    """One prefetch key: the kind of resource it asks for, and the template."""

    key: str
    kind: str
    template: str


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service: its hook and what it wants prefetched."""

    id: str
    hook: Hook
    title: str
    description: str
    rules: tuple[str, ...]
    queries: tuple[Query, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of resource its prefetch asks for."""
        return frozenset(query.kind for query in self.queries)

    def kind_of(self, key: str) -> str:
        """The kind of resource a prefetch key asks for."""
        return next(query.kind for query in self.queries if query.key == key)

    def discovery(self) -> dict[str, object]:
        """The service as discovery lists it."""
        return {
            "hook": self.hook.name,
            "hookVersion": self.hook.version,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": (
                "Works from prefetch alone. What is not prefetched is read from the FHIR server of the request, "
                "where the site allows it."
            ),
            "version": SPECIFICATION,
            "prefetch": {query.key: query.template for query in self.queries},
        }


def services(guideline: Guideline, today: date) -> Mapping[str, Service]:
    """The services by id, in the order of the hook library. *today* bounds searches by date."""
    rules = guideline.rulebook.rules.values()
    listed = []
    for hook in HOOKS.values():
        speaking = [rule for rule in rules if hook.name in rule.hooks and rule.enabled]
        if speaking:
            listed.append(_service(guideline, hook, speaking, today))
    return MappingProxyType({service.id: service for service in listed})


def _service(guideline: Guideline, hook: Hook, speaking: list[Rule], today: date) -> Service:
    needed = {("Patient", "")}.union(*(_needs(guideline.rulebook, rule) for rule in speaking))
    titles = "; ".join(f"{rule.title} ({rule.id})" for rule in speaking)
    return Service(
        id=f"prodrome-{hook.name}",
        hook=hook,
        title=f"Difficult-to-treat migraine, {hook.title}",
        description=f"Called when {hook.when}. Can answer with: {titles}.",
        rules=tuple(rule.id for rule in speaking),
        queries=tuple(query for need, query in _queries(guideline, today) if need in needed),
    )


def _needs(rulebook: Rulebook, rule: Rule) -> set[tuple[str, str]]:
    """The (kind, part) a rule reads, itself, through earlier rules, and through the step that finds nothing for it."""
    needed: set[tuple[str, str]] = set()
    for step in (rule, *(other for other in rulebook.rules.values() if other.concludes_absence_for == rule.id)):
        needed |= {(kind, "") for kind in rulebook.absence_kinds(step.id)}
        needed |= {(kind, _part(kind, fact)) for fact in rulebook.rests_on(step.id) for kind in READ_FROM.get(fact, ())}
    return needed


def _part(kind: str, fact: str) -> str:
    if kind != "Observation":
        return ""
    return "diary" if fact in _DIARY_FACTS else "measurements"


def _queries(guideline: Guideline, today: date) -> tuple[tuple[tuple[str, str], Query], ...]:
    """Every search there is, by (kind, part).

    Encounters, appointments and measurements are bounded by the longest look-back any rule has on them. Referrals,
    procedures and devices are not: one without a date counts. Diary rows are not: attacks of any age count.
    """
    visits = _since(guideline, today, "specialist_lookback_days", "ed_followup_window_days")
    readings = _since(
        guideline, today, "heart_rate_lookback_days", "blood_pressure_lookback_days", "pregnancy_max_days"
    )
    diary = ",".join([*(f"{guideline.diary}|{code}" for code in _DIARY_CODES), f"{_LOINC}|{_HEADACHE_DAYS}"])
    measured = sorted({code for name in _MEASURED for code in guideline.code_sets[f"reading.{name}"].exact[_LOINC]})
    measurements = ",".join(f"{_LOINC}|{code}" for code in measured)
    mine = f"patient={PATIENT}"
    table = (
        ("patient", "Patient", "", f"Patient/{PATIENT}"),
        ("conditions", "Condition", "", f"Condition?{mine}"),
        (
            "medicationStatements",
            "MedicationStatement",
            "",
            f"MedicationStatement?{mine}&_include=MedicationStatement:medication",
        ),
        (
            "medicationRequests",
            "MedicationRequest",
            "",
            f"MedicationRequest?{mine}&_include=MedicationRequest:medication",
        ),
        (
            "medicationDispenses",
            "MedicationDispense",
            "",
            f"MedicationDispense?{mine}&_include=MedicationDispense:medication",
        ),
        ("medicationAdministrations", "MedicationAdministration", "", f"MedicationAdministration?{mine}"),
        ("allergyIntolerances", "AllergyIntolerance", "", f"AllergyIntolerance?{mine}"),
        ("headacheDiary", "Observation", "diary", f"Observation?{mine}&code={diary}"),
        ("measurements", "Observation", "measurements", f"Observation?{mine}&code={measurements}&date=ge{readings}"),
        ("encounters", "Encounter", "", f"Encounter?{mine}&date=ge{visits}&_include=Encounter:participant"),
        ("appointments", "Appointment", "", f"Appointment?{mine}&date=ge{visits}"),
        ("serviceRequests", "ServiceRequest", "", f"ServiceRequest?{mine}"),
        ("procedures", "Procedure", "", f"Procedure?{mine}"),
        ("deviceUseStatements", "DeviceUseStatement", "", f"DeviceUseStatement?{mine}"),
        ("deviceRequests", "DeviceRequest", "", f"DeviceRequest?{mine}"),
    )
    return tuple(((kind, part), Query(key, kind, template)) for key, kind, part, template in table)


def _since(guideline: Guideline, today: date, *parameters: str) -> date:
    days = max(guideline.number(name) for name in parameters)
    return today - timedelta(days=int(days) + GRACE_DAYS)
