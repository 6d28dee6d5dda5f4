"""``prodrome settings``: what is in force, and where each value came from."""

import argparse

from prodrome.cds_hooks.command_line.arguments import settings_of
from prodrome.cds_hooks.command_line.printing import json_argument, print_json, print_table
from prodrome.cds_hooks.settings import describe


def add_arguments(command: argparse.ArgumentParser) -> None:
    """How much to say, or which file to start from."""
    command.add_argument("--explain", action="store_true", help="also say what each is for")
    command.add_argument("--for", choices=("sandbox",), dest="purpose", help="print a file of settings to start from")
    json_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Print the settings in force, or a file of settings for a purpose."""
    if asked.purpose:
        from prodrome.cds_hooks.testers import SANDBOX_SETTINGS

        print(SANDBOX_SETTINGS.read_text(encoding="utf-8"), end="")
        return 0
    lines = describe(settings_of(asked))
    if asked.json:
        print_json([line._asdict() for line in lines])
        return 0
    print_table(
        [line[:3] for line in lines],
        ("Setting", "Value", "From"),
        below=lambda number: (lines[number].meaning,) if asked.explain else (),
    )
    return 0
