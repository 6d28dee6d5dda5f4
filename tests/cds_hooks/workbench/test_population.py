"""The page of a whole population: counts with denominators, lists, and each patient at a click."""

import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.population import judge_population
from prodrome.cds_hooks.workbench.rule_editing import rule_text
from prodrome.rules.guideline.guideline import load_guideline
from tests.cds_hooks.population.exports import TODAY, examples, healthy, labelled, plan, with_line, write_export
from tests.serving import service

CHARTS = [chart for chart in [*labelled()[:12], *examples(), *healthy(2)] if not chart.absent]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    strict = load_guideline().with_parameters({"resistant_min_classes": 4})
    judge_population(plan(write_export(folder / "in", CHARTS), folder / "out", charts=True, other=strict))
    return folder / "out"


@pytest.fixture(scope="module")
def client(results: Path) -> FlaskClient:
    return service(today=TODAY, population_results=results).test_client()


def token(client: FlaskClient) -> str:
    found = re.search(r'name="token" value="(\w+)"', client.get("/").text)
    assert found
    return found[1]


def test_the_counts_stand_with_their_denominators(client: FlaskClient, results: Path) -> None:
    page = client.get("/population").text
    counts = json.loads((results / "counts.json").read_text())
    assert (
        f"{counts['patients']} patients read, {counts['judged']} judged, {counts['withFindings']} with findings" in page
    )
    for rule, row in counts["rules"].items():
        if row["gap"]:
            assert f"{rule}: {row['gap']} with a finding" in page


def test_a_list_holds_the_patients_of_a_rule_and_can_be_narrowed(client: FlaskClient, results: Path) -> None:
    rows = [json.loads(line) for line in (results / "findings.ndjson").read_text().splitlines()]
    mine = [row for row in rows if row["rule"] == "DTT-01"]
    page = client.get("/population/DTT-01").text
    assert all(row["patient"] in page for row in mine)
    found = client.post("/population/DTT-01", data={"token": token(client), "patient": mine[0]["patient"]}).text
    assert mine[0]["patient"] in found
    assert not any(row["patient"] in found for row in mine[1:])
    other = {row["patient"] for row in mine if row["indicator"] != mine[0]["indicator"]}
    only = client.get(f"/population/DTT-01?only={mine[0]['indicator']}").text
    assert not any(patient in only for patient in other)


def test_a_patient_is_one_click_from_the_history_and_the_why(client: FlaskClient, results: Path) -> None:
    rows = [json.loads(line) for line in (results / "findings.ndjson").read_text().splitlines()]
    patient = next(row["patient"] for row in rows if row["rule"] == "DTT-01")
    answer = client.post("/population-patient", data={"token": token(client), "patient": patient})
    assert answer.status_code == 303
    case = client.get(str(answer.location)).text
    assert "DTT-01" in case
    assert "<svg" in case
    assert client.get(f"{answer.location}/why").status_code == 200


def test_a_patient_whose_chart_was_not_kept_cannot_be_opened(client: FlaskClient) -> None:
    answer = client.post("/population-patient", data={"token": token(client), "patient": "nobody"})
    assert answer.status_code == 404
    assert "--charts" in answer.text


def test_a_patient_is_opened_as_complete_as_the_export_was(tmp_path: Path) -> None:
    chart = next(chart for chart in CHARTS if chart.id.startswith("P01"))
    export = write_export(tmp_path / "in", CHARTS)
    with_line(export, "1.Encounter.ndjson", f'{{"resourceType":"Encounter","x":"Patient/{chart.id}"'.encode())
    done = judge_population(
        plan(export, tmp_path / "out", charts=True, excluded=frozenset({"Procedure", "AllergyIntolerance"}))
    )
    assert done.manifest["completeness"]["Procedure"] == "missing"
    assert done.manifest["completeness"]["Encounter"] == "complete"
    rows = [json.loads(line) for line in (tmp_path / "out" / "unjudged.ndjson").read_text().splitlines()]
    expected = {row["rule"] for row in rows if row["patient"] == chart.id}
    assert expected
    mine = service(today=TODAY, population_results=tmp_path / "out").test_client()
    answer = mine.post("/population-patient", data={"token": token(mine), "patient": chart.id})
    extension = mine.get(f"{answer.location}/response.json").get_json()["extension"]
    (said,) = extension.values()
    assert {one["rule"] for one in said["unjudged"]} >= expected


def test_what_other_parameters_change_is_counted_and_listed_with_its_reason(client: FlaskClient, results: Path) -> None:
    assert "/population/changes" in client.get("/population").text
    page = client.get("/population/changes").text
    had, has = (
        {row["patient"] for row in map(json.loads, file.read_text().splitlines()) if row["rule"] == "DTT-01"}
        for file in (results / "findings.ndjson", results / "other" / "findings.ndjson")
    )
    lost = had - has
    assert lost
    assert re.search(rf"DTT-01</th>.*?finding</td><td>nothing</td><td class=\"number\">{len(lost)}</td>", page)
    assert all(f'value="{patient}"' in page for patient in lost)
    assert "parameter resistant_min_classes: " in page
    assert "Patients" in client.get("/population/changes?page=9").text


def test_without_other_parameters_there_are_no_changes(results: Path) -> None:
    alone = service(today=TODAY, population_results=results / "other").test_client()
    assert "/population/changes" not in alone.get("/population").text
    assert alone.get("/population/changes").status_code == 404


def test_without_results_the_page_says_how_to_have_them(results: Path, tmp_path: Path) -> None:
    assert "population_results" in service(today=TODAY).test_client().get("/population").text
    assert service(today=TODAY, population_results=tmp_path).test_client().get("/population").status_code == 503
    assert service(today=TODAY).test_client().get("/population/DTT-01").status_code == 404


def test_an_edited_rule_is_tried_on_the_patients_whose_charts_were_kept(client: FlaskClient) -> None:
    text = rule_text(load_guideline(), "DTT-01").replace("fact: adult", "fact: low_month")
    page = client.post("/rules/DTT-01/edit", data={"token": token(client), "text": text}).text
    tried = re.search(r"the population \((\d+)\)", page)
    assert tried
    assert 0 < int(tried[1]) <= len(CHARTS)
    assert "loses DTT-01" in page.partition('id="outcome"')[2]
