"""A FHIR server that a person names, and a request about one of its patients from a client without an EHR."""

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from prodrome.cds_hooks.settings import FhirServer, Settings
from prodrome.cds_hooks.testers.errors import TesterError

_TOKEN_SECONDS = 300
"""How long a token is said to last: longer than any call."""


def named_server(url: str, *, is_open: bool) -> FhirServer:
    """The server at an address, in whatever network: who names it means it. Raises :class:`TesterError`.

    ``is_open``: it is asked without a token.
    """
    try:
        return FhirServer(url=url, open=is_open, private=True)
    except ValidationError as error:
        raise TesterError(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")) from None


def allowing(settings: Settings, url: str, token: str | None) -> Settings:
    """The settings with the server at an address allowed. Raises :class:`TesterError`."""
    if any(server.url == url for server in settings.fhir_servers):
        return settings
    server = named_server(url, is_open=token is None)
    return settings.model_copy(update={"fhir_servers": (server, *settings.fhir_servers)})


def server_request(hook: str, url: str, context: Mapping[str, Any], token: str | None) -> dict[str, Any]:
    """A request without prefetch: all is to be fetched."""
    document: dict[str, Any] = {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": url,
        "context": context,
    }
    if token:
        document["fhirAuthorization"] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": _TOKEN_SECONDS,
            "scope": "patient/*.read",
            "subject": "prodrome",
        }
    return document
