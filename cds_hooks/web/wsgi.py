"""The two languages of the server and the application: a request as PEP 3333 has it, an answer as ASGI sends it."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from io import BytesIO
from itertools import starmap
from typing import Any
from urllib.parse import unquote_to_bytes

from prodrome.cds_hooks.logs import LOGGER

Scope = MutableMapping[str, Any]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HttpAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, header fields and body."""

CHECKED = "prodrome.checked"
"""Where the application finds what was found before the body was read: the caller whose token was checked, or the
exception with which the request is to be refused. The body is empty then."""
BODY = "prodrome.body"
"""Where it finds the body whole, within the limit, beside the stream that WSGI makes of it."""


def called(app: Application, environ: dict[str, Any]) -> HttpAnswer:
    """The answer of the application, whole."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: "list[tuple[str, str]]", _: object = None) -> None:
        started[:] = [(status, headers)]

    parts = app(environ, start)
    try:
        content = b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    ((status, headers),) = started
    return int(status[:3]), list(starmap(_field, headers)), content


@lru_cache(maxsize=256)
def _field(name: str, value: str) -> tuple[bytes, bytes]:
    """A header field as ASGI has it: most are the same in every answer."""
    return name.lower().encode("latin-1"), value.encode("latin-1")


def headers_of(scope: Scope) -> dict[str, str]:
    """The header fields under their WSGI names; names with an underscore, which could pose as others, are dropped."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = _key(name)
        if key is None:
            continue
        text = value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


@lru_cache(maxsize=64)
def _key(name: bytes) -> str | None:
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def environ_of(scope: Scope, headers: Mapping[str, str], body: bytes, found: object) -> dict[str, Any]:
    """The request as PEP 3333 has it, its body whole; what was *found* by its head under :data:`CHECKED`."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    path: bytes = scope["raw_path"]
    environ: dict[str, Any] = {
        **headers,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        BODY: body,
        "wsgi.errors": _Errors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    if "HTTP_TRANSFER_ENCODING" in headers or "CONTENT_LENGTH" in headers:
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(len(body))
    if found is not None:
        environ[CHECKED] = found
    return environ


class _Errors:
    """Where the application would write errors. They may quote a request: only that there was one is told."""

    def write(self, _: str) -> None:
        LOGGER.error("the application wrote to wsgi.errors")

    def writelines(self, _: Iterable[str]) -> None:
        self.write("")

    def flush(self) -> None:
        """Nothing is held back."""
