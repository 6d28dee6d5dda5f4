"""The page templates, and Markdown as an EHR shows it: rendered, then reduced to harmless tags."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import nh3
import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

PAGES = Path(__file__).parents[2] / "templates" / "pages"

_DATE = re.compile(r"(?<![\w/-])(\d{4}-\d\d(?:-\d\d)?)(?![\w/-])(?=[^<>]*(?:<|\Z))")
_TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # heavy, and no call of a service needs it

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def markdown(text: str) -> Markup:
    """Markdown as safe HTML: no raw HTML, images, scripts or styles, and links to web pages only."""
    html = nh3.clean(
        _markdown().render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
    )
    # A date is read as one: it does not break at its hyphens.
    return Markup(_DATE.sub(r'<span class="date">\1</span>', html))


_TAG = re.compile(r"(<[^>]+>)")


def naming(html: Markup, drugs: Mapping[str, str]) -> Markup:
    """Safe HTML in which each drug of *drugs* (name -> id of an element of the page) can be pointed at.

    The first mention leads to the element; what is a link already stays one.
    """
    if not drugs:
        return html
    names = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, drugs), key=len, reverse=True))})\b", re.IGNORECASE)
    by_name = {name.lower(): (name, id_) for name, id_ in drugs.items()}
    seen: set[str] = set()

    def marked(found: re.Match[str]) -> str:
        name, id_ = by_name[found[0].lower()]
        tag, leads = ("span", "") if name in seen else ("a", f' href="#{escape(id_)}"')
        seen.add(name)
        return f'<{tag} class="drug" data-drug="{escape(name)}"{leads}>{found[0]}</{tag}>'

    def parts() -> Iterator[str]:
        within = 0
        for part in _TAG.split(str(html)):
            if part.startswith("<"):
                within += part.startswith("<a ") - (part == "</a>")
                yield part
            else:
                yield part if within else names.sub(marked, part)

    return Markup("".join(parts()))


def as_json(value: object) -> str:
    """JSON for reading."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def pages() -> Environment:
    """The templates of the pages. Every value is escaped; a name that does not exist is an error."""
    found = Environment(
        loader=FileSystemLoader(PAGES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= {"markdown": markdown, "naming": naming, "as_json": as_json}
    return found
