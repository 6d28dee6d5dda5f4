"""A site's own map of codes, and the tables it may use."""

import pytest

from prodrome.rules.guideline import GuidelineError, Site, load_guideline

LOCAL = "urn:oid:1.2.3"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

MEANINGS = [
    ("condition", "asthma", {"asthma"}),
    ("visit_class", "emergency", {"hospital_class", "emergency"}),
    ("specialty", "neurology", {"neurology"}),
    ("stop_reason", "inefficacy", {"stop_reason.inefficacy"}),
]


@pytest.mark.parametrize(("kind", "meaning", "names"), MEANINGS)
def test_a_code_of_the_site_means_what_its_map_says(kind: str, meaning: str, names: set[str]) -> None:
    mapped = load_guideline().for_site(Site(codes={kind: {(LOCAL, "7"): meaning}}))
    assert mapped.sets_of(LOCAL, "7") == names
    assert mapped.sets_of(LOCAL, "8") == frozenset()


def test_the_map_is_read_before_the_tables() -> None:
    codes = {"drug": {(RXNORM, "8787"): "topiramate"}, "condition": {(SNOMED, "195967001"): "copd"}}
    mapped = load_guideline().for_site(Site(codes=codes))
    assert mapped.mapped_drug(RXNORM, "8787") == mapped.drug_of(RXNORM, "8787") == "topiramate"
    assert mapped.sets_of(SNOMED, "195967001") == {"copd"}


@pytest.mark.parametrize(
    ("kind", "meaning", "said"),
    [
        ("drug", "propanolol", "propranolol"),
        ("condition", "asthmaa", "asthma"),
        ("visit_class", "er", "visit_class"),
        ("color", "red", "kinds are"),
    ],
)
def test_a_meaning_that_is_not_there_says_which_was_meant(kind: str, meaning: str, said: str) -> None:
    with pytest.raises(GuidelineError, match=said):
        load_guideline().for_site(Site(codes={kind: {(LOCAL, "7"): meaning}}))


def test_parameters_are_tried_out_with_the_map_in_place() -> None:
    mapped = load_guideline().for_site(Site(codes={"drug": {(LOCAL, "7"): "propranolol"}}))
    assert mapped.with_parameters({"min_age": 16}).mapped_drug(LOCAL, "7") == "propranolol"


def test_codes_that_need_a_licence_can_be_left_out() -> None:
    free = load_guideline().for_site(Site(licensed=False))
    uncontrolled = "10692681000119108"
    assert load_guideline().sets_of(SNOMED, uncontrolled)
    assert not free.sets_of(SNOMED, uncontrolled)
    assert free.product("318353009", SNOMED) is None
    assert "asthma" in free.sets_of(SNOMED, "195967001")
    assert free.allergy_to("293619005") is None
    assert free.allergy_to("372665008") == "nsaid"
