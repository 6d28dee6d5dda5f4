"""The proof that a patient without migraine need not be judged, and what breaks it."""

from dataclasses import replace
from datetime import date

import pytest

from prodrome.rules import judge
from prodrome.rules.engine.matching import Comparison, Pattern
from prodrome.rules.engine.rulebook import FINDING, Rulebook
from prodrome.rules.guideline import load_guideline
from prodrome.rules.necessity import MIGRAINE, SIEVED_HOOKS, Lack, against_the_sieve, may_speak
from tests.rules.patients import patient

BOOK = load_guideline().rulebook


def test_nothing_speaks_for_a_patient_without_migraine_and_without_an_order() -> None:
    assert against_the_sieve(BOOK) == ()


@pytest.mark.parametrize("spared", MIGRAINE[1:], ids=lambda lack: lack.fact)
def test_what_the_patient_may_have_lets_rules_speak(spared: Lack) -> None:
    speaking = {id_ for hook in SIEVED_HOOKS for id_ in may_speak(BOOK, hook, set(MIGRAINE) - {spared})}
    assert ("DTT-01" in speaking) == (spared.fact == "diagnosis")
    assert "ED-01" in speaking


def test_an_order_lets_its_rules_speak_where_they_have_their_hook() -> None:
    speaking = may_speak(BOOK, "order-sign", MIGRAINE[1:])
    assert "SAF-01" in speaking
    assert "ED-01" not in speaking


def with_rule(when: tuple[Pattern, ...]) -> Rulebook:
    """The rulebook with one more card rule in its last layer."""
    like = BOOK.rules["NPH-01"]
    then = replace(like.then, fields={**like.then.fields, "rule": "SITE-01"})
    rule = replace(like, id="SITE-01", when=when, unless=(), absence_needs=(), then=then)
    *layers, last = BOOK.layers
    return replace(BOOK, layers=(*layers, replace(last, rules=(*last.rules, rule))))


@pytest.mark.parametrize(
    ("when", "breaks"),
    [
        ((Pattern("patient", "p", (Comparison("age", ">=", 18),)),), True),
        ((Pattern("diagnosis", "d", (Comparison("name", "=", "migraine"),)),), False),
        ((Pattern("diagnosis", "d", (Comparison("name", "=", "asthma"),)),), True),
        ((Pattern("diagnosis", "d", (), (), (("name", frozenset({"migraine"})),)),), False),
        ((Pattern("diagnosis", "d", (), (), (("name", frozenset({"migraine", "asthma"})),)),), True),
        ((Pattern("diagnosis", "d", (Comparison("name", "!=", "migraine"),)),), True),
        ((Pattern("order", "o"),), False),
        ((Pattern("hook", "h", (Comparison("name", "=", "order-sign"),)),), False),
        ((Pattern("hook", "h", (Comparison("name", "=", "patient-view"),)),), True),
        ((Pattern(FINDING, "f", (Comparison("rule", "=", "DTT-01"),)),), False),
    ],
)
def test_a_rule_of_a_site_breaks_the_sieve_exactly_where_it_may_speak_without_migraine(
    when: tuple[Pattern, ...], breaks: bool
) -> None:
    assert against_the_sieve(with_rule(when)) == (("SITE-01",) if breaks else ())


def test_a_tally_of_nothing_is_zero_and_may_satisfy_a_rule() -> None:
    tally = next(tally for layer in BOOK.layers for tally in layer.tallies)
    lacking = (*MIGRAINE, *(Lack(name) for name in BOOK.measured if name != "hook"))

    def asks(op: str, count: int) -> tuple[Pattern, ...]:
        return (Pattern("tally", "t", (Comparison("name", "=", tally.name), Comparison("count", op, count))),)

    assert may_speak(with_rule(asks("=", 0)), "patient-view", lacking) == ("SITE-01",)
    assert may_speak(with_rule(asks(">=", 1)), "patient-view", lacking) == ()


def test_a_patient_without_migraine_has_no_finding_and_nothing_unjudged() -> None:
    judgement = judge(patient(conditions=()), load_guideline(), date(2026, 6, 15), hook="patient-view")
    assert not judgement.findings
    assert not [one for one in judgement.unjudged if one.rule.card]
