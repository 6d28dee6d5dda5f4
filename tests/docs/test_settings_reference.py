"""docs/settings.md is what the settings say of themselves, and what it shows can be written."""

import tomllib
from typing import Any

import pytest
from pydantic import BaseModel

from prodrome.cds_hooks.settings import Backend, FhirServer, Issuer, SettingMeaning, Settings, describe, meanings
from tests.docs import settings_reference

PARTS: dict[type[BaseModel], dict[str, Any]] = {
    Settings: {"secret": "x" * 16, "open_to_everyone": True, "workers": 1},
    Issuer: {"iss": "https://ehr.example.org", "jku": ["https://ehr.example.org/keys"]},
    FhirServer: {"url": "https://fhir.example.org/r4"},
    Backend: {"client_id": "prodrome", "key": "...", "kid": "1"},
}
EVERY = [(part, one) for part in PARTS for one in meanings(part)]


def test_the_page_is_current() -> None:
    assert settings_reference.FILE.read_text(encoding="utf-8") == settings_reference.text(), "run: make docs"


@pytest.mark.parametrize(("part", "one"), EVERY, ids=[f"{part.__name__}.{one.name}" for part, one in EVERY])
def test_every_setting_says_what_it_is_for_and_its_example_can_be_used(
    part: type[BaseModel], one: SettingMeaning
) -> None:
    assert len(one.description) > 10
    assert one.description.endswith(".")
    if one.name.endswith(("_seconds", "_days", "_bytes", "_minute")):
        assert one.unit
    said = {**PARTS[part], **tomllib.loads(f"{one.name} = {one.example}")}
    if one.name == "issuers" and part is Settings:
        said["open_to_everyone"] = False
    part.model_validate(said)


def test_the_settings_in_force_are_told_with_what_they_are_for() -> None:
    said = {line.name: line.meaning for line in describe(Settings())}
    assert said == {one.name: said[one.name] for one in meanings(Settings)}
    assert said["keep_days"].endswith("Unit: days.")
