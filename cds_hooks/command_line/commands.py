"""The subcommands of ``prodrome``, by name. Nothing that one of them needs is loaded before it is named."""

import argparse
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: what it is for, its arguments, and what it does (returns the exit status)."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _command(help: str, module: str) -> Command:
    """A command of a module beside this one, which has its ``add_arguments`` and its ``run``."""

    def named(function: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(_loaded(module), function)
        return found

    return Command(help, lambda parser: named("add_arguments")(parser), lambda asked: named("run")(asked))


def _loaded(module: str) -> object:
    gc.disable()  # what a module makes stays: to look for circles in it again and again takes a tenth of a start
    try:
        return import_module(f"{__package__}.{module}")
    finally:
        gc.enable()


COMMANDS: Mapping[str, Command] = {
    "serve": _command("serve CDS Hooks over HTTP", "serving"),
    "consult": _command("answer one request, or judge a patient of a FHIR server", "consulting"),
    "sandbox": _command("load the example patients into a sandbox FHIR server", "sandbox"),
    "check": _command("check any CDS Hooks service as a client sees it", "checking"),
    "codes": _command("what a code or word is taken for, and what in a site's data is not recognised", "codes"),
    "key": _command("make a key pair for a client under test", "keys"),
    "feedback": _command("how often each rule's cards were shown, accepted and overridden, and why", "feedback"),
    "export": _command(
        "export from a FHIR server what the rules read of a whole population (Bulk Data Access)", "export"
    ),
    "population": _command(
        "judge every patient of a bulk export (a folder of NDJSON files), or compare two results", "population"
    ),
    "facts": _command(
        "write the facts of one chart as FHIR Observations, which the exported rules are run on", "facts"
    ),
    "export-knowledge": _command(
        "write the rules as a FHIR package (CQL, PlanDefinitions, ValueSets) for other engines", "knowledge"
    ),
    "rules": _command("print the rulebook as a table with its sources, or compare two editions of it", "rules"),
    "review": _command("write the document that a reviewing clinician signs", "review"),
    "prefetch": _command("print the prefetch of each service, to copy by hand", "prefetch"),
    "settings": _command("print the settings in force and where each came from", "settings"),
    "completion": _command("print what bash, zsh or fish needs to complete this command", "completion"),
}
