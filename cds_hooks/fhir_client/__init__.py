"""The chart from the EHR's own FHIR server, whatever state that server is in.

What a request did not bring is fetched from its ``fhirServer`` with its own token, side by side, until a deadline;
for every kind of resource it is known afterwards whether all of it came, part of it or nothing, and why.

    Failure           there is no usable answer; ``text`` completes "the FHIR server ..."
    NotAllowed        the server is not to be called

What a service that fetches nothing does without is loaded when first used: HTTP (see :func:`preload`), and the module
``bulk_data``.
"""

import atexit
from collections.abc import Iterable

from prodrome.cds_hooks.fhir_client.addresses import Allowing, NotAllowed, allowed
from prodrome.cds_hooks.fhir_client.client import Client, FetchPlan, FetchProgress, Request
from prodrome.cds_hooks.fhir_client.exchange import JSON, NOT_THERE, Failure, is_json
from prodrome.cds_hooks.fhir_client.references import Resolved
from prodrome.cds_hooks.fhir_client.searching import Fetched
from prodrome.cds_hooks.fhir_client.templates import resolve
from prodrome.cds_hooks.fhir_client.terminology import expand
from prodrome.cds_hooks.fhir_client.words import in_words

__all__ = [
    "JSON",
    "NOT_THERE",
    "Allowing",
    "Client",
    "Failure",
    "FetchPlan",
    "FetchProgress",
    "Fetched",
    "NotAllowed",
    "Request",
    "Resolved",
    "allowed",
    "bulk_data",
    "complete",
    "expand",
    "in_words",
    "is_json",
    "preload",
    "resolve",
    "resolve_references",
]

_CLIENT = Client()
atexit.register(_CLIENT.close)


def preload() -> None:
    """Load what asking a server takes, so that no call waits for it, and processes that are forked later share it."""
    import jwt  # noqa: F401

    from prodrome.cds_hooks.fhir_client import transport  # noqa: F401


def complete(
    plan: FetchPlan,
    request: Request,
    settings: Allowing,
    deadline: float,
    *,
    issuer: str | None = None,
    progress: FetchProgress | None = None,
    client: Client | None = None,
) -> dict[str, Fetched]:
    """What the request's FHIR server answers to each query of *plan*; one answer per key, never an exception.

    *plan* is key -> (kind, query): a template with its tokens resolved (``Patient/1``, ``Encounter?patient=1``), or
    the ``next`` link of a Bundle that came in part. *deadline* is an instant of ``time.monotonic``: what has not come
    by then is abandoned. *issuer* is the client that called, where its token said so. *progress* is told of each
    answer as it comes, on another thread.

    A kind with nothing in it is COMPLETE with an empty Bundle; what failed is MISSING or INCOMPLETE, with a
    ``problem``; such a ``value`` reads as missing or incomplete by itself, too.
    """
    return (client or _CLIENT).complete(plan, request, settings, deadline, issuer=issuer, progress=progress)


def resolve_references(
    resources: Iterable[object],
    request: Request,
    settings: Allowing,
    deadline: float,
    *,
    issuer: str | None = None,
    progress: FetchProgress | None = None,
    client: Client | None = None,
) -> Resolved:
    """The Medications, Conditions and PractitionerRoles that *resources* refer to but that are not among them.

    One search per kind, all at once. *resources* is everything at hand: the chart's, the orders, what was included.
    """
    return (client or _CLIENT).resolve_references(
        resources, request, settings, deadline, issuer=issuer, progress=progress
    )
