"""A client in a browser page, with tokens: cards, an order, a suggestion taken, a card dismissed, feedback arrived.

The client is one of our own that does what the CDS Hooks sandbox does, from another origin; where
``CDS_HOOKS_SANDBOX`` names the folder of a built sandbox, that is driven too.
"""

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask, Response, jsonify, send_from_directory

from prodrome.cds_hooks.database import Database
from prodrome.cds_hooks.feedback.report import feedback_report
from prodrome.cds_hooks.settings import load_settings
from prodrome.cds_hooks.testers import PRIVATE, SANDBOX_SETTINGS, new_key
from tests.browser.conftest import expect, fhir_server
from tests.serving import listening, service, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CLIENT = Path(__file__).parent / "ehr_client"
SANDBOX = os.environ.get("CDS_HOOKS_SANDBOX")
ISSUER, KID = "https://ehr.example.org", "ehr-1"
SUMATRIPTAN = "37418 sumatriptan"


def files(folder: Path, **more: Any) -> Flask:
    """A site of static files, and of JSON documents by name."""
    app = Flask("client")

    @app.get("/")
    @app.get("/<path:name>")
    def file(name: str = "index.html") -> Response:
        document = more.get(name.partition(".")[0])
        return jsonify(document) if document else send_from_directory(folder, name)

    return app


def private_jwk(folder: Path) -> dict[str, str]:
    """The private key as the page imports it."""
    key = load_pem_private_key((folder / PRIVATE).read_bytes(), None)
    numbers = key.private_numbers()  # type: ignore[union-attr]
    public = json.loads((folder / "jwks.json").read_text())["keys"][0]
    secret = base64.urlsafe_b64encode(numbers.private_value.to_bytes(48, "big")).rstrip(b"=").decode()  # type: ignore[union-attr]
    return {"kty": "EC", "crv": "P-384", "x": public["x"], "y": public["y"], "d": secret}


@contextmanager
def fhir_for_pages() -> Iterator[str]:
    """The small FHIR server, open to pages of other origins as sandbox servers are."""
    app = fhir_server()

    @app.after_request
    def for_all(answer: Response) -> Response:
        answer.headers["Access-Control-Allow-Origin"] = answer.headers["Access-Control-Allow-Headers"] = "*"
        return answer

    with serving(app) as address:
        yield address


@contextmanager
def listening_with_tokens(**settings: Any) -> Iterator[str]:
    """A service that wants tokens addressed to the port it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with listening(service(port=port, **settings), port) as address:
        yield address


@pytest.fixture
def elsewhere(browser: "Browser") -> Iterator["Page"]:
    """A page that may be of any origin."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def outcomes(database: str) -> dict[str, tuple[int, int, int]]:
    return {rule.rule: (rule.shown, rule.accepted, rule.overridden) for rule in feedback_report(Database(database))}


@pytest.mark.requirement("CORS-01", "CORS-02")
def test_a_client_in_a_page_gets_cards_takes_one_and_dismisses_one(elsewhere: "Page", tmp_path: Path) -> None:
    settings = tmp_path / "prodrome.toml"
    settings.write_text(new_key(tmp_path, ISSUER, KID))
    key = {"key": private_jwk(tmp_path), "kid": KID, "iss": ISSUER}
    database = f"sqlite:///{tmp_path}/feedback.db"
    with (
        serving(files(CLIENT, key=key)) as client,
        fhir_for_pages() as fhir,
        listening_with_tokens(
            issuers=load_settings(settings).issuers, cors_origins=(client,), database_url=database
        ) as base,
    ):
        elsewhere.goto(f"{client}/?service={quote(base)}&fhir={quote(fhir)}&patient=prodrome-resistant")
        expect(elsewhere.get_by_role("status")).to_have_text("4 cards at patient-view")
        elsewhere.get_by_label("Drug and dose").fill(f"{SUMATRIPTAN} 25")
        elsewhere.get_by_role("button", name="Sign").click()
        card = elsewhere.locator("article", has_text="below the full acute dose")
        card.get_by_role("button", name="Change to 50 mg").click()
        expect(elsewhere.locator("#in-hand")).to_contain_text('"value":50')
        expect(elsewhere.get_by_role("status")).to_have_text("0 cards at order-sign")
        elsewhere.get_by_label("Drug and dose").fill(f"{SUMATRIPTAN} 25")
        elsewhere.get_by_role("button", name="Sign").click()
        card.get_by_role("button", name="Dismiss: ").first.click()
        expect(card).to_have_count(0)
    assert outcomes(database)["ACU-01"] == (2, 1, 1)


@pytest.mark.requirement("CORS-04")
def test_a_page_of_an_origin_that_is_not_named_gets_nothing(elsewhere: "Page", tmp_path: Path) -> None:
    with serving(files(CLIENT)) as client, fhir_for_pages() as fhir, listening_with_tokens() as base:
        complaints: list[str] = []
        elsewhere.on("console", lambda said: complaints.append(said.text))
        elsewhere.goto(f"{client}/?service={quote(base)}&fhir={quote(fhir)}&patient=prodrome-resistant")
        elsewhere.wait_for_event("console", predicate=lambda said: "CORS" in said.text)
        assert elsewhere.locator("article").count() == 0


@pytest.mark.skipif(SANDBOX is None, reason="CDS_HOOKS_SANDBOX names no built CDS Hooks sandbox")
def test_the_cds_hooks_sandbox_shows_the_cards_with_the_settings_for_it(elsewhere: "Page", tmp_path: Path) -> None:
    issuers = load_settings(SANDBOX_SETTINGS).issuers
    database = f"sqlite:///{tmp_path}/feedback.db"
    with (
        serving(files(Path(SANDBOX or ""))) as client,
        fhir_for_pages() as fhir,
        listening_with_tokens(issuers=issuers, cors_origins=(client,), database_url=database) as base,
    ):
        discovery = quote(f"{base}/cds-services", safe="")
        elsewhere.goto(
            f"{client}/?fhirServiceUrl={quote(fhir, safe='')}&patientId=prodrome-resistant"
            f"&serviceDiscoveryURL={discovery}&hook=patient-view"
        )
        expect(elsewhere.get_by_role("paragraph").filter(has_text="Meets criteria for resistant")).to_be_visible()
        expect(elsewhere.get_by_text("Ada Fernhill-Example")).to_be_visible()
    assert outcomes(database)["DTT-01"] == (1, 0, 0)
