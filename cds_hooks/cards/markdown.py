"""Text for people: Markdown that no chart can break out of, and summaries that fit.

Every expression of a card template passes :func:`written`, so no template can forget to escape. What the guideline
says is trusted and marked so (:data:`Trusted`); every other text came from a chart and loses whatever could act as
Markdown, HTML or a link (CARD-06, CARD-07).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, nodes
from jinja2.compiler import CodeGenerator, Frame, MacroRef
from jinja2.meta import find_undeclared_variables

from prodrome.rules import When


class Trusted(str):
    """Text of the guideline, or already escaped: written as it is. What is made of it is a plain text again."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


MAX_CHART_TEXT = 120
"""Characters of one chart text that a card repeats."""

MAX_SUMMARY = 139
"""A summary has fewer than 140 characters (CARD-02), counted as UTF-16 units: the longer count (CARD-03)."""

_ALTERED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"))
_UNPRINTABLE = _ALTERED - {"Zl", "Zp", "Zs"}
_PLAIN = re.compile(rf"[A-Za-z0-9 ,;:%']{{,{MAX_CHART_TEXT}}}")
_ACTIVE = re.compile(r"[\\`*_{}\[\]()#|~!$^]|^[-+=]+|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
_ADDRESS = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})|(?i:(?<=www)\.)|@|/(?=/)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

_NUMBERS = (int, float)  # a union made anew for each value that is written costs more than the rest

# Control characters mark a list inside a summary until it is fitted. Chart texts cannot hold them.
_EDGE, _BETWEEN = "\x01", "\x02"


def one_line(text: str) -> str:
    """One line of visible characters: no controls, no invisible or direction-changing ones, single spaces."""
    if not text.isascii() or not text.isprintable():
        kept = []
        for character in text:
            category = unicodedata.category(character)
            if character.isspace():
                kept.append(" ")
            elif category not in _UNPRINTABLE:
                kept.append(character)
        text = "".join(kept)
    return " ".join(text.split())


def escaped(text: str) -> Trusted:
    """A chart's text as Markdown that shows it and does nothing else; cut at ``MAX_CHART_TEXT`` characters.

    Addresses are broken by a space, because viewers make links of bare ones whatever is escaped around them.
    """
    text = one_line(text)
    if _PLAIN.fullmatch(text):
        return Trusted(text)
    if len(text) > MAX_CHART_TEXT:
        text = text[: MAX_CHART_TEXT - 1].rstrip() + "…"
    text = _ADDRESS.sub(r"\g<0> ", text)
    text = _ACTIVE.sub(lambda match: "".join(f"\\{c}" for c in match.group()), text)
    return Trusted(re.sub("[&<>]", lambda match: _ENTITIES[match.group()], text))


def written(value: object) -> Trusted:
    """How a template writes a value: trusted text as it is, numbers plainly, any other text escaped."""
    if type(value) is Trusted:
        return value
    if isinstance(value, bool):
        return Trusted("yes" if value else "no")
    if isinstance(value, _NUMBERS):
        return Trusted(f"{value:.10g}")
    if isinstance(value, date | When):
        return Trusted(value)
    if isinstance(value, str):
        return escaped(value)
    raise TypeError(f"a card cannot show a {type(value).__name__}")


def joined(values: Iterable[object], last: str = "and") -> Trusted:
    """``a, b and c``."""
    texts = [written(value) for value in values]
    if len(texts) < 2:
        return texts[0] if texts else Trusted()
    return Trusted(f"{', '.join(texts[:-1])} {last} {texts[-1]}")


def separated(values: Iterable[object], by: str) -> Trusted:
    """``a; b; c``."""
    return Trusted(by.join([written(value) for value in values]))


def listed(values: Iterable[object]) -> Trusted:
    """``a, b, c`` in a summary: a list that :func:`fitted` may shorten from its end."""
    return Trusted(_EDGE + _BETWEEN.join([written(value) for value in values]) + _EDGE)


def _each(values: Iterable[object], attribute: str) -> list[object]:
    """An attribute of each value: the filter of jinja looks for it in several ways."""
    return [getattr(value, attribute) for value in values]


def fitted(summary: str) -> str:
    """A summary within ``MAX_SUMMARY``: its longest list loses items, then the text its end, at a word.

    What stands first is kept: templates begin with the drug.
    """
    summary = " ".join(summary.split())
    if _EDGE not in summary and not _too_long(summary):
        return summary
    parts = summary.split(_EDGE)  # text, list, text, list...
    lists = [items.split(_BETWEEN) for items in parts[1::2]]
    kept = [len(items) for items in lists]
    parts[1::2] = shown = list(map(_text, lists, kept))
    while _too_long(text := "".join(parts)) and max(kept, default=0) > 1:
        longest = 0
        if len(lists) > 1:
            longest = max(range(len(lists)), key=lambda number: (kept[number] > 1, len(shown[number])))
        kept[longest] -= 1
        parts[2 * longest + 1] = shown[longest] = _text(lists[longest], kept[longest])
    if _too_long(text):
        while _too_long(text + "…"):
            shorter = text.rpartition(" ")[0].rstrip(" ,;:(")
            text = shorter or text[:-1]
        text += "…"
    return text


def _text(items: list[str], kept: int) -> str:
    left_out = len(items) - kept
    return ", ".join(items[:kept]) + (f" and {left_out} more" if left_out else "")


def _too_long(text: str) -> bool:
    return len(text) > MAX_SUMMARY or (not text.isascii() and len(text.encode("utf-16-le")) > 2 * MAX_SUMMARY)


LONGEST_DETAIL = 8000
"""Characters of a card's detail."""


def tidy(detail: str) -> str:
    """Markdown without the blank lines that loops leave: one between blocks, none between the items of a list."""
    lines: list[str] = []
    in_list = gap = False
    for line in map(str.rstrip, detail.splitlines()):
        if not line:
            gap = True
            continue
        item = line.lstrip().startswith("- ")
        if gap and lines and not (in_list and item):
            lines.append("")
        lines.append(line)
        in_list, gap = item, False
    text = "\n".join(lines)
    return text if len(text) < LONGEST_DETAIL else _cut(lines)


def _cut(lines: list[str]) -> str:
    """The first lines of a detail, and how many more there were."""
    kept = sum(so_far <= LONGEST_DETAIL for so_far in accumulate(len(line) + 1 for line in lines))
    return "\n".join([*lines[:kept], "", f"{len(lines) - kept} more lines are left out."])


class _Writer(CodeGenerator):
    """Compiles templates so that every expression is written by :func:`written`, and by nothing else.

    Templates name attributes, and call methods and macros with arguments in their order, nothing else: the check of
    all templates at start holds them to it. So both are written as Python has them, and a macro becomes a function
    that returns trusted text.
    """

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write("environment.finalize(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write(")")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        self.visit(node.node, frame)
        self.write(f".{node.attr}")

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        if node.kwargs or node.dyn_args or node.dyn_kwargs or forward_caller:
            self.fail("a card's template calls with arguments in their order", node.lineno)
        self.visit(node.node, frame)
        self.write("(")
        for argument in node.args:
            self.visit(argument, frame)
            self.write(", ")
        self.write(")")

    def macro_def(self, macro_ref: MacroRef, frame: Frame) -> None:
        self.write("macro")

    def return_buffer_contents(self, frame: Frame, force_unescaped: bool = False) -> None:
        self.writeline(f"return environment.trusted(concat({frame.buffer}))")


class _Environment(Environment):
    code_generator_class = _Writer
    trusted = Trusted

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._parsed: dict[str, nodes.Template] = {}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """A template is parsed once: to be checked, and then to be compiled."""
        parsed = self._parsed.pop(source, None)
        if parsed is None:
            parsed = self._parsed[source] = super()._parse(source, name, filename)
        return parsed


def environment(folder: Path) -> Environment:
    """The templates of a folder, compiled once and kept; a name that does not exist is an error."""
    found = _Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        finalize=written,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= {"joined": joined, "listed": listed, "separated": separated, "map": _each}
    return found


class CardTemplate:
    """A template as a function of what it names: jinja would make a context and a generator for each card."""

    def __init__(self, environment: Environment, name: str) -> None:
        assert environment.loader is not None
        source, filename, _ = environment.loader.get_source(environment, name)
        parsed = environment.parse(source, name, filename)
        self._names = sorted(find_undeclared_variables(parsed))
        macro = nodes.Macro("card", [nodes.Name(one, "param") for one in self._names], [], parsed.body, lineno=1)
        wrapped = nodes.Template([macro], lineno=1)
        wrapped.set_environment(environment)
        code = environment.compile(wrapped, name, filename)
        self._template = Template.from_code(environment, code, environment.make_globals(None))
        self._function: Callable[..., Trusted] = self._template.module.card  # type: ignore[attr-defined]

    def rendered(self, names: Mapping[str, Any]) -> str:
        """The text, where the template may name these and nothing else."""
        try:
            return self._function(*[names[name] for name in self._names])
        except Exception:
            self._template.environment.handle_exception()  # the same exception, from a line of the template
