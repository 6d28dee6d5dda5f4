"""Code systems by address: the many spellings that charts use, and the one that our tables use."""

import csv
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

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
_SKS = "1.2.208.176.2.4.12"  # Denmark's: ICD-10 behind a D
_SCHEME = re.compile(r"^https?://")
_EDITION = "snomed.info/sct/"
_NATIONAL_ICD10 = re.compile(r"hl7\.org/fhir/sid/icd-10-(?!cm$)[a-z]{2}")  # not icd-10-pcs, which has procedures
_V_TABLE = re.compile(r"^(?:hl7\.org/fhir|terminology\.hl7\.org/codesystem)/v([23])/")  # before R4
_BARE_OID = re.compile(r"[0-2](?:\.\d+){3,}")
_SIGNS = "+*!†# "  # dagger, asterisk and the German marks behind a code of ICD-10


class Located(NamedTuple):
    """A code system by the address our tables use; ``known`` where they read it."""

    system: str
    known: bool


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    with Path(__file__).with_name("code_systems.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(line for line in stream if not line.startswith("#")))
    aliases = dict(rows[1:])
    return aliases | {_plain(system): system for system in (*_OWN, *aliases.values())}


def _plain(address: str) -> str:
    """An address as it is compared: without http(s)://, case, version, and a last slash or hash."""
    return _SCHEME.sub("", address.strip().lower()).partition("|")[0].rstrip("/#")


@lru_cache(maxsize=4096)
def locate(address: str) -> Located:
    """The code system at an address; one that our tables do not read keeps its address.

    National editions of ICD-10 and ATC are the international ones: their codes agree where our tables are read.
    """
    plain = _V_TABLE.sub(r"terminology.hl7.org/codesystem/v\1-", _plain(address))
    if plain.startswith(_EDITION):
        return Located(SNOMED, True)
    if _BARE_OID.fullmatch(plain):
        plain = f"urn:oid:{plain}"
    system = _aliases().get(plain) or (ICD10 if _NATIONAL_ICD10.fullmatch(plain) else None)
    return Located(address, False) if system is None else Located(system, True)


def plain_code(address: str, system: str, code: str) -> str:
    """A code as our tables spell it; ``address`` is how the chart names ``system``."""
    code = code.strip()
    if system in (ATC, ACT_CODE):
        return code.upper()
    if system == NDC:
        return package_digits(code)
    if system in _CLASSIFICATIONS:
        code = code.rstrip(_SIGNS)
        if address.endswith(_SKS):
            return code.removeprefix("D")
    return code
