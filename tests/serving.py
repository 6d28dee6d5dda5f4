"""A service for tests: listening on a port of this machine, asked as a CDS client asks it."""

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from typing import Any, Protocol

import httpx
from flask import Flask
from werkzeug.serving import make_server

from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app, front_of
from prodrome.cds_hooks.web.listening import listen
from prodrome.cds_hooks.web.server import Server
from prodrome.cds_hooks.web.siblings import Place, Siblings

TODAY = date(2026, 6, 15)
"""The day the labelled patients are judged on."""
PAGES_OF_A_CASE = (
    "",
    "/why",
    "/why?steps=1",
    "/understood",
    "/eligibility",
    "/prior-authorisation",
    "/what-if",
    "/take-away",
)
"""The pages of the workbench about one case, behind its address."""


def service(**settings: Any) -> Flask:
    """The application as a test wants it: the clock stands still and every answer is checked."""
    return create_app(Settings(**{"today": TODAY, "validate_output": True, **settings}))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def alone() -> Iterator[Place]:
    """The place of the only process of a service."""
    with closing(Siblings(1)) as siblings:
        yield Place(siblings, 0)


@contextmanager
def listening(app: Flask, port: int = 0) -> Iterator[str]:
    """The application on a port of this machine (0: a free one), served as the product serves it; its base address."""
    with listen("127.0.0.1", port) as listener, alone() as place:
        port = listener.getsockname()[1]
        server = Server(front_of(app, place), grace_seconds=5)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Any other application, such as a FHIR server of a test's own, on a free port; its base address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class Answer:
    """An HTTP answer."""

    def __init__(self, response: httpx.Response) -> None:
        self.status_code = response.status_code
        self.headers = response.headers
        self.data = response.content
        self.mimetype = response.headers.get("Content-Type", "").partition(";")[0]
        self.get_json = response.json


class Asks(Protocol):
    """Whatever asks a service over HTTP: a :class:`Client`, or Flask's own without a socket."""

    def get(self, path: str, /) -> Any: ...

    def post(self, path: str, /, *, json: object) -> Any: ...


class Client:
    """A CDS client that follows no redirects."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def open(
        self,
        path: str,
        *,
        method: str,
        json: object = None,
        data: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {**(headers or {}), **({} if content_type is None else {"Content-Type": content_type})}
        return Answer(self._http.request(method, path, json=json, content=data, headers=sent))

    def get(self, path: str, **more: Any) -> Answer:
        return self.open(path, method="GET", **more)

    def head(self, path: str, **more: Any) -> Answer:
        return self.open(path, method="HEAD", **more)

    def post(self, path: str, **more: Any) -> Answer:
        return self.open(path, method="POST", **more)


@contextmanager
def client_of(app: Flask) -> Iterator[Client]:
    """A client of the application, over real HTTP."""
    with listening(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        yield Client(http)


def discovered(client: Asks, hook: str) -> dict[str, Any]:
    """The service discovery lists for a hook."""
    services: list[dict[str, Any]] = client.get("/cds-services").get_json()["services"]
    return next(service for service in services if service["hook"] == hook)


def filled(prefetch: Mapping[str, str], by_kind: Mapping[str, Any], absent: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a client sends for these templates, from resources by kind: ``null`` where there is none of a kind."""
    return {key: by_kind.get(kind(query)) for key, query in prefetch.items() if kind(query) not in absent}


def kind(template: str) -> str:
    """The kind of resource a prefetch template asks for."""
    found = re.match(r"[A-Za-z]+", template)
    assert found, template
    return found.group()


def ask(client: Asks, patient: Mapping[str, Any]) -> Any:
    """Ask the service of the patient's hook, its prefetch filled from ``request_by_kind``."""
    request = patient["request_by_kind"]
    service = discovered(client, request["hook"])
    prefetch = filled(service["prefetch"], request["prefetch"], tuple(patient.get("absent", ())))
    return client.post(f"/cds-services/{service['id']}", json={**request, "prefetch": prefetch})


def rules_in(answer: Mapping[str, Any]) -> list[str]:
    """The rules whose cards an answer holds, sorted."""
    return sorted(card["source"]["topic"]["code"] for card in answer["cards"])
