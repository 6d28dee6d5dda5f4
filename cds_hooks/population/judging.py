"""The last step of a run, the same on every engine: one patient's rows made a chart, and judged.

The rulebook is asked as a call at ``patient-view`` would, and of orders that run as one at ``order-sign``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from prodrome.cds_hooks.population.steps import ORDER
from prodrome.cds_hooks.protocol import services
from prodrome.fhir_mappers import Orders, Record, counted, is_since, kind_of, read_facts
from prodrome.rules import Completeness, Facts, HookName, Judgement, eligibility, judge
from prodrome.rules.engine import EngineError
from prodrome.rules.guideline import Guideline

HOOK: HookName = "patient-view"
ORDER_HOOK: HookName = "order-sign"

Said = tuple[str, dict[str, Any]]
"""A table of the results (or ``judged``, which is counted alone) and one of its rows."""


class Judge:
    """Judges one patient after another, by one guideline on one day."""

    def __init__(
        self,
        guideline: Guideline,
        today: date,
        locale: str,
        engine: str,
        completeness: Mapping[str, Completeness],
        *,
        orders: bool = False,
    ) -> None:
        self._guideline = guideline
        self._today = today
        self._locale = locale
        self._engine = engine
        self._completeness = completeness
        self._orders = Orders(guideline) if orders else None
        self._since = dict(_windows(guideline, today))

    def patient(self, id_: str, rows: Sequence[dict[str, Any]], incomplete: Iterable[str] = ()) -> Iterator[Said]:
        """What is to be said of one patient, whose kinds ``incomplete`` did not come whole."""
        resources: dict[str, list[dict[str, Any]]] = {}
        for resource in rows:
            kind = kind_of(resource)
            if kind not in self._since or is_since(resource, self._since[kind]):
                resources.setdefault(kind, []).append(resource)
        completeness = dict(self._completeness)
        for kind in incomplete:
            if completeness.get(kind) is Completeness.COMPLETE:
                completeness[kind] = Completeness.INCOMPLETE
        record = Record(patient_id=id_, resources=resources, completeness=completeness)
        try:
            yield from self._as_it_is(id_, record)
            if self._orders:
                for resource in resources.get(ORDER, ()):
                    if self._orders.may_be_judged(resource):
                        yield from self._in_hand(id_, record, resource)
        except EngineError as error:
            yield "errors", {"patient": id_, "why": f"{type(error).__name__}: {error}"}

    def _as_it_is(self, id_: str, record: Record) -> Iterator[Said]:
        facts = read_facts(record, self._guideline, self._today)
        judgement = self._judged(facts, HOOK)
        for skipped in facts.skipped:
            yield "errors", {"patient": id_, "resource": f"{skipped.kind}/{skipped.id}", "why": skipped.why}
        for puzzle in counted(facts):
            yield "not_understood", {"patient": id_, **puzzle}
        yield from said(id_, judgement)
        if any("migraine" in condition.names for condition in facts.conditions):
            for one in eligibility(facts, judgement).classes:
                row = {"class": one.id, "use": one.use, "state": one.state, "left": list(one.left)}
                yield "eligibility", {"patient": id_, **row, "missing": list(one.missing), "references": list(one.refs)}

    def _in_hand(self, id_: str, record: Record, order: Mapping[str, Any]) -> Iterator[Said]:
        """What an order that runs would be told if it were signed today: it is no longer in the chart, but in hand."""
        others = {**record.resources, ORDER: [one for one in record.resources[ORDER] if one is not order]}
        facts = read_facts(replace(record, resources=others, orders=(order,)), self._guideline, self._today)
        if facts.orders:
            judgement = self._judged(facts, ORDER_HOOK)
            yield from said(id_, judgement, ORDER_HOOK, f"{ORDER}/{order.get('id')}")

    def _judged(self, facts: Facts, hook: str) -> Judgement:
        return judge(facts, self._guideline, self._today, locale=self._locale, hook=hook, engine=self._engine)


def said(patient_id: str, judgement: Judgement, hook: str = HOOK, order: str = "") -> Iterator[Said]:
    """The findings and could-not-judges of a patient as rows, and what every rule came to.

    Where ``order`` (a reference) is in hand: of this order only.
    """
    about = {"order": order} if order else {}
    for finding in judgement.findings:
        if hook in finding.rule.hooks and (finding.order or not order):
            why = {"indicator": finding.indicator, "references": list(finding.refs)}
            yield "findings", {"patient": patient_id, "rule": finding.rule.id, **why, **about}
    for one in judgement.unjudged:
        if hook in one.rule.hooks and (one.order or not order):
            yield "unjudged", {"patient": patient_id, "rule": one.rule.id, "missing": list(one.missing), **about}
    if order:
        return
    open_ = {finding.rule.id for finding in judgement.findings} | {one.rule.id for one in judgement.unjudged}
    met = {blocked.rule for blocked in judgement.outcome.blocked} - open_
    rules = judgement.rulebook.rules
    yield "judged", {"patient": patient_id, "met": sorted(id_ for id_ in met if rules[id_].card)}


def _windows(guideline: Guideline, today: date) -> Iterator[tuple[str, date]]:
    """From when on each kind of resource is asked for at the hook, where the prefetch bounds it as a whole."""
    service = next(one for one in services(guideline, today).values() if one.hook.name == HOOK)
    keys = [query.kind for query in service.queries]
    for query in service.queries:
        bound = re.search(r"[?&]date=ge(\d{4}-\d\d-\d\d)", query.template)
        if bound and keys.count(query.kind) == 1:
            yield query.kind, date.fromisoformat(bound.group(1))
