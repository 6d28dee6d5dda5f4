"""Code systems in every spelling, codes that no table knows, and words in other languages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers.code_systems import ICD10, locate
from prodrome.fhir_mappers.phrases import fold, found_in, phrases
from prodrome.rules.facts import StopReason
from prodrome.rules.guideline import SNOMED, load_guideline
from tests.fhir_mappers.build import Json, concept, condition, encounter, facts, observation, resource, statement

ASTHMA = [
    ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "J45.9"),
    ("http://fhir.de/CodeSystem/dimdi/icd-10-gm", "J45.9"),
    ("https://fhir.ee/CodeSystem/rhk-10", "J45.9"),
    ("http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", "J459"),
    ("urn:oid:1.2.208.176.2.4.12", "DJ459"),
    ("http://example.dk/sks/icd-10", "DJ45.9"),
    ("http://snomed.info/sct", "195967001 |Asthma (disorder)|"),
    ("http://snomed.info/sct", "195967001:246112005=24484000"),
    ("urn:oid:2.16.578.1.12.4.1.1.7110", "J45.9"),
    ("2.16.840.1.113883.6.3", "J45.9"),
    ("http://hl7.org/fhir/sid/icd-10-ca", "J45.90"),
    ("http://hl7.org/fhir/sid/icd-10-am", "J45.9"),
    ("http://hl7.org/fhir/sid/icd-10-de", "J45.9"),
    ("https://fhir.infoway-inforoute.ca/CodeSystem/icd-10-ca", "J45.90"),
    ("https://smt.esante.gouv.fr/terminologie-cim-10", "J45.9"),
    ("1.2.40.0.34.5.56", "J45.9"),
    ("https://hl7.org/fhir/sid/icd-10/", "J45.9"),
    ("http://hl7.org/fhir/sid/icd-10-cm|2026", "J45.909"),
    ("http://snomed.info/sct/554471000005108", "195967001"),
    ("http://snomed.info/sct/900000000000207008/version/20240201", "195967001"),
    ("https://snomed.info/sct#", "195967001"),
    ("http://snomed.info/sct", "427603009"),
    ("https://termgit.elga.gv.at/CodeSystem/bmg-icd-10-2024", "J45.9"),
    ("http://fhir.ch/CodeSystem/icd-10-gm", "J45.9"),
    ("https://mos.esante.gouv.fr/NOS/TRE_R276-CIM10/FHIR/TRE-R276-CIM10", "J45.9"),
    ("http://www.hl7korea.or.kr/CodeSystem/kcd-8", "J45.9"),
    ("https://mkn10.uzis.cz", "J45.9"),
    ("urn:oid:1.2.752.116.1.1.1.1.3", "J459"),
    ("urn:oid:1.2.246.537.6.1.1999", "J45.9"),
    ("http://id.who.int/icd/release/10", "J45.9"),
    ("https://twcore.mohw.gov.tw/ig/twcore/CodeSystem/icd-10-cm-2023-tw", "J45.909"),
    ("http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd10", "J459"),
    ("http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd9", "49390"),
    ("http://www.ihtsdo.org/snomed-ct", "195967001"),
    ("SNOMED CT", "195967001"),
    ("urn: oid: 2.16.840.1.113883.6.96", "195967001"),
    ("https://example.org/fhir/CodeSystem/icpc-2e", "R96"),
    ("urn:oid:1.2.208.176.2.31", "R96"),
    ("urn:oid:1.2.208.176.2.4", "DJ459"),
    ("http://www.saude.gov.br/fhir/r4/CodeSystem/BRCIAP2", "R96"),
    ("http://id.who.int/icd/release/10/2019", "J45.9"),
    ("http://example.si/CodeSystem/mkb-10-am", "J45.9"),
]


@pytest.mark.parametrize(("system", "code"), ASTHMA)
def test_a_system_is_the_same_in_every_spelling(system: str, code: str) -> None:
    assert "asthma" in facts(condition(concept(system, code))).conditions[0].names


@pytest.mark.parametrize(
    "system",
    [
        "http://hl7.org/fhir/sid/icd-10-pcs",
        "http://fhir.de/CodeSystem/bfarm/ops",
        "http://terminology.hl7.org/CodeSystem/icd9-procedures",
        "http://example.org/ValueSet/icd-10",
        "http://example.org/problems",
        "http://example.org/catchment",
        "urn:oid:1.2.3.4.5",
    ],
)
def test_a_system_of_no_table_keeps_its_address(system: str) -> None:
    assert locate(system) == (system, False)


@given(st.text(max_size=40))
def test_any_text_may_stand_where_a_system_does(address: str) -> None:
    assert locate(address).system in (address, SNOMED) or locate(address).known


def test_the_signs_of_dagger_and_asterisk_are_no_part_of_a_code() -> None:
    assert locate("http://fhir.de/CodeSystem/bfarm/icd-10-gm").system == ICD10
    for code in ("J45.9+", "J45.9*", "J45.9!"):
        assert facts(condition(concept(ICD10, code))).conditions, code


STATUS = [
    ({"coding": [{"system": SNOMED, "code": "81323004", "display": "Alive and well"}]}, 1),
    ({"coding": [{"system": SNOMED, "code": "55561003"}]}, 1),
    ({"coding": [{"system": SNOMED, "code": "413322009"}]}, 0),
    ({"text": "Active"}, 1),
    ({"text": "Resolved"}, 0),
    ({"text": "sick note"}, 1),
]


@pytest.mark.parametrize(("status", "count"), STATUS)
def test_only_a_status_that_says_so_ends_a_condition(status: dict[str, object], count: int) -> None:
    assert len(facts(condition(status=None, clinicalStatus=status)).conditions) == count


CLASSES = [
    ("http://terminology.hl7.org/CodeSystem/v2-0004", "E", None, 1),
    ("http://terminology.hl7.org/CodeSystem/v2-0004", "I", None, 1),
    ("http://terminology.hl7.org/CodeSystem/v2-0004", "O", "Emergency", 0),
    ("urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260", "3", "Emergency", 1),
    ("http://hl7.org/fhir/v3/ActCode", "EMER", None, 1),
    ("http://fhir.de/CodeSystem/kontaktart-de", "normalstationaer", None, 1),
    ("https://hospital.example.org/classes", "7", "Emergency Department", 1),
    ("https://hospital.example.org/classes", "8", "Notaufnahme", 1),
    ("https://hospital.example.org/classes", "9", "Office Visit", 0),
]


@pytest.mark.parametrize(("system", "code", "display", "visits"), CLASSES)
def test_a_visit_is_classed_by_code_else_by_words(system: str, code: str, display: str | None, visits: int) -> None:
    made = {"system": system, "code": code} | ({"display": display} if display else {})
    assert len(facts(encounter() | {"class": made}).hospital_visits) == visits


def reason_of_visit(*rows: dict[str, object], **visit: Any) -> str:
    made = encounter(why=None, **visit)
    own = [row | {"encounter": {"reference": f"Encounter/{made['id']}"}} for row in rows]
    return facts(made, *own).hospital_visits[0].reason.value


def test_a_visit_without_a_coded_reason_is_for_the_problem_recorded_at_it() -> None:
    at_visit: Json = {
        "category": [concept("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")]
    }
    fracture = condition(concept("http://hl7.org/fhir/sid/icd-10-cm", "S52.501A"))
    assert reason_of_visit(condition()) == "migraine"
    assert reason_of_visit(condition(**at_visit), fracture) == "migraine"
    assert reason_of_visit(condition(), fracture | at_visit) == "other"
    assert reason_of_visit(condition(), reasonCode=[{"text": "Kopfschmerz"}]) == "migraine"


def test_a_reason_in_words_is_as_good_as_a_code_of_headache() -> None:
    assert reason_of_visit(reasonCode=[{"text": "Migräneattacke"}, {"text": "Migräne"}]) == "headache"
    assert reason_of_visit(reasonCode=[{"text": "no migraine"}]) == "unstated"


SEEN: list[Json] = [
    {"serviceType": concept("http://fhir.de/CodeSystem/dkgev/Fachabteilungsschluessel", "2800")},
    {"type": [{"text": "Neurologie-Sprechstunde"}]},
    {"type": [{"text": "Kopfschmerzambulanz"}]},
    {"type": [{"text": "Headache clinic"}]},
    {"location": [{"location": {"display": "Consulta de neurología"}}]},
]


@pytest.mark.parametrize("seen", SEEN)
def test_a_specialist_is_known_by_code_words_or_place(seen: Json) -> None:
    assert [found.kind for found in facts(encounter("AMB", **seen)).follow_ups] == ["contact"]


NOT_SEEN: list[Json] = [
    {"type": [{"text": "Headache"}]},
    {"type": [{"text": "Neurochirurgie"}]},
    {"type": [{"text": "CT head"}]},
]


@pytest.mark.parametrize("seen", NOT_SEEN)
def test_the_word_headache_alone_is_no_specialist(seen: Json) -> None:
    assert not facts(encounter("AMB", **seen)).follow_ups


def test_an_appointment_may_be_known_by_its_place() -> None:
    actors = [{"actor": {"reference": "Patient/pat-1"}}, {"actor": {"reference": "Location/l", "display": "Neurology"}}]
    ahead = {"status": "booked", "start": "2026-07-01T09:00:00Z", "participant": actors, "subject": None}
    assert [found.kind for found in facts(resource("Appointment", **ahead)).follow_ups] == ["appointment"]


PRESSURES = [
    ("http://loinc.org", "55284-4"),
    ("http://loinc.org", "35094-2"),
    ("http://snomed.info/sct", "75367002"),
]


@pytest.mark.parametrize(("system", "code"), PRESSURES)
def test_blood_pressure_is_known_by_all_its_codes(system: str, code: str) -> None:
    parts = [
        {"code": concept("http://loinc.org", "8480-6"), "valueQuantity": {"value": 182, "unit": "mm[Hg]"}},
        {"code": concept(SNOMED, "271650006"), "valueQuantity": {"value": 110, "unit": "mm[Hg]"}},
    ]
    (reading,) = facts(observation(system, code, component=parts, effectiveDateTime="2026-06-01")).readings
    assert (reading.systolic, reading.diastolic) == (182, 110)


def test_two_rows_of_one_day_are_one_reading() -> None:
    def row(code: str, value: int) -> dict[str, object]:
        quantity = {"value": value, "unit": "mmHg"}
        return observation("http://loinc.org", code, valueQuantity=quantity, effectiveDateTime="2026-06-01")

    (reading,) = facts(row("8480-6", 150), row("8462-4", 95)).readings
    assert (reading.systolic, reading.diastolic, len(reading.refs)) == (150, 95, 2)
    assert len(facts(row("8480-6", 150)).readings) == 1


STOPS = [
    ("unzureichende Wirkung", StopReason.INEFFICACY),
    ("effets secondaires", StopReason.INTOLERANCE),
    ("geen bijwerkingen", StopReason.UNKNOWN),
    ("onvoldoende effect", StopReason.INEFFICACY),
    ("efectos adversos", StopReason.INTOLERANCE),
    ("senza effetti collaterali", StopReason.UNKNOWN),
    ("Migraine not controlled", StopReason.INEFFICACY),
    ("no significant improvement", StopReason.INEFFICACY),
    ("insufficient effect", StopReason.INEFFICACY),
    ("tried and failed", StopReason.INEFFICACY),
    ("Non-response", StopReason.INEFFICACY),
    ("did not tolerate", StopReason.INTOLERANCE),
    ("good response", StopReason.UNKNOWN),
    ("50 % response", StopReason.UNKNOWN),
    ("no loss of effect", StopReason.UNKNOWN),
]


@pytest.mark.parametrize(("text", "reason"), STOPS)
def test_a_reason_may_be_written_in_other_languages(text: str, reason: StopReason) -> None:
    stop = facts(statement(why={"text": text})).trials[0].stop
    assert (stop.reason, stop.coded) == (reason, False)


CODED_STOPS = [
    ("http://snomed.info/sct", "58848006", StopReason.INEFFICACY),
    ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "INEFFECT", StopReason.INEFFICACY),
    ("urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.2", "16", StopReason.INTOLERANCE),
    ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "CONTRA", StopReason.CONTRAINDICATED),
]


@pytest.mark.parametrize(("system", "code", "reason"), CODED_STOPS)
def test_a_reason_may_be_coded_in_other_systems(system: str, code: str, reason: StopReason) -> None:
    stop = facts(statement(why=concept(system, code))).trials[0].stop
    assert (stop.reason, stop.coded) == (reason, True)


@pytest.mark.parametrize(("text", "plain"), [("Céphalée", "cephalee"), ("MIGRÄNE", "migrane"), ("片頭痛", "片頭痛")])
def test_accents_are_folded(text: str, plain: str) -> None:
    assert fold(text) == plain


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_the_longer_of_two_phrases_stands() -> None:
    wanted = phrases({"short": ("effect",), "long": ("no effect",)})
    assert found_in("no effect", wanted) == {"long"}


def test_every_set_of_codes_can_be_reached() -> None:
    guideline = load_guideline()
    for name, code_set in guideline.code_sets.items():
        for system, codes in code_set.exact.items():
            assert all(name in guideline.sets_of(system, code) for code in codes)
