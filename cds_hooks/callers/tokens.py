"""Who calls: the signed token a CDS client sends with each request (CDS Hooks 2.0.1, "Trusting CDS Clients").

A token counts if an issuer of the site's list signed it, with an asymmetric algorithm and a key of its own, for
exactly this address, lately, and if it was not used before. A caller that fails is told nothing but 401; the reason
is in the log. Nothing is fetched for a token that names an issuer or key set the site did not list.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from prodrome.cds_hooks.callers.caller import ANYONE, Caller
from prodrome.cds_hooks.callers.keys import Key, KeySets, Pending, Unusable, key_for
from prodrome.cds_hooks.callers.limiter import Limiter
from prodrome.cds_hooks.callers.used_tokens import UsedTokens
from prodrome.cds_hooks.database import Database, DatabaseAway
from prodrome.cds_hooks.logs import log
from prodrome.cds_hooks.protocol import Forbidden, Unauthorized, Unavailable
from prodrome.cds_hooks.runtime import waiting
from prodrome.cds_hooks.settings import Issuer, Settings

if TYPE_CHECKING:
    import jwt

DISCOVERY = "/cds-services"
LEEWAY_SECONDS = 60
MAX_TOKEN = 16_384
_MAX_TEXT = 1024
AGAIN = "Tokens cannot be checked now. Send the request again."
LAST_SECOND = 1e11  # in the year 5138; neither infinity nor what is no number is below it


_HALF = re.compile(r"[\ud800-\udfff]")


class Authenticator:
    """Checks tokens as *settings* say. One for the whole process: it keeps the key sets of the issuers."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database | None = None,
        key_sets: KeySets | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._issuers = {issuer.iss: issuer for issuer in settings.issuers}
        self._key_sets = key_sets or KeySets()
        self._clock = clock
        self._limiter = Limiter(settings.requests_per_minute)
        self._used = None if settings.open else UsedTokens(database or Database(settings.database_url), clock)
        if not settings.open:  # no call is to wait for these, and processes that are forked later share them
            import jwt  # noqa: F401

    def key_set_ages(self) -> Mapping[str, float]:
        """Seconds since each key set was fetched, by its address."""
        return self._key_sets.ages()

    def check(self, authorization: str | None, audience_path: str) -> Caller:
        """The caller behind an ``Authorization`` header, for a call of *audience_path* (below the base address).

        Raises :class:`Unauthorized`, :class:`Unavailable` (the same token may be sent again), :class:`Forbidden` or,
        after too many calls, :class:`TooMany`.
        """
        if self._settings.open:
            return ANYONE
        path = audience_path.rstrip("/")
        if authorization is None and path == DISCOVERY and self._settings.open_discovery:
            return ANYONE
        issuer: Issuer | None = None
        try:
            token = _bearer(authorization)
            header, claims = _unverified(token)
            issuer = self._issuer(claims)
            caller = self._caller(token, header, issuer, path)
        except Unauthorized as refusal:
            known = issuer.iss if issuer else None
            log("caller not known", level=logging.WARNING, reason=refusal.reason, issuer=known)
            raise
        self._limiter.spend(issuer.iss)
        service = path.removeprefix(DISCOVERY).strip("/").split("/")[0]
        if service and issuer.services and service not in issuer.services:
            log("caller may not use this service", level=logging.WARNING, issuer=issuer.iss)
            raise Forbidden("This client may not use this service.")
        return caller

    def _issuer(self, claims: Mapping[str, Any]) -> Issuer:
        iss = claims.get("iss")
        issuer = self._issuers.get(iss) if isinstance(iss, str) else None
        if issuer is None:
            raise Unauthorized("the issuer is not on the list")
        return issuer

    def _caller(self, token: str, header: Mapping[str, Any], issuer: Issuer, path: str) -> Caller:
        algorithm = header.get("alg")
        if algorithm not in (issuer.algorithms or self._settings.algorithms):
            raise Unauthorized("the algorithm is not accepted")
        if str(header.get("typ")).upper() != "JWT":
            raise Unauthorized("the type is not JWT")
        if "crit" in header:
            raise Unauthorized("the header names extensions that must be understood")
        kid = header.get("kid")
        if not _is_text(kid):
            raise Unauthorized("the key id is missing")
        try:
            key = key_for(self._keys(issuer, header.get("jku"), kid), kid, algorithm)
        except Unusable as problem:
            raise Unauthorized(str(problem)) from None
        except Pending:
            raise Unavailable(AGAIN, retry_after=1) from None
        claims = self._verified(token, key, algorithm, issuer, path)
        expires = self._in_time(claims)
        tenant = claims.get("tenant")
        if tenant is not None and not _is_text(tenant):
            raise Unauthorized("the tenant is not text")
        if issuer.tenants and tenant not in issuer.tenants:
            raise Unauthorized("the tenant is not on the list")
        jti = claims.get("jti")
        if not _is_text(jti):
            raise Unauthorized("the token id is missing")
        self._use_up(issuer.iss, jti, expires + LEEWAY_SECONDS)
        return Caller(issuer.iss, tenant)

    def _use_up(self, iss: str, jti: str, expires: float) -> None:
        assert self._used is not None, "an open service asks for no tokens"
        try:
            first = self._used.first_use(iss, jti, expires)
        except DatabaseAway:
            raise Unavailable(AGAIN, retry_after=1) from None
        if not first:
            raise Unauthorized("the token was used before")

    def _keys(self, issuer: Issuer, jku: object, kid: str) -> list[Key]:
        """The keys that may have signed: the site's own of this *kid*, else those at the address the token names."""
        held: Any = issuer.jwks["keys"] if issuer.jwks else []
        if any(key.get("kid") == kid for key in held):
            return list(held)
        if jku is not None and jku not in issuer.jku:
            raise Unauthorized("the key set is not on the list")
        urls = issuer.jku if jku is None else (str(jku),)
        keys: list[Key] = []
        failed: Unusable | None = None
        with waiting():  # for a key set that is fetched
            for url in urls:
                try:
                    keys += self._key_sets.keys(url, kid)
                except Unusable as unusable:  # another address may have the key
                    failed = unusable
        if failed and not any(key.get("kid") == kid for key in keys):
            raise failed
        return keys

    def _verified(self, token: str, key: "jwt.PyJWK", algorithm: str, issuer: Issuer, path: str) -> Mapping[str, Any]:
        import jwt

        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=issuer.iss,
                audience=list(self._audiences(issuer, path)),
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_sub": False},
            )
        except jwt.InvalidAudienceError:
            raise Unauthorized("the token is addressed elsewhere") from None
        except jwt.MissingRequiredClaimError:
            raise Unauthorized("the token is addressed to nobody") from None
        except jwt.InvalidSignatureError:
            raise Unauthorized("the signature is wrong") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthorized("the token cannot be read") from None

    def _audiences(self, issuer: Issuer, path: str) -> Iterable[str]:
        # The specification does not say how feedback is addressed: the address of its service is accepted too (FB-15).
        paths = {path, path.removesuffix("/feedback")}
        for address in [*(self._settings.public_url + here for here in paths), *issuer.audiences]:
            yield address
            yield address.rstrip("/") + "/"

    def _in_time(self, claims: Mapping[str, Any]) -> float:
        now = self._clock()
        expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
        if expires is None or issued is None:
            raise Unauthorized("exp or iat is missing")
        if now > expires + LEEWAY_SECONDS:
            raise Unauthorized("the token has expired")
        if issued > now + LEEWAY_SECONDS:
            raise Unauthorized("the token was issued in the future")
        if expires - issued > self._settings.token_lifetime_seconds:
            raise Unauthorized("the token lives too long")
        begins = _seconds(claims, "nbf")
        if begins is not None and begins > now + LEEWAY_SECONDS:
            raise Unauthorized("the token is not valid yet")
        return expires


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("there is no bearer token")
    if len(token) > MAX_TOKEN:
        raise Unauthorized("the token is too long")
    return token.strip()


def _unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims as the token says them, to choose the key by: nothing here is believed."""
    import jwt

    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise Unauthorized("the token cannot be read") from None
    return whole["header"], whole["payload"]


def _is_text(value: object) -> TypeGuard[str]:
    """Text that can be kept and compared: JSON also escapes halves of characters, which no encoding has."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and not _HALF.search(value)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LAST_SECOND:
        raise Unauthorized(f"{name} is not a number")
    return float(value)
