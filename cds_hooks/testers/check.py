"""A client for any CDS Hooks service, which checks what it answers: ``prodrome check URL``.

Discovery is read, each service is called with its own prefetch (filled from a FHIR server where one is named), and
then with requests that no client should send. Every fault names the requirement it breaks (``docs/conformance.md``).
Nothing is written to the service: no feedback but an empty one.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from prodrome.cds_hooks.fhir_client import NOT_THERE, complete, resolve
from prodrome.cds_hooks.protocol import HOOKS, Fault, FhirAuthorization, HookRequest, discovery_faults, response_faults
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.orders import DRAFT_ID, draft_order
from prodrome.cds_hooks.testers.servers import allowing
from prodrome.rules import Completeness
from prodrome.rules.guideline import ICD10CM, load_guideline

_SECONDS = 30.0
SLOW_SECONDS = 0.5
"""What the specification asks of a service (REQ-20)."""
_FETCH_SECONDS = 20.0
_TOKEN_SECONDS = 300

SHOULD = frozenset(
    {"CARD-06", "CARD-16", "DISC-06", "DISC-13", "EXT-02", "RSP-07", "RSP-11", "RSP-13", "SRC-07", "REQ-20", "GEN-11"}
)
"""The requirements a service may leave unmet for good reason: remarked, not held against it."""

_NOBODY = "prodrome-nobody"
_USER = "Practitioner/prodrome-tester"


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One request and what was found wrong with its answer."""

    what: str
    seconds: float
    said: str
    faults: tuple[Fault, ...]

    @property
    def verdict(self) -> str:
        """``ok``; ``remark`` where only a SHOULD was broken; ``FAULT``."""
        if any(fault.requirement not in SHOULD for fault in self.faults):
            return "FAULT"
        return "remark" if self.faults else "ok"


@dataclass(frozen=True, slots=True)
class PrefetchSource:
    """Where the prefetch comes from: a FHIR server and a patient on it."""

    url: str
    patient_id: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """How the client proves itself: a private key (PEM), and the issuer and key id the service knows it by."""

    key: str = field(repr=False)
    issuer: str
    kid: str

    def headers(self, url: str) -> dict[str, str]:
        """A fresh token for one request (CDS Hooks, "Trusting CDS Clients")."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": url, "iat": now, "exp": now + _TOKEN_SECONDS, "jti": str(uuid.uuid4())}
        algorithm = _algorithm(self.key)
        token = jwt.encode(claims, self.key, algorithm=algorithm, headers={"kid": self.kid, "typ": "JWT"})
        return {"Authorization": f"Bearer {token}"}


_BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def _algorithm(key: str) -> str:
    """The algorithm that a private key (PEM) signs with. Raises :class:`TesterError` for what is none of its kinds."""
    try:
        read = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        read = None
    if isinstance(read, RSAPrivateKey):
        return "RS384"
    if isinstance(read, EllipticCurvePrivateKey) and read.curve.name in _BY_CURVE:
        return _BY_CURVE[read.curve.name]
    raise TesterError("--key: expected a private key, RSA or EC (P-256, P-384, P-521), as PEM and not encrypted")


@dataclass(slots=True)
class _Session:
    base: str
    http: httpx.Client
    signer: Signer | None
    steps: list[CheckStep] = field(default_factory=list)
    told: Callable[[CheckStep], None] = lambda step: None

    def ask(
        self,
        what: str,
        path: str,
        judged: Callable[[httpx.Response], tuple[str, list[Fault]]],
        *,
        method: str = "POST",
        **content: Any,
    ) -> httpx.Response | None:
        """One request, judged and noted; ``None`` where there was no answer."""
        url = f"{self.base}{path}"
        begun = time.monotonic()
        try:
            headers = {**(self.signer.headers(url) if self.signer else {}), **content.pop("headers", {})}
            response = self.http.request(method, url, headers=headers, **content)
        except (httpx.ConnectError, httpx.InvalidURL) as error:  # every further request would say the same
            longer = " any longer" if self.steps else ""
            raise TesterError(f"{self.base}: cannot be reached{longer} ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            self.note(CheckStep(what, time.monotonic() - begun, "no answer", (_fault("GEN-01", type(error).__name__),)))
            return None
        seconds = time.monotonic() - begun
        said, faults = judged(response)
        if seconds > SLOW_SECONDS:
            faults.append(_fault("REQ-20", f"takes longer than {SLOW_SECONDS} s"))
        self.note(CheckStep(what, seconds, said, tuple(faults)))
        return response

    def note(self, step: CheckStep) -> None:
        self.steps.append(step)
        self.told(step)


def check_service(
    base: str,
    today: date,
    *,
    chart: PrefetchSource | None = None,
    signer: Signer | None = None,
    progress: Callable[[CheckStep], None] = lambda step: None,
    program: str = "prodrome",
    transport: httpx.BaseTransport | None = None,
) -> list[CheckStep]:
    """Every step of the check of the service at *base* (the address without ``/cds-services``).

    *today* fills relative dates; *program* is how a shell calls this one; *transport* is for tests.
    Raises :class:`TesterError` where nobody answers there, or not this caller.
    """
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
        raise TesterError(f"{base}: expected the address of a service, as in http://127.0.0.1:8080")
    with httpx.Client(timeout=_SECONDS, transport=transport, follow_redirects=False) as http:
        session = _Session(base.rstrip("/").removesuffix("/cds-services"), http, signer, told=progress)
        answer = session.ask("discovery", "/cds-services", _discovery, method="GET")
        if answer is None:
            raise TesterError(f"{session.base}: gives no answer ({session.steps[0].faults[0].text})")
        services = _services(_json(answer))
        for service in services:
            _welcome(_call(session, service, chart, today), signer, program)
        if services:
            _provoke(session, services[0], chart, today)
        return session.steps


def _welcome(answer: httpx.Response | None, signer: Signer | None, program: str) -> None:
    """Goes on only where the service takes this caller: else every further answer would say the same."""
    if answer is None or answer.status_code not in (401, 403):
        return
    where = f"{answer.request.url} answers {answer.status_code}"
    if signer is None:
        raise TesterError(
            f"{where}: the service wants a token. Sign the requests with --key, --issuer and --kid;"
            f" `{program} key new keys` makes a key and prints the settings that let it in."
        )
    raise TesterError(
        f"{where}: the service does not accept a token of issuer {signer.issuer} signed with key {signer.kid}."
        " It has to know that issuer with this key, and its own address as the audience."
    )


def _fault(requirement: str, text: str, path: str = "$") -> Fault:
    return Fault(path, requirement, text)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _services(discovery: Any) -> list[Mapping[str, Any]]:
    found = discovery.get("services") if isinstance(discovery, dict) else None
    return [
        service
        for service in (found if isinstance(found, list) else [])
        if isinstance(service, dict) and isinstance(service.get("id"), str) and isinstance(service.get("hook"), str)
    ]


def _is_json(response: httpx.Response) -> list[Fault]:
    media = response.headers.get("Content-Type", "").partition(";")[0].strip()
    faults = [] if media == "application/json" else [_fault("GEN-01", f"is sent as {media or 'nothing'}, not JSON")]
    return faults if _json(response) is not None else [*faults, _fault("GEN-01", "is not JSON")]


def _discovery(response: httpx.Response) -> tuple[str, list[Fault]]:
    if response.status_code != 200:
        return _refused(response), [_fault("DISC-03", f"answers {response.status_code}, not 200")]
    document = _json(response)
    return f"{len(_services(document))} services", [*_is_json(response), *discovery_faults(document)]


def _refused(response: httpx.Response) -> str:
    """A status with the text of its OperationOutcome."""
    document = _json(response)
    issues = document.get("issue") if isinstance(document, dict) else None
    first = issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}
    details = first.get("details")
    text = details.get("text") if isinstance(details, dict) else first.get("diagnostics")
    return f"{response.status_code} {text}" if isinstance(text, str) else f"{response.status_code}"


def _call(
    session: _Session, service: Mapping[str, Any], chart: PrefetchSource | None, today: date
) -> httpx.Response | None:
    """The service as a client calls it."""
    request, missing = _request(service, chart, today)
    drafts = {f"MedicationRequest/{DRAFT_ID}"} if "draftOrders" in request["context"] else None

    def judged(response: httpx.Response) -> tuple[str, list[Fault]]:
        if response.status_code == 412:
            return _refused(response) + missing, _error(response)
        if response.status_code != 200:
            return _refused(response), [_fault("RSP-01", f"answers {response.status_code}, not 200"), *_error(response)]
        said = _cards(_json(response)) + missing
        return said, [*_is_json(response), *response_faults(_json(response), drafts=drafts)]

    return session.ask(f"{service['id']} ({service['hook']})", f"/cds-services/{service['id']}", judged, json=request)


def _cards(document: Any) -> str:
    cards = document.get("cards") if isinstance(document, dict) else None
    cards = [card for card in cards if isinstance(card, dict)] if isinstance(cards, list) else []
    names = [str(source.get("label")) for card in cards if isinstance(source := card.get("source"), dict)]
    topics = [
        str(topic.get("code"))
        for card in cards
        if isinstance(source := card.get("source"), dict) and isinstance(topic := source.get("topic"), dict)
    ]
    return f"{len(cards)} cards" + (f": {', '.join(topics or names)}" if cards else "")


def _request(service: Mapping[str, Any], chart: PrefetchSource | None, today: date) -> tuple[dict[str, Any], str]:
    """A request for a service with its prefetch, and which keys could not be filled and why, as a report goes on.

    Raises :class:`TesterError` where the FHIR server does not answer, or does not have the patient.
    """
    patient = chart.patient_id if chart else _NOBODY
    context = _context(str(service["hook"]), patient, today)
    templates = service.get("prefetch")
    templates = {
        key: template
        for key, template in (templates.items() if isinstance(templates, dict) else ())
        if isinstance(template, str)
    }
    request: dict[str, Any] = {
        "hook": service["hook"],
        "hookInstance": str(uuid.uuid4()),
        "context": context,
    }
    if chart is None:
        request["prefetch"] = dict.fromkeys(templates)
        return request, ""
    queries = {key: resolve(template, context, today) for key, template in templates.items()}
    plan = {key: (_kind(query), query) for key, query in queries.items() if query}
    try:
        settings = allowing(Settings(), chart.url, chart.token)
    except TesterError as error:
        raise TesterError(f"--fhir: {error}") from None
    token = chart.token and FhirAuthorization(chart.token, _TOKEN_SECONDS, "patient/*.read", "prodrome")
    asked = HookRequest(str(service["hook"]), "check", patient, fhir_server=chart.url, authorization=token or None)
    fetched = complete(plan, asked, settings, time.monotonic() + _FETCH_SECONDS)
    for answer in fetched.values():
        if answer.kind == "Patient" and (answer.problem or "").startswith(NOT_THERE):
            raise TesterError(f"{chart.url} has no patient of the id {patient}.")
    if fetched and not any(answer.answered for answer in fetched.values()):  # nor would it answer further queries
        raise TesterError(f"{chart.url}: the FHIR server {next(iter(fetched.values())).problem}")
    request["prefetch"] = {
        key: answer.value for key, answer in fetched.items() if answer.state is not Completeness.MISSING
    }
    missing = [key for key in templates if key not in request["prefetch"]]
    why = dict.fromkeys(f"the FHIR server {fetched[key].problem}" for key in missing if key in fetched)
    said = f"; not prefetched: {', '.join(missing)}" + (f" ({'; '.join(why)})" if why else "")
    return request, said if missing else ""


def _kind(query: str) -> str:
    return query.partition("?")[0].partition("/")[0]


def _context(hook: str, patient: str, today: date) -> dict[str, Any]:
    """What a hook's definition puts in its context, filled with a plain example."""
    order = draft_order("sumatriptan:50mg", patient, load_guideline(), today)
    orders = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}
    booking = {
        "resourceType": "Appointment",
        "id": "draft-2",
        "status": "proposed",
        "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "needs-action"}],
    }
    whose = {"reference": f"Patient/{patient}"}
    asthma = {"coding": [{"system": ICD10CM, "code": "J45.909"}], "text": "Asthma"}
    problem = {"resourceType": "Condition", "id": "new-1", "subject": whose, "code": asthma}
    allergy = {"resourceType": "AllergyIntolerance", "id": "new-2", "patient": whose, "code": {"text": "Sumatriptan"}}
    examples: dict[str, Any] = {
        "encounterId": "prodrome-encounter",
        "draftOrders": orders,
        "selections": [f"MedicationRequest/{DRAFT_ID}"],
        "medications": orders,
        "dispatchedOrders": [f"MedicationRequest/{DRAFT_ID}"],
        "performer": "Organization/prodrome-pharmacy",
        "conditions": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": problem}]},
        "allergyIntolerance": allergy,
        "appointments": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": booking}]},
    }
    required = HOOKS[hook].required if hook in HOOKS else ()
    return {"userId": _USER, "patientId": patient, **{name: examples[name] for name in required if name in examples}}


def _provoke(session: _Session, service: Mapping[str, Any], chart: PrefetchSource | None, today: date) -> None:
    """Requests that no client should send, and what a service does with them."""
    path = f"/cds-services/{service['id']}"
    request, _ = _request({**service, "prefetch": {}}, chart, today)
    without_context = {name: value for name, value in request.items() if name != "context"}
    without_hook = {name: value for name, value in request.items() if name != "hook"}
    other = {**request, "hook": "prodrome-no-hook"}
    bare = {name: value for name, value in request.items() if name != "prefetch"}
    as_json = {"headers": {"Content-Type": "application/json"}}
    for what, where, expected, requirement, content in (
        ("an unknown service", "/cds-services/prodrome-no-service", (404,), "GEN-11", {"json": request}),
        ("a body that is not JSON", path, (400,), "GEN-10", {"content": b'{"hook":', **as_json}),
        ("a body that is no object", path, (400,), "GEN-10", {"content": b"[]", **as_json}),
        ("no hook", path, (400, 422), "REQ-13", {"json": without_hook}),
        ("another service's hook", path, (400, 404, 422), "REQ-02", {"json": other}),
        ("no context", path, (400, 422), "REQ-13", {"json": without_context}),
        ("unknown members", path, (200, 412), "GEN-08", {"json": {**request, "unheardOf": {"x": 1}}}),
        ("nothing prefetched, no FHIR server", path, (200, 412), "PFD-13", {"json": bare}),
        ("an empty feedback", f"{path}/feedback", (200, 204, 400, 404, 422), "FB-03", {"json": {"feedback": []}}),
    ):
        session.ask(what, where, _expecting(expected, requirement), **content)
    session.ask("a service asked by GET", path, _expecting((405, 404), "GEN-11"), method="GET")


def _expecting(statuses: Sequence[int], requirement: str) -> Callable[[httpx.Response], tuple[str, list[Fault]]]:
    def judged(response: httpx.Response) -> tuple[str, list[Fault]]:
        faults = _error(response) if response.status_code >= 400 else []
        if response.status_code not in statuses:
            expected = " or ".join(map(str, statuses))
            faults.insert(0, _fault(requirement, f"answers {response.status_code}, expected {expected}"))
        return _refused(response), faults

    return judged


def _error(response: httpx.Response) -> list[Fault]:
    """What is wrong with the body of an error."""
    document = _json(response)
    if isinstance(document, dict) and document.get("resourceType") == "OperationOutcome":
        return []
    return [_fault("RSP-07", "does not say why in an OperationOutcome")]


def check_report(steps: Iterable[CheckStep]) -> str:
    """The steps as a table, with every fault below its step."""
    steps = list(steps)
    width = max((len(step.what) for step in steps), default=0)
    lines = []
    for step in steps:
        lines.append(f"{step.verdict:6} {step.what:{width}} {step.seconds * 1000:6.0f} ms  {step.said}")
        for fault in step.faults:
            mark = "should" if fault.requirement in SHOULD else "must"
            lines.append(f"{'':6} {'':{width}}            {mark}: {fault}")
    broken = sum(fault.requirement not in SHOULD for step in steps for fault in step.faults)
    remarks = sum(fault.requirement in SHOULD for step in steps for fault in step.faults)
    lines += ["", f"{len(steps)} requests, {broken} faults, {remarks} remarks"]
    return "\n".join(lines)


def as_json(steps: Iterable[CheckStep]) -> list[dict[str, Any]]:
    """The steps as a program reads them."""
    return [
        {
            "what": step.what,
            "verdict": step.verdict,
            "milliseconds": round(step.seconds * 1000, 1),
            "said": step.said,
            "faults": [
                {
                    "requirement": fault.requirement,
                    "path": fault.path,
                    "text": fault.text,
                    "must": fault.requirement not in SHOULD,
                }
                for fault in step.faults
            ],
        }
        for step in steps
    ]
