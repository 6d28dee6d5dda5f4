"""``POST /cds-services/{id}/feedback`` (CDS Hooks 2.0.1, "Feedback").

The specification says no status. Ours: 200 with an empty body when every entry is kept, and on disk. Entries about
cards that are not known are not kept, nor are suggestions that a card did not offer, and said so: the answer is still
200, since a client can do nothing about them and must not send the rest again, but its body is an OperationOutcome
that names each of them. 400 where the batch is not feedback: then nothing of it is kept, and every fault is named; 413
where it has too many entries. 503 where it cannot be kept now: send it again.
"""

from collections.abc import Container
from typing import Protocol

import orjson
from flask import Blueprint, Response, request

from prodrome.cds_hooks.callers import Authenticator
from prodrome.cds_hooks.feedback import Malformed, Store, StoreUnavailable, read_feedback
from prodrome.cds_hooks.logs import log
from prodrome.cds_hooks.protocol import NotFound, Unavailable, parse
from prodrome.cds_hooks.web.bodies import json_body
from prodrome.cds_hooks.web.wsgi import CHECKED

MAX_FAULTS = 50

_UNKNOWN = "is not kept: no card with this id was shown to this client"
_UNOFFERED = "is kept without those that the card did not offer"


class Context(Protocol):
    """What the routes need of the running service."""

    @property
    def store(self) -> Store | None:
        """Where feedback is kept; None where it is switched off."""

    def services(self) -> Container[str]:
        """The ids of the services."""


def feedback_blueprint(context: Context, authenticator: Authenticator) -> Blueprint:
    """The feedback address of each service; not found where there is no store."""
    routes = Blueprint("feedback", __name__)

    @routes.post("/cds-services/<service>/feedback")
    def feedback(service: str) -> Response:
        caller = request.environ.get(CHECKED) or authenticator.check(
            request.headers.get("Authorization"), f"/cds-services/{service}/feedback"
        )
        store = context.store
        if store is None or service not in context.services():
            raise NotFound("There is no such service.")
        try:
            entries = read_feedback(parse(json_body(request)))
            receipt = store.record(entries, caller)
        except Malformed as error:
            return _outcome(400, [("error", "invalid", member, text) for member, text in error.faults])
        except StoreUnavailable:
            raise Unavailable("Feedback cannot be kept now. Send it again later.", retry_after=2) from None
        log("feedback", service=service, issuer=caller.issuer, cards=receipt.taken, skipped=len(receipt.unknown))
        not_kept = [(f"feedback[{i}]", _UNKNOWN) for i in receipt.unknown]
        not_kept += [(f"feedback[{i}].acceptedSuggestions", _UNOFFERED) for i in receipt.unoffered]
        if not not_kept:
            return Response(status=200, mimetype="application/json")
        return _outcome(200, [("warning", "not-found", member, text) for member, text in not_kept])

    return routes


def _outcome(status: int, issues: list[tuple[str, str, str, str]]) -> Response:
    said = [
        {"severity": severity, "code": code, "details": {"text": f"{member} {text}."}, "expression": [member]}
        for severity, code, member, text in issues[:MAX_FAULTS]
    ]
    if len(issues) > MAX_FAULTS:
        text = f"{len(issues) - MAX_FAULTS} more of this kind."
        said.append({"severity": "information", "code": "informational", "details": {"text": text}})
    body = orjson.dumps({"resourceType": "OperationOutcome", "issue": said})
    return Response(body, status=status, mimetype="application/json")
