"""A card is spelt as its place spells."""

import csv
from datetime import date

import pytest

from prodrome.cds_hooks.cards.spelling import TABLE, spelt
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking

LINES = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
BRITISH = [row["british"] for row in csv.DictReader(LINES)]


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("papilloedema", "papilledema"),
        ("Oedema of the legs", "Edema of the legs"),
        ("angioedema", "angioedema"),
        ("Ischaemic heart disease", "Ischemic heart disease"),
        ("behavioural therapy, counselled", "behavioral therapy, counseled"),
        ("a raised pressure, likewise advised", "a raised pressure, likewise advised"),
        ("", ""),
    ],
)
def test_american_differs_where_the_table_says(british: str, american: str) -> None:
    assert spelt(british, "american") == american
    assert spelt(american, "american") == american
    assert spelt(british, "british") == british


@pytest.mark.parametrize("locale", ["US", "UK", "EU"])
def test_the_cards_of_every_example_are_spelt_as_their_locale_spells(locale: str) -> None:
    environment = Environment.of(Settings(today=date(2026, 6, 15), locale=locale))
    said = ""
    for named in asking.named_examples():
        answer = asking.answer(asking.example_request(named, environment), environment)
        said += "\n".join(card["summary"] + "\n" + card["detail"] for card in answer.response["cards"])
    found = [part for part in BRITISH if part in said.lower().replace("angioedema", "")]
    assert bool(found) is (locale != "US"), found
