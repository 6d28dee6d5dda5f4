"""Attacks on the token: each must end in a bare 401, and make the service ask nobody."""

import base64
import hashlib
import hmac
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from prodrome.cds_hooks.callers import Authenticator, keys
from prodrome.cds_hooks.protocol import Unauthorized
from tests.cds_hooks.tokens import BASE, EC_384, ISS, KEYS, RSA_2048, SERVICE, jwk, settings
from tests.cds_hooks.tokens import Client as Signer
from tests.security.conftest import Row
from tests.serving import Answer, Client, client_of, service

EVIL_KEY = ec.generate_private_key(ec.SECP384R1())
JKU = "https://ehr.example.org/jwks"
EVIL_JKU = "https://evil.example.org/jwks"


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def claims(**more: object) -> dict[str, object]:
    now = int(time.time())
    said = {"iss": ISS, "aud": BASE + SERVICE, "iat": now, "exp": now + 300, "jti": hashlib.sha1(b"x").hexdigest()}
    return {**said, **more}


def raw(header: Mapping[str, object], payload: object, signature: bytes = b"", key: bytes | None = None) -> str:
    """A token with any header whatever, signed with HMAC where a *key* is given."""
    signed = f"{b64(orjson.dumps(header))}.{b64(payload if isinstance(payload, bytes) else orjson.dumps(payload))}"
    if key is not None:
        algorithm = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[str(header["alg"])]
        signature = hmac.digest(key, signed.encode(), algorithm)
    return f"{signed}.{b64(signature)}"


def signer(**more: Any) -> Signer:
    return Signer(now=time.time(), **more)


HEADER = {"alg": "ES384", "typ": "JWT", "kid": "ec"}
PEM = EC_384.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = EC_384.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def tampered() -> str:
    head, _, signature = signer().token().split(".")
    return f"{head}.{b64(orjson.dumps(claims(tenant='root')))}.{signature}"


def header_swapped() -> str:
    _, payload, signature = signer().token().split(".")
    return f"{b64(orjson.dumps({**HEADER, 'kid': 'rsa'}))}.{payload}.{signature}"


def access_token() -> str:
    """What an authorization server would give for the FHIR server: signed by the right issuer, for something else."""
    return signer(header={"typ": "at+jwt"}).token("https://ehr.example.org/fhir")


def signed(payload: bytes, **header: object) -> str:
    """A token of any payload, rightly signed."""
    return jwt.PyJWS().encode(payload, EC_384, "ES384", {"typ": "JWT", "kid": "ec", **header})


def other_signature(token: str) -> str:
    """The same token with its other signature: to each (r, s) of a curve of order n belongs (r, n - s)."""
    signed, _, signature = token.rpartition(".")
    said = base64.urlsafe_b64decode(signature + "==")
    order = int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
    half = int.from_bytes(said[48:], "big")
    return f"{signed}.{b64(said[:48] + (order - half).to_bytes(48, 'big'))}"


def as_der(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    said = base64.urlsafe_b64decode(signature + "==")
    return f"{signed}.{b64(encode_dss_signature(int.from_bytes(said[:48], 'big'), int.from_bytes(said[48:], 'big')))}"


def json_form(token: str) -> str:
    head, payload, signature = token.split(".")
    return json.dumps({"payload": payload, "signatures": [{"protected": head, "signature": signature}]})


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: raw({**HEADER, "alg": "none"}, claims()),
    "alg None": lambda: raw({**HEADER, "alg": "None"}, claims()),
    "alg nOnE": lambda: raw({**HEADER, "alg": "nOnE"}, claims(), b"x"),
    "alg empty": lambda: raw({**HEADER, "alg": ""}, claims()),
    "alg missing": lambda: raw({"typ": "JWT", "kid": "ec"}, claims()),
    "alg a list": lambda: raw({**HEADER, "alg": ["ES384"]}, claims()),
    "HS256 keyed with the public key (PEM)": lambda: raw({**HEADER, "alg": "HS256"}, claims(), key=PEM),
    "HS384 keyed with the public key (DER)": lambda: raw({**HEADER, "alg": "HS384"}, claims(), key=DER),
    "HS512 keyed with the JWK": lambda: raw({**HEADER, "alg": "HS512"}, claims(), key=json.dumps(KEYS[0]).encode()),
    "HS256 keyed with nothing": lambda: raw({**HEADER, "alg": "HS256"}, claims(), key=b""),
    "another key under a known kid": lambda: signer(key=EVIL_KEY).token(),
    "key embedded as jwk": lambda: signer(key=EVIL_KEY, header={"jwk": jwk(EVIL_KEY, "ec")}).token(),
    "key embedded as x5c": lambda: signer(key=EVIL_KEY, header={"x5c": [b64(DER)]}).token(),
    "key at an address as x5u": lambda: signer(key=EVIL_KEY, header={"x5u": EVIL_JKU}).token(),
    "jku of the attacker": lambda: signer(key=EVIL_KEY, header={"jku": EVIL_JKU}).token(),
    "jku of this machine": lambda: signer(key=EVIL_KEY, header={"jku": "http://127.0.0.1:9/jwks"}).token(),
    "jku of the cloud's metadata": lambda: signer(
        key=EVIL_KEY, header={"jku": "http://169.254.169.254/latest/meta-data"}
    ).token(),
    "jku as a file": lambda: signer(key=EVIL_KEY, header={"jku": "file:///etc/passwd"}).token(),
    "jku with the right prefix": lambda: signer(key=EVIL_KEY, header={"jku": f"{JKU}@evil.example.org/"}).token(),
    "jku with a redirect parameter": lambda: signer(key=EVIL_KEY, header={"jku": f"{JKU}?next={EVIL_JKU}"}).token(),
    "kid that walks the file system": lambda: signer(kid="../../../../dev/null").token(),
    "kid that is SQL": lambda: signer(kid="ec' OR '1'='1").token(),
    "kid that runs a command": lambda: signer(kid="|/bin/true").token(),
    "kid of another kind of key": lambda: signer(kid="rsa").token(),
    "signature dropped": lambda: signer().token().rpartition(".")[0] + ".",
    "signature cut": lambda: signer().token()[:-10],
    "signature all zeros": lambda: raw(HEADER, claims(), bytes(96)),
    "signature of another token": lambda: header_swapped(),
    "claims changed after signing": tampered,
    "critical extension": lambda: signer(header={"crit": ["b64"], "b64": False}).token(),
    "unencoded payload, not critical": lambda: signer(header={"b64": False}).token(),
    "a token within a token": lambda: signed(signer().token().encode(), cty="JWT"),
    "a token within a text": lambda: signed(orjson.dumps(signer().token())),
    "JSON serialization": lambda: json_form(signer().token()),
    "signature as DER": lambda: as_der(signer().token()),
    "alg twice, none first": lambda: raw({}, claims()).replace(
        "e30", b64(b'{"alg":"none","typ":"JWT","alg":"ES384"}'), 1
    ),
    "alg twice, none last": lambda: raw({}, claims()).replace(
        "e30", b64(b'{"alg":"ES384","typ":"JWT","alg":"none"}'), 1
    ),
    "alg in small letters": lambda: raw({**HEADER, "alg": "es384"}, claims(), bytes(96)),
    "alg of another family": lambda: raw({**HEADER, "alg": "PS384"}, claims(), bytes(256)),
    "kid with a NUL": lambda: signer(kid="ec\0").token(),
    "kid in other letters": lambda: signer(kid="\uff45\uff43").token(),
    "kid a number": lambda: signer(header={"kid": None}).token(),
    "audience twice, ours first": lambda: signed(orjson.dumps(claims())[:-1] + b',"aud":"https://evil.example.org"}'),
    "audience an object": lambda: signed(orjson.dumps(claims(aud={BASE + SERVICE: True}))),
    "audience a list of others": lambda: signer().token(["https://other.example.org", BASE + SERVICE + "x"]),
    "audience a list in a list": lambda: signed(orjson.dumps(claims(aud=[[BASE + SERVICE]]))),
    "issuer in other letters": lambda: signer(iss=ISS.replace("e", "\uff45")).token(),
    "issuer in capitals": lambda: signer(iss=ISS.upper()).token(),
    "issuer with a slash": lambda: signer(iss=f"{ISS}/").token(),
    "issuer with a NUL": lambda: signer(iss=f"{ISS}\0").token(),
    "issuer with a space": lambda: signer(iss=f" {ISS}").token(),
    "not valid for a long time": lambda: signer().token(nbf=time.time() + 1e9),
    "not valid before no number": lambda: signer().token(nbf="0"),
    "issued before all time": lambda: signer().token(iat=-1e300),
    "expiry a text": lambda: signed(orjson.dumps(claims(exp=str(int(time.time()) + 300)))),
    "expiry true": lambda: signed(orjson.dumps(claims(exp=True))),
    "token id a list": lambda: signed(orjson.dumps(claims(jti=["a"]))),
    "token id of 1 MB": lambda: signer().token(jti="x" * 1_000_000),
    "five parts (encrypted)": lambda: "a.b.c.d.e",
    "access token of the FHIR server": access_token,
    "audience of another service": lambda: signer().token(f"{BASE}/cds-services/prodrome-order-sign"),
    "audience of another host": lambda: signer().token("https://other.example.org" + SERVICE),
    "audience that only begins right": lambda: signer().token(f"{BASE}{SERVICE}.evil.org"),
    "issuer not on the list": lambda: signer(iss="https://evil.example.org").token(),
    "issuer a list": lambda: raw(HEADER, claims(iss=[ISS]), bytes(96)),
    "expired": lambda: signer().token(exp=time.time() - 120, iat=time.time() - 300),
    "issued in the far future": lambda: signer().token(iat=time.time() + 86400, exp=time.time() + 86700),
    "valid for ten years": lambda: signer().token(exp=time.time() + 3e8),
    "expiry beyond all numbers": lambda: signer().token(exp=float("inf")),
    "expiry not a number": lambda: signer().token(exp=float("nan")),
    "token id missing": lambda: signer().token(jti=None),
    "claims nested ten thousand deep": lambda: raw(HEADER, b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", bytes(96)),
    "claims not an object": lambda: raw(HEADER, [1, 2], bytes(96)),
    "claims not UTF-8": lambda: raw(HEADER, b"\xff\xfe", bytes(96)),
    "header not JSON": lambda: f"{b64(b'x')}.{b64(b'{}')}.",
    "huge token": lambda: signer().token(padding="x" * 30_000),
}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A site that accepts one issuer, with keys it holds and one key set on its list."""
    site = settings(issuer={"jku": (JKU,)})
    said = {name: getattr(site, name) for name in site.model_fields_set}
    with client_of(service(**said)) as client:
        yield client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up while an attack ran."""
    names: list[str] = []
    look_up = socket.getaddrinfo

    def watched(host: Any, *more: Any, **also: Any) -> Any:
        if host not in ("127.0.0.1", b"127.0.0.1"):
            names.append(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *more, **also)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    return names


def call(client: Client, token: str, **headers: str) -> Answer:
    return client.post(SERVICE, json={}, headers={"Authorization": f"Bearer {token}", **headers})


def bare(answer: Answer) -> None:
    """A 401 that says nothing of why."""
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    (issue,) = answer.get_json()["issue"]
    assert issue["details"] == {"text": "Unauthorized"}


def test_the_door_opens_to_the_right_token(client: Client) -> None:
    assert call(client, signer().token()).status_code == 400  # let in; the body is no request
    assert call(client, signer().token(["https://other.example.org", BASE + SERVICE])).status_code == 400


@pytest.mark.requirement("SEC-07", "SEC-19", "SEC-20", "SEC-21", "SEC-22", "SEC-24", "SEC-27", "SEC-28", "RSP-08")
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.withstands("forged token")
def test_a_forged_token_opens_nothing(client: Client, name: str, asked: list[str], row: Row) -> None:
    began = time.monotonic()
    answer = call(client, ATTACKS[name]())
    assert set(asked) <= {"ehr.example.org"}  # the site's own key set, where a key id is not known
    if name in ("huge token", "token id of 1 MB") and answer.status_code in (
        400,
        431,
    ):  # the server's own limit of headers came first
        row("token", name, str(answer.status_code))
        return
    bare(answer)
    assert time.monotonic() - began < 2
    row("token", name, "401")


@pytest.mark.requirement("SEC-16")
def test_a_token_used_twice_opens_nothing(client: Client, row: Row) -> None:
    token = signer().token()
    assert call(client, token).status_code == 400
    bare(call(client, token))
    row("token", "replay", "401")


@pytest.mark.requirement("SEC-16")
@pytest.mark.withstands("replay")
@pytest.mark.parametrize(
    "other", [other_signature, lambda token: f"{token}=", lambda token: f" {token}"], ids=["signature", "=", "space"]
)
def test_a_used_token_in_another_spelling_opens_nothing(
    client: Client, other: Callable[[str], str], asked: list[str], row: Row
) -> None:
    token = signer().token()
    fresh = signer().token()
    if other is other_signature:
        assert call(client, other(fresh)).status_code == 400  # as good a signature as the first
        bare(call(client, fresh))
    assert call(client, token).status_code == 400
    bare(call(client, other(token)))
    row("token", "replay in another spelling", "401")


@pytest.mark.requirement("SEC-16")
def test_a_token_sent_many_times_at_once_opens_the_door_once(client: Client, row: Row) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = signer().token()
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: call(client, token).status_code, range(16)))
    assert statuses == [400] + [401] * 15
    row("token", "replay, 16 at once", "1 let in, 15 times 401")


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize("path", [SERVICE, f"{SERVICE}/feedback"])
@pytest.mark.parametrize("way", ["no header", "query", "cookie", "body", "basic", "other header"])
def test_a_token_in_another_place_opens_nothing(client: Client, path: str, way: str, row: Row) -> None:
    token = signer().token(BASE + path)
    headers = {
        "cookie": {"Cookie": f"access_token={token}"},
        "basic": {"Authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()},
        "other header": {"X-Authorization": f"Bearer {token}", "X-Forwarded-User": "admin"},
    }.get(way, {})
    target = f"{path}?access_token={token}" if way == "query" else path
    bare(client.post(target, json={"access_token": token} if way == "body" else {}, headers=headers))
    row("token", f"{way}: {path.rpartition('/')[2]}", "401")


@pytest.mark.requirement("SEC-13")
def test_headers_cannot_say_which_address_a_token_must_name(client: Client, row: Row) -> None:
    token = signer().token("https://evil.example.org" + SERVICE)
    for name in ("Host", "X-Forwarded-Host", "X-Original-URL", "Forwarded"):
        value = "host=evil.example.org" if name == "Forwarded" else "evil.example.org"
        bare(call(client, token, **{name: value, "X-Forwarded-Proto": "https"}))
    row("token", "address changed by Host and forwarding headers", "401")


@pytest.mark.requirement("SEC-26", "SEC-27", "RSP-08")
def test_a_refused_caller_learns_nothing_from_differences(client: Client, row: Row) -> None:
    bodies = set()
    for name in ("alg none", "expired", "issuer not on the list", "another key under a known kid"):
        body = call(client, ATTACKS[name]()).get_json()
        body["issue"][0].pop("diagnostics", None)  # the request's own id
        bodies.add(orjson.dumps(body))
    assert len(bodies) == 1
    row("token", "reasons told apart by the answer", "all 401 alike")


@pytest.mark.requirement("SEC-26")
def test_no_token_is_logged(client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("prodrome"), "propagate", True)
    tokens = [attack() for attack in ATTACKS.values()] + [signer().token()]
    with caplog.at_level(logging.DEBUG):
        for token in tokens:
            call(client, token)
    said = "\n".join(str(record.__dict__) for record in caplog.records)
    assert "caller not known" in said
    parts = {part for token in tokens for part in token.split(".") if len(part) > 20}
    assert not any(part in said for part in parts)


def test_the_keys_of_the_tests_would_be_accepted_by_a_careless_service() -> None:
    """The forgeries are real ones: a verifier that believes the token's own header takes them."""
    forged = ATTACKS["key embedded as jwk"]()
    header = jwt.get_unverified_header(forged)
    key = jwt.PyJWK(header["jwk"], algorithm="ES384")
    assert jwt.decode(forged, key, algorithms=["ES384"], audience=BASE + SERVICE)["iss"] == ISS


ODD_KEYS: dict[str, list[Any]] = {
    "a modulus that is a number": [{"kty": "RSA", "kid": "rsa", "n": 5, "e": "AQAB"}],
    "a modulus of 1.5 million bits": [{"kty": "RSA", "kid": "rsa", "n": "_" * 250_000, "e": "AQAB"}],
    "an exponent as long as the modulus": [{"kty": "RSA", "kid": "rsa", "n": "_" * 512, "e": "_" * 511}],
    "an even exponent": [{"kty": "RSA", "kid": "rsa", "n": "_" * 512, "e": "Ag"}],
    "no modulus": [{"kty": "RSA", "kid": "rsa"}],
    "an RSA key of 1024 bits": [{"kty": "RSA", "kid": "rsa", "n": "_" * 171, "e": "AQAB"}],
    "a private key": [{**jwk(RSA_2048, "rsa"), "d": "AQAB"}],
    "the same key twice": [jwk(RSA_2048, "rsa")] * 2,
    "a secret": [{"kty": "oct", "kid": "rsa", "k": "AAAA"}],
    "a key to encrypt with": [jwk(RSA_2048, "rsa", use="enc")],
    "a key for another algorithm": [jwk(RSA_2048, "rsa", alg="RS512")],
    "members that are no text": [{"kty": {}, "kid": "rsa", "alg": [], "use": {}, "key_ops": 5}],
    "a kid that is no text": [{**jwk(RSA_2048, "rsa"), "kid": ["rsa"]}],
    "no keys": [],
    "entries that are no keys": [None, 5, "x", []],
}


@pytest.mark.withstands("forged token")
@pytest.mark.parametrize("name", ODD_KEYS)
def test_no_odd_key_of_a_key_set_opens_anything_or_costs_much(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of key sets that was taken over, or makes mistakes."""
    body = json.dumps({"keys": ODD_KEYS[name]}).encode()

    async def answer(_: str) -> bytes:
        return body

    monkeypatch.setattr(keys, "_get", answer)
    site = settings(issuer={"jwks": None, "jku": (JKU,)}, algorithms=("RS384",))
    authenticator = Authenticator(site)
    token = signer(key=RSA_2048, algorithm="RS384", kid="rsa").bearer()
    began = time.process_time()
    with pytest.raises(Unauthorized):
        authenticator.check(token, SERVICE)
    assert time.process_time() - began < 1
