"""Active conditions by code, and allergies to the drugs of the tables."""

import pytest

from tests.fhir_mappers.build import (
    ICD10CM,
    LOCAL,
    MIGRAINE,
    RXNORM,
    SNOMED,
    Json,
    concept,
    condition,
    facts,
    resource,
    rxnorm,
)

VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ICD10 = "http://hl7.org/fhir/sid/icd-10"


def names(*rows: Json) -> set[str]:
    return {name for found in facts(*rows).conditions for name in found.names}


CODES = [
    (ICD10CM, "G43.009", "migraine"),
    (ICD10CM, "G43", "migraine"),
    ("urn:oid:2.16.840.1.113883.6.90", "G43.709", "chronic_migraine"),
    (ICD10, "G43.1", "migraine"),
    (SNOMED, "37796009", "migraine"),
    ("urn:oid:2.16.840.1.113883.6.96", "37796009", "migraine"),
    (ICD10CM, "J45.20", "asthma"),
    (ICD10CM, "R51.9", "headache"),
    (ICD10CM, "I10", "other_use.beta_blockers"),
    (ICD10CM, "I25.2", "cad_ihd"),
    (SNOMED, "399211009", "cad_ihd"),  # history of myocardial infarction, as I25.2 is
    (ICD10CM, "Z86.73", "stroke_tia"),
    (SNOMED, "275526006", "stroke_tia"),  # history of a stroke and of a TIA, as Z86.73 is
    (SNOMED, "161511000", "stroke_tia"),
]


@pytest.mark.parametrize(("system", "code", "name"), CODES)
def test_a_condition_is_in_every_set_that_has_its_code(system: str, code: str, name: str) -> None:
    assert name in names(condition(concept(system, code)))


@pytest.mark.parametrize("code", ["G43.A0", "G43.B0", "G43.C0", "G43.D0"])
def test_relatives_of_migraine_are_not_migraine(code: str) -> None:
    assert "migraine" not in names(condition(concept(ICD10CM, code)))


@pytest.mark.parametrize("code", ["75879005", "49605003", "230465000", "145611000119107", "161481007", "38823002"])
def test_snomed_codes_that_are_left_out_are_not_migraine(code: str) -> None:
    assert "migraine" not in names(condition(concept(SNOMED, code)))


def test_text_alone_never_makes_a_diagnosis() -> None:
    assert not names(condition({"text": "Migraine"}))
    assert not names(condition(concept(LOCAL, "1", display="Migraine")))


CLINICAL = [
    ("active", {}, True),
    ("recurrence", {}, True),
    ("relapse", {}, True),
    ("inactive", {}, False),
    ("remission", {}, False),
    ("resolved", {}, False),
    (None, {}, True),
    (None, {"abatementDateTime": "2026-06-14"}, False),
    (None, {"abatementDateTime": "2026-06-15"}, True),
    (None, {"abatementDateTime": "2027"}, True),
    (None, {"abatementPeriod": {"start": "2025-01-01", "end": "2025-02-01"}}, False),
    (None, {"abatementString": "as a child"}, False),
    ("active", {"abatementDateTime": "2020-01-01"}, True),
]


@pytest.mark.parametrize(("status", "more", "active"), CLINICAL)
def test_a_condition_is_active_by_its_status_or_without_a_past_abatement(
    status: str | None, more: Json, active: bool
) -> None:
    assert bool(names(condition(status=status, **more))) is active


VERIFIED = [
    ("confirmed", True),
    ("provisional", True),
    ("unconfirmed", True),
    ("refuted", False),
    ("entered-in-error", False),
    ("differential", False),
]


@pytest.mark.parametrize(("code", "active"), VERIFIED)
def test_a_condition_that_is_not_so_does_not_count(code: str, active: bool) -> None:
    assert bool(names(condition(verificationStatus=concept(VERIFICATION, code)))) is active


def test_statuses_may_be_plain_codes_as_before_r4() -> None:
    assert names(condition(clinicalStatus="active"))
    assert not names(condition(clinicalStatus="resolved"))
    assert not names(condition(verificationStatus="refuted"))


ONSET = [
    ({"onsetDateTime": "2015-03"}, "2015-03"),
    ({"onsetPeriod": {"start": "2015-03-01", "end": "2016-01-01"}}, "2015-03-01"),
    ({"recordedDate": "2018-01-01"}, "2018-01-01"),
    ({"onsetDateTime": "2015", "recordedDate": "2018-01-01"}, "2015"),
    ({"onsetString": "in youth"}, None),
]


@pytest.mark.parametrize(("more", "onset"), ONSET)
def test_the_onset_is_what_was_written_else_when_it_was_recorded(more: Json, onset: str | None) -> None:
    (found,) = facts(condition(**more)).conditions
    assert (str(found.onset) if found.onset else None) == onset


def allergy(code: Json, **more: object) -> Json:
    made = resource("AllergyIntolerance", code=code, **more)
    made["patient"] = made.pop("subject")
    return made


def test_an_allergy_is_to_an_ingredient_or_a_product_of_it() -> None:
    for code in ("8787", "313161"):
        assert facts(allergy(rxnorm(code))).allergies[0].coded
    assert facts(allergy(concept(SNOMED, "55745002"))).allergies[0].drug == "propranolol"
    assert not facts(allergy(concept(text="propranolol"))).allergies[0].coded


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (concept(text="Percocet"), {("acetaminophen", ("acetaminophen", "oxycodone"))}),
        (rxnorm("214183"), {("oxycodone", ("acetaminophen", "oxycodone"))}),  # acetaminophen with oxycodone
        (concept(text="penicillin; Percocet, propranolol"), {("propranolol", ())}),
        (concept(text="Treximet"), {("sumatriptan_naproxen", ()), ("naproxen", ("sumatriptan_naproxen",))}),
        (concept(text="Fiorinal"), {("butalbital", ()), ("aspirin", ("butalbital",))}),
        (concept(text="lisinopril/hydrochlorothiazide"), {("lisinopril", ("", "lisinopril"))}),
    ],
)
def test_an_allergy_to_a_product_is_one_to_what_it_holds(code: Json, found: set[tuple[str, tuple[str, ...]]]) -> None:
    read = facts(allergy(code)).allergies
    assert found <= {(one.drug, tuple(sorted(one.within))) for one in read}


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("allergy", "allergy"),
        ("intolerance", "intolerance"),
        (None, None),
        (concept("http://hl7.org/fhir/allergy-intolerance-type", "allergy"), "allergy"),  # R5
    ],
)
def test_an_allergy_says_which_kind_it_is(type_: object, kind: str | None) -> None:
    assert facts(allergy(rxnorm("8787"), type=type_)).allergies[0].kind == kind


SNOMED_STATUS = [
    ("clinicalStatus", "55561003", True),  # active
    ("clinicalStatus", "90734009", True),  # chronic
    ("clinicalStatus", "255227004", True),  # recurrent
    ("clinicalStatus", "415684004", True),  # suspected: no statement that it is over
    ("clinicalStatus", "410516002", False),  # known absent
    ("clinicalStatus", "277022003", False),  # remission
    ("clinicalStatus", "413322009", False),  # resolved
    ("verificationStatus", "410605003", True),  # confirmed present
    ("verificationStatus", "410516002", False),
    ("verificationStatus", "410594000", False),  # definitely not present
    ("verificationStatus", "723510000", False),  # entered in error
]


@pytest.mark.parametrize(("name", "code", "counts"), SNOMED_STATUS)
def test_a_status_of_snomed_says_what_it_says(name: str, code: str, counts: bool) -> None:
    assert bool(names(condition(status=None, **{name: concept(SNOMED, code)}))) is counts
    allergy = resource("AllergyIntolerance", code=concept(SNOMED, "387207008"), **{name: concept(SNOMED, code)})
    if code != "277022003":
        assert bool(facts(allergy).allergies) is counts


ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"clinicalStatus": concept(ALLERGY_CLINICAL, "active")}, True),
        ({"clinicalStatus": concept(ALLERGY_CLINICAL, "inactive")}, False),
        ({"clinicalStatus": concept(ALLERGY_CLINICAL, "resolved")}, False),
        ({"verificationStatus": concept(ALLERGY_VERIFICATION, "unconfirmed")}, True),
        ({"verificationStatus": concept(ALLERGY_VERIFICATION, "refuted")}, False),
        ({"verificationStatus": concept(ALLERGY_VERIFICATION, "entered-in-error")}, False),
        ({"patient": {"reference": "Patient/other"}}, False),
    ],
)
def test_an_allergy_counts_while_it_is_active_and_so(more: Json, counts: bool) -> None:
    assert bool(facts(allergy(rxnorm("8787")) | more).allergies) is counts


@pytest.mark.parametrize(
    ("substance", "coded"),
    [
        (concept(ICD10CM, "Z88.6"), True),
        ({"text": "NSAIDs"}, False),
        ({"text": "Non-steroidal anti-inflammatory drugs"}, False),
    ],
)
def test_an_allergy_to_nsaids_as_a_class(substance: Json, coded: bool) -> None:
    [found] = facts(allergy(substance)).allergies
    assert (found.drug, found.coded) == ("nsaid", coded)


def test_a_denied_nsaid_allergy_is_none() -> None:
    assert not facts(allergy({"text": "no NSAID allergy"})).allergies


def test_an_allergy_to_something_else_is_passed_over() -> None:
    assert not facts(allergy(rxnorm("7980", "penicillin"))).allergies
    assert not facts(allergy(concept(RXNORM, "0"))).allergies
    assert not facts(allergy(MIGRAINE)).allergies
