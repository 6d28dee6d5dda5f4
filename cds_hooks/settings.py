"""What a site may set: one file, ``prodrome.toml``, with ``PRODROME_...`` variables over it, checked at start.

Later wins: default, file, environment, command line. ``Settings(...)`` itself reads nothing but its arguments;
``load_settings`` does the reading and remembers where each value came from.
"""

import ipaddress
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableVariable
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from prodrome.fhir_mappers import locate, plain_code
from prodrome.rules import ConfigurationError
from prodrome.rules.engine import meant
from prodrome.rules.guideline import DIARY, Guideline, GuidelineError, Site, load_guideline

_PREFIX = "PRODROME_"
FILE_VARIABLE = "PRODROME_SETTINGS"
DEFAULT_FILE = Path("prodrome.toml")
IN_MEMORY = "sqlite://"

# Its private signing key is published with the sandbox, so its tokens prove nothing (SEC-29).
SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"

Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


# Errors of pydantic that only follow from another error.
_CONSEQUENCES = {"default_factory_not_called"}

# Settings whose value no message repeats.
_SECRETS = {"secret", "database_url", "key", "jwks", "backend"}


class SettingsError(ConfigurationError):
    """The settings cannot be used; ``problems`` says each reason in one line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a socket bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _listed(value: object) -> object:
    """A list, or the text of one as a variable holds it: JSON, or items with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ValueError("expected an http(s) address")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("expected an address without a user name, password or fragment")
    return value


def _secure_url(value: str) -> str:
    parts = urlsplit(_http_url(value))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("expected https (plain http is for this machine only)")
    return value


def _base(value: str) -> str:
    if urlsplit(value).query:
        raise ValueError("expected an address without a query")
    return value.rstrip("/")


def _origin(value: str) -> str:
    parts = urlsplit(_secure_url(value))
    if value != f"{parts.scheme}://{parts.netloc}" or value != value.lower():
        raise ValueError('expected an origin as browsers send it, like "https://ehr.example.org"')
    return value


def _locale(value: str) -> str:
    known = load_guideline().locales
    if value not in known:
        raise ValueError(f"expected one of {', '.join(known)}")
    return value


def _database(value: str) -> str:
    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        raise ValueError("expected a database address") from None
    if backend not in ("sqlite", "postgresql"):
        raise ValueError("expected an address that starts with sqlite: or postgresql:")
    return value


def _public_keys(value: dict[str, object]) -> dict[str, object]:
    keys = value.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError('expected a key set: {"keys": [...]}')
    for key in keys:
        if key.get("kty") not in ("EC", "RSA") or "d" in key:
            raise ValueError("expected public EC or RSA keys only")
        if not isinstance(key.get("kid"), str) or not key["kid"]:
            raise ValueError("expected a kid on every key")
    return value


Url = Annotated[str, AfterValidator(_secure_url)]
BaseUrl = Annotated[str, AfterValidator(_secure_url), AfterValidator(_base)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_listed)]


def _said(description: str, *, example: str, unit: str = "") -> Any:
    """What a setting is for: told by ``prodrome settings`` and in docs/settings.md. *example* is as in TOML."""
    return Field(description=description, examples=[example], json_schema_extra={"unit": unit})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Issuer(_Part):
    """A CDS client that may call, by the ``iss`` of its tokens, and the keys that prove it (SEC-10, SEC-13, SEC-19)."""

    iss: Annotated[str, Field(min_length=1), _said("The issuer its tokens name.", example='"https://ehr.example.org"')]
    jku: Annotated[
        tuple[Url, ...], _said("Addresses of the key sets it may name.", example='["https://ehr.example.org/keys"]')
    ] = ()
    jwks: Annotated[
        Annotated[dict[str, object], BeforeValidator(_json), AfterValidator(_public_keys)] | None,
        _said(
            "Its public keys, where it publishes none.",
            example='{keys = [{kty = "EC", kid = "1", crv = "P-384", x = "...", y = "..."}]}',
        ),
    ] = None
    algorithms: Annotated[
        tuple[Algorithm, ...] | None,
        _said("The algorithms its tokens may be signed with; by default those of the service.", example='["ES384"]'),
    ] = None
    audiences: Annotated[
        tuple[str, ...],
        _said("Further addresses its tokens may be made out to.", example='["https://old.example.org"]'),
    ] = ()
    tenants: Annotated[tuple[str, ...], _said("The tenants it may call for; by default any.", example='["north"]')] = ()
    services: Annotated[
        tuple[str, ...], _said("Ids of the services it may use; by default all.", example='["prodrome-order-sign"]')
    ] = ()

    @model_validator(mode="after")
    def _has_keys(self) -> "Issuer":
        if not self.jku and self.jwks is None:
            raise ValueError(f"expected jwks or jku for issuer {self.iss}, so that its tokens can be checked")
        return self


class Backend(_Part):
    """How this service itself obtains tokens from a FHIR server: SMART Backend Services, ``private_key_jwt``."""

    client_id: Annotated[str, Field(min_length=1), _said("The id this service is registered by.", example='"prodrome"')]
    key: Annotated[SecretStr, _said("Its private key (PEM).", example='"-----BEGIN PRIVATE KEY-----..."')]
    kid: Annotated[str, _said("The id of that key.", example='"2026-1"')]
    algorithm: Annotated[Literal["ES384", "RS384"], _said("The algorithm the key signs with.", example='"RS384"')] = (
        "ES384"
    )
    scope: Annotated[str, _said("What it asks access to.", example='"system/*.rs"')] = "system/*.rs"
    token_url: Annotated[
        Url | None,
        _said(
            "Where tokens are had; by default where the server's .well-known/smart-configuration says.",
            example='"https://fhir.example.org/token"',
        ),
    ] = None


class FhirServer(_Part):
    """A FHIR server that may be asked for data: its base address, exactly (REQ-08)."""

    url: Annotated[
        str,
        AfterValidator(_http_url),
        AfterValidator(_base),
        _said("Its base address, exactly.", example='"https://fhir.example.org/r4"'),
    ]
    open: Annotated[bool, _said("A test server: asked without a token, and over plain http.", example="true")] = False
    private: Annotated[
        bool, _said("It stands in a private network: its name may mean a private address.", example="true")
    ] = False
    prefer_post: Annotated[bool, _said("Search by POST _search.", example="true")] = False
    issuers: Annotated[
        tuple[str, ...], _said("The clients that may name it; by default all.", example='["https://ehr.example.org"]')
    ] = ()
    backend: Annotated[
        Backend | None,
        _said(
            "How this service itself obtains tokens from it.",
            example='{client_id = "prodrome", key = "...", kid = "2026-1"}',
        ),
    ] = None

    @model_validator(mode="after")
    def _patients_travel_encrypted(self) -> "FhirServer":
        if not self.open:
            _secure_url(self.url)
        return self


def _fhir_server(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


FhirServers = Annotated[
    tuple[Annotated[FhirServer, BeforeValidator(_fhir_server)], ...], NoDecode, BeforeValidator(_listed)
]


def _only_here(said: Mapping[str, Any]) -> bool:
    """Whether only this machine can reach a service so configured: bound to loopback, and not put behind a proxy."""
    base_url = said["base_url"]
    elsewhere = base_url is not None and not is_loopback(urlsplit(base_url).hostname or "")
    return is_loopback(said["host"]) and not said["proxies"] and not elsewhere


class Settings(BaseSettings):
    """Everything a site may set, validated and frozen. Times in the unit their name says, sizes in bytes."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        validate_default=True,
    )

    # Where it listens
    host: Annotated[
        str,
        Field(min_length=1),
        _said("The address to listen on. Where others can reach it, say who may call (issuers).", example='"0.0.0.0"'),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Field(ge=0, le=65535),
        _said("The port to listen on; 0 takes any that is free and prints it.", example="8080"),
    ] = 8080
    base_url: Annotated[
        BaseUrl | None,
        _said("The address clients use. Tokens must be addressed to it.", example='"https://cds.example.org"'),
    ] = None
    proxies: Annotated[
        int,
        Field(ge=0, le=5),
        _said(
            "How many reverse proxies stand in front, whose X-Forwarded headers are believed.",
            unit="proxies",
            example="1",
        ),
    ] = 0
    workers: Annotated[
        Annotated[int, Field(ge=1, le=256)] | None,
        _said("How many processes answer; by default one for each core.", unit="processes", example="4"),
    ] = None
    grace_seconds: Annotated[
        float,
        Field(ge=1, le=600),
        _said("How long what is in flight may take when the service is told to stop.", unit="seconds", example="20"),
    ] = 8.0
    # What it judges by
    today: Annotated[
        date | None, _said("The date to judge by, for tests; by default the calendar's.", example="2026-06-15")
    ] = None
    engine: Annotated[
        Literal["checked", "durable", "reference"],
        _said(
            "Which matcher answers: durable-rules checked by the reference, or one of them alone.", example='"checked"'
        ),
    ] = "checked"
    locale: Annotated[
        str,
        AfterValidator(_locale),
        _said("Where the site is: which drugs and warnings hold, and how words are spelled.", example='"UK"'),
    ] = "US"
    parameters: Annotated[
        dict[str, object],
        _said(
            "Rule parameters this site sets otherwise, by name. Every card that rests on one says so.",
            example="{resistant_min_classes = 2}",
        ),
    ] = {}
    population_results: Annotated[
        Path | None,
        _said("A folder of results of `prodrome population`, for the workbench to show.", example='"results"'),
    ] = None
    unknown_codes: Annotated[
        Literal["ignore", "say"],
        _said(
            "What to do about a problem in no table of codes where a drug is ordered: nothing, or say "
            "that it was not understood.",
            example='"say"',
        ),
    ] = "ignore"
    more_codes: Annotated[
        Path | None,
        _said("A table of codes read beside ours, as `prodrome codes expand` writes it.", example='"site-codes.csv"'),
    ] = None
    eligibility: Annotated[
        Path | None,
        _said(
            "A file that names who decides here which drug a patient may have, and what each asks for.",
            example='"our-payers.yaml"',
        ),
    ] = None
    diary_system: Annotated[
        str,
        Field(min_length=1, max_length=500, pattern=r"^[^\s|,]+$"),
        _said(
            "The code system of the headache diary's codes, which no standard has: its address in this site's charts.",
            example='"https://ehr.example.org/CodeSystem/headache-diary"',
        ),
    ] = DIARY
    canonical_base: Annotated[
        str,
        AfterValidator(_http_url),
        AfterValidator(_base),
        _said(
            "What the canonical addresses begin with, of what `prodrome export-knowledge` and `prodrome facts` write.",
            example='"https://cds.example.org/fhir"',
        ),
    ] = "https://example.org/prodrome"
    tell_eligibility: Annotated[
        bool, _said("Put every class and every body's criteria into each answer's extension.", example="true")
    ] = False
    codes: Annotated[
        dict[str, dict[str, str]],
        _said(
            "What this site's own codes mean, by kind.",
            example='{condition = {"https://ehr.example.org/problems|42" = "asthma"}}',
        ),
    ] = {}
    snomed_ct: Annotated[
        Literal["all", "global_patient_set"],
        _said(
            "Which SNOMED CT codes are known: all, or only those whose use needs no licence.",
            example='"global_patient_set"',
        ),
    ] = "all"
    # Who may call
    open_to_everyone: Annotated[
        bool,
        _said(
            "Answer without tokens although others can reach the service. For tests with fictional patients.",
            example="true",
        ),
    ] = False
    issuers: Annotated[
        tuple[Issuer, ...],
        NoDecode,
        BeforeValidator(_listed),
        _said(
            "The clients that may call, by the issuer of their tokens. Each has the fields below.",
            example='[{iss = "https://ehr.example.org", jku = ["https://ehr.example.org/keys"]}]',
        ),
    ] = ()
    algorithms: Annotated[
        tuple[Algorithm, ...],
        NoDecode,
        BeforeValidator(_listed),
        _said("The algorithms a token may be signed with.", example='["ES384"]'),
    ] = ("ES384", "RS384")
    open_discovery: Annotated[
        bool, _said("Answer discovery, which tells nothing of a patient, without a token.", example="false")
    ] = True
    token_lifetime_seconds: Annotated[
        int,
        Field(ge=60, le=86400),
        _said("The longest time between a token's iat and exp that is accepted.", unit="seconds", example="300"),
    ] = 3600
    cors_origins: Annotated[
        Origins,
        _said(
            "Origins of browser-based clients that may call and read answers.", example='["https://ehr.example.org"]'
        ),
    ] = ()
    # Limits
    max_body_bytes: Annotated[
        int, Field(ge=1024), _said("The largest body that is read.", unit="bytes", example="20000000")
    ] = 10_000_000
    requests_per_minute: Annotated[
        int,
        Field(ge=0),
        _said(
            "How often one caller may ask, in one process; 0 sets no limit. By default no limit where "
            "only this machine can call.",
            unit="calls a minute",
            example="600",
        ),
    ] = Field(default_factory=lambda said: 0 if _only_here(said) else 6000)
    max_waiting: Annotated[
        int,
        Field(ge=0),
        _said(
            "How many calls may wait for their turn in one process; the surplus is told to come back.",
            unit="calls",
            example="64",
        ),
    ] = 32
    deadline_seconds: Annotated[
        float,
        Field(gt=0, le=60),
        _said("How long a call may take, with everything that is fetched for it.", unit="seconds", example="3.0"),
    ] = 4.0
    # Where data come from
    fhir_servers: Annotated[
        FhirServers,
        _said(
            "FHIR servers that may be asked for what was not prefetched. Each has the fields below; "
            "an address alone will do.",
            example='["https://fhir.example.org/r4"]',
        ),
    ] = ()
    prefetch_keys: Annotated[
        dict[str, str],
        _said(
            "The names under which this site prefetches what we call otherwise.", example='{problems = "conditions"}'
        ),
    ] = {}
    dialect: Annotated[Literal["generic", "epic"], _said("Whose habits suggestions follow.", example='"epic"')] = (
        "generic"
    )
    # What it keeps
    database_url: Annotated[
        str,
        AfterValidator(_database),
        _said(
            "Where shown cards, feedback and used tokens are kept: SQLite or PostgreSQL. By default a "
            "file beside prodrome.toml; without one, memory.",
            example='"postgresql://prodrome@localhost/prodrome"',
        ),
    ] = IN_MEMORY
    secret: Annotated[
        Annotated[SecretStr, Field(min_length=16)] | None,
        _said("Keys the hashes by which users and patients are remembered.", example='"at least sixteen characters"'),
    ] = None
    override_days: Annotated[
        int,
        Field(ge=0, le=3650),
        _said(
            "How long a card that a user overrode for a patient stays away; 0: not at all. Needs a secret.",
            unit="days",
            example="30",
        ),
    ] = 0
    keep_days: Annotated[
        int, Field(ge=1), _said("How long shown cards and their feedback are kept.", unit="days", example="365")
    ] = 730
    keep_comments: Annotated[
        bool, _said("Keep the free text of overrides, which may name patients.", example="true")
    ] = False
    # For people
    workbench: Annotated[
        bool, _said("Serve the workbench. By default only where just this machine can reach it.", example="true")
    ] = Field(default_factory=lambda said: _only_here(said))
    metrics: Annotated[bool, _said("Answer /metrics: counts, never anything of a patient.", example="false")] = True
    traces: Annotated[
        bool,
        _said(
            "Send traces to the OpenTelemetry collector that the OTEL_EXPORTER_OTLP_ variables name.", example="true"
        ),
    ] = False
    validate_output: Annotated[
        bool, _said("Check every answer against the specification before it goes out, for tests.", example="true")
    ] = False

    _origins: Mapping[str, str] = PrivateAttr(default={})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: :func:`load_settings` reads the file and the environment itself."""
        return (init_settings,)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return _only_here({"host": self.host, "base_url": self.base_url, "proxies": self.proxies})

    @property
    def open(self) -> bool:
        """Whether calls are answered without a token."""
        return not self.issuers

    @property
    def public_url(self) -> str:
        """The base address clients use, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed but probably not meant, a sentence each."""
        said = []
        if urlsplit(self.public_url).scheme == "https" and not self.proxies:
            said.append(
                "base_url is https and proxies is 0: behind a proxy that ends TLS all callers seem to have its address,"
                " and share one limit. Say how many proxies stand in front (proxies = 1)."
            )
        if self.workbench and self.issuers:
            said.append(
                "workbench is on and has no login: calls need a token, but everybody who reaches this address can read"
                " its pages, paste charts into them and ask the FHIR servers of the settings."
                " Turn it off (workbench = false), or let only those reach it who may."
            )
        return tuple(said)

    @property
    def in_memory(self) -> bool:
        """Whether feedback ends with the process."""
        return self.database_url in (IN_MEMORY, "sqlite:///:memory:")

    @model_validator(mode="after")
    def _nobody_listens_by_accident(self) -> "Settings":
        if self.issuers and self.open_to_everyone:
            raise ValueError("open_to_everyone and issuers contradict each other: remove one")
        if not self.loopback and not self.issuers and not self.open_to_everyone:
            raise ValueError(
                f"{self.base_url or f'host {self.host}'} can be reached by others: name the issuers that may call,"
                " or say open_to_everyone = true"
            )
        if not self.loopback and self.issuers and self.base_url is None:
            raise ValueError("base_url is needed: tokens must be addressed to the address that clients use")
        if not self.loopback and any(issuer.iss.rstrip("/") == SANDBOX_ISSUER for issuer in self.issuers):
            raise ValueError(f"issuer {SANDBOX_ISSUER} is for this machine only: its private key is public")
        names = [issuer.iss for issuer in self.issuers]
        if len(names) != len(set(names)):
            raise ValueError("issuers: each iss may be named once")
        if self.override_days and self.secret is None:
            raise ValueError("override_days needs a secret: users and patients are remembered as keyed hashes only")
        return self


class SettingInForce(NamedTuple):
    """One setting in force: its name, its value as text (secrets hidden), where it came from, and what it is for."""

    name: str
    value: str
    origin: str
    meaning: str


class SettingMeaning(NamedTuple):
    """What a setting is for: its name, description, unit, default and an example, as in TOML."""

    name: str
    description: str
    unit: str
    default: str
    example: str


def load_settings(path: Path | None = None, *, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings in force.

    ``path`` is the file; None means the one PRODROME_SETTINGS names, else ``./prodrome.toml`` where there is one.
    ``overrides`` come from the command line; None values in it are not said. Raises SettingsError.
    """
    file = path or (Path(os.environ[FILE_VARIABLE]) if FILE_VARIABLE in os.environ else None)
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    command_line = {name: value for name, value in (overrides or {}).items() if value is not None}
    layers: list[tuple[str, Mapping[str, object]]] = []
    if file is not None:
        layers.append((file.name, _read(file)))
    layers += [("environment", _environment()), ("command line", command_line)]

    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        for name, value in layer.items():
            before = values.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                value = {**before, **value}
                origin = f"{origins[name]}, {origin}"
            values[name], origins[name] = value, origin
    if "database_url" not in values and file is not None:
        values["database_url"] = f"sqlite:///{file.resolve().parent / 'prodrome.db'}"
        origins["database_url"] = f"default, beside {file.name}"
    elif "database_url" not in values and values.get("issuers"):
        raise SettingsError(
            ["database_url: expected where to keep used tokens, so that every worker refuses them a second time"]
        )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(detail, origins) for detail in details if detail["type"] not in _CONSEQUENCES]
        raise SettingsError(problems) from None
    try:
        load_guideline().with_parameters(settings.parameters)
    except GuidelineError as error:
        raise SettingsError([f"parameters: {error}"]) from None
    try:
        if settings.more_codes:
            load_guideline().with_codes(settings.more_codes)
    except GuidelineError as error:
        raise SettingsError([f"more_codes: {error}"]) from None
    try:
        site_guideline(settings)
    except GuidelineError as error:
        raise SettingsError([str(error)]) from None
    settings._origins = origins
    return settings


def site_guideline(settings: Settings) -> Guideline:
    """The guideline as these settings say. Raises GuidelineError for what they name and is not there."""
    licensed = settings.snomed_ct == "all"
    own = (
        settings.parameters,
        settings.codes,
        settings.more_codes,
        settings.eligibility,
        settings.diary_system != DIARY,
    )
    if licensed and not any(own):
        return load_guideline()
    codes = {
        kind: {_code(kind, written): meaning for written, meaning in codes.items()}
        for kind, codes in settings.codes.items()
    }
    return load_guideline().for_site(
        Site(
            parameters=settings.parameters,
            codes=codes,
            licensed=licensed,
            more_codes=settings.more_codes,
            eligibility=settings.eligibility,
            diary=settings.diary_system,
        )
    )


def _code(kind: str, written: str) -> tuple[str, str]:
    address, bar, code = written.rpartition("|")
    if not (address and bar and code):
        raise GuidelineError(f'codes.{kind}: expected "system|code"; came {_short(written)}')
    system = locate(address).system
    return system, plain_code(address, system, code)


def describe(settings: Settings) -> list[SettingInForce]:
    """Every setting in force and where it came from, secrets hidden."""
    return [
        SettingInForce(
            meaning.name,
            _shown(meaning.name, getattr(settings, meaning.name)),
            settings._origins.get(meaning.name, "default"),
            meaning.description + (f" Unit: {meaning.unit}." if meaning.unit else ""),
        )
        for meaning in meanings(Settings)
    ]


def meanings(part: type[BaseModel]) -> list[SettingMeaning]:
    """What each setting of a part is for, in order."""
    return [
        SettingMeaning(
            name,
            str(field.description),
            str(field.json_schema_extra["unit"]) if isinstance(field.json_schema_extra, dict) else "",
            "" if field.is_required() or field.default_factory is not None else _shown(name, field.default),
            str((field.examples or [""])[0]),
        )
        for name, field in part.model_fields.items()
    ]


def _read(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError([f"{file.name}: there is no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{file.name}: cannot be read ({type(error).__name__})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{file.name}: not TOML: {error}"]) from None


def _environment() -> Mapping[str, object]:
    unknown = [
        name
        for name in os.environ
        if name.startswith(_PREFIX) and name != FILE_VARIABLE and _field(name) not in Settings.model_fields
    ]
    if unknown:
        known = tuple(_PREFIX + name.upper() for name in Settings.model_fields)
        raise SettingsError([f"{name}: unknown variable{meant(name, known, named=0)}" for name in sorted(unknown)])
    try:
        values = EnvSettingsSource(Settings)()
    except UnreadableVariable as error:
        raise SettingsError([f"environment: {error}: expected JSON"]) from None
    parameters = values.get("parameters")
    if isinstance(parameters, dict):
        values["parameters"] = {name: _scalar(value) for name, value in parameters.items()}
    return values


def _field(variable: str) -> str:
    return variable.removeprefix(_PREFIX).lower().split("__")[0]


def _scalar(value: object) -> object:
    """A number, yes/no or list written in a variable; other text as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _known() -> Iterator[str]:
    yield from Settings.model_fields
    for part in (Issuer, FhirServer, Backend):
        yield from part.model_fields


def _problem(detail: ErrorDetails, origins: Mapping[str, str]) -> str:
    """One line: where it was said, which setting, what was expected and what came."""
    path = ".".join(str(step) for step in detail["loc"])
    if not path:
        return str(detail["ctx"]["error"]) if "ctx" in detail else detail["msg"]
    where = f"{path} ({origins.get(str(detail['loc'][0]), 'default')})"
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown setting{meant(detail['loc'][-1], _known(), named=0)}"
    expected = detail["msg"].removeprefix("Value error, ")
    secret = detail["loc"] == ("fhir_servers",) or not _SECRETS.isdisjoint(detail["loc"])
    plain = isinstance(detail["input"], str | int | float)
    came = f"; came {_short(detail['input'])}" if plain and not secret else ""
    return f"{where}: {expected}{came}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shown(name: str, value: object) -> str:
    if name == "database_url":
        return make_url(str(value)).render_as_string(hide_password=True)
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown("", item) for item in value) + "]"
    if isinstance(value, BaseModel):
        said = ", ".join(f"{field}={_shown(field, getattr(value, field))}" for field in sorted(value.model_fields_set))
        return f"{{{said}}}"
    if isinstance(value, dict) and name == "jwks":
        return f"{len(value['keys'])} keys"
    return "" if value is None else str(value)
