"""The command ``prodrome``."""

import argparse
import sys
from collections.abc import Callable, Sequence

from prodrome.cds_hooks.cards import CardsError
from prodrome.cds_hooks.command_line.commands import COMMANDS
from prodrome.cds_hooks.database import DatabaseAway
from prodrome.cds_hooks.protocol import Refused
from prodrome.cds_hooks.settings import SettingsError
from prodrome.rules.engine import RulebookError
from prodrome.rules.guideline import GuidelineError


def parser() -> argparse.ArgumentParser:
    """The command line: one subcommand for each entry of :data:`prodrome.cds_hooks.command_line.commands.COMMANDS`."""
    whole = argparse.ArgumentParser(
        prog="prodrome", description="Clinical decision support for difficult-to-treat migraine, over CDS Hooks."
    )
    subcommands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = subcommands.add_parser(name, help=command.help, description=command.help)
        command.arguments(one)
        one.set_defaults(run=command.run)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 for success, 1 where the command found fault, 2 for a wrong call."""
    asked = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = asked.run
    try:
        return run(asked)
    except (SettingsError, GuidelineError, RulebookError, CardsError) as error:
        print(error, file=sys.stderr)
    except Refused as refused:
        print(f"{refused.status}: {refused.text}", file=sys.stderr)
    except DatabaseAway:
        print("database_url: the database cannot be asked now", file=sys.stderr)
    except FileNotFoundError as error:
        print(f"There is no file {error.filename}.", file=sys.stderr)
    return 2
