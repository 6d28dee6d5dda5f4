"""What tells a specialist in headache: by code, or by the words neurology and headache."""

from collections.abc import Iterable

from prodrome.fhir_mappers.codes import Concept, sets_of
from prodrome.fhir_mappers.phrases import found_in, phrases
from prodrome.rules.guideline import Guideline

CONSULTATION = "consultation"  # code set: a referral only together with a specialist performer

_NAMED = phrases({"specialist": ("neurology", "neurologist", "neurologists", "headache", "headaches")})
_NEUROLOGY = phrases({"specialist": ("neurology", "neurologist", "neurologists")})
_HEADACHE_CARE = phrases(
    {
        "headache": ("headache", "headaches"),
        "care": (
            "referral", "refer", "clinic", "specialist", "specialists", "service", "services", "centre", "center",
            "consult", "consultation", "unit", "medicine",
        ),
    }
)  # fmt: skip


def code_sets(guideline: Guideline, *, referral: bool = False) -> frozenset[str]:
    """The code sets that count as a specialist, or as a referral to one, on this site."""
    suffix = "_referral" if referral else ""
    names = (name for name in ("neurology", "pain_management") if guideline.value(f"{name}_is_specialist"))
    return frozenset(name + suffix for name in names)


def is_specialist(concepts: Iterable[Concept], guideline: Guideline, wanted: frozenset[str]) -> bool:
    """Whether any of these specialties or kinds of service is one of headache care; ``wanted``: see code_sets."""
    for said in concepts:
        if said.codes and not sets_of(guideline, said.codes).isdisjoint(wanted):
            return True
        if any(found_in(text, _NAMED) for text in said.texts):
            return True
    return False


def is_referral(said: Concept, performers: Iterable[Concept], guideline: Guideline) -> bool:
    """Whether an order asks for headache care. The word headache alone (a diary, a scan for it) does not."""
    names = sets_of(guideline, said.codes)
    if not names.isdisjoint(code_sets(guideline, referral=True)):
        return True
    if CONSULTATION in names and is_specialist(performers, guideline, code_sets(guideline)):
        return True
    return any(found_in(text, _NEUROLOGY) or len(found_in(text, _HEADACHE_CARE)) == 2 for text in said.texts)
