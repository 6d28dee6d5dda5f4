"""The single values of settings: how each is written, and what it must be. Raises ``ValueError`` for anything else."""

import ipaddress
import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from prodrome.fhir_mappers import KINDS
from prodrome.rules import HOOK_NAMES
from prodrome.rules.engine import meant
from prodrome.rules.guideline import load_guideline


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a socket bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listed(value: object) -> object:
    """A list, or the text of one as a variable holds it: JSON, or items with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        return from_json(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def from_json(value: object) -> object:
    """What a variable holds as JSON; anything else as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("expected JSON") from None


def http_url(value: str) -> str:
    """An address of http or https, without a user name, a password or a fragment."""
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in ("http", "https") or not value.isprintable() or " " in value:
        raise ValueError("expected an http(s) address")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("expected an address without a user name, password or fragment")
    return value


def secure_url(value: str) -> str:
    """An address of https; plain http is for this machine only."""
    parts = urlsplit(http_url(value))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("expected https (plain http is for this machine only)")
    return value


def base_url_of(value: str) -> str:
    """An address without a query, and without a slash at its end."""
    if urlsplit(value).query:
        raise ValueError("expected an address without a query")
    return value.rstrip("/")


def origin(value: str) -> str:
    """The origin of a page, as browsers send it."""
    parts = urlsplit(secure_url(value))
    if value != f"{parts.scheme}://{parts.netloc}" or value != value.lower():
        raise ValueError('expected an origin as browsers send it, like "https://ehr.example.org"')
    return value


def known_locale(value: str) -> str:
    """A locale that the guideline knows."""
    known = load_guideline().locales
    if value not in known:
        raise ValueError(f"expected one of {', '.join(known)}")
    return value


def known_prefetch_key(value: str) -> str:
    """A key of the prefetch that services ask for."""
    return _one_of(value, "a prefetch key of ours", [search.key for kind in KINDS.values() for search in kind.searches])


def known_service(value: str) -> str:
    """The id of a service."""
    return _one_of(value, "the id of a service", [f"prodrome-{hook}" for hook in HOOK_NAMES])


def _one_of(value: str, expected: str, known: list[str]) -> str:
    if value not in known:
        raise ValueError(f"expected {expected}{meant(value, known)}")
    return value


def database_address(value: str) -> str:
    """The address of a database of SQLite or PostgreSQL."""
    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        raise ValueError("expected a database address") from None
    if backend not in ("sqlite", "postgresql"):
        raise ValueError("expected an address that starts with sqlite: or postgresql:")
    return value


def public_keys(value: dict[str, object]) -> dict[str, object]:
    """A key set (JWKS) of public EC or RSA keys, each with a ``kid``."""
    keys = value.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError('expected a key set: {"keys": [...]}')
    for key in keys:
        if key.get("kty") not in ("EC", "RSA") or "d" in key:
            raise ValueError("expected public EC or RSA keys only")
        if not isinstance(key.get("kid"), str) or not key["kid"]:
            raise ValueError("expected a kid on every key")
    return value


def long_enough(value: SecretStr) -> SecretStr:
    """A secret that nobody guesses."""
    if len(value.get_secret_value()) < 16:
        raise ValueError("expected at least sixteen characters")
    return value


def no_flag(value: object) -> object:
    """What is not yes or no, which Python would take for 1 or 0."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def file_path(value: Path) -> Path:
    """A path that a file can have."""
    if "\0" in str(value):
        raise ValueError("expected a path without a NUL in it")
    return value


YEARS = range(1900, 2200)
"""Those of the days to judge by: the calendar has room on either side of them."""


def judged_day(value: date) -> date:
    """A day to judge by."""
    if value.year not in YEARS:
        raise ValueError(f"expected a day of the years {YEARS[0]} to {YEARS[-1]}")
    return value


Whole = Annotated[int, BeforeValidator(no_flag)]
Number = Annotated[float, BeforeValidator(no_flag)]
Url = Annotated[str, AfterValidator(secure_url)]
JudgedDay = Annotated[date, AfterValidator(judged_day)]
BaseUrl = Annotated[str, AfterValidator(secure_url), AfterValidator(base_url_of)]
FilePath = Annotated[Path, AfterValidator(file_path)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(origin)], ...], NoDecode, BeforeValidator(listed)]


def said(description: str, *, example: str, unit: str = "") -> Any:
    """What a setting is for: told by ``prodrome settings`` and in docs/settings.md. *example* is as in TOML."""
    return Field(description=description, examples=[example], json_schema_extra={"unit": unit})
