"""One patient's resources, ready to be read: whose they are, what refers to what, what could not be read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from prodrome.fhir_mappers.collecting import Entry, kind_of
from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.elements import (
    JsonObject,
    Unreadable,
    content,
    read_object,
    read_objects,
    read_reference,
    reference_key,
)
from prodrome.rules import Completeness, Skipped, When
from prodrome.rules.guideline import Guideline

KINDS = (
    "Patient",
    "Condition",
    "MedicationStatement",
    "MedicationRequest",
    "MedicationAdministration",
    "MedicationDispense",
    "Medication",
    "Encounter",
    "Observation",
    "AllergyIntolerance",
    "Procedure",
    "ServiceRequest",
    "DeviceRequest",
    "DeviceUseStatement",
    "Appointment",
    "PractitionerRole",
)
"""The kinds of resource that facts are read from, under their R4 names."""

Row = tuple[str, JsonObject]  # "Type/id" and the resource


@dataclass(frozen=True, slots=True)
class Record:
    """What the wire gave us about one patient, still FHIR JSON.

    ``resources`` maps a kind to its resources: unchecked JSON, or :class:`Entry` where the ``fullUrl`` is known.
    A kind that ``completeness`` does not name is missing. ``orders`` are the entries (or resources) of
    ``context.draftOrders``; ``selections`` are the ids of those that are selected, ``None`` for all.
    """

    patient_id: str | None = None
    resources: Mapping[str, Sequence[object]] = field(default_factory=dict)
    completeness: Mapping[str, Completeness] = field(default_factory=dict)
    orders: Sequence[object] = ()
    selections: Sequence[str] | None = None


class Chart:
    """A :class:`Record` sorted out: rows of our patient by kind in a fixed order, and what references point to."""

    def __init__(self, record: Record, guideline: Guideline, today: date) -> None:
        self.guideline = guideline
        self.today = today
        self.skipped: dict[tuple[str, str], Skipped] = {}
        self._targets: dict[str, JsonObject] = {}
        self._resources: dict[str, list[Row]] = {}
        self._places: dict[str, int] = {}  # where in its kind a Type/id stands
        for kind, values in record.resources.items():
            for value in values:
                self._add(kind, value)
        self.orders: list[tuple[int, str, JsonObject]] = []  # place among the orders, Type/id and the resource
        self._ordered: set[bytes | None] = set()
        for place, value in enumerate(record.orders):
            self._add_order(place, value)
        self.patient_id = self._whose(record.patient_id)
        self._plain = f"Patient/{self.patient_id}"
        ordered = {reference for _, reference, _ in self.orders if reference}
        self.rows: dict[str, list[Row]] = {
            kind: self._own(kind, [row for row in rows if row[0] not in ordered])
            for kind, rows in self._resources.items()
        }

    def _add(self, kind: str, value: object) -> None:
        resource, full_url = value if type(value) is Entry else (value, None)
        kind = kind_of(resource, kind)
        if type(resource) is not dict:
            self.skip(kind, "", "not an object", resource)
            return
        id_ = resource.get("id")
        key = f"{kind}/{id_}" if type(id_) is str and id_ else ""
        rows = self._resources.setdefault(kind, [])
        place = self._places.get(key)
        if place is None:
            rows.append((key, resource))
            if key:
                self._places[key] = len(rows) - 1
                self._targets[key] = resource
        elif _updated(resource) > _updated(rows[place][1]):  # one Type/id counts once: the version updated last
            rows[place] = (key, resource)
            self._targets[key] = resource
        if full_url and not (key and full_url.endswith(key)):
            self._targets.setdefault(reference_key(full_url), self._targets.get(key, resource))

    def _add_order(self, place: int, value: object) -> None:
        entry = value if isinstance(value, Entry) else Entry(value)
        resource, full_url = entry
        if type(resource) is dict and "resourceType" not in resource and type(resource.get("resource")) is dict:
            wrapped_url = resource.get("fullUrl")
            resource, full_url = resource["resource"], wrapped_url if type(wrapped_url) is str else None
        if type(resource) is not dict:
            return
        kind, id_ = kind_of(resource), resource.get("id")
        key = f"{kind}/{id_}" if type(id_) is str and id_ else reference_key(full_url or "")
        same = content(resource)
        if kind == "MedicationRequest" and (same is None or same not in self._ordered):
            self._ordered.add(same)
            self.orders.append((place, key, resource))
        for target in {key, reference_key(full_url or "")} - {""}:
            self._targets[target] = resource

    def _whose(self, patient_id: str | None) -> str | None:
        if patient_id:
            return patient_id.rpartition("/")[2] or None
        patients = self._resources.get("Patient", ())
        only = patients[0][1].get("id") if len(patients) == 1 else None
        return only if type(only) is str else None

    def _own(self, kind: str, rows: list[Row]) -> list[Row]:
        own = []
        for row in rows:
            try:
                if self.concerns_us(row[1]):
                    own.append(row)
            except Unreadable as error:
                self.skip(kind, row[0], str(error), row[1])
        own.sort(key=_by_reference)
        return own

    def concerns_us(self, resource: JsonObject) -> bool:
        """Whether a resource is about our patient, or does not say about whom. Raises Unreadable."""
        if self.patient_id is None:
            return True
        subject = resource.get("subject") or resource.get("patient")
        if type(subject) is dict and subject.get("reference") == self._plain:
            return True
        if "participant" in resource and kind_of(resource) == "Appointment":
            actors = [read_reference(read_object(each, "actor")) for each in read_objects(resource, "participant")]
            patients = [actor for actor in actors if actor and actor.startswith(("Patient/", "urn:"))]
            known = [actor for actor in patients if self._is_us(actor)]
            return bool(known) or not any(actor.startswith("Patient/") for actor in patients)
        if subject is None:
            return True
        if type(subject) is not dict:
            subject = read_object({"subject": subject}, "subject") or {}
        reference = read_reference(subject)
        if reference is None or reference.startswith("#"):
            return True
        if reference.startswith("urn:") and not self._is_us(reference) and reference not in self._targets:
            raise Unreadable("subject: not in its Bundle")
        return self._is_us(reference)

    def _is_us(self, reference: str) -> bool:
        if reference.startswith("urn:"):
            target = self._targets.get(reference)
            if target is None:
                return reference.removeprefix("urn:uuid:") == self.patient_id
            return kind_of(target) == "Patient" and target.get("id") in (None, self.patient_id)
        type_, _, id_ = reference.rpartition("/")
        return id_ == self.patient_id and type_ in ("Patient", "")

    def each(self, kind: str, read: Callable[[str, JsonObject], None]) -> None:
        """Hand every row of a kind to ``read``; a row it finds unreadable is skipped and disclosed."""
        for reference, resource in self.rows.get(kind, ()):
            try:
                read(reference, resource)
            except Unreadable as error:
                self.skip(kind, reference, str(error), resource)

    def skip(self, kind: str, reference: str, why: str, resource: object) -> None:
        """Note, once, that a resource could not be read, and why."""
        id_ = reference.rpartition("/")[2]
        self.skipped.setdefault((kind, id_ or f"#{id(resource)}"), Skipped(kind, id_, why))

    def resolve(self, reference: str | None, within: JsonObject) -> JsonObject | None:
        """The resource a reference key names: contained in ``within``, or anywhere in the record."""
        if reference is None:
            return None
        if reference.startswith("#"):
            contained = read_objects(within, "contained")
            return next((item for item in contained if item.get("id") == reference[1:]), None)
        return self._targets.get(reference)

    def completeness(self, given: Mapping[str, Completeness]) -> dict[str, Completeness]:
        """The state of every kind: as given, and incomplete where a resource of it could not be read."""
        states = {kind: given.get(kind, Completeness.MISSING) for kind in KINDS}
        for kind, _ in self.skipped:
            if states.get(kind) is Completeness.COMPLETE:
                states[kind] = Completeness.INCOMPLETE
        return states

    def counts(self) -> dict[str, int]:
        """How many rows of each kind were read, skipped ones left out."""
        unread = {(skipped.kind, skipped.id) for skipped in self.skipped.values()}
        return {
            kind: sum((kind, reference.rpartition("/")[2]) not in unread for reference, _ in self.rows[kind])
            for kind in KINDS
            if kind in self.rows
        }


def _by_reference(row: Row) -> str:
    return row[0]


def _updated(resource: JsonObject) -> float:
    """When this version was stored, in seconds; earliest of all where it does not say."""
    try:
        return seconds(read_when(read_object(resource, "meta") or {}, "lastUpdated"))
    except Unreadable:
        return NEVER


NEVER = float("-inf")
_EPOCH = date(1970, 1, 1)


def seconds(when: When | None) -> float:
    """A point in time as seconds, for ordering; a day without a clock counts from its start."""
    if when is None:
        return NEVER
    if when.instant is not None:
        return (when.instant - _EPOCH_INSTANT).total_seconds()
    return float((when.first - _EPOCH).days * 86400)


_EPOCH_INSTANT = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def unique(references: Iterable[str]) -> tuple[str, ...]:
    """References without doubles or blanks, in order."""
    references = list(references)
    if len(references) == 1:
        return (references[0],) if references[0] else ()
    return tuple(sorted({reference for reference in references if reference}))
