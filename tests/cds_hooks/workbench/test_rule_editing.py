"""A rule is edited in place: checked as it is typed, tried on patients, and taken away; the server keeps its own."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers import TesterError
from prodrome.cds_hooks.workbench import rule_editing
from prodrome.rules.guideline.guideline import load_guideline
from tests.cds_hooks.workbench.test_pages import opened, post
from tests.serving import TODAY, service

GUIDELINE = load_guideline()
FILE = (GUIDELINE.folder / "rulebook.yaml").read_text(encoding="utf-8")
RULE = rule_editing.rule_text(GUIDELINE, "DTT-01")


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


@pytest.mark.parametrize("rule_id", list(GUIDELINE.rulebook.rules))
def test_the_text_of_a_rule_put_back_is_the_file_as_it_was(rule_id: str) -> None:
    text = rule_editing.rule_text(GUIDELINE, rule_id)
    assert text.startswith(f"- id: {rule_id}\n")
    assert text.count("- id:") == 1
    assert rule_editing.with_rule(GUIDELINE, rule_id, text) == FILE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.replace("when:", "when", 1), "line 8"),
        (RULE.replace("fact: adult", "fact: adlut"), "adult"),
        (RULE.replace("- id: DTT-01", "- id: DTT-09"), "the id should stay DTT-01"),
        (RULE.replace("$resistant_months", "$resistent_months"), "resistant_months"),
        (RULE.replace("hooks: [patient-view", "hooks: [patient-veiw"), "patient-view"),
        ("", "Expected one rule"),
        (RULE + RULE, "Expected one rule"),
        ("- id: [", "not valid YAML at line "),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(client: FlaskClient, text: str, said: str) -> None:
    page = post(client, "/rules/DTT-01/edit", text=text).text
    problem = re.search(r'<p class="problem">(.*?)</p>', page, re.DOTALL)
    assert problem
    assert said in problem[1]


def test_a_changed_condition_is_tried_on_the_examples(client: FlaskClient) -> None:
    text = RULE.replace(
        'name: heavy_recent_months, count: ">= $resistant_months"', 'name: heavy_recent_months, count: ">= 2"'
    )
    page = post(client, "/rules/DTT-01/edit", text=text).text
    assert "Tried on examples" in page
    said = " ".join(re.sub(r"<[^>]+>", " ", page.partition('id="outcome"')[2]).split())
    assert re.search(r"not as labelled Three classes failed, but one month of seven days gets DTT-01", said)


def test_a_changed_threshold_is_tried_on_the_examples_and_taken_away_as_settings(client: FlaskClient) -> None:
    given = {"text": RULE, "parameter:min_debilitating_days": "9"}
    page = post(client, "/rules/DTT-01/edit", **given).text
    assert "loses DTT-01" in page
    taken = post(client, "/rules/DTT-01/settings", **given)
    assert taken.text == "[parameters]\nmin_debilitating_days = 9\n"
    assert 'filename="prodrome.toml"' in taken.headers["Content-Disposition"]


def test_the_patch_applies_and_makes_the_file_that_was_tried(client: FlaskClient, tmp_path: Path) -> None:
    text = RULE.replace("title: Resistant migraine", "title: Resistant to preventives")
    taken = post(client, "/rules/DTT-01/patch", text=text)
    where = tmp_path / "rules" / "migraine"
    where.mkdir(parents=True)
    (where / "rulebook.yaml").write_text(FILE, encoding="utf-8")
    (tmp_path / "rule.patch").write_text(taken.text, encoding="utf-8")
    subprocess.run(["git", "apply", "rule.patch"], cwd=tmp_path, check=True)
    assert (where / "rulebook.yaml").read_text(encoding="utf-8") == FILE.replace(
        "title: Resistant migraine", "title: Resistant to preventives"
    )


def test_nothing_is_changed_on_the_server(client: FlaskClient) -> None:
    post(client, "/rules/DTT-01/edit", text=RULE.replace("$resistant_months", "99"))
    assert (GUIDELINE.folder / "rulebook.yaml").read_text(encoding="utf-8") == FILE
    assert "DTT-01" in client.get(opened(client)).text


def test_labelled_patients_of_the_settings_are_tried_too(client: FlaskClient, tmp_path: Path) -> None:
    case = client.get(f"{opened(client)}/test-case.json").get_json()
    (tmp_path / "one.json").write_text(json.dumps({**case, "title": "Labelled by a colleague"}))
    mine = service(labelled_patients=tmp_path).test_client()
    page = post(mine, "/rules/DTT-01/edit", text=RULE.replace("fact: adult", "fact: low_month")).text
    assert "labelled patients (1)" in page
    assert "Labelled by a colleague" in page


def test_a_file_that_is_no_labelled_patient_is_named(tmp_path: Path) -> None:
    (tmp_path / "cake.json").write_text("{}")
    with pytest.raises(TesterError, match=r"cake\.json: request_by_kind should be an object"):
        rule_editing.labelled_patients(tmp_path, Environment.of(Settings(today=TODAY)))
