"""Where in a JSON text a value stands: its line and column, for paths as faults name them (``$.context.userId``)."""

import json
import re
from dataclasses import dataclass, field

_STEP = re.compile(r"\.([A-Za-z_$][\w$-]*)|\[(?:(?:key|member) )?(\d+)\]")
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")


@dataclass(slots=True)
class _Node:
    """A value: where it begins, and its members or items in their order."""

    start: int
    members: list[tuple[str, "_Node"]] = field(default_factory=list)
    items: list["_Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class Places:
    """The places in one text. *text* is JSON that was read without a fault."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root, _ = _read(text, _blank(text, 0))

    def of(self, path: str) -> Place:
        """Where a path leads: to the value itself, or to the innermost part of the way that is there."""
        node = self._root
        for name, number in _STEP.findall(path):
            following = _following(node, name, int(number) if number else None)
            if following is None:
                break
            node = following
        before = self._text[: node.start]
        return Place(before.count("\n") + 1, node.start - (before.rfind("\n") + 1) + 1)


def _following(node: _Node, name: str, number: int | None) -> _Node | None:
    if name:
        return next((inner for each, inner in reversed(node.members) if each == name), None)
    if number is None:
        return None
    if node.items:
        return node.items[number] if number < len(node.items) else None
    if 0 < number <= len(node.members):
        return node.members[number - 1][1]
    return None


def _read(text: str, at: int) -> tuple[_Node, int]:
    """The value that begins at *at*, and where it ends. The depth is bounded by who read the text before."""
    node = _Node(at)
    opening = text[at : at + 1]
    if opening in ("{", "["):
        at = _blank(text, at + 1)
        while text[at] not in "}]":
            name = ""
            if opening == "{":
                match = _STRING.match(text, at)
                assert match
                name = json.loads(match[0])
                at = _blank(text, _blank(text, match.end()) + 1)  # over the colon
            inner, at = _read(text, at)
            if opening == "{":
                node.members.append((name, inner))
            else:
                node.items.append(inner)
            at = _blank(text, at)
            if text[at] == ",":
                at = _blank(text, at + 1)
        return node, at + 1
    match = _STRING.match(text, at) or _SCALAR.match(text, at)
    assert match
    return node, match.end()


def _blank(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match
    return match.end()
