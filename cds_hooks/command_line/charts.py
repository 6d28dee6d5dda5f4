"""Whose chart a command is about, and the judgement on it: a request in a file, or a patient of a FHIR server."""

import argparse
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import orjson

from prodrome.cds_hooks.command_line.arguments import token_file, token_in
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.command_line.printing import on_terminal
from prodrome.cds_hooks.consultation import Consultation, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Fetched
from prodrome.cds_hooks.protocol import HOOKS, HookRequest, Invalid, Refused, parse, read_request, served_as
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.testers import (
    DRAFT_ID,
    BadOrder,
    TesterError,
    allowing,
    draft_allergy,
    draft_order,
    draft_problem,
    server_request,
)
from prodrome.rules import Completeness
from prodrome.rules.engine import meant

_USER = "Practitioner/prodrome-tester"


def chart_arguments(command: argparse.ArgumentParser) -> None:
    """Whose chart is judged: that of a request file, or of a patient of a FHIR server."""
    command.add_argument("request", metavar="REQUEST.json", nargs="?", help="a CDS Hooks request; - for standard input")
    server_arguments(command)


def consultation_of(asked: argparse.Namespace, settings: Settings) -> Consultation:
    """The judgement on the chart of :func:`chart_arguments`. Raises :class:`UsageError` for mistakes."""
    if (asked.request is None) == (asked.fhir is None):
        raise UsageError("Give either a request file or --fhir URL.")
    said = [name for name in ("fhir", *WITH_FHIR) if getattr(asked, name) is not None]
    for name in said:
        if asked.fhir is None:
            raise UsageError(f"--{name.replace('_', '-')} goes with --fhir: {asked.request} says it all itself.")
        if getattr(asked, name) == "":  # as from a variable of a shell that was not set
            raise UsageError(f"--{name.replace('_', '-')} is empty.")
    return consult_server(asked, settings) if asked.fhir else consult_file(asked, settings)


WITH_FHIR = ("patient", "hook", "order", "problem", "allergy", "encounter", "token_file")
"""What is said beside the address of a FHIR server; a request file holds it."""


def server_arguments(command: argparse.ArgumentParser) -> None:
    """What to ask which FHIR server, in place of a request file."""
    command.add_argument(
        "--fhir", metavar="URL", help="fetch the chart from this FHIR server instead of a request file"
    )
    command.add_argument("--patient", metavar="ID", help="with --fhir: whose chart")
    command.add_argument(
        "--hook", choices=HOOKS, help="with --fhir: patient-view, or the hook of the order, problem or allergy in hand"
    )
    command.add_argument("--order", metavar="DRUG:DOSE", help="with --fhir: an order in hand, as in sumatriptan:25mg")
    command.add_argument(
        "--problem", metavar="SYSTEM|CODE", help="with --fhir: a problem being noted, as in 'icd10cm|J45.909'"
    )
    command.add_argument("--allergy", metavar="DRUG", help="with --fhir: an allergy being noted, as in propranolol")
    command.add_argument("--encounter", metavar="ID", help="with --fhir: the encounter of an encounter hook")
    token_file(command)


def consult_file(asked: argparse.Namespace, settings: Settings) -> Consultation:
    """The answer to a request in a file, or on standard input; raises :class:`UsageError` for what is none."""
    environment = Environment.of(settings)
    body = sys.stdin.buffer.read() if asked.request == "-" else Path(asked.request).read_bytes()
    hooks = frozenset(service.hook.name for service in environment.services().values())
    try:
        document = parse(body)
        _expect_request(document, hooks)
        return consult(read_request(document, hooks, body=body), environment)
    except Refused as refused:
        raise UsageError(f"{asked.request}: {refused}") from refused


def _expect_request(document: Mapping[str, object], hooks: Collection[str]) -> None:
    """Say what was probably meant, where the file is something else than a request."""
    kind, hook = document.get("resourceType"), document.get("hook")
    if hook is None and isinstance(kind, str):
        raise Invalid(f"expected a CDS Hooks request (hook, hookInstance, context), found a FHIR {kind[:40]}.")
    if isinstance(hook, str) and served_as(hook.strip()) not in hooks:
        raise Invalid(f"no service answers the hook {hook[:40]}{meant(hook, hooks)}", member="hook")


def consult_server(asked: argparse.Namespace, settings: Settings) -> Consultation:
    """The judgement on a patient of any FHIR server, without an EHR; tells on standard error how it comes along.

    Raises :class:`Refused`, and :class:`UsageError` for arguments that do not fit together.
    """
    url = asked.fhir.rstrip("/")
    token = token_in(asked.token_file)
    try:
        wider = allowing(settings, url, token)
    except TesterError as error:
        raise UsageError(f"--fhir: {error}") from None
    environment = Environment.of(wider)
    request = _request(asked, url, token, environment)
    consultation = consult(request, environment, progress=_Telling(f"{request.hook} for a patient of {url}"))
    if consultation.patient_is_unknown:
        raise UsageError(f"{url} has no patient of the id {asked.patient}.")
    if not on_terminal():  # where the answer itself is shown, it says the same
        for topic, indicator, summary in card_rows(consultation):
            print(f"{topic:10} {indicator:8} {summary}", file=sys.stderr)
        if not consultation.response["cards"]:
            print("No card.", file=sys.stderr)
        for said in consultation.reservations:
            print(said, file=sys.stderr)
    return consultation


def card_rows(consultation: Consultation) -> list[tuple[str, str, str]]:
    """Topic, indicator and summary of each card."""
    return [
        (card["source"]["topic"]["code"], card["indicator"], card["summary"]) for card in consultation.response["cards"]
    ]


def _request(asked: argparse.Namespace, url: str, token: str | None, environment: Environment) -> HookRequest:
    if not asked.patient:
        raise UsageError("--patient is missing: whose chart is to be judged?")
    hook = asked.hook or _hook_of(asked)
    context: dict[str, Any] = {"patientId": asked.patient, "userId": _USER}
    if asked.encounter:
        context["encounterId"] = asked.encounter
    if asked.order:
        try:
            order = draft_order(asked.order, asked.patient, environment.guideline, environment.clock())
        except BadOrder as error:
            raise UsageError(f"--order: {error}") from None
        member = (HOOKS[hook].orders if hook in HOOKS else None) or "draftOrders"
        context[member] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}
        context["selections"] = [f"MedicationRequest/{DRAFT_ID}"]
    context |= _entry(asked, hook, environment)
    document = server_request(hook, url, context, token)
    hooks = frozenset(service.hook.name for service in environment.services().values())
    return read_request(document, hooks, body=orjson.dumps(document))


def _hook_of(asked: argparse.Namespace) -> str:
    """The hook that fits what is in hand."""
    if asked.problem:
        return "problem-list-item-create"
    if asked.allergy:
        return "allergyintolerance-create"
    return "order-sign" if asked.order else "patient-view"


def _entry(asked: argparse.Namespace, hook: str, environment: Environment) -> dict[str, Any]:
    """The member of the context that holds what is being written into the chart; raises :class:`UsageError`."""
    member, kind = HOOKS[hook].declares or ("", "")
    for option, given, its_kind in (
        ("--problem", asked.problem, "Condition"),
        ("--allergy", asked.allergy, "AllergyIntolerance"),
    ):
        if given and kind != its_kind:
            raise UsageError(f"{option} does not go with --hook {hook}, which has no {its_kind} in its context.")
        if kind == its_kind and not given:
            raise UsageError(f"{option} is missing: what is being written into the chart at {hook}?")
    if asked.problem:
        return {member: draft_problem(asked.problem, asked.patient, environment.guideline)}
    if asked.allergy:
        try:
            return {member: draft_allergy(asked.allergy, asked.patient, environment.guideline)}
        except BadOrder as error:
            raise UsageError(f"--allergy: {error}") from None
    return {}


_MARKS: Mapping[Completeness, str] = {
    Completeness.COMPLETE: "all",
    Completeness.INCOMPLETE: "part",
    Completeness.MISSING: "none",
}


class _Telling:
    """How fetching comes along, on standard error; held back until the server has answered anything."""

    def __init__(self, begin: str) -> None:
        self._held: list[str] = [begin]
        self._answered = False

    def __call__(self, key: str, fetched: Fetched) -> None:
        problem = f"  the server {fetched.problem}" if fetched.problem else ""
        self._held.append(
            f"  {key:28} {_MARKS[fetched.state]:5} {fetched.count:5} in {fetched.seconds:5.2f} s{problem}"
        )
        self._answered = self._answered or fetched.state is not Completeness.MISSING
        if self._answered:
            print("\n".join(self._held), file=sys.stderr, flush=True)
            self._held.clear()
