"""``prodrome codes``: what a code or word is taken for, and what in a site's data is not recognised."""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import orjson

from prodrome.cds_hooks.command_line.errors import UsageError
from prodrome.cds_hooks.command_line.printing import json_argument, print_json
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.fhir_client import Failure, expand
from prodrome.cds_hooks.knowledge import CodeRow, KnowledgeError, rows_of
from prodrome.cds_hooks.settings import load_settings
from prodrome.fhir_mappers import SITE, Record, code_taken_for, collect, read_facts, words_taken_for
from prodrome.rules import Facts, SiteCode

TOKEN_VARIABLE = "TERMINOLOGY_TOKEN"
_SECONDS = 120.0
"""What one page of an expansion may take: some servers compute it on demand."""
BATCH = 5_000
"""Lines of an export read together: references between them are followed, those to Medications everywhere."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of the command."""
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    lookup = verbs.add_parser("lookup", help="say what a code or a word is taken for, and by which table")
    lookup.add_argument("what", metavar="SYSTEM|CODE or WORD", help="as in 'icd10cm|G43.709', or 'Topamax 25 mg'")
    json_argument(lookup)
    lookup.set_defaults(verb=_lookup)
    report = verbs.add_parser("report", help="list what is of a kind we read and was not recognised, frequent first")
    report.add_argument("paths", metavar="EXPORT_OR_BUNDLE", nargs="+", type=Path, help="NDJSON, Bundles, or folders")
    report.add_argument("--most", type=int, default=100, metavar="N", help="rows printed (100)")
    json_argument(report)
    report.set_defaults(verb=_report)
    expand = verbs.add_parser("expand", help="ask the site's terminology server for more SNOMED CT codes of our sets")
    expand.add_argument("url", metavar="URL", help=f"its FHIR address; a token is read from {TOKEN_VARIABLE}")
    expand.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="the table to write: more_codes")
    expand.add_argument("--set", action="append", dest="sets", metavar="SET", help="only this set (may be repeated)")
    expand.set_defaults(verb=_expand)
    take = verbs.add_parser("import", help="take in expanded FHIR ValueSets as codes of our sets")
    take.add_argument("files", metavar="VALUESET.json", nargs="+", type=Path, help="expanded ($expand), as JSON")
    take.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="the table to write: more_codes")
    take.add_argument("--set", metavar="SET", help="of which set they are, where they are not called after it")
    take.set_defaults(verb=_import)


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says; 1 where a look-up finds nothing."""
    environment = Environment.of(load_settings())
    return int(arguments.verb(arguments, environment))


def _lookup(asked: argparse.Namespace, environment: Environment) -> int:
    system, bar, code = asked.what.rpartition("|")
    guideline = environment.guideline
    found = code_taken_for(system.strip(), code.strip(), guideline) if bar else words_taken_for(asked.what, guideline)
    if asked.json:
        print_json([meaning._asdict() for meaning in found])
        return 0 if found else 1
    for meaning in found:
        print(f"{meaning.sort} {meaning.name} ({meaning.table})")
    if not found:
        print("It is in no table.")
    return 0 if found else 1


def _expand(asked: argparse.Namespace, environment: Environment) -> int:
    """Write the table whole, or not at all: half a table would pass for the whole one."""
    expressions = environment.guideline.expressions()
    if unknown := set(asked.sets or ()) - expressions.keys():
        raise UsageError(
            f"There is no expression for {', '.join(sorted(unknown))}; there is for: {_listed(expressions)}."
        )
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    rows: list[tuple[str, str, str, str]] = []
    with httpx.Client(timeout=_SECONDS, headers=headers) as http:
        for name, expression in expressions.items():
            if asked.sets and name not in asked.sets:
                continue
            try:
                codes = expand(http, asked.url, expression)
            except Failure as failure:
                print(f"{name}: the terminology server {failure.text}. Nothing was written.", file=sys.stderr)
                return 1
            rows += [(name, "snomed", code, display) for code, display in sorted(codes.items())]
            print(f"{len(codes):7}  {name}")
    _write_table(asked.out, f"SNOMED CT codes of our sets, expanded by {asked.url} on {environment.clock()}.", rows)
    return _written(asked.out, len(rows), environment)


def _import(asked: argparse.Namespace, environment: Environment) -> int:
    """Write the table of all files, or none of it."""
    rows: dict[CodeRow, None] = {}
    for file in asked.files:
        try:
            found = rows_of(_parsed(file.read_bytes(), file.name), environment.guideline, asked.set)
        except KnowledgeError as error:
            raise UsageError(f"{file}: {error}") from None
        print(f"{len(found):7}  {asked.set or found[0].set if found else file.name}")
        rows |= dict.fromkeys(found)
    _write_table(asked.out, f"Codes of our sets, taken from ValueSets on {environment.clock()}.", rows)
    return _written(asked.out, len(rows), environment)


def _write_table(out: Path, comment: str, rows: Iterable[tuple[str, str, str, str]]) -> None:
    with out.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"# {comment}\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([("set", "system", "code", "meaning"), *rows])


def _written(out: Path, rows: int, environment: Environment) -> int:
    environment.guideline.with_codes(out)  # what is written can be read
    print(f'{rows} codes are in {out}. To use them: more_codes = "{out}" in the settings.')
    return 0


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _report(asked: argparse.Namespace, environment: Environment) -> int:
    found: Counter[tuple[str, str, str, str]] = Counter()
    mapped: dict[SiteCode, None] = {}  # a Medication comes again with each batch
    read = 0
    files = [file for path in asked.paths for file in _files(path)]
    medications = [row for file in files for row in _resources(file) if row.get("resourceType") == "Medication"]
    for file in files:
        rows_of_file = _resources(file)
        while rows := list(islice(rows_of_file, BATCH)):
            read += len(rows)
            facts = _facts([*medications, *rows], environment)
            found.update((each.kind, each.what, each.why, each.value) for each in facts.not_understood)
            mapped |= dict.fromkeys(facts.site_codes)
    frequent = sorted(found.items(), key=lambda item: (-item[1], item[0]))[: asked.most]
    if asked.json:
        told = [
            {"count": count, "kind": kind, "what": what, "why": why, "value": value}
            for (kind, what, why, value), count in frequent
        ]
        print_json({"read": read, "notRecognised": told, "more": len(found) - len(frequent)})
        return 0
    for (kind, what, why, value), count in frequent:
        said = "".join(sign if sign.isprintable() else " " for sign in value)
        print(f"{count:7}  {kind}: the {what} {why}: {said or 'nothing is said'}")
    if not found:
        print(f"{read} resources were read, and everything that is of a kind we read was recognised.")
    elif len(found) > asked.most:
        print(f"and {len(found) - asked.most} more (--most)")
    counts = Counter((each.kind.replace("_", " "), each.system, each.code, each.means) for each in mapped)
    for (kind, system, code, means), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"{count:7}  {SITE}: {kind} {system}|{code} is read as {means}")
    return 0


def _facts(rows: list[Mapping[str, Any]], environment: Environment) -> Facts:
    by_kind, _ = collect([("", {"resourceType": "Bundle", "entry": [{"resource": row} for row in rows]})])
    return read_facts(Record(None, by_kind), environment.guideline, environment.clock())


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in (".json", ".ndjson", ".jsonl"))
    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    return [path]


def _resources(file: Path) -> Iterator[dict[str, Any]]:
    """Every resource in a file: of NDJSON a line each, of JSON a resource, a Bundle, or a request's prefetch."""
    if file.suffix in (".ndjson", ".jsonl"):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _unbundled(_parsed(line, f"{file.name}, line {number}"))
    else:
        yield from _unbundled(_parsed(file.read_bytes(), file.name))


def _parsed(raw: bytes, where: str) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{where} is not valid JSON (line {error.lineno}, column {error.colno}).") from None


def _unbundled(value: object) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, dict) and isinstance(one.get("resourceType"), str) and one["resourceType"] != "Bundle":
            yield one
        elif isinstance(one, dict):
            waiting += reversed(list(_held(one)))


def _held(value: Mapping[str, Any]) -> Iterable[object]:
    """What a Bundle, an entry of it, or a request holds."""
    for name in ("entry", "resource"):
        if name in value:
            yield value[name]
    if isinstance(value.get("prefetch"), dict):
        yield list(value["prefetch"].values())
