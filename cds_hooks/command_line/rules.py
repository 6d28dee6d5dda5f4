"""``prodrome rules``: the rulebook as a table with its sources, and what differs between two editions of it."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from prodrome.cds_hooks.command_line.printing import json_argument, print_json, print_table
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import load_settings
from prodrome.rules.engine import Rule, condition_in_words
from prodrome.rules.guideline import Change, Guideline, compare_editions, edition_in_force, read_edition

DIFF_HELP = "say what two editions of the guideline have otherwise: rules, parameters, drugs and all else"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to print of the rulebook, or which editions to compare."""
    parser.add_argument("--conditions", action="store_true", help="also say the conditions of each rule in words")
    json_argument(parser)
    parser.set_defaults(action="")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    diff = actions.add_parser("diff", help=DIFF_HELP, description=DIFF_HELP)
    diff.add_argument("before", type=Path, metavar="BEFORE", help="a folder of a guideline, or its rulebook.yaml")
    diff.add_argument("after", type=Path, metavar="AFTER", nargs="?", help="the other one (what is in force here)")
    diff.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for a program to read"
    )


def run(asked: argparse.Namespace) -> int:
    """Print the rulebook, or what differs between two editions of it."""
    environment = Environment.of(load_settings())
    if asked.action == "diff":
        return _diff(asked, environment.guideline)
    rulebook = environment.guideline.rulebook
    shown = [rule for rule in rulebook.rules.values() if rule.card is not None]
    if asked.json:
        print_json(_rules_told(environment.guideline, shown))
        return 0
    print(f"Rulebook {rulebook.version} of {rulebook.date}")

    def conditions(number: int) -> Iterator[str]:
        if asked.conditions:
            yield from (f"when {condition_in_words(pattern)}" for pattern in shown[number].when)
            yield from (f"unless {condition_in_words(pattern)}" for pattern in shown[number].unless)

    print_table([_row(rule) for rule in shown], ("Rule", "Hooks", "Sources", "Title"), below=conditions)
    print()
    cited = sorted({source for rule in shown for source in rule.sources})
    for name in cited:
        source = environment.guideline.sources[name]
        print(f"{name}: {source.citation}")
    print()
    print("Not evaluated:")
    for what in rulebook.not_evaluated:
        print(f"- {what}")
    return 0


def _rules_told(guideline: Guideline, shown: Sequence[Rule]) -> dict[str, object]:
    """The rules that have a card, as a program reads them."""
    return {
        "rulebook": guideline.rulebook.version,
        "date": guideline.rulebook.date,
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "hooks": list(rule.hooks),
                "sources": {name: guideline.sources[name].citation for name in rule.sources},
                "when": [condition_in_words(pattern) for pattern in rule.when],
                "unless": [condition_in_words(pattern) for pattern in rule.unless],
            }
            for rule in shown
        ],
        "notEvaluated": list(guideline.rulebook.not_evaluated),
    }


def _row(rule: Rule) -> tuple[str, str, str, str]:
    return rule.id, ", ".join(rule.hooks), ", ".join(rule.sources), rule.title


def _diff(asked: argparse.Namespace, guideline: Guideline) -> int:
    before = read_edition(asked.before)
    after = read_edition(asked.after) if asked.after else edition_in_force(guideline)
    changes = compare_editions(before, after)
    if asked.json:
        editions = [{"version": one.version, "date": one.date} for one in (before, after)]
        print_json({"before": editions[0], "after": editions[1], "changes": [asdict(change) for change in changes]})
        return 0
    print(f"Rulebook {before.version} of {before.date} -> {after.version} of {after.date}")
    for of in dict.fromkeys(change.of for change in changes):
        print(f"\n{of.capitalize()}")
        _print_changes([change for change in changes if change.of == of])
    if not changes:
        print("\nNothing differs.")
    return 0


def _print_changes(changes: Sequence[Change]) -> None:
    rows = [(one.kind, one.id, one.says) for one in changes]
    print_table(rows, ("", "Entry", "About"), below=lambda number: _told(changes[number]))


def _told(change: Change) -> Iterator[str]:
    """What differs within an entry: before it and after it."""
    for one in change.differences:
        yield " ".join(part for part in (f"{one.field}:", one.before or "none", "->", one.after or "none") if part)
    if change.read_by:
        yield f"read by {', '.join(change.read_by)}"
