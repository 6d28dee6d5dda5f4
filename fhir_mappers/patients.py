"""The patient: birth date, sex, and whether alive."""

from functools import partial

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.elements import JsonObject, bare_id, read_flag, read_text
from prodrome.rules import Patient


def read_patient(chart: Chart) -> Patient | None:
    """The Patient resource of our patient, ``None`` where it did not come."""
    found: list[Patient] = []
    chart.each("Patient", partial(_read, chart, found))
    return found[0] if found else None


def _read(chart: Chart, found: list[Patient], ref: str, resource: JsonObject) -> None:
    if chart.patient_id is None or bare_id(resource.get("id")) in (None, chart.patient_id):
        birth, sex = read_when(resource, "birthDate"), read_text(resource, "gender")
        found.append(Patient(birth, sex, (ref,) if ref else (), _is_deceased(resource)))


def _is_deceased(resource: JsonObject) -> bool:
    """Whether ``deceased[x]`` says so: true, or any date."""
    return read_flag(resource, "deceasedBoolean") or read_when(resource, "deceasedDateTime") is not None
