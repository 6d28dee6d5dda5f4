"""A whole run, from the folder of an export to the folder of its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prodrome.cds_hooks.population import embedded, results
from prodrome.cds_hooks.population.embedded import Plan, Progress
from prodrome.cds_hooks.population.export import line_number
from prodrome.cds_hooks.population.steps import HOOK
from prodrome.rules import against_the_sieve


@dataclass(frozen=True)
class Population:
    """What a run came to. ``against_sieve`` names the rules for which everybody had to be judged."""

    counts: Mapping[str, Any]
    manifest: Mapping[str, Any]
    against_sieve: tuple[str, ...]


def judge_population(plan: Plan, progress: Progress = lambda *_: None) -> Population:
    """Judge an export and write the results to ``plan.out``; a run that was stopped goes on.

    Where a rule may speak for a patient without migraine (:mod:`rules.necessity`), everybody is judged.
    Raises :class:`ExportError`.
    """
    against = against_the_sieve(plan.guideline.rulebook)
    if against and not plan.every_patient:
        plan = _everybody(plan)
    outcome = embedded.run(plan, progress)
    rules = [rule.id for rule in plan.guideline.rulebook.rules.values() if rule.card and rule.enabled]
    bad = [
        (
            "errors",
            {
                "patient": one.patient,
                "resource": one.kind,
                "file": one.file,
                "line": line_number(plan.export.folder, one.file, one.offset),
                "why": one.why,
            },
        )
        for one in outcome.bad
    ]
    counted = results.write(plan.out, [*bad, *embedded.judged(plan)], rules)
    assert outcome.seen is not None
    assert outcome.completeness is not None
    counts = {
        "patients": outcome.patients,
        "candidates": outcome.candidates,
        **counted,
        "rows": dict(sorted(outcome.seen.items())),
        "unplaced": outcome.unplaced,
    }
    manifest = {
        **plan.fingerprint(),
        "hook": HOOK,
        "sieve": "off" if plan.every_patient else "on",
        "againstSieve": list(against),
        "completeness": {kind: state.value for kind, state in outcome.completeness.items()},
    }
    results.write_json(plan.out / results.COUNTS, counts)
    results.write_json(plan.out / results.MANIFEST, manifest)
    embedded.clear(plan)
    return Population(counts, manifest, against)


def _everybody(plan: Plan) -> Plan:
    return Plan(**{**{name: getattr(plan, name) for name in plan.__dataclass_fields__}, "every_patient": True})
