"""What was judged, in the words of cards."""

from prodrome.cds_hooks.cards.building import (
    INCOMPLETE,
    INCOMPLETE_TITLE,
    OVERRIDE_REASONS,
    RULES,
    build,
    check_cards,
    findings_shown,
    key,
    load_templates,
    override_reasons,
    suggested,
)
from prodrome.cds_hooks.cards.eligibility_words import ClassWords, RowWords, asks_in_words, class_words, row_words
from prodrome.cds_hooks.cards.patient_words import Sheet
from prodrome.cds_hooks.cards.patient_words import days as days_in_words
from prodrome.cds_hooks.cards.suggestions import DRAFTS, FOLLOW_UP
from prodrome.cds_hooks.cards.template_check import CardsError
from prodrome.cds_hooks.cards.trace import EXTENSION, first_references

__all__ = [
    "DRAFTS",
    "EXTENSION",
    "FOLLOW_UP",
    "INCOMPLETE",
    "INCOMPLETE_TITLE",
    "OVERRIDE_REASONS",
    "RULES",
    "CardsError",
    "ClassWords",
    "RowWords",
    "Sheet",
    "asks_in_words",
    "build",
    "check_cards",
    "class_words",
    "days_in_words",
    "findings_shown",
    "first_references",
    "key",
    "load_templates",
    "override_reasons",
    "row_words",
    "suggested",
]
