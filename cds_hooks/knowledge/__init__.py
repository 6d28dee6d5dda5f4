"""The rulebook as FHIR knowledge: what another engine can run, and be held against."""

from prodrome.cds_hooks.knowledge.cql import KnowledgeError, library
from prodrome.cds_hooks.knowledge.facts import fact_observations

__all__ = ["KnowledgeError", "fact_observations", "library"]
