"""Whatever a FHIR server answers, calls end in an answer or a refusal, and nothing outside its base is asked."""

import pytest

from tests.fuzz.hostile_charts import failures


@pytest.mark.withstands("fuzzed requests", "confused deputy")
def test_three_hundred_hostile_charts_end_in_no_5xx() -> None:
    assert failures(0, 300) == []
