"""Dutch agreements on medication: each a row that stays as it was made, ended by another row that stops it."""

from typing import Any

import pytest

from prodrome.rules.facts import Indication
from tests.fhir_mappers.build import PROPRANOLOL, SNOMED, Json, concept, dose, facts, period, request, statement

NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
MOCLOBEMIDE = concept(text="MOCLOBEMIDE TABLET 150MG")


def stop_type(code: str) -> Json:
    return {"url": NICTIZ + "ext-StopType", "valueCodeableConcept": concept(SNOMED, code)}


def agreement(
    since: str | None,
    until: str | None = None,
    *,
    stop: str | None = None,
    treatment: str | None = "1",
    drug: Json = MOCLOBEMIDE,
    days: int | None = None,
    **more: Any,
) -> Json:
    """A Dutch medication agreement, as the test data of Nictiz have it: of status unknown, its dates in extensions."""
    length: list[Json] = []
    if days:
        length = [{"url": NICTIZ + "ext-TimeInterval.Duration", "valueDuration": {"value": days, "code": "d"}}]
    use = period(since, until) | ({"extension": length} if length else {})
    extensions: list[Json] = [{"url": NICTIZ + "ext-TimeInterval.Period", "valuePeriod": use}]
    if treatment:
        named = {"url": NICTIZ + "ext-PharmaceuticalTreatment.Identifier", "valueIdentifier": {"value": treatment}}
        extensions.append(named)
    ended = {"modifierExtension": [stop_type(stop)]} if stop else {}
    none: Json = {"authoredOn": None, "reasonCode": None}
    return request(drug, "unknown", extension=extensions, **(none | ended | more))


BEGUN, STOPPED_IN_JANUARY = agreement("2025-09-01"), agreement("2025-09-01", "2026-01-10", stop="410546004")
AGREEMENTS: list[tuple[str, tuple[Json, ...], bool]] = [
    ("an agreement without an end", (BEGUN,), True),
    ("for a length that is over", (agreement("2025-09-01", days=70),), False),
    ("for a length that is not", (agreement("2026-06-01", days=70),), True),
    ("stopped", (BEGUN, STOPPED_IN_JANUARY), False),
    ("suspended", (BEGUN, agreement("2025-09-01", "2026-01-10", stop="385655000")), False),
    ("to be stopped", (BEGUN, agreement("2025-09-01", "2026-07-01", stop="410546004")), True),
    ("stopped, then begun anew", (BEGUN, STOPPED_IN_JANUARY, agreement("2026-02-01", treatment="2")), True),
    ("changed: stopped and replaced", (BEGUN, STOPPED_IN_JANUARY, agreement("2026-01-11")), True),
    (
        "another treatment stopped",
        (BEGUN, agreement("2025-09-01", "2026-01-10", stop="410546004", treatment="2")),
        True,
    ),
    (
        "stopped without an identifier",
        (agreement("2025-09-01", treatment=None), agreement(None, "2026-01-10", stop="410546004")),
        False,
    ),
    (
        "another drug stopped",
        (
            agreement("2025-09-01", treatment=None),
            agreement("2025-09-01", "2026-01-10", stop="410546004", drug=concept(text="Linezolid 600 mg")),
        ),
        True,
    ),
    (
        "one whose extensions are odd",
        (statement(MOCLOBEMIDE, "active", "2025-09-01", None, extension="x"), STOPPED_IN_JANUARY),
        False,
    ),
]


@pytest.mark.parametrize(("name", "rows", "taken"), AGREEMENTS, ids=[row[0] for row in AGREEMENTS])
def test_a_dutch_agreement_ends_the_one_it_stops_which_stays_as_it_was_made(
    name: str, rows: tuple[Json, ...], taken: bool
) -> None:
    groups = {each.group for each in facts(*rows).co_medications}
    assert bool(groups & {"maoi", "mao_a_inhibitor"}) is taken, name


def test_an_agreement_of_medication_process_9_0_says_the_same_in_its_older_extensions() -> None:
    def older(since: str, treatment: str, *more: Json, **elements: Any) -> Json:
        extensions = [
            {"url": NICTIZ + "zib-Medication-PeriodOfUse", "valuePeriod": {"start": since}},
            {"url": NICTIZ + "zib-Medication-MedicationTreatment", "valueIdentifier": {"value": treatment}},
            *more,
        ]
        return request(MOCLOBEMIDE, **({"authoredOn": since, "extension": extensions} | elements))

    def is_taken(*rows: Json) -> bool:
        return bool(facts(*rows).co_medications)

    weeks = {
        "url": NICTIZ + "zib-MedicationUse-Duration",
        "valueDuration": {"value": 10, "unit": "weken", "code": "wk"},
    }
    begun, other = older("2025-09-01", "1"), older("2025-09-01", "2")
    old_type = concept("urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.1", "2")
    stop_type_of_old = {"url": NICTIZ + "zib-Medication-StopType", "valueCodeableConcept": old_type}
    stopped = older("2026-01-10", "1", modifierExtension=[stop_type_of_old])
    assert (is_taken(begun), is_taken(older("2025-09-01", "1", weeks))) == (True, False)
    assert (is_taken(begun, stopped), is_taken(other, stopped)) == (False, True)


def test_a_dutch_agreement_that_was_changed_is_one_trial_that_runs() -> None:
    first = agreement("2025-01-01", drug=PROPRANOLOL)
    stop = agreement("2025-01-01", "2025-04-01", drug=PROPRANOLOL, stop="410546004")
    second = agreement("2025-04-02", drug=PROPRANOLOL, dosageInstruction=[dose(160)])
    trials = facts(first, stop, second).trials
    assert [(trial.running, [step.amount for step in trial.steps]) for trial in trials] == [(True, [80, 160])]


def test_why_a_dutch_agreement_was_stopped_or_changed_is_not_what_the_drug_was_for() -> None:
    why: Json = {"reasonCode": [concept(SNOMED, "58848006", display="gebrek aan geneesmiddeleffect")]}
    stopped = agreement("2025-01-01", "2025-06-01", drug=PROPRANOLOL, stop="410546004", **why)
    changed = agreement("2025-01-01", drug=PROPRANOLOL, **why)
    assert [facts(row).trials[0].indication for row in (stopped, changed)] == [Indication.UNSTATED] * 2
