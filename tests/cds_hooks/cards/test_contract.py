"""Rulebook, cards and templates agree on every name, or the service does not start."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.cards import CardsError, building
from prodrome.fhir_mappers import Record, collect, read_facts
from prodrome.rules import Facts, judge
from prodrome.rules.engine import RulebookError
from prodrome.rules.guideline import Guideline, load_guideline
from tests.cds_hooks.cards.test_building import request
from tests.rules.patients import TODAY

ROOT = Path(__file__).parents[3]
PATIENTS = [
    json.loads(file.read_text(encoding="utf-8"))["request_by_kind"]
    for file in sorted((ROOT / "tests" / "vignettes" / "requests").glob("*.json"))
]
RULEBOOK = (ROOT / "rules" / "migraine" / "rulebook.yaml").read_text(encoding="utf-8")
TEMPLATES = sorted((ROOT / "templates" / "cards").glob("*.j2"))
BLOCKS = {
    match[1]: match
    for match in re.finditer(r"(?ms)^ *- id: (\S+)\n.*?(?=^ *- id: |^ *- name: |\Z)", RULEBOOK)
    if match[1][0].isupper()
}


def read(asked: dict[str, Any]) -> Facts:
    resources, completeness = collect(list(asked["prefetch"].items()))
    orders = tuple(entry["resource"] for entry in asked["context"].get("draftOrders", {}).get("entry", ()))
    record = Record(asked["context"]["patientId"], resources, completeness, orders)
    return read_facts(record, load_guideline(), TODAY)


FACTS = [(asked["hook"], read(asked)) for asked in PATIENTS]


def answers(guideline: Guideline) -> Iterator[list[tuple[str, str, str]]]:
    """What the cards of every labelled patient say."""
    for hook, facts in FACTS:
        judgement = judge(facts, guideline, TODAY, hook=hook, engine="reference")
        cards = building.build(judgement, facts, request(facts, hook))
        yield [(card["indicator"], card["summary"], card["detail"]) for card in cards]


def with_rulebook(folder: Path, text: str) -> Guideline:
    """The guideline with another rulebook."""
    (folder / "rulebook.yaml").write_text(text, encoding="utf-8")
    return replace(load_guideline(), folder=folder)


def holds(folder: Path, text: str, right: list[Any]) -> bool:
    """Whether a rulebook is refused in one line, or changes no answer."""
    guideline = with_rulebook(folder, text)
    try:
        building.check_cards(guideline)
    except (RulebookError, CardsError) as error:
        return "\n" not in str(error)
    return list(answers(guideline)) == right


@pytest.fixture(scope="module")
def right() -> list[Any]:
    return list(answers(load_guideline()))


CONCLUDED = sorted({rule.then.fact for rule in load_guideline().rulebook.rules.values() if not rule.card})


@pytest.mark.parametrize("name", CONCLUDED)
def test_a_renamed_fact_type_is_refused_or_nobody_s_loss(tmp_path: Path, right: list[Any], name: str) -> None:
    assert holds(tmp_path, re.sub(rf"(fact: *){name}\b", rf"\1{name}_renamed", RULEBOOK), right)


ALIASES = [(rule, alias) for rule, found in BLOCKS.items() for alias in sorted(set(re.findall(r"as: (\w+)", found[0])))]


@pytest.mark.parametrize(("rule", "alias"), ALIASES)
@pytest.mark.parametrize("shown", [False, True], ids=["but in shows", "everywhere"])
def test_a_renamed_alias_is_refused_or_nobody_s_loss(
    tmp_path: Path, right: list[Any], rule: str, alias: str, shown: bool
) -> None:
    block = BLOCKS[rule]
    new = re.sub(rf"\bas: *{alias}\b", f"as: {alias}renamed", re.sub(rf"\${alias}\b", f"${alias}renamed", block[0]))
    if shown:
        new = re.sub(rf"(shows: \{{\w+: ){alias}\b", rf"\g<1>{alias}renamed", new)
    assert holds(tmp_path, RULEBOOK[: block.start()] + new + RULEBOOK[block.end() :], right)


@pytest.mark.parametrize("tally", sorted(set(re.findall(r"name: ([a-z]+_[a-z_]+)\b", RULEBOOK))))
def test_a_renamed_count_is_refused_or_nobody_s_loss(tmp_path: Path, right: list[Any], tally: str) -> None:
    assert holds(tmp_path, re.sub(rf"name: {tally}\b", f"name: {tally}_renamed", RULEBOOK), right)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: migraine", "name: migrane", "did you mean 'migraine'?"),
        ("use: preventive", "use: preventative", "did you mean 'preventive'?"),
        ("indication: migraine", "indication: migrain", "did you mean 'migraine'?"),
        ("reason: intolerance", "reason: intolerence", "did you mean 'intolerance'?"),
        ("acute_class: triptan", "acute_class: tryptan", "did you mean 'triptan'?"),
        ("overuse_class: opioid", "overuse_class: opiod", "did you mean 'opioid'?"),
        ("kind: appointment", "kind: apointment", "did you mean 'appointment'?"),
        ('adequate: "yes"', "adequate: yess", "did you mean 'yes'?"),
        ("strength: absolute", "strength: absolut", "did you mean 'absolute'?"),
        ("how: [failed, contraindicated]", "how: [failed, contraindicatd]", "did you mean 'contraindicated'?"),
        ("level: critical}", "level: critcal}", "never has 'critical'; did you mean 'critcal'?"),
        ("by: attested", "by: atested", "did you mean 'attested'?"),
        ("by: lack of efficacy", "by: lack of effect", "did you mean 'lack of efficacy'?"),
        ("overuse_class: several classes", "overuse_class: many classes", "did you mean 'several classes'?"),
        ("absence_needs: [Condition]", "absence_needs: [Conditions]", "did you mean 'Condition'?"),
        ("hooks: [patient-view]", "hooks: [patient-viev]", "did you mean 'patient-view'?"),
        ("shows: {visits: e}", "shows: {vists: e}", "did you mean 'visits'?"),
        ("shows: {visits: e}", "shows: {visits: m}", "expected a condition on 'episode'"),
        ("shows: {visits: e}", "shows: {failures: e}", "expected a condition on 'failure'"),
        (", about: $o.order, shows: {failures: f}", ", shows: {failures: f}", "expected a card about an order"),
        (", shows: {visits: e}", "", "ED-01.md.j2: line 1: unknown name 'visits'"),
        (
            "trial: $t.trial, drug: $t.drug, certain: true}",
            "drug: $t.drug, certain: true}",
            "'trial' is missing, which cards read",
        ),
    ],
)
def test_a_name_or_value_that_is_not_known_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in RULEBOOK
    with pytest.raises((RulebookError, CardsError)) as refused:
        building.check_cards(with_rulebook(tmp_path, RULEBOOK.replace(old, new, 1)))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


# Templates


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A copy of the cards' folder to spoil."""
    return Path(shutil.copytree(ROOT / "templates" / "cards", tmp_path / "cards"))


def refusal(templates: Path) -> str:
    with pytest.raises(CardsError) as refused:
        building.check_cards(load_guideline(), templates)
    assert "\n" not in str(refused.value)
    return str(refused.value)


NAMED = {  # the last of each name in each template
    (file.name, match[1]): match.span(1)
    for file in TEMPLATES
    for match in re.finditer(r"\.([a-z_0-9]+)(?=[^{}%]*[%}]\})", file.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize(("name", "word"), NAMED)
def test_an_attribute_or_macro_nobody_knows_is_found_in_every_branch(templates: Path, name: str, word: str) -> None:
    start, end = NAMED[name, word]
    source = (templates / name).read_text(encoding="utf-8")
    (templates / name).write_text(source[:start] + "nobody_knows" + source[end:], encoding="utf-8")
    said = refusal(templates)
    assert said.startswith(f"templates/cards/{name}: line {source.count(chr(10), 0, start) + 1}: ")
    assert "'nobody_knows'" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("ACU-01", "{% for d in low_doses %}", "{% for d in low_dozes %}", "did you mean 'low_doses'?"),
        ("ACU-01", 'attribute="drug"', 'attribute="durg"', "SingleDose has no 'durg'; did you mean 'drug'?"),
        ("DTT-01", '"resistant_months"', '"resistent_months"', "did you mean 'resistant_months'?"),
        ("DTT-01", 'unseen("Condition"', 'unseen("Conditions"', "did you mean 'Condition'?"),
        ("DTT-03", "view.unrecorded(months)", 'months | selectattr("heavy", "equalto", "none")', "it is never 'none'"),
        ("DTT-03", "view.unrecorded(months)", 'months | selectattr("headache", "nothing")', "unknown test 'nothing'"),
        ("SAF-01", '== "critical"', '== "urgent"', "it is never 'urgent'"),
        ("_parts", 'others("device")', 'others("devices")', "did you mean 'device'?"),
        ("PRV-04", 'treatments("procedure"', 'treatments("procedures"', "did you mean 'procedure'?"),
        ("PRV-04", "classes(view.preventives)", "classes(view.preventives, 1)", "classes takes 1 arguments, not 2"),
        ("PRV-04", "parts.classes(view.preventives)", "parts.clases(view.preventives)", "did you mean 'classes'?"),
        ("REF-01", "sheet.running | joined", "sheet.running | joind", "did you mean 'joined'?"),
        ("REF-01", "sheet.running | joined", "sheet.running", "a card cannot show tuple"),
        ("REF-01", "sheet.running | joined", "order.drug", "unknown name 'order'"),
        ("REF-01", "sheet.running | joined }}", "sheet.running | joined", "line"),
        ("_parts", 'row.status == "contraindicated"', 'row.status == "maybe"', "it is never 'maybe'"),
        (
            "_parts",
            "{% macro red_flags(view) %}",
            "{% macro unused() %}x{% endmacro %}\n{% macro red_flags(view) %}",
            "no card uses",
        ),
    ],
)
def test_whatever_a_template_cannot_mean_is_named(templates: Path, name: str, old: str, new: str, says: str) -> None:
    file = templates / f"{name}.md.j2"
    source = file.read_text(encoding="utf-8")
    assert old in source
    file.write_text(source.replace(old, new, 1), encoding="utf-8")
    said = refusal(templates)
    # What a shared macro is asked for is found where it is used.
    assert said.startswith((f"templates/cards/{name}.md.j2: line ", "templates/cards/_parts.md.j2: line "))
    assert says in said


def test_no_rule_is_named_in_the_code_or_in_a_shared_template() -> None:
    rules = load_guideline().rulebook.rules
    cards = [rule.id for rule in rules.values() if rule.card]
    own = {f"{rule}.md.j2" for rule in cards}
    for folder in ("cds_hooks", "rules", "fhir_mappers", "templates"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".j2") and file.name not in own:
                text = re.sub(r'"""(?s:.*?)"""', "", file.read_text(encoding="utf-8"))
                named = [rule for rule in cards if re.search(rf"\b{rule}\b", text) and rule != "DTT-01"]
                assert not named, f"{file}: {named}"
                assert not re.search(r'["\']DTT-01["\']', text), file


def test_the_card_on_safety_says_so_in_the_rulebook() -> None:
    assert load_guideline().rulebook.safety_rules == {"SAF-01", "SAF-02", "SAF-03"}
