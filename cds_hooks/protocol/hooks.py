"""The hooks of the CDS Hooks library this service can answer, and what each puts in its context.

Published hook definitions (cds-hooks-library 1.0.1); ``version`` is the ``hookVersion`` they state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prodrome.rules import HookName


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook: what it is called, the context members it requires, and which of them hold orders.

    ``declares`` is the member that holds what is being written into the chart, and the kind of resource that is.
    """

    name: HookName
    version: str
    title: str
    when: str
    required: tuple[str, ...]
    orders: str | None = None
    selects: bool = False
    declares: tuple[str, str] | None = None


_HOOKS = (
    Hook("patient-view", "1.0", "on opening the chart", "a patient's chart is opened", ("userId", "patientId")),
    Hook(
        "order-select",
        "1.0",
        "on choosing an order",
        "an order is being chosen",
        ("userId", "patientId", "selections", "draftOrders"),
        orders="draftOrders",
        selects=True,
    ),
    Hook(
        "order-sign",
        "1.0",
        "on signing orders",
        "orders are about to be signed",
        ("userId", "patientId", "draftOrders"),
        orders="draftOrders",
    ),
    Hook(
        "order-dispatch",
        "1.1",
        "on dispatching an order",
        "an order goes to the one who carries it out",
        ("patientId", "dispatchedOrders", "performer"),
    ),
    Hook(
        "encounter-start",
        "1.0",
        "at the start of an encounter",
        "an encounter starts",
        ("userId", "patientId", "encounterId"),
    ),
    Hook(
        "encounter-discharge",
        "1.0",
        "at discharge",
        "a patient is being discharged",
        ("userId", "patientId", "encounterId"),
    ),
    Hook(
        "medication-refill",
        "0.1.0",
        "on a refill request",
        "a refill is asked for",
        ("patientId", "medications"),
        orders="medications",
    ),
    Hook(
        "problem-list-item-create",
        "0.1.0",
        "on adding a problem",
        "a problem is added to the problem list",
        ("userId", "patientId", "conditions"),
        declares=("conditions", "Condition"),
    ),
    Hook(
        "allergyintolerance-create",
        "0.1.0",
        "on adding an allergy",
        "an allergy or intolerance is added",
        ("userId", "patientId", "allergyIntolerance"),
        declares=("allergyIntolerance", "AllergyIntolerance"),
    ),
    Hook(
        "appointment-book",
        "1.0",
        "on booking an appointment",
        "an appointment is being booked",
        ("userId", "patientId", "appointments"),
    ),
)
HOOKS: Mapping[str, Hook] = MappingProxyType({hook.name: hook for hook in _HOOKS})

DEPRECATED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"medication-prescribe": ("order-select", "medications"), "order-review": ("order-sign", "orders")}
)
"""Hooks of old: the hook that took their place, and the context member that held the orders."""


def served_as(hook: str) -> str:
    """The name under which we serve a hook: that of its successor for one of old."""
    successor, _ = DEPRECATED.get(hook, (hook, ""))
    return successor
