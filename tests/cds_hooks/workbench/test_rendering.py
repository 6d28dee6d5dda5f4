"""Markdown of a card becomes HTML that does nothing but show it."""

from html.parser import HTMLParser

import pytest

from prodrome.cds_hooks.workbench.rendering import markdown, naming


def test_what_cards_use_is_rendered() -> None:
    html = markdown("**Found**\n\n- ~~propranolol~~ 160 mg, see [EHF](https://example.org/x)")
    assert "<strong>Found</strong>" in html
    assert "<s>propranolol</s>" in html
    assert 'href="https://example.org/x"' in html
    assert "noopener" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://example.org/x.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        '<a href="https://example.org" onclick="x()">x</a>',
        "<style>*{display:none}</style>",
        "<iframe src=https://example.org></iframe>",
    ],
)
def test_nothing_in_it_can_act_or_load(text: str) -> None:
    seen = Elements()
    seen.feed(markdown(text))
    assert {tag for tag, _ in seen.found} <= {"p", "a"}
    for _, attributes in seen.found:
        assert attributes.keys() <= {"href", "rel"}
        assert attributes.get("href", "https://").startswith("https://")


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_a_date_does_not_break_and_an_address_is_left_as_it_is() -> None:
    html = markdown(
        "from 2026-03-14 to 2026-05, see <https://example.org/2026-03-14/x> and [this](https://e.org/2026-01-01)"
    )
    assert '<span class="date">2026-03-14</span> to <span class="date">2026-05</span>' in html
    assert html.count("<span") == 2
    assert 'href="https://e.org/2026-01-01"' in html


def test_a_drug_leads_to_its_entry_once_and_can_be_pointed_at_everywhere() -> None:
    text = "**Propranolol**, then propranolol-like [propranolol](https://e.org/propranolol)"
    html = naming(markdown(text), {"propranolol": "read-3"})
    assert '<a class="drug" data-drug="propranolol" href="#read-3">Propranolol</a>' in html
    assert '<span class="drug" data-drug="propranolol">propranolol</span>-like' in html
    assert '<a href="https://e.org/propranolol" rel="noopener noreferrer">propranolol</a>' in html


def test_what_a_chart_says_stays_text_beside_the_drugs() -> None:
    html = naming(markdown("<script>alert('propranolol')</script>"), {"propranolol": "read-3"})
    assert "<script" not in html
