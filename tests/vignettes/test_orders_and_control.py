"""Orders above a limit, opioids, preventives that do not control, endings nobody explained: one patient a line.

Every limit, number and way out of the contract is tried from both sides. Today is 2026-06-15.
"""

from typing import Any

import pytest

from tests.fhir_mappers.build import (
    ICD10CM,
    INEFFECTIVE,
    MIGRAINE,
    RXNORM,
    SIDE_EFFECT,
    SNOMED,
    SUMATRIPTAN,
    as_needed,
    concept,
    condition,
    dose,
    rxnorm,
    statement,
)
from tests.vignettes.test_charts import (
    ADULT,
    RESISTANT,
    allergic,
    amitriptyline,
    answered,
    draft,
    heavy,
    month,
    overuse,
    propranolol,
    response,
    taken,
    topiramate,
    without,
)

Json = dict[str, Any]

RIZATRIPTAN, PROPRANOLOL, OXYCODONE, BUTALBITAL = rxnorm("88014"), rxnorm("8787"), rxnorm("7804"), rxnorm("19860")
ATOGEPANT, NARATRIPTAN, UBROGEPANT = rxnorm("2571813"), rxnorm("141366"), rxnorm("2268216")
ERGOTAMINE, CANDESARTAN, LASMIDITAN = rxnorm("4025"), rxnorm("214354"), rxnorm("2256930")
INEFFICACY, INTOLERANCE = concept(SNOMED, INEFFECTIVE), concept(SNOMED, SIDE_EFFECT)
HTN = concept(ICD10CM, "I10")
VERAPAMIL, RIMEGEPANT = rxnorm("11170"), rxnorm("2282307")
METOCLOPRAMIDE, DOMPERIDONE = rxnorm("6915"), rxnorm("3626")
DAYS: Json = {"unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
NEW = {"ELG-01", "PRV-02"}
"""What a new preventive that somebody pays for is told of."""


def beside(drug: str) -> Json:
    """A drug that is none of the guideline's, taken now."""
    return statement(concept(text=drug), "active", "2026-06-10", None, reasonCode=None)


def every_other_day(amount: float) -> list[Json]:
    return [dose(amount, frequency=1, period=2, periodUnit="d")]


def lasting(amount: float, days: int) -> list[Json]:
    return [dose(amount, frequency=3, period=1, periodUnit="d", boundsDuration=DAYS | {"value": days})]


def daily(amount: float, times: int = 1) -> list[Json]:
    return [dose(amount, frequency=times, period=1, periodUnit="d")]


def takes(drug: Json, amount: float = 80, **more: Any) -> Json:
    return statement(drug, "active", "2025-06-01", None, **{"dosage": [dose(amount)]} | more)


def both(*codes: str) -> Json:
    return {"coding": [{"system": RXNORM, "code": code} for code in codes]}


def has(code: str) -> Json:
    return condition(concept(ICD10CM, code))


EVERY_2_HOURS = [dose(50, frequency=1, period=2, periodUnit="h")]
UNDER_THE_SKIN, BY_MOUTH = {"route": concept(SNOMED, "34206005")}, {"route": concept(SNOMED, "26643006")}
KETOROLAC = rxnorm("35827")
LIMITS = {
    "sumatriptan at most": ([], draft(SUMATRIPTAN, 100), "US", set()),
    "sumatriptan 200 at once": ([], draft(SUMATRIPTAN, 200), "US", {"SAF-02"}),
    "two tablets too many": ([], draft(SUMATRIPTAN, 101), "US", {"SAF-02"}),
    "no limit known in the UK": ([], draft(SUMATRIPTAN, 200), "UK", set()),
    "no limit known in the EU": ([], draft(SUMATRIPTAN, 200), "EU", set()),
    "sumatriptan with a diseased liver": ([has("K74.6")], draft(SUMATRIPTAN, 100), "US", {"SAF-02"}),
    "half of it with a diseased liver": ([has("K74.6")], draft(SUMATRIPTAN, 50), "US", set()),
    "rizatriptan": ([], draft(RIZATRIPTAN, 10), "US", set()),
    "rizatriptan too much": ([], draft(RIZATRIPTAN, 20), "US", {"SAF-02"}),
    "rizatriptan on propranolol": ([takes(PROPRANOLOL)], draft(RIZATRIPTAN, 10), "US", {"SAF-02"}),
    "half of it on propranolol": ([takes(PROPRANOLOL)], draft(RIZATRIPTAN, 5), "US", set()),
    "on propranolol for blood pressure": (
        [takes(PROPRANOLOL, reasonCode=[HTN])],
        draft(RIZATRIPTAN, 10),
        "US",
        {"SAF-02"},
    ),
    "on propranolol no longer": (
        [statement(PROPRANOLOL, "stopped", "2025-01-01", "2025-06-01", INTOLERANCE, dosage=[dose(80)])],
        draft(RIZATRIPTAN, 10),
        "US",
        set(),
    ),
    "on metoprolol": ([takes(rxnorm("6918"), 100)], draft(RIZATRIPTAN, 10), "US", set()),
    "another triptan on propranolol": ([takes(PROPRANOLOL)], draft(SUMATRIPTAN, 100), "US", set()),
    "lasmiditan": ([], draft(LASMIDITAN, 200), "US", set()),
    "lasmiditan too much": ([], draft(LASMIDITAN, 400), "US", {"SAF-02"}),
    "ubrogepant": ([], draft(UBROGEPANT, 100), "US", {"ELG-01"}),
    "ubrogepant with weak kidneys": ([has("N18.4")], draft(UBROGEPANT, 100), "US", {"ELG-01", "SAF-02"}),
    "half of it with weak kidneys": ([has("N18.4")], draft(UBROGEPANT, 50), "US", {"ELG-01"}),
    "ergotamine": ([], draft(ERGOTAMINE, 2), "US", set()),
    "ergotamine too much": ([], draft(ERGOTAMINE, 3), "US", {"SAF-02"}),
    "naratriptan": ([], draft(NARATRIPTAN, 2.5), "US", set()),
    "naratriptan twice": ([], draft(NARATRIPTAN, 5), "US", {"SAF-02"}),
    "atogepant": ([], draft(ATOGEPANT, dosageInstruction=daily(60)), "US", {"ELG-01", "PRV-02"}),
    "atogepant twice a day": (
        [],
        draft(ATOGEPANT, dosageInstruction=daily(60, 2)),
        "US",
        {"ELG-01", "PRV-02", "SAF-02"},
    ),
    "atogepant with weak kidneys": (
        [has("N18.4")],
        draft(ATOGEPANT, dosageInstruction=daily(60)),
        "US",
        {"ELG-01", "PRV-02", "SAF-02"},
    ),
    "the small atogepant with weak kidneys": (
        [has("N18.4")],
        draft(ATOGEPANT, dosageInstruction=daily(10)),
        "US",
        {"ELG-01", "PRV-02"},
    ),
    "atogepant with clarithromycin": (
        [statement(concept(text="clarithromycin 500 mg"), "active", "2026-06-10", None, reasonCode=None)],
        draft(ATOGEPANT, dosageInstruction=daily(60)),
        "US",
        {"ELG-01", "PRV-02", "SAF-02"},
    ),
    "the small atogepant with clarithromycin": (
        [statement(concept(text="clarithromycin 500 mg"), "active", "2026-06-10", None, reasonCode=None)],
        draft(ATOGEPANT, dosageInstruction=daily(10)),
        "US",
        {"ELG-01", "PRV-02"},
    ),
    "lasmiditan once a day": ([], draft(LASMIDITAN, dosageInstruction=daily(100)), "US", set()),
    "lasmiditan twice a day": ([], draft(LASMIDITAN, dosageInstruction=daily(100, 2)), "US", {"SAF-02"}),
    "ubrogepant with fluconazole": ([beside("fluconazole 150 mg")], draft(UBROGEPANT, 100), "US", {"ELG-01", "SAF-02"}),
    "the small ubrogepant with fluconazole": ([beside("fluconazole 150 mg")], draft(UBROGEPANT, 50), "US", {"ELG-01"}),
    "ubrogepant twice a day with fluconazole": (
        [beside("fluconazole 150 mg")],
        draft(UBROGEPANT, dosageInstruction=daily(50, 2)),
        "US",
        {"ELG-01", "SAF-02"},
    ),
    "ubrogepant with verapamil": ([takes(VERAPAMIL, 240)], draft(UBROGEPANT, 100), "US", {"ELG-01", "SAF-02"}),
    "ubrogepant with quinidine": ([beside("quinidine 200 mg")], draft(UBROGEPANT, 100), "US", {"ELG-01", "SAF-02"}),
    "ubrogepant twice a day with quinidine": (
        [beside("quinidine 200 mg")],
        draft(UBROGEPANT, dosageInstruction=daily(50, 2)),
        "US",
        {"ELG-01"},
    ),
    "ubrogepant with carvedilol": ([beside("carvedilol 25 mg")], draft(UBROGEPANT, 100), "US", {"ELG-01", "SAF-02"}),
    "ubrogepant with carbamazepine": (
        [beside("carbamazepine 200 mg")],
        draft(UBROGEPANT, 100),
        "US",
        {"ELG-01", "SAF-01"},
    ),
    "rimegepant every other day": ([], draft(RIMEGEPANT, dosageInstruction=every_other_day(75)), "US", NEW),
    "rimegepant every other day with diltiazem": (
        [beside("diltiazem 120 mg")],
        draft(RIMEGEPANT, dosageInstruction=every_other_day(75)),
        "US",
        NEW,
    ),
    "rimegepant every day with diltiazem": (
        [beside("diltiazem 120 mg")],
        draft(RIMEGEPANT, dosageInstruction=daily(75)),
        "US",
        {*NEW, "SAF-02"},
    ),
    "rimegepant every day with amiodarone": (
        [beside("amiodarone 200 mg")],
        draft(RIMEGEPANT, dosageInstruction=daily(75)),
        "US",
        {*NEW, "SAF-02"},
    ),
    "atogepant with ciclosporin": (
        [beside("ciclosporin 100 mg")],
        draft(ATOGEPANT, dosageInstruction=daily(60)),
        "US",
        {*NEW, "SAF-02"},
    ),
    "half of it with ciclosporin": (
        [beside("ciclosporin 100 mg")],
        draft(ATOGEPANT, dosageInstruction=daily(30)),
        "US",
        NEW,
    ),
    "ergotamine for a week": ([], draft(ERGOTAMINE, dosageInstruction=daily(1)), "US", set()),
    "ergotamine every day": ([], draft(ERGOTAMINE, dosageInstruction=daily(2)), "US", {"SAF-02"}),
    "metoclopramide for five days": ([], draft(METOCLOPRAMIDE, dosageInstruction=lasting(10, 5)), "UK", set()),
    "metoclopramide for six days": ([], draft(METOCLOPRAMIDE, dosageInstruction=lasting(10, 6)), "UK", {"SAF-02"}),
    "metoclopramide for six days in the US": (
        [],
        draft(METOCLOPRAMIDE, dosageInstruction=lasting(10, 6)),
        "US",
        set(),
    ),
    "metoclopramide as needed for a month": (
        [],
        draft(METOCLOPRAMIDE, dosageInstruction=[as_needed(10, timing=lasting(10, 30)[0]["timing"])]),
        "UK",
        set(),
    ),
    "domperidone for a week": ([], draft(DOMPERIDONE, dosageInstruction=lasting(10, 7)), "EU", set()),
    "domperidone for eight days": ([], draft(DOMPERIDONE, dosageInstruction=lasting(10, 8)), "EU", {"SAF-02"}),
    "candesartan in the UK": ([], draft(CANDESARTAN, dosageInstruction=daily(16)), "UK", {"PRV-02"}),
    "twice of it in the UK": ([], draft(CANDESARTAN, dosageInstruction=daily(32)), "UK", {"PRV-02", "SAF-02"}),
    "twice of it in the US": ([], draft(CANDESARTAN, dosageInstruction=daily(32)), "US", {"PRV-02"}),
    "twice of it for blood pressure in the UK": (
        [],
        draft(CANDESARTAN, dosageInstruction=daily(32), reasonCode=[HTN]),
        "UK",
        set(),
    ),
    "a triptan every 2 hours": ([], draft(SUMATRIPTAN, dosageInstruction=EVERY_2_HOURS), "US", {"SAF-02"}),
    "as needed is no schedule": (
        [],
        draft(SUMATRIPTAN, dosageInstruction=[EVERY_2_HOURS[0] | {"asNeededBoolean": True}]),
        "US",
        set(),
    ),
    "nor in words beside it": (
        [],
        draft(SUMATRIPTAN, dosageInstruction=[EVERY_2_HOURS[0] | {"text": "Every 2 hours as needed for migraine"}]),
        "US",
        set(),
    ),
    "nor in words alone": (
        [],
        draft(
            rxnorm("313161"), dosageInstruction=[{"text": "1 tablet every 2 hours as needed, max 2 tablets per day"}]
        ),
        "US",
        set(),
    ),
    "too much at once, as needed": ([], draft(SUMATRIPTAN, dosageInstruction=[as_needed(200)]), "US", {"SAF-02"}),
    "six doses of dihydroergotamine in a week": (
        [],
        draft(rxnorm("3418"), dosageInstruction=[UNDER_THE_SKIN | dose(1, frequency=6, period=1, periodUnit="wk")]),
        "US",
        set(),
    ),
    "seven of them": (
        [],
        draft(rxnorm("3418"), dosageInstruction=[UNDER_THE_SKIN | dose(1, frequency=7, period=1, periodUnit="wk")]),
        "US",
        {"SAF-02"},
    ),
    "ketorolac by mouth": (
        [],
        draft(KETOROLAC, dosageInstruction=[BY_MOUTH | dose(10, frequency=4, period=1, periodUnit="d")]),
        "US",
        set(),
    ),
    "too much of it at once": ([], draft(KETOROLAC, dosageInstruction=[BY_MOUTH | dose(30)]), "US", {"SAF-02"}),
    "as much by injection, or nobody says how": ([], draft(KETOROLAC, 30), "US", set()),
    "zolmitriptan beside a quinolone": (
        [beside("ciprofloxacin 500 mg")],
        draft(rxnorm("135775"), dosageInstruction=daily(5, 2)),
        "UK",
        {"SAF-02"},
    ),
    "half of it beside a quinolone": (
        [beside("ciprofloxacin 500 mg")],
        draft(rxnorm("135775"), dosageInstruction=daily(5)),
        "UK",
        set(),
    ),
    "a dose that is not known": ([takes(PROPRANOLOL)], draft(RIZATRIPTAN), "US", set()),
    "contraindicated anyhow": ([takes(PROPRANOLOL), has("I25.10")], draft(RIZATRIPTAN, 10), "US", {"SAF-01"}),
}


@pytest.mark.parametrize(("chart", "order", "locale", "cards"), LIMITS.values(), ids=LIMITS)
def test_an_order_beside_its_limit(chart: list[Json], order: Json, locale: str, cards: set[str]) -> None:
    assert answered([condition(), *chart], "order-sign", orders=[order], locale=locale) == cards


@pytest.mark.parametrize(("birth", "speaks"), [("2008-06-15", True), ("2008-06-16", False)])
def test_limits_are_for_adults_with_and_without_migraine(birth: str, speaks: bool) -> None:
    adult = ADULT | {"birthDate": birth}
    order = draft(SUMATRIPTAN, 200, reasonCode=[concept(ICD10CM, "G44.009")])
    assert answered([], "order-sign", orders=[order], patient=adult) == ({"SAF-02"} if speaks else set())


def test_over_an_incomplete_problem_list_a_limit_is_not_judged() -> None:
    order = draft(SUMATRIPTAN, 200)
    assert answered([condition()], "order-sign", orders=[order], cut=["Condition"]) == {"INCOMPLETE"}


TOGETHER = {
    "two triptans": (SUMATRIPTAN, RIZATRIPTAN, {"SAF-02"}),
    "a triptan and an ergot": (SUMATRIPTAN, ERGOTAMINE, {"SAF-02"}),
    "one triptan twice": (SUMATRIPTAN, SUMATRIPTAN, set()),
    "a triptan and an NSAID": (SUMATRIPTAN, rxnorm("7258"), set()),
    "a triptan and a gepant": (SUMATRIPTAN, UBROGEPANT, set()),
}


@pytest.mark.parametrize(("one", "other", "cards"), TOGETHER.values(), ids=TOGETHER)
def test_what_must_not_meet_within_a_day(one: Json, other: Json, cards: set[str]) -> None:
    orders = [draft(one), draft(other, id="d2")]
    said = answered([condition()], "order-sign", orders=orders)
    assert said - {"ELG-01"} == cards  # a payer may ask something for the gepant alone
    assert answered([condition()], "order-select", orders=orders, selections=["d1"]) == cards


S100, R10 = taken(SUMATRIPTAN, 100), taken(RIZATRIPTAN, 10)
IBUPROFEN = taken(rxnorm("5640"), 600, id="ibuprofen")

LAST_RESORT = {
    "oxycodone for migraine": ([], draft(OXYCODONE), {"ACU-03"}),
    "tramadol for headache": ([], draft(rxnorm("10689"), reasonCode=[concept(ICD10CM, "R51.9")]), {"ACU-03"}),
    "codeine for a cough": ([], draft(rxnorm("2670"), reasonCode=[concept(ICD10CM, "R05.9")]), set()),
    "oxycodone for no stated reason": ([], draft(OXYCODONE, reasonCode=None), set()),
    "butalbital for no stated reason": ([], draft(BUTALBITAL, reasonCode=None), {"ACU-03"}),
    "butalbital for migraine": ([], draft(BUTALBITAL), {"ACU-03"}),
    "butalbital for tension-type headache": (
        [],
        draft(BUTALBITAL, reasonCode=[concept(ICD10CM, "G44.209")]),
        set(),
    ),
    "a triptan": ([], draft(SUMATRIPTAN), set()),
    "one class failed": ([S100, response(S100, 4, 0)], draft(OXYCODONE), {"ACU-03"}),
    "two triptans are one class": (
        [S100, response(S100, 4, 0), R10, response(R10, 4, 0)],
        draft(OXYCODONE),
        {"ACU-03"},
    ),
    "two classes failed": (
        [S100, response(S100, 4, 0), IBUPROFEN, response(IBUPROFEN, 4, 0)],
        draft(OXYCODONE),
        set(),
    ),
    "one helped": ([S100, response(S100, 4, 3), IBUPROFEN, response(IBUPROFEN, 4, 0)], draft(OXYCODONE), {"ACU-03"}),
    "triptans and ergots contraindicated": ([has("I25.10")], draft(OXYCODONE), set()),
    "ergots alone contraindicated": ([has("A41.9")], draft(OXYCODONE), {"ACU-03"}),
    "NSAIDs alone contraindicated": ([has("K25.0")], draft(OXYCODONE), {"ACU-03"}),
    "one failed, one contraindicated": ([has("K25.0"), S100, response(S100, 4, 0)], draft(OXYCODONE), set()),
}


@pytest.mark.parametrize(("chart", "order", "cards"), LAST_RESORT.values(), ids=LAST_RESORT)
def test_an_opioid_or_butalbital(chart: list[Json], order: Json, cards: set[str]) -> None:
    assert answered([condition(), *chart], "order-sign", orders=[order]) == cards


PREGNANCY, ULCER, ASTHMA, KIDNEYS = has("Z34.90"), has("K25.9"), has("J45.909"), has("N18.4")
PERCOCET = concept(text="oxycodone-acetaminophen 5-325 mg tablet")
COMBINED = {
    "an ACE inhibitor with a diuretic, by code": ([PREGNANCY], rxnorm("197885"), None, {"SAF-01"}),
    "in text": ([PREGNANCY], concept(text="lisinopril-hydrochlorothiazide 10-12.5 mg tablet"), None, {"SAF-01"}),
    "by the codes of its parts": ([PREGNANCY], both("29046", "5487"), None, {"SAF-01"}),
    "a beta blocker with a diuretic": ([ASTHMA], concept(text="atenolol/chlorthalidone 50/25"), None, {"SAF-01"}),
    "an opioid with an NSAID": ([ULCER], concept(text="hydrocodone / ibuprofen 7.5-200 mg"), None, {"SAF-01"}),
    "an NSAID with what is in no table": ([KIDNEYS], concept(text="naproxen/esomeprazole 500/20"), None, {"SAF-01"}),
    "butalbital with aspirin": ([ULCER], concept(text="butalbital-aspirin-caffeine"), None, {"SAF-01"}),
    "butalbital with aspirin, by a brand": ([ULCER], concept(text="Fiorinal"), None, {"SAF-01"}),
    "butalbital with acetaminophen, by a brand": ([has("K72.90")], concept(text="Fioricet"), None, {"SAF-01"}),
    "an allergy to a part": ([allergic(rxnorm("2670"))], rxnorm("993781"), None, {"SAF-01"}),
    "an allergy to the combination": ([allergic(concept(text="Percocet"))], PERCOCET, None, {"SAF-01"}),
    "a part of what somebody is allergic to": ([allergic(rxnorm("993781"))], rxnorm("2670"), None, {"SAF-01"}),
    "as eye drops": ([ASTHMA], concept(text="dorzolamide/timolol eye drops"), None, set()),
    "as a gel": ([ULCER], concept(text="ibuprofen / levomenthol gel"), None, set()),
    "nothing against it": ([], rxnorm("197885"), None, set()),
    "of nothing we know": ([ULCER], concept(text="amlodipine/atorvastatin 5/10"), None, set()),
    "no trial, class or limit of its parts": (
        [propranolol()],
        concept(text="atenolol/chlorthalidone"),
        MIGRAINE,
        set(),
    ),
    "an opioid with acetaminophen, for migraine": ([], rxnorm("857002"), MIGRAINE, {"ACU-03"}),
    "codeine with acetaminophen, for migraine": ([], rxnorm("993781"), MIGRAINE, {"ACU-03"}),
    "oxycodone with acetaminophen, in text": ([], PERCOCET, MIGRAINE, {"ACU-03"}),
    "oxycodone with acetaminophen, by a brand": ([], concept(text="Percocet 5-325 mg tablet"), MIGRAINE, {"ACU-03"}),
    "an ACE inhibitor with a diuretic, by a brand": ([PREGNANCY], concept(text="Zestoretic 20/12.5"), None, {"SAF-01"}),
    "in German": ([ASTHMA], concept(text="Metoprololsuccinat/Hydrochlorothiazid 95/12,5 mg"), None, {"SAF-01"}),
    "as eye drops, by a brand": ([ASTHMA], concept(text="Cosopt"), None, set()),
    "for back pain": ([], PERCOCET, concept(ICD10CM, "M54.5"), set()),
}


@pytest.mark.parametrize(("chart", "drug", "why", "cards"), COMBINED.values(), ids=COMBINED)
def test_a_combination_is_judged_by_what_it_holds(
    chart: list[Json], drug: Json, why: Json | None, cards: set[str]
) -> None:
    order = draft(drug, reasonCode=[why] if why else None)
    assert answered([condition(), *chart], "order-sign", orders=[order]) == cards


def test_a_combination_holds_the_ingredients_of_its_medication() -> None:
    parts = [{"itemCodeableConcept": rxnorm("29046")}, {"itemCodeableConcept": {"text": "Hydrochlorothiazide"}}]
    order = draft({}, reasonCode=None)
    order |= {"contained": [{"resourceType": "Medication", "id": "m", "ingredient": parts}]}
    order = without(order, "medicationCodeableConcept", medicationReference={"reference": "#m"})
    assert answered([PREGNANCY], "order-sign", orders=[order]) == {"SAF-01"}


def test_a_combination_of_the_british_table_is_one_too() -> None:
    co_codamol = draft(concept(SNOMED, "42009411000001103"))
    assert answered([condition()], "order-sign", orders=[co_codamol], locale="UK") == {"ACU-03"}


def test_the_silence_about_a_combination_needs_the_problem_list() -> None:
    order = draft(rxnorm("197885"), reasonCode=None)
    assert answered([condition()], "order-sign", orders=[order], cut=["Condition"]) == {"INCOMPLETE"}


def test_a_refilled_combination_asks_for_the_overuse_of_its_class() -> None:
    chart = [condition(), *[overuse(f"2026-{month}", opioid=10) for month in ("03", "04", "05")]]
    assert answered(chart, "medication-refill", orders=[draft(rxnorm("993781"))]) == {"MOH-01"}


def test_rizatriptan_with_meloxicam_is_rizatriptan() -> None:
    symbravo, rizatriptan, sumatriptan = (
        statement(drug, "active", "2025-06-01", None, dosage=[as_needed(amount)])
        for drug, amount in ((rxnorm("2711789"), 10), (RIZATRIPTAN, 10), (SUMATRIPTAN, 50))
    )
    failed = [condition(), symbravo, response(symbravo, 4, 0)]
    assert "DTT-04" not in answered([*failed, rizatriptan, response(rizatriptan, 4, 0)])
    assert "DTT-04" in answered([*failed, sumatriptan, response(sumatriptan, 4, 0)])
    order = draft(concept(text="Symbravo 20 mg/10 mg tablet"))
    assert answered([condition(), ULCER], "order-sign", orders=[order]) == {"SAF-01"}
    order = draft(rxnorm("2711795"), 1, "tablet")
    assert answered([condition(), takes(PROPRANOLOL)], "order-sign", orders=[order]) == {"SAF-02"}


def test_an_opioid_over_incomplete_medications_is_not_judged() -> None:
    assert answered([condition()], "order-sign", orders=[draft(OXYCODONE)], cut=["MedicationStatement"]) == set()


def days(april: int | None, may: int | None, code: str = "migraine-days") -> list[Json]:
    named = (("2026-04", april), ("2026-05", may))
    return [month(name, count, code) for name, count in named if count is not None]


RUNNING = takes(PROPRANOLOL, 160)
TAKEN_OTHERWISE = without(
    RUNNING,
    "medicationCodeableConcept",
    "reasonCode",
    status="recorded",
    medication={"concept": PROPRANOLOL},
    reason=[{"concept": MIGRAINE}],
    adherence={"code": {"coding": [{"code": "taking-not-as-directed"}]}},
)

CONTROL = {
    "seven days": ([RUNNING, *days(7, 7)], {"PRV-05"}),
    "six days": ([RUNNING, *days(7, 6)], set()),
    "six days before": ([RUNNING, *days(6, 7)], set()),
    "one month recorded": ([RUNNING, *days(None, 9)], set()),
    "nothing recorded": ([RUNNING], set()),
    "debilitating days stand in": ([RUNNING, *days(7, 7, "debilitating-headache-days")], {"PRV-05"}),
    "migraine days decide": ([RUNNING, *days(5, 5), *days(7, 7, "debilitating-headache-days")], set()),
    "headache days do not stand in": ([RUNNING, *days(12, 12, "headache-days")], set()),
    "56 days": ([without(RUNNING, effectivePeriod={"start": "2026-04-20"}), *days(9, 9)], {"PRV-05"}),
    "55 days": ([without(RUNNING, effectivePeriod={"start": "2026-04-21"}), *days(9, 9)], set()),
    "below the dose": ([takes(PROPRANOLOL, 79), *days(9, 9)], set()),
    "at the dose": ([takes(PROPRANOLOL, 80), *days(9, 9)], {"PRV-05"}),
    "no dose known": ([takes(PROPRANOLOL, dosage=None), *days(9, 9)], set()),
    "no longer taken": ([propranolol(), *days(9, 9)], set()),
    "one that does not count": ([takes(rxnorm("31555"), 5), *days(9, 9)], set()),
    "for blood pressure": ([takes(PROPRANOLOL, 160, reasonCode=[HTN]), *days(9, 9)], set()),
    "for no stated reason": ([takes(PROPRANOLOL, 160, reasonCode=None), *days(9, 9)], {"PRV-05"}),
    "for no stated reason beside hypertension": (
        [takes(PROPRANOLOL, 160, reasonCode=None), condition(HTN), *days(9, 9)],
        set(),
    ),
    "not taken as directed": ([TAKEN_OTHERWISE, *days(9, 9)], set()),
    "taken as directed": (
        [without(TAKEN_OTHERWISE, adherence={"code": {"coding": [{"code": "taking"}]}}), *days(9, 9)],
        {"PRV-05"},
    ),
    "resistant anyhow": (
        [takes(CANDESARTAN, 16), *heavy(), propranolol(), topiramate(), amitriptyline()],
        {*RESISTANT},
    ),
    "erenumab for 77 days": (
        [
            statement(
                rxnorm("2045613"),
                "active",
                "2026-03-30",
                None,
                dosage=[dose(140, frequency=1, period=28, periodUnit="d")],
            ),
            *days(9, 9),
        ],
        {"PRV-05"},
    ),
    "erenumab for 76 days": (
        [
            statement(
                rxnorm("2045613"),
                "active",
                "2026-03-31",
                None,
                dosage=[dose(140, frequency=1, period=28, periodUnit="d")],
            ),
            *days(9, 9),
        ],
        set(),
    ),
}


@pytest.mark.parametrize(("chart", "cards"), CONTROL.values(), ids=CONTROL)
def test_a_running_preventive(chart: list[Json], cards: set[str]) -> None:
    assert answered([condition(), *chart]) == cards


def test_control_over_incomplete_medications_is_not_judged() -> None:
    assert answered([condition(), RUNNING, *days(9, 9)], cut=["MedicationRequest"]) == set()


def unexplained(drug: str, amount: float, **more: Any) -> Json:
    return statement(rxnorm(drug), "completed", "2024-01-01", "2024-02-01", None, dosage=[dose(amount)], **more)


UNEXPLAINED = {
    "the third class": ([propranolol(), topiramate(), unexplained("704", 50)], {"DOC-01"}),
    "all three": ([unexplained("8787", 160), unexplained("38404", 100), unexplained("704", 50)], {"DOC-01"}),
    "two classes only": ([propranolol(), unexplained("704", 50)], set()),
    "in a class that failed": ([propranolol(), topiramate(), unexplained("6918", 200)], set()),
    "with a reason that is no failure": (
        [propranolol(), topiramate(), statement(rxnorm("704"), why=concept(SNOMED, "182846007"), dosage=[dose(50)])],
        set(),
    ),
    "possible without it": (
        [propranolol(), topiramate(), amitriptyline(), unexplained("214354", 16)],
        {"DTT-03"},
    ),
    "resistant without it": (
        [*heavy(), propranolol(), topiramate(), amitriptyline(), unexplained("214354", 16)],
        {*RESISTANT},
    ),
    "a low month": (
        [month("2026-05", 7), propranolol(), topiramate(), unexplained("704", 50)],
        set(),
    ),
    "months recorded": ([*heavy(), propranolol(), topiramate(), unexplained("704", 50)], {"DOC-01"}),
    "one that does not count": ([propranolol(), topiramate(), unexplained("31555", 5)], set()),
    "for blood pressure": ([propranolol(), topiramate(), unexplained("214354", 16, reasonCode=[HTN])], set()),
    "for no stated reason": ([propranolol(), topiramate(), unexplained("214354", 16, reasonCode=None)], {"DOC-01"}),
    "still taken": ([propranolol(), topiramate(), takes(rxnorm("704"), 50)], set()),
}


@pytest.mark.parametrize(("chart", "cards"), UNEXPLAINED.values(), ids=UNEXPLAINED)
def test_a_preventive_that_ended_for_no_recorded_reason(chart: list[Json], cards: set[str]) -> None:
    assert answered([condition(), *chart]) == cards


WELL = [condition(), takes(PROPRANOLOL, 160), taken(SUMATRIPTAN, 100), *days(3, 2)]
"""An adult with migraine, controlled by a preventive, with a triptan that is taken at its full dose."""


def test_a_patient_who_is_treated_well_gets_no_card() -> None:
    for hook in ("patient-view", "encounter-start", "encounter-discharge"):
        assert answered(WELL, hook) == set()
    assert answered(WELL, "medication-refill", orders=[draft(SUMATRIPTAN, 100)]) == set()
    assert answered(WELL, "medication-refill", orders=[draft(PROPRANOLOL, dosageInstruction=daily(160))]) == set()


SPRING = [overuse(name, triptan=10) for name in ("2026-03", "2026-04", "2026-05")]

REFILLS = {
    "a contraindicated one": ([has("I25.10")], draft(SUMATRIPTAN, 100), {"SAF-01"}),
    "too high a dose": ([], draft(SUMATRIPTAN, 200), {"SAF-02"}),
    "too low a dose": ([], draft(SUMATRIPTAN, 25), {"ACU-01"}),
    "a triptan overused": (SPRING, draft(SUMATRIPTAN, 100), {"MOH-01"}),
    "a preventive beside overuse": (SPRING, draft(PROPRANOLOL, dosageInstruction=daily(160)), set()),
    "a gepant beside overuse": (SPRING, draft(UBROGEPANT, 100), set()),
    "a preventive that does not control": (
        [RUNNING, *days(9, 9)],
        draft(PROPRANOLOL, dosageInstruction=daily(160)),
        {"PRV-05"},
    ),
    "another preventive": ([RUNNING, *days(9, 9)], draft(rxnorm("704"), dosageInstruction=daily(50)), set()),
    "a failed class": ([propranolol()], draft(rxnorm("6918"), dosageInstruction=daily(100)), set()),
    "an opioid": ([], draft(OXYCODONE), set()),
}


@pytest.mark.parametrize(("chart", "order", "cards"), REFILLS.values(), ids=REFILLS)
def test_a_refill(chart: list[Json], order: Json, cards: set[str]) -> None:
    assert answered([condition(), *chart], "medication-refill", orders=[order]) == cards


def test_no_dosage_is_needed_to_take_one_as_needed() -> None:
    assert (
        answered([condition()], "order-sign", orders=[draft(SUMATRIPTAN, dosageInstruction=[as_needed(100)])]) == set()
    )
