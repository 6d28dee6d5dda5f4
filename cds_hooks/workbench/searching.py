"""One search over what the guideline holds: rules, drugs with their brands, codes and parameters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prodrome.rules.engine import Rule
from prodrome.rules.guideline import Drug, Guideline

MOST_HITS = 30
"""Hits of one kind that are shown."""

Kind = Literal["Rules", "Drugs", "Codes", "Parameters"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: ``id`` leads to its page, ``name`` and ``words`` say what it is."""

    id: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found of one kind, the best first, and how many more there are."""

    kind: Kind
    hits: tuple[Hit, ...]
    more: int


def search(query: str, guideline: Guideline) -> tuple[Hits, ...]:
    """What matches every word of a query, by kind; kinds without a hit are left out, and so is all for no word."""
    words = query.lower().split()
    if not words:
        return ()
    found: dict[Kind, list[Hit]] = {
        "Rules": _best(_rules(guideline), words),
        "Drugs": _best(_drugs(guideline), words),
        "Codes": _best(_codes(guideline, words), words),
        "Parameters": _best(_parameters(guideline), words),
    }
    return tuple(
        Hits(kind, tuple(hits[:MOST_HITS]), max(0, len(hits) - MOST_HITS)) for kind, hits in found.items() if hits
    )


_Candidate = tuple[Hit, str]
"""A hit and, beside its name, the text it is found by."""


def _best(candidates: Iterator[_Candidate], words: list[str]) -> list[Hit]:
    """Those that hold every word; those whose name holds them first, and of these the shortest name."""
    found: list[tuple[bool, int, int, Hit]] = []
    for hit, text in candidates:
        name, everything = hit.name.lower(), f"{hit.id} {hit.name} {hit.words} {text}".lower()
        if all(word in everything for word in words):
            named = all(word in name or word in hit.id.lower() for word in words)
            found.append((not named, len(name) if named else 0, len(found), hit))
    return [hit for *_, hit in sorted(found, key=lambda each: each[:3])]


def _rules(guideline: Guideline) -> Iterator[_Candidate]:
    for rule in sorted(guideline.rulebook.rules.values(), key=lambda rule: rule.card is None):
        facts = " ".join(pattern.fact.replace("_", " ") for pattern in (*rule.when, *rule.unless))
        yield Hit(rule.id, rule.id, rule.title or rule.why), f"{rule.why} {facts} {_parameters_of(rule)}"


def _parameters_of(rule: Rule) -> str:
    return " ".join((*rule.parameters, *rule.sources))


def _drugs(guideline: Guideline) -> Iterator[_Candidate]:
    brands: dict[str, list[str]] = {}
    for name, id_ in guideline.names.items():
        brands.setdefault(id_, []).append(name)
    for drug in guideline.drugs.values():
        names = " ".join(brands.get(drug.id, ()))
        yield Hit(drug.id, drug.name, drug_in_words(drug, guideline)), names


def drug_in_words(drug: Drug, guideline: Guideline) -> str:
    """The classes of a drug."""
    said = []
    if drug.preventive:
        said.append(f"preventive, {guideline.classes[drug.preventive.ehf_class].name}")
    if drug.acute:
        said.append(f"acute, {drug.acute.drug_class.replace('_', ' ')}")
    return "; ".join(said) or "no migraine drug of its own"


def _codes(guideline: Guideline, words: list[str]) -> Iterator[_Candidate]:
    """Code sets by their names, and codes as they stand: those that begin with a word of the query."""
    for code_set in guideline.code_sets.values():
        yield Hit(code_set.name, code_set.title, f"code set {code_set.name}"), code_set.name.replace("_", " ")
    short = {url: name for name, url in guideline.systems.items()}
    coded = [word for word in words if any(sign.isdigit() for sign in word) and len(word) > 2]
    if not coded:
        return
    for drug in guideline.drugs.values():
        for system, codes in drug.codes.items():
            for code in codes:
                if code.lower().startswith(tuple(coded)):
                    yield Hit(drug.id, code, f"{short.get(system, system)}: {drug.name}"), system
    for code_set in guideline.code_sets.values():
        for url, listed in code_set.exact.items():
            for code in sorted(listed) if url in short else ():
                if code.lower().startswith(tuple(coded)):
                    yield Hit(code_set.name, code, f"{short[url]}: {code_set.title}"), url
        for url, begun in code_set.prefixes.items():
            for prefix in sorted(begun) if url in short else ():
                if any(word.replace(".", "").startswith(prefix.lower()) for word in coded):
                    said = f"{short[url]}, as every code that begins with {prefix}: {code_set.title}"
                    yield Hit(code_set.name, prefix, said), " ".join(coded)


def _parameters(guideline: Guideline) -> Iterator[_Candidate]:
    for parameter in guideline.parameters.values():
        name = parameter.name.replace("_", " ")
        yield Hit(parameter.name, name, parameter.decides), f"{parameter.unit} {' '.join(parameter.sources)}"
