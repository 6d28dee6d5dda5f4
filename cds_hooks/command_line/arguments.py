"""Arguments that several commands have, and the settings that follow from them."""

import argparse
import re
from datetime import date
from pathlib import Path

from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.settings import Settings, load_settings

_TOKEN = re.compile(rb"[!-~]+")


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


def token_file(command: argparse.ArgumentParser) -> None:
    """Where the access token is; never on the command line, which other users of the machine can read."""
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="a file with the access token of the FHIR server"
    )


def token_in(file: Path | None) -> str | None:
    """The token a file holds; raises :class:`UsageError` where it holds none."""
    if file is None:
        return None
    token = file.read_bytes().strip()
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"{file}: expected an access token and nothing else")
    return token.decode("ascii")
