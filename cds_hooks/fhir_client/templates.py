"""Prefetch templates and the tokens in them (CDS Hooks 2.0.1, "Prefetch tokens"; relative dates of 3.0).

Discovery publishes the templates, and what a client left out is fetched by the very same ones.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from urllib.parse import quote

_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_CONTEXT = re.compile(r"context\.(\w+)\Z")
_TODAY = re.compile(r"today\(\)(?:\s*([+-])\s*(\d{1,6})\s*days?)?\Z")
_USERS: Mapping[str, str] = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}


def resolve(template: str, context: Mapping[str, object], today: date) -> str | None:
    """*template* with its tokens filled from the hook's *context*, escaped for its place in the URL.

    ``None`` where a token has no value: a context member that is absent or no primitive, a user of another type, a
    path we do not evaluate. Such a template cannot be asked (PFT-08).
    """
    parts: list[str] = []
    end = 0
    for match in _TOKEN.finditer(template):
        parts.append(template[end : match.start()])
        value = _value(match.group(1).strip(), context, today)
        escaped = value and _escaped(value, in_query="?" in "".join(parts))
        if not escaped:
            return None
        parts.append(escaped)
        end = match.end()
    resolved = "".join([*parts, template[end:]])
    return None if "{{" in resolved or "}}" in resolved else resolved


def _value(token: str, context: Mapping[str, object], today: date) -> str | None:
    if match := _CONTEXT.match(token):
        return _text(context.get(match.group(1)))
    if match := _TODAY.match(token):
        days = int(match.group(2) or 0)
        return (today - timedelta(days) if match.group(1) == "-" else today + timedelta(days)).isoformat()
    if token in _USERS:
        kind, _, bare = str(context.get("userId") or "").rpartition("/")
        return bare if kind.rpartition("/")[2] == _USERS[token] else None
    return None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _escaped(value: str, *, in_query: bool) -> str | None:
    """*value* so that it stays one value: in a search ``,`` ``|`` ``$`` separate values (FHIR search, "Escaping")."""
    if in_query:
        return quote(re.sub(r"([\\,|$])", r"\\\1", value), safe="/")
    segments = value.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return None
    return "/".join(quote(segment, safe="") for segment in segments)
