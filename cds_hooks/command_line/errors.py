"""Mistakes at the command line, and how they are told: in one line."""

import argparse
import os
import sys
from typing import NoReturn

from prodrome.rules import ProdromeError
from prodrome.rules.engine import meant


class UsageError(ProdromeError):
    """A mistake of the person at the command line; the text says what was expected and what came."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 2."""
        print(f"{self.prog}: {message}; {self.prog} --help lists what there is", file=sys.stderr)
        sys.exit(2)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"{value!r} is unknown{meant(value, map(str, action.choices))}")


def in_one_line(error: Exception) -> str:
    """What to tell of an error that a person can mend."""
    if isinstance(error, OSError):
        where = os.fspath(error.filename) if error.filename else "the system"
        if isinstance(error, IsADirectoryError):
            return f"{where!s}: expected a file, found a folder"
        return f"{where!s}: {error.strerror or type(error).__name__}"
    return str(error)
