"""A rulebook is read strictly: what cannot be meant is an error that says where and what was probably meant."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodrome.rules.engine.matching import Comparison, Join, Pattern
from prodrome.rules.engine.reading import STATEMENTS, FactTypes, load_rulebook
from prodrome.rules.engine.rulebook import Card, Conclusion, FieldOf, Rulebook, RulebookError
from tests.rules.engine.worlds import FACT_TYPES, HOOKS, KINDS, PARAMETERS, SOURCES, card, cases, layer, rulebook, step

TRIAL = {"fact": "trial", "as": "t"}
MADE = {"fact": "made", "drug": "$t.drug"}


def only(when: Mapping[str, Any], **more: Any) -> Pattern:
    """The first condition of a rule, as it was read."""
    (rule,) = rulebook(layer("one", step("one", [when], {"fact": "made"}, **more))).rules.values()
    return rule.when[0]


# What is written is what is read


def test_a_step_is_read_whole() -> None:
    entry = step(
        "failed",
        [TRIAL | {"days": ">= $min_days"}, {"fact": "order", "as": "o", "drug": "$t.drug"}],
        {"fact": "failure", "drug": "$t.drug", "days": "$min_days", "certainty": "high"},
        title="A failure",
        statements=["S4", "guard"],
        sources=["EHF2020"],
        unless=[{"fact": "allergy", "drug": "!= $t.drug"}],
        absence_needs=["Condition"],
        about="$o.id",
    )
    rule = rulebook(layer("outcomes", entry)).rules["failed"]
    assert (rule.layer, rule.title, rule.why, rule.statements) == ("outcomes", "A failure", "because", ("S4", "guard"))
    assert (rule.sources, rule.hooks, rule.card, rule.enabled) == (("EHF2020",), (), None, True)
    assert rule.when == (
        Pattern("trial", "t", (Comparison("days", ">=", 56, "min_days"),)),
        Pattern("order", "o", joins=(Join("drug", "t", "drug"),)),
    )
    assert rule.unless == (Pattern("allergy", "", joins=(Join("drug", "t", "drug", "!="),)),)
    assert rule.then == Conclusion("failure", {"drug": FieldOf("t", "drug"), "days": 56, "certainty": "high"})
    assert (rule.absence_needs, rule.about, rule.reported_as) == (("Condition",), FieldOf("o", "id"), "failed")
    assert rule.parameters == ("min_days",)


def test_a_card_rule_concludes_its_finding() -> None:
    entry = card("AB-01", [{"fact": "order", "as": "o"}], incomplete_card="visits", absence_needs=["Encounter"])
    entry["card"] = {"indicator": "warning", "about": "$o.id"}
    rule = rulebook(layer("cards", entry)).rules["AB-01"]
    assert rule.card == Card("warning", FieldOf("o", "id"))
    assert rule.then == Conclusion("finding", {"rule": "AB-01", "order": FieldOf("o", "id")})
    assert (rule.hooks, rule.incomplete_card, rule.about) == (("patient-view",), "visits", FieldOf("o", "id"))


LOUD = layer("dangers", *(step(word, [TRIAL], {"fact": "danger", "level": word}) for word in ("critical", "warning")))


def test_a_card_may_be_as_loud_as_a_fact_says() -> None:
    entry = card("AB-01", [{"fact": "danger", "as": "d"}]) | {"card": {"indicator": "$d.level"}}
    assert rulebook(LOUD, layer("cards", entry)).rules["AB-01"].card == Card(FieldOf("d", "level"))


def test_a_card_says_what_it_shows() -> None:
    entry = card("AB-01", [TRIAL, {"fact": "order", "as": "o"}])
    entry["card"] = {"indicator": "info", "shows": {"trials": "t", "orders": "o"}}
    assert rulebook(layer("cards", entry)).rules["AB-01"].card == Card("info", shows={"trials": "t", "orders": "o"})


def test_the_values_of_a_concluded_field_are_known_where_every_rule_says_them() -> None:
    book = rulebook(
        LOUD,
        layer(
            "echoes",
            step("echo", [{"fact": "danger", "as": "d"}], {"fact": "echo", "level": "$d.level", "word": "a"}),
            step("more", [TRIAL], {"fact": "echo", "level": "none", "word": "$t.drug"}),
        ),
    )
    assert book.known_values["echo", "level"] == {"critical", "warning", "none"}
    assert ("echo", "word") not in book.known_values


@pytest.mark.parametrize("value", ["critcal", "!= critcal", ["warning", "critcal"]])
def test_a_value_that_a_field_never_has_is_an_error(value: object) -> None:
    message = failing(LOUD, layer("two", step("two", [{"fact": "danger", "level": value}], MADE | {"drug": "a"})))
    assert message == "rule two: when[0]: level: 'danger' never has 'critcal'; did you mean 'critical'?"


def test_a_measured_field_with_known_values_refuses_others() -> None:
    types: FactTypes = {**FACT_TYPES, "diagnosis": {"name": ("migraine", "chronic_migraine")}}
    text = json.dumps(
        {
            "version": "1",
            "date": "d",
            "layers": [layer("one", step("one", [{"fact": "diagnosis", "name": "migrane"}], MADE | {"drug": "a"}))],
        }
    )
    with pytest.raises(RulebookError, match="'diagnosis' never has 'migrane'; did you mean 'migraine'"):
        load_rulebook(text, parameters=PARAMETERS, fact_types=types, sources=SOURCES, kinds=KINDS, hooks=HOOKS)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"drug": "a"}, Comparison("drug", "=", "a")),
        ({"drug": "!= a b"}, Comparison("drug", "!=", "a b")),
        ({"drug": "$word"}, Comparison("drug", "=", "a", "word")),
        ({"drug": "!= $word"}, Comparison("drug", "!=", "a", "word")),
        ({"days": 5}, Comparison("days", "=", 5)),
        ({"days": "<= 5"}, Comparison("days", "<=", 5)),
        ({"days": ">2.5"}, Comparison("days", ">", 2.5)),
        ({"days": "!= -1"}, Comparison("days", "!=", -1)),
        ({"days": "$min_days"}, Comparison("days", "=", 56, "min_days")),
        ({"coded": True}, Comparison("coded", "=", True)),
        ({"coded": "!= true"}, Comparison("coded", "!=", True)),
        ({"coded": "$ok"}, Comparison("coded", "=", True, "ok")),
        ({"days": "present"}, Comparison("days", "present")),
    ],
)
def test_a_test_is_a_literal_a_comparison_a_parameter_or_present(written: dict[str, Any], read: Comparison) -> None:
    assert only(TRIAL | written).tests == (read,)


def test_a_list_is_any_of_its_values_and_may_be_a_parameter() -> None:
    assert only(TRIAL | {"drug": ["a", "b"]}).one_of == (("drug", frozenset({"a", "b"})),)
    assert only(TRIAL | {"drug": "$wanted"}).one_of == (("drug", frozenset({"a", "b"})),)
    assert only(TRIAL | {"days": [1, "$min_days"]}).one_of == (("days", frozenset({1, 56})),)


def test_a_condition_without_alias_goes_by_its_type() -> None:
    entry = step("pair", [{"fact": "trial"}, {"fact": "trial", "drug": "$trial.drug"}], {"fact": "made"})
    when = rulebook(layer("one", entry)).rules["pair"].when
    assert [pattern.alias for pattern in when] == ["trial", "trial_2"]


def test_absent_stands_in_an_unless() -> None:
    entry = step("known", [TRIAL], MADE, unless=[{"fact": "trial", "drug": "$t.drug", "days": "absent"}])
    assert rulebook(layer("one", entry)).rules["known"].unless[0].tests == (Comparison("days", "absent"),)


@pytest.mark.parametrize(
    ("condition", "enabled"), [("$ok", True), ("$accept", False), ("not $accept", True), ("not $ok", False)]
)
def test_a_rule_exists_while_its_parameter_says_so(condition: str, enabled: bool) -> None:
    book = rulebook(layer("one", step("one", [TRIAL], MADE) | {"if": condition}))
    assert book.rules["one"].enabled is enabled
    assert book.rules["one"].parameters == (condition.split("$")[1],)
    assert len(book.layers[0].compiled.rules) == enabled


def test_a_site_s_parameter_is_the_one_in_force() -> None:
    entry = step("long", [TRIAL | {"days": ">= $min_days"}], MADE)
    assert rulebook(layer("one", entry), min_days=84).rules["long"].when[0].tests[0].value == 84


def test_concluded_facts_have_the_fields_that_rules_give_them() -> None:
    book = rulebook(
        layer(
            "one",
            step("first", [TRIAL], {"fact": "made", "drug": "$t.drug", "days": "$t.days"}),
            step("second", [TRIAL], {"fact": "made", "sure": True}),
        )
    )
    assert book.fact_types["made"] == {"drug": str, "days": float, "sure": bool}
    assert book.measured == set(FACT_TYPES)


def test_a_rule_rests_on_what_the_rules_before_it_read() -> None:
    book = rulebook(
        layer(
            "one",
            step("made", [TRIAL], MADE, unless=[{"fact": "allergy"}], absence_needs=["Condition"]),
            step("other", [{"fact": "order"}], {"fact": "another"}, absence_needs=["Encounter"]),
            tallies=[{"name": "drugs", "distinct": "drug", "of": {"fact": "made"}}],
        ),
        layer("two", card("AB-01", [{"fact": "tally", "name": "drugs", "count": ">= 1"}])),
        layer("three", card("AB-02", [{"fact": "order"}], unless=[{"fact": "finding", "rule": "AB-01"}])),
        layer("four", card("AB-03", [{"fact": "unjudged", "rule": "other"}])),
    )
    assert book.rests_on("AB-01") == {"trial", "allergy"}
    assert book.absence_kinds("AB-01") == {"Condition"}
    assert book.rests_on("AB-02") == {"trial", "allergy", "order"}
    assert book.rests_on("AB-03") == {"order"}
    assert book.absence_kinds("AB-03") == {"Encounter"}


def test_a_rulebook_is_read_from_a_file_and_its_errors_name_it(tmp_path: Path) -> None:
    path = tmp_path / "our-rules.yaml"
    path.write_text(
        'version: "1.0.0"\ndate: "2026-11-22"\nnot_evaluated: ["the\\n hour"]\nlayers: []\n', encoding="utf-8"
    )
    world: dict[str, Any] = {"parameters": PARAMETERS, "fact_types": FACT_TYPES}
    world |= {"sources": SOURCES, "kinds": KINDS, "hooks": HOOKS}
    book = load_rulebook(path, **world)
    assert (book.version, book.date, book.not_evaluated, book.layers) == ("1.0.0", "2026-11-22", ("the hour",), ())
    path.write_text('version: "1.0.0"\ndate: "2026-11-22"\nlayer: []\n', encoding="utf-8")
    with pytest.raises(RulebookError, match=r"^our-rules\.yaml: unknown entry 'layer'; did you mean 'layers'\?$"):
        load_rulebook(path, **world)


# What cannot be meant


def failing(*layers: Mapping[str, Any]) -> str:
    with pytest.raises(RulebookError) as caught:
        rulebook(*layers)
    assert str(caught.value).startswith("rulebook.yaml: ")
    return str(caught.value).removeprefix("rulebook.yaml: ")


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({"fact": "trail"}, "unknown fact type 'trail'; did you mean 'trial'?"),
        ({"fact": "trial", "dyas": 5}, "'trial' has no field 'dyas'; did you mean 'days'?"),
        (
            {"fact": "trial", "drug": "$o.drug"},
            "unknown alias 'o'; there is: t (an alias is known after its condition)",
        ),
        ({"fact": "trial", "drug": "$t.drgu"}, "'trial' has no field 'drgu'; did you mean 'drug'?"),
        ({"fact": "trial", "drug": "$t.drug.x"}, "'$t.drug.x' is not '$alias.field'"),
        ({"fact": "trial", "as": "u", "drug": "$u.drug"}, "unknown alias 'u'"),
        ({"fact": "trial", "days": ">= $min_dyas"}, "unknown parameter 'min_dyas'; did you mean 'min_days'?"),
        ({"fact": "trial", "days": "$t.days"}, "days: only text fields join, and $t.days or trial.days is not text"),
        ({"fact": "trial", "drug": "$t.days"}, "only text fields join"),
        ({"fact": "trial", "coded": "$t.coded"}, "only text fields join"),
        ({"fact": "trial", "days": "many"}, "days is a number, 'many' is not"),
        ({"fact": "trial", "days": ">= many"}, "days is a number, 'many' is not"),
        ({"fact": "trial", "days": "5"}, "days is a number, '5' is not"),
        ({"fact": "trial", "days": ">= nan"}, "beyond what is compared exactly"),
        ({"fact": "trial", "days": 10**15}, "beyond what is compared exactly"),
        ({"fact": "trial", "days": "$word"}, "days is a number, 'a' is not"),
        ({"fact": "trial", "drug": True}, "drug is text, True is not; a word like yes or no is quoted"),
        ({"fact": "trial", "drug": 5}, "drug is text, 5 is not"),
        ({"fact": "trial", "drug": None}, "drug is text, None is not"),
        ({"fact": "trial", "drug": ""}, "drug is text, '' is not"),
        ({"fact": "trial", "drug": "< b"}, "drug is text: it can be equal or not ('!='), not <"),
        ({"fact": "trial", "coded": "> true"}, "coded is true or false: it can be equal or not ('!='), not >"),
        ({"fact": "trial", "coded": "yes"}, "coded is true or false, 'yes' is not"),
        ({"fact": "trial", "drug": []}, "a list of values holds at least one, and each once"),
        ({"fact": "trial", "drug": ["a", "a"]}, "a list of values holds at least one, and each once"),
        ({"fact": "trial", "drug": ["a", 1]}, "drug is text, 1 is not"),
        ({"fact": "trial", "drug": "!= $wanted"}, "parameter 'wanted' is a list: it can only be one of"),
        ({"fact": "trial", "days": "absent"}, "absent stands only in 'unless'"),
        ({"fact": "trial", "as": "t"}, "alias 't' stands twice"),
        ({"fact": "trial", "as": "T 1"}, "'T 1' is no alias"),
        ({"trial": "x"}, "expected {fact: <type>, ...}"),
        ("trial", "expected {fact: <type>, ...}"),
        ({"fact": "made"}, "'made' is concluded in this layer or a later one"),
        ({"fact": "later"}, "'later' is concluded in this layer or a later one"),
        ({"fact": "finding", "rule": "AB-01"}, "finding 'AB-01' is concluded in this layer or a later one"),
        ({"fact": "finding", "rule": "AB-09"}, "nothing concludes finding 'AB-09'; did you mean 'AB-01'?"),
        ({"fact": "finding"}, "finding 'AB-01' is concluded in this layer or a later one"),
        ({"fact": "unjudged", "rule": "one"}, "nothing concludes unjudged 'one'"),
        ({"fact": "tally", "name": "drugs"}, "tally 'drugs' is concluded in this layer or a later one"),
        ({"fact": "tally", "name": "durgs"}, "nothing concludes tally 'durgs'; did you mean 'drugs'?"),
        ({"fact": "tally", "count": 1}, "a tally is read by its name"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_an_error(condition: Any, problem: str) -> None:
    message = failing(
        layer(
            "one",
            step("one", [TRIAL, condition], MADE),
            tallies=[{"name": "drugs", "distinct": "drug", "of": TRIAL_OF}],
        ),
        layer("two", step("two", [TRIAL], {"fact": "later"}), card("AB-01", [TRIAL])),
    )
    assert message.startswith("rule one: when[1]: ")
    assert problem in message


TRIAL_OF = {"fact": "trial"}


def test_a_condition_of_an_unless_has_no_alias() -> None:
    assert "has no alias" in failing(layer("one", step("one", [TRIAL], MADE, unless=[{"fact": "order", "as": "o"}])))


def test_a_type_concluded_in_two_layers_is_read_after_the_last() -> None:
    layers = [
        layer("one", step("one", [TRIAL], MADE)),
        layer("two", step("two", [{"fact": "made"}], {"fact": "echo"})),
        layer("three", step("three", [TRIAL], MADE)),
    ]
    assert rulebook(*layers[:2]).rules
    assert "'made' is concluded in this layer or a later one" in failing(*layers)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"whne": []}, "unknown entry 'whne'; did you mean 'when'?"),
        ({"why": None}, "'why' is missing"),
        ({"why": 5}, "'why' is text (quote it)"),
        ({"when": []}, "'when' holds 1 to 14 conditions, not 0"),
        ({"when": "trial"}, "'when' is a list"),
        ({"sources": ["EHF2021"]}, "sources: no 'EHF2021'; did you mean 'EHF2020'?"),
        ({"sources": []}, "'sources' holds at least one, and each once"),
        ({"statements": ["S12"]}, "statements: no 'S12'; did you mean 'S2'?"),
        ({"absence_needs": ["Encuonter"]}, "absence_needs: no 'Encuonter'; did you mean 'Encounter'?"),
        ({"absence_needs": ["Encounter", "Encounter"]}, "'absence_needs' holds at least one, and each once"),
        ({"if": "$min_days"}, "if: parameter 'min_days' is not true or false"),
        ({"if": "accept"}, "if: 'accept' is neither '$parameter' nor 'not $parameter'"),
        ({"if": "$acept"}, "unknown parameter 'acept'; did you mean 'accept'?"),
        ({"concludes_absence_for": "AB-09", "absence_needs": ["Encounter"]}, "no card rule 'AB-09'"),
        ({"concludes_absence_for": "one", "absence_needs": ["Encounter"]}, "no card rule 'one'"),
        ({"concludes_absence_for": "AB-01"}, "concludes_absence_for says nothing without absence_needs"),
        ({"about": "$t.days"}, "about: $t.days is not text"),
        ({"about": "$u.drug"}, "unknown alias 'u'"),
        ({"card": {"indicator": "info"}}, "a step makes no card"),
        ({"hooks": ["patient-view"]}, "a step makes no card"),
        ({"then": None}, "a step concludes a fact"),
        ({"then": {"drug": "a"}}, "a step concludes a fact"),
        ({"then": {"fact": "Made"}}, "'Made' is no fact type"),
        ({"then": {"fact": "trial"}}, "a step cannot conclude 'trial'"),
        ({"then": {"fact": "finding"}}, "a step cannot conclude 'finding'"),
        ({"then": {"fact": "made", "drug": "$t.drgu"}}, "'trial' has no field 'drgu'; did you mean 'drug'?"),
        ({"then": {"fact": "made", "drug": "$drug"}}, "unknown parameter 'drug'"),
        ({"then": {"fact": "made", "drug": None}}, "drug: expected text"),
        ({"then": {"fact": "made", "drug": "$wanted"}}, "drug: expected text"),
        ({"then": {"fact": "made", "Drug": "a"}}, "'Drug' is no field name"),
        ({"then": {"fact": "made", "days": 1e15}}, "days: 1000000000000000.0 is beyond what is compared exactly"),
        ({"then": {"fact": "other", "days": "none"}}, "days is text here and a number in another rule"),
        ({"id": "Two"}, "an id is like DTT-01 (a card) or like failed-for-efficacy (a step)"),
        ({"id": "first"}, "this id stands twice"),
    ],
)
def test_a_step_that_cannot_be_meant_is_an_error(change: dict[str, Any], problem: str) -> None:
    first = step("first", [TRIAL], {"fact": "other", "days": "$t.days"})
    message = failing(layer("one", first, step("one", [TRIAL], MADE) | change, card("AB-01", [TRIAL])))
    assert message.startswith("rule ")
    assert problem in message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"card": None}, "'card' is missing"),
        ({"card": {}}, "'indicator' is missing"),
        ({"card": {"indicator": "loud"}}, "no indicator 'loud'"),
        ({"card": {"indicator": "$t.days"}}, "indicator: $t.days is not text"),
        ({"card": {"indicator": "info", "abuot": "$t.id"}}, "unknown entry 'abuot'; did you mean 'about'?"),
        ({"card": {"indicator": "info", "about": "$t.idd"}}, "'trial' has no field 'idd'; did you mean 'id'?"),
        ({"hooks": ["patient-veiw"]}, "hooks: no 'patient-veiw'; did you mean 'patient-view'?"),
        ({"hooks": None}, "'hooks' is missing"),
        ({"title": None}, "'title' is missing"),
        ({"statements": None}, "'statements' is missing"),
        ({"sources": None}, "'sources' is missing"),
        ({"then": MADE}, "a card rule's conclusion is its finding: leave out 'then'"),
        ({"incomplete_card": True}, "'incomplete_card' is text"),
        ({"card": {"indicator": "$t.drug"}}, "indicator: $t.drug is not always one of info, warning, critical"),
        ({"card": {"indicator": "info", "shows": {"trials": "u"}}}, "shows: trials: unknown alias 'u'"),
        ({"card": {"indicator": "info", "shows": ["t"]}}, "shows: expected {name: alias}"),
        ({"card": {"indicator": "info", "shows": {"A B": "t"}}}, "shows: 'A B' is no name"),
    ],
)
def test_a_card_rule_that_cannot_be_meant_is_an_error(change: dict[str, Any], problem: str) -> None:
    message = failing(layer("one", card("AB-01", [TRIAL]) | change))
    assert message.startswith("rule AB-01: ")
    assert problem in message


@pytest.mark.parametrize(
    ("tally", "problem"),
    [
        ({"name": "drugs", "distinct": "drug"}, "'of' is missing"),
        ({"name": "drugs", "distinct": "durg", "of": TRIAL_OF}, "'trial' has no field 'durg'; did you mean 'drug'?"),
        (
            {"name": "drugs", "distinct": "drug", "of": {"fact": "later", "drug": "a"}},
            "'later' is concluded in this layer",
        ),
        ({"name": "drugs", "distinct": "drug", "of": {"fact": "trial", "drug": "$t.drug"}}, "unknown alias 't'"),
        ({"name": "known", "distinct": "drug", "of": TRIAL_OF}, "tally 'known' stands twice"),
        ({"name": 5, "distinct": "drug", "of": TRIAL_OF}, "'name' is text"),
    ],
)
def test_a_tally_that_cannot_be_meant_is_an_error(tally: dict[str, Any], problem: str) -> None:
    known = {"name": "known", "distinct": "drug", "of": TRIAL_OF}
    later = layer("two", step("two", [TRIAL], {"fact": "later", "drug": "$t.drug"}))
    assert problem in failing(layer("one", tallies=[known, tally]), later)


def test_a_tally_counts_what_its_own_layer_concludes() -> None:
    tally = {"name": "drugs", "distinct": "drug", "of": {"fact": "made"}}
    (read,) = rulebook(layer("one", step("one", [TRIAL], MADE), tallies=[tally])).layers[0].tallies
    assert (read.name, read.distinct, read.of) == ("drugs", "drug", Pattern("made", ""))


def read_text(text: str) -> Rulebook:
    return load_rulebook(
        text, parameters=PARAMETERS, fact_types=FACT_TYPES, sources=SOURCES, kinds=KINDS, hooks=HOOKS, name="rules.yaml"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a mapping with version, date, layers"),
        ("[1, 2]", "expected a mapping with version, date, layers"),
        ("a: [", "rules.yaml: not valid YAML at line 2: "),
        ('version: "1"\nversion: "2"\n', "'version' stands twice"),
        ('version: 1.0\ndate: "d"\nlayers: []', "'version' is text (quote it)"),
        ('version: "1"\ndate: 2026-11-22\nlayers: []', "'date' is text (quote it)"),
        ('version: "1"\ndate: "d"\nlayers: {}', "'layers' is a list"),
        ('version: "1"\ndate: "d"\nlayers: [x]', "expected a mapping with name"),
        ('version: "1"\ndate: "d"\nlayers: [{name: a}, {name: a}]', "layer 'a' stands twice"),
        ('version: "1"\ndate: "d"\nlayers: [{name: a, rules: [x]}]', "layer 'a': a rule has no id"),
        ('version: "1"\ndate: "d"\nlayers: []\nnot_evaluated: [5]', "'not_evaluated' is a list of texts"),
    ],
)
def test_a_file_that_cannot_be_meant_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(RulebookError) as caught:
        read_text(text)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("rules.yaml: ")


def test_the_seeds_are_the_eleven_statements_and_guard() -> None:
    assert STATEMENTS == ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "guard")


def test_an_error_never_shows_more_than_one_line() -> None:
    with pytest.raises(RulebookError) as caught:
        read_text(json.dumps({"version": "1"})[:-1])
    assert "\n" not in str(caught.value)


VALID = json.dumps(
    {
        "version": "1.0.0",
        "date": "2026-11-22",
        "not_evaluated": ["the hour"],
        "layers": [
            layer(
                "one",
                step(
                    "made",
                    [TRIAL | {"days": ">= $min_days", "drug": ["a"]}, {"fact": "order", "as": "o", "drug": "$t.drug"}],
                    MADE,
                    unless=[{"fact": "allergy", "drug": "$t.drug"}],
                    absence_needs=["Condition"],
                    concludes_absence_for="AB-01",
                    about="$o.id",
                    sources=["EHF2020"],
                )
                | {"if": "$ok"},
                tallies=[{"name": "drugs", "distinct": "drug", "of": {"fact": "made"}}],
            ),
            layer("two", card("AB-01", [{"fact": "tally", "name": "drugs", "count": ">= 1"}], incomplete_card="drugs")),
        ],
    }
)

WORDS = ["", "x", "$", "$x", "$t.", "$.drug", "$a.b.c", "!=", ">= ", "made", "trial", "present", "absent", "not $ok"]
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [*WORDS, None, 0, -1.5, 1e300, True, [], [[]], [{}], [None], ["a", 1], ["$wanted"], {}, {"x": 1}, {"fact": []}]
)


def spoil(draw: Callable[[st.SearchStrategy[Any]], Any], node: Any) -> Any:
    """The same tree with junk for one of its nodes, or under one of its keys."""
    if not isinstance(node, dict | list) or not node or draw(st.integers(0, 4)) == 0:
        return draw(JUNK)
    key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    if isinstance(node, dict) and draw(st.integers(0, 5)) == 0:
        return {k: v for k, v in node.items() if k != key} | {draw(st.sampled_from(["x", "rules", "fact"])): node[key]}
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[key] = spoil(draw, node[key])
    return copy


@settings(max_examples=cases(300, 3_000, 30_000))
@given(st.data())
def test_a_spoilt_rulebook_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    spoilt = spoil(data.draw, json.loads(VALID))
    with suppress(RulebookError):
        assert read_text(json.dumps(spoilt)).version


def test_the_rulebook_that_is_spoilt_is_a_good_one() -> None:
    assert set(read_text(VALID).rules) == {"made", "AB-01"}
