"""The patient: birth date and sex."""

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.elements import JsonObject, bare_id, read_text
from prodrome.rules import Patient


def read_patient(chart: Chart) -> Patient | None:
    """The Patient resource of our patient, ``None`` where it did not come."""
    found: list[Patient] = []

    def read(ref: str, resource: JsonObject) -> None:
        if chart.patient_id is None or bare_id(resource.get("id")) in (None, chart.patient_id):
            birth, sex = read_when(resource, "birthDate"), read_text(resource, "gender")
            found.append(Patient(birth, sex, (ref,) if ref else ()))

    chart.each("Patient", read)
    return found[0] if found else None
