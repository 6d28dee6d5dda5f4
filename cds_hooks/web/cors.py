"""Browser-based CDS clients: the origins a site named may call and read answers, errors among them (CORS-01 to 04).

No credentials of the browser are ever accepted: a client shows who it is by its token.
"""

from collections.abc import Collection

from flask import Flask, Response, request

from prodrome.cds_hooks.settings import Settings

ALLOWED_METHODS = "GET, POST, OPTIONS"
ALLOWED_HEADERS = "Accept, Authorization, Content-Type"
EXPOSED_HEADERS = "ETag, Retry-After, X-Request-ID"
PREFLIGHT_SECONDS = 600
PATHS = ("/cds-services",)


def allow_origins(app: Flask, settings: Settings) -> None:
    """Answer preflights of discovery, services and feedback without a token, and mark what may be read elsewhere."""
    origins = frozenset(settings.cors_origins)

    @app.before_request
    def preflight() -> Response | None:
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204) if asked and _covered(request.path) else None

    @app.after_request
    def mark(response: Response) -> Response:
        found = fields(request.path, request.headers.get("Origin"), origins)
        if "Vary" in found:
            response.vary.add(found.pop("Vary"))
        response.headers.update(found)
        if found and request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
            response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response


def fields(path: str, origin: str | None, origins: Collection[str]) -> dict[str, str]:
    """What tells a browser that pages of this origin may read the answer at this path, where they may."""
    if not _covered(path):
        return {}
    if origin is None or origin not in origins:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
    }


def _covered(asked: str) -> bool:
    return any(asked == path or asked.startswith(f"{path}/") for path in PATHS)
