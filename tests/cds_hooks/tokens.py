"""A CDS client of the tests: keys of its own, and tokens signed with them. Times are seconds since 1970."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from prodrome.cds_hooks.settings import Settings

BASE = "https://cds.example.org"
SERVICE = "/cds-services/prodrome-patient-view"
ISS = "https://ehr.example.org"
NOW = 1_781_500_000.0

EC_384 = ec.generate_private_key(ec.SECP384R1())
EC_256 = ec.generate_private_key(ec.SECP256R1())
RSA_2048 = rsa.generate_private_key(65537, 2048)


def jwk(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str, **more: object) -> dict[str, Any]:
    """The public half of *key*."""
    if isinstance(key, rsa.RSAPrivateKey):
        document = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        document = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**{name: value for name, value in document.items() if name != "key_ops"}, "kid": kid, **more}


KEYS = [jwk(EC_384, "ec"), jwk(RSA_2048, "rsa"), jwk(EC_256, "ec256")]


@dataclass
class Client:
    """Makes tokens that are right unless told otherwise: ``header`` and ``claims`` change or, with None, drop."""

    key: Any = EC_384
    algorithm: str = "ES384"
    kid: str = "ec"
    now: float = NOW
    iss: str = ISS
    header: Mapping[str, object] = field(default_factory=dict)

    def token(self, audience: object = BASE + SERVICE, *, header: Mapping[str, object] = {}, **claims: object) -> str:
        said = {
            "iss": self.iss,
            "aud": audience,
            "iat": int(self.now),
            "exp": int(self.now) + 300,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        head = {"kid": self.kid, "typ": "JWT", **self.header, **header}
        return jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            self.key,
            algorithm=self.algorithm,
            headers={name: value for name, value in head.items() if value is not None or name == "typ"},
        )

    def bearer(self, audience: object = BASE + SERVICE, **claims: Any) -> str:
        return f"Bearer {self.token(audience, **claims)}"


def settings(**said: Any) -> Settings:
    """A site that accepts :data:`ISS` with :data:`KEYS`."""
    issuer = {"iss": ISS, "jwks": {"keys": KEYS}, **said.pop("issuer", {})}
    return Settings(**{"host": "0.0.0.0", "base_url": BASE, "issuers": (issuer,), **said})
