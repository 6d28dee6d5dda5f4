"""Access of the service's own: SMART Backend Services with ``private_key_jwt`` (SMART App Launch 2.2)."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prodrome.cds_hooks.fhir_client.addresses import NotAllowed, Target, parsed
from prodrome.cds_hooks.fhir_client.exchange import Failure, ask
from prodrome.cds_hooks.settings import Backend, is_loopback

if TYPE_CHECKING:
    import httpx

ASSERTION_SECONDS = 240
"""At most five minutes, says the standard."""
SPARE_SECONDS = 60.0
VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
"""What may stand in a header as a token."""

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class BackendTokens:
    """The current token of one server, renewed shortly before it ends. Never written anywhere."""

    def __init__(self, target: Target, backend: Backend) -> None:
        self._target = target
        self._backend = backend
        self._token: tuple[float, str] | None = None
        self._lock = asyncio.Lock()

    async def get(
        self, http: "httpx.AsyncClient", transport: "Callable[[Target], httpx.AsyncBaseTransport]", deadline: float
    ) -> str:
        """A token with some time left; raises :class:`Failure`. *http* talks to the FHIR server itself."""
        import httpx

        async with self._lock:
            if self._token is None or time.monotonic() >= self._token[0]:
                listed = self._backend.token_url
                url = listed or await self._discovered(http, deadline)
                target = self._tokens_at(url, listed)
                async with httpx.AsyncClient(transport=transport(target), trust_env=False) as elsewhere:
                    self._token = await self._asked(elsewhere, url, deadline)
            return self._token[1]

    def forget(self) -> None:
        """The server no longer accepts the token."""
        self._token = None

    def _tokens_at(self, url: str, listed: str | None) -> Target:
        """Only the site itself may name an address inside its network: not the FHIR server, where it says *url*."""
        server = self._target.server
        return Target(url, server.model_copy(update={"url": listed or server.url, "backend": None}))

    async def _discovered(self, http: "httpx.AsyncClient", deadline: float) -> str:
        """Where the FHIR server says that tokens are given out: encrypted, and on this machine only if it is here too.

        To where the name of the address leads, the same holds as for the FHIR server itself.
        """
        request = http.build_request("GET", f"{self._target.base}/.well-known/smart-configuration")
        configuration, _ = await ask(http, request, deadline)
        url = configuration.get("token_endpoint") if isinstance(configuration, dict) else None
        try:
            address = parsed(url if isinstance(url, str) else "")
        except NotAllowed:
            raise Failure("does not say where access tokens are given out") from None
        here = is_loopback(address.hostname or "")
        reachable = not here or is_loopback(urlsplit(self._target.base).hostname or "")
        if not reachable or (address.scheme != "https" and not (here and self._target.server.open)):
            raise Failure("does not say where access tokens are given out")
        return str(url)

    async def _asked(self, http: "httpx.AsyncClient", url: str, deadline: float) -> tuple[float, str]:
        import jwt

        now = int(time.time())
        claims = {
            "iss": self._backend.client_id,
            "sub": self._backend.client_id,
            "aud": url,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        assertion = jwt.encode(
            claims,
            self._backend.key.get_secret_value(),
            algorithm=self._backend.algorithm,
            headers={"kid": self._backend.kid},
        )
        form = {
            "grant_type": "client_credentials",
            "scope": self._backend.scope,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        try:
            answer, _ = await ask(http, http.build_request("POST", url, data=form), deadline)
        except Failure as failure:
            problem = f"gives out no access token: its token service {failure.text}"
            raise Failure(problem, answered=failure.answered) from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        lasts = answer.get("expires_in", 300) if isinstance(answer, dict) else None
        if not isinstance(token, str) or not VISIBLE.match(token) or not isinstance(lasts, int | float):
            raise Failure("gives out no access token that can be read")
        return time.monotonic() + max(0.0, lasts - min(SPARE_SECONDS, lasts / 2)), token
