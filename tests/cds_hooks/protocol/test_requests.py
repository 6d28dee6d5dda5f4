"""Requests are read tolerantly, and what is refused is named."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.protocol.refusals import Forbidden, Invalid, NothingToJudge, Refused
from prodrome.cds_hooks.protocol.requests import MAX_DEPTH, HookRequest, parse, read_request
from prodrome.cds_hooks.web.statuses import status_of

ALL = frozenset(
    {"patient-view", "order-select", "order-sign", "encounter-start", "order-dispatch", "medication-refill"}
)
ORDER = {"resourceType": "MedicationRequest", "id": "o1", "status": "draft"}
BUNDLE = {"resourceType": "Bundle", "entry": [{"resource": ORDER}]}


def body(hook: str = "patient-view", **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "p1"},
        "prefetch": {"patient": None},
    }
    if hook in ("order-select", "order-sign"):
        whole["context"]["draftOrders"] = BUNDLE
    if hook == "order-select":
        whole["context"]["selections"] = ["MedicationRequest/o1"]
    for path, value in changes.items():
        where = whole
        *parents, last = path.split("__")
        for parent in parents:
            where = where[parent]
        if value is ...:
            del where[last]
        else:
            where[last] = value
    return whole


def read(document: dict[str, Any]) -> HookRequest:
    return read_request(document, ALL)


def refusal(document: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as refused:
        read(document)
    return refused.value


@pytest.mark.requirement("REQ-15")
@pytest.mark.parametrize(
    "written",
    ["p1", "Patient/p1", "https://ehr.example.org/fhir/Patient/p1", "Patient/p1/_history/3", " p1 "],
)
def test_a_patient_id_is_read_with_and_without_its_type(written: str) -> None:
    assert read(body(context__patientId=written)).patient_id == "p1"


@pytest.mark.requirement("REQ-13", "HOOK-05")
@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"hook": ...}, "hook"),
        ({"hook": 7}, "hook"),
        ({"hook": "problem-list-item-create"}, "hook"),
        ({"hookInstance": ...}, "hookInstance"),
        ({"hookInstance": ""}, "hookInstance"),
        ({"hookInstance": {}}, "hookInstance"),
        ({"context": ...}, "context"),
        ({"context": []}, "context"),
        ({"context__patientId": ...}, "context.patientId"),
        ({"context__patientId": "Patient/"}, "context.patientId"),
        ({"context__patientId": 1}, "context.patientId"),
        ({"context__userId": ...}, "context.userId"),
        ({"prefetch": "all of it"}, "prefetch"),
        ({"fhirServer": 5}, "fhirServer"),
    ],
)
def test_a_fault_is_named_by_its_member(changes: dict[str, Any], member: str) -> None:
    refused = refusal(body(**changes))
    assert (isinstance(refused, Invalid), refused.member) == (True, member)


@pytest.mark.parametrize("member", ["selections", "draftOrders", "userId", "patientId"])
def test_order_select_needs_each_member_of_its_context(member: str) -> None:
    assert refusal(body("order-select", **{f"context__{member}": ...})).member == f"context.{member}"


@pytest.mark.requirement("HOOK-11")
def test_only_encounter_hooks_need_an_encounter() -> None:
    assert read(body()).encounter_id is None
    assert refusal(body("encounter-start")).member == "context.encounterId"
    assert read(body("encounter-start", context__encounterId="Encounter/e1")).encounter_id == "e1"


@pytest.mark.requirement("GEN-09")
def test_empty_and_null_optionals_are_as_if_absent() -> None:
    for member in ("prefetch", "fhirAuthorization", "extension", "fhirServer"):
        for nothing in (None, {} if member != "fhirServer" else ""):
            request = read({**body(), member: nothing})
            assert request.authorization is None
            assert request.fhir_server is None
    assert read(body(context__encounterId=None)).encounter_id is None


@pytest.mark.requirement("GEN-08", "REQ-11", "REQ-12", "HOOK-03", "EXT-03")
def test_unknown_members_are_ignored_at_every_level() -> None:
    odd = body(vendor={"x": 1}, context__newField=[1], extension={"com.example": "anything"})
    assert read(odd).patient_id == "p1"
    assert read(body(extension=["not", "an", "object"])).extension == {}


@pytest.mark.requirement("REQ-03", "REQ-04", "REQ-05")
@pytest.mark.parametrize(
    "instance", ["00000000-007B-9F33-E810-E841A57C502C", "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "any text"]
)
def test_a_hook_instance_is_opaque(instance: str) -> None:
    assert read(body(hookInstance=instance)).hook_instance == instance


def test_requests_from_before_1_0_are_read() -> None:
    old = body(context={"patientId": "p1"}, user="Practitioner/1")
    assert read(old).user_id == "Practitioner/1"
    older = body(context={}, user="Practitioner/1", patient="Patient/p1")
    assert (read(older).patient_id, read(older).user_id) == ("p1", "Practitioner/1")
    assert read(older).leniencies


@pytest.mark.requirement("HOOK-14")
@pytest.mark.parametrize(
    ("old", "new", "member"),
    [("medication-prescribe", "order-select", "medications"), ("order-review", "order-sign", "orders")],
)
def test_deprecated_hooks_are_read_as_their_successors(old: str, new: str, member: str) -> None:
    document = body(context={"userId": "Practitioner/1", "patientId": "p1", member: BUNDLE})
    request = read({**document, "hook": old})
    assert (request.hook, request.orders, request.selections) == (new, (ORDER,), None)


@pytest.mark.requirement("REQ-18")
@pytest.mark.parametrize(
    "orders",
    [
        BUNDLE,
        {"entry": [{"resource": ORDER}]},
        {"entry": [ORDER]},
        [ORDER],
        ORDER,
        {"resource": ORDER} | {"entry": [ORDER]},
    ],
)
def test_a_bundle_of_orders_needs_neither_type_nor_full_urls(orders: Any) -> None:
    assert read(body("order-sign", context__draftOrders=orders)).orders == (ORDER,)


URN = "urn:uuid:6b7f1c0e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "orders",
    [
        {"resourceType": "Bundle", "entry": [{"resource": BUNDLE}]},
        [BUNDLE],
        {"entry": [{"resource": {"resourceType": "Bundle", "entry": {"resource": ORDER}}}]},
        {"resource": BUNDLE},
        {"resourceType": "Bundle", "entry": {"resource": ORDER}},
        {"resourceType": "Bundle", "entry": [None, {}, {"resource": ORDER}]},
    ],
)
def test_orders_are_found_in_bundles_in_bundles(orders: Any) -> None:
    assert read(body("order-sign", context__draftOrders=orders)).orders == (ORDER,)


def test_what_is_no_order_is_kept_to_be_said() -> None:
    request = read(body("order-sign", context__draftOrders=[5, "x", None, {}, ORDER]))
    assert request.orders == (5, "x", ORDER)


def test_nesting_without_end_is_cut() -> None:
    value: Any = [ORDER]
    for _ in range(40):
        value = {"resourceType": "Bundle", "entry": [{"resource": value}]}
    (order,) = read(body("order-sign", context__draftOrders=value)).orders
    assert order != ORDER


def test_the_addresses_of_orders_stay_beside_them() -> None:
    entries = [{"fullUrl": URN, "resource": ORDER}, {"resource": ORDER}, {"fullUrl": 7, "resource": ORDER}]
    request = read(body("order-sign", context__draftOrders={"resourceType": "Bundle", "entry": entries}))
    assert request.order_urls == (URN, None, None)


@pytest.mark.parametrize(
    "selections",
    [
        "MedicationRequest/o1",
        {"reference": "MedicationRequest/o1"},
        [{"reference": "MedicationRequest/o1"}],
        [{"resourceType": "MedicationRequest", "id": "o1"}],
        [{"resource": ORDER}],
        [None, "MedicationRequest/o1", ""],
        [" MedicationRequest/o1 "],
    ],
)
def test_selections_are_read_in_every_form(selections: Any) -> None:
    assert read(body("order-select", context__selections=selections)).selections == ("MedicationRequest/o1",)


def test_selections_in_one_string_are_parted() -> None:
    request = read(body("order-select", context__selections="MedicationRequest/o1,MedicationRequest/o2"))
    assert request.selections == ("MedicationRequest/o1", "MedicationRequest/o2")


@pytest.mark.parametrize("item", [5, {}, {"id": 7}, [], {"reference": 1}])
def test_a_selection_that_names_nothing_is_said(item: Any) -> None:
    request = read(body("order-select", context__selections=[item, "MedicationRequest/o1"]))
    assert request.selections == ("MedicationRequest/o1",)
    assert [what for what in request.leniencies if "names nothing" in what]


def test_what_was_read_leniently_is_said_once() -> None:
    request = read(body("order-select", context__selections=[5, {"id": "o1"}] * 1_000))
    assert request.leniencies == (
        "context.selections with an item that names nothing",
        "context.selections with an object for a reference",
    )


@pytest.mark.requirement("GEN-09")
@pytest.mark.parametrize("member", ["prefetch", "fhirServer", "context__encounterId"])
@pytest.mark.parametrize("nothing", [None, "", "  ", [], {}])
def test_an_optional_member_that_is_empty_is_absent(member: str, nothing: object) -> None:
    there, absent = body(), body()
    for whole, value in ((there, nothing), (absent, ...)):
        where = whole["context"] if member.startswith("context") else whole
        where[member.removeprefix("context__")] = value
        if value is ...:
            del where[member.removeprefix("context__")]
    read_there, read_absent = read(there), read(absent)
    for name in ("prefetch", "fhir_server", "encounter_id"):
        assert getattr(read_there, name) == getattr(read_absent, name)


@pytest.mark.requirement("REQ-16")
def test_ids_may_be_longer_than_fhir_allows() -> None:
    long = "x" * 194
    request = read(body("order-select", context__selections=[f"MedicationRequest/{long}"]))
    assert request.selections == (f"MedicationRequest/{long}",)


@pytest.mark.requirement("REQ-02", "DISC-18")
def test_the_hook_must_be_the_one_of_the_service() -> None:
    with pytest.raises(Refused) as refused:
        read_request(body(), frozenset({"order-sign"}))
    assert (refused.type, refused.value.member) == (Invalid, "hook")
    assert "order-sign" in refused.value.text


AUTHORIZATION = {
    "access_token": "secret-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read (with blanks)",
    "subject": "client",
}


@pytest.mark.requirement("REQ-06", "REQ-09", "FRA-03", "FRA-04", "FRA-05", "FRA-06", "FRA-07")
def test_an_authorization_is_checked_member_by_member() -> None:
    def request(**changes: Any) -> dict[str, Any]:
        authorization = {k: v for k, v in {**AUTHORIZATION, **changes}.items() if v is not ...}
        return body(fhirAuthorization=authorization, fhirServer="https://ehr.example.org/fhir/")

    read_it = read(request(token_type="bearer", expires_in="300"))
    assert read_it.authorization is not None
    assert read_it.authorization.expires_in == 300
    assert read_it.fhir_server == "https://ehr.example.org/fhir"
    assert "secret-token" not in repr(read_it)
    without_server = request()
    del without_server["fhirServer"]
    assert refusal(without_server).member == "fhirServer"


SIGNING = {"userId": "Practitioner/1", "patientId": "p1", "encounterId": "e1", "draftOrders": BUNDLE}


@pytest.mark.parametrize(
    ("changed", "context", "said"),
    [
        ({}, {}, None),
        ({"hookInstance": "42"}, {}, "hookInstance that is no UUID"),
        ({"hook": "order-review"}, {}, "a deprecated hook"),
        ({}, {"patientId": "Patient/p1"}, "context.patientId with a type"),
        ({}, {"encounterId": "https://ehr.example.org/Encounter/e1"}, "context.encounterId with a type"),
        ({}, {"userId": "1"}, "context.userId without a type"),
        ({}, {"draftOrders": [ORDER]}, "context.draftOrders that is no plain Bundle of orders"),
        ({}, {"draftOrders": ORDER}, "context.draftOrders that is no plain Bundle of orders"),
        (
            {},
            {"draftOrders": {"entry": [{"resource": ORDER}]}},
            "context.draftOrders that is no plain Bundle of orders",
        ),
        (
            {},
            {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Bundle"}}]}},
            "context.draftOrders that is no plain Bundle of orders",
        ),
    ],
)
def test_what_is_accepted_although_nobody_specified_it_is_said(
    changed: dict[str, Any], context: dict[str, Any], said: str | None
) -> None:
    document = body(hook="order-sign", context={**SIGNING, **context}) | changed
    assert read(document).leniencies == ((said,) if said else ())


def test_a_member_of_an_earlier_ballot_is_said() -> None:
    hook = "allergyintolerance-create"
    context = {**SIGNING, "allergyIntolerances": {"resourceType": "AllergyIntolerance", "id": "a"}}
    request = read_request(body(hook=hook, context=context), frozenset({hook}))
    assert request.leniencies == ("context.allergyIntolerances for context.allergyIntolerance",)


@pytest.mark.requirement("GEN-09")
@pytest.mark.parametrize(
    "authorization",
    [
        {**AUTHORIZATION, "access_token": ""},
        {**AUTHORIZATION, "access_token": "  "},
        {**AUTHORIZATION, "access_token": 7},
        {name: value for name, value in AUTHORIZATION.items() if name != "access_token"},
        {**AUTHORIZATION, "token_type": "MAC"},
        "secret-token",
        ["secret-token"],
        5,
    ],
)
def test_an_authorization_that_cannot_be_used_is_none_and_said(authorization: Any) -> None:
    request = read(body(fhirAuthorization=authorization, fhirServer="https://ehr.example.org/fhir"))
    assert request.authorization is None
    assert [what for what in request.leniencies if "as if there were none" in what]
    assert "secret-token" not in "".join(request.leniencies)


@pytest.mark.parametrize("member", ["expires_in", "scope", "subject", "token_type"])
@pytest.mark.parametrize("value", [None, "", True, {}])
def test_a_token_is_used_although_what_stands_beside_it_is_lacking(member: str, value: Any) -> None:
    authorization = {**AUTHORIZATION, member: value}
    request = read(body(fhirAuthorization=authorization, fhirServer="https://ehr.example.org/fhir"))
    assert request.authorization is not None
    assert request.authorization.access_token == "secret-token"
    assert request.authorization.expires_in > 0
    assert [what for what in request.leniencies if member in what]


@pytest.mark.requirement("FRA-08")
def test_a_token_for_another_patient_is_refused() -> None:
    document = body(fhirAuthorization={**AUTHORIZATION, "patient": "p2"}, fhirServer="https://ehr.example.org/fhir")
    assert type(refusal(document)) is Forbidden
    document["fhirAuthorization"]["patient"] = "Patient/p1"
    assert read(document).authorization is not None


def test_a_stripped_request_is_told_from_a_faulty_one() -> None:
    stripped = body("order-sign", context__draftOrders=..., prefetch=...)
    assert type(refusal(stripped)) is NothingToJudge
    assert isinstance(refusal(body("order-sign", context__draftOrders=...)), Invalid)


@pytest.mark.requirement("HOOK-09", "HOOK-12")
@pytest.mark.parametrize("member", ["dispatchedOrders", "dispatched-orders", "order"])
def test_order_dispatch_is_read_in_three_dialects(member: str) -> None:
    context = {"patientId": "p1", member: ["ServiceRequest/1"], "performer": "Organization/o"}
    assert read({**body(), "hook": "order-dispatch", "context": context}).user_id is None


@pytest.mark.requirement("HOOK-10")
def test_a_refill_needs_no_user() -> None:
    document = body(context={"patientId": "p1", "medications": BUNDLE})
    assert read({**document, "hook": "medication-refill"}).orders == (ORDER,)


@pytest.mark.requirement("GEN-10")
@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'"text"', b"1", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1,}', b"{'a': 1}", b"{} {}"],
)
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse(raw)
    assert isinstance(refused.value, Invalid)


def test_depth_is_limited_and_brackets_in_text_are_not_depth() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)

    assert parse(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 500, 5_000, 100_000):
        with pytest.raises(Refused):
            parse(nested(levels))
    assert parse(orjson.dumps({"a": "[" * 1000 + "}{" * 1000, "b": [[{}]]}))


@pytest.mark.parametrize("levels", [300, 600])
def test_text_that_looks_like_brackets_hides_no_depth_that_cannot_be_written(levels: int) -> None:
    value: list[object] = []
    for _ in range(levels):
        value = ["]", value, "["]
    with pytest.raises(Refused) as refused:
        parse(json.dumps({"a": value}).encode())
    assert "nested" in refused.value.text


@pytest.mark.parametrize("member", ["patientId", "draftOrders", "fhirServer"])
def test_a_deciding_member_given_twice_is_refused(member: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(b'{"%b": "a", "x": 1, "%b": "b"}' % (member.encode(), member.encode()))
    assert refused.value.member == member


@pytest.mark.withstands("duplicate members")
@pytest.mark.parametrize(
    "body",
    [
        r'{"context": {"patientId": "1"}, "context": {"patientId": "2"}}',
        r'{"context": {"patientId": "1", "patient\u0049d": "2"}}',
        r'{"context": {"\u0070atientId": "1", "patientId": "2"}}',
        r'{"c\u006fntext": {"patientId": "1"}, "context": {"patientId": "2"}}',
        r'{"prefetch": {}, "prefetch": {"a": 1}}',
        r'{"prefetch": {"p1": 1, "p1": 2}}',
        r'{"prefetch": {"patient": {"id": "1"}, "patient" : {"id": "2"}}}',
        r'{"fhirAuthorization": {"patient": "1", "x": "\u003a", "patient": "2"}}',
        '{"context": {"patientId"\n:\n"1", "patientId"\t: "2"}}',
        r'{"prefetch": {"a": {"resourceType": "Patient", "resourceType": "Basic"}}}',
        r'{"prefetch": {"a": {"entry": [{"resource": {"subject": {"x": 1}, "subject": {"x": 2}}}]}}}',
        r'{"context": {"text": "\":\":\":", "patientId": "1", "patientId": "2"}}',
        r'{"prefetch": {"patient": {"resourceType": "Patient", "id": "1", "id": "2"}}}',
        r'{"prefetch": {"a": {"subject": {"reference": "Patient/1", "reference": "Patient/2"}}}}',
    ],
)
def test_a_body_that_names_two_charts_is_refused(body: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(body.encode())
    assert isinstance(refused.value, Invalid)
    assert "twice" in refused.value.text


def written(members: list[tuple[str, bool, str, str]]) -> str:
    """An object as text, some of its names escaped throughout."""

    def name(text: str, escaped: bool) -> str:
        return '"' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"' if escaped else json.dumps(text)

    return "{" + ",".join(f"{name(text, escaped)}{space}:{value}" for text, escaped, space, value in members) + "}"


NAMES = st.sampled_from(["context", "patientId", "patient", "a", "b\\", ":", 'q"', "", '":', "x\\:"])
WRITTEN = st.recursive(
    st.sampled_from(['":"', '": "', '"\\\\"', '"\\":"', '"\\u003a"', '"\\u0022:"', "1", "null", '"context"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
        | st.lists(st.tuples(NAMES, st.booleans(), st.sampled_from(["", " ", "\n"]), inner), max_size=4).map(written)
    ),
    max_leaves=10,
)


@given(st.lists(st.tuples(NAMES, st.booleans(), st.sampled_from(["", " "]), WRITTEN), max_size=4).map(written))
def test_no_duplicate_of_a_deciding_member_is_overlooked(body: str) -> None:
    doubled: set[str] = set()

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        doubled.update(name for name in names if names.count(name) > 1)
        return dict(pairs)

    json.loads(body, object_pairs_hook=note)
    if doubled & {"context", "patientId", "patient"}:
        with pytest.raises(Refused):
            parse(body.encode())


def test_the_name_of_a_deciding_member_may_appear_elsewhere() -> None:
    assert parse(b'{"patientId": "1", "extension": {"patientId": "2", "says": "\\"patientId\\""}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def answer(call: Callable[[], object]) -> int:
    try:
        call()
    except Refused as refused:
        return status_of(refused)
    return 200


@given(
    member=st.sampled_from([*body("order-select"), "fhirServer", "fhirAuthorization", "extension"]),
    value=JSON,
)
def test_any_json_in_any_member_is_read_or_refused(member: str, value: object) -> None:
    assert answer(lambda: read({**body("order-select"), member: value})) in (200, 400, 403, 412)


@given(member=st.sampled_from(["userId", "patientId", "encounterId", "draftOrders", "selections"]), value=JSON)
def test_any_json_in_the_context_is_read_or_refused(member: str, value: object) -> None:
    document = body("order-select")
    document["context"][member] = value
    assert answer(lambda: read(document)) in (200, 400, 412)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    assert answer(lambda: parse(raw)) in (200, 400)
