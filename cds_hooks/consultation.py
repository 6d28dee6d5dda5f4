"""One call from request to answer: what HTTP, the command line and the workbench all do.

The prefetch that came is completed from the FHIR server where one is given, read as a record of dated facts, judged,
and answered in cards. Nothing is kept between calls but what feedback needs, and, in memory alone, what codes and the
words for medicines and places mean: nobody's in particular.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from prodrome.cds_hooks import cards, eligibility
from prodrome.cds_hooks.callers import ANYONE, Caller
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.feedback import Showing, Shown
from prodrome.cds_hooks.fhir_client import NOT_THERE, FetchProgress
from prodrome.cds_hooks.prefetch import Gathered, gather
from prodrome.cds_hooks.protocol import HookRequest, Service, with_numbers_as_written
from prodrome.cds_hooks.runtime import stage
from prodrome.fhir_mappers import Record, counted, read_facts
from prodrome.rules import COMPLETE, INCOMPLETE, MISSING, Facts, Judgement, judge

_EXTENSION = "org.prodrome.judgement"
"""The key of the response's extension: what could not be judged, and what was set aside."""

JUDGING_SECONDS = 0.25
"""Kept back from the deadline for reading, judging and answering."""

LEAST_SECONDS = 1.0
"""What reading, judging and answering may take however long fetching took: the machine may be busy with other calls."""


MOST_SKIPPED = 100
"""Rows that could not be read which an answer names; the others are counted."""
LONGEST_NAME = 100


class OutOfTime(Exception):
    """Reading and judging a chart, and building its cards, took longer than a call may."""


@dataclass(frozen=True)
class Consultation:
    """One answered call: the response body, and everything it rests on."""

    response: dict[str, Any]
    request: HookRequest
    judgement: Judgement
    facts: Facts
    record: Record
    notes: tuple[str, ...]
    problems: Mapping[str, str]
    fetched: tuple[str, ...]
    seconds: Mapping[str, float]
    """How long each stage took."""

    @property
    def patient_is_unknown(self) -> bool:
        """Whether the FHIR server that was asked has no patient of this id."""
        return self.problems.get("Patient", "").startswith(NOT_THERE)

    @property
    def missing(self) -> list[str]:
        """The kinds of resource that did not come, or not whole."""
        return sorted([kind for kind, state in self.record.completeness.items() if state is not COMPLETE])

    @property
    def reservations(self) -> list[str]:
        """What whoever reads the cards must know beside them, in sentences: what was set aside, what is lacking."""
        said = list(self.response["extension"][_EXTENSION].get("notes", ()))
        if self.missing:
            said.append(f"Not all came of {', '.join(self.missing)}: what is lacking could change this.")
        return said


def consult(
    request: HookRequest,
    environment: Environment,
    *,
    caller: Caller = ANYONE,
    progress: FetchProgress | None = None,
) -> Consultation:
    """Answer one request.

    *caller* is the client, for the feedback store; *progress* is told of each answer of the FHIR server.
    Raises :class:`Refused` (412 where no kind of data could be had) and ``EngineError``.
    """
    began = time.perf_counter()
    today = environment.clock()
    service = environment.service_for(request.hook)
    deadline = time.monotonic() + environment.settings.deadline_seconds
    with stage("gather"):
        gathered = gather(
            request,
            service,
            environment.settings,
            today,
            deadline=deadline - JUDGING_SECONDS,
            issuer=caller.issuer,
            progress=progress,
        )
    if gathered.orders != request.orders:
        request = replace(request, orders=gathered.orders)  # those that are this patient's
    at_hand = time.perf_counter()
    in_time = _until(max(deadline, time.monotonic() + LEAST_SECONDS))
    with stage("read"):
        facts = read_facts(gathered.record, environment.guideline, today, in_time)
    read = time.perf_counter()
    with stage("judge"):
        judgement = judge(
            facts,
            environment.guideline,
            today,
            locale=environment.settings.locale,
            hook=request.hook,
            engine=environment.settings.engine,
            unknown_codes=environment.settings.unknown_codes,
            in_time=in_time,
        )
    judged = time.perf_counter()
    visit = Showing(
        service=service.id,
        hook_instance=request.hook_instance,
        rulebook_version=judgement.rulebook.version,
        user=request.user_id,
        patient=request.patient_id,
        caller=caller,
    )
    with stage("cards"):
        answered, overridden = _cards(judgement, facts, request, environment, visit, in_time)
        notes = (*gathered.notes, *overridden)
        response: dict[str, Any] = {
            "cards": with_numbers_as_written(answered, request),
            "extension": {_EXTENSION: _extension(service, judgement, facts, gathered, notes)},
        }
        if environment.settings.tell_eligibility or eligibility.asked_for(request.extension):
            response["extension"][eligibility.EXTENSION] = eligibility.as_json(facts, judgement)
    return Consultation(
        response=response,
        request=request,
        judgement=judgement,
        facts=facts,
        record=gathered.record,
        notes=notes,
        problems=gathered.problems,
        fetched=gathered.fetched,
        seconds={
            "gather": at_hand - began,
            "read": read - at_hand,
            "judge": judged - read,
            "cards": time.perf_counter() - judged,
        },
    )


def _until(deadline: float) -> Callable[[], None]:
    def in_time() -> None:
        if time.monotonic() > deadline:
            raise OutOfTime

    return in_time


def _cards(
    judgement: Judgement,
    facts: Facts,
    request: HookRequest,
    environment: Environment,
    visit: Showing,
    in_time: Callable[[], None],
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The cards, without the findings this user overrode for this patient lately, and what to say of these.

    The cards are remembered as shown. *in_time* is called again and again meanwhile; what it raises ends it.
    """
    store, dialect = environment.store, environment.settings.dialect
    if store is None:
        return cards.build(judgement, facts, request, dialect=dialect, in_time=in_time), ()
    safety = judgement.rulebook.safety_rules
    overridden: frozenset[str] = frozenset()
    if store.may_suppress(visit):
        candidates = {
            cards.key(finding, facts)
            for finding in cards.findings_shown(judgement)
            if finding.rule.id not in safety and finding.indicator != "critical"
        }
        overridden = store.suppressed(visit, candidates)
    answered = cards.build(judgement, facts, request, dialect=dialect, suppressed=overridden, in_time=in_time)
    store.remember(
        visit,
        [
            Shown.of(
                card,
                card["extension"][cards.EXTENSION].get("finding"),
                safety=card["source"]["topic"]["code"] in safety,
            )
            for card in answered
        ],
    )
    if not overridden:
        return answered, ()
    return answered, (f"{len(overridden)} findings are not shown: this user overrode them for this patient lately.",)


def _extension(
    service: Service, judgement: Judgement, facts: Facts, gathered: Gathered, notes: tuple[str, ...]
) -> dict[str, Any]:
    """What a tester wants to know beside the cards: what was not judged and why, what was set aside."""
    states = {kind: gathered.record.completeness.get(kind, MISSING) for kind in service.kinds}
    more = len(facts.skipped) - MOST_SKIPPED
    said: dict[str, Any] = {
        "rulebook": judgement.rulebook.version,
        "engine": judgement.engine,
        "unjudged": [
            {"rule": unjudged.rule.id, "missing": list(unjudged.missing)}
            for unjudged in judgement.unjudged
            if unjudged.rule.reported_as in service.rules
        ],
        "missing": sorted([kind for kind, state in states.items() if state is MISSING]),
        "incomplete": sorted([kind for kind, state in states.items() if state is INCOMPLETE]),
        "problems": [f"{kind} {problem}" for kind, problem in sorted(gathered.problems.items())],
        "skipped": [
            {"resource": f"{row.kind}/{row.id}"[:LONGEST_NAME], "why": row.why} for row in facts.skipped[:MOST_SKIPPED]
        ],
        "notUnderstood": counted(facts),
        "notes": [
            *notes,
            *([_DECEASED] if facts.patient and facts.patient.deceased else []),
            *([f"{more} more rows could not be read."] if more > 0 else []),
        ],
    }
    return {name: value for name, value in said.items() if value}


_DECEASED = "The patient is recorded as deceased: nothing was judged."
