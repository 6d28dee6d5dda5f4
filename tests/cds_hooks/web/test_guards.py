"""What one caller may ask, and the headers of every answer."""

import time

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app
from tests.cds_hooks.tokens import BASE, SERVICE, Client, settings


def client(site: Settings) -> FlaskClient:
    return create_app(site).test_client()


def test_an_open_service_counts_by_address() -> None:
    site = client(Settings(requests_per_minute=2))
    answers = [site.get("/cds-services", environ_base={"REMOTE_ADDR": "127.0.0.2"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert answers[-1].json is not None
    assert answers[-1].json["issue"][0]["code"] == "throttled"
    assert site.get("/cds-services", environ_base={"REMOTE_ADDR": "127.0.0.3"}).status_code == 200
    assert site.get("/health", environ_base={"REMOTE_ADDR": "127.0.0.2"}).status_code == 200


@pytest.mark.withstands("rates behind a proxy")
def test_guessing_at_tokens_is_stopped_and_known_callers_go_on() -> None:
    site = client(settings(requests_per_minute=5))
    known = Client(now=time.time())

    def call(bearer: str, address: str) -> int:
        headers = {"Authorization": bearer}
        return site.post(SERVICE, json={}, headers=headers, environ_base={"REMOTE_ADDR": address}).status_code

    assert [call("Bearer x", "10.0.0.1") for _ in range(7)] == [401] * 5 + [429] * 2
    for address in ("10.0.0.1", "10.0.0.2"):  # the first may be a proxy that all share
        assert call(known.bearer(BASE + SERVICE), address) == 400  # known, but the body is no request
    assert call("Bearer x", "10.0.0.1") == 429
    assert call("Bearer x", "10.0.0.2") == 401


@pytest.mark.withstands("rates behind a proxy")
def test_pages_without_a_token_are_counted_apart_from_bad_tokens() -> None:
    site = client(settings(requests_per_minute=3))
    for _ in range(5):
        site.post(SERVICE, json={}, headers={"Authorization": "Bearer x"})
    assert [site.get("/cds-services").status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.withstands("rates behind a proxy")
def test_addresses_of_services_that_are_not_there_are_counted_too() -> None:
    site = client(settings(requests_per_minute=3))
    assert [site.post(f"/cds-services/x{n}", json={}).status_code for n in range(4)] == [404, 404, 404, 429]


def test_the_calls_of_one_issuer_are_counted_together() -> None:
    site = client(settings(requests_per_minute=3))
    known = Client(now=time.time())
    statuses = [
        site.post(
            SERVICE,
            json={},
            headers={"Authorization": known.bearer(BASE + SERVICE)},
            environ_base={"REMOTE_ADDR": f"10.0.0.{number}"},
        ).status_code
        for number in range(4)
    ]
    assert statuses == [400, 400, 400, 429]


def test_an_address_is_believed_from_a_proxy_only_where_the_site_has_one() -> None:
    forwarded = {"X-Forwarded-For": "10.9.9.9"}
    direct = client(Settings(requests_per_minute=1))
    assert [direct.get("/cds-services", headers=forwarded).status_code for _ in range(2)] == [200, 429]
    assert direct.get("/cds-services", headers={"X-Forwarded-For": "10.8.8.8"}).status_code == 429
    behind = client(Settings(requests_per_minute=1, proxies=1, open_to_everyone=True))
    assert behind.get("/cds-services", headers=forwarded).status_code == 200
    assert behind.get("/cds-services", headers={"X-Forwarded-For": "10.8.8.8"}).status_code == 200
    assert behind.get("/cds-services", headers=forwarded).status_code == 429


@pytest.mark.requirement("RSP-12")
@pytest.mark.parametrize(
    ("path", "status"), [("/cds-services", 200), ("/health", 200), ("/nowhere", 404), (SERVICE, 405)]
)
def test_every_answer_carries_the_headers_that_keep_it_in_its_place(path: str, status: int) -> None:
    answer = client(Settings()).get(path)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
    assert "Strict-Transport-Security" not in answer.headers


def test_behind_https_browsers_are_told_to_stay_there() -> None:
    answer = client(settings()).get("/cds-services")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1.evil.org", "169.254.169.254"])
def test_a_page_cannot_reach_an_open_service_by_renaming_this_machine(host: str) -> None:
    site = client(Settings())
    assert site.get("/cds-services", headers={"Host": f"{host}:8080"}).status_code == 400
    for own in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        assert site.get("/cds-services", headers={"Host": own}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 400),  # our own page: let through to a body that is no request
        ("https://ehr.example.org", 400),
        ("https://evil.example.org", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_elsewhere_cannot_make_a_browser_post(origin: str, status: int) -> None:
    site = client(Settings(cors_origins=("https://ehr.example.org",)))
    assert site.post(SERVICE, json={}, headers={"Origin": origin}).status_code == status
    assert site.get("/cds-services", headers={"Origin": origin}).status_code == 200


def test_a_client_that_is_no_browser_posts_without_an_origin() -> None:
    assert client(Settings()).post(SERVICE, json={}).status_code == 400
