"""One search finds rules, drugs by brand, codes and parameters."""

import re

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from prodrome.cds_hooks.workbench.searching import search
from prodrome.rules.guideline.guideline import load_guideline
from tests.serving import service

GUIDELINE = load_guideline()


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


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


def test_every_hit_leads_to_a_place_that_is_there(client: FlaskClient) -> None:
    page = client.get("/search?q=triptan").text
    assert 'href="/drugs/sumatriptan"' in page
    assert 'href="/parameters#moh_days_triptan"' in page
    assert 'id="moh_days_triptan"' in client.get("/parameters").text
    assert "Nothing holds all of these words" in client.get("/search?q=marzipan").text


@pytest.mark.parametrize("drug", sorted(GUIDELINE.drugs))
def test_every_drug_has_a_page_of_its_own(drug: str, client: FlaskClient) -> None:
    page = client.get(f"/drugs/{drug}")
    assert page.status_code == 200
    for reason in GUIDELINE.drugs[drug].contraindications:
        if "US" in (GUIDELINE.contraindications[reason].only_in or ("US",)):
            assert str(escape(GUIDELINE.contraindications[reason].label)) in page.text


def test_a_page_of_a_drug_says_its_doses_limits_names_and_codes(client: FlaskClient) -> None:
    page = " ".join(re.sub(r"<[^>]+>", " ", client.get("/drugs/sumatriptan").text).split())
    for said in (
        "Full dose from",
        "oral 50 100 200 2",
        "imitrex",
        "37418",
        "Ischaemic heart disease",
        "Migraine in ten steps",
    ):
        assert said.lower() in page.lower(), said
    assert client.get("/drugs/marzipan").status_code == 404


def test_drugs_are_browsed_by_class_and_name(client: FlaskClient) -> None:
    def listed(query: str) -> set[str]:
        return set(re.findall(r'<tr id="(\w+)"', client.get(f"/drugs?{query}").text))

    assert listed("") == set(GUIDELINE.drugs)
    beta_blockers = {one.id for one in GUIDELINE.drugs.values() if one.preventive and one.preventive.ehf_class == "E3"}
    assert listed("of=E3") == beta_blockers
    assert listed("q=imitrex") == {"sumatriptan"}
    assert listed("of=E3&q=imitrex") == set()
