"""What a start does without."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "others"),
    [
        ("serve", {"alembic", "fhir", "prodrome.cds_hooks.knowledge", "prodrome.cds_hooks.web"}),
        ("rules", {"alembic", "flask", "prodrome.cds_hooks.population", "prodrome.cds_hooks.testers"}),
    ],
)
def test_a_command_imports_nothing_that_only_others_need(command: str, others: set[str]) -> None:
    program = (
        "import sys; from prodrome.cds_hooks.command_line.cli import parser; parser(sys.argv[1]); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, command], capture_output=True, text=True, check=True)
    assert others.isdisjoint(done.stdout.split())
