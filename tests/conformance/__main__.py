"""``make conformance``: run every test that shows a requirement, print the table, and write docs/conformance.md.

The exit status is 1 where a test fails, or where a MUST or MUST NOT is shown by none.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.matrix import LEVELS, Requirement, Shown, not_applicable, requirements

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"

INTRODUCTION = """\
# Conformance

Written by `make conformance`. CDS Hooks 2.0.1 is the contract; what clients of 1.0 to the 3.0 ballot send is accepted.
The requirements are numbered as in `cds_hooks/protocol/requirements.csv`; *derived* ones follow from the specification,
from a standard it names, or from what clients do. Each row names the test that shows it.
"""


def main() -> int:
    shown = Shown()
    status = pytest.main(["-q", "-m", "requirement", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[shown])
    rows = [_row(requirement, shown) for requirement in requirements()]
    for row in rows:
        print("{:8} {:10} {:14} {}".format(*row[:2], row[3], row[4]))
    missing = [row[0] for row in rows if row[3] == "no test" and row[1].startswith("MUST")]
    tally = Counter((row[1], row[3]) for row in rows)
    for level in LEVELS:
        print(level, ", ".join(f"{count} {result}" for (of, result), count in sorted(tally.items()) if of == level))
    DOCUMENT.write_text(_document(rows), encoding="utf-8")
    if missing:
        print("No test shows:", ", ".join(missing))
    return int(bool(missing) or status != pytest.ExitCode.OK)


def _row(requirement: Requirement, shown: Shown) -> tuple[str, str, str, str, str]:
    """Id, level, text, result, and the test or the reason."""
    reasons = not_applicable()
    here = (requirement.id, requirement.level, requirement.text + _derived(requirement))
    if requirement.id in reasons:
        return *here, "not applicable", reasons[requirement.id]
    tests = sorted({test.partition("[")[0].removeprefix("tests/") for test in shown.tests[requirement.id]})
    if not tests:
        return *here, "no test", ""
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    return *here, shown.result(requirement.id), tests[0] + more


def _derived(requirement: Requirement) -> str:
    return " (derived)" if requirement.origin == "derived" else ""


def _document(rows: list[tuple[str, str, str, str, str]]) -> str:
    lines = [INTRODUCTION, "| id | level | requirement | result | shown by, or why not |", "|---|---|---|---|---|"]
    for id_, level, text, result, where in rows:
        place = where if result == "not applicable" else f"`{where}`" if where else ""
        lines.append(f"| {id_} | {level} | {text.replace('|', chr(92) + '|')} | {result} | {place} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
