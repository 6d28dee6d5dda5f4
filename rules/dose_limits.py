"""The most of a drug, beside what the patient takes and has: which limits of ``dose_limits.yaml`` an order breaks."""

from collections.abc import Iterator
from dataclasses import dataclass

from prodrome.rules.facts import DraftOrder, Facts, Refs
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import DoseLimit


@dataclass(frozen=True, slots=True)
class Broken:
    """A limit that an order goes beyond: at once, in a day, or both. ``refs`` are the facts that make it hold."""

    row: DoseLimit
    single: bool
    daily: bool
    refs: Refs


def broken_limits(facts: Facts, guideline: Guideline, order: DraftOrder, locale: str) -> tuple[Broken, ...]:
    """The limits an order breaks in a locale, in the order of the table. What is not known breaks none."""
    found = []
    routes = {row.route for row in guideline.dose_limits if row.drug == order.drug and row.route}
    route = order.route or ("oral" if "oral" in routes else next(iter(routes)) if len(routes) == 1 else None)
    for row in guideline.dose_limits:
        if row.drug != order.drug or locale not in row.where or row.route not in (None, route):
            continue
        single = row.single is not None and order.single_dose is not None and order.single_dose > row.single
        daily = row.daily is not None and order.per_day is not None and order.per_day > row.daily
        if single or daily:
            evidence = _evidence(row, facts)
            if evidence is not None:
                found.append(Broken(row, single, daily, evidence))
    return tuple(found)


def allowed_share(broken: tuple[Broken, ...], order: DraftOrder) -> float:
    """How much of the ordered dose every limit allows: 0.5 for 10 mg where 5 mg is the most."""
    shares = [1.0]
    for limit in broken:
        if limit.single and limit.row.single is not None and order.single_dose:
            shares.append(limit.row.single / order.single_dose)
        if limit.daily and limit.row.daily is not None and order.per_day:
            shares.append(limit.row.daily / order.per_day)
    return min(shares)


def _evidence(row: DoseLimit, facts: Facts) -> Refs | None:
    """Where it is recorded what the limit asks for; ``None`` where it asks for something that is not."""
    asked = list(_asked(row, facts))
    if any(not refs for refs in asked):
        return None
    return tuple(dict.fromkeys(ref for refs in asked for ref in refs if ref))


def _asked(row: DoseLimit, facts: Facts) -> Iterator[tuple[str, ...]]:
    """The references behind each thing the limit asks for; "" stands for a fact without one."""
    if row.with_drug:
        trials = (trial for trial in facts.trials if trial.running and trial.drug == row.with_drug)
        yield tuple(ref for trial in trials for ref in trial.refs or ("",))
    if row.with_group:
        taken = (one for one in facts.co_medications if one.group == row.with_group)
        yield tuple(ref for one in taken for ref in one.refs or ("",))
    if row.conditions:
        wanted = frozenset(row.conditions)
        conditions = (condition for condition in facts.conditions if condition.names & wanted)
        yield tuple(ref for condition in conditions for ref in condition.refs or ("",))
