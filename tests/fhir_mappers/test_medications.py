"""A medicine is recognised by code, else by text at low certainty; combinations and other forms are themselves."""

import pytest

from prodrome.rules.guideline.guideline import load_guideline
from tests.fhir_mappers.build import (
    ANY_TOXIN,
    ATC,
    BOTOX,
    CPT,
    ICD10CM,
    LOCAL,
    MIGRAINE,
    PROPRANOLOL,
    RIMEGEPANT,
    RXNORM,
    SNOMED,
    SUMATRIPTAN,
    Json,
    as_needed,
    concept,
    dose,
    facts,
    procedure,
    request,
    resource,
    rxnorm,
    statement,
)


def recognised(medication: Json) -> tuple[str, bool] | None:
    """The drug a statement of this medicine is a trial of, and whether by code."""
    trials = facts(statement(medication, dosage=None)).trials
    return (trials[0].drug, trials[0].coded) if trials else None


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (RXNORM, "8787"),
        (ATC, "C07AA05"),
        (SNOMED, "55745002"),
        ("urn:oid:2.16.840.1.113883.6.88", "8787"),
        ("urn:oid:2.16.840.1.113883.6.96", "55745002"),
    ],
)
def test_a_medicine_is_recognised_by_any_of_its_codes(system: str, code: str) -> None:
    assert recognised(concept(system, code)) == ("propranolol", True)


def test_every_drug_of_the_guideline_is_recognised_by_each_of_its_codes() -> None:
    systems = {"rxnorm": RXNORM, "atc": ATC, "snomed": SNOMED}
    for drug in load_guideline().drugs.values():
        if drug.preventive or drug.acute:
            for system, codes in drug.codes.items():
                for code in codes:
                    assert recognised(concept(systems[system], code)) == (drug.id, True), (drug.id, system, code)


@pytest.mark.parametrize(
    ("text", "drug"),
    [
        ("Propranolol", "propranolol"),
        ("propranolol hydrochloride 40 MG Oral Tablet", "propranolol"),
        ("Inderal LA 80 mg capsule", "propranolol"),
        ("Imitrex (sumatriptan) 50 mg", "sumatriptan"),
        ("paracetamol 500mg", "acetaminophen"),
        ("erenumab-aooe 70 mg/mL auto-injector", "erenumab"),
        ("topiramate 25 mg - migraine prevention", "topiramate"),
        ("sumatriptan / naproxen sodium 85/500 mg", "sumatriptan_naproxen"),
        ("acetaminophen 250 mg / aspirin 250 mg / caffeine 65 mg", "asa_apap_caffeine"),
        ("butalbital / acetaminophen / caffeine", "butalbital"),
        ("ergotamine and caffeine tablet", "ergotamine"),
        ("propranalol", None),  # misspelt
        ("propranolololol", None),  # not a whole word
        ("propranolol / hydrochlorothiazide 40/25 mg", None),
        ("propranolol-hydrochlorothiazide", None),
        ("lisinopril and hydrochlorothiazide", None),
        ("candesartan with something", None),
        ("aspirin + codeine", None),
        ("timolol ophthalmic solution", None),
        ("diclofenac 1% topical gel", None),
        ("timolol eye drops", None),
        ("sumatriptan or rizatriptan", None),
        ("oxytocin", None),
        ("", None),
    ],
)
def test_text_names_a_medicine_at_low_certainty(text: str, drug: str | None) -> None:
    assert recognised(concept(text=text)) == ((drug, False) if drug else None)


def test_the_display_of_an_unknown_system_is_text() -> None:
    assert recognised(concept(LOCAL, "4711", display="propranolol 40 mg")) == ("propranolol", False)
    assert recognised({"coding": [{"display": "propranolol 40 mg"}]}) == ("propranolol", False)


def test_a_code_of_a_table_is_judged_by_the_code_never_by_its_display() -> None:
    assert recognised(rxnorm("8787", display="metoprolol")) == ("propranolol", True)


def test_where_no_table_knows_the_code_the_words_are_still_tried() -> None:
    assert recognised(concept(RXNORM, "311671", display="Sumatriptan 50 MG Oral Tablet")) == ("sumatriptan", False)
    assert recognised(concept(RXNORM, "99999999", text="propranolol 40 mg")) == ("propranolol", False)


def test_a_code_known_to_be_something_else_ends_the_search() -> None:
    acetaminophen_and_aspirin = "687078"
    known = load_guideline().product(acetaminophen_and_aspirin)
    assert known
    assert known.drug == ""
    assert recognised(concept(RXNORM, acetaminophen_and_aspirin, text="aspirin 500 mg")) is None


def test_codes_that_disagree_name_nothing() -> None:
    both = {"coding": [*PROPRANOLOL["coding"], *SUMATRIPTAN["coding"]]}
    assert recognised(both) is None


def test_a_product_decides_over_an_ingredient() -> None:
    both = {"coding": [*SUMATRIPTAN["coding"], {"system": RXNORM, "code": SUMATRIPTAN_NAPROXEN_TABLET}]}
    assert recognised(both) == ("sumatriptan_naproxen", True)


def test_the_medication_of_a_reference_is_read_wherever_it_came_from() -> None:
    medication = resource("Medication", id="m1", code=PROPRANOLOL)
    reference: Json = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/m1"}}
    assert facts(medication, statement(**reference)).trials[0].drug == "propranolol"
    contained: Json = {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "#m1"},
        "contained": [medication],
    }
    assert facts(statement(**contained)).trials[0].coded
    display: Json = {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/gone", "display": "propranolol 40 mg"},
    }
    assert [trial.coded for trial in facts(statement(**display)).trials] == [False]


def shared(number: int, display: str | None) -> Json:
    """A statement that refers to a Medication that others refer to, in words of its own."""
    reference = {"reference": "Medication/m1", "display": display}
    return statement(id=f"s{number}", medicationCodeableConcept=None, medicationReference=reference)


@pytest.mark.parametrize(
    ("medication", "display", "drug"),
    [
        ({"code": PROPRANOLOL}, "sumatriptan", "propranolol"),  # a code decides
        ({"code": {"text": "propranolol"}}, "propranolol 40 mg", "propranolol"),
        ({"code": {"text": "propranolol"}}, "sumatriptan", None),  # words that disagree name nothing
        ({}, "sumatriptan 50 mg", "sumatriptan"),
        ({"ingredient": [{"itemCodeableConcept": PROPRANOLOL}]}, "sumatriptan", "propranolol"),
        ({"code": PROPRANOLOL}, None, "propranolol"),
        ({"code": PROPRANOLOL}, "propranolol eye drops", None),
    ],
)
def test_what_a_row_says_beside_its_reference_is_read_with_the_medication(
    medication: Json, display: str | None, drug: str | None
) -> None:
    read = facts(resource("Medication", id="m1", **medication), shared(1, display))
    assert [trial.drug for trial in read.trials] == ([drug] if drug else [])


def test_rows_that_share_a_medication_keep_their_own_words() -> None:
    texts = ("cetirizine", "phenelzine 15 mg", "moclobemide 150 mg")
    rows = [shared(number, text) | {"effectivePeriod": None} for number, text in enumerate(texts)]
    read = facts(resource("Medication", id="m1"), *(row | {"status": "active"} for row in rows))
    assert {(each.group, each.display) for each in read.co_medications} >= {
        ("maoi", "phenelzine 15 mg"),
        ("maoi", "moclobemide 150 mg"),
    }
    assert not any(each.display == "cetirizine" for each in read.co_medications)


def test_a_medication_of_more_ingredients_than_anything_has_is_disclosed() -> None:
    within = [{"itemCodeableConcept": PROPRANOLOL}] * 60
    both = [{"itemReference": {"reference": "Medication/m2"}}] * 2
    read = facts(
        resource("Medication", id="m1", ingredient=both),
        resource("Medication", id="m2", ingredient=within),
        shared(1, None),
    )
    assert [(row.id, row.why) for row in read.skipped] == [("s1", "ingredient: more than 100")]


def test_r5_names_the_medicine_in_one_element() -> None:
    by_concept = statement(medicationCodeableConcept=None, medication={"concept": PROPRANOLOL})
    by_reference = statement(medicationCodeableConcept=None, medication={"reference": {"reference": "Medication/m1"}})
    assert facts(by_concept).trials[0].drug == "propranolol"
    assert facts(by_reference, resource("Medication", id="m1", code=PROPRANOLOL)).trials[0].drug == "propranolol"


@pytest.mark.parametrize("route", [concept(SNOMED, "54485002"), concept(text="ophthalmic"), concept(text="Topical")])
def test_a_route_that_is_not_for_the_whole_body_makes_no_trial(route: Json) -> None:
    assert not facts(statement(dosage=[dose() | {"route": route}])).trials


def test_an_eye_drop_form_makes_no_trial() -> None:
    medication = resource("Medication", id="m1", code=rxnorm("10600"), form=concept(text="Eye drops"))
    row = statement(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"})
    assert not facts(medication, row).trials


SUMATRIPTAN_NAPROXEN_TABLET = "849450"

TOXIN: list[tuple[str, list[Json], int]] = [
    ("any toxin for migraine", [statement(ANY_TOXIN)], 1),
    ("any toxin for nothing said", [statement(ANY_TOXIN, reasonCode=None)], 0),
    ("any toxin for dystonia", [statement(ANY_TOXIN, reasonCode=[concept(ICD10CM, "G24.3")])], 0),
    (
        "any toxin with the migraine procedure",
        [statement(ANY_TOXIN, reasonCode=None), procedure(concept(CPT, "64615"), on="2025-02-01")],
        1,
    ),
    (
        "any toxin, the migraine procedure at another time",
        [statement(ANY_TOXIN, reasonCode=None), procedure(concept(CPT, "64615"), on="2020-02-01")],
        1,  # the procedure's own
    ),
    ("botox for nothing said", [statement(BOTOX, reasonCode=None)], 1),
    ("botulinum toxin in text", [statement(concept(text="Botulinum toxin type A"), reasonCode=None)], 0),
    ("botox in text", [statement(concept(text="Botox 200 units"), reasonCode=None)], 1),
]


@pytest.mark.parametrize(("rows", "count"), [case[1:] for case in TOXIN], ids=[case[0] for case in TOXIN])
def test_unspecific_botulinum_toxin_counts_only_for_migraine(rows: list[Json], count: int) -> None:
    assert len(facts(*rows).trials) == count


RIMEGEPANT_USES = [
    ("every two days", dose(75, frequency=1, period=2, periodUnit="d"), "preventive"),
    ("daily", dose(75, frequency=1, period=1, periodUnit="d"), "preventive"),
    (
        "QOD",
        {"timing": {"code": concept("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "QOD")}},
        "preventive",
    ),
    ("three days of the week", dose(75, dayOfWeek=["mon", "wed", "fri"]), "preventive"),
    ("two days of the week", dose(75, dayOfWeek=["mon", "fri"]), "acute"),
    ("as needed", as_needed(75), "acute"),
    (
        "as needed, at most daily",
        as_needed(75, timing={"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}),
        "acute",
    ),
    ("unstated", {}, "acute"),
]


@pytest.mark.parametrize(
    ("dosage", "use"), [case[1:] for case in RIMEGEPANT_USES], ids=[case[0] for case in RIMEGEPANT_USES]
)
def test_rimegepant_is_preventive_or_acute_by_its_dosing(dosage: Json, use: str) -> None:
    assert facts(statement(RIMEGEPANT, dosage=[dosage])).trials[0].use == use
    assert facts(request(RIMEGEPANT, dosageInstruction=[dosage])).trials[0].use == use


@pytest.mark.parametrize(("mg", "purpose"), [(75, "other"), (325, "other"), (326, "migraine"), (900, "migraine")])
def test_aspirin_up_to_325_mg_is_no_acute_treatment_whatever_its_reason(mg: float, purpose: str) -> None:
    (trial,) = facts(statement(rxnorm("1191"), dosage=[dose(mg)])).trials
    assert trial.indication == purpose


def test_aspirin_for_the_heart_is_no_course_of_the_aspirin_for_attacks() -> None:
    heart, attacks = (statement(rxnorm("1191"), "active", "2025-01-01", None, dosage=[dose(mg)]) for mg in (81, 900))
    found = facts(heart, attacks).trials
    assert sorted((trial.single_dose, trial.indication) for trial in found) == [(81, "other"), (900, "migraine")]


def test_an_indication_in_text_is_named_but_not_coded() -> None:
    (trial,) = facts(statement(reasonCode=[{"text": "Migraine prophylaxis"}])).trials
    assert (trial.indication, trial.indication_coded) == ("migraine", False)


@pytest.mark.parametrize(
    ("reasons", "indication"),
    [
        ([MIGRAINE], "migraine"),
        ([concept(ICD10CM, "R51.9")], "headache"),
        ([concept(SNOMED, "25064002")], "headache"),
        ([concept(ICD10CM, "I10")], "other"),
        ([concept(ICD10CM, "G44.009")], "other"),  # cluster headache
        ([concept(ICD10CM, "I10"), MIGRAINE], "migraine"),
        ([concept(ICD10CM, "I10", text="migraine")], "other"),
        ([{"text": "hypertension"}], "other"),
        ([{"text": "hypertension, not migraine"}], "other"),
        ([concept(ICD10CM, "G43.A0")], "other"),  # cyclical vomiting
        (None, "unstated"),
        ([{}], "unstated"),
    ],
)
def test_the_indication_is_what_the_row_names(reasons: list[Json] | None, indication: str) -> None:
    assert facts(statement(reasonCode=reasons)).trials[0].indication == indication


def test_the_indication_may_be_a_reference_to_a_condition() -> None:
    problem = {"resourceType": "Condition", "id": "c1", "code": MIGRAINE}
    reference = {"reference": "Condition/c1"}
    r4 = statement(reasonCode=None, reasonReference=[reference])
    r5 = statement(reasonCode=None, reason=[{"reference": reference}])
    assert facts(problem, r4).trials[0].indication == "migraine"
    assert facts(problem, r5).trials[0].indication == "migraine"
    assert facts(statement(reasonCode=None, reason=[{"concept": MIGRAINE}])).trials[0].indication == "migraine"
    assert facts(r4).trials[0].indication == "unstated"
