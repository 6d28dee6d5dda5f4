"""docs/population.md shows what its commands say."""

from pathlib import Path

from tests.docs import population_page


def test_the_page_is_current(tmp_path: Path) -> None:
    assert population_page.FILE.read_text(encoding="utf-8") == population_page.text(tmp_path), "run: make docs"
