"""What is measured of a chart, where some of it is made once for all charts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prodrome.rules.flat_facts as flat_facts
from prodrome.rules.facts import Allergy, Condition, Facts, Indication, Patient, Trial
from prodrome.rules.guideline import load_guideline
from tests.rules.engine.worlds import cases
from tests.rules.patients import ADULT, MIGRAINE, judged, patient

GUIDELINE = load_guideline()
DRUGS = st.sampled_from(sorted(GUIDELINE.drugs))
CODE_SETS = sorted({one.code_set or id_ for id_, one in GUIDELINE.contraindications.items()})


@st.composite
def charts(draw: st.DrawFn) -> Facts:
    """Charts that touch some classes: by drugs taken, allergies and conditions."""
    names = draw(st.lists(st.sampled_from(CODE_SETS), max_size=3))
    drugs = draw(st.lists(DRUGS, max_size=3))
    return patient(
        patient=draw(st.sampled_from([None, ADULT, Patient(deceased=True)])),
        conditions=[MIGRAINE, *[Condition(frozenset({name}), refs=(f"Condition/{name}",)) for name in names]],
        trials=tuple(
            Trial(drug, "acute" if GUIDELINE.drugs[drug].acute else "preventive", indication=Indication.MIGRAINE)
            for drug in drugs
        ),
        allergies=tuple(Allergy(drug, refs=("AllergyIntolerance/a",)) for drug in draw(st.lists(DRUGS, max_size=1))),
    )


@settings(max_examples=cases(40, 80, 2_000))
@given(charts(), st.sampled_from(sorted(GUIDELINE.locales)))
def test_facts_about_classes_that_are_made_once_are_those_of_the_chart(facts: Facts, locale: str) -> None:
    once = judged(facts, locale=locale).facts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_facts, "_untouched", lambda options: {})
        assert judged(facts, locale=locale).facts == once


@pytest.mark.parametrize("kind", ["preventive_class", "acute_class"])
def test_they_are_made_once_where_nothing_touches_the_classes(kind: str) -> None:
    one, other = (judged(replace(patient(), patient=who)).of_type(kind)[0].fields for who in (ADULT, None))
    assert one is other
