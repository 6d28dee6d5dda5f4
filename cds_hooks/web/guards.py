"""What stands before every call: one guard for each concern."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson
from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from prodrome.cds_hooks.callers import Limiter
from prodrome.cds_hooks.protocol import Forbidden, Invalid, TooMany
from prodrome.cds_hooks.settings import Settings, is_loopback
from prodrome.cds_hooks.web.front import ALWAYS_ANSWERED
from prodrome.cds_hooks.web.statuses import outcome_of, status_of

# A page loads what this service ships and nothing else; an answer in JSON loads nothing at all.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


def install_guards(app: Flask, settings: Settings) -> None:
    """Set every guard, in the order in which they look at a request."""
    for guard in (size, proxies, host, _origin, rate, headers):
        guard(app, settings)


def size(app: Flask, settings: Settings) -> None:
    """Refuse bodies that are larger than the site accepts."""
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes


def proxies(app: Flask, settings: Settings) -> None:
    """Believe the addresses that as many proxies as stand in front add to a request, and no others."""
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )


def host(app: Flask, settings: Settings) -> None:
    """On a service for this machine only: no web page reaches it by giving a name of its own to 127.0.0.1."""

    @app.before_request
    def only_here() -> None:
        if settings.loopback and not _names_this_machine(request.headers.get("Host", "localhost")):
            raise Invalid("This service answers on this machine only.")


def _origin(app: Flask, settings: Settings) -> None:
    """Let no page of elsewhere post: it could make one post without a preflight, though not read the answer."""
    known = frozenset(settings.cors_origins)

    @app.before_request
    def no_foreign_pages() -> None:
        theirs = request.headers.get("Origin")
        if request.method == "POST" and theirs is not None and theirs not in known and not _own(theirs, settings):
            raise Forbidden("Pages of this origin may not post here.")


def rate(app: Flask, settings: Settings) -> None:
    """Limit the calls of one address; where tokens are asked for, of callers that no token proved only.

    The calls of each issuer are counted by :class:`Authenticator`. Of those that were refused each counts for its
    address: over the limit the answer is 429 for them, while good tokens from the same address go on, since behind a
    proxy that the site did not name all callers share one.
    """
    by_address = Limiter(settings.requests_per_minute)
    refused = Limiter(settings.requests_per_minute)

    @app.before_request
    def count() -> None:
        if request.method == "OPTIONS" or request.path in ALWAYS_ANSWERED:
            return
        if settings.open or not _asks_for_a_token():
            by_address.spend(request.remote_addr or "")

    @app.after_request
    def count_refusal(response: Response) -> Response:
        if settings.open or response.status_code not in (401, 404) or not _asks_for_a_token():
            return response
        try:
            refused.spend(request.remote_addr or "")
        except TooMany as error:
            body = orjson.dumps(outcome_of(error))
            again = {"Retry-After": str(error.retry_after)}
            return Response(body, status_of(error), again, content_type="application/json")
        return response


def _asks_for_a_token() -> bool:
    return request.method == "POST" and request.path.startswith("/cds-services/")


def headers(app: Flask, settings: Settings) -> None:
    """Set the headers of every answer that keep a browser from doing more with it than was meant."""
    always = data_fields(settings)

    @app.after_request
    def finish(response: Response) -> Response:
        said = response.headers
        if response.mimetype in ("text/html", "image/svg+xml"):
            said.setdefault("Content-Security-Policy", PAGE_POLICY)
        there = {name.lower() for name, _ in said}
        said.extend([(name, value) for name, value in always.items() if name.lower() not in there])
        if response.status_code == 401:
            said.setdefault("WWW-Authenticate", "Bearer")
        return response


def data_fields(settings: Settings) -> Mapping[str, str]:
    """The header fields that every answer in JSON has."""
    fields = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": DATA_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if urlsplit(settings.public_url).scheme == "https":
        fields["Strict-Transport-Security"] = "max-age=31536000"
    return fields


def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _own(theirs: str, settings: Settings) -> bool:
    parts = urlsplit(settings.public_url)
    return theirs in (f"{parts.scheme}://{parts.netloc}", request.host_url.rstrip("/"))
