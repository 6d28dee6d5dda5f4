"""The table of the kinds of resource: what rules read can be asked for, and what is asked for is read."""

from prodrome.fhir_mappers import KINDS, R4_NAMES, R5_NAMES, SHARED_KINDS
from prodrome.rules.fact_types import FACT_TYPES, READ_FROM
from prodrome.rules.fact_types import KINDS as RULE_KINDS
from prodrome.rules.guideline.guideline import load_guideline

SEARCHES = [(kind, search) for kind in KINDS.values() for search in kind.searches]


def test_what_rules_read_is_asked_for_and_nothing_else() -> None:
    assert {kind.name for kind, _ in SEARCHES} == set(RULE_KINDS)
    assert set(READ_FROM) == set(FACT_TYPES)


def test_each_search_has_a_key_of_its_own_and_its_kind_words() -> None:
    keys = [search.key for _, search in SEARCHES]
    words = [kind.words for kind in KINDS.values() if kind.searches]
    assert len(set(keys)) == len(keys)
    assert all(words)
    assert len(set(words)) == len(words)


def test_a_kind_of_several_searches_divides_the_facts_that_are_read_from_it() -> None:
    for kind in KINDS.values():
        facts = {fact for fact, kinds in READ_FROM.items() if kind.name in kinds}
        for search in kind.searches:
            assert search.facts <= facts
        assert sum(not search.facts for search in kind.searches) == bool(kind.searches)


def test_the_bound_of_a_search_is_a_number_of_the_guideline() -> None:
    guideline = load_guideline()
    for _, search in SEARCHES:
        assert all(guideline.number(name) > 0 for name in search.since)


def test_a_kind_that_is_only_referred_to_is_nobodys_own() -> None:
    assert set(SHARED_KINDS) == {"Medication", "PractitionerRole"}


def test_the_names_of_r5_lead_to_those_of_r4() -> None:
    assert R4_NAMES == {"DeviceUsage": "DeviceUseStatement"}
    assert {R4_NAMES[r5]: r5 for r5 in R4_NAMES} == R5_NAMES
