"""Another edition of the guideline beside the one in force, as a page."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from prodrome.rules.guideline import load_guideline
from tests.cds_hooks.workbench.test_pages import token
from tests.serving import service

FOLDER = load_guideline().folder
RULEBOOK = (FOLDER / "rulebook.yaml").read_text(encoding="utf-8")
PARAMETERS = (FOLDER / "parameters.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


def compared(client: FlaskClient, files: dict[str, str] | None = None, **form: Any) -> TestResponse:
    brought = [(io.BytesIO(text.encode()), name) for name, text in (files or {}).items()]
    return client.post("/rules/compare", data={"token": token(client), "files": brought, **form})


def words(page: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", page)


def test_a_changed_rule_and_parameter_stand_beside_what_they_were_with_whose_cards_differ(client: FlaskClient) -> None:
    files = {
        "rulebook.yaml": RULEBOOK.replace('version: "1.1.0"', 'version: "1.0.0"'),
        "parameters.yaml": PARAMETERS.replace("value: 3\n", "value: 2\n", 1),
    }
    page = compared(client, files).text
    assert "Edition 1.0.0 of" in words(page)
    assert re.search(r'class="removed"><code>2</code></td><td class="added"><code>3</code>', page)
    assert "resistant_min_classes" in page
    assert "loses DTT-01" in page  # an example with two classes had it before
    newer = compared(client, files, newer="yes").text
    assert re.search(r'class="removed"><code>3</code></td><td class="added"><code>2</code>', newer)
    assert "gets DTT-01" in newer


def test_a_rulebook_is_pasted_and_leads_to_the_rules_in_force(client: FlaskClient) -> None:
    page = compared(
        client, text=RULEBOOK.replace("hooks: [patient-view, encounter-start]", "hooks: [patient-view]", 1)
    ).text
    assert re.search(r'<span class="change">changed</span>\s*<a class="rule" href="/rules/[A-Z]+-\d\d">', page)
    assert "encounter-start" in page


def test_the_same_edition_differs_in_nothing(client: FlaskClient) -> None:
    assert (
        "Nothing differs" in compared(client, {"drugs.yaml": (FOLDER / "drugs.yaml").read_text(encoding="utf-8")}).text
    )


def test_a_rulebook_that_cannot_judge_here_is_compared_all_the_same(client: FlaskClient) -> None:
    page = compared(client, text=RULEBOOK.replace("fact: patient,", "fact: person,", 1)).text
    assert "{fact: person" in page
    assert "this version cannot judge by that rulebook" in page


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "found none"),
        ({"rulebook.yaml": "layers: ["}, "rulebook.yaml: not valid YAML"),
        ({"other.yaml": "a: 1"}, "expected files of a guideline"),
    ],
)
def test_what_cannot_be_compared_says_why(client: FlaskClient, files: dict[str, str], said: str) -> None:
    answer = compared(client, files)
    assert answer.status_code == 400
    assert said in answer.text


def test_text_of_an_edition_acts_nowhere(client: FlaskClient, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    page = compared(client, text=RULEBOOK.replace("why: The guideline is one for adults", f"why: {attack}", 1)).text
    assert attack not in page
