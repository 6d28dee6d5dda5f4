"""The subcommands of ``prodrome``, by name."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any

from prodrome.cds_hooks import cards
from prodrome.cds_hooks.command_line.arguments import engine_argument, settings_of, today_argument
from prodrome.cds_hooks.command_line.called import called, from_here
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.command_line.printing import json_argument, print_json, print_table
from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.logs import configure, log
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.runtime import end_traces
from prodrome.cds_hooks.settings import Settings, describe


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: what it is for, its arguments, and what it does (returns the exit status)."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _elsewhere(help: str, module: str, arguments: str = "add_arguments", run: str = "run") -> Command:
    """A command of a module beside this one, which is imported when the command is named: a start is not to wait."""

    def named(function: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(import_module(f"{__package__}.{module}"), function)
        return found

    return Command(help, lambda parser: named(arguments)(parser), lambda asked: named(run)(asked))


def _serve_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help="the address to listen on (127.0.0.1)")
    command.add_argument("--port", type=int, help="the port to listen on (8080); 0: any that is free")
    command.add_argument("--workers", type=int, metavar="N", help="processes that answer (as many as there are cores)")
    today_argument(command)
    engine_argument(command)


EXAMPLE = Path(__file__).parents[2] / "examples" / "order-sign-contraindicated.json"


def _serve(asked: argparse.Namespace) -> int:
    from prodrome.cds_hooks.web import cores, create_app, front_of, serve

    settings = settings_of(asked)
    configure()
    processes = settings.workers or cores()
    with ExitStack() as ending:
        folder = Path(ending.enter_context(TemporaryDirectory(prefix="prodrome-")))
        numbers = folder / "metrics"  # of all processes; there must be no other file ending in .db
        numbers.mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(numbers)
        ending.callback(os.environ.pop, "PROMETHEUS_MULTIPROC_DIR", None)
        if settings.in_memory:  # as short-lived as memory, but seen by all processes
            settings = settings.model_copy(update={"database_url": f"sqlite:///{folder}/prodrome.db"})
        listener = ending.enter_context(_listen(settings))
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        app = create_app(settings)
        environment: Environment = app.extensions["prodrome"]
        _warm_up(environment)
        if environment.store is not None:
            environment.store.database.engine.dispose()  # connections are of one process: each opens its own
        url = settings.base_url or f"http://{settings.host}:{settings.port}"

        def ended() -> None:
            end_traces()
            if environment.store is not None:
                environment.store.close()

        return serve(
            lambda: front_of(app),
            listener,
            workers=processes,
            grace_seconds=settings.grace_seconds,
            started=lambda: _introduce(environment, url),
            ended=ended,
        )


def _listen(settings: Settings) -> socket:
    from prodrome.cds_hooks.web import listen

    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
        raise UsageError(
            f"{where}: cannot be listened on ({reason}); choose another with --port (or PRODROME_PORT)"
        ) from error


def _introduce(environment: Environment, url: str) -> None:
    """Say where the service is and how to try it."""
    from prodrome.cds_hooks.web import health

    well = health(environment)
    print(f"Discovery: {url}/cds-services")
    if environment.settings.workbench:
        print(f"Workbench: {url}/")
    if "note" in well:
        print(f"Note: {well['note']}")
    for warning in environment.settings.warnings:
        print(f"Warning: {warning}")
        log("the settings may not be meant so", level=logging.WARNING, reason=warning)
    rulebook, locale = environment.guideline.rulebook.version, environment.settings.locale
    print(f"Engine: {well['engine']}; rulebook {rulebook}; locale {locale}")
    for line in _to_try(environment.settings, url):
        print(line)
    sys.stdout.flush()
    log("serving", address=url, engine=well["engine"], version=well["version"], today=well["today"])


def _to_try(settings: Settings, url: str) -> Iterator[str]:
    """A request that is answered with a card; where calls need a token, how to have one."""
    if not settings.open:
        yield "Try it: calls need a token. Make a key, add the lines it prints to the settings, and start again:"
        yield f"  {called()} key new keys"
    elif EXAMPLE.exists():
        yield "Try it:"
        yield f"  curl -s -H 'Content-Type: application/json' -d @{from_here(EXAMPLE)} \\"
        yield f"       {url}/cds-services/prodrome-order-sign"


def _warm_up(environment: Environment) -> None:
    """Build what the first call would otherwise wait for: tables of drug names, compiled rules, templates."""
    if EXAMPLE.exists():
        body = EXAMPLE.read_bytes()
        request = read_request(parse(body), frozenset(service.hook.name for service in environment.services().values()))
        consult(request, replace(environment, store=None))
    cards.load_templates(environment.guideline)


def _prefetch_arguments(command: argparse.ArgumentParser) -> None:
    today_argument(command)
    json_argument(command)


def _prefetch(asked: argparse.Namespace) -> int:
    services = Environment.of(settings_of(asked)).services().values()
    if asked.json:
        print_json({service.id: {query.key: query.template for query in service.queries} for service in services})
        return 0
    for service in services:
        print(service.id)
        print_table([(query.key, query.template) for query in service.queries], ("Key", "Query"), indent=2)
    return 0


def _settings_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--explain", action="store_true", help="also say what each is for")
    command.add_argument("--for", choices=("sandbox",), dest="purpose", help="print a file of settings to start from")
    json_argument(command)


def _show_settings(asked: argparse.Namespace) -> int:
    if asked.purpose:
        from prodrome.cds_hooks.testers import SANDBOX_SETTINGS

        print(SANDBOX_SETTINGS.read_text(encoding="utf-8"), end="")
        return 0
    lines = describe(settings_of(asked))
    if asked.json:
        print_json([line._asdict() for line in lines])
        return 0
    print_table(
        [line[:3] for line in lines],
        ("Setting", "Value", "From"),
        below=lambda number: (lines[number].meaning,) if asked.explain else (),
    )
    return 0


def _review_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, metavar="FILE.html", help="where to write it (standard output)")
    command.add_argument(
        "--patients", type=Path, metavar="FOLDER", help="labelled patients to ask about, each with the rules expected"
    )
    today_argument(command)


def _review(asked: argparse.Namespace) -> int:
    from prodrome.cds_hooks.workbench import read_labelled, review

    patients = read_labelled(asked.patients) if asked.patients else ()
    document = review(Environment.of(settings_of(asked)), patients)
    if asked.out is None:
        sys.stdout.write(document)
    else:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(document, encoding="utf-8")
        print(f"Written to {asked.out}. No neurologist has signed it.")
    return 0


COMMANDS: Mapping[str, Command] = {
    "serve": Command("serve CDS Hooks over HTTP", _serve_arguments, _serve),
    "consult": _elsewhere("answer one request, or judge a patient of a FHIR server", "consulting"),
    "sandbox": _elsewhere(
        "load the example patients into a sandbox FHIR server", "testing", "sandbox_arguments", "run_sandbox"
    ),
    "check": _elsewhere("check any CDS Hooks service as a client sees it", "checking"),
    "codes": _elsewhere("what a code or word is taken for, and what in a site's data is not recognised", "codes"),
    "key": _elsewhere("make a key pair for a client under test", "keys"),
    "feedback": _elsewhere("how often each rule's cards were shown, accepted and overridden, and why", "feedback"),
    "export": _elsewhere(
        "export from a FHIR server what the rules read of a whole population (Bulk Data Access)", "export"
    ),
    "population": _elsewhere(
        "judge every patient of a bulk export (a folder of NDJSON files), or compare two results", "population"
    ),
    "facts": _elsewhere(
        "write the facts of one chart as FHIR Observations, which the exported rules are run on",
        "knowledge",
        "facts_arguments",
        "facts",
    ),
    "export-knowledge": _elsewhere(
        "write the rules as a FHIR package (CQL, PlanDefinitions, ValueSets) for other engines", "knowledge"
    ),
    "rules": _elsewhere("print the rulebook as a table with its sources, or compare two editions of it", "rules"),
    "review": Command("write the document that a reviewing clinician signs", _review_arguments, _review),
    "prefetch": Command("print the prefetch of each service, to copy by hand", _prefetch_arguments, _prefetch),
    "settings": Command("print the settings in force and where each came from", _settings_arguments, _show_settings),
    "completion": _elsewhere("print what bash, zsh or fish needs to complete this command", "completion"),
}
