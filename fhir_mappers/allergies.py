"""Active allergies and intolerances to the drugs of the tables."""

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import read_concept, sets_of, status_codes
from prodrome.fhir_mappers.elements import JsonObject, read_object, read_objects, read_text
from prodrome.fhir_mappers.medications import Lexicon, Named
from prodrome.fhir_mappers.phrases import found_in, phrases
from prodrome.rules import Allergy

KINDS = frozenset({"allergy", "intolerance"})
NOT_SO = frozenset({"refuted", "entered-in-error"})
NSAID = "nsaid"
NSAID_CODES = "nsaid_hypersensitivity"  # code set: a hypersensitivity to the whole class
NSAID_WORDS = phrases({NSAID: ("nsaid", "nsaids", "non-steroidal", "nonsteroidal")})


def read_allergies(chart: Chart, lexicon: Lexicon) -> list[Allergy]:
    """Allergies to single drugs, and to NSAIDs as a class."""
    allergies: list[Allergy] = []

    def read(ref: str, resource: JsonObject) -> None:
        status = status_codes(resource, "clinicalStatus")
        if (status and "active" not in status) or not status_codes(resource, "verificationStatus").isdisjoint(NOT_SO):
            return
        refs = (ref,) if ref else ()
        said = read_concept(resource, "code")
        medicine = lexicon.recognise(Named(said))
        if NSAID_CODES in sets_of(chart.guideline, said.codes):
            allergies.append(Allergy(NSAID, _type(resource), True, refs))
        elif medicine:
            allergies.append(Allergy(medicine.drug.id, _type(resource), medicine.coded, refs))
        elif any(found_in(text, NSAID_WORDS) for text in said.texts):
            allergies.append(Allergy(NSAID, _type(resource), False, refs))

    chart.each("AllergyIntolerance", read)
    return allergies


def _type(resource: JsonObject) -> str | None:
    if type(resource.get("type")) is dict:  # R5
        codings = read_objects(read_object(resource, "type") or {}, "coding")
        said = [read_text(each, "code") for each in codings]
    else:
        said = [read_text(resource, "type")]
    return next((each for each in said if each in KINDS), None)
