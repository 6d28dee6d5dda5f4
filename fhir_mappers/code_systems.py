"""Code systems by address: the many spellings that charts use, and the one that our tables use."""

import re
from functools import lru_cache
from typing import NamedTuple

from prodrome.fhir_mappers.tables import read_table
from prodrome.rules.guideline import ATC, DIARY, ICD10CM, NDC, RXNORM, SNOMED, package_digits

ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICPC = "http://hl7.org/fhir/sid/icpc-1"
ICPC2 = "http://hl7.org/fhir/sid/icpc-2"
LOINC = "http://loinc.org"
CPT = "http://www.ama-assn.org/go/cpt"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
EDQM = "http://standardterms.edqm.eu"

DRUG_SYSTEMS = frozenset({RXNORM, ATC, SNOMED, NDC})
DIAGNOSIS_SYSTEMS = frozenset({ICD10CM, ICD10, ICD9CM, ICPC, ICPC2, SNOMED})

_OWN = (RXNORM, ATC, SNOMED, NDC, ICD10CM, ICD10, ICD9CM, ICPC, ICPC2, LOINC, CPT, ACT_CODE, EDQM, DIARY)
_CLASSIFICATIONS = frozenset({ICD10CM, ICD10})
_SKS = re.compile(r"D(?=[A-Z]\d\d)")  # Denmark's: ICD-10 behind a D; no code of ICD-10 has two letters
# Of SNOMED CT: a concept with its term, or refined; a definition may stand before it.
_EXPRESSION = re.compile(r"(?:(?:===|<<<)\s*)?(\d{6,18})\s*(?:[|:]|$)")
_SCHEME = re.compile(r"^https?://")
_EDITION = "snomed.info/sct/"
_OIDS_OF_ICD10 = ("urn:oid:1.2.752.116.1.1.1.1.", "urn:oid:1.2.246.537.6.1.")  # Sweden's and Finland's, by edition
# An address, or a name in place of one, that says what it is of; national editions of ICD-10 are named in many ways.
_NAMED = tuple(
    (re.compile(rf"(?:^|[^a-z0-9])(?:{name})(?:[^a-z]|$)"), system)
    for name, system in (
        (r"icd-?10-?cm", ICD10CM),
        (r"(?:icd|cim|cid|cie|mkn|mkb|rhk|tlk|bno)-?10|kcd-?\d+|icd/release/10", ICD10),
        (r"icd-?9(?:-?cm)?", ICD9CM),
        (r"(?:icpc|ciap|cisp)-?2", ICPC2),
        (r"icpc(?:-?1)?", ICPC),
        (r"snomed|sct", SNOMED),
        (r"loinc", LOINC),
        (r"rxnorm", RXNORM),
        (r"atc", ATC),
        (r"ndc", NDC),
    )
)
_OF_PROCEDURES = re.compile(r"(?:^|[^a-z])(?:pcs|ops|proc\w*|vol-?3)(?:[^a-z]|$)")
_V_TABLE = re.compile(r"^(?:hl7\.org/fhir|terminology\.hl7\.org/codesystem)/v([23])/")  # before R4
_BARE_OID = re.compile(r"[0-2](?:\.\d+){3,}")
_SIGNS = "+*!†# "  # dagger, asterisk and the German marks behind a code of ICD-10


class Located(NamedTuple):
    """A code system by the address our tables use; ``known`` where they read it."""

    system: str
    known: bool


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    aliases = dict(read_table("code_systems.csv"))
    return aliases | {_plain(system): system for system in (*_OWN, *aliases.values())}


def _plain(address: str) -> str:
    """An address as it is compared: without http(s)://, case, version, a last slash or hash, and blanks in an OID."""
    return _SCHEME.sub("", address.strip().lower().replace(": ", ":")).partition("|")[0].rstrip("/#")


@lru_cache(maxsize=4096)
def locate(address: str) -> Located:
    """The code system at an address; one that our tables do not read keeps its address.

    National editions of ICD-10 and ATC are the international ones: their codes agree where our tables are read. An
    address of none of the tables is taken at its word where it names the system.
    """
    plain = _V_TABLE.sub(r"terminology.hl7.org/codesystem/v\1-", _plain(address))
    if plain.startswith(_EDITION):
        return Located(SNOMED, True)
    if _BARE_OID.fullmatch(plain):
        plain = f"urn:oid:{plain}"
    if plain.startswith(_OIDS_OF_ICD10):
        return Located(ICD10, True)
    system = _aliases().get(plain) or _named(plain)
    return Located(address, False) if system is None else Located(system, True)


def _named(plain: str) -> str | None:
    """The system that an address names, where it has none of procedures and is no set of values."""
    if _OF_PROCEDURES.search(plain) or "valueset" in plain:
        return None
    return next((system for name, system in _NAMED if name.search(plain)), None)


def plain_code(system: str, code: str) -> str:
    """A code of a system (by the address our tables use) as our tables spell it."""
    code = code.strip()
    if system in (ATC, ACT_CODE):
        return code.upper()
    if system == NDC:
        return package_digits(code)
    if system in _CLASSIFICATIONS:
        return _SKS.sub("", code.rstrip(_SIGNS), count=1)
    if system == SNOMED and not code.isdigit() and (focus := _EXPRESSION.match(code)):
        return focus[1]
    return code
