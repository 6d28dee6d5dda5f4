"""The attacks and faults that the service withstands, and which test shows each."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
TESTS = HERE.parent
DOCUMENT = TESTS.parent / "docs" / "security.md"
MARKER = "withstands"

INTRODUCTION = """\
# What the service withstands

Written by `make security-table`. Each row names the tests that show it; they run with the suite.
"""
TITLES = {"attacks": "Attacks", "faults": "Faults"}


@dataclass(frozen=True, slots=True)
class Row:
    """One attack or fault: its id on the marker, what was tried, and what is right."""

    id: str
    tried: str
    right: str


def rows() -> Mapping[str, tuple[Row, ...]]:
    """The rows by table, in order."""
    document = yaml.safe_load((HERE / "rows.yaml").read_text(encoding="utf-8"))
    return {table: tuple(Row(id_, *said.split(" / ")) for id_, said in of.items()) for table, of in document.items()}


def marked() -> Mapping[str, list[str]]:
    """The tests that carry each id, by reading the test files."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in TESTS.rglob("test_*.py"):
        if "node_modules" in file.parts:
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for id_ in _ids(node):
                    found[id_].add(f"{file.relative_to(TESTS)}::{node.name}")
    return {id_: sorted(tests) for id_, tests in found.items()}


def _ids(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == MARKER:
            yield from (str(part.value) for part in decorator.args if isinstance(part, ast.Constant))


def document(results: Mapping[str, str]) -> str:
    """The page: both tables, with the *results* by id; an id that is not there holds."""
    tests = marked()
    lines = [INTRODUCTION]
    for table, of in rows().items():
        lines += [f"## {TITLES[table]}", "", "| id | tried | right | result | shown by |", "|---|---|---|---|---|"]
        for row in of:
            where = ", ".join(f"`{test}`" for test in tests.get(row.id, ()))
            result = results.get(row.id, "holds") if where else "no test"
            lines.append(f"| {row.id} | {row.tried} | {row.right} | {result} | {where} |")
        lines.append("")
    return "\n".join(lines)
