"""``prodrome feedback``: the report on the command line."""

import argparse
import sys

from prodrome.cds_hooks.command_line.arguments import day
from prodrome.cds_hooks.database import Database
from prodrome.cds_hooks.feedback import report
from prodrome.cds_hooks.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="write", const=report.report_as_json, help="as JSON")
    form.add_argument("--csv", action="store_const", dest="write", const=report.as_csv, help="as CSV")
    parser.add_argument("--since", type=day, metavar="DATE", help="cards shown on this day or later")
    parser.add_argument("--until", type=day, metavar="DATE", help="cards shown on this day or before")
    parser.set_defaults(write=report.as_table)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 1 where there is no database to read."""
    settings = load_settings()
    if settings.in_memory:
        print("No feedback is kept: the settings name no database (database_url).", file=sys.stderr)
        return 1
    rules = report.feedback_report(Database(settings.database_url), since=arguments.since, until=arguments.until)
    print(arguments.write(rules).rstrip("\n"))
    return 0
