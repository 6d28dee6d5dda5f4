"""The rules as CQL: every enabled rule is in, the text is always the same, what has no translation is named."""

import re
from dataclasses import replace

import pytest

from prodrome.cds_hooks.knowledge import KnowledgeError, library
from prodrome.rules.engine import Comparison
from prodrome.rules.guideline import load_guideline

BASE = "https://example.org/prodrome"


def test_every_enabled_rule_is_defined_and_the_text_is_the_same_each_time() -> None:
    guideline = load_guideline()
    text = library(guideline, BASE)
    assert text == library(guideline, f"{BASE}/")
    defined = set(re.findall(r'^define "(.+): holds for":$', text, re.MULTILINE))
    assert defined == {rule.id for rule in guideline.rulebook.rules.values() if rule.enabled}


def test_a_parameter_of_a_site_becomes_the_default() -> None:
    changed = load_guideline().with_parameters({"resistant_min_classes": 2})
    assert 'parameter "resistant_min_classes" Decimal\n  default 2.0\n' in library(changed, BASE)


def test_what_has_no_translation_names_the_rule() -> None:
    guideline = load_guideline()
    book = guideline.rulebook
    layer = book.layers[0]
    rule = layer.rules[0]
    pattern = replace(rule.when[0], tests=(replace(_a_test(), op="~"),))
    odd = replace(book, layers=(replace(layer, rules=(replace(rule, when=(pattern,)),)), *book.layers[1:]))
    other = replace(guideline)
    object.__setattr__(other, "rulebook", odd)
    with pytest.raises(KnowledgeError, match=f"rule {rule.id}: no translation of the operator '~'"):
        library(other, BASE)


def _a_test() -> Comparison:
    rules = load_guideline().rulebook.rules.values()
    return next(test for rule in rules for pattern in rule.when for test in pattern.tests)
