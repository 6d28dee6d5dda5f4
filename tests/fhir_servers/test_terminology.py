"""``prodrome codes expand`` against a real server, which knows the expressions that it was given as value sets."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.fhir_client import terminology
from prodrome.rules.guideline import load_guideline

SNOMED = "http://snomed.info/sct"
CODES = [str(999_000_001 + number) for number in range(25)]


@pytest.fixture(scope="module")
def server(hapi: str) -> str:
    """A server that expands the expression of asthma to 25 codes, and knows no other."""
    expression = load_guideline().expressions()["asthma"]
    known = [{"code": code, "display": f'Asthma, "kind" {code}'} for code in CODES]
    system = {"resourceType": "CodeSystem", "id": "sct", "url": SNOMED, "content": "complete", "concept": known}
    asthma = {
        "resourceType": "ValueSet",
        "id": "asthma",
        "url": f"{SNOMED}?fhir_vs=ecl/{quote(expression, safe='')}",
        "compose": {"include": [{"system": SNOMED, "concept": known}]},
    }
    for resource in (system, asthma):
        address = f"{hapi}/{resource['resourceType']}/{resource['id']}"
        httpx.put(address, json={"status": "active", **resource}, timeout=60).raise_for_status()
    return hapi


def expand(server: str, out: Path, sets: Sequence[str]) -> int:
    return main(["codes", "expand", server, "--out", str(out), *(word for name in sets for word in ("--set", name))])


def test_what_a_real_server_expands_is_read_beside_our_tables(server: str, tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    assert not load_guideline().sets_of(SNOMED, CODES[0])
    assert expand(server, table, ["asthma"]) == 0
    guideline = load_guideline().with_codes(table)
    assert {code: guideline.sets_of(SNOMED, code) for code in CODES} == dict.fromkeys(CODES, frozenset({"asthma"}))
    assert table.read_text().startswith(f"# SNOMED CT codes of our sets, expanded by {server} on ")


def test_an_expression_that_a_real_server_does_not_know_leaves_no_table(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expand(server, tmp_path / "more.csv", ["asthma", "copd"]) == 1
    assert "copd: the terminology server refuses (404" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_page_that_a_real_server_refuses_leaves_no_table(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminology, "_PAGE_SIZE", 10)  # HAPI pages only what it has expanded before, in its own time
    assert expand(server, tmp_path / "more.csv", ["asthma"]) == 1
    assert "refuses (500, processing)" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
