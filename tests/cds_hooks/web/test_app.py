"""The service over HTTP: what it answers, and what it never says."""

import copy
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from prodrome.cds_hooks import logs
from prodrome.cds_hooks.protocol.checks import response_faults
from prodrome.cds_hooks.runtime import is_compiled
from prodrome.rules.engine.evaluation import EngineDisagreement
from tests.logged import logged
from tests.serving import Answer, Client, ask, client_of, discovered, filled, rules_in, service

PATIENTS = Path(__file__).parents[2] / "vignettes" / "requests"


def patient(id_: str) -> dict[str, Any]:
    return dict(json.loads((PATIENTS / f"{id_}.json").read_text()))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with logged() as stream:
        yield stream


def request_for(client: Client, id_: str) -> tuple[str, dict[str, Any]]:
    """The address and body that ask about a labelled patient."""
    request = patient(id_)["request_by_kind"]
    service = discovered(client, request["hook"])
    body = {**request, "prefetch": filled(service["prefetch"], request["prefetch"])}
    return f"/cds-services/{service['id']}", copy.deepcopy(body)


def outcome(answer: Answer) -> dict[str, Any]:
    body = answer.get_json()
    assert body["resourceType"] == "OperationOutcome"
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(body["issue"][0])


def said(answer: Answer) -> dict[str, Any]:
    assert answer.status_code == 200, answer.get_json()
    return dict(answer.get_json()["extension"]["org.prodrome.judgement"])


@pytest.mark.requirement("DISC-01", "DISC-02", "DISC-03", "DISC-22", "DISC-23", "GEN-01", "HOOK-01")
def test_discovery_answers_get_and_head_and_can_be_cached(client: Client) -> None:
    answer = client.get("/cds-services")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert isinstance(answer.get_json()["services"], list)
    assert client.head("/cds-services").status_code == 200
    again = client.get("/cds-services", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.requirement("REQ-01", "RSP-01", "RSP-02", "RSP-12", "GEN-04", "GEN-05", "GEN-06", "GEN-07")
def test_a_call_is_answered_with_cards_that_keep_the_specification(client: Client) -> None:
    address, body = request_for(client, "P01")
    answer = client.post(address, json=body)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert response_faults(answer.get_json()) == []
    assert rules_in(answer.get_json()) == ["DTT-01", "NPH-01", "PRV-04", "REF-01"]


@pytest.mark.requirement("RSP-03")
def test_nothing_to_say_is_200_with_no_cards(client: Client) -> None:
    answer = ask(client, patient("P02"))
    assert (answer.status_code, answer.get_json()["cards"]) == (200, [])


@pytest.mark.requirement("STALE-04", "STALE-05")
def test_the_same_request_gets_the_same_bytes(client: Client) -> None:
    address, body = request_for(client, "P01")
    first, other, second = (
        client.post(address, json=body).data,
        ask(client, patient("P02")).data,
        client.post(address, json=body).data,
    )
    assert first == second != other


@pytest.mark.requirement("GEN-11", "DISC-21", "RSP-06", "RSP-07", "RSP-09")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/nowhere", 404),
        ("post", "/cds-services/no-such-service", 404),
        ("post", "/cds-services//prodrome-patient-view", 404),
        ("get", "/cds-services/prodrome-patient-view", 405),
        ("post", "/cds-services", 405),
        ("put", "/cds-services/prodrome-patient-view", 405),
    ],
)
def test_wrong_addresses_and_methods_are_refused_with_an_outcome(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method.upper(), json={})
    assert answer.status_code == status
    assert outcome(answer)["severity"] == "error"
    if status == 405:
        assert "OPTIONS" in answer.headers["Allow"]


def test_a_trailing_slash_leads_to_the_same_answer_without_a_redirect(client: Client) -> None:
    address, body = request_for(client, "P02")
    assert client.post(f"{address}/", json=body).status_code == 200
    assert client.get("/cds-services/").status_code == 200


@pytest.mark.requirement("GEN-10")
@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b'{"hook": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_400(client: Client, raw: bytes) -> None:
    answer = client.post("/cds-services/prodrome-patient-view", data=raw, content_type="application/json")
    assert answer.status_code == 400
    outcome(answer)


@pytest.mark.requirement("GEN-11")
def test_media_types(client: Client) -> None:
    address, body = request_for(client, "P02")
    raw = orjson.dumps(body)
    for accepted in (
        "application/json",
        "application/json; charset=utf-8",
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
        "application/json+fhir",
        "application/vnd.hl7.cds+json",
        "text/json",
        "",
    ):
        assert client.post(address, data=raw, content_type=accepted).status_code == 200
    for refused in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
        answer = client.post(address, data=raw, content_type=refused)
        assert (answer.status_code, answer.headers["Accept"]) == (415, "application/json, application/fhir+json")


@pytest.mark.requirement("GEN-11")
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
@pytest.mark.parametrize("path", ["", "/feedback"])
def test_a_compressed_body_is_refused_and_it_is_said_what_is_taken(client: Client, encoding: str, path: str) -> None:
    address, body = request_for(client, "P02")
    headers = {"Content-Encoding": encoding}
    answer = client.post(address + path, data=orjson.dumps(body), content_type="application/json", headers=headers)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    headers = {"Content-Encoding": "Identity"}
    assert client.post(address, data=orjson.dumps(body), content_type="text/json", headers=headers).status_code == 200


@pytest.mark.requirement("GEN-11")
def test_a_body_beyond_the_limit_is_413() -> None:
    with client_of(service(max_body_bytes=2048)) as small:
        answer = small.post("/cds-services/prodrome-patient-view", json={"hook": "x" * 4096})
    assert answer.status_code == 413
    assert "2048" in outcome(answer)["details"]["text"]


@pytest.mark.requirement("REQ-13", "RSP-08")
def test_a_fault_is_named_without_repeating_what_came(client: Client) -> None:
    address, body = request_for(client, "P01")
    body["context"]["patientId"] = {"secret": "Mrs Canary"}
    issue = outcome(client.post(address, json=body))
    assert issue["expression"] == ["context.patientId"]
    assert "Canary" not in json.dumps(issue)


@pytest.mark.requirement("PFD-13", "RSP-05")
def test_without_any_data_the_answer_is_412(client: Client) -> None:
    address, body = request_for(client, "P01")
    for nothing in ({}, None, {"unknown": {"resourceType": "Basket"}}):
        answer = client.post(address, json={**body, "prefetch": nothing})
        assert answer.status_code == 412
        assert outcome(answer)["code"] == "incomplete"


@pytest.mark.requirement("PFD-14")
def test_data_that_says_nothing_is_not_412(client: Client) -> None:
    address, body = request_for(client, "P01")
    answer = client.post(address, json={**body, "prefetch": dict.fromkeys(body["prefetch"])})
    assert (answer.status_code, answer.get_json()["cards"]) == (200, [])


@pytest.mark.requirement("PFD-02", "PFD-03", "PFD-11")
def test_a_key_left_out_is_not_a_key_with_null(client: Client) -> None:
    address, body = request_for(client, "P10")
    body["prefetch"]["serviceRequests"] = None
    assert rules_in(client.post(address, json=body).get_json()) == ["ED-01"]
    del body["prefetch"]["serviceRequests"]
    answer = client.post(address, json=body)
    assert rules_in(answer.get_json()) == ["INCOMPLETE"]
    assert said(answer)["missing"] == ["ServiceRequest"]


@pytest.mark.requirement("PFD-04", "PFD-05", "PFD-06", "PFD-07", "PFD-10")
def test_what_a_prefetch_value_says_about_itself(client: Client) -> None:
    def cards(value: Any) -> list[str]:
        address, body = request_for(client, "P10")
        body["prefetch"]["serviceRequests"] = value
        return rules_in(client.post(address, json=body).get_json())

    def issue(severity: str) -> dict[str, Any]:
        return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}

    empty: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    inside = {"search": {"mode": "outcome"}}
    assert cards(empty) == ["ED-01"]
    assert cards({**empty, "entry": [{**inside, "resource": issue("warning")}]}) == ["ED-01"]
    assert cards({**empty, "entry": [{**inside, "resource": issue("error")}]}) == ["INCOMPLETE"]
    assert cards({**empty, "link": [{"relation": "next", "url": "https://ehr.example.org/next"}]}) == ["INCOMPLETE"]
    assert cards(issue("error")) == ["INCOMPLETE"]


@pytest.mark.requirement("PFD-18")
def test_a_site_may_name_the_prefetch_keys() -> None:
    keys = {"PAT-user": "patient", "ENC": "encounters"}
    with client_of(service(prefetch_keys=keys)) as named:
        address, body = request_for(named, "P10")
        for theirs, ours in keys.items():
            body["prefetch"][theirs] = body["prefetch"].pop(ours)
        answer = named.post(address, json=body)
    assert rules_in(answer.get_json()) == ["ED-01"]
    assert "missing" not in said(answer)


@pytest.mark.requirement("PFD-17")
def test_what_came_under_an_unknown_key_is_used_but_not_taken_for_all(client: Client) -> None:
    address, body = request_for(client, "P10")
    body["prefetch"]["visits"] = body["prefetch"].pop("encounters")
    body["prefetch"]["coverage"] = {"resourceType": "Coverage", "id": "c"}
    answer = client.post(address, json=body)
    assert rules_in(answer.get_json()) == ["INCOMPLETE"]
    assert said(answer)["incomplete"] == ["Encounter"]


@pytest.mark.requirement("REQ-19")
def test_another_patients_chart_is_set_aside_and_said(client: Client) -> None:
    address, body = request_for(client, "P01")
    body["prefetch"]["patient"] = {**body["prefetch"]["patient"], "id": "somebody-else"}
    answer = client.post(address, json=body)
    assert answer.get_json()["cards"] == []
    assert said(answer)["missing"] == ["Patient"]
    assert any("not the patient" in note for note in said(answer)["notes"])


@pytest.mark.requirement("REQ-19")
@pytest.mark.parametrize("own", [False, True])
def test_another_patient_in_a_bundle_is_set_aside_and_said(client: Client, own: bool) -> None:
    address, body = request_for(client, "P01")
    patient = body["prefetch"]["patient"]
    entries = [{"resource": {**patient, "id": "somebody-else"}}] + [{"resource": patient}] * own
    body["prefetch"]["patient"] = {"resourceType": "Bundle", "entry": entries}
    answer = client.post(address, json=body)
    assert ("DTT-01" in rules_in(answer.get_json()), "Patient" in said(answer).get("missing", ())) == (own, not own)
    assert any("not the patient" in note for note in said(answer)["notes"])


@pytest.mark.requirement("REQ-19")
def test_rows_of_another_patient_are_ignored_and_said(client: Client) -> None:
    address, body = request_for(client, "P01")
    row = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/somebody-else"}}
    body["prefetch"]["encounters"] = {"resourceType": "Bundle", "entry": [{"resource": row}] * 2}
    answer = client.post(address, json=body)
    assert "REF-01" in rules_in(answer.get_json())
    expected = {"kind": "Encounter", "what": "subject", "why": "is another patient", "count": 1}
    assert said(answer)["notUnderstood"] == [expected]


@pytest.mark.requirement("REQ-19")
def test_an_order_for_another_patient_is_set_aside_and_said(client: Client) -> None:
    address, body = request_for(client, "P12")
    body["context"]["draftOrders"]["entry"][0]["resource"]["subject"]["reference"] = "Patient/somebody-else"
    answer = client.post(address, json=body)
    assert "PRV-01" not in rules_in(answer.get_json())
    assert any("another patient" in note for note in said(answer)["notes"])


@pytest.mark.requirement("HOOK-06", "HOOK-07")
@pytest.mark.parametrize(
    ("selections", "expected"),
    [
        (["MedicationRequest/draft-1"], ["ACU-01"]),
        (["draft-1"], ["ACU-01"]),
        (["MedicationRequest/other"], []),
        ([], []),
    ],
)
def test_only_selected_orders_are_judged(client: Client, selections: list[str], expected: list[str]) -> None:
    address, body = request_for(client, "P07")
    body["context"]["selections"] = selections
    assert rules_in(client.post(address, json=body).get_json()) == expected


@pytest.mark.requirement("HOOK-08")
def test_at_signing_orders_may_have_any_status(client: Client) -> None:
    address, body = request_for(client, "P13")
    body["context"]["draftOrders"]["entry"][0]["resource"]["status"] = "active"
    assert rules_in(client.post(address, json=body).get_json()) == ["SAF-01"]


@pytest.mark.requirement("RSP-09", "RSP-08")
def test_matchers_that_disagree_close_the_answer_and_raise_an_alarm(
    client: Client, monkeypatch: pytest.MonkeyPatch, lines: io.StringIO
) -> None:
    def disagree(*_: object, **__: object) -> None:
        raise EngineDisagreement("outcomes", ["DTT-01"])

    monkeypatch.setattr("prodrome.cds_hooks.consultation.judge", disagree)
    answer = ask(client, patient("P01"))
    assert answer.status_code == 500
    assert outcome(answer)["severity"] == "fatal"
    alarms = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["level"] == "critical"]
    assert [line["rules"] for line in alarms] == [["DTT-01"]]


@pytest.mark.requirement("RSP-08")
def test_an_unexpected_failure_says_nothing_of_the_chart(
    client: Client, monkeypatch: pytest.MonkeyPatch, lines: io.StringIO
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("Mrs Canary")

    monkeypatch.setattr("prodrome.cds_hooks.consultation.read_facts", fail)
    answer = ask(client, patient("P01"))
    assert answer.status_code == 500
    assert "Canary" not in answer.data.decode() + lines.getvalue()
    assert outcome(answer)["diagnostics"].split()[-1] == answer.headers["X-Request-ID"]
    assert '"exception":"KeyError"' in lines.getvalue()
    assert answer.headers["X-Request-ID"] in lines.getvalue()


@pytest.mark.requirement("FRA-09", "FRA-10", "SEC-26", "SEC-30")
def test_log_lines_hold_nothing_of_the_chart_or_the_token(client: Client, lines: io.StringIO) -> None:
    address, body = request_for(client, "P15")
    body["fhirServer"] = "https://canary.example.org/fhir"
    body["fhirAuthorization"] = {
        "access_token": "canary-token",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "canary",
        "subject": "canary",
    }
    client.post(address, json=body, headers={"Authorization": "Bearer canary-jwt"})
    client.post(address, json={**body, "context": {"patientId": "canary"}})
    written = lines.getvalue()
    assert len(written.splitlines()) >= 2
    texts = {value for value in _texts(body) if len(value) > 3}
    known = {"patient-view", "Encounter", "Patient"} | set(body["prefetch"]) | _kinds(body)
    assert [text for text in sorted(texts - known) if text in written] == []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _kinds(value: Any) -> set[str]:
    return {found for found in _texts(value) if found.isalpha() and found[0].isupper()}


def test_a_line_is_written_for_each_answer(client: Client, lines: io.StringIO) -> None:
    ask(client, patient("P10"))
    line = json.loads(lines.getvalue().splitlines()[-1])
    assert (line["event"], line["status"], line["hook"]) == ("answered", 200, "patient-view")
    assert line["rules"] == ["ED-01"]
    assert line["ms"] > 0


def test_an_unknown_log_field_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError):
        logs.log("event", patient="Mrs Canary")


def test_health_names_what_answers(client: Client) -> None:
    well = client.get("/health").get_json()
    assert well["status"] == "ok"
    assert well["engine"] in ("checked", "reference")
    assert well["compiled"] is is_compiled()
    assert well["today"] == "2026-06-15"
    assert ("note" in well) == (well["engine"] == "reference")


def test_health_says_when_the_reference_serves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prodrome.rules.engine.evaluation._DURABLE", None)
    with client_of(service()) as client:
        well = client.get("/health").get_json()
    assert (well["engine"], "3.13" in well["note"]) == ("reference", True)


def test_a_chart_with_more_courses_than_can_be_judged_is_refused_and_not_a_failure(client: Client) -> None:
    path, body = request_for(client, "P01")
    row = body["prefetch"]["medicationStatements"]["entry"][-1]["resource"]
    undated = {name: value for name, value in row.items() if name != "effectivePeriod"}
    many = [{"resource": {**undated, "id": f"c{number}"}} for number in range(2_100)]
    body["prefetch"]["medicationStatements"]["entry"] = many
    answer = client.post(path, json=body)
    assert answer.status_code == 413
    assert "more than can be judged" in outcome(answer)["details"]["text"]
