"""What a card says is open is what the rules hold open, and what it holds against a drug is what they do."""

from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.cards.options_words import Options
from prodrome.cds_hooks.cards.patient_words import Sheet
from prodrome.rules import (
    ABSOLUTE,
    Allergy,
    AttackRecord,
    Condition,
    Facts,
    Indication,
    Judgement,
    Stop,
    StopReason,
    Trial,
    class_states,
    preference,
    rows,
)
from prodrome.rules.guideline import load_guideline
from tests.rules.patients import MIGRAINE, judged, order, patient

GUIDELINE = load_guideline()
ACUTE = sorted(id_ for id_, drug in GUIDELINE.drugs.items() if drug.acute)
PREVENTIVE = sorted(id_ for id_, drug in GUIDELINE.drugs.items() if drug.preventive)
ILLS = ("asthma", "cad_ihd", "kidney_stones", "liver_disease", "depression", "pregnancy", "glaucoma", "ckd_severe")

indications = st.sampled_from(Indication)
stops = st.builds(Stop, st.sampled_from(StopReason), coded=st.booleans())
conditions = st.sampled_from(ILLS).map(lambda ill: Condition(frozenset({ill}), refs=(f"Condition/{ill}",)))
allergies = st.builds(
    Allergy,
    st.sampled_from(ACUTE + PREVENTIVE),
    st.sampled_from(["allergy", "intolerance", None]),
    refs=st.just(("A/1",)),
)
trials = st.builds(
    Trial, st.sampled_from(ACUTE), st.just("acute"), running=st.booleans(), indication=indications, stop=stops
) | st.builds(
    Trial, st.sampled_from(PREVENTIVE), st.just("preventive"), running=st.booleans(), indication=indications, stop=stops
)
attacks = st.builds(AttackRecord, st.sampled_from(ACUTE), st.just(8), st.integers(0, 8), indication=indications)
orders = st.sampled_from([(drug, "acute") for drug in ACUTE] + [(drug, "preventive") for drug in PREVENTIVE])


@st.composite
def patients(draw: st.DrawFn) -> Facts:
    return patient(
        conditions=(MIGRAINE, *draw(st.lists(conditions, max_size=3))),
        trials=tuple(draw(st.lists(trials, max_size=5))),
        attack_records=tuple(draw(st.lists(attacks, max_size=3))),
        allergies=tuple(draw(st.lists(allergies, max_size=2))),
        orders=(order(*draw(orders)),),
    )


def fields(judgement: Judgement, type_: str) -> list[dict[str, object]]:
    return [dict(fact.fields) for fact in judgement.of_type(type_)]


@given(patients())
def test_a_card_names_as_many_untried_drugs_as_the_rules_counted(facts: Facts) -> None:
    judgement = judged(facts, engine="reference")
    sheet = Sheet(judgement, facts)
    for class_ in fields(judgement, "acute_class"):
        assert len(sheet.options.untried(str(class_["id"]))) == class_["untried_members"]


@given(patients())
def test_a_card_holds_against_an_order_what_the_rules_do(facts: Facts) -> None:
    judgement = judged(facts, "order-sign", engine="reference")
    sheet = Sheet(judgement, facts)
    (draft,) = facts.orders
    said = {reason.level for reason in sheet.reasons(sheet.drug(draft.drug)) if reason.level != "caution"}
    held = {fact["strength"] for fact in fields(judgement, "order_contraindication")}
    assert said == held - {"caution"}


@given(patients())
def test_a_card_bars_the_drugs_that_the_rules_bar(facts: Facts) -> None:
    judgement = judged(facts, engine="reference")
    sheet = Sheet(judgement, facts)
    for place, trial in enumerate(facts.trials):
        (held,) = [fact["barred"] for fact in fields(judgement, "trial") if fact["trial"] == f"trial-{place}"]
        reasons = sheet.reasons(sheet.drug(trial.drug))
        assert any(reason.level == ABSOLUTE for reason in reasons) == held
        assert bool(sheet.barred(sheet.drug(trial.drug))) == held


STATUSES = {
    "in use": {"in use"},
    "failed": {"tried"},
    "ruled out": {"barred"},
    "not for this migraine": {"not for this migraine"},
    "tried too briefly": {"tried too briefly"},
    "open": {"open", "tried"},
}
"""What a list of options may call a class of each state: what was tried is no option."""


@given(patients())
def test_a_card_has_a_class_in_the_state_that_the_rules_give_it(facts: Facts) -> None:
    judgement = judged(facts, engine="reference")
    states = {state.id: state for state in class_states(facts, judgement)}
    options = Options(Sheet(judgement, facts))
    for choice in (*options.preventives, *options.acutes):
        assert choice.status in STATUSES[states[choice.id].state], choice.id
        assert (choice.status == "open") <= bool(states[choice.id].left)


def test_a_combination_is_ruled_out_by_an_allergy_to_what_it_contains() -> None:
    facts = patient(allergies=(Allergy("acetaminophen", "allergy", refs=("AllergyIntolerance/a",)),))
    choice = next(one for one in Options(Sheet(judged(facts), facts)).acutes if one.id == "combination")
    assert choice.status == "barred"
    assert [str(reason) for reason in choice.members.reasons] == ["allergy to it"]


@given(patients())
def test_no_class_that_failed_or_is_ruled_out_is_open(facts: Facts) -> None:
    judgement = judged(facts, engine="reference")
    sheet = Sheet(judgement, facts)
    failed = {failure.drug_class for failure in judgement.rows(rows.PreventiveFailure)}
    for choice in Options(sheet).preventives:
        if choice.status == "open":
            assert choice.id not in failed
            assert any(not sheet.options.barred(member.drug) for member in choice.members.all)


ORDERED = GUIDELINE.evidence_order
BESIDE = sorted({comorbidity.code_set for comorbidity in ORDERED.comorbidities})


@given(
    st.sets(st.sampled_from([*ILLS, *BESIDE, "chronic_migraine"]), max_size=4),
    st.lists(allergies, max_size=2),
    st.sampled_from(sorted(ORDERED.bodies)),
)
def test_preventives_stand_in_the_order_of_the_body_and_of_what_else_the_patient_has(
    ills: set[str], allergic: list[Allergy], locale: str
) -> None:
    conditions = tuple(Condition(frozenset({ill}), refs=(f"Condition/{ill}",)) for ill in sorted(ills))
    facts = patient(conditions=(MIGRAINE, *conditions), allergies=tuple(allergic))
    sheet = Sheet(judged(facts, locale=locale), facts)
    place = preference(facts, GUIDELINE, locale, chronic=sheet.chronic).place
    firsts = []
    for choice in Options(sheet).preventives:
        places = [place(member.drug.id) for member in choice.members.all]
        assert places == sorted(places)
        left = [place(member.drug.id) for member in choice.members.all if not member.barred]
        firsts.append(min(left or places))
    assert firsts == sorted(firsts)
