"""``prodrome population``: the rules over a bulk export."""

import argparse
import os
import sys
import time
from datetime import date
from pathlib import Path

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.population import Plan, Population, judge_population, open_export
from prodrome.cds_hooks.settings import load_settings

HELP = "judge every patient of a bulk export (a folder of NDJSON files)"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument("export", metavar="FOLDER", type=Path, help="the NDJSON files of a bulk export")
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the results go")
    command.add_argument("--today", type=date.fromisoformat, metavar="DATE", help="the date to judge by (YYYY-MM-DD)")
    command.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    command.add_argument("--engine", choices=("checked", "durable", "reference"), help="which matcher answers")
    command.add_argument("--every-patient", action="store_true", help="judge everybody, without the sieve")
    command.add_argument(
        "--allow-unplaced",
        type=int,
        default=0,
        metavar="N",
        help="take a kind of resource for complete although up to N of its lines could be nobody's",
    )


def run(asked: argparse.Namespace) -> int:
    """Judge the export, tell how it comes along, and say at the end what was found."""
    settings = load_settings(overrides={"today": asked.today, "engine": asked.engine})
    environment = Environment.of(settings)
    plan = Plan(
        export=open_export(asked.export),
        out=asked.out,
        guideline=environment.guideline,
        today=environment.clock(),
        locale=settings.locale,
        engine=settings.engine,
        every_patient=asked.every_patient,
        allow_unplaced=asked.allow_unplaced,
        workers=max(1, asked.workers),
    )
    done = judge_population(plan, _Telling())
    for line in summary(done, asked.out):
        print(line)
    return 0


class _Telling:
    """Progress on standard error: rewritten in place on a terminal, a line a tenth elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._step = ""
        self._began = 0.0
        self._told = -1

    def __call__(self, step: str, done: int, of: int) -> None:
        if step != self._step:
            self._step, self._began, self._told = step, time.monotonic(), -1
        share = done / of if of else 1.0
        if not self._terminal and int(share * 10) == self._told:
            return
        self._told = int(share * 10)
        spent = time.monotonic() - self._began
        left = f", about {spent / share - spent:.0f} s left" if 0 < share < 1 else ""
        end = ("\n" if done >= of else "") if self._terminal else "\n"
        print(
            f"{chr(13) if self._terminal else ''}{step:8} {share:4.0%}{left}   ", end=end, file=sys.stderr, flush=True
        )


def summary(done: Population, out: Path) -> list[str]:
    """What was found, for a person to read."""
    counts, lines = done.counts, []
    lines.append(
        f"{counts['patients']} patients read, {counts['judged']} judged, {counts['withFindings']} with findings."
    )
    if done.manifest["sieve"] == "on":
        lines.append(
            "The others have no diagnosis of migraine and no hospital visit for it: no rule can speak for them."
        )
    elif done.against_sieve:
        lines.append(f"Everybody was judged: {', '.join(done.against_sieve)} may speak without migraine.")
    rows = [(rule, one) for rule, one in counts["rules"].items() if one["gap"] or one["met"] or one["notEvaluable"]]
    if rows:
        lines += ["", f"{'rule':10}{'finding':>9}{'met':>9}{'could not judge':>17}  for want of"]
    lines += [
        f"{rule:10}{one['gap']:>9}{one['met']:>9}{one['notEvaluable']:>17}  {', '.join(one['missing'])}".rstrip()
        for rule, one in rows
    ]
    lacking = [kind for kind, state in done.manifest["completeness"].items() if state != "complete"]
    if lacking:
        lines += ["", f"Not in the export, or not whole: {', '.join(lacking)}."]
    if counts["unplaced"]:
        lines.append(f"{counts['unplaced']} lines could be nobody's: their kinds are not complete for anyone.")
    if counts["errors"]:
        lines.append(f"{counts['errors']} rows could not be read; {out / 'errors.csv'} says which.")
    return [*lines, "", f"Results: {out}"]
