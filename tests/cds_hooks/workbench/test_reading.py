"""Why a rule kept silent, in a line that a clinician reads."""

from collections.abc import Iterator
from datetime import date

import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking, reading
from prodrome.rules.guideline.guideline import load_guideline

TODAY = date(2026, 6, 15)


def lines(name: str) -> dict[str, str]:
    """The line of each rule with a card, for the first ask of an example."""
    environment = Environment.of(Settings(today=TODAY))
    named = next(one for one in asking.named_examples() if (one.name, one.number) == (name, 1))
    case = asking.opened("t", "example", asking.example_request(named, environment), environment)
    return {one.rule.id: one.short for one in reading.readings(case.consultation) if one.rule.card}


@pytest.mark.parametrize(
    ("example", "rule", "line"),
    [
        ("refractory", "DTT-01", "DTT-02 speaks instead"),
        ("refractory", "DTT-02", ""),
        (
            "refractory",
            "ACU-02",
            "needs a failed acute drug: An acute drug failed; or: An acute drug was stopped as ineffective",
        ),
        ("emergency", "DTT-01", "0 classes of preventives that failed or are ruled out; needs 3"),
    ],
)
def test_the_line_says_what_stopped_a_rule(example: str, rule: str, line: str) -> None:
    assert lines(example)[rule] == line


def test_what_there_is_instead_is_said_only_of_what_was_asked_for() -> None:
    """A count of something else is no answer."""
    assert lines("refractory")["MOH-01"] == "needs 3 or more months of overuse (moh months)"
    assert lines("triptan")["PRV-01"].endswith("; there is an order for sumatriptan, taken to treat attacks")


@pytest.mark.parametrize("example", ["refractory", "triptan", "emergency", "controlled"])
def test_no_line_names_a_fact_by_the_name_it_has_inside_the_engine(example: str) -> None:
    for line in lines(example).values():
        assert "order order-" not in line
        assert "_" not in line
        assert "$" not in line


def test_the_thresholds_before_a_rule_are_told_beside_its_own() -> None:
    guideline = load_guideline()
    rule = guideline.rulebook.rules["DTT-01"]
    own = {one.name for one in reading.parameters_of(rule, guideline)}
    behind = {one.name for one in reading.parameters_behind(rule, guideline)}
    assert "resistant_min_classes" in own
    assert {"min_debilitating_days", "min_age"} <= behind
    assert not own & behind
    assert "refractory_months" not in behind  # the count of another rule


def test_a_fact_read_from_the_chart_tells_its_dates_and_doses() -> None:
    environment = Environment.of(Settings(today=TODAY))
    named = next(one for one in asking.named_examples() if (one.name, one.number) == ("resistant", 1))
    case = asking.opened("t", "example", asking.example_request(named, environment), environment)
    fired = next(one for one in reading.readings(case.consultation) if one.rule.id == "DTT-01")
    said = [ground.chart for match in fired.matches for ground in grounds_of(match.grounds)]
    assert ("propranolol (Beta blockers): 2024-01-17 to 2024-05-06; 160 mg per day",) in said


def grounds_of(grounds: tuple[reading.Ground, ...]) -> Iterator[reading.Ground]:
    for ground in grounds:
        yield ground
        yield from grounds_of(ground.basis)
