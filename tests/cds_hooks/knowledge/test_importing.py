"""An expanded ValueSet as a code set: what is exported comes back the same, and half an expansion is refused."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.knowledge import KnowledgeError, is_expanded, knowledge, rows_of
from prodrome.rules.guideline import Site, load_guideline

GUIDELINE = load_guideline()
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
VALUE_SETS = {one["id"]: one for one in knowledge(GUIDELINE).value_sets}
OF_SETS = {name: VALUE_SETS[name.replace("_", "-")] for name in GUIDELINE.code_sets}


def expanded(*codes: tuple[str, str], id_: str = "asthma", **more: Any) -> dict[str, Any]:
    listed = [{"system": system, "code": code, "display": "a\nname"} for system, code in codes]
    return {"resourceType": "ValueSet", "id": id_, "expansion": {"contains": listed, **more}}


def test_an_exported_value_set_comes_back_as_the_same_code_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Taken in where the licensed codes are not read, all sets are as they are with them."""
    files = []
    for name, value_set in OF_SETS.items():
        if is_expanded(value_set):
            files.append(tmp_path / f"{name}.json")
            files[-1].write_text(json.dumps(value_set))
    table = tmp_path / "codes.csv"
    assert main(["codes", "import", *map(str, files), "--out", str(table)]) == 0
    assert 'more_codes = "' in capsys.readouterr().out
    bare = GUIDELINE.for_site(Site(licensed=False))
    again = GUIDELINE.for_site(Site(licensed=False, more_codes=table))
    whole = {name for name, value_set in OF_SETS.items() if is_expanded(value_set)}
    assert {name: again.code_sets[name].exact for name in whole} == {
        name: GUIDELINE.code_sets[name].exact for name in whole
    }
    assert any(bare.code_sets[name].exact != again.code_sets[name].exact for name in whole)


def test_the_codes_of_a_classification_are_taken_in_one_by_one(tmp_path: Path) -> None:
    file, table = tmp_path / "v.json", tmp_path / "t.csv"
    file.write_text(json.dumps(expanded((ICD10CM, "R05.3"), (SNOMED, "1234567"))))
    assert main(["codes", "import", str(file), "--out", str(table)]) == 0
    asthma = GUIDELINE.with_codes(table).code_sets["asthma"]
    before = GUIDELINE.code_sets["asthma"]
    for system, code, inside in (
        (ICD10CM, "R05.3", True),
        (ICD10CM, "R053", True),
        (ICD10CM, "R05.31", False),
        (ICD10CM, "J45.20", True),
        (SNOMED, "1234567", True),
    ):
        assert asthma.contains(system, code) == inside
    assert not before.contains(ICD10CM, "R05.3")
    changed = {one["id"]: one for one in knowledge(GUIDELINE.with_codes(table)).value_sets}["asthma"]
    parts = [part for part in changed["compose"]["include"] if part["system"] == ICD10CM]
    assert [sorted(part) for part in parts] == [["concept", "system"], ["filter", "system"]]


def test_codes_below_others_are_taken_and_groups_are_not() -> None:
    value_set = expanded((SNOMED, "1"))
    (top,) = value_set["expansion"]["contains"]
    top["contains"] = [{"system": SNOMED, "code": "2"}, {"abstract": True, "system": SNOMED, "code": "3"}]
    top["contains"][1]["contains"] = [{"system": SNOMED, "code": "4"}]
    assert [(row.code, row.meaning) for row in rows_of(value_set, GUIDELINE)] == [("1", "a name"), ("2", ""), ("4", "")]


def test_a_set_can_be_named() -> None:
    other = expanded((SNOMED, "1"), id_="2.16.840.1.113883.3.464.1003.102.12.1011")
    assert [row.set for row in rows_of(other, GUIDELINE, "asthma")] == ["asthma"]
    with pytest.raises(KnowledgeError, match="of which code set"):
        rows_of(other, GUIDELINE)
    with pytest.raises(KnowledgeError, match="no code set 'astma'; did you mean 'asthma'"):
        rows_of(other, GUIDELINE, "astma")


@pytest.mark.parametrize(
    ("value_set", "says"),
    [
        ([], "expected a FHIR ValueSet"),
        ({"resourceType": "CodeSystem"}, "expected a FHIR ValueSet"),
        ({"resourceType": "ValueSet", "id": "asthma"}, "expected an expanded ValueSet"),
        (expanded((SNOMED, "1"), total=2), "found 1 of 2 codes"),
        (
            expanded(
                (SNOMED, "1"),
                extension=[{"url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed", "valueBoolean": True}],
            ),
            "expected the whole expansion",
        ),
        (expanded(("http://example.org/codes", "1")), "no code set has codes of http://example.org/codes"),
        (
            {"resourceType": "ValueSet", "id": "asthma", "expansion": {"contains": [{"code": "1"}]}},
            "a system and a code",
        ),
        *(
            ({"resourceType": "ValueSet", "id": "asthma", "expansion": {"contains": wrong}}, "a list of concepts")
            for wrong in ({"code": "1"}, "1", [["1"]], [{"code": "1", "system": SNOMED, "contains": {"code": "2"}}])
        ),
    ],
)
def test_what_cannot_be_taken_in_is_refused(value_set: Any, says: str, tmp_path: Path) -> None:
    before = deepcopy(value_set)
    with pytest.raises(KnowledgeError, match=says):
        rows_of(value_set, GUIDELINE)
    assert value_set == before
    file, table = tmp_path / "v.json", tmp_path / "t.csv"
    file.write_text(json.dumps(value_set))
    assert main(["codes", "import", str(file), "--out", str(table)]) == 2
    assert not table.exists()
