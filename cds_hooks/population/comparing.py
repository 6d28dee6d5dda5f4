"""Two results side by side: which patients gained or lost which finding, and what that can come from."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import orjson

from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.results import MANIFEST
from prodrome.rules.engine import Rulebook

Standing = Literal["finding", "could not judge", "nothing"]
"""What a rule says of a patient."""

_DATA = ("files", "today", "completeness", "orders")


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that says something else of a patient (and, where it judged one, an order) than before, and why."""

    patient: str
    rule: str
    order: str
    before: Standing
    after: Standing
    why: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """What two runs have otherwise: ``parameters`` by name (before, after), the rulebook, the data."""

    parameters: Mapping[str, tuple[str, str]]
    rulebook: tuple[str, str] | None
    data: tuple[str, ...]

    @classmethod
    def of(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> "Difference":
        """Read from the manifests of two results."""
        here, there = before["parameters"], after["parameters"]
        return cls(
            parameters={
                name: (here.get(name, "as the guideline has it"), there.get(name, "as the guideline has it"))
                for name in sorted({**here, **there})
                if here.get(name) != there.get(name)
            },
            rulebook=(before["rulebook"], after["rulebook"]) if before["rulebook"] != after["rulebook"] else None,
            data=tuple(name for name in (*_DATA, "codes", "guideline") if before.get(name) != after.get(name)),
        )

    def because(self, read: frozenset[str] | None, *, other_rows: bool) -> tuple[str, ...]:
        """What a change can come from. *read* are the parameters its rule reads, ``None`` where that is not known.

        Where none of the changed parameters is read by the rule itself, any may have been read on the way to its facts.
        """
        mine = {name: both for name, both in self.parameters.items() if read is None or name in read}
        why = [f"parameter {name}: {old} to {new}" for name, (old, new) in (mine or self.parameters).items()]
        if self.rulebook:
            why.append(f"rulebook {self.rulebook[0]} to {self.rulebook[1]}")
        why += [f"data: other {name}" for name in self.data]
        if other_rows and not why:
            why.append("data: other rows")
        return tuple(why)


def manifest(out: Path) -> dict[str, Any]:
    """What a result says of its run. Raises :class:`ExportError` where there is none."""
    try:
        content = json.loads((out / MANIFEST).read_bytes())
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "rulebook" not in content or "parameters" not in content:
        raise ExportError(f"{out}: expected the results of `prodrome population`, found no {MANIFEST} of one.")
    return content


def compare(before: Path, after: Path, rulebook: Rulebook) -> Iterator[Change]:
    """The changes from one result to another, by patient. Raises :class:`ExportError`.

    *rulebook* is the one in force: which parameters a rule reads is looked up in it.
    """
    difference = Difference.of(manifest(before), manifest(after))
    reads = {id_: read_by(rulebook, id_) for id_ in rulebook.rules}
    for patient, old, new in _side_by_side(_standings(before), _standings(after)):
        for key in sorted({*old, *new}):
            was, is_ = old.get(key, ("nothing", ())), new.get(key, ("nothing", ()))
            if was[0] != is_[0]:
                why = difference.because(reads.get(key[0]), other_rows=was[1] != is_[1])
                yield Change(patient, key[0], key[1], was[0], is_[0], why)


def summary(changes: Mapping[tuple[str, Standing, Standing], int]) -> list[str]:
    """The numbers of changes by rule, for a person to read."""
    if not changes:
        return ["Nothing changed."]
    lines = [f"{'rule':10}{'before':>17}{'after':>17}{'patients':>10}"]
    return [*lines, *(f"{rule:10}{was:>17}{is_:>17}{count:>10}" for (rule, was, is_), count in sorted(changes.items()))]


def counted(changes: Iterator[Change], into: "Counter[tuple[str, Standing, Standing]]") -> Iterator[Change]:
    """The changes, counted as they go by."""
    for change in changes:
        into[(change.rule, change.before, change.after)] += 1
        yield change


def read_by(rulebook: Rulebook, id_: str) -> frozenset[str]:
    """The parameters a rule reads, itself or through the rules that conclude what it asks for."""
    waiting = [id_]
    seen: set[str] = set()
    names: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        rule = rulebook.rules[one]
        names.update(rule.parameters)
        asked = {pattern.fact for pattern in (*rule.when, *rule.unless)}
        asked |= {tally.of.fact for layer in rulebook.layers for tally in layer.tallies if "tally" in asked}
        waiting += [other.id for other in rulebook.rules.values() if other.then.fact in asked]
    return frozenset(names)


_Standings = dict[tuple[str, str], tuple[Standing, tuple[str, ...]]]


def _standings(out: Path) -> Iterator[tuple[str, _Standings]]:
    """Of each patient what each rule (and order) says, and on what rows; patients in order."""
    found, unjudged = _rows(out / "findings.ndjson"), _rows(out / "unjudged.ndjson")
    for patient, speaking, silent in _side_by_side(found, unjudged):
        standings: _Standings = {}
        for row in silent or ():
            standings[(row["rule"], row.get("order", ""))] = ("could not judge", tuple(row["missing"]))
        for row in speaking or ():
            standings[(row["rule"], row.get("order", ""))] = ("finding", tuple(row["references"]))
        yield patient, standings


def _rows(file: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    try:
        stream = file.open("rb")
    except OSError:
        raise ExportError(f"{file}: expected a table of the results of `prodrome population`, found none.") from None
    with stream:
        for patient, rows in groupby(map(orjson.loads, stream), key=lambda row: row["patient"]):
            yield patient, list(rows)


def _side_by_side(left: Iterator[tuple[str, Any]], right: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """Two sequences by patient as one; ``{}`` where one has nothing of a patient."""
    one, other = next(left, None), next(right, None)
    while one or other:
        patient = min(each[0] for each in (one, other) if each)
        here = one[1] if one and one[0] == patient else {}
        there = other[1] if other and other[0] == patient else {}
        if one and one[0] == patient:
            one = next(left, None)
        if other and other[0] == patient:
            other = next(right, None)
        yield patient, here, there
