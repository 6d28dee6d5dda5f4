"""``prodrome key``: keys for testers."""

import argparse
import sys
from pathlib import Path

from prodrome.cds_hooks.command_line.called import called, pasted
from prodrome.cds_hooks.testers import KEY_SET, PRIVATE, new_key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of the command."""
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    new = verbs.add_parser("new", help="write a private key and its key set; print the settings that let it in")
    new.add_argument("folder", type=Path, metavar="FOLDER", help="where the two files go")
    new.add_argument("--issuer", default="https://tester.example.org", metavar="ISS", help="who signs (%(default)s)")
    new.add_argument("--kid", default="tester-1", metavar="ID", help="the id of the key (%(default)s)")
    new.set_defaults(verb=_new)


def run(asked: argparse.Namespace) -> int:
    """Do what the verb says."""
    return int(asked.verb(asked))


def _new(asked: argparse.Namespace) -> int:
    settings = new_key(asked.folder, asked.issuer, asked.kid)
    check = ["check", "http://127.0.0.1:8080", "--key", str(asked.folder / PRIVATE)]
    check += ["--issuer", asked.issuer, "--kid", asked.kid]
    print(f"The private key is in {asked.folder / PRIVATE}, its key set in {asked.folder / KEY_SET}.", file=sys.stderr)
    print("The service needs these lines in prodrome.toml; then sign with:", file=sys.stderr)
    print(f"  {called()} {pasted(check)}", file=sys.stderr)
    print(settings, end="")
    return 0
