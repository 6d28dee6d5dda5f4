"""What is exported: valid FHIR, the same bytes each time, every rule in it, and nothing that is named and not there."""

import gzip
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.cards import suggested
from prodrome.cds_hooks.cards.building import manners
from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.knowledge import Knowledge, KnowledgeError, is_expanded, knowledge, write
from prodrome.cds_hooks.population.measures import rule_concept
from prodrome.rules.guideline import Guideline, Site, load_guideline

BASE = "https://cds.example.org/fhir"


@pytest.fixture(scope="module")
def guideline() -> Guideline:
    return load_guideline().for_site(Site(canonical_base=f"{BASE}/"))


@pytest.fixture(scope="module")
def published(guideline: Guideline) -> Knowledge:
    return knowledge(guideline)


def of_kind(published: Knowledge, kind: str) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in published.resources if one["resourceType"] == kind}


def files(folder: Path) -> Mapping[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_every_resource_is_valid_and_stands_once_under_the_base(published: Knowledge) -> None:
    urls = [one["url"] for one in published.resources]
    assert len(urls) == len(set(urls))
    names = [(one["resourceType"], one["name"]) for one in published.resources]
    assert len(names) == len(set(names))
    for one in published.resources:
        kind = one["resourceType"]
        model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        assert json.loads(model.model_validate(one).model_dump_json()) == json.loads(json.dumps(one)), one["url"]
        assert one["url"] == f"{BASE}/{kind}/{one['id']}"
        assert one["status"] == "active"
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", one["id"])
        assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{0,254}", one["name"])


def test_a_rule_with_a_card_has_a_plan_and_each_hook_has_one_with_all_that_speak_there(
    guideline: Guideline, published: Knowledge
) -> None:
    plans = of_kind(published, "PlanDefinition")
    rules = {rule.id: rule for rule in guideline.rulebook.rules.values() if rule.card and rule.enabled}
    hooks = {hook for rule in rules.values() for hook in rule.hooks}
    assert set(plans) == {f"rule-{id_}" for id_ in (*rules, "INCOMPLETE")} | {f"prodrome-{hook}" for hook in hooks}
    for id_, rule in rules.items():
        for action in plans[f"rule-{id_}"]["action"]:
            assert action["title"] == rule.title
            assert rule.why in action["description"]
            assert [trigger["name"] for trigger in action["trigger"]] == list(rule.hooks)
            assert [one["display"] for one in action["documentation"]] == [
                guideline.sources[source].citation for source in rule.sources
            ]
            assert len(action.get("action", [])) == len(suggested(id_))
    for hook in hooks:
        actions = plans[f"prodrome-{hook}"]["action"]
        assert {action["code"][0]["coding"][0]["code"] for action in actions} == {
            id_ for id_, rule in rules.items() if hook in rule.hooks
        } | {"INCOMPLETE"}
        assert {trigger["name"] for action in actions for trigger in action["trigger"]} == {hook}


def test_the_priorities_of_an_action_are_the_indicators_of_its_card(published: Knowledge) -> None:
    plans = of_kind(published, "PlanDefinition")
    said = {id_: [action["priority"] for action in plan["action"]] for id_, plan in plans.items()}
    assert said["rule-SAF-01"] == ["stat", "urgent"]
    assert said["rule-MOH-01"] == ["urgent"]
    assert said["rule-DTT-01"] == ["routine"]


def test_an_activity_says_what_it_orders(published: Knowledge) -> None:
    """A server applies no ActivityDefinition for an order that has no product or code."""
    wanted = {"MedicationRequest": "productCodeableConcept", "ServiceRequest": "code"}
    for activity in of_kind(published, "ActivityDefinition").values():
        said = activity[wanted[activity["kind"]]]
        assert said.get("text") or said["coding"], activity["id"]


def test_what_is_named_is_there(published: Knowledge) -> None:
    urls = {one["url"] for one in published.resources}
    defined = set(re.findall(r'^define "((?:[^"\\]|\\.)*)":', published.cql, re.MULTILINE))
    for plan in of_kind(published, "PlanDefinition").values():
        (library,) = plan["library"]
        assert library.partition("|")[0] in urls
        for action in plan["action"]:
            (condition,) = action["condition"]
            assert condition["expression"]["expression"] in defined
            for offered in action.get("action", []):
                assert offered.get("definitionCanonical", library.partition("|")[0]) in urls
    guide = published.resources[-1]
    listed = {one["reference"]["reference"] for one in guide["definition"]["resource"]}
    assert listed == {f"{one['resourceType']}/{one['id']}" for one in published.resources[:-1]}
    concepts = {one["code"] for one in of_kind(published, "CodeSystem")["rules"]["concept"]}
    plans = of_kind(published, "PlanDefinition").values()
    assert {action["code"][0]["coding"][0]["code"] for plan in plans for action in plan["action"]} == concepts


def test_a_value_set_lists_the_codes_of_its_code_set_or_says_that_it_cannot(
    guideline: Guideline, published: Knowledge
) -> None:
    value_sets = of_kind(published, "ValueSet")
    for name, code_set in guideline.code_sets.items():
        made = value_sets[name.replace("_", "-")]
        by_prefix = bool(code_set.prefixes or code_set.patterns)
        assert is_expanded(made) != by_prefix
        included = made.get("compose", {"include": []})["include"]
        listed = {(part["system"], one["code"]) for part in included for one in part.get("concept", [])}
        assert listed == {
            (system, code) for system in guideline.systems.values() for code in code_set.exact.get(system, ())
        }
        if not by_prefix:
            expanded = made["expansion"]
            assert {(one["system"], one["code"]) for one in expanded["contains"]} == listed
            assert expanded["total"] == len(listed)
        else:
            assert "terminology server" in made["purpose"]


@pytest.mark.parametrize(
    ("name", "code", "inside"),
    [
        ("migraine", "G43.709", True),
        ("migraine", "G43709", True),
        ("migraine", "G44.1", False),
        ("asthma", "J45.20", True),
        ("asthma", "J44", False),
    ],
)
def test_a_filter_takes_what_the_code_set_holds(published: Knowledge, name: str, code: str, inside: bool) -> None:
    included = of_kind(published, "ValueSet")[name]["compose"]["include"]
    (part,) = [one for one in included if one["system"] == "http://hl7.org/fhir/sid/icd-10-cm"]
    assert bool(re.fullmatch(part["filter"][0]["value"], code)) == inside
    system = part["system"]
    assert load_guideline().code_sets[name].contains(system, code) == inside


def test_every_filter_agrees_with_its_code_set(guideline: Guideline, published: Knowledge) -> None:
    """Over codes made of the prefixes themselves, longer ones, and their neighbours."""
    value_sets = of_kind(published, "ValueSet")
    for name, code_set in guideline.code_sets.items():
        compose = value_sets[name.replace("_", "-")].get("compose", {})
        for system, prefixes in code_set.prefixes.items():
            part = [one for one in compose["include"] if one["system"] == system]
            if not part:
                continue  # an alias of a system that has a part of its own
            without = [one for one in compose.get("exclude", []) if one["system"] == system]
            tried = [one + end for one in (*prefixes, *code_set.without.get(system, ())) for end in ("", "0", "19")]
            tried += [one[:-1] for one in prefixes] + [f"{one[:3]}.{one[3:]}" for one in tried if len(one) > 3]
            for code in tried:
                taken = any(re.fullmatch(one["filter"][0]["value"], code) for one in part)
                left_out = any(re.fullmatch(one["filter"][0]["value"], code) for one in without)
                if "." in code and system == "http://www.whocc.no/atc":
                    continue
                assert (taken and not left_out) == code_set.contains(system, code), (name, code)


def test_the_same_rules_give_the_same_bytes(
    guideline: Guideline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in ("one", "two"):
        assert main(["export-knowledge", str(tmp_path / out)]) == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")
    enabled = [rule for rule in guideline.rulebook.rules.values() if rule.enabled]
    assert f"{len(enabled)} rules, " in capsys.readouterr().out


def test_the_package_is_what_servers_install(published: Knowledge, tmp_path: Path) -> None:
    write(published, tmp_path)
    packed = tmp_path / published.file_of_package
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.read_bytes()))) as archive:
        members = archive.getnames()
        told = {name: json.loads(archive.extractfile(name).read()) for name in members}  # type: ignore[union-attr]
    package = told["package/package.json"]
    assert members[0] == "package/package.json"
    assert package["name"] == published.resources[-1]["packageId"]
    assert package["version"] == published.version
    assert package["canonical"] == BASE
    assert package["fhirVersions"] == ["4.0.1"]
    index = told["package/.index.json"]["files"]
    assert {f"package/{one['filename']}" for one in index} == set(members) - {
        "package/package.json",
        "package/.index.json",
    }
    for one in published.resources:
        assert told[f"package/{one['resourceType']}-{one['id']}.json"] == one


def test_a_later_export_replaces_the_earlier_one_and_nothing_else(published: Knowledge, tmp_path: Path) -> None:
    write(published, tmp_path)
    first = published.resources[0]
    write(replace(published, resources=published.resources[1:]), tmp_path)
    kind, id_ = first["resourceType"].lower(), first["id"]
    assert not (tmp_path / "input" / "resources" / kind / f"{id_}.json").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(KnowledgeError, match="found other files"):
        write(published, mine)
    assert files(mine) == {"thesis.txt": b"years of work"}


def test_the_parameters_of_a_site_are_the_defaults_of_the_package(guideline: Guideline) -> None:
    changed = knowledge(guideline.with_parameters({"moh_months": 2}))
    assert 'parameter "moh_months" Decimal\n  default 2.0\n' in changed.cql
    assert changed.resources != knowledge(guideline).resources


def test_elm_of_another_text_is_refused(guideline: Guideline, published: Knowledge) -> None:
    found = re.search(r'define "Digest":\n  \'([0-9a-f]{64})\'', published.cql)
    assert found
    statement = {"name": "Digest", "expression": {"type": "Literal", "value": found[1]}}
    elm = json.dumps({"library": {"statements": {"def": [statement]}}}).encode()
    library = of_kind(knowledge(guideline, elm=elm), "Library")["ProdromeRules"]
    assert [one["contentType"] for one in library["content"]] == ["text/cql", "application/elm+json"]
    with pytest.raises(KnowledgeError, match="made of another text"):
        knowledge(guideline.with_parameters({"moh_months": 2}), elm=elm)
    with pytest.raises(KnowledgeError, match="expected what a CQL translator writes"):
        knowledge(guideline, elm=b"{}")


def test_the_base_of_a_site_is_that_of_its_cards_and_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRODROME_CANONICAL_BASE", "https://site.example.org/cds")
    request = str(Path(__file__).parents[3] / "examples" / "patient-view-resistant.json")
    assert main(["consult", request, "--today", "2026-06-15", "--json"]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)["cards"]
    assert first["source"]["topic"]["system"] == "https://site.example.org/cds/CodeSystem/rules"
    assert {one["system"] for one in first["overrideReasons"]} == {
        "https://site.example.org/cds/CodeSystem/override-reasons"
    }
    assert main(["consult", request, "--today", "2026-06-15", "--prior-authorisation", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["identifier"]["system"] == "https://site.example.org/cds/NamingSystem/prior-authorisation"
    rule = rule_concept("DTT-01", load_guideline().for_site(Site(canonical_base="https://site.example.org/cds")))
    assert rule["coding"][0]["system"] == first["source"]["topic"]["system"]


def test_every_reason_to_override_a_card_is_published(published: Knowledge) -> None:
    reasons = {one["code"] for one in of_kind(published, "CodeSystem")["override-reasons"]["concept"]}
    assert {code for manner in manners().values() for code, _ in manner.override} == reasons


def test_the_base_of_a_site_is_that_of_its_facts_and_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRODROME_CANONICAL_BASE", "https://site.example.org/cds/")
    assert main(["export-knowledge", str(tmp_path / "out")]) == 0
    assert b"https://example.org/prodrome" not in b"".join(files(tmp_path / "out" / "input" / "resources").values())
    capsys.readouterr()
    request = Path(__file__).parents[3] / "examples" / "order-sign-contraindicated.json"
    assert main(["facts", str(request), "--today", "2026-06-15"]) == 0
    facts = json.loads(capsys.readouterr().out)
    systems = {entry["resource"]["code"]["coding"][0]["system"] for entry in facts["entry"][1:]}
    assert systems == {"https://site.example.org/cds/CodeSystem/facts"}
