"""Requests with a few odd elements end in an answer or a refusal."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.fuzz.structural import BATCH, SEEDS, body, failure, failures


@pytest.mark.parametrize("number", [int(line) for line in SEEDS.read_text().split()])
def test_what_once_failed_holds(number: int) -> None:
    assert failure(number) is None


def test_a_number_names_one_request() -> None:
    assert body(17) == body(17)
    assert len({body(number) for number in range(50)}) == 50


@pytest.mark.withstands("fuzzed requests")
def test_five_hundred_requests_end_in_no_5xx() -> None:
    assert failures(0, 500) == []


@pytest.mark.slow
@pytest.mark.withstands("fuzzed requests")
def test_twenty_thousand_requests_end_in_no_5xx() -> None:
    starts = range(500, 20_500, BATCH)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert [bad for batch in pool.map(failures, starts, [BATCH] * len(starts)) for bad in batch] == []
