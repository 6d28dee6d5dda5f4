"""What a word, a code or a text is read as, remembered for the charts to come: the same few stand in most of them."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

import orjson

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_CHARACTERS = 500_000
"""What the keys of one memory hold together before it begins anew: no chart fills it for good."""


class Memory(dict[K, V]):
    """What *read* makes of a key, found again under it. Keys are texts, and tuples of texts."""

    def __init__(self, read: Callable[[K], V]) -> None:
        self._read = read
        self._characters = 0

    def __missing__(self, key: K) -> V:
        """Read it."""
        made = self._read(key)
        self._characters += _size(key)
        if self._characters > MOST_CHARACTERS:
            self.clear()
            self._characters = _size(key)
        self[key] = made
        return made


_EACH = 50
"""What a key takes besides its characters."""


def _size(key: object) -> int:
    if isinstance(key, tuple):
        return sum(map(_size, key), _EACH)
    return _EACH + len(key) if isinstance(key, str) else _EACH


SHORT = 200
"""Characters of a text in an element that is remembered: the name of a thing, not what somebody wrote of a patient."""
LONGEST_ELEMENT = 2000
"""Bytes of the JSON of an element that is remembered."""
MOST_BYTES = 200_000
"""What the keys of a memory of elements hold together: some hundreds of elements, and what they say takes more."""


class ElementMemory(Generic[V]):
    """What *read* makes of an element, found again under its JSON: one look-up stands for all that is read in it.

    With *names*, what it makes of these elements of a resource together, of which null is as absent. What it raises,
    it raises again.
    """

    def __init__(self, read: Callable[[Any], V], *names: str) -> None:
        self._read = read
        self._names = names
        self.known: dict[bytes, V] = {}
        self._bytes = 0

    def of(self, resource: Mapping[str, Any]) -> V:
        """What the named elements of a resource say."""
        named = list(map(resource.get, self._names))
        try:
            return self.known[orjson.dumps(named)]
        except (KeyError, orjson.JSONEncodeError):
            return self._read_anew(named)

    def __call__(self, element: Any) -> V:
        """What an element says."""
        try:
            return self.known[orjson.dumps(element)]
        except (KeyError, orjson.JSONEncodeError):
            return self._read_anew(element)

    def _read_anew(self, element: Any) -> V:
        made = self._made_of(element)
        try:
            key = orjson.dumps(element)
        except orjson.JSONEncodeError:  # nested too deep, or a number that no JSON of ours has
            return made
        if len(key) <= LONGEST_ELEMENT and _is_short(element):
            self._bytes += _EACH + len(key)
            if self._bytes > MOST_BYTES:
                self.known.clear()
                self._bytes = _EACH + len(key)
            self.known[key] = made
        return made

    def _made_of(self, element: Any) -> V:
        if self._names:
            named = zip(self._names, element, strict=True)
            return self._read({name: value for name, value in named if value is not None})
        return self._read(element)


def _is_short(element: Any) -> bool:
    """Whether no text in an element is long."""
    if isinstance(element, str):
        return len(element) <= SHORT
    if isinstance(element, dict):
        return all(map(_is_short, element.values()))
    return all(map(_is_short, element)) if isinstance(element, list | tuple) else True
