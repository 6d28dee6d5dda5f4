"""The tables are sound: every marker names a row, and the page in the documents is what they say."""

from tests.withstands.table import DOCUMENT, document, marked, rows


def test_rows_have_ids_of_their_own() -> None:
    ids = [row.id for of in rows().values() for row in of]
    assert len(ids) == len(set(ids))


def test_tests_name_rows_that_exist() -> None:
    assert marked().keys() <= {row.id for of in rows().values() for row in of}


def test_the_page_says_that_every_row_holds_and_which_tests_show_it() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document({}), "run make security-table"


def test_each_row_is_shown_by_a_test() -> None:
    assert {row.id for of in rows().values() for row in of} <= marked().keys()
