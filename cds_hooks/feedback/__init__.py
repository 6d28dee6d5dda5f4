"""Feedback: which cards were shown, and what users did with them."""

from prodrome.cds_hooks.feedback.reading import MAX_ENTRIES, Malformed, read_feedback
from prodrome.cds_hooks.feedback.report import as_csv, as_json, as_table, report
from prodrome.cds_hooks.feedback.store import Receipt, Shown, Store, StoreUnavailable, Visit

__all__ = [
    "MAX_ENTRIES",
    "Malformed",
    "Receipt",
    "Shown",
    "Store",
    "StoreUnavailable",
    "Visit",
    "as_csv",
    "as_json",
    "as_table",
    "read_feedback",
    "report",
]
