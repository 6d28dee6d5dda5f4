"""What a command prints: JSON for programs, a table with colour on a terminal, plain columns anywhere else."""

import argparse
import sys
from collections.abc import Sequence

import orjson

_STYLES = {"critical": "bold red", "FAULT": "bold red", "warning": "yellow", "remark": "yellow", "ok": "green"}


def json_argument(command: argparse.ArgumentParser) -> None:
    """The option of every command whose output a program may read."""
    command.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def on_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()


def print_json(value: object) -> None:
    """A value as JSON, two spaces deep."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")


def print_table(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    """Rows of as many columns as there are headings; the headings are for the terminal alone."""
    if on_terminal():
        _in_colour(rows, headings)
        return
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(len(headings))]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _in_colour(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)
