"""Why a call gets no guidance, in words a tester can act on. What HTTP calls each is known in ``cds_hooks.web``.

A text here names members, kinds and limits; it never repeats a value that came from a chart.
"""

from typing import ClassVar

from prodrome.rules import ProdromeError


class Refused(ProdromeError):
    """A call that gets no guidance.

    *member* is the JSON path of the member at fault, as in ``context.patientId``; *retry_after* says in how many
    seconds the same call may be made again with hope. ``code`` is the FHIR issue type of the OperationOutcome.
    """

    code: ClassVar[str] = "processing"

    def __init__(self, text: str, *, member: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.member = member
        self.retry_after = retry_after


class Invalid(Refused):
    """Something in the request is not what it must be."""

    code = "invalid"


class Missing(Invalid):
    """Something the request must have is not there."""

    code = "required"


class Unauthorized(Refused):
    """The call does not show who calls: told without reasons. ``reason`` is for the log and tests."""

    code = "login"

    def __init__(self, reason: str) -> None:
        super().__init__("Unauthorized")
        self.reason = reason


class Forbidden(Refused):
    """The caller may not do this."""

    code = "forbidden"


class NotFound(Refused):
    """There is no such service, or other thing asked for."""

    code = "not-found"


class NothingToJudge(Refused):
    """None of the data needed came with the request or could be fetched."""

    code = "incomplete"


class TooLarge(Refused):
    """More than is accepted in one call."""

    code = "too-long"


class TooSlow(Refused):
    """The request did not come in time."""

    code = "timeout"


class TooMany(Refused):
    """The caller asked too often; *retry_after* says when to come back."""

    code = "throttled"


class Unsupported(Refused):
    """A form of the request that is not read here."""

    code = "not-supported"


class Unavailable(Refused):
    """Not now: the same call may be made again."""

    code = "transient"


class Withheld(Refused):
    """There was an answer, but it would have been wrong to give it."""

    code = "exception"
