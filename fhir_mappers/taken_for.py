"""What a code or a word is taken for, and which table says so: for whoever wonders why a chart is not understood."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prodrome.fhir_mappers.code_systems import locate, plain_code
from prodrome.fhir_mappers.codes import Concept
from prodrome.fhir_mappers.medications import lexicon_of
from prodrome.fhir_mappers.named_medicines import NamedMedicine
from prodrome.fhir_mappers.phrases import found_in, phrases_of
from prodrome.rules.guideline import NDC, Guideline

_CODE = re.compile(r"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")


SITE = "the site's own codes"


class Meaning(NamedTuple):
    """One thing a code or word is taken for: its sort (drug, code set, phrase...), our name of it, and the table."""

    sort: str
    name: str
    table: str


def code_taken_for(system: str, code: str, guideline: Guideline) -> tuple[Meaning, ...]:
    """Everything a code of a system (by address, alias or our short name) is taken for; empty where it is unknown."""
    address = guideline.systems.get(system, system)
    url = locate(address).system
    code = plain_code(url, code)
    mapped = [(kind, codes[url, code]) for kind, codes in guideline.site.codes.items() if (url, code) in codes]
    if mapped:  # what the site says is read first
        return tuple(Meaning(kind.replace("_", " "), means, SITE) for kind, means in mapped)
    found: list[Meaning] = []
    product = guideline.product(code, url)
    if product is not None:
        tables = ("products.csv", "products_snomed.csv")
        table = _NDC_PRODUCTS if url == NDC else _table(guideline.folder, code, tables)
        found.append(Meaning("drug", product.drug or "none meant here", table))
    elif drug := guideline.drug_of(url, code):
        found.append(Meaning("drug", drug, "drugs.yaml"))
    else:
        medicine = lexicon_of(guideline).recognise(NamedMedicine(Concept(((url, code),), (), ("",))))
        if medicine is not None:
            found.append(Meaning("drug", medicine.drug.id, _table(guideline.folder, code, ("drugs.yaml",))))
    names = sorted(guideline.sets_of(url, code))
    of_sets = _NDC_SETS if url == NDC else _table_of_sets(code, guideline) if names else ""
    found += [Meaning("code set", name, of_sets) for name in names]
    if allergy := guideline.allergy_to(code):
        found.append(Meaning("allergy to", allergy, _table(guideline.folder, code, ("allergies.csv",))))
    return tuple(dict.fromkeys(found))


_NDC_PRODUCTS, _NDC_SETS = "products_ndc.csv", "codes_ndc.csv"

_all_phrases = phrases_of("")


def words_taken_for(text: str, guideline: Guideline) -> tuple[Meaning, ...]:
    """Everything some words are taken for where no code says more: a drug, a reason, a specialist."""
    return tuple(_of_words(text, guideline))


def _of_words(text: str, guideline: Guideline) -> Iterator[Meaning]:
    named = NamedMedicine(Concept((), (text,), ()))
    lexicon = lexicon_of(guideline)
    medicine = lexicon.recognise(named)
    if medicine is not None:
        yield Meaning("drug", medicine.drug.id, "names.csv")
    for group in sorted(lexicon.co_medications(named)):
        yield Meaning("co-medication", group, "codes.yaml")
    for name in sorted(found_in(text, _all_phrases(guideline))):
        yield Meaning("phrase", name, "words.csv")


def _table_of_sets(code: str, guideline: Guideline) -> str:
    ours = ("codes.yaml", "codes.csv", "codes_snomed.csv")
    own = guideline.site.more_codes
    return _table(guideline.folder, code, (*ours, str(own.resolve())) if own else ours)


def _table(folder: Path, code: str, tables: tuple[str, ...]) -> str:
    """The first of some tables in which a code stands, or, for classifications, a category it belongs to."""
    lines = {
        table: set(_CODE.findall((folder / table).read_text(encoding="utf-8")))
        for table in tables
        if (folder / table).is_file()
    }
    for length in range(len(code), 2, -1):
        for table, text in lines.items():
            if code[:length].rstrip(".") in text:
                return Path(table).name
    return Path(tables[-1]).name
