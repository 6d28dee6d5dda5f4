"""The rules over a whole population: a bulk export in, findings and could-not-judges by patient out."""

from prodrome.cds_hooks.population import measures, parquet
from prodrome.cds_hooks.population.comparing import Change, compare, counted, summary
from prodrome.cds_hooks.population.embedded import RunPlan
from prodrome.cds_hooks.population.export import Export, ExportError, open_export
from prodrome.cds_hooks.population.results import cell
from prodrome.cds_hooks.population.running import Population, judge_population
from prodrome.cds_hooks.population.shown import Results, Table

__all__ = [
    "Change",
    "Export",
    "ExportError",
    "Population",
    "Results",
    "RunPlan",
    "Table",
    "cell",
    "compare",
    "counted",
    "judge_population",
    "measures",
    "open_export",
    "parquet",
    "summary",
]
