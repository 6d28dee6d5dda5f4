"""What a site adds to the guideline: its parameter values, its own codes, and which shipped tables it may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prodrome.rules.engine.strict_yaml import meant
from prodrome.rules.guideline.types import STOP_REASON, CodeSet, Drug, GuidelineError

SiteCode = tuple[str, str]  # system, code

VISIT_CLASSES = {
    "emergency": ("hospital_class", "emergency"),
    "inpatient": ("hospital_class",),
    "ambulatory": ("ambulatory_class",),
    "other": (),
}
SPECIALTIES = {"neurology": ("neurology",), "pain_management": ("pain_management",), "other": ("other_specialty",)}
CODE_KINDS = ("drug", "condition", "visit_class", "specialty", "stop_reason")

CANONICAL_BASE = "https://example.org/prodrome"
"""What the addresses of all that is ours begin with, where a site publishes it under none of its own."""
DIARY = f"{CANONICAL_BASE}/CodeSystem/headache-diary"
"""The code system of the diary's codes where a site has none of its own: no standard has them."""


@dataclass(frozen=True, slots=True)
class Site:
    """``parameters`` replace the guideline's; ``codes`` maps a kind of CODE_KINDS to codes and what each means here.

    ``licensed``: whether SNOMED CT codes outside the Global Patient Set are read. ``more_codes`` is a table read
    beside ours, as ``prodrome codes expand`` writes it; ``eligibility`` a file of the form of eligibility.yaml.
    ``diary`` is the address of the code system that the headache diary is kept in, ``canonical_base`` what the
    addresses of the rules and all else that is ours begin with.
    """

    parameters: Mapping[str, object] = field(default_factory=dict)
    codes: Mapping[str, Mapping[SiteCode, str]] = field(default_factory=dict)
    licensed: bool = True
    more_codes: Path | None = None
    eligibility: Path | None = None
    diary: str = DIARY
    canonical_base: str = CANONICAL_BASE


def mapped_drugs(site: Site, drugs: Mapping[str, Drug]) -> dict[SiteCode, str]:
    """The site's codes of drugs. Raises GuidelineError for a drug that is unknown."""
    mapped = dict(site.codes.get("drug", {}))
    for code, drug in mapped.items():
        if drug not in drugs:
            raise GuidelineError(f"codes.drug: {_shown(code)}: no drug {drug!r}{meant(drug, drugs)}")
    return mapped


def mapped_sets(site: Site, code_sets: Mapping[str, CodeSet]) -> dict[SiteCode, frozenset[str]]:
    """The site's other codes by the code sets they belong to. Raises GuidelineError for a meaning that is unknown."""
    unknown = set(site.codes) - set(CODE_KINDS)
    if unknown:
        raise GuidelineError(f"codes: no kind {min(unknown)!r}; kinds are {', '.join(CODE_KINDS)}")
    reasons = {name.removeprefix(STOP_REASON): (name,) for name in code_sets if name.startswith(STOP_REASON)}
    conditions = {name: (name,) for name in code_sets if "." not in name}
    meanings: dict[str, Mapping[str, tuple[str, ...]]] = {
        "condition": conditions,
        "visit_class": VISIT_CLASSES,
        "specialty": SPECIALTIES,
        "stop_reason": reasons,
    }
    mapped: dict[SiteCode, frozenset[str]] = {}
    for kind, known in meanings.items():
        for code, meaning in site.codes.get(kind, {}).items():
            if meaning not in known:
                raise GuidelineError(f"codes.{kind}: {_shown(code)}: no {kind} {meaning!r}{meant(meaning, known)}")
            mapped[code] = mapped.get(code, frozenset()) | frozenset(known[meaning])
    return mapped


def _shown(code: SiteCode) -> str:
    return "|".join(code)
