"""The guideline's data hangs together, says what the rules were written for, and refuses mistakes with a clear word."""

import codecs
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prodrome.rules.guideline.guideline import GUIDELINE_FOLDER, Guideline, load_guideline
from prodrome.rules.guideline.types import GuidelineError

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"
NDC = "http://hl7.org/fhir/sid/ndc"
YAML_FILES = ("sources", "parameters", "codes", "contraindications", "drugs")


@pytest.fixture(scope="module")
def guideline() -> Guideline:
    return load_guideline()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the guideline to spoil."""
    return Path(shutil.copytree(GUIDELINE_FOLDER, tmp_path / "copy"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# --- Drugs ----------------------------------------------------------------------------------------------------------


def test_every_drug_has_one_entry(guideline: Guideline) -> None:
    drugs = guideline.drugs.values()
    assert len(drugs) == 77
    assert sum(drug.preventive is not None for drug in drugs) == 35
    assert sum(drug.acute is not None for drug in drugs) == 38
    assert [drug.id for drug in drugs if drug.preventive and drug.acute] == ["rimegepant"]
    assert sum(drug.procedural for drug in drugs) == 5


@pytest.mark.parametrize(
    ("drug", "ehf_class", "drug_class", "counts", "minimum", "target", "maximum", "days"),
    [
        ("propranolol", "E3", "beta_blockers", True, 80, 160, 240, 56),
        ("metoprolol", "E3", "beta_blockers", True, 100, 200, 200, 56),
        ("nebivolol", "E3", "beta_blockers", False, 5, 5, 5, 56),
        ("lisinopril", "E6", "ace_inhibitors", True, 20, 20, 20, 56),
        ("candesartan", "E6", "arb", True, 16, 16, 32, 56),
        ("losartan", "E6", "arb", False, None, None, None, 56),
        ("amitriptyline", "E1", "antidepressants", True, 25, 50, 150, 56),
        ("venlafaxine", "E1", "antidepressants", True, 75, 150, 150, 56),
        ("duloxetine", "E1", "antidepressants", False, 60, 60, 120, 56),
        ("topiramate", "E2", "antiseizure", True, 50, 100, 200, 56),
        ("valproate", "E2", "antiseizure", True, 500, 1000, 1500, 56),
        ("gabapentin", "E2", "antiseizure", False, None, None, None, 56),
        ("flunarizine", "E4", "calcium_channel_blockers", True, 5, 10, 10, 56),
        ("cinnarizine", "E4", "calcium_channel_blockers", True, None, None, None, 56),
        ("verapamil", "E4", "calcium_channel_blockers", False, 240, 240, 480, 56),
        ("erenumab", "E5", "cgrp_mab", True, 70, 140, 140, 84),
        ("galcanezumab", "E5", "cgrp_mab", True, 120, 120, 240, 84),
        ("eptinezumab", "E5", "cgrp_mab", True, 100, 100, 300, 168),
        ("atogepant", "E5", "gepants_preventive", True, 10, 60, 60, 84),
        ("rimegepant", "E5", "gepants_preventive", True, 37.5, 37.5, 37.5, 84),
        ("onabotulinumtoxina", "E7", "botulinum_toxin", True, 155, 155, 195, 168),
        ("pizotifen", "E8", "other", False, 1.5, 1.5, 4.5, 56),
    ],
)
def test_a_preventive_has_its_class_dose_and_trial_length(
    guideline: Guideline,
    drug: str,
    ehf_class: str,
    drug_class: str,
    counts: bool,
    minimum: float | None,
    target: float | None,
    maximum: float | None,
    days: int,
) -> None:
    use = guideline.drugs[drug].preventive
    assert use is not None
    assert (use.ehf_class, use.drug_class, use.counts) == (ehf_class, drug_class, counts)
    assert (use.min_adequate, use.target, use.maximum, use.min_days) == (minimum, target, maximum, days)


@pytest.mark.parametrize(
    ("drug", "administrations", "interval"),
    [
        ("erenumab", 3, 28),
        ("fremanezumab", 3, 28),
        ("galcanezumab", 3, 28),
        ("eptinezumab", 2, 84),
        ("onabotulinumtoxina", 2, 84),
        ("propranolol", 0, None),
        ("atogepant", 0, None),
    ],
)
def test_injected_preventives_count_administrations(
    guideline: Guideline, drug: str, administrations: int, interval: int | None
) -> None:
    use = guideline.drugs[drug].preventive
    assert use is not None
    assert (use.min_administrations, use.interval_days) == (administrations, interval)
    assert use.per == ("administration" if administrations else "day")


def test_special_trial_rules(guideline: Guideline) -> None:
    fremanezumab = guideline.drugs["fremanezumab"].preventive
    atogepant = guideline.drugs["atogepant"].preventive
    botulinum_toxin = guideline.drugs["onabotulinumtoxina"].preventive
    assert fremanezumab is not None
    assert atogepant is not None
    assert botulinum_toxin is not None
    quarterly = (
        fremanezumab.quarterly_amount,
        fremanezumab.quarterly_min_days,
        fremanezumab.quarterly_min_administrations,
    )
    assert quarterly == (675, 168, 2)
    assert atogepant.min_adequate_chronic == 60
    assert botulinum_toxin.unit == "units"


def test_which_drugs_count_for_each_class(guideline: Guideline) -> None:
    members = {id_: {drug.id for drug in drugs} for id_, drugs in guideline.counting_members.items()}
    assert members == {
        "E1": {"amitriptyline", "nortriptyline", "venlafaxine"},
        "E2": {"topiramate", "valproate"},
        "E3": {"propranolol", "metoprolol", "timolol", "atenolol", "nadolol", "bisoprolol"},
        "E4": {"flunarizine", "cinnarizine"},
        "E5": {"erenumab", "fremanezumab", "galcanezumab", "eptinezumab", "atogepant", "rimegepant"},
        "E6": {"lisinopril", "candesartan", "telmisartan"},
        "E7": {"onabotulinumtoxina"},
        "E8": set(),
    }


def test_which_classes_refractory_migraine_requires(guideline: Guideline) -> None:
    assert [id_ for id_, ehf in guideline.classes.items() if not ehf.required] == ["E8"]
    assert {id_ for id_, ehf in guideline.classes.items() if ehf.only_if == "chronic_migraine"} == {"E7"}
    assert guideline.unavailable_classes("US") == {"E4"}
    assert guideline.unavailable_classes("EU") == guideline.unavailable_classes("XX") == set()


@pytest.mark.parametrize(
    ("drug", "route", "min_full"),
    [
        ("sumatriptan", "oral", 50),
        ("sumatriptan", "subcutaneous", 3),
        ("sumatriptan", "nasal", 10),
        ("rizatriptan", "oral", 10),
        ("zolmitriptan", "oral", 2.5),
        ("zolmitriptan", "nasal", 2.5),
        ("naratriptan", "oral", 2.5),
        ("almotriptan", "oral", 12.5),
        ("eletriptan", "oral", 20),
        ("frovatriptan", "oral", 2.5),
        ("lasmiditan", "oral", 50),
        ("ubrogepant", "oral", 50),
        ("rimegepant", "oral", 75),
        ("zavegepant", "nasal", 10),
        ("ergotamine", "oral", 1),
        ("dihydroergotamine", "subcutaneous", None),
        ("prochlorperazine", "intravenous", None),
        ("acetaminophen", "oral", 1000),
        ("aspirin", "oral", 900),
        ("ibuprofen", "oral", 400),
        ("naproxen", "oral", 500),
        ("diclofenac", "oral", 50),
        ("celecoxib", "oral", 120),
        ("indomethacin", "oral", 50),
        ("ketorolac", "intramuscular", 30),
        ("ketorolac", "intravenous", 30),
    ],
)
def test_the_lowest_full_dose_of_an_acute_drug_by_route(
    guideline: Guideline, drug: str, route: str, min_full: float | None
) -> None:
    use = guideline.drugs[drug].acute
    assert use is not None
    dose = use.dose(route)
    assert dose is not None
    assert dose.min_full == min_full


def test_a_route_without_doses_has_none(guideline: Guideline) -> None:
    for drug, route in (("rizatriptan", "nasal"), ("ketorolac", "oral"), ("sumatriptan_naproxen", "oral")):
        use = guideline.drugs[drug].acute
        assert use is not None
        assert use.dose(route) is None


@pytest.mark.parametrize(
    ("drug", "exceptions"),
    [
        ("sumatriptan", {"hepatic_impairment": 50}),
        ("rizatriptan", {"propranolol": 5}),
        ("zolmitriptan", {"hepatic_impairment": 1.25}),
        ("naratriptan", {}),
        ("almotriptan", {"hepatic_or_renal_impairment": 6.25, "strong_cyp3a4_inhibitor": 6.25}),
        ("eletriptan", {"hepatic_or_renal_impairment": 20}),
        ("ubrogepant", {}),
    ],
)
def test_dose_exceptions(guideline: Guideline, drug: str, exceptions: dict[str, float]) -> None:
    use = guideline.drugs[drug].acute
    assert use is not None
    assert {exception.when: exception.min_full for exception in use.exceptions} == exceptions


def test_exceptions_that_are_not_evaluated_are_said(guideline: Guideline) -> None:
    said = {d.id for d in guideline.drugs.values() if d.acute and d.acute.not_evaluated}
    assert said == {"rizatriptan", "zolmitriptan", "naratriptan", "ubrogepant"}


def test_opioids_and_butalbital_are_never_suggested(guideline: Guideline) -> None:
    silent = {d.id for d in guideline.drugs.values() if d.acute and not d.acute.suggest}
    opioids = {"codeine", "tramadol", "oxycodone", "hydrocodone", "hydromorphone", "butorphanol"}
    assert silent == {*opioids, "butalbital"}
    assert {drug.id for drug in guideline.acute_members["opioid"]} == opioids


def test_overuse_classes(guideline: Guideline) -> None:
    classes = {d.id: d.acute.overuse_class for d in guideline.drugs.values() if d.acute}
    assert classes["sumatriptan_naproxen"] == "triptan"
    assert classes["dihydroergotamine"] == classes["ergotamine"] == "ergot"
    assert classes["asa_apap_caffeine"] == classes["butalbital"] == "combination-analgesic"
    assert classes["acetaminophen"] == classes["ibuprofen"] == "simple-analgesic"
    assert classes["tramadol"] == "opioid"
    assert classes["lasmiditan"] is classes["ubrogepant"] is classes["metoclopramide"] is None


def test_acute_only_drugs_never_enter_a_preventive_class(guideline: Guideline) -> None:
    for drug in ("ubrogepant", "zavegepant", "lasmiditan"):
        assert guideline.drugs[drug].preventive is None


def test_which_drugs_are_used_for_migraine_only(guideline: Guideline) -> None:
    only = {drug.id for drug in guideline.drugs.values() if drug.only_for_migraine}
    triptans = {drug.id for drug in guideline.acute_members["triptan"]}
    assert len(triptans) == 9
    assert only == triptans | {
        "erenumab",
        "fremanezumab",
        "galcanezumab",
        "eptinezumab",
        "atogepant",
        "rimegepant",
        "ubrogepant",
        "zavegepant",
        "lasmiditan",
        "dihydroergotamine",
        "ergotamine",
    }


def test_drugs_that_are_not_sold_in_the_united_states(guideline: Guideline) -> None:
    absent = {drug.id for drug in guideline.drugs.values() if "US" in drug.unavailable_in}
    assert absent == {"flunarizine", "cinnarizine", "pizotifen", "domperidone"}


def test_a_triptan_with_an_nsaid_is_a_trial_of_the_triptan(guideline: Guideline) -> None:
    assert {d.id: d.counts_as for d in guideline.drugs.values() if d.counts_as} == {
        "sumatriptan_naproxen": "sumatriptan",
        "rizatriptan_meloxicam": "rizatriptan",
    }


@pytest.mark.parametrize(
    ("system", "code", "parts"),
    [
        (RXNORM, "197885", ("lisinopril",)),
        (RXNORM, "857002", ("acetaminophen", "hydrocodone")),
        (RXNORM, "8787", ()),
        (SNOMED, "42009411000001103", ("acetaminophen", "codeine")),
    ],
)
def test_the_table_of_combinations_says_what_they_hold(
    guideline: Guideline, system: str, code: str, parts: tuple[str, ...]
) -> None:
    assert guideline.combined(code, system) == parts


@pytest.mark.parametrize(("system", "table"), [(RXNORM, "combinations.csv"), (SNOMED, "combinations_snomed.csv")])
def test_a_combination_of_that_table_is_no_drug_but_butalbital(guideline: Guideline, system: str, table: str) -> None:
    lines = (GUIDELINE_FOLDER / table).read_text(encoding="utf-8").splitlines()
    codes = [code for line in lines if not line.startswith("#") for code in line.partition(",")[2].split()][1:]
    assert len(codes) > 500
    for code in codes:
        product = guideline.product(code, system)
        assert product is not None
        assert product.systemic
        assert product.drug in ("", "butalbital")


def test_every_preventive_has_a_side_effect_profile_but_the_other_ones(guideline: Guideline) -> None:
    without = {d.id for d in guideline.drugs.values() if d.preventive and d.preventive.side_effects is None}
    assert without == {"gabapentin", "memantine", "clonidine"}
    judged = {
        d.preventive.side_effects.judge_weeks
        for d in guideline.counting_members["E5"]
        if d.preventive and d.preventive.side_effects
    }
    assert judged == {12}


def test_profiles_say_what_each_drug_does_not_what_its_class_does(guideline: Guideline) -> None:
    def common(drug: str) -> tuple[str, ...]:
        use = guideline.drugs[drug].preventive
        assert use is not None
        assert use.side_effects is not None
        return use.side_effects.common

    assert "constipation" in common("erenumab")
    assert "constipation" not in common("fremanezumab")
    assert "reaction where injected" not in common("eptinezumab")
    assert common("verapamil") == ("constipation",)
    assert "constipation" not in common("flunarizine")


def test_every_counting_drug_and_every_acute_dose_has_a_source(guideline: Guideline) -> None:
    for drug in guideline.drugs.values():
        if drug.preventive and drug.preventive.min_adequate and drug.preventive.counts:
            assert drug.preventive.sources, drug.id
        if drug.acute and drug.acute.doses:
            assert drug.acute.sources, drug.id


# --- Codes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drug", "code"),
    [
        ("propranolol", "8787"),
        ("valproate", "266856"),
        ("flunarizine", "4459"),
        ("cinnarizine", "2549"),
        ("domperidone", "3626"),
        ("zavegepant", "2637955"),
        ("bupivacaine", "1815"),
        ("butalbital", "19860"),
        ("sumatriptan_naproxen", "797426"),
        ("asa_apap_caffeine", "466584"),
        ("onabotulinumtoxina", "860189"),
        ("onabotulinumtoxina", "1712"),
        ("rimegepant", "2282307"),
    ],
)
def test_ingredient_codes(guideline: Guideline, drug: str, code: str) -> None:
    assert guideline.drug_of(RXNORM, code) == drug
    assert guideline.drug_of("urn:oid:2.16.840.1.113883.6.88", code) == drug


def test_every_ingredient_code_is_the_same_drug_in_the_product_table(guideline: Guideline) -> None:
    for drug in guideline.drugs.values():
        assert drug.codes["rxnorm"]
        for code in drug.codes["rxnorm"]:
            product = guideline.product(code)
            assert product is not None, code
            assert product.drug == drug.id


def test_lasmiditan_is_no_triptan_though_its_atc_code_says_so(guideline: Guideline) -> None:
    assert guideline.drug_of(ATC, "N02CC08") == "lasmiditan"
    lasmiditan = guideline.drugs["lasmiditan"].acute
    assert lasmiditan is not None
    assert lasmiditan.drug_class == "ditan"


def test_an_unknown_code_is_no_drug(guideline: Guideline) -> None:
    assert guideline.drug_of(RXNORM, "311671") is None  # metolazone, sold as sumatriptan by public demo data
    assert guideline.product("311671") is None
    assert guideline.drug_of("http://example.org", "8787") is None


@pytest.mark.parametrize(
    ("system", "code", "member"),
    [
        (ICD10CM, "G43.009", True),
        (ICD10CM, "G43", True),
        (ICD10CM, "G43909", True),
        (ICD10CM, "g43.719", True),
        (ICD10CM, "G43.E09", True),
        (ICD10CM, "G43.A0", False),
        (ICD10CM, "G43.B1", False),
        (ICD10CM, "G43.C0", False),
        (ICD10CM, "G43.D1", False),
        (ICD10CM, "G44.1", False),
        (ICD10, "G43.3", True),
        (SNOMED, "37796009", True),
        ("urn:oid:2.16.840.1.113883.6.96", "37796009", True),
        ("urn:oid:2.16.840.1.113883.6.90", "G43.009", True),
        (SNOMED, "75879005", False),
        (SNOMED, "49605003", False),
        (SNOMED, "230465000", False),
        (SNOMED, "145611000119107", False),
        (SNOMED, "161481007", False),
        (SNOMED, "38823002", False),
        (SNOMED, "3779600", False),
        (SNOMED, "G43.009", False),
        ("http://example.org", "G43.009", False),
    ],
)
def test_what_is_migraine(guideline: Guideline, system: str, code: str, member: bool) -> None:
    assert guideline.code_sets["migraine"].contains(system, code) is member
    assert ("migraine" in guideline.sets_of(system, code)) is member


@pytest.mark.parametrize(
    ("system", "code", "names"),
    [
        (ICD10CM, "G43.709", {"migraine", "chronic_migraine"}),
        (ICD10CM, "G43.419", {"migraine", "hemiplegic_migraine"}),
        (ICD10CM, "R51.9", {"headache"}),
        (SNOMED, "25064002", {"headache"}),
        (ICD10CM, "G44.209", set()),
        (ICD10CM, "G44.41", {"migraine_overuse"}),
        (ICD10CM, "J45.20", {"asthma"}),
        (ICD10CM, "I44.0", set()),
        (ICD10CM, "I44.2", {"av_block_2_3"}),
        (SNOMED, "233917008", set()),
        (
            ICD10CM,
            "I10",
            {
                "hypertension",
                "other_use.beta_blockers",
                "other_use.ace_inhibitors_arb",
                "other_use.calcium_channel_blockers",
            },
        ),
        (
            ICD10CM,
            "I16.9",
            {"hypertension", "uncontrolled_hypertension", "other_use.beta_blockers", "other_use.ace_inhibitors_arb"},
        ),
        (ICD10CM, "G45.4", set()),
        (ICD10, "I64", {"stroke_tia"}),
        (ICD10CM, "Z3A.19", {"pregnancy"}),
        (ICD10CM, "Z3A.20", {"pregnancy", "pregnancy_20_weeks"}),
        (ICD10CM, "Z3A.49", {"pregnancy", "pregnancy_20_weeks"}),
        (ICD10CM, "O14.93", {"pregnancy"}),
        (ICD10CM, "O14.95", set()),
        (SNOMED, "77386006", {"pregnancy", "reading.pregnant", "stop_reason.other"}),
        (ATC, "N06AG02", {"maoi", "mao_a_inhibitor"}),
        (SNOMED, "183521007", {"neurology_referral"}),
        (SNOMED, "306265007", {"pain_management_referral"}),
        (SNOMED, "11429006", {"consultation", "ambulatory_class"}),
        ("http://nucc.org/provider-taxonomy", "2084N0400X", {"neurology"}),
        ("http://nucc.org/provider-taxonomy", "2084H0002X", {"other_specialty"}),
        ("http://www.ama-assn.org/go/cpt", "64615", {"chemodenervation"}),
        (RXNORM, "1712", {"generic_botulinum_toxin"}),
        (RXNORM, "860189", set()),
    ],
)
def test_which_sets_a_code_is_in(guideline: Guideline, system: str, code: str, names: set[str]) -> None:
    assert guideline.sets_of(system, code) == names


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("395007004", "inefficacy"),
        ("182841002", "inefficacy"),
        ("395009001", "intolerance"),
        ("407564000", "intolerance"),
        ("182897004", "other"),
        ("315062004", "contraindicated"),
        ("182846007", "succeeded"),
        ("408355008", "succeeded"),
        ("182834008", "unknown"),
        ("395006008", "other"),
        ("275927006", "nonadherence"),
    ],
)
def test_each_stop_reason_has_one_meaning(guideline: Guideline, code: str, reason: str) -> None:
    assert guideline.sets_of(SNOMED, code) == {f"stop_reason.{reason}"}


def test_suspected_intolerance_is_marked(guideline: Guideline) -> None:
    system = "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason"
    for code in ("sintol", "salg"):
        assert guideline.sets_of(system, code) == {"stop_reason.intolerance", "stop_reason.suspected"}
    assert guideline.sets_of(system, "preg") == {"stop_reason.other"}


def test_no_stop_reason_is_in_two_outcomes(guideline: Guideline) -> None:
    outcomes = [s for name, s in guideline.code_sets.items() if name.startswith("stop_reason.")]
    outcomes = [s for s in outcomes if s.name != "stop_reason.suspected"]
    seen = [(system, code) for s in outcomes for system, codes in s.exact.items() for code in codes]
    assert len(seen) == len(set(seen))


@given(st.sampled_from([SNOMED, ICD10CM, ICD10, ATC, RXNORM]), st.text(max_size=12))
def test_the_index_agrees_with_the_sets(system: str, code: str) -> None:
    guideline = load_guideline()
    expected = {name for name, code_set in guideline.code_sets.items() if code_set.contains(system, code)}
    assert guideline.sets_of(system, code) == expected


# --- Contraindications ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "drug", "strength", "counts"),
    [
        ("asthma", "propranolol", "absolute", True),
        ("bradycardia_severe", "propranolol", "relative", False),
        ("depression", "flunarizine", "absolute", True),
        ("depression", "cinnarizine", "absolute", True),
        ("depression", "propranolol", "caution", True),
        ("childbearing_potential", "topiramate", "caution", False),
        ("mi_recent", "amitriptyline", "absolute", False),
        ("pregnancy", "valproate", "absolute", False),
        ("pregnancy_20w", "ibuprofen", "relative", False),
        ("esrd", "naratriptan", "absolute", False),
        ("liver_severe", "acetaminophen", "absolute", False),
        ("myasthenia_gravis", "onabotulinumtoxina", "relative", False),
        ("maoi", "venlafaxine", "absolute", False),
        ("angioedema_history", "lisinopril", "absolute", True),
        ("uncontrolled_hypertension", "sumatriptan", "absolute", True),
        ("ergot_or_triptan_24h", "sumatriptan", "not_evaluated", False),
        ("serotonergic", "sumatriptan", "not_evaluated", False),
        ("cv_risk_factors", "sumatriptan", "not_evaluated", False),
        ("drives_within_8h", "lasmiditan", "not_evaluated", False),
    ],
)
def test_how_strong_a_contraindication_is(
    guideline: Guideline, id_: str, drug: str, strength: str, counts: bool
) -> None:
    contraindication = guideline.contraindications[id_]
    assert id_ in guideline.drugs[drug].contraindications + guideline.drugs[drug].cautions
    assert contraindication.strength_for(drug) == strength
    assert contraindication.counts_for_class is counts


def test_every_evaluated_contraindication_can_be_seen_in_a_chart(guideline: Guideline) -> None:
    for id_, contraindication in guideline.contraindications.items():
        taken = contraindication.co_medications or contraindication.shown_by
        visible = contraindication.code_set or taken or contraindication.who
        assert visible or contraindication.strength == "not_evaluated", id_


def test_every_contraindication_is_listed_by_some_drug(guideline: Guideline) -> None:
    listed = {id_ for drug in guideline.drugs.values() for id_ in drug.contraindications + drug.cautions}
    assert set(guideline.contraindications) == listed


def test_no_drug_lists_one_thing_twice(guideline: Guideline) -> None:
    for drug in guideline.drugs.values():
        assert not set(drug.contraindications) & set(drug.cautions), drug.id


def test_what_every_triptan_shares(guideline: Guideline) -> None:
    shared = set.intersection(*(set(drug.contraindications) for drug in guideline.acute_members["triptan"]))
    assert {"cad_ihd", "stroke_tia", "hemiplegic_migraine", "uncontrolled_hypertension", "pad", "wpw"} <= shared


def test_every_beta_blocker_lists_asthma(guideline: Guideline) -> None:
    for drug in guideline.drugs.values():
        if drug.preventive and drug.preventive.drug_class == "beta_blockers":
            assert "asthma" in drug.contraindications


def test_limits_and_measurements(guideline: Guideline) -> None:
    contraindications = guideline.contraindications
    assert contraindications["mi_recent"].within_days == 180
    assert contraindications["bradycardia_severe"].absolute_when == "heart_rate_below_50"
    assert contraindications["pregnancy_20w"].absolute_when == "pregnancy_20_weeks"
    assert contraindications["pregnancy_20w"].code_set == "pregnancy"


def test_words_of_drugs_taken_beside(guideline: Guideline) -> None:
    words = guideline.co_medication_words
    assert set(words["maoi"]) >= {"phenelzine", "tranylcypromine", "isocarboxazid", "moclobemide", "linezolid"}
    assert "clarithromycin" in words["strong_cyp3a4_inhibitor"]
    groups = {group for c in guideline.contraindications.values() for group in c.co_medications}
    assert groups | {limit.with_group for limit in guideline.dose_limits if limit.with_group} == set(words)


# --- Products and names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rxcui", "drug", "strength", "per_ml", "route"),
    [
        ("313161", "sumatriptan", 50, None, "oral"),
        ("313160", "sumatriptan", 100, None, "oral"),
        ("1657151", "sumatriptan", 6, 12, "subcutaneous"),
        ("1738581", "sumatriptan", 3, 6, "subcutaneous"),
        ("401978", "sumatriptan", 10, None, "nasal"),
        ("1739332", "sumatriptan", 11, None, "nasal"),
        ("849450", "sumatriptan_naproxen", 85, None, "oral"),
        ("794765", "sumatriptan_naproxen", None, None, "oral"),
        ("2283049", "eptinezumab", 100, 100, "intravenous"),
        ("2058872", "galcanezumab", 120, 120, "subcutaneous"),
        ("860192", "onabotulinumtoxina", 100, None, "intramuscular"),
        ("203279", "onabotulinumtoxina", None, None, "intramuscular"),
        ("860092", "ketorolac", 15, 15, "injection"),
        ("834022", "ketorolac", 10, None, "oral"),
        ("861668", "dihydroergotamine", 0.5, None, "nasal"),
    ],
)
def test_products(
    guideline: Guideline, rxcui: str, drug: str, strength: float | None, per_ml: float | None, route: str
) -> None:
    product = guideline.product(rxcui)
    assert product is not None
    assert (product.drug, product.strength, product.per_ml, product.route) == (drug, strength, per_ml, route)
    assert product.systemic


@pytest.mark.parametrize(
    ("rxcui", "what", "systemic"),
    [
        ("2170611", "galcanezumab 100 mg, for cluster headache", True),
        ("604010", "cosmetic botulinum toxin", False),
        ("860103", "ketorolac eye drops", False),
        ("687078", "acetaminophen with aspirin, no combination of ours", True),
    ],
)
def test_products_that_are_known_and_none_of_ours(guideline: Guideline, rxcui: str, what: str, systemic: bool) -> None:
    product = guideline.product(rxcui)
    assert product is not None, what
    assert product.drug == ""
    assert product.strength is None
    assert product.systemic is systemic, what


def test_the_product_table_is_complete_and_sound(guideline: Guideline) -> None:
    products = {rxcui: guideline.product(rxcui) for rxcui in guideline._products(RXNORM)}
    assert len(products) == 6344
    routes = {
        "oral",
        "subcutaneous",
        "nasal",
        "intramuscular",
        "intravenous",
        "rectal",
        "injection",
        "transdermal",
        None,
    }
    for rxcui, product in products.items():
        assert product is not None
        assert rxcui.isdigit()
        assert product.route in routes
        assert product.strength is None or product.strength > 0
        assert product.per_ml is None or product.per_ml > 0
    named = {product.drug for product in products.values() if product}
    assert named - {""} == set(guideline.drugs)


@pytest.mark.parametrize(
    ("word", "drug"),
    [
        ("propranolol", "propranolol"),
        ("inderal", "propranolol"),
        ("paracetamol", "acetaminophen"),
        ("divalproex", "valproate"),
        ("indometacin", "indomethacin"),
        ("aimovig", "erenumab"),
        ("nurtec", "rimegepant"),
        ("imitrex", "sumatriptan"),
        ("imigran", "sumatriptan"),
        ("botox", "onabotulinumtoxina"),
        ("botox cosmetic", ""),
        ("treximet", "sumatriptan_naproxen"),
        ("excedrin", "asa_apap_caffeine"),
        ("excedrin tension headache", ""),
        ("fioricet", "butalbital"),
        ("cafergot", "ergotamine"),
        ("nurofen", "ibuprofen"),
        ("nurofen plus", ""),
        ("co-codamol", ""),
        ("tenoretic", ""),
        ("timoptic", ""),
        ("qsymia", ""),
    ],
)
def test_names_in_text(guideline: Guideline, word: str, drug: str) -> None:
    assert guideline.names[word] == drug


@pytest.mark.parametrize(
    ("word", "holds"),
    [
        ("percocet", ("acetaminophen", "oxycodone")),
        ("tylenol with codeine", ("acetaminophen", "codeine")),
        ("tenoretic", ("atenolol",)),
        ("zestoretic", ("lisinopril",)),
        ("vimovo", ("naproxen",)),
        ("co-codamol", ("acetaminophen", "codeine")),
    ],
)
def test_names_of_combinations_say_what_they_hold(guideline: Guideline, word: str, holds: tuple[str, ...]) -> None:
    assert guideline.names[word] == ""
    assert guideline.combination_names[word] == holds


@pytest.mark.parametrize(
    ("word", "holds"),
    [("fiorinal", ("aspirin",)), ("fioricet", ("acetaminophen",)), ("ascomp", ("aspirin", "codeine"))],
)
def test_a_name_of_butalbital_says_what_it_holds_besides(
    guideline: Guideline, word: str, holds: tuple[str, ...]
) -> None:
    assert guideline.names[word] == "butalbital"
    assert guideline.combination_names[word] == holds


def test_what_acts_at_the_eye_or_beside_a_procedure_is_held_by_no_name(guideline: Guideline) -> None:
    held = {drug for drugs in guideline.combination_names.values() for drug in drugs}
    assert held.isdisjoint({"timolol", "lidocaine", "bupivacaine", "dexamethasone"})


def test_every_drug_has_a_name_in_text(guideline: Guideline) -> None:
    assert set(guideline.names.values()) - {""} == set(guideline.drugs)


def test_names_too_short_to_be_safe_are_left_out(guideline: Guideline) -> None:
    assert "ibu" not in guideline.names
    short = {name for name in guideline.names if len(name) < 4 and name.isascii()}
    assert short <= guideline.names_beside_dose


def test_ingredients_of_combinations_are_known(guideline: Guideline) -> None:
    assert {"hydrochlorothiazide", "hctz", "amlodipine", "caffeine"} <= guideline.other_ingredients
    assert not guideline.other_ingredients & set(guideline.names)


# --- Parameters, sources, options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_age", 18),
        ("resistant_min_classes", 3),
        ("min_true_failed_classes", 1),
        ("min_debilitating_days", 8),
        ("resistant_months", 3),
        ("refractory_months", 6),
        ("ed_followup_window_days", 90),
        ("specialist_lookback_days", 365),
        ("nonpharm_lookback_days", 365),
        ("inadequate_trial_lookback_days", 730),
        ("new_preventive_lookback_days", 365),
        ("acute_attacks_required", 4),
        ("acute_effective_needed", 3),
        ("acute_unresponsive_triptans", 2),
        ("acute_unresponsive_others", 2),
        ("moh_days_triptan", 10),
        ("moh_days_ergot", 10),
        ("moh_days_opioid", 10),
        ("moh_days_combination_analgesic", 10),
        ("moh_days_simple_analgesic", 15),
        ("moh_days_multiple", 10),
        ("moh_months", 3),
        ("course_gap_days", 30),
        ("renewal_gap_days", 120),
        ("episode_gap_days", 1),
        ("severe_bradycardia_rate", 50),
        ("mi_recent_days", 180),
        ("pregnancy_max_days", 300),
        ("uncontrolled_systolic", 160),
        ("uncontrolled_diastolic", 100),
        ("heart_rate_lookback_days", 365),
        ("blood_pressure_lookback_days", 365),
        ("aspirin_antiplatelet_max_mg", 325),
        ("sumatriptan_nonoral_max_mg", 20),
        ("class_scheme", "EHF2020"),
        ("accept_proxy_days", False),
        ("require_triptan_clause", False),
        ("count_verapamil", False),
        ("neurology_is_specialist", True),
        ("pain_management_is_specialist", False),
    ],
)
def test_the_defaults(guideline: Guideline, name: str, value: object) -> None:
    parameter = guideline.parameters[name]
    assert guideline.value(name) == value
    assert type(guideline.value(name)) is type(value)
    assert not parameter.overridden
    assert parameter.sources
    assert parameter.unit
    assert parameter.decides


def test_a_site_overrides_a_parameter_and_it_shows(guideline: Guideline) -> None:
    changed = guideline.with_parameters({"ed_followup_window_days": 30, "locale_unavailable": {"UK": ["E4"]}})
    assert changed.value("ed_followup_window_days") == 30
    assert changed.parameters["ed_followup_window_days"].overridden
    assert changed.unavailable_classes("UK") == {"E4"}
    assert not changed.parameters["min_age"].overridden
    assert guideline.value("ed_followup_window_days") == 90
    assert changed.rulebook.version == guideline.rulebook.version


def test_verapamil_counts_where_a_site_says_so(guideline: Guideline) -> None:
    changed = guideline.with_parameters({"count_verapamil": True})
    assert "verapamil" in {drug.id for drug in changed.counting_members["E4"]}


def test_a_parameter_in_a_field_takes_the_value_in_force(guideline: Guideline) -> None:
    assert guideline.with_parameters({"mi_recent_days": 30}).contraindications["mi_recent"].within_days == 30


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"min_agee": 20}, "no parameter 'min_agee'; did you mean 'min_age'?"),
        ({"min_age": "18"}, "parameter min_age: value should be a whole number, found '18'"),
        ({"min_age": True}, "parameter min_age: value should be a whole number, found True"),
        ({"min_age": 17.5}, "parameter min_age: value should be a whole number"),
        ({"min_age": -1}, "parameter min_age: value should be from 0 to 120 (years), found -1"),
        ({"uncontrolled_systolic": float("nan")}, "value should be from 100 to 300 (mmHg)"),
        ({"accept_proxy_days": 1}, "parameter accept_proxy_days: value should be true or false, found 1"),
        ({"class_scheme": "EHF2014"}, "parameter class_scheme: value should be one of EHF2020, found 'EHF2014'"),
        ({"locale_unavailable": {"US": ["E9"]}}, "locales with lists of classes out of E1, E2"),
        ({"locale_unavailable": {"US": "E4"}}, "locales with lists of classes"),
        ({"locale_unavailable": {"US": [{}]}}, "locales with lists of classes"),
        ({"locale_unavailable": ["E4"]}, "locales with lists of classes"),
    ],
)
def test_a_wrong_override_is_refused_by_name(guideline: Guideline, overrides: dict[str, object], says: str) -> None:
    with pytest.raises(GuidelineError) as refused:
        guideline.with_parameters(overrides)
    assert says in str(refused.value)


def test_an_unknown_parameter_cannot_be_asked_for(guideline: Guideline) -> None:
    with pytest.raises(GuidelineError, match=r"did you mean 'min_age'"):
        guideline.value("min_aeg")


def test_erythromycin_is_known_beside_ergots_by_every_name_that_it_has_beside_gepants(guideline: Guideline) -> None:
    words = guideline.co_medication_words
    names = {word for word in words["moderate_cyp3a4_inhibitor"] if word.startswith(("ery", "eri"))}
    assert "eritromicina" in names
    assert names <= set(words["ergot_cyp3a4_inhibitor"])


def test_statements_and_sources(guideline: Guideline) -> None:
    assert list(guideline.statements) == [f"S{number}" for number in range(1, 12)]
    assert guideline.sources["EHF2020"].url == "https://doi.org/10.1186/s10194-020-01130-5"
    for source in guideline.sources.values():
        assert source.url is None or source.url.startswith(("https://", "http://")), source.id


def test_options_cover_what_is_not_a_drug_class(guideline: Guideline) -> None:
    kinds = {option.kind for option in guideline.options.values()}
    assert kinds == {"combination", "procedure", "device", "non_drug"}
    assert guideline.options["nerve_block"].drugs == ("lidocaine", "bupivacaine")
    assert guideline.options["triptan_nsaid"].joins == ("triptan", "nsaid")
    assert {o.code_set for o in guideline.options.values() if o.kind == "device"} == {"neurostimulation"}
    assert {o.code_set for o in guideline.options.values() if o.kind == "non_drug"} == {
        "acupuncture",
        "biofeedback",
        "cbt",
        "relaxation",
    }
    more = {option.id for option in guideline.options.values() if option.avoid}
    assert more == {"vagus_nerve", "transcranial_magnetic"}, "no device goes with implants, which the card says of all"


# --- What the files must be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*(f"{name}.yaml" for name in YAML_FILES), "products.csv", "products_ndc.csv", "names.csv"]
)
def test_every_file_says_what_it_is_for_its_version_and_date(name: str) -> None:
    text = (GUIDELINE_FOLDER / name).read_text(encoding="utf-8")
    head = text.split("\n\n" if name.endswith("yaml") else "\nword", maxsplit=1)[0]
    assert text.startswith("# ")
    assert len(head) > 100
    assert "version: " in text[:2500]
    assert "date: " in text[:2500]


@pytest.mark.parametrize("name", YAML_FILES)
def test_lines_are_short_enough_to_read_in_a_diff(name: str) -> None:
    lines = (GUIDELINE_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if len(line) > 120 and "http" not in line]


def test_a_copy_loads_like_the_original(guideline: Guideline, copy: Path) -> None:
    assert load_guideline(copy).drugs == guideline.drugs
    assert load_guideline() is guideline


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "drugs.yaml",
            "[asthma, bradycardia_severe,",
            "[astma, bradycardia_severe,",
            "drugs.yaml: propranolol: contraindications names 'astma', which is unknown; did you mean 'asthma'?",
        ),
        (
            "drugs.yaml",
            "    also_given_for: other_use.beta_blockers",
            "    also_given_fro: other_use.beta_blockers",
            "drugs.yaml: propranolol: unknown field 'also_given_fro'; did you mean 'also_given_for'?",
        ),
        ("drugs.yaml", "min_adequate: 80", "min_adequate: eighty", "should be a number, 0 or more, found 'eighty'"),
        (
            "drugs.yaml",
            "min_adequate: 80",
            "min_adequate: 800",
            "propranolol, preventive, dose: target should be min_adequate (800) or more, found 160",
        ),
        ("drugs.yaml", "min_adequate: 80", "min_adequate: 0", "dose: min_adequate should be above 0, found 0"),
        ("drugs.yaml", "min_adequate: 80", "min_adequate: .nan", "should be a number, 0 or more, found nan"),
        ("drugs.yaml", "min_days: 56", "min_days: 0", "propranolol, preventive, trial: min_days should be above 0"),
        ("drugs.yaml", "interval_days: 28", "interval_days: 0", "trial: interval_days should be above 0, found 0"),
        (
            "drugs.yaml",
            "counts: true",
            "counts: yes",
            "propranolol, preventive: counts should be true or false, found 'yes'",
        ),
        (
            "drugs.yaml",
            "min_full: 75, usual: 75",
            "min_full: 900, usual: 75",
            "rimegepant, acute, doses 1: usual should be min_full (900) or more, found 75",
        ),
        ("drugs.yaml", "max_24h: 75", "max_24h: 50", "doses 1: max_24h should be usual (75) or more, found 50"),
        (
            "drugs.yaml",
            "when: propranolol, min_full: 5",
            "when: propranolol, min_full: 0",
            "min_full should be above 0",
        ),
        (
            "dose_limits.yaml",
            "single: 100",
            "single: 0",
            "dose_limits.yaml, limits 1: single should be above 0, found 0",
        ),
        ("dose_limits.yaml", "single: 100", "single: 300", "limits 1: daily should be single (300) or more, found 200"),
        (
            "dose_limits.yaml",
            "daily: 3, weekly: 6",
            "daily: 8, weekly: 6",
            "weekly should be daily (8) or more, found 6",
        ),
        ("dose_limits.yaml", "doses: 1", "doses: 0", "doses should be above 0, found 0"),
        ("dose_limits.yaml", "days: 7", "days: 0", "days should be above 0, found 0"),
        ("drugs.yaml", "min_adequate: 80", "min_adequate: -80", "should be a number, 0 or more, found -80"),
        ("drugs.yaml", "trial: {min_days: 56}", "trial: {}", "min_days is missing"),
        ("drugs.yaml", "trial: {min_days: 56}", "trial: {min_days: 56.5}", "a whole number, found 56.5"),
        ("drugs.yaml", "ehf_class: E3", "ehf_class: E33", "ehf_class names 'E33', which is unknown; did you mean 'E3'"),
        ("drugs.yaml", "counts: $count_verapamil", "counts: $count_verapamill", "did you mean 'count_verapamil'?"),
        ("drugs.yaml", "counts: $count_verapamil", "counts: $min_age", "counts should be true or false"),
        ("drugs.yaml", 'rxnorm: ["6918"]', 'rxnorm: ["8787"]', "rxnorm 8787 already belongs to propranolol"),
        ("drugs.yaml", "route: nasal", "route: nose", "route names 'nose', which is unknown"),
        ("drugs.yaml", "route: subcutaneous, min_full: 3", "route: oral, min_full: 3", "one entry per route"),
        ("drugs.yaml", "when: propranolol", "when: propanolol", "did you mean 'propranolol'?"),
        ("drugs.yaml", "sources: [EIGEN2021_T4, BASH2019]", "sources: [EIGEN2021]", "sources names 'EIGEN2021'"),
        ("drugs.yaml", "salicylate: [aspirin]", "salicylate: [aspirine]", "did you mean 'aspirin'?"),
        ("drugs.yaml", "besides: [caffeine]", "besides: [cafeine]", "did you mean 'caffeine'?"),
        ("drugs.yaml", "drugs: [lidocaine,", "drugs: [lidocain,", "did you mean 'lidocaine'?"),
        ("drugs.yaml", "  metoprolol:\n", "  propranolol:\n", "'propranolol' stands twice"),
        ("drugs.yaml", "    procedural: true\n", "", "needs preventive, acute or procedural"),
        ("contraindications.yaml", "strength: absolute", "strength: strong", "strength names 'strong'"),
        ("contraindications.yaml", "flunarizine: absolute", "flunarizin: absolute", "did you mean 'flunarizine'?"),
        ("contraindications.yaml", "code_set: pregnancy", "code_set: pregnant", "did you mean 'pregnancy'?"),
        ("contraindications.yaml", "counts_for_class: true", 'counts_for_class: "yes"', "should be true or false"),
        (
            "codes.yaml",
            "    icd10cm: [R51]",
            "    icd10_cm: [R51]",
            "unknown field 'icd10_cm'; did you mean 'icd10cm'?",
        ),
        ("codes.yaml", '"37796009": migraine', "37796009: migraine", "snomed should be names with texts"),
        ("codes.yaml", "    match: exact", "    match: near", "match names 'near'"),
        (
            "codes.yaml",
            "title: Asthma\n    icd10cm: [J45]",
            "title: Asthma\n    icd10cm: J45",
            "a list of texts, found 'J45'",
        ),
        ("codes.yaml", "[I44.1, I44.2]", "[I44.1, I44.1]", "a list without repetitions"),
        ("parameters.yaml", "value: 18", "value: 180", "min_age: value should be from 0 to 120 (years), found 180"),
        ("parameters.yaml", "    unit: years\n", "", "min_age: unit is missing"),
        ("parameters.yaml", "sources: [CHOICE]", "sources: []", "sources should be at least one source"),
        ("parameters.yaml", "kind: integer", "kind: whole", "kind names 'whole'"),
        ("sources.yaml", "citation: Sacco", "citaton: Sacco", "EHF2020: citation is missing; did you mean 'citaton'?"),
        ("sources.yaml", 'version: "1.0.0"', "version: 1.0", "sources.yaml: version should be text, found 1.0"),
        ("sources.yaml", 'version: "1.0.0"', 'version: "1"', 'version should be a version in quotes such as "1.0.0"'),
        ("sources.yaml", 'date: "2026-11-22"', "date: 2026-11-22", "date should be text"),
        ("sources.yaml", "statements:", "statements: [", "sources.yaml: not valid YAML at line"),
        (
            "names.csv",
            "panadol,acetaminophen,brand",
            "panadol,paracetamol,brand",
            "panadol: drug 'paracetamol' is unknown",
        ),
        ("names.csv", "panadol,acetaminophen,brand", "Panadol,acetaminophen,brand", "should be in lower case"),
        ("names.csv", "panadol,acetaminophen,brand", "panadol,acetaminophen,mark", "kind should be ingredient, brand"),
        ("names.csv", "panadol,acetaminophen,brand", "panadol,acetaminophen", "expected 3 columns, found 2"),
    ],
)
def test_a_mistake_in_a_file_is_named(copy: Path, name: str, old: str, new: str, says: str) -> None:
    change(copy, name, old, new)
    with pytest.raises(GuidelineError) as refused:
        load_guideline(copy)
    assert says in str(refused.value)
    assert str(refused.value).startswith(name)


def test_a_mistake_in_the_product_table_is_named(copy: Path) -> None:
    change(copy, "products.csv", "\n161,acetaminophen,", "\n161,paracetamol,")
    with pytest.raises(GuidelineError, match=r"products\.csv: 161: drug 'paracetamol' is unknown"):
        load_guideline(copy).product("37418")


def test_a_mistake_in_a_table_of_national_drug_codes_is_named(copy: Path) -> None:
    change(copy, "products_ndc.csv", "\nrimegepant,", "\nrimegepent,")
    change(copy, "codes_ndc.csv", "\nmaoi,", "\nmaio,")
    guideline = load_guideline(copy)
    with pytest.raises(GuidelineError, match=r"products_ndc\.csv: drug 'rimegepent' is unknown; did you mean"):
        guideline.product("0591-5554", NDC)
    with pytest.raises(GuidelineError, match=r"codes_ndc\.csv: set 'maio' is unknown; did you mean"):
        guideline.sets_of(NDC, "0591-5554")


def test_a_national_drug_code_stands_once(copy: Path) -> None:
    change(copy, "products_ndc.csv", "\nrimegepant,75,,oral,,", "\nrimegepant,75,,oral,,05915554 ")
    with pytest.raises(GuidelineError, match=r"products_ndc\.csv: 05915554 stands twice"):
        load_guideline(copy).product("0591-5554", NDC)


@pytest.mark.parametrize("name", [*(f"{name}.yaml" for name in YAML_FILES), "names.csv"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(GuidelineError, match=f"{name}: cannot be read"):
        load_guideline(copy)


@pytest.mark.parametrize("name", YAML_FILES)
def test_a_file_that_holds_no_fields_is_refused(copy: Path, name: str) -> None:
    (copy / f"{name}.yaml").write_text("- a list\n", encoding="utf-8")
    with pytest.raises(GuidelineError, match="expected fields"):
        load_guideline(copy)


@pytest.mark.parametrize("name", YAML_FILES)
def test_a_field_nobody_reads_is_refused(copy: Path, name: str) -> None:
    content = yaml.safe_load((copy / f"{name}.yaml").read_text(encoding="utf-8"))
    *_, last = content["sets" if name == "codes" else name].values()
    last["a_field_nobody_knows"] = "1"
    (copy / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(GuidelineError, match="unknown field 'a_field_nobody_knows'"):
        load_guideline(copy)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"word,drug,kind\nx,y,\xff\n", "names.csv: expected UTF-8, found something else at byte 19"),
        (b"word,drug,kind\nx,y," + b"z" * 200_000, "names.csv: not CSV: field larger than field limit (131072)"),
        (b"word,drug,kind\nx,y\n", "names.csv: x: expected 3 columns, found 2"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_with_what_is_wrong(copy: Path, content: bytes, said: str) -> None:
    (copy / "names.csv").write_bytes(content)
    with pytest.raises(GuidelineError) as caught:
        load_guideline(copy)
    assert str(caught.value) == said


def test_a_table_may_begin_with_the_mark_that_spreadsheets_write(copy: Path) -> None:
    table = copy / "names.csv"
    table.write_bytes(codecs.BOM_UTF8 + table.read_bytes())
    assert load_guideline(copy).names == load_guideline().names
