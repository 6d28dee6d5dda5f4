"""Medicines as other countries name them: by product, ingredient, national edition, local name and form."""

from typing import Any

import pytest

from tests.fhir_mappers.build import (
    ATC,
    LOCAL,
    RXNORM,
    SNOMED,
    Json,
    as_needed,
    concept,
    dose,
    facts,
    resource,
    statement,
)

EDQM = "http://standardterms.edqm.eu"
KBV = "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_KBV_DARREICHUNGSFORM"


def recognised(medicine: Json, **more: Any) -> tuple[str, bool] | None:
    """The drug a statement of this medicine is a trial of, and whether by code."""
    trials = facts(statement(medicine, **more)).trials
    return (trials[0].drug, trials[0].coded) if trials else None


def contained(**medication: Any) -> tuple[str, bool] | None:
    """As recognised, for a Medication that the statement contains."""
    made = {"resourceType": "Medication", "id": "m"} | medication
    row = statement(medicationCodeableConcept=None, medicationReference={"reference": "#m"}, contained=[made])
    trials = facts(row).trials
    return (trials[0].drug, trials[0].coded) if trials else None


def ingredient(system: str | None = None, code: str | None = None, text: str | None = None, **more: Any) -> Json:
    return {"itemCodeableConcept": concept(system, code, text)} | more


CODES = [
    (SNOMED, "372772003", "propranolol"),
    (SNOMED, "42291711000001101", None),
    ("https://dmd.nhs.uk", "318353009", "propranolol"),
    ("http://fhir.de/CodeSystem/bfarm/atc", "C07AA05", "propranolol"),
    ("https://fhir.ee/CodeSystem/atc-ee", "C07AA05", "propranolol"),
    ("urn:oid:2.16.840.1.113883.6.73", "N02CC01", "sumatriptan"),
    ("urn:oid:1.2.752.129.2.2.3.1.1", "N02CC01", "sumatriptan"),
    ("urn:oid:1.2.246.537.6.32", "N02CC01", "sumatriptan"),
]


@pytest.mark.parametrize(("system", "code", "drug"), CODES)
def test_a_drug_is_known_by_substance_product_and_national_edition(system: str, code: str, drug: str | None) -> None:
    assert recognised(concept(system, code)) == ((drug, True) if drug else None)


NAMES = [
    ("Venlafaxin - 1 A Pharma 75mg 100 Tabl. N3", "venlafaxine"),
    ("Metoprololsuccinat-ratiopharm 95 mg Retardtabletten", "metoprolol"),
    ("Sumatriptan-1a Pharma 100 mg Tabletten", "sumatriptan"),
    ("APO-PROPRANOLOL TAB 40MG", "propranolol"),
    ("TEVA-TOPIRAMATE 100 mg", "topiramate"),
    ("Propranolol-Unbekannt 40 mg", "propranolol"),
    ("Propranololi hydrochloridum", "propranolol"),
    ("PROPRANOLOOL 40 mg", "propranolol"),
    ("amitriptyliini 25 mg", "amitriptyline"),
    ("Valproïnezuur 500 mg", "valproate"),
    ("インデラル錠１０ｍｇ", "propranolol"),
    ("Lisinopril-Hydrochlorothiazid 20/12,5", None),
    ("Candesartan-Amlodipin 8 mg", None),
    ("METOPROLOLSUCCINAAT 100 MG, TABLETTEN MET VERLENGDE AFGIFTE", "metoprolol"),
    ("METOPROLOL TABLET MET GEREGULEERDE AFGIFTE 100MG", "metoprolol"),
    ("Metoprolol 100 mg Tabletten mit veränderter Wirkstofffreisetzung", "metoprolol"),
    ("Aimovig 70 mg, solution injectable en stylo prérempli", "erenumab"),
    ("Ajovy 225 mg, solution injectable en seringue préremplie", "fremanezumab"),
    ("PROPRANOLOL 40 MG COMPRIMIDOS CON PELICULA", "propranolol"),
    ("METOPROLOL TABLET MET HYDROCHLOORTHIAZIDE 100/12,5", None),
    ("Metoprolol en chloortalidon 100/12,5", None),
    ("Paracetamol, Kombinationen exkl. Psycholeptika", None),
    ("Bisoprolol plus 10/25 - 1A Pharma® 100 Filmtbl. N3", None),
    ("paracetamol, combinations excl. psycholeptics", None),
    ("HEMIPRALON LP 80 mg gél LP", "propranolol"),
    ("Diclofénac 1 % gél", None),
    ("Diclofénac 10 mg/g gél", None),
    ("Diclofenac gel", None),
    ("Amitriptyline 40 mg/ml oral drops, solution", "amitriptyline"),
    ("Timolol eye drops", None),
    ("Concor 5 mg", "bisoprolol"),
    ("Concor", None),
]


@pytest.mark.parametrize(("text", "drug"), NAMES)
def test_a_name_in_another_language_is_read_accents_and_makers_set_aside(text: str, drug: str | None) -> None:
    assert recognised({"text": text}) == ((drug, False) if drug else None)


def test_ingredients_decide_where_the_product_is_in_no_table() -> None:
    code = concept("urn:oid:2.51.1.1", "7680123", text="Beloc Zok Mite")
    assert contained(code=code, ingredient=[ingredient(SNOMED, "372826007", "Metoprolol")]) == ("metoprolol", True)
    assert contained(ingredient=[ingredient(text="Propranolol")]) == ("propranolol", False)
    assert contained(code=concept(LOCAL, "wirkstoff"), ingredient=[ingredient(LOCAL, "1", "Topiramat")]) == (
        "topiramate",
        False,
    )


def test_several_ingredients_are_their_combination_also_with_one_in_no_table() -> None:
    sumatriptan, naproxen = ingredient(RXNORM, "37418"), ingredient(RXNORM, "7258")
    assert contained(ingredient=[ingredient(RXNORM, "29046"), ingredient(RXNORM, "5487")]) is None
    assert contained(ingredient=[ingredient(RXNORM, "8787"), ingredient(text="Hydralazin")]) is None
    row = facts(
        statement(
            medicationCodeableConcept=None,
            medicationReference={"reference": "#m"},
            contained=[{"resourceType": "Medication", "id": "m", "ingredient": [sumatriptan, naproxen]}],
        )
    )
    assert [trial.drug for trial in row.trials] == ["sumatriptan_naproxen"]


def test_an_inactive_ingredient_makes_no_combination() -> None:
    lactose = ingredient(text="Lactose", isActive=False)
    assert contained(ingredient=[ingredient(RXNORM, "8787"), lactose]) == ("propranolol", True)


def test_codes_of_two_ingredients_are_a_combination() -> None:
    both = {"coding": [*concept(RXNORM, "29046", display="lisinopril")["coding"]]}
    both["coding"] += concept(RXNORM, "5487", display="hydrochlorothiazide")["coding"]
    assert recognised(both) is None
    assert recognised(concept(RXNORM, "29046", display="lisinopril")) == ("lisinopril", True)


CAFFEINE = [
    ingredient(RXNORM, "1886"),
    ingredient(SNOMED, "255641001"),
    ingredient(ATC, "N06BC01"),
    ingredient("http://fhir.de/CodeSystem/ask", "00178", "Coffein"),
    ingredient(text="Caféine anhydre"),
]


@pytest.mark.parametrize("caffeine", CAFFEINE, ids=lambda one: str(next(iter(one["itemCodeableConcept"].values()))))
def test_caffeine_makes_a_combination_that_is_listed(caffeine: Json) -> None:
    aspirin, acetaminophen = ingredient(SNOMED, "387458008"), ingredient(SNOMED, "387517004")
    ergotamine = ingredient(RXNORM, "4025")
    assert contained(ingredient=[aspirin, acetaminophen, caffeine]) == ("asa_apap_caffeine", True)
    assert contained(ingredient=[ergotamine, caffeine]) == ("ergotamine", True)
    assert contained(ingredient=[acetaminophen, caffeine]) is None


def test_the_codes_of_a_listed_combination_with_caffeine_are_that_combination() -> None:
    def of(*codes: str) -> tuple[str, bool] | None:
        return recognised({"coding": [{"system": RXNORM, "code": code} for code in codes]})

    assert of("1191", "161", "1886") == ("asa_apap_caffeine", True)
    assert of("161", "1886") is None
    meloxicam = {"system": RXNORM, "code": "41493", "display": "meloxicam"}
    both = {"coding": [{"system": RXNORM, "code": "88014"}, meloxicam]}
    assert recognised(both) == ("rizatriptan_meloxicam", True)
    assert recognised({"text": "Acetylsalicylsäure/Paracetamol/Coffein 250/200/50 mg"}) == ("asa_apap_caffeine", False)


def test_the_strength_of_an_ingredient_is_that_of_the_product() -> None:
    strength = {"numerator": {"value": 40, "unit": "mg"}, "denominator": {"value": 1, "unit": "Tablette"}}
    medication = {
        "resourceType": "Medication",
        "id": "m",
        "code": concept(ATC, "C07AA05"),
        "ingredient": [ingredient(SNOMED, "372772003", strength=strength)],
    }
    row = statement(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#m"},
        contained=[medication],
        dosage=[dose(2, "tablet", frequency=1, period=1, periodUnit="d")],
    )
    assert facts(row).trials[0].steps[0].amount == 80


def test_a_strength_of_a_salt_is_that_of_the_name_where_it_has_one() -> None:
    def strength(salt: str, amount: float, name: str) -> float | None:
        of_salt = {"numerator": {"value": amount, "unit": "mg"}, "denominator": {"value": 1, "unit": "Stück"}}
        medication = {
            "resourceType": "Medication",
            "id": "m",
            "code": concept("http://fhir.de/CodeSystem/ifa/pzn", "1", name),
            "ingredient": [ingredient(text=salt, strength=of_salt)],
        }
        row = statement(
            medicationCodeableConcept=None,
            medicationReference={"reference": "#m"},
            contained=[medication],
            dosage=[dose(1, "Tablette", frequency=1, period=1, periodUnit="d")],
        )
        return facts(row).trials[0].steps[0].amount

    assert strength("Venlafaxinhydrochlorid", 84.88, "Venlafaxin - 1 A Pharma 75mg 100 Tabl. N3") == 75
    assert strength("Venlafaxin hydrochlorid", 84.88, "Venlafaxin - 1 A Pharma") == 84.88
    assert strength("Venlafaxin", 75, "Venlafaxin 150 mg") == 75


def test_an_item_reference_is_followed() -> None:
    substance = {"resourceType": "Substance", "id": "s", "code": concept(SNOMED, "372772003")}
    row = statement(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#m"},
        contained=[
            {"resourceType": "Medication", "id": "m", "ingredient": [{"itemReference": {"reference": "#s"}}]},
            substance,
        ],
    )
    assert facts(row).trials[0].drug == "propranolol"


LOCAL_FORMS = [
    {"code": {"text": "Timolol 5 mg/ml"}, "form": concept(EDQM, "10604000")},
    {"code": {"text": "Timolol"}, "form": {"text": "Augentropfen"}},
    {"code": {"text": "Timolol"}, "form": concept(KBV, "ATR")},
    {"code": {"text": "Diclofenac"}, "form": concept(KBV, "GEL")},
    {"code": {"text": "Ketoprofen"}, "form": concept(KBV, "PFL")},
    {"code": {"text": "Diclofenac"}, "form": {"text": "Lösung zur Anwendung auf der Haut"}},
    {"code": {"text": "Timolol"}, "form": {"text": "Anwendung am Auge"}},
    {"code": {"text": "Ibuprofène"}, "form": {"text": "Pâte gingivale"}},
    {"code": {"text": "Diclofenac 140mg medicated plasters"}},
    {"code": {"text": "Timolol collyre en solution"}},
]


@pytest.mark.parametrize("medication", LOCAL_FORMS)
def test_what_acts_where_it_is_put_is_no_treatment_of_the_whole_body(medication: Json) -> None:
    assert contained(**medication) is None


@pytest.mark.parametrize(("form", "route"), [("FTA", "oral"), ("RET", "oral"), ("NAS", "nasal"), ("SUP", "rectal")])
def test_a_form_of_the_kbv_says_by_which_way_a_medicine_is_taken(form: str, route: str) -> None:
    made = {"resourceType": "Medication", "id": "m", "code": {"text": "Sumatriptan"}, "form": concept(KBV, form)}
    row = statement({}, medicationCodeableConcept=None, medicationReference={"reference": "#m"}, contained=[made])
    assert facts(row).trials[0].route == route


@pytest.mark.parametrize("code", ["S01ED01", "M02AA15", "D11AX18"])
def test_an_atc_code_of_local_use_decides_over_the_text(code: str) -> None:
    assert recognised(concept(ATC, code, text="Timolol 5 mg")) is None


def allergies(**elements: Any) -> set[tuple[str, bool]]:
    return {(found.drug, found.coded) for found in facts(resource("AllergyIntolerance", **elements)).allergies}


def test_an_allergy_is_known_by_substance_finding_class_reaction_and_text() -> None:
    assert allergies(code=concept(SNOMED, "387207008")) == {("ibuprofen", True)}
    assert allergies(code=concept(SNOMED, "293619005", display="Allergy to ibuprofen")) == {("ibuprofen", True)}
    assert allergies(code=concept(SNOMED, "372665008")) == {("nsaid", True)}
    assert allergies(reaction=[{"substance": concept(RXNORM, "7258")}]) == {("naproxen", True)}
    assert allergies(code={"text": "Ibuprofène"}) == {("ibuprofen", False)}
    for text in (
        "NSAID's",
        "anti-inflamatórios não esteroides",
        "ＮＳＡＩＤｓアレルギー",
        "antinfiammatori non steroidei",
    ):
        assert allergies(code={"text": text}) == {("nsaid", False)}
    assert ("lisinopril", False) in allergies(code={"text": "ACE-remmers"})


@pytest.mark.parametrize(
    "code",
    [
        *(concept(SNOMED, "33252009"), concept(SNOMED, "293962009"), concept(ATC, "C07"), concept(ATC, "C07A")),
        *({"text": text} for text in ("Betablocker", "bètablokkers", "Betablockare", "βブロッカー")),
    ],
    ids=str,
)
def test_an_allergy_to_a_class_is_one_to_each_of_its_drugs(code: Json) -> None:
    found = {drug for drug, _ in allergies(code=code)}
    assert {"propranolol", "metoprolol", "bisoprolol"} <= found
    assert "lisinopril" not in found


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("トピナ錠５０ｍｇ", 50),
        ("Topiramat 50㎎", 50),
        ("Topiramate 50 milligram tablets", 50),
        ("Topiramate 50 milligrammes", 50),
        ("Pizotifen 500microgram tablets", 0.5),
        ("Clonidin 75 Mikrogramm", 0.075),
        ("Clonidine 0,025 mg", 0.025),
        ("Valproate 1,000 mg", 1000),
        ("Valproate 1 000 mg", 1000),
        ("Valproat 1.000 mg", None),
        ("Valproate 0.500 mg", 0.5),
    ],
)
def test_a_strength_is_read_as_each_country_writes_numbers_or_not_at_all(text: str, amount: float | None) -> None:
    row = statement({"text": text}, dosage=[dose(1, "tablet")])
    assert facts(row).trials[0].steps[0].amount == amount


def test_a_volume_may_have_a_decimal_comma() -> None:
    row = statement({"text": "Imigran Inject 6 mg/0,5 ml"}, dosage=[as_needed(0.5, "ml")])
    assert facts(row).trials[0].single_dose == 6


def test_a_unit_may_be_a_form_written_backwards() -> None:
    row = statement({"text": "Topiramate 50 mg"}, dosage=[dose(2, "TABLET, FILM COATED")])
    assert facts(row).trials[0].steps[0].amount == 100
    assert (
        facts(statement({"text": "Topiramate 50 mg"}, dosage=[dose(2, "box, large")])).trials[0].steps[0].amount is None
    )


def test_the_strength_of_an_ingredient_was_its_amount_before_r4() -> None:
    amount = {"numerator": {"value": 40, "unit": "mg"}, "denominator": {"value": 1, "unit": "tablet"}}
    medication = {"resourceType": "Medication", "id": "m", "ingredient": [ingredient(RXNORM, "8787", amount=amount)]}
    row = statement(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#m"},
        contained=[medication],
        dosage=[dose(2, "tablet")],
    )
    assert facts(row).trials[0].steps[0].amount == 80


HOUSE_CODE = concept(LOCAL, "4711", display="Item 4711")
COME = {"resourceType": "Medication", "id": "m1", "code": concept(RXNORM, "8787")}
BOTH = [
    {"medicationCodeableConcept": HOUSE_CODE, "medicationReference": {"reference": "Medication/m1"}},
    {"medicationCodeableConcept": {"text": "Item 4711"}, "medicationReference": {"reference": "Medication/m1"}},
    {"medication": {"concept": HOUSE_CODE, "reference": {"reference": "Medication/m1"}}},
    {"medication": {"concept": {"text": "Item 4711"}, "reference": {"reference": "Medication/m1"}}},
]


@pytest.mark.parametrize("named", BOTH)
def test_a_code_of_the_house_beside_a_reference_leaves_it_to_the_medication(named: Json) -> None:
    row = statement(**{"medicationCodeableConcept": None, **named})
    (trial,) = facts(row, COME).trials
    assert (trial.drug, trial.coded) == ("propranolol", True)


def test_a_concept_and_a_medication_that_disagree_name_nothing() -> None:
    named = {"concept": concept(RXNORM, "6918"), "reference": {"reference": "Medication/m1"}}
    assert not facts(statement(medicationCodeableConcept=None, medication=named), COME).trials


def test_a_concept_stands_where_its_medication_did_not_come() -> None:
    named = {"concept": concept(RXNORM, "8787"), "reference": {"reference": "Medication/none"}}
    read = facts(statement(medicationCodeableConcept=None, medication=named))
    assert [trial.drug for trial in read.trials] == ["propranolol"]
    assert not read.skipped


def test_an_oral_form_that_counts_drops_is_for_the_whole_body() -> None:
    form = concept(EDQM, "10103000", display="Oral drops, solution")
    assert contained(code=concept(ATC, "N06AA09"), form=form) == ("amitriptyline", True)
