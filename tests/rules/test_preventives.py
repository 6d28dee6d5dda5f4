"""PRV-01..04 and the adequacy of trials: classes that failed, new preventives, and trials that prove nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.rules.doses import adequacy
from prodrome.rules.facts import (
    Administration,
    Condition,
    Indication,
    Step,
    Stop,
    StopReason,
    Trial,
    When,
)
from prodrome.rules.guideline.guideline import load_guideline
from tests.rules.patients import (
    CHRONIC,
    DTT,
    MIGRAINE,
    TODAY,
    ago,
    judged,
    months,
    on,
    order,
    patient,
    rules_of,
    stopped,
    unjudged_of,
)

METOPROLOL = order("metoprolol", "preventive", per_day=100)


def test_a_class_that_failed_is_not_started_again() -> None:
    facts = patient(trials=(stopped("propranolol"),), orders=(METOPROLOL,))
    assert rules_of(facts, "order-select") == {"PRV-01", "PRV-02"}
    [finding] = [f for f in judged(facts, "order-sign").findings if f.rule.id == "PRV-01"]
    assert finding.order == "order-0"


def test_the_narrower_class_decides_what_need_not_be_tried() -> None:
    assert "PRV-01" not in rules_of(
        patient(trials=(stopped("lisinopril"),), orders=(order("candesartan", "preventive"),)), "order-sign"
    )
    assert "PRV-01" not in rules_of(
        patient(trials=(stopped("erenumab"),), orders=(order("atogepant", "preventive"),)), "order-sign"
    )
    assert "PRV-01" in rules_of(
        patient(trials=(stopped("erenumab", StopReason.INTOLERANCE),), orders=(order("fremanezumab", "preventive"),)),
        "order-sign",
    )


def test_only_a_certain_failure_of_a_counting_drug_speaks_for_its_class() -> None:
    uncertain = stopped("propranolol", stop=Stop(StopReason.INEFFICACY, coded=False))
    assert "PRV-01" not in rules_of(patient(trials=(uncertain,), orders=(METOPROLOL,)), "order-sign")
    not_counting = stopped("nebivolol", StopReason.INTOLERANCE)
    assert "PRV-01" not in rules_of(patient(trials=(not_counting,), orders=(METOPROLOL,)), "order-sign")


def test_a_beta_blocker_ordered_for_something_else_is_no_preventive() -> None:
    pressure = order("metoprolol", "preventive", indication=Indication.OTHER)
    assert rules_of(patient(trials=(stopped("propranolol"),), orders=(pressure,)), "order-sign") == set()
    unstated = order("metoprolol", "preventive", indication=Indication.UNSTATED)
    assert "PRV-01" in rules_of(patient(trials=(stopped("propranolol"),), orders=(unstated,)), "order-sign")
    group = load_guideline().drugs["metoprolol"].also_given_for
    hypertension = Condition(frozenset({str(group)}), refs=("Condition/h",))
    facts = patient(conditions=(MIGRAINE, hypertension), trials=(stopped("propranolol"),), orders=(unstated,))
    assert rules_of(facts, "order-sign") == set()


def test_an_order_for_no_stated_reason_is_not_judged_over_an_incomplete_problem_list() -> None:
    unstated = order("metoprolol", "preventive", indication=Indication.UNSTATED)
    facts = patient(trials=(stopped("propranolol"),), orders=(unstated,), missing=["Condition"])
    assert "PRV-01" not in rules_of(facts, "order-sign")


def test_each_order_is_judged_on_its_own() -> None:
    orders = (METOPROLOL, order("candesartan", "preventive"))
    judgement = judged(patient(trials=(stopped("propranolol"),), orders=orders), "order-sign")
    assert {(f.rule.id, f.order) for f in judgement.findings} == {
        ("PRV-01", "order-0"),
        ("PRV-02", "order-0"),
        ("PRV-02", "order-1"),
    }


@pytest.mark.parametrize(
    ("end", "counsels"), [(365, False), (366, True), (None, False), (0, False)], ids=["365", "366", "running", "today"]
)
def test_counselling_is_for_a_drug_not_taken_in_the_last_year(end: int | None, counsels: bool) -> None:
    earlier = Trial(
        "metoprolol",
        "preventive",
        running=end is None,
        start=ago(900),
        end=None if end is None else ago(end),
        indication=Indication.OTHER,
        refs=("MedicationStatement/1",),
    )
    assert ("PRV-02" in rules_of(patient(trials=(earlier,), orders=(METOPROLOL,)), "order-sign")) is counsels


def test_a_drug_that_may_have_been_taken_in_the_last_year_is_not_new() -> None:
    undated = Trial("metoprolol", "preventive", indication=Indication.OTHER, refs=("MedicationStatement/1",))
    last_year = replace(undated, start=on("2024"), end=on("2025"))
    assert "PRV-02" not in rules_of(patient(trials=(undated,), orders=(METOPROLOL,)), "order-sign")
    assert "PRV-02" not in rules_of(patient(trials=(last_year,), orders=(METOPROLOL,)), "order-sign")


def test_counselling_needs_a_side_effect_profile_and_complete_medications() -> None:
    gabapentin = patient(orders=(order("gabapentin", "preventive"),))
    assert rules_of(gabapentin, "order-sign") == set()
    facts = patient(orders=(METOPROLOL,), missing=["MedicationStatement"])
    assert rules_of(facts, "order-sign") == set()
    assert "PRV-02" in unjudged_of(facts, "order-sign")
    no_problem_list = patient(conditions=(), orders=(METOPROLOL,), missing=["Condition"])
    assert rules_of(no_problem_list, "order-select") == {"PRV-02"}


def test_a_contraindicated_order_gets_no_counselling() -> None:
    asthma = Condition(frozenset({"asthma"}), refs=("Condition/a",))
    facts = patient(conditions=(MIGRAINE, asthma), trials=(stopped("propranolol"),), orders=(METOPROLOL,))
    assert rules_of(facts, "order-sign") == {"SAF-01"}


def short(drug: str = "topiramate", *, days: int = 25, dose: float = 50, ended: int = 100, **more: object) -> Trial:
    start, end = ago(ended + days), ago(ended)
    trial = stopped(drug, **more)  # type: ignore[arg-type]
    return replace(trial, start=start, end=end, steps=(Step(start, end, dose),))


@pytest.mark.parametrize(
    ("trial", "speaks"),
    [
        (short(), True),
        (short(days=55), True),
        (short(days=56), False),
        (short(days=200, dose=49), True),
        (short(ended=730), True),
        (short(ended=731), False),
        (short(stop=Stop(StopReason.INEFFICACY, coded=False)), True),
        (short(indication=Indication.UNSTATED), True),
        (short(indication=Indication.OTHER), False),
        (short("flunarizine", dose=10), False),
        (short("verapamil", dose=240), False),
        (short("onabotulinumtoxina", dose=155), False),
        (short(stop=Stop(StopReason.INTOLERANCE, coded=True)), False),
    ],
)
def test_a_trial_too_short_or_too_low_is_named(trial: Trial, speaks: bool) -> None:
    assert ("PRV-03" in rules_of(patient(trials=(trial,)))) is speaks


def test_a_short_trial_is_not_named_once_its_class_failed_or_it_is_contraindicated() -> None:
    assert "PRV-03" not in rules_of(patient(trials=(short(), stopped("valproate"))))
    assert "PRV-03" not in rules_of(replace(DTT, trials=(*DTT.trials, short("candesartan", dose=16))))
    pregnant = Condition(frozenset({"pregnancy"}), refs=("Condition/p",))
    assert "PRV-03" not in rules_of(patient(conditions=(MIGRAINE, pregnant), trials=(short(),)))
    assert "PRV-03" in rules_of(patient(conditions=(CHRONIC,), trials=(short("onabotulinumtoxina", dose=155),)))


def test_a_short_trial_over_incomplete_medications_is_not_judged() -> None:
    facts = patient(trials=(short(),), missing=["MedicationRequest"])
    assert rules_of(facts) == set()
    assert unjudged_of(facts) == {"PRV-03"}


def verdict(drug: str, *steps: Step, chronic: bool = False, **more: object) -> str:
    use = load_guideline().drugs[drug].preventive
    assert use is not None
    start, end = (steps[0].start, steps[-1].end) if steps else (None, None)
    trial = Trial(drug, "preventive", start=start, end=end, steps=steps, **more)  # type: ignore[arg-type]
    return adequacy(trial, use, chronic=chronic, grace_days=7)[0]


def step(days: float, amount: float | None, start: str = "2024-01-01") -> Step:
    first = on(start)
    last = first.first + timedelta(days=days)
    return Step(first, When(last, last), amount)


@pytest.mark.parametrize(
    ("drug", "days", "amount", "expected"),
    [
        ("propranolol", 56, 80, "yes"),
        ("propranolol", 55, 80, "no"),
        ("propranolol", 200, 79, "no"),
        ("propranolol", 200, None, "unknown"),
        ("propranolol", 50, None, "no"),
        ("cinnarizine", 200, 25, "unknown"),
        ("cinnarizine", 50, 25, "no"),
        ("atogepant", 84, 10, "yes"),
        ("atogepant", 83, 10, "no"),
        ("rimegepant", 84, 37.5, "yes"),
        ("erenumab", 77, 70, "yes"),
        ("erenumab", 76, 70, "no"),
        ("eptinezumab", 161, 100, "yes"),
        ("eptinezumab", 160, 100, "no"),
        ("fremanezumab", 84, 225, "yes"),
        ("fremanezumab", 84, 675, "no"),
        ("fremanezumab", 161, 675, "yes"),
        ("onabotulinumtoxina", 161, 155, "yes"),
        ("onabotulinumtoxina", 160, 155, "no"),
        ("onabotulinumtoxina", 168, 100, "no"),
    ],
)
def test_how_long_and_how_much_is_adequate(drug: str, days: int, amount: float | None, expected: str) -> None:
    assert verdict(drug, step(days, amount)) == expected


def test_in_chronic_migraine_atogepant_needs_sixty_milligrams() -> None:
    assert verdict("atogepant", step(90, 30), chronic=True) == "no"
    assert verdict("atogepant", step(90, 60), chronic=True) == "yes"


def test_only_days_at_the_target_dose_count() -> None:
    titrated = (step(30, 40), step(60, 160, "2024-01-31"))
    assert verdict("propranolol", *titrated) == "yes"
    assert verdict("propranolol", step(60, 40), step(50, 160, "2024-03-01")) == "no"


def test_a_length_that_partial_dates_leave_open_is_unknown() -> None:
    assert verdict("propranolol", Step(on("2024-01"), on("2024-03"), 160)) == "unknown"
    assert verdict("propranolol", Step(on("2024-01"), on("2024-05"), 160)) == "yes"
    assert verdict("propranolol", Step(on("2024-01"), on("2024-02-10"), 160)) == "no"
    assert verdict("propranolol", Step(on("2024-01-01"), None, 160)) == "unknown"


def doses(*days: int, amount: float | None = 140) -> tuple[Administration, ...]:
    return tuple(
        Administration(
            When(on("2024-01-01").first + timedelta(days=d), on("2024-01-01").first + timedelta(days=d)), amount
        )
        for d in days
    )


def test_recorded_administrations_count_as_given() -> None:
    course = step(130, 140)
    assert verdict("erenumab", course, administrations=doses(0, 28, 56)) == "yes"
    assert verdict("erenumab", step(70, 140), administrations=doses(0, 28)) == "no"
    assert verdict("erenumab", course, administrations=doses(53, 81, 109)) == "yes", "77 days from the first dose"
    assert verdict("erenumab", course, administrations=doses(54, 82, 110)) == "no", "76 days from the first dose"
    assert verdict("erenumab", course, administrations=doses(0, 28, 56, amount=35)) == "no"
    assert verdict("erenumab", step(130, None), administrations=doses(0, 28, 56, amount=None)) == "unknown"


def test_one_administration_stands_for_a_longer_course_unless_others_were_not_done() -> None:
    use = load_guideline().drugs["erenumab"].preventive
    assert use is not None
    course = step(130, 140)
    trial = Trial(
        "erenumab", "preventive", start=course.start, end=course.end, steps=(course,), administrations=doses(0)
    )
    assert adequacy(trial, use, chronic=False, grace_days=7) == ("yes", True)
    assert adequacy(replace(trial, not_done=True), use, chronic=False, grace_days=7) == ("no", False)
    failed = replace(trial, indication=Indication.MIGRAINE, stop=Stop(StopReason.INEFFICACY, coded=True), refs=("X/1",))
    facts = patient(trials=(stopped("propranolol"), stopped("topiramate"), failed), headache_months=months(9, 9, 9))
    assert rules_of(facts) == {"DTT-03"}


def test_what_was_given_last_long_before_the_stop_is_not_all_that_was_given() -> None:
    use = load_guideline().drugs["erenumab"].preventive
    assert use is not None

    def judged_as(days: float, *given: int, not_done: bool = False) -> tuple[str, bool]:
        course = step(days, 140)
        trial = Trial(
            "erenumab", "preventive", start=course.start, end=course.end, steps=(course,), administrations=doses(*given)
        )
        return adequacy(replace(trial, not_done=not_done), use, chronic=False, grace_days=7)

    assert judged_as(28 + 42, 0, 28) == ("no", False), "one and a half intervals"
    assert judged_as(28 + 60, 0, 28) == ("yes", True)
    assert judged_as(28 + 60, 0, 28, not_done=True) == ("no", False)


@pytest.mark.parametrize(
    ("amount", "at_most", "expected"),
    [(100, 125, "yes"), (25, 100, "unknown"), (25, 49, "no"), (50, 50, "yes"), (25, 50, "unknown")],
)
def test_strengths_taken_at_once_leave_the_dose_between_the_highest_and_their_sum(
    amount: float, at_most: float, expected: str
) -> None:
    taken = step(100, amount)
    assert verdict("topiramate", replace(taken, at_most=at_most)) == expected


def test_a_failed_antiseizure_drug_speaks_for_itself_alone() -> None:
    failed = (stopped("topiramate"),)
    assert "PRV-01" not in rules_of(patient(trials=failed, orders=(order("valproate", "preventive"),)), "order-sign")
    assert "PRV-01" in rules_of(patient(trials=failed, orders=(order("topiramate", "preventive"),)), "order-sign")


@pytest.mark.parametrize(
    ("worked", "end", "reopened"),
    [
        ("metoprolol", "2026-01-01", True),
        ("propranolol", "2026-01-01", True),
        ("metoprolol", "2025-06-01", False),
        ("metoprolol", "2025", False),
        ("nebivolol", "2026-01-01", False),
        ("candesartan", "2026-01-01", False),
    ],
)
def test_a_counting_drug_that_worked_later_reopens_its_class(worked: str, end: str, reopened: bool) -> None:
    success = stopped(worked, StopReason.SUCCEEDED, dose=100, start="2025-01-01", end=end)
    trials = (*DTT.trials, replace(success, refs=("MedicationStatement/later",)))
    assert ("DTT-01" in rules_of(replace(DTT, trials=trials))) is not reopened


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from([20.0, 80.0, 160.0])), min_size=1, max_size=5))
def test_splitting_a_course_at_any_day_changes_nothing(parts: list[tuple[int, float]]) -> None:
    start, steps, halves = 0, [], []
    for days, amount in parts:
        steps.append((start, start + days, amount))
        middle = start + days // 2
        halves += [(start, middle, amount), (middle, start + days, amount)]
        start += days

    def made(found: list[tuple[int, int, float]]) -> list[Step]:
        origin = TODAY - timedelta(days=2000)

        def day(number: int) -> When:
            return When(origin + timedelta(days=number), origin + timedelta(days=number))

        return [Step(day(first), day(last), amount) for first, last, amount in found]

    assert verdict("propranolol", *made(steps)) == verdict("propranolol", *made(halves))


def test_options_come_with_every_difficult_to_treat_patient() -> None:
    assert "PRV-04" in rules_of(DTT)
    incomplete = replace(DTT, completeness=patient(missing=["MedicationRequest", "Condition"]).completeness)
    assert "PRV-04" in rules_of(incomplete), "it says that the list could not be checked"
    assert "PRV-04" not in rules_of(patient(trials=DTT.trials))
