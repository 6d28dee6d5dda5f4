"""Reading elements of JSON that came from anywhere: absent is ``None``, a list of one is its item, else it is typed.

Only the elements a fact needs are read, so that one odd corner of a resource never costs the rest of it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

JsonObject = dict[str, Any]


# Half a character in an escape, before which an even number of backslashes stands; two halves that belong together are
# matched as well, and stay.
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*+)(?:\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(\\u[dD][89a-fA-F][\da-fA-F]{2}))"
)


def load_json(body: bytes) -> Any:
    """The JSON in *body*, which may begin with a byte order mark. Raises ``orjson.JSONDecodeError``.

    Half a character, as is left where text was cut by its length, is valid (RFC 8259, 8.2) and nothing that can be
    kept: U+FFFD takes its place.
    """
    text = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if rb"\ud" not in text and rb"\uD" not in text:
            raise
    return orjson.loads(_HALF.sub(lambda found: found[1] + rb"\ufffd" if found[2] else found[0], text))


class Unreadable(Exception):
    """An element that a fact needs has the wrong type or an impossible value.

    The message names the element and what was expected, never what was in it: it may be shown and logged.
    """


def read_one(parent: Mapping[str, Any], name: str) -> Any:
    """The single value of an element; a list of one is read as its item, an empty list as absent."""
    value = parent.get(name)
    if type(value) is list:
        if len(value) > 1:
            raise Unreadable(f"{name}: several values where the standard has one")
        return value[0] if value else None
    return value


def read_object(parent: Mapping[str, Any], name: str) -> JsonObject | None:
    """An element that is a JSON object. Raises Unreadable for another type, and for a modifier that we do not know."""
    value = parent.get(name)
    if value is None:
        return None
    if type(value) is not dict:
        value = read_one(parent, name)
        if value is None:
            return None
        if type(value) is not dict:
            raise Unreadable(f"{name}: not an object")
    if MODIFIER in value:
        refuse_modifier(value, name)
    return value


def read_objects(parent: Mapping[str, Any], name: str) -> Sequence[JsonObject]:
    """An element that is a list of JSON objects; one object alone is a list of one, nulls are left out.

    Raises Unreadable for another type, and for a modifier that we do not know.
    """
    value = parent.get(name)
    if value is None:
        return ()
    if type(value) is dict:
        value = [value]
    if type(value) is not list:
        raise Unreadable(f"{name}: not a list of objects")
    for item in value:
        if type(item) is not dict:
            if item is None:
                return read_objects({name: [each for each in value if each is not None]}, name)
            raise Unreadable(f"{name}: an item is not an object")
        if MODIFIER in item:
            refuse_modifier(item, name)
    return value


MODIFIER = "modifierExtension"
"""An extension that changes what an element means: whoever does not know it may not read the element."""


def refuse_modifier(element: Mapping[str, Any], name: str) -> None:
    """Raise Unreadable where an element has a modifier extension."""
    if element.get(MODIFIER):
        raise Unreadable(f"{name}: a modifierExtension that is not known")


def read_text(parent: Mapping[str, Any], name: str) -> str | None:
    """An element that is text; blank text is absent. Raises Unreadable for another type."""
    value = parent.get(name)
    if value is None:
        return None
    if type(value) is not str:
        value = read_one(parent, name)
        if value is None:
            return None
        if type(value) is not str:
            raise Unreadable(f"{name}: not text")
    return value if value and not value.isspace() else None


def read_flag(parent: Mapping[str, Any], name: str) -> bool:
    """An element that is true or false; absent is false. Raises Unreadable for another type."""
    value = read_one(parent, name)
    if value is None:
        return False
    if type(value) is not bool:
        raise Unreadable(f"{name}: not true or false")
    return value


_NUMBERS = (int, float)  # a bool is none
LEAST, MOST = 1e-9, 1e9  # the smallest and the largest number that says something about a patient


def read_number(parent: Mapping[str, Any], name: str) -> float | None:
    """An element that is a number such as charts hold. Raises Unreadable for another type and for absurd sizes."""
    value = read_one(parent, name)
    if value is None:
        return None
    if type(value) not in _NUMBERS:
        raise Unreadable(f"{name}: not a number")
    if value and not LEAST <= abs(value) <= MOST:  # neither is NaN
        raise Unreadable(f"{name}: no number that a chart can hold")
    return float(value)


def read_count(parent: Mapping[str, Any], name: str) -> int | None:
    """An element that is a whole number, 0 or more. Raises Unreadable otherwise."""
    value = read_number(parent, name)
    if value is None:
        return None
    if value < 0 or value != int(value):
        raise Unreadable(f"{name}: not a whole number, 0 or more")
    return int(value)


_PLAIN = re.compile(r"[A-Za-z]+/[A-Za-z0-9.-]+")  # Type/id
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def reference_key(reference: str) -> str:
    """What a reference points to, however it was written: ``Type/id``, ``urn:...`` or ``#contained``.

    Absolute addresses, versions and fragments are cut: ``https://host/fhir/Patient/x/_history/2`` is ``Patient/x``.
    """
    if "/" not in reference:
        lower = reference.lower()
        return lower if lower != reference and _UUID.fullmatch(reference) else reference  # RFC 4122: the same
    if _PLAIN.fullmatch(reference) or reference.startswith(("#", "urn:")):
        return reference
    parts = reference.partition("/_history/")[0].partition("#")[0].rstrip("/").split("/")
    return "/".join(parts[-2:])


def bare_id(id_: object) -> str | None:
    """The logical id in an id however it was written: ``x``, ``Patient/x``, ``https://host/Patient/x/_history/2``."""
    if type(id_) is not str:
        return None
    if id_.startswith("urn:"):
        return id_.rpartition(":")[2] or None  # as it is written: an id need not be a UUID
    if "/" not in id_:
        return id_ or None
    return reference_key(id_).rpartition("/")[2] or None


def read_reference(parent: Mapping[str, Any] | None) -> str | None:
    """The key (see :func:`reference_key`) of a FHIR Reference object, ``None`` where it has no address."""
    if parent is None or "reference" not in parent:
        return None
    text = read_text(parent, "reference")
    return None if text is None else reference_key(text)


def content(resource: JsonObject) -> bytes | None:
    """A resource as bytes that are the same wherever it came from; ``None`` for what no client can have sent."""
    try:
        return orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None
