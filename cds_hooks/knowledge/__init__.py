"""The rulebook as FHIR knowledge: what another engine can run, and be held against."""

from prodrome.cds_hooks.knowledge.cql import KnowledgeError, library
from prodrome.cds_hooks.knowledge.facts import fact_observations, facts_bundle
from prodrome.cds_hooks.knowledge.importing import CodeRow, rows_of
from prodrome.cds_hooks.knowledge.package import Case, Knowledge, knowledge, write
from prodrome.cds_hooks.knowledge.terminology import is_expanded

__all__ = [
    "Case",
    "CodeRow",
    "Knowledge",
    "KnowledgeError",
    "fact_observations",
    "facts_bundle",
    "is_expanded",
    "knowledge",
    "library",
    "rows_of",
    "write",
]
