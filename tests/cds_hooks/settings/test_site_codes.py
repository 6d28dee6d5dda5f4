"""The `[codes]` table of a site, from its file to the facts it makes."""

from datetime import date
from pathlib import Path

import pytest

from prodrome.cds_hooks.settings import SettingsError, load_settings, site_guideline
from prodrome.fhir_mappers import KINDS, SITE, Record, code_taken_for, read_facts
from prodrome.rules.facts import Completeness
from tests.fhir_mappers.build import concept, condition, encounter, statement

FILE = """
[codes.drug]
"urn:oid:1.2.3|4711" = "propranolol"
[codes.condition]
"https://hospital.example.org/codes/|A" = "asthma"
[codes.visit_class]
"urn:oid:1.2.3|3" = "emergency"
[codes.stop_reason]
"urn:oid:1.2.3|X" = "inefficacy"
"""


def test_a_chart_is_read_by_the_map_of_its_site(tmp_path: Path) -> None:
    (tmp_path / "prodrome.toml").write_text(FILE)
    guideline = site_guideline(load_settings(tmp_path / "prodrome.toml"))
    local = "urn:oid:1.2.3"
    rows = {
        "MedicationStatement": [statement(concept(local, "4711"), why=concept(local, "X"))],
        "Condition": [condition(concept("https://hospital.example.org/codes/", "A"))],
        "Encounter": [encounter() | {"class": {"system": local, "code": "3"}}],
    }
    facts = read_facts(Record("pat-1", rows, dict.fromkeys(KINDS, Completeness.COMPLETE)), guideline, date(2026, 6, 15))
    assert [(trial.drug, trial.coded, trial.stop.reason.value) for trial in facts.trials] == [
        ("propranolol", True, "inefficacy")
    ]
    assert [sorted(found.names) for found in facts.conditions] == [["asthma"]]
    assert len(facts.hospital_visits) == 1
    assert [(each.ref.partition("/")[0], each.kind, each.code, each.means) for each in facts.site_codes] == [
        ("Condition", "condition", "A", "asthma"),
        ("Encounter", "visit_class", "3", "emergency"),
        ("MedicationStatement", "drug", "4711", "propranolol"),
        ("MedicationStatement", "stop_reason", "X", "inefficacy"),
    ]
    assert [tuple(each) for each in code_taken_for(local, "4711", guideline)] == [("drug", "propranolol", SITE)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[codes.drug]\n"4711" = "propranolol"', "system|code"),
        ('[codes.drug]\n"urn:oid:1.2.3|4711" = "propanolol"', "did you mean"),
        ('snomed_ct = "none"', "snomed_ct"),
    ],
)
def test_a_map_that_cannot_be_used_stops_the_start(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "prodrome.toml").write_text(line)
    with pytest.raises(SettingsError) as error:
        load_settings(tmp_path / "prodrome.toml")
    assert said in str(error.value)
