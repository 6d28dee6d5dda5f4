"""DTT-01..04: who is difficult to treat, at every boundary of the definition."""

from dataclasses import replace
from datetime import date

import pytest

from prodrome.rules.facts import (
    Allergy,
    AttackRecord,
    Condition,
    Indication,
    Patient,
    Stop,
    StopReason,
    Trial,
)
from tests.rules.patients import (
    CHRONIC,
    DTT,
    HEAVY,
    MIGRAINE,
    SIX_FAILED,
    SIX_HEAVY,
    THREE_FAILED,
    attacks,
    judged,
    months,
    on,
    order,
    patient,
    rules_of,
    stopped,
)


def test_three_failed_classes_and_three_heavy_months_are_resistant() -> None:
    assert {"DTT-01", "PRV-04", "NPH-01", "REF-01"} == rules_of(DTT)


@pytest.mark.parametrize("days", [(12, 7, 12), (7, 12, 12), (12, 12, 7)])
def test_one_month_below_eight_days_is_neither_resistant_nor_possible(days: tuple[int, ...]) -> None:
    assert rules_of(patient(trials=THREE_FAILED, headache_months=months(*days))) == set()


def test_eight_days_are_enough() -> None:
    assert "DTT-01" in rules_of(patient(trials=THREE_FAILED, headache_months=months(8, 8, 8)))


def test_two_drugs_of_one_class_are_one_class() -> None:
    trials = (stopped("propranolol"), stopped("metoprolol"), stopped("topiramate", StopReason.INTOLERANCE))
    assert rules_of(patient(trials=trials, headache_months=HEAVY)) == set()


def test_ace_inhibitor_and_arb_are_one_class_in_the_count() -> None:
    trials = (stopped("lisinopril"), stopped("candesartan"), stopped("propranolol"))
    assert "DTT-01" not in rules_of(patient(trials=trials, headache_months=HEAVY))


def test_a_class_contraindicated_as_a_whole_counts_and_is_not_called_failed() -> None:
    asthma = Condition(frozenset({"asthma"}), refs=("Condition/asthma",))
    facts = patient(
        conditions=(MIGRAINE, asthma),
        trials=(stopped("topiramate", StopReason.INTOLERANCE), stopped("venlafaxine", StopReason.INTOLERANCE)),
        headache_months=months(9, 9, 8),
    )
    judgement = judged(facts)
    assert judgement.holds("DTT-01")
    assert {(f.fields["id"], f.fields["how"]) for f in judgement.of_type("exhausted")} == {
        ("E1", "failed"),
        ("E2", "failed"),
        ("E3", "contraindicated"),
    }


def test_contraindications_alone_make_nobody_difficult_to_treat() -> None:
    conditions = (
        MIGRAINE,
        Condition(frozenset({"asthma"}), refs=("Condition/1",)),
        Condition(frozenset({"angle_closure_glaucoma"}), refs=("Condition/2",)),
        Condition(frozenset({"parkinsonism"}), refs=("Condition/3",)),
    )
    facts = patient(conditions=conditions, headache_months=HEAVY)
    assert rules_of(facts, locale="EU") == set()
    with_one = patient(conditions=conditions, headache_months=HEAVY, trials=(stopped("topiramate"),))
    assert "DTT-01" in rules_of(with_one, locale="EU")


def test_angioedema_rules_out_ace_inhibitors_and_leaves_their_class_open() -> None:
    angioedema = Condition(frozenset({"angioedema_history"}), refs=("Condition/a",))
    facts = patient(conditions=(MIGRAINE, angioedema), trials=THREE_FAILED[:2], headache_months=HEAVY)
    assert "DTT-01" not in rules_of(facts)


def test_pregnancy_never_counts_towards_the_classes() -> None:
    pregnant = Condition(frozenset({"pregnancy"}), refs=("Condition/p",))
    facts = patient(conditions=(MIGRAINE, pregnant), trials=THREE_FAILED[::2], headache_months=HEAVY)
    assert "DTT-01" not in rules_of(facts)


@pytest.mark.parametrize(
    ("birth", "speaks"),
    [
        ("2008-06-15", True),
        ("2008-06-16", False),
        ("2008", False),
        ("2007", True),
        ("2008-06", False),
        ("2008-05", True),
    ],
)
def test_a_birth_date_that_leaves_under_eighteen_open_counts_as_under(birth: str, speaks: bool) -> None:
    facts = patient(patient=Patient(on(birth)), trials=THREE_FAILED, headache_months=HEAVY)
    assert ("DTT-01" in rules_of(facts)) is speaks


def test_without_a_birth_date_nothing_is_concluded() -> None:
    assert rules_of(patient(patient=Patient(None), trials=THREE_FAILED, headache_months=HEAVY)) == set()


@pytest.mark.parametrize("who", [Patient(None), None])
def test_an_unknown_age_is_not_judged_for_want_of_the_patient(who: Patient | None) -> None:
    facts = patient(patient=who, trials=THREE_FAILED, headache_months=HEAVY)
    judgement = judged(facts, "patient-view")
    assert not judgement.findings
    assert {unjudged.rule.id: unjudged.missing for unjudged in judgement.unjudged}["DTT-01"] == ("Patient",)
    assert not any(unjudged.reportable for unjudged in judgement.unjudged)


def test_an_age_under_18_is_a_no() -> None:
    facts = patient(patient=Patient(on("2015")), trials=THREE_FAILED, headache_months=HEAVY)
    assert not judged(facts, "patient-view").unjudged


def test_no_card_for_a_patient_recorded_as_deceased() -> None:
    alive = Patient(on("1980-01-01"))
    for who, spoken in ((alive, True), (replace(alive, deceased=True), False)):
        facts = patient(patient=who, trials=THREE_FAILED, headache_months=HEAVY)
        judgement = judged(facts, "patient-view")
        assert bool(judgement.findings) is spoken
        assert spoken or not judgement.unjudged
    assert rules_of(patient(patient=None, trials=THREE_FAILED, headache_months=HEAVY)) == set()


def test_without_a_migraine_diagnosis_nothing_is_concluded() -> None:
    assert rules_of(patient(conditions=(), trials=THREE_FAILED, headache_months=HEAVY)) == set()


def test_months_missing_make_it_possible() -> None:
    assert rules_of(patient(trials=THREE_FAILED)) == {"DTT-03"}
    assert rules_of(patient(trials=THREE_FAILED, headache_months=months(10, None, 11))) == {"DTT-03"}


def test_the_month_of_today_is_not_one_of_the_last_months() -> None:
    assert "DTT-01" in rules_of(patient(trials=THREE_FAILED, headache_months=(*HEAVY, *months(None))))


def test_headache_days_below_eight_silence_possible_and_migraine_days_prove_nothing() -> None:
    low = patient(trials=THREE_FAILED, headache_months=months(7, 10, 10, start="headache"))
    assert rules_of(low) == set()
    third = patient(trials=THREE_FAILED, headache_months=months(23 / 3, start="headache"))
    assert rules_of(third) == set()
    proves_nothing = patient(trials=THREE_FAILED, headache_months=months(2, 2, 2, start="migraine"))
    assert rules_of(proves_nothing) == {"DTT-03"}


def test_proxy_days_make_possible_and_count_only_where_the_site_says_so() -> None:
    facts = patient(trials=THREE_FAILED, headache_months=months(10, 10, 10, start="headache"))
    assert rules_of(facts) == {"DTT-03"}
    assert "DTT-01" in rules_of(facts, parameters={"accept_proxy_days": True})


def test_an_attested_low_month_beats_high_headache_days() -> None:
    from dataclasses import replace

    low = tuple(replace(month, headache=20) for month in months(7, 7, 7))
    assert rules_of(patient(trials=THREE_FAILED, headache_months=low)) == set()
    assert rules_of(patient(trials=THREE_FAILED, headache_months=low), parameters={"accept_proxy_days": True}) == set()


def test_all_classes_available_here_and_six_months_are_refractory() -> None:
    facts = patient(conditions=(CHRONIC,), trials=SIX_FAILED, headache_months=SIX_HEAVY)
    found = rules_of(facts)
    assert "DTT-02" in found
    assert "DTT-01" not in found
    assert "DTT-02" not in rules_of(facts, locale="EU"), "flunarizine is available there and untried"


def test_botulinum_toxin_is_required_only_in_chronic_migraine() -> None:
    facts = patient(trials=SIX_FAILED[:-1], headache_months=SIX_HEAVY)
    assert "DTT-02" in rules_of(facts)
    chronic = patient(conditions=(CHRONIC,), trials=SIX_FAILED[:-1], headache_months=SIX_HEAVY)
    assert rules_of(chronic) >= {"DTT-01"}
    assert "DTT-02" not in rules_of(chronic)


def test_a_failed_botulinum_trial_counts_in_any_migraine() -> None:
    trials = (*THREE_FAILED[:2], stopped("onabotulinumtoxina", StopReason.INTOLERANCE))
    assert "DTT-01" in rules_of(patient(trials=trials, headache_months=HEAVY))


def test_a_drug_that_is_not_sold_here_counts_where_it_really_failed() -> None:
    trials = (*THREE_FAILED[:2], stopped("flunarizine"))
    assert "DTT-01" in rules_of(patient(trials=trials, headache_months=HEAVY))


@pytest.mark.parametrize("drug", ["verapamil", "losartan", "duloxetine", "gabapentin", "pizotifen", "nebivolol"])
def test_drugs_without_established_evidence_do_not_count(drug: str) -> None:
    trials = (*THREE_FAILED[:2], stopped(drug, StopReason.INTOLERANCE, dose=10))
    if drug == "duloxetine":
        trials = (stopped("propranolol"), stopped("topiramate"), trials[-1])
    assert rules_of(patient(trials=trials, headache_months=HEAVY)) == set()


UNCERTAIN = {
    "drug in text": stopped("amitriptyline", coded=False),
    "reason in text": stopped("amitriptyline", stop=Stop(StopReason.INEFFICACY, coded=False)),
    "purpose not said": stopped("amitriptyline", indication=Indication.UNSTATED),
    "purpose in text": stopped("amitriptyline", indication_coded=False),
    "non-adherence": stopped("amitriptyline", stop=Stop(StopReason.INEFFICACY, coded=True, nonadherent=True)),
    "conflict": stopped("amitriptyline", stop=Stop(StopReason.INTOLERANCE, coded=True, conflicting=True)),
    "suspected": stopped("amitriptyline", stop=Stop(StopReason.INTOLERANCE, coded=True, suspected=True)),
    "dates open": stopped("amitriptyline", start="2024", end="2025"),
}


@pytest.mark.parametrize("third", UNCERTAIN.values(), ids=UNCERTAIN)
def test_an_uncertain_third_failure_is_possible_only(third: Trial) -> None:
    assert rules_of(patient(trials=(*THREE_FAILED[:2], third), headache_months=HEAVY)) == {"DTT-03"}


@pytest.mark.parametrize(
    "reason", [StopReason.UNKNOWN, StopReason.OTHER, StopReason.SUCCEEDED, StopReason.CONTRAINDICATED]
)
def test_other_reasons_are_no_failure_not_even_an_uncertain_one(reason: StopReason) -> None:
    facts = patient(trials=(*THREE_FAILED[:2], stopped("amitriptyline", reason)), headache_months=HEAVY)
    assert rules_of(facts) == ({"DOC-01"} if reason is StopReason.UNKNOWN else set())


def test_a_running_drug_is_ongoing_whatever_the_diary_says() -> None:
    running = Trial("amitriptyline", "preventive", running=True, start=on("2020"), indication=Indication.MIGRAINE)
    assert rules_of(patient(trials=(*THREE_FAILED[:2], running), headache_months=HEAVY)) == set()


def test_a_drug_for_another_reason_is_no_trial_of_it() -> None:
    facts = patient(
        trials=(*THREE_FAILED[:2], stopped("amitriptyline", indication=Indication.OTHER)), headache_months=HEAVY
    )
    assert rules_of(facts) == set()


def test_a_drug_for_no_stated_reason_is_none_where_the_patient_has_another_use_for_it() -> None:
    depression = Condition(frozenset({"other_use.tricyclics_snri"}), refs=("Condition/d",))
    group = judged(patient()).guideline.drugs["amitriptyline"].also_given_for
    assert group
    depression = Condition(frozenset({group}), refs=("Condition/d",))
    trials = (*THREE_FAILED[:2], stopped("amitriptyline", indication=Indication.UNSTATED))
    assert rules_of(patient(conditions=(MIGRAINE, depression), trials=trials, headache_months=HEAVY)) == set()
    assert rules_of(patient(trials=trials, headache_months=HEAVY)) == {"DTT-03"}


def test_an_allergy_is_a_failure_as_certain_as_the_record_makes_it() -> None:
    def with_allergy(drug: str, trial: Trial | None = None, *, coded: bool = True) -> set[str]:
        trials = THREE_FAILED[:2] if trial is None else (*THREE_FAILED[:2], trial)
        allergies = (Allergy(drug, "intolerance", coded, ("AllergyIntolerance/a",)),)
        return rules_of(patient(trials=trials, allergies=allergies, headache_months=HEAVY))

    assert with_allergy("amitriptyline") == {"DTT-03"}
    assert "DTT-01" in with_allergy("erenumab")
    assert with_allergy("erenumab", coded=False) == {"DTT-03"}
    assert "DTT-01" in with_allergy("amitriptyline", stopped("amitriptyline", StopReason.INTOLERANCE))
    assert "DTT-01" in with_allergy("amitriptyline", stopped("amitriptyline", StopReason.UNKNOWN))
    assert "DTT-01" in with_allergy("amitriptyline", stopped("amitriptyline"))
    assert with_allergy("amitriptyline", stopped("amitriptyline", StopReason.SUCCEEDED)) == {"DTT-03"}


@pytest.mark.parametrize(
    ("records", "unresponsive"),
    [
        ((attacks("sumatriptan", 4, 0, 100), attacks("rizatriptan", 4, 1, 10)), True),
        ((attacks("sumatriptan", 4, 2, 50), attacks("rizatriptan", 4, 2, 10)), True),
        ((attacks("sumatriptan", 4, 3, 50), attacks("rizatriptan", 4, 2, 10)), False),
        ((attacks("sumatriptan", 3, 0, 100), attacks("rizatriptan", 4, 1, 10)), False),
        ((attacks("sumatriptan", 2, 0, 100), attacks("sumatriptan", 2, 0, 50), attacks("rizatriptan", 4, 1, 10)), True),
        ((attacks("sumatriptan", 4, 0, 25), attacks("rizatriptan", 4, 1, 10)), False),
        ((attacks("sumatriptan", 4, 0, None), attacks("rizatriptan", 4, 1, 10)), False),
        ((attacks("sumatriptan", 4, 0, 100), attacks("sumatriptan_naproxen", 4, 1, 85)), False),
        (
            (attacks("sumatriptan", 4, 0, 6, route="subcutaneous"), attacks("zolmitriptan", 8, 5, 5, route="nasal")),
            True,
        ),
        ((attacks("sumatriptan", 4, 0, 100), attacks("ibuprofen", 4, 0, 600)), False),
        (
            (
                attacks("sumatriptan", 4, 0, 100, indication=Indication.OTHER),
                attacks("rizatriptan", 4, 1, 10),
            ),
            False,
        ),
    ],
)
def test_two_different_triptans_failed_at_full_dose(records: tuple[AttackRecord, ...], unresponsive: bool) -> None:
    assert ("DTT-04" in rules_of(patient(attack_records=records))) is unresponsive


def test_rizatriptan_five_milligrams_is_full_on_propranolol() -> None:
    records = (attacks("sumatriptan", 4, 0, 100), attacks("rizatriptan", 4, 1, 5))
    propranolol = Trial("propranolol", "preventive", running=True, indication=Indication.OTHER, refs=("X/1",))
    assert "DTT-04" not in rules_of(patient(attack_records=records))
    assert "DTT-04" in rules_of(patient(attack_records=records, trials=(propranolol,)))


def test_without_triptans_two_other_acute_drugs_decide() -> None:
    heart = Condition(frozenset({"cad_ihd"}), refs=("Condition/h",))
    two = (attacks("ibuprofen", 4, 0, 600), attacks("acetaminophen", 4, 1, 1000))
    assert "DTT-04" in rules_of(patient(conditions=(MIGRAINE, heart), attack_records=two))
    assert "DTT-04" not in rules_of(patient(attack_records=two))
    assert "DTT-04" not in rules_of(patient(conditions=(MIGRAINE, heart), attack_records=two[:1]))
    unstated = tuple(
        attacks(record.drug, record.treated, record.relieved, record.single_dose, indication=Indication.UNSTATED)
        for record in two
    )
    assert "DTT-04" not in rules_of(patient(conditions=(MIGRAINE, heart), attack_records=unstated))


def acute(drug: str, reason: StopReason, *, dose: float | None = None, coded: bool = True) -> Trial:
    return Trial(
        drug,
        "acute",
        single_dose=dose,
        stop=Stop(reason, coded=coded),
        refs=(f"MedicationStatement/{drug}",),
    )


def test_an_acute_drug_stopped_for_side_effects_failed_and_a_weak_failure_does_not_count() -> None:
    not_tolerated = (acute("sumatriptan", StopReason.INTOLERANCE), acute("rizatriptan", StopReason.INTOLERANCE))
    assert "DTT-04" in rules_of(patient(trials=not_tolerated))
    in_text = (not_tolerated[0], acute("rizatriptan", StopReason.INTOLERANCE, coded=False))
    assert "DTT-04" not in rules_of(patient(trials=in_text))
    weak = (not_tolerated[0], acute("rizatriptan", StopReason.INEFFICACY, dose=10))
    assert rules_of(patient(trials=weak)) == {"ACU-02"}


def test_difficult_to_treat_is_known_at_every_hook() -> None:
    assert judged(DTT, "order-select").holds("DTT-01")
    assert judged(
        patient(trials=THREE_FAILED, headache_months=HEAVY, orders=(order("metoprolol", "preventive"),))
    ).today == date(2026, 6, 15)
