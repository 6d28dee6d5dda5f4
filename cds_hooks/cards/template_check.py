"""Whether every name of a template exists, in every branch: attributes, macros, filters, parameters, compared values.

A template is read as a small typed program. The types are those of the classes behind its names (annotations of
dataclasses, properties and methods), macros are followed with what they are called with, and whatever the types do not
have is a :class:`CardsError` with template and line. So a misspelt name is found at start, not in a patient's card.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from inspect import isfunction, signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jinja2 import Environment, TemplateSyntaxError, nodes

from prodrome.cds_hooks.cards.markdown import Trusted
from prodrome.rules import ConfigurationError, When
from prodrome.rules.engine import meant

Type = Any
"""A Python type, a union or tuple of types, or a :class:`Macros`."""


class CardsError(ConfigurationError):
    """cards.yaml or a template cannot be used: says where, what was expected and what came."""


class Loop:
    """What a template may ask of ``loop``."""

    index: int
    index0: int
    first: bool
    last: bool


@dataclass(frozen=True)
class Macros:
    """The macros of a template, by name."""

    template: str
    named: Mapping[str, nodes.Macro]


def macros_in(environment: Environment, template: str) -> Macros:
    """The macros that a template of the folder defines. Raises :class:`CardsError`."""
    return _macros(_parsed(environment, template), template)


def _macros(parsed: nodes.Template, template: str) -> Macros:
    return Macros(template, {macro.name: macro for macro in parsed.find_all(nodes.Macro)})


def check_templates(
    environment: Environment,
    templates: Mapping[str, Mapping[str, Type]],
    shared: Mapping[str, Macros],
    words: Mapping[Type, Collection[str]],
) -> None:
    """Check all templates together. Raises :class:`CardsError`.

    *templates* says what each may name, with the types; *shared* are macros that all may call, by the name they go by;
    *words* are the texts that an argument of a ``NewType`` can be (the names of parameters). A macro that nobody calls
    cannot be checked, and is an error.
    """
    called: dict[tuple[str, str], set[str]] = {}
    for template, names in templates.items():
        parsed = _parsed(environment, template)
        own = _macros(parsed, template)
        _Check(own, {**names, **shared}, words, environment, called).body(parsed.body)
        _refuse_unused(own, called)
    for macros in shared.values():
        _refuse_unused(macros, called)


def _refuse_unused(macros: Macros, called: Mapping[tuple[str, str], object]) -> None:
    for name, macro in macros.named.items():
        if (macros.template, name) not in called:
            raise CardsError(f"templates/cards/{macros.template}: line {macro.lineno}: no card uses the macro {name!r}")


def _parsed(environment: Environment, template: str) -> nodes.Template:
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, template)
    try:
        return environment.parse(source)
    except TemplateSyntaxError as error:
        raise CardsError(f"templates/cards/{template}: line {error.lineno}: {error.message}") from None


_WRITABLE = (str, int, float, date, When, NoneType)
_TEXTS = {"joined", "listed", "separated", "capitalize"}
_SAME = {"list", "unique"}
_ITEM = {"min", "max", "first", "last"}
_CHOOSING = {"selectattr", "rejectattr"}


@dataclass
class _Check:
    """One template, or one macro of it, in hand. ``names`` grows and shrinks as the template is walked."""

    own: Macros
    names: dict[str, Type]
    words: Mapping[Type, Collection[str]]
    environment: Environment
    called: dict[tuple[str, str], set[str]]  # template and macro -> the types it was called with

    def fail(self, node: nodes.Node, what: str) -> CardsError:
        return CardsError(f"templates/cards/{self.own.template}: line {node.lineno}: {what}")

    # Statements

    def body(self, statements: Iterable[nodes.Node]) -> None:
        for node in statements:
            self.statement(node)

    def statement(self, node: nodes.Node) -> None:
        match node:
            case nodes.Output():
                for part in node.nodes:
                    self.written(part)
            case nodes.If():
                self.branches(node)
            case nodes.For():
                self.loop(node)
            case nodes.Assign():
                self.assign(node.target, self.expression(node.node))
            case nodes.Macro():
                pass  # checked with what it is called with
            case _:
                raise self.fail(node, f"a card's template has no {type(node).__name__.lower()}")

    def branches(self, node: nodes.If) -> None:
        """Each branch by itself; afterwards there is what every branch has set."""
        self.expression(node.test)
        for other in node.elif_:
            self.expression(other.test)
        before, after = self.names, []
        for branch in (node.body, *(other.body for other in node.elif_), node.else_):
            self.names = dict(before)
            self.body(branch)
            after.append(self.names)
        self.names = {name: of for name, of in after[0].items() if all(name in names for names in after)}

    def loop(self, node: nodes.For) -> None:
        before = dict(self.names)
        self.assign(node.target, self.item(node, self.expression(node.iter)))
        self.names["loop"] = Loop
        if node.test is not None:
            self.expression(node.test)
        self.body(node.body)
        self.names = before
        self.body(node.else_)

    def assign(self, target: nodes.Node, of: Type) -> None:
        if isinstance(target, nodes.Name):
            self.names[target.name] = of
        elif isinstance(target, nodes.Tuple) and _origin(of) is tuple and len(get_args(of)) == len(target.items):
            for part, each in zip(target.items, get_args(of), strict=True):
                self.assign(part, each)
        else:
            raise self.fail(target, f"{_named(of)} does not come apart so")

    def written(self, node: nodes.Expr) -> None:
        if isinstance(node, nodes.TemplateData):
            return
        for part in _parts(self.expression(node)):
            shown = _origin(part) is Literal or (isinstance(part, type) and issubclass(part, _WRITABLE))
            if not shown:
                raise self.fail(node, f"a card cannot show {_named(part)}")

    # Expressions

    def expression(self, node: nodes.Node) -> Type:
        match node:
            case nodes.Const():
                return Literal[node.value] if isinstance(node.value, str) else type(node.value)
            case nodes.Name():
                return self.name(node)
            case nodes.Getattr():
                return self.attribute(node, self.expression(node.node), node.attr)
            case nodes.Getitem():
                return self.entry(node)
            case nodes.Call():
                return self.call(node)
            case nodes.Filter():
                return self.filter(node)
            case nodes.Test():
                self.expression(node.node)
                return bool
            case nodes.Compare():
                return self.compare(node)
            case nodes.Not():
                self.expression(node.node)
                return bool
            case nodes.And() | nodes.Or():
                left, right = self.expression(node.left), self.expression(node.right)
                return left | right if left is not right else left
            case nodes.Add():
                left, right = self.expression(node.left), self.expression(node.right)
                if left != right:
                    raise self.fail(node, f"{_named(left)} and {_named(right)} do not add up")
                return left
            case nodes.CondExpr():
                self.expression(node.test)
                return self.expression(node.expr1)
            case _:
                raise self.fail(node, f"a card's template has no {type(node).__name__.lower()}")

    def name(self, node: nodes.Name) -> Type:
        if node.name not in self.names:
            raise self.fail(node, f"unknown name {node.name!r}{meant(node.name, self.names)}")
        return self.names[node.name]

    def attribute(self, node: nodes.Node, of: Type, name: str) -> Type:
        found: list[Type] = []
        for part in _parts(of):
            if part is not NoneType:
                found.append(self.attribute_of(node, part, name))
        if not found:
            raise self.fail(node, f"nothing has no {name!r}")
        return found[0] if len(found) == 1 else Union[tuple(found)]  # noqa: UP007

    def attribute_of(self, node: nodes.Node, of: Type, name: str) -> Type:
        if not isinstance(of, type):
            raise self.fail(node, f"{_named(of)} has no {name!r}")
        members = _members(of)
        known = [key for key in members if not key.startswith("_")]
        if name not in known:
            raise self.fail(node, f"{_named(of)} has no {name!r}{meant(name, known)}")
        member = members[name]
        if isinstance(member, cached_property):
            return get_type_hints(member.func)["return"]
        if isinstance(member, property):
            return get_type_hints(member.fget)["return"]
        return member  # a type, or a method, which is called at once

    def entry(self, node: nodes.Getitem) -> Type:
        of = self.expression(node.node)
        if self.expression(node.arg) is not int:
            raise self.fail(node, "expected a number in [ ]")
        return self.item(node, of)

    def item(self, node: nodes.Node, of: Type) -> Type:
        args = get_args(of)
        if _origin(of) is not tuple or len(args) != 2 or args[1] is not Ellipsis:
            raise self.fail(node, f"{_named(of)} is no list")
        return args[0]

    def compare(self, node: nodes.Compare) -> Type:
        left = self.expression(node.expr)
        for operand in node.ops:
            self.expression(operand.expr)
            if isinstance(operand.expr, nodes.Const) and operand.op in ("eq", "ne"):
                self.value(node, left, operand.expr.value)
        return bool

    def value(self, node: nodes.Node, of: Type, value: object) -> None:
        """Refuse a text that the type never is."""
        known = [word for part in _parts(of) if _origin(part) is Literal for word in get_args(part)]
        if known and value not in known:
            raise self.fail(node, f"it is never {value!r}{meant(str(value), known)}")

    def call(self, node: nodes.Call) -> Type:
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise self.fail(node, "expected arguments in their order, without names")
        given = [self.expression(argument) for argument in node.args]
        if isinstance(node.node, nodes.Getattr):
            of = self.expression(node.node.node)
            if isinstance(of, Macros):
                return self.macro(node, of, node.node.attr, given)
            return self.method(node, self.attribute(node, of, node.node.attr), given)
        if isinstance(node.node, nodes.Name) and node.node.name not in self.names:
            return self.macro(node, self.own, node.node.name, given)
        raise self.fail(node, "expected a method or a macro to call")

    def macro(self, node: nodes.Node, macros: Macros, name: str, given: Sequence[Type]) -> Type:
        if name not in macros.named:
            raise self.fail(node, f"unknown macro {name!r}{meant(name, macros.named)}")
        macro = macros.named[name]
        if len(macro.args) != len(given):
            raise self.fail(node, f"{name} takes {len(macro.args)} arguments, not {len(given)}")
        types = self.called.setdefault((macros.template, name), set())
        if str(given) not in types:
            types.add(str(given))
            outside = self.names if macros.template == self.own.template else {}
            arguments = {argument.name: of for argument, of in zip(macro.args, given, strict=True)}
            _Check(macros, {**outside, **arguments}, self.words, self.environment, self.called).body(macro.body)
        return Trusted

    def method(self, node: nodes.Call, function: Any, given: Sequence[Type]) -> Type:
        """What a method answers, its arguments checked where only some texts can be meant."""
        if not isfunction(function):
            raise self.fail(node, f"{_named(function)} is not to be called")
        hints = get_type_hints(function)
        wanted = [one for one in signature(function).parameters.values() if one.name != "self"]
        many = bool(wanted) and wanted[-1].kind is wanted[-1].VAR_POSITIONAL
        if len(given) != len(wanted) and not many:
            raise self.fail(node, f"{function.__name__} takes {len(wanted)} arguments, not {len(given)}")
        for place, argument in enumerate(given):
            of = hints[wanted[min(place, len(wanted) - 1)].name]
            known = get_args(of) if _origin(of) is Literal else self.words.get(of, ())
            said = get_args(argument) if _origin(argument) is Literal else (_named(argument),)
            for value in said if known else ():
                if value not in known:
                    raise self.fail(node, f"{function.__name__}: unknown {value!r}{meant(str(value), known)}")
        return hints["return"]

    def filter(self, node: nodes.Filter) -> Type:
        assert node.node is not None
        of = self.expression(node.node)
        for argument in node.args:
            self.expression(argument)
        if node.name in _TEXTS:
            return Trusted
        if node.name == "length":
            return int
        if node.name in _SAME:
            return of
        if node.name in _ITEM:
            return self.item(node, of)
        if node.name in _CHOOSING:
            return self.chosen(node, of)
        if node.name == "map":
            (attribute,) = (one.value for one in node.kwargs if one.key == "attribute")
            return tuple[self.attribute(node, self.item(node, of), self.constant(attribute)), ...]  # type: ignore[misc]
        known = (*_TEXTS, *_SAME, *_ITEM, *_CHOOSING, "length", "map")
        raise self.fail(node, f"no filter {node.name!r}{meant(node.name, known)}")

    def chosen(self, node: nodes.Filter, of: Type) -> Type:
        found = self.attribute(node, self.item(node, of), self.constant(node.args[0]))
        if len(node.args) > 1 and self.constant(node.args[1]) not in self.environment.tests:
            raise self.fail(node, f"unknown test {self.constant(node.args[1])!r}")
        if len(node.args) > 2:
            self.value(node, found, self.constant(node.args[2]))
        return of

    def constant(self, node: nodes.Node) -> Any:
        if not isinstance(node, nodes.Const):
            raise self.fail(node, "expected a text in quotes")
        return node.value


@cache
def _members(of: type) -> Mapping[str, Any]:
    """What a class has, by name: methods and properties, and the types of its fields."""
    members = {name: value for base in reversed(of.__mro__[:-1]) for name, value in vars(base).items()}
    return {**members, **get_type_hints(of)}


def _origin(of: Type) -> Any:
    return get_origin(of)


def _parts(of: Type) -> tuple[Type, ...]:
    return get_args(of) if _origin(of) in (Union, UnionType) else (of,)


def _named(of: Type) -> str:
    if isinstance(of, Macros):
        return of.template
    return getattr(of, "__name__", None) or str(of)
