"""The one reader of YAML: what cannot be meant is an error of one line, of the class that the caller gives."""

import re
import time
from pathlib import Path

import pytest
import yaml

from prodrome.rules.engine.strict_yaml import MOST_NAMED, meant, parse, read_entry, read_file
from prodrome.rules.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


class Wrong(ConfigurationError):
    pass


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
"""Two values, the double of them, the double of these..."""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "file.yaml: line 3: 'a' stands twice"),
        ("top:\n  a: 1\n  a: 1\n", "file.yaml: line 3: 'a' stands twice"),
        ("a: [1,\n", "file.yaml: not valid YAML at line 2: "),
        ("a: b: c\n", "file.yaml: not valid YAML at line 1: "),
        ("- a\n", "file.yaml: expected fields, found ['a']"),
        ("", "file.yaml: expected fields, found None"),
        ("a: !!python/object:os.system x\n", "file.yaml: not valid YAML at line 1: "),
        ("a: 1\nb: &own\n  c: *own\n", "file.yaml: line 2: this holds itself"),
        ("a: &own [1, *own]\n", "file.yaml: line 1: this holds itself"),
        (BOMB, "file.yaml: line 16: more than 200000 values, repeated ones counted"),
        ("a: 1\n? [b]\n: 1\n", "file.yaml: line 2: a key should be a text"),
        ("a: 1\nb: 2026-13-45\n", "file.yaml: line 2: '2026-13-45' cannot be read as timestamp"),
        ("a: !!int abc\n", "file.yaml: line 1: 'abc' cannot be read as int"),
        ("a: !!bool abc\n", "file.yaml: line 1: 'abc' cannot be read as bool"),
        ("a: !!float ''\n", "file.yaml: line 1: '' cannot be read as float"),
        ("a: !!timestamp abc\n", "file.yaml: line 1: 'abc' cannot be read as timestamp"),
        ("a: !!map [1]\n", "file.yaml: line 1: expected a list or fields, found map"),
        ("a: 1\nb: !!set {c}\n", "file.yaml: line 2: expected a list or fields, found set"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(Wrong) as caught:
        read_entry(path, Wrong)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match=r"^none\.yaml: cannot be read \(No such file or directory\)$"):
        read_entry(tmp_path / "none.yaml", Wrong)
    (tmp_path / "latin.yaml").write_bytes("a: caf\u00e9".encode("latin-1"))
    with pytest.raises(Wrong, match=r"^latin\.yaml: expected UTF-8, found something else at byte 6$"):
        read_entry(tmp_path / "latin.yaml", Wrong)


def test_entries_below_raise_the_class_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text('version: "1.0.0"\ndate: "2026-01-31"\nrows: [{name: a, nmae: b}]\n')
    (row,) = read_file(path, Wrong).entries("rows")
    row.text("name")
    with pytest.raises(Wrong, match=r"^file\.yaml, rows 1: unknown field 'nmae'; did you mean 'name'\?$"):
        row.done()


def test_the_caller_makes_the_error_of_a_text() -> None:
    with pytest.raises(Wrong, match=r"^here: line 2: 1 stands twice$"):
        parse("1: a\n1: b\n", lambda what: Wrong(f"here: {what}"))


def test_what_was_meant_or_what_there_is() -> None:
    many = [f"choice {number}" for number in range(MOST_NAMED + 2)]
    assert meant("dyas", ["days", "years"]) == "; did you mean 'days'?"
    assert meant("zzz", ["days", "years"]) == "; there is: days, years"
    assert meant("zzz", ["days", "years"], named=0) == ""
    assert meant("zzz", []) == "; there is: none"
    assert meant("zzz", many).endswith(", and 2 more")


def test_nothing_else_reads_yaml_or_guesses_what_was_meant() -> None:
    own = "rules/engine/strict_yaml.py"
    for room in ("cds_hooks", "fhir_mappers", "rules"):
        for path in (ROOT / room).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            read = re.search(
                r"\byaml\.\w*load|^(?:import|from) yaml\b|get_close_matches|did you mean", source, re.MULTILINE
            )
            assert read is None or str(path.relative_to(ROOT)) == own, f"{path.relative_to(ROOT)}: {read}"


def test_values_are_what_yaml_says_and_what_is_anchored_is_read_once() -> None:
    text = 'a: &same [1, 2.5, "1", true, null, 2026-01-31]\nb: *same\n"3": [no more, x]\n3: {}\n'
    said = parse(text, Wrong)
    assert said == yaml.safe_load(text)
    assert isinstance(said, dict)
    assert said["a"] is said["b"]


def test_only_true_and_false_are_so_and_yes_no_on_and_off_are_texts() -> None:
    said = parse("[true, False, yes, No, ON, off]", Wrong)
    assert said == [True, False, "yes", "No", "ON", "off"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("opened", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("levels", [51, 900, 200_000])
def test_what_is_nested_too_deep_is_refused_at_once(opened: str, levels: int) -> None:
    """A million levels, say, are beyond the stack of what reads them."""
    began = time.process_time()
    with pytest.raises(Wrong, match="line 1: nested deeper than 50 levels"):
        parse(opened * levels, Wrong)
    assert time.process_time() - began < 1
