"""``prodrome check``: whether any CDS Hooks service is what a client expects."""

import argparse

from prodrome.cds_hooks.clock import clock
from prodrome.cds_hooks.command_line.arguments import settings_of, today_argument
from prodrome.cds_hooks.command_line.called import called
from prodrome.cds_hooks.testers import check


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which service, and the date it judges by."""
    check.arguments(command)
    today_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Check it and print the report; 1 where a MUST is broken."""
    return check.run_check(asked, clock(settings_of(asked).today)(), called())
