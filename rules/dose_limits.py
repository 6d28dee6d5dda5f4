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
    for row in _of_drug(guideline, order.drug, order.route, order.display, locale):
        excesses = tuple(_excesses(row, order))
        if excesses:
            evidence = _evidence(row, facts)
            if evidence is not None:
                found.append(Broken(row, excesses, evidence))
    return tuple(found)


def most_allowed(
    facts: Facts, guideline: Guideline, drug: str, route: str | None, display: str, locale: str
) -> tuple[float | None, float | None]:
    """The most of a drug for the patient in a locale, at once and in 24 hours; ``None`` where no limit holds."""
    rows = [
        row
        for row in _of_drug(guideline, drug, route, display, locale)
        if (row.single is not None or row.daily is not None) and _evidence(row, facts) is not None
    ]
    single = min((row.single for row in rows if row.single is not None), default=None)
    return single, min((row.daily for row in rows if row.daily is not None), default=None)


def _of_drug(guideline: Guideline, drug: str, route: str | None, display: str, locale: str) -> Iterator[DoseLimit]:
    """The limits of a drug by a route in a locale.

    A route that is not said is the only one, or by mouth where the drug is: ketorolac is an injection first.
    """
    of_drug = [row for row in guideline.dose_limits if row.drug == drug]
    if route is None and of_drug:
        acute = guideline.drugs[drug].acute
        dosed = {dose.route for dose in acute.doses} if acute else set()
        routes = dosed | {row.route for row in of_drug if row.route}
        route = "oral" if "oral" in (dosed or routes) else next(iter(routes)) if len(routes) == 1 else None
    for row in of_drug:
        is_meant = not row.brand or row.brand.casefold() in display.casefold()
        if is_meant and locale in row.where and row.route in (None, route):
            yield row


def _excesses(row: DoseLimit, order: DraftOrder) -> Iterator[Excess]:
    """Where an order is beyond a limit; a week's amount and the doses a day are those of a scheduled order."""
    single, daily = order.single_dose, order.per_day
    if row.single is not None and single is not None and single > row.single:
        yield Excess("single", single, row.single)
    if daily is not None:
        if row.daily is not None and daily > row.daily:
            yield Excess("daily", daily, row.daily)
        weekly = round(daily * 7, 5)  # a day's amount has 6 digits: six doses of 1 mg a week are 6 mg
        if row.weekly is not None and weekly > row.weekly:
            yield Excess("weekly", weekly, row.weekly)
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
