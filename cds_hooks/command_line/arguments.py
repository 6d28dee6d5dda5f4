"""Arguments that several commands have, and the settings that follow from them."""

import argparse
from datetime import date

from prodrome.cds_hooks.settings import Settings, load_settings


def settings_of(asked: argparse.Namespace) -> Settings:
    """The settings in force, with what was said on the command line. Raises SettingsError."""
    names = ("host", "port", "workers", "today", "engine")
    return load_settings(overrides={name: getattr(asked, name, None) for name in names})


def day(text: str) -> date:
    """A day of the calendar, as people write it at the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day, as in 2026-06-15; came {text[:40]!r}") from None


def today_argument(command: argparse.ArgumentParser) -> None:
    """The date to judge by."""
    command.add_argument("--today", type=day, metavar="DATE", help="the date to judge by (YYYY-MM-DD)")


def engine_argument(command: argparse.ArgumentParser) -> None:
    """Which matcher answers."""
    command.add_argument("--engine", choices=("checked", "durable", "reference"), help="which matcher answers")
