"""A fictional patient with sixty trials in ten years, a diary of ten years, visits and contacts."""

from datetime import date, timedelta
from typing import Any

from prodrome.cds_hooks.testers.orders import dosage, medication
from prodrome.fhir_mappers.code_systems import ACT_CODE
from prodrome.rules import month_back
from prodrome.rules.guideline import DIARY, ICD10CM, SNOMED
from prodrome.rules.guideline.guideline import load_guideline
from prodrome.rules.guideline.types import Drug

PATIENT = "long-history"
REASONS = ("395007004", "395009001", "395008009", "182846007", None)
LENGTHS = (20, 45, 60, 90, 120, 200)

Resource = dict[str, Any]


def chart(today: date) -> list[Resource]:
    """The resources of the patient as of *today*."""
    patient: Resource = {"resourceType": "Patient", "id": PATIENT, "birthDate": "1980-05-05"}
    migraine = _of("Condition", "migraine", code=_concept(ICD10CM, "G43.709"))
    return [patient, migraine, *_trials(today), *_diary(today), *_visits(today)]


def _trials(today: date) -> list[Resource]:
    drugs = load_guideline().drugs.values()
    preventives = [drug for drug in drugs if drug.preventive and drug.codes.get("rxnorm")]
    acute = [drug for drug in drugs if drug.acute and drug.acute.suggest and drug.acute.doses]
    made = []
    for number in range(60):
        among = preventives if number % 4 else acute
        drug = among[number * 5 % len(among)]
        start = today - timedelta(days=3650 - number * 60)
        end = start + timedelta(days=LENGTHS[number % len(LENGTHS)])
        period = {"start": start.isoformat()[: 7 if number % 9 == 0 else 10]}
        if end <= today:
            period["end"] = end.isoformat()
        reason = REASONS[number % len(REASONS)] if end <= today else None
        made.append(_statement(f"trial-{number}", drug, _amount(drug), period, reason))
        if number % 3 == 0 and drug.preventive and drug.preventive.per == "day":
            before = {"start": (start - timedelta(days=20)).isoformat(), "end": start.isoformat()}
            made.append(_statement(f"trial-{number}-before", drug, _amount(drug) / 2, before, None))
    return made


def _amount(drug: Drug) -> float:
    use = drug.preventive
    if use:
        return use.target or use.min_adequate or 10.0
    assert drug.acute
    return drug.acute.doses[0].usual or 10.0


def _statement(name: str, drug: Drug, amount: float, period: Resource, reason: str | None) -> Resource:
    return _of(
        "MedicationStatement",
        name,
        status=("stopped" if reason else "completed") if "end" in period else "active",
        medicationCodeableConcept=medication(drug),
        effectivePeriod=period,
        reasonCode=[_concept(ICD10CM, "G43.709")],
        dosage=[dosage(drug, amount, preventive=bool(drug.preventive))],
        **({"statusReason": [_concept(SNOMED, reason)]} if reason else {}),
    )


def _diary(today: date) -> list[Resource]:
    made = []
    for back in range(1, 121):
        first, last = month_back(back, today), month_back(back - 1, today) - timedelta(days=1)
        for code, days in (("debilitating-headache-days", 3 + back * 7 % 12), ("headache-days", 9 + back * 5 % 12)):
            if code == "debilitating-headache-days" and back % 7 == 3:
                continue
            period = {"start": first.isoformat(), "end": last.isoformat()}
            concept = _concept(DIARY, code)
            made.append(
                _of(
                    "Observation",
                    f"{code}-{back}",
                    status="final",
                    code=concept,
                    effectivePeriod=period,
                    valueInteger=days,
                )
            )
    return made


def _visits(today: date) -> list[Resource]:
    made = []
    for number in range(12):
        day = (today - timedelta(days=200 + number * 290)).isoformat()
        made.append(
            _of(
                "Encounter",
                f"visit-{number}",
                status="finished",
                period={"start": day, "end": day},
                reasonCode=[_concept(ICD10CM, "G43.709" if number % 2 else "J18.9")],
                serviceType=_concept(SNOMED, "394591006"),
                **{"class": {"system": ACT_CODE, "code": ("EMER", "AMB", "IMP")[number % 3]}},
            )
        )
    return made


def _of(kind: str, name: str, **members: Any) -> Resource:
    return {"resourceType": kind, "id": name, "subject": {"reference": f"Patient/{PATIENT}"}, **members}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}
