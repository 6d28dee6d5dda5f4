"""``prodrome population``: the rules over a bulk export."""

import argparse
import csv
import errno
import os
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prodrome.cds_hooks.command_line.arguments import engine_argument, today_argument
from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.population import (
    OTHER,
    SCHEMES,
    Engine,
    Population,
    RunPlan,
    Spark,
    cell,
    compare,
    counted,
    embedded,
    judge_population,
    measures,
    of_the_others,
    open_export,
    parquet,
)
from prodrome.cds_hooks.population import summary as changes_in_short
from prodrome.cds_hooks.settings import Settings, load_settings, site_guideline
from prodrome.fhir_mappers import KINDS
from prodrome.rules.guideline import Guideline

MOST_PUZZLES = 8
"""How many kinds of what was not understood the summary names."""
MOST_UNREAD = 5
FORMATS = ("ndjson", "csv", "parquet", "fhir")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument(
        "folders",
        metavar="FOLDER",
        nargs="+",
        help=(
            "the NDJSON files of a bulk export, then those of what changed since; or one address of an export "
            f"({', '.join(f'{scheme}://' for scheme in SCHEMES)}); or: compare BEFORE AFTER"
        ),
    )
    command.add_argument("--out", metavar="FOLDER", type=Path, help="where the results go")
    today_argument(command)
    command.add_argument(
        "--workers", type=_at_least(1), default=os.cpu_count() or 1, metavar="N", help="processes (all cores)"
    )
    command.add_argument(
        "--with", dest="runs_on", choices=("processes", "spark"), default="processes", help="what takes the steps"
    )
    command.add_argument("--master", metavar="URL", help="the Spark cluster (local[*]: this machine)")
    engine_argument(command)
    command.add_argument("--every-patient", action="store_true", help="judge everybody, without the sieve")
    command.add_argument(
        "--orders",
        choices=("none", "active"),
        default="none",
        help="judge active prescriptions too, as if they were signed today",
    )
    command.add_argument(
        "--parameters",
        metavar="FILE",
        type=Path,
        help=f"judge by the parameters of this TOML file too, in the same pass; into the folder {OTHER} of the results",
    )
    command.add_argument(
        "--exclude", action="append", choices=KINDS, default=[], metavar="KIND", help="judge as if a kind had not come"
    )
    command.add_argument(
        "--format",
        type=_formats,
        default=("ndjson", "csv"),
        metavar="LIST",
        help=f"of {', '.join(FORMATS)}; ndjson and csv always",
    )
    command.add_argument(
        "--charts",
        action="store_true",
        help="keep the charts of those who were judged beside the results, for the workbench",
    )
    command.add_argument(
        "--allow-unplaced",
        type=_at_least(0),
        default=0,
        metavar="N",
        help="take a kind of resource for complete although up to N of its lines could be nobody's",
    )


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} on; came {text[:40]!r}")
        return int(text)

    return number


def _formats(text: str) -> tuple[str, ...]:
    asked = tuple(name.strip() for name in text.split(","))
    for name in asked:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(FORMATS)}; came {name[:40]!r}")
    return asked


def run(asked: argparse.Namespace) -> int:
    """Judge the export, tell how it comes along, and say at the end what was found; or compare two results."""
    if asked.folders[0] == "compare":
        return _compare(asked)
    if asked.out is None:
        raise UsageError("expected --out FOLDER: where the results go")
    if asked.master and asked.runs_on != "spark":
        raise UsageError("--master names a Spark cluster: expected --with spark beside it")
    for folder in asked.folders:
        if "://" not in folder and asked.out.resolve().is_relative_to(Path(folder).resolve()):
            raise UsageError(f"--out: expected a folder that is not in {folder}, of which all is read")
    if "parquet" in asked.format:
        parquet.ready()
    settings = load_settings(overrides={"today": asked.today, "engine": asked.engine})
    environment = Environment.of(settings)
    plan = RunPlan(
        export=open_export(*asked.folders),
        out=asked.out,
        guideline=environment.guideline,
        today=environment.clock(),
        locale=settings.locale,
        engine=settings.engine,
        every_patient=asked.every_patient,
        allow_unplaced=asked.allow_unplaced,
        workers=asked.workers,
        orders=asked.orders == "active",
        other=_with_parameters(settings, asked.parameters) if asked.parameters else None,
        excluded=frozenset(asked.exclude),
        charts=asked.charts,
    )
    writers = {"parquet": parquet.write, "fhir": measures.write}
    also = [write for name, write in writers.items() if name in asked.format]
    engine: Engine = Spark(asked.master or "local[*]") if asked.runs_on == "spark" else embedded
    from prodrome.cds_hooks.command_line.progress import Telling  # rich costs every other command its start

    try:
        with Telling() as progress:
            done = judge_population(plan, progress, engine=engine, other_out=asked.out / OTHER, also=also)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"{asked.out}: {os.strerror(error.errno)}; what is done stays done, and the same command goes on"
        ) from error
    for line in summary(done, asked.out):
        print(line)
    return 0


def _with_parameters(settings: Settings, file: Path) -> Guideline:
    """The guideline of the site with the parameters of a file instead of its own."""
    try:
        content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        raise UsageError(f"{file}: expected a TOML file with parameters, as the settings have them") from None
    values = content.get("parameters", content)
    if not isinstance(values, dict) or not values:
        raise UsageError(f"{file}: expected parameters, name = value; found none")
    both = load_settings(overrides={"parameters": {**settings.parameters, **values}})
    return site_guideline(both)


def _compare(asked: argparse.Namespace) -> int:
    if len(asked.folders) != 3:
        raise UsageError("expected two folders of results: prodrome population compare BEFORE AFTER")
    before, after = map(Path, asked.folders[1:])
    rulebook = Environment.of(load_settings()).guideline.rulebook
    counts: Counter[Any] = Counter()
    changes = counted(compare(before, after, rulebook), counts)
    if asked.out is None:
        for one in changes:
            about = f" ({one.order})" if one.order else ""
            print(f"{one.patient}: {one.rule}{about}: {one.before} -> {one.after}; {'; '.join(one.why)}")
    else:
        asked.out.mkdir(parents=True, exist_ok=True)
        with (asked.out / "changes.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("patient", "rule", "order", "before", "after", "why"))
            for one in changes:
                row = (one.patient, one.rule, one.order, one.before, one.after, "; ".join(one.why))
                writer.writerow([cell(value) for value in row])
    for line in changes_in_short(counts):
        print(line)
    return 0


def summary(done: Population, out: Path) -> list[str]:
    """What was found, for a person to read."""
    counts, lines = done.counts, []
    lines.append(
        f"{counts['patients']} patients read, {counts['judged']} judged, {counts['withFindings']} with findings."
    )
    if others := of_the_others(done.manifest):
        lines.append(others)
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
    if unread := done.manifest["unread"]:
        more = f" and {len(unread) - MOST_UNREAD} more" if len(unread) > MOST_UNREAD else ""
        lines.append(f"Not read, as they are no NDJSON: {', '.join(unread[:MOST_UNREAD])}{more}.")
    if counts["unplaced"]:
        lines.append(f"{counts['unplaced']} lines could be nobody's: their kinds are not complete for anyone.")
    if counts["errors"]:
        lines.append(f"{counts['errors']} rows could not be read; {out / 'errors.csv'} says which.")
    puzzles = counts["notUnderstood"]
    if puzzles:
        lines += ["", "Not understood in what those who were judged have:"]
        lines += [f"{one['count']:>9}  {one['kind']}: {one['what']} ({one['why']})" for one in puzzles[:MOST_PUZZLES]]
        if len(puzzles) > MOST_PUZZLES:
            lines.append(
                f"           and {len(puzzles) - MOST_PUZZLES} more kinds; {out / 'not_understood.csv'} says which."
            )
    return [*lines, "", f"Results: {out}"]
