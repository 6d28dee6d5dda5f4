"""What goes wrong is said as a FHIR OperationOutcome (CDS Hooks 3.0, "Returning OperationOutcome").

A text here names members, kinds and limits; it never repeats a value that came from a chart.
"""

from http import HTTPStatus
from typing import Any

CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    412: "incomplete",
    413: "too-long",
    415: "not-supported",
    429: "throttled",
    500: "exception",
    503: "transient",
}


class Refused(Exception):
    """A request that gets no guidance: an HTTP status with the reason, in words a tester can act on.

    *retry_after* says in how many seconds the same request may be sent again with hope.
    """

    def __init__(self, status: int, text: str, *, member: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.status = status
        self.text = text
        self.member = member


def operation_outcome(status: int, text: str, *, member: str | None = None, request_id: str = "") -> dict[str, Any]:
    """The body of an error. *member* is the JSON path of the offending member, as in ``context.patientId``."""
    issue: dict[str, Any] = {
        "severity": "fatal" if status >= 500 else "error",
        "code": "required" if status == 400 and member and "missing" in text else CODES.get(status, "processing"),
        "details": {"text": text},
    }
    if request_id:
        issue["diagnostics"] = f"Request {request_id}"
    if member:
        issue["expression"] = [member]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def plain(status: int) -> str:
    """A text for a status that nobody explained."""
    return HTTPStatus(status).phrase
