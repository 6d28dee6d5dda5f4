"""The document for the reviewing clinician: it leaves nothing out, and needs nothing else."""

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import review
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
