"""``prodrome serve``: CDS Hooks over HTTP, by several processes that share what one of them loaded."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

from prodrome.cds_hooks import cards, fhir_client
from prodrome.cds_hooks.command_line.arguments import engine_argument, settings_of, today_argument
from prodrome.cds_hooks.command_line.called import called, from_here
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.consultation import consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.logs import configure, log
from prodrome.cds_hooks.protocol import parse, read_request
from prodrome.cds_hooks.runtime import end_traces
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web import cores, create_app, front_of, health, listen, serve
from prodrome.fhir_mappers import make_ready

EXAMPLE = Path(__file__).parents[2] / "examples" / "order-sign-contraindicated.json"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where to listen, with how many processes, and how to judge."""
    command.add_argument("--host", help="the address to listen on (127.0.0.1)")
    command.add_argument("--port", type=int, help="the port to listen on (8080); 0: any that is free")
    command.add_argument("--workers", type=int, metavar="N", help="processes that answer (as many as there are cores)")
    today_argument(command)
    engine_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Answer until told to stop."""
    with ExitStack() as ending:
        gc.disable()  # nearly all that is made before processes are forked stays; they collect for themselves
        ending.callback(gc.enable)
        settings = settings_of(asked)
        configure()
        processes = settings.workers or cores()
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
        url = settings.public_url

        def ended() -> None:
            end_traces()
            if environment.store is not None:
                environment.store.close()

        return serve(
            lambda place: front_of(app, place),
            listener,
            workers=processes,
            grace_seconds=settings.grace_seconds,
            started=lambda: _introduce(environment, url),
            ended=ended,
        )


def _listen(settings: Settings) -> socket:
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
    make_ready(environment.guideline)
    if environment.settings.fhir_servers:
        fhir_client.preload()
    if EXAMPLE.exists():
        body = EXAMPLE.read_bytes()
        request = read_request(parse(body), frozenset(service.hook.name for service in environment.services().values()))
        consult(request, replace(environment, store=None))
    cards.load_templates(environment.guideline)
