"""HTTP/1.1 in one process: uvicorn, with what it leaves unbounded bounded, on a socket that others listen on too."""

import asyncio
import re
import signal
import socket
import threading
from collections.abc import Iterable

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from prodrome.cds_hooks.web.front import CAME, Front
from prodrome.cds_hooks.web.listening import BACKLOG, SIGNALS

HEAD_BYTES = 64 * 1024
"""Longest head of a request."""
FRAMING_PER_BYTE = 8
"""Bytes in which each one of a body may come, chunks and all: alone in a chunk it takes six."""
HEAD_SECONDS = 30.0
"""Longest time for the head of a request to arrive, and for a new connection to send its first."""
KEEP_ALIVE_SECONDS = 75
SETTLE_SECONDS = 0.05
"""Between the end of listening and the end of idle connections: what already came is read."""


class _Ambiguous(Exception):
    """A head that a proxy before us may have read as another."""


_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")


def _is_ambiguous(headers: Iterable[tuple[bytes, bytes]], version: str) -> bool:
    """Whether a head does not say for certain who is asked (RFC 9112, 3.2), or where the request ends (6.1, 6.3)."""
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    one_host = len(hosts) == 1 or (not hosts and version == "1.0")
    plain = not codings or (codings == [b"chunked"] and version == "1.1")
    return not (one_host and plain and all(map(_HOST.fullmatch, hosts)))


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with a bound on the head of a request, in bytes and in time, and on what frames its body.

    Trailers are dropped: what they say would come after the request was judged by its head. An offer to speak another
    protocol, which Java's HttpClient makes wherever there is no TLS, is passed over (RFC 9110, 7.8): the head is parsed
    once more without it, since httptools parses no body after one.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the head of a request."""
        self._marks = 0
        self._offer = False
        self._patience: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._begin_head()
        self._await_head()

    def on_message_begin(self) -> None:
        """A head begins, unless it was waited for."""
        super().on_message_begin()
        if not self._in_head:
            self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field; none of a trailer."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: wait no longer. Raises _Ambiguous, which is answered with 400, hanging up after it."""
        self._offer = self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)
        if self._offer:
            return
        self._in_head = False
        self._stop_waiting()
        if _is_ambiguous(self.headers, self.parser.get_http_version()):
            raise _Ambiguous
        self._framing = 0
        self._marks += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body: as it is where it is the first, as uvicorn would copy it twice."""
        self._framing -= FRAMING_PER_BYTE * len(body)
        if not self.cycle.body:
            self.cycle.body = b""  # type: ignore[assignment]  # to which bytes are added without a copy
        elif isinstance(self.cycle.body, bytes):
            self.cycle.body = bytearray(self.cycle.body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell that the body is there."""
        if self._offer:
            return
        self.scope["extensions"] = {CAME: {}}
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse with 431 a head larger than ``HEAD_BYTES``, and hang up on a body that is mostly frame."""
        marks = self._marks
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._in_head and self._patience is None:
            self._await_head()
        if self._marks != marks:  # a head began or ended: what comes next is counted
            return
        if not self._in_head:
            self._framing += len(data)
            if self._framing > HEAD_BYTES:
                self.transport.abort()
        else:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
                self.transport.write(b"connection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

    def _parse(self, data: bytes) -> None:
        parts: list[bytes | memoryview] = [data]
        while parts:
            part = parts.pop(0)
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade as at:
                if self._offer:
                    parts[:0] = [self._head_without_offer(), memoryview(part)[at.args[0] :]]
                    self.parser = httptools.HttpRequestParser(self)  # the other may be at its end

    def _head_without_offer(self) -> bytes:
        first = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"\r\n".join([first, *(b": ".join(field) for field in self.headers if field[0] != b"upgrade"), b"", b""])

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._in_head = True
        self._head = self._framing = 0
        self._marks += 1

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Server(uvicorn.Server):
    """One process' server on a socket that others may listen on too."""

    def __init__(self, front: Front, *, grace_seconds: float, parent: int | None = None) -> None:
        config = uvicorn.Config(
            front,
            http=Protocol,
            loop="auto",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            backlog=1,  # connections taken at a time, so that all processes get their share; the queue is set below
        )
        super().__init__(config)
        self._front = front
        self._parent = parent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and let the signals through that came while the process was made."""
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # what came while this process was made comes now
        for listener in sockets or ():
            listener.listen(BACKLOG)
        self._front.open()
        if self._parent is not None:  # the other end is the parent's: it is closed when the parent is gone
            asyncio.get_running_loop().add_reader(self._parent, self._orphaned)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let those that came meanwhile be answered, say how things are, then end."""
        loop = asyncio.get_running_loop()
        last = loop.time() + (self.config.timeout_graceful_shutdown or 0)
        self._front.leave()
        for server in self.servers:
            server.close()
        await asyncio.sleep(SETTLE_SECONDS)
        await super().shutdown(sockets)
        await self._front.finish(max(0.0, last - loop.time()))
        self._front.tell_state()

    async def on_tick(self, counter: int) -> bool:
        """Once in a second, say how things are; whether to end."""
        if counter % 10 == 0:
            self._front.tell_state()
        return await super().on_tick(counter)

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(self._parent or 0)
        self.should_exit = True
