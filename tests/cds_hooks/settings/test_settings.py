"""Settings: one file, variables over it, checked at start, every value with its origin."""

import codecs
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from prodrome.cds_hooks.settings import Settings, SettingsError, describe, is_loopback, load_settings

KEY = {
    "kty": "EC",
    "crv": "P-384",
    "kid": "1",
    "x": "KDwdc2XOR4jyn46_I07f_q1v6Zf76l_6LVjMnfp7HFCLBVJvVbnrsgQPBbSPttDh",
    "y": "lHXJkGHkG4i6Uu_bjBaQRxph2GfteZcp2cks0B29IlYw2E7eMqePnmRmTNrFEu-M",
}
KEY_SET = {"keys": [KEY]}
ISSUER = {"iss": "https://ehr.example.org", "jku": ["https://ehr.example.org/jwks"]}


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRODROME_SETTINGS", raising=False)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "prodrome.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(**said: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides=said)
    return caught.value.problems


def line(settings: Settings, name: str) -> tuple[str, str]:
    return next((line.value, line.origin) for line in describe(settings) if line.name == name)


def test_without_a_file_the_service_is_open_on_this_machine_only_and_keeps_nothing_on_disk() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.open, settings.loopback) == ("127.0.0.1", 8080, True, True)
    assert settings.in_memory
    assert settings.workbench
    assert settings.requests_per_minute == 0


def test_what_is_said_later_wins_and_its_origin_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 'port = 1111\nlocale = "UK"\nengine = "durable"\n')
    monkeypatch.setenv("PRODROME_PORT", "2222")
    monkeypatch.setenv("PRODROME_ENGINE", "reference")
    settings = load_settings(overrides={"port": 3333, "today": None})
    assert (settings.port, settings.locale, settings.engine) == (3333, "UK", "reference")
    assert line(settings, "port") == ("3333", "command line")
    assert line(settings, "locale") == ("UK", "prodrome.toml")
    assert line(settings, "engine") == ("reference", "environment")
    assert line(settings, "today") == ("", "default")


def test_what_is_said_in_part_in_two_places_comes_from_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[parameters]\nmoh_months = 2\n")
    monkeypatch.setenv("PRODROME_PARAMETERS__EPISODE_GAP_DAYS", "2")
    monkeypatch.setenv("PRODROME_KEEP_DAYS", "10")
    settings = load_settings()
    assert settings.parameters == {"moh_months": 2, "episode_gap_days": 2}
    assert line(settings, "parameters")[1] == "prodrome.toml, environment"
    assert line(settings, "keep_days") == ("10", "environment")


def test_the_file_may_be_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.toml").write_text("today = 2026-06-15\n", encoding="utf-8")
    monkeypatch.setenv("PRODROME_SETTINGS", str(tmp_path / "site.toml"))
    assert load_settings().today == date(2026, 6, 15)


def test_a_file_that_was_named_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"elsewhere\.toml: there is no such file"):
        load_settings(Path("elsewhere.toml"))


def test_text_that_is_not_toml_is_said_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "port = \n")
    with pytest.raises(SettingsError, match=r"prodrome\.toml: not TOML: .*line 1"):
        load_settings()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, r"cannot be read \(Is a directory\)"),
        ("ü".encode("latin-1"), "expected UTF-8, found something else at byte 0"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "not TOML: "),
    ],
    ids=["folder", "other encoding", "too deep"],
)
def test_a_file_that_cannot_be_read_is_named_with_its_folder(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    """Whose variable names another file than was meant sees which it was."""
    file = tmp_path / "of-the-site"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"{file}: {expected}"):
        load_settings(file)


def test_the_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "prodrome.toml").write_bytes(codecs.BOM_UTF8 + b'locale = "UK"\n')
    assert load_settings().locale == "UK"


@pytest.mark.parametrize("name", ["more_codes", "eligibility", "labelled_patients", "population_results"])
def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, f'{name} = "a\\u0000b"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problems == (rf"{name} (prodrome.toml): expected a path without a NUL in it; came 'a\x00b'",)


@pytest.mark.parametrize("name", ["labelled_patients", "population_results"])
def test_a_folder_that_is_not_there_is_named_at_start(tmp_path: Path, name: str) -> None:
    write(tmp_path, f'{name} = "{tmp_path}"\n')
    load_settings()
    for wrong in (tmp_path / "nowhere", tmp_path / "prodrome.toml"):
        write(tmp_path, f'{name} = "{wrong}"\n')
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert caught.value.problems == (f"{name}: expected a folder, found none at {wrong}",)


def test_an_unknown_key_is_named_with_what_was_probably_meant(tmp_path: Path) -> None:
    write(tmp_path, "prot = 8080\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problems == ("prot (prodrome.toml): unknown setting; did you mean 'port'?",)


def test_an_unknown_key_within_an_issuer_is_named() -> None:
    (problem,) = problems(issuers=[{**ISSUER, "audience": ["x"]}], database_url="sqlite://")
    assert problem == "issuers.0.audience (command line): unknown setting; did you mean 'audiences'?"


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODROME_LOCAL", "US")
    with pytest.raises(SettingsError, match="PRODROME_LOCAL: unknown variable; did you mean 'PRODROME_LOCALE'"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("port", 70000, "less than or equal to 65535; came 70000"),
        ("port", "eighty", "valid integer, unable to parse string as an integer; came 'eighty'"),
        ("engine", "clips", "'checked', 'durable' or 'reference'; came 'clips'"),
        ("today", "2026-13-01", "came '2026-13-01'"),
        ("today", "0001-01-01", "expected a day of the years 1900 to 2199; came '0001-01-01'"),
        ("today", "9999-12-31", "expected a day of the years 1900 to 2199; came '9999-12-31'"),
        ("locale", "usa", "expected one of US, UK, EU; came 'usa'"),
        ("locale", "FR", "expected one of US, UK, EU; came 'FR'"),
        ("base_url", "cds.example.org", "expected an http(s) address; came 'cds.example.org'"),
        ("base_url", "http://cds.example.org", "expected https (plain http is for this machine only)"),
        ("base_url", "https://u:p@cds.example.org", "without a user name"),
        ("base_url", "https://cds.example.org?x=1", "without a query"),
        ("cors_origins", ["*"], "expected an http(s) address; came '*'"),
        ("cors_origins", ["https://ehr.example.org/"], "expected an origin as browsers send it"),
        ("fhir_servers", ["http://ehr.example.org/fhir"], "expected https"),
        ("fhir_servers", ["ftp://ehr.example.org/fhir"], "expected an http(s) address"),
        ("database_url", "mysql://localhost/x", "starts with sqlite: or postgresql:"),
        ("algorithms", ["HS256"], "came 'HS256'"),
        ("algorithms", ["none"], "came 'none'"),
        ("deadline_seconds", 0, "greater than 0; came 0"),
        ("override_days", -1, "greater than or equal to 0; came -1"),
        ("locale", "DE", "expected one of US, UK, EU; came 'DE'"),
        ("prefetch_keys", {"PROBLEMS": "conditons"}, "did you mean 'conditions'?; came 'conditons'"),
        ("canonical_base", "https://example.org/a b", "expected an http(s) address; came 'https://example.org/a b'"),
        ("keep_days", 100_000_000, "came 100000000"),
        ("algorithms", [], "expected at least 1"),
        ("issuers", {}, "expected a list"),
        ("issuers", ["https://ehr.example.org"], "expected a table; came 'https://ehr.example.org'"),
        ("issuers", [{**ISSUER, "algorithms": []}], "expected at least 1"),
        ("issuers", [{"iss": "https://ehr.example.org", "jwks": "x"}], "expected JSON"),
        ("parameters", 3, "expected a table; came 3"),
        ("population_results", 4, "expected a path; came 4"),
        ("secret", "short", "expected at least sixteen characters"),
        ("fhir_servers", ["https://a.example.org", "https://a.example.org/"], "each url may be named once"),
        (
            "fhir_servers",
            [{"url": "https://a.example.org", "backend": {"client_id": "x", "kid": "1", "key": "no key"}}],
            "expected as key of its backend a private key (PEM) that signs ES384",
        ),
    ],
)
def test_an_impossible_value_is_named_with_what_was_expected_and_what_came(
    name: str, value: object, expected: str
) -> None:
    asked = {"database_url": "sqlite://", name: value} if name == "issuers" else {name: value}
    assert any(found.startswith(name) and expected in found for found in problems(**asked))


NUMBERS = [name for name, value in Settings() if type(value) in (int, float)]


@pytest.mark.parametrize("name", [*NUMBERS, "workers"])
def test_yes_is_no_number(name: str) -> None:
    (problem,) = problems(**{name: True})
    assert problem.startswith(name)
    assert problem.endswith("expected a number; came True")


def test_every_problem_is_told_at_once() -> None:
    assert len(problems(port=-1, engine="x", nonsense=1)) == 3


def test_a_rule_parameter_that_does_not_exist_is_named_with_what_was_probably_meant() -> None:
    (problem,) = problems(parameters={"min_agee": 18})
    assert problem.startswith("parameters: ")
    assert "min_age" in problem


def test_a_rule_parameter_of_the_wrong_kind_is_an_error() -> None:
    (problem,) = problems(parameters={"min_age": "eighteen"})
    assert "min_age" in problem
    assert "eighteen" in problem


def test_rule_parameters_of_file_and_environment_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[parameters]\nmin_age = 16\nmoh_months = 2\n")
    monkeypatch.setenv("PRODROME_PARAMETERS__MIN_AGE", "17")
    settings = load_settings()
    assert settings.parameters == {"min_age": 17, "moh_months": 2}
    assert line(settings, "parameters")[1] == "prodrome.toml, environment"


def test_lists_in_variables_are_written_with_commas_or_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODROME_CORS_ORIGINS", "https://a.example.org, https://b.example.org")
    monkeypatch.setenv("PRODROME_FHIR_SERVERS", '[{"url": "https://ehr.example.org/fhir/", "prefer_post": true}]')
    settings = load_settings()
    assert settings.cors_origins == ("https://a.example.org", "https://b.example.org")
    assert settings.fhir_servers[0].url == "https://ehr.example.org/fhir"
    assert settings.fhir_servers[0].prefer_post


def test_a_plain_address_names_a_fhir_server() -> None:
    (server,) = Settings(fhir_servers=("https://ehr.example.org/fhir",)).fhir_servers  # type: ignore[arg-type]
    assert server.url == "https://ehr.example.org/fhir"
    assert not server.open


def test_a_test_server_that_is_open_may_be_asked_over_plain_http() -> None:
    servers = [{"url": "http://hapi:8080/fhir", "open": True}]
    assert load_settings(overrides={"fhir_servers": servers}).fhir_servers[0].open


@pytest.mark.requirement("SEC-01", "SEC-03")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "cds.example.org"])
def test_an_address_that_others_can_reach_needs_issuers_or_the_plain_word(host: str) -> None:
    (problem,) = problems(host=host)
    assert host in problem
    assert "open_to_everyone" in problem
    assert load_settings(overrides={"host": host, "open_to_everyone": True}).open


@pytest.mark.parametrize("said", [{"base_url": "https://cds.example.org"}, {"proxies": 1}])
def test_a_loopback_service_put_behind_a_proxy_can_be_reached_by_others(said: dict[str, object]) -> None:
    (problem,) = problems(**said)
    assert "open_to_everyone" in problem


def test_open_to_everyone_beside_issuers_is_a_contradiction() -> None:
    (problem,) = problems(open_to_everyone=True, issuers=[ISSUER], database_url="sqlite://")
    assert "contradict" in problem


def test_issuers_on_an_address_that_others_can_reach_need_the_address_that_tokens_name() -> None:
    said = {"host": "0.0.0.0", "issuers": [ISSUER], "database_url": "sqlite://"}
    assert "base_url" in problems(**said)[0]
    settings = load_settings(overrides={**said, "base_url": "https://cds.example.org/prodrome/"})
    assert not settings.open
    assert settings.public_url == "https://cds.example.org/prodrome"


def test_issuers_need_a_place_for_used_tokens_that_all_workers_share() -> None:
    assert "database_url" in problems(issuers=[ISSUER])[0]


def test_beside_a_settings_file_the_database_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, "port = 9000\n")
    settings = load_settings()
    assert settings.database_url == f"sqlite:///{tmp_path / 'prodrome.db'}"
    assert not settings.in_memory
    assert line(settings, "database_url")[1] == "default, beside prodrome.toml"


@pytest.mark.requirement("SEC-29")
def test_the_public_sandbox_issuer_is_refused_unless_on_this_machine() -> None:
    sandbox = {"iss": "https://sandbox.cds-hooks.org", "jwks": KEY_SET}
    said = {"issuers": [sandbox], "database_url": "sqlite://"}
    assert not load_settings(overrides=said).open
    (problem,) = problems(**said, host="0.0.0.0", base_url="https://cds.example.org")
    assert "private key is public" in problem


@pytest.mark.parametrize("wrong", [{"x": KEY["y"]}, {"x": "x"}, {"x": None}, {"crv": "P-99"}, {"kty": "RSA"}])
def test_a_key_that_no_token_can_be_checked_with_stops_the_start(wrong: dict[str, object]) -> None:
    keys = {"keys": [KEY, {**KEY, "kid": "two", **wrong}]}
    (problem,) = problems(issuers=[{"iss": "https://ehr.example.org", "jwks": keys}], database_url="sqlite://")
    assert "https://ehr.example.org" in problem
    assert "kid 'two' is none" in problem


def test_an_issuer_without_keys_is_an_error() -> None:
    (problem,) = problems(issuers=[{"iss": "https://ehr.example.org"}], database_url="sqlite://")
    assert "expected jwks or jku" in problem


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "kid": "1", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-384", "kid": "1", "x": "x", "y": "y", "d": "private"},
        {"kty": "RSA", "n": "n", "e": "AQAB"},
    ],
    ids=["symmetric", "private", "without kid"],
)
def test_a_key_that_proves_nothing_is_refused_and_not_repeated(key: dict[str, str]) -> None:
    (problem,) = problems(issuers=[{"iss": "i", "jwks": {"keys": [key]}}], database_url="sqlite://")
    assert problem.startswith("issuers.0.jwks")
    assert "private" not in problem
    assert "c2VjcmV0" not in problem


def test_suppression_needs_a_secret() -> None:
    assert "secret" in problems(override_days=30)[0]
    assert load_settings(overrides={"override_days": 30, "secret": "s" * 16}).override_days == 30


def test_a_service_or_a_client_that_there_is_not_is_named() -> None:
    typed = {**ISSUER, "services": ["prodrome-order-sing"]}
    (problem,) = problems(issuers=[typed], database_url="sqlite://")
    assert problem.startswith(
        "issuers.0.services.0 (command line): expected the id of a service; did you mean 'prodrome-order-sign'?"
    )
    server = {"url": "https://ehr.example.org/fhir", "issuers": ["https://ehr.example.com"]}
    (problem,) = problems(issuers=[ISSUER], fhir_servers=[server], database_url="sqlite://")
    assert "'https://ehr.example.com' is the iss of no issuer" in problem


def test_secrets_are_hidden_wherever_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODROME_SECRET", "hush-hush-hush-hush")
    monkeypatch.setenv("PRODROME_DATABASE_URL", "postgresql://prodrome:hush@db.example.org/prodrome")
    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {"client_id": "prodrome", "kid": "1", "key": pem.decode()}
    settings = load_settings(overrides={"fhir_servers": [{"url": "https://ehr.example.org/fhir", "backend": key}]})
    printed = "\n".join(map(str, describe(settings))) + repr(settings.secret) + repr(settings.fhir_servers)
    assert "hush" not in printed
    assert "PRIVATE KEY" not in printed
    assert "(hidden)" in printed
    assert "postgresql://prodrome:***@db.example.org/prodrome" in printed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret", "hush"),
        ("database_url", "mysql://prodrome:hush@db.example.org/x"),
        (
            "fhir_servers",
            [{"url": "https://e.example.org", "backend": {"key": ["hush"], "client_id": "x", "kid": "1"}}],
        ),
        ("fhir_servers", [{"url": "http://e.example.org", "backend": {"key": "hush", "client_id": "x", "kid": "1"}}]),
        ("fhir_servers", '[{"url": "https://e.example.org", "backend": {"key": "hush"}'),
        ("fhir_servers", '{"backend": {"key": "hush"}, "url": "https://e.example.org"}'),
    ],
)
def test_no_error_repeats_a_secret(name: str, value: object) -> None:
    assert not any("hush" in problem for problem in problems(**{name: value}))


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "::1", "[::1]"])
def test_loopback_is_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", ""])
def test_every_other_address_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.withstands("rates behind a proxy")
def test_a_site_is_warned_of_a_proxy_that_it_did_not_name() -> None:
    said = {"host": "0.0.0.0", "base_url": "https://cds.example.org", "open_to_everyone": True}
    assert any("proxies is 0" in warning for warning in Settings(**said).warnings)  # type: ignore[arg-type]
    assert Settings(**said, proxies=1).warnings == ()  # type: ignore[arg-type]
    assert Settings().warnings == ()


def test_a_site_is_warned_of_pages_without_a_login() -> None:
    issuer = {"iss": "https://ehr.example.org", "jku": ["https://ehr.example.org/jwks"]}
    assert any("has no login" in warning for warning in Settings(issuers=(issuer,), workbench=True).warnings)  # type: ignore[arg-type]
    assert Settings(issuers=(issuer,), workbench=False).warnings == ()  # type: ignore[arg-type]
