"""Every page of the workbench, asked for and sent to with text that means something elsewhere."""

import logging
import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.serving import service

MARKUP = '<i id="x1">"\'><script>alert(1)</script>{{7*7}}'
TEXTS = {
    "markup": MARKUP,
    "a path": "../../../etc/passwd",
    "an escaped path": "..%2f..%2fetc%2fpasswd",
    "a NUL": "\0",
    "signs that turn text round": "\u202e\u2028",
    "SQL": "' OR 1=1--",
    "a formula": "=cmd|'/c calc'!A1",
    "a script": "javascript:alert(1)",
    "a large number": "9" * 400,
    "less than nothing": "-1",
    "no number": "nan",
    "JSON without end": "[" * 5000,
}
FIELDS = (
    *("hook", "order", "steps", "drug", "of", "page", "only", "source", "server", "patient", "access", "encounter"),
    *(
        "pasted",
        "example",
        "suggestion",
        "reason",
        "comment",
        "request",
        "day",
        "month",
        "count",
        "dose",
        "start",
        "end",
    ),
)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


@pytest.fixture(autouse=True)
def _no_alarm(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "prodrome"):
        yield
    assert [record.message for record in caplog.records if record.levelno >= logging.CRITICAL] == []


@pytest.mark.withstands("injected text", "workbench fields")
@pytest.mark.parametrize("name", TEXTS)
def test_no_text_in_an_address_or_a_form_does_anything(client: FlaskClient, name: str) -> None:
    text = TEXTS[name]
    found = re.search(r'name="token" value="([^"]+)"', client.get("/").get_data(as_text=True))
    assert found
    asked = "&".join(f"{field}={quote(text, safe='')}" for field in FIELDS)
    answers = []
    for rule in client.application.extensions["prodrome.whole"]().url_map.iter_rules():
        if rule.rule.startswith("/cds-services") or rule.endpoint.endswith("static"):
            continue
        path = re.sub(r"<[^>]*>", lambda _: quote(text, safe=""), rule.rule)
        if "GET" in (rule.methods or ()):
            answers += [client.get(path), client.get(f"{path}?{asked}")]
        if "POST" in (rule.methods or ()):
            answers.append(client.post(path, data=dict.fromkeys(FIELDS, text) | {"token": found[1]}))
    assert len(answers) > 30
    for answer in answers:
        assert answer.status_code < 500
        shown = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
        assert '<i id="x1"' not in shown
        assert "<script>alert" not in shown
        assert not re.search(r'(?:href|src|action)="(?:javascript|data):', shown)
        assert not shown or "default-src" in answer.headers["Content-Security-Policy"]
        assert urlsplit(answer.headers.get("Location", "")).hostname in (None, "localhost")
