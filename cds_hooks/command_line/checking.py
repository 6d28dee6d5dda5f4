"""``prodrome check``: whether any CDS Hooks service is what a client expects."""

import argparse
import sys
from pathlib import Path

from prodrome.cds_hooks.clock import clock
from prodrome.cds_hooks.command_line.arguments import settings_of, today_argument, token_in
from prodrome.cds_hooks.command_line.called import called
from prodrome.cds_hooks.command_line.printing import json_argument, print_json
from prodrome.cds_hooks.testers import TesterError, check


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which service to check, where its prefetch comes from, how to prove who calls, and the date it judges by."""
    command.add_argument("url", metavar="URL", help="the address of a CDS Hooks service, without /cds-services")
    command.add_argument("--fhir", metavar="URL", help="fill the prefetch from this FHIR server")
    command.add_argument("--patient", metavar="ID", help="with --fhir: whose chart")
    command.add_argument("--token-file", type=Path, metavar="FILE", help="with --fhir: a file with its access token")
    command.add_argument("--key", type=Path, metavar="FILE", help="sign each request with this private key (PEM)")
    command.add_argument("--issuer", metavar="ISS", help="with --key: the issuer the service knows it by")
    command.add_argument("--kid", metavar="ID", help="with --key: the id of the key")
    json_argument(command)
    today_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Check it and print the report; 1 where a MUST is broken."""
    if bool(asked.fhir) != bool(asked.patient):
        raise TesterError("--fhir and --patient belong together.")
    if len({bool(asked.key), bool(asked.issuer), bool(asked.kid)}) > 1:
        raise TesterError("--key, --issuer and --kid belong together.")
    if asked.token_file and not asked.fhir:
        raise TesterError("--token-file goes with --fhir: it is the token of that server.")
    token = token_in(asked.token_file)
    chart = check.PrefetchSource(asked.fhir.rstrip("/"), asked.patient, token) if asked.fhir else None
    key = asked.key.read_text(encoding="utf-8", errors="replace") if asked.key else None
    signer = check.Signer(key, asked.issuer, asked.kid) if key is not None else None
    steps = check.check_service(
        asked.url,
        clock(settings_of(asked).today)(),
        chart=chart,
        signer=signer,
        progress=lambda step: print(f"  {step.what}", file=sys.stderr, flush=True),
        program=called(),
    )
    if asked.json:
        print_json(check.as_json(steps))
    else:
        print(check.check_report(steps))
    return int(any(step.verdict == "FAULT" for step in steps))
