"""The pages over HTTP, without a browser: who may see them, what they keep, and that they need no script."""

import html
import io
import json
import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from prodrome.cds_hooks.consultation import OutOfTime
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking
from prodrome.rules.guideline.guideline import load_guideline
from tests.browser.conftest import fhir_server
from tests.serving import PAGES_OF_A_CASE, ask, rules_in, service, serving


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return service().test_client()


@pytest.fixture
def fresh() -> FlaskClient:
    """A service that has shown no card yet."""
    return service().test_client()


def token(client: FlaskClient) -> str:
    found = re.search(r'name="token" value="(\w+)"', client.get("/").text)
    assert found
    return found[1]


def post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={"token": token(client), **form})


def opened(client: FlaskClient, name: str = "resistant", number: int = 1) -> str:
    client.get("/")  # a browser that was here before: the permanent address opens the example at once
    answer = client.get(f"/examples/{name}/{number}")
    assert answer.status_code == 303
    return str(answer.location)


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({}, True),
        ({"workbench": False}, False),
        ({"host": "0.0.0.0", "open_to_everyone": True}, False),
        ({"host": "0.0.0.0", "open_to_everyone": True, "workbench": True}, True),
        ({"base_url": "https://cds.example.org", "open_to_everyone": True}, False),
    ],
)
def test_the_pages_are_there_on_loopback_and_elsewhere_only_when_the_site_says_so(
    settings: dict[str, Any], served: bool
) -> None:
    assert Settings(**settings).workbench is served
    assert service(**settings).test_client().get("/").status_code == (200 if served else 404)


@pytest.mark.parametrize("named", asking.named_examples(), ids=lambda named: f"{named.name}-{named.number}")
def test_every_example_shows_the_cards_it_promises(client: FlaskClient, named: asking.NamedAsk) -> None:
    case = opened(client, named.name, named.number)
    answer = client.get(f"{case}/response.json").get_json()
    assert rules_in(answer) == sorted(named.ask.cards)
    page = client.get(case).text
    for card in answer["cards"]:
        assert f'id="card-{card["uuid"]}"' in page


def test_a_card_shows_each_of_its_sources_once(client: FlaskClient) -> None:
    for name in ("refractory", "coronary", "resistant"):
        case = opened(client, name)
        cards = client.get(f"{case}/response.json").get_json()["cards"]
        shown = html.unescape(client.get(case).text).split('<article class="card')[1:]
        for card, article in zip(cards, shown, strict=True):
            for source in (card["source"], *card.get("links", ())):
                assert article.partition("</article>")[0].count(source["label"]) == 1


def test_every_order_on_the_list_is_understood(client: FlaskClient) -> None:
    environment = client.application.extensions["prodrome"]
    triptan = next(one for one in asking.named_examples() if one.name == "triptan")
    for order in asking.order_choices(environment.guideline):
        request = asking.example_request(triptan, environment, hook="order-sign", order=order)
        (entry,) = request["context"]["draftOrders"]["entry"]
        for dosage in entry["resource"].get("dosageInstruction", ()):
            quantity = dosage["doseAndRate"][0]["doseQuantity"]
            assert f" {quantity['value']:g} {quantity['unit']}" in order
        assert ("dosageInstruction" in entry["resource"]) == any(part[0].isdigit() for part in order.split()[1:])
        assert entry["resource"]["medicationCodeableConcept"]["text"].split()[0] in order


def test_an_order_nobody_knows_is_explained(client: FlaskClient) -> None:
    answer = post(client, "/open", source="example", example="triptan/1", hook="order-sign", order="gold 5 mg")
    assert answer.status_code == 400
    assert "is not in the drug table" in answer.text


def test_a_page_that_fails_says_so_as_a_page(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    case = opened(client)
    monkeypatch.setattr("prodrome.cds_hooks.workbench.routes.draw", lambda *_: 1 / 0)
    answer = client.get(case)
    assert answer.status_code == 500
    assert answer.mimetype == "text/html"
    assert "failed on this" in answer.text


def test_a_page_that_takes_too_long_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise OutOfTime

    monkeypatch.setattr("prodrome.cds_hooks.workbench.asking.consult", late)
    answer = post(client, "/open", source="example", example="resistant/1")
    assert answer.status_code == 503
    assert "longer than a call may take" in answer.text


def test_the_hook_and_the_order_can_be_chosen_for_an_example(client: FlaskClient) -> None:
    answer = post(client, "/open", source="example", example="coronary/1", hook="order-sign", order="sumatriptan 50 mg")
    assert "is contraindicated" in client.get(answer.location).text


def test_a_pasted_request_is_answered_as_over_the_wire(client: FlaskClient) -> None:
    document = client.get(f"{opened(client)}/request.json").get_json()
    answer = post(client, "/open", source="pasted", pasted=json.dumps(document))
    assert answer.status_code == 303
    shown = client.get(f"{answer.location}/response.json").get_json()
    wire = client.post("/cds-services/prodrome-patient-view", json=document).get_json()
    assert rules_in(shown) == rules_in(wire)
    assert [card["summary"] for card in shown["cards"]] == [card["summary"] for card in wire["cards"]]


def test_where_there_is_no_card_what_did_not_come_is_pointed_at(client: FlaskClient) -> None:
    said = "what did not come</a> could change that"
    document = client.get(f"{opened(client, 'seven-days')}/request.json").get_json()
    for came in (True, False):
        if not came:
            del document["prefetch"]["conditions"]
        case = post(client, "/open", source="pasted", pasted=json.dumps(document)).location
        page = client.get(case).text
        assert "no rule has something to say" in page
        assert (said in page) is not came


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"hook": "patient-view"}', '{"hook": 1, "context": 2}'])
def test_what_cannot_be_asked_is_explained_and_stays_in_the_form(client: FlaskClient, text: str) -> None:
    answer = post(client, "/open", source="pasted", pasted=text)
    assert 400 <= answer.status_code < 500
    assert 'role="alert"' in answer.text


def test_a_case_belongs_to_the_browser_that_opened_it(client: FlaskClient) -> None:
    case = opened(client)
    assert client.get(case).status_code == 200
    stranger = client.application.test_client()
    of_a_case = (
        "",
        "/why",
        "/eligibility",
        "/prior-authorisation",
        "/prior-authorisation.json",
        "/what-if",
        "/take-away",
    )
    for page in (*of_a_case, "/request.json", "/response.json", "/test-case.json"):
        assert stranger.get(case + page).status_code == 404


def test_a_forgotten_case_is_gone(client: FlaskClient) -> None:
    case = opened(client)
    assert post(client, f"{case}/forget").status_code == 303
    assert client.get(case).status_code == 404


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({}, {}),
        ({}, {"token": "0" * 64}),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
    ],
)
def test_a_form_from_elsewhere_is_refused(
    client: FlaskClient, headers: dict[str, str], form: dict[str, str] | None
) -> None:
    sent = {"token": token(client)} if form is None else form
    answer = client.post("/open", data={**sent, "source": "example", "example": "resistant/1"}, headers=headers)
    assert answer.status_code == 403


def test_a_page_asked_for_under_another_name_is_refused(client: FlaskClient) -> None:
    for path in ("/", "/check", "/case/x", "/workbench/static/workbench.css"):
        assert client.get(path, headers={"Host": "rebound.example.org"}).status_code == 400


def test_too_many_pages_are_refused_with_the_time_to_come_back() -> None:
    client = service(requests_per_minute=2).test_client()
    answers = [client.get("/") for _ in range(4)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_the_cookie_is_for_this_site_only_and_out_of_reach_of_scripts(client: FlaskClient) -> None:
    cookie = client.application.test_client().get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_pages_load_nothing_from_elsewhere_run_nothing_inline_and_are_not_stored(client: FlaskClient) -> None:
    case = opened(client)
    for path in (
        "/",
        case,
        f"{case}/why?steps=1",
        f"{case}/eligibility",
        f"{case}/prior-authorisation",
        f"{case}/what-if",
        f"{case}/take-away",
        "/rules",
        "/feedback",
        "/check",
    ):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", answer.text)
        for link in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
            if not re.match(r"(/|#)", link):
                assert re.search(rf'<a [^>]*href="{re.escape(link)}"', answer.text), link


def test_nothing_of_a_chart_is_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    case = opened(client)
    for page in ("", "/why", "/eligibility", "/prior-authorisation", "/what-if", "/take-away"):
        client.get(case + page)
    post(client, f"{case}/what-if", **{"/prefetch/patient/birthDate": "2015-01-01"})
    text = caplog.text
    assert "prodrome-resistant" not in text
    assert "2015-01-01" not in text
    assert case.rpartition("/")[2] not in text


INJECTED = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


def test_text_of_a_chart_acts_nowhere(client: FlaskClient) -> None:
    document = client.get(f"{opened(client)}/request.json").get_json()
    spoilt = spoil(document)
    answer = post(client, "/open", source="pasted", pasted=json.dumps(spoilt))
    assert answer.status_code == 303
    for page in ("", "/why?steps=1", "/eligibility", "/prior-authorisation", "/what-if", "/take-away"):
        text = client.get(answer.location + page).text
        assert "<script>alert" not in text
        assert "<img" not in text
    assert "<script>alert" not in post(client, "/check", request=json.dumps(spoilt)).text


def spoil(value: Any) -> Any:
    """Every display and text of a request carries an attack."""
    if isinstance(value, dict):
        return {name: INJECTED if name in ("display", "text") else spoil(inner) for name, inner in value.items()}
    return [spoil(inner) for inner in value] if isinstance(value, list) else value


def test_a_change_shows_what_would_change_with_and_without_script(client: FlaskClient) -> None:
    case = opened(client)
    name = "/prefetch/medicationStatements/entry/0/resource/statusReason"
    live = client.post(f"{case}/what-if", data={"token": token(client), name: ""}, headers={"HX-Request": "true"})
    assert "gone" in live.text
    assert "DTT-01" in live.text
    assert "<html" not in live.text
    assert post(client, f"{case}/reset").status_code == 303
    assert "Nothing is changed yet" in client.get(f"{case}/what-if").text
    plain = post(client, f"{case}/what-if", **{name: ""})
    assert plain.status_code == 303
    assert "Rules that turn" in client.get(plain.location).text


def test_a_parameter_can_be_tried(client: FlaskClient) -> None:
    case = opened(client)
    answer = post(client, f"{case}/what-if", **{"parameter:resistant_min_classes": "4"})
    page = client.get(answer.location).text
    assert re.search(r'class="gone">\s*<span class="change">gone</span> <strong>DTT-01', page)


@pytest.mark.parametrize(
    "form",
    [
        {"parameter:resistant_min_classes": "99"},
        {"parameter:resistant_min_classes": "many"},
        {"/prefetch/medicationStatements/entry/0/resource/effectivePeriod/start": "yesterday"},
    ],
)
def test_a_change_that_cannot_be_is_explained(client: FlaskClient, form: dict[str, str]) -> None:
    answer = post(client, f"{opened(client)}/what-if", **form)
    assert answer.status_code == 400
    assert 'class="problem"' in answer.text


def test_trying_changes_counts_no_card_as_shown(client: FlaskClient) -> None:
    case = opened(client)
    before = client.get("/feedback").text
    for classes in ("2", "4", "5"):
        post(client, f"{case}/what-if", **{"parameter:resistant_min_classes": classes})
    assert client.get("/feedback").text == before


def card_of(client: FlaskClient, case: str, rule: str) -> dict[str, Any]:
    cards = client.get(f"{case}/response.json").get_json()["cards"]
    found: dict[str, Any] = next(card for card in cards if card["source"]["topic"]["code"] == rule)
    return found


def test_accepting_shows_before_and_after_and_is_counted(fresh: FlaskClient) -> None:
    case = opened(fresh, "triptan")
    card = card_of(fresh, case, "ACU-01")
    answer = post(fresh, f"{case}/cards/{card['uuid']}/accept", suggestion=card["suggestions"][0]["uuid"])
    page = fresh.get(answer.location).text
    assert re.search(r'class="removed"><code>[^<]*&#34;value&#34;: 25', page)
    assert re.search(r'class="added"><code>[^<]*&#34;value&#34;: 50', page)
    assert "The feedback is kept." in page
    assert figures(fresh)["ACU-01"] == [1, 1, 0, 0]


def test_overriding_sends_the_reason_and_is_counted(fresh: FlaskClient) -> None:
    case = opened(fresh, "triptan")
    card = card_of(fresh, case, "ACU-01")
    reason = card["overrideReasons"][0]
    post(fresh, f"{case}/cards/{card['uuid']}/override", reason=reason["code"], comment="a remark")
    assert figures(fresh)["ACU-01"] == [1, 0, 1, 0]
    assert reason["display"] in fresh.get("/feedback").text


def figures(client: FlaskClient) -> dict[str, list[int]]:
    rows = re.findall(
        r'<th scope="row"><a[^>]*>([^<]+)</a></th>\s*<td>[^<]*</td>\s*((?:<td class="number">\d+</td>\s*){4})',
        client.get("/feedback").text,
    )
    return {rule: [int(n) for n in re.findall(r">(\d+)<", cells)] for rule, cells in rows}


def test_a_test_case_taken_away_is_one_the_suite_reads(client: FlaskClient) -> None:
    for named in asking.named_examples():
        case = opened(client, named.name, named.number)
        taken = client.get(f"{case}/test-case.json").get_json()
        answer = ask(client, taken)
        assert answer.status_code == 200
        assert rules_in(answer.get_json()) == taken["expected"]["cards"] == sorted(named.ask.cards)


def test_every_rule_has_a_page_with_its_statement_parameters_and_sources(client: FlaskClient) -> None:
    guideline = load_guideline()
    listed = client.get("/rules").text
    for rule in guideline.rulebook.rules.values():
        page = client.get(f"/rules/{rule.id}")
        assert page.status_code == 200
        assert f"/rules/{rule.id}" in listed
        for parameter in rule.parameters:
            assert parameter in page.text
        for source in rule.sources:
            assert source in page.text
        if rule.card:
            assert "/examples/" in page.text, f"no example exercises {rule.id}"
    assert client.get("/rules/XYZ-99").status_code == 404


def test_every_rule_is_told_fired_or_not_and_what_stopped_it(client: FlaskClient) -> None:
    page = client.get(f"{opened(client)}/why").text
    rules = load_guideline().rulebook.rules.values()
    for rule in rules:
        assert (f'id="{rule.id}"' in page) == (rule.card is not None)
    assert "stopped here" in page
    assert "What comes nearest" in page
    assert "Any of these would" in page
    assert "Silenced by" in page


def test_a_page_shows_what_was_understood_and_what_was_not(client: FlaskClient) -> None:
    document = client.get(f"{opened(client)}/request.json").get_json()
    entry = document["prefetch"]["conditions"]["entry"][0]["resource"]
    entry["id"], entry["code"] = "odd", {"text": "Sudden <b>giddiness</b>"}
    case = post(client, "/open", source="pasted", pasted=json.dumps(document)).location
    page = client.get(f"{case}/understood").text
    assert "Condition/odd" in page
    assert "Sudden &lt;b&gt;giddiness&lt;/b&gt;" in page
    assert "has no code of a known system" in page


def test_missing_kinds_are_told_as_what_could_not_be_judged(client: FlaskClient) -> None:
    document = client.get(f"{opened(client, 'emergency')}/request.json").get_json()
    del document["prefetch"]["appointments"]
    case = post(client, "/open", source="pasted", pasted=json.dumps(document)).location
    assert "could not judge" in client.get(f"{case}/why").text
    assert "Nothing is concluded from what is absent" in client.get(case).text


@pytest.mark.withstands("pages without a cookie")
@pytest.mark.parametrize("headers", [{}, {"Sec-Purpose": "prefetch;prerender"}], ids=["robot", "fetched ahead"])
def test_an_address_fetched_by_nobody_keeps_nothing_and_offers_to_open(headers: dict[str, str]) -> None:
    app = service()
    robot = app.test_client(use_cookies=False)
    client = app.test_client()
    client.get("/")
    asking_for = client if headers else robot  # a person's browser may fetch a link that was not followed yet
    for path in ("/", "/rules", "/feedback", "/check", "/examples/resistant/1", "/examples/coronary/1?hook=order-sign"):
        assert asking_for.get(path, headers=headers).status_code == 200
    assert "PRV-01" not in figures(client)
    answer = client.get("/examples/resistant/1", headers={"Sec-Purpose": "prefetch"})
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
    opened = client.post("/open", data=form)
    assert opened.status_code == 303
    assert client.get(opened.location).status_code == 200


@pytest.mark.withstands("pages without a cookie")
def test_no_page_that_is_only_fetched_makes_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    monkeypatch.setattr("prodrome.cds_hooks.workbench.cases.Cases.add", lambda *case: kept.append(case))
    monkeypatch.setattr("prodrome.cds_hooks.workbench.asking.opened", lambda *case: kept.append(case))
    app = service()
    for named in asking.named_examples():
        assert app.test_client().get(f"/examples/{named.name}/{named.number}").status_code == 200
    assert app.test_client().get("/examples/nobody/1").status_code == 404
    assert not kept


ODD = {
    "the last month there is": [
        {
            "resourceType": "Observation",
            "id": "month",
            "status": "final",
            "code": {
                "coding": [
                    {
                        "system": "https://example.org/prodrome/CodeSystem/headache-diary",
                        "code": "debilitating-headache-days",
                    }
                ]
            },
            "effectivePeriod": {"start": "9999-12-01", "end": "9999-12-31"},
            "valueInteger": 9,
        }
    ],
    "null for a list": [
        {
            "resourceType": kind,
            "id": kind,
            "status": "completed",
            "code": {"coding": null, "text": null},
            "medicationCodeableConcept": {"coding": null, "concept": null},
            "statusReason": reason,
            "adherence": adherence,
            "dosage": null,
            "dosageInstruction": [null],
            "component": [null, {"code": null, "valueInteger": 3}],
        }
        for null in (None, 3, "text")
        for kind in ("MedicationStatement", "MedicationRequest", "Observation", "Condition", "Procedure", "Encounter")
        for reason in ([{"coding": null}], {"coding": [null]}, null)
        for adherence in (null, {"reason": {"coding": null}})
    ],
}


@pytest.mark.withstands("workbench fields")
@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_pages_bear_dates_beyond_the_calendar_and_null_where_objects_belong(
    client: FlaskClient, odd: list[dict[str, Any]]
) -> None:
    document = client.get(f"{opened(client)}/request.json").get_json()
    bundles = {key: value for key, value in document["prefetch"].items() if value and "entry" in value}
    for resource in odd:
        patient = {"reference": f"Patient/{document['context']['patientId']}"}
        for bundle in bundles.values():
            if any(entry["resource"]["resourceType"] == resource["resourceType"] for entry in bundle["entry"]):
                bundle["entry"].append({"resource": {**resource, "subject": patient, "patient": patient}})
    answer = post(client, "/open", source="pasted", pasted=json.dumps(document))
    assert answer.status_code == 303
    pages = (*PAGES_OF_A_CASE, "/test-case.json")
    assert {page: client.get(f"{answer.location}{page}").status_code for page in pages} == dict.fromkeys(pages, 200)
    names = re.findall(r'name="(/[^"]+)"', client.get(f"{answer.location}/what-if").text)
    assert post(client, f"{answer.location}/what-if", **{names[-1]: "9999-12-31"}).status_code in (303, 400)


@pytest.mark.withstands("workbench fields")
@pytest.mark.parametrize("start", ["9999-12-01", "9999-12-31", "9999-12", "9999", "0001-01-01"])
def test_pages_bear_trials_from_either_end_of_the_calendar(client: FlaskClient, start: str) -> None:
    case = opened(client)
    names = re.findall(r'name="(/[^"]+effectivePeriod/start)"', client.get(f"{case}/what-if").text)
    assert names
    assert post(client, f"{case}/what-if", **dict.fromkeys(names, start)).status_code == 303
    assert client.get(f"{case}/what-if").status_code == 200

    document = client.get(f"{case}/request.json").get_json()
    for entry in document["prefetch"]["medicationStatements"]["entry"]:
        entry["resource"]["effectivePeriod"] = {"start": start}
        entry["resource"]["status"] = "active"
    answer = post(client, "/open", source="pasted", pasted=json.dumps(document))
    assert answer.status_code == 303
    assert client.get(answer.location).status_code == 200


def test_eligibility_is_a_page_with_every_class_and_the_bodies_of_a_drug(client: FlaskClient) -> None:
    case = opened(client, "resistant", 3)
    page = client.get(f"{case}/eligibility").text
    assert "UnitedHealthcare commercial: met" in page
    assert page.count("botulinum toxin") >= 1
    of_one_drug = client.get(f"{case}/eligibility?drug=rimegepant").text
    assert "UnitedHealthcare commercial" not in of_one_drug
    assert "Highmark" in of_one_drug
    assert "No body of this site asks for anything." in client.get(f"{case}/eligibility?drug=<script>").text


def test_the_summary_for_prior_authorisation_is_a_page_and_a_document(client: FlaskClient) -> None:
    case = opened(client, "resistant", 3)
    page = client.get(f"{case}/prior-authorisation").text
    assert "Asked for: <strong>erenumab</strong>" in page
    assert "stopped for side effects" in page
    document = client.get(f"{case}/prior-authorisation.json")
    assert document.headers["Content-Disposition"] == 'attachment; filename="prior-authorisation.json"'
    assert document.get_json()["entry"][0]["resource"]["resourceType"] == "Composition"


@pytest.mark.parametrize(
    "path", ["", "/why", "/understood", "/eligibility", "/prior-authorisation", "/what-if", "/take-away"]
)
def test_every_page_of_a_case_says_whom_it_is_about(client: FlaskClient, path: str) -> None:
    page = client.get(opened(client) + path).text
    found = re.search(r'<section class="banner" aria-label="Patient">(.*?)</section>', page, re.DOTALL)
    assert found
    words = re.sub(r"<[^>]+>|\s+", " ", found[1])
    for said in ("38 years", "female", "prodrome-resistant", "example", "as of", "2026-06-15"):
        assert said in words


def test_a_patient_that_the_server_does_not_have_is_an_error_at_the_field() -> None:
    client = service().test_client()
    with serving(fhir_server()) as url:
        answer = post(client, "/open", source="server", server=url, patient="nobody")
        assert answer.status_code == 404
        assert re.search(r'<input id="patient"[^>]*aria-invalid="true" aria-describedby="patient-problem"', answer.text)
        assert "There is no patient of this id on the FHIR server." in answer.text
        assert 'value="nobody"' in answer.text
        found = post(client, "/open", source="server", server=url, patient="prodrome-resistant")
        assert found.status_code == 303


def test_an_unknown_address_is_a_page_for_a_browser_and_json_for_a_program(client: FlaskClient) -> None:
    browser = client.get("/nowhere", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert browser.status_code == 404
    assert browser.mimetype == "text/html"
    assert "There is no page at this address." in browser.text
    program = client.get("/nowhere", headers={"Accept": "*/*"})
    assert program.status_code == 404
    assert program.get_json()["resourceType"] == "OperationOutcome"
    assert client.get("/nowhere").get_json()["resourceType"] == "OperationOutcome"


def test_feedback_has_titles_rates_and_weeks_and_is_narrowed_by_days(fresh: FlaskClient) -> None:
    case = opened(fresh, "triptan")
    card = card_of(fresh, case, "ACU-01")
    post(fresh, f"{case}/cards/{card['uuid']}/accept", suggestion=card["suggestions"][0]["uuid"])
    page = fresh.get("/feedback").text
    assert "Acute dose below the full dose" in page
    assert "100 %" in page
    assert 'class="trend"' in page
    assert figures(fresh)["ACU-01"] == [1, 1, 0, 0]
    assert "No card was shown in this time" in fresh.get("/feedback?until=2020-01-01").text
    assert "No card of this rule was shown then" in fresh.get("/feedback?rule=ED-01").text
    wrong = fresh.get("/feedback?since=yesterday")
    assert wrong.status_code == 400
    assert "expected a date as in 2026-03-14" in wrong.text


def test_feedback_is_taken_away_as_csv_over_the_same_days(fresh: FlaskClient) -> None:
    opened(fresh, "triptan")
    taken = fresh.get("/feedback.csv")
    assert taken.mimetype == "text/csv"
    assert taken.text.splitlines()[1].startswith("ACU-01,1,0,0,1,")
    assert fresh.get("/feedback.csv?until=2020-01-01").text.count("\n") == 1


def test_a_request_to_check_can_be_an_example_or_a_file_and_opens_as_a_case(client: FlaskClient) -> None:
    filled = client.get("/check?example=triptan/1").text
    text = html.unescape(filled.partition('name="request"')[2].partition(">")[2].partition("</textarea>")[0])
    assert json.loads(text)["hook"] == "order-sign"
    sent = {"token": token(client), "file": (io.BytesIO(text.encode()), "request.json")}
    page = client.post("/check", data=sent).text
    assert "Nothing is wrong with it" in page
    held = html.unescape(page.partition('name="pasted" hidden>')[2].partition("</textarea>")[0])
    answer = post(client, "/open", source="pasted", pasted=held)
    assert "ACU-01" in client.get(answer.location).text


def test_the_history_stands_beside_the_cards_and_names_their_drugs(client: FlaskClient) -> None:
    page = client.get(opened(client, "refractory")).text
    assert 'class="beside"' in page
    assert re.search(r'<a class="drug" data-drug="topiramate" href="#read-\d+">topiramate</a>', page)
    assert re.search(r'<a href="#read-\d+" class="bar [a-z]+"[^>]* data-drug="topiramate"', page)


def test_the_legend_has_what_is_drawn_and_nothing_else(client: FlaskClient) -> None:
    legend = client.get(opened(client, "emergency")).text.partition('class="legend"')[2].partition("</ul>")[0]
    assert "hospital visit for migraine" in legend
    for absent in ("hospital visit for another reason", "specialist seen", "debilitating days", "no efficacy"):
        assert absent not in legend


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_that_the_calendar_has_too_little_around_is_refused(client: FlaskClient, day: str) -> None:
    says = "The day should be one of the years 1900 to 2199."
    case = opened(client)
    refused = [
        client.get(f"/examples/resistant/1?day={day}"),
        post(client, "/open", source="example", example="resistant/1", day=day),
        post(client, f"{case}/what-if", **{"asked:day": day}),
    ]
    assert [answer.status_code for answer in refused] == [400] * 3
    assert all(says in answer.text for answer in refused)
    assert post(client, f"{case}/what-if", **{"asked:day": "1900-01-01"}).status_code == 303


def test_feedback_is_asked_for_to_the_end_of_the_calendar(client: FlaskClient) -> None:
    for page in ("/feedback", "/feedback.csv"):
        assert client.get(f"{page}?since=0001-01-01&until=9999-12-31").status_code == 200


def test_an_example_of_any_number_is_looked_for(client: FlaskClient) -> None:
    assert post(client, "/open", source="example", example=f"resistant/{'9' * 5000}").status_code == 404


@pytest.mark.parametrize("wrong", [5, "x", [1], {"resourceType": "Bundle", "entry": 5}, {"resourceType": "Binary"}])
def test_a_test_case_does_not_make_whole_what_came_in_part(client: FlaskClient, wrong: Any) -> None:
    """Where a kind is asked for by several queries, they stand together in it."""
    document = client.get(f"{opened(client)}/request.json").get_json()
    document["prefetch"]["measurements"] = wrong
    answer = post(client, "/open", source="pasted", pasted=json.dumps(document))
    taken = client.get(f"{answer.location}/test-case.json").get_json()["request_by_kind"]["prefetch"]["Observation"]
    diary = document["prefetch"]["headacheDiary"]["entry"]
    assert taken["entry"][: len(diary)] == diary
    assert [one["resource"]["resourceType"] for one in taken["entry"][len(diary) :]] == ["OperationOutcome"]
