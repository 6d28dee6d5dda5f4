"""The matrix itself is sound: numbered requirements, each either shown by a test or not applicable for a reason."""

import ast
from pathlib import Path

from tests.conformance.matrix import LEVELS, not_applicable, requirements

TESTS = Path(__file__).parents[1]


def marked() -> set[str]:
    """Every id on a ``requirement`` marker of a test."""
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        if "node_modules" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "requirement":
                found |= {str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return found


def test_requirements_have_ids_of_their_own_and_known_levels() -> None:
    ids = [requirement.id for requirement in requirements()]
    assert len(ids) == len(set(ids)) == 280
    assert {requirement.level for requirement in requirements()} == set(LEVELS)


def test_tests_name_requirements_that_exist() -> None:
    assert marked() <= {requirement.id for requirement in requirements()}


def test_every_binding_requirement_is_shown_or_does_not_apply() -> None:
    shown = marked() | set(not_applicable())
    assert [
        requirement.id for requirement in requirements() if requirement.binding and requirement.id not in shown
    ] == []


def test_what_does_not_apply_is_not_tested_and_says_why() -> None:
    assert not set(not_applicable()) & marked()
    assert all(len(reason) > 20 for reason in not_applicable().values())
