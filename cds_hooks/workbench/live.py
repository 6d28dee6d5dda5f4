"""The last calls this service answered, for a page that shows them: in memory, for minutes, where a site turned it on.

What is kept holds charts. It is never written to disk or to a log, no token is kept, and it goes on time.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import orjson

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.protocol import Refused, parse
from prodrome.cds_hooks.workbench.forgetting import Forgetting

MOST_CALLS = 50
MOST_BYTES = 20_000_000
"""Of request bodies, all calls together. What is made of one takes several times its size."""
_TOKEN = b"fhirAuthorization"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it came (UTC), what was asked, and the answer or the reason why there was none.

    ``body`` is the request without its token; empty where it was no JSON.
    """

    at: datetime
    service: str
    day: date
    body: bytes = field(repr=False)
    consultation: Consultation | None = field(repr=False)
    refused: str = ""
    seconds: float = 0.0
    key: str = field(default_factory=lambda: secrets.token_urlsafe(12))


class Calls:
    """The last calls of this process, bounded in time, number and size."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.minutes = minutes
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Call]] = {}  # the latest at the end
        self._forgetting = Forgetting(minutes * 60, self._lock, self._drop_old)

    def keep(
        self, service: str, day: date, body: bytes, consultation: Consultation | None, refused: str, seconds: float
    ) -> None:
        """Keep a call that was answered, or refused for a reason; the oldest go where there is no room."""
        at = datetime.now(UTC).replace(microsecond=0)
        call = _without_token(Call(at, service, day, body, consultation, refused, seconds))
        with self._lock:
            self._kept[call.key] = (self._clock(), call)
            self._drop_old()
            while len(self._kept) > 1 and (
                len(self._kept) > MOST_CALLS or sum(len(call.body) for _, call in self._kept.values()) > MOST_BYTES
            ):
                del self._kept[next(iter(self._kept))]
            if self._kept:
                self._forgetting.later()

    def latest(self) -> list[Call]:
        """The calls that are kept, the latest first."""
        with self._lock:
            self._drop_old()
            return [call for _, call in reversed(self._kept.values())]

    def get(self, key: str) -> Call | None:
        """One call, or None where it is gone."""
        return next((call for call in self.latest() if call.key == key), None)

    def _drop_old(self) -> bool:
        before = self._clock() - self.minutes * 60
        for key in [key for key, (at, _) in self._kept.items() if at <= before]:
            del self._kept[key]
        return bool(self._kept)


def _without_token(call: Call) -> Call:
    """A call without the access to the FHIR server, which was for this one call."""
    answered = call.consultation
    if answered is not None:
        answered = replace(answered, request=replace(answered.request, authorization=None, body=b""))
        if _TOKEN not in call.body and b"\\u" not in call.body:  # nor spelt in escapes: nothing to take out
            return replace(call, consultation=answered)
    try:
        document = parse(call.body)
    except Refused:
        return replace(call, body=b"")
    document.pop(_TOKEN.decode(), None)
    return replace(call, body=orjson.dumps(document), consultation=answered)
