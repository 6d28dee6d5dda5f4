"""The same cards whether the chart is prefetched, half prefetched, or read from a real FHIR server."""

import argparse
import json
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.command_line import charts, sandbox
from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Fetched, resolve
from prodrome.cds_hooks.protocol.requests import read_request
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers.example_patients import Ask, Example, examples
from prodrome.cds_hooks.testers.loading import LoadingError, load
from prodrome.rules.guideline.guideline import load_guideline
from tests.fhir_servers import chart
from tests.fhir_servers.proxy import Exchange, proxy
from tests.serving import discovered, filled, rules_in, service

TODAY = date(2026, 6, 15)
GUIDELINE = load_guideline()
LABELLED = Path(__file__).parents[1] / "vignettes" / "requests"
# A chart with a kind that is absent or cut says so only in a prefetch.
PATIENTS = [
    patient
    for file in sorted(LABELLED.glob("*.json"))
    if not (patient := json.loads(file.read_text())).get("absent") and '"next"' not in file.read_text()
]
ASKS = [(example, ask) for example in examples() for ask in example.asks]


def settings(**more: Any) -> Settings:
    return Settings(today=TODAY, **more)


@pytest.fixture(scope="session")
def loaded(hapi: str) -> str:
    """A real server with the labelled patients and the examples."""
    for patient in PATIENTS:
        values = patient["request_by_kind"]["prefetch"].values()
        whole = [value for value in values if value and value["resourceType"] != "Bundle"]
        rows = [entry["resource"] for value in values if value for entry in value.get("entry", ())]
        chart.load(hapi, [*whole, *rows])
    load(hapi, GUIDELINE, TODAY)
    return hapi


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service(today=TODAY, deadline_seconds=30).test_client()


def cards(client: FlaskClient, patient: Mapping[str, Any], url: str, keys: slice) -> list[str]:
    """The rules that answer with the prefetch keys of *keys* sent and the others to be fetched."""
    request = patient["request_by_kind"]
    asked = discovered(client, request["hook"])
    prefetch = filled(dict(sorted(asked["prefetch"].items())[keys]), request["prefetch"])
    body = {**request, "prefetch": prefetch, "fhirServer": url}
    answer = client.post(f"/cds-services/{asked['id']}", json=body)
    assert answer.status_code == 200, answer.get_json()
    return rules_in(answer.get_json())


@pytest.mark.requirement("PFD-01", "PFT-22", "FRA-01")
@pytest.mark.parametrize("keys", [slice(0, 0), slice(0, None, 2), slice(1, None, 2)], ids=["none", "even", "odd"])
@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient["id"])
def test_a_labelled_patient_gets_the_same_cards_with_any_part_of_the_prefetch(
    client: FlaskClient, loaded: str, patient: dict[str, Any], keys: slice
) -> None:
    assert cards(client, patient, loaded, keys) == sorted(patient["expected"]["cards"])


@pytest.mark.parametrize(
    ("example", "ask"),
    ASKS,
    ids=[f"{example.patient_id} {ask.hook} {ask.order or ask.entry or ''}" for example, ask in ASKS],
)
def test_the_printed_command_shows_the_printed_cards(loaded: str, example: Example, ask: Ask) -> None:
    parser = argparse.ArgumentParser()
    charts.server_arguments(parser)
    asked = parser.parse_args(sandbox.arguments_of(example, ask, loaded)[1:])
    consultation = charts.consult_server(asked, settings(deadline_seconds=30))
    assert rules_in(consultation.response) == sorted(ask.cards)
    assert consultation.problems == {}


@pytest.mark.requirement("FRA-02", "FRA-10")
def test_the_token_of_a_file_opens_a_guarded_server_and_is_shown_nowhere(
    loaded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text("t0k3n-of-the-file\n")
    with proxy(loaded, token="t0k3n-of-the-file") as smart:
        words = ["consult", "--fhir", smart.url, "--patient", "prodrome-resistant", "--today", TODAY.isoformat()]
        assert main(words) == 2
        assert main([*words, "--token-file", str(file)]) == 0
        assert {seen.authorization for seen in smart.seen[-10:]} == {"Bearer t0k3n-of-the-file"}
    printed = capsys.readouterr()
    assert json.loads(printed.out)["cards"]
    assert "does not accept the access token (401)" in printed.err
    assert "t0k3n" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--patient is missing"),
        (("--patient", "1", "--order", "unheardofine:5mg"), "is not in the drug table"),
        (("--patient", "1", "--hook", "encounter-start"), "context.encounterId is missing"),
        (("--patient", "1", "--hook", "problem-list-item-create"), "--problem is missing"),
        (
            ("--patient", "1", "--hook", "patient-view", "--allergy", "propranolol"),
            "does not go with --hook patient-view",
        ),
        (("--patient", "1", "--allergy", "unheardofine"), "is not in the drug table"),
    ],
)
def test_what_is_missing_on_the_command_line_is_named(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consult", "--fhir", "http://127.0.0.1:9/fhir", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "token"
    file.write_text("t0k3n")
    words = ["--fhir", "http://ehr.example.org/fhir", "--patient", "1", "--token-file", str(file)]
    assert main(["consult", *words]) == 2
    assert "expected https" in capsys.readouterr().err


def test_loading_twice_changes_nothing(loaded: str) -> None:
    assert load(loaded, GUIDELINE, TODAY) == load(loaded, GUIDELINE, TODAY)


def test_the_sandbox_command_prints_what_to_call(loaded: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sandbox.sandbox(argparse.Namespace(url=loaded, token_file=None), settings()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        f"consult --fhir {loaded} --patient prodrome-triptan --hook order-sign --order sumatriptan:25mg"
        in "\n".join(lines)
    )
    assert sum(line.startswith("#") for line in lines) == len(examples())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/fhir", "http://[", "nowhere"])
def test_a_server_that_is_not_there_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LoadingError, match="cannot be reached"):
        load(url, GUIDELINE, TODAY)
    assert main(["sandbox", url]) == 2
    assert "cannot be reached" in capsys.readouterr().err


def test_a_patient_of_another_server_kind_is_loaded_too(medplum: str) -> None:
    assert load(medplum, GUIDELINE, TODAY) > 100


@pytest.mark.requirement("FRA-12")
def test_nothing_prefetched_takes_less_than_twice_the_slowest_request(loaded: str) -> None:
    """Every request is held up by 300 ms on its way, as it would be on a real network."""

    def slowly(exchange: Exchange) -> None:
        time.sleep(0.3)
        exchange.send(*exchange.forwarded())

    environment = Environment.of(settings(deadline_seconds=30))
    took: list[float] = []
    with proxy(loaded) as network:
        network.fault = slowly
        context = {"patientId": "prodrome-refractory", "userId": "Practitioner/x"}
        document = {"hook": "patient-view", "hookInstance": "i", "fhirServer": network.url, "context": context}
        request = read_request(document, frozenset({"patient-view"}))

        def told(key: str, fetched: Fetched) -> None:
            took.append(fetched.seconds)

        consult(request, environment, progress=told)  # connections are made, the server is warm
        took.clear()
        begun = time.monotonic()
        consultation = consult(request, environment, progress=told)
        total = time.monotonic() - begun
        queries = environment.service_for("patient-view").queries
    print(f"{len(took)} requests, slowest {max(took):.2f} s, sum {sum(took):.2f} s, whole call {total:.2f} s")
    assert consultation.problems == {}
    assert len(took) >= len(queries)
    assert total < 2 * max(took)


def test_every_template_of_discovery_is_one_the_client_can_ask(client: FlaskClient) -> None:
    context = {"patientId": "1", "userId": "Practitioner/2"}
    for hooked in client.get("/cds-services").get_json()["services"]:
        for template in hooked["prefetch"].values():
            assert resolve(template, context, TODAY)
