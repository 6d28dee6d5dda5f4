"""Numbers of an order as the client wrote them.

FHIR decimals carry their precision: 1.50 is not 1.5. A resource that goes back in an ``update`` is the client's own,
so its numbers go back digit by digit. Only such answers pay for it: their orders are read a second time.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from prodrome.cds_hooks.protocol.hooks import DEPRECATED, HOOKS
from prodrome.cds_hooks.protocol.requests import HookRequest


class _Written(float):
    """A number that remembers its digits."""

    digits: str

    @classmethod
    def read(cls, digits: str) -> "_Written":
        number = cls(digits)
        number.digits = digits
        return number


def with_numbers_as_written(cards: list[dict[str, Any]], request: HookRequest) -> list[dict[str, Any]]:
    """*cards*, the unchanged numbers of every updated order in the digits of the request's body."""
    updates = [
        action
        for card in cards
        for suggestion in card.get("suggestions", ())
        for action in suggestion.get("actions", ())
        if action["type"] == "update"
    ]
    if updates and request.body:
        written = {_key(order): order for order in _orders_as_written(request)}
        for action in updates:
            action["resource"] = _restore(action["resource"], written.get(_key(action["resource"])))
    return cards


def _key(resource: Any) -> tuple[str, str]:
    return (str(resource.get("resourceType")), str(resource.get("id"))) if isinstance(resource, dict) else ("", "")


def _orders_as_written(request: HookRequest) -> Iterable[object]:
    context = json.loads(request.body.removeprefix(b"\xef\xbb\xbf"), parse_float=_Written.read)["context"]
    members = [HOOKS[request.hook].orders, *(member for _, member in DEPRECATED.values())]
    for member in members:
        yield from _resources(context.get(member))


def _resources(value: object) -> Iterable[object]:
    if isinstance(value, list):
        for item in value:
            yield from _resources(item)
    elif isinstance(value, dict):
        if isinstance(value.get("entry"), list | dict):
            yield from _resources(value["entry"])
        else:
            inner = value.get("resource", value)
            if inner is value or not isinstance(inner, dict):
                yield inner
            else:
                yield from _resources(inner)


def _restore(emitted: Any, written: Any) -> Any:
    """*emitted* with the written digits wherever both hold the same number at the same place."""
    if isinstance(emitted, Mapping) and isinstance(written, Mapping):
        return {name: _restore(value, written.get(name)) for name, value in emitted.items()}
    if isinstance(emitted, list) and isinstance(written, list) and len(emitted) == len(written):
        return [_restore(one, other) for one, other in zip(emitted, written, strict=True)]
    if isinstance(emitted, float) and isinstance(written, float | int) and emitted == float(written):
        return orjson.Fragment(written.digits if isinstance(written, _Written) else str(written))
    return emitted
