"""``prodrome facts``: the facts of one chart, for another engine to run the exported rules on."""

import argparse

from prodrome.cds_hooks.command_line.arguments import settings_of, today_argument
from prodrome.cds_hooks.command_line.charts import chart_arguments, consultation_of
from prodrome.cds_hooks.command_line.printing import print_json
from prodrome.cds_hooks.knowledge import facts_bundle


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Whose facts."""
    chart_arguments(command)
    today_argument(command)


def run(asked: argparse.Namespace) -> int:
    """Print the facts as a Bundle of Observations."""
    consultation = consultation_of(asked, settings_of(asked))
    print_json(facts_bundle(consultation.judgement, consultation.request.patient_id))
    return 0
