"""Mistakes at the command line, and how they are told: in one line."""

import os

from prodrome.rules import ProdromeError


class UsageError(ProdromeError):
    """A mistake of the person at the command line; the text says what was expected and what came."""


def in_one_line(error: Exception) -> str | None:
    """What to tell of an error that a person can mend; None for one that nobody foresaw."""
    if isinstance(error, OSError):
        where = os.fspath(error.filename) if error.filename else "the system"
        if isinstance(error, IsADirectoryError):
            return f"{where!s}: expected a file, found a folder"
        return f"{where!s}: {error.strerror or type(error).__name__}"
    return str(error) if isinstance(error, ProdromeError) else None
