"""What goes wrong is said as a FHIR OperationOutcome (CDS Hooks 3.0, "Returning OperationOutcome")."""

from typing import Any


def operation_outcome(
    text: str, code: str, *, fatal: bool = False, member: str | None = None, request_id: str = ""
) -> dict[str, Any]:
    """The body of an error. *code* is a FHIR issue type; *member* the JSON path of what is at fault.

    *fatal* where the service failed, not the request.
    """
    issue: dict[str, Any] = {
        "severity": "fatal" if fatal else "error",
        "code": code,
        "details": {"text": text},
    }
    if request_id:
        issue["diagnostics"] = f"Request {request_id}"
    if member:
        issue["expression"] = [member]
    return {"resourceType": "OperationOutcome", "issue": [issue]}
