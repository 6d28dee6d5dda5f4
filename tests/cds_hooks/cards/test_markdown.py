"""What a chart's text can do inside a card: nothing."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from prodrome.cds_hooks.cards.markdown import (
    MAX_CHART_TEXT,
    MAX_SUMMARY,
    CardTemplate,
    Trusted,
    environment,
    escaped,
    fitted,
    listed,
    one_line,
    tidy,
)

GFM = MarkdownIt("gfm-like", {"linkify": False, "html": True})

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &#60;script&#62;",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "[a]: https://evil.example",
    "<https://evil.example>",
    "`code` ``more``",
    "**bold** __bold__ *i* _i_ ~~gone~~",
    "# heading",
    "> quote",
    "- item",
    "+ item",
    "1. item",
    "10) item",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "line\n\n---\n\nline",
    "===",
    "a\\",
    "$x$ ^[note] [^1]",
    "\u202egnp.exe\u202c \u200bzero \u2066iso\u2069",
    "\x01a\x02b\x01",
    "\x00\x1b[31m\x07",
    "{{ 7*7 }} {% raw %}",
]


def shown(text: str) -> str:
    """What a reader of the rendered Markdown sees, all of it as plain text."""
    tokens = GFM.parse(f"Found: {text}")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    inline = tokens[1].children or []
    assert {token.type for token in inline} <= {"text", "text_special"}, text
    return "".join(token.content for token in inline)


@pytest.mark.requirement("CARD-07")
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_chart_text_is_anything_but_text(attack: str) -> None:
    assert shown(escaped(attack)).replace(" ", "") == f"Found:{one_line(attack)}".replace(" ", "")


@given(st.text(max_size=200))
def test_no_text_at_all_is_anything_but_text(text: str) -> None:
    kept = one_line(text)
    expected = kept if len(kept) <= MAX_CHART_TEXT else kept[: MAX_CHART_TEXT - 1].rstrip() + "…"
    assert shown(escaped(text)).replace(" ", "") == f"Found:{expected}".replace(" ", "")


@given(st.text(alphabet="abw1.:/@-_ \\[](<>&", max_size=60))
def test_nothing_becomes_an_address_that_viewers_link(text: str) -> None:
    said = escaped(f"http://a.example/x www.b2.c3 c@d.e5 {text}")
    assert not re.search(r"//|@\S|(?i:www\.\S)|\w\.[a-z][a-z]", said)


@pytest.mark.parametrize("start", ["# h", "- i", "+ i", "1. i", "12) i", "> q", "=", "---", "    code"])
def test_even_at_the_start_of_a_line_it_is_a_paragraph(start: str) -> None:
    assert [token.type for token in GFM.parse(escaped(start))] == ["paragraph_open", "inline", "paragraph_close"]


@given(st.text())
def test_plain_text_is_one_visible_line(text: str) -> None:
    said = one_line(text)
    assert {unicodedata.category(character) for character in said} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} == set()
    assert said == " ".join(said.split())


def test_a_long_chart_text_is_cut() -> None:
    assert len(escaped("a" * 1000)) == MAX_CHART_TEXT
    assert escaped("a" * 1000).endswith("…")


def test_ordinary_names_read_as_they_are() -> None:
    text = "Migraine without aura, G43.009; i.v. 2.5 mg/day"
    assert escaped(text) == text


# Templates


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    (tmp_path / "macros").write_text("{% macro strong(x) %}**{{ x }}**{% endmacro %}")
    return tmp_path


def rendered(templates: Path, text: str, **values: object) -> str:
    (templates / "t").write_text(text)
    return CardTemplate(environment(templates), "t").rendered(values)


def test_a_list_is_separated_and_each_of_its_texts_escaped(templates: Path) -> None:
    assert rendered(templates, '{{ x | separated("; ") }}', x=[Trusted("*a*"), "<b>", 2]) == "*a*; &lt;b&gt;; 2"
    assert rendered(templates, '{{ x | separated("; ") }}', x=[]) == ""


def test_a_template_cannot_forget_to_escape(templates: Path) -> None:
    assert rendered(templates, "{{ x }}", x="<b>*") == r"&lt;b&gt;\*"


def test_trusted_text_is_written_as_it_is(templates: Path) -> None:
    assert rendered(templates, "{{ x }}", x=Trusted("*a* (b)")) == "*a* (b)"


def test_what_a_macro_returns_is_escaped_once(templates: Path) -> None:
    text = "{% import 'macros' as m %}{{ m.strong(x) }}"
    assert rendered(templates, text, x="a_b") == r"**a\_b**"


def test_text_made_of_trusted_text_is_not_trusted(templates: Path) -> None:
    assert rendered(templates, "{{ x ~ y }}", x=Trusted("a"), y="<b>") == "a&lt;b&gt;"


@pytest.mark.parametrize(("value", "said"), [(160.0, "160"), (37.5, "37.5"), (0, "0"), (True, "yes")])
def test_numbers_are_written_plainly(templates: Path, value: object, said: str) -> None:
    assert rendered(templates, "{{ x }}", x=value) == said


def test_a_name_that_does_not_exist_is_an_error(templates: Path) -> None:
    with pytest.raises(KeyError, match="nothing"):
        rendered(templates, "{{ nothing }}")


def test_what_no_card_can_show_is_an_error(templates: Path) -> None:
    with pytest.raises(TypeError, match="NoneType"):
        rendered(templates, "{{ x }}", x=None)


def test_lists_keep_together_and_paragraphs_apart() -> None:
    assert tidy("\n\na\n\n\n\n- b  \n\n\n- c\n  - d\n\n  e\n\nf\n") == "a\n\n- b\n- c\n  - d\n\n  e\n\nf"


# Summaries


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.requirement("CARD-02", "CARD-03")
@given(
    st.text(alphabet=st.characters(exclude_categories=["C"]), min_size=1, max_size=60).map(one_line).filter(bool),
    st.lists(st.text(alphabet="abc 😀é", min_size=1, max_size=40).map(one_line).filter(bool), max_size=40),
    st.text(alphabet="abcd ,;", max_size=200),
)
def test_a_summary_fits_and_begins_with_the_drug(drug: str, items: list[str], tail: str) -> None:
    summary = fitted(f"{drug}: {listed(map(Trusted, items))} {tail}")
    assert len(summary) <= MAX_SUMMARY
    assert units(summary) <= MAX_SUMMARY
    assert summary.startswith(drug[:100])
    assert "\n" not in summary
    assert not set("\x01\x02") & set(summary)


def test_a_list_is_shortened_before_words_are_lost() -> None:
    said = fitted(f"Options: {listed(Trusted(f'class number {n}') for n in range(20))}, and more")
    assert re.fullmatch(r"Options: class number 0, .* and \d+ more, and more", said)


def test_a_summary_that_fits_is_left_alone() -> None:
    assert fitted(f"a: {listed([Trusted('b'), Trusted('c')])}") == "a: b, c"


def test_a_long_text_is_cut_at_a_word() -> None:
    said = fitted("word " * 60)
    assert said.endswith("word…")
    assert units(said) <= MAX_SUMMARY


def test_one_endless_word_is_cut_without_splitting_a_character() -> None:
    said = fitted("😀" * 200)
    assert units(said) <= MAX_SUMMARY
    assert set(said) == {"😀", "…"}
