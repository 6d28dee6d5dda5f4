"""Why a course ended, from ``statusReason`` or ``adherence.reason``: coded first, else in words at low certainty."""

from collections.abc import Iterable

from prodrome.fhir_mappers.codes import Concept, with_unknown
from prodrome.fhir_mappers.phrases import found_in, phrases_of
from prodrome.rules import Stop, StopReason
from prodrome.rules.guideline import STOP_REASON, Guideline

ORDER = (
    StopReason.INTOLERANCE,
    StopReason.INEFFICACY,
    StopReason.CONTRAINDICATED,
    StopReason.SUCCEEDED,
    StopReason.OTHER,
    StopReason.UNKNOWN,
)
"""Of several reasons the first of these stands: a failure wins, and intolerance needs no minimum dose or length."""

FAILURES = frozenset({StopReason.INTOLERANCE, StopReason.INEFFICACY})

NONADHERENCE = STOP_REASON + "nonadherence"
SUSPECTED = STOP_REASON + "suspected"
_BY_SET = {STOP_REASON + reason.value: reason for reason in StopReason}

_phrases = phrases_of(STOP_REASON)


def read_stop(concepts: list[Concept], guideline: Guideline) -> Stop:
    """One row's reason. Text speaks only where no code says why; what nothing explains is UNKNOWN."""
    if not concepts:
        return NO_REASON
    certain: set[StopReason] = set()
    suspected = nonadherent = False
    for concept in concepts:
        for system, code in concept.codes:
            names = guideline.sets_of(system, code)
            nonadherent = nonadherent or NONADHERENCE in names
            if SUSPECTED in names:
                suspected = True
            else:
                certain |= {_BY_SET[name] for name in names if name in _BY_SET}
    label = next((concept.label for concept in concepts if concept.label), "")
    certain.discard(StopReason.UNKNOWN)
    if certain & FAILURES or (certain and not suspected):
        return Stop(first(certain), coded=True, nonadherent=nonadherent, display=label)
    if suspected:
        return Stop(StopReason.INTOLERANCE, coded=True, nonadherent=nonadherent, suspected=True, display=label)
    said = {name for concept in concepts for name in _said(concept, guideline)}
    nonadherent = nonadherent or NONADHERENCE in said
    reasons = [_BY_SET[name] for name in said if name in _BY_SET]
    if reasons:
        return Stop(first(reasons), coded=False, nonadherent=nonadherent, display=label)
    if nonadherent:
        return Stop(StopReason.OTHER, coded=True, nonadherent=True, display=label)
    return Stop(display=label)


def _said(concept: Concept, guideline: Guideline) -> set[str]:
    """What the words of a reason say: its texts, and the displays of codes that are in no table."""
    wanted = _phrases(guideline)
    return {name for text in with_unknown(concept, guideline.sets_of).texts for name in found_in(text, wanted)}


NO_REASON = Stop()


def first(reasons: Iterable[StopReason]) -> StopReason:
    """The reason that stands of several."""
    return min(reasons, key=ORDER.index)


def merge_stops(stops: list[Stop]) -> Stop:
    """The ending of one course that several rows tell of: coded beats text beats none, a contradiction is kept.

    Only a failure beside something else contradicts: a drug may well have had no effect and side effects.
    """
    if len(stops) == 1:
        return stops[0]
    known = [stop for stop in stops if stop.reason is not StopReason.UNKNOWN]
    nonadherent = any(stop.nonadherent for stop in stops)
    if not known:
        label = min((stop.display for stop in stops if stop.display), default="")
        return Stop(nonadherent=nonadherent, display=label)
    told = [stop for stop in known if stop.coded] or known
    outcomes = {stop.reason for stop in told}
    reason = first(outcomes)
    chosen = [stop for stop in told if stop.reason is reason]
    return Stop(
        reason=reason,
        coded=chosen[0].coded,
        conflicting=bool(outcomes & FAILURES and outcomes - FAILURES),
        nonadherent=nonadherent,
        suspected=all(stop.suspected for stop in chosen),
        display=min((stop.display for stop in chosen if stop.display), default=""),
    )
