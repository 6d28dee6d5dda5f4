"""Browser-based clients: who may read answers from another origin."""

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app
from tests.cds_hooks.tokens import settings

ORIGIN = "https://ehr.example.org"
PATHS = [
    "/cds-services",
    "/cds-services/prodrome-patient-view",
    "/cds-services/prodrome-patient-view/feedback",
]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """A site that asks for tokens and named one origin."""
    return create_app(settings(cors_origins=(ORIGIN,))).test_client()


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }


@pytest.mark.requirement("CORS-01", "CORS-02")
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_answered_without_a_token(client: FlaskClient, path: str) -> None:
    answer = client.options(path, headers=preflight(ORIGIN))
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    methods = {method.strip() for method in answer.headers["Access-Control-Allow-Methods"].split(",")}
    assert methods == {"GET", "POST", "OPTIONS"}
    headers = {header.strip() for header in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert headers == {"Authorization", "Content-Type", "Accept"}
    assert "Origin" in answer.vary


@pytest.mark.requirement("CORS-04")
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.org",
        "null",
        "",
        "*",
        ORIGIN.upper(),
        f"{ORIGIN}/",
        f"{ORIGIN}.evil.org",
        f"{ORIGIN}:8443",
        "http://ehr.example.org",
        f"{ORIGIN}, https://evil.example.org",
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_another_origin_may_not_read_anything(client: FlaskClient, path: str, origin: str) -> None:
    for answer in (client.options(path, headers=preflight(origin)), client.post(path, headers={"Origin": origin})):
        assert not any(name.lower().startswith("access-control") for name, _ in answer.headers)
        assert "Origin" in answer.vary


@pytest.mark.requirement("CORS-03")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATHS[0], 200),
        ("POST", PATHS[1], 401),
        ("POST", PATHS[2], 401),
        ("POST", "/cds-services/unknown", 404),
        ("DELETE", PATHS[1], 405),
        ("GET", PATHS[1], 405),
    ],
)
def test_a_named_origin_may_read_errors_too(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method, headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in answer.vary


@pytest.mark.requirement("CORS-04")
@pytest.mark.parametrize("path", PATHS)
def test_no_answer_invites_everybody_or_the_credentials_of_a_browser(client: FlaskClient, path: str) -> None:
    for origin in (ORIGIN, "https://evil.example.org"):
        for answer in (client.options(path, headers=preflight(origin)), client.post(path, headers={"Origin": origin})):
            assert answer.headers.get("Access-Control-Allow-Origin") != "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_client_that_is_no_browser_sees_nothing_of_it(client: FlaskClient) -> None:
    answer = client.get("/cds-services")
    assert not any(name.lower().startswith("access-control") for name, _ in answer.headers)


def test_pages_and_other_addresses_are_for_this_origin_alone() -> None:
    client = create_app(Settings(cors_origins=(ORIGIN,))).test_client()
    answer = client.get("/health", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_named_origins_no_browser_elsewhere_may_read() -> None:
    client = create_app(Settings()).test_client()
    answer = client.options("/cds-services", headers=preflight(ORIGIN))
    assert "Access-Control-Allow-Origin" not in answer.headers
