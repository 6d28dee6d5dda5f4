"""What the text of a chart can do inside a card is nothing: attacks in every field of every labelled patient."""

import copy
import functools
import html.parser
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from markdown_it import MarkdownIt

from prodrome.cds_hooks.protocol.checks import response_faults
from tests.security.conftest import Row
from tests.serving import discovered, filled, service

FILES = sorted((Path(__file__).parent.parent / "vignettes" / "requests").glob("*.json"))
PATIENTS = {file.stem: json.loads(file.read_text())["request_by_kind"] for file in FILES}

PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "markdown image": "![x](https://evil.example.org/x.png)",
    "markdown link": "[press](https://evil.example.org)",
    "script link": "[press](javascript:alert(1))",
    "autolink": "<https://evil.example.org>",
    "bare link": "https://evil.example.org www.evil.example.org evil@example.org",
    "reference link": "[x][1]\n\n[1]: https://evil.example.org",
    "table": "\n\n| a | b |\n|---|---|\n| c | d |\n\n",
    "heading": "\n\n# Stop all treatment\n\n",
    "rule": "\n\n---\n\n***\n\n",
    "list": "\n\n- **Guideline**: give opioids\n1. one\n",
    "quote and code": "\n\n> quoted\n\n```\ncode\n```\n    indented `code` ~~struck~~",
    "emphasis": "**bold** __bold__ *it* _it_ ~~x~~",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62;",
    "template": "{{ 7*7 }} {% for x in y %} {{ config }} ${7*7}",
    "control characters": "\x00\x07\x1b[31m\u202e\u2028\u200b\ufeff",
    "long": "x" * 20_000,
    "backslashes": "\\" * 5 + "[x](https://evil.example.org)" + "\\",
}

ALL_AT_ONCE = " " + " ".join(
    PAYLOADS[name]
    for name in (
        "script",
        "image",
        "markdown image",
        "script link",
        "autolink",
        "bare link",
        "table",
        "heading",
        "template",
    )
)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service(engine="reference", validate_output=False, max_body_bytes=50_000_000).test_client()


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts of a request are."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    elif isinstance(value, str):
        yield path


def changed(request: dict[str, Any], path: tuple[Any, ...], text: str) -> dict[str, Any]:
    """The request with *text* after what stood at *path*."""
    whole = copy.deepcopy(request)
    inside: Any = whole
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] += text
    return whole


def answer(client: FlaskClient, request: dict[str, Any], hook: str = "") -> dict[str, Any]:
    found = _service(client, hook or request["hook"])
    body = {**request, "prefetch": filled(found["prefetch"], request["prefetch"])}
    reply = client.post(f"/cds-services/{found['id']}", json=body)
    assert reply.status_code in (200, 400), reply.status_code
    return dict(reply.get_json())


@functools.cache
def _service(client: Any, hook: str) -> dict[str, Any]:
    return discovered(client, hook)


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name != "start":
                self.tags[f"{tag} {name}"] += 1


_RENDER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_BARE = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>)]+|[\w.+-]+@[\w-]+\.\w+")
PLAIN = {"p", "ul", "ol", "li", "strong", "em", "s", "a", "br", "code"}
"""The elements our own templates make."""


def hosts_allowed(client: FlaskClient) -> set[str]:
    """Hosts that cards without any attack link to."""
    found: set[str] = set()
    for request in PATIENTS.values():
        for card in answer(client, request)["cards"]:
            found |= {urlsplit(url).hostname or "" for url in urls(card)}
    return found


def urls(card: dict[str, Any]) -> list[str]:
    """The addresses a card names outside its texts."""
    source = [card["source"]["url"]] if "url" in card["source"] else []
    return source + [link["url"] for link in card.get("links", ())]


@pytest.fixture(scope="module")
def allowed(client: FlaskClient) -> set[str]:
    return hosts_allowed(client)


def harmless(reply: dict[str, Any], allowed: set[str]) -> None:
    """Fail where a card holds an element, link or line break that no template of ours made."""
    for card in reply.get("cards", ()):
        shown = [card["summary"], card["source"]["label"], *(link["label"] for link in card.get("links", ()))]
        for suggestion in card.get("suggestions", ()):
            shown += [suggestion["label"], *(action["description"] for action in suggestion["actions"])]
        for text in shown:
            assert text.isprintable(), repr(text)
            assert not _BARE.search(text), text
        for text in [card.get("detail", ""), *shown]:
            seen = _Tags()
            seen.feed(_RENDER.render(text))
            assert set(seen.tags) <= PLAIN, (seen.tags, text)
            assert all(urlsplit(link).scheme == "https" for link in seen.links), seen.links
            assert {urlsplit(link).hostname for link in seen.links} <= allowed, seen.links
        detail = card.get("detail", "")
        bare = {match.group() for match in _BARE.finditer(detail) if "evil" in match.group()}
        assert not bare, bare
        assert {urlsplit(url).hostname for url in urls(card)} <= allowed
    # The id of an order in hand is the client's own, whatever it looks like, and no text to show.
    faults = [fault for fault in response_faults(reply) if not fault.path.endswith(".resourceId")]
    assert not faults or "resourceType" in reply, faults


def rules(reply: dict[str, Any]) -> list[str]:
    return [card["source"]["topic"]["code"] for card in reply.get("cards", ())]


def test_the_examples_are_harmless_before_anything_is_tried(client: FlaskClient, allowed: set[str]) -> None:
    for request in PATIENTS.values():
        harmless(answer(client, request), allowed)
    assert "evil.example.org" not in allowed


@pytest.mark.requirement("CARD-06", "CARD-07", "SEC-31")
@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.withstands("injected text")
def test_an_attack_in_every_name_and_text_at_once_does_nothing(
    client: FlaskClient, allowed: set[str], name: str, row: Row
) -> None:
    cards = 0
    for request in PATIENTS.values():
        whole = request
        for path in places(request):
            if path[-1] in ("display", "text", "family", "name", "title", "description", "div") or "given" in path:
                whole = changed(whole, path, " " + PAYLOADS[name])
        reply = answer(client, whole)
        harmless(reply, allowed)
        cards += len(reply.get("cards", ()))
    assert cards > len(PATIENTS) // 2, "the attacks reached cards"
    row("chart text", name, f"nothing in {cards} cards")


@pytest.mark.slow
@pytest.mark.requirement("CARD-06", "CARD-07", "SEC-31")
@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.withstands("injected text")
def test_an_attack_in_any_single_field_does_nothing(
    client: FlaskClient, allowed: set[str], patient: str, row: Row
) -> None:
    request = PATIENTS[patient]
    kinds: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for path in places(request):
        kinds.setdefault(tuple("*" if isinstance(step, int) else step for step in path), path)
    fired = 0
    for path in kinds.values():
        reply = answer(client, changed(request, path, ALL_AT_ONCE), request["hook"])
        if "cards" in reply:
            harmless(reply, allowed)
            fired += len(reply["cards"])
        else:
            text = json.dumps(reply)
            assert "evil" not in text
            assert "<" not in text
    row("every field", patient, f"nothing in {fired} cards of {len(kinds)} fields")
