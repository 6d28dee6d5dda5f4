"""The page templates, and Markdown as an EHR shows it: rendered, then reduced to harmless tags."""

from pathlib import Path

import nh3
import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

PAGES = Path(__file__).parents[2] / "templates" / "pages"

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


def markdown(text: str) -> Markup:
    """Markdown as safe HTML: no raw HTML, images, scripts or styles, and links to web pages only."""
    html = nh3.clean(
        _MARKDOWN.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
    )
    return Markup(html)


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
    found.filters |= {"markdown": markdown, "as_json": as_json}
    return found
