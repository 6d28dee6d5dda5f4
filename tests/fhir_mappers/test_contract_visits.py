"""The contract on visits, follow-up, diagnoses, allergies and measurements: one row per line of it."""

from typing import Any

import pytest

from prodrome.fhir_mappers.dates import parse_when
from tests.fhir_mappers.build import (
    ACT_CODE,
    CPT,
    DIARY,
    ICD10CM,
    LOCAL,
    LOINC,
    ME,
    MIGRAINE,
    SNOMED,
    Json,
    component,
    concept,
    condition,
    diary,
    encounter,
    facts,
    observation,
    period,
    quantity,
    resource,
    rxnorm,
)
from tests.fhir_mappers.contract import Ask, Row, allergies, follow_ups, problems, readings, skipped, visits

ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0004"
EPIC = "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260"
ASTHMA = concept(SNOMED, "195967001")
NEUROLOGY = concept(SNOMED, "394591006")


def classed(system: str | None, code: str | None, display: str | None = None, **more: Any) -> Json:
    made = {name: value for name, value in (("system", system), ("code", code), ("display", display)) if value}
    return encounter(None, **{"class": made} | more)


HOSPITAL: list[Row] = [
    *[(code, (encounter(code),), visits, ["migraine"]) for code in ("EMER", "IMP", "ACUTE", "OBSENC")],
    *[(code, (encounter(code),), visits, []) for code in ("AMB", "VR", "HH", "FLD", "PRENC")],
    ("NONAC", (encounter("NONAC"),), visits, []),
    ("v2 E", (classed(V2, "E"),), visits, ["migraine"]),
    ("v2 I", (classed(V2, "I"),), visits, ["migraine"]),
    ("v2 O", (classed(V2, "O"),), visits, []),
    ("v2 by its OID", (classed("urn:oid:2.16.840.1.113883.18.5", "E"),), visits, ["migraine"]),
    ("v2 of old", (classed("http://hl7.org/fhir/v2/0004", "E"),), visits, ["migraine"]),
    ("v3 by its OID", (classed("urn:oid:2.16.840.1.113883.5.4", "EMER"),), visits, ["migraine"]),
    ("v3 of STU3", (classed("http://hl7.org/fhir/v3/ActCode", "EMER"),), visits, ["migraine"]),
    ("no system", (classed(None, "EMER"),), visits, ["migraine"]),
    ("a class by a word as its code", (classed(None, "emergency"),), visits, ["migraine"]),
    ("a class by a word of the house", (classed(LOCAL, "INPATIENT"),), visits, ["migraine"]),
    ("ambulatory by a word as its code", (classed(None, "outpatient"),), visits, []),
    ("a class in words", (classed(LOCAL, "7", "Emergency"),), visits, ["migraine"]),
    ("a class in German words", (classed(LOCAL, "7", "Notfall"),), visits, ["migraine"]),
    ("a class in French words", (classed(LOCAL, "7", "Urgences"),), visits, ["migraine"]),
    ("a class in Spanish words", (classed(LOCAL, "7", "Urgencias"),), visits, ["migraine"]),
    ("a class in Italian words", (classed(LOCAL, "7", "Pronto soccorso"),), visits, ["migraine"]),
    ("a class in Dutch words", (classed(LOCAL, "7", "Spoedeisende hulp"),), visits, ["migraine"]),
    ("a class in Portuguese words", (classed(LOCAL, "7", "Urgência"),), visits, ["migraine"]),
    ("a class in Finnish words", (classed(LOCAL, "7", "Päivystyskäynti"),), visits, ["migraine"]),
    ("a class in Danish words", (classed(LOCAL, "7", "Skadestue"),), visits, ["migraine"]),
    ("a class in Japanese words", (classed(LOCAL, "7", "救急外来"),), visits, ["migraine"]),
    ("stationary in German", (classed(LOCAL, "7", "stationär"),), visits, ["migraine"]),
    ("ambulant in German", (classed(LOCAL, "7", "ambulant"),), visits, []),
    ("Epic by display", (classed(EPIC, "99", "Emergency"),), visits, ["migraine"]),
    ("Epic by type", (classed(EPIC, "99", type=[concept(text="Emergency Department Visit")]),), visits, ["migraine"]),
    ("Epic outpatient", (classed(EPIC, "99", "Outpatient"),), visits, []),
    ("Epic inpatient", (classed(EPIC, "99", "Inpatient"),), visits, ["migraine"]),
    ("Epic observation", (classed(EPIC, "99", "Observation"),), visits, ["migraine"]),
    ("CPT 99284", (encounter(None, type=[concept(CPT, "99284")]),), visits, ["migraine"]),
    ("an emergency type", (encounter("AMB", type=[concept(SNOMED, "4525004")]),), visits, ["migraine"]),
    ("an emergency service type", (encounter("AMB", serviceType=concept(SNOMED, "225728007")),), visits, ["migraine"]),
    ("R5 class", (encounter(None) | {"class": [concept(ACT_CODE, "EMER")]},), visits, ["migraine"]),
    (
        "R5 several classes",
        (encounter(None) | {"class": [concept(LOCAL, "x"), concept(ACT_CODE, "EMER")]},),
        visits,
        ["migraine"],
    ),
    (
        "R5 period",
        (encounter(period=None, actualPeriod=period("2026-05-01", "2026-05-02")),),
        lambda read: [visit.start == parse_when("2026-05-01") for visit in read.hospital_visits],
        [True],
    ),
    (
        "an emergency department as its place",
        (classed(LOCAL, "7", location=[{"location": {"display": "Emergency Department"}}]),),
        visits,
        ["migraine"],
    ),
    (
        "the place of an ambulatory visit",
        (encounter("AMB", location=[{"location": {"display": "Emergency Department"}}]),),
        visits,
        [],
    ),
    (
        "a type that is in no table, by its display",
        (encounter(None, type=[concept(SNOMED, "1", display="Emergency visit")]),),
        visits,
        ["migraine"],
    ),
    ("DSTU2", (encounter(None) | {"class": "emergency"},), visits, ["migraine"]),
    ("DSTU2 inpatient", (encounter(None) | {"class": "inpatient"},), visits, ["migraine"]),
    ("a class of nobody's", (classed(LOCAL, "7", "Pastoral care"),), visits, []),
]

C1 = condition(id="c1")
ANXIETY = concept(SNOMED, "48694002")


def diagnosis(what: Json, rank: int | None = None, use: str | None = None) -> Json:
    made: Json = {"condition": what}
    if rank is not None:
        made["rank"] = rank
    if use:
        made["use"] = concept("http://terminology.hl7.org/CodeSystem/diagnosis-role", use)
    return made


R1 = {"reference": "Condition/c1"}
R2 = {"reference": "Condition/c2"}
C2 = condition(ANXIETY, id="c2")
HEAD = concept(ICD10CM, "R51.9")

WHY: list[Row] = [
    ("the first reason", (encounter(why=MIGRAINE),), visits, ["migraine"]),
    ("migraine second", (encounter(why=None, reasonCode=[ANXIETY, MIGRAINE]),), visits, ["other"]),
    (
        "O99.35 first, G43 second",
        (encounter(why=None, reasonCode=[concept(ICD10CM, "O99.353"), MIGRAINE]),),
        visits,
        ["migraine"],
    ),
    ("O99.35 alone", (encounter(why=concept(ICD10CM, "O99.353")),), visits, ["other"]),
    (
        "text before a code",
        (encounter(why=None, reasonCode=[concept(text="bad head"), MIGRAINE]),),
        visits,
        ["migraine"],
    ),
    (
        "a local code before a code",
        (encounter(why=None, reasonCode=[concept(LOCAL, "x", display="Pain"), MIGRAINE]),),
        visits,
        ["migraine"],
    ),
    (
        "an unknown code of ICD holds its place",
        (encounter(why=None, reasonCode=[concept(ICD10CM, "S93.4"), MIGRAINE]),),
        visits,
        ["other"],
    ),
    (
        "an unknown code of ICPC holds its place",
        (encounter(why=None, reasonCode=[concept("http://hl7.org/fhir/sid/icpc-2", "L77"), MIGRAINE]),),
        visits,
        ["other"],
    ),
    ("headache", (encounter(why=HEAD),), visits, ["headache"]),
    ("the word migraine", (encounter(why=concept(text="Migraine")),), visits, ["headache"]),
    ("the word in German", (encounter(why=concept(text="Migräneattacke")),), visits, ["headache"]),
    ("the word in French", (encounter(why=concept(text="crise de migraine")),), visits, ["headache"]),
    ("the word in Spanish", (encounter(why=concept(text="Crisis de migraña")),), visits, ["headache"]),
    ("the word in Italian", (encounter(why=concept(text="Emicrania")),), visits, ["headache"]),
    ("the word in Portuguese", (encounter(why=concept(text="Enxaqueca")),), visits, ["headache"]),
    ("the word in Dutch", (encounter(why=concept(text="Migraineaanval")),), visits, ["headache"]),
    ("the word in Finnish", (encounter(why=concept(text="Migreenikohtaus")),), visits, ["headache"]),
    ("the word in Polish", (encounter(why=concept(text="Migrena")),), visits, ["headache"]),
    ("the word in Czech", (encounter(why=concept(text="migréna")),), visits, ["headache"]),
    ("the word in Japanese", (encounter(why=concept(text="片頭痛発作")),), visits, ["headache"]),
    ("the word in Estonian", (encounter(why=concept(text="Migreen")),), visits, ["headache"]),
    ("the word denied", (encounter(why=concept(text="no migraine")),), visits, ["unstated"]),
    ("the word denied in German", (encounter(why=concept(text="keine Migräne")),), visits, ["unstated"]),
    ("the word denied in French", (encounter(why=concept(text="pas de migraine")),), visits, ["unstated"]),
    (
        "the word beside a diagnosis",
        (encounter(why=concept(text="Migraine"), diagnosis=[diagnosis(R2)]), C1, C2),
        visits,
        ["other"],
    ),
    ("a word of a display", (encounter(why=concept(LOCAL, "x", display="Migraine")),), visits, ["headache"]),
    ("a reference", (encounter(why=None, reasonReference=[R1]), C1), visits, ["migraine"]),
    ("a reference by display", (encounter(why=None, reasonReference=[{"display": "Migraine"}]),), visits, ["headache"]),
    ("R5 reason", (encounter(why=None, reason=[{"value": [{"concept": MIGRAINE}]}]),), visits, ["migraine"]),
    (
        "R5 reason by reference",
        (encounter(why=None, reason=[{"value": [{"reference": R1}]}]), C1),
        visits,
        ["migraine"],
    ),
    ("rank 1", (encounter(why=None, diagnosis=[diagnosis(R2, 2), diagnosis(R1, 1)]), C1, C2), visits, ["migraine"]),
    ("rank 2", (encounter(why=None, diagnosis=[diagnosis(R2, 1), diagnosis(R1, 2)]), C1, C2), visits, ["other"]),
    *[
        (
            use,
            (encounter(why=None, diagnosis=[diagnosis(R2, use="AD"), diagnosis(R1, use=use)]), C1, C2),
            visits,
            ["migraine"],
        )
        for use in ("CC", "DD", "billing")
    ],
    (
        "treatment",
        (
            encounter(
                why=None,
                diagnosis=[
                    {"condition": R2},
                    diagnosis(R1)
                    | {"use": concept("http://fhir.de/CodeSystem/KontaktDiagnoseProzedur", "treatment-diagnosis")},
                ],
            ),
            C1,
            C2,
        ),
        visits,
        ["migraine"],
    ),
    ("a sole diagnosis", (encounter(why=None, diagnosis=[diagnosis(R1)]), C1), visits, ["migraine"]),
    ("R5 diagnosis", (encounter(why=None, diagnosis=[{"condition": [{"concept": MIGRAINE}]}]),), visits, ["migraine"]),
    (
        "the Condition of this visit",
        (encounter(why=None, id="e1"), condition(encounter={"reference": "Encounter/e1"})),
        visits,
        ["migraine"],
    ),
    (
        "the Condition of this visit, by an address",
        (encounter(why=None, id="e1"), condition(encounter={"reference": "https://ehr.example.org/fhir/Encounter/e1"})),
        visits,
        ["migraine"],
    ),
    (
        "the Condition of another visit",
        (encounter(why=None, id="e1"), condition(encounter={"reference": "Encounter/e2"})),
        visits,
        ["unstated"],
    ),
    (
        "category encounter-diagnosis first",
        (
            encounter(why=None, id="e1"),
            condition(
                encounter={"reference": "Encounter/e1"},
                category=[concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
            ),
            condition(
                ANXIETY,
                encounter={"reference": "Encounter/e1"},
                category=[concept("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")],
            ),
        ),
        visits,
        ["other"],
    ),
    ("nothing", (encounter(why=None),), visits, ["unstated"]),
]


def seen(**more: Any) -> Json:
    return encounter("AMB", **more)


def appointment(**more: Any) -> Json:
    return resource(
        "Appointment",
        **{"subject": None, "status": "booked", "start": "2026-07-01T09:00:00Z"}
        | {"participant": [{"actor": {"reference": f"Patient/{ME}"}}]}
        | more,
    )


def referral(code: Json, **more: Any) -> Json:
    return resource(
        "ServiceRequest", **{"status": "active", "intent": "order", "code": code, "authoredOn": "2026-05-20"} | more
    )


ROLE = {"resourceType": "PractitionerRole", "id": "role", "specialty": [NEUROLOGY]}
SPECIALISTS: list[Row] = [
    ("service type by code", (seen(serviceType=NEUROLOGY),), follow_ups, ["contact"]),
    ("virtual", (encounter("VR", serviceType=NEUROLOGY),), follow_ups, ["contact"]),
    ("at home", (encounter("HH", serviceType=NEUROLOGY),), follow_ups, ["contact"]),
    ("inpatient", (encounter("IMP", serviceType=NEUROLOGY),), follow_ups, []),
    ("type by code", (seen(type=[NEUROLOGY]),), follow_ups, ["contact"]),
    ("type by a word of the house", (seen(type=[concept(LOCAL, "neurology-follow-up")]),), follow_ups, ["contact"]),
    ("type in words", (seen(type=[concept(text="Neurology follow-up")]),), follow_ups, ["contact"]),
    ("headache clinic", (seen(type=[concept(text="Headache clinic")]),), follow_ups, ["contact"]),
    ("headache as a reason to come", (seen(type=[concept(text="Headache")]),), follow_ups, []),
    ("neurosurgery", (seen(serviceType=concept(text="Neurosurgery")),), follow_ups, []),
    *[
        (f"in words: {word}", (seen(serviceType=concept(text=word)),), follow_ups, ["contact"])
        for word in (
            "Neurologie",
            "Neurología",
            "Neurologia",
            "neurologi",
            "Neurologian poliklinikka",
            "脳神経内科",
            "神經科門診",
            "신경과 외래",
            "Kopfschmerzambulanz",
            "Consulta de cefaleas",
            "Centro cefalee",
            "hoofdpijnpolikliniek",
            "Centre de la céphalée",
            "Neuroloogia",
        )
    ],
    *[
        (f"in words: {word}", (seen(serviceType=concept(text=word)),), follow_ups, [])
        for word in (
            "Neurochirurgie",
            "Neurochirurgia",
            "Allgemeinmedizin",
            "脳神経外科",
            "神經外科",
            "신경외과",
            "Neonatologie",
        )
    ],
    (
        "a specialist contained",
        (seen(participant=[{"individual": {"reference": "#role"}}], contained=[ROLE]),),
        follow_ups,
        ["contact"],
    ),
    (
        "a specialist of the record",
        (seen(participant=[{"individual": {"reference": "PractitionerRole/role"}}]), ROLE),
        follow_ups,
        ["contact"],
    ),
    (
        "R5 actor",
        (seen(participant=[{"actor": {"reference": "PractitionerRole/role"}}]), ROLE),
        follow_ups,
        ["contact"],
    ),
    (
        "NUCC",
        (
            seen(
                participant=[{"individual": {"reference": "#role"}}],
                contained=[ROLE | {"specialty": [concept("http://nucc.org/provider-taxonomy", "2084N0400X")]}],
            ),
        ),
        follow_ups,
        ["contact"],
    ),
    (
        "a role by its display",
        (seen(participant=[{"individual": {"reference": "PractitionerRole/x", "display": "Dr Smith, Neurology"}}]),),
        follow_ups,
        ["contact"],
    ),
    (
        "a place by its display",
        (seen(location=[{"location": {"display": "Neurology Clinic"}}]),),
        follow_ups,
        ["contact"],
    ),
    (
        "a place of the record",
        (
            seen(
                location=[{"location": {"reference": "#l"}}],
                contained=[{"resourceType": "Location", "id": "l", "name": "Neurologische Ambulanz"}],
            ),
        ),
        follow_ups,
        ["contact"],
    ),
    ("the service provider", (seen(serviceProvider={"display": "Dept. of Neurology"}),), follow_ups, ["contact"]),
    ("an appointment by specialty", (appointment(specialty=[NEUROLOGY]),), follow_ups, ["appointment"]),
    ("an appointment by service type", (appointment(serviceType=[NEUROLOGY]),), follow_ups, ["appointment"]),
    (
        "an appointment by place",
        (
            appointment(
                participant=[
                    {"actor": {"reference": f"Patient/{ME}"}},
                    {"actor": {"reference": "Location/1", "display": "Neurology Outpatients"}},
                ]
            ),
        ),
        follow_ups,
        ["appointment"],
    ),
    ("R5 service type", (appointment(serviceType=[{"concept": NEUROLOGY}]),), follow_ups, ["appointment"]),
    ("a referral by code", (referral(concept(SNOMED, "308474002")),), follow_ups, ["referral"]),
    ("a referral in words", (referral(concept(text="Referral to Neurology")),), follow_ups, ["referral"]),
    ("a referral in German", (referral(concept(text="Überweisung Neurologie")),), follow_ups, ["referral"]),
    ("a referral in French", (referral(concept(text="Adressage en neurologie")),), follow_ups, ["referral"]),
    ("a referral in Spanish", (referral(concept(text="Interconsulta a neurología")),), follow_ups, ["referral"]),
    ("a referral in Dutch", (referral(concept(text="Verwijzing neurologie")),), follow_ups, ["referral"]),
    ("a consultation", (referral(concept(SNOMED, "11429006")),), follow_ups, []),
    (
        "a consultation of a neurologist",
        (referral(concept(SNOMED, "11429006"), performerType=NEUROLOGY),),
        follow_ups,
        ["referral"],
    ),
    (
        "a consultation of a neurologist, by list",
        (referral(concept(SNOMED, "11429006"), performerType=[NEUROLOGY]),),
        follow_ups,
        ["referral"],
    ),
    (
        "a referral in words to a neurologist",
        (referral(concept(text="Ambulatory referral"), performerType=concept(text="Neurology")),),
        follow_ups,
        ["referral"],
    ),
    (
        "a referral in words, its performer by display",
        (referral(concept(text="Referral"), performer=[{"display": "Neurology Associates"}]),),
        follow_ups,
        ["referral"],
    ),
    (
        "an EEG by a neurologist",
        (referral(concept(text="Electroencephalogram"), performerType=concept(text="Neurology")),),
        follow_ups,
        [],
    ),
    ("a referral in Swedish", (referral(concept(text="Remiss till neurologmottagning")),), follow_ups, ["referral"]),
    ("pain management", (referral(concept(SNOMED, "306265007")),), follow_ups, []),
    ("R5 referral", (referral({"concept": concept(SNOMED, "308474002")}),), follow_ups, ["referral"]),
    ("a scan of the head", (referral(concept(text="MRI brain for headache")),), follow_ups, []),
]


def allergy(code: Json | None, **more: Any) -> Json:
    return resource("AllergyIntolerance", subject=None, patient={"reference": f"Patient/{ME}"}, code=code, **more)


ALLERGIC: list[Row] = [
    ("RxNorm ingredient", (allergy(rxnorm("7258")),), allergies, ["naproxen"]),
    ("RxNorm product", (allergy(rxnorm("856448")),), allergies, ["propranolol"]),
    ("ATC", (allergy(concept("http://www.whocc.no/atc", "M01AE02")),), allergies, ["naproxen"]),
    ("SNOMED CT substance", (allergy(concept(SNOMED, "387207008")),), allergies, ["ibuprofen"]),
    ("SNOMED CT finding", (allergy(concept(SNOMED, "293619005")),), allergies, ["ibuprofen"]),
    ("a class of SNOMED CT", (allergy(concept(SNOMED, "372665008")),), allergies, ["nsaid"]),
    ("NSAIDs as a group of ATC", (allergy(concept("http://www.whocc.no/atc", "M01A")),), allergies, ["nsaid"]),
    (
        "triptans as a group of ATC",
        (allergy(concept("http://www.whocc.no/atc", "N02CC")),),
        lambda read: {"sumatriptan", "rizatriptan"} <= set(allergies(read)) and "nsaid" not in allergies(read),
        True,
    ),
    ("in a reaction", (allergy(None, reaction=[{"substance": rxnorm("7258")}]),), allergies, ["naproxen"]),
    (
        "in two reactions",
        (allergy(None, reaction=[{"substance": rxnorm("7258")}, {"substance": rxnorm("8787")}]),),
        allergies,
        ["naproxen", "propranolol"],
    ),
    (
        "in a reaction in words",
        (allergy(None, reaction=[{"substance": concept(text="Naproxen")}]),),
        allergies,
        ["naproxen?"],
    ),
    (
        "in a reaction, its code a data-absent one",
        (
            allergy(
                concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown"),
                reaction=[{"substance": rxnorm("7258")}],
            ),
        ),
        allergies,
        ["naproxen"],
    ),
    (
        "the substance a class",
        (allergy(None, reaction=[{"substance": concept(SNOMED, "372665008")}]),),
        allergies,
        ["nsaid"],
    ),
    ("in words", (allergy(concept(text="Naproxen 500 mg tablets")),), allergies, ["naproxen?"]),
    ("in German words", (allergy(concept(text="Allergie gegen Ibuprofen")),), allergies, ["ibuprofen?"]),
    ("in French words", (allergy(concept(text="allergie à l'aspirine")),), allergies, ["aspirin?"]),
    ("in Japanese words", (allergy(concept(text="イブプロフェン")),), allergies, ["ibuprofen?"]),
    ("a class in words", (allergy(concept(text="NSAIDs")),), allergies, ["nsaid?"]),
    ("a class in German words", (allergy(concept(text="NSAR")),), allergies, ["nsaid?"]),
    ("a class in French words", (allergy(concept(text="AINS")),), allergies, ["nsaid?"]),
    ("a class in Spanish words", (allergy(concept(text="AINE")),), allergies, ["nsaid?"]),
    ("a class in Italian words", (allergy(concept(text="FANS")),), allergies, ["nsaid?"]),
    (
        "beta blockers",
        (allergy(concept(text="beta blockers")),),
        lambda read: {"propranolol?", "metoprolol?"} <= set(allergies(read)),
        True,
    ),
    (
        "beta blockers in German",
        (allergy(concept(text="Betablocker")),),
        lambda read: {"propranolol?", "metoprolol?"} <= set(allergies(read)),
        True,
    ),
    (
        "triptans",
        (allergy(concept(text="triptans")),),
        lambda read: {"sumatriptan?", "rizatriptan?"} <= set(allergies(read)),
        True,
    ),
    *[
        (
            text,
            (allergy(concept(text=text)),),
            lambda read: {"propranolol?", "metoprolol?"} <= set(allergies(read)),
            True,
        )
        for text in ("Beta-Adrenergic Blockers", "Beta-Adrenergic Blocking Agents", "betablokkere")
    ],
    *[
        (text, (allergy(concept(text=text)),), lambda read: "candesartan?" in allergies(read), True)
        for text in ("Angiotensin Receptor Blockers", "Angiotensin II receptor antagonists")
    ],
    *[
        (text, (allergy(concept(text=text)),), lambda read: sorted(allergies(read)), right)
        for text, right in (
            ("Ibuprofen, Naproxen", ["ibuprofen?", "naproxen?"]),
            ("Penicillin; Ibuprofen", ["ibuprofen?"]),
            ("Diclofenac and other NSAIDs", ["diclofenac?", "nsaid?"]),
            ("NSAIDs except celecoxib", ["nsaid?"]),
            ("Ibuprofen (NSAID)", ["ibuprofen?"]),
            ("Naproxen [NSAID]", ["naproxen?"]),
        )
    ],
    ("no known allergies", (allergy(concept(SNOMED, "716186003", display="No known allergy")),), allergies, []),
    ("no known drug allergies, in words", (allergy(concept(text="No known drug allergies")),), allergies, []),
    ("no known NSAID allergy, in words", (allergy(concept(text="No known allergy to NSAIDs")),), allergies, []),
    ("no allergy to ibuprofen, in words", (allergy(concept(text="No allergy to ibuprofen")),), allergies, []),
    ("the local code, with a display", (allergy(concept(LOCAL, "x", display="Ibuprofen")),), allergies, ["ibuprofen?"]),
    ("something else", (allergy(concept(text="Peanuts")),), allergies, []),
]

PRESSURES = [
    component(LOINC, "8480-6", valueQuantity=quantity(182, "mm[Hg]")),
    component(LOINC, "8462-4", valueQuantity=quantity(110, "mm[Hg]")),
]
ON = {"effectiveDateTime": "2026-06-01"}
MEASURED: list[Row] = [
    *[
        (
            f"LOINC {code}",
            (observation(LOINC, code, component=PRESSURES, **ON),),
            readings,
            [("blood_pressure", 182, 110)],
        )
        for code in ("85354-9", "55284-4", "35094-2")
    ],
    (
        "SNOMED CT",
        (observation(SNOMED, "75367002", component=PRESSURES, **ON),),
        readings,
        [("blood_pressure", 182, 110)],
    ),
    (
        "two rows of one day",
        (
            observation(LOINC, "8480-6", valueQuantity=quantity(182, "mmHg"), **ON),
            observation(LOINC, "8462-4", valueQuantity=quantity(110, "mmHg"), **ON),
        ),
        readings,
        [("blood_pressure", 182, 110)],
    ),
    (
        "components of SNOMED CT",
        (
            observation(
                LOINC,
                "85354-9",
                component=[
                    component(SNOMED, "271649006", valueQuantity=quantity(182, "mmHg")),
                    component(SNOMED, "271650006", valueQuantity=quantity(110, "mmHg")),
                ],
                **ON,
            ),
        ),
        readings,
        [("blood_pressure", 182, 110)],
    ),
    (
        "pregnant",
        (observation(LOINC, "82810-3", valueCodeableConcept=concept(SNOMED, "77386006"), **ON),),
        readings,
        [("pregnancy", True)],
    ),
    (
        "pregnant by LOINC",
        (observation(LOINC, "82810-3", valueCodeableConcept=concept(LOINC, "LA15173-0"), **ON),),
        readings,
        [("pregnancy", True)],
    ),
    (
        "pregnant, 11449-6",
        (observation(LOINC, "11449-6", valueCodeableConcept=concept(SNOMED, "77386006"), **ON),),
        readings,
        [("pregnancy", True)],
    ),
    (
        "not pregnant",
        (observation(LOINC, "82810-3", valueCodeableConcept=concept(LOINC, "LA26683-5"), **ON),),
        readings,
        [("pregnancy", False)],
    ),
    (
        "heart rate",
        (observation(LOINC, "8867-4", valueQuantity=quantity(44, "/min"), **ON),),
        readings,
        [("heart_rate", 44)],
    ),
    (
        "heart rate, SNOMED CT",
        (observation(SNOMED, "364075005", valueQuantity=quantity(44, "beats/minute"), **ON),),
        readings,
        [("heart_rate", 44)],
    ),
    (
        "an average",
        (
            observation(
                LOINC,
                "96607-7",
                component=[
                    component(LOINC, "96608-5", valueQuantity=quantity(182, "mmHg")),
                    component(LOINC, "96609-3", valueQuantity=quantity(110, "mmHg")),
                ],
                **ON,
            ),
        ),
        readings,
        [("blood_pressure", 182, 110)],
    ),
    (
        "an error of the machine",
        (observation(LOINC, "85354-9", component=PRESSURES, status="entered-in-error", **ON),),
        readings,
        [],
    ),
    ("the end of the month, exclusive", (diary(end="2026-06-01"),), lambda read: len(read.headache_months), 1),
    ("the end of the month, at 0:00", (diary(end="2026-06-01T00:00:00Z"),), lambda read: len(read.headache_months), 1),
    ("the end of the month, later", (diary(end="2026-06-01T08:00:00Z"),), lambda read: len(read.headache_months), 0),
    (
        "days with any drug",
        (
            observation(
                DIARY,
                "acute-medication-days",
                effectivePeriod=period("2026-05-01", "2026-05-31"),
                component=[component(DIARY, "any", valueInteger=11)],
            ),
        ),
        lambda read: read.acute_use_months[0].total,
        11,
    ),
    (
        "rows that complete each other",
        tuple(
            observation(
                DIARY,
                "acute-medication-days",
                effectivePeriod=period("2026-05-01", "2026-05-31"),
                component=[component(DIARY, name, valueInteger=5)],
            )
            for name in ("triptan", "opioid")
        ),
        lambda read: read.acute_use_months[0].days,
        {"triptan": 5, "opioid": 5},
    ),
    (
        "65380-8",
        (observation(LOINC, "65380-8", valueQuantity=quantity(30, "d"), effectiveDateTime="2026-06-10"),),
        lambda read: [month.headache for month in read.headache_months],
        [10, 10, 10],
    ),
]

PROBLEMS: list[Row] = [
    ("ICD-10-CM by prefix", (condition(concept(ICD10CM, "J45.20")),), problems, ["asthma"]),
    ("ICD-10-CM without its dot", (condition(concept(ICD10CM, "J4520")),), problems, ["asthma"]),
    ("ICD-10", (condition(concept(ICD10, "J45")),), problems, ["asthma"]),
    ("ICD-10 lower case", (condition(concept(ICD10, "j45.9")),), problems, ["asthma"]),
    (
        "ICD-10-GM with a mark",
        (condition(concept("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "J45.9 G")),),
        problems,
        ["asthma"],
    ),
    ("ICD-10 with a dagger", (condition(concept(ICD10, "J45.9+")),), problems, ["asthma"]),
    ("SNOMED CT", (condition(ASTHMA),), problems, ["asthma"]),
    ("a descendant", (condition(concept(SNOMED, "370218001")),), problems, ["asthma"]),
    ("ICD-9-CM", (condition(concept(ICD9CM, "493.90")),), problems, ["asthma"]),
    (
        "ICD-9-CM without its dot",
        (condition(concept("urn:oid:2.16.840.1.113883.6.103", "49390")),),
        problems,
        ["asthma"],
    ),
    ("ICD-9-CM migraine", (condition(concept(ICD9CM, "346.10")),), problems, ["migraine"]),
    ("ICD-9-CM, a variant that is no migraine here", (condition(concept(ICD9CM, "346.20")),), problems, []),
    *[
        (f"an expression of SNOMED CT: {code}", (condition(concept(SNOMED, code)),), problems, right)
        for code, right in (
            ("195967001 |Asthma|", ["asthma"]),
            ("195967001:246112005=24484000", ["asthma"]),
            ("=== 195967001 |Asthma|", ["asthma"]),
            ("<<< 195967001", ["asthma"]),
            ("243796009:246090004=195967001,408729009=410516002", []),  # known absent
        )
    ],
    ("ICPC-2", (condition(concept("http://hl7.org/fhir/sid/icpc-2", "R96")),), problems, ["asthma"]),
    (
        "ICPC of the Netherlands",
        (condition(concept("http://hl7.org/fhir/sid/icpc-1-nl", "R96.01")),),
        problems,
        ["asthma"],
    ),
    ("ICPC-2 migraine", (condition(concept("urn:oid:2.16.578.1.12.4.1.1.7170", "N89")),), problems, ["migraine"]),
    ("text alone", (condition(concept(text="Asthma")),), problems, []),
    ("an unknown code with a display", (condition(concept(LOCAL, "a", display="Asthma")),), problems, []),
    ("pregnancy", (condition(concept(SNOMED, "72892002")),), lambda read: "pregnancy" in problems(read), True),
    (
        "two codes that agree",
        (condition({"coding": [{"system": SNOMED, "code": "195967001"}, {"system": ICD10CM, "code": "J45.909"}]}),),
        problems,
        ["asthma"],
    ),
]

ALL = [*HOSPITAL, *WHY, *SPECIALISTS, *ALLERGIC, *MEASURED, *PROBLEMS]


@pytest.mark.parametrize(("rows", "ask", "right"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_a_row_says_what_it_says(rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    read = facts(*rows)
    assert (ask(read), skipped(read)) == (right, [])
