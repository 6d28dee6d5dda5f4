"""What a run leaves behind: tables as NDJSON and CSV, counts with denominators, and what was read.

After Da Vinci's Data Exchange for Quality Measures, every rule has three answers that matter to a clinic: a *gap* (the
rule speaks), *met* (its condition is there, and what it asks for was found) and *not evaluable* (the data cannot say).
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from prodrome.fhir_mappers import DIAGNOSING

TABLES: Mapping[str, tuple[str, ...]] = {
    "findings": ("patient", "rule", "indicator", "references", "order"),
    "unjudged": ("patient", "rule", "missing", "order"),
    "errors": ("patient", "resource", "file", "line", "why"),
    "not_understood": ("patient", "kind", "what", "why", "count"),
    "eligibility": ("patient", "class", "use", "state", "left", "missing", "references"),
}
"""The tables of a result and their columns."""

COUNTS, MANIFEST = "counts.json", "manifest.json"
OTHER = "other"
"""The folder of a result that holds what another set of parameters comes to."""


def of_the_others(manifest: Mapping[str, Any]) -> str:
    """What is known of those who were not judged, in a sentence; empty where everybody was."""
    if manifest["sieve"] != "on":
        return ""
    lacking = [kind for kind in DIAGNOSING if manifest["completeness"].get(kind) != "complete"]
    if lacking:
        return (
            "Of the others no diagnosis of migraine and no hospital visit for it came; there may be some, as not all"
            f" of {' and '.join(lacking)} came."
        )
    return "The others have no diagnosis of migraine and no hospital visit for it: no rule can speak for them."


@dataclass
class RuleCounts:
    """How many patients a rule spoke for, was met for, and could not be judged for, and for want of what."""

    gap: int = 0
    met: int = 0
    not_evaluable: int = 0
    missing: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """As it stands in the report, with how many could be judged (``denominator``)."""
        denominator = self.gap + self.met
        return {
            "gap": self.gap,
            "met": self.met,
            "notEvaluable": self.not_evaluable,
            "denominator": denominator,
            "missing": dict(sorted(self.missing.items())),
        }


class Counting:
    """Counts rows as they go by, patient after patient."""

    def __init__(self, rules: Iterable[str]) -> None:
        self._rules = {rule: RuleCounts() for rule in rules}
        self._judged = self._errors = self._with_findings = 0
        self._last: tuple[str, set[str]] = ("", set())
        self._states: dict[str, Counter[str]] = {}
        self._puzzles: Counter[tuple[str, str, str]] = Counter()

    def __call__(self, table: str, row: Mapping[str, Any]) -> None:
        """Count a row of a table."""
        if table == "judged":
            self._judged += 1
            for rule in row["met"]:
                self._rules[rule].met += 1
        elif table == "findings":
            if self._first(row, "gap"):
                self._rules[row["rule"]].gap += 1
            self._with_findings += self._first({**row, "rule": ""}, "gap")
        elif table == "unjudged":
            if self._first(row, "not evaluable"):
                self._rules[row["rule"]].not_evaluable += 1
            self._rules[row["rule"]].missing.update(row["missing"])
        elif table == "eligibility":
            self._states.setdefault(row["class"], Counter())[row["state"]] += 1
        elif table == "not_understood":
            self._puzzles[row["kind"], row["what"], row["why"]] += row["count"]
        else:
            self._errors += 1

    def _first(self, row: Mapping[str, Any], what: str) -> bool:
        """Whether this is the first such row of its patient: a rule may speak of several orders."""
        if row["patient"] != self._last[0]:
            self._last = (row["patient"], set())
        key = f"{what} {row['rule']}"
        fresh = key not in self._last[1]
        self._last[1].add(key)
        return fresh

    def as_json(self) -> dict[str, Any]:
        """The counts: patients by rule and by state of each class."""
        return {
            "judged": self._judged,
            "withFindings": self._with_findings,
            "errors": self._errors,
            "rules": {rule: one.as_json() for rule, one in self._rules.items()},
            "eligibility": {class_: dict(sorted(states.items())) for class_, states in sorted(self._states.items())},
            "notUnderstood": [
                {"kind": kind, "what": what, "why": why, "count": count}
                for (kind, what, why), count in sorted(self._puzzles.items(), key=lambda item: (-item[1], item[0]))
            ],
        }


class Tables:
    """The tables of a result, written row by row as NDJSON and as CSV."""

    def __init__(self, out: Path, rules: Iterable[str]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._lines = {name: (out / f"{name}.ndjson").open("wb") for name in TABLES}
        self._cells = {name: (out / f"{name}.csv").open("w", encoding="utf-8", newline="") for name in TABLES}
        self._writers = {name: csv.writer(stream) for name, stream in self._cells.items()}
        self.counting = Counting(rules)
        for name, writer in self._writers.items():
            writer.writerow(TABLES[name])

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Write a row, and count it."""
        self.counting(table, row)
        if table in TABLES:
            self._lines[table].write(orjson.dumps(row) + b"\n")
            self._writers[table].writerow([cell(row.get(column)) for column in TABLES[table]])

    def close(self) -> None:
        """Close the files."""
        for stream in (*self._lines.values(), *self._cells.values()):
            stream.close()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON for people and programs, in the order given."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
