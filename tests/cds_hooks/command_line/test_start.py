"""What a start costs, in CPU time, and what it does without."""

import resource
import subprocess
import sys
import urllib.request

import pytest

from bench.service import serving

LIBRARIES = "import flask, httpx, jinja2, pydantic_settings, sqlalchemy.orm"
"""What every start imports of others."""
MOST_TIMES = 5
"""CPU of a start, beside that of these imports in the same minute: 2.3 to 3 times where this was written."""


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


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.skipif("coverage" in sys.modules, reason="measured lines cost CPU time of their own")
def test_a_start_costs_a_few_times_what_importing_its_libraries_does() -> None:
    before = _of_children()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    libraries = _of_children() - before
    with serving(1) as service:
        path, body = service.asked("small")
        json = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{service.port}{path}", body, json)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        assert service.cpu_ms() / 1000 < MOST_TIMES * libraries
