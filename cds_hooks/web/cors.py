"""Browser-based CDS clients: the origins a site named may call and read answers, errors among them (CORS-01 to 04).

No credentials of the browser are ever accepted: a client shows who it is by its token.
"""

from flask import Flask, Response, request

from prodrome.cds_hooks.settings import Settings

ALLOWED_METHODS = "GET, POST, OPTIONS"
ALLOWED_HEADERS = "Accept, Authorization, Content-Type"
EXPOSED_HEADERS = "ETag, Retry-After, X-Request-ID"
PREFLIGHT_SECONDS = 600
PATHS = ("/cds-services",)


def install(app: Flask, settings: Settings) -> None:
    """Answer preflights of discovery, services and feedback without a token, and mark what may be read elsewhere."""
    origins = frozenset(settings.cors_origins)

    @app.before_request
    def preflight() -> Response | None:
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204) if asked and _covered() else None

    @app.after_request
    def mark(response: Response) -> Response:
        if not _covered():
            return response
        response.vary.add("Origin")
        if request.headers.get("Origin") not in origins:
            return response
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
            response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response


def _covered() -> bool:
    return any(request.path == path or request.path.startswith(f"{path}/") for path in PATHS)
