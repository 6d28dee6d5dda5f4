"""A read or a search, followed over its pages to the end, and how much of the answer came."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urljoin

from prodrome.cds_hooks.fhir_client.addresses import Target
from prodrome.cds_hooks.fhir_client.exchange import MAX_ANSWER_BYTES, Failure, ask, errors
from prodrome.cds_hooks.logs import alarm, failure
from prodrome.fhir_mappers import bare_id, lacks_some, next_links, total_of
from prodrome.rules import Completeness

if TYPE_CHECKING:
    import httpx

MAX_PAGES = 50
_MAX_ENTRIES = 10_000
_PAGE_SIZE = 250
LONG_QUERY = 1800
"""Characters of a query from which it is sent as POST _search: some servers cut addresses at 2,000."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_QUERY = re.compile(r"[?#]")
_INCLUDES = re.compile(r"&?_(?:rev)?include(?::iterate)?=[^&]*")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one query.

    ``value`` can stand for the prefetch value: a Bundle of all pages, the resource of a read, or an OperationOutcome
    where nothing came. A Bundle that is not whole keeps a ``next`` link, so that whoever reads it sees that.
    ``problem`` completes the sentence "the FHIR server ..." and holds nothing from the chart; ``None`` when complete.
    ``count`` is the number of matching resources, ``seconds`` the time it took.
    """

    kind: str
    value: object = field(repr=False)
    state: Completeness
    problem: str | None = None
    count: int = 0
    seconds: float = 0.0
    answered: bool = True


def missing(kind: str, problem: str, *, seconds: float = 0.0, answered: bool = True) -> Fetched:
    """Nothing came."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "incomplete", "details": {"text": f"The FHIR server {problem}."}}],
    }
    return Fetched(kind, outcome, Completeness.MISSING, problem, seconds=seconds, answered=answered)


def is_link(query: str) -> bool:
    """Whether a query is an address that came in a Bundle, rather than a search of our own."""
    return _ABSOLUTE.match(query) is not None


@dataclass(slots=True)
class Search:
    """One query under way. What came so far stays readable when the time is up (:meth:`result`)."""

    target: Target
    kind: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    patient_id: str | None = None
    entries: list[Any] = field(default_factory=list, repr=False)
    resource: object = field(default=None, repr=False)
    total: int | None = None
    problem: str | None = "did not answer in time"
    answered: bool = False
    status: int | None = None
    started: float = field(default_factory=time.monotonic)
    _before: int = 0  # the total of the queries before this one

    async def run(self, http: "httpx.AsyncClient", deadline: float) -> None:
        """Asks until there is no further page, or something stops it; raises nothing.

        Where an answer meets a mistake of ours, its kind goes without, and somebody is told.
        """
        try:
            await (self._pages if "?" in self.query else self._read)(http, deadline)
            self.problem = self._doubt()
        except Failure as stopped:
            self.answered = self.answered or stopped.answered
            self.problem, self.status = stopped.text, stopped.status
        except Exception as error:
            alarm("an answer of a FHIR server could not be read", **failure(error))
            self.answered, self.problem = True, "sends an answer that cannot be read"

    def renamed(self, kind: str) -> "Search":
        """The same question about a kind under another name."""
        query = self.query if is_link(self.query) else self.query.replace(self.kind, kind, 1)
        return Search(self.target, kind, query, self.headers, self.patient_id, started=self.started)

    def result(self) -> Fetched:
        """What came, and what is known about the rest."""
        seconds = time.monotonic() - self.started
        if self.resource is not None:
            return Fetched(self.kind, self.resource, Completeness.COMPLETE, None, 1, seconds)
        if self.total is None and not self.entries and self.problem is not None:
            return missing(self.kind, self.problem, seconds=seconds, answered=self.answered)
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "entry": list(self.entries)}
        if self.problem is not None:
            bundle["link"] = [{"relation": "next", "url": f"{self.target.base}/{self.kind}"}]
        state = Completeness.COMPLETE if self.problem is None else Completeness.INCOMPLETE
        return Fetched(self.kind, bundle, state, self.problem, sum(1 for _ in self._matches()), seconds)

    async def _read(self, http: "httpx.AsyncClient", deadline: float) -> None:
        resource, _ = await ask(http, self._request(http, f"{self.target.base}/{self.query}"), deadline)
        self.answered = True
        kind, _, bare = self.query.partition("/")
        if (
            not isinstance(resource, dict)
            or resource.get("resourceType") != kind
            or bare_id(resource.get("id")) != bare
        ):
            raise Failure("answers with another resource than was asked for")
        self.resource = resource

    async def _pages(self, http: "httpx.AsyncClient", deadline: float) -> None:
        ways = list(self._ways())
        for way, following in zip_longest(ways, ways[1:]):
            try:
                await self._follow(http, way, deadline, following)
                return
            except _Refused:
                continue

    def _ways(self) -> Iterator["_Way"]:
        """How to ask, each tried only after a server refused the one before.

        Servers are known that take no POST, that refuse a whole search for an _include they do not know or may not
        serve (what would have been included is resolved by reference later), or for pages larger than theirs.
        """
        if is_link(self.query):  # the next page of a Bundle that came in part
            yield _Way((self.query,))
            return
        plain, post = _INCLUDES.sub("", self.query), self.target.server.prefer_post
        for query in dict.fromkeys((self.query, plain)):
            paged = _paged(query)
            if len(paged.partition("?")[2]) > LONG_QUERY or post:
                yield _Way((paged,), post=True)
                yield _Way(tuple(_shorter(paged)))
            else:
                yield _Way((paged,))
        if _paged(plain) != plain:
            yield _Way(tuple(_shorter(plain)), post=post, after=_OF_A_PARAMETER)

    async def _follow(self, http: "httpx.AsyncClient", way: "_Way", deadline: float, following: "_Way | None") -> None:
        """Every page of every query of one way. Raises :class:`_Refused` for a refusal that *following* may not get."""
        room = MAX_ANSWER_BYTES
        seen: set[str] = set()
        for query in way.queries:
            self._before = self.total or 0
            request, url = self._first(http, query, post=way.post)
            while url:
                seen.add(url)
                try:
                    bundle, size = await ask(http, request, deadline, room)
                    _check(bundle)
                except Failure as refusal:
                    if following is None or len(seen) > 1 or not following.helps(refusal):
                        raise
                    raise _Refused from None
                if following and following.after is None and len(seen) == 1 and _reports_errors(bundle):
                    raise _Refused
                self.answered = True
                room -= size
                self._take(bundle)
                url = _next(bundle, url) or ""
                if url in seen:
                    raise Failure("repeats its pages without end")
                if url and (len(seen) >= MAX_PAGES or len(self.entries) >= _MAX_ENTRIES or room <= 0):
                    raise Failure("has more than can be taken")
                if url:
                    request = self._request(http, url)

    def _take(self, bundle: Mapping[str, Any]) -> None:
        entries = bundle.get("entry")
        if entries is None:
            entries = []
        if not isinstance(entries, list):
            raise Failure("sends a Bundle that cannot be read")
        self.total = max(self.total or 0, self._before + max(0, total_of(bundle) or 0))
        space = _MAX_ENTRIES - len(self.entries)
        self.entries += entries[:space]
        if len(entries) > space:
            raise Failure("has more than can be taken")

    def _doubt(self) -> str | None:
        """Why the answer may not be all there is although no page is left."""
        matches = list(self._matches())
        if any(True for entry in self.entries for _ in errors(_resource_of(entry, "OperationOutcome"))):
            return "reports a problem with part of its answer"
        if self.patient_id and any(_of_another(resource, self.patient_id) for resource in matches):
            return "answers with other patients' data"
        if self.total and not is_link(self.query) and self._lacks_some(self.total, matches):
            return "sends less than it says there is"
        return None

    def _lacks_some(self, total: int, matches: Sequence[Mapping[str, Any]]) -> bool:
        """Against the total of all pages; of the pages after a first one that came by itself nobody knows it here."""
        identified = {str(resource["id"]) for resource in matches if "id" in resource}
        different = len(identified) + sum("id" not in resource for resource in matches)
        outcomes = sum(bool(_resource_of(entry, "OperationOutcome")) for entry in self.entries)
        included = len(self.entries) - len(matches) - outcomes
        once = len({_reference_of(entry) for entry in self.entries} - {None}) - different  # one that two pages include
        return all(lacks_some(total, different, count, outcomes) for count in {included, max(once, 0)})

    def _matches(self) -> Iterator[Mapping[str, Any]]:
        for entry in self.entries:
            mode = entry.get("search") if isinstance(entry, dict) else None
            resource = _resource_of(entry, self.kind)
            if resource and (mode.get("mode") if isinstance(mode, dict) else None) not in ("include", "outcome"):
                yield resource

    def _first(self, http: "httpx.AsyncClient", query: str, *, post: bool) -> "tuple[httpx.Request, str]":
        if is_link(query):
            return self._request(http, query), query
        url = f"{self.target.base}/{query}"
        if not post:
            return self._request(http, url), url
        path = f"{self.target.base}/{query.partition('?')[0]}/_search"
        return self._request(http, path, form=_parsed(url).query), url

    def _request(self, http: "httpx.AsyncClient", url: str, *, form: bytes | None = None) -> "httpx.Request":
        """A question to this server: a GET, or a POST of a form. Raises :class:`Failure` for any other address."""
        if not self.target.covers(url):
            raise Failure("continues its answer at another address, which is not followed")
        address = _parsed(url)
        if form is None:
            return http.build_request("GET", address, headers=dict(self.headers))
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded"}
        return http.build_request("POST", address, content=form, headers=headers)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to ask: the queries that make up the whole, by POST or by GET, and the refusals that it is for."""

    queries: tuple[str, ...]
    post: bool = False
    after: frozenset[int] | None = None  # statuses; None for any

    def helps(self, refusal: Failure) -> bool:
        """Whether a server that refused the way before may take this one."""
        if self.after is not None:
            return refusal.status in self.after
        return refusal.answered and refusal.status not in _NOT_THE_WAY


class _Refused(Exception):
    """The server does not take a question asked in this way; another is left."""


_NOT_THE_WAY = frozenset({401, 429, 503})  # statuses that no other way to ask would change
_OF_A_PARAMETER = frozenset({400, 422, 501})


def _check(bundle: object) -> None:
    if not isinstance(bundle, dict) or bundle.get("resourceType") not in ("Bundle", "OperationOutcome"):
        raise Failure("answers with something else than a Bundle")
    if bundle["resourceType"] == "OperationOutcome":
        raise Failure(f"reports a problem ({', '.join(errors(bundle)) or 'no data'})")


def _reports_errors(bundle: Mapping[str, Any]) -> bool:
    entries = bundle.get("entry")
    return isinstance(entries, list) and any(
        True for entry in entries for _ in errors(_resource_of(entry, "OperationOutcome"))
    )


def _parsed(url: str) -> "httpx.URL":
    """An address that can be asked; one that is too long, for instance, cannot. Raises :class:`Failure`."""
    import httpx

    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        raise Failure("has no address for this that can be asked") from None


def _paged(query: str) -> str:
    """The query with our page size, where it names none."""
    path, _, parameters = query.partition("?")
    if "_count" in dict(parse_qsl(parameters)):
        return query
    return f"{path}?{parameters}&_count={_PAGE_SIZE}" if parameters else f"{path}?_count={_PAGE_SIZE}"


def _shorter(query: str) -> Iterator[str]:
    """The same question as several queries that fit into an address: a long list of alternatives in parts."""
    path, _, parameters = query.partition("?")
    if len(parameters) <= LONG_QUERY:
        yield query
        return
    named = [parameter.partition("=") for parameter in parameters.split("&")]
    longest = max(range(len(named)), key=lambda index: len(named[index][2]))
    name, _, values = named[longest]
    room = LONG_QUERY - (len(parameters) - len(values))
    rest = "".join(f"&{each}={value}" for index, (each, _, value) in enumerate(named) if index != longest)
    part: list[str] = []
    size = 0
    for value in values.split(","):
        if part and size + len(value) > room:
            yield f"{path}?{name}={','.join(part)}{rest}"
            part, size = [], 0
        part.append(value)
        size += len(value) + 1
    yield f"{path}?{name}={','.join(part)}{rest}"


def _next(bundle: Mapping[str, Any], current: str) -> str | None:
    for link in next_links(bundle):
        if not isinstance(link.get("url"), str):
            raise Failure("sends a Bundle that cannot be read")
        try:
            return str(urljoin(current, link["url"]))
        except ValueError:
            raise Failure("sends a Bundle that cannot be read") from None
    return None


def _resource_of(entry: object, kind: str) -> Mapping[str, Any]:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return resource if isinstance(resource, dict) and resource.get("resourceType") == kind else {}


def _reference_of(entry: object) -> tuple[str, str] | None:
    """Type and id of the resource of an entry, but for an OperationOutcome."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") == "OperationOutcome":
        return None
    return str(resource.get("resourceType")), str(resource.get("id"))


def _of_another(resource: Mapping[str, Any], patient_id: str) -> bool:
    """Whether a resource says that it is about another patient than the one asked for."""
    subjects: Sequence[object] = [resource.get("subject"), resource.get("patient")]
    if resource.get("resourceType") == "Appointment":
        participants = resource.get("participant")
        parts = participants if isinstance(participants, list) else [participants]
        actors = [part.get("actor") for part in parts if isinstance(part, dict)]
        patients = [patient for actor in actors if (patient := _patient(actor))]
        return bool(patients) and patient_id not in patients
    return any(patient not in (None, patient_id) for patient in map(_patient, subjects))


def _patient(reference: object) -> str | None:
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str):
        return None
    segments = _QUERY.split(text, 1)[0].partition("/_history/")[0].split("/")
    return segments[-1] if len(segments) > 1 and segments[-2] == "Patient" else None
