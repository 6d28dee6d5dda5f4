"""Which codes of the site's own map a chart holds, and where: what a trace names, and a report counts."""

from collections.abc import Iterator

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import coding
from prodrome.fhir_mappers.elements import JsonObject, Unreadable
from prodrome.rules import SiteCode


def read_site_codes(chart: Chart) -> tuple[SiteCode, ...]:
    """Every code of the site's map in the rows of the chart and the orders, once per row; nothing without a map."""
    means: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind, codes in chart.guideline.site.codes.items():
        for code, meaning in codes.items():
            means.setdefault(code, []).append((kind, meaning))
    if not means:
        return ()
    rows = [row for rows in chart.rows.values() for row in rows] + [(ref, order) for _, ref, order in chart.orders]
    found = (
        SiteCode(ref, kind, *code, meaning)
        for ref, resource in rows
        for code in _codes(resource)
        for kind, meaning in means.get(code, ())
    )
    return tuple(sorted(set(found)))


def _codes(resource: JsonObject) -> Iterator[tuple[str, str]]:
    """Every code in a resource, wherever in it, spelt as our tables do."""
    waiting: list[object] = [resource]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("code"), str) and isinstance(one.get("system"), str):
                try:
                    yield from coding(one).codes
                except Unreadable:
                    continue
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
