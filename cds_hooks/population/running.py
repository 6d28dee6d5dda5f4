"""A whole run, from the folder of an export to the folder of its results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from prodrome.cds_hooks.population import embedded, results
from prodrome.cds_hooks.population.export import line_number
from prodrome.cds_hooks.population.judging import HOOK
from prodrome.cds_hooks.population.plan import RunOutcome, RunPlan, RunProgress, SaidRow, overridden
from prodrome.cds_hooks.population.results import Tables
from prodrome.rules import against_the_sieve
from prodrome.rules.guideline import Guideline

Writer = Callable[[Path, Guideline], None]
"""Writes another format of a folder of results."""


class Engine(Protocol):
    """What takes the steps of a run. All give the same rows in the same order."""

    def run(self, plan: RunPlan, progress: RunProgress) -> RunOutcome:
        """Sieve, place and judge. Raises :class:`ExportError`."""
        ...

    def judged(self, plan: RunPlan) -> Iterator[SaidRow]:
        """What was said, by patient."""
        ...

    def clear(self, plan: RunPlan) -> None:
        """Remove what is needed no more."""
        ...


@dataclass(frozen=True)
class Population:
    """What a run came to. ``against_sieve`` names the rules for which everybody had to be judged."""

    counts: Mapping[str, Any]
    manifest: Mapping[str, Any]
    against_sieve: tuple[str, ...]


def judge_population(
    plan: RunPlan,
    progress: RunProgress = lambda *_: None,
    *,
    engine: Engine = embedded,
    other_out: Path | None = None,
    also: Sequence[Writer] = (),
) -> Population:
    """Judge an export and write the results to ``plan.out``; a run that was stopped goes on.

    The steps are taken by plain processes on this machine, or by another ``engine``.
    Where a rule may speak for a patient without migraine (:mod:`prodrome.rules.necessity`), everybody is judged. What
    the other guideline of the plan says goes to ``other_out``. ``also`` write further formats of a folder of results.
    Raises :class:`ExportError`.
    """
    against = tuple(dict.fromkeys(id_ for one in plan.guidelines for id_ in against_the_sieve(one.rulebook)))
    if against and not plan.every_patient:
        plan = replace(plan, every_patient=True)
    outcome = engine.run(plan, progress)
    outs = [plan.out] if plan.other is None else [plan.out, other_out or plan.out / results.OTHER]
    tables = [
        Tables(out, [rule.id for rule in guideline.rulebook.rules.values() if rule.card and rule.enabled])
        for out, guideline in zip(outs, plan.guidelines, strict=True)
    ]
    try:
        for row in _bad(plan, outcome):
            for table in tables:
                table.add("errors", row)
        for number, name, row in engine.judged(plan):
            tables[number].add(name, row)
    finally:
        for table in tables:
            table.close()
    done = []
    for out, guideline, table in zip(outs, plan.guidelines, tables, strict=True):
        counts = {
            "patients": outcome.patients,
            "candidates": outcome.candidates,
            **table.counting.as_json(),
            "rows": dict(sorted(outcome.seen.items())),
            "unplaced": outcome.unplaced,
        }
        manifest = {
            **plan.fingerprint(),
            "parameters": overridden(guideline),
            "export": str(plan.export.folder),
            "unread": list(plan.export.unread),
            "partitions": plan.partitions,
            "hook": HOOK,
            "sieve": "off" if plan.every_patient else "on",
            "againstSieve": list(against),
            "completeness": {kind: state.value for kind, state in outcome.completeness.items()},
        }
        results.write_json(out / results.COUNTS, counts)
        results.write_json(out / results.MANIFEST, manifest)
        for write in also:
            write(out, guideline)
        done.append(Population(counts, manifest, against))
    engine.clear(plan)
    return done[0]


def _bad(plan: RunPlan, outcome: RunOutcome) -> Iterator[dict[str, Any]]:
    for one in outcome.bad:
        line = line_number(plan.export.folder, one.file, one.offset)
        yield {"patient": one.patient, "resource": one.kind, "file": one.file, "line": line, "why": one.why}
