"""``prodrome consult``: the answer to one request, or about one patient, in the form that was asked for."""

import argparse

from prodrome.cds_hooks import eligibility
from prodrome.cds_hooks.command_line.arguments import engine_argument, settings_of, today_argument
from prodrome.cds_hooks.command_line.charts import card_rows, chart_arguments, consultation_of
from prodrome.cds_hooks.command_line.printing import on_terminal, print_json, print_table
from prodrome.cds_hooks.command_line.why import tree, understood
from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.eligibility import document, history, summary


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Whose chart, and what to print of the answer."""
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
    today_argument(command)
    engine_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Answer, and print what was asked for."""
    consultation = consultation_of(asked, settings_of(asked))
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
        print("\n".join(["", *consultation.reservations, "The whole answer: --json. What each rule rests on: --why."]))
    return 0


def _print_eligibility(consultation: Consultation, *, as_json: bool) -> None:
    facts, judgement = consultation.facts, consultation.judgement
    if as_json:
        print_json(eligibility.as_json(facts, judgement))
    else:
        print(eligibility.as_table(facts, judgement))


def _print_history(consultation: Consultation, *, as_json: bool) -> None:
    judgement = consultation.judgement
    found = history.history(consultation.facts, judgement, consultation.request.patient_id)
    if as_json:
        print_json(document.as_document(found, judgement.guideline))
    else:
        print(summary.as_text(found), end="")
