"""HTTP to one server, at an address that was looked up once and checked."""

import asyncio
import ipaddress
import socket
import time

import httpx

from cds_hooks.fhir_client.addresses import Address, NotAllowed, Target, acceptable

CONNECTIONS = 16
NAMES_SECONDS = 60.0  # how long a looked-up address is kept
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
        self._addresses: tuple[float, list[Address]] = (0.0, [])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
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
        kept_until, addresses = self._addresses
        if time.monotonic() < kept_until:
            return addresses
        try:
            addresses = [ipaddress.ip_address(host)]
        except ValueError:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError:
                raise httpx.ConnectError("the name has no address") from None
            addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
        if not all(acceptable(address, self._target.server) for address in addresses):
            raise NotAllowed("has a name that leads to an address it may not have")
        self._addresses = (time.monotonic() + NAMES_SECONDS, addresses)
        return addresses

    async def aclose(self) -> None:
        await self._http.aclose()
