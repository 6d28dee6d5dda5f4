"""Strict reading of YAML: a key stands once, and every field is named, typed and accounted for.

An error names the file, the entry, what was expected, what came, and what was probably meant. It is of the class that
the file's reader gives.
"""

import functools
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml

from prodrome.rules.errors import ProdromeError

D = TypeVar("D")
S = TypeVar("S", bound=str)

_MISSING: Any = object()

MOST_NAMED = 30
"""Choices that an error names."""
MOST_LEVELS = 50
"""Lists and fields inside one another in a text that somebody typed: far beyond, the library ends the process."""
MOST_VALUES = 200_000
"""Values of a file, those of a part that is repeated by its name (``*name``) counted wherever it stands."""


class YamlEntry:
    """One mapping of a file, read field by field. Fields that nobody asked for are an error at :meth:`done`.

    ``error`` is the class of what is raised. ``values`` are the parameters in force: a field written ``$name`` has
    that parameter's value.
    """

    def __init__(
        self,
        where: str,
        data: object,
        error: type[ProdromeError],
        values: Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(data, dict):
            raise error(f"{where}: expected fields, found {excerpt(data)}")
        self.where = where
        self.error = error
        self.data: Mapping[Any, Any] = data
        self.values = values or {}
        self._asked: set[str] = set()

    def get(self, key: str, default: Any = _MISSING) -> Any:
        """The field as it stands. Without a default, its absence is an error."""
        self._asked.add(key)
        if key not in self.data:
            if default is _MISSING:
                raise self.error(f"{self.where}: {key} is missing{meant(key, map(str, self.data))}")
            return default
        value = self.data[key]
        if isinstance(value, str) and value.startswith("$"):
            self.known(key, value[1:], self.values)
            return self.values[value[1:]]
        return value

    def wrong(self, key: str, expected: str) -> ProdromeError:
        """The error to raise for a field that is not what it should be."""
        return self.error(f"{self.where}: {key} should be {expected}, found {excerpt(self.data.get(key))}")

    def known(self, key: str, value: str, known: Collection[str]) -> None:
        """Raises unless ``value`` is one of ``known``."""
        if value not in known:
            raise self.error(f"{self.where}: {key} names {value!r}, which is unknown{meant(value, known)}")

    def all_known(self, key: str, values: Iterable[str], known: Collection[str]) -> None:
        """Raises unless every one of ``values`` is one of ``known``."""
        for value in values:
            self.known(key, value, known)

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, default: D) -> str | D: ...
    def text(self, key: str, default: Any = _MISSING) -> Any:
        """A text that is not blank."""
        value = self.get(key, default)
        if value is not default and (not isinstance(value, str) or not value.strip()):
            raise self.wrong(key, "text")
        return value

    @overload
    def one_of(self, key: str, known: Collection[S]) -> S: ...
    @overload
    def one_of(self, key: str, known: Collection[S], default: D) -> S | D: ...
    def one_of(self, key: str, known: Collection[str], default: Any = _MISSING) -> Any:
        """A text of ``known``."""
        value = self.text(key, default)
        if value is not default:
            self.known(key, value, known)
        return value

    @overload
    def number(self, key: str) -> float: ...
    @overload
    def number(self, key: str, default: D) -> float | D: ...
    def number(self, key: str, default: Any = _MISSING) -> Any:
        """A number, 0 or more."""
        value = self.get(key, default)
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
        if value is not default and not number:
            raise self.wrong(key, "a number, 0 or more")
        return value

    @overload
    def integer(self, key: str) -> int: ...
    @overload
    def integer(self, key: str, default: D) -> int | D: ...
    def integer(self, key: str, default: Any = _MISSING) -> Any:
        """A whole number, 0 or more."""
        value = self.number(key, default)
        if value is not default and not isinstance(value, int):
            raise self.wrong(key, "a whole number")
        return value

    @overload
    def flag(self, key: str) -> bool: ...
    @overload
    def flag(self, key: str, default: D) -> bool | D: ...
    def flag(self, key: str, default: Any = _MISSING) -> Any:
        """True or false."""
        value = self.get(key, default)
        if value is not default and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def texts(self, key: str, default: Any = _MISSING, known: Collection[str] | None = None) -> tuple[str, ...]:
        """A list of texts without repetitions, all of ``known`` where that is given."""
        value = self.get(key, default)
        if value is not default:
            if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
                raise self.wrong(key, "a list of texts")
            if len(set(value)) != len(value):
                raise self.wrong(key, "a list without repetitions")
        if known is not None:
            self.all_known(key, value, known)
        return tuple(value)

    def text_map(self, key: str, default: Any = _MISSING) -> dict[str, str]:
        """Names with texts."""
        value = self.get(key, default)
        if value is not default and (
            not isinstance(value, dict)
            or not all(isinstance(name, str) and isinstance(text, str) and text for name, text in value.items())
        ):
            raise self.wrong(key, "names with texts")
        return dict(value)

    @overload
    def entry(self, key: str) -> "YamlEntry": ...
    @overload
    def entry(self, key: str, default: D) -> "YamlEntry | D": ...
    def entry(self, key: str, default: Any = _MISSING) -> Any:
        """The fields below ``key``."""
        value = self.get(key, default)
        return default if value is default else self._below(f", {key}", value)

    def entries(self, key: str, default: Any = _MISSING) -> list["YamlEntry"]:
        """A list of entries below ``key``."""
        value = self.get(key, default)
        if value is not default and not isinstance(value, list):
            raise self.wrong(key, "a list")
        return [self._below(f", {key} {number}", item) for number, item in enumerate(value, 1)]

    def named(self, key: str) -> dict[str, "YamlEntry"]:
        """Entries by their id below ``key``."""
        value = self.get(key)
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong(key, "ids with their fields")
        return {name: self._below(f": {name}", fields) for name, fields in value.items()}

    def _below(self, name: str, data: object) -> "YamlEntry":
        return YamlEntry(self.where + name, data, self.error, self.values)

    def done(self) -> None:
        """Raises if a field was not asked for."""
        for key in self.data:
            if key not in self._asked:
                raise self.error(f"{self.where}: unknown field {key!r}{meant(str(key), self._asked)}")


def read_entry(path: Path, error: type[ProdromeError]) -> YamlEntry:
    """The top of a YAML file."""
    try:
        data = _parsed(path)
    except _Wrong as wrong:
        raise error(f"{path.name}: {wrong}") from None
    return YamlEntry(path.name, data, error)


def read_file(path: Path, error: type[ProdromeError]) -> YamlEntry:
    """The top of a YAML file, its ``version`` and ``date`` checked."""
    entry = read_entry(path, error)
    if not re.fullmatch(r"\d+\.\d+\.\d+", entry.text("version")):
        raise entry.wrong("version", 'a version in quotes such as "1.0.0"')
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", entry.text("date")):
        raise entry.wrong("date", 'a date in quotes such as "2026-01-31"')
    return entry


def parse(text: str, fail: Callable[[str], Exception]) -> object:
    """What YAML from anybody says. ``fail`` makes the error to raise of what is wrong with it, which is one line."""
    return _loaded(text, fail, _refuse_depth)


def _loaded(text: str, fail: Callable[[str], Exception], check: Callable[[str], None] = lambda text: None) -> object:
    try:
        check(text)
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise fail(f"not valid YAML{line}: {getattr(error, 'problem', error)}") from None
    except _Wrong as error:
        raise fail(str(error)) from None


def _refuse_depth(text: str) -> None:
    level = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
            if level > MOST_LEVELS:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise _Wrong(f"line {line}: nested deeper than {MOST_LEVELS} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1


def excerpt(value: object) -> str:
    """``value`` for an error message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def meant(word: object, choices: Iterable[str], *, named: int = MOST_NAMED) -> str:
    """The end of an error: the choice that was probably meant, else those there are, ``named`` of them at most."""
    known = sorted(choices)
    close = nearest(word, known)
    if close or not named:
        return f"; did you mean {close!r}?" if close else ""
    more = f", and {len(known) - named} more" if len(known) > named else ""
    return f"; there is: {', '.join(known[:named]) or 'none'}{more}"


def nearest(word: object, choices: Iterable[str], *, alike: float = 0.5) -> str | None:
    """The choice that was probably meant, where one is as much ``alike`` (0 to 1)."""
    return next(iter(get_close_matches(str(word), sorted(choices), n=1, cutoff=alike)), None)


class _Wrong(Exception):
    """What is wrong with a file, before it is said of which."""


_TEXT, _FLAG, _LIST, _FIELDS = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "seq", "map"))


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which a key stands once: the later would silently overwrite the earlier.

    True and false alone are so, as in YAML 1.2: yes, no, on and off are texts.
    Texts, lists and fields, which nearly all of a file is, are read here: PyYAML keeps a state for each value.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._tags: dict[str, str] = {}
        self._made: dict[yaml.Node, Any] = {}  # what has an anchor may stand in several places
        self._sizes: dict[yaml.Node, int] = {}
        self._size = 0

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        """The kind of a value: of a text without quotes, whether it is a number, say. Most stand in a file often."""
        if kind is not yaml.ScalarNode or not implicit[0]:
            return str(super().resolve(kind, value, implicit))
        tag = self._tags.get(value)
        if tag is None:
            tag = str(super().resolve(kind, value, implicit))
            if tag == _FLAG and value.lower() not in ("true", "false"):
                tag = _TEXT
            self._tags[value] = tag
        return tag

    def construct_document(self, node: yaml.Node) -> Any:
        """What a file says."""
        return self._value(node)

    def _value(self, node: yaml.Node) -> Any:
        kind = (type(node), node.tag)
        if kind == (yaml.ScalarNode, _TEXT):
            return node.value
        if kind not in ((yaml.SequenceNode, _LIST), (yaml.MappingNode, _FIELDS)):
            return self._other(node)
        if node not in self._made:
            self._made[node] = _Loader  # until it is made: nothing of a file is this
            before, self._size = self._size, 0
            self._made[node] = self._fields(node) if isinstance(node, yaml.MappingNode) else self._list(node)
            self._sizes[node], self._size = self._size + len(node.value), before
        if self._made[node] is _Loader:
            raise _Wrong(f"line {node.start_mark.line + 1}: this holds itself")
        self._size += self._sizes[node]
        if self._size > MOST_VALUES:
            raise _Wrong(f"line {node.start_mark.line + 1}: more than {MOST_VALUES} values, repeated ones counted")
        return self._made[node]

    def _other(self, node: yaml.Node) -> Any:
        """A number, a date, or what else PyYAML makes of a text; it may fail in any of these ways at what is none."""
        line, kind = node.start_mark.line + 1, node.tag.rpartition(":")[2]
        if not isinstance(node, yaml.ScalarNode):
            raise _Wrong(f"line {line}: expected a list or fields, found {kind}")
        try:
            return self.construct_object(node)
        except (ValueError, LookupError, AttributeError):
            raise _Wrong(f"line {line}: {excerpt(node.value)} cannot be read as {kind}") from None

    def _list(self, node: yaml.Node) -> list[Any]:
        return [self._value(item) for item in node.value]

    def _fields(self, node: yaml.MappingNode) -> dict[Any, Any]:
        fields: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._value(key_node)
            if isinstance(key, list | dict | set):
                raise _Wrong(f"line {key_node.start_mark.line + 1}: a key should be a text")
            if key in fields:
                raise _Wrong(f"line {key_node.start_mark.line + 1}: {key!r} stands twice")
            fields[key] = self._value(value_node)
        return fields


@functools.lru_cache(maxsize=32)
def _parsed(path: Path) -> object:
    try:
        return _loaded(path.read_text(encoding="utf-8"), _Wrong)
    except OSError as error:
        raise _Wrong(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _Wrong(f"expected UTF-8, found something else at byte {error.start}") from error
