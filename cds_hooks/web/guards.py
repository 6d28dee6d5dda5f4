"""How much one caller may ask, and the headers every answer carries."""

import contextlib
from urllib.parse import urlsplit

import orjson
from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from prodrome.cds_hooks.callers import Limiter, TooMany
from prodrome.cds_hooks.protocol import Refused, operation_outcome
from prodrome.cds_hooks.settings import Settings, is_loopback

_FREE_ROUTES = frozenset({"/health"})

# A page loads what this service ships and nothing else; an answer in JSON loads nothing at all.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


def install(app: Flask, settings: Settings) -> None:
    """Limit the size of bodies and the calls of one address, and set the headers of every answer.

    Where tokens are asked for, the calls of each issuer are counted by :class:`Authenticator`, and an
    address is stopped only for calls that were refused.
    """
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    by_address = Limiter(settings.requests_per_minute)
    encrypted = urlsplit(settings.public_url).scheme == "https"

    @app.errorhandler(TooMany)
    def too_many(error: TooMany) -> Response:
        body = orjson.dumps(operation_outcome(error.status, error.text))
        return Response(body, 429, {"Retry-After": str(error.retry_after)}, content_type="application/json")

    @app.before_request
    def only_here() -> None:
        # A web page must not reach a service of this machine by giving a name of its own to 127.0.0.1.
        if settings.loopback and not _names_this_machine(request.headers.get("Host", "localhost")):
            raise Refused(400, "This service answers on this machine only.")

    known = frozenset(settings.cors_origins)

    @app.before_request
    def no_foreign_pages() -> None:
        # Browsers say on whose behalf they post. A page elsewhere may make one post, though it cannot read the answer.
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin is not None and origin not in known and not _own(origin, settings):
            raise Refused(403, "Pages of this origin may not post here.")

    @app.before_request
    def count() -> None:
        if request.method == "OPTIONS" or request.path in _FREE_ROUTES:
            return
        address = request.remote_addr or ""
        if settings.open:
            by_address.spend(address)
        else:
            by_address.check(address)

    @app.after_request
    def finish(response: Response) -> Response:
        if not settings.open and response.status_code == 401:
            with contextlib.suppress(TooMany):  # this call is answered; the next is stopped
                by_address.spend(request.remote_addr or "")
        headers = response.headers
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("X-Frame-Options", "DENY")
        page = response.mimetype in ("text/html", "image/svg+xml")
        headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if encrypted:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if response.status_code == 401:
            headers.setdefault("WWW-Authenticate", "Bearer")
        return response


def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _own(origin: str, settings: Settings) -> bool:
    parts = urlsplit(settings.public_url)
    return origin in (f"{parts.scheme}://{parts.netloc}", request.host_url.rstrip("/"))
