"""Which rows make trials, how courses join, why they ended and what was given."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodrome.fhir_mappers.code_systems import ICD10
from prodrome.fhir_mappers.trials import _covers, _Homes, _Points
from prodrome.rules.doses import days_at_target
from prodrome.rules.facts import StopReason, Trial, When
from prodrome.rules.spans import Span
from prodrome.rules.spans import length as length_of
from tests.fhir_mappers.build import (
    BOTOX,
    CPT,
    ERENUMAB,
    ICD10CM,
    INEFFECTIVE,
    LOCAL,
    MIGRAINE,
    PROPRANOLOL,
    REQUEST_REASON,
    SIDE_EFFECT,
    SNOMED,
    SUMATRIPTAN,
    Json,
    administration,
    as_needed,
    concept,
    dose,
    facts,
    period,
    procedure,
    request,
    resource,
    statement,
)

NO_EFFECT = concept(SNOMED, INEFFECTIVE)
NOT_TOLERATED = concept(SNOMED, SIDE_EFFECT)


def one(*rows: object) -> Trial:
    (trial,) = facts(*rows).trials
    return trial


def dates(trial: Trial) -> tuple[str | None, str | None]:
    return (str(trial.start) if trial.start else None, str(trial.end) if trial.end else None)


def steps(trial: Trial) -> list[tuple[str | None, str | None, float | None]]:
    return [
        (str(step.start) if step.start else None, str(step.end) if step.end else None, step.amount)
        for step in trial.steps
    ]


# --- Which rows count -----------------------------------------------------------------------------------------------

STATEMENT_STATUS = [
    ("active", "2025-01-01", None, "running"),
    ("active", "2025-01-01", "2026-06-14", "ended"),
    ("active", "2025-01-01", "2026-06-15", "running"),
    ("active", "2025-01-01", "2026-06", "running"),  # which may not be over
    ("active", None, None, "running"),
    ("completed", "2025-01-01", "2025-06-01", "ended"),
    ("completed", "2025-01-01", None, "ended"),
    ("stopped", "2025-01-01", "2025-06-01", "ended"),
    ("unknown", "2025-01-01", "2025-06-01", "ended"),
    ("unknown", "2025-01-01", None, "running"),
    ("unknown", None, None, "ended"),
    (None, "2025-01-01", "2025-06-01", "ended"),
    ("entered-in-error", "2025-01-01", None, None),
    ("draft", "2025-01-01", None, None),
    ("intended", "2025-01-01", None, None),
    ("not-taken", "2025-01-01", "2025-06-01", None),
    ("on-hold", "2025-01-01", None, None),
]


@pytest.mark.parametrize(("status", "start", "end", "becomes"), STATEMENT_STATUS)
def test_a_statement_counts_by_its_status(
    status: str | None, start: str | None, end: str | None, becomes: str | None
) -> None:
    trials = facts(statement(status=status, start=start, end=end)).trials
    assert [("running" if trial.running else "ended") for trial in trials] == ([becomes] if becomes else [])
    assert all(trial.end is None for trial in trials if trial.running)


def test_not_taken_wins_over_its_reason() -> None:
    assert not facts(statement(status="not-taken", why=NO_EFFECT)).trials


ADHERENCE = [
    ("taking", "running"),
    ("taking-as-directed", "running"),
    ("taking-not-as-directed", "running"),
    ("not-taking", "ended"),
    ("stopped", "ended"),
    ("stopped-as-directed", "ended"),
    ("on-hold", None),
    ("on-hold-as-directed", None),
    ("unknown", "running"),  # by its open period
    (None, "running"),
]


@pytest.mark.parametrize(("code", "becomes"), ADHERENCE)
def test_an_r5_statement_counts_by_its_adherence(code: str | None, becomes: str | None) -> None:
    adherence = (
        {"code": concept("http://hl7.org/fhir/CodeSystem/medication-statement-adherence", code)} if code else None
    )
    trials = facts(statement(status="recorded", end=None, adherence=adherence)).trials
    assert [("running" if trial.running else "ended") for trial in trials] == ([becomes] if becomes else [])


def test_an_r5_statement_ends_for_the_reason_of_its_adherence() -> None:
    code = concept("http://hl7.org/fhir/CodeSystem/medication-statement-adherence", "stopped")
    trial = one(statement(status="recorded", adherence={"code": code, "reason": NO_EFFECT}))
    assert trial.stop.reason is StopReason.INEFFICACY
    assert trial.stop.coded


REQUEST_STATUS = [
    ("active", "running"),
    ("completed", "ended"),
    ("stopped", "ended"),
    ("ended", "ended"),
    ("unknown", "ended"),
    ("entered-in-error", None),
    ("draft", None),
    ("cancelled", None),
    ("on-hold", None),
]


@pytest.mark.parametrize(("status", "becomes"), REQUEST_STATUS)
def test_a_request_counts_by_its_status(status: str, becomes: str | None) -> None:
    trials = facts(request(status=status)).trials
    assert [("running" if trial.running else "ended") for trial in trials] == ([becomes] if becomes else [])


@pytest.mark.parametrize("not_ordered", [{"intent": "proposal"}, {"intent": "plan"}, {"doNotPerform": True}])
def test_what_was_not_ordered_makes_no_trial(not_ordered: Json) -> None:
    assert not facts(request(**not_ordered)).trials


# --- Dates ----------------------------------------------------------------------------------------------------------


def test_a_request_is_dated_by_its_timing_else_its_dispensing_else_its_authoring() -> None:
    bounds = dose(80, "mg", frequency=1, period=1, periodUnit="d", boundsPeriod=period("2025-02-01", "2025-05-01"))
    dispense = {"validityPeriod": period("2025-03-01", "2025-04-01")}
    assert dates(one(request(status="stopped", dosageInstruction=[bounds], dispenseRequest=dispense))) == (
        "2025-02-01",
        "2025-05-01",
    )
    assert dates(one(request(status="stopped", dispenseRequest=dispense))) == ("2025-03-01", "2025-04-01")
    assert dates(one(request(status="stopped"))) == ("2025-01-01", None)


def test_a_running_request_has_no_end() -> None:
    bounds = dose(80, "mg", frequency=1, period=1, periodUnit="d", boundsPeriod=period("2026-02-01", "2026-12-01"))
    trial = one(request(dosageInstruction=[bounds]))
    assert trial.running
    assert dates(trial) == ("2026-02-01", None)


def test_a_single_date_is_a_start() -> None:
    assert dates(one(statement(effectivePeriod=None, effectiveDateTime="2025-03"))) == ("2025-03", None)


def test_statements_and_requests_make_the_same_trial() -> None:
    said = one(statement(id="x", why=NO_EFFECT))
    bounds = dose(80, "mg", frequency=1, period=1, periodUnit="d", boundsPeriod=period("2025-01-01", "2025-06-01"))
    asked = one(request(id="x", status="stopped", dosageInstruction=[bounds], statusReason=NO_EFFECT))
    assert without_refs(said) == without_refs(asked)


# --- One course recorded twice --------------------------------------------------------------------------------------


def test_a_coded_reason_beats_none_and_text() -> None:
    trial = one(statement(), statement(why=NO_EFFECT), statement(why={"text": "side effects"}))
    assert (trial.stop.reason, trial.stop.coded, trial.stop.conflicting) == (StopReason.INEFFICACY, True, False)


def test_stopped_beats_running() -> None:
    trial = one(statement(status="active", end=None), statement(why=NO_EFFECT))
    assert not trial.running
    assert trial.stop.reason is StopReason.INEFFICACY
    assert dates(trial) == ("2025-01-01", "2025-06-01")


def test_a_prescription_that_ran_out_does_not_end_a_running_course() -> None:
    assert one(statement(status="active", start="2024-01-01", end=None), request(status="completed")).running


def test_the_lower_dose_stands() -> None:
    trial = one(
        statement(dosage=[dose(160)]),
        statement(dosage=[dose(80)], start="2025-02-01", end="2025-05-01"),
        statement(dosage=None),
    )
    assert steps(trial) == [
        ("2025-01-01", "2025-02-01", 160),
        ("2025-02-01", "2025-05-01", 80),
        ("2025-05-01", "2025-06-01", 160),
    ]


def test_the_lower_single_dose_stands() -> None:
    rows = [statement(SUMATRIPTAN, dosage=[as_needed(100)]), statement(SUMATRIPTAN, dosage=[as_needed(50)])]
    assert one(*rows).single_dose == 50


def test_only_a_failure_beside_something_else_conflicts() -> None:
    both = one(statement(why=NO_EFFECT), statement(why=NOT_TOLERATED)).stop
    assert (both.reason, both.conflicting) == (StopReason.INTOLERANCE, False)
    assert not one(statement(why=NO_EFFECT), statement(why=NO_EFFECT)).stop.conflicting
    no_longer_needed = concept(SNOMED, "182846007")
    for failure in (NO_EFFECT, NOT_TOLERATED):
        assert one(statement(why=failure), statement(why=no_longer_needed)).stop.conflicting


def test_courses_that_share_only_a_boundary_day_do_not_share_their_endings() -> None:
    trial = one(
        statement(start="2025-01-01", end="2025-03-01", why=NOT_TOLERATED),
        statement(start="2025-03-01", end="2025-06-01", why=NO_EFFECT),
    )
    assert (trial.stop.reason, trial.stop.conflicting) == (StopReason.INEFFICACY, False)


def test_an_indication_of_one_row_is_the_courses() -> None:
    trial = one(statement(reasonCode=None), statement(reasonCode=[concept(ICD10CM, "I10")]), statement())
    assert trial.indication == "migraine"


# --- Courses that follow each other ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "count"), [("2025-07-01", 1), ("2025-07-02", 2)])
def test_courses_at_most_30_days_apart_are_one_trial(start: str, count: int) -> None:
    later = statement(start=start, end="2025-12-01", dosage=[dose(160)], why=NO_EFFECT)
    assert len(facts(statement(end="2025-06-01"), later).trials) == count


def test_the_last_steps_reason_ends_the_trial() -> None:
    trial = one(
        statement(end="2025-02-01", why=NOT_TOLERATED, dosage=[dose(40)]),
        statement(start="2025-02-10", end="2025-06-01", why=NO_EFFECT, dosage=[dose(160)]),
    )
    assert trial.stop.reason is StopReason.INEFFICACY
    assert dates(trial) == ("2025-01-01", "2025-06-01")
    assert steps(trial) == [("2025-01-01", "2025-02-01", 40), ("2025-02-10", "2025-06-01", 160)]


def test_a_gap_between_partial_dates_counts_at_its_longest() -> None:
    assert len(facts(statement(end="2025-03"), statement(start="2025-04-01", end="2025-06-01")).trials) == 2
    assert len(facts(statement(end="2025-03-31"), statement(start="2025-04", end="2025-06-01")).trials) == 1


def test_partial_dates_recorded_twice_are_one_trial() -> None:
    assert dates(one(statement(start="2024", end="2024"), statement(start="2024", end="2024"))) == ("2024", "2024")


def test_no_course_ends_before_it_starts_however_coarse_its_end() -> None:
    first = statement(start="2025-04-20", end="2025")
    trial = one(first, statement(start="2025-04-24", end="2025-06-15", why=NO_EFFECT))
    assert dates(trial) == ("2025-04-20", "2025"), "2025-06-15 or later"
    assert days_at_target(trial, 80) == Span(52, 255), "2025-04-20 to 2025-12-31 at most"


def test_a_course_without_a_sure_day_may_be_the_one_that_says_why_it_ended() -> None:
    told = statement(start="2025-04-20", end="2025", why=NOT_TOLERATED)
    assert one(told, statement(start="2025-04-24", end="2025-06-15")).stop.reason is StopReason.INTOLERANCE


@pytest.mark.parametrize(("end", "most"), [("2025-04", 65 + 44), ("2025-03", 44)])
def test_a_course_that_may_be_one_with_the_next_lengthens_it_at_most(end: str, most: int) -> None:
    earlier = statement(start="2025-02-24", end=end)
    later = facts(earlier, statement(start="2025-05-02", end="2025-06-15", why=NO_EFFECT)).trials[1]
    assert days_at_target(later, 80) == Span(44, most)


def test_too_low_a_dose_stays_too_low_whatever_days_are_left_open() -> None:
    rows = [
        statement(start=start, end=end, dosage=[dose(40)])
        for start, end in (("2025-02", "2025-04"), ("2025-05", "2025-06"))
    ]
    assert {days_at_target(trial, 80) for trial in facts(*rows).trials} == {Span(0, 0)}


def test_a_course_that_begins_last_ends_the_trial_however_coarse_its_end() -> None:
    first = statement(start="2024-03-01", end="2025-02-28", dosage=[dose(40)])
    trial = one(first, statement(start="2025-03-01", end="2025", why=NOT_TOLERATED))
    assert trial.stop.reason is StopReason.INTOLERANCE
    assert dates(trial) == ("2024-03-01", "2025")


def test_a_trial_ended_no_later_than_any_of_its_courses_may_have() -> None:
    end = one(statement(start="2025-04-01", end="2025-06"), statement(start="2025-06-05", end="2025-06-14")).end
    assert end is not None
    assert (str(end.first), str(end.last), str(end)) == ("2025-06-14", "2025-06-30", "2025-06")


@pytest.mark.parametrize(("end", "most"), [("2026", 45), ("2026-06", 45), ("2026-05", 30), ("2026-06-20", 50)])
def test_what_has_ended_did_so_by_today(end: str, most: int) -> None:
    trial = one(statement(start="2026-05-01", end=end, status="stopped"))
    assert length_of(trial.start, trial.end).most == most
    assert dates(trial) == ("2026-05-01", end)


def test_a_restart_after_a_stop_runs() -> None:
    trial = one(statement(end="2025-06-01", why=NO_EFFECT), statement(status="active", start="2025-06-10", end=None))
    assert trial.running
    assert trial.stop.reason is StopReason.UNKNOWN


def test_drugs_and_uses_do_not_join() -> None:
    assert len(facts(statement(), statement(SUMATRIPTAN)).trials) == 2


# --- Rows with one known date ---------------------------------------------------------------------------------------


def test_a_period_with_one_end_has_no_known_length() -> None:
    assert steps(one(statement(end=None, status="stopped"))) == [("2025-01-01", None, 80)]
    assert steps(one(statement(start=None))) == [(None, "2025-06-01", 80)]


@pytest.mark.parametrize(
    ("authored", "count"),
    [("2025-01-01", 1), ("2025-03-01", 1), ("2025-06-01", 2), ("2024-12-31", 2), ("2025-07-01", 2)],
)
def test_a_start_inside_a_course_belongs_to_it(authored: str, count: int) -> None:
    trials = facts(statement(), request(status="stopped", authoredOn=authored, statusReason=NO_EFFECT)).trials
    assert len(trials) == count
    if count == 1:
        assert trials[0].stop.reason is StopReason.INEFFICACY
        assert dates(trials[0]) == ("2025-01-01", "2025-06-01")


def test_the_dose_of_a_row_inside_a_course_stands_where_it_is_lower() -> None:
    trial = one(
        statement(dosage=[dose(160)]),
        request(status="stopped", authoredOn="2025-03-01", dosageInstruction=[dose(40)]),
    )
    assert steps(trial) == [("2025-01-01", "2025-03-01", 160), ("2025-03-01", "2025-06-01", 40)]


def test_two_rows_with_the_same_start_alone_are_one() -> None:
    assert len(facts(request(status="stopped"), request(status="stopped")).trials) == 1
    assert len(facts(request(status="stopped"), request(status="stopped", authoredOn="2025-06-02")).trials) == 2


def test_undated_rows_stand_alone() -> None:
    assert len(facts(statement(start=None, end=None), statement(start=None, end=None), statement()).trials) == 3


def test_two_running_rows_are_one_course_though_one_has_no_start() -> None:
    trial = one(
        statement(status="active", end=None), statement(status="active", start=None, end=None, dosage=[dose(40)])
    )
    assert trial.running
    assert steps(trial) == [("2025-01-01", None, 40)]


# --- Why it ended ---------------------------------------------------------------------------------------------------

CODED = [
    (SNOMED, "395007004", StopReason.INEFFICACY),
    (SNOMED, "182841002", StopReason.INEFFICACY),
    (SNOMED, "266721009", StopReason.INEFFICACY),
    (SNOMED, "395009001", StopReason.INTOLERANCE),
    (SNOMED, "407563006", StopReason.INTOLERANCE),
    (SNOMED, "407564000", StopReason.INTOLERANCE),
    (SNOMED, "395008009", StopReason.CONTRAINDICATED),
    (SNOMED, "315062004", StopReason.CONTRAINDICATED),
    (SNOMED, "182846007", StopReason.SUCCEEDED),
    (SNOMED, "182872003", StopReason.OTHER),
    (SNOMED, "182897004", StopReason.OTHER),
    (SNOMED, "182870006", StopReason.UNKNOWN),
    (REQUEST_REASON, "altchoice", StopReason.OTHER),
    (ICD10CM, "T42.6X5A", StopReason.INTOLERANCE),  # adverse effect of other antiepileptics
    (ICD10CM, "T44.7X5", StopReason.INTOLERANCE),
    (ICD10CM, "T50.905A", StopReason.INTOLERANCE),
    (ICD10CM, "T50.95XD", StopReason.INTOLERANCE),
    (ICD10CM, "T88.7XXA", StopReason.INTOLERANCE),
    (ICD10CM, "T42.6X1A", StopReason.UNKNOWN),  # poisoning
    (ICD10CM, "T42.6X6A", StopReason.UNKNOWN),  # underdosing
    (ICD10CM, "T40.5X1A", StopReason.UNKNOWN),
    (ICD10, "Y46.2", StopReason.INTOLERANCE),
    ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "Y57.9!", StopReason.INTOLERANCE),
    (SNOMED, "77386006", StopReason.OTHER),
    (SNOMED, "73211009", StopReason.UNKNOWN),  # no reason at all
    (LOCAL, "395007004", StopReason.UNKNOWN),
]


@pytest.mark.parametrize(("system", "code", "reason"), CODED)
def test_a_code_says_why_it_ended(system: str, code: str, reason: StopReason) -> None:
    stop = one(statement(why=concept(system, code))).stop
    assert stop.reason is reason
    assert stop.coded or reason is StopReason.UNKNOWN


TEXTS = [
    ("Ineffective", StopReason.INEFFICACY),
    ("it did not work", StopReason.INEFFICACY),
    ("no benefit after 3 months", StopReason.INEFFICACY),
    ("Inadequate response.", StopReason.INEFFICACY),
    ("side effects", StopReason.INTOLERANCE),
    ("Adverse reaction (rash)", StopReason.INTOLERANCE),
    ("could not tolerate", StopReason.INTOLERANCE),
    ("not tolerated", StopReason.INTOLERANCE),
    ("no side effects", StopReason.UNKNOWN),
    ("without side effects", StopReason.UNKNOWN),
    ("denies side effects", StopReason.UNKNOWN),
    ("not ineffective", StopReason.UNKNOWN),
    ("no adverse effect, no improvement", StopReason.INEFFICACY),
    ("not effective, side effects", StopReason.INTOLERANCE),
    ("ineffectively stored", StopReason.UNKNOWN),
    ("patient moved", StopReason.UNKNOWN),
    ("", StopReason.UNKNOWN),
]


@pytest.mark.parametrize(("text", "reason"), TEXTS)
def test_text_says_why_it_ended_at_low_certainty(text: str, reason: StopReason) -> None:
    stop = one(statement(why={"text": text})).stop
    assert (stop.reason, stop.coded) == (reason, False)
    assert one(statement(why=concept(LOCAL, "77", display=text))).stop.reason is reason


def test_a_code_of_a_table_is_not_judged_by_its_display() -> None:
    assert one(statement(why=concept(SNOMED, "182872003", display="ineffective"))).stop.reason is StopReason.OTHER


def test_a_code_in_no_table_leaves_the_word_to_its_display() -> None:
    stop = one(statement(why=concept(SNOMED, "195662009", display="ineffective"))).stop
    assert (stop.reason, stop.coded) == (StopReason.INEFFICACY, False)


def test_of_several_reasons_a_coded_failure_wins() -> None:
    stop = one(statement(statusReason=[concept(SNOMED, "182872003"), NO_EFFECT, {"text": "side effects"}])).stop
    assert (stop.reason, stop.coded, stop.conflicting) == (StopReason.INEFFICACY, True, False)


def test_non_adherence_beside_inefficacy_is_kept() -> None:
    stop = one(statement(statusReason=[NO_EFFECT, concept(SNOMED, "275928001")])).stop
    assert (stop.reason, stop.nonadherent) == (StopReason.INEFFICACY, True)
    assert one(statement(why=concept(SNOMED, "275928001"))).stop.reason is StopReason.OTHER


@pytest.mark.parametrize("code", ["Z88.6", "Z88.8"])
def test_the_status_of_an_allergy_is_a_suspicion(code: str) -> None:
    stop = one(statement(why=concept(ICD10CM, code))).stop
    assert (stop.reason, stop.suspected) == (StopReason.INTOLERANCE, True)


@pytest.mark.parametrize(("system", "code"), [(ICD10CM, "Z91.128"), (ICD10CM, "Z91.14"), (ICD10, "Z91.1")])
def test_non_adherence_has_codes_of_classifications(system: str, code: str) -> None:
    assert one(statement(why=concept(system, code))).stop.nonadherent


@pytest.mark.parametrize("code", ["sintol", "salg"])
def test_a_suspicion_is_marked(code: str) -> None:
    suspicion = concept(REQUEST_REASON, code)
    stop = one(request(status="stopped", statusReason=suspicion)).stop
    assert (stop.reason, stop.coded, stop.suspected) == (StopReason.INTOLERANCE, True, True)
    both = one(statement(statusReason=[suspicion, NOT_TOLERATED])).stop
    assert (both.reason, both.suspected) == (StopReason.INTOLERANCE, False)


def test_a_running_course_has_no_ending() -> None:
    assert one(statement(status="active", end=None, why=NO_EFFECT)).stop.reason is StopReason.UNKNOWN


# --- Administrations ------------------------------------------------------------------------------------------------

CYCLE = concept(CPT, "64615")


def test_administrations_belong_to_the_course_they_were_given_in() -> None:
    course = statement(ERENUMAB, start="2025-01-01", end="2025-04-01", dosage=[as_needed(70)])
    trial = one(course, *(administration(on=day) for day in ("2025-03-01", "2025-01-01", "2025-02-01")))
    assert [str(given.when) for given in trial.administrations] == ["2025-01-01", "2025-02-01", "2025-03-01"]
    assert {given.amount for given in trial.administrations} == {70}
    assert trial.indication == "migraine"


def test_administrations_outside_any_course_make_their_own() -> None:
    course = statement(ERENUMAB, start="2025-01-01", end="2025-04-01")
    read = facts(course, administration(on="2025-06-01"), administration(on="2025-07-01"))
    own = [trial for trial in read.trials if trial.administrations]
    assert [dates(trial) for trial in own] == [("2025-06-01", "2025-07-01")]
    assert not own[0].running
    assert own[0].stop.reason is StopReason.UNKNOWN
    assert len(read.trials) == 2


def test_administrations_belong_to_a_running_course() -> None:
    course = statement(ERENUMAB, status="active", start="2025-01-01", end=None)
    assert len(one(course, administration(on="2026-05-01")).administrations) == 1


def test_an_administration_that_was_not_done_is_noted() -> None:
    course = statement(ERENUMAB, start="2025-01-01", end="2025-04-01")
    trial = one(course, administration(on="2025-01-01"), administration(on="2025-02-01", status="not-done"))
    assert trial.not_done
    assert len(trial.administrations) == 1
    assert not one(course, administration(on="2025-01-01")).not_done
    assert not facts(administration(status="not-done")).trials


@pytest.mark.parametrize("status", ["entered-in-error", "on-hold", "stopped", "unknown"])
def test_other_administrations_do_not_count(status: str) -> None:
    assert not facts(administration(status=status)).trials


def test_an_administration_of_another_drug_makes_no_trial() -> None:
    assert not facts(administration(SUMATRIPTAN)).trials


def test_r5_spells_when_it_was_given_its_own_way() -> None:
    for name in ("occurenceDateTime", "occurrenceDateTime"):
        assert str(one(administration(on=None) | {name: "2025-01-05"}).start) == "2025-01-05"


def test_a_cycle_is_a_procedure_or_an_administration_and_counts_once() -> None:
    units = {"dose": {"value": 155, "unit": "U"}}
    trial = one(
        statement(BOTOX, start="2025-01-01", end="2025-12-01"),
        procedure(CYCLE, on="2025-01-01"),
        procedure(CYCLE, on="2025-04-01"),
        administration(BOTOX, on="2025-01-01", amount=None, dosage=units),
    )
    assert [(str(given.when), given.amount) for given in trial.administrations] == [
        ("2025-01-01", 155),
        ("2025-04-01", None),
    ]


def test_the_migraine_procedure_says_what_its_toxin_was_for() -> None:
    assert one(statement(BOTOX, reasonCode=None), procedure(CYCLE, on="2025-02-01")).indication == "migraine"
    assert one(procedure(CYCLE)).indication == "migraine"


def test_the_migraine_procedure_is_not_part_of_a_course_for_something_else() -> None:
    dystonia = statement(BOTOX, reasonCode=[concept(ICD10CM, "G24.3")])
    trials = facts(dystonia, procedure(CYCLE, on="2025-02-01")).trials
    assert sorted(trial.indication for trial in trials) == ["migraine", "other"]


def test_a_procedure_that_was_not_done_is_noted() -> None:
    trial = one(
        statement(BOTOX), procedure(CYCLE, on="2025-02-01"), procedure(CYCLE, on="2025-05-01", status="not-done")
    )
    assert trial.not_done
    assert len(trial.administrations) == 1


# --- Laws -----------------------------------------------------------------------------------------------------------

DAYS = st.dates(date(2020, 1, 1), date(2026, 6, 1))
Recorded = tuple[date, date, float | None]
AMOUNTS = st.sampled_from([20.0, 40.0, 80.0, 160.0, None])


def without_refs(trial: Trial) -> object:
    return replace(trial, refs=(), administrations=())


def days_at(trial: Trial, amount: float) -> int:
    return sum(
        (step.end.first - step.start.last).days
        for step in trial.steps
        if step.start and step.end and step.amount is not None and step.amount >= amount
    )


def course(start: date, end: date, amount: float | None, **more: Any) -> Json:
    return statement(start=str(start), end=str(end), dosage=[dose(amount)] if amount else None, **more)


@given(DAYS, DAYS, AMOUNTS, st.sampled_from([None, NO_EFFECT, NOT_TOLERATED, {"text": "no benefit"}]))
def test_a_course_recorded_twice_is_the_course(
    one_day: date, other: date, amount: float | None, why: Json | None
) -> None:
    start, end = sorted([one_day, other])
    once = facts(course(start, end, amount, why=why)).trials
    twice = facts(course(start, end, amount, why=why), course(start, end, amount, why=why)).trials
    assert [without_refs(trial) for trial in once] == [without_refs(trial) for trial in twice]


@given(st.lists(DAYS, min_size=3, max_size=3, unique=True), AMOUNTS)
def test_a_course_split_on_any_day_is_the_course(days: list[date], amount: float | None) -> None:
    start, middle, end = sorted(days)
    whole = facts(course(start, end, amount)).trials
    split = facts(course(start, middle, amount), course(middle, end, amount)).trials
    assert [without_refs(trial) for trial in whole] == [without_refs(trial) for trial in split]


@given(DAYS, st.lists(st.tuples(st.integers(1, 28), st.integers(1, 90), AMOUNTS), min_size=2, max_size=5), st.randoms())
def test_courses_that_follow_each_other_are_a_step_each_and_end_as_the_last(
    day: date, parts: list[tuple[int, int, float | None]], random: Random
) -> None:
    rows, recorded = [], []
    for gap, length, amount in parts:
        start = day + timedelta(days=gap)
        day = start + timedelta(days=length)
        why = random.choice([None, NO_EFFECT, NOT_TOLERATED])
        rows.append(course(start, day, amount, why=why))
        recorded.append((str(start), str(day), amount))
    trial = one(*random.sample(rows, len(rows)))
    assert steps(trial) == recorded
    assert trial.stop == one(rows[-1]).stop
    assert dates(trial) == (recorded[0][0], recorded[-1][1])


COURSES = st.lists(st.tuples(DAYS, DAYS, AMOUNTS), min_size=1, max_size=6)


@given(COURSES)
def test_steps_are_in_order_and_do_not_overlap(courses: list[Recorded]) -> None:
    for trial in facts(*_rows(courses)).trials:
        bounds = [(step.start.last, step.end.first) for step in trial.steps if step.start and step.end]
        assert all(start <= end for start, end in bounds)
        assert all(before[1] <= after[0] for before, after in pairwise(bounds))


@given(COURSES)
def test_recording_more_never_adds_days_at_a_dose_beyond_those_recorded(
    courses: list[Recorded],
) -> None:
    rows = _rows(courses)
    together = sum(days_at(trial, 80) for trial in facts(*rows).trials)
    apart = sum(days_at(trial, 80) for row in rows for trial in facts(row).trials)
    assert together <= apart


@settings(max_examples=60)
@given(COURSES, st.randoms())
def test_the_order_of_rows_changes_nothing(courses: list[Recorded], random: Random) -> None:
    rows: list[object] = [*_rows(courses), administration(on="2024-01-01"), request(), request(status="stopped")]
    read = facts(*rows)
    random.shuffle(rows)
    assert facts(*rows) == read


def _rows(courses: list[Recorded]) -> list[object]:
    return [course(min(a, b), max(a, b), amount) for a, b, amount in courses]


# --- How long a prescription was for ---------------------------------------------------------------------------------


def lasting(status: str = "stopped", **repeat: object) -> tuple[str | None, str | None, bool]:
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", **repeat}}
    entry = {"timing": timing, "doseAndRate": [{"doseQuantity": {"value": 80, "unit": "mg"}}]}
    trial = one(request(status=status, dosageInstruction=[entry]))
    return str(trial.start) if trial.start else None, str(trial.end) if trial.end else None, trial.running


@pytest.mark.parametrize("unit", [{"code": "wk"}, {"unit": "weeks"}, {"unit": "Wochen"}])
def test_a_length_counts_from_the_day_of_the_prescription(unit: Json) -> None:
    assert lasting(boundsDuration={"value": 26, **unit}) == ("2025-01-01", "2025-07-02", False)
    assert lasting("active", boundsDuration={"value": 26, **unit}) == ("2025-01-01", "2025-07-02", False)


def test_a_range_of_lengths_leaves_the_end_open_between_them() -> None:
    trial = one(request(status="stopped", dosageInstruction=[_bounded({"low": _weeks(4), "high": _weeks(8)})]))
    assert trial.end is not None
    assert (str(trial.end.first), str(trial.end.last)) == ("2025-01-29", "2025-02-26")


def _weeks(value: int) -> Json:
    return {"value": value, "code": "wk"}


def _bounded(range_: Json) -> Json:
    return {"timing": {"repeat": {"boundsRange": range_}}}


def test_an_absurd_length_costs_its_row_only() -> None:
    row = request(dosageInstruction=[{"timing": {"repeat": {"boundsDuration": {"value": 1e9, "code": "a"}}}}])
    read = facts(row, statement())
    assert (len(read.trials), len(read.skipped)) == (1, 1)


def test_what_a_request_supplies_ends_it_when_it_is_no_longer_active() -> None:
    supply = {"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 2}
    ended = one(request(status="completed", dispenseRequest=supply))
    assert (str(ended.end), ended.running) == ("2025-04-01", False)
    assert one(request(status="active", dispenseRequest=supply)).running


def test_a_reported_plan_says_what_is_taken() -> None:
    assert one(request(intent="plan", reportedBoolean=True)).running
    assert not facts(request(intent="plan")).trials
    assert not facts(statement(status="active", taken="n")).trials


# --- Modifiers -------------------------------------------------------------------------------------------------------

STOP_TYPE = "http://nictiz.nl/fhir/StructureDefinition/ext-StopType"


def modified(code: str, url: str = STOP_TYPE) -> list[Json]:
    return [{"url": url, "valueCodeableConcept": concept(SNOMED, code)}]


def test_a_stop_agreement_ends_a_row_whatever_its_status() -> None:
    assert one(request(status="active")).running
    assert not one(request(status="active", modifierExtension=modified("410546004"))).running
    assert not facts(request(status="active", modifierExtension=modified("385655000"))).trials
    assert not facts(statement(status="active", modifierExtension=modified("113381000146106"))).trials


@pytest.mark.parametrize(
    "row",
    [
        request(modifierExtension=[{"url": "https://example.org/not-known", "valueBoolean": True}]),
        request(modifierExtension=modified("1")),
        request(dosageInstruction=[{"modifierExtension": [{"url": "https://example.org/x"}]}]),
        statement(reasonCode=[MIGRAINE | {"modifierExtension": [{"url": "https://example.org/x"}]}]),
        procedure(concept(SNOMED, "44868003"), modifierExtension=[{"url": "https://example.org/x"}]),
    ],
)
def test_a_modifier_that_nobody_here_knows_makes_its_row_unreadable(row: Json) -> None:
    read = facts(row)
    assert not read.trials
    assert not read.non_drug_treatments
    assert [skipped.kind for skipped in read.skipped] == [row["resourceType"]]


# --- Prescriptions at the same time ----------------------------------------------------------------------------------


def prescribed(amount: float, start: str = "2025-01-01", end: str = "2025-06-01") -> Json:
    bounds = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": period(start, end)}}
    entry = {"timing": bounds, "doseAndRate": [{"doseQuantity": {"value": amount, "unit": "mg"}}]}
    return request(status="stopped", dosageInstruction=[entry])


def amounts(*rows: Json) -> list[tuple[float | None, float | None]]:
    return [(step.amount, step.at_most) for step in one(*rows).steps]


def test_prescriptions_of_different_strengths_lie_between_the_highest_and_their_sum() -> None:
    assert amounts(prescribed(100), prescribed(25)) == [(100, 125)]
    assert amounts(prescribed(100), prescribed(100)) == [(100, None)]
    later = prescribed(25, "2025-03-01", "2025-04-01")
    assert amounts(prescribed(100), later) == [(100, None), (100, 125), (100, None)]


def test_beside_a_statement_the_lower_dose_stands() -> None:
    assert amounts(prescribed(160), statement(dosage=[dose(80)], end="2025-06-01")) == [(80, None)]


# --- Renewals --------------------------------------------------------------------------------------------------------


def renewal(on: str, amount: float = 80, status: str = "completed", **more: Any) -> Json:
    return request(status=status, authoredOn=on, dosageInstruction=[dose(amount)], **more)


def test_prescriptions_without_ends_that_renew_each_other_are_one_course() -> None:
    trial = one(renewal("2025-01-01"), renewal("2025-03-01"), renewal("2025-06-29"))
    assert (str(trial.start), trial.end, trial.running, len(trial.refs)) == ("2025-01-01", None, False, 3)
    assert days_at(trial, 80) == 179
    assert (str(trial.steps[-1].start), trial.steps[-1].end) == ("2025-06-29", None)


@pytest.mark.parametrize(("on", "count"), [("2025-05-01", 1), ("2025-05-02", 2)])
def test_a_prescription_renews_another_for_120_days(on: str, count: int) -> None:
    assert len(facts(renewal("2025-01-01"), renewal(on)).trials) == count


def test_a_chain_has_the_doses_of_its_prescriptions_and_ends_as_the_last_one_did() -> None:
    last = renewal("2025-03-01", 80, "stopped", statusReason=[NO_EFFECT])
    trial = one(renewal("2025-01-01", 40, statusReason=[{"text": "dose changed"}]), renewal("2025-02-01", 80), last)
    assert [step.amount for step in trial.steps] == [40, 80, 80]
    assert (trial.stop.reason, trial.stop.coded, trial.stop.conflicting) == (StopReason.INEFFICACY, True, False)


def test_a_chain_may_still_run() -> None:
    trial = one(renewal("2026-01-01"), renewal("2026-03-01"), renewal("2026-05-01", status="active"))
    assert (str(trial.start), trial.end, trial.running) == ("2026-01-01", None, True)


def test_prescriptions_of_two_strengths_on_the_same_days_are_one_chain() -> None:
    days = ("2025-01-01", "2025-02-01", "2025-03-01")
    trial = one(*(renewal(day, amount) for day in days for amount in (100, 25)))
    assert {(step.amount, step.at_most) for step in trial.steps} == {(100, 125)}


def test_what_failed_is_not_renewed() -> None:
    trials = facts(renewal("2025-01-01", status="stopped", statusReason=[NOT_TOLERATED]), renewal("2025-03-01")).trials
    assert [trial.stop.reason for trial in trials] == [StopReason.INTOLERANCE, StopReason.UNKNOWN]


def test_only_prescriptions_are_renewed() -> None:
    rows = [statement(start=on, end=None, status="completed") for on in ("2025-01-01", "2025-03-01")]
    assert len(facts(*rows).trials) == 2


def test_a_renewal_inside_a_longer_course_belongs_to_it() -> None:
    trial = one(statement(start="2024-12-01", end="2025-12-01"), renewal("2025-01-01"), renewal("2025-03-01"))
    assert (str(trial.end), len(trial.refs)) == ("2025-12-01", 3)
    assert days_at(trial, 80) == 365


@given(st.lists(DAYS, min_size=2, max_size=6, unique=True), st.randoms())
def test_a_chain_lasts_at_least_from_its_first_start_to_its_last(days: list[date], random: Random) -> None:
    rows = [renewal(str(day)) for day in days]
    random.shuffle(rows)
    trials = facts(*rows).trials
    days.sort()
    gaps = [(after - before).days for before, after in pairwise(days)]
    assert len(trials) == 1 + sum(gap > 120 for gap in gaps)
    assert sum(days_at(trial, 80) for trial in trials) == sum(gap for gap in gaps if gap <= 120)


# --- Dispensings -----------------------------------------------------------------------------------------------------


def dispense(on: str, days: int | None = 30, **more: object) -> Json:
    supplied = {"daysSupply": {"value": days, "unit": "days"}} if days else {}
    return resource(
        "MedicationDispense",
        **{"status": "completed", "medicationCodeableConcept": PROPRANOLOL, "whenHandedOver": on, **supplied, **more},
    )


def test_a_dispensing_makes_a_trial_of_its_own_while_its_supply_lasts() -> None:
    assert one(dispense("2026-06-01")).running
    ended = one(dispense("2025-01-01"), dispense("2025-01-31"))
    assert (str(ended.start), str(ended.end), ended.running) == ("2025-01-01", "2025-03-02", False)
    assert ended.stop.reason is StopReason.UNKNOWN


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "declined", "preparation"])
def test_only_what_was_handed_over_counts(status: str) -> None:
    assert not facts(dispense("2026-06-01", status=status)).trials


def test_where_a_statement_has_the_drug_a_dispensing_adds_nothing() -> None:
    trial = one(statement(status="active", end=None), dispense("2026-06-01"))
    assert (trial.running, len(trial.refs)) == (True, 1)
    assert len(facts(statement(), dispense("2026-06-01")).trials) == 2


POINTS = st.builds(
    lambda day, more: When(day, day + timedelta(days=more)),
    st.dates(date(2025, 1, 1), date(2025, 3, 1)),
    st.sampled_from([0, 0, 30]),
)


@given(st.lists(st.none() | POINTS, max_size=5), st.none() | POINTS, st.none() | POINTS)
def test_points_within_two_dates_are_found_as_by_looking_at_each(
    points: list[When | None], start: When | None, end: When | None
) -> None:
    each = any(_covers(start, end, point) for point in points)
    assert _Points(set(points)).any_within(start, end) is each


@given(st.lists(st.tuples(st.none() | POINTS, st.none() | POINTS), max_size=6), st.none() | POINTS)
def test_a_point_lies_in_the_trial_that_began_last_of_those_that_cover_it(
    dates: list[tuple[When | None, When | None]], point: When | None
) -> None:
    trials = [Trial(drug="propranolol", use="preventive", coded=True, start=start, end=end) for start, end in dates]
    covering = [index for index, (start, end) in enumerate(dates) if _covers(start, end, point)]
    begun = [(start.last if start else date.min, -index) for index in covering for start in [dates[index][0]]]
    expected = -max(begun)[1] if begun else None
    assert _Homes(trials, range(len(trials))).of(point) == expected
