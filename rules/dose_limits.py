"""The most of a drug, beside what the patient takes and has: which limits of ``dose_limits.yaml`` an order breaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from prodrome.rules.facts import DraftOrder, Facts, Refs
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import DoseLimit, PreventiveUse


@dataclass(frozen=True)
class Excess:
    """Where an order goes beyond a limit: what was ordered and the most, in the unit of ``of``."""

    of: Literal["single", "daily", "weekly", "doses", "days"]
    ordered: float
    most: float


@dataclass(frozen=True)
class Broken:
    """A limit that an order goes beyond, and where. ``refs`` are the facts that make it hold."""

    row: DoseLimit
    excesses: tuple[Excess, ...]
    refs: Refs


def broken_limits(facts: Facts, guideline: Guideline, order: DraftOrder, locale: str) -> tuple[Broken, ...]:
    """The limits an order breaks in a locale, in the order of the table. What is not known breaks none."""
    found = []
    routes = {row.route for row in guideline.dose_limits if row.drug == order.drug and row.route}
    route = order.route or ("oral" if "oral" in routes else next(iter(routes)) if len(routes) == 1 else None)
    for row in guideline.dose_limits:
        if row.drug != order.drug or locale not in row.where or row.route not in (None, route):
            continue
        if row.brand and row.brand.casefold() not in order.display.casefold():
            continue
        excesses = tuple(_excesses(row, order))
        if excesses:
            evidence = _evidence(row, facts)
            if evidence is not None:
                found.append(Broken(row, excesses, evidence))
    return tuple(found)


def _excesses(row: DoseLimit, order: DraftOrder) -> Iterator[Excess]:
    """Where an order is beyond a limit; a week's amount and the doses a day are those of a scheduled order."""
    single, daily = order.single_dose, order.per_day
    if row.single is not None and single is not None and single > row.single:
        yield Excess("single", single, row.single)
    if daily is not None:
        if row.daily is not None and daily > row.daily:
            yield Excess("daily", daily, row.daily)
        if row.weekly is not None and daily * 7 > row.weekly:
            yield Excess("weekly", daily * 7, row.weekly)
        if row.doses is not None and single and round(daily / single, 6) > row.doses:
            yield Excess("doses", daily / single, row.doses)
        if row.days is not None and order.days is not None and order.days > row.days:
            yield Excess("days", order.days, row.days)


def highest_single_dose(order: DraftOrder, broken: Sequence[Broken], use: PreventiveUse | None) -> float | None:
    """The highest single dose (mg or units) that mends an order, as often as it is given; ``None`` where none does.

    What is taken too often in a day is mended by fewer doses, for no tablet holds a third of one. Only the daily dose
    of a preventive that is raised step by step is lowered with the single one, to whole or half mg. ``use``: the
    ordered drug's as a preventive, where it is ordered as one.
    """
    excesses = [excess for limit in broken for excess in limit.excesses]
    if order.single_dose is None or any(excess.of in ("doses", "days") for excess in excesses):
        return None
    most = min([order.single_dose, *(excess.most for excess in excesses if excess.of == "single")])
    share = min([1.0, *(excess.most / excess.ordered for excess in excesses if excess.of != "single")])
    if order.single_dose * share < most:
        most = order.single_dose * share
        if use is None or use.regimens or not (2 * most).is_integer():
            return None
    return most if most < order.single_dose else None


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
