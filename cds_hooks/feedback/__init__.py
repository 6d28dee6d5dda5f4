"""Feedback: which cards were shown, and what users did with them.

What came of it (``report``, ``trend``) are modules of their own: no call needs them.
"""

from prodrome.cds_hooks.feedback.reading import MAX_ENTRIES, Malformed, read_feedback
from prodrome.cds_hooks.feedback.store import Receipt, Showing, Shown, Store, StoreUnavailable

__all__ = [
    "MAX_ENTRIES",
    "Malformed",
    "Receipt",
    "Showing",
    "Shown",
    "Store",
    "StoreUnavailable",
    "read_feedback",
    "report",
    "trend",
]
