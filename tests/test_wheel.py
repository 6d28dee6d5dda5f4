"""The wheel, beside distributions that own the names of the folders here: both work, and the service answers."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import TODAY, client_of, service

ROOT = Path(__file__).parents[1]
FOLDERS = ("cds_hooks", "examples", "fhir_mappers", "rules", "templates")
FILES = ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py")
OTHERS = ("rules", "templates")
"""Names that other distributions have, too."""
EXAMPLE = "order-sign-contraindicated.json"
SERVICE = "/cds-services/prodrome-order-sign"
JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.slow


def another(site: Path, name: str) -> None:
    """A distribution of this name, as an installer leaves it."""
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(f'OWNER = "another {name}"\n')
    described = site / f"{name}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


def pip(*arguments: object) -> None:
    # setuptools notes that folders here are named as packages are: meant so.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", "--quiet", *map(str, arguments)]
    subprocess.run(command, check=True, env=environment)


def copied(source: Path) -> Path:
    """What a wheel is made of."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    return source


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, the other distributions, and the packages the suite runs on."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copied(folder / "source")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    venv.create(folder / "venv", symlinks=True)
    programs = folder / "venv" / "bin"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in OTHERS:
        another(site, name)
    (wheel,) = folder.glob("*.whl")
    pip("--python", programs / "python", "install", "--no-deps", "--no-index", wheel)
    # A folder named in a .pth file comes after this one, and the .pth files in it are not read.
    (site / "suite.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@contextmanager
def serving(programs: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The service from the wheel: its address, and what it printed when it was ready."""
    command = [str(programs / "prodrome"), "serve", "--port", "0", "--today", TODAY.isoformat()]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if "/cds-services/prodrome-order-sign" in line:
                    break
            yield printed.split("Discovery: ")[1].split("/cds-services")[0], printed
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_the_service_of_the_wheel_is_warm_when_ready_and_its_first_answer_is_right(
    installed: Path, tmp_path: Path
) -> None:
    body = (ROOT / "examples" / EXAMPLE).read_bytes()
    with serving(installed, tmp_path) as (url, printed):
        assert f"/examples/{EXAMPLE}" in printed, "the example that it warms up with is there"
        first = httpx.post(f"{url}{SERVICE}", content=body, headers=JSON, timeout=30, trust_env=False)
    with client_of(service()) as client:
        assert (first.status_code, first.json()) == (200, client.post(SERVICE, data=body, headers=JSON).get_json())
    assert [card["source"]["topic"]["code"] for card in first.json()["cards"]] == ["SAF-01"]


def test_the_others_are_imported_as_theirs_and_ours_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    asked = (
        "import rules, templates, prodrome.rules as ours; print(rules.OWNER, templates.OWNER, ours.__file__, sep=';')"
    )
    told = subprocess.run([installed / "python", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)
    *owners, ours = told.stdout.strip().split(";")
    assert owners == ["another rules", "another templates"]
    assert Path(ours).is_relative_to(installed.parent)


def test_what_a_wheel_compiles_is_python_that_can_be_compiled(tmp_path: Path) -> None:
    """As far as its C, which takes gcc minutes: ``make test-compiled`` goes all the way."""
    command = [sys.executable, "setup.py", "--quiet", "--name"]
    environment = {**os.environ, "PRODROME_COMPILE": "1", "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, check=True, cwd=copied(tmp_path), env=environment)
