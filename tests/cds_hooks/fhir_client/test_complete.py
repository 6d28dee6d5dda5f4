"""What becomes of a query, whatever the server does. Completeness is the point: only COMPLETE allows conclusions."""

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.fhir_client import Client, complete, in_words, searching
from prodrome.cds_hooks.fhir_client.breaker import Breaker
from prodrome.cds_hooks.settings import FhirServer, Issuer, Settings
from prodrome.fhir_mappers.collecting import collect
from prodrome.rules.facts import Completeness
from tests.cds_hooks.fhir_client.fake import (
    BASE,
    FHIR,
    Answer,
    FakeServer,
    bundle,
    client_of,
    encounters,
    fetch,
    hook_request,
    site,
)

COMPLETE, INCOMPLETE, MISSING = Completeness.COMPLETE, Completeness.INCOMPLETE, Completeness.MISSING


def next_link(url: str) -> list[dict[str, str]]:
    return [{"relation": "self", "url": BASE}, {"relation": "next", "url": url}]


def test_what_a_search_finds_is_complete() -> None:
    fetched = fetch({"Encounter": [bundle(*encounters("a", "b"), total=2)]})
    assert (fetched.state, fetched.count, fetched.problem) == (COMPLETE, 2, None)


@pytest.mark.requirement("PFD-04")
@pytest.mark.parametrize("empty", [{"entry": []}, {"total": 0, "entry": []}])
def test_an_empty_searchset_is_complete(empty: dict[str, Any]) -> None:
    assert fetch({"Encounter": [bundle(**empty)]}).state is COMPLETE


@pytest.mark.requirement("PFD-07")
def test_a_warning_among_the_matches_changes_nothing() -> None:
    warning = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "4101"}]}
    entry = {"resource": warning, "search": {"mode": "outcome"}}
    fetched = fetch({"Encounter": [bundle(*encounters("a"), entry, total=1)]})
    assert (fetched.state, fetched.count) == (COMPLETE, 1)


def test_a_read_is_complete_with_the_resource_asked_for() -> None:
    patient = {"resourceType": "Patient", "id": "1"}
    fetched = fetch({"Patient/1": [httpx.Response(200, json=patient, headers=FHIR)]}, "Patient/1")
    assert (fetched.value, fetched.state) == (patient, COMPLETE)


def test_a_read_that_answers_with_another_resource_is_missing() -> None:
    other = httpx.Response(200, json={"resourceType": "Patient", "id": "2"}, headers=FHIR)
    fetched = fetch({"Patient/1": [other]}, "Patient/1")
    assert (fetched.state, fetched.problem) == (MISSING, "answers with another resource than was asked for")


@pytest.mark.requirement("PFD-10")
@pytest.mark.parametrize("second", [f"{BASE}?_getpages=x&_offset=1", "?page=2", "/fhir?page=2"])
def test_pages_are_followed_to_the_end_by_opaque_links(second: str) -> None:
    server = FakeServer(
        {
            "Encounter": [
                bundle(*encounters("a"), link=next_link(second), total=2),
                bundle(*encounters("b"), total=2),
            ],
            "": [bundle(*encounters("b"), total=2)],
        }
    )
    fetched = fetch(server)
    assert (fetched.state, fetched.count) == (COMPLETE, 2)
    assert str(server.asked[1].url).endswith(second.rpartition("?")[2])


@pytest.mark.parametrize("relation", ["Next", "NEXT", ["next"]])
def test_the_next_page_is_followed_however_its_relation_is_written(relation: object) -> None:
    link = [{"relation": relation, "url": f"{BASE}/Encounter?page=2"}]
    fetched = fetch({"Encounter": [bundle(*encounters("a"), link=link), bundle(*encounters("b"))]})
    assert (fetched.state, fetched.count) == (COMPLETE, 2)


@pytest.mark.parametrize("total", [2.0, "2"])
def test_a_total_counts_however_it_is_written(total: object) -> None:
    assert fetch({"Encounter": [bundle(*encounters("a"), total=total)]}).state is INCOMPLETE


@pytest.mark.parametrize("status", [202, 204, 205, 206])
def test_a_success_that_is_not_the_whole_answer_is_missing(status: int) -> None:
    part = httpx.Response(status, json={"resourceType": "Bundle", "entry": []}, headers=FHIR)
    fetched = fetch({"Encounter": [part]})
    assert (fetched.state, fetched.problem) == (MISSING, f"gives no whole answer ({status})")


@pytest.mark.requirement("PFD-12")
@pytest.mark.parametrize(
    "link", ["https://evil.example/fhir?page=2", "http://ehr.example.org/fhir?page=2", "/x", "//["]
)
def test_a_page_elsewhere_is_not_asked_for(link: str) -> None:
    server = FakeServer({"Encounter": [bundle(*encounters("a"), link=next_link(link))]})
    fetched = fetch(server)
    assert (fetched.state, fetched.count, len(server.asked)) == (INCOMPLETE, 1, 1)


def test_circular_pages_end() -> None:
    server = FakeServer({"Encounter": [bundle(*encounters("a"), link=next_link(f"{BASE}/Encounter?page=2"))]})
    fetched = fetch(server)
    assert (fetched.state, fetched.problem) == (INCOMPLETE, "repeats its pages without end")
    assert len(server.asked) == 2


def test_endless_pages_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MAX_PAGES", 7)
    count = iter(range(1000))

    def page(request: httpx.Request) -> httpx.Response:
        number = next(count)
        return bundle(*encounters(f"e{number}"), link=next_link(f"{BASE}/Encounter?page={number}"))

    server = FakeServer({"Encounter": [page]})
    fetched = fetch(server)
    assert (fetched.state, fetched.problem) == (INCOMPLETE, "has more than can be taken")
    assert len(server.asked) == 7


def test_more_entries_than_the_limit_are_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_MAX_ENTRIES", 10)
    fetched = fetch({"Encounter": [bundle(*encounters(*map(str, range(30))))]})
    assert (fetched.state, fetched.count) == (INCOMPLETE, 10)


def test_a_total_larger_than_what_came_is_incomplete() -> None:
    fetched = fetch({"Encounter": [bundle(*encounters("a", "b"), total=12)]})
    assert (fetched.state, fetched.problem) == (INCOMPLETE, "sends less than it says there is")


def test_the_same_match_twice_counts_once_towards_the_total() -> None:
    assert fetch({"Encounter": [bundle(*encounters("a", "a"), total=2)]}).state is INCOMPLETE


def test_included_resources_do_not_count_as_matches() -> None:
    included = {"resource": {"resourceType": "PractitionerRole", "id": "r"}, "search": {"mode": "include"}}
    fetched = fetch({"Encounter": [bundle(*encounters("a"), included, total=3)]})
    assert (fetched.state, fetched.count) == (INCOMPLETE, 1)


@pytest.mark.parametrize("mode", ["include", "outcome"])
def test_a_total_that_counts_what_is_beside_the_matches_is_no_sign_of_missing_rows(mode: str) -> None:
    warned = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}
    beside = warned if mode == "outcome" else {"resourceType": "PractitionerRole", "id": "r"}
    fetched = fetch({"Encounter": [bundle(*encounters("a"), {"resource": beside, "search": {"mode": mode}}, total=2)]})
    assert (fetched.state, fetched.count) == (COMPLETE, 1)


def test_pages_count_together_towards_the_total() -> None:
    link = next_link(f"{BASE}/Encounter?page=2")
    pages: list[Answer] = [bundle(*encounters("a"), link=link, total=2), bundle(*encounters("b"), total=2)]
    assert fetch({"Encounter": pages}).state is COMPLETE
    pages = [bundle(*encounters("a"), link=link, total=3), bundle(*encounters("b"), total=3)]
    assert fetch({"Encounter": pages}).state is INCOMPLETE


def test_what_several_pages_include_may_be_counted_once_or_each_time() -> None:
    included = {"resource": {"resourceType": "Patient", "id": "1"}, "search": {"mode": "include"}}
    second = f"{BASE}/Encounter?page=2"
    for total in (3, 4, 5):
        pages = [
            bundle(*encounters("a", "b"), included, total=total, link=next_link(second)),
            bundle(*encounters("c"), included, total=total),
        ]
        assert fetch({"Encounter": list(pages)}).state is COMPLETE, total
    pages = [
        bundle(*encounters("a", "b"), included, total=6, link=next_link(second)),
        bundle(*encounters("c"), included),
    ]
    assert fetch({"Encounter": list(pages)}).state is INCOMPLETE


def test_the_total_of_a_first_page_that_came_by_itself_is_not_that_of_the_others() -> None:
    server = FakeServer({"Encounter": [bundle(*encounters("b"), total=2)]})
    assert fetch(server, f"{BASE}/Encounter?page=2").state is COMPLETE


def test_a_failing_second_page_leaves_the_first_and_says_so() -> None:
    server = FakeServer(
        {
            "Encounter": [bundle(*encounters("a"), link=next_link(f"{BASE}/Encounter?page=2")), httpx.Response(500)],
        }
    )
    fetched = fetch(server)
    assert (fetched.state, fetched.count, fetched.problem) == (INCOMPLETE, 1, "failed (500)")


ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "security"}]}
ENTRIES_ARE_NO_LIST = {"resourceType": "Bundle", "entry": 1}


def ok(body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    content = httpx.ByteStream(body if isinstance(body, bytes) else json.dumps(body).encode())
    return httpx.Response(200, stream=content, headers={**FHIR, **headers})


FAULTS: dict[str, tuple[httpx.Response | Exception, str]] = {
    "401": (httpx.Response(401), "does not accept the access token (401)"),
    "403": (httpx.Response(403), "does not allow this to be read (403)"),
    "404": (httpx.Response(404), "does not have this (404)"),
    "410": (httpx.Response(410), "does not have this any more (410)"),
    "400": (httpx.Response(400, json=ERROR), "refuses the query (400)"),
    "500": (httpx.Response(500), "failed (500)"),
    "302": (
        httpx.Response(302, headers={"Location": "https://evil.example"}),
        "redirects elsewhere, which is not followed (302)",
    ),
    "an error as the body": (ok(ERROR), "reports a problem (security)"),
    "HTML": (httpx.Response(200, html="<p>Log in"), "answers with something else than JSON"),
    "broken JSON": (ok(b'{"resourceType":'), "sends an answer that is not valid JSON"),
    "deep JSON": (ok(b"[" * 100_000), "sends an answer that is not valid JSON"),
    "a number": (ok(b"1"), "answers with something else than a Bundle"),
    "another resource": (ok({"resourceType": "Patient"}), "answers with something else than a Bundle"),
    "entries that are no list": (ok(ENTRIES_ARE_NO_LIST), "sends a Bundle that cannot be read"),
    "an odd encoding": (ok(b"x", **{"Content-Encoding": "own"}), "answers in an encoding that was not asked for"),
    "refused": (httpx.ConnectError("no"), "cannot be reached"),
    "broken off": (httpx.RemoteProtocolError("no"), "broke off the connection"),
    "reset": (httpx.ReadError("no"), "broke off the connection"),
}


@pytest.mark.requirement("PFD-02")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_kind_missing_and_says_why(fault: str) -> None:
    answer, problem = FAULTS[fault]
    fetched = fetch({"Encounter": [answer]})
    assert (fetched.state, fetched.problem) == (MISSING, problem)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_value_of_what_failed_reads_as_missing_by_itself(fault: str) -> None:
    fetched = fetch({"Encounter": [FAULTS[fault][0]]})
    _, completeness = collect([("Encounter", fetched.value)])
    assert completeness == {"Encounter": MISSING}


def test_the_value_of_what_came_in_part_reads_as_incomplete_by_itself() -> None:
    fetched = fetch({"Encounter": [bundle(*encounters("a"), link=next_link("https://evil.example"))]})
    found, completeness = collect([("Encounter", fetched.value)])
    assert completeness == {"Encounter": INCOMPLETE}
    assert len(found["Encounter"]) == 1


@pytest.mark.parametrize("subject", ["Patient/2", "https://ehr.example.org/fhir/Patient/2/_history/3"])
def test_another_patients_data_in_the_answer_make_it_incomplete(subject: str) -> None:
    stranger = {"resourceType": "Encounter", "id": "x", "subject": {"reference": subject}}
    fetched = fetch({"Encounter": [bundle(*encounters("a"), stranger)]})
    assert (fetched.state, fetched.problem) == (INCOMPLETE, "answers with other patients' data")


@pytest.mark.parametrize("patients", [["Patient/2", "Patient/1"], []])
def test_an_appointment_of_several_people_is_the_patients_own(patients: list[str]) -> None:
    people = [{"actor": {"reference": reference}} for reference in [*patients, "Practitioner/9"]]
    appointment = {"resourceType": "Appointment", "id": "x", "participant": people}
    assert fetch({"Appointment": [bundle(appointment)]}, "Appointment?patient=1").state is COMPLETE


def test_a_server_error_is_asked_again_once() -> None:
    server = FakeServer({"Encounter": [httpx.Response(500), bundle()]})
    assert fetch(server).state is COMPLETE
    server = FakeServer({"Encounter": [httpx.Response(502), httpx.Response(502), bundle()]})
    assert (fetch(server).problem, len(server.asked)) == ("failed (502)", 2)


def test_a_dropped_connection_is_tried_again_once() -> None:
    server = FakeServer({"Encounter": [httpx.RemoteProtocolError("dropped"), bundle()]})
    assert fetch(server).state is COMPLETE


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["0", format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True), "soon", None])
def test_a_busy_server_is_asked_again(status: int, after: str | None) -> None:
    headers = {} if after is None else {"Retry-After": after}
    server = FakeServer({"Encounter": [httpx.Response(status, headers=headers), bundle()]})
    assert fetch(server).state is COMPLETE


def test_retry_after_is_waited_for_inside_the_deadline() -> None:
    server = FakeServer({"Encounter": [httpx.Response(503, headers={"Retry-After": "1"}), bundle()]})
    assert fetch(server).state is COMPLETE
    assert server.times[1] - server.times[0] >= 1


@pytest.mark.parametrize(
    "after", ["30", format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_beyond_the_deadline_is_not_waited_for(after: str) -> None:
    begun = time.monotonic()
    fetched = fetch({"Encounter": [httpx.Response(429, headers={"Retry-After": after})]})
    assert (fetched.state, fetched.problem) == (MISSING, "is too busy (429)")
    assert time.monotonic() - begun < 1


def test_what_has_not_come_by_the_deadline_is_missing() -> None:
    begun = time.monotonic()
    fetched = fetch(FakeServer({"Encounter": [bundle()]}, delay=30), seconds=0.3)
    assert (fetched.state, fetched.problem) == (MISSING, "did not answer in time")
    assert time.monotonic() - begun < 0.6


def test_pages_that_came_before_the_deadline_are_kept() -> None:
    pages = [bundle(*encounters(str(n)), link=next_link(f"{BASE}/Encounter?page={n}")) for n in range(9)]
    fetched = fetch(FakeServer({"Encounter": [*pages]}, delay=0.2), seconds=0.5)
    assert (fetched.state, fetched.count, fetched.problem) == (INCOMPLETE, 2, "did not answer in time")


def test_requests_go_out_side_by_side() -> None:
    kinds = [f"Kind{letter}" for letter in "abcdefghijk"]
    server = FakeServer({kind: [bundle()] for kind in kinds}, delay=0.3)
    begun = time.monotonic()
    with client_of(server) as client:
        plan = {kind: (kind, f"{kind}?patient=1") for kind in kinds}
        fetched = complete(plan, hook_request(), site(), begun + 4, client=client)
    assert {answer.state for answer in fetched.values()} == {COMPLETE}
    assert time.monotonic() - begun < 0.6


def test_one_fault_does_not_touch_the_other_kinds() -> None:
    server = FakeServer({"Encounter": [bundle()], "Condition": [httpx.Response(403)]})
    plan = {"encounters": ("Encounter", "Encounter?patient=1"), "conditions": ("Condition", "Condition?patient=1")}
    with client_of(server) as client:
        fetched = complete(plan, hook_request(), site(), time.monotonic() + 2, client=client)
    assert {key: answer.state for key, answer in fetched.items()} == {"encounters": COMPLETE, "conditions": MISSING}


def test_each_answer_is_told_as_it_comes() -> None:
    told: list[tuple[str, int]] = []
    with client_of(FakeServer({"Encounter": [bundle(*encounters("a"))]})) as client:
        plan = {"encounters": ("Encounter", "Encounter?patient=1")}
        complete(
            plan,
            hook_request(),
            site(),
            time.monotonic() + 2,
            client=client,
            progress=lambda k, f: told.append((k, f.count)),
        )
    assert told == [("encounters", 1)]


@pytest.mark.requirement("FRA-02", "FRA-13", "FRA-14", "FRA-12")
def test_the_token_goes_to_the_server_it_came_with() -> None:
    server = FakeServer({"Encounter": [bundle()]})
    fetch(server, request=hook_request("t-1"))
    fetch(server, request=hook_request("t-2"))
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer t-1", "Bearer t-2"]
    assert {request.headers["Accept"].split(",")[0] for request in server.asked} == {"application/fhir+json"}


@pytest.mark.requirement("FRA-11")
def test_without_a_token_only_an_open_server_is_asked() -> None:
    server = FakeServer({"Encounter": [bundle()]})
    fetched = fetch(server, request=hook_request(None))
    assert (fetched.state, fetched.problem) == (MISSING, "cannot be asked: no access token came with the request")
    assert not server.asked
    assert fetch(server, request=hook_request(None), settings=site(open=True)).state is COMPLETE
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.requirement("FRA-04")
@pytest.mark.parametrize(("token", "expires_in"), [("secret", 0), ("secret", -5), ("a\r\nX: y", 300), ("ü", 300)])
def test_a_token_that_has_expired_or_is_none_is_not_sent(token: str, expires_in: int) -> None:
    server = FakeServer({"Encounter": [bundle()]})
    assert fetch(server, request=hook_request(token, expires_in=expires_in)).state is MISSING
    assert not server.asked


@pytest.mark.requirement("REQ-08")
def test_a_server_that_is_not_listed_is_never_asked() -> None:
    server = FakeServer({"Encounter": [bundle()]})
    fetched = fetch(server, request=hook_request(server="https://evil.example/fhir"))
    assert (fetched.state, fetched.problem) == (MISSING, "is not on the list of allowed FHIR servers")
    assert fetch(server, request=hook_request(server=None)).problem == "is not named in the request"
    assert not server.asked


@pytest.mark.parametrize("query", ["/Encounter?x", "../Encounter?patient=1", "https://evil.example/fhir?x=1"])
def test_a_query_never_leaves_the_base_address(query: str) -> None:
    server = FakeServer({"Encounter": [bundle()]})
    assert fetch(server, query).state is MISSING
    assert not server.asked


def test_a_query_may_hold_the_address_of_a_code_system() -> None:
    server = FakeServer({"Observation": [bundle()]})
    assert fetch(server, "Observation?patient=1&code=https://example.org/codes|x").state is COMPLETE
    assert server.asked[0].url.params["code"] == "https://example.org/codes|x"


def test_the_rest_of_a_bundle_that_came_in_part_is_fetched_by_its_link() -> None:
    server = FakeServer({"Encounter": [bundle(*encounters("b"))]})
    fetched = fetch(server, f"{BASE}/Encounter?page=2")
    assert (fetched.state, fetched.count) == (COMPLETE, 1)
    assert str(server.asked[0].url) == f"{BASE}/Encounter?page=2"


def test_a_long_query_is_posted() -> None:
    codes = ",".join(str(n) for n in range(10_000, 10_400))
    server = FakeServer({"Condition/_search": [bundle()]})
    assert fetch(server, f"Condition?patient=1&code={codes}").state is COMPLETE
    (request,) = server.asked
    assert (request.method, request.url.query) == ("POST", b"")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.content.decode().startswith("patient=1&code=10000")


def test_a_site_may_prefer_searches_by_post() -> None:
    server = FakeServer({"Encounter/_search": [bundle()]})
    assert fetch(server, settings=site(prefer_post=True)).state is COMPLETE


def test_an_include_the_server_does_not_know_is_left_out() -> None:
    server = FakeServer({"MedicationRequest": [httpx.Response(400), bundle()]})
    fetched = fetch(server, "MedicationRequest?patient=1&_include=MedicationRequest:medication")
    assert fetched.state is COMPLETE
    assert b"_include" in server.asked[0].url.query
    assert b"_include" not in server.asked[1].url.query


WITH_INCLUDE = "MedicationRequest?patient=1&_include=MedicationRequest:medication"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 500, 501])
def test_an_include_may_be_refused_with_any_status(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if b"_include" in request.url.query else bundle()

    assert fetch({"MedicationRequest": [answer]}, WITH_INCLUDE).state is COMPLETE


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(200, json=ERROR, headers=FHIR),
        bundle({"resource": ERROR, "search": {"mode": "outcome"}}),
        httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
    ],
)
def test_an_include_may_be_refused_in_the_answer(refusal: httpx.Response) -> None:
    assert fetch({"MedicationRequest": [refusal, bundle()]}, WITH_INCLUDE).state is COMPLETE


def test_a_text_that_was_cut_within_a_character_costs_nothing() -> None:
    body = bundle(*encounters("a")).content.replace(b'"Patient/1"', rb'"Patient/1", "display": "cut \ud83d"')
    fetched = fetch({"Encounter": [httpx.Response(200, content=body, headers=FHIR)]})
    assert (fetched.state, fetched.count) == (COMPLETE, 1)


@pytest.mark.parametrize("query", ["Encounter?patient=1", "Encounter?patient=1&_include=Encounter:participant"])
@pytest.mark.parametrize("status", [400, 422, 501])
def test_a_page_larger_than_the_server_allows_is_left_to_the_server(status: int, query: str) -> None:
    second = bundle(*encounters("b"))

    def answer(request: httpx.Request) -> httpx.Response:
        if int(request.url.params.get("_count", 10)) > 100:
            return httpx.Response(status, json=ERROR, headers=FHIR)
        if "page" in request.url.params:
            return second
        return bundle(*encounters("a"), link=next_link(f"{BASE}/Encounter?patient=1&page=2"), total=2)

    fetched = fetch({"Encounter": [answer]}, query)
    assert (fetched.state, fetched.count) == (COMPLETE, 2)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500])
def test_a_refusal_for_another_reason_is_not_asked_about_again(status: int) -> None:
    server = FakeServer({"Encounter": [httpx.Response(status)]})
    assert fetch(server).state is MISSING
    assert all("_count" in request.url.params for request in server.asked)


def test_a_refused_token_is_not_tried_in_another_way() -> None:
    server = FakeServer({"MedicationRequest": [httpx.Response(401)]})
    assert fetch(server, WITH_INCLUDE).state is MISSING
    assert len(server.asked) == 1


def test_an_error_that_stays_without_the_include_is_told() -> None:
    fetched = fetch({"MedicationRequest": [httpx.Response(403)]}, WITH_INCLUDE)
    assert (fetched.state, fetched.problem) == (MISSING, "does not allow this to be read (403)")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 415, 500, 501])
def test_a_refused_post_is_asked_by_several_shorter_gets(status: int) -> None:
    ids = [f"m{'x' * 45}{n}" for n in range(60)]

    def found(request: httpx.Request) -> httpx.Response:
        wanted = request.url.params["_id"].split(",")
        return bundle(*({"resourceType": "Medication", "id": bare} for bare in wanted), total=len(wanted))

    server = FakeServer({"Medication/_search": [httpx.Response(status)], "Medication": [found]})
    fetched = fetch(server, f"Medication?_id={','.join(ids)}")
    assert (fetched.state, fetched.count) == (COMPLETE, 60)
    gets = [request for request in server.asked if request.method == "GET"]
    assert len(gets) > 1
    assert all(len(request.url.query) <= searching.LONG_QUERY for request in gets)
    assert sorted(bare for request in gets for bare in request.url.params["_id"].split(",")) == sorted(ids)


def test_a_site_that_prefers_posts_is_asked_by_get_where_the_server_refuses_them() -> None:
    server = FakeServer({"Encounter/_search": [httpx.Response(405)], "Encounter": [bundle(*encounters("a"))]})
    assert fetch(server, settings=site(prefer_post=True)).state is COMPLETE


@pytest.mark.parametrize(
    "media_type", ["application/fhir+json", "application/json+fhir", "application/json", "text/json;charset=utf-8", ""]
)
def test_json_is_read_under_each_of_its_names(media_type: str) -> None:
    answer = httpx.Response(200, content=bundle(*encounters("a")).content, headers={"Content-Type": media_type})
    assert fetch({"Encounter": [answer]}).state is COMPLETE


def test_compressed_answers_are_read() -> None:
    content = gzip.compress(bundle(*encounters("a")).content)
    fetched = fetch(
        {
            "Encounter": [
                httpx.Response(200, stream=httpx.ByteStream(content), headers={**FHIR, "Content-Encoding": "gzip"})
            ]
        }
    )
    assert (fetched.state, fetched.count) == (COMPLETE, 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(b" " * 50_000_000, mtime=0), "sends more than can be taken"),
        (gzip.compress(bundle().content, mtime=0)[:-12], "sends an answer that is cut off"),
        (b"not compressed", "sends an answer that is damaged"),
    ],
)
def test_an_answer_that_does_not_unpack_as_it_should_is_missing(content: bytes, problem: str) -> None:
    answer = httpx.Response(200, stream=httpx.ByteStream(content), headers={**FHIR, "Content-Encoding": "gzip"})
    fetched = fetch({"Encounter": [answer]})
    assert (fetched.state, fetched.problem) == (MISSING, problem)


def test_the_circuit_opens_after_calls_without_any_answer_and_closes_with_one() -> None:
    server = FakeServer({"Encounter": [*[httpx.ConnectError("no")] * 3, bundle()]})
    plan = {"it": ("Encounter", "Encounter?patient=1")}
    with client_of(server) as client:

        def ask() -> str | None:
            return complete(plan, hook_request(), site(), time.monotonic() + 2, client=client)["it"].problem

        assert [ask() for _ in range(3)] == ["cannot be reached"] * 3
        assert "left alone for" in str(ask())
        assert len(server.asked) == 3
        (session,) = client._sessions.values()
        breaker = session.breaker
        breaker.retry_at = 0.0
        assert ask() is None
        assert breaker == Breaker(breaker.limit, breaker.seconds)


def test_refusals_do_not_open_the_circuit() -> None:
    server = FakeServer({"Encounter": [httpx.Response(403)]})
    plan = {"it": ("Encounter", "Encounter?patient=1")}
    with client_of(server) as client:
        for _ in range(9):
            problem = complete(plan, hook_request(), site(), time.monotonic() + 2, client=client)["it"].problem
    assert problem == "does not allow this to be read (403)"


DEVICES = {"devices": ("DeviceUseStatement", "DeviceUseStatement?patient=1")}


def speaks(version: str) -> httpx.Response:
    return httpx.Response(200, json={"fhirVersion": version}, headers=FHIR)


def test_an_r4_server_is_not_asked_for_its_version() -> None:
    server = FakeServer({"DeviceUseStatement": [bundle()]})
    with client_of(server) as client:
        fetched = complete(DEVICES, hook_request(), site(), time.monotonic() + 2, client=client)
    assert fetched["devices"].state is COMPLETE
    assert server.paths() == ["DeviceUseStatement"]


@pytest.mark.parametrize("status", [400, 404])
def test_an_r5_server_is_asked_by_the_new_name_and_remembered(status: int) -> None:
    unknown = httpx.Response(status)
    server = FakeServer({"metadata": [speaks("5.0.0")], "DeviceUseStatement": [unknown], "DeviceUsage": [bundle()]})
    with client_of(server) as client:
        for _ in range(2):
            fetched = complete(DEVICES, hook_request(), site(), time.monotonic() + 2, client=client)
            assert fetched["devices"].state is COMPLETE
    by_old_name = ["DeviceUseStatement"] * (2 if status == 400 else 1)  # 400 may be for the page that was asked for
    assert server.paths() == [*by_old_name, "metadata", "DeviceUsage", "DeviceUsage"]


@pytest.mark.parametrize("metadata", [speaks("4.0.1"), httpx.Response(403), httpx.Response(200, json=[])])
def test_a_server_that_is_not_known_to_be_r5_does_not_have_the_kind(metadata: httpx.Response) -> None:
    server = FakeServer({"metadata": [metadata]})
    with client_of(server) as client:
        fetched = complete(DEVICES, hook_request(), site(), time.monotonic() + 2, client=client)
    assert (fetched["devices"].state, fetched["devices"].problem) == (MISSING, "does not have this (404)")


def test_problems_hold_nothing_of_the_request() -> None:
    for answer, _ in FAULTS.values():
        problem = str(fetch({"Encounter": [answer]}, request=hook_request("tok3n")).problem)
        assert not any(word in problem for word in ("tok3n", "patient=1", "example.org"))


def test_a_client_starts_again_after_it_was_closed() -> None:
    server = FakeServer({"Encounter": [bundle()]})
    client = Client(server.transport)
    plan = {"it": ("Encounter", "Encounter?patient=1")}
    for _ in range(2):
        fetched = client.complete(plan, hook_request(), site(), time.monotonic() + 2)
        assert fetched["it"].state is COMPLETE
        client.close()


def test_only_a_client_with_a_right_to_it_reaches_a_kept_server() -> None:
    keys: dict[str, object] = {"keys": [{"kty": "EC", "kid": "1"}]}
    kept = FhirServer.model_validate({"url": BASE, "issuers": ["https://ehr.example.org"]})
    settings = Settings(fhir_servers=(kept,), issuers=(Issuer(iss="https://ehr.example.org", jwks=keys),))
    server = FakeServer({"Encounter": [bundle()]})
    plan = {"it": ("Encounter", "Encounter?patient=1")}
    with client_of(server) as client:
        soon = time.monotonic() + 2
        assert complete(plan, hook_request(), settings, soon, client=client)["it"].state is MISSING
        allowed = complete(plan, hook_request(), settings, soon, client=client, issuer="https://ehr.example.org")
    assert allowed["it"].state is COMPLETE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["resourceType", "entry", "link", "relation", "url", "total", "resource", "search", "mode"])
            | st.text(max_size=3),
            inner | st.sampled_from(["Bundle", "OperationOutcome", "Encounter", "next", "match", "Patient/2"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON | JSON.map(lambda rest: {"resourceType": "Bundle", "entry": rest}))
def test_whatever_json_comes_only_a_whole_bundle_is_complete(answer: object) -> None:
    fetched = fetch({"Encounter": [ok(json.dumps(answer).encode())]})
    if fetched.state is COMPLETE:
        assert isinstance(answer, dict)
        assert answer["resourceType"] == "Bundle"
        assert isinstance(answer.get("entry") or [], list)
        assert not any(
            isinstance(link, dict) and link.get("relation") == "next"
            for link in (answer["link"] if isinstance(answer.get("link"), list) else [answer.get("link")])
        )
    else:
        assert fetched.problem


def test_problems_are_put_in_words_kind_by_kind() -> None:
    problems = {"Encounter": "cannot be reached", "Condition": "failed (500)", "Appointment": "cannot be reached"}
    assert in_words(problems) == [
        "Appointment, Encounter: the FHIR server cannot be reached.",
        "Condition: the FHIR server failed (500).",
    ]
