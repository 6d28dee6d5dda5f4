"""The collected tables of codes and words against what is read: every row is, or it says here why not.

The tables lie beside the repository, not in it; without them these tests are skipped.
"""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from prodrome.fhir_mappers.code_systems import locate, plain_code
from prodrome.fhir_mappers.codes import concept
from prodrome.fhir_mappers.doses import quantity_in
from prodrome.fhir_mappers.medications import lexicon_of
from prodrome.fhir_mappers.named_medicines import Medicine, NamedMedicine
from prodrome.fhir_mappers.phrases import found_in, phrases
from prodrome.fhir_mappers.sigs import coded_frequency, read_frequency, read_sig
from prodrome.fhir_mappers.stop_reasons import read_stop
from prodrome.rules.guideline import SNOMED, load_guideline

TABLES = Path(__file__).parents[3] / "shared" / "clinical" / "codes"

pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason="the tables of codes are not beside the repository")

GUIDELINE = load_guideline()
LEXICON = lexicon_of(GUIDELINE)
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    return list(csv.DictReader((TABLES / name).read_text(encoding="utf-8").splitlines()))


def sets_of(system: str, code: str) -> frozenset[str]:
    located = locate(system)
    return GUIDELINE.sets_of(located.system, plain_code(located.system, code)) if located.known else frozenset()


def check(
    name: str, is_read: Callable[[Row], bool], why_not: Callable[[Row], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Print how many rows of a table are read and why the others are not, which each of those has to say."""
    unread = [row for row in rows(name) if not is_read(row)]
    reasons = Counter(why_not(row) for row in unread)
    with capsys.disabled():
        print(f"\n{name}: {len(rows(name)) - len(unread)} of {len(rows(name))} rows are read; not: {dict(reasons)}")
    assert not [list(row.values())[:4] for row in unread if not why_not(row)]


def test_code_systems(capsys: pytest.CaptureFixture[str]) -> None:
    check("systems.csv", lambda row: locate(row["alias"]).known, lambda _: "no table of ours has its codes", capsys)


DOUBTFUL = {
    "204384007": "a congenital incomplete block may be of the first degree",
    "12063002": "bleeding of the rectum, mostly from hemorrhoids",
    "266464001": "bleeding of the rectum, mostly from hemorrhoids",
    "405729008": "bleeding of the rectum, mostly from hemorrhoids",
    "58610003": "another mitochondrial disease than that of POLG",
}
OTHER_HEADACHES = {"cluster_headache", "tension_type_headache", "other_headache"}


def test_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"pregnancy_20w": "pregnancy_20_weeks"}

    def is_read(row: Row) -> bool:
        key = keys.get(row["condition_key"], row["condition_key"])
        return any(name.startswith(key) for name in sets_of(SNOMED, row["snomed_code"]))

    def why_not(row: Row) -> str:
        if row["condition_key"] in OTHER_HEADACHES:
            return "any diagnosis that is not migraine or plain headache is another"
        return DOUBTFUL.get(row["snomed_code"], "")

    check("conditions_snomed.csv", is_read, why_not, capsys)


def test_drugs_of_snomed(capsys: pytest.CaptureFixture[str]) -> None:
    def is_read(row: Row) -> bool:
        code, meant = row["snomed_code"], row["ingredient_id"].removeprefix("class:")
        product = GUIDELINE.product(code, SNOMED)
        return (
            (product is not None and product.drug == meant)
            or meant in (GUIDELINE.drug_of(SNOMED, code), GUIDELINE.allergy_to(code))
            or bool(GUIDELINE.sets_of(SNOMED, code))
        )

    def why_not(row: Row) -> str:
        ours = row["ingredient_id"] in GUIDELINE.drugs
        return "" if ours or row["kind"] != "allergy finding" else "an allergy to a drug that is never suggested"

    check("drugs_snomed.csv", is_read, why_not, capsys)


def test_names_of_drugs(capsys: pytest.CaptureFixture[str]) -> None:
    def is_read(row: Row) -> bool:
        named = NamedMedicine(concept({"text": f"{row['name']} 50 mg"}))
        medicine = LEXICON.recognise(named)
        return (medicine is not None and medicine.drug.id == row["ingredient_id"]) or bool(
            LEXICON.co_medications(named)
        )

    check("drug_names.csv", is_read, lambda _: "", capsys)


WHERE_IT_IS_PUT = {"topical", "ophthalmic", "otic", "vaginal", "dental", "transdermal"}


def test_forms(capsys: pytest.CaptureFixture[str]) -> None:
    def is_read(row: Row) -> bool:
        if row["system"] != "text":
            return any(name.startswith("route.") for name in sets_of(row["system"], row["code"]))
        said = NamedMedicine(concept({"text": "X"}), concept({"text": row["code"] or row["display"]}))
        return LEXICON.is_systemic(said) is (row["route_or_form"] not in WHERE_IT_IS_PUT)

    def why_not(row: Row) -> str:
        if row["route_or_form"] in ("inhaled", "injection", "infiltration", "intradermal", "oromucosal", "perineural"):
            return "does not say by which of our routes"
        if row["system"] == "text" and row["route_or_form"] in ("nasal", "rectal"):
            return "a cream, gel or foam for the nose or rectum"
        return "words that no medicine of ours comes with" if row["system"] == "text" else ""

    check("forms.csv", is_read, why_not, capsys)


def test_units(capsys: pytest.CaptureFixture[str]) -> None:
    tablets = Medicine(GUIDELINE.drugs["propranolol"], True, strength=40, per_ml=4)
    toxin = Medicine(GUIDELINE.drugs["onabotulinumtoxina"], True)

    def is_read(row: Row) -> bool:
        quantity = {"value": 1, "code": row["code"]} if row["code"] else {"value": 1, "unit": row["word"]}
        return any(quantity_in(quantity, each) is not None for each in (tablets, toxin))

    def why_not(row: Row) -> str:
        if row["means"] in ("drop", "dose", "patch"):
            return "how much is in one is not known"
        return "no dose of a drug of ours is so large or so small" if row["code"] in ("kg", "ng", "10*6.[iU]") else ""

    check("units.csv", is_read, why_not, capsys)


def test_timing(capsys: pytest.CaptureFixture[str]) -> None:
    def is_read(row: Row) -> bool:
        said = row["code_or_phrase"].replace("<integer>", "3").replace("x", "6" if row["kind"] == "code" else "x")
        if row["kind"] == "code":
            return coded_frequency(said) is not None
        return read_frequency(said) is not None or read_sig(said) is not None

    check(
        "timing.csv",
        is_read,
        lambda row: "" if row["times"] else "does not say how often: a time of day, as needed",
        capsys,
    )


def test_stop_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    examples = {"T": "T42.6X5A", "Y": "Y46.2"}

    def is_read(row: Row) -> bool:
        code = row["code"]
        if code.startswith("regex:"):
            code = examples.get(code.removeprefix("regex:^")[0], code)
        coded = {"coding": [{"system": row["system"], "code": code}]}
        stop = read_stop([concept({"text": code} if row["system"] == "text" else coded)], GUIDELINE)
        meant = {"not_taken": "other"}.get(row["means"], row["means"])
        return meant == ("nonadherence" if stop.nonadherent else stop.reason.value)

    def why_not(row: Row) -> str:
        if row["means"] == "negation":
            return "turns what it stands before"
        if row["system"] == "text":
            return "" if row["certainty"] != "low" else "words that say less than that"
        if "stop_reason.unknown" in sets_of(row["system"], row["code"]):
            return "says that it was stopped, not why"
        return {
            "http://hl7.org/fhir/CodeSystem/medication-statement-adherence": "says that it was stopped, not why",
            "http://terminology.hl7.org/CodeSystem/v3-NullFlavor": "says nothing",
            "http://hl7.org/fhir/reason-medication-not-given": "why one dose was not given",
        }.get(row["system"], "")

    check("stop_reasons.csv", is_read, why_not, capsys)


def test_visits_and_specialists(capsys: pytest.CaptureFixture[str]) -> None:
    def is_read(row: Row) -> bool:
        return bool(sets_of(row["system"], row["code"]))

    def no_visit(row: Row) -> str:
        if row["code"] == "NONAC":
            return "of HL7's classes only acute stays are hospital visits"
        return "neither a hospital visit nor a contact" if row["hospital_visit"] == row["contact"] == "none" else ""

    def names_a_specialist(row: Row) -> bool:
        if row["system"] != "text":
            return is_read(row)
        return bool(
            found_in(row["code"] or row["display"], phrases({"": GUIDELINE.words[f"specialist.{row['means']}"]}))
        )

    check("encounter_class.csv", is_read, no_visit, capsys)
    check("specialties.csv", names_a_specialist, lambda _: "", capsys)


def test_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    def why_not(row: Row) -> str:
        if row["topic"] == "breastfeeding":
            return "no observation of it is asked for"
        return "neither value" if "neither value" in row["note"] else ""

    check("bp_pregnancy.csv", lambda row: bool(sets_of(row["system"], row["code"])), why_not, capsys)
