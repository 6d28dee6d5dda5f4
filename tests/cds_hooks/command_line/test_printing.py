"""What is printed reads well for whoever reads it: a program, a person, a shell."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask import request

from prodrome.cds_hooks.command_line.called import called, from_here
from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.command_line.serving import _to_try
from prodrome.cds_hooks.settings import Issuer, Settings
from tests.browser.conftest import fhir_server
from tests.serving import serving

ROOT = Path(__file__).parents[3]
RESISTANT = str(ROOT / "examples" / "patient-view-resistant.json")
DAY = ("--today", "2026-06-15")
PRODROME = (sys.executable, "-c", "import sys; from prodrome.cds_hooks.command_line.cli import main; sys.exit(main())")


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (("rules",), "DTT-01"),
        (("prefetch",), "prodrome-order-sign"),
        (("settings",), "deadline_seconds"),
        (("codes", "lookup", "Topamax"), "topiramate"),
        (("codes", "report", "examples"), "read"),
        (("consult", RESISTANT, *DAY), "cards"),
    ],
)
def test_json_is_for_programs(
    words: tuple[str, ...], holds: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main((*words, "--json")) == 0
    assert holds in json.dumps(json.loads(capsys.readouterr().out))


def test_on_a_terminal_the_cards_are_a_table_and_the_answer_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    assert main(("consult", RESISTANT, *DAY)) == 0
    table = capsys.readouterr().out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", table)
    assert re.search(r"^DTT-01 +info +\S", plain, re.MULTILINE)
    assert "--json" in plain
    assert "{" not in plain
    assert main(("consult", RESISTANT, *DAY, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["cards"]


def test_where_there_is_no_card_what_did_not_come_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the conditions nobody knows of a migraine: that is no patient of whom there is nothing to say."""
    asked = json.loads(Path(RESISTANT).read_bytes())
    del asked["prefetch"]["conditions"]
    file = tmp_path / "request.json"
    file.write_text(json.dumps(asked))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(("consult", str(file), *DAY)) == 0
    *_, table, lacking, _ = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).replace("\n\n", "\n").splitlines()
    assert table.strip() == "No card"
    assert re.fullmatch("Not all came of Condition(, .*)?: what is lacking could change this.", lacking)


def test_of_a_kind_that_a_fhir_server_does_not_give_the_last_line_says_that_it_may_change_what_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = fhir_server()

    @server.before_request
    def refuse() -> tuple[str, int] | None:
        return ("", 403) if request.path == "/Condition" else None

    with serving(server) as url:
        assert main(("consult", "--fhir", url, "--patient", "prodrome-resistant", *DAY)) == 0
    *_, answer, lacking = capsys.readouterr().err.splitlines()
    assert answer == "No card."
    assert lacking == "Not all came of Condition: what is lacking could change this."


@pytest.mark.parametrize("closing", [">&-", ">&- 2>&- <&-"])
def test_where_nobody_takes_what_is_printed_the_command_does_its_work(closing: str) -> None:
    words = [*PRODROME, "consult", RESISTANT, *DAY]
    done = subprocess.run(["sh", "-c", f'exec "$@" {closing}', "sh", *words], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_locale_without_the_signs_that_are_printed_stops_nothing() -> None:
    """What is printed says that it is UTF-8, or is JSON, which has to be."""
    locale = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [*PRODROME, "review"],
        capture_output=True,
        env=locale,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\N{EN DASH}" in done.stdout.decode("utf-8")


def test_a_printed_command_runs_as_it_is_printed() -> None:
    """This copy is not on the path of a shell: the way to it is printed."""
    words = [*shlex.split(called()), "codes", "lookup", "Topamax"]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "topiramate" in found.stdout


def test_a_file_is_named_as_a_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a folder" / "request.json"
    monkeypatch.chdir(tmp_path)
    assert from_here(file) == "'a folder/request.json'"
    monkeypatch.chdir("/")
    assert Path(shlex.split(from_here(file))[0]).resolve() == file.resolve()


@pytest.mark.parametrize("tokens", [False, True])
def test_what_is_printed_to_try_is_not_answered_with_401(tokens: bool) -> None:
    client = Issuer(iss="https://ehr.example.org", jku=("https://ehr.example.org/keys",))
    settings = Settings(issuers=(client,) if tokens else ())
    told = "\n".join(_to_try(settings, "http://127.0.0.1:8080"))
    assert ("key new" in told) is tokens
    assert ("curl" in told) is not tokens


def test_a_reader_who_has_read_enough_is_no_mistake() -> None:
    words = [*shlex.split(called()), "rules", "--conditions"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as printing:
        assert printing.stdout
        assert printing.stderr
        printing.stdout.close()
        assert printing.stderr.read() == ""
    assert printing.returncode == 0


def test_a_copy_on_the_path_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert called() == "prodrome"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("prodrome con", {"consult"}),
        ("prodrome consult --pat", {"--patient"}),
        ("prodrome consult --hook order-", {"order-select", "order-sign", "order-dispatch"}),
        ("prodrome codes ", {"lookup", "report", "expand"}),
    ],
)
def test_a_shell_is_told_what_may_come_next(typed: str, offered: set[str], tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    environment = os.environ | {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": typed,
        "COMP_POINT": str(len(typed)),
    }
    subprocess.run([Path(sys.executable).with_name("prodrome")], env=environment, check=True)
    assert offered <= {word.strip() for word in answer.read_text().splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own_code(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(("completion", shell)) == 0
    code = capsys.readouterr().out
    assert "prodrome" in code
    if shutil.which(shell):
        (tmp_path / "code").write_text(code)
        subprocess.run([shell, "-n", tmp_path / "code"], check=True)


@pytest.mark.parametrize("words", [("rules", "--conditions"), ("settings", "--explain"), ("prefetch",)])
def test_a_table_on_a_terminal_says_what_plain_columns_say(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(words) == 0
    plain = capsys.readouterr().out.split()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "2000")
    assert main(words) == 0
    table = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split()
    headings = {"Rule", "Hooks", "Sources", "Title", "Setting", "Value", "From", "Key", "Query"}
    assert [word for word in table if word not in headings] == [word for word in plain if word not in headings]
