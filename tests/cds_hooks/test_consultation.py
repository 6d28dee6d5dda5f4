"""One call from request to answer, where the prefetch came in an odd shape or not whole."""

import copy
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Client
from prodrome.cds_hooks.protocol import read_request
from prodrome.cds_hooks.settings import FhirServer, Settings
from tests.cds_hooks.fhir_client.fake import BASE, FakeServer, bundle
from tests.fhir_mappers.build import RXNORM, TODAY, Json
from tests.serving import filled

PATIENTS = Path(__file__).parents[1] / "vignettes" / "requests"
AUTHORIZATION = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "c"}
ENVIRONMENT = Environment.of(
    Settings(today=TODAY, fhir_servers=(FhirServer(url=BASE),), deadline_seconds=10.0, workbench=False)
)


def patient(id_: str, **members: Any) -> Json:
    """A request about a labelled patient, its prefetch under our keys."""
    request = json.loads((PATIENTS / f"{id_}.json").read_text())["request_by_kind"]
    templates = ENVIRONMENT.service_for(request["hook"]).discovery()["prefetch"]
    assert isinstance(templates, dict)
    return copy.deepcopy({**request, "prefetch": filled(templates, request["prefetch"]), **members})


def ask(body: Json) -> tuple[set[str], Json]:
    """The rules that spoke, and what else is said."""
    hooks = frozenset(service.hook.name for service in ENVIRONMENT.services().values())
    response = consult(read_request(body, hooks), ENVIRONMENT).response
    said = response["extension"]["org.prodrome.judgement"]
    return {card["source"]["topic"]["code"] for card in response["cards"]}, said


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """A FHIR server in memory that every call reaches; a test gives it answers."""
    fake = FakeServer({})
    client = Client(fake.transport)
    monkeypatch.setattr("prodrome.cds_hooks.fhir_client._CLIENT", client)
    yield fake
    client.close()


RIGHT = {"DTT-01", "PRV-04", "NPH-01", "REF-01"}  # what P01 is labelled with


def test_the_rest_of_a_paged_prefetch_makes_it_whole(server: FakeServer) -> None:
    body = patient("P01", fhirServer=BASE, fhirAuthorization=AUTHORIZATION)
    whole = body["prefetch"]["medicationStatements"]
    first, *rest = whole["entry"]
    total = len(whole["entry"])
    link = [{"relation": "next", "url": f"{BASE}/MedicationStatement?page=2"}]
    body["prefetch"]["medicationStatements"] = {**whole, "entry": [first], "total": total, "link": link}
    server.answers = {"MedicationStatement": [bundle(*rest, total=total)]}
    rules, said = ask(body)
    assert rules == RIGHT
    assert not {"incomplete", "unjudged", "problems"} & said.keys()


def test_a_paged_prefetch_that_still_lacks_rows_is_incomplete(server: FakeServer) -> None:
    body = patient("P01", fhirServer=BASE, fhirAuthorization=AUTHORIZATION)
    whole = body["prefetch"]["medicationStatements"]
    link = [{"relation": "next", "url": f"{BASE}/MedicationStatement?page=2"}]
    body["prefetch"]["medicationStatements"] = {**whole, "total": 99, "link": link}
    server.answers = {"MedicationStatement": [bundle(total=99)]}
    assert ask(body)[1]["incomplete"] == ["MedicationStatement"]


@pytest.mark.parametrize("value", [{}, "gone", 5, {"resourceType": "Practitioner", "id": "p"}, [1], {"resource": {}}])
def test_a_prefetch_value_that_is_no_answer_is_fetched_like_an_absent_one(server: FakeServer, value: object) -> None:
    body = patient("P01", fhirServer=BASE, fhirAuthorization=AUTHORIZATION)
    entries = body["prefetch"]["encounters"].get("entry", [])
    body["prefetch"]["encounters"] = value
    server.answers = {"Encounter": [bundle(*entries)]}
    rules, said = ask(body)
    assert rules == RIGHT
    assert server.paths() == ["Encounter"]
    assert said["notes"] == ["The prefetch value of encounters could not be read and was taken as absent."]


def test_an_operation_outcome_in_the_prefetch_saves_the_second_query(server: FakeServer) -> None:
    body = patient("P01", fhirServer=BASE, fhirAuthorization=AUTHORIZATION)
    body["prefetch"]["encounters"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    assert ask(body)[1]["missing"] == ["Encounter"]
    assert not server.asked


def test_what_an_include_would_have_brought_is_resolved_where_it_is_refused(server: FakeServer) -> None:
    body = patient("P01", fhirServer=BASE, fhirAuthorization=AUTHORIZATION)
    entries = body["prefetch"].pop("medicationStatements")["entry"]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403) if b"_include" in request.url.query else bundle(*entries)

    server.answers = {"MedicationStatement": [answer]}
    rules, said = ask(body)
    assert rules == RIGHT
    assert "problems" not in said


TOPIRAMATE = {"coding": [{"system": RXNORM, "code": "38404"}]}


def contraindicated(**order: Any) -> Json:
    """P13, for whom topiramate is signed although contraindicated; the order's elements replaced by those given."""
    body = patient("P13")
    entry = body["context"]["draftOrders"]["entry"][0]
    entry["resource"] = {name: value for name, value in {**entry["resource"], **order}.items() if value is not None}
    return body


@pytest.mark.parametrize("key", ["medications", "meds", "Medication"])
@pytest.mark.parametrize("as_bundle", [True, False])
def test_a_medication_is_found_under_any_prefetch_key(key: str, as_bundle: bool) -> None:
    body = contraindicated(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"})
    medication = {"resourceType": "Medication", "id": "m1", "code": TOPIRAMATE}
    body["prefetch"][key] = bundle(medication).json() if as_bundle else medication
    rules, said = ask(body)
    assert "SAF-01" in rules
    assert "Medication" not in said.get("missing", ())


def test_a_medication_among_the_orders_is_found_by_its_address() -> None:
    urn = "urn:uuid:6b7f1c0e-0000-4000-8000-000000000001"
    body = contraindicated(medicationCodeableConcept=None, medicationReference={"reference": urn})
    medication = {"resourceType": "Medication", "code": TOPIRAMATE}
    body["context"]["draftOrders"]["entry"].append({"fullUrl": urn, "resource": medication})
    assert "SAF-01" in ask(body)[0]


@pytest.mark.parametrize("status", ["stopped", "completed", "ended", "cancelled"])
def test_no_card_for_an_order_that_is_being_ended(status: str) -> None:
    assert "SAF-01" in ask(contraindicated())[0]
    assert not ask(contraindicated(status=status))[0]


@pytest.mark.parametrize("authorization", [{"access_token": ""}, {}, "x", {"token_type": "Bearer"}])
def test_an_authorization_that_cannot_be_used_withholds_no_guidance(authorization: object) -> None:
    body = contraindicated() | {"fhirServer": BASE, "fhirAuthorization": authorization}
    assert "SAF-01" in ask(body)[0]


@pytest.mark.parametrize(
    ("unknown_codes", "code", "spoken"),
    [
        ("say", {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "L40.0"}, True),
        ("say", {"system": "http://snomed.info/sct", "code": "999000002"}, True),
        ("say", {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "G43.009"}, False),
        ("say", {"system": "https://hospital.example.org/codes", "code": "77"}, False),
        ("ignore", {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "L40.0"}, False),
    ],
)
def test_a_site_may_have_unknown_problems_said_where_a_drug_is_ordered(
    unknown_codes: str, code: dict[str, str], spoken: bool
) -> None:
    settings = Settings.model_validate({"today": TODAY, "unknown_codes": unknown_codes})
    body = contraindicated(medicationCodeableConcept={"coding": [{"system": RXNORM, "code": "37418"}]})
    problem = {"resourceType": "Condition", "id": "odd", "code": {"coding": [code]}}
    body["prefetch"]["conditions"] = bundle(problem).json()
    hooks = frozenset({body["hook"]})
    response = consult(read_request(body, hooks), Environment.of(settings)).response
    said = [card for card in response["cards"] if card["source"]["topic"]["code"] == "INCOMPLETE"]
    assert bool(said) is spoken
    if spoken:
        assert "holds codes that are not known here" in said[0]["summary"]
        unjudged = response["extension"]["org.prodrome.judgement"]["unjudged"]
        assert {"rule": "SAF-01", "missing": ["Condition"]} in unjudged


def test_an_entry_among_the_orders_that_is_not_read_is_said() -> None:
    body = contraindicated(resourceType="MedicationOrder")
    rules, said = ask(body)
    assert not rules
    assert [row["resource"].partition("/")[0] for row in said["skipped"]] == ["MedicationOrder"]


def test_eligibility_is_in_the_answer_where_the_request_or_the_site_asks_for_it() -> None:
    hooks = frozenset(service.hook.name for service in ENVIRONMENT.services().values())

    def extensions(body: Json, environment: Environment = ENVIRONMENT) -> Json:
        return consult(read_request(body, hooks), environment).response["extension"]  # type: ignore[no-any-return]

    name = "org.prodrome.eligibility"
    assert name not in extensions(patient("P01"))
    asked = extensions(patient("P01", extension={name: True}))[name]
    assert {one["state"] for one in asked["classes"]} >= {"failed", "open", "not available"}
    assert {one["row"]: one["answer"] for one in asked["bodies"]}["E62"] == "met"
    site = Environment.of(Settings(today=TODAY, tell_eligibility=True, workbench=False))
    assert extensions(patient("P01"), site)[name] == asked


def test_an_answered_call_leaves_nothing_for_the_garbage_collector() -> None:
    left = {}
    bodies = {file.stem: patient(file.stem) for file in sorted(PATIENTS.glob("*.json"))}
    for body in bodies.values():
        ask(body)
    gc.collect()
    gc.freeze()  # a collection looks at what is made from now on
    gc.disable()
    try:
        for name, body in bodies.items():
            ask(body)
            left[name] = gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    assert len(left) > 10
    assert {name: count for name, count in left.items() if count} == {}
