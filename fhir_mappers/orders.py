"""The orders in hand: the medication requests of ``context.draftOrders``, or those of them that are selected."""

from collections.abc import Sequence
from datetime import date

from prodrome.fhir_mappers.chart import ANOTHER, Chart, stop_type
from prodrome.fhir_mappers.courses import NO_DRUG, tell_dose, use_of
from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.doses import is_bounded_by_words, read_bounds, read_dosing
from prodrome.fhir_mappers.elements import (
    JsonObject,
    Unreadable,
    bare_id,
    read_flag,
    read_objects,
    read_text,
    reference_key,
)
from prodrome.fhir_mappers.indications import read_reason
from prodrome.fhir_mappers.medications import Lexicon, Recognition
from prodrome.fhir_mappers.named_medicines import Medicine
from prodrome.rules import DraftOrder, Indication, When, length
from prodrome.rules.guideline import Drug

BEING_ENDED = frozenset({"stopped", "completed", "ended", "cancelled", "entered-in-error"})
"""Statuses of an order whose signing ends it, or undoes it: nobody starts its drug."""
KIND = "MedicationRequest"


def read_orders(
    chart: Chart, lexicon: Lexicon, selections: Sequence[str] | None
) -> tuple[list[DraftOrder], list[DraftOrder]]:
    """The selected orders of drugs in the tables, and those beside them.

    ``selections`` are ``Type/id``, bare ids or the ``fullUrl`` of an entry, ``None`` for all; one that names no entry
    is disclosed.
    """
    selected = None if selections is None else _names(chart, selections)
    orders: list[DraftOrder] = []
    beside: list[DraftOrder] = []
    for place, ref, resource in chart.orders:
        is_selected = selected is None or not selected.isdisjoint(chart.names_of(resource))
        try:
            order = _order(chart, lexicon, place, ref, resource, is_selected=is_selected)
        except Unreadable as error:
            chart.skip(KIND, ref, f"draft order, {error}", resource)
        else:
            if order is not None:
                (orders if is_selected else beside).append(order)
    return orders, beside


def _names(chart: Chart, selections: Sequence[str]) -> frozenset[str]:
    """The names the selections mean, a ``urn:`` also as the id in it."""
    meant: set[str] = set()
    if chart.orders and not selections:
        chart.puzzled("context", "selection", "names none of the orders in hand", "", "")
    for selection in selections:
        names = {reference_key(selection)}
        if selection.startswith("urn:"):
            names.add(bare_id(selection) or "")
        if chart.order_names.isdisjoint(names):
            chart.puzzled("context", "selection", "names no order in hand", "", selection)
        meant |= names
    return frozenset(meant)


def _order(
    chart: Chart, lexicon: Lexicon, place: int, ref: str, resource: JsonObject, *, is_selected: bool
) -> DraftOrder | None:
    ended = read_text(resource, "status") in BEING_ENDED or read_flag(resource, "doNotPerform") or stop_type(resource)
    if ended:
        return None
    if not chart.concerns_us(resource):
        chart.puzzled(KIND, "subject", ANOTHER, ref, "")
        return None
    said = lexicon.read(chart, resource)
    medicine = said.medicine
    parts = lexicon.parts(said.named) if medicine is None or medicine.drug.is_last_resort else ()
    if medicine is None:
        if not said.groups:
            chart.puzzled(KIND, "ordered drug", NO_DRUG, ref, said.written)
        return _combination(chart, place, ref, resource, said, parts) if parts else None
    chart.understood(KIND, "ordered drug")
    entries = read_objects(resource, "dosageInstruction")
    dosing = read_dosing(entries, medicine, chart.guideline)
    use = use_of(medicine, dosing)
    reason = read_reason(chart, resource)
    if use is None or (medicine.unspecific and reason.indication is not Indication.MIGRAINE):
        return None
    if is_selected:
        tell_dose(chart, KIND, ref, entries, dosing, medicine, use)
    return DraftOrder(
        place=place,
        ref=ref or f"{KIND}#{place + 1}",
        drug=medicine.drug.id,
        use=use,
        coded=medicine.coded,
        systemic=medicine.systemic and dosing.systemic,
        per_day=None if dosing.scheduled and is_bounded_by_words(entries) else dosing.scheduled,
        single_dose=dosing.single,
        route=dosing.route or medicine.route,
        indication=reason.indication,
        display=medicine.label,
        days=None if dosing.as_needed else _days(resource, chart.today),
        parts=tuple(drug.id for drug in parts),
    )


def _combination(
    chart: Chart, place: int, ref: str, resource: JsonObject, said: Recognition, parts: tuple[Drug, ...]
) -> DraftOrder | None:
    """The order of a combination that is no drug of the tables, by what it holds of those that are."""
    main, *others = parts
    medicine = Medicine(main, False)
    dosing = read_dosing(read_objects(resource, "dosageInstruction"), medicine, chart.guideline)
    use = use_of(medicine, dosing)
    if use is None:
        return None
    return DraftOrder(
        place=place,
        ref=ref or f"{KIND}#{place + 1}",
        drug=main.id,
        use=use,
        coded=False,
        systemic=dosing.systemic,
        indication=read_reason(chart, resource).indication,
        display=said.named.label or said.named.concept.label,
        parts=tuple(drug.id for drug in others),
        listed=False,
    )


def _days(resource: JsonObject, today: date) -> float | None:
    """The least days on end that the order is to be taken for."""
    begun = read_when(resource, "authoredOn") or When(today, today)
    start, end = read_bounds(read_objects(resource, "dosageInstruction"), begun)
    return None if end is None else length(start or begun, end).least
