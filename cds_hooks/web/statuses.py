"""What HTTP calls a refusal. No other room knows a status."""

from collections.abc import Mapping
from typing import Any

from prodrome.cds_hooks.protocol import (
    Forbidden,
    Invalid,
    NotFound,
    NothingToJudge,
    Refused,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthorized,
    Unavailable,
    Unsupported,
    Withheld,
    operation_outcome,
)

STATUSES: Mapping[type[Refused], int] = {
    Invalid: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    TooSlow: 408,
    NothingToJudge: 412,
    TooLarge: 413,
    Unsupported: 415,
    TooMany: 429,
    Withheld: 500,
    Unavailable: 503,
}
CODES = {status: kind.code for kind, status in STATUSES.items()} | {405: "not-supported"}


def status_of(refusal: Refused) -> int:
    """The HTTP status of a refusal."""
    return next(STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES)


def outcome(status: int, text: str, *, request_id: str = "") -> dict[str, Any]:
    """The body of an answer with an error status that no refusal stands for."""
    code = CODES.get(status, "processing")
    return operation_outcome(text, code, fatal=status >= 500, request_id=request_id)


def outcome_of(refusal: Refused, *, request_id: str = "") -> dict[str, Any]:
    """The body of the answer to a call that was refused."""
    return operation_outcome(
        refusal.text,
        refusal.code,
        fatal=status_of(refusal) >= 500,
        member=refusal.member,
        request_id=request_id,
    )
