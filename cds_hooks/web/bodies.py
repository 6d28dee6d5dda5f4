"""Request bodies: which are taken, and how a client is told (RFC 9110, 12.5.1, 12.5.3 and 15.5.16)."""

from flask import request

from prodrome.cds_hooks.fhir_client import JSON, is_json
from prodrome.cds_hooks.protocol import Unsupported

TAKEN = {"Accept": ", ".join(JSON), "Accept-Encoding": "identity"}
"""The headers of a 415: what would have been taken."""


def json_body() -> bytes:
    """The body of this request. Raises :class:`Refused` (415) for another media type, and for a compressed body."""
    if not is_json(request.mimetype):
        raise Unsupported(f"The body must be {' or '.join(JSON)}.")
    if (request.content_encoding or "identity").strip().lower() not in ("identity", ""):
        raise Unsupported("The body must not be compressed.")
    return request.get_data(cache=False)
