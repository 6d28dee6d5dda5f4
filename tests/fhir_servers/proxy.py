"""A proxy of the suite's own before a real FHIR server: asks for a token as a SMART server does, and breaks things.

It keeps the ``Host`` header, so that the server's links lead back to the proxy.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = Callable[["Exchange"], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that reached the proxy."""

    method: str
    path: str
    authorization: str | None
    accept: str | None


@dataclass
class Proxy:
    """Where it listens, what it has seen, and what it does to the next requests."""

    url: str
    upstream: str
    token: str | None = None
    fault: Fault | None = None
    seen: list[Seen] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


class Exchange(BaseHTTPRequestHandler):
    """One request on its way, in the hands of a fault."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_GET

    def _handle(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        authorization = self.headers.get("Authorization")
        self.proxy.seen.append(Seen(self.command, self.path, authorization, self.headers.get("Accept")))
        asks = self.proxy.token is not None and not self.path.endswith("/metadata")
        if asks and authorization != f"Bearer {self.proxy.token}":
            self.send(401, b"{}")
        elif self.proxy.fault:
            self.proxy.fault(self)
        else:
            self.send(*self.forwarded())

    def forwarded(self) -> tuple[int, bytes]:
        """What the real server answers."""
        server = urlsplit(self.proxy.upstream)
        connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=60)
        try:
            kept = {name: self.headers[name] for name in ("Host", "Accept", "Content-Type") if name in self.headers}
            connection.request(self.command, self.path, self.body or None, kept)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(
        self, status: int, body: bytes, *, kind: str = "application/fhir+json", length: int | None = None, **more: str
    ) -> None:
        """An answer; *length* to lie about it, *more* further headers with ``_`` for ``-``."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what was asked is in ``seen``."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or shook no hands, is what the faults are about."""


@contextmanager
def proxy(upstream: str, *, token: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy before the server at *upstream*; its base address has the same path."""
    path = urlsplit(upstream).path

    class Handler(Exchange):
        pass

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "https" if tls else "http"
    Handler.proxy = Proxy(f"{scheme}://127.0.0.1:{server.server_port}{path}", upstream, token)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Handler.proxy
    finally:
        Handler.proxy.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
