"""The kinds of FHIR resource that facts are read from: one row a kind, for whoever asks for them or speaks of them.

The prefetch templates, the FHIR client, the population's runs and the words of cards are made from this table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prodrome.fhir_mappers.codes import Code
from prodrome.fhir_mappers.observation_codes import diary_codes, measurement_codes
from prodrome.rules.guideline import Guideline, NumericParameter


@dataclass(frozen=True, slots=True)
class Search:
    """How a patient's resources of a kind are asked for, under the prefetch key ``key``.

    ``include`` is the search parameter whose targets come along. ``since`` names the parameters (days) of which the
    longest bounds the search. ``codes`` are those asked for, where not all are. ``facts`` are the fact types that this
    search alone is for; a kind's search without them is for the others.
    """

    key: str
    include: str = ""
    since: tuple[NumericParameter, ...] = ()
    codes: Callable[[Guideline], Iterable[Code]] | None = None
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource, by its R4 name.

    ``words`` are what a clinician calls a patient's resources of the kind, ``r5`` is its name in R5 where that is
    another. A kind without ``searches`` is read only where others refer to it. ``refers`` are the elements (of R4 and
    R5) through which a fact of this kind may depend on a resource of a kind that is ``referred_to``.
    """

    name: str
    words: str = ""
    r5: str = ""
    searches: tuple[Search, ...] = ()
    refers: tuple[str, ...] = ()
    referred_to: bool = False


_REASON = ("reasonReference", "reason")
_MEDICINE = ("medicationReference", "medication", *_REASON)
_VISITS: tuple[NumericParameter, ...] = ("specialist_lookback_days", "ed_followup_window_days")
_READINGS: tuple[NumericParameter, ...] = (
    "heart_rate_lookback_days",
    "blood_pressure_lookback_days",
    "pregnancy_max_days",
)
_DIARY_FACTS = frozenset({"month", "acute_use", "acute_use_together", "attacks", "attack_record", "eligibility_limit"})

# Encounters, appointments and measurements are bounded by the longest look-back any rule has on them. Referrals,
# procedures and devices are not: one without a date counts. Diary rows are not: attacks of any age count.
_KINDS = (
    Kind("Patient", "the patient's details", searches=(Search("patient"),)),
    Kind("Condition", "the problem list", searches=(Search("conditions"),), referred_to=True),
    Kind(
        "MedicationStatement",
        "the medication list",
        searches=(Search("medicationStatements", include="medication"),),
        refers=_MEDICINE,
    ),
    Kind(
        "MedicationRequest",
        "prescriptions",
        searches=(Search("medicationRequests", include="medication"),),
        refers=_MEDICINE,
    ),
    Kind(
        "MedicationDispense",
        "dispensed medication",
        searches=(Search("medicationDispenses", include="medication"),),
        refers=_MEDICINE,
    ),
    Kind(
        "MedicationAdministration",
        "administered medication",
        searches=(Search("medicationAdministrations"),),
        refers=_MEDICINE,
    ),
    Kind("AllergyIntolerance", "allergies", searches=(Search("allergyIntolerances"),)),
    Kind(
        "Observation",
        "diary entries and measurements",
        searches=(
            Search("headacheDiary", codes=diary_codes, facts=_DIARY_FACTS),
            Search("measurements", codes=measurement_codes, since=_READINGS),
        ),
    ),
    Kind(
        "Encounter",
        "visits",
        searches=(Search("encounters", include="participant", since=_VISITS),),
        refers=(*_REASON, "diagnosis", "participant"),
    ),
    Kind("Appointment", "appointments", searches=(Search("appointments", since=_VISITS),)),
    Kind("ServiceRequest", "referrals", searches=(Search("serviceRequests"),), refers=_REASON),
    Kind("Procedure", "procedures", searches=(Search("procedures"),), refers=_REASON),
    Kind("DeviceUseStatement", "devices in use", r5="DeviceUsage", searches=(Search("deviceUseStatements"),)),
    Kind("DeviceRequest", "device orders", searches=(Search("deviceRequests"),)),
    Kind("Medication", referred_to=True),
    Kind("PractitionerRole", referred_to=True),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}
R5_NAMES: Mapping[str, str] = {kind.name: kind.r5 for kind in _KINDS if kind.r5}
R4_NAMES: Mapping[str, str] = {r5: name for name, r5 in R5_NAMES.items()}

REFERRED_TO = frozenset(kind.name for kind in _KINDS if kind.referred_to)
"""The kinds that a fact of another resource may depend on."""
SHARED_KINDS = tuple(kind.name for kind in _KINDS if kind.referred_to and not kind.searches)
"""Of those, the ones that are nobody's own: a chart gets what its resources refer to."""
