"""What is remembered of words and codes is what reading them again would give, and bounded."""

from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from prodrome.fhir_mappers.phrases import MOST_REMEMBERED, SHORT, found_in, phrases
from prodrome.fhir_mappers.remembering import MOST_CHARACTERS, Memory

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
