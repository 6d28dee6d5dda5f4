"""Markdown of a card becomes HTML that does nothing but show it."""

from html.parser import HTMLParser

import pytest

from prodrome.cds_hooks.workbench.rendering import markdown


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
