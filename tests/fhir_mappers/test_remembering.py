"""What is remembered of words and codes is what reading them again would give, and bounded."""

from collections.abc import Hashable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers.phrases import MOST_REMEMBERED, SHORT, found_in, phrases
from prodrome.fhir_mappers.remembering import LONGEST_ELEMENT, MOST_BYTES, MOST_CHARACTERS, ElementMemory, Memory

KEYS = st.text(max_size=5) | st.tuples(st.text(max_size=5), st.none() | st.text(max_size=5))


@given(st.lists(KEYS))
def test_a_key_is_read_once_and_gives_the_same_again(asked: list[Hashable]) -> None:
    read: list[Hashable] = []

    def reading(key: Hashable) -> str:
        read.append(key)
        return repr(key)

    memory = Memory(reading)
    assert [memory[key] for key in asked] == [repr(key) for key in asked]
    assert len(read) == len(set(read)) == len(set(asked))


def test_what_cannot_be_read_is_asked_again() -> None:
    answers = iter((ValueError("no"), "yes"))

    def reading(_: str) -> str:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    memory = Memory(reading)
    try:
        memory["key"]
    except ValueError:
        assert not memory
    assert memory["key"] == "yes"


def test_no_chart_fills_a_memory_for_good() -> None:
    def reading(texts: tuple[str]) -> int:
        return len(texts)

    memory = Memory(reading)
    for number in range(50):
        text = f"{number}" + "x" * (MOST_CHARACTERS // 20)
        assert memory[text,] == 1
        assert sum(len(each) for (each,) in memory) <= MOST_CHARACTERS


def test_only_short_texts_are_remembered_and_not_too_many() -> None:
    wanted = phrases({"care": ("headache clinic",)})
    long = "headache clinic " + "x" * SHORT
    assert found_in(long, wanted) == {"care"}
    assert not wanted.remembered
    for number in range(MOST_REMEMBERED + 10):
        assert found_in(f"headache clinic {number}", wanted) == {"care"}
    assert len(wanted.remembered) <= MOST_REMEMBERED


ELEMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "text", "x"]), inner),
    max_leaves=6,
)


@given(st.lists(ELEMENTS))
def test_an_element_says_what_reading_it_again_would_give(asked: list[Any]) -> None:
    memory = ElementMemory(repr)
    assert [memory(element) for element in [*asked, *asked]] == [repr(element) for element in [*asked, *asked]]


def test_an_element_is_read_once_by_the_elements_that_are_named_of_which_null_is_as_absent() -> None:
    read: list[Any] = []

    def reading(part: Any) -> int:
        read.append(part)
        return len(read)

    memory = ElementMemory(reading, "code", "status")
    assert memory.of({"id": "1", "code": {"text": "x"}}) == 1
    assert memory.of({"code": {"text": "x"}, "id": "2"}) == 1
    assert memory.of({"code": {"text": "x"}, "status": None}) == 1
    assert memory.of({"code": None, "status": {"text": "x"}}) == 2
    assert read == [{"code": {"text": "x"}}, {"status": {"text": "x"}}]


def test_what_somebody_wrote_of_a_patient_is_not_remembered() -> None:
    read: list[Any] = []
    memory = ElementMemory(read.append)
    for element in (
        {"text": "x" * 201},
        [{"coding": [{"display": "x" * 201}]}],
        ["x" * 100] * (LONGEST_ELEMENT // 100),
    ):
        memory(element)
        memory(element)
        assert read == [element, element]
        read.clear()


def test_no_chart_fills_a_memory_of_elements_for_good() -> None:
    memory = ElementMemory(len)
    for number in range(2 * MOST_BYTES // 1000):
        assert memory([f"{number:150}"] * 6) == 6
    assert 0 < sum(map(len, memory.known)) <= MOST_BYTES
