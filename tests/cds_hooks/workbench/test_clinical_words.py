"""The rulebook in a clinician's words: everything it may say has some, and no word of the engine's is left."""

import re

import pytest

from prodrome.cds_hooks.workbench.clinical_words import condition_in_words, fact_in_words, words
from prodrome.rules.engine import Fact, Pattern
from prodrome.rules.engine.matching import Comparison
from prodrome.rules.fact_types import FACT_TYPES
from prodrome.rules.guideline.guideline import load_guideline

GUIDELINE = load_guideline()
RULES = list(GUIDELINE.rulebook.rules.values())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_condition_of_the_rulebook_reads_as_words(rule: object) -> None:
    for pattern in (*rule.when, *rule.unless):  # type: ignore[attr-defined]
        said = condition_in_words(pattern, GUIDELINE)
        assert not re.search(r"[_${}]|\btrue\b|\bfalse\b", said.replace("(min true failed classes)", "")), said
        assert not {"yes", "no"} & set(said.split(", ")), said


def test_every_fact_a_rule_may_read_or_conclude_has_words_and_nothing_else_has() -> None:
    concluded = {rule.then.fact for rule in RULES}
    assert set(words()["facts"]) == {*FACT_TYPES, *concluded}
    tallies = {tally.name for layer in GUIDELINE.rulebook.layers for tally in layer.tallies}
    assert set(words()["counts"]) == tallies


@pytest.mark.parametrize(
    ("type_", "fields", "said"),
    [
        ("trial", {"drug": "topiramate", "reason": "intolerance"}, "topiramate: stopped as not tolerated"),
        ("exhausted", {"id": "E3", "how": "failed"}, "beta blockers: failed"),
        ("month", {"month": "2026-03", "debilitating": 9.0}, "2026-03, 9 debilitating days"),
        (
            "heavy_month",
            {"month": "2026-03", "by": "attested"},
            "2026-03: 8 days or more, by the debilitating days recorded",
        ),
        ("tally", {"name": "failed_classes", "count": 1}, "1 class of preventives that failed"),
        ("tally", {"name": "heavy_recent_months", "count": 2}, "2 of the last 3 months at 8 debilitating days or more"),
        ("acute_failure", {"drug": "sumatriptan", "by": "attacks"}, "sumatriptan failed: attacks"),
    ],
)
def test_a_fact_names_drugs_and_classes_and_counts_with_its_threshold(
    type_: str, fields: dict[str, object], said: str
) -> None:
    assert said in fact_in_words(Fact("f1", type_, fields), GUIDELINE)  # type: ignore[arg-type]


def test_a_threshold_is_named_where_it_decides() -> None:
    pattern = Pattern("patient", "patient", (Comparison("age", ">=", 18, "min_age"),))
    assert condition_in_words(pattern, GUIDELINE) == "a patient, age at least 18 years (min age)"


def test_a_threshold_that_a_site_changed_is_told_as_changed() -> None:
    changed = GUIDELINE.with_parameters({"min_debilitating_days": 10})
    fact = Fact("f1", "heavy_month", {"month": "2026-03", "by": "attested"})
    assert "10 days or more" in fact_in_words(fact, changed)
