"""One question to a FHIR server and its answer as JSON, with everything that can go wrong said in plain words.

A text here never holds anything from a chart or an address: it is shown to users and written to logs.
"""

import asyncio
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import orjson

from prodrome.cds_hooks.fhir_client.addresses import FhirServerError, NotAllowed
from prodrome.fhir_mappers import load_json

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 10_000_000
"""How much one kind of resource may take, decompressed and all pages together."""
MAX_RESOURCES = 20_000
"""How many resources one answer may hold: more are not even parsed, which takes time that others need."""
MAX_MEMBERS = 1_000_000
"""How many objects and lists one answer may hold: empty ones take a hundred times their size in memory."""
NOT_THERE = "does not have this"
"""What a server says with 404."""
DAMAGED = "sends an answer that is damaged"
TRIES = 3
_PAUSE_SECONDS = 0.25
"""Before another try, where the server does not say how long to wait."""

HEADERS = {
    "Accept": "application/fhir+json, application/json;q=0.9, application/json+fhir;q=0.8",
    "Accept-Encoding": "gzip",
}


class Failure(FhirServerError):
    """There is no usable answer. ``answered`` tells a server that said something from one that said nothing."""

    def __init__(self, text: str, *, answered: bool = True, status: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.answered = answered
        self.status = status


class _Again(Exception):
    """The same question may have an answer in a moment; ``failure`` if there is no time for it."""

    def __init__(self, failure: Failure, pause: float) -> None:
        self.failure = failure
        self.pause = pause


async def ask(
    http: "httpx.AsyncClient", request: "httpx.Request", deadline: float, room: int = MAX_ANSWER_BYTES
) -> tuple[Any, int]:
    """The JSON a server answers with, read to its end, and its size in bytes; raises :class:`Failure`.

    *deadline* is in seconds of ``time.monotonic``: no pause that ends later is begun (being late while waiting for
    the answer is the caller's to notice). Every request is a read or a search, so it may be sent again: after 429 or
    503 when the server says, after another server error or a dropped connection once.
    """
    for attempt in range(TRIES):
        try:
            return await _once(http, request, room, last=attempt == TRIES - 1, first=attempt == 0)
        except _Again as again:
            if time.monotonic() + again.pause >= deadline:
                raise again.failure from None
            await asyncio.sleep(again.pause)
    raise AssertionError("the last try answers or fails")


async def _once(
    http: "httpx.AsyncClient", request: "httpx.Request", room: int, *, last: bool, first: bool
) -> tuple[Any, int]:
    import httpx

    try:
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            _check(response, may_repeat=not last, may_repeat_error=first)
            body = await _body(response, room)
            return _parsed(body), len(body)
        finally:
            await response.aclose()
    except NotAllowed as refused:
        raise Failure(str(refused)) from None
    except httpx.TimeoutException:
        raise Failure("did not answer in time", answered=False) from None
    except httpx.ConnectError as error:
        raise Failure(_unreachable(error), answered=False) from None
    except httpx.TransportError:
        failure = Failure("broke off the connection", answered=False)
        if first:
            raise _Again(failure, 0.0) from None
        raise failure from None


def _unreachable(error: BaseException) -> str:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return "has a certificate that cannot be trusted"
    if any(isinstance(link, ssl.SSLError) for link in chain):
        return "does not speak TLS as it should"
    return "cannot be reached"


def _check(response: "httpx.Response", *, may_repeat: bool, may_repeat_error: bool) -> None:
    status = response.status_code
    if 300 <= status < 400:
        raise Failure(f"redirects elsewhere, which is not followed ({status})", status=status)
    if status >= 400:
        failure = Failure(f"{_refusal(status)} ({status})", status=status)
        if status in (429, 503) and may_repeat:
            raise _Again(failure, retry_after(response.headers.get("Retry-After")))
        if status >= 500 and may_repeat_error:
            raise _Again(failure, _PAUSE_SECONDS)
        raise failure
    if status not in WHOLE:
        raise Failure(f"gives no whole answer ({status})", status=status)
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not is_json(content_type):
        raise Failure("answers with something else than JSON")


WHOLE = frozenset({200, 201, 203})
"""The successes whose body is all there is (RFC 9110, 15.3): part of a Bundle would pass for the whole."""
JSON = ("application/json", "application/fhir+json")
_OLD_JSON = frozenset({"application/json+fhir", "text/json"})


def is_json(media_type: str) -> bool:
    """Whether a media type, lower-case and without parameters, is one of JSON; true where none is said (``""``)."""
    return not media_type or media_type in JSON or media_type in _OLD_JSON or media_type.endswith("+json")


def _refusal(status: int) -> str:
    if status >= 500:
        return "failed"
    return {
        401: "does not accept the access token",
        403: "does not allow this to be read",
        404: NOT_THERE,
        410: "does not have this any more",
        429: "is too busy",
    }.get(status, "refuses the query")


def retry_after(value: str | None) -> float:
    """Seconds to wait (RFC 9110, 10.2.3): a number, or a date."""
    if value is None:
        return _PAUSE_SECONDS
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return _PAUSE_SECONDS
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


async def _body(response: "httpx.Response", room: int) -> bytes:
    """The body, decompressed no further than *room* bytes: a small answer can unpack to any size.

    What follows the end of the compressed data is refused at once: zlib would keep all of it.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise Failure("answers in an encoding that was not asked for")
    unpack = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        if unpack and unpack.eof and chunk:
            raise Failure(DAMAGED)
        try:
            body += unpack.decompress(chunk, room + 1 - len(body)) if unpack else chunk
        except zlib.error:
            raise Failure(DAMAGED) from None
        if unpack and unpack.unused_data:
            raise Failure(DAMAGED)
        if len(body) > room:
            raise Failure("sends more than can be taken")
    if unpack and not unpack.eof:
        raise Failure("sends an answer that is cut off")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    if body.count(b'"resourceType"') > MAX_RESOURCES or body.count(b"{") + body.count(b"[") > MAX_MEMBERS:
        raise Failure("sends more than can be taken")
    try:
        return load_json(body)
    except orjson.JSONDecodeError:
        raise Failure("sends an answer that is not valid JSON") from None


ISSUE_CODES = frozenset(
    {
        *("invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired"),
        *("forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found"),
        *("deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient"),
        *("lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "informational"),
        *("limited-filter", "success"),
    }
)
"""The kinds of issue that FHIR has (http://hl7.org/fhir/issue-type, R4 and R5)."""


def errors(outcome: object) -> Iterator[str]:
    """The codes of the issues of severity error or fatal in an OperationOutcome.

    A code that FHIR does not have may be any text, of the chart too: ``unknown`` stands in its place.
    """
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    for issue in issues if isinstance(issues, list) else [issues]:
        if isinstance(issue, dict) and issue.get("severity") in ("error", "fatal"):
            yield issue_code(issue)


def issue_code(issue: Mapping[str, object]) -> str:
    """What kind of issue it is, ``unknown`` where it does not say."""
    code = issue.get("code")
    return code if isinstance(code, str) and code in ISSUE_CODES else "unknown"
