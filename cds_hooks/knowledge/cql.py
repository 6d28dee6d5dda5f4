"""The rulebook as Clinical Quality Language 1.5, over the facts that this program reads from a chart.

Each rule becomes up to three definitions: what its conditions hold for (``rule: holds for``), where nothing could be
found for want of data (``rule: could not judge``), and what it concludes (``rule: concludes``). A fact is an
Observation whose ``code`` names its type and whose components are its fields; a rule sees it as a tuple of them.

Lists are flattened, never united: ``union`` compares tuples, in which an unknown field is equal to nothing.
"""

import hashlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prodrome.cds_hooks.protocol import HOOKS
from prodrome.rules import SEVERITY, ProdromeError
from prodrome.rules.engine import (
    FINDING,
    TALLY,
    UNJUDGED,
    Comparison,
    Conclusion,
    FieldOf,
    Indicator,
    Join,
    Layer,
    Pattern,
    Rule,
    Rulebook,
    Tally,
    Value,
)
from prodrome.rules.guideline import Guideline

LIBRARY = "ProdromeRules"
FINDINGS, COULD_NOT_JUDGE = "Findings", "Could not judge"
"""The definitions that hold the answer: what was found, and what could not be judged."""
DIGEST = "Digest"
_DIGEST_IS = "// SHA-256 of all above, by which a translation is known to be of this text."
COMPLETENESS = "completeness"
"""The fact that says of a kind of resource whether all of it was read: fields ``kind`` and ``state``."""

_ID = '"fact id"'
"""Which fact it is: no field of a fact has a space in its name."""

_WIDTH = 116
_LETTERS = 2
"""So short an alias says nothing to a reader."""

COMPLETENESS_FIELDS: Mapping[str, type] = {"kind": str, "state": str}
_TYPES = {str: "String", float: "Decimal", int: "Decimal", bool: "Boolean"}
_READERS = {str: "text", float: "number", int: "number", bool: "flag"}
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">="})
"""Those of the rulebook that CQL writes the same."""

_HOW_TO_READ = (
    "How to read a rule. Above it stand what it says, its statements, sources and parameters. It holds for facts taken"
    ' one from each list that pass what stands after "where"; "not exists" is what speaks against it. It then concludes'
    " something, or could not judge where records that it rests on were not read whole.",
    'The rules stand in layers: "trial facts" were read from the chart; "failure, after layer 3" is what rules of'
    " layers 1 to 3 concluded. A tally counts different things, such as the classes that failed.",
)


class KnowledgeError(ProdromeError):
    """The rulebook holds what cannot be said in CQL. Names the rule and the construct."""


def library(guideline: Guideline) -> str:
    """The CQL library of a guideline's enabled rules, the same text for the same rulebook and parameters.

    Raises :class:`KnowledgeError` for a construct that has no translation.
    """
    text = "\n".join([*_Writer(guideline).lines(), ""])
    return f"{text}\n{_DIGEST_IS}\ndefine {quoted(DIGEST)}:\n  {literal(_hash(text))}\n"


def digest(text: str) -> str:
    """What a library says of its own text: the same of it and of what is translated from it."""
    return _hash(text.partition(f"\n{_DIGEST_IS}\n")[0])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def speaking(rulebook: Rulebook) -> Iterator[Rule]:
    """The enabled rules that have a card, in the order of the rulebook."""
    return (rule for rule in rulebook.rules.values() if rule.card and rule.enabled)


def hooks(rulebook: Rulebook) -> tuple[str, ...]:
    """The hooks at which some rule speaks."""
    spoken = {hook for rule in speaking(rulebook) for hook in rule.hooks}
    return tuple(hook for hook in HOOKS if hook in spoken)


def indicators(rulebook: Rulebook, rule: Rule) -> tuple[Indicator, ...]:
    """The indicators a rule's card can have, the loudest first."""
    assert rule.card is not None
    said = rule.card.indicator
    if isinstance(said, str):
        return (said,)
    taken = next(pattern.fact for pattern in rule.when if pattern.alias == said.alias)
    known = rulebook.known_values.get((taken, said.field)) or SEVERITY
    return tuple(indicator for indicator in SEVERITY if indicator in known)


def speaks(rule: Rule, indicator: Indicator) -> str:
    """The name of the definition that says whether a rule has a card of an indicator."""
    assert rule.card is not None
    fixed = isinstance(rule.card.indicator, str)
    return f"{rule.id}: speaks" if fixed else f"{rule.id}: speaks as {indicator}"


def could_not_judge(hook: str) -> str:
    """The name of the definition that says whether something could not be judged at a hook."""
    return f"could not judge at {hook}"


def quoted(name: str) -> str:
    """A CQL identifier. Every one is quoted: ``month``, ``per`` and ``of`` are keywords."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(value: Value) -> str:
    """A CQL literal: numbers are decimals, as every numeric field is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    number = repr(float(value))
    if "e" in number or "n" in number:
        raise KnowledgeError(f"the number {number} has no CQL literal")
    return number


class _Writer:
    def __init__(self, guideline: Guideline) -> None:
        self.guideline = guideline
        self.rulebook: Rulebook = guideline.rulebook
        self.place = {layer.name: number for number, layer in enumerate(self.rulebook.layers)}

    def lines(self) -> Iterator[str]:
        version = self.rulebook.version
        for paragraph in (
            f"The rules of Prodrome {version} of {self.rulebook.date}, over facts. The facts are read from a chart by "
            "Prodrome itself (prodrome facts); this library judges them. Not reviewed by a neurologist.",
            *_HOW_TO_READ,
        ):
            yield from _comment(paragraph)
            yield "//"
        yield f"library {LIBRARY} version '{version}'"
        yield ""
        yield "using FHIR version '4.0.1'"
        yield ""
        yield from self.parameters()
        yield "context Patient"
        yield ""
        yield from self.facts()
        for number, layer in enumerate(self.rulebook.layers):
            yield from self.layer(number, layer)
        yield from self.answers()

    def parameters(self) -> Iterator[str]:
        used = dict.fromkeys(
            test.parameter
            for layer in self.rulebook.layers
            for pattern in self.patterns(layer)
            for test in pattern.tests
            if test.parameter
        )
        for name in sorted(used):
            parameter = self.guideline.parameters[name]
            value = parameter.value
            if isinstance(value, Mapping):
                raise KnowledgeError(f"parameter {name}: a list by locale has no CQL literal")
            yield from _comment(f"{parameter.decides} ({parameter.unit})" if parameter.unit else parameter.decides)
            yield f"parameter {quoted(name)} {_TYPES[bool if isinstance(value, bool) else type(value)]}"
            yield f"  default {literal(value)}"
            yield ""

    def patterns(self, layer: Layer) -> Iterator[Pattern]:
        for rule in layer.rules:
            if rule.enabled:
                yield from (*rule.when, *rule.unless)
        yield from (tally.of for tally in layer.tallies)

    # --- Facts: Observations as tuples ----------------------------------------------------------------------------

    def facts(self) -> Iterator[str]:
        yield from _comment("Every fact once, with its fields as they stand: text, number or flag.")
        yield 'define "facts":'
        yield '  [Observation] "O"'
        yield from _returned(
            [
                f'{_ID}: "O".id.value',
                f'"type": {self.coded("O", "facts")}',
                f""""fields": "O".component "C"
        return all Tuple{{
          "field": {self.coded("C", "fact-fields")},
          "text": ("C".value as FHIR.string).value,
          "number": ("C".value as FHIR.Quantity).value.value,
          "flag": ("C".value as FHIR.boolean).value
        }}""",
            ],
        )
        yield ""
        fields_of = 'List<Tuple{"field" String, "text" String, "number" Decimal, "flag" Boolean}>'
        for name in ("text", "number", "flag"):
            yield f'define function {quoted(name)}("fields" {fields_of}, "field" String):'
            yield f'  First("fields" "F" where "F"."field" = "field" return all "F".{quoted(name)})'
            yield ""
        measured = {name: self.rulebook.fact_types[name] for name in sorted(self.rulebook.measured)}
        for name, fields in {**measured, COMPLETENESS: COMPLETENESS_FIELDS}.items():
            yield f"define {quoted(_measured(name))}:"
            yield f'  ("facts" "F" where "F"."type" = {literal(name)}) "F"'
            read = [
                f'{quoted(one)}: {quoted(_READERS[kind])}("F"."fields", {literal(one)})' for one, kind in fields.items()
            ]
            yield from _returned([f'{_ID}: "F".{_ID}', *read])
            yield ""
        yield 'define function "all complete"("kinds" List<String>):'
        yield '  not exists("kinds" "K"'
        yield f'    where not exists({quoted(_measured(COMPLETENESS))} "C"'
        yield '      where "C"."kind" = "K" and "C"."state" = \'complete\'))'
        yield ""

    def coded(self, alias: str, system: str) -> str:
        """The code that an element has in a code system of ours."""
        address = literal(self.guideline.canonical("CodeSystem", system))
        return f'First({quoted(alias)}.code.coding "K" where "K".system.value = {address} return all "K".code.value)'

    def visible(self, fact: str, before: int) -> str:
        """The list of the facts of a type that a layer may read: those measured, or concluded by earlier layers."""
        if fact in self.rulebook.measured:
            return quoted(_measured(fact))
        makers = [number for number in range(before) if self.makers(fact, number)]
        return quoted(_after(fact, makers[-1])) if makers else f"({{}} as List<{self.tuple_type(fact)}>)"

    def makers(self, fact: str, layer: int) -> list[str]:
        """The definitions of a layer whose results are facts of a type."""
        rules = [rule for rule in self.rulebook.layers[layer].rules if rule.enabled]
        if fact == UNJUDGED:
            return [f"{rule.id}: could not judge" for rule in rules if rule.absence_needs]
        if fact == TALLY:
            return [f"count: {tally.name}" for tally in self.rulebook.layers[layer].tallies]
        return [f"{rule.id}: concludes" for rule in rules if rule.then.fact == fact]

    def tuple_type(self, fact: str) -> str:
        fields = {quoted(name): kind for name, kind in self.rulebook.fact_types[fact].items()}
        return "Tuple{" + ", ".join(f"{name} {_TYPES[kind]}" for name, kind in {_ID: str, **fields}.items()) + "}"

    # --- Layers ---------------------------------------------------------------------------------------------------

    def layer(self, number: int, layer: Layer) -> Iterator[str]:
        yield f"// ---- {number + 1}. {layer.name} ".ljust(120, "-")
        yield ""
        made: dict[str, None] = {}
        for rule in layer.rules:
            if rule.enabled:
                yield from self.rule(number, rule)
                made[rule.then.fact] = None
                if rule.absence_needs:
                    made[UNJUDGED] = None
        for tally in layer.tallies:
            yield from self.tally(number, tally)
            made[TALLY] = None
        for fact in made:
            earlier = [quoted(_after(fact, n)) for n in range(number) if self.makers(fact, n)][-1:]
            parts = [*earlier, *map(quoted, self.makers(fact, number))]
            yield f"define {quoted(_after(fact, number))}:"
            yield from _flattened(parts)
            yield ""

    def rule(self, number: int, rule: Rule) -> Iterator[str]:
        try:
            yield from self.comment(rule)
            yield f"define {quoted(_matches(rule))}:"
            yield from self.conditions(number, rule)
            yield ""
            if rule.absence_needs:
                (complete,) = self.complete(rule)
                reported: dict[str, Value | FieldOf] = {"rule": rule.reported_as}
                if rule.about:
                    reported["about"] = rule.about
                yield f"define {quoted(f'{rule.id}: could not judge')}:"
                yield f'  ({quoted(_matches(rule))} "M" where not {complete}) "M"'
                yield from self.conclusion(rule, Conclusion(UNJUDGED, reported))
                yield ""
                yield f"define {quoted(f'{rule.id}: concludes')}:"
                yield f'  ({quoted(_matches(rule))} "M" where {complete}) "M"'
            else:
                yield f"define {quoted(f'{rule.id}: concludes')}:"
                yield f'  {quoted(_matches(rule))} "M"'
            yield from self.conclusion(rule, rule.then)
            yield ""
        except KnowledgeError as error:
            raise KnowledgeError(f"rule {rule.id}: {error}") from None

    def comment(self, rule: Rule) -> Iterator[str]:
        says = [f"{rule.id}: {rule.title}." if rule.title else f"{rule.id}.", f"{rule.why}."]
        for id_ in filter(self.guideline.statements.__contains__, rule.statements):
            says.append(f"Statement: {self.guideline.statements[id_]}")
        for id_ in rule.sources:
            says.append(f"Source: {self.guideline.sources[id_].citation}")
        if rule.parameters:
            values = (f"{name} = {self.guideline.parameters[name].value}" for name in rule.parameters)
            says.append(f"Parameters: {', '.join(values)}")
        yield from _comment(*says)

    def conditions(self, number: int, rule: Rule) -> Iterator[str]:
        names = _names(rule)
        several = len(rule.when) > 1
        sources: list[str] = []
        asked: list[str] = []
        for at, pattern in enumerate(rule.when):
            facts, alias = self.visible(pattern.fact, number), quoted(names[pattern.alias])
            if several and (own := _tests(pattern, "F")):
                sources.append(_filtered(facts, own, alias))
            else:
                sources.append(f"{facts} {alias}")
                asked += _tests(pattern, names[pattern.alias])
            asked += [_join(join, names[pattern.alias], names) for join in pattern.joins]
            asked += [
                f"{alias}.{_ID} != {quoted(names[other.alias])}.{_ID}"
                for other in rule.when[:at]
                if other.fact == pattern.fact and not _exclusive(pattern, other)
            ]
        for pattern in rule.unless:
            inner = _tests(pattern, "U") + [_join(join, "U", names) for join in pattern.joins]
            where = f' "U" where {" and ".join(inner)}' if inner else ""
            asked.append(f"not exists({self.visible(pattern.fact, number)}{where})")
        yield f"  from {(',' + chr(10) + '    ').join(sources)}" if several else f"  {sources[0]}"
        if asked:
            yield f"    where {(chr(10) + '      and ').join(asked)}"
        yield from _returned([f"{quoted(name)}: {quoted(name)}" for name in names.values()])

    def conclusion(self, rule: Rule, then: Conclusion) -> Iterator[str]:
        schema, names = self.rulebook.fact_types[then.fact], _names(rule)
        key = [then.fact]  # texts and expressions in turn
        parts = []
        for name, kind in schema.items():
            term = then.fields.get(name)
            key[-1] += "|"
            if isinstance(term, FieldOf):
                value = f'"M".{quoted(names[term.alias])}.{quoted(term.field)}'
                key += [f"Coalesce({value if kind is str else f'ToString({value})'}, '')", ""]
            elif term is None:
                value = f"null as {_TYPES[kind]}"
            elif isinstance(term, str):
                value = literal(term)
                key[-1] += term
            else:
                value = literal(term)
                key += [f"ToString({value})", ""]
            parts.append(f"{quoted(name)}: {value}")
        said = [literal(one) if number % 2 == 0 else one for number, one in enumerate(key) if one]
        yield from _returned([f"{_ID}: {' + '.join(said)}", *parts])

    def tally(self, number: int, tally: Tally) -> Iterator[str]:
        tests = [*_tests(tally.of, "X"), f'"X".{quoted(tally.distinct)} is not null']
        yield from _comment(f"{tally.name}: how many different {tally.distinct}.")
        yield f"define {quoted(f'count: {tally.name}')}:"
        yield "  {Tuple{"
        yield f"    {_ID}: {literal(f'{TALLY}|{tally.name}')},"
        yield f'    "name": {literal(tally.name)},'
        yield f'    "count": ToDecimal(Count({self.visible(tally.of.fact, number + 1)} "X"'
        yield f"      where {(chr(10) + '        and ').join(tests)}"
        yield f'      return "X".{quoted(tally.distinct)}))'
        yield "  }}"
        yield ""

    def answers(self) -> Iterator[str]:
        last = len(self.rulebook.layers)
        for name, fact in ((FINDINGS, FINDING), (COULD_NOT_JUDGE, UNJUDGED)):
            yield f"define {quoted(name)}:"
            yield f"  {self.visible(fact, last)}"
            yield ""
        for rule in speaking(self.rulebook):
            for indicator in indicators(self.rulebook, rule):
                yield f"define {quoted(speaks(rule, indicator))}:"
                yield from self.spoken(rule, indicator)
                yield ""
        for hook in hooks(self.rulebook):
            yield f"define {quoted(could_not_judge(hook))}:"
            yield from self.not_judged(hook)
            yield ""

    def spoken(self, rule: Rule, indicator: Indicator) -> Iterator[str]:
        """Whether a rule has a card of an indicator: of the facts that one card is about the loudest speaks."""
        assert rule.card is not None
        if not isinstance(rule.card.indicator, FieldOf):
            yield f'  exists({quoted(FINDINGS)} "F" where "F"."rule" = {literal(rule.id)})'
            return
        names = _names(rule)
        level = f"{quoted(names[rule.card.indicator.alias])}.{quoted(rule.card.indicator.field)}"
        asked = [f'"M".{level} = {literal(indicator)}', *self.complete(rule)]
        possible = indicators(self.rulebook, rule)
        louder = possible[: possible.index(indicator)]
        if louder:
            listed = ", ".join(map(literal, louder))
            same = ""
            if rule.about:
                about = f"{quoted(names[rule.about.alias])}.{quoted(rule.about.field)}"
                same = f' and "L".{about} = "M".{about}'
            asked.append(f'not exists({quoted(_matches(rule))} "L" where "L".{level} in {{{listed}}}{same})')
        yield f'  exists({quoted(_matches(rule))} "M" where {(chr(10) + "    and ").join(asked)})'

    def complete(self, rule: Rule) -> list[str]:
        """That the kinds of resource whose absence a rule rests on were read whole."""
        return [f"{quoted('all complete')}({_texts(rule.absence_needs)})"] if rule.absence_needs else []

    def not_judged(self, hook: str) -> Iterator[str]:
        """Whether a rule that speaks at a hook, and is named where it cannot be judged, found nothing either."""
        asked = [rule.id for rule in speaking(self.rulebook) if hook in rule.hooks and rule.incomplete_card]
        if not asked:
            yield "  false"
            return
        yield f'  exists({quoted(COULD_NOT_JUDGE)} "U" where "U"."rule" in {_texts(asked)}'
        yield f'    and not exists({quoted(FINDINGS)} "F" where "F"."rule" = "U"."rule"'
        yield '      and Coalesce("F"."order", \'\') = Coalesce("U"."about", \'\')))'


def _texts(values: Iterable[str]) -> str:
    return "{" + ", ".join(map(literal, values)) + "}"


def _matches(rule: Rule) -> str:
    return f"{rule.id}: holds for"


def _measured(fact: str) -> str:
    return f"{fact.replace('_', ' ')} facts"


def _after(fact: str, layer: int) -> str:
    return f"{fact.replace('_', ' ')}, after layer {layer + 1}"


def _test(test: Comparison, alias: str) -> str:
    field = f"{quoted(alias)}.{quoted(test.field)}"
    if test.op == "present":
        return f"{field} is not null"
    if test.op == "absent":
        return f"{field} is null"
    if test.op not in _OPERATORS:
        raise KnowledgeError(f"no translation of the operator {test.op!r}")
    return f"{field} {test.op} {quoted(test.parameter) if test.parameter else literal(test.value)}"


def _tests(pattern: Pattern, alias: str) -> list[str]:
    """What a condition asks of a fact alone."""
    said = [_test(test, alias) for test in pattern.tests]
    for name, values in pattern.one_of:
        listed = ", ".join(sorted(map(literal, values)))
        said.append(f"{quoted(alias)}.{quoted(name)} in {{{listed}}}")
    return said


def _join(join: Join, alias: str, names: Mapping[str, str]) -> str:
    """What a condition asks of a fact and of that of another condition."""
    other = f"{quoted(names[join.alias])}.{quoted(join.other_field)}"
    return f"{quoted(alias)}.{quoted(join.field)} {join.op} {other}"


def _filtered(facts: str, tests: Sequence[str], alias: str) -> str:
    """The facts of a list that pass tests."""
    line = f'({facts} "F" where {" and ".join(tests)}) {alias}'
    if len(line) < _WIDTH:
        return line
    return f'({facts} "F"\n      where ' + "\n        and ".join(tests) + f") {alias}"


def _names(rule: Rule) -> Mapping[str, str]:
    """What the facts of a rule's conditions are called, by alias: a tally by what it counts, no letters alone."""
    counted = {
        pattern.alias: str(test.value).replace("_", " ")
        for pattern in rule.when
        if pattern.fact == TALLY
        for test in pattern.tests
        if test.field == "name" and test.op == "="
    }
    names = {
        one.alias: counted.get(one.alias, one.alias if len(one.alias) > _LETTERS else one.fact.replace("_", " "))
        for one in rule.when
    }
    return names if len({*names.values()}) == len(names) else {alias: alias for alias in names}


def _exclusive(one: Pattern, other: Pattern) -> bool:
    """Whether no fact passes both: a field must be one thing here, and another there."""
    fixed = {test.field: test.value for test in one.tests if test.op == "=" and not test.parameter}
    return any(
        test.op == "=" and not test.parameter and fixed.get(test.field, test.value) != test.value
        for test in other.tests
    )


def _comment(*paragraphs: str) -> Iterator[str]:
    for paragraph in paragraphs:
        for line in textwrap.wrap(" ".join(paragraph.split()), _WIDTH):
            yield f"// {line}"


def _returned(parts: Sequence[str]) -> Iterator[str]:
    yield "    return all Tuple{"
    yield from (f"      {part}{',' if number < len(parts) else ''}" for number, part in enumerate(parts, 1))
    yield "    }"


def _flattened(parts: Iterable[str]) -> Iterator[str]:
    listed = list(parts)
    if len(listed) == 1:
        yield f"  {listed[0]}"
        return
    yield "  flatten {"
    yield from (f"    {part}{',' if number < len(listed) else ''}" for number, part in enumerate(listed, 1))
    yield "  }"
