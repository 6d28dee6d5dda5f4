"""What workers that cannot be forked from the run itself begin with: its modules, and the guideline, loaded once."""

from prodrome.cds_hooks.population import embedded
from prodrome.rules.guideline import load_guideline

__all__ = ["embedded"]

load_guideline().rulebook  # noqa: B018
