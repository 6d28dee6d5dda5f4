"""``prodrome key new``: a key pair for a CDS client under test, and what the service has to know of it."""

import base64
import json
import os
from pathlib import Path

from prodrome.cds_hooks.testers.errors import TesterError

PRIVATE = "private-key.pem"
KEY_SET = "jwks.json"
COORDINATE_BYTES = 48
"""Of a point on P-384 (RFC 7518, section 6.2.1.2)."""


def new_key(folder: Path, issuer: str, kid: str) -> str:
    """Writes a private key (P-384, for ES384) and its public key set to *folder*; the settings that let it in, as TOML.

    The private key is readable by its owner alone. Raises :class:`TesterError` where there is a key already.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    numbers = key.public_key().public_numbers()
    public = {
        "kty": "EC",
        "use": "sig",
        "alg": "ES384",
        "kid": kid,
        "crv": "P-384",
        "x": _coordinate(numbers.x),
        "y": _coordinate(numbers.y),
    }
    try:
        file = os.open(folder / PRIVATE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise TesterError(f"{folder / PRIVATE}: there is a key already; name another folder") from None
    with os.fdopen(file, "wb") as stream:
        stream.write(pem)
    (folder / KEY_SET).write_text(json.dumps({"keys": [public]}, indent=2) + "\n", encoding="utf-8")
    lines = ["[[issuers]]", f"iss = {json.dumps(issuer)}", "", "[[issuers.jwks.keys]]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in public.items()]
    return "\n".join(lines) + "\n"


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(COORDINATE_BYTES, "big")).rstrip(b"=").decode()
