"""Which FHIR servers may be called at all, and at which network addresses.

A request names its ``fhirServer`` itself, so it is a way to make the service call any address and hand it a token.
Two gates: the site's allow-list before anything else, and the address the name resolves to before each connection.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from prodrome.cds_hooks.settings import FhirServer, is_loopback
from prodrome.rules import ProdromeError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*\Z")
_PORTS = {"https": 443, "http": 80}
# The addresses at which clouds hand out credentials to whoever asks from inside; most are link-local besides.
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Local by RFC 6890, 8215 and 3879, and global to older Pythons.
_LOCAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10")))


class Allowing(Protocol):
    """The part of the settings that says which servers may be called."""

    @property
    def fhir_servers(self) -> tuple[FhirServer, ...]:
        """The allow-list."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""

    @property
    def open(self) -> bool:
        """Whether anybody may call."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that may be called: the base address of the request and the entry of the allow-list it falls under."""

    base: str
    server: FhirServer

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return origin(urlsplit(self.base))

    def covers(self, url: str) -> bool:
        """Whether *url* stays on the origin and under the base address of this server, however it is normalised.

        A path that servers and proxies may read in different ways (``..``, ``;``, an encoded slash) is not covered.
        """
        try:
            parts = urlsplit(url)
            same = origin(parts) == self.origin
        except ValueError:
            return False
        base = urlsplit(self.base).path
        inside = parts.path == base or parts.path.startswith(f"{base}/")
        plain = url.isprintable() and "#" not in url and "@" not in parts.netloc and "//" not in parts.path
        return same and inside and plain and all(map(_is_plain, parts.path.removeprefix(base).split("/")))


class FhirServerError(ProdromeError):
    """What a FHIR server did not give."""


class NotAllowed(FhirServerError):
    """The server is not to be called; the text says why."""


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port, in one spelling. Raises ValueError for an impossible port."""
    port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    return parts.scheme, (parts.hostname or "").rstrip("."), port


def _is_plain(segment: str) -> bool:
    """Whether a segment of a path means the same to whoever reads it."""
    said = unquote(segment)
    return said not in (".", "..") and said.isprintable() and not set(said) & set("/\\;%?# ")


def allowed(url: str, settings: Allowing, issuer: str | None = None) -> Target:
    """The target *url* stands for; :class:`NotAllowed` unless the site lists it (REQ-08).

    Listed is the exact origin with the path or one under it. In the open mode on loopback, servers on this machine are
    listed by themselves. *issuer* is the client that called, where its token said so.
    """
    parts = parsed(url)
    for server in settings.fhir_servers:
        listed = urlsplit(server.url)
        inside = parts.path == listed.path or parts.path.startswith(f"{listed.path}/")
        if origin(listed) == origin(parts) and inside:
            if server.issuers and issuer not in server.issuers:
                raise NotAllowed("is not one this client may name")
            return Target(url, server)
    if settings.open and settings.loopback and is_loopback(parts.hostname or ""):
        return Target(url, FhirServer(url=url, open=True))
    raise NotAllowed("is not on the list of allowed FHIR servers")


def parsed(url: str) -> SplitResult:
    """An address from outside. Raises :class:`NotAllowed` for what can be read in more than one way."""
    try:
        parts = urlsplit(url)
        origin(parts)
    except ValueError:
        raise NotAllowed("has an address that cannot be read") from None
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\?#")
    dots = any(segment.partition(";")[0] in (".", "..") for segment in parts.path.split("/"))  # some read ..;x as ..
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or not plain or dots:
        raise NotAllowed("has an address that cannot be read")
    if not _PATH.match(parts.path):
        raise NotAllowed("has an address that cannot be read")
    return parts


def acceptable(address: Address, server: FhirServer) -> bool:
    """Whether a connection to *server* may go to *address*.

    Loopback only for a server that is named as this machine, private addresses only where the site says the server
    stands in a private network or lists the address itself; link-local and cloud metadata addresses never.
    """
    address = _unwrapped(address)
    host = (urlsplit(server.url).hostname or "").rstrip(".")
    if address.is_loopback:
        return is_loopback(host)
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
        return False
    is_public = address.is_global and not any(address in network for network in _LOCAL)
    return is_public or server.private or host == str(address)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64 or 1 < int(address) < 1 << 32:  # the latter as RFC 4291, 2.5.5.1, had it
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
    return address
