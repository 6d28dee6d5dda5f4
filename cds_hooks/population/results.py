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

TABLES: Mapping[str, tuple[str, ...]] = {
    "findings": ("patient", "rule", "indicator", "references"),
    "unjudged": ("patient", "rule", "missing"),
    "errors": ("patient", "resource", "file", "line", "why"),
}
"""The tables of a result and their columns."""

COUNTS, MANIFEST = "counts.json", "manifest.json"


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


def write(out: Path, rows: Iterable[tuple[str, dict[str, Any]]], rules: Iterable[str]) -> dict[str, Any]:
    """Write the tables of ``rows``, (table, row) by patient, and return the counts of them by rule."""
    counts = {rule: RuleCounts() for rule in rules}
    judged, with_gaps, errors = 0, set(), 0
    streams = {name: (out / f"{name}.ndjson").open("wb") for name in TABLES}
    tables = {name: (out / f"{name}.csv").open("w", encoding="utf-8", newline="") for name in TABLES}
    writers = {name: csv.writer(stream) for name, stream in tables.items()}
    for name, writer in writers.items():
        writer.writerow(TABLES[name])
    try:
        for table, row in rows:
            if table == "judged":
                judged += 1
                for rule in row["met"]:
                    counts[rule].met += 1
                continue
            streams[table].write(orjson.dumps(row) + b"\n")
            writers[table].writerow([_cell(row.get(column)) for column in TABLES[table]])
            if table == "findings":
                counts[row["rule"]].gap += 1
                with_gaps.add(row["patient"])
            elif table == "unjudged":
                counts[row["rule"]].not_evaluable += 1
                counts[row["rule"]].missing.update(row["missing"])
            else:
                errors += 1
    finally:
        for stream in (*streams.values(), *tables.values()):
            stream.close()
    return {
        "judged": judged,
        "withFindings": len(with_gaps),
        "errors": errors,
        "rules": {rule: one.as_json() for rule, one in counts.items()},
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON for people and programs, in the order given."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
