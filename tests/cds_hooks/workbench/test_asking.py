"""Requests made on the page: which FHIR servers may be asked, and that no token outlives its call."""

import gc
from collections.abc import Iterator

import pytest

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import complete
from prodrome.cds_hooks.protocol.refusals import Refused
from prodrome.cds_hooks.protocol.requests import FhirAuthorization
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.workbench import asking
from prodrome.rules.facts import Completeness
from tests.browser.conftest import fhir_server
from tests.serving import TODAY, serving

SECRET = "a-token-nobody-keeps"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a FHIR server."""
    with serving(fhir_server()) as address:
        yield address


def environment(**settings: object) -> Environment:
    return Environment.of(Settings(**{"today": TODAY, **settings}))  # type: ignore[arg-type]


def allowed(wider: Environment) -> list[str]:
    return [server.url for server in wider.settings.fhir_servers]


def test_whoever_sits_at_this_machine_may_name_any_server() -> None:
    assert allowed(asking.allowing(environment(), "https://fhir.example.org/r4/", None)) == [
        "https://fhir.example.org/r4"
    ]


def test_elsewhere_only_the_servers_of_the_settings_may_be_named() -> None:
    open_to_all = environment(host="0.0.0.0", open_to_everyone=True, workbench=True)
    assert allowed(asking.allowing(open_to_all, "https://fhir.example.org/r4", None)) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "fhir.example.org", "https://user:word@fhir.example.org"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="Address of the FHIR server"):
        asking.allowing(environment(), url, None)


def test_a_token_does_not_travel_unencrypted_to_another_machine() -> None:
    with pytest.raises(Refused, match="expected https"):
        asking.allowing(environment(), "http://fhir.example.org", SECRET)


def authorizations() -> list[FhirAuthorization]:
    return [kept for kept in gc.get_objects() if isinstance(kept, FhirAuthorization)]


def test_a_fetched_case_holds_the_chart_as_if_prefetched_and_neither_server_nor_token(url: str) -> None:
    elsewhere = {id(kept) for kept in authorizations()}
    wider = asking.allowing(environment(), url, SECRET)
    document = asking.server_request("patient-view", url, "prodrome-resistant", SECRET, None, None, wider)
    case = asking.opened("fetched", "pasted", document, wider)
    assert next(card["source"]["topic"]["code"] for card in case.consultation.response["cards"]) == "DTT-01"
    assert {"fhirServer", "fhirAuthorization"}.isdisjoint(case.document)
    assert case.consultation.request.authorization is None
    del document
    gc.collect()
    assert not [kept for kept in authorizations() if id(kept) not in elsewhere]
    again = asking.answer(case.document, environment())
    assert [card["summary"] for card in again.response["cards"]] == [
        card["summary"] for card in case.consultation.response["cards"]
    ]


def test_what_did_not_come_stays_unknown_in_the_case(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_appointments(*arguments: object, **options: object) -> object:
        return {key: got for key, got in complete(*arguments, **options).items() if key != "appointments"}  # type: ignore[arg-type]

    monkeypatch.setattr("prodrome.cds_hooks.prefetch.complete", without_appointments)
    wider = asking.allowing(environment(), url, None)
    document = asking.server_request("patient-view", url, "prodrome-resistant", None, None, None, wider)
    case = asking.opened("fetched", "pasted", document, wider)
    assert "appointments" not in case.document["prefetch"]
    again = asking.answer(case.document, environment())
    assert again.record.completeness["Appointment"] is Completeness.MISSING


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sumatriptan 25 mg", "sumatriptan:25mg"),
        ("sumatriptan 6 mg subcutaneous", "sumatriptan:6mg:subcutaneous"),
        ("onabotulinumtoxinA 155 units", "onabotulinumtoxinA:155units"),
        ("candesartan", "candesartan"),
        ("sumatriptan:25mg", "sumatriptan:25mg"),
    ],
)
def test_orders_are_read_as_people_write_them(written: str, read: str) -> None:
    assert asking.spelled(written) == read
