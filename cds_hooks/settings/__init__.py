"""What a site may set: one file, ``prodrome.toml``, with ``PRODROME_...`` variables over it, checked at start.

``Settings(...)`` itself reads nothing but its arguments; :func:`load_settings` reads the file and the environment.
"""

from prodrome.cds_hooks.settings.errors import SettingsError
from prodrome.cds_hooks.settings.loading import load_settings, site_guideline
from prodrome.cds_hooks.settings.model import Settings
from prodrome.cds_hooks.settings.parts import Backend, FhirServer, Issuer
from prodrome.cds_hooks.settings.showing import SettingInForce, SettingMeaning, describe, meanings
from prodrome.cds_hooks.settings.values import YEARS, is_loopback

__all__ = [
    "YEARS",
    "Backend",
    "FhirServer",
    "Issuer",
    "SettingInForce",
    "SettingMeaning",
    "Settings",
    "SettingsError",
    "describe",
    "is_loopback",
    "load_settings",
    "meanings",
    "site_guideline",
]
