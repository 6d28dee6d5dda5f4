"""What stands before the application: requests are read here, without a thread for each, and bounded.

A connection that is idle or slow costs a few kilobytes and no thread. A request reaches the application (WSGI) whole,
on one of a few threads, in the order it came; where more are in hand than will be answered soon, the surplus is told to
come back (503, Retry-After), and a call whose client has gone is dropped before it is begun. A body is read only when
it may be: a length over the limit is refused unread, and where tokens are asked for, a large body is read after its
token was checked.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from prodrome.cds_hooks.logs import alarm, failure, log
from prodrome.cds_hooks.protocol import Refused, TooLarge, TooSlow
from prodrome.cds_hooks.runtime import Jobs, Turn
from prodrome.cds_hooks.web.metrics import Metrics
from prodrome.cds_hooks.web.statuses import outcome
from prodrome.cds_hooks.web.wsgi import Application, HttpAnswer, Scope, called, environ_of, headers_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Verify = Callable[[str | None, str], object]
Fields = Callable[[str, str | None], Mapping[str, str]]

THREADS = 8
"""Of one process. One computes (see :mod:`prodrome.cds_hooks.runtime.turns`), the others wait for FHIR servers."""
FEW = 4
"""So many may wait however long calls take: one heavy chart turns nobody away."""
MOST_WAIT_SECONDS = 0.25
"""A call that would wait longer than this for those before it, as long as they take lately, is told to come back."""
PACE_WEIGHT = 0.1
UNCHECKED_BYTES = 64 * 1024
"""Read of a body before its token is checked."""
HELD_BYTES = 256 * 1024 * 1024
"""Bodies that one process holds together."""
PART_BYTES = 64
"""What a part of a body takes besides its bytes, until all parts are there."""
BODY_SECONDS = 30.0
"""Longest time for a body to arrive."""
_LINGER_SECONDS = 2.0
"""How long what a client still sends is thrown away after it was refused, so that it reads the answer."""
CAME = "prodrome.came"
"""The extension in the scope of a request that says that its body is there."""
PAGE_FILES = "/workbench/static/"
ALWAYS_ANSWERED = frozenset({"/health", "/ready", "/metrics"})
"""Paths whose calls are never shed: an orchestrator that asks is not to take a busy service for a dead one."""


class _Busy(Exception):
    """More than can be answered soon."""


class _Gone(Exception):
    """The client closed the connection."""


class Front:
    """The ASGI application of one process: *app* (WSGI), and what it may be asked at once.

    ``max_body_bytes``: bodies above are refused. ``max_waiting``: calls that wait while others are answered; 503 above.
    ``patience_seconds``: a call that waited longer than this is not begun. ``verify`` checks a token (the header, the
    path) and raises for one that is not good; the application finds its outcome (``wsgi.CHECKED``). ``fields`` are the
    header fields that every answer has, by the path and the origin of the request.
    """

    def __init__(
        self,
        app: Application,
        *,
        max_body_bytes: int,
        max_waiting: int,
        patience_seconds: float,
        verify: Verify | None = None,
        fields: Fields = lambda path, origin: {},
        metrics: Metrics | None = None,
    ) -> None:
        self._app = app
        self._max_body = max_body_bytes
        self._most = THREADS + max_waiting
        self._patience = patience_seconds
        self._verify = verify
        self._fields = fields
        self._metrics = metrics
        self._jobs: Jobs[_Call | _Check] = Jobs()
        self._turn = Turn()
        self._in_hand = 0
        if metrics is not None:
            metrics.calls_in_hand = lambda: self._in_hand
        self._asked = 0  # calls given to the threads; counted by the loop alone
        self._begun = 0  # of them begun, and how long one takes lately; counted by who has the turn alone
        self._pace = 0.0
        self._held_before = 0.0
        self._held = 0
        self._shed = 0
        self._shed_told = float("-inf")
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"call-{number}", daemon=True).start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, as ASGI has it. Raises RuntimeError for any other protocol."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        headers = headers_of(scope)
        body = b""
        found: object = None
        busy = False
        try:
            try:
                found = await self._admit(scope, headers)
                if not isinstance(found, Exception):
                    body = await self._read(scope, headers, receive)
                    self._held += len(body)
            except Refused as refused:
                found = refused
            answer = await self._answer(scope, headers, environ_of(scope, headers, body, found), receive)
        except _Busy:
            busy, answer = True, self._outcome(scope, headers, 503, "The service is busy. Ask again.", "1")
        except _Gone:
            return
        finally:
            self._held -= len(body)
        status, fields, content = answer
        unread = busy or isinstance(found, Exception)
        if unread:
            fields = [*fields, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        if unread:
            await send({"type": "http.response.body", "body": content, "more_body": True})
            await _throw_away(receive, self._max_body)
            content = b""
        await send({"type": "http.response.body", "body": content})

    async def _admit(self, scope: Scope, headers: Mapping[str, str]) -> object:
        """What can be found by the head alone: a refusal, or the caller where the token had to be checked for it."""
        if not _always_answered(scope["path"]):
            self._check_room()
        length = headers.get("CONTENT_LENGTH", "0")
        announced = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else self._max_body + 1
        if announced > self._max_body:
            return self._too_large()
        unknown = "HTTP_TRANSFER_ENCODING" in headers
        if self._verify is None or scope["method"] != "POST" or (announced <= UNCHECKED_BYTES and not unknown):
            return None
        loop = asyncio.get_running_loop()
        found: asyncio.Future[object] = loop.create_future()
        self._jobs.put(_Check(self._verify, headers.get("HTTP_AUTHORIZATION"), scope["path"], loop, found))
        return await found

    def _too_large(self) -> Refused:
        return TooLarge(f"The body is larger than {self._max_body} bytes.")

    def _check_room(self) -> None:
        waiting = self._asked - self._begun
        if self._in_hand < self._most and (waiting < FEW or waiting * self._pace < MOST_WAIT_SECONDS):
            return
        self._shed += 1
        if self._metrics is not None:
            self._metrics.shed()
        now = time.monotonic()
        if now - self._shed_told >= 1:
            log("more calls than can be answered: the surplus was told to come back", calls=self._shed)
            self._shed, self._shed_told = 0, now
        raise _Busy

    async def _read(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> bytes:
        if "CONTENT_LENGTH" not in headers and "HTTP_TRANSFER_ENCODING" not in headers:
            return b""
        parts: list[bytes] = []
        read = held = 0
        try:
            # Nothing is waited for where all of it came together with the head.
            async with (
                contextlib.nullcontext() if CAME in scope.get("extensions", ()) else asyncio.timeout(BODY_SECONDS)
            ):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    part: bytes = message.get("body", b"")
                    more = message.get("more_body", False)
                    read += len(part)
                    if read > self._max_body:
                        raise self._too_large()
                    if more and self._held + len(part) > HELD_BYTES:
                        raise _Busy
                    parts.append(part)
                    held += len(part) + PART_BYTES
                    self._held += len(part) + PART_BYTES
        except TimeoutError:
            raise TooSlow(f"The body did not come within {BODY_SECONDS:g} seconds.") from None
        finally:
            self._held -= held
        return b"".join(parts)

    async def _answer(
        self, scope: Scope, headers: Mapping[str, str], environ: dict[str, Any], receive: Receive
    ) -> HttpAnswer:
        if not _always_answered(environ["PATH_INFO"]):
            self._check_room()
        loop = asyncio.get_running_loop()
        job = _Call(self._app, environ, time.monotonic() + self._patience, loop, loop.create_future())
        waits = self._in_hand > 0
        self._in_hand += 1
        self._asked += 1
        self._jobs.put(job)
        try:
            if waits:
                await _answered_or_gone(job, receive)
            answer = await job.result
        finally:
            self._in_hand -= 1
        if answer is None:
            raise _Busy
        if isinstance(answer, Exception):
            text = "The service failed on this request and gives no answer. Its operators were told."
            return self._outcome(scope, headers, 500, text)
        return answer

    def _outcome(
        self, scope: Scope, headers: Mapping[str, str], status: int, text: str, retry_after: str | None = None
    ) -> HttpAnswer:
        """An answer that the application did not give, with what its answers have."""
        request_id = os.urandom(16).hex()
        content = orjson.dumps(outcome(status, text, request_id=request_id))
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **self._fields(scope["path"], headers.get("HTTP_ORIGIN")),
            "X-Request-ID": request_id,
            **({"Retry-After": retry_after} if retry_after else {}),
        }
        return status, [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()], content

    def tell_state(self) -> None:
        """Let the metrics say how things are: to be called about once a second."""
        if self._metrics is not None:
            self._metrics.tell_state()

    def _work(self) -> None:
        while True:
            job = self._jobs.take()
            with self._turn:
                if isinstance(job, _Call):
                    self._begun += 1
                result = job.run()
                held, self._held_before = self._turn.held_seconds - self._held_before, self._turn.held_seconds
                self._pace += PACE_WEIGHT * (held - self._pace)
            with contextlib.suppress(RuntimeError):  # the loop is closed: grace is over, and nobody waits
                job.loop.call_soon_threadsafe(_tell, job.result, result)


@dataclass(slots=True)
class _Call:
    """One call on its way to a thread and back.

    Answered ``None`` where it was not begun in time, and with the exception that the application should have answered.
    """

    app: Application
    environ: dict[str, Any]
    due: float
    loop: asyncio.AbstractEventLoop
    result: "asyncio.Future[HttpAnswer | Exception | None]"
    begun: bool = False
    wanted: bool = True

    def run(self) -> HttpAnswer | Exception | None:
        self.begun = True
        if not self.wanted or time.monotonic() > self.due:
            return None
        try:
            return called(self.app, self.environ)
        except Exception as error:  # the application answers its own failures; this one is of the part before it
            alarm("unexpected failure", **failure(error))
            return error


@dataclass(slots=True)
class _Check:
    """The check of a token; its outcome is the caller, or the exception that refuses it."""

    verify: Verify
    authorization: str | None
    path: str
    loop: asyncio.AbstractEventLoop
    result: "asyncio.Future[object]"

    def run(self) -> object:
        try:
            return self.verify(self.authorization, self.path)
        except Exception as error:  # the application raises it again and answers it
            return error


def _tell(future: "asyncio.Future[Any]", result: object) -> None:
    if not future.done():
        future.set_result(result)


async def _answered_or_gone(call: _Call, receive: Receive) -> None:
    """Wait for the answer; a client that goes away before its call was begun takes it back. Raises ``_Gone``."""
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((gone, call.result), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not call.result.done() and not call.begun:
        call.wanted = False
        raise _Gone


def _always_answered(path: str) -> bool:
    """Whether a path is cheap and asked for by who must not be turned away: probes, and the files of an open page."""
    return path in ALWAYS_ANSWERED or path.startswith(PAGE_FILES)


async def _gone(receive: Receive) -> None:
    """Wait until the client has gone; that a request has no body is told first."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _throw_away(receive: Receive, most: int) -> None:
    """Read what a refused client still sends: closing on it would lose the answer it was given."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            thrown, more = 0, True
            while more and thrown < most:
                message = await receive()
                thrown += len(message.get("body", b""))
                more = message.get("more_body", False)
