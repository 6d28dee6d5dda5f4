"""A bulk export from a FHIR server: Bulk Data Access 2.0, as a client with SMART Backend Services.

What a stopped client needs to go on is on disk: the address of the status beside the files that came, and each file as
far as it came. Servers are slow, busy and forgetful: every step waits when it is told to, and is tried again.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import orjson

from prodrome.cds_hooks.fhir_client.addresses import Allowing, NotAllowed, Target, allowed, origin
from prodrome.cds_hooks.fhir_client.backend_services import BackendTokens
from prodrome.cds_hooks.fhir_client.exchange import Failure, retry_after
from prodrome.cds_hooks.fhir_client.transport import CheckedTransport
from prodrome.fhir_mappers import SHARED_KINDS

STATE, MANIFEST = ".export.json", "manifest.json"
TRIES = 6
LONGEST_PAUSE = 300.0
"""Seconds: a server that says to wait longer is asked again all the same."""
PARALLEL = 4
READ_SECONDS = 300.0
BATCH, MOST_REFERENCES = 50, 50_000
"""Resources asked for by id at once, and at most: those that others refer to and the export left out."""
MOST_BYTES = 64 * 1024 * 1024
"""Of an answer that is held in memory: a manifest, or a page of a search."""
LONGEST_LINE = 1024 * 1024
"""Read at once of a file that has no line breaks."""

Progress = Callable[[str], None]
Transport = Callable[[Target], httpx.AsyncBaseTransport]

_REFERRED = re.compile(rb'"(%s)/([A-Za-z0-9\-.]{1,64})"' % "|".join(SHARED_KINDS).encode())
_FHIR = "application/fhir+json"
UNREADABLE = "names an address that cannot be read"


@dataclass(frozen=True)
class Ask:
    """What to export: of everybody, of all ``patients``, or of a ``group``; ``filters`` are searches by kind."""

    server: str
    kinds: tuple[str, ...]
    filters: tuple[str, ...] = ()
    group: str | None = None
    patients: bool = False
    since: str | None = None

    def url(self, *, filtered: bool = True, shared: bool = True) -> str:
        """The address that begins the export; without the filters, or without the kinds that are no patient's own."""
        level = f"/Group/{self.group}" if self.group else "/Patient" if self.patients else ""
        asked = [("_type", ",".join(kind for kind in self.kinds if shared or kind not in SHARED_KINDS))]
        asked += [("_since", self.since)] if self.since else []
        asked += [("_typeFilter", one) for one in self.filters] if filtered else []
        return f"{self.server}{level}/$export?{urlencode(asked)}"


@dataclass
class Exported:
    """What came: files by kind with their rows, and what is to be told of it."""

    rows: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    time: str = ""


def export(
    ask: Ask,
    settings: Allowing,
    out: Path,
    *,
    token: str | None = None,
    progress: Progress = lambda _: None,
    transport: Transport = CheckedTransport,
    pause: float = 2.0,
) -> Exported:
    """Export to ``out``, or go on with an export that was stopped. Raises :class:`Failure` and :class:`NotAllowed`.

    *pause* is the first wait, in seconds, where the server does not say how long; it doubles with each.
    """
    target = allowed(ask.server, settings)
    return asyncio.run(_Export(ask, settings, target, out, token, progress, transport, pause).run())


class _Gone(Exception):
    """The server no longer knows the export."""


class _Export:
    def __init__(
        self,
        ask: Ask,
        settings: Allowing,
        target: Target,
        out: Path,
        token: str | None,
        progress: Progress,
        transport: Transport,
        pause: float,
    ) -> None:
        self._ask, self._settings, self._target, self._out = ask, settings, target, out
        self._token, self._progress, self._transport, self._pause = token, progress, transport, pause
        backend = target.server.backend
        self._tokens = BackendTokens(target, backend) if backend and not token else None
        self._clients: dict[tuple[str, str, int], httpx.AsyncClient] = {}
        self._exported = Exported()

    async def run(self) -> Exported:
        """Begin or go on, wait, download, and write the manifest when all is there."""
        self._out.mkdir(parents=True, exist_ok=True)
        if (self._out / MANIFEST).exists():
            raise Failure(f"has nothing more to give: {self._out} holds a whole export already")
        try:
            status = self._begun() or await self._kick_off()
            try:
                manifest = await self._poll(status)
            except _Gone:
                (self._out / STATE).unlink()
                raise Failure("no longer knows the export that was begun: run again to begin another") from None
            await self._download(manifest)
            await self._referred(manifest)
            self._exported.time = str(manifest.get("transactionTime", ""))
            self._write(MANIFEST, manifest)
            (self._out / STATE).unlink()
            with contextlib.suppress(Failure, httpx.HTTPError):
                async with self._asked("DELETE", status, {}):
                    pass  # a courtesy: the server may drop its files
        finally:
            for client in self._clients.values():
                await client.aclose()
        return self._exported

    # The request, and its status

    def _begun(self) -> str | None:
        """The status address of an export that was stopped."""
        try:
            state = json.loads((self._out / STATE).read_bytes())
            request, status = str(state["request"]), str(state["status"])
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError, RecursionError):
            raise Failure(f"cannot go on: {self._out / STATE} is not as an export that was begun leaves it") from None
        if request != self._ask.url():
            raise Failure(f"is asked for something else than what {self._out} holds the beginning of")
        self._progress("going on with the export that was begun")
        return status

    async def _kick_off(self) -> str:
        """Begin the export: as a whole, or with what of it the server takes."""
        headers = {"Accept": _FHIR, "Prefer": "respond-async"}
        ways: dict[str, bool] = {}  # address -> whether it filters; some servers export with patients only their own
        for filtered, shared in ((True, True), (True, False), (False, True), (False, False)):
            ways.setdefault(self._ask.url(filtered=filtered, shared=shared), filtered)
        refused: Failure | None = None
        for url, filtered in ways.items():
            try:
                status = await self._kicked(url, headers)
            except Failure as failure:
                if failure.status not in (400, 414, 422, 501):
                    raise
                refused = refused or failure
                continue
            if self._ask.filters and not filtered:
                self._exported.notes.append("The server does not take _typeFilter: more rows come than are read.")
            self._write(STATE, {"request": self._ask.url(), "status": status})
            return status
        assert refused is not None
        raise refused

    async def _kicked(self, url: str, headers: Mapping[str, str]) -> str:
        async with self._asked("GET", url, headers) as response:
            where = response.headers.get("Content-Location", "")
            if response.status_code != 202 or not where:
                raise Failure("does not begin a bulk export", status=response.status_code)
            return _joined(url, where)

    async def _poll(self, status: str) -> dict[str, Any]:
        pause = self._pause
        while True:
            try:
                async with self._asked("GET", status, {"Accept": "application/json"}) as response:
                    if response.status_code != 202:
                        return _manifest(await _whole(response))
                    said = response.headers.get("X-Progress", "")
                    wait = response.headers.get("Retry-After")
            except Failure as failure:
                if failure.status in (404, 410):
                    raise _Gone from None
                raise
            self._progress(f"the server is exporting{f' ({said[:60]})' if said.isprintable() and said else ''}")
            await asyncio.sleep(min(retry_after(wait) if wait else pause, LONGEST_PAUSE))
            pause = min(pause * 2, 60.0)

    # The files

    async def _download(self, manifest: Mapping[str, Any]) -> None:
        names: dict[str, tuple[str, int | None, str]] = {}
        numbers: dict[str, int] = {}
        for listed, folder in (("output", ""), ("deleted", "deleted/"), ("error", "error/")):
            for item in _objects(manifest, listed):
                kind, url, count = item.get("type"), item.get("url"), item.get("count")
                if not isinstance(kind, str) or not kind.isalpha() or not isinstance(url, str):
                    raise Failure("sends a manifest that cannot be read")
                numbers[folder + kind] = numbers.get(folder + kind, 0) + 1
                name = f"{folder}{numbers[folder + kind]}.{kind}.ndjson"
                names[name] = (url, count if isinstance(count, int) else None, "" if folder else kind)
        needs_token = manifest.get("requiresAccessToken") is not False
        room = asyncio.Semaphore(PARALLEL)

        async def one(name: str) -> None:
            url, count, kind = names[name]
            async with room:
                rows = await self._file(name, url, count, needs_token)
            if kind:
                self._exported.rows[kind] = self._exported.rows.get(kind, 0) + rows
            self._progress(f"{name}: {rows} rows")

        tasks = [asyncio.ensure_future(one(name)) for name in names]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _file(self, name: str, url: str, count: int | None, needs_token: bool) -> int:
        """Download a file, from where it was left; once more where it has fewer rows than promised. How many it has."""
        path = self._out / name
        path.parent.mkdir(exist_ok=True)
        for is_last in (False, True):
            if not path.exists():
                await self._fetch(path, url, needs_token)
            rows = _rows(path)
            if count is None or rows >= count:
                return rows
            if not is_last:
                path.unlink()
        self._exported.notes.append(f"{name}: the manifest promises {count} rows, {rows} came.")
        return rows

    async def _fetch(self, path: Path, url: str, needs_token: bool) -> None:
        part, tag = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.tag")
        pause = self._pause
        for attempt in range(TRIES):
            held = part.stat().st_size if part.exists() else 0
            headers = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "identity"}
            if held and tag.exists():
                headers |= {"Range": f"bytes={held}-", "If-Range": tag.read_text()}
            try:
                async with self._asked("GET", url, headers, needs_token=needs_token) as response:
                    goes_on = response.status_code == 206
                    version = response.headers.get("ETag", "")
                    # What comes packed has no bytes to go on from.
                    packed = response.headers.get("Content-Encoding", "identity") != "identity"
                    if version and not version.startswith("W/") and not packed:
                        tag.write_text(version)
                    else:
                        tag.unlink(missing_ok=True)
                    with part.open("ab" if goes_on else "wb") as stream:
                        async for chunk in response.aiter_bytes():
                            stream.write(chunk)
                part.replace(path)
                tag.unlink(missing_ok=True)
                return
            except httpx.RequestError:
                if attempt == TRIES - 1:
                    raise Failure("broke off a file again and again", answered=False) from None
                await self._again("broke off a file", pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    # What the export left out

    async def _referred(self, manifest: dict[str, Any]) -> None:
        """Fetch the Medications and PractitionerRoles that rows refer to and that did not come with them."""
        wanted: dict[str, dict[str, None]] = {}
        for path in sorted(self._out.glob("*.ndjson")):
            for kind, id_ in _references(path):
                wanted.setdefault(kind, {})[id_] = None
        for kind in sorted(set(wanted) & set(self._ask.kinds)):
            for path in self._out.glob(f"*.{kind}.ndjson"):
                for id_ in _ids(path):
                    wanted[kind].pop(id_, None)
            missing = list(wanted[kind])
            if len(missing) > MOST_REFERENCES:
                self._exported.notes.append(
                    f"{kind}: {len(missing)} are referred to and did not come; too many to ask."
                )
            elif missing:
                await self._by_id(kind, missing, manifest)

    async def _by_id(self, kind: str, ids: Sequence[str], manifest: dict[str, Any]) -> None:
        found: list[bytes] = []
        for start in range(0, len(ids), BATCH):
            asked = urlencode({"_id": ",".join(ids[start : start + BATCH]), "_count": BATCH})
            url: str | None = f"{self._ask.server}/{kind}?{asked}"
            seen: set[str] = set()
            while url:
                if url in seen or len(seen) > BATCH:
                    raise Failure("repeats its pages without end")
                seen.add(url)
                async with self._asked("GET", url, {"Accept": _FHIR}) as response:
                    bundle = _loaded(await _whole(response))
                found += [
                    orjson.dumps(entry["resource"]) + b"\n"
                    for entry in _objects(bundle, "entry")
                    if isinstance(entry.get("resource"), dict) and entry["resource"].get("resourceType") == kind
                ]
                following = [one.get("url") for one in _objects(bundle, "link") if one.get("relation") == "next"]
                url = _joined(url, following[0]) if following and isinstance(following[0], str) else None
        name = f"referred.{kind}.ndjson"
        (self._out / name).write_bytes(b"".join(found))
        self._exported.rows[kind] = self._exported.rows.get(kind, 0) + len(found)
        manifest.setdefault("output", []).append({"type": kind, "url": name, "count": len(found)})
        if len(found) < len(ids):
            self._exported.notes.append(f"{kind}: {len(ids) - len(found)} are referred to and could not be had.")

    # HTTP

    @contextlib.asynccontextmanager
    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], *, needs_token: bool = True
    ) -> AsyncIterator[httpx.Response]:
        """An answer that is no refusal; what may pass is waited for. Raises :class:`Failure`."""
        pause, client = self._pause, self._client(url)
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                authorized = dict(headers) | (await self._authorization(client) if needs_token else {})
                response = await client.send(client.build_request(method, url, headers=authorized), stream=True)
            except httpx.InvalidURL:
                raise Failure(UNREADABLE) from None
            except httpx.RequestError:
                if last:
                    raise Failure("cannot be reached", answered=False) from None
                await self._again("cannot be reached", pause)
            else:
                status = response.status_code
                if status < 300:
                    try:
                        yield response
                    finally:
                        await response.aclose()
                    return
                wait = response.headers.get("Retry-After")
                await response.aclose()
                if status == 401 and self._tokens and not attempt:
                    self._tokens.forget()
                    continue
                if last or not (status == 429 or status >= 500) or status == 501:
                    raise Failure(f"refuses a step of the export ({status})", status=status)
                await self._again(f"answers {status}", min(retry_after(wait) if wait else pause, LONGEST_PAUSE))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _again(self, why: str, seconds: float) -> None:
        """Wait before a step is tried again, and say so: whoever typed an address that nobody answers need not wait."""
        self._progress(f"the server {why}; asked again in {seconds:.0f} s")
        await asyncio.sleep(seconds)

    async def _authorization(self, client: httpx.AsyncClient) -> dict[str, str]:
        if self._token:
            return {"Authorization": f"Bearer {self._token}"}
        if self._tokens is None:
            return {}
        home = self._client(self._ask.server)
        token = await self._tokens.get(home, self._transport, time.monotonic() + READ_SECONDS)
        return {"Authorization": f"Bearer {token}"}

    def _client(self, url: str) -> httpx.AsyncClient:
        """A client for where an address leads: to the FHIR server itself, or to one that the site lists, too.

        Raises :class:`Failure` for an address that cannot be read, and :class:`NotAllowed` for one of any other server.
        """
        try:
            parts = urlsplit(url)
            key = origin(parts)
        except ValueError:
            raise Failure(UNREADABLE) from None
        if "@" in parts.netloc or not url.isprintable():
            raise Failure(UNREADABLE)
        if key not in self._clients:
            target = self._target
            if key != target.origin:
                listed = [one for one in self._settings.fhir_servers if origin(urlsplit(one.url)) == key]
                if not listed:
                    raise NotAllowed("sends to another server, which is not on the list of allowed FHIR servers")
                target = Target(f"{parts.scheme}://{parts.netloc}", listed[0])
            self._clients[key] = httpx.AsyncClient(
                transport=self._transport(target), timeout=httpx.Timeout(READ_SECONDS, connect=30.0), trust_env=False
            )
        return self._clients[key]

    def _write(self, name: str, content: object) -> None:
        unfinished = self._out / f"{name}.unfinished"
        unfinished.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        unfinished.replace(self._out / name)


def transaction_time(out: Path) -> str | None:
    """When the whole export in a folder, or the last of what changed since, was taken."""
    times = []
    for path in out.rglob(MANIFEST):
        with contextlib.suppress(ValueError):
            content = json.loads(path.read_bytes())
            times += [content["transactionTime"]] if isinstance(content.get("transactionTime"), str) else []
    return max(times, default=None)


def _joined(base: str, url: str) -> str:
    try:
        return str(httpx.URL(base).join(url))
    except httpx.InvalidURL:
        raise Failure(UNREADABLE) from None


async def _whole(response: httpx.Response) -> bytes:
    """The body, unpacked no further than ``MOST_BYTES``. Raises :class:`Failure`."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise Failure("sends more than can be taken")
    except httpx.RequestError:
        raise Failure("broke off an answer", answered=False) from None
    return bytes(body)


def _manifest(body: bytes) -> dict[str, Any]:
    content = _loaded(body)
    output, time_ = content.get("output"), content.get("transactionTime", "")
    try:
        datetime.fromisoformat(time_ or "1970-01-01")
    except (ValueError, TypeError):
        raise Failure("sends a manifest that cannot be read") from None
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        raise Failure("sends a manifest that cannot be read")
    return content


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Failure("sends an answer that is not valid JSON") from None
    if not isinstance(content, dict):
        raise Failure("sends an answer that is not a JSON object")
    return content


def _objects(parent: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    values = parent.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file; one without end comes in parts."""
    with path.open("rb") as stream:
        while line := stream.readline(LONGEST_LINE):
            yield line


def _rows(path: Path) -> int:
    return sum(1 for line in _lines(path) if not line.isspace())


def _references(path: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(path):
        for kind, id_ in _REFERRED.findall(line):
            yield kind.decode(), id_.decode()


def _ids(path: Path) -> Iterable[str]:
    for line in _lines(path):
        with contextlib.suppress(orjson.JSONDecodeError):
            row = orjson.loads(line)
            if isinstance(row, dict):
                yield str(row.get("id"))
