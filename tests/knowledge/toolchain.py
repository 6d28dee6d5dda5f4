"""The foreign tools the exported rules are held against: a CQL translator and a CQL engine, in Node.

``npm ci`` installs what ``package-lock.json`` pins, once. Where Node is not there, tests skip and say so; in CI they
fail.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.fhir_servers.servers import npm_packages

HERE = Path(__file__).parent
TRANSLATE_SECONDS = 600
ANSWER_SECONDS = 7200


def node() -> str:
    """The program ``node``, with the packages of this folder installed."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            said = f"{program} is not here: install the Debian package npm to hold the exported rules against CQL tools"
            if os.environ.get("HYPOTHESIS_PROFILE") == "ci":
                pytest.fail(said)
            pytest.skip(said)
    npm_packages(HERE)
    return str(shutil.which("node"))


def translated(cql: str, folder: Path) -> Path:
    """The ELM of a CQL library, in a file of *folder*. Fails with what the translator found wrong."""
    (folder / "library.cql").write_text(cql, encoding="utf-8")
    command = [node(), str(HERE / "translate.mjs"), str(folder / "library.cql")]
    done = subprocess.run(command, capture_output=True, timeout=TRANSLATE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    assert done.stderr == b"", done.stderr.decode()[:2000]
    elm = folder / "library.json"
    elm.write_bytes(done.stdout)
    return elm


def evaluated(elm: Path, bundles: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the rules as ELM say of the facts of each Bundle, in their order (``evaluate.mjs`` says how)."""
    return _asked("evaluate.mjs", [str(elm)], bundles)


def mutated(elm: Path, cases: Iterable[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Which changes of the rules as ELM are caught by cases (``mutate.mjs`` says how)."""
    return _asked("mutate.mjs", [str(elm), *names], cases)


def _asked(script: str, arguments: list[str], lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    said = "".join(json.dumps(line) + "\n" for line in lines).encode()
    command = [node(), str(HERE / script), *arguments]
    done = subprocess.run(command, input=said, capture_output=True, timeout=ANSWER_SECONDS, check=False)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    assert done.stderr == b"", done.stderr.decode()[:2000]
    return [json.loads(line) for line in done.stdout.splitlines()]
