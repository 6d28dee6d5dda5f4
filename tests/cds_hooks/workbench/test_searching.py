"""One search finds rules, drugs by brand, codes and parameters."""

import pytest

from prodrome.cds_hooks.workbench.searching import search
from prodrome.rules.guideline.guideline import load_guideline
from tests.serving import service

GUIDELINE = load_guideline()


@pytest.mark.parametrize(
    ("query", "kind", "id_"),
    [
        ("DTT-01", "Rules", "DTT-01"),
        ("resistant migraine", "Rules", "DTT-01"),
        ("imitrex", "Drugs", "sumatriptan"),
        ("TOPAMAX", "Drugs", "topiramate"),
        ("37418", "Codes", "sumatriptan"),
        ("G43.709", "Codes", "chronic_migraine"),
        ("asthma", "Codes", "asthma"),
        ("debilitating", "Parameters", "min_debilitating_days"),
    ],
)
def test_a_query_finds_what_it_names(query: str, kind: str, id_: str) -> None:
    found = {hits.kind: [hit.id for hit in hits.hits] for hits in search(query, GUIDELINE)}
    assert id_ in found[kind]  # type: ignore[index]


def test_what_the_name_holds_comes_first() -> None:
    (drugs,) = [hits for hits in search("sumatriptan", GUIDELINE) if hits.kind == "Drugs"]
    assert drugs.hits[0].id == "sumatriptan"


def test_no_word_and_no_match_find_nothing() -> None:
    assert search("  ", GUIDELINE) == ()
    assert search("marzipan", GUIDELINE) == ()


def test_every_hit_leads_to_a_place_that_is_there() -> None:
    client = service().test_client()
    page = client.get("/search?q=triptan").text
    assert 'href="/drugs#sumatriptan"' in page
    assert 'id="sumatriptan"' in client.get("/drugs").text
    assert 'href="/parameters#moh_days_triptan"' in page
    assert 'id="moh_days_triptan"' in client.get("/parameters").text
    assert "Nothing holds all of these words" in client.get("/search?q=marzipan").text
