"""The guideline's tables (CSV): codes, names, words and products. Every error is a GuidelineError."""

import csv
import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from prodrome.rules.engine.strict_yaml import meant
from prodrome.rules.guideline.types import GuidelineError


class CodeRow(NamedTuple):
    """One row of a table of codes: the set it adds a code to, and the table's name."""

    set: str
    system: str
    code: str
    table: str


def _rows(folder: Path, name: str, columns: int) -> list[list[str]]:
    """The rows of a CSV table below its header; lines that start with # are comments."""
    try:
        with (folder / name).open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets write the mark
            rows = [row for row in csv.reader(stream) if row and not row[0].startswith("#")]
    except OSError as error:
        raise GuidelineError(f"{name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise GuidelineError(f"{name}: expected UTF-8, found something else at byte {error.start}") from error
    except csv.Error as error:
        raise GuidelineError(f"{name}: not CSV: {error}") from error
    for row in rows:
        if len(row) != columns:
            raise GuidelineError(f"{name}: {row[0]}: expected {columns} columns, found {len(row)}")
    return rows[1:]


@functools.lru_cache(maxsize=8)
def read_code_rows(folder: Path, *, licensed: bool) -> tuple[CodeRow, ...]:
    """The rows of codes.csv, and of codes_snomed.csv where its licence is at hand."""
    tables = ("codes.csv", "codes_snomed.csv") if licensed else ("codes.csv",)
    return tuple(
        CodeRow(set_, system, code, table) for table in tables for set_, system, code, _ in _rows(folder, table, 4)
    )


def read_more_code_rows(table: Path) -> tuple[CodeRow, ...]:
    """The rows of a site's own table of codes, of the same shape as codes.csv."""
    return tuple(
        CodeRow(set_, system, code, table.name) for set_, system, code, _ in _rows(table.parent, table.name, 4)
    )


def read_expressions(folder: Path) -> Mapping[str, str]:
    """The expression (SNOMED CT ECL) that a terminology server expands to the codes of a set, by set."""
    return MappingProxyType({row[0]: row[1] for row in _rows(folder, "expressions.csv", 2)})


def _check_known(where: str, named: tuple[str, ...], drugs: tuple[str, ...]) -> None:
    for drug in named:
        if drug not in drugs:
            raise GuidelineError(f"{where}: drug {drug!r} is unknown{meant(drug, drugs)}")


class Names(NamedTuple):
    """Words by which text names a medicine: each to its drug (``""``: none of ours), and what else they say.

    ``holds``: words of combinations that are no drug of ours, to the drugs of ours in them. ``others``: ingredients
    that are none. ``beside_dose``: names that count beside a dose only.
    """

    drugs: Mapping[str, str]
    holds: Mapping[str, tuple[str, ...]]
    others: frozenset[str]
    beside_dose: frozenset[str]


@functools.lru_cache(maxsize=8)
def read_names(folder: Path, drugs: tuple[str, ...]) -> Names:
    """The table of names. Raises GuidelineError for a drug nobody knows, or a word that is no name."""
    names: dict[str, str] = {}
    holds: dict[str, tuple[str, ...]] = {}
    others: set[str] = set()
    beside_dose: set[str] = set()
    for word, drug, kind in _rows(folder, "names.csv", 3):
        main, colon, parts = drug.partition(":") if ":" in drug else ("", "+" if "+" in drug else "", drug)
        held = tuple(part for part in map(str.strip, parts.split("+")) if part)
        _check_known(f"names.csv: {word}", (*held, *([main] if main else [])), drugs)
        if word != word.lower().strip() or word in names or word in others:
            raise GuidelineError(f"names.csv: {word}: should be in lower case and given once")
        if kind == "other":
            others.add(word)
        elif kind in ("ingredient", "brand", "beside a dose"):
            names[word] = main if colon else drug
            if colon:
                holds[word] = held
            if kind == "beside a dose":
                beside_dose.add(word)
        else:
            raise GuidelineError(
                f"names.csv: {word}: kind should be ingredient, brand, beside a dose or other, found {kind!r}"
            )
    return Names(MappingProxyType(names), MappingProxyType(holds), frozenset(others), frozenset(beside_dose))


@functools.lru_cache(maxsize=8)
def read_words(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """What phrases mean (``stop_reason.inefficacy``, ``specialist.neurology``...) -> the phrases."""
    words: dict[str, list[str]] = {}
    for means, phrase in _rows(folder, "words.csv", 2):
        words.setdefault(means, []).append(phrase)
    return MappingProxyType({means: tuple(phrases) for means, phrases in words.items()})


@functools.lru_cache(maxsize=8)
def read_products(folder: Path, drugs: tuple[str, ...], table: str) -> Mapping[str, tuple[str, ...]]:
    """Code -> (drug, strength, per_ml, route, form), read at the first look-up and kept."""
    known = {"", *drugs}
    products: dict[str, tuple[str, ...]] = {}
    for code, *row in _rows(folder, table, 6):
        if row[0] not in known or code in products:
            raise GuidelineError(f"{table}: {code}: drug {row[0]!r} is unknown, or the code is given twice")
        products[code] = tuple(row)
    return products


@functools.lru_cache(maxsize=8)
def read_combinations(folder: Path, drugs: tuple[str, ...], table: str) -> Mapping[str, tuple[str, ...]]:
    """Code of a combination -> the drugs in it, read at the first look-up and kept."""
    found: dict[str, tuple[str, ...]] = {}
    for held, codes in _rows(folder, table, 2):
        parts = tuple(held.split())
        _check_known(table, parts, drugs)
        for code in codes.split():
            if found.setdefault(code, parts) is not parts:
                raise GuidelineError(f"{table}: {code} stands twice")
    return found


@functools.lru_cache(maxsize=8)
def read_ndc_products(folder: Path, drugs: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """National Drug Code of a product -> (drug, strength, per_ml, route, form), read at the first look-up and kept."""
    known = {"", *drugs}
    products: dict[str, tuple[str, ...]] = {}
    for *row, codes in _rows(folder, _NDC_PRODUCTS, 6):
        if row[0] not in known:
            raise GuidelineError(f"{_NDC_PRODUCTS}: drug {row[0]!r} is unknown{meant(row[0], drugs)}")
        product = tuple(row)
        for code in codes.split():
            if products.setdefault(code, product) is not product:
                raise GuidelineError(f"{_NDC_PRODUCTS}: {code} stands twice")
    return products


_NDC_PRODUCTS = "products_ndc.csv"


@functools.lru_cache(maxsize=8)
def read_ndc_sets(folder: Path, sets: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    """National Drug Code of a product -> the code sets it is in, read at the first look-up and kept."""
    found: dict[str, frozenset[str]] = {}
    for name, codes in _rows(folder, "codes_ndc.csv", 2):
        if name not in sets:
            raise GuidelineError(f"codes_ndc.csv: set {name!r} is unknown{meant(name, sets)}")
        for code in codes.split():
            found[code] = found.get(code, frozenset()) | {name}
    return found


@functools.lru_cache(maxsize=8)
def read_allergy_codes(folder: Path, *, licensed: bool) -> Mapping[str, str]:
    """SNOMED CT code -> the drug or class that an allergy is to, read at the first look-up and kept."""
    tables = ("allergies.csv", "allergies_snomed.csv") if licensed else ("allergies.csv",)
    return MappingProxyType({code: to for table in tables for code, to, _ in _rows(folder, table, 3)})
