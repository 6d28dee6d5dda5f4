"""The settings as people read them: what each is for, and which are in force. Secrets are hidden."""

from typing import NamedTuple

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url

from prodrome.cds_hooks.settings.model import Settings


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
