"""Who calls, by what token, and how often."""

from prodrome.cds_hooks.callers.caller import ANYONE, Caller
from prodrome.cds_hooks.callers.limiter import Limiter
from prodrome.cds_hooks.callers.tokens import Authenticator

__all__ = [
    "ANYONE",
    "Authenticator",
    "Caller",
    "Limiter",
]
