"""``prodrome sandbox``: the example patients on a FHIR server, and the commands that show their cards."""

import argparse
import sys

from prodrome.cds_hooks.command_line.arguments import settings_of, today_argument, token_file, token_in
from prodrome.cds_hooks.command_line.called import called, pasted
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers import Ask, Example, LoadingError, examples, load


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which server takes the example patients."""
    command.add_argument("url", metavar="URL", help="the base address of a sandbox FHIR server (R4)")
    token_file(command)
    today_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Loads the example patients by the settings in force."""
    return sandbox(asked, settings_of(asked))


def sandbox(asked: argparse.Namespace, settings: Settings) -> int:
    """Loads the example patients and prints which command shows which card."""
    url = asked.url.rstrip("/")
    environment = Environment.of(settings)
    try:
        written = load(
            url,
            environment.guideline,
            environment.clock(),
            token=token_in(asked.token_file),
            progress=lambda said: print(f"  {said}", file=sys.stderr, flush=True),
        )
    except LoadingError as error:
        raise UsageError(f"{url}: {error}") from error
    known = examples()
    print(
        f"{len(known)} fictional patients in {written} resources are on {url}. Each command shows the cards before it:"
    )
    print()
    for example in known:
        print(f"# {example.title}")
        for ask in example.asks:
            print(f"{' '.join(ask.cards) or 'no card':30} {called()} {pasted(arguments_of(example, ask, url, asked))}")
    return 0


def arguments_of(example: Example, ask: Ask, url: str, asked: argparse.Namespace | None = None) -> list[str]:
    """The command line that shows an ask."""
    words = ["consult", "--fhir", url, "--patient", example.patient_id, "--hook", ask.hook]
    if ask.order:
        words += ["--order", ask.order]
    if problem := example.problem_in(ask):
        words += ["--problem", problem]
    elif ask.entry:
        words += ["--allergy", ask.entry]
    if ask.hook.startswith("encounter-"):
        words += ["--encounter", example.encounter_id or "prodrome-encounter"]
    for name in ("token_file", "today"):
        value = getattr(asked, name, None)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words
