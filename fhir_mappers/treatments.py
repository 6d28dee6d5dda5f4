"""Treatments without drugs, done or ordered: acupuncture, biofeedback, CBT, relaxation, neurostimulation."""

from functools import partial

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import NOTHING, Concept, concept, read_concept, sets_of, with_unknown
from prodrome.fhir_mappers.dates import read_period, read_when
from prodrome.fhir_mappers.elements import JsonObject, read_objects, read_reference, read_text
from prodrome.fhir_mappers.follow_ups import is_ordered, order_code
from prodrome.fhir_mappers.indications import concept_and_reference, read_reason
from prodrome.fhir_mappers.phrases import found_in, phrases_of
from prodrome.fhir_mappers.remembering import Memory
from prodrome.rules import NonDrugTreatment, When, per_guideline
from prodrome.rules.guideline import Guideline

_DONE = frozenset({"completed", "in-progress"})
USED = frozenset({"active", "completed", "stopped"})
NEUROSTIMULATION = "neurostimulation"
_TREATMENTS = ("acupuncture", "biofeedback", "cbt", "relaxation", NEUROSTIMULATION)  # code sets

_PREFIX = "treatment."
_treatment_words = phrases_of(_PREFIX)


def read_treatments(chart: Chart) -> list[NonDrugTreatment]:
    """Non-drug treatments, each dated by when it was done, ordered or last used."""
    found: list[NonDrugTreatment] = []
    chart.each("Procedure", partial(_read_procedure, chart, found))
    chart.each("ServiceRequest", partial(_read_service_request, chart, found))
    chart.each("DeviceRequest", partial(_read_device_request, chart, found))
    chart.each("DeviceUseStatement", partial(_read_device_use, chart, found))
    return found


def _add(
    chart: Chart,
    found: list[NonDrugTreatment],
    ref: str,
    resource: JsonObject,
    kinds: frozenset[str],
    when: When | None,
) -> None:
    if kinds:
        indication = read_reason(chart, resource).indication
        found.extend(NonDrugTreatment(kind, when, indication, (ref,) if ref else ()) for kind in sorted(kinds))


def _read_procedure(chart: Chart, found: list[NonDrugTreatment], ref: str, resource: JsonObject) -> None:
    status = read_text(resource, "status")
    if status in _DONE and (kinds := _kinds(chart, read_concept(resource, "code"))):
        _add(chart, found, ref, resource, kinds, _last_used(chart, resource, ("performed", "occurrence"), status))


def _read_service_request(chart: Chart, found: list[NonDrugTreatment], ref: str, resource: JsonObject) -> None:
    if is_ordered(resource) and (kinds := _kinds(chart, order_code(resource))):
        _add(chart, found, ref, resource, kinds, read_when(resource, "authoredOn"))


def _read_device_request(chart: Chart, found: list[NonDrugTreatment], ref: str, resource: JsonObject) -> None:
    if is_ordered(resource):
        kinds = _device_kinds(chart, resource, ("codeCodeableConcept", "codeReference", "code"))
        _add(chart, found, ref, resource, kinds, read_when(resource, "authoredOn"))


def _read_device_use(chart: Chart, found: list[NonDrugTreatment], ref: str, resource: JsonObject) -> None:
    status = read_text(resource, "status")
    if status in USED:
        kinds = _device_kinds(chart, resource, ("device",))
        _add(chart, found, ref, resource, kinds, _device_used(chart, resource, status))


def _kinds(chart: Chart, said: Concept) -> frozenset[str]:
    return _treatments(chart.guideline)[said]


@per_guideline
def _treatments(guideline: Guideline) -> Memory[Concept, frozenset[str]]:
    return Memory(partial(_treatments_in, guideline))


def _treatments_in(guideline: Guideline, said: Concept) -> frozenset[str]:
    wanted = _treatment_words(guideline)
    texts = with_unknown(said, guideline.sets_of).texts
    worded = (name.removeprefix(_PREFIX) for text in texts for name in found_in(text, wanted))
    return sets_of(guideline, said.codes).intersection(_TREATMENTS).union(worded)


def _device_kinds(chart: Chart, resource: JsonObject, names: tuple[str, ...]) -> frozenset[str]:
    """What a device use or order is of: its concept, the device's type and names, or the display of the reference."""
    kinds: frozenset[str] = frozenset()
    for name in names:
        for value in read_objects(resource, name):
            said, reference = concept_and_reference(value)
            if reference is not None:
                said = _device(chart, reference, resource)
            kinds |= _kinds(chart, said or NOTHING)
    return kinds & {NEUROSTIMULATION, "biofeedback"}


def _device(chart: Chart, reference: JsonObject, within: JsonObject) -> Concept:
    display = read_text(reference, "display")
    texts = (display,) if display else ()
    device = chart.resolve(read_reference(reference), within)
    if device is None:
        return Concept((), texts, ())
    types = [concept(each) for each in read_objects(device, "type")]
    names = [read_text(each, "name") for each in read_objects(device, "deviceName")]
    names += [read_text(each, "value") for each in read_objects(device, "name")]  # R5
    return Concept(
        codes=tuple(code for said in types for code in said.codes),
        texts=texts + tuple(text for said in types for text in said.texts) + tuple(name for name in names if name),
        displays=tuple(display for said in types for display in said.displays),
    )


def _last_used(chart: Chart, resource: JsonObject, stems: tuple[str, ...], status: str | None) -> When | None:
    """The last day something was done: of an open period, today while it goes on, else its start."""
    for stem in stems:
        if when := read_when(resource, stem + "DateTime"):
            return when
        start, end = read_period(resource, stem + "Period")
        if start or end:
            return _last_of(chart, start, end, status in ("active", "in-progress"))
    return None


def _device_used(chart: Chart, resource: JsonObject, status: str | None) -> When | None:
    if when := _last_used(chart, resource, ("timing",), status):
        return when
    return _last_of(
        chart, read_when(resource, "recordedOn") or read_when(resource, "dateAsserted"), None, status == "active"
    )


def _last_of(chart: Chart, start: When | None, end: When | None, goes_on: bool) -> When | None:
    if end and end.last < chart.today:
        return end
    return When(chart.today, chart.today) if goes_on else end or start
