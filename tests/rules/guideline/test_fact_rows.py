"""Every fact about limits, contraindications and comorbidity is shipped as it was read, or left out for a reason."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from prodrome.rules.guideline.guideline import load_guideline
from prodrome.rules.guideline.types import Drug

GUIDELINE = load_guideline()
TABLE = Path(__file__).parent / "fact_rows.csv"
ROWS = list(csv.DictReader(line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")))


def limit(drug: Drug, what: str) -> bool:
    locale, *fields = what.split()
    wanted = dict(field.split("=") for field in fields)
    conditions = tuple(sorted(wanted.pop("conditions", "").split("+"))) if "conditions" in wanted else ()
    beside = {name: wanted.pop(name, None) for name in ("route", "brand", "with_drug", "with_group")}
    return any(
        row.drug == drug.id
        and locale in row.where
        and all(getattr(row, name) == value for name, value in beside.items())
        and tuple(sorted(row.conditions)) == conditions
        and all(getattr(row, name) == float(value) for name, value in wanted.items())
        for row in GUIDELINE.dose_limits
    )


def against(drug: Drug, what: str) -> bool:
    id_, strength, locale = (*what.split(), "US")[:3]
    listed = id_ in (drug.cautions if strength == "caution" else drug.contraindications) or (
        id_ in drug.contraindications + drug.cautions
    )
    said = "caution" if id_ in drug.cautions else GUIDELINE.contraindications[id_].strength_for(drug.id, locale)
    if strength == "not_evaluated":
        said = GUIDELINE.contraindications[id_].strength
    return listed and said == strength


def said(drug: Drug, what: str) -> bool:
    use, acute = drug.preventive, drug.acute
    words = [regimen.says for regimen in use.regimens] if use else []
    words += [use.titration.says] if use and use.titration else []
    words += [f"{dose.route} {dose.usual:g}" for dose in acute.doses if dose.usual] if acute else []
    return what in words


def tells(drug: Drug, what: str) -> bool:
    effects = drug.preventive.side_effects if drug.preventive else None
    return effects is not None and what in (*effects.common, *effects.stop_and_call)


def first(drug: Drug, what: str) -> bool:
    order = GUIDELINE.evidence_order
    return drug.id in {one.drug for one in (order.pregnancy if what == "pregnancy" else order.breastfeeding)}


def prefer(drug: Drug, what: str) -> bool:
    return any(one.code_set == what and drug.id in one.prefer for one in GUIDELINE.evidence_order.comorbidities)


def avoid(drug: Drug, what: str) -> bool:
    return any(one.code_set == what and drug.id in one.avoid for one in GUIDELINE.evidence_order.comorbidities)


def value(drug: Drug, what: str) -> bool:
    name, *_, number = what.split()
    if name in GUIDELINE.contraindications:
        return GUIDELINE.contraindications[name].exempt_up_to.get(drug.id) == float(number)
    return bool(getattr(drug.preventive, name) == float(number))


HOLDS: Mapping[str, Callable[[Drug, str], bool]] = {
    "limit": limit,
    "against": against,
    "said": said,
    "tells": tells,
    "first": first,
    "prefer": prefer,
    "avoid": avoid,
    "value": value,
}


def test_no_row_is_forgotten() -> None:
    rows = {row["row"] for row in ROWS}
    assert len([row for row in rows if row.startswith("D")]) == 144
    assert len([row for row in rows if row.startswith("P")]) == 49
    assert len([row for row in rows if row.startswith("K")]) == 23
    assert len([row for row in rows if row.startswith("S")]) == 17


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['row']} {row['drugs']} {row['what']}" for row in ROWS])
def test_a_fact_is_shipped_as_it_was_read_or_left_out_for_a_reason(row: dict[str, str]) -> None:
    kind, what = row["kind"], row["what"]
    if kind == "left":
        assert what
        assert not row["drugs"]
    elif kind == "together":
        assert GUIDELINE.classes_not_together == set(what.split())
    elif not row["drugs"]:
        name, number = what.split()
        assert GUIDELINE.parameters[name].value == float(number)
    else:
        for drug in row["drugs"].split():
            assert HOLDS[kind](GUIDELINE.drugs[drug], what), drug


CAUTIONS_OF_ABSOLUTE_STRENGTH = {
    "ckd_severe": "ACE inhibitors and ARBs are given for it; atogepant has a limit there",
    "uncontrolled_hypertension": "labels of drugs against CGRP warn of hypertension and do not exclude it",
    "pregnancy": "drugs against CGRP and botulinum toxin: little is known (P46, P50)",
    "strong_cyp3a4_inhibitor": "atogepant has a limit there",
    "liver_severe": "ubrogepant has a limit there",
    "cad_ihd": "small doses of aspirin are given for it",
}


def test_a_caution_of_absolute_strength_warns_but_for_a_reason() -> None:
    found: dict[str, set[str]] = {}
    for drug in GUIDELINE.drugs.values():
        for id_ in drug.cautions:
            if GUIDELINE.contraindications[id_].strength_for(drug.id) == "absolute":
                found.setdefault(id_, set()).add(drug.id)
    assert set(found) == set(CAUTIONS_OF_ABSOLUTE_STRENGTH)
    assert found["cad_ihd"] == {"aspirin"}
    assert all(drug == "aspirin" or GUIDELINE.drugs[drug].targets_cgrp for drug in found["uncontrolled_hypertension"])


def test_nothing_rests_on_a_source_of_which_nothing_was_read_but_the_labels_of_the_first_tables() -> None:
    unread = {source.id for source in GUIDELINE.sources.values() if source.read in ("nothing", "none", "title only")}
    assert not unread & {row.source for row in GUIDELINE.dose_limits}
    used = {one.source for one in GUIDELINE.contraindications.values()}
    assert unread & used <= {"LABELS"}
