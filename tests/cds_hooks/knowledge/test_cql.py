"""The rules as CQL: every enabled rule is in, the text is always the same, what has no translation is named."""

import re

import pytest

from prodrome.cds_hooks.knowledge import KnowledgeError, cql, library
from prodrome.rules.engine import Rule
from prodrome.rules.guideline import load_guideline


def test_every_enabled_rule_is_defined_and_the_text_is_the_same_each_time() -> None:
    guideline = load_guideline()
    text = library(guideline)
    assert text == library(load_guideline())
    defined = set(re.findall(r'^define "(.+): holds for":$', text, re.MULTILINE))
    assert defined == {rule.id for rule in guideline.rulebook.rules.values() if rule.enabled}


def test_a_rule_reads_as_its_conditions() -> None:
    """What a condition asks of a fact stands with its list, and tallies are called by what they count."""
    shown = library(load_guideline()).partition('define "DTT-01: holds for":\n')[2].partition("    return all")[0]
    assert shown == (
        """  from "adult, after layer 1" "adult",
    ("diagnosis facts" "F" where "F"."name" = 'migraine') "diagnosis",
    ("tally, after layer 6" "F"
      where "F"."name" = 'exhausted_classes'
        and "F"."count" >= "resistant_min_classes") "exhausted classes",
    ("tally, after layer 6" "F"
      where "F"."name" = 'failed_classes'
        and "F"."count" >= "min_true_failed_classes") "failed classes",
    ("tally, after layer 6" "F"
      where "F"."name" = 'heavy_recent_months'
        and "F"."count" >= "resistant_months") "heavy recent months"
    where not exists("finding, after layer 6" "U" where "U"."rule" = 'DTT-02')
"""
    )


def test_no_fact_is_called_by_a_letter() -> None:
    text = library(load_guideline())
    for rule in re.findall(r'^define ".+: holds for":\n(.*?)^$', text, re.MULTILINE | re.DOTALL):
        for called in re.findall(r'^      "([^"]+)": "\1",?$', rule, re.MULTILINE):
            assert len(called) > 2, rule


def test_a_parameter_of_a_site_becomes_the_default() -> None:
    changed = load_guideline().with_parameters({"resistant_min_classes": 2})
    assert 'parameter "resistant_min_classes" Decimal\n  default 2.0\n' in library(changed)


def test_what_has_no_translation_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cql, "_OPERATORS", cql._OPERATORS - {">="})
    first = next(rule for rule in load_guideline().rulebook.rules.values() if _asks_for_at_least(rule))
    with pytest.raises(KnowledgeError, match=f"rule {first.id}: no translation of the operator '>='"):
        library(load_guideline())


def _asks_for_at_least(rule: Rule) -> bool:
    return any(test.op == ">=" for pattern in rule.when for test in pattern.tests)
