"""Why a card was shown: rule, parameters, facts, FHIR references and sources, as the card's extension."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prodrome.rules import Judgement, SiteCode
from prodrome.rules.engine import FINDING, Fact, Rule
from prodrome.rules.guideline import Guideline, Parameter

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
    rules = tuple(rules)
    grounds = _grounds(judgement, facts)
    steps = dict.fromkeys([*(rule.id for rule in rules), *(fact.rule for fact in grounds if fact.rule)])
    read = [judgement.rulebook.rules[id_] for id_ in steps]
    told, references = grounds[:most_facts], list(dict.fromkeys(ref for fact in grounds for ref in fact.refs))
    shown = list(dict.fromkeys(ref for fact in told for ref in _first(fact.refs)))
    left_out = {"facts": len(grounds) - len(told), "references": len(references) - len(shown)}
    said = {
        "finding": finding,
        "rules": [{"id": rule.id, "title": rule.title} for rule in rules],
        "rulebook": judgement.rulebook.version,
        "date": judgement.today.isoformat(),
        "locale": judgement.locale,
        "engine": judgement.engine,
        "parameters": _parameters(judgement.guideline, read),
        "site_codes": _site_map(judgement.guideline, site_codes),
        "steps": [rule.id for rule in read if rule not in rules],
        "facts": [_fact(fact) for fact in told],
        "references": shown,
        "left_out": {name: count for name, count in left_out.items() if count},
        "sources": _sources(judgement.guideline, read),
    }
    return {name: value for name, value in said.items() if value}


def _grounds(judgement: Judgement, facts: Iterable[Fact]) -> list[Fact]:
    """The facts and everything they were concluded from."""
    known = judgement.facts  # f1, f2...
    found: dict[str, Fact] = {}
    waiting = list(facts)
    while waiting:
        fact = waiting.pop()
        if fact.id not in found:
            found[fact.id] = fact
            if fact.type != FINDING:
                waiting.extend([known[_number(id_) - 1] for id_ in fact.basis])
    return [found[id_] for id_ in sorted(found, key=_number)]


def _first(references: Sequence[str]) -> list[str]:
    """The first of some references, as many as are told."""
    lengths = accumulate(map(len, references))
    return [
        ref for ref, so_far in zip(references[:MOST_REFERENCES], lengths, strict=False) if so_far <= LONGEST_REFERENCES
    ]


def _site_map(guideline: Guideline, found: Sequence[SiteCode]) -> dict[str, Any]:
    """How many codes the site's map has, and those of them that the chart holds."""
    known = sum(len(codes) for codes in guideline.site.codes.values())
    rows: dict[tuple[str, str, str], list[str]] = {}
    for each in found:
        rows.setdefault((each.kind, f"{each.system}|{each.code}", each.means), []).append(each.ref)
    used = [
        {"kind": kind, "code": code, "means": means, "refs": _first([ref for ref in refs if ref])}
        for (kind, code, means), refs in list(rows.items())[:MOST_SITE_CODES]
    ]
    return {"known": known} | ({"used": used} if used else {}) if known else {}


def _number(fact_id: str) -> int:
    return int(fact_id[1:])


def _fact(fact: Fact) -> dict[str, Any]:
    said: dict[str, Any] = {"id": fact.id, "type": fact.type}
    fields = _known(fact.fields)
    if fields:
        said["fields"] = fields
    if fact.basis:  # its references are those of its basis
        said["basis"] = list(fact.basis[:MOST_REFERENCES])
    elif refs := _first(fact.refs):
        said["refs"] = refs
    return said


_SAYS_NOTHING = frozenset({"", float("inf"), float("-inf")})


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something: no empty text, and no infinite number (a length that is not known)."""
    return {name: value for name, value in fields.items() if value not in _SAYS_NOTHING}


def _parameters(guideline: Guideline, rules: Iterable[Rule]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for rule in rules for name in rule.parameters)
    return [_parameter(guideline.parameters[name]) for name in names]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    said: dict[str, Any] = {"name": parameter.name, "value": parameter.value, "unit": parameter.unit}
    if parameter.overridden:
        said["overridden"] = True
    return said


def _sources(guideline: Guideline, rules: Iterable[Rule]) -> list[dict[str, str]]:
    found = []
    for id_ in dict.fromkeys(id_ for rule in rules for id_ in rule.sources):
        source = guideline.sources[id_]
        found.append({"id": id_, "citation": source.citation} | ({"url": source.url} if source.url else {}))
    return found
