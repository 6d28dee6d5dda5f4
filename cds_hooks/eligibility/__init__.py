"""Who may have which drug, told whole, and the treatment history as a payer asks for it."""

from collections.abc import Mapping

from prodrome.cds_hooks.eligibility.answers import as_json, as_table, told
from prodrome.cds_hooks.eligibility.document import as_document
from prodrome.cds_hooks.eligibility.history import History, history
from prodrome.cds_hooks.eligibility.summary import as_text

EXTENSION = "org.prodrome.eligibility"
"""The key of the request's extension that asks for it, and of the response's that holds it."""


def asked_for(extension: Mapping[str, object]) -> bool:
    """Whether a request's extension asks for eligibility in the answer."""
    return extension.get(EXTENSION) is True


__all__ = [
    "EXTENSION",
    "History",
    "as_document",
    "as_json",
    "as_table",
    "as_text",
    "asked_for",
    "history",
    "told",
]
