"""What a command prints: JSON for programs, a table with colour on a terminal, plain columns anywhere else."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

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


def print_table(
    rows: Sequence[Sequence[str]],
    headings: Sequence[str],
    *,
    below: Callable[[int], Iterable[str]] = lambda _: (),
    indent: int = 0,
) -> None:
    """Rows of as many columns as there are headings; the headings are for the terminal alone.

    ``below`` says which lines stand under a row, by its number, beginning at the second column. ``indent`` is how many
    spaces stand in front of each.
    """
    if on_terminal():
        _in_colour(rows, headings, below, indent)
        return
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(len(headings))]
    for number, row in enumerate(rows):
        cells = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print(" " * indent + cells.rstrip())
        for line in below(number):
            print(f"{'':{indent + widths[0]}}  {line}")


def _in_colour(
    rows: Sequence[Sequence[str]], headings: Sequence[str], below: Callable[[int], Iterable[str]], indent: int
) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for number, row in enumerate(rows):
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        for line in below(number):
            table.add_row("", Text(line, style="dim"))
    Console(highlight=False).print(Padding(table, (0, 0, 0, indent)))
