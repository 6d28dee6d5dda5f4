"""HTTP to one server, at an address that was looked up once and checked."""

import asyncio
import ipaddress
import socket
import time

import httpx

from prodrome.cds_hooks.fhir_client.addresses import Address, NotAllowed, Target, acceptable

CONNECTIONS = 16
NAMES_SECONDS = 60.0  # how long a looked-up address is kept
RETRY_SECONDS = 1.0  # how long a name that was not found is not looked up again
KEEPALIVE_SECONDS = 30.0


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to the checked address itself, so that a second look-up of the name cannot lead elsewhere.

    TLS still asks for, and verifies, the server's name. One transport serves one server: its connections are never
    shared with another name at the same address.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = httpx.AsyncHTTPTransport(
            verify=httpx.create_ssl_context(),
            trust_env=False,
            limits=httpx.Limits(
                max_connections=CONNECTIONS,
                max_keepalive_connections=CONNECTIONS,
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
        )
        self._looking = asyncio.Lock()
        self._addresses: list[Address] = []
        self._kept_until = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to the first address of the host that accepts a connection. Raises ``httpx.ConnectError``."""
        host = request.url.host
        last: httpx.ConnectError | None = None
        for address in await self._look_up(host, request.url.port or (443 if request.url.scheme == "https" else 80)):
            direct = httpx.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._http.handle_async_request(direct)
            except httpx.ConnectError as error:
                last = error
        raise last or httpx.ConnectError("the name has no address")

    async def _look_up(self, host: str, port: int) -> list[Address]:
        """The addresses of the name, looked up once for all requests that wait for them; none of them is unchecked."""
        async with self._looking:
            if time.monotonic() >= self._kept_until:
                self._addresses = await _addresses(host, port)
                self._kept_until = time.monotonic() + (NAMES_SECONDS if self._addresses else RETRY_SECONDS)
        if not self._addresses:
            raise httpx.ConnectError("the name has no address")
        if not all(acceptable(address, self._target.server) for address in self._addresses):
            raise NotAllowed("has a name that leads to an address it may not have")
        return self._addresses

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()


async def _addresses(host: str, port: int) -> list[Address]:
    """The addresses of a host, which may be one itself; none where the name is not known."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    names = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return [ipaddress.ip_address(name) for name in names]
