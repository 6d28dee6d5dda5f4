"""The picture of the history: what is drawn where, and that everything drawn says where it was read."""

import itertools
from datetime import date, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.workbench.history import draw
from prodrome.cds_hooks.workbench.layout import CHARACTER, CLEAR, LEFT
from prodrome.cds_hooks.workbench.picture import Bar, Picture, TrialEnding
from prodrome.rules.facts import (
    Administration,
    Facts,
    FollowUp,
    HeadacheMonth,
    HospitalVisit,
    Indication,
    Step,
    Stop,
    StopReason,
    Trial,
    When,
)
from prodrome.rules.guideline.guideline import load_guideline

GUIDELINE = load_guideline()
TODAY = date(2026, 6, 15)


def on(year: int, month: int = 1, day: int = 1) -> When:
    return When(date(year, month, day), date(year, month, day))


def picture(**facts: object) -> Picture:
    return draw(Facts(**facts), GUIDELINE, TODAY)  # type: ignore[arg-type]


def trial(drug: str = "propranolol", use: str = "preventive", **fields: object) -> Trial:
    defaults: dict[str, object] = {
        "start": on(2025, 1, 1),
        "end": on(2025, 6, 1),
        "steps": (Step(on(2025, 1, 1), on(2025, 6, 1), 160.0),),
        "refs": ("MedicationStatement/a",),
    }
    return Trial(drug=drug, use=use, **{**defaults, **fields})  # type: ignore[arg-type]


def only_bar(drawn: Picture) -> Bar:
    ((bar,),) = [lane.bars for lane in drawn.lanes]
    return bar


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        (StopReason.INEFFICACY, TrialEnding.INEFFICACY),
        (StopReason.INTOLERANCE, TrialEnding.INTOLERANCE),
        (StopReason.CONTRAINDICATED, TrialEnding.CONTRAINDICATED),
        (StopReason.SUCCEEDED, TrialEnding.SUCCEEDED),
        (StopReason.OTHER, TrialEnding.OTHER),
        (StopReason.UNKNOWN, TrialEnding.OTHER),
    ],
)
def test_a_bar_ends_as_the_trial_did(reason: StopReason, ending: TrialEnding) -> None:
    assert only_bar(picture(trials=(trial(stop=Stop(reason, coded=True)),))).ending is ending


def test_a_running_trial_is_ongoing_whatever_reason_stands_there_and_reaches_today() -> None:
    drawn = picture(trials=(trial(running=True, end=None, stop=Stop(StopReason.INEFFICACY, coded=True)),))
    bar = only_bar(drawn)
    assert bar.ending is TrialEnding.ONGOING
    assert bar.x + bar.width == pytest.approx(drawn.today_x, abs=0.2)


def test_each_drug_class_has_one_lane_preventives_before_acute_drugs() -> None:
    drawn = picture(
        trials=(trial("sumatriptan", "acute", single_dose=50.0), trial("metoprolol"), trial(), trial("amitriptyline"))
    )
    assert [lane.name for lane in drawn.lanes] == ["Antidepressants", "Beta blockers", "Triptans"]
    assert [len(lane.bars) for lane in drawn.lanes] == [1, 2, 1]


def test_dose_steps_stand_as_high_as_their_doses() -> None:
    steps = (Step(on(2025, 1, 1), on(2025, 3, 1), 40.0), Step(on(2025, 3, 1), on(2025, 6, 1), 160.0))
    low, high = only_bar(picture(trials=(trial(steps=steps),))).parts
    assert low.height < high.height
    assert low.x + low.width == pytest.approx(high.x, abs=0.2)


def test_a_step_of_unknown_dose_is_marked_as_unknown() -> None:
    (part,) = only_bar(picture(trials=(trial(steps=(Step(on(2025, 1, 1), on(2025, 6, 1)),)),))).parts
    assert not part.known


def test_the_adequate_length_starts_with_the_sufficient_dose_and_is_as_long_as_the_guideline_says() -> None:
    steps = (Step(on(2025, 1, 1), on(2025, 3, 1), 40.0), Step(on(2025, 3, 1), on(2025, 6, 1), 160.0))
    drawn = picture(trials=(trial(steps=steps),))
    bar = only_bar(drawn)
    assert bar.adequate is not None
    assert bar.adequate.met == "yes"
    assert bar.adequate.x == pytest.approx(bar.parts[1].x, abs=0.2)
    assert bar.adequate.width == pytest.approx(56 / 151 * bar.width, abs=0.5)  # the bar spans 151 days


def test_a_trial_that_never_reached_the_dose_has_no_such_mark() -> None:
    assert only_bar(picture(trials=(trial(steps=(Step(on(2025, 1), on(2025, 6), 10.0),)),))).adequate is None


def test_partial_dates_are_drawn_as_uncertain_ends() -> None:
    month = When(date(2025, 1, 1), date(2025, 1, 31))
    bar = only_bar(picture(trials=(trial(start=month, steps=(Step(month, on(2025, 6), 160.0),)),)))
    (span,) = bar.uncertain
    assert span.x == bar.x
    assert 0 < span.width < bar.width


@pytest.mark.parametrize(("start", "end"), [(None, on(2025)), (on(2025), None), (None, None)])
def test_an_end_without_a_date_is_drawn_as_uncertain(start: When | None, end: When | None) -> None:
    assert only_bar(picture(trials=(trial(start=start, end=end, steps=()),))).uncertain


def test_every_administration_is_a_mark_on_its_bar() -> None:
    given = tuple(Administration(on(2025, month), 140.0) for month in (1, 2, 3))
    assert len(only_bar(picture(trials=(trial("erenumab", administrations=given),))).given) == 3


def test_the_words_tell_the_resource_and_what_was_read_from_it() -> None:
    entry = only_bar(picture(trials=(trial(stop=Stop(StopReason.INEFFICACY, coded=False)),))).entry
    assert entry.refs == ("MedicationStatement/a",)
    assert "propranolol" in entry.sentence
    assert "2025-01-01 to 2025-06-01" in entry.sentence
    assert "160 mg per day" in entry.sentence
    assert "no efficacy (from text)" in entry.sentence
    assert "MedicationStatement/a" in entry.sentence


def test_attested_and_proxy_days_are_told_apart_beside_the_threshold() -> None:
    drawn = picture(
        headache_months=(
            HeadacheMonth(date(2026, 5, 1), debilitating=9, headache=14, refs=("Observation/o",)),
            HeadacheMonth(date(2026, 4, 1), migraine=5),
        )
    )
    assert drawn.months is not None
    (year,) = drawn.months.years
    assert [column.attested for column in year.columns] == [False, False, True]
    assert [column.label for column in year.columns] == ["5", "", "9"]  # one number a month, the one that decides
    assert year.columns[1].height > year.columns[2].height
    above = [column for column in year.columns if column.y < drawn.months.threshold_y]
    assert {column.title for column in above} == {"May 2026: 9 debilitating headache days, 14 headache days"}


def test_the_threshold_line_stands_at_the_value_in_force() -> None:
    month = (HeadacheMonth(date(2026, 5, 1), debilitating=9),)
    usual = draw(Facts(headache_months=month), GUIDELINE, TODAY).months
    higher = draw(Facts(headache_months=month), GUIDELINE.with_parameters({"min_debilitating_days": 12}), TODAY).months
    assert usual is not None
    assert higher is not None
    assert (usual.threshold, higher.threshold) == (8, 12)
    assert higher.threshold_y < usual.threshold_y


def test_hospital_visits_and_specialist_care_are_marks_of_different_kinds() -> None:
    drawn = picture(
        hospital_visits=(
            HospitalVisit(on(2026, 3), on(2026, 3, 3), reason=Indication.MIGRAINE, refs=("Encounter/e",)),
            HospitalVisit(on(2026, 4), on(2026, 4), reason=Indication.OTHER),
        ),
        follow_ups=(FollowUp("contact", on(2026, 2)), FollowUp("referral"), FollowUp("appointment", on(2026, 7))),
    )
    assert [lane.name for lane in drawn.mark_lanes] == ["Hospital visits", "Specialist care"]
    hospital, care = drawn.mark_lanes
    assert [mark.kind for mark in hospital.marks] == ["hospital", "hospital-other"]
    assert [mark.kind for mark in care.marks] == ["contact", "referral", "appointment"]
    assert care.marks[2].x > drawn.today_x


def test_an_empty_chart_is_said_to_be_empty() -> None:
    drawn = picture()
    assert drawn.empty
    assert drawn.summary == "No trials, diary, visits or contacts were read."


DAYS = st.dates(date(1990, 1, 1), date(2030, 12, 31))


@st.composite
def whens(draw_: st.DrawFn) -> When | None:
    if draw_(st.integers(0, 5)) == 0:
        return None
    first = draw_(DAYS)
    return When(first, first + timedelta(days=draw_(st.sampled_from([0, 0, 0, 30, 364]))))


@st.composite
def trials(draw_: st.DrawFn) -> Trial:
    drug = draw_(st.sampled_from(sorted(GUIDELINE.drugs)))
    use = "preventive" if GUIDELINE.drugs[drug].preventive else "acute"
    start, end = draw_(whens()), draw_(whens())
    amounts = st.none() | st.floats(0, 1000, allow_nan=False)
    steps = tuple(Step(draw_(whens()), draw_(whens()), draw_(amounts)) for _ in range(draw_(st.integers(0, 3))))
    given_ = tuple(Administration(draw_(whens())) for _ in range(draw_(st.integers(0, 2))))
    return Trial(
        drug,
        use,
        running=draw_(st.booleans()),
        start=start,
        end=end,
        steps=steps,
        administrations=given_,
        stop=Stop(draw_(st.sampled_from(StopReason))),
    )


@given(st.lists(trials(), max_size=25), st.lists(DAYS, max_size=10))
def test_whatever_the_chart_says_all_is_drawn_within_the_picture_and_bars_do_not_overlap(
    some: list[Trial], visits: list[date]
) -> None:
    drawn = picture(trials=tuple(some), hospital_visits=tuple(HospitalVisit(When(day, day), None) for day in visits))
    bars = [bar for lane in drawn.lanes for bar in lane.bars]
    assert len(bars) == len(some)
    for lane in drawn.lanes:
        for bar in lane.bars:
            assert drawn.left <= bar.x <= bar.x + bar.width <= drawn.width
            assert lane.y <= bar.y < lane.y + lane.height
            wide = len(bar.label) * CHARACTER
            begins = bar.label_x - (wide if bar.anchor == "end" else 0)
            struck = begins < drawn.today_x < begins + wide
            assert not struck or drawn.today_x - wide < LEFT + CLEAR, "the line of today goes through a label"
            for part in bar.parts:
                assert bar.x <= part.x <= part.x + part.width <= bar.x + bar.width + 0.2
        rows: dict[float, list[Bar]] = {}
        for bar in sorted(lane.bars, key=lambda bar: bar.x):
            rows.setdefault(bar.y, []).append(bar)
        for row in rows.values():
            for left, right in itertools.pairwise(row):
                assert left.x + left.width <= right.x + 0.2
    assert {bar.entry.id for bar in bars} <= {entry.id for entry in drawn.entries}


def test_sixty_trials_over_ten_years_are_worked_out_in_a_fraction_of_a_second() -> None:
    drugs = sorted(drug.id for drug in GUIDELINE.drugs.values() if drug.preventive)
    many = tuple(
        trial(drugs[i % len(drugs)], start=on(2016 + i // 6, 1 + 2 * (i % 6)), end=on(2016 + i // 6, 2 + 2 * (i % 6)))
        for i in range(60)
    )
    months = tuple(HeadacheMonth(date(2016 + i // 12, 1 + i % 12, 1), debilitating=9) for i in range(120))
    began = perf_counter()
    drawn = draw(Facts(trials=many, headache_months=months), GUIDELINE, TODAY)
    assert perf_counter() - began < 0.5
    assert sum(len(lane.bars) for lane in drawn.lanes) == 60
    assert drawn.months is not None
    assert sum(len(year.columns) for year in drawn.months.years) == 120
