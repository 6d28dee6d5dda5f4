"""What a site may set: one file, ``prodrome.toml``, with ``PRODROME_...`` variables over it, checked at start.

Later wins: default, file, environment, command line. ``Settings(...)`` itself reads nothing but its arguments;
``load_settings`` does the reading and remembers where each value came from.
"""

import difflib
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
from prodrome.rules.guideline import Guideline, GuidelineError, Site, load_guideline

PREFIX = "PRODROME_"
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


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Issuer(_Part):
    """A CDS client that may call, by the ``iss`` of its tokens, and the keys that prove it (SEC-10, SEC-13, SEC-19)."""

    iss: Annotated[str, Field(min_length=1)]
    jku: tuple[Url, ...] = ()  # addresses of key sets this client may name
    jwks: Annotated[dict[str, object], BeforeValidator(_json), AfterValidator(_public_keys)] | None = None
    algorithms: tuple[Algorithm, ...] | None = None  # None: those of the service
    audiences: tuple[str, ...] = ()  # further accepted ``aud`` values, where a site typed another address by hand
    tenants: tuple[str, ...] = ()  # empty: any tenant
    services: tuple[str, ...] = ()  # ids of services it may use; empty: all

    @model_validator(mode="after")
    def _has_keys(self) -> "Issuer":
        if not self.jku and self.jwks is None:
            raise ValueError(f"expected jwks or jku for issuer {self.iss}, so that its tokens can be checked")
        return self


class Backend(_Part):
    """How this service itself obtains tokens from a FHIR server: SMART Backend Services, ``private_key_jwt``."""

    client_id: Annotated[str, Field(min_length=1)]
    key: SecretStr  # private key, PEM
    kid: str
    algorithm: Literal["ES384", "RS384"] = "ES384"
    scope: str = "system/*.rs"
    token_url: Url | None = None  # None: as the server's .well-known/smart-configuration says


class FhirServer(_Part):
    """A FHIR server that may be asked for data: its base address, exactly (REQ-08)."""

    url: Annotated[str, AfterValidator(_http_url), AfterValidator(_base)]
    open: bool = False  # a test server: may be asked without a token, and over plain http
    private: bool = False  # stands in a private network: its name may mean a private address
    prefer_post: bool = False  # search by POST _search
    issuers: tuple[str, ...] = ()  # clients that may name this server; empty: all
    backend: Backend | None = None

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
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        validate_default=True,
    )

    # Where it listens
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    base_url: BaseUrl | None = None  # the address clients use; tokens must be addressed to it
    proxies: Annotated[int, Field(ge=0, le=5)] = 0  # reverse proxies in front whose X-Forwarded-* are believed
    workers: Annotated[int, Field(ge=1, le=256)] | None = None  # processes that answer; None: one for each core
    grace_seconds: Annotated[float, Field(ge=1, le=600)] = 8.0  # at SIGTERM, for what is in flight
    # What it judges by
    today: date | None = None  # None: the calendar's
    engine: Literal["checked", "durable", "reference"] = "checked"
    locale: Annotated[str, AfterValidator(_locale)] = "US"  # one of rules/migraine/locales.yaml
    parameters: dict[str, object] = {}  # rule parameters this site changed
    unknown_codes: Literal["ignore", "say"] = "ignore"  # of a problem in no table, where a drug is ordered
    more_codes: Path | None = None  # a table of codes read beside ours, as prodrome codes expand writes it
    codes: dict[str, dict[str, str]] = {}  # this site's own codes, "system|code" = what it means, by kind
    snomed_ct: Literal["all", "global_patient_set"] = "all"  # all needs a licence outside member countries
    # Who may call
    open_to_everyone: bool = False  # answer without tokens on an address others can reach
    issuers: Annotated[tuple[Issuer, ...], NoDecode, BeforeValidator(_listed)] = ()
    algorithms: Annotated[tuple[Algorithm, ...], NoDecode, BeforeValidator(_listed)] = ("ES384", "RS384")
    open_discovery: bool = True  # discovery discloses nothing and is answered without a token
    token_lifetime_seconds: Annotated[int, Field(ge=60, le=86400)] = 3600  # longest exp - iat accepted
    cors_origins: Origins = ()
    # Limits
    max_body_bytes: Annotated[int, Field(ge=1024)] = 10_000_000
    requests_per_minute: Annotated[int, Field(ge=0)] = Field(
        default_factory=lambda said: 0 if _only_here(said) else 6000
    )  # of one caller, in one process; 0: no limit
    max_waiting: Annotated[int, Field(ge=0)] = 32  # calls that wait for their turn in one process; 503 above
    deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 4.0
    # Where data come from
    fhir_servers: FhirServers = ()
    prefetch_keys: dict[str, str] = {}  # the site's prefetch key -> ours
    dialect: Literal["generic", "epic"] = "generic"
    # What it keeps
    database_url: Annotated[str, AfterValidator(_database)] = IN_MEMORY
    secret: Annotated[SecretStr, Field(min_length=16)] | None = None  # keys the hashes of users and patients
    override_days: Annotated[int, Field(ge=0, le=3650)] = 0  # how long an overridden card stays away; 0: not at all
    keep_days: Annotated[int, Field(ge=1)] = 730  # how long shown cards and their feedback are kept
    keep_comments: bool = False  # free text of an override may name patients
    # For people
    workbench: bool = Field(default_factory=lambda said: _only_here(said))
    metrics: bool = True  # answer /metrics; it tells counts, never anything of a patient
    validate_output: bool = False

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


class Line(NamedTuple):
    """One setting in force: its name, its value as text (secrets hidden) and where it came from."""

    name: str
    value: str
    origin: str


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
    if not (settings.parameters or settings.codes or settings.more_codes) and licensed:
        return load_guideline()
    codes = {
        kind: {_code(kind, written): meaning for written, meaning in codes.items()}
        for kind, codes in settings.codes.items()
    }
    return load_guideline().for_site(
        Site(parameters=settings.parameters, codes=codes, licensed=licensed, more_codes=settings.more_codes)
    )


def _code(kind: str, written: str) -> tuple[str, str]:
    address, bar, code = written.rpartition("|")
    if not (address and bar and code):
        raise GuidelineError(f'codes.{kind}: expected "system|code"; came {_short(written)}')
    system = locate(address).system
    return system, plain_code(address, system, code)


def describe(settings: Settings) -> list[Line]:
    """Every setting in force and where it came from, secrets hidden."""
    return [
        Line(name, _shown(name, getattr(settings, name)), settings._origins.get(name, "default"))
        for name in Settings.model_fields
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
        if name.startswith(PREFIX) and name != FILE_VARIABLE and _field(name) not in Settings.model_fields
    ]
    if unknown:
        raise SettingsError([f"{name}: unknown variable{_meant(_field(name), PREFIX)}" for name in sorted(unknown)])
    try:
        values = EnvSettingsSource(Settings)()
    except UnreadableVariable as error:
        raise SettingsError([f"environment: {error}: expected JSON"]) from None
    parameters = values.get("parameters")
    if isinstance(parameters, dict):
        values["parameters"] = {name: _scalar(value) for name, value in parameters.items()}
    return values


def _field(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower().split("__")[0]


def _scalar(value: object) -> object:
    """A number, yes/no or list written in a variable; other text as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _meant(name: str, prefix: str = "") -> str:
    close = difflib.get_close_matches(name, _known(), n=1)
    if not close:
        return ""
    meant = close[0].upper() if prefix else close[0]
    return f'; did you mean "{prefix}{meant}"?'


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
        return f"{where}: unknown setting{_meant(str(detail['loc'][-1]))}"
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
