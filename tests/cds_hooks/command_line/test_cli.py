"""The command line answers as the service does, and its refusals say what was expected."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.fhir_client import Failure, bulk_data
from prodrome.rules.guideline import load_guideline
from tests.browser.conftest import fhir_server
from tests.serving import client_of, listening, service, serving

EXAMPLES = Path(__file__).parents[3] / "examples"
RESISTANT = str(EXAMPLES / "patient-view-resistant.json")
DAY = ("--today", "2026-06-15")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_consult_answers_what_the_service_answers(capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(capsys, "consult", RESISTANT, *DAY)
    with client_of(service()) as client:
        served = client.post("/cds-services/prodrome-patient-view", json=json.loads(Path(RESISTANT).read_text()))
    assert json.loads(printed) == served.get_json()


def test_consult_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with open(RESISTANT) as file:
        monkeypatch.setattr("sys.stdin", file)
        assert len(json.loads(said(capsys, "consult", "-", *DAY))["cards"]) == 4


def test_why_explains_every_rule_also_those_that_did_not_fire(capsys: pytest.CaptureFixture[str]) -> None:
    tree = said(capsys, "consult", RESISTANT, *DAY, "--why")
    assert re.search(r"\+ DTT-01 .*: fired", tree)
    assert re.search(r"\. DTT-02 .*: did not fire\n +needs tally", tree)
    assert "$resistant_min_classes = 3" in tree
    assert "<- Observation/" in tree
    for rule in re.findall(r"^([A-Z]+-\d\d) ", said(capsys, "rules"), re.MULTILINE):
        assert f" {rule} " in tree


def test_understood_prints_the_share_of_each_kind_and_what_is_not_understood(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = json.loads(Path(RESISTANT).read_text())
    for entry in document["prefetch"]["medicationStatements"]["entry"][:1]:
        entry["resource"]["medicationCodeableConcept"] = {"text": "Moonshine\x1b[2J"}
    odd = tmp_path / "request.json"
    odd.write_text(json.dumps(document))
    table = said(capsys, "consult", str(odd), *DAY, "--understood")
    assert re.search(r"^MedicationStatement +drug +\d+ of \d+$", table, re.MULTILINE)
    assert re.search(r"MedicationStatement/\S+: the drug is in no table: Moonshine ", table)
    assert "\x1b" not in table
    assert "the drug is in no table: Moonshine" in said(capsys, "consult", str(odd), *DAY, "--why")
    assert "Moonshine" not in said(capsys, "consult", str(odd), *DAY)


def test_why_says_that_a_parameter_was_changed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODROME_PARAMETERS__RESISTANT_MIN_CLASSES", "2")
    tree = said(capsys, "consult", RESISTANT, *DAY, "--why")
    assert "$resistant_min_classes = 2 classes, changed by this site" in tree


def test_eligibility_is_printed_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    table = said(capsys, "consult", RESISTANT, *DAY, "--eligibility")
    assert re.search(r"^  beta blocker +failed +propranolol \(no effect\)$", table, re.MULTILINE)
    assert "Western Health Advantage (payer, United States, an example; E62): met" in table
    found = json.loads(said(capsys, "consult", RESISTANT, *DAY, "--eligibility", "--json"))
    assert {one["row"]: one["answer"] for one in found["bodies"]}["E62"] == "met"


def test_the_history_for_prior_authorisation_is_printed_as_text_and_as_a_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = said(capsys, "consult", RESISTANT, *DAY, "--prior-authorisation")
    assert "propranolol (beta blocker), 40 to 160 mg a day, 2024-01-10 to 2024-05-20: 131 days" in text
    document = json.loads(said(capsys, "consult", RESISTANT, *DAY, "--prior-authorisation", "--json"))
    assert document["entry"][0]["resource"]["resourceType"] == "Composition"


def test_a_site_s_bodies_are_those_of_its_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "payers.yaml"
    file.write_text('version: "1.0.0"\ndate: "2026-01-01"\neligibility_bodies: [bc]\n')
    monkeypatch.setenv("PRODROME_ELIGIBILITY", str(file))
    found = json.loads(said(capsys, "consult", RESISTANT, *DAY, "--eligibility", "--json"))
    assert [(one["row"], one["answer"]) for one in found["bodies"]] == [("E50", "met")]
    file.write_text('version: "1.0.0"\ndate: "2026-01-01"\neligibility_bodies: [bcc]\n')
    other = tmp_path / "others.yaml"
    other.write_text(file.read_text())
    monkeypatch.setenv("PRODROME_ELIGIBILITY", str(other))
    assert main(("consult", RESISTANT, *DAY)) == 2
    error = capsys.readouterr().err
    assert error == "others.yaml: eligibility_bodies names 'bcc', which is unknown; did you mean 'bc'?\n"


def test_rules_are_printed_with_sources_and_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    table = said(capsys, "rules", "--conditions")
    with_cards = [rule for rule in load_guideline().rulebook.rules.values() if rule.card]
    assert len(re.findall(r"^[A-Z]+-\d\d ", table, re.MULTILINE)) == len(with_cards)
    assert "EHF2020: " in table
    assert "unless" in table
    assert "Not evaluated:" in table


def test_two_editions_of_the_guideline_are_told_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = load_guideline().folder
    before = tmp_path / "migraine"
    shutil.copytree(ours, before)
    parameters = (before / "parameters.yaml").read_text()
    (before / "parameters.yaml").write_text(parameters.replace("value: 3\n", "value: 2\n", 1))
    (before / "rulebook.yaml").write_text(
        (before / "rulebook.yaml").read_text().replace("- id: of-age\n", "- id: old\n")
    )
    told = said(capsys, "rules", "diff", str(before))
    assert re.search(r"^added +of-age +The guideline is one for adults$", told, re.MULTILINE)
    assert re.search(r"^removed +old +", told, re.MULTILINE)
    assert re.search(r"^changed +resistant_min_classes +.*\n +value: 2 -> 3\n +read by .*DTT-01", told, re.MULTILINE)
    found = json.loads(said(capsys, "rules", "diff", str(before), str(ours), "--json"))
    assert [(one["id"], one["kind"]) for one in found["changes"]] == [
        ("of-age", "added"),
        ("old", "removed"),
        ("resistant_min_classes", "changed"),
    ]
    assert "Nothing differs." in said(capsys, "rules", "diff", str(ours))
    monkeypatch.setenv("PRODROME_PARAMETERS__RESISTANT_MIN_CLASSES", "2")
    assert "value: 3 -> 2" in said(capsys, "rules", "diff", str(ours))
    assert "value: 3 -> 2" not in said(capsys, "rules", "diff", str(ours), str(ours))
    assert main(("rules", "diff", str(tmp_path / "none"))) == 2
    assert capsys.readouterr().err == "none: cannot be read (No such file or directory)\n"


def test_prefetch_prints_the_templates_of_discovery(capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(capsys, "prefetch", *DAY)
    with client_of(service()) as client:
        for listed in client.get("/cds-services").get_json()["services"]:
            assert listed["id"] in printed
            for key, template in listed["prefetch"].items():
                assert re.search(rf"{key} +{re.escape(template)}\n", printed)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("consult", "no-such-file.json"), "no-such-file.json"),
        (("consult",), "--fhir"),
        (("consult", str(EXAMPLES / "README.md")), "not valid JSON (line 1, column 1)"),
        (("consult", RESISTANT, "--fhir", "http://127.0.0.1:1"), "Give either"),
        (("consult", RESISTANT, "--hook", "order-sign"), "--hook goes with --fhir"),
        (("consult", RESISTANT, "--order", "sumatriptan:25mg"), "--order goes with --fhir"),
    ],
)
def test_a_wrong_call_is_told_what_was_expected(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    assert main(words) == 2
    assert expected in capsys.readouterr().err


def test_a_parameter_that_does_not_exist_stops_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODROME_PARAMETERS__RESISTANT_MIN_CLASES", "2")
    assert main(("rules",)) == 2
    assert "resistant_min_classes" in capsys.readouterr().err


def test_serve_prints_a_request_that_is_answered_with_a_card() -> None:
    command = [sys.executable, "-c", "import sys; from prodrome.cds_hooks.command_line import main; sys.exit(main())"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            printed = ""
            while "/cds-services/prodrome-" not in printed:
                line = process.stdout.readline()
                assert line, printed
                printed += line
            discovery = re.search(r"Discovery: (\S+)", printed)
            example = re.search(r"-d @(\S+)", printed)
            address = re.search(r"(http\S+/prodrome-\S+)", printed)
            assert discovery
            assert example
            assert address
            assert "Engine: " in printed
            body = (EXAMPLES.parent / example.group(1)).read_bytes()
            answer = httpx.post(address.group(1), content=body, headers={"Content-Type": "application/json"})
            assert answer.json()["cards"]
            assert httpx.get(discovery.group(1)).json()["services"]
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("icd10cm|G43.709", "code set chronic_migraine (codes.yaml)"),
        ("urn:oid:2.16.840.1.113883.6.90|J45.20", "code set asthma (codes.yaml)"),
        ("http://snomed.info/sct|195967001", "code set asthma (codes.yaml)"),
        ("rxnorm|8787", "drug propranolol (products.csv)"),
        ("http://www.whocc.no/atc|N02CC01", "drug sumatriptan (drugs.yaml)"),
        ("Topamax 25 mg", "drug topiramate (names.csv)"),
        ("it did not work", "phrase stop_reason.inefficacy (words.csv)"),
    ],
)
def test_codes_lookup_says_what_is_meant_and_by_which_table(
    capsys: pytest.CaptureFixture[str], asked: str, meant: str
) -> None:
    assert meant in said(capsys, "codes", "lookup", asked).splitlines()


@pytest.mark.parametrize("asked", ["https://hospital.example.org|x", "rxnorm|0", "moonshine"])
def test_codes_lookup_says_that_nothing_is_known(capsys: pytest.CaptureFixture[str], asked: str) -> None:
    assert main(("codes", "lookup", asked)) == 1
    assert capsys.readouterr().out == "It is in no table.\n"


def test_codes_report_lists_what_was_not_recognised_most_frequent_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = {"coding": [{"system": "https://hospital.example.org/drugs", "code": "77", "display": "Moonshine"}]}
    known = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "8787"}]}

    def row(drug: dict[str, Any], patient: str) -> dict[str, Any]:
        subject = {"reference": f"Patient/{patient}"}
        return {
            "resourceType": "MedicationRequest",
            "id": patient,
            "status": "active",
            "intent": "order",
            "subject": subject,
            **drug,
        }

    rows = [row({"medicationCodeableConcept": local}, f"p{n}") for n in range(3)]
    rows += [row({"medicationCodeableConcept": known}, "p4")]
    rows += [row({"medicationReference": {"reference": "Medication/m1"}}, "p5")]
    (tmp_path / "MedicationRequest.ndjson").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "Medication.ndjson").write_text(json.dumps({"resourceType": "Medication", "id": "m1", "code": known}))
    problem = {"resourceType": "Condition", "id": "c", "code": {"text": "giddiness"}}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": problem}]}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    assert said(capsys, "codes", "report", str(tmp_path)).splitlines() == [
        "      3  MedicationRequest: the drug is in no table: Moonshine [https://hospital.example.org/drugs|77]",
        "      1  Condition: the problem has no code of a known system: giddiness",
    ]
    assert "and 1 more" in said(capsys, "codes", "report", str(tmp_path), "--most", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prodrome.toml").write_text('[codes.drug]\n"https://hospital.example.org/drugs|77" = "topiramate"\n')
    assert said(capsys, "codes", "report", str(tmp_path)).splitlines() == [
        "      1  Condition: the problem has no code of a known system: giddiness",
        "      3  the site's own codes: drug https://hospital.example.org/drugs|77 is read as topiramate",
    ]


def test_codes_report_reads_the_prefetch_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert "everything that is of a kind we read was recognised" in said(capsys, "codes", "report", RESISTANT)


def test_codes_report_names_the_place_of_a_fault(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "Condition.ndjson"
    file.write_text('{"resourceType": "Condition"}\n{"resourceType": \n')
    assert main(("codes", "report", str(file))) == 2
    assert "Condition.ndjson, line 2" in capsys.readouterr().err
    assert main(("codes", "report", str(tmp_path / "none.json"))) == 2


@pytest.mark.parametrize(
    ("hook", "member"),
    [("order-review", "orders"), ("medication-prescribe", "medications"), (" order-sign ", "draftOrders")],
)
def test_consult_reads_the_hooks_that_the_service_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, hook: str, member: str
) -> None:
    document = json.loads((EXAMPLES / "order-sign-contraindicated.json").read_bytes())
    document["context"][member] = document["context"].pop("draftOrders")
    (tmp_path / "asked.json").write_text(json.dumps({**document, "hook": hook}))
    assert "SAF-01" in said(capsys, "consult", str(tmp_path / "asked.json"), *DAY)


HOOK = {"hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": {"patientId": "1"}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"hook": "patient-view",\n "context": {,}}', "line 2, column 14"),
        (b"", "is empty"),
        (b"\x80\x81\xff", "not valid JSON"),
        ('{"hook": "é"}'.encode("latin-1"), "not UTF-8"),
        ('{"hook": "x"}'.encode("utf-16"), "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b'{"resourceType": "Bundle", "entry": []}', "found a FHIR Bundle"),
        (b'{"resourceType": "Patient"}', "found a FHIR Patient"),
        (json.dumps({"hook": "patient-vew", **HOOK}).encode(), "did you mean 'patient-view'?"),
        (json.dumps({"hook": "order_sign", **HOOK}).encode(), "did you mean 'order-sign'?"),
        (json.dumps({"hook": "patient-view", "hookInstance": "1"}).encode(), "context is missing"),
    ],
)
def test_a_file_that_is_no_request_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, body: bytes, expected: str
) -> None:
    (tmp_path / "asked.json").write_bytes(body)
    assert main(("consult", str(tmp_path / "asked.json"))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "asked.json" in line
    assert expected in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("consult", str(EXAMPLES)), "expected a file, found a folder"),
        (("check", "localhost"), "expected the address of a service"),
        (("check", "ftp://localhost/x"), "expected the address of a service"),
        (("check", "http://127.0.0.1:1"), "cannot be reached"),
        (("sandbox", "http://127.0.0.1:1"), "cannot be reached"),
        (("consult", "--fhir", "http://127.0.0.1:1/fhir", "--patient", "1"), "the FHIR server cannot be reached"),
        (("consult", "--fhir", "http://127.0.0.1:1/fhir"), "--patient is missing"),
        (("consult", "--fhir", "", "--patient", "1"), "--fhir is empty"),
        (("facts", "--fhir", "", "--patient", "1"), "--fhir is empty"),
        (("consult", "--fhir", "http://127.0.0.1:1/fhir", "--patient", "1", "--problem", ""), "--problem is empty"),
        (("serve", "--port", "99999"), "port (command line)"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if not line.startswith(" ")]) == 1


def test_an_export_that_fails_says_which_server_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Failure("cannot be reached", answered=False)

    monkeypatch.setattr(bulk_data, "export", away)
    assert main(("export", "http://127.0.0.1:1/fhir", "--out", str(tmp_path))) == 2
    assert "http://127.0.0.1:1/fhir: the FHIR server cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("consult", "x.json", "--today"), ("feedback", "--since"), ("serve", "--today")])
def test_a_day_that_is_none_is_told_with_what_was_expected(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main((*command, "2026-02-30"))
    assert "expected a day, as in 2026-06-15; came '2026-02-30'" in capsys.readouterr().err


def test_a_patient_that_the_server_does_not_have_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(fhir_server()) as url:
        assert main(("consult", "--fhir", url, "--patient", "nobody")) == 2
        assert f"{url} has no patient of the id nobody." in capsys.readouterr().err


def test_a_check_names_the_fhir_server_or_patient_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Else the service under test is held to account for a prefetch that was never filled."""
    with listening(service()) as checked, serving(fhir_server()) as url:
        assert main(("check", checked, "--fhir", url, "--patient", "nobody")) == 2
        assert f"{url} has no patient of the id nobody." in capsys.readouterr().err
        assert main(("check", checked, "--fhir", "http://127.0.0.1:1/fhir", "--patient", "1")) == 2
        assert "http://127.0.0.1:1/fhir: the FHIR server cannot be reached" in capsys.readouterr().err
        assert main(("check", checked, "--fhir", "ftp://127.0.0.1", "--patient", "1")) == 2
        assert "--fhir: expected an http(s) address" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"one two", b"\x80\xff"], ids=["empty", "two words", "no text"])
@pytest.mark.parametrize(
    "command",
    [
        ("consult", "--fhir", "http://127.0.0.1:1", "--patient", "1"),
        ("sandbox", "http://127.0.0.1:1"),
        ("export", "http://127.0.0.1:1", "--out", "nowhere"),
        ("check", "http://127.0.0.1:1", "--fhir", "http://127.0.0.1:1", "--patient", "1"),
    ],
    ids=lambda command: str(command[0]),
)
def test_a_file_that_holds_no_token_is_told(
    command: tuple[str, ...], content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    assert main((*command, "--token-file", str(file))) == 2
    assert capsys.readouterr().err == f"{file}: expected an access token and nothing else\n"


def test_a_key_that_is_no_text_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "key.der"
    file.write_bytes(b"0\x82\xff")
    assert main(("check", "http://127.0.0.1:1", "--key", str(file), "--issuer", "i", "--kid", "k")) == 2
    assert "--key: expected a private key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("serv",), "did you mean 'serve'?"),
        (("serve", "--port", "http"), "invalid int value: 'http'"),
        (("serve", "--today", "2026-13-01"), "2026-13-01"),
        (("consult", "x", "--engine", "durabel"), "did you mean 'durable'?"),
        ((), "COMMAND"),
    ],
)
def test_words_that_are_not_known_are_told_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(("serve", "--port", str(port), "--workers", "1")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(port) in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LOCALE", "XX"), ("ENGINE", "fast"), ("NOBODY", "1"), ("DATABASE_URL", "sqlite:////nowhere/x.db")],
)
def test_a_setting_that_cannot_be_used_stops_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"PRODROME_{variable}", value)
    assert main(("serve", "--port", "0")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert variable.lower() in line.lower()


def test_tracebacks_are_for_who_asks_for_them() -> None:
    with pytest.raises(FileNotFoundError):
        main(("consult", "no-such-file.json", "--debug"))
    with pytest.raises(FileNotFoundError):
        main(("--debug", "consult", "no-such-file.json"))


def test_the_version_says_what_exactly_is_running(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(("--version",))
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert re.fullmatch(
        r"prodrome \S+, rulebook \S+ of \S+, Python \S+, engine (checked|reference), (not )?compiled\n", printed
    )
