"""FHIR resources to plain dated facts: R4, R4B and R5, by shape, read tolerantly.

Only the elements a fact needs are read. A resource that cannot be read is skipped, disclosed in ``Facts.skipped``, and
makes its kind incomplete. Nothing here decides anything clinical, and nothing raises, whatever JSON comes in.
"""

from collections.abc import Callable
from datetime import date

from prodrome.fhir_mappers.administrations import read_given
from prodrome.fhir_mappers.allergies import read_allergies
from prodrome.fhir_mappers.chart import Chart, Record
from prodrome.fhir_mappers.co_medications import read_co_medications
from prodrome.fhir_mappers.code_systems import ACT_CODE, locate, plain_code
from prodrome.fhir_mappers.collecting import (
    BundleEntry,
    collect,
    is_answer,
    kind_of,
    lacks_some,
    next_links,
    total_of,
    worse,
)
from prodrome.fhir_mappers.conditions import read_conditions
from prodrome.fhir_mappers.courses import read_courses
from prodrome.fhir_mappers.elements import bare_id, load_json, reference_key
from prodrome.fhir_mappers.encounters import read_encounters
from prodrome.fhir_mappers.export_rows import DIAGNOSING, MigraineCodes, Orders, is_asked_for, is_since, whose
from prodrome.fhir_mappers.follow_ups import read_follow_ups
from prodrome.fhir_mappers.kinds import KINDS, R4_NAMES, R5_NAMES, REFERRED_TO, SHARED_KINDS, Kind, Search
from prodrome.fhir_mappers.medications import Lexicon, lexicon_of
from prodrome.fhir_mappers.observation_codes import ACUTE_DAYS, ATTACKS, DAY_COUNTS, RELIEVED, TREATED
from prodrome.fhir_mappers.observations import read_observations
from prodrome.fhir_mappers.orders import read_orders
from prodrome.fhir_mappers.patients import read_patient
from prodrome.fhir_mappers.site_codes import read_site_codes
from prodrome.fhir_mappers.taken_for import SITE, Meaning, code_taken_for, words_taken_for
from prodrome.fhir_mappers.treatments import read_treatments
from prodrome.fhir_mappers.trials import build_trials
from prodrome.fhir_mappers.understanding import Share, counted, shares
from prodrome.rules import Facts, make_all
from prodrome.rules.guideline import RXNORM, SNOMED, Guideline

__all__ = [
    "ACT_CODE",
    "ACUTE_DAYS",
    "ATTACKS",
    "DAY_COUNTS",
    "DIAGNOSING",
    "KINDS",
    "R4_NAMES",
    "R5_NAMES",
    "REFERRED_TO",
    "RELIEVED",
    "SHARED_KINDS",
    "SITE",
    "TREATED",
    "BundleEntry",
    "Kind",
    "Meaning",
    "MigraineCodes",
    "Orders",
    "Record",
    "Search",
    "Share",
    "bare_id",
    "code_taken_for",
    "collect",
    "counted",
    "is_answer",
    "is_asked_for",
    "is_since",
    "kind_of",
    "lacks_some",
    "load_json",
    "locate",
    "make_ready",
    "next_links",
    "plain_code",
    "read_facts",
    "reference_key",
    "shares",
    "total_of",
    "whose",
    "words_taken_for",
    "worse",
]


def make_ready(guideline: Guideline) -> None:
    """Make ready what charts are read with: words, and the tables of products that most codes are found in."""
    make_all(guideline)
    for system in (RXNORM, SNOMED):
        guideline.product("", system)
        guideline.combined("", system)


def read_facts(record: Record, guideline: Guideline, today: date, in_time: Callable[[], None] = lambda: None) -> Facts:
    """Everything a record says about its patient, as of ``today``. Never raises on the JSON in it.

    ``in_time`` is called again and again meanwhile; what it raises ends the reading.
    """
    return _read(record, Chart(record, guideline, today, in_time), lexicon_of(guideline))


def _read(record: Record, chart: Chart, lexicon: Lexicon) -> Facts:
    rows = read_courses(chart, lexicon)
    courses = [row.course for row in rows if row.course]
    trials = build_trials(courses, read_given(chart, lexicon), chart.guideline)
    allergies = read_allergies(chart, lexicon)
    visits, contacts = read_encounters(chart)
    observed = read_observations(chart, lexicon)
    orders, beside = read_orders(chart, lexicon, record.selections)
    return Facts(
        patient=read_patient(chart),
        conditions=tuple(read_conditions(chart)),
        readings=tuple(observed.readings),
        trials=tuple(trials),
        attack_records=tuple(observed.attack_records),
        allergies=tuple(allergies),
        co_medications=tuple(read_co_medications(rows, lexicon)),
        headache_months=tuple(observed.headache_months),
        acute_use_months=tuple(observed.acute_use_months),
        hospital_visits=tuple(visits),
        follow_ups=(*contacts, *read_follow_ups(chart)),
        non_drug_treatments=tuple(read_treatments(chart)),
        orders=tuple(orders),
        declared=record.declared,
        orders_beside=tuple(beside),
        completeness=chart.completeness(record.completeness),
        skipped=tuple(chart.skipped.values()),
        read=chart.counts(),
        understood=chart.told,
        not_understood=tuple(chart.not_understood),
        site_codes=read_site_codes(chart),
    )
