"""What the guideline says of one drug, in words: its classes, its limits, and what speaks against it."""

from collections.abc import Iterator

from prodrome.rules.guideline import Contraindication, DoseLimit, Drug, Guideline

STRENGTHS = {
    "absolute": "contraindicated",
    "relative": "relative contraindication",
    "caution": "caution",
    "not_evaluated": "not judged: a chart does not hold it",
}


def classes_of(drug: Drug) -> tuple[str, ...]:
    """The ids of the classes it is in: of preventives, and of acute drugs."""
    found = [drug.preventive.ehf_class] if drug.preventive else []
    return (*found, drug.acute.drug_class) if drug.acute else tuple(found)


def named_drugs(words: str, guideline: Guideline) -> frozenset[str]:
    """The ids of the drugs of which a name or a brand holds the words."""
    wanted = words.lower()
    brands = {id_ for name, id_ in guideline.names.items() if wanted in name.lower()}
    return frozenset(brands) | {drug.id for drug in guideline.drugs.values() if wanted in drug.name.lower()}


def limit_in_words(limit: DoseLimit, guideline: Guideline) -> str:
    """When a limit holds."""
    return "; ".join(_holds(limit, guideline)) or "always"


def _holds(limit: DoseLimit, guideline: Guideline) -> Iterator[str]:
    if limit.with_drug:
        yield f"beside {guideline.drugs[limit.with_drug].name}"
    if limit.with_group:
        yield f"beside a drug of the group {limit.with_group.replace('_', ' ')}"
    if limit.conditions:
        yield f"with {' or '.join(guideline.code_sets[name].title for name in limit.conditions)}"
    if limit.days:
        yield f"at most {limit.days} days on end"
    if limit.for_migraine:
        yield "for migraine"


def against(drug: Drug, guideline: Guideline, locale: str) -> list[tuple[Contraindication, str]]:
    """The reasons not to give it that are known in a locale, each with its strength there, cautions last."""
    found = []
    for ids, listed in ((drug.contraindications, True), (drug.cautions, False)):
        for id_ in ids:
            reason = guideline.contraindications[id_]
            if not reason.only_in or locale in reason.only_in:
                strength = reason.strength_for(drug.id, locale) if listed else "caution"
                found.append((reason, STRENGTHS.get(strength, strength)))
    return found


def sources_of_drug(drug: Drug) -> tuple[str, ...]:
    """Where what is said of it is read."""
    uses = (use.sources for use in (drug.preventive, drug.acute) if use)
    return tuple(dict.fromkeys([*drug.sources, *(id_ for sources in uses for id_ in sources)]))
