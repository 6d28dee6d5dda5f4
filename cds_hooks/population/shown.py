"""The results of a run as a page shows them: counts, the patients of a rule, and one patient's chart."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson

from prodrome.cds_hooks.population import embedded
from prodrome.cds_hooks.population.comparing import Change, Difference, Standing, compare, counted, manifest
from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.results import COUNTS, OTHER, of_the_others
from prodrome.rules import Completeness
from prodrome.rules.engine import Rulebook

Table = Literal["findings", "unjudged"]
PAGE = 100
"""Patients on one page of a list."""


@dataclass(frozen=True)
class Changes:
    """What two sets of parameters come to otherwise: counts by rule, and a page of the patients."""

    difference: Difference
    counts: Sequence[tuple[tuple[str, Standing, Standing], int]]
    rows: Sequence[Change]
    more: bool


@dataclass(frozen=True)
class Results:
    """A folder of results: what its run said of itself, and its counts."""

    folder: Path
    manifest: Mapping[str, Any]
    counts: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> "Results":
        """Read a folder. Raises :class:`ExportError` where it holds no results."""
        said = manifest(folder)
        try:
            counts = json.loads((folder / COUNTS).read_bytes())
        except (OSError, ValueError):
            raise ExportError(f"{folder}: expected the results of `prodrome population`, found no {COUNTS}.") from None
        return cls(folder, said, counts)

    @property
    def of_the_others(self) -> str:
        """What is known of those who were not judged."""
        return of_the_others(self.manifest)

    @property
    def has_charts(self) -> bool:
        """Whether each patient can be opened."""
        return (self.folder / embedded.CHARTS).is_dir()

    @property
    def has_other(self) -> bool:
        """Whether another set of parameters was judged in the same pass."""
        return (self.folder / OTHER / COUNTS).exists()

    def changes(self, rulebook: Rulebook, page: int = 0) -> "Changes":
        """What the other set of parameters comes to otherwise. Raises :class:`ExportError` where there is none."""
        other = self.folder / OTHER
        difference = Difference.of(self.manifest, manifest(other))
        counts: Counter[tuple[str, Standing, Standing]] = Counter()
        changed = counted(compare(self.folder, other, rulebook), counts)
        rows = list(islice(changed, page * PAGE, (page + 1) * PAGE))
        more = sum(1 for _ in changed) > 0  # and so all are counted
        return Changes(difference, sorted(counts.items()), rows, more)

    def listed(
        self, rule: str, table: Table, *, only: str = "", patient: str = "", page: int = 0
    ) -> tuple[list[dict[str, Any]], bool]:
        """A page of the patients of a rule, and whether there are more.

        ``only`` is an indicator of findings, or a kind that was missing; ``patient`` is part of an id.
        """
        rows = list(islice(self._rows(rule, table, only, patient), page * PAGE, (page + 1) * PAGE + 1))
        return rows[:PAGE], len(rows) > PAGE

    def _rows(self, rule: str, table: Table, only: str, patient: str) -> Iterator[dict[str, Any]]:
        named = rule.encode()
        with (self.folder / f"{table}.ndjson").open("rb") as stream:
            for line in stream:
                if named not in line:
                    continue
                row = orjson.loads(line)
                matches = not only or only == row.get("indicator") or only in row.get("missing", ())
                if row["rule"] == rule and matches and patient in row["patient"]:
                    yield row

    def first_patients(self, most: int) -> list[str]:
        """The first patients of whom anything was found or could not be judged."""
        found: dict[str, None] = {}
        for table in ("findings", "unjudged"):
            with (self.folder / f"{table}.ndjson").open("rb") as stream:
                for line in stream:
                    if len(found) >= most:
                        break
                    found[orjson.loads(line)["patient"]] = None
        return sorted(found)

    def chart(self, patient: str) -> list[dict[str, Any]]:
        """The rows that a patient was judged by; none where the charts were not kept, or for another patient."""
        return embedded.chart(self.folder, patient, int(self.manifest["partitions"])) if self.has_charts else []

    def completeness(self, patient: str) -> dict[str, str]:
        """How complete each kind came for a patient, one of whose lines may not have been read."""
        found = dict(self.manifest["completeness"])
        with (self.folder / "errors.ndjson").open("rb") as stream:
            for row in (orjson.loads(line) for line in stream if patient.encode() in line):
                if row.get("file") and row["patient"] == patient:
                    for kind in [row["resource"]] if row["resource"] else list(found):
                        if found.get(kind) == Completeness.COMPLETE:
                            found[kind] = Completeness.INCOMPLETE.value
        return found
