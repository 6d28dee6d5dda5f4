"""Browser-based CDS clients: the origins a site named may call and read answers, errors among them (CORS-01 to 04).

No credentials of the browser are ever accepted: a client shows who it is by its token.
"""

from collections.abc import Collection, Mapping

from flask import Request

ALLOWED_METHODS = "GET, POST, OPTIONS"
ALLOWED_HEADERS = "Accept, Authorization, Content-Type"
EXPOSED_HEADERS = "ETag, Retry-After, X-Request-ID"
PREFLIGHT_SECONDS = 600
PATH = "/cds-services"

_UNREAD: Mapping[str, str] = {"Vary": "Origin"}
_PREFLIGHT: Mapping[str, str] = {
    "Access-Control-Allow-Methods": ALLOWED_METHODS,
    "Access-Control-Allow-Headers": ALLOWED_HEADERS,
    "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
}


def is_preflight(asked: Request) -> bool:
    """Whether a browser asks if a page may call discovery, a service or feedback: it is told without a token."""
    return asked.method == "OPTIONS" and "Access-Control-Request-Method" in asked.headers and _covers(asked.path)


def fields(path: str, origin: str | None, origins: Collection[str], *, preflight: bool = False) -> Mapping[str, str]:
    """What tells a browser that pages of this origin may read the answer at this path, where they may."""
    if not _covers(path):
        return {}
    if origin is None or origin not in origins:
        return _UNREAD
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        **(_PREFLIGHT if preflight else {}),
    }


def _covers(path: str) -> bool:
    return path == PATH or path.startswith(f"{PATH}/")
