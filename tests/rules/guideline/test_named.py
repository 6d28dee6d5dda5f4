"""What Python names in the guideline's files is checked when they are read, and nothing is named beside that."""

import ast
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest

from prodrome.rules.guideline import named
from prodrome.rules.guideline.guideline import GUIDELINE_FOLDER, load_guideline
from prodrome.rules.guideline.types import GuidelineError, Parameter

ROOT = Path(__file__).parents[3]
GUIDELINE = load_guideline()
THERE: Mapping[str, Collection[str]] = {
    "parameter": GUIDELINE.parameters,
    "code set": GUIDELINE.code_sets,
    "contraindication": GUIDELINE.contraindications,
    "drug": GUIDELINE.drugs,
    "drug class": GUIDELINE.drug_classes,
    "acute class": GUIDELINE.acute_classes,
    "class": GUIDELINE.classes,
    "meaning": GUIDELINE.words,
    "group of other drugs": GUIDELINE.co_medication_words,
    "locale": GUIDELINE.locales,
}
OTHERWISE_MEANT = {"other", "ergot", "opioid", "combination"}
"""Words that Python uses for something else, too: overuse classes, ways to combine, what is neither this nor that."""


def names() -> Iterator[tuple[str, str]]:
    for _, what, literal in named._NAMED:
        yield from ((what, name) for name in get_args(literal))


@pytest.mark.parametrize(("what", "name"), sorted(names()))
def test_a_name_that_the_files_no_longer_have_stops_the_reading(what: str, name: str) -> None:
    there = {**THERE, what: [one if one != name else f"{name}x" for one in THERE[what]]}
    with pytest.raises(GuidelineError) as told:
        named.check_named(there, GUIDELINE.parameters, GUIDELINE.systems)
    assert f"there is no {what} {name!r}, which the program reads; did you mean " in str(told.value)


def test_a_parameter_that_is_read_as_a_number_is_one() -> None:
    parameters = {
        name: Parameter(name, "eight", "choice", "days", "", ()) if name == "moh_months" else one
        for name, one in GUIDELINE.parameters.items()
    }
    with pytest.raises(GuidelineError, match="moh_months: kind should be integer or number, found 'choice'"):
        named.check_named(THERE, parameters, GUIDELINE.systems)


def test_a_reason_or_a_code_system_that_is_gone_stops_the_reading() -> None:
    sets = [name for name in THERE["code set"] if name != "stop_reason.inefficacy"]
    with pytest.raises(GuidelineError, match=r"no code set 'stop_reason\.inefficacy'"):
        named.check_named({**THERE, "code set": sets}, GUIDELINE.parameters, GUIDELINE.systems)
    with pytest.raises(GuidelineError, match=r"rxnorm: url should be 'http.*rxnorm', found 'https://x'"):
        named.check_named(THERE, GUIDELINE.parameters, {**GUIDELINE.systems, "rxnorm": "https://x"})


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "parameters.yaml",
            "  episode_gap_days:",
            "  episode_gap:",
            "there is no parameter 'episode_gap_days'",
        ),
        (
            "codes.yaml",
            "  chemodenervation:",
            "  chemo_denervation:",
            "there is no code set 'chemodenervation'",
        ),
        ("words.csv", "specialist.headache", "specialist.headaches", "there is no meaning 'specialist.headache'"),
    ],
)
def test_the_files_themselves_are_compared(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    folder = tmp_path / "migraine"
    shutil.copytree(GUIDELINE_FOLDER, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(GuidelineError, match=says):
        load_guideline(folder)


def texts_of(path: Path) -> Iterator[tuple[str, int]]:
    """The texts of a module that are no docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value, node.lineno


def test_python_names_nothing_of_the_files_that_is_not_checked() -> None:
    checked = {name for _, name in names()} | OTHERWISE_MEANT
    there = {name for known in THERE.values() for name in known}
    unchecked = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for room in ("cds_hooks", "fhir_mappers", "rules")
        for path in sorted((ROOT / room).rglob("*.py"))
        for text, line in texts_of(path)
        if text in there and text not in checked
    ]
    assert unchecked == []
