"""The tables of codes and words beside this code."""

import csv
from pathlib import Path


def read_table(name: str) -> list[list[str]]:
    """The rows of a table below its header; lines that start with # are comments."""
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(line for line in stream if not line.startswith("#")))[1:]
