"""ED-01, REF-01 and NPH-01: what follows a hospital visit, and what difficult-to-treat migraine calls for."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from prodrome.rules.facts import Facts, FollowUp, HospitalVisit, Indication, NonDrugTreatment, Patient, When
from tests.rules.patients import DTT, ago, contact, emergency, judged, on, patient, rules_of, unjudged_of


def visits(*found: HospitalVisit, **facts: Any) -> Facts:
    return patient(hospital_visits=found, **facts)


@pytest.mark.parametrize(("days", "speaks"), [(0, True), (14, True), (90, True), (91, False), (-1, False)])
def test_a_hospital_visit_for_migraine_in_the_last_ninety_days(days: int, speaks: bool) -> None:
    assert ("ED-01" in rules_of(visits(emergency(days)))) is speaks
    assert ("ED-01" in rules_of(visits(emergency(days)), "encounter-discharge")) is speaks


def test_any_age_and_without_a_problem_list_entry() -> None:
    assert rules_of(visits(emergency(14), patient=Patient(on("2015")), conditions=())) == {"ED-01"}
    assert rules_of(visits(emergency(14), patient=None, conditions=())) == {"ED-01"}


def test_a_plain_headache_counts_beside_a_migraine_diagnosis_only() -> None:
    visit = emergency(14, reason=Indication.HEADACHE)
    assert rules_of(visits(visit)) == {"ED-01"}
    assert rules_of(visits(visit, conditions=())) == set()
    assert rules_of(visits(emergency(14, reason=Indication.OTHER))) == set()
    assert rules_of(visits(emergency(14, reason=Indication.UNSTATED))) == set()


@pytest.mark.parametrize(
    ("follow_up", "silences"),
    [
        (contact(13), True),
        (contact(14), True),
        (contact(15), False),
        (contact(10, "referral"), True),
        (FollowUp("referral", None, ("ServiceRequest/1",)), True),
        (contact(-5, "appointment"), True),
        (FollowUp("contact", on("2026-06"), ("Encounter/1",)), True),
        (FollowUp("contact", on("2026-05"), ("Encounter/1",)), False),
    ],
)
def test_specialist_care_after_the_start_of_the_visit_silences(follow_up: FollowUp, silences: bool) -> None:
    facts = visits(emergency(14), follow_ups=(follow_up,))
    assert ("ED-01" not in rules_of(facts)) is silences


def test_two_timestamps_compare_as_instants() -> None:
    def at(hour: int, day: int = 1) -> When:
        moment = datetime(2026, 6, day, hour, tzinfo=UTC)
        return When(moment.date(), moment.date(), moment)

    visit = HospitalVisit(at(12), at(18), reason=Indication.MIGRAINE, refs=("Encounter/1",))
    before = FollowUp("contact", at(9), ("Encounter/2",))
    after = FollowUp("contact", at(13), ("Encounter/2",))
    day_alone = FollowUp("contact", on("2026-06-01"), ("Encounter/2",))
    assert rules_of(visits(visit, follow_ups=(before,))) == {"ED-01"}
    assert rules_of(visits(visit, follow_ups=(after,))) == set()
    assert rules_of(visits(visit, follow_ups=(day_alone,))) == set()


def test_stays_that_touch_are_one_episode_and_one_of_them_for_migraine_is_enough() -> None:
    ward = HospitalVisit(ago(95), ago(88), reason=Indication.OTHER, refs=("Encounter/ward",))
    er = HospitalVisit(ago(96), ago(96), reason=Indication.MIGRAINE, refs=("Encounter/er",))
    assert rules_of(visits(er, ward)) == {"ED-01"}, "the episode ended 88 days ago"
    apart = replace(ward, start=ago(94))
    assert rules_of(visits(er, apart)) == set(), "two days apart: the one for migraine ended 96 days ago"


def test_a_running_stay_counts_from_its_start() -> None:
    running = HospitalVisit(ago(3), None, running=True, reason=Indication.MIGRAINE, refs=("Encounter/1",))
    assert rules_of(visits(running), "encounter-discharge") == {"ED-01"}
    assert rules_of(visits(replace(running, start=ago(91)))) == set()


def test_a_stay_never_closed_does_not_swallow_later_visits() -> None:
    forgotten = HospitalVisit(ago(700), None, running=True, reason=Indication.OTHER, refs=("Encounter/1",))
    assert rules_of(visits(forgotten, emergency(14))) == {"ED-01"}


def test_a_partial_date_counts_only_where_every_day_of_it_would() -> None:
    may = HospitalVisit(on("2026-05"), on("2026-05"), reason=Indication.MIGRAINE, refs=("Encounter/1",))
    march = HospitalVisit(on("2026-03"), on("2026-03"), reason=Indication.MIGRAINE, refs=("Encounter/1",))
    assert rules_of(visits(may)) == {"ED-01"}
    assert rules_of(visits(march)) == set()


@pytest.mark.parametrize("missing", ["Encounter", "Appointment", "ServiceRequest"])
def test_no_follow_up_cannot_be_concluded_from_incomplete_data(missing: str) -> None:
    facts = visits(emergency(14), missing=[missing])
    assert rules_of(facts) == set()
    assert unjudged_of(facts) == {"ED-01"}
    [unjudged] = judged(facts).unjudged
    assert unjudged.missing == (missing,)
    assert unjudged.reportable
    silenced = visits(emergency(14), missing=[missing], follow_ups=(contact(3),))
    assert unjudged_of(silenced) == set(), "positive evidence on a part that came is enough"
    assert unjudged_of(patient(missing=[missing])) == set(), "no visit, nothing to judge"


@pytest.mark.parametrize(
    ("follow_up", "silences"),
    [
        (contact(365), True),
        (contact(366), False),
        (contact(365, "referral"), True),
        (contact(366, "referral"), False),
        (FollowUp("referral", None, ("ServiceRequest/1",)), True),
        (contact(-10, "appointment"), True),
        (FollowUp("contact", on("2025"), ("Encounter/1",)), True),
        (FollowUp("contact", on("2024"), ("Encounter/1",)), False),
    ],
)
def test_referral_is_advised_unless_a_specialist_is_involved(follow_up: FollowUp, silences: bool) -> None:
    assert ("REF-01" not in rules_of(replace(DTT, follow_ups=(follow_up,)))) is silences


def test_the_hospital_card_silences_the_referral_card() -> None:
    found = rules_of(replace(DTT, hospital_visits=(emergency(14),)))
    assert "ED-01" in found
    assert "REF-01" not in found


def test_where_the_hospital_rule_cannot_be_judged_neither_can_the_referral() -> None:
    facts = replace(DTT, hospital_visits=(emergency(14),), completeness=patient(missing=["Appointment"]).completeness)
    assert unjudged_of(facts) == {"ED-01", "REF-01"}


@pytest.mark.parametrize("kind", ["acupuncture", "biofeedback", "cbt", "relaxation", "neurostimulation"])
@pytest.mark.parametrize(("days", "silences"), [(0, True), (365, True), (366, False)])
def test_non_drug_treatments_are_offered_unless_one_was_used(kind: str, days: int, silences: bool) -> None:
    treatment = NonDrugTreatment(kind, ago(days), refs=("Procedure/1",))
    assert ("NPH-01" not in rules_of(replace(DTT, non_drug_treatments=(treatment,)))) is silences


def test_a_non_drug_treatment_for_something_else_does_not_count() -> None:
    back_pain = NonDrugTreatment("acupuncture", ago(30), Indication.OTHER, ("Procedure/1",))
    assert "NPH-01" in rules_of(replace(DTT, non_drug_treatments=(back_pain,)))
    undated = NonDrugTreatment("acupuncture", None, refs=("Procedure/1",))
    assert "NPH-01" not in rules_of(replace(DTT, non_drug_treatments=(undated,)))


@pytest.mark.parametrize("missing", ["Procedure", "ServiceRequest", "DeviceUseStatement"])
def test_no_treatment_cannot_be_concluded_from_incomplete_data(missing: str) -> None:
    facts = replace(DTT, completeness=patient(missing=[missing]).completeness)
    assert "NPH-01" not in rules_of(facts)
    unjudged = {u.rule.id: u.reportable for u in judged(facts).unjudged}
    assert unjudged["NPH-01"] is False


def test_nothing_is_advised_to_who_is_not_difficult_to_treat() -> None:
    assert rules_of(patient()) == set()
    assert unjudged_of(patient(missing=["Procedure", "Encounter"])) == set()
