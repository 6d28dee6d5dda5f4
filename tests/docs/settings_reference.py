"""docs/settings.md, written from the settings themselves: ``python -m tests.docs.settings_reference``."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from prodrome.cds_hooks.settings import Backend, FhirServer, Issuer, Settings, meanings

FILE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = """\
# Settings

One file, `prodrome.toml`, in the folder the service starts in (or the one `PRODROME_SETTINGS` names). A variable
`PRODROME_...` with the name of a setting goes over the file, an option of the command line over both; fields of a
setting stand after two underscores, as in `PRODROME_PARAMETERS__...`. What cannot be used stops the start and is named.
`prodrome settings` prints what is in force and where each came from; with `--explain` also what it is for.
"""
PARTS: dict[str, tuple[str, type[BaseModel]]] = {
    "All settings": ("", Settings),
    "An issuer": ("Each of `issuers`:", Issuer),
    "A FHIR server": ("Each of `fhir_servers`:", FhirServer),
    "Tokens of our own": ("The `backend` of a FHIR server (SMART Backend Services):", Backend),
}


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_tables()])


def _tables() -> Iterator[str]:
    for title, (before, part) in PARTS.items():
        yield f"## {title}\n"
        if before:
            yield f"{before}\n"
        yield "| setting | is for | unit | default | example |\n|---|---|---|---|---|"
        for one in meanings(part):
            cells = (
                f"`{one.name}`",
                one.description,
                one.unit,
                _code(_as_toml(one.default)),
                _code(one.example),
            )
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _as_toml(value: str) -> str:
    return {"True": "true", "False": "false"}.get(value, value)


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
