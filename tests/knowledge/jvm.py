"""The Java tools the exported rules are held against: the engine of CQL, and HAPI FHIR with clinical reasoning.

They are tried on demand (``make test-knowledge``): Maven brings some 250 MB once; ``java/`` has the programs.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.fhir_servers import servers
from tests.serving import free_port

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "java"
PAGE = ROOT / "docs" / "knowledge.md"
COMPILE_SECONDS = 300
START_SECONDS = 900
ANSWER_SECONDS = 3600


def evaluated(cql: Path, bundles: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the rules say of the facts of each Bundle, in their order (``answer.mjs`` says how)."""
    said = "".join(json.dumps(bundle) + "\n" for bundle in bundles).encode()
    command = [*_java(), "Evaluate", str(cql)]
    done = subprocess.run(command, input=said, capture_output=True, timeout=ANSWER_SECONDS, check=False)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    assert done.stderr == b"", done.stderr.decode()[:2000]
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def hapi(package: Path) -> Iterator[str]:
    """The address of HAPI FHIR with a package installed as ``docs/knowledge.md`` says."""
    asked = package.with_suffix(".json")
    asked.write_text(json.dumps({**installation(), "packageUrl": package.as_uri()}), encoding="utf-8")
    port = free_port()
    command = [*_java(), "ReasoningServer", str(port), str(asked)]
    with servers.running(command, HERE, f"http://127.0.0.1:{port}/fhir", START_SECONDS) as url:
        yield url.removesuffix("/fhir")


def installation() -> dict[str, Any]:
    """What the page sets in HAPI's settings for the package."""
    settings = PAGE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    (guide,) = yaml.safe_load(settings)["hapi"]["fhir"]["implementationguides"].values()
    return dict(guide)


@cache
def _java() -> list[str]:
    """The command that runs a program of this folder, compiled anew."""
    jars, classes = servers.hapi_classpath(HERE), HERE / "target" / "classes"
    sources = [*HERE.glob("*.java"), servers.HERE / "hapi" / "FhirServer.java"]
    command = ["javac", "-nowarn", "-d", str(classes), "-cp", jars, *map(str, sources)]
    subprocess.run(command, check=True, timeout=COMPILE_SECONDS)
    return [*servers.JAVA, "-Xmx2g", "-cp", f"{classes}:{jars}"]
