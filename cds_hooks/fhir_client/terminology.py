"""A terminology server: the SNOMED CT codes that an expression means (FHIR ``ValueSet/$expand``, ECL).

R4, ``ValueSet-operation-expand``: the answer comes in pages (``offset``, ``count``) until ``total`` codes came, or,
where the server does not say how many there are, until a page is empty.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prodrome.cds_hooks.fhir_client.exchange import HEADERS, Failure, is_json, issue_code

if TYPE_CHECKING:
    import httpx

_PAGE_SIZE = 1_000
MOST_CODES = 100_000
"""Codes taken of one expression: one that means more is not one of ours."""


def expand(http: "httpx.Client", base: str, expression: str) -> dict[str, str]:
    """The codes an expression means, with their displays. Raises :class:`Failure` where not all of them came."""
    found: dict[str, str] = {}
    offset = 0
    while True:
        expansion = _page(http, base, expression, offset)
        came = dict(_codes(expansion.get("contains")))
        total = expansion.get("total")
        before = len(found)
        found |= came
        offset += len(came)
        if len(found) > MOST_CODES:
            raise Failure(f"knows more than {MOST_CODES} codes of this")
        is_whole = isinstance(total, int) and offset >= total
        if is_whole or not came:
            if isinstance(total, int) and len(found) < total:
                raise Failure(f"sends {len(found)} codes where it says there are {total}")
            return found
        if len(found) == before:
            if total is None:
                return found  # it knows no pages, and sent all at once
            raise Failure("repeats its pages without end")


def _page(http: "httpx.Client", base: str, expression: str, offset: int) -> Mapping[str, Any]:
    import httpx

    url = f"http://snomed.info/sct?fhir_vs=ecl/{quote(expression, safe='')}"
    parameters = {"url": url, "offset": str(offset), "count": str(_PAGE_SIZE)}
    try:
        answer = http.get(f"{base.rstrip('/')}/ValueSet/$expand", params=parameters, headers=HEADERS)
    except httpx.TimeoutException:
        raise Failure("did not answer in time", answered=False) from None
    except httpx.HTTPError:
        raise Failure("cannot be reached", answered=False) from None
    said = _read(answer)
    if answer.status_code != 200:
        raise Failure(f"refuses ({answer.status_code}{_reason(said)})", status=answer.status_code)
    expansion = said.get("expansion") if said.get("resourceType") == "ValueSet" else None
    if not isinstance(expansion, dict):
        raise Failure(f"answers with something else than an expansion{_reason(said)}")
    return expansion


def _read(answer: "httpx.Response") -> Mapping[str, Any]:
    if not is_json(answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()):
        return {}
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _reason(said: Mapping[str, Any]) -> str:
    """The code of an OperationOutcome's first issue: too-costly, not-supported, invalid..."""
    issues = said.get("issue")
    first = issues[0] if isinstance(issues, list) and issues else {}
    return f", {issue_code(first)}" if isinstance(first, dict) and "code" in first else ""


def _codes(contains: object) -> Iterator[tuple[str, str]]:
    """The codes of an expansion, at any depth, without the headings that only group them."""
    waiting = [contains]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, dict):
            waiting.append(one.get("contains"))
            code, display = one.get("code"), one.get("display")
            if isinstance(code, str) and code.isdecimal() and one.get("abstract") is not True:
                yield code, display if isinstance(display, str) else ""
