"""What is shipped is known, and what a site keeps beside the program never gets into the repository."""

import os
import subprocess
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["prodrome.toml", "prodrome.db", "prodrome.db-wal", "prodrome.db-shm", "x/site.sqlite", "backend.pem"]
)
def test_settings_and_databases_are_not_committed(name: str) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0


def audited(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    environment = {**os.environ, "PIP_AUDIT": str(program)}
    return subprocess.run(
        ["sh", ROOT / "tools" / "audit"], env=environment, capture_output=True, text=True, check=False
    )


def test_a_known_weakness_fails_the_audit(tmp_path: Path) -> None:
    found = audited(tmp_path, "echo 'flask 0.1 PYSEC-1'; exit 1")
    assert found.returncode == 1
    assert "PYSEC-1" in found.stdout


def test_an_audit_that_could_not_ask_says_so(tmp_path: Path) -> None:
    found = audited(tmp_path, "echo 'requests.exceptions.ConnectionError: Failed to resolve' >&2; exit 1")
    assert found.returncode == 0
    assert "Not audited" in found.stdout


def test_an_audit_without_findings_passes(tmp_path: Path) -> None:
    assert audited(tmp_path, "echo 'No known vulnerabilities found'").returncode == 0


@pytest.mark.slow
def test_the_bill_of_materials_names_every_package_of_the_lock() -> None:
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)
    bill = orjson.loads((ROOT / "build" / "sbom.json").read_bytes())
    assert bill["bomFormat"] == "CycloneDX"
    locked = [
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line[:80]
    ]
    named = {component["name"].lower() for component in bill["components"]}
    assert {name for name in locked if not name.startswith(" ")} - named == set()
