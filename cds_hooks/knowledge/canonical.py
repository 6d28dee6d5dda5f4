"""What all that is published has in common: where it stands, which version it is, and whose it is."""

from typing import Any

from prodrome.rules.guideline import Guideline

Resource = dict[str, Any]

FHIR_VERSION = "4.0.1"
PUBLISHER = "Prodrome"


def canonical(kind: str, id_: str, guideline: Guideline, *, name: str, title: str, description: str) -> Resource:
    """A canonical resource of FHIR R4 as it begins; *name* is for machines.

    It is active so that servers install it, and experimental because no neurologist has reviewed it.
    """
    book = guideline.rulebook
    return {
        "resourceType": kind,
        "id": id_,
        "url": guideline.canonical(kind, id_),
        "version": book.version,
        "name": name,
        "title": title,
        "status": "active",
        "experimental": True,
        "date": book.date,
        "publisher": PUBLISHER,
        "description": description,
    }


def machine_name(text: str) -> str:
    """A name as FHIR wants it of what is generated from: a capital, then letters and digits."""
    return "".join(part[:1].upper() + part[1:] for part in "".join(c if c.isalnum() else " " for c in text).split())


def id_of(text: str) -> str:
    """A FHIR id for a name of ours."""
    return text.replace("_", "-")
