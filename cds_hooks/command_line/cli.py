"""The command ``prodrome``."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

from prodrome.cds_hooks.command_line.commands import COMMANDS
from prodrome.cds_hooks.command_line.parser import Parser

MISTAKE = 2
INTERRUPTED = 130


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from prodrome.cds_hooks.command_line.version import versions

        print(versions())
        parser.exit()


def parser(named: str | None = None) -> argparse.ArgumentParser:
    """The command line: one subcommand for each entry of :data:`prodrome.cds_hooks.command_line.commands.COMMANDS`.

    Where one is *named*, it alone has its arguments: what the others need is not imported.
    """
    whole = Parser(
        prog="prodrome", description="Clinical decision support for difficult-to-treat migraine, over CDS Hooks."
    )
    whole.add_argument("--version", action=_Version, nargs=0, help="say what exactly is running")
    whole.add_argument("--debug", action="store_true", help="show where an error was raised")
    subcommands = whole.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = subcommands.add_parser(name, help=command.help, description=command.help)
        one.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if named in (name, None):
            command.arguments(one)
        one.set_defaults(run=command.run)
    return whole


def _make_printable() -> None:
    """Have all that is printed go out as UTF-8, whatever the locale, and nowhere where an output was closed."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  open as long as the process is
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # names of files may be no text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 for success, 1 where the command found fault, 2 for a mistake."""
    _make_printable()
    words = sys.argv[1:] if arguments is None else arguments
    completing = "_ARGCOMPLETE" in os.environ
    whole = parser(None if completing else next((word for word in words if not word.startswith("-")), ""))
    if completing:
        import argcomplete

        argcomplete.autocomplete(whole)  # answers the shell what may come next, and ends
    asked = whole.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = asked.run
    try:
        status = run(asked)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read what is printed has read enough: `prodrome rules | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to fail at the end
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        from prodrome.cds_hooks.command_line.errors import in_one_line

        said = in_one_line(error)
        if said is None or asked.debug:
            raise
        print(said, file=sys.stderr)
        return MISTAKE
