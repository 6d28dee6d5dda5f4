"""The grammar of sigs: read whole or not at all, over real texts and over all it can say itself."""

import contextlib
import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers.sigs import Sig, coded_frequency, is_piece, read_frequency, read_sig

DAYS = {"h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4}
EXAMPLES = list(csv.DictReader(Path(__file__).with_name("sigs.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["text"][:60] for example in EXAMPLES])
def test_a_text_is_read_as_a_person_reads_it(example: dict[str, str]) -> None:
    sig = read_sig(example["text"])
    if not example["amount"]:
        assert sig is None
        return
    assert sig is not None
    assert (sig.amount, sig.unit) == (float(example["amount"]), example["unit"])
    assert sig.as_needed is (example["as_needed"] == "yes")
    if example["times"]:
        assert sig.times
        assert sig.days
        rate = float(example["times"]) / (float(example["per"]) * DAYS[example["per_unit"]])
        assert sig.times / sig.days == pytest.approx(rate, rel=0.02)  # 30 days and a month
    else:
        assert sig.times is None
    assert sig.most == (float(example["most"]) if example["most"] else None)


AMOUNTS = st.sampled_from([0.5, 1, 1.5, 2, 3, 25, 40, 75, 100, 150])
UNITS = {"mg": "mg", "tablet": "tablets", "capsule": "capsules", "spray": "sprays", "": ""}
OFTEN = {
    (1.0, 1.0): ["daily", "once a day", "every day", "QD", "1 time per day", "at bedtime", "täglich", "par jour"],
    (2.0, 1.0): ["twice daily", "BID", "2 times a day", "2 (two) times daily", "morning and evening", "2x täglich"],
    (3.0, 1.0): ["three times a day", "TID", "3 times daily", "3x tgl."],
    (1.0, 2.0): ["every other day", "every 2 days", "QOD"],
    (1.0, 28.0): ["every 28 days", "every 4 weeks", "alle 4 Wochen"],
}
VERBS = ["Take", "TAKE", "", "Prendre", "Nehmen Sie"]
ASIDES = ["", " by mouth", " with food", " PO", " for 30 days", "."]


@given(
    AMOUNTS,
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(sorted(OFTEN)),
    st.data(),
    st.sampled_from(VERBS[:4]),
    st.sampled_from(ASIDES),
    st.booleans(),
)
def test_what_is_written_by_the_grammar_is_read_back(
    amount: float, unit: str, often: tuple[float, float], data: st.DataObject, verb: str, aside: str, needed: bool
) -> None:
    words = data.draw(st.sampled_from(OFTEN[often]))
    text = f"{verb} {amount:g} {UNITS[unit]} {words}{aside}{' as needed' if needed else ''}".strip()
    sig = read_sig(text)
    assert sig is not None, text
    assert (sig.amount, sig.unit, sig.as_needed) == (amount, unit, needed)
    assert sig.times
    assert sig.days
    assert sig.times / sig.days == pytest.approx(often[0] / often[1])


@given(
    st.sampled_from([example["text"] for example in EXAMPLES if example["amount"]]), st.sampled_from(["Xyzzy", "if BP"])
)
def test_one_unknown_word_and_nothing_is_read(text: str, word: str) -> None:
    assert read_sig(f"{text} {word}") is None


@given(st.text(max_size=120))
def test_any_text_is_read_or_not(text: str) -> None:
    assert read_sig(text) is None or isinstance(read_sig(text), Sig)
    read_frequency(text)
    coded_frequency(text)
    is_piece(text)


@pytest.mark.parametrize(
    ("text", "often"),
    [
        ("Daily", (1, 1)),
        ("2 times a day", (2, 1)),
        ("Every Bedtime", (1, 1)),
        ("take 1 tablet daily", None),
        ("x", None),
    ],
)
def test_a_frequency_is_read_where_nothing_else_is_said(text: str, often: tuple[float, float] | None) -> None:
    assert read_frequency(text) == often


@pytest.mark.parametrize(("code", "often"), [("BID", (2, 1)), ("Q12H", (1, 0.5)), ("229799001", (2, 1)), ("XID", None)])
def test_a_frequency_may_be_coded(code: str, often: tuple[float, float] | None) -> None:
    assert coded_frequency(code) == (pytest.approx(often) if often else None)


DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not DATA.exists(), reason="the public data are not here")
def test_the_share_of_public_sigs_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    texts: list[str] = []
    for file in sorted([*DATA.rglob("*.json"), *DATA.rglob("*.json.gz")]):
        content = file.read_bytes()
        raw = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8", errors="ignore")
        if '"dosage' in raw:
            with contextlib.suppress(ValueError):
                texts += _sigs_of(json.loads(raw))
    read = [text for text in texts if read_sig(text) or read_frequency(text)]
    with capsys.disabled():
        print(f"\ndosages of the public data in text only: {len(read)} of {len(texts)} read")
    assert len(read) >= 0.5 * len(texts)


def _sigs_of(value: object) -> Iterator[str]:
    """The text of every Dosage that says neither a quantity nor a frequency beside it."""
    if isinstance(value, dict):
        for name in ("dosage", "dosageInstruction"):
            entries = value.get(name)
            for entry in entries if isinstance(entries, list) else []:
                if isinstance(entry, dict) and isinstance(entry.get("text"), str):
                    structured = json.dumps([entry.get("doseAndRate"), entry.get("timing"), entry.get("doseQuantity")])
                    if "value" not in structured and "frequency" not in structured:
                        yield entry["text"]
        for each in value.values():
            yield from _sigs_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from _sigs_of(each)
