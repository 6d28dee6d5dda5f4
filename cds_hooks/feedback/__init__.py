"""Feedback: which cards were shown, and what users did with them."""

from prodrome.cds_hooks.feedback.reading import MAX_ENTRIES, Malformed, read_feedback
from prodrome.cds_hooks.feedback.report import RuleReport, as_csv, as_table, feedback_report, report_as_json
from prodrome.cds_hooks.feedback.store import Receipt, Showing, Shown, Store, StoreUnavailable
from prodrome.cds_hooks.feedback.trend import Week, weekly

__all__ = [
    "MAX_ENTRIES",
    "Malformed",
    "Receipt",
    "RuleReport",
    "Showing",
    "Shown",
    "Store",
    "StoreUnavailable",
    "Week",
    "as_csv",
    "as_table",
    "feedback_report",
    "read_feedback",
    "report_as_json",
    "weekly",
]
