"""``prodrome check``: finds what is wrong with a service, and nothing wrong with ours."""

import argparse
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from prodrome.cds_hooks.command_line import checking
from prodrome.cds_hooks.testers import TesterError
from prodrome.cds_hooks.testers.check import CheckStep, Signer, check_report, check_service
from tests.serving import listening, service

TODAY = date(2026, 6, 15)
CARD = {"uuid": "00000000-0000-4000-8000-000000000000", "summary": "A", "indicator": "info", "source": {"label": "B"}}
SERVICE = {
    "hook": "patient-view",
    "id": "s",
    "title": "T",
    "description": "D",
    "prefetch": {"p": "Patient/{{context.patientId}}"},
}
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "details": {"text": "No."}}],
}

Answering = Callable[[httpx.Request], httpx.Response]


def one_service(answer: Any = None, *, discovery: Any = None, refusal: Any = OUTCOME, status: int = 200) -> Answering:
    """A service that answers discovery and hooks with what it is given, and refuses what no client should send."""

    def answering(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cds-services"):
            return httpx.Response(200, json={"services": [SERVICE]} if discovery is None else discovery)
        if not request.url.path.endswith("/cds-services/s"):
            return httpx.Response(404, json=refusal)
        if request.method == "GET":
            return httpx.Response(405, json=refusal)
        try:
            body = httpx.Response(200, content=request.content).json()
        except ValueError:
            return httpx.Response(400, json=refusal)
        if not isinstance(body, dict) or body.get("hook") != "patient-view" or "context" not in body:
            return httpx.Response(400, json=refusal)
        return httpx.Response(status, json={"cards": [CARD]} if answer is None else answer)

    return answering


def steps(answering: Answering, signer: Signer | None = None) -> list[CheckStep]:
    return check_service("https://cds.example.org", TODAY, transport=httpx.MockTransport(answering), signer=signer)


def requirements(found: list[CheckStep]) -> set[str]:
    return {fault.requirement for step in found for fault in step.faults}


def test_a_service_that_does_as_it_should_has_no_fault() -> None:
    found = steps(one_service())
    assert requirements(found) == set()
    assert "0 faults, 0 remarks" in check_report(found)


@pytest.mark.parametrize(
    ("card", "requirement"),
    [
        ({**CARD, "summary": "x" * 140}, "CARD-02"),
        ({**CARD, "indicator": "hard-stop"}, "CARD-09"),
        ({**CARD, "source": {}}, "SRC-01"),
        ({**CARD, "detail": None}, "GEN-04"),
        ({**CARD, "links": []}, "GEN-05"),
        ({**CARD, "suggestions": [{"label": "Do"}]}, "CARD-14"),
        ({**CARD, "links": [{"label": "L", "url": "x", "type": "absolute"}]}, "LNK-04"),
    ],
)
def test_a_broken_card_is_found(card: dict[str, Any], requirement: str) -> None:
    found = steps(one_service({"cards": [card]}))
    assert requirement in requirements(found)
    assert "FAULT" in check_report(found)


@pytest.mark.parametrize(
    ("answering", "requirement"),
    [
        (one_service({}), "RSP-02"),
        (one_service([]), "RSP-01"),
        (one_service(status=500), "RSP-01"),
        (one_service(discovery=[]), "DISC-03"),
        (one_service(discovery={"services": [{**SERVICE, "prefetch": {"p": "/Patient/1"}}]}), "PFT-01"),
        (lambda request: httpx.Response(200, text="<p>Hello"), "GEN-01"),
        (lambda request: httpx.Response(401), "DISC-03"),
        (lambda request: httpx.Response(200, json={"services": [SERVICE], "cards": [CARD]}), "GEN-10"),
    ],
)
def test_a_broken_service_is_found(answering: Answering, requirement: str) -> None:
    assert requirement in requirements(steps(answering))


def test_a_refusal_without_a_reason_is_remarked_only() -> None:
    found = steps(one_service(refusal={"error": "no"}))
    assert requirements(found) == {"RSP-07"}
    assert {step.verdict for step in found} == {"ok", "remark"}


def test_a_service_that_is_not_there_is_a_fault() -> None:
    def refusing(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    with pytest.raises(TesterError, match="cannot be reached"):
        steps(refusing)


def test_a_service_that_goes_away_is_told_once() -> None:
    def going(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return one_service()(request)
        raise httpx.ConnectError("no")

    with pytest.raises(TesterError, match=r"^\S+: cannot be reached any longer \(ConnectError\)$"):
        steps(going)


def test_a_key_that_cannot_sign_is_told() -> None:
    with pytest.raises(TesterError, match="expected a private key"):
        steps(one_service(), Signer("no key at all", "https://ehr.example.org", "k1"))


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS384"])
def test_each_request_is_signed_for_its_own_address(algorithm: str) -> None:
    curves: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}
    curve = curves.get(algorithm)
    key = ec.generate_private_key(curve) if curve else rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    seen: list[httpx.Request] = []

    def answering(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return one_service()(request)

    steps(answering, Signer(pem, "https://ehr.example.org", "k1"))
    tokens = [request.headers["Authorization"].removeprefix("Bearer ") for request in seen]
    ids = set()
    for request, token in zip(seen, tokens, strict=True):
        claims = jwt.decode(token, key.public_key(), [algorithm], audience=str(request.url))
        assert claims["iss"] == "https://ehr.example.org"
        ids.add(claims["jti"])
    assert len(ids) == len(seen)


def test_our_own_service_has_no_fault() -> None:
    with listening(service()) as url:
        found = check_service(url, TODAY)
    assert [fault for step in found for fault in step.faults if fault.requirement != "REQ-20"] == []
    assert len(found) > 10


def called(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    checking.add_arguments(parser)
    return parser.parse_args([*words, "--today", str(TODAY)])


def test_the_command_prints_a_report_and_says_by_its_status_whether_a_must_is_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with listening(service()) as url:
        assert checking.run(called(f"{url}/cds-services")) == 0
    assert "prodrome-patient-view (patient-view)" in capsys.readouterr().out
    with pytest.raises(TesterError, match="cannot be reached"):
        checking.run(called("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    "words", [("--fhir", "http://x"), ("--patient", "1"), ("--issuer", "x"), ("--token-file", "x")]
)
def test_options_that_belong_together_are_asked_for(words: tuple[str, ...]) -> None:
    with pytest.raises(TesterError, match=r"belong together|goes with"):
        checking.run(called("http://127.0.0.1:9", *words))
