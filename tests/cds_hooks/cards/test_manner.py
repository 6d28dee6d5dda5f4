"""The manner of all cards kept word for word (``tests/golden``): short, the answer first, nothing twice."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[2] / "golden"
CARDS: Mapping[str, Mapping[str, str]] = {
    str(folder.relative_to(GOLDEN)): {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}
    for folder in sorted(GOLDEN.glob("*/*"))
    if folder.is_dir() and any(folder.glob("*.md"))
}
"""The cards of each call, by rule."""
EACH = [(call, rule) for call, cards in CARDS.items() for rule in sorted(cards)]
DIFFICULT = ("DTT-01", "DTT-02", "DTT-04")
FLAG = "thunderclap"


def parts(text: str) -> tuple[str, str, str]:
    """A kept card's summary, its detail, and what is cited below."""
    summary, _, rest = text.partition("\n")
    detail, _, below = rest.partition("\n---\n")
    return summary.removeprefix("# "), detail.split("\n", 3)[-1].strip(), below


@pytest.mark.parametrize(("call", "rule"), EACH, ids=[f"{call} {rule}" for call, rule in EACH])
def test_a_card_is_short_and_says_nothing_twice(call: str, rule: str) -> None:
    summary, detail, below = parts(CARDS[call][rule])
    assert 0 < len(summary) < 140
    assert summary not in detail
    assert len(detail) < (1600 if rule == "PRV-04" else 1200)
    assert "~~" not in detail, "nothing is told by striking it through alone"
    assert "exhausted" not in (summary + detail).lower(), "it is failed or ruled out"
    lines = [line for line in detail.splitlines() if line.strip()]
    assert len(lines) == len(set(lines))
    cited = re.findall(r"^(?:Source|Link): (.+?) https?:", below, re.MULTILINE)
    assert len(cited) == len(set(cited))
    assert not any(one in detail for one in cited)


@pytest.mark.parametrize("call", [call for call, cards in CARDS.items() if any(rule in cards for rule in DIFFICULT)])
def test_the_red_flags_stand_once_in_a_card_about_the_definition(call: str) -> None:
    flagged = [rule for rule, text in CARDS[call].items() if FLAG in text]
    assert len(flagged) == 1
    assert flagged[0] in DIFFICULT


@pytest.mark.parametrize("call", [call for call, cards in CARDS.items() if {"PRV-04", "NPH-01"} <= set(cards)])
def test_options_and_non_drug_treatment_do_not_repeat_each_other(call: str) -> None:
    options, non_drug = parts(CARDS[call]["PRV-04"])[1], parts(CARDS[call]["NPH-01"])[1]
    for word in ("acupuncture", "biofeedback", "relaxation", "vagus nerve", "supraorbital;"):
        assert not (word in options.lower() and word in non_drug.lower()), word


def test_both_schemes_of_classes_are_explained_where_both_are_shown() -> None:
    beside: dict[bool, set[str]] = defaultdict(set)
    for call, cards in CARDS.items():
        if "PRV-04" in cards and "May be used first" not in cards["PRV-04"]:
            both = any(rule in cards for rule in ("DTT-01", "DTT-02"))
            beside[both].add(call)
            assert ("The definition counts" in cards["PRV-04"]) is both, call
    assert beside[True]


def test_overuse_ends_with_the_next_step_and_never_stops_opioids_at_once() -> None:
    found = [parts(cards["MOH-01"])[1] for cards in CARDS.values() if "MOH-01" in cards]
    assert found
    for detail in found:
        last = detail.splitlines()[-1]
        assert last.startswith("**Next**: explain")
        assert re.search(r"taper(ed)?\b.*never stop", last)


def test_a_trial_too_short_or_low_is_named_with_both_numbers() -> None:
    found = [cards["PRV-03"].splitlines()[0] for cards in CARDS.values() if "PRV-03" in cards]
    assert found
    assert all(len(re.findall(r"\d+(?:\.\d+)?", summary)) >= 2 for summary in found)


def test_a_discharge_says_what_must_and_must_not_be_given_and_no_other_moment_does() -> None:
    for call, cards in CARDS.items():
        if "ED-01" in cards:
            told = cards["ED-01"].count("Must not be offered: hydromorphone IV")
            assert told == (1 if "encounter-discharge" in call else 0), call
