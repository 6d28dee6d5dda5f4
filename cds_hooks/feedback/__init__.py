"""Feedback: which cards were shown, and what users did with them."""

from prodrome.cds_hooks.feedback.store import Receipt, Shown, Store, StoreUnavailable, Visit

__all__ = ["Receipt", "Shown", "Store", "StoreUnavailable", "Visit"]
