"""A case in one link: its request and its day, compressed into text that an address can carry.

The text goes behind the ``#`` of the address: a browser sends it to nobody by itself, and no server logs it. Whoever
has the link has the chart, so it is for fictional patients.
"""

import base64
import binascii
import zlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from prodrome.cds_hooks.protocol import Invalid, parse

LONGEST = 60_000
"""Characters of a link's text that browsers and messengers carry without loss."""
MOST_BYTES = 5_000_000
"""What a text may unpack to."""

_DAMAGED = "This link is damaged or cut off: ask for it again."


@dataclass(frozen=True, slots=True)
class Shared:
    """What a link holds: a title, the day to judge by, and the request."""

    title: str
    day: date
    document: dict[str, Any]


def packed(shared: Shared) -> str | None:
    """The text of a link; None where the request is too long for one."""
    body = orjson.dumps({"title": shared.title, "day": shared.day.isoformat(), "request": shared.document})
    text = base64.urlsafe_b64encode(zlib.compress(body, 9)).rstrip(b"=").decode()
    return text if len(text) <= LONGEST else None


def unpacked(text: str) -> Shared:
    """What a text holds. Raises :class:`Invalid` for what no link of ours holds."""
    text = text.strip()
    if not text:
        raise Invalid("The link holds no case: copy all of it, also what stands behind the #.")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        unpack = zlib.decompressobj()
        body = unpack.decompress(raw, MOST_BYTES)
        if not unpack.eof:
            raise Invalid(_DAMAGED)
        held = parse(body)
        day = date.fromisoformat(held["day"])
        title, document = held["title"], held["request"]
    except (Invalid, ValueError, KeyError, TypeError, binascii.Error, zlib.error):
        raise Invalid(_DAMAGED) from None
    if not isinstance(document, dict) or not isinstance(title, str):
        raise Invalid(_DAMAGED)
    # What came with the chart is all: a link leads to no server.
    kept = {name: value for name, value in document.items() if name not in ("fhirServer", "fhirAuthorization")}
    return Shared(title, day, kept)
