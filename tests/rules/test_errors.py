"""One tree of errors: what is raised on purpose hangs on its root, and its picture is true."""

import ast
import inspect
import re
from pathlib import Path

from prodrome.rules import errors

ROOT = Path(__file__).parents[2]
KEPT_INSIDE = {"Unreadable", "NotRead", "Unusable", "Pending", "OutOfTime"}
"""Never leave their rooms: a resource skipped, words that are no dose, a key not taken, or not there yet."""


def classes() -> dict[str, list[str]]:
    found = {}
    for path in [path for room in ("rules", "fhir_mappers", "cds_hooks") for path in (ROOT / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return found


def is_an_error(name: str, known: dict[str, list[str]]) -> bool:
    return name in ("Exception", "ValueError", "ProdromeError") or any(
        is_an_error(base, known) for base in known.get(name, ())
    )


def test_every_public_error_hangs_on_the_tree_and_stands_in_its_picture() -> None:
    known = classes()
    mine = {name for name in known if is_an_error(name, known) and not name.startswith("_")} - KEPT_INSIDE
    for name in mine - {"ProdromeError"}:
        assert not {"Exception", "ValueError"} & set(known[name]), f"{name} hangs on nothing"
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+\b", inspect.getdoc(errors) or ""))
    assert mine - drawn == set()
