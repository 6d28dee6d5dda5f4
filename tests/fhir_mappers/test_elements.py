"""JSON as clients write it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers import load_json

HALVES = st.integers(0xD800, 0xDFFF).map(chr)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"cut \ud83d"', "cut \ufffd"),
        (r'"\uDE00 cut"', "\ufffd cut"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\\ud83d"', r"\ud83d"),
        (r'"\\\ud83d\n"', "\\\ufffd\n"),
    ],
)
def test_half_a_character_is_replaced_and_nothing_else(written: str, read: str) -> None:
    assert load_json(written.encode()) == read
    assert load_json(b"\xef\xbb\xbf" + written.encode()) == read


@pytest.mark.parametrize("written", [b'{"a": "\\ud83d",}', b'"\\ud8"', b'"\\uD83D', b"\\ud83d", b'"\xed\xa0\xbd"'])
def test_what_is_no_json_stays_none(written: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        load_json(written)


@given(st.lists(st.text(max_size=3) | HALVES | st.sampled_from(["\\", "\\u", "\ud83d\ude00"]), max_size=8).map("".join))
def test_any_text_is_read_as_python_reads_it_but_for_halves(text: str) -> None:
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert load_json(json.dumps(text).encode()) == whole
