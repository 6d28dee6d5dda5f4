"""CDS Hooks over HTTP. The only room that makes HTTP statuses."""

from prodrome.cds_hooks.web.app import create_app
from prodrome.cds_hooks.web.health import health

__all__ = [
    "create_app",
    "health",
]
