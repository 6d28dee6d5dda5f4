"""The documentation is a site of its own: it builds without a warning, loads nothing from elsewhere, misses no page."""

import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from prodrome.rules import HeadacheMonth, judge
from prodrome.rules.fact_types import FACT_TYPES, MEANINGS, SHARED_FIELDS, meaning_of
from prodrome.rules.guideline import load_guideline
from tests.docs import rules_reference
from tests.rules.patients import TODAY, patient

ROOT = Path(__file__).parents[2]


def test_every_fact_and_field_is_explained_and_nothing_else() -> None:
    assert all(MEANINGS[fact] for fact in FACT_TYPES)
    said = {(field, meaning_of(fact, field)) for fact, fields in FACT_TYPES.items() for field in fields}
    assert set(SHARED_FIELDS.items()) <= said


def test_the_page_on_the_language_is_what_the_program_reads() -> None:
    assert rules_reference.FILE.read_text(encoding="utf-8") == rules_reference.text(load_guideline())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built_and_reads_without_javascript(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("")
        built = site / ("index.html" if name.name == "index" else f"{name}/index.html")
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert title.split("`")[0].split("'")[0] in built.read_text(encoding="utf-8"), page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"?(https?://[^\s\">]+)", page.read_text("utf-8")
        )
        assert [url for url in loaded if "example.org/prodrome" not in url] == [], page
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text("utf-8"), sheet


def test_the_site_can_be_searched(site: Path) -> None:
    assert "propranolol" in (site / "search" / "search_index.json").read_text("utf-8").lower()


def test_the_rule_that_is_worked_through_speaks_for_its_patient_alone(tmp_path: Path) -> None:
    guideline = tmp_path / "migraine"
    shutil.copytree(ROOT / "rules" / "migraine", guideline)
    [rule] = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "docs" / "rules.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    book = guideline / "rulebook.yaml"
    book.write_text(f"{book.read_text('utf-8').rstrip()}\n\n{rule}", encoding="utf-8")
    changed = load_guideline(guideline)
    for days, speaks in ((20.0, True), (19.0, False)):
        chart = patient(headache_months=(HeadacheMonth(month=date(2026, 5, 1), headache=days),))
        assert judge(chart, changed, TODAY, hook="patient-view").holds("SITE-01") is speaks
