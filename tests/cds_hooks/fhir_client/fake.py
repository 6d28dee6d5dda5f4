"""A FHIR server in memory: what it answers to each path, and what it was asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from prodrome.cds_hooks.fhir_client import Client, Fetched, complete
from prodrome.cds_hooks.fhir_client.addresses import Target
from prodrome.cds_hooks.protocol.requests import FhirAuthorization, HookRequest
from prodrome.cds_hooks.settings import FhirServer, Settings

BASE = "https://ehr.example.org/fhir"
FHIR = {"Content-Type": "application/fhir+json"}

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Chunks(httpx.AsyncByteStream):
    """A body that comes over the network in pieces, as often as it is asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 65_536):
            yield self._body[start : start + 65_536]


@dataclass
class FakeServer:
    """``answers``: path below the base -> what it answers in turn, the last one for ever. Delays in seconds."""

    answers: Mapping[str, list[Answer]]
    delay: float = 0.0
    asked: list[httpx.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def transport(self, target: Target) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.times.append(time.monotonic())
        await asyncio.sleep(self.delay)
        path = request.url.path.removeprefix("/fhir").lstrip("/")
        turns = self.answers.get(path) or [httpx.Response(404, json={"resourceType": "OperationOutcome"}, headers=FHIR)]
        answer = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, httpx.Response):
            answer = answer(request)
        assert isinstance(answer.stream, httpx.ByteStream)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=Chunks(b"".join(answer.stream)))

    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/fhir/") for request in self.asked]


def bundle(*resources: Mapping[str, Any], **members: object) -> httpx.Response:
    """A searchset of *resources*; a resource of search mode outcome or include is given as an entry itself."""
    entries = [item if "resource" in item else {"resource": item, "search": {"mode": "match"}} for item in resources]
    content = {"resourceType": "Bundle", "type": "searchset", "entry": entries, **members}
    return httpx.Response(200, json=content, headers=FHIR)


def encounters(*ids: str, patient: str = "1") -> list[dict[str, Any]]:
    return [{"resourceType": "Encounter", "id": bare, "subject": {"reference": f"Patient/{patient}"}} for bare in ids]


def hook_request(token: str | None = "secret", *, server: str | None = BASE, expires_in: int = 300) -> HookRequest:
    authorization = token and FhirAuthorization(token, expires_in, "patient/*.read", "prodrome")
    return HookRequest("patient-view", "i", "1", fhir_server=server, authorization=authorization or None)


def site(**server: object) -> Settings:
    """A site that allows one server."""
    return Settings(fhir_servers=(FhirServer.model_validate({"url": BASE, **server}),))


@contextmanager
def client_of(server: FakeServer) -> Iterator[Client]:
    client = Client(server.transport)
    try:
        yield client
    finally:
        client.close()


def fetch(
    answers: Mapping[str, list[Answer]] | FakeServer,
    query: str = "Encounter?patient=1",
    *,
    seconds: float = 2.0,
    settings: Settings | None = None,
    request: HookRequest | None = None,
) -> Fetched:
    """What becomes of one query."""
    server = answers if isinstance(answers, FakeServer) else FakeServer(answers)
    kind = query.removeprefix(f"{BASE}/").partition("?")[0].partition("/")[0]
    with client_of(server) as client:
        plan = {"it": (kind, query)}
        deadline = time.monotonic() + seconds
        return complete(plan, request or hook_request(), settings or site(), deadline, client=client)["it"]
