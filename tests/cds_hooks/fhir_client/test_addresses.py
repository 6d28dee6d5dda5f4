"""Which addresses may be called: those of the allow-list, and none that leads inside."""

import ipaddress

import pytest

from prodrome.cds_hooks.fhir_client import NotAllowed, allowed
from prodrome.cds_hooks.fhir_client.addresses import Target, acceptable
from prodrome.cds_hooks.settings import FhirServer, Issuer, Settings

LISTED = "https://ehr.example.org/api/fhir"
KEYS: dict[str, object] = {"keys": [{"kty": "EC", "kid": "1"}]}
SITE = Settings(fhir_servers=(FhirServer(url=LISTED),), issuers=(Issuer(iss="https://ehr.example.org", jwks=KEYS),))
OPEN = Settings()


@pytest.mark.requirement("REQ-07", "REQ-08")
@pytest.mark.parametrize("url", [LISTED, "https://EHR.example.org:443/api/fhir", f"{LISTED}/R4", f"{LISTED}/R4/tenant"])
def test_a_listed_server_and_what_is_below_it_may_be_called(url: str) -> None:
    assert allowed(url, SITE).base == url


@pytest.mark.requirement("REQ-07", "REQ-08")
@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example.org/api/fhir",
        "https://ehr.example.org:8443/api/fhir",
        "https://ehr.example.org.evil.example/api/fhir",
        "https://evil.example/https://ehr.example.org/api/fhir",
        "https://ehr.example.org@evil.example/api/fhir",
        "https://user:pass@ehr.example.org/api/fhir",
        "https://ehr.example.org/api",
        "https://ehr.example.org/api/fhir-other",
        "https://ehr.example.org/api/fhir/../../admin",
        "https://ehr.example.org/api/fhir/%2e%2e/admin",
        "https://ehr.example.org/api/fhir/..;/admin",
        "https://ehr.example.org/api/fhir/..;x=1/admin",
        "https://ehr.example.org/api/fhir/.;/admin",
        "https://ehr.example.org/api/fhir//admin",
        "https://ehr.example.org/api/fhir?x=1",
        "https://ehr.example.org/api/fhir#x",
        "https://ehr.example.org\\@evil.example/api/fhir",
        "https://ehr.example.org/api/fhir\r\nX: y",
        "https://ehr.example.org:99999/api/fhir",
        "https://[::1/api/fhir",
        "http://127.0.0.1:8080/fhir",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://ehr.example.org/api/fhir",
        "https://\N{CYRILLIC SMALL LETTER IE}hr.example.org/api/fhir",
        "",
    ],
)
def test_every_other_address_is_refused_before_any_connection(url: str) -> None:
    with pytest.raises(NotAllowed):
        allowed(url, SITE)


def test_a_server_may_be_kept_for_some_clients() -> None:
    settings = SITE.model_copy(update={"fhir_servers": (FhirServer(url=LISTED, issuers=("https://ehr.example.org",)),)})
    assert allowed(LISTED, settings, "https://ehr.example.org").base == LISTED
    for issuer in (None, "https://other.example"):
        with pytest.raises(NotAllowed):
            allowed(LISTED, settings, issuer)


@pytest.mark.parametrize("url", ["http://localhost:8080/fhir", "http://127.0.0.1/fhir", "http://[::1]:9/fhir"])
def test_in_the_open_mode_on_loopback_servers_on_this_machine_may_be_called_without_a_token(url: str) -> None:
    assert allowed(url, OPEN).server.open
    with pytest.raises(NotAllowed):
        allowed(url, Settings(host="0.0.0.0", open_to_everyone=True))


@pytest.mark.parametrize("url", ["http://example.org/fhir", "http://10.0.0.1/fhir", "http://169.254.169.254/"])
def test_the_open_mode_allows_no_other_machine(url: str) -> None:
    with pytest.raises(NotAllowed):
        allowed(url, OPEN)


@pytest.mark.parametrize(
    ("address", "public", "private", "here"),
    [
        ("93.184.216.34", True, True, True),
        ("2606:2800:220:1::1", True, True, True),
        ("10.1.2.3", False, True, False),
        ("192.168.1.1", False, True, False),
        ("100.64.0.1", False, True, False),
        ("fd12::1", False, True, False),
        ("127.0.0.1", False, False, True),
        ("::1", False, False, True),
        ("::ffff:127.0.0.1", False, False, True),
        ("::ffff:10.0.0.1", False, True, False),
        ("64:ff9b::7f00:1", False, False, True),
        ("64:ff9b:1::7f00:1", False, True, False),
        ("::127.0.0.1", False, False, True),
        ("::a9fe:a9fe", False, False, False),
        ("::10.0.0.1", False, True, False),
        ("fec0::1", False, True, False),
        ("192.0.0.192", False, True, False),
        ("169.254.169.254", False, False, False),
        ("::ffff:169.254.169.254", False, False, False),
        ("64:ff9b::a9fe:a9fe", False, False, False),
        ("fd00:ec2::254", False, False, False),
        ("100.100.100.200", False, False, False),
        ("fe80::1", False, False, False),
        ("0.0.0.0", False, False, False),
        ("::", False, False, False),
        ("224.0.0.1", False, False, False),
    ],
)
def test_which_addresses_a_name_may_lead_to(address: str, public: bool, private: bool, here: bool) -> None:
    parsed = ipaddress.ip_address(address)
    assert acceptable(parsed, FhirServer(url=LISTED)) is public
    assert acceptable(parsed, FhirServer(url=LISTED, private=True)) is private
    assert acceptable(parsed, FhirServer(url="http://localhost/fhir")) is here


def test_a_private_address_that_is_listed_itself_may_be_called() -> None:
    server = FhirServer(url="https://10.1.2.3/fhir")
    assert acceptable(ipaddress.ip_address("10.1.2.3"), server)
    assert not acceptable(ipaddress.ip_address("10.1.2.4"), server)


@pytest.mark.requirement("PFD-12")
@pytest.mark.parametrize(
    ("url", "covered"),
    [
        (f"{LISTED}?_getpages=1", True),
        (f"{LISTED}/Encounter?page=2", True),
        ("https://ehr.example.org:443/api/fhir?page=2", True),
        ("https://ehr.example.org/api/fhirs?page=2", False),
        ("https://ehr.example.org/api/fhir/../admin", False),
        ("https://ehr.example.org/api/fhir/%2E%2e/admin", False),
        ("http://ehr.example.org/api/fhir?page=2", False),
        ("https://evil.example/api/fhir?page=2", False),
        ("https://ehr.example.org@evil.example/api/fhir", False),
        ("https://x@ehr.example.org/api/fhir", False),
        ("https://ehr.example.org:x/api/fhir", False),
        ("//[", False),
    ],
)
def test_a_link_is_followed_only_below_the_base_address(url: str, covered: bool) -> None:
    assert Target(LISTED, FhirServer(url=LISTED)).covers(url) is covered
