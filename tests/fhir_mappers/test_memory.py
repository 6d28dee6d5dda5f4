"""What stays of a chart that was read."""

import gc
from datetime import date
from pathlib import Path

import orjson

from prodrome.fhir_mappers import Record, collect, read_facts
from prodrome.rules.guideline.guideline import load_guideline

REQUESTS = Path(__file__).parents[2] / "bench" / "requests"
READING = ("prodrome.fhir_mappers", "prodrome.rules")


def test_a_chart_that_was_read_is_gone_without_a_search_for_circles() -> None:
    prefetch = orjson.loads((REQUESTS / "heavy.json").read_bytes())["request_by_kind"]["prefetch"]
    resources, completeness = collect(prefetch.items())

    def read() -> None:
        facts = read_facts(Record(None, resources, completeness), load_guideline(), date(2026, 6, 15))
        assert facts.trials
        assert facts.readings

    read()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        read()
        gc.collect()
        # Other threads of this process may leave something behind meanwhile.
        assert [one for one in gc.garbage if str(getattr(one, "__module__", "")).startswith(READING)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
