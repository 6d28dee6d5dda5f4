"""``prodrome sandbox URL``: puts the example patients into a sandbox FHIR server."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.example_patients import Example, examples, in_parts, resources, transaction
from prodrome.rules.guideline import Guideline

if TYPE_CHECKING:
    import httpx

_SECONDS = 60.0


class LoadingError(TesterError):
    """The server did not take the patients; the text says why, for the tester."""


def load(
    url: str,
    guideline: Guideline,
    today: date,
    *,
    token: str | None = None,
    chosen: Iterable[Example] | None = None,
    progress: Callable[[str], None] = lambda said: None,
) -> int:
    """Writes the example patients to the R4 server at *url*; how many resources that were.

    Every resource is put under its own id, a few patients at a time and each lot all or nothing, so it may be done
    again at any time: on another day the dates follow. Raises :class:`LoadingError`.
    """
    import httpx

    headers = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    written = 0
    with httpx.Client(headers=headers, timeout=_SECONDS) as http:
        _is_r4(http, url)
        for lot in in_parts(tuple(chosen or examples())):
            made = [resource for example in lot for resource in resources(example, guideline, today)]
            answer = _asked(http, "POST", url, transaction(made))
            entries = answer.get("entry", [])
            failed = [
                entry for entry in entries if not str(entry.get("response", {}).get("status", "")).startswith("2")
            ]
            if failed or len(entries) != len(made):
                raise LoadingError(f"The server refused {len(failed) or 'some'} of {len(made)} resources.")
            written += len(made)
            progress(f"{written} resources written")
    return written


def _is_r4(http: "httpx.Client", url: str) -> None:
    version = str(_asked(http, "GET", f"{url}/metadata").get("fhirVersion", ""))
    if not version.startswith("4."):
        raise LoadingError(f"The server speaks FHIR {version or 'of a version it does not say'}; the patients are R4.")


def _asked(http: "httpx.Client", method: str, url: str, body: object = None) -> Any:
    """The JSON object the server answers with."""
    import httpx

    try:
        answer = http.request(method, url, json=body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LoadingError(f"The server cannot be reached ({type(error).__name__}).") from None
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not answer.is_success:
        raise LoadingError(f"The server refused with {answer.status_code}. {_reason(document)}".strip())
    if not isinstance(document, dict):
        raise LoadingError("The server answers with something else than FHIR.")
    return document


def _reason(outcome: object) -> str:
    """The first issue of an OperationOutcome, in the server's words: the patients are fictional."""
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    first = issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}
    details = first.get("details")
    return str(first.get("diagnostics") or (details.get("text") if isinstance(details, dict) else None) or "")
