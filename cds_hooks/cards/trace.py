"""Why a card was shown: rule, parameters, facts, FHIR references and sources, as the card's extension."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from prodrome.rules import Judgement, SiteCode, per_guideline
from prodrome.rules.engine import FINDING, Fact, Rule
from prodrome.rules.guideline import Guideline, Parameter, Source

EXTENSION = "org.prodrome.trace"
"""The key of the extension (EXT-02)."""


MOST_FACTS = 150
"""Facts one card tells of."""
MOST_REFERENCES = 10
"""References one fact tells of, and ids of facts it was concluded from."""
LONGEST_REFERENCES = 1000
"""Characters of the references one fact tells of."""


MOST_SITE_CODES = 20
"""Codes of the site's own map that one card names."""


def trace(
    judgement: Judgement,
    rules: Iterable[Rule],
    facts: Iterable[Fact],
    finding: str,
    *,
    most_facts: int = MOST_FACTS,
    site_codes: Sequence[SiteCode] = (),
) -> dict[str, Any]:
    """What a card rests on; members without content are left out.

    ``site_codes`` are those of the site's own map, read before the tables', that the chart holds: the trace names the
    map wherever there is one, with the rows in which each code stands.

    ``finding`` is the key under which an override of this card is remembered. ``facts`` are followed down to what was
    measured, or to the finding of another rule, whose own card says the rest. Of many facts the first ``most_facts``
    are told, of many references the first; ``left_out`` counts the others.
    """
    of_guideline = _told(judgement.guideline)
    asked = [rule.id for rule in rules]
    steps = dict.fromkeys(asked)
    told: list[dict[str, Any]] = []
    shown: dict[str, None] = {}
    grounds = _grounds(judgement, facts)
    whole = len(grounds) <= most_facts
    for fact in grounds:
        if fact.rule:
            steps[fact.rule] = None
        if len(told) == most_facts:
            continue
        # Others have the references of their basis, which was told before.
        own = fact.refs if not fact.basis or fact.type == FINDING else ()
        refs = first_references(own) if own else ()
        whole = whole and len(refs) == len(own)
        for ref in refs:
            shown[ref] = None
        told.append(_fact(fact, refs))
    parameters: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, str]] = {}
    for id_ in steps:
        parameters |= of_guideline.parameters[id_]
        sources |= of_guideline.sources[id_]
    said: dict[str, Any] = {
        "finding": finding,
        "rules": [of_guideline.rules[id_] for id_ in asked],
        "rulebook": judgement.rulebook.version,
        "date": judgement.today.isoformat(),
        "locale": judgement.locale,
        "engine": judgement.engine,
    }
    if parameters:
        said["parameters"] = [*parameters.values()]
    if of_guideline.site_codes:
        said["site_codes"] = _site_codes(of_guideline.site_codes, site_codes)
    if len(steps) > len(asked):
        said["steps"] = [*steps][len(asked) :]
    if told:
        said["facts"] = told
    if shown:
        said["references"] = [*shown]
    if not whole and (left_out := _left_out(grounds, len(told), len(shown))):
        said["left_out"] = left_out
    if sources:
        said["sources"] = [*sources.values()]
    return said


def _grounds(judgement: Judgement, facts: Iterable[Fact]) -> list[Fact]:
    """The facts and everything they were concluded from, in their order: what was concluded stands after its basis."""
    wanted = {fact.id for fact in facts}
    found: list[Fact] = []
    for fact in reversed(judgement.facts):
        if fact.id in wanted:
            found.append(fact)
            if fact.basis and fact.type != FINDING:
                wanted.update(fact.basis)
            elif len(found) == len(wanted):
                break
    return found[::-1]


def _fact(fact: Fact, refs: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"id": fact.id, "type": fact.type}
    fields = fact.fields
    if not _SAYS_NOTHING.isdisjoint(fields.values()):
        fields = {name: value for name, value in fields.items() if value not in _SAYS_NOTHING}
    if fields:
        said["fields"] = fields
    if fact.basis:  # its references are those of its basis
        said["basis"] = list(fact.basis[:MOST_REFERENCES])
    elif refs:
        said["refs"] = list(refs)
    return said


def _left_out(grounds: Sequence[Fact], told: int, shown: int) -> dict[str, int]:
    """How many facts and references are not told."""
    references = {ref for fact in grounds for ref in fact.refs}
    counts = {"facts": len(grounds) - told, "references": len(references) - shown}
    return {name: count for name, count in counts.items() if count}


def first_references(references: Sequence[str]) -> Sequence[str]:
    """The first of some references, as many as are told."""
    if len(references) <= MOST_REFERENCES and sum(map(len, references)) <= LONGEST_REFERENCES:
        return references
    lengths = accumulate(map(len, references))
    return [
        ref for ref, so_far in zip(references[:MOST_REFERENCES], lengths, strict=False) if so_far <= LONGEST_REFERENCES
    ]


def _site_codes(known: int, found: Sequence[SiteCode]) -> dict[str, Any]:
    """How many codes the site's map has, and those of them that the chart holds."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for each in found:
        rows.setdefault((each.kind, f"{each.system}|{each.code}", each.means), []).append(each.ref)
    used = [
        {"kind": kind, "code": code, "means": means, "refs": first_references([ref for ref in refs if ref])}
        for (kind, code, means), refs in list(rows.items())[:MOST_SITE_CODES]
    ]
    return {"known": known} | ({"used": used} if used else {})


_SAYS_NOTHING = frozenset({"", float("inf"), float("-inf")})
"""What a field says that says nothing: an empty text, or an infinite number (a length that is not known)."""


@dataclass(frozen=True)
class _Told:
    """What traces say of each rule, of its parameters and of its sources, and how many codes the site's map has."""

    rules: Mapping[str, dict[str, str]]
    parameters: Mapping[str, dict[str, dict[str, Any]]]
    sources: Mapping[str, dict[str, dict[str, str]]]
    site_codes: int


@per_guideline
def _told(guideline: Guideline) -> _Told:
    parameters = {name: _parameter(parameter) for name, parameter in guideline.parameters.items()}
    sources = {id_: _source(source) for id_, source in guideline.sources.items()}
    rules = guideline.rulebook.rules.values()
    return _Told(
        rules={rule.id: {"id": rule.id, "title": rule.title} for rule in rules},
        parameters={rule.id: {name: parameters[name] for name in rule.parameters} for rule in rules},
        sources={rule.id: {id_: sources[id_] for id_ in rule.sources} for rule in rules},
        site_codes=sum(len(codes) for codes in guideline.site.codes.values()),
    )


def _parameter(parameter: Parameter) -> dict[str, Any]:
    said: dict[str, Any] = {"name": parameter.name, "value": parameter.value, "unit": parameter.unit}
    if parameter.overridden:
        said["overridden"] = True
    return said


def _source(source: Source) -> dict[str, str]:
    said = {"id": source.id, "citation": source.citation}
    if source.url:
        said["url"] = source.url
    return said
