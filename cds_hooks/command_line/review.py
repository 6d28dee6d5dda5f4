"""``prodrome review``: the document that a reviewing clinician signs."""

import argparse
import sys
from pathlib import Path

from prodrome.cds_hooks.command_line.arguments import settings_of, today_argument
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.workbench import read_labelled, review


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where it goes, and about whom it says what the rules answer."""
    command.add_argument("--out", type=Path, metavar="FILE.html", help="where to write it (standard output)")
    command.add_argument(
        "--patients", type=Path, metavar="FOLDER", help="labelled patients to ask about, each with the rules expected"
    )
    today_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Write it."""
    patients = read_labelled(asked.patients) if asked.patients else ()
    document = review(Environment.of(settings_of(asked)), patients)
    if asked.out is None:
        sys.stdout.write(document)
    else:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(document, encoding="utf-8")
        print(f"Written to {asked.out}. No neurologist has signed it.")
    return 0
