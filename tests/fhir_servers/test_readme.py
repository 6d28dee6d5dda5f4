"""README's commands for integration testers print what README says. On Medplum: the other tests fix the day on HAPI."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from prodrome.cds_hooks.command_line.cli import main
from tests.serving import listening, service

README = Path(__file__).parents[2] / "README.md"
SECTION = README.read_text().partition("## For integration testers\n")[2].partition("\n## ")[0]
SHOWN = re.findall(r"```sh\n(.+?)\n```\n\n```text\n(.+?)```", SECTION, re.DOTALL)
FHIR = "http://localhost:8090/fhir"
SERVICE = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def here() -> Iterator[str]:
    with listening(service(today=None, deadline_seconds=30)) as url:
        yield url


def alike(line: str) -> str:
    """A line without what differs from run to run: times, and the width they take."""
    line = re.sub(r"^remark", "ok", re.sub(r"\d+(\.\d+)? (s|ms)\b", r"N \2", line))
    return re.sub(r"\s+", " ", re.sub(r"\d remarks", "N remarks", line)).strip()


def test_the_section_shows_all_three_commands() -> None:
    assert [command.split()[1] for command, _ in SHOWN] == ["sandbox", "consult", "check"]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=["sandbox", "consult", "check"])
def test_a_command_prints_what_the_readme_shows(
    command: str,
    output: str,
    medplum: str,
    here: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRODROME_DEADLINE_SECONDS", "30")
    words = shlex.split(command.replace(FHIR, medplum).replace(SERVICE, here))
    assert words[0] == ".venv/bin/prodrome"
    assert main(words[1:]) == 0
    printed = capsys.readouterr()
    real = {alike(line) for line in [*printed.out.splitlines(), *printed.err.splitlines()]}
    promised = [alike(line.replace(FHIR, medplum)) for line in output.splitlines() if line not in ("...", "")]
    assert promised
    assert [line for line in promised if line not in real] == [], "\n".join(sorted(real))
