"""``prodrome export``: a bulk export from a FHIR server, of what the rules read."""

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from prodrome.cds_hooks.command_line.arguments import token_file, token_in
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Failure, bulk_data
from prodrome.cds_hooks.protocol import services
from prodrome.cds_hooks.settings import Settings, load_settings
from prodrome.cds_hooks.testers import TesterError, named_server
from prodrome.fhir_mappers import KINDS
from prodrome.rules.guideline import Guideline

AUTO = "auto"

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument("server", metavar="URL", help="the base address of the FHIR server")
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the export goes")
    level = command.add_mutually_exclusive_group()
    level.add_argument("--group", metavar="ID", help="the patients of this Group")
    level.add_argument("--system", action="store_true", help="the whole server; without either: all patients")
    command.add_argument(
        "--since",
        metavar="TIME",
        help="only what changed since this instant; auto: since the export in the folder, into a folder below it",
    )
    command.add_argument("--no-filter", action="store_true", help="ask for whole kinds, without _typeFilter")
    token_file(command)


def run(asked: argparse.Namespace) -> int:
    """Export, and say what came."""
    server = asked.server.rstrip("/")
    if asked.group and not _ID.fullmatch(asked.group):
        raise UsageError("--group: expected the id of a Group")
    settings = load_settings()
    environment = Environment.of(settings)
    out, since = _since(asked)
    ask = bulk_data.Ask(
        server=server,
        kinds=tuple(KINDS),
        filters=() if asked.no_filter else tuple(filters(environment.guideline, environment.clock())),
        group=asked.group,
        patients=not asked.system,
        since=since,
    )
    allowed, token = _allowing(settings, server), token_in(asked.token_file)
    try:
        done = bulk_data.export(ask, allowed, out, token=token, progress=_tell)
    except Failure as failure:
        raise UsageError(f"{server}: the FHIR server {failure.text}") from failure
    for kind, rows in sorted(done.rows.items()):
        print(f"{kind:26}{rows:>10} rows")
    for note in done.notes:
        print(note)
    print(f"As of {done.time}: {out}")
    return 0


def filters(guideline: Guideline, today: date) -> Iterator[str]:
    """What the prefetch asks for of each kind, as ``_typeFilter``: searches without their patient."""
    searches = dict.fromkeys(
        (query.kind, query.template) for service in services(guideline, today).values() for query in service.queries
    )
    narrowed: dict[str, list[str]] = {}
    for kind, template in searches:
        kept = [one for one in template.partition("?")[2].split("&") if "{{" not in one and not one.startswith("_")]
        narrowed.setdefault(kind, []).append("&".join(kept))
    for kind, queries in narrowed.items():
        if all(queries):  # one search for the whole kind is all of it
            yield from (f"{kind}?{query}" for query in dict.fromkeys(queries))


def _since(asked: argparse.Namespace) -> tuple[Path, str | None]:
    out: Path = asked.out
    if asked.since != AUTO:
        if asked.since:
            try:
                datetime.fromisoformat(asked.since)
            except ValueError:
                raise UsageError(f"--since: expected an instant (2026-06-15T00:00:00Z) or {AUTO}") from None
        return out, asked.since
    last = bulk_data.transaction_time(out)
    if last is None:
        raise UsageError(f"--since {AUTO}: expected an export in {out}, found none")
    name = datetime.fromisoformat(last).astimezone(UTC).strftime("since-%Y%m%dT%H%M%SZ")
    return out / name, last


def _allowing(settings: Settings, server: str) -> Settings:
    """The settings, with the server that the person at the command line names on the list."""
    if any(server == one.url or server.startswith(f"{one.url}/") for one in settings.fhir_servers):
        return settings
    try:
        named = named_server(server, is_open=server.startswith("http://"))
    except TesterError as error:
        raise UsageError(f"{server}: {error}") from None
    return settings.model_copy(update={"fhir_servers": (*settings.fhir_servers, named)})


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
