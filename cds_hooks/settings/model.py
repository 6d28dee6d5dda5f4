"""What a site may set, with its description, unit, default and example, and what settings must hold together."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from prodrome.cds_hooks.settings.parts import Algorithm, FhirServers, Issuer
from prodrome.cds_hooks.settings.values import (
    BaseUrl,
    FilePath,
    JudgedDay,
    Number,
    Origins,
    Whole,
    base_url_of,
    database_address,
    http_url,
    is_loopback,
    known_locale,
    known_prefetch_key,
    listed,
    long_enough,
    said,
)
from prodrome.rules.engine import meant
from prodrome.rules.guideline import CANONICAL_BASE, DIARY

PREFIX = "PRODROME_"
IN_MEMORY = "sqlite://"

# Its private signing key is published with the sandbox, so its tokens prove nothing (SEC-29).
SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"


def _only_here(said: Mapping[str, Any]) -> bool:
    """Whether only this machine can reach a service so configured: bound to loopback, and not put behind a proxy.

    A setting that is wrong, which is told of by itself, is not among what was said.
    """
    base_url = said.get("base_url")
    elsewhere = base_url is not None and not is_loopback(urlsplit(base_url).hostname or "")
    return is_loopback(said.get("host", "")) and not said.get("proxies") and not elsewhere


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
    host: Annotated[
        str,
        Field(min_length=1),
        said("The address to listen on. Where others can reach it, say who may call (issuers).", example='"0.0.0.0"'),
    ] = "127.0.0.1"
    port: Annotated[
        Whole,
        Field(ge=0, le=65535),
        said("The port to listen on; 0 takes any that is free and prints it.", example="8080"),
    ] = 8080
    base_url: Annotated[
        BaseUrl | None,
        said("The address clients use. Tokens must be addressed to it.", example='"https://cds.example.org"'),
    ] = None
    proxies: Annotated[
        Whole,
        Field(ge=0, le=5),
        said(
            "How many reverse proxies stand in front, whose X-Forwarded headers are believed.",
            unit="proxies",
            example="1",
        ),
    ] = 0
    workers: Annotated[
        Annotated[Whole, Field(ge=1, le=256)] | None,
        said("How many processes answer; by default one for each core.", unit="processes", example="4"),
    ] = None
    grace_seconds: Annotated[
        Number,
        Field(ge=1, le=600),
        said("How long what is in flight may take when the service is told to stop.", unit="seconds", example="20"),
    ] = 8.0
    # What it judges by
    today: Annotated[
        JudgedDay | None, said("The date to judge by, for tests; by default the calendar's.", example="2026-06-15")
    ] = None
    engine: Annotated[
        Literal["checked", "durable", "reference"],
        said(
            "Which matcher answers: durable-rules checked by the reference, or one of them alone.", example='"checked"'
        ),
    ] = "checked"
    locale: Annotated[
        str,
        AfterValidator(known_locale),
        said("Where the site is: which drugs and warnings hold, and how words are spelled.", example='"UK"'),
    ] = "US"
    parameters: Annotated[
        dict[str, object],
        said(
            "Rule parameters this site sets otherwise, by name. Every card that rests on one says so.",
            example="{resistant_min_classes = 2}",
        ),
    ] = {}
    population_results: Annotated[
        FilePath | None,
        said("A folder of results of `prodrome population`, for the workbench to show.", example='"results"'),
    ] = None
    labelled_patients: Annotated[
        FilePath | None,
        said(
            "A folder of test cases, as the workbench writes them: an edited rule is tried on them, too.",
            example='"tests/vignettes/requests"',
        ),
    ] = None
    unknown_codes: Annotated[
        Literal["ignore", "say"],
        said(
            "What to do about a problem in no table of codes where a drug is ordered: nothing, or say "
            "that it was not understood.",
            example='"say"',
        ),
    ] = "ignore"
    more_codes: Annotated[
        FilePath | None,
        said("A table of codes read beside ours, as `prodrome codes expand` writes it.", example='"site-codes.csv"'),
    ] = None
    eligibility: Annotated[
        FilePath | None,
        said(
            "A file that names who decides here which drug a patient may have, and what each asks for.",
            example='"our-payers.yaml"',
        ),
    ] = None
    diary_system: Annotated[
        str,
        Field(min_length=1, max_length=500, pattern=r"^[^\s|,]+$"),
        said(
            "The code system of the headache diary's codes, which no standard has: its address in this site's charts.",
            example='"https://ehr.example.org/CodeSystem/headache-diary"',
        ),
    ] = DIARY
    canonical_base: Annotated[
        str,
        AfterValidator(http_url),
        AfterValidator(base_url_of),
        said(
            "What the canonical addresses of our rules, facts and reasons begin with, in cards and all FHIR written.",
            example='"https://cds.example.org/fhir"',
        ),
    ] = CANONICAL_BASE
    tell_eligibility: Annotated[
        bool, said("Put every class and every body's criteria into each answer's extension.", example="true")
    ] = False
    codes: Annotated[
        dict[str, dict[str, str]],
        said(
            "What this site's own codes mean, by kind.",
            example='{condition = {"https://ehr.example.org/problems|42" = "asthma"}}',
        ),
    ] = {}
    snomed_ct: Annotated[
        Literal["all", "global_patient_set"],
        said(
            "Which SNOMED CT codes are known: all, or only those whose use needs no licence.",
            example='"global_patient_set"',
        ),
    ] = "all"
    # Who may call
    open_to_everyone: Annotated[
        bool,
        said(
            "Answer without tokens although others can reach the service. For tests with fictional patients.",
            example="true",
        ),
    ] = False
    issuers: Annotated[
        tuple[Issuer, ...],
        NoDecode,
        BeforeValidator(listed),
        said(
            "The clients that may call, by the issuer of their tokens. Each has the fields below.",
            example='[{iss = "https://ehr.example.org", jku = ["https://ehr.example.org/keys"]}]',
        ),
    ] = ()
    algorithms: Annotated[
        tuple[Algorithm, ...],
        NoDecode,
        BeforeValidator(listed),
        Field(min_length=1),
        said("The algorithms a token may be signed with.", example='["ES384"]'),
    ] = ("ES384", "RS384")
    open_discovery: Annotated[
        bool, said("Answer discovery, which tells nothing of a patient, without a token.", example="false")
    ] = True
    token_lifetime_seconds: Annotated[
        Whole,
        Field(ge=60, le=86400),
        said("The longest time between a token's iat and exp that is accepted.", unit="seconds", example="300"),
    ] = 3600
    cors_origins: Annotated[
        Origins,
        said("Origins of browser-based clients that may call and read answers.", example='["https://ehr.example.org"]'),
    ] = ()
    # Limits
    max_body_bytes: Annotated[
        Whole, Field(ge=1024), said("The largest body that is read.", unit="bytes", example="20000000")
    ] = 10_000_000
    requests_per_minute: Annotated[
        Whole,
        Field(ge=0),
        said(
            "How often one caller may ask, in one process; 0 sets no limit. By default no limit where "
            "only this machine can call.",
            unit="calls a minute",
            example="600",
        ),
    ] = Field(default_factory=lambda said: 0 if _only_here(said) else 6000)
    max_waiting: Annotated[
        Whole,
        Field(ge=0),
        said(
            "How many calls may wait for their turn in one process; the surplus is told to come back.",
            unit="calls",
            example="64",
        ),
    ] = 32
    deadline_seconds: Annotated[
        Number,
        Field(gt=0, le=60),
        said("How long a call may take, with everything that is fetched for it.", unit="seconds", example="3.0"),
    ] = 4.0
    # Where data come from
    fhir_servers: Annotated[
        FhirServers,
        said(
            "FHIR servers that may be asked for what was not prefetched. Each has the fields below; "
            "an address alone will do.",
            example='["https://fhir.example.org/r4"]',
        ),
    ] = ()
    prefetch_keys: Annotated[
        dict[str, Annotated[str, AfterValidator(known_prefetch_key)]],
        said("The names under which this site prefetches what we call otherwise.", example='{problems = "conditions"}'),
    ] = {}
    dialect: Annotated[Literal["generic", "epic"], said("Whose habits suggestions follow.", example='"epic"')] = (
        "generic"
    )
    # What it keeps
    database_url: Annotated[
        str,
        AfterValidator(database_address),
        said(
            "Where shown cards, feedback and used tokens are kept: SQLite or PostgreSQL. By default a "
            "file beside prodrome.toml; without one, memory.",
            example='"postgresql://prodrome@localhost/prodrome"',
        ),
    ] = IN_MEMORY
    secret: Annotated[
        Annotated[SecretStr, AfterValidator(long_enough)] | None,
        said("Keys the hashes by which users and patients are remembered.", example='"at least sixteen characters"'),
    ] = None
    override_days: Annotated[
        Whole,
        Field(ge=0, le=3650),
        said(
            "How long a card that a user overrode for a patient stays away; 0: not at all. Needs a secret.",
            unit="days",
            example="30",
        ),
    ] = 0
    keep_days: Annotated[
        Whole,
        Field(ge=1, le=36500),
        said("How long shown cards and their feedback are kept.", unit="days", example="365"),
    ] = 730
    keep_comments: Annotated[
        bool, said("Keep the free text of overrides, which may name patients.", example="true")
    ] = False
    # For people
    workbench: Annotated[
        bool, said("Serve the workbench. By default only where just this machine can reach it.", example="true")
    ] = Field(default_factory=lambda said: _only_here(said))
    live_minutes: Annotated[
        Number,
        Field(ge=0, le=60),
        said(
            "Keep the last calls with their charts in memory for so many minutes, for the workbench to show (0: never)."
            " It needs workers = 1: memory is of one process.",
            example="10",
        ),
    ] = 0
    metrics: Annotated[bool, said("Answer /metrics: counts, never anything of a patient.", example="false")] = True
    traces: Annotated[
        bool,
        said("Send traces to the OpenTelemetry collector that the OTEL_EXPORTER_OTLP_ variables name.", example="true"),
    ] = False
    validate_output: Annotated[
        bool, said("Check every answer against the specification before it goes out, for tests.", example="true")
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
    def _live_is_of_one_process(self) -> "Settings":
        if self.live_minutes and self.workers != 1:
            raise ValueError("live_minutes keeps calls in the memory of one process: set workers = 1")
        return self

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
        urls = [server.url for server in self.fhir_servers]
        if len(urls) != len(set(urls)):
            raise ValueError("fhir_servers: each url may be named once")
        for server in self.fhir_servers:
            for iss in server.issuers:
                if iss not in names:
                    raise ValueError(f"fhir_servers: {iss!r} is the iss of no issuer{meant(iss, names)}")
        if self.override_days and self.secret is None:
            raise ValueError("override_days needs a secret: users and patients are remembered as keyed hashes only")
        return self
