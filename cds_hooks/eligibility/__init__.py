"""Who may have which drug, told whole, and the treatment history as a payer asks for it.

The history, its summary in words and as a FHIR document are modules of their own: no call needs them.
"""

from collections.abc import Mapping

from prodrome.cds_hooks.eligibility.answers import as_json, as_table, told

EXTENSION = "org.prodrome.eligibility"
"""The key of the request's extension that asks for it, and of the response's that holds it."""


def asked_for(extension: Mapping[str, object]) -> bool:
    """Whether a request's extension asks for eligibility in the answer."""
    return extension.get(EXTENSION) is True


__all__ = [
    "EXTENSION",
    "as_json",
    "as_table",
    "asked_for",
    "document",
    "history",
    "summary",
    "told",
]
