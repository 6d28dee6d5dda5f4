"""The command ``prodrome``."""

from prodrome.cds_hooks.command_line.cli import main

__all__ = [
    "main",
]
