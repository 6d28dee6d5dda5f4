"""Strict reading of a rulebook: whatever the file says that cannot be meant is a :class:`RulebookError`.

It names file, rule and the nearest thing that exists.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from prodrome.rules.engine.matching import Comparison, CompiledLayer, Join, Pattern, Value
from prodrome.rules.engine.rulebook import (
    DISCRIMINATOR,
    FINDING,
    INDICATORS,
    TALLY,
    UNJUDGED,
    Card,
    Conclusion,
    FieldOf,
    Layer,
    Rule,
    Rulebook,
    RulebookError,
    Tally,
    discriminated,
)
from prodrome.rules.engine.strict_yaml import meant, parse

STATEMENTS = (*(f"S{number}" for number in range(1, 12)), "guard")

MAX_CONDITIONS = 14
MAX_TESTS = 20
MAX_PATTERNS_PER_TYPE = 60
MAX_RULES_PER_LAYER = 240
"""Bounds well inside what durable-rules can hold (16 conditions, 32 tests, 64 patterns alive for one fact, 256 rules
with one first pattern); a condition with a list of values counts once for each value."""

_CARD_ID = re.compile(r"[A-Z]{2,5}-[0-9]{2}")
_STEP_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OPERATION = re.compile(r"(<=|>=|!=|<|>)\s*(.+)", re.DOTALL)

FactTypes = Mapping[str, Mapping[str, type | Collection[str]]]
Schema = dict[str, dict[str, type]]
RuleParameter = Value | Sequence[Value]


def load_rulebook(
    source: Path | str,
    *,
    parameters: Mapping[str, RuleParameter],
    fact_types: FactTypes,
    sources: Collection[str],
    kinds: Collection[str],
    hooks: Collection[str],
    name: str = "rulebook.yaml",
) -> Rulebook:
    """Read and check a rulebook, from a file or from text, with every parameter replaced by its value in force.

    ``fact_types`` are the measured types (type -> field -> ``str``, ``bool``, ``float`` or ``int``, or the texts the
    field can have); ``kinds`` the kinds of FHIR resource a rule may need complete; ``hooks`` the hooks a card may
    appear at.
    Raises :class:`RulebookError`.
    """
    if isinstance(source, Path):
        name, source = source.name, source.read_text(encoding="utf-8")
    return _Reader(name, parameters, fact_types, sources, kinds, hooks).rulebook(source)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KIND_NAMES = {str: "text", bool: "true or false", float: "a number", int: "a number"}


def _kind(value: Value) -> type:
    return float if _number(value) else type(value)


def _excess(compiled: CompiledLayer) -> str:
    """What a matcher cannot take at once, in words; nothing where it can."""
    distinct: dict[str, dict[Pattern, int]] = {}
    total = 0
    for _, when in compiled.rules:
        total += prod(len(values) for pattern in when for _, values in pattern.one_of)
        for pattern in when:
            distinct.setdefault(pattern.fact, {})[pattern] = prod(len(values) for _, values in pattern.one_of)
    if total > MAX_RULES_PER_LAYER:
        return f"{total} rules, lists of values multiplied out; at most {MAX_RULES_PER_LAYER}"
    for kind, patterns in distinct.items():
        count = sum(patterns.values())
        if count > MAX_PATTERNS_PER_TYPE:
            return f"{count} different conditions on {kind!r}; at most {MAX_PATTERNS_PER_TYPE}"
    return ""


def _stretches(layers: Iterable[CompiledLayer]) -> Iterator[CompiledLayer]:
    """The layers, in order, put together as far as a matcher can take them at once."""
    so_far: CompiledLayer | None = None
    for layer in layers:
        if not layer.rules:
            continue
        longer = layer if so_far is None else so_far.followed_by(layer)
        if so_far is not None and _excess(longer):
            yield so_far
            longer = layer
        so_far = longer
    if so_far is not None:
        yield so_far


@dataclass
class _Reader:
    """Reads one rulebook. ``where`` is the place in the file that errors name."""

    name: str
    parameters: Mapping[str, RuleParameter]
    measured: FactTypes
    sources: Collection[str]
    kinds: Collection[str]
    hooks: Collection[str]
    where: str = ""
    types: Schema = field(default_factory=dict)
    known: dict[tuple[str, str], frozenset[Value] | None] = field(default_factory=dict)  # values a field can have
    made: dict[str, dict[str, int]] = field(default_factory=dict)  # concluded type -> discriminator or "" -> last layer
    used: dict[str, None] = field(default_factory=dict)  # parameters read by the rule in hand, in order
    drawn: dict[str, str] = field(default_factory=dict)  # alias -> fact type, for the rule in hand

    def fail(self, what: str) -> RulebookError:
        return RulebookError(": ".join(part for part in (self.name, self.where, what) if part))

    # The file -------------------------------------------------------------------------------------------------

    def rulebook(self, text: str) -> Rulebook:
        top = self.entries(parse(text, self.fail), required=("version", "date", "layers"), optional=("not_evaluated",))
        for kind, schema in self.measured.items():
            self.types[kind] = {name: _plain(of) if isinstance(of, type) else str for name, of in schema.items()}
            self.known |= {(kind, name): frozenset(of) for name, of in schema.items() if not isinstance(of, type)}
        layers = [
            self.entries(layer, required=("name",), optional=("rules", "tallies"))
            for layer in self.list_of(top, "layers")
        ]
        self.survey(layers)
        read = tuple(self.layer(index, layer) for index, layer in enumerate(layers))
        return Rulebook(
            version=self.text(top, "version"),
            date=self.text(top, "date"),
            not_evaluated=tuple(self.texts(top, "not_evaluated")),
            layers=read,
            fact_types=self.types,
            measured=frozenset(self.measured),
            stretches=tuple(_stretches([layer.compiled for layer in read])),
            known_values={of: values for of, values in self.known.items() if values is not None},
        )

    def survey(self, layers: Sequence[Mapping[str, Any]]) -> None:
        """Learn every rule id and which layer concludes what, so that a misplaced read can be told from a typo."""
        ids: dict[str, str] = {}
        names: set[str] = set()
        for index, layer in enumerate(layers):
            if self.text(layer, "name") in names:
                raise self.fail(f"layer {layer['name']!r} stands twice")
            names.add(layer["name"])
            for raw in self.list_of(layer, "rules"):
                rule_id = raw.get("id") if isinstance(raw, dict) else None
                if not isinstance(rule_id, str):
                    raise self.fail(f"layer {layer['name']!r}: a rule has no id")
                self.where = f"rule {rule_id}"
                if rule_id in ids:
                    raise self.fail("this id stands twice")
                ids[rule_id] = layer["name"]
                if _CARD_ID.fullmatch(rule_id):
                    self.conclude(FINDING, rule_id, index)
                elif _STEP_ID.fullmatch(rule_id):
                    made = raw["then"].get("fact") if isinstance(raw.get("then"), dict) else None
                    if not isinstance(made, str):
                        raise self.fail("a step concludes a fact: then: {fact: ...}")
                    if not _NAME.fullmatch(made):
                        raise self.fail(f"{made!r} is no fact type: lower-case letters, digits and _")
                    if made in (FINDING, UNJUDGED, TALLY) or made in self.measured:
                        raise self.fail(f"a step cannot conclude {made!r}: it is measured or made by the engine")
                    self.conclude(made, "", index)
                else:
                    raise self.fail("an id is like DTT-01 (a card) or like failed-for-efficacy (a step)")
                if raw.get("absence_needs"):
                    self.conclude(UNJUDGED, str(raw.get("concludes_absence_for") or rule_id), index)
            self.where = f"layer {layer['name']}"
            for raw in self.list_of(layer, "tallies"):
                if isinstance(raw, dict) and isinstance(raw.get("name"), str):
                    if raw["name"] in self.made.get(TALLY, {}):
                        raise self.fail(f"tally {raw['name']!r} stands twice")
                    self.conclude(TALLY, raw["name"], index)
            self.where = ""
        self.ids = ids
        self.types[FINDING] = {"rule": str, "order": str}
        self.types[UNJUDGED] = {"rule": str, "about": str}
        self.types[TALLY] = {"name": str, "count": float}

    def conclude(self, kind: str, which: str, layer: int) -> None:
        self.made.setdefault(kind, {})[which] = max(layer, self.made.get(kind, {}).get(which, layer))

    def layer(self, index: int, raw: Mapping[str, Any]) -> Layer:
        rules = tuple(self.rule(index, raw["name"], entry) for entry in self.list_of(raw, "rules"))
        tallies = tuple(self.tally(index, raw["name"], entry) for entry in self.list_of(raw, "tallies"))
        self.where = f"layer {raw['name']}"
        compiled = CompiledLayer(raw["name"], tuple((rule.id, rule.when) for rule in rules if rule.enabled))
        if excess := _excess(compiled):
            raise self.fail(f"{excess}: split the layer")
        self.where = ""
        return Layer(raw["name"], rules, tallies, compiled)

    # A rule ---------------------------------------------------------------------------------------------------

    def rule(self, index: int, layer: str, raw: Any) -> Rule:
        self.where = f"rule {raw['id']}"
        self.used, self.drawn = {}, {}
        is_card = bool(_CARD_ID.fullmatch(raw["id"]))
        required = ("id", "why", "when") + (
            ("title", "statements", "sources", "hooks", "card") if is_card else ("then",)
        )
        optional = ("if", "unless", "absence_needs", "concludes_absence_for") + (
            ("incomplete_card",) if is_card else ("title", "statements", "sources", "about")
        )
        if is_card and "then" in raw:
            raise self.fail("a card rule's conclusion is its finding: leave out 'then'")
        if not is_card and ("card" in raw or "hooks" in raw):
            raise self.fail("a step makes no card: 'card' and 'hooks' belong to a rule with an id like DTT-01")
        entries = self.entries(raw, required=required, optional=optional)
        enabled = self.condition(entries)
        when = tuple(
            self.pattern(entry, f"when[{at}]", index) for at, entry in enumerate(self.list_of(entries, "when"))
        )
        if not 0 < len(when) <= MAX_CONDITIONS:
            raise self.fail(f"'when' holds 1 to {MAX_CONDITIONS} conditions, not {len(when)}")
        unless = tuple(
            self.pattern(entry, f"unless[{at}]", index, negative=True)
            for at, entry in enumerate(self.list_of(entries, "unless"))
        )
        self.where = f"rule {raw['id']}"
        card = self.card(entries) if is_card else None
        about = card.about if card else self.about(entries.get("about"))
        for_rule = self.text(entries, "concludes_absence_for") if "concludes_absence_for" in entries else None
        if for_rule is not None and (for_rule not in self.ids or not _CARD_ID.fullmatch(for_rule)):
            raise self.fail(f"concludes_absence_for: no card rule {for_rule!r}{meant(for_rule, self.ids)}")
        if for_rule is not None and not entries.get("absence_needs"):
            raise self.fail("concludes_absence_for says nothing without absence_needs")
        return Rule(
            id=raw["id"],
            layer=layer,
            title=self.text(entries, "title") if "title" in entries else "",
            why=self.text(entries, "why"),
            statements=self.choices(entries, "statements", STATEMENTS),
            sources=self.choices(entries, "sources", self.sources),
            hooks=self.choices(entries, "hooks", self.hooks),
            when=when,
            unless=unless,
            absence_needs=self.choices(entries, "absence_needs", self.kinds),
            concludes_absence_for=for_rule,
            then=self.finding(raw["id"], about) if is_card else self.conclusion(entries["then"]),
            about=about,
            card=card,
            incomplete_card=self.text(entries, "incomplete_card") if "incomplete_card" in entries else "",
            parameters=tuple(self.used),
            enabled=enabled,
        )

    def condition(self, entries: Mapping[str, Any]) -> bool:
        if "if" not in entries:
            return True
        text = str(entries["if"])
        negated, _, reference = text.rpartition(" ")
        if negated not in ("", "not") or not reference.startswith("$") or "." in reference:
            raise self.fail(f"if: {text!r} is neither '$parameter' nor 'not $parameter'")
        value = self.parameter(reference)
        if not isinstance(value, bool):
            raise self.fail(f"if: parameter {reference[1:]!r} is not true or false")
        return value != (negated == "not")

    def card(self, entries: Mapping[str, Any]) -> Card:
        self.where += ": card"
        raw = self.entries(entries["card"], required=("indicator",), optional=("about", "shows", "safety"))
        indicator = raw["indicator"]
        if isinstance(indicator, str) and indicator.startswith("$"):
            indicator = self.text_field("indicator", indicator)
            said = self.values_of(indicator)
            if said is None or not said <= set(INDICATORS):
                raise self.fail(f"indicator: {raw['indicator']} is not always one of {', '.join(INDICATORS)}")
        elif indicator not in INDICATORS:
            raise self.fail(f"no indicator {indicator!r}{meant(indicator, INDICATORS)}")
        card = Card(indicator, self.about(raw.get("about")), self.shows(raw.get("shows")), self.flag(raw, "safety"))
        self.where = self.where.removesuffix(": card")
        return card

    def about(self, value: object) -> FieldOf | None:
        return None if value is None else self.text_field("about", value)

    def shows(self, raw: object) -> dict[str, str]:
        """Names of what a card tells of, each with the alias of a condition."""
        if raw is None:
            return {}
        if not isinstance(raw, dict) or not raw:
            raise self.fail("shows: expected {name: alias}")
        for name, alias in raw.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise self.fail(f"shows: {name!r} is no name: lower-case letters, digits and _")
            if not isinstance(alias, str) or alias not in self.drawn:
                raise self.fail(f"shows: {name}: unknown alias {alias!r}{meant(alias, self.drawn)}")
        return raw

    def text_field(self, what: str, value: object) -> FieldOf:
        target = self.field_of(str(value))
        if self.types[self.drawn[target.alias]][target.field] is not str:
            raise self.fail(f"{what}: {value} is not text")
        return target

    def finding(self, rule_id: str, about: FieldOf | None) -> Conclusion:
        return Conclusion(FINDING, {"rule": rule_id} | ({"order": about} if about else {}))

    def conclusion(self, raw: object) -> Conclusion:
        self.where += ": then"
        if not isinstance(raw, dict):
            raise self.fail("expected {fact: ..., field: value}")
        schema = self.types.setdefault(raw["fact"], {})
        fields: dict[str, Value | FieldOf] = {}
        for name, value in raw.items():
            if name == "fact":
                continue
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise self.fail(f"{name!r} is no field name: lower-case letters, digits and _")
            fields[name] = self.term(name, value)
            kind = self.kind_of(fields[name])
            self.learn(raw["fact"], name, fields[name])
            if schema.setdefault(name, kind) is not kind:
                raise self.fail(f"{name} is {_KIND_NAMES[kind]} here and {_KIND_NAMES[schema[name]]} in another rule")
        self.where = self.where.removesuffix(": then")
        return Conclusion(raw["fact"], fields)

    def learn(self, fact: str, name: str, term: Value | FieldOf) -> None:
        """Add what a rule gives a field to the values that the field can have."""
        given = frozenset({term}) if not isinstance(term, FieldOf) else self.values_of(term)
        before = self.known.get((fact, name), frozenset())
        self.known[fact, name] = None if given is None or before is None else before | given

    def values_of(self, term: FieldOf) -> frozenset[Value] | None:
        return self.known.get((self.drawn[term.alias], term.field))

    def term(self, name: str, value: object) -> Value | FieldOf:
        if isinstance(value, str) and value.startswith("$"):
            if "." in value:
                return self.field_of(value)
            value = self.parameter(value)
        if not isinstance(value, str | int | float | bool) or value == "":
            raise self.fail(f"{name}: expected text, a number, true or false, $alias.field or $parameter")
        return self.exact(name, value)

    def kind_of(self, term: Value | FieldOf) -> type:
        if isinstance(term, FieldOf):
            return self.types[self.drawn[term.alias]][term.field]
        return _kind(term)

    def field_of(self, text: str) -> FieldOf:
        if not text.startswith("$") or text.count(".") != 1:
            raise self.fail(f"{text!r} is not '$alias.field'")
        alias, name = text[1:].split(".")
        if alias not in self.drawn:
            raise self.fail(
                f"unknown alias {alias!r}{meant(alias, self.drawn)} (an alias is known after its condition)"
            )
        schema = self.types[self.drawn[alias]]
        if name not in schema:
            raise self.fail(f"{self.drawn[alias]!r} has no field {name!r}{meant(name, schema)}")
        return FieldOf(alias, name)

    def parameter(self, reference: str) -> RuleParameter:
        name = reference.removeprefix("$")
        if name not in self.parameters:
            raise self.fail(f"unknown parameter {name!r}{meant(name, self.parameters)}")
        self.used[name] = None
        return self.parameters[name]

    # A condition ----------------------------------------------------------------------------------------------

    def pattern(self, raw: Any, where: str, layer: int, *, negative: bool = False) -> Pattern:
        outer, self.where = self.where, f"{self.where}: {where}"
        if not isinstance(raw, dict) or not isinstance(raw.get("fact"), str):
            raise self.fail("expected {fact: <type>, ...}")
        kind = raw["fact"]
        if kind not in self.types and kind not in self.made:
            raise self.fail(f"unknown fact type {kind!r}{meant(kind, {*self.types, *self.made})}")
        if kind not in self.measured and kind not in DISCRIMINATOR and self.made[kind][""] >= layer:
            raise self.fail(f"{kind!r} is concluded in this layer or a later one; a rule reads earlier layers only")
        if negative and "as" in raw:
            raise self.fail("an 'unless' takes no fact, so it has no alias")
        alias = "" if negative else self.alias(raw.get("as"), kind)
        tests: list[Comparison] = []
        joins: list[Join] = []
        one_of: list[tuple[str, frozenset[Value]]] = []
        for name, value in raw.items():
            if name in ("fact", "as"):
                continue
            if name not in self.types[kind]:
                raise self.fail(f"{kind!r} has no field {name!r}{meant(name, self.types[kind])}")
            part = self.test(kind, name, value, negative=negative)
            self.known_value(kind, name, part)
            if isinstance(part, Comparison):
                tests.append(part)
            elif isinstance(part, Join):
                joins.append(part)
            else:
                one_of.append((name, part))
        if len(tests) + len(joins) + len(one_of) > MAX_TESTS:
            raise self.fail(f"more than {MAX_TESTS} tests")
        if not negative:
            self.drawn[alias] = kind
        pattern = Pattern(kind, alias, tuple(tests), tuple(joins), tuple(one_of))
        self.earlier(pattern, layer)
        self.where = outer
        return pattern

    def known_value(self, kind: str, name: str, part: Comparison | Join | frozenset[Value]) -> None:
        """Refuse a text that the field never has: no fact could pass, or with ``!=`` every one would."""
        known = self.known.get((kind, name))
        if known is None or isinstance(part, Join) or self.types[kind][name] is not str:
            return
        asked = part if isinstance(part, frozenset) else {part.value} if part.op in ("=", "!=") else ()
        for value in sorted(map(str, asked)):
            if value not in known:
                raise self.fail(f"{name}: {kind!r} never has {value!r}{meant(value, list(map(str, known)))}")

    def earlier(self, pattern: Pattern, layer: int) -> None:
        """Findings, tallies and unjudged rules are layered one by one: check those this pattern asks for."""
        if pattern.fact not in DISCRIMINATOR:
            return
        made = self.made.get(pattern.fact, {})
        wanted = discriminated(pattern)
        if wanted is None and pattern.fact == TALLY:
            raise self.fail("a tally is read by its name: {fact: tally, name: ...}")
        for which in sorted(map(str, made if wanted is None else wanted)):
            if which not in made:
                raise self.fail(f"nothing concludes {pattern.fact} {which!r}{meant(which, made)}")
            if made[which] >= layer:
                raise self.fail(f"{pattern.fact} {which!r} is concluded in this layer or a later one")

    def alias(self, given: object, kind: str) -> str:
        if given is not None:
            if not isinstance(given, str) or not _NAME.fullmatch(given):
                raise self.fail(f"as: {given!r} is no alias: lower-case letters, digits and _")
            if given in self.drawn:
                raise self.fail(f"alias {given!r} stands twice")
            return given
        number = 1 + sum(other == kind for other in self.drawn.values())
        alias = kind if number == 1 else f"{kind}_{number}"
        if alias in self.drawn:
            raise self.fail(f"give this condition an alias ('as'): {alias!r} is taken")
        return alias

    def test(self, kind: str, name: str, value: object, *, negative: bool) -> Comparison | Join | frozenset[Value]:
        wanted = self.types[kind][name]
        if isinstance(value, list):
            return self.values(name, wanted, value)
        if not isinstance(value, str):
            return Comparison(name, "=", self.literal(name, wanted, value))
        if value == "present":
            return Comparison(name, "present")
        if value == "absent":
            if not negative:
                raise self.fail(f"{name}: absent stands only in 'unless'; conclude what is known and say 'unless' that")
            return Comparison(name, "absent")
        operation = _OPERATION.fullmatch(value)
        op, operand = (operation[1], operation[2].strip()) if operation else ("=", value)
        if op not in ("=", "!=") and wanted is not float:
            raise self.fail(f"{name} is {_KIND_NAMES[wanted]}: it can be equal or not ('!='), not {op}")
        if operand.startswith("$") and "." in operand:
            return self.join(kind, name, op, operand)
        if not operand.startswith("$"):
            return Comparison(name, op, self.literal(name, wanted, operand, quoted=operation is not None))
        resolved = self.parameter(operand)
        if not isinstance(resolved, str | int | float | bool):
            if op != "=":
                raise self.fail(f"{name}: parameter {operand[1:]!r} is a list: it can only be one of")
            return self.values(name, wanted, list(resolved))
        return Comparison(name, op, self.literal(name, wanted, resolved), operand[1:])

    def values(self, name: str, wanted: type, raw: list[Any]) -> frozenset[Value]:
        values = [self.parameter(item) if isinstance(item, str) and item.startswith("$") else item for item in raw]
        found = frozenset(self.literal(name, wanted, value) for value in values)
        if not found or len(found) < len(values):
            raise self.fail(f"{name}: a list of values holds at least one, and each once")
        return found

    def join(self, kind: str, name: str, op: str, operand: str) -> Join:
        target = self.field_of(operand)
        other = self.types[self.drawn[target.alias]][target.field]
        if self.types[kind][name] is not str or other is not str:
            raise self.fail(f"{name}: only text fields join, and {operand} or {kind}.{name} is not text")
        return Join(name, target.alias, target.field, op)

    def literal(self, name: str, wanted: type, value: object, *, quoted: bool = False) -> Value:
        """The literal as the field's kind. ``quoted``: it stood behind an operator, so a number is text here."""
        if quoted and wanted is float:
            try:
                value = float(str(value))
            except ValueError:
                raise self.fail(f"{name} is a number, {value!r} is not") from None
        if quoted and wanted is bool and value in ("true", "false"):
            value = value == "true"
        if not isinstance(value, str | int | float | bool) or value == "" or _kind(value) is not wanted:
            hint = "; a word like yes or no is quoted" if isinstance(value, bool) else ""
            raise self.fail(f"{name} is {_KIND_NAMES[wanted]}, {value!r} is not{hint}")
        return self.exact(name, value)

    def exact(self, name: str, value: Value) -> Value:
        """A number that is compared exactly, whole ones as integers; anything else as it is."""
        if isinstance(value, str | bool):
            return value
        if not -1e15 < value < 1e15:
            raise self.fail(f"{name}: {value!r} is beyond what is compared exactly")
        return int(value) if value == int(value) else value

    def tally(self, index: int, layer: str, raw: Any) -> Tally:
        self.where, self.drawn = f"layer {layer}: tallies", {}
        entries = self.entries(raw, required=("name", "distinct", "of"))
        name = self.text(entries, "name")
        self.where = f"tally {name}"
        distinct = self.text(entries, "distinct")
        of = self.pattern(entries["of"], "of", index + 1, negative=True)
        if of.joins:
            raise self.fail("a tally's facts are tested one by one, not joined")
        if distinct not in self.types[of.fact]:
            raise self.fail(f"{of.fact!r} has no field {distinct!r}{meant(distinct, self.types[of.fact])}")
        return Tally(name, distinct, of)

    # YAML shapes ----------------------------------------------------------------------------------------------

    def entries(self, raw: object, *, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self.fail(f"expected a mapping with {', '.join(required)}")
        for key in raw:
            if key not in required and key not in optional:
                raise self.fail(f"unknown entry {key!r}{meant(key, (*required, *optional))}")
        for key in required:
            if key not in raw or raw[key] is None:
                raise self.fail(f"{key!r} is missing")
        return raw

    def list_of(self, raw: Mapping[str, Any], key: str) -> list[Any]:
        value = raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(f"{key!r} is a list")
        return value

    def text(self, raw: Mapping[str, Any], key: str) -> str:
        value = raw[key]
        if not isinstance(value, str) or not value.strip():
            raise self.fail(f"{key!r} is text (quote it)")
        return " ".join(value.split())

    def texts(self, raw: Mapping[str, Any], key: str) -> list[str]:
        values = self.list_of(raw, key)
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise self.fail(f"{key!r} is a list of texts")
        return [" ".join(value.split()) for value in values]

    def flag(self, raw: Mapping[str, Any], key: str) -> bool:
        value = raw.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(f"{key!r} is true or false")
        return value

    def choices(self, raw: Mapping[str, Any], key: str, known: Collection[str]) -> tuple[str, ...]:
        values = self.list_of(raw, key)
        for value in values:
            if not isinstance(value, str) or value not in known:
                raise self.fail(f"{key}: no {value!r}{meant(value, known)}")
        if len(set(values)) < len(values) or (key in raw and not values):
            raise self.fail(f"{key!r} holds at least one, and each once")
        return tuple(values)


def _plain(kind: type) -> type:
    """Whole and other numbers are one kind."""
    return float if kind is int else kind
