"""Feedback as clients send it: 2.0.1, and Epic's dialect of it, read tolerantly (requirements FB-03 to FB-18)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from prodrome.cds_hooks.protocol import TooLarge
from prodrome.rules import ProdromeError

MAX_ENTRIES = 5_000
"""Most entries of one batch: a client that has more sends several."""
MOST_FAULTS = 20_000
"""From here on a batch is not read further: there may be millions."""
_MAX_TEXT = 4096
"""Longest id or comment that is read."""
MAX_CODE = 256
"""Longest code, and code system, of a reason."""
MAX_DISPLAY = 200
"""Longest display of a reason that is kept; the code says what is meant, so a longer one is cut."""

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """What one user did with one card."""

    card: str
    outcome: str  # accepted | overridden
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    reason_display: str | None = None
    comment: str | None = None

    @property
    def digest(self) -> str:
        """The same for the same feedback, however often it is sent."""
        said = [
            self.outcome,
            self.at.isoformat(),
            sorted(self.suggestions),
            self.reason_system,
            self.reason_code,
            self.comment,
        ]
        return sha256(orjson.dumps(said)).hexdigest()


class Malformed(ProdromeError):
    """The batch is not feedback; ``faults`` are (member, what is wrong with it)."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{member} {text}" for member, text in faults))


def read_feedback(document: Mapping[str, Any]) -> list[FeedbackEntry]:
    """The entries of a batch. Raises Malformed with the faults of every entry, and TooLarge: nothing of it is kept."""
    batch = document.get("feedback")
    if not isinstance(batch, list):
        raise Malformed([("feedback", "must be a list")])
    if len(batch) > MAX_ENTRIES:
        raise TooLarge(f"One batch may hold {MAX_ENTRIES} entries. Send several.")
    faults: list[tuple[str, str]] = []
    entries = []
    for index, item in enumerate(batch):
        if len(faults) >= MOST_FAULTS:
            break
        reader = _Reader(f"feedback[{index}]", faults)
        before = len(faults)
        entry = reader.entry(item)
        if len(faults) == before and entry is not None:
            entries.append(entry)
    if faults:
        raise Malformed(faults)
    return entries


class _Reader:
    def __init__(self, path: str, faults: list[tuple[str, str]]) -> None:
        self.path = path
        self.faults = faults

    def fault(self, member: str, text: str) -> None:
        self.faults.append((f"{self.path}.{member}" if member else self.path, text))

    def entry(self, item: object) -> FeedbackEntry | None:
        if not isinstance(item, dict):
            self.fault("", "must be an object")
            return None
        card = _id(self.text(item, "card", "card", required=True))
        outcome = item.get("outcome")
        if outcome not in ("accepted", "overridden"):
            self.fault("outcome", "must be accepted or overridden")
        at = _timestamp(item.get("outcomeTimestamp"))
        if at is None:
            self.fault("outcomeTimestamp", "must be a date and time with offset (RFC 3339)")
        suggestions = self.suggestions(item, required=outcome == "accepted")
        reason: dict[str, str | None] = {}
        if outcome == "overridden":
            reason = self.reason(item)
        if card is None or at is None or not isinstance(outcome, str):
            return None
        return FeedbackEntry(card, outcome, at, suggestions, **reason)

    def suggestions(self, item: Mapping[str, Any], *, required: bool) -> tuple[str, ...]:
        accepted = item.get("acceptedSuggestions")
        if accepted in (None, []) and not required:
            return ()
        if not isinstance(accepted, list) or not accepted:
            self.fault("acceptedSuggestions", "must list the suggestions that were accepted")
            return ()
        ids = []
        for index, suggestion in enumerate(accepted):
            if len(self.faults) >= MOST_FAULTS:
                break
            member = f"acceptedSuggestions[{index}]"
            if isinstance(suggestion, dict):
                ids.append(_id(self.text(suggestion, "id", f"{member}.id", required=True)))
            else:
                self.fault(member, "must be an object")
        return tuple(dict.fromkeys(found for found in ids if found is not None))

    def reason(self, item: Mapping[str, Any]) -> dict[str, str | None]:
        comment = self.text(item, "userComment", "userComment")
        member = next((name for name in item if _plain(name) in _REASONS and item[name] not in _NOTHING), None)
        if member is None:  # no reason is a valid answer (FB-14)
            return self.epic_reason(item) | ({"comment": comment} if comment else {})
        override = item[member]
        if isinstance(override, list) and len(override) == 1:
            override = override[0]
        if not isinstance(override, dict):
            self.fault(member, "must be an object")
            return {}
        place, coding = _coding(override)
        here = f"{member}.{place}" if place else member
        if not isinstance(coding, dict):
            self.fault(here, "must be a Coding")
            return {}
        found = {
            f"reason_{name}": self.text(coding, name, f"{here}.{name}", longest=longest)
            for name, longest in (("system", MAX_CODE), ("code", MAX_CODE), ("display", _MAX_TEXT))
        }
        found["reason_display"] = _cut(found["reason_display"])
        comment = self.text(override, "userComment", f"{member}.userComment") or comment
        if found["reason_code"] is None:
            if coding and place:
                self.fault(f"{here}.code", "is missing")
            elif override.keys() - {"extension", "id", "reason", "userComment"}:
                self.fault(f"{member}.reason", "is missing")
        return {**found, "comment": comment}

    def epic_reason(self, item: Mapping[str, Any]) -> dict[str, str | None]:
        """Epic's own acknowledgement reason, where it has no coding of ours to name."""
        extension = item.get("extension")
        if not isinstance(extension, dict):
            return {}
        prefix = "com.epic.cdshooks.feedback.overrideReason."
        said = {
            key.removeprefix(prefix): value
            for key, value in extension.items()
            if key.startswith(prefix) and isinstance(value, str) and 0 < len(value) <= MAX_CODE and "\0" not in value
        }
        code = said.get("code") or said.get("id")
        if code is None:
            return {}
        return {
            "reason_system": said.get("system", prefix.rstrip(".")),
            "reason_code": code,
            "reason_display": _cut(said.get("display") or said.get("title")),
        }

    def text(
        self, item: Mapping[str, Any], name: str, member: str, *, required: bool = False, longest: int = _MAX_TEXT
    ) -> str | None:
        value = item.get(name)
        if value is None or value == "":
            if required:
                self.fault(member, "is missing")
            return None
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            self.fault(member, f"must be text of at most {longest} characters")
            return None
        return value


_REASONS = frozenset({"overridereason", "overridereasons", "overridereasoncode", "reason"})
_NOTHING: tuple[object, ...] = (None, {}, [], "")


_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)


def _id(text: str | None) -> str | None:
    """The id of a card or suggestion, a UUID as we wrote it: whoever holds it as one writes capitals or a URN, too."""
    match = _UUID.fullmatch(text.strip()) if text else None
    return match[1].lower() if match else text


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _coding(override: Mapping[str, Any]) -> tuple[str, object]:
    """The coded reason in an ``overrideReason``, and where in it: in ``reason``, or as the 1.1 draft had it.

    A CodeableConcept in its place is read as its first coding.
    """
    place, reason = "reason", override.get("reason")
    if reason in _NOTHING:
        place, reason = ("coding", override["coding"]) if override.get("coding") else ("", override)
    elif isinstance(reason, dict) and "code" not in reason and reason.get("coding"):
        place, reason = "reason.coding", reason["coding"]
    if isinstance(reason, list) and reason:
        reason = reason[0]
    return place, reason


def _cut(display: str | None) -> str | None:
    return display if display is None or len(display) <= MAX_DISPLAY else f"{display[: MAX_DISPLAY - 1]}…"


def _timestamp(value: object) -> datetime | None:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, minutes, seconds, fraction, sign, hours_off, minutes_off = match.groups()
    try:
        # A leap second is read as the second before it.
        local = datetime.fromisoformat(f"{day}T{minutes}:{'59' if seconds == '60' else seconds}")
        local = local.replace(tzinfo=UTC, microsecond=int((fraction or "0")[:6].ljust(6, "0")))
        if sign is None:
            return local
        offset = timedelta(hours=int(hours_off), minutes=int(minutes_off))
        return local - offset if sign == "+" else local + offset
    except (ValueError, OverflowError):
        return None
