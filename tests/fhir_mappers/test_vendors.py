"""Charts in the shapes of vendors and nations: their systems, their names of products, their way to write a dose."""

from typing import Any

import pytest

from tests.fhir_mappers.build import ACT_CODE, MIGRAINE, RXNORM, SNOMED, Json, condition, facts, request, resource

EPIC_CLASS = "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260"
DEPARTMENT = "http://fhir.de/CodeSystem/dkgev/Fachabteilungsschluessel"


def coded(*codings: tuple[str | None, str | None, str | None], text: str | None = None) -> Json:
    """A concept of codings as (system, code, display), and its text."""
    names = ("system", "code", "display")
    made: Json = {
        "coding": [{name: value for name, value in zip(names, each, strict=True) if value} for each in codings]
    }
    return made | ({"text": text} if text else {})


def named(system: str, code: str, words: str) -> Json:
    """A product of a national catalogue, with its name as display and as text."""
    return coded((system, code, words), text=words)


PRODUCTS: list[tuple[str, Json, str, bool]] = [
    (
        "Epic",
        coded(
            ("urn:oid:1.2.840.114350.1.13.0.1.7.2.698288", "1", "TOPIRAMATE 25 MG TABLET"),
            (RXNORM, "151226", "Topamax 50 MG"),
            text="topiramate (TOPAMAX) 25 mg tablet",
        ),
        "topiramate",
        True,
    ),
    (
        "athena",
        named("http://hl7.org/fhir/sid/ndc", "00093213701", "propranolol 20 mg tablet"),
        "propranolol",
        False,
    ),
    ("Synthea", named(RXNORM, "856448", "Propranolol Hydrochloride 10 MG Oral Tablet"), "propranolol", True),
    (
        "KBV",
        named("http://fhir.de/CodeSystem/ifa/pzn", "1", "TOPIRAMAT-1A Pharma 50 mg Filmtabletten"),
        "topiramate",
        False,
    ),
    ("ISiK", coded(("http://fhir.de/CodeSystem/ask", "21803", "Topiramat")), "topiramate", False),
    (
        "ELGA",
        coded(
            ("1.2.40.0.34.4.16", "1", "Sumatriptan Hexal 100 mg Filmtabletten"),
            ("2.16.840.1.113883.6.73", "N02CC01", "Sumatriptan"),
        ),
        "sumatriptan",
        True,
    ),
    (
        "Nictiz",
        coded(
            ("urn:oid:2.16.840.1.113883.2.4.4.1", "2194", "METOPROLOL TABLET 50MG"),
            ("http://www.whocc.no/atc", "C07AB02", "Metoprolol"),
        ),
        "metoprolol",
        True,
    ),
    (
        "France",
        named(
            "http://data.esante.gouv.fr/ansm/medicament/codeCIS",
            "1",
            "PROPRANOLOL TEVA 40 mg, comprimé pelliculé sécable",
        ),
        "propranolol",
        False,
    ),
    ("Italy", named("urn:oid:2.16.840.1.113883.2.9.6.1.5", "1", "INDERAL*30CPR 40MG"), "propranolol", False),
    ("Spain", named("http://www.aemps.gob.es/cn", "1", "SUMIAL 40 mg comprimidos"), "propranolol", False),
    (
        "Australia",
        named(f"{SNOMED}/32506021000036107", "23277011000036108", "propranolol 40 mg tablet"),
        "propranolol",
        False,
    ),
    ("New Zealand", named("http://nzmt.org.nz", "1", "propranolol hydrochloride 40 mg tablet"), "propranolol", False),
    (
        "Canada",
        named(
            "https://fhir.infoway-inforoute.ca/CodeSystem/canadianclinicaldrugdataset", "1", "propranolol 40 mg tablet"
        ),
        "propranolol",
        False,
    ),
    ("United Kingdom", named(SNOMED, "318353009", "Propranolol 40mg tablets"), "propranolol", True),
    ("Japan", named("urn:oid:1.2.392.100495.20.1.73", "2123008F1048", "インデラル錠１０ｍｇ"), "propranolol", False),
    (
        "Brazil",
        named("http://www.saude.gov.br/fhir/r4/CodeSystem/BRObmCATMAT", "1", "PROPRANOLOL CLORIDRATO, 40 MG"),
        "propranolol",
        False,
    ),
    (
        "Sweden",
        coded(
            ("urn:oid:1.2.752.129.2.1.5.1", "1", "Filmdragerad tablett 40 mg"),
            ("urn:oid:1.2.752.129.2.2.3.1.1", "C07AA05", None),
        ),
        "propranolol",
        True,
    ),
    (
        "Finland",
        coded(
            ("urn:oid:1.2.246.537.6.55", "1", "PROPRAL 40 mg tabletti"),
            ("urn:oid:1.2.246.537.6.32", "C07AA05", None),
        ),
        "propranolol",
        True,
    ),
    ("India", coded((SNOMED, "318353009", "Propranolol 40 mg oral tablet"), text="Ciplar 40"), "propranolol", True),
]


@pytest.mark.parametrize(
    ("product", "drug", "by_code"), [one[1:] for one in PRODUCTS], ids=[one[0] for one in PRODUCTS]
)
def test_a_product_of_a_national_catalogue_is_its_drug(product: Json, drug: str, by_code: bool) -> None:
    assert [(trial.drug, trial.coded) for trial in facts(request(product)).trials] == [(drug, by_code)]


TABLET = coded((RXNORM, "856448", "propranolol hydrochloride 10 MG Oral Tablet"))

SIGS = [
    ("Epic", "Take 1 tablet (10 mg total) by mouth 2 (two) times a day.", 20),
    ("athena", "Take 1 tablet twice a day by oral route for 90 days.", 20),
    ("eClinicalWorks", "1 tablet Orally Twice a day 30 day(s)", 20),
    ("NextGen", "take 1 tablet by oral route 2 times every day", 20),
    ("Meditech", "10 mg PO BID", 20),
    ("KBV", "1-0-1-0", 20),
    ("Germany", "2x täglich 1 Tablette", 20),
    ("Netherlands", "2 maal per dag 1 tablet", 20),
    ("Dutch code", "2d1t", 20),
    ("France", "1 comprimé matin et soir", 20),
    ("France, alternate days", "1 comprimé 1 jour sur 2", 5),
    ("Italy", "1 compressa due volte al giorno", 20),
    ("Spain", "1 comprimido cada 12 horas", 20),
    ("Brazil", "1 comprimido de 12 em 12 horas", 20),
    ("Australia", "Take ONE tablet TWICE a day", 20),
    ("United Kingdom", "One To Be Taken Twice A Day", 20),
    ("Sweden", "1 tablett 2 gånger dagligen", 20),
    ("Denmark", "1 tablet 2 gange daglig", 20),
    ("Norway", "1 tablett 2 ganger daglig", 20),
    ("Finland", "1 tabletti kaksi kertaa päivässä", 20),
    ("India", "1-0-1", 20),
    ("a range", "Take 1-2 tablets daily", None),
    ("a schedule", "1 tablet daily for a week, then 2 tablets daily", None),
]


@pytest.mark.parametrize(("sig", "per_day"), [one[1:] for one in SIGS], ids=[one[0] for one in SIGS])
def test_a_sig_is_read_as_its_country_writes_it(sig: str, per_day: float | None) -> None:
    trial = facts(request(TABLET, dosageInstruction=[{"text": sig}])).trials[0]
    assert ([step.amount for step in trial.steps], trial.dose_coded) == ([per_day], per_day is None)


def rate(kind: str, value: float, unit: str) -> Json:
    return {"type": {"text": kind}, "doseQuantity": {"value": value, "unit": unit}}


TWICE = {"frequency": 2, "period": 1, "periodUnit": "d"}
DOSAGES = [
    (
        "Epic",
        {
            "timing": {"repeat": TWICE, "code": {"text": "2 times daily"}},
            "doseAndRate": [rate("calculated", 10, "mg"), rate("ordered", 20, "mg"), rate("admin-amount", 2, "tablet")],
        },
        40,
    ),
    (
        "Oracle",
        {
            "text": "20 mg = 2 tab, Oral, BID, # 60 tab, 0 Refill(s)",
            "timing": {"code": named("https://fhir.cerner.com/ec/codeSet/4003", "696542", "BID")},
            "doseAndRate": [{"doseQuantity": {"value": 20, "unit": "mg"}}],
        },
        40,
    ),
    ("Synthea", {"timing": {"repeat": TWICE}, "doseAndRate": [{"doseQuantity": {"value": 1.0}}]}, 20),
    (
        "CH EMED",
        {
            "timing": {"repeat": {"when": ["MORN", "EVE"], "boundsPeriod": {"start": "2026-01-01"}}},
            "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "Tablette", "system": SNOMED, "code": "732936001"}}],
        },
        20,
    ),
]


@pytest.mark.parametrize(("dosage", "per_day"), [one[1:] for one in DOSAGES], ids=[one[0] for one in DOSAGES])
def test_a_coded_dose_is_read_as_its_vendor_writes_it(dosage: Json, per_day: float) -> None:
    assert [step.amount for step in facts(request(TABLET, dosageInstruction=[dosage])).trials[0].steps] == [per_day]


ASTHMA = {
    "Oracle": coded(
        (SNOMED, "195967001", "Asthma"), ("urn:oid:2.16.840.1.113883.3.247.1.1", "1", "Asthma"), text="Asthma"
    ),
    "Germany": coded(("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "J45.9", "Asthma bronchiale")),
    "Austria": coded(("urn:oid:1.2.40.0.34.5.56", "J45.9", None)),
    "Netherlands": coded(("http://hl7.org/fhir/sid/icd-10-nl", "J45.9", None)),
    "France": coded(("https://smt.esante.gouv.fr/terminologie-cim-10", "J45.9", "Asthme, sans précision")),
    "Australia": coded(("http://hl7.org/fhir/sid/icd-10-am", "J45.9", None)),
    "Canada": coded(("https://fhir.infoway-inforoute.ca/CodeSystem/icd-10-ca", "J45.90", None)),
    "United Kingdom": coded(("http://read.info/ctv3", "H33..", "Asthma"), (SNOMED, "195967001", "Asthma")),
    "Japan": coded(("http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", "J459", None)),
    "Brazil": coded(("https://terminologia.saude.gov.br/fhir/CodeSystem/BRCID10", "J45.9", None)),
    "Finland": coded(("urn:oid:1.2.246.537.6.1", "J45.9", None)),
    "Denmark": coded(("urn:oid:1.2.208.176.2.4.12", "DJ459", None)),
}


@pytest.mark.parametrize("problem", ASTHMA.values(), ids=ASTHMA)
def test_a_problem_is_known_by_the_code_of_its_country(problem: Json) -> None:
    assert ["asthma" in found.names for found in facts(condition(problem)).conditions] == [True]


VISITS: list[tuple[str, Json, tuple[int, int]]] = [
    ("Epic emergency", {"class": {"system": EPIC_CLASS, "code": "31", "display": "Emergency"}}, (1, 0)),
    ("Epic by type", {"class": {"system": EPIC_CLASS, "code": "7"}, "type": [{"text": "ED Visit"}]}, (1, 0)),
    (
        "Epic neurology",
        {
            "class": {"system": EPIC_CLASS, "code": "13", "display": "Office Visit"},
            "serviceType": {"text": "Neurology"},
        },
        (0, 1),
    ),
    ("Oracle by class", {"class": {"system": "http://terminology.hl7.org/CodeSystem/v2-0004", "code": "E"}}, (1, 0)),
    (
        "Oracle by type",
        {
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"},
            "type": [named("https://fhir.cerner.com/ec/codeSet/71", "309310", "Emergency")],
        },
        (1, 0),
    ),
    (
        "ISiK emergency",
        {"class": {"system": ACT_CODE, "code": "EMER"}, "serviceType": coded((DEPARTMENT, "2800", "Neurologie"))},
        (1, 0),
    ),
    (
        "ISiK neurology",
        {"class": {"system": ACT_CODE, "code": "AMB"}, "serviceType": coded((DEPARTMENT, "2800", "Neurologie"))},
        (0, 1),
    ),
    ("Nictiz", {"class": {"system": ACT_CODE, "code": "EMER", "display": "Spoedeisende hulp"}}, (1, 0)),
]


@pytest.mark.parametrize(("visit", "counts"), [one[1:] for one in VISITS], ids=[one[0] for one in VISITS])
def test_a_visit_is_known_as_its_vendor_classes_it(visit: dict[str, Any], counts: tuple[int, int]) -> None:
    period = {"start": "2026-05-01T08:00:00Z", "end": "2026-05-01T12:00:00Z"}
    row = resource("Encounter", status="finished", period=period, reasonCode=[MIGRAINE], **visit)
    read = facts(condition(MIGRAINE), row)
    assert (len(read.hospital_visits), len(read.follow_ups)) == counts
