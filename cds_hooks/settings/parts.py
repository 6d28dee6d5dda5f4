"""The parts of the settings: a client that may call, a FHIR server that may be asked, and how tokens are had for it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from prodrome.cds_hooks.settings.values import (
    Url,
    base_url_of,
    from_json,
    http_url,
    known_service,
    listed,
    public_keys,
    said,
    secure_url,
)

Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Issuer(_Part):
    """A CDS client that may call, by the ``iss`` of its tokens, and the keys that prove it (SEC-10, SEC-13, SEC-19)."""

    iss: Annotated[str, Field(min_length=1), said("The issuer its tokens name.", example='"https://ehr.example.org"')]
    jku: Annotated[
        tuple[Url, ...], said("Addresses of the key sets it may name.", example='["https://ehr.example.org/keys"]')
    ] = ()
    jwks: Annotated[
        Annotated[dict[str, object], BeforeValidator(from_json), AfterValidator(public_keys)] | None,
        said(
            "Its public keys, where it publishes none.",
            example='{keys = [{kty = "EC", kid = "1", crv = "P-384", x = "...", y = "..."}]}',
        ),
    ] = None
    algorithms: Annotated[
        Annotated[tuple[Algorithm, ...], Field(min_length=1)] | None,
        said("The algorithms its tokens may be signed with; by default those of the service.", example='["ES384"]'),
    ] = None
    audiences: Annotated[
        tuple[str, ...],
        said("Further addresses its tokens may be made out to.", example='["https://old.example.org"]'),
    ] = ()
    tenants: Annotated[tuple[str, ...], said("The tenants it may call for; by default any.", example='["north"]')] = ()
    services: Annotated[
        tuple[Annotated[str, AfterValidator(known_service)], ...],
        said("Ids of the services it may use; by default all.", example='["prodrome-order-sign"]'),
    ] = ()

    @model_validator(mode="after")
    def _has_keys(self) -> "Issuer":
        if not self.jku and self.jwks is None:
            raise ValueError(f"expected jwks or jku for issuer {self.iss}, so that its tokens can be checked")
        return self

    def unreadable_keys(self) -> list[str]:
        """The ids of its keys that are none, as where a number was copied in part: no token could ever be checked."""
        if self.jwks is None:
            return []
        import jwt  # heavy; who has no issuers needs none of it

        unreadable, keys = [], self.jwks["keys"]
        assert isinstance(keys, list)  # else it was refused
        for key in keys:
            try:
                jwt.PyJWK({name: value for name, value in key.items() if name != "alg"})  # whatever it is used for
            except (ValueError, TypeError, KeyError, jwt.PyJWTError):
                unreadable.append(key["kid"])
        return unreadable


class Backend(_Part):
    """How this service itself obtains tokens from a FHIR server: SMART Backend Services, ``private_key_jwt``."""

    client_id: Annotated[str, Field(min_length=1), said("The id this service is registered by.", example='"prodrome"')]
    key: Annotated[SecretStr, said("Its private key (PEM).", example='"-----BEGIN PRIVATE KEY-----..."')]
    kid: Annotated[str, said("The id of that key.", example='"2026-1"')]
    algorithm: Annotated[Literal["ES384", "RS384"], said("The algorithm the key signs with.", example='"RS384"')] = (
        "ES384"
    )
    scope: Annotated[str, said("What it asks access to.", example='"system/*.rs"')] = "system/*.rs"
    token_url: Annotated[
        Url | None,
        said(
            "Where tokens are had; by default where the server's .well-known/smart-configuration says.",
            example='"https://fhir.example.org/token"',
        ),
    ] = None

    def can_sign(self) -> bool:
        """Whether the key is one that signs with the algorithm."""
        import jwt  # heavy; few sites have a key of their own

        try:
            jwt.encode({}, self.key.get_secret_value(), algorithm=self.algorithm)
        except (ValueError, TypeError, jwt.PyJWTError):
            return False
        return True


class FhirServer(_Part):
    """A FHIR server that may be asked for data: its base address, exactly (REQ-08)."""

    url: Annotated[
        str,
        AfterValidator(http_url),
        AfterValidator(base_url_of),
        said("Its base address, exactly.", example='"https://fhir.example.org/r4"'),
    ]
    open: Annotated[bool, said("A test server: asked without a token, and over plain http.", example="true")] = False
    private: Annotated[
        bool, said("It stands in a private network: its name may mean a private address.", example="true")
    ] = False
    prefer_post: Annotated[bool, said("Search by POST _search.", example="true")] = False
    issuers: Annotated[
        tuple[str, ...], said("The clients that may name it; by default all.", example='["https://ehr.example.org"]')
    ] = ()
    backend: Annotated[
        Backend | None,
        said(
            "How this service itself obtains tokens from it.",
            example='{client_id = "prodrome", key = "...", kid = "2026-1"}',
        ),
    ] = None

    @model_validator(mode="after")
    def _patients_travel_encrypted(self) -> "FhirServer":
        if not self.open:
            secure_url(self.url)
        return self


def _fhir_server(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


FhirServers = Annotated[
    tuple[Annotated[FhirServer, BeforeValidator(_fhir_server)], ...], NoDecode, BeforeValidator(listed)
]
