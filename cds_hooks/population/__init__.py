"""The rules over a whole population: a bulk export in, findings and could-not-judges by patient out."""

from prodrome.cds_hooks.population import embedded, measures, parquet
from prodrome.cds_hooks.population.cloud import SCHEMES
from prodrome.cds_hooks.population.comparing import Change, compare, counted, summary
from prodrome.cds_hooks.population.export import Export, open_export
from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.plan import RunPlan
from prodrome.cds_hooks.population.results import OTHER, cell, of_the_others
from prodrome.cds_hooks.population.running import Engine, Population, judge_population
from prodrome.cds_hooks.population.shown import Results, Table
from prodrome.cds_hooks.population.spark import Spark

__all__ = [
    "OTHER",
    "SCHEMES",
    "Change",
    "Engine",
    "Export",
    "ExportError",
    "Population",
    "Results",
    "RunPlan",
    "Spark",
    "Table",
    "cell",
    "compare",
    "counted",
    "embedded",
    "judge_population",
    "measures",
    "of_the_others",
    "open_export",
    "parquet",
    "summary",
]
