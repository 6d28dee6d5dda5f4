"""All of it together: the library, the implementation guide, test cases, and the NPM package that servers install.

The same rulebook, parameters, cases and ELM give the same bytes.
"""

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prodrome.cds_hooks.knowledge.canonical import FHIR_VERSION, PUBLISHER, Resource, canonical, machine_name
from prodrome.cds_hooks.knowledge.cql import DIGEST, LIBRARY, KnowledgeError, digest, library, speaking
from prodrome.cds_hooks.knowledge.plans import activities, citation, plan_of, plans
from prodrome.cds_hooks.knowledge.structures import fact_profiles
from prodrome.cds_hooks.knowledge.terminology import code_systems, is_expanded, value_sets
from prodrome.rules.guideline import Guideline

PACKAGE = "prodrome.rules"
"""The name of the NPM package, which is the id of its ImplementationGuide."""

_CORE = {"hl7.fhir.r4.core": FHIR_VERSION}
_LIBRARY_TYPE = {"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}
_NEEDS_SERVER, _WHOLE, _RULES = "needs-a-terminology-server", "expanded", "rules"
_GROUPINGS = {
    _RULES: "The rules, and what their facts look like",
    _WHOLE: "Value sets with their expansion",
    _NEEDS_SERVER: "Value sets that need a terminology server",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A test case: the facts of a patient at a hook, and what the program answers.

    ``findings`` and ``unjudged`` are the fields of each; ``cards`` are rules and indicators.
    """

    name: str
    hook: str
    facts: Resource
    findings: Sequence[Mapping[str, object]]
    unjudged: Sequence[Mapping[str, object]]
    cards: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Knowledge:
    """What is published: ``resources`` in their order, the implementation guide last; ``cql`` is the library's text."""

    cql: str
    elm: bytes | None
    resources: tuple[Resource, ...]
    cases: tuple[Case, ...]
    version: str
    date: str

    @property
    def file_of_package(self) -> str:
        """How the NPM package is called."""
        return f"{PACKAGE}-{self.version}.tgz"

    @property
    def value_sets(self) -> tuple[Resource, ...]:
        """The value sets among the resources."""
        return tuple(one for one in self.resources if one["resourceType"] == "ValueSet")


def knowledge(guideline: Guideline, *, elm: bytes | None = None, cases: Iterable[Case] = ()) -> Knowledge:
    """The rulebook, published. *elm* is what a translator made of its CQL (JSON).

    Raises :class:`KnowledgeError` for what has no translation, and for ELM that was made of another text.
    """
    text = library(guideline)
    if elm is not None:
        _check(elm, text)
    resources = [
        *code_systems(guideline),
        *value_sets(guideline),
        *fact_profiles(guideline),
        *activities(guideline),
        _library(guideline, text, elm),
        *plans(guideline),
    ]
    book = guideline.rulebook
    guide = _guide(guideline, resources)
    return Knowledge(text, elm, (*resources, guide), tuple(cases), book.version, book.date)


def write(published: Knowledge, out: Path) -> None:
    """Write it below *out*, a folder that is not there, empty, or holds an earlier export, which is replaced.

    Raises :class:`KnowledgeError` for any other folder.
    """
    guide = out / "input" / f"{PACKAGE}.json"
    if out.exists() and any(out.iterdir()) and not guide.exists():
        raise KnowledgeError(f"{out}: expected a folder that is empty, or an earlier export; found other files")
    files = {f"input/{name}": content for name, content in _files(published)}
    files[published.file_of_package] = _package(published)
    before = [*(out / "input").rglob("*"), *out.glob(f"{PACKAGE}-*.tgz")]
    for file in before:
        if file.is_file() and str(file.relative_to(out)) not in files:
            file.unlink()
    for name, content in files.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _check(elm: bytes, text: str) -> None:
    """That ELM was made of this text: the digest that the text ends with is among its definitions."""
    try:
        statements = json.loads(elm)["library"]["statements"]["def"]
        found = [one["expression"].get("value") for one in statements if one["name"] == DIGEST]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KnowledgeError("the ELM: expected what a CQL translator writes as JSON") from None
    if found != [digest(text)]:
        raise KnowledgeError(
            f"the ELM was made of another text: translate input/cql/{LIBRARY}.cql again, with the parameters in force"
        )


def _library(guideline: Guideline, text: str, elm: bytes | None) -> Resource:
    made = canonical(
        "Library",
        LIBRARY,
        guideline,
        name=LIBRARY,
        title="The rules of Prodrome",
        description="The rules, over facts that Prodrome reads from a chart (prodrome facts).",
    )
    cited = dict.fromkeys(source for rule in guideline.rulebook.rules.values() for source in rule.sources)
    content = [_attachment("text/cql", text.encode())]
    if elm is not None:
        content.append(_attachment("application/elm+json", elm))
    return made | {
        "type": {"coding": [_LIBRARY_TYPE]},
        "subjectCodeableConcept": {
            "coding": [{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}],
        },
        "relatedArtifact": [citation(guideline.sources[id_]) for id_ in cited],
        "dataRequirement": [{"type": "Observation"}],
        "content": content,
    }


def _attachment(kind: str, content: bytes) -> Resource:
    return {"contentType": kind, "data": base64.b64encode(content).decode()}


def _guide(guideline: Guideline, resources: Sequence[Resource]) -> Resource:
    book = guideline.rulebook
    made = canonical(
        "ImplementationGuide",
        PACKAGE,
        guideline,
        name=machine_name("Prodrome rules"),
        title="The rules of Prodrome",
        description=(
            f"{len(list(speaking(book)))} rules on difficult-to-treat migraine, over facts. Prodrome itself supplies"
            " the facts: they are read from a chart by `prodrome facts`. No neurologist has reviewed it."
        ),
    )
    return made | {
        "packageId": PACKAGE,
        "license": "Apache-2.0",
        "fhirVersion": [FHIR_VERSION],
        "definition": {
            "grouping": [{"id": id_, "name": name} for id_, name in _GROUPINGS.items()],
            "resource": [
                {
                    "reference": {"reference": f"{one['resourceType']}/{one['id']}"},
                    "name": one["title"],
                    "exampleBoolean": False,
                    "groupingId": _grouping(one),
                }
                for one in resources
            ],
        },
    }


def _grouping(resource: Resource) -> str:
    if resource["resourceType"] != "ValueSet":
        return _RULES
    return _WHOLE if is_expanded(resource) else _NEEDS_SERVER


def _files(published: Knowledge) -> Iterator[tuple[str, bytes]]:
    """What stands below ``input``, laid out as the tools of HL7's clinical guidelines expect."""
    yield f"cql/{LIBRARY}.cql", published.cql.encode()
    for resource in published.resources:
        kind, id_ = resource["resourceType"], resource["id"]
        folder = "" if kind == "ImplementationGuide" else f"resources/{kind.lower()}/"
        yield f"{folder}{id_}.json", _json(resource)
    for case in published.cases:
        folder = f"tests/plandefinition/{plan_of(case.hook)}/{case.name}"
        yield f"{folder}/facts.json", _json(case.facts)
        yield f"{folder}/expected.json", _json(_expected(case))


def _expected(case: Case) -> Resource:
    """What an engine has to answer, as Parameters: findings, what could not be judged, and the cards."""
    rows = [("finding", row) for row in case.findings] + [("unjudged", row) for row in case.unjudged]
    rows += [("card", {"rule": rule, "indicator": indicator}) for rule, indicator in case.cards]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": name,
                "part": [{"name": field, "valueString": str(value)} for field, value in row.items()],
            }
            for name, row in rows
        ]
        or [{"name": "nothing", "valueBoolean": True}],
    }


def _package(published: Knowledge) -> bytes:
    """The package as FHIR registries want it: everything in ``package``, with an index; no time of its own in it."""
    files: dict[str, bytes] = {}
    index = []
    for resource in published.resources:
        name = f"{resource['resourceType']}-{resource['id']}.json"
        files[name] = _json(resource)
        told = {"filename": name, "resourceType": resource["resourceType"], "id": resource["id"]}
        told |= {key: resource[key] for key in ("url", "version", "kind", "type") if isinstance(resource.get(key), str)}
        index.append(told)
    guide = published.resources[-1]
    files[".index.json"] = _json({"index-version": 2, "files": index})
    files["package.json"] = _json(
        {
            "name": PACKAGE,
            "version": published.version,
            "canonical": guide["url"].rpartition("/ImplementationGuide/")[0],
            "url": guide["url"],
            "title": guide["title"],
            "description": guide["description"],
            "type": "IG",
            "license": guide["license"],
            "author": PUBLISHER,
            "date": published.date.replace("-", ""),
            "fhirVersions": [FHIR_VERSION],
            "dependencies": _CORE,
        }
    )
    packed = io.BytesIO()
    made_at = int(datetime.fromisoformat(published.date).replace(tzinfo=UTC).timestamp())
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items(), key=lambda item: (item[0] != "package.json", item[0])):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size, entry.mtime, entry.mode = len(content), made_at, 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
