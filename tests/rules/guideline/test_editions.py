"""Two editions of the guideline side by side."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from prodrome.rules.guideline import (
    Change,
    Difference,
    GuidelineError,
    compare_editions,
    edition_in_force,
    edition_of,
    load_guideline,
    read_edition,
)

NOW = load_guideline()


@pytest.fixture
def before(tmp_path: Path) -> Callable[..., Path]:
    """A copy of the guideline in which a text of a file is another."""

    def before_(file: str, now: str, then: str) -> Path:
        folder = tmp_path / "migraine"
        if not folder.exists():
            shutil.copytree(NOW.folder, folder)
        text = (folder / file).read_text(encoding="utf-8")
        assert now in text
        (folder / file).write_text(text.replace(now, then, 1), encoding="utf-8")
        return folder

    return before_


def changes(folder: Path) -> tuple[Change, ...]:
    return compare_editions(read_edition(folder), edition_in_force(NOW))


def test_an_edition_does_not_differ_from_itself_however_it_is_laid_out(before: Callable[..., Path]) -> None:
    assert changes(before("rulebook.yaml", "layers:", "# another comment\n\nlayers:")) == ()


def test_a_changed_condition_stands_beside_what_it_was(before: Callable[..., Path]) -> None:
    (change,) = changes(before("rulebook.yaml", '{fact: patient, age: ">= $min_age"}', "{fact: patient, age: 17}"))
    assert (change.of, change.id, change.kind) == ("rules", "of-age", "changed")
    was, is_ = "{fact: patient, age: 17}", "{fact: patient, age: >= $min_age}"
    assert change.differences == (Difference("when", was, is_),)


def test_a_rule_that_is_new_and_one_that_is_gone_are_named_with_what_they_say(before: Callable[..., Path]) -> None:
    found = changes(before("rulebook.yaml", "- id: of-age\n", "- id: of-full-age\n"))
    said = "The guideline is one for adults"
    assert [(one.id, one.kind, one.says) for one in found] == [
        ("of-age", "added", said),
        ("of-full-age", "removed", said),
    ]


def test_a_changed_parameter_says_which_rules_read_it(before: Callable[..., Path]) -> None:
    (change,) = changes(before("parameters.yaml", "value: 8\n", "value: 7\n"))
    assert (change.of, change.id, change.differences) == (
        "parameters",
        "min_debilitating_days",
        (Difference("value", "7", "8"),),
    )
    readers = {rule.id for rule in NOW.rulebook.rules.values() if change.id in rule.parameters}
    assert readers
    assert readers <= set(change.read_by)


def test_what_a_site_sets_otherwise_is_what_is_in_force() -> None:
    ours = edition_in_force(NOW.with_parameters({"resistant_min_classes": 2}))
    (change,) = compare_editions(edition_in_force(NOW), ours)
    assert (change.id, change.differences) == ("resistant_min_classes", (Difference("value", "3", "2"),))


@pytest.mark.parametrize(
    ("file", "now", "then", "of"),
    [
        ("drugs.yaml", "E4: {name: calcium channel blockers, required: true}", "E4: {name: others}", "classes"),
        ("dose_limits.yaml", "single: 100, daily: 200, source: L_SUMA}", "single: 100, source: L_SUMA}", "limits"),
        ("evidence_order.yaml", "[candesartan, telmisartan, erenumab", "[telmisartan, candesartan, erenumab", "bodies"),
        ("codes.yaml", "315364008", "315364009", "sets"),
    ],
)
def test_every_file_is_compared(before: Callable[..., Path], file: str, now: str, then: str, of: str) -> None:
    found = changes(before(file, now, then))
    assert found
    assert {change.of for change in found} == {of}


def test_a_rulebook_alone_is_compared_with_the_rulebook() -> None:
    text = (NOW.folder / "rulebook.yaml").read_text(encoding="utf-8")
    found = compare_editions(
        edition_of({"rulebook.yaml": text.replace("- id: of-age\n", "- id: x\n")}), edition_in_force(NOW)
    )
    assert {change.id for change in found} == {"of-age", "x"}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"rulebook.yaml": "a: [1"}, r"^rulebook\.yaml: not valid YAML at line \d"),
        ({"rulebook.yaml": "- a"}, r"^rulebook\.yaml: expected fields such as version and date, found none$"),
        (
            {"other.yaml": 'version: "1.0.0"'},
            r"^expected files of a guideline such as rulebook\.yaml, found other\.yaml$",
        ),
        ({"rulebook.yaml": "layers: [1]"}, r"^rulebook\.yaml: "),
        ({"rulebook.yaml": "layers: {a: 1}"}, r"^rulebook\.yaml: "),
        ({"rulebook.yaml": "layers: [{name: a, rules: {b: 1}}]"}, r"^rulebook\.yaml: "),
        ({"rulebook.yaml": "layers: [{name: a, rules: [b]}]"}, r"^rulebook\.yaml: "),
    ],
)
def test_what_is_no_edition_is_named(texts: dict[str, str], said: str) -> None:
    with pytest.raises(GuidelineError, match=said):
        compare_editions(edition_of(texts), edition_in_force(NOW))


def test_a_folder_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(GuidelineError, match="found no YAML file in it"):
        read_edition(tmp_path)
