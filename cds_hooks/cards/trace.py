"""Why a card was shown: rule, parameters, facts, FHIR references and sources, as the card's extension."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
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
    asked = {rule.id: rule for rule in rules}
    grounds = _grounds(judgement, facts)
    steps = dict.fromkeys([*asked, *[fact.rule for fact in grounds if fact.rule]])
    known = judgement.rulebook.rules
    read = [known[id_] for id_ in steps]
    told = [(fact, _first(fact.refs)) for fact in grounds[:most_facts]]
    references = set().union(*[fact.refs for fact in grounds])
    shown = list(dict.fromkeys(chain.from_iterable([refs for _, refs in told])))
    left_out = {"facts": len(grounds) - len(told), "references": len(references) - len(shown)}
    parameters = dict.fromkeys(chain.from_iterable([rule.parameters for rule in read]))
    sources = dict.fromkeys(chain.from_iterable([rule.sources for rule in read]))
    guideline = judgement.guideline
    told_parameters, told_sources = _told(guideline)
    said = {
        "finding": finding,
        "rules": [{"id": rule.id, "title": rule.title} for rule in asked.values()],
        "rulebook": judgement.rulebook.version,
        "date": judgement.today.isoformat(),
        "locale": judgement.locale,
        "engine": judgement.engine,
        "parameters": [told_parameters[name] for name in parameters],
        "site_codes": _site_map(guideline, site_codes),
        "steps": [id_ for id_ in steps if id_ not in asked],
        "facts": [_fact(fact, refs) for fact, refs in told],
        "references": shown,
        "left_out": {name: count for name, count in left_out.items() if count},
        "sources": [told_sources[id_] for id_ in sources],
    }
    return {name: value for name, value in said.items() if value}


def _grounds(judgement: Judgement, facts: Iterable[Fact]) -> list[Fact]:
    """The facts and everything they were concluded from, in their order: what was concluded stands after its basis."""
    wanted = {fact.id for fact in facts}
    found = []
    for fact in reversed(judgement.facts):
        if fact.id in wanted:
            found.append(fact)
            if fact.type != FINDING:
                wanted.update(fact.basis)
    return found[::-1]


def _first(references: Sequence[str]) -> Sequence[str]:
    """The first of some references, as many as are told."""
    if len(references) <= MOST_REFERENCES and sum(map(len, references)) <= LONGEST_REFERENCES:
        return references
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


_SAYS_NOTHING = frozenset({"", float("inf"), float("-inf")})
"""What a field says that says nothing: an empty text, or an infinite number (a length that is not known)."""


@per_guideline
def _told(guideline: Guideline) -> tuple[Mapping[str, dict[str, Any]], Mapping[str, dict[str, str]]]:
    """What a trace says of each parameter and of each source."""
    parameters = {name: _parameter(parameter) for name, parameter in guideline.parameters.items()}
    return parameters, {id_: _source(source) for id_, source in guideline.sources.items()}


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
