"""National Drug Codes: every spelling of a code is one product, and the table names what the FDA's directory does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.rules.guideline import NDC, load_guideline, package_digits
from prodrome.rules.guideline.guideline import GUIDELINE_FOLDER
from prodrome.rules.guideline.ndc import product_spellings

GUIDELINE = load_guideline()

SHAPES = ((4, 4, 2), (5, 3, 2), (5, 4, 1))


@st.composite
def packages(draw: st.DrawFn) -> tuple[str, str, str]:
    """A code as the FDA writes it: labelers of four digits start with 0, those of five do not."""
    shape = draw(st.sampled_from(SHAPES))
    labeler, product, package = (draw(st.text("0123456789", min_size=size, max_size=size)) for size in shape)
    return ("0" if shape[0] == 4 else "7") + labeler[1:], product, package


@given(packages())
def test_every_spelling_of_a_package_is_its_product(parts: tuple[str, str, str]) -> None:
    labeler, product, package = parts
    filled = (labeler.zfill(5), product.zfill(4), package.zfill(2))
    for written in (
        "-".join(parts),
        "-".join(parts[:2]),
        "".join(parts),
        "".join(parts[:2]),
        "-".join(filled),
        "".join(filled),
        " ".join(filled),
        f" {'-'.join(parts)}\n",
    ):
        assert labeler + product in product_spellings(written), written
        assert len(product_spellings(written)) <= 2
    for written in ("-".join(parts), "-".join(filled), "".join(filled)):
        assert package_digits(written) == "".join(filled)


@pytest.mark.parametrize(
    "code",
    ["", "-", "propranolol", "5554", "0591-5554-01-1", "059155540101", "059112-5554", "٠٥٩١٥٥٥٤", "0591-5554-0x"],
)
def test_what_is_no_code_is_none(code: str) -> None:
    assert product_spellings(code) == ()
    assert package_digits(code) == code


@pytest.mark.parametrize(
    ("code", "drug", "strength", "route"),
    [  # read in the directory
        ("0591-5554-01", "propranolol", 10, "oral"),
        ("00591555401", "propranolol", 10, "oral"),
        ("0173-0736", "sumatriptan", 50, "oral"),
        ("0173-0523", "sumatriptan", 20, "nasal"),
        ("51079-255-20", "metoprolol", 25, "oral"),
        ("72618-3000-2", "rimegepant", 75, "oral"),
        ("0023-1145", "onabotulinumtoxina", 100, "intramuscular"),
        ("55513-840", "erenumab", None, "subcutaneous"),
        ("0378-8755", "sumatriptan_naproxen", None, "oral"),
    ],
)
def test_a_product_is_its_drug(code: str, drug: str, strength: float | None, route: str) -> None:
    product = GUIDELINE.product(code, NDC)
    assert product is not None
    assert (product.drug, product.strength, product.route) == (drug, strength, route)
    assert product.systemic


@pytest.mark.parametrize("code", ["0023-3919", "0299-5962"], ids=["cosmetic", "another toxin"])
def test_what_is_no_treatment_here_is_known_as_that(code: str) -> None:
    product = GUIDELINE.product(code, NDC)
    assert product is not None
    assert product.drug == ""


def test_products_of_one_drug_agree_with_rxnorm() -> None:
    strengths = {drug: _strengths("products.csv", drug) for drug in GUIDELINE.drugs}
    for drug, known in strengths.items():
        assert _strengths("products_ndc.csv", drug) <= known, drug


def _strengths(table: str, drug: str) -> set[str]:
    rows = [line.split(",") for line in (GUIDELINE_FOLDER / table).read_text(encoding="utf-8").splitlines()]
    at = 1 if table == "products.csv" else 0
    return {row[at + 1] for row in rows if not row[0].startswith("#") and row[at] == drug and row[at + 1]}


@pytest.mark.parametrize(
    ("code", "groups"),
    [("0071-0350", {"maoi", "mao_a_inhibitor"}), ("59762130701", {"maoi", "mao_a_inhibitor"}), ("0591-5554", set())],
)
def test_a_product_of_another_drug_is_in_its_groups(code: str, groups: set[str]) -> None:
    assert GUIDELINE.sets_of(NDC, code) == groups
