"""Draft orders from a few words, as ``sumatriptan:25mg``."""

import re
from datetime import date
from typing import Any

from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.rules.guideline import RXNORM, SNOMED, Drug, Guideline

DRAFT_ID = "draft-1"
UCUM = "http://unitsofmeasure.org"

_ORDER = re.compile(
    r"""(?P<name>[^:]+)
    (?: : \s* (?P<amount>\d+(?:\.\d+)?) \s* (?P<unit>mg|units?)? \s* )?
    (?: : \s* (?P<route>[a-z]+) )? \Z""",
    re.VERBOSE,
)
_ROUTES = {
    "oral": ("26643006", "Oral route"),
    "subcutaneous": ("34206005", "Subcutaneous route"),
    "intramuscular": ("78421000", "Intramuscular route"),
    "intravenous": ("47625008", "Intravenous route"),
    "nasal": ("46713006", "Nasal route"),
    "rectal": ("37161004", "Rectal route"),
}
_UNITS = {"mg": "mg", "units": "[U]"}


class BadOrder(TesterError):
    """An order that cannot be read; the text says what was expected."""


def draft_order(text: str, patient_id: str, guideline: Guideline, today: date) -> dict[str, Any]:
    """The draft ``MedicationRequest`` that *text* names: ``drug[:amount[mg|units]][:route]``.

    The amount is that of a day for preventives (of an injection for injected ones) and of one dose for acute drugs.
    Raises :class:`BadOrder`.
    """
    match = _ORDER.match(text.strip().lower())
    if match is None:
        raise BadOrder(
            f'"{text}" is no order: expected drug:amount, as in sumatriptan:25mg or sumatriptan:6mg:subcutaneous'
        )
    drug = drug_named(match["name"], guideline)
    if match["route"] and match["route"] not in _ROUTES:
        raise BadOrder(f"{match['route']} is no route: expected {', '.join(_ROUTES)}")
    order: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": DRAFT_ID,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": today.isoformat(),
        "medicationCodeableConcept": medication(drug),
    }
    if match["amount"]:
        amount = float(match["amount"])
        order["dosageInstruction"] = [dosage(drug, amount, preventive=drug.acute is None, route=match["route"])]
    return order


def drug_named(name: str, guideline: Guideline) -> Drug:
    """The migraine drug that an ingredient or a brand means; raises :class:`BadOrder`."""
    name = name.strip().lower()
    drug = guideline.drugs.get(guideline.names.get(name, name.replace(" ", "_")))
    if drug is None:
        raise BadOrder(f'"{name}" is not in the drug table: expected an ingredient or brand of a migraine drug')
    return drug


def medication(drug: Drug) -> dict[str, Any]:
    """A drug as a CodeableConcept, by its RxNorm ingredient."""
    return {"coding": [{"system": RXNORM, "code": drug.codes["rxnorm"][0], "display": drug.name}], "text": drug.name}


def dosage(drug: Drug, amount: float, *, preventive: bool, route: str | None = None) -> dict[str, Any]:
    """A dosage of *amount* in the drug's unit: once a day or once an interval for a preventive, else as needed."""
    use = drug.preventive
    unit = use.unit if use else "mg"
    quantity = {
        "value": int(amount) if amount == int(amount) else amount,
        "unit": unit,
        "system": UCUM,
        "code": _UNITS[unit],
    }
    made: dict[str, Any] = {"doseAndRate": [{"doseQuantity": quantity}]}
    if use and preventive:
        days = use.interval_days or 1
        made["timing"] = {"repeat": {"frequency": 1, "period": days, "periodUnit": "d"}}
    else:
        made["asNeededBoolean"] = True
    if route:
        code, display = _ROUTES[route]
        made["route"] = {"coding": [{"system": SNOMED, "code": code, "display": display}]}
    return made
