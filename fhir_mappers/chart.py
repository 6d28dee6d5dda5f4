"""One patient's resources, ready to be read: whose they are, what refers to what, what could not be read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from operator import itemgetter
from typing import TypeVar, cast

from prodrome.fhir_mappers.collecting import BundleEntry, kind_of
from prodrome.fhir_mappers.dates import read_when
from prodrome.fhir_mappers.elements import (
    MODIFIER,
    JsonObject,
    Unreadable,
    bare_id,
    content,
    read_object,
    read_objects,
    read_reference,
    reference_key,
)
from prodrome.fhir_mappers.kinds import KINDS, R4_NAMES, REFERRED_TO
from prodrome.fhir_mappers.words import words
from prodrome.rules import COMPLETE, INCOMPLETE, MISSING, Completeness, NotUnderstood, Skipped, When
from prodrome.rules.guideline import Guideline

OLD_ORDERS = frozenset({"MedicationOrder", "MedicationPrescription"})
"""What the MedicationRequest was called before STU3."""
_ORDERS = OLD_ORDERS | {"MedicationRequest"}

BESIDE_ORDERS = words("""
    ServiceRequest DeviceRequest NutritionOrder VisionPrescription CommunicationRequest SupplyRequest Task Appointment
    RequestGroup RequestOrchestration CarePlan ImmunizationRecommendation Claim Medication Substance Device Condition
    Observation Encounter Patient Practitioner PractitionerRole Organization Location RelatedPerson Coverage Specimen
    ProcedureRequest ReferralRequest DiagnosticOrder
""")
"""What stands among orders and is no order of a medicine: other orders, and what orders refer to."""

LONGEST_VALUE = 200  # characters kept of what was not understood
ANOTHER = "is another patient"

_T = TypeVar("_T")

ChartRow = tuple[str, JsonObject]  # "Type/id" and the resource


@dataclass(frozen=True)
class Record:
    """What the wire gave us about one patient, still FHIR JSON.

    ``resources`` maps a kind to its resources: unchecked JSON, or :class:`BundleEntry` where the ``fullUrl`` is known.
    A kind that ``completeness`` does not name is missing. ``orders`` are the entries (or resources) of
    ``context.draftOrders``; ``selections`` are the ids of those that are selected, ``None`` for all. ``declared`` are
    the ``Type/id`` of the resources that are only now being written into the chart.
    """

    patient_id: str | None = None
    resources: Mapping[str, Sequence[object]] = field(default_factory=dict)
    completeness: Mapping[str, Completeness] = field(default_factory=dict)
    orders: Sequence[object] = ()
    selections: Sequence[str] | None = None
    declared: frozenset[str] = frozenset()


class Chart:
    """A :class:`Record` sorted out: rows of our patient by kind in a fixed order, and what references point to."""

    def __init__(
        self, record: Record, guideline: Guideline, today: date, in_time: Callable[[], None] = lambda: None
    ) -> None:
        self.guideline = guideline
        self.today = today
        self._in_time = in_time
        self.skipped: dict[tuple[str, str], Skipped] = {}
        self.told: dict[tuple[str, str], int] = {}
        self.not_understood: list[NotUnderstood] = []
        self._read: dict[tuple[object, int], object] = {}
        self._named: dict[str, dict[str, JsonObject]] = {}  # by kind and Type/id
        self._nameless: dict[str, list[JsonObject]] = {}
        self._resources = record.resources
        self._at_address: dict[str, JsonObject] | None = None  # made when it is first looked into, as is the next
        self._bare: dict[str, JsonObject | None] | None = None
        self.kinds: set[str] = set()  # of all that came, among the orders too
        for kind, values in record.resources.items():
            self._add(R4_NAMES.get(kind, kind), values)
        self.orders: list[tuple[int, str, JsonObject]] = []  # place among the orders, Type/id and the resource
        self._ordered: set[bytes | None] = set()
        self._among_orders: dict[str, JsonObject] = {}  # by every name that a reference may have for it
        self._order_names: dict[int, frozenset[str]] = {}  # by the identity of the resource
        self.order_names: set[str] = set()  # every name by which any entry among the orders may be selected
        for place, value in enumerate(record.orders):
            self._add_order(place, value)
        self.patient_id = self._whose(record.patient_id)
        self._foreign: set[int] = set()  # resources of other patients, by identity
        self.ordered = frozenset(reference for _, reference, _ in self.orders if reference)
        self.rows: dict[str, list[ChartRow]] = {kind: self._own(kind) for kind in self._named}

    def _add(self, asked: str, values: Sequence[object]) -> None:
        """Take in what came as resources of a kind."""
        for value in values:
            resource, full_url = value if type(value) is BundleEntry else (value, None)
            if type(resource) is not dict:
                self.skip(asked, "", "not an object", None)  # all of them once: there may be millions
                continue
            kind = resource.get("resourceType")
            if kind != asked:
                kind = kind_of(resource, asked)
            named = self._named.get(kind)
            if named is None:
                named = self._named[kind] = {}
                self.kinds.add(kind)
            key = _key(kind, resource, full_url)
            if not key:
                self._nameless.setdefault(kind, []).append(resource)
            elif key not in named or _updated(resource) > _updated(named[key]):
                named[key] = resource  # one Type/id counts once: the version updated last

    def _target(self, reference: str) -> JsonObject | None:
        """The resource of a reference key: among the orders, else by its Type/id, else by the address it came with."""
        if (beside := self._among_orders.get(reference)) is not None:
            return beside
        named = self._named.get(reference.partition("/")[0])
        if named and reference in named:
            return named[reference]
        if self._at_address is None:
            entries = [each for each in chain.from_iterable(self._resources.values()) if type(each) is BundleEntry]
            self._at_address = {
                reference_key(full_url): resource
                for resource, full_url in entries[::-1]  # the first of an address stands
                if full_url and type(resource) is dict
            }
        return self._at_address.get(reference)

    def _barely_named(self, id_: str) -> JsonObject | None:
        """The resource that others refer to by a bare id, or by a ``urn:`` of it; none where two kinds have it."""
        if self._bare is None:
            self._bare = {}
            for kind in REFERRED_TO:
                beside = [each for each in self._among_orders.values() if kind_of(each) == kind]
                by_id: dict[str | None, JsonObject] = {}
                for resource in (*self._named.get(kind, {}).values(), *beside):
                    by_id.setdefault(bare_id(resource.get("id")), resource)
                for name, resource in by_id.items():
                    if name:
                        self._bare[name] = None if name in self._bare else resource
        return self._bare.get(id_)

    def _add_order(self, place: int, value: object) -> None:
        entry = value if isinstance(value, BundleEntry) else BundleEntry(value)
        resource, full_url = entry
        if type(resource) is dict and "resourceType" not in resource and type(resource.get("resource")) is dict:
            wrapped_url = resource.get("fullUrl")
            resource, full_url = resource["resource"], wrapped_url if type(wrapped_url) is str else None
        if resource is None or resource == {}:
            return
        if type(resource) is not dict:
            self.skip("MedicationRequest", "", "draft order, not an object", None)
            return
        kind = kind_of(resource)
        self.kinds.add(kind)
        id_ = bare_id(resource.get("id"))
        key = f"{kind}/{id_}" if id_ else reference_key(full_url or "")
        same = content(resource)
        if kind == "MedicationRequest" and (same is None or same not in self._ordered):
            self._ordered.add(same)
            self.orders.append((place, key, resource))
        elif kind != "MedicationRequest" and kind not in BESIDE_ORDERS:
            said = kind if kind in OLD_ORDERS else "an entry"
            self.skip(said, id_ or "", "draft order, of a kind that is not read", resource)
        elif kind != "MedicationRequest" and "contained" in resource and _contains_an_order(resource["contained"]):
            self.skip("an entry", id_ or "", "draft order, contained in another resource and not read", resource)
        for target in {key, reference_key(full_url or "")} - {""}:
            self._among_orders[target] = resource
        ids = {id_, bare_id(full_url)} - {None}
        names = {key, reference_key(full_url or "")}.union(*({each or "", f"{kind}/{each}"} for each in ids))
        self._order_names[id(resource)] = frozenset(names)
        self.order_names |= names

    def names_of(self, order: JsonObject) -> frozenset[str]:
        """Every name by which an entry of ``draftOrders`` may be selected."""
        return self._order_names.get(id(order), frozenset())

    def understood(self, kind: str, what: str) -> None:
        """Count an element that could be told."""
        self.told[kind, what] = self.told.get((kind, what), 0) + 1

    def puzzled(self, kind: str, what: str, why: str, ref: str, value: str) -> None:
        """Keep an element that is there and that nothing could be made of, with what it says for a tester."""
        self.not_understood.append(NotUnderstood(kind, what, why, ref, value[:LONGEST_VALUE]))

    def _whose(self, patient_id: str | None) -> str | None:
        if patient_id:
            return bare_id(patient_id)
        patients = [*self._nameless.get("Patient", ()), *self._named.get("Patient", {}).values()]
        return bare_id(patients[0].get("id")) if len(patients) == 1 else None

    def _own(self, kind: str) -> list[ChartRow]:
        """The rows of a kind that are our patient's: those without an id, then the others in the order of theirs."""
        plain = f"Patient/{self.patient_id}"  # as nearly all say it
        own: list[ChartRow] = []
        rows: list[ChartRow] = [("", resource) for resource in self._nameless.get(kind, ())]
        for row in (*rows, *self._named[kind].items()):
            subject = row[1].get("subject") or row[1].get("patient")
            try:
                if (type(subject) is dict and subject.get("reference") == plain) or self.concerns_us(row[1]):
                    own.append(row)
                    continue
                if kind in KINDS:
                    self.puzzled(kind, "subject", ANOTHER, row[0], "")
            except Unreadable as error:
                self.skip(kind, row[0], str(error), row[1])
            self._foreign.add(id(row[1]))
        own.sort(key=itemgetter(0))
        return own

    def concerns_us(self, resource: JsonObject) -> bool:
        """Whether a resource is about our patient, or does not say about whom. Raises Unreadable."""
        if self.patient_id is None:
            return True
        if "participant" in resource and kind_of(resource) == "Appointment":
            actors = [read_reference(read_object(each, "actor")) for each in read_objects(resource, "participant")]
            patients = [actor for actor in actors if actor and actor.startswith(("Patient/", "urn:"))]
            if any(map(self._is_us, patients)):
                return True
            if any(actor.startswith("Patient/") for actor in patients):
                return False
        subject = resource.get("subject") or resource.get("patient")
        if subject is None:
            return True
        if type(subject) is not dict:
            subject = read_object({"subject": subject}, "subject") or {}
        reference = read_reference(subject)
        if reference is None or reference.startswith("#") or self._is_us(reference):
            return True
        if reference.startswith("urn:") and self._target(reference) is None:
            raise Unreadable("subject: not in its Bundle")
        return False

    def _is_us(self, reference: str) -> bool:
        target = self._target(reference)
        if target is not None:
            return kind_of(target) == "Patient" and bare_id(target.get("id")) in (None, self.patient_id)
        if reference.startswith("urn:"):
            return bare_id(reference) == self.patient_id
        type_, _, id_ = reference.rpartition("/")
        return id_ == self.patient_id and type_ in ("Patient", "")

    def each(self, kind: str, read: Callable[[str, JsonObject], None]) -> None:
        """Hand every row of a kind to ``read``; a row it finds unreadable is skipped and disclosed."""
        for reference, resource in self.rows.get(kind, ()):
            self._in_time()
            try:
                if MODIFIER in resource:
                    stop_type(resource)
                read(reference, resource)
            except Unreadable as error:
                self.skip(kind, reference, str(error), resource)

    def skip(self, kind: str, reference: str, why: str, resource: object) -> None:
        """Note, once, that a resource could not be read, and why."""
        id_ = reference.rpartition("/")[2]
        self.skipped.setdefault((kind, id_ or f"#{id(resource)}"), Skipped(kind, id_, why))

    def resolve(self, reference: str | None, within: JsonObject) -> JsonObject | None:
        """The resource a reference key names: contained in ``within``, or anywhere in the record.

        A contained one may be named without ``#``, where no other in the record has that name. What is another
        patient's is nothing to ours.
        """
        if reference is None:
            return None
        if reference.startswith("#"):
            return self._contained(reference, within)
        target = self._target(reference) or None
        if target is None and "contained" in within:
            target = self._contained(reference, within)
        if target is None and ("/" not in reference or reference.startswith("urn:")):
            target = self._barely_named(bare_id(reference) or "")
        if target is None or id(target) in self._foreign:
            return None
        if MODIFIER in target:
            stop_type(target)
        return target

    def _contained(self, reference: str, within: JsonObject) -> JsonObject | None:
        """The contained resource of this id (and kind, where the reference names one)."""
        if "contained" not in within:
            return None
        kind, _, id_ = reference.removeprefix("#").rpartition("/")
        return self.once(_contained, within).get((kind, id_))

    def once(self, read: Callable[["Chart", JsonObject], _T], resource: JsonObject) -> _T:
        """What ``read`` makes of a resource that many others may refer to, read once. Raises Unreadable."""
        key = read, id(resource)
        if key not in self._read:
            try:
                self._read[key] = read(self, resource)
            except Unreadable as error:
                self._read[key] = error
        made = self._read[key]
        if isinstance(made, Unreadable):
            raise Unreadable(str(made))
        return cast(_T, made)

    def completeness(self, given: Mapping[str, Completeness]) -> dict[str, Completeness]:
        """The state of every kind: as given, and incomplete where a resource of it could not be read."""
        states = {kind: given.get(kind, MISSING) for kind in KINDS}
        for kind, _ in self.skipped:
            if states.get(kind) is COMPLETE:
                states[kind] = INCOMPLETE
        return states

    def counts(self) -> dict[str, int]:
        """How many rows of each kind were read, skipped ones left out."""
        unread: dict[str, set[str]] = {}
        for skipped in self.skipped.values():
            unread.setdefault(skipped.kind, set()).add(skipped.id)
        return {kind: _count(self.rows[kind], unread.get(kind)) for kind in KINDS if kind in self.rows}


def _contains_an_order(contained: object) -> bool:
    """Whether a resource among the orders, as a RequestGroup, has orders of medicines within itself."""
    inside = contained if type(contained) is list else [contained]
    return any(kind_of(each) in _ORDERS for each in inside)


def _count(rows: list[ChartRow], unread: set[str] | None) -> int:
    """How many rows there are without those of the unread ids."""
    return sum(reference.rpartition("/")[2] not in unread for reference, _ in rows) if unread else len(rows)


def _key(kind: str, resource: JsonObject, full_url: str | None) -> str:
    """``Type/id`` of a row; of one without an id that in its address, ``""`` where there is none."""
    id_ = bare_id(resource.get("id"))
    if id_:
        return f"{kind}/{id_}"
    key = reference_key(full_url or "")
    return key if key.startswith(f"{kind}/") else ""


def _contained(_: Chart, resource: JsonObject) -> dict[tuple[str, str], JsonObject]:
    """The contained resources by kind (or none) and id; of several with one id the first."""
    found: dict[tuple[str, str], JsonObject] = {}
    for item in read_objects(resource, "contained"):
        id_ = item.get("id")
        bare = bare_id(id_.removeprefix("#")) if type(id_) is str else None
        if bare is not None:
            found.setdefault(("", bare), item)
            found.setdefault((kind_of(item), bare), item)
    return found


STOPPED, SUSPENDED = "stopped", "suspended"
_STOP_TYPES = {  # SNOMED CT; what was cancelled makes no trial either
    "410546004": STOPPED,
    **dict.fromkeys(("113381000146106", "385655000", "89925002"), SUSPENDED),
}
_OLD_STOP_TYPE = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.1"
_OLD_STOP_TYPES = {"1": SUSPENDED, "2": STOPPED}  # "tijdelijk" and "definitief", of medication process 9.0
_STOP_TYPE = ("nictiz.nl/fhir/StructureDefinition/ext-StopType", "StopType")  # of the Netherlands, old and new


def stop_type(resource: JsonObject) -> str | None:
    """What the modifier extensions of a resource say: stopped, suspended, or nothing. Raises Unreadable for others.

    A Dutch stop agreement leaves a prescription active and says so in its StopType.
    """
    found: str | None = None
    extensions = resource.get(MODIFIER)
    if not extensions:
        return None
    for extension in extensions if type(extensions) is list else [extensions]:
        url = extension.get("url") if type(extension) is dict else None
        if type(url) is not str or not url.endswith(_STOP_TYPE):
            raise Unreadable("modifierExtension: one that is not known")
        value = extension.get("valueCodeableConcept")
        codings = value.get("coding") if type(value) is dict else None
        said = map(_stop_type_of, codings if type(codings) is list else [codings])
        found = next((each for each in said if each), None)
        if found is None:
            raise Unreadable("modifierExtension: a StopType that is not known")
    return found


def _stop_type_of(coding: object) -> str | None:
    if type(coding) is not dict or type(code := coding.get("code")) is not str:
        return None
    return (_OLD_STOP_TYPES if coding.get("system") == _OLD_STOP_TYPE else _STOP_TYPES).get(code)


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
