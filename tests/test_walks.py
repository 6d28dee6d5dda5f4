"""The walks of CONTRIBUTING.md are true: each adds its thing to a copy of the package, in so many files and no more.

The copy's service is then started in a process of its own, and asked.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("cds_hooks", "examples", "fhir_mappers", "rules", "templates")

ASK = """
import sys
# The copy, and not the package that is installed here for working on it.
sys.meta_path[:] = [one for one in sys.meta_path if not getattr(one, "__name__", "").startswith("_Editable")]
sys.path[:] = [one for one in sys.path if not one.startswith("__editable__")]
from prodrome.cds_hooks.testers.example_patients import examples
from tests.serving import TODAY, ask, rules_in, service
from tests.vignettes.example_requests import request
client = service().test_client()
def cards(patient, hook, order=None):
    example = next(one for one in examples() if one.patient_id == f"prodrome-{patient}")
    asked = next(one for one in example.asks if (one.hook, one.order) == (hook, order))
    return ask(client, request(example, asked, TODAY)).get_json()["cards"]
"""


class Copy:
    """A copy of the package below one import root, and which of its files were touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "prodrome"
        self.touched: set[str] = set()
        for name in FOLDERS:
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__", "vendor"))

    def write(self, name: str, text: str) -> None:
        """A new file."""
        assert not (self.folder / name).exists()
        (self.folder / name).write_text(text, encoding="utf-8")
        self.touched.add(name)

    def insert(self, name: str, before: str, text: str) -> None:
        """*text* in front of the first line that begins with *before*, or at the end of the file."""
        path = self.folder / name
        content = path.read_text(encoding="utf-8")
        at = content.index(f"\n{before}") + 1 if before else len(content)
        path.write_text(content[:at] + text + content[at:], encoding="utf-8")
        self.touched.add(name)

    def run(self, program: str) -> str:
        """What a program prints that imports the copy, and the tests' helpers of this repository."""
        ran = subprocess.run(
            [sys.executable, "-c", ASK + program],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(self.folder.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        return ran.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


EXAMPLE = """
  - id: daily
    title: Headache on most days
    person: {given: Ida, family: Fernhill, age: 38, birthday: 03-13, record: 439564}
    conditions: [migraine]
    diary: {headache-days: [24]}
    asks:
      - {hook: patient-view, cards: [SITE-01]}
"""
RULE = """
      - id: SITE-01
        title: Headache on most days
        why: Headache on 20 days of a month or more is worth a look at the diagnosis
        statements: [S1]
        sources: [EHF2020]
        hooks: [patient-view]
        when:
          - {fact: month, as: m, months_ago: 1, headache: ">= 20"}
        card: {indicator: info}
"""


def test_a_rule_is_an_entry_a_template_and_a_labelled_patient(copy: Copy) -> None:
    copy.insert("rules/migraine/rulebook.yaml", "", RULE)
    copy.write("templates/cards/SITE-01.md.j2", "Headache on most days.\n**Found**: {{ view.today }}.\n")
    copy.insert("cds_hooks/testers/example_patients.yaml", "", EXAMPLE)
    said = copy.run('print([card["summary"] for card in cards("daily", "patient-view")])')
    assert said == "['Headache on most days.']\n"
    assert len(copy.touched) == 3


DRUG = """  sitolol:
    name: sitolol
    codes: {rxnorm: ["990000001"]}
    preventive:
      ehf_class: E3
      drug_class: beta_blockers
      counts: true
      dose: {unit: mg, per: day, min_adequate: 100, target: 200, maximum: 200}
      trial: {min_days: 56}
      side_effects: beta_blockers
      sources: [AAN2012]
    contraindications: [asthma]
"""


def test_a_drug_is_an_entry_and_its_names(copy: Copy) -> None:
    copy.insert("rules/migraine/drugs.yaml", "  metoprolol:", DRUG)
    copy.insert("rules/migraine/names.csv", "", "sitolol,sitolol,ingredient\nsitocard,sitolol,brand\n")
    said = copy.run(
        """
from prodrome.cds_hooks.testers import draft_order
from prodrome.fhir_mappers import Record, read_facts
from prodrome.rules import Completeness, judge
from prodrome.rules.guideline import load_guideline
guideline = load_guideline()
for text in ("sitolol:200mg", "Sitocard:200mg"):
    order = draft_order(text, "p", guideline, TODAY)
    rows = {"Condition": [{"resourceType": "Condition", "clinicalStatus": {"coding": [{"code": "active"}]},
                           "code": {"coding": [{"system": guideline.systems["icd10cm"], "code": "J45.909"}]}}]}
    facts = read_facts(Record("p", rows, {"Condition": Completeness.COMPLETE}, [order]), guideline, TODAY)
    found = judge(facts, guideline, TODAY, hook="order-sign").findings
    print(facts.orders[0].drug, [(one.rule.id, one.indicator) for one in found if one.rule.id == "SAF-01"])
"""
    )
    assert said == "sitolol [('SAF-01', 'critical')]\n" * 2
    assert len(copy.touched) == 2


HOOK = """    Hook(
        "letter-write",
        "1.0",
        "on writing a letter",
        "a letter is being written",
        ("userId", "patientId"),
    ),
"""


def test_a_hook_is_its_definition_its_name_and_the_rules_that_speak_there(copy: Copy) -> None:
    copy.insert("cds_hooks/protocol/hooks.py", ")\nHOOKS:", HOOK)
    copy.insert("rules/fact_types.py", '    "encounter-start",', '    "letter-write",\n')
    rulebook = copy.folder / "rules/migraine/rulebook.yaml"
    head, rule, rest = rulebook.read_text(encoding="utf-8").partition("      - id: DTT-01\n")
    rulebook.write_text(head + rule + rest.replace("hooks: [", "hooks: [letter-write, ", 1), encoding="utf-8")
    copy.touched.add("rules/migraine/rulebook.yaml")
    said = copy.run(
        """
listed = client.get("/cds-services").get_json()["services"]
print([one["id"] for one in listed if one["hook"] == "letter-write"])
example = next(one for one in examples() if one.patient_id == "prodrome-resistant")
asked = request(example, example.asks[0], TODAY)
asked["request_by_kind"]["hook"] = "letter-write"
print(rules_in(ask(client, asked).get_json()))
"""
    )
    assert said == "['prodrome-letter-write']\n['DTT-01']\n"
    assert len(copy.touched) == 3


MAPPER = '''"""Relatives who have migraine."""

from prodrome.fhir_mappers.chart import Chart
from prodrome.fhir_mappers.codes import read_concept, sets_of
from prodrome.fhir_mappers.elements import JsonObject, read_objects
from prodrome.rules import Relative


def read_relatives(chart: Chart) -> tuple[Relative, ...]:
    """Every relative whose migraine is recorded."""
    found: list[Relative] = []

    def read(ref: str, resource: JsonObject) -> None:
        for condition in read_objects(resource, "condition"):
            if "migraine" in sets_of(chart.guideline, read_concept(condition, "code").codes):
                found.append(Relative((ref,)))

    chart.each("FamilyMemberHistory", read)
    return tuple(found)
'''
FACT = '''
@dataclass(frozen=True, slots=True)
class Relative:
    """A relative who has migraine."""

    refs: Refs = ()


'''


def test_a_kind_is_a_row_a_mapper_and_a_fact(copy: Copy) -> None:
    copy.insert(
        "fhir_mappers/kinds.py",
        '    Kind("Medication", ',
        '    Kind("FamilyMemberHistory", "the family history", searches=(Search("familyHistories"),)),\n',
    )
    copy.write("fhir_mappers/relatives.py", MAPPER)
    copy.insert(
        "fhir_mappers/__init__.py",
        "from prodrome.fhir_mappers.site_codes import ",
        "from .relatives import read_relatives\n",
    )
    copy.insert(
        "fhir_mappers/__init__.py", "        orders=tuple(orders),", "        relatives=read_relatives(chart),\n"
    )
    copy.insert("rules/facts.py", "@dataclass(frozen=True)\nclass Facts:", FACT.lstrip())
    copy.insert("rules/facts.py", '    "Refs",', '    "Relative",\n')
    copy.insert(
        "rules/facts.py", "    orders: tuple[DraftOrder, ...] = ()", "    relatives: tuple[Relative, ...] = ()\n"
    )
    fact_type = 'FactType("A relative who has migraine.", ("FamilyMemberHistory",), {"has": Field(str, "what")})'
    copy.insert("rules/fact_types.py", '    "order": FactType(', f'    "relative": {fact_type},\n')
    copy.insert(
        "rules/flat_facts.py",
        "    yield from _orders(sheet)",
        '    yield from (("relative", {"has": "migraine"}, one.refs) for one in sheet.facts.relatives)\n',
    )
    assert len(copy.touched) == 6
    # A rule that rests on it, as any other rule: the service asks for the kind, and the card needs it to be complete.
    rule = RULE.replace('fact: month, as: m, months_ago: 1, headache: ">= 20"', "fact: relative, has: migraine")
    copy.insert("rules/migraine/rulebook.yaml", "", rule)
    copy.write("templates/cards/SITE-01.md.j2", "Migraine in the family.\n**Found**: {{ view.today }}.\n")
    said = copy.run(
        """
(service,) = [one for one in client.get("/cds-services").get_json()["services"] if one["hook"] == "patient-view"]
print(service["prefetch"]["familyHistories"])
relative = {"resourceType": "FamilyMemberHistory", "id": "f", "condition": [{"code": {"coding": [
    {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "G43.009"}]}}]}
asked = {"hook": "patient-view", "hookInstance": "00000000-0000-4000-8000-000000000000",
         "context": {"userId": "Practitioner/x", "patientId": "p"},
         "prefetch": {"Patient": {"resourceType": "Patient", "id": "p", "birthDate": "1990-01-01"},
                      "FamilyMemberHistory": {"resourceType": "Bundle", "entry": [{"resource": relative}]}}}
answer = ask(client, {"request_by_kind": asked}).get_json()
print(rules_in(answer))
"""
    )
    assert said == "FamilyMemberHistory?patient={{context.patientId}}\n['SITE-01']\n"


def test_what_a_kind_is_called_stands_in_few_places() -> None:
    """A kind that no rule waits for by name: its row, its mapper, the fact it gives."""
    naming = [
        str(path.relative_to(ROOT))
        for room in ("cds_hooks", "fhir_mappers", "rules")
        for path in sorted((ROOT / room).rglob("*.py"))
        if "DeviceUseStatement" in path.read_text(encoding="utf-8")
    ]
    assert naming == ["fhir_mappers/kinds.py", "fhir_mappers/treatments.py", "rules/fact_types.py"]


def test_contributing_names_what_is_there() -> None:
    rows = [line for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines() if line[:3] == "| a"]
    assert {row.split("|")[1].strip() for row in rows} >= {
        "a rule",
        "a drug",
        "a contraindication",
        "a kind of resource",
        "a hook",
    }
    for named in re.findall(r"`([^` ]+/[^` ]*)`", "".join(rows)):
        assert (ROOT / named).exists(), named
