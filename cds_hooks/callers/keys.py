"""The public keys of CDS clients: which one may have signed, and key sets from where a site said (SEC-19 to 25)."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from prodrome.cds_hooks.logs import alarm, failure, log
from prodrome.cds_hooks.runtime import waiting

if TYPE_CHECKING:
    import jwt

TTL_SECONDS = 600.0
"""How long a fetched key set is used without asking again."""
STALE_SECONDS = 24 * 3600.0
"""How long the last known key set serves while its host does not answer."""
PAUSE_SECONDS = 10.0
"""Shortest time between two fetches of one key set, whatever unknown key ids callers send."""
FETCH_SECONDS = 2.0
"""Longest time a fetch takes by the clock, however the host answers."""
_WAIT_SECONDS = 1.0
"""Longest time a caller waits for a fetch."""
MOST_WAITING = 2
"""Most callers that wait for one host at once: the other threads answer those who need not wait for it."""
MAX_KEY_SET_BYTES = 256 * 1024

Key = Mapping[str, Any]

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class Unusable(Exception):
    """No key can be had; the text says why, for the log."""


class Pending(Exception):
    """The key set is being fetched, and too many wait for it already."""


def key_for(keys: Sequence[Key], kid: str, algorithm: str) -> "jwt.PyJWK":
    """The one key that *kid* names, if it is made for *algorithm*: type, curve, ``alg``, ``use`` and size.

    Raises :class:`Unusable`.
    """
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    named = [key for key in keys if key.get("kid") == kid]
    if not named:
        raise Unusable("no key has this kid")
    fitting = [key for key in named if _fits(key, algorithm)]
    if len(fitting) != 1:
        raise Unusable("the key of this kid is not made for this algorithm" if not fitting else "the kid is ambiguous")
    try:
        key = jwt.PyJWK(dict(fitting[0]), algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise Unusable("the key cannot be read") from None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < 2048:
        raise Unusable("the RSA key is shorter than 2048 bits")
    return key


def _fits(key: Key, algorithm: str) -> bool:
    operations = key.get("key_ops")
    curve = _CURVES.get(algorithm)
    kind = ("RSA", None) if curve is None else ("EC", curve)
    return (
        (key.get("kty"), key.get("crv")) == kind
        and key.get("alg") in (None, algorithm)
        and key.get("use") in (None, "sig")
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and "d" not in key  # a private key that was published proves nothing
    )


def fetch(url: str) -> Sequence[Key]:
    """The key set at *url*: one plain GET, no redirects, limited in size and by the clock. Raises :class:`Unusable`."""
    loop = asyncio.new_event_loop()
    try:
        body = loop.run_until_complete(_get(url))
    finally:
        loop.close()  # does not wait for a look-up of the name that still runs
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unusable("the key set is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise Unusable("the key set has no keys")
    return [key for key in keys if isinstance(key, dict)]


async def _get(url: str) -> bytes:
    import httpx

    body = bytearray()
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as http,
            http.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise Unusable(f"the key set was answered with status {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_KEY_SET_BYTES:
                    raise Unusable("the key set is too large")
    except TimeoutError:
        raise Unusable("the key set did not come in time") from None
    except httpx.HTTPError as error:
        raise Unusable(f"the key set cannot be fetched ({type(error).__name__})") from None
    return bytes(body)


@dataclass
class _Cached:
    changed: threading.Condition = field(default_factory=threading.Condition)
    keys: Sequence[Key] | None = None
    fetched: float = float("-inf")
    tried: float = float("-inf")
    fetching: bool = False
    waiting: int = 0
    problem: str = ""

    def names(self, kid: str) -> bool:
        return self.keys is not None and any(key.get("kid") == kid for key in self.keys)


class KeySets:
    """Key sets by address, fetched when first needed, again after a while, and when a key id is not in them.

    Each is fetched by a thread of its own. Whoever brings a known key waits for nobody; whoever brings another waits
    for the fetch a moment, unless the host failed the last time or too many wait already.
    """

    def __init__(
        self, fetch: Callable[[str], Sequence[Key]] = fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._cached: dict[str, _Cached] = {}

    def keys(self, url: str, kid: str) -> Sequence[Key]:
        """The keys at *url*, fetched anew if *kid* is not among those known.

        Raises :class:`Unusable`, or :class:`Pending` where they may be known in a moment.
        """
        with self._lock:
            cached = self._cached.setdefault(url, _Cached())
        with cached.changed:
            now = self._clock()
            known = cached.names(kid) and now - cached.fetched <= STALE_SECONDS
            if not (known and now - cached.fetched < TTL_SECONDS):
                self._begin(url, cached, now)
            wait = not known and cached.fetching and not cached.problem
        if wait:
            self._wait(cached)
        with cached.changed:
            if cached.keys is None or self._clock() - cached.fetched > STALE_SECONDS:
                raise Unusable(cached.problem or "the key set did not come in time")
            return cached.keys

    def ages(self) -> Mapping[str, float]:
        """Seconds since each key set was fetched, by its address; those never fetched are left out."""
        with self._lock:
            return {url: self._clock() - one.fetched for url, one in self._cached.items() if one.keys is not None}

    def _begin(self, url: str, cached: _Cached, now: float) -> None:
        if cached.fetching or now - cached.tried < PAUSE_SECONDS:
            return
        cached.tried = now
        cached.fetching = True
        threading.Thread(target=self._refresh, args=(url, cached, now), daemon=True, name="key set").start()

    def _wait(self, cached: _Cached) -> None:
        with waiting(), cached.changed:
            if cached.waiting == MOST_WAITING:
                if cached.keys is None:
                    raise Pending
                return
            cached.waiting += 1
            try:
                cached.changed.wait_for(lambda: not cached.fetching, _WAIT_SECONDS)
            finally:
                cached.waiting -= 1

    def _refresh(self, url: str, cached: _Cached, now: float) -> None:
        keys: Sequence[Key] | None = None
        try:
            keys = self._fetch(url)
            problem = ""
        except Unusable as unusable:
            problem = str(unusable)
        except Exception as error:
            problem = "the key set cannot be fetched"
            alarm("a key set could not be refreshed", **failure(error))
        with cached.changed:
            cached.fetching = False
            cached.problem = problem
            if keys is not None:
                cached.keys, cached.fetched = keys, now
            cached.changed.notify_all()
        if problem:
            log("a key set could not be refreshed", level=logging.WARNING, reason=problem)
