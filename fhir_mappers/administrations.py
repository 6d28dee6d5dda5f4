"""Doses and cycles that were given: administrations of injected preventives and the chemodenervation procedure."""

from functools import partial
from typing import NamedTuple

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import read_concept, sets_of
from prodrome.fhir_mappers.dates import read_moment
from prodrome.fhir_mappers.doses import quantity_in
from prodrome.fhir_mappers.elements import JsonObject, read_object, read_text
from prodrome.fhir_mappers.indications import Reason, read_reason
from prodrome.fhir_mappers.medications import TOXIN_CLASS, Lexicon
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.rules import When, per_guideline
from prodrome.rules.guideline import Drug, Guideline

_DONE = frozenset({"completed", "in-progress"})
NOT_DONE = "not-done"
CHEMODENERVATION = "chemodenervation"  # code set


class Given(NamedTuple):
    """One administration or procedure, done or recorded as not done. ``amount`` in mg or units."""

    ref: str
    drug: Drug
    when: When | None
    amount: float | None
    coded: bool
    unspecific: bool
    not_done: bool
    is_procedure: bool
    reason: Reason


def read_given(chart: Chart, lexicon: Lexicon) -> list[Given]:
    """Every administration of a drug whose trials count administrations."""
    given: list[Given] = []
    chart.each("MedicationAdministration", partial(_read_administration, chart, lexicon, given))
    if (toxin := _toxin(chart.guideline)) is not None:
        chart.each("Procedure", partial(_read_procedure, chart, toxin, _are_chemodenervation(chart.guideline), given))
    return given


def _read_administration(chart: Chart, lexicon: Lexicon, given: list[Given], ref: str, resource: JsonObject) -> None:
    status = read_text(resource, "status")
    if status not in _DONE and status != NOT_DONE:
        return
    medicine = lexicon.read(chart, resource).medicine
    if medicine is None or not medicine.drug.preventive or medicine.drug.preventive.per != "administration":
        return
    if not medicine.systemic:
        return
    dosage = read_object(resource, "dosage")
    given.append(
        Given(
            ref=ref,
            drug=medicine.drug,
            when=read_moment(resource, "effective", "occurence", "occurrence"),  # R5 spells it both ways
            amount=quantity_in(read_object(dosage, "dose") if dosage else None, medicine),
            coded=medicine.coded,
            unspecific=medicine.unspecific,
            not_done=status == NOT_DONE,
            is_procedure=False,
            reason=read_reason(chart, resource),
        )
    )


def _read_procedure(
    chart: Chart,
    toxin: Drug,
    are_chemodenervation: ElementMemory[bool],
    given: list[Given],
    ref: str,
    resource: JsonObject,
) -> None:
    status = read_text(resource, "status")
    if (status not in _DONE and status != NOT_DONE) or not are_chemodenervation.of(resource):
        return
    given.append(
        Given(
            ref=ref,
            drug=toxin,
            when=read_moment(resource, "performed", "occurrence"),
            amount=None,
            coded=True,
            unspecific=False,
            not_done=status == NOT_DONE,
            is_procedure=True,
            reason=read_reason(chart, resource),
        )
    )


@per_guideline
def _toxin(guideline: Guideline) -> Drug | None:
    """The drug that the procedure gives."""
    return next((d for d in guideline.drugs.values() if d.preventive and d.preventive.drug_class == TOXIN_CLASS), None)


@per_guideline
def _are_chemodenervation(guideline: Guideline) -> ElementMemory[bool]:
    return ElementMemory(partial(_is_chemodenervation, guideline), "code")


def _is_chemodenervation(guideline: Guideline, procedure: JsonObject) -> bool:
    return CHEMODENERVATION in sets_of(guideline, read_concept(procedure, "code").codes)
