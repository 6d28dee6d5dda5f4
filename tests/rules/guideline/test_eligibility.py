"""The table of who may have which drug: what it says, whose rows are looked at, and what a site adds."""

import shutil
from pathlib import Path

import pytest

from prodrome.rules.guideline.guideline import GUIDELINE_FOLDER, Guideline, load_guideline
from prodrome.rules.guideline.site import Site
from prodrome.rules.guideline.types import GuidelineError

OWN = """version: "1.0.0"
date: "2026-03-01"
eligibility_bodies: [ahs, our_plan]
sources:
  OUR_POLICY: {citation: Our plan's policy of March 2026, read: text}
bodies:
  our_plan: {name: Our Plan, kind: payer, place: Ohio}
lists:
  ours:
    beta blockers: [beta_blockers]
    topiramate: [topiramate]
rows:
  - {id: OURS, body: our_plan, uses: [preventive], drugs: [propranolol, cgrp_mab], age_min: 21,
     days: [{migraine: {least: 6}}], failed: [{least: 2, count: groups, of: ours, least_days: 45}],
     sources: [OUR_POLICY], read: "yes"}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "payers.yaml"
    file.write_text(OWN, encoding="utf-8")
    return file


def of(own: Path) -> Guideline:
    return load_guideline().for_site(Site(eligibility=own))


def rows_of(guideline: Guideline, locale: str, drug: str, use: str) -> list[str]:
    return [row.id for row in guideline.eligibility.rows_in(locale, drug, use)]


@pytest.mark.parametrize(
    ("locale", "drug", "use", "rows"),
    [
        ("US", "erenumab", "preventive", ["E80", "E03", "E05", "E60", "E62", "E64"]),
        ("US", "eptinezumab", "preventive", ["E82", "E03", "E05", "E63", "E64"]),
        ("US", "rimegepant", "preventive", ["E84", "E03", "E05", "E64", "E65"]),
        ("US", "rimegepant", "acute", ["E84-acute", "E71"]),
        ("US", "topiramate", "preventive", ["E06"]),
        ("US", "onabotulinumtoxina", "preventive", ["E87"]),
        ("US", "sumatriptan", "acute", []),
        ("UK", "erenumab", "preventive", ["E30", "E38"]),
        ("UK", "atogepant", "preventive", ["E34", "E39"]),
        ("UK", "onabotulinumtoxina", "preventive", ["E36"]),
        ("UK", "rimegepant", "acute", ["E37", "E40"]),
        ("UK", "candesartan", "preventive", ["E25"]),
        ("EU", "galcanezumab", "preventive", ["E88", "E07"]),
        ("EU", "atogepant", "preventive", []),
    ],
)
def test_the_rows_of_a_locale_s_bodies_about_a_drug(locale: str, drug: str, use: str, rows: list[str]) -> None:
    assert rows_of(load_guideline(), locale, drug, use) == rows


def test_what_was_not_read_is_not_shipped() -> None:
    table = load_guideline().eligibility
    assert {"E33", "E81"}.isdisjoint({row.id for row in table.rows})
    unread = {source.id for source in load_guideline().sources.values() if source.read == "nothing"}
    assert unread.isdisjoint(source for row in table.rows for source in row.sources)


def test_payers_of_the_us_are_examples() -> None:
    bodies = load_guideline().eligibility.bodies.values()
    assert all(body.example == (body.kind == "payer") for body in bodies)


def test_a_site_names_its_bodies_and_adds_rows(own: Path) -> None:
    guideline = of(own)
    for locale in ("US", "UK"):
        assert [body.id for body in guideline.eligibility.bodies_in(locale)] == ["ahs", "our_plan"]
    assert rows_of(guideline, "US", "erenumab", "preventive") == ["E03", "OURS"]
    assert rows_of(guideline, "US", "propranolol", "preventive") == ["OURS"]
    assert guideline.sources["OUR_POLICY"].citation == "Our plan's policy of March 2026"
    (row,) = guideline.eligibility.rows_in("US", "propranolol")
    assert (row.age_min, row.failed[0].least_days, row.limits) == (21, 45, ("failures", "days"))
    assert guideline.with_parameters({"min_age": 16}).eligibility.site == ("ahs", "our_plan")


MISTAKES = {
    "a body nobody knows": (
        "[ahs, our_plan]",
        "[ahss, our_plan]",
        "names 'ahss', which is unknown; did you mean 'ahs'?",
    ),
    "no body": ("[ahs, our_plan]", "[]", "eligibility_bodies should be at least one body, found []"),
    "none named": ("eligibility_bodies: [ahs, our_plan]\n", "", "eligibility_bodies is missing"),
    "a drug nobody knows": ("[propranolol, cgrp_mab]", "[propanolol]", "OURS: drugs names 'propanolol'"),
    "a drug that is not for it": ("[propranolol, cgrp_mab]", "[sumatriptan]", "sumatriptan is not for preventive"),
    "a list nobody knows": ("of: ours", "of: our", "of names 'our', which is unknown; did you mean 'ours'?"),
    "a body that is shipped": ("  our_plan: {", "  nice: {", "payers.yaml: nice: this body is shipped"),
    "a list that is shipped": ("  ours:\n", "  preventives:\n", "payers.yaml: preventives: this list is shipped"),
    "a row that is shipped": ("id: OURS", "id: E30", "E30: id should be one that no other row has"),
    "a source that is shipped": ("  OUR_POLICY: {", "  AHS2024: {", "AHS2024 is taken; choose another id"),
    "a source nobody knows": ("sources: [OUR_POLICY]", "sources: [POLICY]", "sources names 'POLICY'"),
    "an unknown kind": ("kind: payer", "kind: payor", "kind names 'payor', which is unknown; did you mean 'payer'?"),
    "a misspelt field": ("age_min: 21", "min_age: 21", "OURS: unknown field 'min_age'"),
    "too many": (
        "least: 2, count",
        "least: 20, count",
        "least should be from 1 to as many as the list holds, found 20",
    ),
    "no number of days": ("{migraine: {least: 6}}", "{migraine: {}}", "expected least, above or below"),
    "no kind of days": ("{migraine: {least: 6}}", "{}", "expected migraine, headache, attacks, type or said"),
    "a reason nobody knows": ("least_days: 45", "reasons: [dislike]", "reasons names 'dislike'"),
    "how it is counted": ("count: groups", "count: classes", "count names 'classes'"),
    "an odd date": ("age_min: 21", "date: March", 'date in quotes such as "2026"'),
    "no use": ("uses: [preventive]", "uses: []", "OURS: "),
    "not YAML": ("rows:\n", "rows: [\n", "payers.yaml: not valid YAML at line"),
}


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_site_s_file_is_named_in_one_line(own: Path, old: str, new: str, says: str) -> None:
    assert old in OWN
    own.write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(GuidelineError) as refused:
        of(own)
    assert says in str(refused.value)
    assert str(refused.value).startswith("payers.yaml")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GuidelineError, match=r"payers\.yaml: cannot be read"):
        of(tmp_path / "payers.yaml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("E80, body: label_us", "E80, body: label_usa", "eligibility.yaml: E80: body names 'label_usa'"),
        ("US: [label_us,", "USA: [label_us,", "locale names 'USA', which is unknown; did you mean 'US'?"),
        ("without: [pregnancy]", "without: [pregnant]", "without names 'pregnant'"),
    ],
)
def test_a_mistake_in_the_shipped_table_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    copy = Path(shutil.copytree(GUIDELINE_FOLDER, tmp_path / "copy"))
    text = (copy / "eligibility.yaml").read_text(encoding="utf-8")
    assert old in text
    (copy / "eligibility.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(GuidelineError) as refused:
        load_guideline(copy)
    assert says in str(refused.value)
