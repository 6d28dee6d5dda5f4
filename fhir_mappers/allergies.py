"""Active allergies and intolerances to the drugs of the tables."""

from fhir_mappers.chart import Chart
from fhir_mappers.codes import read_concept, sets_of, status_codes
from fhir_mappers.elements import JsonObject, read_object, read_objects, read_text
from fhir_mappers.medications import Lexicon, Named
from rules.facts import Allergy, Condition

KINDS = frozenset({"allergy", "intolerance"})
NOT_SO = frozenset({"refuted", "entered-in-error"})
NSAID_CLASS = "nsaid_hypersensitivity"  # code set: a hypersensitivity to the whole class


def read_allergies(chart: Chart, lexicon: Lexicon) -> tuple[list[Allergy], list[Condition]]:
    """Allergies to single drugs; and, as a condition, an allergy that is coded as one to NSAIDs as a class."""
    allergies: list[Allergy] = []
    to_class: list[Condition] = []

    def read(ref: str, resource: JsonObject) -> None:
        status = status_codes(resource, "clinicalStatus")
        if (status and "active" not in status) or not status_codes(resource, "verificationStatus").isdisjoint(NOT_SO):
            return
        refs = (ref,) if ref else ()
        said = read_concept(resource, "code")
        if NSAID_CLASS in sets_of(chart.guideline, said.codes):
            to_class.append(Condition(frozenset({NSAID_CLASS}), display=said.label, refs=refs))
            return
        medicine = lexicon.recognise(Named(said))
        if medicine:
            allergies.append(Allergy(medicine.drug.id, _type(resource), medicine.coded, refs))

    chart.each("AllergyIntolerance", read)
    return allergies, to_class


def _type(resource: JsonObject) -> str | None:
    if type(resource.get("type")) is dict:  # R5
        codings = read_objects(read_object(resource, "type") or {}, "coding")
        said = [read_text(each, "code") for each in codings]
    else:
        said = [read_text(resource, "type")]
    return next((each for each in said if each in KINDS), None)
