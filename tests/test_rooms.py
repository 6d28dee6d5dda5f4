"""Each room says in its ``__init__`` what is public, the others import that, and no arrow runs up (pyproject.toml)."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("cds_hooks", "fhir_mappers", "rules")
MODULES = {
    "prodrome." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in HOUSE
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
}
ROOMS = sorted((name for name, path in MODULES.items() if path.name == "__init__.py"), key=len, reverse=True)
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def room_of(module: str) -> str:
    return next(room for room in ROOMS if module == room or module.startswith(room + "."))


def house_of(module: str) -> str:
    """Inside ``rules`` one room imports the modules of another directly: its face would be a circle there."""
    return "prodrome.rules" if module.startswith("prodrome.rules") else room_of(module)


def imports(module: str) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "prodrome":
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names if alias.name.split(".")[0] == "prodrome")


def named_in_layers() -> set[str]:
    named = set()
    for contract in CONTRACTS:
        if contract["type"] == "layers":
            layers = [name.strip() for layer in contract["layers"] for name in layer.split("|")]
            for container in contract.get("containers", [""]):
                named |= {f"{container}.{name}".lstrip(".") for name in layers}
    return named


@pytest.mark.parametrize("module", MODULES)
def test_a_room_is_entered_by_its_door(module: str) -> None:
    for target, names in imports(module):
        if house_of(target) == house_of(module):
            continue
        if target == "prodrome.cds_hooks":
            assert {f"{target}.{name}" for name in names} <= set(ROOMS), f"{module} imports {names} from {target}"
        elif room_of(target) == "prodrome.cds_hooks":
            continue  # a module that lies flat is its own door
        else:
            assert target == room_of(target), f"{module} imports from {target}, not from {room_of(target)}"
            public = importlib.import_module(target).__all__
            assert set(names) <= set(public), f"{module} imports {set(names) - set(public)}, which {target} keeps"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "prodrome.cds_hooks"])
def test_a_door_shows_what_is_there(room: str) -> None:
    face = importlib.import_module(room)
    assert face.__doc__
    assert len(set(face.__all__)) == len(face.__all__)
    for name in face.__all__:  # a module that few need is loaded by who imports it
        assert hasattr(face, name) or f"{room}.{name}" in MODULES, name


def test_who_may_import_whom_is_said_of_every_room() -> None:
    flat = [name for name in MODULES if name.count(".") == 2 and not name.startswith("prodrome.fhir_mappers")]
    assert set(flat) - named_in_layers() == set()
    assert named_in_layers() <= {*MODULES, *ROOMS}


def test_only_what_a_call_goes_through_lies_outside_the_rooms() -> None:
    flat = {path.stem for path in (ROOT / "cds_hooks").glob("*.py")}
    assert flat <= {"__init__", "clock", "consultation", "environment", "logs", "prefetch", "settings"}


def test_no_arrow_runs_up_and_none_in_a_circle() -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "build/import-root"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_each_invariant_names_a_test_that_is_there() -> None:
    told = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("| invariant |")[2]
    rows = [line for line in told.splitlines()[2:] if line.startswith("|")]
    named = [re.search(r"\| \[(test_\w+)\]\((tests/[\w/]+\.py)\) \|$", row) for row in rows]
    assert len(named) > 10
    for row, found in zip(rows, named, strict=True):
        assert found, row
        assert f"def {found[1]}(" in (ROOT / found[2]).read_text(encoding="utf-8"), row


def test_the_map_names_every_room() -> None:
    told = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for room in ROOMS:
        name = room.removeprefix("prodrome.").replace(".", "/")
        assert room == "prodrome.cds_hooks" or f"`{name}/" in told or f"`{name.rpartition('/')[2]}/`" in told, room
