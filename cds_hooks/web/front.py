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
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import orjson

from prodrome.cds_hooks.logs import alarm, failure, log
from prodrome.cds_hooks.protocol import Refused, TooLarge, TooSlow
from prodrome.cds_hooks.runtime import Jobs, Turn
from prodrome.cds_hooks.web.metrics import Metrics
from prodrome.cds_hooks.web.siblings import Place
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
LOOKS = 3
"""How often the loop looks at its sockets between two calls: while one computes, it hardly comes to. By then an answer
is sent, and what came is read and handed to a sibling that has nothing to do."""
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
CALLS = "/cds-services/"
"""How the paths begin that a sibling may answer: what a page shows may be of its own process."""
PAGE_FILES = "/workbench/static/"
ALWAYS_ANSWERED = frozenset({"/health", "/ready", "/metrics"})
"""Paths whose calls are never shed: an orchestrator that asks is not to take a busy service for a dead one."""


class _Busy(Exception):
    """More than can be answered soon."""


class _Gone(Exception):
    """The client closed the connection."""


class _Unanswered(Enum):
    """Why the application did not answer."""

    NOT_BEGUN = "it waited too long"
    FAILED = "it failed"


class _Request(NamedTuple):
    """A request that was read, what was found by its head, and when it is too late to begin (monotonic seconds)."""

    scope: Scope
    body: bytes
    found: object
    due: float


class Front:
    """The ASGI application of one process: *app* (WSGI), and what it may be asked at once.

    ``max_body_bytes``: bodies above are refused. ``max_waiting``: calls that wait while others are answered; 503 above.
    ``patience_seconds``: a call that waited longer than this is not begun. ``verify`` checks a token (the header, the
    path) and raises for one that is not good; the application finds its outcome (``wsgi.CHECKED``). ``fields`` are the
    header fields that every answer has, by the path and the origin of the request. ``place``: where it stands among
    the processes of the service.
    """

    def __init__(
        self,
        app: Application,
        place: Place,
        *,
        max_body_bytes: int,
        max_waiting: int,
        patience_seconds: float,
        verify: Verify | None = None,
        fields: Fields = lambda path, origin: {},
        metrics: Metrics | None = None,
    ) -> None:
        self._app = app
        self._place = place
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
        self._begun = 0  # of them begun; counted by who has the turn alone
        self._pace = 0.0  # how long one takes lately; counted by the loop alone
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
            request = _Request(scope, body, found, time.monotonic() + self._patience)
            answer = await self._answer(request, headers, receive)
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
        if not _always_answered(scope["path"]) and self._freer(scope) is None:
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

    async def _answer(self, request: _Request, headers: Mapping[str, str], receive: Receive) -> HttpAnswer:
        freer = None if isinstance(request.found, Exception) else self._freer(request.scope)
        if freer is None and not _always_answered(request.scope["path"]):
            self._check_room()
        answer = await (self._computed(request, headers, receive) if freer is None else freer(request))
        if answer is None or answer is _Unanswered.NOT_BEGUN:
            raise _Busy
        if answer is _Unanswered.FAILED:
            text = "The service failed on this request and gives no answer. Its operators were told."
            return self._outcome(request.scope, headers, 500, text)
        return answer

    def _freer(self, scope: Scope) -> "Callable[[_Request], Awaitable[Any]] | None":
        """What has a sibling that has less to do answer, where there is one that may answer such a request."""
        if not scope["path"].startswith(CALLS):
            return None
        place = self._place.freer(self._in_hand)
        return None if place is None else partial(self._place.ask, place)

    async def _computed(
        self, request: _Request, headers: Mapping[str, str], receive: Receive | None = None
    ) -> HttpAnswer | _Unanswered:
        """What the application says, in its turn. Raises ``_Gone`` where the client of *receive* went away before."""
        scope, body, found, due = request
        loop = asyncio.get_running_loop()
        job = _Call(self._app, environ_of(scope, headers, body, found), due, loop, loop.create_future())
        waits = self._in_hand > 0
        self._count(1)
        self._asked += 1
        self._jobs.put(job)
        try:
            return await (job.result if receive is None or not waits else _answered_or_gone(job, receive))
        finally:
            self._count(-1)

    async def _handed(self, request: _Request) -> HttpAnswer | _Unanswered:
        """What the application says to a request that a sibling read."""
        self._held += len(request.body)
        try:
            return await self._computed(request, headers_of(request.scope))
        finally:
            self._held -= len(request.body)

    def _count(self, more: int) -> None:
        self._in_hand += more
        self._place.tell(self._in_hand)

    def open(self) -> None:
        """Take what siblings hand over, from now on, in the running loop."""
        self._place.open(self._handed)

    def leave(self) -> None:
        """Take no more of them."""
        self._place.leave()

    async def finish(self, seconds: float) -> None:
        """Wait until those that were taken are answered, or for so many *seconds*."""
        await self._place.finish(seconds)

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
            self._turn.take()
            if isinstance(job, _Call):
                self._begun += 1
            result = job.run()
            try:
                job.loop.call_soon_threadsafe(self._tell, job, result)
            except RuntimeError:  # the loop is closed: grace is over, and nobody waits
                self._turn.give()

    def _tell(self, job: "_Call | _Check", result: Any) -> None:
        if not job.result.done():
            job.result.set_result(result)
        self._hand_on(job.loop, LOOKS if self._in_hand > 1 else 0)

    def _hand_on(self, loop: asyncio.AbstractEventLoop, looks: int) -> None:
        """Let the next call compute, once the loop has looked so often at what it has to do."""
        if looks:
            loop.call_soon(self._hand_on, loop, looks - 1)
            return
        self._turn.give()
        held, self._held_before = self._turn.held_seconds - self._held_before, self._turn.held_seconds
        self._pace += PACE_WEIGHT * (held - self._pace)


@dataclass(slots=True)
class _Call:
    """One call on its way to a thread and back."""

    app: Application
    environ: dict[str, Any]
    due: float
    loop: asyncio.AbstractEventLoop
    result: "asyncio.Future[HttpAnswer | _Unanswered]"
    begun: bool = False
    wanted: bool = True

    def run(self) -> HttpAnswer | _Unanswered:
        self.begun = True
        if not self.wanted or time.monotonic() > self.due:
            return _Unanswered.NOT_BEGUN
        try:
            return called(self.app, self.environ)
        except Exception as error:  # the application answers its own failures; this one is of the part before it
            alarm("unexpected failure", **failure(error))
            return _Unanswered.FAILED


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


async def _answered_or_gone(call: _Call, receive: Receive) -> HttpAnswer | _Unanswered:
    """The answer; a client that goes away before its call was begun takes it back. Raises ``_Gone``."""

    def give_up(_: object) -> None:
        if not call.result.done() and not call.begun:
            call.wanted = False
            call.result.set_exception(_Gone())

    gone = asyncio.ensure_future(_gone(receive))
    gone.add_done_callback(give_up)
    try:
        return await call.result
    finally:
        gone.remove_done_callback(give_up)
        gone.cancel()


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
