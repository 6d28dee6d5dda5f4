"""What a card offers to do, as FHIR resources: drafts for the clinician, in the shape the client speaks (R4 or R5).

An order in hand is returned whole, with nothing but its dose changed (SUG-12, SUG-13, GEN-12).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from math import isclose
from typing import Any, Literal, NamedTuple, TypeGuard

import orjson

from prodrome.cds_hooks.cards.options_words import Options
from prodrome.cds_hooks.cards.patient_words import Sheet, amount, number
from prodrome.cds_hooks.protocol import HookRequest
from prodrome.rules import MILLIGRAMS, DraftOrder, Finding, Judging, full_dose, highest_single_dose, rows
from prodrome.rules.guideline import RXNORM, SNOMED, Drug

MAX_REPLACEMENTS = 3
LONGEST_ORDER = 20_000
"""Bytes of an order that is sent back changed."""
LONGEST_ID = 2_000
"""Characters of an id that is sent back: an answer may name it many times."""
MAX_REASONS = 10
"""Problem list entries a new draft gives as its reason."""

Json = dict[str, Any]
Version = Literal["R4", "R5"]

_REFERENCE = re.compile(r"[A-Za-z]+/[^/\s]+")


class Offer(NamedTuple):
    """One suggestion: its button, and what is done when it is pressed. ``alone``: it excludes the card's others."""

    label: str
    actions: tuple[Json, ...]
    alone: bool = False


class Asked(NamedTuple):
    """What a suggestion is made from: the finding, the patient and the call, and the FHIR version that is spoken."""

    finding: Finding
    sheet: Sheet
    options: Options
    request: HookRequest
    dialect: str
    version: Version

    @property
    def order(self) -> DraftOrder | None:
        """The order that the finding is about, if it is about one."""
        return self.sheet.facts.order(self.finding.order)

    @property
    def draft(self) -> Json | None:
        """The order in hand as the client sent it, where its id names it and no other in an action (SUG-14)."""
        if self.order is None or not _REFERENCE.fullmatch(self.order.ref):
            return None
        named = [order for order in self.request.orders if _named(order, self.order.ref)]
        return named[0] if named and all(order == named[0] for order in named) else None


def _named(order: object, reference: str) -> TypeGuard[Json]:
    return isinstance(order, dict) and f"{order.get('resourceType')}/{order.get('id')}" == reference


def offers(kind: str, asked: Asked) -> tuple[Offer, ...]:
    """The suggestions of one kind, an entry of ``suggest`` in cards.yaml; none where an id in them would be endless."""
    request, order = asked.request, asked.order
    ids = (request.patient_id, request.encounter_id or "", request.user_id or "", order.ref if order else "")
    return tuple(SUGGESTIONS[kind](asked)) if max(map(len, ids)) <= LONGEST_ID else ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A request that a card offers to draft whoever the patient is: its button, what is done, and what is asked for."""

    label: str
    description: str
    code: Json


def _snomed(code: str, display: str, text: str) -> Json:
    return {"coding": [{"system": SNOMED, "code": code, "display": display}], "text": text}


DRAFTS: Mapping[str, Draft] = {
    "referral": Draft(
        "Refer to a headache specialist",
        "Draft referral to a headache specialist or neurology",
        _snomed("183521007", "Referral to neurology service", "Referral to a headache specialist or neurology"),
    ),
    "headache_diary": Draft(
        "Request a headache diary",
        "Draft request for a headache diary",
        {
            "text": (
                "Headache diary: days with headache, days with severe impairment, acute medication,"
                " each day for 3 months"
            )
        },
    ),
    "non_drug_referral": Draft(
        "Refer for non-drug treatment",
        "Draft referral for non-drug treatment of migraine",
        {
            "text": (
                "Non-drug treatment of migraine: biofeedback, cognitive behavioural therapy, relaxation or acupuncture"
            )
        },
    ),
}
"""By kind. The diary is one that records what the definition asks for."""

FOLLOW_UP = "390906007", "Follow-up encounter"


def _drafted(kind: str) -> Callable[[Asked], Iterator[Offer]]:
    def offered(asked: Asked) -> Iterator[Offer]:
        draft = DRAFTS[kind]
        yield _service(draft.label, draft.description, draft.code, asked)

    return offered


def follow_up(asked: Asked) -> Iterator[Offer]:
    """At the date on which a new preventive can be judged."""
    order = asked.order
    use = asked.sheet.drug(order.drug).preventive if order else None
    if order and use and use.side_effects:
        when = Judging.of(use, order, asked.sheet.today).on
        name = asked.sheet.name(order.drug)
        code = _snomed(*FOLLOW_UP, f"Follow-up: judge the benefit of {name}")
        description = f"Draft follow-up on {when} to judge the benefit of {name}"
        yield _service(f"Plan follow-up on {when}", description, code, asked, when=when)


def remove_order(asked: Asked) -> Iterator[Offer]:
    """Take the order in hand away."""
    if asked.draft is not None and asked.order:
        name = asked.sheet.name(asked.order.drug)
        yield Offer(f"Remove the order for {name}", (_delete(asked.order.ref, str(name)),))


def other_class(asked: Asked) -> Iterator[Offer]:
    """In place of the order in hand, a drug from a class still open. No starting dose: that is the clinician's."""
    order, draft = asked.order, asked.draft
    if order is None or draft is None:
        return
    for drug in asked.options.replacements(MAX_REPLACEMENTS):
        name = asked.sheet.name(drug.id)
        create = {
            "type": "create",
            "description": f"Draft order for {name}, to be completed with a starting dose",
            "resource": _medication_request(drug, asked),
        }
        label = f"Order {name} ({asked.sheet.class_name(drug)}) instead"
        if asked.dialect == "epic":  # one action per suggestion
            yield Offer(label, (create,), alone=True)
        else:  # the new order first: a client that applies one action only must not leave the patient without any
            yield Offer(label, (create, _delete(order.ref, str(asked.sheet.name(order.drug)))), alone=True)


def full_single_dose(asked: Asked) -> Iterator[Offer]:
    """The same order at the full single dose."""
    order, sheet = asked.order, asked.sheet
    if order and order.single_dose is not None:
        full = full_dose(sheet.guideline, sheet.drug(order.drug), order.single_dose, order.route)
        yield from _at_dose(asked, full, "mg")


def highest_dose(asked: Asked) -> Iterator[Offer]:
    """The same order at the highest dose allowed."""
    order = asked.order
    if order:
        use = asked.sheet.drug(order.drug).preventive
        most = highest_single_dose(order, asked.sheet.broken(order), use if order.use == "preventive" else None)
        yield from _at_dose(asked, most, use.unit if use else "mg")


def _at_dose(asked: Asked, dose: float | None, unit: str) -> Iterator[Offer]:
    """The same order at another single dose, where its dosage can be changed in one place without contradiction."""
    order, draft = asked.order, asked.draft
    if not dose or not order or order.single_dose is None or draft is None or not _goes_back(draft, asked.dialect):
        return
    changed = at_dose(draft, order.single_dose, dose)
    if changed:
        told, name = f"{number(dose)} {unit}", asked.sheet.name(order.drug)
        description = f"Change the single dose of {name} from {number(order.single_dose)} to {told}"
        yield Offer(f"Change to {told}", ({"type": "update", "description": description, "resource": changed},))


SUGGESTIONS: Mapping[str, Callable[[Asked], Iterator[Offer]]] = {
    **{kind: _drafted(kind) for kind in DRAFTS},
    "follow_up": follow_up,
    "remove_order": remove_order,
    "other_class": other_class,
    "full_dose": full_single_dose,
    "highest_dose": highest_dose,
}


def _goes_back(draft: Json, dialect: str) -> bool:
    """Whether an order may be sent back changed: Epic carries out create and delete only.

    It goes back whole: nothing empty may be in it (GEN-04, GEN-05), nor more than an answer has room for.
    """
    return dialect != "epic" and not _holds_nothing(draft) and len(orjson.dumps(draft)) <= LONGEST_ORDER


def at_dose(draft: Json, single_dose: float, full: float) -> Json | None:
    """A copy of the order with ``full`` mg for ``single_dose`` mg; ``None`` where that cannot be said in one place.

    A mass changes in its own unit; a count of tablets changes if that makes whole ones. An order with several doses,
    or one whose text names the old dose, is left to the clinician: half a change would contradict itself.
    """
    changed = deepcopy(draft)
    dosages = list(_each(changed.get("dosageInstruction")))
    quantities = [quantity for dosage in dosages for quantity in _quantities(dosage)]
    if len(dosages) != 1 or len(quantities) != 1:
        return None
    quantity = quantities[0]
    value = quantity.get("value")
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        return None
    if _names(value, dosages[0]) or _names(single_dose, dosages[0]):
        return None
    mass = MILLIGRAMS.get(str(quantity.get("code") or quantity.get("unit")).lower())
    if mass and not isclose(value * mass, single_dose):
        return None
    wanted = full / mass if mass else full / single_dose * value
    if not mass and not float(wanted).is_integer():
        return None
    quantity["value"] = int(wanted) if float(wanted).is_integer() else wanted
    return changed


def _each(value: object) -> Iterator[Json]:
    """The objects of a list, or the one object that stands where a list should."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield one


def _quantities(dosage: Json) -> Iterator[Json]:
    """Every place of a dosage that holds a dose; a range counts, so that it is not half changed."""
    for place in (dosage, *_each(dosage.get("doseAndRate"))):
        for name in ("doseQuantity", "doseRange"):
            yield from _each(place.get(name))


def _names(value: float, dosage: Json) -> bool:
    """Whether the dosage's texts hold the number."""
    texts = [text for text in (dosage.get("text"), dosage.get("patientInstruction")) if isinstance(text, str)]
    return any(
        float(found.replace(",", ".")) == value for text in texts for found in re.findall(r"\d+(?:[.,]\d+)?", text)
    )


def spoken(request: HookRequest) -> Version:
    """The version whose shape the client's own resources have; R4 where nothing tells."""
    for resource in _resources(request):
        kind = resource.get("resourceType")
        if kind in ("MedicationRequest", "MedicationStatement") and isinstance(resource.get("medication"), dict):
            return "R5"
        if kind in ("MedicationRequest", "MedicationStatement"):
            return "R4"
        if kind == "Encounter" and "class" in resource:
            return "R5" if isinstance(resource["class"], list) else "R4"
    return "R4"


def _resources(request: HookRequest) -> Iterator[Json]:
    yield from _each(list(request.orders))
    for value in request.prefetch.values():
        if isinstance(value, dict) and "entry" not in value:
            yield value
        elif isinstance(value, dict):
            for entry in _each(value["entry"]):
                if isinstance(entry.get("resource"), dict):
                    yield entry["resource"]


def _draft(kind: str, what: Json) -> Json:
    """A new order with everything required; the tests hold the offers to the standard's own models."""
    return {"resourceType": kind, "status": "draft", "intent": "order", **what}


def _service(label: str, description: str, code: Json, asked: Asked, *, when: date | None = None) -> Offer:
    version = asked.version
    resource = _draft("ServiceRequest", _code(code, version)) | _whose(asked)
    resource |= _reason({"text": "Migraine"}, _diagnosis(asked), version)
    if when:
        resource["occurrenceDateTime"] = when.isoformat()
    return Offer(label, ({"type": "create", "description": description, "resource": resource},))


def _medication_request(drug: Drug, asked: Asked) -> Json:
    version = asked.version
    name = str(asked.sheet.name(drug.id))
    coding = {"system": RXNORM, "code": drug.codes["rxnorm"][0], "display": name}
    resource = _draft("MedicationRequest", _medication({"coding": [coding], "text": name}, version)) | _whose(asked)
    resource |= _reason({"text": "Migraine prevention"}, _diagnosis(asked), version)
    use = drug.preventive
    if use and use.target:
        regimen = use.regimen(None)
        target = regimen.says if regimen else amount(use.target, use.unit, use.per)
        resource["dosageInstruction"] = [{"text": f"Starting dose to be set; target {target} where tolerated"}]
    return resource


def _medication(concept: Json, version: str) -> Json:
    return {"medication": {"concept": concept}} if version == "R5" else {"medicationCodeableConcept": concept}


def _code(concept: Json, version: str) -> Json:
    return {"code": {"concept": concept} if version == "R5" else concept}


def _reason(concept: Json, references: tuple[str, ...], version: str) -> Json:
    if version == "R5":
        return {"reason": [{"concept": concept}, *({"reference": {"reference": ref}} for ref in references)]}
    said: Json = {"reasonCode": [concept]}
    return said | ({"reasonReference": [{"reference": ref} for ref in references]} if references else {})


def _diagnosis(asked: Asked) -> tuple[str, ...]:
    """The problem list entries that say migraine."""
    diagnoses = asked.sheet.judgement.rows(rows.Diagnosis)
    refs = dict.fromkeys([ref for diagnosis in diagnoses if diagnosis.name == "migraine" for ref in diagnosis.refs])
    return tuple([ref for ref in refs if ref.startswith("Condition/")][:MAX_REASONS])


def _whose(asked: Asked) -> Json:
    request = asked.request
    said: Json = {"subject": {"reference": f"Patient/{request.patient_id}"}}
    if request.encounter_id:
        said["encounter"] = {"reference": f"Encounter/{request.encounter_id}"}
    said["authoredOn"] = asked.sheet.today.isoformat()
    if request.user_id and request.user_id.startswith(("Practitioner/", "PractitionerRole/")):
        said["requester"] = {"reference": request.user_id}
    return said


def _delete(ref: str, name: str) -> Json:
    return {"type": "delete", "description": f"Remove the order for {name}", "resourceId": ref}


def _holds_nothing(value: object) -> bool:
    """Whether a document holds a null or something empty anywhere."""
    if isinstance(value, dict | list):
        return not value or any(map(_holds_nothing, value.values() if isinstance(value, dict) else value))
    return value is None or value == ""
