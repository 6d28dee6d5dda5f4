"""Request bodies: which are taken, and how a client is told (RFC 9110, 12.5.1, 12.5.3 and 15.5.16)."""

from flask import Request

from prodrome.cds_hooks.fhir_client import JSON, is_json
from prodrome.cds_hooks.protocol import Unsupported
from prodrome.cds_hooks.web.wsgi import BODY

TAKEN = {"Accept": ", ".join(JSON), "Accept-Encoding": "identity"}
"""The headers of a 415: what would have been taken."""


def json_body(asked: Request) -> bytes:
    """The body of a request. Raises :class:`Refused` (415) for another media type, and for a compressed body."""
    if not is_json(asked.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()):
        raise Unsupported(f"The body must be {' or '.join(JSON)}.")
    if asked.environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("identity", ""):
        raise Unsupported("The body must not be compressed.")
    body: bytes | None = asked.environ.get(BODY)
    return asked.get_data(cache=False) if body is None else body
