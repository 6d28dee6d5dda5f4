"""Charts of our own making, from FHIR to the rules that answer: every guard, boundary and odd shape of the contract.

Each line is one patient: what the chart holds beside the rest, and the rules that speak at the hook (``INCOMPLETE`` for
the card that says what could not be judged). Today is 2026-06-15, the locale the US.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from prodrome.fhir_mappers import KINDS, Record, read_facts
from prodrome.fhir_mappers.collecting import collect
from prodrome.rules.guideline.guideline import load_guideline
from prodrome.rules.judge import judge
from tests.fhir_mappers.build import (
    ATC,
    CPT,
    DIARY,
    ICD10CM,
    INEFFECTIVE,
    LOCAL,
    LOINC,
    ME,
    MIGRAINE,
    RXNORM,
    SIDE_EFFECT,
    SNOMED,
    SUMATRIPTAN,
    TODAY,
    administration,
    as_needed,
    attack_response,
    component,
    concept,
    condition,
    diary,
    dose,
    encounter,
    observation,
    period,
    procedure,
    quantity,
    resource,
    rxnorm,
    statement,
)

Json = dict[str, Any]

ADULT: Json = {"resourceType": "Patient", "id": ME, "birthDate": "1988-01-15"}
INEFFICACY = concept(SNOMED, INEFFECTIVE)
INTOLERANCE = concept(SNOMED, SIDE_EFFECT)
HTN = concept(ICD10CM, "I10")
NEUROLOGY = concept(SNOMED, "394591006")
RESISTANT = ("DTT-01", "NPH-01", "PRV-04", "REF-01")
UNRESPONSIVE = ("DTT-04", "NPH-01", "PRV-04", "REF-01")


def answered(
    resources: Iterable[Json],
    hook: str = "patient-view",
    *,
    orders: Iterable[Json] = (),
    selections: list[str] | None = None,
    missing: Iterable[str] = (),
    cut: Iterable[str] = (),
    patient: Json | None = ADULT,
    locale: str = "US",
) -> set[str]:
    """The rules that answer at a hook, over complete data but for the kinds missing or cut after a page."""
    rows: dict[str, list[Json]] = defaultdict(list)
    for each in resources:
        rows[each["resourceType"]].append(each)
    parts: list[tuple[str, object]] = [("Patient", patient)]
    for kind in {*KINDS, *rows} - {"Patient", *missing}:
        found: Json = {"resourceType": "Bundle", "entry": [{"resource": each} for each in rows[kind]]}
        if kind in cut:
            found["link"] = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
        parts.append((kind, found))
    entries, completeness = collect(parts)
    record = Record(ME, entries, completeness, list(orders), selections)
    guideline = load_guideline()
    judgement = judge(read_facts(record, guideline, TODAY), guideline, TODAY, hook=hook, locale=locale)
    shown = {finding.rule.id for finding in judgement.findings if hook in finding.rule.hooks}
    quiet = any(unjudged.reportable and hook in unjudged.rule.hooks for unjudged in judgement.unjudged)
    return shown | ({"INCOMPLETE"} if quiet else set())


def month(name: str, days: int, code: str = "debilitating-headache-days", **more: Any) -> Json:
    last = {"03": 31, "04": 30, "05": 31}[name[-2:]]
    return diary(code, days, f"{name}-01", f"{name}-{last}", **more)


def heavy() -> list[Json]:
    return [month("2026-03", 10), month("2026-04", 9), month("2026-05", 11)]


def propranolol(drug: Json | None = None, **more: Any) -> Json:
    more.setdefault("why", INEFFICACY)
    more.setdefault("dosage", [dose(160)])
    return statement(drug or rxnorm("8787"), **more)


def topiramate() -> Json:
    return statement(rxnorm("38404"), why=INTOLERANCE, dosage=[dose(100)])


def amitriptyline() -> Json:
    return statement(rxnorm("704"), why=INEFFICACY, dosage=[dose(50)])


def as_request(row: Json, **more: Any) -> Json:
    """The same course as a MedicationRequest."""
    made = dict(row, resourceType="MedicationRequest", intent="order", id=row["id"] + "q")
    instructions = [dict(each) for each in made.pop("dosage", [{}])]
    dates = made.pop("effectivePeriod", None)
    if dates:
        instructions[0]["timing"] = {"repeat": instructions[0]["timing"]["repeat"] | {"boundsPeriod": dates}}
    return made | {"dosageInstruction": instructions} | more


def without(row: Json, *names: str, **more: Any) -> Json:
    return {name: value for name, value in row.items() if name not in names} | more


R5 = without(
    propranolol(),
    "medicationCodeableConcept",
    "reasonCode",
    "statusReason",
    status="recorded",
    medication={"concept": rxnorm("8787")},
    reason=[{"concept": MIGRAINE}],
    adherence={"code": concept(LOCAL, "stopped"), "reason": INEFFICACY},
)
POSSIBLE = ("DTT-03",)
SHORT = ("PRV-03",)

THIRD_CLASS = {
    "as a statement": (propranolol(), RESISTANT),
    "as a request": (as_request(propranolol()), RESISTANT),
    "as R5": (R5, RESISTANT),
    "by ATC": (propranolol(concept(ATC, "C07AA05")), RESISTANT),
    "by OID": (propranolol(concept("urn:oid:2.16.840.1.113883.6.88", "8787")), RESISTANT),
    "tablets times their strength": (propranolol(rxnorm("856519"), dosage=[dose(2, "tablet")]), RESISTANT),
    "a tablet too few": (propranolol(rxnorm("856519"), dosage=[dose(1, "tablet")]), SHORT),
    "in text": (propranolol(concept(text="Propranolol 80 mg tablet")), POSSIBLE),
    "by brand in the display of another system": (propranolol(concept(LOCAL, "1", display="Inderal LA")), POSSIBLE),
    "a false code with a true display": (propranolol(concept(RXNORM, "311671", display="propranolol")), POSSIBLE),
    "a combination in text": (propranolol(concept(text="propranolol/hydrochlorothiazide 80/25 mg")), ()),
    "of another patient": (propranolol(subject={"reference": "Patient/other"}), ()),
    "absolute, versioned patient": (
        propranolol(subject={"reference": f"https://h/Patient/{ME}/_history/2"}),
        RESISTANT,
    ),
    "reason in text": (propranolol(why={"text": "Stopped, no effect"}), POSSIBLE),
    "reason denied": (propranolol(why={"text": "denies side effects"}), ("DOC-01",)),
    "reason of an unknown system": (propranolol(why=concept(LOCAL, "x", display="Ineffective")), POSSIBLE),
    "no reason": (propranolol(why=None), ("DOC-01",)),
    "aim achieved": (propranolol(why=concept(SNOMED, "182846007")), ()),
    "non-adherent too": (propranolol(statusReason=[INEFFICACY, concept(SNOMED, "275928001")]), POSSIBLE),
    "declined for fear of side effects": (propranolol(why=concept(SNOMED, "182897004")), ()),
    "beta blockers contraindicated": (propranolol(why=concept(SNOMED, "315062004")), ()),
    "intended only": (propranolol(status="intended"), ()),
    "not taken": (propranolol(status="not-taken"), ()),
    "on hold": (propranolol(status="on-hold"), ()),
    "completed": (propranolol(status="completed"), RESISTANT),
    "status unknown, ended": (propranolol(status="unknown"), RESISTANT),
    "active with an end in the past": (propranolol(status="active"), RESISTANT),
    "active": (propranolol(status="active", end=None), ("PRV-05",)),
    "for hypertension": (propranolol(reasonCode=[HTN]), ()),
    "for hypertension and migraine": (propranolol(reasonCode=[HTN, MIGRAINE]), RESISTANT),
    "for plain headache": (propranolol(reasonCode=[concept(ICD10CM, "R51.9")]), RESISTANT),
    "for cluster headache": (propranolol(reasonCode=[concept(ICD10CM, "G44.009")]), ()),
    "for no stated reason": (propranolol(reasonCode=None), POSSIBLE),
    "for migraine in words": (propranolol(reasonCode=[{"text": "migraine prevention"}]), POSSIBLE),
    "grams": (propranolol(dosage=[dose(0.16, "g")]), RESISTANT),
    "twice a day": (propranolol(dosage=[dose(40, frequency=2, period=1, periodUnit="d")]), RESISTANT),
    "every twelve hours": (propranolol(dosage=[dose(40, frequency=1, period=12, periodUnit="h")]), RESISTANT),
    "too low": (propranolol(dosage=[dose(40)]), SHORT),
    "no dose": (propranolol(dosage=None), POSSIBLE),
    "two dosages add up": (propranolol(dosage=[dose(40), dose(40)]), RESISTANT),
    "in sequence the last": (propranolol(dosage=[dose(160) | {"sequence": 1}, dose(40) | {"sequence": 2}]), SHORT),
    "the low end of a range": (
        propranolol(
            dosage=[
                without(dose(), "doseAndRate", doseAndRate=[{"doseRange": {"low": quantity(40, "mg")}}]),
            ]
        ),
        SHORT,
    ),
    "ordered before calculated": (
        propranolol(
            dosage=[
                without(
                    dose(),
                    "doseAndRate",
                    doseAndRate=[
                        {"type": concept(LOCAL, "calculated"), "doseQuantity": quantity(40, "mg")},
                        {"type": concept(LOCAL, "ordered"), "doseQuantity": quantity(160, "mg")},
                    ],
                )
            ]
        ),
        RESISTANT,
    ),
    "55 days": (propranolol(end="2025-02-25"), SHORT),
    "56 days": (propranolol(end="2025-02-26"), RESISTANT),
    "partial dates that are long enough": (propranolol(start="2024", end="2025-06"), RESISTANT),
    "partial dates that leave it open": (propranolol(start="2025-01", end="2025-03"), POSSIBLE),
    "one date only": (propranolol(start=None), POSSIBLE),
}


@pytest.mark.parametrize(("row", "cards"), THIRD_CLASS.values(), ids=THIRD_CLASS)
def test_beside_two_failed_classes_a_beta_blocker(row: Json, cards: tuple[str, ...]) -> None:
    assert answered([condition(), *heavy(), topiramate(), amitriptyline(), row]) == set(cards)


def test_a_medication_is_found_where_it_is_referred_to() -> None:
    others = [condition(), *heavy(), topiramate(), amitriptyline()]
    bare = without(propranolol(), "medicationCodeableConcept")
    medication = {"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")}
    contained = bare | {"contained": [medication], "medicationReference": {"reference": "#m1"}}
    absolute = bare | {"medicationReference": {"reference": "https://h/fhir/Medication/m1"}}
    by_display = bare | {"medicationReference": {"reference": "Medication/gone", "display": "propranolol"}}
    assert answered([*others, contained]) == set(RESISTANT)
    assert answered([*others, absolute, medication]) == set(RESISTANT)
    assert answered([*others, by_display]) == set(POSSIBLE)


def test_one_course_recorded_twice_is_one_trial() -> None:
    others = [condition(), *heavy(), topiramate(), amitriptyline()]
    course = propranolol()
    assert answered([*others, course, as_request(course)]) == set(RESISTANT)
    lower = as_request(propranolol(why=None, dosage=[dose(40)]))
    assert answered([*others, course, lower]) == set(SHORT), "the lower dose stands"
    satisfied = as_request(propranolol(why=concept(SNOMED, "182846007")))
    assert answered([*others, course, satisfied]) == set(POSSIBLE), "conflicting reasons"
    authored = without(
        as_request(propranolol(start=None, end=None, why=None, status="completed")), authoredOn="2025-02-01"
    )
    assert answered([*others, course, authored]) == set(RESISTANT)


def test_courses_at_most_thirty_days_apart_are_steps_of_one_trial() -> None:
    others = [condition(), *heavy(), topiramate(), amitriptyline()]
    first = propranolol(start="2025-01-01", end="2025-01-31", why=None, status="completed")
    after_30 = propranolol(start="2025-03-02", end="2025-03-30")
    after_31 = propranolol(start="2025-03-03", end="2025-03-31")
    assert answered([*others, first, after_30]) == set(RESISTANT)
    assert answered([*others, first, after_31]) == {*SHORT, "DOC-01"}


DIAGNOSES = {
    "chronic with aura": (condition(concept(ICD10CM, "G43.E09")), True),
    "ICD-10": (condition(concept("http://hl7.org/fhir/sid/icd-10", "G43.9")), True),
    "SNOMED": (condition(concept(SNOMED, "37796009")), True),
    "by OID": (condition(concept("urn:oid:2.16.840.1.113883.6.96", "37796009")), True),
    "no status": (condition(status=None), True),
    "recurrence": (condition(status="recurrence"), True),
    "cyclical vomiting": (condition(concept(ICD10CM, "G43.A0")), False),
    "abdominal": (condition(concept(SNOMED, "75879005")), False),
    "history of migraine": (condition(concept(SNOMED, "161481007")), False),
    "resolved": (condition(status="resolved"), False),
    "abated": (condition(status=None, abatementDateTime="2020-01-01"), False),
    "refuted": (condition(verificationStatus=concept(LOCAL, "refuted")), False),
    "differential": (condition(verificationStatus=concept(LOCAL, "differential")), False),
    "text only": (condition({"text": "Migraine"}), False),
    "tension-type": (condition(concept(ICD10CM, "G44.209")), False),
}


@pytest.mark.parametrize(("diagnosis", "counts"), DIAGNOSES.values(), ids=DIAGNOSES)
def test_an_active_coded_migraine_diagnosis_is_needed(diagnosis: Json, counts: bool) -> None:
    chart = [diagnosis, *heavy(), propranolol(), topiramate(), amitriptyline()]
    assert answered(chart) == (set(RESISTANT) if counts else set())


def months_with(last: Json | None, *more: Json) -> list[Json]:
    return [month("2026-03", 10), month("2026-04", 9), *([last] if last else []), *more]


def three_months_headache(days: int) -> Json:
    return observation(LOINC, "65380-8", effectiveDateTime="2026-06-05", valueQuantity=quantity(days, "d"))


DIARIES = {
    "a quantity in days": (
        months_with(without(month("2026-05", 1), "valueInteger", valueQuantity=quantity(11, "days"))),
        RESISTANT,
    ),
    "preliminary": (months_with(month("2026-05", 11, status="preliminary")), POSSIBLE),
    "not a whole month": (months_with(diary(days=11, start="2026-05-02", end="2026-05-31")), POSSIBLE),
    "in its own time zone": (
        months_with(diary(days=11, start="2026-05-01T00:00:00+12:00", end="2026-05-31T23:59:59+12:00")),
        RESISTANT,
    ),
    "corrected later": (
        months_with(
            month("2026-05", 11, issued="2026-06-01T08:00:00Z"), month("2026-05", 5, issued="2026-06-02T08:00:00Z")
        ),
        (),
    ),
    "twice, undated: the lower": (months_with(month("2026-05", 11), month("2026-05", 5)), ()),
    "headache days only": (months_with(month("2026-05", 20, "headache-days")), POSSIBLE),
    "few headache days": (months_with(month("2026-05", 7, "headache-days")), ()),
    "few migraine days prove nothing": (months_with(month("2026-05", 2, "migraine-days")), POSSIBLE),
    "a third of three months' headache": ([three_months_headache(23)], ()),
    "much headache in three months": ([three_months_headache(60)], POSSIBLE),
    "the diary beats it": ([three_months_headache(23), *heavy()], RESISTANT),
}


@pytest.mark.parametrize(("rows", "cards"), DIARIES.values(), ids=DIARIES)
def test_headache_days(rows: list[Json], cards: tuple[str, ...]) -> None:
    assert answered([condition(), *rows, propranolol(), topiramate(), amitriptyline()]) == set(cards)


def erenumab(end: str = "2025-05-01", **more: Any) -> Json:
    monthly = dose(140, frequency=1, period=28, periodUnit="d")
    return statement(rxnorm("2045613"), end=end, why=INEFFICACY, **{"dosage": [monthly]} | more)


def given(*days: str, **more: Any) -> list[Json]:
    return [administration(on=day, amount=140, **more) for day in days]


def toxin(drug: str = "1712", **more: Any) -> Json:
    cycle = dose(155, "U", frequency=1, period=84, periodUnit="d")
    return statement(rxnorm(drug), end="2025-07-01", why=INEFFICACY, **{"dosage": [cycle]} | more)


CYCLES = [procedure(concept(CPT, "64615"), day) for day in ("2025-01-05", "2025-03-30")]

INJECTED = {
    "antibody, none recorded": ([erenumab()], RESISTANT),
    "76 days": ([erenumab(end="2025-03-18")], SHORT),
    "77 days": ([erenumab(end="2025-03-19")], RESISTANT),
    "three given": ([erenumab(), *given("2025-01-01", "2025-01-29", "2025-02-26")], RESISTANT),
    "two given": ([erenumab(end="2025-03-12"), *given("2025-01-01", "2025-01-29")], SHORT),
    "two given of a longer course": ([erenumab(), *given("2025-01-01", "2025-01-29")], POSSIBLE),
    "one of a longer course": ([erenumab(), *given("2025-01-01")], POSSIBLE),
    "one given, one not done": ([erenumab(), *given("2025-01-01"), *given("2025-01-29", status="not-done")], SHORT),
    "too little each time": ([erenumab(dosage=[dose(35, frequency=1, period=28, periodUnit="d")])], SHORT),
    "syringes": (
        [
            erenumab(
                dosage=[dose(1, "syringe", frequency=1, period=1, periodUnit="mo")],
                medicationCodeableConcept=rxnorm("2120193"),
            )
        ],
        RESISTANT,
    ),
    "any toxin without a reason": ([toxin(reasonCode=None)], ()),
    "any toxin with the procedure for migraine": ([toxin(reasonCode=None), *CYCLES], RESISTANT),
    "any toxin for migraine": ([toxin()], RESISTANT),
    "Botox without a reason": ([toxin("860189", reasonCode=None)], POSSIBLE),
    "Botox for dystonia": ([toxin("860189", reasonCode=[concept(ICD10CM, "G24.3")])], ()),
}


@pytest.mark.parametrize(("rows", "cards"), INJECTED.values(), ids=INJECTED)
def test_beside_two_failed_classes_an_injected_preventive(rows: list[Json], cards: tuple[str, ...]) -> None:
    chronic = condition(concept(ICD10CM, "G43.709"))
    assert answered([chronic, *heavy(), topiramate(), amitriptyline(), *rows]) == set(cards)


def rimegepant(**timing: Any) -> Json:
    return statement(rxnorm("2282307"), why=INEFFICACY, dosage=[dose(75, **timing)])


def test_rimegepant_is_preventive_or_acute_by_how_it_is_taken() -> None:
    others = [condition(), *heavy(), topiramate(), amitriptyline()]
    assert answered([*others, rimegepant(frequency=1, period=2, periodUnit="d")]) == set(RESISTANT)
    prn = statement(rxnorm("2282307"), why=INEFFICACY, dosage=[as_needed(75)])
    assert answered([*others, prn]) == {"ACU-02"}


def test_forms_that_are_no_migraine_treatment() -> None:
    others = [condition(), *heavy(), topiramate(), amitriptyline()]
    drops = propranolol(rxnorm("10600"), dosage=[dose(20) | {"route": concept(SNOMED, "54485002")}])
    in_text = propranolol(concept(text="timolol 0.5 % ophthalmic solution"))
    assert answered([*others, drops]) == set()
    assert answered([*others, in_text]) == set()


# --- Hospital and specialist ------------------------------------------------------------------------------------------


def visit(class_: str = "EMER", why: Json | None = MIGRAINE, start: str = "2026-06-01T08:00:00Z", **more: Any) -> Json:
    more.setdefault("period", period(start, start))
    return encounter(class_, why, **more)


DIAGNOSED = {"condition": {"reference": "Condition/dx"}}
USE = "http://terminology.hl7.org/CodeSystem/diagnosis-role"

VISITS = {
    **{name: (visit(name), True) for name in ("EMER", "IMP", "ACUTE", "OBSENC")},
    "ambulatory": (visit("AMB"), False),
    "ambulatory of an emergency type": (visit("AMB", type=[concept(SNOMED, "4525004")]), True),
    "planned": (visit(status="planned"), False),
    "cancelled": (visit(status="cancelled"), False),
    "still running": (visit(status="in-progress", period=period("2026-06-10T08:00:00Z", None)), True),
    "R5": (
        without(
            visit(),
            "class",
            "period",
            "reasonCode",
            status="completed",
            actualPeriod=period("2026-06-01", "2026-06-01"),
            **{"class": [concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "EMER")]},
            reason=[{"value": [{"concept": MIGRAINE}]}],
        ),
        True,
    ),
    "migraine in second place": (visit(why=None, reasonCode=[concept(ICD10CM, "R10.9"), MIGRAINE]), False),
    "in text": (visit(why={"text": "migraine"}), True),
    "another reason in text": (visit(why={"text": "chest pain"}), False),
    "headache": (visit(why=concept(ICD10CM, "R51.9")), True),
    "by reference": (visit(why=None, reasonReference=[{"reference": "Condition/dx"}]), True),
    "diagnosis of rank 1": (visit(why=None, diagnosis=[DIAGNOSED | {"rank": 1}]), True),
    "diagnosis of rank 2": (visit(why=None, diagnosis=[DIAGNOSED | {"rank": 2}]), False),
    "discharge diagnosis": (visit(why=None, diagnosis=[DIAGNOSED | {"use": concept(USE, "DD")}]), True),
    "admission diagnosis": (visit(why=None, diagnosis=[DIAGNOSED | {"use": concept(USE, "AD")}]), False),
    "a text reason before a migraine diagnosis": (
        visit(why={"text": "chest pain"}, diagnosis=[DIAGNOSED | {"rank": 1}]),
        True,
    ),
    "90 days ago in its own zone": (
        visit(period=period("2026-03-16T22:00:00+02:00", "2026-03-17T00:30:00+02:00")),
        True,
    ),
    "91 days ago in its own zone": (
        visit(period=period("2026-03-16T10:00:00-05:00", "2026-03-16T23:30:00-05:00")),
        False,
    ),
}


@pytest.mark.parametrize(("row", "speaks"), VISITS.values(), ids=VISITS)
def test_a_hospital_visit_for_migraine(row: Json, speaks: bool) -> None:
    assert answered([condition(id="dx"), row]) == ({"ED-01"} if speaks else set())


def appointment(status: str = "booked", start: str = "2026-07-01T09:00:00Z", **more: Any) -> Json:
    actor = {"actor": {"reference": f"Patient/{ME}"}}
    kept = {"specialty": [NEUROLOGY], "participant": [actor]} | more
    return without(resource("Appointment", status=status, start=start, **kept), "subject")


def referral(code: Json | None = None, authored: str | None = "2026-06-02", **more: Any) -> Json:
    standing = {"status": "active", "intent": "order"} | more
    return resource("ServiceRequest", code=code or concept(SNOMED, "308474002"), authoredOn=authored, **standing)


def contact(class_: str = "AMB", on: str = "2026-06-05", **more: Any) -> Json:
    return encounter(class_, concept(ICD10CM, "R10.9"), **{"period": period(on, on)} | more)


ROLE = {"resourceType": "PractitionerRole", "id": "role", "specialty": [NEUROLOGY]}

CARE = {
    "booked": ([appointment()], True),
    "booked for today": ([appointment(start="2026-06-15T09:00:00Z")], True),
    "booked, but past": ([appointment(start="2026-06-14T09:00:00Z")], False),
    "kept since": ([appointment("fulfilled", "2026-06-10T09:00:00Z")], True),
    "kept before": ([appointment("fulfilled", "2026-05-10T09:00:00Z")], False),
    "proposed": ([appointment("proposed")], False),
    "cancelled": ([appointment("cancelled")], False),
    "somebody else's": ([appointment(participant=[{"actor": {"reference": "Patient/other"}}])], False),
    "headache clinic in text": ([appointment(specialty=[{"text": "Headache clinic"}])], True),
    "a specialty in no table whose display says neurology": (
        [appointment(specialty=[concept(SNOMED, "394582007", display="Neurology")])],
        True,
    ),
    "neurosurgery": ([appointment(specialty=[{"text": "Neurosurgery"}])], False),
    "by service type": ([appointment(specialty=None, serviceType=[NEUROLOGY])], True),
    "referred": ([referral()], True),
    "referred that day": ([referral(authored="2026-06-01")], True),
    "referred the day before": ([referral(authored="2026-05-31")], False),
    "referred an hour before": ([referral(authored="2026-06-01T09:00:00+02:00")], False),
    "referred an hour after": ([referral(authored="2026-06-01T05:00:00-04:00")], True),
    "referred, undated": ([referral(authored=None)], True),
    "referral drafted": ([referral(status="draft")], False),
    "referral revoked": ([referral(status="revoked")], False),
    "referral proposed": ([referral(intent="proposal")], False),
    "not to be done": ([referral(doNotPerform=True)], False),
    "a consultation": ([referral(concept(SNOMED, "11429006"))], False),
    "a consultation by neurology": ([referral(concept(SNOMED, "11429006"), performerType=NEUROLOGY)], True),
    "to pain management": ([referral(concept(SNOMED, "306265007"))], False),
    "in text": ([referral({"text": "Referral to neurology"})], True),
    "seen, by service type": ([contact(serviceType=NEUROLOGY)], True),
    "seen by video": ([contact("VR", type=[{"text": "Neurology follow-up"}])], True),
    "seen by a neurologist": (
        [contact(participant=[{"individual": {"reference": "PractitionerRole/role"}}]), ROLE],
        True,
    ),
    "contained role": ([contact(participant=[{"individual": {"reference": "#role"}}], contained=[ROLE])], True),
    "R5 role": ([contact(participant=[{"actor": {"reference": "PractitionerRole/role"}}]), ROLE], True),
    "seen by somebody": ([contact()], False),
    "seen on the ward": ([contact("IMP", serviceType=NEUROLOGY)], False),
}


@pytest.mark.parametrize(("rows", "silences"), CARE.values(), ids=CARE)
def test_specialist_care_after_a_hospital_visit(rows: list[Json], silences: bool) -> None:
    assert answered([condition(), visit(), *rows]) == (set() if silences else {"ED-01"})


def test_follow_up_that_did_not_come_cannot_be_excluded() -> None:
    assert answered([condition(), visit()], cut=["Appointment"]) == {"INCOMPLETE"}
    assert answered([condition(), visit()], missing=["ServiceRequest"]) == {"INCOMPLETE"}
    assert answered([condition(), visit(), referral()], cut=["Appointment"]) == set()
    assert answered([condition()], missing=["Encounter", "Appointment", "ServiceRequest"]) == set()
    unreadable = appointment() | {"start": 12345}
    assert answered([condition(), visit(), unreadable]) == {"INCOMPLETE"}


TREATMENTS = {
    "acupuncture": procedure(concept(SNOMED, "44868003"), "2026-01-01"),
    "ordered": resource("ServiceRequest", status="active", intent="order", code=concept(SNOMED, "44868003")),
    "biofeedback": procedure(concept(CPT, "90875"), "2026-01-01"),
    "therapy in text": resource(
        "ServiceRequest", status="active", intent="order", code={"text": "Cognitive behaviour therapy"}
    ),
    "vagus nerve stimulation": procedure(concept(SNOMED, "736672007"), "2026-01-01"),
    "device in use": resource("DeviceUseStatement", status="active", device={"display": "vagus nerve stimulator"}),
    "device in R5": {
        "resourceType": "DeviceUsage",
        "id": "usage",
        "status": "active",
        "patient": {"reference": f"Patient/{ME}"},
        "device": {"concept": {"text": "Supraorbital neurostimulation"}},
    },
    "device ordered": resource(
        "DeviceRequest",
        status="active",
        intent="order",
        codeCodeableConcept={"text": "Remote electrical neuromodulation"},
    ),
}


@pytest.mark.parametrize("row", TREATMENTS.values(), ids=TREATMENTS)
def test_a_non_drug_treatment_of_the_last_year(row: Json) -> None:
    chart = [condition(), *heavy(), propranolol(), topiramate(), amitriptyline()]
    assert answered([*chart, row]) == {*RESISTANT} - {"NPH-01"}


def test_a_non_drug_treatment_that_does_not_count() -> None:
    chart = [condition(), *heavy(), propranolol(), topiramate(), amitriptyline()]
    acupuncture = concept(SNOMED, "44868003")
    for row in (
        procedure(acupuncture, "2025-06-14"),
        procedure(acupuncture, "2026-01-01", status="not-done"),
        procedure(acupuncture, "2026-01-01", reasonCode=[concept(ICD10CM, "M54.5")]),
    ):
        assert answered([*chart, row]) == set(RESISTANT)


# --- Acute drugs ------------------------------------------------------------------------------------------------------


def taken(drug: Json, amount: float | None = None, unit: str = "mg", why: Json | None = None, **more: Any) -> Json:
    dosage = [as_needed(amount, unit)] if amount is not None else None
    status = "stopped" if why else "active"
    return statement(drug, status, None, None, why, **{"dosage": dosage} | more)


def response(row: Json, treated: int, relieved: int, by: str = "partOf") -> Json:
    return attack_response(treated, relieved, **{by: [{"reference": f"MedicationStatement/{row['id']}"}]})


S100, R10 = taken(SUMATRIPTAN, 100), taken(rxnorm("88014"), 10)

ACUTE = {
    "two triptans": ([S100, R10, response(S100, 4, 0), response(R10, 4, 1)], UNRESPONSIVE),
    "by focus": ([S100, R10, response(S100, 4, 0, "focus"), response(R10, 4, 2, "focus")], UNRESPONSIVE),
    "three of four relieved": ([S100, R10, response(S100, 4, 3), response(R10, 4, 1)], ("ACU-02",)),
    "one triptan": ([S100, response(S100, 5, 1)], ("ACU-02",)),
    "both not tolerated": (
        [taken(SUMATRIPTAN, why=INTOLERANCE), taken(rxnorm("88014"), why=INTOLERANCE)],
        UNRESPONSIVE,
    ),
    "sumatriptan with naproxen is sumatriptan": (
        [taken(rxnorm("849450"), 1, "tablet", INTOLERANCE), taken(SUMATRIPTAN, 100, why=INTOLERANCE)],
        ("ACU-02",),
    ),
    "ineffective, no attacks on record": ([taken(SUMATRIPTAN, 100, why=INEFFICACY)], ("ACU-02",)),
    "ineffective below the full dose": ([taken(SUMATRIPTAN, 25, why=INEFFICACY)], ()),
    "taken below the full dose": ([taken(SUMATRIPTAN, 25)], ("ACU-01",)),
    "one tablet of 25": ([taken(rxnorm("315223"), 1, "tablet")], ("ACU-01",)),
    "two tablets of 25": ([taken(rxnorm("315223"), 2, "tablet")], ()),
    "a spray of 20": ([taken(rxnorm("314227"), 1, "spray")], ()),
    "a spray of 5": ([taken(rxnorm("313159"), 1, "spray")], ("ACU-01",)),
    "a syringe of 6": ([taken(rxnorm("1657151"), 1, "injection")], ()),
    "ibuprofen for something": ([taken(rxnorm("5640"), 200, reasonCode=None)], ()),
    "ibuprofen for migraine": ([taken(rxnorm("5640"), 200)], ("ACU-01",)),
    "aspirin against clots": ([taken(rxnorm("1191"), 81)], ()),
}


@pytest.mark.parametrize(("rows", "cards"), ACUTE.values(), ids=ACUTE)
def test_acute_drugs(rows: list[Json], cards: tuple[str, ...]) -> None:
    assert answered([condition(), *rows]) == set(cards)


def overuse(name: str, **days: int) -> Json:
    parts = [component(DIARY, code.replace("_", "-"), valueInteger=value) for code, value in days.items()]
    return without(month(name, 1, "acute-medication-days"), "valueInteger", component=parts)


def test_overuse_of_acute_drugs() -> None:
    spring = ("2026-03", "2026-04", "2026-05")
    assert answered([condition(), *(overuse(name, triptan=10) for name in spring)]) == {"MOH-01"}
    assert answered([condition(), *(overuse(name, triptan=5, simple_analgesic=5) for name in spring)]) == {"MOH-01"}
    assert answered([condition(), *(overuse(name, simple_analgesic=14) for name in spring)]) == set()
    assert answered([condition(), *(overuse(name, triptan=20) for name in spring[:2])]) == set()


# --- Orders -----------------------------------------------------------------------------------------------------------


def draft(drug: Json, amount: float | None = None, unit: str = "mg", **more: Any) -> Json:
    instructions = [as_needed(amount, unit)] if amount is not None else None
    kept = {"reasonCode": [MIGRAINE], "dosageInstruction": instructions} | more
    return resource(
        "MedicationRequest",
        **{"id": "d1", "status": "draft", "intent": "order", "medicationCodeableConcept": drug} | kept,
    )


TOPIRAMATE = rxnorm("38404")


def blood_pressure(on: str, systolic: float, diastolic: float) -> Json:
    parts = [("8480-6", systolic), ("8462-4", diastolic)]
    measured = [component(LOINC, code, valueQuantity=quantity(value, "mmHg")) for code, value in parts]
    return observation(LOINC, "85354-9", effectiveDateTime=on, component=measured)


def pregnancy(code: Json, on: str) -> Json:
    return observation(LOINC, "82810-3", effectiveDateTime=on, valueCodeableConcept=code)


PREGNANT, NOT_PREGNANT = concept(SNOMED, "77386006"), concept(SNOMED, "60001007")


def allergic(substance: Json, type_: str | None = "allergy") -> Json:
    return without(
        resource("AllergyIntolerance", patient={"reference": f"Patient/{ME}"}, code=substance, type=type_), "subject"
    )


ORDERS = {
    "half a dose": ([], draft(SUMATRIPTAN, 25), {"ACU-01"}),
    "a new preventive": ([], draft(TOPIRAMATE), {"PRV-02"}),
    "R5": (
        [],
        without(
            draft(TOPIRAMATE),
            "medicationCodeableConcept",
            "reasonCode",
            medication={"concept": TOPIRAMATE},
            reason=[{"concept": MIGRAINE}],
        ),
        {"PRV-02"},
    ),
    "objects for lists": (
        [],
        draft(SUMATRIPTAN, dosageInstruction={"doseAndRate": {"doseQuantity": quantity(25, "mg")}}),
        {"ACU-01"},
    ),
    "already in the record": (
        [as_request(statement(TOPIRAMATE, "active", "2026-06-15", None), id="d1")],
        draft(TOPIRAMATE),
        {"PRV-02"},
    ),
    "taken 350 days ago": ([statement(TOPIRAMATE, "stopped", "2025-01-01", "2025-06-30")], draft(TOPIRAMATE), set()),
    "taken 366 days ago": (
        [statement(TOPIRAMATE, "stopped", "2025-01-01", "2025-06-14")],
        draft(TOPIRAMATE),
        {"PRV-02"},
    ),
    "taken, nobody knows when": ([statement(TOPIRAMATE, "completed", None, None)], draft(TOPIRAMATE), set()),
    "its class failed": ([propranolol()], draft(rxnorm("6918")), {"PRV-01", "PRV-02"}),
    "asthma": ([condition(concept(ICD10CM, "J45.909"))], draft(rxnorm("8787")), {"SAF-01"}),
    "asthma by ICD-10": (
        [condition(concept("http://hl7.org/fhir/sid/icd-10", "J45"))],
        draft(rxnorm("8787")),
        {"SAF-01"},
    ),
    "phenelzine in text": (
        [statement(concept(text="Phenelzine 15 mg"), "active", "2026-01-01", None, reasonCode=None)],
        draft(rxnorm("704")),
        {"SAF-01"},
    ),
    "phenelzine stopped": (
        [statement(concept(text="Phenelzine 15 mg"), "stopped", "2026-01-01", "2026-03-01", reasonCode=None)],
        draft(rxnorm("704")),
        {"PRV-02"},
    ),
    "an MAO inhibitor by ATC": (
        [statement(concept(ATC, "N06AF03"), "active", "2026-01-01", None, reasonCode=None)],
        draft(rxnorm("704")),
        {"SAF-01"},
    ),
    "clarithromycin by display": (
        [statement(concept(RXNORM, "0", display="clarithromycin"), "active", "2026-06-10", None, reasonCode=None)],
        draft(rxnorm("231049"), 40),
        {"SAF-01"},
    ),
    "allergic": ([allergic(SUMATRIPTAN)], draft(SUMATRIPTAN, 50), {"SAF-01"}),
    "allergic to another NSAID": ([allergic({"text": "Aspirin"})], draft(rxnorm("5640"), 400), {"SAF-01"}),
    "allergic to NSAIDs": ([allergic({"text": "NSAIDs"}, None)], draft(rxnorm("5640"), 400), {"SAF-01"}),
    "pregnant by status": ([pregnancy(PREGNANT, "2026-05-01")], draft(TOPIRAMATE), {"SAF-01"}),
    "no longer pregnant": (
        [pregnancy(PREGNANT, "2026-05-01"), pregnancy(NOT_PREGNANT, "2026-05-20")],
        draft(TOPIRAMATE),
        {"PRV-02"},
    ),
    "uncontrolled hypertension": (
        [blood_pressure("2026-06-01", 165, 90), blood_pressure("2026-06-05", 150, 101)],
        draft(SUMATRIPTAN, 50),
        {"SAF-01"},
    ),
    "controlled later that day": (
        [
            blood_pressure("2026-06-01", 165, 90),
            blood_pressure("2026-06-05T08:00:00Z", 170, 101),
            blood_pressure("2026-06-05T12:00:00Z", 130, 80),
        ],
        draft(SUMATRIPTAN, 50),
        set(),
    ),
}


@pytest.mark.parametrize(("chart", "order", "cards"), ORDERS.values(), ids=ORDERS)
def test_an_order_in_hand(chart: list[Json], order: Json, cards: set[str]) -> None:
    assert answered([condition(), *chart], "order-sign", orders=[order]) == cards


def test_only_the_selected_orders_are_judged() -> None:
    orders = [draft(SUMATRIPTAN, 25), draft(TOPIRAMATE, id="d2")]
    chart = [condition()]
    assert answered(chart, "order-select", orders=orders, selections=["MedicationRequest/d1"]) == {"ACU-01"}
    assert answered(chart, "order-select", orders=orders, selections=["d2"]) == {"PRV-02"}
    assert answered(chart, "order-select", orders=orders, selections=["MedicationRequest/none"]) == set()


def test_a_medication_among_the_drafts_is_what_an_order_refers_to() -> None:
    order = without(draft(TOPIRAMATE), "medicationCodeableConcept", medicationReference={"reference": "Medication/m"})
    medication = {"resourceType": "Medication", "id": "m", "code": TOPIRAMATE}
    assert answered([condition()], "order-sign", orders=[order, medication]) == {"PRV-02"}


def test_without_a_problem_list_contraindications_cannot_be_excluded() -> None:
    assert answered([], "order-select", orders=[draft(rxnorm("6918"))], missing=["Condition"]) == {
        "INCOMPLETE",
        "PRV-02",
    }
    assert answered([], "order-select", orders=[draft(rxnorm("25480"))], missing=["Condition"]) == set()


@pytest.mark.parametrize(
    ("birth", "speaks"), [("2008-06-15", True), ("2008-06-16", False), ("2008", False), (None, False)]
)
def test_only_adults_are_judged(birth: str | None, speaks: bool) -> None:
    patient = without(ADULT, "birthDate", **({"birthDate": birth} if birth else {}))
    chart = [condition(), *heavy(), propranolol(), topiramate(), amitriptyline()]
    assert answered(chart, patient=patient) == (set(RESISTANT) if speaks else set())
