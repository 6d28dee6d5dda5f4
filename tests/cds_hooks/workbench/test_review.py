"""The document for the reviewing clinician: it leaves nothing out, and needs nothing else."""

import json
import re
from datetime import date
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers import TesterError
from prodrome.cds_hooks.workbench import read_labelled, review
from prodrome.rules.guideline import load_guideline

GUIDELINE = load_guideline()


@pytest.fixture(scope="module")
def document() -> str:
    return review(Environment.of(Settings(today=date(2026, 6, 15))))


class _Tags(HTMLParser):
    """Ids, links within the page, and everything that would be loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if found := named.get("id"):
            self.ids.append(found)
        href = named.get("href") or ""
        if href.startswith("#"):
            self.targets.add(href[1:])
        if tag in ("script", "link", "img", "iframe") or "src" in named:
            self.loaded.append(tag)


def test_every_item_has_a_place_and_a_box(document: str) -> None:
    items = [
        *GUIDELINE.rulebook.rules,
        *GUIDELINE.parameters,
        *GUIDELINE.rulebook.not_evaluated,
        *(row.id for row in GUIDELINE.eligibility.rows),
        *(drug.name for drug in GUIDELINE.drugs.values() if drug.note),
    ]
    boxes = re.findall(r'aria-label="Answer to ([^"]+)"', document)
    assert sorted(boxes) == sorted(items)
    assert document.count("> agree</label>") == document.count("> object</label>") == len(items)


def test_every_source_says_how_far_it_was_read(document: str) -> None:
    for source in GUIDELINE.sources.values():
        row = document.partition(f'<tr id="source-{source.id}">')[2].partition("</tr>")[0]
        assert source.read in row
        assert (source.read_on or "") in row


def test_every_rule_with_a_card_shows_the_card_of_an_example_patient(document: str) -> None:
    cards = {rule.id for rule in GUIDELINE.rulebook.rules.values() if rule.card}
    sections = {id_: document.partition(f'<h3 id="{id_}">')[2].partition("</section>")[0] for id_ in cards}
    assert {id_ for id_, text in sections.items() if '<div class="card">' not in text} == set()
    assert "Asked at the same moments, and silent:" in sections["DTT-01"]


PATIENTS = Path(__file__).parents[2] / "vignettes" / "requests"


@pytest.fixture(scope="module")
def with_patients() -> str:
    return review(Environment.of(Settings(today=date(2026, 6, 15))), read_labelled(PATIENTS))


def test_labelled_patients_are_asked_about_each_with_a_box(with_patients: str) -> None:
    for file in PATIENTS.glob("*.json"):
        said = json.loads(file.read_text(encoding="utf-8"))
        section = with_patients.partition(f'<h3 id="patient-{file.stem}">')[2].partition("</section>")[0]
        assert escape(said["title"]) in section
        assert f"Expected: {', '.join(sorted(said['expected']['cards'])) or 'no card'}." in section
        assert "These came." in section
        assert f'aria-label="Answer to {file.stem}"' in section
    assert "All got the cards that are expected." in with_patients
    tags = _Tags(with_patients)
    assert tags.targets <= set(tags.ids)


def test_a_rule_names_the_labelled_patients_on_both_sides_of_it(with_patients: str) -> None:
    section = with_patients.partition('<h3 id="DTT-02">')[2].partition("</section>")[0]
    expected, silent = section.partition("expected to get it: ")[2].split("expected not to: ")
    assert "P15" in expected
    assert "P01" in silent


def test_a_label_that_is_not_met_is_said_first(tmp_path: Path) -> None:
    said = json.loads((PATIENTS / "P01.json").read_text(encoding="utf-8"))
    said["expected"]["cards"] = ["DTT-02", "NPH-01", "PRV-04", "REF-01"]
    (tmp_path / "wrong.json").write_text(json.dumps(said), encoding="utf-8")
    document = review(Environment.of(Settings(today=date(2026, 6, 15))), read_labelled(tmp_path))
    assert '1 got other cards than expected: <a href="#patient-wrong">wrong</a>' in document
    assert "Missing: DTT-02. Besides: DTT-01." in document


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "request_by_kind should be an object, found nothing"),
        ('{"request_by_kind": {"hook": 3}, "expected": {}}', "hook should be text, found a number"),
        (
            '{"request_by_kind": {"hook": "patient-view", "context": {}, "prefetch": {}}, "expected": {}}',
            "cards should be a list, found nothing",
        ),
        (
            '{"request_by_kind": {"hook": "patient-view", "context": {}, "prefetch": {}}, "expected": {"cards": []},'
            ' "today": "June"}',
            "today should be a date such as 2026-06-15, found 'June'",
        ),
    ],
)
def test_a_file_that_is_no_labelled_patient_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "one.json").write_text(text, encoding="utf-8")
    with pytest.raises(TesterError, match=re.escape(says)) as refused:
        read_labelled(tmp_path)
    assert str(refused.value).startswith("one.json: ")


def test_a_folder_without_patients_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("review", "--patients", str(tmp_path))) == 2
    assert "expected at least one labelled patient" in capsys.readouterr().err
    assert main(("review", "--patients", str(tmp_path / "none"))) == 2


def test_it_says_that_nobody_signed_and_leaves_room_to_sign(document: str) -> None:
    assert "No neurologist has reviewed or signed this content." in document
    assert "Place, date, signature:" in document


def test_it_needs_nothing_else_and_its_links_lead_somewhere(document: str) -> None:
    tags = _Tags(document)
    assert tags.loaded == []
    assert len(tags.ids) == len(set(tags.ids))
    assert tags.targets <= set(tags.ids)


def test_the_same_guideline_gives_the_same_document_on_a_day(document: str) -> None:
    assert review(Environment.of(Settings(today=date(2026, 6, 15)))) == document


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str) -> None:
    assert main(("review", "--today", "2026-06-15", "--out", str(tmp_path / "review.html"))) == 0
    assert "No neurologist has signed it." in capsys.readouterr().out
    assert (tmp_path / "review.html").read_text(encoding="utf-8") == document
    assert main(("review", "--today", "2026-06-15")) == 0
    assert capsys.readouterr().out == document
