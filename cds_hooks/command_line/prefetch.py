"""``prodrome prefetch``: the prefetch of each service."""

import argparse

from prodrome.cds_hooks.command_line.arguments import settings_of, today_argument
from prodrome.cds_hooks.command_line.printing import json_argument, print_json, print_table
from prodrome.cds_hooks.environment import Environment


def add_arguments(command: argparse.ArgumentParser) -> None:
    """For which day, and whether a program reads it."""
    today_argument(command)
    json_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Print the queries of each service under their keys."""
    services = Environment.of(settings_of(asked)).services().values()
    if asked.json:
        print_json({service.id: {query.key: query.template for query in service.queries} for service in services})
        return 0
    for service in services:
        print(service.id)
        print_table([(query.key, query.template) for query in service.queries], ("Key", "Query"), indent=2)
    return 0
