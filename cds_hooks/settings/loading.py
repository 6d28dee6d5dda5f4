"""The settings in force: ``prodrome.toml``, with ``PRODROME_...`` variables and the command line over it.

Later wins. Where each value came from is remembered.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

from prodrome.cds_hooks.settings.errors import SettingsError
from prodrome.cds_hooks.settings.model import PREFIX, Settings
from prodrome.cds_hooks.settings.parts import Backend, FhirServer, Issuer
from prodrome.fhir_mappers import locate, plain_code
from prodrome.rules.engine import excerpt, meant
from prodrome.rules.guideline import Guideline, GuidelineError, Site, load_guideline

FILE_VARIABLE = "PRODROME_SETTINGS"
DEFAULT_FILE = Path("prodrome.toml")

# Errors of pydantic that only follow from another error.
_CONSEQUENCES = {"default_factory_not_called"}

# What was expected, where pydantic says it in words of Python.
_EXPECTED = {
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "path_type": "expected a path",
    "too_short": "expected at least {min_length}",
}

# Settings whose value no message repeats.
_SECRETS = {"secret", "database_url", "key", "jwks", "backend"}


def load_settings(path: Path | None = None, *, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings in force.

    ``path`` is the file; None means the one PRODROME_SETTINGS names, else ``./prodrome.toml`` where there is one.
    ``overrides`` come from the command line; None values in it are not said. Raises SettingsError.
    """
    file = path or (Path(os.environ[FILE_VARIABLE]) if FILE_VARIABLE in os.environ else None)
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    command_line = {name: value for name, value in (overrides or {}).items() if value is not None}
    layers = [(file.name, _read(file))] if file else []
    values, origins = _merged([*layers, ("environment", _environment()), ("command line", command_line)])
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
    _check_what_is_named(settings)
    settings._origins = origins
    return settings


def _merged(layers: Iterable[tuple[str, Mapping[str, object]]]) -> tuple[dict[str, object], dict[str, str]]:
    """The values of several layers, the later over the earlier, and where each came from."""
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        for name, value in layer.items():
            before = values.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                values[name], origins[name] = {**before, **value}, f"{origins[name]}, {origin}"
            else:
                values[name], origins[name] = value, origin
    return values, origins


def _check_what_is_named(settings: Settings) -> None:
    """Raise SettingsError for keys, folders, parameters and codes that the settings name and that cannot be used."""
    for issuer in settings.issuers:
        if unreadable := issuer.unreadable_keys():
            said = (
                f"issuers: {issuer.iss}: expected public keys in its jwks; that of kid {excerpt(unreadable[0])} is none"
            )
            raise SettingsError([said])
    for server in settings.fhir_servers:
        if server.backend and not server.backend.can_sign():
            expected = f"expected as key of its backend a private key (PEM) that signs {server.backend.algorithm}"
            raise SettingsError([f"fhir_servers: {server.url}: {expected}"])
    for name in ("labelled_patients", "population_results"):
        folder = getattr(settings, name)
        if folder is not None and not folder.is_dir():
            raise SettingsError([f"{name}: expected a folder, found none at {folder}"])
    with _told("parameters: "):
        load_guideline().with_parameters(settings.parameters)
    with _told("more_codes: "):
        if settings.more_codes:
            load_guideline().with_codes(settings.more_codes)
    with _told():
        site_guideline(settings)


@contextmanager
def _told(where: str = "") -> Iterator[None]:
    """Have what the guideline says of a setting told as what is wrong with the settings."""
    try:
        yield
    except GuidelineError as error:
        raise SettingsError([f"{where}{error}"]) from None


def site_guideline(settings: Settings) -> Guideline:
    """The guideline as these settings say. Raises GuidelineError for what they name and is not there."""
    codes = {
        kind: {_code(kind, written): meaning for written, meaning in codes.items()}
        for kind, codes in settings.codes.items()
    }
    return load_guideline().for_site(
        Site(
            parameters=settings.parameters,
            codes=codes,
            licensed=settings.snomed_ct == "all",
            more_codes=settings.more_codes,
            eligibility=settings.eligibility,
            diary=settings.diary_system,
            canonical_base=settings.canonical_base,
        )
    )


def _code(kind: str, written: str) -> tuple[str, str]:
    address, bar, code = written.rpartition("|")
    if not (address and bar and code):
        raise GuidelineError(f'codes.{kind}: expected "system|code"; came {excerpt(written)}')
    system = locate(address).system
    return system, plain_code(system, code)


def _read(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError([f"{file}: there is no such file"]) from None
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError as error:
        raise SettingsError([f"{file}: expected UTF-8, found something else at byte {error.start}"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError([f"{file}: not TOML: {error}"]) from None


def _environment() -> Mapping[str, object]:
    unknown = [
        name
        for name in os.environ
        if name.startswith(PREFIX) and name != FILE_VARIABLE and _field(name) not in Settings.model_fields
    ]
    if unknown:
        known = tuple(PREFIX + name.upper() for name in Settings.model_fields)
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
    return variable.removeprefix(PREFIX).lower().split("__")[0]


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
    told = _EXPECTED.get(detail["type"])
    expected = told.format(**detail.get("ctx", {})) if told else detail["msg"].removeprefix("Value error, ")
    secret = detail["loc"] == ("fhir_servers",) or not _SECRETS.isdisjoint(detail["loc"])
    plain = isinstance(detail["input"], str | int | float)
    came = f"; came {excerpt(detail['input'])}" if plain and not secret else ""
    return f"{where}: {expected}{came}"
