"""The contract on how a medicine is recognised: one row per line of it, in the shapes of several nations."""

from typing import Any

import pytest

from tests.fhir_mappers.build import (
    ATC,
    CPT,
    LOCAL,
    RXNORM,
    SNOMED,
    Json,
    concept,
    dose,
    facts,
    procedure,
    rxnorm,
    statement,
)
from tests.fhir_mappers.contract import Ask, Row, doses, drugs, singles, skipped, uses

NDC = "http://hl7.org/fhir/sid/ndc"
PZN = "http://fhir.de/CodeSystem/ifa/pzn"
EDQM = "http://standardterms.edqm.eu"
URN = "urn:uuid:0b1f4d2e-8d0a-4a0e-9d0c-1d2f3a4b5c6d"


def many(*codings: tuple[str | None, str | None, str | None], text: str | None = None) -> Json:
    made = [
        {name: value for name, value in zip(("system", "code", "display"), each, strict=True) if value}
        for each in codings
    ]
    return {"coding": made} | ({"text": text} if text else {})


def ingredient(item: Json, **strength: Any) -> Json:
    return {"itemCodeableConcept": item} | strength


def strength(value: float, unit: str = "mg", per: float = 1, of: str = "1") -> Json:
    return {"strength": {"numerator": {"value": value, "unit": unit}, "denominator": {"value": per, "unit": of}}}


def contained(code: Json | None, *ingredients: Json, **more: Any) -> Json:
    """A statement of a contained Medication."""
    medication = {"resourceType": "Medication", "id": "m", "code": code, "ingredient": list(ingredients)} | more
    medication = {name: value for name, value in medication.items() if value}
    return statement(None, medicationReference={"reference": "#m"}, contained=[medication])


def taken(text: str) -> Json:
    return statement(concept(text=text))


PROPRANOLOL_SNOMED = concept(SNOMED, "372772003", display="Propranolol")
METOPROLOL_SNOMED = concept(SNOMED, "372826007", display="Metoprolol")
SUMATRIPTAN_SNOMED = concept(SNOMED, "395892000", display="Sumatriptan")

BY_CODE: list[Row] = [
    ("RxNorm ingredient", (statement(rxnorm("8787")),), drugs, ["propranolol"]),
    ("RxNorm product", (statement(rxnorm("856448")),), drugs, ["propranolol"]),
    ("ATC", (statement(concept(ATC, "C07AA05")),), drugs, ["propranolol"]),
    (
        "ATC under its own OID",
        (statement(concept("urn:oid:2.16.840.1.113883.6.73", "C07AA05")),),
        drugs,
        ["propranolol"],
    ),
    ("ATC of Germany", (statement(concept("http://fhir.de/CodeSystem/bfarm/atc", "C07AA05")),), drugs, ["propranolol"]),
    ("ATC, https and a slash", (statement(concept("https://www.whocc.no/atc/", "C07AA05")),), drugs, ["propranolol"]),
    ("ATC, lower case", (statement(concept(ATC, "c07aa05")),), drugs, ["propranolol"]),
    ("SNOMED CT substance", (statement(concept(SNOMED, "372772003")),), drugs, ["propranolol"]),
    ("SNOMED CT product", (statement(concept(SNOMED, "318353009")),), drugs, ["propranolol"]),
    (
        "SNOMED CT edition",
        (statement(concept(f"{SNOMED}/900000000000207008/version/20240101", "372772003")),),
        drugs,
        ["propranolol"],
    ),
    ("dm+d", (statement(concept("https://dmd.nhs.uk", "318353009")),), drugs, ["propranolol"]),
    ("a code that spaces surround", (statement(concept(RXNORM, " 8787 ")),), drugs, ["propranolol"]),
    ("eye drops by ATC, whatever the text says", (statement(concept(ATC, "S01ED01", "Timolol 5 mg/ml")),), drugs, []),
    (
        "eye drops by ATC beside the ingredient",
        (statement(many((ATC, "S01ED01", None), (SNOMED, "85591001", "Timolol"))),),
        drugs,
        [],
    ),
    ("a gel by ATC, whatever the text says", (statement(concept(ATC, "M02AA15", "Diclofenac 50 mg")),), drugs, []),
    ("NDC alone, as the FDA writes it", (statement(concept(NDC, "0591-5554-01")),), drugs, ["propranolol"]),
    ("NDC alone, in 11 digits", (statement(concept(NDC, "00591555401")),), drugs, ["propranolol"]),
    ("NDC alone, of the product", (statement(concept(NDC, "0591-5554")),), drugs, ["propranolol"]),
    (
        "NDC alone, by its OID",
        (statement(concept("urn:oid:2.16.840.1.113883.6.69", "0591-5554-01")),),
        drugs,
        ["propranolol"],
    ),
    (
        "NDC beside a name of the site's own",
        (statement(many((NDC, "00591555401", None), (LOCAL, "1", "PROP10"))),),
        drugs,
        ["propranolol"],
    ),
    (
        "NDC as the identifier of a Medication",
        (contained(None, identifier=[{"system": NDC, "value": "0591-5554-01"}]),),
        drugs,
        ["propranolol"],
    ),
    (
        "NDC as the identifier in a reference",
        (statement(None, medicationReference={"identifier": {"system": NDC, "value": "00591555401"}}),),
        drugs,
        ["propranolol"],
    ),
    (
        "an empty concept beside a reference",
        (
            statement(
                {},
                medicationReference={"reference": "#m"},
                contained=[{"resourceType": "Medication", "id": "m", "code": rxnorm("8787")}],
            ),
        ),
        drugs,
        ["propranolol"],
    ),
    ("a salt in one word, in Dutch", (taken("METOPROLOLSUCCINAAT TABLET MVA 100MG"),), drugs, ["metoprolol?"]),
    ("a salt in one word, in Danish", (taken("Losartankalium Teva 50 mg"),), drugs, ["losartan?"]),
    ("a salt in one word, with another drug", (taken("Losartankalium/hydrochlorthiazid 50/12,5 mg"),), drugs, []),
    ("a salt in one word, in German", (taken("Propranololhydrochlorid 40 mg"),), drugs, ["propranolol?"]),
    ("a salt in one word, in English", (taken("topiramatesodium 50 mg"),), drugs, ["topiramate?"]),
    ("a combination, in Japanese", (taken("カンデサルタン・アムロジピン配合錠"),), drugs, []),
    (
        "aspirin that is buffered, in Japanese",
        (statement(concept(text="バファリン配合錠A330"), dosage=[dose(660)]),),
        drugs,
        ["aspirin?"],
    ),
    ("an ingredient, in Japanese", (taken("ベンラファキシン塩酸塩徐放カプセル75mg"),), drugs, ["venlafaxine?"]),
    ("an ingredient, in Estonian", (taken("Venlafaksiin Krka 75 mg"),), drugs, ["venlafaxine?"]),
    ("an ingredient, in Polish", (taken("Lizynopryl 10 mg"),), drugs, ["lisinopril?"]),
    ("a drug with a diuretic by its letters", (taken("Candesartan HCT 16/12,5"),), drugs, []),
    ("a brand with a diuretic", (taken("Beloc-Zok comp"),), drugs, []),
    ("an emulgel", (taken("Diclofenac Emulgel"),), drugs, []),
    ("a combination by its NDC", (statement(concept(NDC, "0378-0731", display="Propranolol")),), drugs, []),
    ("tablets counted by NDC", (statement(concept(NDC, "0591-5554-01"), dosage=[dose(2, "tablet")]),), doses, [20]),
    (
        "an unknown code with a display",
        (statement(concept(NDC, "00093-2137-01", display="propranolol 20 mg tablet")),),
        drugs,
        ["propranolol?"],
    ),
    (
        "a local code with a display",
        (statement(concept(LOCAL, "1", display="propranolol 20 mg tablet")),),
        drugs,
        ["propranolol?"],
    ),
    (
        "a known code beside a display of another",
        (statement(concept(RXNORM, "8787", display="metoprolol")),),
        drugs,
        ["propranolol"],
    ),
    ("a display without a code", (statement({"coding": [{"display": "Propranolol 40 mg"}]}),), drugs, ["propranolol?"]),
    (
        "a code without a system, and a display",
        (statement({"coding": [{"code": "8787", "display": "Propranolol"}]}),),
        drugs,
        ["propranolol?"],
    ),
    (
        "a product and its ingredient",
        (statement(many((RXNORM, "8787", None), (RXNORM, "856448", None))),),
        drugs,
        ["propranolol"],
    ),
    ("a combination by its own code", (statement(concept(ATC, "C07BA05")),), drugs, []),
    (
        "a combination by the codes of its parts",
        (statement(many((RXNORM, "29046", "lisinopril"), (RXNORM, "5487", "hydrochlorothiazide"))),),
        drugs,
        [],
    ),
    (
        "sumatriptan with naproxen by its parts",
        (statement(many((RXNORM, "37418", None), (RXNORM, "7258", None)), dosage=[]),),
        drugs,
        ["sumatriptan_naproxen"],
    ),
    ("botulinum toxin for migraine", (statement(rxnorm("1712"), dosage=[]),), drugs, ["onabotulinumtoxina"]),
    (
        "botulinum toxin for something else",
        (statement(rxnorm("1712"), dosage=[], reasonCode=[concept(SNOMED, "15802004")]),),
        drugs,
        [],
    ),
    (
        "botulinum toxin with the procedure",
        (
            statement(rxnorm("1712"), dosage=[], reasonCode=None),
            procedure(concept(CPT, "64615"), "2025-03-01"),
        ),
        drugs,
        ["onabotulinumtoxina"],
    ),
]

INGREDIENTS: list[Row] = [
    ("one, beside nothing", (contained(None, ingredient(PROPRANOLOL_SNOMED)),), drugs, ["propranolol"]),
    (
        "one, beside a text",
        (contained(concept(text="Beloc-Zok"), ingredient(METOPROLOL_SNOMED)),),
        drugs,
        ["metoprolol"],
    ),
    (
        "one, beside an unknown product code",
        (contained(concept(PZN, "123", display="Dociton"), ingredient(PROPRANOLOL_SNOMED)),),
        drugs,
        ["propranolol"],
    ),
    (
        "one, in words",
        (contained(concept(PZN, "123"), ingredient(concept(text="Propranolol"))),),
        drugs,
        ["propranolol?"],
    ),
    ("one, by RxNorm", (contained(concept(text="Inderal"), ingredient(rxnorm("8787"))),), drugs, ["propranolol"]),
    (
        "two that are a combination",
        (contained(None, ingredient(SUMATRIPTAN_SNOMED), ingredient(rxnorm("7258"))),),
        drugs,
        ["sumatriptan_naproxen"],
    ),
    (
        "two of which one is in no table",
        (contained(None, ingredient(PROPRANOLOL_SNOMED), ingredient(concept(SNOMED, "387525002"))),),
        drugs,
        [],
    ),
    (
        "two of which one is in words",
        (contained(None, ingredient(METOPROLOL_SNOMED), ingredient(concept(text="Hydrochlorothiazid"))),),
        drugs,
        [],
    ),
    (
        "one that is not active",
        (contained(None, ingredient(PROPRANOLOL_SNOMED), ingredient(concept(text="Lactose"), isActive=False)),),
        drugs,
        ["propranolol"],
    ),
    (
        "an item that is a contained Substance",
        (
            statement(
                None,
                medicationReference={"reference": "#m"},
                contained=[
                    {"resourceType": "Medication", "id": "m", "ingredient": [{"itemReference": {"reference": "#s"}}]},
                    {"resourceType": "Substance", "id": "s", "code": PROPRANOLOL_SNOMED},
                ],
            ),
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "an item that is a Medication of the record",
        (
            contained(None, {"itemReference": {"reference": "Medication/inner"}}),
            {"resourceType": "Medication", "id": "inner", "code": PROPRANOLOL_SNOMED},
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "an item by its display",
        (contained(None, {"itemReference": {"display": "Propranolol"}}),),
        drugs,
        ["propranolol?"],
    ),
    ("R5 item, a concept", (contained(None, {"item": {"concept": PROPRANOLOL_SNOMED}}),), drugs, ["propranolol"]),
    (
        "a strength per tablet",
        (
            contained(None, ingredient(SUMATRIPTAN_SNOMED, **strength(25)))
            | {"dosage": [{"asNeededBoolean": True} | dose(1, "tablet")]},
        ),
        singles,
        [25],
    ),
    (
        "a strength of two tablets",
        (
            contained(None, ingredient(SUMATRIPTAN_SNOMED, **strength(100, per=2, of="tablet")))
            | {"dosage": [{"asNeededBoolean": True} | dose(1, "tablet")]},
        ),
        singles,
        [50],
    ),
    (
        "a strength in grams",
        (
            contained(None, ingredient(SUMATRIPTAN_SNOMED, **strength(0.05, "g")))
            | {"dosage": [{"asNeededBoolean": True} | dose(1, "tablet")]},
        ),
        singles,
        [50],
    ),
    (
        "R5 strengthQuantity",
        (
            contained(None, ingredient(SUMATRIPTAN_SNOMED, strengthQuantity={"value": 25, "unit": "mg"}))
            | {"dosage": [{"asNeededBoolean": True} | dose(1, "tablet")]},
        ),
        singles,
        [25],
    ),
    (
        "a strength per mL",
        (
            contained(None, ingredient(SUMATRIPTAN_SNOMED, **strength(12, "mg", 1, "mL")))
            | {"dosage": [{"asNeededBoolean": True} | dose(0.5, "mL")]},
        ),
        singles,
        [6],
    ),
]


BY_TEXT: list[Row] = [
    (text, (taken(text),), drugs, [f"{drug}?"] if drug else [])
    for text, drug in {
        "Propranolol 40 mg": "propranolol",
        "PROPRANOLOL TAB 40MG": "propranolol",
        "Propranololo 40 mg compresse": "propranolol",
        "Propranololum": "propranolol",
        "chlorhydrate de propranolol 40 mg": "propranolol",
        "APO-PROPRANOLOL": "propranolol",
        "PMS-TOPIRAMATE 25MG": "topiramate",
        "TEVA-AMITRIPTYLINE TAB 25MG": "amitriptyline",
        "Sandoz-Rizatriptan 10 mg": "rizatriptan",
        "Topiramat-ratiopharm 50 mg": "topiramate",
        "Amitriptylin-neuraxpharm 25 mg": "amitriptyline",
        "Métoprolol Sandoz 100 mg": "metoprolol",
        "metoprololi succinas": "metoprolol",
        "Valproinsäure 300 mg": "valproate",
        "acide valproïque 500 mg": "valproate",
        "ácido valproico 500 mg": "valproate",
        "valproinezuur 500 mg": "valproate",
        "Candésartan 8 mg": "candesartan",
        "candesartán cilexetilo 16 mg": "candesartan",
        "Venlafaxina 75 mg": "venlafaxine",
        "Venlafaxin retard 75 mg": "venlafaxine",
        "amitriptilina 25 mg": "amitriptyline",
        "Flunarizin 10 mg": "flunarizine",
        "Flunarizina 5 mg": "flunarizine",
        "Topiramaat 25 mg": "topiramate",
        "Topiramato 25 mg": "topiramate",
        "Sumatriptaani 50 mg": "sumatriptan",
        "sumatriptán 50 mg": "sumatriptan",
        "Rizatriptán 10 mg": "rizatriptan",
        "スマトリプタン錠50mg": "sumatriptan",
        "プロプラノロール塩酸塩錠10mg": "propranolol",  # noqa: RUF001
        "トピラマート錠25mg": "topiramate",
        "バルプロ酸ナトリウム錠200mg": "valproate",
        "アミトリプチリン塩酸塩錠10mg": "amitriptyline",
        "ロメリジン塩酸塩錠5mg": None,
        "エレヌマブ皮下注70mg": "erenumab",
        "Erenumab 70 mg/ml Injektionslösung": "erenumab",
        "erénumab": "erenumab",
        "Ajovy 225 mg": "fremanezumab",
        "Botox 200 units": "onabotulinumtoxina",
        "Propranolol/Hydrochlorothiazide 40/25": None,
        "metoprolol + hydrochlorothiazide": None,
        "Bisoprolol comp 5 mg/12.5 mg": None,
        "propranolol 40 mg und Hydrochlorothiazid 25 mg": None,
        "timolol eye drops 0.5%": None,
        "Voltaren Emulgel": None,
        "ibuprofen 5% gel": None,
        "Diclofenac Pflaster 140 mg": None,
        "propanolol 40 mg": None,
        "patient took something for migraine": None,
    }.items()
]

ELSEWHERE: list[Row] = [
    (
        "beside the row",
        (
            statement(None, medicationReference={"reference": "Medication/m1"}),
            {"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")},
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "by an address",
        (
            statement(None, medicationReference={"reference": "https://ehr.example.org/fhir/Medication/m1"}),
            {"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")},
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "by a version",
        (
            statement(None, medicationReference={"reference": "Medication/m1/_history/3"}),
            {"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")},
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "with an id that has its type",
        (
            statement(None, medicationReference={"reference": "Medication/m1"}),
            {"resourceType": "Medication", "id": "Medication/m1", "code": rxnorm("8787")},
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "contained, its id with a sign",
        (
            statement(
                None,
                medicationReference={"reference": "#m1"},
                contained=[{"resourceType": "Medication", "id": "#m1", "code": rxnorm("8787")}],
            ),
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "contained, without a sign",
        (
            statement(
                None,
                medicationReference={"reference": "m1"},
                contained=[{"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")}],
            ),
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "contained, by its type",
        (
            statement(
                None,
                medicationReference={"reference": "Medication/m1"},
                contained=[{"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")}],
            ),
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "contained, as one object",
        (
            statement(
                None,
                medicationReference={"reference": "#m1"},
                contained={"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")},
            ),
        ),
        drugs,
        ["propranolol"],
    ),
    (
        "the only one contained, by a bare sign",
        (
            statement(
                None,
                medicationReference={"reference": "#"},
                contained=[{"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")}],
            ),
        ),
        drugs,
        [],
    ),
    (
        "only a display",
        (statement(None, medicationReference={"display": "Propranolol 40 mg"}),),
        drugs,
        ["propranolol?"],
    ),
    (
        "only a display, its Medication not come",
        (statement(None, medicationReference={"reference": "Medication/m9", "display": "Propranolol 40 mg"}),),
        drugs,
        ["propranolol?"],
    ),
    (
        "R5 by reference",
        (
            statement(None, medication={"reference": {"reference": "Medication/m1"}}),
            {"resourceType": "Medication", "id": "m1", "code": rxnorm("8787")},
        ),
        drugs,
        ["propranolol"],
    ),
    ("R5 by concept", (statement(None, medication={"concept": rxnorm("8787")}),), drugs, ["propranolol"]),
]

FORMS: list[Row] = [
    ("an eye drop by EDQM", (contained(concept(text="Timolol"), form=concept(EDQM, "10604000")),), drugs, []),
    ("a tablet by EDQM", (contained(concept(text="Timolol"), form=concept(EDQM, "10219000")),), drugs, ["timolol?"]),
    ("a gel in words", (contained(concept(text="Ibuprofen"), form=concept(text="Gel")),), drugs, []),
    ("drops in German", (contained(concept(text="Timolol"), form=concept(text="Augentropfen")),), drugs, []),
    ("drops in Spanish", (taken("timolol colirio 0,5%"),), drugs, []),
    ("drops in French", (taken("TIMOLOL 0,50 %, collyre en solution"),), drugs, []),
    ("drops in Dutch", (taken("timolol oogdruppels 5mg/ml"),), drugs, []),
    ("drops in Japanese", (taken("チモロール点眼液0.5%"),), drugs, []),
    ("a plaster in French", (taken("diclofénac emplâtre 140 mg"),), drugs, []),
    ("a tape in Japanese", (taken("ロキソプロフェンNaテープ100mg"),), drugs, []),
    (
        "for the eye by route",
        (statement(concept(text="Timolol"), dosage=[{"route": concept(SNOMED, "54485002")}]),),
        drugs,
        [],
    ),
    (
        "for the eye by route in words",
        (statement(concept(text="Timolol"), dosage=[{"route": concept(text="Anwendung am Auge")}]),),
        drugs,
        [],
    ),
    (
        "on the skin by route in words",
        (statement(concept(text="Diclofenac"), dosage=[{"route": concept(text="cutaneous")}]),),
        drugs,
        [],
    ),
    (
        "on the skin by a route without display",
        (statement(concept(text="Diclofenac"), dosage=[{"route": concept(LOCAL, "Apply externally")}]),),
        drugs,
        [],
    ),
    (
        "on the skin by route in French",
        (statement(concept(text="Diclofenac"), dosage=[{"route": concept(text="voie cutanée")}]),),
        drugs,
        [],
    ),
    (
        "by mouth in words",
        (statement(concept(text="Timolol"), dosage=[{"route": concept(text="per os")}]),),
        drugs,
        ["timolol?"],
    ),
]

GEPANT = "Rimegepant 75 mg"
ROLES: list[Row] = [
    (
        "every other day",
        (statement(concept(text=GEPANT), dosage=[dose(75, frequency=1, period=2, periodUnit="d")]),),
        uses,
        ["preventive"],
    ),
    (
        "QOD",
        (
            statement(
                concept(text=GEPANT),
                dosage=[
                    dose(75)
                    | {"timing": {"code": concept("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "QOD")}}
                ],
            ),
        ),
        uses,
        ["preventive"],
    ),
    (
        "three days of a week",
        (statement(concept(text=GEPANT), dosage=[dose(75, dayOfWeek=["mon", "wed", "fri"])]),),
        uses,
        ["preventive"],
    ),
    (
        "two days of a week",
        (statement(concept(text=GEPANT), dosage=[dose(75, dayOfWeek=["mon", "fri"])]),),
        uses,
        ["acute"],
    ),
    ("daily", (statement(concept(text=GEPANT), dosage=[dose(75)]),), uses, ["preventive"]),
    ("as needed", (statement(concept(text=GEPANT), dosage=[{"asNeededBoolean": True} | dose(75)]),), uses, ["acute"]),
    (
        "in words",
        (statement(concept(text=GEPANT), dosage=[{"text": "Take 1 tablet every other day"}]),),
        uses,
        ["preventive"],
    ),
    (
        "as needed in words",
        (statement(concept(text=GEPANT), dosage=[{"text": "Take 1 tablet as needed for migraine"}]),),
        uses,
        ["acute"],
    ),
    (
        "both are two trials",
        (
            statement(concept(text=GEPANT), dosage=[dose(75)]),
            statement(concept(text=GEPANT), dosage=[{"asNeededBoolean": True} | dose(75)]),
        ),
        uses,
        ["acute", "preventive"],
    ),
]
HOUSE = "http://mimic.example.org/CodeSystem/"


def identified(*names: str, code: Json | None = None) -> Json:
    """A statement of a Medication that has these identifiers of the house."""
    identifiers = [{"system": f"{HOUSE}medication-{place}", "value": name} for place, name in enumerate(names)]
    return contained(code, identifier=identifiers)


NAMED_BY_CODE: list[Row] = [
    ("a code of the house", (statement(concept(HOUSE + "name", "Propranolol LA")),), drugs, ["propranolol?"]),
    (
        "such a code of R5",
        (statement(None, medication={"concept": concept(HOUSE + "name", "Propranolol")}),),
        drugs,
        ["propranolol?"],
    ),
    ("such a code of a Medication", (contained(concept(HOUSE + "name", "Propranolol")),), drugs, ["propranolol?"]),
    ("an identifier", (identified("PROP40", "Propranolol"),), drugs, ["propranolol?"]),
    (
        "an identifier beside a code of the house",
        (identified("PROP40", "Propranolol", code=concept(HOUSE + "formulary", "PROP40")),),
        drugs,
        ["propranolol?"],
    ),
    (
        "an ingredient by its identifier",
        (
            statement(
                None,
                medicationReference={"reference": "#mix"},
                contained=[
                    {"resourceType": "Medication", "id": "mix", "ingredient": [{"itemReference": {"reference": "#m"}}]},
                    {
                        "resourceType": "Medication",
                        "id": "m",
                        "identifier": [{"system": HOUSE, "value": "Propranolol"}],
                    },
                ],
            ),
        ),
        drugs,
        ["propranolol?"],
    ),
    (
        "words go before it",
        (statement(concept(HOUSE + "name", "Propranolol", text="Topiramate")),),
        drugs,
        ["topiramate?"],
    ),
    (
        "a display goes before it",
        (statement(concept(HOUSE, "Propranolol", display="Topiramate")),),
        drugs,
        ["topiramate?"],
    ),
    (
        "words go before an identifier",
        (identified("Propranolol", code=concept(text="Topiramate")),),
        drugs,
        ["topiramate?"],
    ),
    ("a code of the tables goes before it", (identified("Propranolol", code=rxnorm("38404")),), drugs, ["topiramate"]),
    ("a code that is no name", (statement(concept(HOUSE + "formulary", "PROP40")),), drugs, []),
    (
        "for the eye, by its route",
        (
            statement(
                concept(HOUSE, "Timolol 0.5%"), dosage=[dose() | {"route": concept(HOUSE + "route", "BOTH EYES")}]
            ),
        ),
        drugs,
        [],
    ),
]
ALL = [*BY_CODE, *INGREDIENTS, *BY_TEXT, *ELSEWHERE, *FORMS, *ROLES, *NAMED_BY_CODE]


@pytest.mark.parametrize(("rows", "ask", "right"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_a_medicine_is_recognised(rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    assert ask(facts(*rows)) == right


def test_a_medicine_whose_ingredients_did_not_come_is_unreadable() -> None:
    elsewhere = {"itemReference": {"reference": "Medication/elsewhere"}}
    read = facts(contained(None, elsewhere))
    assert (drugs(read), skipped(read)) == ([], ["MedicationStatement"])
    assert drugs(facts(contained(rxnorm("8787"), elsewhere))) == ["propranolol"]
