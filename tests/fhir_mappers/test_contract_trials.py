"""The contract on trials: how long, how much, why it ended, what for. One row per line of it."""

from typing import Any

import pytest

from tests.fhir_mappers.build import (
    CPT,
    INEFFECTIVE,
    LOCAL,
    MIGRAINE,
    REQUEST_REASON,
    SIDE_EFFECT,
    SNOMED,
    Json,
    administration,
    concept,
    condition,
    dose,
    facts,
    period,
    procedure,
    request,
    resource,
    rxnorm,
    statement,
)
from tests.fhir_mappers.contract import (
    Ask,
    Row,
    both,
    dates,
    doses,
    drugs,
    given,
    indications,
    singles,
    skipped,
    states,
    stops,
)

DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}
TABLET = rxnorm("856448")  # propranolol 10 mg
IMITREX = concept(text="Sumatriptan 25 mg tablet")


def timed(**repeat: Any) -> list[Json]:
    return [{"timing": {"repeat": DAILY | repeat}, "doseAndRate": [{"doseQuantity": {"value": 80, "unit": "mg"}}]}]


def prescribed(status: str = "completed", **more: Any) -> Json:
    return request(status=status, **more)


def dispensed(drug: Json | None = TABLET, on: str | None = "2026-05-01", days: float | None = 90, **more: Any) -> Json:
    supply = {"value": days, "unit": "days", "code": "d"} if days else None
    return resource(
        "MedicationDispense",
        **{
            "status": "completed",
            "medicationCodeableConcept": drug,
            "whenHandedOver": on,
            "daysSupply": supply,
            "dosageInstruction": [dose()],
        }
        | more,
    )


WHEN: list[Row] = [
    ("effectivePeriod", (statement(),), dates, [("2025-01-01", "2025-06-01")]),
    (
        "effectiveDateTime",
        (statement(effectivePeriod=None, effectiveDateTime="2025-03-01"),),
        dates,
        [("2025-03-01", None)],
    ),
    ("dateAsserted", (statement(effectivePeriod=None, dateAsserted="2025-04-01"),), dates, [("2025-04-01", None)]),
    ("effective before asserted", (statement(dateAsserted="2025-09-01"),), dates, [("2025-01-01", "2025-06-01")]),
    (
        "boundsPeriod",
        (prescribed(dosageInstruction=timed(boundsPeriod=period("2025-02-01", "2025-04-01"))),),
        dates,
        [("2025-02-01", "2025-04-01")],
    ),
    (
        "boundsDuration in weeks",
        (
            prescribed(
                dosageInstruction=timed(
                    boundsDuration={"value": 26, "unit": "wk", "code": "wk", "system": "http://unitsofmeasure.org"}
                )
            ),
        ),
        dates,
        [("2025-01-01", "2025-07-02")],
    ),
    (
        "boundsDuration in months",
        (prescribed(dosageInstruction=timed(boundsDuration={"value": 6, "unit": "months"})),),
        dates,
        [("2025-01-01", "2025-07-02")],
    ),
    (
        "boundsDuration in words of German",
        (prescribed(dosageInstruction=timed(boundsDuration={"value": 12, "unit": "Wochen"})),),
        dates,
        [("2025-01-01", "2025-03-26")],
    ),
    (
        "boundsDuration in words of French",
        (prescribed(dosageInstruction=timed(boundsDuration={"value": 90, "unit": "jours"})),),
        dates,
        [("2025-01-01", "2025-04-01")],
    ),
    *(
        (
            f"the period of use of a Dutch agreement, {name}",
            (
                prescribed(
                    "active",
                    extension=[
                        {
                            "url": f"http://nictiz.nl/fhir/StructureDefinition/{name}",
                            "valuePeriod": period("2025-02-01", "2025-04-01"),
                        }
                    ],
                ),
            ),
            both(dates, states),
            ([("2025-02-01", "2025-04-01")], ["ended"]),
        )
        for name in ("ext-TimeInterval.Period", "zib-Medication-PeriodOfUse")
    ),
    *(
        (
            f"boundsDuration in the word {word}",
            (prescribed(dosageInstruction=timed(boundsDuration={"value": 90, "unit": word})),),
            dates,
            [("2025-01-01", "2025-04-01")],
        )
        for word in ("Day(s)", "Tag(e)", "jour(s)", "giorni", "día(s)", "dni", "dagar", "päivää", "päeva", "日分")
    ),
    (
        "boundsDuration in a unit nobody knows",
        (prescribed(dosageInstruction=timed(boundsDuration={"value": 3, "unit": "moons"})),),
        dates,
        [("2025-01-01", None)],
    ),
    (
        "boundsDuration, still active",
        (prescribed("active", dosageInstruction=timed(boundsDuration={"value": 26, "code": "wk"})),),
        both(states, dates),
        (["ended"], [("2025-01-01", "2025-07-02")]),
    ),
    (
        "boundsDuration that is not over",
        (
            prescribed(
                "active", authoredOn="2026-05-01", dosageInstruction=timed(boundsDuration={"value": 26, "code": "wk"})
            ),
        ),
        both(states, dates),
        (["running"], [("2026-05-01", None)]),
    ),
    (
        "boundsRange",
        (
            prescribed(
                dosageInstruction=timed(
                    boundsRange={"low": {"value": 8, "code": "wk"}, "high": {"value": 12, "code": "wk"}}
                )
            ),
        ),
        dates,
        [("2025-01-01", "2025-02-26")],
    ),
    (
        "boundsRange that may not be over",
        (
            prescribed(
                "active",
                authoredOn="2026-04-01",
                dosageInstruction=timed(
                    boundsRange={"low": {"value": 8, "code": "wk"}, "high": {"value": 12, "code": "wk"}}
                ),
            ),
        ),
        states,
        ["running"],
    ),
    (
        "boundsRange, its high end alone",
        (prescribed("active", dosageInstruction=timed(boundsRange={"high": {"value": 12, "code": "wk"}})),),
        states,
        ["ended"],
    ),
    (
        "validityPeriod",
        (prescribed(dispenseRequest={"validityPeriod": period("2025-03-01", "2025-05-01")}),),
        dates,
        [("2025-03-01", "2025-05-01")],
    ),
    (
        "a timing before a validity",
        (
            prescribed(
                dosageInstruction=timed(boundsPeriod=period("2025-02-01", "2025-04-01")),
                dispenseRequest={"validityPeriod": period("2025-01-01", "2026-01-01")},
            ),
        ),
        dates,
        [("2025-02-01", "2025-04-01")],
    ),
    (
        "expectedSupplyDuration",
        (prescribed(dispenseRequest={"expectedSupplyDuration": {"value": 90, "unit": "days", "code": "d"}}),),
        dates,
        [("2025-01-01", "2025-04-01")],
    ),
    (
        "expectedSupplyDuration and repeats",
        (
            prescribed(
                dispenseRequest={"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 2}
            ),
        ),
        dates,
        [("2025-01-01", "2025-04-01")],
    ),
    (
        "expectedSupplyDuration, active",
        (prescribed("active", dispenseRequest={"expectedSupplyDuration": {"value": 30, "code": "d"}}),),
        both(states, dates),
        (["running"], [("2025-01-01", None)]),
    ),
    ("authoredOn alone", (prescribed(),), dates, [("2025-01-01", None)]),
    ("a running request has no end", (prescribed("active"),), dates, [("2025-01-01", None)]),
    ("a period that ends before it starts", (statement(start="2025-06-01", end="2025-01-01"),), dates, [(None, None)]),
    ("months alone", (statement(start="2025-01", end="2025-06"),), dates, [("2025-01-01", "2025-06-01")]),
    (
        "the older address of a duration",
        (
            prescribed(
                dosageInstruction=timed(
                    boundsDuration={"value": 12, "unit": "weeks", "system": "http://unitsofmeasure.org/"}
                )
            ),
        ),
        dates,
        [("2025-01-01", "2025-03-26")],
    ),
]

RENEWED: list[Row] = [
    (
        "a chain",
        tuple(prescribed(authoredOn=day) for day in ("2025-01-01", "2025-02-01", "2025-03-01")),
        lambda read: len(read.trials),
        1,
    ),
    (
        "a chain with supplies",
        tuple(
            prescribed(authoredOn=day, dispenseRequest={"expectedSupplyDuration": {"value": 30, "code": "d"}})
            for day in ("2025-01-01", "2025-02-01", "2025-03-01")
        ),
        dates,
        [("2025-01-01", "2025-03-31")],
    ),
    (
        "a chain that runs",
        (prescribed(authoredOn="2025-01-01"), prescribed("active", authoredOn="2025-03-01")),
        both(states, dates),
        (["running"], [("2025-01-01", None)]),
    ),
    (
        "a gap of 31 days",
        (statement(start="2025-01-01", end="2025-02-01"), statement(start="2025-03-04", end="2025-06-01")),
        lambda read: len(read.trials),
        2,
    ),
    (
        "a gap of 30 days",
        (statement(start="2025-01-01", end="2025-02-01"), statement(start="2025-03-03", end="2025-06-01")),
        lambda read: len(read.trials),
        1,
    ),
    (
        "recorded as statement and request",
        (statement(start="2025-01-01", end="2025-06-01"), prescribed(authoredOn="2025-01-01")),
        lambda read: len(read.trials),
        1,
    ),
]

DISPENSED: list[Row] = [
    ("while its supply lasts", (dispensed(),), both(states, dates), (["running"], [("2026-05-01", None)])),
    (
        "its supply over",
        (dispensed(on="2026-01-01", days=30),),
        both(states, dates, stops),
        (["ended"], [("2026-01-01", "2026-01-31")], ["unknown"]),
    ),
    ("its supply unknown", (dispensed(days=None),), states, ["ended"]),
    ("prepared, not handed over", (dispensed(on=None, whenPrepared="2026-05-01"),), dates, [("2026-05-01", None)]),
    ("no day at all", (dispensed(on=None),), drugs, []),
    (
        "month by month",
        tuple(dispensed(on=f"2026-0{month}-01", days=30) for month in range(1, 6)),
        dates,
        [("2026-01-01", "2026-05-31")],
    ),
    (
        "beside a statement of those days",
        (dispensed(), statement(status="active", start="2026-01-01", end=None)),
        lambda read: len(read.trials),
        1,
    ),
    (
        "beside a request of those days",
        (dispensed(), prescribed("active", authoredOn="2026-01-01")),
        lambda read: len(read.trials),
        1,
    ),
    ("beside a statement of other days", (dispensed(), statement()), lambda read: len(read.trials), 2),
    ("its dose", (dispensed(),), doses, [80]),
    (
        "by reference",
        (
            dispensed(None, medicationReference={"reference": "Medication/m"}),
            {"resourceType": "Medication", "id": "m", "code": TABLET},
        ),
        drugs,
        ["propranolol"],
    ),
    ("R5", (dispensed(None, medication={"concept": TABLET}),), drugs, ["propranolol"]),
    ("supply in weeks", (dispensed(daysSupply={"value": 12, "unit": "weeks", "code": "wk"}),), states, ["running"]),
    ("supply without a unit", (dispensed(daysSupply={"value": 90}),), states, ["running"]),
    ("supply in words only", (dispensed(daysSupply={"value": 90, "unit": "Tage"}),), states, ["running"]),
]


def rate(kind: str | None, **amount: Any) -> Json:
    made: Json = dict(amount)
    if kind:
        made["type"] = concept("http://terminology.hl7.org/CodeSystem/dose-rate-type", kind)
    return made


def q(value: object, unit: str | None = "mg", **more: Any) -> Json:
    return ({"value": value, "unit": unit} if unit else {"value": value}) | more


def each_day(*rates: Json, **more: Any) -> Json:
    return {"timing": {"repeat": DAILY}, "doseAndRate": list(rates)} | more


def at(when: str, amount: float, unit: str = "mg", **more: Any) -> Json:
    return {"timing": {"repeat": {"when": [when]}}, "doseAndRate": [{"doseQuantity": q(amount, unit)}]} | more


HOW_MUCH: list[Row] = [
    ("mg", (statement(dosage=[dose(80)]),), doses, [80]),
    ("g", (statement(dosage=[dose(0.08, "g")]),), doses, [80]),
    ("ug", (statement(dosage=[dose(80000, "ug")]),), doses, [80]),
    ("mcg", (statement(dosage=[dose(80000, "mcg")]),), doses, [80]),
    (
        "by the code where the unit is a word",
        (
            statement(
                dosage=[each_day({"doseQuantity": q(80, "Milligramm", code="mg", system="http://unitsofmeasure.org")})]
            ),
        ),
        doses,
        [80],
    ),
    ("a mass in another word", (statement(dosage=[dose(80, "milligram(s)")]),), doses, [80]),
    (
        "ordered before calculated",
        (statement(dosage=[each_day(rate("calculated", doseQuantity=q(40)), rate("ordered", doseQuantity=q(80)))]),),
        doses,
        [80],
    ),
    (
        "calculated before others",
        (statement(dosage=[each_day(rate(None, doseQuantity=q(10)), rate("calculated", doseQuantity=q(80)))]),),
        doses,
        [80],
    ),
    ("a range", (statement(dosage=[each_day({"doseRange": {"low": q(40), "high": q(80)}})]),), doses, [40]),
    ("a range without a low end", (statement(dosage=[each_day({"doseRange": {"high": q(80)}})]),), doses, [None]),
    ("twice a day", (statement(dosage=[dose(40, frequency=2, period=1, periodUnit="d")]),), doses, [80]),
    ("every 12 hours", (statement(dosage=[dose(40, frequency=1, period=12, periodUnit="h")]),), doses, [80]),
    ("every other day", (statement(dosage=[dose(80, frequency=1, period=2, periodUnit="d")]),), doses, [40]),
    ("morning and evening", (statement(dosage=[dose(40, when=["MORN", "EVE"])]),), doses, [80]),
    ("at two times of the day", (statement(dosage=[dose(40, timeOfDay=["08:00:00", "20:00:00"])]),), doses, [80]),
    ("DSTU2 periodUnits", (statement(dosage=[dose(80, frequency=1, period=1, periodUnits="d")]),), doses, [80]),
    (
        "twice a day by the usage code of Japan",
        (
            statement(
                dosage=[
                    {
                        "timing": {"code": concept("http://jami.jp/CodeSystem/MedicationUsage", "1012040400000000")},
                        "doseAndRate": [{"doseQuantity": q(40)}],
                    }
                ]
            ),
        ),
        doses,
        [80],
    ),
    ("a period without a frequency", (statement(dosage=[dose(80, period=1, periodUnit="d")]),), doses, [80]),
    ("tablets of a product", (statement(TABLET, dosage=[dose(4, "tablet")]),), doses, [40]),
    ("tablets by UCUM annotation", (statement(TABLET, dosage=[dose(4, "{tablet}")]),), doses, [40]),
    ("tablets in German", (statement(TABLET, dosage=[dose(4, "Tablette(n)")]),), doses, [40]),
    ("tablets in French", (statement(TABLET, dosage=[dose(4, "comprimé")]),), doses, [40]),
    ("tablets in Japanese", (statement(TABLET, dosage=[dose(4, "錠")]),), doses, [40]),
    ("tablets in Dutch", (statement(TABLET, dosage=[dose(4, "stuk")]),), doses, [40]),
    (
        "tablets by SNOMED CT",
        (statement(TABLET, dosage=[each_day({"doseQuantity": {"value": 4, "system": SNOMED, "code": "732936001"}})]),),
        doses,
        [40],
    ),
    (
        "tablets by EDQM",
        (
            statement(
                TABLET,
                dosage=[
                    each_day(
                        {
                            "doseQuantity": {
                                "value": 4,
                                "system": "http://standardterms.edqm.eu",
                                "code": "15054000",
                                "unit": "Comprimé",
                            }
                        }
                    )
                ],
            ),
        ),
        doses,
        [40],
    ),
    (
        "tablets by v3-orderableDrugForm",
        (
            statement(
                TABLET,
                dosage=[
                    each_day(
                        {
                            "doseQuantity": {
                                "value": 4,
                                "system": "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm",
                                "code": "TAB",
                            }
                        }
                    )
                ],
            ),
        ),
        doses,
        [40],
    ),
    ("a bare number", (statement(TABLET, dosage=[each_day({"doseQuantity": {"value": 4}})]),), doses, [40]),
    (
        "a bare number, its unit the UCUM one",
        (
            statement(
                TABLET,
                dosage=[each_day({"doseQuantity": {"value": 4, "system": "http://unitsofmeasure.org", "code": "1"}})],
            ),
        ),
        doses,
        [40],
    ),
    (
        "a bare number beside no strength",
        (statement(dosage=[each_day({"doseQuantity": {"value": 4}})]),),
        doses,
        [None],
    ),
    (
        "a bare number in a range",
        (statement(TABLET, dosage=[each_day({"doseRange": {"low": {"value": 2}, "high": {"value": 4}}})]),),
        doses,
        [20],
    ),
    (
        "puffs of a spray",
        (
            statement(
                concept(text="Zolmitriptan 5 mg nasal spray"), dosage=[{"asNeededBoolean": True} | dose(1, "puff")]
            ),
        ),
        singles,
        [5],
    ),
    (
        "two strengths of one product",
        (
            statement(
                concept(text="Sumatriptan 25 mg or 50 mg tablets"),
                dosage=[{"asNeededBoolean": True} | dose(1, "tablet")],
            ),
        ),
        singles,
        [None],
    ),
    ("two entries add up", (statement(dosage=[dose(40), dose(80)]),), doses, [120]),
    (
        "two entries in sequence",
        (statement(dosage=[dose(40) | {"sequence": 1}, dose(80) | {"sequence": 2}]),),
        doses,
        [80],
    ),
    (
        "sequence at different times of one day",
        (statement(dosage=[at("MORN", 100, sequence=1), at("EVE", 50, sequence=2)]),),
        doses,
        [150],
    ),
    (
        "sequence over periods that follow",
        (
            statement(
                dosage=[
                    d | {"sequence": n}
                    for n, d in enumerate(
                        [
                            *timed(boundsPeriod=period("2025-01-01", "2025-01-14")),
                            *timed(boundsPeriod=period("2025-01-14", "2025-06-01")),
                        ],
                        1,
                    )
                ]
            ),
        ),
        doses,
        [80],
    ),
    (
        "sequence over periods that overlap",
        (
            statement(
                dosage=[
                    d | {"sequence": n}
                    for n, d in enumerate(
                        [
                            *timed(boundsPeriod=period("2025-01-01", "2025-06-01")),
                            *timed(boundsPeriod=period("2025-01-01", "2025-06-01")),
                        ],
                        1,
                    )
                ]
            ),
        ),
        doses,
        [160],
    ),
    (
        "sequence on different days of the week",
        (
            statement(
                dosage=[
                    dose(70, dayOfWeek=["mon", "wed"]) | {"sequence": 1},
                    dose(140, dayOfWeek=["fri"]) | {"sequence": 2},
                ]
            ),
        ),
        doses,
        [40],
    ),
    ("in text, daily", (statement(TABLET, dosage=[{"text": "TAKE 1 TABLET BY MOUTH EVERY DAY"}]),), doses, [10]),
    ("in text, a scheme", (statement(TABLET, dosage=[{"text": "1-0-1"}]),), doses, [20]),
    ("in text, every other day", (statement(TABLET, dosage=[{"text": "80 mg every other day"}]),), doses, [40]),
    (
        "in the patient's instruction",
        (statement(TABLET, dosage=[{"patientInstruction": "Take 2 tablets twice a day"}]),),
        doses,
        [40],
    ),
    (
        "the quantity coded, how often in text",
        (statement(TABLET, dosage=[{"doseAndRate": [{"doseQuantity": q(40)}], "text": "twice daily"}]),),
        doses,
        [80],
    ),
    (
        "the quantity coded, how often in the timing's text",
        (
            statement(
                TABLET,
                dosage=[{"doseAndRate": [{"doseQuantity": q(40)}], "timing": {"code": {"text": "2 times a day"}}}],
            ),
        ),
        doses,
        [80],
    ),
    (
        "how often coded, the quantity in text",
        (statement(TABLET, dosage=[{"timing": {"repeat": DAILY}, "text": "Take 2 tablets daily"}]),),
        doses,
        [20],
    ),
    (
        "how often coded, only the quantity in text",
        (statement(TABLET, dosage=[{"timing": {"repeat": DAILY}, "text": "2 tablets"}]),),
        doses,
        [20],
    ),
    ("in text, unread", (statement(TABLET, dosage=[{"text": "as directed by the neurologist"}]),), doses, [None]),
    (
        "text that contradicts the elements is not asked",
        (statement(TABLET, dosage=[dose(80) | {"text": "1 tablet daily"}]),),
        doses,
        [80],
    ),
    (
        "acute in text",
        (statement(IMITREX, dosage=[{"text": "Take 1 tablet at onset, may repeat once after 2 hours"}]),),
        singles,
        [25],
    ),
    ("nothing at all", (statement(dosage=[]),), doses, [None]),
    ("the shape before R4", (statement(dosage=[{"timing": {"repeat": DAILY}, "doseQuantity": q(80)}]),), doses, [80]),
]


def ended(*why: Json, **more: Any) -> Json:
    return statement(statusReason=list(why), **more)


WHY: list[Row] = [
    ("ineffective, coded", (ended(concept(SNOMED, INEFFECTIVE)),), stops, ["inefficacy"]),
    ("side effect, coded", (ended(concept(SNOMED, SIDE_EFFECT)),), stops, ["intolerance"]),
    ("a word of the house", (ended(concept(LOCAL, "lack-of-efficacy")),), stops, ["inefficacy?"]),
    ("a word of the house that denies it", (ended(concept(LOCAL, "not-intolerant")),), stops, ["unknown"]),
    (
        "a display goes before it",
        (ended(concept(LOCAL, "ineffective", display="Course completed")),),
        stops,
        ["unknown"],
    ),
    ("no response", (ended(concept(SNOMED, "58848006")),), stops, ["inefficacy"]),
    (
        "an ICD-10-CM adverse effect",
        (ended(concept("http://hl7.org/fhir/sid/icd-10-cm", "T44.7X5A")),),
        stops,
        ["intolerance"],
    ),
    ("suspected", (ended(concept(REQUEST_REASON, "sintol")),), stops, ["intolerance"]),
    ("in text", (ended(concept(text="Did not work")),), stops, ["inefficacy?"]),
    (
        "a display of an unknown code",
        (ended(concept(LOCAL, "17", display="Lack of efficacy")),),
        stops,
        ["inefficacy?"],
    ),
    ("a code before text", (ended(concept(SNOMED, INEFFECTIVE, text="side effects")),), stops, ["inefficacy"]),
    (
        "a coded failure before another code",
        (ended(concept(SNOMED, "395006008"), concept(SNOMED, INEFFECTIVE)),),
        stops,
        ["inefficacy"],
    ),
    ("not after no", (ended(concept(text="no side effects")),), stops, ["unknown"]),
    ("not after denies", (ended(concept(text="patient denies side effects")),), stops, ["unknown"]),
    ("no benefit, but no side effects", (ended(concept(text="no benefit, no side effects")),), stops, ["inefficacy?"]),
    ("not effective, side effects", (ended(concept(text="not effective; side effects")),), stops, ["intolerance?"]),
    ("German", (ended(concept(text="wegen Unwirksamkeit abgesetzt")),), stops, ["inefficacy?"]),
    ("German side effects", (ended(concept(text="Nebenwirkungen (Schwindel)")),), stops, ["intolerance?"]),
    ("German denied", (ended(concept(text="keine Nebenwirkungen, unwirksam")),), stops, ["inefficacy?"]),
    ("French", (ended(concept(text="inefficacité")),), stops, ["inefficacy?"]),
    ("French side effects", (ended(concept(text="effets indésirables")),), stops, ["intolerance?"]),
    ("French denied", (ended(concept(text="pas d'effet indésirable, sans efficacité")),), stops, ["inefficacy?"]),
    ("Italian denied", (ended(concept(text="nessun effetto collaterale")),), stops, ["unknown"]),
    ("Spanish denied", (ended(concept(text="sin efectos adversos, sin eficacia")),), stops, ["inefficacy?"]),
    ("Spanish", (ended(concept(text="falta de eficacia")),), stops, ["inefficacy?"]),
    ("Spanish side effects", (ended(concept(text="efectos adversos")),), stops, ["intolerance?"]),
    ("Italian", (ended(concept(text="inefficacia")),), stops, ["inefficacy?"]),
    ("Italian side effects", (ended(concept(text="effetti collaterali")),), stops, ["intolerance?"]),
    ("Dutch", (ended(concept(text="onvoldoende effect")),), stops, ["inefficacy?"]),
    ("Dutch side effects", (ended(concept(text="bijwerkingen")),), stops, ["intolerance?"]),
    ("Dutch denied", (ended(concept(text="geen bijwerkingen")),), stops, ["unknown"]),
    ("succeeded", (ended(concept(SNOMED, "182846007")),), stops, ["succeeded"]),
    ("dosage text is no reason", (statement(dosage=[{"text": "stopped, did not work"}]),), stops, ["unknown"]),
    (
        "a running row whose period has ended",
        (statement(status="active", end="2025-06-01", statusReason=[concept(SNOMED, INEFFECTIVE)]),),
        both(states, stops),
        (["ended"], ["inefficacy"]),
    ),
    (
        "a running row",
        (statement(status="active", end=None, statusReason=[concept(SNOMED, INEFFECTIVE)]),),
        stops,
        ["unknown"],
    ),
    (
        "R5 adherence",
        (
            statement(
                status="recorded",
                statusReason=None,
                adherence={
                    "code": concept("http://hl7.org/fhir/CodeSystem/medication-statement-adherence", "stopped"),
                    "reason": concept(SNOMED, INEFFECTIVE),
                },
            ),
        ),
        stops,
        ["inefficacy"],
    ),
    (
        "R5 stopped not as directed",
        (
            statement(
                status="recorded",
                adherence={
                    "code": concept(
                        "http://hl7.org/fhir/CodeSystem/medication-statement-adherence", "stopped-not-as-directed"
                    )
                },
            ),
        ),
        both(states, lambda read: read.trials[0].stop.nonadherent),
        (["ended"], False),
    ),
    (
        "R5 on hold",
        (
            statement(
                status="recorded",
                adherence={
                    "code": concept(
                        "http://hl7.org/fhir/CodeSystem/medication-statement-adherence", "on-hold-as-directed"
                    )
                },
            ),
        ),
        drugs,
        [],
    ),
    (
        "a request's reason, one object",
        (prescribed("stopped", statusReason=concept(SNOMED, INEFFECTIVE)),),
        stops,
        ["inefficacy"],
    ),
    (
        "non-adherence beside inefficacy",
        (ended(concept(SNOMED, INEFFECTIVE), concept(SNOMED, "275927006")),),
        both(stops, lambda read: read.trials[0].stop.nonadherent),
        (["inefficacy"], True),
    ),
]

WHAT_FOR: list[Row] = [
    ("a code", (statement(),), indications, ["migraine"]),
    ("another code", (statement(reasonCode=[concept(SNOMED, "38341003")]),), indications, ["other"]),
    ("nothing", (statement(reasonCode=None),), indications, ["unstated"]),
    ("text", (statement(reasonCode=[concept(text="Migraine prophylaxis")]),), indications, ["migraine"]),
    ("text in German", (statement(reasonCode=[concept(text="Migräneprophylaxe")]),), indications, ["migraine"]),
    (
        "text in French",
        (statement(reasonCode=[concept(text="traitement de fond de la migraine")]),),
        indications,
        ["migraine"],
    ),
    ("text in Japanese", (statement(reasonCode=[concept(text="片頭痛の予防")]),), indications, ["migraine"]),
    (
        "a Condition",
        (statement(reasonCode=None, reasonReference=[{"reference": "Condition/c1"}]), condition(id="c1")),
        indications,
        ["migraine"],
    ),
    (
        "a contained Condition",
        (statement(reasonCode=None, reasonReference=[{"reference": "#c1"}], contained=[condition(id="c1")]),),
        indications,
        ["migraine"],
    ),
    (
        "a display of a reference",
        (statement(reasonCode=None, reasonReference=[{"display": "Migraine"}]),),
        indications,
        ["migraine"],
    ),
    ("R5, a concept", (statement(reasonCode=None, reason=[{"concept": MIGRAINE}]),), indications, ["migraine"]),
    (
        "R5, a reference",
        (statement(reasonCode=None, reason=[{"reference": {"reference": "Condition/c1"}}]), condition(id="c1")),
        indications,
        ["migraine"],
    ),
    (
        "dosage text is no indication",
        (statement(reasonCode=None, dosage=[dose() | {"text": "for migraine"}]),),
        indications,
        ["unstated"],
    ),
]

ERENUMAB = rxnorm("2045613")
MONTHLY = ["2025-01-01", "2025-01-29", "2025-02-26"]
COUNTED: list[Row] = [
    ("administrations", tuple(administration(on=day) for day in MONTHLY), given, [3]),
    (
        "within a statement",
        (statement(ERENUMAB, end="2025-03-30", dosage=[]), *(administration(on=day) for day in MONTHLY)),
        given,
        [3],
    ),
    (
        "effectivePeriod",
        (administration(on=None, effectivePeriod=period("2025-01-01T10:00:00Z", "2025-01-01T10:05:00Z")),),
        given,
        [1],
    ),
    ("R5 occurence", (administration(on=None, occurenceDateTime="2025-01-01"),), given, [1]),
    ("the procedure", (procedure(concept(CPT, "64615")), procedure(concept(CPT, "64615"), "2025-03-26")), given, [2]),
    (
        "both on one day",
        (procedure(concept(CPT, "64615")), administration(rxnorm("1712"), amount=None, reasonCode=[MIGRAINE])),
        given,
        [1],
    ),
    (
        "performedPeriod",
        (procedure(concept(CPT, "64615"), None, performedPeriod=period("2025-01-01", "2025-01-01")),),
        given,
        [1],
    ),
    (
        "not done",
        (statement(ERENUMAB, end="2025-03-30", dosage=[]), administration(status="not-done", on="2025-02-01")),
        both(given, lambda read: read.trials[0].not_done),
        ([0], True),
    ),
    ("the same row twice", (administration(id="a1"), administration(id="a1")), given, [1]),
]

ALL = [*WHEN, *RENEWED, *DISPENSED, *HOW_MUCH, *WHY, *WHAT_FOR, *COUNTED]


@pytest.mark.parametrize(("rows", "ask", "right"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_a_trial_is_what_its_rows_say(rows: tuple[Json, ...], ask: Ask, right: object) -> None:
    read = facts(*rows)
    assert (ask(read), skipped(read)) == (right, [])
