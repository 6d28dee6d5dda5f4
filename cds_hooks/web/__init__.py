"""CDS Hooks over HTTP. The only room that makes HTTP statuses."""

from prodrome.cds_hooks.web.app import create_app, front_of
from prodrome.cds_hooks.web.health import health
from prodrome.cds_hooks.web.listening import listen
from prodrome.cds_hooks.web.workers import cores, serve

__all__ = [
    "cores",
    "create_app",
    "front_of",
    "health",
    "listen",
    "serve",
]
