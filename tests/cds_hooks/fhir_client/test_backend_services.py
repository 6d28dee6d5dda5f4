"""SMART Backend Services: the service's own token, for sites that pass none."""

import time
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from prodrome.cds_hooks.fhir_client import Fetched, complete
from prodrome.cds_hooks.settings import Settings
from prodrome.rules.facts import Completeness
from tests.cds_hooks.fhir_client.fake import BASE, Answer, FakeServer, bundle, client_of, hook_request, site

TOKEN_URL = f"{BASE}/token"
KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS384": rsa.generate_private_key(65537, 2048),
}


def registered(algorithm: str = "ES384", **said: object) -> Settings:
    pem = KEYS[algorithm].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    backend = {"client_id": "prodrome", "key": pem.decode(), "kid": "k1", "algorithm": algorithm, **said}
    return site(backend=backend)


def token(name: str = "own", **members: object) -> httpx.Response:
    return httpx.Response(200, json={"access_token": name, "token_type": "bearer", "expires_in": 300, **members})


def ask(server: FakeServer, settings: Settings, times: int = 1) -> Fetched:
    with client_of(server) as client:
        for _ in range(times):
            plan = {"it": ("Encounter", "Encounter?patient=1")}
            fetched = complete(plan, hook_request(None), settings, time.monotonic() + 2, client=client)["it"]
    return fetched


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_signed_assertion_buys_a_token_that_is_used(algorithm: str) -> None:
    server = FakeServer({"token": [token()], "Encounter": [bundle()]})
    assert ask(server, registered(algorithm, token_url=TOKEN_URL)).state is Completeness.COMPLETE
    bought, used = server.asked
    form = {name: values[0] for name, values in parse_qs(bought.content.decode()).items()}
    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    claims = jwt.decode(form["client_assertion"], KEYS[algorithm].public_key(), [algorithm], audience=TOKEN_URL)
    assert (claims["iss"], claims["sub"]) == ("prodrome", "prodrome")
    assert 0 < claims["exp"] - time.time() <= 300
    assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "k1"
    assert used.headers["Authorization"] == "Bearer own"


def test_the_token_endpoint_is_found_by_discovery() -> None:
    found = httpx.Response(200, json={"token_endpoint": TOKEN_URL})
    server = FakeServer({".well-known/smart-configuration": [found], "token": [token()], "Encounter": [bundle()]})
    assert ask(server, registered()).state is Completeness.COMPLETE


@pytest.mark.parametrize("endpoint", ["http://ehr.example.org/token", "ftp://x", "http://[", None, 7])
def test_a_token_endpoint_in_the_clear_is_not_used(endpoint: object) -> None:
    found = httpx.Response(200, json={"token_endpoint": endpoint})
    server = FakeServer({".well-known/smart-configuration": [found]})
    assert ask(server, registered()).problem == "does not say where access tokens are given out"


def test_a_token_is_kept_until_it_nears_its_end() -> None:
    server = FakeServer({"token": [token()], "Encounter": [bundle()]})
    ask(server, registered(token_url=TOKEN_URL), times=3)
    assert server.paths().count("token") == 1
    server = FakeServer({"token": [token(expires_in=0)], "Encounter": [bundle()]})
    ask(server, registered(token_url=TOKEN_URL), times=3)
    assert server.paths().count("token") == 3


def test_a_token_that_is_refused_is_replaced() -> None:
    server = FakeServer({"token": [token("old"), token("new")], "Encounter": [httpx.Response(401), bundle()]})
    assert ask(server, registered(token_url=TOKEN_URL), times=2).state is Completeness.COMPLETE
    assert server.asked[-1].headers["Authorization"] == "Bearer new"


def test_the_requests_own_token_goes_first() -> None:
    server = FakeServer({"Encounter": [bundle()]})
    with client_of(server) as client:
        plan = {"it": ("Encounter", "Encounter?patient=1")}
        complete(plan, hook_request("theirs"), registered(token_url=TOKEN_URL), time.monotonic() + 2, client=client)
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer theirs"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "invalid_client"}),
        httpx.Response(200, json={"token_type": "bearer"}),
        httpx.Response(200, json=[]),
        token("a\r\nb"),
        token(expires_in="soon"),
        httpx.ConnectError("no"),
    ],
)
def test_without_a_token_nothing_is_asked(answer: Answer) -> None:
    server = FakeServer({"token": [answer], "Encounter": [bundle()]})
    fetched = ask(server, registered(token_url=TOKEN_URL))
    assert fetched.state is Completeness.MISSING
    assert str(fetched.problem).startswith("gives out no access token")
    assert "Encounter" not in server.paths()
