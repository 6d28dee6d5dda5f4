"""A browser and a running service for it. Where the browser or its driver is absent the tests skip and say so."""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from flask import Flask, Response, jsonify

from prodrome.cds_hooks.testers.example_patients import examples, resources
from prodrome.cds_hooks.workbench import asking
from prodrome.rules.guideline.guideline import load_guideline
from tests.serving import TODAY, listening, service, serving

ARTEFACTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
OF_SIZE = ["target-size", "scrollable-region-focusable", "meta-viewport", "css-orientation-lock", "bypass"]
"""What axe finds otherwise where a page is smaller or larger; its colours are those of the other pages."""
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

try:
    from playwright.sync_api import Browser, Page, sync_playwright
    from playwright.sync_api import expect as expect

    expect.set_options(timeout=20_000)
except ImportError:
    sync_playwright = None  # type: ignore[assignment]
    expect = None  # type: ignore[assignment]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    why = "playwright is not installed" if sync_playwright is None else None if CHROMIUM else "there is no chromium"
    for item in items:
        if why and Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=f"{why}: the pages are not driven in a browser"))


@pytest.fixture(scope="package")
def base() -> Iterator[str]:
    """The address of a running service."""
    with listening(service()) as address:
        yield address


@pytest.fixture(scope="package")
def fhir() -> Iterator[str]:
    """The address of a small FHIR server with one of the example patients."""
    with serving(fhir_server()) as address:
        yield address


def fhir_server() -> Flask:
    """Reads and searches over the example patient ``resistant``, and nothing else of FHIR."""
    example = next(one for one in examples() if one.patient_id == "prodrome-resistant")
    chart = resources(example, load_guideline(), TODAY)
    app = Flask("fhir")

    @app.get("/metadata")
    def metadata() -> Response:
        return jsonify({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})

    @app.get("/<kind>/<id_>")
    def read(kind: str, id_: str) -> tuple[Response, int]:
        found = [one for one in chart if (one["resourceType"], one["id"]) == (kind, id_)]
        return (jsonify(found[0]), 200) if found else (jsonify({"resourceType": "OperationOutcome", "issue": []}), 404)

    @app.get("/<kind>")
    def search(kind: str) -> Response:
        found = [{"resource": one} for one in chart if one["resourceType"] == kind]
        return jsonify({"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": found})

    return app


@pytest.fixture(scope="module")  # closed before other tests: while it is open this thread has a running event loop
def browser() -> Iterator["Browser"]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: "Browser", base: str) -> Iterator["Page"]:
    """A page of a new browser session; what it complains of (scripts, policy, requests elsewhere) fails the test."""
    yield from _page(browser, base)


@pytest.fixture
def plain_page(browser: "Browser", base: str) -> Iterator["Page"]:
    """The same without JavaScript."""
    yield from _page(browser, base, java_script_enabled=False)


class Look(NamedTuple):
    """How a page is looked at: the width and height in CSS pixels, the colours, and how much it is enlarged."""

    name: str
    width: int
    height: int
    colours: Literal["light", "dark"]
    scale: float = 1


LOOKS = (
    Look("light", 1280, 900, "light"),
    Look("dark", 1280, 900, "dark"),
    Look("small", 390, 844, "light"),
    Look("small-dark", 390, 844, "dark"),
    Look("enlarged", 640, 450, "light", 2),
)
Looking = Callable[[Look], "Page"]


@pytest.fixture
def looking(browser: "Browser", base: str) -> Iterator[Looking]:
    """Opens a page in a look."""
    with ExitStack() as open_:

        def looked_at(look: Look) -> "Page":
            viewport = {"width": look.width, "height": look.height}
            options = {"viewport": viewport, "color_scheme": look.colours, "device_scale_factor": look.scale}
            return open_.enter_context(contextmanager(_page)(browser, base, **options))

        yield looked_at


def _page(browser: "Browser", base: str, **options: Any) -> Iterator["Page"]:
    context = browser.new_context(
        **{"base_url": base, "viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
    )
    # A browser that was here before: the permanent address of an example opens it at once.
    context.add_cookies([{"name": "prodrome_workbench", "value": secrets.token_urlsafe(24), "url": base}])
    complaints: list[str] = []
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(base) else complaints.append(f"asked {asked.url}"))
    yield page
    context.close()
    unexpected = [said for said in complaints if not re.search(r"status of 4\d\d|Status Error Code 4\d\d", said)]
    assert not unexpected, unexpected


@pytest.fixture
def keep(page: "Page") -> Callable[[str], None]:
    """Keeps a screenshot of the page as an artefact."""

    def keep_(name: str) -> None:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    return keep_


def faults(page: "Page", rules: Sequence[str] = ()) -> list[str]:
    """What axe finds wrong with the page, by WCAG 2.2 AA and its own best practice; of these by *rules* alone."""
    page.evaluate(AXE)
    run = "(only) => axe.run({runOnly: only, resultTypes: ['violations']}).then(found => found.violations)"
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": WCAG}
    return [
        f"{fault['impact']} {fault['id']}: {fault['help']} at {node['target']} ({node.get('failureSummary', '')})"
        for fault in page.evaluate(run, only)
        for node in fault["nodes"]
    ]


def long_request() -> dict[str, Any]:
    """The request of a patient with sixty trials in ten years."""
    from prodrome.cds_hooks.environment import Environment
    from prodrome.cds_hooks.settings import Settings
    from tests.browser.long_history import PATIENT, chart

    environment = Environment.of(Settings(today=TODAY))
    wanted = environment.service_for("patient-view")
    return asking.request_document(wanted, PATIENT, chart(TODAY), environment)
