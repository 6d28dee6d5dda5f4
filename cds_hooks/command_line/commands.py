"""The subcommands of ``prodrome``, by name."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

from prodrome.cds_hooks import cards, eligibility
from prodrome.cds_hooks.clock import clock
from prodrome.cds_hooks.command_line import codes, completion, export, feedback, keys, knowledge, population, rules
from prodrome.cds_hooks.command_line.called import called
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.command_line.printing import json_argument, on_terminal, print_json, print_table
from prodrome.cds_hooks.command_line.testing import (
    card_rows,
    chart_arguments,
    consultation_of,
    sandbox,
    sandbox_arguments,
)
from prodrome.cds_hooks.command_line.why import tree, understood
from prodrome.cds_hooks.consultation import Consultation, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.logs import configure, log
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.runtime import end_traces
from prodrome.cds_hooks.settings import Settings, describe, load_settings
from prodrome.cds_hooks.testers import SANDBOX_SETTINGS, check_arguments, run_check
from prodrome.cds_hooks.web import health


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: what it is for, its arguments, and what it does (returns the exit status)."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _settings(asked: argparse.Namespace) -> Settings:
    names = ("host", "port", "workers", "today", "engine")
    return load_settings(overrides={name: getattr(asked, name, None) for name in names})


def _today(command: argparse.ArgumentParser) -> None:
    command.add_argument("--today", type=date.fromisoformat, metavar="DATE", help="the date to judge by (YYYY-MM-DD)")


def _engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--engine", choices=("checked", "durable", "reference"), help="which matcher answers")


def _serve_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help="the address to listen on (127.0.0.1)")
    command.add_argument("--port", type=int, help="the port to listen on (8080); 0: any that is free")
    command.add_argument("--workers", type=int, metavar="N", help="processes that answer (as many as there are cores)")
    _today(command)
    _engine(command)


EXAMPLE = Path(__file__).parents[2] / "examples" / "order-sign-contraindicated.json"


def _serve(asked: argparse.Namespace) -> int:
    from prodrome.cds_hooks.web import cores, create_app, front_of, serve

    settings = _settings(asked)
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
        raise UsageError(f"{where}: cannot be listened on ({reason}); choose another with --port or --host") from error


def _introduce(environment: Environment, url: str) -> None:
    """Say where the service is and how to try it."""
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
    if EXAMPLE.exists():
        print("Try it:")
        print(f"  curl -s -H 'Content-Type: application/json' -d @examples/{EXAMPLE.name} \\")
        print(f"       {url}/cds-services/prodrome-order-sign")
    sys.stdout.flush()
    log("serving", address=url, engine=well["engine"], version=well["version"], today=well["today"])


def _warm_up(environment: Environment) -> None:
    """Build what the first call would otherwise wait for: tables of drug names, compiled rules, templates."""
    if EXAMPLE.exists():
        body = EXAMPLE.read_bytes()
        request = read_request(parse(body), frozenset(service.hook.name for service in environment.services().values()))
        consult(request, replace(environment, store=None))
    cards.load_templates(environment.guideline)


def _consult_arguments(command: argparse.ArgumentParser) -> None:
    chart_arguments(command)
    command.add_argument("--why", action="store_true", help="print why each rule fired, or what stopped it")
    command.add_argument("--steps", action="store_true", help="with --why: explain the steps between, too")
    command.add_argument("--understood", action="store_true", help="print how much of the chart was understood")
    command.add_argument(
        "--eligibility",
        action="store_true",
        help="print which classes the patient may have, and what each body asks for",
    )
    command.add_argument(
        "--prior-authorisation", action="store_true", help="print the treatment history as a payer asks for it"
    )
    command.add_argument(
        "--json", action="store_true", help="print JSON, also on a terminal; the treatment history as a FHIR document"
    )
    _today(command)
    _engine(command)


def _consult(asked: argparse.Namespace) -> int:
    consultation = consultation_of(asked, _settings(asked))
    if asked.eligibility:
        _print_eligibility(consultation, as_json=asked.json)
    elif asked.prior_authorisation:
        _print_history(consultation, as_json=asked.json)
    elif asked.understood:
        print(understood(consultation))
    elif asked.why or asked.steps:
        print(tree(consultation, steps=asked.steps))
    elif asked.json or not on_terminal():
        print_json(consultation.response)
    else:
        print_table(card_rows(consultation) or [("No card", "", "")], ("Card", "Indicator", "Summary"))
        print("\nThe whole answer: --json. What each rule rests on: --why.")
    return 0


def _print_eligibility(consultation: Consultation, *, as_json: bool) -> None:
    facts, judgement = consultation.facts, consultation.judgement
    if as_json:
        print_json(eligibility.as_json(facts, judgement))
    else:
        print(eligibility.as_table(facts, judgement))


def _print_history(consultation: Consultation, *, as_json: bool) -> None:
    judgement = consultation.judgement
    found = eligibility.history(consultation.facts, judgement, consultation.request.patient_id)
    if as_json:
        print_json(eligibility.as_document(found, judgement.guideline))
    else:
        print(eligibility.as_text(found), end="")


def _sandbox_arguments(command: argparse.ArgumentParser) -> None:
    sandbox_arguments(command)
    _today(command)


def _sandbox(asked: argparse.Namespace) -> int:
    return sandbox(asked, _settings(asked))


def _check_arguments(command: argparse.ArgumentParser) -> None:
    check_arguments(command)
    _today(command)


def _check(asked: argparse.Namespace) -> int:
    return run_check(asked, clock(_settings(asked).today)(), called())


def _prefetch_arguments(command: argparse.ArgumentParser) -> None:
    _today(command)
    json_argument(command)


def _prefetch(asked: argparse.Namespace) -> int:
    services = Environment.of(_settings(asked)).services().values()
    if asked.json:
        print_json({service.id: {query.key: query.template for query in service.queries} for service in services})
        return 0
    for service in services:
        print(service.id)
        print_table([(query.key, query.template) for query in service.queries], ("Key", "Query"), indent=2)
    return 0


PASTED: Mapping[str, Path] = {"sandbox": SANDBOX_SETTINGS}
"""Settings to start from, by what they are for."""


def _settings_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--explain", action="store_true", help="also say what each is for")
    command.add_argument("--for", choices=tuple(PASTED), dest="purpose", help="print a file of settings to start from")
    json_argument(command)


def _show_settings(asked: argparse.Namespace) -> int:
    if asked.purpose:
        print(PASTED[asked.purpose].read_text(encoding="utf-8"), end="")
        return 0
    lines = describe(_settings(asked))
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
    _today(command)


def _review(asked: argparse.Namespace) -> int:
    from prodrome.cds_hooks.workbench import read_labelled, review

    patients = read_labelled(asked.patients) if asked.patients else ()
    document = review(Environment.of(_settings(asked)), patients)
    if asked.out is None:
        sys.stdout.write(document)
    else:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(document, encoding="utf-8")
        print(f"Written to {asked.out}. No neurologist has signed it.")
    return 0


COMMANDS: Mapping[str, Command] = {
    "serve": Command("serve CDS Hooks over HTTP", _serve_arguments, _serve),
    "consult": Command("answer one request, or judge a patient of a FHIR server", _consult_arguments, _consult),
    "sandbox": Command("load the example patients into a sandbox FHIR server", _sandbox_arguments, _sandbox),
    "check": Command("check any CDS Hooks service as a client sees it", _check_arguments, _check),
    "codes": Command(codes.HELP, codes.add_arguments, codes.run),
    "key": Command(keys.HELP, keys.add_arguments, keys.run),
    "feedback": Command(feedback.HELP, feedback.add_arguments, feedback.run),
    "export": Command(export.HELP, export.add_arguments, export.run),
    "population": Command(population.HELP, population.add_arguments, population.run),
    "facts": Command(knowledge.FACTS_HELP, knowledge.facts_arguments, knowledge.facts),
    "export-knowledge": Command(knowledge.HELP, knowledge.add_arguments, knowledge.run),
    "rules": Command(rules.HELP, rules.add_arguments, rules.run),
    "review": Command("write the document that a reviewing clinician signs", _review_arguments, _review),
    "prefetch": Command("print the prefetch of each service, to copy by hand", _prefetch_arguments, _prefetch),
    "settings": Command("print the settings in force and where each came from", _settings_arguments, _show_settings),
    "completion": Command(completion.HELP, completion.add_arguments, completion.run),
}
