"""``prodrome export-knowledge``: the rules for another engine."""

import argparse
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from prodrome.cds_hooks.consultation import Consultation, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.knowledge import Case, facts_bundle, is_expanded, knowledge, write
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.settings import load_settings
from prodrome.rules.engine import FINDING, UNJUDGED

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLES_DAY = date(2026, 6, 15)
"""The day the examples are about, so that the same rules give the same test cases on any day."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where it goes."""
    command.add_argument("out", metavar="OUT", type=Path, help="the folder to write; an earlier export is replaced")
    command.add_argument("--elm", metavar="FILE.json", type=Path, help="what a translator made of the exported CQL")


def run(asked: argparse.Namespace) -> int:
    """Write the package, and say what is in it and what is not."""
    settings = load_settings(overrides={"today": EXAMPLES_DAY})
    environment = Environment.of(settings)
    elm = asked.elm.read_bytes() if asked.elm else None
    published = knowledge(environment.guideline, elm=elm, cases=_cases(environment))
    write(published, asked.out)
    book = environment.guideline.rulebook
    enabled = [rule for rule in book.rules.values() if rule.enabled]
    print(f"{len(enabled)} rules, {sum(rule.card is not None for rule in enabled)} of them with a card.")
    lacking = [one["title"] for one in published.value_sets if not is_expanded(one)]
    print(f"{len(published.value_sets)} value sets; {len(lacking)} of them need a terminology server to be expanded.")
    print(f"{len(published.cases)} test cases, judged on {EXAMPLES_DAY}.")
    if elm is None:
        print("Without ELM: engines translate the CQL themselves, or --elm puts in what a translator made of it.")
    print(f"Package: {asked.out / published.file_of_package}")
    return 0


def _cases(environment: Environment) -> Iterator[Case]:
    """The examples as test cases."""
    hooks = frozenset(service.hook.name for service in environment.services().values())
    for file in sorted(EXAMPLES.glob("*.json")):
        body = file.read_bytes()
        yield case_of(consult(read_request(parse(body), hooks, body=body), environment), file.stem)


def case_of(consultation: Consultation, name: str) -> Case:
    """What was judged, as a test case for another engine."""
    judgement = consultation.judgement
    cards = [(card["source"]["topic"]["code"], card["indicator"]) for card in consultation.response["cards"]]
    return Case(
        name=name,
        hook=consultation.request.hook,
        facts=facts_bundle(judgement, consultation.request.patient_id),
        findings=[fact.fields for fact in judgement.of_type(FINDING)],
        unjudged=[fact.fields for fact in judgement.of_type(UNJUDGED)],
        cards=list(dict.fromkeys(cards)),
    )
