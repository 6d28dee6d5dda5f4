"""Drugs taken now that matter for others: inhibitors of monoamine oxidase and strong inhibitors of CYP3A4."""

from collections.abc import Iterable

from prodrome.fhir_mappers.courses import CourseRow
from prodrome.fhir_mappers.medications import Lexicon
from prodrome.rules import CoMedication


def read_co_medications(rows: Iterable[CourseRow], lexicon: Lexicon) -> list[CoMedication]:
    """The co-medication groups among running rows; ointments and shampoos are left out."""
    return [
        CoMedication(group, row.said.named.label, (row.ref,) if row.ref else ())
        for row in rows
        if row.running and row.course is None
        for group in sorted(row.said.groups)
        if lexicon.is_systemic(row.said.named)
    ]
