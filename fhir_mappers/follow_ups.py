"""Specialist care beside encounters: appointments and referrals."""

from functools import partial

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import Concept, concept, read_concepts
from prodrome.fhir_mappers.collecting import kind_of
from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.elements import (
    JsonObject,
    read_flag,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from prodrome.fhir_mappers.encounters import is_with_specialist, service_types
from prodrome.fhir_mappers.specialists import code_sets, is_referral, is_specialist, is_specialist_visit
from prodrome.rules import FollowUp

AHEAD = frozenset({"booked", "arrived", "checked-in"})
FULFILLED = "fulfilled"
ORDERED = frozenset({"active", "completed"})
ORDER_INTENTS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order", None})


def read_follow_ups(chart: Chart) -> list[FollowUp]:
    """Appointments with a specialist that are ahead or were kept, and referrals to one."""
    found: list[FollowUp] = []
    wanted = code_sets(chart.guideline)
    chart.each("Appointment", partial(_read_appointment, chart, wanted, found))
    chart.each("ServiceRequest", partial(_read_service_request, chart, found))
    return found


def _read_appointment(
    chart: Chart, wanted: frozenset[str], found: list[FollowUp], ref: str, resource: JsonObject
) -> None:
    status = read_text(resource, "status")
    if status not in AHEAD and status != FULFILLED:
        return
    kinds = [*read_concepts(resource, "serviceCategory"), *service_types(resource)]
    if not (
        is_specialist(read_concepts(resource, "specialty"), chart.guideline, wanted)
        or is_specialist_visit(kinds, chart.guideline)
        or is_with_specialist(chart, resource)
    ):
        return
    start = read_when(resource, "start")
    refs = (ref,) if ref else ()
    if status == FULFILLED:
        found.append(FollowUp("contact", start, refs))
    elif start and start.first >= chart.today:
        found.append(FollowUp("appointment", start, refs))


def _read_service_request(chart: Chart, found: list[FollowUp], ref: str, resource: JsonObject) -> None:
    if is_ordered(resource) and is_referral(order_code(resource), _performers(chart, resource), chart.guideline):
        found.append(FollowUp("referral", read_when(resource, "authoredOn"), (ref,) if ref else ()))


def _performers(chart: Chart, resource: JsonObject) -> list[Concept]:
    """Who is to act on an order: what they are, and how the chart words them."""
    said = [*read_concepts(resource, "performerType")]
    for each in read_objects(resource, "performer"):
        if display := read_text(each, "display"):
            said.append(Concept((), (display,), ()))
        role = chart.resolve(read_reference(each), resource)
        if role is not None and kind_of(role) == "PractitionerRole":
            said += read_concepts(role, "specialty")
    return said


def is_ordered(resource: JsonObject) -> bool:
    """Whether a ServiceRequest or DeviceRequest is an order that stands."""
    return (
        read_text(resource, "status") in ORDERED
        and read_text(resource, "intent") in ORDER_INTENTS
        and not read_flag(resource, "doNotPerform")
    )


def order_code(resource: JsonObject) -> Concept:
    """What a ServiceRequest asks for: a concept [R5: in a CodeableReference]."""
    code = read_object(resource, "code")
    if code is not None and "concept" in code:
        return concept(read_object(code, "concept"))
    return concept(code)
