"""Why a rule kept silent, in a line that a clinician reads."""

from datetime import date

import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking, reading

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
            "nothing shows this: An acute drug failed; or: An acute drug was stopped as ineffective",
        ),
        ("emergency", "DTT-01", "needs number of exhausted classes: at least 3 ($resistant_min_classes); there are 0"),
    ],
)
def test_the_line_says_what_stopped_a_rule(example: str, rule: str, line: str) -> None:
    assert lines(example)[rule] == line


def test_what_there_is_instead_is_said_only_of_what_was_asked_for() -> None:
    """A count of something else is no answer."""
    assert lines("refractory")["MOH-01"] == "needs number of overuse months: at least 3 ($moh_months)"
    assert lines("triptan")["PRV-01"].endswith("; there is one with use acute")


@pytest.mark.parametrize("example", ["refractory", "triptan", "emergency", "controlled"])
def test_no_line_names_a_fact_by_the_name_it_has_inside_the_engine(example: str) -> None:
    for line in lines(example).values():
        assert "order order-" not in line
        assert "_" not in line.partition("($")[0]
