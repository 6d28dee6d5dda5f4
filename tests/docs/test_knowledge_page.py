"""docs/knowledge.md shows what its commands say."""

from pathlib import Path

from tests.docs import knowledge_page


def test_the_page_is_current(tmp_path: Path) -> None:
    assert knowledge_page.FILE.read_text(encoding="utf-8") == knowledge_page.text(tmp_path), "run: make docs"
