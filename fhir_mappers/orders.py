"""The orders in hand: the medication requests of ``context.draftOrders``, or those of them that are selected."""

from collections.abc import Sequence

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.courses import use_of
from prodrome.fhir_mappers.doses import read_dosing
from prodrome.fhir_mappers.elements import JsonObject, Unreadable, read_flag, read_objects, read_text, reference_key
from prodrome.fhir_mappers.indications import read_reason
from prodrome.fhir_mappers.medications import Lexicon, read_named
from prodrome.rules import DraftOrder, Indication

WITHDRAWN = frozenset({"entered-in-error", "cancelled"})
KIND = "MedicationRequest"


def read_orders(chart: Chart, lexicon: Lexicon, selections: Sequence[str] | None) -> list[DraftOrder]:
    """The selected orders of drugs in the tables; ``selections`` are ``Type/id`` or bare ids, ``None`` for all."""
    selected = None if selections is None else {reference_key(each) for each in selections}
    orders = []
    for place, ref, resource in chart.orders:
        if selected is None or ref in selected or ref.rpartition("/")[2] in selected:
            try:
                order = _order(chart, lexicon, place, ref, resource)
            except Unreadable as error:
                chart.skip(KIND, ref, f"draft order, {error}", resource)
            else:
                orders += [order] if order else []
    return orders


def _order(chart: Chart, lexicon: Lexicon, place: int, ref: str, resource: JsonObject) -> DraftOrder | None:
    withdrawn = read_text(resource, "status") in WITHDRAWN or read_flag(resource, "doNotPerform")
    if withdrawn or not chart.concerns_us(resource):
        return None
    medicine = lexicon.recognise(read_named(chart, resource))
    if medicine is None:
        return None
    dosing = read_dosing(read_objects(resource, "dosageInstruction"), medicine, chart.guideline)
    use = use_of(medicine, dosing)
    reason = read_reason(chart, resource)
    if use is None or (medicine.unspecific and reason.indication is not Indication.MIGRAINE):
        return None
    return DraftOrder(
        place=place,
        ref=ref or f"{KIND}#{place + 1}",
        drug=medicine.drug.id,
        use=use,
        coded=medicine.coded,
        systemic=medicine.systemic and dosing.systemic,
        per_day=dosing.per_day,
        single_dose=dosing.single,
        route=dosing.route or medicine.route,
        indication=reason.indication,
        display=medicine.label,
    )
