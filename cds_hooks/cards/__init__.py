"""What was judged, in the words of cards."""

from prodrome.cds_hooks.cards.building import build, check, key, load_templates, shown
from prodrome.cds_hooks.cards.template_check import CardsError
from prodrome.cds_hooks.cards.trace import EXTENSION

__all__ = [
    "EXTENSION",
    "CardsError",
    "build",
    "check",
    "key",
    "load_templates",
    "shown",
]
