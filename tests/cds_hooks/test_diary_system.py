"""A site that keeps its headache diary under codes of its own is asked for those, and read by them."""

from datetime import date

import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking
from prodrome.rules.guideline import DIARY

TODAY = date(2026, 6, 15)
OWN = "https://ehr.example.org/CodeSystem/diary"


def cards(written: Environment, read: Environment) -> list[str]:
    """The cards about a chart whose diary is written in one code system and read in another."""
    named = next(one for one in asking.named_examples() if (one.name, one.number) == ("resistant", 1))
    document = asking.example_request(named, written)
    return [card["source"]["topic"]["code"] for card in asking.answer(document, read).response["cards"]]


def test_the_diary_is_searched_and_read_in_the_code_system_of_the_site() -> None:
    ours = Environment.of(Settings(today=TODAY))
    site = Environment.of(Settings(today=TODAY, diary_system=OWN))
    (template,) = [
        query.template for query in site.service_for("patient-view").queries if "debilitating" in query.template
    ]
    assert f"{OWN}|debilitating-headache-days" in template
    assert DIARY not in template
    assert cards(site, site) == cards(ours, ours)
    assert "DTT-01" in cards(ours, ours)
    assert "DTT-01" not in cards(ours, site)
    assert "DTT-01" not in cards(site, ours)


@pytest.mark.parametrize("address", ["", "a b", "https://x.example|y", "https://x.example,https://y.example"])
def test_an_address_that_would_break_the_search_stops_the_start(address: str) -> None:
    with pytest.raises(ValueError, match="diary_system"):
        Settings(diary_system=address)
