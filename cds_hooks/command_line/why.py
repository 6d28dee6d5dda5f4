"""The whole judgement as a tree of text: what fired and on what, what did not and what stopped it."""

from collections.abc import Iterator

from prodrome.cds_hooks.consultation import Consultation
from prodrome.fhir_mappers import shares
from prodrome.rules import Completeness, NotUnderstood
from prodrome.rules.engine import Bindings, Explanation, Fact, Verdict, why

_MARKS = {
    Verdict.FIRED: "+",
    Verdict.UNJUDGED: "?",
    Verdict.BLOCKED: "-",
    Verdict.NOT_FIRED: ".",
    Verdict.OFF: "x",
}


def tree(consultation: Consultation, *, steps: bool = False) -> str:
    """The trace of one call. *steps* also explains the rules that only conclude facts for others."""
    return "\n".join(_lines(consultation, steps))


def understood(consultation: Consultation) -> str:
    """How much of the chart was understood, kind by kind, and every element that was not, as it stands there."""
    found = shares(consultation.facts)
    kinds = max((len(share.kind) for share in found), default=0)
    whats = max((len(share.what) for share in found), default=0)
    lines = [f"{share.kind:{kinds}}  {share.what:{whats}}  {share.told} of {share.of}" for share in found]
    puzzles = [puzzle_in_words(each) for each in consultation.facts.not_understood]
    puzzles += [f"{row.kind}/{row.id} was skipped: {row.why}" for row in consultation.facts.skipped]
    return "\n".join([*lines, *_branch("not understood", puzzles or ["nothing"])])


def puzzle_in_words(puzzle: NotUnderstood) -> str:
    """One element that was not understood, with what it says: for a tester's eyes alone."""
    value = "".join(sign if sign.isprintable() else " " for sign in puzzle.value)
    return f"{puzzle.ref or puzzle.kind}: the {puzzle.what} {puzzle.why}: {value or 'nothing is said'}"


def _lines(consultation: Consultation, steps: bool) -> Iterator[str]:
    judgement = consultation.judgement
    yield f"{consultation.request.hook} on {judgement.today}, locale {judgement.locale}, engine {judgement.engine}"
    yield f"rulebook {judgement.rulebook.version} of {judgement.rulebook.date}"
    yield from _data(consultation)
    cards = [f"{card['indicator']}: {card['summary']}" for card in consultation.response["cards"]]
    yield from _branch("cards", cards or ["none"])
    yield "rules"
    for explanation in why(judgement.rulebook, judgement.outcome):
        if steps or explanation.rule.card is not None:
            yield from _rule(explanation, consultation)


def _data(consultation: Consultation) -> Iterator[str]:
    said = []
    for kind, state in sorted(consultation.record.completeness.items()):
        read = consultation.facts.read.get(kind, 0)
        problem = consultation.problems.get(kind)
        extent = f"{read} read" if state is Completeness.COMPLETE else f"{state.value}, {read} read"
        said.append(f"{kind}: {extent}" + (f" (the FHIR server {problem})" if problem else ""))
    said += [f"{row.kind}/{row.id} was skipped: {row.why}" for row in consultation.facts.skipped]
    yield from _branch("data", [*said, *consultation.notes])
    if consultation.facts.not_understood:
        yield from _branch("not understood", [puzzle_in_words(each) for each in consultation.facts.not_understood])


def _rule(explanation: Explanation, consultation: Consultation) -> Iterator[str]:
    rule = explanation.rule
    away = rule.card is not None and consultation.request.hook not in rule.hooks
    elsewhere = f" (speaks at {', '.join(rule.hooks)})" if away else ""
    yield f"  {_MARKS[explanation.verdict]} {rule.id} {rule.title or rule.why}: {explanation.verdict.value}{elsewhere}"
    for fired in explanation.fired:
        yield from _facts(fired.bindings)
    for unjudged in explanation.unjudged:
        yield f"      not complete: {', '.join(unjudged.missing)}"
        yield from _facts(unjudged.bindings)
    if explanation.verdict is Verdict.BLOCKED:
        for blocked in explanation.blocked:
            yield f"      because of {_fact(blocked.by)}"
    stop = explanation.stop
    if stop is not None:
        yield f"      needs {stop.condition}"
        if stop.near is not None:
            yield f"      nearest: {_fact(stop.near)}; differs in {', '.join(stop.failed)}"
    if explanation.fired:
        for name, parameter in consultation.judgement.parameters(rule).items():
            changed = ", changed by this site" if parameter.overridden else ""
            yield f"      ${name} = {parameter.value} {parameter.unit}".rstrip() + changed


def _facts(bindings: Bindings) -> Iterator[str]:
    for fact in bindings.values():
        yield f"      {_fact(fact)}"


def _fact(fact: Fact) -> str:
    fields = ", ".join(f"{name} {_value(value)}" for name, value in fact.fields.items())
    source = f" <- {', '.join(fact.refs)}" if fact.refs else ""
    return f"{fact.type.replace('_', ' ')}: {fields or 'yes'}{source}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _branch(name: str, leaves: list[str]) -> Iterator[str]:
    yield name
    yield from (f"  {leaf}" for leaf in leaves)
