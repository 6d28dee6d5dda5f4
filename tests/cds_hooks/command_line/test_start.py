"""What a start does without."""

import subprocess
import sys

import pytest


def lines(program: str, *arguments: str) -> list[set[str]]:
    """What a program of its own prints: the words of each line."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("command", "others"),
    [
        ("", {"argcomplete", "jinja2", "orjson", "pydantic", "sqlalchemy", "prodrome.rules"}),
        ("rules", {"alembic", "flask", "prodrome.cds_hooks.population", "prodrome.cds_hooks.testers"}),
    ],
)
def test_a_command_imports_nothing_that_only_others_need(command: str, others: set[str]) -> None:
    program = (
        "import sys; from prodrome.cds_hooks.command_line.cli import parser; parser(sys.argv[1]); print(*sys.modules)"
    )
    assert others.isdisjoint(*lines(program, command))


# All that is done before processes are forked: for a service that anybody may call and that fetches nothing, then for
# one that asks for tokens and calls a FHIR server.
SERVING = """
import sys
from prodrome.cds_hooks.command_line import serving
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web import create_app

def start(**settings):
    serving._warm_up(create_app(Settings(**settings)).extensions["prodrome"])
    print(*sys.modules)

start()
start(
    issuers=({"iss": "https://ehr.example.org", "jku": ("https://ehr.example.org/keys",)},),
    fhir_servers=({"url": "https://fhir.example.org"},),
    base_url="https://cds.example.org",
)
"""
UNUSED = {
    *("alembic", "argcomplete", "fhir", "markdown_it", "pyarrow", "rich"),
    *("psycopg", "sqlalchemy.dialects.postgresql"),  # of a database that is not SQLite
    *(f"prodrome.cds_hooks.eligibility.{module}" for module in ("document", "history", "summary")),
    *(f"prodrome.cds_hooks.feedback.{module}" for module in ("report", "trend")),
    *(f"prodrome.cds_hooks.{room}" for room in ("knowledge", "population", "testers", "workbench")),
}
OF_TOKENS_AND_FETCHING = {"cryptography", "httpx", "jwt"}


def test_a_service_loads_what_its_calls_need_before_it_forks_and_nothing_else() -> None:
    without, with_them = lines(SERVING)
    assert (UNUSED | OF_TOKENS_AND_FETCHING).isdisjoint(without)
    assert with_them >= OF_TOKENS_AND_FETCHING
    assert (UNUSED - {"rich"}).isdisjoint(with_them)  # httpx loads its own command line
