"""What stands before every call: one guard for each concern."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
from flask import Flask, Request, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from prodrome.cds_hooks.callers import Limiter
from prodrome.cds_hooks.protocol import Forbidden, Invalid, TooMany
from prodrome.cds_hooks.runtime import REQUEST_ID
from prodrome.cds_hooks.settings import Settings, is_loopback
from prodrome.cds_hooks.web import cors
from prodrome.cds_hooks.web.front import ALWAYS_ANSWERED
from prodrome.cds_hooks.web.statuses import outcome_of, status_of

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A page loads what this service ships and nothing else; an answer in JSON loads nothing at all.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_POLICY = "Content-Security-Policy"

Guard = Callable[[Request], None]
"""Looks at a request before it is answered; what it raises refuses it."""


def guards_of(settings: Settings) -> tuple[Guard, ...]:
    """The guards, in the order in which they are to look. They count calls, of all applications that share them."""
    here = (_only_here,) if settings.loopback else ()
    rate = (_rate(settings),) if settings.requests_per_minute else ()
    return (*here, _no_foreign_pages(settings), *rate)


def install_guards(app: Flask, settings: Settings) -> None:
    """Bound what is read and set the fields of every answer."""
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.wsgi_app = _finished(app.wsgi_app, settings)  # type: ignore[assignment, method-assign]
    if settings.proxies:  # believes the addresses that as many proxies as stand in front add, and no others
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    if settings.requests_per_minute and not settings.open:
        _count_refusals(app, settings)


def _only_here(asked: Request) -> None:
    """On a service for this machine only: no web page reaches it by giving a name of its own to 127.0.0.1."""
    if not _names_this_machine(asked.environ.get("HTTP_HOST", "localhost")):
        raise Invalid("This service answers on this machine only.")


def _no_foreign_pages(settings: Settings) -> Guard:
    """Let no page of elsewhere post: it could make one post without a preflight, though not read the answer."""
    known = frozenset(settings.cors_origins)

    def no_foreign_pages(asked: Request) -> None:
        theirs = asked.environ.get("HTTP_ORIGIN")
        if theirs is None or asked.method != "POST" or theirs in known:
            return
        if not _own(theirs, asked, settings):
            raise Forbidden("Pages of this origin may not post here.")

    return no_foreign_pages


def _rate(settings: Settings) -> Guard:
    """Limit the calls of one address; where tokens are asked for, of callers that no token proved only.

    The calls of each issuer are counted by :class:`Authenticator`.
    """
    by_address = Limiter(settings.requests_per_minute)

    def count(asked: Request) -> None:
        if asked.method == "OPTIONS" or asked.path in ALWAYS_ANSWERED:
            return
        if settings.open or not _asks_for_a_token(asked):
            by_address.spend(asked.remote_addr or "")

    return count


def _count_refusals(app: Flask, settings: Settings) -> None:
    """Count each refused call of an issuer's for its address.

    Over the limit the answer is 429 for them, while good tokens from the same address go on, since behind a proxy that
    the site did not name all callers share one.
    """
    refused = Limiter(settings.requests_per_minute)

    @app.after_request
    def count_refusal(response: Response) -> Response:
        if response.status_code not in (401, 404) or not _asks_for_a_token(request):
            return response
        try:
            refused.spend(request.remote_addr or "")
        except TooMany as error:
            body = orjson.dumps(outcome_of(error))
            again = {"Retry-After": str(error.retry_after)}
            return Response(body, status_of(error), again, content_type="application/json")
        return response


def _asks_for_a_token(asked: Request) -> bool:
    return asked.method == "POST" and asked.path.startswith("/cds-services/")


def _finished(app: "WSGIApplication", settings: Settings) -> "WSGIApplication":
    """Give every answer the fields that keep a browser from doing more with it than was meant, and its request's id.

    What the application said of one of them stays. As lists, and not by Flask's headers, which look through all of them
    for each that is set.
    """
    always = tuple((name.lower(), (name, value)) for name, value in data_fields(settings).items())
    origins = frozenset(settings.cors_origins)

    def finished(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = "/" + environ.get("PATH_INFO", "").lstrip("/")
        shared = cors.fields(
            path, environ.get("HTTP_ORIGIN"), origins, preflight=environ["REQUEST_METHOD"] == "OPTIONS"
        )

        def start(
            status: str, headers: "list[tuple[str, str]]", exc_info: "OptExcInfo | None" = None
        ) -> "Callable[[bytes], object]":
            said = {name.lower(): value for name, value in headers}
            if said.get("content-type", "").partition(";")[0] in ("text/html", "image/svg+xml"):
                headers += [(_POLICY, PAGE_POLICY)] if _POLICY.lower() not in said else []
                said[_POLICY.lower()] = PAGE_POLICY
            headers += [field for name, field in always if name not in said]
            if status.startswith("401") and "www-authenticate" not in said:
                headers.append(("WWW-Authenticate", "Bearer"))
            if REQUEST_ID in environ:
                headers.append(("X-Request-ID", environ[REQUEST_ID]))
            headers += shared.items()
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return finished


def data_fields(settings: Settings) -> Mapping[str, str]:
    """The header fields that every answer in JSON has."""
    fields = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        _POLICY: DATA_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if urlsplit(settings.public_url).scheme == "https":
        fields["Strict-Transport-Security"] = "max-age=31536000"
    return fields


@lru_cache(maxsize=64)
def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _own(theirs: str, asked: Request, settings: Settings) -> bool:
    parts = urlsplit(settings.public_url)
    return theirs in (f"{parts.scheme}://{parts.netloc}", asked.host_url.rstrip("/"))
