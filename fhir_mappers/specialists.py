"""What tells a specialist in headache: by code, or by the words that name neurology and places of headache care."""

from collections.abc import Iterable

from prodrome.fhir_mappers.codes import Concept, sets_of, with_unknown
from prodrome.fhir_mappers.phrases import found_in, phrases, phrases_of
from prodrome.fhir_mappers.remembering import Memory
from prodrome.rules import per_guideline
from prodrome.rules.guideline import Guideline

CONSULTATION = "consultation"  # code set: a referral only together with a specialist performer

# The words that name headache care stand in words.csv; these make "headache" more than a reason to come.
_HEADACHE = phrases({"headache": ("headache", "headaches", "migraine")})
_CARE = phrases(
    {
        "care": (
            "referral", "refer", "clinic", "specialist", "specialists", "service", "services", "centre", "center",
            "consult", "consultation", "unit", "medicine",
        ),
    }
)  # fmt: skip


_named = phrases_of("specialist.")
_referral = phrases_of("referral")


@per_guideline
def code_sets(guideline: Guideline) -> frozenset[str]:
    """The code sets that count as a specialist on this site."""
    return frozenset(name for name in ("neurology", "pain_management") if guideline.value(f"{name}_is_specialist"))


@per_guideline
def _referral_sets(guideline: Guideline) -> frozenset[str]:
    """Those that ask for one: a referral, or the specialty itself."""
    return frozenset(name for own in code_sets(guideline) for name in (own, f"{own}_referral"))


def is_specialist(concepts: Iterable[Concept], guideline: Guideline, wanted: frozenset[str]) -> bool:
    """Whether any of these specialties is one of headache care; ``wanted``: see code_sets.

    As a specialty the word headache alone names one.
    """
    for said in concepts:
        if said.codes and not sets_of(guideline, said.codes).isdisjoint(wanted):
            return True
        texts = with_unknown(said, guideline.sets_of).texts
        if any(names_specialist(text, guideline) or found_in(text, _HEADACHE) for text in texts):
            return True
    return False


def is_specialist_visit(concepts: Iterable[Concept], guideline: Guideline) -> bool:
    """Whether any of these kinds of visit is one of headache care. The word headache alone is why somebody came."""
    visits = _visits(guideline)
    return any(visits[said] for said in concepts)


@per_guideline
def _visits(guideline: Guideline) -> Memory[Concept, bool]:
    wanted = code_sets(guideline)

    def is_one(said: Concept) -> bool:
        return not sets_of(guideline, said.codes).isdisjoint(wanted) or any(
            names_specialist(text, guideline) for text in with_unknown(said, guideline.sets_of).texts
        )

    return Memory(is_one)


def names_specialist(text: str, guideline: Guideline) -> bool:
    """Whether words name neurology or a place of headache care, in the languages of words.csv."""
    return bool(found_in(text, _named(guideline))) or bool(found_in(text, _HEADACHE) and found_in(text, _CARE))


def is_referral(said: Concept, performers: Iterable[Concept], guideline: Guideline) -> bool:
    """Whether an order asks for headache care. The word headache alone (a diary, a scan for it) does not."""
    names = sets_of(guideline, said.codes)
    if not names.isdisjoint(_referral_sets(guideline)):
        return True
    texts = with_unknown(said, guideline.sets_of).texts
    refers = CONSULTATION in names or any(found_in(text, _referral(guideline)) for text in texts)
    if refers and is_specialist(performers, guideline, code_sets(guideline)):
        return True
    return any(names_specialist(text, guideline) for text in texts)
