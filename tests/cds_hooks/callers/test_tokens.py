"""Who may call: each rule about the signed token, with tokens that break it alone."""

import contextlib
import http.server
import logging
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from prodrome.cds_hooks.callers import keys
from prodrome.cds_hooks.callers.caller import ANYONE, Caller
from prodrome.cds_hooks.callers.keys import Key, KeySets, Pending, Unusable
from prodrome.cds_hooks.callers.tokens import Authenticator
from prodrome.cds_hooks.callers.used_tokens import UsedTokens
from prodrome.cds_hooks.database import Database, seen_token
from prodrome.cds_hooks.protocol.refusals import Forbidden, TooMany, Unauthorized, Unavailable
from prodrome.cds_hooks.settings import Settings
from tests.cds_hooks.tokens import BASE, EC_256, EC_384, ISS, KEYS, NOW, RSA_2048, SERVICE, Client, jwk, settings
from tests.databases import eventually

JKU = "https://ehr.example.org/jwks"


def authenticator(site: Settings | None = None, **more: object) -> Authenticator:
    return Authenticator(site or settings(), clock=lambda: NOW, **more)  # type: ignore[arg-type]


def reason(site: Authenticator, bearer: str | None, path: str = SERVICE) -> str:
    with pytest.raises(Unauthorized) as caught:
        site.check(bearer, path)
    assert caught.value.text == "Unauthorized"
    return caught.value.reason


@pytest.mark.requirement("SEC-04", "SEC-10", "SEC-23")
@pytest.mark.parametrize(
    "client",
    [Client(), Client(key=RSA_2048, algorithm="RS384", kid="rsa")],
    ids=["ES384", "RS384"],
)
def test_a_listed_issuer_with_its_own_key_is_known(client: Client) -> None:
    assert authenticator().check(client.bearer(), SERVICE) == Caller(ISS)


def test_an_open_service_asks_nobody() -> None:
    assert authenticator(Settings()).check(None, SERVICE) == ANYONE


@pytest.mark.requirement("DISC-22")
def test_discovery_is_answered_without_a_token_unless_the_site_says_otherwise() -> None:
    assert authenticator().check(None, "/cds-services") == ANYONE
    assert reason(authenticator(settings(open_discovery=False)), None, "/cds-services")
    token = Client().bearer(f"{BASE}/cds-services")
    assert authenticator(settings(open_discovery=False)).check(token, "/cds-services") == Caller(ISS)


def test_a_wrong_token_is_refused_for_discovery_too() -> None:
    assert reason(authenticator(), Client().bearer(BASE), "/cds-services") == "the token is addressed elsewhere"


@pytest.mark.requirement("SEC-04", "SEC-27", "RSP-09")
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer x", "Bearer a.b.c", "Bearer ..", "Bearer é.é.é"]
)
def test_a_call_without_a_readable_token_is_refused(header: str | None) -> None:
    assert reason(authenticator(), header)


@pytest.mark.requirement("SEC-06", "SEC-07", "SEC-08")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"kid": None}, "the key id is missing"),
        ({"kid": ""}, "the key id is missing"),
        ({"kid": "k" * 2000}, "the key id is missing"),
        ({"kid": "other"}, "no key has this kid"),
        ({"typ": None}, "the type is not JWT"),
        ({"typ": "at+jwt"}, "the type is not JWT"),
    ],
)
def test_a_header_member_that_is_missing_or_wrong_refuses_the_token(header: dict[str, object], expected: str) -> None:
    answer = reason(authenticator(), Client(header=header).bearer())
    assert answer in (expected, "the token cannot be read")  # the library refuses some of them itself


def test_the_type_is_read_in_any_case() -> None:
    assert authenticator().check(Client(header={"typ": "jwt"}).bearer(), SERVICE)


@pytest.mark.requirement("SEC-11", "SEC-12", "SEC-14", "SEC-15", "SEC-16")
@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "jti"])
def test_each_required_claim_must_be_there(claim: str) -> None:
    client = Client()
    bearer = client.bearer(None) if claim == "aud" else client.bearer(**{claim: None})
    assert reason(authenticator(), bearer)


@pytest.mark.requirement("SEC-11", "SEC-19")
@pytest.mark.parametrize("iss", ["https://other.example.org", f"{ISS}/", ISS.upper()])
def test_an_issuer_that_is_not_on_the_list_is_refused(iss: str) -> None:
    assert reason(authenticator(), Client(iss=iss).bearer()) == "the issuer is not on the list"


@pytest.mark.requirement("SEC-12", "SEC-13")
@pytest.mark.parametrize(
    ("audience", "path"),
    [
        (BASE + SERVICE, SERVICE),
        (f"{BASE}{SERVICE}/", SERVICE),
        (BASE + SERVICE, f"{SERVICE}/"),
        (["https://elsewhere.example.org", BASE + SERVICE], SERVICE),
        (f"{BASE}/cds-services", "/cds-services"),
        (f"{BASE}{SERVICE}/feedback", f"{SERVICE}/feedback"),
        (BASE + SERVICE, f"{SERVICE}/feedback"),
    ],
)
def test_a_token_for_this_address_is_accepted(audience: object, path: str) -> None:
    assert authenticator().check(Client().bearer(audience), path) == Caller(ISS)


@pytest.mark.requirement("FB-15")
def test_feedback_is_addressed_as_itself_or_as_its_service() -> None:
    site = authenticator()
    for audience in (f"{BASE}{SERVICE}/feedback", BASE + SERVICE):
        assert site.check(Client().bearer(audience), f"{SERVICE}/feedback") == Caller(ISS)
    assert reason(site, Client().bearer(f"{BASE}{SERVICE}/feedback")) == "the token is addressed elsewhere"


@pytest.mark.requirement("SEC-12")
@pytest.mark.parametrize(
    "audience",
    [
        BASE,
        f"{BASE}/cds-services",
        f"{BASE}/cds-services/prodrome-order-sign",
        f"{BASE}{SERVICE}/x",
        f"{BASE}{SERVICE}?x=1",
        (BASE + SERVICE).replace("https", "http"),
        (BASE + SERVICE).upper(),
        "https://elsewhere.example.org" + SERVICE,
        [],
        ["https://elsewhere.example.org"],
        "",
    ],
)
def test_a_token_for_another_address_is_refused(audience: object) -> None:
    assert reason(authenticator(), Client().bearer(audience)).startswith("the token is addressed")


@pytest.mark.requirement("SEC-13")
def test_a_site_may_list_an_address_that_was_typed_otherwise() -> None:
    typed = "https://CDS.example.org:443/prodrome"
    site = authenticator(settings(issuer={"audiences": (typed,)}))
    assert site.check(Client().bearer(typed), SERVICE) == Caller(ISS)


@pytest.mark.requirement("SEC-14", "SEC-15", "SEC-18")
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOW - 61, "iat": NOW - 300}, "the token has expired"),
        ({"iat": NOW + 61, "exp": NOW + 300}, "the token was issued in the future"),
        ({"iat": NOW, "exp": NOW + 3601}, "the token lives too long"),
        ({"iat": NOW - 10 * 365 * 86400, "exp": NOW + 60}, "the token lives too long"),
        ({"nbf": NOW + 61}, "the token is not valid yet"),
        ({"exp": str(int(NOW) + 300)}, "exp is not a number"),
        ({"exp": True}, "exp is not a number"),
        ({"iat": "now"}, "iat is not a number"),
        ({"nbf": []}, "nbf is not a number"),
        ({"exp": float("inf")}, "exp is not a number"),
        ({"iat": float("nan")}, "iat is not a number"),
    ],
)
def test_a_token_out_of_its_time_is_refused(claims: dict[str, object], expected: str) -> None:
    assert reason(authenticator(), Client().bearer(**claims)) == expected


@pytest.mark.requirement("SEC-14", "SEC-15", "SEC-18")
@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 59, "iat": NOW - 300},
        {"iat": NOW + 59, "exp": NOW + 300},
        {"iat": NOW, "exp": NOW + 3600},
        {"nbf": NOW + 59},
        {"nbf": NOW - 300, "iat": NOW, "exp": NOW + 900, "sub": "client", "extra": {"x": 1}},
        {"iat": NOW + 0.5, "exp": NOW + 299.5},
    ],
)
def test_clocks_may_differ_by_a_minute_and_epic_may_say_more(claims: dict[str, object]) -> None:
    assert authenticator().check(Client().bearer(**claims), SERVICE) == Caller(ISS)


@given(issued=st.integers(-7200, 7200), life=st.integers(-7200, 7200))
def test_a_token_counts_exactly_within_its_time_and_leeway(issued: int, life: int) -> None:
    bearer = Client().bearer(iat=NOW + issued, exp=NOW + issued + life)
    expected = issued <= 60 and issued + life >= -60 and life <= 3600
    try:
        known = authenticator().check(bearer, SERVICE) == Caller(ISS)
    except Unauthorized:
        known = False
    assert known is expected


@pytest.mark.requirement("SEC-16")
@pytest.mark.parametrize("jti", ["", 7, ["x"], "j" * 2000])
def test_a_token_id_must_be_text(jti: object) -> None:
    assert reason(authenticator(), Client().bearer(jti=jti))


@pytest.mark.requirement("SEC-16")
def test_a_token_is_good_for_one_call() -> None:
    site = authenticator()
    bearer = Client().bearer()
    assert site.check(bearer, SERVICE)
    assert reason(site, bearer) == "the token was used before"


@pytest.mark.requirement("SEC-16")
def test_the_same_token_id_from_another_issuer_is_another_token() -> None:
    other = {"iss": "https://other.example.org", "jwks": {"keys": KEYS}}
    site = authenticator(settings(issuers=({"iss": ISS, "jwks": {"keys": KEYS}}, other)))
    assert site.check(Client().bearer(jti="1"), SERVICE)
    assert site.check(Client(iss="https://other.example.org").bearer(jti="1"), SERVICE)


@pytest.mark.withstands("replay")
@pytest.mark.requirement("SEC-16")
def test_a_used_token_is_refused_by_another_worker_and_after_a_restart(shared_database_url: str) -> None:
    site = settings(database_url=shared_database_url)
    first, second = authenticator(site), authenticator(site)
    bearer = Client().bearer()
    assert first.check(bearer, SERVICE)
    assert reason(second, bearer) == "the token was used before"
    assert reason(authenticator(site), bearer) == "the token was used before"


def test_a_token_that_was_refused_for_another_reason_is_not_used_up() -> None:
    site = authenticator()
    bearer = Client().bearer()
    assert reason(site, bearer, "/cds-services/other") == "the token is addressed elsewhere"
    assert site.check(bearer, SERVICE)


@pytest.mark.requirement("SEC-17")
def test_a_tenant_counts_only_if_it_is_on_the_list_of_its_issuer() -> None:
    site = authenticator(settings(issuer={"tenants": ("north",)}))
    assert site.check(Client().bearer(tenant="north"), SERVICE) == Caller(ISS, "north")
    assert reason(site, Client().bearer(tenant="south")) == "the tenant is not on the list"
    assert reason(site, Client().bearer()) == "the tenant is not on the list"
    assert reason(site, Client().bearer(tenant=["north"])) == "the tenant is not text"
    assert authenticator().check(Client().bearer(tenant="any"), SERVICE) == Caller(ISS, "any")


@pytest.mark.requirement("RSP-09")
def test_a_known_client_that_may_not_use_a_service_is_forbidden() -> None:
    site = authenticator(settings(issuer={"services": ("prodrome-order-sign",)}))
    with pytest.raises(Forbidden):
        site.check(Client().bearer(), SERVICE)
    sign = "/cds-services/prodrome-order-sign"
    assert site.check(Client().bearer(BASE + sign), sign)
    assert site.check(Client().bearer(f"{BASE}{sign}/feedback"), f"{sign}/feedback")


@pytest.mark.requirement("SEC-23")
@pytest.mark.parametrize(
    ("key", "kid", "algorithm"), [(RSA_2048, "rsa", "RS256"), (EC_256, "ec256", "ES256"), (RSA_2048, "rsa", "PS384")]
)
def test_further_algorithms_count_where_the_site_accepts_them(key: object, kid: str, algorithm: str) -> None:
    client = Client(key=key, algorithm=algorithm, kid=kid)
    assert reason(authenticator(), client.bearer()) == "the algorithm is not accepted"
    assert authenticator(settings(algorithms=(algorithm,))).check(client.bearer(), SERVICE)
    assert authenticator(settings(issuer={"algorithms": (algorithm,)})).check(client.bearer(), SERVICE)


@pytest.mark.requirement("SEC-24")
@pytest.mark.parametrize(
    "change",
    [{"alg": "RS384"}, {"use": "enc"}, {"key_ops": ["sign"]}, {"crv": "P-256"}, {"kty": "RSA"}, {"x": "!"}],
    ids=str,
)
def test_a_key_made_for_something_else_is_not_used(change: dict[str, object]) -> None:
    site = settings(issuer={"jwks": {"keys": [jwk(EC_384, "ec", **change)]}})
    assert "key" in reason(authenticator(site), Client().bearer())


@pytest.mark.requirement("SEC-24")
def test_a_short_rsa_key_is_not_used() -> None:
    short = rsa.generate_private_key(65537, 1024)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer PyJWT says so, too
        bearer = Client(key=short, algorithm="RS384", kid="rsa").bearer()
    site = settings(issuer={"jwks": {"keys": [jwk(short, "rsa")]}})
    assert reason(authenticator(site), bearer) == "the RSA key is shorter than 2048 bits"


def test_a_key_id_that_two_keys_share_is_not_believed() -> None:
    site = settings(issuer={"jwks": {"keys": [KEYS[0], KEYS[0]]}})
    assert reason(authenticator(site), Client().bearer()) == "the kid is ambiguous"


@pytest.mark.requirement("SEC-24")
def test_an_es384_signature_is_the_two_raw_numbers_and_not_der() -> None:
    import base64

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signed, _, raw = Client().token().rpartition(".")
    assert len(base64.urlsafe_b64decode(raw)) == 96
    der = EC_384.sign(signed.encode(), ec.ECDSA(hashes.SHA384()))
    forged = f"{signed}.{base64.urlsafe_b64encode(der).rstrip(b'=').decode()}"
    assert reason(authenticator(), f"Bearer {forged}") == "the signature is wrong"


@pytest.mark.requirement("SEC-26", "SEC-27")
def test_the_reason_is_logged_and_the_token_is_not(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = Client().bearer(exp=NOW - 100, iat=NOW - 200)
    monkeypatch.setattr(logging.getLogger("prodrome"), "propagate", True)
    with caplog.at_level(logging.WARNING, logger="prodrome"):
        reason(authenticator(), bearer)
    (record,) = caplog.records
    assert record.__dict__["fields"]["reason"] == "the token has expired"
    assert record.__dict__["fields"]["issuer"] == ISS
    token = bearer.removeprefix("Bearer ")
    assert not any(part in str(record.__dict__) for part in [token, *token.split(".")])


def test_the_calls_of_one_issuer_are_counted() -> None:
    site = authenticator(settings(requests_per_minute=2))
    for _ in range(2):
        site.check(Client().bearer(), SERVICE)
    with pytest.raises(TooMany):
        site.check(Client().bearer(), SERVICE)


# --- key sets of the clients ----------------------------------------------------------------------------------------


class Host:
    """Stands for the host of a key set, and counts who asks."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self.keys: Sequence[Key] | None = keys
        self.asked: list[str] = []
        self.now = 1000.0
        self.answers = threading.Event()
        self.answers.set()

    def fetch(self, url: str) -> Sequence[Key]:
        self.asked.append(url)
        assert self.answers.wait(10)
        if self.keys is None:
            raise Unusable("down")
        return self.keys

    def key_sets(self) -> KeySets:
        return KeySets(self.fetch, lambda: self.now)


def jku_site(host: Host, *jku: str) -> Authenticator:
    issuer = {"iss": ISS, "jku": jku or (JKU,)}
    return authenticator(settings(issuers=(issuer,)), key_sets=host.key_sets())


@pytest.mark.requirement("SEC-09", "SEC-19")
@pytest.mark.parametrize("header", [{"jku": JKU}, {}], ids=["named by the token", "known to the site"])
def test_keys_are_fetched_from_the_address_on_the_list(header: dict[str, object]) -> None:
    host = Host(KEYS)
    assert jku_site(host).check(Client(header=header).bearer(), SERVICE) == Caller(ISS)
    assert host.asked == [JKU]


@pytest.mark.requirement("SEC-25")
@pytest.mark.parametrize("down", [0, 1])
def test_of_several_key_sets_one_that_cannot_be_had_does_not_hide_the_others(down: int) -> None:
    addresses = ("https://ehr.example.org/old", "https://ehr.example.org/new")

    def fetch(url: str) -> Sequence[Key]:
        if url == addresses[down]:
            raise Unusable("down")
        return KEYS

    site = authenticator(settings(issuers=({"iss": ISS, "jku": addresses},)), key_sets=KeySets(fetch))
    assert site.check(Client().bearer(), SERVICE) == Caller(ISS)
    assert reason(site, Client(header={"kid": "gone"}).bearer()) == "down"


@pytest.mark.requirement("SEC-19", "SEC-20")
@pytest.mark.parametrize("jku", [f"{JKU}/", f"{JKU}?", "https://evil.example.org/jwks", "", 7, [JKU], {"a": 1}])
def test_nothing_is_fetched_from_an_address_that_is_not_on_the_list(jku: object) -> None:
    host = Host(KEYS)
    assert reason(jku_site(host), Client(header={"jku": jku}).bearer()) == "the key set is not on the list"
    assert host.asked == []


@pytest.mark.requirement("SEC-19")
def test_nothing_is_fetched_for_an_issuer_that_is_not_on_the_list() -> None:
    host = Host(KEYS)
    client = Client(iss="https://other.example.org", header={"jku": JKU})
    assert reason(jku_site(host), client.bearer()) == "the issuer is not on the list"
    assert host.asked == []


def test_a_key_set_on_the_list_of_another_issuer_does_not_count() -> None:
    other = {"iss": "https://other.example.org", "jku": ("https://other.example.org/jwks",)}
    site = authenticator(settings(issuers=({"iss": ISS, "jku": (JKU,)}, other)), key_sets=Host(KEYS).key_sets())
    client = Client(iss="https://other.example.org", header={"jku": JKU})
    assert reason(site, client.bearer()) == "the key set is not on the list"


@pytest.mark.requirement("SEC-25")
def test_a_key_set_is_kept_for_a_while() -> None:
    host = Host(KEYS)
    sets = host.key_sets()
    for _ in range(3):
        sets.keys(JKU, "ec")
    assert len(host.asked) == 1
    host.now += keys.TTL_SECONDS
    sets.keys(JKU, "ec")
    eventually(lambda: len(host.asked) == 2)


@pytest.mark.requirement("SEC-25")
def test_a_new_key_is_fetched_when_its_id_is_seen() -> None:
    host = Host(KEYS[:1])
    sets = host.key_sets()
    sets.keys(JKU, "ec")
    host.keys = KEYS
    host.now += keys.PAUSE_SECONDS
    assert any(key["kid"] == "rsa" for key in sets.keys(JKU, "rsa"))


@pytest.mark.requirement("SEC-25")
def test_unknown_key_ids_cannot_make_us_flood_the_host() -> None:
    host = Host(KEYS)
    sets = host.key_sets()
    for number in range(1000):
        host.now += 0.01
        sets.keys(JKU, f"unknown-{number}")
    assert len(host.asked) <= 2


@pytest.mark.requirement("SEC-25")
def test_the_last_known_keys_serve_while_the_host_is_down_but_not_for_ever() -> None:
    host = Host(KEYS)
    sets = host.key_sets()
    sets.keys(JKU, "ec")
    host.keys = None
    host.now += keys.TTL_SECONDS + 1
    assert sets.keys(JKU, "ec")
    eventually(lambda: bool(sets._cached[JKU].problem))
    host.now += keys.STALE_SECONDS
    with pytest.raises(Unusable, match="down"):
        sets.keys(JKU, "ec")


def test_keys_that_are_too_old_to_serve_are_waited_for() -> None:
    host = Host(KEYS)
    sets = host.key_sets()
    sets.keys(JKU, "ec")
    host.now += keys.STALE_SECONDS + 1
    assert sets.keys(JKU, "ec") == KEYS
    assert len(host.asked) == 2


def test_a_key_that_was_withdrawn_no_longer_counts() -> None:
    host = Host(KEYS)
    sets = host.key_sets()
    site = authenticator(settings(issuers=({"iss": ISS, "jku": (JKU,)},)), key_sets=sets)
    assert site.check(Client().bearer(), SERVICE)
    host.keys = [key for key in KEYS if key["kid"] != "ec"]
    host.now += keys.TTL_SECONDS
    host.answers.clear()
    assert site.check(Client().bearer(), SERVICE)  # the last known keys serve while the new ones come
    host.answers.set()
    eventually(lambda: not sets._cached[JKU].names("ec"))
    assert reason(site, Client().bearer()) == "no key has this kid"


def test_a_host_that_never_answered_gives_no_key_and_is_left_alone_for_a_moment() -> None:
    host = Host()
    host.keys = None
    site = jku_site(host)
    for _ in range(5):
        assert reason(site, Client().bearer()) == "down"
    assert len(host.asked) == 1


@pytest.mark.requirement("SEC-25")
def test_a_known_key_does_not_wait_for_a_fetch_that_an_unknown_one_set_off() -> None:
    host, gate, fetching = Host(KEYS), threading.Event(), threading.Event()
    sets = host.key_sets()
    sets.keys(JKU, "ec")

    def slow(url: str) -> Sequence[Key]:
        fetching.set()
        assert gate.wait(10)
        return KEYS

    sets._fetch = slow
    host.now += keys.TTL_SECONDS
    attacker = threading.Thread(target=sets.keys, args=(JKU, "unknown"))
    attacker.start()
    assert fetching.wait(10)
    assert sets.keys(JKU, "ec") == KEYS
    gate.set()
    attacker.join()


@pytest.mark.withstands("dripping key set")
def test_a_silent_host_of_one_issuer_makes_no_other_wait() -> None:
    gate = threading.Event()

    def fetch(url: str) -> Sequence[Key]:
        if url == JKU:
            return KEYS
        gate.wait(10)
        raise Unusable("silent")

    sets = KeySets(fetch)
    refused: list[type[Exception]] = []

    def ask() -> None:
        try:
            sets.keys("https://silent.example.org/jwks", "ec")
        except (Unusable, Pending) as error:
            refused.append(type(error))

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(refused) >= 8 - keys.MOST_WAITING)  # they hold no thread of the service
    assert set(refused) == {Pending}
    sets.keys(JKU, "ec")
    began = time.monotonic()
    assert sets.keys(JKU, "ec") == KEYS
    assert time.monotonic() - began < 0.5
    for caller in callers:
        caller.join()
    assert refused.count(Unusable) == keys.MOST_WAITING  # they waited for a moment and no longer
    gate.set()
    eventually(lambda: bool(sets._cached["https://silent.example.org/jwks"].problem))
    with pytest.raises(Unusable, match="silent"):  # now nobody waits
        sets.keys("https://silent.example.org/jwks", "ec")


def test_while_too_many_wait_for_keys_a_token_may_be_sent_again() -> None:
    class Busy(KeySets):
        def keys(self, url: str, kid: str) -> Sequence[Key]:
            raise Pending

    site = authenticator(settings(issuers=({"iss": ISS, "jku": (JKU,)},)), key_sets=Busy())
    with pytest.raises(Unavailable) as caught:
        site.check(Client().bearer(), SERVICE)
    assert caught.value.retry_after == 1


@contextlib.contextmanager
def dripping(head: bytes, drop: bytes) -> Iterator[str]:
    """A host that says *head* and then one *drop* after another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(head)
                while not ended.wait(0.2):
                    connection.sendall(drop)

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/jwks"
        ended.set()
        thread.join()


@pytest.mark.withstands("dripping key set")
@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Other: a\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    ],
    ids=["silence", "a header byte by byte", "header by header", "a body byte by byte"],
)
def test_a_host_that_drips_is_left_by_the_clock(head: bytes, drop: bytes) -> None:
    with dripping(head, drop) as url:
        began = time.monotonic()
        with pytest.raises(Unusable, match="did not come in time"):
            keys.fetch(url)
        assert time.monotonic() - began < keys.FETCH_SECONDS + 2


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answers: dict[str, tuple[int, bytes]] = {
            "/good": (200, b'{"keys": [{"kid": "1", "kty": "EC"}, "odd"]}'),
            "/text": (200, b"hello"),
            "/list": (200, b"[]"),
            "/none": (200, b"{}"),
            "/missing": (404, b"{}"),
            "/large": (200, b" " * (keys.MAX_KEY_SET_BYTES + 1)),
            "/elsewhere": (302, b""),
        }
        status, body = answers.get(self.path, (200, b""))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/good")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            for _ in range(50 if self.path == "/slow" else 0):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_key_set_is_read_from_its_host(address: str) -> None:
    assert keys.fetch(f"{address}/good") == [{"kid": "1", "kty": "EC"}]


@pytest.mark.requirement("SEC-20")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/text", "not JSON"),
        ("/list", "no keys"),
        ("/none", "no keys"),
        ("/missing", "status 404"),
        ("/elsewhere", "status 302"),
        ("/large", "too large"),
        ("/slow", "did not come in time"),
    ],
)
def test_a_host_that_answers_oddly_gives_no_keys_in_bounded_time(address: str, path: str, expected: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unusable, match=expected):
        keys.fetch(address + path)
    assert time.monotonic() - began < keys.FETCH_SECONDS + 2


def test_a_host_that_is_not_there_gives_no_keys() -> None:
    with pytest.raises(Unusable, match="cannot be fetched"):
        keys.fetch("http://127.0.0.1:9/jwks")


# --- tokens seen ----------------------------------------------------------------------------------------------------


@pytest.mark.withstands("replay")
def test_of_many_workers_that_see_a_token_at_once_one_is_first(shared_database_url: str) -> None:
    workers = [UsedTokens(Database(shared_database_url)) for _ in range(4)]
    answers: list[bool] = []
    gate = threading.Barrier(len(workers))

    def see(worker: UsedTokens) -> None:
        gate.wait()
        answers.append(worker.first_use("iss", "jti", time.time() + 300))

    threads = [threading.Thread(target=see, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, False, True]


def test_used_tokens_are_forgotten_after_they_expire_and_not_before(database_url: str) -> None:
    now = [NOW]
    database = Database(database_url)
    used = UsedTokens(database, lambda: now[0])
    for number in range(300):
        assert used.first_use("iss", f"old-{number}", NOW + 10)
    now[0] += 120
    for number in range(200):
        assert used.first_use("iss", f"new-{number}", NOW + 300)
    assert not used.first_use("iss", "new-0", NOW + 300)
    with database.reading() as connection:
        assert len(connection.execute(select(seen_token)).all()) == 200
    database.close()


def test_issuer_and_token_id_cannot_be_shifted_into_each_other(database_url: str) -> None:
    used = UsedTokens(Database(database_url))
    assert used.first_use("ab", "c", NOW)
    assert used.first_use("a", "bc", NOW)


@pytest.mark.withstands("replay without database")
def test_a_token_that_cannot_be_looked_up_is_refused_for_now_and_not_used_up(database_url: str) -> None:
    database = Database(database_url)
    site = authenticator(settings(), database=database)
    bearer = Client().bearer()
    with database.writing(durable=True) as connection:
        connection.exec_driver_sql("ALTER TABLE seen_token RENAME TO elsewhere")
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            site.check(bearer, SERVICE)
        assert caught.value.retry_after == 1
    eventually(lambda: not database.away)
    with database.writing(durable=True) as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO seen_token")
    assert site.check(bearer, SERVICE) == Caller(ISS)
    assert reason(site, bearer) == "the token was used before"


@pytest.mark.withstands("odd claims")
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": 10**400}, "exp is not a number"),
        ({"exp": -(10**400)}, "exp is not a number"),
        ({"iat": 10**400}, "iat is not a number"),
        ({"nbf": 10**400}, "nbf is not a number"),
        ({"exp": 1e300}, "exp is not a number"),
        ({"jti": "\ud800"}, "the token id is missing"),
        ({"jti": "a\udfffb"}, "the token id is missing"),
        ({"tenant": "\ud800"}, "the tenant is not text"),
        ({"iss": "\ud800"}, "the issuer is not on the list"),
        ({"aud": "\ud800"}, "the token is addressed elsewhere"),
        ({"aud": [BASE + SERVICE, "\ud800"], "jti": "\ud800"}, "the token id is missing"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "backslashreplace").decode(),
)
def test_claims_beyond_numbers_and_text_refuse_the_token(claims: dict[str, object], expected: str) -> None:
    audience = claims.pop("aud", BASE + SERVICE)
    assert reason(authenticator(), Client().bearer(audience, **claims)) == expected


@pytest.mark.withstands("odd claims")
def test_a_key_id_that_is_no_text_refuses_the_token() -> None:
    assert reason(authenticator(), Client(header={"kid": "\ud800"}).bearer()) == "the key id is missing"


@pytest.mark.withstands("pinned key")
def test_a_key_that_the_site_holds_counts_though_the_token_names_a_key_set() -> None:
    host = Host(KEYS)
    for listed in ((), (JKU,)):
        issuer = {"iss": ISS, "jwks": {"keys": KEYS[:1]}, "jku": listed}
        site = authenticator(settings(issuers=(issuer,)), key_sets=host.key_sets())
        assert site.check(Client(header={"jku": JKU}).bearer(), SERVICE) == Caller(ISS)
        assert site.check(Client(header={"jku": "https://elsewhere.example.org/jwks"}).bearer(), SERVICE)
    assert host.asked == []
