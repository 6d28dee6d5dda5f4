"""SAF-01: what is contraindicated for whom, how strongly, and when that cannot be said."""

from dataclasses import replace

import pytest

from prodrome.rules.engine import LimitError
from prodrome.rules.facts import Allergy, CoMedication, Condition, Facts, Indication, Patient, Reading, When
from tests.rules.patients import CHRONIC, MIGRAINE, ago, judged, on, order, patient, rules_of, running


def has(*names: str, onset: int | None = None) -> Condition:
    when = ago(onset) if onset is not None else None
    return Condition(frozenset(names), when, when, refs=(f"Condition/{names[0]}",))


def taken(group: str) -> CoMedication:
    return CoMedication(group, refs=("MedicationStatement/m",))


def level(
    drug: str, use: str = "preventive", *, facts: Facts | None = None, locale: str = "US", **more: object
) -> str | None:
    """The indicator of SAF-01 for an order of the drug; None where it is silent."""
    whole = replace(facts or patient(**more), orders=(order(drug, use),))  # type: ignore[arg-type]
    found = [f.indicator for f in judged(whole, "order-sign", locale=locale).findings if f.rule.id == "SAF-01"]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("drug", "condition", "expected"),
    [
        ("metoprolol", "asthma", "critical"),
        ("metoprolol", "copd", None),
        ("metoprolol", "raynaud", "warning"),
        ("metoprolol", "heart_failure", "warning"),
        ("propranolol", "pad", "warning"),
        ("metoprolol", "pad", None),
        ("amitriptyline", "heart_failure", "warning"),
        ("amitriptyline", "av_block_2_3", "warning"),
        ("amitriptyline", "glaucoma", "warning"),
        ("topiramate", "glaucoma", "warning"),
        ("venlafaxine", "uncontrolled_hypertension", "warning"),
        ("duloxetine", "liver_disease", "warning"),
        ("flunarizine", "heart_failure", "warning"),
        ("flunarizine", "av_block_2_3", "critical"),
        ("flunarizine", "pregnancy", "warning"),
        ("pizotifen", "urinary_retention", "warning"),
        ("metoprolol", "bradycardia_severe", "warning"),
        ("propranolol", "depression", None),
        ("flunarizine", "depression", "critical"),
        ("cinnarizine", "depression", "critical"),
        ("candesartan", "angioedema_history", "warning"),
        ("lisinopril", "angioedema_history", "critical"),
        ("amitriptyline", "angle_closure_glaucoma", "critical"),
        ("topiramate", "kidney_stones", "warning"),
        ("topiramate", "angle_closure_glaucoma", "critical"),
        ("topiramate", "lactation", "critical"),
        ("candesartan", "lactation", "warning"),
        ("valproate", "thrombocytopenia", "critical"),
        ("amitriptyline", "epilepsy", "warning"),
        ("amitriptyline", "long_qt", "warning"),
        ("erenumab", "cad_ihd", "warning"),
        ("erenumab", "stroke_tia", "warning"),
        ("erenumab", "inflammatory_bowel", "warning"),
        ("erenumab", "copd", "warning"),
        ("atogepant", "cad_ihd", None),
        ("atogepant", "liver_severe", "warning"),
        ("valproate", "liver_disease", "critical"),
        ("verapamil", "heart_failure", "warning"),
        ("onabotulinumtoxina", "myasthenia_gravis", "warning"),
        ("topiramate", "asthma", None),
    ],
)
def test_the_table_decides_how_strong(drug: str, condition: str, expected: str | None) -> None:
    assert level(drug, conditions=(MIGRAINE, has(condition))) == expected


@pytest.mark.parametrize(
    ("drug", "condition", "expected"),
    [
        ("sumatriptan", "cad_ihd", "critical"),
        ("sumatriptan", "hemiplegic_migraine", "critical"),
        ("sumatriptan", "liver_severe", "critical"),
        ("naratriptan", "esrd", "critical"),
        ("naratriptan", "ckd_severe", None),
        ("ergotamine", "hypertension", "critical"),
        ("ergotamine", "ckd", "critical"),
        ("dihydroergotamine", "hypertension", None),
        ("ubrogepant", "esrd", "warning"),
        ("zavegepant", "ckd_severe", "warning"),
        ("domperidone", "liver_disease", "warning"),
        ("domperidone", "liver_severe", "critical"),
        ("sumatriptan", "ckd_severe", None),
        ("ibuprofen", "gi_bleed_ulcer", "critical"),
        ("ibuprofen", "pregnancy", "warning"),
        ("metoclopramide", "epilepsy", "critical"),
        ("lasmiditan", "cad_ihd", None),
        ("lasmiditan", "pregnancy", "warning"),
        ("ibuprofen", "heart_failure", "warning"),
        ("ibuprofen", "cad_ihd", "warning"),
        ("ibuprofen", "uncontrolled_hypertension", "warning"),
        ("ibuprofen", "anticoagulant", None),
        ("aspirin", "cad_ihd", None),
        ("sumatriptan_naproxen", "heart_failure", "warning"),
        ("acetaminophen", "liver_disease", "warning"),
        ("acetaminophen", "esrd", "warning"),
        ("domperidone", "epilepsy", "critical"),
        ("domperidone", "arrhythmia", "warning"),
        ("prochlorperazine", "epilepsy", "warning"),
        ("rimegepant", "liver_disease", None),
        ("ubrogepant", "pregnancy", None),
    ],
)
def test_acute_drugs_too(drug: str, condition: str, expected: str | None) -> None:
    assert level(drug, "acute", conditions=(MIGRAINE, has(condition))) == expected


def test_for_any_indication_and_any_age() -> None:
    facts = patient(patient=Patient(on("2015")), conditions=(has("asthma"),))
    whole = replace(facts, orders=(order("propranolol", "preventive", indication=Indication.OTHER),))
    assert rules_of(whole, "order-sign") == {"SAF-01"}


def test_eye_drops_and_gels_are_left_alone() -> None:
    whole = patient(conditions=(MIGRAINE, has("asthma")), orders=(order("timolol", "preventive", systemic=False),))
    assert rules_of(whole, "order-sign") == set()


@pytest.mark.parametrize(("onset", "expected"), [(0, "critical"), (180, "critical"), (181, None), (None, None)])
def test_a_heart_attack_rules_out_amitriptyline_for_half_a_year(onset: int | None, expected: str | None) -> None:
    assert level("amitriptyline", conditions=(MIGRAINE, has("mi_recent", onset=onset))) == expected


def status(days: int, pregnant: bool) -> Reading:
    return Reading("pregnancy", ago(days), pregnant=pregnant, refs=(f"Observation/{days}",))


@pytest.mark.parametrize(
    ("conditions", "readings", "expected"),
    [
        ((), (status(10, True),), "critical"),
        ((), (status(10, False),), None),
        ((), (status(301, True),), None),
        ((), (status(20, True), status(10, False)), None),
        ((), (status(20, False), status(10, True)), "critical"),
        ((has("pregnancy", onset=300),), (), "critical"),
        ((has("pregnancy", onset=301),), (), None),
        ((has("pregnancy"),), (), "critical"),
        ((has("pregnancy", onset=30),), (status(10, False),), None),
        ((has("pregnancy", onset=10),), (status(30, False),), "critical"),
    ],
)
def test_pregnancy_is_what_is_newer(
    conditions: tuple[Condition, ...], readings: tuple[Reading, ...], expected: str | None
) -> None:
    assert level("topiramate", conditions=(MIGRAINE, *conditions), readings=readings) == expected


def test_a_pregnancy_is_over_by_its_onset_whenever_it_was_recorded() -> None:
    def began(onset: When, recorded: When | None = None) -> str | None:
        told = Condition(frozenset({"pregnancy"}), onset, recorded, refs=("Condition/p",))
        return level("topiramate", conditions=(MIGRAINE, told))

    assert began(ago(301), ago(2)) is None
    assert began(ago(300), ago(299)) == "critical"
    assert began(ago(4000)) is None
    assert began(on("2025-08")) == "critical", "some days of that month are not too long ago"


@pytest.mark.parametrize(
    ("drug", "locale", "age", "sex", "record", "expected"),
    [
        ("valproate", "US", 30, "female", None, "warning"),
        ("valproate", "US", 12, "female", None, "warning"),
        ("valproate", "US", 11, "female", None, None),
        ("valproate", "US", 55, "female", None, "warning"),
        ("valproate", "US", 56, "female", None, None),
        ("valproate", "US", 30, "male", None, None),
        ("valproate", "US", 30, None, None, None),
        ("valproate", "US", 30, "female", "contraception_highly_effective", None),
        ("valproate", "US", 50, "female", "childbearing_excluded_menopause", None),
        ("valproate", "US", 40, "female", "childbearing_excluded_hysterectomy", None),
        ("valproate", "US", 40, "female", "childbearing_excluded_sterilisation", None),
        ("valproate", "UK", 30, "male", None, "warning"),
        ("valproate", "UK", 54, "male", None, "warning"),
        ("valproate", "UK", 55, "male", None, None),
        ("valproate", "EU", 30, "male", None, None),
        ("valproate", "UK", 40, "female", "childbearing_excluded_hysterectomy", "warning"),
        ("topiramate", "US", 30, "female", None, None),
        ("topiramate", "UK", 30, "female", None, "warning"),
        ("topiramate", "UK", 30, "female", "contraception_highly_effective", None),
        ("topiramate", "UK", 30, "male", None, None),
        ("topiramate", "UK", 56, "female", None, None),
        ("amitriptyline", "UK", 30, "female", None, None),
    ],
)
def test_childbearing_potential_and_valproate_in_the_young(
    drug: str, locale: str, age: int, sex: str | None, record: str | None, expected: str | None
) -> None:
    born = Patient(on(f"{2026 - age}-06-15"), sex, ("Patient/p",))
    conditions = (MIGRAINE, has(record)) if record else (MIGRAINE,)
    assert level(drug, locale=locale, patient=born, conditions=conditions) == expected


@pytest.mark.parametrize(("onset", "expected"), [(365, "critical"), (366, None), (None, "critical"), (0, "critical")])
def test_a_hypertensive_crisis_counts_for_a_year(onset: int | None, expected: str | None) -> None:
    crisis = has("uncontrolled_hypertension", onset=onset)
    assert level("sumatriptan", "acute", conditions=(MIGRAINE, crisis)) == expected


def test_a_condition_without_an_id_is_still_a_condition() -> None:
    assert level("metoprolol", conditions=(MIGRAINE, Condition(frozenset({"asthma"})))) == "critical"


def test_late_pregnancy_rules_out_nsaids() -> None:
    early = has("pregnancy", onset=60)
    late = has("pregnancy", "pregnancy_20_weeks", onset=10)
    assert level("naproxen", "acute", conditions=(MIGRAINE, early)) == "warning"
    assert level("naproxen", "acute", conditions=(MIGRAINE, late)) == "critical"


@pytest.mark.parametrize(("dose", "expected"), [(75, None), (81, None), (82, "critical"), (None, "critical")])
def test_a_small_dose_of_aspirin_in_pregnancy_is_left_alone(dose: float | None, expected: str | None) -> None:
    late = patient(conditions=(MIGRAINE, has("pregnancy", "pregnancy_20_weeks", onset=10)))
    whole = replace(late, orders=(order("aspirin", "acute", single_dose=dose),))
    found = [one.indicator for one in judged(whole, "order-sign").findings if one.rule.id == "SAF-01"]
    assert found == ([expected] if expected else [])


def pressure(days: int, systolic: float | None, diastolic: float | None = None) -> Reading:
    return Reading("blood_pressure", ago(days), systolic, diastolic, refs=(f"Observation/bp-{days}",))


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((pressure(1, 160, 90), pressure(2, 165, 95)), "critical"),
        ((pressure(1, 150, 100), pressure(2, 160, 90)), "critical"),
        ((pressure(1, 159, 99), pressure(2, 180, 110)), None),
        ((pressure(1, 180, 110),), None),
        ((pressure(1, 180, 110), pressure(2, 150, 90), pressure(3, 180, 110)), None),
        ((pressure(1, 180, 110), pressure(366, 180, 110)), None),
    ],
)
def test_uncontrolled_hypertension_is_two_days_of_high_readings(
    readings: tuple[Reading, ...], expected: str | None
) -> None:
    assert level("sumatriptan", "acute", readings=readings) == expected


def test_bradycardia_is_severe_by_the_heart_rate() -> None:
    slow = (MIGRAINE, has("bradycardia_severe"))
    rate = Reading("heart_rate", ago(10), rate=49, refs=("Observation/hr",))
    assert level("metoprolol", conditions=slow, readings=(rate,)) == "critical"
    assert level("metoprolol", conditions=slow, readings=(replace(rate, rate=50),)) == "warning"
    assert level("metoprolol", conditions=slow, readings=(replace(rate, when=ago(366)),)) == "warning"
    assert level("metoprolol", readings=(rate,)) is None


@pytest.mark.parametrize(
    ("drug", "use", "group"),
    [
        ("amitriptyline", "preventive", "maoi"),
        ("rizatriptan", "acute", "mao_a_inhibitor"),
        ("eletriptan", "acute", "strong_cyp3a4_inhibitor"),
        ("ubrogepant", "acute", "strong_cyp3a4_inhibitor"),
        ("ergotamine", "acute", "ergot_cyp3a4_inhibitor"),
    ],
)
def test_interactions_with_what_is_taken_now(drug: str, use: str, group: str) -> None:
    assert level(drug, use, co_medications=(taken(group),)) == "critical"
    assert level(drug, use) is None


@pytest.mark.parametrize(
    ("drug", "use", "group"),
    [
        ("amitriptyline", "preventive", "ssri"),
        ("rimegepant", "preventive", "strong_cyp3a4_inhibitor"),
        ("rimegepant", "acute", "strong_cyp3a4_inducer"),
        ("rimegepant", "acute", "moderate_cyp3a4_inducer"),
        ("ubrogepant", "acute", "strong_cyp3a4_inducer"),
        ("zavegepant", "acute", "oatp1b3_inhibitor"),
        ("lasmiditan", "acute", "p_gp_bcrp_substrate"),
    ],
)
def test_what_a_label_advises_against_is_a_warning(drug: str, use: str, group: str) -> None:
    assert level(drug, use, co_medications=(taken(group),)) == "warning"


@pytest.mark.parametrize(
    ("drug", "group"),
    [
        ("ubrogepant", "moderate_cyp3a4_inducer"),
        ("ubrogepant", "moderate_cyp3a4_inhibitor"),
        ("rimegepant", "p_gp_inhibitor"),
        ("sumatriptan", "strong_cyp3a4_inducer"),
    ],
)
def test_what_only_changes_a_dose_does_not_speak_against_a_drug(drug: str, group: str) -> None:
    assert level(drug, "acute", co_medications=(taken(group),)) is None


@pytest.mark.parametrize(
    ("chronic", "more", "expected"),
    [
        (True, {"co_medications": ("strong_cyp3a4_inducer",)}, "warning"),
        (True, {"co_medications": ("moderate_cyp3a4_inducer",)}, "warning"),
        (False, {"co_medications": ("strong_cyp3a4_inducer",)}, None),
        (True, {"trials": ("topiramate",)}, "warning"),
        (False, {"trials": ("topiramate",)}, None),
        (True, {"trials": ("propranolol",)}, None),
        (True, {"conditions": ("ckd_severe",)}, "warning"),
        (False, {"conditions": ("ckd_severe",)}, None),
        (True, {}, None),
    ],
)
def test_atogepant_in_chronic_migraine_goes_with_no_inducer_and_no_weak_kidneys(
    chronic: bool, more: dict[str, tuple[str, ...]], expected: str | None
) -> None:
    facts = patient(
        conditions=(CHRONIC if chronic else MIGRAINE, *map(has, more.get("conditions", ()))),
        trials=tuple(map(running, more.get("trials", ()))),
        co_medications=tuple(map(taken, more.get("co_medications", ()))),
    )
    assert level("atogepant", facts=facts) == expected


def test_only_an_order_for_migraine_is_warned_of_what_the_drug_is_also_given_for() -> None:
    failing = (MIGRAINE, has("heart_failure", "other_use.beta_blockers"))
    assert level("metoprolol", conditions=failing) == "warning"
    for indication in (Indication.OTHER, Indication.UNSTATED):
        whole = replace(patient(conditions=failing), orders=(order("metoprolol", "preventive", indication=indication),))
        assert "SAF-01" not in rules_of(whole, "order-sign")


@pytest.mark.parametrize(("locale", "expected"), [("US", None), ("UK", "warning"), ("EU", "warning")])
def test_liver_disease_speaks_against_rimegepant_where_the_european_table_counts(
    locale: str, expected: str | None
) -> None:
    facts = patient(conditions=(MIGRAINE, has("liver_disease")))
    assert level("rimegepant", facts=facts, locale=locale) == expected


@pytest.mark.parametrize(
    ("age", "cautions"), [(64, set()), (65, {"older_age"}), (90, {"older_age"})], ids=["64", "65", "90"]
)
def test_tricyclics_are_named_as_to_be_avoided_from_65(age: int, cautions: set[str]) -> None:
    facts = patient(patient=Patient(on(f"{2026 - age}-06-15"), None, ("Patient/p",)))
    assert set(judged(facts).active) == cautions
    assert level("amitriptyline", facts=facts) is None, "a caution is named in details only"


@pytest.mark.parametrize(
    ("allergy", "kind", "ordered", "expected"),
    [
        ("sumatriptan", "allergy", "sumatriptan", "critical"),
        ("sumatriptan", "intolerance", "sumatriptan", "warning"),
        ("sumatriptan", None, "sumatriptan", "warning"),
        ("sumatriptan", "allergy", "rizatriptan", None),
        ("sumatriptan", "allergy", "sumatriptan_naproxen", "critical"),
        ("naproxen", "intolerance", "sumatriptan_naproxen", "warning"),
        ("aspirin", "allergy", "ibuprofen", "critical"),
        ("aspirin", "intolerance", "ibuprofen", "warning"),
        ("acetaminophen", "allergy", "ibuprofen", None),
        ("acetaminophen", "allergy", "asa_apap_caffeine", "critical"),
        ("acetaminophen", "intolerance", "asa_apap_caffeine", "warning"),
        ("aspirin", "allergy", "asa_apap_caffeine", "critical"),
        ("sumatriptan", "allergy", "asa_apap_caffeine", None),
        ("nsaid", "allergy", "ibuprofen", "critical"),
        ("nsaid", "intolerance", "ibuprofen", "warning"),
        ("nsaid", "allergy", "sumatriptan", None),
    ],
)
def test_allergies(allergy: str, kind: str | None, ordered: str, expected: str | None) -> None:
    allergies = (Allergy(allergy, kind, True, ("AllergyIntolerance/a",)),)
    assert level(ordered, "acute", allergies=allergies) == expected


@pytest.mark.parametrize(
    ("ordered", "expected"),
    [
        (("oxycodone", "acetaminophen"), "critical"),  # the product itself
        (("oxycodone",), "warning"),
        (("acetaminophen",), "warning"),
        (("hydrocodone", "acetaminophen"), "warning"),
        (("hydrocodone",), None),
    ],
)
def test_an_allergy_to_a_product_is_absolute_for_it_and_relative_for_what_it_holds(
    ordered: tuple[str, ...], expected: str | None
) -> None:
    product = ("oxycodone", "acetaminophen")
    allergies = tuple(Allergy(drug, "allergy", False, ("AllergyIntolerance/a",), product) for drug in product)
    draft = order(ordered[0], "acute", parts=ordered[1:], listed=len(ordered) == 1)
    found = judged(patient(allergies=allergies, orders=(draft,)), "order-sign").findings
    assert [one.indicator for one in found if one.rule.id == "SAF-01"] == ([expected] if expected else [])


def test_an_allergy_to_a_product_with_an_nsaid_is_relative_for_others_and_no_failed_drug() -> None:
    allergies = (
        Allergy("sumatriptan_naproxen", "allergy", refs=("AllergyIntolerance/a",)),
        Allergy("naproxen", "allergy", refs=("AllergyIntolerance/a",), within=("sumatriptan_naproxen",)),
        Allergy("sumatriptan", "allergy", refs=("AllergyIntolerance/a",), within=("sumatriptan_naproxen",)),
    )
    assert level("ibuprofen", "acute", allergies=allergies) == "warning"
    assert level("sumatriptan", "acute", allergies=allergies) == "warning"
    assert level("sumatriptan_naproxen", "acute", allergies=allergies) == "critical"
    assert [fact.fields["drug"] for fact in judged(patient(allergies=allergies)).of_type("allergy")] == ["sumatriptan"]


def test_several_reasons_make_one_card_as_loud_as_the_worst() -> None:
    conditions = (MIGRAINE, has("asthma"), has("bradycardia_severe"))
    assert level("metoprolol", conditions=conditions) == "critical"


def test_silence_needs_a_complete_problem_list() -> None:
    facts = replace(patient(missing=["Condition"]), orders=(order("metoprolol", "preventive"),))
    unjudged = {u.rule.id: (u.order, u.missing, u.reportable) for u in judged(facts, "order-sign").unjudged}
    assert unjudged["SAF-01"] == ("order-0", ("Condition",), True)
    nothing_listed = replace(facts, orders=(order("gabapentin", "preventive"),))
    assert "SAF-01" not in {u.rule.id for u in judged(nothing_listed, "order-sign").unjudged}
    found = replace(facts, conditions=(has("asthma"),))
    assert rules_of(found, "order-sign") == {"SAF-01"}
    assert "SAF-01" not in {u.rule.id for u in judged(found, "order-sign").unjudged}


def test_two_allergies_to_the_ordered_drug_are_one_reason_with_both_records() -> None:
    allergies = tuple(Allergy("metoprolol", "allergy", refs=(f"AllergyIntolerance/{number}",)) for number in (1, 2))
    judgement = judged(patient(allergies=allergies, orders=(order("metoprolol", "preventive"),)), "order-sign")
    (reason,) = judgement.of_type("order_contraindication")
    assert reason.refs == ("AllergyIntolerance/1", "AllergyIntolerance/2")


def test_fifty_orders_are_judged_and_more_are_refused() -> None:
    orders = [order("metoprolol", "preventive")] * 50
    assert judged(patient(orders=orders), "order-sign").of_type("order")
    with pytest.raises(LimitError, match="orders"):
        judged(patient(orders=[*orders, *orders]), "order-sign")
