"""Thirty facts of the first tables that turned out to be wrong: what the tables and the cards say of each now.

Each row names the correction, the sources it rests on, and what must hold. Sources that were only remembered are not
among them: each has been read, and says on which day.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from prodrome.cds_hooks.cards.options_words import Options
from prodrome.cds_hooks.cards.patient_words import Sheet
from prodrome.rules.dose_limits import broken_limits
from prodrome.rules.facts import CoMedication, Condition, Facts
from prodrome.rules.guideline.guideline import load_guideline
from tests.cds_hooks.cards.test_building import card
from tests.rules.patients import (
    CHRONIC,
    MIGRAINE,
    acute_use,
    attacks,
    emergency,
    judged,
    order,
    patient,
    rules_of,
    running,
    stopped,
)

GUIDELINE = load_guideline()
READ_NOTHING = {"nothing", "none", "title only", "not a publication"}


class Correction(NamedTuple):
    """What was corrected, on which sources, and statements that must hold, each with its reason to."""

    what: str
    sources: tuple[str, ...]
    holds: Mapping[str, Callable[[], object]]


def limits(
    drug: str, *, locale: str = "US", use: str = "acute", facts: Facts | None = None, **ordered: Any
) -> set[tuple[str, float]]:
    """What an order goes beyond: ``("daily", 10)`` for more than 10 a day."""
    draft = order(drug, use, **ordered)
    found = broken_limits(facts or patient(), GUIDELINE, draft, locale)
    return {(excess.of, excess.most) for limit in found for excess in limit.excesses}


def strength(drug: str, use: str = "preventive", *, locale: str = "US", **facts: Any) -> str | None:
    """The indicator of SAF-01 for an order; ``None`` where it is silent."""
    whole = replace(patient(**facts), orders=(order(drug, use),))
    found = [one.indicator for one in judged(whole, "order-sign", locale=locale).findings if one.rule.id == "SAF-01"]
    return found[0] if found else None


def has(*names: str) -> tuple[Condition, ...]:
    return (MIGRAINE, Condition(frozenset(names), refs=(f"Condition/{names[0]}",)))


def beside(*groups: str) -> Facts:
    return patient(co_medications=takes(*groups))


def takes(*groups: str) -> tuple[CoMedication, ...]:
    return tuple(CoMedication(group, refs=(f"MedicationStatement/{group}",)) for group in groups)


def cautions(drug: str) -> set[str]:
    return set(GUIDELINE.drugs[drug].cautions)


def started(drug: str, **ordered: Any) -> str:
    """The card that tells of a new preventive, whole."""
    said = card("PRV-02", patient(orders=(order(drug, "preventive", **ordered),)), "order-sign")
    return f"{said['summary']}\n{said['detail']}"


def adequate(drug: str, dose: float, **facts: Any) -> str:
    """Whether a trial of it that runs for a year at a dose is adequate."""
    judgement = judged(patient(trials=(running(drug, dose=dose),), **facts))
    (trial,) = judgement.of_type("trial")
    return str(trial.fields["adequate"])


def preventive(drug: str) -> Any:
    return GUIDELINE.drugs[drug].preventive


WELL_LIKED = patient(acute_use_months=acute_use(*[{"triptan": 9, "simple-analgesic": 9}] * 3))
ON_NINE_DAYS = replace(
    WELL_LIKED, acute_use_months=tuple(replace(month, total=9) for month in WELL_LIKED.acute_use_months)
)

TWO_TRIPTANS = (attacks("sumatriptan", 6, 1, 100), attacks("rizatriptan", 5, 1, 10))


def instead(locale: str) -> list[str]:
    """What is offered in place of a beta blocker, after another failed."""
    facts = patient(trials=(stopped("propranolol"),), orders=(order("metoprolol", "preventive"),))
    options = Options(Sheet(judged(facts, "order-sign", locale=locale), facts))
    return [drug.id for drug in options.replacements(3)]


CORRECTIONS: Mapping[int, Correction] = {
    1: Correction(
        "rizatriptan beside propranolol",
        ("L_RIZA",),
        {
            "10 mg is above the limit": lambda: (
                limits("rizatriptan", single_dose=10, facts=patient(trials=(running("propranolol"),)))
                == {("single", 5)}
            ),
            "so are more than 15 mg a day": lambda: (
                limits("rizatriptan", single_dose=5, per_day=20, facts=patient(trials=(running("propranolol"),)))
                == {("daily", 15)}
            ),
            "5 mg is not": lambda: (
                not limits("rizatriptan", single_dose=5, per_day=15, facts=patient(trials=(running("propranolol"),)))
            ),
            "what was only remembered of the EU is not shipped": lambda: (
                not [row for row in GUIDELINE.dose_limits if row.drug == "rizatriptan" and row.where != ("US",)]
            ),
        },
    ),
    2: Correction(
        "one dose of lasmiditan in 24 hours",
        ("L_REYVOW",),
        {
            "100 mg twice a day is above the limit": lambda: (
                limits("lasmiditan", single_dose=100, per_day=200) == {("doses", 1)}
            ),
            "200 mg once is not": lambda: not limits("lasmiditan", single_dose=200, per_day=200),
        },
    ),
    3: Correction(
        "ubrogepant beside other drugs and with weak kidneys",
        ("L_UBRELVY", "AHFS_UBRO", "CYP3A4_LIST"),
        {
            "50 mg once in 24 hours with a moderate CYP3A4 inhibitor": lambda: (
                limits("ubrogepant", single_dose=100, per_day=100, facts=beside("moderate_cyp3a4_inhibitor"))
                == {("single", 50), ("daily", 50)}
            ),
            "50 mg twice with an inhibitor of P-gp or BCRP": lambda: (
                limits("ubrogepant", single_dose=50, per_day=100, facts=beside("p_gp_inhibitor", "bcrp_inhibitor"))
                == set()
                and limits("ubrogepant", single_dose=100, facts=beside("bcrp_inhibitor")) == {("single", 50)}
            ),
            "not with a strong inducer": lambda: (
                strength("ubrogepant", "acute", co_medications=takes("strong_cyp3a4_inducer")) == "warning"
            ),
            "not below 15 mL/min": lambda: strength("ubrogepant", "acute", conditions=has("esrd")) == "warning",
            "50 mg below 30 mL/min": lambda: (
                limits("ubrogepant", single_dose=100, facts=patient(conditions=has("ckd_severe"))) == {("single", 50)}
            ),
        },
    ),
    4: Correction(
        "rimegepant beside other drugs",
        ("L_NURTEC", "CYP3A4_LIST"),
        {
            "not with a strong inhibitor": lambda: (
                strength("rimegepant", co_medications=takes("strong_cyp3a4_inhibitor")) == "warning"
            ),
            "not with an inducer, strong or moderate": lambda: (
                strength("rimegepant", co_medications=takes("strong_cyp3a4_inducer")) == "warning"
                and strength("rimegepant", "acute", co_medications=takes("moderate_cyp3a4_inducer")) == "warning"
            ),
            "every other day at most with a moderate or P-gp inhibitor": lambda: (
                limits("rimegepant", single_dose=75, per_day=75, facts=beside("p_gp_inhibitor")) == {("daily", 37.5)}
                and limits("rimegepant", single_dose=75, per_day=75, facts=beside("moderate_cyp3a4_inhibitor"))
                == {("daily", 37.5)}
                and not limits("rimegepant", single_dose=75, per_day=37.5, facts=beside("p_gp_inhibitor"))
            ),
        },
    ),
    5: Correction(
        "atogepant beside other drugs and with weak kidneys",
        ("L_QULIPTA",),
        {
            "10 mg with a strong inhibitor": lambda: (
                limits(
                    "atogepant", use="preventive", per_day=30, single_dose=30, facts=beside("strong_cyp3a4_inhibitor")
                )
                == {("single", 10), ("daily", 10)}
            ),
            "10 mg is then an adequate dose in chronic migraine too": lambda: (
                adequate("atogepant", 10, conditions=(CHRONIC,), co_medications=takes("strong_cyp3a4_inhibitor"))
                == "yes"
                and adequate("atogepant", 10, conditions=(CHRONIC,)) == "no"
            ),
            "30 mg with an OATP inhibitor": lambda: (
                limits("atogepant", use="preventive", per_day=60, single_dose=60, facts=beside("oatp_inhibitor"))
                == {("single", 30), ("daily", 30)}
                and adequate("atogepant", 30, conditions=(CHRONIC,), co_medications=takes("oatp_inhibitor")) == "yes"
            ),
            "no inducer in chronic migraine, not even topiramate": lambda: (
                strength("atogepant", conditions=(CHRONIC,), trials=(running("topiramate"),)) == "warning"
                and strength("atogepant", trials=(running("topiramate"),)) is None
            ),
            "10 mg below 30 mL/min, and not in chronic migraine": lambda: (
                limits("atogepant", use="preventive", per_day=30, facts=patient(conditions=has("ckd_severe")))
                == {("daily", 10)}
                and strength("atogepant", conditions=(CHRONIC, *has("ckd_severe"))) == "warning"
            ),
        },
    ),
    6: Correction(
        "naratriptan and the kidneys",
        ("L_NARA",),
        {
            "contraindicated below 15 mL/min": lambda: (
                strength("naratriptan", "acute", conditions=has("esrd")) == "critical"
            ),
            "2.5 mg a day in stage 4": lambda: (
                strength("naratriptan", "acute", conditions=has("ckd_severe", "ckd")) is None
                and limits("naratriptan", per_day=5, single_dose=2.5, facts=patient(conditions=has("ckd")))
                == {("daily", 2.5)}
            ),
        },
    ),
    7: Correction(
        "who inhibits CYP3A4 strongly, and what ergots must not meet",
        ("L_RELPAX", "L_DHE_BOX", "L_ERGOT"),
        {
            "nelfinavir and troleandomycin do": lambda: (
                {"nelfinavir", "troleandomycin"} <= set(GUIDELINE.co_medication_words["strong_cyp3a4_inhibitor"])
            ),
            "erythromycin and protease inhibitors for ergots": lambda: (
                strength("ergotamine", "acute", co_medications=takes("ergot_cyp3a4_inhibitor")) == "critical"
                and {"erythromycin", "indinavir"} <= set(GUIDELINE.co_medication_words["ergot_cyp3a4_inhibitor"])
            ),
            "the 72 hours of eletriptan are said": lambda: (
                "72 hours" in GUIDELINE.contraindications["strong_cyp3a4_inhibitor"].note
            ),
        },
    ),
    8: Correction(
        "ergotamine",
        ("L_ERGOT",),
        {
            "any hypertension, any disease of liver or kidney": lambda: (
                {
                    strength("ergotamine", "acute", conditions=has(one))
                    for one in ("hypertension", "liver_disease", "ckd")
                }
                == {"critical"}
            ),
            "10 mg a week": lambda: (
                limits("ergotamine", single_dose=2, per_day=2) == {("weekly", 10)}
                and not limits("ergotamine", single_dose=1, per_day=1)
            ),
        },
    ),
    9: Correction(
        "dihydroergotamine by nose and by the week",
        ("L_DHE", "L_TRUDHESA"),
        {
            "2 mg at once, 3 mg a day": lambda: (
                limits("dihydroergotamine", route="nasal", single_dose=3) == {("single", 2)}
            ),
            "4 mg a week of the one spray": lambda: (
                limits("dihydroergotamine", route="nasal", single_dose=0.6, per_day=0.6, display="Migranal")
                == {("weekly", 4)}
            ),
            "two doses a day of the other": lambda: (
                ("single", 1.45)
                in limits("dihydroergotamine", route="nasal", single_dose=2, display="Trudhesa 0.725 MG/ACTUAT")
            ),
            "6 mg a week by injection": lambda: (
                limits("dihydroergotamine", route="subcutaneous", single_dose=1, per_day=1) == {("weekly", 6)}
            ),
            "six doses of 1 mg a week are no more": lambda: (
                not limits("dihydroergotamine", route="subcutaneous", single_dose=1, per_day=round(6 / 7, 6))
            ),
            "nor are three of 1.45 mg": lambda: (
                not limits("dihydroergotamine", route="nasal", single_dose=1.45, per_day=round(4.35 / 7, 6))
            ),
        },
    ),
    10: Correction(
        "sumatriptan by nose, product by product",
        ("L_SUMA_OC",),
        {
            "30 mg a day of the 10 mg spray": lambda: (
                limits("sumatriptan", route="nasal", single_dose=10, per_day=40, display="Tosymra") == {("daily", 30)}
            ),
            "20 mg at once, 40 mg a day of the spray": lambda: (
                limits(
                    "sumatriptan", route="nasal", single_dose=22, per_day=66, display="sumatriptan 20 mg nasal spray"
                )
                == {("single", 20), ("daily", 40), ("daily", 44)}
            ),
            "44 mg a day of the powder": lambda: (
                not limits("sumatriptan", route="nasal", single_dose=22, per_day=44, display="Onzetra Xsail")
                and limits("sumatriptan", route="nasal", single_dose=22, per_day=66) == {("daily", 44)}
            ),
        },
    ),
    11: Correction(
        "flunarizine",
        ("CFSD",),
        {
            "10 mg at most": lambda: preventive("flunarizine").maximum == 10,
            "more is above the limit": lambda: (
                limits("flunarizine", use="preventive", locale="EU", per_day=15) == {("daily", 10)}
            ),
        },
    ),
    12: Correction(
        "topiramate",
        ("EIGEN2021_T4", "PN_T3"),
        {
            "glaucoma, pregnancy, breastfeeding": lambda: (
                {
                    strength("topiramate", conditions=has(one))
                    for one in ("angle_closure_glaucoma", "pregnancy", "lactation")
                }
                == {"critical"}
            ),
            "stones, and glaucoma of another kind": lambda: (
                {strength("topiramate", conditions=has(one)) for one in ("kidney_stones", "glaucoma")} == {"warning"}
            ),
        },
    ),
    13: Correction(
        "valproate",
        ("EIGEN2021_T4", "FDA_VPA2013", "MHRA_VPA"),
        {
            "thrombocytopenia": lambda: strength("valproate", conditions=has("thrombocytopenia")) == "critical",
            "childbearing potential warns": lambda: (
                GUIDELINE.contraindications["childbearing_potential"].strength_for("valproate", "US") == "relative"
            ),
            "nobody under 55 in the UK": lambda: (
                strength("valproate", locale="UK") == "warning" and strength("valproate", locale="EU") is None
            ),
        },
    ),
    14: Correction(
        "antibodies against CGRP",
        ("EIGEN2021_T4",),
        {
            "not recommended after stroke, with coronary, bowel and lung disease": lambda: (
                {
                    strength(drug, conditions=has(one))
                    for drug in ("erenumab", "fremanezumab", "galcanezumab", "eptinezumab")
                    for one in ("stroke_tia", "cad_ihd", "inflammatory_bowel", "copd")
                }
                == {"warning"}
            ),
            "subarachnoid haemorrhage is a stroke": lambda: GUIDELINE.code_sets["stroke_tia"].contains(
                "http://hl7.org/fhir/sid/icd-10-cm", "I60.9"
            ),
        },
    ),
    15: Correction(
        "amitriptyline",
        ("EIGEN2021_T4", "AAFP2019_T"),
        {
            "epilepsy and retention warn": lambda: (
                {strength("amitriptyline", conditions=has(one)) for one in ("epilepsy", "urinary_retention")}
                == {"warning"}
            ),
            "SSRI warn": lambda: strength("amitriptyline", co_medications=takes("ssri")) == "warning",
            "older age is named": lambda: "older_age" in cautions("amitriptyline"),
        },
    ),
    16: Correction(
        "candesartan",
        ("SIGN155_QRG", "EIGEN2021_T4", "BASH2019"),
        {
            "breastfeeding and aliskiren warn": lambda: (
                strength("candesartan", conditions=has("lactation")) == "warning"
                and strength("candesartan", co_medications=takes("aliskiren")) == "warning"
            ),
            "16 mg in the UK, up to 32 elsewhere": lambda: (
                limits("candesartan", use="preventive", locale="UK", per_day=32) == {("daily", 16)}
                and preventive("candesartan").maximum == 32
            ),
        },
    ),
    17: Correction(
        "gepants",
        ("L_QULIPTA", "L_ZAVZPRET", "L_UBRELVY"),
        {
            "pregnancy, hypertension and Raynaud phenomenon are named": lambda: all(
                {"pregnancy", "uncontrolled_hypertension", "raynaud"} <= cautions(drug)
                for drug in ("atogepant", "rimegepant", "ubrogepant", "zavegepant")
            ),
        },
    ),
    18: Correction(
        "antibodies before conception",
        ("CE_CGRP",),
        {
            "stopped five months before": lambda: "stop at least 5 months before conception" in started("erenumab"),
            "gepants are gone within days": lambda: "before conception" not in started("atogepant"),
        },
    ),
    19: Correction(
        "NSAIDs in pregnancy",
        ("FDA_NSAID",),
        {
            "the card says avoid from 20 weeks, not from 30": lambda: (
                "avoid from 20 weeks, not from 30" in GUIDELINE.contraindications["pregnancy_20w"].label
            ),
            "absolute from 20 weeks, a warning before": lambda: (
                strength("ibuprofen", "acute", conditions=has("pregnancy", "pregnancy_20_weeks")) == "critical"
                and strength("ibuprofen", "acute", conditions=has("pregnancy")) == "warning"
            ),
        },
    ),
    20: Correction(
        "regimens of new preventives",
        ("L_AIMOVIG", "L_MAB_TBL", "L_QULIPTA", "L_NURTEC", "EIGEN2021_T4"),
        {
            "erenumab": lambda: "70 mg or 140 mg once a month" in started("erenumab"),
            "fremanezumab": lambda: (
                "225 mg once a month" in started("fremanezumab", single_dose=225)
                and "675 mg every 3 months" in started("fremanezumab", single_dose=675)
            ),
            "galcanezumab": lambda: "240 mg first, then 120 mg once a month" in started("galcanezumab"),
            "eptinezumab": lambda: "every 12 weeks" in started("eptinezumab"),
            "atogepant": lambda: "10, 30 or 60 mg once a day" in started("atogepant"),
            "rimegepant": lambda: "75 mg every other day" in started("rimegepant"),
            "onabotulinumtoxinA": lambda: "155 to 195 units every 12 weeks" in started("onabotulinumtoxina"),
        },
    ),
    21: Correction(
        "when eptinezumab is judged",
        ("EHF2020", "L_VYEPTI"),
        {
            "at 24 weeks, as its trials are": lambda: (
                "24 weeks" in started("eptinezumab", single_dose=100) and preventive("eptinezumab").min_days == 168
            ),
            "which rule that is, is said": lambda: "two doses" in GUIDELINE.drugs["eptinezumab"].note,
        },
    ),
    22: Correction(
        "days of intake, not sums of classes",
        ("ICHD3_827",),
        {
            "9 and 9 on the same 9 days are 9": lambda: "MOH-01" not in rules_of(ON_NINE_DAYS),
            "9 and 9 on unknown days are up to 18": lambda: "up to 18 days" in card("MOH-01", WELL_LIKED)["summary"],
        },
    ),
    23: Correction(
        "the age of the first headache",
        ("SNNOOP10",),
        {
            "65, elsewhere 50": lambda: (
                "onset after 65 (elsewhere 50)" in card("DTT-04", patient(attack_records=TWO_TRIPTANS))["detail"]
            ),
        },
    ),
    24: Correction(
        "four drugs that are not on the list of the definition",
        ("EHF2020_TBL",),
        {
            f"that {drug} counts is a choice": lambda drug=drug: (  # type: ignore[misc]
                preventive(drug).counts and "that it counts is a choice" in GUIDELINE.drugs[drug].note
            )
            for drug in ("nadolol", "bisoprolol", "telmisartan", "nortriptyline")
        },
    ),
    25: Correction(
        "acetaminophen into a vein, in the emergency department",
        ("AHSED2025",),
        {
            "may not be offered": lambda: (
                "May not be offered: acetaminophen IV"
                in card("ED-01", patient(hospital_visits=(emergency(0),)), "encounter-discharge")["detail"]
            ),
        },
    ),
    26: Correction(
        "what NICE asks before onabotulinumtoxinA",
        ("NICE_TA260_NEW",),
        {
            "failed, not tolerated, or unsuitable": lambda: (
                next(row.failed[0].reasons for row in GUIDELINE.eligibility.rows if row.id == "E36")
                == ("efficacy", "tolerability", "contraindication")
            ),
        },
    ),
    27: Correction(
        "enalapril",
        ("CHS2024",),
        {"a weak recommendation in Canada": lambda: "CHS2024" in GUIDELINE.drugs["enalapril"].note},
    ),
    28: Correction(
        "domperidone and metoclopramide",
        ("L_MCP_LSC", "L_MCP_EMA", "L_DOM_MCC"),
        {
            "five days": lambda: (
                limits("metoclopramide", locale="UK", single_dose=10, per_day=30, days=6) == {("days", 5)}
            ),
            "seven days": lambda: limits("domperidone", locale="EU", per_day=30, days=8) == {("days", 7)},
            "no strong CYP3A4 inhibitor, no disease of the liver": lambda: (
                strength("domperidone", "acute", locale="UK", co_medications=takes("strong_cyp3a4_inhibitor"))
                == "critical"
                and strength("domperidone", "acute", locale="UK", conditions=has("liver_disease")) == "warning"
                and strength("domperidone", "acute", locale="UK", conditions=has("liver_severe")) == "critical"
            ),
        },
    ),
    29: Correction(
        "what is offered instead, by evidence",
        ("VADOD2023_GC", "SIGN155_QRG", "EIGEN2021_T4"),
        {
            "the first of each class by the ranking of the locale": lambda: (
                instead("US") == ["candesartan", "erenumab", "amitriptyline"]
                and instead("UK") == ["amitriptyline", "candesartan", "erenumab"]
                and instead("EU") == ["candesartan", "amitriptyline", "flunarizine"]
            ),
        },
    ),
    30: Correction(
        "both tables of Eigenbrodt 2021, read again",
        ("EIGEN2021_T3", "EIGEN2021_T4"),
        {
            "at a preview page": lambda: all(
                "preview page" in GUIDELINE.sources[id_].note for id_ in ("EIGEN2021_T3", "EIGEN2021_T4")
            ),
        },
    ),
}

HOLDS = [(number, words) for number, correction in CORRECTIONS.items() for words in correction.holds]


def test_there_is_a_row_for_each_of_the_thirty() -> None:
    assert list(CORRECTIONS) == list(range(1, 31))


@pytest.mark.parametrize(("number", "words"), HOLDS, ids=[f"{number} {words}" for number, words in HOLDS])
def test_a_correction_holds(number: int, words: str) -> None:
    assert CORRECTIONS[number].holds[words]() is True


@pytest.mark.parametrize("number", CORRECTIONS)
def test_a_correction_rests_on_sources_that_were_read_on_a_day_that_is_written_down(number: int) -> None:
    for id_ in CORRECTIONS[number].sources:
        source = GUIDELINE.sources[id_]
        assert source.read not in READ_NOTHING
        assert source.read_on is not None
