"""Labelled patients from a folder: a call with its chart, and the rules that a clinician expects to answer it.

Each file is one JSON object: ``title``; ``request_by_kind``, a CDS Hooks request whose ``prefetch`` names its Bundles
by kind of resource, and ``absent`` the kinds that did not come; ``expected`` with ``cards``, the ids of the rules; and
``today`` and ``locale`` where they matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.testers import TesterError
from prodrome.cds_hooks.workbench import asking, reading


@dataclass(frozen=True, slots=True)
class LabelledPatient:
    """A call about a patient on a day, and the ids of the rules whose cards are expected, sorted.

    ``absent``: the kinds of resource that did not come; of the others that the request does not hold there are none.
    """

    id: str
    title: str
    request: Mapping[str, Any]
    absent: tuple[str, ...]
    expected: tuple[str, ...]
    today: date | None
    locale: str | None


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """A labelled patient with the cards that came. ``missing`` were expected, ``surplus`` were not."""

    patient: LabelledPatient
    hook: str
    cards: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules that spoke."""
        return tuple(reading.card_rule(dict(card)) for card in self.cards)


def read_labelled(folder: Path) -> tuple[LabelledPatient, ...]:
    """The labelled patients of a folder, by file name. Raises TesterError for what is none, OSError."""
    if not folder.is_dir():
        raise TesterError(f"{folder}: expected a folder of labelled patients")
    found = tuple(_patient(file) for file in sorted(folder.glob("*.json")))
    if not found:
        raise TesterError(f"{folder}: expected at least one labelled patient (*.json), found none")
    return found


def _patient(file: Path) -> LabelledPatient:
    try:
        said = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise TesterError(f"{file.name}: not valid JSON ({error})") from error
    request, expected = _member(file, said, "request_by_kind", dict), _member(file, said, "expected", dict)
    for member in ("hook", "context", "prefetch"):
        _member(file, request, member, str if member == "hook" else dict)
    cards = _member(file, expected, "cards", list)
    try:
        today = date.fromisoformat(said["today"]) if said.get("today") else None
    except (TypeError, ValueError) as error:
        raise TesterError(f"{file.name}: today should be a date such as 2026-06-15, found {said['today']!r}") from error
    return LabelledPatient(
        id=file.stem,
        title=str(said.get("title") or file.stem),
        request=request,
        absent=tuple(said.get("absent") or ()),
        expected=tuple(sorted(map(str, cards))),
        today=today,
        locale=said.get("locale"),
    )


def _member(file: Path, said: object, name: str, of: type) -> Any:
    value = said.get(name) if isinstance(said, dict) else None
    if not isinstance(value, of):
        raise TesterError(
            f"{file.name}: {name} should be {_WORDS[of]}, found {_WORDS.get(type(value), 'something else')}"
        )
    return value


_WORDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "text", int: "a number", type(None): "nothing"}


def answered(patients: Sequence[LabelledPatient], environment: Environment) -> tuple[LabelledAnswer, ...]:
    """What the service says of each, on its day and in its locale, kept nowhere."""
    return tuple(_answer(patient, environment) for patient in patients)


def consulted(patient: LabelledPatient, environment: Environment) -> Consultation:
    """The whole answer to a labelled patient's call, on its day and in its locale, kept nowhere."""
    there = environment
    if patient.locale:
        there = replace(there, settings=there.settings.model_copy(update={"locale": patient.locale}))
    there = asking.on_day(there, patient.today or environment.clock(), remember=False)
    request = patient.request
    service = there.service_for(request["hook"])
    came = [query for query in service.queries if query.kind not in patient.absent]
    prefetch = {query.key: request["prefetch"].get(query.kind) for query in came}
    return asking.answer({**request, "prefetch": prefetch}, there)


def _answer(patient: LabelledPatient, environment: Environment) -> LabelledAnswer:
    cards = consulted(patient, environment).response["cards"]
    rules = [reading.card_rule(card) for card in cards]
    return LabelledAnswer(
        patient,
        patient.request["hook"],
        tuple(cards),
        missing=tuple(rule for rule in patient.expected if rule not in rules),
        surplus=tuple(sorted({rule for rule in rules if rule not in patient.expected})),
    )
