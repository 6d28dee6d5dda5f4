"""What a word, a code or a text is read as, remembered for the charts to come: the same few stand in most of them."""

from collections.abc import Callable, Hashable
from typing import TypeVar

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
