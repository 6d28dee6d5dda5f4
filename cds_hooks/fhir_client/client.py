"""The client: one per process, pooled connections per server, all requests of a call side by side.

Requests run on an event loop in a thread of its own, so that at the deadline whatever is still under way is truly
abandoned, its connection closed, and no slow server holds a thread of the web server's.
"""

import asyncio
import os
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from prodrome.cds_hooks.fhir_client import references
from prodrome.cds_hooks.fhir_client.addresses import Allowing, NotAllowed, Target, allowed
from prodrome.cds_hooks.fhir_client.backend_services import VISIBLE, BackendTokens
from prodrome.cds_hooks.fhir_client.breaker import Breaker
from prodrome.cds_hooks.fhir_client.exchange import HEADERS, Failure, ask
from prodrome.cds_hooks.fhir_client.references import Resolved
from prodrome.cds_hooks.fhir_client.searching import Fetched, Search, is_link, missing
from prodrome.cds_hooks.runtime import trace_headers
from prodrome.fhir_mappers import R5_NAMES

if TYPE_CHECKING:
    import httpx

MAX_SERVERS = 32
VERSION_SECONDS = 3600.0
GRACE_SECONDS = 0.1
CLOSING_SECONDS = 5.0
FAIR_SECONDS = 0.5
"""With less time than this a server that did not answer is not held to have failed."""

_T = TypeVar("_T")

FetchPlan = Mapping[str, tuple[str, str]]
FetchProgress = Callable[[str, Fetched], None]


class Authorization(Protocol):
    """The token of one request (CDS Hooks, "Passing the Access Token")."""

    @property
    def access_token(self) -> str:
        """The bearer token."""

    @property
    def expires_in(self) -> int:
        """Seconds from its issue."""


class Request(Protocol):
    """The part of a hook request that says where the chart is."""

    @property
    def fhir_server(self) -> str | None:
        """The base address, where there is one."""

    @property
    def authorization(self) -> Authorization | None:
        """The token for it, where one was given."""

    @property
    def patient_id(self) -> str:
        """The patient's logical id."""


@dataclass(slots=True)
class Session:
    """What is kept per server between calls: connections, its FHIR version, our own token, whether it answers."""

    target: Target
    http: "httpx.AsyncClient"
    breaker: Breaker = field(default_factory=Breaker)
    version: tuple[float, str] | None = None
    tokens: BackendTokens | None = None
    users: int = 0  # calls under way
    retired: bool = False  # to be closed when the last of them ends


def _checked(target: Target) -> "httpx.AsyncBaseTransport":
    from prodrome.cds_hooks.fhir_client.transport import CheckedTransport  # HTTP is loaded where something is asked

    return CheckedTransport(target)


class Client:
    """Asks FHIR servers for what a request did not bring. *transport* is for tests."""

    def __init__(self, transport: "Callable[[Target], httpx.AsyncBaseTransport]" = _checked) -> None:
        self._transport = transport
        self._sessions: OrderedDict[Target, Session] = OrderedDict()
        self._lock = threading.Lock()
        self._loop: tuple[int, asyncio.AbstractEventLoop] | None = None

    def complete(
        self,
        plan: FetchPlan,
        request: Request,
        settings: Allowing,
        deadline: float,
        *,
        issuer: str | None = None,
        progress: FetchProgress | None = None,
    ) -> dict[str, Fetched]:
        """See :func:`prodrome.cds_hooks.fhir_client.complete`."""
        if not plan:
            return {}
        searches: dict[str, Search] = {}
        problem = "did not answer in time"
        try:
            target = _target(request, settings, issuer)
            self._run(self._complete(plan, searches, target, request, deadline, progress), deadline)
        except NotAllowed as refusal:
            problem = str(refusal)
        except Failure as failure:
            problem = failure.text
        except TimeoutError:
            pass  # the loop is too busy to notice; what came is there all the same
        return {
            key: searches[key].result() if key in searches else missing(kind, problem)
            for key, (kind, _) in plan.items()
        }

    def resolve_references(
        self,
        resources: Iterable[object],
        request: Request,
        settings: Allowing,
        deadline: float,
        *,
        issuer: str | None = None,
        progress: FetchProgress | None = None,
    ) -> Resolved:
        """See :func:`prodrome.cds_hooks.fhir_client.resolve_references`."""
        wanted = references.wanted(resources, base=request.fhir_server)
        plan = references.plan(wanted)
        fetched = self.complete(plan, request, settings, deadline, issuer=issuer, progress=progress)
        return references.resolved(wanted, fetched)

    def close(self) -> None:
        """Closes the connections and ends the thread. The client starts again when it is used again."""
        with self._lock:
            running, self._loop = self._loop, None
        if running is None or running[0] != os.getpid():
            return
        loop = running[1]

        async def close() -> None:
            for session in self._sessions.values():
                await session.http.aclose()
            self._sessions.clear()

        asyncio.run_coroutine_threadsafe(close(), loop).result(CLOSING_SECONDS)
        loop.call_soon_threadsafe(loop.stop)

    def _run(self, work: Coroutine[Any, Any, _T], deadline: float) -> _T:
        """*work* on the loop; TimeoutError should the loop be too busy to keep the time itself."""
        future: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result(max(0.0, deadline - time.monotonic()) + GRACE_SECONDS)
        finally:
            future.cancel()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop[0] != os.getpid():  # a forked worker inherits no thread
                loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(loop,), name="fhir-client", daemon=True).start()
                self._sessions = OrderedDict()
                self._loop = (os.getpid(), loop)
            return self._loop[1]

    @asynccontextmanager
    async def _using(self, target: Target) -> AsyncIterator[Session]:
        """The session of a server, not closed before the call ends."""
        session = self._session(target)
        session.users += 1
        try:
            yield session
        finally:
            session.users -= 1
            if session.retired and not session.users:
                await session.http.aclose()

    def _session(self, target: Target) -> Session:
        session = self._sessions.get(target)
        if session is None:
            import httpx

            http = httpx.AsyncClient(transport=self._transport(target), headers=HEADERS, timeout=None, trust_env=False)
            session = self._sessions[target] = Session(target, http)
            if len(self._sessions) > MAX_SERVERS:
                _, oldest = self._sessions.popitem(last=False)
                oldest.retired = True
                if not oldest.users:
                    asyncio.get_running_loop().create_task(oldest.http.aclose())
        self._sessions.move_to_end(target)
        return session

    async def _complete(
        self,
        plan: FetchPlan,
        searches: dict[str, Search],
        target: Target,
        request: Request,
        deadline: float,
        progress: FetchProgress | None,
    ) -> None:
        """Fills *searches*, which hold what came at any moment; raises :class:`Failure` where none was begun."""
        async with self._using(target) as session:
            await self._ask(plan, searches, session, request, deadline, progress)

    async def _ask(
        self,
        plan: FetchPlan,
        searches: dict[str, Search],
        session: Session,
        request: Request,
        deadline: float,
        progress: FetchProgress | None,
    ) -> None:
        target = session.target
        begun = time.monotonic()
        if waits := session.breaker.waits(begun):
            raise Failure(f"failed repeatedly and is left alone for {waits:.0f} seconds", answered=False)
        async with asyncio.timeout(deadline - begun):
            headers = {**await self._headers(session, request, deadline), **trace_headers()}
        # By their R4 name first: most servers are R4, and some are slow to say so.
        renamed = R5_NAMES if session.version and session.version[1].startswith("5.") else {}

        async def one(key: str, kind: str, query: str) -> None:
            search = searches[key] = Search(target, kind, query, headers, request.patient_id)
            if kind in renamed:
                search = searches[key] = search.renamed(renamed[kind])
            if is_link(query) and request.authorization is None and target.server.backend is not None:
                search.problem = "has further pages, which are followed with the client's own token only"
                return
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await search.run(session.http, deadline)
                    if kind in R5_NAMES and search.status in (400, 404) and await self._is_r5(session, deadline):
                        search = searches[key] = search.renamed(R5_NAMES[kind])
                        await search.run(session.http, deadline)
            except TimeoutError:
                pass  # the search says itself that it did not end
            if progress:
                progress(key, search.result())

        await asyncio.gather(*(one(key, kind, query) for key, (kind, query) in plan.items()))
        if session.tokens and any(search.status == 401 for search in searches.values()):
            session.tokens.forget()
        answered = any(search.answered for search in searches.values())
        if answered or deadline - begun >= FAIR_SECONDS:
            session.breaker.record(answered, time.monotonic())

    async def _headers(self, session: Session, request: Request, deadline: float) -> dict[str, str]:
        authorization = request.authorization
        if authorization is not None:
            if authorization.expires_in <= 0 or not VISIBLE.match(authorization.access_token):
                raise Failure("cannot be asked: the access token has expired or cannot be read")
            return {"Authorization": f"Bearer {authorization.access_token}"}
        server = session.target.server
        if server.backend is not None:
            session.tokens = session.tokens or BackendTokens(session.target, server.backend)
            token = await session.tokens.get(session.http, self._transport, deadline)
            return {"Authorization": f"Bearer {token}"}
        if server.open:
            return {}
        raise Failure("cannot be asked: no access token came with the request")

    async def _is_r5(self, session: Session, deadline: float) -> bool:
        """Whether a server that does not know a kind by its R4 name is one that knows it by another."""
        try:
            return (await self._version(session, deadline)).startswith("5.")
        except Failure:
            return False

    async def _version(self, session: Session, deadline: float) -> str:
        """From the CapabilityStatement, which needs no token (FHIR, "capabilities")."""
        now = time.monotonic()
        if session.version and now < session.version[0]:
            return session.version[1]
        request = session.http.build_request("GET", f"{session.target.base}/metadata")
        statement, _ = await ask(session.http, request, deadline)
        version = statement.get("fhirVersion") if isinstance(statement, dict) else None
        if not isinstance(version, str):
            raise Failure("does not say which version of FHIR it speaks")
        session.version = (now + VERSION_SECONDS, version)
        return version


def _target(request: Request, settings: Allowing, issuer: str | None) -> Target:
    if request.fhir_server is None:
        raise NotAllowed("is not named in the request")
    return allowed(request.fhir_server, settings, issuer)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
