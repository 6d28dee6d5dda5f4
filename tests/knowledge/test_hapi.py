"""HAPI FHIR with clinical reasoning installs the package and gives each hook's cards as this program does."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.knowledge import knowledge, write
from prodrome.rules.guideline import load_guideline
from tests.docs import knowledge_page
from tests.knowledge import cases, jvm
from tests.knowledge.cases import Compared

pytestmark = [
    pytest.mark.skipif(not cases.LONG, reason="takes minutes: make test-knowledge"),
    pytest.mark.timeout(1800),
]
GUIDELINE = load_guideline()
PUBLISHED = knowledge(GUIDELINE)
INDICATORS = {"stat": "critical", "urgent": "warning", "routine": "info"}


@pytest.fixture(scope="module")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    out = tmp_path_factory.mktemp("package")
    write(PUBLISHED, out)
    with jvm.hapi(out / PUBLISHED.file_of_package) as address:
        yield address


def test_every_hook_of_the_package_is_a_service(hapi: str) -> None:
    with urllib.request.urlopen(f"{hapi}/cds-services", timeout=60) as answer:
        services = {one["id"]: one for one in json.load(answer)["services"]}
    plans = {one["id"] for one in PUBLISHED.resources if one["resourceType"] == "PlanDefinition"}
    assert set(services) == plans
    for id_, service in services.items():
        if id_.startswith("prodrome-"):
            assert id_ == f"prodrome-{service['hook']}"
            assert service["prefetch"]["item2"] == "Observation?subject=Patient/{{context.patientId}}"


def test_each_hook_has_the_cards_of_this_program(hapi: str) -> None:
    """On every labelled patient and example, in the words of the package."""
    charts = [*cases.charts()]
    assert len(charts) >= 18 + 8
    differing = []
    for chart in charts:
        said = _said(hapi, f"prodrome-{chart.hook}", chart)
        if said != _expected(chart):
            differing.append((chart.name, said, _expected(chart)))
    assert differing == []


def test_a_condition_that_cannot_be_evaluated_is_no_silence(hapi: str) -> None:
    """The comparison above would not see what HAPI leaves out with nothing but an OperationOutcome."""
    broken = json.loads(json.dumps(_plan("prodrome-patient-view")))
    broken |= {"id": "broken", "url": GUIDELINE.canonical("PlanDefinition", "broken")}
    broken["action"][0]["condition"][0]["expression"]["expression"] = "no such definition"
    chart = next(chart for chart in cases.charts() if chart.hook == "patient-view")
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "planDefinition", "resource": broken}, *_parameters(chart)],
    }
    answer = _posted(f"{hapi}/fhir/PlanDefinition/$r5.apply", asked)
    assert '"OperationOutcome"' in json.dumps(answer)


def test_the_page_shows_what_hapi_says(hapi: str, tmp_path: Path) -> None:
    assert knowledge_page.FILE.read_text(encoding="utf-8") == knowledge_page.text(tmp_path, hapi), (
        "run: make docs, with a server as tests/knowledge/jvm.py starts it"
    )


def _parameters(chart: Compared) -> list[dict[str, Any]]:
    subject = f"Patient/{chart.bundle['entry'][0]['resource']['id']}"
    return [{"name": "subject", "valueString": subject}, {"name": "data", "resource": chart.bundle}]


def _said(hapi: str, service: str, chart: Compared) -> list[tuple[str, str, str, str]]:
    """The cards: title, text, indicator and source."""
    asked = {
        "hook": chart.hook,
        "hookInstance": "00000000-0000-4000-8000-000000000000",
        "context": {"userId": "Practitioner/one", "patientId": chart.bundle["entry"][0]["resource"]["id"]},
        "prefetch": {"item1": None, "item2": chart.bundle},
    }
    answer = _posted(f"{hapi}/cds-services/{service}", asked)
    return sorted(
        (card["summary"], card["detail"], card["indicator"], card.get("source", {}).get("label", ""))
        for card in answer["cards"]
    )


def _expected(chart: Compared) -> list[tuple[str, str, str, str]]:
    actions = {
        (action["code"][0]["coding"][0]["code"], INDICATORS[action["priority"]]): action
        for action in _plan(f"prodrome-{chart.hook}")["action"]
    }
    return sorted(
        (
            actions[card]["title"],
            actions[card]["description"],
            card[1],
            actions[card].get("documentation", [{"display": ""}])[0]["display"],
        )
        for card in chart.cards
    )


def _plan(id_: str) -> dict[str, Any]:
    (plan,) = (one for one in PUBLISHED.resources if one["resourceType"] == "PlanDefinition" and one["id"] == id_)
    return plan


def _posted(address: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{address}: {error.read().decode()[:2000]}") from None
