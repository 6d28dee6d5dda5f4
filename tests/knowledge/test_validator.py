"""HL7's instance validator, offline, finds no error in what is exported, but those allowed here with a reason."""

import re
import subprocess
from pathlib import Path

import pytest

from prodrome.cds_hooks.command_line.cli import main
from tests.fhir_servers import servers

HERE = Path(__file__).parent
SECONDS = 1500

ALLOWED = {
    r"Unknown code 'http://hl7.org/fhir/expression-language#text/cql-identifier'": (
        "R4 lists no code for the name of a definition; its binding is extensible, and engines know this one of R5"
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_the_validator_finds_no_error(tmp_path: Path) -> None:
    """In resources, and in the facts of the examples, which say what profiles they follow."""
    assert main(["export-knowledge", str(tmp_path)]) == 0
    command = [*servers.JAVA, "-cp", servers.hapi_classpath(), str(HERE / "Validate.java"), str(tmp_path / "input")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    problems = [line.split("\t") for line in done.stdout.splitlines()]
    assert any(file.startswith("resources/plandefinition/") for _, file, _, _ in problems)  # it remarks on each
    errors = [
        (file, where, what)
        for severity, file, where, what in problems
        if severity in ("error", "fatal") and not any(re.search(allowed, what) for allowed in ALLOWED)
    ]
    assert errors == []


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_the_validator_sees_a_fact_that_breaks_its_profile(tmp_path: Path) -> None:
    assert main(["export-knowledge", str(tmp_path)]) == 0
    facts = tmp_path / "input" / "tests" / "plandefinition" / "prodrome-order-sign" / "order-sign-contraindicated"
    kept = {tmp_path / "input" / "resources" / kind for kind in ("structuredefinition", "codesystem")} | {facts}
    for file in sorted((tmp_path / "input").rglob("*.json")):
        if file.parent not in kept:
            file.unlink()
    text = (facts / "facts.json").read_text()
    (facts / "facts.json").write_text(text.replace('"valueBoolean": true', '"valueString": "true"', 1))
    command = [*servers.JAVA, "-cp", servers.hapi_classpath(), str(HERE / "Validate.java"), str(tmp_path / "input")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    errors = [line for line in done.stdout.splitlines() if line.startswith("error") and "facts.json" in line]
    assert errors
