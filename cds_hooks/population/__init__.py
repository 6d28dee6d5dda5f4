"""The rules over a whole population: a bulk export in, findings and could-not-judges by patient out."""

from prodrome.cds_hooks.population.embedded import Plan
from prodrome.cds_hooks.population.export import Export, ExportError, open_export
from prodrome.cds_hooks.population.running import Population, judge_population

__all__ = ["Export", "ExportError", "Plan", "Population", "judge_population", "open_export"]
