"""Two editions of the guideline side by side: what was added, removed and changed between them, entry by entry.

The files are compared as the data they hold: comments, the order of entries and how a line is broken make no
difference. Nothing of an edition is checked but that it is YAML, so that one this program could not judge by, of an
older or a newer program, can be compared too. Tables of codes and names (CSV) are left to a plain diff.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from prodrome.rules.engine.strict_yaml import excerpt, parse, read_entry
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import GuidelineError

RULEBOOK, PARAMETERS = "rulebook.yaml", "parameters.yaml"
"""The names of the files of the rules and of the parameters."""
FIRST = (RULEBOOK, PARAMETERS, "drugs.yaml", "contraindications.yaml", "dose_limits.yaml")
"""The files in which what changes matters most; the others follow by name."""
_ABOUT = ("version", "date")
_SAYS = ("title", "why", "decides", "label", "name", "citation")
"""Fields that say what an entry is about, the best first."""

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Edition:
    """The YAML files of a guideline as they are written, by name, without their version and date."""

    version: str
    date: str
    files: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, as it is written before and after; ``None`` where there is none, or no such item."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one entry: a rule, a parameter, a drug. ``of`` says which kind of entry it is.

    ``says`` is what the entry is about, ``read_by`` are the rules that read it, where it is a parameter.
    """

    of: str
    id: str
    kind: Kind
    says: str
    differences: tuple[Difference, ...]
    read_by: tuple[str, ...] = ()


def read_edition(path: Path) -> Edition:
    """The edition in a folder of a guideline, or a rulebook alone. Raises :class:`GuidelineError`."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise GuidelineError(f"{path}: expected a folder with {RULEBOOK}, found no YAML file in it")
    return _edition({file.name: read_entry(file, GuidelineError).data for file in files})


def edition_of(texts: Mapping[str, str]) -> Edition:
    """The edition in files that came as text, by name. Raises :class:`GuidelineError`."""
    return _edition({name: parse(text, partial(_wrong, name)) for name, text in texts.items()})


def _wrong(name: str, what: str) -> GuidelineError:
    return GuidelineError(f"{name}: {what}")


def edition_in_force(guideline: Guideline) -> Edition:
    """The edition a guideline was read from, with the values that its site gives the parameters."""
    edition = read_edition(guideline.folder)
    parameters = {name: dict(fields) for name, fields in edition.files[PARAMETERS]["parameters"].items()}
    for name, parameter in guideline.parameters.items():
        if parameter.overridden:
            parameters[name]["value"] = parameter.value
    return Edition(edition.version, edition.date, {**edition.files, PARAMETERS: {"parameters": parameters}})


def _edition(files: Mapping[str, object]) -> Edition:
    read = {name: data for name, data in files.items() if isinstance(data, Mapping)}
    if len(read) < len(files):
        name = min(files.keys() - read.keys())
        raise GuidelineError(f"{name}: expected fields such as version and date, found none")
    first = read.get(RULEBOOK) or next(iter(read.values()))
    own = {name: {key: value for key, value in data.items() if key not in _ABOUT} for name, data in read.items()}
    return Edition(str(first.get("version", "")), str(first.get("date", "")), own)


def compare_editions(before: Edition, after: Edition) -> tuple[Change, ...]:
    """What differs between two editions, over the files that both have; raises where they share none."""
    shared = before.files.keys() & after.files.keys()
    if not shared:
        names = ", ".join(sorted(before.files))
        raise GuidelineError(f"expected files of a guideline such as {RULEBOOK}, found {names}")
    return tuple(
        change
        for name in sorted(shared, key=_place)
        for change in _changes(_entries(before.files[name]), _entries(after.files[name]), _readers(after))
    )


def _place(name: str) -> tuple[int, str]:
    return FIRST.index(name) if name in FIRST else len(FIRST), name


def _readers(edition: Edition) -> Mapping[str, tuple[str, ...]]:
    """The rules that read each parameter, by its name."""
    found: dict[str, list[str]] = {}
    for (of, id_), fields in _entries(edition.files.get(RULEBOOK, {})).items():
        for name in dict.fromkeys(_parameters_in(fields)) if of == "rules" else ():
            found.setdefault(name, []).append(id_)
    return {name: tuple(rules) for name, rules in found.items()}


def _parameters_in(value: object) -> list[str]:
    return re.findall(r"\$(\w+)(?![\w.])", written(value))


_Entries = Mapping[tuple[str, str], Mapping[str, Any]]
"""By what kind of entry it is and its id."""


def _entries(data: Mapping[str, Any]) -> _Entries:
    """The entries of a file, whatever it lists: by id, or by what they say where they have none."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for layer in _mappings(data.get("layers")):
        for of, name in (("rules", "id"), ("tallies", "name")):
            for item in _mappings(layer.get(of)):
                fields = {key: value for key, value in item.items() if key != name}
                found[of, str(item.get(name))] = {**fields, "layer": layer.get("name")}
    for of, content in data.items():
        of = of.replace("_", " ")
        if of == "layers":
            continue
        if isinstance(content, Mapping):
            for id_, fields in content.items():
                found[of, str(id_)] = fields if isinstance(fields, Mapping) else {"": fields}
        elif isinstance(content, list):
            found |= {(of, written(item)): {} for item in content}
        else:
            found[of, ""] = {"": content}
    return found


def _mappings(value: object) -> list[Mapping[str, Any]]:
    """A list of entries with fields, or none."""
    listed: list[Any] = [] if value is None else value if isinstance(value, list) else [value]
    if not isinstance(value, list | None) or not all(isinstance(item, Mapping) for item in listed):
        raise GuidelineError(f"{RULEBOOK}: expected layers with lists of rules, found {excerpt(value)}")
    return listed


def _changes(before: _Entries, after: _Entries, readers: Mapping[str, tuple[str, ...]]) -> Iterator[Change]:
    for key in [*after, *(key for key in before if key not in after)]:
        of, id_ = key
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        kind: Kind = "added" if old is None else "removed" if new is None else "changed"
        fields = new if new is not None else old or {}
        says = next((written(fields[name]) for name in _SAYS if fields.get(name)), "")
        differences = tuple(_differences("", old or {}, new or {})) if kind == "changed" else ()
        yield Change(of, id_, kind, says, differences, readers.get(id_, ()) if of == "parameters" else ())


def _differences(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(name), after.get(name)
        field = f"{where}.{name}" if where else str(name)
        if old == new and (name in before) == (name in after):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(field, old, new)
        elif isinstance(old, list) and isinstance(new, list) and (_others(old, new) or _others(new, old)):
            for gone, come in zip_longest(_others(old, new), _others(new, old)):
                yield Difference(field, gone, come)
        else:
            yield Difference(field, written(old) if name in before else None, written(new) if name in after else None)


def _others(items: Iterable[object], known: Iterable[object]) -> list[str]:
    """The items, as they are written, that are not among others."""
    there = set(map(written, known))
    return [item for item in map(written, items) if item not in there]


def written(value: object) -> str:
    """A value on one line, much as the files write it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str("" if value is None else value).split())
