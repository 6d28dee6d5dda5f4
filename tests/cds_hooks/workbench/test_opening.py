"""Other ways to a case: a link that holds it, a patient found by name, and a call that the service answered."""

import json
import re
import zlib
from base64 import urlsafe_b64encode
from datetime import date
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.protocol import Invalid, parse, read_request
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers.example_patients import examples, resources
from prodrome.cds_hooks.workbench.live import Calls
from prodrome.cds_hooks.workbench.sharing import LONGEST, MOST_BYTES, Shared, packed, unpacked
from prodrome.rules.guideline.guideline import load_guideline
from tests.cds_hooks.workbench.test_pages import opened, post
from tests.serving import TODAY, ask, discovered, filled, service, serving

# A link that holds a case


VALUES = st.integers(-(2**53), 2**53) | st.text(max_size=20)


@given(st.text(max_size=30), st.dates(), st.dictionaries(st.text(max_size=9), VALUES, max_size=5))
def test_a_link_holds_what_was_put_into_it(title: str, day: date, document: dict[str, Any]) -> None:
    text = packed(Shared(title, day, document))
    assert text is not None
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    document = {name: value for name, value in document.items() if name not in ("fhirServer", "fhirAuthorization")}
    assert unpacked(text) == Shared(title, day, document)


def test_a_shared_case_opens_in_another_service_on_its_own_day() -> None:
    here, there = service().test_client(), service(today=date(2027, 3, 1)).test_client()
    link = re.search(r'id="shared"[^>]*>([^<]+)<', here.get(f"{opened(here)}/take-away").text)
    assert link
    assert len(link[1]) < 6000
    answer = post(there, "/shared", held=link[1])
    assert answer.status_code == 303
    page = there.get(answer.location).text
    assert 'datetime="2026-06-15"' in page
    assert 'href="#' in page
    assert "DTT-01" in page


@pytest.mark.parametrize(
    "held",
    [
        "",
        "!!!",
        "abcd",
        urlsafe_b64encode(zlib.compress(b"[]")).decode(),
        urlsafe_b64encode(zlib.compress(b'{"day": "x", "title": "t", "request": {}}')).decode(),
        urlsafe_b64encode(zlib.compress(b" " * (MOST_BYTES + 1))).decode(),
    ],
    ids=["nothing", "no base64", "not packed", "no object", "no day", "a bomb"],
)
def test_a_damaged_link_is_told_as_one(held: str) -> None:
    with pytest.raises(Invalid, match=r"damaged|no case"):
        unpacked(held)
    assert post(service().test_client(), "/shared", held=held).status_code == 400


def test_a_chart_too_large_for_a_link_has_none() -> None:
    import random

    noise = random.Random(1).randbytes(LONGEST).hex()
    assert packed(Shared("t", TODAY, {"noise": noise})) is None


def test_the_permanent_link_of_an_example_keeps_its_day() -> None:
    client = service().test_client()
    link = re.search(r'id="permalink"[^>]*>([^<]+)<', client.get(f"{opened(client)}/take-away").text)
    assert link
    assert "day=2026-06-15" in link[1]
    later = service(today=date(2027, 3, 1)).test_client()
    later.get("/")
    page = later.get(later.get(link[1].replace("&amp;", "&")).location).text
    assert 'datetime="2026-06-15"' in page
    assert later.get("/examples/resistant/1?day=soon").status_code == 400


# A patient of a FHIR server


def directory() -> Flask:
    """A FHIR server that finds example patients by name or identifier."""
    patients = [resources(one, load_guideline(), TODAY)[0] for one in examples()]
    app = Flask("directory")

    @app.get("/Patient")
    def search() -> Response:
        name, identifier = request.args.get("name", "").lower(), request.args.get("identifier", "")
        found = [
            one
            for one in patients
            if (name and name in json.dumps(one["name"]).lower())
            or (identifier and identifier == one["identifier"][0]["value"])
        ]
        entries = [{"resource": one} for one in found]
        return jsonify({"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries})

    return app


@pytest.mark.parametrize(("words", "there"), [("fernhill", True), ("439563", True), ("nobody", False)])
def test_a_patient_is_found_by_name_or_identifier(words: str, there: bool) -> None:
    client = service().test_client()
    with serving(directory()) as url:
        page = post(client, "/find", server=url, find=words).text
    assert ("Ada Fernhill-Example" in page) is there
    assert ('name="patient" value="prodrome-resistant"' in page) is there
    assert ("has no patient of this name" in page) is not there


def test_a_search_that_cannot_be_made_says_why() -> None:
    client = service().test_client()
    assert "are both needed" in post(client, "/find", server="", find="x").text
    assert "cannot be reached" in post(client, "/find", server="http://127.0.0.1:9", find="x").text


# The last calls


@pytest.fixture(scope="module")
def watched() -> FlaskClient:
    return service(live_minutes=5, workers=1).test_client()


def case_of(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{opened(client)}/test-case.json").get_json()
    return found


def test_a_call_is_listed_with_its_cards_and_opens_as_a_case(watched: FlaskClient) -> None:
    assert ask(watched, case_of(watched)).status_code == 200
    page = watched.get("/live").text
    assert "DTT-01" in page
    key = re.search(r'action="(/live/[^"]+)"', page)
    assert key
    answer = post(watched, key[1])
    assert answer.status_code == 303
    assert "DTT-01" in watched.get(answer.location).text


def test_a_refused_call_is_listed_with_the_reason(watched: FlaskClient) -> None:
    watched.post("/cds-services/prodrome-patient-view", json={"hook": "patient-view"})
    assert "hookInstance is missing" in watched.get("/live").text


def test_no_call_is_kept_where_the_site_did_not_ask_for_it() -> None:
    client = service().test_client()
    ask(client, case_of(client))
    assert client.get("/live").status_code == 404
    assert 'href="/live"' not in client.get("/").text


def test_calls_go_after_their_minutes_and_lose_their_token_at_once() -> None:
    now = [0.0]
    calls = Calls(2, clock=lambda: now[0])
    body = json.dumps({"hook": "patient-view", "fhirAuthorization": {"access_token": "zzsecretzz"}}).encode()
    calls.keep("prodrome-patient-view", TODAY, body, None, "because", 0.1)
    (call,) = calls.latest()
    assert b"zzsecretzz" not in call.body
    now[0] = 121
    assert calls.latest() == []
    assert calls.get(call.key) is None


@pytest.mark.parametrize("name", ["fhirAuthorization", r"\u0066hirAuthorization"])
def test_an_answered_call_loses_a_token_however_its_member_is_spelt(name: str) -> None:
    app = service()
    asked = case_of(app.test_client())["request_by_kind"]
    templates = discovered(app.test_client(), asked["hook"])["prefetch"]
    token = {"access_token": "zzsecretzz", "token_type": "mac"}  # which cannot be used, and is borne
    document = {**asked, "prefetch": filled(templates, asked["prefetch"]), "TOKEN": token}
    body = json.dumps(document).replace("TOKEN", name).encode()
    answered = consult(read_request(parse(body), frozenset({asked["hook"]}), body=body), app.extensions["prodrome"])
    calls = Calls(2)
    calls.keep("a service", TODAY, body, answered, "", 0.1)
    (call,) = calls.latest()
    assert b"zzsecretzz" not in call.body
    assert json.loads(call.body) == {name: value for name, value in document.items() if name != "TOKEN"}


def test_only_the_latest_calls_are_kept() -> None:
    calls = Calls(2)
    for number in range(60):
        calls.keep(f"s{number}", TODAY, b"{}", None, "", 0.1)
    assert [call.service for call in calls.latest()] == [f"s{number}" for number in range(59, 9, -1)]


def test_calls_of_several_processes_cannot_be_kept_together() -> None:
    with pytest.raises(ValueError, match="set workers = 1"):
        Settings(live_minutes=5, workers=2)
