"""What happens when a user acts on a card: the change an accepted suggestion makes, and the feedback that is sent."""

import difflib
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.feedback import StoreUnavailable, read_feedback
from prodrome.cds_hooks.protocol import Invalid, NotFound, Unavailable
from prodrome.cds_hooks.workbench.cases import CardAnswer, Case, Change


def accept(case: Case, card_uuid: str, suggestion_uuid: str, environment: Environment) -> CardAnswer:
    """Accept a suggestion: its changes, and the feedback an EHR sends. Raises :class:`Refused`."""
    card = card_of(case, card_uuid)
    suggestion = next((one for one in card.get("suggestions", ()) if one["uuid"] == suggestion_uuid), None)
    if suggestion is None:
        raise NotFound("There is no such suggestion on this card.")
    changes = tuple(_change(action, case) for action in suggestion.get("actions", ()))
    feedback = {**_feedback(card_uuid, "accepted"), "acceptedSuggestions": [{"id": suggestion_uuid}]}
    return _sent(case, card_uuid, feedback, environment, changes)


def override(case: Case, card_uuid: str, reason_code: str, comment: str, environment: Environment) -> CardAnswer:
    """Override a card, for one of its reasons or for none. Raises :class:`Refused`."""
    card = card_of(case, card_uuid)
    said: dict[str, Any] = {}
    if reason_code:
        reason = next((one for one in card.get("overrideReasons", ()) if one["code"] == reason_code), None)
        if reason is None:
            raise Invalid("This card does not offer that reason.", member="reason")
        said["reason"] = reason
    if comment:
        said["userComment"] = comment
    feedback = {**_feedback(card_uuid, "overridden"), **({"overrideReason": said} if said else {})}
    return _sent(case, card_uuid, feedback, environment, ())


def card_of(case: Case, card_uuid: str) -> Mapping[str, Any]:
    """The card of an answer. Raises :class:`Refused`."""
    for card in case.consultation.response["cards"]:
        if card["uuid"] == card_uuid:
            found: Mapping[str, Any] = card
            return found
    raise NotFound("There is no such card in this answer.")


def _feedback(card_uuid: str, outcome: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"card": card_uuid, "outcome": outcome, "outcomeTimestamp": at}


def _sent(
    case: Case, card_uuid: str, feedback: dict[str, Any], environment: Environment, changes: tuple[Change, ...]
) -> CardAnswer:
    body = {"feedback": [feedback]}
    kept = False
    if environment.store is not None:
        try:
            kept = environment.store.record(read_feedback(body)).taken == 1
        except StoreUnavailable:
            raise Unavailable("Feedback cannot be kept now. Try again later.") from None
    answered = CardAnswer(feedback["outcome"], body, kept, changes)
    case.answers[card_uuid] = answered
    return answered


def _change(action: Mapping[str, Any], case: Case) -> Change:
    after = _plain(action.get("resource"))
    target = action.get("resourceId")
    if action["type"] == "update" and isinstance(after, dict):
        target = f"{after.get('resourceType')}/{after.get('id')}"
    before = None if action["type"] == "create" else _in_hand(case, target)
    name = target if isinstance(target, str) else str(after.get("resourceType")) if isinstance(after, dict) else ""
    return Change(action["description"], action["type"], name, tuple(compared(before, after)))


def _in_hand(case: Case, target: object) -> object:
    for order in case.consultation.request.orders:
        if isinstance(order, dict) and f"{order.get('resourceType')}/{order.get('id')}" == target:
            return order
    return None


def _plain(value: object) -> object:
    """As JSON has it: numbers that were kept as written become numbers."""
    return orjson.loads(orjson.dumps(value))


def compared(before: object, after: object) -> list[tuple[str | None, str | None]]:
    """Two resources line by line, as JSON: the same on both sides, or only on one, changed lines beside each other."""
    old, new = _lines(before), _lines(after)
    rows: list[tuple[str | None, str | None]] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            rows += zip(old[i:j], new[k:m], strict=True)
        else:
            rows += itertools.zip_longest(old[i:j], new[k:m])
    return rows


def _lines(value: object) -> list[str]:
    return [] if value is None else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().splitlines()
