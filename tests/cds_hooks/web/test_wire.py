"""Requests as clients were seen to send them, wrapped, renamed or half spelt: answered as if they were plain."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.serving import service

Json = dict[str, Any]

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
URN = "urn:uuid:6a3c7f3e-1f5e-4b6e-9d55-0f1f6d1f7a10"
EMPTY: Json = {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": []}
ASTHMA: Json = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/p1"},
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    "code": {"coding": [{"system": SNOMED, "code": "195967001"}]},
}
PROPRANOLOL: Json = {"coding": [{"system": RXNORM, "code": "8787", "display": "propranolol"}]}
MEDICATION: Json = {"resourceType": "Medication", "id": "m1", "code": PROPRANOLOL}
ORDER: Json = {
    "resourceType": "MedicationRequest",
    "id": "o1",
    "status": "draft",
    "intent": "order",
    "subject": {"reference": "Patient/p1"},
    "medicationCodeableConcept": PROPRANOLOL,
    "authoredOn": "2026-06-15",
}


def bundle(*entries: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in entries]} | more


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


@pytest.fixture(scope="module")
def services(client: FlaskClient) -> dict[str, Json]:
    return {each["hook"]: each for each in client.get("/cds-services").get_json()["services"]}


class Asked:
    """A request for the order of a drug that the patient must not have, to be sent in some other way."""

    def __init__(self, services: dict[str, Json], hook: str) -> None:
        keys = services[hook]["prefetch"]
        self.path = f"/cds-services/{services[hook]['id']}"
        prefetch: Json = {key: copy.deepcopy(EMPTY) for key in keys}
        prefetch["patient"] = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-02-03"}
        prefetch["conditions"] = bundle(copy.deepcopy(ASTHMA))
        context: Json = {"patientId": "p1", "userId": "Practitioner/d1", "draftOrders": bundle(copy.deepcopy(ORDER))}
        if hook == "order-select":
            context["selections"] = ["MedicationRequest/o1"]
        self.body: Json = {
            "hook": hook,
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": context,
            "prefetch": prefetch,
        }

    @property
    def order(self) -> Json:
        return dict(self.body["context"]["draftOrders"]["entry"][0]["resource"])

    def orders(self, value: object) -> None:
        self.body["context"]["draftOrders"] = value


Change = Callable[[Asked], None]


def by_reference(reference: str, *entries: Json, **more: Any) -> Change:
    """The order names its Medication by reference; ``entries`` stand beside it among the orders."""

    def change(asked: Asked) -> None:
        order = {**ORDER, "medicationReference": {"reference": reference}, **more}
        del order["medicationCodeableConcept"]
        asked.orders({"resourceType": "Bundle", "entry": [{"resource": order}, *entries]})

    return change


def ordered(value: object) -> Change:
    return lambda asked: asked.orders(value)


def order_with(**more: Any) -> Change:
    return lambda asked: asked.orders(bundle({name: each for name, each in (ORDER | more).items() if each is not None}))


def selecting(selections: object) -> Change:
    return lambda asked: asked.body["context"].update(selections=selections)


def prefetching(key: str, value: object) -> Change:
    return lambda asked: asked.body["prefetch"].update({key: value})


def saying(**members: Any) -> Change:
    return lambda asked: asked.body.update(members)


def in_context(**members: Any) -> Change:
    return lambda asked: asked.body["context"].update(members)


TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "s"}
SERVER = "https://ehr.example.org/fhir"
AS_PLAIN: dict[str, Change] = {
    "the plain request": lambda asked: None,
    # --- authorizations that cannot be used
    "a token that is empty": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"access_token": ""}),
    "a token that is null": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"access_token": None}),
    "a token that is a number": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"access_token": 5}),
    "no token": saying(fhirServer=SERVER, fhirAuthorization={"token_type": "Bearer"}),
    "no scope": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"scope": ""}),
    "no lifetime": saying(fhirServer=SERVER, fhirAuthorization={"access_token": "t", "token_type": "Bearer"}),
    "a lifetime as text": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"expires_in": "300"}),
    "a lifetime that is over": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"expires_in": 0}),
    "a lifetime in words": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"expires_in": "soon"}),
    "another type of token": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"token_type": "mac"}),
    "a type in small letters": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"token_type": "bearer"}),
    "an authorization that is text": saying(fhirServer=SERVER, fhirAuthorization="Bearer t"),
    "an authorization that is a list": saying(fhirServer=SERVER, fhirAuthorization=[]),
    "an authorization that is false": saying(fhirServer=SERVER, fhirAuthorization=False),
    # --- references and ids
    "contained, with a sign": by_reference("#m1", contained=[MEDICATION]),
    "contained, its id with a sign": by_reference("#m1", contained=[MEDICATION | {"id": "#m1"}]),
    "contained, without a sign": by_reference("m1", contained=[MEDICATION]),
    "contained, by its type": by_reference("Medication/m1", contained=[MEDICATION]),
    "contained, as one object": by_reference("#m1", contained=MEDICATION),
    "urn and fullUrl": by_reference(URN, {"fullUrl": URN, "resource": MEDICATION}),
    "urn and id": by_reference(URN, {"resource": MEDICATION | {"id": URN.rpartition(":")[2]}}),
    "urn, the id within": by_reference(URN, {"resource": MEDICATION | {"id": URN}}),
    "urn of capitals": by_reference(
        URN.upper().replace("URN:UUID:", "urn:uuid:"), {"fullUrl": URN, "resource": MEDICATION}
    ),
    "an OID": by_reference("urn:oid:1.2.3.4", {"fullUrl": "urn:oid:1.2.3.4", "resource": MEDICATION}),
    "fullUrl of a server": by_reference(
        f"{SERVER}/Medication/m1", {"fullUrl": f"{SERVER}/Medication/m1", "resource": MEDICATION}
    ),
    "relative to a fullUrl": by_reference(
        "Medication/m1", {"fullUrl": f"{SERVER}/Medication/m1", "resource": {**MEDICATION, "id": None}}
    ),
    "a version": by_reference("Medication/m1/_history/2", {"resource": MEDICATION}),
    "an id with its type": by_reference("Medication/m1", {"resource": MEDICATION | {"id": "Medication/m1"}}),
    "a leading slash": by_reference("/Medication/m1", {"resource": MEDICATION}),
    "a reference that is the object": lambda asked: by_reference("Medication/m1", {"resource": MEDICATION})(asked),
    "a Medication beside the orders as a key": lambda asked: (
        by_reference("Medication/m1")(asked),
        prefetching("medication", MEDICATION)(asked),
    )[0],
    "Medications in a Bundle under a key": lambda asked: (
        by_reference("Medication/m1")(asked),
        prefetching("meds", bundle(MEDICATION))(asked),
    )[0],
    "Medications in a list under a key": lambda asked: (
        by_reference("Medication/m1")(asked),
        prefetching("meds", [MEDICATION])(asked),
    )[0],
    "Medications included with other rows": lambda asked: (
        by_reference("Medication/m1")(asked),
        prefetching(
            "medicationRequests",
            {"resourceType": "Bundle", "total": 0, "entry": [{"resource": MEDICATION, "search": {"mode": "include"}}]},
        )(asked),
    )[0],
    "the subject with an address": order_with(subject={"reference": f"{SERVER}/Patient/p1"}),
    "the subject with a version": order_with(subject={"reference": "Patient/p1/_history/4"}),
    "the subject with a slash at its end": order_with(subject={"reference": "Patient/p1/"}),
    "the subject with a fragment": order_with(subject={"reference": f"{SERVER}/Patient/p1#name"}),
    "the subject by identifier alone": order_with(subject={"identifier": {"value": "4711"}}),
    "no subject": order_with(subject=None),
    "the patient's id with its type": in_context(patientId="Patient/p1"),
    "the patient's id with an address": in_context(patientId=f"{SERVER}/Patient/p1"),
    "the Patient's id with its type": lambda asked: asked.body["prefetch"]["patient"].update(id="Patient/p1"),
    "the Condition's id with its type": lambda asked: asked.body["prefetch"]["conditions"]["entry"][0][
        "resource"
    ].update(id="Condition/c1"),
    # --- Bundles in Bundles, orders in odd wrappings
    "a Bundle in a Bundle": ordered(bundle(bundle(ORDER))),
    "an entry that is a Bundle": ordered({"resourceType": "Bundle", "entry": [bundle(ORDER)]}),
    "orders in a list": ordered([ORDER]),
    "entries in a list": ordered([{"resource": ORDER}]),
    "Bundles in a list": ordered([bundle(ORDER)]),
    "one order": ordered(ORDER),
    "one order under resource": ordered({"resource": ORDER}),
    "entry as one object": ordered({"resourceType": "Bundle", "entry": {"resource": ORDER}}),
    "entries that are orders": ordered({"resourceType": "Bundle", "entry": [ORDER]}),
    "a Bundle without its type": ordered({"entry": [{"resource": ORDER}]}),
    "a transaction": ordered(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": ORDER, "request": {"method": "POST", "url": "MedicationRequest"}}],
        }
    ),
    "nulls among the entries": ordered(
        {"resourceType": "Bundle", "entry": [None, {"resource": None}, {"resource": ORDER}]}
    ),
    # --- prefetch in odd wrappings
    "conditions in a list": prefetching("conditions", [ASTHMA]),
    "one condition": prefetching("conditions", ASTHMA),
    "a Bundle in a Bundle of conditions": prefetching("conditions", bundle(bundle(ASTHMA))),
    "a response around it": prefetching("conditions", {"response": {"status": "200 OK"}, "resource": bundle(ASTHMA)}),
    "the patient in a Bundle": lambda asked: asked.body["prefetch"].update(
        patient=bundle(asked.body["prefetch"]["patient"])
    ),
    "a total that counts includes": prefetching(
        "medicationRequests",
        {"resourceType": "Bundle", "total": 1, "entry": [{"resource": MEDICATION, "search": {"mode": "include"}}]},
    ),
    "a warning inside": prefetching(
        "medicationStatements",
        {
            "resourceType": "Bundle",
            "total": 0,
            "entry": [
                {
                    "resource": {
                        "resourceType": "OperationOutcome",
                        "issue": [{"severity": "warning", "code": "processing"}],
                    },
                    "search": {"mode": "outcome"},
                }
            ],
        },
    ),
    "a key of nobody's": lambda asked: asked.body["prefetch"].update(
        myConditions=asked.body["prefetch"].pop("conditions")
    ),
    # --- the orders' own rows, other statuses
    "an active order": order_with(status="active"),
    "an order on hold": order_with(status="on-hold"),
    "an order without a status": order_with(status=None),
    "an order whose intent is a plan": order_with(intent="plan"),
    "its own row in the chart": prefetching("medicationRequests", bundle(ORDER)),
    # --- members as others have them
    "a hookInstance that is no UUID": saying(hookInstance="42"),
    "the user outside the context": lambda asked: (
        asked.body["context"].pop("userId"),
        asked.body.update(user="Practitioner/d1"),
    )[0],
    "members that nobody knows": saying(extension={"x": 1}, foo=[1]),
    "an extension that is null": saying(extension=None),
    "a text that was cut within a character": order_with(note=[{"text": "once a day \ud83d"}]),
}


@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
@pytest.mark.parametrize("name", AS_PLAIN)
def test_what_is_meant_is_answered(client: FlaskClient, services: dict[str, Json], name: str, hook: str) -> None:
    asked = Asked(services, hook)
    AS_PLAIN[name](asked)
    answer = client.post(asked.path, json=asked.body)
    assert answer.status_code == 200, answer.get_json()
    cards = answer.get_json()["cards"]
    assert [
        (card["source"]["topic"]["code"], card["indicator"])
        for card in cards
        if "SAF" in card["source"]["topic"]["code"]
    ] == [("SAF-01", "critical")]


SELECTED: dict[str, object] = {
    "a reference": ["MedicationRequest/o1"],
    "an id": ["o1"],
    "an address": [f"{SERVER}/MedicationRequest/o1"],
    "a version": ["MedicationRequest/o1/_history/1"],
    "a reference object": [{"reference": "MedicationRequest/o1"}],
    "an object with type and id": [{"resourceType": "MedicationRequest", "id": "o1"}],
    "the order itself": [ORDER],
    "an entry": [{"resource": ORDER}],
    "no list": "MedicationRequest/o1",
    "several in one text": "ServiceRequest/x,MedicationRequest/o1",
    "an object alone": {"reference": "MedicationRequest/o1"},
    "beside another": ["ServiceRequest/x", "MedicationRequest/o1"],
    "beside null": [None, "MedicationRequest/o1"],
    "with spaces": [" MedicationRequest/o1 "],
    "an id that has its type": ["MedicationRequest/MedicationRequest/o1"],
    "a fragment": ["#o1"],
    "an identifier object": [{"id": "o1"}],
    "a wrapped reference": [{"resource": {"reference": "MedicationRequest/o1"}}],
    "a nested list": [["MedicationRequest/o1"]],
    "a number": [1, "MedicationRequest/o1"],
    "objects under value": [{"value": "MedicationRequest/o1"}],
}


@pytest.mark.parametrize("name", SELECTED)
def test_a_selection_is_read_in_any_form(client: FlaskClient, services: dict[str, Json], name: str) -> None:
    asked = Asked(services, "order-select")
    selecting(SELECTED[name])(asked)
    answer = client.post(asked.path, json=asked.body)
    assert answer.status_code == 200, answer.get_json()
    assert "SAF-01" in [card["source"]["topic"]["code"] for card in answer.get_json()["cards"]]


SILENT: dict[str, Change] = {
    **{
        f"an order that is {status}": order_with(status=status)
        for status in ("stopped", "completed", "ended", "cancelled", "entered-in-error")
    },
    "an order not to give": order_with(doNotPerform=True),
    "an order of another patient": order_with(subject={"reference": "Patient/p2"}),
    "an asthma of another patient": lambda asked: asked.body["prefetch"]["conditions"]["entry"][0]["resource"].update(
        subject={"reference": "Patient/p2"}
    ),
    "a patient who has died": lambda asked: asked.body["prefetch"]["patient"].update(deceasedBoolean=True),
    "a patient who has died on a day": lambda asked: asked.body["prefetch"]["patient"].update(
        deceasedDateTime="2026-01-02"
    ),
}


@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said(client: FlaskClient, services: dict[str, Json], name: str, hook: str) -> None:
    asked = Asked(services, hook)
    SILENT[name](asked)
    answer = client.post(asked.path, json=asked.body)
    assert (answer.status_code, answer.get_json().get("cards")) == (200, [])


NOT_READ: dict[str, Change] = {
    "an order of DSTU2": ordered(
        bundle(
            {
                "resourceType": "MedicationOrder",
                "id": "o1",
                "patient": {"reference": "Patient/p1"},
                "medicationCodeableConcept": PROPRANOLOL,
            }
        )
    ),
    "an order of nobody's kind": ordered(bundle({"resourceType": "DrugOrder", "id": "o1"})),
    "an order in a group of orders": ordered(
        bundle({"resourceType": "RequestGroup", "id": "g1", "contained": [ORDER]})
    ),
    "an order in a plan": ordered(bundle({"resourceType": "CarePlan", "id": "g1", "contained": ORDER})),
    "an order that is text": ordered({"resourceType": "Bundle", "entry": [{"resource": "MedicationRequest/o1"}]}),
    "an order with a modifier": order_with(modifierExtension=[{"url": "https://example.org/x", "valueBoolean": True}]),
    "a Medication that did not come": by_reference("Medication/m9"),
    "a selection that names nothing": lambda asked: (
        asked.body["context"].update(selections=["MedicationRequest/o9"]) or asked.body.update(hook="order-select")
    ),
    "a token that is empty": saying(fhirServer=SERVER, fhirAuthorization=TOKEN | {"access_token": ""}),
    "a Patient who is another": lambda asked: asked.body["prefetch"]["patient"].update(id="p2"),
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_was_not_read_is_said(client: FlaskClient, services: dict[str, Json], name: str) -> None:
    asked = Asked(services, "order-select" if "selection" in name else "order-sign")
    NOT_READ[name](asked)
    answer = client.post(asked.path, json=asked.body)
    assert answer.status_code == 200, answer.get_json()
    assert any(len(said) > 2 for said in answer.get_json()["extension"].values()), answer.get_json()


NEW_ENTRIES: dict[str, object] = {
    "a Bundle": bundle(ASTHMA),
    "a resource": ASTHMA,
    "a list": [ASTHMA],
    "a wrapped resource": {"resource": ASTHMA},
    "a subject with a slash at its end": bundle(ASTHMA | {"subject": {"reference": "Patient/p1/"}}),
    "no resourceType": bundle({name: value for name, value in ASTHMA.items() if name != "resourceType"}),
    "beside another kind": bundle({"resourceType": "Encounter", "id": "e1"}, ASTHMA),
}


def adding(services: dict[str, Json], conditions: object) -> Asked:
    """A request that adds problems to the list of a patient who takes propranolol."""
    asked = Asked(services, "problem-list-item-create")
    asked.body["context"] = {"patientId": "p1", "userId": "Practitioner/d1", "conditions": conditions}
    asked.body["prefetch"] |= {"conditions": EMPTY, "medicationRequests": bundle(ORDER | {"status": "active"})}
    return asked


@pytest.mark.parametrize("name", NEW_ENTRIES)
def test_a_new_problem_is_read_in_any_form(client: FlaskClient, services: dict[str, Json], name: str) -> None:
    asked = adding(services, NEW_ENTRIES[name])
    answer = client.post(asked.path, json=asked.body)
    assert answer.status_code == 200, answer.get_json()
    cards = answer.get_json()["cards"]
    assert [(card["source"]["topic"]["code"], card["indicator"]) for card in cards] == [("SAF-03", "critical")]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["Condition/c1"], "1 of the new entries are no Condition and were not read."),
        (bundle({"resourceType": "Problem", "id": "c1"}), "1 of the new entries are no Condition and were not read."),
        (
            bundle(ASTHMA | {"subject": {"reference": "Patient/p2"}}),
            "1 of the new entries name another patient and were set aside.",
        ),
        ([ASTHMA], "The request was read leniently: context.conditions that is no plain Bundle or resource."),
    ],
)
def test_what_was_not_read_of_new_problems_is_said(
    client: FlaskClient, services: dict[str, Json], entries: object, said: str
) -> None:
    asked = adding(services, entries)
    answer = client.post(asked.path, json=asked.body).get_json()
    assert said in answer["extension"]["org.prodrome.judgement"]["notes"]
