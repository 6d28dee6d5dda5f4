"""What the documents say is true: their commands run, their examples answer as said, their links lead somewhere."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.settings import load_settings
from tests.docs import knowledge_page
from tests.serving import Client, client_of, rules_in, service

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples" / "README.md",
]
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)

SHOWN_ELSEWHERE = (
    "make ",
    "prodrome serve",
    "--fhir",
    "prodrome sandbox",
    "prodrome check",
    "prodrome population",
    "prodrome export",
    "> prodrome.toml",
)
"""Commands that need a server of their own, or are this very test; other tests run them."""

RUN_WHOLE = (knowledge_page.FILE,)
"""Pages that a test of their own runs in a shell from top to bottom."""


def commands(document: Path) -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.partition("  #")[0].strip()
            if command and not command.startswith("#"):
                yield command


COMMANDS = [
    pytest.param(command, id=f"{document.name}: {command[:60]}")
    for document in DOCUMENTS
    if document not in RUN_WHOLE
    for command in commands(document)
    if not any(elsewhere in command for elsewhere in SHOWN_ELSEWHERE)
]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    if words[0] == "curl":
        path = urlsplit(words[-1]).path
        sent = [word[1:] for word in words if word.startswith("@")]
        answer = client.post(path, json=json.loads(Path(sent[0]).read_text())) if sent else client.get(path)
        assert answer.status_code == 200
        assert answer.get_json().get("cards", True)
    else:
        assert words[0] in (".venv/bin/prodrome", "prodrome"), command
        assert main(words[1:]) == 0


SETTINGS = [
    pytest.param(block, id=document.name)
    for document in DOCUMENTS
    for block in re.findall(r"^```toml\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("block", SETTINGS)
def test_settings_that_are_shown_are_settings(block: str, tmp_path: Path) -> None:
    file = tmp_path / "prodrome.toml"
    file.write_text(block)
    load_settings(file)


def test_every_make_target_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)\b", document.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (document.name, target)


def test_make_says_what_it_would_do() -> None:
    for target in ("install", "run", "test", "lint", "bench", "conformance", "security-table", "audit", "sbom"):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


@EACH
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not urlsplit(target).scheme:
            assert (document.parent / target).exists(), target


def test_the_examples_answer_as_their_table_says(client: Client) -> None:
    rows = re.findall(r"^\| `(\S+)` \| (\S+) \| (.*?) \|$", (ROOT / "examples" / "README.md").read_text(), re.MULTILINE)
    assert {name for name, _, _ in rows} == {file.name for file in (ROOT / "examples").glob("*.json")}
    for name, address, cards in rows:
        body = json.loads((ROOT / "examples" / name).read_text())
        answer = client.post(f"/cds-services/{address}", json=body)
        assert rules_in(answer.get_json()) == re.findall(r"[A-Z]+-\d\d", cards), name


@pytest.mark.requirement("GEN-13", "STALE-03")
def test_what_is_served_is_documented(client: Client) -> None:
    text = (ROOT / "docs" / "integrating.md").read_text()
    for listed in client.get("/cds-services").get_json()["services"]:
        assert f"`{listed['id']}`" in text
    assert "SAF-01" in text


def test_the_file_of_a_site_s_payers_is_the_one_that_is_tried() -> None:
    (shown,) = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "docs" / "eligibility.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert (ROOT / "examples" / "our-payers.yaml").read_text().partition("\n")[2] == shown
